//! The messages to request, and the causes that a message waits for.
//!
//! The counters of a node have no gaps. So every counter between the last delivered one and the highest known one
//! exists, and is missing unless it is held.
//!
//! ```text
//!   delivered 3     held 5 and 6     a held message depends on 9     missing 4..=4 and 7..=9
//! ```

use core::iter;

use crate::delivery::buffer::CausalBuffer;
use crate::delivery::message::Message;
use crate::node::{Dot, DotRange, NodeId};

impl<I: NodeId, P> CausalBuffer<I, P> {
    /// Visits the ranges of messages to request: all that the held messages prove to exist, except those that are
    /// delivered or held. A held message proves its dependencies, and everything before them and before itself at the
    /// same nodes.
    ///
    /// Messages that were held and then evicted, or dropped with their source, are included. [Closed](Self::close)
    /// messages are not.
    ///
    /// The ranges are in order and do not touch. O(n + h) for h messages held or waited for, whatever the length of the
    /// gaps.
    pub fn missing(&self) -> impl Iterator<Item = DotRange<I>> {
        let lagging = self.waiting.lanes().filter(|(_, lane)| lane.delivered() < lane.highest());
        lagging.flat_map(move |(node, lane)| {
            let here = lane.counters_here();
            // Each gap ends just below a counter that is here. The last one ends at the highest counter known to exist.
            let ends = here.map(|counter| (counter - 1, counter)).chain([(lane.highest(), lane.highest())]);
            let gaps = ends.scan(lane.delivered(), |before, (last, here)| {
                let gap = before.checked_add(1).map(|first| first..=last);
                *before = here;
                Some(gap)
            });
            gaps.flatten().filter_map(|gap| DotRange::new(node.clone(), gap))
        })
    }

    /// Visits the causes for which the held message `dot` still waits: the sender's previous message, and dependencies.
    ///
    /// There are none if the message is not held, or is ready. To learn why a message is not delivered, follow these
    /// causes. A cause that is held waits in its turn. A cause that is not held is [`missing`](Self::missing). O(d log
    /// n).
    ///
    /// ```
    /// use happens_before::{CausalBuffer, Dot, Message};
    /// use happens_before::delivery::BufferLimits;
    ///
    /// let mut buffer = CausalBuffer::new(BufferLimits::default());
    /// let b2 = Dot::new("b", 2).unwrap();
    /// let a7 = Dot::new("a", 7).unwrap();
    /// buffer.accept(Message::new(b2, [a7], ())?)?;
    /// assert!(buffer.blocked_on(&b2).eq([b2.previous().unwrap(), a7]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn blocked_on(&self, dot: &Dot<I>) -> impl Iterator<Item = Dot<I>> {
        let held = self.waiting.find_held(dot).and_then(|id| self.waiting.held(id));
        held.into_iter().flat_map(|held| self.undelivered_causes(held.message()))
    }

    /// Visits the undelivered causes of `message`, which was refused for lack of room: all that has to come before it.
    /// O(d log n).
    ///
    /// With [`BufferLimits::messages`](crate::delivery::BufferLimits::messages) 0 the buffer is *strict*. It holds
    /// nothing back. If a neighbour sends out of order, the caller can tell it which messages are missing:
    ///
    /// ```
    /// use happens_before::{CausalBuffer, Dot, Message};
    /// use happens_before::delivery::{AcceptErrorKind, Accepted, BufferLimits};
    ///
    /// let mut strict = CausalBuffer::new(BufferLimits { messages: 0, ..BufferLimits::default() });
    /// let a1 = Dot::new("a", 1).unwrap();
    /// let answer = Message::new(Dot::new("b", 1).unwrap(), [a1], "yes")?;
    /// let refused = strict.accept(answer).unwrap_err();
    /// assert_eq!(refused.kind, AcceptErrorKind::BufferFull { limit: 0 });
    /// assert!(strict.undelivered_causes(&refused.refused).eq([a1]));
    ///
    /// strict.accept(Message::new(a1, [], "tea?")?)?;
    /// strict.pop();
    /// assert_eq!(strict.accept(refused.refused)?, Accepted::Ready);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn undelivered_causes(&self, message: &Message<I, P>) -> impl Iterator<Item = Dot<I>> {
        let dependencies = message.dependencies().iter().map(|named| (named.node(), named.counter()));
        let causes = iter::once(message.previous()).chain(dependencies);
        causes
            .filter(|&(node, counter)| counter > self.delivered_up_to(node))
            .filter_map(|(node, counter)| Dot::new(node.clone(), counter))
    }
}
