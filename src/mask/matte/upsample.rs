//! Joint upsampling: evaluates the grid's linear functions at the frame's size along the edges, with a smoothstep.

use std::ops::Range;

use multiversion::multiversion;

use super::{
    guided::{Functions, LANE, SHIFT},
    hair::Hair,
};
use crate::frame::{Frame, Size, grid::Grid};

/// The probabilities of hair at which an edge starts to be softer, and at which it is softest.
const HAIR_PROBABILITY: (f32, f32) = (0.45, 0.8);

/// Weights between two cells are in 1/256.
const ONE: i32 = 256;

/// Evaluates functions for frames of one size.
#[derive(Debug)]
pub(crate) struct JointUpsample {
    grid: Grid,
    size: Size,
    /// For each pixel between the centres of two cells, the weight of the second cell in 1/256.
    weights: Box<[i32]>,
    /// The functions interpolated to the current row: y, u, v, base; with one more cell at both ends.
    cells: [Box<[i32]>; 4],
    /// The same, enlarged to the frame's width.
    lines: [Box<[i32]>; 4],
    chroma: [Box<[u8]>; 2],
    curve: Curve,
    hair_curve: HairCurve,
    /// How much each grid pixel of the current row is hair, and each pixel of the frame, in 1/256.
    hair: Box<[f32]>,
    softness: Box<[i32]>,
}

impl JointUpsample {
    /// `edge` are the alphas at which a pixel becomes background or person.
    pub(crate) fn new(grid: Grid, size: Size, edge: (f32, f32)) -> Self {
        let odd = grid.factor % 2;
        let weight = |at: usize| ((2 * at + 1 - odd) as i32 * ONE) / (2 * grid.factor) as i32;
        let cells = || vec![0; grid.width + 2 + LANE].into();
        let line = || vec![0; (grid.width + 2 + LANE) * grid.factor].into();
        let chroma = || vec![0; (grid.width + 2 + LANE) * grid.factor].into();
        Self {
            grid,
            size,
            weights: (0..grid.factor).map(weight).collect(),
            cells: [cells(), cells(), cells(), cells()],
            lines: [line(), line(), line(), line()],
            chroma: [chroma(), chroma()],
            curve: Curve::new(edge),
            hair_curve: HairCurve::new(&HAIR_ALPHAS),
            hair: vec![0.0; grid.width].into(),
            softness: vec![0; (grid.width + LANE) * grid.factor].into(),
        }
    }

    /// Writes the alpha of each pixel in `rows` of `frame` to `into`, which has all rows; edges are softer in `hair`, if
    /// given.
    pub(crate) fn run(
        &mut self,
        functions: &Functions,
        hair: Option<&Hair>,
        frame: &Frame,
        rows: Range<usize>,
        into: &mut [u8],
    ) {
        let mut is_soft = false;
        let (width, factor) = (self.size.width(), self.grid.factor as isize);
        let last_row = self.grid.height as isize - 1;
        let (luma, u, v) = frame.planes();
        for y in rows.clone() {
            let out = &mut into[y * width..][..width];
            // the last grid row with its centre at or above this row, and the weight of the next one
            let from_middle = y as isize - factor / 2;
            let weight = self.weights[from_middle.rem_euclid(factor) as usize];
            let above = from_middle.div_euclid(factor);
            let cells = [above, above + 1].map(|row| row.clamp(0, last_row) as usize);
            let chroma = y / 2 * (width / 2)..(y / 2 + 1) * (width / 2);
            if let Some(hair) = hair.filter(|hair| hair.is_present())
                && (y == rows.start || y % self.grid.factor == 0)
            {
                let row = (y / self.grid.factor).min(self.grid.height - 1);
                is_soft = hair.row(row, HAIR_PROBABILITY, &mut self.hair);
                if is_soft {
                    for (&hair, pixels) in self.hair.iter().zip(self.softness.chunks_exact_mut(self.grid.factor)) {
                        pixels.fill((hair * 256.0) as i32);
                    }
                }
            }
            let pixels = [&luma[y * width..][..width], &u[chroma.clone()], &v[chroma]];
            let mut end = 0;
            while end < functions.runs {
                let start = end;
                let is_mixed = functions.is_mixed(cells, start);
                while end < functions.runs && functions.is_mixed(cells, end) == is_mixed {
                    end += 1;
                }
                if is_mixed {
                    self.edge(functions, (cells, weight), start..end, pixels, is_soft, out);
                } else {
                    self.plain(functions, cells[0], start..end, out);
                }
            }
        }
    }

    /// The pixels of a range of runs, from the centre of its first cell to that of the next range; at the ends, all
    /// remaining pixels.
    fn pixels(&self, runs: &Range<usize>, all: usize) -> Range<usize> {
        let (width, cells) = (self.size.width(), LANE * self.grid.factor);
        let middle = |run: usize| (run * cells + self.grid.factor / 2).min(width);
        let start = if runs.start == 0 { 0 } else { middle(runs.start) };
        start..if runs.end == all { width } else { middle(runs.end) }
    }

    /// Computes a part of a row near an edge.
    fn edge(
        &mut self,
        functions: &Functions,
        (rows, weight): ([usize; 2], i32),
        runs: Range<usize>,
        [luma, u, v]: [&[u8]; 3],
        is_soft: bool,
        out: &mut [u8],
    ) {
        let span = self.pixels(&runs, functions.runs);
        if span.is_empty() {
            return;
        }
        self.expand(functions, rows, weight, (runs.start * LANE, runs.end * LANE));
        let first = span.start + self.grid.factor - self.grid.factor / 2;
        let lines = self.lines.each_ref().map(|line| &line[first..first + span.len()]);
        let even = span.start & !1;
        let wide = span.start - even..span.end - even;
        let [wide_u, wide_v] = &mut self.chroma;
        double(&u[even / 2..], &mut wide_u[..wide.end.next_multiple_of(2)]);
        double(&v[even / 2..], &mut wide_v[..wide.end.next_multiple_of(2)]);
        let pixels = [&luma[span.clone()], &wide_u[wide.clone()], &wide_v[wide]];
        let softness = &self.softness[span.clone()];
        if is_soft && softness.iter().any(|&softness| softness > 0) {
            evaluate_soft(lines, pixels, softness, (self.curve, &self.hair_curve), &mut out[span]);
        } else {
            evaluate(lines, pixels, self.curve, &mut out[span]);
        }
    }

    /// Fills a part of a row in which each run has a single alpha.
    fn plain(&self, functions: &Functions, row: usize, runs: Range<usize>, out: &mut [u8]) {
        for run in runs {
            let base = functions.planes[3].row(row)[(run * LANE).min(self.grid.width - 1)];
            out[self.pixels(&(run..run + 1), functions.runs)].fill(self.curve.byte(base));
        }
    }

    /// Enlarges the functions of cells `from..to`: vertically to this row, then horizontally into `lines`.
    fn expand(&mut self, functions: &Functions, rows: [usize; 2], weight: i32, (from, to): (usize, usize)) {
        let width = self.grid.width;
        let end = to.min(width - 1);
        for (plane, cells) in functions.planes.iter().zip(&mut self.cells) {
            let (first, second) = (&plane.row(rows[0])[from..=end], &plane.row(rows[1])[from..=end]);
            between(first, second, weight, &mut cells[from + 1..=end + 1]);
        }
        for (cells, line) in self.cells.iter_mut().zip(&mut self.lines) {
            if from == 0 {
                cells[0] = cells[1];
            }
            if end == width - 1 {
                cells[end + 2] = cells[end + 1];
            }
            // cell c of the frame is cell c + 1 here; its part of the line starts at its centre
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
                            *line = pair[0] + (((pair[1] - pair[0]) * weight + ONE / 2) >> 8);
                        }
                    }
                }
            }
        }
    }
}

#[multiversion(targets = "simd")]
fn between(first: &[i32], second: &[i32], weight: i32, out: &mut [i32]) {
    for ((out, &first), &second) in out.iter_mut().zip(first).zip(second) {
        *out = first + (((second - first) * weight + ONE / 2) >> 8);
    }
}

#[multiversion(targets = "simd")]
fn enlarge<const N: usize>(cells: &[i32], weights: &[i32], line: &mut [i32]) {
    let Some(weights) = weights.first_chunk::<N>() else { return };
    for (pair, line) in cells.windows(2).zip(line.as_chunks_mut::<N>().0) {
        let (first, change) = (pair[0], pair[1] - pair[0]);
        for (line, weight) in line.iter_mut().zip(weights) {
            *line = first + ((change * weight + ONE / 2) >> 8);
        }
    }
}

/// Repeats each chroma sample.
#[multiversion(targets = "simd")]
fn double(chroma: &[u8], out: &mut [u8]) {
    for (pair, &sample) in out.as_chunks_mut::<2>().0.iter_mut().zip(chroma) {
        *pair = [sample; 2];
    }
}

/// Evaluates the functions for a row of pixels, followed by the smoothstep.
#[multiversion(targets = "simd")]
fn evaluate(lines: [&[i32]; 4], pixels: [&[u8]; 3], curve: Curve, out: &mut [u8]) {
    evaluate_scalar(lines, pixels, curve, out);
}

#[inline(always)]
fn evaluate_scalar(lines: [&[i32]; 4], pixels: [&[u8]; 3], curve: Curve, out: &mut [u8]) {
    evaluate_with(lines, pixels, |_, alpha| curve.byte(alpha), out);
}

/// Evaluates the functions for a row of pixels, followed by a mixture of the smoothstep and the curve for hair.
#[multiversion(targets = "simd")]
fn evaluate_soft(
    lines: [&[i32]; 4],
    pixels: [&[u8]; 3],
    softness: &[i32],
    (curve, hair_curve): (Curve, &HairCurve),
    out: &mut [u8],
) {
    let softness = &softness[..out.len()];
    let byte = |x: usize, alpha| {
        let hard = i32::from(curve.byte(alpha));
        let soft = i32::from(hair_curve.byte(alpha));
        (hard + (((soft - hard) * softness[x]) >> 8)) as u8
    };
    evaluate_with(lines, pixels, byte, out);
}

/// Writes the `byte` of each pixel's number and alpha, in 1/128 of a byte.
#[inline(always)]
fn evaluate_with([a, b, c, base]: [&[i32]; 4], [y, u, v]: [&[u8]; 3], byte: impl Fn(usize, i32) -> u8, out: &mut [u8]) {
    let length = out.len();
    let a = &a[..length];
    let b = &b[..length];
    let c = &c[..length];
    let base = &base[..length];
    let y = &y[..length];
    let u = &u[..length];
    let v = &v[..length];
    for x in 0..length {
        let y = i32::from(y[x]) - 128;
        let u = i32::from(u[x]) - 128;
        let v = i32::from(v[x]) - 128;
        out[x] = byte(x, a[x] * y + b[x] * u + c[x] * v + base[x]);
    }
}

/// The true alpha in hair for the guided filter's, which is too low between strands: the means over pixels of clips with
/// known alpha. Outside 0.1 to 0.7 it is nearer to 0 and 1, like the medians, because most of these pixels are room or
/// person entirely.
const HAIR_ALPHAS: [(f32, f32); 14] = [
    (0.0, 0.0),
    (0.055, 0.0),
    (0.09, 0.06),
    (0.125, 0.14),
    (0.19, 0.26),
    (0.25, 0.35),
    (0.375, 0.54),
    (0.5, 0.69),
    (0.625, 0.82),
    (0.69, 0.89),
    (0.75, 0.94),
    (0.81, 0.98),
    (0.86, 1.0),
    (1.0, 1.0),
];

/// A byte for each byte of alpha in hair.
#[derive(Debug, Clone)]
struct HairCurve(Box<[u8; 256]>);

impl HairCurve {
    fn new(points: &[(f32, f32)]) -> Self {
        let byte = |at: usize| {
            let alpha = at as f32 / 255.0;
            let pair = points.windows(2).find(|pair| alpha <= pair[1].0).unwrap_or(&points[points.len() - 2..]);
            let part = (alpha - pair[0].0) / (pair[1].0 - pair[0].0);
            ((pair[0].1 + (pair[1].1 - pair[0].1) * part) * 255.0).round() as u8
        };
        Self(Box::new(std::array::from_fn(byte)))
    }

    /// The byte for an alpha in 1/128 of a byte.
    #[inline(always)]
    fn byte(&self, alpha: i32) -> u8 {
        self.0[((alpha + (1 << (SHIFT - 1))) >> SHIFT).clamp(0, 255) as usize]
    }
}

/// An integer smoothstep between two alphas.
#[derive(Debug, Clone, Copy)]
struct Curve {
    low: i32,
    width: i32,
    /// 1024 * 4096 divided by the width of the edge, which is in 1/128 of a byte.
    inverse: i32,
}

impl Curve {
    fn new((low, high): (f32, f32)) -> Self {
        const ALL: f32 = (255 << SHIFT) as f32;
        let low = (low.clamp(0.0, 1.0) * ALL) as i32;
        let high = ((high.clamp(0.0, 1.0) * ALL) as i32).max(low + 16);
        let width = high - low;
        Self { low, width, inverse: (1024 * 4096 + width / 2) / width }
    }

    /// The byte for an alpha in 1/128 of a byte: 0 below the edge, 255 above it, `3t² - 2t³` between.
    #[inline(always)]
    fn byte(self, alpha: i32) -> u8 {
        let over = (alpha - self.low).clamp(0, self.width);
        let t = ((over * self.inverse + 2048) >> 12).min(1024);
        let smooth = t * t * (3 * 1024 - 2 * t); // in 1/2^30
        (((smooth >> 14) * 255 + (1 << 15)) >> 16) as u8
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::frame::grid::Plane;

    const EDGE: (f32, f32) = (0.12, 0.88);

    fn frame(size: Size) -> Frame {
        let mut frame = Frame::new(size);
        frame.data_mut().iter_mut().enumerate().for_each(|(i, byte)| *byte = (i * 7919 % 251) as u8);
        frame
    }

    /// Functions that vary smoothly in the middle third of the rows, and are constant elsewhere.
    fn functions(grid: Grid) -> Functions {
        let runs = grid.width.div_ceil(LANE);
        let planes = [0, 1, 2, 3].map(|_| Plane::new(grid.width, grid.height));
        let mut functions = Functions { planes, mixed: vec![false; runs * grid.height].into(), runs };
        for y in 0..grid.height {
            let mixed = (grid.height / 3..2 * grid.height / 3).contains(&y);
            functions.mixed[y * runs..][..runs].fill(mixed);
            for x in 0..grid.width {
                let wave = |k: i32| if mixed { ((x as i32 * 37 + y as i32 * 11) % 61 - 30) * k } else { 0 };
                let base = if y < grid.height / 2 { 0 } else { 255 << SHIFT };
                let values = [wave(3), wave(-2), wave(1), if mixed { (100 << SHIFT) + wave(90) } else { base }];
                for (plane, value) in functions.planes.iter_mut().zip(values) {
                    plane.row_mut(y)[x] = value;
                }
            }
        }
        functions
    }

    /// The alpha of a pixel in floating point.
    fn reference(functions: &Functions, grid: Grid, frame: &Frame, (x, y): (usize, usize)) -> f64 {
        let place =
            |at: usize, cells: usize| ((at as f64 + 0.5) / grid.factor as f64 - 0.5).clamp(0.0, cells as f64 - 1.0);
        let (px, py) = (place(x, grid.width), place(y, grid.height));
        let value = |plane: &Plane<i32>| {
            let at = |x: f64, y: f64| {
                f64::from(plane.row((y as usize).min(grid.height - 1))[(x as usize).min(grid.width - 1)])
            };
            let row = |y: f64| at(px, y) * (1.0 - px.fract()) + at(px + 1.0, y) * px.fract();
            row(py) * (1.0 - py.fract()) + row(py + 1.0) * py.fract()
        };
        let (luma, u, v) = frame.planes();
        let width = frame.size().width();
        let chroma = y / 2 * (width / 2) + x / 2;
        let samples = [luma[y * width + x], u[chroma], v[chroma]].map(|sample| f64::from(sample) - 128.0);
        let sum: f64 = samples.iter().zip(&functions.planes).map(|(sample, plane)| sample * value(plane)).sum();
        let alpha = (sum + value(&functions.planes[3])) / 128.0 / 255.0;
        let t = ((alpha - f64::from(EDGE.0)) / f64::from(EDGE.1 - EDGE.0)).clamp(0.0, 1.0);
        255.0 * t * t * (3.0 - 2.0 * t)
    }

    #[test]
    fn it_is_the_smoothstep_of_the_enlarged_functions_at_every_size() {
        for size in ["1280x720", "640x360", "960x540", "1920x1080", "320x240", "854x480", "1606x902"] {
            let size: Size = size.parse().unwrap();
            let grid = Grid::new(size);
            let (functions, frame) = (functions(grid), frame(size));
            let mut found = vec![77; size.luma_len()];
            JointUpsample::new(grid, size, EDGE).run(&functions, None, &frame, 0..size.height(), &mut found);
            for at in (0..found.len()).step_by(7) {
                let place = (at % size.width(), at / size.width());
                let expected = reference(&functions, grid, &frame, place);
                assert!(
                    (f64::from(found[at]) - expected).abs() <= 6.0,
                    "{size} {place:?}: {} for {expected}",
                    found[at]
                );
            }
        }
    }

    fn no_hair(grid: Grid) -> Hair {
        Hair::new(grid.width, grid.height)
    }

    #[test]
    fn only_hair_has_the_softer_curve() {
        let size: Size = "1280x720".parse().unwrap();
        let grid = Grid::new(size);
        let (functions, frame) = (functions(grid), frame(size));
        let run = |hair: &Hair| {
            let mut found = vec![77; size.luma_len()];
            JointUpsample::new(grid, size, EDGE).run(&functions, Some(hair), &frame, 0..size.height(), &mut found);
            found
        };
        let mut hair = no_hair(grid);
        let mut right = Plane::new(grid.width, grid.height);
        (0..grid.height).for_each(|y| right.row_mut(y)[grid.width / 2..].fill(1.0));
        hair.set(&right);
        let (hard, soft) = (run(&no_hair(grid)), run(&hair));
        let mut differs = [0, 0];
        for (hard, soft) in hard.chunks_exact(size.width()).zip(soft.chunks_exact(size.width())) {
            for (half, differs) in differs.iter_mut().enumerate() {
                // the softness fades over a cell
                let pixels = half * (size.width() / 2 - 32)..half * size.width() / 2 + size.width() / 2 - 32;
                *differs += hard[pixels.clone()].iter().zip(&soft[pixels]).filter(|(a, b)| a != b).count();
            }
        }
        assert!(differs[0] == 0 && differs[1] > 10_000, "{differs:?}");
    }

    #[test]
    fn the_curve_for_hair_rises_from_zero_to_full() {
        let curve = HairCurve::new(&HAIR_ALPHAS);
        let bytes: Vec<_> = (-500..33_000).map(|alpha| curve.byte(alpha)).collect();
        assert!(bytes.is_sorted());
        assert_eq!([-500, 0, 255 << SHIFT, 33_000].map(|alpha| curve.byte(alpha)), [0, 0, 255, 255]);
        assert_eq!(curve.byte((255 << SHIFT) / 2), 176, "0.69 for 0.5");
    }

    #[test]
    fn the_curve_rises_from_zero_to_full() {
        for edge in [EDGE, (0.0, 1.0), (0.5, 0.5), (0.9, 0.1), (1.0, 1.0), (0.3, 0.300_1)] {
            let curve = Curve::new(edge);
            let bytes: Vec<_> = (-500..33_000).map(|alpha| curve.byte(alpha)).collect();
            assert!(bytes.is_sorted(), "{edge:?}");
            assert_eq!((curve.byte(curve.low), curve.byte(curve.low + curve.width)), (0, 255), "{edge:?}");
            assert_eq!((curve.byte(i32::MIN / 2), curve.byte(i32::MAX / 2)), (0, 255));
        }
    }

    proptest! {
        #[test]
        fn simd_matches_the_scalar_version(
            pixels in prop::collection::vec((any::<[u8; 3]>(), -8000..8000i32, -8000..8000i32, -4_000_000..4_000_000i32), 1..200),
        ) {
            let column = |k: usize| pixels.iter().map(|pixel| pixel.0[k]).collect::<Vec<_>>();
            let y = column(0);
            let u = column(1);
            let v = column(2);
            let (a, b): (Vec<_>, Vec<_>) = pixels.iter().map(|pixel| (pixel.1, pixel.2)).unzip();
            let base: Vec<_> = pixels.iter().map(|pixel| pixel.3).collect();
            let (mut simd, mut scalar) = (vec![0; y.len()], vec![0; y.len()]);
            let curve = Curve::new(EDGE);
            evaluate([&a, &b, &a, &base], [&y, &u, &v], curve, &mut simd);
            evaluate_scalar([&a, &b, &a, &base], [&y, &u, &v], curve, &mut scalar);
            prop_assert_eq!(simd, scalar);
        }

        #[test]
        fn chroma_is_doubled(chroma in prop::collection::vec(any::<u8>(), 1..100)) {
            let mut wide = vec![0; 2 * chroma.len()];
            double(&chroma, &mut wide);
            prop_assert!(wide.iter().enumerate().all(|(x, &sample)| sample == chroma[x / 2]));
        }
    }
}
