//! The work of a publisher and of a subscriber, as a thread or as a process.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use happens_before::broadcast::blocking::{DriveError, FollowError, Settled, follow, settle};
use happens_before::broadcast::{
    Entry, PublishError, PublishErrorKind, PublisherConfig, ReadAnswer, ReadLimit, SlotLog, Snapshot,
    WriteAnswer,
};
use happens_before::{Dot, Publisher, Subscriber};

use super::engine::SetBack;
use super::event::{Notice, Publish, Subscribe, Task};
use super::faults::{Fault, Seam, Trouble, Wrote};
use super::{Payload, PublisherId, subscriber_config};

/// The time for which an engine may fail before it is given up.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// The wait where there is nothing to do, or after a failure of an engine.
const PAUSE: Duration = Duration::from_millis(1);

/// The number of deliveries after which a subscriber saves its place.
const SAVE_EVERY: u64 = 10;

/// The slot up to which subscribers deliver before they end: no limit at first, and 0 if all are to end at once.
#[derive(Debug)]
pub(super) struct Until(AtomicU64);

impl Until {
    pub(super) const fn new() -> Self {
        Self(AtomicU64::new(u64::MAX))
    }

    pub(super) fn set(&self, slot: u64) {
        self.0.store(slot, Ordering::SeqCst);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// The reason why a task ends before its end.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Halt {
    /// It was told to stop.
    Stopped,
    /// It was killed by a fault.
    Killed,
    /// It cannot go on.
    Failed { what: String, refused: bool },
}

fn refused(error: impl fmt::Display) -> Halt {
    Halt::Failed { what: error.to_string(), refused: true }
}

/// Returns the number of the message that is now in the order, if one is; an error if the publisher cannot go on.
fn acknowledged<C: fmt::Display, L: fmt::Display>(
    settled: Settled<PublisherId, Payload, Trouble<C>, Trouble<L>>,
    patience: &Patience<'_>,
) -> Result<Option<u64>, Halt> {
    match settled {
        Ok(published) => return Ok(published.map(|published| published.id.counter())),
        Err(DriveError::Counter(Trouble::Killed) | DriveError::Log(Trouble::Killed)) => {
            return Err(Halt::Killed);
        }
        Err(DriveError::EnterEpoch { epoch }) => return Err(taken_over(epoch)),
        Err(DriveError::Counter(Trouble::Engine(error))) => patience.fails(error)?,
        Err(DriveError::Log(Trouble::Engine(error))) => patience.fails(error)?,
        // Its predecessor was killed after a write that nobody else knew of.
        Err(DriveError::Publish(PublishError {
            value: entry,
            kind: PublishErrorKind::NumberUsed { highest },
            ..
        })) if entry.last_number() == Some(highest) => return Ok(Some(highest)),
        Err(other) => return Err(refused(other)),
    }
    Ok(None)
}

/// A worker: its engine, and the receiver of its notices.
pub(super) struct Worker<'a, C, L> {
    pub(super) counter: &'a C,
    pub(super) log: &'a L,
    pub(super) until: &'a Until,
    pub(super) say: &'a dyn Fn(Notice),
}

impl<C, L> Worker<'_, C, L>
where
    C: SetBack,
    C::Error: fmt::Display,
    L: SlotLog<Node = PublisherId, Payload = Payload>,
    L::Error: fmt::Display,
{
    /// Does the task. An error is the reason why it ended early.
    pub(super) fn work(&self, task: Task) -> Result<(), Halt> {
        (self.say)(Notice::Begun);
        let ended = match task {
            Task::Publish(task) => self.publish(&task),
            Task::Subscribe(task) => self.subscribe(task),
        };
        if let Err(Halt::Failed { what, refused }) = &ended {
            (self.say)(Notice::Failed { what: what.clone(), refused: *refused });
        }
        ended
    }

    fn publish(&self, task: &Publish) -> Result<(), Halt> {
        let Publish { node, epoch, last, goal, outstanding, ref faults } = *task;
        let message = |n| Some(Entry::message(epoch, Dot::new(node, n)?, payload(node, n)));
        let outstanding = outstanding.and_then(|(n, slot)| Some((message(n)?, slot)));
        let faults: BTreeMap<u64, Fault> = faults.iter().copied().collect();
        let fault = Cell::new(None);
        let numbers = Seam { engine: self.counter, call: |n| self.take(n, &fault) };
        let slots = Seam { engine: self.log, call: |slot, entry: &_| self.write(slot, entry, fault.take()) };

        let config = PublisherConfig { attempts: u32::MAX, ..PublisherConfig::default() };
        let mut publisher = Publisher::resume(node, last, outstanding, config)
            .map_err(|entry| refused(format_args!("{entry:?} is not publisher {node}'s")))?;
        publisher.enter(epoch, self.tail(epoch)?);
        let mut patience = Patience::new(self.until);
        loop {
            if publisher.outstanding().is_none() {
                if publisher.last() >= goal {
                    return Ok(());
                }
                let n = publisher.last() + 1;
                fault.set(faults.get(&n).copied());
                (self.say)(Notice::Sent { n });
                publisher.publish(payload(node, n)).map_err(refused)?;
            }
            if let Some(n) = acknowledged(settle(&mut publisher, &numbers, &slots), &patience)? {
                (self.say)(Notice::Acknowledged { n });
                patience = Patience::new(self.until);
            }
            if self.until.get() == 0 {
                return Err(Halt::Stopped);
            }
        }
    }

    /// Returns the tail of the log. A log may have entries of earlier runs, and then the numbers go on from there.
    fn tail(&self, epoch: u64) -> Result<u64, Halt> {
        let patience = Patience::new(self.until);
        loop {
            match self.log.seal(epoch) {
                Ok(sealed) => return Ok(sealed.tail),
                Err(error) => patience.fails(error)?,
            }
        }
    }

    /// Takes numbers for a publisher, or makes the fault.
    fn take(&self, n: NonZeroU64, fault: &Cell<Option<Fault>>) -> Result<u64, Trouble<C::Error>> {
        if let Some(Fault::CounterReset { by }) = fault.get() {
            self.counter.set_back(by).map_err(Trouble::Engine)?;
            fault.set(None);
            (self.say)(Notice::CounterReset);
        }
        let first = self.counter.increment_and_get(n).map_err(Trouble::Engine)?;
        if n.get() > 1 {
            (self.say)(Notice::Behind);
        }
        if let Some(fault @ Fault::KilledWithNumber) = fault.get() {
            (self.say)(Notice::Dying { fault });
            return Err(Trouble::Killed);
        }
        Ok(first)
    }

    /// Writes a publisher's entry, or makes the fault.
    fn write(&self, slot: u64, entry: &Entry<PublisherId, Payload>, fault: Option<Fault>) -> Wrote<L::Error> {
        if fault != Some(Fault::KilledAfterWrite) {
            (self.say)(Notice::Noted { slot });
        }
        let die = |fault| (self.say)(Notice::Dying { fault });
        match fault {
            Some(fault @ Fault::KilledAfterWrite) => {
                let _nobody_is_there_to_hear_it = self.log.write(slot, entry);
                die(fault);
                return Err(Trouble::Killed);
            }
            Some(fault @ Fault::KilledInWrite) => {
                // From here on a process may be killed at any moment.
                die(fault);
                let _nobody_is_there_to_hear_it = self.log.write(slot, entry);
                return Err(Trouble::Killed);
            }
            Some(fault @ Fault::KilledBeforeWrite) => {
                die(fault);
                return Err(Trouble::Killed);
            }
            Some(Fault::Stalled) => {
                (self.say)(Notice::Stalled);
                self.stall(slot);
            }
            _ => {}
        }
        let answer = self.log.write(slot, entry).map_err(Trouble::Engine)?;
        if let WriteAnswer::Occupied(other) = &answer
            && other.id() != entry.id()
        {
            (self.say)(Notice::Occupied { fill: other.id().is_none() });
        }
        Ok(answer)
    }

    /// Waits until the slot is occupied, or until the counter was set back below it: then no subscriber may see that
    /// there is anything to fill. If the slot is not filled for very long, it is written late, and the oracle reports
    /// it.
    fn stall(&self, slot: u64) {
        let occupied = || match self.log.read(slot, ReadLimit::entries(1)) {
            Ok(ReadAnswer::Entries(entries)) => entries.first().is_some_and(|(found, _)| *found == slot),
            _ => false,
        };
        let claimed = || self.counter.current().is_ok_and(|current| current >= slot);
        let since = Instant::now();
        while self.until.get() != 0 && since.elapsed() < PATIENCE && claimed() && !occupied() {
            thread::sleep(PAUSE);
        }
        self.say_waited(since);
    }

    fn say_waited(&self, since: Instant) {
        (self.say)(Notice::Waited { micros: u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX) });
    }

    fn subscribe(&self, task: Subscribe) -> Result<(), Halt> {
        let Subscribe { next, epoch, delivered, mut count, timeout_ms, deaths } = task;
        let delivered = delivered.into_iter().collect();
        let snapshot = Snapshot { next, epoch, delivered, ..Snapshot::default() };
        let mut subscriber = Subscriber::resume(snapshot, subscriber_config(timeout_ms));
        let log = Seam {
            engine: self.log,
            call: |slot, fill: &_| {
                let answer = self.log.write(slot, fill).map_err(Trouble::Engine)?;
                if answer == WriteAnswer::Written {
                    (self.say)(Notice::Filled);
                }
                Ok(answer)
            },
        };
        let began = Instant::now();
        let mut patience = Patience::new(self.until);
        // The next slot, if it is claimed and not read yet, and the moment since which that is known.
        let mut hole: Option<(u64, Instant)> = None;
        loop {
            while let Some(delivery) = subscriber.poll_delivery().map_err(refused)? {
                let (node, n) = (*delivery.id.node(), delivery.id.counter());
                let position = delivery.position;
                // A hole that a message has closed was no fault: its write was only under way.
                if let Some((slot, since)) = hole.take()
                    && slot < position.sequence
                {
                    self.say_waited(since);
                }
                if delivery.payload != Some(payload(node, n)) {
                    let what =
                        format!("slot {} does not hold what publisher {node} sent as {n}", position.sequence);
                    return Err(refused(what));
                }
                let position = (position.epoch, position.sequence, position.index);
                (self.say)(Notice::Delivered { position, node, n });
                count += 1;
                if deaths.contains(&count) {
                    (self.say)(Notice::Dying { fault: Fault::KilledSubscriber });
                    return Err(Halt::Killed);
                }
                if count % SAVE_EVERY == 0 {
                    let Snapshot { next, epoch, delivered, .. } = subscriber.snapshot();
                    let delivered = delivered.iter().map(|(&node, n)| (node, n)).collect();
                    (self.say)(Notice::Saved { next, epoch, delivered });
                }
            }
            // A fill delivers nothing, and no message has come after it yet.
            if let Some((_, since)) = hole.take_if(|(slot, _)| *slot < subscriber.next()) {
                self.say_waited(since);
            }
            if subscriber.next() > self.until.get() {
                return Ok(());
            }
            if hole.is_none() && subscriber.claimed() >= subscriber.next() {
                hole = Some((subscriber.next(), Instant::now()));
            }
            let now_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
            match follow(&mut subscriber, &log, now_ms) {
                Ok(()) => patience = Patience::new(self.until),
                Err(FollowError::Log(error)) => patience.fails(error)?,
                Err(error) => return Err(refused(error)),
            }
            let due = |subscriber: &Subscriber<_, _>| subscriber.poll_timeout().unwrap_or(0) > now_ms;
            if due(&subscriber) {
                // Only the counter shows a hole above all occupied slots.
                if let Ok(current) = self.counter.current() {
                    subscriber.observe_current(current);
                }
                if due(&subscriber) {
                    thread::sleep(PAUSE);
                }
            }
        }
    }
}

/// Returns the payload of a message, different from every other.
fn payload(node: PublisherId, n: u64) -> Payload {
    format!("message {n} of publisher {node}").into_bytes()
}

fn taken_over(epoch: u64) -> Halt {
    let what = format!("another run has taken the log over, with epoch {epoch}");
    Halt::Failed { what, refused: false }
}

/// The time for which an engine may still fail.
pub(super) struct Patience<'a> {
    until: &'a Until,
    since: Instant,
}

impl<'a> Patience<'a> {
    pub(super) fn new(until: &'a Until) -> Self {
        Self { until, since: Instant::now() }
    }

    /// Waits before the next try. Returns an error if the time is over.
    pub(super) fn fails(&self, error: impl fmt::Display) -> Result<(), Halt> {
        if self.until.get() == 0 {
            return Err(Halt::Stopped);
        }
        if self.since.elapsed() > PATIENCE {
            return Err(Halt::Failed { what: format!("the engine does not answer: {error}"), refused: false });
        }
        thread::sleep(PAUSE);
        Ok(())
    }
}
