//! The messages of one author that others may still need, as the bytes in which they travel.
//!
//! A message enters when it is delivered here, which is in the order of its author, and leaves when it is stable. So
//! those that are here are consecutive:
//!
//! ```text
//!   1 ... forgotten | forgotten + 1 ... last | not delivered
//!     stable        |  here, for retransmission
//! ```

use crate::compat::{Vec, VecDeque};

/// The messages of one author after the last one that was forgotten.
#[derive(Debug, Default)]
pub(super) struct RetransmissionLog {
    forgotten: u64,
    messages: VecDeque<Vec<u8>>,
    bytes: usize,
}

impl RetransmissionLog {
    /// Starts behind `forgotten`.
    pub(super) fn after(forgotten: u64) -> Self {
        Self { forgotten, ..Self::default() }
    }

    /// The counter up to which messages are no longer here.
    pub(super) fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// The counter of the last message.
    pub(super) fn last(&self) -> u64 {
        // No overflow: messages have counters.
        self.forgotten + self.messages.len() as u64
    }

    /// How many messages are here.
    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    /// How many bytes the messages take.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes in the message behind the last one.
    pub(super) fn push(&mut self, message: Vec<u8>) {
        self.bytes = self.bytes.saturating_add(message.len());
        self.messages.push_back(message);
    }

    /// Returns the message with this counter, if it is here.
    pub(super) fn get(&self, counter: u64) -> Option<&[u8]> {
        let at = counter.checked_sub(self.forgotten)?.checked_sub(1)?;
        self.messages.get(usize::try_from(at).ok()?).map(Vec::as_slice)
    }

    /// Visits the messages, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.messages.iter().map(Vec::as_slice)
    }

    /// Forgets the messages up to `counter`, of those that are here.
    pub(super) fn forget(&mut self, counter: u64) {
        while self.forgotten < counter {
            let Some(message) = self.messages.pop_front() else { return };
            self.bytes -= message.len();
            self.forgotten += 1;
        }
        if self.messages.is_empty() {
            self.messages = VecDeque::new(); // a group that has fallen silent holds no memory
        }
    }

    /// Checks that the bytes are counted.
    pub(super) fn validate(&self) -> Result<(), &'static str> {
        let bytes = self.messages.iter().fold(0_usize, |bytes, message| bytes.saturating_add(message.len()));
        if bytes == self.bytes { Ok(()) } else { Err("E3: the bytes of a log are counted") }
    }
}
