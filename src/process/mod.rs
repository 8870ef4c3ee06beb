//! This process and its children.

pub mod backoff;
pub(crate) mod child;
pub mod core_dump;
