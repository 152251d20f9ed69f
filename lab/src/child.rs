//! Runs another program and reads what it prints, within limits of time and memory.
//!
//! # The problem
//!
//! Another program may read untrusted input. Then it may hang, print without end, or fill the memory; a reader of its
//! output would hang with it.
//!
//! # The limits
//!
//! - The program reads nothing from the standard input, and runs in its own process group. A watchdog kills the whole
//!   group once the time is over. The end of the program is noted without collecting the process. It is collected only
//!   after the watchdog has ended, so no signal can reach an unrelated process with the same number.
//! - Only the beginning of its standard error is kept.
//! - On Linux its memory is limited as well: allocations, not mapped files.
//! - If this program is [interrupted](crate::interrupt), the group is ended too.
//!
//! Process groups exist only on Unix. Elsewhere the program runs without these limits.

use std::io::{self, BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use crate::interrupt;

/// Most bytes of the standard error that are kept.
const COMPLAINTS: u64 = 1 << 16;

/// The limits of a program that is run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowance {
    /// Longest time for which it may run.
    pub(crate) time: Duration,
    /// Most bytes that it may allocate.
    pub(crate) memory: usize,
}

/// The end of a program that was not stopped.
#[derive(Debug)]
pub(crate) struct Ended<T> {
    /// The value that `read` made of its output.
    pub(crate) value: T,
    pub(crate) success: bool,
    /// The beginning of its standard error.
    pub(crate) complaints: String,
}

/// The reason why there is no result.
#[derive(Debug)]
pub(crate) enum ChildFailure<E> {
    /// It cannot be started, or its output cannot be read.
    Io(io::Error),
    /// It took too long and was stopped.
    Late,
    /// Its output was refused, and it was stopped.
    Refused(E),
}

impl<E> From<io::Error> for ChildFailure<E> {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Runs a program to its end; `read` makes a value of its output.
///
/// # Errors
///
/// Those of [`ChildFailure`]. In each case the program has ended.
pub(crate) fn run<T, E>(
    command: &mut Command,
    allowance: Allowance,
    read: impl FnOnce(&mut dyn BufRead) -> Result<T, E>,
) -> Result<Ended<T>, ChildFailure<E>> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    let mut child = interrupt::spawn(command)?;
    limit_memory(&child, allowance.memory);
    let (output, complaints) = (child.stdout.take(), child.stderr.take());
    let group = Group::of(&child);
    let (value, late, complaints) = thread::scope(|scope| {
        let (ended, watched) = channel::<()>();
        let watch = scope.spawn(move || {
            let late = watched.recv_timeout(allowance.time) == Err(RecvTimeoutError::Timeout);
            if late {
                group.end();
            }
            late
        });
        let complaints = scope.spawn(move || complaints.map_or_else(String::new, beginning));
        let value = output.map(|output| read(&mut BufReader::new(output)));
        // `read` may have stopped in the middle of the output.
        if !matches!(value, Some(Ok(_))) {
            group.end();
        }
        group.wait();
        drop(ended);
        (value, watch.join().unwrap_or(true), complaints.join().unwrap_or_default())
    });
    let status = interrupt::collect(&mut child)?;
    match value {
        _ if late => Err(ChildFailure::Late),
        Some(Ok(value)) => Ok(Ended { value, success: status.success(), complaints }),
        Some(Err(error)) => Err(ChildFailure::Refused(error)),
        None => Err(ChildFailure::Io(io::ErrorKind::BrokenPipe.into())),
    }
}

/// Reads to the end and returns the beginning. Unread output would make the program wait for ever.
fn beginning(mut complaints: ChildStderr) -> String {
    let mut kept = Vec::new();
    let read = complaints.by_ref().take(COMPLAINTS).read_to_end(&mut kept);
    if read.is_ok() {
        // A read error here costs no more than a complaint.
        let _ = io::copy(&mut complaints, &mut io::sink());
    }
    String::from_utf8_lossy(&kept).into_owned()
}

/// Limits the memory that a program allocates; if that is not possible, it runs without the limit.
fn limit_memory(child: &Child, bytes: usize) {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{Pid, Resource, Rlimit, prlimit};
        let limit = Some(bytes as u64);
        let _ =
            prlimit(Some(Pid::from_child(child)), Resource::Data, Rlimit { current: limit, maximum: limit });
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (child, bytes);
}

/// The process group of a program that has not been collected, so its number cannot be reused.
#[derive(Clone, Copy, Debug)]
struct Group {
    #[cfg(unix)]
    leader: rustix::process::Pid,
}

impl Group {
    #[cfg_attr(not(unix), expect(unused_variables, reason = "there are no process groups"))]
    fn of(child: &Child) -> Self {
        Self {
            #[cfg(unix)]
            leader: rustix::process::Pid::from_child(child),
        }
    }

    /// Ends all processes of the group.
    fn end(self) {
        #[cfg(unix)]
        {
            // An error means that all have ended already.
            let _ = rustix::process::kill_process_group(self.leader, rustix::process::Signal::KILL);
        }
    }

    /// Waits until the leader has ended, without collecting it.
    fn wait(self) {
        #[cfg(unix)]
        {
            use rustix::process::{WaitId, WaitIdOptions, waitid};
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            while waitid(WaitId::Pid(self.leader), options).is_err_and(|error| error == rustix::io::Errno::INTR)
            {
            }
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    const LONG: Allowance = Allowance { time: Duration::from_secs(600), memory: 1 << 30 };

    fn shell(script: &str, allowance: Allowance) -> Result<Ended<String>, ChildFailure<io::Error>> {
        run(Command::new("sh").args(["-c", script]), allowance, |output| {
            let mut text = String::new();
            output.read_to_string(&mut text).map(|_| text)
        })
    }

    #[test]
    fn output_and_complaints_are_read_however_long_they_are() {
        let ended = shell("echo out; yes complaint | head -c 3000000 >&2; exit 3", LONG).expect("it ends");
        assert_eq!((ended.value.as_str(), ended.success), ("out\n", false));
        assert_eq!(ended.complaints.len() as u64, COMPLAINTS);
        let ended = shell("yes | head -c 3000000", LONG).expect("it ends");
        assert_eq!((ended.value.len(), ended.success, ended.complaints.as_str()), (3_000_000, true, ""));
    }

    /// If any process of the group survived, the pipes would stay open, and none of these calls would return.
    #[test]
    fn what_takes_too_long_is_ended_with_all_that_it_has_started() {
        let short = Allowance { time: Duration::from_millis(50), ..LONG };
        for script in
            ["exec sleep 1000", "sleep 1000; true", "sleep 1000 & sleep 1000", "exec sleep 1000 >&- 2>&-"]
        {
            let failure = shell(script, short).expect_err(script);
            assert!(matches!(failure, ChildFailure::Late), "{script}: {failure:?}");
        }
    }

    #[test]
    fn what_prints_without_end_is_ended_when_it_is_refused() {
        let refused = run(Command::new("yes").arg("y"), LONG, |output| {
            match output.take(10_000).read_until(b'x', &mut vec![]) {
                Ok(read) => Err::<(), usize>(read),
                Err(_) => Ok(()),
            }
        });
        assert!(matches!(refused, Err(ChildFailure::Refused(10_000))), "{refused:?}");
    }

    #[test]
    fn what_is_not_there_cannot_be_run() {
        let failure =
            run(&mut Command::new("/nowhere/at/all"), LONG, |_| Ok::<(), ()>(())).expect_err("nothing");
        assert!(
            matches!(&failure, ChildFailure::Io(error) if error.kind() == io::ErrorKind::NotFound),
            "{failure:?}"
        );
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn what_fills_the_memory_fails() {
        let little = Allowance { memory: 16 << 20, ..LONG };
        // The shell holds the whole output of the other programs in one of its variables.
        let script = "text=$(head -c 200000000 /dev/zero | tr '\\0' x); echo ${#text}";
        let ended = shell(script, little).expect("it ends");
        assert!(!ended.success, "{} bytes fit", ended.value);
    }
}
