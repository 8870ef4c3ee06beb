//! Runs the keyframe model in parallel to the frames: the result for one frame arrives during a later one.
//!
//! Live, the model runs on its own thread and is passed back and forth through two mailboxes. For files it runs
//! synchronously, but its answer is delayed as if it ran live, so that both give the same masks.

use std::{
    fmt,
    ops::Range,
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::{MaskError, model::Model};
use crate::frame::{
    Frame,
    mailbox::{Latest, Taken},
};

/// Computes the alpha of keyframes.
pub(crate) trait KeyframeModel: Send {
    /// Loads a frame into the model's input; only the part around `span` (0 to 1, from left to right) is needed.
    fn fill(&mut self, frame: &Frame, span: Option<Range<f32>>);

    /// Computes the alpha of the loaded frame.
    fn run(&mut self, alpha: &mut [f32]) -> Result<(), MaskError>;

    /// Clears state from earlier frames.
    fn reset(&mut self) {}
}

impl KeyframeModel for Model {
    fn fill(&mut self, frame: &Frame, span: Option<Range<f32>>) {
        self.fill_span(frame, span);
    }

    fn run(&mut self, alpha: &mut [f32]) -> Result<(), MaskError> {
        self.run_into(alpha)
    }

    fn reset(&mut self) {
        self.reset();
    }
}

/// The model with its input and its result.
struct Job {
    model: Box<dyn KeyframeModel>,
    alpha: Box<[f32]>,
    result: Result<(), MaskError>,
    duration: Duration,
}

impl Job {
    fn run(&mut self) {
        let start = Instant::now();
        self.result = self.model.run(&mut self.alpha);
        self.duration = start.elapsed();
    }
}

/// How the model runs.
enum Mode {
    Inline,
    Threaded { requests: Arc<Latest<Job>>, answers: Arc<Latest<Job>>, thread: Option<JoinHandle<()>> },
}

/// Runs the keyframe model and collects its results.
pub(crate) struct KeyframeWorker {
    /// The model, while it is idle or its result has not been taken.
    job: Option<Job>,
    mode: Mode,
    pending: bool,
    /// The pending result is to be dropped.
    discarded: bool,
    /// The next request is the first one of another stream.
    is_new_stream: bool,
    last_duration: Option<Duration>,
}

impl fmt::Debug for KeyframeWorker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyframeWorker").field("pending", &self.pending).finish_non_exhaustive()
    }
}

impl KeyframeWorker {
    /// Runs `model`, whose alpha has `length` pixels, on request; on its own thread if `threaded`.
    ///
    /// # Errors
    /// If the thread cannot be started.
    pub(crate) fn new(model: Box<dyn KeyframeModel>, length: usize, threaded: bool) -> std::io::Result<Self> {
        let job = Job { model, alpha: vec![0.0; length].into(), result: Ok(()), duration: Duration::ZERO };
        let mode = if threaded { Self::threaded()? } else { Mode::Inline };
        Ok(Self { job: Some(job), mode, pending: false, discarded: false, is_new_stream: false, last_duration: None })
    }

    fn threaded() -> std::io::Result<Mode> {
        let (requests, answers) = (Arc::new(Latest::<Job>::default()), Arc::new(Latest::default()));
        let (inbox, outbox) = (Arc::clone(&requests), Arc::clone(&answers));
        let body = move || work(&inbox, &outbox);
        let thread = thread::Builder::new().name("bgcam-keyframe".to_owned()).spawn(body)?;
        Ok(Mode::Threaded { requests, answers, thread: Some(thread) })
    }

    /// Whether the next request is possible.
    pub(crate) fn is_free(&self) -> bool {
        !self.pending
    }

    /// Requests the alpha of `frame`, of which only the part around `span` is needed; ignored while another request is
    /// pending.
    pub(crate) fn request(&mut self, frame: &Frame, span: Option<Range<f32>>) {
        let Some(mut job) = self.job.take() else { return };
        if std::mem::take(&mut self.is_new_stream) {
            job.model.reset();
        }
        job.model.fill(frame, span);
        self.pending = true;
        self.discarded = false;
        match &self.mode {
            Mode::Inline => {
                job.run();
                self.job = Some(job);
            }
            Mode::Threaded { requests, .. } => requests.put(job),
        }
    }

    /// Takes the result once it is ready: the alpha of the requested frame, or an error.
    pub(crate) fn take_answer(&mut self) -> Option<Result<&[f32], MaskError>> {
        if !self.pending {
            return None;
        }
        if let (None, Mode::Threaded { answers, .. }) = (&self.job, &self.mode) {
            self.job = Some(answers.try_take()?);
        }
        let job = self.job.as_mut()?;
        self.pending = false;
        self.last_duration = Some(job.duration);
        if std::mem::take(&mut self.discarded) {
            return None;
        }
        Some(std::mem::replace(&mut job.result, Ok(())).map(|()| &*job.alpha))
    }

    /// Waits for the result until `deadline`.
    pub(crate) fn wait(&mut self, deadline: Instant) {
        if let (true, None, Mode::Threaded { answers, .. }) = (self.pending, &self.job, &self.mode)
            && let Taken::Value(job) = answers.take(deadline)
        {
            self.job = Some(job);
        }
    }

    /// The wall time of the last inference.
    pub(crate) fn last_duration(&self) -> Option<Duration> {
        self.last_duration
    }

    /// Drops the pending result and the model's state, because another stream begins.
    pub(crate) fn discard(&mut self) {
        self.is_new_stream = true;
        self.discarded = self.pending;
    }
}

impl Drop for KeyframeWorker {
    fn drop(&mut self) {
        if let Mode::Threaded { requests, thread, .. } = &mut self.mode {
            requests.close();
            if thread.take().is_some_and(|thread| thread.join().is_err()) {
                tracing::error!("thread bgcam-keyframe panicked");
            }
        }
    }
}

fn work(requests: &Latest<Job>, answers: &Latest<Job>) {
    const POLL_INTERVAL: Duration = Duration::from_secs(3600);
    loop {
        match requests.take(Instant::now() + POLL_INTERVAL) {
            Taken::Value(mut job) => {
                job.run();
                answers.put(job);
            }
            Taken::TimedOut => {}
            Taken::Closed => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Size;

    /// Fills the alpha with the frame number; fails on number 13, and returns 0 on the first frame after a reset.
    struct Number(u64, bool);

    impl KeyframeModel for Number {
        fn fill(&mut self, frame: &Frame, _: Option<Range<f32>>) {
            self.0 = frame.seq;
        }

        fn run(&mut self, alpha: &mut [f32]) -> Result<(), MaskError> {
            if self.0 == 13 {
                return Err(MaskError::NotFinite { model: "number".into(), output: "alpha".into(), count: 1 });
            }
            alpha.fill(if std::mem::take(&mut self.1) { 0.0 } else { self.0 as f32 });
            Ok(())
        }

        fn reset(&mut self) {
            self.1 = true;
        }
    }

    fn frame(seq: u64) -> Frame {
        let mut frame = Frame::new(Size::new(16, 16).unwrap());
        frame.seq = seq;
        frame
    }

    fn wait(worker: &mut KeyframeWorker) -> Result<f32, MaskError> {
        loop {
            if let Some(answer) = worker.take_answer() {
                return answer.map(|alpha| alpha[0]);
            }
            thread::yield_now();
        }
    }

    #[test]
    fn it_answers_once_for_the_requested_frame() {
        for threaded in [false, true] {
            let mut worker = KeyframeWorker::new(Box::new(Number(0, false)), 4, threaded).unwrap();
            assert!(worker.is_free() && worker.take_answer().is_none());
            for seq in [7, 8] {
                worker.request(&frame(seq), None);
                assert!(!worker.is_free());
                assert_eq!(wait(&mut worker).unwrap(), seq as f32);
                assert!(worker.is_free() && worker.take_answer().is_none());
            }
        }
    }

    #[test]
    fn a_result_can_be_waited_for() {
        for threaded in [false, true] {
            let mut worker = KeyframeWorker::new(Box::new(Number(0, false)), 4, threaded).unwrap();
            worker.wait(Instant::now());
            worker.request(&frame(7), None);
            worker.wait(Instant::now() + Duration::from_secs(60));
            assert_eq!(worker.take_answer().unwrap().unwrap()[0], 7.0);
        }
    }

    #[test]
    fn a_failure_is_reported_and_the_next_request_succeeds() {
        for threaded in [false, true] {
            let mut worker = KeyframeWorker::new(Box::new(Number(0, false)), 4, threaded).unwrap();
            worker.request(&frame(13), None);
            assert!(wait(&mut worker).is_err());
            worker.request(&frame(14), None);
            assert_eq!(wait(&mut worker).unwrap(), 14.0);
        }
    }

    #[test]
    fn a_discarded_result_is_dropped() {
        for threaded in [false, true] {
            let mut worker = KeyframeWorker::new(Box::new(Number(0, false)), 4, threaded).unwrap();
            worker.request(&frame(1), None);
            worker.discard();
            while !worker.is_free() {
                assert!(worker.take_answer().is_none());
            }
            worker.request(&frame(2), None);
            assert_eq!(wait(&mut worker).unwrap(), 0.0, "the model is reset before the next stream");
            worker.request(&frame(3), None);
            assert_eq!(wait(&mut worker).unwrap(), 3.0);
        }
    }
}
