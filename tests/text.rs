//! Tests of text: every value is read back from its own text, and every other text is refused.

#![cfg(feature = "alloc")]

use std::fmt::{Debug, Display};
use std::str::FromStr;

use happens_before::broadcast::{FencingToken, Position};
use happens_before::node::{DotRange, InvalidText, TextId};
use happens_before::scalar::{HybridTime, HybridTimestamp, LamportTimestamp};
use happens_before::{CausalOrder, Dot, VersionVector};
use testkit::check;

/// Checks that a value is read back from its text.
fn survives<T: Display + FromStr<Err: Debug> + PartialEq + Debug>(value: &T) {
    assert_eq!(value.to_string().parse::<T>().as_ref().unwrap(), value);
}

/// Checks that a text is refused, or is the one text of the value read. Returns whether it is refused.
fn is_refused<T: Display + FromStr<Err = InvalidText>>(text: &str) -> bool {
    match text.parse::<T>() {
        Ok(value) => {
            assert_eq!(value.to_string(), text, "a second text");
            false
        }
        Err(error) => {
            assert!(error.to_string().contains(error.form));
            true
        }
    }
}

/// Parts of texts that might be taken for others, end to end.
fn hostile(parts: &[u8]) -> String {
    const PARTS: [&str; 16] =
        [", ", "(", ")", ")", "..=", "+", ":", " ", "0", "1", "9", "01", "-", "é", "a, 9) (b", "\0"];
    parts.iter().map(|&part| PARTS[usize::from(part) % PARTS.len()]).collect()
}

#[test]
fn a_value_is_read_back_whatever_its_id() {
    fn property(id: Vec<u8>, (x, y, z): (u64, u64, u64), shift: u8) {
        let (x, y, z) = (x >> (shift % 64), y >> (shift % 64), z >> (shift % 64));
        let (first, last) = (x.min(y).max(1), x.max(y).max(1));
        let time = HybridTime::from_bits(z >> 1).unwrap();
        let id = hostile(&id);
        survives(&Dot::new(id.clone(), first).unwrap());
        survives(&Dot::new(z, first).unwrap());
        survives(&Dot::new(z as i8, first).unwrap());
        survives(&DotRange::new(id.clone(), first..=last).unwrap());
        survives(&LamportTimestamp::new(first, id.clone()).unwrap());
        survives(&HybridTimestamp::new(time, id));
        survives(&time);
        let position = Position { epoch: x, sequence: y, index: z };
        survives(&position);
        survives(&FencingToken::new(position));
        survives(&TextId(z));
        survives(&TextId(z as i32));
        survives(&TextId(z.to_be_bytes()));
        survives(&TextId(z.to_be_bytes()[..(x % 9) as usize].to_vec()));
        // An id that is the text of another value.
        survives(&Dot::new(Dot::new(z, first).unwrap().to_string(), last).unwrap());
        survives(&Dot::new(Dot::new(TextId(z), first).unwrap(), last).unwrap());
    }
    check(property as fn(_, _, _));
    [CausalOrder::Before, CausalOrder::After, CausalOrder::Equal, CausalOrder::Concurrent]
        .iter()
        .for_each(survives);
}

#[test]
fn any_text_is_refused_or_is_that_of_the_value_read() {
    fn property(parts: Vec<u8>, id: Vec<u8>, (x, y): (u8, u8)) {
        let (rest, id) = (hostile(&parts), hostile(&id));
        for text in [
            rest.clone(),
            format!("({rest})"),
            format!("({rest}, {x})"),
            format!("({x}, {rest})"),
            format!("({id}, {rest})"),
            format!("({id}, {x}..={rest})"),
            format!("({x}+{y}, {rest})"),
            format!("({x}, {y}){rest}"),
            format!("{x}+{rest}"),
            format!("{x}:{y}:{rest}"),
        ] {
            is_refused::<Dot<String>>(&text);
            is_refused::<Dot<u8>>(&text);
            is_refused::<Dot<TextId<[u8; 1]>>>(&text);
            is_refused::<DotRange<String>>(&text);
            is_refused::<LamportTimestamp<String>>(&text);
            is_refused::<HybridTimestamp<String>>(&text);
            is_refused::<HybridTime>(&text);
            is_refused::<Position>(&text);
            is_refused::<FencingToken>(&text);
            is_refused::<TextId<i64>>(&text);
            is_refused::<TextId<[u8; 2]>>(&text);
            is_refused::<TextId<Vec<u8>>>(&text);
        }
    }
    check(property as fn(_, _, _));
}

#[test]
fn only_the_one_text_of_a_value_is_read() {
    for text in
        ["(a, 0)", "(a, 01)", "(a, +1)", "(a,1)", "a, 1", "(a, 1", "(a, 1) ", "(a, -1)", "(1)", "()", ""]
    {
        assert!(is_refused::<Dot<String>>(text), "{text}");
    }
    assert!(
        is_refused::<Dot<u8>>("(+7, 1)")
            && is_refused::<Dot<u8>>("(007, 1)")
            && is_refused::<Dot<u8>>("(256, 1)")
    );
    for text in ["(a, 0..=1)", "(a, 2..=1)", "(a, 1..2)", "(a, 1)", "(a, 1..=1..=1)"] {
        assert!(is_refused::<DotRange<String>>(text), "{text}");
    }
    for text in ["140737488355328+0", "0+65536", "0", "0+", "+0", "1+1+1", "01+0"] {
        assert!(is_refused::<HybridTime>(text), "{text}");
        assert!(is_refused::<HybridTimestamp<String>>(&format!("({text}, a)")), "{text}");
    }
    for text in ["0:33", "0:33:0:0", "0:033:0", "0:33:-0", "18446744073709551616:0:0", " 0:33:0"] {
        assert!(is_refused::<Position>(text) && is_refused::<FencingToken>(text), "{text}");
    }
    for text in ["abc", "abcde", "AB01", "+b01", "ab 1", "éab"] {
        assert!(is_refused::<TextId<[u8; 2]>>(text), "{text}");
    }
    for text in ["Before", "", "before ", "earlier"] {
        assert!(is_refused::<CausalOrder>(text), "{text}");
    }
    let error = "nonsense".parse::<FencingToken>().unwrap_err();
    assert_eq!(
        error.to_string(),
        "not the text of such a value; pass epoch:sequence:index, as `Display` writes it"
    );
}

/// The last comma separates the counter of a dot, and the first one that of a timestamp.
#[test]
fn separators_in_an_id_belong_to_it() {
    let dot: Dot<String> = "(a, 9) (b, 1)".parse().unwrap();
    assert_eq!((dot.node().as_str(), dot.counter()), ("a, 9) (b", 1));
    let timestamp: LamportTimestamp<String> = "(1, a, 9) (b)".parse().unwrap();
    assert_eq!((timestamp.counter(), timestamp.node().as_str()), (1, "a, 9) (b"));
}

#[test]
fn byte_arrays_and_orders_are_shown() {
    let id = TextId([0xDE, 0xAD, 0xBE, 0xEF, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    assert_eq!(VersionVector::from_iter([(id, 1)]).to_string(), "{deadbeef000000000000000000000001: 1}");
    assert_eq!(Dot::new(id, 1).unwrap().to_string(), "(deadbeef000000000000000000000001, 1)");
    assert_eq!(format!("{id:?} {:?}", TextId(7)), "deadbeef000000000000000000000001 7");
    assert_eq!(format!("[{:>11}]", CausalOrder::Before), "[     before]");
    // The order is that of the ids, not that of their texts.
    assert!(TextId(9) < TextId(10));
}
