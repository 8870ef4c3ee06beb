//! A model's small alpha becomes the frame's: a short memory against flicker, then smooth and sharp at full size.

use multiversion::multiversion;

use super::input::Region;
use crate::frame::Size;

/// Alpha between the model and the frame is in 64ths of a byte: the most that the 16-bit products below can take.
const UNIT: u16 = 64 * 255;

/// A memory of all the past would never change.
const MOST_MEMORY: f32 = 0.95;

/// A change of alpha from which on the memory lets go altogether.
const REAL_CHANGE: f32 = 0.35;

/// Refines the alpha of one model for frames of one size.
#[derive(Debug)]
pub struct Refine {
    memory: Memory,
    upscale: Upscale,
}

impl Refine {
    /// For alpha of `model` (width, height), of which `region` shows the frame.
    ///
    /// `memory` is the weight of the past, 0 to 0.95; `edge` the alphas from which on a pixel is background or person.
    pub fn new(model: (usize, usize), region: Region, size: Size, memory: f32, edge: (f32, f32)) -> Self {
        let memory =
            Memory { weight: memory.clamp(0.0, MOST_MEMORY), fresh: true, held: vec![0.0; model.0 * model.1].into() };
        Self { memory, upscale: Upscale::new(model.0, region, size, Edge::new(edge)) }
    }

    /// Writes the alpha of a frame to `into`, row by row.
    pub fn apply(&mut self, alpha: &[f32], into: &mut [u8]) {
        self.upscale.apply(self.memory.steady(alpha), into);
    }

    /// Forgets the past.
    pub fn reset(&mut self) {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const EDGE: (f32, f32) = (0.25, 0.75);

    fn whole(width: usize, height: usize) -> Region {
        Region { x: 0, y: 0, width, height }
    }

    fn size() -> Size {
        "80x46".parse().unwrap()
    }

    /// Bilinear and smoothstep in floats.
    fn reference(alpha: &[f32], (w, h): (usize, usize), size: Size, (x, y): (usize, usize)) -> f64 {
        let place = |at: usize, small: usize, large: usize| {
            ((at as f64 + 0.5) * small as f64 / large as f64 - 0.5).clamp(0.0, small as f64 - 1.0)
        };
        let (px, py) = (place(x, w, size.width()), place(y, h, size.height()));
        let at = |x: f64, y: f64| f64::from(alpha[(y as usize).min(h - 1) * w + (x as usize).min(w - 1)]);
        let row = |y: f64| at(px, y) * (1.0 - px.fract()) + at(px + 1.0, y) * px.fract();
        let value = row(py) * (1.0 - py.fract()) + row(py + 1.0) * py.fract();
        let t = ((value - f64::from(EDGE.0)) / f64::from(EDGE.1 - EDGE.0)).clamp(0.0, 1.0);
        255.0 * t * t * (3.0 - 2.0 * t)
    }

    /// Alpha everywhere, with empty and full rows, as models give it.
    fn wavy(w: usize, h: usize) -> Vec<f32> {
        let value = |i: usize| ((i % w) as f32 * 0.7).sin() + (i / w) as f32 / h as f32 * 3.0 - 1.5;
        (0..w * h).map(|i| (value(i) + 0.5).clamp(0.0, 1.0)).collect()
    }

    #[test]
    fn it_is_the_smoothstep_of_the_bilinear_enlargement() {
        let (w, h) = (16, 9);
        let alpha = wavy(w, h);
        let mut found = vec![77; size().luma_len()];
        Refine::new((w, h), whole(w, h), size(), 0.0, EDGE).apply(&alpha, &mut found);
        for (i, &found) in found.iter().enumerate() {
            let expected = reference(&alpha, (w, h), size(), (i % size().width(), i / size().width()));
            assert!((f64::from(found) - expected).abs() <= 1.0, "pixel {i}: {found} for {expected}");
        }
    }

    #[test]
    fn a_region_is_enlarged_alone() {
        let (w, h) = (16, 9);
        let alpha = wavy(w, h);
        let framed: Vec<f32> = (0..h + 4)
            .flat_map(|y| (0..w + 6).map(move |x| (x, y)))
            .map(|(x, y)| {
                let inside = (3..w + 3).contains(&x) && (2..h + 2).contains(&y);
                if inside { alpha[(y - 2) * w + x - 3] } else { 0.5 }
            })
            .collect();
        let (mut alone, mut within) = (vec![0; size().luma_len()], vec![0; size().luma_len()]);
        Refine::new((w, h), whole(w, h), size(), 0.0, EDGE).apply(&alpha, &mut alone);
        let region = Region { x: 3, y: 2, width: w, height: h };
        Refine::new((w + 6, h + 4), region, size(), 0.0, EDGE).apply(&framed, &mut within);
        assert_eq!(alone, within);
    }

    #[test]
    fn the_smoothstep_rises_from_nothing_to_all() {
        for edge in [EDGE, (0.0, 1.0), (0.5, 0.5), (0.9, 0.1), (1.0, 1.0), (0.3, 0.300_1)].map(Edge::new) {
            let bytes: Vec<_> = (0..=UNIT).map(|alpha| i16::from(edge.byte(alpha))).collect();
            // Products that are cut short may fall by one level, no more.
            assert!(bytes.windows(2).all(|pair| pair[0] <= pair[1] + 1), "{edge:?}");
            assert!(bytes[..=usize::from(edge.low)].iter().all(|&byte| byte == 0), "{edge:?}");
            assert!(bytes.iter().skip(edge.high.into()).all(|&byte| byte == 255), "{edge:?}");
        }
    }

    #[test]
    fn the_memory_calms_noise_and_lets_real_change_through() {
        let mut memory = Memory { weight: 0.7, fresh: true, held: vec![0.0; 3].into() };
        assert_eq!(memory.steady(&[0.5, 0.0, 1.0]), [0.5, 0.0, 1.0]);
        let [noise, came, left] = memory.steady(&[0.52, 1.0, 0.0]).try_into().unwrap();
        assert!((0.5..0.51).contains(&noise), "{noise}");
        assert_eq!((came, left), (1.0, 0.0));
        memory.fresh = true;
        assert_eq!(memory.steady(&[0.53, 0.1, 0.9]), [0.53, 0.1, 0.9]);
    }

    proptest! {
        #[test]
        fn simd_is_the_scalar_twin(
            pixels in prop::collection::vec((0..=UNIT, 0..=UNIT), 1..200),
            part in 0..=i16::MAX,
            edge in (0f32..1.0, 0f32..1.0),
        ) {
            let (first, second): (Vec<_>, Vec<_>) = pixels.into_iter().unzip();
            let (mut simd, mut scalar) = (vec![0; first.len()], vec![0; first.len()]);
            between(&first, &second, part, Edge::new(edge), &mut simd);
            between_scalar(&first, &second, part, Edge::new(edge), &mut scalar);
            prop_assert_eq!(simd, scalar);
        }
    }
}
