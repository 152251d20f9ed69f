//! Arbitrary bytes, read as the snapshot of a node. The result is an error with a position within them, or a sound
//! buffer and sender that write the same bytes again.

#![no_main]

use happens_before::CausalBuffer;
use happens_before::codec::DecodeId;
use happens_before::delivery::{BufferLimits, decode_snapshot, encode_snapshot};
use libfuzzer_sys::fuzz_target;

fn restore<I: DecodeId + std::fmt::Debug>(bytes: &[u8]) {
    let limits =
        BufferLimits { messages: 20, bytes: 1_000, nodes: 50, dependencies: 10, ..BufferLimits::default() };
    let empty = CausalBuffer::measured(limits, |payload: &Vec<u8>| payload.len());
    let valid = |payload: &[u8]| (payload != b"not valid").then(|| payload.to_vec());
    let (mut buffer, mut sender) = match decode_snapshot::<I, _>(bytes, empty, valid) {
        Ok(restored) => restored,
        Err(error) => return assert!(error.at <= bytes.len()),
    };
    assert_eq!(buffer.internal_validate(), Ok(()));
    let mut again = Vec::new();
    encode_snapshot(&buffer, &sender, &mut again);
    assert_eq!(again, bytes);

    // The buffer goes on working.
    let held = buffer.len();
    let mut delivered = 0;
    while let Some(message) = buffer.pop() {
        sender.observe(&message);
        delivered += 1;
    }
    assert_eq!(buffer.len() + delivered, held);
    assert_eq!(buffer.internal_validate(), Ok(()));
    if let Ok(own) = sender.stamp(Vec::new()) {
        let _ = buffer.accept(own);
    }
    let node = sender.node().clone();
    if buffer.close(&node, buffer.delivered_up_to(&node)).is_ok() {
        assert!(
            buffer.closed().any(|(closed, _)| *closed == node) || buffer.delivered_up_to(&node) == u64::MAX
        );
    }
    assert_eq!(buffer.internal_validate(), Ok(()));
    encode_snapshot(&buffer, &sender, &mut again);
}

fuzz_target!(|bytes: &[u8]| {
    restore::<u8>(bytes);
    restore::<u64>(bytes);
    restore::<String>(bytes);
});
