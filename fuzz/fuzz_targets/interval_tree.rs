//! Operations on a group of interval tree clocks, each compared with the definitions of the paper and with causal
//! histories; and any bytes and any text, read as a clock.

#![no_main]

use arbitrary::Arbitrary;
use happens_before::CausalOrder;
use happens_before::version::IntervalTreeClock;
use libfuzzer_sys::fuzz_target;
use testkit::interval_tree_model::Stamp;

/// The most clocks of a group.
const CLOCKS: usize = 8;

#[derive(Arbitrary, Debug)]
enum Operation {
    Fork(u8),
    Event(u8),
    /// The first clock receives the events of the second one.
    Receive(u8, u8),
    /// The second clock joins the first one, and is gone.
    Leave(u8, u8),
    Compare(u8, u8),
}

/// Reads bytes and text that come from outside. What is read is in its one form, and can be used.
fn read(bytes: &[u8]) {
    let clocks = [
        IntervalTreeClock::from_bytes(bytes, 10_000).inspect(|clock| assert_eq!(clock.to_bytes(), bytes)).ok(),
        std::str::from_utf8(bytes).ok().and_then(|text| {
            text.parse::<IntervalTreeClock>().inspect(|clock| assert_eq!(clock.to_string(), text)).ok()
        }),
    ];
    for mut clock in clocks.into_iter().flatten() {
        assert_eq!(clock.internal_validate(), Ok(()));
        let before = clock.clone();
        match clock.event() {
            Ok(()) => assert_eq!(before.compare(&clock), CausalOrder::Before),
            Err(_) => assert_eq!(before, clock),
        }
        let other = clock.fork();
        clock.join(other).expect("two halves");
        assert_eq!(clock.internal_validate(), Ok(()));
    }
}

fuzz_target!(|input: (Vec<Operation>, &[u8])| {
    let (operations, bytes) = input;
    read(bytes);
    let (mut clocks, mut models, mut events) = (vec![IntervalTreeClock::seed()], vec![Stamp::seed()], 0);
    for operation in operations {
        let at = |at: u8| usize::from(at) % clocks.len();
        match operation {
            Operation::Fork(x) if clocks.len() < CLOCKS => {
                let x = at(x);
                let (clock, model) = (clocks[x].fork(), models[x].fork());
                clocks.push(clock);
                models.push(model);
            }
            Operation::Fork(_) => {}
            Operation::Event(x) => {
                let x = at(x);
                clocks[x].event().expect("it owns a part");
                models[x].event(events);
                events += 1;
            }
            Operation::Receive(x, y) => {
                let (x, y) = (at(x), at(y));
                let (clock, model) = (clocks[y].peek(), models[y].peek());
                clocks[x].join(clock).expect("without an id");
                assert!(models[x].join(&model));
            }
            Operation::Leave(x, y) => {
                let (x, y) = (at(x), at(y));
                let (clock, model) = (clocks[y].clone(), models[y].clone());
                let before = clocks[x].clone();
                match clocks[x].join(clock) {
                    Ok(()) => {
                        assert!(models[x].join(&model));
                        clocks.swap_remove(y);
                        models.swap_remove(y);
                    }
                    Err(error) => assert_eq!((x, &error.other, &clocks[x]), (y, &before, &before)),
                }
            }
            Operation::Compare(x, y) => {
                let (x, y) = (at(x), at(y));
                let (a, b) = (&models[x].history, &models[y].history);
                let order = CausalOrder::from_bounds(a.is_subset(b), b.is_subset(a));
                assert_eq!(clocks[x].compare(&clocks[y]), order);
            }
        }
        for (clock, model) in clocks.iter().zip(&models) {
            assert_eq!(clock.internal_validate(), Ok(()));
            assert_eq!(clock.to_bytes(), model.to_bytes());
        }
    }
});
