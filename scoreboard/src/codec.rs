//! Version vectors in bytes: beside loro-internal, yrs and minerva in their formats, and crdts with the usual
//! serializer, postcard.
//!
//! All contestants of a case get the same vector. Ids have as many bits as the narrowest peer of the case allows: 32
//! with minerva, 53 with yrs, 64 without both.

use std::hint::black_box;
use std::time::Instant;

use happens_before::{VersionVector, codec};
use loro_internal::VersionVector as Loro;
use minerva::metis::VersionVector as Minerva;
use yrs::StateVector as Yrs;
use yrs::updates::decoder::Decode as _;
use yrs::updates::encoder::Encode as _;

use crate::{Case, Contestant, Goal, Pick, Role};

type Crdts = crdts::VClock<u64>;

/// Entries, id and counter, in the order of the ids.
type Entries = Vec<(u64, u64)>;

/// Vectors that are encoded or decoded in a round.
const REPEATS: u32 = 64;

trait Format: Sized + 'static {
    const NAME: &'static str;
    const ROLE: Role = Role::Peer;
    /// The most bits of its ids.
    const ID_BITS: u32;

    fn make(entries: &Entries) -> Self;
    fn encode(&self) -> Vec<u8>;
    fn decode(bytes: &[u8]) -> Self;
    fn count(&self) -> usize;
}

impl Format for VersionVector<u64> {
    const NAME: &'static str = "codec";
    const ROLE: Role = Role::Ours;
    const ID_BITS: u32 = 64;

    fn make(entries: &Entries) -> Self {
        entries.iter().copied().collect()
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        codec::encode(self, &mut bytes);
        bytes
    }

    fn decode(bytes: &[u8]) -> Self {
        codec::decode(bytes).unwrap()
    }

    fn count(&self) -> usize {
        self.len()
    }
}

impl Format for Loro {
    const NAME: &'static str = "loro";
    const ID_BITS: u32 = 64;

    fn make(entries: &Entries) -> Self {
        let mut vector = Self::new();
        for &(id, counter) in entries {
            vector.set_end(loro_internal::id::ID::new(id, counter as i32));
        }
        vector
    }

    fn encode(&self) -> Vec<u8> {
        Loro::encode(self)
    }

    fn decode(bytes: &[u8]) -> Self {
        Loro::decode(bytes).unwrap()
    }

    fn count(&self) -> usize {
        self.len()
    }
}

impl Format for Crdts {
    const NAME: &'static str = "crdts, postcard";
    const ID_BITS: u32 = 64;

    fn make(entries: &Entries) -> Self {
        entries.iter().map(|&(id, counter)| crdts::Dot::new(id, counter)).collect()
    }

    fn encode(&self) -> Vec<u8> {
        postcard::to_allocvec(self).unwrap()
    }

    fn decode(bytes: &[u8]) -> Self {
        postcard::from_bytes(bytes).unwrap()
    }

    fn count(&self) -> usize {
        self.iter().count()
    }
}

impl Format for Yrs {
    const NAME: &'static str = "yrs";
    const ID_BITS: u32 = 53;

    fn make(entries: &Entries) -> Self {
        entries.iter().map(|&(id, counter)| (yrs::ClientID::new(id), counter as u32)).collect()
    }

    fn encode(&self) -> Vec<u8> {
        self.encode_v1()
    }

    fn decode(bytes: &[u8]) -> Self {
        Yrs::decode_v1(bytes).unwrap()
    }

    fn count(&self) -> usize {
        self.len()
    }
}

impl Format for Minerva {
    const NAME: &'static str = "minerva";
    const ID_BITS: u32 = 32;

    fn make(entries: &Entries) -> Self {
        let mut vector = Self::default();
        for &(id, counter) in entries {
            vector.observe(id as u32, counter);
        }
        vector
    }

    fn encode(&self) -> Vec<u8> {
        self.to_bytes()
    }

    fn decode(bytes: &[u8]) -> Self {
        Self::from_bytes(bytes).unwrap()
    }

    fn count(&self) -> usize {
        self.iter().count()
    }
}

/// The subject of a case; the figure is for one vector.
#[derive(Clone, Copy, PartialEq)]
enum Measure {
    Bytes,
    Encode,
    Decode,
}

fn contestant<F: Format>(measure: Measure, entries: &Entries) -> Contestant {
    let vector = F::make(entries);
    let (bytes, count) = (vector.encode(), entries.len());
    assert_eq!((vector.count(), F::decode(&bytes).count()), (count, count));
    let per_round = move |time: Instant| time.elapsed().as_nanos() as f64 / f64::from(REPEATS);
    // The limit of encoding is minerva's copy of fixed width.
    let role = if measure == Measure::Encode && F::NAME == "minerva" { Role::Limit } else { F::ROLE };
    Contestant::new(role, F::NAME, move || match measure {
        Measure::Bytes => bytes.len() as f64,
        Measure::Encode => {
            let start = Instant::now();
            for _ in 0..REPEATS {
                assert_eq!(black_box(&vector).encode().len(), bytes.len());
            }
            per_round(start)
        }
        Measure::Decode => {
            let start = Instant::now();
            for _ in 0..REPEATS {
                // All have counted their entries once; `count` may cost as much as decoding.
                black_box(F::decode(black_box(&bytes)));
            }
            per_round(start)
        }
    })
}

fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mixed = (*state ^ *state >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ mixed >> 31
}

/// Returns `nodes` entries with counters up to `most`. Ids are random with `id_bits` bits, or 1, 2, 3, ... if it is 0.
fn entries(nodes: u64, id_bits: u32, most: u64) -> Entries {
    let mut state = nodes;
    let mut ids: Vec<u64> = match id_bits {
        0 => (1..=nodes).collect(),
        bits => (0..nodes).map(|_| random(&mut state) >> (64 - bits)).collect(),
    };
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len() as u64, nodes, "no id comes twice");
    ids.into_iter().map(|id| (id, 1 + random(&mut state) % most)).collect()
}

fn case(measure: Measure, nodes: u64, id_bits: u32, most: u64) -> Case {
    let (what, unit) = match measure {
        Measure::Bytes => ("size", "bytes"),
        Measure::Encode => ("encode", "ns"),
        Measure::Decode => ("decode", "ns"),
    };
    let ids = if id_bits == 0 { "ids 1, 2, 3".into() } else { format!("ids of {id_bits} bits") };
    let entries = entries(nodes, id_bits, most);
    let mut contestants = vec![
        contestant::<VersionVector<u64>>(measure, &entries),
        contestant::<Loro>(measure, &entries),
        contestant::<Crdts>(measure, &entries),
    ];
    if id_bits <= Yrs::ID_BITS {
        contestants.push(contestant::<Yrs>(measure, &entries));
    }
    if id_bits <= Minerva::ID_BITS {
        contestants.push(contestant::<Minerva>(measure, &entries));
    }
    let beside_fixed = measure == Measure::Encode && id_bits <= Minerva::ID_BITS;
    Case {
        name: format!("{what}, {nodes} nodes, {ids}, counters to {most}").leak(),
        unit,
        pick: Pick::Fastest,
        goal: if beside_fixed { Goal::WithinLimitAndBeatPeers(2.0) } else { Goal::BeatPeers },
        contestants,
    }
}

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for nodes in [3, 8, 16, 64, 256, 1_024, 10_000] {
        for id_bits in [0, 32, 53, 64] {
            for most in [100, 1_000_000, 1 << 30] {
                cases.push(case(Measure::Bytes, nodes, id_bits, most));
            }
        }
    }
    for measure in [Measure::Encode, Measure::Decode] {
        for nodes in [3, 16, 64, 1_024, 10_000] {
            for id_bits in [0, 32, 53, 64] {
                cases.push(case(measure, nodes, id_bits, 1_000_000));
            }
        }
    }
    cases
}
