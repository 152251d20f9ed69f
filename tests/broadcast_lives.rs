//! Publishers that start again under their old name at any time, and logs that are restored from backups at any time.
//! Subscribers, locks and fences live through it.
//!
//! - Every acknowledged message is delivered, unless it was acknowledged after the backup from which the log was
//!   restored.
//! - A message that a publisher reports as not stored is not delivered.
//! - A subscriber without an error has delivered exactly what a new one delivers.
//! - No two messages have the same position, and so no two have the same token, over all restores together.
#![cfg(feature = "alloc")]

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use happens_before::broadcast::blocking::FollowError;
use happens_before::broadcast::{
    AppendLog, Content, Entry, EpochBegun, LogFull, LogKind, MemoryLog, Position, PublishErrorKind,
    PublishRequest, Published, PublisherConfig, ReadAnswer, ReadLimit, SlotLog, Snapshot, SubscribeError,
    SubscriberConfig, blocking,
};
use happens_before::{Publisher, Subscriber};
use quickcheck::Gen;
use testkit::{below, random};

const NAMES: [char; 3] = ['a', 'b', 'c'];

/// The rates of events in a run, per mille of its steps.
#[derive(Clone, Copy, Debug)]
struct Conduct {
    log: LogKind,
    /// The number of publishers of one name that are alive at once.
    twins: u64,
    remake: u64,
    lose: u64,
    restore: u64,
    counter_back: u64,
    crash: u64,
}

#[derive(Debug, Default)]
struct Seen {
    acknowledged: u64,
    number_used: u64,
    remade: u64,
    late_writes: u64,
    restores: u64,
    rolled_back: u64,
    conflicts: u64,
    positions: u64,
}

#[derive(Debug)]
struct Listener {
    machine: Subscriber<char, u64>,
    heard: Vec<(Position, u64)>,
    saved: (Snapshot<char>, usize),
}

struct World {
    conduct: Conduct,
    now_ms: u64,
    counter: Cell<u64>,
    log: RefCell<MemoryLog<char, u64>>,
    backups: Vec<MemoryLog<char, u64>>,
    begun: EpochBegun,
    publishers: Vec<(char, Publisher<char, u64>)>,
    late: Vec<(u64, Entry<char, u64>)>,
    announced: Vec<(usize, u64, Entry<char, u64>)>,
    listeners: Vec<Listener>,
    payloads: u64,
    acknowledged: BTreeSet<u64>,
    not_stored: BTreeSet<u64>,
    positions: BTreeMap<Position, u64>,
    seen: Seen,
}

const CONFIG: SubscriberConfig = SubscriberConfig {
    window: 16,
    bytes: usize::MAX,
    poll_ms: 10,
    write_timeout_ms: 40,
    max_fill_timeout_ms: 80,
    jump: 1 << 20,
    nodes: 16,
    skips: 4,
};

fn payloads(entry: &Entry<char, u64>) -> &[u64] {
    match entry.content() {
        Content::Messages { payloads, .. } => payloads.as_slice(),
        _ => &[],
    }
}

impl Listener {
    fn new() -> Self {
        let machine = Subscriber::new(CONFIG);
        Self { saved: (machine.snapshot(), 0), machine, heard: Vec::new() }
    }
}

impl World {
    fn new(conduct: Conduct) -> Self {
        let mut world = Self {
            conduct,
            now_ms: 0,
            counter: Cell::new(0),
            log: RefCell::new(MemoryLog::new(100_000)),
            backups: Vec::new(),
            begun: EpochBegun { epoch: 0, tail: 0 },
            publishers: Vec::new(),
            late: Vec::new(),
            announced: Vec::new(),
            listeners: (0..3).map(|_| Listener::new()).collect(),
            payloads: 0,
            acknowledged: BTreeSet::new(),
            not_stored: BTreeSet::new(),
            positions: BTreeMap::new(),
            seen: Seen::default(),
        };
        world.backups.push(world.log.borrow().clone());
        for name in NAMES {
            for _ in 0..conduct.twins {
                let publisher = world.make(name);
                world.publishers.push((name, publisher));
            }
        }
        world
    }

    /// Makes a publisher as if it were the first of its name.
    fn make(&self, name: char) -> Publisher<char, u64> {
        let config = PublisherConfig { log: self.conduct.log, attempts: 6, ..PublisherConfig::default() };
        let mut publisher = Publisher::new(name, config);
        publisher.enter(self.begun.epoch, self.begun.tail);
        publisher
    }

    /// Writes or appends an entry that was under way for long.
    fn land(&self, slot: u64, entry: &Entry<char, u64>) {
        match self.conduct.log {
            LogKind::Slots => drop(self.log.write(slot, entry).unwrap()),
            LogKind::Appends => drop(self.log.append(entry).unwrap()),
        }
    }

    fn step(&mut self, random: &mut Gen) {
        self.now_ms += below(random, 8);
        let per_mille = |random: &mut Gen, rate| below(random, 1_000) < rate;
        if per_mille(random, 20) {
            self.backups.push(self.log.borrow().clone());
        }
        if per_mille(random, self.conduct.restore) {
            self.restore(random);
        }
        if per_mille(random, self.conduct.counter_back) {
            self.counter.set(self.counter.get().saturating_sub(below(random, 8)));
        }
        if !self.late.is_empty() && per_mille(random, 100) {
            let (slot, entry) = self.late.swap_remove(below(random, self.late.len() as u64) as usize);
            self.seen.late_writes += 1;
            self.land(slot, &entry);
        }
        if !self.announced.is_empty() && per_mille(random, 300) {
            let (index, slot, entry) =
                self.announced.swap_remove(below(random, self.announced.len() as u64) as usize);
            let heard = self.listeners[index].machine.handle_entry(slot, entry);
            self.judge(index, heard.map_err(FollowError::Subscribe), random);
        }
        let index = below(random, self.publishers.len() as u64) as usize;
        let (name, mut publisher) = self.publishers.swap_remove(index);
        if per_mille(random, self.conduct.remake) {
            publisher = self.make(name);
            self.seen.remade += 1;
        }
        self.publish(&mut publisher, random);
        self.publishers.push((name, publisher));
        let index = below(random, self.listeners.len() as u64) as usize;
        if per_mille(random, self.conduct.crash) {
            let listener = &mut self.listeners[index];
            let (snapshot, heard) = listener.saved.clone();
            listener.heard.truncate(heard);
            listener.machine = Subscriber::resume(snapshot, CONFIG);
        }
        self.listen(index, random);
    }

    fn restore(&mut self, random: &mut Gen) {
        let backup = self.backups[below(random, self.backups.len() as u64) as usize].clone();
        self.log.replace(backup);
        // A backup younger than the restored one is of a history that no longer exists.
        let tail = self.log.borrow().tail();
        self.backups.retain(|backup| backup.tail() < tail);
        self.backups.push(self.log.borrow().clone());
        let epoch = self.begun.epoch + 1 + below(random, 3);
        self.begun = match self.conduct.log {
            LogKind::Slots => blocking::begin_epoch(&self.log, &Counted(&self.counter), epoch).unwrap(),
            LogKind::Appends => blocking::begin_epoch_append(&self.log, epoch).unwrap(),
        };
        let ReadAnswer::Entries(entries) = self.log.borrow().read(1, ReadLimit::entries(usize::MAX)) else {
            unreachable!("nothing is trimmed")
        };
        let kept: BTreeSet<u64> = entries.iter().flat_map(|(_, entry)| payloads(entry)).copied().collect();
        self.acknowledged.retain(|payload| kept.contains(payload));
        self.seen.restores += 1;
    }

    fn publish(&mut self, publisher: &mut Publisher<char, u64>, random: &mut Gen) {
        let batch = below(random, 8) == 0;
        let first = self.payloads + 1;
        if publisher.outstanding().is_none() {
            let begun = if batch {
                publisher.publish_batch([first, first + 1]).is_ok()
            } else {
                publisher.publish(first).is_ok()
            };
            self.payloads += if begun { 2 } else { 0 };
        }
        let (carried_out, answered) = match below(random, 1_000) {
            chance if chance >= 3 * self.conduct.lose => (true, true),
            chance if chance % 3 == 0 => (true, false),
            chance if chance % 3 == 1 => (false, false),
            _ => {
                // Its request stays under way for long.
                self.late.extend(match publisher.poll_request() {
                    Some(PublishRequest::Write { slot, entry }) => Some((slot, entry.clone())),
                    Some(PublishRequest::Append { entry }) => Some((0, entry.clone())),
                    _ => None,
                });
                return;
            }
        };
        let (entry, settled) = match publisher.poll_request().unwrap() {
            PublishRequest::Numbers(request) => {
                let first = self.counter.get() + 1;
                self.counter.set(self.counter.get() + request.n.get());
                let handled = if answered { publisher.handle_numbers(&request, first) } else { Ok(()) };
                (None, handled.map(|()| None))
            }
            PublishRequest::EnterEpoch { .. } => {
                publisher.enter(self.begun.epoch, self.begun.tail);
                (None, Ok(None))
            }
            PublishRequest::Write { .. } | PublishRequest::Append { .. } if !carried_out => return,
            PublishRequest::Write { slot, entry } => {
                let entry = entry.clone();
                let answer = self.log.write(slot, &entry).unwrap();
                if !answered {
                    return;
                }
                let settled = publisher.handle_write(entry.id().unwrap(), slot, answer);
                (Some(entry), settled)
            }
            PublishRequest::Append { entry } => {
                let entry = entry.clone();
                let answer = self.log.append(&entry).unwrap();
                if !answered {
                    return;
                }
                let settled = publisher.handle_append(entry.id().unwrap(), answer);
                (Some(entry), settled)
            }
        };
        assert_eq!(publisher.internal_validate(), Ok(()));
        match settled {
            Ok(None) => {}
            Ok(Some(Published { slot, .. })) => {
                let entry = entry.expect("an entry");
                self.acknowledged.extend(payloads(&entry));
                self.seen.acknowledged += 1;
                for index in 0..self.listeners.len() {
                    if below(random, 2) == 0 {
                        self.announced.push((index, slot, entry.clone()));
                    }
                }
            }
            Err(error) => {
                self.seen.number_used += u64::from(matches!(error.kind, PublishErrorKind::NumberUsed { .. }));
                // The outcome of a repeated append is unknown.
                if self.conduct.log == LogKind::Slots {
                    self.not_stored.extend(payloads(&error.value));
                }
            }
        }
    }

    fn listen(&mut self, index: usize, random: &mut Gen) {
        let machine = &mut self.listeners[index].machine;
        let followed = match self.conduct.log {
            LogKind::Slots => blocking::follow(machine, &self.log, self.now_ms),
            LogKind::Appends => blocking::follow_appends(machine, &self.log, self.now_ms),
        };
        assert_eq!(machine.internal_validate(), Ok(()));
        if !self.judge(index, followed, random) {
            return;
        }
        let listener = &mut self.listeners[index];
        while let Some(delivery) = listener.machine.poll_delivery().unwrap() {
            let payload = delivery.payload.expect("no markers");
            let first = *self.positions.entry(delivery.position).or_insert(payload);
            assert_eq!(first, payload, "one position, {}, of two messages", delivery.position);
            listener.heard.push((delivery.position, payload));
            if below(random, 16) == 0 {
                listener.saved = (listener.machine.snapshot(), listener.heard.len());
            }
        }
    }

    /// Judges the result of a call; returns whether the subscriber goes on. If not, it begins anew, or goes on from the
    /// snapshot of another.
    fn judge(
        &mut self,
        index: usize,
        followed: Result<(), FollowError<char, u64, LogFull>>,
        random: &mut Gen,
    ) -> bool {
        match followed {
            Ok(()) => return true,
            Err(FollowError::Subscribe(SubscribeError::RolledBack { .. })) => self.seen.rolled_back += 1,
            // An entry announced before the restore is above the tail. It must not be delivered, and will soon be a
            // conflict.
            Err(FollowError::Hole { .. }) if self.seen.restores > 0 => return false,
            Err(FollowError::Subscribe(SubscribeError::Conflict { .. } | SubscribeError::Halted { .. })) => {
                self.seen.conflicts += 1;
            }
            Err(error) => panic!("{error}"),
        }
        assert!(self.seen.restores > 0, "nothing was restored");
        let other = &self.listeners[(index + 1) % 3];
        let (snapshot, heard) = (other.machine.snapshot(), other.heard.clone());
        let listener = &mut self.listeners[index];
        if below(random, 2) == 0 && listener.machine.install(snapshot.clone()).is_ok() {
            listener.saved = (snapshot, heard.len());
            listener.heard = heard;
        } else {
            *listener = Listener::new();
        }
        false
    }

    /// Runs without faults until every subscriber has the whole log, and judges.
    fn end(&mut self, random: &mut Gen) {
        for (slot, entry) in std::mem::take(&mut self.late) {
            self.land(slot, &entry);
        }
        self.conduct = Conduct { lose: 0, ..self.conduct };
        // A message of the last epoch, above all holes.
        let before = self.seen.acknowledged;
        for _ in 0..1_000 {
            let index = below(random, self.publishers.len() as u64) as usize;
            let (name, mut publisher) = self.publishers.swap_remove(index);
            self.publish(&mut publisher, random);
            self.publishers.push((name, publisher));
            if self.seen.acknowledged > before + 3 {
                break;
            }
        }
        self.announced.clear();
        self.listeners.push(Listener::new());
        let tail = self.log.borrow().tail();
        for round in 0..4_000 {
            self.now_ms += 10;
            for index in 0..self.listeners.len() {
                self.listen(index, random);
            }
            // By then the subscribers that are ahead have read too.
            if round > 50 && self.listeners.iter().all(|listener| listener.machine.next() > tail) {
                break;
            }
        }
        let new = self.listeners.pop().expect("the new one");
        assert_eq!(new.machine.next(), tail + 1);
        let delivered: BTreeSet<u64> = new.heard.iter().map(|&(_, payload)| payload).collect();
        assert_eq!(delivered.len(), new.heard.len(), "something is delivered twice");
        for listener in &self.listeners {
            let heard = |listener: &Listener| -> Vec<u64> {
                listener.heard.iter().map(|&(_, payload)| payload).collect()
            };
            assert_eq!(heard(listener), heard(&new), "two histories, {:?}", self.conduct);
        }
        let lost: Vec<_> = self.acknowledged.difference(&delivered).collect();
        assert!(lost.is_empty(), "acknowledged and not delivered: {lost:?}, {:?}", self.conduct);
        let wrong: Vec<_> = self.not_stored.intersection(&delivered).collect();
        assert!(wrong.is_empty(), "said not to be stored, and delivered: {wrong:?}");
        self.seen.positions = self.positions.len() as u64;
    }
}

struct Counted<'a>(&'a Cell<u64>);

impl happens_before::counter::Counter for Counted<'_> {
    type Error = std::convert::Infallible;

    fn increment_and_get(&self, n: std::num::NonZeroU64) -> Result<u64, Self::Error> {
        let first = self.0.get() + 1;
        self.0.set(self.0.get() + n.get());
        Ok(first)
    }

    fn current(&self) -> Result<u64, Self::Error> {
        Ok(self.0.get())
    }
}

fn run(conduct: impl Fn(&mut Gen) -> Conduct, runs: u64) -> Seen {
    let mut total = Seen::default();
    let random = &mut random();
    for _ in 0..runs {
        let mut world = World::new(conduct(random));
        for _ in 0..600 {
            world.step(random);
        }
        world.end(random);
        let seen = world.seen;
        total.acknowledged += seen.acknowledged;
        total.number_used += seen.number_used;
        total.remade += seen.remade;
        total.late_writes += seen.late_writes;
        total.restores += seen.restores;
        total.rolled_back += seen.rolled_back;
        total.conflicts += seen.conflicts;
        total.positions += seen.positions;
    }
    eprintln!("{total:?}");
    total
}

fn any(random: &mut Gen) -> Conduct {
    let often = |random: &mut Gen, rate| if below(random, 2) == 0 { 0 } else { below(random, rate) };
    Conduct {
        log: if below(random, 2) == 0 { LogKind::Appends } else { LogKind::Slots },
        twins: 1 + below(random, 2),
        remake: often(random, 60),
        lose: often(random, 150),
        restore: 0,
        counter_back: 0,
        crash: often(random, 20),
    }
}

#[test]
fn whatever_is_acknowledged_is_delivered_though_publishers_are_made_again_under_their_names() {
    let seen = run(any, 150);
    assert!(seen.acknowledged > 3_000 && seen.number_used > 500 && seen.remade > 500, "{seen:?}");
    assert!(seen.late_writes > 300 && seen.rolled_back + seen.conflicts == 0, "{seen:?}");
}

#[test]
fn also_over_a_counter_that_goes_back() {
    let seen = run(|random| Conduct { log: LogKind::Slots, counter_back: 10, ..any(random) }, 100);
    assert!(seen.acknowledged > 1_000 && seen.number_used > 200 && seen.remade > 200, "{seen:?}");
}

#[test]
fn no_two_histories_go_on_side_by_side_and_no_position_is_given_twice_though_the_log_is_restored() {
    let seen = run(|random| Conduct { restore: 8, ..any(random) }, 300);
    assert!(seen.restores > 600 && seen.rolled_back > 300, "{seen:?}");
    assert!(seen.acknowledged > 3_000 && seen.positions > 3_000, "{seen:?}");
}
