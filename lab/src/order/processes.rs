//! Publishers and subscribers as processes over PostgreSQL. Each is this program again: it reads its task from the
//! standard input, and prints its notices on the standard output, one line of JSON each. A worker that is to die is
//! killed with signal 9.
//!
//! ```text
//!   parent ── task, then the slot at which to end ──► stdin   child   stdout ── events ──► parent
//! ```
//!
//! A child ends when its parent has gone.

use std::io::{self, BufRead, BufReader, Write};
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio, exit};
use std::sync::mpsc::{Sender, channel};
use std::thread;

use happens_before::counter::Counter;
use happens_before_engines::EngineError;
use happens_before_engines::postgres::{
    ConnectionString, Postgres, PostgresCounter, PostgresError, ServerError,
};
use serde::{Deserialize, Serialize};

use super::conduct::{Crew, Leaving, Said, conduct};
use super::engine::SetBack;
use super::event::{Notice, Task, Who};
use super::work::{Halt, Patience, Until, Worker};
use super::{Begun, NAME, Now, OrderResult, OrderSettings};
use crate::history::InputError;

/// The first argument of a child. It is no command of the command line, so that no help and no tip names it.
pub(crate) const WORKER: &str = "order-worker";

/// The task of a child, with the names of counter and log.
#[derive(Serialize, Deserialize)]
struct Job {
    url: String,
    /// The name of the counter.
    counter: String,
    task: Task,
}

/// Runs publishers and subscribers in processes.
pub(super) fn run(
    settings: &OrderSettings,
    url: &str,
    progress: &mut dyn FnMut(Now),
) -> Result<OrderResult, InputError> {
    let fails = |error: PostgresError| settings.engine.fails(error);
    let program = std::env::current_exe()
        .map_err(|error| settings.engine.fails(format_args!("this program cannot start itself: {error}")))?;
    let database = Postgres::open(url).map_err(fails)?;
    let log = database.slots(NAME).map_err(fails)?;
    let begun = Begun::new(&log).map_err(|error| settings.engine.fails(error))?;
    let counter = format!("{NAME}, epoch {}", begun.epoch);
    database.counter(&counter).and_then(|counter| counter.raise(begun.tail())).map_err(fails)?;
    let (sender, receiver) = channel();
    let url = url.to_owned();
    let crew = Processes { program, url, counter, sender, children: Vec::new(), until: u64::MAX };
    Ok(conduct(settings, &begun, crew, &receiver, &log, progress))
}

struct Processes {
    program: PathBuf,
    url: String,
    counter: String,
    sender: Sender<Said>,
    children: Vec<Running>,
    /// The slot at which subscribers end, as [`Until`] has it.
    until: u64,
}

struct Running {
    who: Who,
    child: Child,
    input: ChildStdin,
}

impl Running {
    fn kill(&mut self) {
        // It may have ended by itself; then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Processes {
    fn spawn(&mut self, who: Who, task: Task) -> io::Result<()> {
        let mut child =
            Command::new(&self.program).arg(WORKER).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (Some(mut input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        let job = Job { url: self.url.clone(), counter: self.counter.clone(), task };
        writeln!(input, "{}", serde_json::to_string(&job)?)?;
        writeln!(input, "{}", self.until)?;
        self.children.push(Running { who, child, input });
        let leaving = Leaving(self.sender.clone(), who);
        thread::spawn(move || {
            // Notices from before a kill count, even if they are read after it. A line comes whole or not at all.
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if let Ok(event) = serde_json::from_str(&line) {
                    drop(leaving.0.send((who, event)));
                }
            }
        });
        Ok(())
    }
}

impl Crew for Processes {
    fn start(&mut self, who: Who, task: Task) -> Result<(), String> {
        self.kill(who); // kills a predecessor that still runs, and collects it
        self.spawn(who, task).map_err(|error| format!("a process cannot be started: {error}"))
    }

    fn kill(&mut self, who: Who) {
        if let Some(at) = self.children.iter().position(|running| running.who == who) {
            self.children.swap_remove(at).kill();
        }
    }

    fn end(&mut self, until: u64) {
        self.until = until;
        for running in &mut self.children {
            // A child that has ended needs no message.
            let _ = writeln!(running.input, "{until}");
        }
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        self.children.iter_mut().for_each(Running::kill);
    }
}

/// A counter that is set back by direct access to the database.
struct Exposed {
    counter: PostgresCounter,
    url: String,
    name: String,
}

impl Counter for Exposed {
    type Error = PostgresError;

    fn increment_and_get(&self, n: NonZeroU64) -> Result<u64, PostgresError> {
        self.counter.increment_and_get(n)
    }

    fn current(&self) -> Result<u64, PostgresError> {
        self.counter.current()
    }
}

impl SetBack for Exposed {
    fn set_back(&self, by: u64) -> Result<(), PostgresError> {
        const SET_BACK: &str =
            "UPDATE happens_before_counters SET last = greatest(last - $2, 0) WHERE name = $1";
        let by = i64::try_from(by).unwrap_or(i64::MAX);
        let server: ConnectionString =
            self.url.parse().map_err(|error| EngineError::NotDone(ServerError::ConnectionString(error)))?;
        let done = server.connect().and_then(|mut client| client.execute(SET_BACK, &[&self.name, &by]));
        done.map(drop).map_err(|error| EngineError::NotDone(ServerError::Client(error)))
    }
}

/// Does the work of a child.
///
/// # Errors
///
/// [`InputError`] if it was not started by its parent.
pub(crate) fn work() -> Result<bool, InputError> {
    static UNTIL: Until = Until::new();
    let mut line = String::new();
    let job = io::stdin().read_line(&mut line).ok().and_then(|_| serde_json::from_str(&line).ok());
    let Some(Job { url, counter: name, task }) = job else {
        let what = "is started only by `hb order`; it reads its task from the standard input";
        return Err(InputError { place: WORKER.to_owned(), what: what.to_owned() });
    };
    thread::spawn(|| {
        for line in io::stdin().lines().map_while(Result::ok) {
            if let Ok(slot) = line.parse() {
                UNTIL.set(slot);
            }
        }
        exit(1); // the parent has gone
    });
    let say = |event: Notice| {
        let mut line = serde_json::to_string(&event).unwrap_or_default();
        line.push('\n');
        let mut output = io::stdout().lock();
        if output.write_all(line.as_bytes()).and_then(|()| output.flush()).is_err() {
            exit(1); // nobody reads its notices
        }
    };
    let open = || {
        let database = Postgres::open(&url)?;
        Ok((database.counter(&name)?, database.slots(NAME)?))
    };
    // The server may be down just now.
    let patience = Patience::new(&UNTIL);
    let (counter, log) = loop {
        match open().map_err(|error: PostgresError| patience.fails(error)) {
            Ok(engine) => break engine,
            Err(Ok(())) => {}
            Err(Err(halt)) => {
                if let Halt::Failed { what, refused } = halt {
                    say(Notice::Failed { what, refused });
                }
                return Ok(false);
            }
        }
    };
    let counter = Exposed { counter, url, name };
    let worker = Worker { counter: &counter, log: &log, until: &UNTIL, say: &say };
    match worker.work(task) {
        // Waits for the kill by the parent, which was told of it.
        Err(Halt::Killed) => loop {
            thread::park();
        },
        ended => Ok(ended.is_ok()),
    }
}
