//! Tests of limits: every allocator respects its limit, and numbers up to it arrive whole.

use std::convert::Infallible;
use std::num::NonZeroU64;

use happens_before::sequence::{
    Blocks, BlocksConfig, Interleaved, Limit, NumberRange, ReserveAhead, Snowflake, SnowflakeConfig,
    SnowflakeLayout, Store,
};

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

/// Returns a number after a reader has passed it on as a 64-bit float, as JavaScript does.
fn through_javascript(number: u64) -> u64 {
    let text = serde_json::to_string(&number).expect("a number");
    serde_json::from_str::<f64>(&text).expect("a number") as u64
}

/// The last numbers up to `limit` that each allocator issues before it is exhausted.
fn last_numbers(limit: Limit) -> [Vec<u64>; 3] {
    let start = limit.get() - 3;
    let mut class = Interleaved::with_limit(1, 1, limit).expect("1 of 1");
    class.skip_past(start);

    let mut blocks = Blocks::new(BlocksConfig { limit, highest: start, ..BlocksConfig::default() });
    let mut block_issued = Vec::new();
    for first in start + 1.. {
        let Ok(()) = blocks.feed(0, NumberRange::new(first..=first).expect("a range")) else { break };
        block_issued.extend(blocks.issue());
    }

    let mut ahead =
        ReserveAhead::resume_with_limit(InMemory(start), NonZeroU64::MIN, limit).expect("within the limit");
    [class.collect(), block_issued, ahead.numbers().map_while(Result::ok).collect()]
}

#[test]
fn the_last_number_is_the_limit_for_every_allocator_and_every_named_limit() {
    for limit in [Limit::I32, Limit::JSON, Limit::new(1_000).expect("a limit")] {
        let expected: Vec<u64> = (limit.get() - 2..=limit.get()).collect();
        for issued in last_numbers(limit) {
            assert_eq!(issued, expected);
        }
    }
    // A block above 2^63 - 1 cannot even be made, and nothing overflows on the way there.
    assert_eq!(NumberRange::new(Limit::MAX.get() + 1..=Limit::MAX.get() + 1), None);
    let mut class = Interleaved::new(1, 1).expect("1 of 1");
    class.skip_past(Limit::MAX.get() - 1);
    assert_eq!((class.issue(), class.issue().is_err()), (Ok(Limit::MAX.get()), true));
}

#[test]
fn numbers_within_the_json_limit_pass_through_javascript_and_those_above_do_not() {
    for issued in last_numbers(Limit::JSON) {
        assert!(issued.iter().all(|&number| through_javascript(number) == number));
    }
    // Without the limit, two rows get one key.
    let mut class = Interleaved::new(1, 1).expect("1 of 1");
    class.skip_past(Limit::JSON.get());
    let (x, y) = (class.issue().expect("far from the end"), class.issue().expect("far from the end"));
    assert!(x != y && through_javascript(x) == through_javascript(y));

    // Time-of-day ids: the usual layout does not pass, the narrow one does until its last id.
    let id = |layout: SnowflakeLayout, now_ms: u64| {
        let config =
            SnowflakeConfig { layout, node: 3, origin_ms: 1_735_689_600_000, ahead_ms: 0, spread_bits: 0 };
        let mut clock = Snowflake::new(config).expect("a valid configuration");
        clock.issue(now_ms).expect("the clock goes on");
        clock.issue(now_ms).expect("the clock goes on")
    };
    let in_2026 = id(SnowflakeLayout::SNOWFLAKE, 1_785_542_400_000);
    assert_ne!(through_javascript(in_2026), in_2026);
    for now_ms in [1_785_542_400_000, 1_735_689_600_000 + SnowflakeLayout::JSON.highest_ms()] {
        let narrow = id(SnowflakeLayout::JSON, now_ms);
        assert_eq!(through_javascript(narrow), narrow);
    }
}

#[test]
fn limits_are_what_their_names_say() {
    assert_eq!(Limit::I32.get(), 2_147_483_647);
    assert_eq!(Limit::JSON.get(), 9_007_199_254_740_991);
    assert_eq!(Limit::MAX.get(), 9_223_372_036_854_775_807);
    assert_eq!(Limit::default(), Limit::MAX);
    assert_eq!(Limit::new(Limit::MAX.get()), Some(Limit::MAX));
    assert_eq!(Limit::new(Limit::MAX.get() + 1), None);
    assert_eq!(Limit::new(1).map(Limit::get), Some(1));
    assert_eq!(Limit::JSON.to_string(), "9007199254740991");
    assert!(i32::try_from(Limit::I32.get()).is_ok() && i32::try_from(Limit::I32.get() + 1).is_err());
}

#[test]
fn runs_are_never_empty_never_start_at_0_and_never_end_above_all_limits() {
    let max = Limit::MAX.get();
    let edges = [0, 1, 2, max - 1, max, max + 1, u64::MAX];
    for (first, last) in edges.into_iter().flat_map(|first| edges.map(|last| (first, last))) {
        let valid = first >= 1 && first <= last && last <= max;
        let range = NumberRange::new(first..=last);
        assert_eq!(range.is_some(), valid, "{first}..={last}");
        if let Some(range) = range {
            assert_eq!((range.first(), range.last(), range.len()), (first, last, last - first + 1));
            assert_eq!(
                NumberRange::starting_at(first, NonZeroU64::new(range.len()).expect("not empty")),
                Some(range)
            );
            assert_eq!(format!("{range} {range:?}"), format!("{first}..={last} {first}..={last}"));
        }
    }
    assert_eq!(NumberRange::starting_at(max, NonZeroU64::new(2).expect("not zero")), None);
    assert_eq!(NumberRange::starting_at(u64::MAX, NonZeroU64::MAX), None);
    assert_eq!(NumberRange::starting_at(0, NonZeroU64::MIN), None);
}
