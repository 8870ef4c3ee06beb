//! Station 2: who is in front? An ONNX model's answer, made steady over time and sharp at the edge.
//!
//! [`catalogue`] knows the models, `runtime` finds the library that runs them, `onnx` runs one; `input` shrinks a frame
//! to the model's input and `refine` enlarges its answer to the frame's alpha.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use self::{
    catalogue::Aspect,
    input::{Region, Shrink},
    onnx::OnnxModel,
    refine::Refine,
};
pub use self::{
    catalogue::{ModelSpec, ModelStatus, Place, list},
    error::MaskError,
};
use crate::frame::{Frame, Mask, Size};

pub mod catalogue;
mod error;
pub mod input;
pub mod matte;
pub(crate) mod model;
mod onnx;
pub mod refine;
mod runtime;

/// Which model to use, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The model's name.
    pub model: String,
    /// The ONNX Runtime library; by default it is looked for.
    pub library: Option<PathBuf>,
    /// Where models' files are looked for, in this order.
    pub models_dirs: Vec<PathBuf>,
    /// A user's own models.
    pub custom: Vec<ModelSpec>,
    /// How much of the last mask stays in the next where they differ little, 0 to 0.95.
    pub memory: f32,
    /// The model's alphas up to which a pixel is background, and from which on it is person: 0 to 1, the first below
    /// the second.
    pub edge: (f32, f32),
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            model: "landscape".to_owned(),
            library: None,
            models_dirs: catalogue::default_dirs(),
            custom: Vec::new(),
            memory: 0.7,
            edge: (0.25, 0.75),
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
}

/// What finds the person in a frame.
pub trait Segmenter: Send {
    /// The model that it runs.
    fn info(&self) -> &ModelInfo;

    /// Writes the alpha of the person in `frame` to `into`, at the size of the frame, with its number and time.
    ///
    /// Remembers earlier frames to hold the mask steady. Allocates nothing once the first frame has gone by.
    ///
    /// # Errors
    /// When the model fails; `into` is undefined then, and the room must not be shown.
    fn segment(&mut self, frame: &Frame, into: &mut Mask) -> Result<(), MaskError>;

    /// Forgets earlier frames: the next one comes from elsewhere.
    fn reset(&mut self);
}

/// Opens the model that `settings` name, for frames of `size`.
///
/// # Errors
/// When there is no such model, its file is missing or wrong, or ONNX Runtime can't be used.
pub fn open(settings: &Settings, size: Size) -> Result<Box<dyn Segmenter>, MaskError> {
    Ok(Box::new(OnnxSegmenter::open(settings, size)?))
}

/// Loads ONNX Runtime as [`open`] would, and says which library that is.
///
/// # Errors
/// When there is none that can be used.
pub fn library(settings: &Settings) -> Result<PathBuf, MaskError> {
    Ok(onnx::runtime(settings.library.as_deref())?.library)
}

/// The median time of one inference of the model that `settings` name, out of `runs` (at least one) after a few others.
///
/// # Errors
/// Those of [`open`], and of running the model.
pub fn measure(settings: &Settings, runs: usize) -> Result<Duration, MaskError> {
    const WARM_UP: usize = 3;
    let (info, mut model) = load(settings)?;
    let mut alpha = vec![0.0; info.spec.width * info.spec.height];
    let mut times = Vec::with_capacity(runs + WARM_UP);
    for _ in 0..runs.max(1) + WARM_UP {
        let start = Instant::now();
        model.run(&mut alpha)?;
        times.push(start.elapsed());
    }
    let times = &mut times[WARM_UP..];
    times.sort_unstable();
    Ok(times[times.len() / 2])
}

fn load(settings: &Settings) -> Result<(ModelInfo, OnnxModel), MaskError> {
    let spec = catalogue::find(settings)?;
    let (place, bytes) = catalogue::load(spec, settings)?;
    let runtime = onnx::runtime(settings.library.as_deref())?;
    let model = OnnxModel::load(&runtime, spec, &bytes)?;
    Ok((ModelInfo { spec: spec.clone(), place, library: runtime.library }, model))
}

/// A model, with the way into it and the way out.
struct OnnxSegmenter {
    info: ModelInfo,
    size: Size,
    shrink: Shrink,
    model: OnnxModel,
    alpha: Box<[f32]>,
    refine: Refine,
}

impl OnnxSegmenter {
    fn open(settings: &Settings, size: Size) -> Result<Self, MaskError> {
        let (info, mut model) = load(settings)?;
        let spec = &info.spec;
        let region = match spec.aspect {
            Aspect::Stretch => Region::whole(spec),
            Aspect::Letterbox => Region::letterbox(spec, size),
        };
        let shrink = Shrink::new(size, spec, region);
        shrink.clear(model.input());
        Ok(Self {
            size,
            shrink,
            model,
            alpha: vec![0.0; spec.width * spec.height].into(),
            refine: Refine::new((spec.width, spec.height), region, size, settings.memory, settings.edge),
            info,
        })
    }
}

impl Segmenter for OnnxSegmenter {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn segment(&mut self, frame: &Frame, into: &mut Mask) -> Result<(), MaskError> {
        for found in [frame.size(), into.size()] {
            if found != self.size {
                return Err(MaskError::Size { expected: self.size, found });
            }
        }
        self.shrink.fill(frame, self.model.input());
        self.model.run(&mut self.alpha)?;
        self.refine.apply(&self.alpha, into.alpha_mut());
        (into.seq, into.captured_at) = (frame.seq, frame.captured_at);
        Ok(())
    }

    fn reset(&mut self) {
        self.refine.reset();
    }
}
