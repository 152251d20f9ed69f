//! Ids and payloads whose `clone` and `eq` panic, with callers that catch it and go on. Nothing is lost, delivered
//! twice, or left half done.
#![cfg(feature = "std")]

use std::cell::{Cell, RefCell};
use std::cmp::Ordering;
use std::panic::{AssertUnwindSafe, catch_unwind};

use happens_before::broadcast::{
    AppendAnswer, AppendLog, Content, Entry, Log, MemoryLog, ReadAnswer, ReadLimit, SlotLog, SubscriberConfig,
    blocking,
};
use happens_before::{Dot, Subscriber};

thread_local! {
    /// The number of clones and comparisons up to the one that panics; 0 for never.
    static FUSE: Cell<u64> = const { Cell::new(0) };
}

fn burn() {
    let left = FUSE.get();
    FUSE.set(left.saturating_sub(1));
    assert_ne!(left, 1, "out of luck");
}

/// A value whose clones and comparisons may panic.
#[derive(Debug)]
struct Fragile(u64);

impl Clone for Fragile {
    fn clone(&self) -> Self {
        burn();
        Self(self.0)
    }
}

impl PartialEq for Fragile {
    fn eq(&self, other: &Self) -> bool {
        burn();
        self.0 == other.0
    }
}

impl Eq for Fragile {}

impl PartialOrd for Fragile {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Fragile {
    fn cmp(&self, other: &Self) -> Ordering {
        burn();
        self.0.cmp(&other.0)
    }
}

impl std::hash::Hash for Fragile {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

fn id(node: u64, number: u64) -> Dot<Fragile> {
    Dot::new(Fragile(node), number).unwrap()
}

/// Runs `attempt` until it returns that all is done, with one panic after `fuse` clones and comparisons. Returns
/// whether the panic came.
fn with_one_panic(fuse: u64, mut attempt: impl FnMut() -> bool) -> bool {
    let mut panicked = false;
    FUSE.set(fuse);
    for _ in 0..10_000 {
        match catch_unwind(AssertUnwindSafe(&mut attempt)) {
            Ok(true) => {
                FUSE.set(0);
                return panicked;
            }
            Ok(false) => {}
            Err(_) => panicked = true,
        }
    }
    panic!("it does not come to an end");
}

#[test]
fn a_subscriber_delivers_everything_once_whatever_panics() {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        // Only the intended panics are not shown.
        if !info.to_string().contains("out of luck") {
            hook(info);
        }
    }));
    let log = RefCell::new(MemoryLog::new(100));
    let mut expected = Vec::new();
    for slot in (1..=12_u64).filter(|slot| slot % 5 != 0) {
        let entry = match slot % 4 {
            // These are not in the announced epochs and numbers.
            3 if slot > 8 => Entry::retire(slot / 6, id(slot % 3, slot * 10), Fragile(7)),
            0 => Entry::batch(slot / 6, id(slot % 3, slot * 10), (0..3).map(|part| Fragile(slot * 10 + part)))
                .unwrap(),
            _ => Entry::message(slot / 6, id(slot % 3, slot * 10), Fragile(slot * 10)),
        };
        let messages = if matches!(entry.content(), Content::Messages { .. }) { entry.numbers() } else { 0 };
        expected.extend((0..messages).map(|part| slot * 10 + part));
        log.write(slot, &entry).unwrap();
    }
    let mut panics = 0;
    loop {
        let fuse = panics + 1;
        let (delivered, now_ms) = (RefCell::new(Vec::new()), Cell::new(0));
        let subscriber = RefCell::new(Subscriber::new(SubscriberConfig::default()));
        let panicked = with_one_panic(fuse, || {
            let mut subscriber = subscriber.borrow_mut();
            now_ms.set(now_ms.get() + 50);
            if now_ms.get() % 100 == 0 {
                let slot = now_ms.get() / 100;
                let number = slot * 10;
                if slot <= 12 && slot % 5 != 0 && slot % 4 != 0 && slot != 11 {
                    let entry = Entry::message(slot / 6, id(slot % 3, number), Fragile(number));
                    subscriber.handle_entry(slot, entry).unwrap();
                }
            }
            blocking::follow(&mut *subscriber, &log, now_ms.get()).unwrap();
            while let Some(delivery) = subscriber.poll_delivery().unwrap() {
                delivered.borrow_mut().push(delivery.payload.unwrap().0);
            }
            subscriber.next() > 12
        });
        assert_eq!(*delivered.borrow(), expected, "a panic at {fuse}");
        assert_eq!(subscriber.borrow().internal_validate(), Ok(()));
        if !panicked {
            break;
        }
        panics += 1;
    }
    assert!(panics > 100, "{panics}");
}

/// An append that panicked has stored nothing, or the repeated append is answered with its slot.
#[test]
fn a_log_in_memory_stores_all_or_nothing_whatever_panics() {
    let mut panics = 0;
    for fuse in 1..40 {
        let log = RefCell::new(MemoryLog::new(100));
        let (slots, next) = (RefCell::new(Vec::new()), Cell::new(1));
        let panicked = with_one_panic(fuse, || {
            let number = next.get();
            let first = Dot::new(Fragile(number % 3), number).unwrap();
            let entry = Entry::message(0, first, Fragile(number));
            match log.append(&entry).unwrap() {
                AppendAnswer::Appended { slot } | AppendAnswer::AlreadyAppended { slot } => {
                    slots.borrow_mut().push((slot, number));
                }
                other => panic!("{other:?}"),
            }
            next.set(number + 1);
            number == 8
        });
        panics += u64::from(panicked);
        assert_eq!(log.borrow().internal_validate(), Ok(()));
        let ReadAnswer::Entries(entries) = log.read(1, ReadLimit::entries(100)).unwrap() else {
            unreachable!()
        };
        let stored: Vec<_> =
            entries.iter().map(|(slot, entry)| (*slot, entry.id().unwrap().counter())).collect();
        assert_eq!(*slots.borrow(), stored, "a panic at {fuse}");
        assert_eq!(stored.len(), 8, "a panic at {fuse}");
    }
    assert!(panics > 15, "{panics}");
}
