//! Use of the core as in a program on bare metal. It is built, never run.

#![no_std]

#[cfg(feature = "alloc")]
mod allocator;
#[cfg(feature = "alloc")]
mod collections;

use happens_before::node::DotRange;
use happens_before::scalar::LamportTimestamp;
use happens_before::{CausalOrder, Dot, LamportClock};

// If `std` is in the tree, there are two panic handlers, and the build ends with E0152.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// The root from which all code below is reachable, so that the linker removes none of it.
#[unsafe(no_mangle)] // the name must reach the linker; there is no other function of this name here
pub extern "C" fn exercise(input: u64) -> u64 {
    let result = lamport(input) ^ names(input);
    #[cfg(feature = "alloc")]
    let result = result ^ collections::exercise(input);
    result
}

fn lamport(input: u64) -> u64 {
    let mut clock = LamportClock::with_horizon(1_u16, 1_000);
    let observed = clock.observe(input).map_or_else(|error| error.limit, |()| clock.counter());
    let ticked = clock.tick().map_or(0, |timestamp| timestamp.counter());
    let later = LamportTimestamp::new(input, 2).is_some_and(|timestamp| timestamp.counter() > ticked);
    observed ^ ticked ^ u64::from(later)
}

fn names(input: u64) -> u64 {
    let order = CausalOrder::from_bounds(input > 3, input < 9).reverse();
    let Some(dot) = Dot::new(7_u8, input) else { return 0 };
    let range = DotRange::new(*dot.node(), 2..=dot.counter());
    let len = range.map_or(0, |range| range.len() + range.dots().take(3).count() as u64);
    len ^ dot.previous().map_or(0, |previous| previous.counter()) ^ order as u64
}
