//! Tests of the generators for users' tests: they give valid values of every kind, and shrink to valid ones.
#![cfg(all(feature = "arbitrary", feature = "quickcheck"))]

use arbitrary::Unstructured;
use happens_before::node::DotRange;
use happens_before::scalar::{HybridTime, HybridTimestamp, LamportTimestamp};
use happens_before::version::{IntervalTreeClock, Siblings};
use happens_before::{CausalContext, Dot, Message, VersionVector};
use quickcheck::Arbitrary;

/// Both halves of what `Message::new` checks.
fn valid(message: &Message<u8, u8>) -> bool {
    let again = Message::new(*message.dot(), message.dependencies().iter().copied(), *message.payload());
    again.as_ref() == Ok(message)
}

#[test]
fn generated_values_are_valid_and_so_is_what_they_shrink_to() {
    let mut random = testkit::random();
    let (mut several, mut huge, mut gaps) = (0, 0, 0);
    for _ in 0..1_000 {
        let message = Message::<u8, u8>::arbitrary(&mut random);
        assert!(valid(&message));
        assert!(message.shrink().take(50).all(|smaller| valid(&smaller)));
        several += usize::from(message.dependencies().len() > 1);
        let vector = VersionVector::<u8>::arbitrary(&mut random);
        assert_eq!(vector.internal_validate(), Ok(()));
        assert!(vector.shrink().take(50).all(|smaller| smaller.internal_validate().is_ok()));
        let context = CausalContext::<u8>::arbitrary(&mut random);
        assert_eq!(context.internal_validate(), Ok(()));
        assert!(context.shrink().take(50).all(|smaller| smaller.internal_validate().is_ok()));
        gaps += usize::from(context.missing().count() > 1);
        let range = DotRange::<u8>::arbitrary(&mut random);
        assert!(range.shrink().take(50).all(|smaller| smaller != range));
        huge += usize::from(LamportTimestamp::<u8>::arbitrary(&mut random).counter() > 1 << 32);
    }
    assert!(
        several > 500 && (10..200).contains(&huge) && gaps > 500,
        "{several} with several dependencies, {huge} huge counters, {gaps} with several gaps"
    );
}

#[test]
fn hybrid_times_meet_as_a_rule_are_anywhere_now_and_then_and_shrink() {
    let mut random = testkit::random();
    let bytes: Vec<u8> = (0..20_000).map(|_| testkit::below(&mut random, 256) as u8).collect();
    let mut bytes = Unstructured::new(&bytes);
    let from_bytes = (0..1_000).map(|_| bytes.arbitrary::<HybridTimestamp<u8>>().unwrap().time()).collect();
    let from_gen = (0..1_000).map(|_| HybridTimestamp::<u8>::arbitrary(&mut random).time()).collect();
    for times in [from_bytes, from_gen] {
        let times: Vec<HybridTime> = times;
        let huge = times.iter().filter(|time| time.ms() > 1 << 32).count();
        let meeting = times.windows(2).filter(|pair| pair[0].ms() == pair[1].ms()).count();
        assert!((10..200).contains(&huge) && meeting > 20, "{huge} huge, {meeting} meet");
    }
    let timestamp = HybridTimestamp::new(HybridTime::MAX, 3_u8);
    let smaller: Vec<_> = timestamp.shrink().take(200).collect();
    assert!(smaller.len() > 10 && smaller.iter().all(|smaller| *smaller < timestamp));
}

#[test]
fn clocks_and_siblings_are_valid_and_differ() {
    let mut random = testkit::random();
    let (mut large, mut several, mut smaller) = (0, 0, 0);
    let bytes: Vec<u8> = (0..100_000).map(|_| testkit::below(&mut random, 256) as u8).collect();
    let mut bytes = Unstructured::new(&bytes);
    for _ in 0..500 {
        for clock in [IntervalTreeClock::arbitrary(&mut random), bytes.arbitrary().unwrap()] {
            assert_eq!(clock.internal_validate(), Ok(()));
            large += usize::from(clock.size() > 6);
        }
        for siblings in [Siblings::<u8, u8>::arbitrary(&mut random), bytes.arbitrary().unwrap()] {
            assert_eq!(siblings.internal_validate(), Ok(()));
            several += usize::from(siblings.len() > 1);
            smaller += siblings.shrink().take(20).filter(|less| less.internal_validate().is_ok()).count();
        }
    }
    assert!(
        large > 150 && several > 300 && smaller > 1_000,
        "{large} large clocks, {several} with siblings, {smaller}"
    );
}

type Values = (Message<u8, u8>, VersionVector<u8>, CausalContext<u8>, Dot<u8>);

#[test]
fn bytes_become_valid_values() {
    let mut random = testkit::random();
    let (mut made, mut huge) = (0, 0);
    for _ in 0..1_000 {
        let bytes: Vec<u8> = (0..200).map(|_| testkit::below(&mut random, 256) as u8).collect();
        let mut bytes = Unstructured::new(&bytes);
        let values: arbitrary::Result<Values> = bytes.arbitrary();
        let Ok((message, vector, context, dot)) = values else { continue };
        assert!(valid(&message));
        assert_eq!(vector.internal_validate(), Ok(()));
        assert_eq!(context.internal_validate(), Ok(()));
        huge += usize::from(dot.counter() > 1 << 32);
        made += 1;
    }
    assert!(made > 900 && huge > 10, "{made} made, {huge} huge");
}
