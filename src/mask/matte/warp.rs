//! Warps a keyframe's alpha along the flow. Cells whose surroundings are entirely room or entirely person are filled
//! instead of fetched pixel by pixel.

use std::ops::Range;

use multiversion::multiversion;

use super::flow::{Flow, STEP, UNIT, Vector};
use crate::frame::grid::{PAD, Plane};

/// Both alphas as integers while they are warped, in 1/16 of a byte.
const FINE: f32 = 16.0 * 255.0;

/// The content of a cell of the keyframe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Room,
    Person,
    Mixed,
}

/// Warps two alphas of a keyframe: the matte's and the fast model's.
#[derive(Debug)]
pub(super) struct Warp {
    /// Both alphas, interleaved.
    packed: Plane<[i16; 2]>,
    /// The numbers of cells in a row and in a column.
    columns: usize,
    rows: usize,
    /// The class of each cell of [`STEP`] x [`STEP`] pixels.
    classes: Box<[Class]>,
    /// The common class of each cell and the eight around it.
    wide_classes: Box<[Class]>,
    /// The class at the target of each cell's vectors, for one row.
    along: Box<[Class]>,
}

impl Warp {
    pub(super) fn new(width: usize, height: usize) -> Self {
        let (columns, rows) = (width.div_ceil(STEP), height.div_ceil(STEP));
        let classes = |cells| vec![Class::Mixed; cells].into();
        Self {
            packed: Plane::new(width, height),
            columns,
            rows,
            classes: classes(columns * rows),
            wide_classes: classes(columns * rows),
            along: classes(columns),
        }
    }

    /// Sets the alphas of a keyframe, 0 to 1, with their borders.
    pub(super) fn set(&mut self, alpha: &Plane<f32>, fast_alpha: &Plane<f32>) {
        pack(alpha.raw().0, fast_alpha.raw().0, self.packed.raw_mut());
        let (columns, rows) = (self.columns, self.rows);
        for (at, class) in self.classes.iter_mut().enumerate() {
            let start = self.packed.index((at % columns * STEP) as isize, (at / columns * STEP) as isize);
            *class = class_of(&self.packed, start);
        }
        for (at, wide) in self.wide_classes.iter_mut().enumerate() {
            let around = |at: usize, end: usize| at.saturating_sub(1)..(at + 2).min(end);
            *wide = common_class(&self.classes, columns, around(at % columns, columns), around(at / columns, rows));
        }
    }

    /// Writes the warped alpha to `into` and the fast model's to `then`, with vectors interpolated between neighbours.
    pub(super) fn run(&mut self, flow: &Flow, into: &mut Plane<f32>, then: &mut Plane<f32>) {
        let width = into.width;
        for row in 0..self.rows {
            let corners = Corners { vectors: flow.vectors(), columns: flow.columns(), row };
            self.classify(&corners);
            let mut end = 0;
            for cells in self.along.chunk_by(|a, b| a == b) {
                let columns = end..end + cells.len();
                end = columns.end;
                let pixels = columns.start * STEP..(columns.end * STEP).min(width);
                for y in row * STEP..((row + 1) * STEP).min(into.height) {
                    let into = &mut into.row_mut(y)[pixels.clone()];
                    let then = &mut then.row_mut(y)[pixels.clone()];
                    match cells[0] {
                        Class::Room => [into, then].into_iter().for_each(|line| line.fill(0.0)),
                        Class::Person => [into, then].into_iter().for_each(|line| line.fill(1.0)),
                        Class::Mixed => {
                            let lines = into.chunks_mut(STEP).zip(then.chunks_mut(STEP));
                            for (column, (into, then)) in columns.clone().zip(lines) {
                                warp_line(&self.packed, &corners.of(column), y % STEP, (column * STEP, y), into, then);
                            }
                        }
                    }
                }
            }
        }
    }

    /// Finds the classes at the targets of the vectors of a row of cells.
    fn classify(&mut self, corners: &Corners<'_>) {
        // from one cell before to the last pixel of one cell after
        const NEAR: Range<i16> = -((STEP as i32 * UNIT) as i16)..(STEP as i32 * UNIT) as i16;
        for column in 0..self.columns {
            let (row, corners) = (corners.row, corners.of(column));
            let wide = self.wide_classes[row * self.columns + column];
            let is_near = corners.iter().all(|vector| NEAR.contains(&vector.x) && NEAR.contains(&vector.y));
            self.along[column] =
                if is_near && wide != Class::Mixed { wide } else { self.class_along(column, row, &corners) };
        }
    }

    /// The common class of all cells that a cell's vectors point to.
    fn class_along(&self, column: usize, row: usize, corners: &[Vector; 4]) -> Class {
        let (columns, rows) = (self.columns, self.rows);
        let span = |at: usize, end: usize, part: fn(&Vector) -> i16| {
            let parts = corners.map(|corner| i32::from(part(&corner)));
            let (low, high) = parts.iter().fold((i32::MAX, i32::MIN), |(a, b), &v| (a.min(v), b.max(v)));
            let cell = |pixel: i32| pixel.div_euclid(STEP as i32).clamp(0, end as i32 - 1) as usize;
            let at = (at * STEP) as i32;
            cell(at + low.div_euclid(UNIT))..cell(at + STEP as i32 + high.div_euclid(UNIT)) + 1
        };
        common_class(&self.classes, columns, span(column, columns, |v| v.x), span(row, rows, |v| v.y))
    }
}

/// The vectors at the corners of the cells of a row.
struct Corners<'a> {
    vectors: &'a [Vector],
    columns: usize,
    row: usize,
}

impl Corners<'_> {
    fn of(&self, column: usize) -> [Vector; 4] {
        let at = self.row * self.columns + column;
        [0, 1, self.columns, self.columns + 1].map(|by| self.vectors[at + by])
    }
}

/// The common class of these cells; mixed if they differ.
fn common_class(classes: &[Class], columns: usize, across: Range<usize>, mut down: Range<usize>) -> Class {
    let first = classes[down.start * columns + across.start];
    let same = down.all(|y| classes[y * columns..][across.clone()].iter().all(|&class| class == first));
    if same { first } else { Class::Mixed }
}

fn class_of(packed: &Plane<[i16; 2]>, start: usize) -> Class {
    const LOW: i16 = (0.03 * FINE) as i16;
    const HIGH: i16 = (0.97 * FINE) as i16;
    let (data, stride) = packed.raw();
    let mut pixels = (0..STEP).flat_map(|y| &data[start + y * stride..][..STEP]).flatten();
    if data[start][0] < LOW {
        if pixels.all(|&value| value < LOW) { Class::Room } else { Class::Mixed }
    } else if pixels.all(|&value| value > HIGH) {
        Class::Person
    } else {
        Class::Mixed
    }
}

/// Fetches the pixels of one line of a cell from the positions given by its corners' vectors.
fn warp_line(
    packed: &Plane<[i16; 2]>,
    corners: &[Vector; 4],
    down: usize,
    start: (usize, usize),
    alpha: &mut [f32],
    fast_alpha: &mut [f32],
) {
    const SHIFT: u32 = STEP.ilog2();
    let [left, right] = [0, 1].map(|side| {
        let (above, below) = (corners[side], corners[side + 2]);
        let down = down as i32;
        let mix = |above: i16, below: i16| i32::from(above) * (STEP as i32 - down) + i32::from(below) * down;
        (mix(above.x, below.x), mix(above.y, below.y))
    });
    let limit = |value: i32, size: usize| value.clamp(-(PAD as i32) * UNIT, (size + PAD - 2) as i32 * UNIT);
    let (data, stride) = packed.raw();
    for (x, (alpha, fast_alpha)) in alpha.iter_mut().zip(fast_alpha).enumerate() {
        let (a, b) = ((STEP - x) as i32, x as i32);
        let mean = |left: i32, right: i32| (left * a + right * b + (1 << (2 * SHIFT - 1))) >> (2 * SHIFT);
        let at_x = limit((start.0 + x) as i32 * UNIT + mean(left.0, right.0), packed.width);
        let at_y = limit(start.1 as i32 * UNIT + mean(left.1, right.1), packed.height);
        let first = packed.index((at_x >> 4) as isize, (at_y >> 4) as isize);
        let (fx, fy) = (at_x & 15, at_y & 15);
        let (above, below) = (&data[first..first + 2], &data[first + stride..first + stride + 2]);
        let mix = |channel: usize| {
            let across = |row: &[[i16; 2]]| i32::from(row[0][channel]) * (16 - fx) + i32::from(row[1][channel]) * fx;
            (across(above) * (16 - fy) + across(below) * fy) as f32 * (1.0 / (256.0 * FINE))
        };
        *alpha = mix(0);
        *fast_alpha = mix(1);
    }
}

/// Interleaves both alphas as integers.
#[multiversion(targets = "simd")]
fn pack(alpha: &[f32], fast_alpha: &[f32], into: &mut [[i16; 2]]) {
    for ((into, &alpha), &fast_alpha) in into.iter_mut().zip(alpha).zip(fast_alpha) {
        // through i32: only that has a vector conversion
        *into = [(alpha * FINE) as i32 as i16, (fast_alpha * FINE) as i32 as i16];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mask::matte::flow::Pyramid;

    #[test]
    fn filled_cells_match_what_the_warp_would_fetch() {
        const SIZE: (usize, usize) = (96, 64);
        let disc = |x: isize| {
            let (mut luma, mut alpha) = (Plane::new(SIZE.0, SIZE.1), Plane::new(SIZE.0, SIZE.1));
            for row in 0..SIZE.1 {
                for column in 0..SIZE.0 {
                    let (u, v) = (column as isize - x, row as isize - 32);
                    luma.row_mut(row)[column] = (u.rem_euclid(13) * 9 + v.rem_euclid(7) * 11) as u8;
                    alpha.row_mut(row)[column] = (15.0 - (u as f32).hypot(v as f32)).clamp(0.0, 1.0);
                }
            }
            luma.replicate();
            alpha.replicate();
            let mut pyramid = Pyramid::new(SIZE.0, SIZE.1);
            pyramid.build(&luma);
            (pyramid, alpha)
        };
        let ((then, alpha), (now, moved)) = (disc(40), disc(44));
        let mut flow = Flow::new(SIZE.0, SIZE.1);
        flow.find(&now, &then);
        let mut warp = Warp::new(SIZE.0, SIZE.1);
        warp.set(&alpha, &alpha);
        let run = |warp: &mut Warp| {
            let (mut into, mut other) = (Plane::new(SIZE.0, SIZE.1), Plane::new(SIZE.0, SIZE.1));
            warp.run(&flow, &mut into, &mut other);
            into
        };
        let max_difference = |a: &Plane<f32>, b: &Plane<f32>| {
            (0..SIZE.1).flat_map(|y| a.row(y).iter().zip(b.row(y))).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
        };
        let sparse = run(&mut warp);
        assert!(warp.classes.contains(&Class::Room) && warp.classes.contains(&Class::Person));
        assert!(max_difference(&sparse, &moved) < 0.1, "{}", max_difference(&sparse, &moved));
        [&mut warp.classes, &mut warp.wide_classes].into_iter().for_each(|classes| classes.fill(Class::Mixed));
        let dense = run(&mut warp);
        assert!(max_difference(&sparse, &dense) < 0.035, "{}", max_difference(&sparse, &dense));
    }
}
