//! A replicated log in some fifty lines: every replica writes, and all end with the same lines in the same order.
//!
//! The example shows causal delivery and Lamport timestamps together. Watch Carol: the answer reaches her before the
//! question, and is held back. Then remove the line `self.clock.observe(...)`: timestamps no longer follow causality,
//! the order changes, and an assertion fails.
//!
//! Causal delivery shows no line before the lines that its author had read. Lines written at the same time may arrive
//! in different orders, and the Lamport timestamp of each puts them in one order. Timestamps respect causality too, so
//! a new line never moves above a line that its author had read.
//!
//! `cargo run --example replicated_log`

use std::collections::BTreeMap;
use std::error::Error;

use happens_before::delivery::BufferLimits;
use happens_before::scalar::LamportTimestamp;
use happens_before::{CausalBuffer, CausalSender, LamportClock, Message};

type Line = (LamportTimestamp<&'static str>, &'static str);
type Log = BTreeMap<LamportTimestamp<&'static str>, &'static str>;

struct Replica {
    clock: LamportClock<&'static str>,
    sender: CausalSender<&'static str>,
    buffer: CausalBuffer<&'static str, Line>,
    log: Log,
}

impl Replica {
    fn new(name: &'static str) -> Self {
        let (clock, sender) = (LamportClock::new(name), CausalSender::new(name));
        Self { clock, sender, buffer: CausalBuffer::new(BufferLimits::default()), log: Log::new() }
    }

    /// Appends a line here, and returns the message for the others.
    fn append(&mut self, text: &'static str) -> Result<Message<&'static str, Line>, Box<dyn Error>> {
        let message = self.sender.stamp((self.clock.tick()?, text))?;
        self.receive(message.clone())?;
        Ok(message)
    }

    /// Accepts a line, in any order and also repeatedly, and shows all lines that can be shown.
    fn receive(&mut self, message: Message<&'static str, Line>) -> Result<(), Box<dyn Error>> {
        self.buffer.accept(message)?;
        while let Some(message) = self.buffer.pop() {
            let (timestamp, text) = *message.payload();
            self.clock.observe(timestamp.counter())?;
            self.sender.observe(&message);
            self.log.insert(timestamp, text);
        }
        Ok(())
    }

    fn lines(&self) -> Vec<&'static str> {
        self.log.values().copied().collect()
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let [mut alice, mut bob, mut carol] = ["alice", "bob", "carol"].map(Replica::new);
    let question = alice.append("alice: tea?")?;
    bob.receive(question.clone())?;
    let answer = bob.append("bob: yes, please")?;
    let aside = carol.append("carol: it rains")?; // she has read nothing yet

    // The answer overtakes the question on its way to Carol: it is held back.
    carol.receive(answer.clone())?;
    assert_eq!(carol.lines(), ["carol: it rains"]);
    println!("carol waits for {}", carol.buffer.missing().next().ok_or("nothing is missing")?);

    carol.receive(question.clone())?;
    for message in [aside, answer, question] {
        for replica in [&mut alice, &mut bob] {
            replica.receive(message.clone())?; // some arrive for the second time
        }
    }
    println!("{}", carol.lines().join("\n"));
    assert_eq!(carol.lines(), ["alice: tea?", "carol: it rains", "bob: yes, please"]);
    assert!(alice.log == carol.log && bob.log == carol.log, "the same log everywhere");
    Ok(())
}
