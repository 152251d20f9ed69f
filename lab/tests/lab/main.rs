//! The lab from the outside: real histories, generated repositories, orders over engines, bad input, and the program's
//! manners.

mod bad_input;
mod command_line;
mod endpoints;
mod helpers;
mod order;
mod real_histories;
mod repositories;
