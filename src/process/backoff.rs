//! Exponential back-off between attempts.

use std::time::Duration;

/// The delay before the next attempt: doubles after every failure, up to a limit.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    max: Duration,
    failures: u32,
}

impl Backoff {
    /// A back-off that starts with a delay of `first` and never exceeds `max`.
    pub const fn new(first: Duration, max: Duration) -> Self {
        Self { first, max, failures: 0 }
    }

    /// Counts a failure and returns the delay before the next attempt.
    pub fn next_delay(&mut self) -> Duration {
        let factor = 1_u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        self.failures = self.failures.saturating_add(1);
        self.first.saturating_mul(factor).min(self.max)
    }

    /// The failures since the last success.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Starts over after a success.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_doubles_up_to_the_maximum_and_resets() {
        let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(3));
        let delays: Vec<u128> = (0..6).map(|_| backoff.next_delay().as_millis()).collect();
        assert_eq!(delays, [200, 400, 800, 1600, 3000, 3000]);
        assert_eq!(backoff.failures(), 6);
        backoff.reset();
        assert_eq!(backoff.next_delay().as_millis(), 200);
    }

    #[test]
    fn the_delay_stays_at_the_maximum_after_many_failures() {
        let mut backoff = Backoff::new(Duration::from_millis(1), Duration::from_secs(3));
        assert!((0..100).map(|_| backoff.next_delay()).all(|delay| delay <= Duration::from_secs(3)));
        assert_eq!(backoff.next_delay(), Duration::from_secs(3));
    }
}
