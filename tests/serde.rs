//! Tests of serde: every value has one form and is read back from it; every other form is refused.
#![cfg(all(feature = "serde", feature = "alloc"))]

use happens_before::node::DotRange;
use happens_before::scalar::{HybridTime, HybridTimestamp, LamportTimestamp};
use happens_before::sequence::{Interleaved, Limit, NumberRange};
use happens_before::version::{IntervalTreeClock, Siblings};
use happens_before::{CausalContext, Dot, Message, VersionVector};
use serde::Serialize;
use serde::de::DeserializeOwned;

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
}
