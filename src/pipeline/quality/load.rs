//! Keeps up the frame rate on a busy machine: masks get cheaper when they are late, and better again when load drops.
//!
//! Pure rules, called once per second. The rate of keyframes is reduced first, then keyframes are dropped entirely; the
//! output's frame rate drops only when even the fast model is late (see `render`).

/// Consecutive seconds with too many late masks before a step down.
const MAX_BAD_SECONDS: u32 = 2;

/// The share of late masks, in percent, above which two steps are taken at once, and the next after one more second: one
/// step would not be enough, and until then the output is slow or lacks the person.
const SEVERE_PERCENT: u64 = 75;

/// Consecutive good seconds before a step is undone.
const RECOVERY_SECONDS: u32 = 10;

/// The upper limit for that number, which doubles each time a step is undone too early.
const MAX_RECOVERY_SECONDS: u32 = 300;

/// Totals since the start.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct FrameCounts {
    /// Camera frames.
    pub(crate) frames: u64,
    /// Those without a mask of their own in time.
    pub(crate) late: u64,
}

/// How far masks are degraded, second by second.
#[derive(Debug)]
pub(crate) struct Load {
    last: FrameCounts,
    step: u8,
    max_step: u8,
    bad: u32,
    good: u32,
    recovery: u32,
    /// The last change undid a step.
    is_trial: bool,
}

impl Load {
    /// Starts with step 0; `max_step` is the last one.
    pub(crate) fn new(max_step: u8, counted: FrameCounts) -> Self {
        Self { last: counted, step: 0, max_step, bad: 0, good: 0, recovery: RECOVERY_SECONDS, is_trial: false }
    }

    /// Whether the last second was good, with nothing degraded.
    pub(crate) fn is_on_time(&self) -> bool {
        self.step == 0 && self.good > 0
    }

    /// Evaluates another second; returns the step if it changes.
    pub(crate) fn tick(&mut self, counted: FrameCounts) -> Option<u8> {
        let frames = counted.frames.saturating_sub(self.last.frames);
        let late = counted.late.saturating_sub(self.last.late);
        self.last = counted;
        if frames == 0 {
            return None;
        }
        let is_severe = late * 100 > frames * SEVERE_PERCENT;
        if late * 10 > frames {
            self.good = 0;
            self.bad += 1;
        } else {
            // a few late masks are neither good nor bad
            self.good = if late * 50 <= frames { self.good + 1 } else { 0 };
            self.bad = 0;
        }
        if self.bad >= MAX_BAD_SECONDS && self.step < self.max_step {
            self.bad = 0;
            if std::mem::take(&mut self.is_trial) {
                self.recovery = (self.recovery * 2).min(MAX_RECOVERY_SECONDS);
            }
            if is_severe {
                self.bad = MAX_BAD_SECONDS - 1;
                self.step += 1;
            }
            self.step = (self.step + 1).min(self.max_step);
            return Some(self.step);
        }
        if self.good >= self.recovery && self.step > 0 {
            self.good = 0;
            self.is_trial = true;
            self.step -= 1;
            return Some(self.step);
        }
        if self.step == 0 && self.good >= MAX_RECOVERY_SECONDS {
            self.recovery = RECOVERY_SECONDS; // clear earlier failures
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The second and the step of each change, where `late` is the number of late frames out of 30 at a second and
    /// step.
    fn steps(seconds: u64, late: impl Fn(u64, u8) -> u64) -> Vec<(u64, u8)> {
        let mut load = Load::new(3, FrameCounts::default());
        let mut counted = FrameCounts::default();
        let mut step = 0;
        let mut changes = Vec::new();
        for second in 1..=seconds {
            counted.frames += 30;
            counted.late += late(second, step);
            if let Some(new) = load.tick(counted) {
                changes.push((second, new));
                step = new;
            }
        }
        changes
    }

    #[test]
    fn an_idle_machine_is_not_degraded() {
        assert_eq!(steps(600, |second, _| u64::from(second % 7 == 0)), []);
    }

    #[test]
    fn a_short_burst_changes_nothing() {
        assert_eq!(steps(60, |second, _| if second == 20 { 25 } else { 0 }), []);
    }

    #[test]
    fn load_degrades_until_it_fits_and_recovery_follows() {
        let busy = |second: u64, step: u8| if (10..40).contains(&second) && step < 2 { 15 } else { 0 };
        let changes = steps(200, busy);
        assert_eq!(changes[..2], [(11, 1), (13, 2)]);
        assert_eq!(changes.last().unwrap().1, 0, "{changes:?}");
    }

    #[test]
    fn recovery_is_rarely_retried_on_a_busy_machine() {
        let changes = steps(3600, |_, step| if step < 2 { 15 } else { 0 });
        let tries = changes.iter().filter(|(_, step)| *step == 1).count();
        assert!(tries < 30, "{tries} tries in an hour: {changes:?}");
    }

    #[test]
    fn degradation_stops_at_the_maximum_step() {
        assert_eq!(steps(100, |_, _| 20), [(2, 1), (4, 2), (6, 3)]);
    }

    #[test]
    fn if_nearly_all_masks_are_late_it_degrades_faster() {
        assert_eq!(steps(100, |_, _| 30), [(2, 2), (3, 3)]);
        assert_eq!(steps(6, |_, step| if step == 0 { 30 } else { 0 }), [(2, 2)]);
        let changes = steps(7, |second, _| if second < 3 { 30 } else { 20 });
        assert_eq!(changes, [(2, 2), (3, 3)], "the last step follows after one bad second");
    }

    #[test]
    fn a_closed_camera_does_not_count() {
        let mut load = Load::new(3, FrameCounts::default());
        assert!((0..100).all(|_| load.tick(FrameCounts { frames: 0, late: 50 }).is_none()));
    }
}
