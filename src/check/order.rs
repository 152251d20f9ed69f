//! The oracle of total order broadcast.

use core::hash::Hash;

use hashbrown::{HashMap, HashSet};

use super::OrderViolation;
use crate::compat::Vec;
use crate::node::{Dot, NodeId};

/// A run of total order broadcast, judged as it happens: do all sites deliver one order?
///
/// It requires the same messages at the same positions, none left out and none twice. Each node's messages must come in
/// that node's order, and every acknowledged message must be delivered.
///
/// `Q` is the type of a position; its order is that of the positions.
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
/// The first site that reaches a place decides its message; every other site must deliver the same message there. So no
/// site can have another order or leave a place out. A message that extends the order must have been sent, must be new
/// and above its node's last, and must stand at a higher position. So each delivery is one look at one place.
///
/// # Use
///
/// 1. [`sent`](Self::sent) for every message, before it is passed to the broadcast.
/// 2. [`acknowledged`](Self::acknowledged) when its sender is told that it is in the order.
/// 3. [`delivered`](Self::delivered) for every delivery, in the order of each site. When a site resumes from a
///    snapshot, its own or another's, call [`resumed`](Self::resumed) first.
/// 4. [`complete`](Self::complete) when every message should have arrived everywhere.
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
    /// The number of places that each site has delivered.
    sites: Vec<usize>,
}

impl<I: NodeId + Hash, Q: Ord + Clone> OrderRun<I, Q> {
    /// Starts a run over `sites` sites, without any deliveries.
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

    /// Returns the number of messages sent.
    pub fn messages(&self) -> usize {
        self.sent.len()
    }

    /// Returns the number of messages in the order.
    pub fn ordered(&self) -> usize {
        self.order.len()
    }

    /// Returns the number of places of the order that a site has delivered, with those of the snapshot from which it
    /// resumed.
    pub fn delivered_at(&self, site: usize) -> usize {
        self.sites.get(site).copied().unwrap_or(0)
    }

    /// Records that a message is sent. The numbers of a node increase; they may skip. O(1).
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

    /// Records that the sender was told that the message is in the order. A second time changes nothing. O(1).
    ///
    /// # Errors
    ///
    /// [`NeverSent`](OrderViolation::NeverSent) if no node has sent the message.
    pub fn acknowledged(&mut self, dot: &Dot<I>) -> Result<(), OrderViolation<I, Q>> {
        if !self.sent.contains(dot) {
            return Err(OrderViolation::NeverSent { dot: dot.clone() });
        }
        self.acknowledged.insert(dot.clone());
        Ok(())
    }

    /// Records that `site` delivers the message `dot` at `position`. O(1).
    ///
    /// # Errors
    ///
    /// The first violation that applies: [`NoSuchSite`](OrderViolation::NoSuchSite),
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

    /// Records that `site` resumes from a snapshot with the first `delivered` places of the order, after a restart or
    /// when it joins late. O(1).
    ///
    /// # Errors
    ///
    /// [`NoSuchSite`](OrderViolation::NoSuchSite), or [`NoSuchPlace`](OrderViolation::NoSuchPlace) if no site has
    /// delivered that many places.
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

    /// Checks that every acknowledged message is in the order, and that every site has delivered all of it.
    /// O(messages + sites).
    ///
    /// # Errors
    ///
    /// [`Lost`](OrderViolation::Lost) with the lowest lost message, or [`NotDelivered`](OrderViolation::NotDelivered)
    /// with the first site that lacks a message, and the first message that it lacks.
    pub fn complete(&self) -> Result<(), OrderViolation<I, Q>> {
        // The lowest of all, so that the order of the set does not reach the output.
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
