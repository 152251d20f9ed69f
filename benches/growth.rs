//! The growth of every cost that a remote can cause: at most linear in the input, in the worst orders.
//!
//! `cargo bench --bench growth` prints for each case the time an item takes, for a thousand to a hundred thousand
//! items, and the exponent e of n^e between the smallest and the largest size. It fails if e is 1.25 or more. A tree's
//! log n and caches that overflow give 1.1 to 1.2; a list that is searched or moved gives 2. Words after `--` choose
//! the cases with one of them in their name. Under `cargo test --benches` the sizes are small, and no times are
//! asserted.
//!
//! The time is the processor time of this thread, where the system provides it, and the least of several runs. So other
//! programs disturb it little.

use std::hint::black_box;
use std::time::Instant;

use happens_before::broadcast::{Entry, SubscriberConfig};
use happens_before::delivery::{
    BufferLimits, DagEvent, DagLimits, Stability, decode_snapshot, encode_snapshot,
};
use happens_before::{
    CausalBuffer, CausalContext, CausalSender, DagBuffer, Dot, Message, Subscriber, VersionVector,
};

/// The exponent that every case must stay below.
const LIMIT: f64 = 1.25;

const WIDE: BufferLimits = BufferLimits {
    messages: 1 << 22,
    bytes: usize::MAX,
    horizon: u64::MAX,
    nodes: 1 << 22,
    dependencies: 1 << 22,
    sources: 64,
};

const WIDE_DAG: DagLimits = DagLimits { events: 1 << 22, parents: 1 << 20, links: 1 << 23 };

fn dot(node: u64, counter: u64) -> Dot<u64> {
    Dot::new(node, counter).unwrap()
}

fn message(node: u64, counter: u64, dependencies: &[(u64, u64)]) -> Message<u64, ()> {
    let dependencies = dependencies.iter().map(|&(node, counter)| dot(node, counter));
    Message::new(dot(node, counter), dependencies, ()).unwrap()
}

fn buffer() -> CausalBuffer<u64, ()> {
    CausalBuffer::new(WIDE)
}

fn pop_all(buffer: &mut CausalBuffer<u64, ()>) {
    while black_box(buffer.pop()).is_some() {}
}

/// Returns the processor time of this thread in seconds, or the time of day if the system does not provide it.
fn now() -> f64 {
    // The kernel updates the number when the thread yields.
    std::thread::yield_now();
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanoseconds = told.and_then(|text| text.split_whitespace().next()?.parse::<f64>().ok());
    thread_local!(static START: Instant = Instant::now());
    nanoseconds.map_or_else(|| START.with(|start| start.elapsed().as_secs_f64()), |told| told / 1e9)
}

fn time(work: impl FnOnce()) -> f64 {
    let before = now();
    work();
    now() - before
}

/// The cases, and the words that choose among them.
struct Growth {
    sizes: Vec<u64>,
    runs: u32,
    words: Vec<String>,
    failed: Vec<String>,
}

impl Growth {
    /// Runs a case: `prepare` makes the state beforehand, and `work` is measured.
    fn case<S>(&mut self, name: &str, prepare: impl Fn(u64) -> S, work: impl Fn(u64, &mut S)) {
        if !self.words.is_empty() && !self.words.iter().any(|word| name.contains(word.as_str())) {
            return;
        }
        let least = |size: u64| {
            let times = (0..self.runs).map(|_| {
                let mut subject = prepare(size);
                time(|| work(size, &mut subject))
            });
            times.fold(f64::INFINITY, f64::min)
        };
        let times: Vec<f64> = self.sizes.iter().map(|&size| least(size)).collect();
        let cells =
            self.sizes.iter().zip(&times).map(|(&size, &time)| format!("{:8.0}", time / size as f64 * 1e9));
        let cells: Vec<_> = cells.collect();
        let ([first, .., last], [shortest, .., longest]) = (&self.sizes[..], &times[..]) else { return };
        let exponent = (longest / shortest).ln() / (*last as f64 / *first as f64).ln();
        println!("| {name:<62} | {} | {exponent:8.2} |", cells.join(" | "));
        if exponent >= LIMIT {
            self.failed.push(format!("{name}: {exponent:.2}"));
        }
    }
}

fn sending_and_receiving(growth: &mut Growth) {
    let one_by_one = |buffer: &mut CausalBuffer<u64, ()>, message| {
        buffer.accept(message).unwrap();
        pop_all(buffer);
    };
    growth.case(
        "buffer: new nodes, ascending",
        |_| buffer(),
        |n, buffer| {
            (0..n).for_each(|node| one_by_one(buffer, message(node, 1, &[])));
        },
    );
    growth.case(
        "buffer: new nodes, descending",
        |_| buffer(),
        |n, buffer| {
            (0..n).rev().for_each(|node| one_by_one(buffer, message(node, 1, &[])));
        },
    );
    growth.case(
        "buffer: nodes named by what is held, descending",
        |_| buffer(),
        |n, buffer| {
            for at in 0..n {
                buffer.accept(message(u64::MAX, at + 2, &[(n - at, 1)])).unwrap();
            }
        },
    );
    growth.case(
        "buffer: one node, reversed",
        |_| buffer(),
        |n, buffer| {
            (1..=n).rev().for_each(|counter| drop(buffer.accept(message(1, counter, &[]))));
            pop_all(buffer);
            assert!(buffer.is_empty());
        },
    );
    growth.case(
        "buffer: one node, far apart",
        |_| buffer(),
        |n, buffer| {
            (1..=n).for_each(|at| drop(buffer.accept(message(1, at * 1_000_003, &[]))));
            assert_eq!(buffer.missing().count() as u64, n);
        },
    );
    growth.case(
        "buffer: a chain through all nodes, reversed",
        |_| buffer(),
        |n, buffer| {
            (1..=n).rev().for_each(|node| drop(buffer.accept(message(node, 1, &[(node - 1, 1)]))));
            buffer.accept(message(0, 1, &[])).unwrap();
            pop_all(buffer);
            assert!(buffer.is_empty());
        },
    );
    growth.case(
        "buffer: all wait for one",
        |_| buffer(),
        |n, buffer| {
            (1..=n).for_each(|node| drop(buffer.accept(message(node, 1, &[(0, 1)]))));
            buffer.accept(message(0, 1, &[])).unwrap();
            pop_all(buffer);
            assert!(buffer.is_empty());
        },
    );
    growth.case(
        "buffer: one waits for all, descending",
        |_| buffer(),
        |n, buffer| {
            let dependencies: Vec<_> = (0..n).map(|node| (node, 1)).collect();
            buffer.accept(message(u64::MAX, 1, &dependencies)).unwrap();
            (0..n).rev().for_each(|node| one_by_one(buffer, message(node, 1, &[])));
            assert!(buffer.is_empty());
        },
    );
    let chain = |n| {
        let mut buffer = buffer();
        (1..=n).for_each(|node| drop(buffer.accept(message(node, 1, &[(node - 1, 1)]))));
        buffer
    };
    growth.case("buffer: close, and a chain of all is doomed", chain, |n, buffer| {
        assert_eq!(buffer.close(&0, 0).unwrap().len() as u64, n);
    });
    growth.case("buffer: drain what is held", chain, |n, buffer| {
        assert_eq!(buffer.drain_undelivered().len() as u64, n);
    });
    growth.case(
        "sender: heads of new nodes, descending",
        |_| CausalSender::new(u64::MAX),
        |n, sender| {
            (0..n).rev().for_each(|node| sender.observe(&message(node, 1, &[])));
            assert_eq!(sender.frontier().len() as u64, n);
        },
    );
    let wide = |n: u64| {
        let mut sender = CausalSender::new(u64::MAX).with_dependencies(usize::MAX);
        sender.advance_to(&(0..n).map(|node| (node, 1)).collect());
        sender
    };
    growth.case("sender: one head leaves and one comes, of as many", wide, |n, sender| {
        (0..n).for_each(|node| sender.observe(&message(n + node, 1, &[(node, 1)])));
        assert_eq!(sender.stamp(()).unwrap().dependencies().len() as u64, n);
    });
}

fn sources(growth: &mut Growth) {
    let held = |n| {
        let mut buffer = buffer();
        (0..n).for_each(|at| drop(buffer.accept_from(&1, message(1, 2 + at, &[]))));
        buffer
    };
    growth.case("remove_source: a source comes and goes, others hold as much", held, |n, buffer| {
        for _ in 0..n {
            buffer.accept_from(&2, message(2, 2, &[])).unwrap();
            assert_eq!(buffer.remove_source(&2), 1);
        }
    });
    let brought_twice = |n| {
        let mut buffer = held(n);
        (0..n).for_each(|at| drop(buffer.accept_from(&2, message(1, 2 + at, &[]))));
        buffer
    };
    growth.case("remove_source: all that it has brought, another has too", brought_twice, |n, buffer| {
        assert_eq!(buffer.remove_source(&1), 0);
        assert_eq!(buffer.remove_source(&2) as u64, n);
    });
    let full = |n: u64| {
        let mut buffer = CausalBuffer::new(BufferLimits { messages: n as usize, ..WIDE });
        (0..n).for_each(|at| drop(buffer.accept_from(&1, message(1, 2 + at, &[]))));
        buffer
    };
    growth.case("eviction: a full buffer, as many messages of another source", full, |n, buffer| {
        (0..n).for_each(|at| drop(buffer.accept_from(&2, message(2, 2 * n - at, &[]))));
        assert_eq!(buffer.len() as u64, n);
    });
}

fn graphs(growth: &mut Growth) {
    let event = |id: u64, parents: &[u64]| DagEvent { id, parents: parents.to_vec(), payload: () };
    growth.case(
        "graph: a chain, reversed",
        |_| DagBuffer::new(WIDE_DAG),
        |n, buffer| {
            (0..n).rev().for_each(|id| drop(buffer.accept(event(id + 1, &[id]), |&id| id == 0)));
            while black_box(buffer.pop()).is_some() {}
            assert!(buffer.is_empty());
        },
    );
    let chain = |n| {
        let mut buffer = DagBuffer::new(WIDE_DAG);
        (0..n).rev().for_each(|id| drop(buffer.accept(event(id + 1, &[id]), |_| false)));
        buffer
    };
    growth.case("graph: forget the root of a chain", chain, |n, buffer| {
        assert_eq!(buffer.forget(&0).len() as u64, n);
    });
    growth.case("graph: forget a chain from its end, one by one", chain, |n, buffer| {
        (1..=n).rev().for_each(|id| assert_eq!(buffer.forget(&id).len(), 1));
    });
    let star = |n| {
        let mut buffer = DagBuffer::new(WIDE_DAG);
        (1..=n).for_each(|id| drop(buffer.accept(event(id, &[0]), |_| false)));
        buffer
    };
    growth.case("graph: all name one parent, which is forgotten", star, |n, buffer| {
        assert_eq!(buffer.forget(&0).len() as u64, n);
    });
    growth.case("graph: all name one parent, and are forgotten one by one", star, |n, buffer| {
        (1..=n).for_each(|id| assert_eq!(buffer.forget(&id).len(), 1));
    });
}

fn others(growth: &mut Growth) {
    growth.case(
        "stability: new authors, descending",
        |_| Stability::new(0..8_u64, 1 << 22).unwrap(),
        |n, stability| {
            for author in (0..n).rev() {
                stability.observe(&(author % 8), &VersionVector::from_iter([(author, 5)])).unwrap();
            }
        },
    );
    let acknowledgement = |n| {
        let vector: VersionVector<u64> = (0..n).map(|author| (author, 5)).collect();
        (Stability::new(0..8_u64, 1 << 22).unwrap(), vector)
    };
    growth.case("stability: every author becomes stable", acknowledgement, |n, (stability, vector)| {
        let moved = (0..8).map(|member| stability.observe(&member, vector).unwrap().len());
        assert_eq!(moved.last(), Some(n as usize));
        assert_eq!(stability.remove(&3).len(), 0);
    });
    growth.case(
        "vector: new nodes, descending",
        |_| VersionVector::new(),
        |n, vector| {
            (0..n).rev().for_each(|node| vector.observe(&dot(node, 1)));
        },
    );
    growth.case(
        "context: new nodes, descending",
        |_| CausalContext::new(),
        |n, context| {
            (0..n)
                .rev()
                .for_each(|node| assert_eq!(context.insert_within(&dot(node, 1), usize::MAX), Ok(true)));
        },
    );
    let snapshot = |n: u64| {
        let mut buffer = CausalBuffer::<u64, Vec<u8>>::new(WIDE);
        buffer.advance_to(&(n..2 * n).map(|node| (node, 1)).collect()).unwrap();
        for node in 0..n {
            buffer.accept(Message::new(dot(node, 2), [], vec![0]).unwrap()).unwrap();
        }
        let mut bytes = Vec::new();
        encode_snapshot(&buffer, &CausalSender::new(5), &mut bytes);
        bytes
    };
    let ranges = |n: u64| (1..=n).map(|at| dot(1, 2 * at)).collect::<CausalContext<u64>>();
    growth.case("context: merge_within is refused, again and again", ranges, |n, context| {
        let other: CausalContext<u64> = [dot(2, 7)].into_iter().collect();
        (0..n).for_each(|_| assert!(context.merge_within(&other, n as usize).is_err()));
    });
    let subscriber =
        |n: u64| Subscriber::new(SubscriberConfig { nodes: n as usize, ..SubscriberConfig::default() });
    growth.case("subscriber: new nodes, descending", subscriber, |n, subscriber| {
        for (node, slot) in (0..n).rev().zip(1..) {
            subscriber.handle_entry(slot, Entry::message(0, dot(node, 1), 0_u64)).unwrap();
            assert!(subscriber.poll_delivery().unwrap().is_some());
        }
    });
    growth.case("decode_snapshot: as many held as delivered", snapshot, |n, bytes| {
        let empty = CausalBuffer::<u64, Vec<u8>>::new(WIDE);
        let (buffer, _) = decode_snapshot(bytes, empty, |payload| Some(payload.to_vec())).unwrap();
        assert_eq!(buffer.len() as u64, n);
    });
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let is_bench = words.iter().any(|word| word == "--bench");
    let words = words.into_iter().filter(|word| !word.starts_with("--")).collect();
    // Three sizes in any case: the middle one shows where a curve bends.
    let (sizes, runs) = if is_bench { (vec![1_000, 10_000, 100_000], 3) } else { (vec![10, 30, 90], 1) };
    let mut growth = Growth { sizes, runs, words, failed: Vec::new() };
    let sizes: Vec<_> = growth.sizes.iter().map(|size| format!("{size:8}")).collect();
    println!("| {:<62} | {} | exponent |", "nanoseconds an item", sizes.join(" | "));
    println!("| {:-<62} | {} | -------: |", "", ["-------:"; 3].join(" | "));
    sending_and_receiving(&mut growth);
    sources(&mut growth);
    graphs(&mut growth);
    others(&mut growth);
    assert!(!is_bench || growth.failed.is_empty(), "it grows too fast: {:#?}", growth.failed);
}
