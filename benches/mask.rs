//! The time to compute a mask, step by step: `cargo bench --bench mask`. Also counts allocations; there should be none.

use std::sync::Arc;

use bgcam::{
    frame::{Frame, Mask},
    mask::{
        self, InputKind, Quality, catalogue,
        input::{InputScaler, Region},
        matte::{FAST_LEVELS, KEYFRAME_LEVELS, Matte, Tuning},
    },
};
use divan::{AllocProfiler, Bencher};

#[global_allocator]
static ALLOC: AllocProfiler = AllocProfiler::system();

const SIZES: [&str; 3] = ["640x480", "1280x720", "1920x1080"];

fn main() {
    divan::main();
}

/// A frame with texture everywhere.
fn frame(size: &str) -> Frame {
    let mut frame = Frame::new(size.parse().expect("a size"));
    frame.data_mut().iter_mut().enumerate().for_each(|(i, byte)| *byte = (i * 7919 % 251) as u8);
    frame
}

/// The alpha of a person in the centre: soft edges, and half of the rows empty or full.
fn person(width: usize, height: usize) -> Vec<f32> {
    let distance = |x: usize, y: usize| {
        let (dx, dy) = (x as f32 / width as f32 - 0.5, y as f32 / height as f32 - 0.7);
        (dx * dx + dy * dy * 0.5).sqrt()
    };
    (0..width * height).map(|i| ((0.35 - distance(i % width, i / width)) * 20.0).clamp(0.0, 1.0)).collect()
}

#[divan::bench(args = SIZES)]
fn shrink(bencher: Bencher<'_, '_>, size: &str) {
    let spec = &catalogue::bundled()[0];
    let frame = frame(size);
    let mut scaler = InputScaler::new(frame.size(), spec, Region::whole(spec));
    let mut tensor = vec![0.0; 3 * spec.width * spec.height];
    bencher.bench_local(|| scaler.fill(&frame, divan::black_box(&mut tensor)));
}

/// Everything except the models.
#[divan::bench(args = SIZES)]
fn matte(bencher: Bencher<'_, '_>, size: &str) {
    let spec = &catalogue::bundled()[0];
    let settings = mask::Settings::default();
    let tuning = Tuning {
        memory: settings.memory,
        edge: settings.edge,
        levels: FAST_LEVELS,
        trusts_keyframe: false,
        is_stream: true,
    };
    let shape = (spec.width, spec.height, Region::whole(spec));
    let frame = frame(size);
    let mut matte = Matte::new(frame.size(), shape, None, tuning);
    let alpha = person(spec.width, spec.height);
    let mut mask = Mask::new(frame.size());
    bencher.bench_local(|| {
        matte.begin_frame(&frame, 1);
        matte.set_fast(&alpha);
        matte.propagate();
        matte.finish(&frame, divan::black_box(mask.alpha_mut()), None);
    });
}

/// The additional time for a keyframe model's result.
#[divan::bench]
fn key(bencher: Bencher<'_, '_>) {
    let spec = &catalogue::bundled()[0];
    let shape = (spec.width, spec.height, Region::whole(spec));
    let tuning =
        Tuning { memory: 0.9, edge: (0.12, 0.88), levels: KEYFRAME_LEVELS, trusts_keyframe: false, is_stream: true };
    let frame = frame("1280x720");
    let mut matte = Matte::new(frame.size(), shape, Some(shape), tuning);
    let alpha = person(spec.width, spec.height);
    matte.begin_frame(&frame, 1);
    matte.set_fast(&alpha);
    matte.propagate();
    bencher.bench_local(|| {
        matte.mark_keyframe();
        matte.set_keyframe(divan::black_box(&alpha));
    });
}

#[divan::bench(args = ["eco", "balanced", "high"])]
fn segment(bencher: Bencher<'_, '_>, quality: &str) {
    let frame = Arc::new(frame("1280x720"));
    let mut mask = Mask::new(frame.size());
    let quality: Quality = quality.parse().expect("a quality");
    let settings = mask::Settings { quality, input: InputKind::File, ..mask::Settings::default() };
    match mask::open(&settings, frame.size()) {
        Ok(mut segmenter) => bencher.bench_local(|| segmenter.segment(&frame, &mut mask).expect("a mask")),
        #[expect(clippy::print_stderr, reason = "reports a skipped benchmark")]
        Err(error) => eprintln!("skipped: {error}"),
    }
}
