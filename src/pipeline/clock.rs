//! The pipeline's clocks: monotonic time, and the total time the machine has been suspended.
//!
//! [`Instant`] is CLOCK_MONOTONIC, which stops during a suspend: measured by it, a frame from before a suspend looks
//! new.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// A shorter suspend is ignored, because the clocks are read one after the other.
const MIN_SUSPEND: Duration = Duration::from_millis(100);

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
        Self { now: Instant::now, suspended }
    }
}

/// The total suspend time since boot: the lead of CLOCK_BOOTTIME over CLOCK_MONOTONIC.
fn suspended() -> Duration {
    const ATTEMPTS: u32 = 5;
    let mut ahead = Duration::ZERO;
    for _ in 0..ATTEMPTS {
        let before = read(ClockId::Monotonic);
        let boot = read(ClockId::Boottime);
        let after = read(ClockId::Monotonic);
        ahead = boot.saturating_sub(before);
        if after.saturating_sub(before) < MIN_SUSPEND / 10 {
            break; // this thread was not preempted in between
        }
    }
    ahead
}

fn read(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    Duration::new(time.tv_sec.try_into().unwrap_or_default(), time.tv_nsec.try_into().unwrap_or_default())
}

/// Whether the machine was suspended between two results of [`Clock::suspended`].
pub(super) fn was_suspended(before: Duration, now: Duration) -> bool {
    now.saturating_sub(before) >= MIN_SUSPEND
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
        let has = was_suspended(self.total, now);
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

    #[test]
    fn the_clocks_do_not_drift_apart_while_the_machine_is_awake() {
        let first = suspended();
        assert!((0..10_000).all(|_| !was_suspended(first, suspended())));
    }
}
