//! Tests of interval tree clocks on hostile and on extreme input: an error leaves everything as it was, nothing
//! overflows the stack, and no input makes an operation take more than linear time.
#![cfg(feature = "alloc")]

use happens_before::CausalOrder;
use happens_before::version::{EventError, IntervalTreeClock, InvalidClockKind};
use testkit::{below, random};

fn clock(text: &str) -> IntervalTreeClock {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn fault(text: &str) -> (usize, InvalidClockKind) {
    let error = text.parse::<IntervalTreeClock>().expect_err(text);
    (error.at, error.kind)
}

#[test]
fn text_that_is_not_a_clock_is_refused_with_the_place_of_the_fault() {
    use InvalidClockKind::{NotNormal, OutOfRange, TrailingBytes, Truncated, UnexpectedCharacter};
    for (text, at, kind) in [
        ("", 0, Truncated),
        ("(1, 0", 5, Truncated),
        ("((1, 0)", 7, Truncated),
        ("(1, 0))", 6, TrailingBytes),
        ("1, 0", 0, UnexpectedCharacter),
        ("(1; 0)", 2, UnexpectedCharacter),
        ("(-1, 0)", 1, UnexpectedCharacter),
        ("(1, 0 0)", 6, UnexpectedCharacter),
        ("(1, (0, 1))", 9, UnexpectedCharacter),
        ("(2, 0)", 2, OutOfRange),
        ("(257, 0)", 4, OutOfRange),
        ("(1, 18446744073709551615)", 24, OutOfRange),
        ("(1, 99999999999999999999)", 23, OutOfRange),
        ("(1, (18446744073709551614, 0, 1))", 31, OutOfRange),
        ("((1, 1), 0)", 1, NotNormal),
        ("((0, 0), 0)", 1, NotNormal),
        ("((1, (1, 1)), 0)", 1, NotNormal),
        ("(1, (0, 1, 1))", 4, NotNormal),
        ("(1, (0, 1, 2))", 5, NotNormal),
        ("(1, (0, (1, 1, 1), 2))", 4, NotNormal),
        ("(1, 00)", 5, NotNormal),
        ("(01, 0)", 1, NotNormal),
        ("(1,0)", 3, NotNormal),
        ("(1, 0) ", 6, NotNormal),
        (" (1, 0)", 0, NotNormal),
    ] {
        assert_eq!(fault(text), (at, kind), "{text:?}");
    }
}

/// Every string of up to two bytes, and random longer ones: those that are read are what `to_bytes` writes.
#[test]
fn bytes_that_are_read_are_the_only_ones_of_their_clock() {
    let mut random = random();
    let short = (0..1_u32 << 16).map(|word| word.to_be_bytes()[2..].to_vec());
    let shorter = (0..=255_u8).map(|byte| vec![byte]);
    let longer: Vec<Vec<u8>> = (0..20_000)
        .map(|_| (0..3 + below(&mut random, 6)).map(|_| below(&mut random, 256) as u8).collect())
        .collect();
    let (mut clocks, mut refused) = (0, 0);
    for bytes in [vec![]].into_iter().chain(shorter).chain(short).chain(longer) {
        match IntervalTreeClock::from_bytes(&bytes, 100) {
            Ok(clock) => {
                assert_eq!(clock.internal_validate(), Ok(()));
                assert_eq!(clock.to_bytes(), bytes);
                assert_eq!(clock.to_string().parse(), Ok(clock.clone()));
                clocks += 1;
            }
            Err(error) => {
                assert!(error.at <= bytes.len());
                assert_ne!(error.kind, InvalidClockKind::UnexpectedCharacter);
                refused += 1;
            }
        }
    }
    assert!(clocks > 500 && refused > 10_000, "{clocks} clocks, {refused} refused");
}

#[test]
fn a_clock_of_more_nodes_than_the_limit_is_refused() {
    let mut clock = IntervalTreeClock::seed();
    let mut others: Vec<_> = (0..50).map(|_| clock.fork()).collect();
    for other in &mut others {
        other.event().unwrap();
        clock.join(other.peek()).unwrap();
    }
    let bytes = clock.to_bytes();
    assert_eq!(IntervalTreeClock::from_bytes(&bytes, clock.size()), Ok(clock.clone()));
    for limit in 0..clock.size() {
        let error = IntervalTreeClock::from_bytes(&bytes, limit).unwrap_err();
        assert_eq!(error.kind, InvalidClockKind::TooLarge { limit });
    }
    for cut in 0..bytes.len() {
        assert!(IntervalTreeClock::from_bytes(&bytes[..cut], 1_000).is_err());
    }
    let longer = [bytes, vec![0]].concat();
    let error = IntervalTreeClock::from_bytes(&longer, 1_000).unwrap_err();
    assert_eq!((error.at, error.kind), (longer.len() - 1, InvalidClockKind::TrailingBytes));
}

/// Numbers at the ends of each group of the encoding, and beyond the highest one.
#[test]
fn numbers_end_at_the_highest_one() {
    let mut edge = 0_u64;
    for width in 2..64 {
        edge += 1 << width;
        for number in [edge - 1, edge, edge + 1] {
            let written = clock(&format!("(0, {number})"));
            assert_eq!(IntervalTreeClock::from_bytes(&written.to_bytes(), 2), Ok(written));
        }
    }
    let highest = clock(&format!("(0, {})", IntervalTreeClock::MAX));
    let mut bytes = highest.to_bytes();
    assert_eq!(IntervalTreeClock::from_bytes(&bytes, 2), Ok(highest.clone()));
    assert_eq!(highest.height(), IntervalTreeClock::MAX);
    // The next number.
    let last = bytes.len() - 1;
    let step = bytes[last] & bytes[last].wrapping_neg();
    bytes[last] += step;
    assert_eq!(IntervalTreeClock::from_bytes(&bytes, 2).unwrap_err().kind, InvalidClockKind::OutOfRange);
    // Ones without an end.
    for len in [1, 8, 9, 16, 100, 600_000] {
        let mut bytes = vec![0xFF; len];
        bytes[0] = 0b0001_1111;
        let kind = IntervalTreeClock::from_bytes(&bytes, 2).unwrap_err().kind;
        assert!(matches!(kind, InvalidClockKind::OutOfRange | InvalidClockKind::Truncated));
    }
    // A sum beyond the highest one.
    let mut deep = clock(&format!("(1, ({}, 0, 1))", IntervalTreeClock::MAX - 1));
    deep.event().unwrap();
    assert_eq!(deep.to_string(), format!("(1, {})", IntervalTreeClock::MAX));
}

#[test]
fn an_exhausted_clock_counts_no_event_and_stays_as_it_is() {
    for text in [
        "(1, 18446744073709551614)",
        "((1, 0), (18446744073709551613, 1, 0))",
        "((0, 1), 18446744073709551614)",
    ] {
        let mut exhausted = clock(text);
        let Err(EventError::CounterExhausted(error)) = exhausted.event() else { panic!("{text}") };
        assert_eq!(error.limit, IntervalTreeClock::MAX);
        assert_eq!(exhausted, clock(text));
    }
}

/// The cheapest leaf may have the highest number, for example of a forged clock. Another part is still to be used.
#[test]
fn a_clock_counts_as_long_as_one_of_its_parts_has_numbers() {
    for (before, after) in [
        (
            "(((0, 1), (0, 1)), (0, 0, 18446744073709551614))",
            "(((0, 1), (0, 1)), (0, (0, 0, 1), 18446744073709551614))",
        ),
        (
            "(((0, 1), (1, 0)), (5, 18446744073709551609, 0))",
            "(((0, 1), (1, 0)), (5, 18446744073709551609, (0, 1, 0)))",
        ),
    ] {
        let mut clock = clock(before);
        assert_eq!(clock.event(), Ok(()));
        assert_eq!(clock.to_string(), after);
    }
}

#[test]
fn ids_that_overlap_are_handed_back() {
    for (ours, theirs) in
        [("1", "1"), ("1", "(0, 1)"), ("((1, 0), 1)", "(0, (0, 1))"), ("((0, (1, 0)), 0)", "((0, 1), 1)")]
    {
        let clock_of = |id: &str, number: u8| clock(&format!("({id}, {number})"));
        for (ours, theirs) in [(ours, theirs), (theirs, ours)] {
            let (mut clock, other) = (clock_of(ours, 1), clock_of(theirs, 2));
            let before = clock.clone();
            let error = clock.join(other.clone()).unwrap_err();
            assert_eq!((&error.other, &clock), (&other, &before));
            clock.join(error.other.peek()).unwrap();
            assert_eq!(clock.to_string(), format!("({ours}, 2)"));
        }
    }
}

#[test]
fn a_clock_without_an_id_forks_into_others_and_counts_nothing() {
    let mut anonymous = IntervalTreeClock::seed().peek();
    assert!(anonymous.is_anonymous() && anonymous.fork().is_anonymous() && anonymous.is_anonymous());
    assert_eq!(anonymous.event(), Err(EventError::Anonymous));
    let mut clock = IntervalTreeClock::seed();
    clock.join(anonymous.clone()).unwrap();
    assert_eq!(clock, IntervalTreeClock::seed());
    anonymous.join(clock).unwrap();
    assert_eq!(anonymous, IntervalTreeClock::seed());
}

/// Trees as deep as an input of about 600 kB can make them, in every shape that is a single path. A recursive function,
/// or one that takes quadratic time, does not end this test.
#[test]
fn trees_of_a_hundred_thousand_levels_are_like_any_other() {
    const DEPTH: usize = 100_000;
    let path = |open: &str, leaf: &str, close: &str| open.repeat(DEPTH) + leaf + &close.repeat(DEPTH);
    let zigzag = |turns: [(&str, &str); 2], leaf: &str| {
        let open: String = (0..DEPTH).map(|level| turns[level % 2].0).collect();
        let close: String = (0..DEPTH).rev().map(|level| turns[level % 2].1).collect();
        open + leaf + &close
    };
    let ids = [
        path("(", "1", ", 0)"),
        path("(0, ", "1", ")"),
        path("(1, ", "0", ")"),
        path("(", "0", ", 1)"),
        zigzag([("(", ", 0)"), ("(1, ", ")")], "(0, 1)"),
        "1".into(),
    ];
    let events = [
        path("(0, 0, ", "1", ")"),
        path("(0, ", "1", ", 0)"),
        path("(0, 1, ", "0", ")"),
        zigzag([("(0, 0, ", ")"), ("(1, ", ", 0)")], "(0, 1, 0)"),
        "0".into(),
    ];
    let mut deepest = 0;
    for id in &ids {
        for events in &events {
            let text = format!("({id}, {events})");
            let mut clock = clock(&text);
            let start = clock.clone();
            assert_eq!(clock.to_string(), text);
            let bytes = clock.to_bytes();
            assert_eq!(IntervalTreeClock::from_bytes(&bytes, clock.size()).as_ref(), Ok(&clock));
            clock.event().unwrap();
            assert_eq!(start.compare(&clock), CausalOrder::Before);
            let other = clock.fork();
            assert!(!other.is_anonymous() && !clock.is_anonymous());
            let mut joined = other.peek();
            joined.join(clock).unwrap();
            joined.join(other).unwrap();
            assert_eq!(joined.internal_validate(), Ok(()));
            deepest = deepest.max(joined.size());
        }
    }
    assert!(deepest > 4 * DEPTH);
}
