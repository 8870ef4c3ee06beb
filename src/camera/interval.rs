//! Measures the actual frame interval: cameras slow down in low light, regardless of the rate they report.

use std::time::{Duration, Instant};

/// Number of intervals in the median, which follows a new rate after three frames and ignores a single pause.
const WINDOW: usize = 5;

/// Limits of plausible intervals.
const MIN_INTERVAL: Duration = Duration::from_millis(4);
const MAX_INTERVAL: Duration = Duration::from_secs(2);

/// Measures frame intervals.
#[derive(Debug)]
pub(crate) struct Interval {
    nominal: Duration,
    last: Option<Instant>,
    recent: [Duration; WINDOW],
    count: usize,
}

impl Interval {
    /// For a camera that reports `fps` frames per second.
    pub(crate) fn new(fps: f64) -> Self {
        let fps = if fps.is_finite() { fps } else { 30.0 };
        let nominal = Duration::from_secs_f64(1.0 / fps.clamp(0.1, 1000.0)).clamp(MIN_INTERVAL, MAX_INTERVAL);
        Self { nominal, last: None, recent: [Duration::ZERO; WINDOW], count: 0 }
    }

    /// Records the arrival of a frame, valid or damaged.
    pub(crate) fn frame(&mut self, now: Instant) {
        if let Some(last) = self.last.replace(now) {
            self.recent[self.count % WINDOW] = now.saturating_duration_since(last);
            self.count += 1;
        }
    }

    /// Ignores the interval up to the next frame.
    pub(crate) fn skip(&mut self) {
        self.last = None;
    }

    /// Median of the last intervals, or the reported interval before any frame; 4 ms to 2 s.
    pub(crate) fn get(&self) -> Duration {
        let mut recent = self.recent;
        match &mut recent[..self.count.min(WINDOW)] {
            [] => self.nominal,
            some => {
                some.sort_unstable();
                some[some.len() / 2].clamp(MIN_INTERVAL, MAX_INTERVAL)
            }
        }
    }

    /// Timeout after which the camera counts as stalled: `timeout`, or longer for a slow camera.
    pub(crate) fn stall(&self, timeout: Duration) -> Duration {
        timeout.max(self.get() * 4)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(fps: f64, gaps: &[u64]) -> u128 {
        let mut interval = Interval::new(fps);
        let mut now = Instant::now();
        interval.frame(now);
        for gap in gaps {
            now += Duration::from_millis(*gap);
            interval.frame(now);
        }
        interval.get().as_millis()
    }

    #[test]
    fn measurements_override_the_reported_rate() {
        assert_eq!(after(25.0, &[]), 40);
        assert_eq!(after(30.0, &[100]), 100);
        assert_eq!(after(30.0, &[1000; 9]), 1000);
        assert_eq!(after(1.0, &[16; 9]), 16);
    }

    #[test]
    fn pauses_and_bursts_are_ignored() {
        assert_eq!(after(30.0, &[33, 33, 33, 5000, 33]), 33);
        assert_eq!(after(30.0, &[33, 0, 33, 0, 33]), 33);
        assert_eq!(after(30.0, &[33, 33, 33, 33, 133, 133, 133]), 133, "a new rate is known after three frames");
    }

    #[test]
    fn any_reported_rate_is_accepted() {
        for fps in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e9] {
            assert!((MIN_INTERVAL..=MAX_INTERVAL).contains(&Interval::new(fps).get()), "{fps}");
        }
        assert_eq!(after(30.0, &[60_000; 9]), 2000);
    }

    #[test]
    fn slow_cameras_get_a_longer_timeout() {
        let stall = |fps, millis| Interval::new(fps).stall(Duration::from_millis(millis)).as_millis();
        assert_eq!((stall(1.0, 500), stall(2.0, 500), stall(5.0, 100)), (4000, 2000, 800));
        assert_eq!((stall(30.0, 2000), stall(7.5, 2000), stall(1.0, 5000)), (2000, 2000, 5000));
    }
}
