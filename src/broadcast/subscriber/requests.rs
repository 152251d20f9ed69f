//! Requests: what a subscriber asks of the log, one request at a time.

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
    /// There are no holes over an [`AppendLog`](crate::broadcast::AppendLog). If one shows, read the slot once more: what
    /// stands above it may have been announced after the read that has left it out, and before its answer. If it is still
    /// empty, the engine has broken its promise: report it. The subscriber does not go on without an answer.
    Fill {
        /// The slot.
        slot: u64,
        /// The epoch of the fill.
        epoch: u64,
    },
}

impl<I: NodeId, P> Subscriber<I, P> {
    /// Returns what is to be done at `now_ms`. O(1).
    ///
    /// One request at a time: until it is answered, or the write time-out has passed, there is no other.
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
            // Only whether the hole is still one: what stands above it is read already, or will be.
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

    /// Makes a request for up to `entries` entries from the next slot on, and before them for the one that was passed last.
    /// It asks for no more bytes than there is room for.
    fn read(&mut self, entries: usize) -> SubscribeRequest {
        let next = self.window.next();
        let from = self.history.read_from(next);
        let before = usize::try_from(next.saturating_sub(from)).unwrap_or(usize::MAX);
        let entries = if before > 1 { before } else { entries.saturating_add(before) };
        SubscribeRequest::Read { from, limit: ReadLimit { entries, bytes: self.window.room() } }
    }

    /// Returns when to call [`poll_request`](Self::poll_request) again, by the clock of the last call with a time; `None` if
    /// there is something to deliver first, or if nothing will be delivered any more. O(1).
    ///
    /// Call `poll_request` also after the clock was set back, for this time may be far away then.
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
    /// It is not repeated as it was: the log is read again first, after a pause.
    pub fn handle_failure(&mut self, now_ms: u64) {
        self.advance(now_ms);
        self.fail();
    }

    /// Begins a pause, after which the log is read before anything is filled.
    pub(super) fn fail(&mut self) {
        self.turns.pause(self.config.poll_ms);
        self.claims.uncover(self.window.next());
    }

    /// Lets the time pass that has passed by the owner's clock.
    pub(super) fn advance(&mut self, now_ms: u64) {
        let passed_ms = self.turns.advance(now_ms);
        self.patience.advance(passed_ms);
    }
}
