//! The waits that planted faults cost a run.
//!
//! A publisher waits while its write stalls, a subscriber while it leaves a hole to a slow writer, and both are missing
//! between a death and the beginning of the successor. Several wait at the same time, and others work meanwhile, so
//! the sum of all waits says nothing. Instead the waits of each publisher and each subscriber are subtracted from its
//! own time, up to the end of its work. Without the waits, the run would have taken about as long as the slowest of
//! these. The waits cost the rest of the run.

use std::collections::BTreeMap;
use std::time::Duration;

use super::event::{Notice, Who};

/// The waits of all publishers and subscribers of a run. All times are counted from its beginning.
#[derive(Debug, Default)]
pub(super) struct Waits(BTreeMap<Who, Times>);

#[derive(Debug, Default)]
struct Times {
    /// The sum of the waits.
    waited: Duration,
    /// The time of a death that has no successor yet.
    died: Option<Duration>,
    /// The time of the last end.
    ended: Option<Duration>,
}

impl Waits {
    /// Notes what a notice says about waits; `at` is the time of the notice.
    pub(super) fn hear(&mut self, who: Who, notice: &Notice, at: Duration) {
        match notice {
            Notice::Begun => {
                let times = self.0.entry(who).or_default();
                times.ended = None;
                let died = times.died.take().unwrap_or(at);
                times.waited = times.waited.saturating_add(at.saturating_sub(died));
            }
            Notice::Waited { micros } => {
                let times = self.0.entry(who).or_default();
                times.waited = times.waited.saturating_add(Duration::from_micros(*micros));
            }
            Notice::Dying { .. } => self.0.entry(who).or_default().died = Some(at),
            Notice::Gone => self.0.entry(who).or_default().ended = Some(at),
            _ => {}
        }
    }

    /// Returns the time that the waits cost a run that took this long.
    pub(super) fn cost(&self, elapsed: Duration) -> Duration {
        let ended = |times: &Times| times.ended.unwrap_or(elapsed);
        let with = self.0.values().map(ended).max().unwrap_or_default();
        let without = self.0.values().map(|times| ended(times).saturating_sub(times.waited)).max();
        with.saturating_sub(without.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::super::faults::Fault;
    use super::*;

    const P: Who = Who::Publisher(0);
    const S: Who = Who::Subscriber(0);

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// Returns the cost of the waits in a run of 100 ms with these notices.
    fn cost(notices: &[(u64, Who, Notice)]) -> Duration {
        let mut waits = Waits::default();
        for (at, who, notice) in notices {
            waits.hear(*who, notice, ms(*at));
        }
        waits.cost(ms(100))
    }

    fn waited(ms: u64) -> Notice {
        Notice::Waited { micros: ms * 1000 }
    }

    #[test]
    fn without_waits_nothing_is_lost() {
        assert_eq!(cost(&[]), ms(0));
        let both = [(1, P, Notice::Begun), (1, S, Notice::Begun), (60, P, Notice::Gone), (99, S, Notice::Gone)];
        assert_eq!(cost(&both), ms(0));
    }

    #[test]
    fn the_slowest_without_its_own_waits_counts() {
        // The subscriber worked for 100 - 70 ms, and the publisher for 60 - 10 ms.
        let mut notices =
            vec![(30, P, waited(10)), (50, S, waited(40)), (60, P, Notice::Gone), (90, S, waited(30))];
        notices.push((100, S, Notice::Gone));
        assert_eq!(cost(&notices), ms(50));
        // One that has not ended has worked until now.
        notices.pop();
        assert_eq!(cost(&notices), ms(50));
        notices.remove(0);
        assert_eq!(cost(&notices), ms(40));
    }

    #[test]
    fn a_successor_is_waited_for_from_the_death_on() {
        let dying = |at, fault| (at, P, Notice::Dying { fault });
        let notices = [
            (0, P, Notice::Begun),
            dying(10, Fault::KilledInWrite),
            (15, P, Notice::Gone),
            (40, P, Notice::Begun),
            dying(50, Fault::KilledWithNumber),
            (50, P, Notice::Gone),
            (55, P, Notice::Begun),
            (100, P, Notice::Gone),
        ];
        assert_eq!(cost(&notices), ms(35));
    }

    #[test]
    fn waits_beyond_all_bounds_cost_no_more_than_the_run() {
        let endless = Notice::Waited { micros: u64::MAX };
        assert_eq!(cost(&[(1, P, endless.clone()), (2, P, endless)]), ms(100));
    }
}
