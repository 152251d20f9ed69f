//! An unreliable engine: requests and answers get lost, and requests take effect late.

use core::num::NonZeroU64;
use std::sync::{Mutex, MutexGuard, PoisonError};

use happens_before::broadcast::{
    AppendAnswer, AppendLog, Entry, Log, ReadAnswer, ReadLimit, SealAnswer, SlotLog, WriteAnswer,
};
use happens_before::counter::Counter;

/// A counter or a log that loses a fifth of its requests and answers. Everything else is the engine's behaviour.
///
/// | fate of a request | of 100 requests |
/// |---|---|
/// | it is carried out and answered | 80 |
/// | it never arrives | 7 |
/// | it is carried out, and the answer gets lost | 7 |
/// | its caller gives it up, and it is carried out later; only for a write | 6 |
#[derive(Debug)]
pub struct Unreliable<'a, T, W = ()> {
    engine: &'a T,
    state: Mutex<State<W>>,
}

#[derive(Debug)]
struct State<W> {
    random: fastrand::Rng,
    late: Vec<W>,
}

/// The reason why there is no answer. `E` is the error of the engine itself.
#[derive(Debug)]
pub enum Lost<E> {
    /// It was lost on purpose; unknown whether it was done, or will be.
    OnPurpose,
    /// The engine failed by itself.
    Engine(E),
}

/// The part of a request that gets lost.
enum Loss {
    None,
    Request,
    Answer,
    /// The request is carried out later.
    Late,
}

impl<'a, T, W> Unreliable<'a, T, W> {
    /// Makes an engine unreliable. The faults follow from the seed and the order of the requests.
    pub fn new(engine: &'a T, seed: u64) -> Self {
        let state = State { random: fastrand::Rng::with_seed(seed), late: Vec::new() };
        Self { engine, state: Mutex::new(state) }
    }

    fn lock(&self) -> MutexGuard<'_, State<W>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn loss(&self) -> Loss {
        match self.lock().random.u8(..100) {
            0..80 => Loss::None,
            80..87 => Loss::Request,
            87..94 => Loss::Answer,
            _ => Loss::Late,
        }
    }

    fn call<A, E>(&self, request: impl FnOnce(&T) -> Result<A, E>) -> Result<A, Lost<E>> {
        match self.loss() {
            Loss::None | Loss::Late => request(self.engine).map_err(Lost::Engine),
            Loss::Request => Err(Lost::OnPurpose),
            Loss::Answer => {
                request(self.engine).map_err(Lost::Engine)?;
                Err(Lost::OnPurpose)
            }
        }
    }
}

impl<C: Counter> Counter for Unreliable<'_, C> {
    type Error = Lost<C::Error>;

    fn increment_and_get(&self, n: NonZeroU64) -> Result<u64, Self::Error> {
        self.call(|counter| counter.increment_and_get(n))
    }

    fn current(&self) -> Result<u64, Self::Error> {
        self.call(C::current)
    }
}

impl<L: Log> Log for Unreliable<'_, L, (u64, Entry<L::Node, L::Payload>)> {
    type Node = L::Node;
    type Payload = L::Payload;
    type Error = Lost<L::Error>;

    fn read(&self, from: u64, limit: ReadLimit) -> Result<ReadAnswer<L::Node, L::Payload>, Self::Error> {
        self.call(|log| log.read(from, limit))
    }

    fn seal(&self, epoch: u64) -> Result<SealAnswer, Self::Error> {
        self.call(|log| log.seal(epoch))
    }

    fn trim(&self, below: u64) -> Result<u64, Self::Error> {
        self.call(|log| log.trim(below))
    }
}

impl<L: SlotLog<Node: Clone, Payload: Clone>> SlotLog for Unreliable<'_, L, (u64, Entry<L::Node, L::Payload>)> {
    fn write(
        &self,
        slot: u64,
        entry: &Entry<L::Node, L::Payload>,
    ) -> Result<WriteAnswer<L::Node, L::Payload>, Self::Error> {
        // By chance, a late request is carried out first.
        let late = {
            let mut state = self.lock();
            let State { random, late } = &mut *state;
            if !late.is_empty() && random.u8(..3) == 0 {
                Some(late.swap_remove(random.usize(..late.len())))
            } else {
                None
            }
        };
        if let Some((slot, entry)) = late {
            self.engine.write(slot, &entry).map_err(Lost::Engine)?;
        }
        match self.loss() {
            Loss::Late => {
                self.lock().late.push((slot, entry.clone()));
                Err(Lost::OnPurpose)
            }
            Loss::None => self.engine.write(slot, entry).map_err(Lost::Engine),
            Loss::Request => Err(Lost::OnPurpose),
            Loss::Answer => {
                self.engine.write(slot, entry).map_err(Lost::Engine)?;
                Err(Lost::OnPurpose)
            }
        }
    }
}

impl<L: AppendLog> AppendLog for Unreliable<'_, L, (u64, Entry<L::Node, L::Payload>)> {
    fn append(&self, entry: &Entry<L::Node, L::Payload>) -> Result<AppendAnswer, Self::Error> {
        self.call(|log| log.append(entry))
    }
}
