//! Machines that cannot be copied, in states that must be copied.
//!
//! A machine that issues numbers is not `Clone`, on purpose. So a state keeps the beginning of a machine and all its
//! inputs since, and makes the machine anew from them for each next input. Two machines are equal if their contents
//! are, whatever their inputs were.

use std::fmt::{self, Debug, Write};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// A machine in a model: the same inputs make the same machine.
pub trait Machine: Debug + Sized {
    /// The beginning of the machine.
    type Start: Clone + Debug;
    /// An input.
    type Input: Clone + Debug;
    /// The result of an input.
    type Output;
    /// The part of the machine that others see.
    type View: Clone + Debug;

    /// Makes the machine.
    fn start(start: &Self::Start) -> Self;
    /// Handles an input.
    fn handle(&mut self, input: &Self::Input) -> Self::Output;
    /// Returns the part that others see.
    fn view(self) -> Self::View;
}

/// A machine between two steps of a model.
pub struct Resting<M: Machine> {
    start: Arc<M::Start>,
    inputs: Arc<Vec<M::Input>>,
    /// The fingerprint of the whole machine.
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
    /// Makes a machine without any input.
    pub fn new(start: M::Start) -> Self {
        Running { machine: M::start(&start), start: Arc::new(start), inputs: Arc::default() }.rest()
    }

    /// Makes a copy of the machine, to try something out. O(inputs).
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

    /// Returns the part that others see.
    pub fn view(&self) -> &M::View {
        &self.view
    }
}

impl<M: Machine> Running<M> {
    /// Handles an input.
    pub fn handle(&mut self, input: M::Input) -> M::Output {
        let output = self.machine.handle(&input);
        Arc::make_mut(&mut self.inputs).push(input);
        output
    }

    /// Returns the machine itself.
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

/// Returns a hash of a value's whole content, as `Debug` shows it.
pub fn fingerprint(value: &impl Debug) -> u64 {
    /// A writer that hashes the text written to it.
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
