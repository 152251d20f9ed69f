//! Panics as failures: a node that panics fails the run, like one that breaks an invariant.

use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    static CATCHING: Cell<bool> = const { Cell::new(false) };
    static WORDS: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Does the work. If it panics, returns the message and its place as an error. Nothing is printed, as the runs of a
/// shortening may panic a thousand times.
pub(crate) fn catch<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let others = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if CATCHING.get() {
                WORDS.set(info.to_string());
            } else {
                others(info);
            }
        }));
    });
    let before = CATCHING.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(work));
    CATCHING.set(before);
    result.map_err(|_| WORDS.take())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_its_words() {
        assert_eq!(catch(|| 7), Ok(7));
        let words = catch(|| panic!("no {}", 8)).expect_err("it panics");
        assert!(words.contains("no 8") && words.contains("panics.rs"), "{words}");
    }
}
