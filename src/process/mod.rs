//! Settings of this process, and child processes.

pub mod backoff;
pub(crate) mod browser;
pub(crate) mod child;
pub mod core_dump;
#[cfg(test)]
mod old_processors;
pub(crate) mod poll;
pub(crate) mod scope;
pub(crate) mod suspend;
pub mod telemetry;
