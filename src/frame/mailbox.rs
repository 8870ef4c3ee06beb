//! A mailbox with one slot: a newer value replaces an unread one, which is counted as dropped.

use std::{
    sync::{PoisonError, atomic::Ordering},
    time::Instant,
};

use crate::frame::sync::{AtomicU64, Condvar, Mutex, MutexGuard};

/// A single-slot mailbox between two threads.
///
/// Neither side allocates, and the sender never waits for the receiver.
#[derive(Debug)]
pub struct Latest<T> {
    slot: Mutex<Slot<T>>,
    filled: Condvar,
    dropped: AtomicU64,
}

#[derive(Debug)]
struct Slot<T> {
    value: Option<T>,
    closed: bool,
}

/// Result of waiting for a value.
#[derive(Debug, PartialEq, Eq)]
pub enum Taken<T> {
    /// The newest value.
    Value(T),
    /// No value arrived before the deadline.
    TimedOut,
    /// The mailbox is closed and empty.
    Closed,
}

impl<T> Default for Latest<T> {
    fn default() -> Self {
        Self {
            slot: Mutex::new(Slot { value: None, closed: false }),
            filled: Condvar::new(),
            dropped: AtomicU64::new(0),
        }
    }
}

impl<T> Latest<T> {
    /// Stores `value`, replacing an unread one.
    pub fn put(&self, value: T) {
        let old = self.lock().value.replace(value);
        self.filled.notify_one();
        if old.is_some() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits for a value until `deadline`.
    pub fn take(&self, deadline: Instant) -> Taken<T> {
        self.take_if(deadline, |_| true)
    }

    /// Waits until `deadline` for a value accepted by `wanted`; other values stay in the mailbox.
    pub fn take_if(&self, deadline: Instant, wanted: impl Fn(&T) -> bool) -> Taken<T> {
        let mut slot = self.lock();
        loop {
            if slot.value.as_ref().is_some_and(&wanted)
                && let Some(value) = slot.value.take()
            {
                return Taken::Value(value);
            }
            if slot.closed {
                return Taken::Closed;
            }
            let Some(left) = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) else {
                return Taken::TimedOut;
            };
            slot = self.filled.wait_timeout(slot, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Whether the mailbox has a value accepted by `wanted`. Does not remove it.
    pub fn has(&self, wanted: impl Fn(&T) -> bool) -> bool {
        self.lock().value.as_ref().is_some_and(wanted)
    }

    /// Takes the current value, if any, without waiting.
    pub fn try_take(&self) -> Option<T> {
        self.lock().value.take()
    }

    /// Closes the mailbox and wakes the receiver, which gets [`Taken::Closed`] after the last value.
    pub fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_all();
    }

    /// Number of values replaced before they were read.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    // A panic while the lock is held cannot leave a partial value: `Option::replace` and `take` are atomic in this
    // respect. So a poisoned lock is safe to use.
    fn lock(&self) -> MutexGuard<'_, Slot<T>> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
