//! The program `hb`. Everything it does is in the library beside it, so that tests can call it.

use std::process::ExitCode;

#[cfg(unix)]
mod closed;

fn main() -> ExitCode {
    #[cfg(unix)]
    if closed::standard_output() {
        return happens_before_lab::cli::without_output();
    }
    happens_before_lab::cli::main()
}
