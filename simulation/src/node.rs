//! What a user plugs in: a [`Node`] of the protocol, and a [`Scenario`] that makes nodes, gives them work and judges.

use std::fmt;

use crate::random::Random;

/// One node of a protocol as a machine without input or output: packets and time go in, packets come out.
///
/// `now` is the node's own clock in milliseconds. It may run slower or faster than another's and may jump, where the
/// faults say so. After every input the simulation takes out all packets and asks for the next deadline.
pub trait Node {
    /// The packets of the protocol.
    type Packet: Clone + fmt::Debug;
    /// The commands that the application gives a node.
    type Command: Clone + fmt::Debug;

    /// Does what the application asks.
    fn handle_command(&mut self, command: Self::Command, now: u64);

    /// Takes in a packet of the node `from`.
    fn handle_packet(&mut self, from: usize, packet: Self::Packet, now: u64);

    /// Does what is due: called when [`poll_timeout`](Self::poll_timeout) has come.
    fn handle_timeout(&mut self, now: u64);

    /// Takes out the next packet to send, and to whom.
    fn poll_packet(&mut self) -> Option<(usize, Self::Packet)>;

    /// Returns when the node wants to be called next, by its own clock.
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

/// The surroundings of one run: makes the nodes, draws their work, and knows what must hold.
///
/// Every run has a scenario of its own, so it may keep a model, a history or an oracle in its fields.
pub trait Scenario {
    /// The node simulated.
    type Node: Node;

    /// Makes node number `node`: at the start of the run, and again when it comes back from a crash that took its
    /// state.
    fn start(&mut self, node: usize, now: u64) -> Self::Node;

    /// Makes a node again after a crash that left what was durable; take that out of `crashed`, and nothing else.
    fn restart(&mut self, node: usize, crashed: Self::Node, now: u64) -> Self::Node;

    /// Draws a piece of work. It is drawn before the run, and may be given to any node.
    fn command(&mut self, random: &mut Random) -> <Self::Node as Node>::Command;

    /// Checks what must hold at all times; called after every step.
    ///
    /// # Errors
    ///
    /// What is wrong, in words: the run has failed.
    fn check(&mut self, step: &mut Step<'_, Self::Node>) -> Result<(), String>;

    /// Checks what must hold at last: called after the faults are over, until it holds. The run ends once it does
    /// and all that was in flight then has arrived.
    ///
    /// # Errors
    ///
    /// What is still lacking, in words: the run has failed if it still is when the time to settle is over.
    fn settled(&mut self, nodes: &[Option<Self::Node>]) -> Result<(), String>;
}

/// The moment after a step of one node.
pub struct Step<'a, N> {
    /// The true time in milliseconds since the start of the run.
    pub now: u64,
    /// The node that made the step.
    pub node: usize,
    /// All nodes; `None` are those that are down.
    pub nodes: &'a mut [Option<N>],
    pub(crate) notes: Option<&'a mut Vec<String>>,
}

impl<N> Step<'_, N> {
    /// Returns the node that made the step.
    ///
    /// # Panics
    ///
    /// If the scenario has taken it out of `nodes`.
    pub fn machine(&mut self) -> &mut N {
        self.nodes[self.node].as_mut().expect("a node that makes a step is up")
    }

    /// Adds a line to the trace, if there is one.
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
