//! Stage 2, segmentation: finds the person with two ONNX models, stabilizes the matte over time and sharpens its edge.
//!
//! [`catalogue`] lists the models, `runtime` finds ONNX Runtime, `onnx` runs a model (`signature` finds the role of each
//! tensor, `tensors` checks shapes, `state` keeps the inputs and the recurrent state, `decode` converts the output),
//! `input` scales a frame to the model's input, and `model` combines these. A fast model
//! segments every frame. If the [`Quality`] allows it, `keyframes` runs a slower and better model on the frames chosen
//! by `schedule`; [`matte`] propagates its alpha to all other frames and refines the result to the frame's size.
//! `segmenter` ties them together.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

pub use self::{
    catalogue::{ModelLocation, ModelSpec, ModelStatus, list},
    error::{MaskError, TensorMismatch},
    processor::Processor,
    quality::{Latency, Quality},
    schedule::MAX_DEGRADE,
    segmenter::KEYFRAME_MODEL,
};
use self::{model::Model, segmenter::DualModelSegmenter};
use crate::{
    error::Failure,
    frame::{Frame, Mask, Size},
    stats,
};

pub mod catalogue;
mod decode;
mod error;
pub mod input;
mod keyframes;
pub mod matte;
pub(crate) mod model;
mod onnx;
mod processor;
pub(crate) mod quality;
mod refiner;
mod runtime;
pub(crate) mod schedule;
mod segmenter;
mod signature;
mod state;
mod tensors;
mod window;

/// Which models to use, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The name of the model that segments every frame.
    pub model: String,
    /// The ONNX Runtime library; `None` searches for it.
    pub library: Option<PathBuf>,
    /// The folders to search for model files, in this order.
    pub models_dirs: Vec<PathBuf>,
    /// The user's own models.
    pub custom: Vec<ModelSpec>,
    /// The edge quality.
    pub quality: Quality,
    /// Whether a mask may be delayed by a frame to be more accurate.
    pub latency: Latency,
    /// The kind of input the masks are for.
    pub input: InputKind,
    /// The processor for the models; the CPU is the fallback.
    pub processor: Processor,
    /// Threads per inference, at least 1.
    pub threads: usize,
    /// The weight of the previous mask where little changes, 0 to 0.95.
    pub memory: f32,
    /// The alpha at or below which a pixel is background, and the alpha at or above which it is person: 0 to 1, the
    /// first less than the second.
    pub edge: (f32, f32),
}

/// The kind of input, which decides where the keyframe model runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum InputKind {
    /// A camera: keyframes are computed in the background, and used when they are ready.
    #[default]
    Live,
    /// A file: every frame gets the mask it would get live on a machine that keeps up.
    File,
    /// A single image, with the best mask that the quality offers.
    Still,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            model: "landscape".to_owned(),
            library: None,
            models_dirs: catalogue::default_dirs(),
            custom: Vec::new(),
            quality: Quality::Auto,
            latency: Latency::Auto,
            input: InputKind::Live,
            processor: Processor::Cpu,
            threads: 1,
            memory: 0.9,
            edge: (0.12, 0.88),
        }
    }
}

/// The model run by a segmenter.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelInfo {
    /// Its specification.
    pub spec: ModelSpec,
    /// Where it was loaded from.
    pub location: ModelLocation,
    /// The ONNX Runtime library.
    pub library: PathBuf,
    /// The quality in effect: the requested one, or [`Quality::Eco`] without a keyframe model.
    pub quality: Quality,
    /// The processor in use.
    pub processor: Processor,
    /// Why that is not the configured processor.
    pub processor_error: Option<Failure>,
    /// Why there is no keyframe model although the quality requires one.
    pub missing: Option<Failure>,
}

/// Observations about the latest masks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Report {
    /// Edges come from the fast model only: the two models disagree about most of the frame.
    pub models_disagree: bool,
    /// Another person is visible besides the one in front.
    pub others_visible: bool,
}

/// The reason shown for [`Report::models_disagree`].
pub const MODELS_DISAGREE: &str = "the two models disagree about most of the frame";

/// Finds the person in frames.
pub trait Segmenter: Send {
    /// The model in use.
    fn info(&self) -> &ModelInfo;

    /// The number of frames by which masks are delayed: 0, or 1 if a frame waits for the keyframe model.
    fn delay(&self) -> usize {
        0
    }

    /// Processes `frame` and writes the alpha of the person in it to `into`, or that of the previous frame if there is
    /// a [`Segmenter::delay`]. The mask has the size, number and time of its frame, which is returned; `None` while the
    /// first frame is held back.
    ///
    /// Keeps state from earlier frames to stabilize the mask. Allocates nothing after the first frames.
    ///
    /// # Errors
    /// If the model fails. `into` is then undefined, and the room must not be shown.
    fn segment(&mut self, frame: &Arc<Frame>, into: &mut Mask) -> Result<Option<Arc<Frame>>, MaskError>;

    /// Writes the mask of the frame that is held back, at the end of the stream.
    fn flush(&mut self, _into: &mut Mask) -> Option<Arc<Frame>> {
        None
    }

    /// Clears state from earlier frames, before the first frame of another stream.
    fn reset(&mut self);

    /// Reduces CPU use immediately, without loading anything: 0 is full quality, [`MAX_DEGRADE`] the fast model alone.
    fn degrade(&mut self, _step: u8) {}

    /// Sets whether only the person in front is shown, from the next frame on.
    fn set_nearest_only(&mut self, _on: bool) {}

    /// Observations about the latest masks.
    fn report(&self) -> Report {
        Report::default()
    }

    /// The total CPU time of the fast model.
    fn model_time(&self) -> Duration {
        Duration::ZERO
    }

    /// The wall time of the last keyframe on its thread.
    fn keyframe_time(&self) -> Option<Duration> {
        None
    }
}

/// Opens the models selected by `settings`, for frames of `size`.
///
/// # Errors
/// If the model is unknown, its file is missing or wrong, or ONNX Runtime cannot be used. If only the keyframe model
/// is unusable, the fast model runs alone; the log and [`ModelInfo::missing`] have the reason.
pub fn open(settings: &Settings, size: Size) -> Result<Box<dyn Segmenter>, MaskError> {
    let segmenter = DualModelSegmenter::open(settings, size)?;
    stats::trim_heap(); // that of the parsed model files
    Ok(Box::new(segmenter))
}

/// Loads ONNX Runtime as [`open`] would, and returns the library's path.
///
/// # Errors
/// If there is no usable library.
pub fn library(settings: &Settings) -> Result<PathBuf, MaskError> {
    Ok(onnx::runtime(settings.library.as_deref())?.library)
}

/// The version reported by the ONNX Runtime library at `path`; `None` if it is not ONNX Runtime.
pub fn library_version(path: &Path) -> Option<String> {
    runtime::version_of(path)
}

/// The cost of one inference.
#[derive(Debug, Clone, Copy)]
pub struct InferenceTime {
    /// Wall time.
    pub wall: Duration,
    /// CPU time of all threads.
    pub cpu: Duration,
}

/// The median time of one inference of the configured model, over `runs` (at least one) after a warm-up. The CPU time
/// includes what other threads of this process do meanwhile.
///
/// # Errors
/// As [`open`], and if the model fails.
pub fn measure(settings: &Settings, runs: usize) -> Result<InferenceTime, MaskError> {
    const WARM_UP: usize = 3;
    let mut model = Model::open(catalogue::find(settings)?, settings, Size::HD)?;
    let (mut walls, mut cpus) = (Vec::new(), Vec::new());
    for run in 0..runs.max(1) + WARM_UP {
        let (start, cpu) = (Instant::now(), stats::process_time());
        model.run()?;
        if run >= WARM_UP {
            walls.push(start.elapsed());
            cpus.push(stats::process_time().saturating_sub(cpu));
        }
    }
    let median = |mut times: Vec<Duration>| {
        times.sort_unstable();
        times[times.len() / 2]
    };
    Ok(InferenceTime { wall: median(walls), cpu: median(cpus) })
}
