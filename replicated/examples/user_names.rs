//! Unique user names. Users at several nodes want the same names at the same time; each name goes to one of them, and
//! every node learns the owner.
//!
//! Watch the sums: each name is won once in total. Then give all nodes the same first name, and see who wins more.
//!
//! `cargo run -p happens-before-replicated --example user_names`

use std::sync::Mutex;
use std::thread;

use happens_before::Publisher;
use happens_before::broadcast::blocking::settle;
use happens_before::broadcast::{MemoryLog, PublisherConfig, SubscriberConfig};
use happens_before::counter::AtomicCounter;
use happens_before_replicated::blocking::outcome;
use happens_before_replicated::claims::{Claims, Command, Outcome};
use happens_before_replicated::{Applied, Replica};

const NAMES: [&str; 3] = ["alice", "bob", "carol"];

/// Runs a node whose users claim every name, one after the other, each node beginning with another name. Returns the
/// names they won.
fn node(
    id: u32,
    counter: &AtomicCounter,
    log: &Mutex<MemoryLog<u32, Command<&'static str, u32>>>,
) -> Vec<&'static str> {
    let mut publisher = Publisher::new(id, PublisherConfig::default());
    let mut replica = Replica::new(Claims::new(1_000), SubscriberConfig::default());
    let mut now_ms = 0;
    let mut won = Vec::new();
    for name in NAMES.into_iter().cycle().skip(id as usize).take(NAMES.len()) {
        publisher.publish(Command::Claim { name, claimant: id }).expect("nothing is outstanding");
        let published = settle(&mut publisher, counter, log).expect("memory does not fail").expect("published");
        let applied = outcome(&mut replica, &published, log, |until_ms| {
            // A real program waits until then, or until something is announced.
            thread::yield_now();
            now_ms = until_ms.max(now_ms);
            Some(now_ms)
        });
        match applied.expect("memory does not fail") {
            Applied { output: Some(Outcome::Won), .. } => won.push(name),
            Applied { output: Some(Outcome::Lost { owner }), .. } => println!("{id}: {name} is {owner}'s"),
            Applied { output, .. } => println!("{id}: {name}: {output:?}"),
        }
    }
    won
}

fn main() {
    let (counter, log) = (AtomicCounter::new(), Mutex::new(MemoryLog::new(1_000)));
    let won: Vec<_> = thread::scope(|scope| {
        let nodes: Vec<_> = (1..=3)
            .map(|id| {
                scope.spawn({
                    let (counter, log) = (&counter, &log);
                    move || node(id, counter, log)
                })
            })
            .collect();
        nodes.into_iter().map(|node| node.join().expect("no node panics")).collect()
    });
    for (id, names) in (1..).zip(&won) {
        println!("{id} has {names:?}");
    }
    assert_eq!(won.iter().flatten().count(), NAMES.len(), "each name has one owner");
}
