//! From the models' alphas to the frame's: optical flow between keyframes, temporal filters and edges at full size.

use std::ops::Range;

pub(crate) use self::hair::Hair;
pub use self::propagation::Drift;
use self::{
    components::Components,
    flow::Pyramid,
    gate::Gate,
    guided::Guided,
    hold::Hold,
    memory::Memory,
    motion::Motion,
    plate::Plate,
    propagation::{Propagation, Snapshot, TemporalFilter, smooth_towards},
    resample::Resample,
    still::StillDetector,
    trust::Verdict,
    upsample::JointUpsample,
};
use super::input::Region;
use crate::frame::{
    Frame, Size,
    grid::{BoxDownscaler, Grid, Guide, Plane},
};

mod component;
mod components;
mod flow;
mod gate;
mod guided;
mod hair;
mod hold;
mod labels;
mod memory;
mod motion;
mod plate;
mod propagation;
mod resample;
mod still;
mod trust;
mod upsample;
mod warp;

/// The parameters of a matte.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tuning {
    /// The weight of previous frames, 0 to 0.95.
    pub memory: f32,
    /// The alphas at which a pixel becomes background or person.
    pub edge: (f32, f32),
    /// The fast model's alphas that are mapped to 0 and to 1.
    pub levels: (f32, f32),
    /// Whether the keyframe model is trusted with a person that the fast model does not find.
    pub trusts_keyframe: bool,
    /// Whether frames form a stream, in which people can be distinguished from objects by their motion.
    pub is_stream: bool,
}

/// The keyframe model is steadier than a model that runs on every frame, so its past has less weight.
const KEYFRAME_MEMORY: f32 = 0.8;

/// The change of alpha that is not noise of the keyframe model.
const KEYFRAME_CHANGE: f32 = 0.5;

/// The same for the fast model, which fluctuates more.
const FAST_CHANGE: f32 = 1.1;

/// The weight of previous frames where the frame is still, relative to [`Tuning::memory`].
const STILL_MEMORY: f32 = 0.6;

/// [`Tuning::levels`] of a keyframe model, whose softmax never reaches 0 or 1.
pub const KEYFRAME_LEVELS: (f32, f32) = (0.12, 0.88);

/// [`Tuning::levels`] of the bundled fast models, which find slightly too much.
pub const FAST_LEVELS: (f32, f32) = (0.31, 0.84);

/// The fast model's alpha that may be a person, and the alpha that is one.
const FAST_FOUND: f32 = 0.2;
const FOUND: f32 = 0.1;

/// A model's output: width, height and the region with the frame.
pub type Shape = (usize, usize, Region);

/// The state of the matte of one stream.
#[derive(Debug)]
pub struct Matte {
    tuning: Tuning,
    cells: BoxDownscaler,
    guide: Guide,
    pyramid: Pyramid,
    fast_resample: Resample,
    keyframe_resample: Option<(Shape, Resample)>,
    fast_alpha: Plane<f32>,
    still_detector: StillDetector,
    /// The alpha of the current frame.
    alpha: Plane<f32>,
    /// The keyframe model's result, on the grid.
    answer: Plane<f32>,
    /// The probability of hair in that result, and where the current frame is hair.
    answer_hair: Plane<f32>,
    hair: Hair,
    /// The alpha of a keyframe before it is propagated.
    fresh: Plane<f32>,
    /// The frame on which the keyframe model was run.
    keyframe: Snapshot,
    /// The alpha of that frame without the keyframe model's result.
    predicted: Plane<f32>,
    /// Whether that is still the current frame.
    keyframe_is_current: bool,
    /// The last frame, as its own keyframe.
    own: Snapshot,
    propagation: Propagation,
    /// Whether the propagated alpha came from the keyframe model.
    uses_keyframe: bool,
    gate: Gate,
    memory: Memory,
    motion: Motion,
    hold: Hold,
    /// Ticks of 1/30 s between the previous and the current frame.
    ticks: u8,
    components: Components,
    nearest_only: bool,
    plate: Plate,
    guided: Guided,
    upsample: JointUpsample,
    /// Whether hair is refined afterwards.
    is_refined: bool,
}

impl Matte {
    /// For frames of `size` and the outputs of a fast model and, optionally, a keyframe model.
    pub fn new(size: Size, fast: Shape, keyframe: Option<Shape>, tuning: Tuning) -> Self {
        let grid = Grid::new(size);
        let (width, height) = (grid.width, grid.height);
        let resample = |(stride, _, region): Shape| {
            let span = |part: usize, whole: usize| part as f64 * grid.factor as f64 / whole as f64;
            let spans = (span(region.width, size.width()), span(region.height, size.height()));
            Resample::new(stride, region, (width, height), spans)
        };
        let plane = || Plane::new(width, height);
        let snapshot = || Snapshot::new(width, height);
        Self {
            tuning,
            cells: BoxDownscaler::new(grid, size),
            guide: Guide::new(grid),
            pyramid: Pyramid::new(width, height),
            fast_resample: resample(fast),
            keyframe_resample: keyframe.map(|shape| (shape, resample(shape))),
            fast_alpha: plane(),
            still_detector: StillDetector::new(width, height),
            alpha: plane(),
            answer: plane(),
            answer_hair: plane(),
            hair: Hair::new(width, height),
            fresh: plane(),
            keyframe: snapshot(),
            predicted: plane(),
            keyframe_is_current: false,
            own: snapshot(),
            propagation: Propagation::new(width, height),
            uses_keyframe: false,
            gate: Gate::new(width, height),
            memory: Memory::new(width, height, tuning.memory * STILL_MEMORY),
            motion: Motion::new(width.div_ceil(2), height.div_ceil(2)),
            hold: Hold::new(width, height),
            ticks: 1,
            components: Components::new(width, height),
            nearest_only: false,
            plate: Plate::new(width, height),
            guided: Guided::new(width, height),
            upsample: JointUpsample::new(grid, size, tuning.edge),
            is_refined: false,
        }
    }

    /// Starts a frame, `ticks` (1/30 s) after the last. Returns true if the fast model has to run on it;
    /// otherwise nothing has changed since its last run, and its last alpha is still valid.
    pub fn begin_frame(&mut self, frame: &Frame, ticks: u8) -> bool {
        self.cells.fill(frame, &mut self.guide);
        self.pyramid.build(&self.guide.y);
        self.motion.update(self.pyramid.halved(), ticks);
        self.keyframe_is_current = false;
        self.ticks = ticks;
        !self.still_detector.holds(&self.guide.y, ticks)
    }

    /// Sets the fast model's alpha of the current frame.
    pub fn set_fast(&mut self, alpha: &[f32]) {
        self.fast_resample.run(alpha, &mut self.fast_alpha);
        self.still_detector.record(&self.guide.y);
    }

    /// Computes the alpha of the frame: that of the last keyframe, propagated and repaired, or the fast model's own,
    /// smoothed towards previous frames. Returns how far the frame has drifted from the last keyframe.
    pub fn propagate(&mut self) -> Drift {
        let drift = if self.propagation.has_keyframe() {
            let drift = self.propagation.apply(&self.pyramid, &self.fast_alpha, &mut self.alpha);
            self.alpha.replicate();
            drift
        } else {
            Drift::default()
        };
        if self.uses_keyframe {
            self.hair.propagate(self.propagation.flow());
            return drift;
        }
        // the flow is that from the previous frame
        self.hair.propagate(self.propagation.flow());
        self.hair.advance();
        self.own.take(&self.pyramid, &self.fast_alpha);
        stretch(self.fast_alpha.raw().0, self.tuning.levels, self.fresh.raw_mut());
        if self.propagation.has_keyframe() {
            let calm = TemporalFilter { weight: self.tuning.memory, change: FAST_CHANGE };
            smooth_towards(self.alpha.raw().0, calm, self.fresh.raw_mut());
        }
        self.propagation.set_keyframe(&mut self.own, &self.fresh);
        std::mem::swap(&mut self.alpha, &mut self.fresh);
        drift
    }

    /// Keeps what is needed to use the keyframe model's result for this frame.
    pub fn mark_keyframe(&mut self) {
        self.keyframe.take(&self.pyramid, &self.fast_alpha);
        self.predicted.copy_from(&self.alpha);
        self.keyframe_is_current = true;
    }

    /// The columns with any person in the current frame, 0 to 1 from left to right, according to the fast model or the
    /// last keyframe.
    pub fn person_span(&self) -> Option<Range<f32>> {
        let columns = [(&self.fast_alpha, FAST_FOUND), (&self.alpha, FOUND)].map(|(alpha, level)| alpha.span(level));
        let columns = columns.into_iter().flatten().reduce(|a, b| a.start.min(b.start)..a.end.max(b.end))?;
        let share = |at: usize| at as f32 / self.alpha.width as f32;
        Some(share(columns.start)..share(columns.end))
    }

    /// Uses the keyframe model's result for the kept frame, where it is plausible given the fast model's.
    ///
    /// If other frames have followed, the alpha of the current one is computed again. `result` is the model's alpha, and
    /// possibly the probability of hair.
    pub fn set_keyframe(&mut self, result: &[f32]) {
        let Some((shape, resample)) = &mut self.keyframe_resample else { return };
        let (alpha, hair) = result.split_at(shape.0 * shape.1);
        resample.run(alpha, &mut self.answer);
        stretch(self.answer.raw().0, KEYFRAME_LEVELS, self.fresh.raw_mut());
        if hair.len() == alpha.len() {
            resample.run(hair, &mut self.answer_hair);
        }
        if !self.tuning.trusts_keyframe {
            let fast = self.keyframe.fast_alpha();
            match self.gate.judge(fast, &self.answer, &self.motion, self.uses_keyframe) {
                Verdict::Use => self.gate.apply(fast, self.tuning.levels, &mut self.fresh),
                Verdict::Skip => return,
                Verdict::Reject => {
                    self.uses_keyframe = false;
                    // the person's edge is the fast model's, but it still is hair or not
                    self.hair.set(&self.answer_hair);
                    return;
                }
            }
        }
        let calm = TemporalFilter { weight: self.tuning.memory * KEYFRAME_MEMORY, change: KEYFRAME_CHANGE };
        smooth_towards(self.predicted.raw().0, calm, self.fresh.raw_mut());
        self.propagation.set_keyframe(&mut self.keyframe, &self.fresh);
        self.hair.set(&self.answer_hair);
        self.uses_keyframe = true;
        if self.keyframe_is_current {
            std::mem::swap(&mut self.alpha, &mut self.fresh);
        } else {
            self.propagation.apply(&self.pyramid, &self.fast_alpha, &mut self.alpha);
            self.alpha.replicate();
            self.hair.propagate(self.propagation.flow());
        }
    }

    /// Whether edges come from the fast model alone because the two models contradict each other.
    pub fn rejects_keyframe(&self) -> bool {
        self.gate.rejects()
    }

    /// Whether another person is visible besides the one in front.
    pub fn shows_others(&self) -> bool {
        self.components.shows_others()
    }

    /// Sets whether only the person in front is shown.
    pub fn set_nearest_only(&mut self, on: bool) {
        self.nearest_only = on;
    }

    /// Sets whether hair is refined after [`Matte::finish`].
    pub(crate) fn set_refined(&mut self, on: bool) {
        self.is_refined = on;
    }

    /// Whether hair is refined after [`Matte::finish`].
    pub(crate) fn is_refined(&self) -> bool {
        self.is_refined
    }

    /// Continues with the fast model alone.
    pub fn drop_keyframe(&mut self) {
        self.uses_keyframe = false;
        self.hair.reset();
    }

    /// Writes the alpha of the current frame at full size, and some rows of it to `hard`, without softer edges in hair.
    pub fn finish(&mut self, frame: &Frame, into: &mut [u8], hard: Option<(&mut [u8], Range<usize>)>) {
        self.memory.steady(&self.guide.y, &mut self.alpha);
        self.hold.run(&self.motion, self.ticks, &mut self.alpha);
        let fast = (self.uses_keyframe && !self.tuning.trusts_keyframe).then_some(&self.fast_alpha);
        let motion = self.tuning.is_stream.then_some((&self.motion, self.ticks));
        self.components.remove_non_persons(&mut self.alpha, fast, motion, self.nearest_only);
        if self.tuning.is_stream {
            self.plate.run(&self.guide, &mut self.alpha);
        }
        let functions = self.guided.fit(&self.guide, &self.alpha);
        let all = 0..frame.size().height();
        self.upsample.run(functions, Some(&self.hair), frame, all, into);
        if let Some((hard, rows)) = hard {
            self.upsample.run(functions, None, frame, rows, hard);
        }
    }

    /// Where the current frame is hair.
    pub(crate) fn hair(&self) -> &Hair {
        &self.hair
    }

    /// Clears all state from earlier frames.
    pub fn reset(&mut self) {
        self.propagation.reset();
        self.gate.reset();
        self.motion.reset();
        self.memory.reset();
        self.components.reset();
        self.plate.reset();
        self.still_detector.reset();
        self.hair.reset();
        self.uses_keyframe = false;
    }
}

/// 0 below `low`, 1 above `high`, `3t² - 2t³` between.
#[inline(always)]
fn smoothstep(value: f32, low: f32, high: f32) -> f32 {
    let t = ramp(value, low, high);
    t * t * (3.0 - 2.0 * t)
}

/// 0 below `low`, 1 above `high`, linear between.
#[inline(always)]
fn ramp(value: f32, low: f32, high: f32) -> f32 {
    stretch_one(value, low, 1.0 / (high - low))
}

/// Maps the range from `low` to `high` to 0 to 1.
#[multiversion::multiversion(targets = "simd")]
fn stretch(alpha: &[f32], (low, high): (f32, f32), into: &mut [f32]) {
    let factor = 1.0 / (high - low);
    for (into, &alpha) in into.iter_mut().zip(alpha) {
        *into = stretch_one(alpha, low, factor);
    }
}

#[inline(always)]
fn stretch_one(alpha: f32, low: f32, factor: f32) -> f32 {
    ((alpha - low) * factor).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{frame::Size, mask::input::Region};

    const MODEL: (usize, usize) = (64, 36);

    /// A frame with a disc of another texture at (x, y), as shares of its sides, and the models' alpha for it.
    fn scene(size: Size, x: f32, y: f32, radius: f32) -> (Frame, Vec<f32>) {
        let inside = |at: usize, width: usize, height: usize| {
            let (u, v) = ((at % width) as f32 / width as f32 - x, (at / width) as f32 / height as f32 - y);
            ((radius - u.hypot(v)) * 30.0).clamp(0.0, 1.0)
        };
        let mut frame = Frame::new(size);
        let (width, height) = (size.width(), size.height());
        let (luma, u, v) = frame.planes_mut();
        for (at, luma) in luma.iter_mut().enumerate() {
            let (wall, person) = (60.0 + (at * 7919 % 23) as f32, 170.0 + (at * 104_729 % 31) as f32);
            *luma = (wall + (person - wall) * inside(at, width, height)) as u8;
        }
        u.iter_mut().enumerate().for_each(|(at, u)| *u = (110.0 + 40.0 * inside(at, width / 2, height / 2)) as u8);
        v.fill(120);
        (frame, (0..MODEL.0 * MODEL.1).map(|at| inside(at, MODEL.0, MODEL.1)).collect())
    }

    fn matte(size: Size) -> Matte {
        let shape = (MODEL.0, MODEL.1, Region { x: 0, y: 0, width: MODEL.0, height: MODEL.1 });
        let tuning =
            Tuning { memory: 0.9, edge: (0.12, 0.88), levels: FAST_LEVELS, trusts_keyframe: false, is_stream: true };
        Matte::new(size, shape, Some(shape), tuning)
    }

    /// The masks of some frames with a moving disc, with a keyframe on the first.
    fn play(matte: &mut Matte, size: Size, from: (f32, f32), radius: f32) -> Vec<u8> {
        let mut masks = Vec::new();
        for step in 0..4 {
            let (frame, alpha) = scene(size, from.0 + 0.02 * step as f32, from.1, radius);
            if matte.begin_frame(&frame, 1) {
                matte.set_fast(&alpha);
            }
            matte.propagate();
            if step == 0 {
                matte.mark_keyframe();
                matte.set_keyframe(&alpha);
            }
            let mut mask = vec![77; size.luma_len()];
            matte.finish(&frame, &mut mask, None);
            masks.extend(mask);
        }
        masks
    }

    #[test]
    fn reused_buffers_never_leak_into_the_next_frame() {
        for size in [(66, 50), (130, 98), (854, 480), (480, 854), (1280, 720)] {
            let size = Size::new(size.0, size.1).unwrap();
            let mut used = matte(size);
            for (from, radius) in [((0.9, 0.1), 0.3), ((0.2, 0.95), 0.5), ((0.5, 0.5), 0.05), ((0.5, 0.4), 0.9)] {
                used.reset();
                let found = play(&mut used, size, from, radius);
                assert!(found == play(&mut matte(size), size, from, radius), "{size}: disc of {radius} at {from:?}");
            }
        }
    }
}
