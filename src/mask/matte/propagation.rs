//! Propagates the alpha of a keyframe along the optical flow, and repairs it where the frame has changed.

use std::ops::Range;

use multiversion::multiversion;

use super::{
    flow::{Flow, Pyramid, STEP},
    smoothstep,
    warp::Warp,
};
use crate::frame::grid::Plane;

/// The mean luma difference along the flow at which a pixel starts to count as lost, and at which it is entirely lost.
const LOST: (f32, f32) = (3.0, 10.0);

/// The same range for the difference of the fast model's alpha.
const DIFFERS: (f32, f32) = (0.1, 0.4);

/// The same range for the difference of the fast model from the keyframe's alpha: beyond it, the fast model is not
/// used for repairs.
const AGREES: (f32, f32) = (0.2, 0.6);

/// The fast model's alphas that mean no person, and person.
const EDGE: (f32, f32) = (0.2, 0.8);

/// How strongly a new keyframe is smoothed towards the prediction.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TemporalFilter {
    /// The weight of the prediction where both agree, 0 to below 1.
    pub(crate) weight: f32,
    /// The change of alpha above which the prediction has no weight, because the change is real.
    pub(crate) change: f32,
}

/// The state of a frame when the keyframe model is run on it, kept until the result arrives.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pyramid: Pyramid,
    fast_alpha: Plane<f32>,
}

impl Snapshot {
    pub(crate) fn new(width: usize, height: usize) -> Self {
        Self { pyramid: Pyramid::new(width, height), fast_alpha: Plane::new(width, height) }
    }

    /// The fast model's alpha of the frame.
    pub(crate) fn fast_alpha(&self) -> &Plane<f32> {
        &self.fast_alpha
    }

    pub(crate) fn take(&mut self, pyramid: &Pyramid, fast_alpha: &Plane<f32>) {
        self.pyramid.copy_from(pyramid);
        self.fast_alpha.copy_from(fast_alpha);
    }
}

/// How far a frame has drifted from the last keyframe.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Drift {
    /// The share of the frame that the flow could not match.
    pub lost: f32,
    /// The share of alpha that had to be repaired.
    pub repaired: f32,
}

/// Propagates the alpha of a keyframe.
#[derive(Debug)]
pub(crate) struct Propagation {
    keyframe: Snapshot,
    has_keyframe: bool,
    warp: Warp,
    flow: Flow,
    /// The fast model's alpha of the keyframe along the flow, then its difference from the current one.
    differs: Plane<f32>,
    vertical: Plane<f32>,
    lost: Box<[f32]>,
    /// For each row of cells, the range of pixels that may be lost.
    lost_spans: Box<[Range<usize>]>,
}

impl Propagation {
    pub(crate) fn new(width: usize, height: usize) -> Self {
        Self {
            keyframe: Snapshot::new(width, height),
            has_keyframe: false,
            warp: Warp::new(width, height),
            flow: Flow::new(width, height),
            differs: Plane::new(width, height),
            vertical: Plane::new(width, height),
            lost: vec![0.0; width.next_multiple_of(STEP)].into(),
            lost_spans: vec![0..0; height.div_ceil(STEP)].into(),
        }
    }

    pub(crate) fn has_keyframe(&self) -> bool {
        self.has_keyframe
    }

    pub(crate) fn reset(&mut self) {
        self.has_keyframe = false;
    }

    /// Starts to propagate `alpha`, which belongs to the frame of `snapshot`; swaps the snapshot with the old one.
    pub(crate) fn set_keyframe(&mut self, snapshot: &mut Snapshot, alpha: &Plane<f32>) {
        std::mem::swap(&mut self.keyframe, snapshot);
        self.has_keyframe = true;
        self.flow.restart();
        self.warp.set(alpha, &self.keyframe.fast_alpha);
    }

    /// Writes the propagated and repaired alpha of the frame to `into`.
    pub(crate) fn apply(&mut self, now: &Pyramid, fast_alpha: &Plane<f32>, into: &mut Plane<f32>) -> Drift {
        let then = &self.keyframe;
        self.flow.find(now, &then.pyramid);
        self.flow.keep_person((now, fast_alpha), (&then.pyramid, &then.fast_alpha));
        self.warp.run(&self.flow, into, &mut self.differs);
        self.find_lost(into.width);
        self.repair(fast_alpha, into)
    }

    /// The flow from the current frame to the keyframe, found by [`Propagation::apply`].
    pub(crate) fn flow(&self) -> &Flow {
        &self.flow
    }

    /// Repairs `into` where the flow lost the frame.
    fn repair(&mut self, fast_alpha: &Plane<f32>, into: &mut Plane<f32>) -> Drift {
        if self.lost_spans.iter().all(Range::is_empty) {
            return Drift::default();
        }
        self.measure_differences(fast_alpha);
        let mut drift = Drift::default();
        for y in 0..into.height {
            let span = self.lost_spans[y / STEP].clone();
            if span.is_empty() {
                continue;
            }
            self.lost_row(y);
            let differs = [-2, -1, 0, 1, 2].map(|by| &self.vertical.wide_row(y as isize + by, 0)[span.clone()]);
            let fast = (&fast_alpha.row(y)[span.clone()], &self.differs.row(y)[span.clone()]);
            let row = repair_row(differs, &self.lost[span.clone()], fast, &mut into.row_mut(y)[span]);
            drift.lost += row.lost;
            drift.repaired += row.repaired;
        }
        let area = (into.width * into.height) as f32;
        Drift { lost: drift.lost / area, repaired: drift.repaired / area }
    }

    /// Finds the ranges outside which the flow's residual is too small for anything to be lost.
    fn find_lost(&mut self, width: usize) {
        let columns = self.flow.columns();
        for (rows, span) in self.flow.residuals().windows(2 * columns).step_by(columns).zip(&mut self.lost_spans) {
            let (above, below) = rows.split_at(columns);
            let is_lost = |corner: usize| above[corner].max(below[corner]) > LOST.0;
            // a corner's residual reaches into the cells on both sides
            let first = (0..columns).find(|&corner| is_lost(corner));
            let last = (0..columns).rfind(|&corner| is_lost(corner));
            *span = match (first, last) {
                (Some(first), Some(last)) => first.saturating_sub(1) * STEP..((last + 1) * STEP).min(width),
                _ => 0..0,
            };
        }
    }

    /// Sums the differences of the fast model around the rows with lost pixels.
    fn measure_differences(&mut self, fast_alpha: &Plane<f32>) {
        let (width, height) = (fast_alpha.width, fast_alpha.height as isize);
        let Self { differs, vertical, lost_spans, .. } = self;
        let is_needed = |y: isize| {
            let band = |y: isize| y.clamp(0, height - 1) as usize / STEP;
            !lost_spans[band(y - 2)].is_empty()
                || !lost_spans[band(y)].is_empty()
                || !lost_spans[band(y + 2)].is_empty()
        };
        for y in (0..height).filter(|&y| is_needed(y)) {
            difference(fast_alpha.row(y as usize), differs.row_mut(y as usize));
        }
        differs.replicate();
        for y in (-2..height + 2).filter(|&y| is_needed(y)) {
            let start = vertical.index(0, y);
            sum_across(differs.wide_row(y, 2), &mut vertical.raw_mut()[start..start + width]);
        }
    }

    /// Interpolates the flow's residual for each pixel of row `y` from the blocks around it.
    fn lost_row(&mut self, y: usize) {
        let columns = self.flow.columns();
        let at = y / STEP * columns;
        let (above, below) =
            (&self.flow.residuals()[at..][..columns], &self.flow.residuals()[at + columns..][..columns]);
        let down = (y % STEP) as f32 / STEP as f32;
        let mut first = above[0] + (below[0] - above[0]) * down;
        for (column, pixels) in self.lost.as_chunks_mut::<STEP>().0.iter_mut().enumerate() {
            let second = above[column + 1] + (below[column + 1] - above[column + 1]) * down;
            let step = (second - first) / STEP as f32;
            *pixels = std::array::from_fn(|x| first + step * x as f32);
            first = second;
        }
    }
}

/// Blends a row of the propagated alpha with the fast model's, where that is reliable.
#[multiversion(targets = "simd")]
fn repair_row(differs: [&[f32]; 5], lost: &[f32], fast: (&[f32], &[f32]), alpha: &mut [f32]) -> Drift {
    // integer sums in 1/1024 can be added in any order, and therefore vectorized
    let (mut sum_lost, mut sum_corrected) = (0, 0);
    let width = alpha.len();
    let differs = differs.map(|row| &row[..width]);
    let lost = &lost[..width];
    let now = &fast.0[..width];
    let change = &fast.1[..width];
    for x in 0..width {
        let differs = (differs[0][x] + differs[1][x] + differs[2][x] + differs[3][x] + differs[4][x]) * (1.0 / 25.0);
        let lost = smoothstep(lost[x], LOST.0, LOST.1);
        let then = now[x] - change[x];
        let agreed = 1.0 - smoothstep((then - alpha[x]).abs(), AGREES.0, AGREES.1);
        let part = smoothstep(differs, DIFFERS.0, DIFFERS.1) * lost * agreed;
        sum_lost += (lost * 1024.0) as i32;
        sum_corrected += (part * 1024.0) as i32;
        alpha[x] += (smoothstep(now[x], EDGE.0, EDGE.1) - alpha[x]) * part;
    }
    Drift { lost: sum_lost as f32 / 1024.0, repaired: sum_corrected as f32 / 1024.0 }
}

/// Replaces the earlier fast alpha along the flow by the change since then.
#[multiversion(targets = "simd")]
fn difference(now: &[f32], then: &mut [f32]) {
    for (then, &now) in then.iter_mut().zip(now) {
        *then = now - *then;
    }
}

/// The sums of the absolute values of five neighbours.
#[multiversion(targets = "simd")]
fn sum_across(from: &[f32], into: &mut [f32]) {
    let from = &from[..into.len() + 4];
    for (x, into) in into.iter_mut().enumerate() {
        *into = from[x].abs() + from[x + 1].abs() + from[x + 2].abs() + from[x + 3].abs() + from[x + 4].abs();
    }
}

/// Smooths a new keyframe's alpha towards the prediction, where the two differ little.
#[multiversion(targets = "simd")]
pub(crate) fn smooth_towards(predicted: &[f32], calm: TemporalFilter, alpha: &mut [f32]) {
    let slope = 1.0 / calm.change;
    for (alpha, &predicted) in alpha.iter_mut().zip(predicted) {
        let change = predicted - *alpha;
        let noise = 1.0 - (change.abs() * slope).min(1.0);
        *alpha += change * calm.weight * noise;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: (usize, usize) = (96, 64);

    /// A frame with a textured disc at x over a textured wall, and the fast model's alpha for it.
    struct Scene {
        pyramid: Pyramid,
        alpha: Plane<f32>,
    }

    fn disc(x: f32, radius: f32, seed: f32) -> Scene {
        let (mut luma, mut alpha) = (Plane::new(SIZE.0, SIZE.1), Plane::new(SIZE.0, SIZE.1));
        for row in 0..SIZE.1 {
            for column in 0..SIZE.0 {
                let (u, v) = (column as f32 - x, row as f32 - 32.0);
                let inside = (radius - u.hypot(v) + 0.5).clamp(0.0, 1.0);
                let wall = 70.0 + 25.0 * (column as f32 * 0.5 + (row as f32 * 0.4).sin()).sin();
                let person = 170.0 + 40.0 * ((u * 0.6 + seed).sin() * (v * 0.5).cos());
                luma.row_mut(row)[column] = (wall + (person - wall) * inside) as u8;
                alpha.row_mut(row)[column] = inside;
            }
        }
        luma.replicate();
        alpha.replicate();
        let mut pyramid = Pyramid::new(SIZE.0, SIZE.1);
        pyramid.build(&luma);
        Scene { pyramid, alpha }
    }

    fn empty() -> Plane<f32> {
        Plane::new(SIZE.0, SIZE.1)
    }

    /// A keyframe of `scene` with the keyframe model's `alpha` and the fast model's `fast`.
    fn with_keyframe(scene: &Scene, alpha: &Plane<f32>, fast: &Plane<f32>) -> Propagation {
        let (mut propagation, mut snapshot) = (Propagation::new(SIZE.0, SIZE.1), Snapshot::new(SIZE.0, SIZE.1));
        snapshot.take(&scene.pyramid, fast);
        propagation.set_keyframe(&mut snapshot, alpha);
        propagation
    }

    /// The mean absolute difference of two alphas.
    fn off(a: &Plane<f32>, b: &Plane<f32>) -> f32 {
        let sum: f32 = (0..SIZE.1).flat_map(|y| a.row(y).iter().zip(b.row(y))).map(|(a, b)| (a - b).abs()).sum();
        sum / (SIZE.0 * SIZE.1) as f32
    }

    #[test]
    fn alpha_follows_the_person_even_if_the_fast_model_misses_them() {
        let (then, now) = (disc(40.0, 14.0, 0.0), disc(45.0, 14.0, 0.0));
        let mut propagation = with_keyframe(&then, &then.alpha, &empty());
        let mut alpha = empty();
        let drift = propagation.apply(&now.pyramid, &empty(), &mut alpha);
        assert!(off(&alpha, &now.alpha) < 0.25 * off(&then.alpha, &now.alpha), "{}", off(&alpha, &now.alpha));
        assert_eq!(drift.repaired, 0.0, "the fast model has not changed");
    }

    #[test]
    fn nothing_changes_while_nothing_moves() {
        let scene = disc(40.0, 14.0, 0.0);
        let mut propagation = with_keyframe(&scene, &scene.alpha, &scene.alpha);
        let mut alpha = empty();
        let drift = propagation.apply(&scene.pyramid, &scene.alpha, &mut alpha);
        assert!(off(&alpha, &scene.alpha) < 0.001);
        assert_eq!(drift, Drift::default());
    }

    #[test]
    fn a_person_who_enters_is_repaired_and_causes_drift() {
        let (before, now) = (disc(-40.0, 14.0, 0.0), disc(50.0, 14.0, 0.0));
        let mut propagation = with_keyframe(&before, &before.alpha, &before.alpha);
        let mut alpha = empty();
        let drift = propagation.apply(&now.pyramid, &now.alpha, &mut alpha);
        assert!(off(&alpha, &now.alpha) < 0.3 * off(&before.alpha, &now.alpha), "{}", off(&alpha, &now.alpha));
        assert!(drift.repaired > 0.02 && drift.lost > 0.02, "{drift:?}");
    }

    #[test]
    fn the_fast_model_makes_no_holes_where_it_never_agreed() {
        // the keyframe has hair that the fast model misses, and the frame changes there
        let (then, now) = (disc(40.0, 14.0, 0.0), disc(40.0, 14.0, 2.5));
        let mut propagation = with_keyframe(&then, &then.alpha, &empty());
        let mut alpha = empty();
        let mut noise = empty();
        (0..SIZE.1).for_each(|y| noise.row_mut(y).fill(0.15));
        propagation.apply(&now.pyramid, &noise, &mut alpha);
        let middle: f32 = (24..40).map(|y| alpha.row(y)[32..48].iter().sum::<f32>()).sum::<f32>() / 256.0;
        assert!(middle > 0.95, "{middle}");
    }

    #[test]
    fn a_new_keyframe_is_smoothed_only_where_it_differs_little() {
        let predicted = [0.5, 1.0, 0.3];
        let mut alpha = [0.6, 0.0, 0.3];
        smooth_towards(&predicted, TemporalFilter { weight: 0.8, change: 0.5 }, &mut alpha);
        assert!(alpha[0] > 0.52 && alpha[0] < 0.56, "{}", alpha[0]);
        assert_eq!(alpha[1..], [0.0, 0.3]);
    }

    #[test]
    fn repairing_only_the_lost_ranges_changes_nothing() {
        let (then, now) = (disc(40.0, 14.0, 0.0), disc(52.0, 14.0, 1.0));
        let mut propagation = with_keyframe(&then, &then.alpha, &then.alpha);
        let mut alpha = empty();
        let drift = propagation.apply(&now.pyramid, &now.alpha, &mut alpha);
        assert!(propagation.lost_spans.iter().any(Range::is_empty) && drift.lost > 0.0, "{:?}", propagation.lost_spans);
        // the same without skipping any range
        let mut all = empty();
        propagation.warp.run(&propagation.flow, &mut all, &mut propagation.differs);
        propagation.lost_spans.fill(0..SIZE.0);
        assert_eq!(propagation.repair(&now.alpha, &mut all), drift);
        assert!((0..SIZE.1).all(|y| all.row(y) == alpha.row(y)));
    }
}
