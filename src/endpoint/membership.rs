//! The members that come and go.

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
    /// From now on messages that it lacks are kept for it. It starts with [`Endpoint::join`] from a snapshot that a member
    /// has taken **after this**; or with [`Endpoint::new`], as long as nothing is stable.
    ///
    /// Admit it at all members before the snapshot is taken. A member that admits it later may have forgotten what it
    /// lacks, and then only the member that has given the snapshot can help it. Until a member has admitted the node, it
    /// refuses the node's messages, and those that build on them.
    ///
    /// A node that is a member already is left as it is.
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
        self.members.insert(node, Member::new(sent, soon));
        Ok(())
    }

    /// Removes a member from the group, for good; returns whether it was one. O(n²).
    ///
    /// Nothing waits for it any longer, and packets from it are refused. Its messages stay: those that one live member has
    /// delivered, all will. If it is to take part again, it [joins](Self::join) under a new id.
    ///
    /// A node does not remove itself. It waits until [`held_back_by`](Self::held_back_by) is empty, so that nothing that it
    /// has sent is lost, and falls silent. Each of the others removes it when it learns of that; nobody tells the node that
    /// is removed.
    ///
    /// Messages of the node that are held back are dropped, and asked for again if a member has delivered them. They may
    /// build on messages that only nodes that are gone have delivered, and so wait for ever; or differ from what others
    /// hold, if the node was hostile. A message held back of a member builds on what that member has delivered. So once all
    /// that are gone are removed, nothing waits for ever.
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

    /// Drops what is held back of one author. O(n + h).
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
