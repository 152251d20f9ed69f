//! The end of a program that is interrupted: nothing of it remains.
//!
//! A signal that ends the program (SIGINT, SIGTERM) ends it at any point. Two things would outlive it: programs that it
//! has started in process groups of their own, which the terminal does not reach, and a file that is not yet in its
//! place. So a thread waits for the signal. It ends the programs, waits until a file that is being put in its place
//! is there, and then ends this program as the signal would have done.
//!
//! Nothing can be done about SIGKILL.

use std::io;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The programs that are running, by their process numbers. While the lock is held, the program is not ended.
static RUNNING: Mutex<Vec<u32>> = Mutex::new(Vec::new());

/// Held while a file is put in its place, which cannot be interrupted then.
static STORING: Mutex<()> = Mutex::new(());

/// Locks, whatever happened to another thread that held the lock: the list is right between any two statements.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts a program, the leader of its own process group, which will be ended if this program is interrupted.
pub(crate) fn spawn(command: &mut Command) -> io::Result<Child> {
    let mut running = lock(&RUNNING);
    let child = command.spawn()?;
    running.push(child.id());
    Ok(child)
}

/// Collects a program that has ended.
pub(crate) fn collect(child: &mut Child) -> io::Result<ExitStatus> {
    let mut running = lock(&RUNNING);
    running.retain(|&id| id != child.id());
    child.wait()
}

/// Does something quick that cannot be interrupted.
pub(crate) fn undisturbed<T>(work: impl FnOnce() -> T) -> T {
    let _storing = lock(&STORING);
    work()
}

/// Waits for signals from now on; for the beginning of a program.
///
/// # Errors
///
/// The system allows no signal handler, or no thread.
#[cfg(unix)]
pub(crate) fn install() -> io::Result<()> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;

    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for signal in signals.forever() {
            // Held to the end, so that nothing new begins.
            let running = lock(&RUNNING);
            let _storing = lock(&STORING);
            for id in running.iter().filter_map(|&id| rustix::process::Pid::from_raw(i32::try_from(id).ok()?)) {
                // An error means that it has ended.
                let _ = rustix::process::kill_process_group(id, rustix::process::Signal::KILL);
            }
            // Does not return, as these signals end a program.
            let _ = signal_hook::low_level::emulate_default_handler(signal);
        }
    })?;
    Ok(())
}

/// Does nothing: elsewhere than on Unix, programs are started in no group of their own.
#[cfg(not(unix))]
pub(crate) fn install() -> io::Result<()> {
    Ok(())
}
