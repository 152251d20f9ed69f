//! Causal delivery beside the limit: inserting the same messages into a hash map and removing them again.
//!
//! `cargo bench --bench delivery` measures every cell, `cargo bench --bench delivery -- 1000/` only one size. Every
//! body asserts that it has delivered everything.

use std::collections::VecDeque;
use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use happens_before::delivery::BufferLimits;
use happens_before::{CausalBuffer, CausalSender, Dot, Message};
use hashbrown::HashMap;

type Msg = Message<u64, u64>;

/// Returns a pseudo-random number below `bound`, the same in every run.
fn random(state: &mut u64, bound: usize) -> usize {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    ((*state >> 33) as usize) % bound
}

/// Returns a history of `count` messages: the sender is drawn at random each time, and has delivered all but the latest
/// messages.
fn history(nodes: usize, count: usize) -> Vec<Msg> {
    let mut state = 1;
    let mut senders: Vec<_> = (0..nodes as u64).map(|node| (CausalSender::new(node), 0)).collect();
    let mut sent: Vec<Msg> = Vec::with_capacity(count);
    for number in 0..count {
        let author = random(&mut state, nodes);
        let (sender, seen) = &mut senders[author];
        // Prefixes of one order of sending are causally closed, so this is a causal delivery.
        let up_to = number.saturating_sub(random(&mut state, 3)).max(*seen);
        for message in &sent[*seen..up_to] {
            sender.observe(message);
        }
        *seen = up_to;
        sent.push(sender.stamp(number as u64).expect("the range is not used up"));
    }
    sent
}

fn shuffle(messages: &mut [Msg]) {
    let mut state = 2;
    for at in (1..messages.len()).rev() {
        messages.swap(at, random(&mut state, at + 1));
    }
}

/// Returns the messages in an order of arrival.
fn arrivals(order: &str, mut messages: Vec<Msg>) -> Vec<Msg> {
    match order {
        "in-order" => {}
        "reversed" => messages.reverse(),
        "shuffled" => shuffle(&mut messages),
        "window-64" => messages.chunks_mut(64).for_each(shuffle),
        _ => unreachable!("an order that is not known: {order}"),
    }
    messages
}

fn deliver(messages: Vec<Msg>, nodes: usize) -> usize {
    let (count, horizon) = (messages.len(), messages.len() as u64);
    let limits = BufferLimits { messages: count, horizon, nodes, ..BufferLimits::default() };
    let mut buffer = CausalBuffer::new(limits);
    let mut delivered = 0;
    for message in messages {
        buffer.accept(message).expect("the limits are wide enough");
        while let Some(message) = buffer.pop() {
            black_box(message.payload());
            delivered += 1;
        }
    }
    delivered
}

/// The limit: inserts each message into a hash map and removes it, in the order of arrival. At a time, the map holds as
/// many messages as `window`.
fn hash_map(messages: Vec<Msg>, window: usize) -> usize {
    let mut map: HashMap<Dot<u64>, Msg> = HashMap::new();
    let mut held = VecDeque::new();
    let mut delivered = 0;
    let mut take = |map: &mut HashMap<_, Msg>, dot| {
        black_box(map.remove(&dot).expect("it was inserted").payload());
        delivered += 1;
    };
    for message in messages {
        let dot = *message.dot();
        held.push_back(dot);
        map.insert(dot, message);
        if held.len() > window {
            held.pop_front().into_iter().for_each(|dot| take(&mut map, dot));
        }
    }
    held.into_iter().for_each(|dot| take(&mut map, dot));
    delivered
}

fn benches(criterion: &mut Criterion) {
    for count in [1_000, 16_000, 128_000, 1_000_000] {
        for nodes in [3, 8, 64, 256] {
            let mut group = criterion.benchmark_group(format!("{count}/{nodes} nodes"));
            group.throughput(Throughput::Elements(count as u64));
            group.sample_size(10);
            let sent = history(nodes, count);
            for (order, window) in
                [("in-order", 0), ("window-64", 64), ("shuffled", count), ("reversed", count)]
            {
                let arriving = arrivals(order, sent.clone());
                let mut bench = |name: &str, run: &dyn Fn(Vec<Msg>) -> usize| {
                    group.bench_function(BenchmarkId::new(order, name), |bencher| {
                        bencher.iter_batched(
                            || arriving.clone(),
                            |messages| assert_eq!(run(messages), count),
                            BatchSize::LargeInput,
                        );
                    });
                };
                bench("buffer", &|messages| deliver(messages, nodes));
                bench("hash map", &|messages| hash_map(messages, window));
            }
            group.finish();
        }
    }
}

criterion_group! {
    name = delivery;
    config = Criterion::default().without_plots().warm_up_time(std::time::Duration::from_millis(200)).measurement_time(std::time::Duration::from_millis(600));
    targets = benches
}
criterion_main!(delivery);
