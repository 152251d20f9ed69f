//! Eviction: a held message goes, so that one from another source has room.
//!
//! # The rule
//!
//! When a message has to wait and there is no room, the source that holds most gives way, with the new message counted
//! to its own (see [`shares`](crate::delivery::shares)). Of its messages, the one that is furthest ahead of what is
//! delivered is evicted. If that is the new message, it is refused. So
//!
//! - what is evicted is what would have been needed last, and it is [missing](CausalBuffer::missing) again;
//! - what can be delivered now is never evicted: it does not count as held.
//!
//! If another source has brought the furthest message too, it is charged to that one instead, and the search goes on.
//! Each message takes this way out only once.
//!
//! A refusal leaves all that is held, and makes no source known. Only the source that is charged for a message that two
//! have brought may have changed.
//!
//! # Cost
//!
//! O(s + log² h) for each message evicted, with s sources and h held messages. The messages of a source are kept in the
//! order of their distance when they came, which can only have become shorter since. Eviction takes the furthest entry,
//! re-inserts it if its distance has shrunk, and repeats. An entry that was j below the top when it was corrected is
//! met again only when the top has come down by j. So each delivery or eviction causes O(log h) corrections, amortised,
//! at O(log h) each. Where 64,000 messages are held it is two corrections.
//!
//! # Sources
//!
//! As [`shares`](crate::delivery::shares). Deviation: the furthest ahead is evicted, not the oldest.

use core::mem;

use crate::compat::Vec;
use crate::delivery::buffer::shares::{Charge, SourceId, Used};
use crate::delivery::buffer::waiting::{HeldId, LaneId, Withdrawal};
use crate::delivery::buffer::{CausalBuffer, size_of_message};
use crate::delivery::error::AcceptErrorKind;
use crate::delivery::message::Message;
use crate::node::{Dot, NodeId};

/// A held message that is about to be taken out, with its size: all that calls the caller's code.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leaving {
    pub(super) withdrawal: Withdrawal,
    size: usize,
}

impl<I: NodeId, P> CausalBuffer<I, P> {
    /// Forgets a source, a neighbour that has gone, and drops what only it had brought; returns how many messages.
    ///
    /// A message that another source has brought too stays, and is charged to that one. A dropped message is
    /// [`missing`](Self::missing) again. One that can be delivered now stays. O(log h) for each of the held messages
    /// that it has brought.
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

    /// Finds the source of a message that has to wait; from the first one on, what is held is charged.
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

    /// Returns how many bytes of the limit a held message takes up.
    pub(super) fn size(&self, message: &Message<I, P>) -> usize {
        size_of_message(message, self.measure)
    }

    /// Charges a held message to the first of those that announced it.
    #[inline]
    pub(super) fn charge(&mut self, id: HeldId, charge: Charge) {
        if self.shares.is_charging()
            && let Some(distance) = self.waiting.distance(id)
        {
            self.shares.charge(id, charge, distance);
        }
    }

    /// Returns whether there is room for this many bytes more.
    fn has_bytes(&self, size: usize) -> bool {
        size <= self.limits.bytes.saturating_sub(self.shares.bytes())
    }

    /// Makes room for a message that has to wait, of this size and this far ahead; or drops nothing.
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
                // And stays so: each takes over once only.
                buffer.charge(id, Charge { announced: [other; 2], size: leaving.size });
            }
        }
        eviction.carry_out();
        Ok(())
    }

    /// Finds what must give way to a new message: of the source that holds most, the one furthest ahead. `None` if
    /// that is the new message itself, or there are no sources.
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

    /// Finds out what is needed to take out a held message.
    pub(super) fn leaving(&self, id: HeldId) -> Option<Leaving> {
        let message = self.waiting.held(id)?.message();
        let withdrawal = self.waiting.withdrawal(id)?;
        Some(Leaving { withdrawal, size: if self.shares.is_charging() { self.size(message) } else { 0 } })
    }

    /// Takes a message that is about to be taken out off what its source is charged for.
    pub(super) fn discharge(&mut self, leaving: &Leaving) {
        if self.shares.is_charging() {
            self.shares.discharge(leaving.withdrawal.id(), leaving.size);
        }
    }
}

/// Messages that are to give way and are discharged already. Unless it is carried out, they are charged again: also if
/// the caller's code panics.
struct Eviction<'a, I: NodeId, P> {
    buffer: &'a mut CausalBuffer<I, P>,
    evicted: Vec<(Leaving, SourceId)>,
}

impl<I: NodeId, P> Eviction<'_, I, P> {
    /// Drops the messages.
    fn carry_out(mut self) {
        // All are taken out before the first is dropped.
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
