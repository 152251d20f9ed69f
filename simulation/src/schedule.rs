//! All that is decided about a run, as data: what the application does, what goes wrong, and when.
//!
//! A run is a function of the scenario and its [`Schedule`]. The seed only serves to draw one. That is why a run that
//! fails can be made shorter: a schedule with fewer decisions is a schedule.

use std::collections::BTreeMap;

use crate::network::{PacketFate, PacketId, Partition};

/// Everything that is decided about a run.
#[derive(Clone, Debug)]
pub struct Schedule<C> {
    /// The seed it was drawn from; scenarios draw their own settings from it.
    pub seed: u64,
    /// How many nodes take part.
    pub nodes: usize,
    /// When all faults end: partitions, crashes, drift, and from then on every packet arrives.
    pub heals_at: u64,
    /// How long after that the run may take to settle, in milliseconds.
    pub settles_within: u64,
    /// How long a packet takes about which nothing is decided.
    pub least_delay: u64,
    /// The decisions, in order of time.
    pub decisions: Vec<Decision<C>>,
}

/// One thing that happens in a run; times are true time in milliseconds.
#[derive(Clone, Debug)]
pub enum Decision<C> {
    /// The application asks something of a node. It is not asked while it is down.
    Command {
        /// When.
        at: u64,
        /// Of whom.
        node: usize,
        /// The command.
        command: C,
    },
    /// A node is down for a while. What arrives meanwhile is lost.
    Crash {
        /// From when.
        at: u64,
        /// When it comes back.
        until: u64,
        /// The node.
        node: usize,
        /// True if all state is lost, and not only what was not durable.
        loses_state: bool,
    },
    /// Some nodes do not hear others for a while.
    Partition(Partition),
    /// A clock jumps, and goes at another rate from then on.
    Clock {
        /// When.
        at: u64,
        /// Whose clock.
        node: usize,
        /// How fast, per mille.
        rate: u64,
        /// By how many milliseconds it jumps.
        jump: i64,
    },
    /// A packet is lost, late or repeated.
    Packet(PacketId, PacketFate),
}

/// The kinds of decisions, from those that a reader would rather be without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Clock,
    Partition,
    Crash,
    Packet,
    Command,
}

impl Kind {
    pub(crate) const ALL: [Self; 5] = [Self::Clock, Self::Partition, Self::Crash, Self::Packet, Self::Command];
}

impl<C> Decision<C> {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Command { .. } => Kind::Command,
            Self::Crash { .. } => Kind::Crash,
            Self::Partition(_) => Kind::Partition,
            Self::Clock { .. } => Kind::Clock,
            Self::Packet(..) => Kind::Packet,
        }
    }

    /// Returns the decision as it reads without node `gone`, with those behind it moved up; `None` if it was about
    /// that node.
    fn without(mut self, gone: usize) -> Option<Self> {
        let moved = |node: &mut usize| {
            let about = *node == gone;
            *node -= usize::from(*node > gone);
            !about
        };
        let stays = match &mut self {
            Self::Command { node, .. } | Self::Crash { node, .. } | Self::Clock { node, .. } => moved(node),
            Self::Packet(PacketId { from, to, .. }, _) => moved(from) && moved(to),
            Self::Partition(partition) => {
                if gone < partition.group.len() {
                    partition.group.remove(gone);
                }
                partition.group.contains(&true) && partition.group.contains(&false)
            }
        };
        stays.then_some(self)
    }
}

impl<C: Clone> Schedule<C> {
    /// Returns the same run without one of its nodes.
    pub(crate) fn without(&self, gone: usize) -> Self {
        let decisions = self.decisions.iter().cloned();
        let decisions = decisions.filter_map(|decision| decision.without(gone)).collect();
        Self { nodes: self.nodes - 1, decisions, ..*self }
    }

    /// Returns the fates of packets.
    pub(crate) fn fates(&self) -> BTreeMap<PacketId, PacketFate> {
        let packets = self.decisions.iter().filter_map(|decision| match decision {
            Decision::Packet(id, fate) => Some((*id, *fate)),
            _ => None,
        });
        packets.collect()
    }

    /// Counts the commands, and all other decisions.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let commands = self.decisions.iter().filter(|decision| decision.kind() == Kind::Command).count();
        (commands, self.decisions.len() - commands)
    }
}
