//! Closing: the end of a node that is gone for good, and of the messages that can never be delivered because of that.
//!
//! # The problem
//!
//! A node crashes and does not come back. It had sent a message that reached only one other node. That node sent a
//! message which depends on the lost one, and then crashed too. A node that holds the second message waits for ever,
//! and requests the lost message for ever.
//!
//! A time-out would not help. Nodes that gave up at different times would deliver different messages.
//!
//! # The rule
//!
//! The others agree on one number: that of the last message of the node that any of them has delivered. They
//! [close](CausalBuffer::close) the node there.
//!
//! 1. Messages beyond the number are *closed*. They are refused, and never missing.
//! 2. A held message that is closed, or depends on a closed one, is *doomed*. It is removed and returned.
//! 3. The messages of a node are delivered in order. So if message k of a node q is doomed, all later ones are too, and
//!    q is closed at k - 1. Repeat until nothing changes.
//!
//! ```text
//!   close(p, 4)    (q,7) depends on (p,5): doomed    q is closed at 6    (r,2) depends on (q,8): doomed   ...
//! ```
//!
//! The sender of a doomed message had delivered a message that no other node has, and is gone too. Or the sender is
//! hostile, and harms only itself. A doomed message that arrives later is refused, with the advice to close its node.
//!
//! # Cost
//!
//! O(n + h d log(h d)) for n nodes and h held messages with d dependencies. All names in held messages are sorted once,
//! and then taken from the end. There is no permanent index of them, because nodes leave rarely and messages come all
//! the time. The call takes 16 bytes for each name. When nothing is held, it costs only O(log n) to close a known node.

use crate::compat::{BTreeMap, BTreeSet, Vec};
use crate::delivery::buffer::CausalBuffer;
use crate::delivery::buffer::eviction::Leaving;
use crate::delivery::buffer::waiting::{Doomed, HeldId, LaneId};
use crate::delivery::error::CloseError;
use crate::delivery::message::Message;
use crate::node::NodeId;

/// For each node, the counters that held messages have or name, in order, each with the message.
type Named = BTreeMap<LaneId, Vec<(u64, HeldId)>>;

impl<I: NodeId, P> CausalBuffer<I, P> {
    /// Closes `node` after its message `last`, 0 for none. Returns the messages that can therefore never be delivered,
    /// sorted by dot: messages of the node beyond `last`, and all that depend on those.
    ///
    /// All nodes must have agreed on `last`, and no live node may have delivered a later message of `node`. Nodes with
    /// different numbers would refuse messages that others have delivered.
    ///
    /// Other nodes with a returned message are closed just before it. A node that is already closed keeps the lower of
    /// the two numbers. O(n + h d log(h d)) for n nodes and h held messages with d dependencies.
    ///
    /// # A node that comes back
    ///
    /// A node that has lost its state must not use its id again, because it does not know which numbers it has used:
    ///
    /// 1. It comes back under a new id, such as the old one with the number of the *incarnation* beside it.
    /// 2. It starts from a snapshot of another node, with [`advance_to`](Self::advance_to).
    /// 3. It announces itself by its first message.
    /// 4. The members agree on the last message of the old incarnation, and close it.
    ///
    /// Both ids count towards [`BufferLimits::nodes`](crate::delivery::BufferLimits::nodes). The buffer must know the
    /// end of the old one as long as its messages may come again.
    ///
    /// # Errors
    ///
    /// [`CloseError`]. The buffer is unchanged.
    ///
    /// ```
    /// use happens_before::{CausalBuffer, Dot, Message};
    /// use happens_before::delivery::{AcceptErrorKind, BufferLimits, CloseError};
    ///
    /// let dot = |incarnation, counter| Dot::new(("p", incarnation), counter).unwrap();
    /// let mut buffer = CausalBuffer::new(BufferLimits::default());
    /// buffer.accept(Message::new(dot(1, 1), [], "delivered everywhere")?)?;
    /// buffer.pop();
    /// buffer.accept(Message::new(dot(1, 3), [], "reached only us; the second message is lost")?)?;
    /// let q1 = Dot::new(("q", 1), 1).unwrap();
    /// buffer.accept(Message::new(q1, [dot(1, 2)], "from one who had seen it, and crashed")?)?;
    ///
    /// assert_eq!(buffer.close(&("p", 1), 0), Err(CloseError::Delivered { last: 1 }));
    /// let doomed = buffer.close(&("p", 1), 1)?;
    /// assert!(doomed.iter().map(Message::dot).eq([&dot(1, 3), &q1]));
    /// assert!(buffer.closed().eq([(&("p", 1), 1), (&("q", 1), 0)]));
    /// assert_eq!(buffer.missing().next(), None);
    ///
    /// // The node returns as its second incarnation.
    /// buffer.accept(Message::new(dot(2, 1), [dot(1, 1)], "back again")?)?;
    /// assert_eq!(buffer.pop().map(Message::into_payload), Some("back again"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn close(&mut self, node: &I, last: u64) -> Result<Vec<Message<I, P>>, CloseError> {
        let limit = self.limits.nodes;
        match self.waiting.lane_of(node) {
            Some(lane) if lane.delivered() > last => {
                return Err(CloseError::Delivered { last: lane.delivered() });
            }
            None if self.waiting.nodes() >= limit => return Err(CloseError::TooManyNodes { limit }),
            _ => {}
        }
        self.wake();
        // All calls of the caller's code come first. Their only effect may be that the node is known.
        let lane = self.waiting.find_or_add(node);
        let (lasts, ids) = self.doomed(lane, last);
        let leaving: Vec<Leaving> = ids.into_iter().filter_map(|id| self.leaving(id)).collect();
        let doomed = self.by_dot(&lasts, &leaving);
        leaving.iter().for_each(|leaving| self.discharge(leaving));
        Ok(self.waiting.close(lasts, doomed))
    }

    /// Finds the effects of closing the node of `lane` at `last`: the lanes to close, each with its number, and the
    /// doomed messages that are held.
    fn doomed(&self, lane: LaneId, last: u64) -> (BTreeMap<LaneId, u64>, BTreeSet<HeldId>) {
        let mut named = self.named();
        let mut lasts = BTreeMap::new();
        let mut ids = BTreeSet::new();
        let mut closing: Vec<_> = [(lane, last)].into();
        while let Some((lane, last)) = closing.pop() {
            let lowest = lasts.entry(lane).or_insert(last);
            *lowest = last.min(*lowest);
            let Some(named) = named.get_mut(&lane) else { continue };
            while let Some((_, id)) = named.pop_if(|(counter, _)| *counter > last) {
                // It may be doomed already, for another reason.
                if let Some(held) = self.waiting.held(id).filter(|_| ids.insert(id)) {
                    closing.push((held.lane(), held.message().dot().counter() - 1));
                }
            }
        }
        (lasts, ids)
    }

    /// Sorts the doomed messages by dot: ready messages of lanes that are closed before them, and held ones.
    fn by_dot(&self, lasts: &BTreeMap<LaneId, u64>, leaving: &[Leaving]) -> Vec<Doomed> {
        let ready = lasts.iter().filter_map(|(&lane, &last)| {
            let dot = self.waiting.ready(lane)?.dot();
            (dot.counter() > last).then_some((dot, Doomed::Ready(lane)))
        });
        let held = leaving.iter().filter_map(|leaving| {
            let held = self.waiting.held(leaving.withdrawal.id())?;
            Some((held.message().dot(), Doomed::Held(leaving.withdrawal)))
        });
        let mut doomed: Vec<_> = ready.chain(held).collect();
        doomed.sort_unstable_by_key(|&(dot, _)| dot);
        doomed.into_iter().map(|(_, doomed)| doomed).collect()
    }

    /// Visits the closed nodes in their order, each with the counter of its last message, 0 for none. O(n).
    pub fn closed(&self) -> impl Iterator<Item = (&I, u64)> {
        let closed = self.waiting.lanes().filter(|(_, lane)| lane.last() < u64::MAX);
        closed.map(|(node, lane)| (node, lane.last()))
    }

    /// Collects the dots of held messages and of their dependencies, without those that are delivered.
    fn named(&self) -> Named {
        let mut named = Named::new();
        if self.waiting.parked_len() == 0 {
            return named; // without a look at every node: a snapshot closes many nodes, one by one
        }
        for (id, held) in self.waiting.iter_parked() {
            let message = held.message();
            named.entry(held.lane()).or_default().push((message.dot().counter(), id));
            for dependency in message.dependencies() {
                if let Some(lane) = self.waiting.lane_id(dependency.node()) {
                    named.entry(lane).or_default().push((dependency.counter(), id));
                }
            }
        }
        named.values_mut().for_each(|counters| counters.sort_unstable());
        named
    }
}
