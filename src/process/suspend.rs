//! Suspends of the machine, measured by the lead of CLOCK_BOOTTIME over CLOCK_MONOTONIC.
//!
//! [`Instant`](std::time::Instant) is CLOCK_MONOTONIC, which stops during a suspend: measured by it, a frame from before
//! a suspend looks new.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// A shorter suspend is ignored, because the clocks are read one after the other.
const MIN_SUSPEND: Duration = Duration::from_millis(100);

/// The total time since boot for which the machine has been suspended.
pub(crate) fn total() -> Duration {
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

/// Whether the machine was suspended between two results of [`total`].
pub(crate) fn is_between(before: Duration, now: Duration) -> bool {
    now.saturating_sub(before) >= MIN_SUSPEND
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clocks_do_not_drift_apart_while_the_machine_is_awake() {
        let first = total();
        assert!((0..10_000).all(|_| !is_between(first, total())));
    }
}
