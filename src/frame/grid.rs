//! Working grids: frames downscaled by an integer factor, and planes with a replicated border.

use std::ops::Range;

use multiversion::multiversion;

use crate::frame::{Frame, Size};

/// Padding of a plane in columns and rows, so that small windows and vectors need no special cases.
pub(crate) const PAD: usize = 16;

/// Approximate length of the grid's longer side.
const SIDE: usize = 320;

/// Division of a frame into square cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Grid {
    /// Side of a cell in pixels.
    pub(crate) factor: usize,
    /// Cells in a row; the last one may extend past the frame's edge.
    pub(crate) width: usize,
    /// Rows of cells.
    pub(crate) height: usize,
}

impl Grid {
    /// The working grid for frames of `size`.
    pub(crate) fn new(size: Size) -> Self {
        let (width, height) = (size.width(), size.height());
        let factor = ((width.max(height) + SIDE / 2) / SIDE).max(1);
        Self::of_cells(factor, size)
    }

    /// A grid with cells of `factor` x `factor` pixels for frames of `size`.
    pub(crate) fn of_cells(factor: usize, size: Size) -> Self {
        Self { factor, width: size.width().div_ceil(factor), height: size.height().div_ceil(factor) }
    }
}

/// A single-channel image with [`PAD`] pixels of padding on every side.
#[derive(Debug, Clone)]
pub(crate) struct Plane<T> {
    pub(crate) width: usize,
    pub(crate) height: usize,
    stride: usize,
    data: Box<[T]>,
}

impl<T: Copy + Default> Plane<T> {
    pub(crate) fn new(width: usize, height: usize) -> Self {
        let stride = width + 2 * PAD;
        Self { width, height, stride, data: vec![T::default(); stride * (height + 2 * PAD)].into() }
    }

    /// All data including the padding, and the stride in elements.
    pub(crate) fn raw(&self) -> (&[T], usize) {
        (&self.data, self.stride)
    }

    pub(crate) fn raw_mut(&mut self) -> &mut [T] {
        &mut self.data
    }

    /// Index of pixel (x, y) in [`Plane::raw`]; x and y may extend up to [`PAD`] past the edges.
    pub(crate) fn index(&self, x: isize, y: isize) -> usize {
        ((y + PAD as isize) * self.stride as isize + x + PAD as isize) as usize
    }

    pub(crate) fn row(&self, y: usize) -> &[T] {
        &self.data[(y + PAD) * self.stride + PAD..][..self.width]
    }

    pub(crate) fn row_mut(&mut self, y: usize) -> &mut [T] {
        &mut self.data[(y + PAD) * self.stride + PAD..][..self.width]
    }

    /// Row `y` with `before` pixels of padding on both sides; `y` may be inside the padding.
    pub(crate) fn wide_row(&self, y: isize, before: usize) -> &[T] {
        let start = self.index(-(before as isize), y);
        &self.data[start..start + self.width + 2 * before]
    }

    pub(crate) fn copy_from(&mut self, other: &Self) {
        self.data.copy_from_slice(&other.data);
    }

    /// The columns with a pixel above `level`; `None` if there are none.
    pub(crate) fn span(&self, level: T) -> Option<Range<usize>>
    where
        T: PartialOrd,
    {
        let (mut start, mut end) = (self.width, 0);
        for row in (0..self.height).map(|y| self.row(y)) {
            let is_above = |value: &T| *value > level;
            start = row[..start].iter().position(is_above).unwrap_or(start);
            end += row[end..].iter().rposition(is_above).map_or(0, |at| at + 1);
        }
        (start < end).then_some(start..end)
    }

    /// Fills the padding with the outermost pixels.
    pub(crate) fn replicate(&mut self) {
        let (width, stride) = (self.width, self.stride);
        for line in self.data[PAD * stride..(PAD + self.height) * stride].chunks_exact_mut(stride) {
            let (first, last) = (line[PAD], line[PAD + width - 1]);
            line[..PAD].fill(first);
            line[PAD + width..].fill(last);
        }
        let (top, bottom) = (PAD * stride, (PAD + self.height - 1) * stride);
        for y in 0..PAD {
            self.data.copy_within(top..top + stride, y * stride);
            self.data.copy_within(bottom..bottom + stride, bottom + (y + 1) * stride);
        }
    }
}

/// A frame on the grid: the means of its cells.
#[derive(Debug, Clone)]
pub(crate) struct Guide {
    pub(crate) y: Plane<u8>,
    pub(crate) u: Plane<u8>,
    pub(crate) v: Plane<u8>,
}

/// Downscales frames to the grid by box averaging.
#[derive(Debug)]
pub(crate) struct BoxDownscaler {
    grid: Grid,
    sums: Box<[u16]>,
}

impl Guide {
    pub(crate) fn new(grid: Grid) -> Self {
        let plane = || Plane::new(grid.width, grid.height);
        Self { y: plane(), u: plane(), v: plane() }
    }
}

impl BoxDownscaler {
    pub(crate) fn new(grid: Grid, size: Size) -> Self {
        Self { grid, sums: vec![0; size.width()].into() }
    }

    pub(crate) fn fill(&mut self, frame: &Frame, guide: &mut Guide) {
        let (width, height) = (frame.size().width(), frame.size().height());
        let (y, u, v) = frame.planes();
        self.plane(y, (width, height), (self.grid.factor, 1), &mut guide.y);
        self.plane(u, (width / 2, height / 2), (self.grid.factor, 2), &mut guide.u);
        self.plane(v, (width / 2, height / 2), (self.grid.factor, 2), &mut guide.v);
    }

    /// Downscales a single plane of the frame's luma size.
    pub(crate) fn luma(&mut self, from: &[u8], size: Size, into: &mut Plane<u8>) {
        self.plane(from, (size.width(), size.height()), (self.grid.factor, 1), into);
    }

    /// Means over cells of `step.0 / step.1` pixels; if the ratio is not an integer, over all pixels that a cell
    /// touches.
    fn plane(&mut self, from: &[u8], (width, height): (usize, usize), step: (usize, usize), into: &mut Plane<u8>) {
        let span = |at: usize, end: usize| {
            let start = (at * step.0 / step.1).min(end - 1);
            start..((at + 1) * step.0).div_ceil(step.1).clamp(start + 1, end)
        };
        for row in 0..self.grid.height {
            let rows = span(row, height);
            let sums = &mut self.sums[..width];
            sum_rows(&from[rows.start * width..rows.end * width], sums);
            let out = into.row_mut(row);
            let whole = step.0.is_multiple_of(step.1) && out.len() * (step.0 / step.1) == width;
            match (whole, step.0 / step.1) {
                (true, 1) => means::<1>(sums, rows.len(), out),
                (true, 2) => means::<2>(sums, rows.len(), out),
                (true, 3) => means::<3>(sums, rows.len(), out),
                (true, 4) => means::<4>(sums, rows.len(), out),
                (true, 6) => means::<6>(sums, rows.len(), out),
                _ => {
                    for (x, out) in out.iter_mut().enumerate() {
                        let columns = span(x, width);
                        let count = (columns.len() * rows.len()) as u32;
                        let sum: u32 = sums[columns].iter().map(|&sum| u32::from(sum)).sum();
                        *out = ((sum + count / 2) / count) as u8;
                    }
                }
            }
        }
        into.replicate();
    }
}

/// Column sums of rows of the length of `out`; up to 257 rows fit 16 bits.
#[multiversion(targets = "simd")]
fn sum_rows(rows: &[u8], out: &mut [u16]) {
    for (index, row) in rows.chunks_exact(out.len()).enumerate() {
        if index == 0 {
            out.iter_mut().zip(row).for_each(|(out, &byte)| *out = u16::from(byte));
        } else {
            out.iter_mut().zip(row).for_each(|(out, &byte)| *out += u16::from(byte));
        }
    }
}

/// Means of `N` sums over `rows` bytes each.
#[multiversion(targets = "simd")]
fn means<const N: usize>(sums: &[u16], rows: usize, out: &mut [u8]) {
    let count = (N * rows) as u32;
    let inverse = (1 << 20) / count + 1; // exact for all counts used, up to 6 x 6
    for (out, sums) in out.iter_mut().zip(sums.as_chunks::<N>().0) {
        let sum: u32 = sums.iter().map(|&sum| u32::from(sum)).sum();
        *out = (((sum + count / 2) * inverse) >> 20) as u8;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(size: Size) -> Frame {
        let mut frame = Frame::new(size);
        frame.data_mut().iter_mut().enumerate().for_each(|(i, byte)| *byte = (i * 7919 % 251) as u8);
        frame
    }

    /// Rounded mean of the samples of a plane that a cell touches.
    fn mean(plane: &[u8], size: (usize, usize), step: (usize, usize), cell: (usize, usize)) -> u8 {
        let span = |at: usize, end: usize| at * step.0 / step.1..((at + 1) * step.0).div_ceil(step.1).min(end);
        let samples: Vec<u32> = span(cell.1, size.1)
            .flat_map(|y| span(cell.0, size.0).map(move |x| (x, y)))
            .map(|(x, y)| u32::from(plane[y * size.0 + x]))
            .collect();
        let count = samples.len() as u32;
        ((samples.iter().sum::<u32>() + count / 2) / count) as u8
    }

    #[test]
    fn cells_are_means_at_every_size() {
        for size in ["1280x720", "640x480", "960x540", "1920x1080", "320x240", "854x480", "1000x16", "16x16"] {
            let size: Size = size.parse().unwrap();
            let grid = Grid::new(size);
            assert!(grid.width * grid.factor >= size.width() && (grid.width - 1) * grid.factor < size.width());
            let (frame, mut guide) = (frame(size), Guide::new(grid));
            BoxDownscaler::new(grid, size).fill(&frame, &mut guide);
            let (w, h) = (size.width(), size.height());
            for (x, y) in [(0, 0), (grid.width / 2, grid.height / 3), (grid.width - 1, grid.height - 1)] {
                let (luma, u, v) = frame.planes();
                let luma = mean(luma, (w, h), (grid.factor, 1), (x, y));
                assert_eq!(guide.y.row(y)[x], luma, "{size} at {x}, {y}");
                for (found, plane) in [(&guide.u, u), (&guide.v, v)] {
                    if x * grid.factor / 2 >= w / 2 || y * grid.factor / 2 >= h / 2 {
                        continue; // a last cell past the edge repeats the pixels before it
                    }
                    let chroma = mean(plane, (w / 2, h / 2), (grid.factor, 2), (x, y));
                    assert_eq!(found.row(y)[x], chroma, "{size} at {x}, {y}");
                }
            }
        }
    }

    #[test]
    fn the_border_repeats_the_edge() {
        let mut plane = Plane::new(5, 3);
        (0..3).for_each(|y| (0..5).for_each(|x| plane.row_mut(y)[x] = 10 * y + x));
        plane.replicate();
        let at = |x: isize, y: isize| plane.raw().0[plane.index(x, y)];
        let pad = PAD as isize;
        assert_eq!((at(-pad, -pad), at(4 + pad, 2 + pad)), (0, 24));
        assert_eq!((at(-3, 1), at(9, 1), at(2, -5), at(2, 9)), (10, 14, 2, 22));
        assert_eq!(plane.wide_row(1, 2), [10, 10, 10, 11, 12, 13, 14, 14, 14]);
    }

    #[test]
    fn the_span_of_a_plane_has_all_columns_above_the_level() {
        let mut plane = Plane::<f32>::new(40, 20);
        plane.raw_mut().fill(9.0); // the padding does not count
        (0..20).for_each(|y| plane.row_mut(y).fill(0.5));
        assert_eq!(plane.span(0.5), None);
        plane.row_mut(12)[30] = 0.6;
        assert_eq!(plane.span(0.5), Some(30..31));
        plane.row_mut(3)[31] = 0.6;
        plane.row_mut(19)[7] = 0.6;
        assert_eq!(plane.span(0.5), Some(7..32));
        assert_eq!(plane.span(0.4), Some(0..40));
    }

    proptest! {
        #[test]
        fn sums_and_means_match_single_pixels(bytes in prop::collection::vec(any::<u8>(), 64..640)) {
            let width = bytes.len() / 16 * 4;
            let rows = &bytes[..width * 4];
            let (mut sums, mut means4) = (vec![0; width], vec![0; width / 4]);
            sum_rows(rows, &mut sums);
            for (x, &sum) in sums.iter().enumerate() {
                prop_assert_eq!(sum, (0..4).map(|y| u16::from(rows[y * width + x])).sum::<u16>());
            }
            means::<4>(&sums, 4, &mut means4);
            for (mean, four) in means4.iter().zip(sums.chunks(4)) {
                prop_assert_eq!(u16::from(*mean), (four.iter().sum::<u16>() + 8) / 16);
            }
        }
    }
}
