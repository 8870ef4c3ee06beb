//! Enlarges rows of cells to rows of pixels.

use std::ops::Range;

use multiversion::multiversion;

use super::FACTOR;
use crate::frame::grid::Plane;

/// Enlarges planes of one width.
#[derive(Debug)]
pub(super) struct Lines {
    cells: Box<[u16]>,
    lines: [Box<[u8]>; 3],
}

impl Lines {
    pub(super) fn new(width: usize) -> Self {
        let line = || vec![0; (width + 2) * FACTOR].into_boxed_slice();
        Self { cells: vec![0; width + 2].into(), lines: [line(), line(), line()] }
    }

    /// Pixels `span` of row `y` of up to three planes whose cells are `N` pixels wide and tall.
    pub(super) fn expand<const N: usize, const P: usize>(
        &mut self,
        planes: [&Plane<u8>; P],
        y: usize,
        span: Range<usize>,
    ) -> [&[u8]; 3] {
        // the centre of a cell is between pixels N / 2 - 1 and N / 2
        let from_middle = y as isize - (N / 2) as isize;
        let above = from_middle.div_euclid(N as isize);
        let weight = (2 * from_middle.rem_euclid(N as isize) + 1) as u16 * (4 / N as u16);
        let first = span.start / N;
        let last = span.end.div_ceil(N);
        let count = last - first;
        for (plane, line) in planes.into_iter().zip(&mut self.lines) {
            let rows =
                [above, above + 1].map(|row| &plane.wide_row(row.min(plane.height as isize), 1)[first..][..count + 2]);
            blend_rows(rows[0], rows[1], weight, &mut self.cells[..count + 2]);
            enlarge::<N>(&self.cells[..count + 2], line);
        }
        let skip = span.start - first * N + N / 2;
        let length = span.len();
        let [front, back, person] = &self.lines;
        [&front[skip..][..length], &back[skip..][..length], &person[skip..][..length]]
    }
}

/// Interpolates between two rows of cells, in 1/8.
#[multiversion(targets = "simd")]
fn blend_rows(above: &[u8], below: &[u8], weight: u16, into: &mut [u16]) {
    for ((into, &above), &below) in into.iter_mut().zip(above).zip(below) {
        *into = u16::from(above) * (8 - weight) + u16::from(below) * weight;
    }
}

/// Computes `N` pixels between the centres of each pair of adjacent cells.
#[multiversion(targets = "simd")]
fn enlarge<const N: usize>(cells: &[u16], line: &mut [u8]) {
    for (pair, line) in cells.windows(2).zip(line.as_chunks_mut::<N>().0) {
        for (at, line) in line.iter_mut().enumerate() {
            let weight = (2 * at as u16 + 1) * (4 / N as u16);
            *line = ((pair[0] * (8 - weight) + pair[1] * weight + 32) >> 6) as u8;
        }
    }
}
