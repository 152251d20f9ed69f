//! Arbitrary bytes, and changed honest snapshots, read as the snapshot of an endpoint. The result is an error, or a
//! sound endpoint that writes the same bytes again and goes on working. A node may also join from the bytes.

#![no_main]

use std::sync::OnceLock;

use happens_before::Endpoint;
use happens_before::codec::DecodeId;
use happens_before::endpoint::EndpointConfig;
use libfuzzer_sys::fuzz_target;

const CONFIG: EndpointConfig = EndpointConfig {
    window: 8,
    window_bytes: 500,
    nodes: 6,
    packet: 100,
    answer_bytes: 300,
    delay_ms: 2,
    retry_ms: 10,
    retry_max_ms: 100,
};

fn work<I: DecodeId + std::fmt::Debug>(mut node: Endpoint<I>) {
    assert_eq!(node.internal_validate(), Ok(()));
    let _ = node.broadcast(vec![1; 3]);
    let members: Vec<I> = node.stability().members().cloned().collect();
    for now in [0, 5, 50, u64::MAX] {
        node.handle_timeout(now);
        while node.poll_delivery().is_some() {}
        for packet in std::iter::from_fn(|| node.poll_packet()).collect::<Vec<_>>() {
            // The packet is handed back in the name of another member, which has at most what this node has.
            for member in members.iter().filter(|member| **member != *node.node()).cloned().collect::<Vec<_>>()
            {
                let _ = node.handle_packet(now, &member, &packet.1);
            }
        }
        assert_eq!(node.internal_validate(), Ok(()));
    }
    for member in &members {
        node.remove(member);
        assert_eq!(node.internal_validate(), Ok(()));
    }
    assert_eq!((node.log_len() > 0, node.undelivered_len()), (false, 0));
}

fn resume<I: DecodeId + std::fmt::Debug>(bytes: &[u8], new: I) {
    if let Ok(node) = Endpoint::<I>::resume(bytes, CONFIG) {
        assert_eq!(node.snapshot(), bytes);
        work(node);
    }
    if let Ok(node) = Endpoint::<I>::join(new, bytes, CONFIG) {
        work(node);
    }
}

/// Snapshots of nodes at various times, with logs, nodes that have left, and members that have joined.
fn honest() -> &'static [Vec<u8>] {
    static SNAPSHOTS: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    SNAPSHOTS.get_or_init(|| {
        let mut snapshots = vec![];
        let mut nodes = [0_u8, 1, 2].map(|node| Endpoint::new(node, [0, 1, 2, 3], CONFIG).expect("few"));
        for round in 0..12_u64 {
            let at = round as usize % 3;
            let _ = nodes[at].broadcast(vec![7; at]);
            snapshots.push(nodes[at].snapshot());
            match round {
                5 => nodes.iter_mut().for_each(|node| assert!(node.remove(&3))),
                7 => nodes.iter_mut().for_each(|node| node.admit(4).expect("few")),
                _ => {}
            }
            for from in 0..3 {
                nodes[from].handle_timeout(round * 20);
                while nodes[from].poll_delivery().is_some() {}
                while let Some((to, packet)) = nodes[from].poll_packet() {
                    if to < 3 && (round + u64::from(to)) % 4 > 0 {
                        nodes[usize::from(to)]
                            .handle_packet(round * 20, &(from as u8), &packet)
                            .expect("honest");
                    }
                }
            }
            snapshots.extend(nodes.iter().map(Endpoint::snapshot));
        }
        assert!(snapshots.iter().all(|bytes| Endpoint::<u8>::resume(bytes, CONFIG).is_ok()));
        snapshots
    })
}

fuzz_target!(|bytes: &[u8]| {
    resume::<u8>(bytes, 4);
    resume::<u64>(bytes, 4);
    resume::<String>(bytes, String::from("d"));
    // The first byte chooses an honest snapshot. Each three further bytes change it.
    let Some((&which, changes)) = bytes.split_first() else { return };
    let mut snapshot = honest()[usize::from(which) % honest().len()].clone();
    for change in changes.chunks_exact(3) {
        let at = usize::from(change[1]) % (snapshot.len() + 1);
        match change[0] % 4 {
            0 => snapshot.insert(at, change[2]),
            1 if at < snapshot.len() => drop(snapshot.remove(at)),
            2 => snapshot.truncate(at),
            _ => {
                if let Some(byte) = snapshot.get_mut(at) {
                    *byte ^= change[2];
                }
            }
        }
    }
    resume::<u8>(&snapshot, 4);
});
