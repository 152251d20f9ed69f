//! Replicas and their state machines, each rule by name.

use std::cell::{Cell, RefCell};
use std::num::NonZeroU64;
use std::panic::{AssertUnwindSafe, catch_unwind};

use happens_before::broadcast::blocking::{FollowError, follow, follow_appends, settle, settle_append};
use happens_before::broadcast::{
    AppendLog, Entry, Fence, FencingToken, Follow, LogFull, MemoryLog, Position, Published, PublisherConfig,
    SlotLog, SubscribeError, SubscriberConfig,
};
use happens_before::counter::Counter;
use happens_before::scalar::LamportTimestamp;
use happens_before::{Dot, LamportClock, Publisher};
use happens_before_replicated::blocking::{outcome, outcome_append, sync, sync_append};
use happens_before_replicated::claims::{self, Claims};
use happens_before_replicated::lock::{self, Lock};
use happens_before_replicated::register::{self, Register};
use happens_before_replicated::{Replica, ReplicaError, ReplicaSnapshot, StateMachine, SyncError};

fn at(sequence: u64) -> Position {
    Position { epoch: 0, sequence, index: 0 }
}

/// A state machine that keeps each command with its position.
#[derive(Clone, Debug, Default, PartialEq)]
struct Journal(Vec<(Position, u8)>);

impl StateMachine for Journal {
    type Command = u8;
    type Output = usize;

    fn apply(&mut self, position: Position, command: u8) -> usize {
        self.0.push((position, command));
        self.0.len()
    }
}

type Shared<C> = RefCell<MemoryLog<&'static str, C>>;

fn journal() -> Replica<&'static str, Journal> {
    Replica::new(Journal::default(), SubscriberConfig::default())
}

/// Appends one batch.
fn append(log: &Shared<u8>, node: &'static str, first: u64, commands: &[u8]) {
    let first = Dot::new(node, first).unwrap();
    log.append(&Entry::batch(0, first, commands.to_vec()).unwrap()).unwrap();
}

/// Time passes at once.
fn wait(until_ms: u64) -> Option<u64> {
    Some(until_ms)
}

#[test]
fn commands_are_applied_in_order_once_and_at_their_positions() {
    let log = RefCell::new(MemoryLog::new(100));
    append(&log, "a", 1, &[10, 11]);
    append(&log, "a", 1, &[10, 11]); // its answer was lost; it is not stored again
    append(&log, "b", 1, &[20]);
    let mut replica = journal();
    follow_appends(&mut replica, &log, 0).unwrap();
    assert_eq!(replica.machine(), &Journal::default(), "nothing is applied before it is taken out");
    let mut outputs = Vec::new();
    while let Some(applied) = replica.poll_applied().unwrap() {
        outputs.push((applied.id.to_string(), applied.output));
        assert_eq!(replica.machine().0.len(), outputs.len());
        assert!(replica.has_passed(&applied.id));
    }
    let second = Position { index: 1, ..at(1) };
    assert_eq!(replica.machine().0, [(at(1), 10), (second, 11), (at(2), 20)]);
    assert_eq!(outputs.iter().map(|output| output.1).collect::<Vec<_>>(), [Some(1), Some(2), Some(3)]);
    assert_eq!(replica.next(), 3);
    assert!(!replica.has_passed(&Dot::new("a", 3).unwrap()));
    assert!(!replica.has_passed(&Dot::new("c", 1).unwrap()));
}

#[test]
fn a_snapshot_in_the_middle_of_an_entry_applies_the_rest_once() {
    let log = RefCell::new(MemoryLog::new(100));
    append(&log, "a", 1, &[1, 2, 3]);
    append(&log, "b", 1, &[4]);
    append(&log, "a", 1, &[1, 2, 3]);
    let run = |mut replica: Replica<_, _>| {
        follow_appends(&mut replica, &log, 0).unwrap();
        while replica.poll_applied().unwrap().is_some() {}
        replica.snapshot().unwrap()
    };
    let whole = run(journal());
    for taken in 0..=4 {
        let mut replica = journal();
        follow_appends(&mut replica, &log, 0).unwrap();
        for _ in 0..taken {
            replica.poll_applied().unwrap().unwrap();
        }
        let snapshot = replica.snapshot().unwrap();
        assert_eq!(snapshot.machine.0.len(), taken);
        assert_eq!(run(Replica::resume(snapshot, SubscriberConfig::default())), whole, "after {taken}");
    }
}

#[test]
fn a_replica_that_lags_behind_a_trimmed_log_goes_on_from_a_snapshot() {
    let log = RefCell::new(MemoryLog::new(100));
    append(&log, "a", 1, &[1]);
    append(&log, "b", 1, &[2]);
    let (mut ahead, mut behind) = (journal(), journal());
    follow_appends(&mut ahead, &log, 0).unwrap();
    while ahead.poll_applied().unwrap().is_some() {}
    log.borrow_mut().trim(3);
    append(&log, "a", 2, &[3]);

    let trimmed = follow_appends(&mut behind, &log, 0).unwrap_err();
    assert_eq!(trimmed, FollowError::Subscribe(SubscribeError::Trimmed { next: 1, first: 3 }));
    behind.install(ahead.snapshot().unwrap()).unwrap();
    assert_eq!(behind.machine(), ahead.machine());
    assert_eq!(behind.install(ahead.snapshot().unwrap()), Err(ahead.snapshot().unwrap()), "not ahead");

    // The outcome of its own command is no longer reported.
    let published = Published { id: Dot::new("b", 1).unwrap(), slot: 2 };
    let passed = outcome(&mut behind, &published, &log, |_| unreachable!()).unwrap_err();
    assert_eq!(passed, FollowError::Goal(ReplicaError::Passed { id: published.id }));

    let next = Published { id: Dot::new("a", 2).unwrap(), slot: 3 };
    let applied = outcome(&mut behind, &next, &log, wait).unwrap();
    assert_eq!((applied.position, applied.output), (at(3), Some(3)));
}

#[test]
fn a_snapshot_that_is_not_ahead_is_refused_and_changes_nothing() {
    let log = RefCell::new(MemoryLog::new(100));
    append(&log, "a", 1, &[1]);
    let mut replica = journal();
    let old = replica.snapshot().unwrap();
    follow_appends(&mut replica, &log, 0).unwrap();
    replica.poll_applied().unwrap().unwrap();
    let before = replica.snapshot().unwrap();
    assert_eq!(replica.install(old.clone()), Err(old));
    assert_eq!(replica.snapshot().unwrap(), before);
}

#[test]
fn the_outcomes_of_a_batch_come_one_after_the_other() {
    let log = RefCell::new(MemoryLog::new(100));
    append(&log, "b", 1, &[9]);
    let mut appender = Publisher::new("a", PublisherConfig::over_appends());
    appender.publish_batch([1, 2]).unwrap();
    let first = settle_append(&mut appender, &log).unwrap().unwrap();
    let second = Published { id: Dot::new("a", 2).unwrap(), ..first };
    let mut replica = journal();
    assert_eq!(outcome(&mut replica, &first, &log, wait).unwrap().output, Some(2));
    assert_eq!(outcome(&mut replica, &second, &log, wait).unwrap().output, Some(3));
    // The outcome of the second can be requested alone.
    assert_eq!(outcome(&mut journal(), &second, &log, wait).unwrap().output, Some(3));
}

#[test]
fn the_own_command_is_read_at_once_although_the_log_was_empty_just_now() {
    let log: Shared<u8> = RefCell::new(MemoryLog::new(100));
    let mut replica = journal();
    follow_appends(&mut replica, &log, 0).unwrap();
    assert_eq!(replica.poll_timeout(), Some(50));
    append(&log, "a", 1, &[1]);
    let published = Published { id: Dot::new("a", 1).unwrap(), slot: 1 };
    let mut waits = 0;
    let applied = outcome_append(&mut replica, &published, &log, |until_ms| {
        waits += 1;
        assert_eq!((waits, until_ms), (1, 0), "no time passes");
        Some(0)
    });
    assert_eq!(applied.unwrap().output, Some(1));
}

#[test]
fn a_wait_that_is_given_up_ends_and_the_next_call_goes_on() {
    let log: Shared<u8> = RefCell::new(MemoryLog::new(100));
    let counter = Manual::default();
    counter.0.set(1); // taken by a node that has died
    let mut publisher = Publisher::new("a", PublisherConfig::default());
    publisher.publish(7).unwrap();
    let published = settle(&mut publisher, &counter, &log).unwrap().unwrap();
    assert_eq!(published.slot, 2);
    let mut replica = journal();
    let mut waits = 0;
    let impatient = outcome(&mut replica, &published, &log, |_| {
        waits += 1;
        (waits < 3).then_some(0)
    });
    assert_eq!((impatient, waits), (Err(FollowError::GivenUp), 3));
    assert_eq!(outcome(&mut replica, &published, &log, wait).unwrap().position, at(2));
}

#[test]
fn after_two_contents_were_seen_in_a_slot_a_wait_ends_before_it() {
    let log: Shared<u8> = RefCell::new(MemoryLog::new(100));
    let entry = |node, n| Entry::message(0, Dot::new(node, n).unwrap(), 7);
    log.write(1, &entry("a", 1)).unwrap();
    let mut publisher = Publisher::resume("a", 1, None, PublisherConfig::default()).unwrap();
    publisher.publish(7).unwrap();
    let counter = Manual::default();
    counter.0.set(1);
    let published = settle(&mut publisher, &counter, &log).unwrap().unwrap();

    let mut replica = journal();
    replica.handle_entry(2, entry("b", 1)).unwrap();
    replica.handle_entry(2, entry("a", 2)).unwrap_err();
    let halted = || FollowError::Subscribe(SubscribeError::Halted { slot: 2 });
    for _ in 0..2 {
        let waited = sync(&mut replica, &counter, &log, |_| Some(0));
        assert_eq!(waited, Err(SyncError::Follow(halted())));
        let waited = outcome_append(&mut replica, &published, &log, |_| Some(0));
        assert_eq!(waited.unwrap_err(), halted());
    }
    assert_eq!(replica.machine().0.len(), 1, "what is below is certain");
}

#[test]
fn a_read_by_position_passes_holes_up_to_the_current_number() {
    let log: Shared<u8> = RefCell::new(MemoryLog::new(100));
    log.write(1, &Entry::message(0, Dot::new("a", 1).unwrap(), 1)).unwrap();
    let counter = Manual::default();
    counter.0.set(3); // 2 and 3 were taken by a node that has died
    let mut replica = journal();
    while replica.poll_sync(3).unwrap().is_none() {
        assert!(replica.next() <= 3, "it is there");
        let now_ms = replica.poll_timeout().unwrap();
        follow(&mut replica, &log, now_ms).unwrap();
    }
    assert_eq!((replica.next(), replica.machine().0.len()), (4, 1));
    sync(&mut replica, &counter, &log, |_| unreachable!("it is there")).unwrap();
    let mut other = journal();
    sync(&mut other, &counter, &log, wait).unwrap();
    assert_eq!(other.snapshot(), replica.snapshot());

    // It applies no more than it must.
    log.write(4, &Entry::message(0, Dot::new("a", 2).unwrap(), 2)).unwrap();
    log.write(5, &Entry::message(0, Dot::new("a", 3).unwrap(), 3)).unwrap();
    counter.0.set(4);
    sync(&mut replica, &counter, &log, wait).unwrap();
    assert_eq!((replica.next(), replica.machine().0.len()), (5, 2));
}

#[test]
fn a_node_too_many_stops_a_wait_until_there_is_room() {
    let log = RefCell::new(MemoryLog::new(100));
    append(&log, "a", 1, &[1]);
    append(&log, "b", 1, &[2]);
    let mut replica =
        Replica::new(Journal::default(), SubscriberConfig { nodes: 1, ..SubscriberConfig::default() });
    let published = Published { id: Dot::new("b", 1).unwrap(), slot: 2 };
    let waited = outcome(&mut replica, &published, &log, wait);
    let Err(FollowError::Goal(ReplicaError::NodeTableFull(error))) = waited else { panic!("{waited:?}") };
    assert_eq!((error.node, replica.machine().0.len()), ("b", 1));
    replica.set_nodes(2);
    assert_eq!(outcome(&mut replica, &published, &log, wait).unwrap().output, Some(2));
}

/// A counter that can be set back, and so breaks its promise.
#[derive(Default)]
struct Manual(Cell<u64>);

impl Counter for Manual {
    type Error = LogFull;

    fn increment_and_get(&self, n: NonZeroU64) -> Result<u64, LogFull> {
        let first = self.0.get() + 1;
        self.0.set(self.0.get() + n.get());
        Ok(first)
    }

    fn current(&self) -> Result<u64, LogFull> {
        Ok(self.0.get())
    }
}

#[test]
fn over_appends_a_replica_that_is_told_of_a_command_reads_up_to_it_at_once() {
    let log = RefCell::new(MemoryLog::new(100));
    let mut replica = journal();
    follow_appends(&mut replica, &log, 1_000).unwrap(); // nothing there; the next poll is at 1,050 ms
    append(&log, "a", 1, &[10, 11]);
    append(&log, "b", 1, &[20]);
    append(&log, "c", 1, &[30]);

    follow_appends(&mut replica, &log, 1_001).unwrap();
    assert_eq!(replica.poll_applied(), Ok(None), "it is not told, and does not poll yet");
    let mut waits = Vec::new();
    let mut wait = |until_ms: u64| {
        waits.push(until_ms);
        Some(until_ms.max(1_001))
    };
    sync_append(&mut replica, 2, &log, &mut wait).unwrap();
    assert_eq!(
        replica.machine().0.iter().map(|command| command.1).collect::<Vec<_>>(),
        [10, 11, 20],
        "no further"
    );
    sync_append(&mut replica, 1, &log, &mut wait).unwrap();
    assert_eq!(replica.next(), 3, "what is passed is passed");
    assert!(waits.iter().all(|&until_ms| until_ms <= 1_001), "{waits:?}");

    // A command that its sender was not told of is waited for, until the caller gives up.
    let told = sync_append(&mut replica, 4, &log, |until_ms| (until_ms < 2_000).then_some(until_ms));
    assert_eq!(told, Err(FollowError::GivenUp));
    assert_eq!(replica.next(), 4);
    append(&log, "a", 3, &[40]);
    sync_append(&mut replica, 4, &log, wait_from(2_000)).unwrap();
    assert_eq!(replica.next(), 5);
}

/// Time passes at once, from this time on.
fn wait_from(now_ms: u64) -> impl FnMut(u64) -> Option<u64> {
    move |until_ms| Some(until_ms.max(now_ms))
}

#[test]
fn after_a_counter_reset_a_read_by_position_is_stale_and_one_by_marker_is_not() {
    let (counter, log) = (Manual::default(), RefCell::new(MemoryLog::new(100)));
    let new = || Replica::new(Register::new(0), SubscriberConfig::default());
    let (mut writer, mut own) = (Publisher::new("writer", PublisherConfig::default()), new());
    for value in [1, 2] {
        writer.publish(register::Command::Write(value)).unwrap();
        let published = settle(&mut writer, &counter, &log).unwrap().unwrap();
        outcome(&mut own, &published, &log, wait).unwrap(); // acknowledged
    }
    counter.0.set(1); // unseen

    let mut reader = new();
    sync(&mut reader, &counter, &log, wait).unwrap();
    assert_eq!(reader.machine().value(), &1, "stale: 2 was acknowledged before the read began");

    let (mut publisher, mut reader) = (Publisher::new("reader", PublisherConfig::default()), new());
    publisher.publish_marker().unwrap();
    let published = settle(&mut publisher, &counter, &log).unwrap().unwrap();
    assert_eq!(outcome(&mut reader, &published, &log, wait).unwrap().output, None);
    assert_eq!(reader.machine().value(), &2);
}

/// A node that decides the owner of a name by the Lamport timestamps that it knows.
struct ByTimestamp {
    clock: LamportClock<char>,
    known: Vec<LamportTimestamp<char>>,
}

impl ByTimestamp {
    fn new(node: char) -> Self {
        Self { clock: LamportClock::new(node), known: Vec::new() }
    }

    /// Claims the name for a user of this node.
    fn claim(&mut self) -> LamportTimestamp<char> {
        let claim = self.clock.tick().unwrap();
        self.known.push(claim);
        claim
    }

    fn receive(&mut self, claim: LamportTimestamp<char>) {
        self.clock.observe(claim.counter()).unwrap();
        self.known.push(claim);
    }

    /// Returns the owner of the name: the node whose claim is first in the total order of timestamps.
    fn winner(&self) -> char {
        *self.known.iter().min().unwrap().node()
    }
}

/// Kleppmann, chapter 9, "Timestamp ordering is not sufficient".
#[test]
fn by_lamport_timestamps_two_nodes_both_believe_that_they_have_won_the_name() {
    let (mut a, mut b) = (ByTimestamp::new('a'), ByTimestamp::new('b'));
    let (claim_a, claim_b) = (a.claim(), b.claim());
    // Each must answer its user, and knows of no other claim.
    assert_eq!((a.winner(), b.winner()), ('a', 'b'));
    // Later they agree, and b has told its user something false.
    a.receive(claim_b);
    b.receive(claim_a);
    assert_eq!((a.winner(), b.winner()), ('a', 'a'));
    // Knowing the other claim does not help either: a late claim may still be first.
    let mut c = ByTimestamp::new('c');
    c.receive(claim_b);
    assert_eq!(c.winner(), 'b');
    c.receive(claim_a);
    assert_eq!(c.winner(), 'a');
}

/// The same two nodes, with claims on the log: the first claim wins.
#[test]
fn by_claims_on_the_log_one_node_has_won_and_the_other_is_told_so() {
    for order in [["a", "b"], ["b", "a"]] {
        let log = RefCell::new(MemoryLog::new(100));
        let published = order.map(|node| {
            let mut appender = Publisher::new(node, PublisherConfig::over_appends());
            appender.publish(claims::Command::Claim { name: "alice", claimant: node }).unwrap();
            settle_append(&mut appender, &log).unwrap().unwrap()
        });
        let told = published.map(|published| {
            let mut replica = Replica::new(Claims::new(10), SubscriberConfig::default());
            outcome(&mut replica, &published, &log, wait).unwrap().output.unwrap()
        });
        assert_eq!(told, [claims::Outcome::Won, claims::Outcome::Lost { owner: order[0] }]);
    }
}

#[test]
fn claims_are_bounded_and_a_full_one_still_tells_who_has_what() {
    let mut claims = Claims::new(1);
    let claim = |name, claimant| claims::Command::Claim { name, claimant };
    assert_eq!(claims.apply(at(1), claim("x", 1)), claims::Outcome::Won);
    assert_eq!(claims.apply(at(2), claim("y", 2)), claims::Outcome::Full);
    assert_eq!(claims.apply(at(3), claim("x", 2)), claims::Outcome::Lost { owner: 1 });
    assert_eq!(claims.apply(at(4), claim("x", 1)), claims::Outcome::Won);
    assert_eq!((claims.owner(&"x"), claims.owner(&"y")), (Some(&1), None));
    assert_eq!(claims.iter().collect::<Vec<_>>(), [(&"x", &1)]);
}

#[test]
fn a_name_is_released_by_its_owner_alone_and_is_free_again() {
    let mut claims = Claims::new(1);
    let claim = |name, claimant| claims::Command::Claim { name, claimant };
    let release = |name, claimant| claims::Command::Release { name, claimant };
    assert_eq!(claims.apply(at(1), release("x", 1)), claims::Outcome::NotHeld, "never claimed");
    assert_eq!(claims.apply(at(2), claim("x", 1)), claims::Outcome::Won);
    assert_eq!(claims.apply(at(3), release("x", 2)), claims::Outcome::NotHeld, "another's");
    assert_eq!(claims.owner(&"x"), Some(&1));
    assert_eq!(claims.apply(at(4), release("x", 1)), claims::Outcome::Released);
    assert_eq!(claims.apply(at(5), release("x", 1)), claims::Outcome::NotHeld, "released before");
    assert_eq!(claims.apply(at(6), claim("y", 2)), claims::Outcome::Won, "there is room again");
    assert_eq!(claims.apply(at(7), claim("x", 1)), claims::Outcome::Full);
    assert_eq!(claims.iter().collect::<Vec<_>>(), [(&"y", &2)]);
}

#[test]
fn compare_and_set_sets_what_is_expected_and_nothing_else() {
    let mut register = Register::new(1);
    let swap = |expected, new| register::Command::CompareAndSet { expected, new };
    assert_eq!(register.apply(at(1), swap(0, 2)), register::Outcome::Refused { current: 1 });
    assert_eq!(register.value(), &1);
    assert_eq!(register.apply(at(2), swap(1, 2)), register::Outcome::Set);
    assert_eq!(register.apply(at(3), register::Command::Write(5)), register::Outcome::Set);
    assert_eq!(register.value(), &5);
}

#[test]
fn a_lock_is_granted_to_one_at_a_time_and_told_again() {
    let mut lock = Lock::new();
    let token = |sequence| FencingToken::new(at(sequence));
    let granted = |sequence| lock::Outcome::Granted { token: token(sequence) };
    assert_eq!(lock.apply(at(1), lock::Command::acquire("a")), granted(1));
    assert_eq!(lock.apply(at(2), lock::Command::acquire("a")), granted(1), "its own token again");
    let held = lock::Outcome::Held { by: "a", token: token(1) };
    assert_eq!(lock.apply(at(3), lock::Command::acquire("b")), held);
    assert_eq!(lock.apply(at(4), lock::Command::Release { token: token(3) }), lock::Outcome::NotHeld);
    assert_eq!(lock.holder(), Some((&"a", token(1))));
    assert_eq!(lock.apply(at(5), lock::Command::Release { token: token(1) }), lock::Outcome::Released);
    assert_eq!(lock.holder(), None);
    assert_eq!(lock.apply(at(6), lock::Command::Release { token: token(1) }), lock::Outcome::NotHeld);
    assert_eq!(lock.apply(at(7), lock::Command::acquire("b")), granted(7));
}

#[test]
fn of_two_who_take_over_from_a_dead_holder_one_gets_the_lock() {
    let mut lock = Lock::new();
    let token = |sequence| FencingToken::new(at(sequence));
    lock.apply(at(1), lock::Command::acquire("dead"));
    let over = |owner| lock::Command::Acquire { owner, over: Some(token(1)) };
    assert_eq!(lock.apply(at(2), over("b")), lock::Outcome::Granted { token: token(2) });
    assert_eq!(lock.apply(at(3), over("c")), lock::Outcome::Held { by: "b", token: token(2) });
    // The node believed dead was slow, and asks again.
    assert_eq!(
        lock.apply(at(4), lock::Command::acquire("dead")),
        lock::Outcome::Held { by: "b", token: token(2) }
    );
    // Or it gives back a lock that it no longer holds.
    assert_eq!(lock.apply(at(4), lock::Command::Release { token: token(1) }), lock::Outcome::NotHeld);
    // The owner may end its own token for a new one.
    let renew = lock::Command::Acquire { owner: "b", over: Some(token(2)) };
    assert_eq!(lock.apply(at(5), renew), lock::Outcome::Granted { token: token(5) });
}

/// Tries all interleavings of two holders that take a lock, read and write. A holder raises the fence before it reads,
/// and writes the value read plus one.
#[test]
fn with_a_raised_fence_no_update_is_lost_whenever_a_holder_wakes_up() {
    /// Returns the number of admitted updates, and the content of the resource.
    fn run(schedule: u32, raises: bool) -> (u32, u32) {
        let (mut lock, mut fence, mut resource) = (Lock::new(), Fence::new(), 0_u32);
        let mut holders = [(0, None, None), (0, None, None)];
        let (mut admitted, mut sequence) = (0, 0);
        for turn in 0..8 {
            let owner = (schedule >> turn & 1) as usize;
            let (step, token, read) = &mut holders[owner];
            sequence += 1;
            match *step {
                0 => {
                    // The holder is believed to be dead.
                    let over = lock.holder().map(|(_, token)| token);
                    let command = lock::Command::Acquire { owner, over };
                    let lock::Outcome::Granted { token: granted } = lock.apply(at(sequence), command) else {
                        panic!()
                    };
                    *token = Some(granted);
                }
                1 if raises && fence.raise(token.unwrap()).is_err() => {}
                1 => *read = Some(resource),
                2 => {
                    if let Some(read) = *read
                        && fence.admit(token.unwrap()).is_ok()
                    {
                        (resource, admitted) = (read + 1, admitted + 1);
                    }
                }
                _ => {}
            }
            *step += 1;
        }
        (admitted, resource)
    }
    let lost = |raises| {
        (0..256)
            .filter(|&schedule| {
                let (admitted, resource) = run(schedule, raises);
                admitted != resource
            })
            .count()
    };
    assert_eq!(lost(true), 0);
    assert!(lost(false) > 0, "without raising, the old holder writes between the new one's read and its write");
}

/// A state machine that panics at given commands, at this replica alone.
#[derive(Clone, Debug, PartialEq)]
struct Unlucky {
    sum: u64,
    panics_at: Option<u64>,
}

impl StateMachine for Unlucky {
    type Command = u64;
    type Output = u64;

    fn apply(&mut self, _: Position, command: u64) -> u64 {
        assert_ne!(self.panics_at, Some(command), "out of luck");
        self.sum += command;
        self.sum
    }
}

#[test]
fn after_a_panic_of_the_state_machine_nothing_is_applied_before_a_snapshot_is_installed() {
    let log = RefCell::new(MemoryLog::new(100));
    for (number, command) in [(1, 100), (2, 500), (3, 20)] {
        log.append(&Entry::message(0, Dot::new("a", number).unwrap(), command)).unwrap();
    }
    let start = |panics_at| {
        let machine = Unlucky { sum: 0, panics_at };
        let mut replica = Replica::new(machine, SubscriberConfig::default());
        follow_appends(&mut replica, &log, 0).unwrap();
        replica
    };
    let mut replica = start(Some(500));
    assert_eq!(replica.poll_applied().unwrap().unwrap().output, Some(100));
    let before = replica.snapshot().unwrap();
    assert!(catch_unwind(AssertUnwindSafe(|| replica.poll_applied())).is_err());
    for _ in 0..3 {
        let error = replica.poll_applied().unwrap_err();
        assert_eq!(error, ReplicaError::Panicked { position: at(2), id: Dot::new("a", 2).unwrap() });
        assert_eq!(replica.snapshot(), Err(error));
        follow_appends(&mut replica, &log, 1_000).unwrap();
    }
    let published = Published { id: Dot::new("a", 3).unwrap(), slot: 3 };
    let error = outcome(&mut replica, &published, &log, |_| unreachable!()).unwrap_err();
    assert!(matches!(error, FollowError::Goal(ReplicaError::Panicked { .. })));
    let text = "the state machine panicked at command (\"a\", 2) at 0:2:0; go on from a snapshot";
    assert_eq!(error.to_string(), text);
    // Its subscriber is beyond the command already, so that a read would not have to wait for it.
    let broken = Err(ReplicaError::Panicked { position: at(2), id: Dot::new("a", 2).unwrap() });
    assert_eq!(replica.poll_sync(2), broken);
    let published = Published { id: Dot::new("a", 2).unwrap(), slot: 2 };
    assert_eq!(replica.poll_outcome(&published).map(|_| ()), broken.map(|_: Option<()>| ()));

    // A replica that did not panic.
    let mut other = start(None);
    while other.poll_applied().unwrap().is_some() {}
    let snapshot = other.snapshot().unwrap();
    replica.install(snapshot.clone()).unwrap();
    assert_eq!(replica.snapshot(), Ok(snapshot));
    assert_eq!(replica.poll_applied(), Ok(None));

    // Or again from the earlier snapshot, once the cause is gone.
    let machine = Unlucky { panics_at: None, ..before.machine };
    let mut replica = Replica::resume(ReplicaSnapshot { machine, ..before }, SubscriberConfig::default());
    follow_appends(&mut replica, &log, 0).unwrap();
    assert_eq!(replica.poll_applied().unwrap().unwrap().output, Some(600));
}
