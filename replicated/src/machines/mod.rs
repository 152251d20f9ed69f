//! State machines to be used, or to be read before writing one's own.

pub mod claims;
pub mod lock;
pub mod register;
