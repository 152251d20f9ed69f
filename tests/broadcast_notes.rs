//! Entries that are notes to the subscribers: skips of unreadable slots, and retirements of nodes.
#![cfg(feature = "alloc")]

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

use happens_before::broadcast::blocking::{FollowError, follow, follow_appends};
use happens_before::broadcast::{
    AppendLog, Content, Entry, Log, MemoryLog, ReadAnswer, ReadLimit, SealAnswer, SlotLog, SubscribeError,
    SubscribeRequest, SubscriberConfig, Unreadable, WriteAnswer,
};
use happens_before::{Dot, Subscriber};
use testkit::{below, random};

type Machine = Subscriber<u32, u64>;
type E = Entry<u32, u64>;

const CONFIG: SubscriberConfig = SubscriberConfig {
    window: 4,
    bytes: 1 << 20,
    poll_ms: 10,
    write_timeout_ms: 100,
    max_fill_timeout_ms: 1_000,
    jump: 50,
    nodes: 8,
    skips: 16,
};

fn message(slot: u64) -> E {
    Entry::message(0, Dot::new(1, slot).unwrap(), slot)
}

fn skip(slot: u64, skipped: u64) -> E {
    Entry::skip(0, Dot::new(1, slot).unwrap(), skipped)
}

fn log(entries: impl IntoIterator<Item = E>) -> RefCell<MemoryLog<u32, u64>> {
    let mut log = MemoryLog::new(10_000);
    for (entry, slot) in entries.into_iter().zip(1..) {
        assert_eq!(log.write(slot, &entry), Ok(WriteAnswer::Written));
    }
    RefCell::new(log)
}

/// A log with some slots that one reader cannot read. It counts its requests.
struct Blind<'a> {
    log: &'a RefCell<MemoryLog<u32, u64>>,
    unreadable: BTreeSet<u64>,
    requests: Cell<u32>,
}

impl<'a> Blind<'a> {
    fn new(log: &'a RefCell<MemoryLog<u32, u64>>, unreadable: impl IntoIterator<Item = u64>) -> Self {
        Self { log, unreadable: unreadable.into_iter().collect(), requests: Cell::new(0) }
    }

    fn see(&self, slot: u64, entry: E) -> E {
        if self.unreadable.contains(&slot) { Entry::unreadable(Unreadable::Damaged) } else { entry }
    }
}

impl Log for Blind<'_> {
    type Node = u32;
    type Payload = u64;
    type Error = happens_before::broadcast::LogFull;

    fn read(&self, from: u64, limit: ReadLimit) -> Result<ReadAnswer<u32, u64>, Self::Error> {
        self.requests.set(self.requests.get() + 1);
        Ok(match self.log.read(from, limit)? {
            ReadAnswer::Entries(entries) => {
                let entries = entries.into_iter().map(|(slot, entry)| (slot, self.see(slot, entry)));
                ReadAnswer::Entries(entries.collect())
            }
            trimmed => trimmed,
        })
    }

    fn seal(&self, epoch: u64) -> Result<SealAnswer, Self::Error> {
        self.log.seal(epoch)
    }

    fn trim(&self, below: u64) -> Result<u64, Self::Error> {
        self.log.trim(below)
    }
}

impl SlotLog for Blind<'_> {
    fn write(&self, slot: u64, entry: &E) -> Result<WriteAnswer<u32, u64>, Self::Error> {
        self.requests.set(self.requests.get() + 1);
        Ok(match self.log.write(slot, entry)? {
            WriteAnswer::Occupied(entry) => WriteAnswer::Occupied(self.see(slot, entry)),
            answer => answer,
        })
    }
}

/// Follows for `rounds` rounds of one poll each. Returns the slots of the deliveries, and the last error.
fn run(
    machine: &mut Machine,
    log: &Blind<'_>,
    now_ms: &mut u64,
    rounds: u32,
) -> (Vec<u64>, Option<SubscribeError<u32, u64>>) {
    let (mut slots, mut last) = (Vec::new(), None);
    for _ in 0..rounds {
        last = match follow(machine, log, *now_ms) {
            Ok(()) => None,
            Err(FollowError::Subscribe(error)) => Some(error),
            Err(error) => panic!("{error}"),
        };
        assert_eq!(machine.internal_validate(), Ok(()));
        while let Some(delivery) = machine.poll_delivery().unwrap() {
            slots.push(delivery.position.sequence);
        }
        *now_ms += CONFIG.poll_ms;
    }
    (slots, last)
}

fn unreadable(slot: u64) -> Option<SubscribeError<u32, u64>> {
    Some(SubscribeError::Unreadable { slot, kind: Unreadable::Damaged })
}

#[test]
fn a_slot_that_cannot_be_read_stops_a_subscriber_after_what_is_below_and_is_named_at_each_call() {
    let log = log([message(1), message(2), message(3), message(4)]);
    let blind = Blind::new(&log, [3]);
    let (mut machine, mut now_ms) = (Machine::new(CONFIG), 0);
    assert_eq!(run(&mut machine, &blind, &mut now_ms, 10), (vec![1, 2], unreadable(3)));
    for _ in 0..5 {
        assert_eq!(run(&mut machine, &blind, &mut now_ms, 1), (vec![], unreadable(3)));
        assert_eq!(machine.obstacle(), unreadable(3));
    }
    assert_eq!(machine.next(), 3);
    let said = unreadable(3).unwrap().to_string();
    assert_eq!(said, "slot 3 cannot be read: it is damaged; restore it, or publish a skip of it");
    let later = SubscribeError::<u32, u64>::Unreadable { slot: 3, kind: Unreadable::LaterVersion };
    assert!(later.to_string().ends_with("update this reader, and do not skip the slot"));
}

#[test]
fn over_an_engine_that_appends_it_is_the_same() {
    let log = log([message(1), Entry::unreadable(Unreadable::LaterVersion), message(3)]);
    let mut machine = Machine::new(CONFIG);
    follow_appends(&mut machine, &log, 0).unwrap();
    assert_eq!(machine.poll_delivery().unwrap().unwrap().payload, Some(1));
    let error = SubscribeError::Unreadable { slot: 2, kind: Unreadable::LaterVersion };
    assert_eq!(follow_appends(&mut machine, &log, 10), Err(FollowError::Subscribe(error)));
    log.append(&skip(4, 2)).unwrap();
    assert!(follow_appends(&mut machine, &log, 20).is_ok());
    assert_eq!(machine.poll_delivery().unwrap().unwrap().payload, Some(3));
}

#[test]
fn a_skip_far_beyond_the_window_is_found_and_what_lies_between_is_delivered() {
    let log = log((1..=500).map(message));
    let blind = Blind::new(&log, [3]);
    let (mut machine, mut now_ms) = (Machine::new(CONFIG), 0);
    assert_eq!(run(&mut machine, &blind, &mut now_ms, 20), (vec![1, 2], unreadable(3)));
    log.write(501, &skip(501, 3)).unwrap();
    log.write(502, &message(502)).unwrap();
    let (slots, error) = run(&mut machine, &blind, &mut now_ms, 200);
    assert_eq!(error, None);
    assert!(slots.iter().copied().eq((4..=500).chain([502])), "{slots:?}");
    assert_eq!((machine.next(), machine.snapshot().skipped), (503, vec![3]));
}

#[test]
fn a_skip_that_is_written_late_into_a_hole_that_the_search_has_passed_is_found() {
    let log = log([Entry::unreadable(Unreadable::Damaged)]);
    for slot in (2..60).filter(|&slot| slot != 20) {
        log.write(slot, &Entry::message(0, Dot::new(slot as u32 % 4 + 2, slot).unwrap(), slot)).unwrap();
    }
    let blind = Blind::new(&log, []);
    let (mut machine, mut now_ms) = (Machine::new(CONFIG), 0);
    run(&mut machine, &blind, &mut now_ms, 20);
    log.write(20, &skip(20, 1)).unwrap();
    let (slots, error) = run(&mut machine, &blind, &mut now_ms, 200);
    assert_eq!((slots.len(), error, machine.next()), (57, None, 60));
}

#[test]
fn an_announced_skip_is_obeyed_at_once() {
    let mut machine = Machine::new(CONFIG);
    machine.handle_entry(1, Entry::unreadable(Unreadable::Damaged)).unwrap();
    assert!(machine.poll_request(0).is_some());
    machine.handle_entry(90, skip(90, 1)).unwrap();
    machine.handle_entry(2, message(2)).unwrap();
    assert_eq!(machine.poll_delivery().unwrap().unwrap().payload, Some(2));
}

#[test]
fn a_slot_that_can_be_read_again_is_delivered() {
    let log = log([message(1), message(2)]);
    let (mut machine, mut now_ms) = (Machine::new(CONFIG), 0);
    assert_eq!(run(&mut machine, &Blind::new(&log, [1]), &mut now_ms, 5), (vec![], unreadable(1)));
    assert_eq!(run(&mut machine, &Blind::new(&log, []), &mut now_ms, 5), (vec![1, 2], None));
}

#[test]
fn a_slot_that_was_skipped_and_can_be_read_again_is_no_rollback() {
    let log = log([message(1), skip(2, 1)]);
    let (mut machine, mut now_ms) = (Machine::new(SubscriberConfig { window: 1, ..CONFIG }), 0);
    let blind = Blind::new(&log, [1]);
    while machine.next() < 2 {
        run(&mut machine, &blind, &mut now_ms, 1);
    }
    assert_eq!(machine.next(), 2);
    for mut machine in [Machine::resume(machine.snapshot(), CONFIG), machine] {
        assert_eq!(run(&mut machine, &Blind::new(&log, []), &mut now_ms, 5), (vec![], None));
        assert_eq!(machine.next(), 3);
    }
}

#[test]
fn what_was_announced_is_delivered_even_if_the_log_cannot_be_read_there() {
    let log = log([message(1), message(2)]);
    let blind = Blind::new(&log, [1, 2]);
    let (mut machine, mut now_ms) = (Machine::new(CONFIG), 0);
    machine.handle_entry(2, message(2)).unwrap();
    assert_eq!(run(&mut machine, &blind, &mut now_ms, 5), (vec![], unreadable(1)));
    machine.handle_entry(1, message(1)).unwrap();
    assert_eq!(run(&mut machine, &blind, &mut now_ms, 5), (vec![1, 2], None));
}

#[test]
fn whoever_has_not_skipped_stops_at_the_skip_until_that_is_skipped_and_then_the_others_stop() {
    let log = log([message(1), message(2), skip(3, 1), message(4)]);
    let (reads, blind) = (Blind::new(&log, []), Blind::new(&log, [1]));
    let (mut sees, mut skips) = (Machine::new(CONFIG), Machine::new(CONFIG));
    let not_skipped = Some(SubscribeError::NotSkipped { slot: 1, by: 3 });
    let mut now_ms = 0;
    for expected in [vec![1, 2], vec![]] {
        let (slots, error) = run(&mut sees, &reads, &mut now_ms, 5);
        assert_eq!((slots, &error, &sees.obstacle()), (expected, &not_skipped, &not_skipped));
    }
    assert_eq!(run(&mut skips, &blind, &mut now_ms, 5), (vec![2, 4], None));

    // One solution: the state of a subscriber that has skipped.
    let mut installed = Machine::resume(sees.snapshot(), CONFIG);
    installed.install(skips.snapshot()).unwrap();
    assert_eq!(installed.snapshot(), skips.snapshot());

    // The other one: the skip was a mistake, and is skipped itself.
    log.write(5, &skip(5, 3)).unwrap();
    log.write(6, &message(6)).unwrap();
    assert_eq!(run(&mut sees, &reads, &mut now_ms, 5), (vec![4, 6], None));
    let error = Some(SubscribeError::NotSkipped { slot: 3, by: 5 });
    assert_eq!(run(&mut skips, &blind, &mut now_ms, 5), (vec![], error));
}

#[test]
fn a_skip_of_a_slot_that_is_not_below_it_has_no_effect() {
    for skipped in [0, 2, 3, 9, u64::MAX] {
        let entries = [message(1), skip(2, skipped), Entry::unreadable(Unreadable::Damaged), message(4)];
        let (log, mut machine) = (log(entries), Machine::new(CONFIG));
        let outcome = run(&mut machine, &Blind::new(&log, []), &mut 0, 10);
        assert_eq!(outcome, (vec![1], unreadable(3)), "skip of {skipped}");
    }
}

#[test]
fn a_snapshot_knows_what_was_skipped_and_remembers_no_more_than_the_limit() {
    let damaged = || Entry::unreadable(Unreadable::Damaged);
    let log = log([damaged(), damaged(), damaged(), skip(4, 1), skip(5, 2), skip(6, 3), message(7)]);
    let blind = Blind::new(&log, []);
    for (skips, stops) in [(3, None), (16, None), (2, Some(1)), (0, Some(1))] {
        let config = SubscriberConfig { skips, ..CONFIG };
        let (mut machine, mut now_ms) = (Machine::new(config), 0);
        while machine.next() < 4 {
            run(&mut machine, &blind, &mut now_ms, 1);
        }
        let snapshot = machine.snapshot();
        assert_eq!(snapshot.skipped, (4 - (skips as u64).clamp(1, 3)..=3).collect::<Vec<_>>());
        for mut machine in [machine, Machine::resume(snapshot, config)] {
            let expected = match stops {
                None => (vec![7], None),
                Some(slot) => (vec![], Some(SubscribeError::NotSkipped { slot, by: 4 })),
            };
            assert_eq!(run(&mut machine, &blind, &mut now_ms, 10), expected);
        }
    }
}

#[test]
fn the_search_pauses_and_does_not_run_on_for_ever_in_one_call() {
    let log = log((1..=2_000).map(message));
    let blind = Blind::new(&log, [1]);
    let mut machine = Machine::new(SubscriberConfig { window: 1, ..CONFIG });
    let mut before = 0;
    for now_ms in (0..1_000).step_by(10) {
        follow(&mut machine, &blind, now_ms).unwrap_err();
        assert!(blind.requests.get() - before <= 100, "{} requests", blind.requests.get() - before);
        before = blind.requests.get();
    }
    assert!(before > 2_000, "it has come to the end");
}

/// Applies the rules to the whole log. Returns the delivered slots, the skipped ones, and the slot where delivery ends.
fn rules(entries: &[E], unreadable: &BTreeSet<u64>) -> (Vec<u64>, BTreeSet<u64>, u64) {
    let at = |slot: u64| &entries[slot as usize - 1];
    let skip_of = |slot| match at(slot).content() {
        Content::Skip { slot: skipped, .. } if !unreadable.contains(&slot) => Some(*skipped),
        _ => None,
    };
    let last = entries.len() as u64;
    let (mut delivered, mut skipped) = (Vec::new(), BTreeSet::new());
    for slot in 1..=last {
        let refused =
            skip_of(slot).is_some_and(|named| (1..slot).contains(&named) && !skipped.contains(&named));
        if unreadable.contains(&slot) || refused {
            if !(slot + 1..=last).any(|later| skip_of(later) == Some(slot)) {
                return (delivered, skipped, slot);
            }
            skipped.insert(slot);
        } else if skip_of(slot).is_none() {
            delivered.push(slot);
        }
    }
    (delivered, skipped, last + 1)
}

#[test]
fn subscribers_do_what_the_rules_say_and_no_two_histories_both_reach_the_end() {
    let mut random = random();
    let (mut ends, mut stops, mut both) = (0, 0, 0);
    for _ in 0..3_000 {
        let len = 2 + below(&mut random, 11);
        let entries: Vec<E> = (1..=len)
            .map(|slot| match below(&mut random, 3) {
                0 => skip(slot, slot.saturating_sub(1 + below(&mut random, 4))),
                _ => message(slot),
            })
            .collect();
        let log = log(entries.clone());
        let mut histories = BTreeSet::new();
        for _ in 0..3 {
            let unreadable: BTreeSet<u64> = (1..=len).filter(|_| below(&mut random, 5) == 0).collect();
            let (delivered, skipped, end) = rules(&entries, &unreadable);
            let window = 1 + below(&mut random, 6) as usize;
            let mut machine = Machine::new(SubscriberConfig { window, ..CONFIG });
            let mut now_ms = 0;
            let (slots, error) = run(&mut machine, &Blind::new(&log, unreadable), &mut now_ms, 60);
            assert_eq!((&slots, machine.next()), (&delivered, end), "{entries:?}");
            assert!(machine.snapshot().skipped.into_iter().eq(skipped.iter().copied()));
            assert_eq!(error.is_some(), end <= len);
            if end > len {
                both += u32::from(!histories.is_empty());
                histories.insert((slots, skipped));
                ends += 1;
            } else {
                stops += 1;
            }
        }
        assert!(histories.len() <= 1, "{histories:?} of {entries:?}");
    }
    assert!(ends > 500 && stops > 500 && both > 100, "{ends} ends, {stops} stops, {both} together");
}

#[test]
fn incarnations_without_end_need_no_more_room_than_those_that_are_alive() {
    const INCARNATIONS: u32 = 5_000;
    let log = RefCell::new(MemoryLog::<u32, u64>::new(20_000));
    for node in 1..=INCARNATIONS {
        log.append(&Entry::message(0, Dot::new(node, 1).unwrap(), 0)).unwrap();
        log.append(&Entry::retire(0, Dot::new(node, 2).unwrap(), node - 1)).unwrap();
    }
    let (mut machine, mut now_ms) = (Machine::new(SubscriberConfig { nodes: 2, ..CONFIG }), 0);
    let mut delivered = 0;
    while delivered < INCARNATIONS {
        follow_appends(&mut machine, &log, now_ms).unwrap();
        while machine.poll_delivery().unwrap().is_some() {
            delivered += 1;
        }
        now_ms += CONFIG.poll_ms;
    }
    follow_appends(&mut machine, &log, now_ms).unwrap();
    assert_eq!(machine.poll_delivery(), Ok(None));
    assert!(machine.delivered().iter().eq([(&INCARNATIONS, 2)]));
}

/// Announces entries one after another. Returns for each the number of messages delivered, or the node without room.
fn announce<const N: usize>(machine: &mut Machine, entries: [E; N]) -> [Result<usize, u32>; N] {
    entries.map(|entry| {
        let waiting = machine.claimed() + 1;
        machine.handle_entry(waiting, entry).unwrap();
        let mut count = 0;
        loop {
            match machine.poll_delivery() {
                Ok(None) => return Ok(count),
                Ok(Some(_)) => count += 1,
                Err(error) => return Err(error.node),
            }
        }
    })
}

fn of(node: u32, number: u64) -> E {
    Entry::message(0, Dot::new(node, number).unwrap(), number)
}

fn retire(node: u32, number: u64, retired: u32) -> E {
    Entry::retire(0, Dot::new(node, number).unwrap(), retired)
}

#[test]
fn a_full_table_has_room_for_the_retirement_that_empties_it() {
    let mut machine = Machine::new(SubscriberConfig { nodes: 2, ..CONFIG });
    assert_eq!(announce(&mut machine, [of(1, 1), of(2, 1), retire(3, 1, 1)]), [Ok(1), Ok(1), Ok(0)]);
    assert!(machine.delivered().iter().eq([(&2, 1), (&3, 1)]));
    // A node that retires itself needs no room.
    assert_eq!(announce(&mut machine, [retire(9, 1, 9), retire(3, 2, 3)]), [Ok(0), Ok(0)]);
    assert!(machine.delivered().iter().eq([(&2, 1)]));
}

#[test]
fn a_retirement_of_an_unknown_node_by_a_new_one_waits_for_room() {
    let mut machine = Machine::new(SubscriberConfig { nodes: 1, ..CONFIG });
    assert_eq!(announce(&mut machine, [of(1, 1), retire(3, 1, 8)]), [Ok(1), Err(3)]);
    let snapshot = machine.snapshot();
    assert_eq!(machine.poll_delivery().unwrap_err().node, 3);
    assert_eq!(machine.snapshot(), snapshot);
    machine.set_nodes(2);
    assert_eq!(machine.poll_delivery(), Ok(None));
    assert_eq!(machine.next(), 3);
}

#[test]
fn a_retirement_removes_the_number_where_it_stands_and_a_second_copy_of_it_removes_nothing() {
    let mut machine = Machine::new(CONFIG);
    let entries = [of(1, 5), of(1, 5), retire(2, 1, 1), of(1, 5), retire(2, 1, 1), of(1, 5)];
    // A message of the node after its retirement is new, once.
    let expected = [Ok(1), Ok(0), Ok(0), Ok(1), Ok(0), Ok(0)];
    assert_eq!(announce(&mut machine, entries), expected);
}

#[test]
fn notes_are_requested_like_any_entry() {
    let mut machine = Machine::new(CONFIG);
    assert!(matches!(machine.poll_request(0), Some(SubscribeRequest::Read { from: 1, .. })));
    let entries = vec![(1, retire(2, 1, 1)), (2, skip(2, 7)), (3, of(4, 1))];
    machine.handle_read(0, 1, ReadLimit::entries(4), ReadAnswer::Entries(entries)).unwrap();
    let delivery = machine.poll_delivery().unwrap().unwrap();
    assert_eq!((delivery.position.sequence, delivery.payload), (3, Some(1)));
}
