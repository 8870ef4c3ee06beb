//! What a mask costs, stage by stage: `cargo bench --bench mask`. Allocations are counted too: there should be none.

use bgcam::{
    frame::{Frame, Mask, Size},
    mask::{
        self, Settings, catalogue,
        input::{Region, Shrink},
        refine::Refine,
    },
};
use divan::{AllocProfiler, Bencher};

#[global_allocator]
static ALLOC: AllocProfiler = AllocProfiler::system();

const SIZES: [&str; 3] = ["640x480", "1280x720", "1920x1080"];

fn main() {
    divan::main();
}

/// A frame with something everywhere.
fn frame(size: &str) -> Frame {
    let mut frame = Frame::new(size.parse().expect("a size"));
    frame.data_mut().iter_mut().enumerate().for_each(|(i, byte)| *byte = (i * 7919 % 251) as u8);
    frame
}

/// The alpha of somebody in the middle: soft edges, and half of the rows empty or full.
fn person(width: usize, height: usize) -> Vec<f32> {
    let distance = |x: usize, y: usize| {
        let (dx, dy) = (x as f32 / width as f32 - 0.5, y as f32 / height as f32 - 0.7);
        (dx * dx + dy * dy * 0.5).sqrt()
    };
    (0..width * height).map(|i| ((0.35 - distance(i % width, i / width)) * 20.0).clamp(0.0, 1.0)).collect()
}

#[divan::bench(args = SIZES)]
fn shrink(bencher: Bencher<'_, '_>, size: &str) {
    let spec = &catalogue::ours()[0];
    let frame = frame(size);
    let mut shrink = Shrink::new(frame.size(), spec, Region::whole(spec));
    let mut tensor = vec![0.0; 3 * spec.width * spec.height];
    bencher.bench_local(|| shrink.fill(&frame, divan::black_box(&mut tensor)));
}

#[divan::bench(args = SIZES)]
fn refine(bencher: Bencher<'_, '_>, size: &str) {
    let spec = &catalogue::ours()[0];
    let size: Size = size.parse().expect("a size");
    let settings = Settings::default();
    let model = (spec.width, spec.height);
    let mut refine = Refine::new(model, Region::whole(spec), size, settings.memory, settings.edge);
    let alpha = person(spec.width, spec.height);
    let mut mask = Mask::new(size);
    bencher.bench_local(|| refine.apply(&alpha, divan::black_box(mask.alpha_mut())));
}

#[divan::bench(args = SIZES)]
fn segment(bencher: Bencher<'_, '_>, size: &str) {
    let frame = frame(size);
    let mut mask = Mask::new(frame.size());
    match mask::open(&Settings::default(), frame.size()) {
        Ok(mut segmenter) => bencher.bench_local(|| segmenter.segment(&frame, &mut mask).expect("a mask")),
        #[expect(clippy::print_stderr, reason = "the word of a skipped bench")]
        Err(error) => eprintln!("skipped: {error}"),
    }
}
