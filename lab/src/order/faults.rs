//! The faults of a run: the message or the subscriber that meets each, and the place at which it is made.
//!
//! A fault is made at the seam between a machine and its engine: where the machine takes a number, and where it writes.
//! The machine cannot tell it from an answer of the engine.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU64;
use std::{fmt, iter};

use happens_before::broadcast::{Entry, Log, ReadAnswer, ReadLimit, SealAnswer, SlotLog, WriteAnswer};
use happens_before::counter::Counter;
use happens_before_simulation::Random;
use serde::{Deserialize, Serialize};

use super::{OrderSettings, Payload, PublisherId};
use crate::stream;

/// Most numbers by which the counter is set back at a time.
const MOST_BACK: u64 = 50;

/// A fault that a message meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The publisher is killed with a number that nobody else knows: a hole.
    KilledWithNumber,
    /// The publisher is killed after it has written into a slot that it has not noted. Its successor takes a new
    /// number, and the log refuses the message because it holds it already.
    KilledAfterWrite,
    /// The publisher is killed while it writes into a slot that it has noted. Its successor writes once more to find
    /// out whether the message is there.
    KilledInWrite,
    /// The publisher is killed after it has noted the slot and before it writes. Its successor writes.
    KilledBeforeWrite,
    /// The subscriber is killed when it has delivered the message, and before it has saved its place again. Its
    /// successor delivers again everything after the last saved place.
    KilledSubscriber,
    /// The write stalls until a subscriber has filled its slot.
    Stalled,
    /// The counter is set back just before the publisher takes a number.
    CounterReset {
        /// The numbers by which it is set back.
        by: u64,
    },
}

impl Fault {
    /// The ways to kill a publisher, in turn.
    const KILLS: [Self; 4] =
        [Self::KilledWithNumber, Self::KilledAfterWrite, Self::KilledInWrite, Self::KilledBeforeWrite];
}

/// The faults of a run, at most one a message, and the counts of deliveries after which subscribers die. A function of
/// the seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    messages: BTreeMap<(PublisherId, u64), Fault>,
    deaths: BTreeSet<(usize, u64)>,
}

impl Plan {
    /// Returns the most resets that a run has room for. They fall into the first half of a publisher's messages. So it
    /// takes more numbers afterwards than it was set back by, except in the shortest runs.
    pub fn room_for_resets(publishers: PublisherId, messages: u64) -> u64 {
        u64::from(publishers) * messages.div_ceil(2)
    }

    /// Draws the faults. There must be at least as many messages as faults of messages, and as many deliveries as
    /// deaths of subscribers.
    pub fn new(settings: &OrderSettings) -> Self {
        let random = &mut Random::new(settings.seed, stream::FAULTS);
        let resets = iter::repeat_with(|| None).take(settings.reset_counter as usize);
        let kills = Fault::KILLS.into_iter().cycle().take(settings.kill as usize);
        let stalls = iter::repeat_n(Fault::Stalled, settings.stall as usize);
        let mut plan = BTreeMap::new();
        for fault in resets.chain(kills.chain(stalls).map(Some)) {
            let messages = if fault.is_none() { settings.messages.div_ceil(2) } else { settings.messages };
            let fault = fault.unwrap_or_else(|| Fault::CounterReset { by: random.within(1..=MOST_BACK) });
            let free = iter::repeat_with(|| {
                (random.within(1..=u64::from(settings.publishers)) as PublisherId, random.within(1..=messages))
            });
            let place = free.into_iter().find(|place| !plan.contains_key(place));
            plan.extend(place.map(|place| (place, fault)));
        }
        let mut deaths = BTreeSet::new();
        while (deaths.len() as u64) < settings.kill_subscribers {
            let site = random.below(settings.subscribers as u64) as usize;
            deaths.insert((site, random.within(1..=settings.in_all())));
        }
        Self { messages: plan, deaths }
    }

    /// Returns the faults of one publisher, each with the number of its message, from 1 on.
    pub fn of(&self, node: PublisherId) -> impl Iterator<Item = (u64, Fault)> {
        self.messages.range((node, 0)..=(node, u64::MAX)).map(|(&(_, message), &fault)| (message, fault))
    }

    /// Returns the counts of deliveries, over the run, after which a subscriber dies.
    pub fn deaths_of(&self, site: usize) -> impl Iterator<Item = u64> {
        self.deaths.range((site, 0)..=(site, u64::MAX)).map(|&(_, count)| count)
    }
}

/// The reason why a call through a seam has no answer.
#[derive(Debug)]
pub(super) enum Trouble<E> {
    /// The calling machine was killed.
    Killed,
    /// The engine itself failed.
    Engine(E),
}

impl<E: fmt::Display> fmt::Display for Trouble<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Killed => f.write_str("killed"),
            Self::Engine(error) => error.fmt(f),
        }
    }
}

/// An engine whose calls to take numbers or to write go through `call`, which may make a fault.
pub(super) struct Seam<'a, T, F> {
    pub(super) engine: &'a T,
    pub(super) call: F,
}

impl<C, F> Counter for Seam<'_, C, F>
where
    C: Counter,
    F: Fn(NonZeroU64) -> Result<u64, Trouble<C::Error>>,
{
    type Error = Trouble<C::Error>;

    fn increment_and_get(&self, n: NonZeroU64) -> Result<u64, Self::Error> {
        (self.call)(n)
    }

    fn current(&self) -> Result<u64, Self::Error> {
        self.engine.current().map_err(Trouble::Engine)
    }
}

impl<L: Log<Node = PublisherId, Payload = Payload>, F> Log for Seam<'_, L, F> {
    type Node = PublisherId;
    type Payload = Payload;
    type Error = Trouble<L::Error>;

    fn read(&self, from: u64, limit: ReadLimit) -> Result<ReadAnswer<PublisherId, Payload>, Self::Error> {
        self.engine.read(from, limit).map_err(Trouble::Engine)
    }

    fn seal(&self, epoch: u64) -> Result<SealAnswer, Self::Error> {
        self.engine.seal(epoch).map_err(Trouble::Engine)
    }

    fn trim(&self, below: u64) -> Result<u64, Self::Error> {
        self.engine.trim(below).map_err(Trouble::Engine)
    }
}

/// The result of a write through a seam.
pub(super) type Wrote<E> = Result<WriteAnswer<PublisherId, Payload>, Trouble<E>>;

impl<L, F> SlotLog for Seam<'_, L, F>
where
    L: SlotLog<Node = PublisherId, Payload = Payload>,
    F: Fn(u64, &Entry<PublisherId, Payload>) -> Wrote<L::Error>,
{
    fn write(&self, slot: u64, entry: &Entry<PublisherId, Payload>) -> Wrote<L::Error> {
        (self.call)(slot, entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::Engine;

    fn settings(publishers: PublisherId, messages: u64, faults: [u64; 3], seed: u64) -> OrderSettings {
        let [kill, stall, reset_counter] = faults;
        OrderSettings {
            engine: Engine::Memory,
            publishers,
            subscribers: 1,
            messages,
            kill,
            kill_subscribers: 0,
            stall,
            reset_counter,
            seed,
            timeout_ms: 10,
            canary: None,
        }
    }

    #[test]
    fn a_plan_has_what_was_asked_for_and_follows_from_the_seed() {
        for seed in 0..50 {
            let settings = settings(4, 25, [40, 30, 30], seed);
            let plan = Plan::new(&settings);
            assert_eq!(plan, Plan::new(&settings));
            let faults: Vec<(u64, Fault)> = (1..=4).flat_map(|node| plan.of(node)).collect();
            // One fault for each message.
            assert_eq!(faults.len(), 100);
            let count = |which: fn(&Fault) -> bool| faults.iter().filter(|(_, fault)| which(fault)).count();
            assert_eq!(count(|fault| *fault == Fault::KilledWithNumber), 10);
            assert_eq!(count(|fault| *fault == Fault::KilledAfterWrite), 10);
            assert_eq!(count(|fault| *fault == Fault::KilledInWrite), 10);
            assert_eq!(count(|fault| *fault == Fault::KilledBeforeWrite), 10);
            assert_eq!(count(|fault| *fault == Fault::Stalled), 30);
            for (message, fault) in faults {
                if let Fault::CounterReset { by } = fault {
                    assert!(message <= 13 && (1..=MOST_BACK).contains(&by), "{message}: {by}");
                }
            }
        }
        assert_ne!(Plan::new(&settings(4, 25, [9, 9, 9], 1)), Plan::new(&settings(4, 25, [9, 9, 9], 2)));
    }

    /// One death for each delivery: every subscriber dies after each.
    #[test]
    fn subscribers_may_die_after_every_message() {
        let settings = OrderSettings { subscribers: 3, kill_subscribers: 30, ..settings(2, 5, [0; 3], 1) };
        let plan = Plan::new(&settings);
        for site in 0..3 {
            assert!(plan.deaths_of(site).eq(1..=10));
        }
        let some = |seed| Plan::new(&OrderSettings { kill_subscribers: 5, seed, ..settings.clone() });
        assert_eq!(some(1), some(1));
        assert_ne!(some(1), some(2));
        let deaths = (0..3).map(|site| some(1).deaths_of(site).count());
        assert_eq!(deaths.sum::<usize>(), 5);
    }

    #[test]
    fn resets_may_take_all_their_room() {
        assert_eq!(Plan::room_for_resets(3, 5), 9);
        assert_eq!(Plan::new(&settings(3, 5, [0, 0, 9], 1)).messages.len(), 9);
        assert_eq!(Plan::room_for_resets(1, 1), 1);
    }
}
