//! The key model at work beside the frames: asked on one, answering on a later one.
//!
//! Live, it runs on a thread of its own, and the model itself travels through two mailboxes with one place each. Over
//! files it runs at once, but its answer is given as late as a live one would come, so that both give the same masks.

use std::{
    fmt,
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::{MaskError, model::Model};
use crate::frame::{
    Frame,
    mailbox::{Latest, Taken},
};

/// What makes alphas of key frames.
pub(crate) trait KeyModel: Send {
    /// Takes in a frame.
    fn fill(&mut self, frame: &Frame);

    /// The alpha of the frame that was taken in.
    fn run(&mut self, alpha: &mut [f32]) -> Result<(), MaskError>;
}

impl KeyModel for Model {
    fn fill(&mut self, frame: &Frame) {
        self.fill(frame);
    }

    fn run(&mut self, alpha: &mut [f32]) -> Result<(), MaskError> {
        self.run_into(alpha)
    }
}

/// The model with the frame that it was asked about and its answer.
struct Job {
    model: Box<dyn KeyModel>,
    alpha: Box<[f32]>,
    result: Result<(), MaskError>,
    took: Duration,
}

impl Job {
    fn run(&mut self) {
        let start = Instant::now();
        self.result = self.model.run(&mut self.alpha);
        self.took = start.elapsed();
    }
}

/// Where it runs.
enum Place {
    Here,
    Apart { asks: Arc<Latest<Job>>, answers: Arc<Latest<Job>>, thread: Option<JoinHandle<()>> },
}

/// The key model and its way there and back.
pub(crate) struct KeyframeWorker {
    /// At home: free, or with an answer that nobody has taken yet.
    job: Option<Job>,
    place: Place,
    asked: bool,
    /// The answer that is under way is of no use any more.
    void: bool,
    took: Option<Duration>,
}

impl fmt::Debug for KeyframeWorker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyframeWorker").field("asked", &self.asked).finish_non_exhaustive()
    }
}

impl KeyframeWorker {
    /// Runs `model`, whose alpha has `length` pixels, when it is asked; `apart` on a thread of its own.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn new(model: Box<dyn KeyModel>, length: usize, apart: bool) -> std::io::Result<Self> {
        let job = Job { model, alpha: vec![0.0; length].into(), result: Ok(()), took: Duration::ZERO };
        let place = if apart { Self::apart()? } else { Place::Here };
        Ok(Self { job: Some(job), place, asked: false, void: false, took: None })
    }

    fn apart() -> std::io::Result<Place> {
        let (asks, answers) = (Arc::new(Latest::<Job>::default()), Arc::new(Latest::default()));
        let (inbox, outbox) = (Arc::clone(&asks), Arc::clone(&answers));
        let body = move || work(&inbox, &outbox);
        let thread = thread::Builder::new().name("bgcam-key".to_owned()).spawn(body)?;
        Ok(Place::Apart { asks, answers, thread: Some(thread) })
    }

    /// Whether it can be asked.
    pub(crate) fn is_free(&self) -> bool {
        !self.asked
    }

    /// Asks for the alpha of `frame`; only while it is free.
    pub(crate) fn ask(&mut self, frame: &Frame) {
        let Some(mut job) = self.job.take() else { return };
        job.model.fill(frame);
        (self.asked, self.void) = (true, false);
        match &self.place {
            Place::Here => {
                job.run();
                self.job = Some(job);
            }
            Place::Apart { asks, .. } => asks.put(job),
        }
    }

    /// The answer, once: the alpha of the frame that was asked about, or why there is none.
    pub(crate) fn answer(&mut self) -> Option<Result<&[f32], MaskError>> {
        if !self.asked {
            return None;
        }
        if let (None, Place::Apart { answers, .. }) = (&self.job, &self.place) {
            self.job = Some(answers.try_take()?);
        }
        let job = self.job.as_mut()?;
        self.asked = false;
        self.took = Some(job.took);
        if std::mem::take(&mut self.void) {
            return None;
        }
        Some(std::mem::replace(&mut job.result, Ok(())).map(|()| &*job.alpha))
    }

    /// Waits for the answer until `deadline`.
    pub(crate) fn wait(&mut self, deadline: Instant) {
        if let (true, None, Place::Apart { answers, .. }) = (self.asked, &self.job, &self.place)
            && let Taken::Value(job) = answers.take(deadline)
        {
            self.job = Some(job);
        }
    }

    /// How long the inference of the last answer took, by the clock.
    pub(crate) fn took(&self) -> Option<Duration> {
        self.took
    }

    /// What was asked is of no interest any more: another stream begins.
    pub(crate) fn forget(&mut self) {
        self.void = self.asked;
    }
}

impl Drop for KeyframeWorker {
    fn drop(&mut self) {
        if let Place::Apart { asks, thread, .. } = &mut self.place {
            asks.close();
            if thread.take().is_some_and(|thread| thread.join().is_err()) {
                tracing::error!("thread bgcam-key panicked");
            }
        }
    }
}

fn work(asks: &Latest<Job>, answers: &Latest<Job>) {
    const LOOK: Duration = Duration::from_secs(3600);
    loop {
        match asks.take(Instant::now() + LOOK) {
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

    /// Answers with the number of the frame; refuses number 13.
    struct Number(u64);

    impl KeyModel for Number {
        fn fill(&mut self, frame: &Frame) {
            self.0 = frame.seq;
        }

        fn run(&mut self, alpha: &mut [f32]) -> Result<(), MaskError> {
            if self.0 == 13 {
                return Err(MaskError::NotFinite { model: "number".into(), count: 1 });
            }
            alpha.fill(self.0 as f32);
            Ok(())
        }
    }

    fn frame(seq: u64) -> Frame {
        let mut frame = Frame::new(Size::new(16, 16).unwrap());
        frame.seq = seq;
        frame
    }

    fn wait(keys: &mut KeyframeWorker) -> Result<f32, MaskError> {
        loop {
            if let Some(answer) = keys.answer() {
                return answer.map(|alpha| alpha[0]);
            }
            thread::yield_now();
        }
    }

    #[test]
    fn it_answers_once_for_the_frame_it_was_asked_about() {
        for apart in [false, true] {
            let mut keys = KeyframeWorker::new(Box::new(Number(0)), 4, apart).unwrap();
            assert!(keys.is_free() && keys.answer().is_none());
            for seq in [7, 8] {
                keys.ask(&frame(seq));
                assert!(!keys.is_free());
                assert_eq!(wait(&mut keys).unwrap(), seq as f32);
                assert!(keys.is_free() && keys.answer().is_none());
            }
        }
    }

    #[test]
    fn an_answer_can_be_waited_for() {
        for apart in [false, true] {
            let mut keys = KeyframeWorker::new(Box::new(Number(0)), 4, apart).unwrap();
            keys.wait(Instant::now());
            keys.ask(&frame(7));
            keys.wait(Instant::now() + Duration::from_secs(60));
            assert_eq!(keys.answer().unwrap().unwrap()[0], 7.0);
        }
    }

    #[test]
    fn a_failure_is_told_and_the_next_question_is_answered() {
        for apart in [false, true] {
            let mut keys = KeyframeWorker::new(Box::new(Number(0)), 4, apart).unwrap();
            keys.ask(&frame(13));
            assert!(wait(&mut keys).is_err());
            keys.ask(&frame(14));
            assert_eq!(wait(&mut keys).unwrap(), 14.0);
        }
    }

    #[test]
    fn an_answer_that_nobody_wants_any_more_is_swallowed() {
        for apart in [false, true] {
            let mut keys = KeyframeWorker::new(Box::new(Number(0)), 4, apart).unwrap();
            keys.ask(&frame(1));
            keys.forget();
            while !keys.is_free() {
                assert!(keys.answer().is_none());
            }
            keys.ask(&frame(2));
            assert_eq!(wait(&mut keys).unwrap(), 2.0);
        }
    }
}
