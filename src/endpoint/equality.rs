//! Equality: two endpoints are equal if they behave equally from now on. Copies, for programs that explore.
//!
//! Both endpoints are reduced to what their answers depend on. Deadlines are compared by the time that is left, and what
//! is past only where something may still depend on it.

use core::hash::{Hash, Hasher};

use crate::codec::DecodeId;
use crate::compat::Vec;
use crate::delivery::sender::CausalSender;
use crate::delivery::{CausalBuffer, Stability};
use crate::node::NodeId;

use super::author::AuthorContent;
use super::config::EndpointConfig;
use super::frame::Frame;
use super::machine::Endpoint;
use super::member::MemberContent;

/// The content of an endpoint. The revision is left out: it follows from the logs (EP2).
#[derive(PartialEq, Hash)]
struct Content<'a, I: NodeId> {
    config: &'a EndpointConfig,
    last_ms: Option<u64>,
    sender: &'a CausalSender<I>,
    buffer: &'a CausalBuffer<I, Option<Frame>>,
    stability: &'a Stability<I>,
    authors: Vec<(&'a I, AuthorContent<'a, I>)>,
    members: Vec<(&'a I, MemberContent<'a, I>)>,
}

impl<I: DecodeId> Endpoint<I> {
    fn content(&self) -> Content<'_, I> {
        let Self { config, stopwatch, sender, buffer, stability, authors, members, revision } = self;
        let authors = authors.iter().map(|(node, author)| (node, author.content(stopwatch, config)));
        let members = members.iter().map(|(node, member)| (node, member.content(*revision, stopwatch, config)));
        Content {
            config,
            last_ms: stopwatch.last(),
            sender,
            buffer,
            stability,
            authors: authors.collect(),
            members: members.collect(),
        }
    }

    /// Returns a copy, for a model checker or a simulation that tries out several futures of one state.
    ///
    /// Never connect two copies to the same group: they would give the same dot to different messages.
    ///
    /// ```
    /// use std::collections::HashSet;
    ///
    /// use happens_before::Endpoint;
    /// use happens_before::endpoint::EndpointConfig;
    ///
    /// // All states that two broadcasts and their deliveries can lead to, in any order.
    /// let start = Endpoint::new(1_u32, [1, 2], EndpointConfig::default())?;
    /// let (mut states, mut new) = (HashSet::new(), vec![(start, 2)]);
    /// while let Some((state, left)) = new.pop() {
    ///     let mut delivers = state.duplicate();
    ///     if delivers.poll_delivery().is_some() {
    ///         new.push((delivers, left));
    ///     }
    ///     let mut sends = state.duplicate();
    ///     if left > 0 && sends.broadcast(b"tea?".to_vec()).is_ok() {
    ///         new.push((sends, left - 1));
    ///     }
    ///     states.insert(state);
    /// }
    /// assert_eq!(states.len(), 6);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn duplicate(&self) -> Self {
        let Self { config, stopwatch, sender, buffer, stability, authors, members, revision } = self;
        Self {
            config: *config,
            stopwatch: *stopwatch,
            sender: sender.duplicate(),
            buffer: buffer.clone(),
            stability: stability.clone(),
            authors: authors.clone(),
            members: members.clone(),
            revision: *revision,
        }
    }
}

impl<I: DecodeId> PartialEq for Endpoint<I> {
    fn eq(&self, other: &Self) -> bool {
        self.content() == other.content()
    }
}

impl<I: DecodeId> Eq for Endpoint<I> {}

impl<I: DecodeId + Hash> Hash for Endpoint<I> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.content().hash(state);
    }
}
