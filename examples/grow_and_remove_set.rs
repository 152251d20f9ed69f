//! A shopping list on three phones: every phone adds and removes items, and no tombstone remains.
//!
//! The example shows a set that grows and shrinks without metadata for removed items. Watch `merge`, which decides the
//! items that stay. Then remove the line `ann.merge(&answer)`: Ann keeps the tea, although both contexts are equal, and
//! an assertion fails.
//!
//! Every addition is an event, named by a dot. A phone keeps the dots of the items on its list, and a `CausalContext`
//! of all dots that it has ever heard of. If another phone has heard of a dot and no longer has it, the item was
//! removed. If it has never heard of the dot, the item is news.
//!
//! A change travels as a small list with a small context, and merges in the same way. It may be lost, come twice, and
//! in any order.
//!
//! When two phones meet, they repair what was lost. A removal makes no dot, so a comparison of contexts does not find a
//! lost one: equal contexts do not mean equal lists. So each phone sends both its dots and its context. The other
//! answers with a change: the items that the first lacks, and the removals that it has missed.
//!
//! `cargo run --example grow_and_remove_set`

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;

use happens_before::{CausalContext, CausalOrder, Dot};

type Phone = &'static str;

#[derive(Clone, Debug, Default, PartialEq)]
struct List {
    entries: BTreeMap<Dot<Phone>, &'static str>,
    seen: CausalContext<Phone>,
}

impl List {
    /// Adds an item, and returns the change.
    fn add(&mut self, phone: Phone, item: &'static str) -> Result<Self, Box<dyn Error>> {
        let dot = self.seen.increment(phone)?;
        self.entries.insert(dot, item);
        Ok(Self { entries: [(dot, item)].into(), seen: [dot].into_iter().collect() })
    }

    /// Removes all copies of an item that this phone knows, and returns the change.
    fn remove(&mut self, item: &str) -> Self {
        let dots = self.entries.iter().filter(|(_, added)| **added == item).map(|(dot, _)| *dot);
        let change = Self { entries: BTreeMap::new(), seen: dots.collect() };
        self.merge(&change);
        change
    }

    /// Merges the list of another phone, or a change.
    fn merge(&mut self, other: &Self) {
        self.entries.retain(|dot, _| other.entries.contains_key(dot) || !other.seen.contains(dot));
        let news = other.entries.iter().filter(|(dot, _)| !self.seen.contains(dot));
        self.entries.extend(news);
        self.seen.merge(&other.seen);
    }

    /// Returns the change for a phone with these dots and this context: the items that it lacks, and the removals that
    /// it has missed.
    fn answer(&self, dots: &BTreeSet<Dot<Phone>>, seen: &CausalContext<Phone>) -> Self {
        let lacks = self.entries.iter().filter(|(dot, _)| !seen.contains(dot));
        let entries: BTreeMap<_, _> = lacks.map(|(dot, item)| (*dot, *item)).collect();
        let removed = dots.iter().filter(|dot| self.seen.contains(dot) && !self.entries.contains_key(dot));
        let mut news: CausalContext<Phone> = removed.copied().collect();
        // Items that were added and removed before the other phone heard of them are included.
        self.seen.difference(seen).for_each(|range| {
            news.insert_range(&range);
        });
        Self { entries, seen: news }
    }

    fn dots(&self) -> BTreeSet<Dot<Phone>> {
        self.entries.keys().copied().collect()
    }

    fn items(&self) -> BTreeSet<&str> {
        self.entries.values().copied().collect()
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let [mut ann, mut ben, mut cleo] = [(); 3].map(|()| List::default());
    let changes = [ann.add("ann", "bread")?, ann.add("ann", "milk")?, ann.add("ann", "tea")?];

    // The first change is late on its way to Ben, the others come in the wrong order, one of them twice.
    for at in [2, 1, 2] {
        ben.merge(&changes[at]);
    }
    let gaps: Vec<_> = ben.seen.missing().map(|gap| gap.to_string()).collect();
    println!("ben has {:?}, has seen {}, and lacks {}", ben.items(), ben.seen, gaps.join(", "));
    assert_eq!((ben.items(), gaps), (["milk", "tea"].into(), vec!["(ann, 1..=1)".to_string()]));

    // Ben removes the milk. At the same time Ann, who does not know it yet, adds milk again.
    let taken = ben.remove("milk");
    let again = ann.add("ann", "milk")?;
    assert_eq!(ann.seen.compare(&ben.seen), CausalOrder::After, "a removal is no event");
    for phone in [&mut ann, &mut ben] {
        phone.merge(&taken);
        phone.merge(&again);
    }
    println!("after taking milk off and adding it at the same time, ann has {:?}", ann.items());
    assert_eq!(ann.items(), ["bread", "milk", "tea"].into(), "what was added at the same time stays");

    // Nothing brings back a removed item: neither the old change nor a phone that was off all the time.
    cleo.merge(&changes[1]);
    ann.merge(&changes[1]);
    ann.merge(&cleo);
    let milk = |list: &List| list.entries.values().filter(|item| **item == "milk").count();
    assert_eq!(milk(&ann), 1, "only the milk that was added once more");

    // Ben removes the tea, and the change is lost. Both have heard of the same dots, and still the lists differ.
    ben.merge(&ann);
    drop(ben.remove("tea"));
    assert_eq!(ann.seen.compare(&ben.seen), CausalOrder::Equal);
    assert_ne!(ann.items(), ben.items());
    // When they meet, Ann sends her dots and her context. The answer is only the removal.
    let answer = ben.answer(&ann.dots(), &ann.seen);
    assert_eq!((answer.entries.len(), answer.seen.len()), (0, 1));
    ann.merge(&answer);
    println!("ann has met ben, and has {:?}", ann.items());
    assert_eq!(ann, ben);
    // Cleo was off nearly all the time. The answer to her brings the items that she lacks, and all removals.
    let answer = ann.answer(&cleo.dots(), &cleo.seen);
    cleo.merge(&answer);
    assert_eq!(cleo, ann);
    ann.add("ann", "sugar")?;

    // In the end all phones merge. The context is one number, whatever happened before.
    ann.merge(&ben);
    for phone in [&mut ben, &mut cleo] {
        phone.merge(&ann);
    }
    println!("in the end all have {:?} and have seen {}", cleo.items(), cleo.seen);
    assert!(ann == ben && ben == cleo);
    assert_eq!((cleo.seen.len(), cleo.entries.len()), (1, 3));
    Ok(())
}
