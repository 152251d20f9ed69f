//! Each rule of the sending side, by name; over a counter and slots, and over an engine that appends.
#![cfg(feature = "alloc")]

use std::collections::BTreeMap;
use std::num::NonZeroU64;

use testkit::{below, random};

use happens_before::broadcast::{
    Abandoned, AppendAnswer, Content, Entry, NumberRequest, PublishError, PublishErrorKind, PublishRequest,
    Published, PublisherConfig, WriteAnswer,
};
use happens_before::{Dot, Publisher};

type Machine = Publisher<char, &'static str>;

fn publisher() -> Machine {
    Publisher::new('a', PublisherConfig { attempts: 3, jump: 100, ..PublisherConfig::default() })
}

fn id(number: u64) -> Dot<char> {
    Dot::new('a', number).unwrap()
}

fn other() -> Entry<char, &'static str> {
    Entry::message(0, Dot::new('b', 1).unwrap(), "other")
}

fn n(n: u64) -> NonZeroU64 {
    NonZeroU64::new(n).unwrap()
}

/// Hands in the number for the outstanding entry.
fn number(publisher: &mut Machine, number: u64) {
    let Some(PublishRequest::Numbers(take)) = publisher.poll_request() else { panic!("it has a number") };
    publisher.handle_numbers(&NumberRequest { n: n(1), ..take }, number).unwrap();
    assert_eq!(publisher.internal_validate(), Ok(()));
}

/// Makes a request for numbers, in epoch 0.
fn take(number: u64, count: u64) -> NumberRequest<char> {
    NumberRequest { id: id(number), epoch: 0, n: n(count) }
}

/// Hands in the answer to a write of the outstanding entry.
fn hear(
    publisher: &mut Machine,
    slot: u64,
    answer: WriteAnswer<char, &'static str>,
) -> Result<Option<Published<char>>, PublishError<Entry<char, &'static str>>> {
    let id = publisher.outstanding().map_or(id(1), |(entry, _)| *entry.id().unwrap());
    let heard = publisher.handle_write(&id, slot, answer);
    assert_eq!(publisher.internal_validate(), Ok(()));
    heard
}

fn assert_takes(publisher: &mut Machine, count: u64) {
    match publisher.poll_request() {
        Some(PublishRequest::Numbers(take)) => assert_eq!(take.n, n(count)),
        other => panic!("{other:?}"),
    }
}

/// Polls a write, and returns its slot and a copy of its entry.
fn write(publisher: &mut Machine) -> (u64, Entry<char, &'static str>) {
    match publisher.poll_request() {
        Some(PublishRequest::Write { slot, entry }) => (slot, entry.clone()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn takes_a_number_then_writes_the_slot_of_that_number_and_only_then_is_published() {
    let mut publisher = publisher();
    assert_eq!(publisher.poll_request(), None);
    assert_eq!(publisher.publish("hello"), Ok(id(1)));
    assert_takes(&mut publisher, 1);
    number(&mut publisher, 7);
    assert_eq!(write(&mut publisher), (7, Entry::message(0, id(1), "hello")));
    let published = hear(&mut publisher, 7, WriteAnswer::Written).unwrap().unwrap();
    assert_eq!((published.id, published.slot), (id(1), 7));
    assert_eq!((publisher.tail(), publisher.last()), (7, 1));
    assert_eq!(publisher.poll_request(), None);
}

#[test]
fn one_entry_is_outstanding_at_a_time_and_the_refused_payload_comes_back() {
    let mut publisher = publisher();
    publisher.publish("first").unwrap();
    let refused = publisher.publish("second").unwrap_err();
    assert_eq!((refused.value, refused.kind), ("second", PublishErrorKind::Busy));
    let refused = publisher.publish_batch(["x", "y"]).unwrap_err();
    assert_eq!((refused.value, refused.kind), (vec!["x", "y"], PublishErrorKind::Busy));
    assert_eq!(publisher.publish_marker().unwrap_err().kind, PublishErrorKind::Busy);
    assert_eq!(publisher.last(), 1, "nothing is numbered by a refusal");
}

#[test]
fn a_batch_is_one_entry_in_one_slot_with_consecutive_ids() {
    let mut publisher = publisher();
    assert_eq!(publisher.publish_batch(["x", "y", "z"]), Ok(id(1)));
    number(&mut publisher, 1);
    assert_eq!(write(&mut publisher).1, Entry::batch(0, id(1), ["x", "y", "z"]).unwrap());
    hear(&mut publisher, 1, WriteAnswer::Written).unwrap().unwrap();
    assert_eq!(publisher.publish_marker(), Ok(id(4)));
    assert_eq!(publisher.outstanding().unwrap().0, &Entry::marker(0, id(4)));
}

#[test]
fn an_empty_batch_is_refused() {
    let refused = publisher().publish_batch([]).unwrap_err();
    assert_eq!((refused.value, refused.kind), (vec![], PublishErrorKind::Empty));
    assert_eq!(Entry::<_, u8>::batch(0, id(1), []).unwrap_err().kind, PublishErrorKind::Empty);
}

#[test]
fn numbers_of_a_node_run_out_and_do_not_wrap() {
    let config = PublisherConfig::default();
    let mut publisher = Machine::resume('a', u64::MAX - 2, None, config).unwrap();
    let refused = publisher.publish_batch(["x", "y", "z"]).unwrap_err();
    assert!(matches!(refused.kind, PublishErrorKind::CounterExhausted));
    assert_eq!((refused.value.len(), publisher.last()), (3, u64::MAX - 2));
    assert_eq!(publisher.publish_batch(["x", "y"]), Ok(id(u64::MAX - 1)));
    publisher.abandon().unwrap();
    let refused = publisher.publish("z").unwrap_err();
    assert!(matches!(refused.kind, PublishErrorKind::CounterExhausted));
    assert!(publisher.publish_marker().is_err());
}

#[test]
fn an_unknown_outcome_is_settled_by_the_same_write_to_the_same_slot() {
    let mut publisher = publisher();
    publisher.publish("hello").unwrap();
    number(&mut publisher, 7);
    let first = write(&mut publisher);
    assert_eq!(write(&mut publisher), first, "no answer: once more");
    // The first write had landed.
    let published = hear(&mut publisher, 7, WriteAnswer::Occupied(first.1)).unwrap().unwrap();
    assert_eq!(published.slot, 7);
}

#[test]
fn ones_own_entry_of_another_epoch_is_success_too() {
    let entry = Entry::message(0, id(1), "hello");
    let mut publisher =
        Machine::resume('a', 0, Some((entry.clone(), Some(7))), PublisherConfig::default()).unwrap();
    publisher.enter(1, 9);
    assert!(hear(&mut publisher, 7, WriteAnswer::Occupied(entry)).unwrap().is_some());
}

#[test]
fn occupied_by_another_takes_a_new_number_and_keeps_the_id() {
    for occupant in [other(), Entry::fill(0)] {
        let mut publisher = publisher();
        publisher.publish("hello").unwrap();
        number(&mut publisher, 7);
        let (_, entry) = write(&mut publisher);
        assert_eq!(hear(&mut publisher, 7, WriteAnswer::Occupied(occupant)), Ok(None));
        assert_takes(&mut publisher, 1);
        number(&mut publisher, 9);
        assert_eq!(write(&mut publisher), (9, entry));
    }
}

#[test]
fn filled_away_again_and_again_ends_in_an_error_with_the_message() {
    let mut publisher = publisher();
    publisher.publish("hello").unwrap();
    for slot in 1..=3 {
        number(&mut publisher, slot);
        assert_eq!(hear(&mut publisher, slot, WriteAnswer::Occupied(Entry::fill(0))), Ok(None));
    }
    number(&mut publisher, 4);
    let error = hear(&mut publisher, 4, WriteAnswer::Occupied(Entry::fill(0))).unwrap_err();
    assert_eq!(error.value, Entry::message(0, id(1), "hello"));
    assert_eq!(error.kind, PublishErrorKind::FilledAway { times: 4 });
    assert_eq!(
        error.to_string(),
        "the slot was lost 4 times before the entry was written; let subscribers wait longer"
    );
    assert_eq!(publisher.publish("next"), Ok(id(2)), "the number is used, and may be skipped");
}

#[test]
fn behind_the_tail_the_difference_is_taken_at_once_and_does_not_count_as_filled_away() {
    let mut publisher = publisher();
    publisher.observe_tail(10);
    publisher.publish("hello").unwrap();
    for counter in [4, 5, 6] {
        number(&mut publisher, counter); // attempts: 3
        assert_takes(&mut publisher, 11 - counter);
    }
    publisher.handle_numbers(&take(1, 5), 7).unwrap(); // 7 ..= 11
    assert_eq!(write(&mut publisher).0, 11);
    for slot in [11, 12, 13] {
        assert_eq!(hear(&mut publisher, slot, WriteAnswer::Occupied(other())), Ok(None), "not yet too often");
        number(&mut publisher, slot + 1);
    }
}

#[test]
fn of_the_numbers_taken_the_lowest_above_the_tail_is_used() {
    let mut publisher = publisher();
    publisher.observe_tail(10);
    publisher.publish("hello").unwrap();
    // Another publisher had taken the difference too.
    publisher.handle_numbers(&take(1, 6), 12).unwrap();
    assert_eq!(write(&mut publisher).0, 12);
    let mut publisher = self::publisher();
    publisher.observe_tail(10);
    publisher.publish("hello").unwrap();
    publisher.handle_numbers(&take(1, 6), 8).unwrap();
    assert_eq!(write(&mut publisher).0, 11);
}

#[test]
fn at_the_tail_is_behind_it() {
    let mut publisher = publisher();
    publisher.observe_tail(10);
    publisher.publish("hello").unwrap();
    number(&mut publisher, 10);
    assert_takes(&mut publisher, 1);
}

#[test]
fn a_counter_that_stays_behind_ends_in_an_error_with_the_message() {
    let mut publisher = publisher();
    publisher.observe_tail(10);
    publisher.publish("hello").unwrap();
    for _ in 0..3 {
        number(&mut publisher, 5);
    }
    let error = publisher.handle_numbers(&take(1, 1), 5).unwrap_err();
    assert_eq!(error.kind, PublishErrorKind::CounterBehind { number: 5, tail: 10 });
    assert_eq!(error.value.id(), Some(&id(1)));
    assert_eq!(publisher.poll_request(), None);
}

#[test]
fn only_being_behind_many_times_in_a_row_is_an_error() {
    let mut publisher = publisher();
    publisher.observe_tail(10);
    publisher.publish("hello").unwrap();
    for tail in [10, 20] {
        for _ in 0..3 {
            number(&mut publisher, tail - 5); // attempts: 3
        }
        number(&mut publisher, tail + 1);
        assert_eq!(hear(&mut publisher, tail + 1, WriteAnswer::Occupied(other())), Ok(None));
        publisher.observe_tail(20);
    }
}

#[test]
fn an_absurd_jump_is_an_error_with_the_message_and_nothing_is_written() {
    let mut publisher = publisher();
    publisher.observe_tail(10);
    publisher.publish("hello").unwrap();
    number(&mut publisher, 110);
    assert_eq!(write(&mut publisher).0, 110, "as far as allowed");
    publisher.abandon();
    publisher.publish("hello").unwrap();
    let error = publisher.handle_numbers(&take(2, 1), 211).unwrap_err();
    assert_eq!(error.kind, PublishErrorKind::Jump { number: 211, tail: 110 });
    assert_eq!(error.value, Entry::message(0, id(2), "hello"));
}

#[test]
fn numbers_end_at_2_to_the_63() {
    let last = i64::MAX as u64;
    let mut publisher =
        Publisher::new('a', PublisherConfig { attempts: 3, jump: u64::MAX, ..PublisherConfig::default() });
    publisher.publish("hello").unwrap();
    number(&mut publisher, last);
    assert_eq!(write(&mut publisher).0, last);
    hear(&mut publisher, last, WriteAnswer::Written).unwrap().unwrap();
    publisher.publish("more").unwrap();
    let error = publisher.handle_numbers(&take(2, u64::MAX), last + 1).unwrap_err();
    assert!(matches!(error.kind, PublishErrorKind::Jump { .. }));
    publisher.observe_tail(u64::MAX);
    publisher.publish("more").unwrap();
    let error = publisher.handle_numbers(&take(3, 1), 0).unwrap_err();
    assert!(matches!(error.kind, PublishErrorKind::CounterBehind { .. }), "a difference of 2^64 is none");
}

/// Found by the simulation: a number taken for an earlier message was used for the next one. That could then be ordered
/// before a message that was acknowledged before it began.
#[test]
fn a_late_number_of_an_earlier_message_is_spent() {
    let mut publisher = publisher();
    publisher.publish("first").unwrap();
    assert_takes(&mut publisher, 1);
    publisher.abandon().unwrap();
    publisher.publish("second").unwrap();
    publisher.handle_numbers(&take(1, 1), 5).unwrap();
    assert_takes(&mut publisher, 1);
    publisher.handle_numbers(&take(2, 1), 9).unwrap();
    assert_eq!(write(&mut publisher).0, 9);
    publisher.handle_numbers(&take(2, 1), 12).unwrap();
    assert_eq!(write(&mut publisher).0, 9, "a second number is spent as well");
}

/// Found by the model: a number of the old counter may be far above those of the new one. Messages published later
/// would then be ordered before the one acknowledged here.
#[test]
fn a_late_number_of_the_old_counter_is_spent_once_a_new_epoch_is_entered() {
    let mut publisher = publisher();
    publisher.publish("hello").unwrap();
    let Some(PublishRequest::Numbers(old)) = publisher.poll_request() else { unreachable!() };
    publisher.enter(1, 4);
    let Some(PublishRequest::Numbers(new)) = publisher.poll_request() else { unreachable!() };
    assert_eq!((old.epoch, new.epoch), (0, 1));
    assert_eq!(publisher.handle_numbers(&old, 9), Ok(()));
    assert_eq!(
        publisher.handle_numbers(&NumberRequest { epoch: 2, ..new }, 9),
        Ok(()),
        "nor one of a counter to come"
    );
    assert_eq!(publisher.poll_request(), Some(PublishRequest::Numbers(new)), "nothing has changed");
    publisher.handle_numbers(&new, 5).unwrap();
    assert_eq!(write(&mut publisher), (5, Entry::message(1, id(1), "hello")));
}

/// A request for the difference to the old counter would leave as many holes in the slots of the new one, which begins
/// above the tail.
#[test]
fn a_new_counter_is_asked_for_one_number_however_far_behind_the_old_one_was() {
    let mut publisher = publisher();
    publisher.observe_tail(50);
    publisher.publish("hello").unwrap();
    for _ in 0..3 {
        number(&mut publisher, 5); // attempts: 3
        assert_takes(&mut publisher, 46);
    }
    publisher.enter(0, 50);
    assert_takes(&mut publisher, 46);
    publisher.enter(1, 60);
    assert_takes(&mut publisher, 1);
    number(&mut publisher, 5); // a lag of the new counter is counted from 0 again
    assert_takes(&mut publisher, 56);
}

/// Found by the simulation: a message was abandoned, the counter gave its number again, and the late answer that the
/// abandoned message is written was taken for that of the next one.
#[test]
fn a_late_answer_about_an_abandoned_message_settles_nothing_and_its_slot_is_not_used_again() {
    let mut publisher = publisher();
    publisher.publish("first").unwrap();
    number(&mut publisher, 7);
    write(&mut publisher);
    publisher.abandon().unwrap();
    publisher.publish("second").unwrap();
    number(&mut publisher, 7);
    assert_takes(&mut publisher, 1);
    number(&mut publisher, 8);
    assert_eq!(publisher.handle_write(&id(1), 8, WriteAnswer::Written), Ok(None));
    assert_eq!(write(&mut publisher).0, 8);
}

#[test]
fn a_late_answer_about_another_slot_settles_nothing() {
    let mut publisher = publisher();
    publisher.publish("hello").unwrap();
    number(&mut publisher, 7);
    assert_eq!(hear(&mut publisher, 7, WriteAnswer::Occupied(other())), Ok(None));
    assert_eq!(hear(&mut publisher, 7, WriteAnswer::Written), Ok(None), "not while a number is taken");
    number(&mut publisher, 9);
    assert_eq!(hear(&mut publisher, 7, WriteAnswer::Written), Ok(None));
    assert_eq!(hear(&mut publisher, 7, WriteAnswer::Sealed { epoch: 1 }), Ok(None));
    assert_eq!(write(&mut publisher).0, 9);
    assert!(hear(&mut publisher, 9, WriteAnswer::Written).unwrap().is_some());
    assert_eq!(hear(&mut publisher, 9, WriteAnswer::Written), Ok(None), "said once");
}

#[test]
fn sealed_waits_for_the_new_epoch_and_then_takes_a_new_number_in_it() {
    let mut publisher = publisher();
    publisher.publish("hello").unwrap();
    number(&mut publisher, 7);
    assert_eq!(hear(&mut publisher, 7, WriteAnswer::Sealed { epoch: 2 }), Ok(None));
    assert_eq!(publisher.poll_request(), Some(PublishRequest::EnterEpoch { epoch: 2 }));
    publisher.enter(1, 0);
    assert_eq!(publisher.poll_request(), Some(PublishRequest::EnterEpoch { epoch: 2 }), "not far enough");
    publisher.enter(2, 20);
    assert_takes(&mut publisher, 1);
    number(&mut publisher, 21);
    assert_eq!(write(&mut publisher), (21, Entry::message(2, id(1), "hello")));
    assert_eq!(hear(&mut publisher, 21, WriteAnswer::Sealed { epoch: 2 }), Ok(None), "a late answer");
    assert_eq!(write(&mut publisher).0, 21);
}

/// Found by the model: a counter whose epoch is over may be far below the tail, and each of its numbers is only one
/// slot further. A publisher that was idle while the epoch ended lost slot after slot to those that had gone on.
#[test]
fn a_slot_occupied_by_a_later_epoch_says_that_ones_own_is_over_and_is_not_being_filled_away() {
    let mut publisher = publisher();
    publisher.publish("x").unwrap();
    for epoch in 1..10 {
        number(&mut publisher, 7 * epoch);
        write(&mut publisher);
        let later = Entry::message(epoch, Dot::new('b', epoch).unwrap(), "other");
        assert_eq!(hear(&mut publisher, 7 * epoch, WriteAnswer::Occupied(later)), Ok(None));
        assert_eq!(publisher.poll_request(), Some(PublishRequest::EnterEpoch { epoch }));
        assert_eq!(publisher.outstanding().unwrap().1, None, "it is in no slot");
        publisher.enter(epoch, 7 * epoch);
        assert_takes(&mut publisher, 1);
    }
}

#[test]
fn what_is_outstanding_when_an_epoch_is_entered_is_settled_in_its_own_epoch_first() {
    let mut publisher = publisher();
    publisher.publish("hello").unwrap();
    number(&mut publisher, 7);
    write(&mut publisher);
    publisher.enter(1, 20);
    assert_eq!(write(&mut publisher), (7, Entry::message(0, id(1), "hello")));
    assert_eq!(hear(&mut publisher, 7, WriteAnswer::Sealed { epoch: 1 }), Ok(None));
    assert_takes(&mut publisher, 1);
    number(&mut publisher, 21);
    assert_eq!(write(&mut publisher).1.epoch(), 1);
}

#[test]
fn trimmed_at_the_first_try_is_not_stored_and_takes_a_number_above() {
    let mut publisher = publisher();
    publisher.publish("hello").unwrap();
    number(&mut publisher, 7);
    write(&mut publisher);
    assert_eq!(hear(&mut publisher, 7, WriteAnswer::Trimmed { first: 30 }), Ok(None));
    assert_eq!(publisher.tail(), 29);
    number(&mut publisher, 8);
    assert_takes(&mut publisher, 22);
}

#[test]
fn trimmed_after_an_unknown_outcome_is_unknown_and_says_how_to_find_out() {
    let mut publisher = publisher();
    publisher.publish("hello").unwrap();
    number(&mut publisher, 7);
    write(&mut publisher);
    write(&mut publisher);
    let error = hear(&mut publisher, 7, WriteAnswer::Trimmed { first: 30 }).unwrap_err();
    assert_eq!(error.kind, PublishErrorKind::OutcomeTrimmed { slot: 7, first: 30 });
    assert!(error.to_string().contains("look in a snapshot whether it is delivered"));
}

#[test]
fn another_content_under_ones_own_id_is_fatal_with_both_as_proof() {
    let mut publisher = publisher();
    publisher.publish("mine").unwrap();
    number(&mut publisher, 7);
    let twin = Entry::message(0, id(1), "not mine");
    let error = hear(&mut publisher, 7, WriteAnswer::Occupied(twin.clone())).unwrap_err();
    assert_eq!(error.value, Entry::message(0, id(1), "mine"));
    assert_eq!(error.kind, PublishErrorKind::Conflict { slot: 7, other: twin });
}

#[test]
fn a_restarted_publisher_settles_its_outstanding_write_before_anything_else() {
    let mut before = publisher();
    before.publish_batch(["x", "y"]).unwrap();
    number(&mut before, 7);
    let (entry, slot) = before.outstanding().map(|(entry, slot)| (entry.clone(), slot)).unwrap();
    assert_eq!(slot, Some(7));
    drop(before); // it dies after it has sent the write

    let config = PublisherConfig::default();
    let mut after = Machine::resume('a', 0, Some((entry.clone(), slot)), config).unwrap();
    assert_eq!(after.publish("z").unwrap_err().kind, PublishErrorKind::Busy);
    assert_eq!(write(&mut after), (7, entry.clone()));
    // The slot is trimmed already: the earlier publisher had sent the entry.
    assert!(hear(&mut after, 7, WriteAnswer::Trimmed { first: 8 }).is_err());
    assert_eq!(after.publish("z"), Ok(id(3)), "numbers go on");

    let mut after = Machine::resume('a', 1, Some((entry, None)), config).unwrap();
    assert_takes(&mut after, 1);
    assert_eq!(after.last(), 2);
}

#[test]
fn a_publisher_does_not_resume_with_what_is_not_its_own() {
    for entry in [other(), Entry::fill(0)] {
        let refused = Machine::resume('a', 0, Some((entry.clone(), None)), PublisherConfig::default());
        assert_eq!(refused.unwrap_err(), entry);
    }
    assert_eq!(
        Publisher::resume('a', 0, Some((other(), None)), PublisherConfig::over_appends()).unwrap_err(),
        other()
    );
}

#[test]
fn what_is_given_up_says_whether_it_can_be_stored() {
    let mut publisher = publisher();
    assert_eq!(publisher.abandon(), None);
    publisher.publish("hello").unwrap();
    let entry = |number| Entry::message(0, id(number), "hello");
    assert_eq!(publisher.abandon(), Some(Abandoned::NotStored { entry: entry(1) }));
    publisher.publish("hello").unwrap();
    number(&mut publisher, 7);
    assert_eq!(publisher.abandon(), Some(Abandoned::NotStored { entry: entry(2) }), "not polled");
    publisher.publish("hello").unwrap();
    number(&mut publisher, 8);
    write(&mut publisher);
    assert_eq!(publisher.abandon(), Some(Abandoned::Unknown { entry: entry(3), slot: Some(8) }));
    publisher.publish("hello").unwrap();
    number(&mut publisher, 9);
    write(&mut publisher);
    hear(&mut publisher, 9, WriteAnswer::Sealed { epoch: 1 }).unwrap();
    assert!(matches!(publisher.abandon(), Some(Abandoned::NotStored { .. })), "sealed is settled");
}

#[test]
fn an_unanswered_append_is_repeated_with_the_same_id() {
    let mut appending = Publisher::new('a', PublisherConfig::over_appends());
    assert_eq!(appending.poll_request(), None);
    appending.publish("hello").unwrap();
    let entry = Entry::message(0, id(1), "hello");
    for _ in 0..2 {
        assert_eq!(appending.poll_request(), Some(PublishRequest::Append { entry: &entry }));
    }
    assert_eq!(appending.publish("more").unwrap_err().kind, PublishErrorKind::Busy);
    let published = appending.handle_append(&id(1), AppendAnswer::Appended { slot: 4 }).unwrap().unwrap();
    assert_eq!((published.id, published.slot), (id(1), 4));
    // The answer to the other request comes when the next entry is outstanding.
    appending.publish_batch(["x", "y"]).unwrap();
    assert_eq!(appending.handle_append(&id(1), AppendAnswer::Appended { slot: 5 }), Ok(None));
    assert_eq!(appending.outstanding(), Some((&Entry::batch(0, id(2), ["x", "y"]).unwrap(), None)));
    assert_eq!(appending.last(), 3);
}

#[test]
fn a_sealed_append_waits_for_the_new_epoch() {
    let mut appending = Publisher::new('a', PublisherConfig::over_appends());
    appending.publish_marker().unwrap();
    assert_eq!(
        appending.poll_request(),
        Some(PublishRequest::Append { entry: &Entry::<_, ()>::marker(0, id(1)) })
    );
    assert_eq!(appending.handle_append(&id(1), AppendAnswer::Sealed { epoch: 2 }), Ok(None));
    assert_eq!(appending.poll_request(), Some(PublishRequest::EnterEpoch { epoch: 2 }));
    appending.enter(1, 0);
    assert_eq!(appending.poll_request(), Some(PublishRequest::EnterEpoch { epoch: 2 }));
    appending.enter(2, 0);
    assert_eq!(appending.poll_request(), Some(PublishRequest::Append { entry: &Entry::marker(2, id(1)) }));
    assert_eq!(appending.handle_append(&id(1), AppendAnswer::Sealed { epoch: 2 }), Ok(None), "a late answer");
    assert_eq!(appending.poll_request(), Some(PublishRequest::Append { entry: &Entry::marker(2, id(1)) }));
}

#[test]
fn a_given_up_append_is_unknown_once_it_was_sent() {
    let mut appending = Publisher::new('a', PublisherConfig::over_appends());
    appending.publish("hello").unwrap();
    let entry = Entry::message(0, id(1), "hello");
    assert_eq!(appending.abandon(), Some(Abandoned::NotStored { entry }));
    appending.publish("hello").unwrap();
    appending.poll_request();
    let entry = Entry::message(0, id(2), "hello");
    assert_eq!(appending.abandon(), Some(Abandoned::Unknown { entry, slot: None }));
    let mut appending = Publisher::resume(
        'a',
        5,
        Some((Entry::message(1, id(4), "hello"), None)),
        PublisherConfig::over_appends(),
    )
    .unwrap();
    assert_eq!(appending.last(), 5);
    assert!(matches!(appending.abandon(), Some(Abandoned::Unknown { slot: None, .. })));
    appending.publish("next").unwrap();
    assert_eq!(appending.outstanding().map(|(entry, _)| entry.epoch()), Some(1));
}

#[test]
fn a_publisher_over_appends_has_one_entry_outstanding_of_whichever_kind_in_its_epoch() {
    let mut appending = Publisher::resume('a', 5, None, PublisherConfig::over_appends()).unwrap();
    appending.enter(2, 0);
    appending.enter(1, 0); // this changes nothing
    let begin: [fn(&mut Publisher<char, &'static str>); 3] = [
        |appending| appending.publish("x").map(drop).unwrap(),
        |appending| appending.publish_batch(["x", "y"]).map(drop).unwrap(),
        |appending| appending.publish_marker().map(drop).unwrap(),
    ];
    for begin in begin {
        begin(&mut appending);
        let last = appending.last();
        assert_eq!(appending.publish("z").unwrap_err().kind, PublishErrorKind::Busy);
        assert_eq!(appending.publish_batch(["z"]).unwrap_err().kind, PublishErrorKind::Busy);
        assert_eq!(appending.publish_marker().unwrap_err().kind, PublishErrorKind::Busy);
        assert_eq!(appending.last(), last, "nothing is numbered by a refusal");
        assert_eq!(appending.outstanding().map(|(entry, _)| entry.epoch()), Some(2));
        assert!(matches!(appending.abandon(), Some(Abandoned::NotStored { .. })));
    }
    assert_eq!(appending.last(), 9);
}

#[test]
fn an_append_sealed_in_an_epoch_that_was_left_meanwhile_goes_on_at_once() {
    let mut appending = Publisher::new('a', PublisherConfig::over_appends());
    let hello = appending.publish("hello").unwrap();
    appending.poll_request();
    appending.enter(3, 0);
    assert_eq!(
        appending.outstanding().map(|(entry, _)| entry.epoch()),
        Some(0),
        "settled in its own epoch first"
    );
    assert_eq!(appending.handle_append(&hello, AppendAnswer::Sealed { epoch: 2 }), Ok(None));
    let entry = &Entry::message(3, hello, "hello");
    assert_eq!(appending.poll_request(), Some(PublishRequest::Append { entry }));
}

#[test]
fn answers_for_the_other_kind_of_log_are_ignored() {
    let mut slots = publisher();
    slots.publish("hello").unwrap();
    let append = AppendAnswer::Appended { slot: 1 };
    assert_eq!(slots.handle_append(&id(1), append), Ok(None));
    number(&mut slots, 7);
    write(&mut slots);
    assert_eq!(slots.handle_append(&id(1), append), Ok(None));
    assert_eq!(slots.outstanding().unwrap().1, Some(7));

    let mut appends = Machine::new('a', PublisherConfig::over_appends());
    appends.publish("hello").unwrap();
    assert_eq!(appends.handle_numbers(&take(1, 1), 7), Ok(()));
    assert_eq!(hear(&mut appends, 7, WriteAnswer::Written), Ok(None));
    assert!(matches!(appends.poll_request(), Some(PublishRequest::Append { .. })));
}

#[test]
fn the_error_of_a_publisher_does_not_print_what_it_hands_back() {
    let mut publisher = publisher();
    publisher.publish("a secret").unwrap();
    let busy = publisher.publish("another secret").unwrap_err();
    assert_eq!(busy.to_string(), "another entry is outstanding; publish when it is settled");
    number(&mut publisher, 7);
    let twin = Entry::message(0, id(1), "a twin's secret");
    let conflict = hear(&mut publisher, 7, WriteAnswer::Occupied(twin)).unwrap_err();
    assert!(!conflict.to_string().contains("secret"), "{conflict}");
}

#[test]
fn a_batch_of_one_is_a_message() {
    let batch = Entry::batch(7, id(1), ["x"]).unwrap();
    assert_eq!((&batch, batch.epoch(), batch.numbers()), (&Entry::message(7, id(1), "x"), 7, 1));
    let Content::Messages { payloads, .. } = batch.into_content() else { panic!("messages") };
    assert_eq!(payloads.into_vec(), ["x"]);
    assert_eq!(Entry::<_, ()>::marker(7, id(1)).numbers(), 1);
    assert_eq!(Entry::<char, ()>::fill(7).numbers(), 0);
}

#[test]
fn a_skip_and_a_retirement_take_a_number_each_and_a_refusal_hands_back_what_they_name() {
    let mut publisher = publisher();
    assert_eq!(publisher.publish_skip(7), Ok(id(1)));
    assert_eq!(publisher.outstanding().unwrap().0, &Entry::skip(0, id(1), 7));
    assert_eq!(publisher.publish_skip(8).unwrap_err().value, 8);
    assert_eq!(publisher.publish_retirement('b').unwrap_err().value, 'b');
    number(&mut publisher, 9);
    hear(&mut publisher, 9, WriteAnswer::Written).unwrap().unwrap();
    assert_eq!(publisher.publish_retirement('b'), Ok(id(2)));
    assert_eq!(publisher.outstanding().unwrap().0, &Entry::retire(0, id(2), 'b'));

    let mut appending: Publisher<_, ()> =
        Publisher::resume('a', 4, None, PublisherConfig::over_appends()).unwrap();
    appending.enter(3, 0);
    assert_eq!(appending.publish_skip(7), Ok(id(5)));
    assert_eq!(appending.outstanding(), Some((&Entry::skip(3, id(5), 7), None)));
    assert_eq!(appending.publish_retirement('b').unwrap_err().value, 'b');
    appending.abandon();
    assert_eq!(appending.publish_retirement('b'), Ok(id(6)));
    assert_eq!(appending.outstanding(), Some((&Entry::retire(3, id(6), 'b'), None)));
    assert_eq!(appending.publish_skip(8).unwrap_err().value, 8);
}

#[test]
fn a_number_that_is_used_ends_in_an_error_with_the_message_and_the_next_one_goes_above() {
    let mut publisher = publisher();
    publisher.publish("mine").unwrap();
    number(&mut publisher, 7);
    let error = hear(&mut publisher, 7, WriteAnswer::NumberUsed { highest: 5 }).unwrap_err();
    assert_eq!(error.value, Entry::message(0, id(1), "mine"));
    assert_eq!(error.kind, PublishErrorKind::NumberUsed { highest: 5 });
    assert_eq!(publisher.publish("mine"), Ok(id(6)));
    number(&mut publisher, 8);
    let (_, entry) = write(&mut publisher);
    let error = hear(&mut publisher, 8, WriteAnswer::Occupied(entry)).unwrap_err();
    assert_eq!(
        error.kind,
        PublishErrorKind::NumberUsed { highest: 6 },
        "another has written it: it is sent once"
    );
    assert_eq!(publisher.publish("mine"), Ok(id(7)));

    let mut appending = Publisher::new('a', PublisherConfig::over_appends());
    appending.publish("mine").unwrap();
    let error = appending.handle_append(&id(1), AppendAnswer::NumberUsed { highest: 5 }).unwrap_err();
    assert_eq!(error.kind, PublishErrorKind::NumberUsed { highest: 5 });
    assert_eq!(appending.publish("mine"), Ok(id(6)));
    appending.poll_request();
    let error = appending.handle_append(&id(6), AppendAnswer::AlreadyAppended { slot: 9 }).unwrap_err();
    assert_eq!(
        error.kind,
        PublishErrorKind::NumberUsed { highest: 6 },
        "another has appended it: it is sent once"
    );
    assert_eq!(appending.publish("mine"), Ok(id(7)));
}

#[test]
fn a_slot_below_that_of_an_earlier_message_is_given_up_for_a_higher_one() {
    let mut publisher = publisher();
    publisher.publish("x").unwrap();
    number(&mut publisher, 7);
    let (_, entry) = write(&mut publisher);
    assert_eq!(hear(&mut publisher, 7, WriteAnswer::NumberUsed { highest: 0 }), Ok(None));
    number(&mut publisher, 9);
    assert_eq!(write(&mut publisher), (9, entry));
}

/// A log gives forbidden answers. An entry is always settled or handed back in an error, within the number of answers
/// that the module's documentation names.
#[test]
fn answers_that_make_no_sense_end_in_an_error_with_the_message() {
    let mut random = random();
    let mut seen = BTreeMap::<_, u32>::new();
    for _ in 0..3_000 {
        let attempts = below(&mut random, 5) as u32;
        let mut publisher =
            Publisher::new('a', PublisherConfig { attempts, jump: 1 << 20, ..PublisherConfig::default() });
        // Each run prefers some answers, so that each of them is also met for ever.
        let preferred = below(&mut random, 6);
        let most = (attempts + 1) * (attempts + 2);
        let published = publisher.publish("hello").unwrap();
        let mut answers = 0;
        let kind = loop {
            publisher.internal_validate().unwrap();
            answers += 1;
            assert!(answers <= most, "{answers} answers, {attempts} attempts");
            let kind = if below(&mut random, 4) == 0 { below(&mut random, 6) } else { preferred };
            let small = below(&mut random, 3);
            match publisher.poll_request() {
                Some(PublishRequest::Numbers(take)) => {
                    let first = if kind == 0 { small } else { publisher.tail() + small };
                    if let Err(error) = publisher.handle_numbers(&take, first) {
                        break Some(error);
                    }
                }
                Some(PublishRequest::Write { slot, .. }) => {
                    let answer = match kind {
                        0 => WriteAnswer::Occupied(Entry::fill(0)),
                        1 => WriteAnswer::Sealed { epoch: 0 },
                        2 => WriteAnswer::Trimmed { first: slot },
                        3 => WriteAnswer::NumberUsed { highest: small },
                        4 => WriteAnswer::Occupied(other()),
                        _ if small == 0 => WriteAnswer::Written,
                        _ => WriteAnswer::Trimmed { first: 0 },
                    };
                    match publisher.handle_write(&published, slot, answer) {
                        Ok(None) => {}
                        Ok(Some(_)) => break None,
                        Err(error) => break Some(error),
                    }
                }
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(publisher.poll_request(), None);
        if let Some(error) = &kind {
            assert_eq!(error.value, Entry::message(0, published, "hello"));
        }
        let name = kind.map_or("published".to_string(), |error| format!("{:?}", error.kind));
        *seen.entry(name.split([' ', '{']).next().unwrap().to_string()).or_default() += 1;
    }
    for kind in ["published", "FilledAway", "Sealed", "NumberUsed", "CounterBehind", "OutcomeTrimmed"] {
        assert!(seen.get(kind).is_some_and(|&times| times >= 10), "{kind}: {seen:?}");
    }
}

#[test]
fn appends_whose_answers_make_no_sense_end_in_an_error_with_the_message() {
    for slot in [0, u64::MAX] {
        for answer in [AppendAnswer::Appended { slot }, AppendAnswer::AlreadyAppended { slot }] {
            let mut appending = Publisher::new('a', PublisherConfig::over_appends());
            let hello = appending.publish("hello").unwrap();
            appending.poll_request();
            appending.poll_request();
            let error = appending.handle_append(&hello, answer).unwrap_err();
            assert_eq!(error.value, Entry::message(0, hello, "hello"));
            assert_eq!(error.kind, PublishErrorKind::NoSuchSlot { slot });
        }
    }
    let mut appending = Publisher::new('a', PublisherConfig::over_appends());
    let hello = appending.publish("hello").unwrap();
    for _ in 0..16 {
        assert!(appending.poll_request().is_some());
        assert_eq!(appending.handle_append(&hello, AppendAnswer::Sealed { epoch: 0 }), Ok(None));
    }
    let error = appending.handle_append(&hello, AppendAnswer::Sealed { epoch: 0 }).unwrap_err();
    assert_eq!(error.kind, PublishErrorKind::Sealed { epoch: 0, times: 17 });
    assert_eq!(appending.poll_request(), None);
}
