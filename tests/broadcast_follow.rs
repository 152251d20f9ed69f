//! The drivers that follow a log, and their steps.
#![cfg(feature = "alloc")]

use std::cell::{Cell, RefCell};

use happens_before::broadcast::blocking::{
    FollowError, follow, follow_appends_until, follow_until, next, next_append,
};
use happens_before::broadcast::{
    Entry, Follow, FollowStep, Follower, Log, MemoryLog, NodeTableFull, ReadAnswer, ReadLimit, SealAnswer,
    SlotLog, SubscribeError, SubscribeRequest, SubscriberConfig, WriteAnswer,
};
use happens_before::{Dot, Subscriber};

type Reader = Subscriber<char, u64>;
type Shared = RefCell<MemoryLog<char, u64>>;

fn reader() -> Reader {
    Subscriber::new(SubscriberConfig::default())
}

fn entry(node: char, number: u64) -> Entry<char, u64> {
    Entry::message(0, Dot::new(node, number).unwrap(), number)
}

fn log(slots: impl IntoIterator<Item = u64>) -> Shared {
    let log = RefCell::new(MemoryLog::new(100));
    for (slot, number) in slots.into_iter().zip(1..) {
        log.write(slot, &entry('a', number)).unwrap();
    }
    log
}

#[test]
fn the_goal_is_asked_first_and_then_each_time_that_all_is_read() {
    let log = log(1..=3);
    let (mut reader, waits) = (reader(), Cell::new(0));
    let wait = |until_ms| {
        waits.set(waits.get() + 1);
        Some(until_ms)
    };
    assert_eq!(follow_until(&mut reader, &log, wait, |_| Ok::<_, ()>(Some(7))), Ok(7));
    assert_eq!((waits.get(), reader.next()), (0, 1), "nothing was asked of the log");

    let all = |reader: &mut Reader| -> Result<Option<u64>, NodeTableFull<char>> {
        while reader.poll_delivery()?.is_some() {}
        Ok((reader.next() > 3).then(|| reader.next()))
    };
    assert_eq!(follow_until(&mut reader, &log, wait, all), Ok(4));
    assert_eq!(waits.get(), 1, "all is read at once");
    let refused = follow_until(&mut reader, &log, wait, |_| Err::<Option<()>, _>("no"));
    assert_eq!((refused, waits.get()), (Err(FollowError::Goal("no")), 1));
}

#[test]
fn a_wait_until_the_next_message_passes_holes_and_is_given_up_without_loss() {
    let log = log([1, 3]);
    let (mut reader, now_ms) = (reader(), Cell::new(0));
    let wait = |until_ms| {
        now_ms.set(until_ms);
        Some(until_ms)
    };
    assert_eq!(next(&mut reader, &log, wait).unwrap().position.sequence, 1);
    let impatient = |until_ms: u64| (until_ms < 1_000).then_some(until_ms);
    assert_eq!(next(&mut reader, &log, impatient), Err(FollowError::GivenUp));
    assert_eq!(next(&mut reader, &log, wait).unwrap().position.sequence, 3);
    assert!(now_ms.get() >= SubscriberConfig::default().write_timeout_ms, "the hole was waited for");
}

#[test]
fn over_appends_a_hole_ends_the_wait_at_every_call() {
    let log = log([1, 3]);
    let mut reader = reader();
    assert_eq!(next_append(&mut reader, &log, Some).unwrap().position.sequence, 1);
    for _ in 0..3 {
        assert_eq!(next_append(&mut reader, &log, Some), Err(FollowError::Hole { slot: 2 }));
        let waited = follow_appends_until(&mut reader, &log, Some, |_| Ok::<Option<()>, ()>(None));
        assert_eq!(waited, Err(FollowError::Hole { slot: 2 }));
    }
    log.write(2, &Entry::fill(0)).unwrap(); // it was only late
    assert_eq!(next_append(&mut reader, &log, Some).unwrap().position.sequence, 3);
}

#[test]
fn what_ends_for_good_is_told_without_a_wait_and_by_its_name() {
    let log = log(1..=3);
    let never = |_| -> Option<u64> { unreachable!("nothing will ever come") };

    let mut halted = reader();
    halted.handle_entry(1, entry('a', 1)).unwrap();
    halted.handle_entry(1, entry('b', 1)).unwrap_err();
    let error = FollowError::Subscribe(SubscribeError::Halted { slot: 1 });
    assert_eq!(next(&mut halted, &log, never), Err(error.clone()));
    assert_eq!(next_append(&mut halted, &log, never), Err(error));

    let mut back = reader();
    follow(&mut back, &log, 0).unwrap();
    while back.poll_delivery().unwrap().is_some() {}
    let other = RefCell::new(MemoryLog::new(100));
    (1..=3).for_each(|slot| drop(other.write(slot, &entry('b', slot)).unwrap()));
    let error = || FollowError::Subscribe(SubscribeError::RolledBack { slot: 3 });
    assert_eq!(next(&mut back, &other, Some), Err(error()));
    assert_eq!(next(&mut back, &other, never), Err(error()));
}

/// A log that fails at every third request, including the first.
struct Moody(Shared, Cell<u32>);

impl Moody {
    fn mood(&self) -> Result<(), &'static str> {
        self.1.set(self.1.get() + 1);
        if self.1.get() % 3 == 1 { Err("moody") } else { Ok(()) }
    }
}

impl Log for Moody {
    type Node = char;
    type Payload = u64;
    type Error = &'static str;

    fn read(&self, from: u64, limit: ReadLimit) -> Result<ReadAnswer<char, u64>, &'static str> {
        self.mood()?;
        Ok(self.0.read(from, limit).unwrap())
    }

    fn seal(&self, _: u64) -> Result<SealAnswer, &'static str> {
        Err("never")
    }

    fn trim(&self, _: u64) -> Result<u64, &'static str> {
        Err("never")
    }
}

impl SlotLog for Moody {
    fn write(&self, slot: u64, entry: &Entry<char, u64>) -> Result<WriteAnswer<char, u64>, &'static str> {
        self.mood()?;
        Ok(self.0.write(slot, entry).unwrap())
    }
}

#[test]
fn after_a_failure_of_the_log_the_next_call_goes_on_after_a_pause() {
    let log = Moody(log([1, 2, 4]), Cell::new(0));
    let (mut reader, mut delivered, mut failures) = (reader(), Vec::new(), 0);
    while delivered.len() < 3 {
        match next(&mut reader, &log, Some) {
            Ok(delivery) => delivered.push(delivery.position.sequence),
            Err(error) => {
                assert_eq!(error, FollowError::Log("moody"));
                assert!(reader.poll_timeout().is_some(), "it goes on");
                failures += 1;
            }
        }
        assert!(failures < 100, "it does not come to an end");
    }
    assert_eq!(delivered, [1, 2, 4]);
    assert!(failures > 1, "{failures}");
}

#[test]
fn an_answer_that_was_not_asked_for_is_dropped_and_an_error_is_returned() {
    let log = log([1]);
    let limit = ReadLimit::entries(10);
    let mut reader = reader();
    let mut follower = Follower::until(&mut reader, Reader::poll_output);
    // Before a time is handed in, no request was made.
    assert_eq!(follower.handle_read(1, limit, log.read(1, limit)), Ok(()));
    assert_eq!(follower.handle_fill(1, 0, Err("late")), Ok(()));
    assert_eq!(follower.handle_hole::<()>(1), Ok(()));
    let FollowStep::Wait { until_ms } = follower.step::<()>() else { panic!("nothing is here") };
    follower.handle_time(until_ms);
    let FollowStep::Request(SubscribeRequest::Read { from, limit }) = follower.step::<()>() else { panic!() };
    assert_eq!(follower.handle_read(from, limit, Err("broken")), Err(FollowError::Log("broken")));

    let now_ms = reader.poll_timeout().unwrap();
    let mut follower = Follower::at(&mut reader, now_ms);
    let FollowStep::Request(SubscribeRequest::Read { from, limit }) = follower.step::<()>() else { panic!() };
    follower.handle_read(from, limit, log.read(from, limit)).unwrap();
    assert_eq!(follower.step::<()>(), FollowStep::Done(Ok(())), "no wait");
    assert_eq!(reader.poll_delivery().unwrap().unwrap().position.sequence, 1);
}
