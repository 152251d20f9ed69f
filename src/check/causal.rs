//! Was this run causal, exactly once and complete?
//!
//! # Use
//!
//! 1. [`CausalRun::sent`] for every message, when it is sent: its dot, and the dots that it depends on.
//! 2. [`CausalRun::delivered`] for every delivery, in the order of each site: "site 2 delivers (b, 1) before its
//!    cause (a, 7)".
//! 3. [`CausalRun::complete`] when everything should have arrived everywhere.
//!
//! The dependencies that messages declare are taken as the truth; whether a sender has declared all that it had delivered
//! is not for this to see.
//!
//! # Why it is enough to look at direct causes
//!
//! If at a site every message comes after the messages that it names, and after its sender's previous one, then
//! by induction it comes after everything that happened before it. So one look at each named cause suffices, and
//! a run is judged in time linear in its size.

use core::fmt;
use core::hash::Hash;

use hashbrown::HashMap;

use crate::compat::{Box, Vec};
use crate::node::{Dot, NodeId};

/// Judges whether messages are delivered causally, exactly once, and everywhere.
///
/// Memory: for a message its dot twice and one number a cause, and one byte for each site.
///
/// # Examples
///
/// ```
/// use happens_before::Dot;
/// use happens_before::check::CausalRun;
///
/// let ask = Dot::new("alice", 1).unwrap();
/// let answer = Dot::new("bob", 1).unwrap();
///
/// let mut run = CausalRun::new(2);
/// run.sent(ask, [])?;
/// run.sent(answer, [ask])?;
/// run.delivered(0, &ask)?;
/// run.delivered(0, &answer)?;
///
/// let violation = run.delivered(1, &answer).unwrap_err();
/// assert_eq!(
///     violation.to_string(),
///     r#"site 1 delivers ("bob", 1) before its cause ("alice", 1)"#
/// );
/// let violation = run.complete().unwrap_err();
/// assert_eq!(violation.to_string(), r#"site 1 has not delivered ("alice", 1)"#);
/// # Ok::<(), happens_before::check::Violation<&str>>(())
/// ```
#[derive(Clone, Debug)]
pub struct CausalRun<I> {
    /// The number of each message in the order of sending.
    numbers: HashMap<Dot<I>, usize>,
    messages: Vec<Sent<I>>,
    sites: Vec<Site>,
}

#[derive(Clone, Debug)]
struct Sent<I> {
    dot: Dot<I>,
    /// The numbers of the messages that must be delivered before.
    causes: Box<[usize]>,
}

#[derive(Clone, Debug, Default)]
struct Site {
    /// By number; what is beyond the end is not delivered.
    delivered: Vec<bool>,
    count: usize,
}

impl Site {
    fn has(&self, number: usize) -> bool {
        self.delivered.get(number).copied().unwrap_or(false)
    }
}

impl<I: NodeId + Hash> CausalRun<I> {
    /// Starts a run over `sites` sites, at which nothing is delivered.
    #[must_use]
    pub fn new(sites: usize) -> Self {
        Self {
            numbers: HashMap::new(),
            messages: Vec::new(),
            sites: core::iter::repeat_with(Site::default).take(sites).collect(),
        }
    }

    /// Returns how many messages were sent.
    pub fn messages(&self) -> usize {
        self.messages.len()
    }

    /// Returns how many deliveries there were, at all sites together.
    pub fn deliveries(&self) -> usize {
        self.sites.iter().map(|site| site.count).sum()
    }

    /// Notes that a message is sent. Causes are sent before their effects, so its dependencies are known. O(d) for
    /// d dependencies.
    ///
    /// # Errors
    ///
    /// [`SentTwice`](Violation::SentTwice) if the dot is used;
    /// [`UnknownCause`](Violation::UnknownCause) if a dependency, or the sender's previous message, was not sent.
    /// The message is not noted then.
    pub fn sent(
        &mut self,
        dot: Dot<I>,
        dependencies: impl IntoIterator<Item = Dot<I>>,
    ) -> Result<(), Violation<I>> {
        if self.numbers.contains_key(&dot) {
            return Err(Violation::SentTwice { dot });
        }
        let causes = dot.previous().into_iter().chain(dependencies);
        let causes = causes.map(|cause| self.numbers.get(&cause).copied().ok_or(cause));
        match causes.collect() {
            Ok(causes) => {
                self.numbers.insert(dot.clone(), self.messages.len());
                self.messages.push(Sent { dot, causes });
                Ok(())
            }
            Err(cause) => Err(Violation::UnknownCause { dot, cause }),
        }
    }

    /// Notes that `site` delivers the message `dot`. O(d) for d dependencies.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong about it: [`NoSuchSite`](Violation::NoSuchSite),
    /// [`NeverSent`](Violation::NeverSent), [`DeliveredTwice`](Violation::DeliveredTwice) or
    /// [`BeforeCause`](Violation::BeforeCause). The delivery is not noted then.
    pub fn delivered(&mut self, site: usize, dot: &Dot<I>) -> Result<(), Violation<I>> {
        let Some(at) = self.sites.get_mut(site) else {
            return Err(Violation::NoSuchSite { site });
        };
        let Some(&number) = self.numbers.get(dot) else {
            return Err(Violation::NeverSent { site, dot: dot.clone() });
        };
        if at.has(number) {
            return Err(Violation::DeliveredTwice { site, dot: dot.clone() });
        }
        if let Some(&cause) = self.messages[number].causes.iter().find(|&&cause| !at.has(cause)) {
            let cause = self.messages[cause].dot.clone();
            return Err(Violation::BeforeCause { site, dot: dot.clone(), cause });
        }
        if at.delivered.len() <= number {
            at.delivered.resize(self.messages.len(), false);
        }
        at.delivered[number] = true;
        at.count += 1;
        Ok(())
    }

    /// Checks that every site has delivered every message sent. O(sites), plus O(messages) to name what is lacking.
    ///
    /// # Errors
    ///
    /// [`NotDelivered`](Violation::NotDelivered) with the earliest message that the first such site lacks.
    pub fn complete(&self) -> Result<(), Violation<I>> {
        let lacking = self.sites.iter().enumerate().find(|(_, at)| at.count < self.messages.len());
        let Some((site, at)) = lacking else { return Ok(()) };
        match self.messages.iter().enumerate().find(|&(number, _)| !at.has(number)) {
            Some((_, message)) => Err(Violation::NotDelivered { site, dot: message.dot.clone() }),
            None => Ok(()),
        }
    }
}

/// What was wrong with a run, in words by `Display`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Violation<I> {
    /// Two messages were sent under one dot.
    SentTwice {
        /// The dot.
        dot: Dot<I>,
    },
    /// A message was sent whose cause was not.
    UnknownCause {
        /// The message.
        dot: Dot<I>,
        /// The dependency that was never sent, or the sender's own previous message.
        cause: Dot<I>,
    },
    /// There was a delivery at a site beyond those of the run.
    NoSuchSite {
        /// The site.
        site: usize,
    },
    /// A site delivered what nobody sent.
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
    /// A site delivered a message before one that had happened before it.
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

impl<I: fmt::Debug> fmt::Display for Violation<I> {
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

impl<I: fmt::Debug> core::error::Error for Violation<I> {}
