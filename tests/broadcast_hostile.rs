//! A subscriber over a log with arbitrary answers, a clock that is set back and forth, and entries of any size.
#![cfg(feature = "alloc")]

use std::cell::{Cell, RefCell};

use happens_before::broadcast::blocking::{FollowError, follow, follow_appends};
use happens_before::broadcast::{
    Entry, InvalidAnswer, Log, MemoryLog, ReadAnswer, ReadLimit, SealAnswer, SlotLog, Snapshot, SubscribeError,
    SubscribeRequest, SubscriberConfig, Unreadable, WriteAnswer,
};
use happens_before::{Dot, Subscriber};
use testkit::{below, random};

type E = Entry<u8, Vec<u8>>;
type Machine = Subscriber<u8, Vec<u8>>;

const CONFIG: SubscriberConfig = SubscriberConfig {
    window: 8,
    bytes: 4_000,
    poll_ms: 10,
    write_timeout_ms: 100,
    max_fill_timeout_ms: 400,
    jump: 1_000,
    nodes: 8,
    skips: 4,
};

/// The most requests that one call of a driver makes.
const MAX_REQUESTS: u64 = 100;

fn message(slot: u64, len: usize) -> E {
    Entry::message(0, Dot::new((slot % 4) as u8, slot.max(1)).unwrap(), vec![0; len])
}

fn measured(config: SubscriberConfig) -> Machine {
    Subscriber::measured(Snapshot::default(), config, Vec::len)
}

/// A log that answers by functions.
struct Oracle<R, W> {
    read: R,
    write: W,
    requests: Cell<u64>,
}

impl<R, W> Log for Oracle<R, W>
where
    R: Fn(u64, ReadLimit) -> ReadAnswer<u8, Vec<u8>>,
    W: Fn(u64, &E) -> WriteAnswer<u8, Vec<u8>>,
{
    type Node = u8;
    type Payload = Vec<u8>;
    type Error = &'static str;

    fn read(&self, from: u64, limit: ReadLimit) -> Result<ReadAnswer<u8, Vec<u8>>, &'static str> {
        self.requests.set(self.requests.get() + 1);
        Ok((self.read)(from, limit))
    }

    fn seal(&self, _: u64) -> Result<SealAnswer, &'static str> {
        Err("not asked for")
    }

    fn trim(&self, _: u64) -> Result<u64, &'static str> {
        Err("not asked for")
    }
}

impl<R, W> SlotLog for Oracle<R, W>
where
    R: Fn(u64, ReadLimit) -> ReadAnswer<u8, Vec<u8>>,
    W: Fn(u64, &E) -> WriteAnswer<u8, Vec<u8>>,
{
    fn write(&self, slot: u64, entry: &E) -> Result<WriteAnswer<u8, Vec<u8>>, &'static str> {
        self.requests.set(self.requests.get() + 1);
        Ok((self.write)(slot, entry))
    }
}

/// Makes an arbitrary entry: often a message, sometimes a note, or one that cannot be read.
fn any_entry(choose: &mut impl FnMut(u64) -> u64, slot: u64) -> E {
    let id = Dot::new(choose(4) as u8, 1 + choose(30)).unwrap();
    match choose(8) {
        0 => Entry::fill(choose(5)),
        1 => Entry::unreadable(Unreadable::Damaged),
        2 => Entry::skip(choose(3), id, choose(slot.saturating_add(2))),
        3 => Entry::retire(choose(3), id, choose(4) as u8),
        4 => Entry::marker(choose(3), id),
        _ => message(slot, choose(3_000) as usize),
    }
}

/// Returns a slot near `around`, or one at the ends of the range of numbers.
fn any_slot(choose: &mut impl FnMut(u64) -> u64, around: u64) -> u64 {
    match choose(12) {
        0 => 0,
        1 => u64::MAX - choose(2),
        2 => i64::MAX as u64 + choose(2),
        _ => (around + choose(6)).saturating_sub(2),
    }
}

#[test]
fn whatever_the_log_answers_no_call_of_a_driver_makes_more_than_a_hundred_requests() {
    let random = RefCell::new(random());
    let choose = |limit: u64| below(&mut random.borrow_mut(), limit);
    let (mut refused, mut delivered, mut most) = (0, 0, 0);
    for _ in 0..3_000 {
        // Some logs are honest in all answers of two kinds.
        let honest = choose(3);
        let log = Oracle {
            read: |from, limit: ReadLimit| {
                let choose = &mut { choose };
                if choose(20) == 0 {
                    return ReadAnswer::Trimmed { first: any_slot(choose, from) };
                }
                let count = choose(4);
                let mut entries = Vec::new();
                for offset in 0..count {
                    let slot = if honest == 0 { any_slot(choose, from) } else { from + offset + choose(2) };
                    entries.push((slot, any_entry(choose, slot)));
                }
                if honest > 0 {
                    entries.dedup_by_key(|(slot, _)| *slot);
                    entries.truncate(limit.entries);
                }
                ReadAnswer::Entries(entries)
            },
            write: |slot, entry: &E| {
                let choose = &mut { choose };
                match choose(5) {
                    0 => WriteAnswer::Written,
                    1 => WriteAnswer::Occupied(any_entry(choose, slot)),
                    2 => WriteAnswer::Sealed { epoch: (entry.epoch() + choose(3)).saturating_sub(1) },
                    3 => WriteAnswer::Trimmed { first: any_slot(choose, slot) },
                    _ => WriteAnswer::NumberUsed { highest: choose(9) },
                }
            },
            requests: Cell::new(0),
        };
        let mut machine = measured(CONFIG);
        let mut now_ms = 0;
        for _ in 0..40 {
            let before = log.requests.get();
            let outcome = if honest == 1 {
                follow_appends(&mut machine, &log, now_ms)
            } else {
                follow(&mut machine, &log, now_ms)
            };
            assert_eq!(machine.internal_validate(), Ok(()));
            most = most.max(log.requests.get() - before);
            assert!(most <= MAX_REQUESTS, "{most} requests in one call");
            refused +=
                u64::from(matches!(outcome, Err(FollowError::Subscribe(SubscribeError::InvalidAnswer { .. }))));
            while let Ok(Some(_)) = machine.poll_delivery() {
                delivered += 1;
            }
            now_ms += choose(300);
        }
    }
    assert!(
        refused > 5_000 && delivered > 1_000,
        "{refused} answers refused, {delivered} delivered, {most} requests"
    );
}

#[test]
fn a_log_that_leaves_out_what_it_has_shown_keeps_no_driver_busy() {
    for known in [0, 1, 5] {
        let shown = Cell::new(true);
        let log = Oracle {
            read: |from, _| {
                ReadAnswer::Entries(if shown.get() { vec![(from, message(from, 1))] } else { vec![] })
            },
            write: |_, _: &E| WriteAnswer::Occupied(message(2, 1)),
            requests: Cell::new(0),
        };
        let (mut machine, mut errors) = (measured(CONFIG), 0);
        follow(&mut machine, &log, 0).unwrap();
        assert!(machine.poll_delivery().unwrap().is_some());
        shown.set(false);
        machine.observe_current(known);
        for now_ms in (1..10_000).step_by(10) {
            let before = log.requests.get();
            errors += u32::from(follow(&mut machine, &log, now_ms).is_err());
            assert!(log.requests.get() - before <= MAX_REQUESTS, "with {known} known");
        }
        println!("{known} known: {errors} errors");
    }
}

#[test]
fn a_log_that_reads_two_entries_at_a_time_keeps_no_driver_busy_when_an_epoch_begins() {
    let mut slots: Vec<E> = (1..=2_000).map(|slot| message(slot, 1)).collect();
    slots.push(Entry::message(7, Dot::new(3, 2_003).unwrap(), vec![]));
    let log = Oracle {
        read: |from: u64, limit: ReadLimit| {
            let at = (from as usize - 1).min(slots.len());
            let found = (from..).zip(slots[at..].iter().cloned());
            ReadAnswer::Entries(found.take(limit.entries.min(2)).collect())
        },
        write: |_, _: &E| WriteAnswer::Written,
        requests: Cell::new(0),
    };
    let mut machine = measured(SubscriberConfig { window: 1_024, bytes: 1 << 20, ..CONFIG });
    let mut now_ms = 0;
    while machine.next() <= 2_001 {
        let before = log.requests.get();
        follow(&mut machine, &log, now_ms).unwrap();
        assert!(log.requests.get() - before <= MAX_REQUESTS);
        while machine.poll_delivery().unwrap().is_some() {}
        now_ms += 1;
        assert!(now_ms < 20_000, "it gets on");
    }
}

/// Each answer breaks one rule for ever. Every call ends with the expected error.
#[test]
fn an_answer_that_breaks_the_contract_is_an_error_at_every_call() {
    let read = |slots: &'static [u64]| {
        move |from, _: ReadLimit| {
            ReadAnswer::Entries(slots.iter().map(|&slot| (from + slot - 1, message(slot, 1))).collect())
        }
    };
    let written = |_, _: &E| WriteAnswer::Written;
    for (slots, kind) in [
        (&[0, 2][..], InvalidAnswer::Order), // below the requested slot
        (&[3, 2], InvalidAnswer::Order),
        (&[2, 2], InvalidAnswer::Order),
        (&[1, 2, 3, 4, 5, 6, 7, 8, 9], InvalidAnswer::TooManyEntries),
    ] {
        always(&Oracle { read: read(slots), write: written, requests: Cell::new(0) }, kind);
    }
    let trimmed = |from, _| ReadAnswer::Trimmed { first: from };
    always(&Oracle { read: trimmed, write: written, requests: Cell::new(0) }, InvalidAnswer::Trimmed);

    // A hole in slot 1, and an answer to the fill.
    let epochs = Cell::new(0);
    let rising = |_, _: &E| {
        epochs.set(epochs.get() + 1);
        WriteAnswer::Sealed { epoch: epochs.get() }
    };
    let sealed = |_, entry: &E| WriteAnswer::Sealed { epoch: entry.epoch() };
    let trimmed = |slot, _: &E| WriteAnswer::Trimmed { first: slot };
    let used = |_, _: &E| WriteAnswer::NumberUsed { highest: 7 };
    filling(rising, InvalidAnswer::Sealed);
    filling(sealed, InvalidAnswer::Sealed);
    filling(trimmed, InvalidAnswer::Trimmed);
    filling(used, InvalidAnswer::NumberUsed);
}

fn filling(write: impl Fn(u64, &E) -> WriteAnswer<u8, Vec<u8>>, kind: InvalidAnswer) {
    let read = |from, _| ReadAnswer::Entries(vec![(from + 1, message(2, 1))]);
    always(&Oracle { read, write, requests: Cell::new(0) }, kind);
}

fn always<R, W>(log: &Oracle<R, W>, kind: InvalidAnswer)
where
    Oracle<R, W>: SlotLog<Node = u8, Payload = Vec<u8>, Error = &'static str>,
{
    let (mut machine, mut errors) = (measured(CONFIG), 0);
    let before = machine.snapshot();
    for now_ms in (0..4_000).step_by(200) {
        let requests = log.requests.get();
        match follow(&mut machine, log, now_ms) {
            Ok(()) => {} // a hole is waited for
            Err(FollowError::Subscribe(SubscribeError::InvalidAnswer { slot: 1, kind: found })) => {
                assert_eq!(found, kind);
                errors += 1;
            }
            Err(error) => panic!("{error}"),
        }
        assert!(log.requests.get() - requests <= 20, "{kind:?}");
        assert_eq!((machine.poll_delivery(), machine.snapshot()), (Ok(None), before.clone()));
    }
    assert!(errors >= 9, "{kind:?}: {errors} errors");
    // Once the log is honest, the subscriber goes on.
    let log = RefCell::new(MemoryLog::new(10));
    log.borrow_mut().write(1, &message(1, 1)).unwrap();
    follow(&mut machine, &log, 9_000).unwrap();
    assert!(machine.poll_delivery().unwrap().is_some());
}

#[test]
fn behind_a_hole_no_more_bytes_are_kept_than_the_limit_and_everything_is_delivered_in_the_end() {
    let mut random = random();
    let mut read_again = 0;
    for _ in 0..200 {
        let log = RefCell::new(MemoryLog::measured(1_000, Vec::len));
        let holes = 1 + below(&mut random, 3);
        let slots: Vec<u64> = (1..=60).filter(|_| below(&mut random, 10) >= holes).collect();
        let last = slots.last().copied().unwrap_or(0);
        for &slot in &slots {
            let len = if below(&mut random, 8) == 0 { 9_000 } else { below(&mut random, 700) };
            log.write(slot, &message(slot, len as usize)).unwrap();
        }
        let (mut machine, mut now_ms, mut delivered) = (measured(CONFIG), 0, Vec::new());
        while machine.next() <= last {
            if below(&mut random, 3) == 0
                && let Some(&slot) = slots.get(below(&mut random, slots.len() as u64) as usize)
                && let ReadAnswer::Entries(entries) = log.read(slot, ReadLimit::entries(1)).unwrap()
            {
                let (slot, entry) = entries.into_iter().next().unwrap();
                machine.handle_entry(slot, entry).unwrap();
                assert_eq!(machine.internal_validate(), Ok(()));
            }
            follow(&mut machine, &log, now_ms).unwrap();
            assert_eq!(machine.internal_validate(), Ok(()));
            if let Some(delivery) = machine.poll_delivery().unwrap() {
                delivered.push(delivery.position.sequence);
                read_again += 1;
            }
            now_ms += 5;
            assert!(now_ms < 1_000_000, "it gets on");
        }
        while let Some(delivery) = machine.poll_delivery().unwrap() {
            delivered.push(delivery.position.sequence);
        }
        assert_eq!(delivered, slots);
    }
    assert!(read_again > 2_000, "{read_again}");
}

#[test]
fn what_is_dropped_for_its_bytes_is_read_again_and_never_taken_for_a_hole() {
    let mut machine = measured(CONFIG);
    for slot in [4, 3, 2] {
        machine.handle_entry(slot, message(slot, 1_800)).unwrap();
        assert_eq!(machine.internal_validate(), Ok(()));
    }
    // Slots 4 and 3 fill the limit; slot 1 is the next one, whatever its size.
    machine.handle_entry(1, message(1, 100_000)).unwrap();
    assert_eq!(machine.internal_validate(), Ok(()));
    assert_eq!(machine.poll_delivery().unwrap().unwrap().position.sequence, 1);
    let Some(SubscribeRequest::Read { from: 1, limit }) = machine.poll_request(0) else { panic!("no read") };
    assert!(limit.bytes < 500, "only what there is room for: {}", limit.bytes);
    machine
        .handle_read(0, 2, limit, ReadAnswer::Entries(vec![(2, message(2, 1_800)), (3, message(3, 1_800))]))
        .unwrap();
    for slot in 2..=4 {
        assert_eq!(machine.poll_delivery().unwrap().unwrap().position.sequence, slot);
    }
}

#[test]
fn a_measure_that_says_the_most_or_another_thing_each_time_overflows_nothing() {
    thread_local!(static SIZE: Cell<usize> = const { Cell::new(0) });
    let measure: fn(&Vec<u8>) -> usize = |_| SIZE.replace(usize::MAX - SIZE.get());
    for bytes in [0, 1, 1_000, usize::MAX] {
        let mut machine =
            Subscriber::measured(Snapshot::default(), SubscriberConfig { bytes, ..CONFIG }, measure);
        for slot in [3, 2, 1, 5, 4, 6] {
            machine
                .handle_entry(slot, Entry::batch(0, Dot::new(1, 2 * slot).unwrap(), [vec![], vec![]]).unwrap())
                .unwrap();
            assert_eq!(machine.internal_validate(), Ok(()));
            while machine.poll_delivery().unwrap().is_some() {
                assert_eq!(machine.internal_validate(), Ok(()));
            }
        }
    }
}

#[test]
fn a_short_answer_says_that_nothing_follows_only_if_it_has_fewer_than_two_entries() {
    let mut machine = measured(CONFIG);
    machine.observe_current(7);
    // The answer ends where the bytes ran out.
    let answer = ReadAnswer::Entries(vec![(2, message(2, 1)), (3, message(3, 1))]);
    machine.handle_read(0, 1, ReadLimit { entries: 8, bytes: 10 }, answer).unwrap();
    assert_eq!(machine.poll_request(200), Some(SubscribeRequest::Fill { slot: 1, epoch: 0 }));
    machine.handle_fill(200, 1, 0, WriteAnswer::Written).unwrap();
    while machine.poll_delivery().unwrap().is_some() {}
    // It shared the wait of the first hole, but is read once more before it is filled.
    assert!(matches!(machine.poll_request(200), Some(SubscribeRequest::Read { from: 3, .. })));
    machine.handle_read(200, 4, ReadLimit::entries(8), ReadAnswer::Entries(vec![(6, message(6, 1))])).unwrap();
    assert_eq!(machine.poll_request(200), Some(SubscribeRequest::Fill { slot: 4, epoch: 0 }));
}

/// Makes a log with holes for which a subscriber waits.
fn log_with_holes() -> RefCell<MemoryLog<u8, Vec<u8>>> {
    let mut log = MemoryLog::new(100);
    for slot in [2, 3, 7, 8, 12, 20] {
        log.write(slot, &message(slot, 1)).unwrap();
    }
    RefCell::new(log)
}

#[test]
fn a_clock_that_is_set_back_changes_no_request() {
    let mut random = random();
    for _ in 0..100 {
        let (steady_log, log) = (log_with_holes(), log_with_holes());
        let (mut steady, mut machine) = (measured(CONFIG), measured(CONFIG));
        let mut offset = 1_u64 << 40;
        for real_ms in (0..20_000).step_by(5) {
            if below(&mut random, 20) == 0 {
                // The subscriber is told the time before the clock is set back, so it does not lose the time up to
                // here.
                let _ = machine.poll_request(real_ms + offset);
                let _ = steady.poll_request(real_ms);
                machine.handle_failure(real_ms + offset);
                steady.handle_failure(real_ms);
                offset -= 1 + below(&mut random, 10_000_000);
            }
            follow(&mut steady, &steady_log, real_ms).unwrap();
            follow(&mut machine, &log, real_ms + offset).unwrap();
            let wait = |timeout: Option<u64>, now_ms: u64| timeout.map(|at| at.saturating_sub(now_ms));
            assert_eq!(
                wait(machine.poll_timeout(), real_ms + offset),
                wait(steady.poll_timeout(), real_ms),
                "after {real_ms}"
            );
            loop {
                let delivery = machine.poll_delivery().unwrap();
                assert_eq!(delivery, steady.poll_delivery().unwrap());
                if delivery.is_none() {
                    break;
                }
            }
        }
        assert_eq!(machine.next(), 21);
    }
}

#[test]
fn whatever_the_clock_does_all_is_delivered_and_no_hole_is_filled_before_its_time() {
    let mut random = random();
    for _ in 0..200 {
        let log = log_with_holes();
        let (mut machine, mut clock, mut delivered) = (measured(CONFIG), 1_u64 << 50, 0);
        let (mut passed, mut before) = (0, None);
        // The time when a claimed slot above each slot was first seen.
        let mut seen = [None; 21];
        for _ in 0..4_000 {
            clock = match below(&mut random, 40) {
                0 => clock - below(&mut random, 1 << 40),
                1 => clock + below(&mut random, 1 << 40),
                2 => below(&mut random, 2) * u64::MAX,
                _ => clock.saturating_add(5),
            };
            passed += before.map_or(0, |before| clock.saturating_sub(before)).min(1 << 40);
            before = Some(clock);
            while let Some(request) = machine.poll_request(clock) {
                match request {
                    SubscribeRequest::Read { from, limit } => {
                        let answer = log.read(from, limit).unwrap();
                        if let ReadAnswer::Entries(entries) = &answer
                            && let Some(&(last, _)) = entries.last()
                        {
                            for seen in &mut seen[from as usize..last as usize] {
                                seen.get_or_insert(passed);
                            }
                        }
                        machine.handle_read(clock, from, limit, answer).unwrap();
                    }
                    SubscribeRequest::Fill { slot, epoch } => {
                        let since = seen[slot as usize].expect("something above was seen");
                        assert!(passed - since >= 2 * CONFIG.write_timeout_ms, "{passed} since {since}");
                        let answer = log.write(slot, &Entry::fill(epoch)).unwrap();
                        machine.handle_fill(clock, slot, epoch, answer).unwrap();
                    }
                }
            }
            while machine.poll_delivery().unwrap().is_some() {
                delivered += 1;
            }
            if clock == 0 || clock == u64::MAX {
                clock = 1 << 50;
            }
        }
        assert_eq!((delivered, machine.next()), (6, 21));
    }
}

#[test]
fn a_clock_set_back_by_an_hour_delays_nothing_by_an_hour() {
    const HOUR: u64 = 3_600_000;
    let log = RefCell::new(MemoryLog::new(10));
    let mut machine = measured(CONFIG);
    let mut heard = Vec::new();
    for real_ms in (0..60_000).step_by(50) {
        let now_ms = 100 * HOUR + real_ms - if real_ms < 10_000 { 0 } else { HOUR };
        if real_ms == 20_000 {
            log.write(2, &message(2, 0)).unwrap(); // slot 1 is a hole
        }
        follow(&mut machine, &log, now_ms).unwrap();
        while machine.poll_delivery().unwrap().is_some() {
            heard.push(real_ms);
        }
    }
    assert!(heard.iter().eq([&20_200]) || heard.iter().eq([&20_250]), "{heard:?}");
}

#[test]
fn a_table_of_nodes_that_come_in_descending_order_is_right() {
    let nodes = 20_000_u32;
    let config = SubscriberConfig { nodes: nodes as usize, ..CONFIG };
    let mut machine = Subscriber::<u32, ()>::new(config);
    for slot in 1..=2 * u64::from(nodes) {
        let node = nodes - (slot - 1) as u32 % nodes;
        machine.handle_entry(slot, Entry::message(0, Dot::new(node, slot).unwrap(), ())).unwrap();
        assert!(machine.poll_delivery().unwrap().is_some());
    }
    assert_eq!(machine.internal_validate(), Ok(()));
    assert!(
        machine
            .delivered()
            .iter()
            .map(|(node, number)| (*node, number))
            .eq((1..=nodes).map(|node| (node, u64::from(nodes) + u64::from(nodes - node) + 1)))
    );
}
