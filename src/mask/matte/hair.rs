//! Where the matte is hair, and its edge therefore soft.

use std::ops::Range;

use multiversion::multiversion;

use super::flow::{Flow, STEP, UNIT, Vector};
use crate::frame::grid::Plane;

/// The minimum probability of anything that counts as hair.
const MIN_PROBABILITY: f32 = 0.25;

/// The side of a cell in grid pixels.
const SIDE: usize = 2;

/// The distance across and down, in cells, over which hair spreads to the strands around it, before it is blurred.
const SPREAD: (usize, usize) = (2, 1);

/// The weights of a Gaussian blur with a sigma of 1.9 cells across and of 1.05 cells down, from the middle outwards: as in
/// the training of the refiner, 3 pixels of a 256x256 model.
const ACROSS: [f32; 6] = [0.2109, 0.1836, 0.1212, 0.0606, 0.0230, 0.0066];
const DOWN: [f32; 4] = [0.3794, 0.2411, 0.0618, 0.0074];

/// The weight of earlier keyframes.
const MEMORY: f32 = 0.5;

/// The probability of hair in cells of [`SIDE`] x [`SIDE`] grid pixels, propagated along the optical flow.
/// It is spread over the surroundings of hair, where flyaway strands are.
#[derive(Debug)]
pub(crate) struct Hair {
    columns: usize,
    rows: usize,
    /// Values in the keyframe, and in the current frame.
    keyframe: Box<[f32]>,
    now: Box<[f32]>,
    /// Buffers for the next keyframe.
    fresh: Box<[f32]>,
    scratch: Box<[f32]>,
    /// Whether any cell of the keyframe is hair.
    is_present: bool,
}

impl Hair {
    /// For grids of `width` x `height`.
    pub(crate) fn new(width: usize, height: usize) -> Self {
        let (columns, rows) = (width.div_ceil(SIDE), height.div_ceil(SIDE));
        let cells = || vec![0.0; columns * rows].into();
        Self { columns, rows, keyframe: cells(), now: cells(), fresh: cells(), scratch: cells(), is_present: false }
    }

    /// Sets the probability of hair in a keyframe; [`Hair::propagate`] then follows it to the current frame.
    pub(crate) fn set(&mut self, probability: &Plane<f32>) {
        for (at, cell) in self.fresh.iter_mut().enumerate() {
            let (x, y) = (at % self.columns * SIDE, at / self.columns * SIDE);
            let rows = y..(y + SIDE).min(probability.height);
            let pixels = rows.flat_map(|y| probability.row(y)[x..].iter().take(SIDE));
            *cell = pixels.fold(0.0, |most: f32, &value| most.max(value));
        }
        let most = |a: f32, b: f32, _| a.max(b);
        let mean = |a: f32, b: f32, weight| a + weight * b;
        self.filter(true, &[1.0; SPREAD.0 + 1], most);
        self.filter(false, &[1.0; SPREAD.1 + 1], most);
        self.filter(true, &ACROSS, mean);
        self.filter(false, &DOWN, mean);
        let weight = if self.is_present { MEMORY } else { 0.0 };
        for ((cell, &found), &now) in self.keyframe.iter_mut().zip(&self.fresh).zip(&self.now) {
            *cell = found + (now - found) * weight;
        }
        self.is_present = self.keyframe.iter().any(|&cell| cell > MIN_PROBABILITY);
        self.now.copy_from_slice(&self.keyframe);
    }

    /// Combines each fresh cell with those on both sides of it, by their weights; those at the edge are repeated.
    fn filter(&mut self, is_across: bool, weights: &[f32], combine: impl Fn(f32, f32, f32) -> f32) {
        let (columns, rows) = (self.columns as isize, self.rows as isize);
        for y in 0..rows {
            for x in 0..columns {
                let at = |by: isize| match is_across {
                    true => self.fresh[(y * columns + (x + by).clamp(0, columns - 1)) as usize],
                    false => self.fresh[((y + by).clamp(0, rows - 1) * columns + x) as usize],
                };
                let mut value = combine(0.0, at(0), weights[0]);
                for (by, &weight) in weights.iter().enumerate().skip(1) {
                    value = combine(combine(value, at(-(by as isize)), weight), at(by as isize), weight);
                }
                self.scratch[(y * columns + x) as usize] = value;
            }
        }
        std::mem::swap(&mut self.fresh, &mut self.scratch);
    }

    /// Follows the flow from the current frame to the keyframe.
    pub(super) fn propagate(&mut self, flow: &Flow) {
        if !self.is_present {
            return;
        }
        for at in 0..self.now.len() {
            let (column, row) = (at % self.columns, at / self.columns);
            let block = |cell: usize| (cell * SIDE + SIDE / 2 + STEP / 2) / STEP;
            let Vector { x, y, .. } = flow.vectors()[block(row) * flow.columns() + block(column)];
            let cells = |part: i16| f32::from(part) / (UNIT * SIDE as i32) as f32;
            self.now[at] = self.sample(column as f32 + cells(x), row as f32 + cells(y));
        }
    }

    /// Makes the current frame the one from which the flow is followed.
    pub(super) fn advance(&mut self) {
        if self.is_present {
            self.keyframe.copy_from_slice(&self.now);
        }
    }

    /// Forgets the hair of earlier frames.
    pub(super) fn reset(&mut self) {
        if std::mem::take(&mut self.is_present) {
            self.keyframe.fill(0.0);
            self.now.fill(0.0);
        }
    }

    /// Whether the current frame has any hair.
    pub(super) fn is_present(&self) -> bool {
        self.is_present
    }

    /// The columns and rows of grid pixels outside of which [`Hair::row`] is zero; `None` if there is no hair.
    pub(crate) fn bounds(&self) -> Option<(Range<usize>, Range<usize>)> {
        let hair = (0..self.now.len()).filter(|&at| self.now[at] > MIN_PROBABILITY);
        let places = hair.map(|at| (at % self.columns, at / self.columns));
        let (columns, rows) = places.fold(None, |found: Option<(Range<usize>, Range<usize>)>, (column, row)| {
            let (columns, rows) = found.unwrap_or((column..column, row..row));
            let columns = columns.start.min(column)..columns.end.max(column + 1);
            Some((columns, rows.start..row + 1))
        })?;
        // values are interpolated up to the centres of the next cells
        let pixels = |cells: Range<usize>| (cells.start * SIDE).saturating_sub(SIDE / 2)..cells.end * SIDE + SIDE / 2;
        self.is_present.then(|| (pixels(columns), pixels(rows)))
    }

    /// Writes how much each grid pixel of row `y` is hair: 0 up to the probability `low`, which is at least
    /// [`MIN_PROBABILITY`], 1 from `high` on. False if all are zero.
    pub(crate) fn row(&self, y: usize, (low, high): (f32, f32), into: &mut [f32]) -> bool {
        self.probability_row(y, into);
        let mut is_present = false;
        for value in into {
            *value = ((*value - low) / (high - low)).clamp(0.0, 1.0);
            is_present |= *value > 0.0;
        }
        is_present
    }

    /// Writes the probability of hair of each grid pixel of row `y`, interpolated between cells.
    pub(crate) fn probability_row(&self, y: usize, into: &mut [f32]) {
        let (above, below, down) = between((y as f32 + 0.5) / SIDE as f32 - 0.5, self.rows);
        let [above, below] = [above, below].map(|row| &self.now[row * self.columns..][..self.columns]);
        enlarge(above, below, down, into);
    }

    fn sample(&self, x: f32, y: f32) -> f32 {
        let (left, right, across) = between(x, self.columns);
        let (above, below, down) = between(y, self.rows);
        let line = |row: usize| {
            let (first, second) = (self.keyframe[row * self.columns + left], self.keyframe[row * self.columns + right]);
            first + (second - first) * across
        };
        line(above) + (line(below) - line(above)) * down
    }
}

/// Interpolates between two rows of cells, and from their centres to the pixels of each cell.
#[multiversion(targets = "simd")]
fn enlarge(above: &[f32], below: &[f32], down: f32, into: &mut [f32]) {
    const { assert!(SIDE == 2) };
    let pixels = |above: &[f32], below: &[f32]| {
        let [left, middle, right] = std::array::from_fn(|at| above[at] + (below[at] - above[at]) * down);
        [middle + (left - middle) * 0.25, middle + (right - middle) * 0.25]
    };
    let end = above.len() - 1;
    let around = |cells: &[f32], at: usize| [cells[at.saturating_sub(1)], cells[at], cells[(at + 1).min(end)]];
    let (pairs, rest) = into.as_chunks_mut::<SIDE>();
    let inner = above.windows(3).zip(below.windows(3));
    for (pair, (above, below)) in pairs.iter_mut().skip(1).zip(inner) {
        *pair = pixels(above, below);
    }
    for at in [0, end] {
        if let Some(pair) = pairs.get_mut(at) {
            *pair = pixels(&around(above, at), &around(below, at));
        }
    }
    if let [pixel] = rest {
        [*pixel, _] = pixels(&around(above, end), &around(below, end));
    }
}

/// The cells on both sides of a position, and its distance from the first.
fn between(at: f32, count: usize) -> (usize, usize, f32) {
    let at = at.clamp(0.0, (count - 1) as f32);
    let first = at as usize;
    (first, (first + 1).min(count - 1), at.fract())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: (usize, usize) = (72, 44);
    const PROBABILITY: (f32, f32) = (0.25, 0.6);

    /// Hair in the grid pixels from column `from` to `to`.
    fn columns(from: usize, to: usize) -> Plane<f32> {
        let mut plane = Plane::new(SIZE.0, SIZE.1);
        (0..SIZE.1).for_each(|y| plane.row_mut(y)[from..to].fill(0.9));
        plane
    }

    fn row(hair: &Hair, y: usize) -> Vec<f32> {
        let mut row = vec![7.0; SIZE.0];
        hair.row(y, PROBABILITY, &mut row);
        row
    }

    #[test]
    fn it_spreads_to_the_surroundings_and_fills_whole_rows() {
        let mut hair = Hair::new(SIZE.0, SIZE.1);
        assert!(!hair.is_present());
        hair.set(&columns(32, SIZE.0));
        for y in [0, 5, 21, SIZE.1 - 1] {
            let row = row(&hair, y);
            assert!(row[..20].iter().all(|&value| value == 0.0), "{row:?}");
            assert!(row[34..].iter().all(|&value| value == 1.0), "{row:?}");
            assert!(row.is_sorted() && row[31] > 0.5, "{row:?}");
        }
        hair.reset();
        assert!(!hair.is_present() && row(&hair, 9).iter().all(|&value| value == 0.0));
    }

    #[test]
    fn pixels_are_interpolated_between_the_centres_of_cells() {
        for width in [SIZE.0, SIZE.0 - 1, 2, 1] {
            let mut hair = Hair::new(width, SIZE.1);
            hair.is_present = true;
            for (at, cell) in hair.now.iter_mut().enumerate() {
                *cell = ((at * 7919) % 101) as f32 / 101.0;
            }
            let mut row = vec![7.0; width];
            for y in 0..SIZE.1 {
                hair.probability_row(y, &mut row);
                for (x, &found) in row.iter().enumerate() {
                    let centre = |at: usize| (at as f32 + 0.5) / SIDE as f32 - 0.5;
                    let ((left, right, across), (above, below, down)) =
                        (between(centre(x), hair.columns), between(centre(y), hair.rows));
                    let at = |column: usize, row: usize| hair.now[row * hair.columns + column];
                    let line = |row: usize| at(left, row) * (1.0 - across) + at(right, row) * across;
                    let expected = line(above) * (1.0 - down) + line(below) * down;
                    assert!((found - expected).abs() < 1e-5, "{width}: ({x}, {y}): {found}, not {expected}");
                }
            }
        }
    }

    #[test]
    fn bounds_contain_all_hair() {
        let mut hair = Hair::new(SIZE.0, SIZE.1);
        assert_eq!(hair.bounds(), None);
        for (from, to) in [(0, 8), (30, 34), (20, SIZE.0), (SIZE.0 - 1, SIZE.0)] {
            hair.reset();
            hair.set(&columns(from, to));
            let (columns, rows) = hair.bounds().unwrap();
            assert!(rows.start == 0 && rows.end >= SIZE.1);
            let row = row(&hair, 20);
            assert!((0..SIZE.0).filter(|&x| row[x] > 0.0).all(|x| columns.contains(&x)), "{columns:?} {row:?}");
            assert!(columns.len() <= to - from + 20 * SIDE, "{columns:?}");
        }
    }

    #[test]
    fn uncertain_hair_is_partly_hair_and_keyframes_are_smoothed() {
        let mut hair = Hair::new(SIZE.0, SIZE.1);
        let mut uncertain = Plane::new(SIZE.0, SIZE.1);
        (0..SIZE.1).for_each(|y| uncertain.row_mut(y).fill(PROBABILITY.0 + 0.5 * (PROBABILITY.1 - PROBABILITY.0)));
        hair.set(&uncertain);
        assert!(row(&hair, 20).iter().all(|value| (value - 0.5).abs() < 0.01));
        hair.reset();
        hair.set(&columns(0, SIZE.0));
        hair.set(&columns(0, 0));
        let probability = 0.9 * MEMORY;
        let expected = (probability - PROBABILITY.0) / (PROBABILITY.1 - PROBABILITY.0);
        assert!(row(&hair, 20).iter().all(|value| (value - expected).abs() < 0.01));
    }

    #[test]
    fn it_follows_the_flow() {
        use super::super::flow::Pyramid;

        let picture = |shift: usize| {
            let mut plane = Plane::new(SIZE.0, SIZE.1);
            for y in 0..SIZE.1 {
                for (x, luma) in plane.row_mut(y).iter_mut().enumerate() {
                    let (x, y) = (((x + 100 - shift) / 3) as u32, (y / 3) as u32);
                    *luma = (x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(40_503) >> 3) as u8 / 2 + 60;
                }
            }
            plane.replicate();
            plane
        };
        let mut pyramids = [0, 8].map(|shift| {
            let mut pyramid = Pyramid::new(SIZE.0, SIZE.1);
            pyramid.build(&picture(shift));
            pyramid
        });
        let [then, now] = &mut pyramids;
        let mut flow = Flow::new(SIZE.0, SIZE.1);
        flow.find(now, then);
        let mut hair = Hair::new(SIZE.0, SIZE.1);
        hair.set(&columns(24, 40));
        let before = row(&hair, 20);
        hair.propagate(&flow);
        let after = row(&hair, 20);
        let centre = |row: &[f32]| {
            let sum: f32 = row.iter().sum();
            row.iter().enumerate().map(|(x, value)| x as f32 * value).sum::<f32>() / sum
        };
        assert!((centre(&after) - centre(&before) - 8.0).abs() < 3.0, "{before:?} {after:?}");
        // without a step in between, the same flow starts from the same frame
        hair.propagate(&flow);
        assert_eq!(row(&hair, 20), after);
        hair.advance();
        hair.propagate(&flow);
        assert!((centre(&row(&hair, 20)) - centre(&before) - 16.0).abs() < 5.0, "{before:?} {after:?}");
    }
}
