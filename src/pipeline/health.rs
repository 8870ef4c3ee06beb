//! The state of the camera and the model, as `status` reports it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::{
    camera::SourceInfo,
    error::Failure,
    mask::{self, ModelInfo, Quality},
};

/// The state of the camera and the model. It changes only when one of them is opened or fails.
#[derive(Debug, Default, Clone)]
pub struct StageHealth {
    /// The open camera.
    pub source: Option<SourceInfo>,
    /// Why no camera is open.
    pub camera_failure: Option<Failure>,
    /// The program that uses the camera, if that is the reason.
    pub camera_holder: Option<String>,
    /// Whether the camera has delivered a frame since it was chosen.
    pub had_camera: bool,
    /// The name of the loaded model.
    pub model: Option<String>,
    /// The quality in effect.
    pub quality: Option<Quality>,
    /// How far mask quality is reduced because of load: 0 to [`mask::MAX_DEGRADE`] steps.
    pub degraded: u8,
    /// Observations about the latest masks.
    pub masks: mask::Report,
    /// Why the quality is lower than configured.
    pub quality_failure: Option<Failure>,
    /// The processor that runs the models.
    pub processor: Option<mask::Processor>,
    /// Why that is not the configured processor.
    pub processor_failure: Option<Failure>,
    /// Why no model is loaded.
    pub mask_failure: Option<Failure>,
}

impl StageHealth {
    pub(super) fn camera_opened(&mut self, source: SourceInfo) {
        self.source = Some(source);
        self.had_camera = true;
        self.camera_failure = None;
        self.camera_holder = None;
    }

    /// Records that the camera was closed for lack of readers.
    pub(super) fn camera_closed(&mut self) {
        self.source = None;
        self.camera_failure = None;
        self.camera_holder = None;
    }

    /// Records a failure of the camera, and the program that uses it; true if it differs from the previous one.
    pub(super) fn camera_failed(&mut self, holder: Option<String>, failure: &Failure) -> bool {
        self.source = None;
        self.camera_holder = holder;
        self.camera_failure.replace(failure.clone()).as_ref() != Some(failure)
    }

    /// Records a loaded model; `replaces` is the failure of the configured model if this is the fallback.
    pub(super) fn model_loaded(&mut self, model: &str, info: &ModelInfo, replaces: Option<&Failure>) {
        self.model = Some(model.to_owned());
        self.quality = Some(info.quality);
        self.processor = Some(info.processor);
        self.processor_failure.clone_from(&info.processor_error);
        self.quality_failure = replaces.or(info.missing.as_ref()).cloned();
        self.mask_failure = None;
    }

    /// Records a failure of the model; true if it differs from the previous one.
    pub(super) fn model_failed(&mut self, failure: &Failure) -> bool {
        self.model = None;
        self.quality = None;
        self.quality_failure = None;
        self.processor = None;
        self.processor_failure = None;
        self.masks = mask::Report::default();
        self.mask_failure.replace(failure.clone()).as_ref() != Some(failure)
    }
}

/// The [`StageHealth`] that the threads write and the control side reads.
#[derive(Debug, Default)]
pub(super) struct Health(Mutex<StageHealth>);

impl Health {
    // Fields are replaced one by one, so a poisoned lock never holds a half-written value.
    pub(super) fn lock(&self) -> MutexGuard<'_, StageHealth> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
