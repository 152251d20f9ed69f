//! A group that outlives its members. Three nodes keep a list of entries over a network that loses, repeats and
//! reorders packets. One node crashes and comes back, a fourth joins late, one leaves for good, and every entry is made
//! exactly once at every node.
//!
//! `Endpoint` copes with the network. One rule, in `Node::turn`, copes with crashes: the effects of a delivery are in
//! the same transaction as the snapshot, and packets leave only after its commit.
//!
//! ```text
//!   packets, time, entries ──> Endpoint ──┬─ deliveries ──> effects ─┐
//!                                         ├─ snapshot ───────────────┴─> commit ─┐
//!                                         └─ packets ────────────────────────────┴─> network
//! ```
//!
//! A crash before the commit forgets a delivery together with its effect. Nobody was told of it, so it comes again. A
//! crash after the commit loses only packets, which the network may lose anyway.
//!
//! `cargo run -p happens-before-engines --example durable_endpoint` tells the story of one run, and repeats it with a
//! crash at every tenth step. With `-- SEED 1`, best in a release build, it crashes at every step of every node. The
//! databases are `redb` in memory, for speed: they survive the crashes, and nothing else of a node does.
//!
//! Watch the last line of the story: all nodes have the same 15 entries, each made once. Then pass another seed, and
//! another node crashes elsewhere.

use std::collections::BTreeMap;
use std::error::Error;
use std::iter::from_fn;

use happens_before::Endpoint;
use happens_before::endpoint::{EndpointConfig, PacketErrorKind};
use redb::backends::InMemoryBackend;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The state of the application: the number of times that each entry was made.
const ENTRIES: TableDefinition<&str, u64> = TableDefinition::new("entries");
const SNAPSHOT: TableDefinition<(), &[u8]> = TableDefinition::new("snapshot");

const FOUNDERS: [u8; 3] = [1, 2, 3];
const LATE: u8 = 4;
const LEAVER: u8 = 1;

/// A node: its database, which survives a crash, and its memory while it runs.
struct Node<'a> {
    id: u8,
    database: &'a Database,
    endpoint: Option<Endpoint<u8>>,
    saved: Vec<u8>,
    /// The time of its next start, if it is down.
    starts_at_ms: Option<u64>,
}

impl Node<'_> {
    /// Starts from the last saved snapshot. If there is none, this is the first start.
    fn start(&mut self, world: &mut World, giver: &Database) -> Result<()> {
        let config = EndpointConfig::default();
        let write = self.database.begin_write()?;
        let saved = write.open_table(SNAPSHOT)?.get(())?.map(|bytes| bytes.value().to_vec());
        let endpoint = match saved {
            Some(snapshot) => Endpoint::resume(&snapshot, config)?,
            None if FOUNDERS.contains(&self.id) => Endpoint::new(self.id, FOUNDERS, config)?,
            None => {
                // A member gives its snapshot, and the entries that belong to it.
                let read = giver.begin_read()?;
                for entry in read.open_table(ENTRIES)?.iter()? {
                    let (text, times) = entry?;
                    write.open_table(ENTRIES)?.insert(text.value(), times.value())?;
                }
                let snapshot = read.open_table(SNAPSHOT)?.get(())?.ok_or("no snapshot")?;
                Endpoint::join(self.id, snapshot.value(), config)?
            }
        };
        self.saved = endpoint.snapshot();
        write.open_table(SNAPSHOT)?.insert((), &*self.saved)?;
        world.step()?;
        write.commit()?;
        self.endpoint = Some(endpoint);
        Ok(())
    }

    /// Handles the packets that have arrived, delivers, saves, and sends.
    fn turn(&mut self, world: &mut World) -> Result<()> {
        let endpoint = self.endpoint.as_mut().ok_or("it is down")?;
        for (from, packet) in world.arrived(self.id) {
            match endpoint.handle_packet(world.now_ms, &from, &packet) {
                Ok(_) => {}
                Err(error) if error.kind == PacketErrorKind::NotAMember => {} // not admitted here yet, or removed
                Err(error) => return Err(error.into()),
            }
        }
        endpoint.handle_timeout(world.now_ms);
        // The owner's decisions are repeated until they are saved: a second time they change nothing.
        world.admitted.iter().try_for_each(|&node| endpoint.admit(node))?;
        world.removed.iter().for_each(|node| _ = endpoint.remove(node));
        // The saved vector counts the entries that a node has made, so a crash repeats none.
        let made = endpoint.delivered().get(&self.id);
        if made < world.entries {
            endpoint.broadcast(format!("entry {} of node {}", made + 1, self.id).into_bytes())?;
        }

        let delivered: Vec<_> = from_fn(|| endpoint.poll_delivery()).collect();
        let snapshot = endpoint.snapshot();
        if snapshot != self.saved {
            let write = self.database.begin_write()?;
            for message in delivered {
                let text = str::from_utf8(message.payload())?;
                let mut entries = write.open_table(ENTRIES)?;
                let times = entries.get(text)?.map_or(0, |times| times.value());
                entries.insert(text, times + 1)?;
                world.step()?;
            }
            write.open_table(SNAPSHOT)?.insert((), &*snapshot)?;
            world.step()?;
            write.commit()?;
            world.step()?;
            self.saved = snapshot;
        }
        for (to, packet) in from_fn(|| endpoint.poll_packet()) {
            world.send(self.id, to, packet);
            world.step()?;
        }
        Ok(())
    }

    fn entries(&self) -> Result<BTreeMap<String, u64>> {
        let entries = self.database.begin_read()?.open_table(ENTRIES)?;
        let owned =
            entries.iter()?.map(|entry| entry.map(|(text, times)| (text.value().into(), times.value())));
        Ok(owned.collect::<std::result::Result<_, _>>()?)
    }
}

/// Time, network, crashes, and the decisions of the group's owner.
#[derive(Default)]
struct World {
    now_ms: u64,
    random: u64,
    /// Packets under way: time of arrival, sender, receiver, bytes.
    packets: Vec<(u64, u8, u8, Vec<u8>)>,
    steps: u64,
    crash_at: u64,
    /// The number of entries that each node should have made.
    entries: u64,
    admitted: Vec<u8>,
    removed: Vec<u8>,
    tells: bool,
}

impl World {
    /// Returns a random number below `bound`, the same ones in every run.
    fn below(&mut self, bound: u64) -> u64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.random >> 33) % bound
    }

    /// Sends a packet. No copy, one, or two arrive after some time.
    fn send(&mut self, from: u8, to: u8, packet: Vec<u8>) {
        for _ in 0..self.below(4).div_ceil(2) {
            let at_ms = self.now_ms + self.below(40);
            self.packets.push((at_ms, from, to, packet.clone()));
        }
    }

    fn arrived(&mut self, node: u8) -> Vec<(u8, Vec<u8>)> {
        let now_ms = self.now_ms;
        let arrived = self.packets.extract_if(.., |(at_ms, _, to, _)| *to == node && *at_ms <= now_ms);
        arrived.map(|(_, from, _, packet)| (from, packet)).collect()
    }

    /// Counts a step, at which a node may crash: then it returns an error, and nothing else happens.
    fn step(&mut self) -> Result<()> {
        self.steps += 1;
        if self.steps == self.crash_at { Err("crash".into()) } else { Ok(()) }
    }

    fn tell(&self, what: &str) {
        if self.tells {
            println!("{:6} ms  {what}", self.now_ms);
        }
    }
}

/// Runs the life of a group, in which a node crashes at step `crash_at`. Returns the number of steps.
fn run(seed: u64, crash_at: u64, tells: bool) -> Result<u64> {
    let mut world = World { random: seed, crash_at, tells, entries: 2, ..World::default() };
    let memory = |_| Database::builder().create_with_backend(InMemoryBackend::new());
    let databases: Vec<Database> = (0..4).map(memory).collect::<std::result::Result<_, _>>()?;
    let node = |(id, database)| Node { id, database, endpoint: None, saved: vec![], starts_at_ms: Some(0) };
    let mut nodes: Vec<Node<'_>> = (1..).zip(&databases).map(node).collect();
    nodes[3].starts_at_ms = None;
    world.tell("nodes 1, 2 and 3 start; two entries each");

    let mut chapter = 1;
    while chapter < 6 {
        let deadlines = nodes.iter().filter_map(|node| match &node.endpoint {
            Some(endpoint) => endpoint.poll_timeout(),
            None => node.starts_at_ms,
        });
        let arrivals = world.packets.iter().map(|(at_ms, ..)| *at_ms);
        world.now_ms = deadlines.chain(arrivals).min().unwrap_or(0).max(world.now_ms + 1);
        for node in &mut nodes {
            let is_due = node.starts_at_ms.is_some_and(|at_ms| at_ms <= world.now_ms);
            let done = match node.endpoint {
                Some(_) => node.turn(&mut world),
                None if is_due => node.start(&mut world, &databases[2]),
                None => {
                    world.arrived(node.id); // at nobody
                    Ok(())
                }
            };
            match done {
                Err(error) if error.to_string() != "crash" => return Err(error),
                Err(_) => {
                    world.tell(&format!("node {} crashes, and is down for 300 ms", node.id));
                    (node.endpoint, node.starts_at_ms) = (None, Some(world.now_ms + 300));
                }
                Ok(()) => {}
            }
        }

        let running: Vec<_> = nodes.iter().filter_map(|node| node.endpoint.as_ref()).collect();
        let all = |is_so: &dyn Fn(&Endpoint<u8>) -> bool| {
            running.len() == 3 + usize::from(chapter == 3) && running.iter().all(|endpoint| is_so(endpoint))
        };
        let has =
            |endpoint: &Endpoint<u8>, count| endpoint.delivered().iter().map(|(_, n)| n).sum::<u64>() == count;
        if chapter == 1 && all(&|endpoint| has(endpoint, 6) && endpoint.log_len() == 0) {
            world.tell(
                "all nodes have all entries, and know it: no message is kept. They are told to admit node 4",
            );
            world.admitted.push(LATE);
        } else if chapter == 2 && all(&|endpoint| endpoint.stability().is_member(&LATE)) {
            world.tell("node 4 joins, with the snapshot and the entries of node 3; one entry each");
            nodes[3].starts_at_ms = Some(0);
            world.entries = 3;
        } else if chapter == 3 && all(&|endpoint| has(endpoint, 12)) && running[0].held_back_by().count() == 0 {
            world.tell("all nodes have the entries of node 1, so it leaves; one entry each");
            (nodes[0].endpoint, nodes[0].starts_at_ms) = (None, None);
            world.entries = 4;
        } else if chapter == 4 && all(&|endpoint| has(endpoint, 15) && endpoint.held_back_by().eq(&[LEAVER])) {
            world.tell(
                "all nodes have all entries, and keep messages for node 1 alone. They are told to remove it",
            );
            world.removed.push(LEAVER);
        } else if chapter == 5 && all(&|endpoint| endpoint.log_len() == 0 && endpoint.poll_timeout().is_none())
        {
            world.tell("no message is kept, and no node has a packet to send");
        } else {
            continue;
        }
        chapter += 1;
    }
    let made = nodes[3].entries()?;
    assert!(made.len() == 15 && made.values().all(|&times| times == 1), "crash at {crash_at}: {made:?}");
    assert!(nodes[1].entries()? == made && nodes[2].entries()? == made, "crash at {crash_at}");
    world.tell("nodes 2, 3 and 4 have the same 15 entries, each made once");
    Ok(world.steps)
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<u64>());
    let (seed, every) = (arguments.next().unwrap_or(Ok(1))?, arguments.next().unwrap_or(Ok(10))?);
    run(seed, 40, true)?;
    for (runs, crash_at) in (1..).step_by(every.max(1) as usize).enumerate() {
        if run(seed, crash_at, false)? < crash_at {
            println!("the same in {runs} more runs, each with a crash at another step");
            break;
        }
    }
    Ok(())
}
