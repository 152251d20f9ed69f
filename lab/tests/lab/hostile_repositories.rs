//! Repositories that attack their reader: they run commands, make it open files, or exhaust its memory or time.
//!
//! A command of a repository leaves a file, the *mark*. Each of these tests fails if the mark exists.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::helpers::{Ended, Shape, git, graph, hb, repository, text};
use happens_before_lab::budget::Budget;
use happens_before_lab::history::{self, History, InputError};

/// The name of an object that does not exist.
const MISSING: &str = "1234567890123456789012345678901234567890";

/// A repository with a working tree and two commits, the first with a mailmap; and a path for the mark.
struct Trap {
    folder: tempfile::TempDir,
}

impl Trap {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let trap = Self { folder };
        fs::create_dir(trap.path()).expect("a folder");
        trap.git(&["init", "--quiet", "."]);
        fs::write(trap.path().join(".mailmap"), "New Name <new@example.org> <old@example.org>\n")
            .expect("a file");
        trap.git(&["add", ".mailmap"]);
        for message in ["one", "two"] {
            trap.git(&[
                "-c",
                "user.name=Old Name",
                "-c",
                "user.email=old@example.org",
                "commit",
                "--quiet",
                "--allow-empty",
                "--message",
                message,
            ]);
        }
        trap
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("trap")
    }

    fn mark(&self) -> PathBuf {
        self.folder.path().join("mark")
    }

    fn git(&self, arguments: &[&str]) {
        git(&self.path(), arguments, None);
    }

    fn set(&self, name: &str, value: &str) {
        self.git(&["config", name, value]);
    }

    /// Makes the repository a partial clone whose missing objects are fetched by a command.
    fn promise_objects(&self) {
        self.set("core.repositoryFormatVersion", "1");
        self.set("extensions.partialClone", "origin");
        self.set("remote.origin.promisor", "true");
        self.set("remote.origin.url", text(&self.folder.path().join("nowhere")));
        self.set("remote.origin.uploadpack", &format!("touch {}; git-upload-pack", text(&self.mark())));
    }

    /// Makes an object, however malformed, and a name for it.
    fn refer_to(&self, name: &str, kind: &str, object: &str) {
        let file = self.folder.path().join("object");
        fs::write(&file, object).expect("a file");
        let mut command = Command::new("git");
        command.arg("-C").arg(self.path()).args(["hash-object", "-t", kind, "-w", "--literally"]).arg(&file);
        let made = command.output().expect("git is installed");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        fs::write(self.path().join(".git").join(name), made.stdout).expect("a file");
    }

    /// Replays the repository, and checks that no command was run.
    fn replay(&self, options: &[&str]) -> Ended {
        let ended = hb(&[&["replay", "--nodes", "2", "--git", text(&self.path())], options].concat());
        assert!(!self.mark().exists(), "a command was run\n{}{}", ended.out, ended.err);
        ended
    }

    fn assert_replayed(&self) {
        let ended = self.replay(&[]);
        assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{}", ended.out);
        assert!(ended.out.contains("each of 2 sites delivered all 2 events"), "{}", ended.out);
    }

    fn assert_refused(&self, options: &[&str], words: &str) {
        let ended = self.replay(options);
        assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""));
        assert_eq!(ended.err.lines().count(), 1, "{}", ended.err);
        let begins = format!("hb: {}: ", text(&self.path()));
        assert!(ended.err.starts_with(&begins) && ended.err.contains(words), "{}", ended.err);
    }

    fn read(&self, time: Duration) -> Result<History, InputError> {
        history::git::read(&self.path(), None, time, &Budget::default(), &mut |_| {})
    }
}

/// If this fails, the other tests prove nothing: the trap does not work with this git.
#[test]
fn the_trap_is_one() {
    let trap = Trap::new();
    trap.promise_objects();
    let log = Command::new("git").arg("-C").arg(trap.path()).args(["cat-file", "-p", MISSING]).output();
    assert!(!log.expect("git is installed").status.success());
    assert!(trap.mark().exists());
}

#[test]
fn a_missing_object_is_missing_and_not_fetched() {
    let trap = Trap::new();
    trap.promise_objects();
    trap.set("mailmap.blob", MISSING);
    trap.assert_replayed();

    let branch = Trap::new();
    branch.promise_objects();
    fs::write(branch.path().join(".git/refs/heads/gone"), format!("{MISSING}\n")).expect("a file");
    branch.assert_refused(&[], "git cannot read it: bad object refs/heads/gone");

    let tag = Trap::new();
    tag.promise_objects();
    let object = format!("object {MISSING}\ntype commit\ntag gone\ntagger T <t@example.org> 1 +0000\n\ngone\n");
    tag.refer_to("refs/tags/gone", "tag", &object);
    tag.assert_refused(&[], "git cannot read it: bad object");

    // The mailmap of the commit itself.
    let mailmap = Trap::new();
    mailmap.promise_objects();
    let blob = Command::new("git").arg("-C").arg(mailmap.path()).args(["rev-parse", "HEAD:.mailmap"]).output();
    let blob = String::from_utf8(blob.expect("git is installed").stdout).expect("text");
    let (folder, file) = blob.trim().split_at(2);
    fs::remove_file(mailmap.path().join(".git/objects").join(folder).join(file)).expect("an object");
    mailmap.assert_replayed();
}

/// The name of a branch may come from a script that took it from somewhere else.
#[test]
fn the_name_of_a_branch_is_no_option_no_pattern_no_path_and_no_expression() {
    let trap = Trap::new();
    trap.git(&["branch", "main-2"]);
    trap.git(&["branch", "-M", "main"]);
    let long = "a/".repeat(4000) + "a";
    let names = [
        "",
        "/",
        "main/",
        "/main",
        "a//b",
        "main*",
        "mai?",
        "[m]ain",
        "main..main-2",
        "^main",
        "main^@",
        "main~1",
        "main:.mailmap",
        "@{-1}",
        "main@{0}",
        "../HEAD",
        "../../../../etc/passwd",
        ".",
        "..",
        "main.lock",
        "main.",
        "a/.b",
        "main\n",
        "main\u{1b}[31m",
        "main main-2",
        "ma\\in",
        "--output=mark",
        &long,
    ];
    for name in names {
        let ended = trap.replay(&[&format!("--branch={name}")]);
        assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""), "{name:?}");
        let (none, wrong) = ("has no branch ", " is not a name that git allows for a branch");
        assert!(ended.err.contains(none) || ended.err.contains(wrong), "{name:?}: {}", ended.err);
        assert_eq!((ended.err.lines().count(), ended.err.contains('\u{1b}')), (1, false), "{}", ended.err);
        // A name with a meaning of its own does not even reach git.
        assert_eq!(ended.err.contains(none), name == "--output=mark", "{name:?}: {}", ended.err);
    }
    let ended = trap.replay(&["--branch", "main"]);
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
}

#[test]
fn a_branch_is_read_as_safely_as_all_refs() {
    let trap = Trap::new();
    trap.promise_objects();
    fs::write(trap.path().join(".git/refs/heads/gone"), format!("{MISSING}\n")).expect("a file");
    trap.assert_refused(&["--branch", "gone"], "git cannot read it: bad object");
    for (name, content) in
        [("outside", "ref: ../../../outside\n"), ("circle", "ref: refs/heads/circle\n"), ("odd", "--all\n")]
    {
        fs::write(trap.path().join(".git/refs/heads").join(name), content).expect("a file");
        trap.assert_refused(&["--branch", name], "has no branch");
    }
    #[cfg(unix)]
    {
        let pipe = trap.path().join(".git/refs/heads/pipe");
        assert!(Command::new("mkfifo").arg(pipe).status().expect("mkfifo is installed").success());
        trap.assert_refused(&["--branch", "pipe"], "has no branch");
    }
}

#[test]
fn no_program_that_the_configuration_names_is_run() {
    let trap = Trap::new();
    let program = trap.folder.path().join("program");
    fs::write(&program, format!("#!/bin/sh\ntouch {}\n", text(&trap.mark()))).expect("a file");
    #[cfg(unix)]
    fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("a program");
    let program = text(&program);
    for name in [
        "core.fsmonitor",
        "core.sshCommand",
        "core.pager",
        "pager.log",
        "core.editor",
        "core.askPass",
        "core.gitProxy",
        "core.alternateRefsCommand",
        "credential.helper",
        "diff.external",
        "diff.trap.command",
        "diff.trap.textconv",
        "filter.trap.smudge",
        "filter.trap.clean",
        "filter.trap.process",
        "gpg.program",
        "gpg.ssh.program",
        "interactive.diffFilter",
        "uploadpack.packObjectsHook",
        "trace2.eventTarget",
    ] {
        trap.set(name, program);
    }
    for alias in ["log", "rev-parse"] {
        trap.set(&format!("alias.{alias}"), &format!("!{program}"));
    }
    for (name, value) in [
        ("core.hooksPath", text(trap.folder.path())),
        ("log.showSignature", "true"),
        ("log.diffMerges", "on"),
        ("log.mailmap", "true"),
        ("log.follow", "true"),
        ("format.pretty", "raw"),
        ("log.decorate", "full"),
        ("color.ui", "always"),
    ] {
        trap.set(name, value);
    }
    let included = trap.folder.path().join("included");
    fs::write(&included, format!("[core]\n\tpager = {program}\n[gpg]\n\tprogram = {program}\n"))
        .expect("a file");
    trap.set("includeIf.gitdir:**.path", text(&included));
    fs::write(trap.path().join(".gitattributes"), "* diff=trap filter=trap\n").expect("a file");
    for hook in
        ["post-index-change", "reference-transaction", "post-checkout", "pre-auto-gc", "fsmonitor-watchman"]
    {
        fs::copy(program, trap.path().join(".git/hooks").join(hook)).expect("a hook");
        fs::copy(program, trap.folder.path().join(hook)).expect("a hook");
    }
    trap.assert_replayed();
}

/// A commit that claims to be signed, in a repository that configures the program to check signatures.
#[test]
fn no_signature_is_checked() {
    let trap = Trap::new();
    let person = "A <a@example.org> 1 +0000";
    let signature = "-----BEGIN PGP SIGNATURE-----\n \n none\n -----END PGP SIGNATURE-----";
    // The empty tree.
    let tree = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";
    let signed = format!("tree {tree}\nauthor {person}\ncommitter {person}\ngpgsig {signature}\n\nsigned\n");
    trap.refer_to("refs/heads/signed", "commit", &signed);
    let program = trap.folder.path().join("program");
    fs::write(&program, format!("#!/bin/sh\ntouch {}\n", text(&trap.mark()))).expect("a file");
    trap.set("gpg.program", text(&program));
    trap.set("log.showSignature", "true");
    // Plain git would run it.
    #[cfg(unix)]
    {
        fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("a program");
        trap.git(&["log", "-1", "signed"]);
        fs::remove_file(trap.mark()).expect("the mark of a program that was run");
    }
    let ended = trap.replay(&[]);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.out.contains("delivered all 3 events"), "{}", ended.out);
}

#[test]
fn the_callers_environment_leads_git_nowhere_else() {
    let trap = Trap::new();
    let elsewhere = trap.folder.path().join("elsewhere");
    fs::create_dir(&elsewhere).expect("a folder");
    repository(&elsewhere, &graph(&Shape { commits: 7, authors: 2, branches: 1, seed: 1 }));
    let output = Command::new(env!("CARGO_BIN_EXE_hb"))
        .args(["replay", "--nodes", "2", "--git"])
        .arg(trap.path())
        .env("GIT_DIR", &elsewhere)
        .env("GIT_WORK_TREE", &elsewhere)
        .env("GIT_OBJECT_DIRECTORY", elsewhere.join("objects"))
        .env("GIT_NAMESPACE", "x")
        .env("GIT_TRACE", trap.mark())
        .env("GIT_TRACE2_EVENT", trap.mark())
        .env("GIT_TRACE_SETUP", trap.mark())
        .env("GIT_EXEC_PATH", &elsewhere)
        .env("GIT_CONFIG_COUNT", "1")
        .env("GIT_CONFIG_KEY_0", "include.path")
        .env("GIT_CONFIG_VALUE_0", "/nowhere")
        .env("GIT_CONFIG_PARAMETERS", "'broken")
        .env("GIT_NO_LAZY_FETCH", "0")
        .env("GIT_ALLOW_PROTOCOL", "ext:file")
        .env("COLUMNS", "500")
        .output()
        .expect("hb runs");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("delivered all 2 events"));
    assert!(!trap.mark().exists());
}

#[test]
fn the_mailmap_is_that_of_the_commit() {
    let trap = Trap::new();
    fs::write(trap.path().join(".mailmap"), "Not This <not@example.org> <old@example.org>\n").expect("a file");
    let bare = trap.folder.path().join("bare");
    git(
        trap.folder.path(),
        &["clone", "--quiet", "--bare", "--no-hardlinks", text(&trap.path()), "bare"],
        None,
    );
    let beside = trap.folder.path().join("beside");
    trap.git(&["worktree", "add", "--quiet", "--detach", text(&beside)]);
    let inside = trap.path().join("inside");
    fs::create_dir(&inside).expect("a folder");
    for path in [trap.path(), bare, beside, inside, trap.path().join(".git")] {
        let history =
            history::git::read(&path, None, history::git::DEFAULT_TIME, &Budget::default(), &mut |_| {});
        let history = history.expect("a repository");
        assert_eq!(history.len(), 2, "{}", path.display());
        assert_eq!(history.name(0), "New Name <new@example.org>", "{}", path.display());
    }
    // With a configured working tree, as for a submodule.
    trap.set("core.worktree", text(trap.folder.path()));
    trap.assert_replayed();
}

#[test]
#[cfg(unix)]
fn a_pipe_in_the_place_of_a_file_is_not_waited_for() {
    let pipe = |path: &Path| {
        let _ = fs::remove_file(path);
        assert!(Command::new("mkfifo").arg(path).status().expect("mkfifo is installed").success());
    };
    // These are not read at all.
    let trap = Trap::new();
    let aside = trap.folder.path().join("pipe");
    pipe(&aside);
    for setting in ["mailmap.file", "core.attributesFile", "core.excludesFile", "commit.template"] {
        trap.set(setting, text(&aside));
    }
    pipe(&trap.path().join(".mailmap"));
    pipe(&trap.path().join(".gitattributes"));
    pipe(&trap.path().join(".git/refs/heads/pipe"));
    trap.assert_replayed();

    // Git reads these, and is stopped: during the search for the repository, or later.
    let short = Duration::from_millis(300);
    let places: [fn(&Trap) -> PathBuf; 3] = [
        |trap| trap.path().join(".git/packed-refs"),
        |trap| trap.path().join(".git/objects/info/alternates"),
        |trap| {
            let included = trap.folder.path().join("included");
            trap.set("include.path", text(&included));
            included
        },
    ];
    for place in places {
        let trap = Trap::new();
        let place = place(&trap);
        pipe(&place);
        let error = trap.read(short).expect_err("it cannot be read");
        assert!(error.what.starts_with("git did not come to an end within "), "{}: {error}", place.display());
    }

    let trap = Trap::new();
    pipe(&trap.path().join(".git/packed-refs"));
    trap.assert_refused(&["--time-limit", "1"], "git did not come to an end within 1 second and was stopped");
}

#[test]
#[cfg(target_os = "linux")]
fn a_mailmap_that_fills_the_memory_is_refused() {
    let trap = Trap::new();
    let line = "Some Name <some@example.org>\n";
    fs::write(trap.path().join(".mailmap"), line.repeat((64 << 20) / line.len())).expect("a file");
    trap.git(&["add", ".mailmap"]);
    let name = ["-c", "user.name=A", "-c", "user.email=a@example.org"];
    trap.git(&[&name[..], &["commit", "--quiet", "--message", "huge"]].concat());
    trap.assert_refused(&["--memory", "32"], "git needs more than 32 MiB of memory; --memory allows more");
}

#[test]
fn names_and_graphs_that_fill_the_memory_are_refused() {
    let trap = Trap::new();
    let mut stream = String::new();
    let name = "A".repeat(1 << 20);
    for commit in 0..20 {
        let person = format!("{name}{commit} <a@example.org> 1 +0000");
        stream += &format!(
            "commit refs/heads/b{commit}\nauthor {person}\ncommitter A <a@example.org> 1 +0000\ndata 0\n\n"
        );
    }
    git(&trap.path(), &["fast-import", "--quiet"], Some(&stream));
    trap.assert_refused(&["--memory", "16"], "--memory allows more");
    // If they fit into memory, they are shown shortened.
    let history = trap.read(history::git::DEFAULT_TIME).expect("a repository");
    assert!((0..history.nodes() as u32).all(|node| history.name(node).len() < 250));

    let many = Trap::new();
    let mut stream = String::new();
    for commit in 0..5000 {
        let person = format!("A{commit} <a@example.org> 1 +0000");
        stream += &format!(
            "commit refs/heads/b\nmark :{}\nauthor {person}\ncommitter {person}\ndata 0\n",
            commit + 1
        );
        stream += "deleteall\n\nreset refs/heads/b\n\n";
    }
    stream +=
        "commit refs/heads/b\nauthor A <a@example.org> 1 +0000\ncommitter A <a@example.org> 1 +0000\ndata 0\n";
    stream += "from :1\n";
    (1..5000).for_each(|commit| stream += &format!("merge :{}\n", commit + 1));
    git(&many.path(), &["fast-import", "--quiet", "--force"], Some(&(stream + "\n")));
    many.assert_refused(&["--memory", "4"], "--memory allows more");
    // One entry a beginning and node would be 100 MB.
    let ended = many.replay(&["--memory", "32"]);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
}
