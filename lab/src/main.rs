//! The program `hb`. Everything it does is in the library beside it, so that tests can call it.

use std::process::ExitCode;

fn main() -> ExitCode {
    happens_before_lab::cli::main()
}
