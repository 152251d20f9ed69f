//! Requests of a subscriber to the log, one at a time.

use super::Subscriber;
use super::next_slot::NextSlot;
use crate::broadcast::ReadLimit;
use crate::node::NodeId;

/// A request of a [`Subscriber`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubscribeRequest {
    /// Read the log; the answer goes to [`Subscriber::handle_read`].
    Read {
        /// The first slot.
        from: u64,
        /// The most that the answer may hold.
        limit: ReadLimit,
    },
    /// Write [`Entry::fill`](crate::broadcast::Entry::fill) of this epoch into the slot; the answer goes to
    /// [`Subscriber::handle_fill`].
    ///
    /// An [`AppendLog`](crate::broadcast::AppendLog) has no holes. If one shows, read the slot once more: a higher slot
    /// may have been announced between the read that left it out and its answer. If the slot is still empty, the engine
    /// has broken its promise: report it. The subscriber does not go on without an answer.
    Fill {
        /// The slot.
        slot: u64,
        /// The epoch of the fill.
        epoch: u64,
    },
}

impl<I: NodeId, P> Subscriber<I, P> {
    /// Returns the request to make at `now_ms`. O(1).
    ///
    /// There is one request at a time: the next one comes after the answer, or after the write time-out.
    pub fn poll_request(&mut self, now_ms: u64) -> Option<SubscribeRequest> {
        self.advance(now_ms);
        if self.turns.is_overdue() {
            self.fail();
        }
        if !self.turns.is_free(self.window.next(), self.config.poll_ms) {
            return None;
        }
        let (is_due, all) = (self.turns.read_ms() == 0, self.window.limit());
        let request = match self.next_slot() {
            NextSlot::Hole { left_ms: 0 } => {
                SubscribeRequest::Fill { slot: self.window.next(), epoch: self.epoch.max(self.sealed) }
            }
            NextSlot::Unread => self.read(all),
            NextSlot::Unknown if is_due => self.read(all),
            // This only checks that the hole is still one: the slots above it are read already, or will be.
            NextSlot::Hole { .. } if is_due => self.read(1),
            NextSlot::Stuck if is_due => match self.search.begin(self.window.next()) {
                Some(from) => {
                    SubscribeRequest::Read { from, limit: ReadLimit { entries: all, bytes: self.config.bytes } }
                }
                None => self.read(1),
            },
            NextSlot::Hole { .. } | NextSlot::Unknown | NextSlot::Stuck | NextSlot::Ready | NextSlot::Over => {
                return None;
            }
        };
        self.turns.begin(self.config.write_timeout_ms);
        Some(request)
    }

    /// Makes a request for the slot passed last and for up to `entries` entries from the next slot on. It asks for no
    /// more bytes than the window has room for.
    fn read(&mut self, entries: usize) -> SubscribeRequest {
        let next = self.window.next();
        let from = self.history.read_from(next);
        let before = usize::try_from(next.saturating_sub(from)).unwrap_or(usize::MAX);
        let entries = if before > 1 { before } else { entries.saturating_add(before) };
        SubscribeRequest::Read { from, limit: ReadLimit { entries, bytes: self.window.room() } }
    }

    /// Returns when to call [`poll_request`](Self::poll_request) again, by the clock of the last call with a time.
    /// `None` if there is a message to deliver first, or if nothing will be delivered any more. O(1).
    ///
    /// Call `poll_request` also after the clock was set back: this time may be far away then.
    pub fn poll_timeout(&self) -> Option<u64> {
        let left_ms = match self.next_slot() {
            _ if self.turns.is_out() => 0,
            NextSlot::Ready | NextSlot::Over => return None,
            NextSlot::Unread => 0,
            NextSlot::Unknown | NextSlot::Stuck => self.turns.read_ms(),
            NextSlot::Hole { left_ms } => left_ms.min(self.turns.read_ms()),
        };
        Some(self.turns.at(left_ms))
    }

    /// Hands in that the last request failed, or was not answered. O(1).
    ///
    /// The request is not simply repeated: after a pause the log is read again first.
    pub fn handle_failure(&mut self, now_ms: u64) {
        self.advance(now_ms);
        self.fail();
    }

    /// Begins a pause, after which the log is read before anything is filled.
    pub(super) fn fail(&mut self) {
        self.turns.pause(self.config.poll_ms);
        self.claims.uncover(self.window.next());
    }

    /// Advances the waits by the time that has passed on the owner's clock.
    pub(super) fn advance(&mut self, now_ms: u64) {
        let passed_ms = self.turns.advance(now_ms);
        self.patience.advance(passed_ms);
    }
}
