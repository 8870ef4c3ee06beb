//! A mailbox with one place: the newest value wins, and what nobody took in time is counted as dropped.

use std::{
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

/// A one-place mailbox between two threads.
///
/// Neither side allocates, and the sender never waits for the receiver.
#[derive(Debug)]
pub struct Latest<T> {
    place: Mutex<Place<T>>,
    filled: Condvar,
    dropped: AtomicU64,
}

#[derive(Debug)]
struct Place<T> {
    value: Option<T>,
    closed: bool,
}

/// What came of waiting at a mailbox.
#[derive(Debug, PartialEq, Eq)]
pub enum Taken<T> {
    /// The newest value.
    Value(T),
    /// Nothing came before the deadline.
    TimedOut,
    /// Nothing will come any more.
    Closed,
}

impl<T> Default for Latest<T> {
    fn default() -> Self {
        Self {
            place: Mutex::new(Place { value: None, closed: false }),
            filled: Condvar::new(),
            dropped: AtomicU64::new(0),
        }
    }
}

impl<T> Latest<T> {
    /// Puts `value` in, in place of one that nobody took.
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

    /// Waits until `deadline` for a value that `wanted` accepts; others stay in their place.
    pub fn take_if(&self, deadline: Instant, wanted: impl Fn(&T) -> bool) -> Taken<T> {
        let mut place = self.lock();
        loop {
            if place.value.as_ref().is_some_and(&wanted)
                && let Some(value) = place.value.take()
            {
                return Taken::Value(value);
            }
            if place.closed {
                return Taken::Closed;
            }
            let Some(left) = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) else {
                return Taken::TimedOut;
            };
            place = self.filled.wait_timeout(place, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Whether something is there that `wanted` accepts; it stays in its place.
    pub fn has(&self, wanted: impl Fn(&T) -> bool) -> bool {
        self.lock().value.as_ref().is_some_and(wanted)
    }

    /// Takes what is there, without waiting.
    pub fn try_take(&self) -> Option<T> {
        self.lock().value.take()
    }

    /// Wakes the receiver for the last time: after what is in the box, it gets [`Taken::Closed`].
    pub fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_all();
    }

    /// How many values were replaced before anybody took them.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    // A thread that panicked while holding the lock left a whole value behind: `Option::replace` and `take` can't stop
    // half-way. So a poisoned lock is as good as another.
    fn lock(&self) -> MutexGuard<'_, Place<T>> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, thread, time::Duration};

    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(20)
    }

    #[test]
    fn the_newest_wins_and_the_rest_is_counted() {
        let mailbox = Latest::default();
        (1..=3).for_each(|n| mailbox.put(n));
        assert_eq!(mailbox.take(soon()), Taken::Value(3));
        assert_eq!(mailbox.dropped(), 2);
        assert_eq!(mailbox.take(Instant::now()), Taken::TimedOut);
    }

    #[test]
    fn a_receiver_waits_for_what_it_wants() {
        let mailbox = Arc::new(Latest::default());
        mailbox.put(1);
        let sender = Arc::clone(&mailbox);
        let thread = thread::spawn(move || (2..=5).for_each(|n| sender.put(n)));
        assert_eq!(mailbox.take_if(soon(), |n| *n >= 5), Taken::Value(5));
        thread.join().unwrap();
    }

    #[test]
    fn closing_wakes_the_receiver_after_the_last_value() {
        let mailbox = Arc::new(Latest::default());
        let receiver = Arc::clone(&mailbox);
        let thread = thread::spawn(move || (receiver.take(soon()), receiver.take(soon())));
        mailbox.put(7);
        mailbox.close();
        let (first, second) = thread.join().unwrap();
        assert!(matches!(first, Taken::Value(7)));
        assert!(matches!(second, Taken::Closed));
    }
}
