//! The oracle at work: it hears of every sending, acknowledgement and delivery, and puts violations in words.
//!
//! A judge that always agrees is worth nothing. So there is a lie for each of its promises ([`OrderCanary`]), and with
//! it the run must fail.

use happens_before::Dot;
use happens_before::broadcast::Position;
use happens_before::check::{OrderRun, OrderViolation};

use super::PublisherId;
use crate::words::{counted, thousands};

type Message = Dot<PublisherId>;

/// A lie about the middle of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum OrderCanary {
    /// The last subscriber omits a message, as if it had skipped a hole that was only slow.
    Skip,
    /// The last subscriber delivers two messages in the opposite order.
    Swap,
    /// The last subscriber delivers a message twice.
    Repeat,
    /// A message was acknowledged, but no subscriber delivers it.
    Lose,
    /// Two messages of one publisher come in the opposite order, at every subscriber.
    Overtake,
    /// A killed subscriber continues one message after the place that it had saved.
    Resume,
}

/// All notices of publishers and subscribers.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    pub(super) sent: Vec<Message>,
    pub(super) acknowledged: Vec<Message>,
    /// The lives of each subscriber, in order.
    pub(super) lives: Vec<Vec<Life>>,
}

/// The deliveries of a subscriber up to its death or its end.
#[derive(Clone, Debug, Default)]
pub(super) struct Life {
    /// The slot at which it began, as saved by its predecessor.
    from: u64,
    delivered: Vec<(Position, Message)>,
}

impl Told {
    pub(super) fn new(subscribers: usize) -> Self {
        Self { lives: vec![vec![Life::default()]; subscribers], ..Self::default() }
    }

    /// Notes a delivery.
    pub(super) fn delivered(&mut self, site: usize, position: Position, message: Option<Message>) {
        let life = self.lives.get_mut(site).and_then(|lives| lives.last_mut());
        life.into_iter().for_each(|life| life.delivered.extend(message.map(|message| (position, message))));
    }

    /// Notes that a subscriber was killed and continues at the slot `from`.
    pub(super) fn resumed(&mut self, site: usize, from: u64) {
        self.lives[site].push(Life { from, delivered: Vec::new() });
    }

    /// Tells a lie. Changes nothing if there are too few deliveries for it.
    pub(super) fn lie(&mut self, canary: OrderCanary) {
        if canary == OrderCanary::Resume {
            let successor = self.lives.iter_mut().find_map(|lives| lives.get_mut(1));
            successor.into_iter().for_each(|life| drop(life.delivered.drain(..1.min(life.delivered.len()))));
            return;
        }
        let Some(lives) = self.lives.last_mut() else { return };
        let Some(last) = lives.iter_mut().map(|life| &mut life.delivered).max_by_key(|life| life.len()) else {
            return;
        };
        let middle = last.len() / 2;
        let Some(&(_, message)) = last.get(middle) else { return };
        let is_other = |(_, other): &(Position, Message)| *other != message;
        match canary {
            OrderCanary::Skip => lives.iter_mut().for_each(|life| life.delivered.retain(is_other)),
            OrderCanary::Swap if last.len() > 1 => last.swap(middle - 1, middle),
            OrderCanary::Swap => {}
            OrderCanary::Repeat => last.insert(middle, last[middle]),
            OrderCanary::Lose => {
                self.lives.iter_mut().flatten().for_each(|life| life.delivered.retain(is_other))
            }
            OrderCanary::Overtake => {
                let same = |other: &Message| other != &message && other.node() == message.node();
                let Some((_, other)) = last.iter().find(|(_, other)| same(other)).copied() else { return };
                for (_, delivered) in self.lives.iter_mut().flatten().flat_map(|life| &mut life.delivered) {
                    if *delivered == message {
                        *delivered = other;
                    } else if *delivered == other {
                        *delivered = message;
                    }
                }
            }
            OrderCanary::Resume => {} // told above
        }
    }

    /// Checks that there is one order, and that it holds all of `messages` messages.
    pub(super) fn judge(&self, messages: u64) -> Result<(), String> {
        let mut run = OrderRun::new(self.lives.len());
        for &message in &self.sent {
            run.sent(message).map_err(|violation| in_words(&violation))?;
        }
        for message in &self.acknowledged {
            run.acknowledged(message).map_err(|violation| in_words(&violation))?;
        }
        for (site, lives) in self.lives.iter().enumerate() {
            // The slots of the deliveries that count: those after a saved place are delivered once more by the
            // successor.
            let mut slots: Vec<u64> = Vec::new();
            for Life { from, delivered } in lives {
                slots.truncate(slots.partition_point(|slot| slot < from));
                run.resumed(site, slots.len()).map_err(|violation| in_words(&violation))?;
                for (position, message) in delivered {
                    run.delivered(site, *position, message).map_err(|violation| {
                        format!("in slot {}: {}", thousands(position.sequence), in_words(&violation))
                    })?;
                    slots.push(position.sequence);
                }
            }
        }
        run.complete().map_err(|violation| in_words(&violation))?;
        let [sent, acknowledged, ordered] =
            [run.messages(), self.acknowledged.len(), run.ordered()].map(|count| count as u64);
        if [sent, acknowledged, ordered] == [messages; 3] {
            return Ok(());
        }
        Err(format!(
            "of {}, {} were sent, {} acknowledged, {} delivered",
            counted(messages, "message"),
            thousands(sent),
            thousands(acknowledged),
            thousands(ordered)
        ))
    }
}

fn message(dot: &Message) -> String {
    format!("message {} of publisher {}", thousands(dot.counter()), dot.node())
}

/// Puts a violation in words; subscribers are counted from 1.
fn in_words(violation: &OrderViolation<PublisherId, Position>) -> String {
    let subscriber = |site: &usize| format!("subscriber {}", site + 1);
    match violation {
        OrderViolation::SentOutOfOrder { dot } => {
            format!("{} is sent after that number or a higher one", message(dot))
        }
        OrderViolation::NeverSent { dot } => format!("{} was never sent", message(dot)),
        OrderViolation::DeliveredTwice { site, dot } => {
            format!("{} delivers {} a second time", subscriber(site), message(dot))
        }
        OrderViolation::Disagreement { site, here, there } => format!(
            "{} delivers {} where others deliver {} in slot {}",
            subscriber(site),
            message(&here.1),
            message(&there.1),
            thousands(there.0.sequence)
        ),
        OrderViolation::AgainstNodeOrder { site, dot, last } => {
            format!("{} delivers {} after its message {}", subscriber(site), message(dot), thousands(*last))
        }
        OrderViolation::PositionNotHigher { site, last, .. } => {
            format!("{} delivers it after slot {}", subscriber(site), thousands(last.sequence))
        }
        OrderViolation::Lost { dot } => format!("{} was acknowledged, and is never delivered", message(dot)),
        OrderViolation::NotDelivered { site, position, dot } => format!(
            "{} has not delivered {} in slot {}",
            subscriber(site),
            message(dot),
            thousands(position.sequence)
        ),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Publishers 1 and 2 take turns; slot 3 is a fill.
    fn told(subscribers: usize) -> Told {
        let dot = |node, n| Dot::new(node, n).expect("not 0");
        let messages = [dot(1, 1), dot(2, 1), dot(1, 2), dot(2, 2), dot(1, 3), dot(2, 3)];
        let at = |sequence| Position { epoch: 1, sequence, index: 0 };
        let delivered = [1, 2, 4, 5, 6, 7].into_iter().map(at).zip(messages).collect();
        let lives = vec![vec![Life { from: 1, delivered }]; subscribers];
        Told { sent: messages.into(), acknowledged: messages.into(), lives }
    }

    /// The same, but the first subscriber was killed twice: after four messages, with its place saved after two, and
    /// again after five.
    fn told_in_lives(subscribers: usize) -> Told {
        let mut told = told(subscribers);
        let all = told.lives[0][0].delivered.clone();
        let life = |from, range: std::ops::Range<usize>| Life { from, delivered: all[range].to_vec() };
        told.lives[0] = vec![life(1, 0..4), life(3, 2..5), life(3, 2..6)];
        told
    }

    #[test]
    fn the_truth_passes() {
        assert_eq!(told(1).judge(6), Ok(()));
        assert_eq!(told(3).judge(6), Ok(()));
        let words = "of 7 messages, 6 were sent, 6 acknowledged, 6 delivered";
        assert_eq!(told(3).judge(7), Err(words.to_owned()));
    }

    #[test]
    fn who_was_killed_goes_on_exactly_where_its_place_was_saved() {
        for subscribers in 1..=3 {
            let told = told_in_lives(subscribers);
            assert_eq!(told.judge(6), Ok(()));
            let mut late = told.clone();
            late.lie(OrderCanary::Resume);
            assert!(late.judge(6).is_err_and(|words| words.starts_with("in slot 5: subscriber 1 delivers")));
            let mut early = told.clone();
            let before = early.lives[0][0].delivered[1];
            early.lives[0][1].delivered.insert(0, before);
            let words = "in slot 2: subscriber 1 delivers message 1 of publisher 2 a second time";
            assert_eq!(early.judge(6), Err(words.to_owned()));
            // Then it delivers the same again.
            let mut other = told.clone();
            other.lives[0][1].delivered.swap(0, 1);
            assert!(other.judge(6).is_err_and(|words| words.contains(" where others deliver ")));
            let mut missing = told;
            missing.lives[0][2].delivered.pop();
            assert!(missing.judge(6).is_err());
        }
    }

    #[test]
    fn every_lie_is_noticed_and_says_where() {
        for (canary, words) in [
            (
                OrderCanary::Skip,
                "in slot 6: subscriber 2 delivers message 3 of publisher 1 where others deliver message 2 of \
                 publisher 2 in slot 5",
            ),
            (
                OrderCanary::Swap,
                "in slot 5: subscriber 2 delivers message 2 of publisher 2 where others deliver message 2 of \
                 publisher 1 in slot 4",
            ),
            (OrderCanary::Repeat, "in slot 5: subscriber 2 delivers message 2 of publisher 2 a second time"),
            (OrderCanary::Lose, "message 2 of publisher 2 was acknowledged, and is never delivered"),
            (
                OrderCanary::Overtake,
                "in slot 5: subscriber 1 delivers message 1 of publisher 2 after its message 2",
            ),
        ] {
            let mut told = told(2);
            told.lie(canary);
            assert_eq!(told.judge(6), Err(words.to_owned()), "{canary:?}");
        }
    }

    #[test]
    fn every_lie_is_noticed_where_there_is_one_subscriber() {
        for canary in [
            OrderCanary::Skip,
            OrderCanary::Swap,
            OrderCanary::Repeat,
            OrderCanary::Lose,
            OrderCanary::Overtake,
        ] {
            for mut told in [told(1), told_in_lives(1), told_in_lives(2)] {
                told.lie(canary);
                assert!(told.judge(6).is_err(), "{canary:?}");
            }
        }
    }

    #[test]
    fn what_is_not_acknowledged_or_not_sent_is_told() {
        let mut forgotten = told(2);
        let last = forgotten.acknowledged.pop();
        assert!(forgotten.judge(6).is_err_and(|words| words.contains("5 acknowledged")));
        forgotten.acknowledged.extend(last);
        forgotten.sent.pop();
        assert_eq!(forgotten.judge(6), Err("message 3 of publisher 2 was never sent".to_owned()));
        let mut behind = told(2);
        behind.lives[1][0].delivered.pop();
        let words = "subscriber 2 has not delivered message 3 of publisher 2 in slot 7";
        assert_eq!(behind.judge(6), Err(words.to_owned()));
    }
}
