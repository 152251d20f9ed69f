//! A buffer under arbitrary operations, compared with the naive one, refusals included. The oracle judges each run.
#![no_main]

use testkit::buffer_model;

use arbitrary::Arbitrary;
use buffer_model::{BufferModel, Node, accept_in_both};
use happens_before::delivery::{BufferLimits, decode_snapshot, encode_snapshot};
use happens_before::{CausalSender, Dot, Message, VersionVector};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Input {
    messages: u8,
    bytes: Option<u8>,
    horizon: u8,
    nodes: u8,
    dependencies: u8,
    sources: u8,
    operations: Vec<Operation>,
}

#[derive(Arbitrary, Debug)]
enum Operation {
    Accept {
        source: Option<Node>,
        node: Node,
        counter: u8,
        dependencies: Vec<(Node, u8)>,
        payload: bool,
    },
    /// A message from the end of the range.
    AcceptHuge {
        node: Node,
        below_the_end: u8,
    },
    Pop,
    AdvanceTo(Vec<(Node, u8)>),
    RemoveSource(Node),
    Close {
        node: Node,
        last: u8,
    },
    SaveAndRestore,
}

/// Makes a dot of few nodes and counters, so that messages meet: at the start, and beyond the shortest window.
fn dot(node: Node, counter: u8) -> Dot<Node> {
    let start = if counter < 192 { 1 } else { 60 };
    Dot::new(node % 5, start + u64::from(counter % 12)).unwrap()
}

fuzz_target!(|input: Input| {
    let limits = BufferLimits {
        messages: usize::from(input.messages % 16),
        bytes: input.bytes.map_or(usize::MAX, |bytes| 3 * usize::from(bytes)),
        horizon: u64::from(input.horizon % 96),
        nodes: usize::from(input.nodes % 6),
        dependencies: usize::from(input.dependencies % 5),
        sources: usize::from(input.sources % 4),
    };
    let mut buffer = buffer_model::buffer(limits);
    let mut model = BufferModel::new(limits);
    for operation in input.operations {
        match operation {
            Operation::Accept { source, node, counter, dependencies, payload } => {
                let dependencies = dependencies.into_iter().map(|(node, counter)| dot(node, counter));
                if let Ok(message) = Message::new(dot(node, counter), dependencies, payload.into()) {
                    accept_in_both(&mut buffer, &mut model, source.map(|source| source % 5), message);
                }
            }
            Operation::AcceptHuge { node, below_the_end } => {
                let own = Dot::new(node % 5, u64::MAX - u64::from(below_the_end)).unwrap();
                accept_in_both(&mut buffer, &mut model, None, Message::new(own, [], 0).unwrap());
            }
            Operation::Pop => model.pop(buffer.pop().as_ref()),
            Operation::AdvanceTo(vector) => {
                let vector: VersionVector<Node> =
                    vector.into_iter().map(|(node, counter)| (node % 5, u64::from(counter % 80))).collect();
                assert_eq!(buffer.advance_to(&vector).is_ok(), model.advance_to(&vector));
            }
            Operation::RemoveSource(source) => {
                let source = source % 5;
                assert_eq!(buffer.remove_source(&source), model.remove_source(source));
            }
            Operation::Close { node, last } => {
                let (node, last) = (node % 5, dot(node, last).counter() - 1);
                assert_eq!(buffer.close(&node, last).ok(), model.close(node, last));
            }
            Operation::SaveAndRestore => {
                // The same buffer, with payloads as bytes.
                let mut saved = happens_before::CausalBuffer::new(limits);
                saved.advance_to(&buffer.delivered()).unwrap();
                for (node, last) in buffer.closed() {
                    saved.close(node, last).unwrap();
                }
                for message in buffer.undelivered() {
                    let payload = [*message.payload()];
                    let message = Message::new(*message.dot(), message.dependencies().iter().copied(), payload);
                    saved.accept(message.unwrap()).unwrap();
                }
                let mut bytes = Vec::new();
                encode_snapshot(&saved, &CausalSender::new(4), &mut bytes);
                let empty = buffer_model::buffer(limits);
                let (restored, _) = decode_snapshot(&bytes, empty, |payload| payload.first().copied()).unwrap();
                assert!(restored.undelivered().eq(buffer.undelivered()));
                assert!(restored.closed().eq(buffer.closed()));
                assert_eq!(restored.delivered(), buffer.delivered());
                assert_eq!(restored.internal_validate(), Ok(()));
            }
        }
        model.assert_like(&buffer);
    }
});
