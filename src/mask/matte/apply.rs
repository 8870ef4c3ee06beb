//! The functions of the grid, evaluated at the frame's size along the edges, and the smoothstep.

use multiversion::multiversion;

use super::{
    guided::{Functions, LANE, SHIFT},
    grid::Grid,
};
use crate::frame::{Frame, Size};

/// Weights between two cells are in 256ths.
const ONE: i32 = 256;

/// Evaluates functions for frames of one size.
#[derive(Debug)]
pub(crate) struct Apply {
    grid: Grid,
    size: Size,
    /// The weight of the second of two cells for each pixel between their middles, in 256ths.
    weights: Box<[i32]>,
    /// Rows of the grid between which this row lies, as functions: y, u, v, base; one more cell at both ends.
    cells: [Box<[i32]>; 4],
    /// The same at the frame's width.
    lines: [Box<[i32]>; 4],
    chroma: [Box<[u8]>; 2],
    curve: Box<[u8; 256]>,
}

impl Apply {
    /// `edge` are the alphas from which on a pixel is background or person.
    pub(crate) fn new(grid: Grid, size: Size, edge: (f32, f32)) -> Self {
        let odd = grid.factor % 2;
        let weight = |at: usize| ((2 * at + 1 - odd) as i32 * ONE) / (2 * grid.factor) as i32;
        let cells = || vec![0; grid.width + 2 + LANE].into();
        let line = || vec![0; (grid.width + 2 + LANE) * grid.factor].into();
        let chroma = || vec![0; (grid.width + 2 + LANE) * grid.factor].into();
        let byte = |alpha: usize| {
            let t = ((alpha as f32 / 255.0 - edge.0) / (edge.1 - edge.0)).clamp(0.0, 1.0);
            (t * t * (3.0 - 2.0 * t) * 255.0 + 0.5) as u8
        };
        Self {
            grid,
            size,
            weights: (0..grid.factor).map(weight).collect(),
            cells: [cells(), cells(), cells(), cells()],
            lines: [line(), line(), line(), line()],
            chroma: [chroma(), chroma()],
            curve: Box::new(std::array::from_fn(byte)),
        }
    }

    pub(crate) fn run(&mut self, functions: &Functions, frame: &Frame, into: &mut [u8]) {
        let (width, factor) = (self.size.width(), self.grid.factor);
        let (luma, u, v) = frame.planes();
        let last_row = self.grid.height as isize - 1;
        for (y, out) in into.chunks_exact_mut(width).enumerate() {
            // the grid's row whose middle lies at or above this one's, and the way from it to the next
            let from_middle = y as isize - (factor / 2) as isize;
            let above = from_middle.div_euclid(factor as isize);
            let weight = self.weights[from_middle.rem_euclid(factor as isize) as usize];
            let rows = [above, above + 1].map(|row| row.clamp(0, last_row) as usize);
            let chroma = y / 2 * (width / 2)..(y / 2 + 1) * (width / 2);
            let (u, v) = (&u[chroma.clone()], &v[chroma]);
            let luma = &luma[y * width..][..width];
            let mut run = 0;
            while run < functions.runs {
                let mixed = |run: usize| rows.iter().any(|row| functions.mixed[row * functions.runs + run]);
                let start = run;
                let kind = mixed(run);
                while run < functions.runs && mixed(run) == kind {
                    run += 1;
                }
                // pixels from the middle of the first cell to that of the first after the last; all at the ends
                let from = if start == 0 { 0 } else { start * LANE * factor + factor / 2 };
                let to = if run == functions.runs { width } else { (run * LANE * factor + factor / 2).min(width) };
                if from >= to {
                    continue;
                }
                if kind {
                    self.expand(functions, rows, weight, (start * LANE, run * LANE));
                    let first = from + factor - factor / 2;
                    let lines = self.lines.each_ref().map(|line| &line[first..first + to - from]);
                    let [wide_u, wide_v] = self.chroma.each_mut().map(|line| &mut line[..to - from]);
                    double(u, from, wide_u);
                    double(v, from, wide_v);
                    evaluate(lines, [&luma[from..to], wide_u, wide_v], &mut out[from..to]);
                    for out in &mut out[from..to] {
                        *out = self.curve[usize::from(*out)];
                    }
                } else {
                    // runs without change may still differ from each other
                    let mut from = from;
                    for at in start..run {
                        let end = if at + 1 == run { to } else { ((at + 1) * LANE * factor + factor / 2).min(to) };
                        let byte = (functions.base.row(rows[0])[(at * LANE).min(self.grid.width - 1)] >> SHIFT).clamp(0, 255);
                        out[from..end].fill(self.curve[byte as usize]);
                        from = end;
                    }
                }
            }
        }
    }

    /// Enlarges the functions of cells `from..to`: down to this row, then sideways into `lines`.
    fn expand(&mut self, functions: &Functions, rows: [usize; 2], weight: i32, (from, to): (usize, usize)) {
        let width = self.grid.width;
        let end = to.min(width - 1);
        let Functions { y, u, v, base, .. } = functions;
        for (plane, cells) in [y, u, v].into_iter().zip(&mut self.cells) {
            let (first, second) = (&plane.row(rows[0])[from..=end], &plane.row(rows[1])[from..=end]);
            between(first, second, weight, &mut cells[from + 1..=end + 1]);
        }
        let (first, second) = (&base.row(rows[0])[from..=end], &base.row(rows[1])[from..=end]);
        between_wide(first, second, weight, &mut self.cells[3][from + 1..=end + 1]);
        for (cells, line) in self.cells.iter_mut().zip(&mut self.lines) {
            if from == 0 {
                cells[0] = cells[1];
            }
            if end == width - 1 {
                cells[end + 2] = cells[end + 1];
            }
            // cell c of the frame is cell c + 1 here; its line begins at its middle
            let first = if from == 0 { 0 } else { from + 1 };
            let cells = &cells[first..=(end + 2).min(width + 1)];
            let line = &mut line[first * self.grid.factor..];
            match self.grid.factor {
                2 => enlarge::<2>(cells, &self.weights, line),
                4 => enlarge::<4>(cells, &self.weights, line),
                6 => enlarge::<6>(cells, &self.weights, line),
                factor => {
                    for (pair, line) in cells.windows(2).zip(line.chunks_exact_mut(factor)) {
                        for (line, weight) in line.iter_mut().zip(&self.weights) {
                            *line = pair[0] + (((pair[1] - pair[0]) * weight) >> 8);
                        }
                    }
                }
            }
        }
    }
}

#[multiversion(targets = "simd")]
fn between(first: &[i16], second: &[i16], weight: i32, out: &mut [i32]) {
    for ((out, &first), &second) in out.iter_mut().zip(first).zip(second) {
        let (first, second) = (i32::from(first), i32::from(second));
        *out = first + (((second - first) * weight) >> 8);
    }
}

#[multiversion(targets = "simd")]
fn between_wide(first: &[i32], second: &[i32], weight: i32, out: &mut [i32]) {
    for ((out, &first), &second) in out.iter_mut().zip(first).zip(second) {
        *out = first + (((second - first) * weight) >> 8);
    }
}

#[multiversion(targets = "simd")]
fn enlarge<const N: usize>(cells: &[i32], weights: &[i32], line: &mut [i32]) {
    let Some(weights) = weights.first_chunk::<N>() else { return };
    for (pair, line) in cells.windows(2).zip(line.as_chunks_mut::<N>().0) {
        let (first, change) = (pair[0], pair[1] - pair[0]);
        for (line, weight) in line.iter_mut().zip(weights) {
            *line = first + ((change * weight) >> 8);
        }
    }
}

/// Each chroma sample twice, from pixel `from` on.
#[multiversion(targets = "simd")]
fn double(chroma: &[u8], from: usize, out: &mut [u8]) {
    let mut rest = out;
    let mut at = from / 2;
    if from % 2 == 1 {
        let Some((first, others)) = rest.split_first_mut() else { return };
        *first = chroma[at];
        (rest, at) = (others, at + 1);
    }
    for (pair, &sample) in rest.chunks_mut(2).zip(&chroma[at..]) {
        pair.fill(sample);
    }
}

#[multiversion(targets = "simd")]
fn evaluate(lines: [&[i32]; 4], pixels: [&[u8]; 3], out: &mut [u8]) {
    let functions = lines[0].iter().zip(lines[1]).zip(lines[2]).zip(lines[3]);
    let pixels = pixels[0].iter().zip(pixels[1]).zip(pixels[2]);
    for ((out, (((a, b), c), base)), ((&y, &u), &v)) in out.iter_mut().zip(functions).zip(pixels) {
        let [y, u, v] = [y, u, v].map(|sample| i32::from(sample) - 128);
        *out = ((a * y + b * u + c * v + base) >> SHIFT).clamp(0, 255) as u8;
    }
}
