//! The time from frame to frame as it really is: cameras slow down in the dark, whatever they have agreed to.

use std::time::{Duration, Instant};

/// Intervals that are looked at. The median of them follows a new rate after three frames, and no single pause.
const WINDOW: usize = 5;

/// The frame times that are believed.
const SHORTEST: Duration = Duration::from_millis(4);
const LONGEST: Duration = Duration::from_secs(2);

/// Measures the time from frame to frame.
#[derive(Debug)]
pub(crate) struct Interval {
    nominal: Duration,
    last: Option<Instant>,
    recent: [Duration; WINDOW],
    count: usize,
}

impl Interval {
    /// For a camera that says that it gives `fps` frames a second.
    pub(crate) fn new(fps: f64) -> Self {
        let fps = if fps.is_finite() { fps } else { 30.0 };
        let nominal = Duration::from_secs_f64(1.0 / fps.clamp(0.1, 1000.0)).clamp(SHORTEST, LONGEST);
        Self { nominal, last: None, recent: [Duration::ZERO; WINDOW], count: 0 }
    }

    /// Takes in that a frame has come, whole or damaged.
    pub(crate) fn frame(&mut self, now: Instant) {
        if let Some(last) = self.last.replace(now) {
            self.recent[self.count % WINDOW] = now.saturating_duration_since(last);
            self.count += 1;
        }
    }

    /// The pause up to the next frame says nothing.
    pub(crate) fn skip(&mut self) {
        self.last = None;
    }

    /// The median of the last intervals; before there are any, what the camera says. From 4 ms to 2 s.
    pub(crate) fn get(&self) -> Duration {
        let mut recent = self.recent;
        match &mut recent[..self.count.min(WINDOW)] {
            [] => self.nominal,
            some => {
                some.sort_unstable();
                some[some.len() / 2].clamp(SHORTEST, LONGEST)
            }
        }
    }

    /// How long to wait for a frame before the camera counts as stalled: `timeout`, or longer where it is slow.
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
    fn what_is_measured_counts_and_not_what_the_camera_says() {
        assert_eq!(after(25.0, &[]), 40);
        assert_eq!(after(30.0, &[100]), 100);
        assert_eq!(after(30.0, &[1000; 9]), 1000);
        assert_eq!(after(1.0, &[16; 9]), 16);
    }

    #[test]
    fn a_pause_and_a_burst_are_no_rate() {
        assert_eq!(after(30.0, &[33, 33, 33, 5000, 33]), 33);
        assert_eq!(after(30.0, &[33, 0, 33, 0, 33]), 33);
        assert_eq!(after(30.0, &[33, 33, 33, 33, 133, 133, 133]), 133, "a new rate is known after three frames");
    }

    #[test]
    fn no_rate_is_too_odd() {
        for fps in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e9] {
            assert!((SHORTEST..=LONGEST).contains(&Interval::new(fps).get()), "{fps}");
        }
        assert_eq!(after(30.0, &[60_000; 9]), 2000);
    }

    #[test]
    fn a_slow_camera_is_waited_for_and_a_fast_one_as_the_settings_say() {
        let stall = |fps, millis| Interval::new(fps).stall(Duration::from_millis(millis)).as_millis();
        assert_eq!((stall(1.0, 500), stall(2.0, 500), stall(5.0, 100)), (4000, 2000, 800));
        assert_eq!((stall(30.0, 2000), stall(7.5, 2000), stall(1.0, 5000)), (2000, 2000, 5000));
    }
}
