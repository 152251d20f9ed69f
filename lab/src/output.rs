//! How the answer leaves: on the standard output, or as a picture in a file.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::diagram;
use crate::history::{InputError, trace};
use crate::interrupt;

/// Prints the result.
///
/// # Errors
///
/// As for [`printed`].
pub(crate) fn print(text: &str) -> Result<(), InputError> {
    printed(writeln!(io::stdout(), "{text}"))
}

/// Ends a printing: what could not be printed is an error, unless the reader has gone away and wants no more of it.
pub(crate) fn printed(printing: io::Result<()>) -> Result<(), InputError> {
    match printing.and_then(|()| io::stdout().flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(InputError { place: "standard output".to_owned(), what: trace::describe(&error) })
        }
        _ => Ok(()),
    }
}

/// A file that appears whole or not at all.
pub(crate) struct Picture<'a> {
    /// The user's name for it.
    path: &'a Path,
    /// The place of the file: where the link leads, if the path is one.
    target: PathBuf,
}

impl<'a> Picture<'a> {
    /// Checks that the picture can be drawn and its file be written.
    pub(crate) fn prepare(path: &'a Path, events: usize, sites: usize) -> Result<Self, InputError> {
        if let Some(refusal) = diagram::refusal(events, sites) {
            return Err(InputError { place: "--svg".to_owned(), what: refusal });
        }
        // Renaming puts the file in place, which must put it neither in the place of a link nor of a device or folder.
        let target = match path.is_symlink() {
            true => fs::canonicalize(path).map_err(|error| {
                InputError::at(path, format!("is a link that leads nowhere: {}", trace::describe(&error)))
            })?,
            false => path.to_owned(),
        };
        if target.exists() && !target.is_file() {
            return Err(InputError::at(path, "is not a file"));
        }
        // A file without a name shows that the folder can be written to, and leaves nothing there.
        tempfile::tempfile_in(folder(&target)).map_err(|error| cannot_be_made(path, &error))?;
        Ok(Self { path, target })
    }

    /// Writes the picture, under another name at first, and puts it in its place. It is quick, and not interrupted.
    pub(crate) fn store(self, svg: &str) -> Result<(), InputError> {
        interrupt::undisturbed(|| {
            let mut builder = tempfile::Builder::new();
            #[cfg(unix)]
            {
                use std::os::unix::fs::PermissionsExt;
                // As for any new file: what the user's mask leaves of it.
                builder.permissions(fs::Permissions::from_mode(0o666));
            }
            let file = builder.prefix(".hb-").suffix(".svg").tempfile_in(folder(&self.target));
            let mut file = file.map_err(|error| cannot_be_made(self.path, &error))?;
            let written = file.write_all(svg.as_bytes());
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
    InputError::at(path, format!("cannot be made in its folder: {}", trace::describe(error)))
}
