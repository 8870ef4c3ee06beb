//! Station 2: who is in front? Two ONNX models' answers, joined, made steady over time and sharp at the edge.
//!
//! [`catalogue`] knows the models, `runtime` finds the library that runs them, `onnx` runs one (`tensors` checks what it
//! takes and gives, `decode` reads its answer), `input` shrinks a frame to its input, and `model` is all of these. A fast
//! model sees every frame. Where the [`Quality`] allows, `keys` runs a slow and good one on the frames that `schedule`
//! picks; [`matte`] carries its alpha along to all others and refines the outcome to the frame's size. `segmenter` joins
//! them.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

pub use self::{
    catalogue::{ModelSpec, ModelStatus, Place, list},
    error::MaskError,
    processor::Processor,
    quality::{Latency, Quality},
    schedule::MAX_DEGRADE,
    segmenter::KEY_MODEL,
};
use self::{model::Model, segmenter::DualModelSegmenter};
use crate::{
    error::Failure,
    frame::{Frame, Mask, Size},
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
mod runtime;
pub(crate) mod schedule;
mod segmenter;
mod tensors;

/// Which models to use, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The name of the model that sees every frame.
    pub model: String,
    /// The ONNX Runtime library; by default it is looked for.
    pub library: Option<PathBuf>,
    /// Where models' files are looked for, in this order.
    pub models_dirs: Vec<PathBuf>,
    /// A user's own models.
    pub custom: Vec<ModelSpec>,
    /// How much the matte may cost.
    pub quality: Quality,
    /// Whether a mask may come a frame later to be better.
    pub latency: Latency,
    /// What the masks are for.
    pub effort: Effort,
    /// What runs the models; the CPU takes over where that can't.
    pub processor: Processor,
    /// Threads of one inference, at least 1.
    pub threads: usize,
    /// How much of the last mask stays in the next where they differ little, 0 to 0.95.
    pub memory: f32,
    /// The alphas up to which a pixel is background, and from which on it is person: 0 to 1, the first below the
    /// second.
    pub edge: (f32, f32),
}

/// What masks are made for, which decides where the key model runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Effort {
    /// A camera: key frames are made beside the frames and come when they come.
    #[default]
    Live,
    /// A file: every frame gets the mask that it would get live on a machine that keeps up.
    File,
    /// A single picture: the best that the quality has.
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
            effort: Effort::Live,
            processor: Processor::Cpu,
            threads: 1,
            memory: 0.9,
            edge: (0.12, 0.88),
        }
    }
}

/// The model that a segmenter runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelInfo {
    /// Its traits.
    pub spec: ModelSpec,
    /// Where it came from.
    pub place: Place,
    /// The ONNX Runtime library that runs it.
    pub library: PathBuf,
    /// The quality that it runs in, with its key model: what was asked for, or [`Quality::Eco`] without one.
    pub quality: Quality,
    /// What runs it.
    pub processor: Processor,
    /// Why that is not what the settings ask for.
    pub processor_error: Option<Failure>,
    /// Why there is no key model although the quality asks for one.
    pub missing: Option<Failure>,
}

/// What is worth knowing about the last masks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Report {
    /// The edges come from the fast model: the two models disagree about most of the picture.
    pub models_disagree: bool,
    /// Another person is shown beside the one in front.
    pub others_visible: bool,
}

/// Why [`Report::models_disagree`], for people.
pub const DISAGREE: &str = "the two models disagree about most of the picture";

/// What finds the person in a frame.
pub trait Segmenter: Send {
    /// The model that it runs.
    fn info(&self) -> &ModelInfo;

    /// By how many frames the masks follow: 0, or 1 where a frame waits for the key model's answer.
    fn delay(&self) -> usize {
        0
    }

    /// Takes in `frame` and writes the alpha of the person in it, or in the frame before with a [`Segmenter::delay`], to
    /// `into`, at the size of the frame, with its number and time. Gives the frame that the mask is of; none as long as
    /// the first is held back.
    ///
    /// Remembers earlier frames to hold the mask steady. Allocates nothing once the first frames have gone by.
    ///
    /// # Errors
    /// When the model fails; `into` is undefined then, and the room must not be shown.
    fn segment(&mut self, frame: &Arc<Frame>, into: &mut Mask) -> Result<Option<Arc<Frame>>, MaskError>;

    /// Writes the mask of the frame that is held back, when no other follows.
    fn flush(&mut self, _into: &mut Mask) -> Option<Arc<Frame>> {
        None
    }

    /// Forgets earlier frames: the next one comes from elsewhere.
    fn reset(&mut self);

    /// Takes less of the CPU, at once and without loading anything: 0 is what the quality says, [`MAX_DEGRADE`] is the fast
    /// model alone.
    fn degrade(&mut self, _step: u8) {}

    /// Shows only the person in front from the next frame on, or all.
    fn set_nearest_only(&mut self, _on: bool) {}

    /// What is worth knowing about the last masks.
    fn report(&self) -> Report {
        Report::default()
    }

    /// The CPU time that the fast model has taken so far.
    fn model_time(&self) -> Duration {
        Duration::ZERO
    }

    /// How long the last key frame took on its thread, by the clock.
    fn keyframe_time(&self) -> Option<Duration> {
        None
    }
}

/// Opens the models that `settings` name, for frames of `size`.
///
/// # Errors
/// When there is no such model, its file is missing or wrong, or ONNX Runtime can't be used. Without the key model the
/// fast one runs alone, with a word in the log and in [`ModelInfo::missing`].
pub fn open(settings: &Settings, size: Size) -> Result<Box<dyn Segmenter>, MaskError> {
    Ok(Box::new(DualModelSegmenter::open(settings, size)?))
}

/// Loads ONNX Runtime as [`open`] would, and says which library that is.
///
/// # Errors
/// When there is none that can be used.
pub fn library(settings: &Settings) -> Result<PathBuf, MaskError> {
    Ok(onnx::runtime(settings.library.as_deref())?.library)
}

/// The version of the ONNX Runtime at `path`, as it says itself; `None` for what is none.
pub fn library_version(path: &Path) -> Option<String> {
    runtime::version_of(path)
}

/// The median time of one inference of the model that `settings` name, out of `runs` (at least one) after a few others.
///
/// # Errors
/// Those of [`open`], and of running the model.
pub fn measure(settings: &Settings, runs: usize) -> Result<Duration, MaskError> {
    const WARM_UP: usize = 3;
    let mut model = Model::open(catalogue::find(settings)?, settings, Size::HD)?;
    let mut times = Vec::with_capacity(runs + WARM_UP);
    for _ in 0..runs.max(1) + WARM_UP {
        let start = Instant::now();
        model.run()?;
        times.push(start.elapsed());
    }
    let times = &mut times[WARM_UP..];
    times.sort_unstable();
    Ok(times[times.len() / 2])
}
