//! Removes the room's colour from the person's edge, and adds light from the new background.
//!
//! In a soft edge, the camera sees a mixture `I = αF + (1-α)B` of person and room. If it were blended unchanged, the
//! room's colour would remain around hair and shoulders. `F` is estimated by blur fusion (M. Forte, "Approximate Fast
//! Foreground Colour Estimation", ICIP 2021): local means of person and room, weighted by α, corrected by the residual,
//! first over a wide and then over a narrow neighbourhood. This runs on [`CellMeans`]; the last correction is repeated
//! at full size, only where α is neither 0 nor 1.
//!
//! Light wrap imitates a lens: light from behind spills around the person's edge.

mod colour;
mod lines;
mod sums;

use std::ops::Range;

use self::{
    colour::{brighten, decontaminate, divide, find_mixed, is_mixed, light_wrap, mean, tint, unmix, weigh},
    lines::Lines,
    sums::Sums,
};
use super::cell_means::{CellMeans, FACTOR};
use crate::frame::{
    Size,
    grid::{Grid, Plane},
};

/// The radius of the first, wide pass, in cells.
const WIDE: usize = 6;

/// The radius of the second, narrow pass, in cells.
const NARROW: usize = 2;

/// The number of cells in a row that are checked for an edge together.
const RUN: usize = 16;

/// The weight of a cell's own colour where hardly any of the person, or of the room, is nearby; 1 is a whole cell.
const OWN_WEIGHT: f32 = 0.25;

/// The number of pixels that are checked for mixed alpha together.
const CHUNK: usize = 32;

/// Estimates the person's colour along the edges of frames of one size.
#[derive(Debug)]
pub(super) struct Fringe {
    grid: Grid,
    /// The planes of the frame, multiplied by alpha.
    weighted: [Plane<u8>; 3],
    /// The person's colour around each cell.
    front: [Plane<u8>; 3],
    /// The room's colour around each cell.
    back: [Plane<u8>; 3],
    /// The background light on each cell of the person.
    light: Plane<u8>,
    /// For each run of [`RUN`] cells in a row, whether it is near an edge.
    near_edge: Box<[bool]>,
    /// For each chunk of a row of pixels, whether any pixel changes.
    active: Box<[bool]>,
    sums: Sums<7>,
    lines: Lines,
}

impl Fringe {
    pub(super) fn new(size: Size) -> Self {
        let grid = Grid::of_cells(FACTOR, size);
        let plane = || Plane::new(grid.width, grid.height);
        let three = || [plane(), plane(), plane()];
        Self {
            grid,
            weighted: three(),
            front: three(),
            back: three(),
            light: plane(),
            active: vec![false; size.width().div_ceil(CHUNK)].into(),
            near_edge: vec![false; grid.width.div_ceil(RUN) * grid.height].into(),
            sums: Sums::new(grid.width),
            lines: Lines::new(grid.width),
        }
    }

    /// Analyses a frame and its mask for [`Fringe::row`]; `wrap` is 0 to 100, and requires a measured background if it
    /// is more than 0.
    pub(super) fn estimate(&mut self, means: &CellMeans, wrap: i32) {
        let frame = [&means.frame.y, &means.frame.u, &means.frame.v];
        for (into, from) in self.weighted.iter_mut().zip(frame) {
            weigh(from.raw().0, means.person.raw().0, into.raw_mut());
        }
        self.find_edges(&means.person, if wrap > 0 { WIDE } else { NARROW + 1 });
        self.wide(means, wrap);
        self.weighted.iter_mut().for_each(Plane::replicate);
        self.narrow(&means.person);
    }

    /// Finds the runs with mixed cells, or with such a run within `reach` rows.
    fn find_edges(&mut self, person: &Plane<u8>, reach: usize) {
        let runs = self.grid.width.div_ceil(RUN);
        self.near_edge.fill(false);
        for y in 0..self.grid.height {
            for (run, alpha) in person.row(y).chunks(RUN).enumerate() {
                if !is_mixed(alpha) {
                    continue;
                }
                for y in y.saturating_sub(reach)..(y + reach + 1).min(self.grid.height) {
                    self.near_edge[y * runs..][run.saturating_sub(1)..(run + 2).min(runs)].fill(true);
                }
            }
        }
    }

    /// Computes the means over the wide neighbourhood and the resulting colour of the person, multiplied by alpha, into
    /// `weighted`.
    fn wide(&mut self, means: &CellMeans, wrap: i32) {
        let Self { sums, weighted, front, back, light, near_edge, .. } = self;
        let person = &means.person;
        let frame = &means.frame;
        if wrap > 0 {
            light.raw_mut().fill(0);
        }
        let runs = self.grid.width.div_ceil(RUN);
        let planes = [person, &weighted[0], &weighted[1], &weighted[2], &frame.y, &frame.u, &frame.v];
        sums.start(planes, WIDE);
        for (y, near_edge) in near_edge.chunks_exact(runs).enumerate() {
            sums.next(planes, WIDE, y, spans(near_edge, self.grid.width));
            for span in spans(near_edge, self.grid.width) {
                let alpha = &person.row(y)[span.clone()];
                if wrap > 0 {
                    let behind = &means.behind.y.row(y)[span.clone()];
                    light_wrap(&sums.rows[0][span.clone()], behind, wrap, &mut light.row_mut(y)[span.clone()]);
                }
                for (plane, (front, back)) in front.iter_mut().zip(back.iter_mut()).enumerate() {
                    let pixels = &planes[4 + plane].row(y)[span.clone()];
                    let means = [0, 1 + plane, 4 + plane].map(|row| &sums.rows[row][span.clone()]);
                    let front = &mut front.row_mut(y)[span.clone()];
                    let back = &mut back.row_mut(y)[span.clone()];
                    divide::<WIDE>(means, pixels, front, back);
                    unmix(pixels, alpha, front, back);
                }
            }
        }
        for (y, near_edge) in self.near_edge.chunks_exact(runs).enumerate() {
            for span in spans(near_edge, self.grid.width) {
                let alpha = &person.row(y)[span.clone()];
                for (front, weighted) in self.front.iter().zip(&mut self.weighted) {
                    weigh(&front.row(y)[span.clone()], alpha, &mut weighted.row_mut(y)[span.clone()]);
                }
            }
        }
        self.light.replicate();
    }

    /// Averages the person's colour over the narrow neighbourhood.
    fn narrow(&mut self, person: &Plane<u8>) {
        let Self { sums, weighted, front, near_edge, .. } = self;
        let runs = self.grid.width.div_ceil(RUN);
        let planes = [person, &weighted[0], &weighted[1], &weighted[2]];
        sums.start(planes, NARROW);
        for (y, near_edge) in near_edge.chunks_exact(runs).enumerate() {
            sums.next(planes, NARROW, y, spans(near_edge, self.grid.width));
            for span in spans(near_edge, self.grid.width) {
                for (plane, front) in front.iter_mut().enumerate() {
                    let [alpha, person] = [0, 1 + plane].map(|row| &sums.rows[row][span.clone()]);
                    mean(alpha, person, &mut front.row_mut(y)[span.clone()]);
                }
            }
        }
        self.front.iter_mut().chain(&mut self.back).for_each(Plane::replicate);
    }

    /// Finds the pixels of a row with this alpha that [`Fringe::row`] has to change; false if there are none.
    pub(super) fn find(&mut self, alpha: &[u8], retouch: Retouch) -> bool {
        let active = &mut self.active[..alpha.len().div_ceil(CHUNK)];
        find_mixed(alpha, active);
        if retouch.wrap {
            // light also reaches pixels further inside
            active.iter_mut().zip(alpha.chunks(CHUNK)).for_each(|(active, alpha)| *active |= alpha[0] > 0);
        }
        active.contains(&true)
    }

    /// Removes the room's colour from row `y` of a plane (0 Y, 1 U, 2 V) and adds light. `pixels` are the frame's, with
    /// the `alpha` of the last call of [`Fringe::find`].
    pub(super) fn row(
        &mut self,
        (plane, y): (usize, usize),
        means: &CellMeans,
        alpha: &[u8],
        retouch: Retouch,
        pixels: &mut [u8],
    ) {
        let chunks = alpha.len().div_ceil(CHUNK);
        let mut end = 0;
        while end < chunks {
            let start = end;
            let active = self.active[start];
            while end < chunks && self.active[end] == active {
                end += 1;
            }
            if active {
                self.run((plane, y), means, start * CHUNK..(end * CHUNK).min(alpha.len()), alpha, retouch, pixels);
            }
        }
    }

    fn run(
        &mut self,
        (plane, y): (usize, usize),
        means: &CellMeans,
        span: Range<usize>,
        alpha: &[u8],
        retouch: Retouch,
        pixels: &mut [u8],
    ) {
        let alpha = &alpha[span.clone()];
        let pixels = &mut pixels[span.clone()];
        let expand = if plane == 0 { Lines::expand::<FACTOR, 3> } else { Lines::expand::<{ FACTOR / 2 }, 3> };
        if retouch.strength > 0 {
            let planes = [&self.front[plane], &self.back[plane], &means.person];
            decontaminate(expand(&mut self.lines, planes, y, span.clone()), alpha, retouch.strength, pixels);
        }
        if retouch.wrap {
            let behind = [&means.behind.y, &means.behind.u, &means.behind.v][plane];
            let [light, behind, _] = expand(&mut self.lines, [&self.light, behind, behind], y, span);
            if plane == 0 {
                brighten(light, pixels);
            } else {
                tint(light, behind, pixels);
            }
        }
    }
}

/// How a fringe is retouched.
#[derive(Debug, Clone, Copy)]
pub(super) struct Retouch {
    /// How much of the room's colour is removed, in 1/256.
    pub(super) strength: i32,
    /// Whether the background's light is added.
    pub(super) wrap: bool,
}

/// The ranges of cells in runs near an edge, with adjacent runs joined.
fn spans(near_edge: &[bool], width: usize) -> impl Iterator<Item = Range<usize>> + Clone {
    let parts = near_edge.chunk_by(|a, b| a == b).scan(0, |start, part| {
        let first = *start;
        *start += part.len();
        Some((part[0], first..*start))
    });
    parts.filter(|(is_near, _)| *is_near).map(move |(_, runs)| runs.start * RUN..(runs.end * RUN).min(width))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        background::Background,
        frame::{Frame, Mask, Yuv},
    };

    const SIZES: [(u32, u32); 4] = [(128, 96), (320, 180), (130, 98), (1280, 720)];
    const PERSON: Yuv = Yuv { y: 180, u: 100, v: 160 };
    const ROOM: Yuv = Yuv { y: 60, u: 170, v: 90 };

    fn mix(alpha: u8, a: u8, b: u8) -> u8 {
        ((u32::from(a) * u32::from(alpha) + u32::from(b) * (255 - u32::from(alpha)) + 127) / 255) as u8
    }

    /// Half person, half room, with an edge of `soft` pixels, as a camera would see it.
    fn edge(size: Size, soft: usize) -> (Frame, Mask) {
        let mut frame = Frame::new(size);
        let mut mask = Mask::new(size);
        let width = size.width();
        let middle = width / 2;
        let alpha = |x: usize| ((x + soft / 2).saturating_sub(middle) * 255 / soft.max(1)).min(255) as u8;
        mask.alpha_mut().iter_mut().enumerate().for_each(|(at, a)| *a = alpha(at % width));
        let (y, u, v) = frame.planes_mut();
        y.iter_mut().enumerate().for_each(|(at, y)| *y = mix(alpha(at % width), PERSON.y, ROOM.y));
        for (plane, person, room) in [(u, PERSON.u, ROOM.u), (v, PERSON.v, ROOM.v)] {
            let half = |at: usize| alpha(at % (width / 2) * 2);
            plane.iter_mut().enumerate().for_each(|(at, c)| *c = mix(half(at), person, room));
        }
        (frame, mask)
    }

    /// The luma of a middle row after retouching.
    fn cleaned(frame: &Frame, mask: &Mask, retouch: Retouch, background: &Background) -> Vec<u8> {
        let size = frame.size();
        let mut means = CellMeans::new(size);
        let mut fringe = Fringe::new(size);
        means.measure(frame, mask);
        means.measure_background(background, false);
        fringe.estimate(&means, if retouch.wrap { 100 } else { 0 });
        let y = size.height() / 2;
        let width = size.width();
        let mut row = frame.planes().0[y * width..][..width].to_vec();
        let alpha = &mask.alpha()[y * width..][..width];
        if fringe.find(alpha, retouch) {
            fringe.row((0, y), &means, alpha, retouch, &mut row);
        }
        row
    }

    #[test]
    fn a_soft_edge_keeps_little_of_the_room() {
        for (width, height) in SIZES {
            let size = Size::new(width, height).unwrap();
            let (frame, mask) = edge(size, 16);
            let row = cleaned(&frame, &mask, Retouch { strength: 256, wrap: false }, &Background::Off);
            let start = size.height() / 2 * size.width();
            for (x, &found) in row.iter().enumerate() {
                let alpha = mask.alpha()[start + x];
                if alpha >= 64 {
                    assert!(found.abs_diff(PERSON.y) < 22, "{size} at {x}, alpha {alpha}: {found}");
                }
            }
        }
    }

    #[test]
    fn zero_strength_and_a_hard_edge_change_nothing() {
        let size = Size::new(320, 180).unwrap();
        let (frame, mask) = edge(size, 16);
        let untouched = cleaned(&frame, &mask, Retouch { strength: 0, wrap: false }, &Background::Off);
        assert_eq!(untouched, frame.planes().0[90 * 320..][..320]);
        let (frame, mask) = edge(size, 0);
        let row = cleaned(&frame, &mask, Retouch { strength: 256, wrap: false }, &Background::Off);
        assert_eq!(row, frame.planes().0[90 * 320..][..320]);
    }

    #[test]
    fn light_falls_on_the_edge_only() {
        let size = Size::new(320, 180).unwrap();
        let (frame, mask) = edge(size, 8);
        let retouch = Retouch { strength: 0, wrap: true };
        let before = frame.planes().0[90 * 320..][..320].to_vec();
        let sun = cleaned(&frame, &mask, retouch, &Background::Colour(Yuv { y: 235, u: 128, v: 128 }));
        assert!(sun[166] > before[166] + 8, "{} after {}", sun[166], before[166]);
        assert_eq!(sun[220..], before[220..], "further inside nothing changes");
        let night = cleaned(&frame, &mask, retouch, &Background::Colour(Yuv { y: 16, u: 128, v: 128 }));
        assert_eq!(night, before);
    }
}
