//! Operations on version vectors, each compared with the same operation on a map.

#![no_main]

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hash};

use arbitrary::{Arbitrary, Unstructured};
use happens_before::{CausalOrder, Dot, VersionVector};
use libfuzzer_sys::fuzz_target;

/// The number of vectors to combine.
const VECTORS: u8 = 3;

/// The number of nodes that operations name one by one: few, so that vectors share some; more than fit inline.
const NODES: u16 = 9;

/// The naive version vector: a node that is not in the map has counter 0, and no counter in the map is 0.
type Model = BTreeMap<u16, u64>;

/// One of the vectors.
#[derive(Clone, Copy, Debug)]
struct Which(usize);

impl<'a> Arbitrary<'a> for Which {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(Self(usize::from(u8::arbitrary(bytes)? % VECTORS)))
    }
}

#[derive(Clone, Copy, Debug)]
struct Node(u16);

impl<'a> Arbitrary<'a> for Node {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(Self(u16::from(u8::arbitrary(bytes)?) % NODES))
    }
}

/// A counter: usually small or close to the end of the range.
#[derive(Clone, Copy, Debug)]
struct Counter(u64);

impl<'a> Arbitrary<'a> for Counter {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(Self(match u8::arbitrary(bytes)? {
            small @ 0..=99 => u64::from(small % 5),
            high @ 100..=199 => u64::MAX - u64::from(high % 5),
            _ => u64::arbitrary(bytes)?,
        }))
    }
}

#[derive(Arbitrary, Debug)]
enum Operation {
    Increment(Which, Node),
    Observe(Which, Node, Counter),
    Merge(Which, Which),
    Meet(Which, Which),
    Retain(Which, Which),
    Remove(Which, Node),
    /// Many entries at once, so that vectors are longer than a block, and have more new entries than are inserted one
    /// by one.
    Fill(Which, u16, u8, u16, Counter),
    /// Many new entries one by one, from the highest node down.
    Insert(Which, u16, u8, u8),
    Collect(Which, Vec<(Node, Counter)>),
    Extend(Which, Vec<(Node, Counter)>),
    Copy(Which, Which),
    Clear(Which),
    ShrinkToFit(Which),
    Compare(Which, Which),
    Difference(Which, Which),
    Contains(Which, Node, Counter),
}

fn get(model: &Model, node: u16) -> u64 {
    model.get(&node).copied().unwrap_or(0)
}

fn set(model: &mut Model, node: u16, counter: u64) {
    if counter > 0 {
        model.insert(node, counter);
    } else {
        model.remove(&node);
    }
}

fn at_most(x: &Model, y: &Model) -> bool {
    x.iter().all(|(&node, &counter)| counter <= get(y, node))
}

fn hash(value: &impl Hash) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(value)
}

/// Applies one operation to vectors and models alike, and compares the results.
fn apply(operation: Operation, vectors: &mut [VersionVector<u16>], models: &mut [Model]) {
    match operation {
        Operation::Increment(Which(x), Node(node)) => {
            let seen = get(&models[x], node);
            match vectors[x].increment(node) {
                Ok(dot) => {
                    assert_eq!((*dot.node(), dot.counter()), (node, seen + 1));
                    set(&mut models[x], node, seen + 1);
                }
                // The comparison with the unchanged model shows that the vector is unchanged.
                Err(error) => assert_eq!((seen, error.limit), (u64::MAX, u64::MAX)),
            }
        }
        Operation::Observe(Which(x), Node(node), Counter(counter)) => {
            let Some(dot) = Dot::new(node, counter) else { return };
            vectors[x].observe(&dot);
            let seen = get(&models[x], node);
            set(&mut models[x], node, seen.max(counter));
        }
        Operation::Merge(Which(x), Which(y)) => {
            let (theirs, their_model) = (vectors[y].clone(), models[y].clone());
            vectors[x].merge(&theirs);
            for (node, counter) in their_model {
                let seen = get(&models[x], node);
                set(&mut models[x], node, seen.max(counter));
            }
        }
        Operation::Meet(Which(x), Which(y)) => {
            let (theirs, their_model) = (vectors[y].clone(), models[y].clone());
            vectors[x].meet(&theirs);
            let lower = |(&node, &counter): (&u16, &u64)| Some((node, counter.min(*their_model.get(&node)?)));
            models[x] = models[x].iter().filter_map(lower).collect();
        }
        Operation::Retain(Which(x), Which(y)) => {
            let their_model = models[y].clone();
            vectors[x].retain(|&node, counter| counter > get(&their_model, node));
            models[x].retain(|&node, &mut counter| counter > get(&their_model, node));
        }
        Operation::Remove(Which(x), Node(node)) => {
            assert_eq!(vectors[x].remove(&node), models[x].remove(&node).unwrap_or(0));
        }
        Operation::Fill(Which(x), first, step, count, Counter(counter)) => {
            let nodes = (first..=u16::MAX).step_by(usize::from(step % 4) + 1).take(usize::from(count % 2_048));
            let entries: Vec<_> = nodes.map(|node| (Node(node), Counter(counter))).collect();
            vectors[x].extend(entries.iter().map(|&(Node(node), Counter(counter))| (node, counter)));
            add(&mut models[x], &entries);
        }
        Operation::Insert(Which(x), first, step, count) => {
            let nodes: Vec<_> =
                (first..=u16::MAX).step_by(usize::from(step % 4) + 1).take(usize::from(count)).collect();
            for &node in nodes.iter().rev() {
                vectors[x].observe(&Dot::new(node, 2).unwrap());
                let seen = get(&models[x], node);
                models[x].insert(node, seen.max(2));
            }
        }
        Operation::Collect(Which(x), entries) => {
            vectors[x] = entries.iter().map(|&(Node(node), Counter(counter))| (node, counter)).collect();
            models[x].clear();
            add(&mut models[x], &entries);
        }
        Operation::Extend(Which(x), entries) => {
            vectors[x].extend(entries.iter().map(|&(Node(node), Counter(counter))| (node, counter)));
            add(&mut models[x], &entries);
        }
        Operation::Copy(Which(x), Which(y)) => {
            vectors[x] = vectors[y].clone();
            models[x] = models[y].clone();
        }
        Operation::Clear(Which(x)) => {
            vectors[x].clear();
            models[x].clear();
        }
        Operation::ShrinkToFit(Which(x)) => vectors[x].shrink_to_fit(),
        Operation::Compare(Which(x), Which(y)) => {
            let at_most = (at_most(&models[x], &models[y]), at_most(&models[y], &models[x]));
            let (order, ordering) = match at_most {
                (true, true) => (CausalOrder::Equal, Some(Ordering::Equal)),
                (true, false) => (CausalOrder::Before, Some(Ordering::Less)),
                (false, true) => (CausalOrder::After, Some(Ordering::Greater)),
                (false, false) => (CausalOrder::Concurrent, None),
            };
            assert_eq!(vectors[x].compare(&vectors[y]), order);
            assert_eq!(vectors[x].partial_cmp(&vectors[y]), ordering);
            assert_eq!(vectors[x] == vectors[y], models[x] == models[y]);
            if models[x] == models[y] {
                assert_eq!(hash(&vectors[x]), hash(&vectors[y]));
            }
        }
        Operation::Difference(Which(x), Which(y)) => {
            let ranges = vectors[x].difference(&vectors[y]);
            let ranges: Vec<_> = ranges.map(|range| (*range.node(), range.counters())).collect();
            let unseen = models[x].iter().filter(|&(&node, &counter)| counter > get(&models[y], node));
            let unseen = unseen.map(|(&node, &counter)| (node, get(&models[y], node) + 1..=counter));
            assert_eq!(ranges, unseen.collect::<Vec<_>>());
        }
        Operation::Contains(Which(x), Node(node), Counter(counter)) => {
            assert_eq!(vectors[x].get(&node), get(&models[x], node));
            let contained = Dot::new(node, counter).map(|dot| vectors[x].contains(&dot));
            assert_eq!(contained, (counter > 0).then(|| counter <= get(&models[x], node)));
        }
    }
}

fn add(model: &mut Model, entries: &[(Node, Counter)]) {
    for &(Node(node), Counter(counter)) in entries {
        let seen = get(model, node);
        set(model, node, seen.max(counter));
    }
}

fuzz_target!(|operations: Vec<Operation>| {
    let mut vectors: [VersionVector<u16>; VECTORS as usize] = Default::default();
    let mut models: [Model; VECTORS as usize] = Default::default();
    for operation in operations {
        apply(operation, &mut vectors, &mut models);
        for (vector, model) in vectors.iter().zip(&models) {
            assert_eq!(vector.internal_validate(), Ok(()));
            assert_eq!((vector.len(), vector.is_empty()), (model.len(), model.is_empty()));
            assert!(vector.iter().eq(model.iter().map(|(node, &counter)| (node, counter))));
        }
    }
});
