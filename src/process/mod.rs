//! Settings of this process, and child processes.

pub mod backoff;
pub(crate) mod child;
pub mod core_dump;
pub(crate) mod poll;
pub(crate) mod suspend;
pub mod telemetry;
