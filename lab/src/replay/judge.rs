//! The oracle at work: it hears of every sending and every delivery, and puts violations in words.
//!
//! A judge that always agrees is worth nothing, and a replay that forgets to ask it looks the same as a correct one. So
//! the judge can be lied to on purpose ([`ReplayCanary`]), and with a lie the run must fail.

use happens_before::Dot;
use happens_before::check::{CausalRun, CausalViolation};

use crate::history::{Event, History, NodeNumber};

/// A lie told to the oracle once, in the middle of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ReplayCanary {
    /// A delivery is hidden from the oracle: a later one then comes before its cause.
    Skip,
    /// The oracle hears of a delivery twice.
    Repeat,
}

/// The judge of one run.
#[derive(Debug)]
pub(super) struct Judge<'a> {
    history: &'a History,
    run: CausalRun<NodeNumber>,
    sites: usize,
    canary: Option<ReplayCanary>,
    /// Deliveries at the last site; the lie is told at half of them.
    at_last_site: usize,
}

impl<'a> Judge<'a> {
    pub(super) fn new(history: &'a History, sites: usize, canary: Option<ReplayCanary>) -> Self {
        Self { history, run: CausalRun::new(sites), sites, canary, at_last_site: 0 }
    }

    /// Notes that an event is sent. Its dependencies are the recorded parents, not those of the message, so that wrong
    /// dependencies in a message are noticed.
    pub(super) fn sent(&mut self, event: Event) -> Result<(), String> {
        let parents = self.history.parents(event).iter().map(|&parent| *self.history.dot(parent));
        self.run.sent(*self.history.dot(event), parents).map_err(|violation| self.in_words(&violation))
    }

    /// Notes that a site delivers an event.
    pub(super) fn delivered(&mut self, site: usize, event: Event) -> Result<(), String> {
        let dot = self.history.dot(event);
        let mut times = 1;
        if site == self.sites - 1 {
            if self.at_last_site == self.history.len() / 2 {
                times = match self.canary {
                    None => 1,
                    Some(ReplayCanary::Skip) => 0,
                    Some(ReplayCanary::Repeat) => 2,
                };
            }
            self.at_last_site += 1;
        }
        for _ in 0..times {
            self.run.delivered(site, dot).map_err(|violation| self.in_words(&violation))?;
        }
        Ok(())
    }

    /// Checks that every site has delivered the whole history.
    pub(super) fn complete(&self) -> Result<(), String> {
        self.run.complete().map_err(|violation| self.in_words(&violation))?;
        if self.run.messages() == self.history.len() {
            Ok(())
        } else {
            Err(format!("only {} of {} events were sent", self.run.messages(), self.history.len()))
        }
    }

    /// Puts a violation in words, with the events' numbers and the authors' names beside the dots.
    fn in_words(&self, violation: &CausalViolation<NodeNumber>) -> String {
        let dots = match violation {
            CausalViolation::BeforeCause { dot, cause, .. } | CausalViolation::UnknownCause { dot, cause } => {
                vec![dot, cause]
            }
            CausalViolation::SentTwice { dot }
            | CausalViolation::NeverSent { dot, .. }
            | CausalViolation::DeliveredTwice { dot, .. }
            | CausalViolation::NotDelivered { dot, .. } => vec![dot],
            _ => vec![],
        };
        let explained: Vec<String> =
            dots.iter().map(|dot| format!("{dot} is {}", event_of(self.history, dot))).collect();
        match explained.is_empty() {
            true => violation.to_string(),
            false => format!("{violation}, where {}", explained.join(" and ")),
        }
    }
}

/// Describes the event of a dot: `(3, 17), event 201 by Ada`.
pub(super) fn explain(history: &History, dot: &Dot<NodeNumber>) -> String {
    format!("{dot}, {}", event_of(history, dot))
}

/// Describes the event of a dot: `event 201 by Ada`.
fn event_of(history: &History, dot: &Dot<NodeNumber>) -> String {
    match history.event(dot) {
        Some(event) => format!("event {event} by {}", history.name(*dot.node())),
        None => "no event".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::session::{self, Shape};

    /// Tells the judge a run in which site 1 delivers in the order `order`.
    fn judge(history: &History, canary: Option<ReplayCanary>, order: &[Event]) -> Result<(), String> {
        let mut judge = Judge::new(history, 2, canary);
        for event in 0..history.len() as Event {
            judge.sent(event)?;
            judge.delivered(0, event)?;
        }
        for &event in order {
            judge.delivered(1, event)?;
        }
        judge.complete()
    }

    #[test]
    fn the_order_of_sending_passes_and_everything_else_is_caught() {
        let history = session::generate(Shape { events: 60, authors: 3, seed: 5 }).expect("a session");
        let right: Vec<Event> = (0..60).collect();
        assert_eq!(judge(&history, None, &right), Ok(()));

        let mut caught = 0;
        for at in 1..60 {
            let mut swapped = right.clone();
            swapped.swap(at - 1, at);
            let cause = history.dependencies(at as Event).contains(history.dot(at as Event - 1));
            let verdict = judge(&history, None, &swapped);
            assert_eq!(verdict.is_err(), cause, "{at}: {verdict:?}");
            caught += usize::from(cause);
        }
        assert!(caught > 30, "only {caught} of 59 swaps break causality");

        let missing = judge(&history, None, &right[..59]).expect_err("one is missing");
        assert!(missing.starts_with("site 1 has not delivered"), "{missing}");
        let twice = judge(&history, None, &[0, 0]).expect_err("twice");
        assert!(twice.contains("a second time, where (0, 1) is event 0 by"), "{twice}");
    }

    #[test]
    fn both_canaries_die() {
        let history = session::generate(Shape { events: 60, authors: 3, seed: 5 }).expect("a session");
        let right: Vec<Event> = (0..60).collect();
        let skipped = judge(&history, Some(ReplayCanary::Skip), &right).expect_err("a lie");
        assert!(skipped.contains("before its cause"), "{skipped}");
        let repeated = judge(&history, Some(ReplayCanary::Repeat), &right).expect_err("a lie");
        assert!(repeated.contains("a second time"), "{repeated}");
    }
}
