//! Each rule of the receiving side, by name.
#![cfg(feature = "alloc")]

use std::cell::RefCell;

use happens_before::broadcast::{
    Delivery, Entry, MemoryLog, Position, ReadAnswer, ReadLimit, Snapshot, SubscribeError, SubscribeRequest,
    SubscriberConfig, Unreadable, WriteAnswer, blocking,
};
use happens_before::{Dot, Subscriber, VersionVector};

type Machine = Subscriber<char, u64>;

const CONFIG: SubscriberConfig = SubscriberConfig {
    window: 4,
    bytes: 1 << 20,
    poll_ms: 10,
    write_timeout_ms: 100,
    max_fill_timeout_ms: 1_000,
    jump: 50,
    nodes: 3,
    skips: 16,
};

fn id(node: char, number: u64) -> Dot<char> {
    Dot::new(node, number).unwrap()
}

fn message(node: char, number: u64) -> Entry<char, u64> {
    Entry::message(0, id(node, number), 100 + number)
}

fn read(from: u64, limit: usize) -> Option<SubscribeRequest> {
    let limit = ReadLimit::entries(limit);
    Some(SubscribeRequest::Read { from, limit })
}

/// Returns the request with any limit in bytes, and without the slot passed last. Each read begins with that slot.
fn poll(machine: &mut Machine, now_ms: u64) -> Option<SubscribeRequest> {
    match machine.poll_request(now_ms)? {
        SubscribeRequest::Read { from, limit } => {
            assert!(limit.bytes <= CONFIG.bytes);
            let passed = machine.snapshot().passed.is_some_and(|passed| passed.slot == from);
            let passed = usize::from(passed && machine.next() > from);
            read(from + passed as u64, limit.entries - passed)
        }
        request => Some(request),
    }
}

fn fill(slot: u64) -> Option<SubscribeRequest> {
    Some(SubscribeRequest::Fill { slot, epoch: 0 })
}

fn entries(slots: &[u64]) -> ReadAnswer<char, u64> {
    ReadAnswer::Entries(slots.iter().map(|&slot| (slot, message('a', slot))).collect())
}

/// Delivers everything, as ids and places.
fn deliver(machine: &mut Machine) -> Vec<String> {
    std::iter::from_fn(|| {
        let delivery = machine.poll_delivery().unwrap();
        assert_eq!(machine.internal_validate(), Ok(()));
        delivery
    })
    .map(|Delivery { position, id, .. }| format!("{}{}@{}", id.node(), id.counter(), position))
    .collect()
}

/// Answers the due read with these slots of node a.
fn answer(machine: &mut Machine, now_ms: u64, slots: &[u64]) {
    let Some(SubscribeRequest::Read { from, limit }) = poll(machine, now_ms) else { panic!("no read") };
    let slots: Vec<u64> = slots.iter().copied().filter(|&slot| slot >= from).take(limit.entries).collect();
    machine.handle_read(now_ms, from, limit, entries(&slots)).unwrap();
    assert_eq!(machine.internal_validate(), Ok(()));
}

#[test]
fn slots_are_delivered_in_order_whatever_order_they_are_announced_in() {
    let mut machine = Machine::new(CONFIG);
    for slot in [3, 1, 4] {
        machine.handle_entry(slot, message('a', slot)).unwrap();
    }
    assert_eq!(deliver(&mut machine), ["a1@0:1:0"]);
    machine.handle_entry(2, message('a', 2)).unwrap();
    assert_eq!(deliver(&mut machine), ["a2@0:2:0", "a3@0:3:0", "a4@0:4:0"]);
    assert_eq!(machine.next(), 5);
}

#[test]
fn a_message_is_delivered_once_by_its_number_and_numbers_may_skip() {
    let mut machine = Machine::new(CONFIG);
    for (slot, number) in [(1, 5), (2, 5), (3, 4), (4, 9)] {
        machine.handle_entry(slot, message('a', number)).unwrap();
    }
    assert_eq!(deliver(&mut machine), ["a5@0:1:0", "a9@0:4:0"]);
    assert_eq!(machine.delivered_up_to(&'a'), 9);
}

#[test]
fn a_batch_is_delivered_message_by_message_at_one_slot() {
    let mut machine = Machine::new(CONFIG);
    machine.handle_entry(1, message('a', 2)).unwrap();
    machine.handle_entry(2, Entry::batch(0, id('a', 1), [101, 102, 103, 104]).unwrap()).unwrap();
    machine.handle_entry(3, Entry::marker(0, id('a', 5))).unwrap();
    assert_eq!(deliver(&mut machine), ["a2@0:1:0", "a3@0:2:2", "a4@0:2:3", "a5@0:3:0"]);
}

#[test]
fn what_is_delivered_carries_its_payload_and_a_marker_none() {
    let mut machine = Machine::new(CONFIG);
    machine.handle_entry(1, message('a', 1)).unwrap();
    machine.handle_entry(2, Entry::marker(0, id('a', 2))).unwrap();
    let position = Position { epoch: 0, sequence: 1, index: 0 };
    let first = Delivery { position, id: id('a', 1), payload: Some(101) };
    assert_eq!(machine.poll_delivery(), Ok(Some(first)));
    assert_eq!(machine.poll_delivery().unwrap().unwrap().payload, None);
}

#[test]
fn positions_go_up_even_where_a_fill_is_of_a_later_epoch_than_what_follows() {
    let mut machine = Machine::new(CONFIG);
    machine.handle_entry(2, message('a', 1)).unwrap(); // of epoch 0
    machine.handle_entry(1, Entry::fill(1)).unwrap(); // after the epoch was sealed
    assert_eq!(deliver(&mut machine), [""; 0], "an epoch begins with a read");
    let answer = ReadAnswer::Entries(vec![(1, Entry::fill(1)), (2, message('a', 1))]);
    machine.handle_read(0, 1, ReadLimit::entries(4), answer).unwrap();
    assert_eq!(deliver(&mut machine), [""; 0], "what was announced before is read again");
    let answer = ReadAnswer::Entries(vec![(2, message('a', 1))]);
    machine.handle_read(0, 2, ReadLimit::entries(4), answer).unwrap();
    assert_eq!(deliver(&mut machine), ["a1@1:2:0"]);
}

#[test]
fn a_hole_is_read_waited_for_longer_than_a_write_may_take_and_then_filled() {
    let mut machine = Machine::new(CONFIG);
    answer(&mut machine, 0, &[2]);
    assert_eq!(machine.poll_timeout(), Some(10));
    assert_eq!(poll(&mut machine, 9), None);
    assert_eq!(poll(&mut machine, 10), read(1, 1), "only whether the hole still is one");
    machine.handle_read(10, 1, ReadLimit::entries(1), entries(&[2])).unwrap();
    for now_ms in [20, 110, 199] {
        answer(&mut machine, now_ms, &[2]);
    }
    assert_eq!(machine.poll_timeout(), Some(200));
    assert_eq!(poll(&mut machine, 200), fill(1));
    machine.handle_fill(200, 1, 0, WriteAnswer::Written).unwrap();
    assert_eq!(deliver(&mut machine), ["a2@0:2:0"]);
}

#[test]
fn a_slow_message_that_comes_while_the_hole_is_waited_for_is_delivered() {
    let mut machine = Machine::new(CONFIG);
    answer(&mut machine, 0, &[2]);
    answer(&mut machine, 150, &[1, 2]);
    assert_eq!(deliver(&mut machine), ["a1@0:1:0", "a2@0:2:0"]);
}

#[test]
fn a_fill_that_finds_the_slot_occupied_delivers_what_is_in_it() {
    let mut machine = Machine::new(CONFIG);
    answer(&mut machine, 0, &[2]);
    assert_eq!(poll(&mut machine, 200), fill(1));
    machine.handle_fill(200, 1, 0, WriteAnswer::Occupied(message('a', 1))).unwrap();
    assert_eq!(deliver(&mut machine), ["a1@0:1:0", "a2@0:2:0"]);
}

#[test]
fn after_a_fill_that_failed_the_log_is_read_again_first() {
    for answered in [true, false] {
        let mut machine = Machine::new(CONFIG);
        answer(&mut machine, 0, &[2]);
        assert_eq!(poll(&mut machine, 200), fill(1));
        assert_eq!(poll(&mut machine, 299), None, "one request at a time");
        if answered {
            machine.handle_failure(300);
        }
        assert_eq!(poll(&mut machine, 300), None, "and a pause");
        assert_eq!(machine.poll_timeout(), Some(310));
        assert_eq!(poll(&mut machine, 310), read(1, 4));
        machine.handle_read(310, 1, ReadLimit::entries(4), entries(&[2])).unwrap();
        assert_eq!(poll(&mut machine, 310), fill(1), "waited for already");
    }
}

#[test]
fn nothing_above_an_occupied_slot_is_ever_filled() {
    let mut machine = Machine::new(CONFIG);
    answer(&mut machine, 0, &[1]);
    deliver(&mut machine);
    for now_ms in (0..100_000).step_by(1_000) {
        if poll(&mut machine, now_ms).is_some_and(|request| request != read(2, 4).unwrap()) {
            panic!("slot 2 may not have been claimed");
        }
        machine.handle_read(now_ms, 2, ReadLimit::entries(4), entries(&[])).unwrap();
    }
}

#[test]
fn a_slot_that_the_counter_has_given_is_filled_though_nothing_follows_and_the_next_is_not() {
    let mut machine = Machine::new(CONFIG);
    answer(&mut machine, 0, &[]);
    assert_eq!(machine.poll_timeout(), Some(10));
    machine.observe_current(1);
    assert_eq!(machine.poll_timeout(), Some(0), "read at once");
    answer(&mut machine, 0, &[]);
    assert_eq!(poll(&mut machine, 200), fill(1));
    machine.handle_fill(200, 1, 0, WriteAnswer::Written).unwrap();
    assert_eq!(deliver(&mut machine), [""; 0]);
    assert_eq!(machine.next(), 2);
    assert_eq!(poll(&mut machine, 10_000), read(2, 4));
    machine.handle_read(10_000, 2, ReadLimit::entries(4), entries(&[])).unwrap();
    assert_eq!(poll(&mut machine, 20_000), read(2, 4));
}

#[test]
fn only_the_first_hole_of_a_range_is_waited_for() {
    let mut machine = Machine::new(SubscriberConfig { window: 100, ..CONFIG });
    answer(&mut machine, 0, &[4, 6]);
    for slot in [1, 2, 3] {
        assert_eq!(poll(&mut machine, 200), fill(slot));
        machine.handle_fill(200, slot, 0, WriteAnswer::Written).unwrap();
        deliver(&mut machine);
    }
    assert_eq!(machine.next(), 5);
    assert_eq!(poll(&mut machine, 200), fill(5), "claimed when the wait began");
    machine.handle_fill(200, 5, 0, WriteAnswer::Written).unwrap();
    deliver(&mut machine);
    // This one was claimed later, so it has a wait of its own.
    answer(&mut machine, 210, &[8]);
    assert_eq!(poll(&mut machine, 211), None);
    assert!(machine.poll_timeout().unwrap() > 211);
}

/// Fills one hole, and returns how long it was waited for.
fn wait_for_hole(machine: &mut Machine, now_ms: &mut u64) -> u64 {
    let hole = machine.next();
    let begin = *now_ms;
    answer(machine, *now_ms, &[hole + 1]);
    loop {
        *now_ms = machine.poll_timeout().unwrap();
        match poll(machine, *now_ms) {
            Some(SubscribeRequest::Fill { slot, .. }) => {
                assert_eq!(slot, hole);
                machine.handle_fill(*now_ms, slot, 0, WriteAnswer::Written).unwrap();
                deliver(machine);
                let waited = *now_ms - begin;
                *now_ms += 10;
                return waited;
            }
            Some(SubscribeRequest::Read { from, limit }) => {
                machine.handle_read(*now_ms, from, limit, entries(&[hole + 1])).unwrap();
            }
            None => panic!("nothing to do at its own time-out"),
        }
    }
}

#[test]
fn the_fill_time_out_grows_with_every_fill_up_to_its_limit_and_falls_when_it_is_calm() {
    let mut machine = Machine::new(CONFIG);
    let mut now_ms = 0;
    let waits: Vec<u64> = (0..5).map(|_| wait_for_hole(&mut machine, &mut now_ms)).collect();
    assert_eq!(waits, [200, 400, 800, 1_000, 1_000]);
    // One entry has come since the last fill.
    announce(&mut machine, 1_022);
    assert_eq!(wait_for_hole(&mut machine, &mut now_ms), 1_000);
    announce(&mut machine, 1_023);
    assert_eq!(wait_for_hole(&mut machine, &mut now_ms), 500, "and grows again from there");
    announce(&mut machine, 1_023);
    assert_eq!(wait_for_hole(&mut machine, &mut now_ms), 500);
    announce(&mut machine, 9 * 1_024);
    assert_eq!(wait_for_hole(&mut machine, &mut now_ms), 200, "never less");
}

#[test]
fn the_fill_time_out_grows_from_where_it_has_fallen_to() {
    let mut machine = Machine::new(CONFIG);
    let mut now_ms = 0;
    assert_eq!([(); 2].map(|()| wait_for_hole(&mut machine, &mut now_ms)), [200, 400]);
    announce(&mut machine, 1_023);
    assert_eq!([(); 2].map(|()| wait_for_hole(&mut machine, &mut now_ms)), [400, 800]);
}

/// Delivers the next slots as they are announced.
fn announce(machine: &mut Machine, slots: u64) {
    for _ in 0..slots {
        let next = machine.next();
        machine.handle_entry(next, message('a', next)).unwrap();
        deliver(machine);
    }
}

#[test]
fn the_fill_time_out_grows_with_the_fills_of_others() {
    let mut machine = Machine::new(CONFIG);
    announce(&mut machine, 1);
    for slot in [2, 3] {
        machine.handle_entry(slot, Entry::fill(0)).unwrap();
        deliver(&mut machine);
    }
    assert_eq!(wait_for_hole(&mut machine, &mut 0), 400, "once for the range");
}

#[test]
fn after_an_installed_snapshot_a_hole_is_waited_for_anew() {
    let mut machine = Machine::new(SubscriberConfig { window: 100, ..CONFIG });
    let mut now_ms = 0;
    assert_eq!([(); 2].map(|()| wait_for_hole(&mut machine, &mut now_ms)), [200, 400]);
    answer(&mut machine, now_ms, &[50]); // waits for 5 to 49
    machine.install(Snapshot { next: 20, ..Snapshot::default() }).unwrap();
    assert_eq!(machine.poll_timeout(), Some(now_ms), "reads at once");
    assert_eq!(wait_for_hole(&mut machine, &mut (now_ms + 2_000)), 800);
    machine.install(Snapshot { next: 60, ..Snapshot::default() }).unwrap();
    assert_eq!(wait_for_hole(&mut machine, &mut (now_ms + 9_000)), 1_000);
    // Far enough to halve the time.
    machine.install(Snapshot { next: 1_200, ..Snapshot::default() }).unwrap();
    assert_eq!(wait_for_hole(&mut machine, &mut (now_ms + 20_000)), 500);
    // From there on slots are counted anew.
    announce(&mut machine, 100);
    assert_eq!(wait_for_hole(&mut machine, &mut (now_ms + 30_000)), 1_000);
}

#[test]
fn a_range_waited_for_once_makes_the_time_out_grow_once() {
    let mut machine = Machine::new(SubscriberConfig { window: 100, ..CONFIG });
    answer(&mut machine, 0, &[6]);
    for slot in 1..=5 {
        assert_eq!(poll(&mut machine, 200), fill(slot));
        machine.handle_fill(200, slot, 0, WriteAnswer::Written).unwrap();
        deliver(&mut machine);
    }
    assert_eq!(wait_for_hole(&mut machine, &mut 210), 400);
}

#[test]
fn the_fill_time_out_is_never_below_the_write_time_out_whatever_is_configured() {
    let mut machine = Machine::new(SubscriberConfig { max_fill_timeout_ms: 0, ..CONFIG });
    assert_eq!(wait_for_hole(&mut machine, &mut 0), 200);
    let mut machine = Machine::new(SubscriberConfig { write_timeout_ms: u64::MAX, ..CONFIG });
    answer(&mut machine, 0, &[2]);
    answer(&mut machine, u64::MAX - 1, &[2]);
}

#[test]
fn a_fill_is_of_the_epoch_that_the_log_asks_for() {
    let mut machine = Machine::new(CONFIG);
    answer(&mut machine, 0, &[2]);
    assert_eq!(poll(&mut machine, 200), fill(1));
    machine.handle_fill(200, 1, 0, WriteAnswer::Sealed { epoch: 3 }).unwrap();
    machine.handle_fill(200, 1, 0, WriteAnswer::Sealed { epoch: 2 }).unwrap(); // a late answer
    answer(&mut machine, 200, &[2]); // a new epoch: the log may have been restored, so it is read
    assert_eq!(poll(&mut machine, 200), Some(SubscribeRequest::Fill { slot: 1, epoch: 3 }));
    machine.handle_fill(200, 1, 3, WriteAnswer::Written).unwrap();
    assert_eq!(deliver(&mut machine), ["a2@3:2:0"]);
}

#[test]
fn beyond_the_window_entries_are_dropped_and_read_again() {
    let mut machine = Machine::new(CONFIG);
    answer(&mut machine, 0, &[]); // the next poll is at 10
    for slot in (1..=9).rev() {
        machine.handle_entry(slot, message('a', slot)).unwrap();
        assert_eq!(machine.internal_validate(), Ok(()));
    }
    assert_eq!(deliver(&mut machine).len(), 4);
    assert_eq!(machine.poll_timeout(), Some(0), "at once");
    answer(&mut machine, 0, &[5, 6, 7, 8, 9]);
    assert_eq!(deliver(&mut machine).len(), 4);
    answer(&mut machine, 0, &[9]);
    assert_eq!(deliver(&mut machine), ["a9@0:9:0"]);
}

#[test]
fn a_hole_is_not_filled_where_entries_may_have_been_dropped_unread() {
    let mut machine = Machine::new(SubscriberConfig { window: 2, ..CONFIG });
    // Slots 3 and 4 are read, and dropped: the window is 1 and 2.
    answer(&mut machine, 0, &[2, 3]);
    assert_eq!(poll(&mut machine, 200), fill(1));
    machine.handle_fill(200, 1, 0, WriteAnswer::Written).unwrap();
    assert_eq!(deliver(&mut machine), ["a2@0:2:0"]);
    assert_eq!(poll(&mut machine, 200), read(3, 2));
}

#[test]
fn two_contents_in_one_slot_are_fatal_with_both_as_proof() {
    let mut machine = Machine::new(CONFIG);
    for slot in [1, 3, 4] {
        machine.handle_entry(slot, message('a', slot)).unwrap();
    }
    machine.handle_entry(3, message('a', 3)).unwrap(); // the same
    let error = machine.handle_entry(3, message('b', 3)).unwrap_err();
    let proof = SubscribeError::Conflict { slot: 3, first: message('a', 3), second: message('b', 3) };
    assert_eq!(error, proof);
    assert_eq!(machine.internal_validate(), Ok(()));
    machine.handle_entry(2, message('a', 2)).unwrap();
    for slot in [3, 4] {
        let error = machine.handle_entry(slot, message('a', slot)).unwrap_err();
        assert_eq!(error, SubscribeError::Halted { slot: 3 });
    }
    assert_eq!(deliver(&mut machine), ["a1@0:1:0", "a2@0:2:0"], "what is below is certain");
    assert_eq!((poll(&mut machine, 1_000), machine.poll_timeout()), (None, None));
}

#[test]
fn a_snapshot_leads_up_to_a_slot_with_two_contents_and_not_beyond() {
    let mut machine = Machine::new(CONFIG);
    machine.handle_entry(3, message('a', 3)).unwrap();
    machine.handle_entry(3, message('b', 3)).unwrap_err();
    let snapshot = |next| Snapshot { next, ..Snapshot::default() };
    assert_eq!(machine.install(snapshot(4)), Err(snapshot(4)));
    machine.install(snapshot(3)).unwrap();
    assert_eq!((machine.next(), machine.poll_timeout()), (3, None));
}

#[test]
fn a_fill_said_to_be_written_where_a_message_was_announced_is_a_conflict() {
    let mut machine = Machine::new(CONFIG);
    answer(&mut machine, 0, &[2]);
    assert_eq!(poll(&mut machine, 200), fill(1));
    machine.handle_entry(1, message('a', 1)).unwrap();
    let error = machine.handle_fill(200, 1, 0, WriteAnswer::Written).unwrap_err();
    assert!(matches!(error, SubscribeError::Conflict { slot: 1, .. }));
}

#[test]
fn an_absurd_jump_is_an_error_and_nothing_is_filled() {
    for (slots, current) in [(&[52][..], 0), (&[], 51), (&[], u64::MAX)] {
        let mut machine = Machine::new(CONFIG);
        machine.observe_current(current);
        assert_eq!(poll(&mut machine, 0), read(1, 4));
        let error = machine.handle_read(0, 1, ReadLimit::entries(4), entries(slots)).unwrap_err();
        assert!(matches!(error, SubscribeError::Jump { next: 1, .. }), "{error}");
        for now_ms in [500, 1_000] {
            assert_eq!(poll(&mut machine, now_ms), read(1, 4));
            machine.handle_read(now_ms, 1, ReadLimit::entries(4), entries(slots)).unwrap_err();
        }
    }
    // These are the longest gaps allowed.
    for (slots, current) in [(&[51][..], 0), (&[], 50)] {
        let mut machine = Machine::new(CONFIG);
        machine.observe_current(current);
        answer(&mut machine, 0, slots);
        assert_eq!(poll(&mut machine, 200), fill(1));
    }
}

#[test]
fn an_absurd_jump_is_not_filled_even_if_it_was_waited_for_with_an_earlier_hole() {
    let mut machine = Machine::new(CONFIG);
    machine.observe_current(1_000);
    answer(&mut machine, 0, &[2]);
    for slot in [1, 3, 4] {
        assert_eq!(poll(&mut machine, 200), fill(slot));
        machine.handle_fill(200, slot, 0, WriteAnswer::Written).unwrap();
        deliver(&mut machine);
    }
    for now_ms in [200, 400] {
        assert_eq!(poll(&mut machine, now_ms), read(5, 4));
        let error = machine.handle_read(now_ms, 5, ReadLimit::entries(4), entries(&[])).unwrap_err();
        assert_eq!(error, SubscribeError::Jump { next: 5, slot: 1_001 });
    }
}

#[test]
fn a_hole_below_an_announced_slot_is_no_jump_however_far_the_counter_is() {
    let mut machine = Machine::new(CONFIG);
    machine.observe_current(1_000);
    machine.handle_entry(2, message('a', 2)).unwrap();
    machine.handle_read(0, 1, ReadLimit::entries(4), entries(&[])).unwrap(); // an answer from before it was written
    assert_eq!(poll(&mut machine, 200), fill(1));
}

#[test]
fn what_a_full_read_did_not_come_to_is_read_before_it_is_filled() {
    let mut machine = Machine::new(CONFIG);
    machine.observe_current(4);
    machine.handle_read(0, 1, ReadLimit::entries(1), entries(&[2])).unwrap();
    assert_eq!(poll(&mut machine, 200), fill(1));
    machine.handle_fill(200, 1, 0, WriteAnswer::Written).unwrap();
    deliver(&mut machine);
    assert_eq!(poll(&mut machine, 200), read(3, 4));
}

#[test]
fn a_snapshot_installed_within_a_batch_leaves_nothing_of_it() {
    let mut machine = Machine::new(CONFIG);
    machine.handle_entry(1, Entry::batch(0, id('a', 1), [101, 102, 103]).unwrap()).unwrap();
    machine.poll_delivery().unwrap().unwrap();
    machine
        .install(Snapshot { next: 5, delivered: VersionVector::from_iter([('b', 1)]), ..Snapshot::default() })
        .unwrap();
    assert_eq!((machine.poll_delivery(), machine.next()), (Ok(None), 5));
}

#[test]
fn there_is_no_slot_above_2_to_the_63() {
    let last = i64::MAX as u64;
    let snapshot = Snapshot { next: last, ..Snapshot::default() };
    let mut machine = Machine::resume(snapshot, CONFIG);
    let error = machine.handle_entry(last + 1, message('a', 1)).unwrap_err();
    assert!(matches!(error, SubscribeError::Jump { .. }));
    machine.handle_entry(last, message('a', 1)).unwrap();
    assert_eq!(deliver(&mut machine).len(), 1);
    assert_eq!(poll(&mut machine, 0), None, "the end");
    for (next, resumed) in [(0, 1), (u64::MAX, last + 1)] {
        let machine = Machine::resume(Snapshot { next, ..Snapshot::default() }, CONFIG);
        assert_eq!((machine.next(), machine.internal_validate()), (resumed, Ok(())));
    }
    let beyond = Snapshot { next: u64::MAX, ..Snapshot::default() };
    assert_eq!(Machine::new(CONFIG).install(beyond.clone()), Err(beyond));
}

#[test]
fn a_lagging_reader_falls_back_on_a_snapshot_when_the_log_is_trimmed() {
    let mut machine = Machine::new(CONFIG);
    machine.handle_entry(3, message('a', 3)).unwrap();
    machine.handle_entry(4, message('b', 7)).unwrap();
    assert_eq!(poll(&mut machine, 0), read(1, 4));
    let error = machine.handle_read(0, 1, ReadLimit::entries(4), ReadAnswer::Trimmed { first: 3 }).unwrap_err();
    assert_eq!(error, SubscribeError::Trimmed { next: 1, first: 3 });
    let delivered = VersionVector::from_iter([('a', 3), ('b', 6)]);
    let snapshot = Snapshot { next: 4, epoch: 2, delivered, ..Snapshot::default() };
    machine.install(snapshot.clone()).unwrap();
    assert_eq!(deliver(&mut machine), ["b7@2:4:0"], "what is above the snapshot is kept");
    assert_eq!(machine.install(snapshot.clone()), Err(snapshot), "not backwards");
    let here = machine.snapshot();
    assert_eq!(machine.install(here.clone()), Err(here), "only ahead");
}

#[test]
fn a_late_joiner_has_position_and_duplicates_from_the_snapshot() {
    let mut first = Machine::new(CONFIG);
    for slot in 1..=3 {
        first.handle_entry(slot, message('a', slot)).unwrap();
    }
    deliver(&mut first);
    let mut late = Machine::resume(first.snapshot(), CONFIG);
    assert_eq!(poll(&mut late, 0), read(4, 4));
    for machine in [&mut first, &mut late] {
        machine.handle_entry(4, message('a', 2)).unwrap(); // once more
        machine.handle_entry(5, message('a', 4)).unwrap();
        assert_eq!(deliver(machine), ["a4@0:5:0"]);
    }
}

#[test]
fn a_snapshot_within_a_batch_goes_on_within_it() {
    let mut machine = Machine::new(CONFIG);
    let batch = Entry::batch(0, id('a', 1), [101, 102, 103]).unwrap();
    machine.handle_entry(1, batch.clone()).unwrap();
    machine.handle_entry(2, message('b', 1)).unwrap();
    machine.poll_delivery().unwrap().unwrap();
    machine.handle_entry(1, batch.clone()).unwrap(); // once more, while it is delivered
    let snapshot = machine.snapshot();
    assert_eq!(snapshot.next, 1);
    let mut restored = Machine::resume(snapshot, CONFIG);
    restored.handle_entry(1, batch).unwrap();
    assert_eq!(deliver(&mut restored), ["a2@0:1:1", "a3@0:1:2"]);
    assert_eq!(deliver(&mut machine), ["a2@0:1:1", "a3@0:1:2", "b1@0:2:0"]);
}

#[test]
fn one_node_too_many_is_refused_before_it_is_delivered_and_room_can_be_made() {
    let mut machine = Machine::new(CONFIG);
    for (slot, node) in (1..).zip(['a', 'b', 'c', 'd']) {
        machine.handle_entry(slot, message(node, 1)).unwrap();
    }
    for _ in 0..3 {
        machine.poll_delivery().unwrap().unwrap();
    }
    for _ in 0..2 {
        let error = machine.poll_delivery().unwrap_err();
        assert_eq!((error.node, error.limit), ('d', 3));
    }
    machine.handle_entry(5, message('a', 2)).unwrap();
    machine.set_nodes(4);
    assert_eq!(deliver(&mut machine), ["d1@0:4:0", "a2@0:5:0"]);
}

#[test]
fn answers_may_come_late_and_twice() {
    let mut machine = Machine::new(CONFIG);
    for _ in 0..2 {
        machine.handle_read(0, 1, ReadLimit::entries(4), entries(&[1, 2])).unwrap();
        machine.handle_fill(0, 1, 0, WriteAnswer::Occupied(message('a', 1))).unwrap();
    }
    assert_eq!(deliver(&mut machine).len(), 2);
    machine.handle_fill(0, 1, 0, WriteAnswer::Trimmed { first: 2 }).unwrap();
    machine.handle_read(0, 1, ReadLimit::entries(4), entries(&[1, 2])).unwrap();
    machine.handle_read(0, 1, ReadLimit::entries(4), ReadAnswer::Trimmed { first: 3 }).unwrap();
    machine.handle_fill(0, 1, 0, WriteAnswer::Written).unwrap();
    machine.handle_read(0, 9, ReadLimit::entries(4), entries(&[9])).unwrap(); // a read from a higher slot says nothing about slot 3
    assert_eq!(poll(&mut machine, 5_000), read(3, 4));
    assert_eq!(deliver(&mut machine), [""; 0]);
}

#[test]
fn without_slots_a_hole_is_reported_and_never_skipped() {
    let log = RefCell::new(MemoryLog::new(100));
    log.borrow_mut().write(2, &message('a', 2)).unwrap();
    let mut machine = Machine::new(CONFIG);
    blocking::follow_appends(&mut machine, &log, 0).unwrap();
    let mut now_ms = 200;
    for _ in 0..3 {
        assert_eq!(
            blocking::follow_appends(&mut machine, &log, now_ms),
            Err(blocking::FollowError::Hole { slot: 1 })
        );
        assert_eq!(machine.poll_delivery(), Ok(None));
        now_ms += 10;
    }
    log.borrow_mut().write(1, &message('b', 1)).unwrap();
    blocking::follow_appends(&mut machine, &log, now_ms).unwrap();
    assert_eq!(deliver(&mut machine).len(), 2);
}

#[test]
fn the_least_window_is_one_slot() {
    let mut machine = Machine::new(SubscriberConfig { window: 0, ..CONFIG });
    answer(&mut machine, 0, &[1, 2]);
    assert_eq!(deliver(&mut machine), ["a1@0:1:0"]);
    answer(&mut machine, 0, &[2]);
    assert_eq!(deliver(&mut machine), ["a2@0:2:0"]);
}

/// Makes a machine that has delivered slot 1, cannot read slot 2, and has found a skip of it.
fn with_a_skip_found() -> Machine {
    let mut machine = Machine::new(CONFIG);
    answer(&mut machine, 0, &[1]);
    assert_eq!(deliver(&mut machine), ["a1@0:1:0"]);
    machine.handle_entry(2, Entry::unreadable(Unreadable::Damaged)).unwrap();
    assert!(matches!(machine.obstacle(), Some(SubscribeError::Unreadable { slot: 2, .. })));
    let Some(SubscribeRequest::Read { from: 3, limit }) = poll(&mut machine, 0) else { panic!("no search") };
    let skip = Entry::skip(0, id('b', 1), 2);
    machine.handle_read(0, 3, limit, ReadAnswer::Entries(vec![(3, skip)])).unwrap();
    assert_eq!(machine.obstacle(), None);
    machine
}

#[test]
fn two_contents_are_an_obstacle_also_where_a_skip_was_found() {
    let mut machine = with_a_skip_found();
    machine.handle_entry(2, message('a', 2)).unwrap();
    assert!(matches!(machine.handle_entry(2, message('c', 1)), Err(SubscribeError::Conflict { slot: 2, .. })));
    assert_eq!(machine.obstacle(), Some(SubscribeError::Halted { slot: 2 }));
    assert_eq!((machine.poll_timeout(), machine.internal_validate()), (None, Ok(())));
}

#[test]
fn a_skip_in_a_log_that_was_rolled_back_counts_no_more() {
    let mut machine = with_a_skip_found();
    let before = Snapshot { next: 2, ..Snapshot::default() };
    let limit = ReadLimit::entries(2);
    let error = machine.handle_read(0, 1, limit, ReadAnswer::Entries(vec![(1, message('c', 1))])).unwrap_err();
    assert_eq!(error, SubscribeError::RolledBack { slot: 1 });
    machine.install(before).unwrap();
    machine.handle_entry(2, Entry::unreadable(Unreadable::Damaged)).unwrap();
    assert_eq!(deliver(&mut machine), [""; 0]);
    assert!(matches!(machine.obstacle(), Some(SubscribeError::Unreadable { slot: 2, .. })));
}

#[test]
fn nothing_of_a_late_answer_is_used_once_the_log_was_rolled_back() {
    let mut machine = Machine::new(CONFIG);
    answer(&mut machine, 0, &[1, 2]);
    assert_eq!(deliver(&mut machine), ["a1@0:1:0", "a2@0:2:0"]);
    let rolled_back = Err(SubscribeError::RolledBack { slot: 2 });
    let limit = ReadLimit::entries(2);
    for _ in 0..2 {
        let other = ReadAnswer::Entries(vec![(2, message('b', 1))]);
        assert_eq!(machine.handle_read(0, 2, limit, other), rolled_back);
    }
    assert_eq!(machine.handle_read(0, 3, limit, entries(&[3])), rolled_back);
    assert_eq!((machine.poll_request(1_000), machine.claimed()), (None, 2));
}
