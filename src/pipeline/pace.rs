//! When to stop and when to try again: the stop switch and the back-off that the threads share.

use std::{
    sync::{Condvar, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// The switch that stops the threads and wakes those that wait to try again.
#[derive(Debug, Default)]
pub(super) struct Switch {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default, Clone, Copy)]
struct State {
    stopped: bool,
    wakes: u64,
}

impl Switch {
    /// Stops everybody, for good.
    pub(super) fn stop(&self) {
        self.change(|state| state.stopped = true);
    }

    /// Wakes those that wait: the settings changed.
    pub(super) fn wake(&self) {
        self.change(|state| state.wakes += 1);
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).stopped
    }

    /// To be taken before looking at what a wake announces, so that none is missed.
    pub(super) fn ticket(&self) -> u64 {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).wakes
    }

    /// Waits until `deadline`, the next wake or the stop, whichever comes first.
    pub(super) fn wait(&self, deadline: Instant) {
        self.wait_since(self.ticket(), deadline);
    }

    /// The same, but a wake since `before` was taken counts too.
    pub(super) fn wait_since(&self, before: u64, deadline: Instant) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        while !state.stopped && state.wakes == before {
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

/// The time to wait before trying again: doubles from 200 ms to 3 s, and starts anew after a success.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(200);
    const LONGEST: Duration = Duration::from_secs(3);

    /// Counts one more failure and says how long to wait.
    pub(super) fn next(&mut self) -> Duration {
        let wait = Self::FIRST.saturating_mul(1 << self.failures.min(8)).min(Self::LONGEST);
        self.failures += 1;
        wait
    }

    /// It worked.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, thread};

    use super::*;

    #[test]
    fn the_wait_doubles_up_to_a_bound_and_starts_anew() {
        let mut backoff = Backoff::default();
        let waits: Vec<u128> = (0..6).map(|_| backoff.next().as_millis()).collect();
        assert_eq!(waits, [200, 400, 800, 1600, 3000, 3000]);
        backoff.reset();
        assert_eq!(backoff.next().as_millis(), 200);
    }

    #[test]
    fn a_wake_before_the_wait_is_not_missed() {
        let switch = Switch::default();
        let ticket = switch.ticket();
        switch.wake();
        switch.wait_since(ticket, Instant::now() + Duration::from_secs(3600));
    }

    #[test]
    fn a_stop_ends_every_wait() {
        let switch = Arc::new(Switch::default());
        let waiter = Arc::clone(&switch);
        let thread = thread::spawn(move || {
            while !waiter.is_stopped() {
                waiter.wait(Instant::now() + Duration::from_secs(60));
            }
        });
        switch.wake();
        switch.stop();
        thread.join().unwrap();
    }
}
