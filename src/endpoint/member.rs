//! The state that an endpoint keeps for each other member: the news for it, its requests, and the time to speak.

use crate::codec::{EncodeId, Writer};
use crate::compat::{BTreeMap, BTreeSet, Vec, VecDeque};
use crate::node::DotRange;
use crate::version::VersionVector;

use super::author::Author;
use super::config::EndpointConfig;
use super::frame::Frame;
use super::packet::{MAX_RANGES, put_head};
use super::retransmission_log::RetransmissionLog;
use super::timer::{BackOff, Stopwatch};

/// The state kept for another member.
#[derive(Clone, Debug)]
pub(super) struct Member<I> {
    /// The revision of our vector that the member has confirmed.
    pub(super) confirmed: u64,
    /// The revision of the member's vector that is known here.
    pub(super) known: u64,
    /// The revision of our vector that was last sent to the member.
    told: u64,
    /// The revision of the member's vector that we last told it we know.
    said: u64,
    /// The time when we last spoke to the member.
    spoke_at: u64,
    /// The counter up to which our own messages were sent to the member once.
    pub(super) sent: u64,
    /// The time to tell the member our vector, if nothing is sent before. `None` if the member knows our vector, and
    /// knows that we know its own.
    pub(super) speak_at: Option<u64>,
    /// The number of times we spoke to the member since it was heard.
    back_off: BackOff,
    /// The ranges to request from the member in the next packet.
    pub(super) requests: Vec<DotRange<I>>,
    /// The ranges that the member has requested.
    pub(super) answers: VecDeque<DotRange<I>>,
    /// The bytes of answers that may still be sent before `refill_at`.
    budget: usize,
    pub(super) refill_at: u64,
    /// The counters up to which the member says that it no longer has messages, for each author.
    pub(super) has_forgotten: VersionVector<I>,
    /// The counters up to which we no longer have messages that the member has requested.
    pub(super) we_have_forgotten: VersionVector<I>,
}

/// The part of a member's state that the answers of an endpoint depend on.
#[derive(PartialEq, Hash)]
pub(super) struct MemberContent<'a, I> {
    confirmed: u64,
    known: u64,
    /// True if the member was told all of our vector, and all that we know of its own.
    was_told: [bool; 2],
    /// The time left until we may repeat what was said.
    repeat_left: u64,
    sent: u64,
    speak_left: Option<u64>,
    pause: (u32, u64),
    requests: BTreeSet<&'a DotRange<I>>,
    answers: &'a VecDeque<DotRange<I>>,
    budget: usize,
    refill_left: u64,
    forgotten: [&'a VersionVector<I>; 2],
}

impl<I: EncodeId> Member<I> {
    /// Makes the state for a member that is known to have our own messages up to `sent`.
    pub(super) fn new(sent: u64, stopwatch: &Stopwatch, speak_at: u64) -> Self {
        Self {
            confirmed: 0,
            known: 0,
            told: 0,
            said: 0,
            spoke_at: stopwatch.after(0), // whenever it is admitted, the pace is the same
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

    /// Returns the state that the answers of an endpoint depend on. Our vector is at `revision`.
    ///
    /// Times are those that are left. What is past counts only where something may still depend on it.
    pub(super) fn content(
        &self,
        revision: u64,
        stopwatch: &Stopwatch,
        config: &EndpointConfig,
    ) -> MemberContent<'_, I> {
        let refill_left = stopwatch.left(self.refill_at);
        MemberContent {
            confirmed: self.confirmed,
            known: self.known,
            was_told: [self.told >= revision, self.said >= self.known],
            repeat_left: stopwatch.left(self.again(stopwatch, config)),
            sent: self.sent,
            speak_left: self.speak_at.map(|at| stopwatch.left(at)),
            pause: self.back_off.content(config),
            requests: self.requests.iter().collect(), // they are sorted before they are sent
            answers: &self.answers,
            budget: if refill_left == 0 { 0 } else { self.budget },
            refill_left,
            forgotten: [&self.has_forgotten, &self.we_have_forgotten],
        }
    }

    /// Notes that the member knows our vector up to the revision `confirmed`. Our vector is at `revision` now.
    pub(super) fn confirm(&mut self, confirmed: u64, revision: u64) {
        if confirmed > self.confirmed && confirmed <= revision {
            self.confirmed = confirmed;
            self.back_off = BackOff::default();
        }
    }

    /// Notes that we know the member's vector up to `revision`, if we knew it up to `base`.
    pub(super) fn learn(&mut self, base: u64, revision: u64) {
        if base <= self.known && revision > self.known {
            self.known = revision;
            self.back_off = BackOff::default();
        }
    }

    /// Decides when to speak after a packet from the member. The packet was relative to the revision `base` of the
    /// member's vector. Our vector is at `revision` now. The first row that applies counts:
    ///
    /// | the member | we speak |
    /// |---|---|
    /// | was not told all: our vector has changed since, or we know more of its vector than we have said | in `delay_ms`, or before |
    /// | has not heard us: its packet is relative to less of its vector than we have said that we know | as soon as [`again`](Self::again) allows, or before |
    /// | has heard us, and has not confirmed all of our vector | when the back-off ends, or before |
    /// | has confirmed all, and requested messages that are forgotten here | when it was already planned |
    /// | has confirmed all | not at all |
    pub(super) fn plan(&mut self, base: u64, revision: u64, stopwatch: &Stopwatch, config: &EndpointConfig) {
        let has_heard_us = base == self.known;
        let was_told_all = self.told >= revision && (has_heard_us || self.said >= self.known);
        if !was_told_all {
            self.speak_by(stopwatch.after(config.delay_ms));
        } else if !has_heard_us {
            self.speak_by(self.again(stopwatch, config));
        } else if self.confirmed < revision {
            self.speak_by(stopwatch.after(self.back_off.wait(config)));
        } else if self.we_have_forgotten.is_empty() {
            self.speak_at = None;
        }
    }

    /// Plans to tell the member of a change: soon, or when the back-off ends if the member does not answer.
    pub(super) fn plan_to_tell(&mut self, stopwatch: &Stopwatch, config: &EndpointConfig) {
        let is_silent = self.back_off.is_backing_off();
        let wait = if is_silent { self.back_off.wait(config) } else { config.delay_ms };
        self.speak_by(stopwatch.after(wait));
    }

    /// Returns the time to repeat what was said: soon, but at a limited pace. The reason to repeat may be an old
    /// packet, or a copy. If each of these were answered at once, a network that repeats packets would multiply them.
    pub(super) fn again(&self, stopwatch: &Stopwatch, config: &EndpointConfig) -> u64 {
        stopwatch.after(config.delay_ms).max(self.spoke_at.saturating_add(config.retry_ms.max(1)))
    }

    /// Plans to speak to the member at `deadline` or before.
    pub(super) fn speak_by(&mut self, deadline: u64) {
        self.speak_at = Some(self.speak_at.map_or(deadline, |at| at.min(deadline)));
    }

    /// Notes that the member was told our vector up to `revision`, and plans the next time. That is when the back-off
    /// ends, or never if the member has confirmed this revision.
    pub(super) fn spoke(&mut self, revision: u64, stopwatch: &Stopwatch, config: &EndpointConfig) {
        let was_due = self.is_due(stopwatch);
        self.told = revision;
        self.said = self.known;
        self.spoke_at = stopwatch.after(0);
        self.speak_at = None;
        if self.confirmed < revision {
            let wait = self.back_off.wait(config);
            self.speak_at = Some(stopwatch.after(wait));
            if was_due {
                self.back_off.grow();
            }
        }
    }

    /// Returns whether a packet is to go to the member now, because it would have one of these parts:
    ///
    /// | part | if |
    /// |---|---|
    /// | own messages | the last one, `own_last`, was not sent to the member |
    /// | answers | the member has requested some, and the budget allows it |
    /// | requests | there are any |
    /// | our vector | it is time to tell the member |
    pub(super) fn wants_packet(&self, own_last: u64, stopwatch: &Stopwatch) -> bool {
        self.sent < own_last
            || self.may_be_answered(stopwatch)
            || !self.requests.is_empty()
            || self.is_due(stopwatch)
    }

    /// Returns whether it is time to tell the member our vector.
    fn is_due(&self, stopwatch: &Stopwatch) -> bool {
        self.speak_at.is_some_and(|at| stopwatch.is_due(at))
    }

    /// Returns whether answers may be sent now.
    fn may_be_answered(&self, stopwatch: &Stopwatch) -> bool {
        !self.answers.is_empty() && (self.budget > 0 || stopwatch.is_due(self.refill_at))
    }

    /// Replaces the planned requests for messages of one author by `ranges`, up to the room for requests. Returns the
    /// highest counter among them.
    pub(super) fn request(&mut self, node: &I, mut ranges: Vec<DotRange<I>>) -> u64 {
        self.requests.retain(|range| range.node() != node);
        ranges.truncate(MAX_RANGES.saturating_sub(self.requests.len()));
        let up_to = ranges.last().map_or(0, |range| *range.counters().end());
        self.requests.append(&mut ranges);
        up_to
    }

    /// Notes the member's requests, which replace its earlier ones for the same authors. Requests beyond the limit are
    /// dropped, and the member repeats them.
    pub(super) fn queue_answers(&mut self, requests: &[DotRange<I>]) {
        let requests = requests.get(..MAX_RANGES).unwrap_or(requests);
        let named = |range: &DotRange<I>| requests.iter().any(|request| request.node() == range.node());
        self.answers.retain(|range| !named(range));
        let room = MAX_RANGES.saturating_sub(self.answers.len());
        self.answers.extend(requests.iter().take(room).cloned());
    }

    /// Writes all of a packet but the messages: the changes of our vector since the revision that the member has
    /// confirmed, our requests, and the counters up to which its requests cannot be answered.
    pub(super) fn put_head(&mut self, authors: &BTreeMap<I, Author<I>>, revision: u64, out: &mut Writer<'_>) {
        let base = self.confirmed;
        let changed = authors.iter().filter(|(_, author)| author.changed_at > base);
        let news = changed.map(|(node, author)| (node, author.log.last()));
        let news: Vec<_> = news.filter(|&(_, last)| last > 0).collect();
        self.requests.sort_unstable_by(|a, b| {
            a.node().cmp(b.node()).then_with(|| a.counters().start().cmp(b.counters().start()))
        });
        put_head([self.known, base, revision], &news, &self.we_have_forgotten, &self.requests, out);
        self.requests.clear();
        self.we_have_forgotten.clear();
    }

    /// Passes our own messages that were not sent to the member to `put`, until it returns `false`.
    pub(super) fn send(&mut self, own: &RetransmissionLog, mut put: impl FnMut(&Frame) -> bool) {
        self.sent = self.sent.max(own.forgotten());
        while let Some(frame) = self.sent.checked_add(1).and_then(|next| own.get(next)) {
            if !put(frame) {
                break;
            }
            self.sent += 1;
        }
    }

    /// Passes requested messages to `put`, until it returns `false` or the budget is used up.
    pub(super) fn answer(
        &mut self,
        authors: &BTreeMap<I, Author<I>>,
        stopwatch: &Stopwatch,
        config: &EndpointConfig,
        mut put: impl FnMut(&Frame) -> bool,
    ) {
        if !self.may_be_answered(stopwatch) {
            return;
        }
        if stopwatch.is_due(self.refill_at) {
            self.budget = config.answer_bytes.max(1);
            self.refill_at = stopwatch.after(config.retry_ms.max(1));
        }
        while let Some(range) = self.answers.pop_front() {
            let Some(log) = authors.get(range.node()).map(|author| &author.log) else { continue };
            let (mut next, last) = range.counters().into_inner();
            // All members have the messages that were forgotten meanwhile.
            next = next.max(log.forgotten().saturating_add(1));
            while let Some(frame) = log.get(next).filter(|_| next <= last) {
                if self.budget == 0 || !put(frame) {
                    if let Some(rest) = DotRange::new(range.into_node(), next..=last) {
                        self.answers.push_front(rest);
                    }
                    return;
                }
                self.budget = self.budget.saturating_sub(frame.bytes().len());
                next += 1;
            }
        }
    }
}
