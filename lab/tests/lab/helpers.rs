//! Helpers of the tests: running the program, finding the data, making repositories.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use happens_before_lab::stream;
use happens_before_simulation::Random;
use serde_json::Value;

/// The output and the exit code of the program.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs `hb` with these arguments. Its lines are long enough for every text, and it shows no progress, which a busy
/// machine would show even for quick work.
pub(crate) fn hb<S: AsRef<std::ffi::OsStr>>(arguments: &[S]) -> Ended {
    let arguments = arguments.iter().map(AsRef::as_ref);
    let quietly: Vec<_> = std::iter::once("--no-progress".as_ref()).chain(arguments).collect();
    hb_at_width("500", &quietly)
}

/// Runs `hb` with these arguments, and with this number of columns in `COLUMNS`.
pub(crate) fn hb_at_width<S: AsRef<std::ffi::OsStr>>(columns: &str, arguments: &[S]) -> Ended {
    let mut hb = Command::new(env!("CARGO_BIN_EXE_hb"));
    let output = hb.env("COLUMNS", columns).args(arguments).output().expect("hb runs");
    Ended {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).expect("UTF-8"),
        err: String::from_utf8(output.stderr).expect("UTF-8"),
    }
}

/// Runs `hb replay --json` with these arguments and returns the exit code and the object.
pub(crate) fn replay(arguments: &[&str]) -> (Option<i32>, Value) {
    let ended = hb(&[&["replay", "--json"], arguments].concat());
    let object = serde_json::from_str(&ended.out);
    (ended.code, object.unwrap_or_else(|error| panic!("{error}: {}\n{}", ended.out, ended.err)))
}

/// Checks that a run delivered every event at every site.
pub(crate) fn assert_complete(code: Option<i32>, report: &Value, events: u64, sites: u64) {
    assert_eq!(report["verdict"]["ok"], true, "{report:#}");
    assert_eq!(report["history"]["events"], events);
    assert_eq!(report["run"]["sent"], events);
    assert_eq!(report["run"]["deliveries"], events * sites);
    assert_eq!(code, Some(0));
}

/// Returns the path of a file in the data folder. If the file is not there, prints so and returns `None`.
///
/// The folder is named by `HAPPENS_BEFORE_DATA`; the default is `../shared/data` beside the workspace.
pub(crate) fn data(file: &str) -> Option<PathBuf> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the lab is in the workspace");
    let folder = match std::env::var_os("HAPPENS_BEFORE_DATA") {
        Some(folder) => PathBuf::from(folder),
        None => workspace.join("../shared/data"),
    };
    let path = folder.join(file);
    if path.is_file() {
        return Some(path);
    }
    eprintln!("SKIPPED: {} is not there; name the folder of the data in HAPPENS_BEFORE_DATA", path.display());
    None
}

/// Returns a path as text; the paths of these tests are UTF-8.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

/// The shape of a generated repository.
pub(crate) struct Shape {
    pub(crate) commits: usize,
    pub(crate) authors: u64,
    /// Most branches that are open at the same time.
    pub(crate) branches: usize,
    pub(crate) seed: u64,
}

/// One commit of a generated repository.
pub(crate) struct Commit {
    pub(crate) author: u64,
    pub(crate) parents: Vec<usize>,
}

/// Draws commits on branches that fork and merge. Authors work on any of them, so also concurrently with themselves.
/// Some merges have three parents, and some parents are ancestors of others.
pub(crate) fn graph(shape: &Shape) -> Vec<Commit> {
    let mut random = Random::new(shape.seed, stream::SESSION);
    let mut commits = vec![Commit { author: 0, parents: vec![] }];
    let mut heads = vec![0];
    while commits.len() < shape.commits {
        let author = random.below(shape.authors);
        let new = commits.len();
        let branch = random.index(heads.len());
        let mut parents = vec![heads[branch]];
        if heads.len() > 1 && random.chance(0.15) {
            // A merge, which closes the merged branches.
            for _ in 0..if random.chance(0.1) { 2 } else { 1 } {
                let other = random.index(heads.len());
                if !parents.contains(&heads[other]) {
                    parents.push(heads.swap_remove(other));
                }
            }
            heads.retain(|head| !parents.contains(head));
            heads.push(new);
        } else if heads.len() < shape.branches && random.chance(0.15) {
            heads.push(new);
        } else if random.chance(0.001) {
            // Another beginning, as in two repositories that are joined.
            parents.clear();
            heads.push(new);
        } else {
            if random.chance(0.02) && !commits[parents[0]].parents.is_empty() {
                // A merge that could have been fast-forwarded.
                let grandparent = commits[parents[0]].parents[0];
                parents.insert(0, grandparent);
            }
            heads[branch] = new;
        }
        commits.push(Commit { author, parents });
    }
    commits
}

/// Makes a bare repository of these commits in an empty folder.
pub(crate) fn repository(folder: &Path, commits: &[Commit]) {
    git(folder, &["init", "--quiet", "--bare", "."], None);
    let mut stream = String::new();
    let mut has_children = vec![false; commits.len()];
    for (number, Commit { author, parents }) in commits.iter().enumerate() {
        // Each beginning has its own branch; all other commits go onto the branch of their parent.
        let branch = if parents.is_empty() { format!("root-{number}") } else { "build".to_owned() };
        let person =
            format!("Author {author} \u{e4}\" <x{author}@example.org> {} +0000", 1_700_000_000 + number);
        let _ = write!(
            stream,
            "commit refs/heads/{branch}\nmark :{}\nauthor {person}\ncommitter {person}\ndata 0\n",
            number + 1
        );
        for (nth, parent) in parents.iter().enumerate() {
            let word = if nth == 0 { "from" } else { "merge" };
            let _ = writeln!(stream, "{word} :{}", parent + 1);
            has_children[*parent] = true;
        }
        stream.push('\n');
    }
    for number in (0..commits.len()).filter(|&number| !has_children[number]) {
        let _ = write!(stream, "reset refs/heads/tip-{number}\nfrom :{}\n\n", number + 1);
    }
    git(folder, &["fast-import", "--quiet", "--force"], Some(&stream));
}

/// Runs git in a folder with `input` on its standard input.
pub(crate) fn git(folder: &Path, arguments: &[&str], input: Option<&str>) {
    let mut command = Command::new("git");
    command.arg("-C").arg(folder).args(arguments).env_remove("GIT_DIR").env_remove("GIT_WORK_TREE");
    command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
    let mut child = command.spawn().expect("git is installed");
    if let (Some(mut pipe), Some(input)) = (child.stdin.take(), input) {
        pipe.write_all(input.as_bytes()).expect("git reads");
    }
    assert!(child.wait().expect("git ends").success(), "git {arguments:?}");
}
