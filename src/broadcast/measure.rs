//! The size of an entry, for limits in bytes.

use super::{Content, Entry, Payloads};

/// Returns how many bytes an entry counts for: its size in memory, and what `measure` returns for its payloads.
pub(super) fn size<I, P>(entry: &Entry<I, P>, measure: Option<fn(&P) -> usize>) -> usize {
    let Content::Messages { payloads, .. } = entry.content() else { return size_of::<Entry<I, P>>() };
    size_of::<Entry<I, P>>().saturating_add(owned(payloads, measure))
}

/// Returns how many bytes the payloads of an entry count for, besides the entry itself.
#[inline]
pub(super) fn owned<P>(payloads: &Payloads<P>, measure: Option<fn(&P) -> usize>) -> usize {
    match (payloads.as_slice(), measure) {
        ([_], None) => 0,
        ([payload], Some(measure)) => measure(payload),
        (payloads, _) => sum(payloads, measure),
    }
}

#[cold]
fn sum<P>(payloads: &[P], measure: Option<fn(&P) -> usize>) -> usize {
    payloads.iter().fold(0, |sum: usize, payload| {
        let owned = measure.map_or(0, |measure| measure(payload));
        sum.saturating_add(size_of::<P>()).saturating_add(owned)
    })
}
