//! Keys out a green or blue screen, so that every strand of hair is as sharp as the camera sees it.
//!
//! The models' mask says where to look: the screen's colour is the one that surrounds the person, so it is never asked
//! for, and a screen that is too small or falls over does not show the room. What is far from the person is background,
//! and what is well inside stays, even in the screen's colour. In between, alpha is the distance from the screen's
//! colour, as in a hardware keyer (K. Jack, "Video Demystified", chroma keying): with the axis X along the colour and Z
//! across it, the share of the screen is X - |Z|, over the length of X for the screen itself. The same amount is what the
//! screen spills onto the person.

use multiversion::multiversion;

use crate::{
    frame::{Frame, Mask, Size, spread::Spread},
    look::Look,
};

/// The side of a cell in chroma samples; twice as many luma pixels.
const CELL: usize = 4;

/// How far from the models' person the edge may be, outwards and inwards, as a fraction of the frame's height.
const OUTWARDS: f32 = 0.08;
const INWARDS: f32 = 0.06;

/// The alpha at and above which a pixel may be the person, below which none of a cell is, and above which all is.
const MAYBE: u8 = 100;
const OUTSIDE: u8 = 8;
const INSIDE: u8 = 247;

/// Fewer cells around the person say nothing about a screen.
const MIN_CELLS: usize = 12;

/// The share of the surroundings that must have one colour to be a screen, and to remain one.
const MIN_SHARE: (f32, f32) = (0.6, 0.4);

/// The minimum saturation of a screen, and how far its cells differ, in levels of chroma.
const MIN_SATURATION: f32 = 18.0;
const MAX_DIFFERENCE: f32 = 24.0;

/// How much of a newly measured colour is used: light changes slowly, hands come and go.
const ADAPTATION: f32 = 0.1;

/// The share of the screen up to which a pixel is the person: noise, and spill on skin.
const PERSON: f32 = 0.08;

/// The noise of chroma, relative to the screen's saturation.
const NOISE: f32 = 0.04;

/// The number of bins of U and of V in which the most frequent colour is searched for.
const BINS: usize = 32;

/// Keys frames of one size.
#[derive(Debug)]
pub(super) struct Screen {
    columns: usize,
    /// The mean U and V of each cell.
    chroma: Box<[(f32, f32)]>,
    /// 1 for cells with some of the person; for those with anything else; near and not inside the person.
    person: Box<[u8]>,
    other: Box<[u8]>,
    near: Box<[u8]>,
    edge: Box<[u8]>,
    outside: Box<[bool]>,
    spread: Spread,
    reach: (usize, usize),
    histogram: Box<[u32]>,
    key: Option<Key>,
    /// Alpha per chroma sample, and the limits of a row.
    alpha: Box<[u8]>,
    limits: [Box<[u8]>; 2],
    sums: Box<[u16]>,
    /// The lowest and highest alpha of each column in a row of cells, and the sums of its U and V.
    extremes: [Box<[u8]>; 2],
    column_sums: [Box<[u16]>; 2],
    mask: Mask,
    frame: Frame,
}

/// The screen's colour.
#[derive(Debug, Clone, Copy)]
struct Key {
    u: f32,
    v: f32,
    /// The share of the screen from which a pixel is background, for a screen lit as unevenly as this one.
    full: f32,
}

impl Key {
    /// The share of the screen in a colour, from its U and V without the offset: 1 for the screen itself, 0 or less for
    /// other hues.
    fn share(self, u: f32, v: f32) -> f32 {
        ((u * self.u + v * self.v) - (v * self.u - u * self.v).abs()) / self.square()
    }

    fn square(self) -> f32 {
        self.u * self.u + self.v * self.v
    }
}

impl Screen {
    pub(super) fn new(size: Size) -> Self {
        let (width, height) = (size.width() / 2, size.height() / 2);
        let (columns, rows) = (width.div_ceil(CELL), height.div_ceil(CELL));
        let reach = |share: f32| ((share * rows as f32).round() as usize).max(1);
        let reach = (reach(OUTWARDS), reach(INWARDS));
        let cells = || vec![0; columns * rows].into();
        Self {
            columns,
            chroma: vec![(0.0, 0.0); columns * rows].into(),
            person: cells(),
            other: cells(),
            near: cells(),
            edge: cells(),
            outside: vec![false; columns * rows].into(),
            spread: Spread::new(columns, reach.0.max(reach.1)),
            reach,
            histogram: vec![0; BINS * BINS].into(),
            key: None,
            alpha: vec![0; width * height].into(),
            limits: [vec![0; width].into(), vec![0; width].into()],
            sums: vec![0; width].into(),
            extremes: [vec![0; 2 * width].into(), vec![0; 2 * width].into()],
            column_sums: [vec![0; width].into(), vec![0; width].into()],
            mask: Mask::new(size),
            frame: Frame::new(size),
        }
    }

    /// Replaces the mask with one keyed from the screen, and the frame with one without its spill. Returns both as they
    /// are if that is switched off or there is no screen behind the person.
    pub(super) fn key<'a>(
        &'a mut self,
        frame: &'a Frame,
        mask: Option<&'a Mask>,
        look: &Look,
    ) -> (&'a Frame, Option<&'a Mask>) {
        let Some(found) = mask.filter(|_| look.green_screen) else {
            self.key = None;
            return (frame, mask);
        };
        self.find_cells(frame, found);
        self.find_colour();
        let Some(key) = self.key else { return (frame, mask) };
        self.key_rows(frame, key.with_tolerance(look.green_screen_tolerance), look.green_screen_spill);
        self.enlarge();
        self.mask.seq = found.seq;
        self.mask.captured_at = found.captured_at;
        (&self.frame, Some(&self.mask))
    }

    /// Measures the cells, and finds those near the person's edge.
    fn find_cells(&mut self, frame: &Frame, mask: &Mask) {
        let (width, columns) = (frame.size().width(), self.columns);
        let (_, u, v) = frame.planes();
        let chroma_rows = CELL * (width / 2);
        let rows = mask.alpha().chunks(2 * CELL * width).zip(u.chunks(chroma_rows).zip(v.chunks(chroma_rows)));
        for (row, (alpha, (u, v))) in rows.enumerate() {
            let [low, high] = &mut self.extremes;
            low.fill(255);
            high.fill(0);
            alpha.chunks_exact(width).for_each(|row| widen(row, low, high));
            let [sums_u, sums_v] = &mut self.column_sums;
            for (plane, sums) in [(u, &mut *sums_u), (v, &mut *sums_v)] {
                sums.fill(0);
                plane.chunks_exact(width / 2).for_each(|row| add(row, sums));
            }
            let height = (u.len() / (width / 2)) as f32;
            let alpha = low.chunks(2 * CELL).zip(high.chunks(2 * CELL));
            let chroma = sums_u.chunks(CELL).zip(sums_v.chunks(CELL));
            for (column, ((low, high), (u, v))) in alpha.zip(chroma).enumerate() {
                let at = row * columns + column;
                let (low, high) = (low.iter().min(), high.iter().max());
                self.person[at] = u8::from(high.is_some_and(|alpha| *alpha >= MAYBE));
                self.other[at] = u8::from(low.is_some_and(|alpha| *alpha <= INSIDE));
                self.outside[at] = high.is_some_and(|alpha| *alpha < OUTSIDE);
                let mean = |sums: &[u16]| f32::from(sums.iter().sum::<u16>()) / (sums.len() as f32 * height) - 128.0;
                self.chroma[at] = (mean(u), mean(v));
            }
        }
        for (flags, reach, into) in
            [(&self.person, self.reach.0, &mut self.near), (&self.other, self.reach.1, &mut self.edge)]
        {
            let rows = flags.len() / columns;
            for (y, into) in into.chunks_exact_mut(columns).enumerate() {
                let near = y.saturating_sub(reach)..(y + reach + 1).min(rows);
                self.spread.run(near.map(|row| &flags[row * columns..][..columns]), reach, into);
            }
        }
    }

    /// Finds the colour of the screen: the most frequent one around the person, if most of it has that colour.
    fn find_colour(&mut self) {
        let surroundings = || {
            let cells = self.near.iter().zip(&self.outside).zip(&self.chroma);
            cells.filter(|((near, outside), _)| **near == 1 && **outside).map(|(_, chroma)| *chroma)
        };
        self.histogram.fill(0);
        let mut count = 0;
        for (u, v) in surroundings() {
            self.histogram[bin(v) * BINS + bin(u)] += 1;
            count += 1;
        }
        if count < MIN_CELLS {
            return; // the person fills the frame
        }
        let Some(most) = (0..BINS * BINS).max_by_key(|at| self.histogram[*at]) else { return };
        let centre = |bin: usize| (bin as f32 + 0.5) * (256.0 / BINS as f32) - 128.0;
        let (around_u, around_v) = (centre(most % BINS), centre(most / BINS));
        let alike = || surroundings().filter(|(u, v)| (u - around_u).hypot(v - around_v) < MAX_DIFFERENCE);
        let (mut found, mut sums) = (0, (0.0, 0.0));
        for (u, v) in alike() {
            found += 1;
            sums = (sums.0 + u, sums.1 + v);
        }
        let (u, v) = (sums.0 / found.max(1) as f32, sums.1 / found.max(1) as f32);
        let min_share = if self.key.is_some() { MIN_SHARE.1 } else { MIN_SHARE.0 };
        if (found as f32) < min_share * count as f32 || u.hypot(v) < MIN_SATURATION {
            self.key = None;
            return;
        }
        let measured = Key { u, v, full: 1.0 };
        let variance = alike().map(|(u, v)| (measured.share(u, v) - 1.0).powi(2)).sum::<f32>() / found as f32;
        let measured = Key { full: (1.0 - 2.0 * variance.sqrt() - NOISE).max(0.5), ..measured };
        self.key = Some(match self.key {
            Some(old) if (old.u - u).hypot(old.v - v) < MAX_DIFFERENCE => old.towards(measured),
            _ => measured,
        });
    }

    /// Computes alpha per chroma sample, and the frame without spill; `spill` is 0 to 100.
    fn key_rows(&mut self, frame: &Frame, key: Key, spill: i32) {
        let width = frame.size().width() / 2;
        let key = Fixed::new(key, spill as f32 / 100.0);
        let (from_y, from_u, from_v) = frame.planes();
        let (y, u, v) = self.frame.planes_mut();
        y.copy_from_slice(from_y);
        let rows = from_u.chunks_exact(width).zip(from_v.chunks_exact(width));
        let into = u.chunks_exact_mut(width).zip(v.chunks_exact_mut(width)).zip(self.alpha.chunks_exact_mut(width));
        for (at, ((from_u, from_v), ((u, v), alpha))) in rows.zip(into).enumerate() {
            if at % CELL == 0 {
                let cells = at / CELL * self.columns..(at / CELL + 1) * self.columns;
                let [lowest, highest] = &mut self.limits;
                let limits = lowest.chunks_mut(CELL).zip(highest.chunks_mut(CELL));
                for ((lowest, highest), (edge, near)) in
                    limits.zip(self.edge[cells.clone()].iter().zip(&self.near[cells]))
                {
                    lowest.fill(255 * (1 - edge));
                    highest.fill(255 * near);
                }
            }
            key_row(from_u, from_v, key, u, v, alpha);
            limit(&self.limits, alpha);
        }
        self.frame.seq = frame.seq;
        self.frame.captured_at = frame.captured_at;
    }

    /// Enlarges alpha to the frame's size.
    fn enlarge(&mut self) {
        let width = self.limits[0].len();
        let rows = self.alpha.len() / width;
        for (y, into) in self.mask.alpha_mut().chunks_exact_mut(2 * width).enumerate() {
            let row = y / 2;
            let next = if y % 2 == 0 { row.saturating_sub(1) } else { (row + 1).min(rows - 1) };
            let [row, next] = [row, next].map(|row| &self.alpha[row * width..][..width]);
            enlarge_row(row, next, &mut self.sums, into);
        }
    }
}

impl Key {
    fn towards(self, measured: Self) -> Self {
        let mix = |old: f32, new: f32| old + ADAPTATION * (new - old);
        Self { u: mix(self.u, measured.u), v: mix(self.v, measured.v), full: mix(self.full, measured.full) }
    }

    /// With a tolerance of 0 to 100; 50 is as measured.
    fn with_tolerance(self, tolerance: i32) -> Self {
        let full = self.full * (1.0 - (tolerance as f32 - 50.0) / 100.0);
        Self { full: full.clamp(PERSON + 0.05, 1.2), ..self }
    }
}

/// Includes a row in the lowest and highest values of each column.
#[multiversion(targets = "simd")]
fn widen(row: &[u8], low: &mut [u8], high: &mut [u8]) {
    for ((&value, low), high) in row.iter().zip(low).zip(high) {
        *low = value.min(*low);
        *high = value.max(*high);
    }
}

#[multiversion(targets = "simd")]
fn add(row: &[u8], sums: &mut [u16]) {
    sums.iter_mut().zip(row).for_each(|(sum, &value)| *sum += u16::from(value));
}

/// The bin of a chroma value without its offset.
fn bin(chroma: f32) -> usize {
    ((chroma + 128.0) as usize * BINS / 256).min(BINS - 1)
}

/// [`Key`] for whole numbers, which convert to bytes faster: colours have 4 fractional bits, factors [`Fixed::BITS`].
#[derive(Debug, Clone, Copy)]
struct Fixed {
    u: i32,
    v: i32,
    /// Alpha of a pixel without any of the screen, and by how much each unit of [`Fixed::share`] lowers it.
    offset: i32,
    scale: i32,
    /// By how much each unit lowers U and V.
    spill_u: i32,
    spill_v: i32,
}

impl Fixed {
    const BITS: u32 = 14;

    /// `spill` is 0 to 1. No product overflows: the saturation is at least [`MIN_SATURATION`].
    fn new(key: Key, spill: f32) -> Self {
        let fixed = |value: f32| (value * (1 << Self::BITS) as f32).round() as i32;
        let width = key.full - PERSON;
        let removed = spill / key.square();
        Self {
            u: (key.u * 16.0).round() as i32,
            v: (key.v * 16.0).round() as i32,
            offset: fixed(255.5 + 255.0 * PERSON / width),
            scale: fixed(255.0 / (key.square() * width)),
            spill_u: fixed(removed * key.u),
            spill_v: fixed(removed * key.v),
        }
    }

    /// The share of the screen, multiplied by [`Key::square`]; not negative.
    #[inline(always)]
    fn share(self, u: i32, v: i32) -> i32 {
        ((u * self.u + v * self.v) - (v * self.u - u * self.v).abs()).max(0) >> 4
    }

    /// A value with [`Fixed::BITS`] fractional bits, rounded down.
    #[inline(always)]
    fn byte(value: i32) -> u8 {
        (value >> Self::BITS).clamp(0, 255) as u8
    }
}

/// Keys a row of chroma samples and removes the spill from them. The slices are separate arguments, so that the compiler
/// knows that they do not overlap.
#[multiversion(targets = "simd")]
fn key_row(u: &[u8], v: &[u8], key: Fixed, into_u: &mut [u8], into_v: &mut [u8], alpha: &mut [u8]) {
    let middle = (128 << Fixed::BITS) + (1 << (Fixed::BITS - 1));
    for ((((&u, &v), into_u), into_v), alpha) in u.iter().zip(v).zip(into_u).zip(into_v).zip(alpha) {
        let (u, v) = (i32::from(u) - 128, i32::from(v) - 128);
        let share = key.share(u, v);
        *alpha = Fixed::byte(key.offset - share * key.scale);
        *into_u = Fixed::byte(middle + (u << Fixed::BITS) - share * key.spill_u);
        *into_v = Fixed::byte(middle + (v << Fixed::BITS) - share * key.spill_v);
    }
}

/// Limits a row of alpha from below and from above.
#[multiversion(targets = "simd")]
fn limit([lowest, highest]: &[Box<[u8]>; 2], alpha: &mut [u8]) {
    for ((alpha, &lowest), &highest) in alpha.iter_mut().zip(lowest).zip(highest) {
        *alpha = (*alpha).max(lowest).min(highest);
    }
}

/// Enlarges a row of samples by 2, with a quarter of the nearest other row and column.
fn enlarge_row(row: &[u8], next: &[u8], sums: &mut [u16], into: &mut [u8]) {
    blend_rows(row, next, sums);
    let last = sums.len() - 1;
    into[0] = ((4 * sums[0] + 8) >> 4) as u8;
    into[2 * last + 1] = ((4 * sums[last] + 8) >> 4) as u8;
    between(sums, &mut into[1..=2 * last]);
}

/// Writes the two samples between each pair of neighbours.
#[multiversion(targets = "simd")]
fn between(sums: &[u16], into: &mut [u8]) {
    let (left, right) = (&sums[..sums.len() - 1], &sums[1..]);
    for ((&left, &right), into) in left.iter().zip(right).zip(into.as_chunks_mut().0) {
        *into = [((3 * left + right + 8) >> 4) as u8, ((left + 3 * right + 8) >> 4) as u8];
    }
}

#[multiversion(targets = "simd")]
fn blend_rows(row: &[u8], next: &[u8], sums: &mut [u16]) {
    for ((sum, &row), &next) in sums.iter_mut().zip(row).zip(next) {
        *sum = 3 * u16::from(row) + u16::from(next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Yuv;

    const SIZES: [(u32, u32); 4] = [(640, 360), (1280, 720), (642, 362), (16, 16)];
    const GREEN: Yuv = Yuv { y: 100, u: 90, v: 60 };
    const SHIRT: Yuv = Yuv { y: 150, u: 110, v: 160 };

    /// A person of one colour between two columns, with an edge of 8 pixels, and hair as vertical strands of 2 pixels on
    /// the left, in front of an unevenly lit `screen`.
    struct Picture {
        frame: Frame,
        truth: Vec<u8>,
        mask: Mask,
    }

    fn picture(size: Size, person: Yuv, screen: impl Fn(usize, usize) -> Yuv) -> Picture {
        let (width, height) = (size.width(), size.height());
        let (left, right) = (width * 3 / 8, width * 5 / 8);
        let mut truth = vec![0; width * height];
        let mut mask = Mask::new(size);
        for y in 0..height {
            for x in 0..width {
                let inside = (x as i32 - left as i32).min(right as i32 - x as i32);
                let strand = (left - width / 32..left).contains(&x) && x / 2 % 3 == 0 && y < height / 2;
                truth[y * width + x] = if strand { 160 } else { (inside * 32).clamp(0, 255) as u8 };
                // the models: no strands, and an edge in the wrong place
                mask.alpha_mut()[y * width + x] = ((inside - 6) * 16).clamp(0, 255) as u8;
            }
        }
        let mut frame = Frame::new(size);
        let noise = |x: usize, y: usize| ((x * 31 + y * 17 + x * y * 7) % 5) as i32 - 2;
        let mix = |alpha: u8, a: u8, b: u8, noise: i32| {
            let alpha = i32::from(alpha);
            ((i32::from(a) * alpha + i32::from(b) * (255 - alpha)) / 255 + noise).clamp(0, 255) as u8
        };
        let (luma, u, v) = frame.planes_mut();
        for y in 0..height {
            for x in 0..width {
                let at = y * width + x;
                luma[at] = mix(truth[at], person.y, screen(x, y).y, noise(x, y));
                if x % 2 == 0 && y % 2 == 0 {
                    let four = [at, at + 1, at + width, at + width + 1].map(|at| u32::from(truth[at]));
                    let alpha = (four.iter().sum::<u32>() / 4) as u8;
                    let at = y / 2 * (width / 2) + x / 2;
                    u[at] = mix(alpha, person.u, screen(x, y).u, noise(y, x));
                    v[at] = mix(alpha, person.v, screen(x, y).v, noise(y + 3, x));
                }
            }
        }
        Picture { frame, truth, mask }
    }

    /// A green screen that is darker at the sides.
    fn green(width: usize) -> impl Fn(usize, usize) -> Yuv {
        move |x, _| {
            let shade = 10 - 3 * x.abs_diff(width / 2) / width;
            let chroma = |value: u8| (128 - (128 - i32::from(value)) * shade as i32 / 10) as u8;
            Yuv { y: GREEN.y, u: chroma(GREEN.u), v: chroma(GREEN.v) }
        }
    }

    fn look() -> Look {
        Look { green_screen: true, green_screen_tolerance: 50, green_screen_spill: 100, ..Look::neutral() }
    }

    fn error(alpha: &[u8], truth: &[u8]) -> f32 {
        alpha.iter().zip(truth).map(|(&a, &b)| f32::from(a.abs_diff(b))).sum::<f32>() / alpha.len() as f32
    }

    #[test]
    fn the_edge_is_as_the_camera_sees_it() {
        for (width, height) in &SIZES[..3] {
            let size = Size::new(*width, *height).unwrap();
            let Picture { frame, truth, mask } = picture(size, SHIRT, green(size.width()));
            let mut screen = Screen::new(size);
            let (clean, keyed) = screen.key(&frame, Some(&mask), &look());
            let keyed = keyed.unwrap().alpha();
            let (before, after) = (error(mask.alpha(), &truth), error(keyed, &truth));
            assert!(after < 0.25 * before && after < 1.6, "{size}: {before} before, {after} after");
            let (_, u, v) = clean.planes();
            for (&u, &v) in u.iter().zip(v) {
                let share = Key { u: -38.0, v: -68.0, full: 1.0 }.share(f32::from(u) - 128.0, f32::from(v) - 128.0);
                assert!(share < 0.15, "{size}: green is left: {u} {v}");
            }
        }
    }

    #[test]
    fn without_a_screen_nothing_changes() {
        let size = Size::new(640, 360).unwrap();
        let grey = |x: usize, y: usize| Yuv { y: (x * y % 200) as u8, u: 126, v: 131 };
        let colourful = |x: usize, y: usize| Yuv { y: 90, u: (x / 40 * 37 % 200) as u8, v: (y / 40 * 61 % 200) as u8 };
        let rooms: [&dyn Fn(usize, usize) -> Yuv; 2] = [&grey, &colourful];
        for room in rooms {
            let Picture { frame, mask, .. } = picture(size, SHIRT, room);
            let mut screen = Screen::new(size);
            let (same, keyed) = screen.key(&frame, Some(&mask), &look());
            assert!(std::ptr::eq(same, &frame) && std::ptr::eq(keyed.unwrap(), &mask));
        }
        let Picture { frame, mask, .. } = picture(size, SHIRT, green(640));
        let mut screen = Screen::new(size);
        let (same, keyed) = screen.key(&frame, Some(&mask), &Look::neutral());
        assert!(std::ptr::eq(same, &frame) && std::ptr::eq(keyed.unwrap(), &mask), "switched off");
        assert!(screen.key(&frame, None, &look()).1.is_none(), "no person");
    }

    #[test]
    fn a_screen_that_is_gone_is_noticed_at_once() {
        let size = Size::new(640, 360).unwrap();
        let mut screen = Screen::new(size);
        let Picture { frame, mask, .. } = picture(size, SHIRT, green(640));
        for _ in 0..3 {
            assert!(!std::ptr::eq(screen.key(&frame, Some(&mask), &look()).0, &frame));
        }
        let room =
            |x: usize, y: usize| Yuv { y: (x ^ y) as u8, u: (x / 40 * 37 % 200) as u8, v: (y / 40 * 61 % 200) as u8 };
        let Picture { frame, mask, .. } = picture(size, SHIRT, room);
        assert!(std::ptr::eq(screen.key(&frame, Some(&mask), &look()).0, &frame));
    }

    #[test]
    fn beside_the_screen_the_room_stays_hidden() {
        let size = Size::new(640, 360).unwrap();
        let red = Yuv { y: 80, u: 100, v: 200 };
        let narrow = |x: usize, y: usize| if (130..510).contains(&x) { green(640)(x, y) } else { red };
        let Picture { frame, mask, .. } = picture(size, SHIRT, narrow);
        let mut screen = Screen::new(size);
        let keyed = screen.key(&frame, Some(&mask), &look()).1.unwrap();
        for (at, alpha) in keyed.alpha().iter().enumerate() {
            assert!((150..490).contains(&(at % 640)) || *alpha == 0, "column {}", at % 640);
        }
    }

    #[test]
    fn clothes_in_the_colour_of_the_screen_stay() {
        let size = Size::new(640, 360).unwrap();
        let Picture { frame, mask, .. } = picture(size, GREEN, green(640));
        let mut screen = Screen::new(size);
        let keyed = screen.key(&frame, Some(&mask), &look()).1.unwrap();
        assert!(keyed.alpha()[180 * 640 + 300..][..40].iter().all(|alpha| *alpha == 255));
    }

    #[test]
    fn whole_numbers_are_exact_enough() {
        for (u, v) in [(-38.0, -68.0), (100.0, -20.0), (-13.0, -13.0), (0.0, 18.0), (127.0, 127.0)] {
            for full in [PERSON + 0.05, 0.5, 1.2] {
                let key = Key { u, v, full };
                let fixed = Fixed::new(key, 1.0);
                for (x, y) in (0..=255).step_by(5).flat_map(|x| (0..=255).step_by(5).map(move |y| (x, y))) {
                    let (mut into_u, mut into_v, mut alpha) = ([0], [0], [0]);
                    key_row(&[x], &[y], fixed, &mut into_u, &mut into_v, &mut alpha);
                    let (from_u, from_v) = (f32::from(x) - 128.0, f32::from(y) - 128.0);
                    let share = key.share(from_u, from_v).max(0.0);
                    let expected = 255.0 - 255.0 * (share - PERSON) / (full - PERSON);
                    let tolerance = 1.0 + 255.0 / (key.square() * (full - PERSON));
                    assert!((f32::from(alpha[0]) - expected.clamp(0.0, 255.0)).abs() <= tolerance, "{key:?} {x} {y}");
                    for (found, from, part) in [(into_u[0], from_u, u), (into_v[0], from_v, v)] {
                        let expected = (128.0 + from - share * part).clamp(0.0, 255.0);
                        assert!((f32::from(found) - expected).abs() <= 1.0, "{key:?} {x} {y}");
                    }
                }
            }
        }
    }

    #[test]
    fn any_size_works_and_enlarging_is_exact() {
        for (width, height) in SIZES {
            let size = Size::new(width, height).unwrap();
            let mut screen = Screen::new(size);
            for value in [0, 1, 77, 254, 255] {
                screen.alpha.fill(value);
                screen.enlarge();
                assert!(screen.mask.alpha().iter().all(|alpha| *alpha == value));
            }
            let Picture { frame, mask, .. } = picture(size, SHIRT, green(size.width()));
            screen.key(&frame, Some(&mask), &look());
        }
    }
}
