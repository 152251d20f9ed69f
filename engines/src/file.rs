//! One durable number in a file: the [`Store`] for [`ReserveAhead`](happens_before::sequence::ReserveAhead).
//!
//! # The problem
//!
//! While a number is written over its predecessor, a crash leaves half of each. Besides, a file that a disk has damaged
//! must not look like an older one: a program that starts again from an older bound repeats numbers.
//!
//! # The algorithm
//!
//! ```text
//!   byte 0                 4,096                      a slot: magic, version, number, checksum; 32 bytes
//!        ┌─────────────────┬─────────────────┐
//!        │ 7: 1,000 ✓      │ 7: 1,000 ✓      │        at rest: both the same
//!        │ 8: 2,0▒▒ ✗      │ 7: 1,000 ✓      │        the first is being written: 1,000
//!        │ 8: 2,000 ✓      │ 7: ▒▒▒▒▒ ✗      │        the second is being written: 2,000
//!        └─────────────────┴─────────────────┘
//! ```
//!
//! 1. To write, write the first slot with the next version, and sync; then the second, and sync; then answer.
//! 2. To read, take the slot with a right checksum and the higher version. If neither checksum is right, the file is
//!    damaged.
//! 3. After opening, and after a failed write, a number that was read may be only in the memory of the operating
//!    system. So it is written to both slots before it is returned.
//!
//! # Guarantees
//!
//! A crash at any moment leaves the old number or the new one. Damage to any one slot at rest loses nothing, since both
//! have the last number that was answered; the second write exists for this. If only one slot were written each time, a
//! damaged newest slot would look like one that was being written, and the file would go back. Damage to both slots is
//! an error.
//!
//! # Invariants
//!
//! - F1: while one slot is written, the other one holds the current number durably.
//! - F2: the number that `read` returns is durable.
//!
//! # Sources
//!
//! Lampson, *Atomic Transactions* (1981), "stable storage": two copies, written one after the other.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;

use happens_before::sequence::Store;

/// The length of a slot.
const SLOT: usize = 32;
/// The places of the slots: on pages of their own.
const PLACES: [u64; 2] = [0, 4_096];
/// The first bytes of a slot: the name of the format.
const MAGIC: [u8; 8] = *b"hb-num-1";

/// One number in a file that survives a crash at any moment, for
/// [`ReserveAhead`](happens_before::sequence::ReserveAhead).
///
/// [The module](self) describes the algorithm. The file is locked: a second owner, in this process or another, is
/// refused. A read costs one read of the file. A write, and the first read, cost two synchronous writes.
///
/// # Errors
///
/// After a failed write, the store has the old number or the new one. A read finds out which, and makes it final. The
/// kind `InvalidData` means that neither copy is whole. Then restore the number from another source, at least as high
/// as it was.
///
/// # Examples
///
/// Numbers are reserved by the thousand, so after a crash the next number is 1,001. Reserve by ten: it is 11.
///
/// ```
/// use core::num::NonZeroU64;
/// use happens_before::sequence::ReserveAhead;
/// use happens_before_engines::file::FileStore;
///
/// # let directory = tempfile::tempdir()?;
/// let path = directory.path().join("numbers");
/// let thousand = NonZeroU64::new(1_000).unwrap();
/// let mut numbers = ReserveAhead::resume(FileStore::create(&path)?, thousand)?;
/// assert_eq!((numbers.issue()?, numbers.issue()?), (1, 2));
/// drop(numbers); // or a crash
///
/// let mut numbers = ReserveAhead::resume(FileStore::open(&path)?, thousand)?;
/// assert_eq!(numbers.issue()?, 1_001);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct FileStore(TwoSlots<File>);

impl FileStore {
    /// Makes a new file, with the number 0.
    ///
    /// # Errors
    ///
    /// An error of the kind `AlreadyExists` if there is a file. After any other error there may be a file. If it cannot
    /// be opened, remove it: no number was taken from it.
    pub fn create(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref();
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
        let mut store = Self::locked(file)?;
        store.0.begin()?;
        // The name must be durable too.
        sync_directory_of(path)?;
        Ok(store)
    }

    /// Opens the file that [`create`](Self::create) made.
    ///
    /// # Errors
    ///
    /// An error of the kind `NotFound` if there is no file. Making one is your decision, since numbers would begin at 1
    /// again. An error of the kind `ResourceBusy` if another handle, in this process or another, has the file open.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::locked(OpenOptions::new().read(true).write(true).open(path)?)
    }

    fn locked(file: File) -> io::Result<Self> {
        match file.try_lock() {
            Ok(()) => Ok(Self(TwoSlots { disk: file, settled: None })),
            Err(TryLockError::WouldBlock) => {
                let what = "the file with the number is in use; it takes one owner at a time";
                Err(io::Error::new(io::ErrorKind::ResourceBusy, what))
            }
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

/// Makes the name of a file durable, on systems where directories can be synced. On others, names are written with the
/// file.
pub(crate) fn sync_directory_of(path: &Path) -> io::Result<()> {
    if cfg!(unix) {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(parent.unwrap_or(Path::new(".")))?.sync_all()?;
    }
    Ok(())
}

impl Store for FileStore {
    type Error = io::Error;

    fn read(&mut self) -> io::Result<u64> {
        self.0.read()
    }

    fn write(&mut self, number: u64) -> io::Result<()> {
        self.0.write(number)
    }
}

/// Makes the error for two damaged slots, which are left as they are.
fn damaged() -> io::Error {
    let what = "both copies of the number are damaged; restore it, not lower than it was";
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// Makes the error for a failed disk, with the same kind.
fn failed(error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("the file with the number failed: {error}; read it again"))
}

/// The operations that the algorithm needs of a file.
trait Disk {
    /// Reads from `place` on, and returns the number of bytes read.
    fn read_at(&mut self, place: u64, bytes: &mut [u8]) -> io::Result<usize>;
    /// Writes all of `bytes`.
    fn write_at(&mut self, place: u64, bytes: &[u8]) -> io::Result<()>;
    /// Makes all writes durable.
    fn sync(&mut self) -> io::Result<()>;
}

impl Disk for File {
    fn read_at(&mut self, place: u64, bytes: &mut [u8]) -> io::Result<usize> {
        use std::io::{Read, Seek, SeekFrom};
        self.seek(SeekFrom::Start(place))?;
        let mut len = 0;
        while let Some(rest) = bytes.get_mut(len..).filter(|rest| !rest.is_empty()) {
            match self.read(rest) {
                Ok(0) => break,
                Ok(more) => len += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(len)
    }

    fn write_at(&mut self, place: u64, bytes: &[u8]) -> io::Result<()> {
        use std::io::{Seek, SeekFrom, Write};
        self.seek(SeekFrom::Start(place))?;
        self.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Numbered {
    version: u64,
    number: u64,
}

impl Numbered {
    fn to_bytes(self) -> [u8; SLOT] {
        let mut bytes = [0; SLOT];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..16].copy_from_slice(&self.version.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.number.to_le_bytes());
        let checksum = u64::from(crc32fast::hash(&bytes[..24]));
        bytes[24..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8; SLOT]) -> Option<Self> {
        let word = |at| bytes.get(at..)?.first_chunk().copied().map(u64::from_le_bytes);
        let numbered = Self { version: word(8)?, number: word(16)? };
        (numbered.to_bytes() == *bytes).then_some(numbered)
    }
}

#[derive(Debug)]
struct TwoSlots<D> {
    disk: D,
    /// The number that is durable in both slots; `None` if that is not known.
    settled: Option<Numbered>,
}

impl<D: Disk> TwoSlots<D> {
    fn slot(&mut self, place: u64) -> io::Result<Option<Numbered>> {
        let mut bytes = [0; SLOT];
        let len = self.disk.read_at(place, &mut bytes).map_err(failed)?;
        Ok(if len == SLOT { Numbered::from_bytes(&bytes) } else { None })
    }

    fn read(&mut self) -> io::Result<u64> {
        let slots = [self.slot(PLACES[0])?, self.slot(PLACES[1])?];
        let newest = match slots {
            [Some(a), Some(b)] if a.version > b.version => a,
            [_, Some(b)] => b,
            [Some(a), None] => a,
            [None, None] => return Err(damaged()),
        };
        if slots != [Some(newest); 2] || self.settled != Some(newest) {
            // F1: the slot that does not hold the number is written first.
            let [first, second] = PLACES;
            let places = if slots[0] == Some(newest) { [second, first] } else { [first, second] };
            self.put_both(newest, places)?;
        }
        Ok(newest.number)
    }

    fn write(&mut self, number: u64) -> io::Result<()> {
        if self.settled.is_none() {
            self.read()?;
        }
        // An answered read has settled the number.
        let Some(Numbered { version, .. }) = self.settled else { return Err(damaged()) };
        let version = version.checked_add(1).ok_or_else(|| {
            io::Error::other("the file was written too often; make a new one, and observe the number")
        })?;
        self.put_both(Numbered { version, number }, PLACES)
    }

    /// Writes the number 0 to a new file.
    fn begin(&mut self) -> io::Result<()> {
        self.put_both(Numbered { version: 0, number: 0 }, PLACES)
    }

    fn put_both(&mut self, numbered: Numbered, places: [u64; 2]) -> io::Result<()> {
        self.settled = None;
        for place in places {
            self.disk.write_at(place, &numbered.to_bytes()).map_err(failed)?;
            self.disk.sync().map_err(failed)?;
        }
        self.settled = Some(numbered);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// A disk that keeps unsynced writes in memory, and fails for good after a number of operations.
    #[derive(Clone, Debug)]
    struct Simulated {
        durable: Vec<u8>,
        pending: Vec<(usize, Vec<u8>)>,
        operations: usize,
    }

    fn apply(image: &mut Vec<u8>, place: usize, bytes: &[u8]) {
        let end = place + bytes.len();
        image.resize(image.len().max(end), 0);
        image[place..end].copy_from_slice(bytes);
    }

    impl Simulated {
        fn operate(&mut self) -> io::Result<()> {
            self.operations = self.operations.checked_sub(1).ok_or(io::ErrorKind::BrokenPipe)?;
            Ok(())
        }

        /// Returns all possible contents of the disk after a power failure. Of each unsynced write it holds nothing,
        /// all, the begin, the end, or other bytes.
        fn after_crash(&self) -> BTreeSet<Vec<u8>> {
            let mut images = BTreeSet::from([self.durable.clone()]);
            for (place, bytes) in &self.pending {
                for mut image in images.clone() {
                    image.resize(image.len().max(place + bytes.len()), 0);
                    let mut garbage = image.clone();
                    garbage[*place..place + bytes.len()].fill(0x55);
                    images.insert(garbage);
                    for cut in 0..=bytes.len() {
                        let (mut begin, mut end) = (image.clone(), image.clone());
                        apply(&mut begin, *place, &bytes[..cut]);
                        apply(&mut end, place + cut, &bytes[cut..]);
                        images.extend([begin, end]);
                    }
                }
            }
            images
        }
    }

    impl Disk for Simulated {
        fn read_at(&mut self, place: u64, bytes: &mut [u8]) -> io::Result<usize> {
            let mut image = self.durable.clone();
            for (place, bytes) in &self.pending {
                apply(&mut image, *place, bytes);
            }
            let rest = image.get(place as usize..).unwrap_or_default();
            let len = rest.len().min(bytes.len());
            bytes[..len].copy_from_slice(&rest[..len]);
            Ok(len)
        }

        fn write_at(&mut self, place: u64, bytes: &[u8]) -> io::Result<()> {
            // The operation at which the power fails may be done in part.
            if self.operations > 0 {
                self.pending.push((place as usize, bytes.to_vec()));
            }
            self.operate()
        }

        fn sync(&mut self) -> io::Result<()> {
            self.operate()?;
            for (place, bytes) in std::mem::take(&mut self.pending) {
                apply(&mut self.durable, place, &bytes);
            }
            Ok(())
        }
    }

    fn on(durable: Vec<u8>, operations: usize) -> TwoSlots<Simulated> {
        TwoSlots { disk: Simulated { durable, pending: Vec::new(), operations }, settled: None }
    }

    fn with(numbers: &[u64]) -> TwoSlots<Simulated> {
        let mut store = on(Vec::new(), 1_000);
        store.begin().unwrap();
        for &number in numbers {
            store.write(number).unwrap();
        }
        store
    }

    /// Two numbers that differ in every byte.
    const OLD: u64 = 0x0102_0304_0506_0708;
    const NEW: u64 = 0x0001_0203_0405_0607;

    /// The power fails at every operation of a write, then at every operation of the next read, and then after it.
    #[test]
    fn a_crash_leaves_the_old_number_or_the_new_one_and_what_was_read_stays() {
        let (mut crashes, mut old, mut new) = (0, 0, 0);
        for during_write in 0..=4 {
            let mut store = with(&[10, OLD]);
            store.disk.operations = during_write;
            let written = store.write(NEW);
            assert_eq!(written.is_ok(), during_write == 4);
            for image in store.disk.after_crash() {
                for during_read in 0..=4 {
                    let mut store = on(image.clone(), during_read);
                    let read = store.read();
                    assert_eq!(read.is_ok(), during_read == 4, "not all is written again before the answer");
                    for image in store.disk.after_crash() {
                        crashes += 1;
                        let found = on(image, 4).read().unwrap();
                        if let Ok(read) = read {
                            assert_eq!(found, read);
                        }
                        match found {
                            OLD => old += 1,
                            NEW => new += 1,
                            other => panic!("{other} was never written"),
                        }
                        assert!(written.is_err() || found == NEW);
                    }
                }
            }
        }
        assert_eq!((crashes, old, new), (1174, 539, 635));
    }

    /// The process survives a failed write, for example on a full disk.
    #[test]
    fn after_a_write_that_failed_a_read_says_which_for_good() {
        for during_write in 0..4 {
            let mut store = with(&[10, 20]);
            store.disk.operations = during_write;
            assert!(store.write(30).is_err_and(|e| e.kind() == io::ErrorKind::BrokenPipe));
            store.disk.operations = 1_000;
            let read = store.read().unwrap();
            assert!(read == 20 || read == 30);
            for image in store.disk.after_crash() {
                assert_eq!(on(image, 4).read().unwrap(), read);
            }
            store.write(40).unwrap();
            assert_eq!(store.read().unwrap(), 40);
        }
    }

    #[test]
    fn a_read_of_what_is_settled_writes_nothing() {
        let mut store = with(&[10]);
        store.disk.operations = 0;
        assert_eq!(store.read().unwrap(), 10);
    }

    /// Every byte is changed, and every length is tried, at rest: the number is never an older one.
    #[test]
    fn damage_is_repaired_or_refused() {
        let image = with(&[10, 20]).disk.durable;
        assert_eq!(image.len(), 4_096 + SLOT);
        let read = |image: &[u8]| on(image.to_vec(), 4).read();

        for place in PLACES.map(|place| place as usize) {
            for at in place..place + SLOT {
                for flip in 1..=255 {
                    let mut one = image.clone();
                    one[at] ^= flip;
                    assert_eq!(read(&one).unwrap(), 20);
                    one[4_096 - place + at % 4_096] ^= 1; // the same byte of the other slot
                    assert!(matches!(read(&one), Err(e) if e.kind() == io::ErrorKind::InvalidData));
                }
            }
        }
        for len in 0..image.len() {
            match read(&image[..len]) {
                Ok(number) => assert!(number == 20 && len >= SLOT),
                Err(error) => assert!(error.kind() == io::ErrorKind::InvalidData && len < SLOT),
            }
        }
        // A damaged file is left as it is, so that it can be repaired.
        let mut store = on(vec![0; 5_000], 4);
        assert!(matches!(store.write(7), Err(e) if e.kind() == io::ErrorKind::InvalidData));
        assert_eq!(store.disk.durable, vec![0; 5_000]);
    }

    #[test]
    fn repaired_is_whole_again() {
        let mut image = with(&[10, 20]).disk.durable;
        image[3] ^= 1;
        let mut store = on(image, 4);
        assert_eq!(store.read().unwrap(), 20);
        let mut image = store.disk.durable;
        image[4_096 + 3] ^= 1;
        assert_eq!(on(image, 4).read().unwrap(), 20);
    }

    #[test]
    fn the_version_does_not_wrap() {
        let mut store = with(&[10]);
        store.put_both(Numbered { version: u64::MAX, number: 20 }, PLACES).unwrap();
        assert!(matches!(store.write(30), Err(e) if e.to_string().contains("too often")));
        assert_eq!(store.read().unwrap(), 20);
    }

    #[test]
    fn a_file_has_one_owner_and_is_never_made_by_mistake() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("number");
        assert!(matches!(FileStore::open(&path), Err(e) if e.kind() == io::ErrorKind::NotFound));
        let mut store = FileStore::create(&path).unwrap();
        assert!(matches!(FileStore::create(&path), Err(e) if e.kind() == io::ErrorKind::AlreadyExists));
        assert!(matches!(FileStore::open(&path), Err(e) if e.kind() == io::ErrorKind::ResourceBusy));
        assert_eq!(store.read().unwrap(), 0);
        store.write(5).unwrap();
        assert_eq!(store.read().unwrap(), 5);
        drop(store);
        let mut store = FileStore::open(&path).unwrap();
        assert_eq!(store.read().unwrap(), 5);
        store.write(4).unwrap();
        assert_eq!(
            FileStore(TwoSlots { disk: File::open(&path).unwrap(), settled: store.0.settled }).read().unwrap(),
            4
        );
    }
}
