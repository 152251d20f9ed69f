//! The allocating half of the core, and the replicated state machines.

use core::cell::RefCell;

use happens_before::broadcast::{AppendLog, Entry, Fence, MemoryLog, Published, SubscriberConfig};
use happens_before::check::CausalRun;
use happens_before::delivery::BufferLimits;
use happens_before::{CausalBuffer, CausalSender, Dot, Message, VersionVector};
use happens_before_replicated::lock::{Command, Lock, Outcome};
use happens_before_replicated::{Replica, blocking};

pub(crate) fn exercise(input: u64) -> u64 {
    version_vector(input) ^ delivery(input).unwrap_or(0) ^ replica(input).unwrap_or(0)
}

fn version_vector(input: u64) -> u64 {
    // More entries than fit inline, so that the allocator is used.
    let mut ours: VersionVector<u64> = (0..9).map(|node| (node, input)).collect();
    let theirs: VersionVector<u64> = (4..40).map(|node| (node, input / 2)).collect();
    let incremented = ours.increment(input).is_ok_and(|dot| theirs.contains(&dot));
    let missing = theirs.difference(&ours).map(|range| range.len()).fold(0, u64::wrapping_add);
    let order = theirs.compare(&ours);
    ours.merge(&theirs);
    ours.meet(&theirs);
    ours.retain(|node, _| node % 2 == 0);
    let removed = ours.remove(&6);
    let kept = ours.iter().map(|(_, counter)| counter).fold(0, u64::wrapping_add);
    removed ^ missing ^ order as u64 ^ u64::from(incremented) ^ kept
}

fn delivery(input: u64) -> Option<u64> {
    let mut sender = CausalSender::new(1_u64);
    let mut buffer = CausalBuffer::new(BufferLimits::default());
    let mut run = CausalRun::new(1);

    let theirs = Message::new(Dot::new(2, input)?, [Dot::new(3, 1)?], input).ok()?;
    sender.observe(&theirs);
    buffer.accept(theirs).ok()?;
    let ours = sender.stamp(input).ok()?;
    run.sent(*ours.dot(), ours.dependencies().iter().copied()).ok()?;
    buffer.accept(ours).ok()?;
    buffer.advance_to(&VersionVector::from_iter([(3, 1)])).ok()?;

    let missing = buffer.missing().map(|range| range.len()).fold(0, u64::wrapping_add);
    while let Some(message) = buffer.pop() {
        run.delivered(0, message.dot()).ok()?;
    }
    run.complete().ok()?;
    Some(missing ^ buffer.delivered().get(&2))
}

/// Acquires a lock of a node on a log in memory, and raises a fence.
fn replica(input: u64) -> Option<u64> {
    let log = RefCell::new(MemoryLog::new(10));
    log.append(&Entry::message(0, Dot::new(1, 1)?, Command::acquire(input))).ok()?;
    let published = Published { id: Dot::new(1, 1)?, slot: 1 };
    let mut replica = Replica::new(Lock::new(), SubscriberConfig::default());
    let outcome = blocking::outcome(&mut replica, &published, &log, |until_ms| Some(until_ms)).ok()?.output?;
    let Outcome::Granted { token } = outcome else { return None };
    Fence::new().raise(token).ok()?;
    replica.machine().holder().map(|(owner, _)| *owner)
}
