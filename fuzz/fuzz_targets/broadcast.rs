//! Publishers and subscribers over one log: the bytes choose every step and every fault; the oracle judges each run.
#![no_main]

use testkit::broadcast_world as world;

use libfuzzer_sys::fuzz_target;
use world::{Conduct, End, World};

fuzz_target!(|input: &[u8]| {
    let Some((faults, mut steps)) = input.split_at_checked(11) else { return };
    let fault = |index: usize| u64::from(faults[index] % 8) * 10;
    let conduct = Conduct {
        lose: fault(0),
        repeat: fault(1),
        impatient: 5 * fault(2),
        crash: fault(3) / 2,
        restart: fault(4) / 2,
        counter_back: fault(5),
        counter_jump: fault(6),
        seal: fault(7) / 2,
        trim: fault(8),
        abandon: fault(9),
        clock: fault(10),
        ..Conduct::default()
    };
    let count = (steps.len() as u32).min(2_000);
    // When the bytes are used up, the choices go round.
    let mut round = 0_u64;
    let choose = |limit: u64| {
        let (chosen, rest) = match steps {
            [first, second, rest @ ..] => (u64::from(u16::from_be_bytes([*first, *second])), rest),
            _ => (round, &[][..]),
        };
        (steps, round) = (rest, round + 1);
        chosen % limit
    };
    let mut world = World::new(choose, conduct, 2, 2, 8);
    let end = world.run(count);
    assert!(matches!(end, End::Complete), "{end:?} under {conduct:?}");
    world.assert_real_time_order();
});
