//! The header of a message in bytes: its dependencies and its dot, in the format of [`codec`](crate::codec).
//!
//! | part | form |
//! |---|---|
//! | dependencies | a version vector with an entry for each |
//! | dot | a dot |
//!
//! The payload belongs to the application. Usually it follows the header, up to the end of the packet.

use crate::codec::{Decode, DecodeError, DecodeErrorKind, DecodeId, EncodeId, Reader, Writer, put_entries};
use crate::node::Dot;
use crate::version::VersionVector;

use super::Message;

impl<I: EncodeId, P> Message<I, P> {
    /// Writes the header: everything but the payload. O(d) for d dependencies.
    ///
    /// # Examples
    ///
    /// ```
    /// use happens_before::{Dot, Message};
    /// use happens_before::codec::{Reader, Writer};
    ///
    /// let message = Message::new(Dot::new(7_u64, 3).unwrap(), [Dot::new(4, 1).unwrap()], "hello").unwrap();
    /// let mut packet = Vec::new();
    /// message.encode_header(&mut Writer::growing(&mut packet));
    /// assert_eq!(packet.len(), 5);
    /// packet.extend(message.payload().bytes());
    ///
    /// let mut reader = Reader::new(&packet);
    /// let header = Message::decode_header(&mut reader)?;
    /// let payload = str::from_utf8(reader.rest()).unwrap();
    /// assert_eq!(header.with_payload(payload), message);
    /// # Ok::<(), happens_before::codec::DecodeError>(())
    /// ```
    pub fn encode_header(&self, out: &mut Writer<'_>) {
        let dependencies = self.dependencies();
        let entries = dependencies.iter().map(|dot| (dot.node(), dot.counter()));
        put_entries(dependencies.len(), entries, out);
        crate::codec::Encode::encode(self.dot(), out);
    }
}

impl<I: DecodeId> Message<I, ()> {
    /// Reads a header written by [`encode_header`](Self::encode_header). The caller adds the payload by
    /// [`with_payload`](Self::with_payload). O(d) for d dependencies.
    ///
    /// # Errors
    ///
    /// [`DecodeError`]. Its kind is [`OwnDependency`](DecodeErrorKind::OwnDependency) if the message names a dependency
    /// on its own node, which no encoder writes because the previous message is implied.
    pub fn decode_header(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let dependencies = VersionVector::decode(reader)?;
        let dot_at = reader.at();
        let dot = Dot::<I>::decode(reader)?;
        if dependencies.get(dot.node()) > 0 {
            return Err(DecodeError { at: dot_at, kind: DecodeErrorKind::OwnDependency });
        }
        Ok(Self::after(dot, &dependencies, ()))
    }
}
