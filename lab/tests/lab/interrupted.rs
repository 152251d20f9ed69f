//! An interrupted program leaves no file and no running child.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::helpers::{git, text};

fn start(arguments: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hb"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command.spawn().expect("hb runs")
}

/// Sends a signal and waits for the end.
fn interrupt(mut child: Child, signal: Signal) -> ExitStatus {
    kill_process(Pid::from_child(&child), signal).expect("it runs");
    child.wait().expect("it ends")
}

#[test]
fn a_run_that_would_be_drawn_leaves_nothing_in_the_folder() {
    for signal in [Signal::TERM, Signal::INT] {
        let folder = tempfile::tempdir().expect("a folder");
        let svg = folder.path().join("run.svg");
        fs::write(&svg, "the last one").expect("a file");
        // Nearly every packet is lost, so the run takes seconds even in an optimised build.
        let mut child =
            start(&["replay", "--events", "40", "--loss", "0.995", "--nodes", "4", "--svg", text(&svg)]);
        let mut progress = BufReader::new(child.stderr.take().expect("a pipe"));
        let mut line = String::new();
        // The first line of progress comes after the picture has been prepared.
        progress.read_line(&mut line).expect("a line");
        assert!(line.starts_with("replaying: "), "{line}");
        let status = interrupt(child, signal);
        assert_eq!(status.signal(), Some(signal.as_raw()), "it ends as the signal would have ended it");
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
        assert_eq!(fs::read_to_string(&svg).expect("a file"), "the last one");
    }
}

#[test]
fn a_git_that_is_waited_for_ends_too() {
    for signal in [Signal::TERM, Signal::INT] {
        let folder = tempfile::tempdir().expect("a folder");
        git(folder.path(), &["init", "--quiet"], None);
        // Git reads its configuration to the end, which does not come while the pipe is open.
        let pipe = folder.path().join(".git/config");
        fs::remove_file(&pipe).expect("git has made it");
        assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo is installed").success());
        let child = start(&["replay", "--git", text(folder.path())]);
        // Opening waits until git reads.
        let mut writer = File::options().write(true).open(&pipe).expect("git reads");
        let status = interrupt(child, signal);
        assert_eq!(status.signal(), Some(signal.as_raw()), "{status}");
        // Fails once the pipe has no reader.
        let refused = (0..1_000_000).any(|_| writer.write_all(b"# a comment\n").is_err());
        assert!(refused, "git reads on");
    }
}
