//! The oracle of total order broadcast.

use core::hash::Hash;

use hashbrown::{HashMap, HashSet};

use super::OrderViolation;
use crate::compat::Vec;
use crate::node::{Dot, NodeId};

/// Judges whether all sites deliver one order: the same messages at the same positions, nothing left out, nothing twice,
/// each node's messages in its own order, and everything that was acknowledged.
///
/// `Q` is whatever a position is, with the order that positions have.
///
/// # The algorithm
///
/// ```text
///   the order so far     a1  b1  a2  c1  b2          the first site at a place extends it
///   site 0               a1  b1  a2  c1  b2
///   site 1               a1  b1  a2                  its next delivery must be c1
///   site 2                       a2  c1              restarted from a snapshot after b1
/// ```
///
/// The first site that comes to a place decides what stands there; every other site must deliver the same there. That
/// leaves no room for another order, for a gap, or for a place left out. What extends the order must have been sent, be new,
/// be above its node's last, and stand at a higher position. So each delivery is one look at one place.
///
/// # Use
///
/// 1. [`sent`](Self::sent) for every message, before it is handed to the broadcast.
/// 2. [`acknowledged`](Self::acknowledged) when its sender is told that it is in the order.
/// 3. [`delivered`](Self::delivered) for every delivery, in the order of each site. When a site begins again from a
///    snapshot, its own or another's, say so first: [`resumed`](Self::resumed).
/// 4. [`complete`](Self::complete) when everything should have arrived everywhere.
///
/// # Examples
///
/// ```
/// use happens_before::Dot;
/// use happens_before::check::OrderRun;
///
/// let (ask, answer) = (Dot::new("alice", 1).unwrap(), Dot::new("bob", 1).unwrap());
/// let mut run = OrderRun::new(2);
/// run.sent(ask)?;
/// run.sent(answer)?;
/// run.acknowledged(&answer)?;
/// run.delivered(0, 1, &answer)?;
/// run.delivered(0, 2, &ask)?;
///
/// let violation = run.delivered(1, 1, &ask).unwrap_err();
/// assert_eq!(
///     violation.to_string(),
///     r#"site 1 delivers ("alice", 1) at 1 where others deliver ("bob", 1) at 1"#
/// );
/// let violation = run.complete().unwrap_err();
/// assert_eq!(violation.to_string(), r#"site 1 has not delivered ("bob", 1) at 1"#);
/// # Ok::<(), happens_before::check::OrderViolation<&str, u32>>(())
/// ```
#[derive(Clone, Debug)]
pub struct OrderRun<I, Q> {
    /// The highest number that each node has sent.
    last_sent: HashMap<I, u64>,
    sent: HashSet<Dot<I>>,
    acknowledged: HashSet<Dot<I>>,
    order: Vec<(Q, Dot<I>)>,
    /// The place of each message in the order.
    places: HashMap<Dot<I>, usize>,
    /// The number of the last message of each node in the order.
    last_delivered: HashMap<I, u64>,
    /// How far each site is.
    sites: Vec<usize>,
}

impl<I: NodeId + Hash, Q: Ord + Clone> OrderRun<I, Q> {
    /// Starts a run over `sites` sites, at which nothing is delivered.
    #[must_use]
    pub fn new(sites: usize) -> Self {
        Self {
            last_sent: HashMap::new(),
            sent: HashSet::new(),
            acknowledged: HashSet::new(),
            order: Vec::new(),
            places: HashMap::new(),
            last_delivered: HashMap::new(),
            sites: core::iter::repeat_n(0, sites).collect(),
        }
    }

    /// Returns how many messages were sent.
    pub fn messages(&self) -> usize {
        self.sent.len()
    }

    /// Returns how many messages are in the order.
    pub fn ordered(&self) -> usize {
        self.order.len()
    }

    /// Returns how many places of the order a site has delivered, or has in the snapshot that it began from.
    pub fn delivered_at(&self, site: usize) -> usize {
        self.sites.get(site).copied().unwrap_or(0)
    }

    /// Notes that a message is sent. Numbers of a node go up; they may skip. O(1).
    ///
    /// # Errors
    ///
    /// [`SentOutOfOrder`](OrderViolation::SentOutOfOrder) if its node has sent that number or a higher one.
    pub fn sent(&mut self, dot: Dot<I>) -> Result<(), OrderViolation<I, Q>> {
        let last = self.last_sent.entry(dot.node().clone()).or_insert(0);
        if dot.counter() <= *last {
            return Err(OrderViolation::SentOutOfOrder { dot });
        }
        *last = dot.counter();
        self.sent.insert(dot);
        Ok(())
    }

    /// Notes that the sender was told that the message is in the order; a second time changes nothing. O(1).
    ///
    /// # Errors
    ///
    /// [`NeverSent`](OrderViolation::NeverSent).
    pub fn acknowledged(&mut self, dot: &Dot<I>) -> Result<(), OrderViolation<I, Q>> {
        if !self.sent.contains(dot) {
            return Err(OrderViolation::NeverSent { dot: dot.clone() });
        }
        self.acknowledged.insert(dot.clone());
        Ok(())
    }

    /// Notes that `site` delivers the message `dot` at `position`. O(1).
    ///
    /// # Errors
    ///
    /// The first thing that is wrong about it: [`NoSuchSite`](OrderViolation::NoSuchSite),
    /// [`NeverSent`](OrderViolation::NeverSent), [`DeliveredTwice`](OrderViolation::DeliveredTwice),
    /// [`Disagreement`](OrderViolation::Disagreement), [`AgainstNodeOrder`](OrderViolation::AgainstNodeOrder) or
    /// [`PositionNotHigher`](OrderViolation::PositionNotHigher).
    pub fn delivered(&mut self, site: usize, position: Q, dot: &Dot<I>) -> Result<(), OrderViolation<I, Q>> {
        let Some(at) = self.sites.get_mut(site) else {
            return Err(OrderViolation::NoSuchSite { site });
        };
        if !self.sent.contains(dot) {
            return Err(OrderViolation::NeverSent { dot: dot.clone() });
        }
        if self.places.get(dot).is_some_and(|place| place < at) {
            return Err(OrderViolation::DeliveredTwice { site, dot: dot.clone() });
        }
        if let Some(there) = self.order.get(*at) {
            if (&there.0, &there.1) != (&position, dot) {
                return Err(OrderViolation::Disagreement {
                    site,
                    here: (position, dot.clone()),
                    there: there.clone(),
                });
            }
            *at += 1;
            return Ok(());
        }
        let last = self.last_delivered.get(dot.node()).copied().unwrap_or(0);
        if dot.counter() <= last {
            return Err(OrderViolation::AgainstNodeOrder { site, dot: dot.clone(), last });
        }
        if let Some((last, _)) = self.order.last().filter(|(last, _)| *last >= position) {
            return Err(OrderViolation::PositionNotHigher { site, position, last: last.clone() });
        }
        self.last_delivered.insert(dot.node().clone(), dot.counter());
        self.places.insert(dot.clone(), self.order.len());
        self.order.push((position, dot.clone()));
        *at += 1;
        Ok(())
    }

    /// Notes that `site` goes on from a snapshot with the first `delivered` places of the order: it was restarted, or joins
    /// late. O(1).
    ///
    /// # Errors
    ///
    /// [`NoSuchSite`](OrderViolation::NoSuchSite), or [`NoSuchPlace`](OrderViolation::NoSuchPlace) if no site has
    /// delivered that many.
    pub fn resumed(&mut self, site: usize, delivered: usize) -> Result<(), OrderViolation<I, Q>> {
        let Some(at) = self.sites.get_mut(site) else {
            return Err(OrderViolation::NoSuchSite { site });
        };
        if delivered > self.order.len() {
            return Err(OrderViolation::NoSuchPlace { site, delivered });
        }
        *at = delivered;
        Ok(())
    }

    /// Checks that every acknowledged message is in the order, and that every site has delivered all of it. O(messages +
    /// sites).
    ///
    /// # Errors
    ///
    /// [`Lost`](OrderViolation::Lost) with the lowest such message, or
    /// [`NotDelivered`](OrderViolation::NotDelivered) with the first message that the first such site lacks.
    pub fn complete(&self) -> Result<(), OrderViolation<I, Q>> {
        // The lowest of all, so that the order of the set does not show.
        let lost = self.acknowledged.iter().filter(|dot| !self.places.contains_key(*dot)).min();
        if let Some(dot) = lost {
            return Err(OrderViolation::Lost { dot: dot.clone() });
        }
        for (site, &at) in self.sites.iter().enumerate() {
            if let Some((position, dot)) = self.order.get(at) {
                return Err(OrderViolation::NotDelivered {
                    site,
                    position: position.clone(),
                    dot: dot.clone(),
                });
            }
        }
        Ok(())
    }
}
