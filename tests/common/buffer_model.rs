//! The naive causal buffer: sets, and a rescan of everything at every step. Shared with the fuzz target.

#![allow(dead_code, unreachable_pub, reason = "shared by programs that each use a part")]

use std::collections::{BTreeMap, BTreeSet};

use happens_before::delivery::{AcceptErrorKind, Accepted};
use happens_before::{CausalBuffer, Dot, Limits, Message, VersionVector};

pub type Node = u8;
pub type Msg = Message<Node, u8>;

/// What the outcome of `accept` must be.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    Ready,
    Held,
    Duplicate,
    Equivocation,
    TooFarAhead,
    TooManyNodes,
    TooManyDependencies,
    BufferFull,
}

/// What a buffer must do, written without any index.
#[derive(Clone, Debug)]
pub struct BufferModel {
    limits: Limits,
    delivered: BTreeMap<Node, u64>,
    /// Every message here, and whether it could be delivered when it came.
    here: BTreeMap<Dot<Node>, (Msg, bool)>,
    /// Every node that was ever named, and its highest counter.
    named: BTreeMap<Node, u64>,
}

pub fn causes(message: &Msg) -> impl Iterator<Item = Dot<Node>> {
    message.dot().previous().into_iter().chain(message.dependencies().iter().copied())
}

impl BufferModel {
    pub fn new(limits: Limits) -> Self {
        Self { limits, delivered: BTreeMap::new(), here: BTreeMap::new(), named: BTreeMap::new() }
    }

    fn delivered(&self, node: Node) -> u64 {
        self.delivered.get(&node).copied().unwrap_or(0)
    }

    fn has(&self, dot: &Dot<Node>) -> bool {
        dot.counter() <= self.delivered(*dot.node())
    }

    fn deliverable(&self, message: &Msg) -> bool {
        causes(message).all(|cause| self.has(&cause))
    }

    fn name(&mut self, node: Node, counter: u64) {
        let named = self.named.entry(node).or_default();
        *named = (*named).max(counter);
    }

    pub fn accept(&mut self, message: &Msg) -> Outcome {
        let dot = *message.dot();
        if self.has(&dot) {
            return Outcome::Duplicate;
        }
        if let Some((first, _)) = self.here.get(&dot) {
            return if first == message { Outcome::Duplicate } else { Outcome::Equivocation };
        }
        if message.dependencies().len() > self.limits.dependencies {
            return Outcome::TooManyDependencies;
        }
        let claims: Vec<_> = [dot].into_iter().chain(message.dependencies().iter().copied()).collect();
        let horizon = |claim: &Dot<Node>| self.delivered(*claim.node()).saturating_add(self.limits.horizon);
        if claims.iter().any(|claim| claim.counter() > horizon(claim)) {
            return Outcome::TooFarAhead;
        }
        let nodes: BTreeSet<_> = self.named.keys().chain(claims.iter().map(Dot::node)).collect();
        if nodes.len() > self.limits.nodes {
            return Outcome::TooManyNodes;
        }
        let ready = self.deliverable(message);
        if !ready && self.here.values().filter(|(_, ready)| !ready).count() >= self.limits.messages {
            return Outcome::BufferFull;
        }
        self.name(*dot.node(), dot.counter());
        for dependency in message.dependencies() {
            self.name(*dependency.node(), dependency.counter());
        }
        self.here.insert(dot, (message.clone(), ready));
        if ready { Outcome::Ready } else { Outcome::Held }
    }

    /// Checks that `popped` may come next, and delivers it.
    pub fn pop(&mut self, popped: Option<&Msg>) {
        let Some(message) = popped else {
            let ready = self.here.values().find(|(message, _)| self.deliverable(message));
            assert_eq!(ready, None, "something deliverable was kept back");
            return;
        };
        let held = self.here.remove(message.dot()).map(|(held, _)| held);
        assert_eq!(held.as_ref(), Some(message), "something was delivered that was not here");
        assert!(self.deliverable(message), "{message:?} was delivered too early");
        self.delivered.insert(*message.dot().node(), message.dot().counter());
    }

    pub fn advance_to(&mut self, vector: &VersionVector<Node>) -> bool {
        let nodes: BTreeSet<_> =
            self.named.keys().copied().chain(vector.iter().map(|(&node, _)| node)).collect();
        if nodes.len() > self.limits.nodes {
            return false;
        }
        for (&node, counter) in vector {
            self.name(node, counter);
            let delivered = self.delivered.entry(node).or_default();
            *delivered = (*delivered).max(counter);
        }
        let mut here = std::mem::take(&mut self.here);
        here.retain(|dot, _| !self.has(dot));
        for (message, ready) in here.values_mut() {
            *ready = self.deliverable(message);
        }
        self.here = here;
        true
    }

    pub fn missing(&self) -> BTreeSet<Dot<Node>> {
        let named =
            self.named.iter().flat_map(|(&node, &last)| (1..=last).filter_map(move |n| Dot::new(node, n)));
        named.filter(|dot| !self.has(dot) && !self.here.contains_key(dot)).collect()
    }

    /// Checks everything that can be seen of a buffer.
    pub fn assert_like(&self, buffer: &CausalBuffer<Node, u8>) {
        assert_eq!(buffer.internal_validate(), Ok(()));
        assert_eq!(
            buffer.delivered(),
            self.delivered.iter().map(|(&node, &counter)| (node, counter)).collect()
        );
        assert_eq!(buffer.len(), self.here.len());
        assert_eq!(buffer.is_empty(), self.here.is_empty());
        assert!(buffer.held().eq(self.here.values().map(|(message, _)| message)));
        let ranges: Vec<_> = buffer.missing().collect();
        let touching = ranges.windows(2).find(|pair| {
            pair[0].node() == pair[1].node() && pair[0].counters().end() + 1 >= *pair[1].counters().start()
        });
        assert_eq!(touching, None, "ranges that should be one");
        let missing: Vec<_> = ranges.iter().flat_map(|range| range.dots()).collect();
        assert!(missing.iter().eq(&self.missing()), "{missing:?} is not {:?}", self.missing());
        for (dot, (message, _)) in &self.here {
            assert!(!buffer.has_delivered(dot));
            let waiting = causes(message).filter(|cause| !self.has(cause));
            assert!(buffer.blocked_on(dot).eq(waiting), "{dot} waits for something else");
        }
    }
}

/// Accepts a message in both and compares the outcomes, refusals too.
pub fn accept_in_both(buffer: &mut CausalBuffer<Node, u8>, model: &mut BufferModel, message: Msg) -> Outcome {
    let expected = model.accept(&message);
    let outcome = match buffer.accept(message.clone()) {
        Ok(Accepted::Ready) => Outcome::Ready,
        Ok(Accepted::Held) => Outcome::Held,
        Ok(Accepted::Duplicate) => Outcome::Duplicate,
        Ok(other) => panic!("an outcome that is not known: {other:?}"),
        Err(refused) => {
            assert_eq!(refused.message, message, "the refused message comes back");
            match refused.kind {
                AcceptErrorKind::Equivocation => Outcome::Equivocation,
                AcceptErrorKind::TooFarAhead { .. } => Outcome::TooFarAhead,
                AcceptErrorKind::TooManyNodes(_) => Outcome::TooManyNodes,
                AcceptErrorKind::TooManyDependencies { .. } => Outcome::TooManyDependencies,
                AcceptErrorKind::BufferFull { .. } => Outcome::BufferFull,
                other => panic!("a refusal that is not known: {other:?}"),
            }
        }
    };
    assert_eq!(outcome, expected);
    outcome
}
