//! Numbers for operations beside a local increment, the least possible cost of a number. Every body asserts its
//! answers.
//!
//! ```text
//! cargo bench --bench sequence
//! ```
//!
//! All figures are for one number. Compare within a run: the first line is the limit.

use std::convert::Infallible;
use std::hint::black_box;
use std::num::NonZeroU64;
use std::time::Instant;

use criterion::{Criterion, criterion_group, criterion_main};
use happens_before::counter::AtomicCounter;
use happens_before::sequence::{
    Blocks, BlocksConfig, Interleaved, ReserveAhead, Snowflake, SnowflakeConfig, SnowflakeLayout, Store,
};

/// Numbers of one iteration.
const BATCH: u64 = 1_024;

/// Numbers of one block, and of one reservation.
const BLOCK: NonZeroU64 = NonZeroU64::new(1_024).unwrap();

/// Times `issue`, which gets the index of the number; the numbers must increase.
fn numbers(c: &mut Criterion, name: &str, mut issue: impl FnMut(u64) -> u64) {
    let (mut index, mut last) = (0, 0);
    c.benchmark_group("sequence").bench_function(name, |bencher| {
        bencher.iter_custom(|iterations| {
            let begin = Instant::now();
            for _ in 0..iterations {
                // The allocator is in memory, as in a program; the check of its answers is in registers.
                (index, last) = batch(&mut issue, index, last);
            }
            // The time of one number.
            begin.elapsed() / BATCH as u32
        });
    });
}

#[inline(always)]
fn batch(issue: &mut impl FnMut(u64) -> u64, first: u64, mut last: u64) -> (u64, u64) {
    for index in first..first + BATCH {
        let number = issue(index);
        black_box(number);
        assert!(number > last);
        last = number;
    }
    (first + BATCH, last)
}

struct InMemory(u64);

impl Store for InMemory {
    type Error = Infallible;

    fn read(&mut self) -> Result<u64, Infallible> {
        Ok(self.0)
    }

    fn write(&mut self, number: u64) -> Result<(), Infallible> {
        self.0 = number;
        Ok(())
    }
}

fn one_number(c: &mut Criterion) {
    let mut counter = 0_u64;
    numbers(c, "local increment", |_| {
        counter += 1;
        counter
    });

    let counter = AtomicCounter::new();
    let mut blocks = Blocks::new(BlocksConfig { low_water: 64, ..BlocksConfig::default() });
    numbers(c, "Blocks, refilled by 1,024", |index| {
        blocks.refill(&counter, BLOCK).unwrap();
        let number = blocks.issue().unwrap();
        assert_eq!(number, index + 1);
        number
    });

    let counter = AtomicCounter::new();
    let mut blocks = Blocks::new(BlocksConfig::default());
    numbers(c, "Blocks, refilled by 1,024 when dry", |index| {
        let number = loop {
            match blocks.issue() {
                Ok(number) => break number,
                Err(_) => assert!(blocks.refill(&counter, BLOCK).unwrap()),
            }
        };
        assert_eq!(number, index + 1);
        number
    });

    let mut class = Interleaved::new(3, 5).unwrap();
    numbers(c, "Interleaved", |index| {
        let number = class.issue().unwrap();
        assert_eq!(number, 3 + 5 * index);
        number
    });

    let mut ahead = ReserveAhead::resume(InMemory(0), BLOCK).unwrap();
    numbers(c, "ReserveAhead by 1,024, in memory", |index| {
        let number = ahead.issue().unwrap();
        assert_eq!(number, index + 1);
        number
    });

    let mut clock = Snowflake::new(SnowflakeConfig {
        layout: SnowflakeLayout::SNOWFLAKE,
        node: 5,
        origin_ms: 0,
        ahead_ms: 0,
        spread_bits: 0,
    })
    .unwrap();
    numbers(c, "Snowflake, time given, 16 a millisecond", |index| {
        let id = clock.issue(1_000 + index / 16).unwrap();
        assert_eq!(id, (1_000 + index / 16) << 22 | 5 << 12 | (index % 16));
        id
    });
}

criterion_group!(benches, one_number);
criterion_main!(benches);
