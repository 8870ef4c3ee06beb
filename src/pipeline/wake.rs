//! The signal that stops the threads and interrupts their waits.

use std::{
    sync::{Condvar, Mutex, PoisonError},
    time::Instant,
};

/// Stops the threads, and wakes those that wait for a retry or a timeout.
#[derive(Debug, Default)]
pub(super) struct WakeSignal {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default, Clone, Copy)]
struct State {
    stopped: bool,
    epoch: u64,
}

impl WakeSignal {
    /// Tells all threads to stop; there is no restart.
    pub(super) fn stop(&self) {
        self.change(|state| state.stopped = true);
    }

    /// Wakes all waiting threads because something they depend on has changed.
    pub(super) fn wake(&self) {
        self.change(|state| state.epoch += 1);
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).stopped
    }

    /// The number of wakes so far. Read it before the state that a wake announces, so that no wake is missed.
    pub(super) fn epoch(&self) -> u64 {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).epoch
    }

    /// Waits until `deadline`, the next wake or the stop, whichever comes first.
    pub(super) fn wait(&self, deadline: Instant) {
        self.wait_since(self.epoch(), deadline);
    }

    /// Like [`Self::wait`], but returns immediately if there was a wake since `epoch`.
    pub(super) fn wait_since(&self, epoch: u64, deadline: Instant) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        while !state.stopped && state.epoch == epoch {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, thread, time::Duration};

    use super::*;

    #[test]
    fn a_wake_before_the_wait_is_not_missed() {
        let signal = WakeSignal::default();
        let epoch = signal.epoch();
        signal.wake();
        signal.wait_since(epoch, Instant::now() + Duration::from_secs(3600));
    }

    #[test]
    fn a_stop_ends_every_wait() {
        let signal = Arc::new(WakeSignal::default());
        let waiter = Arc::clone(&signal);
        let thread = thread::spawn(move || {
            while !waiter.is_stopped() {
                waiter.wait(Instant::now() + Duration::from_secs(60));
            }
        });
        signal.wake();
        signal.stop();
        thread.join().unwrap();
    }
}
