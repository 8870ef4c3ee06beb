//! Keeping the rate on a busy machine: masks get cheaper when they come too late, and better again when there is room.
//!
//! The rules alone, looked at once a second. What gives way first is the rate of the key frames, then the key frames as a
//! whole; the picture's own rate gives way last, when even the fast model is late (see `render`).

/// Seconds in a row with too many late masks that make a step.
const PATIENCE: u32 = 2;

/// Seconds in a row in which all was well, before a step is taken back.
const CALM: u32 = 10;

/// The same, at the most: it doubles each time that a step back was too early.
const LONGEST_CALM: u32 = 300;

/// What was counted up to now.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counted {
    /// Frames of the camera.
    pub(crate) frames: u64,
    /// Of these, those that had no mask of their own in time.
    pub(crate) late: u64,
}

/// How far the masks are eased, second by second.
#[derive(Debug)]
pub(crate) struct Load {
    last: Counted,
    step: u8,
    lowest: u8,
    bad: u32,
    good: u32,
    calm: u32,
    /// The last change was a step back.
    tried: bool,
}

impl Load {
    /// Begins with step 0; `lowest` is the last step there is.
    pub(crate) fn new(lowest: u8, counted: Counted) -> Self {
        Self { last: counted, step: 0, lowest, bad: 0, good: 0, calm: CALM, tried: false }
    }

    /// Whether all was well in the last second, without easing anything.
    pub(crate) fn is_calm(&self) -> bool {
        self.step == 0 && self.good > 0
    }

    /// Looks at another second; the new step, when it is another.
    pub(crate) fn second(&mut self, counted: Counted) -> Option<u8> {
        let frames = counted.frames.saturating_sub(self.last.frames);
        let late = counted.late.saturating_sub(self.last.late);
        self.last = counted;
        if frames == 0 {
            return None;
        }
        if late * 10 > frames {
            (self.good, self.bad) = (0, self.bad + 1);
        } else {
            // a few late ones are neither good nor bad
            self.good = if late * 50 <= frames { self.good + 1 } else { 0 };
            self.bad = 0;
        }
        if self.bad >= PATIENCE && self.step < self.lowest {
            self.bad = 0;
            if std::mem::take(&mut self.tried) {
                self.calm = (self.calm * 2).min(LONGEST_CALM);
            }
            self.step += 1;
            return Some(self.step);
        }
        if self.good >= self.calm && self.step > 0 {
            (self.good, self.tried) = (0, true);
            self.step -= 1;
            return Some(self.step);
        }
        if self.step == 0 && self.good >= LONGEST_CALM {
            self.calm = CALM; // what was, is over
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The second and the new step of each change, where `late` says how many of 30 frames are late at which step.
    fn steps(seconds: u64, late: impl Fn(u64, u8) -> u64) -> Vec<(u64, u8)> {
        let (mut load, mut counted, mut step) = (Load::new(3, Counted::default()), Counted::default(), 0);
        let mut changes = Vec::new();
        for second in 1..=seconds {
            counted.frames += 30;
            counted.late += late(second, step);
            if let Some(new) = load.second(counted) {
                changes.push((second, new));
                step = new;
            }
        }
        changes
    }

    #[test]
    fn a_quiet_machine_is_left_alone() {
        assert_eq!(steps(600, |second, _| u64::from(second % 7 == 0)), []);
    }

    #[test]
    fn a_short_burst_is_borne() {
        assert_eq!(steps(60, |second, _| if second == 20 { 25 } else { 0 }), []);
    }

    #[test]
    fn load_takes_it_down_until_it_fits_and_quiet_takes_it_back() {
        let busy = |second: u64, step: u8| if (10..40).contains(&second) && step < 2 { 15 } else { 0 };
        let changes = steps(200, busy);
        assert_eq!(changes[..2], [(11, 1), (13, 2)]);
        assert_eq!(changes.last().unwrap().1, 0, "{changes:?}");
    }

    #[test]
    fn a_machine_that_stays_busy_is_not_tried_again_and_again() {
        let changes = steps(3600, |_, step| if step < 2 { 15 } else { 0 });
        let tries = changes.iter().filter(|(_, step)| *step == 1).count();
        assert!(tries < 30, "{tries} tries in an hour: {changes:?}");
    }

    #[test]
    fn it_ends_at_the_lowest_step() {
        assert_eq!(steps(100, |_, _| 30), [(2, 1), (4, 2), (6, 3)]);
    }

    #[test]
    fn a_camera_that_is_off_says_nothing_about_the_load() {
        let mut load = Load::new(3, Counted::default());
        assert!((0..100).all(|_| load.second(Counted { frames: 0, late: 50 }).is_none()));
    }
}
