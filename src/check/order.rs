//! The oracle of total order broadcast.

use core::hash::Hash;

use hashbrown::HashMap;

use super::OrderViolation;
use crate::compat::Vec;
use crate::node::{Dot, NodeId};

/// A run of total order broadcast, judged as it happens: do all sites deliver one order?
///
/// It requires the same messages at the same positions, none left out and none twice. Each node's messages must come in
/// that node's order, every acknowledged message must be delivered, and no refused one. A message whose sender was told
/// neither may be in the order or not.
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
/// 2. [`acknowledged`](Self::acknowledged) when its sender is told that it is in the order, and
///    [`refused`](Self::refused) when its sender is told that it never will be.
/// 3. [`delivered`](Self::delivered) for every delivery, in the order of each site. When a site resumes from a
///    snapshot, its own or another's, call [`resumed`](Self::resumed) first.
/// 4. [`complete`](Self::complete) when every message should have arrived everywhere.
/// 5. [`real_time`](Self::real_time), if the order is promised to extend real time: it compares the calls of steps 1
///    and 2 with the order.
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
    messages: HashMap<Dot<I>, Message>,
    /// The highest number that each node has sent.
    last_sent: HashMap<I, u64>,
    order: Vec<(Q, Dot<I>)>,
    /// The number of the last message of each node in the order.
    last_delivered: HashMap<I, u64>,
    /// The number of places that each site has delivered.
    sites: Vec<usize>,
    /// The number of messages sent and acknowledged: the clock of the run.
    events: u64,
}

/// A message that was sent.
#[derive(Clone, Debug)]
struct Message {
    /// The event of its sending.
    sent: u64,
    answer: Answer,
    /// Its place in the order.
    place: Option<usize>,
}

/// The answer that the sender of a message was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    None,
    /// At this event.
    Acknowledged(u64),
    Refused,
}

impl<I: NodeId + Hash, Q: Ord + Clone> OrderRun<I, Q> {
    /// Starts a run over `sites` sites, without any deliveries.
    #[must_use]
    pub fn new(sites: usize) -> Self {
        Self {
            messages: HashMap::new(),
            last_sent: HashMap::new(),
            order: Vec::new(),
            last_delivered: HashMap::new(),
            sites: core::iter::repeat_n(0, sites).collect(),
            events: 0,
        }
    }

    /// Returns the number of messages sent.
    pub fn messages(&self) -> usize {
        self.messages.len()
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
        self.events += 1;
        self.messages.insert(dot, Message { sent: self.events, answer: Answer::None, place: None });
        Ok(())
    }

    /// Records that the sender was told that the message is in the order. A second time changes nothing. O(1).
    ///
    /// # Errors
    ///
    /// [`NeverSent`](OrderViolation::NeverSent) if no node has sent the message; [`Refused`](OrderViolation::Refused) if
    /// its sender was told that it is not in the order.
    pub fn acknowledged(&mut self, dot: &Dot<I>) -> Result<(), OrderViolation<I, Q>> {
        match self.messages.get_mut(dot) {
            None => Err(OrderViolation::NeverSent { dot: dot.clone() }),
            Some(Message { answer: Answer::Refused, .. }) => Err(OrderViolation::Refused { dot: dot.clone() }),
            Some(Message { answer: Answer::Acknowledged(_), .. }) => Ok(()),
            Some(message) => {
                self.events += 1;
                message.answer = Answer::Acknowledged(self.events);
                Ok(())
            }
        }
    }

    /// Records that the sender was told that the message is not in the order, and never will be. A second time changes
    /// nothing. O(1).
    ///
    /// A failed request is no refusal as long as it may still be carried out: record nothing for it.
    ///
    /// # Errors
    ///
    /// [`NeverSent`](OrderViolation::NeverSent) if no node has sent the message; [`Refused`](OrderViolation::Refused) if
    /// it is in the order, or its sender was told so.
    ///
    /// # Examples
    ///
    /// ```
    /// use happens_before::Dot;
    /// use happens_before::check::OrderRun;
    ///
    /// let order = Dot::new("alice", 1).unwrap();
    /// let mut run = OrderRun::new(1);
    /// run.sent(order)?;
    /// run.refused(&order)?; // Alice orders elsewhere
    /// let violation = run.delivered(0, 1, &order).unwrap_err();
    /// assert_eq!(violation.to_string(), r#"("alice", 1) was refused, and is in the order"#);
    /// # Ok::<(), happens_before::check::OrderViolation<&str, u32>>(())
    /// ```
    pub fn refused(&mut self, dot: &Dot<I>) -> Result<(), OrderViolation<I, Q>> {
        match self.messages.get_mut(dot) {
            None => Err(OrderViolation::NeverSent { dot: dot.clone() }),
            Some(Message { answer: Answer::Acknowledged(_), .. } | Message { place: Some(_), .. }) => {
                Err(OrderViolation::Refused { dot: dot.clone() })
            }
            Some(message) => {
                message.answer = Answer::Refused;
                Ok(())
            }
        }
    }

    /// Records that `site` delivers the message `dot` at `position`. O(1).
    ///
    /// # Errors
    ///
    /// The first violation that applies: [`NoSuchSite`](OrderViolation::NoSuchSite),
    /// [`NeverSent`](OrderViolation::NeverSent), [`Refused`](OrderViolation::Refused),
    /// [`DeliveredTwice`](OrderViolation::DeliveredTwice), [`Disagreement`](OrderViolation::Disagreement), [`AgainstNodeOrder`](OrderViolation::AgainstNodeOrder) or
    /// [`PositionNotHigher`](OrderViolation::PositionNotHigher).
    pub fn delivered(&mut self, site: usize, position: Q, dot: &Dot<I>) -> Result<(), OrderViolation<I, Q>> {
        let Some(at) = self.sites.get_mut(site) else {
            return Err(OrderViolation::NoSuchSite { site });
        };
        let Some(message) = self.messages.get_mut(dot) else {
            return Err(OrderViolation::NeverSent { dot: dot.clone() });
        };
        if message.answer == Answer::Refused {
            return Err(OrderViolation::Refused { dot: dot.clone() });
        }
        if message.place.is_some_and(|place| place < *at) {
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
        message.place = Some(self.order.len());
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
        let is_lost =
            |message: &Message| message.place.is_none() && matches!(message.answer, Answer::Acknowledged(_));
        let lost = self.messages.iter().filter(|(_, message)| is_lost(message)).map(|(dot, _)| dot).min();
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

    /// Checks that the order extends real time: a message that was acknowledged before another was sent comes before
    /// it. O(messages).
    ///
    /// It takes the order of the calls to [`sent`](Self::sent) and [`acknowledged`](Self::acknowledged) for real time.
    /// So call each when it happens: `sent` before the message is passed on, `acknowledged` after the answer. If
    /// several threads or processes feed the run, they need one order of these calls. A record that has none, such as a
    /// file for each node, cannot be judged by this.
    ///
    /// Total order broadcast promises it as long as the counter is linearizable, see
    /// [`broadcast`](crate::broadcast#guarantees).
    ///
    /// # Errors
    ///
    /// [`AgainstRealTime`](OrderViolation::AgainstRealTime) with the first message that is too late in the order.
    ///
    /// # Examples
    ///
    /// ```
    /// use happens_before::Dot;
    /// use happens_before::check::OrderRun;
    ///
    /// let (ask, answer) = (Dot::new("alice", 1).unwrap(), Dot::new("bob", 1).unwrap());
    /// let mut run = OrderRun::new(1);
    /// run.sent(ask)?;
    /// run.acknowledged(&ask)?; // Alice calls Bob
    /// run.sent(answer)?;
    /// run.delivered(0, 1, &answer)?;
    /// run.delivered(0, 2, &ask)?;
    /// assert_eq!(run.complete(), Ok(())); // a total order, but not the one that Alice and Bob saw
    /// assert_eq!(
    ///     run.real_time().unwrap_err().to_string(),
    ///     r#"("bob", 1) was sent after ("alice", 1) was acknowledged, and stands before it"#
    /// );
    /// # Ok::<(), happens_before::check::OrderViolation<&str, u32>>(())
    /// ```
    pub fn real_time(&self) -> Result<(), OrderViolation<I, Q>> {
        // The message that was sent last, of those so far.
        let mut latest: Option<(u64, &Dot<I>)> = None;
        for (_, dot) in &self.order {
            let Some(message) = self.messages.get(dot) else { continue }; // never: it was sent
            if let (Answer::Acknowledged(at), Some((sent, later))) = (message.answer, latest)
                && at < sent
            {
                return Err(OrderViolation::AgainstRealTime { dot: dot.clone(), later: later.clone() });
            }
            if latest.is_none_or(|(sent, _)| sent < message.sent) {
                latest = Some((message.sent, dot));
            }
        }
        Ok(())
    }
}
