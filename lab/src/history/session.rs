//! The built-in history: a simulation of people who write one document together.
//!
//! Every author has a [`CausalSender`] and a [`CausalBuffer`], as in a program that uses the crate. Authors write in
//! bursts, and see each other's messages late and at different moments. So they work concurrently, and merge. The last
//! author goes offline twice: she continues to write, receives nothing, and then receives everything at once.
//!
//! ```text
//!   Ada    ●─●─●───────●──────────●─●─●──
//!            ╲   ╲    ╱ ╲        ╱   (merges Ben's two)
//!   Ben       ●─●────●    ╲     ╱
//!                          ╲   ╱
//!   Eve    ●┄┄┄(offline)┄●┄┄●─●──────────
//! ```
//!
//! The dependencies that the senders name become the events' parents. So this history also exercises the sending side,
//! which recorded histories do not need.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use happens_before::delivery::BufferLimits;
use happens_before::{CausalBuffer, CausalSender, Message};
use happens_before_simulation::Random;

use super::{Event, History, HistoryError, NodeNumber, Told};
use crate::budget::Budget;
use crate::stream;

/// The probability that the author of the last event writes the next one too.
const STAYS: f64 = 0.85;

/// Most events that may be written before another author sees a message.
const SEEN_WITHIN: u64 = 12;

/// The times at which the last author is offline, in tenths of the session.
const OFFLINE: [std::ops::Range<u64>; 2] = [2..4, 6..7];

/// The names of the first authors.
const NAMES: [&str; 8] = ["Ada", "Ben", "Cleo", "Dan", "Eve", "Finn", "Gus", "Hana"];

/// The size of a session.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// The number of events.
    pub events: u32,
    /// The number of authors.
    pub authors: u32,
    /// The seed of all random choices.
    pub seed: u64,
}

/// An author: the sender, the buffer, and the messages of others that are still on their way.
struct Author {
    sender: CausalSender<NodeNumber>,
    buffer: CausalBuffer<NodeNumber, Event>,
    /// Messages of others, by the time at which they are seen and by number.
    inbox: BinaryHeap<Reverse<(u64, Event)>>,
    /// The events written offline.
    unsent: Vec<Event>,
    /// Her latest event, while no delivered message follows it.
    head: Option<Event>,
}

/// Simulates a session.
///
/// # Errors
///
/// [`HistoryError::Empty`] if there are no events or no authors.
///
/// # Complexity
///
/// O(events * authors * log events).
pub fn generate(shape: Shape) -> Result<History, HistoryError> {
    let authors = shape.authors;
    let session = simulate(shape);
    let names = (0..authors as usize).map(|author| match NAMES.get(author) {
        Some(&name) => name.to_owned(),
        None => format!("author {author}"),
    });
    let source = format!("built-in session of {authors} {}", if authors == 1 { "author" } else { "authors" });
    // The shape already bounds the memory.
    History::new(source, names.collect(), &session.told, &Budget::new(usize::MAX))
}

fn simulate(Shape { events, authors, seed }: Shape) -> Session {
    let mut random = Random::new(seed, stream::SESSION);
    let mut session = Session::new(authors);
    let mut writer = 0;
    for now in 0..if authors == 0 { 0 } else { events } {
        if !random.chance(STAYS) {
            writer = random.index(authors as usize);
        }
        let tenth = u64::from(now) * 10 / u64::from(events);
        let away = authors > 1 && OFFLINE.iter().any(|absence| absence.contains(&tenth));
        let last = authors as usize - 1;
        if !away && !session.authors[last].unsent.is_empty() {
            for event in std::mem::take(&mut session.authors[last].unsent) {
                session.publish(event, last, u64::from(now), &mut random);
            }
        }
        let offline = away && writer == last;
        if !offline {
            session.catch_up(writer, u64::from(now));
        }
        let event = session.write(writer);
        if offline {
            session.authors[writer].unsent.push(event);
        } else {
            session.publish(event, writer, u64::from(now), &mut random);
        }
    }
    session
}

struct Session {
    authors: Vec<Author>,
    messages: Vec<Message<NodeNumber, Event>>,
    told: Vec<Told>,
    /// The events of each author, in order; a dot is looked up here.
    events_of: Vec<Vec<Event>>,
    /// For every event, the events that its author had delivered by the time of writing.
    #[cfg(test)]
    seen: Vec<happens_before::VersionVector<NodeNumber>>,
}

impl Session {
    fn new(authors: u32) -> Self {
        let (nodes, dependencies) = (authors as usize, authors as usize);
        let limits = BufferLimits {
            messages: usize::MAX,
            horizon: u64::MAX,
            nodes,
            dependencies,
            ..BufferLimits::default()
        };
        let author = |node| Author {
            sender: CausalSender::new(node),
            buffer: CausalBuffer::new(limits),
            inbox: BinaryHeap::new(),
            unsent: Vec::new(),
            head: None,
        };
        Self {
            authors: (0..authors).map(author).collect(),
            messages: Vec::new(),
            told: Vec::new(),
            events_of: vec![Vec::new(); authors as usize],
            #[cfg(test)]
            seen: Vec::new(),
        }
    }

    /// Sends an event to the others; each sees it after a different delay.
    fn publish(&mut self, event: Event, author: usize, now: u64, random: &mut Random) {
        for other in (0..self.authors.len()).filter(|&other| other != author) {
            let seen = now + 1 + random.below(SEEN_WITHIN);
            self.authors[other].inbox.push(Reverse((seen, event)));
        }
    }

    /// Delivers to an author all messages that have arrived by now.
    fn catch_up(&mut self, author: usize, now: u64) {
        while let Some(&Reverse((seen, event))) = self.authors[author].inbox.peek() {
            if seen > now {
                break;
            }
            self.authors[author].inbox.pop();
            self.accept(author, event);
        }
    }

    /// Hands a message to the author's buffer and notes every delivery.
    fn accept(&mut self, author: usize, event: Event) {
        let message = self.messages[event as usize].clone();
        let Author { sender, buffer, head, .. } = &mut self.authors[author];
        buffer.accept(message).expect("the limits are those of the session");
        while let Some(delivered) = buffer.pop() {
            sender.observe(&delivered);
            let own = self.events_of[author].last();
            let follows = delivered.dependencies().iter().any(|dependency| {
                *dependency.node() as usize == author
                    && Some(&self.events_of[author][dependency.counter() as usize - 1]) == own
            });
            if follows {
                *head = None;
            }
        }
    }

    /// Writes an event of an author, after all that she has seen.
    fn write(&mut self, author: usize) -> Event {
        let event = self.messages.len() as Event;
        let message = self.authors[author].sender.stamp(event).expect("fewer than 2^32 events");
        // The message implies the author's previous event. In the graph it is a parent, unless another parent follows
        // it already.
        let mut parents: Vec<u64> = self.authors[author].head.into_iter().map(u64::from).collect();
        parents.extend(message.dependencies().iter().map(|dependency| {
            let events = &self.events_of[*dependency.node() as usize];
            u64::from(events[dependency.counter() as usize - 1])
        }));
        self.told.push(Told { author: author as u64, parents });
        self.messages.push(message);
        self.events_of[author].push(event);
        self.accept(author, event);
        self.authors[author].head = Some(event);
        #[cfg(test)]
        self.seen.push(self.authors[author].buffer.delivered());
        event
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_a_history_with_bursts_merges_and_an_absence() {
        let shape = Shape { events: 5000, authors: 5, seed: 3 };
        let history = generate(shape).expect("a session");
        assert_eq!((history.len(), history.nodes()), (5000, 5));
        let events = 0..history.len() as Event;
        let merges = events.clone().filter(|&event| history.parents(event).len() > 1).count();
        let bursts = events.clone().skip(1).filter(|&event| history.parents(event) == [event - 1]).count();
        assert!(merges > 500, "{merges} merges");
        assert!(bursts > 1500, "{bursts} events just after their only parent");
        // While she is offline, Eve follows only herself.
        let eve = (0..5).find(|&node| history.name(node) == "Eve").expect("five authors");
        let away: Vec<_> =
            history.events_of(eve).iter().filter(|&&event| (1000..2000).contains(&event)).collect();
        assert!(away.len() > 20, "{} events offline", away.len());
        for &&event in &away[1..] {
            assert!(history.parents(event).iter().all(|&parent| *history.dot(parent).node() == eve));
        }
    }

    /// The frontier of a sender is exact: the parents are concurrent with each other, and together with their pasts
    /// they are all that the author had seen.
    #[test]
    fn what_an_event_names_is_all_that_was_seen_and_no_more_than_needed() {
        let shape = Shape { events: 600, authors: 6, seed: 11 };
        let session = simulate(shape);
        let mut merges = 0;
        // The past of every event, the event included, from the graph alone.
        let mut pasts: Vec<Vec<bool>> = Vec::new();
        for (event, Told { parents, .. }) in session.told.iter().enumerate() {
            let mut past = vec![false; session.told.len()];
            for &parent in parents {
                let before = |&parent: &u64| pasts[parent as usize].clone();
                let others = parents.iter().filter(|&&other| other != parent).map(before);
                assert!(
                    others.into_iter().all(|past| !past[parent as usize]),
                    "event {event} needs no {parent}"
                );
                past.iter_mut().zip(&pasts[parent as usize]).for_each(|(mine, &theirs)| *mine |= theirs);
            }
            past[event] = true;
            let dots = session.messages.iter().map(Message::dot);
            let seen = dots.map(|dot| session.seen[event].contains(dot));
            assert!(seen.eq(past.iter().copied()), "event {event} does not follow what its author had seen");
            pasts.push(past);
            merges += usize::from(parents.len() > 1);
        }
        assert!(merges > 50, "{merges} merges");
    }

    #[test]
    fn the_smallest_sessions_work_and_none_at_all_is_an_error() {
        for (events, authors) in [(1, 1), (1, 9), (30, 1), (2, 2), (10, 3)] {
            let history = generate(Shape { events, authors, seed: 1 }).expect("a session");
            assert_eq!(history.len(), events as usize);
        }
        assert_eq!(generate(Shape { events: 0, authors: 3, seed: 1 }).err(), Some(HistoryError::Empty));
        assert_eq!(generate(Shape { events: 3, authors: 0, seed: 1 }).err(), Some(HistoryError::Empty));
    }
}
