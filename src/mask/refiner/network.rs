//! The refiner's network: runs only on the cells that the result depends on, about a tenth of the frame.
//!
//! Six convolutions on cells: one over a cell's pixels, four of 3x3 with dilation and a residual connection, and one for the
//! output, 4 slopes, a bias and 16 details. Slopes and bias are interpolated between cells; a pixel's alpha is
//! `coarse + shrink(slopes · (r, g, b, coarse) + bias + detail)`, with inputs reduced by 0.5.

use std::{array, ops::Range};

use multiversion::multiversion;

use super::cells::{CELL, Cells};
use crate::frame::Size;

/// The parameters, written by models/refiner/weights.py: for each convolution, weights [tap][input][output] and biases.
static BYTES: &[u8] = include_bytes!("../../../models/refiner/selfie_refiner.f32");

/// The planes of the input that its slopes are for: red, green, blue and coarse alpha.
pub(super) const PICTURE: usize = 4;

/// The planes of the input: the picture and the probability of hair.
const PLANES: usize = PICTURE + 1;

/// The inputs of a cell: [row][plane][column].
const INPUTS: usize = PLANES * CELL * CELL;

/// The features of a cell.
const FEATURES: usize = 32;

/// The linear coefficients in a cell's output: 4 slopes and a bias. The details of its pixels follow.
const COEFFICIENTS: usize = 5;

/// The dilations of the middle convolutions.
const DILATIONS: [usize; 4] = [1, 2, 4, 1];

/// The neighbours of a cell in a convolution of 3x3.
const TAPS: usize = 9;

/// Cells of zeros around the frame: the largest dilation.
const BORDER: usize = 4;

/// The distance, in pixels, from which the input affects a cell's alpha: the dilations and the interpolation.
pub(super) const REACH: usize = (1 + 2 + 4 + 1 + 1) * CELL;

/// Changes below this are suppressed.
const DEAD_ZONE: f32 = 0.02;

/// The weights of the next row or column of cells for the pixels in a cell; that of the previous one is mirrored.
const TOWARDS_NEXT: [f32; CELL] = [-0.375, -0.125, 0.125, 0.375];

/// The network's input.
pub(super) trait Input {
    /// Writes red, green, blue and coarse alpha, 0 to 1, of a row of pixels that starts at `place` (column, row).
    fn picture(&mut self, place: (usize, usize), planes: [&mut [f32]; PICTURE]);

    /// Writes the probability of hair of a row of pixels that starts at `place` (column, row).
    fn hair(&mut self, place: (usize, usize), probability: &mut [f32]);
}

type Features = [f32; FEATURES];

/// A convolution with `IN` inputs per tap.
#[derive(Debug)]
struct Convolution<const IN: usize, const N: usize> {
    weights: Box<[[Features; IN]; N]>,
    bias: Features,
}

impl<const IN: usize, const N: usize> Convolution<IN, N> {
    /// Takes the parameters from the start of `numbers`.
    fn take(numbers: &mut impl Iterator<Item = f32>) -> Self {
        let mut features = || array::from_fn(|_| numbers.next().unwrap_or_default());
        let weights = Box::new(array::from_fn(|_| array::from_fn(|_| features())));
        Self { weights, bias: features() }
    }

    const fn parameters() -> usize {
        (IN * N + 1) * FEATURES
    }

    fn run(&self, taps: [&[[f32; IN]]; N], out: &mut [Features]) {
        convolve(taps, &self.weights, &self.bias, out);
    }
}

/// The last rows of a layer's output, as many as the next layer reads. Cells outside of the frame are zero.
#[derive(Debug)]
struct Lines {
    cells: Box<[Features]>,
    count: usize,
    stride: usize,
    height: usize,
}

impl Lines {
    fn new(count: usize, frame: &Cells) -> Self {
        let stride = frame.width + 2 * BORDER;
        // one more row, always zero, is read above and below the frame
        Self { cells: vec![[0.0; FEATURES]; stride * (count + 1)].into(), count, stride, height: frame.height }
    }

    /// The index of the first cell of row `y`; outside of the frame, that of the row of zeros.
    fn start(&self, y: isize) -> usize {
        let is_inside = (0..self.height as isize).contains(&y);
        let line = if is_inside { y as usize % self.count } else { self.count };
        line * self.stride + BORDER
    }

    /// The `count` cells of row `y` that start at column `x`, up to [`BORDER`] cells outside of the frame.
    fn cells(&self, x: isize, y: isize, count: usize) -> &[Features] {
        &self.cells[self.start(y).wrapping_add_signed(x)..][..count]
    }

    /// The cells of a run in row `y`.
    fn run_mut(&mut self, run: &Range<usize>, y: usize) -> &mut [Features] {
        let start = self.start(y as isize);
        &mut self.cells[start + run.start..start + run.end]
    }
}

/// The network, for frames of one size. All layers advance together, row by row, each as many rows behind the previous
/// layer as it reads ahead, so that only a few rows of features are stored.
#[derive(Debug)]
pub(super) struct Network {
    first: Convolution<INPUTS, 1>,
    middle: [Convolution<FEATURES, TAPS>; DILATIONS.len()],
    last: Convolution<FEATURES, 1>,
    /// The cells for which the first convolution is needed, and each of the middle ones.
    needed: [Cells; DILATIONS.len() + 1],
    /// The output of the first convolution, of each of the middle ones and of the last.
    lines: [Lines; DILATIONS.len() + 2],
    /// The inputs of a row of cells.
    inputs: Box<[[f32; INPUTS]]>,
    /// The planes of a row of pixels.
    planes: [Box<[f32]>; PLANES],
    /// The coefficients of a row of cells, interpolated to a row of pixels; with one more cell at both ends.
    coefficients: Box<[[f32; COEFFICIENTS]]>,
    refined: Box<[f32]>,
}

impl Network {
    pub(super) fn new(size: Size) -> Self {
        const {
            let middle = DILATIONS.len() * Convolution::<FEATURES, TAPS>::parameters();
            let ends = Convolution::<INPUTS, 1>::parameters() + Convolution::<FEATURES, 1>::parameters();
            assert!(BYTES.len() == (ends + middle) * size_of::<f32>());
        }
        let mut numbers = BYTES.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes));
        let cells = Cells::new(size);
        let width = cells.width;
        // the last convolution reads one row, and the interpolation three
        let reach = |layer: usize| DILATIONS.get(layer).copied().unwrap_or_else(|| layer - DILATIONS.len());
        Self {
            first: Convolution::take(&mut numbers),
            middle: array::from_fn(|_| Convolution::take(&mut numbers)),
            last: Convolution::take(&mut numbers),
            lines: array::from_fn(|layer| Lines::new(2 * reach(layer) + 1, &cells)),
            inputs: vec![[0.0; INPUTS]; width].into(),
            planes: array::from_fn(|_| vec![0.0; size.width()].into()),
            coefficients: vec![[0.0; COEFFICIENTS]; width + 2].into(),
            refined: vec![0.0; size.width()].into(),
            needed: array::from_fn(|_| cells.clone()),
        }
    }

    /// Computes the alpha of the pixels in `cells`.
    ///
    /// `write` receives the alpha, 0 to 1, of rows of pixels, with the column and row of the first.
    pub(super) fn run(&mut self, cells: &Cells, input: &mut impl Input, mut write: impl FnMut((usize, usize), &[f32])) {
        self.find_needed(cells);
        let all = self.needed[0].rows();
        // rows after the last one only let the later layers catch up
        for ahead in all.start..all.end + REACH / CELL {
            self.run_first(ahead, input);
            let mut behind = 0;
            for (layer, dilation) in DILATIONS.into_iter().enumerate() {
                behind += dilation;
                if let Some(y) = ahead.checked_sub(behind) {
                    self.run_middle(layer, y);
                }
            }
            if let Some(y) = ahead.checked_sub(behind) {
                self.run_last(y);
            }
            if let Some(y) = ahead.checked_sub(behind + 1) {
                for run in cells.runs(y) {
                    for row in 0..CELL {
                        let place = (run.start * CELL, y * CELL + row);
                        let [picture @ .., _] = &mut self.planes;
                        input.picture(place, picture.each_mut().map(|plane| &mut plane[..run.len() * CELL]));
                        write(place, self.refine(y, row, run.clone()));
                    }
                }
            }
        }
    }

    /// Finds the cells that each convolution is needed for, from the last to the first.
    fn find_needed(&mut self, cells: &Cells) {
        let [.., last] = &mut self.needed;
        // the coefficients are interpolated between cells
        last.set_near(cells, 1);
        for layer in (0..DILATIONS.len()).rev() {
            if let [before, after] = &mut self.needed[layer..layer + 2] {
                before.set_near(after, DILATIONS[layer]);
            }
        }
    }

    /// Runs the first convolution on row `y`.
    fn run_first(&mut self, y: usize, input: &mut impl Input) {
        for run in self.needed[0].runs(y) {
            let inputs = &mut self.inputs[..run.len()];
            for row in 0..CELL {
                let (place, pixels) = ((run.start * CELL, y * CELL + row), run.len() * CELL);
                let [picture @ .., hair] = &mut self.planes;
                input.picture(place, picture.each_mut().map(|plane| &mut plane[..pixels]));
                input.hair(place, &mut hair[..pixels]);
                for (plane, pixels) in self.planes.iter().enumerate() {
                    let at = (row * PLANES + plane) * CELL;
                    for (cell, pixels) in inputs.iter_mut().zip(pixels.as_chunks::<CELL>().0) {
                        cell[at..at + CELL].copy_from_slice(&pixels.map(|value| value - 0.5));
                    }
                }
            }
            let out = self.lines[0].run_mut(&run, y);
            self.first.run([inputs], out);
            rectify(out);
        }
    }

    /// Runs one of the middle convolutions on row `y`.
    fn run_middle(&mut self, layer: usize, y: usize) {
        let [from, into] = &mut self.lines[layer..layer + 2] else { return };
        let reach = DILATIONS[layer] as isize;
        for run in self.needed[layer + 1].runs(y) {
            let (x, y) = (run.start as isize, y as isize);
            let offset = |at: usize| (at as isize - 1) * reach;
            let tap = |tap: usize| from.cells(x + offset(tap % 3), y + offset(tap / 3), run.len());
            let out = into.run_mut(&run, y as usize);
            self.middle[layer].run(array::from_fn(tap), out);
            add(from.cells(x, y, run.len()), out);
            rectify(out);
        }
    }

    /// Runs the last convolution on row `y`.
    fn run_last(&mut self, y: usize) {
        let ([.., needed], [.., from, into]) = (&self.needed, &mut self.lines);
        for run in needed.runs(y) {
            self.last.run([from.cells(run.start as isize, y as isize, run.len())], into.run_mut(&run, y));
        }
    }

    /// The alpha of row `row` of the pixels of cells in row `y`; `planes` has the input.
    fn refine(&mut self, y: usize, row: usize, run: Range<usize>) -> &[f32] {
        let Cells { width, height, .. } = self.needed[0];
        let [.., outputs] = &self.lines;
        let weight = TOWARDS_NEXT[row];
        let other = if weight < 0.0 { y.saturating_sub(1) } else { (y + 1).min(height - 1) };
        let [here, there] = [y, other].map(|y| outputs.cells(0, y as isize, width));
        for (at, coefficients) in self.coefficients[..run.len() + 2].iter_mut().enumerate() {
            let x = (run.start + at).saturating_sub(1).min(width - 1);
            let (here, there) = (&here[x], &there[x]);
            *coefficients = array::from_fn(|at| here[at] + (there[at] - here[at]) * weight.abs());
        }
        let pixels = run.len() * CELL;
        let [picture @ .., _] = self.planes.each_ref().map(|plane| &plane[..pixels]);
        refine(picture, &self.coefficients, &here[run], row, &mut self.refined[..pixels]);
        &self.refined[..pixels]
    }
}

#[inline(always)]
fn multiply_add<const FUSED: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FUSED { a.mul_add(b, c) } else { a * b + c }
}

/// Writes a convolution of `taps`, the cells that each tap reads, to `out`.
#[multiversion(targets = "simd")]
fn convolve<const IN: usize, const N: usize>(
    taps: [&[[f32; IN]]; N],
    weights: &[[Features; IN]; N],
    bias: &Features,
    out: &mut [Features],
) {
    use multiversion::target::target_cfg_f;
    // without the instruction, a fused operation is a slow call
    if target_cfg_f!(any(target_feature = "fma", target_feature = "neon")) {
        convolve_with::<IN, N, true>(taps, weights, bias, out);
    } else {
        convolve_with::<IN, N, false>(taps, weights, bias, out);
    }
}

#[inline(always)]
fn convolve_with<const IN: usize, const N: usize, const FUSED: bool>(
    taps: [&[[f32; IN]]; N],
    weights: &[[Features; IN]; N],
    bias: &Features,
    out: &mut [Features],
) {
    let (pairs, rest) = out.as_chunks_mut::<2>();
    for (pair, out) in pairs.iter_mut().enumerate() {
        convolve_cells::<IN, N, 2, FUSED>(taps.map(|tap| &tap[2 * pair..]), weights, bias, out);
    }
    if let Some(out) = rest.first_chunk_mut() {
        convolve_cells::<IN, N, 1, FUSED>(taps.map(|tap| &tap[2 * pairs.len()..]), weights, bias, out);
    }
}

/// Two cells share each load of a weight, and four inputs each load of a sum: this keeps the multipliers busy.
#[inline(always)]
fn convolve_cells<const IN: usize, const N: usize, const COUNT: usize, const FUSED: bool>(
    taps: [&[[f32; IN]]; N],
    weights: &[[Features; IN]; N],
    bias: &Features,
    out: &mut [Features; COUNT],
) {
    const TOGETHER: usize = 4;
    let mut sums = [*bias; COUNT];
    for (tap, weights) in taps.iter().zip(weights) {
        let Some(cells) = tap.first_chunk::<COUNT>() else { return };
        for (at, weights) in weights.as_chunks::<TOGETHER>().0.iter().enumerate() {
            let inputs: [[f32; TOGETHER]; COUNT] =
                array::from_fn(|cell| array::from_fn(|input| cells[cell][at * TOGETHER + input]));
            for output in 0..FEATURES {
                let mut sum: [f32; COUNT] = array::from_fn(|cell| sums[cell][output]);
                for input in 0..TOGETHER {
                    for cell in 0..COUNT {
                        sum[cell] = multiply_add::<FUSED>(inputs[cell][input], weights[input][output], sum[cell]);
                    }
                }
                for cell in 0..COUNT {
                    sums[cell][output] = sum[cell];
                }
            }
        }
    }
    *out = sums;
}

#[multiversion(targets = "simd")]
fn add(features: &[Features], into: &mut [Features]) {
    let features = features.as_flattened();
    into.as_flattened_mut().iter_mut().zip(features).for_each(|(into, &feature)| *into += feature);
}

#[multiversion(targets = "simd")]
fn rectify(features: &mut [Features]) {
    features.as_flattened_mut().iter_mut().for_each(|feature| *feature = feature.max(0.0));
}

/// Computes the alpha of row `row` of the pixels of some cells.
#[multiversion(targets = "simd")]
fn refine(
    picture: [&[f32]; PICTURE],
    coefficients: &[[f32; COEFFICIENTS]],
    outputs: &[Features],
    row: usize,
    refined: &mut [f32],
) {
    let [.., coarse] = picture;
    let cells = refined.as_chunks_mut::<CELL>().0.iter_mut().zip(coefficients.windows(3)).zip(outputs);
    for (at, ((refined, coefficients), outputs)) in cells.enumerate() {
        let details = &outputs[COEFFICIENTS + row * CELL..][..CELL];
        for column in 0..CELL {
            let weight = TOWARDS_NEXT[column];
            let there = &coefficients[if weight < 0.0 { 0 } else { 2 }];
            let [slopes @ .., bias]: [f32; COEFFICIENTS] =
                array::from_fn(|at| coefficients[1][at] + (there[at] - coefficients[1][at]) * weight.abs());
            let mut change = bias + details[column];
            for (slope, plane) in slopes.iter().zip(picture) {
                change += slope * (plane[at * CELL + column] - 0.5);
            }
            let shrunk = (change.abs() - DEAD_ZONE).max(0.0).copysign(change);
            refined[column] = (coarse[at * CELL + column] + shrunk).clamp(0.0, 1.0);
        }
    }
}
