//! Tests of sets of siblings, one for each claim of the sources, with the assertions of the reference implementation,
//! and every operation against causal histories.
//!
//! Preguiça, Baquero, Almeida, Fonte, Gonçalves, *Dotted Version Vectors: Logical Clocks for Optimistic Replication*
//! (2010), and their announcement of 2012. The reference is `dvvset.erl` of the same authors.
#![cfg(feature = "alloc")]

use std::collections::{BTreeMap, BTreeSet};

use happens_before::version::Siblings;
use happens_before::{CausalOrder, Dot, VersionVector};
use quickcheck::Gen;
use testkit::siblings_model::{Histories, Write};
use testkit::{below, random};

type Set = Siblings<&'static str, &'static str>;

fn context(entries: &[(&'static str, u64)]) -> VersionVector<&'static str> {
    entries.iter().copied().collect()
}

/// A state in the notation of the reference: for each server its counter, and its values from the latest on.
fn set(entries: &[(&'static str, u64, &[&'static str])]) -> Set {
    let known = entries.iter().map(|&(node, counter, _)| (node, counter)).collect();
    let versions = entries.iter().flat_map(|&(node, counter, values)| {
        (0..).zip(values).map(move |(age, &value)| (Dot::new(node, counter - age).unwrap(), value))
    });
    Siblings::from_parts(known, versions.collect()).unwrap()
}

/// The state after a write to a copy of `server`.
fn update(server: &Set, read: &VersionVector<&'static str>, value: &'static str, node: &'static str) -> Set {
    let mut server = server.clone();
    server.update(read, value, node).unwrap();
    server
}

fn sync(x: &Set, y: &Set) -> Set {
    let mut both = x.clone();
    both.sync(y.clone());
    both
}

/// The paper's run: clients that have read the same state write through one server and through two.
#[test]
fn concurrent_writes_through_one_server_stay_apart_and_writes_after_a_read_overwrite() {
    let nothing = VersionVector::new();
    let a = update(&Set::new(), &nothing, "v", "a");
    let read = a.context().clone();
    // Two clients have read v. The second write does not overwrite the first one, although its server knows it.
    let a = update(&a, &read, "w", "a");
    let a = update(&a, &read, "x", "a");
    assert_eq!(a, set(&[("a", 3, &["x", "w"])]));
    // A third client writes through another server, which knows neither.
    let b = update(&Set::new(), &read, "y", "b");
    assert_eq!(b.context(), &context(&[("a", 1), ("b", 1)]));
    let both = sync(&a, &b);
    assert_eq!(both, set(&[("a", 3, &["x", "w"]), ("b", 1, &["y"])]));
    // A client that has read one of the two from a overwrites that one alone.
    let after_w = update(&both, &context(&[("a", 2)]), "z", "b");
    assert_eq!(after_w, set(&[("a", 3, &["x"]), ("b", 2, &["z", "y"])]));
}

/// The three conditions that the paper sets for `update`.
#[test]
fn a_write_is_after_what_its_client_has_read_and_after_nothing_else() {
    let nothing = VersionVector::new();
    let server = update(&update(&Set::new(), &nothing, "v1", "a"), &nothing, "v2", "a");
    let read = context(&[("a", 1)]);
    let written = update(&server, &read, "v3", "a");
    assert!(!written.values().any(|&value| value == "v1"), "it is after all that was read");
    assert!(written.values().any(|&value| value == "v2"), "it is after nothing else");
    let dot = Dot::new("a", 3).unwrap();
    assert!(!server.context().contains(&dot), "no state of the system knew it");
    assert_eq!(server.context().compare(written.context()), CausalOrder::Before);
}

/// `join_test` of the reference.
#[test]
fn the_context_names_all_known_writes() {
    let a1 = update(&Set::new(), &VersionVector::new(), "v1", "a");
    let b1 = update(&a1, a1.context(), "v2", "b");
    assert_eq!(Set::new().context(), &context(&[]));
    assert_eq!(a1.context(), &context(&[("a", 1)]));
    assert_eq!(b1.context(), &context(&[("a", 1), ("b", 1)]));
}

/// `update_test` and `event_test` of the reference.
#[test]
fn an_update_overwrites_what_was_read() {
    let a0 = update(&Set::new(), &VersionVector::new(), "v1", "a");
    let a1 = update(&a0, a0.context(), "v2", "a");
    let a2 = update(&a1, a1.context(), "v3", "b");
    let a3 = update(&a1, a0.context(), "v4", "b");
    let a4 = update(&a1, a0.context(), "v5", "a");
    assert_eq!(a0, set(&[("a", 1, &["v1"])]));
    assert_eq!(a1, set(&[("a", 2, &["v2"])]));
    assert_eq!(a2, set(&[("a", 2, &[]), ("b", 1, &["v3"])]));
    assert_eq!(a3, set(&[("a", 2, &["v2"]), ("b", 1, &["v4"])]));
    assert_eq!(a4, set(&[("a", 3, &["v5", "v2"])]));

    let nothing = VersionVector::new();
    assert_eq!(update(&a0, &nothing, "v2", "a"), set(&[("a", 2, &["v2", "v1"])]));
    assert_eq!(update(&a0, &nothing, "v2", "b"), set(&[("a", 1, &["v1"]), ("b", 1, &["v2"])]));
}

/// `sync_test` of the reference.
#[test]
fn a_sync_keeps_what_neither_has_overwritten() {
    let x = set(&[("x", 1, &[])]);
    let a = update(&Set::new(), &VersionVector::new(), "v1", "a");
    let y = update(&Set::new(), &VersionVector::new(), "v2", "b");
    let a1 = update(&a, a.context(), "v2", "a");
    let a3 = update(&a1, a1.context(), "v3", "b");
    let a4 = update(&a1, a1.context(), "v3", "c");
    let w = set(&[("a", 1, &[])]);
    let z = set(&[("a", 2, &["v2", "v1"])]);
    for (left, right, both) in [
        (&w, &z, set(&[("a", 2, &["v2"])])),
        (&a, &a1, a1.clone()),
        (&a4, &a3, set(&[("a", 2, &[]), ("b", 1, &["v3"]), ("c", 1, &["v3"])])),
        (&x, &a, set(&[("a", 1, &["v1"]), ("x", 1, &[])])),
        (&a, &y, set(&[("a", 1, &["v1"]), ("b", 1, &["v2"])])),
    ] {
        assert_eq!(sync(left, right), both);
        assert_eq!(sync(right, left), both);
    }
}

/// `sync_update_test` of the reference: Mary writes twice without a read, Peter after a read of her first value.
#[test]
fn a_write_after_a_read_of_one_sibling_overwrites_that_one_alone() {
    let a0 = update(&Set::new(), &VersionVector::new(), "v1", "a");
    let peter = a0.context().clone();
    let a1 = update(&a0, &VersionVector::new(), "v2", "a");
    let a2 = update(&a1, &peter, "v3", "a");
    assert_eq!(a1, set(&[("a", 2, &["v2", "v1"])]));
    assert_eq!(a2, set(&[("a", 3, &["v3", "v2"])]));
}

/// `size_test`, `ids_test` and `values_test` of the reference, and `lww_test` and `reconcile_test` with a dot.
#[test]
fn values_are_counted_listed_and_resolved() {
    let x = set(&[("a", 4, &["5", "2"]), ("b", 1, &[]), ("c", 1, &["3"])]);
    assert_eq!((x.len(), x.is_empty()), (3, false));
    assert!(x.context().iter().map(|(&node, _)| node).eq(["a", "b", "c"]));
    assert!(x.values().eq(&["2", "5", "3"]));
    let highest = *x.values().max().unwrap();
    let resolved = update(&x, x.context(), highest, "b");
    assert_eq!(resolved, set(&[("a", 4, &[]), ("b", 2, &["5"]), ("c", 1, &[])]));
    assert_eq!(sync(&x, &resolved), resolved);
}

/// The reference's rule for a value without a dot: it stays until another state is later as a whole.
#[test]
fn a_value_without_a_dot_makes_servers_differ_although_they_know_the_same_writes() {
    type State = (VersionVector<&'static str>, BTreeSet<&'static str>);
    fn sync(x: &State, y: &State) -> State {
        let mut context = x.0.clone();
        context.merge(&y.0);
        let values = match x.0.compare(&y.0) {
            CausalOrder::Before => y.1.clone(),
            CausalOrder::After => x.1.clone(),
            CausalOrder::Equal | CausalOrder::Concurrent => x.1.union(&y.1).copied().collect(),
        };
        (context, values)
    }
    let resolved = (context(&[("a", 1)]), BTreeSet::from(["resolved"]));
    let later = (context(&[("a", 2)]), BTreeSet::new());
    let elsewhere = (context(&[("b", 1)]), BTreeSet::new());
    let one = sync(&sync(&resolved, &later), &elsewhere);
    let two = sync(&sync(&resolved, &elsewhere), &later);
    assert_eq!(one.0, two.0, "both know the same writes");
    assert_eq!((one.1.len(), two.1.len()), (0, 1), "and differ");
}

/// Five clients take turns to read and to write, two thousand times, and always write after a read. None of them keeps
/// two values alive, and the context has an entry for each server, not for each client.
#[test]
fn values_do_not_multiply_and_the_context_is_bounded_by_servers() {
    let mut random = random();
    let mut server = Set::new();
    let mut clients = vec![None; 5];
    let mut most = 0;
    for _ in 0..2_000 {
        let client = &mut clients[below(&mut random, 5) as usize];
        *client = match client.take() {
            None => Some(server.context().clone()),
            Some(read) => {
                server.update(&read, "v", "a").unwrap();
                None
            }
        };
        most = most.max(server.len());
        assert_eq!(server.context().len(), usize::from(!server.is_empty()));
    }
    assert_eq!(most, 5, "as many values as clients that write at the same time");
}

/// Servers, each beside the causal histories of its writes. Clients read at one server and write at any.
struct World {
    servers: Vec<Siblings<u8, Write>>,
    models: Vec<Histories>,
    /// Each write by its dot.
    dots: BTreeMap<Dot<u8>, Write>,
}

impl World {
    fn new(servers: usize) -> Self {
        Self {
            servers: vec![Siblings::new(); servers],
            models: vec![Histories::default(); servers],
            dots: BTreeMap::new(),
        }
    }

    /// A write at `at`, by a client that has read at `from`, or nothing.
    fn write(&mut self, at: usize, from: Option<usize>) {
        let read = from.map(|from| self.servers[from].context().clone()).unwrap_or_default();
        let history = from.map(|from| self.models[from].known()).unwrap_or_default();
        let write = self.dots.len() as Write;
        let dot = self.servers[at].update(&read, write, at as u8).unwrap();
        self.models[at].update(&history, write);
        assert_eq!(self.dots.insert(dot, write), None, "no dot is used twice");
    }

    fn sync(&mut self, at: usize, from: usize) {
        let theirs = self.servers[from].clone();
        self.servers[at].sync(theirs);
        let theirs = self.models[from].clone();
        self.models[at].sync(&theirs);
    }

    fn check(&self) {
        for (server, model) in std::iter::zip(&self.servers, &self.models) {
            assert_eq!(server.internal_validate(), Ok(()));
            assert_eq!(server.values().copied().collect::<BTreeSet<_>>(), model.current());
            let known = self.dots.iter().filter(|(dot, _)| server.context().contains(dot));
            assert_eq!(known.map(|(_, &write)| write).collect::<BTreeSet<_>>(), model.known());
            assert!(server.iter().all(|(dot, write)| self.dots[dot] == *write));
        }
    }

    fn step(&mut self, random: &mut Gen) {
        let mut some = || below(random, self.servers.len() as u64) as usize;
        let (at, from) = (some(), some());
        match below(random, 6) {
            0 => self.write(at, None),
            1 | 2 => self.write(at, Some(from)),
            3 => self.write(at, Some(at)),
            _ => self.sync(at, from),
        }
    }
}

#[test]
fn random_runs_agree_with_causal_histories_and_converge() {
    let mut random = random();
    let mut most = 0;
    for run in 0..100 {
        let mut world = World::new(1 + run % 4);
        for _ in 0..40 {
            world.step(&mut random);
            world.check();
            most = most.max(world.servers.iter().map(Siblings::len).max().unwrap());
        }
        for at in 0..world.servers.len() {
            for from in 0..world.servers.len() {
                world.sync(at, from);
            }
        }
        for at in 0..world.servers.len() {
            world.sync(at, world.servers.len() - 1);
        }
        world.check();
        assert!(world.servers.windows(2).all(|pair| pair[0] == pair[1]), "equal states");
    }
    assert!(most > 5, "{most} siblings at most");
}

/// Every run of four steps at two servers.
#[test]
fn every_small_run_agrees_with_causal_histories() {
    let steps: Vec<(usize, Option<usize>, bool)> = (0..2)
        .flat_map(|at| [(at, None, true), (at, Some(0), true), (at, Some(1), true), (at, Some(1 - at), false)])
        .collect();
    let mut runs = 0;
    for run in 0..steps.len().pow(4) {
        let mut world = World::new(2);
        let mut rest = run;
        for _ in 0..4 {
            match steps[rest % steps.len()] {
                (at, from, true) => world.write(at, from),
                (at, from, false) => world.sync(at, from.unwrap_or(at)),
            }
            rest /= steps.len();
            world.check();
        }
        runs += 1;
    }
    assert_eq!(runs, 4_096);
}

/// States are a join semilattice under `sync`.
#[test]
fn syncs_commute_associate_and_repeat_without_effect() {
    let mut random = random();
    for _ in 0..200 {
        let mut world = World::new(3);
        for _ in 0..12 {
            world.step(&mut random);
        }
        let [x, y, z] = &world.servers[..] else { panic!("three servers") };
        let both = |x: &Siblings<u8, Write>, y: &Siblings<u8, Write>| {
            let mut both = x.clone();
            both.sync(y.clone());
            both
        };
        assert_eq!(both(x, x), *x);
        assert_eq!(both(x, y), both(y, x));
        assert_eq!(both(&both(x, y), z), both(x, &both(y, z)));
    }
}

#[test]
fn a_refused_value_is_handed_back_and_nothing_has_changed() {
    let mut siblings = update(&Set::new(), &VersionVector::new(), "v", "a");
    let before = siblings.clone();
    let error = siblings.update(&context(&[("a", u64::MAX), ("b", 3)]), "w", "a").unwrap_err();
    assert_eq!((error.value, error.error.limit), ("w", u64::MAX));
    assert_eq!(siblings, before);
    siblings.update(&context(&[("a", u64::MAX)]), "w", "b").unwrap();
    assert_eq!(siblings.update(&VersionVector::new(), "x", "a").unwrap_err().value, "x");
    assert!(siblings.values().eq(&["w"]));
}

#[test]
fn parts_that_do_not_fit_together_are_handed_back() {
    let a = |counter| Dot::new("a", counter).unwrap();
    for versions in [vec![(a(3), "v")], vec![(a(1), "v"), (a(1), "w")], vec![(Dot::new("b", 1).unwrap(), "v")]]
    {
        let error = Siblings::from_parts(context(&[("a", 2)]), versions.clone()).unwrap_err();
        assert_eq!(*error.parts, (context(&[("a", 2)]), versions));
    }
    let saved = Siblings::from_parts(context(&[("a", 2)]), vec![(a(2), "w"), (a(1), "v")]).unwrap();
    assert!(saved.values().eq(&["v", "w"]));
    let (context, versions) = saved.clone().into_parts();
    assert_eq!(Siblings::from_parts(context, versions), Ok(saved));
}
