//! Where the refiner is used: near the matte's edge, in hair.

use std::ops::Range;

use multiversion::multiversion;

use super::cells::{CELL, Cells};
use crate::{
    frame::{Size, grid::Grid},
    mask::matte::Hair,
};

/// The probabilities of hair at which the refiner starts to be used, and at which it is used entirely.
const PROBABILITY: (f32, f32) = (0.25, 0.6);

/// A pixel is at the edge if, within [`REACH`] pixels along each axis, there are an alpha above the first and one below
/// the second: .3 and .7.
const EDGE: (u8, u8) = (77, 178);
const REACH: usize = 4;

/// Half the side of the box filter that softens the band.
const SOFT: usize = 3;

/// The side of the box filter, in pixels.
const BOX: usize = 2 * SOFT + 1;

/// The distance from which a pixel's alpha affects a weight.
const SPREAD: usize = REACH + SOFT;

/// The weight of the refined alpha at most. The rest is the matte's, whose errors are different ones: together they are
/// better than either.
const STRENGTH: f32 = 0.6;

/// The minimum weight for which the network is run, of 255.
const MIN_WEIGHT: u8 = 16;

/// The maximum number of cells for which the network is run, which bounds the time. A head of curls has 1,400.
const MAX_CELLS: usize = 8192;

/// The weights of the refined alpha in frames of one size.
#[derive(Debug)]
pub(super) struct Band {
    grid: Grid,
    size: Size,
    /// The weight of each pixel, 0 to 255.
    weights: Box<[u8]>,
    /// All other rows of `weights` are zero.
    rows: Range<usize>,
    /// The cells in which any pixel has at least [`MIN_WEIGHT`].
    cells: Cells,
    /// How much the grid pixels of the current row are hair.
    hair: Box<[f32]>,
    /// For the last [`BOX`] rows, 1 for pixels at the edge; with [`SOFT`] more columns at both ends.
    edges: [Box<[u8]>; BOX],
    /// The maximum and the minimum alpha of rows; with [`SPREAD`] more columns at both ends.
    highest: Box<[u8]>,
    lowest: Box<[u8]>,
    /// The number of pixels at the edge in the rows of the box; like `edges`.
    sums: Box<[u8]>,
}

impl Band {
    pub(super) fn new(grid: Grid, size: Size) -> Self {
        let width = size.width();
        let row = |more: usize| vec![0; width + 2 * more].into_boxed_slice();
        Self {
            grid,
            size,
            weights: vec![0; size.luma_len()].into(),
            rows: 0..0,
            cells: Cells::new(size),
            hair: vec![0.0; grid.width].into(),
            edges: std::array::from_fn(|_| row(SOFT)),
            highest: row(SPREAD),
            lowest: row(SPREAD),
            sums: row(SOFT),
        }
    }

    /// The cells for which the network has to be run.
    pub(super) fn cells(&self) -> &Cells {
        &self.cells
    }

    /// Finds the band of a matte.
    pub(super) fn find(&mut self, hair: &Hair, alpha: &[u8]) {
        self.cells.clear();
        let width = self.size.width();
        self.weights[self.rows.start * width..self.rows.end * width].fill(0);
        self.rows = 0..0;
        if let Some((columns, rows)) = self.bounds(hair) {
            self.rows = rows.clone();
            self.weigh(hair, alpha, columns, rows);
        }
    }

    /// The columns and rows of pixels that may be hair; `None` if there are none.
    pub(super) fn bounds(&self, hair: &Hair) -> Option<(Range<usize>, Range<usize>)> {
        let (columns, rows) = hair.bounds()?;
        let pixels = |cells: Range<usize>, side: usize| {
            (cells.start * self.grid.factor).min(side)..(cells.end * self.grid.factor).min(side)
        };
        let (columns, rows) = (pixels(columns, self.size.width()), pixels(rows, self.size.height()));
        (!columns.is_empty()).then_some((columns, rows))
    }

    fn weigh(&mut self, hair: &Hair, alpha: &[u8], columns: Range<usize>, rows: Range<usize>) {
        let mut count = 0;
        let mut next = rows.start as isize - SOFT as isize;
        for y in rows {
            for row in next..=(y + SOFT) as isize {
                self.find_edges(row, &columns, alpha);
            }
            next = (y + SOFT) as isize + 1;
            if hair.row(y / self.grid.factor, PROBABILITY, &mut self.hair) {
                count += self.weigh_row(y, &columns);
                if count >= MAX_CELLS {
                    return;
                }
            }
        }
    }

    /// Marks the pixels of row `y` at the edge; none outside of the frame.
    fn find_edges(&mut self, y: isize, columns: &Range<usize>, alpha: &[u8]) {
        let edges = &mut self.edges[y.rem_euclid(BOX as isize) as usize];
        edges.fill(0);
        let (width, height) = (self.size.width(), self.size.height());
        if y < 0 || y >= height as isize {
            return;
        }
        self.highest.fill(0);
        self.lowest.fill(255);
        let span = columns.start.saturating_sub(SPREAD)..(columns.end + SPREAD).min(width);
        let inner = span.start + SPREAD..span.end + SPREAD;
        let first = (y as usize).saturating_sub(REACH);
        let last = (y as usize + REACH).min(height - 1);
        for row in first..=last {
            let row = &alpha[row * width..][span.clone()];
            extend_range(row, &mut self.highest[inner.clone()], &mut self.lowest[inner.clone()]);
        }
        // `edges` starts SOFT columns before the frame, the others SPREAD columns
        let span = columns.start..columns.end + 2 * SOFT;
        let window = columns.start..columns.end + 2 * SPREAD;
        mark_edges(&self.highest[window.clone()], &self.lowest[window], &mut edges[span]);
        edges[..SOFT].fill(0);
        edges[width + SOFT..].fill(0);
    }

    /// Computes the weights of row `y`. Returns the number of cells that it adds.
    fn weigh_row(&mut self, y: usize, columns: &Range<usize>) -> usize {
        let span = columns.start..columns.end + 2 * SOFT;
        let sums = &mut self.sums[span.clone()];
        sums.fill(0);
        for edges in &self.edges {
            sums.iter_mut().zip(&edges[span.clone()]).for_each(|(sum, &edge)| *sum += edge);
        }
        let weights = &mut self.weights[y * self.size.width()..][columns.clone()];
        count_edges(sums, weights);
        // the columns start with a grid pixel
        let hair = &self.hair[columns.start / self.grid.factor..];
        let mut is_found = false;
        for (&hair, weights) in hair.iter().zip(weights.chunks_mut(self.grid.factor)) {
            let factor = (hair * (255.0 * 256.0 / (BOX * BOX) as f32)) as u32;
            for weight in weights {
                *weight = ((u32::from(*weight) * factor) >> 8) as u8;
                is_found |= *weight >= MIN_WEIGHT;
            }
        }
        if !is_found {
            return 0;
        }
        let row = self.weights[y * self.size.width()..][..self.size.width()].as_chunks::<CELL>().0;
        let mut count = 0;
        for (x, _) in row.iter().enumerate().filter(|(_, cell)| cell.iter().any(|&weight| weight >= MIN_WEIGHT)) {
            count += usize::from(self.cells.insert(x, y / CELL));
        }
        count
    }

    /// Moves pixels from column `x` of row `y` on towards `refined`, by their weights.
    pub(super) fn blend(&self, (x, y): (usize, usize), refined: &[f32], alpha: &mut [u8]) {
        let at = y * self.size.width() + x;
        let pixels = alpha[at..].iter_mut().zip(&self.weights[at..]).zip(refined);
        for ((alpha, &weight), &refined) in pixels {
            let change = (refined * 255.0 - f32::from(*alpha)) * f32::from(weight) * STRENGTH / 255.0;
            *alpha = (f32::from(*alpha) + change + 0.5) as u8;
        }
    }
}

/// Extends the range from `lowest` to `highest` of each column to those of a row.
#[multiversion(targets = "simd")]
fn extend_range(row: &[u8], highest: &mut [u8], lowest: &mut [u8]) {
    for ((&alpha, highest), lowest) in row.iter().zip(highest).zip(lowest) {
        *highest = alpha.max(*highest);
        *lowest = alpha.min(*lowest);
    }
}

/// 1 for columns within [`REACH`] of both sides of the edge. The input has [`REACH`] more columns at both ends.
#[multiversion(targets = "simd")]
fn mark_edges(highest: &[u8], lowest: &[u8], edges: &mut [u8]) {
    const WINDOW: usize = 2 * REACH + 1;
    let (highest, lowest) = (&highest[..edges.len() + 2 * REACH], &lowest[..edges.len() + 2 * REACH]);
    for (x, edge) in edges.iter_mut().enumerate() {
        let (mut high, mut low) = (0, 255);
        for at in x..x + WINDOW {
            high = highest[at].max(high);
            low = lowest[at].min(low);
        }
        *edge = u8::from(high > EDGE.0) & u8::from(low < EDGE.1);
    }
}

/// The sum of [`BOX`] columns around each.
#[multiversion(targets = "simd")]
fn count_edges(sums: &[u8], counts: &mut [u8]) {
    let sums = &sums[..counts.len() + BOX - 1];
    for (x, count) in counts.iter_mut().enumerate() {
        *count = sums[x..x + BOX].iter().sum();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::frame::grid::Plane;

    const SIZE: (usize, usize) = (144, 112);

    fn size() -> Size {
        Size::new(SIZE.0 as u32, SIZE.1 as u32).unwrap()
    }

    /// Hair in these columns of the grid.
    fn hair(columns: Range<usize>) -> Hair {
        let grid = Grid::new(size());
        let mut probability = Plane::new(grid.width, grid.height);
        (0..grid.height).for_each(|y| probability.row_mut(y)[columns.clone()].fill(0.9));
        let mut hair = Hair::new(grid.width, grid.height);
        hair.set(&probability);
        hair
    }

    /// The weight of a pixel by definition.
    fn expected(alpha: &[u8], hair: &Hair, (x, y): (usize, usize)) -> f32 {
        let grid = Grid::new(size());
        let mut row = vec![0.0; grid.width];
        hair.row(y / grid.factor, PROBABILITY, &mut row);
        let window = |at: usize, reach: usize, side: usize| at.saturating_sub(reach)..(at + reach + 1).min(side);
        let is_edge = |x: usize, y: usize| {
            let pixels = || {
                window(y, REACH, SIZE.1).flat_map(move |y| window(x, REACH, SIZE.0).map(move |x| alpha[y * SIZE.0 + x]))
            };
            pixels().any(|alpha| alpha > EDGE.0) && pixels().any(|alpha| alpha < EDGE.1)
        };
        let edges = window(y, SOFT, SIZE.1).flat_map(|y| window(x, SOFT, SIZE.0).map(move |x| (x, y)));
        let count = edges.filter(|&(x, y)| is_edge(x, y)).count();
        255.0 * row[x / grid.factor] * count as f32 / (BOX * BOX) as f32
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn it_is_near_the_edge_and_in_hair(
            spots in prop::collection::vec((0..SIZE.0, 0..SIZE.1, 0usize..20, any::<u8>()), 0..12),
            (start, length) in (0..SIZE.0 - 8, 8usize..60),
        ) {
            let mut alpha = vec![0; SIZE.0 * SIZE.1];
            for (x, y, side, value) in spots {
                for row in y..(y + side).min(SIZE.1) {
                    alpha[row * SIZE.0..][x..(x + side).min(SIZE.0)].fill(value);
                }
            }
            let hair = hair(start..(start + length).min(SIZE.0));
            let mut band = Band::new(Grid::new(size()), size());
            band.find(&hair, &alpha);
            for (at, &weight) in band.weights.iter().enumerate() {
                let place = (at % SIZE.0, at / SIZE.0);
                let expected = expected(&alpha, &hair, place);
                prop_assert!((f32::from(weight) - expected).abs() < 2.0, "{place:?}: {weight}, not {expected}");
                if weight >= MIN_WEIGHT {
                    let cell = place.0 / CELL;
                    prop_assert!(band.cells.runs(place.1 / CELL).any(|run| run.contains(&cell)), "{place:?}: {weight}");
                }
            }
        }
    }

    #[test]
    fn without_hair_or_without_an_edge_it_is_empty() {
        let mut band = Band::new(Grid::new(size()), size());
        let mut alpha = vec![255; SIZE.0 * SIZE.1];
        let is_empty = |band: &mut Band, columns, alpha: &[u8]| {
            band.find(&hair(columns), alpha);
            band.cells().rows().is_empty()
        };
        assert!(is_empty(&mut band, 20..60, &alpha));
        alpha[..SIZE.0 * SIZE.1 / 2].fill(0);
        assert!(!is_empty(&mut band, 20..60, &alpha));
        assert!(is_empty(&mut band, 0..0, &alpha));
        assert!(band.weights.iter().all(|&weight| weight == 0), "outdated weights");
    }
}
