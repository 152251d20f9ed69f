//! Files of redb that were cut short or damaged. Each request returns an error or what was written, and never panics.
//!
//! The damage of each image follows from the seed, which is printed. HAPPENS_BEFORE_SEED repeats a run, and
//! HAPPENS_BEFORE_IMAGES makes it longer.
#![cfg(feature = "redb")]

use core::num::NonZeroU64;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use happens_before::Dot;
use happens_before::broadcast::{
    AppendAnswer, AppendLog, Content, Entry, Log, ReadAnswer, ReadLimit, SlotLog, WriteAnswer,
};
use happens_before::counter::Counter;
use happens_before_engines::redb::{Redb, RedbError, RedbLog};

const ENTRIES: u64 = 60;
/// The length of a page of redb.
const PAGE: usize = 4_096;

type Said = Entry<u64, Vec<u8>>;

/// Returns the entry that is written in a slot of a log.
fn entry(log: &str, slot: u64) -> Said {
    let node = log.len() as u64;
    Entry::message(0, Dot::new(node, slot).unwrap(), format!("{slot} in {log} ").repeat(9).into_bytes())
}

/// Makes a file with a counter and two logs. Returns its content after it is closed, and before.
fn images(path: &Path) -> [Vec<u8>; 2] {
    let redb = Redb::open(path).unwrap();
    let (slots, appends) = (redb.log("slots").unwrap(), redb.log("appends").unwrap());
    for number in 1..=ENTRIES {
        let slot = redb.counter("counter").unwrap().increment_and_get(NonZeroU64::MIN).unwrap();
        assert_eq!(slots.write(slot, &entry("slots", slot)).unwrap(), WriteAnswer::Written);
        let appended = appends.append(&entry("appends", number)).unwrap();
        assert_eq!(appended, AppendAnswer::Appended { slot: number });
    }
    let open = std::fs::read(path).unwrap();
    drop((redb, slots, appends));
    [std::fs::read(path).unwrap(), open]
}

/// Damages a file, and returns the kind of the damage.
fn damage(image: &mut Vec<u8>, random: &mut fastrand::Rng) -> &'static str {
    // The places of written bytes; the rest of the file is zeros.
    let used: Vec<usize> = (0..image.len())
        .step_by(PAGE)
        .filter(|&at| image[at..].iter().take(PAGE).any(|&byte| byte != 0))
        .collect();
    let page = |random: &mut fastrand::Rng| used[random.usize(..used.len())];
    match random.u8(..6) {
        0 => {
            image.truncate(if random.bool() { random.usize(..image.len()) } else { page(random) });
            "cut"
        }
        1 | 2 => {
            let at = page(random);
            let written: Vec<usize> = (at..(at + PAGE).min(image.len())).filter(|&at| image[at] != 0).collect();
            image[written[random.usize(..written.len())]] ^= 1 << random.u8(..8);
            "a bit changed"
        }
        3 => {
            let at = page(random);
            for byte in image[at..].iter_mut().take(PAGE) {
                *byte = 0;
            }
            "a page of zeros"
        }
        4 => {
            let (a, b) = (page(random), page(random));
            for at in 0..PAGE.min(image.len() - a.max(b)) {
                image.swap(a + at, b + at);
            }
            "two pages swapped"
        }
        _ => {
            let (at, len) = (page(random) + random.usize(..PAGE), random.usize(1..64));
            for byte in image.iter_mut().skip(at).take(len) {
                *byte = random.u8(..);
            }
            "bytes of chance"
        }
    }
}

/// The state found in a damaged file.
#[derive(Debug, Default, PartialEq)]
struct Found {
    read: u64,
    unreadable: u64,
}

/// Reads and writes everything, and asserts that only what was written is found.
fn use_it(path: &Path) -> Result<Found, RedbError> {
    let redb = Redb::open(path)?;
    let counter = redb.counter("counter")?;
    let current = counter.current()?;
    assert!(current <= ENTRIES, "the counter is at {current}");
    let mut found = Found::default();
    for name in ["slots", "appends"] {
        let log: RedbLog<u64, Vec<u8>> = redb.log(name)?;
        let mut from = 1;
        loop {
            let read = log.read(from, ReadLimit::entries(17))?;
            let ReadAnswer::Entries(some) = read else { panic!("nobody has trimmed: {read:?}") };
            let Some(&(last, _)) = some.last() else { break };
            for (slot, is) in some {
                assert!((from..=ENTRIES).contains(&slot), "slot {slot} of {name} was never written");
                from = slot + 1;
                if matches!(is.content(), Content::Unreadable(_)) {
                    found.unreadable += 1;
                } else {
                    assert_eq!(is, entry(name, slot), "in slot {slot} of {name}");
                    found.read += 1;
                }
            }
            assert_eq!(from, last + 1);
        }
        let new = |number| Entry::message(0, Dot::new(99, number).unwrap(), vec![7; 99]);
        log.write(500, &new(1))?;
        log.append(&new(2))?;
        log.trim(ENTRIES / 2)?;
    }
    counter.increment_and_get(NonZeroU64::MIN)?;
    Ok(found)
}

#[test]
fn a_damaged_file_is_an_error_or_what_was_written() {
    let variable = |name| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let seed = variable("HAPPENS_BEFORE_SEED").unwrap_or(7);
    let count = variable("HAPPENS_BEFORE_IMAGES").unwrap_or(300);
    println!("HAPPENS_BEFORE_SEED={seed}");
    let random = &mut fastrand::Rng::with_seed(seed);
    // In memory if possible: syncing these files has no use.
    let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let path = directory.path().join("file.redb");
    let images = images(&path);
    println!("{} bytes closed, {} open", images[0].len(), images[1].len());
    let whole = Found { read: 2 * ENTRIES, unreadable: 0 };
    for image in &images {
        std::fs::write(&path, image).unwrap();
        assert_eq!(use_it(&path).unwrap(), whole, "without damage");
    }
    let (mut refused, mut unharmed, mut unreadable, mut lost) = (0, 0, 0, 0);
    for number in 0..count {
        let mut image = images[random.usize(..2)].clone();
        let what = damage(&mut image, random);
        std::fs::write(&path, &image).unwrap();
        match catch_unwind(AssertUnwindSafe(|| use_it(&path))) {
            Ok(Err(error)) => {
                assert!(error.to_string().len() > 10, "{error}");
                refused += 1;
            }
            Ok(Ok(found)) if found == whole => unharmed += 1,
            Ok(Ok(found)) if found.unreadable > 0 => unreadable += 1,
            Ok(Ok(_)) => lost += 1,
            Err(_) => panic!("image {number} of seed {seed}: {what}"),
        }
    }
    println!(
        "of {count}: {refused} refused, {unharmed} unharmed, {unreadable} with slots that cannot be read, {lost} with holes"
    );
    assert!(refused > 0 && unreadable > 0 && unharmed > 0);
}
