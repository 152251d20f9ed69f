//! All decisions of a run, as data: the commands of the application, the faults, and their times.
//!
//! A run is a function of the scenario and its [`Schedule`]. The seed only draws the schedule. So a failing run can be
//! shortened: a schedule with fewer decisions is a schedule too.

use std::collections::BTreeMap;

use crate::network::{PacketFate, PacketId, Partition};

/// All decisions of a run.
#[derive(Clone, Debug)]
pub struct Schedule<C> {
    /// The seed from which it was drawn; scenarios draw their own settings from it.
    pub seed: u64,
    /// The number of nodes.
    pub nodes: usize,
    /// The time at which all faults end: partitions, crashes and drift. From then on every packet arrives.
    pub heals_at: u64,
    /// The time that the run may then take to become quiescent, in milliseconds.
    pub quiesces_within: u64,
    /// The delay of a packet without a decision, in milliseconds.
    pub least_delay: u64,
    /// The decisions, in order of time.
    pub decisions: Vec<Decision<C>>,
}

/// One decision of a run; times are true time in milliseconds.
#[derive(Clone, Debug)]
pub enum Decision<C> {
    /// The application gives a command to a node, unless the node is down.
    Command {
        /// The time.
        at: u64,
        /// The node.
        node: usize,
        /// The command.
        command: C,
    },
    /// A node is down for a while. Packets that arrive meanwhile are lost.
    Crash {
        /// The beginning.
        at: u64,
        /// The end.
        until: u64,
        /// The node.
        node: usize,
        /// True if all state is lost; false if the durable state is kept.
        loses_state: bool,
    },
    /// Some nodes do not hear others for a while.
    Partition(Partition),
    /// A clock jumps, and runs at another rate from then on.
    Clock {
        /// The time.
        at: u64,
        /// The node with the clock.
        node: usize,
        /// The new rate, in per mille.
        rate: u64,
        /// The jump, in milliseconds.
        jump: i64,
    },
    /// A packet is lost, late or repeated.
    Packet(PacketId, PacketFate),
}

/// The kinds of decisions. Readers prefer to do without the first ones.
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

    /// Returns the decision for a run without node `gone`, with higher nodes renumbered; `None` if it was about that
    /// node.
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
