//! A good alpha of an earlier frame, carried to this one along the flow, and mended where the picture tells otherwise.

use super::{
    flow::{Flow, Pyramid, STEP, UNIT},
    grid::{PAD, Plane},
    smoothstep,
};

/// Alpha and landscape in whole numbers while they are carried: 16ths of a byte.
const FINE: f32 = 16.0 * 255.0;

/// What is known of a frame at the time of its key request, and has to be kept until the answer comes.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) pyramid: Pyramid,
    pub(crate) landscape: Plane<f32>,
    /// What was carried to it from the key before, where there was one.
    pub(crate) carried: Plane<f32>,
    pub(crate) has_carried: bool,
}

impl Snapshot {
    pub(crate) fn new(width: usize, height: usize) -> Self {
        Self { pyramid: Pyramid::new(width, height), landscape: Plane::new(width, height), carried: Plane::new(width, height), has_carried: false }
    }

    pub(crate) fn copy_from(&mut self, pyramid: &Pyramid, landscape: &Plane<f32>, carried: Option<&Plane<f32>>) {
        self.has_carried = carried.is_some();
        if let Some(carried) = carried {
            self.carried.copy_from(carried);
        }
        self.pyramid.copy_from(pyramid);
        self.landscape.copy_from(landscape);
    }
}

/// Carries the alpha of a key frame.
#[derive(Debug)]
pub(crate) struct Carry {
    key: Snapshot,
    /// Alpha, landscape and luma of the key frame, side by side for the warp.
    packed: Plane<[i16; 4]>,
    flow: Flow,
    lost: Plane<f32>,
    differs: Plane<f32>,
    blurred: [Plane<f32>; 2],
    warped: Plane<[i16; 4]>,
    wanted: Box<[bool]>,
    has_key: bool,
}

impl Carry {
    pub(crate) fn new(width: usize, height: usize) -> Self {
        let plane = || Plane::new(width, height);
        let flow = Flow::new(width, height);
        Self {
            key: Snapshot::new(width, height),
            packed: Plane::new(width, height),
            wanted: vec![true; flow.vectors().len()].into(),
            flow,
            lost: plane(),
            differs: plane(),
            blurred: [plane(), plane()],
            warped: Plane::new(width, height),
            has_key: false,
        }
    }

    pub(crate) fn has_key(&self) -> bool {
        self.has_key
    }

    pub(crate) fn forget(&mut self) {
        self.has_key = false;
    }

    /// From now on the alpha of the frame of `snapshot` is carried, which it takes in exchange for the old one.
    pub(crate) fn set_key(&mut self, snapshot: &mut Snapshot, alpha: &mut Plane<f32>, weight: f32) {
        if snapshot.has_carried {
            calm(alpha.raw_mut(), snapshot.carried.raw().0, weight);
        }
        std::mem::swap(&mut self.key, snapshot);
        self.has_key = true;
        self.flow.restart();
        for y in 0..alpha.height {
            let sources = alpha.row(y).iter().zip(self.key.landscape.row(y)).zip(self.key.pyramid.base().row(y));
            for (packed, ((&alpha, &landscape), &luma)) in self.packed.row_mut(y).iter_mut().zip(sources) {
                *packed = [(alpha * FINE) as i16, (landscape * FINE) as i16, i16::from(luma) * 16, 0];
            }
        }
        self.packed.replicate();
    }

    /// Writes the carried and mended alpha of the frame to `into`; gives the share of it that was mended.
    pub(crate) fn apply(&mut self, now: &Pyramid, landscape: &Plane<f32>, into: &mut Plane<f32>) -> f32 {
        let wanted = &self.wanted;
        let columns = self.flow.columns();
        self.flow.find(now, &self.key.pyramid, |column, row| wanted[row * columns + column]);
        self.warp();
        self.compare(now.base(), landscape);
        let [_, lost] = blur(&self.lost, &mut self.blurred);
        std::mem::swap(lost, &mut self.lost);
        let [_, differs] = blur(&self.differs, &mut self.blurred);
        std::mem::swap(differs, &mut self.differs);
        let mut mended = 0.0;
        for y in 0..into.height {
            let sources = self.lost.row(y).iter().zip(self.differs.row(y)).zip(self.warped.row(y)).zip(landscape.row(y));
            for (into, (((&lost, &differs), warped), &landscape)) in into.row_mut(y).iter_mut().zip(sources) {
                let (alpha, then) = (f32::from(warped[0]) / FINE, f32::from(warped[1]) / FINE);
                let part = smoothstep(differs, 0.1, 0.4)
                    * smoothstep(lost, 3.0, 10.0)
                    * (1.0 - smoothstep((then - alpha).abs(), 0.2, 0.6));
                mended += part;
                *into = alpha + (smoothstep(landscape, 0.2, 0.8) - alpha) * part;
            }
        }
        mended / (into.width * into.height) as f32
    }

    /// Fetches alpha, landscape and luma of the key frame along the flow, each vector smoothly between its neighbours.
    fn warp(&mut self) {
        let (columns, vectors) = (self.flow.columns(), self.flow.vectors());
        let (data, stride) = self.packed.raw();
        let limit = |value: i32, size: usize| value.clamp(-(PAD as i32) * UNIT, (size + PAD - 2) as i32 * UNIT);
        for y in 0..self.warped.height {
            let (block_row, down) = (y / STEP, (y % STEP) as i32);
            for x in 0..self.warped.width {
                let (block, right) = (block_row * columns + x / STEP, (x % STEP) as i32);
                let corner = |at: usize| vectors[at.min(vectors.len() - 1)];
                let [a, b, c, d] = [corner(block), corner(block + 1), corner(block + columns), corner(block + columns + 1)];
                let step = STEP as i32;
                let mix = |a: i16, b: i16, c: i16, d: i16| {
                    let above = i32::from(a) * (step - right) + i32::from(b) * right;
                    let below = i32::from(c) * (step - right) + i32::from(d) * right;
                    (above * (step - down) + below * down + 8) >> 4
                };
                let at_x = limit(x as i32 * UNIT + mix(a.x, b.x, c.x, d.x), self.warped.width);
                let at_y = limit(y as i32 * UNIT + mix(a.y, b.y, c.y, d.y), self.warped.height);
                let start = self.packed.index((at_x >> 4) as isize, (at_y >> 4) as isize);
                let (fx, fy) = (at_x & 15, at_y & 15);
                let four = [data[start], data[start + 1], data[start + stride], data[start + stride + 1]];
                let weights = [(16 - fx) * (16 - fy), fx * (16 - fy), (16 - fx) * fy, fx * fy];
                let mut sum = [128i32; 4];
                for (pixel, weight) in four.iter().zip(weights) {
                    for (sum, &value) in sum.iter_mut().zip(pixel) {
                        *sum += i32::from(value) * weight;
                    }
                }
                let outside = at_x < 0 || at_y < 0 || at_x >> 4 >= self.warped.width as i32 || at_y >> 4 >= self.warped.height as i32;
                self.warped.row_mut(y)[x] = [(sum[0] >> 8) as i16, (sum[1] >> 8) as i16, (sum[2] >> 8) as i16, i16::from(outside)];
            }
        }
    }

    /// How far luma and landscape are from what the flow promises.
    fn compare(&mut self, luma: &Plane<u8>, landscape: &Plane<f32>) {
        for y in 0..luma.height {
            let sources = self.warped.row(y).iter().zip(luma.row(y)).zip(landscape.row(y));
            let targets = self.lost.row_mut(y).iter_mut().zip(self.differs.row_mut(y));
            for ((lost, differs), ((warped, &luma), &landscape)) in targets.zip(sources) {
                *lost = (f32::from(warped[2]) / 16.0 - f32::from(luma)).abs() + f32::from(warped[3]) * 250.0;
                *differs = (f32::from(warped[1]) / FINE - landscape).abs();
            }
        }
        self.lost.replicate();
        self.differs.replicate();
    }
}

/// The mean over 5x5 pixels, in the second of `into`.
pub(crate) fn blur<'a>(from: &Plane<f32>, into: &'a mut [Plane<f32>; 2]) -> &'a mut [Plane<f32>; 2] {
    for y in -2..from.height as isize + 2 {
        let row = from.wide_row(y, 2);
        let start = into[0].index(0, y);
        let width = from.width;
        let out = &mut into[0].raw_mut()[start..start + width];
        for (x, out) in out.iter_mut().enumerate() {
            *out = row[x] + row[x + 1] + row[x + 2] + row[x + 3] + row[x + 4];
        }
    }
    let [tall, out] = into;
    for y in 0..from.height {
        let rows = [-2, -1, 0, 1, 2].map(|by| tall.wide_row(y as isize + by, 0));
        for (x, out) in out.row_mut(y).iter_mut().enumerate() {
            *out = (rows[0][x] + rows[1][x] + rows[2][x] + rows[3][x] + rows[4][x]) * 0.04;
        }
    }
    into
}

/// A change of alpha from key to key from which on it is real.
const REAL_CHANGE: f32 = 0.35;

/// Draws a new key's alpha towards what the last one promised, where the two differ little.
#[multiversion::multiversion(targets = "simd")]
fn calm(alpha: &mut [f32], carried: &[f32], weight: f32) {
    for (alpha, &carried) in alpha.iter_mut().zip(carried) {
        let change = carried - *alpha;
        let noise = 1.0 - (change.abs() * (1.0 / REAL_CHANGE)).min(1.0);
        *alpha += change * weight * noise;
    }
}
