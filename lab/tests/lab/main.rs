//! Tests of the lab from the outside: real histories, generated and hostile repositories, orders over engines, bad
//! input, and the program's output.

mod bad_input;
mod command_line;
mod endpoints;
mod helpers;
mod hostile_repositories;
#[cfg(unix)]
mod interrupted;
mod order;
mod real_histories;
mod repositories;
