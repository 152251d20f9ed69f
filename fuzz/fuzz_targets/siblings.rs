//! Writes and syncs of three servers, each compared with the causal histories of the writes.

#![no_main]

use std::collections::{BTreeMap, BTreeSet};

use arbitrary::Arbitrary;
use happens_before::Dot;
use happens_before::version::Siblings;
use libfuzzer_sys::fuzz_target;
use testkit::siblings_model::{Histories, Write};

const SERVERS: u8 = 3;

#[derive(Arbitrary, Debug)]
enum Operation {
    /// A client that has read at the second server, or nothing, writes at the first one.
    Write(u8, Option<u8>),
    Sync(u8, u8),
    /// A server is saved and read back.
    Save(u8),
}

fuzz_target!(|operations: Vec<Operation>| {
    let mut servers = vec![Siblings::<u8, Write>::new(); usize::from(SERVERS)];
    let mut models = vec![Histories::default(); usize::from(SERVERS)];
    let mut dots = BTreeMap::<Dot<u8>, Write>::new();
    let at = |server: u8| usize::from(server % SERVERS);
    for operation in operations {
        match operation {
            Operation::Write(node, from) => {
                let read = from.map(|from| servers[at(from)].context().clone()).unwrap_or_default();
                let history = from.map(|from| models[at(from)].known()).unwrap_or_default();
                let write = dots.len() as Write;
                let dot = servers[at(node)].update(&read, write, node % SERVERS).expect("counters are left");
                models[at(node)].update(&history, write);
                assert_eq!(dots.insert(dot, write), None);
            }
            Operation::Sync(x, y) => {
                let (server, model) = (servers[at(y)].clone(), models[at(y)].clone());
                servers[at(x)].sync(server);
                models[at(x)].sync(&model);
            }
            Operation::Save(x) => {
                let (context, versions) = servers[at(x)].clone().into_parts();
                assert_eq!(Siblings::from_parts(context, versions).as_ref(), Ok(&servers[at(x)]));
            }
        }
        for (server, model) in servers.iter().zip(&models) {
            assert_eq!(server.internal_validate(), Ok(()));
            assert_eq!(server.values().copied().collect::<BTreeSet<_>>(), model.current());
            assert!(server.iter().all(|(dot, write)| dots[dot] == *write));
        }
    }
});
