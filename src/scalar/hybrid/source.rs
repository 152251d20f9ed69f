//! Sources of the time of day.

/// A source of the time of day.
///
/// A `u64` is the simplest source: the milliseconds themselves, as a simulation, a test or a browser passes them. With
/// `std`, [`SystemTime`] asks the operating system.
///
/// # Examples
///
/// ```
/// use core::cell::Cell;
/// use happens_before::HybridClock;
/// use happens_before::scalar::TimeSource;
///
/// /// A real-time clock chip that counts seconds.
/// struct Chip(Cell<u32>);
///
/// impl TimeSource for Chip {
///     fn now_ms(&self) -> u64 {
///         u64::from(self.0.get()) * 1_000
///     }
/// }
///
/// let mut clock = HybridClock::new("sensor 4", 5_000);
/// assert_eq!(clock.tick(&Chip(Cell::new(60)))?.time().ms(), 60_000);
/// assert_eq!(clock.tick(61_000)?.time().ms(), 61_000);
/// # Ok::<(), happens_before::scalar::TickError>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no source of the time of day on this target",
    label = "not a `TimeSource`",
    note = "the milliseconds themselves are a source: `clock.tick(now_ms)`, for a `now_ms` of type `u64`",
    note = "in a browser, where there is no operating system to ask:\n\
            let now_ms = || js_sys::Date::now() as u64;\n\
            let timestamp = clock.tick(now_ms())?;\n\
            clock.observe(time, now_ms())?;"
)]
pub trait TimeSource {
    /// Returns the milliseconds since 1970, or since another moment that all nodes agree on.
    ///
    /// The source may stand still and go back; the clocks that use it do not.
    fn now_ms(&self) -> u64;
}

impl TimeSource for u64 {
    #[inline]
    fn now_ms(&self) -> u64 {
        *self
    }
}

impl<T: TimeSource + ?Sized> TimeSource for &T {
    #[inline]
    fn now_ms(&self) -> u64 {
        (**self).now_ms()
    }
}

/// The time of day as the operating system tells it.
///
/// A time before 1970 reads as 0.
///
/// It is a [`TimeSource`] on every target that has a clock. `wasm32-unknown-unknown` has none: there the type lacks
/// that implementation, so its use does not compile and the compiler's message says what to pass instead.
///
/// # Examples
///
/// ```
/// use happens_before::HybridClock;
/// use happens_before::scalar::SystemTime;
///
/// let mut clock = HybridClock::new("node 1", 500);
/// let x = clock.tick(SystemTime)?;
/// let y = clock.tick(SystemTime)?;
/// assert!(x < y);
/// # Ok::<(), happens_before::scalar::TickError>(())
/// ```
#[cfg(feature = "std")]
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemTime;

#[cfg(all(feature = "std", not(all(target_family = "wasm", target_os = "unknown"))))]
impl TimeSource for SystemTime {
    #[expect(
        clippy::disallowed_methods,
        clippy::disallowed_types,
        reason = "the one place in the crate that reads a clock, for callers who pass this source"
    )]
    #[inline]
    fn now_ms(&self) -> u64 {
        // A time beyond u64 becomes one that every clock refuses.
        match std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH) {
            // Not `as_millis`, which multiplies and converts in 128 bits.
            Ok(since_1970) => {
                let seconds = since_1970.as_secs().saturating_mul(1_000);
                seconds.saturating_add(u64::from(since_1970.subsec_millis()))
            }
            Err(_before_1970) => 0,
        }
    }
}

#[cfg(all(test, feature = "std", not(loom)))]
mod tests {
    use super::*;
    use crate::scalar::HybridTime;

    #[test]
    fn the_system_time_is_after_2020_and_before_the_end_of_the_range() {
        let now = SystemTime.now_ms();
        assert!(now > 1_577_836_800_000 && now < HybridTime::MAX_MS);
    }
}
