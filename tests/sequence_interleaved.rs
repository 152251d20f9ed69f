//! Tests of interleaved numbers: the live classes always partition the numbers not yet issued.

mod sequence_support;

use std::collections::BTreeSet;
use std::num::NonZeroU64;

use happens_before::counter::TooFewNumbers;
use happens_before::sequence::{Interleaved, Limit};
use sequence_support::Random;

const MAX: u64 = Limit::MAX.get();

fn limit(limit: u64) -> Limit {
    Limit::new(limit).expect("a valid limit")
}

fn nonzero(n: u64) -> NonZeroU64 {
    NonZeroU64::new(n).expect("not zero")
}

fn restore(saved: [u64; 3]) -> Interleaved {
    Interleaved::resume(saved).expect("a state that was saved")
}

/// The numbers of a class, by its definition alone.
fn numbers([next, step, last]: [u64; 3]) -> impl Iterator<Item = u64> {
    (next..=last).step_by(step as usize)
}

/// The numbers of several classes; panics if two share one.
fn union(classes: &[[u64; 3]]) -> BTreeSet<u64> {
    let mut union = BTreeSet::new();
    for number in classes.iter().flat_map(|&class| numbers(class)) {
        assert!(union.insert(number), "{number} is in two of {classes:?}");
    }
    union
}

#[test]
fn every_reachable_deal_of_small_ranges_partitions_what_is_not_issued() {
    let (mut states, mut merges, mut remainders, mut refusals) = (0, 0, 0, 0);
    for (n, end) in [(1, 9), (2, 9), (3, 10), (4, 8), (6, 12)] {
        let start: Vec<[u64; 3]> =
            (1..=n).map(|k| Interleaved::with_limit(k, n, limit(end)).expect("k of n").save()).collect();
        assert_eq!(union(&start), (1..=end).collect(), "a deal covers the range");

        let mut seen = BTreeSet::from([start.clone()]);
        let mut todo = vec![start];
        while let Some(state) = todo.pop() {
            states += 1;
            let before = union(&state);
            let mut successors = Vec::new();
            for at in 0..state.len() {
                let mut others = state.clone();
                let class = others.remove(at);

                let mut issuing = restore(class);
                match issuing.issue() {
                    Ok(number) => {
                        let after = [&others[..], &[issuing.save()]].concat();
                        let mut expected = before.clone();
                        assert!(expected.remove(&number), "{number} was live");
                        assert_eq!(union(&after), expected);
                        successors.push(after);
                    }
                    Err(error) => {
                        assert_eq!((numbers(class).count(), issuing.save()), (0, class));
                        assert_eq!((error.wanted, error.available), (1, 0));
                    }
                }

                let mut taking = restore(class);
                match taking.issue_range(nonzero(2)) {
                    Ok(range) => {
                        let first_two: Vec<u64> = numbers(class).take(2).collect();
                        assert!(numbers(range.save()).eq(first_two), "the range is what comes next");
                        assert_eq!(union(&[&others[..], &[taking.save(), range.save()]].concat()), before);
                    }
                    Err(error) => {
                        assert!(numbers(class).count() < 2 && taking.save() == class);
                        assert_eq!((error.available, error.wanted), (numbers(class).count() as u64, 2));
                    }
                }

                let mut keeping = restore(class);
                match keeping.split() {
                    Ok(given) => {
                        let after = [&others[..], &[keeping.save(), given.save()]].concat();
                        assert_eq!(union(&after), before);
                        assert_eq!(keeping.peek(), Some(class[0]), "the owner keeps the next number");
                        if after.len() <= 7 {
                            successors.push(after);
                        }
                    }
                    Err(error) => {
                        assert!(numbers(class).count() < 3 && keeping.save() == class);
                        assert_eq!((error.available, error.wanted), (numbers(class).count() as u64, 3));
                    }
                }

                for with in 0..others.len() {
                    let mut rest = others.clone();
                    let other = rest.remove(with);
                    match restore(class).merge(restore(other)) {
                        Ok((merged, behind)) => {
                            merges += 1;
                            assert_eq!(merged.internal_validate(), Ok(()));
                            assert_eq!(merged.step() * 2, class[1]);
                            rest.push(merged.save());
                            // Above everything that either has issued: at most its next number minus its step.
                            assert!(merged.save()[0] + class[1] > class[0].max(other[0]));
                            if let Some(behind) = behind {
                                remainders += 1;
                                assert_eq!(behind.internal_validate(), Ok(()));
                                assert!(behind.remaining() > 0, "no remainder rather than an empty one");
                                assert!(behind.limit() < merged.save()[0]);
                                rest.push(behind.save());
                            }
                            assert_eq!(union(&rest), before);
                            successors.push(rest);
                        }
                        Err(error) => {
                            refusals += 1;
                            assert_eq!([error.left.save(), error.right.save()], [class, other]);
                        }
                    }
                }
            }
            for mut successor in successors {
                successor.sort_unstable();
                if seen.insert(successor.clone()) {
                    todo.push(successor);
                }
            }
        }
    }
    println!("{states} states, {merges} merges, {remainders} remainders, {refusals} refusals");
    assert!(states > 10_000 && merges > 1_000 && remainders > 500 && refusals > 1_000);
}

#[test]
fn a_merge_is_refused_exactly_if_the_two_together_are_not_one_class_and_a_part_below_it() {
    // Every pair of disjoint small classes, reachable or not, against the definition.
    let (mut accepted, mut refused) = (0, 0);
    let classes: Vec<[u64; 3]> = (1..=5)
        .flat_map(|step| (1..=8).flat_map(move |next| (1..=9).map(move |last| [next, step, last])))
        .filter(|&saved| Interleaved::resume(saved).is_some())
        .collect();
    for (&left, &right) in classes.iter().flat_map(|left| classes.iter().map(move |right| (left, right))) {
        let same_ends = left[1] == right[1] && left[1] % 2 == 0 && left[2].abs_diff(right[2]) * 2 == left[1];
        match restore(left).merge(restore(right)) {
            Ok((merged, behind)) => {
                accepted += 1;
                assert!(same_ends, "{left:?} and {right:?}");
                let parts: Vec<_> =
                    [Some(merged), behind].into_iter().flatten().map(|part| part.save()).collect();
                assert_eq!(union(&parts), union(&[left, right]));
            }
            Err(_) => {
                refused += 1;
                assert!(!same_ends, "{left:?} and {right:?}");
            }
        }
    }
    println!("{accepted} accepted, {refused} refused");
    assert!(accepted > 50 && refused > 1_000);
}

#[test]
fn random_splits_and_merges_over_64_nodes_neither_repeat_nor_lose_a_number() {
    const END: u64 = 400_000;
    let mut random = Random::seeded(0x0001_0203);
    let mut issued = vec![false; END as usize + 1];
    let (mut draws, mut splits, mut merges, mut remainders, mut most) = (0_u64, 0, 0, 0, 0);
    let mut mark = |number: u64| {
        assert!(!issued[number as usize], "{number} twice");
        issued[number as usize] = true;
    };

    // A node owns one class or several: the finite remainders that merges leave.
    let mut nodes: Vec<Vec<Interleaved>> = vec![vec![Interleaved::with_limit(1, 1, limit(END)).expect("all")]];
    while draws < END * 3 / 4 {
        let at = random.below(nodes.len());
        let class = random.below(nodes[at].len());
        match random.below(40) {
            // A node joins by splitting another's class.
            0 | 5..=7 if nodes.len() < 64 => {
                if let Ok(given) = nodes[at][class].split() {
                    nodes.push(vec![given]);
                    splits += 1;
                }
            }
            // A node leaves: a class with a sibling elsewhere is merged with it; another node takes over the rest.
            1 if nodes.len() > 1 => {
                let heir = random.below(nodes.len() - 1);
                for mut leaving in nodes.swap_remove(at) {
                    for owned in nodes.iter_mut() {
                        let mut kept = Vec::new();
                        for class in owned.drain(..) {
                            match class.merge(leaving) {
                                Ok((merged, behind)) => {
                                    merges += 1;
                                    remainders += usize::from(behind.is_some());
                                    leaving = merged;
                                    kept.extend(behind);
                                }
                                Err(error) => {
                                    leaving = error.right;
                                    kept.push(error.left);
                                }
                            }
                        }
                        *owned = kept;
                    }
                    nodes[heir].push(leaving);
                }
                // A node that lost its class to a merge has left too, or splits again.
                nodes.retain(|owned| !owned.is_empty());
            }
            // A restart.
            2 => nodes[at][class] = restore(nodes[at][class].save()),
            3 => {
                if let Ok(range) = nodes[at][class].issue_range(nonzero(1 + random.below(9) as u64)) {
                    range.for_each(|number| {
                        mark(number);
                        draws += 1;
                    });
                }
            }
            // A restart with a durable bound: the skipped numbers count as issued.
            4 => {
                let before = nodes[at][class].save();
                let bound = before[0] + random.below(20) as u64;
                let skipped = nodes[at][class].skip_past(bound);
                assert!(nodes[at][class].peek().is_none_or(|next| next > bound));
                numbers(before).take(skipped as usize).for_each(|number| {
                    assert!(number <= bound);
                    mark(number);
                    draws += 1;
                });
            }
            _ => {
                if let Ok(number) = nodes[at][class].issue() {
                    mark(number);
                    draws += 1;
                } else if nodes[at].len() > 1 {
                    drop(nodes[at].swap_remove(class));
                }
            }
        }
        most = most.max(nodes.len());
        if random.below(50) == 0 {
            let remaining: u64 = nodes.iter().flatten().map(Interleaved::remaining).sum();
            assert_eq!(draws + remaining, END, "every number is issued or live");
        }
    }
    nodes.into_iter().flatten().flatten().for_each(&mut mark);
    assert!(issued[1..].iter().all(|&issued| issued), "none is lost");
    println!("{draws} draws, {splits} splits, {merges} merges, {remainders} remainders, up to {most} nodes");
    assert!(draws >= 300_000 && splits > 1_000 && merges > 500 && remainders > 200 && most == 64);
}

#[test]
fn sixty_four_nodes_that_join_one_by_one_each_cost_one_split() {
    let mut random = Random::seeded(7);
    let mut nodes = vec![Interleaved::new(1, 1).expect("all")];
    let mut issued = BTreeSet::new();
    while nodes.len() < 64 {
        let at = random.below(nodes.len());
        let given = nodes[at].split().expect("far from the end");
        nodes.push(given);
        for node in &mut nodes {
            assert!(node.by_ref().take(20).all(|number| issued.insert(number)));
        }
    }
    assert_eq!(issued.len(), 20 * (2..=64).sum::<usize>());
}

#[test]
fn who_goes_on_with_another_class_where_one_ends_repeats_nothing() {
    // The remainder of a merge, and a range, end below numbers of the class that they come from. With a higher limit
    // they would issue those too.
    let mut a = Interleaved::new(1, 1).expect("all");
    let mut b = a.split().expect("far from the end");
    let mut issued: BTreeSet<u64> = b.by_ref().take(5).collect();
    let (mut merged, behind) = a.merge(b).expect("siblings");
    let mut behind = behind.expect("a lagged behind");
    let mut range = merged.issue_range(nonzero(3)).expect("far from the end");
    for class in [&mut behind, &mut range] {
        while let Ok(number) = class.issue() {
            assert!(issued.insert(number), "{number} twice");
        }
        let error = class.issue().expect_err("it has ended");
        let advice = error.to_string();
        assert!(advice.contains("another class") && !advice.contains("raise"), "{advice}");
    }
    assert!(merged.by_ref().take(100).all(|number| issued.insert(number)));
    assert!(issued.into_iter().eq(1..=113), "and nothing is lost");
}

#[test]
fn changing_the_step_of_a_running_cluster_repeats_numbers_where_a_split_does_not() {
    // Galera's way: every node continues with the next number of its new class above its own last number.
    let mut by_three: Vec<u64> = Vec::new();
    let progress = [4, 1, 2]; // nodes progress unevenly
    for (k, count) in (1..).zip(progress) {
        by_three.extend((k..).step_by(3).take(count));
    }
    let mut issued: BTreeSet<u64> = by_three.iter().copied().collect();
    assert_eq!(issued.len(), 7);
    let mut repeated = Vec::new();
    for (k, count) in (1_u64..).zip(progress.iter().copied().chain([0])) {
        let own_last = if count > 0 { k + 3 * (count as u64 - 1) } else { 0 };
        let by_four = (k..).step_by(4).filter(|&number| number > own_last).take(3);
        repeated.extend(by_four.filter(|&number| !issued.insert(number)));
    }
    assert_eq!(repeated, [6, 10, 7, 4], "node 2 repeats a 6 and a 10, node 3 a 7, the new node 4 a 4");

    // The same progress, and then a split.
    let mut nodes: Vec<_> = (1..=3).map(|k| Interleaved::new(k, 3).expect("k of 3")).collect();
    let mut issued = BTreeSet::new();
    for (node, count) in nodes.iter_mut().zip(progress) {
        assert!(node.take(count).all(|number| issued.insert(number)));
    }
    let fourth = nodes[1].split().expect("far from the end");
    nodes.push(fourth);
    for node in &mut nodes {
        assert!(node.take(100).all(|number| issued.insert(number)));
    }
}

#[test]
fn a_forged_or_damaged_state_is_refused_or_is_a_class_that_keeps_its_promises() {
    let edges = [0, 1, 2, 3, 4, 1 << 62, (1 << 62) + 1, MAX - 2, MAX - 1, MAX, MAX + 1, MAX + 2, u64::MAX];
    let mut accepted = Vec::new();
    let mut refused = 0;
    let pairs = edges.into_iter().flat_map(|next| edges.map(|step| (next, step)));
    for saved in pairs.flat_map(|(next, step)| edges.map(|last| [next, step, last])) {
        match Interleaved::resume(saved) {
            Some(class) => {
                assert_eq!(class.save(), saved);
                accepted.push(saved);
            }
            None => refused += 1,
        }
    }
    println!("{} accepted, {refused} refused", accepted.len());
    assert!(accepted.len() > 100 && refused > 1_000);

    let valid = |class: &Interleaved| assert_eq!(class.internal_validate(), Ok(()));
    for &saved in &accepted {
        let mut class = restore(saved);
        let first_three: Vec<u64> = class.by_ref().take(3).collect();
        assert!(first_three.iter().all(|&number| (1..=MAX).contains(&number)));
        assert!(first_three.is_sorted_by(|a, b| a < b));
        valid(&class);

        let mut class = restore(saved);
        let remaining = class.remaining();
        if let Ok(given) = class.split() {
            valid(&given);
            assert_eq!(class.remaining() + given.remaining(), remaining);
            assert_eq!(class.remaining() - given.remaining(), remaining % 2);
            let (merged, behind) = class.merge(given).expect("halves are siblings");
            assert_eq!((merged.save(), behind), (saved, None), "a merge undoes a split");
        } else {
            assert!(remaining < 3);
        }

        for bound in edges {
            let mut class = restore(saved);
            let skipped = class.skip_past(bound);
            valid(&class);
            assert_eq!(class.remaining() + skipped, remaining);
            assert!(class.peek().is_none_or(|next| next > bound && (skipped == 0 || next - saved[1] <= bound)));
        }

        for n in edges.into_iter().filter_map(NonZeroU64::new) {
            let mut class = restore(saved);
            match class.issue_range(n) {
                Ok(range) => {
                    valid(&range);
                    valid(&class);
                    assert_eq!((range.remaining(), class.remaining()), (n.get(), remaining - n.get()));
                }
                Err(_) => assert!(n.get() > remaining && class.save() == saved),
            }
        }

        for &other in &accepted {
            if let Ok((merged, behind)) = restore(saved).merge(restore(other)) {
                valid(&merged);
                let parts = merged.remaining() + behind.map_or(0, |behind| behind.remaining());
                assert_eq!(parts, remaining + restore(other).remaining());
            }
        }
    }
}

#[test]
fn the_last_number_is_the_highest_of_the_class_within_the_limit() {
    let mut top = restore([MAX - 4, 3, MAX - 1]);
    assert_eq!((top.issue(), top.issue()), (Ok(MAX - 4), Ok(MAX - 1)));
    for _ in 0..3 {
        let error = top.issue().expect_err("exhausted");
        assert!(matches!(error, TooFewNumbers { wanted: 1, available: 0, .. }));
        assert_eq!((top.remaining(), top.peek(), top.size_hint()), (0, None, (0, Some(0))));
    }
    let error = top.split().unwrap_err();
    assert_eq!(
        error.to_string(),
        "too few numbers: 3 wanted, 0 available at once; ask for fewer, or continue with another class, block or batch"
    );
    assert!(matches!(error, TooFewNumbers { wanted: 3, available: 0, .. }));

    assert_eq!(Interleaved::new(1, 1).expect("all").remaining(), MAX);
    assert_eq!(Interleaved::new(MAX, MAX).expect("one").remaining(), 1);
    assert_eq!(Interleaved::new(1, MAX + 1), None);
}

#[test]
fn classes_that_are_not_siblings_come_back_with_the_reason() {
    let left = Interleaved::new(1, 3).expect("1 of 3");
    let right = Interleaved::new(2, 3).expect("2 of 3");
    let error = left.merge(right).expect_err("an odd step");
    let last = MAX - MAX % 3;
    assert_eq!(
        error.to_string(),
        format!(
            "the classes 1 by 3 up to {} and 2 by 3 up to {} are not siblings; merge each with its own \
             sibling, or keep both",
            last + 1,
            last - 1
        )
    );
    assert_eq!((error.left.save()[0], error.right.save()[0]), (1, 2));

    // Siblings except for the limit: the merged class would claim numbers that another owner may hold.
    let short = restore([1, 2, 7]);
    let long = restore([2, 2, 1_000]);
    assert!(short.merge(long).is_err());
}
