//! Tests of blocks: they are fed from a counter and issued one by one, and every number is accounted for.

mod sequence_support;

use std::cell::Cell;
use std::collections::{BTreeSet, VecDeque};
use std::num::NonZeroU64;

use happens_before::counter::Counter;
use happens_before::sequence::{
    BlockRefused, BlockRefusedKind, Blocks, BlocksConfig, Limit, NumberRange, RefillError,
};
use sequence_support::Random;

fn nonzero(n: u64) -> NonZeroU64 {
    NonZeroU64::new(n).expect("not zero")
}

fn range(first: u64, last: u64) -> NumberRange {
    NumberRange::new(first..=last).expect("a range")
}

fn blocks(low_water: u64) -> Blocks {
    Blocks::new(BlocksConfig { low_water, ..BlocksConfig::default() })
}

/// Returns the block that a refill could not use, with the kind of the refusal.
fn refused(error: RefillError<NoAnswer>) -> (NumberRange, BlockRefusedKind) {
    match error {
        RefillError::Refused(BlockRefused { block, kind, .. }) => (block, kind),
        error => panic!("{error}"),
    }
}

/// The error of a counter that fails.
#[derive(Debug, PartialEq)]
struct NoAnswer;

impl std::fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no answer")
    }
}

impl std::error::Error for NoAnswer {}

/// A counter whose faults are set by the test.
struct Faulty {
    current: Cell<u64>,
    /// The amount that the counter really adds when n is asked for.
    adds: fn(u64) -> u64,
    fails: Cell<bool>,
}

impl Faulty {
    fn new(adds: fn(u64) -> u64) -> Self {
        Self { current: Cell::new(0), adds, fails: Cell::new(false) }
    }
}

impl Counter for Faulty {
    type Error = NoAnswer;

    fn increment_and_get(&self, n: NonZeroU64) -> Result<u64, Self::Error> {
        let first = self.current.get() + 1;
        self.current.set(self.current.get() + (self.adds)(n.get()));
        if self.fails.get() { Err(NoAnswer) } else { Ok(first) }
    }

    fn current(&self) -> Result<u64, Self::Error> {
        if self.fails.get() { Err(NoAnswer) } else { Ok(self.current.get()) }
    }
}

/// A plain model of `Blocks`: two queues of numbers.
#[derive(Clone, Debug, Default, PartialEq)]
struct Model {
    in_use: VecDeque<u64>,
    reserve: VecDeque<u64>,
    highest: u64,
    observed: u64,
    epoch: u64,
    issued: u64,
    lost: u64,
}

impl Model {
    fn issue(&mut self) -> Option<u64> {
        if self.in_use.is_empty() {
            self.in_use = std::mem::take(&mut self.reserve);
        }
        let number = self.in_use.pop_front()?;
        self.issued += 1;
        Some(number)
    }

    fn issue_range(&mut self, n: usize) -> Option<Vec<u64>> {
        if self.in_use.len() < n {
            if self.reserve.len() < n {
                return None;
            }
            self.lost += self.in_use.len() as u64;
            self.in_use = std::mem::take(&mut self.reserve);
        }
        self.issued += n as u64;
        Some(self.in_use.drain(..n).collect())
    }

    fn feed(&mut self, epoch: u64, block: NumberRange, limit: u64) -> Result<(), &'static str> {
        if epoch != self.epoch {
            return Err("epoch");
        } else if block.first() <= self.highest || block.last() <= self.observed {
            return Err("not above");
        } else if block.into_iter().all(|number| number > limit || number <= self.observed) {
            return Err("limit");
        } else if !self.in_use.is_empty() && !self.reserve.is_empty() {
            return Err("full");
        }
        if self.in_use.is_empty() {
            self.in_use = std::mem::take(&mut self.reserve);
        }
        let usable: Vec<u64> =
            block.into_iter().filter(|&number| number <= limit && number > self.observed).collect();
        self.lost += block.len() - usable.len() as u64;
        if self.in_use.is_empty() || self.in_use.back().is_some_and(|last| last + 1 == usable[0]) {
            self.in_use.extend(usable);
        } else {
            self.reserve.extend(usable);
        }
        self.highest = block.last();
        Ok(())
    }

    fn observe(&mut self, number: u64, limit: u64) -> Option<()> {
        if number > limit {
            return None;
        }
        let before = self.len();
        self.observed = self.observed.max(number);
        self.in_use.retain(|&held| held > number);
        self.reserve.retain(|&held| held > number);
        if self.in_use.is_empty() {
            self.in_use = std::mem::take(&mut self.reserve);
        }
        self.lost += before - self.len();
        Some(())
    }

    fn len(&self) -> u64 {
        (self.in_use.len() + self.reserve.len()) as u64
    }
}

#[test]
fn blocks_do_what_two_queues_of_numbers_do_and_refuse_what_they_refuse() {
    const LIMIT: u64 = 900;
    let mut random = Random::seeded(11);
    let (mut issued, mut ranges, mut fed, mut refused, mut epochs) = (0, 0, 0, BTreeSet::new(), 0);
    let (mut gave_up, mut cut) = (0, 0);
    for _ in 0..100 {
        let limit = Limit::new(LIMIT).expect("a limit");
        let mut real = Blocks::new(BlocksConfig { low_water: 3, limit, ..BlocksConfig::default() });
        let mut model = Model::default();
        let mut before = 0; // the last number issued
        for _ in 0..2_000 {
            match random.below(10) {
                0 => {
                    let gap = [0, 0, 1, 5][random.below(4)];
                    let first = (model.highest + 1 + gap).saturating_sub([0, 0, 0, 2][random.below(4)]).max(1);
                    let block = range(first, first + random.below(12) as u64);
                    let epoch = model.epoch.saturating_sub(u64::from(random.below(8) == 0));
                    let (answer, expected) = (real.feed(epoch, block), model.feed(epoch, block, LIMIT));
                    let named = answer.map_err(|error| {
                        assert_eq!(error.block, block);
                        match error.kind {
                            BlockRefusedKind::OtherEpoch { current, .. } => {
                                assert_eq!(current, model.epoch);
                                "epoch"
                            }
                            BlockRefusedKind::NotAbove { highest } => {
                                assert_eq!(highest, model.highest.max(model.observed));
                                "not above"
                            }
                            BlockRefusedKind::AboveLimit { limit } => {
                                assert_eq!(limit.get(), LIMIT);
                                "limit"
                            }
                            BlockRefusedKind::Full => "full",
                            _ => unreachable!("no other kind"),
                        }
                    });
                    assert_eq!(named, expected);
                    fed += u64::from(named.is_ok());
                    cut += u64::from(named.is_ok() && block.first() <= model.observed);
                    refused.extend(named.err());
                }
                1 => {
                    let n = 1 + random.below(8);
                    match real.issue_range(nonzero(n as u64)) {
                        Ok(range) => {
                            ranges += 1;
                            assert!(range.first() > before, "increasing");
                            before = range.last();
                            assert_eq!(model.issue_range(n), Some(range.into_iter().collect()));
                        }
                        Err(error) => {
                            assert_eq!(error.available, model.in_use.len().max(model.reserve.len()) as u64);
                            assert_eq!((error.wanted, model.issue_range(n)), (n as u64, None));
                        }
                    }
                }
                2 if random.below(4) == 0 => {
                    // Around the next number to issue, or around the highest one; now and then far too high.
                    let around = if random.below(2) == 0 { before } else { model.highest };
                    let number =
                        around + random.below(10) as u64 + [0, LIMIT][usize::from(random.below(50) == 0)];
                    let (number, lost) = (number.saturating_sub(3), model.lost);
                    match real.observe(number) {
                        Ok(()) => {
                            assert_eq!(model.observe(number, LIMIT), Some(()));
                            before = before.max(number);
                        }
                        Err(error) => {
                            assert_eq!((error.number, error.limit), (number, limit));
                            assert_eq!(model.observe(number, LIMIT), None);
                        }
                    }
                    gave_up += model.lost - lost;
                }
                2 if random.below(20) == 0 => {
                    epochs += 1;
                    let discarded = real.start_epoch(model.epoch + 1).expect("a newer epoch");
                    let numbers = discarded.into_iter().flatten().flatten();
                    assert!(numbers.eq(
                        model.in_use.drain(..).chain(model.reserve.drain(..)).inspect(|_| model.lost += 1)
                    ));
                    model.epoch += 1;
                }
                _ => {
                    let number = real.issue().ok();
                    assert_eq!(number, model.issue());
                    if let Some(number) = number {
                        issued += 1;
                        assert!(number > before, "increasing");
                        before = number;
                    }
                }
            }
            assert_eq!(real.internal_validate(), Ok(()));
            assert_eq!((real.issued(), real.remaining(), real.lost()), (model.issued, model.len(), model.lost));
            assert!(
                real.held().into_iter().flatten().flatten().eq(model
                    .in_use
                    .iter()
                    .chain(&model.reserve)
                    .copied())
            );
            let highest = model.highest.max(model.observed);
            assert_eq!((real.highest(), real.epoch()), (highest, model.epoch));
            let room = model.in_use.is_empty() || model.reserve.is_empty();
            assert_eq!(real.is_low(), room && model.len() <= 3 && highest < LIMIT);
        }
    }
    println!("{issued} issued, {ranges} ranges, {fed} fed, {epochs} epochs, refused for {refused:?}");
    println!("{gave_up} given up for an observed number, {cut} blocks cut by one");
    assert!(gave_up > 500 && cut > 100, "{gave_up} {cut}");
    assert!(issued > 20_000 && ranges > 2_000 && fed > 5_000 && epochs > 300 && refused.len() == 4);
}

#[test]
fn a_block_that_is_asked_for_at_the_low_water_mark_arrives_before_this_one_is_dry() {
    // The answer arrives after 40 numbers were issued.
    let dry = |low_water: u64| {
        let (mut blocks, mut highest, mut due) = (blocks(low_water), 1_000, None);
        blocks.feed(0, range(1, 1_000)).expect("the first block");
        let mut waits = 0;
        for now in 0..100_000_u64 {
            if due == Some(now) {
                blocks.feed(0, range(highest + 1, highest + 1_000)).expect("asked for");
                (highest, due) = (highest + 1_000, None);
            }
            waits += u64::from(blocks.issue().is_err());
            if blocks.is_low() && due.is_none() {
                due = Some(now + 40);
            }
        }
        waits
    };
    assert_eq!(dry(40), 0);
    assert!(dry(0) > 3_000, "asked for when dry, it comes too late each time");
}

#[test]
fn allocators_that_share_a_counter_issue_disjoint_numbers() {
    let counter = Faulty::new(|n| n);
    let mut random = Random::seeded(3);
    let mut nodes: Vec<Blocks> = (0..8).map(blocks).collect();
    let mut issued = BTreeSet::new();
    for _ in 0..20_000 {
        let node = &mut nodes[random.below(8)];
        let k = nonzero(1 + random.below(50) as u64);
        node.refill(&counter, k).expect("a sound counter");
        assert!(issued.insert(node.issue().expect("refilled")));
    }
    let remaining: u64 = nodes.iter().map(Blocks::remaining).sum();
    assert_eq!(issued.len() as u64 + remaining, counter.current.get(), "none is lost");
}

#[test]
fn a_crash_leaves_a_gap_of_exactly_what_remained() {
    let counter = Faulty::new(|n| n);
    let mut gaps = 0;
    let mut issued = BTreeSet::new();
    for life in 1..=20 {
        let highest = issued.last().copied().unwrap_or(0);
        let mut blocks = Blocks::new(BlocksConfig { low_water: 5, highest, ..BlocksConfig::default() });
        for _ in 0..life * 3 {
            blocks.refill(&counter, nonzero(10)).expect("a sound counter");
            assert!(issued.insert(blocks.issue().expect("refilled")));
        }
        assert_eq!(blocks.issued(), life * 3);
        assert!(blocks.remaining() <= 20);
        gaps += blocks.remaining();
        drop(blocks); // the crash
    }
    assert_eq!(issued.len() as u64 + gaps, counter.current.get());
    assert!(gaps > 100);
}

#[test]
fn a_clean_stop_leaves_no_gap() {
    let counter = Faulty::new(|n| n);
    let mut left = [None; 2];
    let mut issued = Vec::new();
    for life in 1..=20 {
        let highest = issued.last().copied().unwrap_or(0);
        let mut blocks = Blocks::new(BlocksConfig { low_water: 5, highest, ..BlocksConfig::default() });
        for range in left.into_iter().flatten() {
            blocks.feed(0, range).expect("what was left is above what was issued");
        }
        for _ in 0..life {
            blocks.refill(&counter, nonzero(10)).expect("a sound counter");
            issued.push(blocks.issue().expect("refilled"));
        }
        left = blocks.stop();
    }
    assert!(issued.into_iter().eq(1..=210));
}

#[test]
fn a_primary_that_comes_back_after_a_failover_does_not_go_on_with_its_old_block() {
    // Vitess: tablet A caches a block, B becomes primary and serves, A becomes primary again. In between, an operator
    // raised the sequence to skip numbers that were loaded from elsewhere. A's cache still has numbers below.
    let counter = Faulty::new(|n| n);
    let mut a = blocks(0);
    a.refill(&counter, nonzero(1_000)).expect("a sound counter");
    assert_eq!(a.issue().expect("held"), 1);
    counter.current.set(50_000); // loaded rows have the numbers up to 50,000

    // Without the epoch, A would continue with 2, which a loaded row has.
    assert_eq!(a.held()[0].expect("held").first(), 2);

    let discarded = a.start_epoch(2).expect("the lease of the second failover");
    assert_eq!(discarded, [Some(range(2, 1_000)), None]);
    assert_eq!((a.remaining(), a.lost(), a.issued()), (0, 999, 1));
    assert!(a.issue().is_err());
    a.refill(&counter, nonzero(1_000)).expect("a sound counter");
    assert_eq!(a.issue().expect("held"), 50_001);
}

#[test]
fn an_answer_to_a_request_from_before_a_failover_is_refused() {
    let mut blocks = blocks(0);
    let asked_in = blocks.epoch();
    blocks.start_epoch(1).expect("newer"); // while the request was under way
    let late = range(1, 1_000);
    let error = blocks.feed(asked_in, late).expect_err("of another lease");
    assert_eq!((error.block, error.kind), (late, BlockRefusedKind::OtherEpoch { epoch: 0, current: 1 }));
    assert_eq!(error.to_string(), "block 1..=1000 is of epoch 0, not 1; drop it, or start its epoch first");
    assert!(blocks.feed(2, late).is_err(), "nor one of a lease that is not known here yet");

    for epoch in [0, 1] {
        assert_eq!(blocks.start_epoch(epoch), None, "not newer");
    }
    assert_eq!((blocks.epoch(), blocks.remaining(), blocks.highest()), (1, 0, 0));
}

#[test]
fn a_counter_that_went_back_is_caught_by_its_first_block() {
    // Restored from last night's backup, after a failover or a restart.
    let counter = Faulty::new(|n| n);
    let mut failed_over = blocks(0);
    failed_over.refill(&counter, nonzero(100)).expect("a sound counter");
    failed_over.start_epoch(1).expect("newer");
    counter.current.set(40);
    let error = failed_over.refill(&counter, nonzero(100)).expect_err("41 was taken before");
    assert_eq!(refused(error), (range(41, 140), BlockRefusedKind::NotAbove { highest: 100 }));

    // After a restart, the application knows the highest number in use.
    counter.current.set(40);
    let mut restarted = Blocks::new(BlocksConfig { highest: 77, ..BlocksConfig::default() });
    let error = restarted.refill(&counter, nonzero(100)).expect_err("41 is in use");
    assert!(error.to_string().contains("is not above 77"), "and what to do");
    assert_eq!(refused(error), (range(41, 140), BlockRefusedKind::NotAbove { highest: 77 }));
}

#[test]
fn a_counter_that_ignores_the_size_of_a_block_is_found_out_while_nobody_else_takes_numbers() {
    // Hibernate: allocationSize = 50 in the mapping, INCREMENT BY 1 in the database. Two nodes that trust the
    // mapping both issue 2, 3, ...
    let counter = Faulty::new(|_| 1);
    let firsts = [(); 2].map(|()| counter.increment_and_get(nonzero(50)).expect("no fault"));
    let issued: Vec<BTreeSet<u64>> = firsts.iter().map(|&first| (first..first + 50).collect()).collect();
    assert_eq!(issued[0].intersection(&issued[1]).count(), 49, "what the mapping alone would repeat");

    let mut blocks = blocks(0);
    let error = blocks.refill(&counter, nonzero(50)).expect_err("3 to 52, but it stands at 3");
    assert_eq!(error, RefillError::WrongSize { first: 3, asked: nonzero(50), current: 3 });
    assert_eq!(
        error.to_string(),
        "the counter gave 3 as the first of 50 but stands at 3; make both sides agree on the size of a block"
    );
    assert_eq!((blocks.remaining(), blocks.highest()), (0, 0));

    // If others take 49 numbers before its current number is read, it looks sound.
    let busy = Faulty::new(|_| 1 + 49);
    assert_eq!(
        Blocks::new(BlocksConfig::default()).refill(&busy, nonzero(50)),
        Ok(true),
        "a claim that is not made"
    );

    // In contrast, a counter that adds more than was asked only leaves gaps.
    let generous = Faulty::new(|_| 50);
    blocks.refill(&generous, nonzero(1)).expect("harmless");
    blocks.refill(&generous, nonzero(1)).expect("not low");
    assert_eq!((blocks.issue().expect("held"), blocks.remaining()), (1, 0));
}

#[test]
fn a_counter_that_fails_changes_nothing_and_numbers_at_hand_are_still_issued() {
    let counter = Faulty::new(|n| n);
    let mut blocks = blocks(5);
    blocks.refill(&counter, nonzero(10)).expect("a sound counter");
    assert!(blocks.by_ref().take(6).eq(1..=6));

    counter.fails.set(true);
    let error = blocks.refill(&counter, nonzero(10)).expect_err("it fails");
    assert_eq!(error, RefillError::Counter(NoAnswer));
    assert_eq!(error.to_string(), "the counter gave no block; the numbers held can still be issued");
    assert_eq!(std::error::Error::source(&error).expect("why").to_string(), "no answer");
    assert_eq!((blocks.issue().expect("held"), blocks.remaining()), (7, 3));

    counter.fails.set(false);
    assert_eq!(blocks.refill(&counter, nonzero(10)), Ok(true));
    assert!(blocks.by_ref().take(5).eq([8, 9, 10, 21, 22]), "11 to 20 were spent, and are not guessed");
    assert_eq!(blocks.refill(&counter, nonzero(10)), Ok(false), "8 are left");

    // A counter with numbers beyond all limits.
    counter.current.set(u64::MAX - 20);
    blocks.by_ref().for_each(drop);
    assert!(matches!(blocks.refill(&counter, nonzero(10)), Err(RefillError::WrongSize { .. })));
}

#[test]
fn a_run_longer_than_what_is_held_leaves_everything_in_place() {
    let mut blocks = blocks(0);
    let error = blocks.issue().expect_err("nothing yet");
    assert_eq!(
        error.to_string(),
        "too few numbers: 1 wanted, 0 available at once; ask for fewer, or continue with another class, block or batch"
    );

    blocks.feed(0, range(1, 3)).expect("empty");
    blocks.feed(0, range(11, 14)).expect("room");
    for n in [5, u64::MAX] {
        let error = blocks.issue_range(nonzero(n)).expect_err("too long");
        assert_eq!((error.available, error.wanted), (4, n));
    }
    assert_eq!(blocks.held(), [Some(range(1, 3)), Some(range(11, 14))]);
    assert_eq!(blocks.size_hint(), (7, Some(7)));

    let full = blocks.feed(0, range(21, 24)).expect_err("no room");
    assert_eq!((full.block, full.kind), (range(21, 24), BlockRefusedKind::Full));
    assert_eq!(full.to_string(), "two blocks are held already; keep 21..=24 and feed it when they are low");
    assert_eq!(blocks.highest(), 14, "so it can be fed later");
    assert_eq!(blocks.issue_range(nonzero(4)), Ok(range(11, 14)));
    assert_eq!(blocks.lost(), 3);
    blocks.feed(0, range(21, 24)).expect("room now");
}

#[test]
fn of_a_block_that_crosses_the_limit_the_part_within_is_issued() {
    let limit = Limit::new(100).expect("a limit");
    let mut blocks = Blocks::new(BlocksConfig { limit, low_water: 1_000, ..BlocksConfig::default() });
    blocks.feed(0, range(1, 90)).expect("within");
    blocks.feed(0, range(95, 120)).expect("in part");
    assert_eq!((blocks.held(), blocks.lost()), ([Some(range(1, 90)), Some(range(95, 100))], 20));
    assert_eq!((blocks.highest(), blocks.is_low()), (120, false), "no block would be of use any more");
    assert!(blocks.by_ref().eq((1..=90).chain(95..=100)));
    assert_eq!(blocks.issued(), 96);

    let mut joined = Blocks::new(BlocksConfig { limit, ..BlocksConfig::default() });
    joined.feed(0, range(1, 99)).expect("within");
    joined.feed(0, range(100, 101)).expect("in part");
    assert_eq!((joined.held(), joined.lost()), ([Some(range(1, 100)), None], 1));
}

#[test]
fn every_number_up_to_the_limit_is_issued_and_then_the_counter_is_left_alone() {
    // Blocks of 4 up to a limit of 10: the last one has two numbers too many.
    let limit = Limit::new(10).expect("a limit");
    let counter = Faulty::new(|n| n);
    let mut blocks = Blocks::new(BlocksConfig { limit, ..BlocksConfig::default() });
    for expected in 1..=10 {
        blocks.refill(&counter, nonzero(4)).expect("a sound counter");
        assert_eq!(blocks.issue(), Ok(expected));
    }
    assert_eq!(blocks.refill(&counter, nonzero(4)), Ok(false));
    assert!(blocks.issue().is_err());
    assert_eq!(counter.current.get(), 12, "numbers that others may use are not spent");

    // Another allocator took the last numbers. The next block is refused and returned, and the error's advice works.
    let mut late = Blocks::new(BlocksConfig { limit, ..BlocksConfig::default() });
    let error = late.refill(&counter, nonzero(4)).expect_err("13 is above 10");
    assert_eq!(
        error.to_string(),
        "block 13..=16 begins above the limit of 10; stop asking, or raise the limit"
    );
    let (block, kind) = refused(error);
    assert_eq!(kind, BlockRefusedKind::AboveLimit { limit });
    let mut raised = Blocks::new(BlocksConfig { highest: late.highest(), ..BlocksConfig::default() });
    raised.feed(0, block).expect("within");
    assert!(raised.eq(13..=16));
}

#[test]
fn where_all_numbers_up_to_the_limit_are_taken_at_the_start_nothing_is_issued() {
    let limit = Limit::new(10).expect("a limit");
    for highest in [10, 11, u64::MAX] {
        let counter = Faulty::new(|n| n);
        let mut blocks = Blocks::new(BlocksConfig { limit, highest, ..BlocksConfig::default() });
        for epoch in 1..3 {
            assert_eq!(blocks.internal_validate(), Ok(()));
            assert_eq!(blocks.refill(&counter, nonzero(4)), Ok(false));
            assert!(blocks.feed(blocks.epoch(), range(1, 20)).is_err() && blocks.issue().is_err());
            blocks.start_epoch(epoch).expect("newer");
        }
        assert_eq!((counter.current.get(), blocks.highest()), (0, highest));
    }
}

#[test]
fn numbers_from_elsewhere_are_observed_and_issuing_goes_on_above_them() {
    // TiDB, Hibernate: rows are imported with ids of their own while an allocator holds a block.
    let mut blocks = blocks(0);
    blocks.feed(0, range(1, 1_000)).expect("the first block");
    blocks.observe(2).expect("within");
    assert_eq!([blocks.issue(), blocks.issue()], [Ok(3), Ok(4)]);
    blocks.observe(3).expect("issued here, so nothing changes");
    assert_eq!((blocks.issue(), blocks.lost()), (Ok(5), 2));

    blocks.feed(0, range(2_001, 3_000)).expect("room");
    blocks.observe(1_500).expect("within");
    assert_eq!(blocks.held(), [Some(range(2_001, 3_000)), None]);
    blocks.observe(5_000).expect("within");
    assert_eq!((blocks.remaining(), blocks.highest(), blocks.is_low()), (0, 5_000, true));

    // The counter has not got there yet: what is below is refused, of what crosses the number the rest is used.
    let error = blocks.feed(0, range(4_001, 5_000)).expect_err("below");
    assert_eq!(error.kind, BlockRefusedKind::NotAbove { highest: 5_000 });
    assert_eq!(
        error.to_string(),
        "block 4001..=5000 is not above 5000, which is taken; if that number was observed, raise the counter, \
         otherwise stop using it: it went back or counts differently"
    );
    blocks.feed(0, range(4_501, 5_500)).expect("crosses it");
    assert_eq!(blocks.held(), [Some(range(5_001, 5_500)), None]);
    assert!(blocks.feed(0, range(5_201, 6_000)).is_err(), "fed before, in part: the counter went back");
    assert_eq!(blocks.issued() + blocks.remaining() + blocks.lost(), 3_000);
}

#[test]
fn a_refill_raises_the_counter_to_the_observed_number_once() {
    let counter = Faulty::new(|n| n);
    let (mut told, mut other) = (blocks(0), blocks(0));
    told.observe(1_200).expect("within");
    told.refill(&counter, nonzero(10)).expect("a sound counter");
    assert_eq!((told.issue(), counter.current.get()), (Ok(1_201), 1_210));
    other.refill(&counter, nonzero(10)).expect("a sound counter");
    assert_eq!(other.issue(), Ok(1_211), "the others profit");
    told.by_ref().for_each(drop);
    told.refill(&counter, nonzero(10)).expect("a sound counter");
    assert_eq!((told.issue(), counter.current.get()), (Ok(1_221), 1_230), "no number is wasted");

    // The counter is ahead already.
    let mut late = blocks(0);
    late.observe(1_200).expect("within");
    late.refill(&counter, nonzero(10)).expect("a sound counter");
    assert_eq!((late.issue(), counter.current.get()), (Ok(1_231), 1_240));

    // A counter that does not add what is asked of it is found out.
    let broken = Faulty::new(|_| 1);
    let mut blocks = blocks(0);
    blocks.observe(1_200).expect("within");
    let error = blocks.refill(&broken, nonzero(1)).expect_err("it stands at 2");
    assert_eq!(refused(error), (range(2, 2), BlockRefusedKind::NotAbove { highest: 1_200 }));
}

#[test]
fn a_number_at_the_limit_leaves_nothing_and_one_above_it_is_refused() {
    let limit = Limit::new(100).expect("a limit");
    let mut blocks = Blocks::new(BlocksConfig { limit, low_water: 10, ..BlocksConfig::default() });
    blocks.feed(0, range(1, 50)).expect("within");
    for number in [101, u64::MAX] {
        let error = blocks.observe(number).expect_err("above the limit");
        assert_eq!((error.number, error.limit), (number, limit));
        assert_eq!((blocks.remaining(), blocks.highest()), (50, 50), "nothing is changed");
    }
    let error = blocks.observe(101).expect_err("above the limit").to_string();
    assert_eq!(error, "number 101 is above the limit of 100; raise the limit, or distrust the number");
    blocks.observe(100).expect("within");
    assert_eq!((blocks.remaining(), blocks.is_low(), blocks.lost()), (0, false, 50));
    let error = blocks.feed(0, range(51, 200)).expect_err("nothing of it is of use");
    assert_eq!(error.kind, BlockRefusedKind::AboveLimit { limit });
    let counter = Faulty::new(|n| n);
    assert_eq!((blocks.refill(&counter, nonzero(1)), counter.current.get()), (Ok(false), 0));
}

#[test]
fn a_counter_that_is_away_for_less_than_the_low_water_goes_unnoticed() {
    let counter = Faulty::new(|n| n);
    let mut blocks = blocks(40);
    let mut errors = 0;
    for call in 0..10_000_u64 {
        counter.fails.set(call % 100 < 40); // away for 40 calls of 100
        if let Err(error) = blocks.refill(&counter, nonzero(60)) {
            assert_eq!(error, RefillError::Counter(NoAnswer));
            errors += 1;
            if call < 40 {
                continue; // nothing is held yet
            }
        }
        blocks.issue().expect("held for this");
    }
    assert!(errors > 1_000, "{errors} requests failed");
}

#[test]
fn what_a_crash_can_lose_is_bounded_also_where_blocks_join() {
    let counter = Faulty::new(|n| n);
    let mut blocks = blocks(95);
    while blocks.is_low() {
        blocks.refill(&counter, nonzero(10)).expect("a sound counter");
    }
    assert_eq!(blocks.held(), [Some(range(1, 100)), None], "ten blocks in one range");
    assert!(blocks.remaining() <= 95 + 10);
}

#[test]
fn a_block_as_long_as_the_range() {
    let mut all = Blocks::new(BlocksConfig::default());
    all.feed(0, range(1, Limit::MAX.get())).expect("within the limit");
    assert_eq!(
        all.issue_range(nonzero(Limit::MAX.get() - 1)).map(|range| range.len()),
        Ok(Limit::MAX.get() - 1)
    );
    assert_eq!((all.issue(), all.remaining()), (Ok(Limit::MAX.get()), 0));
    assert!(all.issue().is_err());
}
