//! Tests with a crash at every step, and at every step of the restart: no number is used twice.
//!
//! A program runs in a world with a disk. Every write and every use of a number is two steps, before and after it takes
//! effect, and the world can end at each. The program then starts again with the contents of the disk. Other programs
//! break one rule each, and show that the worlds are harsh enough to expose that.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU64;

use happens_before::counter::Counter;
use happens_before::sequence::{
    Blocks, BlocksConfig, Interleaved, NumberRange, ReserveAhead, Snowflake, SnowflakeConfig, SnowflakeLayout,
    Store,
};

/// The power is cut.
#[derive(Debug, PartialEq)]
struct Crash;

#[derive(Default)]
struct World {
    /// The number of steps until the power is cut.
    steps_left: Cell<usize>,
    disk: RefCell<BTreeMap<&'static str, Vec<u64>>>,
    used: RefCell<Vec<u64>>,
    /// A counter elsewhere, which does not crash.
    counter: Cell<u64>,
    /// The clock, which runs through crashes, and which programs may set.
    now_ms: Cell<u64>,
}

impl World {
    fn step(&self) -> Result<(), Crash> {
        let left = self.steps_left.get().checked_sub(1).ok_or(Crash)?;
        self.steps_left.set(left);
        Ok(())
    }

    fn read(&self, file: &'static str) -> Option<Vec<u64>> {
        self.disk.borrow().get(file).cloned()
    }

    fn write(&self, file: &'static str, content: &[u64]) -> Result<(), Crash> {
        self.step()?;
        self.disk.borrow_mut().insert(file, content.to_vec());
        self.step()
    }

    fn use_number(&self, number: u64) -> Result<(), Crash> {
        self.step()?;
        self.used.borrow_mut().push(number);
        self.step()
    }
}

/// One durable number of a world.
struct Bound<'a>(&'a World);

impl Store for Bound<'_> {
    type Error = Crash;

    fn read(&mut self) -> Result<u64, Crash> {
        Ok(self.0.read("bound").map_or(0, |content| content[0]))
    }

    fn write(&mut self, number: u64) -> Result<(), Crash> {
        self.0.write("bound", &[number])
    }
}

/// A program, which reads its progress from the disk.
type Program = fn(&World) -> Result<(), Crash>;

/// Cuts the power at every step of the first life and at every step of the second one; the third runs to its end.
/// Returns the number of worlds, the number of those in which a number was used twice, and the fewest numbers used.
fn worlds(program: Program) -> (usize, usize, usize) {
    let (mut worlds, mut repeats, mut fewest) = (0, 0, usize::MAX);
    for first in 0.. {
        let mut first_life_ended = false;
        for second in 0.. {
            let world = World::default();
            world.now_ms.set(1_000);
            world.steps_left.set(first);
            first_life_ended = program(&world).is_ok();
            world.steps_left.set(second);
            let second_life_ended = program(&world).is_ok();
            world.steps_left.set(usize::MAX);
            assert_eq!(program(&world), Ok(()));
            let used = world.used.into_inner();
            worlds += 1;
            repeats += usize::from(used.iter().collect::<BTreeSet<_>>().len() < used.len());
            fewest = fewest.min(used.len());
            if second_life_ended {
                break;
            }
        }
        if first_life_ended {
            break;
        }
    }
    (worlds, repeats, fewest)
}

/// A program that keeps the rules.
fn assert_never_twice(program: Program, numbers_a_life: usize) {
    let (worlds, repeats, fewest) = worlds(program);
    println!("{worlds} worlds, at least {fewest} numbers used in each");
    assert_eq!(repeats, 0);
    assert!(worlds > 100 && fewest >= numbers_a_life);
}

/// A program that breaks a rule.
fn assert_found_out(program: Program) {
    let (worlds, repeats, _) = worlds(program);
    println!("{repeats} of {worlds} worlds use a number twice");
    assert!(repeats > 0);
}

fn nonzero(n: u64) -> NonZeroU64 {
    NonZeroU64::new(n).expect("not zero")
}

/// Turns an error of a store, which ends with its world, into a crash.
fn crash<E>(_: E) -> Crash {
    Crash
}

#[test]
fn reserve_ahead_with_bounds_of_several_sizes() {
    fn program<const AHEAD: u64>(world: &World) -> Result<(), Crash> {
        let mut numbers = ReserveAhead::resume(Bound(world), nonzero(AHEAD)).map_err(crash)?;
        for _ in 0..3 {
            world.use_number(numbers.issue().map_err(crash)?)?;
        }
        for number in numbers.issue_range(nonzero(2)).map_err(crash)? {
            world.use_number(number)?;
        }
        Ok(())
    }
    assert_never_twice(program::<1>, 5);
    assert_never_twice(program::<2>, 5);
    assert_never_twice(program::<100>, 5);
}

#[test]
fn a_number_that_is_written_after_its_use_is_found_out() {
    assert_found_out(|world| {
        let written = world.read("bound").map_or(0, |content| content[0]);
        for number in written + 1..=written + 3 {
            world.use_number(number)?;
            world.write("bound", &[number])?;
        }
        Ok(())
    });
}

#[test]
fn an_interleaved_class_that_is_saved_before_each_use() {
    assert_never_twice(
        |world| {
            let saved = world.read("class").unwrap_or_else(|| vec![2, 3, 302]);
            let mut class = Interleaved::resume(saved.try_into().map_err(crash)?).ok_or(Crash)?;
            for _ in 0..4 {
                let number = class.issue().map_err(crash)?;
                world.write("class", &class.save())?;
                world.use_number(number)?;
            }
            Ok(())
        },
        4,
    );
}

#[test]
fn an_interleaved_class_behind_a_bound() {
    fn program<const SKIPS: bool>(world: &World) -> Result<(), Crash> {
        let mut class = Interleaved::with_limit(2, 3, happens_before::sequence::Limit::I32).ok_or(Crash)?;
        let mut guard = ReserveAhead::resume(Bound(world), nonzero(10)).map_err(crash)?;
        if SKIPS {
            class.skip_past(guard.bound());
        }
        for _ in 0..6 {
            let number = class.issue().map_err(crash)?;
            guard.observe(number).map_err(crash)?;
            world.use_number(number)?;
        }
        Ok(())
    }
    assert_never_twice(program::<true>, 6);
    assert_found_out(program::<false>);
}

fn restore(saved: &[u64]) -> Result<Interleaved, Crash> {
    Interleaved::resume(saved.try_into().map_err(crash)?).ok_or(Crash)
}

/// Uses three numbers of the first class in `file`, each saved before its use.
fn use_three(world: &World, file: &'static str) -> Result<(), Crash> {
    let mut record = world.read(file).ok_or(Crash)?;
    let mut class = restore(&record[..3])?;
    for number in class.by_ref().take(3) {
        record[0] = number + record[1];
        world.write(file, &record)?;
        world.use_number(number)?;
    }
    Ok(())
}

#[test]
fn a_split_that_is_saved_before_its_half_is_given_away() {
    // The other node, which has a separate file here, asks until it has a class.
    fn program<const SAVE_FIRST: bool>(world: &World) -> Result<(), Crash> {
        let record = world.read("ours").unwrap_or_else(|| vec![1, 1, 1_000]);
        if world.read("theirs").is_none() {
            let mut ours = restore(&record[..3])?;
            if !SAVE_FIRST {
                let given = ours.split().map_err(crash)?;
                world.write("theirs", &given.save())?;
                world.write("ours", &ours.save())?;
            } else if let [_, _, _, given @ ..] = &record[..]
                && !given.is_empty()
            {
                world.write("theirs", given)?; // the power was cut before it was sent
            } else {
                let given = ours.split().map_err(crash)?.save();
                world.write("ours", &[ours.save(), given].concat())?;
                world.write("theirs", &given)?;
            }
        } else if world.read("ours").is_none() {
            world.write("ours", &record)?;
        }
        use_three(world, "ours")?;
        use_three(world, "theirs")
    }
    assert_never_twice(program::<true>, 6);
    assert_found_out(program::<false>);
}

/// The state of a hand-over: the disks of its nodes, and the messages on their way.
///
/// Each step below uses one node's disk, with one write, and the network. So a crash between two steps changes nothing,
/// and a crash within a step is a message that was not sent.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct HandOver {
    /// The sender's class, and the half that it has not forgotten yet.
    sender: [u64; 3],
    half: Option<[u64; 3]>,
    /// For each of two receivers, the class that it owns, and its record of having accepted hand-over 1.
    receivers: [(Option<[u64; 3]>, bool); 2],
    /// Halves sent to each, and acknowledgements. A message once sent may arrive any number of times, or never.
    sent: [bool; 2],
    acknowledged: bool,
    used: Vec<u64>,
}

/// The rule that a program breaks.
#[derive(Clone, Copy, PartialEq)]
enum Breaks {
    Nothing,
    ForgetsWhenSent,
    SendsToAnother,
    TakesAgain,
}

impl HandOver {
    fn begin() -> Self {
        let mut class =
            Interleaved::with_limit(1, 1, happens_before::sequence::Limit::new(8).expect("a limit"))
                .expect("1 of 1");
        let half = class.split().expect("8 numbers");
        Self {
            sender: class.save(),
            half: Some(half.save()),
            receivers: [(None, false); 2],
            sent: [false; 2],
            acknowledged: false,
            used: Vec::new(),
        }
    }

    /// Returns all possible next states.
    fn next(&self, breaks: Breaks) -> Vec<Self> {
        let mut all = Vec::new();
        let mut then = |step: &dyn Fn(&mut Self)| {
            let mut next = self.clone();
            step(&mut next);
            all.push(next);
        };
        // The sender sends a half that it has not forgotten, since it cannot see whether that has arrived.
        for to in if breaks == Breaks::SendsToAnother { 0..2 } else { 0..1 } {
            then(&|next| {
                next.sent[to] |= next.half.is_some();
                if breaks == Breaks::ForgetsWhenSent {
                    next.half = None;
                }
            });
        }
        for to in 0..2 {
            // The half arrives, perhaps again.
            then(&|next| {
                let (class, taken) = &mut next.receivers[to];
                if next.sent[to] && (!*taken || breaks == Breaks::TakesAgain) {
                    (*class, *taken) = (Some([2, 2, 8]), true);
                }
                next.acknowledged |= next.sent[to];
            });
            then(&|next| {
                if let (Some(class), _) = &mut next.receivers[to] {
                    next.used.extend(issue_saved(class));
                }
            });
        }
        then(&|next| {
            if next.acknowledged {
                next.half = None;
            }
        });
        then(&|next| next.used.extend(issue_saved(&mut next.sender)));
        // The network forgets what is on its way.
        then(&|next| (next.sent, next.acknowledged) = ([false; 2], false));
        all
    }

    /// Returns whether a number is lost for good: unused, and on no disk.
    fn has_lost(&self) -> bool {
        let disks = [Some(self.sender), self.half, self.receivers[0].0, self.receivers[1].0];
        let live = disks.into_iter().flatten().flat_map(|class| Interleaved::resume(class).expect("saved"));
        let all: BTreeSet<u64> = live.chain(self.used.iter().copied()).collect();
        !all.into_iter().eq(1..=8)
    }
}

fn issue_saved(class: &mut [u64; 3]) -> Option<u64> {
    let mut issuing = Interleaved::resume(*class).expect("saved");
    let number = issuing.issue().ok();
    *class = issuing.save();
    number
}

#[test]
fn a_half_is_handed_over_by_a_sender_that_cannot_see_whether_it_arrived() {
    // Every reachable state, with any number of lost or repeated messages and of restarts.
    let explore = |breaks| {
        let (mut todo, mut seen) = (vec![HandOver::begin()], BTreeSet::new());
        let (mut repeats, mut losses, mut complete) = (0, 0, 0);
        while let Some(state) = todo.pop() {
            let distinct: BTreeSet<u64> = state.used.iter().copied().collect();
            repeats += usize::from(distinct.len() < state.used.len());
            losses += usize::from(state.has_lost());
            complete += usize::from(distinct.len() == 8 && state.half.is_none());
            if distinct.len() == state.used.len() {
                for mut next in state.next(breaks) {
                    next.used.sort_unstable();
                    if seen.insert(next.clone()) {
                        todo.push(next);
                    }
                }
            }
        }
        println!("{} states, {repeats} repeats, {losses} losses, {complete} complete", seen.len());
        (repeats > 0, losses > 0, complete > 0)
    };
    assert_eq!(explore(Breaks::Nothing), (false, false, true));
    assert_eq!(explore(Breaks::SendsToAnother), (true, false, true));
    assert_eq!(explore(Breaks::TakesAgain), (true, false, true));
    let (repeats, losses, _) = explore(Breaks::ForgetsWhenSent);
    assert!(!repeats && losses);
}

#[test]
fn what_a_merge_left_behind_is_below_the_bound_and_is_saved_by_itself() {
    fn program<const SAVES_REMAINDER: bool>(world: &World) -> Result<(), Crash> {
        // Merged before the first life: 7, 8, ... and the remainder 1, 3 and 5.
        let mut guard = ReserveAhead::resume(Bound(world), nonzero(10)).map_err(crash)?;
        let mut merged = restore(&[7, 1, 1_000])?;
        merged.skip_past(guard.bound());
        let mut behind = restore(&world.read("behind").unwrap_or_else(|| vec![1, 2, 5]))?;
        if !SAVES_REMAINDER {
            behind.skip_past(guard.bound());
        }
        for _ in 0..2 {
            let number = merged.issue().map_err(crash)?;
            guard.observe(number).map_err(crash)?;
            world.use_number(number)?;
        }
        for number in behind.by_ref().take(1) {
            let after = [number + 2, 2, 5];
            world.write("behind", &after)?;
            guard.observe(number).map_err(crash)?;
            world.use_number(number)?;
        }
        Ok(())
    }
    assert_never_twice(program::<true>, 3);
    // If the remainder is skipped like the rest, nothing repeats either, but its numbers are given up.
    assert_eq!(worlds(program::<false>).1, 0);
    let used = |program: Program| {
        let world = World::default();
        world.steps_left.set(usize::MAX);
        for _ in 0..3 {
            assert_eq!(program(&world), Ok(()));
        }
        world.used.into_inner().into_iter().filter(|&number| number < 7).count()
    };
    assert_eq!((used(program::<true>), used(program::<false>)), (3, 1));
}

#[test]
fn a_class_that_is_forgotten_before_it_is_handed_over_and_merged() {
    fn program<const FORGET_FIRST: bool>(world: &World) -> Result<(), Crash> {
        if world.read("ours").is_none() {
            world.write("theirs", &[6, 2, 1_000])?;
            world.write("ours", &[1, 2, 999])?;
        }
        let theirs = world.read("theirs").ok_or(Crash)?;
        if !theirs.is_empty() {
            use_three(world, "ours")?;
            use_three(world, "theirs")?;
            let ours = restore(&world.read("ours").ok_or(Crash)?[..3])?;
            let theirs = restore(&world.read("theirs").ok_or(Crash)?)?;
            match ours.merge(theirs) {
                Ok((merged, behind)) => {
                    let classes = [behind, Some(merged)].into_iter().flatten();
                    let record: Vec<u64> = classes.flat_map(|class| class.save()).collect();
                    if FORGET_FIRST {
                        world.write("theirs", &[])?;
                        world.write("ours", &record)?;
                    } else {
                        world.write("ours", &record)?;
                        world.write("theirs", &[])?;
                    }
                }
                // The class was merged already, but is not forgotten yet.
                Err(_) => world.write("theirs", &[])?,
            }
        }
        // After the merge, `ours` has two classes: first the remainder, if there is one, then the merged class.
        let record = world.read("ours").ok_or(Crash)?;
        match record[..] {
            [next, _, last, ..] if next <= last => use_three(world, "ours"),
            [_, _, _, next, step, last] => {
                world.write("ours", &[next, step, last])?;
                use_three(world, "ours")
            }
            _ => use_three(world, "ours"),
        }
    }
    // Between the two writes, the class in transit is lost.
    assert_never_twice(program::<true>, 6);
    assert_found_out(program::<false>);
}

/// The counter of a world; its answers may get lost.
struct Remote<'a>(&'a World);

impl Counter for Remote<'_> {
    type Error = Crash;

    fn increment_and_get(&self, n: NonZeroU64) -> Result<u64, Crash> {
        self.0.step()?;
        let last = self.0.counter.get();
        self.0.counter.set(last + n.get());
        self.0.step()?;
        Ok(last + 1)
    }

    fn current(&self) -> Result<u64, Crash> {
        Ok(self.0.counter.get())
    }
}

#[test]
fn blocks_that_take_up_what_a_clean_stop_left() {
    fn program<const ERASE_FIRST: bool>(world: &World) -> Result<(), Crash> {
        let mut blocks = Blocks::new(BlocksConfig { low_water: 1, ..BlocksConfig::default() });
        let left = world.read("left").unwrap_or_default();
        if ERASE_FIRST {
            world.write("left", &[])?;
        }
        for ends in left.chunks_exact(2) {
            blocks.feed(0, NumberRange::new(ends[0]..=ends[1]).ok_or(Crash)?).map_err(crash)?;
        }
        for _ in 0..5 {
            blocks.refill(&Remote(world), nonzero(3)).map_err(crash)?;
            world.use_number(blocks.issue().map_err(crash)?)?;
        }
        let left: Vec<u64> =
            blocks.stop().into_iter().flatten().flat_map(|range| [range.first(), range.last()]).collect();
        world.write("left", &left)
    }
    assert_never_twice(program::<true>, 5);
    assert_found_out(program::<false>);
}

#[cfg(any(all(target_has_atomic = "64", not(happens_before_without_atomics)), feature = "portable-atomic"))]
#[test]
fn an_atomic_counter_behind_a_bound_whose_takers_overtake_each_other() {
    use happens_before::counter::AtomicCounter;

    fn program<const OBSERVES: bool>(world: &World) -> Result<(), Crash> {
        let mut guard = ReserveAhead::resume(Bound(world), NonZeroU64::MIN).map_err(crash)?;
        let counter = AtomicCounter::resume(guard.bound(), AtomicCounter::MAX).ok_or(Crash)?;
        for _ in 0..2 {
            let early = counter.increment_and_get(NonZeroU64::MIN).map_err(crash)?;
            let late = counter.increment_and_get(nonzero(2)).map_err(crash)?;
            // The thread that took the later numbers comes first.
            for last in [late + 1, early] {
                if OBSERVES {
                    guard.observe(last).map_err(crash)?;
                } else {
                    world.write("bound", &[last])?; // "the last number taken"
                }
                world.use_number(last)?;
            }
        }
        Ok(())
    }
    assert_never_twice(program::<true>, 4);
    assert_found_out(program::<false>);
}

/// Issues 6 ids a life, a millisecond apart. Before each start the clock was set back by 4 ms.
fn use_six_ids(
    world: &World,
    mut clock: Snowflake,
    guard: impl FnMut(u64) -> Result<(), Crash>,
) -> Result<(), Crash> {
    let mut guard = guard;
    for _ in 0..6 {
        let id = loop {
            match clock.issue(world.now_ms.get()) {
                Ok(id) => break id,
                Err(_) => world.now_ms.set(world.now_ms.get() + 1), // wait
            }
        };
        guard(clock.last_ms())?;
        world.use_number(id)?;
        world.now_ms.set(world.now_ms.get() + 1);
    }
    Ok(())
}

fn wall_clock(ahead_ms: u64) -> Result<Snowflake, Crash> {
    let config =
        SnowflakeConfig { layout: SnowflakeLayout::SNOWFLAKE, node: 1, origin_ms: 0, ahead_ms, spread_bits: 0 };
    Snowflake::new(config).map_err(crash)
}

#[test]
fn a_wall_clock_behind_a_bound_though_the_clock_goes_back() {
    fn program<const SKIPS: bool>(world: &World) -> Result<(), Crash> {
        world.now_ms.set(world.now_ms.get() - 4);
        let mut guard = ReserveAhead::resume(Bound(world), nonzero(5)).map_err(crash)?;
        let mut clock = wall_clock(2)?;
        if SKIPS {
            clock.skip_past(guard.bound()).map_err(crash)?;
        }
        use_six_ids(world, clock, |ms| guard.observe(ms).map_err(crash))
    }
    assert_never_twice(program::<true>, 6);
    assert_found_out(program::<false>);
}

#[test]
fn a_wall_clock_without_a_store_that_waits_at_its_start() {
    fn program<const WAITS_FOR: u64>(world: &World) -> Result<(), Crash> {
        world.now_ms.set(world.now_ms.get() - 4);
        let mut clock = wall_clock(2)?;
        clock.skip_past(world.now_ms.get() + WAITS_FOR).map_err(crash)?;
        use_six_ids(world, clock, |_| Ok(()))
    }
    // `ahead_ms`, and the most that the clock may go back.
    assert_never_twice(program::<{ 2 + 4 }>, 6);
    assert_found_out(program::<0>);
}
