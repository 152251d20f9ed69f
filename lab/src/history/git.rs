//! The commit graph of any git repository as a history: commits are events, their parents the dependencies.
//!
//! The program `git` does the reading, so every kind of repository that git knows will do: bare, worktrees, alternates,
//! packed or not.
//!
//! - The commits are those that *all refs* reach: everything under `refs/` (branches, remote branches, tags, stashes,
//!   notes), and the `HEAD` of each working tree. Or they are those that *one branch* reaches: `refs/heads/NAME`, and if
//!   there is none, `refs/remotes/NAME`.
//! - An *author* is a name and a mail address, mapped by the `.mailmap` of the commit that is checked out. An author
//!   whose commits are concurrent with each other becomes several nodes, her [incarnations](super).
//! - In a *shallow clone* the history is cut: git shows the commits at the cut without parents, and they are replayed
//!   as beginnings. Only commits that are present are replayed.
//! - Replacements (`git replace`) are ignored: the graph is the one that the commits name.
//!
//! # Untrusted repositories
//!
//! The configuration of a repository can name programs to run and files to read. A partial clone can make git fetch,
//! which runs programs as well. Reading must do none of that. So one function makes every command, by these rules:
//!
//! 1. The environment is empty except for a few variables with the places of programs and of the user's files.
//! 2. Nothing is fetched: no lazy fetch, no protocol, no prompt.
//! 3. Only objects are read, as if the repository were bare: no file of a working tree, no hook, no file monitor. The
//!    mailmap is the one in the commit, never a file that the repository names.
//! 4. The user's own configuration is used, with its `safe.directory`: git still refuses other people's repositories.
//! 5. The name of a branch comes from the caller. It never stands alone in a command, where it could be an option, a
//!    range or another ref. Git lists the full refs of that name, and the commits are read by the hash that it prints.
//!
//! A repository may still hold a pipe in the place of a file, or be huge. So git runs under limits of time and memory,
//! and its output is counted in the [`Budget`].

use std::collections::BTreeMap;
use std::io::BufRead;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::{History, InputError, Told, trace};
use crate::budget::{Budget, OverBudget};
use crate::child::{self, Allowance, ChildFailure};
use crate::words::{counted, shortened};

/// Default time limit of one git command.
pub const DEFAULT_TIME: Duration = Duration::from_secs(120);

/// The environment variables that git gets from the caller: the places of programs, the user's configuration, and the
/// variables that Windows needs.
const PASSED_ON: [&str; 6] = ["PATH", "HOME", "XDG_CONFIG_HOME", "USERPROFILE", "SYSTEMROOT", "TMPDIR"];

/// The environment variables that this module sets for git.
const READ_ONLY: [(&str, &str); 9] = [
    // English messages, since one of them may be shown to the user.
    ("LC_ALL", "C"),
    // A missing object stays missing. The first is for git 2.45 and later, the second for every version.
    ("GIT_NO_LAZY_FETCH", "1"),
    ("GIT_ALLOW_PROTOCOL", "none"),
    ("GIT_PROTOCOL_FROM_USER", "0"),
    ("GIT_TERMINAL_PROMPT", "0"),
    ("GIT_PAGER", "cat"),
    ("GIT_OPTIONAL_LOCKS", "0"),
    ("GIT_ATTR_NOSYSTEM", "1"),
    ("GIT_NO_REPLACE_OBJECTS", "1"),
];

/// Configuration that takes precedence over the repository's.
const SETTINGS: [&str; 10] = [
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    "core.alternateRefsCommand=false",
    "core.sshCommand=false",
    "core.askPass=false",
    "credential.helper=",
    "gpg.program=false",
    "protocol.allow=never",
    "mailmap.file=",
    "mailmap.blob=HEAD:.mailmap",
];

/// Reads the commit graph of the repository at or above `folder`: of one `branch`, or of all refs if that is `None`. Git
/// may take `time` for each command; `progress` is called now and then with the number of commits read.
///
/// # Errors
///
/// [`InputError`] if the folder does not exist, `git` is not installed, there is no repository, the repository has no
/// such branch or no commit, an object is missing, or the limit of time or memory is exceeded.
pub fn read(
    folder: &Path,
    branch: Option<&str>,
    time: Duration,
    budget: &Budget,
    progress: &mut dyn FnMut(u64),
) -> Result<History, InputError> {
    let at = |what: String| InputError::at(folder, what);
    let meta = std::fs::metadata(folder).map_err(|error| at(trace::describe(&error)))?;
    if !meta.is_dir() {
        return Err(at("is a file, not a folder".to_owned()));
    }
    let git = Git { folder, time, budget };
    let mut find = command();
    find.arg("-C").arg(folder).args(["rev-parse", "--absolute-git-dir"]);
    let place = git.run(find, |output| {
        let mut line = Vec::new();
        read_field(output, &mut line, budget).map(|_| line)
    })?;
    // A path may hold line ends too.
    let place = path(place.strip_suffix(b"\n").unwrap_or(&place))
        .ok_or_else(|| at("the path of the repository is not UTF-8 text".to_owned()))?;
    let tip = match branch {
        Some(name) => Some(git.branch(place, name)?),
        None => None,
    };
    // Parents before children; every field ends in a NUL, which no name can hold: hash, parents, author.
    let mut log = command();
    log.arg("--git-dir").arg(place).args(["--bare", "log", "--topo-order", "--reverse", "-z"]);
    log.args(["--no-show-signature", "--no-notes", "--no-color", "--no-decorate", "--encoding=UTF-8"]);
    log.args(["--format=tformat:%H%x00%P%x00%aN <%aE>", tip.as_deref().unwrap_or("--all"), "--"]);
    let (told, authors) = git.run(log, |output| parse(output, budget, progress))?;
    if told.is_empty() {
        return Err(at("a git repository without a commit".to_owned()));
    }
    let name = folder.canonicalize().ok();
    let name = name.as_deref().and_then(Path::file_name).unwrap_or(folder.as_os_str()).to_string_lossy();
    let mut source = format!("git repository {}", shortened(&name));
    if let Some(branch) = branch {
        source += &format!(", branch {}", shortened(branch));
    }
    History::new(source, authors, &told, budget).map_err(|error| at(error.to_string()))
}

/// Converts the output of git to a path.
fn path(printed: &[u8]) -> Option<&Path> {
    #[cfg(unix)]
    return Some(Path::new(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(printed)));
    #[cfg(not(unix))]
    return std::str::from_utf8(printed).ok().map(Path::new);
}

/// Makes a command that only reads; see the [module](self).
fn command() -> Command {
    let mut command = Command::new("git");
    command.env_clear().envs(READ_ONLY);
    command.envs(PASSED_ON.iter().filter_map(|&name| Some((name, std::env::var_os(name)?))));
    command.args(["--no-pager", "--no-replace-objects", "--literal-pathspecs"]);
    SETTINGS.iter().for_each(|setting| _ = command.args(["-c", setting]));
    command
}

/// Most bytes of a branch's name: a ref can be a file, and no path is longer.
const LONGEST_NAME: usize = 4096;

/// Returns whether git allows a branch of this name (`git help check-ref-format`). An allowed name has no meaning but
/// itself: it is no pattern, no path upwards, and no expression.
fn is_branch_name(name: &str) -> bool {
    let part = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock");
    let special = |letter: char| letter.is_ascii_control() || " ~^:?*[\\".contains(letter);
    name.len() <= LONGEST_NAME
        && name.split('/').all(part)
        && !name.contains(special)
        && !name.contains("..")
        && !name.contains("@{")
        && !name.ends_with('.')
}

/// A folder, and the limits for git commands on it.
struct Git<'a> {
    folder: &'a Path,
    time: Duration,
    budget: &'a Budget,
}

impl Git<'_> {
    /// Returns the hash to which a branch points.
    fn branch(&self, place: &Path, name: &str) -> Result<String, InputError> {
        let at = |what: String| InputError::at(self.folder, what);
        let shown = shortened(name);
        if !is_branch_name(name) {
            return Err(at(format!("{shown:?} is not a name that git allows for a branch")));
        }
        let refs = ["heads", "remotes"].map(|kind| format!("refs/{kind}/{name}"));
        let mut list = command();
        list.arg("--git-dir").arg(place).args(["--bare", "for-each-ref", "--format=%(objectname) %(refname)"]);
        list.arg("--").args(&refs);
        let listed = self.run(list, |output| {
            let mut lines = Vec::new();
            read_field(output, &mut lines, self.budget).map(|_| lines)
        })?;
        let listed = String::from_utf8_lossy(&listed);
        // The refs inside a folder of that name are listed too.
        let hash = |name: &String| {
            let named = listed.lines().filter_map(|line| line.split_once(' '));
            named.into_iter().find(|(_, of)| of == name).map(|(hash, _)| hash)
        };
        match refs.iter().find_map(hash) {
            Some(hash) if !hash.is_empty() && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
                Ok(hash.to_owned())
            }
            _ => Err(at(format!("has no branch {shown}; `git branch --all` lists the branches"))),
        }
    }

    /// Runs git; `read` makes a value of its output.
    fn run<T>(
        &self,
        mut command: Command,
        read: impl FnOnce(&mut dyn BufRead) -> Result<T, String>,
    ) -> Result<T, InputError> {
        let failed = |what: String| InputError { place: "git".to_owned(), what };
        let at = |what: String| InputError::at(self.folder, what);
        let allowance = Allowance { time: self.time, memory: self.budget.limit() };
        let ended = child::run(&mut command, allowance, read).map_err(|failure| match failure {
            ChildFailure::Io(error) if error.kind() == std::io::ErrorKind::NotFound => {
                failed("the program is not installed, or not on the PATH; --git needs it".to_owned())
            }
            ChildFailure::Io(error) => failed(format!("cannot be run: {error}")),
            ChildFailure::Late => {
                let seconds = counted(self.time.as_secs(), "second");
                at(format!(
                    "git did not come to an end within {seconds} and was stopped; --time-limit allows more"
                ))
            }
            ChildFailure::Refused(what) => at(what),
        })?;
        if ended.success {
            return Ok(ended.value);
        }
        // Warnings may come before the fatal error.
        let said = |line: &&str| !line.trim().is_empty();
        let fatal = ended.complaints.lines().find_map(|line| line.strip_prefix("fatal: "));
        let said = fatal.or_else(|| ended.complaints.lines().find(said)).unwrap_or("it said nothing");
        Err(at(match said {
            _ if said.starts_with("not a git repository") => "not a git repository, nor inside one".to_owned(),
            _ if said.starts_with("Out of memory") => format!("git {}", OverBudget { limit: allowance.memory }),
            _ => format!("git cannot read it: {}", shortened(said)),
        }))
    }
}

/// Reads up to a NUL and drops it, or up to the end of the output. Returns true if there was a NUL.
fn read_field(output: &mut dyn BufRead, field: &mut Vec<u8>, budget: &Budget) -> Result<bool, String> {
    field.clear();
    loop {
        let chunk = match output.fill_buf() {
            Ok(chunk) => chunk,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(format!("the output of git cannot be read: {error}")),
        };
        let length = chunk.iter().position(|&byte| byte == 0);
        let part = &chunk[..length.unwrap_or(chunk.len())];
        budget.extend(field, part).map_err(|error| error.to_string())?;
        let (read, last) = (part.len() + usize::from(length.is_some()), chunk.is_empty());
        output.consume(read);
        if length.is_some() || last {
            return Ok(length.is_some());
        }
    }
}

/// The numbers of things by name, counted in a budget.
struct Numbers<'a> {
    budget: &'a Budget,
    numbers: BTreeMap<Box<[u8]>, u64>,
}

impl Numbers<'_> {
    /// Gives a number to a name that has none.
    fn add(&mut self, name: &[u8]) -> Result<u64, String> {
        // A node of the map may be half empty, and has pointers too: three times the entry is enough.
        let bytes = name.len() + 3 * size_of::<(Box<[u8]>, u64)>();
        self.budget.take(bytes).map_err(|error| error.to_string())?;
        let number = self.numbers.len() as u64;
        self.numbers.insert(name.into(), number);
        Ok(number)
    }

    fn get(&self, name: &[u8]) -> Option<u64> {
        self.numbers.get(name).copied()
    }
}

/// Parses the output of `git log` into events, and names their authors.
fn parse(
    output: &mut dyn BufRead,
    budget: &Budget,
    progress: &mut dyn FnMut(u64),
) -> Result<(Vec<Told>, Vec<String>), String> {
    let over = |error: OverBudget| error.to_string();
    let mut commits = Numbers { budget, numbers: BTreeMap::new() };
    let mut authors = Numbers { budget, numbers: BTreeMap::new() };
    let (mut told, mut names) = (Vec::new(), Vec::new());
    let (mut hash, mut parents, mut name) = (Vec::new(), Vec::new(), Vec::new());
    while read_field(output, &mut hash, budget)? || !hash.is_empty() {
        // In complete output every field has its NUL, the last one too.
        if !read_field(output, &mut parents, budget)? || !read_field(output, &mut name, budget)? {
            return Err("the output of git ends in the middle of a commit".to_owned());
        }
        let author = match authors.get(&name) {
            Some(author) => author,
            None => {
                let shown = shortened(&String::from_utf8_lossy(&name)).to_owned();
                budget.take(shown.capacity()).map_err(over)?;
                budget.push(&mut names, shown).map_err(over)?;
                authors.add(&name)?
            }
        };
        let mut known = Vec::new();
        for parent in parents.split(|&byte| byte == b' ').filter(|parent| !parent.is_empty()) {
            let parent = commits.get(parent).ok_or_else(|| {
                let (commit, parent) = (String::from_utf8_lossy(&hash), String::from_utf8_lossy(parent));
                format!("commit {commit} names the parent {parent}, which git did not list before it")
            })?;
            budget.push(&mut known, parent).map_err(over)?;
        }
        // Git allows a commit to name the same parent twice. The first one is kept.
        let mut seen = std::collections::BTreeSet::new();
        known.retain(|&parent| seen.insert(parent));
        if commits.get(&hash).is_some() {
            return Err(format!("git listed commit {} twice", String::from_utf8_lossy(&hash)));
        }
        commits.add(&hash)?;
        budget.push(&mut told, Told { author, parents: known }).map_err(over)?;
        progress(told.len() as u64);
    }
    Ok((told, names))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Compares with git itself.
    #[test]
    fn a_name_is_allowed_if_git_allows_it() {
        let parts = [
            "", "a", "-", ".", "..", "/", "@", "{", "~", "^", ":", "?", "*", "[", "\\", " ", "\u{1}", "\u{7f}",
            "\u{e9}", ".lock",
        ];
        let names = parts.map(|part| {
            let around = [("", ""), ("a", ""), ("", "a"), ("a", "a"), ("a/", ""), ("", "/a"), ("", part)];
            around.map(|(before, after)| format!("{before}{part}{after}"))
        });
        let names = names.concat();
        let allowed = |name: &String| {
            let mut git = command();
            git.arg("check-ref-format").arg(format!("refs/heads/{name}"));
            git.status().expect("git is installed").success()
        };
        let differs: Vec<_> = names.iter().filter(|name| is_branch_name(name) != allowed(name)).collect();
        assert_eq!(differs, Vec::<&String>::new());
        let accepted = names.iter().filter(|name| is_branch_name(name)).count();
        assert!((30..100).contains(&accepted), "{accepted} of {}", names.len());
    }

    fn parse(log: &[u8]) -> Result<(Vec<Told>, Vec<String>), String> {
        super::parse(&mut { log }, &Budget::default(), &mut |_| {})
    }

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
        assert_eq!(
            parse(b"aa\0\0n").err().as_deref(),
            Some("the output of git ends in the middle of a commit")
        );
    }

    #[test]
    fn what_git_prints_is_counted() {
        let wide = [&b"aa\0\0"[..], &[b'x'; 5000], b"\0"].concat();
        let deep: Vec<u8> = (0..1000).flat_map(|commit| format!("{commit}\0\0n\0").into_bytes()).collect();
        let many: Vec<u8> = (0..1000).flat_map(|name| format!("{name}\0\0{name}\0").into_bytes()).collect();
        for log in [&wide, &deep, &many] {
            let budget = Budget::new(4000);
            let refused = super::parse(&mut &log[..], &budget, &mut |_| {});
            assert!(refused.expect_err("too much").contains("needs more than"), "{} bytes", log.len());
            assert!(parse(log).is_ok());
        }
    }

    #[test]
    fn a_command_has_nothing_of_the_callers_environment_that_git_would_obey() {
        let command = command();
        let given: Vec<_> =
            command.get_envs().filter_map(|(name, value)| Some((name.to_str()?, value?.to_str()?))).collect();
        for (name, value) in READ_ONLY {
            assert!(given.contains(&(name, value)), "{name}");
        }
        assert!(
            given
                .iter()
                .all(|(name, _)| PASSED_ON.contains(name) || READ_ONLY.iter().any(|(own, _)| own == name))
        );
    }
}
