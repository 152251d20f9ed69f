//! The commit graphs of generated git repositories.

use std::time::Instant;

use super::helpers::{Shape, assert_complete, git, graph, hb, replay, repository, text};
use happens_before_lab::budget::Budget;
use happens_before_lab::history;

#[test]
fn branches_merges_and_authors_who_are_concurrent_with_themselves() {
    let folder = tempfile::tempdir().expect("a folder");
    let commits = graph(&Shape { commits: 400, authors: 6, branches: 8, seed: 4 });
    assert!(commits.iter().filter(|commit| commit.parents.len() > 1).count() > 40);
    repository(folder.path(), &commits);
    let (code, report) = replay(&[
        "--git",
        text(folder.path()),
        "--loss",
        "0.2",
        "--duplicate",
        "0.2",
        "--reorder",
        "64",
        "--nodes",
        "4",
    ]);
    assert_complete(code, &report, 400, 4);
    let nodes = report["history"]["nodes"].as_u64().expect("a number");
    assert!((7..200).contains(&nodes), "{nodes} nodes of 6 authors");
}

#[test]
fn the_graph_that_is_read_is_the_graph_that_was_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let commits = graph(&Shape { commits: 300, authors: 5, branches: 6, seed: 9 });
    repository(folder.path(), &commits);
    let read =
        history::git::read(folder.path(), None, history::git::DEFAULT_TIME, &Budget::default(), &mut |_| {})
            .expect("a repository");
    // Git lists commits in an order of its own, so only properties independent of it are compared.
    let shape = |parents: &mut Vec<usize>| {
        parents.sort_unstable();
        parents.clone()
    };
    let mut written: Vec<usize> = commits.iter().map(|commit| commit.parents.len()).collect();
    let mut counted: Vec<usize> = (0..read.len() as u32).map(|event| read.parents(event).len()).collect();
    assert_eq!(shape(&mut counted), shape(&mut written));
    // Every author has all her commits, over all her nodes.
    for author in 0..5 {
        let name = format!("Author {author} \u{e4}\" <x{author}@example.org>");
        let of_author = |node: &u32| read.name(*node).split(", incarnation ").next() == Some(&name);
        let events: usize =
            (0..read.nodes() as u32).filter(of_author).map(|node| read.events_of(node).len()).sum();
        assert_eq!(events, commits.iter().filter(|commit| commit.author == author).count(), "{name}");
    }
}

/// Makes a repository with a row of commits on each of these refs, all after the first commit of `refs/heads/main`.
fn rows(folder: &std::path::Path, refs: &[(&str, usize)]) {
    git(folder, &["init", "--quiet", "--bare", "."], None);
    let (mut stream, mut mark) = (String::new(), 0);
    for &(name, commits) in [("refs/heads/main", 1)].iter().chain(refs) {
        for nth in 0..commits {
            mark += 1;
            let person = format!("A <a@example.org> {} +0000", 1_700_000_000 + mark);
            stream += &format!("commit {name}\nmark :{mark}\nauthor {person}\ncommitter {person}\ndata 0\n");
            stream += match (mark, nth, name) {
                (1, ..) | (_, 1.., _) | (_, _, "refs/heads/main") => "\n",
                _ => "from :1\n\n",
            };
        }
    }
    git(folder, &["fast-import", "--quiet", "--force"], Some(&stream));
}

#[test]
fn all_refs_or_one_branch() {
    let folder = tempfile::tempdir().expect("a folder");
    let refs = [
        ("refs/heads/main", 1),
        ("refs/heads/side", 3),
        ("refs/heads/--all", 5),
        ("refs/heads/in/folder", 6),
        ("refs/remotes/origin/main", 7),
        ("refs/remotes/side", 8),
        ("refs/tags/release", 9),
        ("refs/stash", 10),
        ("refs/notes/commits", 11),
    ];
    rows(folder.path(), &refs);
    let all = 1 + refs.iter().map(|(_, commits)| *commits as u64).sum::<u64>();
    for (options, events, source) in [
        (&[][..], all, ""),
        (&["--branch", "main"], 2, ", branch main"),
        (&["--branch", "side"], 4, ", branch side"),
        (&["--branch=--all"], 6, ", branch --all"),
        (&["--branch", "in/folder"], 7, ", branch in/folder"),
        (&["--branch", "origin/main"], 8, ", branch origin/main"),
    ] {
        let (code, report) = replay(&[&["--git", text(folder.path()), "--nodes", "2"], options].concat());
        assert_complete(code, &report, events, 2);
        let told = report["history"]["source"].as_str().expect("a text");
        assert!(told.ends_with(source) && told.contains(", branch ") != source.is_empty(), "{told}");
    }
}

#[test]
fn a_branch_that_is_none_is_refused_in_one_line() {
    let folder = tempfile::tempdir().expect("a folder");
    rows(
        folder.path(),
        &[("refs/heads/in/folder", 1), ("refs/tags/release", 1), ("refs/remotes/origin/far", 1)],
    );
    let missing = ["mai", "Main", "in", "in/fold", "release", "origin", "HEAD", "refs/heads/main", "-x"];
    let hash = "1".repeat(40);
    for name in missing.into_iter().chain([hash.as_str()]) {
        let ended = hb(&["replay", "--git", text(folder.path()), &format!("--branch={name}")]);
        let place = text(folder.path());
        let line = format!("hb: {place}: has no branch {name}; `git branch --all` lists the branches\n");
        assert_eq!((ended.code, ended.err, ended.out.as_str()), (Some(2), line, ""));
    }
    let ended = hb(&["replay", "--branch", "main"]);
    assert!(ended.err.contains("--git <DIR>"), "{}", ended.err);
    assert_eq!((ended.code, ended.err.lines().count()), (Some(2), 1));
}

/// The names in a repository are untrusted: they must not reach a reader's terminal as commands.
#[test]
fn names_do_not_command_the_terminal() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("r\u{1b}[2J");
    std::fs::create_dir(&path).expect("a folder");
    git(&path, &["init", "--quiet", "--bare", "."], None);
    let person = "E\u{1b}[31mv\u{9b}1m\u{202e}il <e@example.org> 1700000000 +0000";
    let commit = |mark: u32, from: &str| {
        format!("commit refs/heads/a\nmark :{mark}\nauthor {person}\ncommitter {person}\ndata 0\n{from}\n")
    };
    let stream = commit(1, "") + &commit(2, "from :1\n");
    git(&path, &["fast-import", "--quiet"], Some(&stream));

    let mut said = String::new();
    for options in
        [&["--nodes", "2"][..], &["--canary", "skip"], &["--loss", "1"], &["--json"], &["--node-limit", "0"]]
    {
        let ended = hb(&[&["replay", "--git", text(&path)], options].concat());
        assert!(ended.code.is_some());
        said += &(ended.out + &ended.err);
    }
    said += &hb(&["replay", "--trace", text(&path)]).err;
    said += &hb(&["replay", "\u{1b}[31m"]).err;
    let svg = folder.path().join("run.svg");
    assert_eq!(hb(&["replay", "--git", text(&path), "--svg", text(&svg)]).code, Some(0));
    said += &std::fs::read_to_string(&svg).expect("a picture");

    let command = |letter: char| letter.is_control() && letter != '\n' || letter == '\u{202e}';
    assert_eq!(said.lines().find(|line| line.contains(command)), None);
    for name in [r"git repository r\u{1b}[2J", r"by E\u{1b}[31mv\u{9b}1m\u{202e}il <e@example.org>"] {
        assert!(said.contains(name), "no {name} in\n{said}");
    }
}

#[test]
fn a_shallow_clone_is_replayed_as_far_as_it_goes() {
    let folder = tempfile::tempdir().expect("a folder");
    let whole = folder.path().join("whole");
    std::fs::create_dir(&whole).expect("a folder");
    repository(&whole, &graph(&Shape { commits: 60, authors: 3, branches: 1, seed: 2 }));
    let url = format!("file://{}", text(&whole));
    let arguments = ["clone", "--quiet", "--bare", "--depth", "10", "--branch", "tip-59", &url, "shallow"];
    git(folder.path(), &arguments, None);
    let (code, report) = replay(&["--git", text(&folder.path().join("shallow")), "--nodes", "2"]);
    let events = report["history"]["events"].as_u64().expect("a number");
    assert!((10..40).contains(&events), "{events} commits in a clone of depth 10");
    assert_complete(code, &report, events, 2);
}

#[test]
fn what_is_no_repository_is_refused_in_one_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let refused = |path: &std::path::Path| {
        let ended = hb(&["replay".as_ref(), "--git".as_ref(), path.as_os_str()]);
        assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""));
        assert_eq!(ended.err.lines().count(), 1, "{}", ended.err);
        assert!(ended.err.starts_with(&format!("hb: {}: ", text(path))), "{}", ended.err);
        ended.err
    };
    assert!(refused(folder.path()).contains("not a git repository"));
    assert!(refused(&folder.path().join("nowhere")).contains("no such file or folder"));
    let file = folder.path().join("file");
    std::fs::write(&file, "").expect("a file");
    assert!(refused(&file).contains("is a file, not a folder"));
    let empty = folder.path().join("empty");
    std::fs::create_dir(&empty).expect("a folder");
    git(&empty, &["init", "--quiet"], None);
    assert!(refused(&empty).contains("without a commit"));
}

#[test]
fn without_git_the_line_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_hb"))
        .args(["replay", "--git"])
        .arg(folder.path())
        .env("PATH", folder.path())
        .output()
        .expect("hb runs");
    let err = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(err, "hb: git: the program is not installed, or not on the PATH; --git needs it\n");
}

#[test]
#[cfg_attr(debug_assertions, ignore = "50,000 commits; made for a release build")]
fn fifty_thousand_commits_in_about_ten_seconds() {
    let folder = tempfile::tempdir().expect("a folder");
    repository(folder.path(), &graph(&Shape { commits: 50_000, authors: 400, branches: 60, seed: 1 }));
    let start = Instant::now();
    let (code, report) = replay(&["--git", text(folder.path()), "--nodes", "2"]);
    eprintln!("{:.1} s in all\n{report:#}", start.elapsed().as_secs_f64());
    assert_complete(code, &report, 50_000, 2);
    assert!(start.elapsed().as_secs() < 30, "a slow machine, or a slow program");
}
