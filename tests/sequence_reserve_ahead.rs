//! Tests of a durable bound ahead of use: restarts, failing stores, and stores that were changed by others.

use std::num::NonZeroU64;

use happens_before::counter::TooFewNumbers;
use happens_before::sequence::{Limit, NumberRange, ReserveAhead, ReserveError, Store};

fn nonzero(n: u64) -> NonZeroU64 {
    NonZeroU64::new(n).expect("not zero")
}

/// The error of a store that fails.
#[derive(Clone, Copy, Debug, PartialEq)]
struct DiskFull;

impl std::fmt::Display for DiskFull {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("disk full")
    }
}

impl std::error::Error for DiskFull {}

/// The fate of the next operation.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Fate {
    #[default]
    Good,
    ReadFails,
    WriteFails,
    /// The number arrives, but the answer does not.
    WriteFailsButLands,
}

#[derive(Debug, Default)]
struct Memory {
    number: u64,
    writes: Vec<u64>,
    fate: Fate,
}

impl Store for Memory {
    type Error = DiskFull;

    fn read(&mut self) -> Result<u64, DiskFull> {
        if self.fate == Fate::ReadFails { Err(DiskFull) } else { Ok(self.number) }
    }

    fn write(&mut self, number: u64) -> Result<(), DiskFull> {
        if self.fate != Fate::WriteFails {
            self.number = number;
            self.writes.push(number);
        }
        if self.fate == Fate::Good { Ok(()) } else { Err(DiskFull) }
    }
}

/// A store that the test keeps, to tamper with it.
struct Shared<'a>(&'a std::cell::RefCell<Memory>);

impl Store for Shared<'_> {
    type Error = DiskFull;

    fn read(&mut self) -> Result<u64, DiskFull> {
        self.0.borrow_mut().read()
    }

    fn write(&mut self, number: u64) -> Result<(), DiskFull> {
        self.0.borrow_mut().write(number)
    }
}

#[test]
fn a_write_covers_as_many_numbers_as_are_reserved_ahead() {
    let mut store = Memory::default();
    let mut numbers = ReserveAhead::resume(&mut store, nonzero(10)).expect("readable");
    assert_eq!((numbers.bound(), numbers.reserved(), numbers.remaining()), (0, 0, Limit::MAX.get()));
    for expected in 1..=25 {
        assert_eq!(numbers.issue(), Ok(expected));
    }
    assert_eq!((numbers.bound(), numbers.reserved(), numbers.remaining()), (30, 5, Limit::MAX.get() - 25));
    assert_eq!(store.writes, [10, 20, 30]);

    let mut numbers = ReserveAhead::resume(store, nonzero(1)).expect("readable");
    assert!(numbers.numbers().take(3).eq([Ok(31), Ok(32), Ok(33)]));
    assert_eq!(numbers.into_store().writes, [10, 20, 30, 31, 32, 33]);
}

#[test]
fn every_mix_of_failing_stores_and_restarts_issues_no_number_twice() {
    // Every word of six letters over eight possible events, each with bounds of 1 and of 2.
    let fates = [Fate::Good, Fate::ReadFails, Fate::WriteFails, Fate::WriteFailsButLands];
    let (mut issued, mut refused, mut restarts) = (0, 0, 0);
    for ahead in [1, 2] {
        for word in 0..8_u32.pow(6) {
            let store = std::cell::RefCell::new(Memory::default());
            let mut numbers = ReserveAhead::resume(Shared(&store), nonzero(ahead)).expect("readable");
            let mut last = 0;
            for letter in (0..6).map(|at| word / 8_u32.pow(at) % 8) {
                store.borrow_mut().fate = fates[letter as usize % 4];
                if letter >= 4 {
                    restarts += 1;
                    // A restart may also meet a failing store: then the old process continues.
                    if let Ok(restarted) = ReserveAhead::resume(Shared(&store), nonzero(ahead)) {
                        numbers = restarted;
                    }
                }
                match numbers.issue() {
                    Ok(number) => {
                        issued += 1;
                        assert!(number > last, "{number} after {last} in {word:o}");
                        assert!(
                            store.borrow().number >= number,
                            "the bound is durable before the number is used"
                        );
                        last = number;
                    }
                    Err(error) => {
                        refused += 1;
                        assert_eq!(error, ReserveError::Store(DiskFull), "in {word:o}");
                    }
                }
                assert_eq!(numbers.internal_validate(), Ok(()));
            }
            store.borrow_mut().fate = Fate::Good;
            assert!(numbers.issue().is_ok_and(|number| number > last), "it recovers");
            assert!(store.borrow().writes.is_sorted(), "the bound never goes back");
        }
    }
    println!("{issued} issued, {refused} refused, {restarts} restarts");
    assert!(issued > 900_000 && refused > 1_000_000 && restarts > 1_000_000);
}

#[test]
fn a_failed_write_changes_nothing_and_the_next_call_tries_again() {
    let store = std::cell::RefCell::new(Memory::default());
    let mut numbers = ReserveAhead::resume(Shared(&store), nonzero(10)).expect("readable");
    assert_eq!(numbers.issue(), Ok(1));
    store.borrow_mut().fate = Fate::WriteFails;
    assert!(numbers.numbers().take(9).eq((2..=10).map(Ok)), "these need no write");

    for fate in [Fate::WriteFails, Fate::ReadFails, Fate::WriteFailsButLands] {
        store.borrow_mut().fate = fate;
        let before = (numbers.bound(), numbers.reserved(), numbers.remaining());
        assert_eq!(numbers.issue(), Err(ReserveError::Store(DiskFull)));
        assert_eq!(numbers.issue_range(nonzero(3)), Err(ReserveError::Store(DiskFull)));
        assert_eq!(numbers.observe(1_000), Err(ReserveError::Store(DiskFull)));
        assert_eq!((numbers.bound(), numbers.reserved(), numbers.remaining()), before);
    }
    let error = numbers.issue().expect_err("still failing");
    assert_eq!(error.to_string(), "the store failed, so no number was issued; call again later");
    assert_eq!(std::error::Error::source(&error).expect("why").to_string(), "disk full");

    // The last writes have landed after all: as after a restart, the numbers continue above them.
    store.borrow_mut().fate = Fate::Good;
    let landed = store.borrow().number;
    assert_eq!(numbers.issue(), Ok(landed + 1));
    assert_eq!((numbers.bound(), store.borrow().number), (landed + 10, landed + 10));

    store.borrow_mut().fate = Fate::ReadFails;
    assert_eq!(ReserveAhead::resume(Shared(&store), nonzero(10)).err(), Some(ReserveError::Store(DiskFull)));
}

#[test]
fn a_store_that_went_back_or_that_somebody_else_uses_stops_the_numbers() {
    let store = std::cell::RefCell::new(Memory::default());
    let mut numbers = ReserveAhead::resume(Shared(&store), nonzero(2)).expect("readable");
    assert_eq!((numbers.issue(), numbers.issue()), (Ok(1), Ok(2)));

    // An old copy of the file comes back: a restart now would issue 1 and 2 again.
    store.borrow_mut().number = 0;
    let error = numbers.issue().expect_err("the bound is gone");
    assert_eq!(error, ReserveError::Moved { expected: 2, found: 0 });
    assert_eq!(
        error.to_string(),
        "the store has the bound 0 where 2 was left; it is shared, or an old copy came back"
    );
    assert!(std::error::Error::source(&error).is_none());
    assert_eq!((numbers.bound(), numbers.remaining(), store.borrow().number), (2, Limit::MAX.get() - 2, 0));

    // Two processes over one file: the first to notice stops.
    store.borrow_mut().number = 2;
    let mut second = ReserveAhead::resume(Shared(&store), nonzero(2)).expect("nothing tells that it is shared");
    assert_eq!(second.issue(), Ok(3));
    assert_eq!(numbers.issue(), Err(ReserveError::Moved { expected: 2, found: 4 }));
    assert_eq!((second.issue(), second.issue()), (Ok(4), Ok(5)));
    assert_eq!(store.borrow().writes, [2, 4, 6], "and has overwritten nothing");
}

#[test]
fn two_owners_by_mistake_repeat_nothing_whichever_writes_fail() {
    // A failed write of one, and the same number written by the other, look the same in the store.
    let fates = [Fate::Good, Fate::WriteFails, Fate::WriteFailsButLands];
    let (mut issued, mut moved) = (0, 0);
    for ahead in [1, 2] {
        // Each letter: the fate of the store, the process that acts, and its action: issue, observe or restart.
        for word in 0..18_u32.pow(4) {
            let store = std::cell::RefCell::new(Memory::default());
            let resume = || ReserveAhead::resume(Shared(&store), nonzero(ahead)).expect("readable");
            let mut owners = [resume(), resume()];
            let mut used = [false; 64];
            for letter in (0..4).map(|at| word / 18_u32.pow(at) % 18) {
                store.borrow_mut().fate = fates[letter as usize % 3];
                let owner = &mut owners[letter as usize / 3 % 2];
                match letter / 6 {
                    0 => match owner.issue() {
                        Ok(number) => {
                            assert!(!std::mem::replace(&mut used[number as usize], true), "{number} in {word}");
                            issued += 1;
                        }
                        Err(error) => moved += u32::from(matches!(error, ReserveError::Moved { .. })),
                    },
                    1 => drop(owner.observe(owner.bound() + 2)),
                    _ => *owner = resume(),
                }
                assert_eq!(owner.internal_validate(), Ok(()));
            }
        }
    }
    println!("{issued} issued, {moved} found out that the store is shared");
    assert!(issued > 40_000 && moved > 4_000);
}

#[test]
fn at_the_limit_a_write_that_failed_and_arrived_leaves_nothing() {
    let store = std::cell::RefCell::new(Memory::default());
    let limit = Limit::new(10).expect("a limit");
    let mut numbers = ReserveAhead::resume_with_limit(Shared(&store), nonzero(10), limit).expect("readable");
    store.borrow_mut().fate = Fate::WriteFailsButLands;
    assert!(numbers.issue().is_err());
    store.borrow_mut().fate = Fate::Good;
    for n in [1, u64::MAX] {
        let error = numbers.issue_range(nonzero(n)).expect_err("as a restart would");
        assert!(matches!(error, ReserveError::TooFewNumbers(TooFewNumbers { available: 0, .. })), "{error}");
    }
    // The error's advice works.
    let mut raised = ReserveAhead::resume(Shared(&store), nonzero(10)).expect("readable");
    assert_eq!(raised.issue(), Ok(11));
}

#[test]
fn a_number_observed_is_below_all_later_ones_also_after_a_restart() {
    let mut store = Memory::default();
    let mut numbers = ReserveAhead::resume(&mut store, nonzero(10)).expect("readable");
    numbers.observe(0).expect("no number at all");
    assert_eq!(numbers.issue(), Ok(1));
    numbers.observe(7).expect("within the bound");
    assert_eq!((numbers.issue(), numbers.bound()), (Ok(8), 10));
    numbers.observe(3).expect("long past");
    assert_eq!(numbers.issue(), Ok(9));
    numbers.observe(500).expect("durable");
    assert_eq!((numbers.bound(), numbers.reserved()), (509, 9));

    // The crash comes before anything else is issued.
    let mut numbers = ReserveAhead::resume(&mut store, nonzero(10)).expect("readable");
    assert_eq!(numbers.issue(), Ok(510));
    assert_eq!(store.writes, [10, 509, 519]);
}

#[test]
fn runs_are_consecutive_and_cost_one_write() {
    let mut store = Memory::default();
    let mut numbers = ReserveAhead::resume(&mut store, nonzero(10)).expect("readable");
    assert_eq!(numbers.issue_range(nonzero(4)), Ok(NumberRange::new(1..=4).expect("a range")));
    assert_eq!(numbers.issue_range(nonzero(6)), Ok(NumberRange::new(5..=10).expect("a range")));
    assert_eq!(numbers.issue_range(nonzero(25)), Ok(NumberRange::new(11..=35).expect("a range")));
    assert_eq!(numbers.issue(), Ok(36));
    assert_eq!(store.writes, [13, 44], "each covers what is needed and nine more");
}

#[test]
fn nothing_is_issued_observed_or_reserved_above_the_limit() {
    let limit = Limit::new(25).expect("a limit");
    let mut store = Memory::default();
    let mut numbers = ReserveAhead::resume_with_limit(&mut store, nonzero(10), limit).expect("readable");

    let error = numbers.observe(26).expect_err("a forged number");
    assert_eq!(error, ReserveError::AboveLimit { number: 26, limit });
    assert_eq!(
        error.to_string(),
        "number 26 is above the limit of 25; raise the limit, or distrust the number"
    );
    assert!(numbers.observe(u64::MAX).is_err());
    for n in [26, u64::MAX] {
        assert!(matches!(numbers.issue_range(nonzero(n)), Err(ReserveError::TooFewNumbers(_))));
    }
    assert_eq!((numbers.bound(), numbers.remaining()), (0, 25));

    assert!(numbers.numbers().take(24).eq((1..=24).map(Ok)));
    assert!(numbers.issue_range(nonzero(2)).is_err());
    assert_eq!((numbers.issue(), numbers.remaining()), (Ok(25), 0));
    for _ in 0..2 {
        let error = numbers.issue().expect_err("exhausted");
        assert!(matches!(error, ReserveError::TooFewNumbers(TooFewNumbers { wanted: 1, available: 0, .. })));
        assert_eq!(
            error.to_string(),
            "too few numbers are left up to the limit: 1 wanted, 0 left; raise it if every reader can handle \
             higher numbers"
        );
    }
    numbers.observe(25).expect("issued long ago");
    assert!(numbers.issue_range(nonzero(1)).is_err());
    assert_eq!(store.writes, [10, 20, 25]);

    // A restart at the end issues nothing; a bound made with a higher limit is refused.
    let mut numbers = ReserveAhead::resume_with_limit(&mut store, nonzero(10), limit).expect("readable");
    assert!(matches!(numbers.issue(), Err(ReserveError::TooFewNumbers(_))));
    let lower = Limit::new(24).expect("a limit");
    let error = ReserveAhead::resume_with_limit(&mut store, nonzero(10), lower).expect_err("25 is above 24");
    assert_eq!(error, ReserveError::AboveLimit { number: 25, limit: lower });
    store.number = u64::MAX; // damaged
    assert!(ReserveAhead::resume(&mut store, nonzero(10)).is_err());

    // At the top of all limits nothing overflows.
    store.number = Limit::MAX.get() - 1;
    let mut numbers = ReserveAhead::resume(&mut store, nonzero(u64::MAX)).expect("readable");
    assert_eq!(numbers.issue(), Ok(Limit::MAX.get()));
    assert!(matches!(numbers.issue(), Err(ReserveError::TooFewNumbers(_))));
    assert!(numbers.issue_range(nonzero(u64::MAX)).is_err());
    assert_eq!(store.number, Limit::MAX.get());
}
