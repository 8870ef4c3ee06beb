//! Sets of cells: squares of pixels that the network processes as one position.

use std::ops::Range;

use crate::frame::{Size, spread::Spread};

/// The side of a cell, in pixels. Frames have whole cells.
pub(super) const CELL: usize = 4;

/// The maximum distance of [`Cells::set_near`].
pub(super) const MAX_REACH: usize = 4;

/// A set of cells of frames of one size.
#[derive(Debug, Clone)]
pub(super) struct Cells {
    /// The number of cells in a row, and of rows.
    pub(super) width: usize,
    pub(super) height: usize,
    /// 1 for cells in the set.
    flags: Box<[u8]>,
    /// All cells of the set are in these rows.
    rows: Range<usize>,
    spread: Spread,
}

impl Cells {
    pub(super) fn new(size: Size) -> Self {
        let (width, height) = (size.width() / CELL, size.height() / CELL);
        let spread = Spread::new(width, MAX_REACH);
        Self { width, height, flags: vec![0; width * height].into(), rows: 0..0, spread }
    }

    pub(super) fn clear(&mut self) {
        self.flags[self.rows.start * self.width..self.rows.end * self.width].fill(0);
        self.rows = 0..0;
    }

    /// Adds the cell in column `x` of row `y`; false if it is in the set already.
    pub(super) fn insert(&mut self, x: usize, y: usize) -> bool {
        let start = if self.rows.is_empty() { y } else { self.rows.start.min(y) };
        self.rows = start..self.rows.end.max(y + 1);
        std::mem::replace(&mut self.flags[y * self.width + x], 1) == 0
    }

    /// Rows that include all cells of the set.
    pub(super) fn rows(&self) -> Range<usize> {
        self.rows.clone()
    }

    /// The ranges of consecutive cells in row `y`, which may be outside of the frame.
    pub(super) fn runs(&self, y: usize) -> impl Iterator<Item = Range<usize>> {
        let row = if self.rows.contains(&y) { &self.flags[y * self.width..][..self.width] } else { &[] };
        let find = move |flag: u8, from: usize| row[from..].iter().position(|&found| found == flag).map(|at| at + from);
        let mut end = 0;
        std::iter::from_fn(move || {
            let start = find(1, end)?;
            end = find(0, start).unwrap_or(row.len());
            Some(start..end)
        })
    }

    /// Makes this the set of all cells within `reach` columns and rows of those of another set.
    pub(super) fn set_near(&mut self, other: &Self, reach: usize) {
        self.clear();
        if other.rows.is_empty() {
            return;
        }
        self.rows = other.rows.start.saturating_sub(reach)..(other.rows.end + reach).min(self.height);
        for y in self.rows.clone() {
            let rows = y.saturating_sub(reach).max(other.rows.start)..(y + reach + 1).min(other.rows.end);
            let rows = rows.map(|row| &other.flags[row * self.width..][..self.width]);
            self.spread.run(rows, reach, &mut self.flags[y * self.width..][..self.width]);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn size() -> Size {
        Size::new(96, 64).unwrap()
    }

    fn set(places: &[(usize, usize)]) -> Cells {
        let mut cells = Cells::new(size());
        places.iter().for_each(|&(x, y)| _ = cells.insert(x, y));
        cells
    }

    fn places(cells: &Cells) -> Vec<(usize, usize)> {
        cells.rows().flat_map(|y| cells.runs(y).flatten().map(move |x| (x, y))).collect()
    }

    proptest! {
        #[test]
        fn near_cells_are_those_within_reach(
            first in prop::collection::vec((0usize..24, 0usize..16), 0..20),
            second in prop::collection::vec((0usize..24, 0usize..16), 0..4),
            reach in 0..=MAX_REACH,
        ) {
            let mut near = Cells::new(size());
            // the first set must not remain in the second
            for set in [set(&first), set(&second)] {
                near.set_near(&set, reach);
                let cells = places(&set);
                let is_near = |x: usize, y: usize| {
                    cells.iter().any(|cell| cell.0.abs_diff(x) <= reach && cell.1.abs_diff(y) <= reach)
                };
                let all = (0..16).flat_map(|y| (0..24).map(move |x| (x, y)));
                let expected: Vec<_> = all.filter(|&(x, y)| is_near(x, y)).collect();
                prop_assert_eq!(places(&near), expected);
            }
        }
    }

    #[test]
    fn a_cell_is_inserted_once() {
        let mut cells = set(&[]);
        assert!(cells.insert(3, 9));
        assert!(cells.insert(5, 2));
        assert!(!cells.insert(3, 9));
        assert_eq!(places(&cells), [(5, 2), (3, 9)]);
        cells.clear();
        assert_eq!(places(&cells), []);
    }
}
