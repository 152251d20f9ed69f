//! The clock of a node: true time at a different rate, with jumps.

/// The rate of a true clock, in per mille.
pub(crate) const TRUE_RATE: u64 = 1000;

/// The mapping from true time to the time of one node. True time only grows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    rate: u64,
    /// The true time of the last change, from which the fields below hold.
    since: u64,
    local: u64,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self { rate: TRUE_RATE, since: 0, local: 0 }
    }

    /// Returns the time that the clock shows at the true time `now`, which is not before the last change.
    pub(crate) fn at(&self, now: u64) -> u64 {
        let passed = u128::from(now.saturating_sub(self.since)) * u128::from(self.rate) / u128::from(TRUE_RATE);
        self.local.saturating_add(u64::try_from(passed).unwrap_or(u64::MAX))
    }

    /// Returns the first true time at which the clock shows `local` or more.
    pub(crate) fn when(&self, local: u64) -> u64 {
        let ahead = u128::from(local.saturating_sub(self.local)) * u128::from(TRUE_RATE);
        let passed = ahead.div_ceil(u128::from(self.rate));
        self.since.saturating_add(u64::try_from(passed).unwrap_or(u64::MAX))
    }

    /// Makes the clock jump, and run at another rate from now on.
    pub(crate) fn change(&mut self, now: u64, rate: u64, jump: i64) {
        let local = self.at(now).saturating_add_signed(jump);
        *self = Self { rate: rate.max(1), since: now, local };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_the_first_moment_at_which_the_clock_shows_it() {
        for rate in [1, 333, 999, 1000, 1001, 1500, 7000] {
            let mut clock = Clock::new();
            clock.change(10, rate, 5);
            for local in 0..200 {
                let when = clock.when(local);
                assert!(clock.at(when) >= local, "{rate} {local}");
                assert!(when == 10 || clock.at(when - 1) < local, "{rate} {local}");
            }
        }
        assert_eq!(Clock::new().when(u64::MAX), u64::MAX);
    }

    #[test]
    fn a_change_keeps_what_the_clock_shows_but_for_the_jump() {
        let mut clock = Clock::new();
        clock.change(100, 2000, 0);
        assert_eq!((clock.at(100), clock.at(150)), (100, 200));
        clock.change(150, TRUE_RATE, -50);
        assert_eq!((clock.at(150), clock.at(160)), (150, 160));
        clock.change(160, TRUE_RATE, -1000);
        assert_eq!(clock.at(160), 0, "no time before the beginning");
    }
}
