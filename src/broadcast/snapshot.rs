//! The place in the total order from which a subscriber goes on.

use crate::codec::{Decode, DecodeError, DecodeErrorKind, DecodeId, Encode, EncodeId, Reader, Writer};
use crate::compat::Vec;
use crate::node::{Dot, NodeId};
use crate::version::VersionVector;

/// A place in the total order from which a subscriber can go on, after a restart or when it joins late.
///
/// Store it together with the state that results from the deliveries up to here. It may be taken between any two
/// deliveries, also within one entry. [`codec`](crate::codec) and serde give it a form.
///
/// # Examples
///
/// ```
/// use happens_before::{Subscriber, codec};
/// use happens_before::broadcast::{Snapshot, SubscriberConfig};
///
/// let subscriber = Subscriber::<u64, Vec<u8>>::new(SubscriberConfig::default());
/// let mut saved = Vec::new();
/// codec::encode(&subscriber.snapshot(), &mut saved);
///
/// let snapshot: Snapshot<u64> = codec::decode(&saved)?;
/// let subscriber = Subscriber::<u64, Vec<u8>>::resume(snapshot, SubscriberConfig::default());
/// assert_eq!(subscriber.snapshot(), Snapshot::default());
/// # Ok::<(), codec::DecodeError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot<I> {
    /// The slot to deliver next; slots below it may be trimmed.
    pub next: u64,
    /// The highest epoch of an entry so far.
    pub epoch: u64,
    /// The highest number delivered of every node, by which a second copy of a message is recognised.
    pub delivered: VersionVector<I>,
    /// The slots that were skipped because of a [`Skip`](super::Content::Skip), in increasing order. They show, when
    /// the slot of the `Skip` itself comes, that the `Skip` was obeyed.
    pub skipped: Vec<u64>,
    /// The last entry passed. It is in the slot below the next one, or in the next one if a part of it is still to be
    /// delivered. It lets a subscriber notice that the log was [rolled back](super::SubscribeError::RolledBack). `None`
    /// if nothing was passed, or to leave out that check until another entry is passed.
    pub passed: Option<Passed<I>>,
}

impl<I: NodeId> Default for Snapshot<I> {
    /// Before the first slot.
    fn default() -> Self {
        Self { next: 1, epoch: 0, delivered: VersionVector::new(), skipped: Vec::new(), passed: None }
    }
}

/// The last entry that a subscriber has passed, without its payloads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passed<I> {
    /// Its slot.
    pub slot: u64,
    /// The epoch of its writer.
    pub epoch: u64,
    /// The id of its first message; `None` if it has none.
    pub id: Option<Dot<I>>,
}

impl<I: EncodeId> Encode for Snapshot<I> {
    fn encode(&self, out: &mut Writer<'_>) {
        self.delivered.encode(out);
        out.put_number(self.next);
        out.put_number(self.epoch);
        out.put_number(self.skipped.len() as u64);
        self.skipped.iter().for_each(|&slot| out.put_number(slot));
        self.passed.encode(out);
    }
}

/// Skipped slots that are not in increasing order are refused. Each takes an entry from the reader's budget.
impl<I: DecodeId> Decode for Snapshot<I> {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let delivered = VersionVector::decode(reader)?;
        let (next, epoch) = (reader.take_number()?, reader.take_number()?);
        let counted_at = reader.at();
        let count = reader.take_number()?;
        reader.draw(counted_at, count)?;
        let mut skipped = Vec::new();
        for _ in 0..count {
            let at = reader.at();
            let slot = reader.take_number()?;
            if skipped.last().is_some_and(|last| *last >= slot) {
                return reader.refuse(at, DecodeErrorKind::Unsorted);
            }
            skipped.push(slot);
        }
        Ok(Self { next, epoch, delivered, skipped, passed: Option::decode(reader)? })
    }
}

impl<I: EncodeId> Encode for Passed<I> {
    fn encode(&self, out: &mut Writer<'_>) {
        out.put_number(self.slot);
        out.put_number(self.epoch);
        self.id.encode(out);
    }
}

impl<I: DecodeId> Decode for Passed<I> {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (slot, epoch) = (reader.take_number()?, reader.take_number()?);
        Ok(Self { slot, epoch, id: Option::decode(reader)? })
    }
}
