//! The naive causal buffer: sets, and a scan of everything at every step. The fuzz target shares it.

use std::collections::{BTreeMap, BTreeSet};

use happens_before::delivery::{AcceptErrorKind, Accepted, BufferLimits};
use happens_before::{CausalBuffer, Dot, Message, VersionVector};

pub type Node = u8;
pub type Msg = Message<Node, u8>;

/// The outcome of `accept` in the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Ready,
    Held,
    Duplicate,
    Equivocation,
    TooFarAhead,
    Closed,
    TooManyNodes,
    TooManyDependencies,
    TooManySources,
    BufferFull,
    BytesFull,
}

/// The number of outcomes.
pub const OUTCOMES: usize = 11;

/// A message in the buffer.
#[derive(Clone, Debug)]
struct Here {
    message: Msg,
    /// True if the message could be delivered when it was last checked. Nothing is charged for it then.
    ready: bool,
    /// The source that is charged, `None` for a message without one; and another source that has brought it.
    announced: [Option<Node>; 2],
}

/// The messages that give way to a new one.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct GaveWay {
    evicted: BTreeSet<Dot<Node>>,
    /// The messages that are handed over to the other source that has brought them.
    taken_over: BTreeSet<Dot<Node>>,
}

impl GaveWay {
    fn charged(&self, held: &Here) -> Option<Node> {
        held.announced[usize::from(self.taken_over.contains(held.message.dot()))]
    }
}

/// A model of the buffer, written without any index.
#[derive(Clone, Debug)]
pub struct BufferModel {
    limits: BufferLimits,
    /// The counter up to which everything counts as delivered from the start.
    first: u64,
    delivered: BTreeMap<Node, u64>,
    here: BTreeMap<Dot<Node>, Here>,
    /// Every node that was ever named, and its highest counter.
    named: BTreeMap<Node, u64>,
    closed: BTreeMap<Node, u64>,
    sources: BTreeSet<Node>,
    /// True if a source was ever named, so that a full buffer evicts.
    evicts: bool,
}

/// The measure of a payload: some are much larger than others.
pub fn measure(payload: &u8) -> usize {
    usize::from(*payload) * 50
}

/// Returns the bytes that a message counts for.
pub fn size(message: &Msg) -> usize {
    size_of::<Dot<Node>>() * (1 + message.dependencies().len()) + measure(message.payload())
}

pub fn buffer(limits: BufferLimits) -> CausalBuffer<Node, u8> {
    CausalBuffer::measured(limits, measure)
}

pub fn causes(message: &Msg) -> impl Iterator<Item = Dot<Node>> {
    message.dot().previous().into_iter().chain(message.dependencies().iter().copied())
}

impl BufferModel {
    pub fn new(limits: BufferLimits) -> Self {
        Self::starting_at(limits, 0)
    }

    /// Makes a model in which every node counts as delivered up to `first`.
    pub fn starting_at(limits: BufferLimits, first: u64) -> Self {
        Self {
            limits,
            first,
            delivered: BTreeMap::new(),
            here: BTreeMap::new(),
            named: BTreeMap::new(),
            closed: BTreeMap::new(),
            sources: BTreeSet::new(),
            evicts: false,
        }
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

    fn last(&self, node: Node) -> u64 {
        self.closed.get(&node).copied().unwrap_or(u64::MAX)
    }

    /// Checks every message again.
    fn wake(&mut self) {
        let mut here = std::mem::take(&mut self.here);
        for held in here.values_mut() {
            held.ready |= self.deliverable(&held.message);
        }
        self.here = here;
    }

    /// Returns whether a source is known, or there is room for it.
    fn has_room_for(&self, source: Option<Node>) -> bool {
        let full = self.sources.len() >= self.limits.sources;
        source.is_none_or(|source| self.sources.contains(&source) || !full)
    }

    /// Accepts a message that `source` has brought. The model is told the outcome and the evictions of the buffer,
    /// because the buffer may choose between messages that are equally far ahead.
    pub fn accept(
        &mut self,
        message: &Msg,
        source: Option<Node>,
        outcome: Outcome,
        evicted: &BTreeSet<Dot<Node>>,
        charged: impl Fn(&Dot<Node>) -> Option<Node>,
    ) {
        let expected = self.expect(message, source, outcome, evicted, charged);
        assert_eq!(outcome, expected, "{message:?} from {source:?}");
        if outcome != Outcome::Held {
            assert!(evicted.is_empty(), "{outcome:?} evicted {evicted:?}");
        }
        if !matches!(outcome, Outcome::Ready | Outcome::Held) {
            return;
        }
        let dot = *message.dot();
        self.here.retain(|dot, _| !evicted.contains(dot));
        self.name(*dot.node(), dot.counter());
        for dependency in message.dependencies() {
            self.name(*dependency.node(), dependency.counter());
        }
        let ready = outcome == Outcome::Ready;
        self.here.insert(dot, Here { message: message.clone(), ready, announced: [source; 2] });
    }

    fn expect(
        &mut self,
        message: &Msg,
        source: Option<Node>,
        outcome: Outcome,
        evicted: &BTreeSet<Dot<Node>>,
        charged: impl Fn(&Dot<Node>) -> Option<Node>,
    ) -> Outcome {
        // Released messages are checked first, whatever the outcome.
        self.wake();
        let dot = *message.dot();
        if self.has(&dot) {
            return Outcome::Duplicate;
        }
        if let Some(first) = self.here.get(&dot) {
            if first.message != *message {
                return Outcome::Equivocation;
            }
            if self.evicts && !first.ready && self.has_room_for(source) {
                self.sources.extend(source);
                let announced = &mut self.here.get_mut(&dot).unwrap().announced;
                if announced[0] == announced[1] {
                    announced[1] = source;
                }
            }
            return Outcome::Duplicate;
        }
        if message.dependencies().len() > self.limits.dependencies {
            return Outcome::TooManyDependencies;
        }
        let claims: Vec<_> = [dot].into_iter().chain(message.dependencies().iter().copied()).collect();
        for claim in &claims {
            if claim.counter() > self.delivered(*claim.node()).saturating_add(self.limits.horizon) {
                return Outcome::TooFarAhead;
            }
            if claim.counter() > self.last(*claim.node()) {
                return Outcome::Closed;
            }
        }
        let nodes: BTreeSet<_> = self.named.keys().chain(claims.iter().map(Dot::node)).collect();
        if nodes.len() > self.limits.nodes {
            return Outcome::TooManyNodes;
        }
        if self.deliverable(message) {
            return Outcome::Ready;
        }
        if !self.has_room_for(source) {
            return Outcome::TooManySources;
        }
        let possible = self.make_room(message, source);
        if outcome == Outcome::Held {
            // A refusal makes no source known.
            self.sources.extend(source);
            self.evicts |= source.is_some();
        }
        let did = if outcome == Outcome::Held { Ok(()) } else { Err(outcome) };
        let as_charged =
            |way: &GaveWay| self.waiting(evicted).all(|held| charged(held.message.dot()) == way.charged(held));
        let way = possible.iter().find(|(result, way)| {
            *result == did && (did.is_err() || way.evicted == *evicted) && as_charged(way)
        });
        let (_, way) = way.unwrap_or_else(|| panic!("{did:?} and {evicted:?} are none of {possible:?}"));
        for dot in &way.taken_over {
            let announced = &mut self.here.get_mut(dot).unwrap().announced;
            *announced = [announced[1]; 2];
        }
        outcome
    }

    /// Visits the messages that have to wait, without the evicted ones.
    fn waiting<'a>(&'a self, evicted: &'a BTreeSet<Dot<Node>>) -> impl Iterator<Item = &'a Here> {
        self.here.values().filter(|held| !held.ready && !evicted.contains(held.message.dot()))
    }

    /// Returns the reason why there is no room for a message, if there is none.
    fn full(&self, evicted: &BTreeSet<Dot<Node>>, message: &Msg) -> Option<Outcome> {
        if self.waiting(evicted).count() >= self.limits.messages {
            return Some(Outcome::BufferFull);
        }
        let bytes: usize = self.waiting(evicted).map(|held| size(&held.message)).sum();
        (bytes + size(message) > self.limits.bytes).then_some(Outcome::BytesFull)
    }

    /// Returns all allowed ways to make room for a message: for each the messages that give way, or the reason of the
    /// refusal.
    fn make_room(&self, message: &Msg, source: Option<Node>) -> Vec<(Result<(), Outcome>, GaveWay)> {
        let evicts = self.evicts || source.is_some();
        let ahead = |message: &Msg| message.dot().counter() - self.delivered(*message.dot().node());
        let mut possible = Vec::new();
        let mut open = BTreeSet::from([GaveWay::default()]);
        while let Some(way) = open.pop_first() {
            let Some(full) = self.full(&way.evicted, message) else {
                possible.push((Ok(()), way));
                continue;
            };
            let amount = |message: &Msg| if full == Outcome::BufferFull { 1 } else { size(message) };
            let mut amounts = BTreeMap::from([(source, amount(message))]);
            for held in self.waiting(&way.evicted) {
                *amounts.entry(way.charged(held)).or_default() += amount(&held.message);
            }
            let most = *amounts.values().max().unwrap();
            let mut sources: Vec<_> =
                amounts.into_iter().filter(|&(_, amount)| amount == most).map(|(source, _)| source).collect();
            if sources.contains(&source) {
                sources = vec![source];
            }
            for most in sources {
                let of: Vec<_> = self.waiting(&way.evicted).filter(|held| way.charged(held) == most).collect();
                let furthest = of.iter().map(|held| ahead(&held.message)).max().unwrap_or(0);
                if !evicts || (most == source && furthest <= ahead(message)) {
                    possible.push((Err(full), way.clone()));
                    continue;
                }
                for held in of.into_iter().filter(|held| ahead(&held.message) == furthest) {
                    let mut next = way.clone();
                    let other = held.announced[0] != held.announced[1];
                    if !other || !next.taken_over.insert(*held.message.dot()) {
                        next.evicted.insert(*held.message.dot());
                    }
                    open.insert(next);
                }
            }
        }
        possible
    }

    /// Removes a source, and returns the number of dropped messages.
    pub fn remove_source(&mut self, source: Node) -> usize {
        self.wake();
        self.sources.remove(&source);
        let before = self.here.len();
        self.here.retain(|_, held| held.ready || held.announced != [Some(source); 2]);
        for held in self.here.values_mut() {
            match held.announced {
                [charged, other] if charged == Some(source) => held.announced = [other; 2],
                [charged, other] if other == Some(source) => held.announced = [charged; 2],
                _ => {}
            }
        }
        before - self.here.len()
    }

    /// Closes a node, and returns the doomed messages; `None` if it is refused.
    pub fn close(&mut self, node: Node, last: u64) -> Option<Vec<Msg>> {
        let unknown = !self.named.contains_key(&node);
        if self.delivered(node) > last || (unknown && self.named.len() >= self.limits.nodes) {
            return None;
        }
        self.wake();
        self.name(node, 0);
        self.closed.insert(node, last.min(self.last(node)));
        let mut doomed = Vec::new();
        loop {
            let closed = |dot: &Dot<Node>| dot.counter() > self.last(*dot.node());
            let found = self.here.values().map(|held| &held.message);
            let found = found
                .into_iter()
                .find(|message| closed(message.dot()) || message.dependencies().iter().any(closed));
            let Some(message) = found.cloned() else { break };
            let (&node, counter) = (message.dot().node(), message.dot().counter());
            self.closed.insert(node, self.last(node).min(counter - 1));
            self.here.remove(message.dot());
            doomed.push(message);
        }
        self.closed.retain(|_, last| *last < u64::MAX);
        for (node, named) in &mut self.named {
            *named = (*named).min(self.closed.get(node).copied().unwrap_or(u64::MAX));
        }
        doomed.sort_by_key(|message| *message.dot());
        Some(doomed)
    }

    /// Checks that `popped` may come next, and delivers it.
    pub fn pop(&mut self, popped: Option<&Msg>) {
        let Some(message) = popped else {
            let ready = self.here.values().find(|held| self.deliverable(&held.message));
            assert!(ready.is_none(), "{ready:?} was kept back");
            return;
        };
        let held = self.here.remove(message.dot()).map(|held| held.message);
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
            if let Some(last) = self.closed.get_mut(&node) {
                *last = (*last).max(counter);
            }
        }
        self.closed.retain(|_, last| *last < u64::MAX);
        let delivered = self.delivered.clone();
        self.here.retain(|dot, _| dot.counter() > delivered.get(dot.node()).copied().unwrap_or(0));
        self.wake();
        true
    }

    pub fn missing(&self) -> BTreeSet<Dot<Node>> {
        let named = self
            .named
            .iter()
            .flat_map(|(&node, &last)| (self.first..last).filter_map(move |n| Dot::new(node, n + 1)));
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
        assert!(buffer.undelivered().eq(self.here.values().map(|held| &held.message)));
        let waiting = self.here.values().map(|held| &held.message).filter(|message| !self.deliverable(message));
        assert!(buffer.waiting().eq(waiting));
        assert!(buffer.closed().eq(self.closed.iter().map(|(node, &last)| (node, last))));
        let ranges: Vec<_> = buffer.missing().collect();
        let touching = ranges.windows(2).find(|pair| {
            pair[0].node() == pair[1].node() && pair[0].counters().end() + 1 >= *pair[1].counters().start()
        });
        assert_eq!(touching, None, "ranges that should be one");
        let missing: Vec<_> = ranges.iter().flat_map(|range| range.dots()).collect();
        assert!(missing.iter().eq(&self.missing()), "{missing:?} is not {:?}", self.missing());
        for (dot, Here { message, .. }) in &self.here {
            assert!(buffer.delivered_up_to(dot.node()) < dot.counter());
            let waiting: Vec<_> = causes(message).filter(|cause| !self.has(cause)).collect();
            assert!(buffer.blocked_on(dot).eq(waiting.iter().copied()), "{dot} waits for something else");
            assert!(buffer.undelivered_causes(message).eq(waiting));
        }
    }
}

/// Accepts a message in both and compares the outcomes, refusals and evictions too.
pub fn accept_in_both(
    buffer: &mut CausalBuffer<Node, u8>,
    model: &mut BufferModel,
    source: Option<Node>,
    message: Msg,
) -> (Outcome, usize) {
    let dots =
        |buffer: &CausalBuffer<Node, u8>| buffer.undelivered().map(|held| *held.dot()).collect::<BTreeSet<_>>();
    let before = dots(buffer);
    let accepted = match source {
        None => buffer.accept(message.clone()),
        Some(source) => buffer.accept_from(&source, message.clone()),
    };
    let outcome = match accepted {
        Ok(Accepted::Ready) => Outcome::Ready,
        Ok(Accepted::Held) => Outcome::Held,
        Ok(Accepted::Duplicate) => Outcome::Duplicate,
        Err(refused) => {
            assert_eq!(refused.refused, message, "the refused message comes back");
            match refused.kind {
                AcceptErrorKind::Equivocation => Outcome::Equivocation,
                AcceptErrorKind::TooFarAhead { .. } => Outcome::TooFarAhead,
                AcceptErrorKind::Closed { .. } => Outcome::Closed,
                AcceptErrorKind::TooManyNodes { .. } => Outcome::TooManyNodes,
                AcceptErrorKind::TooManyDependencies { .. } => Outcome::TooManyDependencies,
                AcceptErrorKind::TooManySources { .. } => Outcome::TooManySources,
                AcceptErrorKind::BufferFull { .. } => Outcome::BufferFull,
                AcceptErrorKind::BytesFull { .. } => Outcome::BytesFull,
                other => panic!("a refusal that is not known: {other:?}"),
            }
        }
    };
    let evicted: BTreeSet<_> = before.difference(&dots(buffer)).copied().collect();
    let charged = |dot: &Dot<Node>| buffer.internal_charged(dot).copied();
    model.accept(&message, source, outcome, &evicted, charged);
    (outcome, evicted.len())
}
