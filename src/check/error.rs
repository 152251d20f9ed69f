//! Violations that the oracles find.

use core::fmt;

use crate::node::Dot;

/// A violation of causal delivery, found by [`CausalRun`](super::CausalRun).
///
/// The event is not recorded, and the run is unchanged. The fault is in the judged protocol, or in the harness that
/// feeds the run. `Display` says it in words.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CausalViolation<I> {
    /// Two messages were sent with the same dot.
    SentTwice {
        /// The dot.
        dot: Dot<I>,
    },
    /// A message was sent, but one of its causes was not.
    UnknownCause {
        /// The message.
        dot: Dot<I>,
        /// The dependency that was never sent, or the sender's own previous message.
        cause: Dot<I>,
    },
    /// The site is not one of the run.
    NoSuchSite {
        /// The site.
        site: usize,
    },
    /// A site delivered a message that no node sent.
    NeverSent {
        /// The site.
        site: usize,
        /// The dot delivered.
        dot: Dot<I>,
    },
    /// A site delivered a message a second time.
    DeliveredTwice {
        /// The site.
        site: usize,
        /// The message.
        dot: Dot<I>,
    },
    /// A site delivered a message before one of its causes.
    BeforeCause {
        /// The site.
        site: usize,
        /// The message.
        dot: Dot<I>,
        /// Its cause, not delivered at the site.
        cause: Dot<I>,
    },
    /// A site never delivered a message.
    NotDelivered {
        /// The site.
        site: usize,
        /// The message.
        dot: Dot<I>,
    },
}

impl<I: fmt::Debug> fmt::Display for CausalViolation<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SentTwice { dot } => write!(f, "{dot:?} is sent a second time"),
            Self::UnknownCause { dot, cause } => {
                write!(f, "{dot:?} is sent, but its cause {cause:?} never was")
            }
            Self::NoSuchSite { site } => write!(f, "there is no site {site} in this run"),
            Self::NeverSent { site, dot } => write!(f, "site {site} delivers {dot:?}, which was never sent"),
            Self::DeliveredTwice { site, dot } => write!(f, "site {site} delivers {dot:?} a second time"),
            Self::BeforeCause { site, dot, cause } => {
                write!(f, "site {site} delivers {dot:?} before its cause {cause:?}")
            }
            Self::NotDelivered { site, dot } => write!(f, "site {site} has not delivered {dot:?}"),
        }
    }
}

impl<I: fmt::Debug> core::error::Error for CausalViolation<I> {}

/// A violation of total order, found by [`OrderRun`](super::OrderRun).
///
/// The event is not recorded, and the run is unchanged. The fault is in the judged protocol, or in the harness that
/// feeds the run. `Display` says it in words.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OrderViolation<I, Q> {
    /// A node sent a number that is not above its last.
    SentOutOfOrder {
        /// The message.
        dot: Dot<I>,
    },
    /// A message was delivered, acknowledged or refused, but no node sent it.
    NeverSent {
        /// The message.
        dot: Dot<I>,
    },
    /// The site is not one of the run.
    NoSuchSite {
        /// The site.
        site: usize,
    },
    /// A site resumes from a place that no site has reached.
    NoSuchPlace {
        /// The site.
        site: usize,
        /// The number of deliveries in its snapshot.
        delivered: usize,
    },
    /// A site delivered a message a second time.
    DeliveredTwice {
        /// The site.
        site: usize,
        /// The message.
        dot: Dot<I>,
    },
    /// Two sites disagree about a place: they deliver different messages, give different positions, or one left a
    /// message out.
    Disagreement {
        /// The site that comes second.
        site: usize,
        /// The position and the message that it delivers.
        here: (Q, Dot<I>),
        /// The position and the message that were delivered there.
        there: (Q, Dot<I>),
    },
    /// A message comes after a later one of its own node.
    AgainstNodeOrder {
        /// The site.
        site: usize,
        /// The message.
        dot: Dot<I>,
        /// The highest number of its node that is in the order.
        last: u64,
    },
    /// A position is not above that of the delivery before.
    PositionNotHigher {
        /// The site.
        site: usize,
        /// The position.
        position: Q,
        /// The position before.
        last: Q,
    },
    /// A message was refused, and is in the order or acknowledged all the same.
    Refused {
        /// The message.
        dot: Dot<I>,
    },
    /// A message was sent after another was acknowledged, and stands before it.
    AgainstRealTime {
        /// The message that was acknowledged first.
        dot: Dot<I>,
        /// The message that was sent later.
        later: Dot<I>,
    },
    /// A message was acknowledged, but no site has delivered it.
    Lost {
        /// The message.
        dot: Dot<I>,
    },
    /// A site has not delivered a message that others have.
    NotDelivered {
        /// The site.
        site: usize,
        /// The position of the message.
        position: Q,
        /// The message.
        dot: Dot<I>,
    },
}

impl<I: fmt::Debug, Q: fmt::Debug> fmt::Display for OrderViolation<I, Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SentOutOfOrder { dot } => write!(f, "{dot:?} is sent after that number or a higher one"),
            Self::NeverSent { dot } => write!(f, "{dot:?} was never sent"),
            Self::NoSuchSite { site } => write!(f, "there is no site {site} in this run"),
            Self::NoSuchPlace { site, delivered } => {
                write!(f, "site {site} resumes after {delivered} deliveries, but no site has made that many")
            }
            Self::DeliveredTwice { site, dot } => write!(f, "site {site} delivers {dot:?} a second time"),
            Self::Disagreement { site, here, there } => {
                write!(f, "site {site} delivers {:?} at {:?} ", here.1, here.0)?;
                write!(f, "where others deliver {:?} at {:?}", there.1, there.0)
            }
            Self::AgainstNodeOrder { site, dot, last } => {
                write!(f, "site {site} delivers {dot:?} after number {last} of its node")
            }
            Self::PositionNotHigher { site, position, last } => {
                write!(f, "site {site} delivers at {position:?} after {last:?}")
            }
            Self::Refused { dot } => write!(f, "{dot:?} was refused, and is in the order"),
            Self::AgainstRealTime { dot, later } => {
                write!(f, "{later:?} was sent after {dot:?} was acknowledged, and stands before it")
            }
            Self::Lost { dot } => write!(f, "{dot:?} was acknowledged, and is never delivered"),
            Self::NotDelivered { site, position, dot } => {
                write!(f, "site {site} has not delivered {dot:?} at {position:?}")
            }
        }
    }
}

impl<I: fmt::Debug, Q: fmt::Debug> core::error::Error for OrderViolation<I, Q> {}
