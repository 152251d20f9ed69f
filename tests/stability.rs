//! Stability against a naive matrix, and in its edge cases.
#![cfg(feature = "alloc")]

use std::collections::BTreeMap;

use happens_before::delivery::{ObserveError, Stability};
use happens_before::{Dot, VersionVector};
use testkit::{below, random};

/// A naive record: the vector of each member, and everything that was reported stable.
#[derive(Default)]
struct Model {
    rows: BTreeMap<u8, BTreeMap<u8, u64>>,
    stable: BTreeMap<u8, u64>,
}

const AUTHORS: u8 = 5;

impl Model {
    /// Takes the minimum over all members for every author, and returns the counters that have grown.
    fn rescan(&mut self) -> VersionVector<u8> {
        let mut grown = VersionVector::new();
        for author in 0..AUTHORS {
            let acknowledged = self.rows.values().map(|row| row.get(&author).copied().unwrap_or(0));
            let lowest = acknowledged.min().unwrap_or(0);
            if lowest > self.stable.get(&author).copied().unwrap_or(0) {
                self.stable.insert(author, lowest);
                grown.extend([(author, lowest)]);
            }
        }
        grown
    }

    fn raise(&mut self, member: u8, author: u8, counter: u64) {
        let entry = self.rows.get_mut(&member).unwrap().entry(author).or_default();
        *entry = counter.max(*entry);
    }
}

#[test]
fn whatever_happens_the_minimum_is_the_naive_one_and_never_falls() {
    let mut random = random();
    let mut advanced = 0;
    for _ in 0..300 {
        let mut model = Model::default();
        let members = below(&mut random, 4) as u8;
        model.rows.extend((0..members).map(|member| (member, BTreeMap::new())));
        let mut stability = Stability::new(0..members, 16).unwrap();
        for _ in 0..60 {
            let member = below(&mut random, 6) as u8;
            // Half of the authors are left out.
            let vector: VersionVector<u8> =
                (0..AUTHORS).map(|author| (author, below(&mut random, 12).saturating_sub(6))).collect();
            let is_member = model.rows.contains_key(&member);
            match below(&mut random, 8) {
                0 => {
                    stability.join(member, &vector).unwrap();
                    if !is_member {
                        model.rows.insert(member, model.stable.clone());
                    }
                    vector.iter().for_each(|(&author, counter)| model.raise(member, author, counter));
                    model.rescan();
                }
                1 => {
                    let grown = stability.remove(&member);
                    assert_eq!(model.rows.remove(&member).is_some(), is_member);
                    assert_eq!(grown, model.rescan());
                }
                _ if is_member => {
                    let grown = stability.observe(&member, &vector).unwrap();
                    vector.iter().for_each(|(&author, counter)| model.raise(member, author, counter));
                    advanced += usize::from(!grown.is_empty());
                    assert_eq!(grown, model.rescan());
                }
                _ => {
                    let error = stability.observe(&member, &vector).unwrap_err();
                    assert_eq!(error, ObserveError::NotAMember { node: member });
                }
            }
            assert_eq!(stability.internal_validate(), Ok(()));
            assert!(stability.members().eq(model.rows.keys()));
            assert_eq!(stability.stable(), model.stable.iter().map(|(&a, &c)| (a, c)).collect());
            for author in 0..AUTHORS {
                let of = |row: &BTreeMap<u8, u64>| row.get(&author).copied().unwrap_or(0);
                assert_eq!(stability.stable_up_to(&author), of(&model.stable));
                assert_eq!(stability.highest(&author), model.rows.values().map(of).max().unwrap_or(0));
                for counter in 1..7 {
                    let dot = Dot::new(author, counter).unwrap();
                    let lacking = model.rows.iter().filter(|(_, row)| of(row) < counter);
                    assert!(stability.held_back_by(&dot).eq(lacking.map(|(member, _)| member)));
                }
                for (member, row) in &model.rows {
                    assert_eq!(stability.acknowledged(member, &author), of(row));
                }
            }
        }
    }
    assert!(advanced > 300, "{advanced} acknowledgements moved something");
}

#[test]
fn limits_hold_and_an_error_changes_nothing() {
    assert_eq!(
        Stability::new([1_u8, 2, 3], 2).unwrap_err().to_string(),
        "more than 2 nodes; distrust the sender, or raise the limit"
    );
    let mut stability = Stability::new([1_u8, 2], 2).unwrap();
    let of = |entries: &[(u8, u64)]| entries.iter().copied().collect::<VersionVector<u8>>();
    stability.observe(&1, &of(&[(1, 5)])).unwrap();
    let error = stability.observe(&2, &of(&[(1, 5), (7, 1), (8, 1)])).unwrap_err();
    assert_eq!(error, ObserveError::TooManyNodes { limit: 2 }, "{error}");
    assert_eq!(stability.stable(), of(&[]));
    assert!(stability.join(3, &of(&[])).is_err());
    assert!(stability.join(2, &of(&[(7, 1), (8, 1)])).is_err());
    assert_eq!(stability.observe(&2, &of(&[(1, 4), (7, 1)])), Ok(of(&[(1, 4)])));
    assert_eq!(stability.remove(&9), of(&[]));
    assert_eq!(
        stability.observe(&9, &of(&[])).unwrap_err().to_string(),
        "9 is not a member; let it join first, or distrust it"
    );
}

#[test]
fn counters_to_the_end_of_the_range() {
    let mut stability = Stability::new(["a", "b"], 4).unwrap();
    let all = VersionVector::from_iter([("a", u64::MAX)]);
    stability.observe(&"a", &all).unwrap();
    assert_eq!(stability.observe(&"b", &all), Ok(all));
    assert_eq!(stability.remove(&"a"), VersionVector::new());
    assert_eq!(stability.remove(&"b"), VersionVector::new());
    assert_eq!(stability.stable_up_to(&"a"), u64::MAX, "what was stable stays so, without members too");
}

/// A sent message: its dot, and everything that it follows, itself too.
type Sent = (Dot<u8>, VersionVector<u8>);

/// Runs three nodes that send, deliver in causal order and acknowledge, all of it late and in any order. Counts three
/// things: deliveries, deliveries of messages that do not follow what was stable at their receiver, and deliveries of
/// messages that do not follow what was causally stable there.
fn deliveries_that_surprise(random: &mut quickcheck::Gen) -> [usize; 3] {
    const NODES: u8 = 3;
    let mut delivered = [(); 3].map(|()| VersionVector::new());
    let mut stability = [(); 3].map(|()| Stability::new(0..NODES, 16).unwrap());
    let mut causally_stable = [(); 3].map(|()| VersionVector::new());
    let mut sent: Vec<Sent> = vec![];
    let mut acknowledgements: Vec<(u8, u8, VersionVector<u8>)> = vec![];
    let mut counts = [0; 3];
    for _ in 0..150 {
        let node = below(random, NODES.into()) as u8;
        let at = usize::from(node);
        match below(random, 4) {
            0 => {
                let counter = delivered[at].get(&node) + 1;
                delivered[at].extend([(node, counter)]);
                sent.push((Dot::new(node, counter).unwrap(), delivered[at].clone()));
            }
            1 => {
                let is_ready = |(dot, past): &&Sent| {
                    let before = past.iter().filter(|(author, _)| *author != dot.node());
                    dot.counter() == delivered[at].get(dot.node()) + 1
                        && before.into_iter().all(|(author, counter)| delivered[at].get(author) >= counter)
                };
                let ready: Vec<&Sent> = sent.iter().filter(is_ready).collect();
                if ready.is_empty() {
                    continue;
                }
                let (dot, past) = ready[below(random, ready.len() as u64) as usize];
                let follows =
                    |vector: &VersionVector<u8>| vector.iter().all(|(node, counter)| past.get(node) >= counter);
                counts[0] += 1;
                counts[1] += usize::from(!follows(&stability[at].stable()));
                counts[2] += usize::from(!follows(&causally_stable[at]));
                delivered[at].extend([(*dot.node(), dot.counter())]);
            }
            2 => {
                acknowledgements.extend((0..NODES).map(|to| (node, to, delivered[at].clone())));
            }
            _ => {
                for _ in 0..acknowledgements.len().min(3) {
                    let at = below(random, acknowledgements.len() as u64) as usize;
                    let (from, to, vector) = acknowledgements.swap_remove(at);
                    stability[usize::from(to)].observe(&from, &vector).unwrap();
                }
            }
        }
        if below(random, 3) == 0 {
            let now = stability[at].causally_stable(&delivered[at]).clone();
            assert!(causally_stable[at] <= now && now <= stability[at].stable());
            causally_stable[at] = now;
        }
    }
    // Once all has arrived, everything stable is causally stable.
    let all = VersionVector::from_iter(sent.iter().map(|(dot, _)| (*dot.node(), dot.counter())));
    for mut stability in stability {
        let stable = stability.stable();
        stability.causally_stable(&all);
        assert_eq!(*stability.causally_stable(&all), stable);
    }
    counts
}

/// The definition of causal stability in the paper, negated: no message that is delivered later fails to follow it.
#[test]
fn what_is_delivered_follows_what_is_causally_stable_and_not_all_that_is_stable() {
    let mut random = random();
    let runs = (0..500).map(|_| deliveries_that_surprise(&mut random));
    let sum = runs.fold([0; 3], |sum, counts| [0, 1, 2].map(|at| sum[at] + counts[at]));
    assert_eq!(sum[2], 0, "of {} deliveries", sum[0]);
    assert!(sum[1] > 100, "stable alone is too early: {} of {}", sum[1], sum[0]);
}

#[test]
fn what_a_member_alone_has_claimed_does_not_hold_back_causal_stability_without_it() {
    let vector = |a, b| VersionVector::from_iter([("a", a), ("b", b)]);
    let mut stability = Stability::new(["a", "b", "c"], 16).unwrap();
    for (member, vector) in [("a", vector(1, 1)), ("b", vector(1, 1)), ("c", vector(1, u64::MAX))] {
        stability.observe(&member, &vector).unwrap();
    }
    for _ in 0..3 {
        assert_eq!(*stability.causally_stable(&vector(1, 1)), VersionVector::new());
    }
    stability.remove(&"c");
    stability.causally_stable(&vector(1, 1));
    assert_eq!(*stability.causally_stable(&vector(1, 1)), vector(1, 1));
}
