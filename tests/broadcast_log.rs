//! The log in memory against a naive one; its promises; the drivers on it, with threads and with errors.
#![cfg(feature = "alloc")]

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::num::NonZeroU64;

use happens_before::broadcast::blocking::{DriveError, FollowError};
use happens_before::broadcast::{
    Abandoned, AppendAnswer, AppendLog, Entry, Log, LogKind, MemoryLog, PublishError, PublishErrorKind,
    PublishRequest, PublisherConfig, ReadAnswer, ReadLimit, SealAnswer, SlotLog, SubscriberConfig, WriteAnswer,
    blocking,
};
use happens_before::counter::Counter;
use happens_before::{Dot, Publisher, Subscriber};
use testkit::{below, random};

type E = Entry<u8, u64>;

fn message(epoch: u64, node: u8, number: u64) -> E {
    Entry::message(epoch, Dot::new(node, number).unwrap(), number)
}

#[derive(Default)]
struct Model {
    slots: BTreeMap<u64, E>,
    trimmed_below: u64,
    epoch: u64,
    /// The highest slot that was ever occupied or trimmed.
    tail: u64,
    /// The highest number stored of each node, and its slot.
    numbers: BTreeMap<u8, (u64, u64)>,
}

impl Model {
    /// The highest number of the entry's node, and its slot.
    fn highest(&self, entry: &E) -> (u64, u64) {
        self.numbers.get(entry.id().unwrap().node()).copied().unwrap_or((0, 0))
    }

    fn write(&mut self, slot: u64, entry: &E) -> WriteAnswer<u8, u64> {
        if slot < self.trimmed_below {
            return WriteAnswer::Trimmed { first: self.trimmed_below };
        }
        if let Some(occupied) = self.slots.get(&slot) {
            return WriteAnswer::Occupied(occupied.clone());
        }
        if entry.epoch() < self.epoch {
            return WriteAnswer::Sealed { epoch: self.epoch };
        }
        let (id, (highest, last)) = (entry.id().unwrap(), self.highest(entry));
        if id.counter() <= highest || slot < last {
            return WriteAnswer::NumberUsed { highest };
        }
        self.numbers.insert(*id.node(), (id.counter(), slot));
        self.slots.insert(slot, entry.clone());
        self.tail = self.tail.max(slot);
        WriteAnswer::Written
    }
}

#[test]
fn the_log_in_memory_does_what_a_map_does() {
    const LIMIT: u64 = 24;
    let mut random = random();
    let (mut full, mut refusals, mut already, mut used) = (0, 0, 0, 0);
    for _ in 0..1_200 {
        let log = RefCell::new(MemoryLog::new(LIMIT as usize));
        let mut model = Model { trimmed_below: 1, ..Model::default() };
        for _ in 1..80 {
            let slot = below(&mut random, 30) + model.trimmed_below.saturating_sub(4);
            let (node, number) = (below(&mut random, 3) as u8, 1 + below(&mut random, 40));
            let entry = message(below(&mut random, 4), node, number);
            match below(&mut random, 16) {
                0 => {
                    let epoch = below(&mut random, 4);
                    model.epoch = model.epoch.max(epoch);
                    let answer = SealAnswer { epoch: model.epoch, tail: model.tail };
                    assert_eq!(log.seal(epoch), Ok(answer));
                }
                1 => {
                    model.trimmed_below = model.trimmed_below.max(slot);
                    model.tail = model.tail.max(model.trimmed_below - 1);
                    model.slots = model.slots.split_off(&model.trimmed_below);
                    assert_eq!(log.trim(slot), Ok(model.trimmed_below));
                }
                2..6 => {
                    let append = log.append(&entry);
                    let (highest, slot) = model.highest(&entry);
                    if model.slots.get(&slot) == Some(&entry) {
                        assert_eq!(append, Ok(AppendAnswer::AlreadyAppended { slot }));
                        already += 1;
                    } else if entry.epoch() < model.epoch {
                        assert_eq!(append, Ok(AppendAnswer::Sealed { epoch: model.epoch }));
                    } else if number <= highest {
                        assert_eq!(append, Ok(AppendAnswer::NumberUsed { highest }));
                        used += 1;
                    } else if model.tail + 1 - model.trimmed_below >= LIMIT {
                        assert_eq!(append.unwrap_err().slot, model.tail + 1);
                        full += 1;
                    } else {
                        let slot = model.tail + 1;
                        assert_eq!(append, Ok(AppendAnswer::Appended { slot }));
                        assert_eq!(model.write(slot, &entry), WriteAnswer::Written);
                    }
                }
                6..9 => {
                    let limit = below(&mut random, 6) as usize;
                    let expected = if slot < model.trimmed_below {
                        ReadAnswer::Trimmed { first: model.trimmed_below }
                    } else {
                        let found = model.slots.range(slot..).take(limit);
                        ReadAnswer::Entries(found.map(|(&slot, entry)| (slot, entry.clone())).collect())
                    };
                    assert_eq!(log.read(slot, ReadLimit::entries(limit)), Ok(expected));
                }
                _ if slot >= model.trimmed_below + LIMIT => {
                    let error = log.write(slot, &entry).unwrap_err();
                    assert_eq!((error.slot, error.first), (slot, model.trimmed_below));
                    full += 1;
                }
                _ => {
                    let answer = model.write(slot, &entry);
                    refusals += u64::from(answer != WriteAnswer::Written);
                    assert_eq!(log.write(slot, &entry), Ok(answer));
                }
            }
            assert_eq!(log.borrow().tail(), model.tail);
            assert_eq!(log.borrow().internal_validate(), Ok(()));
        }
    }
    assert!(full > 100 && refusals > 1_000, "{full} full, {refusals} refused");
    assert!(already > 5 && used > 500, "{already} appended already, {used} numbers used");
}

#[test]
fn trimmed_goes_before_occupied_and_occupied_before_sealed() {
    let log = RefCell::new(MemoryLog::new(10));
    let (first, second) = (message(0, 1, 1), message(0, 2, 1));
    assert_eq!(log.write(2, &first), Ok(WriteAnswer::Written));
    assert_eq!(log.seal(1), Ok(SealAnswer { epoch: 1, tail: 2 }));
    assert_eq!(log.write(2, &second), Ok(WriteAnswer::Occupied(first.clone())));
    assert_eq!(log.write(2, &first), Ok(WriteAnswer::Occupied(first.clone())), "repeated after the seal");
    assert_eq!(log.write(1, &second), Ok(WriteAnswer::Sealed { epoch: 1 }));
    assert_eq!(log.trim(3), Ok(3));
    assert_eq!(log.write(2, &first), Ok(WriteAnswer::Trimmed { first: 3 }));
    assert_eq!(
        log.write(1, &message(1, 1, 2)),
        Ok(WriteAnswer::Trimmed { first: 3 }),
        "a late write is not let in"
    );
}

#[test]
fn there_is_no_slot_0_and_slots_end_with_the_numbers() {
    let log = RefCell::new(MemoryLog::new(10));
    assert_eq!(log.write(0, &message(0, 1, 1)), Ok(WriteAnswer::Trimmed { first: 1 }));
    assert!(log.write(u64::MAX, &message(0, 1, 1)).is_err());
    assert_eq!(log.trim(u64::MAX), Ok(u64::MAX));
    assert_eq!(log.append(&message(0, 1, 1)), Ok(AppendAnswer::Appended { slot: u64::MAX }));
    assert!(log.append(&message(0, 1, 2)).is_err());
    assert_eq!(log.borrow().tail(), u64::MAX);
    assert_eq!(
        log.read(u64::MAX, ReadLimit::entries(5)),
        Ok(ReadAnswer::Entries(vec![(u64::MAX, message(0, 1, 1))]))
    );
    let full = log.append(&message(0, 1, 2)).unwrap_err();
    assert!(full.to_string().starts_with("no room for slot 18446744073709551615"));
}

#[test]
fn sealing_goes_only_forward() {
    let log = RefCell::new(MemoryLog::<u8, u64>::new(10));
    assert_eq!(log.seal(5), Ok(SealAnswer { epoch: 5, tail: 0 }));
    assert_eq!(log.seal(3), Ok(SealAnswer { epoch: 5, tail: 0 }));
    assert_eq!(log.append(&message(4, 1, 1)), Ok(AppendAnswer::Sealed { epoch: 5 }));
    assert_eq!(log.append(&message(6, 1, 1)), Ok(AppendAnswer::Appended { slot: 1 }));
    assert_eq!(
        log.append(&message(5, 1, 2)),
        Ok(AppendAnswer::Appended { slot: 2 }),
        "a higher epoch seals nothing"
    );
}

/// A counter that forgets.
#[derive(Default)]
struct Forgetful(Cell<u64>);

impl Counter for Forgetful {
    type Error = &'static str;

    fn increment_and_get(&self, n: NonZeroU64) -> Result<u64, &'static str> {
        self.0.set(self.0.get() + n.get());
        Ok(self.0.get() - n.get() + 1)
    }

    fn current(&self) -> Result<u64, &'static str> {
        Ok(self.0.get())
    }
}

/// A log that fails every other call, by turns before it is carried out and after.
struct Flaky<L> {
    log: L,
    calls: Cell<u32>,
}

impl<L> Flaky<L> {
    fn new(log: L) -> Self {
        Self { log, calls: Cell::new(0) }
    }

    fn call<T, E>(&self, carry_out: impl FnOnce(&L) -> Result<T, E>) -> Result<T, &'static str> {
        self.calls.set(self.calls.get() + 1);
        match self.calls.get() % 4 {
            1 => Err("not carried out"),
            3 => {
                assert!(carry_out(&self.log).is_ok());
                Err("carried out, but the answer is lost")
            }
            _ => carry_out(&self.log).map_err(|_| "full"),
        }
    }
}

impl<L: Log<Node = u8, Payload = u64>> Log for Flaky<L> {
    type Node = u8;
    type Payload = u64;
    type Error = &'static str;

    fn read(&self, from: u64, limit: ReadLimit) -> Result<ReadAnswer<u8, u64>, &'static str> {
        self.call(|log| log.read(from, limit))
    }

    fn seal(&self, epoch: u64) -> Result<SealAnswer, &'static str> {
        self.call(|log| log.seal(epoch))
    }

    fn trim(&self, below: u64) -> Result<u64, &'static str> {
        self.call(|log| log.trim(below))
    }
}

impl<L: SlotLog<Node = u8, Payload = u64>> SlotLog for Flaky<L> {
    fn write(&self, slot: u64, entry: &E) -> Result<WriteAnswer<u8, u64>, &'static str> {
        self.call(|log| log.write(slot, entry))
    }
}

impl<L: AppendLog<Node = u8, Payload = u64>> AppendLog for Flaky<L> {
    fn append(&self, entry: &E) -> Result<AppendAnswer, &'static str> {
        self.call(|log| log.append(entry))
    }
}

/// Delivers all payloads; `follow` is called until nothing new has come for a while.
fn deliver_all(mut follow: impl FnMut(&mut Subscriber<u8, u64>, u64) -> bool) -> Vec<u64> {
    let mut subscriber = Subscriber::new(SubscriberConfig { window: 8, ..SubscriberConfig::default() });
    let (mut delivered, mut now_ms, mut quiet) = (Vec::new(), 0, 0);
    while quiet < 8 {
        let before = subscriber.next();
        if follow(&mut subscriber, now_ms) {
            while let Some(delivery) = subscriber.poll_delivery().unwrap() {
                delivered.push(delivery.payload.unwrap());
            }
        }
        quiet = if subscriber.next() == before { quiet + 1 } else { 0 };
        now_ms = now_ms.max(subscriber.poll_timeout().unwrap());
    }
    delivered
}

#[test]
fn with_an_engine_that_fails_half_the_time_every_message_is_delivered_once() {
    let (counter, log) = (Forgetful::default(), Flaky::new(RefCell::new(MemoryLog::new(1_000))));
    let mut publisher = Publisher::new(7, PublisherConfig::default());
    let mut unknown = 0;
    for number in 1..=100 {
        if number == 50 {
            counter.0.set(3); // unnoticed
        }
        publisher.publish(number).unwrap();
        loop {
            match blocking::settle(&mut publisher, &counter, &log) {
                Ok(published) => break assert!(published.is_some()),
                Err(DriveError::Log(_)) => unknown += 1,
                Err(error) => panic!("{error}"),
            }
        }
    }
    assert!(unknown > 50);
    let delivered = deliver_all(|subscriber, now_ms| match blocking::follow(subscriber, &log, now_ms) {
        Ok(()) => true,
        Err(FollowError::Log(_)) => false,
        Err(error) => panic!("{error}"),
    });
    assert!(delivered.into_iter().eq(1..=100));
}

#[test]
fn an_append_that_was_repeated_is_delivered_once() {
    let log = Flaky::new(RefCell::new(MemoryLog::new(1_000)));
    let mut publisher = Publisher::new(7, PublisherConfig::over_appends());
    for number in 1..=100 {
        publisher.publish(number).unwrap();
        while blocking::settle_append(&mut publisher, &log).is_err() {}
    }
    assert_eq!(log.log.borrow().tail(), 100, "what was stored is not stored again");
    let delivered =
        deliver_all(|subscriber, now_ms| blocking::follow_appends(subscriber, &log, now_ms).is_ok());
    assert!(delivered.into_iter().eq(1..=100));
}

#[test]
fn after_a_seal_a_publisher_enters_the_new_epoch_and_goes_on() {
    let (old, log) = (Forgetful::default(), RefCell::new(MemoryLog::new(1_000)));
    let mut publisher = Publisher::new(7, PublisherConfig::default());
    for number in 1..=5 {
        publisher.publish(number).unwrap();
        blocking::settle(&mut publisher, &old, &log).unwrap();
    }
    let SealAnswer { epoch, tail } = log.seal(1).unwrap();
    let new = Forgetful(Cell::new(tail));
    publisher.publish(6).unwrap();
    assert_eq!(blocking::settle(&mut publisher, &old, &log), Err(DriveError::EnterEpoch { epoch: 1 }));
    publisher.enter(epoch, tail);
    assert_eq!(blocking::settle(&mut publisher, &new, &log).unwrap().unwrap().slot, 6);
    assert_eq!(blocking::settle(&mut publisher, &new, &log), Ok(None));
    let mut appending = Publisher::new(8, PublisherConfig::over_appends());
    appending.publish(7).unwrap();
    assert_eq!(blocking::settle_append(&mut appending, &log), Err(DriveError::EnterEpoch { epoch: 1 }));
    let delivered = deliver_all(|subscriber, now_ms| blocking::follow(subscriber, &log, now_ms).is_ok());
    assert!(delivered.into_iter().eq(1..=6));
}

#[test]
fn a_publisher_that_is_made_for_the_other_kind_of_log_sends_nothing_and_goes_on_with_the_right_driver() {
    let (counter, log) = (Forgetful::default(), RefCell::new(MemoryLog::new(10)));
    let mut publisher = Publisher::new(1, PublisherConfig::default());
    publisher.publish(1).unwrap();
    let refused = blocking::settle_append(&mut publisher, &log).unwrap_err();
    assert_eq!(refused, DriveError::OtherLog { log: LogKind::Slots });
    assert_eq!(
        refused.to_string(),
        "the publisher writes slots, and the log appends; configure it for the log"
    );
    assert_eq!(blocking::settle(&mut publisher, &counter, &log).unwrap().unwrap().slot, 1);

    let mut publisher = Publisher::new(2, PublisherConfig::over_appends());
    publisher.publish(2).unwrap();
    let refused = blocking::settle(&mut publisher, &counter, &log).unwrap_err();
    assert_eq!(refused, DriveError::OtherLog { log: LogKind::Appends });
    assert_eq!((log.borrow().tail(), counter.0.get()), (1, 1), "neither the log nor the counter was asked");
    assert_eq!(blocking::settle_append(&mut publisher, &log).unwrap().unwrap().slot, 2);
}

#[test]
fn a_driver_for_the_other_kind_of_log_does_not_count_as_a_try() {
    let (counter, log) = (Forgetful::default(), RefCell::new(MemoryLog::new(10)));
    let appending = || {
        let mut publisher = Publisher::new(2, PublisherConfig::over_appends());
        publisher.publish(2).unwrap();
        let refused = blocking::settle(&mut publisher, &counter, &log).unwrap_err();
        assert_eq!(refused, DriveError::OtherLog { log: LogKind::Appends });
        publisher
    };
    assert!(matches!(appending().abandon(), Some(Abandoned::NotStored { .. })), "it was never sent");
    let (mut first, mut second) = (appending(), appending());
    assert!(blocking::settle_append(&mut first, &log).unwrap().is_some());
    let refused = blocking::settle_append(&mut second, &log).unwrap_err();
    let DriveError::Publish(PublishError { kind: PublishErrorKind::NumberUsed { highest: 1 }, .. }) = refused
    else {
        panic!("two publishers of one name: {refused:?}");
    };

    // Over slots, where the number is taken and the slot is not yet written.
    let mut publisher = Publisher::new(3, PublisherConfig::default());
    publisher.publish(3).unwrap();
    let Some(PublishRequest::Numbers(request)) = publisher.poll_request() else { panic!("no numbers") };
    publisher.handle_numbers(&request, 7).unwrap();
    assert!(blocking::settle_append(&mut publisher, &log).is_err());
    assert!(matches!(publisher.abandon(), Some(Abandoned::NotStored { .. })), "it was never sent");
}

/// A log that cannot be sealed, and a counter that cannot be raised.
struct Broken(RefCell<MemoryLog<u8, u64>>);

impl Log for Broken {
    type Node = u8;
    type Payload = u64;
    type Error = &'static str;

    fn read(&self, from: u64, limit: ReadLimit) -> Result<ReadAnswer<u8, u64>, &'static str> {
        Ok(self.0.borrow().read(from, limit))
    }

    fn seal(&self, _: u64) -> Result<SealAnswer, &'static str> {
        Err("no disk")
    }

    fn trim(&self, _: u64) -> Result<u64, &'static str> {
        Err("no disk")
    }
}

impl AppendLog for Broken {
    fn append(&self, _: &Entry<u8, u64>) -> Result<AppendAnswer, &'static str> {
        Err("no disk")
    }
}

impl Counter for Broken {
    type Error = &'static str;

    fn increment_and_get(&self, _: core::num::NonZeroU64) -> Result<u64, &'static str> {
        Err("no counter")
    }

    fn current(&self) -> Result<u64, &'static str> {
        Err("no counter")
    }
}

#[test]
fn an_epoch_that_did_not_begin_is_told_by_the_step_that_failed() {
    let broken = Broken(RefCell::new(MemoryLog::new(10)));
    let error = blocking::begin_epoch_append(&broken, 7).unwrap_err();
    assert_eq!(error, DriveError::Seal("no disk"));
    let words = "unknown whether the epoch has begun: the log failed to seal: no disk; begin a higher one";
    assert_eq!(error.to_string(), words);

    let log = RefCell::new(MemoryLog::new(10));
    log.append(&message(0, 1, 1)).unwrap();
    let error = blocking::begin_epoch(&log, &broken, 7).unwrap_err();
    assert_eq!(error, DriveError::Raise("no counter"));
    assert_eq!(
        error.to_string(),
        "the log is sealed, and the counter failed: no counter; begin a higher epoch"
    );
    let Err(DriveError::Publish(error)) = blocking::begin_epoch(&log, &Forgetful::default(), 7) else {
        panic!("the epoch has begun")
    };
    assert_eq!((error.value, error.kind), (7, PublishErrorKind::NotAbove { epoch: 7, sealed: 7 }));
}

#[test]
fn logs_can_be_used_through_a_reference_to_any() {
    let log = RefCell::new(MemoryLog::new(10));
    let slots: &dyn SlotLog<Node = u8, Payload = u64, Error = _> = &log;
    let appends: &dyn AppendLog<Node = u8, Payload = u64, Error = _> = &log;
    assert_eq!(slots.write(1, &message(0, 1, 1)), Ok(WriteAnswer::Written));
    assert_eq!(appends.append(&message(0, 1, 2)), Ok(AppendAnswer::Appended { slot: 2 }));
    let mut publisher = Publisher::new(2, PublisherConfig::default());
    publisher.publish(5).unwrap();
    let counter: &dyn Counter<Error = &'static str> = &Forgetful::default();
    assert_eq!(blocking::settle(&mut publisher, counter, slots).unwrap().unwrap().slot, 3);
}

#[cfg(feature = "std")]
#[test]
fn threads_publish_into_one_log_and_everyone_reads_one_order() {
    use std::sync::Mutex;

    for kind in [LogKind::Slots, LogKind::Appends] {
        let (counter, log) =
            (happens_before::counter::AtomicCounter::new(), Mutex::new(MemoryLog::new(10_000)));
        std::thread::scope(|scope| {
            for node in 0..4_u8 {
                let (counter, log) = (&counter, &log);
                scope.spawn(move || {
                    let config = PublisherConfig { log: kind, ..PublisherConfig::default() };
                    let mut publisher = Publisher::new(node, config);
                    for number in 1..=200 {
                        publisher.publish(u64::from(node) * 1_000 + number).unwrap();
                        let settled = match kind {
                            LogKind::Slots => blocking::settle(&mut publisher, counter, log).unwrap(),
                            LogKind::Appends => blocking::settle_append(&mut publisher, log).unwrap(),
                        };
                        assert!(settled.is_some());
                    }
                });
            }
        });
        let read = || deliver_all(|subscriber, now_ms| blocking::follow(subscriber, &log, now_ms).is_ok());
        let delivered = read();
        assert_eq!((delivered.len(), log.lock().unwrap().tail()), (800, 800));
        for node in 0..4 {
            let own = delivered.iter().filter(|&&payload| payload / 1_000 == node);
            assert!(own.map(|payload| payload % 1_000).eq(1..=200), "node {node} is in its own order");
        }
        assert_eq!(read(), delivered);
    }
}

/// Wrong on purpose: slots are filled before their numbers are given. Every publisher comes too late, however fast it
/// is.
#[test]
fn filling_above_the_counter_starves_the_senders_and_they_are_told() {
    let (counter, log) = (Forgetful::default(), RefCell::new(MemoryLog::new(10_000)));
    let mut publisher = Publisher::new(7, PublisherConfig { attempts: 5, ..PublisherConfig::default() });
    let mut starved = 0;
    for number in 1..=20 {
        publisher.publish(number).unwrap();
        let eager = Eager { log: &log, counter: &counter };
        match blocking::settle(&mut publisher, &eager, &log) {
            Err(DriveError::Publish(error)) => {
                assert_eq!(error.value.id().unwrap().counter(), number, "the message comes back");
                starved += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(starved, 20);
    let delivered = deliver_all(|subscriber, now_ms| blocking::follow(subscriber, &log, now_ms).is_ok());
    assert_eq!(delivered, [0; 0]);
    // Without that, all succeed.
    for number in 21..=40 {
        publisher.publish(number).unwrap();
        blocking::settle(&mut publisher, &counter, &log).unwrap().unwrap();
    }
}

/// A counter that fills the next slot just before its number is given.
struct Eager<'a> {
    log: &'a RefCell<MemoryLog<u8, u64>>,
    counter: &'a Forgetful,
}

impl Counter for Eager<'_> {
    type Error = &'static str;

    fn increment_and_get(&self, n: NonZeroU64) -> Result<u64, &'static str> {
        let next = self.current()? + n.get();
        assert_eq!(self.log.write(next, &Entry::fill(0)), Ok(WriteAnswer::Written));
        self.counter.increment_and_get(n)
    }

    fn current(&self) -> Result<u64, &'static str> {
        self.counter.current()
    }
}

/// A log that answers one kind of call with an error.
struct Breaking {
    log: RefCell<MemoryLog<u8, u64>>,
    broken: Cell<&'static str>,
}

impl Breaking {
    fn log(&self, call: &str) -> Result<&RefCell<MemoryLog<u8, u64>>, &'static str> {
        if self.broken.get() == call { Err(self.broken.get()) } else { Ok(&self.log) }
    }
}

impl Log for Breaking {
    type Node = u8;
    type Payload = u64;
    type Error = &'static str;

    fn read(&self, from: u64, limit: ReadLimit) -> Result<ReadAnswer<u8, u64>, &'static str> {
        self.log("read").map(|log| log.borrow().read(from, limit))
    }

    fn seal(&self, epoch: u64) -> Result<SealAnswer, &'static str> {
        self.log("seal").map(|log| log.borrow_mut().seal(epoch))
    }

    fn trim(&self, below: u64) -> Result<u64, &'static str> {
        self.log("trim").map(|log| log.borrow_mut().trim(below))
    }
}

impl SlotLog for Breaking {
    fn write(&self, slot: u64, entry: &E) -> Result<WriteAnswer<u8, u64>, &'static str> {
        self.log("write").and_then(|log| log.borrow_mut().write(slot, entry).map_err(|_| "full"))
    }
}

#[test]
fn after_an_error_of_the_log_it_is_read_again_soon_and_a_hole_is_filled_in_the_new_epoch() {
    let log = Breaking { log: RefCell::new(MemoryLog::new(10)), broken: Cell::new("read") };
    let config = SubscriberConfig { poll_ms: 10, write_timeout_ms: 100, ..SubscriberConfig::default() };
    let mut subscriber = Subscriber::<u8, u64>::new(config);
    assert_eq!(blocking::follow(&mut subscriber, &log, 0), Err(FollowError::Log("read")));
    assert_eq!(subscriber.poll_timeout(), Some(10), "not as if an answer were waited for");

    log.broken.set("write");
    log.log.borrow_mut().write(2, &message(0, 1, 1)).unwrap();
    log.seal(3).unwrap();
    for now_ms in (10..210).step_by(10) {
        blocking::follow(&mut subscriber, &log, now_ms).unwrap();
    }
    // The wait for the hole is over.
    assert_eq!(blocking::follow(&mut subscriber, &log, 210), Err(FollowError::Log("write")));
    assert_eq!(subscriber.poll_timeout(), Some(220));
    log.broken.set("");
    blocking::follow(&mut subscriber, &log, 220).unwrap();
    assert_eq!(log.write(1, &Entry::fill(9)), Ok(WriteAnswer::Occupied(Entry::fill(3))));
    assert_eq!(subscriber.poll_delivery().unwrap().unwrap().position.to_string(), "3:2:0");
}

#[cfg(feature = "std")]
mod pointers {
    use std::sync::{Arc, Mutex};

    use happens_before::broadcast::LogFull;
    use happens_before::counter::AtomicCounter;

    use super::*;

    /// Publishes and reads over a counter and a log that are pointers.
    fn round_trip<C, L>(counter: C, log: L)
    where
        C: Counter<Error: std::fmt::Debug>,
        L: SlotLog<Node = u8, Payload = u64, Error: std::fmt::Debug> + AppendLog,
    {
        let mut publisher = Publisher::new(1, PublisherConfig::default());
        publisher.publish(7).unwrap();
        assert_eq!(blocking::settle(&mut publisher, &counter, &log).unwrap().unwrap().slot, 1);
        assert_eq!(counter.current().unwrap(), 1);
        let mut appender = Publisher::new(2, PublisherConfig::over_appends());
        appender.publish(8).unwrap();
        assert_eq!(blocking::settle_append(&mut appender, &log).unwrap().unwrap().slot, 2);

        let mut subscriber = Subscriber::<u8, u64>::new(SubscriberConfig::default());
        for payload in [7, 8] {
            assert_eq!(blocking::next(&mut subscriber, &log, Some).unwrap().payload, Some(payload));
        }
        assert_eq!(log.seal(3).unwrap(), SealAnswer { epoch: 3, tail: 2 });
        assert_eq!(log.trim(2).unwrap(), 2);
    }

    #[test]
    fn a_pointer_to_a_counter_or_to_a_log_is_one() {
        fn counter() -> AtomicCounter {
            AtomicCounter::new()
        }
        fn log() -> Mutex<MemoryLog<u8, u64>> {
            Mutex::new(MemoryLog::new(10))
        }
        round_trip(counter(), log());
        round_trip(&counter(), &log());
        round_trip(Box::new(counter()), Box::new(log()));
        round_trip(Arc::new(counter()), Arc::new(log()));
        round_trip(Box::new(Arc::new(&counter())), Arc::new(Box::new(&log())));

        let any: [Box<dyn Counter<Error = _>>; 2] = [Box::new(counter()), Box::new(Arc::new(counter()))];
        for counter in any {
            round_trip(counter, log());
        }
        type Any = Arc<dyn SlotLog<Node = u8, Payload = u64, Error = LogFull>>;
        let any: Any = Arc::new(log());
        assert_eq!(any.write(1, &message(0, 1, 1)), Ok(WriteAnswer::Written));
        assert_eq!(Arc::clone(&any).write(1, &message(0, 1, 1)), Ok(WriteAnswer::Occupied(message(0, 1, 1))));
    }
}
