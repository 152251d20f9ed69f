//! What an endpoint knows of one other member: what to tell it, what it has asked for, and when to speak.

use crate::compat::{BTreeMap, Vec, VecDeque};
use crate::node::{DotRange, NodeId};
use crate::version::VersionVector;

use super::packet::MAX_RANGES;
use super::{Author, EndpointConfig};

/// The time that has passed, as far as the owner has told it.
///
/// A clock that goes back only loses what would have been the next step: deadlines are reached by time that passes,
/// not by a time of day.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Clock {
    /// The last time that the owner has named, by its own clock.
    last_ms: u64,
    elapsed_ms: u64,
    started: bool,
}

/// The longest step, 34 years, so that no clock brings the time that has passed to its end.
const MAX_STEP_MS: u64 = 1 << 40;

impl Clock {
    pub(super) fn advance(&mut self, now_ms: u64) {
        if self.started {
            let step = now_ms.saturating_sub(self.last_ms).min(MAX_STEP_MS);
            self.elapsed_ms = self.elapsed_ms.saturating_add(step);
        }
        self.last_ms = now_ms;
        self.started = true;
    }

    /// When `after_ms` milliseconds have passed from now.
    pub(super) fn after(&self, after_ms: u64) -> u64 {
        self.elapsed_ms.saturating_add(after_ms)
    }

    pub(super) fn is_due(&self, deadline_ms: u64) -> bool {
        deadline_ms <= self.elapsed_ms
    }

    /// Returns a deadline by the owner's clock.
    pub(super) fn owners_time(&self, deadline_ms: u64) -> u64 {
        self.last_ms.saturating_add(deadline_ms.saturating_sub(self.elapsed_ms))
    }
}

/// A time-out that doubles each time it is used in vain, from the configured first one to the longest.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct BackOff(u32);

impl BackOff {
    /// Returns how long to wait for an answer, at least 1 ms.
    pub(super) fn wait(self, config: &EndpointConfig) -> u64 {
        let doubled = config.retry_ms.max(1).saturating_mul(1 << self.0.min(32));
        doubled.min(config.retry_max_ms.max(config.retry_ms).max(1))
    }

    /// Notes that another wait has begun.
    pub(super) fn grow(&mut self) {
        self.0 = self.0.saturating_add(1);
    }

    /// Whether more than one wait has begun since there was an answer.
    pub(super) fn is_backing_off(self) -> bool {
        self.0 > 1
    }
}

/// What is known of another member.
#[derive(Debug)]
pub(super) struct Peer<I> {
    /// The revision of our vector that the peer says it knows.
    pub(super) confirmed: u64,
    /// The revision of the peer's vector that we know.
    pub(super) known: u64,
    /// The revision of our vector that was last sent to it.
    pub(super) told: u64,
    /// The revision of its own vector that it was last told we know.
    pub(super) said: u64,
    /// When it was last spoken to.
    pub(super) spoke_at: u64,
    /// Up to which counter our own messages were sent to it once.
    pub(super) sent: u64,
    /// When to tell it our vector, if nothing is sent before; none if it knows it, and knows that we know its own.
    pub(super) speak_at: Option<u64>,
    /// How often it was spoken to since it was heard.
    pub(super) back_off: BackOff,
    /// What to ask it for with the next packet.
    pub(super) requests: Vec<DotRange<I>>,
    /// What it has asked for.
    pub(super) answers: VecDeque<DotRange<I>>,
    /// How many bytes of answers may still be sent before `refill_at`.
    pub(super) budget: usize,
    pub(super) refill_at: u64,
    /// What it no longer has, as it says.
    pub(super) has_forgotten: VersionVector<I>,
    /// What it has asked for and we no longer have.
    pub(super) we_have_forgotten: VersionVector<I>,
}

impl<I: NodeId> Peer<I> {
    /// Starts with a peer that is known to have our own messages up to `sent`.
    pub(super) fn new(sent: u64, speak_at: u64) -> Self {
        Self {
            confirmed: 0,
            known: 0,
            told: 0,
            said: 0,
            spoke_at: 0,
            sent,
            speak_at: Some(speak_at),
            back_off: BackOff::default(),
            requests: Vec::new(),
            answers: VecDeque::new(),
            budget: 0,
            refill_at: 0,
            has_forgotten: VersionVector::new(),
            we_have_forgotten: VersionVector::new(),
        }
    }

    /// When to say again what was said: soon, and at a pace. What calls for it may be an old packet, or a copy; if each of
    /// them were answered at once, a network that repeats packets would multiply them.
    pub(super) fn again(&self, clock: &Clock, config: &EndpointConfig) -> u64 {
        clock.after(config.delay_ms).max(self.spoke_at.saturating_add(config.retry_ms.max(1)))
    }

    /// Sees to it that the peer is spoken to at `deadline`, or before.
    pub(super) fn speak_by(&mut self, deadline: u64) {
        self.speak_at = Some(self.speak_at.map_or(deadline, |at| at.min(deadline)));
    }

    /// Takes in what the peer asks for, in the place of what it has asked for before of the same authors. What is
    /// too much is dropped; it asks again.
    pub(super) fn queue_answers(&mut self, requests: &[DotRange<I>]) {
        let requests = requests.get(..MAX_RANGES).unwrap_or(requests);
        let named = |range: &DotRange<I>| requests.iter().any(|request| request.node() == range.node());
        self.answers.retain(|range| !named(range));
        let room = MAX_RANGES.saturating_sub(self.answers.len());
        self.answers.extend(requests.iter().take(room).cloned());
    }

    /// Whether answers may be sent now.
    pub(super) fn may_answer(&self, clock: &Clock) -> bool {
        !self.answers.is_empty() && (self.budget > 0 || clock.is_due(self.refill_at))
    }

    /// Whether something is to be said now, apart from messages.
    pub(super) fn has_something_to_say(&self, clock: &Clock) -> bool {
        !self.requests.is_empty() || self.speak_at.is_some_and(|at| clock.is_due(at))
    }

    /// Hands messages that the peer has asked for to `put`, until that says no or the budget is used up.
    pub(super) fn answer(&mut self, authors: &BTreeMap<I, Author<I>>, mut put: impl FnMut(&[u8]) -> bool) {
        while let Some(range) = self.answers.pop_front() {
            let Some(log) = authors.get(range.node()).map(|author| &author.log) else { continue };
            let (mut next, last) = range.counters().into_inner();
            // What has been forgotten meanwhile, everyone has.
            next = next.max(log.forgotten().saturating_add(1));
            while let Some(message) = log.get(next).filter(|_| next <= last) {
                if self.budget == 0 || !put(message) {
                    if let Some(rest) = DotRange::new(range.into_node(), next..=last) {
                        self.answers.push_front(rest);
                    }
                    return;
                }
                self.budget = self.budget.saturating_sub(message.len());
                next += 1;
            }
        }
    }
}
