//! A guided filter with a colour guide: alpha as a linear function of the pixel's colour, with one function per grid
//! cell.
//!
//! K. He, J. Sun, X. Tang, "Guided Image Filtering", 2010. The functions are computed at the grid's size, and only
//! where alpha changes; `upsample` evaluates them at the frame's size. The guide stays in Y, U, V: with the
//! regularization transformed accordingly, this is equivalent to the filter with an RGB guide.

use multiversion::multiversion;

use crate::frame::grid::{Guide, Plane};

/// The radius of the window.
const RADIUS: usize = 2;
const WINDOW: usize = 2 * RADIUS + 1;

/// The number of pixels processed together.
pub(crate) const LANE: usize = 16;
/// The columns of their windows, rounded up to whole vectors.
const WIDE: usize = LANE + 8;

/// The regularization, for RGB from 0 to 1.
const EPSILON: f32 = 1e-4;

/// The regularization matrix for Y, U, V at full swing: the BT.601 matrix from RGB, times its transpose.
const EPSILON_YUV_FACTORS: [f32; 6] = [0.447_4, -0.187_6, -0.105_6, 0.388_1, 0.013_5, 0.432_1];

/// Alphas this close to 0 or 1 are rounded.
const SNAP_MARGIN: f32 = 0.02;

/// The distance from a change of alpha within which the functions vary: twice the radius plus one, in pixels.
const MARGIN: usize = 2 * RADIUS + 1;

/// The same along a row, rounded up to whole vectors.
const NEAR: usize = 8;

/// Coefficients are in 1/128 of an alpha byte per step of a sample byte.
pub(crate) const SHIFT: u32 = 7;

/// One linear function per cell: alpha = a (Y - 128) + b (U - 128) + c (V - 128) + base, in 1/128 of a byte. Far from
/// all mixed runs, only `base` of a run's first cell is valid.
#[derive(Debug)]
pub(crate) struct Functions {
    pub(crate) planes: [Plane<i32>; 4],
    /// Whether the functions of a run of [`LANE`] cells differ; otherwise all are the constant `base` of its first
    /// cell.
    pub(crate) mixed: Box<[bool]>,
    /// The number of runs in a row.
    pub(crate) runs: usize,
}

impl Functions {
    /// Whether the functions of a run differ in one of two rows.
    pub(crate) fn is_mixed(&self, rows: [usize; 2], run: usize) -> bool {
        rows.iter().any(|row| self.mixed[row * self.runs + run])
    }
}

/// Fits the functions. The last run of a row may extend into the border, which is as wide as a run.
#[derive(Debug)]
pub(crate) struct Guided {
    guide: [Plane<f32>; 3],
    alpha: Plane<f32>,
    raw: [Plane<f32>; 4],
    /// The minimum and maximum alpha in and near each run of each row, then of the rows around one.
    ranges: [Box<[u32]>; 2],
    around: [Box<[u32]>; 2],
    /// Whether the functions of a run are read by a window or a pixel of a mixed one.
    is_read: Box<[bool]>,
    functions: Functions,
}

impl Guided {
    pub(crate) fn new(width: usize, height: usize) -> Self {
        let plane = || Plane::new(width, height);
        let runs = width.div_ceil(LANE);
        Self {
            guide: [plane(), plane(), plane()],
            alpha: plane(),
            raw: [plane(), plane(), plane(), plane()],
            ranges: [0; 2].map(|_| vec![0; runs * height].into()),
            around: [0; 2].map(|_| vec![0; runs].into()),
            is_read: vec![false; runs * height].into(),
            functions: Functions {
                planes: [0; 4].map(|_| Plane::new(width, height)),
                mixed: vec![false; runs * height].into(),
                runs,
            },
        }
    }

    /// Fits functions of `guide` that approximate `alpha`.
    pub(crate) fn fit(&mut self, guide: &Guide, alpha: &Plane<f32>) -> &Functions {
        let scales = [(&guide.y, 1.0 / 219.0), (&guide.u, 1.0 / 224.0), (&guide.v, 1.0 / 224.0)];
        for ((from, scale), into) in scales.into_iter().zip(&mut self.guide) {
            let (from, into) = (from.raw().0, into.raw_mut());
            normalize(from, scale, into);
        }
        snap(alpha.raw().0, self.alpha.raw_mut());
        self.mark();
        let (height, runs) = (alpha.height, self.functions.runs);
        // in the border, the functions are the constants of its pixels
        for y in 0..height {
            for run in 0..runs {
                self.raw_run(run, y);
            }
        }
        self.raw.iter_mut().for_each(Plane::replicate);
        for y in 0..height {
            for run in 0..runs {
                self.mean_run(run, y);
            }
        }
        &self.functions
    }

    /// Marks the runs near a change of alpha, and their neighbours.
    fn mark(&mut self) {
        let Self { alpha, ranges, around, is_read, functions, .. } = self;
        let (height, runs) = (alpha.height, functions.runs);
        let rows = |y: usize, reach: usize| y.saturating_sub(reach) * runs..(y + reach + 1).min(height) * runs;
        let [low, high] = ranges;
        for y in 0..height {
            let start = alpha.index(-(NEAR as isize), y as isize);
            find_ranges(&alpha.raw().0[start..], &mut low[rows(y, 0)], &mut high[rows(y, 0)]);
        }
        for y in 0..height {
            let near = rows(y, MARGIN);
            find_changes([&low[near.clone()], &high[near]], around, &mut functions.mixed[rows(y, 0)]);
        }
        for y in 0..height {
            find_neighbours(&functions.mixed[rows(y, RADIUS)], &mut is_read[rows(y, 0)]);
        }
    }

    fn raw_run(&mut self, run: usize, y: usize) {
        let (x, index) = (run * LANE, y * self.functions.runs + run);
        if !self.is_read[index] {
            return;
        }
        let into = self.raw[0].index(x as isize, y as isize);
        let planes = self.raw.each_mut().map(|plane| lane_mut(plane.raw_mut(), into));
        if !self.functions.mixed[index] {
            let constant = *lane::<LANE>(self.alpha.raw().0, into);
            let [a, b, c, base] = planes;
            *a = [0.0; LANE];
            *b = [0.0; LANE];
            *c = [0.0; LANE];
            *base = constant;
            return;
        }
        let (data, stride) = self.alpha.raw();
        let first = into - RADIUS - RADIUS * stride;
        let sources = [self.guide[0].raw().0, self.guide[1].raw().0, self.guide[2].raw().0, data];
        solve(sources.map(|source| &source[first..]), stride, planes);
    }

    fn mean_run(&mut self, run: usize, y: usize) {
        let (at, stride) = (self.raw[0].index((run * LANE) as isize, y as isize), self.raw[0].raw().1);
        let functions = &mut self.functions;
        let index = y * functions.runs + run;
        let into = functions.planes.each_mut().map(|plane| lane_mut(plane.raw_mut(), at));
        if functions.mixed[index] {
            let first = at - RADIUS - RADIUS * stride;
            means([0, 1, 2, 3].map(|plane: usize| &self.raw[plane].raw().0[first..]), stride, into);
            return;
        }
        let base = (self.alpha.raw().0[at] * 255.0 * 128.0) as i32;
        if self.is_read[index] {
            for (into, value) in into.into_iter().zip([0, 0, 0, base]) {
                *into = [value; LANE];
            }
        } else {
            into[3][0] = base;
        }
    }
}

#[inline(always)]
fn lane<const N: usize>(data: &[f32], at: usize) -> &[f32; N] {
    data[at..].first_chunk().expect("planes have a border")
}

#[inline(always)]
fn lane_mut<T>(data: &mut [T], at: usize) -> &mut [T; LANE] {
    data[at..].first_chunk_mut().expect("planes have a border")
}

#[multiversion(targets = "simd")]
fn normalize(from: &[u8], scale: f32, into: &mut [f32]) {
    for (into, &from) in into.iter_mut().zip(from) {
        *into = (i32::from(from) - 128) as f32 * scale;
    }
}

#[multiversion(targets = "simd")]
fn snap(from: &[f32], into: &mut [f32]) {
    for (into, &from) in into.iter_mut().zip(from) {
        let from = if from < SNAP_MARGIN { 0.0 } else { from };
        *into = if from > 1.0 - SNAP_MARGIN { 1.0 } else { from };
    }
}

/// The minimum and maximum alpha in and near each run of a row, as bits, which order like the numbers.
#[multiversion(targets = "simd")]
fn find_ranges(row: &[f32], low: &mut [u32], high: &mut [u32]) {
    for (run, (low, high)) in low.iter_mut().zip(high).enumerate() {
        let near = lane::<{ LANE + 2 * NEAR }>(row, run * LANE);
        *low = u32::MAX;
        *high = 0;
        for value in near {
            *low = (*low).min(value.to_bits());
            *high = (*high).max(value.to_bits());
        }
    }
}

/// Whether alpha changes in each run of some rows with these ranges.
#[multiversion(targets = "simd")]
fn find_changes([lows, highs]: [&[u32]; 2], [low, high]: &mut [Box<[u32]>; 2], mixed: &mut [bool]) {
    let runs = mixed.len();
    low.fill(u32::MAX);
    high.fill(0);
    for (lows, highs) in lows.chunks_exact(runs).zip(highs.chunks_exact(runs)) {
        low.iter_mut().zip(lows).for_each(|(low, &value)| *low = value.min(*low));
        high.iter_mut().zip(highs).for_each(|(high, &value)| *high = value.max(*high));
    }
    for ((mixed, low), high) in mixed.iter_mut().zip(&**low).zip(&**high) {
        *mixed = low < high;
    }
}

/// Whether any of some rows is mixed, in each run or one next to it.
fn find_neighbours(rows: &[bool], into: &mut [bool]) {
    let runs = into.len();
    for (run, into) in into.iter_mut().enumerate() {
        let beside = run.saturating_sub(1)..(run + 2).min(runs);
        *into = rows.chunks_exact(runs).any(|row| row[beside.clone()].contains(&true));
    }
}

/// The linear functions of one run of cells; each source starts at the first pixel of its first window.
#[multiversion(targets = "simd")]
fn solve(sources: [&[f32]; 4], stride: usize, into: [&mut [f32; LANE]; 4]) {
    let [y, u, v, p] = sources;
    let y = windows(y, stride);
    let u = windows(u, stride);
    let v = windows(v, stride);
    let p = windows(p, stride);
    let mean_y = mean(&y);
    let mean_u = mean(&u);
    let mean_v = mean(&v);
    let mean_p = mean(&p);
    let mean_yy = mean_product(&y, &y);
    let mean_yu = mean_product(&y, &u);
    let mean_yv = mean_product(&y, &v);
    let mean_uu = mean_product(&u, &u);
    let mean_uv = mean_product(&u, &v);
    let mean_vv = mean_product(&v, &v);
    let mean_yp = mean_product(&y, &p);
    let mean_up = mean_product(&u, &p);
    let mean_vp = mean_product(&v, &p);
    let [out_y, out_u, out_v, out_base] = into;
    for x in 0..LANE {
        let y = mean_y[x];
        let u = mean_u[x];
        let v = mean_v[x];
        let p = mean_p[x];
        // regularized covariances, and those with alpha
        let yy = mean_yy[x] - y * y + EPSILON * EPSILON_YUV_FACTORS[0];
        let yu = mean_yu[x] - y * u + EPSILON * EPSILON_YUV_FACTORS[1];
        let yv = mean_yv[x] - y * v + EPSILON * EPSILON_YUV_FACTORS[2];
        let uu = mean_uu[x] - u * u + EPSILON * EPSILON_YUV_FACTORS[3];
        let uv = mean_uv[x] - u * v + EPSILON * EPSILON_YUV_FACTORS[4];
        let vv = mean_vv[x] - v * v + EPSILON * EPSILON_YUV_FACTORS[5];
        let yp = mean_yp[x] - y * p;
        let up = mean_up[x] - u * p;
        let vp = mean_vp[x] - v * p;
        // inversion by cofactors
        let c0 = uu * vv - uv * uv;
        let c1 = uv * yv - yu * vv;
        let c2 = yu * uv - uu * yv;
        let c3 = yy * vv - yv * yv;
        let c4 = yu * yv - yy * uv;
        let c5 = yy * uu - yu * yu;
        let inverse = 1.0 / (yy * c0 + yu * c1 + yv * c2);
        let a = (c0 * yp + c1 * up + c2 * vp) * inverse;
        let b = (c1 * yp + c3 * up + c4 * vp) * inverse;
        let c = (c2 * yp + c4 * up + c5 * vp) * inverse;
        out_y[x] = a;
        out_u[x] = b;
        out_v[x] = c;
        out_base[x] = p - a * y - b * u - c * v;
    }
}

/// The rows covered by a run's windows.
type Windows<'a> = [&'a [f32; WIDE]; WINDOW];

#[inline(always)]
fn windows(source: &[f32], stride: usize) -> Windows<'_> {
    let row = |row: usize| lane::<WIDE>(source, row * stride);
    [row(0), row(1), row(2), row(3), row(4)]
}

#[inline(always)]
fn mean(rows: &Windows<'_>) -> [f32; LANE] {
    let mut vertical = [0.0; WIDE];
    for x in 0..WIDE {
        vertical[x] = rows[0][x] + rows[1][x] + rows[2][x] + rows[3][x] + rows[4][x];
    }
    across(&vertical)
}

#[inline(always)]
fn mean_product(a: &Windows<'_>, b: &Windows<'_>) -> [f32; LANE] {
    let mut vertical = [0.0; WIDE];
    for x in 0..WIDE {
        vertical[x] = a[0][x] * b[0][x] + a[1][x] * b[1][x] + a[2][x] * b[2][x] + a[3][x] * b[3][x] + a[4][x] * b[4][x];
    }
    across(&vertical)
}

#[inline(always)]
fn across(vertical: &[f32; WIDE]) -> [f32; LANE] {
    let mut mean = [0.0; LANE];
    for x in 0..LANE {
        mean[x] = (vertical[x] + vertical[x + 1] + vertical[x + 2] + vertical[x + 3] + vertical[x + 4]) * (1.0 / 25.0);
    }
    mean
}

/// The mean functions over each cell's window, in integers.
#[multiversion(targets = "simd")]
fn means(sources: [&[f32]; 4], stride: usize, into: [&mut [i32; LANE]; 4]) {
    const BYTE: f32 = 255.0 * (1 << SHIFT) as f32;
    // the steepest edge stays far below these limits, which keep all sums within 32 bits
    const LIMITS: [f32; 4] = [8e3, 8e3, 8e3, 4e6];
    const SCALES: [f32; 4] = [BYTE / 219.0, BYTE / 224.0, BYTE / 224.0, BYTE];
    let mut into = into.into_iter();
    for k in 0..4 {
        let mean = mean(&windows(sources[k], stride));
        let Some(into) = into.next() else { return };
        for x in 0..LANE {
            into[x] = (mean[x] * SCALES[k]).clamp(-LIMITS[k], LIMITS[k]) as i32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::grid::Grid;

    const SIZE: (usize, usize) = (75, 40);

    /// A coloured frame with an edge, and an alpha that misses the edge by two pixels.
    fn edge() -> (Guide, Plane<f32>) {
        let mut guide = Guide::new(Grid { factor: 4, width: SIZE.0, height: SIZE.1 });
        let mut alpha = Plane::new(SIZE.0, SIZE.1);
        for y in 0..SIZE.1 {
            for x in 0..SIZE.0 {
                let inside = x > 20 + y / 4;
                let grain = (x * 7 + y * 13) % 9;
                guide.y.row_mut(y)[x] = if inside { 180 } else { 60 } + grain as u8;
                guide.u.row_mut(y)[x] = if inside { 100 } else { 140 } + (grain * 5 % 7) as u8;
                guide.v.row_mut(y)[x] = 128 + ((x + y) % 5) as u8;
                alpha.row_mut(y)[x] = ((x as f32 - 20.0 - y as f32 / 4.0) / 6.0 + 0.8).clamp(0.0, 1.0);
            }
        }
        [&mut guide.y, &mut guide.u, &mut guide.v].into_iter().for_each(Plane::replicate);
        alpha.replicate();
        (guide, alpha)
    }

    /// He's filter with an RGB guide in double precision: the function of the window around (x, y).
    fn reference(guide: &Guide, alpha: &Plane<f32>, x: isize, y: isize) -> ([f64; 3], f64) {
        let window = || (-2..=2).flat_map(move |dy| (-2..=2).map(move |dx| (x + dx, y + dy)));
        let at = |plane: &Plane<u8>, (x, y): (isize, isize)| f64::from(plane.raw().0[plane.index(x, y)]) - 128.0;
        let rgb = |place| {
            let y = at(&guide.y, place) / 219.0;
            let u = at(&guide.u, place) / 224.0;
            let v = at(&guide.v, place) / 224.0;
            [y + 1.402 * v, y - 0.344_136 * u - 0.714_136 * v, y + 1.772 * u]
        };
        let p = |(x, y)| f64::from(alpha.raw().0[alpha.index(x, y)]);
        let mean = |value: &dyn Fn((isize, isize)) -> f64| window().map(value).sum::<f64>() / 25.0;
        let m = [0, 1, 2].map(|k: usize| mean(&|place| rgb(place)[k]));
        let mp = mean(&p);
        let mut s = [[0.0; 3]; 3];
        for (i, row) in s.iter_mut().enumerate() {
            for (j, value) in row.iter_mut().enumerate() {
                *value = mean(&|place| rgb(place)[i] * rgb(place)[j]) - m[i] * m[j];
                *value += if i == j { f64::from(EPSILON) } else { 0.0 };
            }
        }
        let c = [0, 1, 2].map(|k: usize| mean(&|place| rgb(place)[k] * p(place)) - m[k] * mp);
        // Cramer's rule
        let det = |m: [[f64; 3]; 3]| {
            m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1]) - m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0])
                + m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0])
        };
        let a = [0, 1, 2].map(|k: usize| {
            let mut with = s;
            (0..3).for_each(|i| with[i][k] = c[i]);
            det(with) / det(s)
        });
        // back to the guide's own values
        let turned = [a[0] + a[1] + a[2], -0.344_136 * a[1] + 1.772 * a[2], 1.402 * a[0] - 0.714_136 * a[1]];
        (turned, mp - (0..3).map(|k| a[k] * m[k]).sum::<f64>())
    }

    #[test]
    fn it_is_the_guided_filter_of_an_rgb_image() {
        let (guide, mut alpha) = edge();
        let original = alpha.clone();
        snap(original.raw().0, alpha.raw_mut());
        let mut guided = Guided::new(SIZE.0, SIZE.1);
        let functions = guided.fit(&guide, &alpha);
        for (x, y) in [(24, 20), (22, 6), (28, 33), (25, 12), (19, 20)] {
            let windows = (-2..=2).flat_map(|dy| (-2..=2).map(move |dx| (x + dx, y + dy)));
            let (mut a, mut base) = ([0.0; 3], 0.0);
            for (x, y) in windows {
                let found = reference(&guide, &alpha, x, y);
                (0..3).for_each(|k| a[k] += found.0[k] / 25.0);
                base += found.1 / 25.0;
            }
            let expected = [a[0] / 219.0, a[1] / 224.0, a[2] / 224.0, base];
            for (plane, expected) in functions.planes.iter().zip(expected) {
                let found = f64::from(plane.raw().0[plane.index(x, y)]);
                let expected = expected * 255.0 * f64::from(1 << SHIFT);
                assert!((found - expected).abs() < 3.0 + expected.abs() * 0.01, "({x}, {y}): {found} for {expected}");
            }
        }
    }

    #[test]
    fn skipping_constant_areas_loses_nothing() {
        let (guide, mut alpha) = edge();
        let original = alpha.clone();
        snap(original.raw().0, alpha.raw_mut());
        let mut guided = Guided::new(SIZE.0, SIZE.1);
        guided.fit(&guide, &alpha);
        let Guided { functions, is_read, .. } = &guided;
        let share = functions.mixed.iter().filter(|mixed| **mixed).count() as f64 / functions.mixed.len() as f64;
        assert!((0.1..0.9).contains(&share), "{share}");
        for y in 0..SIZE.1 {
            for x in 0..SIZE.0 {
                let run = y * functions.runs + x / LANE;
                if functions.mixed[run] {
                    continue;
                }
                let found = functions.planes.each_ref().map(|plane| plane.row(y)[x]);
                let base = (alpha.row(y)[x] * 255.0) as i32 * (1 << SHIFT);
                if is_read[run] {
                    assert_eq!(found, [0, 0, 0, base]);
                } else if x % LANE == 0 {
                    assert_eq!(found[3], base);
                }
                let near = (-4..=4).flat_map(|dy| (-4..=4).map(move |dx| (x as isize + dx, y as isize + dy)));
                for (x2, y2) in near {
                    assert_eq!(alpha.raw().0[alpha.index(x2, y2)], alpha.row(y)[x], "({x}, {y})");
                }
            }
        }
    }
}
