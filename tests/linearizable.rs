//! Tests of linearizability: callers coalesced into one request are linearizable, a block fetched ahead is not.
#![cfg(any(all(target_has_atomic = "64", not(happens_before_without_atomics)), feature = "portable-atomic"))]

use std::collections::VecDeque;
use std::num::NonZeroU64;

use happens_before::counter::{AtomicCounter, BatchRequest, Coalescing, Counter, Redeemed, Ticket};

const ONE: NonZeroU64 = NonZeroU64::MIN;

/// A node that fetches numbers a block at a time, ahead of its callers.
struct BlockAhead<'a> {
    counter: &'a AtomicCounter,
    block: std::ops::Range<u64>,
}

impl<'a> BlockAhead<'a> {
    fn new(counter: &'a AtomicCounter) -> Self {
        Self { counter, block: 0..0 }
    }

    fn take(&mut self) -> u64 {
        self.block.next().unwrap_or_else(|| {
            let first = self.counter.increment_and_get(NonZeroU64::new(1_000).unwrap()).unwrap();
            self.block = first + 1..first + 1_000;
            first
        })
    }
}

/// One call: when it began, when it ended, and the number that it got.
#[derive(Clone, Copy, Debug)]
struct Call {
    begin: u64,
    end: u64,
    number: u64,
}

/// Counts the contradictions: pairs in which one call ended before the other began, yet has the higher number. Unique
/// numbers are linearizable as those of a counter if and only if there is no such pair.
fn contradictions(calls: &[Call]) -> usize {
    let after = |x: &Call| calls.iter().filter(|y| x.end < y.begin && x.number > y.number).count();
    calls.iter().map(after).sum()
}

#[test]
fn an_answer_from_a_block_fetched_ahead_is_numbered_below_its_question() {
    let counter = AtomicCounter::new();
    let (mut a, mut b) = (BlockAhead::new(&counter), BlockAhead::new(&counter));
    assert_eq!(a.take(), 1); // A holds 1 ..= 1000
    let question = b.take(); // B holds 1001 ..= 2000, and sends a message to A
    let answer = a.take(); // A has received it, and answers
    assert_eq!((question, answer), (1_001, 2));
    let calls = [Call { begin: 1, end: 2, number: question }, Call { begin: 3, end: 4, number: answer }];
    assert_eq!(contradictions(&calls), 1);
}

#[test]
fn in_the_same_run_an_answer_from_coalesced_callers_is_numbered_above_its_question() {
    let counter = AtomicCounter::new();
    let (mut a, mut b) = (Coalescing::new(NonZeroU64::MAX), Coalescing::new(NonZeroU64::MAX));

    // A has a request under way: its numbers are taken but have not arrived. A comes no closer to holding numbers.
    let _earlier = a.join(ONE).unwrap();
    let slow = a.poll_request().unwrap();
    let first_of_slow = counter.increment_and_get(slow.n()).unwrap();

    let question = b.join(ONE).unwrap();
    let request = b.poll_request().unwrap();
    b.handle_response(request, counter.increment_and_get(request.n()).unwrap()).unwrap();
    let Redeemed::Numbers(question) = b.redeem(question) else { panic!("answered") };

    // The message reaches A, which answers.
    let answer = a.join(ONE).unwrap();
    a.handle_response(slow, first_of_slow).unwrap();
    let Redeemed::Waiting(answer) = a.redeem(answer) else { panic!("not with numbers taken before it came") };
    let request = a.poll_request().unwrap();
    a.handle_response(request, counter.increment_and_get(request.n()).unwrap()).unwrap();
    let Redeemed::Numbers(answer) = a.redeem(answer) else { panic!("answered") };
    assert_eq!((question, answer), (2, 3));
}

/// A small generator (splitmix64), so that a seed gives the same run everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % n
    }
}

/// One node of the simulation: its front, its callers, and its requests on the wire.
struct Node {
    front: Coalescing,
    callers: Vec<(u64, u64, Ticket)>,
    sent: VecDeque<BatchRequest>,
    answers: VecDeque<(BatchRequest, u64)>,
    awaited: Option<BatchRequest>,
}

#[derive(Default)]
struct Seen {
    calls: Vec<Call>,
    taken: u64,
    used: u64,
    requests: u64,
    failed: u64,
    refused: u64,
}

/// Runs three nodes with callers that come and go, on a network that delays, loses and reorders requests and answers.
fn coalesced_run(seed: u64) -> Seen {
    let random = &mut Random(seed);
    let counter = AtomicCounter::new();
    let mut seen = Seen::default();
    let mut nodes: Vec<Node> = (0..3)
        .map(|_| Node {
            front: Coalescing::new(NonZeroU64::new(12).unwrap()),
            callers: Vec::new(),
            sent: VecDeque::new(),
            answers: VecDeque::new(),
            awaited: None,
        })
        .collect();
    for now in 0..2_000 {
        let node = &mut nodes[random.below(3) as usize];
        match random.below(16) {
            0..6 => {
                let n = 1 + random.below(3);
                if let Ok(ticket) = node.front.join(NonZeroU64::new(n).unwrap()) {
                    node.callers.push((now, n, ticket));
                }
            }
            6..9 => {
                if let Some(request) = node.front.poll_request() {
                    node.awaited = Some(request);
                    node.sent.push_back(request);
                    seen.requests += 1;
                }
            }
            9 => node.sent.extend(node.awaited), // a time-out: send it again
            10 => {
                if let Some(request) = node.awaited.take_if(|_| random.below(4) == 0) {
                    seen.failed += u64::from(node.front.handle_failure(request));
                }
            }
            11..13 => {
                // The counter gets one of the requests, in any order; one in five is lost, or its answer is.
                let pick = random.below(node.sent.len().max(1) as u64) as usize;
                if let Some(request) = node.sent.remove(pick) {
                    let lost = random.below(10);
                    if lost != 0 {
                        let first = counter.increment_and_get(request.n()).unwrap();
                        seen.taken += request.n().get();
                        if lost != 1 {
                            node.answers.push_back((request, first));
                        }
                    }
                }
            }
            _ => {
                let pick = random.below(node.answers.len().max(1) as u64) as usize;
                if let Some((request, first)) = node.answers.remove(pick) {
                    match node.front.handle_response(request, first) {
                        Ok(true) => node.awaited = None,
                        Ok(false) | Err(_) => seen.refused += 1,
                    }
                }
            }
        }
        // Some callers check for their numbers.
        for (begin, n, ticket) in std::mem::take(&mut node.callers) {
            match node.front.redeem(ticket) {
                Redeemed::Waiting(ticket) => node.callers.push((begin, n, ticket)),
                Redeemed::Numbers(first) => {
                    seen.used += n;
                    let numbers = first..first + n;
                    seen.calls.extend(numbers.map(|number| Call { begin, end: now, number }));
                }
                Redeemed::Failed | Redeemed::TooLate => {}
            }
        }
    }
    seen
}

#[test]
fn coalesced_numbers_are_unique_and_linearizable_whatever_is_lost_delayed_and_sent_again() {
    let seeds = match std::env::var("HB_SEED") {
        Ok(seed) => vec![seed.parse().expect("HB_SEED is a number")],
        Err(_) => (0..200).collect::<Vec<u64>>(),
    };
    let mut all = Seen::default();
    for seed in seeds {
        let seen = coalesced_run(seed);
        let mut numbers: Vec<u64> = seen.calls.iter().map(|call| call.number).collect();
        numbers.sort_unstable();
        assert!(numbers.is_sorted_by(|x, y| x < y), "HB_SEED={seed}: a number twice");
        assert_eq!(contradictions(&seen.calls), 0, "HB_SEED={seed}");
        assert!(seen.used <= seen.taken);
        all.taken += seen.taken;
        all.used += seen.used;
        all.requests += seen.requests;
        all.failed += seen.failed;
        all.refused += seen.refused;
    }
    assert!(all.requests > 2_000 && all.failed > 500 && all.refused > 500, "faults were seen");
    assert!(all.used > 3 * all.requests && all.used < all.taken, "callers were coalesced, numbers spent");
}

#[test]
fn the_same_check_finds_contradictions_in_blocks_fetched_ahead() {
    let random = &mut Random(1);
    let counter = AtomicCounter::new();
    let mut nodes = [0, 1, 2].map(|_| BlockAhead::new(&counter));
    let calls: Vec<Call> = (0..100)
        .map(|now| {
            let number = nodes[random.below(3) as usize].take();
            Call { begin: 2 * now, end: 2 * now + 1, number }
        })
        .collect();
    assert!(contradictions(&calls) > 1_000);
}

#[test]
fn threads_on_one_counter_are_linearizable() {
    // The threads share a clock: another counter, read before and after each call.
    let time = std::sync::atomic::AtomicUsize::new(0);
    let counter = AtomicCounter::new();
    let calls: Vec<Call> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let tick = || time.fetch_add(1, std::sync::atomic::Ordering::SeqCst) as u64;
                    let call = || {
                        let begin = tick();
                        let number = counter.increment_and_get(ONE).unwrap();
                        Call { begin, end: tick(), number }
                    };
                    (0..500).map(|_| call()).collect::<Vec<_>>()
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(calls.len(), 2_000);
    assert_eq!(contradictions(&calls), 0);
}
