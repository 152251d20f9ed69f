//! A resource with a fence, and late lock holders.

use happens_before::broadcast::{Fence, FencingToken, Position};

fn token(epoch: u64, sequence: u64, index: u64) -> FencingToken {
    FencingToken::new(Position { epoch, sequence, index })
}

#[test]
fn tokens_are_ordered_by_epoch_then_sequence_then_index() {
    let tokens = [token(0, 1, 0), token(0, 1, 1), token(0, 2, 0), token(1, 1, 0), token(2, 0, 0)];
    assert!(tokens.is_sorted_by(|a, b| a < b));
    for (at, &earlier) in tokens.iter().enumerate() {
        for &later in &tokens[at + 1..] {
            let mut fence = Fence::new();
            fence.admit(later).unwrap();
            assert_eq!(fence.admit(earlier).unwrap_err().highest, later);
        }
    }
}

/// The run of the source: client 1 pauses, client 2 takes the lock and writes, client 1 wakes up.
#[test]
fn a_holder_that_paused_does_not_write_over_the_next_one() {
    let (mut fence, mut file) = (Fence::new(), "");
    let (client_1, client_2) = (token(0, 33, 0), token(0, 34, 0));
    if fence.admit(client_2).is_ok() {
        file = "written by client 2";
    }
    if fence.admit(client_1).is_ok() {
        file = "written by client 1";
    }
    assert_eq!(file, "written by client 2");
}

#[test]
fn a_raised_fence_keeps_the_old_holder_from_writing_between_the_new_ones_read_and_write() {
    let mut fence = Fence::new();
    let (old, new) = (token(0, 1, 0), token(0, 2, 0));
    fence.admit(old).unwrap();
    fence.raise(new).unwrap();
    let stale = fence.admit(old).unwrap_err();
    assert_eq!((stale.token, stale.highest), (old, new));
    assert_eq!(fence.raise(old), Err(stale), "nor does it read");
    fence.admit(new).unwrap();
    fence.admit(new).unwrap();
    assert_eq!(fence.highest(), Some(new), "a refusal changes nothing");
}

#[test]
fn a_fence_goes_on_from_what_was_saved() {
    let mut fence = Fence::new();
    assert_eq!(fence.highest(), None);
    fence.admit(token(1, 5, 2)).unwrap();
    let mut restarted = Fence::resume(fence.highest());
    assert_eq!(restarted, fence);
    assert!(restarted.admit(token(1, 5, 1)).is_err());
    assert_eq!(token(1, 5, 2).position().index, 2);
}
