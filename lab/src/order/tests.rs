//! Tests of engines that break their promises, and of a log that is taken away.

use std::sync::atomic::{AtomicBool, Ordering};

use happens_before::Dot;
use happens_before::broadcast::{Entry, Log, ReadAnswer, ReadLimit, WriteAnswer};

use super::faults::Seam;
use super::*;

type Memory = Mutex<MemoryLog<PublisherId, Payload>>;

fn settings() -> OrderSettings {
    OrderSettings {
        engine: Engine::Memory,
        publishers: 3,
        subscribers: 2,
        messages: 20,
        kill: 4,
        kill_subscribers: 6,
        stall: 2,
        reset_counter: 1,
        seed: 1,
        timeout_ms: 2,
        canary: None,
    }
}

/// Runs over a log whose writes go through `write`.
fn run_over<F>(log: &Memory, write: F) -> OrderResult
where
    F: Fn(&Memory, u64, &Entry<PublisherId, Payload>) -> WriteAnswer<PublisherId, Payload> + Sync,
{
    let seam = Seam { engine: log, call: |slot, entry: &_| Ok(write(log, slot, entry)) };
    let begun = Begun::new(log).expect("an empty log");
    let counter =
        Replaceable::new(0, |last| Ok(AtomicCounter::resume(last, AtomicCounter::MAX).unwrap_or_default()));
    let counter = counter.expect("memory does not fail");
    conduct::threads(&settings(), &begun, &counter, &seam, &mut |_| {})
}

fn write(log: &Memory, slot: u64, entry: &Entry<PublisherId, Payload>) -> WriteAnswer<PublisherId, Payload> {
    SlotLog::write(log, slot, entry).expect("there is room")
}

fn is(entry: &Entry<PublisherId, Payload>, node: PublisherId, n: u64) -> bool {
    entry.id().is_some_and(|id| (*id.node(), id.counter()) == (node, n))
}

/// Returns the number of messages that are delivered again after a death: those since the place was saved.
fn again(death: u64) -> u64 {
    if death.is_multiple_of(10) { 10 } else { death % 10 }
}

#[test]
fn a_log_that_keeps_its_promises_passes() {
    let log = Mutex::new(MemoryLog::new(10_000));
    let outcome = run_over(&log, write);
    assert_eq!(outcome.verdict, Ok(()));
    let OrderTally { killed, subscribers_killed, stalled, resets, acknowledged, delivered, .. } = outcome.tally;
    assert_eq!((killed, subscribers_killed, stalled, resets), (4, 6, 2, 1));
    assert_eq!((acknowledged, delivered), (60, 120));
    // The repetitions of a subscriber follow from the places of its deaths: it saves after every tenth message.
    let again: u64 =
        (0..2).flat_map(|site| Plan::new(&settings()).deaths_of(site).collect::<Vec<_>>()).map(again).sum();
    assert_eq!(outcome.tally.delivered_again, again);
    // Each message is in the log once. That includes messages of publishers killed in or after a write: the successor
    // wrote to the same slot, or was told that the number is used.
    let ReadAnswer::Entries(entries) =
        Log::read(&log, 1, ReadLimit::entries(usize::MAX)).expect("memory does not fail")
    else {
        panic!("nobody trims")
    };
    for node in 1..=3 {
        for n in 1..=20 {
            let stored = entries.iter().filter(|(_, entry)| is(entry, node, n)).count();
            assert_eq!(stored, 1, "message {n} of publisher {node} is stored {stored} times");
        }
    }
}

#[test]
fn a_log_that_loses_what_it_has_acknowledged_is_found_out() {
    let outcome = run_over(&Mutex::new(MemoryLog::new(10_000)), |log, slot, entry| {
        // Not the last message, so that others come after the hole.
        if is(entry, 2, 7) { WriteAnswer::Written } else { write(log, slot, entry) }
    });
    let words = "message 7 of publisher 2 was acknowledged, and is never delivered";
    assert_eq!(outcome.verdict, Err(OrderFailure::Violation(words.to_owned())));
}

#[test]
fn a_log_that_changes_a_message_is_found_out() {
    let outcome = run_over(&Mutex::new(MemoryLog::new(10_000)), |log, slot, entry| {
        let Some(id) = entry.id().filter(|_| is(entry, 2, 7)) else { return write(log, slot, entry) };
        write(log, slot, &Entry::message(entry.epoch(), *id, b"forged".to_vec()))
    });
    let Err(OrderFailure::Refused(words)) = outcome.verdict else { panic!("{:?}", outcome.verdict) };
    assert!(words.contains("does not hold what publisher 2 sent as 7"), "{words}");
}

#[test]
fn a_message_that_nobody_sent_is_found_out() {
    let forged = AtomicBool::new(false);
    let outcome = run_over(&Mutex::new(MemoryLog::new(10_000)), |log, slot, entry| {
        if !is(entry, 2, 7) || forged.swap(true, Ordering::SeqCst) {
            return write(log, slot, entry);
        }
        let dot = Dot::new(9, 1).expect("not 0");
        let message = Entry::message(entry.epoch(), dot, b"message 1 of publisher 9".to_vec());
        write(log, slot, &message);
        write(log, slot, entry)
    });
    let Err(OrderFailure::Violation(words)) = outcome.verdict else { panic!("{:?}", outcome.verdict) };
    assert!(words.ends_with("message 1 of publisher 9 was never sent"), "{words}");
}

#[test]
fn a_run_whose_log_is_taken_over_is_given_up() {
    let log = Mutex::new(MemoryLog::new(10_000));
    let outcome = run_over(&log, |log, slot, entry| {
        if is(entry, 2, 7) {
            Log::seal(log, 99).expect("memory does not fail");
        }
        write(log, slot, entry)
    });
    let Err(OrderFailure::GaveUp(words)) = outcome.verdict else { panic!("{:?}", outcome.verdict) };
    assert!(words.ends_with("another run has taken the log over, with epoch 99"), "{words}");
}

#[test]
fn a_run_goes_on_where_the_last_one_ended() {
    let log = Mutex::new(MemoryLog::new(10_000));
    let first = run_over(&log, write);
    let second = run_over(&log, write);
    assert_eq!((&first.verdict, &second.verdict), (&Ok(()), &Ok(())));
    assert_eq!((first.epoch, first.tail, second.epoch), (1, 0, 2));
    assert!(second.tail >= 60, "{}", second.tail);
}
