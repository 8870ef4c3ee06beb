//! The segmenter: a fast model on every frame, a keyframe model on some, and the matte that combines them.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    InputKind, MaskError, ModelInfo, Report, Segmenter, Settings,
    catalogue::{self, Output},
    keyframes::KeyframeWorker,
    matte::{FAST_LEVELS, KEYFRAME_LEVELS, Matte, Shape, Tuning},
    model::Model,
    quality::{Plan, Quality},
    refiner::Refiner,
    schedule::Schedule,
};
use crate::{
    error::Failure,
    frame::{Frame, Mask, Size},
    stats::thread_time,
};

/// The model for keyframes.
pub const KEYFRAME_MODEL: &str = "multiclass";

/// The minimum time between frames of a slow camera, in ticks of 1/30 s: a result on the next frame would be late,
/// but there is time to wait for it on its own frame.
const SLOW_TICKS: u8 = 6;

/// Consecutive slow frames required, so that a single late frame changes nothing.
const MIN_SLOW_FRAMES: u8 = 2;

/// The share of the time between frames that may be spent waiting.
const MAX_WAIT_SHARE: f32 = 0.3;

/// Combines the models for frames of one size.
pub(super) struct DualModelSegmenter {
    info: ModelInfo,
    size: Size,
    fast: Model,
    keyframes: Option<Keyframes>,
    matte: Matte,
    /// Refines the hair at quality `high`, unless degraded.
    refiner: Option<Refiner>,
    /// The number of frames by which masks are delayed: 0 or 1.
    delay: usize,
    held: Option<Arc<Frame>>,
    rate: FrameRate,
    /// The total CPU time of the fast model.
    model_time: Duration,
}

/// Measures the frame rate.
struct FrameRate {
    /// False for files, which are read faster than they play.
    is_live: bool,
    last: Option<Instant>,
    /// Consecutive slow frames.
    slow: u8,
}

impl FrameRate {
    /// Ticks of 1/30 s since the previous frame, 1 to 60.
    fn ticks(&mut self, captured_at: Instant) -> u8 {
        let last = self.last.replace(captured_at).filter(|_| self.is_live);
        let elapsed = last.map_or(Duration::ZERO, |last| captured_at.saturating_duration_since(last));
        let ticks = (elapsed.as_secs_f32() * 30.0).round().clamp(1.0, 60.0) as u8;
        self.slow = if ticks >= SLOW_TICKS { self.slow.saturating_add(1) } else { 0 };
        ticks
    }

    fn is_slow(&self) -> bool {
        self.slow >= MIN_SLOW_FRAMES
    }
}

struct Keyframes {
    worker: KeyframeWorker,
    schedule: Schedule,
    /// Every frame is a keyframe, and its result is waited for: the input is a single image.
    every: bool,
}

impl DualModelSegmenter {
    /// Opens the models selected by `settings`; without the keyframe model it logs the reason and runs as
    /// [`Quality::Eco`].
    ///
    /// # Errors
    /// If the fast model cannot be run.
    pub(super) fn open(settings: &Settings, size: Size) -> Result<Self, MaskError> {
        let fast = Model::open(catalogue::find(settings)?, settings, size)?;
        let mut info = ModelInfo { quality: Quality::Eco, missing: None, ..fast.info.clone() };
        // a user's own model, or one as good as the keyframe model, runs alone
        let plan = if is_bundled_and_fast(&info) { settings.quality.plan() } else { None };
        let opened = plan.map(|plan| open_keyframes(plan, settings, size));
        let (mut shape, mut keyframes) = (None, None);
        match opened {
            Some(Ok((found, opened))) => {
                shape = Some(found);
                keyframes = Some(opened);
                info.quality = settings.quality;
            }
            Some(Err(failure)) => {
                tracing::warn!(hint = failure.hint, "using quality eco instead of {}: {failure}", settings.quality);
                info.missing = Some(failure);
            }
            None => {}
        }
        let input = settings.input;
        let memory = if input == InputKind::Still { 0.0 } else { settings.memory };
        let levels = if is_bundled_and_fast(&info) {
            FAST_LEVELS
        } else if catalogue::is_bundled(&info.spec) || info.spec.output == Output::Logits {
            KEYFRAME_LEVELS
        } else {
            (0.0, 1.0)
        };
        let is_stream = input != InputKind::Still;
        let tuning = Tuning { memory, edge: settings.edge, levels, trusts_keyframe: false, is_stream };
        let mut matte = Matte::new(size, fast.shape(), shape, tuning);
        let refiner = if info.quality == Quality::High { Refiner::new(size) } else { None };
        matte.set_refined(refiner.is_some());
        let delay =
            if keyframes.is_some() && input != InputKind::Still { settings.latency.frames(info.quality) } else { 0 };
        let rate = FrameRate { is_live: input == InputKind::Live, last: None, slow: 0 };
        Ok(Self { info, size, fast, keyframes, matte, refiner, delay, held: None, rate, model_time: Duration::ZERO })
    }

    /// Uses the keyframe model's result, if it is ready.
    fn take_keyframe_answer(&mut self) {
        let Some(keyframes) = &mut self.keyframes else { return };
        match keyframes.worker.take_answer() {
            None => {}
            Some(Ok(alpha)) => self.matte.set_keyframe(alpha),
            Some(Err(error)) => {
                let failure = Failure::from(error);
                tracing::warn!(hint = failure.hint, "using quality eco instead of {}: {failure}", self.info.quality);
                self.info.quality = Quality::Eco;
                self.info.missing = Some(failure);
                self.keyframes = None;
                self.matte.drop_keyframe();
            }
        }
    }

    /// Processes the next frame.
    fn observe(&mut self, frame: &Frame, ticks: u8) -> Result<(), MaskError> {
        if self.matte.begin_frame(frame, ticks) {
            let start = thread_time();
            self.fast.fill(frame);
            self.matte.set_fast(self.fast.run()?);
            self.model_time += thread_time().saturating_sub(start);
        }
        let drift = self.matte.propagate();
        let Some(keyframes) = &mut self.keyframes else { return Ok(()) };
        if keyframes.schedule.is_off() {
            self.matte.drop_keyframe();
        }
        let due = keyframes.every || keyframes.schedule.is_due(drift, ticks);
        if due && keyframes.worker.is_free() {
            keyframes.schedule.record_request();
            self.matte.mark_keyframe();
            keyframes.worker.request(frame, self.matte.person_span());
            let is_slow = self.rate.is_slow();
            if is_slow {
                keyframes
                    .worker
                    .wait(Instant::now() + Duration::from_secs_f32(f32::from(ticks) / 30.0 * MAX_WAIT_SHARE));
            }
            if keyframes.every || is_slow {
                self.take_keyframe_answer();
            }
        }
        Ok(())
    }

    fn write(&mut self, frame: &Frame, into: &mut Mask) {
        let mut refiner = self.refiner.as_mut().filter(|_| self.matte.is_refined());
        let hard = refiner.as_mut().and_then(|refiner| refiner.coarse(self.matte.hair()));
        self.matte.finish(frame, into.alpha_mut(), hard);
        if let Some(refiner) = refiner {
            refiner.run(frame, self.matte.hair(), into.alpha_mut());
        }
        into.seq = frame.seq;
        into.captured_at = frame.captured_at;
    }
}

fn is_bundled_and_fast(info: &ModelInfo) -> bool {
    catalogue::is_bundled(&info.spec) && info.spec.name != KEYFRAME_MODEL
}

fn open_keyframes(plan: Plan, settings: &Settings, size: Size) -> Result<(Shape, Keyframes), Failure> {
    let mut settings = Settings { model: KEYFRAME_MODEL.to_owned(), threads: plan.threads, ..settings.clone() };
    let is_still = settings.input == InputKind::Still;
    if is_still {
        settings.threads = 1;
    }
    let mut spec = catalogue::find(&settings)?.clone();
    // the bundled model accepts any size, a user's own of that name only its own
    if catalogue::is_bundled(&spec) {
        (spec.width, spec.height) = plan.input(size, is_still);
    }
    let mut model = Model::open(&spec, &settings, size)?;
    if catalogue::is_bundled(&spec) {
        model.add_windows(plan.windows(size, is_still));
    }
    let shape = model.shape();
    let length = model.info.spec.output_len();
    let worker = KeyframeWorker::new(Box::new(model), length, settings.input == InputKind::Live)
        .map_err(|error| Failure::new(crate::error::Kind::Io, format!("cannot start a thread: {error}")))?;
    Ok((shape, Keyframes { worker, schedule: Schedule::new(plan), every: is_still }))
}

impl Segmenter for DualModelSegmenter {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn delay(&self) -> usize {
        if self.rate.is_slow() { 0 } else { self.delay }
    }

    fn segment(&mut self, frame: &Arc<Frame>, into: &mut Mask) -> Result<Option<Arc<Frame>>, MaskError> {
        for found in [frame.size(), into.size()] {
            if found != self.size {
                return Err(MaskError::Size { expected: self.size, found });
            }
        }
        self.take_keyframe_answer();
        let ticks = self.rate.ticks(frame.captured_at);
        if self.delay() == 0 {
            self.held = None;
            self.observe(frame, ticks)?;
            self.write(frame, into);
            return Ok(Some(Arc::clone(frame)));
        }
        let ready = self.flush(into);
        self.observe(frame, ticks)?;
        self.held = Some(Arc::clone(frame));
        Ok(ready)
    }

    fn flush(&mut self, into: &mut Mask) -> Option<Arc<Frame>> {
        let held = self.held.take()?;
        self.write(&held, into);
        Some(held)
    }

    fn reset(&mut self) {
        self.held = None;
        self.rate.last = None;
        self.rate.slow = 0;
        self.fast.reset();
        self.matte.reset();
        if let Some(keyframes) = &mut self.keyframes {
            keyframes.worker.discard();
            keyframes.schedule.reset();
        }
    }

    fn degrade(&mut self, step: u8) {
        if let Some(keyframes) = &mut self.keyframes {
            keyframes.schedule.degrade(step);
        }
        self.matte.set_refined(self.refiner.is_some() && step == 0);
    }

    fn set_nearest_only(&mut self, on: bool) {
        self.matte.set_nearest_only(on);
    }

    fn report(&self) -> Report {
        Report {
            models_disagree: self.keyframes.is_some() && self.matte.rejects_keyframe(),
            others_visible: self.matte.shows_others(),
        }
    }

    fn model_time(&self) -> Duration {
        self.model_time
    }

    fn keyframe_time(&self) -> Option<Duration> {
        self.keyframes.as_ref()?.worker.last_duration()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        ops::Range,
        sync::atomic::{AtomicUsize, Ordering},
    };

    use super::*;
    use crate::{
        frame::Yuv,
        mask::{Processor, keyframes::KeyframeModel},
    };

    const SIZE: Size = Size::HD;

    /// Finds a person in the left half of every frame; fails on request number `refuses`.
    struct LeftHalf {
        width: usize,
        asked: Arc<AtomicUsize>,
        refuses: Option<usize>,
    }

    impl KeyframeModel for LeftHalf {
        fn fill(&mut self, _: &Frame, _: Option<Range<f32>>) {}

        fn run(&mut self, alpha: &mut [f32]) -> Result<(), MaskError> {
            if Some(self.asked.fetch_add(1, Ordering::Relaxed)) == self.refuses {
                return Err(MaskError::NotFinite { model: "left half".into(), output: "alpha".into(), count: 1 });
            }
            let width = self.width;
            alpha.iter_mut().enumerate().for_each(|(at, alpha)| *alpha = f32::from(u8::from(at % width < width / 2)));
            Ok(())
        }
    }

    /// A segmenter with a fake keyframe model; `None` and a message if the library is not installed.
    fn open(quality: Quality, delay: usize, refuses: Option<usize>) -> Option<(DualModelSegmenter, Arc<AtomicUsize>)> {
        let settings = Settings { quality: Quality::Eco, input: InputKind::File, ..Settings::default() };
        let mut segmenter = match DualModelSegmenter::open(&settings, SIZE) {
            Ok(segmenter) => segmenter,
            #[expect(clippy::print_stderr, reason = "reports a skipped test")]
            Err(error) => {
                eprintln!("skipped: {error}");
                return None;
            }
        };
        let asked = Arc::new(AtomicUsize::new(0));
        let shape = segmenter.fast.shape();
        let fake = LeftHalf { width: shape.0, asked: Arc::clone(&asked), refuses };
        let worker = KeyframeWorker::new(Box::new(fake), shape.0 * shape.1, false).unwrap();
        // the fast model is real, and finds no person in these frames
        let tuning =
            Tuning { memory: 0.9, edge: settings.edge, levels: FAST_LEVELS, trusts_keyframe: true, is_stream: true };
        segmenter.matte = Matte::new(SIZE, shape, Some(shape), tuning);
        let schedule = Schedule::new(quality.plan().unwrap());
        segmenter.keyframes = Some(Keyframes { worker, schedule, every: false });
        segmenter.info.quality = quality;
        segmenter.delay = delay;
        Some((segmenter, asked))
    }

    fn frame(seq: u64) -> Arc<Frame> {
        let mut frame = Frame::new(SIZE);
        frame.fill(Yuv { y: 90, u: 120, v: 140 });
        frame.seq = seq;
        Arc::new(frame)
    }

    /// The person's share of the left and of the right half.
    fn halves(mask: &Mask) -> (f32, f32) {
        let width = SIZE.width();
        let share = |half: usize| {
            let rows = mask.alpha().chunks_exact(width).map(|row| &row[half * width / 2..][..width / 2]);
            rows.flatten().map(|&alpha| f32::from(alpha)).sum::<f32>() / (255.0 * SIZE.luma_len() as f32 / 2.0)
        };
        (share(0), share(1))
    }

    #[test]
    fn the_result_is_used_one_frame_later() {
        let Some((mut segmenter, asked)) = open(Quality::Balanced, 0, None) else { return };
        let mut mask = Mask::new(SIZE);
        segmenter.segment(&frame(0), &mut mask).unwrap();
        assert!(halves(&mask).0 < 0.1, "no keyframe result yet, and the fast model finds no person");
        for seq in 1..20 {
            let of = segmenter.segment(&frame(seq), &mut mask).unwrap().unwrap();
            assert_eq!((of.seq, mask.seq), (seq, seq));
            let (left, right) = halves(&mask);
            assert!(left > 0.98 && right < 0.02, "{left} {right}");
        }
        assert_eq!(asked.load(Ordering::Relaxed), 1, "nothing moved");
    }

    #[test]
    fn with_a_delay_the_result_is_used_on_its_own_frame() {
        let Some((mut segmenter, _)) = open(Quality::High, 1, None) else { return };
        let mut mask = Mask::new(SIZE);
        assert!(segmenter.segment(&frame(0), &mut mask).unwrap().is_none(), "the first is held back");
        for seq in 1..5 {
            let of = segmenter.segment(&frame(seq), &mut mask).unwrap().unwrap();
            assert_eq!((of.seq, mask.seq), (seq - 1, seq - 1));
            assert!(halves(&mask).0 > 0.98, "frame {}", of.seq);
        }
        assert_eq!(segmenter.flush(&mut mask).unwrap().seq, 4);
        assert!(segmenter.flush(&mut mask).is_none());
    }

    #[test]
    fn high_refines_hair_until_it_is_degraded() {
        let models_dirs = vec![std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("models")];
        let open = |quality, size| {
            let settings = Settings { quality, models_dirs: models_dirs.clone(), ..Settings::default() };
            DualModelSegmenter::open(&settings, size)
        };
        let mut segmenter = match open(Quality::High, SIZE) {
            Ok(segmenter) => segmenter,
            #[expect(clippy::print_stderr, reason = "reports a skipped test")]
            Err(error @ MaskError::NoLibrary { .. }) => {
                eprintln!("skipped: {error}");
                return;
            }
            Err(error) => panic!("{error}"),
        };
        assert!(segmenter.matte.is_refined());
        for (step, expected) in [(1, false), (3, false), (0, true)] {
            segmenter.degrade(step);
            assert_eq!(segmenter.matte.is_refined(), expected, "step {step}");
        }
        let small: Size = "640x360".parse().unwrap();
        for (quality, size) in [(Quality::Balanced, SIZE), (Quality::Eco, SIZE), (Quality::High, small)] {
            assert!(!open(quality, size).unwrap().matte.is_refined(), "{quality} {size}");
        }
    }

    /// A photo of a person in the middle; `None` and a message if the package has no photos.
    fn portrait() -> Option<Frame> {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/people/p001.jpg");
        #[expect(clippy::print_stderr, reason = "reports a skipped test")]
        let Ok(photo) = image::open(&path) else {
            eprintln!("skipped: {} is not part of the package", path.display());
            return None;
        };
        let photo = photo.to_luma8();
        let mut frame = Frame::new(SIZE);
        let (luma, u, v) = frame.planes_mut();
        for (at, luma) in luma.iter_mut().enumerate() {
            let (x, y) = ((at % SIZE.width()) as u32, (at / SIZE.width()) as u32);
            *luma = 16 + (u16::from(photo.get_pixel(x / 2, y / 2).0[0]) * 219 / 255) as u8;
        }
        u.fill(118);
        v.fill(138);
        Some(frame)
    }

    #[test]
    fn a_keyframe_that_contradicts_the_fast_model_is_reported_and_not_shown() {
        let Some((mut segmenter, asked)) = open(Quality::Balanced, 0, None) else { return };
        let Some(portrait) = portrait() else { return };
        let shape = segmenter.fast.shape();
        let tuning =
            Tuning { memory: 0.9, edge: (0.12, 0.88), levels: FAST_LEVELS, trusts_keyframe: false, is_stream: true };
        segmenter.matte = Matte::new(SIZE, shape, Some(shape), tuning);
        let mut mask = Mask::new(SIZE);
        assert!(!segmenter.report().models_disagree);
        for seq in 0..3 {
            let mut frame = portrait.clone();
            frame.seq = seq;
            segmenter.segment(&Arc::new(frame), &mut mask).unwrap();
            let (left, right) = halves(&mask);
            assert!(left < 0.8 && right > 0.1, "frame {seq}: {left} {right}, not the left half");
        }
        assert!(asked.load(Ordering::Relaxed) > 0 && segmenter.report().models_disagree);
        segmenter.reset();
        assert!(!segmenter.report().models_disagree, "another stream");
    }

    #[test]
    fn a_window_has_the_same_person_as_the_whole_frame() {
        let models_dirs = vec![std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("models")];
        let settings = Settings { model: KEYFRAME_MODEL.to_owned(), models_dirs, ..Settings::default() };
        let Some(portrait) = portrait() else { return };
        let mut spec = catalogue::find(&settings).unwrap().clone();
        (spec.width, spec.height) = (384, 256);
        let mut model = match Model::open(&spec, &settings, SIZE) {
            Ok(model) => model,
            #[expect(clippy::print_stderr, reason = "reports a skipped test")]
            Err(error @ MaskError::NoLibrary { .. }) => {
                eprintln!("skipped: {error}");
                return;
            }
            Err(error) => panic!("{error}"),
        };
        model.add_windows(&[288, 256]); // the model only accepts multiples of 64
        let mut run = |span| {
            let mut values = vec![f32::NAN; spec.output_len()];
            model.fill_span(&portrait, span);
            model.run_into(&mut values).unwrap();
            values
        };
        let whole = run(None);
        assert_eq!(run(Some(0.2..0.8)), whole, "no window is wide enough");
        let narrow = run(Some(0.35..0.65));
        let mean = |values: &[f32]| values.iter().sum::<f32>() / values.len() as f32;
        let [person, hair] = [0, 1].map(|plane| mean(&whole[plane * 384 * 256..][..384 * 256]));
        assert!(person > 0.2 && hair > 0.02, "{person} {hair}");
        let (mut inside, mut outside) = (Vec::new(), Vec::new());
        for (narrow, whole) in narrow.chunks_exact(384).zip(whole.chunks_exact(384)) {
            inside.extend((64..320).map(|x| (narrow[x] - whole[x]).abs()));
            outside.extend_from_slice(&narrow[..64]);
            outside.extend_from_slice(&narrow[320..]);
        }
        assert!(outside.iter().all(|&value| value == 0.0));
        assert!(mean(&inside) < 0.03, "{}", mean(&inside));
    }

    #[test]
    fn a_slow_camera_gets_each_result_on_its_own_frame() {
        let Some((mut segmenter, asked)) = open(Quality::High, 1, None) else { return };
        segmenter.rate.is_live = true;
        let (mut mask, start) = (Mask::new(SIZE), Instant::now());
        let mut next = |seq: u64, at_ms: u64, luma: u8| {
            let mut frame = Frame::new(SIZE);
            frame.fill(Yuv { y: luma, u: 120, v: 140 });
            frame.seq = seq;
            frame.captured_at = start + Duration::from_millis(at_ms);
            let of = segmenter.segment(&Arc::new(frame), &mut mask).unwrap().map(|frame| frame.seq);
            (of, halves(&mask).0, segmenter.delay())
        };
        for seq in 0..2 {
            next(seq, 1000 * seq, 90);
        }
        for seq in 2..12 {
            // everything changes from frame to frame, so that each is a keyframe
            let (of, left, delay) = next(seq, 1000 * seq, 60 + 40 * (seq % 3) as u8);
            assert_eq!((of, delay), (Some(seq), 0));
            assert!(left > 0.98, "frame {seq}: {left}");
        }
        assert!(asked.load(Ordering::Relaxed) >= 10);
        assert_eq!(next(12, 11_033, 90).2, 1, "fast again");
    }

    #[test]
    fn a_reset_removes_all_traces_of_the_last_stream() {
        let Some((mut segmenter, asked)) = open(Quality::Balanced, 0, None) else { return };
        let mut mask = Mask::new(SIZE);
        (0..3).for_each(|seq| drop(segmenter.segment(&frame(seq), &mut mask).unwrap()));
        assert!(halves(&mask).0 > 0.98);
        segmenter.reset();
        segmenter.segment(&frame(3), &mut mask).unwrap();
        assert!(halves(&mask).0 < 0.1, "the person of the last stream is gone");
        assert_eq!(asked.load(Ordering::Relaxed), 2, "a new stream begins with a keyframe");
    }

    #[test]
    fn without_keyframes_the_fast_model_runs_alone() {
        let Some((mut segmenter, asked)) = open(Quality::Balanced, 0, None) else { return };
        let mut mask = Mask::new(SIZE);
        segmenter.degrade(crate::mask::MAX_DEGRADE);
        (0..40).for_each(|seq| drop(segmenter.segment(&frame(seq), &mut mask).unwrap()));
        assert_eq!(asked.load(Ordering::Relaxed), 0);
        segmenter.degrade(0);
        // nothing moves, so a changed alpha is held back for a while
        (40..120).for_each(|seq| drop(segmenter.segment(&frame(seq), &mut mask).unwrap()));
        assert!(halves(&mask).0 > 0.98, "keyframes are back");
    }

    #[test]
    fn a_failing_keyframe_model_is_reported_and_disabled() {
        let Some((mut segmenter, _)) = open(Quality::Balanced, 0, Some(0)) else { return };
        let mut mask = Mask::new(SIZE);
        (0..5).for_each(|seq| drop(segmenter.segment(&frame(seq), &mut mask).unwrap()));
        assert_eq!(segmenter.info().quality, Quality::Eco);
        assert!(segmenter.info().missing.as_ref().unwrap().message.contains("left half"));
    }

    #[test]
    fn an_unavailable_processor_falls_back_to_the_cpu_with_a_reason() {
        let settings = Settings { quality: Quality::Eco, processor: Processor::Cuda, ..Settings::default() };
        let Ok(segmenter) = DualModelSegmenter::open(&settings, SIZE) else { return };
        let info = segmenter.info();
        if info.processor == Processor::Cuda {
            return; // this machine has CUDA
        }
        let failure = info.processor_error.as_ref().unwrap();
        assert!(failure.message.contains(" cannot use processor cuda: "), "{failure}");
        assert!(failure.hint.as_ref().unwrap().contains("onnxruntime-gpu"), "{failure:?}");
    }

    #[test]
    fn without_the_keyframe_models_file_it_runs_as_eco_with_a_reason() {
        let settings = Settings { quality: Quality::High, models_dirs: Vec::new(), ..Settings::default() };
        let Ok(segmenter) = DualModelSegmenter::open(&settings, SIZE) else { return };
        let info = segmenter.info();
        assert_eq!((info.quality, segmenter.delay()), (Quality::Eco, 0));
        let missing = info.missing.as_ref().unwrap();
        assert!(missing.message.contains("selfie_multiclass.onnx"), "{missing}");
        assert!(missing.hint.as_ref().unwrap().contains("scripts/models multiclass"));
    }
}
