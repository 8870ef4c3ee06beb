//! Decides when the next keyframe is due: soon after large changes, rarely while little moves.

use super::{matte::Drift, quality::Plan};

/// The maximum gap between keyframes while nothing moves, in ticks of 1/30 s: the model may still change its result.
const MAX_GAP: u32 = 30;

/// The accumulated lost share of the frame above which anything counts as moving.
const MOVING: f32 = 0.002;

/// The accumulated sum above which a change counts as large.
const LARGE_CHANGE: f32 = 0.15;

/// The weight of repaired alpha relative to lost area, because repaired alpha was wrong.
const REPAIR_WEIGHT: f32 = 10.0;

/// The number of keyframes that can be saved up for large changes.
const MAX_CREDIT: f32 = 3.0;

/// The factor by which keyframes get rarer with each step of degradation; after the last step there are none.
const DEGRADE_FACTORS: [f32; 3] = [1.0, 1.6, 3.0];

/// The step of degradation without any keyframes.
pub const MAX_DEGRADE: u8 = DEGRADE_FACTORS.len() as u8;

/// Decides on which frames to run the keyframe model.
#[derive(Debug)]
pub(crate) struct Schedule {
    plan: Plan,
    /// Ticks of 1/30 s since the last keyframe; `None` after a reset.
    gap: Option<u32>,
    /// The accumulated change since then.
    change: f32,
    /// The number of keyframes that may be requested now.
    credit: f32,
    step: u8,
}

impl Schedule {
    pub(crate) fn new(plan: Plan) -> Self {
        Self { plan, gap: None, change: 0.0, credit: 1.0, step: 0 }
    }

    /// Starts over with another stream.
    pub(crate) fn reset(&mut self) {
        self.gap = None;
        self.change = 0.0;
        self.credit = self.credit.max(1.0);
    }

    /// Makes keyframes rarer: 0 is the normal rate, [`MAX_DEGRADE`] is none.
    pub(crate) fn degrade(&mut self, step: u8) {
        self.step = step.min(MAX_DEGRADE);
    }

    pub(crate) fn is_off(&self) -> bool {
        self.step == MAX_DEGRADE
    }

    /// Whether a keyframe is due, `ticks` (1/30 s) after the last call; `drift` is how far this frame has
    /// drifted from the last keyframe.
    pub(crate) fn is_due(&mut self, drift: Drift, ticks: u8) -> bool {
        let Some(&factor) = DEGRADE_FACTORS.get(usize::from(self.step)) else { return false };
        self.credit = (self.credit + f32::from(ticks) / (self.plan.mean_gap * factor)).min(MAX_CREDIT);
        self.change += drift.lost + REPAIR_WEIGHT * drift.repaired;
        let Some(gap) = &mut self.gap else { return true };
        *gap += u32::from(ticks);
        let gap = *gap as f32 / factor;
        let has_moved = gap >= self.plan.max_gap as f32 && self.change > MOVING;
        let changed = gap >= self.plan.min_gap as f32 && self.change > LARGE_CHANGE;
        gap >= MAX_GAP as f32 || (self.credit >= 1.0 && (has_moved || changed))
    }

    /// Records that a keyframe was requested for this frame.
    pub(crate) fn record_request(&mut self) {
        self.gap = Some(0);
        self.change = 0.0;
        self.credit -= 1.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mask::Quality;

    /// The frames on which a keyframe is requested.
    fn keys(schedule: &mut Schedule, drifts: impl Iterator<Item = f32>) -> Vec<usize> {
        let mut asked = |drift: f32| {
            let due = schedule.is_due(Drift { lost: drift, repaired: 0.0 }, 1);
            if due {
                schedule.record_request();
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
    fn the_first_frame_is_a_keyframe_and_a_still_scene_needs_few() {
        let (mut schedule, _) = balanced();
        assert_eq!(keys(&mut schedule, std::iter::repeat_n(0.0, 100)), [0, 30, 60, 90]);
        schedule.reset();
        assert_eq!(keys(&mut schedule, std::iter::repeat_n(0.0, 10)), [0]);
    }

    #[test]
    fn a_little_motion_causes_keyframes_at_the_maximum_gap() {
        let (mut schedule, plan) = balanced();
        let found = keys(&mut schedule, std::iter::repeat_n(0.001, 100));
        assert!(found.windows(2).all(|pair| pair[1] - pair[0] == plan.max_gap as usize), "{found:?}");
    }

    #[test]
    fn a_large_change_causes_an_immediate_keyframe_but_never_two_in_a_row() {
        let (mut schedule, plan) = balanced();
        let change = |frame: usize| if frame >= 40 { 0.5 } else { 0.0 };
        let found = keys(&mut schedule, (0..60).map(change));
        assert!(found.contains(&40), "{found:?}");
        assert!(found.windows(2).all(|pair| pair[1] - pair[0] >= plan.min_gap as usize), "{found:?}");
    }

    #[test]
    fn constant_change_costs_no_more_than_the_mean() {
        for quality in [Quality::Balanced, Quality::High] {
            let plan = quality.plan().unwrap();
            let found = keys(&mut Schedule::new(plan), std::iter::repeat_n(1.0, 600)).len() as f32;
            assert!(found <= 600.0 / plan.mean_gap + MAX_CREDIT + 1.0, "{quality}: {found}");
            assert!(found >= 600.0 / plan.mean_gap - 1.0, "{quality}: {found}");
        }
    }

    #[test]
    fn a_slow_camera_gets_keyframes_as_often_in_time() {
        for (ticks, spacing) in [(3, 10), (30, 1)] {
            let (mut schedule, _) = balanced();
            let mut asked = Vec::new();
            for frame in 0..100 {
                if schedule.is_due(Drift::default(), ticks) {
                    schedule.record_request();
                    asked.push(frame);
                }
            }
            assert!(asked.windows(2).all(|pair| pair[1] - pair[0] == spacing), "{ticks}: {asked:?}");
        }
    }

    #[test]
    fn each_step_requests_fewer_and_the_last_none() {
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
