//! A good alpha of an earlier frame, carried to this one along the flow, and mended where the picture tells otherwise.

use multiversion::multiversion;

use super::{
    flow::{Flow, Pyramid, STEP, UNIT, Vector},
    smoothstep,
};
use crate::grid::{PAD, Plane};

/// Alpha and landscape in whole numbers while they are carried: 16ths of a byte.
const FINE: f32 = 16.0 * 255.0;

/// The mean difference of luma along the flow where the picture begins to be another, and where it is one.
const LOST: (f32, f32) = (3.0, 10.0);

/// The same for the fast model's alpha.
const DIFFERS: (f32, f32) = (0.1, 0.4);

/// How far the fast model may have been from the key's alpha to be believed against it, and where it no longer is.
const AGREES: (f32, f32) = (0.2, 0.6);

/// The fast model's alphas for nobody and for somebody.
const EDGE: (f32, f32) = (0.2, 0.8);

/// How a new key is drawn towards what the last one promised.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Calm {
    /// The weight of the promise where both agree, 0 to below 1.
    pub(crate) weight: f32,
    /// The change of alpha from which on it has none: that change is real.
    pub(crate) change: f32,
}

/// What is known of a frame at the time of its key request, and has to be kept until the answer comes.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pyramid: Pyramid,
    landscape: Plane<f32>,
    /// What was carried to it from the key before, where there was one.
    carried: Plane<f32>,
    has_carried: bool,
}

impl Snapshot {
    pub(crate) fn new(width: usize, height: usize) -> Self {
        Self {
            pyramid: Pyramid::new(width, height),
            landscape: Plane::new(width, height),
            carried: Plane::new(width, height),
            has_carried: false,
        }
    }

    pub(crate) fn take(&mut self, pyramid: &Pyramid, landscape: &Plane<f32>, carried: Option<&Plane<f32>>) {
        self.pyramid.copy_from(pyramid);
        self.landscape.copy_from(landscape);
        self.has_carried = carried.is_some();
        if let Some(carried) = carried {
            self.carried.copy_from(carried);
        }
    }
}

/// How well the last key frame still tells what a frame shows.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Drift {
    /// The share of the picture that is not where the flow says.
    pub lost: f32,
    /// The share of alpha that had to be mended.
    pub mended: f32,
}

/// What a cell of the key frame shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Nobody,
    Person,
    Mixed,
}

/// Carries the alpha of a key frame.
#[derive(Debug)]
pub(crate) struct Carry {
    key: Snapshot,
    has_key: bool,
    /// Alpha and landscape of the key frame, side by side for the warp.
    packed: Plane<[i16; 2]>,
    /// Of each [`STEP`] x [`STEP`] pixels of it.
    classes: Box<[Class]>,
    flow: Flow,
    /// The fast model's alpha of the key frame along the flow, then by how much today's differs.
    differs: Plane<f32>,
    tall: Plane<f32>,
    lost: Box<[f32]>,
}

impl Carry {
    pub(crate) fn new(width: usize, height: usize) -> Self {
        Self {
            key: Snapshot::new(width, height),
            has_key: false,
            packed: Plane::new(width, height),
            classes: vec![Class::Mixed; width.div_ceil(STEP) * height.div_ceil(STEP)].into(),
            flow: Flow::new(width, height),
            differs: Plane::new(width, height),
            tall: Plane::new(width, height),
            lost: vec![0.0; width.next_multiple_of(STEP)].into(),
        }
    }

    pub(crate) fn has_key(&self) -> bool {
        self.has_key
    }

    pub(crate) fn forget(&mut self) {
        self.has_key = false;
    }

    /// From now on the alpha of the frame of `snapshot` is carried, which it takes in exchange for the old one.
    ///
    /// `alpha` is first drawn towards what the last key promised.
    pub(crate) fn set_key(&mut self, snapshot: &mut Snapshot, alpha: &mut Plane<f32>, calm: Calm) {
        if snapshot.has_carried {
            draw_towards(snapshot.carried.raw().0, calm, alpha.raw_mut());
        }
        std::mem::swap(&mut self.key, snapshot);
        self.has_key = true;
        self.flow.restart();
        for y in 0..alpha.height {
            let sources = alpha.row(y).iter().zip(self.key.landscape.row(y));
            for (packed, (&alpha, &landscape)) in self.packed.row_mut(y).iter_mut().zip(sources) {
                *packed = [(alpha * FINE) as i16, (landscape * FINE) as i16];
            }
        }
        self.packed.replicate();
        let columns = alpha.width.div_ceil(STEP);
        for (at, class) in self.classes.iter_mut().enumerate() {
            let start = self.packed.index((at % columns * STEP) as isize, (at / columns * STEP) as isize);
            *class = class_of(&self.packed, start);
        }
    }

    /// Writes the carried and mended alpha of the frame to `into`.
    pub(crate) fn apply(&mut self, now: &Pyramid, landscape: &Plane<f32>, into: &mut Plane<f32>) -> Drift {
        self.flow.find(now, &self.key.pyramid);
        self.warp(into);
        for y in 0..into.height {
            difference(landscape.row(y), self.differs.row_mut(y));
        }
        self.differs.replicate();
        for y in -2..into.height as isize + 2 {
            let from = self.differs.wide_row(y, 2);
            let start = self.tall.index(0, y);
            sum_across(from, &mut self.tall.raw_mut()[start..start + into.width]);
        }
        let mut drift = Drift::default();
        for y in 0..into.height {
            self.lost_row(y);
            let differs = [-2, -1, 0, 1, 2].map(|by| self.tall.wide_row(y as isize + by, 0));
            let then = self.differs.row(y);
            let row = mend(differs, &self.lost, (landscape.row(y), then), into.row_mut(y));
            drift.lost += row.lost;
            drift.mended += row.mended;
        }
        let area = (into.width * into.height) as f32;
        Drift { lost: drift.lost / area, mended: drift.mended / area }
    }

    /// Fetches alpha into `into` and the fast model's alpha into `differs`, each vector smoothly between its neighbours.
    fn warp(&mut self, into: &mut Plane<f32>) {
        let (columns, vectors) = (self.flow.columns(), self.flow.vectors());
        for row in 0..into.height.div_ceil(STEP) {
            for column in 0..into.width.div_ceil(STEP) {
                let at = row * columns + column;
                let corners = [vectors[at], vectors[at + 1], vectors[at + columns], vectors[at + columns + 1]];
                let class = self.class_along(column, row, &corners);
                let height = STEP.min(into.height - row * STEP);
                let width = STEP.min(into.width - column * STEP);
                for y in 0..height {
                    let (into, then) = (into.row_mut(row * STEP + y), self.differs.row_mut(row * STEP + y));
                    let (into, then) = (&mut into[column * STEP..][..width], &mut then[column * STEP..][..width]);
                    match class {
                        Class::Nobody => [into, then].into_iter().for_each(|line| line.fill(0.0)),
                        Class::Person => [into, then].into_iter().for_each(|line| line.fill(1.0)),
                        Class::Mixed => {
                            let start = (column * STEP, row * STEP + y);
                            warp_line(&self.packed, &corners, y, start, into, then);
                        }
                    }
                }
            }
        }
    }

    /// The class of all that a cell's vectors lead to.
    fn class_along(&self, column: usize, row: usize, corners: &[Vector; 4]) -> Class {
        let (columns, rows) = (self.packed.width.div_ceil(STEP), self.packed.height.div_ceil(STEP));
        let span = |at: usize, end: usize, part: fn(&Vector) -> i16| {
            let parts = corners.map(|corner| i32::from(part(&corner)));
            let (least, most) = parts.iter().fold((i32::MAX, i32::MIN), |(a, b), &v| (a.min(v), b.max(v)));
            let cell = |pixel: i32| pixel.div_euclid(STEP as i32).clamp(0, end as i32 - 1) as usize;
            let at = (at * STEP) as i32;
            cell(at + least.div_euclid(UNIT))..=cell(at + STEP as i32 + most.div_euclid(UNIT))
        };
        let (across, down) = (span(column, columns, |v| v.x), span(row, rows, |v| v.y));
        let first = self.classes[down.start() * columns + across.start()];
        let same = down.into_iter().all(|y| self.classes[y * columns..][across.clone()].iter().all(|&c| c == first));
        if same { first } else { Class::Mixed }
    }

    /// What the flow left in each pixel of row `y`, from what it left in the blocks around.
    fn lost_row(&mut self, y: usize) {
        let columns = self.flow.columns();
        let at = y / STEP * columns;
        let (above, below) = (&self.flow.left()[at..][..columns], &self.flow.left()[at + columns..][..columns]);
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

fn class_of(packed: &Plane<[i16; 2]>, start: usize) -> Class {
    const LITTLE: i16 = (0.03 * FINE) as i16;
    const MUCH: i16 = (0.97 * FINE) as i16;
    let (data, stride) = packed.raw();
    let mut pixels = (0..STEP).flat_map(|y| &data[start + y * stride..][..STEP]).flatten();
    if data[start][0] < LITTLE {
        if pixels.all(|&value| value < LITTLE) { Class::Nobody } else { Class::Mixed }
    } else if pixels.all(|&value| value > MUCH) {
        Class::Person
    } else {
        Class::Mixed
    }
}

/// Fetches the pixels of one line of a cell from where its corners' vectors lead.
fn warp_line(
    packed: &Plane<[i16; 2]>,
    corners: &[Vector; 4],
    down: usize,
    start: (usize, usize),
    alpha: &mut [f32],
    landscape: &mut [f32],
) {
    const SHIFT: u32 = STEP.ilog2();
    let [left, right] = [0, 1].map(|side| {
        let (above, below) = (corners[side], corners[side + 2]);
        let down = down as i32;
        let mix = |above: i16, below: i16| i32::from(above) * (STEP as i32 - down) + i32::from(below) * down;
        (mix(above.x, below.x), mix(above.y, below.y))
    });
    let limit = |value: i32, size: usize| value.clamp(-(PAD as i32) * UNIT, (size + PAD - 2) as i32 * UNIT);
    let (data, stride) = packed.raw();
    for (x, (alpha, landscape)) in alpha.iter_mut().zip(landscape).enumerate() {
        let (a, b) = ((STEP - x) as i32, x as i32);
        let mean = |left: i32, right: i32| (left * a + right * b + (1 << (2 * SHIFT - 1))) >> (2 * SHIFT);
        let at_x = limit((start.0 + x) as i32 * UNIT + mean(left.0, right.0), packed.width);
        let at_y = limit(start.1 as i32 * UNIT + mean(left.1, right.1), packed.height);
        let first = packed.index((at_x >> 4) as isize, (at_y >> 4) as isize);
        let (fx, fy) = (at_x & 15, at_y & 15);
        let (above, below) = (&data[first..first + 2], &data[first + stride..first + stride + 2]);
        let mix = |channel: usize| {
            let across = |row: &[[i16; 2]]| i32::from(row[0][channel]) * (16 - fx) + i32::from(row[1][channel]) * fx;
            (across(above) * (16 - fy) + across(below) * fy) as f32 * (1.0 / (256.0 * FINE))
        };
        (*alpha, *landscape) = (mix(0), mix(1));
    }
}

/// Mixes a row of the carried alpha with the fast model's where that is to be believed.
#[multiversion(targets = "simd")]
fn mend(differs: [&[f32]; 5], lost: &[f32], fast: (&[f32], &[f32]), alpha: &mut [f32]) -> Drift {
    // sums in 1024ths: whole numbers may be added in any order, so in vectors
    let (mut sum_lost, mut sum_mended) = (0, 0);
    let width = alpha.len();
    let differs = differs.map(|row| &row[..width]);
    let (lost, now, change) = (&lost[..width], &fast.0[..width], &fast.1[..width]);
    for x in 0..width {
        let differs = (differs[0][x] + differs[1][x] + differs[2][x] + differs[3][x] + differs[4][x]) * (1.0 / 25.0);
        let lost = smoothstep(lost[x], LOST.0, LOST.1);
        let then = now[x] - change[x];
        let agreed = 1.0 - smoothstep((then - alpha[x]).abs(), AGREES.0, AGREES.1);
        let part = smoothstep(differs, DIFFERS.0, DIFFERS.1) * lost * agreed;
        sum_lost += (lost * 1024.0) as i32;
        sum_mended += (part * 1024.0) as i32;
        alpha[x] += (smoothstep(now[x], EDGE.0, EDGE.1) - alpha[x]) * part;
    }
    Drift { lost: sum_lost as f32 / 1024.0, mended: sum_mended as f32 / 1024.0 }
}

/// From what landscape was along the flow to by how much it is more now.
#[multiversion(targets = "simd")]
fn difference(now: &[f32], then: &mut [f32]) {
    for (then, &now) in then.iter_mut().zip(now) {
        *then = now - *then;
    }
}

/// The sums of the absolutes of five neighbours.
#[multiversion(targets = "simd")]
fn sum_across(from: &[f32], into: &mut [f32]) {
    let from = &from[..into.len() + 4];
    for (x, into) in into.iter_mut().enumerate() {
        *into = from[x].abs() + from[x + 1].abs() + from[x + 2].abs() + from[x + 3].abs() + from[x + 4].abs();
    }
}

/// Draws a new key's alpha towards what the last one promised, where the two differ little.
#[multiversion(targets = "simd")]
fn draw_towards(promised: &[f32], calm: Calm, alpha: &mut [f32]) {
    let slope = 1.0 / calm.change;
    for (alpha, &promised) in alpha.iter_mut().zip(promised) {
        let change = promised - *alpha;
        let noise = 1.0 - (change.abs() * slope).min(1.0);
        *alpha += change * calm.weight * noise;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: (usize, usize) = (96, 64);

    /// What a frame shows: a textured disc at x over a textured wall, and the fast model's idea of it.
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

    /// A key frame of `scene` with the key model's `alpha` and the fast model's `fast`.
    fn keyed(scene: &Scene, alpha: &Plane<f32>, fast: &Plane<f32>) -> Carry {
        let (mut carry, mut snapshot) = (Carry::new(SIZE.0, SIZE.1), Snapshot::new(SIZE.0, SIZE.1));
        snapshot.take(&scene.pyramid, fast, None);
        carry.set_key(&mut snapshot, &mut alpha.clone(), Calm { weight: 0.0, change: 1.0 });
        carry
    }

    /// The mean difference of two alphas.
    fn off(a: &Plane<f32>, b: &Plane<f32>) -> f32 {
        let sum: f32 = (0..SIZE.1).flat_map(|y| a.row(y).iter().zip(b.row(y))).map(|(a, b)| (a - b).abs()).sum();
        sum / (SIZE.0 * SIZE.1) as f32
    }

    #[test]
    fn alpha_follows_the_person_although_the_fast_model_sees_nothing() {
        let (then, now) = (disc(40.0, 14.0, 0.0), disc(45.0, 14.0, 0.0));
        let mut carry = keyed(&then, &then.alpha, &empty());
        let mut alpha = empty();
        let drift = carry.apply(&now.pyramid, &empty(), &mut alpha);
        assert!(off(&alpha, &now.alpha) < 0.25 * off(&then.alpha, &now.alpha), "{}", off(&alpha, &now.alpha));
        assert_eq!(drift.mended, 0.0, "the fast model says what it said");
    }

    #[test]
    fn nothing_changes_while_nothing_moves() {
        let scene = disc(40.0, 14.0, 0.0);
        let mut carry = keyed(&scene, &scene.alpha, &scene.alpha);
        let mut alpha = empty();
        let drift = carry.apply(&scene.pyramid, &scene.alpha, &mut alpha);
        assert!(off(&alpha, &scene.alpha) < 0.001);
        assert_eq!(drift, Drift::default());
    }

    #[test]
    fn somebody_who_comes_in_is_mended_and_tells_that_a_key_is_due() {
        let (before, now) = (disc(-40.0, 14.0, 0.0), disc(50.0, 14.0, 0.0));
        let mut carry = keyed(&before, &before.alpha, &before.alpha);
        let mut alpha = empty();
        let drift = carry.apply(&now.pyramid, &now.alpha, &mut alpha);
        assert!(off(&alpha, &now.alpha) < 0.3 * off(&before.alpha, &now.alpha), "{}", off(&alpha, &now.alpha));
        assert!(drift.mended > 0.02 && drift.lost > 0.02, "{drift:?}");
    }

    #[test]
    fn the_fast_model_punches_no_holes_where_it_never_agreed() {
        // the key knows of a shock of hair that the fast model misses, and the picture changes there
        let (then, now) = (disc(40.0, 14.0, 0.0), disc(40.0, 14.0, 2.5));
        let mut carry = keyed(&then, &then.alpha, &empty());
        let mut alpha = empty();
        let mut noise = empty();
        (0..SIZE.1).for_each(|y| noise.row_mut(y).fill(0.15));
        carry.apply(&now.pyramid, &noise, &mut alpha);
        let middle: f32 = (24..40).map(|y| alpha.row(y)[32..48].iter().sum::<f32>()).sum::<f32>() / 256.0;
        assert!(middle > 0.95, "{middle}");
    }

    #[test]
    fn a_new_key_is_drawn_to_the_promise_only_where_they_differ_little() {
        let promised = [0.5, 1.0, 0.3];
        let mut alpha = [0.6, 0.0, 0.3];
        draw_towards(&promised, Calm { weight: 0.8, change: 0.5 }, &mut alpha);
        assert!(alpha[0] > 0.52 && alpha[0] < 0.56, "{}", alpha[0]);
        assert_eq!(alpha[1..], [0.0, 0.3]);
    }

    #[test]
    fn plain_cells_are_what_the_warp_would_fetch() {
        let (then, now) = (disc(40.0, 14.0, 0.0), disc(44.0, 14.0, 0.0));
        let mut sparse = keyed(&then, &then.alpha, &then.alpha);
        let mut dense = keyed(&then, &then.alpha, &then.alpha);
        dense.classes.fill(Class::Mixed);
        let (mut a, mut b) = (empty(), empty());
        sparse.apply(&now.pyramid, &now.alpha, &mut a);
        dense.apply(&now.pyramid, &now.alpha, &mut b);
        let most =
            (0..SIZE.1).flat_map(|y| a.row(y).iter().zip(b.row(y))).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(most < 0.035, "{most}");
    }
}
