//! Thin drivers: they carry out what the machines ask for, on engines that block. They read no clock and never wait.
//!
//! An error of an engine is handed to the caller, and the machine knows how to go on: wait a little, and call again. For
//! engines that are asynchronous there are the same drivers, on any runtime, in the crate `happens-before-engines`.
//!
//! # Examples
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
//! blocking::follow(&mut carol, &log, 0)?;
//! let mut lines = Vec::new();
//! while let Some(delivery) = carol.poll_delivery()? {
//!     lines.push((delivery.position.to_string(), delivery.payload.unwrap()));
//! }
//! let said = [("0:1:0", "tea?"), ("0:2:0", "yes"), ("0:2:1", "with milk")];
//! assert_eq!(lines, said.map(|(position, line)| (position.to_string(), line)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod epoch;
mod follow;
mod publish;

pub use epoch::{BeginEpochError, Begun, begin_epoch, begin_epoch_append};
pub use follow::{FollowError, follow, follow_appends};
pub use publish::{SettleError, Settled, settle, settle_append};
