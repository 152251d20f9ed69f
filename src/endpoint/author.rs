//! The state that an endpoint keeps for each node that is or was a member: its messages, and the inquiry about missing
//! ones.

use crate::compat::Vec;

use super::config::EndpointConfig;
use super::frame::Frame;
use super::retransmission_log::RetransmissionLog;
use super::timer::{BackOff, Stopwatch};

/// The state kept for the messages of one node.
#[derive(Clone, Debug)]
pub(super) struct Author<I> {
    /// The messages that others may still need. The end of this log is the author's entry in our vector.
    pub(super) log: RetransmissionLog,
    /// The bytes of the author's messages that are in the buffer.
    pub(super) held_bytes: usize,
    /// The revision of our vector at which the author's entry last changed.
    pub(super) changed_at: u64,
    /// The highest counter that a member claims to have.
    pub(super) claimed: u64,
    /// The inquiry about missing messages, if there may be any.
    pub(super) inquiry: Option<Inquiry<I>>,
}

/// An inquiry about the missing messages of one author.
#[derive(Clone, Debug)]
pub(super) struct Inquiry<I> {
    /// The time of the next request.
    pub(super) at: u64,
    pub(super) back_off: BackOff,
    /// The member that was asked last.
    pub(super) asked: Option<I>,
    /// The highest counter that this member was asked for.
    pub(super) up_to: u64,
}

/// The part of an author's state that the answers of an endpoint depend on.
#[derive(PartialEq, Hash)]
pub(super) struct AuthorContent<'a, I> {
    log: &'a RetransmissionLog,
    changed_at: u64,
    inquiry: Option<InquiryContent<'a, I>>,
}

#[derive(PartialEq, Hash)]
struct InquiryContent<'a, I> {
    left: u64,
    pause: (u32, u64),
    asked: Option<&'a I>,
    up_to: u64,
}

impl<I> Author<I> {
    pub(super) fn new(log: RetransmissionLog, changed_at: u64) -> Self {
        Self { log, held_bytes: 0, changed_at, claimed: 0, inquiry: None }
    }

    /// Starts an inquiry if others have messages of the author for which there is room here.
    pub(super) fn look_for(&mut self, stopwatch: &Stopwatch, config: &EndpointConfig) {
        let has_room = (self.log.len() as u64) < config.window;
        if self.inquiry.is_none() && self.claimed > self.log.last() && has_room {
            let at = stopwatch.after(config.delay_ms);
            self.inquiry = Some(Inquiry { at, back_off: BackOff::default(), asked: None, up_to: 0 });
        }
    }

    /// Notes that the message with this counter has arrived. If it was requested, the other requested ones may be on
    /// their way, so the next request waits.
    pub(super) fn found(&mut self, counter: u64, stopwatch: &Stopwatch, config: &EndpointConfig) {
        if let Some(inquiry) = self.inquiry.as_mut().filter(|inquiry| counter <= inquiry.up_to) {
            inquiry.back_off = BackOff::default();
            inquiry.at = stopwatch.after(inquiry.back_off.wait(config));
        }
    }

    /// Returns the state that the answers of an endpoint depend on. The bytes that are held and the claimed counter
    /// follow from the rest of the endpoint: EP3 and EP6.
    pub(super) fn content(&self, stopwatch: &Stopwatch, config: &EndpointConfig) -> AuthorContent<'_, I> {
        let Self { log, changed_at, inquiry, held_bytes: _, claimed: _ } = self;
        let inquiry = inquiry.as_ref().map(|Inquiry { at, back_off, asked, up_to }| InquiryContent {
            left: stopwatch.left(*at),
            pause: back_off.content(config),
            asked: asked.as_ref(),
            up_to: log.last().max(*up_to), // those in the log are found no more
        });
        AuthorContent { log, changed_at: *changed_at, inquiry }
    }

    /// Moves the frame of the next message into the log, and returns a copy of its payload. A frame of this node is in
    /// the log already.
    pub(super) fn deliver(&mut self, counter: u64, frame: Option<Frame>) -> Vec<u8> {
        if let Some(frame) = frame {
            self.held_bytes = self.held_bytes.saturating_sub(frame.bytes().len());
            self.log.push(frame);
        }
        let frame = self.log.get(counter);
        debug_assert!(frame.is_some(), "EP1: nothing is stable that is not delivered here");
        frame.map(Frame::payload).unwrap_or_default().to_vec()
    }
}
