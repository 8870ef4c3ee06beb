//! From models' alphas to the frame's: two rates joined by a flow, a short memory, and the edge at full size.

use self::{
    apply::Apply,
    carry::{Carry, Drift, Snapshot},
    flow::Pyramid,
    grid::{Cells, Grid, Guide, Plane},
    guided::Guided,
    memory::Memory,
    resample::Resample,
};
use super::input::Region;
use crate::frame::{Frame, Size};

mod apply;
mod carry;
mod flow;
mod grid;
mod guided;
mod memory;
mod resample;

/// What the matte is made with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tuning {
    /// The weight of the past while only the fast model is there, 0 to 0.95.
    pub memory: f32,
    /// The weight of the past where a key frame is carried.
    pub key_memory: f32,
    /// How far a new key frame is drawn towards what the last one promised, 0 to 1.
    pub calm: f32,
    /// The alphas up to which a pixel is background, and from which on it is person.
    pub edge: (f32, f32),
}

/// A model's output: width, height, and the part of it that shows the frame.
pub type Shape = (usize, usize, Region);

/// The state of a matte of one stream.
#[derive(Debug)]
pub struct Matte {
    tuning: Tuning,
    cells: Cells,
    guide: Guide,
    pyramid: Pyramid,
    fast: Resample,
    key: Option<Resample>,
    landscape: Plane<f32>,
    alpha: Plane<f32>,
    key_alpha: Plane<f32>,
    snapshot: Snapshot,
    carry: Carry,
    fast_memory: Memory,
    key_memory: Memory,
    guided: Guided,
    apply: Apply,
}

impl Matte {
    pub fn new(size: Size, fast: Shape, key: Option<Shape>, tuning: Tuning) -> Self {
        let grid = Grid::new(size);
        let (width, height) = (grid.width, grid.height);
        let resample = |(w, _, region): Shape| {
            let span = |part: usize, whole: usize| part as f64 * grid.factor as f64 / whole as f64;
            let spans = (span(region.width, size.width()), span(region.height, size.height()));
            Resample::new(w, region, (width, height), spans)
        };
        let plane = || Plane::new(width, height);
        Self {
            tuning,
            cells: Cells::new(grid, size),
            guide: Guide::new(grid),
            pyramid: Pyramid::new(width, height),
            fast: resample(fast),
            key: key.map(resample),
            landscape: plane(),
            alpha: plane(),
            key_alpha: plane(),
            snapshot: Snapshot::new(width, height),
            carry: Carry::new(width, height),
            fast_memory: Memory::new(width, height, tuning.memory),
            key_memory: Memory::new(width, height, tuning.key_memory),
            guided: Guided::new(width, height),
            apply: Apply::new(grid, size, tuning.edge),
        }
    }

    /// Takes a new frame and the fast model's alpha of it.
    pub fn look(&mut self, frame: &Frame, fast: &[f32]) {
        self.cells.fill(frame, &mut self.guide);
        self.pyramid.build(&self.guide.y);
        self.fast.run(fast, &mut self.landscape);
    }

    /// Keeps what is needed to use a key model's answer on this frame.
    pub fn keep(&mut self) {
        let carried = self.carry.has_key().then_some(&self.alpha);
        self.snapshot.take(&self.pyramid, &self.landscape, carried);
    }

    /// The key model's answer for the frame that was kept.
    pub fn set_key(&mut self, alpha: &[f32], now: bool) {
        let Some(key) = &mut self.key else { return };
        key.run(alpha, &mut self.key_alpha);
        self.carry.set_key(&mut self.snapshot, &mut self.key_alpha, self.tuning.calm);
        if now {
            self.alpha.copy_from(&self.key_alpha);
        }
    }

    /// Carries; gives how much of it had to be mended.
    pub fn carry(&mut self) -> Drift {
        if self.carry.has_key() {
            let mended = self.carry.apply(&self.pyramid, &self.landscape, &mut self.alpha);
            self.alpha.replicate();
            mended
        } else {
            self.alpha.copy_from(&self.landscape);
            Drift::default()
        }
    }

    /// Writes the frame's alpha.
    pub fn finish(&mut self, frame: &Frame, into: &mut [u8]) {
        let memory = if self.carry.has_key() { &mut self.key_memory } else { &mut self.fast_memory };
        memory.steady(&self.guide.y, &mut self.alpha);
        let functions = self.guided.fit(&self.guide, &self.alpha);
        self.apply.run(functions, frame, into);
    }

    pub fn reset(&mut self) {
        self.carry.forget();
        self.fast_memory.forget();
        self.key_memory.forget();
    }
}

/// 0 up to `low`, 1 from `high` on, `3t² - 2t³` between.
#[inline(always)]
fn smoothstep(value: f32, low: f32, high: f32) -> f32 {
    let t = ((value - low) / (high - low)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

#[doc(hidden)]
pub fn probe(frames: &[Frame], fast: &[Vec<f32>], key: &[Vec<f32>], shape: (usize, usize)) {
    let size = frames[0].size();
    let whole = |w: usize, h: usize| (w, h, Region { x: 0, y: 0, width: w, height: h });
    let mut m = Matte::new(size, whole(256, 144), Some(whole(shape.0, shape.1)), Tuning { memory: 0.7, key_memory: 0.3, calm: 0.6, edge: (0.15, 0.85) });
    let mut t = std::collections::BTreeMap::<&str, f64>::new();
    let mut mask = vec![0; size.luma_len()];
    macro_rules! time { ($n:literal, $e:expr) => {{ let s = std::time::Instant::now(); let r = $e; *t.entry($n).or_default() += s.elapsed().as_secs_f64() * 1e3 / frames.len() as f64; r }} }
    for (i, f) in frames.iter().enumerate() {
        time!("1 cells", m.cells.fill(f, &mut m.guide));
        time!("2 pyramid", m.pyramid.build(&m.guide.y));
        time!("3 resample", m.fast.run(&fast[i], &mut m.landscape));
        if m.carry.has_key() { time!("4 carry", m.carry.apply(&m.pyramid, &m.landscape, &mut m.alpha)); m.alpha.replicate(); }
        if i % 5 == 0 { time!("5 keys", { m.keep(); m.set_key(&key[i], true) }); }
        time!("6 memory", m.key_memory.steady(&m.guide.y, &mut m.alpha));
        time!("7 guided", m.guided.fit(&m.guide, &m.alpha));
        let functions = m.guided.fit(&m.guide, &m.alpha);
        time!("8 apply", m.apply.run(functions, f, &mut mask));
    }
    for (k, v) in &t { println!("{k:12} {v:.3} ms"); }
}
