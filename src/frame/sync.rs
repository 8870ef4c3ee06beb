//! The locks and atomics of the mailbox and the wake signal. `tests/loom.rs` compiles both with those of loom instead.

pub(crate) use std::sync::{Condvar, Mutex, MutexGuard, atomic::AtomicU64};
