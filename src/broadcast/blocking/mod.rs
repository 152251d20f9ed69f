//! Thin drivers for engines that block: loops that carry out the requests of the machines. They read no clock, and
//! never sleep.
//!
//! An error of an engine is handed to the caller. The machine knows how to go on: wait a little, and call the driver
//! again. The crate `happens-before-engines` has the same drivers for asynchronous engines, on any runtime.
//!
//! # Waiting
//!
//! The drivers that wait, [`next`] and [`follow_until`], take a function `wait`. Its argument is a time in milliseconds
//! of the caller's clock. It sleeps until that time, or until something may be new, and returns the current time. If it
//! returns `None`, the driver gives up with [`FollowError::GivenUp`], and nothing is lost.
//!
//! # Examples
//!
//! Two nodes publish and a third one reads. Watch the positions: the two messages of one batch share a slot. Publish a
//! fourth message, and read it.
//!
//! ```
//! use core::cell::RefCell;
//! use happens_before::{Publisher, Subscriber};
//! use happens_before::broadcast::{blocking, MemoryLog, PublisherConfig, SubscriberConfig};
//! use happens_before::counter::AtomicCounter;
//!
//! let (counter, log) = (AtomicCounter::new(), RefCell::new(MemoryLog::new(1_000)));
//! let mut alice = Publisher::new("alice", PublisherConfig::default());
//! let mut bob = Publisher::new("bob", PublisherConfig::default());
//! alice.publish("tea?")?;
//! blocking::settle(&mut alice, &counter, &log)?;
//! bob.publish_batch(["yes", "with milk"])?;
//! blocking::settle(&mut bob, &counter, &log)?;
//!
//! let mut carol = Subscriber::new(SubscriberConfig::default());
//! let mut lines = Vec::new();
//! for _ in 0..3 {
//!     let delivery = blocking::next(&mut carol, &log, |until_ms| Some(until_ms))?; // in practice: sleep
//!     lines.push((delivery.position.to_string(), delivery.payload.unwrap()));
//! }
//! let said = [("0:1:0", "tea?"), ("0:2:0", "yes"), ("0:2:1", "with milk")];
//! assert_eq!(lines, said.map(|(position, line)| (position.to_string(), line)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod epoch;
mod error;
mod follow;
mod publish;

pub use epoch::{Begun, begin_epoch, begin_epoch_append};
pub use error::{DriveError, FollowError};
pub use follow::{follow, follow_appends, follow_appends_until, follow_until, next, next_append};
pub use publish::{Settled, settle, settle_append};
