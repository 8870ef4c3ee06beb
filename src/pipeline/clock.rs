//! The pipeline's clocks: monotonic time, and the total time the machine has been suspended.

use std::time::{Duration, Instant};

use crate::process::suspend;

/// The clocks used by the pipeline; tests set their own.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    /// The current time; does not advance during a suspend.
    pub now: fn() -> Instant,
    /// The total suspend time since boot.
    pub suspended: fn() -> Duration,
}

impl Default for Clock {
    fn default() -> Self {
        Self { now: Instant::now, suspended: suspend::total }
    }
}

/// Detects suspends, reporting each once.
#[derive(Debug)]
pub(super) struct SuspendDetector {
    total: Duration,
}

impl SuspendDetector {
    pub(super) fn new(clock: &Clock) -> Self {
        Self { total: (clock.suspended)() }
    }

    /// The total suspend time when the last suspend was detected.
    pub(super) fn total(&self) -> Duration {
        self.total
    }

    /// Whether the machine was suspended since the last call.
    pub(super) fn poll(&mut self, clock: &Clock) -> bool {
        let now = (clock.suspended)();
        let has = suspend::is_between(self.total, now);
        if has {
            self.total = now;
        }
        has
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    thread_local!(static SUSPENDED: Cell<Duration> = const { Cell::new(Duration::ZERO) });

    #[test]
    fn a_suspend_is_reported_once_and_clock_jitter_is_ignored() {
        let clock = Clock { suspended: || SUSPENDED.get(), ..Clock::default() };
        let mut suspends = SuspendDetector::new(&clock);
        let mut at = |millis| {
            SUSPENDED.set(Duration::from_millis(millis));
            suspends.poll(&clock)
        };
        assert_eq!([0, 1, 0, 99, 50].map(&mut at), [false; 5]);
        assert_eq!([5000, 5000, 5001].map(&mut at), [true, false, false]);
        assert_eq!([5150, 5150].map(&mut at), [true, false]);
    }
}
