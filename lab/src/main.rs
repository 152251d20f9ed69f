//! The program `hb`. The library holds all its code, so that tests can call it.

use std::process::ExitCode;

fn main() -> ExitCode {
    happens_before_lab::cli::main()
}
