//! The commit graph of any git repository as a history: commits are events, their parents the dependencies.
//!
//! Read by running the program `git`, so every kind of repository that it can read will do: bare, worktrees,
//! alternates, packed or not. All branches, tags and other refs count, not only what is checked out.
//!
//! - An *author* is a name and a mail address, after the repository's `.mailmap`. One who works concurrently
//!   with herself becomes several nodes ([`History::split`]).
//! - In a *shallow clone* the history is cut: git itself then shows the commits at the cut without parents, and
//!   they are replayed as beginnings. What is replayed is what is there.
//! - Replacements (`git replace`) are ignored: the graph is the one that the commits themselves name.

use std::collections::HashMap;
use std::io::{self, Read, Seek};
use std::path::Path;
use std::process::{Command, Stdio};

use super::{History, InputError, Told, trace};

/// Environment variables that would lead git to another repository than the one asked for.
const ELSEWHERE: [&str; 6] =
    ["GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_NAMESPACE"];

/// How many fields git is asked for, a commit.
const FIELDS: u64 = 3;

/// Reads the commit graph of the repository at or above `folder`; `progress` is told now and then how many commits have been read.
///
/// # Errors
///
/// [`InputError`]: the folder is not there, `git` is not installed, there is no repository, or no commit in it.
pub fn read(folder: &Path, progress: &mut dyn FnMut(u64)) -> Result<History, InputError> {
    let at = |what: String| InputError::at(folder, what);
    let meta = std::fs::metadata(folder).map_err(|error| at(trace::describe(&error)))?;
    if !meta.is_dir() {
        return Err(at("is a file, not a folder".to_owned()));
    }
    // Parents before children; every field ends in a NUL, which no name can hold: hash, parents, author.
    let log = git(
        folder,
        &[
            "log",
            "--all",
            "--topo-order",
            "--reverse",
            "-z",
            "--no-show-signature",
            "--no-notes",
            "--no-color",
            "--format=tformat:%H%x00%P%x00%aN <%aE>",
            "--",
        ],
        progress,
    )?;
    let (told, authors) = parse(&log).map_err(&at)?;
    if told.is_empty() {
        return Err(at("a git repository without a commit".to_owned()));
    }
    let name = folder.canonicalize().ok();
    let name = name.as_deref().and_then(Path::file_name).unwrap_or(folder.as_os_str()).to_string_lossy();
    History::split(format!("git repository {name}"), authors, &told).map_err(|error| at(error.to_string()))
}

/// Runs git and returns what it prints; `progress` is told now and then how many commits that is.
fn git(folder: &Path, arguments: &[&str], progress: &mut dyn FnMut(u64)) -> Result<Vec<u8>, InputError> {
    let failed = |what: String| InputError { place: "git".to_owned(), what };
    let cannot_run = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => {
            failed("the program is not installed, or not on the PATH; --git needs it".to_owned())
        }
        _ => failed(format!("cannot be run: {error}")),
    };
    // Complaints go to a file: a pipe that nobody reads while the other is read could fill up and block git.
    let mut complaints = tempfile::tempfile().map_err(cannot_run)?;
    let mut command = Command::new("git");
    ELSEWHERE.iter().for_each(|variable| _ = command.env_remove(variable));
    // English messages, since one of them may be shown; and no lock is taken in somebody's repository.
    command.env("LC_ALL", "C").env("GIT_OPTIONAL_LOCKS", "0");
    command.arg("--no-replace-objects").arg("-C").arg(folder).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    command.stderr(complaints.try_clone().map_err(cannot_run)?);
    let mut child = command.spawn().map_err(cannot_run)?;

    let mut log = Vec::new();
    let mut fields = 0;
    if let Some(stdout) = &mut child.stdout {
        let mut chunk = vec![0; 1 << 16];
        loop {
            match stdout.read(&mut chunk) {
                Ok(0) => break,
                Ok(read) => {
                    log.extend_from_slice(&chunk[..read]);
                    fields += chunk[..read].iter().filter(|&&byte| byte == 0).count() as u64;
                    progress(fields / FIELDS);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(format!("its output cannot be read: {error}"))),
            }
        }
    }
    if child.wait().map_err(cannot_run)?.success() {
        return Ok(log);
    }
    let mut said = Vec::new();
    let read = complaints.seek(io::SeekFrom::Start(0)).and_then(|_| complaints.read_to_end(&mut said));
    read.map_err(cannot_run)?;
    let said = String::from_utf8_lossy(&said);
    let said = said.lines().find(|line| !line.trim().is_empty()).unwrap_or("nothing");
    let said = said.strip_prefix("fatal: ").unwrap_or(said);
    let what = if said.starts_with("not a git repository") {
        "not a git repository, nor inside one".to_owned()
    } else {
        format!("git cannot read it: {said}")
    };
    Err(InputError::at(folder, what))
}

/// Makes events of what `git log` printed, and names their authors.
fn parse(log: &[u8]) -> Result<(Vec<Told>, Vec<String>), String> {
    let mut fields = log.split(|&byte| byte == 0);
    let mut commits: HashMap<&[u8], u64> = HashMap::new();
    let mut authors: HashMap<&[u8], u64> = HashMap::new();
    let (mut told, mut names) = (Vec::new(), Vec::new());
    while let Some(hash) = fields.next().filter(|hash| !hash.is_empty()) {
        let (Some(parents), Some(name)) = (fields.next(), fields.next()) else {
            return Err("the output of git ends in the middle of a commit".to_owned());
        };
        let author = *authors.entry(name).or_insert_with(|| {
            names.push(String::from_utf8_lossy(name).into_owned());
            names.len() as u64 - 1
        });
        let mut known = Vec::new();
        for parent in parents.split(|&byte| byte == b' ').filter(|parent| !parent.is_empty()) {
            let parent = commits.get(parent).copied().ok_or_else(|| {
                let (commit, parent) = (String::from_utf8_lossy(hash), String::from_utf8_lossy(parent));
                format!("commit {commit} names the parent {parent}, which git did not list before it")
            })?;
            // Git lets a commit name the same parent twice.
            if !known.contains(&parent) {
                known.push(parent);
            }
        }
        if commits.insert(hash, told.len() as u64).is_some() {
            return Err(format!("git listed commit {} twice", String::from_utf8_lossy(hash)));
        }
        told.push(Told { author, parents: known });
    }
    Ok((told, names))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_names_are_names() {
        let log = b"aa\0\0\xff\xfe <x@y>\0bb\0aa\0a\nb \"\x01\" <>\0cc\0bb aa\0\xff\xfe <x@y>\0";
        let (told, names) = parse(log).expect("three commits");
        let graph: Vec<_> = told.iter().map(|event| (event.author, event.parents.clone())).collect();
        assert_eq!(graph, [(0, vec![]), (1, vec![0]), (0, vec![1, 0])]);
        assert_eq!(names, ["\u{fffd}\u{fffd} <x@y>", "a\nb \"\x01\" <>"]);
    }

    #[test]
    fn broken_output_is_refused() {
        assert_eq!(parse(b"aa\0").err().as_deref(), Some("the output of git ends in the middle of a commit"));
        assert_eq!(
            parse(b"aa\0bb\0n\0").err().as_deref(),
            Some("commit aa names the parent bb, which git did not list before it")
        );
        assert_eq!(parse(b"aa\0\0n\0aa\0\0n\0").err().as_deref(), Some("git listed commit aa twice"));
        assert_eq!(parse(b""), Ok((vec![], vec![])));
    }
}
