//! Swaps the active segmenter for another without losing a frame.
//!
//! The new segmenter is opened on its own thread, which takes a few tenths of a second. It then sees the same frames as
//! the active one, with its masks discarded, until its temporal state has settled. The opener thread also frees the
//! segmenter that is replaced.

use std::{
    sync::{
        Arc,
        mpsc::{self, Receiver, Sender, TryRecvError},
    },
    thread::{self, JoinHandle},
};

use crate::pipeline::OpenModel;
use crate::{
    error::{Failure, Kind},
    frame::{Frame, Mask, Size},
    mask::{self, MaskError, Segmenter},
    stats,
};

/// The number of frames a new segmenter sees before it takes over, so that its temporal state settles.
const MIN_WARM_UP: u32 = 8;

/// The number of frames after which it takes over even without a keyframe.
const MAX_WARM_UP: u32 = 30;

/// The outcome of a swap.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The new segmenter is active from the next frame on.
    Swapped,
    /// The new segmenter is not available; the active one stays.
    Failed(Failure),
}

/// The active segmenter, and possibly one that is being prepared.
pub(crate) struct ModelSwap {
    active: Box<dyn Segmenter>,
    next: Option<Next>,
    /// The opener threads that may still run.
    openers: Vec<JoinHandle<()>>,
}

/// A segmenter that is being opened or warmed up.
struct Next {
    opened: Receiver<Result<Box<dyn Segmenter>, MaskError>>,
    /// Passes the segmenter to be freed back to the opener thread.
    retired: Sender<Box<dyn Segmenter>>,
    segmenter: Option<Box<dyn Segmenter>>,
    frames: u32,
    /// Receives its masks, which are discarded.
    mask: Mask,
}

impl ModelSwap {
    pub(crate) fn new(active: Box<dyn Segmenter>) -> Self {
        Self { active, next: None, openers: Vec::new() }
    }

    pub(crate) fn active(&mut self) -> &mut dyn Segmenter {
        &mut *self.active
    }

    /// Whether another segmenter is being prepared.
    pub(crate) fn is_pending(&self) -> bool {
        self.next.is_some()
    }

    /// Starts to open another segmenter.
    ///
    /// # Errors
    /// If a thread cannot be started.
    pub(crate) fn open(&mut self, open: OpenModel, settings: mask::Settings, size: Size) -> Result<(), Failure> {
        self.cancel();
        self.openers.retain(|opener| !opener.is_finished());
        let (ready, opened) = mpsc::channel();
        let (retired, retirees) = mpsc::channel();
        let body = move || {
            if ready.send(open(&settings, size)).is_ok() {
                retirees.into_iter().for_each(drop);
                stats::trim_heap();
            }
        };
        let opener = thread::Builder::new()
            .name("bgcam-open".to_owned())
            .spawn(body)
            .map_err(|error| Failure::new(Kind::Io, format!("cannot start a thread: {error}")))?;
        self.openers.push(opener);
        self.next = Some(Next { opened, retired, segmenter: None, frames: 0, mask: Mask::new(size) });
        Ok(())
    }

    /// Cancels the swap. A segmenter that is still being opened is freed by its opener thread.
    pub(crate) fn cancel(&mut self) {
        let Some(Next { opened, retired, segmenter, .. }) = self.next.take() else { return };
        if let Some(segmenter) = segmenter.or_else(|| opened.try_recv().ok()?.ok()) {
            let _ = retired.send(segmenter); // the opener waits for it
        }
    }

    /// Starts over with a new camera session.
    pub(crate) fn reset(&mut self) {
        self.active.reset();
        if let Some(next) = &mut self.next
            && let Some(segmenter) = &mut next.segmenter
        {
            segmenter.reset();
            next.frames = 0;
        }
    }

    /// Sets whether masks show only the person in front, from the next frame on.
    pub(crate) fn set_nearest_only(&mut self, on: bool) {
        self.active.set_nearest_only(on);
        if let Some(segmenter) = self.next.as_mut().and_then(|next| next.segmenter.as_mut()) {
            segmenter.set_nearest_only(on);
        }
    }

    /// Passes the frame that the active segmenter has just processed to the new one.
    ///
    /// After the swap, the next mask is that of the next frame, or of this one if masks are delayed by a frame.
    pub(crate) fn warm_up(&mut self, frame: &Arc<Frame>) -> Option<Outcome> {
        match self.next.as_mut()?.warm_up(frame) {
            Ok(false) => None,
            Ok(true) => {
                let next = self.next.as_mut()?;
                std::mem::swap(&mut self.active, next.segmenter.as_mut()?);
                self.cancel();
                Some(Outcome::Swapped)
            }
            Err(failure) => {
                self.cancel();
                Some(Outcome::Failed(failure))
            }
        }
    }
}

impl Next {
    /// Returns true once it has seen enough frames to take over.
    fn warm_up(&mut self, frame: &Arc<Frame>) -> Result<bool, Failure> {
        let segmenter = match &mut self.segmenter {
            Some(segmenter) => segmenter,
            None => match self.opened.try_recv() {
                Ok(Ok(segmenter)) => self.segmenter.insert(segmenter),
                Ok(Err(error)) => return Err(Failure::from(error)),
                Err(TryRecvError::Empty) => return Ok(false),
                Err(TryRecvError::Disconnected) => {
                    return Err(Failure::new(Kind::Internal, "thread bgcam-open panicked"));
                }
            },
        };
        if let Some(missing) = &segmenter.info().missing {
            return Err(missing.clone());
        }
        segmenter.segment(frame, &mut self.mask)?;
        self.frames += 1;
        Ok(self.frames >= MAX_WARM_UP || (self.frames >= MIN_WARM_UP && segmenter.keyframe_time().is_some()))
    }
}

impl Drop for ModelSwap {
    /// Waits for the opener threads: nothing may use ONNX Runtime when the process exits.
    fn drop(&mut self) {
        self.cancel();
        for opener in self.openers.drain(..) {
            if opener.join().is_err() {
                tracing::error!("thread bgcam-open panicked");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        path::PathBuf,
        sync::atomic::{AtomicUsize, Ordering},
        time::Duration,
    };

    use super::*;
    use crate::mask::{ModelInfo, ModelLocation, Processor, Quality, catalogue};

    /// The counted fakes that are alive.
    static ALIVE: AtomicUsize = AtomicUsize::new(0);

    /// Writes the number of frames it has seen into each mask; with quality `high`, its masks are delayed by a frame.
    /// Its keyframe model answers on the frame given by the model name.
    struct FakeSegmenter {
        info: ModelInfo,
        held: Option<Arc<Frame>>,
        frames: u8,
        answers: u8,
        is_counted: bool,
    }

    impl Segmenter for FakeSegmenter {
        fn info(&self) -> &ModelInfo {
            &self.info
        }

        fn delay(&self) -> usize {
            usize::from(self.info.quality == Quality::High)
        }

        fn segment(&mut self, frame: &Arc<Frame>, into: &mut Mask) -> Result<Option<Arc<Frame>>, MaskError> {
            self.frames = self.frames.saturating_add(1);
            into.alpha_mut()[0] = self.frames;
            let held = self.held.replace(Arc::clone(frame));
            Ok(if self.delay() == 1 { held } else { Some(Arc::clone(frame)) })
        }

        fn reset(&mut self) {
            self.held = None;
        }

        fn keyframe_time(&self) -> Option<Duration> {
            (self.frames >= self.answers).then_some(Duration::from_millis(9))
        }
    }

    impl Drop for FakeSegmenter {
        fn drop(&mut self) {
            ALIVE.fetch_sub(usize::from(self.is_counted), Ordering::Relaxed);
        }
    }

    fn open(settings: &mask::Settings, _: Size) -> Result<Box<dyn Segmenter>, MaskError> {
        let info = ModelInfo {
            spec: catalogue::bundled()[0].clone(),
            location: ModelLocation::BuiltIn,
            library: PathBuf::new(),
            quality: settings.quality,
            processor: Processor::Cpu,
            processor_error: None,
            missing: (settings.model == "missing").then(|| Failure::new(Kind::Missing, "no key model")),
        };
        let is_counted = settings.model == "counted";
        ALIVE.fetch_add(usize::from(is_counted), Ordering::Relaxed);
        match &*settings.model {
            "refused" => Err(MaskError::NotFinite { model: "fake".into(), output: "alpha".into(), count: 1 }),
            "panics" => panic!("on purpose"),
            answers => {
                let answers = answers.parse().unwrap_or(1);
                Ok(Box::new(FakeSegmenter { info, held: None, frames: 0, answers, is_counted }))
            }
        }
    }

    const SIZE: Size = Size::HD;

    fn settings(model: &str, quality: Quality) -> mask::Settings {
        mask::Settings { model: model.to_owned(), quality, ..mask::Settings::default() }
    }

    fn swap(quality: Quality) -> ModelSwap {
        ModelSwap::new(open(&settings("1", quality), SIZE).unwrap())
    }

    /// A model swap with the frames passed through it.
    struct Stream {
        swap: ModelSwap,
        mask: Mask,
        seq: u64,
    }

    impl Stream {
        fn new(quality: Quality) -> Self {
            Self { swap: swap(quality), mask: Mask::new(SIZE), seq: 0 }
        }

        /// Passes one more frame; returns its number, the number of the frame of the returned mask, and the outcome, if
        /// any.
        fn frame(&mut self) -> (u64, Option<u64>, Option<Outcome>) {
            let mut frame = Frame::new(SIZE);
            self.seq += 1;
            frame.seq = self.seq;
            let frame = Arc::new(frame);
            let ready = self.swap.active().segment(&frame, &mut self.mask).unwrap();
            let outcome = self.swap.warm_up(&frame);
            (self.seq, ready.map(|ready| ready.seq), outcome)
        }

        /// Passes frames until there is an outcome.
        fn until_outcome(&mut self) -> Outcome {
            loop {
                if let (.., Some(outcome)) = self.frame() {
                    return outcome;
                }
                thread::yield_now();
            }
        }

        fn change(&mut self, model: &str, quality: Quality) -> Outcome {
            self.swap.open(open, settings(model, quality), SIZE).unwrap();
            self.until_outcome()
        }
    }

    #[test]
    fn every_mask_belongs_to_its_frame_during_a_swap() {
        let mut stream = Stream::new(Quality::Balanced);
        for quality in [Quality::High, Quality::Balanced, Quality::High] {
            stream.swap.open(open, settings("3", quality), SIZE).unwrap();
            let mut left = 10;
            while left > 0 {
                let delay = stream.swap.active().delay() as u64;
                let (seq, of, outcome) = stream.frame();
                assert_eq!(of.map(|of| of + delay), Some(seq), "{quality}");
                assert!(!matches!(outcome, Some(Outcome::Failed(_))), "{outcome:?}");
                left -= u64::from(!stream.swap.is_pending());
                thread::yield_now();
            }
            assert_eq!(stream.swap.active().info().quality, quality);
        }
    }

    #[test]
    fn the_new_segmenter_takes_over_once_it_has_settled() {
        for (answers, expected) in [(1, MIN_WARM_UP), (12, 12), (200, MAX_WARM_UP)] {
            let mut stream = Stream::new(Quality::Balanced);
            assert!(matches!(stream.change(&answers.to_string(), Quality::Balanced), Outcome::Swapped));
            stream.frame();
            assert_eq!(u32::from(stream.mask.alpha()[0]), expected + 1, "answers on frame {answers}");
        }
    }

    #[test]
    fn a_new_session_restarts_the_warm_up() {
        let mut stream = Stream::new(Quality::Balanced);
        stream.swap.open(open, settings("1", Quality::High), SIZE).unwrap();
        while stream.swap.next.as_ref().is_some_and(|next| next.frames < MIN_WARM_UP - 1) {
            stream.frame();
        }
        stream.swap.reset();
        assert!((1..MIN_WARM_UP).all(|_| stream.frame().2.is_none()));
        assert!(matches!(stream.frame().2, Some(Outcome::Swapped)));
    }

    #[test]
    fn a_segmenter_that_cannot_be_opened_leaves_the_active_one() {
        for (model, why) in [("refused", "infinite or NaN"), ("missing", "no key model"), ("panics", "panicked")] {
            let mut stream = Stream::new(Quality::Balanced);
            match stream.change(model, Quality::High) {
                Outcome::Failed(failure) => assert!(failure.message.contains(why), "{failure}"),
                Outcome::Swapped => panic!("{model} took over"),
            }
            assert!(!stream.swap.is_pending());
            assert_eq!(stream.swap.active().info().quality, Quality::Balanced);
        }
    }

    #[test]
    fn no_segmenter_leaks() {
        let counted = |quality| settings("counted", quality);
        for frames in [0, 3, 20] {
            let mut stream = Stream::new(Quality::Balanced);
            for quality in [Quality::High, Quality::Balanced, Quality::High] {
                stream.swap.open(open, counted(quality), SIZE).unwrap();
                (0..frames).for_each(|_| drop(stream.frame()));
            }
            stream.swap.cancel();
            stream.swap.open(open, counted(Quality::Balanced), SIZE).unwrap();
            drop(stream);
            assert_eq!(ALIVE.load(Ordering::Relaxed), 0, "after {frames} frames");
        }
    }
}
