//! Prints the public interface of a crate, one item a line, from the JSON file of rustdoc that is the argument.
//!
//! The order is that of `cargo public-api`. Left out is what says nothing new: implementations for all types, those of
//! auto traits, and the methods of derived traits. That a trait is derived stays in.

use std::collections::BTreeSet;
use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use public_api::{Builder, PublicApi};

fn main() -> ExitCode {
    let Some(path) = std::env::args_os().nth(1) else {
        eprintln!("error: no file: name the JSON file that rustdoc has written");
        return ExitCode::FAILURE;
    };
    match interface(Path::new(&path)) {
        Ok(lines) => {
            print!("{lines}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {}: {error}", path.display());
            ExitCode::FAILURE
        }
    }
}

fn interface(path: &Path) -> Result<String, Box<dyn Error>> {
    let written: BTreeSet<String> = read(path, true)?.items().map(ToString::to_string).collect();
    let mut lines = String::new();
    for item in read(path, false)?.items() {
        let line = item.to_string();
        let derived = line.starts_with("impl") && !line.contains("core::marker::StructuralPartialEq");
        if written.contains(&line) || derived {
            lines.push_str(&line);
            lines.push('\n');
        }
    }
    Ok(lines)
}

fn read(path: &Path, omit_derived: bool) -> Result<PublicApi, public_api::Error> {
    Builder::from_rustdoc_json(path)
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .omit_auto_derived_impls(omit_derived)
        .build()
}
