//! A model's small alpha becomes the frame's: a short memory against flicker, then smooth and sharp at full size.

use multiversion::multiversion;

use super::input::Region;
use crate::frame::Size;

/// Alpha between the model and the frame is in 64ths of a byte: the most that the 16-bit products below can take.
const UNIT: u16 = 64 * 255;

/// A change of alpha from which on the memory lets go altogether.
const REAL_CHANGE: f32 = 0.35;

/// Refines the alpha of one model for frames of one size.
#[derive(Debug)]
pub(super) struct Refine {
    memory: Memory,
    upscale: Upscale,
}

impl Refine {
    /// For alpha of `model` (width, height), of which `region` shows the frame.
    ///
    /// `memory` is the weight of the past, 0 to below 1; `edge` the alphas from which on a pixel is background or person.
    pub(super) fn new(model: (usize, usize), region: Region, size: Size, memory: f32, edge: (f32, f32)) -> Self {
        let memory = Memory { weight: memory, fresh: true, held: vec![0.0; model.0 * model.1].into() };
        Self { memory, upscale: Upscale::new(model.0, region, size, Edge::new(edge)) }
    }

    /// Writes the alpha of a frame to `into`, row by row.
    pub(super) fn apply(&mut self, alpha: &[f32], into: &mut [u8]) {
        self.upscale.apply(self.memory.steady(alpha), into);
    }

    /// Forgets the past.
    pub(super) fn reset(&mut self) {
        self.memory.fresh = true;
    }
}

/// Holds small changes back, which are the model's noise, and lets large ones through at once.
#[derive(Debug)]
struct Memory {
    weight: f32,
    fresh: bool,
    held: Box<[f32]>,
}

impl Memory {
    fn steady(&mut self, alpha: &[f32]) -> &[f32] {
        if std::mem::take(&mut self.fresh) {
            self.held.copy_from_slice(alpha);
        } else {
            blend(&mut self.held, alpha, self.weight);
        }
        &self.held
    }
}

#[multiversion(targets = "simd")]
fn blend(held: &mut [f32], alpha: &[f32], weight: f32) {
    for (held, &alpha) in held.iter_mut().zip(alpha) {
        let change = *held - alpha;
        let noise = 1.0 - (change.abs() * (1.0 / REAL_CHANGE)).min(1.0);
        *held = alpha + change * weight * noise;
    }
}

/// Bilinear enlargement of a region, and the smoothstep, a row at a time so that everything stays in the cache.
#[derive(Debug)]
struct Upscale {
    stride: usize,
    region: Region,
    columns: Box<[Tap]>,
    rows: Box<[Tap]>,
    edge: Edge,
    small: Box<[u16]>,
    /// The wide rows above and below the one being written, and which rows of the region they are.
    wide: [WideRow; 2],
}

/// Where a large pixel lies between two small ones.
#[derive(Debug, Clone, Copy)]
struct Tap {
    /// The first of the two.
    at: u16,
    /// How far towards the second, in 32768ths.
    part: i16,
}

#[derive(Debug)]
struct WideRow {
    row: usize,
    lowest: u16,
    highest: u16,
    alpha: Box<[u16]>,
}

impl Upscale {
    fn new(stride: usize, region: Region, size: Size, edge: Edge) -> Self {
        let wide = || WideRow { row: usize::MAX, lowest: 0, highest: 0, alpha: vec![0; size.width()].into() };
        Self {
            stride,
            region,
            columns: taps(region.width, size.width()),
            rows: taps(region.height, size.height()),
            edge,
            small: vec![0; region.width].into(),
            wide: [wide(), wide()],
        }
    }

    fn apply(&mut self, alpha: &[f32], into: &mut [u8]) {
        self.wide.iter_mut().for_each(|wide| wide.row = usize::MAX);
        for (y, line) in into.chunks_exact_mut(self.columns.len()).enumerate() {
            let Tap { at, part } = self.rows[y];
            let below = (usize::from(at) + 1).min(self.region.height - 1);
            self.widen(0, usize::from(at), alpha);
            self.widen(1, below, alpha);
            let [first, second] = &self.wide;
            // Most rows touch nobody, and some lie wholly within the person.
            if first.highest.max(second.highest) <= self.edge.low {
                line.fill(0);
            } else if first.lowest.min(second.lowest) >= self.edge.high {
                line.fill(255);
            } else {
                between(&first.alpha, &second.alpha, part, self.edge, line);
            }
        }
    }

    /// Puts row `row` of the region, enlarged sideways, into `wide[slot]`, unless it is there already.
    fn widen(&mut self, slot: usize, row: usize, alpha: &[f32]) {
        if self.wide[slot].row == row {
            return;
        }
        if slot == 0 && self.wide[1].row == row {
            self.wide.swap(0, 1);
            return;
        }
        let start = (self.region.y + row) * self.stride + self.region.x;
        quantise(&alpha[start..start + self.region.width], &mut self.small);
        let wide = &mut self.wide[slot];
        wide.row = row;
        wide.lowest = self.small.iter().copied().min().unwrap_or(0);
        wide.highest = self.small.iter().copied().max().unwrap_or(0);
        if wide.lowest == wide.highest {
            wide.alpha.fill(wide.lowest);
            return;
        }
        for (out, tap) in wide.alpha.iter_mut().zip(&self.columns) {
            let at = usize::from(tap.at);
            let (left, right) = (self.small[at], self.small[(at + 1).min(self.small.len() - 1)]);
            *out = towards(left, right, tap.part);
        }
    }
}

/// Half-pixel centres; what lies outside is the pixel at the edge.
fn taps(small: usize, large: usize) -> Box<[Tap]> {
    let scale = small as f64 / large as f64;
    let tap = |x: usize| {
        let at = ((x as f64 + 0.5) * scale - 0.5).clamp(0.0, (small - 1) as f64);
        Tap { at: at as u16, part: ((at.fract() * 32768.0).round() as i32).min(32767) as i16 }
    };
    (0..large).map(tap).collect()
}

#[multiversion(targets = "simd")]
fn quantise(alpha: &[f32], out: &mut [u16]) {
    for (out, &alpha) in out.iter_mut().zip(alpha) {
        *out = (alpha * f32::from(UNIT) + 0.5) as i32 as u16;
    }
}

/// `part` 32768ths of the way from `first` to `second`, both up to [`UNIT`].
#[inline(always)]
fn towards(first: u16, second: u16, part: i16) -> u16 {
    // Twice the difference still fits 16 bits, and makes the high half of the product the right one.
    let twice = (second as i16 - first as i16) * 2;
    (first as i16 + ((i32::from(twice) * i32::from(part)) >> 16) as i16) as u16
}

/// The smoothstep between two alphas, as numbers for 16-bit arithmetic.
#[derive(Debug, Clone, Copy)]
struct Edge {
    low: u16,
    high: u16,
    shift: u32,
    /// 32767 * 65536 over the shifted width of the edge.
    inverse: u16,
}

impl Edge {
    fn new((low, high): (f32, f32)) -> Self {
        let low = (low.clamp(0.0, 1.0) * f32::from(UNIT)) as u16;
        let high = ((high.clamp(0.0, 1.0) * f32::from(UNIT)) as u16).max(low + 1);
        let width = high - low;
        let shift = width.leading_zeros();
        // The shifted width is at least 32768, and one more keeps the quotient within 16 bits.
        let inverse = ((32_767 << 16) / ((u32::from(width) << shift) + 1)) as u16;
        Self { low, high, shift, inverse }
    }

    /// The byte for an alpha in 64ths: 0 up to `low`, 255 from `high` on, `3t² - 2t³` between.
    #[inline(always)]
    fn byte(self, alpha: u16) -> u8 {
        let width = self.high - self.low;
        let over = alpha.saturating_sub(self.low).min(width) << self.shift;
        let t = high_half(over, self.inverse) + 1; // 32768ths
        let square = high_half(t * 2 - 1, t * 2 - 1); // 65536ths
        let smooth = high_half(square, 49_152 - t); // 16384ths
        ((smooth - (smooth >> 8) + 32) >> 6) as u8
    }
}

#[inline(always)]
fn high_half(a: u16, b: u16) -> u16 {
    ((u32::from(a) * u32::from(b)) >> 16) as u16
}

/// One row of the frame between two wide rows.
#[multiversion(targets = "simd")]
fn between(first: &[u16], second: &[u16], part: i16, edge: Edge, out: &mut [u8]) {
    between_scalar(first, second, part, edge, out);
}

#[inline(always)]
fn between_scalar(first: &[u16], second: &[u16], part: i16, edge: Edge, out: &mut [u8]) {
    for ((out, &first), &second) in out.iter_mut().zip(first).zip(second) {
        *out = edge.byte(towards(first, second, part));
    }
}
