//! Background blur without the person, at nearly constant cost for any strength.
//!
//! The frame is scaled down with the person excluded and the hole filled ([`pyramid`](super::pyramid)), blurred with
//! a short Gaussian at the smallest size that is fine enough, and scaled up again. The person's colours do not bleed
//! into the background, so there is no halo.

use multiversion::multiversion;

use super::pyramid::{FRACTION, Level, Pyramid, double_row, high, pad};
use crate::frame::{Frame, Mask, Size};

/// Maximum number of taps on one side of the Gaussian; [`plan`] exceeds it only at extreme sizes.
const MAX_RADIUS: usize = 16;

/// Recursive 8x8 Bayer matrix with values 0 to 63: thresholds for ordered dithering.
pub(crate) const BAYER: [[u8; 8]; 8] = bayer();

/// The blurred room and its working buffers.
#[derive(Debug)]
pub(crate) struct Blur {
    size: Size,
    pyramid: Pyramid,
    /// Alpha at half size, and scratch space for dilation.
    person: [Box<[u8]>; 2],
    /// One row, padded by repeating its ends.
    padded: Box<[u16]>,
    /// A plane after the horizontal pass.
    half_done: Box<[u16]>,
    narrow: Box<[u16]>,
    wide: Box<[u16]>,
    thresholds: [Box<[u8]>; 8],
}

impl Blur {
    pub(crate) fn new(size: Size) -> Self {
        let pyramid = Pyramid::new(size.width() / 2, size.height() / 2);
        let (width, height) = (pyramid.levels[0].width, pyramid.levels[0].height);
        let row = |length| vec![0; length].into_boxed_slice();
        Self {
            size,
            person: [0; 2].map(|_| vec![0; width * height].into_boxed_slice()),
            padded: row(width + 2 * MAX_RADIUS),
            half_done: row(width * height),
            narrow: row(width + 2),
            wide: row(2 * width),
            thresholds: BAYER.map(|pattern| pattern.into_iter().cycle().take(size.width()).collect()),
            pyramid,
        }
    }

    /// Blurs the room of `frame`, excluding the person in `mask`; [`Blur::row`] and [`Blur::write`] return the
    /// result.
    pub(crate) fn make(&mut self, frame: &Frame, mask: Option<&Mask>, strength: u8, mirror: bool) {
        let (base, sigma) = plan(deviation(strength, self.size.height()), self.pyramid.levels.len());
        self.shrink(frame, mask);
        if mask.is_some() {
            self.pyramid.push(self.pyramid.levels.len() - 1);
            self.pyramid.fill(base);
        } else {
            self.pyramid.push(base);
        }
        self.gauss(base, sigma);
        self.pyramid.enlarge(base);
        let (level, width) = (&mut self.pyramid.levels[0], self.size.width() / 2);
        for row in level.planes.iter_mut().flat_map(|plane| plane.chunks_exact_mut(level.width)) {
            if mirror {
                row[..width].reverse();
            }
            pad(row, width);
        }
    }

    /// Writes the whole blurred frame.
    pub(crate) fn write(&mut self, into: &mut Frame) {
        let width = self.size.width();
        let (y, u, v) = into.planes_mut();
        for (plane, (into, width)) in [(y, width), (u, width / 2), (v, width / 2)].into_iter().enumerate() {
            for (row, into) in into.chunks_exact_mut(width).enumerate() {
                self.row(plane, row, into);
            }
        }
    }

    /// Writes row `y` of plane 0 (Y), 1 (U) or 2 (V) at full size, dithered to avoid banding on smooth surfaces.
    pub(crate) fn row(&mut self, plane: usize, y: usize, into: &mut [u8]) {
        let level = &self.pyramid.levels[0];
        let from = &level.planes[plane];
        let row = if plane == 0 {
            double_row(from, level.width, y, &mut self.narrow, &mut self.wide);
            &self.wide
        } else {
            &from[y * level.width..][..level.width]
        };
        dither(row, &self.thresholds[y % 8], into);
    }

    /// Fills the first level: the frame at half size, and how much of each pixel is room.
    fn shrink(&mut self, frame: &Frame, mask: Option<&Mask>) {
        let (y, u, v) = frame.planes();
        let (full, half) = (self.size.width(), self.size.width() / 2);
        let Level { width, planes, room, .. } = &mut self.pyramid.levels[0];
        for (into, rows) in planes[0].chunks_exact_mut(*width).zip(y.chunks_exact(2 * full)) {
            mean(&rows[..full], &rows[full..], into);
            pad(into, half);
        }
        for (plane, from) in planes[1..].iter_mut().zip([u, v]) {
            for (into, from) in plane.chunks_exact_mut(*width).zip(from.chunks_exact(half)) {
                lift(from, into);
                pad(into, half);
            }
        }
        let Some(mask) = mask else {
            room.fill(255);
            return;
        };
        let [person, grown] = &mut self.person;
        for (into, rows) in person.chunks_exact_mut(*width).zip(mask.alpha().chunks_exact(2 * full)) {
            max_2x2(&rows[..full], &rows[full..], into);
            pad(into, half);
        }
        // Masks lag slightly and are slightly too narrow: pixels next to the person contain some of its colour.
        for _ in 0..(self.size.height() / 480).max(1) {
            grow(person, *width, grown);
            std::mem::swap(person, grown);
        }
        invert(person, room);
    }

    /// Blurs level `base` with a Gaussian of `sigma`, in pixels of that level.
    fn gauss(&mut self, base: usize, sigma: f32) {
        let (weights, radius) = weights(sigma);
        if radius == 0 {
            return;
        }
        let Level { width, height, planes, .. } = &mut self.pyramid.levels[base];
        let (width, height) = (*width, *height);
        let padded = &mut self.padded[..width + 2 * radius];
        let half_done = &mut self.half_done[..width * height];
        let mut taps = [SymmetricTap::default(); MAX_RADIUS + 1];
        let taps = &mut taps[..=radius];
        for plane in planes {
            for (k, tap) in taps.iter_mut().enumerate() {
                *tap = SymmetricTap { one: radius - k, other: radius + k, weight: weights[k] };
            }
            for (from, into) in plane.chunks_exact(width).zip(half_done.chunks_exact_mut(width)) {
                padded[..radius].fill(from[0]);
                padded[radius..][..width].copy_from_slice(from);
                padded[radius + width..].fill(from[width - 1]);
                convolve(padded, taps, into);
            }
            for (y, into) in plane.chunks_exact_mut(width).enumerate() {
                for (k, tap) in taps.iter_mut().enumerate() {
                    tap.one = y.saturating_sub(k) * width;
                    tap.other = (y + k).min(height - 1) * width;
                }
                convolve(half_done, taps, into);
            }
        }
    }
}

/// Standard deviation of the blur in frame pixels: 1 to 50 at 720 rows, rising slowly at first.
fn deviation(strength: u8, height: usize) -> f32 {
    let strength = f32::from(strength.clamp(1, 100)) / 100.0;
    (1.0 + 49.0 * strength.powf(1.75)) * height as f32 / 720.0
}

/// The pyramid level to blur at, and the remaining standard deviation in pixels of that level.
///
/// Scaling by `scale` down and up blurs as well: box averaging has a variance of `(scale^2 - 1) / 12`, and the
/// upscaling adds `(scale^2 - 1) / 4`. The remaining blur should be large enough to hide the pixels of the level.
fn plan(deviation: f32, levels: usize) -> (usize, f32) {
    let left = |level: usize| {
        let square = (4 << (2 * level)) as f32;
        (deviation * deviation - (square - 1.0) / 3.0) / square
    };
    let base = (0..levels.saturating_sub(4)).rev().find(|level| left(*level) >= 0.6).unwrap_or(0);
    (base, left(base).max(0.0).sqrt())
}

/// Weights of a Gaussian from its centre outwards, in 1/65536, and the number of taps on each side.
fn weights(sigma: f32) -> ([u16; MAX_RADIUS + 1], usize) {
    let radius = ((3.0 * sigma).ceil() as usize).min(MAX_RADIUS);
    let bell = |k: usize| if k == 0 { 1.0 } else { (-((k * k) as f32) / (2.0 * sigma * sigma)).exp() };
    let sum: f32 = 1.0 + 2.0 * (1..=radius).map(bell).sum::<f32>();
    let mut weights = [0; MAX_RADIUS + 1];
    for (k, weight) in weights[..=radius].iter_mut().enumerate() {
        *weight = (bell(k) / sum * 65_536.0).round() as u16;
    }
    // The centre is applied twice below, once per side, and absorbs the rounding error.
    let others: u32 = weights[1..=radius].iter().map(|weight| u32::from(*weight)).sum();
    weights[0] = ((65_536 - 2 * others) / 2) as u16;
    (weights, radius)
}

/// Offsets of the two samples that share a weight.
#[derive(Clone, Copy, Default)]
struct SymmetricTap {
    one: usize,
    other: usize,
    weight: u16,
}

/// Sum of all taps for a row of samples.
#[multiversion(targets = "simd")]
fn convolve(from: &[u16], taps: &[SymmetricTap], into: &mut [u16]) {
    let (blocks, rest) = into.as_chunks_mut::<32>();
    let done = blocks.len() * 32;
    for (at, block) in blocks.iter_mut().enumerate() {
        convolve_block(from, taps, at * 32, block);
    }
    for (at, block) in rest.as_chunks_mut::<2>().0.iter_mut().enumerate() {
        convolve_block(from, taps, done + at * 2, block);
    }
}

/// A block small enough to stay in registers while all taps are summed.
#[inline(always)]
fn convolve_block<const N: usize>(from: &[u16], taps: &[SymmetricTap], at: usize, into: &mut [u16; N]) {
    // Each product loses half a unit on average.
    let mut sum = [taps.len() as u16 / 2; N];
    for tap in taps {
        let (one, other) = (&from[tap.one + at..][..N], &from[tap.other + at..][..N]);
        for ((sum, &one), &other) in sum.iter_mut().zip(one).zip(other) {
            *sum += high(one + other, tap.weight);
        }
    }
    *into = sum.map(|sum| sum.min(255 << FRACTION));
}

/// Mean of each 2x2 block, with [`FRACTION`] fractional bits.
#[multiversion(targets = "simd")]
fn mean(above: &[u8], below: &[u8], into: &mut [u16]) {
    let pairs = above.as_chunks::<2>().0.iter().zip(below.as_chunks::<2>().0);
    for (into, (&[a, b], &[c, d])) in into.iter_mut().zip(pairs) {
        *into = (u16::from(a) + u16::from(b) + u16::from(c) + u16::from(d)) << (FRACTION - 2);
    }
}

/// The same samples, with [`FRACTION`] fractional bits.
#[multiversion(targets = "simd")]
fn lift(from: &[u8], into: &mut [u16]) {
    for (into, &from) in into.iter_mut().zip(from) {
        *into = u16::from(from) << FRACTION;
    }
}

/// Maximum of each 2x2 block.
#[multiversion(targets = "simd")]
fn max_2x2(above: &[u8], below: &[u8], into: &mut [u8]) {
    let pairs = above.as_chunks::<2>().0.iter().zip(below.as_chunks::<2>().0);
    for (into, (&[a, b], &[c, d])) in into.iter_mut().zip(pairs) {
        *into = a.max(b).max(c).max(d);
    }
}

/// 3x3 dilation: every pixel becomes the maximum of its neighbourhood.
fn grow(from: &[u8], width: usize, into: &mut [u8]) {
    let rows = from.len() / width;
    let row = |y: usize| &from[y * width..][..width];
    for (y, into) in into.chunks_exact_mut(width).enumerate() {
        grow_row([row(y.saturating_sub(1)), row(y), row((y + 1).min(rows - 1))], into);
    }
}

#[multiversion(targets = "simd")]
fn grow_row(rows: [&[u8]; 3], into: &mut [u8]) {
    let [above, row, below] = rows;
    let last = into.len() - 1;
    let column = |x: usize| above[x].max(row[x]).max(below[x]);
    into[0] = column(0).max(column(1));
    into[last] = column(last).max(column(last - 1));
    let sides = above.windows(3).zip(row.windows(3)).zip(below.windows(3));
    for (into, ((a, b), c)) in into[1..last].iter_mut().zip(sides) {
        let max_of_three = |row: &[u8]| row[0].max(row[1]).max(row[2]);
        *into = max_of_three(a).max(max_of_three(b)).max(max_of_three(c));
    }
}

/// How much a pixel counts as room. A pixel that is a quarter person is excluded entirely: enough room is left
/// elsewhere.
#[multiversion(targets = "simd")]
fn invert(person: &[u8], room: &mut [u8]) {
    for (room, &person) in room.iter_mut().zip(person) {
        *room = 255 - person.min(63) * 4 - person.min(63) / 21;
    }
}

/// Rounds to 8 bits with thresholds of 0 to 63.
#[multiversion(targets = "simd")]
fn dither(from: &[u16], thresholds: &[u8], into: &mut [u8]) {
    for ((into, &from), &threshold) in into.iter_mut().zip(from).zip(thresholds) {
        *into = ((from + u16::from(threshold)) >> FRACTION).min(255) as u8;
    }
}

const fn bayer() -> [[u8; 8]; 8] {
    let mut matrix = [[0; 8]; 8];
    let mut at = 0;
    while at < 64 {
        let (x, y) = (at % 8, at / 8);
        let (mut bit, mut value) = (0, 0);
        // Interleaves the bits of x ^ y and y, lowest first.
        while bit < 3 {
            value = value << 2 | (((x ^ y) >> bit & 1) << 1) | (y >> bit & 1);
            bit += 1;
        }
        matrix[y][x] = value as u8;
        at += 1;
    }
    matrix
}

/// Blurs whole frames with the background's blur.
#[derive(Debug)]
pub(crate) struct Defocus(Blur);

impl Defocus {
    pub(crate) fn new(size: Size) -> Self {
        Self(Blur::new(size))
    }

    /// Blurs `frame` with a strength of 1 to 100. Allocates nothing.
    pub(crate) fn apply(&mut self, frame: &mut Frame, strength: u8) {
        self.0.make(frame, None, strength, false);
        self.0.write(frame);
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::frame::Yuv;

    fn all(blur: &mut Blur, size: Size) -> Frame {
        let mut frame = Frame::new(size);
        let (y, u, v) = frame.planes_mut();
        for (plane, (into, width)) in
            [(y, size.width()), (u, size.width() / 2), (v, size.width() / 2)].into_iter().enumerate()
        {
            into.chunks_exact_mut(width).enumerate().for_each(|(y, row)| blur.row(plane, y, row));
        }
        frame
    }

    #[test]
    fn a_flat_room_stays_flat_and_the_person_does_not_bleed() {
        let wall = Yuv { y: 120, u: 110, v: 140 };
        for size in [Size::HD, Size::new(642, 482).unwrap(), Size::new(16, 16).unwrap(), Size::new(1920, 1080).unwrap()]
        {
            let (mut frame, mut mask) = (Frame::new(size), Mask::new(size));
            frame.fill(wall);
            let (width, third) = (size.width(), size.width() / 3);
            let inside = |at: usize| (third..2 * third).contains(&(at % width));
            mask.alpha_mut().iter_mut().enumerate().for_each(|(at, alpha)| *alpha = if inside(at) { 255 } else { 0 });
            let person = |at: &(usize, &mut u8)| inside(at.0);
            frame.planes_mut().0.iter_mut().enumerate().filter(person).for_each(|(_, luma)| *luma = 235);
            let mut blur = Blur::new(size);
            for strength in [1, 10, 30, 50, 75, 100] {
                blur.make(&frame, Some(&mask), strength, false);
                let out = all(&mut blur, size);
                let worst = out.planes().0.iter().map(|y| y.abs_diff(wall.y)).max();
                assert!(worst <= Some(1), "{size} at {strength}: {worst:?}");
                let chroma = out.planes().1.iter().map(|u| u.abs_diff(wall.u)).max();
                assert!(chroma <= Some(1), "{size} at {strength}: {chroma:?}");
            }
        }
    }

    /// Variance of the blur at `strength` across a vertical edge at column `edge`: the slope of the edge is the blur
    /// kernel.
    fn variance(blur: &mut Blur, strength: u8, edge: usize) -> f64 {
        let mut frame = Frame::new(Size::HD);
        frame.planes_mut().0.chunks_exact_mut(1280).for_each(|row| row[edge..].fill(216));
        blur.make(&frame, None, strength, false);
        // Mean of 8 rows, over which the dither thresholds average out.
        let (mut row, mut sums) = (vec![0; 1280], vec![0.0; 1280]);
        for y in 320..328 {
            blur.row(0, y, &mut row);
            sums.iter_mut().zip(&row).for_each(|(sum, luma)| *sum += f64::from(*luma) / 8.0);
        }
        let place = |x: usize| x as f64 + 1.0 - edge as f64;
        let slopes = sums.windows(2).enumerate().map(|(x, pair)| (place(x), (pair[1] - pair[0]) / 200.0));
        // Farther out, only dither noise is left.
        let reach = f64::from(deviation(strength, 720)) * 4.0 + 2.0;
        slopes.filter(|(x, _)| x.abs() < reach).map(|(x, slope)| x * x * slope).sum()
    }

    #[test]
    fn blur_width_matches_the_plan_at_every_strength() {
        let mut blur = Blur::new(Size::HD);
        let mut before = 0.0;
        for strength in 1..=100 {
            // Edges at every phase of the pyramid's grids, up to 16 pixels a cell.
            let variances = [640, 645, 650, 655].map(|edge| variance(&mut blur, strength, edge));
            let measured = (variances.iter().sum::<f64>() / 4.0).sqrt();
            let wanted = f64::from(deviation(strength, 720));
            assert!((measured / wanted - 1.0).abs() < 0.05 + 0.3 / wanted, "{strength}: {measured}, not {wanted}");
            assert!(measured > before * 0.99, "{strength}: {measured} after {before}");
            before = measured;
        }
    }

    #[test]
    fn slow_gradients_have_no_bands() {
        // From 100 to 104 over 1280 pixels: without dithering, bands of 256 pixels.
        let mut frame = Frame::new(Size::HD);
        for row in frame.planes_mut().0.chunks_exact_mut(1280) {
            row.iter_mut().enumerate().for_each(|(x, luma)| *luma = 100 + (x / 256) as u8);
        }
        let mut blur = Blur::new(Size::HD);
        blur.make(&frame, None, 100, false);
        let mut rows = vec![0; 8 * 1280];
        rows.chunks_exact_mut(1280).enumerate().for_each(|(y, row)| blur.row(0, 320 + y, row));
        let tile =
            |x: usize| rows.chunks_exact(1280).flat_map(|row| &row[x..x + 8]).map(|y| u32::from(*y)).sum::<u32>();
        let sums: Vec<_> = (100..1180).step_by(8).map(tile).collect();
        assert!(sums.windows(2).all(|pair| pair[1] >= pair[0] && pair[1] - pair[0] < 24), "{sums:?}");
        assert!(sums.windows(12).all(|part| part[11] > part[0]), "{sums:?}");
    }

    #[test]
    fn thresholds_are_even() {
        let mut all: Vec<_> = BAYER.into_iter().flatten().collect();
        all.sort_unstable();
        assert!(all.into_iter().eq(0..64));
        assert_eq!(BAYER[0][..4], [0, 32, 8, 40]);
    }

    #[test]
    fn weights_sum_to_one() {
        for sigma in 1..60 {
            let (weights, radius) = weights(sigma as f32 / 10.0);
            let sum: u32 = weights.iter().map(|weight| 2 * u32::from(*weight)).sum();
            assert_eq!(sum, 65_536, "{sigma}");
            assert!(weights[1..=radius].is_sorted_by(|near, far| near >= far));
        }
    }

    proptest! {
        #[test]
        fn convolution_matches_its_formula(row in vec(0..=255u16 << FRACTION, 3..120), sigma in 0.3..5.0f32) {
            let (weights, radius) = weights(sigma);
            let ends = |count| std::iter::repeat_n(0, count);
            let padded: Vec<u16> = ends(radius).chain(row.iter().copied()).chain(ends(radius)).collect();
            let tap = |k: usize| SymmetricTap { one: radius - k, other: radius + k, weight: weights[k] };
            let taps: Vec<_> = (0..=radius).map(tap).collect();
            let mut into = vec![0; row.len() & !1];
            convolve(&padded, &taps, &mut into);
            for (x, got) in into.iter().enumerate() {
                let sides = |k: usize| f64::from(padded[x + radius - k]) + f64::from(padded[x + radius + k]);
                let exact: f64 = (0..=radius).map(|k| sides(k) * f64::from(weights[k]) / 65_536.0).sum();
                prop_assert!((f64::from(*got) - exact).abs() <= 1.0 + radius as f64 / 2.0, "{got} for {exact}");
            }
        }

        #[test]
        fn row_functions_match_their_formulas(pixels in vec(any::<(u8, u8, u8)>(), 2..120), from in vec(0..16_400u16, 120)) {
            let (a, (b, c)): (Vec<_>, (Vec<_>, Vec<_>)) = pixels.iter().map(|p| (p.0, (p.1, p.2))).unzip();
            let half = pixels.len() / 2;
            let (mut sums, mut greatest) = (vec![0; half], vec![0; half]);
            mean(&a, &b, &mut sums);
            max_2x2(&a, &b, &mut greatest);
            for x in 0..half {
                let four = [a[2 * x], a[2 * x + 1], b[2 * x], b[2 * x + 1]];
                prop_assert_eq!(u32::from(sums[x]), four.iter().map(|v| u32::from(*v) * 16).sum::<u32>());
                prop_assert_eq!(Some(&greatest[x]), four.iter().max());
            }
            let mut into = vec![0; pixels.len()];
            grow_row([&a, &b, &c], &mut into);
            for (x, got) in into.iter().enumerate() {
                let near = x.saturating_sub(1)..(x + 2).min(pixels.len());
                prop_assert_eq!(Some(got), a[near.clone()].iter().chain(&b[near.clone()]).chain(&c[near]).max());
            }
            invert(&a, &mut into);
            for (room, person) in into.iter().zip(&a) {
                prop_assert_eq!(u32::from(*room), 255 - (u32::from(*person).min(63) * 255 / 63));
            }
            dither(&from, &b, &mut into);
            for ((got, from), threshold) in into.iter().zip(&from).zip(&b) {
                prop_assert_eq!(u32::from(*got), ((u32::from(*from) + u32::from(*threshold)) / 64).min(255));
            }
        }
    }
}
