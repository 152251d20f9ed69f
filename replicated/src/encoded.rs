//! A state machine whose commands travel as bytes.

use alloc::vec::Vec;

use happens_before::broadcast::Position;
use happens_before::codec::{self, Decode, DecodeError, Encode, Reader, Writer};

use super::StateMachine;

/// A state machine whose commands are bytes, each in its form of [`codec`].
///
/// Engines store bytes, and a [`StateMachine`] has commands of a type of its own. This type decodes each command before
/// it is applied. Bytes that are no command change nothing; their output is the [`DecodeError`]. So a sender that is
/// faulty, or of another version, stops no replica. The forms of the commands and outcomes of this crate are [on the
/// front page](super#forms); for a type of your own implement [`Encode`] and [`Decode`].
///
/// # What you must do
///
/// All replicas must agree on which bytes are a command. A new version that knows more commands applies what an old one
/// refuses, so update every replica before the first new command is sent. If nodes have words of different lengths, use
/// `u64` in commands and not `usize`.
///
/// # Examples
///
/// A register over a log of bytes. Watch the second entry, which is no command. Remove it: the last position is 2.
///
/// ```
/// use core::cell::RefCell;
/// use happens_before::Publisher;
/// use happens_before::broadcast::{MemoryLog, PublisherConfig, SubscriberConfig, blocking::settle_append};
/// use happens_before_replicated::{Encoded, Replica, blocking};
/// use happens_before_replicated::register::{Command, Outcome, Register};
///
/// type Bytes = Encoded<Register<String>>;
///
/// let log = RefCell::new(MemoryLog::<u64, Vec<u8>>::new(1_000)); // in practice: an engine
/// let mut publisher = Publisher::new(1, PublisherConfig::over_appends());
/// let mut replica = Replica::new(Encoded(Register::new("tea".to_string())), SubscriberConfig::default());
/// let swap = Command::CompareAndSet { expected: "tea".to_string(), new: "milk".to_string() };
///
/// let mut outputs = Vec::new();
/// for bytes in [Bytes::encode(&swap), b"no command".to_vec(), Bytes::encode(&swap)] {
///     publisher.publish(bytes)?;
///     let published = settle_append(&mut publisher, &log)?.unwrap();
///     let applied = blocking::outcome_append(&mut replica, &published, &log, |until_ms| Some(until_ms))?;
///     outputs.push((applied.position.sequence, applied.output.unwrap()));
/// }
/// assert_eq!(outputs[0], (1, Ok(Outcome::Set)));
/// assert!(outputs[1].1.is_err());
/// assert_eq!(outputs[2], (3, Ok(Outcome::Refused { current: "milk".to_string() })));
/// assert_eq!(replica.machine().0.value(), "milk");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
pub struct Encoded<M>(
    /// The state machine.
    pub M,
);

impl<M: StateMachine<Command: Encode>> Encoded<M> {
    /// Returns a command in bytes, to be published. O(n) for n bytes.
    #[must_use]
    pub fn encode(command: &M::Command) -> Vec<u8> {
        let mut bytes = Vec::new();
        codec::encode(command, &mut bytes);
        bytes
    }
}

impl<M: StateMachine<Command: Decode>> StateMachine for Encoded<M> {
    type Command = Vec<u8>;
    /// The output of the state machine, or the reason why the bytes are no command of it.
    type Output = Result<M::Output, DecodeError>;

    fn apply(&mut self, position: Position, command: Vec<u8>) -> Result<M::Output, DecodeError> {
        let command = codec::decode(&command)?;
        Ok(self.0.apply(position, command))
    }
}

/// The state machine.
impl<M: Encode> Encode for Encoded<M> {
    fn encode(&self, out: &mut Writer<'_>) {
        self.0.encode(out);
    }
}

impl<M: Decode> Decode for Encoded<M> {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        M::decode(reader).map(Self)
    }
}
