//! This process and its children.

pub(crate) mod child;
pub mod core_dump;
