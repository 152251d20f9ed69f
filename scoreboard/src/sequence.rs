//! Numbers for operations: beside a local increment, and time-of-day ids beside ferroid, nexus-id, snowflaked and
//! rs-snowflake.
//!
//! With a given time, all contestants get the same work: the time stands still for 16 ids, and then advances by a
//! millisecond. Each id must be above the one before, and the last must have the given time.
//!
//! snowflaked and rs-snowflake do not accept a given time. So they are measured beside this crate with the system time,
//! in bursts that begin with a millisecond and fit into it: none has to wait for the next. (rs-snowflake's `generate`
//! and `lazy_generate` read a clock once in 4,096 ids or never, so their ids do not tell the time.)

use std::cell::Cell;
use std::convert::Infallible;
use std::hint::black_box;
use std::num::NonZeroU64;
use std::rc::Rc;
use std::time::{Duration, Instant};

use ferroid::generator::{BasicSnowflakeGenerator, Poll};
use ferroid::id::SnowflakeTwitterId;
use happens_before::counter::AtomicCounter;
use happens_before::scalar::{SystemTime, TimeSource};
use happens_before::sequence::{
    Blocks, BlocksConfig, Interleaved, ReserveAhead, Snowflake, SnowflakeConfig, SnowflakeLayout, Store,
};

use crate::scalar::{increasing, local_increment};
use crate::{Case, Contestant, Goal, Pick, Role};

const THOUSAND: NonZeroU64 = NonZeroU64::new(1_000).unwrap();
const NODE: u64 = 5;

pub fn cases() -> Vec<Case> {
    use Role::{Limit, Ours, Peer};
    vec![
        Case {
            name: "Blocks, 1,000 numbers a block",
            unit: "ns",
            pick: Pick::Fastest,
            goal: Goal::WithinLimit(3.0),
            contestants: vec![
                Contestant::new(Limit, "local increment", local_increment()),
                Contestant::new(Ours, "Blocks", {
                    let counter = AtomicCounter::new();
                    let mut blocks = Blocks::new(BlocksConfig { low_water: 100, ..BlocksConfig::default() });
                    increasing(move || {
                        blocks.refill(&counter, THOUSAND).unwrap();
                        blocks.issue().unwrap()
                    })
                }),
            ],
        },
        Case {
            name: "Interleaved",
            unit: "ns",
            pick: Pick::Fastest,
            goal: Goal::None,
            contestants: vec![
                Contestant::new(Limit, "local increment", local_increment()),
                Contestant::new(Ours, "Interleaved", {
                    let mut class = Interleaved::new(2, 3).unwrap();
                    increasing(move || class.issue().unwrap())
                }),
            ],
        },
        Case {
            name: "ReserveAhead, 1,000 numbers a write, in memory",
            unit: "ns",
            pick: Pick::Fastest,
            goal: Goal::None,
            contestants: vec![
                Contestant::new(Limit, "local increment", local_increment()),
                Contestant::new(Ours, "ReserveAhead", {
                    let mut numbers = ReserveAhead::resume(InMemory(0), THOUSAND).unwrap();
                    increasing(move || numbers.issue().unwrap())
                }),
            ],
        },
        Case {
            name: "time-of-day id, time given",
            unit: "ns",
            pick: Pick::Fastest,
            goal: Goal::BeatPeers,
            contestants: vec![
                Contestant::new(Limit, "local increment", local_increment()),
                Contestant::new(Ours, "Snowflake", {
                    let mut clock = wall_clock();
                    time_given(move |now_ms| clock.issue(now_ms).unwrap())
                }),
                Contestant::new(Peer, "ferroid", {
                    let time = Given(Rc::new(Cell::new(0)));
                    let ids = BasicSnowflakeGenerator::<SnowflakeTwitterId, _>::new(NODE, time.clone());
                    time_given(move |now_ms| {
                        time.0.set(now_ms);
                        match ids.poll_id() {
                            Poll::Ready { id } => id.to_raw(),
                            Poll::Pending { .. } => 0,
                        }
                    })
                }),
                Contestant::new(Peer, "nexus-id", {
                    let mut ids = nexus_id::Snowflake64::<41, 10, 12>::new(NODE);
                    time_given(move |now_ms| ids.next(now_ms).unwrap())
                }),
            ],
        },
        Case {
            name: "time-of-day id, system time",
            unit: "ns",
            pick: Pick::Fastest,
            goal: Goal::BeatPeers,
            contestants: vec![
                Contestant::new(Limit, "SystemTime::now", {
                    let mut count = 0;
                    burst(move || {
                        black_box(std::time::SystemTime::now());
                        count += 1;
                        count
                    })
                }),
                Contestant::new(Ours, "Snowflake", {
                    let mut clock = wall_clock();
                    burst(move || clock.issue(SystemTime).unwrap())
                }),
                Contestant::new(Peer, "snowflaked", {
                    let mut ids = snowflaked::Generator::new(NODE as u16);
                    burst(move || ids.generate::<u64>())
                }),
                Contestant::new(Peer, "rs-snowflake, real time", {
                    let mut ids = snowflake::SnowflakeIdGenerator::new(0, NODE as i32);
                    burst(move || ids.real_time_generate() as u64)
                }),
            ],
        },
    ]
}

fn wall_clock() -> Snowflake {
    let config = SnowflakeConfig {
        layout: SnowflakeLayout::SNOWFLAKE,
        node: NODE,
        origin_ms: 0,
        ahead_ms: 10,
        spread_bits: 0,
    };
    Snowflake::new(config).unwrap()
}

/// Makes a round of ids with a given time, which stands still for 16 ids and then advances.
fn time_given(mut issue: impl FnMut(u64) -> u64) -> impl FnMut() -> f64 {
    const MILLISECONDS: u64 = 1_024;
    const IDS_A_MS: u64 = 16;
    let (mut last, mut now_ms) = (0, 1_767_225_600_000);
    move || {
        // In registers, so that the check and the state between rounds cost no store for an id.
        let (mut wrong, mut previous) = (false, last);
        let begin = Instant::now();
        for _ in 0..MILLISECONDS {
            now_ms = black_box(now_ms + 1);
            for _ in 0..IDS_A_MS {
                let id = black_box(issue(now_ms));
                wrong |= id <= previous;
                previous = id;
            }
        }
        let elapsed = begin.elapsed();
        last = previous;
        assert!(!wrong, "each id is above the one before");
        assert!(last == (now_ms << 22 | NODE << 12 | (IDS_A_MS - 1)), "the id has the time given");
        elapsed.as_secs_f64() * 1e9 / (MILLISECONDS * IDS_A_MS) as f64
    }
}

/// Makes a round of ids in one millisecond of the system time; each must be above the one before.
fn burst(mut issue: impl FnMut() -> u64) -> impl FnMut() -> f64 {
    const IDS: u32 = 1_000;
    let mut last = 0;
    move || {
        let start = SystemTime.now_ms();
        while SystemTime.now_ms() == start {}
        let mut wrong = 0;
        let begin = Instant::now();
        for _ in 0..IDS {
            let id = black_box(issue());
            wrong += u64::from(id <= last);
            last = id;
        }
        let elapsed = begin.elapsed();
        assert_eq!(wrong, 0, "each id is above the one before");
        // A burst that did not fit may have waited; the fastest of the rounds counts.
        elapsed.max(Duration::from_nanos(1)).as_secs_f64() * 1e9 / f64::from(IDS)
    }
}

/// A given time in ferroid's form.
#[derive(Clone)]
struct Given(Rc<Cell<u64>>);

impl ferroid::time::TimeSource<u64> for Given {
    fn current_millis(&self) -> u64 {
        self.0.get()
    }
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
