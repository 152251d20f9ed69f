//! The forms of commands, outcomes and states: bytes that stay readable for ever, hostile bytes, and serde.

use std::cell::RefCell;
use std::fmt::{Debug, Write};

use happens_before::broadcast::blocking::{follow_appends, settle_append};
use happens_before::broadcast::{FencingToken, MemoryLog, Position, PublisherConfig, SubscriberConfig};
use happens_before::codec::{self, Decode, DecodeErrorKind, Encode};
use happens_before::{Dot, Publisher};
use happens_before_replicated::claims::{self, Claims};
use happens_before_replicated::lock::{self, Lock};
use happens_before_replicated::register::{self, Register};
use happens_before_replicated::{Encoded, Replica, ReplicaSnapshot, StateMachine};

fn encoded(value: &impl Encode) -> Vec<u8> {
    let mut bytes = Vec::new();
    codec::encode(value, &mut bytes);
    bytes
}

/// Asserts that any bytes are refused, or are the one form of the value that they decode to. Returns whether they are.
fn is_value<T: Encode + Decode>(bytes: &[u8]) -> bool {
    match codec::decode::<T>(bytes) {
        Ok(value) => {
            assert_eq!(encoded(&value), bytes, "a second form");
            true
        }
        Err(error) => {
            assert!(error.at <= bytes.len(), "{error} in {bytes:?}");
            false
        }
    }
}

/// Asserts the bytes of a value, in hexadecimal. They must be readable for ever: add lines, change none. Then asserts
/// that nothing near them is a second form.
fn golden<T: Encode + Decode + PartialEq + Debug>(value: T, hex: &str) {
    let bytes = encoded(&value);
    let mut found = String::new();
    bytes.iter().for_each(|byte| write!(found, "{byte:02x}").unwrap());
    assert_eq!(found, hex, "{value:?}");
    for len in 0..bytes.len() {
        assert!(codec::decode::<T>(&bytes[..len]).is_err(), "{value:?} cut to {len} bytes");
    }
    let longer: Vec<u8> = bytes.iter().copied().chain([0]).collect();
    let error = codec::decode::<T>(&longer).unwrap_err();
    assert_eq!((error.at, error.kind), (bytes.len(), DecodeErrorKind::TrailingBytes));
    for at in 0..bytes.len() {
        for byte in 0..=255 {
            let mut changed = bytes.clone();
            changed[at] = byte;
            is_value::<T>(&changed);
        }
    }
    assert_eq!(codec::decode(&bytes), Ok(value));
}

fn token(sequence: u64) -> FencingToken {
    FencingToken::new(at(sequence))
}

fn at(sequence: u64) -> Position {
    Position { epoch: 2, sequence, index: 0 }
}

fn text(text: &str) -> String {
    text.to_string()
}

fn names() -> Claims<String, u64> {
    let mut claims = Claims::new(3);
    for (name, claimant) in [("bob", 2), ("alice", 1)] {
        claims.apply(at(claimant), claims::Command::Claim { name: text(name), claimant });
    }
    claims
}

fn held() -> Lock<u64> {
    let mut lock = Lock::new();
    lock.apply(at(33), lock::Command::acquire(5));
    lock
}

#[test]
fn the_bytes_of_commands_outcomes_and_states_stay_readable() {
    golden(register::Command::Write(300_u64), "00812c");
    golden(register::Command::Write(text("tea")), "0003746561");
    golden(register::Command::CompareAndSet { expected: 4_u64, new: 6 }, "010406");
    golden(register::Outcome::<u64>::Set, "00");
    golden(register::Outcome::Refused { current: text("tea") }, "0103746561");
    golden(Register::new(7_u64), "07");

    golden(claims::Command::Claim { name: text("al"), claimant: 51_u64 }, "0002616c33");
    golden(claims::Command::Release { name: text("al"), claimant: 51_u64 }, "0102616c33");
    golden(claims::Outcome::<u64>::Won, "00");
    golden(claims::Outcome::Lost { owner: 51_u64 }, "0133");
    golden(claims::Outcome::<u64>::Full, "02");
    golden(claims::Outcome::<u64>::Released, "03");
    golden(claims::Outcome::<u64>::NotHeld, "04");
    golden(names(), "030205616c6963650103626f6202");

    golden(lock::Command::acquire(5_u64), "000500");
    golden(lock::Command::Acquire { owner: 5_u64, over: Some(token(33)) }, "000501022100");
    golden(lock::Command::<u64>::Release { token: token(33) }, "01022100");
    golden(lock::Outcome::<u64>::Granted { token: token(33) }, "00022100");
    golden(lock::Outcome::Held { by: 5_u64, token: token(33) }, "0105022100");
    golden(lock::Outcome::<u64>::Released, "02");
    golden(lock::Outcome::<u64>::NotHeld, "03");
    golden(Lock::<u64>::new(), "00");
    golden(held(), "0105022100");
    golden(Encoded(held()), "0105022100");
    let replica = Replica::<u64, _>::new(Register::new(7_u64), SubscriberConfig::default());
    golden(replica.snapshot().unwrap(), "000100000007");
}

#[test]
fn every_short_string_of_bytes_is_refused_or_is_the_one_form_of_a_value() {
    fn every<T: Encode + Decode>() -> usize {
        let mut values = 0;
        let mut bytes = Vec::new();
        for len in 0..=5 {
            // All bytes in short strings; in longer ones those around a change of meaning.
            let alphabet: Vec<u8> =
                if len < 3 { (0..=255).collect() } else { vec![0, 1, 2, 3, 4, 0x7f, 0x80, 0xff] };
            for mut word in 0..alphabet.len().pow(len) {
                bytes.clear();
                for _ in 0..len {
                    bytes.push(alphabet[word % alphabet.len()]);
                    word /= alphabet.len();
                }
                values += usize::from(is_value::<T>(&bytes));
            }
        }
        values
    }
    let values = [
        every::<register::Command<u64>>(),
        every::<register::Outcome<String>>(),
        every::<claims::Command<Vec<u8>, u64>>(),
        every::<claims::Outcome<u64>>(),
        every::<Claims<u64, u64>>(),
        every::<lock::Command<u64>>(),
        every::<lock::Outcome<u64>>(),
        every::<Lock<u64>>(),
    ];
    assert!(values.iter().all(|&values| values > 10), "{values:?}");
}

#[test]
fn an_unknown_variant_is_refused_at_its_byte() {
    fn refused<T: Decode + Debug>(first: u8) {
        let error = codec::decode::<T>(&[first, 0, 0, 0, 0, 0, 0]).unwrap_err();
        assert_eq!((error.at, error.kind), (0, DecodeErrorKind::UnknownVersion));
    }
    refused::<register::Command<u64>>(2);
    refused::<register::Outcome<u64>>(2);
    refused::<claims::Command<u64, u64>>(2);
    refused::<claims::Outcome<u64>>(5);
    refused::<lock::Command<u64>>(2);
    refused::<lock::Outcome<u64>>(4);
}

#[test]
fn a_hostile_state_is_refused_and_reserves_no_memory_for_what_it_claims() {
    let error = |bytes: &[u8]| {
        let error = codec::decode::<Claims<u64, u64>>(bytes).unwrap_err();
        (error.at, error.kind)
    };
    assert_eq!(error(&[1, 2, 7, 7, 8, 8]), (0, DecodeErrorKind::OutOfRange), "more names than the limit");
    assert_eq!(error(&[9, 2, 8, 0, 7, 0]), (4, DecodeErrorKind::Unsorted));
    assert_eq!(error(&[9, 2, 7, 0, 7, 1]), (4, DecodeErrorKind::Unsorted), "a name twice");
    let mut endless = Vec::new();
    let [limit, len] = [u64::from(u32::MAX), u64::from(u32::MAX)];
    encoded(&(limit, len)).into_iter().chain([7, 7]).for_each(|byte| endless.push(byte));
    assert_eq!(error(&endless), (endless.len(), DecodeErrorKind::Truncated));
}

#[test]
fn a_replica_goes_on_from_bytes() {
    let log = RefCell::new(MemoryLog::new(100));
    let mut publisher = Publisher::new(1_u64, PublisherConfig::over_appends());
    let mut publish = |command: &lock::Command<u64>| {
        publisher.publish(Encoded::<Lock<u64>>::encode(command)).unwrap();
        settle_append(&mut publisher, &log).unwrap().unwrap()
    };
    publish(&lock::Command::acquire(5));
    let mut replica = Replica::new(Encoded(Lock::<u64>::new()), SubscriberConfig::default());
    follow_appends(&mut replica, &log, 0).unwrap();
    while replica.poll_applied().unwrap().is_some() {}
    let bytes = encoded(&replica.snapshot().unwrap());
    drop(replica); // the process ends

    let snapshot = codec::decode::<ReplicaSnapshot<u64, Encoded<Lock<u64>>>>(&bytes).unwrap();
    let mut replica = Replica::resume(snapshot, SubscriberConfig::default());
    let token = replica.machine().0.holder().unwrap().1;
    publish(&lock::Command::Release { token });
    follow_appends(&mut replica, &log, 0).unwrap();
    let applied = replica.poll_applied().unwrap().unwrap();
    assert_eq!((applied.id, applied.output), (Dot::new(1, 2).unwrap(), Some(Ok(lock::Outcome::Released))));
}

#[test]
fn bytes_that_are_no_command_are_an_output_and_change_nothing() {
    let command = claims::Command::Claim { name: text("alice"), claimant: 7_u64 };
    let bytes = Encoded::<Claims<String, u64>>::encode(&command);
    let (mut one, mut other) = (Encoded(names()), Encoded(names()));
    let mut refused = 0;
    let cut = (0..bytes.len()).map(|len| bytes[..len].to_vec());
    let changed = (0..bytes.len()).flat_map(|at| (0..=255).map(move |byte| (at, byte))).map(|(at, byte)| {
        let mut changed = bytes.clone();
        changed[at] = byte;
        changed
    });
    for bytes in cut.chain(changed).chain([vec![0xff; 1_000]]) {
        let before = one.clone();
        let output = one.apply(at(9), bytes.clone());
        assert_eq!(other.apply(at(9), bytes), output, "the same everywhere");
        assert_eq!(one, other);
        if output.is_err() {
            refused += 1;
            assert_eq!(one, before);
        }
    }
    assert!(refused > 1_000, "{refused}");
    let lost = one.0.clone().apply(at(10), command.clone());
    assert_eq!(one.apply(at(10), Encoded::<Claims<String, u64>>::encode(&command)), Ok(lost));
}

#[cfg(feature = "serde")]
mod with_serde {
    use serde::Serialize;
    use serde::de::DeserializeOwned;

    use super::*;

    fn is<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: T, form: &str) {
        assert_eq!(serde_json::to_string(&value).unwrap(), form);
        assert_eq!(serde_json::from_str::<T>(form).unwrap(), value);
    }

    #[test]
    fn commands_outcomes_and_states_have_the_usual_form() {
        is(register::Command::Write(300), r#"{"Write":300}"#);
        is(
            register::Command::CompareAndSet { expected: 4, new: 6 },
            r#"{"CompareAndSet":{"expected":4,"new":6}}"#,
        );
        is(register::Outcome::<u64>::Set, r#""Set""#);
        is(register::Outcome::Refused { current: 6 }, r#"{"Refused":{"current":6}}"#);
        is(Register::new(7), "7");

        let (name, claimant) = (text("alice"), 51);
        is(
            claims::Command::Claim { name: name.clone(), claimant },
            r#"{"Claim":{"name":"alice","claimant":51}}"#,
        );
        is(claims::Command::Release { name, claimant }, r#"{"Release":{"name":"alice","claimant":51}}"#);
        is(claims::Outcome::<u64>::Won, r#""Won""#);
        is(claims::Outcome::Lost { owner: 51 }, r#"{"Lost":{"owner":51}}"#);
        is(claims::Outcome::<u64>::NotHeld, r#""NotHeld""#);
        is(names(), r#"{"limit":3,"owners":[["alice",1],["bob",2]]}"#);

        is(lock::Command::acquire(5), r#"{"Acquire":{"owner":5,"over":null}}"#);
        is(lock::Command::<u64>::Release { token: token(33) }, r#"{"Release":{"token":[2,33,0]}}"#);
        is(lock::Outcome::Held { by: 5, token: token(33) }, r#"{"Held":{"by":5,"token":[2,33,0]}}"#);
        is(held(), r#"{"holder":[5,[2,33,0]]}"#);
        is(Encoded(Register::new(7)), "7");
    }

    #[test]
    fn a_state_that_no_commands_make_is_refused() {
        let refused = |form: &str, why: &str| {
            let error = serde_json::from_str::<Claims<String, u64>>(form).unwrap_err().to_string();
            assert!(error.contains(why), "{form} is refused because of {error}");
        };
        refused(r#"{"limit":1,"owners":[["a",1],["b",2]]}"#, "more names than the limit");
        refused(r#"{"limit":9,"owners":[["b",1],["a",2]]}"#, "not sorted");
        refused(r#"{"limit":9,"owners":[["a",1],["a",2]]}"#, "not sorted");
        refused(r#"{"limit":9,"owners":[],"more":1}"#, "unknown field");
        refused(r#"{"owners":[]}"#, "missing field");
        let error =
            serde_json::from_str::<register::Command<u64>>(r#"{"CompareAndSet":{"expected":1,"new":2,"x":3}}"#);
        assert!(error.unwrap_err().to_string().contains("unknown field"));
    }

    #[test]
    fn a_snapshot_of_a_replica_has_a_form() {
        let replica = Replica::<u64, _>::new(Register::new(7), SubscriberConfig::default());
        let snapshot = replica.snapshot().unwrap();
        let form = serde_json::to_string(&snapshot).unwrap();
        assert_eq!(serde_json::from_str::<ReplicaSnapshot<u64, Register<u64>>>(&form).unwrap(), snapshot);
    }
}
