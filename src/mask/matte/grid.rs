//! The working grid: frames shrunk by a whole number to about 320 pixels, and planes with a replicated border.

use multiversion::multiversion;

use crate::frame::{Frame, Size};

/// Columns and rows beyond a plane's edges, so that small windows and vectors need no special cases.
pub(crate) const PAD: usize = 16;

/// The longer side of the grid, about.
const SIDE: usize = 320;

/// How a frame is divided into square cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Grid {
    /// Pixels on a side of a cell.
    pub(crate) factor: usize,
    /// Cells in a row; the last may reach over the frame's edge.
    pub(crate) width: usize,
    /// Rows of cells.
    pub(crate) height: usize,
}

impl Grid {
    /// The grid for frames of `size`.
    pub(crate) fn new(size: Size) -> Self {
        let (width, height) = (size.width(), size.height());
        let factor = ((width.max(height) + SIDE / 2) / SIDE).max(1);
        Self { factor, width: width.div_ceil(factor), height: height.div_ceil(factor) }
    }
}

/// A picture of one channel, with [`PAD`] more pixels on every side.
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

    /// All of it, border included, and the pixels from one row to the next.
    pub(crate) fn raw(&self) -> (&[T], usize) {
        (&self.data, self.stride)
    }

    pub(crate) fn raw_mut(&mut self) -> &mut [T] {
        &mut self.data
    }

    /// Where pixel (x, y) lies in [`Plane::raw`]; both may reach [`PAD`] beyond the edges.
    pub(crate) fn index(&self, x: isize, y: isize) -> usize {
        ((y + PAD as isize) * self.stride as isize + x + PAD as isize) as usize
    }

    pub(crate) fn row(&self, y: usize) -> &[T] {
        &self.data[(y + PAD) * self.stride + PAD..][..self.width]
    }

    pub(crate) fn row_mut(&mut self, y: usize) -> &mut [T] {
        &mut self.data[(y + PAD) * self.stride + PAD..][..self.width]
    }

    /// A row from `before` pixels left of the edge to `before` pixels right of the other; `y` may lie in the border.
    pub(crate) fn wide_row(&self, y: isize, before: usize) -> &[T] {
        let start = self.index(-(before as isize), y);
        &self.data[start..start + self.width + 2 * before]
    }

    pub(crate) fn copy_from(&mut self, other: &Self) {
        self.data.copy_from_slice(&other.data);
    }

    /// Repeats the outermost pixels into the border.
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

/// Shrinks frames to guides.
#[derive(Debug)]
pub(crate) struct Cells {
    grid: Grid,
    sums: Box<[u16]>,
}

impl Guide {
    pub(crate) fn new(grid: Grid) -> Self {
        let plane = || Plane::new(grid.width, grid.height);
        Self { y: plane(), u: plane(), v: plane() }
    }
}

impl Cells {
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

    /// Means over cells of `step.0 / step.1` pixels; where that is no whole number, of the pixels that a cell touches.
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

/// The sum of rows as long as `out`: up to 257 of them fit.
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

/// The means of `N` sums of `rows` bytes each.
#[multiversion(targets = "simd")]
fn means<const N: usize>(sums: &[u16], rows: usize, out: &mut [u8]) {
    let count = (N * rows) as u32;
    let inverse = (1 << 20) / count + 1; // exact enough: sums stay below 2^20 / 8
    for (out, sums) in out.iter_mut().zip(sums.as_chunks::<N>().0) {
        let sum: u32 = sums.iter().map(|&sum| u32::from(sum)).sum();
        *out = ((sum + count / 2) * inverse >> 20) as u8;
    }
}
