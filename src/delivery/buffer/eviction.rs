//! Eviction: a held message is dropped to make room for a message from another source.
//!
//! # The rule
//!
//! When a message has to wait and there is no room, the source that holds most gives way (see
//! [`shares`](crate::delivery::shares)). In this comparison, the new message counts as held by its source. Of the
//! source that gives way, the message furthest ahead of what is delivered is evicted. If that is the new message, it is
//! refused. So:
//!
//! - The evicted message is the one that would have been needed last. It is [missing](CausalBuffer::missing) again.
//! - A message that can be delivered now is never evicted: it does not count as held.
//!
//! If another source has brought the furthest message too, the message is charged to that source instead, and the
//! search goes on. Each message is handed over like this only once.
//!
//! A refusal drops nothing, and makes no source known. It may only change which of two sources is charged for a message
//! that both have brought.
//!
//! # Cost
//!
//! O(s + log² h) for each evicted message, with s sources and h held messages. The messages of a source are kept in the
//! order of their distance on arrival. Distances only shrink, so a recorded distance may be stale, but never too small.
//! Eviction takes the top entry, re-inserts it if its distance has shrunk, and repeats. An entry that was re-inserted j
//! below the top comes up again only when the top has come down by j. So each delivery or eviction causes O(log h)
//! re-insertions, amortised, at O(log h) each.
//!
//! # Sources
//!
//! Those of [`shares`](crate::delivery::shares). Deviation: the message furthest ahead is evicted, not the oldest.

use core::mem;

use crate::compat::Vec;
use crate::delivery::buffer::shares::{Charge, SourceId, Used};
use crate::delivery::buffer::waiting::{HeldId, LaneId, Withdrawal};
use crate::delivery::buffer::{CausalBuffer, size_of_message};
use crate::delivery::error::AcceptErrorKind;
use crate::delivery::message::Message;
use crate::node::{Dot, NodeId};

/// A held message that is about to be removed, with its size. Finding them calls the caller's code; the removal does
/// not.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leaving {
    pub(super) withdrawal: Withdrawal,
    size: usize,
}

impl<I: NodeId, P> CausalBuffer<I, P> {
    /// Removes a source, such as a neighbour that is gone, and drops the messages that only it had brought. Returns
    /// their number.
    ///
    /// A message that another source has brought too stays, and is charged to that source. A message that can be
    /// delivered now stays. A dropped message is [`missing`](Self::missing) again. O(log h) for each held message of
    /// the source.
    ///
    /// ```
    /// use happens_before::{CausalBuffer, Dot, Message};
    /// use happens_before::delivery::BufferLimits;
    ///
    /// let mut buffer = CausalBuffer::new(BufferLimits::default());
    /// for counter in [2, 3] {
    ///     buffer.accept_from(&"mallory", Message::new(Dot::new("a", counter).unwrap(), [], ())?)?;
    /// }
    /// buffer.accept_from(&"bob", Message::new(Dot::new("a", 2).unwrap(), [], ())?)?;
    /// assert_eq!(buffer.remove_source(&"mallory"), 1);
    /// assert!(buffer.undelivered().map(|message| message.dot().counter()).eq([2]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn remove_source(&mut self, source: &I) -> usize {
        self.wake();
        let Some(gone) = self.shares.find(source) else { return 0 };
        let mut dropped = Vec::new();
        for id in self.shares.charged_to(gone) {
            let Some(leaving) = self.leaving(id) else { continue };
            let [_, other] = self.shares.announced(id);
            self.shares.discharge(id, leaving.size);
            if other == gone {
                dropped.extend(self.waiting.withdraw(leaving.withdrawal));
            } else {
                self.charge(id, Charge { announced: [other; 2], size: leaving.size });
            }
        }
        self.shares.remove(source);
        dropped.len()
    }

    /// Finds room for a new message that has to wait, and its charge.
    #[inline]
    pub(super) fn admit(
        &mut self,
        message: &Message<I, P>,
        own: Option<LaneId>,
        source: Option<&I>,
    ) -> Result<Charge, AcceptErrorKind<I>> {
        let (waiting, limit) = (self.waiting.parked_len(), self.limits.messages);
        if !self.shares.is_charging() && source.is_none() && waiting < limit {
            return Ok(Charge { announced: [SourceId::UNNAMED; 2], size: 0 });
        }
        self.admit_charged(message, own, source)
    }

    #[inline(never)]
    fn admit_charged(
        &mut self,
        message: &Message<I, P>,
        own: Option<LaneId>,
        source: Option<&I>,
    ) -> Result<Charge, AcceptErrorKind<I>> {
        let size = if self.shares.is_charging() || source.is_some() { self.size(message) } else { 0 };
        let (had_sources, sources) = (self.shares.has_sources(), self.shares.sources());
        let id = self.source(source)?;
        if self.waiting.parked_len() >= self.limits.messages || !self.has_bytes(size) {
            let delivered = own.map_or(0, |own| self.waiting.lane(own).delivered());
            if let Err(kind) = self.make_room(id, message.dot().counter() - delivered, size) {
                if !had_sources {
                    self.shares.stop(self.counts_bytes());
                } else if self.shares.sources() > sources
                    && let Some(source) = source
                {
                    self.shares.remove(source);
                }
                return Err(kind);
            }
        }
        Ok(Charge { announced: [id; 2], size })
    }

    /// Finds the number of the source of a message that has to wait. From the first named source on, held messages are
    /// charged.
    fn source(&mut self, source: Option<&I>) -> Result<SourceId, AcceptErrorKind<I>> {
        let Some(source) = source else { return Ok(SourceId::UNNAMED) };
        let limit = self.limits.sources;
        if !self.shares.has_sources() && limit > 0 {
            let Self { waiting, shares, measure, .. } = self;
            let held = waiting.iter_parked().filter_map(|(id, held)| {
                Some((id, waiting.distance(id)?, size_of_message(held.message(), *measure)))
            });
            shares.start(held);
        }
        self.shares.find_or_add(source, limit).ok_or(AcceptErrorKind::TooManySources { limit })
    }

    /// Notes that a source has brought a message that is held already.
    pub(super) fn announce(&mut self, id: HeldId, source: Option<&I>) {
        if self.waiting.parked(id).is_some() {
            self.shares.announce(id, source, self.limits.sources);
        }
    }

    /// Returns the source that is charged for a held message, for tests; `None` if it has no name, or the message is ready.
    #[doc(hidden)]
    pub fn internal_charged(&self, dot: &Dot<I>) -> Option<&I> {
        let id = self.waiting.find_held(dot)?;
        self.waiting.parked(id).and_then(|_| self.shares.charged(id))
    }

    /// Returns whether bytes are counted without sources.
    pub(super) fn counts_bytes(&self) -> bool {
        self.limits.bytes < usize::MAX
    }

    /// Returns the bytes that a held message counts for.
    pub(super) fn size(&self, message: &Message<I, P>) -> usize {
        size_of_message(message, self.measure)
    }

    /// Charges a held message to the first source that announced it.
    #[inline]
    pub(super) fn charge(&mut self, id: HeldId, charge: Charge) {
        if self.shares.is_charging()
            && let Some(distance) = self.waiting.distance(id)
        {
            self.shares.charge(id, charge, distance);
        }
    }

    /// Returns whether there is room for `size` more bytes.
    fn has_bytes(&self, size: usize) -> bool {
        size <= self.limits.bytes.saturating_sub(self.shares.bytes())
    }

    /// Makes room for a message that has to wait, of this size and at this distance. Drops nothing if it cannot.
    #[cold]
    fn make_room(&mut self, source: SourceId, distance: u64, size: usize) -> Result<(), AcceptErrorKind<I>> {
        let limits = self.limits;
        let mut eviction = Eviction { buffer: self, evicted: Vec::new() };
        loop {
            let Eviction { buffer, evicted } = &mut eviction;
            let victim = if buffer.waiting.parked_len() - evicted.len() >= limits.messages {
                let victim = buffer.victim(source, distance, 1, |used| used.messages);
                victim.ok_or(AcceptErrorKind::BufferFull { limit: limits.messages })
            } else if !buffer.has_bytes(size) {
                let victim = buffer.victim(source, distance, size, |used| used.bytes);
                victim.ok_or(AcceptErrorKind::BytesFull { limit: limits.bytes })
            } else {
                break;
            };
            let id = victim?;
            let Some(leaving) = buffer.leaving(id) else { break };
            let [charged, other] = buffer.shares.announced(id);
            buffer.shares.discharge(id, leaving.size);
            if other == charged {
                evicted.push((leaving, charged));
            } else {
                // It stays so: each message is handed over only once.
                buffer.charge(id, Charge { announced: [other; 2], size: leaving.size });
            }
        }
        eviction.carry_out();
        Ok(())
    }

    /// Finds the message that must give way to a new one: the furthest ahead of the source that holds most. `None` if
    /// that is the new message itself, or if there are no sources.
    fn victim(
        &mut self,
        source: SourceId,
        distance: u64,
        more: usize,
        amount: impl Fn(&Used) -> usize,
    ) -> Option<HeldId> {
        let most = self.shares.most(source, more, amount)?;
        let (id, furthest) = self.shares.furthest(most, |id| self.waiting.distance(id))?;
        (most != source || furthest > distance).then_some(id)
    }

    /// Finds all that is needed to remove a held message.
    pub(super) fn leaving(&self, id: HeldId) -> Option<Leaving> {
        let message = self.waiting.held(id)?.message();
        let withdrawal = self.waiting.withdrawal(id)?;
        Some(Leaving { withdrawal, size: if self.shares.is_charging() { self.size(message) } else { 0 } })
    }

    /// Ends the charge for a message that is about to be removed.
    pub(super) fn discharge(&mut self, leaving: &Leaving) {
        if self.shares.is_charging() {
            self.shares.discharge(leaving.withdrawal.id(), leaving.size);
        }
    }
}

/// Messages that are to give way, and are no longer charged. Unless the eviction is carried out, they are charged
/// again, also if the caller's code panics.
struct Eviction<'a, I: NodeId, P> {
    buffer: &'a mut CausalBuffer<I, P>,
    evicted: Vec<(Leaving, SourceId)>,
}

impl<I: NodeId, P> Eviction<'_, I, P> {
    /// Drops the messages.
    fn carry_out(mut self) {
        // All are removed before the first is dropped.
        let evicted = mem::take(&mut self.evicted).into_iter();
        let _messages: Vec<_> =
            evicted.map(|(leaving, _)| self.buffer.waiting.withdraw(leaving.withdrawal)).collect();
    }
}

impl<I: NodeId, P> Drop for Eviction<'_, I, P> {
    fn drop(&mut self) {
        for (leaving, charged) in mem::take(&mut self.evicted) {
            let charge = Charge { announced: [charged; 2], size: leaving.size };
            self.buffer.charge(leaving.withdrawal.id(), charge);
        }
    }
}
