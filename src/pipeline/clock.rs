//! The clocks of the pipeline: one that stands while the machine is suspended, and how long it has been.
//!
//! [`Instant`] is CLOCK_MONOTONIC, which does not run in a suspend: by it a picture of yesterday was taken a moment ago.

use std::time::{Duration, Instant};

/// A suspend that is shorter is none; the clocks are read one after the other, not at one time.
const SHORTEST: Duration = Duration::from_millis(100);

/// The clocks that the pipeline goes by; tests have their own.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    /// The time, which stands still in a suspend.
    pub now: fn() -> Instant,
    /// How long the machine has been suspended since it was started.
    pub suspended: fn() -> Duration,
}

impl Default for Clock {
    fn default() -> Self {
        Self { now: Instant::now, suspended }
    }
}

/// How long the machine has been suspended since it was started: what CLOCK_BOOTTIME is ahead of CLOCK_MONOTONIC.
fn suspended() -> Duration {
    const ATTEMPTS: u32 = 5;
    let mut ahead = Duration::ZERO;
    for _ in 0..ATTEMPTS {
        let (before, boot, after) =
            (read(libc::CLOCK_MONOTONIC), read(libc::CLOCK_BOOTTIME), read(libc::CLOCK_MONOTONIC));
        ahead = boot.saturating_sub(before);
        if after.saturating_sub(before) < SHORTEST / 10 {
            break; // nobody took the CPU away in between
        }
    }
    ahead
}

fn read(clock: libc::clockid_t) -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes to a timespec of ours. Both clocks exist on every Linux that runs us; without one it stays 0.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    Duration::new(time.tv_sec.try_into().unwrap_or_default(), time.tv_nsec.try_into().unwrap_or_default())
}

/// Whether the machine was suspended between two moments, by what [`Clock::suspended`] said at each.
pub(super) fn was_suspended(before: Duration, now: Duration) -> bool {
    now.saturating_sub(before) >= SHORTEST
}

/// Notices suspends, each once.
#[derive(Debug)]
pub(super) struct Suspends {
    seen: Duration,
}

impl Suspends {
    pub(super) fn new(clock: &Clock) -> Self {
        Self { seen: (clock.suspended)() }
    }

    /// How long the machine had been suspended at the last suspend that was noticed.
    pub(super) fn seen(&self) -> Duration {
        self.seen
    }

    /// Whether the machine was suspended since this was asked last.
    pub(super) fn look(&mut self, clock: &Clock) -> bool {
        let now = (clock.suspended)();
        let has = was_suspended(self.seen, now);
        if has {
            self.seen = now;
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
    fn a_suspend_is_noticed_once_and_trembling_clocks_are_none() {
        let clock = Clock { suspended: || SUSPENDED.get(), ..Clock::default() };
        let mut suspends = Suspends::new(&clock);
        let mut at = |millis| {
            SUSPENDED.set(Duration::from_millis(millis));
            suspends.look(&clock)
        };
        assert_eq!([0, 1, 0, 99, 50].map(&mut at), [false; 5]);
        assert_eq!([5000, 5000, 5001].map(&mut at), [true, false, false]);
        assert_eq!([5150, 5150].map(&mut at), [true, false]);
    }

    #[test]
    fn this_machines_clocks_stay_together_while_it_is_awake() {
        let first = suspended();
        assert!((0..10_000).all(|_| !was_suspended(first, suspended())));
    }
}
