//! The checksum at the beginning of stored bytes. With it, bytes that a disk has changed are an error, and never data.
//!
//! CRC-32 finds every change of up to 32 bits in a row, and misses one in four thousand million of the others. It also
//! covers the place of the bytes, so bytes that belong to another place are refused. It does not protect against an
//! attacker.

/// The length of a checksum.
const LEN: usize = 4;

fn of(place: &[u8], bytes: &[u8]) -> [u8; LEN] {
    let mut hasher = crc32fast::Hasher::new();
    // The length of the place comes first, so that no other place and bytes give the same input.
    hasher.update(&(place.len() as u64).to_le_bytes());
    hasher.update(place);
    hasher.update(bytes);
    hasher.finalize().to_le_bytes()
}

/// Returns bytes with room for a checksum before them.
pub(crate) fn begin() -> Vec<u8> {
    vec![0; LEN]
}

/// Puts the checksum before the bytes added since [`begin`].
pub(crate) fn end(place: &[u8], mut bytes: Vec<u8>) -> Vec<u8> {
    if let Some((sum, rest)) = bytes.split_first_chunk_mut() {
        *sum = of(place, rest);
    }
    bytes
}

/// Returns the bytes after the checksum; `None` if the checksum is wrong.
pub(crate) fn verified<'a>(place: &[u8], bytes: &'a [u8]) -> Option<&'a [u8]> {
    let (sum, rest) = bytes.split_first_chunk()?;
    (*sum == of(place, rest)).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_of_bytes_or_place_is_found() {
        let mut bytes = begin();
        bytes.extend(b"the bytes");
        let bytes = end(b"here", bytes);
        assert_eq!(verified(b"here", &bytes), Some(&b"the bytes"[..]));
        assert_eq!(verified(b"her", &bytes), None);
        assert_eq!(verified(b"there", &bytes), None);
        for len in 0..bytes.len() {
            assert_eq!(verified(b"here", &bytes[..len]), None, "cut at {len}");
        }
        for bit in 0..bytes.len() * 8 {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(verified(b"here", &bytes), None, "bit {bit}");
        }
    }
}
