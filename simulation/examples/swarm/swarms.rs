//! The swarm of faults of each scenario.

use happens_before_simulation::{Faults, Swarm};

use super::{buffer, endpoint};

/// Every kind of fault, in runs of three to eight nodes.
pub(crate) fn buffer() -> Swarm {
    let worst = Faults {
        loss: 0.6,
        duplicate: 0.6,
        delay_ms: 1000,
        partitions: 3,
        crashes: buffer::CRASHES,
        lose_state: true,
        drift: 500,
        jump_ms: 5000,
        jump_back_ms: 5000,
    };
    Swarm {
        nodes: 3..=8,
        commands: 1..=200,
        span_ms: 50..=3000,
        // Slow: answers may hold one message each, and questions may be 1.6 s apart.
        quiesces_within_ms: 600_000,
        worst,
        ..Swarm::default()
    }
}

/// The same in shorter runs, without loss of state.
pub(crate) fn endpoint() -> Swarm {
    let joining = joining();
    let worst = Faults { lose_state: false, ..joining.worst };
    Swarm { worst, ..joining }
}

/// The same, with nodes that lose their state and join under a new name.
pub(crate) fn joining() -> Swarm {
    let buffer = buffer();
    let worst = Faults { crashes: endpoint::CRASHES, ..buffer.worst };
    Swarm { commands: 1..=100, worst, steps: 200_000, ..buffer }
}
