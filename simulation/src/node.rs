//! The traits to implement: a [`Node`] of the protocol, and a [`Scenario`] that makes nodes, gives them commands and
//! judges.

use std::fmt;

use crate::random::Random;

/// One node of a protocol as a machine without input or output: packets and time go in, packets come out.
///
/// `now` is the node's own clock in milliseconds. With faults of clocks it may run slower or faster than others, and
/// jump. After every input the simulation takes all packets to send, and asks for the next deadline.
pub trait Node {
    /// The packets of the protocol.
    type Packet: Clone + fmt::Debug;
    /// The commands that the application gives a node.
    type Command: Clone + fmt::Debug;

    /// Handles a command of the application.
    fn handle_command(&mut self, command: Self::Command, now: u64);

    /// Handles a packet from the node `from`.
    fn handle_packet(&mut self, from: usize, packet: Self::Packet, now: u64);

    /// Does the work that is due: called when [`poll_timeout`](Self::poll_timeout) has come.
    fn handle_timeout(&mut self, now: u64);

    /// Returns the next packet to send, and its receiver.
    fn poll_packet(&mut self) -> Option<(usize, Self::Packet)>;

    /// Returns the time at which the node wants to be called next, by its own clock.
    fn poll_timeout(&mut self) -> Option<u64>;
}

/// The size and the seed of a run, from which its scenario is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setup {
    /// The number of nodes.
    pub nodes: usize,
    /// The seed of the run, for settings that differ from run to run.
    pub seed: u64,
}

/// The surroundings of one run: makes the nodes, draws their commands, and checks the results.
///
/// Every run has a scenario of its own, so it may keep a model, a history or an oracle in its fields.
pub trait Scenario {
    /// The simulated node.
    type Node: Node;

    /// Makes node number `node`: at the start of the run, and again after a crash that lost its state.
    fn start(&mut self, node: usize, now: u64) -> Self::Node;

    /// Makes a node again after a crash that kept its durable state. Use that part of `crashed`, and nothing else.
    fn restart(&mut self, node: usize, crashed: Self::Node, now: u64) -> Self::Node;

    /// Draws a command. It is drawn before the run, and may be given to any node.
    fn command(&mut self, random: &mut Random) -> <Self::Node as Node>::Command;

    /// Checks the conditions that hold at all times. Called after every step.
    ///
    /// # Errors
    ///
    /// A description of the violation: the run has failed.
    fn check(&mut self, step: &mut Step<'_, Self::Node>) -> Result<(), String>;

    /// Checks the conditions that hold in the end. Called once the faults are over, until it returns `Ok`. The run then
    /// ends when all packets in flight have arrived.
    ///
    /// # Errors
    ///
    /// A description of the condition that does not hold yet. If it still does not hold when the time to become quiescent is
    /// over, the run has failed.
    fn quiescent(&mut self, nodes: &[Option<Self::Node>]) -> Result<(), String>;
}

/// The moment after a step of one node.
pub struct Step<'a, N> {
    /// The true time in milliseconds since the start of the run.
    pub now: u64,
    /// The node that made the step.
    pub node: usize,
    /// All nodes; a node that is down is `None`.
    pub nodes: &'a mut [Option<N>],
    pub(crate) notes: Option<&'a mut Vec<String>>,
}

impl<N> Step<'_, N> {
    /// Returns the node that made the step.
    ///
    /// # Panics
    ///
    /// If the scenario has removed it from `nodes`.
    pub fn machine(&mut self) -> &mut N {
        self.nodes[self.node].as_mut().expect("a node that makes a step is up")
    }

    /// Adds a line to the trace, if the run records one.
    pub fn note(&mut self, words: impl FnOnce() -> String) {
        if let Some(notes) = &mut self.notes {
            notes.push(words());
        }
    }
}

impl<N> fmt::Debug for Step<'_, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Step").field("now", &self.now).field("node", &self.node).finish_non_exhaustive()
    }
}
