//! A model of total order broadcast: publishers, subscribers, a log and counters. Everything that is not promised may
//! fail.
//!
//! # The model
//!
//! A machine's request is carried out and answered in one step, or its driver gives up waiting. In the second case the
//! request stays under way: it is carried out at any later moment, or never. Its answer is then under way too, and
//! arrives at any later moment, or never. This includes all effects of lost requests, lost answers, delayed writes and
//! late answers. A slow answer that the driver waits for need not be explored: other events before it might as well
//! happen before the request. Waiting times are left out: any time-out may end at any moment.
//!
//! ```text
//!   publish(p)       a publisher with nothing outstanding publishes its next message
//!   exchange(m)      a machine's request is carried out and answered
//!   lose(m)          its driver gives up waiting for the answer
//!   arrive(r)        a request or an answer that is under way arrives
//!   crash(p)         a publisher dies with what it has in hand; it comes back under a new name, or under its old one with
//!                    its saved state, or with the numbers in the log, once that is sealed
//!   abandon(p)       a publisher's application gives the message up
//!   restart(s)       a subscriber comes back from a snapshot
//!   repeat, jump     the counter gives a number twice, or leaves one out
//!   seal             the epoch is over; a new counter starts above the tail
//!   enter(p)         a publisher with something outstanding is told of that unasked
//!   announce(s, k)   what stands in a slot is announced to a subscriber
//!   current(s)       a subscriber learns the counter's current number
//! ```
//!
//! # Properties of every state
//!
//! - *one order*: all subscribers deliver in one order, nothing twice, each node's messages in its order, and only
//!   published messages. `check::OrderRun` judges it, by content;
//! - *what was told is true*: an acknowledged message is in its slot, and every subscriber that has passed the slot has
//!   delivered it there. A message that was reported as not stored is in no slot;
//! - *node order*: the log too holds each node's messages in its order, including abandoned ones. This does not hold
//!   over appends: there a late request may store a message a second time, or after its successor, where it is not
//!   delivered;
//! - *real time*: a message that was published after another was acknowledged is above it, unless the counter repeats
//!   numbers;
//! - *the invariants* of the machines hold;
//! - *recoverable*: if everything under way is lost and no fault happens from here on, every publisher finishes, and
//!   every subscriber delivers everything;
//! - *nobody starves*: no publisher finds its slots occupied more often than it tolerates. That requires correct
//!   time-outs: no subscriber fills a hole whose number a living publisher has in hand ([`Bounds::timely`]).
//!
//! # Numbers of states
//!
//! The table has a row for each exploration in the tests. *Depth* is the largest number of steps on a shortest way into
//! a state. CI leaves out the last four rows, whose figures are too low: they were counted while machines remembered
//! less. It also leaves out two wider explorations.
//!
//! | messages | subscribers | faults | states | depth |
//! |---|---|---|---:|---:|
//! | 2 + 2 | 2 | nothing | 318,612 | 33 |
//! | 1 + 1 + 1 | 2 | nothing | 137,198 | 29 |
//! | 2 + 2 | 1 | lost | 471,714 | 32 |
//! | 1 + 1 | 2 | lost | 51,878 | 22 |
//! | 1 + 1 | 1 | lost twice | 62,606 | 22 |
//! | 1 + 1 | 1 | lost, crashed, resumed, relearned, abandoned | 299,989 | 30 |
//! | 2 + 1 | 1 | lost, crashed | 153,298 | 26 |
//! | 2 + 1 | 1 | lost, relearned | 163,466 | 30 |
//! | 2 + 1 | 1 | lost, abandoned | 70,333 | 25 |
//! | 1 + 1 | 2 | crashed, restarted; announced | 81,088 | 20 |
//! | 1 + 1 | 1 | lost, restarted; announced | 21,198 | 19 |
//! | 1 + 1 | 1 | crashed; observed, 1 attempt | 11,064 | 24 |
//! | 1 + 1 | 1 | lost; observed, 1 attempt | 258,170 | 30 |
//! | 2 + 1 | 1 | repeated twice, jumped twice | 119,461 | 31 |
//! | 1 + 1 | 1 | lost, repeated twice, jumped | 106,184 | 27 |
//! | 2 | 1 | lost, abandoned, repeated 3 times, jumped twice | 132,335 | 25 |
//! | 2 + 1 | 1 | sealed twice | 38,688 | 40 |
//! | 2 + 1 | 1 | lost, sealed | 383,131 | 36 |
//! | 1 + 1 | 1 | lost, sealed | 27,282 | 27 |
//! | 1 + 1 | 1 | lost, sealed, entered | 62,142 | 27 |
//! | 1 + 1 | 1 | lost, repeated, sealed | 104,360 | 30 |
//! | 1 + 1 | 1 | crashed, repeated, jumped, sealed | 43,280 | 28 |
//! | 1 + 1 | 1 | lost, crashed, jumped; timely, 0 attempts | 27,608 | 17 |
//! | 1 + 1 | 1 | crashed, jumped; observed, timely, 0 attempts | 10,944 | 18 |
//! | 2 + 1 | 1 | crashed, sealed; timely, 1 attempt | 24,202 | 26 |
//! | 3 + 1 | 1 | sealed; timely, 1 attempt | 23,672 | 29 |
//! | 4 + 2 | 1 | lost; batches of two | 35,030 | 25 |
//! | 2 + 2 | 1 | lost, crashed, abandoned; batches of two | 12,182 | 18 |
//! | 2 + 2 | 1 | lost, restarted; announced, batches of two | 21,198 | 19 |
//! | 2 + 1 | 1 | lost twice; appends | 62,244 | 16 |
//! | 1 + 1 | 1 | lost, crashed, resumed, relearned, abandoned; appends | 27,026 | 18 |
//! | 2 + 1 | 1 | lost, abandoned; appends | 9,590 | 14 |
//! | 2 + 1 | 1 | lost, sealed, entered; appends | 71,742 | 20 |
//! | 4 + 2 | 1 | lost, restarted; announced, batches of two, appends | 61,150 | 15 |
//! | 2 + 1 | 1 | lost, resumed | 373,857 | 31 |
//! | 2 + 1 | 1 | lost twice | 665,695 | 32 |
//! | 1 + 1 | 2 | lost, restarted; announced | 421,158 | 25 |
//! | 1 + 1 | 1 | lost, crashed, repeated, jumped, sealed | 1,215,912 | 34 |
//!
//! The number of states depends on what the machines remember, so the tests demand only nine tenths of it.
//!
//! # Drivers that must fail
//!
//! Each of these drivers is [wrong](Conduct) in one place. The tests find the shortest way into a forbidden state:
//!
//! | driver | broken property | steps | in short |
//! |---|---|---:|---|
//! | [`NoRepair`](Conduct::NoRepair) | *recoverable* | 4 | `b` takes 1 and dies; the message of `a` in 2 is never delivered |
//! | [`Skip`](Conduct::Skip) | *one order* | 9 | one subscriber skips 1, and delivers 2; the other comes later, and finds `b1` in 1 |
//! | [`BlindRetry`](Conduct::BlindRetry) | *one order* | 7 | a delayed write into 1 lands; the same message stands in 2 |
//! | the same, where the log appends | *one order* | 5 | a delayed append lands before the second |
//! | [`FillAhead`](Conduct::FillAhead) | *nobody starves* | 1 + 4n | n times: the next slot is filled, the publisher takes its number, and finds it occupied |
//! | [`StaleNumber`](Conduct::StaleNumber) | *real time* | 15 | a late 2 of the old counter is passed off as one of the new counter, which gives 1 to a later message |
//!
//! The model has found two faults. A publisher that was idle while an epoch ended starved on its old counter, slot by
//! slot. Now a [`Publisher`](happens_before::Publisher) enters the epoch of the entry that occupies its slot. Second, a
//! late number of the old counter was used in the new epoch, unless the driver prevented it. Now a number comes with
//! its request, which names the epoch ([`NumberRequest`](happens_before::broadcast::NumberRequest)), and only a driver
//! that lies can be wrong.
//!
//! # Representation of a state
//!
//! Publishers and subscribers cannot be copied; see [`replay`](crate::replay).

mod judge;
mod machines;
mod state;
mod words;

use happens_before::broadcast::LogKind;
use stateright::{Model, Property};

pub use machines::Conduct;
use machines::When;
pub use state::State;

/// The bounds of an exploration.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// The number of messages of each publisher, at most 10 each. There is one publisher for each number.
    pub messages: Vec<u8>,
    /// The number of messages that it publishes in one entry.
    pub batch: u8,
    /// The number of subscribers.
    pub subscribers: usize,
    /// The kind of the log; over slots there is a counter.
    pub log: LogKind,
    /// The number of faults of each kind, in all.
    pub faults: Faults,
    /// The number of occupied slots that a publisher tolerates.
    pub attempts: u32,
    /// True if entries of the log are announced to subscribers.
    pub announced: bool,
    /// True if subscribers learn the counter's current number.
    pub observed: bool,
    /// True if subscribers wait long enough: while a living publisher has the slot's number in hand, its slot is not
    /// filled.
    pub timely: bool,
    /// The conduct of the drivers.
    pub conduct: Conduct,
}

/// The number of faults of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Faults {
    /// Answers that a driver gives up waiting for.
    pub lost: u8,
    /// Publishers that crash and come back under a new name.
    pub crashed: u8,
    /// Publishers that crash and come back with what they had saved.
    pub resumed: u8,
    /// Publishers that crash and come back with the numbers that the log holds of them.
    pub relearned: u8,
    /// Messages that are abandoned.
    pub abandoned: u8,
    /// Subscribers that come back from a snapshot.
    pub restarted: u8,
    /// Numbers that the counter gives twice.
    pub repeated: u8,
    /// Numbers that it leaves out.
    pub jumped: u8,
    /// Epochs that end.
    pub sealed: u8,
    /// Publishers that are told of the new epoch before they ask.
    pub entered: u8,
}

impl Default for Bounds {
    /// Returns the bounds for two publishers with a message each, one subscriber, and no fault.
    fn default() -> Self {
        Self {
            messages: vec![1, 1],
            batch: 1,
            subscribers: 1,
            log: LogKind::Slots,
            faults: Faults::default(),
            attempts: 4,
            announced: false,
            observed: false,
            timely: false,
            conduct: Conduct::Right,
        }
    }
}

/// A machine, by its index among those of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Who {
    /// A publisher.
    Sender(usize),
    /// A subscriber, asked early or late.
    Receiver(usize, When),
}

/// The ways in which a publisher comes back after a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Return {
    /// Under a new name.
    Renamed,
    /// With its saved state.
    Resumed,
    /// With the numbers that the log holds of it, once the log is sealed.
    Relearned,
}

/// An event of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// A publisher publishes its next message.
    Publish(usize),
    /// A machine's request is carried out and answered.
    Exchange(Who),
    /// A machine's driver gives up waiting for the answer.
    Lose(Who),
    /// A request or an answer under way arrives; the index is in the state's own order.
    Arrive(usize),
    /// A publisher crashes, and comes back.
    Crash(usize, Return),
    /// A publisher's application gives the message up.
    Abandon(usize),
    /// A subscriber comes back from a snapshot.
    Restart(usize),
    /// The counter will give a number again.
    Repeat,
    /// The counter leaves a number out.
    Jump,
    /// The epoch ends.
    Seal,
    /// A publisher is told of the newest epoch unasked.
    Enter(usize),
    /// The announcement of an entry to a subscriber.
    Announce(usize, u64),
    /// A subscriber learns the counter's current number.
    Current(usize),
}

impl Bounds {
    /// Returns the account of these events one after another, a line for each.
    pub fn tell(&self, actions: impl IntoIterator<Item = Action>) -> Vec<String> {
        let mut state = State::new(self);
        let mut lines = Vec::new();
        for action in actions {
            let mut line = String::new();
            state = state.step(self, action, &mut |words| line += &words.to_string());
            lines.push(line);
        }
        lines
    }
}

impl Model for Bounds {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::new(self)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        state.actions(self, actions);
    }

    fn next_state(&self, before: &State, action: Action) -> Option<State> {
        Some(before.step(self, action, &mut |_| ()))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("one order", |bounds: &Self, state: &State| state.order(bounds).is_ok()),
            Property::always("what was told is true", |bounds: &Self, state: &State| state.is_true(bounds)),
            Property::always("node order", |bounds: &Self, state: &State| {
                bounds.log == LogKind::Appends || state.is_in_node_order()
            }),
            Property::always("real time", |bounds: &Self, state: &State| {
                bounds.faults.repeated > 0 || state.is_in_real_time()
            }),
            Property::always("the invariants hold", |_, state: &State| state.broken().is_none()),
            Property::always("recoverable", |bounds: &Self, state: &State| state.recovers(bounds)),
            Property::always("nobody starves", |bounds: &Self, state: &State| {
                !bounds.timely || !state.is_starving()
            }),
            Property::sometimes("all have everything", |bounds: &Self, state: &State| {
                state.is_complete(bounds)
            }),
        ]
    }
}
