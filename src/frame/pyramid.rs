//! Image pyramid of the room, with the person removed and the hole filled from its surroundings.
//!
//! Push-pull interpolation (Gortler et al., "The Lumigraph", 1996): on the way down, each pixel is the weighted mean
//! of its four source pixels that show the room; on the way up, pixels that show no room take the colour of the
//! coarser level.

use multiversion::multiversion;

/// Fractional bits of samples, which allow slow gradients to be dithered at the end.
pub(crate) const FRACTION: u32 = 6;

/// Grey, used where no room is visible at all.
const NEUTRAL: u16 = 128 << FRACTION;

/// Y, U and V at the same size, and how much of each pixel is room.
#[derive(Debug)]
pub(crate) struct Level {
    /// Even; at an odd frame width the last column is repeated.
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) planes: [Box<[u16]>; 3],
    /// 0 = person only, 255 = room only.
    pub(crate) room: Box<[u8]>,
}

impl Level {
    fn new(width: usize, height: usize) -> Self {
        let width = width.next_multiple_of(2);
        let plane = || vec![NEUTRAL; width * height].into_boxed_slice();
        let room = vec![255; width * height].into_boxed_slice();
        Self { width, height, planes: [plane(), plane(), plane()], room }
    }
}

/// Levels from the given size down to one pixel; each has half the sides of the previous one, rounded up.
#[derive(Debug)]
pub(crate) struct Pyramid {
    pub(crate) levels: Vec<Level>,
    shares: [Box<[u16]>; 4],
    narrow: Box<[u16]>,
    wide: Box<[u16]>,
}

impl Pyramid {
    pub(crate) fn new(mut width: usize, mut height: usize) -> Self {
        let mut levels = vec![Level::new(width, height)];
        while width > 1 || height > 1 {
            width = width.div_ceil(2);
            height = height.div_ceil(2);
            levels.push(Level::new(width, height));
        }
        let row = |length| vec![0; length].into_boxed_slice();
        let width = levels[0].width;
        Self { levels, shares: [0; 4].map(|_| row(width / 2)), narrow: row(width / 2 + 4), wide: row(width) }
    }

    /// Computes the levels up to and including `to` from the first.
    pub(crate) fn push(&mut self, to: usize) {
        for level in 0..to {
            let (fine, coarse) = self.levels.split_at_mut(level + 1);
            push(&fine[level], &mut coarse[0], &mut self.shares);
        }
    }

    /// Fills the person's area in all levels from the last down to `base`.
    pub(crate) fn fill(&mut self, base: usize) {
        let last = self.levels.len() - 1;
        if self.levels[last].room[0] == 0 {
            self.levels[last].planes.iter_mut().for_each(|plane| plane.fill(NEUTRAL));
        }
        for level in (base..last).rev() {
            self.grow(level, true);
        }
    }

    /// Recomputes the levels below `base` from it by smooth upscaling.
    pub(crate) fn enlarge(&mut self, base: usize) {
        for level in (0..base).rev() {
            self.grow(level, false);
        }
    }

    /// Upscales the next level to the size of `level`, either everywhere or only into holes.
    fn grow(&mut self, level: usize, only_holes: bool) {
        let (fine, coarse) = self.levels.split_at_mut(level + 1);
        let (fine, coarse) = (&mut fine[level], &coarse[0]);
        for (into, from) in fine.planes.iter_mut().zip(&coarse.planes) {
            let rows = into.chunks_exact_mut(fine.width).zip(fine.room.chunks_exact(fine.width));
            for (y, (into, room)) in rows.enumerate() {
                if !only_holes {
                    double_row(from, coarse.width, y, &mut self.narrow, into);
                } else if is_holed(room) {
                    let wide = &mut self.wide[..fine.width];
                    double_row(from, coarse.width, y, &mut self.narrow, wide);
                    fill(wide, room, into);
                }
            }
        }
    }
}

fn push(fine: &Level, coarse: &mut Level, shares: &mut [Box<[u16]>; 4]) {
    let (width, half) = (fine.width, fine.width / 2);
    for y in 0..coarse.height {
        let above = 2 * y * width..(2 * y + 1) * width;
        let below = (2 * y + 1).min(fine.height - 1) * width;
        let below = below..below + width;
        let to = y * coarse.width..(y + 1) * coarse.width;
        let room = &mut coarse.room[to.clone()];
        let [a, b, c, d] = shares.each_mut().map(|row| &mut row[..half]);
        share(&fine.room[above.clone()], &fine.room[below.clone()], [&mut *a, &mut *b, &mut *c, &mut *d], room);
        pad(room, half);
        for (from, into) in fine.planes.iter().zip(&mut coarse.planes) {
            let into = &mut into[to.clone()];
            mean(&from[above.clone()], &from[below.clone()], [a, b, c, d], into);
            pad(into, half);
        }
    }
}

/// Repeats the last of `filled` values if the row is one longer, to make it even.
pub(crate) fn pad<T: Copy>(row: &mut [T], filled: usize) {
    if let Some(next) = row.get(filled - 1).copied().zip(row.get_mut(filled)) {
        *next.1 = next.0;
    }
}

/// Upscales a plane to twice its size and returns row `y`: weights of 3/4 for the nearer and 1/4 for the farther
/// sample in both directions. Repeated doubling converges to a quadratic B-spline.
///
/// `narrow` is scratch space, two samples longer than `width`.
pub(crate) fn double_row(from: &[u16], width: usize, y: usize, narrow: &mut [u16], into: &mut [u16]) {
    let height = from.len() / width;
    let near = y / 2;
    let far = if y.is_multiple_of(2) { near.saturating_sub(1) } else { (near + 1).min(height - 1) };
    let narrow = &mut narrow[..width + 2];
    quarter(&from[near * width..][..width], &from[far * width..][..width], &mut narrow[1..=width]);
    narrow[0] = narrow[1];
    narrow[width + 1] = narrow[width];
    widen(narrow, into);
}

#[multiversion(targets = "simd")]
fn is_holed(room: &[u8]) -> bool {
    room.iter().fold(255, |least, room| least.min(*room)) < 255
}

/// Weight of each pixel in the mean of its 2x2 block, by how much room it shows, in 1/65536; and whether the block
/// shows any.
#[multiversion(targets = "simd")]
fn share(above: &[u8], below: &[u8], shares: [&mut [u16]; 4], room: &mut [u8]) {
    let [s0, s1, s2, s3] = shares;
    let outs = s0.iter_mut().zip(s1).zip(s2).zip(s3).zip(room);
    let pairs = above.as_chunks::<2>().0.iter().zip(below.as_chunks::<2>().0);
    for (((((s0, s1), s2), s3), room), (&[a, b], &[c, d])) in outs.zip(pairs) {
        let sum = i32::from(a) + i32::from(b) + i32::from(c) + i32::from(d);
        let one = 65_535.0 / sum.max(1) as f32;
        *s0 = (f32::from(a) * one) as i32 as u16;
        *s1 = (f32::from(b) * one) as i32 as u16;
        *s2 = (f32::from(c) * one) as i32 as u16;
        *s3 = (f32::from(d) * one) as i32 as u16;
        *room = sum.min(255) as u8;
    }
}

/// Weighted mean of each 2x2 block.
#[multiversion(targets = "simd")]
fn mean(above: &[u16], below: &[u16], shares: [&[u16]; 4], into: &mut [u16]) {
    let [s0, s1, s2, s3] = shares;
    let shares = s0.iter().zip(s1).zip(s2).zip(s3);
    let pairs = above.as_chunks::<2>().0.iter().zip(below.as_chunks::<2>().0);
    for ((into, (((&s0, &s1), &s2), &s3)), (&[a, b], &[c, d])) in into.iter_mut().zip(shares).zip(pairs) {
        // Each product loses half a unit on average; two compensate for the four.
        let sum = high(a, s0) + high(b, s1) + high(c, s2) + high(d, s3) + 2;
        *into = sum.min(255 << FRACTION);
    }
}

/// High half of a product: one vector instruction.
#[inline(always)]
pub(crate) fn high(a: u16, b: u16) -> u16 {
    ((u32::from(a) * u32::from(b)) >> 16) as u16
}

/// Three quarters of one row plus one quarter of the other.
#[multiversion(targets = "simd")]
fn quarter(near: &[u16], far: &[u16], into: &mut [u16]) {
    for ((into, &near), &far) in into.iter_mut().zip(near).zip(far) {
        *into = (3 * near + far + 2) >> 2;
    }
}

/// A row at twice its width; `from` has one more sample at both ends.
#[multiversion(targets = "simd")]
fn widen(from: &[u16], into: &mut [u16]) {
    let sides = from.iter().zip(&from[1..]).zip(&from[2..]);
    for (pair, ((&left, &centre), &right)) in into.as_chunks_mut::<2>().0.iter_mut().zip(sides) {
        *pair = [(3 * centre + left + 2) >> 2, (3 * centre + right + 2) >> 2];
    }
}

/// Copies `from` into the holes of `into`.
#[multiversion(targets = "simd")]
fn fill(from: &[u16], room: &[u8], into: &mut [u16]) {
    for ((into, &from), &room) in into.iter_mut().zip(from).zip(room) {
        let hole = u16::from(255 - room) * 257;
        *into = *into - high(*into, hole) + high(from, hole);
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    const RED: u16 = 200 << FRACTION;
    const ROOM: u16 = 60 << FRACTION;

    /// A pyramid whose first level is a room with a person from `left` to `right`.
    fn pyramid(width: usize, height: usize, left: usize, right: usize) -> Pyramid {
        let mut pyramid = Pyramid::new(width, height);
        let level = &mut pyramid.levels[0];
        for at in 0..level.room.len() {
            let person = (left..right).contains(&(at % level.width));
            level.room[at] = if person { 0 } else { 255 };
            level.planes.iter_mut().for_each(|plane| plane[at] = if person { RED } else { ROOM });
        }
        pyramid
    }

    fn near(value: u16, wanted: u16) -> bool {
        value.abs_diff(wanted) <= 8
    }

    #[test]
    fn the_person_is_replaced_by_the_room_around_it() {
        for (width, height) in [(64, 32), (61, 35), (320, 180), (8, 8)] {
            for base in 0..3 {
                let mut pyramid = pyramid(width, height, width / 3, width / 2);
                let last = pyramid.levels.len() - 1;
                pyramid.push(last);
                pyramid.fill(base);
                pyramid.enlarge(base);
                for (plane, level) in
                    pyramid.levels[..=base].iter().flat_map(|level| level.planes.iter().zip([level; 3]))
                {
                    let wrong = plane.iter().find(|value| !near(**value, ROOM));
                    assert_eq!(wrong, None, "{width}x{height}, base {base}, level {} wide", level.width);
                }
            }
        }
    }

    #[test]
    fn a_frame_without_room_is_grey() {
        let mut pyramid = pyramid(64, 32, 0, 64);
        pyramid.push(pyramid.levels.len() - 1);
        pyramid.fill(0);
        assert!(pyramid.levels[0].planes.iter().flatten().all(|value| near(*value, NEUTRAL)));
    }

    #[test]
    fn levels_end_with_one_pixel() {
        let sizes: Vec<_> = Pyramid::new(321, 180).levels.iter().map(|level| (level.width, level.height)).collect();
        assert_eq!(sizes[..4], [(322, 180), (162, 90), (82, 45), (42, 23)]);
        assert_eq!(sizes.last(), Some(&(2, 1)));
    }

    fn sample() -> impl Strategy<Value = u16> {
        0..=(255u16 << FRACTION)
    }

    proptest! {
        #[test]
        fn means_are_weighted_by_room(pixels in vec((sample(), any::<u8>(), sample(), any::<u8>()), 1..80)) {
            let count = pixels.len() / 2;
            let (above, below): (Vec<_>, Vec<_>) = pixels.iter().map(|p| (p.0, p.2)).unzip();
            let (room_above, room_below): (Vec<_>, Vec<_>) = pixels.iter().map(|p| (p.1, p.3)).unzip();
            let [mut a, mut b, mut c, mut d] = [0; 4].map(|_| vec![0; count]);
            let (mut room, mut into) = (vec![0; count], vec![0; count]);
            share(&room_above, &room_below, [&mut a, &mut b, &mut c, &mut d], &mut room);
            mean(&above, &below, [&a, &b, &c, &d], &mut into);
            for (at, pair) in pixels.chunks_exact(2).enumerate() {
                let parts = pair.iter().flat_map(|p| [(p.0, p.1), (p.2, p.3)]).map(|(v, w)| (f64::from(v), f64::from(w)));
                let (sum, weight) = parts.fold((0.0, 0.0), |all, (v, w)| (all.0 + v * w, all.1 + w));
                prop_assert_eq!(f64::from(room[at]), weight.min(255.0));
                if weight > 0.0 {
                    prop_assert!((f64::from(into[at]) - sum / weight).abs() <= 4.0, "{} for {}", into[at], sum / weight);
                }
            }
        }

        #[test]
        fn doubling_matches_its_formula(row in vec(sample(), 3..100), far in sample()) {
            let mut into = vec![0; 2 * (row.len() - 2)];
            widen(&row, &mut into);
            for (x, got) in into.iter().enumerate() {
                let (near, other) = (row[x / 2 + 1], row[x / 2 + if x % 2 == 0 { 0 } else { 2 }]);
                prop_assert_eq!(u32::from(*got), (3 * u32::from(near) + u32::from(other) + 2) / 4);
            }
            let mut into = vec![0; row.len()];
            quarter(&row, &vec![far; row.len()], &mut into);
            for (got, near) in into.iter().zip(&row) {
                prop_assert_eq!(u32::from(*got), (3 * u32::from(*near) + u32::from(far) + 2) / 4);
            }
        }

        #[test]
        fn filling_is_proportional_to_the_hole(pixels in vec((sample(), any::<u8>(), sample()), 1..100)) {
            let (from, room): (Vec<_>, Vec<_>) = pixels.iter().map(|p| (p.0, p.1)).unzip();
            let mut into: Vec<_> = pixels.iter().map(|p| p.2).collect();
            fill(&from, &room, &mut into);
            for (got, (from, room, was)) in into.iter().zip(&pixels) {
                let room = f64::from(*room) / 255.0;
                let exact = f64::from(*was) * room + f64::from(*from) * (1.0 - room);
                prop_assert!((f64::from(*got) - exact).abs() <= 1.5, "{got} for {exact}");
            }
        }
    }
}
