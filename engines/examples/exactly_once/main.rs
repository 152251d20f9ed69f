//! Effects that happen exactly once, although the network repeats messages and the process crashes. The effect of a
//! message, and the note that it has happened, are committed together.
//!
//! The application is an account ledger. Every message adds an amount to an account, which must not happen twice, and
//! must not be forgotten. The database is `redb`, embedded; any database with transactions will do. One transaction
//! contains
//!
//! 1. the effects of the delivered messages, here the balances;
//! 2. the snapshot of the buffer and the sender, which records that they were delivered;
//! 3. the node's own new message, whole, since its number is used.
//!
//! Only after the commit is a received message acknowledged, or the node's own message sent. A crash before the commit
//! forgets all of it: the message was not acknowledged, comes again, and finds everything as it was. A crash after the
//! commit loses at most the acknowledgement: the message comes again, and is a duplicate.
//!
//! `cargo run -p happens-before-engines --example exactly_once`. Watch the balance after everything came twice. Then
//! send one of the packets a third time: nothing changes. The tests of the example kill the process at every step.

#[cfg(test)]
mod tests;

use std::error::Error;
use std::path::Path;

use happens_before::codec::{Reader, Writer};
use happens_before::delivery::{BufferLimits, decode_snapshot, encode_snapshot};
use happens_before::{CausalBuffer, CausalSender, Message};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const BALANCES: TableDefinition<&str, i64> = TableDefinition::new("balances");
const SNAPSHOT: TableDefinition<(), &[u8]> = TableDefinition::new("snapshot");
/// The node's own messages, by number, which others may still ask for.
const SENT: TableDefinition<u64, &[u8]> = TableDefinition::new("sent");

/// One node of the ledger. After an error, drop it and open it again: memory may be ahead of the database.
struct Ledger {
    database: Database,
    buffer: CausalBuffer<u64, Vec<u8>>,
    sender: CausalSender<u64>,
    /// A function that is called at every step; the test crashes there.
    step: Box<dyn FnMut()>,
}

impl Ledger {
    /// Opens the database of a node, new or as it was when the node crashed.
    fn open(path: &Path, node: u64, step: Box<dyn FnMut()>) -> Result<Self> {
        let database = Database::create(path)?;
        let empty = CausalBuffer::new(BufferLimits::default());
        let write = database.begin_write()?;
        let (buffer, sender) = match write.open_table(SNAPSHOT)?.get(())? {
            Some(snapshot) => decode_snapshot(snapshot.value(), empty, |payload| Some(payload.to_vec()))?,
            None => (empty, CausalSender::new(node)),
        };
        write.open_table(BALANCES)?;
        write.open_table(SENT)?;
        write.commit()?;
        Ok(Self { database, buffer, sender, step })
    }

    /// Handles a packet. Once this returns, the packet may be acknowledged.
    fn receive(&mut self, packet: &[u8]) -> Result<()> {
        let mut reader = Reader::new(packet);
        let header = Message::decode_header(&mut reader)?;
        self.buffer.accept(header.with_payload(reader.rest().to_vec()))?;
        self.commit(None)
    }

    /// Adds to an account, at every node. Returns the packet for all others, which may be sent again at any time.
    fn add(&mut self, account: &str, amount: i64) -> Result<Vec<u8>> {
        let message = self.sender.stamp(format!("{account} {amount}").into_bytes())?;
        let mut packet = Vec::new();
        message.encode_header(&mut Writer::growing(&mut packet));
        packet.extend_from_slice(message.payload());
        self.buffer.accept(message)?;
        self.commit(Some(&packet))?;
        Ok(packet)
    }

    /// Delivers every message that is ready: effects and snapshot in one transaction.
    fn commit(&mut self, own: Option<&[u8]>) -> Result<()> {
        (self.step)();
        let write = self.database.begin_write()?;
        while let Some(message) = self.buffer.pop() {
            self.sender.observe(&message);
            let payload = std::str::from_utf8(message.payload())?;
            let (account, amount) = payload.split_once(' ').ok_or("no amount")?;
            let mut balances = write.open_table(BALANCES)?;
            let balance = balances.get(account)?.map_or(0, |balance| balance.value());
            balances.insert(account, balance + amount.parse::<i64>()?)?;
            (self.step)();
        }
        let mut snapshot = Vec::new();
        encode_snapshot(&self.buffer, &self.sender, &mut snapshot);
        write.open_table(SNAPSHOT)?.insert((), snapshot.as_slice())?;
        if let Some(own) = own {
            write.open_table(SENT)?.insert(self.sender.counter(), own)?;
        }
        (self.step)();
        write.commit()?;
        (self.step)();
        Ok(())
    }

    /// Reads an account.
    fn balance(&self, account: &str) -> Result<i64> {
        let balances = self.database.begin_read()?.open_table(BALANCES)?;
        Ok(balances.get(account)?.map_or(0, |balance| balance.value()))
    }

    /// Reads all messages that the node has sent, in order, to send them again.
    fn sent(&self) -> Result<Vec<Vec<u8>>> {
        let sent = self.database.begin_read()?.open_table(SENT)?;
        sent.iter()?.map(|entry| Ok(entry?.1.value().to_vec())).collect()
    }
}

fn main() -> Result<()> {
    let directory = std::env::temp_dir().join(format!("exactly_once-{}", std::process::id()));
    std::fs::create_dir_all(&directory)?;
    let open = |name: &str, node| Ledger::open(&directory.join(name), node, Box::new(|| {}));

    let (mut alice, mut bob) = (open("alice", 1)?, open("bob", 2)?);
    alice.add("rent", 500)?;
    alice.add("rent", -200)?;
    let packets = alice.sent()?;
    bob.receive(&packets[1])?; // overtakes the first one, and is held back
    println!("Bob holds one message back; rent is {}", bob.balance("rent")?);

    drop(bob); // everything in memory is gone
    let mut bob = open("bob", 2)?;
    for packet in packets.iter().chain(&packets) {
        bob.receive(packet)?; // everything comes twice
    }
    println!("After a restart, and every packet twice: rent is {}", bob.balance("rent")?);
    assert_eq!(bob.balance("rent")?, 300);

    drop((alice, bob));
    Ok(std::fs::remove_dir_all(&directory)?)
}
