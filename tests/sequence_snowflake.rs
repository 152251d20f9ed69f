//! Tests of time-of-day ids: clocks that go back, bursts, restarts, and the end of the layout.

mod sequence_support;

use std::num::NonZeroU64;

use happens_before::counter::TooFewNumbers;
use happens_before::sequence::{Limit, Snowflake, SnowflakeConfig, SnowflakeError, SnowflakeLayout};
use sequence_support::Random;

fn nonzero(n: u64) -> NonZeroU64 {
    NonZeroU64::new(n).expect("not zero")
}

fn layout(ms_bits: u8, node_bits: u8, sequence_bits: u8) -> SnowflakeLayout {
    SnowflakeLayout::new(ms_bits, node_bits, sequence_bits).expect("a layout")
}

fn clock(layout: SnowflakeLayout, node: u64, origin_ms: u64, ahead_ms: u64) -> Snowflake {
    Snowflake::new(SnowflakeConfig { layout, node, origin_ms, ahead_ms, spread_bits: 0 })
        .expect("a valid configuration")
}

/// A clock whose ids spread over the lowest bits.
fn spread(layout: SnowflakeLayout, ahead_ms: u64, spread_bits: u8) -> Snowflake {
    let config = SnowflakeConfig { layout, node: 1, origin_ms: 0, ahead_ms, spread_bits };
    Snowflake::new(config).expect("a valid configuration")
}

/// A plain model of `Snowflake`: it tries each id after the last one, in order.
struct Model {
    /// (millisecond since the origin, sequence) of the last id.
    last: (u64, u64),
    layout: SnowflakeLayout,
    origin_ms: u64,
    ahead_ms: u64,
    spread_bits: u8,
}

impl Model {
    /// Issues the first `n` ids in a row that lie after the last id, from the clock's millisecond on; or returns the
    /// reason for a refusal.
    fn issue(&mut self, now_ms: u64, n: u64) -> Result<(u64, u64), &'static str> {
        if n > self.layout.highest_sequence() + 1 {
            return Err("range too long");
        }
        let now = now_ms.saturating_sub(self.origin_ms);
        // The sequence of a new millisecond; earlier if the ids have no room from there on.
        let mut start = (self.last.1 + 1) % (1 << self.spread_bits);
        while start + n - 1 > self.layout.highest_sequence() {
            start -= 1;
        }
        let (mut ms, mut sequence) = self.last;
        loop {
            // The next place in the order of ids, or the clock's millisecond if that is later.
            if sequence < self.layout.highest_sequence() {
                sequence += 1
            } else {
                (ms, sequence) = (ms + 1, start)
            }
            if ms < now {
                (ms, sequence) = (now, start);
            }
            if ms > self.layout.highest_ms() {
                return Err("exhausted");
            }
            if sequence + n - 1 <= self.layout.highest_sequence() {
                break;
            }
        }
        if self.origin_ms + ms > now_ms + self.ahead_ms {
            return Err("too far ahead");
        }
        self.last = (ms, sequence + n - 1);
        Ok((ms, sequence))
    }
}

#[test]
fn every_short_history_of_a_tiny_clock_is_what_the_plain_rules_say() {
    let (mut issued, mut errors) = (0, [0; 4]);
    for (sequence_bits, origin_ms, ahead_ms, range, spread_bits) in [
        (0, 0, 0, 2, 0),
        (0, 3, 2, 2, 0),
        (1, 0, 0, 3, 0),
        (1, 0, 1, 2, 0),
        (1, 2, 1, 2, 0),
        (2, 1, 3, 3, 0),
        (1, 2, 100, 2, 0),
        (1, 0, 1, 2, 1),
        (2, 0, 0, 2, 1),
        (2, 1, 3, 3, 2),
    ] {
        let layout = layout(3, 1, sequence_bits);
        // Each letter: the reading of the clock, and whether one id or a range is wanted.
        let readings = [0, 1, 2, 4, 5, 9, 10];
        for word in 0..14_usize.pow(4) {
            let config = SnowflakeConfig { layout, node: 1, origin_ms, ahead_ms, spread_bits };
            let mut clock = Snowflake::new(config).expect("a valid configuration");
            let mut model = Model { last: (0, 0), layout, origin_ms, ahead_ms, spread_bits };
            let mut last_id = 0;
            for letter in (0..4).map(|at| word / 14_usize.pow(at) % 14) {
                let (now_ms, n) = (readings[letter % 7], if letter < 7 { 1 } else { range });
                let before = clock.last_ms();
                let answer = match n {
                    1 => clock.issue(now_ms).map(|id| (id, id)),
                    _ => clock.issue_range(now_ms, nonzero(n)).map(|range| (range.first(), range.last())),
                };
                match (answer, model.issue(now_ms, n)) {
                    (Ok((first, last)), Ok((ms, sequence))) => {
                        issued += 1;
                        assert_eq!(layout.decode(first), (ms, 1, sequence));
                        assert_eq!(last - first + 1, n);
                        assert!(first > last_id && last <= layout.highest_id());
                        assert_eq!(clock.last_ms(), origin_ms + ms);
                        last_id = last;
                    }
                    (Err(error), Err(reason)) => {
                        assert_eq!(clock.last_ms(), before);
                        let (at, expected) = match error {
                            SnowflakeError::ClockBehind { now_ms: now, retry_at_ms } => {
                                assert!(now == now_ms && retry_at_ms > now);
                                // It works exactly at that time, and not a millisecond earlier.
                                let mut probe = Model { last: model.last, ..model };
                                assert!(probe.issue(retry_at_ms - 1, n).is_err());
                                assert!(probe.issue(retry_at_ms, n).is_ok());
                                (0, "too far ahead")
                            }
                            SnowflakeError::AfterEnd { ms, last_ms } => {
                                assert!(ms == now_ms && ms > last_ms);
                                assert_eq!(last_ms, origin_ms + layout.highest_ms());
                                (1, "exhausted")
                            }
                            SnowflakeError::TooFewNumbers(TooFewNumbers { wanted, available, .. }) => {
                                assert!(now_ms <= origin_ms + layout.highest_ms() && wanted == n);
                                assert_eq!(available, clock.remaining());
                                (3, "exhausted")
                            }
                            SnowflakeError::RangeTooLong { longest } => {
                                assert_eq!(longest, layout.highest_sequence() + 1);
                                (2, "range too long")
                            }
                            _ => unreachable!("no other error"),
                        };
                        assert_eq!(reason, expected);
                        errors[at] += 1;
                    }
                    (answer, expected) => {
                        panic!("{answer:?} where {expected:?} is right, at {now_ms}, {n} ids")
                    }
                }
                let (ms, sequence) = model.last;
                let left = (layout.highest_ms() - ms) * (layout.highest_sequence() + 1);
                assert_eq!(clock.remaining(), left + layout.highest_sequence() - sequence);
                assert_eq!(clock.internal_validate(), Ok(()));
            }
        }
    }
    println!("{issued} issued, {errors:?} errors");
    assert!(issued > 300_000 && errors.iter().all(|&count| count > 40_000));
}

#[test]
fn ids_at_a_low_rate_spread_evenly_over_the_parts_of_a_table() {
    let rows = |spread_bits, step_ms: u64| {
        let mut clock = spread(SnowflakeLayout::SNOWFLAKE, 0, spread_bits);
        let mut rows = [0; 16];
        for call in 1..=1_600 {
            rows[(clock.issue(call * step_ms).expect("in time") % 16) as usize] += 1;
        }
        rows
    };
    // At one id a millisecond, and at rates whose steps have divisors in common with 16.
    for step_ms in [1, 2, 16, 1_000] {
        assert_eq!(rows(4, step_ms), [100; 16]);
        assert_eq!(rows(0, step_ms)[0], 1_600, "all in one part");
        assert_eq!(rows(2, step_ms)[4..], [0; 12], "four parts");
    }
}

#[test]
fn spread_ids_increase_and_none_is_repeated_whatever_the_clock_does() {
    let mut random = Random::seeded(5);
    let (mut seen, mut errors) = (0, 0);
    for spread_bits in 0..=4 {
        let layout = layout(41, 2, 4);
        let mut clock = spread(layout, 20, spread_bits);
        let (mut now_ms, mut last) = (0_u64, 0);
        for _ in 0..20_000 {
            now_ms = (now_ms + [0, 0, 0, 1, 1, 17][random.below(6)])
                .saturating_sub(u64::from(random.below(9) == 0) * 5);
            let n = 1 + random.below(16) as u64;
            let issued = if random.below(4) > 0 {
                clock.issue(now_ms).map(|id| (id, id))
            } else {
                clock.issue_range(now_ms, nonzero(n)).map(|range| (range.first(), range.last()))
            };
            match issued {
                Ok((first, end)) => {
                    assert!(first > last, "increasing");
                    let ((ms, node, _), (end_ms, _, _)) = (layout.decode(first), layout.decode(end));
                    assert_eq!((ms, node), (end_ms, 1), "a range is of one millisecond");
                    (last, seen) = (end, seen + 1);
                }
                Err(SnowflakeError::ClockBehind { .. }) => errors += 1,
                Err(error) => panic!("{error}"),
            }
            assert_eq!(clock.internal_validate(), Ok(()));
        }
    }
    assert!(seen > 50_000 && errors > 100, "{seen} {errors}");
}

#[test]
fn a_millisecond_that_begins_late_has_fewer_ids_and_a_full_one_is_followed_by_a_full_one() {
    let layout = layout(41, 2, 4);
    let mut clock = spread(layout, 0, 3);
    let burst = |clock: &mut Snowflake, now_ms| (0..100).map_while(|_| clock.issue(now_ms).ok()).count();
    assert_eq!(layout.decode(clock.issue(10).expect("in time")), (10, 1, 1));
    assert_eq!(burst(&mut clock, 11), 14, "from sequence 2 on");
    assert_eq!(burst(&mut clock, 12), 16);
    clock.issue(13).expect("in time");
    assert_eq!(clock.issue_range(14, nonzero(16)).map(|range| layout.decode(range.first())), Ok((14, 1, 0)));
}

#[test]
fn a_clock_that_goes_back_repeats_no_id_where_a_plain_generator_does() {
    // The way of many generators: the sequence starts at 0 whenever the millisecond has changed.
    let layout = SnowflakeLayout::SNOWFLAKE;
    let mut plain_last = None;
    let mut sequence = 0;
    let mut plain = |now_ms: u64| {
        sequence = if plain_last == Some(now_ms) { sequence + 1 } else { 0 };
        plain_last = Some(now_ms);
        now_ms << 22 | sequence
    };
    let readings = [100, 100, 101, 102, 100, 100, 101, 103]; // set back by 2 ms in between
    let mut ids: Vec<u64> = readings.into_iter().map(&mut plain).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 5, "of 8");

    let mut clock = clock(layout, 0, 0, 2);
    let ids: Vec<u64> =
        readings.into_iter().map(|now_ms| clock.issue(now_ms).expect("within the cap")).collect();
    assert!(ids.is_sorted_by(|a, b| a < b), "all differ, and increase");
    assert_eq!(
        ids.iter().map(|&id| layout.decode(id)).collect::<Vec<_>>(),
        [
            (100, 0, 0),
            (100, 0, 1),
            (101, 0, 0),
            (102, 0, 0),
            (102, 0, 1),
            (102, 0, 2),
            (102, 0, 3),
            (103, 0, 0)
        ],
    );
}

#[test]
fn a_clock_that_goes_back_by_more_than_the_cap_is_an_error_that_says_when_to_try_again() {
    let mut clock = clock(SnowflakeLayout::SNOWFLAKE, 3, 1_000, 5);
    let first = clock.issue(10_000).expect("the first id");
    assert!(clock.issue(9_995).expect("just within the cap") > first);
    let error = clock.issue(9_994).expect_err("6 ms behind");
    assert_eq!(error, SnowflakeError::ClockBehind { now_ms: 9_994, retry_at_ms: 9_995 });
    assert_eq!(error.to_string(), "the clock reads 9994 ms, too far behind the last id; try again at 9995 ms");
    assert_eq!(clock.issue(0), Err(SnowflakeError::ClockBehind { now_ms: 0, retry_at_ms: 9_995 }));
    assert_eq!(clock.issue_range(9_000, nonzero(4_000)).err(), clock.issue(9_000).err());
    assert_eq!(
        SnowflakeLayout::SNOWFLAKE.decode(clock.issue(9_995).expect("again")),
        (9_000, 3, 2),
        "none was spent"
    );
}

#[test]
fn a_burst_borrows_from_the_milliseconds_to_come_up_to_the_cap() {
    let layout = layout(41, 10, 2);
    let mut patient = clock(layout, 0, 0, 0);
    let mut eager = clock(layout, 0, 0, 3);
    let burst = |clock: &mut Snowflake| (0..100).map_while(|_| clock.issue(50).ok()).collect::<Vec<_>>();
    assert_eq!(burst(&mut patient).len(), 4);
    assert_eq!(patient.issue(50), Err(SnowflakeError::ClockBehind { now_ms: 50, retry_at_ms: 51 }));
    let ids = burst(&mut eager);
    assert_eq!(ids.len(), 16);
    assert!(ids.is_sorted_by(|a, b| a < b));
    assert_eq!(layout.decode(ids[15]), (53, 0, 3));
    assert_eq!(eager.issue(50), Err(SnowflakeError::ClockBehind { now_ms: 50, retry_at_ms: 51 }));
    assert_eq!(layout.decode(eager.issue(51).expect("time has passed")), (54, 0, 0));
    assert_eq!(layout.decode(eager.issue(60).expect("caught up")), (60, 0, 0));
}

#[test]
fn nodes_with_clocks_that_wander_never_share_an_id() {
    let mut random = Random::seeded(5);
    let layout = layout(41, 3, 4);
    let mut nodes: Vec<(Snowflake, u64)> = (0..8).map(|node| (clock(layout, node, 0, 10), 1_000)).collect();
    let mut ids = std::collections::BTreeSet::new();
    let (mut refused, mut in_order, mut latest) = (0, 0, 0);
    for _ in 0..200_000 {
        let (clock, now_ms) = &mut nodes[random.below(8)];
        match random.below(100) {
            0 => *now_ms = now_ms.saturating_sub(random.below(20) as u64), // set back
            1..=20 => *now_ms += random.below(5) as u64,
            _ => {}
        }
        match clock.issue(*now_ms) {
            Ok(id) => {
                assert!(ids.insert(id));
                assert!(layout.decode(id).0 <= *now_ms + 10);
                in_order += usize::from(id > latest);
                latest = id;
            }
            Err(_) => refused += 1,
        }
    }
    println!("{} ids, {refused} refused, {in_order} above the one before", ids.len());
    assert!(ids.len() > 100_000 && refused > 100);
    assert!(in_order < ids.len() * 9 / 10, "so they are not in the order in which they were issued");
}

#[test]
fn after_a_restart_nothing_up_to_the_millisecond_skipped_is_issued() {
    let layout = layout(10, 2, 3);
    let mut clock = clock(layout, 2, 100, 0);
    clock.skip_past(99).expect("before the origin");
    clock.skip_past(0).expect("before the origin");
    assert_eq!(layout.decode(clock.issue(100).expect("nothing was skipped")), (0, 2, 1));
    clock.skip_past(150).expect("within the layout");
    assert_eq!(clock.last_ms(), 150);
    assert_eq!(clock.issue(150), Err(SnowflakeError::ClockBehind { now_ms: 150, retry_at_ms: 151 }));
    assert_eq!(layout.decode(clock.issue(151).expect("later")), (51, 2, 0));
    clock.skip_past(120).expect("long past");
    assert_eq!(layout.decode(clock.issue(151).expect("unchanged")), (51, 2, 1));
    clock.skip_past(151).expect("the millisecond in hand");
    assert_eq!(clock.issue(151), Err(SnowflakeError::ClockBehind { now_ms: 151, retry_at_ms: 152 }));

    let before = clock.remaining();
    for ms in [100 + 1_024, u64::MAX] {
        let error = clock.skip_past(ms).expect_err("after the end of the layout");
        assert_eq!((error, clock.remaining()), (SnowflakeError::AfterEnd { ms, last_ms: 1_123 }, before));
    }
    clock.skip_past(100 + 1_023).expect("the last millisecond");
    assert_eq!(clock.remaining(), 0);
    assert!(matches!(clock.issue(1_123), Err(SnowflakeError::TooFewNumbers(_))));
}

#[test]
fn a_quick_restart_behind_a_bound_waits_for_what_the_reserve_exceeds_the_cap() {
    let mut clock = clock(SnowflakeLayout::SNOWFLAKE, 2, 0, 5);
    // The ReserveAhead of 1,000 made its bound 10_999 durable for an id at 10_000.
    clock.skip_past(10_999).expect("within the layout");
    let error = clock.issue(10_000).expect_err("the millisecond after the bound is 1,000 ms ahead");
    assert_eq!(error, SnowflakeError::ClockBehind { now_ms: 10_000, retry_at_ms: 10_995 });
    assert_eq!(SnowflakeLayout::SNOWFLAKE.decode(clock.issue(10_995).expect("995 ms later")), (11_000, 2, 0));
}

#[test]
fn no_id_is_0_and_none_is_above_the_layout() {
    let tiny = layout(1, 0, 1);
    let mut first = clock(tiny, 0, 0, 0);
    assert_eq!((first.issue(0), first.issue(1), first.issue(1)), (Ok(1), Ok(2), Ok(3)));
    for (now_ms, advice) in [
        (
            0,
            "the layout's last millisecond has only 0 of the 1 ids wanted; choose a new layout or a later origin",
        ),
        (
            1,
            "the layout's last millisecond has only 0 of the 1 ids wanted; choose a new layout or a later origin",
        ),
        (
            2,
            "2 ms is after 1 ms, the layout's last; set the clock right or, if it is right, choose a new layout or a \
             later origin",
        ),
    ] {
        let error = first.issue(now_ms).expect_err("exhausted");
        assert_eq!(error.to_string(), advice);
        assert_eq!(first.issue_range(now_ms, nonzero(1)), Err(error));
    }
    let error = first.issue_range(1, nonzero(3)).expect_err("2 a millisecond");
    assert_eq!(error.to_string(), "a millisecond has only 2 ids; ask for shorter ranges");
    assert_eq!(first.issue_range(1, nonzero(u64::MAX)), Err(error));

    // All 63 bits in one part, in three ways.
    for (ms_bits, node_bits, sequence_bits) in [(63, 0, 0), (1, 62, 0), (1, 0, 62)] {
        let widest = layout(ms_bits, node_bits, sequence_bits);
        assert_eq!(widest.highest_id(), Limit::MAX.get());
        let mut clock = clock(widest, widest.highest_node(), 7, 0);
        let end = 7 + widest.highest_ms();
        let id = clock.issue(end).expect("the last millisecond");
        assert_eq!(widest.decode(id), (widest.highest_ms(), widest.highest_node(), 0));
        assert!(end == u64::MAX || clock.issue(end + 1).is_err());
        assert_eq!(clock.remaining(), widest.highest_sequence());
    }
}

#[test]
fn a_clock_that_leapt_beyond_the_layout_goes_on_once_it_is_set_right() {
    let mut clock = clock(SnowflakeLayout::SNOWFLAKE, 3, 1_000, 0);
    clock.issue(5_000).expect("the first id");
    for now_ms in [u64::MAX, 1_000 + (1 << 41)] {
        let error = clock.issue(now_ms).expect_err("after 69 years");
        assert!(matches!(error, SnowflakeError::AfterEnd { .. }));
        assert!(error.to_string().contains("; set the clock right"));
    }
    assert_eq!(SnowflakeLayout::SNOWFLAKE.decode(clock.issue(5_001).expect("set right")), (4_001, 3, 0));
}

#[test]
fn layouts_and_configurations_are_checked() {
    assert_eq!(SnowflakeLayout::new(0, 10, 12), None);
    assert_eq!(SnowflakeLayout::new(42, 10, 12), None);
    assert_eq!(SnowflakeLayout::new(255, 255, 255), None);
    assert_eq!(SnowflakeLayout::new(41, 10, 12), Some(SnowflakeLayout::SNOWFLAKE));
    assert_eq!(SnowflakeLayout::new(41, 4, 8), Some(SnowflakeLayout::JSON));
    assert_eq!(SnowflakeLayout::JSON.highest_id(), Limit::JSON.get());
    assert_eq!(SnowflakeLayout::SNOWFLAKE.highest_id(), Limit::MAX.get());
    assert_eq!(SnowflakeLayout::default(), SnowflakeLayout::SNOWFLAKE);

    let plain = SnowflakeConfig {
        layout: SnowflakeLayout::SNOWFLAKE,
        node: 0,
        origin_ms: 0,
        ahead_ms: 0,
        spread_bits: 0,
    };
    let config = SnowflakeConfig { node: 1_024, ..plain };
    let error = Snowflake::new(config).expect_err("10 bits");
    assert_eq!(error, SnowflakeError::NodeTooWide { node: 1_024, highest: 1_023 });
    assert_eq!(error.to_string(), "node number 1024 is above 1023, the highest that the layout has bits for");

    let error = Snowflake::new(SnowflakeConfig { spread_bits: 13, ..plain }).expect_err("12 bits");
    assert_eq!(error, SnowflakeError::SpreadTooWide { spread_bits: 13, highest: 12 });
    assert_eq!(error.to_string(), "ids cannot spread over 13 bits; the layout has 12 for the sequence");
    assert!(Snowflake::new(SnowflakeConfig { spread_bits: 12, ..plain }).is_ok());

    let highest = u64::MAX - SnowflakeLayout::SNOWFLAKE.highest_ms();
    let config = SnowflakeConfig { origin_ms: highest + 1, ..plain };
    let error = Snowflake::new(config).expect_err("no u64 can tell the last millisecond");
    assert_eq!(error, SnowflakeError::OriginTooLate { origin_ms: highest + 1, highest });
    assert!(error.to_string().ends_with("the latest that the layout allows"));

    let latest = SnowflakeConfig { origin_ms: highest, ahead_ms: u64::MAX, ..plain };
    let mut clock = Snowflake::new(latest).expect("the latest origin");
    assert!(clock.issue(u64::MAX).is_ok());
    assert!(clock.issue(0).is_ok(), "any step back is within the cap");
    assert_eq!(clock.layout(), SnowflakeLayout::SNOWFLAKE);
}
