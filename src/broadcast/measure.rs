//! The size of an entry, where bytes are counted.

use super::{Content, Entry};

/// Returns how many bytes an entry counts for: its size in memory, and what `measure` says of its payloads.
pub(super) fn size<I, P>(entry: &Entry<I, P>, measure: fn(&P) -> usize) -> usize {
    let memory = size_of::<Entry<I, P>>();
    let Content::Messages { payloads, .. } = entry.content() else { return memory };
    match payloads.as_slice() {
        [payload] => memory.saturating_add(measure(payload)),
        payloads => payloads
            .iter()
            .fold(memory, |sum, payload| sum.saturating_add(size_of::<P>()).saturating_add(measure(payload))),
    }
}
