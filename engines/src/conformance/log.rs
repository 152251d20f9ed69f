//! The checks of a log: the same answers as the log in memory, and the promises L1 to L7 while others write.

use core::cell::RefCell;
use core::fmt::Debug;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use happens_before::Dot;
use happens_before::broadcast::{
    AppendAnswer, AppendLog, Entry, Log, MemoryLog, ReadAnswer, ReadLimit, SlotLog, Unreadable, WriteAnswer,
};

type Node = u64;
type Payload = Vec<u8>;
type Said = Entry<Node, Payload>;

const REQUESTS: usize = 300;
const THREADS: u64 = 4;
const EACH: u64 = 25;

/// Checks a [`SlotLog`]: see [the table](super).
///
/// # Panics
///
/// If it breaks a promise.
pub fn slots<L>(new: impl Fn() -> L, restart: impl Fn(L) -> L)
where
    L: SlotLog<Node = Node, Payload = Payload> + Sync,
    L::Error: Debug,
{
    answers_as_in_memory(&new, &restart, &|log, model, entry, random| {
        let slot = random.u64(..14);
        let (here, there) = (log.write(slot, entry).expect("write"), model.write(slot, entry).expect("room"));
        assert_eq!(here, there, "write({slot}, {entry:?})");
    });
    out_of_range(&new());
    trimmed_beyond_the_tail(&new());
    one_writer_wins(&new());
    sealed_is_sealed(&new(), &|log, thread, n, entry| {
        let slot = n * THREADS + thread + 1;
        match log.write(slot, entry).expect("write") {
            WriteAnswer::Written => Some(slot),
            WriteAnswer::Sealed { .. } => None,
            other => panic!("{other:?} for slot {slot}, which is nobody else's"),
        }
    });
    trimmed_is_trimmed(&new());
    numbers_go_up(new(), &restart, &|log, slot, entry| match log.write(slot, entry).expect("write") {
        WriteAnswer::Written => Stored::Yes,
        WriteAnswer::Sealed { .. } => Stored::Sealed,
        WriteAnswer::NumberUsed { highest } => Stored::Used(highest),
        other => panic!("{other:?} for slot {slot}, which is empty"),
    });
    a_number_is_stored_once(&new(), &|log, thread, number, entry| {
        matches!(log.write(4 * number + thread, entry).expect("write"), WriteAnswer::Written)
    });
    a_refused_write_uses_no_number(&new());
    a_read_within_few_bytes_gets_on(&new(), &|log, slot, entry| {
        assert_eq!(log.write(2 * slot, entry).expect("write"), WriteAnswer::Written);
    });
}

/// Checks an [`AppendLog`]: see [the table](super).
///
/// # Panics
///
/// If it breaks a promise.
pub fn appends<L>(new: impl Fn() -> L, restart: impl Fn(L) -> L)
where
    L: AppendLog<Node = Node, Payload = Payload> + Sync,
    L::Error: Debug,
{
    answers_as_in_memory(&new, &restart, &|log, model, entry, _| {
        assert_eq!(log.append(entry).expect("append"), model.append(entry).expect("room"), "append {entry:?}");
    });
    let append = |log: &L, _, _, entry: &Said| match log.append(entry).expect("append") {
        AppendAnswer::Appended { slot } => Some(slot),
        AppendAnswer::AlreadyAppended { .. }
        | AppendAnswer::Sealed { .. }
        | AppendAnswer::NumberUsed { .. } => None,
    };
    let log = new();
    trimmed_beyond_the_tail(&log);
    assert_eq!(append(&log, 0, 0, &message(2, 1, 1)), Some(10), "the slot after those that are trimmed");
    sealed_is_sealed(&new(), &append);
    no_hole_at_any_moment(&new());
    numbers_go_up(new(), &restart, &|log, _, entry| match log.append(entry).expect("append") {
        AppendAnswer::Appended { .. } => Stored::Yes,
        AppendAnswer::Sealed { .. } => Stored::Sealed,
        AppendAnswer::NumberUsed { highest } => Stored::Used(highest),
        AppendAnswer::AlreadyAppended { slot } => panic!("{entry:?} was not appended in slot {slot}"),
    });
    let log = new();
    a_number_is_stored_once(&log, &|log, _, _, entry| {
        matches!(log.append(entry).expect("append"), AppendAnswer::Appended { .. })
    });
    let numbers: Vec<u64> = entries(&log, 1).iter().filter_map(|(_, entry)| entry.last_number()).collect();
    assert!(numbers.is_sorted(), "the numbers of a node go down: {numbers:?}");
    a_repeated_append_says_where_the_first_is(&new());
    a_read_within_few_bytes_gets_on(&new(), &|log, _, entry| {
        assert!(matches!(log.append(entry).expect("append"), AppendAnswer::Appended { .. }));
    });
}

/// Checks that an unreadable slot is answered as unreadable, and harms no other slot; for logs of either kind.
///
/// `log` is new. `put` stores an entry in the slot, which is the next one. `damage` changes the stored bytes of the
/// slot, and returns the same log.
///
/// # Panics
///
/// If it breaks a promise.
pub fn unreadable<L>(log: L, put: impl Fn(&L, u64, &Entry<u64, Vec<u8>>), damage: impl FnOnce(L, u64) -> L)
where
    L: Log<Node = Node, Payload = Payload>,
    L::Error: Debug,
{
    let mut said: Vec<(u64, Said)> = (1..=5).map(|slot| (slot, message(0, 1, slot))).collect();
    for (slot, entry) in &said {
        put(&log, *slot, entry);
    }
    let log = damage(log, 3);
    said[2].1 = Entry::unreadable(Unreadable::Damaged);
    for from in 1..=6 {
        assert_eq!(entries(&log, from), said[from as usize - 1..], "read from {from}");
    }
    let one = log.read(3, ReadLimit::entries(1)).expect("read");
    assert_eq!(one, ReadAnswer::Entries(vec![said[2].clone()]));
    // Everything else goes on.
    put(&log, 6, &message(0, 1, 6));
    assert_eq!(log.seal(0).expect("seal").tail, 6);
    assert_eq!(log.trim(4).expect("trim"), 4);
    assert_eq!(entries(&log, 4)[..2], said[3..]);
}

/// The result of a request to store.
#[derive(Debug, PartialEq)]
enum Stored {
    Yes,
    Sealed,
    Used(u64),
}

/// Checks L6, one request after another, over restarts; `put` is given an empty slot.
fn numbers_go_up<L>(mut log: L, restart: &impl Fn(L) -> L, put: &dyn Fn(&L, u64, &Said) -> Stored)
where
    L: Log<Node = Node, Payload = Payload>,
    L::Error: Debug,
{
    let id = |node, number| Dot::new(node, number).expect("not 0");
    let batch = |first| Entry::batch(0, first, [vec![1], vec![2], vec![3]]).expect("not empty");
    let cases = [
        (message(0, 1, 5), Stored::Yes),
        (message(0, 1, 4), Stored::Used(5)),
        (Entry::marker(0, id(1, 5)), Stored::Used(5)),
        (message(0, 2, 5), Stored::Yes), // another node has numbers of its own
        (batch(id(1, 6)), Stored::Yes),
        (message(0, 1, 8), Stored::Used(8)), // the last of the batch
        (batch(id(1, 7)), Stored::Used(8)),
        (Entry::skip(0, id(1, 8), 1), Stored::Used(8)),
        (Entry::fill(0), Stored::Yes), // no number
        (message(0, 1, 9), Stored::Yes),
        // A retired node has used no number. After a refused retirement it still has.
        (Entry::retire(0, id(1, 9), 2), Stored::Used(9)),
        (message(0, 2, 3), Stored::Used(5)),
        (Entry::retire(0, id(1, 10), 2), Stored::Yes),
        (message(0, 2, 3), Stored::Yes),
        (message(0, 2, 3 + u64::from(u32::MAX)), Stored::Yes),
        (Entry::retire(0, id(2, 4), 2), Stored::Used(3 + u64::from(u32::MAX))),
        (Entry::retire(0, id(2, u64::MAX), 2), Stored::Yes), // retires itself
        (message(0, 2, 1), Stored::Yes),
        (message(0, 3, u64::MAX), Stored::Yes),
        (Entry::marker(0, id(3, u64::MAX)), Stored::Used(u64::MAX)),
    ];
    for (slot, (entry, expected)) in (1..).zip(&cases) {
        assert_eq!(put(&log, slot, entry), *expected, "{entry:?} as request {slot}");
        log = restart(log);
    }
    // A trimmed entry has used its number all the same.
    log.trim(1_000).expect("trim");
    assert_eq!(put(&log, 1_000, &message(0, 1, 10)), Stored::Used(10));
    // The epoch is checked before the number.
    log.seal(1).expect("seal");
    assert_eq!(put(&log, 1_000, &message(0, 1, 10)), Stored::Sealed);
    assert_eq!(put(&log, 1_000, &message(1, 1, 10)), Stored::Used(10));
    assert_eq!(put(&log, 1_000, &message(1, 1, 11)), Stored::Yes);
}

/// Checks L6 between threads: several publishers of one name use all numbers, and each number is stored once at most.
///
/// `put` takes a thread, a number and an entry, and returns whether the entry is stored.
fn a_number_is_stored_once<L>(log: &L, put: &(impl Fn(&L, u64, u64, &Said) -> bool + Sync))
where
    L: Log<Node = Node, Payload = Payload> + Sync,
    L::Error: Debug,
{
    let mut told: Vec<u64> = thread::scope(|scope| {
        let publisher = |thread| {
            move || {
                // Each thread writes its own payload, so that none takes the entry of another for its own.
                let said = |number| Entry::message(0, Dot::new(7, number).expect("not 0"), vec![thread as u8]);
                (1..=EACH).filter(|&number| put(log, thread, number, &said(number))).collect::<Vec<u64>>()
            }
        };
        let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(publisher(thread))).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("no thread panics")).collect()
    });
    let mut stored: Vec<u64> = entries(log, 1).iter().filter_map(|(_, entry)| entry.last_number()).collect();
    told.sort_unstable();
    stored.sort_unstable();
    assert_eq!(stored, told, "what is stored is what was answered");
    stored.dedup();
    assert_eq!(stored.len(), told.len(), "a number is stored twice: {told:?}");
    assert_eq!(stored.last(), Some(&EACH), "somebody stored the last number");
}

/// Checks L6: a number is used once its entry is stored, and not before.
fn a_refused_write_uses_no_number<L>(log: &L)
where
    L: SlotLog<Node = Node, Payload = Payload>,
    L::Error: Debug,
{
    assert_eq!(log.write(1, &message(0, 1, 1)).expect("write"), WriteAnswer::Written);
    let refused = log.write(1, &message(0, 2, 9)).expect("write");
    assert_eq!(refused, WriteAnswer::Occupied(message(0, 1, 1)));
    assert_eq!(log.write(2, &message(0, 2, 3)).expect("write"), WriteAnswer::Written);
    // A later number is not stored in a lower slot either.
    assert_eq!(log.write(9, &message(0, 4, 1)).expect("write"), WriteAnswer::Written);
    assert_eq!(log.write(8, &message(0, 4, 2)).expect("write"), WriteAnswer::NumberUsed { highest: 1 });
    assert_eq!(log.write(8, &message(0, 5, 1)).expect("write"), WriteAnswer::Written);
    assert_eq!(log.write(10, &message(0, 4, 2)).expect("write"), WriteAnswer::Written);
    // The slot is checked before the number.
    let repeated = log.write(2, &message(0, 2, 3)).expect("write");
    assert_eq!(repeated, WriteAnswer::Occupied(message(0, 2, 3)));
    // A later number is stored only in a higher slot.
    assert_eq!(log.write(5, &message(0, 1, 2)).expect("write"), WriteAnswer::Written);
    let refused = log.write(4, &message(0, 1, 3)).expect("write");
    assert_eq!(refused, WriteAnswer::NumberUsed { highest: 2 });
    assert_eq!(log.write(6, &message(0, 1, 3)).expect("write"), WriteAnswer::Written);
    log.trim(3).expect("trim");
    let refused = log.write(1, &message(0, 2, 9)).expect("write");
    assert_eq!(refused, WriteAnswer::Trimmed { first: 3 });
    assert_eq!(log.write(3, &message(0, 2, 4)).expect("write"), WriteAnswer::Written);
}

/// Checks that a repeated append is answered with the slot of the first, if that is the last of its node and not
/// trimmed.
fn a_repeated_append_says_where_the_first_is<L>(log: &L)
where
    L: AppendLog<Node = Node, Payload = Payload> + Sync,
    L::Error: Debug,
{
    let append = |entry: &Said| log.append(entry).expect("append");
    let answers: Vec<AppendAnswer> = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(|| append(&message(0, 1, 1)))).collect();
        threads.into_iter().map(|thread| thread.join().expect("no thread panics")).collect()
    });
    let appended = answers.iter().filter(|&&answer| answer == AppendAnswer::Appended { slot: 1 }).count();
    let found = answers.iter().filter(|&&answer| answer == AppendAnswer::AlreadyAppended { slot: 1 }).count();
    assert_eq!((appended, found as u64), (1, THREADS - 1), "{answers:?}");

    assert_eq!(append(&message(0, 2, 1)), AppendAnswer::Appended { slot: 2 });
    let other = Entry::message(0, Dot::new(1, 1).expect("not 0"), b"other".to_vec());
    assert_eq!(append(&other), AppendAnswer::NumberUsed { highest: 1 });
    assert_eq!(append(&message(1, 1, 1)), AppendAnswer::NumberUsed { highest: 1 }, "of another epoch");
    // It is checked before the epoch, which is over by now.
    log.seal(1).expect("seal");
    assert_eq!(append(&message(0, 1, 1)), AppendAnswer::AlreadyAppended { slot: 1 });
    assert_eq!(append(&other), AppendAnswer::Sealed { epoch: 1 });
    assert_eq!(append(&message(1, 1, 2)), AppendAnswer::Appended { slot: 3 });
    assert_eq!(append(&message(1, 1, 1)), AppendAnswer::NumberUsed { highest: 2 }, "not the last any more");
    log.trim(4).expect("trim");
    assert_eq!(append(&message(1, 1, 2)), AppendAnswer::NumberUsed { highest: 2 }, "nobody knows what it was");
}

/// Checks that a read returns two entries or all that exist, even within few bytes, and that reading on reaches the
/// end.
fn a_read_within_few_bytes_gets_on<L>(log: &L, put: &dyn Fn(&L, u64, &Said))
where
    L: Log<Node = Node, Payload = Payload>,
    L::Error: Debug,
{
    for number in 1..=7 {
        put(log, number, &Entry::message(0, Dot::new(1, number).expect("not 0"), vec![7; 1_000]));
    }
    let all = entries(log, 1);
    for bytes in [0, 1, 1_500, 2_500, 3_300, 100_000] {
        let (mut found, mut from) = (Vec::new(), 1);
        loop {
            let read = log.read(from, ReadLimit { entries: 5, bytes }).expect("read");
            let ReadAnswer::Entries(some) = read else { panic!("nobody trims") };
            let Some(&(slot, _)) = some.last() else { break };
            assert!(some.len() >= 2.min(all.len() - found.len()) && some.len() <= 5, "{some:?}");
            found.extend(some);
            from = slot + 1;
        }
        assert_eq!(found, all, "within {bytes} bytes a read");
    }
}

fn message(epoch: u64, node: u64, number: u64) -> Said {
    Entry::message(epoch, Dot::new(node, number).expect("numbers begin at 1"), vec![7; (number % 5) as usize])
}

fn entries<L: Log<Node = Node, Payload = Payload>>(log: &L, from: u64) -> Vec<(u64, Said)>
where
    L::Error: Debug,
{
    match log.read(from, ReadLimit::entries(usize::MAX)).expect("read") {
        ReadAnswer::Entries(entries) => entries,
        ReadAnswer::Trimmed { first } => panic!("{from} is trimmed below {first}"),
    }
}

type Write<'a, L> = dyn Fn(&L, &RefCell<MemoryLog<Node, Payload>>, &Said, &mut fastrand::Rng) + 'a;

fn answers_as_in_memory<L>(new: &impl Fn() -> L, restart: &impl Fn(L) -> L, write: &Write<'_, L>)
where
    L: Log<Node = Node, Payload = Payload>,
    L::Error: Debug,
{
    let seed = super::seed(7);
    println!("HAPPENS_BEFORE_SEED={seed}");
    let random = &mut fastrand::Rng::with_seed(seed);
    let (mut log, model) = (new(), RefCell::new(MemoryLog::new(1_000)));
    let (mut first, mut last) = (1, Entry::fill(0));
    for request in 1..=REQUESTS as u64 {
        match random.u8(..100) {
            0..60 => {
                // Most numbers are new, some were used before.
                let (epoch, number) = (random.u64(..4), (8 + 3 * request).saturating_sub(random.u64(..10)));
                let id = Dot::new(random.u64(..3), number).expect("not 0");
                last = match random.u8(..20) {
                    0..3 => last, // once more
                    3..6 => Entry::fill(epoch),
                    6..9 => Entry::marker(epoch, id),
                    9..13 => Entry::batch(epoch, id, [vec![1], vec![], vec![2, 3]]).expect("not empty"),
                    13 => Entry::skip(epoch, id, random.u64(..20)),
                    14 => Entry::retire(epoch, id, random.u64(..3)),
                    _ => Entry::message(epoch, id, vec![0; 300]),
                };
                write(&log, &model, &last, random);
            }
            60..90 => {
                let (from, limit) = (random.u64(..first + 14), ReadLimit::entries(random.usize(..5)));
                let (here, there) = (log.read(from, limit).expect("read"), model.borrow().read(from, limit));
                if let (ReadAnswer::Entries(here), ReadAnswer::Entries(there)) = (&here, &there) {
                    // An engine may return fewer entries, but not none.
                    assert!(
                        there.starts_with(here) && here.is_empty() == there.is_empty(),
                        "{here:?}, not {there:?}"
                    );
                } else {
                    assert_eq!(here, there, "read({from}, {limit:?})");
                }
            }
            90..93 => {
                let epoch = random.u64(..1 + request / 80);
                assert_eq!(log.seal(epoch).expect("seal"), model.borrow_mut().seal(epoch), "seal({epoch})");
            }
            93..96 => {
                // This may trim a slot that was never reached.
                let below = random.u64(..first + 4);
                first = model.borrow_mut().trim(below);
                assert_eq!(log.trim(below).expect("trim"), first, "trim({below})");
            }
            _ => log = restart(log),
        }
    }
    let first = model.borrow_mut().trim(0);
    assert_eq!(
        ReadAnswer::Entries(entries(&log, first)),
        model.borrow().read(first, ReadLimit::entries(usize::MAX))
    );
}

/// Checks numbers beyond all slots: they are refused or find nothing, and do no harm.
fn out_of_range<L>(log: &L)
where
    L: SlotLog<Node = Node, Payload = Payload>,
    L::Error: Debug,
{
    let entry = message(0, 1, 1);
    assert!(matches!(log.write(0, &entry), Ok(WriteAnswer::Trimmed { first: 1 })));
    assert!(!matches!(log.write(u64::MAX, &entry), Ok(WriteAnswer::Written)));
    assert!(!matches!(log.write(1 << 63, &entry), Ok(WriteAnswer::Written)));
    for from in [1, i64::MAX as u64, 1 << 63, u64::MAX] {
        assert!(entries(log, from).is_empty(), "nothing is written from {from} on");
    }
    assert!(matches!(log.read(0, ReadLimit::entries(1)), Ok(ReadAnswer::Trimmed { first: 1 })));
    assert_eq!(log.write(1, &entry).expect("write"), WriteAnswer::Written);
}

/// Checks that a trimmed slot counts as occupied, even if it was never written.
fn trimmed_beyond_the_tail<L>(log: &L)
where
    L: Log<Node = Node, Payload = Payload>,
    L::Error: Debug,
{
    assert_eq!(log.trim(10).expect("trim"), 10);
    assert_eq!(log.trim(4).expect("trim"), 10, "marks do not go back");
    let sealed = log.seal(1).expect("seal");
    assert_eq!((sealed.epoch, sealed.tail), (1, 9));
}

/// Checks L1: all threads write every slot. For each slot, one is answered that it has written, and all others are
/// shown its entry.
fn one_writer_wins<L>(log: &L)
where
    L: SlotLog<Node = Node, Payload = Payload> + Sync,
    L::Error: Debug,
{
    let answers: Vec<Vec<_>> = thread::scope(|scope| {
        let writer = |node| {
            move || (1..=EACH).map(|slot| log.write(slot, &message(0, node, slot)).expect("write")).collect()
        };
        let threads: Vec<_> = (0..THREADS).map(|node| scope.spawn(writer(node))).collect();
        threads.into_iter().map(|thread| thread.join().expect("no thread panics")).collect()
    });
    let stored = BTreeMap::from_iter(entries(log, 1));
    assert_eq!(stored.len() as u64, EACH);
    for (&slot, winner) in &stored {
        for (node, answers) in (0..).zip(&answers) {
            let answer = &answers[slot as usize - 1];
            if *winner == message(0, node, slot) {
                assert_eq!(*answer, WriteAnswer::Written, "{winner:?} stands in slot {slot}");
            } else {
                assert_eq!(*answer, WriteAnswer::Occupied(winner.clone()));
            }
        }
    }
}

/// Checks L4 while writers write without end: once `seal` has answered, no entry of an earlier epoch is stored.
///
/// `put` takes a thread, the count of its writes, and an entry. It returns the slot, or `None` if the log is sealed.
fn sealed_is_sealed<L>(log: &L, put: &(impl Fn(&L, u64, u64, &Said) -> Option<u64> + Sync))
where
    L: Log<Node = Node, Payload = Payload> + Sync,
    L::Error: Debug,
{
    // No writer runs far ahead of a slow seal: the log may have room for only some thousand entries.
    let (written, allowed) = (&AtomicU64::new(0), &AtomicU64::new(20 * EACH));
    let (tail, at_seal, told) = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                scope.spawn(move || {
                    let mut told = Vec::new();
                    while let Some(slot) =
                        put(log, thread, told.len() as u64, &message(0, thread, 1 + told.len() as u64))
                    {
                        told.push(slot);
                        written.fetch_add(1, Ordering::SeqCst);
                        while written.load(Ordering::SeqCst) >= allowed.load(Ordering::SeqCst) {
                            thread::yield_now();
                        }
                    }
                    told
                })
            })
            .collect();
        while written.load(Ordering::SeqCst) < EACH {
            assert!(
                !threads.iter().all(thread::ScopedJoinHandle::is_finished),
                "the writers gave up before the seal"
            );
            thread::yield_now();
        }
        allowed.fetch_add(20 * EACH, Ordering::SeqCst);
        let answer = log.seal(1);
        allowed.store(u64::MAX, Ordering::SeqCst);
        let answer = answer.expect("seal");
        assert_eq!(answer.epoch, 1);
        let at_seal = entries(log, 1);
        let told: Vec<u64> =
            threads.into_iter().flat_map(|thread| thread.join().expect("no thread panics")).collect();
        (answer.tail, at_seal, told)
    });
    assert_eq!(entries(log, 1), at_seal, "something was stored after the seal");
    assert_eq!(at_seal.last().map(|(slot, _)| *slot), Some(tail), "the tail is the last slot");
    let stored: Vec<u64> = at_seal.iter().map(|(slot, _)| *slot).collect();
    let mut told = told;
    told.sort_unstable();
    assert_eq!(stored, told, "what is stored is what was answered");
    assert!(log.seal(0).expect("seal").epoch == 1, "epochs do not go back");
}

/// Checks L5 while writers write the slots near the moving mark: a write that began below the mark is not stored.
fn trimmed_is_trimmed<L>(log: &L)
where
    L: SlotLog<Node = Node, Payload = Payload> + Sync,
    L::Error: Debug,
{
    let (mark, next, late) = (&AtomicU64::new(1), &AtomicU64::new(1), &AtomicU64::new(0));
    let last = EACH * THREADS;
    let written: Vec<u64> = thread::scope(|scope| {
        let writer = |node| {
            move || {
                let (mut written, mut number) = (Vec::new(), 0);
                loop {
                    let slot = next.fetch_add(1, Ordering::SeqCst);
                    if slot > last {
                        return written;
                    }
                    // Writers stay near the mark: the third of the three slots is below it, and the second is close to
                    // it.
                    while mark.load(Ordering::SeqCst) + 8 < slot {
                        thread::yield_now();
                    }
                    for slot in [slot, slot.saturating_sub(6).max(1), slot.saturating_sub(9).max(1)] {
                        let first = mark.load(Ordering::SeqCst);
                        // Each entry is of a new node: the numbers of one node would have to go up.
                        number += 1;
                        match log.write(slot, &message(0, THREADS * number + node, 1)).expect("write") {
                            WriteAnswer::Written => {
                                assert!(
                                    slot >= first,
                                    "slot {slot} was written, which was trimmed below {first}"
                                );
                                written.push(slot);
                            }
                            WriteAnswer::Trimmed { first } => {
                                assert!(slot < first);
                                late.fetch_add(1, Ordering::SeqCst);
                            }
                            WriteAnswer::Occupied(_) => {
                                assert!(slot >= first, "L3: trimmed goes before occupied")
                            }
                            // The slot is below one that this thread has written.
                            WriteAnswer::NumberUsed { .. } => {
                                assert!(slot >= first, "L3: trimmed goes before a used number")
                            }
                            other => panic!("{other:?}"),
                        }
                    }
                }
            }
        };
        let threads: Vec<_> = (0..THREADS).map(|node| scope.spawn(writer(node))).collect();
        loop {
            let reached = next.load(Ordering::SeqCst);
            let first = log.trim(reached.saturating_sub(4).max(1)).expect("trim");
            mark.store(first, Ordering::SeqCst);
            if reached > last {
                break;
            }
        }
        threads.into_iter().flat_map(|thread| thread.join().expect("no thread panics")).collect()
    });
    let first = mark.load(Ordering::SeqCst);
    assert!(first > last - 4 && late.load(Ordering::SeqCst) > 0, "the mark has passed nobody");
    let mut kept: Vec<u64> = written.into_iter().filter(|&slot| slot >= first).collect();
    kept.sort_unstable();
    let stored: Vec<u64> = entries(log, first).into_iter().map(|(slot, _)| slot).collect();
    assert_eq!(stored, kept, "what was written and is not trimmed is there, and nothing else");
    assert_eq!(log.read(first - 1, ReadLimit::entries(1)).expect("read"), ReadAnswer::Trimmed { first });
}

/// Checks that reads return slots 1, 2, 3, ... at every moment, with every answered entry, and later ones in higher
/// slots.
fn no_hole_at_any_moment<L>(log: &L)
where
    L: AppendLog<Node = Node, Payload = Payload> + Sync,
    L::Error: Debug,
{
    let answered = &AtomicU64::new(0);
    thread::scope(|scope| {
        let writer = |node| {
            move || {
                for number in 1..=EACH {
                    let before = answered.load(Ordering::SeqCst);
                    match log.append(&message(0, node, number)).expect("append") {
                        AppendAnswer::Appended { slot } => {
                            assert!(slot > before, "slot {slot} after {before} had been answered");
                            answered.fetch_max(slot, Ordering::SeqCst);
                        }
                        other => panic!("{other:?}"),
                    }
                }
            }
        };
        let threads: Vec<_> = (0..THREADS).map(|node| scope.spawn(writer(node))).collect();
        loop {
            let done = threads.iter().all(thread::ScopedJoinHandle::is_finished);
            let before = answered.load(Ordering::SeqCst);
            let slots: Vec<u64> = entries(log, 1).into_iter().map(|(slot, _)| slot).collect();
            assert!(slots.iter().copied().eq(1..=slots.len() as u64), "a hole in {slots:?}");
            assert!(slots.len() as u64 >= before, "{before} was answered, and is not there");
            if done {
                break;
            }
        }
    });
    assert_eq!(entries(log, 1).len() as u64, THREADS * EACH);
}
