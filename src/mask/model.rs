//! A model with its input scaler: takes a frame, returns its alpha.

use std::ops::Range;

use super::{
    MaskError, ModelInfo, Processor, Settings,
    catalogue::{self, Aspect, ModelSpec},
    input::{InputScaler, Region},
    matte::Shape,
    onnx::{self, OnnxModel},
    quality::Quality,
    window::Windows,
};
use crate::frame::{Frame, Size};

/// A loaded model for frames of one size.
pub(crate) struct Model {
    pub(crate) info: ModelInfo,
    scaler: InputScaler,
    region: Region,
    model: OnnxModel,
    windows: Windows,
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
        let windows = Windows::new(model.widths());
        Ok(Self { info, scaler, region, model, windows, alpha })
    }

    /// Lets the model run on narrower parts of the frame, which has to fill its input. Nothing changes if the file has a
    /// fixed width, or on other processors than the CPU, which prepare a model for one size only.
    pub(crate) fn add_windows(&mut self, widths: &[usize]) {
        if self.region != Region::whole(&self.info.spec) || self.info.processor != Processor::Cpu {
            return;
        }
        for &width in widths {
            if let Err(error) = self.model.add_width(width) {
                tracing::debug!("{error}");
            }
        }
        self.windows = Windows::new(self.model.widths());
    }

    /// The shape of its alpha.
    pub(crate) fn shape(&self) -> Shape {
        (self.info.spec.width, self.info.spec.height, self.region)
    }

    /// Scales `frame` into the model's input.
    pub(crate) fn fill(&mut self, frame: &Frame) {
        self.scaler.fill(frame, self.model.input());
    }

    /// Scales the narrowest window around `span` (0 to 1, from left to right) into the model's input; without a span or
    /// windows, the whole frame.
    pub(crate) fn fill_span(&mut self, frame: &Frame, span: Option<Range<f32>>) {
        self.windows.select(span);
        match self.windows.current() {
            (0, _) => self.fill(frame),
            (index, columns) => self.scaler.fill_narrow(frame, columns, self.model.input_at(index)),
        }
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

    /// Like [`Model::run`], with the alpha written to `alpha`; 0 outside of the window of [`Model::fill_span`].
    ///
    /// # Errors
    /// As [`Model::run`].
    pub(crate) fn run_into(&mut self, alpha: &mut [f32]) -> Result<(), MaskError> {
        let (index, columns) = self.windows.current();
        if index == 0 {
            return self.model.run(alpha);
        }
        self.model.run_at(index, &mut self.alpha)?;
        let rows = alpha.chunks_exact_mut(self.info.spec.width);
        for (row, part) in rows.zip(self.alpha.chunks_exact(columns.len())) {
            row.fill(0.0);
            row[columns.clone()].copy_from_slice(part);
        }
        Ok(())
    }
}
