//! State machines to use, or to read before writing another.

pub mod claims;
pub mod lock;
pub mod register;
