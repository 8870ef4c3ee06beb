//! The signal that stops the threads and interrupts their waits.

use std::{sync::PoisonError, time::Instant};

use crate::frame::sync::{Condvar, Mutex};

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
