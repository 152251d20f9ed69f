//! The engine of a run, by its name on the command line, and counters that can be set back.

use std::fmt;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError, RwLock};

use happens_before::counter::Counter;

use crate::history::InputError;

/// The place of counter and log.
#[derive(Clone, PartialEq, Eq)]
pub enum Engine {
    /// In the memory of this process.
    Memory,
    /// In a file of redb.
    Redb(PathBuf),
    /// In a database of PostgreSQL, at this URL or connection string.
    Postgres(String),
}

impl Engine {
    /// Returns its name, without anything that may be secret.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Redb(_) => "redb",
            Self::Postgres(_) => "postgres",
        }
    }

    /// Returns an error that names the engine.
    pub(super) fn fails(&self, error: impl fmt::Display) -> InputError {
        match self {
            Self::Redb(path) => InputError::at(path, error),
            Self::Memory | Self::Postgres(_) => {
                InputError { place: self.name().to_owned(), what: error.to_string() }
            }
        }
    }
}

/// Shows no URL, which may have a password in it.
impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Redb(path) => f.debug_tuple("Redb").field(path).finish(),
            Self::Memory | Self::Postgres(_) => f.write_str(self.name()),
        }
    }
}

impl FromStr for Engine {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "memory" => Ok(Self::Memory),
            Some(("redb", path)) if !path.is_empty() => Ok(Self::Redb(path.into())),
            // A URL of PostgreSQL begins with the word as well.
            Some(("postgres" | "postgresql", rest)) if rest.starts_with("//") => {
                Ok(Self::Postgres(text.to_owned()))
            }
            Some(("postgres", rest)) if !rest.is_empty() => Ok(Self::Postgres(rest.to_owned())),
            _ => Err("an engine is memory, redb:PATH or postgres:URL".to_owned()),
        }
    }
}

/// A counter that can be set back, as by the restore of a backup.
pub(super) trait SetBack: Counter {
    /// Takes back the last `by` numbers without notice: they will be given out once more.
    fn set_back(&self, by: u64) -> Result<(), Self::Error>;
}

/// A counter that is set back by replacing it with another one, which continues after a lower number.
pub(super) struct Replaceable<C, F> {
    counter: RwLock<C>,
    /// Makes a counter that continues after this number.
    after: Mutex<F>,
}

impl<C: Counter, F: FnMut(u64) -> Result<C, C::Error>> Replaceable<C, F> {
    /// Makes the first counter, which continues after `last`.
    pub(super) fn new(last: u64, mut after: F) -> Result<Self, C::Error> {
        Ok(Self { counter: RwLock::new(after(last)?), after: Mutex::new(after) })
    }
}

impl<C: Counter, F> Counter for Replaceable<C, F> {
    type Error = C::Error;

    fn increment_and_get(&self, n: NonZeroU64) -> Result<u64, C::Error> {
        self.counter.read().unwrap_or_else(PoisonError::into_inner).increment_and_get(n)
    }

    fn current(&self) -> Result<u64, C::Error> {
        self.counter.read().unwrap_or_else(PoisonError::into_inner).current()
    }
}

impl<C: Counter, F: FnMut(u64) -> Result<C, C::Error>> SetBack for Replaceable<C, F> {
    fn set_back(&self, by: u64) -> Result<(), C::Error> {
        let mut counter = self.counter.write().unwrap_or_else(PoisonError::into_inner);
        let last = counter.current()?.saturating_sub(by);
        let mut after = self.after.lock().unwrap_or_else(PoisonError::into_inner);
        *counter = after(last)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use happens_before::counter::AtomicCounter;

    #[test]
    fn an_engine_has_a_name_and_a_place() {
        assert_eq!("memory".parse(), Ok(Engine::Memory));
        assert_eq!("redb:a:b".parse(), Ok(Engine::Redb("a:b".into())));
        for url in ["postgres://user@host/orders", "postgresql://host", "host=localhost user=me"] {
            assert_eq!(format!("postgres:{url}").parse(), Ok(Engine::Postgres(url.to_owned())));
        }
        // The URL alone names the engine.
        assert_eq!("postgres://host/x".parse(), Ok(Engine::Postgres("postgres://host/x".to_owned())));
        let secret = Engine::Postgres("postgres://user:SECRET@host".to_owned());
        assert_eq!(format!("{secret:?}"), "postgres");
        for wrong in ["", "redb", "redb:", "postgres", "postgres:", "memory:x", "sqlite:x"] {
            assert!(wrong.parse::<Engine>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_counter_that_is_set_back_repeats_its_numbers() {
        let counter =
            Replaceable::new(7, |last| Ok(AtomicCounter::resume(last, AtomicCounter::MAX).unwrap_or_default()));
        let counter = counter.expect("memory does not fail");
        let take = || counter.increment_and_get(NonZeroU64::MIN).expect("far from the end");
        assert_eq!([take(), take(), take()], [8, 9, 10]);
        counter.set_back(2).expect("memory does not fail");
        assert_eq!((counter.current(), take()), (Ok(8), 9));
        counter.set_back(100).expect("memory does not fail");
        assert_eq!(take(), 1);
    }
}
