//! The segmenter at work, and the one that may take its place without a frame being lost.
//!
//! The other one is opened on a thread of its own, because that takes some tenths of a second. Then it sees what the one
//! at work sees, and its masks are thrown away, until it knows the picture as well. That thread also frees the one that
//! leaves.

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
    mask::{MaskError, Segmenter, Settings},
    stats,
};

/// Frames that the next one sees at least before it takes over: its memory settles.
const FEWEST: u32 = 8;

/// Frames that are waited for its first key frame at most.
const MOST: u32 = 30;

/// What came of opening another segmenter.
#[derive(Debug)]
pub(crate) enum News {
    /// It is at work from the next frame on.
    TookOver,
    /// There is none; the one at work stays.
    Failed(Failure),
}

/// One at work, and maybe another that makes itself ready.
pub(crate) struct Relay {
    at_work: Box<dyn Segmenter>,
    next: Option<Next>,
    /// All that were started and may not have ended.
    helpers: Vec<JoinHandle<()>>,
}

/// One that is being opened, or sees its first frames.
struct Next {
    opened: Receiver<Result<Box<dyn Segmenter>, MaskError>>,
    /// The way of the one that leaves.
    leaves: Sender<Box<dyn Segmenter>>,
    segmenter: Option<Box<dyn Segmenter>>,
    seen: u32,
    /// Its masks, which nobody looks at.
    mask: Mask,
}

impl Relay {
    pub(crate) fn new(at_work: Box<dyn Segmenter>) -> Self {
        Self { at_work, next: None, helpers: Vec::new() }
    }

    pub(crate) fn at_work(&mut self) -> &mut dyn Segmenter {
        &mut *self.at_work
    }

    /// Whether another one makes itself ready.
    pub(crate) fn is_changing(&self) -> bool {
        self.next.is_some()
    }

    /// Begins to open another segmenter.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn open(&mut self, open: OpenModel, settings: Settings, size: Size) -> Result<(), Failure> {
        self.cancel();
        self.helpers.retain(|helper| !helper.is_finished());
        let (ready, opened) = mpsc::channel();
        let (leaves, left) = mpsc::channel();
        let body = move || {
            if ready.send(open(&settings, size)).is_ok() {
                left.into_iter().for_each(drop);
                stats::trim_heap();
            }
        };
        let helper = thread::Builder::new()
            .name("bgcam-open".to_owned())
            .spawn(body)
            .map_err(|error| Failure::new(Kind::Io, format!("cannot start a thread: {error}")))?;
        self.helpers.push(helper);
        self.next = Some(Next { opened, leaves, segmenter: None, seen: 0, mask: Mask::new(size) });
        Ok(())
    }

    /// Thinks better of it. What is still being opened is dropped over there as soon as it is open.
    pub(crate) fn cancel(&mut self) {
        let Some(Next { opened, leaves, segmenter, .. }) = self.next.take() else { return };
        if let Some(segmenter) = segmenter.or_else(|| opened.try_recv().ok()?.ok()) {
            let _ = leaves.send(segmenter); // the helper waits for it
        }
    }

    /// Another stream begins.
    pub(crate) fn reset(&mut self) {
        self.at_work.reset();
        if let Some(next) = &mut self.next
            && let Some(segmenter) = &mut next.segmenter
        {
            segmenter.reset();
            next.seen = 0;
        }
    }

    /// Shows only the person in front from the next frame on, or all.
    pub(crate) fn show_nearest_only(&mut self, on: bool) {
        self.at_work.show_nearest_only(on);
        if let Some(segmenter) = self.next.as_mut().and_then(|next| next.segmenter.as_mut()) {
            segmenter.show_nearest_only(on);
        }
    }

    /// Lets the next one see the frame that the one at work has just had.
    ///
    /// When it takes over, its next mask is of the next frame, or of this one where its masks follow by a frame.
    pub(crate) fn follow(&mut self, frame: &Arc<Frame>) -> Option<News> {
        match self.next.as_mut()?.follow(frame) {
            Ok(false) => None,
            Ok(true) => {
                let next = self.next.as_mut()?;
                std::mem::swap(&mut self.at_work, next.segmenter.as_mut()?);
                self.cancel();
                Some(News::TookOver)
            }
            Err(failure) => {
                self.cancel();
                Some(News::Failed(failure))
            }
        }
    }
}

impl Next {
    /// True when it has seen enough to take over.
    fn follow(&mut self, frame: &Arc<Frame>) -> Result<bool, Failure> {
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
        self.seen += 1;
        Ok(self.seen >= MOST || (self.seen >= FEWEST && segmenter.key_time().is_some()))
    }
}

impl Drop for Relay {
    /// Waits for what is being opened: at the end of the program nothing may be at work in ONNX Runtime.
    fn drop(&mut self) {
        self.cancel();
        for helper in self.helpers.drain(..) {
            if helper.join().is_err() {
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
    use crate::mask::{ModelInfo, Place, Processor, Quality, catalogue};

    /// Twins that are alive in the test that counts them.
    static ALIVE: AtomicUsize = AtomicUsize::new(0);

    /// Counts in each mask the frames that it has seen; in `high` its masks follow by a frame. Its key model answers on
    /// the frame that the settings' model is called by.
    struct Twin {
        info: ModelInfo,
        held: Option<Arc<Frame>>,
        seen: u8,
        answers: u8,
        is_counted: bool,
    }

    impl Segmenter for Twin {
        fn info(&self) -> &ModelInfo {
            &self.info
        }

        fn delay(&self) -> usize {
            usize::from(self.info.quality == Quality::High)
        }

        fn segment(&mut self, frame: &Arc<Frame>, into: &mut Mask) -> Result<Option<Arc<Frame>>, MaskError> {
            self.seen = self.seen.saturating_add(1);
            into.alpha_mut()[0] = self.seen;
            let held = self.held.replace(Arc::clone(frame));
            Ok(if self.delay() == 1 { held } else { Some(Arc::clone(frame)) })
        }

        fn reset(&mut self) {
            self.held = None;
        }

        fn key_time(&self) -> Option<Duration> {
            (self.seen >= self.answers).then_some(Duration::from_millis(9))
        }
    }

    impl Drop for Twin {
        fn drop(&mut self) {
            ALIVE.fetch_sub(usize::from(self.is_counted), Ordering::Relaxed);
        }
    }

    fn open(settings: &Settings, _: Size) -> Result<Box<dyn Segmenter>, MaskError> {
        let info = ModelInfo {
            spec: catalogue::ours()[0].clone(),
            place: Place::BuiltIn,
            library: PathBuf::new(),
            quality: settings.quality,
            processor: Processor::Cpu,
            processor_error: None,
            missing: (settings.model == "missing").then(|| Failure::new(Kind::Missing, "no key model")),
        };
        let is_counted = settings.model == "counted";
        ALIVE.fetch_add(usize::from(is_counted), Ordering::Relaxed);
        match &*settings.model {
            "refused" => Err(MaskError::NotFinite { model: "twin".into(), count: 1 }),
            "panics" => panic!("as it should"),
            answers => {
                let answers = answers.parse().unwrap_or(1);
                Ok(Box::new(Twin { info, held: None, seen: 0, answers, is_counted }))
            }
        }
    }

    const SIZE: Size = Size::HD;

    fn settings(model: &str, quality: Quality) -> Settings {
        Settings { model: model.to_owned(), quality, ..Settings::default() }
    }

    fn relay(quality: Quality) -> Relay {
        Relay::new(open(&settings("1", quality), SIZE).unwrap())
    }

    /// A relay with the frames that go through it.
    struct Stream {
        relay: Relay,
        mask: Mask,
        seq: u64,
    }

    impl Stream {
        fn new(quality: Quality) -> Self {
            Self { relay: relay(quality), mask: Mask::new(SIZE), seq: 0 }
        }

        /// One more frame: its number, that of the frame whose mask comes out, and what is new.
        fn frame(&mut self) -> (u64, Option<u64>, Option<News>) {
            let mut frame = Frame::new(SIZE);
            self.seq += 1;
            frame.seq = self.seq;
            let frame = Arc::new(frame);
            let ready = self.relay.at_work().segment(&frame, &mut self.mask).unwrap();
            let news = self.relay.follow(&frame);
            (self.seq, ready.map(|ready| ready.seq), news)
        }

        /// Frames until there is news.
        fn until_news(&mut self) -> News {
            loop {
                if let (.., Some(news)) = self.frame() {
                    return news;
                }
                thread::yield_now();
            }
        }

        fn change(&mut self, model: &str, quality: Quality) -> News {
            self.relay.open(open, settings(model, quality), SIZE).unwrap();
            self.until_news()
        }
    }

    #[test]
    fn each_mask_meets_its_frame_also_around_a_change() {
        let mut stream = Stream::new(Quality::Balanced);
        for quality in [Quality::High, Quality::Balanced, Quality::High] {
            stream.relay.open(open, settings("3", quality), SIZE).unwrap();
            let mut left = 10;
            while left > 0 {
                let delay = stream.relay.at_work().delay() as u64;
                let (seq, of, news) = stream.frame();
                assert_eq!(of.map(|of| of + delay), Some(seq), "{quality}");
                assert!(!matches!(news, Some(News::Failed(_))), "{news:?}");
                left -= u64::from(!stream.relay.is_changing());
                thread::yield_now();
            }
            assert_eq!(stream.relay.at_work().info().quality, quality);
        }
    }

    #[test]
    fn it_takes_over_when_it_knows_the_picture() {
        for (answers, expected) in [(1, FEWEST), (12, 12), (200, MOST)] {
            let mut stream = Stream::new(Quality::Balanced);
            assert!(matches!(stream.change(&answers.to_string(), Quality::Balanced), News::TookOver));
            stream.frame();
            assert_eq!(u32::from(stream.mask.alpha()[0]), expected + 1, "its answer comes on frame {answers}");
        }
    }

    #[test]
    fn another_stream_begins_its_time_anew() {
        let mut stream = Stream::new(Quality::Balanced);
        stream.relay.open(open, settings("1", Quality::High), SIZE).unwrap();
        while stream.relay.next.as_ref().is_some_and(|next| next.seen < FEWEST - 1) {
            stream.frame();
        }
        stream.relay.reset();
        assert!((1..FEWEST).all(|_| stream.frame().2.is_none()));
        assert!(matches!(stream.frame().2, Some(News::TookOver)));
    }

    #[test]
    fn what_can_not_be_opened_leaves_the_one_at_work() {
        for (model, why) in [("refused", "not finite"), ("missing", "no key model"), ("panics", "panicked")] {
            let mut stream = Stream::new(Quality::Balanced);
            match stream.change(model, Quality::High) {
                News::Failed(failure) => assert!(failure.message.contains(why), "{failure}"),
                News::TookOver => panic!("{model} took over"),
            }
            assert!(!stream.relay.is_changing());
            assert_eq!(stream.relay.at_work().info().quality, Quality::Balanced);
        }
    }

    #[test]
    fn nothing_that_was_opened_is_left_behind() {
        let counted = |quality| settings("counted", quality);
        for frames in [0, 3, 20] {
            let mut stream = Stream::new(Quality::Balanced);
            for quality in [Quality::High, Quality::Balanced, Quality::High] {
                stream.relay.open(open, counted(quality), SIZE).unwrap();
                (0..frames).for_each(|_| drop(stream.frame()));
            }
            stream.relay.cancel();
            stream.relay.open(open, counted(Quality::Balanced), SIZE).unwrap();
            drop(stream);
            assert_eq!(ALIVE.load(Ordering::Relaxed), 0, "after {frames} frames");
        }
    }
}
