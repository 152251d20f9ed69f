//! The oracle of causal delivery.

use core::hash::Hash;

use hashbrown::HashMap;

use super::CausalViolation;
use crate::compat::{Box, Vec};
use crate::node::{Dot, NodeId};

/// A run of messages, judged as it happens: are they delivered causally, exactly once and everywhere?
///
/// Memory for each message: its dot twice, a number for each cause, and a byte for each site.
///
/// # Use
///
/// 1. [`CausalRun::sent`] for every message, when it is sent: its dot, and the dots that it depends on.
/// 2. [`CausalRun::delivered`] for every delivery, in the order of each site. An error reads "site 2 delivers (b, 1)
///    before its cause (a, 7)".
/// 3. [`CausalRun::complete`] when every message should have arrived everywhere.
///
/// The oracle trusts the dependencies that messages declare. It cannot see whether a sender has declared everything
/// that it had delivered.
///
/// # Direct causes are enough
///
/// Suppose that at a site every message comes after the messages that it names, and after its sender's previous one.
/// Then by induction it comes after everything that happened before it. So one look at each named cause suffices, and a
/// run is judged in time linear in its size.
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
/// # Ok::<(), happens_before::check::CausalViolation<&str>>(())
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
    /// The numbers of the messages that must be delivered before this one.
    causes: Box<[usize]>,
}

#[derive(Clone, Debug, Default)]
struct Site {
    /// By number; messages beyond the end are not delivered.
    delivered: Vec<bool>,
    count: usize,
}

impl Site {
    fn has(&self, number: usize) -> bool {
        self.delivered.get(number).copied().unwrap_or(false)
    }
}

impl<I: NodeId + Hash> CausalRun<I> {
    /// Starts a run over `sites` sites, without any deliveries.
    #[must_use]
    pub fn new(sites: usize) -> Self {
        Self {
            numbers: HashMap::new(),
            messages: Vec::new(),
            sites: core::iter::repeat_with(Site::default).take(sites).collect(),
        }
    }

    /// Returns the number of messages sent.
    pub fn messages(&self) -> usize {
        self.messages.len()
    }

    /// Returns the number of deliveries at all sites together.
    pub fn deliveries(&self) -> usize {
        self.sites.iter().map(|site| site.count).sum()
    }

    /// Records that a message is sent. Causes are sent before their effects, so its dependencies are known. O(d) for d
    /// dependencies.
    ///
    /// # Errors
    ///
    /// [`SentTwice`](CausalViolation::SentTwice) if the dot is used; [`UnknownCause`](CausalViolation::UnknownCause) if
    /// a dependency, or the sender's previous message, was not sent. The message is not recorded.
    pub fn sent(
        &mut self,
        dot: Dot<I>,
        dependencies: impl IntoIterator<Item = Dot<I>>,
    ) -> Result<(), CausalViolation<I>> {
        if self.numbers.contains_key(&dot) {
            return Err(CausalViolation::SentTwice { dot });
        }
        let causes = dot.previous().into_iter().chain(dependencies);
        let causes = causes.map(|cause| self.numbers.get(&cause).copied().ok_or(cause));
        match causes.collect() {
            Ok(causes) => {
                self.numbers.insert(dot.clone(), self.messages.len());
                self.messages.push(Sent { dot, causes });
                Ok(())
            }
            Err(cause) => Err(CausalViolation::UnknownCause { dot, cause }),
        }
    }

    /// Records that `site` delivers the message `dot`. O(d) for d dependencies.
    ///
    /// # Errors
    ///
    /// The first violation that applies: [`NoSuchSite`](CausalViolation::NoSuchSite),
    /// [`NeverSent`](CausalViolation::NeverSent), [`DeliveredTwice`](CausalViolation::DeliveredTwice) or
    /// [`BeforeCause`](CausalViolation::BeforeCause). The delivery is not recorded.
    pub fn delivered(&mut self, site: usize, dot: &Dot<I>) -> Result<(), CausalViolation<I>> {
        let Some(at) = self.sites.get_mut(site) else {
            return Err(CausalViolation::NoSuchSite { site });
        };
        let Some(&number) = self.numbers.get(dot) else {
            return Err(CausalViolation::NeverSent { site, dot: dot.clone() });
        };
        if at.has(number) {
            return Err(CausalViolation::DeliveredTwice { site, dot: dot.clone() });
        }
        if let Some(&cause) = self.messages[number].causes.iter().find(|&&cause| !at.has(cause)) {
            let cause = self.messages[cause].dot.clone();
            return Err(CausalViolation::BeforeCause { site, dot: dot.clone(), cause });
        }
        if at.delivered.len() <= number {
            at.delivered.resize(self.messages.len(), false);
        }
        at.delivered[number] = true;
        at.count += 1;
        Ok(())
    }

    /// Checks that every site has delivered every message sent. O(sites), plus O(messages) to name a message that is
    /// lacking.
    ///
    /// # Errors
    ///
    /// [`NotDelivered`](CausalViolation::NotDelivered) with the first site that lacks a message, and the earliest
    /// message that it lacks.
    pub fn complete(&self) -> Result<(), CausalViolation<I>> {
        let lacking = self.sites.iter().enumerate().find(|(_, at)| at.count < self.messages.len());
        let Some((site, at)) = lacking else { return Ok(()) };
        match self.messages.iter().enumerate().find(|&(number, _)| !at.has(number)) {
            Some((_, message)) => Err(CausalViolation::NotDelivered { site, dot: message.dot.clone() }),
            None => Ok(()),
        }
    }
}
