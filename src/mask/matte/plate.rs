//! The background plate: the colours of the room, remembered from frames in which they were visible.
//!
//! At the matte's edge, a pixel that looks like the plate is background, unless the person looks like it too. The plate
//! only lowers alpha, so it never shows more of the room, and it only exists in memory.

use multiversion::multiversion;

use super::ramp;
use crate::frame::{
    grid::{Guide, Plane},
    spread::Spread,
};

/// The alpha from which a pixel is not learned, and the distance from such pixels.
const VISIBLE: f32 = 0.02;
const MARGIN: usize = 2;

/// Of this many frames, one is learned.
const LEARN_EVERY: u32 = 2;

/// The number of observations from which a pixel of the plate is used, and the maximum weight of past ones.
const MIN_AGE: f32 = 3.0;
const MAX_AGE: f32 = 30.0;

/// The range of alpha that is an edge.
const EDGE: std::ops::RangeInclusive<f32> = 0.01..=0.97;

/// Added to the noise, in levels of an 8-bit RGB channel: what averaging and compression leave of it.
const NOISE_FLOOR: f32 = 1.5;

/// The variance of the noise before it has been observed.
const FIRST_VARIANCE: f32 = 36.0;

/// The difference from the plate up to which a pixel is background, and from which it may be the person, in units of the
/// noise.
const DIFFERENCE: (f32, f32) = (1.0, 2.5);

/// The difference between the person and the plate from which the plate is used, and is used entirely, in units of the
/// noise plus [`SHADING`]: the person's colour at the edge differs from that nearby.
const CONTRAST: (f32, f32) = (4.0, 8.0);
const SHADING: f32 = 3.0;

/// A learned pixel has changed if it differs by this many units of the noise. If more than this share of them has, the
/// camera has moved or the light has changed.
const CHANGED: f32 = 5.0;
const MAX_CHANGED_SHARE: f32 = 0.4;

/// The distance of the pixels that are compared.
const SAMPLING: usize = 3;

/// The side of the blocks in which the person's colour is averaged, in grid pixels; three by three blocks are used.
const BLOCK: usize = 4;

/// The minimum number of the person's pixels in them.
const MIN_PIXELS: f32 = 6.0;

/// The number of pixels that are checked for edges together.
const CHUNK: usize = 16;

/// Y, U and V.
type Colour = [f32; 3];

/// The plate of one stream, on the grid.
#[derive(Debug)]
pub(super) struct Plate {
    width: usize,
    height: usize,
    colours: [Box<[f32]>; 3],
    variance: Box<[f32]>,
    /// The number of observations of each pixel, up to [`MAX_AGE`].
    ages: Box<[f32]>,
    /// The number of frames since the last that was learned.
    waiting: u32,
    /// 1 for pixels that are visible.
    visible: Box<[u8]>,
    spread: Spread,
    /// 1 for pixels that are near a visible one.
    near: Box<[u8]>,
    /// For each block, the number of the person's pixels and the sums of their colours; `None` until it is needed.
    blocks: Box<[Option<[f32; 4]>]>,
    columns: usize,
}

impl Plate {
    pub(super) fn new(width: usize, height: usize) -> Self {
        let plane = || vec![0.0; width * height].into();
        let columns = width.div_ceil(BLOCK);
        Self {
            width,
            height,
            colours: [plane(), plane(), plane()],
            variance: plane(),
            ages: plane(),
            waiting: 0,
            visible: vec![0; width * height].into(),
            spread: Spread::new(width, MARGIN),
            near: vec![0; width * height].into(),
            blocks: vec![None; columns * height.div_ceil(BLOCK)].into(),
            columns,
        }
    }

    /// Learns from a frame with its alpha, then lowers the alpha at edges that look like the plate.
    pub(super) fn run(&mut self, guide: &Guide, alpha: &mut Plane<f32>) {
        if self.waiting == 0 {
            self.observe(guide, alpha);
        }
        self.waiting = (self.waiting + 1) % LEARN_EVERY;
        self.suppress(guide, alpha);
        alpha.replicate();
    }

    fn observe(&mut self, guide: &Guide, alpha: &Plane<f32>) {
        self.mark(alpha);
        let change = self.compare(guide);
        if change.is_other_room() {
            self.reset();
        }
        self.learn(guide, change.drift());
    }

    /// Forgets the room.
    pub(super) fn reset(&mut self) {
        self.ages.fill(0.0);
        self.waiting = 0;
    }

    /// Marks the visible pixels, and those near them.
    fn mark(&mut self, alpha: &Plane<f32>) {
        let width = self.width;
        for (y, visible) in self.visible.chunks_exact_mut(width).enumerate() {
            exceeds(alpha.row(y), VISIBLE, visible);
        }
        for (y, near) in self.near.chunks_exact_mut(width).enumerate() {
            let rows = y.saturating_sub(MARGIN)..(y + MARGIN + 1).min(self.height);
            self.spread.run(rows.map(|row| &self.visible[row * width..][..width]), MARGIN, near);
        }
    }

    /// Compares some pixels of the visible part of the room with the plate.
    fn compare(&self, guide: &Guide) -> Change {
        let mut change = Change::default();
        for y in (0..self.height).step_by(SAMPLING) {
            let rows = [&guide.y, &guide.u, &guide.v].map(|plane| plane.row(y));
            for x in (0..self.width).step_by(SAMPLING) {
                let at = y * self.width + x;
                if self.near[at] == 0 && self.ages[at] >= MIN_AGE {
                    let found = rows.map(|row| f32::from(row[x]));
                    change.add(found, self.colour(at), self.noise(at));
                }
            }
        }
        change
    }

    fn colour(&self, at: usize) -> Colour {
        self.colours.each_ref().map(|plane| plane[at])
    }

    fn noise(&self, at: usize) -> f32 {
        self.variance[at].sqrt() + NOISE_FLOOR
    }

    /// Learns the pixels that are far from visible ones; all others change by `drift`, like those on average.
    fn learn(&mut self, guide: &Guide, drift: Colour) {
        for y in 0..self.height {
            let range = y * self.width..(y + 1) * self.width;
            let rows = [&guide.y, &guide.u, &guide.v].map(|plane| plane.row(y));
            let colours = self.colours.each_mut().map(|plane| &mut plane[range.clone()]);
            let (variance, ages) = (&mut self.variance[range.clone()], &mut self.ages[range.clone()]);
            learn_row(rows, &self.near[range], drift, colours, (variance, ages));
        }
    }

    /// The number of the person's pixels in a block, and the sums of their colours.
    fn block(&mut self, guide: &Guide, alpha: &Plane<f32>, (column, row): (usize, usize)) -> [f32; 4] {
        let (width, height) = (self.width, self.height);
        *self.blocks[row * self.columns + column].get_or_insert_with(|| {
            let mut block = [0.0; 4];
            let columns = column * BLOCK..((column + 1) * BLOCK).min(width);
            for y in row * BLOCK..((row + 1) * BLOCK).min(height) {
                let rows = [&guide.y, &guide.u, &guide.v].map(|plane| plane.row(y));
                for x in columns.clone().filter(|&x| alpha.row(y)[x] > *EDGE.end()) {
                    let [count, sums @ ..] = &mut block;
                    *count += 1.0;
                    sums.iter_mut().zip(rows).for_each(|(sum, row)| *sum += f32::from(row[x]));
                }
            }
            block
        })
    }

    /// The person's colour around a pixel, if there is enough of it.
    fn person(&mut self, guide: &Guide, alpha: &Plane<f32>, (x, y): (usize, usize)) -> Option<Colour> {
        let (column, row) = (x / BLOCK, y / BLOCK);
        let mut sum = [0.0; 4];
        for row in row.saturating_sub(1)..(row + 2).min(self.blocks.len() / self.columns) {
            for column in column.saturating_sub(1)..(column + 2).min(self.columns) {
                let block = self.block(guide, alpha, (column, row));
                sum.iter_mut().zip(block).for_each(|(sum, part)| *sum += part);
            }
        }
        let [count, sums @ ..] = sum;
        (count >= MIN_PIXELS).then(|| sums.map(|sum| sum / count))
    }

    fn suppress(&mut self, guide: &Guide, alpha: &mut Plane<f32>) {
        self.blocks.fill(None);
        for y in 0..self.height {
            for start in (0..self.width).step_by(CHUNK) {
                let columns = start..(start + CHUNK).min(self.width);
                if has_edge(&alpha.row(y)[columns.clone()]) {
                    columns.for_each(|x| self.suppress_pixel(guide, alpha, (x, y)));
                }
            }
        }
    }

    /// Lowers the alpha of a pixel at an edge. The person's pixels, which [`Plate::block`] counts, never change.
    fn suppress_pixel(&mut self, guide: &Guide, alpha: &mut Plane<f32>, (x, y): (usize, usize)) {
        let at = y * self.width + x;
        if !EDGE.contains(&alpha.row(y)[x]) || self.ages[at] < MIN_AGE {
            return;
        }
        let Some(person) = self.person(guide, alpha, (x, y)) else { return };
        let (room, noise) = (self.colour(at), self.noise(at));
        let found = [&guide.y, &guide.u, &guide.v].map(|plane| f32::from(plane.row(y)[x]));
        let is_person = ramp(difference(found, room) / noise, DIFFERENCE.0, DIFFERENCE.1);
        let trust = ramp(difference(person, room) / (noise + SHADING), CONTRAST.0, CONTRAST.1);
        alpha.row_mut(y)[x] *= 1.0 - trust * (1.0 - is_person);
    }
}

/// How the visible part of the room differs from the plate.
#[derive(Debug, Default)]
struct Change {
    count: f32,
    changed: f32,
    sums: Colour,
}

impl Change {
    fn add(&mut self, found: Colour, expected: Colour, noise: f32) {
        self.count += 1.0;
        if difference(found, expected) > CHANGED * noise {
            self.changed += 1.0;
        }
        for ((sum, found), expected) in self.sums.iter_mut().zip(found).zip(expected) {
            *sum += found - expected;
        }
    }

    fn is_other_room(&self) -> bool {
        self.changed > MAX_CHANGED_SHARE * self.count
    }

    /// The mean change of what is learned: exposure and white balance also change behind the person.
    fn drift(&self) -> Colour {
        self.sums.map(|sum| sum / (self.count.max(1.0) * MAX_AGE))
    }
}

/// The largest difference of two colours in any channel of RGB, in levels.
#[inline(always)]
fn difference(a: Colour, b: Colour) -> f32 {
    let [y, u, v] = [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
    let y = 1.164 * y;
    let [red, green, blue] = [y + 1.596 * v, y - 0.392 * u - 0.813 * v, y + 2.017 * u];
    red.abs().max(green.abs()).max(blue.abs())
}

#[multiversion(targets = "simd")]
fn exceeds(values: &[f32], limit: f32, flags: &mut [u8]) {
    flags.iter_mut().zip(values).for_each(|(flag, &value)| *flag = u8::from(value > limit));
}

/// Whether any alpha is an edge; branch-free.
#[inline(always)]
fn has_edge(alpha: &[f32]) -> bool {
    let (low, high) = (*EDGE.start(), *EDGE.end());
    alpha.iter().fold(0, |any, &alpha| any | (u8::from(alpha >= low) & u8::from(alpha <= high))) != 0
}

#[multiversion(targets = "simd")]
fn learn_row(
    rows: [&[u8]; 3],
    near: &[u8],
    drift: Colour,
    colours: [&mut [f32]; 3],
    (variance, ages): (&mut [f32], &mut [f32]),
) {
    let width = near.len();
    let [row_y, row_u, row_v] = rows.map(|row| &row[..width]);
    let [y, u, v] = colours.map(|plane| &mut plane[..width]);
    let (variance, ages) = (&mut variance[..width], &mut ages[..width]);
    for x in 0..width {
        let found = [row_y[x], row_u[x], row_v[x]].map(f32::from);
        let known = [y[x], u[x], v[x]];
        let age = (ages[x] + 1.0).min(MAX_AGE);
        let is_free = near[x] == 0;
        let weight = if is_free { 1.0 / age } else { 0.0 };
        let follow = if is_free { 0.0 } else { 1.0 };
        let [to_y, to_u, to_v]: Colour =
            std::array::from_fn(|at| known[at] + weight * (found[at] - known[at]) + follow * drift[at]);
        let error = difference(found, known);
        let spread = if ages[x] > 0.0 { variance[x] + weight * (error * error - variance[x]) } else { FIRST_VARIANCE };
        (y[x], u[x], v[x]) = (to_y, to_u, to_v);
        variance[x] = spread;
        ages[x] = if is_free { age } else { ages[x] };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Size, grid::Grid};

    const SIZE: (usize, usize) = (64, 48);

    /// A grey room with texture and noise, and a person of another colour in some columns.
    fn guide(person: std::ops::Range<usize>, colour: [u8; 3], light: i32, number: usize) -> Guide {
        guide_of(61, person, colour, light, number)
    }

    /// The same with a texture of some levels.
    fn guide_of(levels: usize, person: std::ops::Range<usize>, colour: [u8; 3], light: i32, number: usize) -> Guide {
        let mut guide = Guide::new(Grid::of_cells(1, Size::new(SIZE.0 as u32, SIZE.1 as u32).unwrap()));
        for y in 0..SIZE.1 {
            for x in 0..SIZE.0 {
                let texture = (x * 7919 + y * 104_729) % levels;
                let noise = (x * 31 + y * 17 + number * 13) % 3;
                let luma = (80 + texture + noise) as i32 + light;
                let is_person = person.contains(&x);
                guide.y.row_mut(y)[x] = if is_person { colour[0] } else { luma as u8 };
                guide.u.row_mut(y)[x] = if is_person { colour[1] } else { 128 };
                guide.v.row_mut(y)[x] = if is_person { colour[2] } else { 128 };
            }
        }
        guide
    }

    /// Alpha of a person in some columns, with a halo of .5 on both sides.
    fn alpha(person: std::ops::Range<usize>, halo: usize) -> Plane<f32> {
        let mut alpha = Plane::new(SIZE.0, SIZE.1);
        for y in 0..SIZE.1 {
            alpha.row_mut(y)[person.start - halo..person.end + halo].fill(0.5);
            alpha.row_mut(y)[person.clone()].fill(1.0);
        }
        alpha
    }

    const RED: [u8; 3] = [90, 100, 190];

    /// A plate that has seen the room beside a person on the left, who is now on the right.
    fn learned(light: i32) -> Plate {
        let mut plate = Plate::new(SIZE.0, SIZE.1);
        for number in 0..20 * LEARN_EVERY as usize {
            plate.run(&guide(8..20, RED, light, number), &mut alpha(8..20, 2));
        }
        plate
    }

    /// The mean alpha of the halo and of the person in columns 36 to 48, after one frame.
    fn result(plate: &mut Plate, guide: &Guide) -> (f32, f32) {
        let mut alpha = alpha(36..48, 3);
        plate.run(guide, &mut alpha);
        let mean = |columns: std::ops::Range<usize>| {
            let rows = (0..SIZE.1).map(|y| alpha.row(y)[columns.clone()].iter().sum::<f32>() / columns.len() as f32);
            rows.sum::<f32>() / SIZE.1 as f32
        };
        ((mean(33..36) + mean(48..51)) / 2.0, mean(36..48))
    }

    #[test]
    fn an_edge_that_looks_like_the_known_room_is_background() {
        let (halo, person) = result(&mut learned(0), &guide(36..48, RED, 0, 33));
        assert!(halo < 0.05 && person == 1.0, "{halo} {person}");
        // strands of the person's colour over the room are no room
        let (strands, _) = result(&mut learned(0), &guide(33..51, RED, 0, 33));
        assert!(strands > 0.49, "{strands}");
    }

    #[test]
    fn an_unknown_room_changes_nothing() {
        let frame = guide(36..48, RED, 0, 33);
        assert_eq!(result(&mut Plate::new(SIZE.0, SIZE.1), &frame).0, 0.5);
        let mut plate = learned(0);
        plate.reset();
        assert_eq!(result(&mut plate, &frame).0, 0.5);
    }

    #[test]
    fn a_person_of_the_colour_of_the_room_keeps_the_edge() {
        let mut plate = Plate::new(SIZE.0, SIZE.1);
        for number in 0..20 * LEARN_EVERY as usize {
            plate.run(&guide_of(1, 8..20, RED, 0, number), &mut alpha(8..20, 2));
        }
        let (halo, _) = result(&mut plate, &guide_of(1, 36..48, [85, 128, 128], 0, 33));
        assert!(halo > 0.49, "{halo}");
        let (halo, _) = result(&mut plate, &guide_of(1, 36..48, [140, 128, 128], 0, 33));
        assert!(halo < 0.05, "{halo}");
    }

    #[test]
    fn a_moved_camera_or_another_light_forgets_the_room_and_a_slow_change_does_not() {
        let mut plate = learned(0);
        let (halo, _) = result(&mut plate, &guide(36..48, RED, 70, 33));
        assert_eq!(halo, 0.5, "other light");
        let mut plate = learned(0);
        // the person hides columns 36 to 48 while it gets darker by half a level per frame
        for number in 0..60 * LEARN_EVERY as usize {
            plate.run(&guide(36..48, RED, -(number as i32) / 4, number), &mut alpha(36..48, 3));
        }
        let hidden =
            |plate: &Plate| (0..SIZE.1).map(|y| plate.colours[0][y * SIZE.0 + 42]).sum::<f32>() / SIZE.1 as f32;
        let change = hidden(&plate) - hidden(&learned(0));
        assert!((-31.0..-12.0).contains(&change), "hidden parts follow: {change}");
    }

    #[test]
    fn what_is_shown_is_never_learned() {
        let mut plate = Plate::new(SIZE.0, SIZE.1);
        for number in 0..20 * LEARN_EVERY as usize {
            plate.run(&guide(8..20, RED, 0, number), &mut alpha(8..20, 2));
        }
        for x in 0..SIZE.0 {
            let is_near = (8 - 2 - MARGIN..20 + 2 + MARGIN).contains(&x);
            assert_eq!(plate.ages[20 * SIZE.0 + x] > 0.0, !is_near, "column {x}");
        }
    }
}
