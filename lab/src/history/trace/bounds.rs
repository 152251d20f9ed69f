//! Readers that bound the cost of a file: its length, and the memory of its parser.

use std::fmt;
use std::io::{self, Cursor, Read};

use flate2::read::MultiGzDecoder;

use crate::words::counted;

/// The first two bytes of every gzip file.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Most lists and objects that may be nested.
const DEEPEST: usize = 128;

/// Reads the content of a file, and unpacks it if it is packed. Neither the file nor its unpacked content may be longer
/// than `largest` bytes.
///
/// # Errors
///
/// Those of the first read. Later reads of the returned reader return their own, in words that can be shown.
pub(super) fn unpacked<'a>(file: impl Read + 'a, largest: u64) -> io::Result<Box<dyn Read + 'a>> {
    let mut file = Limited { inner: file, left: largest };
    let mut head = Vec::new();
    file.by_ref().take(GZIP.len() as u64).read_to_end(&mut head)?;
    let packed = head == GZIP;
    let whole = Cursor::new(head).chain(file);
    Ok(match packed {
        true => {
            let unpacked = Unpacked { inner: MultiGzDecoder::new(whole), done: 0 };
            Box::new(Limited { inner: unpacked, left: largest })
        }
        false => Box::new(whole),
    })
}

/// An error: the content is longer than the limit.
#[derive(Debug)]
struct TooLong;

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "larger than {} GiB, or unpacks to more; no more is read", super::LARGEST >> 30)
    }
}

impl std::error::Error for TooLong {}

/// A reader that fails once its content exceeds a limit.
struct Limited<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        // One byte above the limit shows whether the file ends here.
        let most = usize::try_from(self.left.saturating_add(1)).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.inner.read(&mut buffer[..most])?;
        match self.left.checked_sub(read as u64) {
            Some(left) => {
                self.left = left;
                Ok(read)
            }
            None => Err(io::Error::other(TooLong)),
        }
    }
}

/// A reader of packed content that names the place of an error.
struct Unpacked<R> {
    inner: R,
    done: u64,
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer).map_err(|error| {
            if error.kind() == io::ErrorKind::Interrupted
                || error.get_ref().is_some_and(|inner| inner.is::<TooLong>())
            {
                return error;
            }
            io::Error::other(format!("broken gzip, after {}: {error}", counted(self.done, "byte")))
        })?;
        self.done += read as u64;
        Ok(read)
    }
}

/// A reader of JSON that fails before its parser has to keep too much. A parser keeps the text that it reads, and one
/// byte for each list or object around it.
///
/// Only quotation marks, backslashes and brackets are examined, which is right for JSON. Of any other content, the
/// parser keeps no more than it would of JSON.
pub(super) struct Bounded<R> {
    inner: R,
    /// Most bytes of a text.
    longest: usize,
    /// The bytes of the current text that have been read; `None` outside of texts.
    text: Option<usize>,
    /// True after a backslash: the next byte belongs to the text.
    escaped: bool,
    depth: usize,
}

impl<R: Read> Bounded<R> {
    pub(super) fn new(inner: R, longest: usize) -> Self {
        Self { inner, longest, text: None, escaped: false, depth: 0 }
    }

    fn pass(&mut self, byte: u8) -> Result<(), String> {
        match (&mut self.text, byte) {
            (Some(_), b'"') if !self.escaped => self.text = None,
            (Some(length), _) => {
                self.escaped = byte == b'\\' && !self.escaped;
                *length += 1;
                if *length > self.longest {
                    let longest = counted(self.longest as u64, "byte");
                    return Err(format!("holds a text of more than {longest}; --memory allows longer ones"));
                }
            }
            (None, b'"') => self.text = Some(0),
            (None, b'[' | b'{') => {
                self.depth += 1;
                if self.depth > DEEPEST {
                    return Err(format!("holds more than {DEEPEST} lists or objects inside each other"));
                }
            }
            (None, b']' | b'}') => self.depth = self.depth.saturating_sub(1),
            (None, _) => {}
        }
        Ok(())
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        buffer[..read].iter().try_for_each(|&byte| self.pass(byte)).map_err(io::Error::other)?;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Write, repeat};

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(content).expect("memory");
        encoder.finish().expect("memory")
    }

    fn content(file: impl Read, largest: u64) -> Result<Vec<u8>, String> {
        let mut content = Vec::new();
        let read = unpacked(file, largest).and_then(|mut reader| reader.read_to_end(&mut content));
        read.map(|_| content).map_err(|error| error.to_string())
    }

    /// Returns the same bytes for ever, and fails a reader without a limit.
    struct Endless(Vec<u8>, usize);

    impl Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            assert!(self.1 < 1 << 20, "read without end");
            for byte in &mut *buffer {
                *byte = self.0[self.1 % self.0.len()];
                self.1 += 1;
            }
            Ok(buffer.len())
        }
    }

    #[test]
    fn neither_the_file_nor_what_it_unpacks_to_is_read_without_end() {
        let most = 5000;
        let refused = Err("larger than 1 GiB, or unpacks to more; no more is read".to_owned());
        assert_eq!(content(Endless(vec![0], 0), most), refused);
        assert_eq!(content(&gzip(&[7; 5001])[..], most), refused);
        // Gzip of nothing, repeated: nothing is unpacked, and yet there is no end.
        assert_eq!(content(Endless(gzip(b""), 0), most), refused);

        assert_eq!(content(repeat(7).take(most), most), Ok(vec![7; 5000]));
        assert_eq!(content(&gzip(&[7; 5000])[..], most), Ok(vec![7; 5000]));
        let packed = gzip(&[7; 5000]);
        let broken = content(&packed[..packed.len() - 3], most).expect_err("cut off");
        assert!(broken.starts_with("broken gzip, after 5,000 bytes: "), "{broken}");
    }

    fn bounded(json: &str, longest: usize) -> Result<String, String> {
        let mut passed = String::new();
        let read = Bounded::new(json.as_bytes(), longest).read_to_string(&mut passed);
        read.map(|_| passed).map_err(|error| error.to_string())
    }

    #[test]
    fn a_long_text_does_not_pass_whatever_is_in_it() {
        for text in ["", "12345", r"\\", r#"a\"b"#, r#"\"\""#, "[{[{[", "]]}"] {
            let json = format!(r#"{{"{text}": ["{text}", 123456789, "{text}"], "x": "{text}"}}"#);
            assert_eq!(bounded(&json, 5), Ok(json.clone()));
            let Some(shorter) = text.len().checked_sub(1) else { continue };
            let shorter_in_words = counted(shorter as u64, "byte");
            let refused = format!("holds a text of more than {shorter_in_words}; --memory allows longer ones");
            assert_eq!(bounded(&json, shorter), Err(refused));
        }
    }

    #[test]
    fn what_is_too_deep_does_not_pass_and_brackets_in_texts_do_not_count() {
        let deep = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        let twice = deep(DEEPEST) + &deep(DEEPEST);
        assert_eq!(bounded(&twice, 0), Ok(twice.clone()));
        let refused = Err("holds more than 128 lists or objects inside each other".to_owned());
        assert_eq!(bounded(&deep(DEEPEST + 1), 0), refused);
        assert_eq!(bounded(&r#"{"a":"#.repeat(DEEPEST + 1), 1), refused);
        let text = format!("\"{}\"", deep(1000));
        assert_eq!(bounded(&text, 2000), Ok(text.clone()));
    }
}
