//! The asynchronous twins of counters and logs, and of the loops that drive them, for any runtime.
//!
//! # The problem
//!
//! A server with a thousand connections on a few threads must not block them. The machines of
//! [`broadcast`](happens_before::broadcast) do no input or output, so any driver can carry out their requests. But the
//! traits of counters and logs in the core block.
//!
//! # The twins
//!
//! | blocking, in the core | asynchronous, here |
//! |---|---|
//! | [`Counter`](happens_before::counter::Counter) | [`AsyncCounter`] |
//! | [`Log`](happens_before::broadcast::Log), [`SlotLog`](happens_before::broadcast::SlotLog), [`AppendLog`](happens_before::broadcast::AppendLog) | [`AsyncLog`], [`AsyncSlotLog`], [`AsyncAppendLog`] |
//! | [`broadcast::blocking`](happens_before::broadcast::blocking) | [`settle`], [`settle_append`], [`begin_epoch`], [`begin_epoch_append`], [`follow`], [`follow_appends`], [`follow_until`], [`follow_appends_until`], [`next`], [`next_append`] |
//! | [`replicated::blocking`](happens_before_replicated::blocking) | [`outcome`], [`outcome_append`], [`sync`], [`sync_append`] |
//!
//! The drivers that follow a log accept any [`Follow`](happens_before::broadcast::Follow): a
//! [`Subscriber`](happens_before::Subscriber), a [`Replica`](happens_before_replicated::Replica), or your own type
//! around one. Blocking and asynchronous drivers carry out the steps of the same machines, so they cannot differ.
//!
//! Promises (L1 to L7), answers and errors are those of the blocking ones, word for word. [`Blocking`] turns a counter
//! or log in memory into an asynchronous one, and `postgres` has its own. There is none for `redb`: its writes wait for
//! the disk, which needs a thread. Give it a blocking thread of the runtime (`spawn_blocking` on tokio). `&T`, `Box<T>`
//! and `Arc<T>` implement each trait that `T` does.
//!
//! # Waiting
//!
//! Nothing here reads a clock or sleeps. The drivers that wait take a function `wait`. Its argument is a time in
//! milliseconds of the caller's clock. It returns a future that ends at that time, or earlier if something may be new,
//! with the current time. On tokio, with `began` a `tokio::time::Instant`:
//!
//! ```text
//!   async |until_ms| {
//!       sleep_until(began + Duration::from_millis(until_ms)).await;
//!       began.elapsed().as_millis() as u64
//!   }
//! ```
//!
//! # Spawning
//!
//! A runtime of several threads spawns only futures that are `Send` and borrow nothing. Move the machine into the task,
//! and share counter and log by an `Arc`, which is a counter or a log itself. Ids and payloads may be texts of the
//! program, `&'static str`, in every driver.
//!
//! A task on tokio that follows a log, and one that publishes to it. Share the log by a reference instead, and read the
//! error.
//!
//! ```
//! use std::sync::{Arc, Mutex};
//! use std::time::Duration;
//!
//! use happens_before::broadcast::{MemoryLog, PublisherConfig, SubscriberConfig};
//! use happens_before::counter::AtomicCounter;
//! use happens_before::{Publisher, Subscriber};
//! use happens_before_engines::asynchronous::{self, Blocking};
//! use tokio::time::{Instant, sleep_until};
//!
//! # let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build()?;
//! # runtime.block_on(async {
//! let counter = Arc::new(Blocking(AtomicCounter::new()));
//! let log = Arc::new(Blocking(Mutex::new(MemoryLog::<&'static str, &'static str>::new(1_000))));
//!
//! let (began, shared) = (Instant::now(), Arc::clone(&log));
//! let bob = tokio::spawn(async move {
//!     let mut bob = Subscriber::new(SubscriberConfig::default());
//!     let wait = async |until_ms| {
//!         sleep_until(began + Duration::from_millis(until_ms)).await;
//!         began.elapsed().as_millis() as u64
//!     };
//!     asynchronous::next(&mut bob, &shared, wait).await.expect("no faults").payload
//! });
//! let alice = tokio::spawn(async move {
//!     let mut alice = Publisher::new("alice", PublisherConfig::default());
//!     alice.publish("tea?").expect("nothing is outstanding");
//!     asynchronous::settle(&mut alice, &counter, &log).await.expect("room");
//! });
//! alice.await?;
//! assert_eq!(bob.await?, Some("tea?"));
//! # Ok::<(), tokio::task::JoinError>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Dropping a future
//!
//! A future may be dropped at any `.await`, as `select!` and time-outs do. The outcome of the request under way is then
//! *unknown*, exactly as after an error: numbers may be spent, and a write may be done, now or later. The machines are
//! unharmed: call the same function again. No driver takes a message out of a machine and then waits, so no message is
//! lost.
//!
//! # Examples
//!
//! A publisher and a subscriber in one future, without a runtime. Publish a second message, and await `next` twice.
//!
//! ```
//! use std::pin::pin;
//! use std::sync::Mutex;
//! use std::task::{Context, Poll, Waker};
//!
//! use happens_before::{Publisher, Subscriber};
//! use happens_before::broadcast::{MemoryLog, PublisherConfig, SubscriberConfig};
//! use happens_before::counter::AtomicCounter;
//! use happens_before_engines::asynchronous::{self, Blocking};
//!
//! let talk = async {
//!     let (counter, log) = (Blocking(AtomicCounter::new()), Blocking(Mutex::new(MemoryLog::new(1_000))));
//!     let mut alice = Publisher::new("alice", PublisherConfig::default());
//!     alice.publish("tea?").expect("nothing is outstanding");
//!     asynchronous::settle(&mut alice, &counter, &log).await.expect("room");
//!
//!     let mut bob = Subscriber::new(SubscriberConfig::default());
//!     let wait = async |until_ms| until_ms; // in practice: sleep
//!     asynchronous::next(&mut bob, &log, wait).await.expect("no faults").payload
//! };
//! // Any runtime will do. In memory nothing has to wait, so one poll is enough.
//! let mut talk = pin!(talk);
//! assert_eq!(talk.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(Some("tea?")));
//! ```

mod blocking;
mod epoch;
mod follow;
mod publish;

use core::num::NonZeroU64;
use std::sync::Arc;

use happens_before::broadcast::{AppendAnswer, Entry, ReadAnswer, ReadLimit, SealAnswer, WriteAnswer};

pub use blocking::Blocking;
pub use epoch::{begin_epoch, begin_epoch_append};
pub use follow::{
    follow, follow_appends, follow_appends_until, follow_until, next, next_append, outcome, outcome_append,
    sync, sync_append,
};
pub use publish::{settle, settle_append};

/// A linearizable counter, with the promises of [`Counter`](happens_before::counter::Counter).
///
/// # Examples
///
/// One request takes three numbers, and the answer is the first of them.
///
/// ```
/// use core::num::NonZeroU64;
/// use happens_before_engines::asynchronous::AsyncCounter;
///
/// async fn take_three<C: AsyncCounter>(counter: &C) -> Result<[u64; 3], C::Error> {
///     let first = counter.increment_and_get(const { NonZeroU64::new(3).unwrap() }).await?;
///     Ok([first, first + 1, first + 2])
/// }
/// ```
pub trait AsyncCounter {
    /// The error of a request that returned no number.
    type Error;

    /// Takes the next `n` numbers and returns the first: the caller owns `first ..= first + n - 1`.
    ///
    /// # Errors
    ///
    /// As [`Counter::increment_and_get`](happens_before::counter::Counter::increment_and_get). If the future is
    /// dropped, the numbers may be spent.
    fn increment_and_get(&self, n: NonZeroU64) -> impl Future<Output = Result<u64, Self::Error>> + Send;

    /// Returns the last number taken; 0 if none was.
    ///
    /// # Errors
    ///
    /// The error of the implementation; no number was taken.
    fn current(&self) -> impl Future<Output = Result<u64, Self::Error>> + Send;
}

/// A log that can be read, sealed and trimmed; its promises are those of [`Log`](happens_before::broadcast::Log).
pub trait AsyncLog {
    /// The type of node ids.
    type Node;

    /// The type of payloads.
    type Payload;

    /// The error of a request that failed, or was not answered.
    type Error;

    /// Reads the occupied slots from `from` on, in order and without holes, within `limit`.
    ///
    /// # Errors
    ///
    /// As [`Log::read`](happens_before::broadcast::Log::read); nothing is changed.
    fn read(
        &self,
        from: u64,
        limit: ReadLimit,
    ) -> impl Future<Output = Result<ReadAnswer<Self::Node, Self::Payload>, Self::Error>> + Send;

    /// Refuses entries of epochs below `epoch` from now on, and returns the highest occupied slot.
    ///
    /// # Errors
    ///
    /// As [`Log::seal`](happens_before::broadcast::Log::seal); unknown whether the log is sealed. Repeat the request.
    fn seal(&self, epoch: u64) -> impl Future<Output = Result<SealAnswer, Self::Error>> + Send;

    /// Forgets the slots below `below`, and returns the first that is kept.
    ///
    /// # Errors
    ///
    /// As [`Log::trim`](happens_before::broadcast::Log::trim); unknown whether the slots are trimmed. Repeat the
    /// request.
    fn trim(&self, below: u64) -> impl Future<Output = Result<u64, Self::Error>> + Send;
}

/// A log whose slots are written once, like [`SlotLog`](happens_before::broadcast::SlotLog).
pub trait AsyncSlotLog: AsyncLog {
    /// Writes `entry` into `slot`, if the slot is empty.
    ///
    /// # Errors
    ///
    /// As [`SlotLog::write`](happens_before::broadcast::SlotLog::write); unknown whether the entry is written. Repeat
    /// the same write to the same slot.
    fn write(
        &self,
        slot: u64,
        entry: &Entry<Self::Node, Self::Payload>,
    ) -> impl Future<Output = Result<WriteAnswer<Self::Node, Self::Payload>, Self::Error>> + Send;
}

/// A log that numbers and stores an entry in one step, like [`AppendLog`](happens_before::broadcast::AppendLog).
pub trait AsyncAppendLog: AsyncLog {
    /// Stores `entry` in the slot after the highest occupied one.
    ///
    /// # Errors
    ///
    /// As [`AppendLog::append`](happens_before::broadcast::AppendLog::append); unknown whether the entry is stored.
    /// Append the same entry again.
    fn append(
        &self,
        entry: &Entry<Self::Node, Self::Payload>,
    ) -> impl Future<Output = Result<AppendAnswer, Self::Error>> + Send;
}

/// Implements the traits for a pointer to a counter, or to a log.
macro_rules! pointer {
    ($pointer:ty) => {
        impl<T: AsyncCounter + ?Sized> AsyncCounter for $pointer {
            type Error = T::Error;

            fn increment_and_get(&self, n: NonZeroU64) -> impl Future<Output = Result<u64, T::Error>> + Send {
                (**self).increment_and_get(n)
            }

            fn current(&self) -> impl Future<Output = Result<u64, T::Error>> + Send {
                (**self).current()
            }
        }

        impl<T: AsyncLog + ?Sized> AsyncLog for $pointer {
            type Node = T::Node;
            type Payload = T::Payload;
            type Error = T::Error;

            fn read(
                &self,
                from: u64,
                limit: ReadLimit,
            ) -> impl Future<Output = Result<ReadAnswer<T::Node, T::Payload>, T::Error>> + Send {
                (**self).read(from, limit)
            }

            fn seal(&self, epoch: u64) -> impl Future<Output = Result<SealAnswer, T::Error>> + Send {
                (**self).seal(epoch)
            }

            fn trim(&self, below: u64) -> impl Future<Output = Result<u64, T::Error>> + Send {
                (**self).trim(below)
            }
        }

        impl<T: AsyncSlotLog + ?Sized> AsyncSlotLog for $pointer {
            fn write(
                &self,
                slot: u64,
                entry: &Entry<T::Node, T::Payload>,
            ) -> impl Future<Output = Result<WriteAnswer<T::Node, T::Payload>, T::Error>> + Send {
                (**self).write(slot, entry)
            }
        }

        impl<T: AsyncAppendLog + ?Sized> AsyncAppendLog for $pointer {
            fn append(
                &self,
                entry: &Entry<T::Node, T::Payload>,
            ) -> impl Future<Output = Result<AppendAnswer, T::Error>> + Send {
                (**self).append(entry)
            }
        }
    };
}

pointer!(&T);
pointer!(Box<T>);
pointer!(Arc<T>);
