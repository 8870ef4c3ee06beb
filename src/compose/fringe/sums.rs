//! Sums over squares of cells, for several planes in one pass.

use std::ops::Range;

use multiversion::multiversion;

use super::WIDE;
use crate::frame::grid::{PAD, Plane};

/// Sums over squares of cells, row by row, of `N` planes.
#[derive(Debug)]
pub(super) struct Sums<const N: usize> {
    /// Column sums over the surrounding rows, with a border.
    columns: [Box<[u16]>; N],
    /// The sums of the squares around each cell of the row.
    pub(super) rows: [Box<[u16]>; N],
    steps: [Box<[u16]>; 2],
}

impl<const N: usize> Sums<N> {
    pub(super) fn new(width: usize) -> Self {
        let row = |length| vec![0; length].into_boxed_slice();
        let wide = width + 2 * PAD;
        Self {
            columns: std::array::from_fn(|_| row(wide)),
            rows: std::array::from_fn(|_| row(width)),
            steps: [row(wide), row(wide)],
        }
    }

    /// Starts above the first row; the first call of [`Sums::next`] adds the row still missing.
    pub(super) fn start<const P: usize>(&mut self, planes: [&Plane<u8>; P], radius: usize) {
        let radius = radius as isize;
        for (columns, plane) in self.columns.iter_mut().zip(planes) {
            columns.fill(0);
            for y in -radius - 1..radius {
                add(plane.wide_row(y, PAD), columns);
            }
        }
    }

    /// Computes the sums of squares of `radius` around the cells `spans` of row `y`; rows must be in order.
    pub(super) fn next<const P: usize>(
        &mut self,
        planes: [&Plane<u8>; P],
        radius: usize,
        y: usize,
        spans: impl Iterator<Item = Range<usize>> + Clone,
    ) {
        let y = y as isize;
        let reach = radius as isize;
        for ((columns, rows), plane) in self.columns.iter_mut().zip(&mut self.rows).zip(planes) {
            slide(plane.wide_row(y + reach, PAD), plane.wide_row(y - reach - 1, PAD), columns);
            for span in spans.clone() {
                let from = &columns[PAD - radius + span.start..];
                let into = &mut rows[span];
                match radius {
                    WIDE => thirteen(from, &mut self.steps, into),
                    _ => five(from, into),
                }
            }
        }
    }
}

#[multiversion(targets = "simd")]
fn add(row: &[u8], columns: &mut [u16]) {
    for (column, &byte) in columns.iter_mut().zip(row) {
        *column += u16::from(byte);
    }
}

#[multiversion(targets = "simd")]
fn slide(come: &[u8], go: &[u8], columns: &mut [u16]) {
    for ((column, &come), &go) in columns.iter_mut().zip(come).zip(go) {
        *column = *column + u16::from(come) - u16::from(go);
    }
}

/// Sums of thirteen neighbours, from sums of four and eight.
#[multiversion(targets = "simd")]
fn thirteen(from: &[u16], [four, eight]: &mut [Box<[u16]>; 2], into: &mut [u16]) {
    let length = into.len();
    let from = &from[..length + 12];
    let four = &mut four[..length + 8];
    let eight = &mut eight[..length];
    for (x, four) in four.iter_mut().enumerate() {
        *four = from[x] + from[x + 1] + from[x + 2] + from[x + 3];
    }
    for (x, eight) in eight.iter_mut().enumerate() {
        *eight = four[x] + four[x + 4];
    }
    for x in 0..length {
        into[x] = eight[x] + four[x + 8] + from[x + 12];
    }
}

#[multiversion(targets = "simd")]
fn five(from: &[u16], into: &mut [u16]) {
    let from = &from[..into.len() + 4];
    for (x, into) in into.iter_mut().enumerate() {
        *into = from[x] + from[x + 1] + from[x + 2] + from[x + 3] + from[x + 4];
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::NARROW, *};

    proptest! {
        #[test]
        fn sums_match_those_of_single_cells(bytes in prop::collection::vec(any::<u8>(), 40 * 20)) {

            let mut plane = Plane::new(40, 20);
            (0..20).for_each(|y| plane.row_mut(y).copy_from_slice(&bytes[y * 40..][..40]));
            plane.replicate();
            for radius in [WIDE, NARROW] {
                let mut sums = Sums::<1>::new(40);
                sums.start([&plane], radius);
                for y in 0..20 {
                    sums.next([&plane], radius, y, [0..16, 16..40].into_iter());
                    let reach = -(radius as isize)..=radius as isize;
                    for x in [0, 1, 17, 39] {
                        let cell = |dx: isize, dy: isize| plane.raw().0[plane.index(x as isize + dx, y as isize + dy)];
                        let square = reach.clone().flat_map(|dy| reach.clone().map(move |dx| (dx, dy)));
                        let sum: u32 = square.map(|(dx, dy)| u32::from(cell(dx, dy))).sum();
                        prop_assert_eq!(u32::from(sums.rows[0][x]), sum);
                    }
                }
            }
        }
    }
}
