//! The segmenter: a fast model on every frame, a key model on some, and the matte that joins them.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    Effort, MaskError, ModelInfo, Report, Segmenter, Settings,
    catalogue::{self, Output},
    keyframes::KeyframeWorker,
    matte::{FAST_LEVELS, KEY_LEVELS, Matte, Shape, Tuning},
    model::Model,
    quality::{Plan, Quality},
    schedule::Schedule,
};
use crate::{
    error::Failure,
    frame::{Frame, Mask, Size},
    stats::thread_time,
};

/// The model of the key frames.
pub const KEY_MODEL: &str = "multiclass";

/// 30ths of a second from frame to frame from which on a camera is slow: an answer on the next frame would be late, but
/// there is time to wait for it on its own.
const SLOW: u8 = 6;

/// Frames in a row that have to be that far apart, so that a single late frame changes nothing.
const SLOW_FRAMES: u8 = 2;

/// The share of the time from frame to frame that may be spent on waiting.
const WAIT: f32 = 0.3;

/// Joins the models for frames of one size.
pub(super) struct DualModelSegmenter {
    info: ModelInfo,
    size: Size,
    fast: Model,
    keys: Option<KeyFrames>,
    matte: Matte,
    /// By how many frames masks follow: 0 or 1.
    delay: usize,
    held: Option<Arc<Frame>>,
    clock: Clock,
    /// CPU time of the fast model.
    spent: Duration,
}

/// Measures how fast frames come.
struct Clock {
    /// Files are read faster than they play.
    is_live: bool,
    last: Option<Instant>,
    /// Slow frames in a row.
    slow: u8,
}

impl Clock {
    /// 30ths of a second from the frame before to this one, 1 to 60.
    fn ticks(&mut self, captured_at: Instant) -> u8 {
        let last = self.last.replace(captured_at).filter(|_| self.is_live);
        let elapsed = last.map_or(Duration::ZERO, |last| captured_at.saturating_duration_since(last));
        let ticks = (elapsed.as_secs_f32() * 30.0).round().clamp(1.0, 60.0) as u8;
        self.slow = if ticks >= SLOW { self.slow.saturating_add(1) } else { 0 };
        ticks
    }

    fn is_slow(&self) -> bool {
        self.slow >= SLOW_FRAMES
    }
}

struct KeyFrames {
    keys: KeyframeWorker,
    schedule: Schedule,
    /// Every frame is one, and its answer is waited for: there is only one picture.
    every: bool,
}

impl DualModelSegmenter {
    /// Opens the models that `settings` name; without the key model it says so and runs as [`Quality::Eco`].
    ///
    /// # Errors
    /// When the fast model can't be run.
    pub(super) fn open(settings: &Settings, size: Size) -> Result<Self, MaskError> {
        let fast = Model::open(catalogue::find(settings)?, settings, size)?;
        let mut info = ModelInfo { quality: Quality::Eco, missing: None, ..fast.info.clone() };
        // a model of the user's own choice, or one that is as good as the key frames, stands alone
        let plan = if is_ours_and_fast(&info) { settings.quality.plan() } else { None };
        let opened = plan.map(|plan| open_keys(plan, settings, size));
        let (mut shape, mut keys) = (None, None);
        match opened {
            Some(Ok((found, key_frames))) => {
                (shape, keys) = (Some(found), Some(key_frames));
                info.quality = settings.quality;
            }
            Some(Err(failure)) => {
                tracing::warn!(hint = failure.hint, "quality {} becomes eco: {failure}", settings.quality);
                info.missing = Some(failure);
            }
            None => {}
        }
        let effort = settings.effort;
        let memory = if effort == Effort::Still { 0.0 } else { settings.memory };
        let levels = if is_ours_and_fast(&info) {
            FAST_LEVELS
        } else if catalogue::is_ours(&info.spec) || info.spec.output == Output::Logits {
            KEY_LEVELS
        } else {
            (0.0, 1.0)
        };
        let is_stream = effort != Effort::Still;
        let tuning = Tuning { memory, edge: settings.edge, levels, trusts_key: false, is_stream };
        let matte = Matte::new(size, fast.shape(), shape, tuning);
        let delay = if keys.is_some() && effort != Effort::Still { settings.latency.frames(info.quality) } else { 0 };
        let clock = Clock { is_live: effort == Effort::Live, last: None, slow: 0 };
        Ok(Self { info, size, fast, keys, matte, delay, held: None, clock, spent: Duration::ZERO })
    }

    /// Takes the key model's answer, if there is one now.
    fn settle(&mut self) {
        let Some(key_frames) = &mut self.keys else { return };
        match key_frames.keys.answer() {
            None => {}
            Some(Ok(alpha)) => self.matte.set_key(alpha),
            Some(Err(error)) => {
                let failure = Failure::from(error);
                tracing::warn!(hint = failure.hint, "quality {} becomes eco: {failure}", self.info.quality);
                (self.info.quality, self.info.missing) = (Quality::Eco, Some(failure));
                self.keys = None;
                self.matte.forget_key();
            }
        }
    }

    /// Takes in the next frame.
    fn observe(&mut self, frame: &Frame, ticks: u8) -> Result<(), MaskError> {
        if self.matte.look(frame, ticks) {
            let start = thread_time();
            self.fast.fill(frame);
            self.matte.set_fast(self.fast.run()?);
            self.spent += thread_time().saturating_sub(start);
        }
        let drift = self.matte.carry();
        let Some(key_frames) = &mut self.keys else { return Ok(()) };
        if key_frames.schedule.is_off() {
            self.matte.forget_key();
        }
        let due = key_frames.every || key_frames.schedule.is_due(drift, ticks);
        if due && key_frames.keys.is_free() {
            key_frames.schedule.asked();
            self.matte.keep();
            key_frames.keys.ask(frame);
            let is_slow = self.clock.is_slow();
            if is_slow {
                key_frames.keys.wait(Instant::now() + Duration::from_secs_f32(f32::from(ticks) / 30.0 * WAIT));
            }
            if key_frames.every || is_slow {
                self.settle();
            }
        }
        Ok(())
    }

    fn write(&mut self, frame: &Frame, into: &mut Mask) {
        self.matte.finish(frame, into.alpha_mut());
        (into.seq, into.captured_at) = (frame.seq, frame.captured_at);
    }
}

fn is_ours_and_fast(info: &ModelInfo) -> bool {
    catalogue::is_ours(&info.spec) && info.spec.name != KEY_MODEL
}

fn open_keys(plan: Plan, settings: &Settings, size: Size) -> Result<(Shape, KeyFrames), Failure> {
    let mut settings = Settings { model: KEY_MODEL.to_owned(), threads: plan.threads, ..settings.clone() };
    let is_still = settings.effort == Effort::Still;
    if is_still {
        settings.threads = 1;
    }
    let mut spec = catalogue::find(&settings)?.clone();
    // ours takes any size; a user's own of that name only its own
    if catalogue::is_ours(&spec) {
        (spec.width, spec.height) = plan.input(size, is_still);
    }
    let model = Model::open(&spec, &settings, size)?;
    let shape = model.shape();
    let keys = KeyframeWorker::new(Box::new(model), shape.0 * shape.1, settings.effort == Effort::Live)
        .map_err(|error| Failure::new(crate::error::Kind::Io, format!("cannot start a thread: {error}")))?;
    Ok((shape, KeyFrames { keys, schedule: Schedule::new(plan), every: is_still }))
}

impl Segmenter for DualModelSegmenter {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn delay(&self) -> usize {
        if self.clock.is_slow() { 0 } else { self.delay }
    }

    fn segment(&mut self, frame: &Arc<Frame>, into: &mut Mask) -> Result<Option<Arc<Frame>>, MaskError> {
        for found in [frame.size(), into.size()] {
            if found != self.size {
                return Err(MaskError::Size { expected: self.size, found });
            }
        }
        self.settle();
        let ticks = self.clock.ticks(frame.captured_at);
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
        (self.clock.last, self.clock.slow) = (None, 0);
        self.matte.reset();
        if let Some(key_frames) = &mut self.keys {
            key_frames.keys.forget();
            key_frames.schedule.reset();
        }
    }

    fn degrade(&mut self, step: u8) {
        if let Some(key_frames) = &mut self.keys {
            key_frames.schedule.degrade(step);
        }
    }

    fn set_nearest_only(&mut self, on: bool) {
        self.matte.set_nearest_only(on);
    }

    fn report(&self) -> Report {
        Report {
            models_disagree: self.keys.is_some() && self.matte.rejects_key(),
            others_visible: self.matte.shows_others(),
        }
    }

    fn model_time(&self) -> Duration {
        self.spent
    }

    fn keyframe_time(&self) -> Option<Duration> {
        self.keys.as_ref()?.keys.took()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::{
        frame::Yuv,
        mask::{Processor, keyframes::KeyModel},
    };

    const SIZE: Size = Size::HD;

    /// Finds a person in the left half of every picture; refuses when its count is at `refuses`.
    struct LeftHalf {
        width: usize,
        asked: Arc<AtomicUsize>,
        refuses: Option<usize>,
    }

    impl KeyModel for LeftHalf {
        fn fill(&mut self, _: &Frame) {}

        fn run(&mut self, alpha: &mut [f32]) -> Result<(), MaskError> {
            if Some(self.asked.fetch_add(1, Ordering::Relaxed)) == self.refuses {
                return Err(MaskError::NotFinite { model: "left half".into(), count: 1 });
            }
            let width = self.width;
            alpha.iter_mut().enumerate().for_each(|(at, alpha)| *alpha = f32::from(u8::from(at % width < width / 2)));
            Ok(())
        }
    }

    /// A segmenter whose key model is a twin; none, and a word, where the library is not installed.
    fn open(quality: Quality, delay: usize, refuses: Option<usize>) -> Option<(DualModelSegmenter, Arc<AtomicUsize>)> {
        let settings = Settings { quality: Quality::Eco, effort: Effort::File, ..Settings::default() };
        let mut segmenter = match DualModelSegmenter::open(&settings, SIZE) {
            Ok(segmenter) => segmenter,
            #[expect(clippy::print_stderr, reason = "the word of a skipped test")]
            Err(error) => {
                eprintln!("skipped: {error}");
                return None;
            }
        };
        let asked = Arc::new(AtomicUsize::new(0));
        let shape = segmenter.fast.shape();
        let twin = LeftHalf { width: shape.0, asked: Arc::clone(&asked), refuses };
        let keys = KeyframeWorker::new(Box::new(twin), shape.0 * shape.1, false).unwrap();
        // the fast model, which is no twin, sees nobody in these frames
        let tuning =
            Tuning { memory: 0.9, edge: settings.edge, levels: FAST_LEVELS, trusts_key: true, is_stream: true };
        segmenter.matte = Matte::new(SIZE, shape, Some(shape), tuning);
        let schedule = Schedule::new(quality.plan().unwrap());
        segmenter.keys = Some(KeyFrames { keys, schedule, every: false });
        (segmenter.info.quality, segmenter.delay) = (quality, delay);
        Some((segmenter, asked))
    }

    fn frame(seq: u64) -> Arc<Frame> {
        let mut frame = Frame::new(SIZE);
        frame.fill(Yuv { y: 90, u: 120, v: 140 });
        frame.seq = seq;
        Arc::new(frame)
    }

    /// The share of the person in the left and in the right half.
    fn halves(mask: &Mask) -> (f32, f32) {
        let width = SIZE.width();
        let share = |half: usize| {
            let rows = mask.alpha().chunks_exact(width).map(|row| &row[half * width / 2..][..width / 2]);
            rows.flatten().map(|&alpha| f32::from(alpha)).sum::<f32>() / (255.0 * SIZE.luma_len() as f32 / 2.0)
        };
        (share(0), share(1))
    }

    #[test]
    fn the_answer_is_used_a_frame_later() {
        let Some((mut segmenter, asked)) = open(Quality::Balanced, 0, None) else { return };
        let mut mask = Mask::new(SIZE);
        segmenter.segment(&frame(0), &mut mask).unwrap();
        assert!(halves(&mask).0 < 0.1, "nobody has answered yet, and the fast model sees nobody");
        for seq in 1..20 {
            let of = segmenter.segment(&frame(seq), &mut mask).unwrap().unwrap();
            assert_eq!((of.seq, mask.seq), (seq, seq));
            let (left, right) = halves(&mask);
            assert!(left > 0.98 && right < 0.02, "{left} {right}");
        }
        assert_eq!(asked.load(Ordering::Relaxed), 1, "nothing moved");
    }

    #[test]
    fn where_masks_follow_the_answer_is_used_on_its_own_frame() {
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
    fn a_slow_camera_gets_each_answer_on_its_own_frame() {
        let Some((mut segmenter, asked)) = open(Quality::High, 1, None) else { return };
        segmenter.clock.is_live = true;
        let (mut mask, start) = (Mask::new(SIZE), Instant::now());
        let mut next = |seq: u64, at_ms: u64, luma: u8| {
            let mut frame = Frame::new(SIZE);
            frame.fill(Yuv { y: luma, u: 120, v: 140 });
            (frame.seq, frame.captured_at) = (seq, start + Duration::from_millis(at_ms));
            let of = segmenter.segment(&Arc::new(frame), &mut mask).unwrap().map(|frame| frame.seq);
            (of, halves(&mask).0, segmenter.delay())
        };
        for seq in 0..2 {
            next(seq, 1000 * seq, 90);
        }
        for seq in 2..12 {
            // everything changes from frame to frame, so that each is a key frame
            let (of, left, delay) = next(seq, 1000 * seq, 60 + 40 * (seq % 3) as u8);
            assert_eq!((of, delay), (Some(seq), 0));
            assert!(left > 0.98, "frame {seq}: {left}");
        }
        assert!(asked.load(Ordering::Relaxed) >= 10);
        assert_eq!(next(12, 11_033, 90).2, 1, "fast again");
    }

    #[test]
    fn another_stream_sees_nothing_of_the_last() {
        let Some((mut segmenter, asked)) = open(Quality::Balanced, 0, None) else { return };
        let mut mask = Mask::new(SIZE);
        (0..3).for_each(|seq| drop(segmenter.segment(&frame(seq), &mut mask).unwrap()));
        assert!(halves(&mask).0 > 0.98);
        segmenter.reset();
        segmenter.segment(&frame(3), &mut mask).unwrap();
        assert!(halves(&mask).0 < 0.1, "the person of the last stream is gone");
        assert_eq!(asked.load(Ordering::Relaxed), 2, "a new stream begins with a key frame");
    }

    #[test]
    fn without_key_frames_the_fast_model_goes_on_alone() {
        let Some((mut segmenter, asked)) = open(Quality::Balanced, 0, None) else { return };
        let mut mask = Mask::new(SIZE);
        segmenter.degrade(crate::mask::MAX_DEGRADE);
        (0..40).for_each(|seq| drop(segmenter.segment(&frame(seq), &mut mask).unwrap()));
        assert_eq!(asked.load(Ordering::Relaxed), 0);
        segmenter.degrade(0);
        // nothing moves, so it takes a while until what they say is believed
        (40..120).for_each(|seq| drop(segmenter.segment(&frame(seq), &mut mask).unwrap()));
        assert!(halves(&mask).0 > 0.98, "and the key frames come back");
    }

    #[test]
    fn a_key_model_that_fails_is_said_and_left_out() {
        let Some((mut segmenter, _)) = open(Quality::Balanced, 0, Some(0)) else { return };
        let mut mask = Mask::new(SIZE);
        (0..5).for_each(|seq| drop(segmenter.segment(&frame(seq), &mut mask).unwrap()));
        assert_eq!(segmenter.info().quality, Quality::Eco);
        assert!(segmenter.info().missing.as_ref().unwrap().message.contains("left half"));
    }

    #[test]
    fn what_the_library_has_no_processor_for_runs_on_the_cpu_and_says_why() {
        let settings = Settings { quality: Quality::Eco, processor: Processor::Cuda, ..Settings::default() };
        let Ok(segmenter) = DualModelSegmenter::open(&settings, SIZE) else { return };
        let info = segmenter.info();
        if info.processor == Processor::Cuda {
            return; // a machine that can
        }
        let failure = info.processor_error.as_ref().unwrap();
        assert!(failure.message.starts_with("processor cuda can't be used by "), "{failure}");
        assert!(failure.hint.as_ref().unwrap().contains("onnxruntime-gpu"), "{failure:?}");
    }

    #[test]
    fn without_the_file_of_the_key_model_it_runs_as_eco_and_says_why() {
        let settings = Settings { quality: Quality::High, models_dirs: Vec::new(), ..Settings::default() };
        let Ok(segmenter) = DualModelSegmenter::open(&settings, SIZE) else { return };
        let info = segmenter.info();
        assert_eq!((info.quality, segmenter.delay()), (Quality::Eco, 0));
        let missing = info.missing.as_ref().unwrap();
        assert!(missing.message.contains("selfie_multiclass.onnx"), "{missing}");
        assert!(missing.hint.as_ref().unwrap().contains("scripts/models multiclass"));
    }
}
