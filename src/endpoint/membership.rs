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
    /// Takes a new node into the group. O(n²).
    ///
    /// From now on what it does not have is kept for it. It starts either with [`Endpoint::join`] from a snapshot that was
    /// taken by a member **after this**, or, as long as nothing is stable, with [`Endpoint::new`]. Admit it at all members
    /// before the snapshot is taken: one that admits it later may have forgotten what the newcomer lacks, and then only
    /// the member that has given the snapshot can help it. And until a member has admitted it, that one takes in none of
    /// its messages, nor what builds on them.
    ///
    /// A node that is a member already is left as it is.
    ///
    /// # Errors
    ///
    /// [`GroupError`]; the endpoint is unchanged.
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

    /// Takes a member out of the group, for good; says whether it was one. O(n²).
    ///
    /// Nothing waits for it any longer, and packets from it are refused. What it has sent stays: what one live member has
    /// delivered of it, all will. A node does not remove itself: it waits until [`held_back_by`](Self::held_back_by) is
    /// empty, so that nothing it has sent is lost, falls silent, and the others remove it, each when it learns of that;
    /// nobody tells the one that is removed. If it is to take part again, it [joins](Self::join) under a new id.
    ///
    /// What is held back of it is dropped, and asked for again if a member has delivered it: it may build on what only nodes
    /// that are gone have delivered, and so wait for ever; or differ from what others hold, if the node was hostile. What
    /// is held back of a member builds on what that member has delivered. So once all that are gone are removed, nothing
    /// waits for ever.
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
        for message in before.drain_held() {
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
