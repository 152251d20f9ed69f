//! Machines that cannot be copied, in states that must be.
//!
//! What issues numbers is not `Clone`, on purpose. So a machine is kept as what it began with and what has happened to it
//! since, and made anew from that whenever something else is to happen. Two machines are the same if all that is in them
//! is, whatever has happened to them.

use std::fmt::{self, Debug, Write};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// A machine in a model: the same inputs make the same machine.
pub trait Machine: Debug + Sized {
    /// The beginning of it.
    type Start: Clone + Debug;
    /// An input.
    type Input: Clone + Debug;
    /// The result of an input.
    type Output;
    /// The part of it that others see.
    type View: Clone + Debug;

    /// Makes it.
    fn start(start: &Self::Start) -> Self;
    /// Lets something happen to it.
    fn handle(&mut self, input: &Self::Input) -> Self::Output;
    /// Says what others see of it.
    fn view(self) -> Self::View;
}

/// A machine between two steps of a model.
pub struct Resting<M: Machine> {
    start: Arc<M::Start>,
    inputs: Arc<Vec<M::Input>>,
    /// Of all that is in the machine.
    fingerprint: u64,
    view: M::View,
}

/// A machine within a step.
#[derive(Debug)]
pub struct Running<M: Machine> {
    machine: M,
    start: Arc<M::Start>,
    inputs: Arc<Vec<M::Input>>,
}

impl<M: Machine> Resting<M> {
    /// Makes a machine to which nothing has happened.
    pub fn new(start: M::Start) -> Self {
        Running { machine: M::start(&start), start: Arc::new(start), inputs: Arc::default() }.rest()
    }

    /// Makes the machine anew, to try something out. O(inputs).
    pub fn machine(&self) -> M {
        let mut machine = M::start(&self.start);
        for input in self.inputs.iter() {
            machine.handle(input);
        }
        machine
    }

    /// Begins a step. O(inputs).
    pub fn run(&self) -> Running<M> {
        Running { machine: self.machine(), start: Arc::clone(&self.start), inputs: Arc::clone(&self.inputs) }
    }

    /// Returns what others see of it.
    pub fn view(&self) -> &M::View {
        &self.view
    }
}

impl<M: Machine> Running<M> {
    /// Lets something happen to the machine.
    pub fn handle(&mut self, input: M::Input) -> M::Output {
        let output = self.machine.handle(&input);
        Arc::make_mut(&mut self.inputs).push(input);
        output
    }

    /// Returns the machine itself, to look at.
    pub fn machine(&self) -> &M {
        &self.machine
    }

    /// Ends the step.
    pub fn rest(self) -> Resting<M> {
        let Self { machine, start, inputs } = self;
        let fingerprint = fingerprint(&machine);
        Resting { start, inputs, fingerprint, view: machine.view() }
    }
}

/// A number that stands for all that is in a value, if `Debug` shows all of it.
pub fn fingerprint(value: &impl Debug) -> u64 {
    /// A hash of all that is written to it.
    struct Hashed(DefaultHasher);

    impl Write for Hashed {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0.write(text.as_bytes());
            Ok(())
        }
    }

    let mut hashed = Hashed(DefaultHasher::new());
    write!(hashed, "{value:?}").expect("a hasher takes everything");
    hashed.0.finish()
}

impl<M: Machine> Clone for Resting<M> {
    fn clone(&self) -> Self {
        let (start, inputs) = (Arc::clone(&self.start), Arc::clone(&self.inputs));
        Self { start, inputs, fingerprint: self.fingerprint, view: self.view.clone() }
    }
}

impl<M: Machine> Debug for Resting<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} of {:?} after {:?}", self.view, self.start, self.inputs)
    }
}

impl<M: Machine> PartialEq for Resting<M> {
    fn eq(&self, other: &Self) -> bool {
        self.fingerprint == other.fingerprint
    }
}

impl<M: Machine> Eq for Resting<M> {}

impl<M: Machine> Hash for Resting<M> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.fingerprint.hash(state);
    }
}
