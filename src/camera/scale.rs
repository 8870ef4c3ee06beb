//! Scales camera frames to the requested size: cover and centre crop, with precomputed tables.

use multiversion::multiversion;

use crate::frame::{Frame, Size};

/// Weights are in 1/16384; those of one pixel sum to exactly one.
const SHIFT: i32 = 14;

/// Scales frames between two fixed sizes.
///
/// Uses a triangle filter with the width of a source pixel for upscaling (bilinear) and of a target pixel for
/// downscaling, which avoids aliasing. The vertical pass comes first, on the needed rows only.
#[derive(Debug)]
pub(super) struct Scaler {
    luma: PlaneScaler,
    chroma: PlaneScaler,
}

impl Scaler {
    /// `None` if the sizes are equal.
    pub(super) fn new(from: Size, to: Size) -> Option<Self> {
        if from == to {
            return None;
        }
        let (fw, fh) = (from.width() as f64, from.height() as f64);
        let (tw, th) = (to.width() as f64, to.height() as f64);
        let zoom = (tw / fw).max(th / fh);
        let (crop_w, crop_h) = (tw / zoom, th / zoom);
        let crop = Crop { x: (fw - crop_w) / 2.0, y: (fh - crop_h) / 2.0, width: crop_w, height: crop_h };
        let luma = PlaneScaler::new((from.width(), from.height()), (to.width(), to.height()), crop);
        let chroma = PlaneScaler::new(
            (from.width() / 2, from.height() / 2),
            (to.width() / 2, to.height() / 2),
            Crop { x: crop.x / 2.0, y: crop.y / 2.0, width: crop.width / 2.0, height: crop.height / 2.0 },
        );
        Some(Self { luma, chroma })
    }

    /// Scales `from` to `into`; both must have the sizes passed to [`Scaler::new`].
    pub(super) fn scale(&mut self, from: &Frame, into: &mut Frame) {
        let (from_y, from_u, from_v) = from.planes();
        let (y, u, v) = into.planes_mut();
        self.luma.scale(from_y, y);
        self.chroma.scale(from_u, u);
        self.chroma.scale(from_v, v);
    }
}

/// Visible part of the source, in source pixels.
#[derive(Debug, Clone, Copy)]
struct Crop {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

#[derive(Debug)]
struct PlaneScaler {
    columns: AxisWeights,
    rows: AxisWeights,
    stride: usize,
    /// One vertically scaled row of the source's width.
    row: Box<[u8]>,
    sums: Box<[i32]>,
}

impl PlaneScaler {
    fn new(from: (usize, usize), to: (usize, usize), crop: Crop) -> Self {
        Self {
            columns: AxisWeights::new(from.0, to.0, crop.x, crop.width),
            rows: AxisWeights::new(from.1, to.1, crop.y, crop.height),
            stride: from.0,
            row: vec![0; from.0].into(),
            sums: vec![0; from.0].into(),
        }
    }

    fn scale(&mut self, from: &[u8], into: &mut [u8]) {
        for (index, into) in into.chunks_exact_mut(self.columns.starts.len()).enumerate() {
            let (start, weights) = self.rows.taps_of(index);
            self.sums.fill(1 << (SHIFT - 1));
            for (row, weight) in from[start * self.stride..].chunks_exact(self.stride).zip(weights) {
                add_row(&mut self.sums, row, i32::from(*weight));
            }
            finish_row(&self.sums, &mut self.row);
            self.columns.along(&self.row, into);
        }
    }
}

#[multiversion(targets = "simd")]
fn add_row(sums: &mut [i32], row: &[u8], weight: i32) {
    for (sum, value) in sums.iter_mut().zip(row) {
        *sum += i32::from(*value) * weight;
    }
}

#[multiversion(targets = "simd")]
fn finish_row(sums: &[i32], row: &mut [u8]) {
    for (sum, value) in sums.iter().zip(row) {
        *value = (sum >> SHIFT) as u8;
    }
}

/// First source pixel and weights of each target pixel along one axis.
#[derive(Debug)]
struct AxisWeights {
    starts: Box<[u32]>,
    taps: usize,
    weights: Box<[i16]>,
}

impl AxisWeights {
    fn new(from: usize, to: usize, crop_start: f64, crop_len: f64) -> Self {
        let ratio = crop_len / to as f64;
        let reach = ratio.max(1.0); // half the base of the triangle
        let taps = ((2.0 * reach).ceil() as usize).min(from);
        let mut starts = Vec::with_capacity(to);
        let mut weights = Vec::with_capacity(to * taps);
        for index in 0..to {
            let centre = crop_start + (index as f64 + 0.5) * ratio - 0.5;
            let start = ((centre - reach).floor() + 1.0).max(0.0) as usize;
            let start = start.min(from - taps);
            starts.push(start as u32);
            let raw = (start..start + taps).map(|at| {
                // The outermost pixels are repeated past the edge.
                let beyond = if at == 0 { sum_below(centre, reach) } else { 0.0 }
                    + if at + 1 == from { sum_below(from as f64 - 1.0 - centre, reach) } else { 0.0 };
                triangle(at as f64 - centre, reach) + beyond
            });
            weights.extend(fixed(&raw.collect::<Vec<_>>()));
        }
        Self { starts: starts.into(), taps, weights: weights.into() }
    }

    fn taps_of(&self, index: usize) -> (usize, &[i16]) {
        (self.starts[index] as usize, &self.weights[index * self.taps..][..self.taps])
    }

    /// Scales one row.
    fn along(&self, row: &[u8], into: &mut [u8]) {
        match self.taps {
            2 => self.along_taps::<2>(row, into),
            3 => self.along_taps::<3>(row, into),
            4 => self.along_taps::<4>(row, into),
            taps => {
                for ((into, start), weights) in into.iter_mut().zip(&self.starts).zip(self.weights.chunks_exact(taps)) {
                    *into = weigh(&row[*start as usize..][..taps], weights);
                }
            }
        }
    }

    /// The same with a constant number of taps.
    fn along_taps<const TAPS: usize>(&self, row: &[u8], into: &mut [u8]) {
        let weights = self.weights.as_chunks::<TAPS>().0;
        for ((into, start), weights) in into.iter_mut().zip(&self.starts).zip(weights) {
            *into = weigh(&row[*start as usize..][..TAPS], weights);
        }
    }
}

#[inline(always)]
fn weigh(pixels: &[u8], weights: &[i16]) -> u8 {
    let sum: i32 = pixels.iter().zip(weights).map(|(pixel, weight)| i32::from(*pixel) * i32::from(*weight)).sum();
    ((sum + (1 << (SHIFT - 1))) >> SHIFT) as u8
}

fn triangle(distance: f64, reach: f64) -> f64 {
    (1.0 - distance.abs() / reach).max(0.0)
}

/// Sum of the triangle's weights at -1, -2, ... before a pixel at `inside` pixels from the edge.
fn sum_below(inside: f64, reach: f64) -> f64 {
    let mut sum = 0.0;
    let mut at = -1.0;
    while at - inside > -reach {
        sum += triangle(at - inside, reach);
        at -= 1.0;
    }
    sum
}

/// Fixed-point weights with a sum of exactly one; the largest absorbs the rounding error.
fn fixed(raw: &[f64]) -> Vec<i16> {
    let total: f64 = raw.iter().sum();
    let mut weights: Vec<i16> =
        raw.iter().map(|weight| (weight / total * f64::from(1 << SHIFT)).round() as i16).collect();
    let rest = (1 << SHIFT) - weights.iter().map(|weight| i32::from(*weight)).sum::<i32>();
    if let Some(largest) = weights.iter_mut().max() {
        *largest += rest as i16;
    }
    weights
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::frame::Yuv;

    fn size(text: &str) -> Size {
        text.parse().unwrap()
    }

    #[test]
    fn the_centre_and_the_aspect_are_kept() {
        // A centred square in a 4:3 frame stays a centred square in a 16:9 frame.
        let (from, to) = (size("640x480"), size("1280x720"));
        let mut source = Frame::new(from);
        let (y, ..) = source.planes_mut();
        for row in 220..260 {
            y[row * 640 + 300..row * 640 + 340].fill(235);
        }
        let mut target = Frame::new(to);
        Scaler::new(from, to).unwrap().scale(&source, &mut target);
        let lit = |x: usize, y: usize| target.planes().0[y * 1280 + x] > 125;
        let columns = (0..1280).filter(|x| lit(*x, 360)).collect::<Vec<_>>();
        let rows = (0..720).filter(|y| lit(640, *y)).collect::<Vec<_>>();
        assert_eq!((columns[0], columns.len()), (600, 80));
        assert_eq!((rows[0], rows.len()), (320, 80));
    }

    #[test]
    fn the_same_size_needs_no_scaler() {
        assert!(Scaler::new(Size::HD, Size::HD).is_none());
    }

    proptest! {
        #[test]
        fn a_flat_frame_stays_flat_and_every_size_works(
            fw in 8..80_u32, fh in 8..60_u32, tw in 8..80_u32, th in 8..60_u32, y: u8, u: u8, v: u8,
        ) {
            let (from, to) = (Size::new(2 * fw, 2 * fh).unwrap(), Size::new(2 * tw, 2 * th).unwrap());
            let mut source = Frame::new(from);
            source.fill(Yuv { y, u, v });
            let mut target = Frame::new(to);
            if let Some(mut scaler) = Scaler::new(from, to) {
                scaler.scale(&source, &mut target);
                let (ys, us, vs) = target.planes();
                prop_assert!(ys.iter().all(|value| *value == y));
                prop_assert!(us.iter().all(|value| *value == u) && vs.iter().all(|value| *value == v));
            }
        }

        /// Integer tables compared with the same filter in floating point.
        #[test]
        fn rows_match_the_float_reference(
            row in proptest::collection::vec(any::<u8>(), 16..90), to in 8..120_usize, from_edge in 0.0..3.0_f64,
        ) {
            let len = row.len() as f64 - 2.0 * from_edge;
            let axis = AxisWeights::new(row.len(), to, from_edge, len);
            let mut ours = vec![0; to];
            axis.along(&row, &mut ours);
            let ratio = len / to as f64;
            let reach = ratio.max(1.0);
            for (index, value) in ours.iter().enumerate() {
                let centre = from_edge + (index as f64 + 0.5) * ratio - 0.5;
                let (mut sum, mut total) = (0.0, 0.0);
                for at in -200..300_i32 {
                    let weight = triangle(f64::from(at) - centre, reach);
                    sum += weight * f64::from(row[at.clamp(0, row.len() as i32 - 1) as usize]);
                    total += weight;
                }
                prop_assert!((f64::from(*value) - sum / total).abs() <= 0.6, "{index}: {value} {}", sum / total);
            }
        }
    }
}
