//! Every order in which messages can arrive at a buffer, with deliveries in between.
//!
//! Buffers that behave equally from now on are equal, so they are states as they are.

use happens_before::delivery::BufferLimits;
use happens_before::{CausalBuffer, CausalSender, Message};
use stateright::{Checker, Model, Property};

type Buffer = CausalBuffer<u8, ()>;

/// The messages of a group, which arrive at a buffer in any order and any number of times.
struct Arrivals {
    messages: Vec<Message<u8, ()>>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Action {
    Accept(usize),
    Pop,
}

impl Model for Arrivals {
    type State = Buffer;
    type Action = Action;

    fn init_states(&self) -> Vec<Buffer> {
        vec![CausalBuffer::new(BufferLimits::default())]
    }

    fn actions(&self, _: &Buffer, actions: &mut Vec<Action>) {
        actions.push(Action::Pop);
        actions.extend((0..self.messages.len()).map(Action::Accept));
    }

    fn next_state(&self, buffer: &Buffer, action: Action) -> Option<Buffer> {
        let mut buffer = buffer.clone();
        match action {
            Action::Accept(message) => drop(buffer.accept(self.messages[message].clone())),
            Action::Pop => drop(buffer.pop()),
        }
        Some(buffer)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("what is delivered is causally closed", |model: &Self, buffer: &Buffer| {
                let delivered = buffer.delivered();
                let covered = model.messages.iter().filter(|message| delivered.contains(message.dot()));
                covered.flat_map(Message::dependencies).all(|cause| delivered.contains(cause))
            }),
            Property::always("the invariants hold", |_, buffer: &Buffer| buffer.internal_validate().is_ok()),
            Property::sometimes("all is delivered", |model: &Self, buffer: &Buffer| {
                model.messages.iter().all(|message| buffer.delivered().contains(message.dot()))
            }),
        ]
    }
}

/// Two messages of node 0, and two answers to each, by nodes 1 and 2.
fn messages() -> Vec<Message<u8, ()>> {
    let mut senders = [0, 1, 2].map(CausalSender::new);
    let mut messages = Vec::new();
    for _ in 0..2 {
        let question = senders[0].stamp(()).unwrap();
        for at in [1, 2] {
            senders[at].observe(&question);
            messages.push(senders[at].stamp(()).unwrap());
        }
        messages.push(question);
    }
    messages
}

#[test]
fn buffers_are_states_of_a_model() {
    let checker = Arrivals { messages: messages() }.checker().threads(2).spawn_bfs().join();
    println!("{} states, {} steps", checker.unique_state_count(), checker.state_count());
    checker.assert_properties();
    // The order in which waiting messages have arrived makes no difference.
    assert_eq!(checker.unique_state_count(), 234);
}
