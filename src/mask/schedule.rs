//! When the next key frame is due: as soon as the picture has changed much, seldom while it hardly moves.

use super::{matte::Drift, quality::Plan};

/// 30ths of a second from key to key while nothing moves: the model may still change its mind.
const STILL: u32 = 30;

/// Lost shares of the picture, added up frame by frame, from which on anything moves.
const STIRRED: f32 = 0.002;

/// The sum from which on much has changed.
const CHANGED: f32 = 0.15;

/// What was mended counts this much more than what was lost: there the alpha was wrong.
const MENDED: f32 = 10.0;

/// Key frames that can be saved up for a time when much changes.
const SAVINGS: f32 = 3.0;

/// By how much rarer key frames become with each step down; after the last there are none.
const EASE: [f32; 3] = [1.0, 1.6, 3.0];

/// The step down at which there are no key frames any more.
pub const MAX_DEGRADE: u8 = EASE.len() as u8;

/// Decides on which frames to ask the key model.
#[derive(Debug)]
pub(crate) struct Schedule {
    plan: Plan,
    /// 30ths of a second since the last key frame; none yet after a reset.
    gap: Option<u32>,
    /// What has changed since.
    change: f32,
    /// Key frames that may be asked for now.
    credit: f32,
    step: u8,
}

impl Schedule {
    pub(crate) fn new(plan: Plan) -> Self {
        Self { plan, gap: None, change: 0.0, credit: 1.0, step: 0 }
    }

    /// Another stream begins.
    pub(crate) fn reset(&mut self) {
        (self.gap, self.change) = (None, 0.0);
        self.credit = self.credit.max(1.0);
    }

    /// Makes key frames rarer: 0 is the plan, [`MAX_DEGRADE`] is none.
    pub(crate) fn degrade(&mut self, step: u8) {
        self.step = step.min(MAX_DEGRADE);
    }

    pub(crate) fn is_off(&self) -> bool {
        self.step == MAX_DEGRADE
    }

    /// Whether a key frame is due, `ticks` 30ths of a second after the last call; `drift` is how much of this frame the
    /// last key frame did not tell.
    pub(crate) fn is_due(&mut self, drift: Drift, ticks: u8) -> bool {
        let Some(&ease) = EASE.get(usize::from(self.step)) else { return false };
        self.credit = (self.credit + f32::from(ticks) / (self.plan.mean * ease)).min(SAVINGS);
        self.change += drift.lost + MENDED * drift.mended;
        let Some(gap) = &mut self.gap else { return true };
        *gap += u32::from(ticks);
        let gap = *gap as f32 / ease;
        let stirred = gap >= self.plan.most as f32 && self.change > STIRRED;
        let changed = gap >= self.plan.least as f32 && self.change > CHANGED;
        gap >= STILL as f32 || (self.credit >= 1.0 && (stirred || changed))
    }

    /// The key model was asked for this frame.
    pub(crate) fn asked(&mut self) {
        (self.gap, self.change) = (Some(0), 0.0);
        self.credit -= 1.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mask::Quality;

    /// The frames out of `frames` on which a key frame is asked for.
    fn keys(schedule: &mut Schedule, drifts: impl Iterator<Item = f32>) -> Vec<usize> {
        let mut asked = |drift: f32| {
            let due = schedule.is_due(Drift { lost: drift, mended: 0.0 }, 1);
            if due {
                schedule.asked();
            }
            due
        };
        drifts.enumerate().filter_map(|(frame, drift)| asked(drift).then_some(frame)).collect()
    }

    fn balanced() -> (Schedule, Plan) {
        let plan = Quality::Balanced.plan().unwrap();
        (Schedule::new(plan), plan)
    }

    #[test]
    fn the_first_frame_is_a_key_and_a_still_picture_needs_few() {
        let (mut schedule, _) = balanced();
        assert_eq!(keys(&mut schedule, std::iter::repeat_n(0.0, 100)), [0, 30, 60, 90]);
        schedule.reset();
        assert_eq!(keys(&mut schedule, std::iter::repeat_n(0.0, 10)), [0]);
    }

    #[test]
    fn a_little_motion_brings_keys_at_the_longest_spacing() {
        let (mut schedule, plan) = balanced();
        let found = keys(&mut schedule, std::iter::repeat_n(0.001, 100));
        assert!(found.windows(2).all(|pair| pair[1] - pair[0] == plan.most as usize), "{found:?}");
    }

    #[test]
    fn a_great_change_brings_a_key_at_once_and_never_two_in_a_row() {
        let (mut schedule, plan) = balanced();
        let change = |frame: usize| if frame >= 40 { 0.5 } else { 0.0 };
        let found = keys(&mut schedule, (0..60).map(change));
        assert!(found.contains(&40), "{found:?}");
        assert!(found.windows(2).all(|pair| pair[1] - pair[0] >= plan.least as usize), "{found:?}");
    }

    #[test]
    fn unrest_without_end_costs_no_more_than_the_mean() {
        for quality in [Quality::Balanced, Quality::High] {
            let plan = quality.plan().unwrap();
            let found = keys(&mut Schedule::new(plan), std::iter::repeat_n(1.0, 600)).len() as f32;
            assert!(found <= 600.0 / plan.mean + SAVINGS + 1.0, "{quality}: {found}");
            assert!(found >= 600.0 / plan.mean - 1.0, "{quality}: {found}");
        }
    }

    #[test]
    fn a_slow_camera_gets_keys_as_often_in_time() {
        for (ticks, spacing) in [(3, 10), (30, 1)] {
            let (mut schedule, _) = balanced();
            let mut asked = Vec::new();
            for frame in 0..100 {
                if schedule.is_due(Drift::default(), ticks) {
                    schedule.asked();
                    asked.push(frame);
                }
            }
            assert!(asked.windows(2).all(|pair| pair[1] - pair[0] == spacing), "{ticks}: {asked:?}");
        }
    }

    #[test]
    fn each_step_down_asks_for_less_and_the_last_for_nothing() {
        let (mut schedule, _) = balanced();
        let mut last = usize::MAX;
        for step in 0..=MAX_DEGRADE {
            schedule.degrade(step);
            schedule.reset();
            let found = keys(&mut schedule, std::iter::repeat_n(1.0, 300)).len();
            assert!(found < last, "step {step}: {found} after {last}");
            last = found;
        }
        assert_eq!(last, 0);
        assert!(schedule.is_off());
    }
}
