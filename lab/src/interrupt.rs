//! The clean-up of an interrupted program: nothing of it remains.
//!
//! A signal (SIGINT, SIGTERM) ends the program at any point. Two things would outlive it: a file that is not yet in its
//! place, and programs that it has started in their own process groups, which the terminal does not reach. So a thread
//! waits for the signal. It ends the programs, waits until a file that is being renamed is in its place, and then ends
//! this program as the signal would have done.
//!
//! SIGKILL cannot be handled.

use std::io;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The process numbers of the running programs. While the lock is held, this program does not end.
static RUNNING: Mutex<Vec<u32>> = Mutex::new(Vec::new());

/// Held while a file is renamed into its place, which must not be interrupted.
static STORING: Mutex<()> = Mutex::new(());

/// Locks, even after a panic of another holder: the list is valid between any two statements.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts a program as the leader of its own process group, which is ended if this program is interrupted.
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

/// Runs short work that must not be interrupted.
pub(crate) fn undisturbed<T>(work: impl FnOnce() -> T) -> T {
    let _storing = lock(&STORING);
    work()
}

/// Handles signals from now on; to be called at the start of the program.
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
            // Held to the end, so that no new program starts.
            let running = lock(&RUNNING);
            let _storing = lock(&STORING);
            for id in running.iter().filter_map(|&id| rustix::process::Pid::from_raw(i32::try_from(id).ok()?)) {
                // An error means that the program has ended already.
                let _ = rustix::process::kill_process_group(id, rustix::process::Signal::KILL);
            }
            // Does not return, as these signals end a program.
            let _ = signal_hook::low_level::emulate_default_handler(signal);
        }
    })?;
    Ok(())
}

/// Does nothing: on other systems than Unix, programs are not started in their own groups.
#[cfg(not(unix))]
pub(crate) fn install() -> io::Result<()> {
    Ok(())
}
