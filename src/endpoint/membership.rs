//! Members that come and go.

use core::mem;

use crate::codec::DecodeId;
use crate::delivery::CausalBuffer;
use crate::version::VersionVector;

use super::author::Author;
use super::error::{GroupError, GroupErrorKind};
use super::machine::{Endpoint, too_many_nodes};
use super::member::Member;
use super::retransmission_log::RetransmissionLog;

impl<I: DecodeId> Endpoint<I> {
    /// Admits a new node to the group. O(n²).
    ///
    /// From now on messages that the node lacks are kept for it. It starts with [`Endpoint::join`] from a snapshot that
    /// a member has taken **after this call**, or with [`Endpoint::new`] as long as nothing is stable.
    ///
    /// Admit it at all members before the snapshot is taken. A member that admits it later may have forgotten messages
    /// that the node lacks. Then only the member that gave the snapshot can send them. Until a member has admitted the
    /// node, the member refuses the node's messages, and all that build on them.
    ///
    /// A node that is already a member is unchanged.
    ///
    /// # Errors
    ///
    /// [`IdUsed`](GroupErrorKind::IdUsed) if the node has left the group, and
    /// [`TooManyNodes`](GroupErrorKind::TooManyNodes) if there is no room for one more. The endpoint is unchanged.
    pub fn admit(&mut self, node: I) -> Result<(), GroupError> {
        if self.stability.is_member(&node) {
            return Ok(());
        }
        if self.authors.contains_key(&node) {
            return Err(GroupError { kind: GroupErrorKind::IdUsed });
        }
        if self.authors.len() >= self.config.nodes {
            return Err(too_many_nodes(self.config.nodes));
        }
        let joined = self.stability.join(node.clone(), &VersionVector::new());
        joined.map_err(|_| too_many_nodes(self.config.nodes))?;
        self.authors.insert(node.clone(), Author::new(RetransmissionLog::default(), 0));
        let soon = self.stopwatch.after(self.config.delay_ms);
        let sent = self.stability.acknowledged(&node, self.node());
        self.members.insert(node, Member::new(sent, &self.stopwatch, soon));
        Ok(())
    }

    /// Removes a member from the group for good, and returns whether it was one. O(n²).
    ///
    /// Nothing waits for it any longer, and packets from it are refused. Its messages stay: if one live member has
    /// delivered a message, all will. To take part again, it [joins](Self::join) under a new id.
    ///
    /// A node does not remove itself. To leave without losing a message, it waits until
    /// [`held_back_by`](Self::held_back_by) is empty, and falls silent. Each other node removes it when it learns of
    /// that. The removed node is not told.
    ///
    /// Held messages of the node are dropped, and requested again if a member has delivered them. They may build on
    /// messages that only gone nodes have delivered, and would then wait for ever. If the node was hostile, they may
    /// also differ from what others hold. A held message of a live member builds only on what that member has
    /// delivered. So once all gone nodes are removed, nothing waits for ever.
    pub fn remove(&mut self, node: &I) -> bool {
        if self.members.remove(node).is_none() {
            return false;
        }
        let stable = self.stability.remove(node);
        self.drop_held(node);
        self.note_claims();
        self.forget(&stable);
        true
    }

    /// Drops the held messages of one author. O(n + h).
    fn drop_held(&mut self, node: &I) {
        let empty = CausalBuffer::new(self.config.buffer_limits());
        let mut before = mem::replace(&mut self.buffer, empty);
        let mut has_room = self.buffer.advance_to(&before.delivered()).is_ok();
        for message in before.drain_undelivered() {
            if message.dot().node() != node {
                has_room &= self.buffer.accept(message).is_ok();
            }
        }
        debug_assert!(has_room, "messages that were held have room");
        if let Some(author) = self.authors.get_mut(node) {
            author.held_bytes = 0;
        }
    }
}
