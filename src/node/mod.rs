//! Names of nodes and of events.
//!
//! A *node* is anything that numbers its own events one after another: a process, a device, an author, one incarnation
//! of a database replica. A *dot* is the name of one event: the node, and the event's *counter* at that node. Counters
//! start at 1; 0 stands for "no event yet" and never appears in a dot.
//!
//! ```text
//!   node a   (a,1)──(a,2)──(a,3)
//!   node b        (b,1)──(b,2)
//! ```
//!
//! Two nodes must never use the same id, and a node must never use the same counter twice. A node that lost its state
//! therefore returns under a new id (a new *incarnation*), for instance the pair of its old id and a restart number.
//! Pairs can be sent and stored like other ids:
//!
//! ```
//! # #[cfg(feature = "alloc")] {
//! use happens_before::{Dot, codec};
//!
//! let mut packet = [0; 16];
//! let third_life = Dot::new(("web-1", 3_u32), 1).unwrap();
//! let len = codec::encode_to_slice(&third_life, &mut packet)?;
//! assert_eq!(packet[..len], *b"\x05web-1\x03\0");
//! assert_eq!(codec::decode(&packet[..len]), Ok(Dot::new(("web-1".to_string(), 3_u32), 1).unwrap()));
//! # }
//! # Ok::<(), happens_before::codec::BufferTooSmall>(())
//! ```
//!
//! # Text
//!
//! Dots, ranges, [timestamps](crate::scalar), [positions and tokens](crate::broadcast) implement `FromStr` as the
//! inverse of `Display`, for logs, URLs and headers. A value is read back from its own text, whatever its id contains,
//! and every other text is refused. This holds for ids that are read back from their own text, as numbers and strings
//! are. `Arc<str>` has no `FromStr`; read a `String`.
//!
//! The text of a version vector or a causal context is for people only: if ids are strings, two of them may have one
//! text. Read those from [`codec`](crate::codec) or serde. [`TextId`] gives byte arrays a text. It also writes ids in
//! JSON as strings, which JavaScript reads exactly.
//!
//! # Sources
//!
//! Dots: Preguiça, Baquero, Almeida, Fonte, Gonçalves, *Dotted version vectors* (2010).

pub(crate) mod dot;
mod error;
mod range;
pub(crate) mod text;

pub(crate) use dot::{Dot, NodeId};
pub use error::{CounterExhausted, InvalidText};
pub use range::DotRange;
pub use text::TextId;
