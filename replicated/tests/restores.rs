//! Logs that are restored from a backup, and publishers that start again under their old name. Two histories never
//! continue side by side, no token is granted twice, and everything acknowledged is delivered.

use std::cell::RefCell;
use std::num::NonZeroU64;

use happens_before::broadcast::blocking::{DriveError, FollowError};
use happens_before::broadcast::{
    AppendAnswer, AppendLog, Content, Entry, EpochBegun, EpochRequest, Fence, Log, LogFull, LogKind, MemoryLog,
    NewEpoch, Passed, PublishErrorKind, PublisherConfig, ReadAnswer, ReadLimit, SealAnswer, SlotLog,
    SubscribeError, SubscribeRequest, SubscriberConfig, blocking,
};
use happens_before::counter::{AtomicCounter, Counter};
use happens_before::{Dot, Publisher, Subscriber};
use happens_before_replicated::StateMachine;
use happens_before_replicated::lock::{self, Lock};

type Shared = RefCell<MemoryLog<char, &'static str>>;

fn id(node: char, number: u64) -> Dot<char> {
    Dot::new(node, number).unwrap()
}

fn say(log: &Shared, epoch: u64, node: char, number: u64, text: &'static str) -> u64 {
    match log.append(&Entry::message(epoch, id(node, number), text)) {
        Ok(AppendAnswer::Appended { slot }) => slot,
        other => panic!("{other:?}"),
    }
}

type Followed<T> = Result<T, FollowError<char, &'static str, LogFull>>;

fn rolled_back(slot: u64) -> Followed<()> {
    Err(FollowError::Subscribe(SubscribeError::RolledBack { slot }))
}

/// Reads the log, and delivers everything in it.
fn heard(
    subscriber: &mut Subscriber<char, &'static str>,
    log: &Shared,
    now_ms: u64,
) -> Followed<Vec<&'static str>> {
    let mut heard = Vec::new();
    loop {
        blocking::follow_appends(subscriber, log, now_ms)?;
        let Some(delivery) = subscriber.poll_delivery().unwrap() else { return Ok(heard) };
        heard.extend(delivery.payload);
    }
}

/// Makes a log with three messages, a backup after the first, and a subscriber that has delivered all three.
fn ahead() -> (Shared, MemoryLog<char, &'static str>, Subscriber<char, &'static str>) {
    let log = RefCell::new(MemoryLog::new(100));
    say(&log, 0, 'a', 1, "one");
    let backup = log.borrow().clone();
    say(&log, 0, 'a', 2, "two");
    say(&log, 0, 'a', 3, "three");
    let mut subscriber = Subscriber::new(SubscriberConfig::default());
    assert_eq!(heard(&mut subscriber, &log, 0), Ok(vec!["one", "two", "three"]));
    (log, backup, subscriber)
}

#[test]
fn who_is_ahead_of_a_restored_log_says_so_before_anything_is_written() {
    let (log, backup, mut subscriber) = ahead();
    log.replace(backup);
    for now_ms in [1_000, 2_000] {
        assert_eq!(blocking::follow_appends(&mut subscriber, &log, now_ms), rolled_back(3));
        assert_eq!(subscriber.poll_delivery(), Ok(None));
    }
    assert_eq!(subscriber.obstacle(), Some(SubscribeError::RolledBack { slot: 3 }));
    assert_eq!(subscriber.poll_timeout(), None);
    assert!(matches!(
        subscriber.handle_entry(4, Entry::message(0, id('b', 1), "x")),
        Err(SubscribeError::RolledBack { slot: 3 })
    ));
    let text = subscriber.obstacle().unwrap().to_string();
    assert!(text.contains("lost what was delivered from slot 3"), "{text}");
}

#[test]
fn who_is_ahead_of_a_restored_log_does_not_skip_what_is_written_meanwhile() {
    let (log, backup, mut subscriber) = ahead();
    log.replace(backup);
    for (number, text) in [(1, "paid 100"), (2, "paid 200"), (3, "paid 300")] {
        say(&log, 0, 'b', number, text);
    }
    assert_eq!(blocking::follow_appends(&mut subscriber, &log, 1_000), rolled_back(3));
    assert_eq!(subscriber.poll_delivery(), Ok(None));

    // The way on: a snapshot of a subscriber of the log as it is now, here of a lower slot.
    let mut other = Subscriber::new(SubscriberConfig::default());
    blocking::follow_appends(&mut other, &log, 0).unwrap();
    other.poll_delivery().unwrap().unwrap();
    other.poll_delivery().unwrap().unwrap();
    let snapshot = other.snapshot();
    assert_eq!(snapshot.next, 3);
    assert_eq!(snapshot.passed, Some(Passed { slot: 2, epoch: 0, id: Some(id('b', 1)) }));
    subscriber.install(snapshot.clone()).unwrap();
    assert_eq!(subscriber.install(snapshot.clone()), Err(snapshot), "otherwise only ahead");
    assert_eq!(heard(&mut subscriber, &log, 2_000), Ok(vec!["paid 200", "paid 300"]));
    assert_eq!(subscriber.internal_validate(), Ok(()));
}

#[test]
fn a_snapshot_of_before_a_restore_is_noticed_too() {
    let (log, backup, subscriber) = ahead();
    let snapshot = subscriber.snapshot();
    log.replace(backup);
    for number in 1..=3 {
        say(&log, 0, 'b', number, "x");
    }
    let mut resumed = Subscriber::resume(snapshot, SubscriberConfig::default());
    assert_eq!(blocking::follow_appends(&mut resumed, &log, 0), rolled_back(3));
}

#[test]
fn who_is_not_ahead_of_a_restored_log_goes_on() {
    let (log, backup, _) = ahead();
    let mut subscriber = Subscriber::new(SubscriberConfig::default());
    blocking::follow_appends(&mut subscriber, &log, 0).unwrap();
    assert_eq!(subscriber.poll_delivery().unwrap().unwrap().payload, Some("one"));
    let snapshot = subscriber.snapshot();
    log.replace(backup);
    say(&log, 0, 'b', 1, "other");
    let mut resumed = Subscriber::resume(snapshot, SubscriberConfig::default());
    assert_eq!(heard(&mut resumed, &log, 0), Ok(vec!["other"]));
}

#[test]
fn in_the_middle_of_a_batch_a_restore_is_noticed_too() {
    let log: Shared = RefCell::new(MemoryLog::new(100));
    let backup = log.borrow().clone();
    log.append(&Entry::batch(0, id('a', 1), ["x", "y", "z"]).unwrap()).unwrap();
    let mut subscriber = Subscriber::new(SubscriberConfig::default());
    blocking::follow_appends(&mut subscriber, &log, 0).unwrap();
    subscriber.poll_delivery().unwrap().unwrap();
    let snapshot = subscriber.snapshot();
    assert_eq!((snapshot.next, snapshot.passed.as_ref().map(|passed| passed.slot)), (1, Some(1)));
    let mut resumed = Subscriber::resume(snapshot.clone(), SubscriberConfig::default());
    assert_eq!(heard(&mut resumed, &log, 0), Ok(vec!["y", "z"]));

    log.replace(backup);
    log.append(&Entry::batch(0, id('b', 1), ["x", "y", "z"]).unwrap()).unwrap();
    let mut resumed = Subscriber::resume(snapshot, SubscriberConfig::default());
    assert_eq!(blocking::follow_appends(&mut resumed, &log, 0), rolled_back(1));
}

/// An announced entry is believed only in the epoch of the last delivery. Otherwise the first announcement of the
/// restored log would pass for the next message.
#[test]
fn an_announcement_of_a_new_epoch_is_read_from_the_log_before_it_is_delivered() {
    let (log, backup, mut subscriber) = ahead();
    log.replace(backup);
    let begun = blocking::begin_epoch_append(&log, 5).unwrap();
    assert_eq!(begun, EpochBegun { epoch: 5, tail: 1 });
    for number in 1..=3 {
        say(&log, 5, 'b', number, "x");
    }
    subscriber.handle_entry(4, Entry::message(5, id('b', 3), "x")).unwrap();
    assert_eq!(subscriber.poll_delivery(), Ok(None));
    assert_eq!(blocking::follow_appends(&mut subscriber, &log, 0), rolled_back(3));
}

#[test]
fn a_late_answer_to_a_read_of_before_is_no_sign_of_a_restore() {
    let mut subscriber = Subscriber::new(SubscriberConfig::default());
    let limit = ReadLimit::entries(1_024);
    assert!(matches!(subscriber.poll_request(0), Some(SubscribeRequest::Read { from: 1, .. })));
    // The read finds nothing. Before its answer arrives, the first entry is written and announced.
    subscriber.handle_entry(1, Entry::message(0, id('a', 1), "one")).unwrap();
    subscriber.poll_delivery().unwrap().unwrap();
    subscriber.handle_read(0, 1, limit, ReadAnswer::Entries(vec![])).unwrap();
    assert_eq!(subscriber.obstacle(), None);
    // A different entry proves it, whenever the read began.
    let other = ReadAnswer::Entries(vec![(1, Entry::message(0, id('b', 1), "x"))]);
    let error = subscriber.handle_read(0, 1, limit, other).unwrap_err();
    assert_eq!(error, SubscribeError::RolledBack { slot: 1 });
}

/// A subscriber whose first read found one entry cannot tell an older answer from that of a log which has lost the
/// entry. But no answer is late for ever.
#[test]
fn a_log_that_has_lost_the_first_entry_for_good_is_noticed_by_the_only_subscriber() {
    let log = RefCell::new(MemoryLog::<char, &str>::new(100));
    let mut subscriber = Subscriber::new(SubscriberConfig::default());
    log.write(1, &Entry::message(0, id('a', 1), "one")).unwrap();
    blocking::follow(&mut subscriber, &log, 0).unwrap();
    assert_eq!(subscriber.poll_delivery().unwrap().unwrap().payload, Some("one"));

    // The log is restored from an earlier backup, while the counter has gone on. No other subscriber is left to fill
    // slot 1.
    *log.borrow_mut() = MemoryLog::new(100);
    log.write(2, &Entry::message(0, id('b', 1), "two")).unwrap();
    let errors = (0..200).filter_map(|n| blocking::follow(&mut subscriber, &log, n * 50).err());
    assert_eq!(errors.last(), Some(FollowError::Subscribe(SubscribeError::RolledBack { slot: 1 })));
    assert_eq!(subscriber.poll_delivery(), Ok(None));
}

#[test]
fn where_the_passed_slot_is_trimmed_reading_goes_on_and_a_restored_log_is_noticed() {
    let (log, backup, mut subscriber) = ahead();
    log.borrow_mut().trim(4);
    assert_eq!(heard(&mut subscriber, &log, 1_000), Ok(vec![]));
    say(&log, 0, 'a', 4, "four");
    assert_eq!(heard(&mut subscriber, &log, 2_000), Ok(vec!["four"]));
    log.borrow_mut().trim(5);
    assert_eq!(heard(&mut subscriber, &log, 3_000), Ok(vec![]));
    log.replace(backup);
    for number in 1..=5 {
        say(&log, 0, 'b', number, "x");
    }
    assert_eq!(blocking::follow_appends(&mut subscriber, &log, 4_000), rolled_back(4));
}

/// The counter is not set back with the log, so a subscriber waits for a slot far above the tail.
#[test]
fn no_hole_of_a_restored_log_is_filled_by_who_is_ahead() {
    let log: Shared = RefCell::new(MemoryLog::new(100));
    log.write(1, &Entry::message(0, id('a', 1), "one")).unwrap();
    let backup = log.borrow().clone();
    log.write(2, &Entry::message(0, id('a', 2), "two")).unwrap();
    let mut subscriber = Subscriber::new(SubscriberConfig::default());
    blocking::follow(&mut subscriber, &log, 0).unwrap();
    while subscriber.poll_delivery().unwrap().is_some() {}
    subscriber.observe_current(3);
    blocking::follow(&mut subscriber, &log, 0).unwrap();
    let filled_at = 2_000;
    blocking::follow(&mut subscriber, &log, filled_at - 1).unwrap();
    log.replace(backup);
    Log::seal(&log, 7).unwrap();
    // It is time to fill, and the subscriber has not read since; its fill is of the old epoch.
    let followed = blocking::follow(&mut subscriber, &log, filled_at);
    assert_eq!(followed, rolled_back(2));
    assert_eq!(log.borrow().tail(), 1);
}

/// A lock, its fence in another database, and a log that is restored.
#[test]
fn no_token_is_granted_twice_once_a_new_epoch_has_begun() {
    let (counter, log) = (AtomicCounter::new(), RefCell::new(MemoryLog::new(100)));
    let acquire = |name: char, epoch: Option<EpochBegun>| {
        let mut publisher = Publisher::new(name, PublisherConfig::default());
        if let Some(begun) = epoch {
            publisher.enter(begun.epoch, begun.tail);
        }
        publisher.publish(lock::Command::acquire(name)).unwrap();
        blocking::settle(&mut publisher, &counter, &log).unwrap().unwrap();
    };
    let holder = |log: &RefCell<MemoryLog<char, lock::Command<char>>>| {
        let (mut subscriber, mut lock) = (Subscriber::new(SubscriberConfig::default()), Lock::new());
        for now_ms in (0..20_000).step_by(50) {
            blocking::follow(&mut subscriber, log, now_ms).unwrap();
            while let Some(delivery) = subscriber.poll_delivery().unwrap() {
                lock.apply(delivery.position, delivery.payload.unwrap());
            }
        }
        lock.holder().map(|(owner, token)| (*owner, token)).unwrap()
    };
    let backup = log.borrow().clone();
    acquire('a', None);
    let (owner, a) = holder(&log);
    let mut fence = Fence::new();
    fence.raise(a).unwrap();
    assert_eq!((owner, a.position().epoch), ('a', 0));

    log.replace(backup);
    let begun = blocking::begin_epoch(&log, &counter, 1_000).unwrap();
    acquire('b', Some(begun));
    let (owner, b) = holder(&log);
    assert_eq!((owner, b.position().epoch), ('b', 1_000));
    assert!(b > a);
    fence.raise(b).unwrap();
    assert!(fence.admit(a).is_err(), "the old holder is kept out");
}

#[test]
fn an_epoch_begins_above_that_of_the_log_with_the_counter_at_its_tail() {
    let (counter, log) = (AtomicCounter::new(), RefCell::new(MemoryLog::<char, &str>::new(100)));
    log.write(7, &Entry::message(0, id('a', 1), "x")).unwrap();
    assert_eq!(blocking::begin_epoch(&log, &counter, 3), Ok(EpochBegun { epoch: 3, tail: 7 }));
    assert_eq!(counter.current(), Ok(7), "the next number is that of the slot after the tail");
    for epoch in [0, 2, 3] {
        let Err(DriveError::Publish(refused)) = blocking::begin_epoch(&log, &counter, epoch) else {
            panic!("epoch {epoch} has begun")
        };
        assert_eq!((refused.value, refused.kind), (epoch, PublishErrorKind::NotAbove { epoch, sealed: 3 }));
    }
    let text = blocking::begin_epoch(&log, &counter, 3).unwrap_err().to_string();
    assert_eq!(text, "epoch 3 is not above epoch 3 of the log; begin a higher one");

    // A counter above the tail is not changed.
    counter.increment_and_get(NonZeroU64::new(5).unwrap()).unwrap();
    assert_eq!(blocking::begin_epoch(&log, &counter, 4), Ok(EpochBegun { epoch: 4, tail: 7 }));
    assert_eq!(counter.current(), Ok(12));
}

#[test]
fn a_counter_that_does_not_count_up_and_a_log_that_does_not_seal_end_in_errors() {
    let mut machine = NewEpoch::new(5, LogKind::Slots);
    assert_eq!(machine.handle_seal(SealAnswer { epoch: 1, tail: 3 }), Ok(None));
    assert_eq!(machine.poll_request(), EpochRequest::Seal { epoch: 5 });
    let mut unsealed = machine.clone();
    let error = unsealed.handle_seal(SealAnswer { epoch: 1, tail: 3 }).unwrap_err();
    assert_eq!((error.value, error.kind), (5, PublishErrorKind::NotSealed { epoch: 5, sealed: 1 }));
    let mut overtaken = machine.clone();
    let error = overtaken.handle_seal(SealAnswer { epoch: 6, tail: 3 }).unwrap_err();
    assert_eq!((error.value, error.kind), (5, PublishErrorKind::NotAbove { epoch: 5, sealed: 6 }));

    assert_eq!(machine.handle_seal(SealAnswer { epoch: 5, tail: 9 }), Ok(None));
    assert_eq!(machine.poll_request(), EpochRequest::Current);
    assert_eq!(machine.handle_current(2), None);
    for _ in 0..16 {
        let n = NonZeroU64::new(7).unwrap();
        assert_eq!(machine.poll_request(), EpochRequest::Numbers { n });
        assert_eq!(machine.handle_numbers(NonZeroU64::MIN, 2), Ok(None));
    }
    let error = machine.handle_numbers(NonZeroU64::MIN, 2).unwrap_err();
    assert_eq!((error.value, error.kind), (5, PublishErrorKind::CounterBehind { number: 2, tail: 9 }));
}

/// A backup taken while a write was under way has a hole. Some subscribers have passed a message there, and the
/// restored log has a fill.
#[test]
fn a_hole_of_the_backup_that_was_passed_as_a_message_is_noticed_with_the_first_entry_of_the_new_epoch() {
    for limit in [1_000, 30] {
        // A payload takes ten bytes: read in pieces, or in one.
        let log: Shared = RefCell::new(MemoryLog::measured(100, |_| 10));
        for slot in (1..=20).filter(|&slot| slot != 7) {
            log.write(slot, &Entry::message(0, id('a', slot), "x")).unwrap();
        }
        let backup = log.borrow().clone();
        log.write(7, &Entry::message(0, id('b', 1), "lost")).unwrap();
        let config = SubscriberConfig { bytes: limit, ..SubscriberConfig::default() };
        let follow = |subscriber: &mut Subscriber<_, _>, now_ms| {
            blocking::follow(subscriber, &log, now_ms)?;
            while subscriber.poll_delivery().unwrap().is_some() {
                blocking::follow(subscriber, &log, now_ms)?;
            }
            Followed::Ok(())
        };
        let new = || Subscriber::measured(Default::default(), config, |_: &&str| 10);
        let (mut old, mut honest) = (new(), new());
        follow(&mut old, 0).unwrap();
        assert_eq!(old.next(), 21);

        log.replace(backup);
        Log::seal(&log, 3).unwrap();
        follow(&mut old, 1_000).unwrap();
        for now_ms in (0..10_000).step_by(50) {
            follow(&mut honest, now_ms).unwrap(); // fills the hole, in the new epoch
        }
        assert_eq!(honest.next(), 21);
        follow(&mut old, 2_000).unwrap();
        log.write(21, &Entry::message(3, id('a', 21), "new")).unwrap();
        assert_eq!(follow(&mut old, 3_000), rolled_back(7), "limit {limit}");
        // This one has passed the same entries, and goes on.
        follow(&mut honest, 11_000).unwrap();
        assert_eq!(honest.next(), 22);
    }
}

/// A program takes a new name at each start, and retires its previous one.
#[test]
fn a_new_name_at_each_start_goes_on_for_ever_if_the_old_ones_are_retired() {
    let log = RefCell::new(MemoryLog::new(20_000));
    let config = SubscriberConfig { nodes: 4, ..SubscriberConfig::default() };
    let mut subscriber = Subscriber::new(config);
    let mut delivered = 0;
    for start in 1..=5_000_u32 {
        let mut appender = Publisher::new(("web", start), PublisherConfig::over_appends());
        if start > 1 {
            appender.publish_retirement(("web", start - 1)).unwrap();
            blocking::settle_append(&mut appender, &log).unwrap().unwrap();
        }
        appender.publish(start).unwrap();
        blocking::settle_append(&mut appender, &log).unwrap().unwrap();
        blocking::follow_appends(&mut subscriber, &log, u64::from(start) * 100).unwrap();
        while let Some(delivery) = subscriber.poll_delivery().unwrap() {
            delivered += 1;
            assert_eq!(delivery.payload, Some(delivered));
        }
    }
    assert_eq!(delivered, 5_000);
    assert_eq!(subscriber.delivered().iter().count(), 1);
    // A retired name may come back as if it were new.
    let mut again = Publisher::new(("web", 1), PublisherConfig::over_appends());
    again.publish(0).unwrap();
    assert!(blocking::settle_append(&mut again, &log).unwrap().is_some());
}

/// A service restarts, and makes its publisher as it did the first time.
#[test]
fn a_publisher_made_again_under_its_name_is_refused_once_and_then_delivered() {
    let (counter, log) = (AtomicCounter::new(), RefCell::new(MemoryLog::new(100)));
    let mut invoices = 0;
    for _ in 0..3 {
        let mut billing = Publisher::new("billing", PublisherConfig::default());
        let mut refused = 0;
        for _ in 0..3 {
            let mut invoice = invoices + 1;
            loop {
                billing.publish(invoice).unwrap();
                match blocking::settle(&mut billing, &counter, &log) {
                    Ok(published) => break assert!(published.is_some()),
                    Err(DriveError::Publish(error)) => {
                        assert!(matches!(error.kind, PublishErrorKind::NumberUsed { .. }));
                        let Content::Messages { payloads, .. } = error.value.into_content() else { panic!() };
                        invoice = payloads.into_vec()[0];
                        refused += 1;
                    }
                    Err(error) => panic!("{error}"),
                }
            }
            invoices += 1;
        }
        assert_eq!(refused, u32::from(invoices > 3), "once a start");
    }
    let mut subscriber = Subscriber::new(SubscriberConfig::default());
    let mut delivered = Vec::new();
    for now_ms in (0..20_000).step_by(50) {
        blocking::follow(&mut subscriber, &log, now_ms).unwrap();
        while let Some(delivery) = subscriber.poll_delivery().unwrap() {
            delivered.extend(delivery.payload);
        }
    }
    assert_eq!(delivered, (1..=9).collect::<Vec<u32>>());
}

/// As above, but the counter is lost too. The new publisher is given a slot that the old one has written, with the same
/// message.
#[test]
fn what_an_earlier_publisher_of_the_name_has_written_is_not_acknowledged_a_second_time() {
    let log = RefCell::new(MemoryLog::new(100));
    let mut acknowledged = Vec::new();
    for refusals in [0, 1] {
        let (counter, mut heater) = (AtomicCounter::new(), Publisher::new('h', PublisherConfig::default()));
        let mut refused = 0;
        let published = loop {
            heater.publish("on").unwrap();
            match blocking::settle(&mut heater, &counter, &log) {
                Ok(published) => break published.unwrap(),
                Err(DriveError::Publish(error)) => {
                    assert_eq!(error.kind, PublishErrorKind::NumberUsed { highest: 1 });
                    refused += 1;
                }
                Err(error) => panic!("{error}"),
            }
        };
        assert_eq!(refused, refusals);
        acknowledged.push(published.id);
    }
    let mut subscriber = Subscriber::new(SubscriberConfig::default());
    blocking::follow(&mut subscriber, &log, 0).unwrap();
    let delivered: Vec<_> = std::iter::from_fn(|| subscriber.poll_delivery().unwrap()).map(|d| d.id).collect();
    assert_eq!(delivered, acknowledged);
}
