//! The segmenter: a fast model on every frame, a key model on some, and the matte that joins them.

use std::{sync::Arc, time::Duration};

use super::{
    Effort, MaskError, ModelInfo, Segmenter, Settings,
    catalogue::{self, Output},
    keys::Keys,
    matte::{FAST_HAZE, KEY_HAZE, Matte, Shape, Tuning},
    model::Model,
    quality::{Plan, Quality},
    schedule::Schedule,
};
use crate::{
    error::Failure,
    frame::{Frame, Mask, Size},
};

/// The model of the key frames.
pub(super) const KEY_MODEL: &str = "multiclass";

/// Joins the models for frames of one size.
pub(super) struct TwoRate {
    info: ModelInfo,
    size: Size,
    fast: Model,
    keys: Option<KeyFrames>,
    matte: Matte,
    /// By how many frames masks follow: 0 or 1.
    delay: usize,
    held: Option<Arc<Frame>>,
}

struct KeyFrames {
    keys: Keys,
    schedule: Schedule,
    /// Every frame is one, and its answer is waited for: there is only one picture.
    every: bool,
}

impl TwoRate {
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
        let haze = match info.spec.output {
            Output::Logits => KEY_HAZE,
            _ if is_ours_and_fast(&info) => FAST_HAZE,
            _ => (0.0, 1.0),
        };
        let tuning = Tuning { memory, edge: settings.edge, haze };
        let matte = Matte::new(size, fast.shape(), shape, tuning);
        let delay = if keys.is_some() && effort != Effort::Still { settings.latency.frames(info.quality) } else { 0 };
        Ok(Self { info, size, fast, keys, matte, delay, held: None })
    }

    #[cfg(test)]
    pub(super) fn with_keys(mut self, keys: Keys, schedule: Schedule, delay: usize) -> Self {
        self.keys = Some(KeyFrames { keys, schedule, every: false });
        self.delay = delay;
        self
    }

    /// Takes the key model's answer, if there is one now.
    fn settle(&mut self) {
        let Some(key_frames) = &mut self.keys else { return };
        match key_frames.keys.answer() {
            None => {}
            Some(Ok(alpha)) => self.matte.set_key(alpha),
            Some(Err(error)) => {
                let failure = Failure::from(&error);
                tracing::warn!(hint = failure.hint, "quality {} becomes eco: {failure}", self.info.quality);
                (self.info.quality, self.info.missing) = (Quality::Eco, Some(failure));
                self.keys = None;
                self.matte.forget_key();
            }
        }
    }

    /// Takes in the next frame.
    fn observe(&mut self, frame: &Frame) -> Result<(), MaskError> {
        self.fast.fill(frame);
        self.matte.look(frame, self.fast.run()?);
        let drift = self.matte.carry();
        let Some(key_frames) = &mut self.keys else { return Ok(()) };
        if key_frames.schedule.is_off() {
            self.matte.forget_key();
        }
        let due = key_frames.every || key_frames.schedule.is_due(drift);
        if due && key_frames.keys.is_free() {
            key_frames.schedule.asked();
            self.matte.keep();
            key_frames.keys.ask(frame);
            if key_frames.every {
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
    catalogue::ours().contains(&info.spec) && info.spec.output == Output::Alpha
}

fn open_keys(plan: Plan, settings: &Settings, size: Size) -> Result<(Shape, KeyFrames), Failure> {
    let mut settings = Settings { model: KEY_MODEL.to_owned(), threads: plan.threads, ..settings.clone() };
    let is_still = settings.effort == Effort::Still;
    if is_still {
        settings.threads = 1;
    }
    let mut spec = catalogue::find(&settings).map_err(|error| Failure::from(&error))?.clone();
    // ours takes any size; a user's own of that name only its own
    if catalogue::ours().contains(&spec) {
        (spec.width, spec.height) = plan.input(size, is_still);
    }
    let model = Model::open(&spec, &settings, size).map_err(|error| Failure::from(&error))?;
    let shape = model.shape();
    let keys = Keys::new(Box::new(model), shape.0 * shape.1, settings.effort == Effort::Live)
        .map_err(|error| Failure::new(crate::error::Kind::Io, format!("cannot start a thread: {error}")))?;
    Ok((shape, KeyFrames { keys, schedule: Schedule::new(plan), every: is_still }))
}

impl Segmenter for TwoRate {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn delay(&self) -> usize {
        self.delay
    }

    fn segment(&mut self, frame: &Arc<Frame>, into: &mut Mask) -> Result<Option<Arc<Frame>>, MaskError> {
        for found in [frame.size(), into.size()] {
            if found != self.size {
                return Err(MaskError::Size { expected: self.size, found });
            }
        }
        self.settle();
        if self.delay == 0 {
            self.observe(frame)?;
            self.write(frame, into);
            return Ok(Some(Arc::clone(frame)));
        }
        let ready = self.flush(into);
        self.observe(frame)?;
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
        self.matte.reset();
        if let Some(key_frames) = &mut self.keys {
            key_frames.keys.forget();
            key_frames.schedule.reset();
        }
    }

    fn ease(&mut self, step: u8) {
        if let Some(key_frames) = &mut self.keys {
            key_frames.schedule.ease(step);
        }
    }

    fn key_time(&self) -> Option<Duration> {
        self.keys.as_ref()?.keys.took()
    }
}
