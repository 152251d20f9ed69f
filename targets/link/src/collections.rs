//! The allocating half of the core.

use happens_before::VersionVector;

pub(crate) fn exercise(input: u64) -> u64 {
    version_vector(input)
}

fn version_vector(input: u64) -> u64 {
    // More entries than fit inline, so that the allocator is reached.
    let mut ours: VersionVector<u64> = (0..9).map(|node| (node, input)).collect();
    let theirs: VersionVector<u64> = (4..40).map(|node| (node, input / 2)).collect();
    let incremented = ours.increment(input).is_ok_and(|dot| theirs.contains(&dot));
    let missing: u64 = theirs.difference(&ours).map(|range| range.len()).fold(0, u64::wrapping_add);
    let order = theirs.compare(&ours);
    ours.merge(&theirs);
    ours.meet(&theirs);
    ours.retain(|node, _| node % 2 == 0);
    ours.remove(&6)
        ^ missing
        ^ order as u64
        ^ u64::from(incremented)
        ^ ours.iter().map(|(_, c)| c).fold(0, u64::wrapping_add)
}
