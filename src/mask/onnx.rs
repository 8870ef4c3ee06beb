//! One ONNX model on the CPU: the only file that knows `ort` and `ndarray`.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use ndarray::{Array2, ArrayView2, ArrayView3, Axis, Zip};
use ort::{
    environment::Environment,
    logging::LogLevel,
    session::{
        HasSelectedOutputs, OutputSelector, RunOptions, Session,
        builder::{GraphOptimizationLevel, SessionBuilder},
    },
    value::{Outlet, Tensor, TensorElementType, ValueType},
};

use super::{
    MaskError,
    catalogue::{Layout, ModelSpec, Output},
    runtime::{self, Search},
};

/// ONNX Runtime as this process loaded it; a process can load it only once.
#[derive(Clone)]
pub(super) struct Runtime {
    environment: Environment,
    pub(super) library: PathBuf,
}

/// Loads ONNX Runtime, or gives the one that is loaded already.
///
/// # Errors
/// When there is no library, or none that can be used.
pub(super) fn runtime(configured: Option<&Path>) -> Result<Runtime, MaskError> {
    static LOADED: Mutex<Option<Runtime>> = Mutex::new(None);
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(runtime) = loaded.as_ref() {
        if configured.is_some_and(|path| path != runtime.library) {
            tracing::info!("keeping ONNX Runtime {} until the next start", runtime.library.display());
        }
        return Ok(runtime.clone());
    }
    let runtime = match runtime::search(configured) {
        Search::Named(path, asked) => start(path, asked)?,
        Search::Found { libraries, searched } => first_that_starts(libraries)?.ok_or(MaskError::NoLibrary { searched })?,
    };
    Ok(loaded.insert(runtime).clone())
}

/// The first library that can be used; the last one's error when there are some, but none can.
fn first_that_starts(libraries: Vec<PathBuf>) -> Result<Option<Runtime>, MaskError> {
    let mut failed = Ok(None);
    for library in libraries {
        match start(library, "found by bgcam") {
            Ok(runtime) => return Ok(Some(runtime)),
            Err(error) => {
                tracing::warn!("{error}");
                failed = Err(error);
            }
        }
    }
    failed
}

fn start(library: PathBuf, asked: &'static str) -> Result<Runtime, MaskError> {
    // `init_from` is the way that gives an error: everything else in `ort` panics while no library is loaded.
    let builder = ort::init_from(&library).map_err(|error| MaskError::BadLibrary {
        path: library.clone(),
        asked,
        reason: match error {
            ort::LoadDynamicError::Dlopen { error, .. } => error.to_string(),
            ort::LoadDynamicError::MissingApi { .. } => "it is another library".to_owned(),
            ort::LoadDynamicError::BadVersion { version_str, .. } => {
                format!("it is version {version_str}, expected at least 1.{}", ort::MINOR_VERSION)
            }
            other => other.to_string(),
        },
    })?;
    let environment = builder
        .with_name("bgcam")
        .with_telemetry(false)
        .with_logger(Arc::new(|level, category, _, place, message| {
            tracing::debug!(?level, category, place, "ONNX Runtime: {message}");
        }))
        .build()
        .map_err(|error| MaskError::Start { library: library.clone(), reason: error.to_string() })?;
    environment.set_log_level(LogLevel::Warning);
    Ok(Runtime { environment, library })
}

/// A model that is ready to run, with its input and output tensors.
pub(super) struct OnnxModel {
    name: String,
    decode: Decode,
    input: Tensor<f32>,
    options: RunOptions<HasSelectedOutputs>,
    session: Session,
}

impl OnnxModel {
    /// Builds a session for `bytes` and runs it once on black.
    ///
    /// # Errors
    /// When the bytes are no ONNX model, or it is another one than `spec` says.
    pub(super) fn load(runtime: &Runtime, spec: &ModelSpec, bytes: &[u8]) -> Result<Self, MaskError> {
        let not_onnx = |error: ort::Error| MaskError::NotOnnx { model: spec.name.clone(), reason: error.to_string() };
        let session = commit(&runtime.environment, bytes).map_err(not_onnx)?;
        check_input(spec, &session)?;
        let (dims, channels) = check_output(spec, &session)?;
        let prepare = || -> ort::Result<_> {
            let output = Tensor::<f32>::new(session.allocator(), dims)?;
            let name = session.outputs()[0].name().to_owned();
            let selected = OutputSelector::no_default().with(&name).preallocate(&name, output);
            let input = Tensor::<f32>::new(session.allocator(), shape(spec, 3))?;
            Ok((input, RunOptions::new()?.with_outputs(selected)))
        };
        let (input, options) = prepare().map_err(not_onnx)?;
        let decode = Decode::new(spec, channels);
        let mut model = Self { name: spec.name.clone(), decode, input, options, session };
        model.run(&mut vec![0.0; spec.width * spec.height])?;
        Ok(model)
    }

    /// The input tensor, in the order and range of the model's traits.
    pub(super) fn input(&mut self) -> &mut [f32] {
        self.input.extract_tensor_mut().1
    }

    /// Runs the model on the input tensor and writes its alpha, 0 to 1, row by row.
    ///
    /// # Errors
    /// When ONNX Runtime fails, or the output is not finite.
    pub(super) fn run(&mut self, alpha: &mut [f32]) -> Result<(), MaskError> {
        let failed = |error: ort::Error| MaskError::Run { model: self.name.clone(), reason: error.to_string() };
        let outputs = self.session.run_with_options(ort::inputs![&self.input], &self.options).map_err(failed)?;
        let (_, values) = outputs[0].try_extract_tensor::<f32>().map_err(failed)?;
        match count_not_finite(values) {
            0 => self.decode.alpha(values, alpha),
            count => return Err(MaskError::NotFinite { model: self.name.clone(), count }),
        }
        Ok(())
    }
}

/// One thread is right for models of a few milliseconds, and a thread that spins between frames doubles the CPU time.
fn commit(environment: &Environment, bytes: &[u8]) -> ort::Result<Session> {
    SessionBuilder::new(environment)?
        .with_optimization_level(GraphOptimizationLevel::All)?
        .with_intra_threads(1)?
        .with_inter_threads(1)?
        .with_intra_op_spinning(false)?
        .with_inter_op_spinning(false)?
        .with_log_level(LogLevel::Warning)?
        .commit_from_memory(bytes)
}

fn shape(spec: &ModelSpec, channels: usize) -> [usize; 4] {
    match spec.layout {
        Layout::Nchw => [1, channels, spec.height, spec.width],
        Layout::Nhwc => [1, spec.height, spec.width, channels],
    }
}

fn check_input(spec: &ModelSpec, session: &Session) -> Result<(), MaskError> {
    let expected = shape(spec, 3);
    match session.inputs() {
        [input] if dims(input).is_some_and(|dims| fits(dims, &expected)) => Ok(()),
        inputs => Err(mismatch(spec, format!("one input of float32 {expected:?}"), "input", inputs)),
    }
}

/// The shape of the first output as the model gives it, and its number of channels.
fn check_output(spec: &ModelSpec, session: &Session) -> Result<(Vec<usize>, usize), MaskError> {
    let outputs = session.outputs();
    let dims = outputs.first().and_then(dims).unwrap_or_default();
    let channels = match (spec.output, dims) {
        (Output::Alpha | Output::SigmoidLogits, _) => 1,
        (Output::Logits, &[_, channels, ..]) if spec.layout == Layout::Nchw => usize::try_from(channels).unwrap_or(0),
        (Output::Logits, dims) => dims.last().map_or(0, |&channels| usize::try_from(channels).unwrap_or(0)),
    };
    let expected = shape(spec, channels);
    let wanted = match spec.output {
        Output::Logits => format!("an output of float32 {} with a channel {}", shape_of_classes(spec), spec.background),
        _ => format!("an output of float32 {expected:?}"),
    };
    let enough = spec.output != Output::Logits || (channels >= 2 && spec.background < channels);
    if !enough || !fits(dims, &expected) {
        return Err(mismatch(spec, wanted, "output", outputs));
    }
    // Unknown sides are known now; a missing axis of one stays missing.
    let known = if dims.len() == 4 { expected.to_vec() } else { dims.iter().map(|&side| side as usize).collect() };
    Ok((known, channels))
}

fn shape_of_classes(spec: &ModelSpec) -> String {
    match spec.layout {
        Layout::Nchw => format!("[1, classes, {}, {}]", spec.height, spec.width),
        Layout::Nhwc => format!("[1, {}, {}, classes]", spec.height, spec.width),
    }
}

/// The sides of a float tensor, -1 where the model leaves it open.
fn dims(outlet: &Outlet) -> Option<&[i64]> {
    match outlet.dtype() {
        ValueType::Tensor { ty: TensorElementType::Float32, shape, .. } => Some(shape),
        _ => None,
    }
}

/// Whether a tensor of `dims` can hold what we expect: an open side fits, and axes of one may be missing.
fn fits(dims: &[i64], expected: &[usize; 4]) -> bool {
    if dims.len() == 4 {
        return dims.iter().zip(expected).all(|(&side, &wanted)| side == -1 || side == wanted as i64);
    }
    let wanted = expected.iter().map(|&side| side as i64).filter(|&side| side != 1);
    dims.iter().copied().filter(|&side| side != 1).eq(wanted)
}

fn mismatch(spec: &ModelSpec, expected: String, what: &str, outlets: &[Outlet]) -> MaskError {
    let found = outlets.iter().map(|outlet| format!("{what} {:?} of {}", outlet.name(), outlet.dtype()));
    let found = found.collect::<Vec<_>>().join(", ");
    let found = if found.is_empty() { format!("no {what}") } else { found };
    MaskError::Shape { model: spec.name.clone(), expected, found }
}

/// Infinite and not-a-number values, seen by an exponent of all ones.
fn count_not_finite(values: &[f32]) -> usize {
    const EXPONENT: u32 = 0x7f80_0000;
    values.iter().map(|value| u32::from(value.to_bits() & EXPONENT == EXPONENT)).sum::<u32>() as usize
}

/// Turns a model's output into alpha.
struct Decode {
    output: Output,
    layout: Layout,
    background: usize,
    channels: usize,
    height: usize,
    width: usize,
    peak: Array2<f32>,
    sum: Array2<f32>,
}

impl Decode {
    fn new(spec: &ModelSpec, channels: usize) -> Self {
        let scratch = if spec.output == Output::Logits { (spec.height, spec.width) } else { (0, 0) };
        Self {
            output: spec.output,
            layout: spec.layout,
            background: spec.background,
            channels,
            height: spec.height,
            width: spec.width,
            peak: Array2::zeros(scratch),
            sum: Array2::zeros(scratch),
        }
    }

    fn alpha(&mut self, values: &[f32], alpha: &mut [f32]) {
        match self.output {
            Output::Alpha => alpha.iter_mut().zip(values).for_each(|(a, &v)| *a = v.clamp(0.0, 1.0)),
            Output::SigmoidLogits => alpha.iter_mut().zip(values).for_each(|(a, &v)| *a = 1.0 / (1.0 + (-v).exp())),
            Output::Logits => self.softmax(values, alpha),
        }
    }

    /// One minus the softmax of the background, made safe by subtracting the largest logit.
    fn softmax(&mut self, values: &[f32], alpha: &mut [f32]) {
        let (c, h, w) = (self.channels, self.height, self.width);
        let logits = match self.layout {
            Layout::Nchw => ArrayView3::from_shape((c, h, w), values),
            Layout::Nhwc => ArrayView3::from_shape((h, w, c), values).map(|view| view.permuted_axes([2, 0, 1])),
        };
        let (Ok(logits), Ok(mut alpha)) = (logits, ndarray::ArrayViewMut2::from_shape((h, w), alpha)) else {
            unreachable!("the tensors were made with these shapes")
        };
        self.peak.fill(f32::MIN);
        self.sum.fill(0.0);
        let raise = |peak: &mut f32, &logit: &f32| *peak = peak.max(logit);
        logits.axis_iter(Axis(0)).for_each(|class| Zip::from(&mut self.peak).and(class).for_each(raise));
        let add = |sum: &mut f32, &logit: &f32, &peak: &f32| *sum += (logit - peak).exp();
        logits.axis_iter(Axis(0)).for_each(|class| Zip::from(&mut self.sum).and(class).and(&self.peak).for_each(add));
        let background: ArrayView2<'_, f32> = logits.index_axis(Axis(0), self.background);
        Zip::from(&mut alpha).and(background).and(&self.peak).and(&self.sum).for_each(|a, &logit, &peak, &sum| {
            *a = 1.0 - (logit - peak).exp() / sum;
        });
    }
}
