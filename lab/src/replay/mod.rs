//! Replays a history over simulated sites whose network loses, repeats, delays, reorders and partitions.
//!
//! # The run
//!
//! 1. **Placing.** Node a lives at site a mod n, and keeps its id in the dots. A site has one
//!    [`CausalBuffer`](happens_before::CausalBuffer) for the messages of all its nodes.
//! 2. **Sending.** A site sends an event once it has delivered the event's recorded parents. They are its dependencies.
//!    A site sends at most one new event a tick. It delivers the event through its buffer, and sends it to every other
//!    site.
//! 3. **Receiving.** Every arriving message is handed to the buffer, and every message that the buffer releases is
//!    delivered.
//! 4. **Asking.** A site that holds messages back notes which are [`missing`](happens_before::CausalBuffer::missing).
//!    After a time-out it asks another site, drawn at random, for those still missing, and repeats this. The other site
//!    answers with those of them that it has delivered, in causal order, at most [`ANSWER`] messages. Questions and
//!    answers may be lost like everything else.
//! 5. **Announcing.** A message that nothing follows is not known to be missing. So a site that has sent nothing for a
//!    while sends the vector of its deliveries to another site, drawn at random. That site asks for the messages of
//!    which it had not heard.
//! 6. **Judging.** The oracle hears of every sending and every delivery, and the first violation ends the run. A run
//!    without a delivery for very long is given up.
//!
//! Time is virtual: a run is a function of the history, the [`ReplaySettings`] and the seed in them.
//!
//! # Termination
//!
//! Of all messages that others have delivered and a site has not, take the first in causal order. The site has
//! delivered all its causes, so it is not held: it is missing, or unheard of. Either way it is first in the answer to
//! some question, if the right site is asked and nothing is lost. The buffer accepts it, however full it is, because it
//! is deliverable at once.
//!
//! If packets arrive with probability p > 0, then an announcement, the question and the answer all arrive with p^3. For
//! a small p this takes long, but it happens eventually with certainty. No run can wait for that. So a run waits for
//! `FAIR` / p^3 rounds, and only if they pass without a delivery has the library [failed](ReplayFailure::Stalled). If
//! that is more than `MOST_ROUNDS`, it waits for `MOST_ROUNDS` and then [gives up](ReplayFailure::GaveUp), which is no
//! failure of the library.
//!
//! # Simplifications
//!
//! Sites answer from the recorded history instead of their own logs, because all have the same messages.

mod cost;
mod judge;
mod outcome;
mod recording;
pub mod report;
mod site;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::rc::Rc;
use std::time::Instant;

use happens_before::delivery::{AcceptErrorKind, Accepted};
use happens_before::node::DotRange;
use happens_before::{Message, VersionVector};
use happens_before_simulation::Random;
use happens_before_simulation::network::{Arrival, Network, Partition};

pub use judge::ReplayCanary;
pub use outcome::{ReplayFailure, ReplayResult, ReplaySettings, ReplayTally};
pub use recording::{Flight, FlightEnd, Recording, SiteDelivery, SiteSending, Tick};

use crate::history::{Event, History, Lists, NodeNumber};
use crate::stream;
use crate::words::{counted, thousands};
use cost::Meter;
use judge::{Judge, explain};
use site::Site;

/// Most messages that a site sends in answer to one question.
pub const ANSWER: usize = 1024;

/// The wait for a delivery, as a multiple of the average time. A longer delay has, by chance, the probability e^-32:
/// one in 10^13.
const FAIR: f64 = 32.0;

/// The fewest rounds that a run waits: beside them, all delays that the network does not cause are small.
const LEAST_ROUNDS: f64 = 10_000.0;

/// The most rounds that a run waits, which is more than a fair chance up to a loss of 0.98.
const MOST_ROUNDS: f64 = 5_000_000.0;

/// A packet.
#[derive(Clone, Debug)]
enum Packet {
    Message(Message<NodeNumber, Event>),
    Answer(Message<NodeNumber, Event>),
    Question(Rc<[DotRange<NodeNumber>]>),
    Announcement(Rc<VersionVector<NodeNumber>>),
}

/// An action that a site does at a planned time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Send,
    Ask,
    Announce,
}

/// Replays `history` and returns the result; `progress` is called now and then with the number of deliveries.
///
/// # Complexity
///
/// On a good network, time is linear in events times sites, except for a logarithm of the packets in flight. Memory is
/// a message an event, plus the messages that are held or in flight.
pub fn run(history: &History, settings: &ReplaySettings, progress: &mut dyn FnMut(u64)) -> ReplayResult {
    let start = Instant::now();
    let mut replay = Replay::new(history, settings);
    let verdict = replay.run(progress);
    replay.tally.traffic = replay.network.traffic();
    ReplayResult {
        tally: replay.tally,
        verdict,
        recording: replay.recording,
        partitions: replay.network.conditions().partitions.clone(),
        elapsed: start.elapsed(),
    }
}

/// Estimates the bytes that a run over `sites` sites keeps from its beginning to its end. Messages in flight or held
/// back come on top; the limits of the buffers bound the latter.
pub fn memory(history: &History, sites: usize) -> u64 {
    let (events, nodes, sites) = (history.len() as u64, history.nodes() as u64, sites as u64);
    // An event has a message, its place in several lists, and its entry in the oracle.
    let an_event = 300;
    // A parent is a dependency of a message, a cause in the oracle, and has a child.
    let a_parent = 40;
    // A site has several vectors, and the oracle notes its deliveries.
    let (a_node_at_a_site, an_event_at_a_site) = (80, 2);
    (events * an_event)
        .saturating_add(history.parents_in_all() as u64 * a_parent)
        .saturating_add(sites.saturating_mul(nodes * a_node_at_a_site + events * an_event_at_a_site))
}

/// Returns the ticks that a run of the history takes on a network without loss and with equal delays.
///
/// Partitions are spread over this time, so that they fall into the run.
fn ideal_length(history: &History, sites: usize, delay: Tick) -> Tick {
    let mut sent: Vec<Tick> = Vec::with_capacity(history.len());
    let mut free = vec![0; sites];
    for event in 0..history.len() as Event {
        let site = home(history, event, sites);
        let known = |&parent: &Event| {
            let way = if home(history, parent, sites) == site { 0 } else { delay };
            sent[parent as usize] + way
        };
        let at = history.parents(event).iter().map(known).max().unwrap_or(0).max(free[site]);
        free[site] = at + 1;
        sent.push(at);
    }
    free.into_iter().max().unwrap_or(0)
}

/// Returns the site where the event is sent.
fn home(history: &History, event: Event, sites: usize) -> usize {
    *history.dot(event).node() as usize % sites
}

/// Returns, for every event, the events that name it as a parent.
fn children(history: &History) -> Lists {
    let mut of: Vec<Vec<Event>> = vec![Vec::new(); history.len()];
    for event in 0..history.len() as Event {
        history.parents(event).iter().for_each(|&parent| of[parent as usize].push(event));
    }
    let mut lists = Lists::new();
    of.into_iter().for_each(|children| lists.push(children));
    lists
}

struct Replay<'a> {
    history: &'a History,
    settings: &'a ReplaySettings,
    /// The message of every event.
    messages: Vec<Message<NodeNumber, Event>>,
    children: Lists,
    /// For every event, the number of its parents that its site has still to deliver.
    waiting: Vec<u32>,
    sites: Vec<Site>,
    network: Network<Packet>,
    timers: BinaryHeap<Reverse<(Tick, Timer, usize)>>,
    timeout: Tick,
    announce_every: Tick,
    patience: Patience,
    random: Random,
    judge: Judge<'a>,
    tally: ReplayTally,
    recording: Recording,
    now: Tick,
}

impl<'a> Replay<'a> {
    fn new(history: &'a History, settings: &'a ReplaySettings) -> Self {
        let sites = settings.sites;
        let events = 0..history.len() as Event;
        let message = |event| {
            let message = Message::new(*history.dot(event), history.dependencies(event), event);
            message.expect("a history has no dependencies on the own future, and one a node")
        };
        let meters = Meter::of_sites(sites, history.len(), history.nodes());
        let mut conditions = settings.conditions();
        let round_trip = conditions.delay.most().saturating_mul(2).saturating_add(1);
        let timeout = settings.timeout.unwrap_or(round_trip).max(1);
        let mean_way = conditions.delay.least().saturating_add(settings.reorder / 2);
        let length = ideal_length(history, sites, mean_way);
        let announce_every = settings.announce.unwrap_or(timeout.saturating_mul(4)).max(1);
        let round = announce_every.max(timeout).max(round_trip);
        let patience = Patience::new(1.0 - settings.loss, round);
        let random = &mut Random::new(settings.seed, stream::PARTITIONS);
        conditions.partitions = Partition::schedule(random, settings.partitions, length, sites);
        Self {
            history,
            settings,
            messages: events.clone().map(message).collect(),
            children: children(history),
            waiting: events.map(|event| history.parents(event).len() as u32).collect(),
            sites: meters.map(|meter| Site::new(settings.limits, meter)).collect(),
            network: Network::new(conditions, settings.seed),
            timers: BinaryHeap::new(),
            timeout,
            announce_every,
            patience,
            random: Random::new(settings.seed, stream::QUESTIONS),
            judge: Judge::new(history, sites, settings.canary),
            tally: ReplayTally::default(),
            recording: Recording::default(),
            now: 0,
        }
    }

    fn run(&mut self, progress: &mut dyn FnMut(u64)) -> Result<(), ReplayFailure> {
        for event in (0..self.history.len() as Event).filter(|&event| self.history.parents(event).is_empty()) {
            self.sites[home(self.history, event, self.settings.sites)].ready.push(Reverse(event));
        }
        for site in 0..self.sites.len() {
            self.schedule_sending(site);
            if self.sites.len() > 1 {
                self.timers.push(Reverse((self.announce_every, Timer::Announce, site)));
            }
        }
        let all = self.history.len() as u64 * self.sites.len() as u64;
        let mut steps = 0_u64;
        while self.tally.deliveries < all {
            steps += 1;
            if steps.is_multiple_of(1024) {
                progress(self.tally.deliveries);
            }
            let arrival = self.network.next_at();
            let timer = self.timers.peek().map(|&Reverse((at, ..))| at);
            // Arrivals of a tick come before the actions in it.
            match (arrival, timer) {
                (Some(arrival), timer) if timer.is_none_or(|timer| arrival <= timer) => self.receive()?,
                (_, Some(_)) => self.act()?,
                _ => return Err(self.stalled()),
            }
            if self.now > self.last_hope().saturating_add(self.patience.ticks) {
                return Err(self.stalled());
            }
        }
        progress(self.tally.deliveries);
        // Copies that are still on their way must change nothing.
        while self.network.next_at().is_some() {
            self.receive()?;
        }
        self.judge.complete().map_err(ReplayFailure::Violation)?;
        match self
            .sites
            .iter()
            .position(|site| site.buffer.delivered() != site.delivered || !site.buffer.is_empty())
        {
            None => Ok(()),
            Some(site) => {
                let what = format!(
                    "the buffer of site {site} is not empty, or its deliveries are not those of the site"
                );
                Err(ReplayFailure::Violation(what))
            }
        }
    }

    /// Returns the time of the last delivery, or of the end of a later partition.
    fn last_hope(&self) -> Tick {
        let partitions = &self.network.conditions().partitions;
        let ended = partitions.iter().map(|partition| partition.until).filter(|&until| until <= self.now);
        ended.chain([self.tally.ticks]).max().unwrap_or(0)
    }

    /// Receives the next arrival.
    fn receive(&mut self) -> Result<(), ReplayFailure> {
        let Some(Arrival { at, sent, from, to, packet }) = self.network.receive() else { return Ok(()) };
        self.now = at;
        let done = self.tally.deliveries == self.history.len() as u64 * self.sites.len() as u64;
        match packet {
            Packet::Message(message) => self.accept(to, message, Way { from, sent, asked_for: false }),
            Packet::Answer(message) => self.accept(to, message, Way { from, sent, asked_for: true }),
            _ if done => Ok(()),
            Packet::Question(ranges) => {
                self.answer(to, from, &ranges);
                Ok(())
            }
            Packet::Announcement(vector) => {
                let unheard_of = self.sites[to].unheard_of(&vector);
                if !unheard_of.is_empty() && self.sites[to].may_ask_from <= self.now {
                    self.sites[to].may_ask_from = self.now.saturating_add(self.timeout);
                    self.ask(to, from, unheard_of);
                }
                Ok(())
            }
        }
    }

    /// Lets a site do its next planned action.
    fn act(&mut self) -> Result<(), ReplayFailure> {
        let Some(Reverse((at, timer, site))) = self.timers.pop() else { return Ok(()) };
        self.now = at;
        match timer {
            Timer::Send => {
                self.sites[site].will_send = false;
                if let Some(Reverse(event)) = self.sites[site].ready.pop() {
                    self.send(site, event)?;
                }
            }
            Timer::Ask => {
                let missing = self.sites[site].still_missing();
                if !missing.is_empty() {
                    let other = self.another(site);
                    self.ask(site, other, missing);
                }
                if self.sites[site].noticed.is_some() {
                    self.timers.push(Reverse((at.saturating_add(self.timeout), Timer::Ask, site)));
                }
            }
            Timer::Announce => {
                if !std::mem::take(&mut self.sites[site].busy) {
                    let other = self.another(site);
                    let vector = self.sites[site].announce();
                    self.tally.announcements += 1;
                    self.network.send(at, site, other, Packet::Announcement(vector));
                }
                self.timers.push(Reverse((at.saturating_add(self.announce_every), Timer::Announce, site)));
            }
        }
        Ok(())
    }

    /// Draws any other site; there is one.
    fn another(&mut self, site: usize) -> usize {
        let other = self.random.index(self.sites.len() - 1);
        other + usize::from(other >= site)
    }

    fn schedule_sending(&mut self, site: usize) {
        let state = &mut self.sites[site];
        if !state.will_send && !state.ready.is_empty() {
            state.will_send = true;
            let at = state.last_sent.map_or(self.now, |last| self.now.max(last.saturating_add(1)));
            self.timers.push(Reverse((at, Timer::Send, site)));
        }
    }

    /// Sends an event of one of the site's nodes: to the site itself, then to all others.
    fn send(&mut self, site: usize, event: Event) -> Result<(), ReplayFailure> {
        let message = self.messages[event as usize].clone();
        self.judge.sent(event).map_err(ReplayFailure::Violation)?;
        self.tally.sent += 1;
        self.tally.dependencies += message.dependencies().len() as u64;
        if self.settings.record {
            self.recording.sent.push(SiteSending { event, site, at: self.now });
        }
        self.sites[site].last_sent = Some(self.now);
        self.sites[site].busy = true;
        match self.sites[site].buffer.accept(message) {
            Ok(Accepted::Ready) => self.deliver(site)?,
            Ok(accepted) => {
                let event = explain(self.history, self.history.dot(event));
                let what = format!("site {site} reports {accepted:?} for an event of its own: {event}");
                return Err(ReplayFailure::Refused(what));
            }
            Err(error) => {
                return Err(ReplayFailure::Refused(format!(
                    "site {site} refuses an event of its own: {error}"
                )));
            }
        }
        let Site { meter, delivered, .. } = &mut self.sites[site];
        if let Some(sizes) = meter.note(&self.messages[event as usize], delivered) {
            self.tally.measured += 1;
            self.tally.metadata_bytes += sizes.dependencies;
            self.tally.vector_bytes += sizes.vector;
            self.tally.delta_bytes += sizes.delta;
        }
        for other in (0..self.sites.len()).filter(|&other| other != site) {
            let packet = Packet::Message(self.messages[event as usize].clone());
            let lost = self.network.send(self.now, site, other, packet).lost;
            self.record_lost(event, site, other, lost, false);
        }
        self.schedule_sending(site);
        Ok(())
    }

    /// Accepts a message that has arrived.
    fn accept(
        &mut self,
        site: usize,
        message: Message<NodeNumber, Event>,
        way: Way,
    ) -> Result<(), ReplayFailure> {
        let event = *message.payload();
        let at = self.now;
        let end = match self.sites[site].buffer.accept(message) {
            Ok(Accepted::Ready) => {
                self.record_arrival(event, site, way, FlightEnd::Accepted { at });
                return self.deliver(site);
            }
            Ok(Accepted::Held) => {
                let ask = self.sites[site].note_held(&self.messages[event as usize]);
                let held = self.sites[site].buffer.len() as u64;
                self.tally.held_at_most = self.tally.held_at_most.max(held);
                if ask {
                    self.timers.push(Reverse((at.saturating_add(self.timeout), Timer::Ask, site)));
                }
                FlightEnd::Accepted { at }
            }
            Ok(_) => {
                self.tally.duplicates += 1;
                FlightEnd::Duplicate { at }
            }
            Err(error) => {
                match error.kind {
                    AcceptErrorKind::BufferFull { .. } => self.tally.refused_full += 1,
                    AcceptErrorKind::TooFarAhead { .. } => self.tally.refused_horizon += 1,
                    AcceptErrorKind::TooManyNodes { .. } | AcceptErrorKind::TooManyDependencies { .. } => {
                        self.tally.refused_size += 1;
                    }
                    _ => return Err(ReplayFailure::Refused(format!("at site {site}: {error}"))),
                }
                FlightEnd::Refused { at }
            }
        };
        self.record_arrival(event, site, way, end);
        Ok(())
    }

    /// Delivers everything that a site can deliver.
    fn deliver(&mut self, site: usize) -> Result<(), ReplayFailure> {
        while let Some(message) = self.sites[site].pop() {
            let event = message.into_payload();
            self.judge.delivered(site, event).map_err(ReplayFailure::Violation)?;
            self.tally.deliveries += 1;
            self.tally.ticks = self.now;
            if self.settings.record {
                self.recording.delivered.push(SiteDelivery { event, site, at: self.now });
            }
            for &child in self.children.get(event) {
                if home(self.history, child, self.settings.sites) == site {
                    self.waiting[child as usize] -= 1;
                    if self.waiting[child as usize] == 0 {
                        self.sites[site].ready.push(Reverse(child));
                    }
                }
            }
        }
        self.schedule_sending(site);
        Ok(())
    }

    /// Asks a site for messages.
    fn ask(&mut self, site: usize, other: usize, ranges: Vec<DotRange<NodeNumber>>) {
        self.tally.questions += 1;
        self.network.send(self.now, site, other, Packet::Question(ranges.into()));
    }

    /// Answers a question with those of its messages that the site has delivered: the first in causal order, and no
    /// more than fit into an answer or into the asker's buffer.
    fn answer(&mut self, site: usize, asker: usize, ranges: &[DotRange<NodeNumber>]) {
        let delivered = &self.sites[site].delivered;
        let mut events: Vec<Event> = Vec::new();
        for range in ranges {
            let first = *range.counters().start() as usize - 1;
            let last = (*range.counters().end()).min(delivered.get(range.node())) as usize;
            events.extend(self.history.events_of(*range.node()).get(first..last).unwrap_or_default());
        }
        // The history's order is causal.
        events.sort_unstable();
        events.truncate(ANSWER.min(self.settings.limits.messages.max(1)));
        for event in events {
            self.tally.retransmissions += 1;
            let packet = Packet::Answer(self.messages[event as usize].clone());
            let lost = self.network.send(self.now, site, asker, packet).lost;
            self.record_lost(event, site, asker, lost, true);
        }
    }

    fn record_arrival(&mut self, event: Event, to: usize, way: Way, end: FlightEnd) {
        if self.settings.record {
            let Way { from, sent, asked_for } = way;
            self.recording.flights.push(Flight { event, from, to, sent, asked_for, end });
        }
    }

    fn record_lost(&mut self, event: Event, from: usize, to: usize, lost: u8, asked_for: bool) {
        if self.settings.record {
            let flight = Flight { event, from, to, sent: self.now, asked_for, end: FlightEnd::Lost };
            self.recording.flights.extend(std::iter::repeat_n(flight, usize::from(lost)));
        }
    }

    /// Describes what a halted run is waiting for.
    fn stalled(&self) -> ReplayFailure {
        let all = self.history.len() as u64 * self.sites.len() as u64;
        let traffic = self.network.traffic();
        let copies = traffic.packets + traffic.duplicated;
        let mut what = format!(
            "nothing delivered for {}, since tick {}; the network lost {:.1} % of the copies; \
             {} of {} deliveries are still to come",
            counted(self.now - self.tally.ticks, "tick"),
            thousands(self.tally.ticks),
            (traffic.lost + traffic.cut) as f64 * 100.0 / copies.max(1) as f64,
            thousands(all - self.tally.deliveries),
            thousands(all)
        );
        for (number, site) in self.sites.iter().enumerate() {
            let lacking = (0..self.history.len() as Event)
                .find(|&event| !site.delivered.contains(self.history.dot(event)));
            let Some(event) = lacking else { continue };
            what += &format!(
                "; site {number} has not delivered {}",
                explain(self.history, self.history.dot(event))
            );
            let held = site.buffer.undelivered().next();
            if let Some(dot) = held.map(Message::dot) {
                let causes: Vec<String> = site.buffer.blocked_on(dot).map(|dot| dot.to_string()).collect();
                what += &format!(
                    ", and holds back {}, of which {dot} is blocked on {}",
                    counted(site.buffer.len() as u64, "message"),
                    causes.join(" and ")
                );
            }
        }
        if self.patience.fair { ReplayFailure::Stalled(what) } else { ReplayFailure::GaveUp(what) }
    }
}

/// The time for which a run waits for a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Patience {
    ticks: Tick,
    /// True if a delivery is to be expected in this time, so that its absence is a fault of the library.
    fair: bool,
}

impl Patience {
    /// Weighs the probability that a packet arrives. A `round` is the time in which every site announces its messages,
    /// and a question is asked and answered.
    fn new(arrives: f64, round: Tick) -> Self {
        // If nothing ever arrives, there is nothing to wait for.
        let needed = if arrives > 0.0 { (FAIR / arrives.powi(3)).max(LEAST_ROUNDS) } else { 1.0 };
        let ticks = round.saturating_mul(needed.min(MOST_ROUNDS) as u64);
        Self { ticks, fair: arrives > 0.0 && needed <= MOST_ROUNDS }
    }
}

/// The way in which a message came.
#[derive(Clone, Copy)]
struct Way {
    from: usize,
    sent: Tick,
    asked_for: bool,
}

#[cfg(test)]
mod tests;
