//! Panics of ids, payloads, stores and measures: at every call of theirs, within every call that changes a buffer or a
//! sender. After a panic that was caught, every invariant holds, nothing runs for ever, and the interrupted call can be
//! repeated. In the end everything is delivered, once, after its causes.
#![cfg(feature = "std")]

use std::cell::Cell;
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use happens_before::delivery::{BufferLimits, DagEvent, DagLimits, Stability};
use happens_before::{CausalBuffer, CausalSender, DagBuffer, Dot, Message, VersionVector};

thread_local! {
    /// The number of calls until one panics; `None` if none does.
    static FUSE: Cell<Option<u32>> = const { Cell::new(None) };
}

/// Counts one call of the caller's code, and panics if it is the last.
fn tick() {
    match FUSE.get() {
        Some(0) if !std::thread::panicking() => {
            FUSE.set(None);
            // No message is printed, because there are thousands of panics.
            std::panic::resume_unwind(Box::new("the caller's code panics"));
        }
        Some(left) if left > 0 => FUSE.set(Some(left - 1)),
        _ => {}
    }
}

/// An id or a payload whose every call may panic.
#[derive(Debug)]
struct Fused(u64);

impl Clone for Fused {
    fn clone(&self) -> Self {
        tick();
        Self(self.0)
    }
}

impl Drop for Fused {
    fn drop(&mut self) {
        tick();
    }
}

impl PartialEq for Fused {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Fused {}

impl PartialOrd for Fused {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Fused {
    fn cmp(&self, other: &Self) -> Ordering {
        tick();
        self.0.cmp(&other.0)
    }
}

impl std::hash::Hash for Fused {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        tick();
        self.0.hash(state);
    }
}

/// Runs `call` on a new `subject` repeatedly, each time with a panic one call of the caller's code later, until it ends
/// without one. Checks each result by `after`. Returns the number of panics.
fn with_every_panic<S>(subject: impl Fn() -> S, call: impl Fn(&mut S), after: impl Fn(S)) -> u32 {
    for calls in 0..10_000 {
        let mut subject = subject();
        FUSE.set(Some(calls));
        let caught = catch_unwind(AssertUnwindSafe(|| call(&mut subject)));
        let has_ended = caught.is_ok();
        FUSE.set(None);
        after(subject);
        if has_ended {
            return calls;
        }
    }
    panic!("it never comes to its end");
}

type Msg = Message<Fused, Fused>;
type Buffer = CausalBuffer<Fused, Fused>;

fn dot(node: u64, counter: u64) -> Dot<Fused> {
    Dot::new(Fused(node), counter).unwrap()
}

fn message(node: u64, counter: u64, dependencies: &[(u64, u64)]) -> Msg {
    let dependencies = dependencies.iter().map(|&(node, counter)| dot(node, counter));
    Message::new(dot(node, counter), dependencies, Fused(10 * node + counter)).unwrap()
}

/// All messages that were sent, each after its causes.
fn sent() -> Vec<Msg> {
    vec![
        message(1, 1, &[]),
        message(2, 1, &[(1, 1)]),
        message(3, 1, &[(1, 1)]),
        message(3, 2, &[(2, 1)]),
        message(1, 2, &[(3, 2)]),
        message(4, 1, &[(1, 2), (2, 1)]),
        message(2, 2, &[(1, 1), (3, 2)]),
        message(5, 1, &[(2, 2), (4, 1)]),
    ]
}

const LIMITS: BufferLimits =
    BufferLimits { messages: 6, bytes: 10_000, horizon: 100, nodes: 9, dependencies: 4, sources: 3 };

fn measure(payload: &Fused) -> usize {
    tick();
    payload.0 as usize
}

/// A buffer with ready, released and held messages from two sources.
fn buffer() -> Buffer {
    let mut buffer = CausalBuffer::measured(LIMITS, measure);
    let mut sent = sent();
    for (at, source) in [(7, 71), (4, 72), (4, 71), (3, 72), (2, 71), (1, 72)] {
        let message = sent[at].clone();
        buffer.accept_from(&Fused(source), message).unwrap();
    }
    buffer.accept(sent.remove(0)).unwrap();
    buffer
}

/// Accepts everything as often as needed. Checks that each message that was not delivered before comes once, after its
/// causes.
fn deliver_all(mut buffer: Buffer) {
    assert_eq!(buffer.internal_validate(), Ok(()));
    let mut delivered = buffer.delivered();
    for _ in 0..9 {
        for message in sent() {
            let _ = buffer.accept(message);
            assert_eq!(buffer.internal_validate(), Ok(()));
            while let Some(message) = buffer.pop() {
                assert!(message.dependencies().iter().all(|cause| delivered.contains(cause)));
                assert_eq!(message.dot().counter(), delivered.get(message.dot().node()) + 1);
                delivered.observe(message.dot());
                assert_eq!(buffer.internal_validate(), Ok(()));
            }
        }
    }
    let all = [(1, 2), (2, 2), (3, 2), (4, 1), (5, 1)];
    assert_eq!(delivered, all.into_iter().map(|(node, counter)| (Fused(node), counter)).collect());
    assert!(buffer.is_empty() && buffer.missing().next().is_none());
}

#[test]
fn a_causal_buffer_outlives_every_panic() {
    let brought = |source: Option<u64>, node, counter, dependencies: &[(u64, u64)]| {
        let parts = (dot(node, counter), dependencies.to_vec());
        move |buffer: &mut Buffer| {
            // The message is made in each run, because making it may panic too.
            let (own, dependencies) = &parts;
            let message = message(own.node().0, own.counter(), dependencies);
            let accepted = match source {
                None => buffer.accept(message),
                Some(source) => buffer.accept_from(&Fused(source), message),
            };
            drop(accepted);
        }
    };
    let all = sent().into_iter().map(|message| {
        let dependencies = message.dependencies().iter().map(|cause| (cause.node().0, cause.counter()));
        (message.dot().node().0, message.dot().counter(), dependencies.collect::<Vec<_>>())
    });
    let mut panics = 0;
    for (node, counter, dependencies) in all {
        for source in [None, Some(71), Some(73)] {
            let full = || {
                let mut buffer = buffer();
                buffer.pop();
                buffer
            };
            panics += with_every_panic(buffer, brought(source, node, counter, &dependencies), deliver_all);
            panics += with_every_panic(full, brought(source, node, counter, &dependencies), deliver_all);
        }
    }
    assert!(panics > 500, "{panics}");

    for pops in 0..9 {
        let popped = || {
            let mut buffer = buffer();
            (0..pops).for_each(|_| drop(buffer.pop()));
            buffer
        };
        // No message is popped and lost: the returned one is checked afterwards.
        let pop = |buffer: &mut Buffer| std::mem::forget(buffer.pop());
        with_every_panic(popped, pop, deliver_all);
        with_every_panic(popped, |buffer| assert!(buffer.remove_source(&Fused(71)) < 9), deliver_all);
        with_every_panic(popped, |buffer| drop(buffer.drain_undelivered()), deliver_all);
        let advance = |buffer: &mut Buffer| {
            // The vector is causally closed: the first message of 2 follows that of 1.
            let vector = VersionVector::from_iter([(Fused(1), 1), (Fused(2), 1), (Fused(8), 1)]);
            buffer.advance_to(&vector).unwrap();
        };
        let without_eight = |buffer: Buffer| assert_eq!(buffer.internal_validate(), Ok(()));
        assert!(with_every_panic(popped, advance, without_eight) > 10);
        let close = |buffer: &mut Buffer| drop(buffer.close(&Fused(3), 1));
        let closed = |mut buffer: Buffer| {
            assert_eq!(buffer.internal_validate(), Ok(()));
            // All or nothing: a closed message is not missing, and no message here waits for it.
            if buffer.closed().any(|(node, _)| node.0 == 3) {
                assert!(buffer.undelivered().all(|held| !held.dependencies().contains(&dot(3, 2))));
            }
            let doomed = buffer.close(&Fused(3), 1);
            assert!(doomed.is_ok() || buffer.delivered_up_to(&Fused(3)) == 2);
            assert_eq!(buffer.internal_validate(), Ok(()));
        };
        with_every_panic(popped, close, closed);
    }
}

type Dag = DagBuffer<Fused, Fused>;

fn event(id: u64) -> DagEvent<Fused, Fused> {
    let parents: [&[u64]; 7] = [&[], &[0], &[0], &[1, 2], &[2], &[3, 4, 4], &[5, 1]];
    let parents = parents[id as usize];
    DagEvent { id: Fused(id), parents: parents.iter().map(|&id| Fused(id)).collect(), payload: Fused(id) }
}

/// A store of the delivered events, whose answers may panic.
#[derive(Default)]
struct Store(BTreeSet<u64>);

impl Store {
    fn has(&self, id: &Fused) -> bool {
        tick();
        self.0.contains(&id.0)
    }
}

fn dag(here: &[u64], pops: usize) -> (Dag, Store) {
    let (mut buffer, mut store) =
        (DagBuffer::new(DagLimits { events: 6, ..DagLimits::default() }), Store::default());
    for &id in here {
        buffer.accept(event(id), |id| store.has(id)).unwrap();
    }
    for _ in 0..pops {
        store.0.extend(buffer.pop().map(|event| event.id.0));
    }
    (buffer, store)
}

fn deliver_all_events((mut buffer, mut store): (Dag, Store)) {
    assert_eq!(buffer.internal_validate(), Ok(()));
    for _ in 0..7 {
        for id in 0..7 {
            let _ = buffer.accept(event(id), |id| store.has(id));
            assert_eq!(buffer.internal_validate(), Ok(()));
            while let Some(event) = buffer.pop() {
                assert!(event.parents.iter().all(|parent| store.has(parent)));
                assert!(store.0.insert(event.id.0), "delivered twice");
                assert_eq!(buffer.internal_validate(), Ok(()));
            }
        }
    }
    assert_eq!(store.0.len(), 7);
    assert!(buffer.is_empty() && buffer.missing().next().is_none());
}

#[test]
fn a_buffer_for_a_graph_outlives_every_panic() {
    let states: [(&[u64], usize); 5] =
        [(&[], 0), (&[6, 5, 3], 0), (&[3, 4, 5, 0, 2], 0), (&[3, 4, 5, 0, 2], 1), (&[6, 5, 4, 2, 1, 0], 3)];
    let mut panics = 0;
    for (here, pops) in states {
        let state = || dag(here, pops);
        for id in 0..7 {
            let accept =
                |(buffer, store): &mut (Dag, Store)| drop(buffer.accept(event(id), |id| store.has(id)));
            panics += with_every_panic(state, accept, deliver_all_events);
            let forget = |(buffer, _): &mut (Dag, Store)| drop(buffer.forget(&Fused(id)));
            panics += with_every_panic(state, forget, deliver_all_events);
            // The caller's store has the event, whether the buffer was told or not.
            let report = |(buffer, store): &mut (Dag, Store)| {
                store.0.extend([0, 2]);
                buffer.advance_to(&[Fused(0), Fused(2)]);
            };
            let reported = |(mut buffer, mut store): (Dag, Store)| {
                assert_eq!(buffer.internal_validate(), Ok(()));
                store.0.extend([0, 2]);
                buffer.advance_to(&[Fused(0), Fused(2)]);
                deliver_all_events((buffer, store));
            };
            panics += with_every_panic(state, report, reported);
        }
        let pop = |(buffer, store): &mut (Dag, Store)| {
            if let Some(event) = buffer.pop() {
                store.0.insert(event.id.0);
                std::mem::forget(event);
            }
        };
        panics += with_every_panic(state, pop, deliver_all_events);
        panics += with_every_panic(state, |(buffer, _)| drop(buffer.drain_undelivered()), deliver_all_events);
    }
    assert!(panics > 500, "{panics}");
}

#[test]
fn a_sender_outlives_every_panic_and_no_message_names_too_little() {
    // There are a few heads, then as many as fit into the array, then more, which are kept in a tree.
    for heads in [3, 32, 40] {
        let sender = || {
            let mut sender = CausalSender::new(Fused(0)).with_dependencies(1_000);
            (1..=heads).for_each(|node| sender.observe(&message(node, 1, &[])));
            sender
        };
        let names = |message: &Message<Fused, ()>| {
            message.dependencies().iter().map(|cause| (cause.node().0, cause.counter())).collect::<Vec<_>>()
        };
        let next = |mut sender: CausalSender<Fused>, expected: &[(u64, u64)]| {
            assert_eq!(sender.internal_validate(), Ok(()));
            let message = sender.stamp(()).unwrap();
            assert_eq!(message.dot().counter(), sender.counter());
            let named = names(&message);
            assert!(expected.iter().all(|head| named.contains(head)), "{expected:?} is more than {named:?}");
        };
        let old: Vec<_> = (1..=heads).map(|node| (node, 1)).collect();
        let observed = message(50, 7, &[(1, 1), (2, 1)]);
        let covered: Vec<_> = old[2..].iter().copied().chain([(50, 7)]).collect();
        let panics = with_every_panic(
            sender,
            |sender| sender.observe(&observed),
            |mut sender| {
                // The names of the next message still follow every old head.
                sender.observe(&observed);
                next(sender, &covered);
            },
        );
        assert!(panics > 2, "{panics}");
        with_every_panic(
            sender,
            |sender| drop(sender.stamp(()).map(std::mem::forget)),
            |mut sender| {
                if sender.counter() == 0 {
                    assert_eq!(names(&sender.stamp(()).unwrap()), old, "the number is not used");
                }
                assert_eq!(sender.frontier().len(), 0);
            },
        );
        let vector = || VersionVector::from_iter([(Fused(0), 5), (Fused(1), 4), (Fused(60), 9)]);
        with_every_panic(
            sender,
            |sender| sender.advance_to(&vector()),
            |mut sender| {
                sender.advance_to(&vector());
                assert!(sender.counter() == 5);
                next(sender, &[(1, 4), (2, 1), (60, 9)]);
            },
        );
    }
}

#[test]
fn stability_outlives_every_panic() {
    let vector = |entries: &[(u64, u64)]| -> VersionVector<Fused> {
        entries.iter().map(|&(node, counter)| (Fused(node), counter)).collect()
    };
    let stability = || {
        let mut stability = Stability::new([1, 2, 3].map(Fused), 9).unwrap();
        stability.observe(&Fused(1), &vector(&[(1, 4), (2, 3), (3, 1)])).unwrap();
        stability.observe(&Fused(2), &vector(&[(1, 2), (2, 5)])).unwrap();
        stability.causally_stable(&vector(&[]));
        stability
    };
    type Call<'a> = &'a dyn Fn(&mut Stability<Fused>);
    let calls: [Call<'_>; 4] = [
        &|stability| drop(stability.observe(&Fused(3), &vector(&[(1, 3), (2, 4), (3, 2), (7, 1)]))),
        &|stability| stability.join(Fused(0), &vector(&[(1, 9), (8, 1)])).unwrap(),
        &|stability| drop(stability.remove(&Fused(3))),
        &|stability| drop(stability.causally_stable(&vector(&[(1, 4), (2, 5), (3, 1)])).clone()),
    ];
    for call in calls {
        let expected = || {
            let mut stability = stability();
            call(&mut stability);
            stability
        };
        let panics = with_every_panic(stability, call, |mut stability| {
            assert_eq!(stability.internal_validate(), Ok(()));
            call(&mut stability);
            assert_eq!(stability.internal_validate(), Ok(()));
            assert_eq!(stability.stable(), expected().stable());
            assert!(stability.members().eq(expected().members()));
        });
        assert!(panics > 5, "{panics}");
    }
}
