//! Keys out a green or blue screen, so that every strand of hair is as sharp as the camera sees it.
//!
//! The models' mask says where to look: the screen's colour is the one that surrounds the person, so it need not be
//! chosen, and a screen that is too small or falls over does not show the room. Where it ends close to the person, the
//! models' mask is used. What is far from the person is background, and what is well inside stays, even in the screen's
//! colour. In between, alpha is the distance from the screen's colour, as in a hardware keyer (K. Jack, "Video
//! Demystified", chroma keying): with the axis X along the colour and Z across it, the share of the screen is X - |Z|,
//! over the length of X for the screen itself. The same amount is what the screen spills onto the person.

mod key;

use multiversion::multiversion;

use self::key::{Fixed, Key, key_row};
use crate::{
    frame::{Frame, Mask, Size, spread::Spread},
    look::{Look, ScreenColour},
};

/// The side of a cell in chroma samples; twice as many luma pixels.
const CELL: usize = 4;

/// How far from the models' person the edge may be, outwards and inwards, as a fraction of the frame's height.
const OUTWARDS: f32 = 0.08;
const INWARDS: f32 = 0.06;

/// How far from the models' person strands of hair may be, as a fraction of the frame's height: beyond, what is not the
/// screen is the room.
const STRANDS: f32 = 0.03;

/// The share of the screen, relative to the one from which a pixel is background, below which a cell is not the screen.
const MIN_SCREEN: f32 = 0.6;

/// The alpha at and above which a pixel may be the person, below which none of a cell is, and above which all is.
const MAYBE: u8 = 100;
const OUTSIDE: u8 = 8;
const INSIDE: u8 = 247;

/// Fewer cells around the person say nothing about a screen.
const MIN_CELLS: usize = 12;

/// The share of the surroundings that must have one colour to be a screen, and to remain one.
const MIN_SHARE: (f32, f32) = (0.6, 0.4);

/// The share that must have a colour that the user has chosen: the rest may be a wall beside a small screen.
const MIN_CHOSEN_SHARE: f32 = 0.15;

/// How far the cells of a screen differ, in levels of chroma.
const MAX_DIFFERENCE: f32 = 24.0;

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
    /// 1 for cells that may have strands of hair; that are the room instead of the screen; that are near the room.
    strands: Box<[u8]>,
    room: Box<[u8]>,
    near_room: Box<[u8]>,
    spread: Spread,
    reach: Reach,
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

/// Distances in cells.
#[derive(Debug, Clone, Copy)]
struct Reach {
    outwards: usize,
    inwards: usize,
    strands: usize,
}

impl Screen {
    pub(super) fn new(size: Size) -> Self {
        let (width, height) = (size.width() / 2, size.height() / 2);
        let (columns, rows) = (width.div_ceil(CELL), height.div_ceil(CELL));
        let reach = |share: f32| ((share * rows as f32).round() as usize).max(1);
        let reach = Reach { outwards: reach(OUTWARDS), inwards: reach(INWARDS), strands: reach(STRANDS) };
        let cells = || vec![0; columns * rows].into();
        Self {
            columns,
            chroma: vec![(0.0, 0.0); columns * rows].into(),
            person: cells(),
            other: cells(),
            near: cells(),
            edge: cells(),
            outside: vec![false; columns * rows].into(),
            strands: cells(),
            room: cells(),
            near_room: cells(),
            spread: Spread::new(columns, reach.outwards.max(reach.inwards)),
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
        self.measure_cells(frame, found);
        self.find_edge();
        self.find_colour(look.green_screen_color);
        let Some(key) = self.key else { return (frame, mask) };
        self.find_room(key);
        self.key_rows(frame, found, key.with_tolerance(look.green_screen_tolerance), look.green_screen_spill);
        self.enlarge();
        self.mask.seq = found.seq;
        self.mask.captured_at = found.captured_at;
        (&self.frame, Some(&self.mask))
    }

    /// Measures the colour of each cell, and how much of the person it has.
    fn measure_cells(&mut self, frame: &Frame, mask: &Mask) {
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
    }

    /// Finds the cells near the person's edge.
    fn find_edge(&mut self) {
        let Reach { outwards, inwards, strands } = self.reach;
        let (columns, spread) = (self.columns, &mut self.spread);
        dilate(&self.person, columns, outwards, spread, &mut self.near);
        dilate(&self.other, columns, inwards, spread, &mut self.edge);
        dilate(&self.person, columns, strands, spread, &mut self.strands);
    }

    /// Finds the cells that are neither the person nor the screen, and those near them.
    fn find_room(&mut self, key: Key) {
        let cells = self.outside.iter().zip(&self.strands).zip(&self.chroma);
        for (room, ((outside, strands), (u, v))) in self.room.iter_mut().zip(cells) {
            *room = u8::from(*outside && *strands == 0 && key.share(*u, *v) < MIN_SCREEN * key.full);
        }
        dilate(&self.room, self.columns, self.reach.outwards, &mut self.spread, &mut self.near_room);
    }

    /// Finds the colour of the screen: the chosen one, or else the most frequent one around the person, if enough of the
    /// surroundings has that colour.
    fn find_colour(&mut self, chosen: ScreenColour) {
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
        let (around_u, around_v) = chosen.chroma().unwrap_or_else(|| most_frequent(&self.histogram));
        let alike = || surroundings().filter(|(u, v)| (u - around_u).hypot(v - around_v) < MAX_DIFFERENCE);
        let (mut found, mut sums) = (0, (0.0, 0.0));
        for (u, v) in alike() {
            found += 1;
            sums = (sums.0 + u, sums.1 + v);
        }
        let (u, v) = (sums.0 / found.max(1) as f32, sums.1 / found.max(1) as f32);
        let min_share = match (chosen, self.key) {
            (ScreenColour::Chosen(_), _) => MIN_CHOSEN_SHARE,
            (ScreenColour::Auto, None) => MIN_SHARE.0,
            (ScreenColour::Auto, Some(_)) => MIN_SHARE.1,
        };
        if (found as f32) < min_share * count as f32 || u.hypot(v) < ScreenColour::MIN_SATURATION {
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

    /// Computes alpha per chroma sample, from the models' mask near the room, and the frame without spill; `spill` is 0
    /// to 100.
    fn key_rows(&mut self, frame: &Frame, mask: &Mask, key: Key, spill: i32) {
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
            let model = mask.alpha()[4 * width * at..][..2 * width].chunks(2 * CELL);
            let near_room = &self.near_room[at / CELL * self.columns..];
            for ((alpha, model), _) in alpha.chunks_mut(CELL).zip(model).zip(near_room).filter(|(_, near)| **near == 1)
            {
                alpha.iter_mut().zip(model.chunks_exact(2)).for_each(|(alpha, model)| *alpha = model[0].min(model[1]));
            }
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

/// Sets the flags of all cells within `reach` of one that is set.
fn dilate(flags: &[u8], columns: usize, reach: usize, spread: &mut Spread, into: &mut [u8]) {
    let rows = flags.len() / columns;
    for (y, into) in into.chunks_exact_mut(columns).enumerate() {
        let near = y.saturating_sub(reach)..(y + reach + 1).min(rows);
        spread.run(near.map(|row| &flags[row * columns..][..columns]), reach, into);
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

/// The middle of the fullest bin, as U and V without their offset.
fn most_frequent(histogram: &[u32]) -> (f32, f32) {
    let most = (0..histogram.len()).max_by_key(|at| histogram[*at]).unwrap_or_default();
    let middle = |bin: usize| (bin as f32 + 0.5) * (256.0 / BINS as f32) - 128.0;
    (middle(most % BINS), middle(most / BINS))
}

/// The bin of a chroma value without its offset.
fn bin(chroma: f32) -> usize {
    ((chroma + 128.0) as usize * BINS / 256).min(BINS - 1)
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
mod tests;
