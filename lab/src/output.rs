//! The output of a result: text on the standard output, or a file. Tables and help fit the terminal.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::history::{InputError, trace};
use crate::interrupt;

/// The columns of text where there is no terminal to ask.
const USUAL_WIDTH: u16 = 80;

/// The fewest columns of text. A table needs some for each of its own columns.
const LEAST_WIDTH: u16 = 40;

/// Returns the number of columns that text on the standard output may take, at least 40. It is the environment variable
/// `COLUMNS` if that is a number, else the width of the terminal. Without a terminal it is 80, so that a pipe and a file
/// get the same text everywhere.
pub(crate) fn width() -> u16 {
    let named = std::env::var("COLUMNS").ok().and_then(|columns| columns.trim().parse().ok());
    let terminal = || terminal_size::terminal_size_of(io::stdout()).map(|(columns, _)| columns.0);
    named.filter(|&columns| columns > 0).or_else(terminal).unwrap_or(USUAL_WIDTH).max(LEAST_WIDTH)
}

/// Prints the result.
///
/// # Errors
///
/// As for [`printed`].
pub(crate) fn print(text: &str) -> Result<(), InputError> {
    printed(writeln!(io::stdout(), "{text}"))
}

/// Ends a printing. A failure is an error, unless the reader has closed its end and wants no more.
pub(crate) fn printed(printing: io::Result<()>) -> Result<(), InputError> {
    match printing.and_then(|()| io::stdout().flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(InputError { place: "standard output".to_owned(), what: trace::describe(&error) })
        }
        _ => Ok(()),
    }
}

/// A file that appears whole or not at all.
pub(crate) struct NewFile<'a> {
    /// The path as the user gave it.
    path: &'a Path,
    /// The path of the file itself: the target of the link, if `path` is one.
    target: PathBuf,
}

impl<'a> NewFile<'a> {
    /// Checks that the file can be written.
    pub(crate) fn prepare(path: &'a Path) -> Result<Self, InputError> {
        // The file is put in place by renaming, which must not replace a link, a device or a folder.
        let target = match path.is_symlink() {
            true => fs::canonicalize(path).map_err(|error| {
                InputError::at(path, format!("is a link that leads nowhere: {}", trace::describe(&error)))
            })?,
            false => path.to_owned(),
        };
        if target.exists() && !target.is_file() {
            return Err(InputError::at(path, "is not a file"));
        }
        // A file without a name shows that the folder is writable, and leaves nothing there.
        tempfile::tempfile_in(folder(&target)).map_err(|error| cannot_be_made(path, &error))?;
        Ok(Self { path, target })
    }

    /// Returns whether one of two files would replace the other.
    pub(crate) fn is_same_as(&self, other: &NewFile<'_>) -> bool {
        let place = |file: &NewFile<'_>| {
            Some((folder(&file.target).canonicalize().ok()?, file.target.file_name()?.to_owned()))
        };
        place(self).is_some_and(|own| place(other) == Some(own))
    }

    /// Writes the file under another name first, and renames it into its place. It is quick, and not interrupted.
    pub(crate) fn store(self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), InputError> {
        interrupt::undisturbed(|| {
            let mut builder = tempfile::Builder::new();
            #[cfg(unix)]
            {
                use std::os::unix::fs::PermissionsExt;
                // Permissions as of the file that is replaced, or of any new file. The user's mask applies.
                let replaced = fs::metadata(&self.target).map(|file| file.permissions().mode() & 0o777);
                builder.permissions(fs::Permissions::from_mode(replaced.unwrap_or(0o666)));
            }
            let file = builder.prefix(".hb-").tempfile_in(folder(&self.target));
            let mut file = file.map_err(|error| cannot_be_made(self.path, &error))?;
            let mut buffered = BufWriter::new(&mut file);
            let written = write(&mut buffered).and_then(|()| buffered.flush());
            drop(buffered);
            written.map_err(|error| InputError::at(self.path, trace::describe(&error)))?;
            let stored = file.persist(self.target);
            stored.map_err(|error| InputError::at(self.path, trace::describe(&error.error)))?;
            Ok(())
        })
    }
}

fn folder(target: &Path) -> &Path {
    match target.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn cannot_be_made(path: &Path, error: &io::Error) -> InputError {
    InputError::at(path, format!("cannot be created in its folder: {}", trace::describe(error)))
}
