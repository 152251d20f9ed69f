//! Lamport and hybrid clocks: beside the bare instructions, and beside uhlc, hlc-gen, hybrid-clocks and minerva.
//!
//! All hybrid clocks get the same work. The time is given; it stands still for 16 ticks, and then advances by a
//! millisecond. Each tick must be above the one before, and the last must have the given time. With the system time,
//! each tick must be above the one before.

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use happens_before::scalar::{AtomicHybridClock, AtomicLamportClock, SystemTime};
use happens_before::{HybridClock, LamportClock};
use hlc_gen::HlcGenerator;
use hybrid_clocks::Clock as HybridClocksClock;
use minerva::kairos::{Clock as MinervaClock, ClockConfig, LocalClock as MinervaLocalClock};

use crate::{Case, Contestant, Goal, Pick, Role};

const START_MS: u64 = 1_767_225_600_000;
const TICKS_A_MS: u64 = 16;
const ROUND_MS: u64 = 1_024;
const TICKS: u64 = TICKS_A_MS * ROUND_MS;
/// Long enough for two threads to run side by side.
const CONTENDED_TICKS: u64 = 64 * TICKS;

pub fn cases() -> Vec<Case> {
    use Role::{Limit, Ours, Peer};
    vec![
        Case {
            name: "Lamport tick, owned",
            unit: "ns",
            pick: Pick::Fastest,
            goal: Goal::None,
            contestants: vec![
                Contestant::new(Limit, "local increment", local_increment()),
                Contestant::new(Ours, "LamportClock", {
                    let mut clock = LamportClock::new(1_u64);
                    increasing(move || clock.tick().unwrap().counter())
                }),
            ],
        },
        Case {
            name: "Lamport tick, shared",
            unit: "ns",
            pick: Pick::Fastest,
            goal: Goal::WithinLimit(1.3),
            contestants: vec![
                Contestant::new(Limit, "fetch_add", {
                    let word = AtomicU64::new(0);
                    increasing(move || word.fetch_add(1, Ordering::AcqRel) + 1)
                }),
                Contestant::new(Ours, "AtomicLamportClock", {
                    let clock = AtomicLamportClock::new(1_u64);
                    increasing(move || clock.tick().unwrap().counter())
                }),
            ],
        },
        Case {
            name: "Lamport tick, shared by 2 threads",
            unit: "ns",
            pick: Pick::Median,
            goal: Goal::WithinLimit(1.5),
            contestants: vec![
                Contestant::new(Limit, "fetch_add", {
                    let word = AtomicU64::new(0);
                    two_threads(move || word.fetch_add(1, Ordering::AcqRel) + 1)
                }),
                Contestant::new(Ours, "AtomicLamportClock", {
                    let clock = AtomicLamportClock::new(1_u64);
                    two_threads(move || clock.tick().unwrap().counter())
                }),
            ],
        },
        Case {
            name: "hybrid tick, owned, time given",
            unit: "ns",
            pick: Pick::Fastest,
            goal: Goal::WithinLimitAndBeatPeers(2.0),
            contestants: vec![
                Contestant::new(Limit, "local increment", local_increment()),
                Contestant::new(Ours, "HybridClock", {
                    let mut clock = HybridClock::new(1_u64, 500);
                    time_given(move |now_ms| {
                        clock.tick(now_ms).map(|t| (t.time().to_bits(), t.time().ms())).unwrap()
                    })
                }),
                Contestant::new(Peer, "hybrid-clocks", {
                    let mut clock = HybridClocksClock::manual(0).unwrap();
                    time_given(move |now_ms| {
                        clock.set_time(now_ms);
                        let t = clock.now().unwrap();
                        (t.time << 16 | u64::from(t.count), t.time)
                    })
                }),
                Contestant::new(Peer, "minerva LocalClock", {
                    let clock = MinervaLocalClock::new(Given, 1).unwrap();
                    time_given(move |now_ms| {
                        GIVEN.store(now_ms, Ordering::Relaxed);
                        let t = clock.now(0_u16);
                        (t.physical() << 16 | u64::from(t.logical()), t.physical())
                    })
                }),
            ],
        },
        Case {
            name: "hybrid tick, shared, time given",
            unit: "ns",
            pick: Pick::Fastest,
            goal: Goal::WithinLimitAndBeatPeers(1.5),
            contestants: vec![
                Contestant::new(Limit, "load and compare-and-swap", {
                    let word = AtomicU64::new(0);
                    increasing(move || swap(&word))
                }),
                Contestant::new(Ours, "AtomicHybridClock", {
                    let clock = AtomicHybridClock::new(1_u64, 500);
                    time_given(move |now_ms| {
                        clock.tick(now_ms).map(|t| (t.time().to_bits(), t.time().ms())).unwrap()
                    })
                }),
                Contestant::new(Peer, "uhlc", {
                    let clock = uhlc::HLCBuilder::new().with_clock(given_ntp).build();
                    time_given(move |now_ms| {
                        // Its form of the time has the seconds in the upper half.
                        GIVEN_NTP.store(ntp(now_ms), Ordering::Relaxed);
                        let t = clock.new_timestamp().get_time().as_u64();
                        (t, if t >> 8 == ntp(now_ms) >> 8 { now_ms } else { 0 })
                    })
                }),
                Contestant::new(Peer, "hlc-gen", {
                    let clock = HlcGenerator::manual(0);
                    let mut set = 0;
                    time_given(move |now_ms| {
                        // Setting its manual clock is slow, so it is set only when the time has advanced.
                        if now_ms != set {
                            clock.set_current_timestamp(now_ms as i64);
                            set = now_ms;
                        }
                        let t = clock.next_timestamp().unwrap();
                        (t.as_u64(), t.timestamp() as u64)
                    })
                }),
                Contestant::new(Peer, "minerva Clock", {
                    let clock = MinervaClock::new(Given, 1, ClockConfig::default()).unwrap();
                    time_given(move |now_ms| {
                        GIVEN.store(now_ms, Ordering::Relaxed);
                        let t = clock.now(0_u16);
                        (t.physical() << 16 | u64::from(t.logical()), t.physical())
                    })
                }),
            ],
        },
        Case {
            name: "hybrid tick, owned, system time",
            unit: "ns",
            pick: Pick::Fastest,
            goal: Goal::BeatPeers,
            contestants: vec![
                system_time_now(),
                Contestant::new(Ours, "HybridClock", {
                    let mut clock = HybridClock::new(1_u64, 500);
                    increasing(move || clock.tick(SystemTime).unwrap().time().to_bits())
                }),
                Contestant::new(Peer, "hybrid-clocks", {
                    let mut clock = HybridClocksClock::wall_ms().unwrap();
                    increasing(move || {
                        let t = clock.now().unwrap();
                        t.time.as_u64() << 16 | u64::from(t.count)
                    })
                }),
                Contestant::new(Peer, "minerva LocalClock", {
                    let clock = MinervaLocalClock::new(System, 1).unwrap();
                    increasing(move || {
                        let t = clock.now(0_u16);
                        t.physical() << 16 | u64::from(t.logical())
                    })
                }),
            ],
        },
        Case {
            name: "hybrid tick, shared, system time",
            unit: "ns",
            pick: Pick::Fastest,
            goal: Goal::BeatPeers,
            contestants: vec![
                system_time_now(),
                Contestant::new(Ours, "AtomicHybridClock", {
                    let clock = AtomicHybridClock::new(1_u64, 500);
                    increasing(move || clock.tick(SystemTime).unwrap().time().to_bits())
                }),
                Contestant::new(Peer, "uhlc", {
                    let clock = uhlc::HLCBuilder::new().build();
                    increasing(move || clock.new_timestamp().get_time().as_u64())
                }),
                Contestant::new(Peer, "hlc-gen", {
                    let clock = HlcGenerator::default();
                    increasing(move || clock.next_timestamp().unwrap().as_u64())
                }),
                Contestant::new(Peer, "minerva Clock", {
                    let clock = MinervaClock::new(System, 1, ClockConfig::default()).unwrap();
                    increasing(move || {
                        let t = clock.now(0_u16);
                        t.physical() << 16 | u64::from(t.logical())
                    })
                }),
            ],
        },
        Case {
            name: "hybrid tick, shared by 2 threads, time given",
            unit: "ns",
            pick: Pick::Median,
            goal: Goal::None,
            contestants: vec![
                Contestant::new(Limit, "load and compare-and-swap", {
                    let word = AtomicU64::new(0);
                    two_threads(move || swap(&word))
                }),
                Contestant::new(Ours, "AtomicHybridClock", {
                    let clock = AtomicHybridClock::new(1_u64, 500);
                    two_threads(move || clock.tick(START_MS).unwrap().time().to_bits())
                }),
                Contestant::new(Peer, "uhlc", {
                    let clock = uhlc::HLCBuilder::new().with_clock(|| uhlc::NTP64(1 << 60)).build();
                    two_threads(move || clock.new_timestamp().get_time().as_u64())
                }),
                Contestant::new(Peer, "minerva Clock", {
                    let clock = MinervaClock::new(Still, 1, ClockConfig::default()).unwrap();
                    two_threads(move || {
                        let t = clock.now(0_u16);
                        t.physical() << 16 | u64::from(t.logical())
                    })
                }),
            ],
        },
    ]
}

fn system_time_now() -> Contestant {
    let mut count = 0;
    Contestant::new(
        Role::Limit,
        "SystemTime::now",
        increasing(move || {
            black_box(std::time::SystemTime::now());
            count += 1;
            count
        }),
    )
}

pub(crate) fn local_increment() -> impl FnMut() -> f64 {
    let mut counter = 0_u64;
    increasing(move || {
        counter += 1;
        counter
    })
}

fn swap(word: &AtomicU64) -> u64 {
    let mut last = word.load(Ordering::Acquire);
    loop {
        match word.compare_exchange_weak(last, last + 1, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => return last + 1,
            Err(now) => last = now,
        }
    }
}

/// Makes a round of ticks, each of which must be above the one before.
pub(crate) fn increasing(mut tick: impl FnMut() -> u64) -> impl FnMut() -> f64 {
    let mut last = 0;
    move || {
        let mut wrong = 0;
        let begin = Instant::now();
        for _ in 0..TICKS {
            let time = black_box(tick());
            wrong += u64::from(time <= last);
            last = time;
        }
        let elapsed = begin.elapsed();
        assert_eq!(wrong, 0, "each tick is above the one before");
        nanoseconds(elapsed)
    }
}

/// Makes a round of ticks with a given time that advances. `tick` returns a number that must increase, and the milliseconds.
fn time_given(mut tick: impl FnMut(u64) -> (u64, u64)) -> impl FnMut() -> f64 {
    let (mut last, mut now_ms) = (0, START_MS);
    move || {
        let mut wrong = 0;
        let mut last_ms = 0;
        let begin = Instant::now();
        for _ in 0..ROUND_MS {
            now_ms = black_box(now_ms + 1);
            for _ in 0..TICKS_A_MS {
                let (time, ms) = tick(now_ms);
                let time = black_box(time);
                wrong += u64::from(time <= last);
                last = time;
                last_ms = ms;
            }
        }
        let elapsed = begin.elapsed();
        assert_eq!(wrong, 0, "each tick is above the one before");
        assert_eq!(last_ms, now_ms, "the clock has the time given");
        nanoseconds(elapsed)
    }
}

/// Makes a round in which two threads tick the same clock; the figure is the time that each waits for a tick.
fn two_threads(tick: impl Fn() -> u64 + Send + Sync + 'static) -> impl FnMut() -> f64 {
    let tick = Arc::new(tick);
    move || {
        let barrier = Arc::new(Barrier::new(2));
        let run = {
            let tick = tick.clone();
            move || {
                let (mut last, mut wrong) = (0, 0);
                barrier.wait();
                let begin = Instant::now();
                for _ in 0..CONTENDED_TICKS {
                    let time = black_box(tick());
                    wrong += u64::from(time <= last);
                    last = time;
                }
                let elapsed = begin.elapsed();
                assert_eq!(wrong, 0, "each thread's ticks increase");
                elapsed
            }
        };
        let other = std::thread::spawn(run.clone());
        let mine = run();
        let theirs = other.join().expect("the other thread's assertions hold");
        mine.max(theirs).as_secs_f64() * 1e9 / CONTENDED_TICKS as f64
    }
}

fn nanoseconds(elapsed: Duration) -> f64 {
    elapsed.as_secs_f64() * 1e9 / TICKS as f64
}

static GIVEN: AtomicU64 = AtomicU64::new(0);
static GIVEN_NTP: AtomicU64 = AtomicU64::new(0);

fn ntp(ms: u64) -> u64 {
    // Cheap and increasing, which suffices: 2^22 units of 2^-32 s for a millisecond.
    ms << 22
}

fn given_ntp() -> uhlc::NTP64 {
    uhlc::NTP64(GIVEN_NTP.load(Ordering::Relaxed))
}

/// A time source for minerva that returns `GIVEN`.
struct Given;

impl minerva::kairos::TimeSource for Given {
    fn now(&self) -> u64 {
        GIVEN.load(Ordering::Relaxed)
    }
}

/// A time source that stands still.
struct Still;

impl minerva::kairos::TimeSource for Still {
    fn now(&self) -> u64 {
        START_MS
    }
}

/// A time source with the system time, in milliseconds like ours.
struct System;

impl minerva::kairos::TimeSource for System {
    fn now(&self) -> u64 {
        happens_before::scalar::TimeSource::now_ms(&SystemTime)
    }
}
