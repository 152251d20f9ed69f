//! Equality: two buffers are equal if they behave equally from now on.
//!
//! Both are reduced to what the answers of a buffer depend on, without the numbers by which it is stored.

use core::hash::{Hash, Hasher};

use crate::compat::Vec;
use crate::delivery::buffer::shares::SharesContent;
use crate::delivery::buffer::{BufferLimits, CausalBuffer};
use crate::delivery::message::Message;
use crate::node::NodeId;

/// The state that the answers of a buffer depend on.
#[derive(PartialEq, Hash)]
struct Content<'a, I, P> {
    limits: BufferLimits,
    /// The known nodes, each with the counter up to which it is delivered, the highest one known, and the last one.
    nodes: Vec<(&'a I, [u64; 3])>,
    /// The messages that can be delivered, in the order of delivery.
    ready: Vec<&'a Message<I, P>>,
    /// The messages that wait, sorted by dot. The cause that a message waits for follows from what is delivered.
    waiting: Vec<&'a Message<I, P>>,
    /// The sources of the messages that wait.
    shares: Option<SharesContent<'a, I>>,
}

impl<I: NodeId, P> CausalBuffer<I, P> {
    fn content(&self) -> Content<'_, I, P> {
        let Self { limits, waiting, shares, measure: _ } = self;
        let nodes = waiting.lanes();
        let nodes = nodes.map(|(node, lane)| (node, [lane.delivered(), lane.highest(), lane.last()]));
        Content {
            limits: *limits,
            nodes: nodes.collect(),
            ready: waiting.iter_ready().collect(),
            waiting: waiting.iter_waiting().map(|(_, message)| message).collect(),
            shares: shares.content(waiting.iter_waiting().map(|(id, _)| id)),
        }
    }
}

impl<I: NodeId, P: PartialEq> PartialEq for CausalBuffer<I, P> {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.content() == other.content()
    }
}

impl<I: NodeId, P: Eq> Eq for CausalBuffer<I, P> {}

impl<I: NodeId + Hash, P: Hash> Hash for CausalBuffer<I, P> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.content().hash(state);
    }
}
