//! Tests of serde: every value has one form and is read back from it; every other form is refused.
#![cfg(all(feature = "serde", feature = "alloc"))]

use std::fmt::Debug;

use happens_before::broadcast::{
    FencingToken, LogKind, Passed, Position, PublisherConfig, Snapshot, SubscriberConfig,
};
use happens_before::delivery::{BufferLimits, DagEvent, DagLimits};
use happens_before::endpoint::EndpointConfig;
use happens_before::node::{DotRange, TextId};
use happens_before::scalar::{HybridTime, HybridTimestamp, LamportTimestamp};
use happens_before::sequence::{
    BlocksConfig, Interleaved, Limit, NumberRange, SnowflakeConfig, SnowflakeLayout,
};
use happens_before::version::{FixedVector, IntervalTreeClock, Siblings};
use happens_before::{CausalContext, CausalOrder, Dot, Message, VersionVector, serialize};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

type Vector = VersionVector<String>;
type Context = CausalContext<String>;
type Msg = Message<String, u8>;

fn is<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: &T, form: &str) {
    assert_eq!(serde_json::to_string(value).unwrap(), form);
    assert_eq!(&serde_json::from_str::<T>(form).unwrap(), value);
}

fn refused<T: DeserializeOwned + std::fmt::Debug>(form: &str, why: &str) {
    let error = serde_json::from_str::<T>(form).unwrap_err().to_string();
    assert!(error.contains(why), "{form} is refused because of {error}");
}

#[test]
fn every_value_has_one_form() {
    let a = |counter| Dot::new("a".to_owned(), counter).unwrap();
    is(&a(3), r#"["a",3]"#);
    is(&DotRange::new("a".to_owned(), 2..=4).unwrap(), r#"["a",2,4]"#);
    is(&LamportTimestamp::new(3, "a".to_owned()).unwrap(), r#"[3,"a"]"#);
    let time = HybridTime::new(1_700_000_000_000, 7).unwrap();
    is(&time, "[1700000000000,7]");
    is(&HybridTime::MAX, "[140737488355327,65535]");
    is(&HybridTimestamp::new(time, "a".to_owned()), r#"[[1700000000000,7],"a"]"#);
    is(&Limit::JSON, "9007199254740991");
    is(&NumberRange::new(3..=5).unwrap(), "[3,5]");
    is(&Interleaved::new(2, 5).unwrap(), "[2,5,9223372036854775807]");
    is(&Vector::new(), "[]");
    is(
        &Vector::from_iter([("b".to_owned(), 2), ("a".to_owned(), u64::MAX)]),
        r#"[["a",18446744073709551615],["b",2]]"#,
    );
    is(&Context::new(), "[]");
    is(
        &Context::from_iter([Dot::new("b".to_owned(), u64::MAX).unwrap(), a(1), a(4), a(3)]),
        r#"[["a",1,1],["a",3,4],["b",18446744073709551615,18446744073709551615]]"#,
    );
    let b = Dot::new("b".to_owned(), 1).unwrap();
    is(&Msg::new(b, [a(3)], 7).unwrap(), r#"[["b",1],[["a",3]],7]"#);
    let event = DagEvent { id: "c".to_owned(), parents: vec!["b".to_owned(), "a".to_owned()], payload: 7 };
    is(&event, r#"["c",["b","a"],7]"#);
    is(&CausalOrder::Before, r#""before""#);
    is(&CausalOrder::Concurrent, r#""concurrent""#);
    is(&FixedVector::from_counters([3, 0, u64::MAX]), "[3,0,18446744073709551615]");
    is(&FixedVector::<0>::new(), "[]");
    let position = Position { epoch: 1, sequence: 33, index: 2 };
    is(&position, "[1,33,2]");
    is(&FencingToken::new(position), "[1,33,2]");
    is(&None::<FencingToken>, "null");
    is(&Snapshot::<String>::default(), "[1,0,[],[],null]");
    let passed = Some(Passed { slot: 8, epoch: 1, id: Some(a(3)) });
    let delivered = Vector::from_iter([("a".to_owned(), 3)]);
    let snapshot = Snapshot { next: 9, epoch: 1, delivered, skipped: vec![4, 6], passed };
    is(&snapshot, r#"[9,1,[["a",3]],[4,6],[8,1,["a",3]]]"#);
    let fill =
        Snapshot::<String> { passed: Some(Passed { slot: 0, epoch: 0, id: None }), ..Snapshot::default() };
    is(&fill, "[1,0,[],[],[0,0,null]]");
    let mut clock = IntervalTreeClock::seed();
    let _other = clock.fork();
    clock.event().unwrap();
    is(&clock, r#""((1, 0), (0, 1, 0))""#);
    let mut siblings = Siblings::<String, u8>::new();
    siblings.update(&Vector::new(), 7, "b".to_owned()).unwrap();
    siblings.update(&Vector::from_iter([("a".to_owned(), 2)]), 8, "a".to_owned()).unwrap();
    is(&siblings, r#"[[["a",3],["b",1]],[[["a",3],8],[["b",1],7]]]"#);
}

#[test]
fn every_other_form_is_refused() {
    refused::<Dot<String>>(r#"["a",0]"#, "counter 0");
    refused::<Dot<String>>(r#"["a",-1]"#, "invalid value");
    refused::<Dot<String>>(r#"["a"]"#, "length");
    refused::<DotRange<String>>(r#"["a",0,4]"#, "starts at 0");
    refused::<DotRange<String>>(r#"["a",5,4]"#, "empty");
    refused::<LamportTimestamp<String>>(r#"[0,"a"]"#, "counter 0");
    refused::<IntervalTreeClock>(r#""((1, 1), 0)""#, "normal form");
    refused::<IntervalTreeClock>(r#""(1,0)""#, "normal form");
    refused::<IntervalTreeClock>("[1, 0]", "text of an interval tree clock");
    refused::<Siblings<String, u8>>(r#"[[["a",3]],[[["a",3],8],[["a",3],7]]]"#, "one a dot");
    refused::<Siblings<String, u8>>(r#"[[["a",3]],[[["a",3],8],[["a",2],7]]]"#, "sorted by dot");
    refused::<Siblings<String, u8>>(r#"[[["a",3]],[[["b",1],8]]]"#, "not in the context");
    refused::<HybridTime>("[140737488355328,0]", "above 2^47 - 1");
    refused::<HybridTime>("[0,65536]", "invalid value");
    refused::<HybridTime>("7", "tuple");
    refused::<HybridTimestamp<String>>(r#"[[140737488355328,0],"a"]"#, "above 2^47 - 1");
    refused::<Limit>("0", "a limit of 0");
    refused::<Limit>("9223372036854775808", "above 2^63 - 1");
    refused::<NumberRange>("[0,5]", "starts at 0");
    refused::<NumberRange>("[5,4]", "empty");
    refused::<NumberRange>("[5,9223372036854775808]", "above 2^63 - 1");
    refused::<Interleaved>("[0,1,5]", "IL1");
    refused::<Interleaved>("[2,5,8]", "IL3");
    refused::<Vector>(r#"[["b",1],["a",1]]"#, "not sorted");
    refused::<Vector>(r#"[["a",1],["a",2]]"#, "one a node");
    refused::<Vector>(r#"[["a",0]]"#, "counter 0");
    refused::<Vector>(r#"[["b",1],["a",1],["c",1]]"#, "not sorted");
    refused::<Context>(r#"[["b",1,1],["a",1,1]]"#, "not sorted");
    refused::<Context>(r#"[["b",1,1],["a",1,1],["c",1,1]]"#, "not sorted");
    refused::<Context>(r#"[["a",4,4],["a",1,1]]"#, "not sorted");
    refused::<Context>(r#"[["a",1,1],["a",1,1]]"#, "not sorted");
    refused::<Context>(r#"[["a",1,1],["a",2,2]]"#, "touch");
    refused::<Context>(r#"[["a",3,3],["a",4,4]]"#, "touch");
    refused::<Context>(r#"[["a",3,6],["a",5,9]]"#, "overlap");
    refused::<Context>(r#"[["a",3,18446744073709551615],["a",5,9]]"#, "overlap");
    refused::<Context>(r#"[["a",0,1]]"#, "starts at 0");
    refused::<Context>(r#"[["a",2,1]]"#, "empty");
    refused::<Msg>(r#"[["b",2],[["b",1]],7]"#, "its own node");
    refused::<Msg>(r#"[["b",2],[["b",2]],7]"#, "its own node");
    refused::<Msg>(r#"[["b",2],[["c",1],["a",1]],7]"#, "not sorted");
    refused::<Msg>(r#"[["b",2],[["a",1],["a",2]],7]"#, "one a node");
    refused::<Msg>(r#"[["b",2],[["a",0]],7]"#, "counter 0");
    refused::<DagEvent<u8, u8>>("[1,[2]]", "length");
    refused::<CausalOrder>(r#""Before""#, "before, after, equal or concurrent");
    refused::<CausalOrder>("0", "a string");
    refused::<FixedVector<2>>("[1]", "2 counters");
    refused::<FixedVector<2>>("[1,2,3]", "trailing");
    refused::<FixedVector<2>>("[1,-2]", "invalid value");
    refused::<Position>("[1,33]", "length");
    refused::<FencingToken>(r#""1:33:0""#, "tuple");
    refused::<Snapshot<u8>>("[9,0,[],[6,4],null]", "not in increasing order");
    refused::<Snapshot<u8>>("[9,0,[],[6,6],null]", "not in increasing order");
    refused::<Snapshot<u8>>("[9,0,[[1,0]],[],null]", "counter 0");
    refused::<Snapshot<u8>>("[9,0,[],[],[8,0,[1,0]]]", "counter 0");
}

/// The numbers above 2^53 - 1 are those that JavaScript would round.
#[test]
fn ids_are_text_for_those_who_ask() {
    let id = 0x9E37_79B9_7F4A_7C15_u64;
    is(&Dot::new(TextId(id), 1).unwrap(), r#"["11400714819323198485",1]"#);
    is(
        &VersionVector::from_iter([(TextId(9_u64), 1), (TextId(id), 3)]),
        r#"[["9",1],["11400714819323198485",3]]"#,
    );
    is(&TextId(-7_i8), r#""-7""#);
    is(&TextId(u128::MAX), r#""340282366920938463463374607431768211455""#);
    is(&Dot::new(TextId([0xDE_u8, 0xAD]), 1).unwrap(), r#"["dead",1]"#);
    is(&TextId(vec![0xDE_u8, 0xAD, 1]), r#""dead01""#);
    for text in ["7", r#""07""#, r#""+7""#, r#"" 7""#, r#""""#, r#""18446744073709551616""#, "[7]"] {
        refused::<TextId<u64>>(text, "");
    }
    for text in [r#""de""#, r#""dead01""#, r#""DEAD""#, r#""dea""#, "[222,173]"] {
        refused::<TextId<[u8; 2]>>(text, "");
    }
}

/// A vector as a map.
#[derive(Serialize, Deserialize, PartialEq, Debug)]
#[serde(transparent)]
#[serde(bound(deserialize = "I: Ord + Deserialize<'de>"))]
struct AsMap<I: Serialize>(#[serde(with = "serialize::as_map")] VersionVector<I>);

#[test]
fn a_vector_is_a_map_for_those_who_ask() {
    is(&AsMap(Vector::new()), "{}");
    is(&AsMap(Vector::from_iter([("b".to_owned(), 2), ("a".to_owned(), 1)])), r#"{"a":1,"b":2}"#);
    is(&AsMap(VersionVector::from_iter([(9_u64, 1), (u64::MAX, 2)])), r#"{"9":1,"18446744073709551615":2}"#);
    is(&AsMap(VersionVector::from_iter([(TextId([0xAB_u8]), 2)])), r#"{"ab":2}"#);
    // Other programs keep no order.
    let read: AsMap<u64> = serde_json::from_str(r#"{"10":3,"9":1}"#).unwrap();
    assert_eq!(read.0, VersionVector::from_iter([(9, 1), (10, 3)]));
    refused::<AsMap<u64>>(r#"{"9":1,"10":3,"9":1}"#, "two entries of one node");
    refused::<AsMap<u64>>(r#"{"9":0}"#, "counter 0");
    refused::<AsMap<u64>>(r#"{"9":-1}"#, "invalid value");
    refused::<AsMap<u64>>(r#"{"a":1}"#, "");
    refused::<AsMap<u64>>("[[9,1]]", "a map from nodes to counters");
}

/// An id that cannot be cloned.
#[derive(Serialize, Deserialize, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Key(u8);

#[test]
fn ids_of_a_vector_need_no_clone() {
    is(&VersionVector::from([(Key(2), 1), (Key(1), 3)]), "[[1,3],[2,1]]");
    is(&AsMap(VersionVector::from([(Key(2), 1), (Key(1), 3)])), r#"{"1":3,"2":1}"#);
}

/// Checks that a configuration is written with all its fields, and read with any of them.
fn is_configuration<T: Serialize + DeserializeOwned + Default + PartialEq + Debug>(form: &str) {
    is(&T::default(), form);
    let fields: serde_json::Map<String, serde_json::Value> = serde_json::from_str(form).unwrap();
    for left_out in fields.keys() {
        let mut fewer = fields.clone();
        fewer.remove(left_out);
        assert_eq!(serde_json::from_value::<T>(fewer.into()).unwrap(), T::default());
        let twice = format!(r#"{{"{left_out}":{0},"{left_out}":{0}}}"#, fields[left_out]);
        refused::<T>(&twice, &format!("duplicate field `{left_out}`"));
    }
    assert_eq!(serde_json::from_str::<T>("{}").unwrap(), T::default());
    refused::<T>(r#"{"windows":1}"#, "unknown field `windows`");
    // Formats without names write the values alone.
    let values: Vec<_> =
        form.trim_matches(['{', '}']).split(',').map(|field| field.split_once(':').unwrap().1).collect();
    assert_eq!(serde_json::from_str::<T>(&format!("[{}]", values.join(","))).unwrap(), T::default());
    refused::<T>(&format!("[{}]", values[1..].join(",")), "");
}

#[test]
fn a_configuration_is_its_fields_by_name() {
    is_configuration::<BufferLimits>(
        r#"{"messages":65536,"bytes":18446744073709551615,"horizon":1048576,"nodes":4096,"dependencies":1024,"sources":64}"#,
    );
    is_configuration::<DagLimits>(r#"{"events":65536,"parents":1024,"links":262144}"#);
    is_configuration::<EndpointConfig>(
        r#"{"window":1024,"window_bytes":1048576,"nodes":256,"packet":1200,"answer_bytes":65536,"delay_ms":20,"retry_ms":200,"retry_max_ms":10000}"#,
    );
    is_configuration::<PublisherConfig>(r#"{"log":"slots","attempts":16,"jump":1048576}"#);
    is_configuration::<SubscriberConfig>(
        r#"{"window":1024,"bytes":67108864,"poll_ms":50,"write_timeout_ms":1000,"max_fill_timeout_ms":60000,"jump":1048576,"nodes":4096,"skips":1024}"#,
    );
    is_configuration::<BlocksConfig>(r#"{"low_water":0,"limit":9223372036854775807,"epoch":0,"highest":0}"#);

    let small: BufferLimits = serde_json::from_str(r#"{"nodes":64,"messages":500}"#).unwrap();
    assert_eq!(small, BufferLimits { messages: 500, nodes: 64, ..BufferLimits::default() });
    let appends: PublisherConfig = serde_json::from_str(r#"{"log":"appends"}"#).unwrap();
    assert_eq!(appends, PublisherConfig::over_appends());
    is(&LogKind::Appends, r#""appends""#);
    refused::<PublisherConfig>(r#"{"log":"files"}"#, "neither `slots` nor `appends`");
    let snowflake = SnowflakeConfig {
        layout: SnowflakeLayout::JSON,
        node: 7,
        origin_ms: 1_735_689_600_000,
        ahead_ms: 5_000,
        spread_bits: 4,
    };
    is(&snowflake, r#"{"layout":[41,4,8],"node":7,"origin_ms":1735689600000,"ahead_ms":5000,"spread_bits":4}"#);
    refused::<SnowflakeConfig>(
        r#"{"layout":[41,4,8],"origin_ms":0,"ahead_ms":0,"spread_bits":0}"#,
        "missing field `node`",
    );
    refused::<SnowflakeLayout>("[41,11,12]", "more than 63 bits");
    refused::<SnowflakeLayout>("[0,10,12]", "without a bit for milliseconds");
    refused::<BlocksConfig>(r#"{"limit":0}"#, "a limit of 0");
    refused::<EndpointConfig>(r#"{"window":-1}"#, "invalid value");
    refused::<EndpointConfig>(r#"{"window":null}"#, "invalid type");
}
