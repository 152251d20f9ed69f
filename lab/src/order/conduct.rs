//! The conductor of a run: starts publishers and subscribers, receives their notices, and replaces each one that dies.

use std::fmt;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, Scope};
use std::time::{Duration, Instant};

use happens_before::Dot;
use happens_before::broadcast::{Position, SlotLog};

use super::engine::SetBack;
use super::event::{Notice, Publish, Subscribe, Task, Who};
use super::faults::{Fault, Plan};
use super::judge::Told;
use super::waits::Waits;
use super::work::{PATIENCE, Until, Worker};
use super::{Begun, Now, OrderFailure, OrderResult, OrderSettings, Payload, PublisherId};

/// The time without any notice after which a run is given up: twice as long as an engine may fail.
const SILENCE: Duration = PATIENCE.saturating_mul(2);

/// The time between calls of `progress` where nothing happens.
const TICK: Duration = Duration::from_millis(100);

/// The counts of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OrderTally {
    /// Messages acknowledged.
    pub acknowledged: u64,
    /// Deliveries at all subscribers together, without repetitions by successors.
    pub delivered: u64,
    /// Deliveries that a successor repeated, because its predecessor had not saved a place after them.
    pub delivered_again: u64,
    /// Publishers killed.
    pub killed: u64,
    /// Publishers killed with a number that nobody else knew, which leaves a hole.
    pub killed_with_number: u64,
    /// Publishers killed after a write that nobody else knew of: the log holds the message, and refuses it to the
    /// successor.
    pub killed_after_write: u64,
    /// Subscribers killed.
    pub subscribers_killed: u64,
    /// Writes that stalled.
    pub stalled: u64,
    /// Times that the counter was set back.
    pub resets: u64,
    /// Holes that subscribers filled.
    pub fills: u64,
    /// Writes that found a fill in their slot and took another number.
    pub filled_away: u64,
    /// Writes that found another message in their slot and took another number.
    pub collisions: u64,
    /// Times that the counter was behind the log, and a publisher took the difference.
    pub behind: u64,
    /// The greatest number of acknowledged messages that a subscriber had still to deliver.
    pub lag_at_most: u64,
}

/// The publishers and subscribers of a run.
pub(super) trait Crew {
    /// Starts a publisher or a subscriber.
    fn start(&mut self, who: Who, task: Task) -> Result<(), String>;
    /// Kills a publisher or a subscriber; threads end by themselves.
    fn kill(&mut self, who: Who);
    /// Lets subscribers end at this slot. 0 ends all of them, and the publishers, at once.
    fn end(&mut self, until: u64);
}

/// A notice, and its sender.
pub(super) type Said = (Who, Notice);

/// Runs in threads.
pub(super) fn threads<C, L>(
    settings: &OrderSettings,
    begun: &Begun,
    counter: &C,
    log: &L,
    progress: &mut dyn FnMut(Now),
) -> OrderResult
where
    C: SetBack + Sync,
    C::Error: fmt::Display,
    L: SlotLog<Node = PublisherId, Payload = Payload> + Sync,
    L::Error: fmt::Display,
{
    let until = Until::new();
    let (sender, receiver) = channel();
    thread::scope(|scope| {
        let crew = Threads { scope, counter, log, until: &until, sender };
        conduct(settings, begun, crew, &receiver, log, progress)
    })
}

struct Threads<'scope, 'env, C, L> {
    scope: &'scope Scope<'scope, 'env>,
    counter: &'env C,
    log: &'env L,
    until: &'env Until,
    sender: Sender<Said>,
}

/// A guard that reports the end of a worker, also after a panic.
pub(super) struct Leaving(pub(super) Sender<Said>, pub(super) Who);

impl Drop for Leaving {
    fn drop(&mut self) {
        let _nobody_may_be_left_to_hear_it = self.0.send((self.1, Notice::Gone));
    }
}

impl<C, L> Crew for Threads<'_, '_, C, L>
where
    C: SetBack + Sync,
    C::Error: fmt::Display,
    L: SlotLog<Node = PublisherId, Payload = Payload> + Sync,
    L::Error: fmt::Display,
{
    fn start(&mut self, who: Who, task: Task) -> Result<(), String> {
        let Self { counter, log, until, .. } = *self;
        let leaving = Leaving(self.sender.clone(), who);
        self.scope.spawn(move || {
            let say = |event| drop(leaving.0.send((who, event)));
            // A failure has been reported already, and a killed worker has nothing to add.
            drop(Worker { counter, log, until, say: &say }.work(task));
        });
        Ok(())
    }

    fn kill(&mut self, _: Who) {}

    fn end(&mut self, until: u64) {
        self.until.set(until);
    }
}

/// The state of a publisher as its notices tell it: all that a successor needs.
struct Publisher {
    task: Publish,
    dying: bool,
}

impl Publisher {
    fn is_finished(&self) -> bool {
        self.task.last == self.task.goal && self.task.outstanding.is_none()
    }
}

/// The state of a subscriber as its notices tell it: the place at which a successor would continue.
struct Subscriber {
    task: Subscribe,
    dying: bool,
    /// The number of messages of the run that it has delivered.
    count: u64,
    /// The number of deliveries in its longest life.
    most: u64,
}

/// Conducts a run to its end, and has the oracle judge it.
pub(super) fn conduct<L>(
    settings: &OrderSettings,
    begun: &Begun,
    crew: impl Crew,
    receiver: &Receiver<Said>,
    log: &L,
    progress: &mut dyn FnMut(Now),
) -> OrderResult
where
    L: SlotLog<Node = PublisherId, Payload = Payload>,
    L::Error: fmt::Display,
{
    let mut conductor = Conductor::new(settings, begun, crew);
    conductor.start_all();
    let mut news = Instant::now();
    while conductor.present > 0 {
        match receiver.recv_timeout(TICK) {
            Ok((who, event)) => {
                news = Instant::now();
                conductor.hear(who, event);
            }
            Err(RecvTimeoutError::Timeout) if news.elapsed() > SILENCE => {
                conductor.fail(OrderFailure::GaveUp(conductor.waiting()));
                if news.elapsed() > SILENCE * 2 {
                    break; // the remaining workers are not told to end
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        progress(conductor.now());
        if !conductor.ending && conductor.publishers.iter().all(Publisher::is_finished) {
            match log.seal(begun.epoch) {
                Ok(sealed) => {
                    conductor.ending = true;
                    conductor.crew.end(sealed.tail);
                }
                Err(error) if news.elapsed() > PATIENCE => {
                    conductor.fail(OrderFailure::GaveUp(format!("the engine does not answer: {error}")));
                }
                Err(_) => {} // try again after the next notice, or after a tick
            }
        }
    }
    let elapsed = conductor.start.elapsed();
    let waited = conductor.waits.cost(elapsed);
    let Conductor { mut told, tally, failure, .. } = conductor;
    let verdict = match failure {
        Some(failure) => Err(failure),
        None => {
            settings.canary.into_iter().for_each(|canary| told.lie(canary));
            told.judge(settings.in_all()).map_err(OrderFailure::Violation)
        }
    };
    OrderResult { epoch: begun.epoch, tail: begun.tail(), tally, verdict, elapsed, waited }
}

struct Conductor<K> {
    crew: K,
    publishers: Vec<Publisher>,
    subscribers: Vec<Subscriber>,
    /// The number of publishers and subscribers that have not ended.
    present: usize,
    /// True if subscribers were told at which slot to end.
    ending: bool,
    start: Instant,
    waits: Waits,
    told: Told,
    tally: OrderTally,
    failure: Option<OrderFailure>,
}

impl<K: Crew> Conductor<K> {
    fn new(settings: &OrderSettings, begun: &Begun, crew: K) -> Self {
        let plan = Plan::new(settings);
        let publisher = |node| {
            let before = begun.snapshot.delivered.get(&node);
            let faults: Vec<(u64, Fault)> = plan.of(node).map(|(nth, fault)| (before + nth, fault)).collect();
            let (last, goal) = (before, before + settings.messages);
            let task = Publish { node, epoch: begun.epoch, last, goal, outstanding: None, faults };
            Publisher { task, dying: false }
        };
        let snapshot = &begun.snapshot;
        let subscriber = |site| {
            let task = Subscribe {
                next: snapshot.next,
                epoch: snapshot.epoch,
                delivered: snapshot.delivered.iter().map(|(&node, n)| (node, n)).collect(),
                count: 0,
                timeout_ms: settings.timeout_ms,
                deaths: plan.deaths_of(site).collect(),
            };
            Subscriber { task, dying: false, count: 0, most: 0 }
        };
        Self {
            crew,
            publishers: (1..=settings.publishers).map(publisher).collect(),
            subscribers: (0..settings.subscribers).map(subscriber).collect(),
            present: 0,
            ending: false,
            start: Instant::now(),
            waits: Waits::default(),
            told: Told::new(settings.subscribers),
            tally: OrderTally::default(),
            failure: None,
        }
    }

    fn start_all(&mut self) {
        for site in 0..self.subscribers.len() {
            self.start(Who::Subscriber(site), Task::Subscribe(self.subscribers[site].task.clone()));
        }
        for place in 0..self.publishers.len() {
            self.start(Who::Publisher(place), Task::Publish(self.publishers[place].task.clone()));
        }
    }

    fn start(&mut self, who: Who, task: Task) {
        match self.crew.start(who, task) {
            Ok(()) => self.present += 1,
            Err(what) => self.fail(OrderFailure::GaveUp(what)),
        }
    }

    /// Notes the reason of a failure, unless there is one already, and lets all workers end.
    fn fail(&mut self, failure: OrderFailure) {
        if self.failure.is_none() {
            self.failure = Some(failure);
            self.ending = true;
            self.crew.end(0);
        }
    }

    fn hear(&mut self, who: Who, event: Notice) {
        self.waits.hear(who, &event, self.start.elapsed());
        let tally = &mut self.tally;
        match (who, event) {
            (_, Notice::Failed { what, refused }) => {
                let what = format!("{}: {what}", name(who));
                self.fail(if refused { OrderFailure::Refused(what) } else { OrderFailure::GaveUp(what) });
            }
            (_, Notice::Gone) => self.leave(who),
            (Who::Publisher(place), event) => {
                let Publisher { task, dying } = &mut self.publishers[place];
                match event {
                    Notice::Sent { n } => {
                        self.told.sent.extend(Dot::new(task.node, n));
                        (task.last, task.outstanding) = (n, Some((n, None)));
                    }
                    Notice::Noted { slot } => {
                        task.outstanding = task.outstanding.map(|(n, _)| (n, Some(slot)));
                    }
                    Notice::Acknowledged { n } => {
                        self.told.acknowledged.extend(Dot::new(task.node, n));
                        task.outstanding = None;
                        tally.acknowledged += 1;
                    }
                    Notice::Dying { fault } => {
                        *dying = true;
                        tally.killed += 1;
                        tally.killed_with_number += u64::from(fault == Fault::KilledWithNumber);
                        tally.killed_after_write += u64::from(fault == Fault::KilledAfterWrite);
                        self.crew.kill(who);
                    }
                    Notice::Stalled => tally.stalled += 1,
                    Notice::CounterReset => tally.resets += 1,
                    Notice::Behind => tally.behind += 1,
                    Notice::Occupied { fill: true } => tally.filled_away += 1,
                    Notice::Occupied { fill: false } => tally.collisions += 1,
                    _ => {}
                }
            }
            (Who::Subscriber(site), event) => {
                let Subscriber { task, dying, count, most } = &mut self.subscribers[site];
                match event {
                    Notice::Delivered { position: (epoch, sequence, index), node, n } => {
                        let position = Position { epoch, sequence, index };
                        self.told.delivered(site, position, Dot::new(node, n));
                        *count += 1;
                        if *count > *most {
                            *most = *count;
                            tally.delivered += 1;
                        } else {
                            tally.delivered_again += 1;
                        }
                    }
                    Notice::Saved { next, epoch, delivered } => {
                        (task.next, task.epoch, task.delivered, task.count) = (next, epoch, delivered, *count);
                    }
                    Notice::Dying { .. } => {
                        *dying = true;
                        tally.subscribers_killed += 1;
                        task.deaths.remove(count); // its successor reaches this count as well
                        self.crew.kill(who);
                    }
                    Notice::Filled => tally.fills += 1,
                    _ => {}
                }
            }
        }
        self.tally.lag_at_most = self.tally.lag_at_most.max(self.lag());
    }

    /// Notes that a worker has ended. A killed one gets a successor.
    fn leave(&mut self, who: Who) {
        self.present -= 1;
        let (expected, successor) = match who {
            Who::Subscriber(site) => {
                let Subscriber { task, dying, count, .. } = &mut self.subscribers[site];
                let successor = std::mem::take(dying).then(|| Task::Subscribe(task.clone()));
                if successor.is_some() {
                    *count = task.count;
                    self.told.resumed(site, task.next);
                }
                (self.ending, successor)
            }
            Who::Publisher(place) => {
                let Publisher { task, dying } = &mut self.publishers[place];
                let successor = std::mem::take(dying).then(|| Task::Publish(task.clone()));
                (self.publishers[place].is_finished(), successor)
            }
        };
        if self.failure.is_some() {
            return;
        }
        match successor {
            Some(task) => self.start(who, task),
            None if expected => {}
            None => self.fail(OrderFailure::Refused(format!("{} ended without a notice", name(who)))),
        }
    }

    /// Returns the number of acknowledged messages that the slowest subscriber has still to deliver.
    fn lag(&self) -> u64 {
        let slowest = self.subscribers.iter().map(|subscriber| subscriber.most).min().unwrap_or(0);
        self.tally.acknowledged.saturating_sub(slowest)
    }

    fn now(&self) -> Now {
        let OrderTally { acknowledged, delivered, fills, .. } = self.tally;
        Now { acknowledged, delivered, fills, lag: self.lag() }
    }

    /// Describes what a halted run is waiting for.
    fn waiting(&self) -> String {
        let mut what = format!("nothing has happened for {} s", SILENCE.as_secs());
        for Publisher { task, .. } in self.publishers.iter().filter(|publisher| !publisher.is_finished()) {
            what += &format!("; publisher {} has published {} of {}", task.node, task.last, task.goal);
            if let Some((n, slot)) = task.outstanding {
                what += &format!(", and waits for {n}");
                what += &slot.map_or(String::new(), |slot| format!(" in slot {slot}"));
            }
        }
        for (site, subscriber) in self.subscribers.iter().enumerate() {
            what += &format!("; subscriber {} has delivered {}", site + 1, subscriber.count);
        }
        what
    }
}

fn name(who: Who) -> String {
    match who {
        Who::Publisher(place) => format!("publisher {}", place + 1),
        Who::Subscriber(site) => format!("subscriber {}", site + 1),
    }
}
