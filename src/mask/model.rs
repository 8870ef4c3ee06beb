//! A model with its input scaler: takes a frame, returns its alpha.

use super::{
    MaskError, ModelInfo, Settings,
    catalogue::{self, Aspect, ModelSpec},
    input::{InputScaler, Region},
    matte::Shape,
    onnx::{self, OnnxModel},
    quality::Quality,
};
use crate::frame::{Frame, Size};

/// A loaded model for frames of one size.
pub(crate) struct Model {
    pub(crate) info: ModelInfo,
    scaler: InputScaler,
    region: Region,
    model: OnnxModel,
    alpha: Box<[f32]>,
}

impl Model {
    /// Loads the model described by `spec`.
    ///
    /// # Errors
    /// If its file is missing or wrong, or ONNX Runtime cannot be used.
    pub(crate) fn open(spec: &ModelSpec, settings: &Settings, size: Size) -> Result<Self, MaskError> {
        let (location, bytes) = catalogue::load(spec, settings)?;
        let runtime = onnx::runtime(settings.library.as_deref())?;
        let mut model = OnnxModel::load(&runtime, spec, &bytes, settings)?;
        let region = match spec.aspect {
            Aspect::Stretch => Region::whole(spec),
            Aspect::Letterbox => Region::letterbox(spec, size),
        };
        let scaler = InputScaler::new(size, spec, region);
        scaler.clear(model.input());
        let alpha = vec![0.0; spec.output_len()].into();
        let info = ModelInfo {
            spec: spec.clone(),
            location,
            library: runtime.library,
            quality: Quality::Eco,
            processor: model.processor(),
            processor_error: model.processor_error().cloned(),
            missing: None,
        };
        Ok(Self { info, scaler, region, model, alpha })
    }

    /// The shape of its alpha.
    pub(crate) fn shape(&self) -> Shape {
        (self.info.spec.width, self.info.spec.height, self.region)
    }

    /// Scales `frame` into the model's input.
    pub(crate) fn fill(&mut self, frame: &Frame) {
        self.scaler.fill(frame, self.model.input());
    }

    /// Clears the recurrent state, before the first frame of another stream.
    pub(crate) fn reset(&mut self) {
        self.model.reset();
    }

    /// Runs the model on the current input; for [`catalogue::Output::AlphaHair`], the probabilities of hair follow the
    /// alphas.
    ///
    /// # Errors
    /// If ONNX Runtime fails, or the output is not finite.
    pub(crate) fn run(&mut self) -> Result<&[f32], MaskError> {
        self.model.run(&mut self.alpha)?;
        Ok(&self.alpha)
    }

    /// Like [`Model::run`], with the alpha written to `alpha`.
    ///
    /// # Errors
    /// As [`Model::run`].
    pub(crate) fn run_into(&mut self, alpha: &mut [f32]) -> Result<(), MaskError> {
        self.model.run(alpha)
    }
}
