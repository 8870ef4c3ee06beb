//! Optical flow by block matching, in integers: finds where each block of a frame was in an earlier one.

use crate::frame::grid::{PAD, Plane};

/// The side of a block, in pixels.
const BLOCK: usize = 8;

/// The distance between blocks, in pixels: they overlap by half.
pub(crate) const STEP: usize = 4;

/// Vectors are in 1/16 of a pixel.
pub(crate) const UNIT: i32 = 16;

/// The number of pyramid levels.
const LEVELS: usize = 3;

/// The search radius at the coarsest level, in its pixels.
const REACH: i32 = 3;

/// The cost of a pixel of deviation from a prediction, as a sum of differences: keeps vectors consistent where there is
/// little texture.
const DEVIATION: u32 = 6;

/// How much lower than at a zero vector a sum of differences has to be.
const STILL: u32 = 40;

/// The fast model's alpha at a vector's target must not be lower than both alphas at the block itself, now and in the
/// keyframe, by more than this.
const LESS_PERSON: f32 = 0.6;

/// A vector in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Vector {
    pub(crate) x: i16,
    pub(crate) y: i16,
}

/// A plane and its downscaled versions.
#[derive(Debug, Clone)]
pub(crate) struct Pyramid {
    levels: [Plane<u8>; LEVELS],
}

impl Pyramid {
    pub(crate) fn new(width: usize, height: usize) -> Self {
        Self { levels: [0, 1, 2].map(|level| Plane::new(width.div_ceil(1 << level), height.div_ceil(1 << level))) }
    }

    pub(crate) fn build(&mut self, from: &Plane<u8>) {
        self.levels[0].copy_from(from);
        for level in 1..LEVELS {
            let (above, below) = self.levels.split_at_mut(level);
            halve(&above[level - 1], &mut below[0]);
        }
    }

    /// The plane at half size.
    pub(crate) fn halved(&self) -> &Plane<u8> {
        &self.levels[1]
    }

    pub(crate) fn copy_from(&mut self, other: &Self) {
        self.levels.iter_mut().zip(&other.levels).for_each(|(into, from)| into.copy_from(from));
    }
}

fn halve(from: &Plane<u8>, into: &mut Plane<u8>) {
    for y in 0..into.height {
        let above = from.wide_row(2 * y as isize, 2);
        let below = from.wide_row(2 * y as isize + 1, 2);
        halve_rows(&above[2..], &below[2..], into.row_mut(y));
    }
    into.replicate();
}

#[multiversion::multiversion(targets = "simd")]
fn halve_rows(above: &[u8], below: &[u8], out: &mut [u8]) {
    let pairs = above.as_chunks::<2>().0.iter().zip(below.as_chunks::<2>().0);
    for (out, (a, b)) in out.iter_mut().zip(pairs) {
        *out = ((u16::from(a[0]) + u16::from(a[1]) + u16::from(b[0]) + u16::from(b[1]) + 2) / 4) as u8;
    }
}

/// One vector per block.
#[derive(Debug, Clone)]
struct Field {
    columns: usize,
    rows: usize,
    vectors: Box<[Vector]>,
}

impl Field {
    /// Blocks whose corners are a step apart, starting half a block outside, so that their centres cover the plane.
    fn new(width: usize, height: usize) -> Self {
        let (columns, rows) = (width.div_ceil(STEP) + 1, height.div_ceil(STEP) + 1);
        Self { columns, rows, vectors: vec![Vector::default(); columns * rows].into() }
    }

    fn at(&self, column: usize, row: usize) -> Vector {
        self.vectors[row.min(self.rows - 1) * self.columns + column.min(self.columns - 1)]
    }

    /// Candidate vectors: those of the coarser level, of the previous frame and of the neighbours.
    fn candidates(&self, at: usize, coarser: Option<&Self>) -> [Vector; 5] {
        let (column, row) = (at % self.columns, at / self.columns);
        let last = self.vectors[at];
        let parent = coarser.map_or(last, |field| {
            let Vector { x, y } = field.at(column.div_ceil(2), row.div_ceil(2));
            Vector { x: 2 * x, y: 2 * y }
        });
        let above = |by: usize| if row > 0 { self.vectors[at + by - self.columns] } else { last };
        let left = if column > 0 { self.vectors[at - 1] } else { last };
        [parent, last, left, above(0), if column + 1 < self.columns { above(1) } else { last }]
    }
}

/// Finds the position of each block of one frame in another.
#[derive(Debug)]
pub(crate) struct Flow {
    fields: [Field; LEVELS],
    /// The vectors of the finest level in [`UNIT`]s; the centre of block (i, j) is pixel (4 i, 4 j).
    fine: Box<[Vector]>,
    /// The residual of each block: the mean difference per pixel.
    residuals: Box<[f32]>,
}

impl Flow {
    pub(crate) fn new(width: usize, height: usize) -> Self {
        let fields = [0, 1, 2].map(|level| Field::new(width.div_ceil(1 << level), height.div_ceil(1 << level)));
        let blocks = fields[0].vectors.len();
        Self { fields, fine: vec![Vector::default(); blocks].into(), residuals: vec![0.0; blocks].into() }
    }

    /// The number of blocks in a row.
    pub(crate) fn columns(&self) -> usize {
        self.fields[0].columns
    }

    /// The vectors found by [`Flow::find`], row by row.
    pub(crate) fn vectors(&self) -> &[Vector] {
        &self.fine
    }

    /// The mean difference per pixel of each block after the motion, in luma levels; large if a vector leaves the
    /// frame.
    pub(crate) fn residuals(&self) -> &[f32] {
        &self.residuals
    }

    /// Clears the last vectors, because the next search uses another reference frame.
    pub(crate) fn restart(&mut self) {
        for field in &mut self.fields {
            field.vectors.fill(Vector::default());
        }
        self.fine.fill(Vector::default());
    }

    /// Finds the position in `then` of each block of `now`.
    pub(crate) fn find(&mut self, now: &Pyramid, then: &Pyramid) {
        for level in (0..LEVELS).rev() {
            let (finer, coarser) = self.fields.split_at_mut(level + 1);
            let (field, coarser) = (&mut finer[level], coarser.first());
            for at in 0..field.vectors.len() {
                let (column, row) = (at % field.columns, at / field.columns);
                let block = Block::new(&now.levels[level], &then.levels[level], column, row);
                let candidates = field.candidates(at, coarser);
                let found =
                    if level == LEVELS - 1 { block.search_wide(&candidates) } else { block.search(&candidates) };
                field.vectors[at] = found;
                if level == 0 {
                    (self.fine[at], self.residuals[at]) = block.subpixel(found);
                }
            }
        }
    }

    /// Sets vectors to zero where the fast model finds the person at the block in both frames, but the room at the
    /// vector's target. Where there is little texture, a shadow makes the person match another part of the frame.
    /// `now` and `then` are the two frames with the fast model's alphas.
    pub(crate) fn keep_person(&mut self, now: (&Pyramid, &Plane<f32>), then: (&Pyramid, &Plane<f32>)) {
        let Field { columns, vectors, .. } = &mut self.fields[0];
        let (width, height) = (now.1.width as isize, now.1.height as isize);
        let alpha = |plane: &Plane<f32>, x: isize, y: isize| {
            plane.row(y.clamp(0, height - 1) as usize)[x.clamp(0, width - 1) as usize]
        };
        let moved = vectors.iter_mut().enumerate().filter(|(_, vector)| **vector != Vector::default());
        for (at, vector) in moved {
            let (column, row) = (at % *columns, at / *columns);
            let (x, y) = ((column * STEP) as isize, (row * STEP) as isize);
            let person = alpha(now.1, x, y).min(alpha(then.1, x, y));
            if person - alpha(then.1, x + vector.x as isize, y + vector.y as isize) > LESS_PERSON {
                *vector = Vector::default();
                let block = Block::new(&now.0.levels[0], &then.0.levels[0], column, row);
                (self.fine[at], self.residuals[at]) = block.subpixel(*vector);
            }
        }
    }
}

/// A block of one frame, and the range of its positions in the other.
struct Block<'a> {
    a: &'a [u8],
    b: &'a [u8],
    stride: usize,
    start: usize,
    /// The limits of vectors that keep it within the border.
    min_vector: (i32, i32),
    max_vector: (i32, i32),
}

impl<'a> Block<'a> {
    fn new(a: &'a Plane<u8>, b: &'a Plane<u8>, column: usize, row: usize) -> Self {
        let (x, y) = ((column * STEP) as isize - (BLOCK / 2) as isize, (row * STEP) as isize - (BLOCK / 2) as isize);
        let pad = PAD as i32;
        Self {
            a: a.raw().0,
            b: b.raw().0,
            stride: a.raw().1,
            start: a.index(x, y),
            min_vector: (-pad - x as i32, -pad - y as i32),
            max_vector: (
                a.width as i32 + pad - BLOCK as i32 - x as i32,
                a.height as i32 + pad - BLOCK as i32 - y as i32,
            ),
        }
    }

    fn cost(&self, vector: Vector) -> u32 {
        let (x, y) = (i32::from(vector.x), i32::from(vector.y));
        if x < self.min_vector.0 || y < self.min_vector.1 || x > self.max_vector.0 || y > self.max_vector.1 {
            return u32::MAX / 2;
        }
        let there = (self.start as isize + y as isize * self.stride as isize + x as isize) as usize;
        sad(&self.a[self.start..], &self.b[there..], self.stride)
    }

    /// The best candidate, refined by a local search.
    fn search(&self, candidates: &[Vector; 5]) -> Vector {
        self.search_near(candidates).0
    }

    fn search_near(&self, candidates: &[Vector; 5]) -> (Vector, u32) {
        let still = self.cost(Vector::default());
        let mut best = (Vector::default(), still.saturating_sub(STILL));
        for (index, &candidate) in candidates.iter().enumerate() {
            if candidate != best.0 && !candidates[..index].contains(&candidate) {
                let cost = self.cost(candidate);
                if cost < best.1 {
                    best = (candidate, cost);
                }
            }
        }
        if best.0 == Vector::default() && still <= STILL {
            return best;
        }
        for _ in 0..2 {
            let middle = best.0;
            for (x, y) in [(-1, 0), (1, 0), (0, -1), (0, 1)] {
                let vector = Vector { x: middle.x + x, y: middle.y + y };
                let cost = self.cost(vector).saturating_add(DEVIATION);
                if cost < best.1 {
                    best = (vector, cost);
                }
            }
            if best.0 == middle {
                break;
            }
        }
        best
    }

    /// Like [`Self::search`], with all vectors within [`REACH`].
    fn search_wide(&self, candidates: &[Vector; 5]) -> Vector {
        let mut best = self.search_near(candidates);
        if best.1 <= STILL {
            return best.0;
        }
        for y in -REACH..=REACH {
            for x in -REACH..=REACH {
                let vector = Vector { x: x as i16, y: y as i16 };
                let cost = self.cost(vector).saturating_add(DEVIATION * (x.unsigned_abs() + y.unsigned_abs()));
                if cost < best.1 {
                    best = (vector, cost);
                }
            }
        }
        best.0
    }

    /// The vector in [`UNIT`]s from parabolas through the neighbouring costs, and the mean residual.
    fn subpixel(&self, vector: Vector) -> (Vector, f32) {
        const AREA: f32 = (BLOCK * BLOCK) as f32;
        let middle = self.cost(vector);
        if vector == Vector::default() && middle <= 2 * STILL {
            return (vector, middle as f32 / AREA);
        }
        let beside = |x: i16, y: i16| self.cost(Vector { x: vector.x + x, y: vector.y + y }).min(1 << 20) as i32;
        let middle = middle.min(1 << 20) as i32;
        // the offset of the minimum, and by how much it is lower
        let lowest = |less: i32, more: i32| {
            let bend = less + more - 2 * middle;
            if bend <= 0 {
                return (0, 0.0);
            }
            let offset = ((less - more) * UNIT / 2 / bend).clamp(-UNIT / 2, UNIT / 2);
            (offset, ((less - more) as f32).powi(2) / (8 * bend) as f32)
        };
        let (x, gain_x) = lowest(beside(-1, 0), beside(1, 0));
        let (y, gain_y) = lowest(beside(0, -1), beside(0, 1));
        let fine = Vector { x: (i32::from(vector.x) * UNIT + x) as i16, y: (i32::from(vector.y) * UNIT + y) as i16 };
        (fine, if self.leaves_frame(vector) { 255.0 } else { (middle as f32 - gain_x - gain_y).max(0.0) / AREA })
    }

    /// Whether the block's centre was outside the frame.
    fn leaves_frame(&self, Vector { x, y }: Vector) -> bool {
        let half = BLOCK as i32 / 2;
        let pad = PAD as i32;
        let x = i32::from(x);
        let y = i32::from(y);
        // the centre of a block at the edge may be on the edge, so a zero vector never leaves the frame
        (x != 0 && (x + half < self.min_vector.0 + pad || x - half > self.max_vector.0 - pad))
            || (y != 0 && (y + half < self.min_vector.1 + pad || y - half > self.max_vector.1 - pad))
    }
}

/// The sum of absolute differences of two blocks, each at the start of its slice.
#[cfg(target_arch = "x86_64")]
fn sad(a: &[u8], b: &[u8], stride: usize) -> u32 {
    use std::arch::x86_64::{
        _mm_add_epi64, _mm_castpd_si128, _mm_castsi128_pd, _mm_cvtsi128_si32, _mm_loadh_pd, _mm_loadl_epi64,
        _mm_sad_epu8, _mm_setzero_si128, _mm_srli_si128,
    };
    let (a, b) = (&a[..7 * stride + BLOCK], &b[..7 * stride + BLOCK]);
    // SAFETY: SSE2 is part of x86-64, and the last row's 8 bytes end where the slices end, as checked above.
    unsafe {
        let mut sum = _mm_setzero_si128();
        for row in (0..BLOCK).step_by(2) {
            let load = |from: &[u8]| {
                let first = _mm_loadl_epi64(from.as_ptr().add(row * stride).cast());
                _mm_castpd_si128(_mm_loadh_pd(_mm_castsi128_pd(first), from.as_ptr().add((row + 1) * stride).cast()))
            };
            sum = _mm_add_epi64(sum, _mm_sad_epu8(load(a), load(b)));
        }
        _mm_cvtsi128_si32(_mm_add_epi64(sum, _mm_srli_si128(sum, 8))) as u32
    }
}

#[cfg(target_arch = "aarch64")]
fn sad(a: &[u8], b: &[u8], stride: usize) -> u32 {
    use std::arch::aarch64::{vabal_u8, vaddlvq_u16, vdupq_n_u16, vld1_u8};
    let (a, b) = (&a[..7 * stride + BLOCK], &b[..7 * stride + BLOCK]);
    // SAFETY: NEON is part of aarch64, and the last row's 8 bytes end where the slices end, as checked above.
    unsafe {
        let mut columns = vdupq_n_u16(0);
        for at in (0..BLOCK).map(|row| row * stride) {
            columns = vabal_u8(columns, vld1_u8(a.as_ptr().add(at)), vld1_u8(b.as_ptr().add(at)));
        }
        vaddlvq_u16(columns)
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn sad(a: &[u8], b: &[u8], stride: usize) -> u32 {
    sad_scalar(a, b, stride)
}

#[cfg(any(test, not(any(target_arch = "x86_64", target_arch = "aarch64"))))]
fn sad_scalar(a: &[u8], b: &[u8], stride: usize) -> u32 {
    let rows = a.chunks(stride).zip(b.chunks(stride)).take(BLOCK);
    rows.flat_map(|(a, b)| a[..BLOCK].iter().zip(&b[..BLOCK])).map(|(a, b)| u32::from(a.abs_diff(*b))).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SIZE: (usize, usize) = (96, 64);

    /// A texture without self-similarity, moved by (x, y), with some noise.
    fn texture((x, y): (f32, f32), noise: u8) -> Pyramid {
        let mut plane = Plane::new(SIZE.0, SIZE.1);
        for row in 0..SIZE.1 {
            for (column, pixel) in plane.row_mut(row).iter_mut().enumerate() {
                let (u, v) = (column as f32 - x, row as f32 - y);
                let value = 120.0
                    + 40.0 * ((u * 0.31).sin() * (v * 0.23).cos())
                    + 30.0 * (u * 0.11 + v * 0.17 + (u * v * 0.003).sin()).sin()
                    + 20.0 * (u * 0.7 - v * 0.5).sin();
                let random = ((column * 73_856_093) ^ (row * 19_349_663)) >> 7;
                *pixel = value as u8 + (random % (usize::from(noise) + 1)) as u8;
            }
        }
        plane.replicate();
        let mut pyramid = Pyramid::new(SIZE.0, SIZE.1);
        pyramid.build(&plane);
        pyramid
    }

    /// The vectors of blocks that are visible in both frames.
    fn inner(flow: &Flow) -> impl Iterator<Item = (Vector, f32)> {
        let columns = flow.columns();
        let pairs = flow.vectors().iter().copied().zip(flow.residuals().iter().copied());
        pairs.enumerate().filter(move |(at, _)| (6..columns - 6).contains(&(at % columns))).map(|(_, pair)| pair)
    }

    #[test]
    fn it_finds_the_motion_of_the_frame() {
        for by in [(0.0, 0.0), (3.0, -2.0), (-7.0, 4.0), (2.5, 0.0), (0.0, -1.25)] {
            let mut flow = Flow::new(SIZE.0, SIZE.1);
            flow.find(&texture(by, 0), &texture((0.0, 0.0), 0));
            let (count, good) = inner(&flow).fold((0, 0), |(count, good), (vector, _)| {
                let near = |found: i16, by: f32| (f32::from(found) / UNIT as f32 + by).abs() < 0.6;
                (count + 1, good + usize::from(near(vector.x, by.0) && near(vector.y, by.1)))
            });
            assert!(good * 4 >= count * 3, "{by:?}: {good} of {count}");
        }
    }

    #[test]
    fn noise_is_not_motion() {
        let mut flow = Flow::new(SIZE.0, SIZE.1);
        flow.find(&texture((0.0, 0.0), 1), &texture((0.0, 0.0), 0));
        assert!(flow.vectors().iter().all(|vector| *vector == Vector::default()));
        assert!(flow.residuals().iter().all(|left| *left < 3.0));
    }

    #[test]
    fn new_content_has_a_large_residual() {
        let mut plane = Plane::new(SIZE.0, SIZE.1);
        plane.copy_from(&texture((0.0, 0.0), 0).levels[0]);
        for y in 20..44 {
            plane.row_mut(y)[30..60].iter_mut().enumerate().for_each(|(x, pixel)| *pixel = 255 - (x % 2 * 200) as u8);
        }
        plane.replicate();
        let mut now = Pyramid::new(SIZE.0, SIZE.1);
        now.build(&plane);
        let mut flow = Flow::new(SIZE.0, SIZE.1);
        flow.find(&now, &texture((0.0, 0.0), 0));
        let at = |x: usize, y: usize| flow.residuals()[y / STEP * flow.columns() + x / STEP];
        assert!(at(44, 32) > 20.0 && at(8, 8) < 1.0 && at(88, 56) < 1.0);
    }

    #[test]
    fn a_shadow_on_the_person_does_not_lead_to_the_room() {
        // the person at the left is as dark as the wall once a shadow falls on it
        let halves = |person: u8, wall: u8| {
            let mut plane = Plane::new(SIZE.0, SIZE.1);
            for row in 0..SIZE.1 {
                plane.row_mut(row)[..SIZE.0 / 2].fill(person);
                plane.row_mut(row)[SIZE.0 / 2..].fill(wall);
            }
            plane.replicate();
            plane
        };
        let pyramid = |luma: &Plane<u8>| {
            let mut pyramid = Pyramid::new(SIZE.0, SIZE.1);
            pyramid.build(luma);
            pyramid
        };
        let (now, then) = (pyramid(&halves(80, 80)), pyramid(&halves(100, 80)));
        let mut alpha = Plane::new(SIZE.0, SIZE.1);
        for row in 0..SIZE.1 {
            alpha.row_mut(row)[..SIZE.0 / 2].fill(0.9);
        }
        let mut flow = Flow::new(SIZE.0, SIZE.1);
        // the furthest pixel in the direction of the wall that a vector of the person leads to
        let furthest = |flow: &Flow| {
            let columns = flow.columns();
            let person = flow.vectors().iter().enumerate().filter(|(at, _)| at % columns * STEP < SIZE.0 / 2);
            person.map(|(at, vector)| (at % columns * STEP) as i32 + i32::from(vector.x) / UNIT).max().unwrap()
        };
        flow.find(&now, &then);
        assert!(furthest(&flow) >= SIZE.0 as i32 / 2, "no vector to correct");
        flow.keep_person((&now, &alpha), (&then, &alpha));
        assert!(furthest(&flow) < SIZE.0 as i32 / 2);
        // if the person was not there before, the vectors are kept
        flow.find(&now, &then);
        let moved = furthest(&flow);
        assert!(moved >= SIZE.0 as i32 / 2, "no vector to keep");
        flow.keep_person((&now, &alpha), (&then, &Plane::new(SIZE.0, SIZE.1)));
        assert_eq!(furthest(&flow), moved);
    }

    proptest! {
        #[test]
        fn simd_matches_the_scalar_version(bytes in prop::collection::vec(any::<u8>(), 400), a in 0usize..40, b in 0usize..40) {
            prop_assert_eq!(sad(&bytes[a..], &bytes[b..], 45), sad_scalar(&bytes[a..], &bytes[b..], 45));
        }
    }
}
