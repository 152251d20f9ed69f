//! A simulated world of publishers and subscribers over one log, either slots with a counter or appends. A source of
//! choices moves it step by step: random numbers from a seed, or the bytes of a fuzzer. The oracle judges the
//! deliveries, by payload, not by id.
//!
//! Requests and answers travel separately: they are lost, repeated, delayed, and overtaken. The requests of a publisher
//! that dies stay under way.

use std::collections::{BTreeMap, BTreeSet};

use happens_before::broadcast::{
    Abandoned, AppendAnswer, Content, Entry, LogKind, MemoryLog, NumberRequest, Position, PublishError,
    PublishErrorKind, PublishRequest, PublisherConfig, ReadAnswer, ReadLimit, Snapshot, SubscribeError,
    SubscribeRequest, SubscriberConfig, WriteAnswer,
};
use happens_before::check::{OrderRun, OrderViolation};
use happens_before::{Dot, Publisher, Subscriber};

/// The publishing node, and the number of the message among its own.
pub type Payload = (u8, u64);
pub type Violation = OrderViolation<u8, Position>;

/// The rates of faults, per mille, and the conduct of the drivers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Conduct {
    /// The kind of the log; over slots there is a counter.
    pub log: LogKind,
    pub lose: u64,
    pub repeat: u64,
    pub impatient: u64,
    pub crash: u64,
    pub restart: u64,
    pub counter_back: u64,
    pub counter_jump: u64,
    pub seal: u64,
    pub trim: u64,
    pub abandon: u64,
    /// The rate at which the subscribers' clock is set forward or back.
    pub clock: u64,
    pub repair: Repair,
    pub retry: Retry,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Repair {
    /// Right: the hole is filled as the subscriber requests.
    #[default]
    Fill,
    /// Wrong: no hole is filled.
    Never,
    /// Wrong: the subscriber is told that it has filled the hole, and the log is not.
    Skip,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Retry {
    /// Right: the same request is repeated, as the publisher requests.
    #[default]
    Same,
    /// Wrong: a message without an answer is published again as a new one.
    Blind,
}

/// Counts of events, so that a test can assert that it saw enough.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    pub acknowledged: u64,
    pub delivered: u64,
    pub fills: u64,
    pub filled_away: u64,
    pub crashes: u64,
    pub resumed: u64,
    pub restarts: u64,
    pub installed: u64,
    pub seals: u64,
    pub trims: u64,
    pub lost: u64,
    pub behind: u64,
    pub jumps: u64,
    pub given_up: u64,
    pub late_writes: u64,
    pub late_numbers: u64,
    pub appended: u64,
    pub suspected: u64,
    pub outcome_trimmed: u64,
    pub clock_set: u64,
}

/// The end of a run.
#[derive(Debug)]
pub enum End {
    Complete,
    /// Nothing wrong was delivered, but some message never is, however long one waits.
    Stuck,
    Wrong(Violation),
}

/// Makes the publisher of a node that has used the numbers up to `last`, with this outstanding entry.
fn new_publisher(
    log: LogKind,
    node: u8,
    last: u64,
    outstanding: Option<(Entry<u8, Payload>, Option<u64>)>,
) -> Publisher<u8, Payload> {
    let config = PublisherConfig { log, attempts: ATTEMPTS, jump: JUMP };
    Publisher::resume(node, last, outstanding, config).unwrap()
}

#[derive(Debug)]
struct Pub {
    node: u8,
    machine: Publisher<u8, Payload>,
    /// The number of its life, so that it ignores answers to an earlier life.
    life: u32,
    epoch: u64,
    awaiting: bool,
    left: u64,
    number: u64,
    /// The payload numbers of the outstanding entry.
    outstanding: Vec<u64>,
    /// The content of its disk.
    saved: Option<(Entry<u8, Payload>, Option<u64>)>,
}

#[derive(Debug)]
struct Sub {
    machine: Subscriber<u8, Payload>,
    life: u32,
    saved: (Snapshot<u8>, usize),
}

#[derive(Clone, Debug)]
enum What {
    Take(NumberRequest<u8>),
    Write { slot: u64, entry: Entry<u8, Payload> },
    Append(Entry<u8, Payload>),
    Read { from: u64, limit: ReadLimit },
    Fill { slot: u64, epoch: u64 },
    Announce { slot: u64, entry: Entry<u8, Payload> },
    // Answers.
    Numbers { take: NumberRequest<u8>, first: u64 },
    Written { id: Dot<u8>, slot: u64, answer: WriteAnswer<u8, Payload> },
    Appended { entry: Entry<u8, Payload>, answer: AppendAnswer },
    Found { from: u64, limit: ReadLimit, answer: ReadAnswer<u8, Payload> },
    Filled { slot: u64, epoch: u64, answer: WriteAnswer<u8, Payload> },
}

#[derive(Clone, Debug)]
struct Flight {
    who: Who,
    what: What,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Who {
    Pub(usize, u32),
    Sub(usize, u32),
}

#[derive(Debug)]
pub struct World<C> {
    choose: C,
    conduct: Conduct,
    /// The subscribers' clock.
    clock_ms: u64,
    run: OrderRun<u8, Position>,
    log: MemoryLog<u8, Payload>,
    /// The counter of each epoch, and the tail above which it began.
    counters: Vec<(u64, u64)>,
    publishers: Vec<Pub>,
    subscribers: Vec<Sub>,
    flights: Vec<Flight>,
    nodes: u8,
    /// The id of each marker, and the number by which the oracle knows it.
    markers: BTreeMap<Dot<u8>, Payload>,
    not_stored: BTreeSet<Payload>,
    /// The slot that each entry was written into.
    slots: BTreeMap<Dot<u8>, u64>,
    archive: (Snapshot<u8>, usize),
    /// The moment of publishing, and that of acknowledgement, in the order of events.
    begun: BTreeMap<Payload, u64>,
    acknowledged: BTreeMap<Payload, u64>,
    order: Vec<Payload>,
    event: u64,
    pub seen: Seen,
}

const ATTEMPTS: u32 = 40;
const JUMP: u64 = 64;

/// The first time of the subscribers' clock.
const NOON: u64 = 43_200_000;

/// Makes a subscriber with room for some payloads, but not for a window full of the largest.
fn new_subscriber(snapshot: Snapshot<u8>) -> Subscriber<u8, Payload> {
    let config = SubscriberConfig {
        window: 4,
        bytes: 1_000,
        poll_ms: 5,
        write_timeout_ms: 20,
        max_fill_timeout_ms: 400,
        jump: 100_000,
        nodes: 1_000,
        skips: 16,
    };
    Subscriber::measured(snapshot, config, |&(_, number)| 100 * number as usize % 700)
}

impl<C: FnMut(u64) -> u64> World<C> {
    pub fn new(choose: C, conduct: Conduct, publishers: u8, subscribers: usize, messages: u64) -> Self {
        let mut world = Self {
            choose,
            conduct,
            clock_ms: NOON,
            run: OrderRun::new(subscribers),
            log: MemoryLog::measured(100_000, |_| 10),
            counters: vec![(0, 0)],
            publishers: Vec::new(),
            subscribers: Vec::new(),
            flights: Vec::new(),
            nodes: 0,
            markers: BTreeMap::new(),
            not_stored: BTreeSet::new(),
            slots: BTreeMap::new(),
            archive: (Snapshot::default(), 0),
            begun: BTreeMap::new(),
            acknowledged: BTreeMap::new(),
            order: Vec::new(),
            event: 0,
            seen: Seen::default(),
        };
        for _ in 0..publishers {
            let publisher = world.incarnation(messages);
            world.publishers.push(publisher);
        }
        for _ in 0..subscribers {
            let machine = new_subscriber(Snapshot::default());
            world.subscribers.push(Sub { machine, life: 0, saved: (Snapshot::default(), 0) });
        }
        world
    }

    fn incarnation(&mut self, left: u64) -> Pub {
        let node = self.nodes;
        self.nodes += 1;
        let mut machine = new_publisher(self.conduct.log, node, 0, None);
        let epoch = self.counters.len() as u64 - 1;
        machine.enter(epoch, self.log.tail());
        Pub {
            node,
            machine,
            life: 0,
            epoch,
            awaiting: false,
            left,
            number: 0,
            outstanding: Vec::new(),
            saved: None,
        }
    }

    fn chance(&mut self, per_mille: u64) -> bool {
        per_mille > 0 && (self.choose)(1000) < per_mille
    }

    /// Runs `steps` steps with faults, then without faults until everything is delivered.
    pub fn run(&mut self, steps: u32) -> End {
        for _ in 0..steps {
            if let Err(violation) = self.step() {
                return End::Wrong(violation);
            }
        }
        match self.heal() {
            Ok(true) => match self.run.complete() {
                Ok(()) => End::Complete,
                Err(violation) => End::Wrong(violation),
            },
            Ok(false) => End::Stuck,
            Err(violation) => End::Wrong(violation),
        }
    }

    /// Returns whether the counter may repeat or skip numbers.
    fn counter_lies(&self) -> bool {
        self.conduct.counter_back > 0 || self.conduct.counter_jump > 0
    }

    /// Asserts that a message published after another was acknowledged comes after it, unless the counter goes back.
    pub fn assert_real_time_order(&self) {
        if self.conduct.counter_back > 0 && self.conduct.log == LogKind::Slots {
            return;
        }
        // The latest begin so far. No later message may have been acknowledged before it.
        let mut latest_begun = 0;
        for payload in &self.order {
            let acknowledged = self.acknowledged.get(payload).copied().unwrap_or(u64::MAX);
            assert!(
                latest_begun <= acknowledged,
                "{payload:?} comes after what began when it was acknowledged"
            );
            latest_begun = latest_begun.max(self.begun[payload]);
        }
    }

    fn step(&mut self) -> Result<(), Violation> {
        self.clock_ms += (self.choose)(8);
        self.fault()?;
        let (publishers, subscribers) = (self.publishers.len(), self.subscribers.len());
        let actors = (publishers + subscribers) as u64;
        let chosen = (self.choose)(actors + 2 * self.flights.len() as u64) as usize;
        if chosen < publishers {
            self.publisher(chosen, true)
        } else if chosen < publishers + subscribers {
            self.subscriber(chosen - publishers)
        } else {
            self.flight((chosen - publishers - subscribers) / 2, true)
        }
    }

    fn fault(&mut self) -> Result<(), Violation> {
        let conduct = self.conduct;
        if self.chance(conduct.crash) {
            let index = (self.choose)(self.publishers.len() as u64) as usize;
            self.crash(index);
        }
        if self.chance(conduct.restart) {
            let index = (self.choose)(self.subscribers.len() as u64) as usize;
            let (snapshot, count) = self.subscribers[index].saved.clone();
            self.run.resumed(index, count)?;
            let sub = &mut self.subscribers[index];
            (sub.machine, sub.life) = (new_subscriber(snapshot), sub.life + 1);
            self.seen.restarts += 1;
        }
        if self.chance(conduct.counter_back) {
            let back = (self.choose)(20);
            let (counter, _) = self.counters.last_mut().unwrap();
            *counter = counter.saturating_sub(back);
        }
        if self.chance(conduct.counter_jump) {
            self.counters.last_mut().unwrap().0 += (self.choose)(8);
        }
        if self.chance(conduct.seal) {
            let answer = self.log.seal(self.counters.len() as u64);
            self.counters.push((answer.tail, answer.tail));
            self.seen.seals += 1;
            // One of the publishers has sealed.
            let index = (self.choose)(self.publishers.len() as u64) as usize;
            self.enter(index);
        }
        if self.chance(conduct.clock) {
            self.clock_ms = NOON - 100_000 + (self.choose)(200_000);
            self.seen.clock_set += 1;
        }
        if self.chance(conduct.trim) {
            let index = (self.choose)(self.subscribers.len() as u64) as usize;
            let machine = &self.subscribers[index].machine;
            if machine.next() > self.archive.0.next {
                self.archive = (machine.snapshot(), self.run.delivered_at(index));
                self.log.trim(self.archive.0.next);
                self.seen.trims += 1;
            }
        }
        Ok(())
    }

    /// Kills a publisher, which loses what it has in hand. It comes back as another node, or under its id with what is
    /// on its disk.
    fn crash(&mut self, index: usize) {
        self.seen.crashes += 1;
        let saved = self.publishers[index].saved.take();
        let (left, life) = (self.publishers[index].left, self.publishers[index].life + 1);
        if let Some((entry, slot)) = saved.filter(|_| (self.choose)(2) == 0) {
            let old = &self.publishers[index];
            let outstanding = Some((entry.clone(), slot));
            let mut machine = new_publisher(self.conduct.log, old.node, old.machine.last(), outstanding);
            machine.observe_tail(self.log.tail());
            let epoch = entry.epoch();
            let old = &mut self.publishers[index];
            *old = Pub {
                node: old.node,
                machine,
                life,
                epoch,
                awaiting: false,
                left,
                number: old.number,
                outstanding: std::mem::take(&mut old.outstanding),
                saved: Some((entry, slot)),
            };
            self.seen.resumed += 1;
        } else {
            self.publishers[index] = Pub { life, ..self.incarnation(left) };
        }
    }

    fn publisher(&mut self, index: usize, faults: bool) -> Result<(), Violation> {
        let conduct = self.conduct;
        if faults && self.publishers[index].awaiting && self.chance(conduct.impatient) {
            self.publishers[index].awaiting = false;
            if conduct.retry == Retry::Blind
                && let Some(abandoned) = self.publishers[index].machine.abandon()
                && let Abandoned::NotStored { entry } | Abandoned::Unknown { entry, .. } = abandoned
                && let Content::Messages { payloads, .. } = entry.into_content()
            {
                self.publishers[index].machine.publish_batch(payloads.into_vec()).unwrap();
            }
        }
        if faults && self.publishers[index].outstanding.is_empty() && self.publishers[index].left > 0 {
            self.begin(index)?;
        }
        if faults && self.chance(conduct.abandon) {
            if let Some(abandoned) = self.publishers[index].machine.abandon() {
                self.seen.given_up += 1;
                self.note_outcome(index, matches!(abandoned, Abandoned::NotStored { .. }));
            }
            self.publishers[index].awaiting = false;
        }
        let publisher = &mut self.publishers[index];
        if publisher.awaiting {
            return Ok(());
        }
        let what = match publisher.machine.poll_request() {
            None => return Ok(()),
            Some(PublishRequest::Numbers(request)) => What::Take(request),
            Some(PublishRequest::Write { slot, entry }) => What::Write { slot, entry: entry.clone() },
            Some(PublishRequest::Append { entry }) => What::Append(entry.clone()),
            Some(PublishRequest::EnterEpoch { .. }) => {
                self.enter(index);
                return Ok(());
            }
        };
        match &what {
            What::Write { slot, entry } => publisher.saved = Some((entry.clone(), Some(*slot))),
            What::Append(entry) => publisher.saved = Some((entry.clone(), None)),
            _ => {}
        }
        publisher.awaiting = true;
        let who = Who::Pub(index, publisher.life);
        self.flights.push(Flight { who, what });
        Ok(())
    }

    /// Lets a publisher enter the newest epoch.
    fn enter(&mut self, index: usize) {
        let epoch = self.counters.len() - 1;
        let publisher = &mut self.publishers[index];
        publisher.epoch = epoch as u64;
        publisher.machine.enter(publisher.epoch, self.counters[epoch].1);
    }

    /// Publishes one message, several in one slot, or a marker.
    fn begin(&mut self, index: usize) -> Result<(), Violation> {
        let kind = (self.choose)(6);
        let publisher = &mut self.publishers[index];
        publisher.left -= 1;
        let count = if kind == 0 { 3 } else { 1 };
        let node = publisher.node;
        let numbers: Vec<u64> = (publisher.number + 1..=publisher.number + count).collect();
        publisher.number += count;
        let payloads = numbers.iter().map(|&number| (node, number));
        for (_, number) in payloads.clone() {
            self.run.sent(Dot::new(node, number).unwrap())?;
            self.event += 1;
            self.begun.insert((node, number), self.event);
        }
        match kind {
            0 => {
                publisher.machine.publish_batch(payloads).unwrap();
            }
            1 if self.conduct.retry == Retry::Same => {
                let id = publisher.machine.publish_marker().unwrap();
                self.markers.insert(id, (node, numbers[0]));
            }
            _ => {
                publisher.machine.publish((node, numbers[0])).unwrap();
            }
        }
        publisher.outstanding = numbers;
        Ok(())
    }

    /// Ends the outstanding entry of a publisher; `not_stored` if it is known not to be stored.
    fn note_outcome(&mut self, index: usize, not_stored: bool) {
        let publisher = &mut self.publishers[index];
        publisher.saved = None;
        for number in publisher.outstanding.drain(..) {
            if not_stored {
                self.not_stored.insert((publisher.node, number));
            }
        }
    }

    fn subscriber(&mut self, index: usize) -> Result<(), Violation> {
        while let Some(delivery) = self.subscribers[index].machine.poll_delivery().unwrap() {
            let payload = delivery.payload.unwrap_or_else(|| self.markers[&delivery.id]);
            assert!(!self.not_stored.contains(&payload), "{payload:?} was said not to be stored");
            self.run.delivered(index, delivery.position, &Dot::new(payload.0, payload.1).unwrap())?;
            if self.run.delivered_at(index) > self.order.len() {
                self.order.push(payload);
            }
            self.seen.delivered += 1;
            if (self.choose)(8) == 0 {
                self.save(index);
            }
            assert_eq!(self.subscribers[index].machine.internal_validate(), Ok(()));
        }
        let sub = &mut self.subscribers[index];
        let what = match sub.machine.poll_request(self.clock_ms) {
            None => return Ok(()),
            Some(SubscribeRequest::Read { from, limit }) => What::Read { from, limit },
            // The read that left the slot out may be older than the announcement of a higher one: read once more.
            Some(SubscribeRequest::Fill { slot, .. }) if self.conduct.log == LogKind::Appends => {
                assert!(slot <= self.log.tail(), "slot {slot} is beyond all that was appended");
                self.seen.suspected += 1;
                What::Read { from: slot, limit: ReadLimit::entries(1) }
            }
            Some(SubscribeRequest::Fill { slot, epoch }) => match self.conduct.repair {
                Repair::Fill => What::Fill { slot, epoch },
                Repair::Never => return Ok(()),
                Repair::Skip => What::Filled { slot, epoch, answer: WriteAnswer::Written },
            },
        };
        let who = Who::Sub(index, sub.life);
        self.flights.push(Flight { who, what });
        Ok(())
    }

    fn save(&mut self, index: usize) {
        let saved = (self.subscribers[index].machine.snapshot(), self.run.delivered_at(index));
        self.subscribers[index].saved = saved;
    }

    /// Brings a request to the log or the counter, or an answer to its machine: once, twice, or never.
    fn flight(&mut self, index: usize, faults: bool) -> Result<(), Violation> {
        let conduct = self.conduct;
        if faults && self.chance(conduct.lose) {
            self.flights.swap_remove(index);
            self.seen.lost += 1;
            return Ok(());
        }
        let Flight { who, what } = if faults && self.chance(conduct.repeat) {
            self.flights[index].clone()
        } else {
            self.flights.swap_remove(index)
        };
        let answer = match what {
            What::Take(take) => {
                let counter = &mut self.counters[take.epoch as usize].0;
                *counter += take.n.get();
                What::Numbers { take, first: *counter - take.n.get() + 1 }
            }
            What::Write { slot, entry } => {
                if let Who::Pub(index, life) = who {
                    self.seen.late_writes += u64::from(self.publishers[index].life != life);
                }
                What::Written { id: *entry.id().unwrap(), slot, answer: self.write(slot, &entry) }
            }
            What::Append(entry) => {
                if let Who::Pub(index, life) = who {
                    self.seen.late_writes += u64::from(self.publishers[index].life != life);
                }
                let answer = self.log.append(&entry).unwrap();
                if let AppendAnswer::Appended { .. } = answer {
                    assert!(self.is_of_this_epoch(&entry), "{entry:?} is stored after the seal");
                    self.seen.appended += 1;
                }
                assert_eq!(self.log.internal_validate(), Ok(()));
                What::Appended { entry, answer }
            }
            What::Read { from, limit } => What::Found { from, limit, answer: self.log.read(from, limit) },
            What::Fill { slot, epoch } => {
                let answer = self.write(slot, &Entry::fill(epoch));
                self.seen.fills += u64::from(answer == WriteAnswer::Written);
                What::Filled { slot, epoch, answer }
            }
            arrived => {
                match who {
                    Who::Pub(index, life) if self.publishers[index].life == life => {
                        self.publisher_hears(index, arrived)?;
                    }
                    Who::Sub(index, life) if self.subscribers[index].life == life => {
                        self.subscriber_hears(index, arrived)?;
                    }
                    _ => {}
                }
                return Ok(());
            }
        };
        self.flights.push(Flight { who, what: answer });
        Ok(())
    }

    /// Writes an entry, and asserts that a stored entry is of the log's epoch and in one slot only.
    fn write(&mut self, slot: u64, entry: &Entry<u8, Payload>) -> WriteAnswer<u8, Payload> {
        let answer = self.log.write(slot, entry).unwrap();
        if answer == WriteAnswer::Written {
            assert!(self.is_of_this_epoch(entry), "{entry:?} is stored after the seal");
            let elsewhere = entry.id().and_then(|id| self.slots.insert(*id, slot));
            // This network repeats requests, although an engine promises not to (L2). Then a copy that finds its slot
            // trimmed may be answered first, as with seed 1027362. The publisher writes again, and by its id the
            // message is delivered once.
            let elsewhere = elsewhere.filter(|&before| before >= self.archive.0.next);
            assert_eq!(elsewhere, None, "{entry:?} is stored a second time, in slot {slot}");
        }
        assert_eq!(self.log.internal_validate(), Ok(()));
        answer
    }

    fn is_of_this_epoch(&self, entry: &Entry<u8, Payload>) -> bool {
        entry.epoch() + 1 >= self.counters.len() as u64
    }

    fn publisher_hears(&mut self, index: usize, what: What) -> Result<(), Violation> {
        let publisher = &mut self.publishers[index];
        publisher.awaiting = false;
        // The announced entry is the one that was sent: the outstanding one may be of a later epoch by now.
        let machine = &mut publisher.machine;
        let (heard, sent): (Result<_, PublishError<_>>, _) = match what {
            What::Numbers { take, first } => {
                let behind = first + take.n.get() - 1 <= machine.tail();
                self.seen.behind += u64::from(behind);
                let is_awaited = machine
                    .outstanding()
                    .is_some_and(|(entry, slot)| slot.is_none() && entry.id() == Some(&take.id));
                self.seen.late_numbers += u64::from(is_awaited && take.epoch < publisher.epoch);
                (machine.handle_numbers(&take, first).map(|()| None), None)
            }
            What::Written { id, slot, answer } => {
                let entry = machine.outstanding().map(|(entry, _)| entry.clone());
                let occupied = matches!(&answer, WriteAnswer::Occupied(other)
                    if Some(other.content()) != entry.as_ref().map(Entry::content));
                self.seen.filled_away += u64::from(occupied);
                (machine.handle_write(&id, slot, answer), entry)
            }
            What::Appended { entry, answer } => {
                (machine.handle_append(entry.id().unwrap(), answer), Some(entry))
            }
            _ => unreachable!("publishers hear of numbers, and of writes or appends"),
        };
        if let (Ok(Some(published)), Some(entry)) = (&heard, sent) {
            let what = What::Announce { slot: published.slot, entry };
            for (index, sub) in self.subscribers.iter().enumerate() {
                self.flights.push(Flight { who: Who::Sub(index, sub.life), what: what.clone() });
            }
        }
        assert_eq!(self.publishers[index].machine.internal_validate(), Ok(()));
        match heard {
            Ok(None) => {}
            Ok(Some(_)) => {
                let node = self.publishers[index].node;
                for number in self.publishers[index].outstanding.clone() {
                    self.run.acknowledged(&Dot::new(node, number).unwrap())?;
                    self.event += 1;
                    self.acknowledged.insert((node, number), self.event);
                    self.seen.acknowledged += 1;
                }
                self.note_outcome(index, false);
            }
            Err(error) => {
                let not_stored = match error.kind {
                    PublishErrorKind::OutcomeTrimmed { .. } => false,
                    PublishErrorKind::NumberUsed { .. } => false,
                    PublishErrorKind::Conflict { .. } => panic!("{error}"),
                    // If the counter keeps its promise, the wait for holes grows until every sender succeeds.
                    PublishErrorKind::FilledAway { .. } if !self.counter_lies() => panic!("{error}"),
                    _ => true,
                };
                self.seen.outcome_trimmed += u64::from(!not_stored);
                self.seen.jumps += u64::from(matches!(error.kind, PublishErrorKind::Jump { .. }));
                self.note_outcome(index, not_stored);
            }
        }
        Ok(())
    }

    fn subscriber_hears(&mut self, index: usize, what: What) -> Result<(), Violation> {
        let (now_ms, sub) = (self.clock_ms, &mut self.subscribers[index]);
        let result = match what {
            What::Found { from, limit, answer } => sub.machine.handle_read(now_ms, from, limit, answer),
            What::Filled { slot, epoch, answer } => sub.machine.handle_fill(now_ms, slot, epoch, answer),
            What::Announce { slot, entry } => sub.machine.handle_entry(slot, entry),
            _ => unreachable!("subscribers hear of reads, fills and announcements"),
        };
        if let Err(error) = result {
            match error {
                SubscribeError::Trimmed { .. } => {
                    let (snapshot, count) = self.archive.clone();
                    sub.machine.install(snapshot).expect("the archive is where the log was trimmed");
                    self.run.resumed(index, count)?;
                    self.save(index);
                    self.seen.installed += 1;
                }
                // Subscribers that skip notice it when the slow message is announced.
                SubscribeError::Conflict { .. }
                | SubscribeError::Halted { .. }
                | SubscribeError::RolledBack { .. }
                    if self.conduct.repair == Repair::Skip => {}
                error => panic!("{error}"),
            }
        }
        assert_eq!(self.subscribers[index].machine.internal_validate(), Ok(()));
        Ok(())
    }

    /// Runs fairly and without faults; returns whether everything is delivered in the end.
    fn heal(&mut self) -> Result<bool, Violation> {
        for _ in 0..2_000 {
            self.clock_ms += 3;
            while !self.flights.is_empty() {
                self.flight(0, false)?;
            }
            let tail = self.log.tail();
            if self.publishers.iter().all(|publisher| publisher.outstanding.is_empty())
                && self.subscribers.iter().all(|sub| sub.machine.next() > tail)
            {
                return Ok(true);
            }
            for index in 0..self.publishers.len() {
                self.publishers[index].awaiting = false;
                self.publisher(index, false)?;
            }
            for index in 0..self.subscribers.len() {
                self.subscriber(index)?;
            }
        }
        Ok(false)
    }
}

/// Returns random numbers from a seed, the same on every platform: splitmix64.
pub fn choices(mut state: u64) -> impl FnMut(u64) -> u64 {
    move |limit| {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % limit
    }
}

/// Returns a conduct with some of the faults and not others, so that no fault hides another.
pub fn swarm(seed: u64) -> Conduct {
    let mut choose = choices(!seed);
    let mut fault = |per_mille: u64| if choose(2) == 0 { 0 } else { 1 + choose(per_mille) };
    Conduct {
        lose: fault(200),
        repeat: fault(150),
        impatient: fault(500),
        crash: fault(20),
        restart: fault(20),
        counter_back: fault(20),
        counter_jump: fault(20),
        seal: fault(10),
        trim: fault(20),
        abandon: fault(20),
        log: if choose(4) == 0 { LogKind::Appends } else { LogKind::Slots },
        clock: if choose(2) == 0 { 0 } else { 1 + choose(20) },
        ..Conduct::default()
    }
}

/// Makes one run of three publishers, with twelve messages each, and three subscribers.
pub fn run(seed: u64, conduct: Conduct) -> (End, Seen) {
    let mut world = World::new(choices(seed), conduct, 3, 3, 12);
    let end = world.run(1_500);
    if conduct.repair == Repair::Fill && conduct.retry == Retry::Same {
        world.assert_real_time_order();
    }
    (end, world.seen)
}
