//! Frame pacing for sources without hardware timing.

use std::{
    thread,
    time::{Duration, Instant},
};

/// Delays frames until they are due.
#[derive(Debug)]
pub(super) struct Pacer {
    interval: Duration,
    due: Option<Instant>,
}

impl Pacer {
    /// Paces at `fps`, limited to 0.1 to 240.
    pub(super) fn new(fps: f64) -> Self {
        Self { interval: Duration::from_secs_f64(1.0 / fps.clamp(0.1, 240.0)), due: None }
    }

    /// Sleeps until the next frame is due.
    pub(super) fn wait(&mut self) {
        thread::sleep(self.step(Instant::now()));
    }

    /// Time from `now` until the next frame is due.
    pub(super) fn left(&self, now: Instant) -> Duration {
        self.due.unwrap_or(now).saturating_duration_since(now)
    }

    /// How long to wait at `now`. A late caller continues immediately; one that is late by a whole interval resets
    /// the schedule, so that no burst follows a pause.
    fn step(&mut self, now: Instant) -> Duration {
        let due = self.due.filter(|due| now.saturating_duration_since(*due) < self.interval).unwrap_or(now);
        self.due = Some(due + self.interval);
        due.saturating_duration_since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_schedule_and_resets_after_a_pause() {
        let mut pace = Pacer::new(10.0);
        let start = Instant::now();
        let mut at = |millis: u64| pace.step(start + Duration::from_millis(millis)).as_millis();
        assert_eq!(at(0), 0);
        assert_eq!(at(30), 70);
        assert_eq!(at(230), 0); // late by 30 ms: immediately,
        assert_eq!(at(235), 65); // on the same schedule
        assert_eq!(at(5000), 0);
        assert_eq!(at(5000), 100);
    }
}
