//! The messages of one author that others may still need, as frames.
//!
//! A message enters when it is delivered here, which happens in the order of its author. A message of this node enters
//! when it is broadcast. Messages leave when they are stable. So the messages in the log are consecutive:
//!
//! ```text
//!   1 ... forgotten | forgotten + 1 ... last | not delivered
//!     stable        |  here, for retransmission
//! ```
//!
//! # Invariants
//!
//! - RL1: `bytes` is the sum of the lengths of the frames in the log.

use crate::compat::VecDeque;

use super::frame::Frame;

/// The messages of one author after the last one that was forgotten.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct RetransmissionLog {
    forgotten: u64,
    frames: VecDeque<Frame>,
    bytes: usize,
}

impl RetransmissionLog {
    /// Makes an empty log that begins after `forgotten`.
    pub(super) fn after(forgotten: u64) -> Self {
        Self { forgotten, ..Self::default() }
    }

    /// Returns the counter up to which messages are forgotten.
    pub(super) fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// Returns the counter of the last message.
    pub(super) fn last(&self) -> u64 {
        // No overflow: every message has a counter.
        self.forgotten + self.frames.len() as u64
    }

    /// Returns the number of messages in the log.
    pub(super) fn len(&self) -> usize {
        self.frames.len()
    }

    /// Returns the number of bytes that the messages take.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds the message after the last one.
    pub(super) fn push(&mut self, frame: Frame) {
        self.bytes = self.bytes.saturating_add(frame.bytes().len());
        self.frames.push_back(frame);
    }

    /// Returns the message with this counter, if it is in the log.
    pub(super) fn get(&self, counter: u64) -> Option<&Frame> {
        let index = counter.checked_sub(self.forgotten)?.checked_sub(1)?;
        self.frames.get(usize::try_from(index).ok()?)
    }

    /// Visits the messages, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Frame> {
        self.frames.iter()
    }

    /// Forgets the messages with counters up to `counter`.
    pub(super) fn forget(&mut self, counter: u64) {
        while self.forgotten < counter {
            let Some(frame) = self.frames.pop_front() else { return };
            self.bytes -= frame.bytes().len();
            self.forgotten += 1;
        }
        if self.frames.is_empty() {
            self.frames = VecDeque::new(); // a silent group uses no memory
        }
    }

    /// Checks the invariant of this file.
    pub(super) fn validate(&self) -> Result<(), &'static str> {
        let bytes = self.frames.iter().fold(0_usize, |bytes, frame| bytes.saturating_add(frame.bytes().len()));
        if bytes == self.bytes { Ok(()) } else { Err("RL1: the bytes of a log are counted") }
    }
}
