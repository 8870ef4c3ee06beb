//! ONNX Runtime, and a single ONNX model.

use std::{
    ffi::{c_int, c_void},
    mem,
    path::{Path, PathBuf},
    ptr::NonNull,
    sync::{Arc, Mutex, PoisonError},
};

use ort::{
    AsPointer,
    environment::Environment,
    ep::{self, ExecutionProviderDispatch},
    logging::LogLevel,
    session::{
        HasSelectedOutputs, OutputSelector, RunOptions, Session, SessionInputs, SessionOutputs,
        builder::{GraphOptimizationLevel, SessionBuilder},
    },
    value::{DynValue, Tensor},
};

use super::{
    MaskError, Processor, Settings,
    catalogue::ModelSpec,
    decode::{Decoder, count_not_finite},
    runtime::{self, Search},
    signature::{Signature, StateTensor, check_size, problem},
    state::Inputs,
    tensors::alpha_shape,
};
use crate::error::{Failure, Kind, chain};

/// The loaded ONNX Runtime; a process can load it only once.
#[derive(Clone)]
pub(super) struct Runtime {
    environment: Environment,
    pub(super) library: PathBuf,
}

/// Loads ONNX Runtime, or returns the one that is already loaded.
///
/// # Errors
/// If there is no usable library.
pub(super) fn runtime(configured: Option<&Path>) -> Result<Runtime, MaskError> {
    static LOADED: Mutex<Option<Runtime>> = Mutex::new(None);
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(runtime) = loaded.as_ref() {
        if configured.is_some_and(|path| path != runtime.library) {
            tracing::info!("keeping ONNX Runtime {} until bgcam restarts", runtime.library.display());
        }
        return Ok(runtime.clone());
    }
    let runtime = match runtime::search(configured) {
        Search::Named(path, asked) => start(path, asked)?,
        Search::Found { libraries, searched } => {
            first_that_starts(libraries)?.ok_or(MaskError::NoLibrary { searched })?
        }
    };
    Ok(loaded.insert(runtime).clone())
}

/// The first usable library; the last error if there are libraries, but none is usable.
fn first_that_starts(libraries: Vec<PathBuf>) -> Result<Option<Runtime>, MaskError> {
    let mut failed = Ok(None);
    for library in libraries {
        match start(library, "found automatically") {
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
    // `init_from` returns errors; everything else in `ort` panics if no library is loaded
    let builder = ort::init_from(&library).map_err(|error| MaskError::BadLibrary {
        path: library.clone(),
        asked,
        reason: match error {
            ort::LoadDynamicError::Dlopen { error, .. } => chain(&error),
            ort::LoadDynamicError::MissingApi { .. } => "not ONNX Runtime".to_owned(),
            ort::LoadDynamicError::BadVersion { version_str, .. } => {
                format!("version is {version_str}, expected 1.{} or newer", ort::MINOR_VERSION)
            }
            other => other.to_string(),
        },
    })?;
    let environment = builder
        .with_name("bgcam")
        // takes effect after a first report; process::telemetry prevents that one too
        .with_telemetry(false)
        .with_logger(Arc::new(|level, category, _, place, message| {
            tracing::debug!(?level, category, place, "ONNX Runtime: {message}");
        }))
        .build()
        .map_err(|error| MaskError::Start { library: library.clone(), reason: error.to_string() })?;
    environment.set_log_level(LogLevel::Warning);
    Ok(Runtime { environment, library })
}

/// A model ready to run, with its input and output tensors.
pub(super) struct OnnxModel {
    spec: ModelSpec,
    signature: Signature,
    /// The tensors for each width of the image; the first is the specification's.
    tensors: Vec<Tensors>,
    session: Session,
    processor: Processor,
    processor_error: Option<Failure>,
}

/// The tensors for images of one width.
struct Tensors {
    width: usize,
    decoder: Decoder,
    inputs: Inputs,
    /// The preallocated outputs. With a recurrent state there are two sets that take turns, because the outputs of one
    /// frame are inputs of the next.
    outputs: Vec<RunOptions<HasSelectedOutputs>>,
    /// The set for the next frame.
    turn: usize,
}

impl OnnxModel {
    /// Creates a session for `bytes` and runs it on black; falls back to the CPU if the configured processor fails.
    ///
    /// # Errors
    /// If the bytes are not an ONNX model, or not the one described by `spec`.
    pub(super) fn load(
        runtime: &Runtime,
        spec: &ModelSpec,
        bytes: &[u8],
        settings: &Settings,
    ) -> Result<Self, MaskError> {
        let Settings { processor, threads, .. } = *settings;
        match Self::load_on(processor, runtime, spec, bytes, threads) {
            Err(MaskError::NotOnnx { reason, .. } | MaskError::Run { reason, .. }) if processor != Processor::Cpu => {
                let failure = no_processor(processor, &reason, &runtime.library);
                tracing::warn!(hint = failure.hint, "model {} runs on the CPU: {failure}", spec.name);
                let model = Self::load_on(Processor::Cpu, runtime, spec, bytes, threads)?;
                Ok(Self { processor_error: Some(failure), ..model })
            }
            loaded => loaded,
        }
    }

    fn load_on(
        processor: Processor,
        runtime: &Runtime,
        spec: &ModelSpec,
        bytes: &[u8],
        threads: usize,
    ) -> Result<Self, MaskError> {
        let not_onnx = |error: ort::Error| MaskError::NotOnnx { model: spec.name.clone(), reason: error.to_string() };
        let session = commit(runtime, bytes, processor, threads).map_err(not_onnx)?;
        let signature = Signature::find(spec, session.inputs(), session.outputs())?;
        let mut inputs = Inputs::new(session.allocator(), spec, &signature, session.inputs()).map_err(not_onnx)?;
        let mut model =
            Self { spec: spec.clone(), signature, tensors: Vec::new(), session, processor, processor_error: None };
        let is_recurrent = !model.signature.states.is_empty();
        if is_recurrent {
            model.find_state_shapes(&mut inputs)?;
        }
        let sets = if is_recurrent { 2 } else { 1 };
        let select = |_| model.select_outputs(Some(&model.signature.alpha_dims));
        let outputs = (0..sets).map(select).collect::<ort::Result<_>>().map_err(not_onnx)?;
        let decoder = Decoder::new(spec, model.signature.channels);
        model.tensors.push(Tensors { width: spec.width, decoder, inputs, outputs, turn: 0 });
        model.run(&mut vec![0.0; spec.output_len()])?;
        model.reset();
        Ok(model)
    }

    /// Prepares the model, which must not be recurrent, for images of another width; after an error, it is not.
    ///
    /// # Errors
    /// If the model has a fixed width, or fails with this one.
    pub(super) fn add_width(&mut self, width: usize) -> Result<(), MaskError> {
        let spec = ModelSpec { width, ..self.spec.clone() };
        let failed = |error: ort::Error| run_error(&spec, &error);
        let all = self.session.outputs();
        let (dims, channels) = alpha_shape(&spec, &all[self.signature.alpha], all)?;
        let inputs =
            Inputs::new(self.session.allocator(), &spec, &self.signature, self.session.inputs()).map_err(failed)?;
        let outputs = vec![self.select_outputs(Some(&dims)).map_err(failed)?];
        self.tensors.push(Tensors { width, decoder: Decoder::new(&spec, channels), inputs, outputs, turn: 0 });
        let result = self.run_at(self.tensors.len() - 1, &mut vec![0.0; spec.output_len()]);
        if result.is_err() {
            self.tensors.pop();
        }
        result
    }

    /// Finds the shapes of the state, which the file may leave open, with two frames.
    ///
    /// # Errors
    /// If the model fails, or its state is too large or changes its shape.
    fn find_state_shapes(&mut self, first: &mut Inputs) -> Result<(), MaskError> {
        let spec = &self.spec;
        let failed = |error: ort::Error| run_error(spec, &error);
        let options = self.select_outputs(None).map_err(failed)?;
        for is_first in [true, false] {
            let inputs = SessionInputs::<'_, '_, 0>::from(first.values());
            let outputs = self.session.run_with_options(inputs, &options).map_err(failed)?;
            for (state, value) in self.signature.states.iter_mut().zip(outputs.values().skip(1)) {
                let found = sides(&value);
                if !is_first && found != state.dims {
                    return Err(state_changes(spec, state, &found));
                }
                state.dims = found;
            }
            check_size(spec, &self.signature.states)?;
            first.set_state(state_of(outputs));
        }
        first.resize_state(self.session.allocator(), &self.signature.states).map_err(failed)
    }

    /// The outputs to compute: the alpha and the state. Given the shape of the alpha, each run writes to the same
    /// tensors.
    fn select_outputs(&self, alpha_dims: Option<&Vec<usize>>) -> ort::Result<RunOptions<HasSelectedOutputs>> {
        let Signature { alpha, states, .. } = &self.signature;
        let states = states.iter().map(|state| (state.output, alpha_dims.map(|_| &state.dims)));
        let mut selected = OutputSelector::no_default();
        for (output, dims) in std::iter::once((*alpha, alpha_dims)).chain(states) {
            let name = self.session.outputs()[output].name();
            selected = selected.with(name);
            if let Some(dims) = dims {
                selected = selected.preallocate(name, Tensor::<f32>::new(self.session.allocator(), dims.clone())?);
            }
        }
        Ok(RunOptions::new()?.with_outputs(selected))
    }

    /// The processor in use.
    pub(super) fn processor(&self) -> Processor {
        self.processor
    }

    /// Why that is not the configured processor.
    pub(super) fn processor_error(&self) -> Option<&Failure> {
        self.processor_error.as_ref()
    }

    /// The widths of the image, of which the first is the specification's.
    pub(super) fn widths(&self) -> impl ExactSizeIterator<Item = usize> {
        self.tensors.iter().map(|tensors| tensors.width)
    }

    /// The input tensor, in the model's axis order and value range.
    pub(super) fn input(&mut self) -> &mut [f32] {
        self.input_at(0)
    }

    /// The input tensor for the width at this index of [`OnnxModel::widths`].
    pub(super) fn input_at(&mut self, index: usize) -> &mut [f32] {
        self.tensors[index].inputs.image()
    }

    /// Clears the recurrent state, before the first frame of another stream.
    pub(super) fn reset(&mut self) {
        self.tensors.iter_mut().for_each(|tensors| tensors.inputs.reset());
    }

    /// Runs the model on the input tensor and writes its alpha, 0 to 1, row by row. The recurrent state advances; after
    /// an error, it is cleared.
    ///
    /// # Errors
    /// If ONNX Runtime fails, or the output is not finite.
    pub(super) fn run(&mut self, alpha: &mut [f32]) -> Result<(), MaskError> {
        self.run_at(0, alpha)
    }

    /// Like [`OnnxModel::run`], for the width at this index of [`OnnxModel::widths`].
    ///
    /// # Errors
    /// As [`OnnxModel::run`].
    pub(super) fn run_at(&mut self, index: usize, alpha: &mut [f32]) -> Result<(), MaskError> {
        let result = self.advance(index, alpha);
        if result.is_err() {
            self.reset();
        }
        result
    }

    fn advance(&mut self, index: usize, alpha: &mut [f32]) -> Result<(), MaskError> {
        let spec = &self.spec;
        let Tensors { decoder, inputs, outputs, turn, .. } = &mut self.tensors[index];
        let failed = |error: ort::Error| run_error(spec, &error);
        let values = SessionInputs::<'_, '_, 0>::from(inputs.values());
        let sets = outputs.len();
        let outputs = self.session.run_with_options(values, &outputs[*turn]).map_err(failed)?;
        for (name, value) in &outputs {
            let count = count_not_finite(value.try_extract_tensor::<f32>().map_err(failed)?.1);
            if count > 0 {
                let output = format!("output {name:?} of {}", spec.file.display());
                return Err(MaskError::NotFinite { model: spec.name.clone(), output, count });
            }
        }
        decoder.alpha(outputs[0].try_extract_tensor::<f32>().map_err(failed)?.1, alpha);
        inputs.set_state(state_of(outputs));
        *turn = (*turn + 1) % sets;
        Ok(())
    }
}

fn run_error(spec: &ModelSpec, error: &ort::Error) -> MaskError {
    MaskError::Run { model: spec.name.clone(), reason: format!("{}: {error}", spec.file.display()) }
}

/// The outputs that are the state, after the alpha.
fn state_of(outputs: SessionOutputs<'_>) -> impl Iterator<Item = DynValue> {
    outputs.into_iter().skip(1).map(|(_, value)| value)
}

/// The sides of a tensor.
fn sides(value: &DynValue) -> Vec<usize> {
    let known = value.dtype().tensor_shape().into_iter().flat_map(|shape| shape.iter());
    known.map(|&side| usize::try_from(side).unwrap_or(0)).collect()
}

fn state_changes(spec: &ModelSpec, state: &StateTensor, found: &[usize]) -> MaskError {
    let (found, expected) =
        (format!("{found:?} after the second frame"), format!("{:?}, as after the first", state.dims));
    let fix = "correct the pairs in state, or export the model with a state of a fixed size";
    problem(spec, &format!("state {:?}", state.name), found, expected, fix)
}

/// One thread suits models of a few milliseconds, and spinning between frames would double the CPU time. A plan of the
/// memory for each input size saves no time, but keeps memory of its own: 11 MiB for the keyframes of `balanced`, 23 for
/// those of `high`.
pub(super) fn commit(runtime: &Runtime, bytes: &[u8], processor: Processor, threads: usize) -> ort::Result<Session> {
    let mut builder = SessionBuilder::new(&runtime.environment)?
        .with_execution_providers(provider(processor, threads).as_slice())?
        .with_optimization_level(GraphOptimizationLevel::All)?
        .with_intra_threads(threads)?
        .with_inter_threads(1)?
        .with_intra_op_spinning(false)?
        .with_inter_op_spinning(false)?
        .with_memory_pattern(false)?
        .with_log_level(LogLevel::Warning)?;
    if processor == Processor::MiGraphX {
        append_migraphx(&runtime.library, &mut builder)?;
    }
    builder.commit_from_memory(bytes)
}

/// The execution provider, which must be available if it is named.
fn provider(processor: Processor, threads: usize) -> Option<ExecutionProviderDispatch> {
    let provider = match processor {
        Processor::Cpu | Processor::MiGraphX => return None,
        Processor::Cuda => ep::CUDA::default().build(),
        Processor::OpenVino => ep::OpenVINO::default().with_device_type("AUTO").with_num_threads(threads).build(),
    };
    Some(provider.error_on_failure())
}

/// Adds MIGraphX through the function that its builds of ONNX Runtime export: the layout of the struct with its options,
/// which `ort` uses, differs between versions.
fn append_migraphx(library: &Path, builder: &mut SessionBuilder) -> ort::Result<()> {
    type Append = unsafe extern "C" fn(*mut ort::sys::OrtSessionOptions, c_int) -> ort::sys::OrtStatusPtr;
    let name = c"OrtSessionOptionsAppendExecutionProvider_MIGraphX";
    let Some(symbol) = runtime::symbol(library, name) else {
        return Err(ort::Error::new("the library was built without MIGraphX"));
    };
    // SAFETY: the function of this name has this type in all versions.
    let append = unsafe { mem::transmute::<NonNull<c_void>, Append>(symbol) };
    // SAFETY: the options are valid, and borrowed for the call; device 0 is the first GPU. Nothing else uses the
    // returned status.
    unsafe { ort::Error::result_from_status(append(builder.ptr_mut(), 0)) }
}

fn no_processor(processor: Processor, reason: &str, library: &Path) -> Failure {
    let reason = reason.lines().next().unwrap_or_default();
    let text = format!("{} cannot use processor {processor}: {reason}", library.display());
    Failure::new(Kind::Missing, text).hint(match processor {
        Processor::Cpu => "set mask.processor to \"cpu\"",
        Processor::Cuda => {
            "set mask.library to a library of the package onnxruntime-gpu, and check that nvidia-smi works"
        }
        Processor::OpenVino => "set mask.library to a library of the package onnxruntime-openvino",
        Processor::MiGraphX => {
            "set mask.library to a library of the package onnxruntime-migraphx, and check that rocminfo lists the GPU"
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mask::{
        Settings,
        catalogue::{self, Layout, Output, Range},
    };

    /// ONNX Runtime, or `None` and a message if it is not installed.
    fn runtime_or_skip() -> Option<Runtime> {
        match runtime(None) {
            Ok(runtime) => Some(runtime),
            Err(error @ MaskError::NoLibrary { .. }) => {
                #[expect(clippy::print_stderr, reason = "reports a skipped test")]
                {
                    eprintln!("skipped: {error}");
                }
                None
            }
            Err(error) => panic!("{error}"),
        }
    }

    fn spec(layout: Layout, output: Output) -> ModelSpec {
        let tiny = ModelSpec { name: "tiny".into(), width: 18, height: 16, ..catalogue::bundled()[0].clone() };
        ModelSpec { layout, output, background: 1, range: Range::Signed, ..tiny }
    }

    /// A length-delimited protobuf field.
    fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        let mut out = vec![number << 3 | 2];
        let mut length = bytes.len();
        while length > 127 {
            out.push(length as u8 | 128);
            length >>= 7;
        }
        out.push(length as u8);
        [out, bytes.to_vec()].concat()
    }

    /// A protobuf varint field with a value below 128.
    fn number(field: u8, value: u8) -> Vec<u8> {
        vec![field << 3, value]
    }

    /// An ONNX file with one node `op` from a float tensor `x` to a tensor `y`, both of shape `dims`.
    fn model(op: &str, element_type: u8, dims: &[u8]) -> Vec<u8> {
        let shape = dims.iter().flat_map(|&side| field(1, &number(1, side))).collect::<Vec<_>>();
        let tensor = field(1, &[number(1, element_type), field(2, &shape)].concat());
        let value = |name: &str| [field(1, name.as_bytes()), field(2, &tensor)].concat();
        let node = [field(1, b"x"), field(2, b"y"), field(4, op.as_bytes())].concat();
        let graph = [field(1, &node), field(2, b"g"), field(11, &value("x")), field(12, &value("y"))].concat();
        [number(1, 8), field(7, &graph), field(8, &number(2, 17))].concat()
    }

    #[test]
    fn the_built_in_model_runs_and_finds_no_person_in_black() {
        let Some(runtime) = runtime_or_skip() else { return };
        let spec = &catalogue::bundled()[0];
        let (_, bytes) = catalogue::load(spec, &Settings::default()).unwrap();
        let mut model = OnnxModel::load(&runtime, spec, &bytes, &Settings::default()).unwrap();
        let mut alpha = vec![1.0; spec.width * spec.height];
        model.run(&mut alpha).unwrap();
        assert!(alpha.iter().all(|&alpha| alpha < 0.5));
    }

    #[test]
    fn without_migraphx_in_the_library_the_model_runs_on_the_cpu_with_a_reason() {
        let Some(runtime) = runtime_or_skip() else { return };
        let spec = &catalogue::bundled()[0];
        let settings = Settings { processor: "migraphx".parse().unwrap(), ..Settings::default() };
        let (_, bytes) = catalogue::load(spec, &settings).unwrap();
        let model = OnnxModel::load(&runtime, spec, &bytes, &settings).unwrap();
        if model.processor() == Processor::MiGraphX {
            return; // this machine has it
        }
        let failure = model.processor_error().unwrap();
        assert!(failure.message.contains("cannot use processor migraphx: "), "{failure}");
        assert!(failure.hint.as_ref().unwrap().contains("onnxruntime-migraphx"), "{failure:?}");
    }

    #[test]
    fn classes_become_alpha_in_both_layouts() {
        let Some(runtime) = runtime_or_skip() else { return };
        for (layout, dims) in [(Layout::Nchw, [1, 3, 16, 18]), (Layout::Nhwc, [1, 16, 18, 3])] {
            let spec = spec(layout, Output::Logits);
            let mut model =
                OnnxModel::load(&runtime, &spec, &model("Identity", 1, &dims), &Settings::default()).unwrap();
            let place = |pixel: usize, class: usize| match layout {
                Layout::Nchw => class * 16 * 18 + pixel,
                Layout::Nhwc => pixel * 3 + class,
            };
            // pixel 20 is background, pixel 21 the person, all others are undecided between three classes
            let input = model.input();
            input[place(20, 1)] = 100.0;
            input[place(21, 2)] = 2.0;
            let mut alpha = vec![0.0; 16 * 18];
            model.run(&mut alpha).unwrap();
            let person = 1.0 - 1.0 / (2.0 + 2f32.exp());
            for (pixel, expected) in [(0, 2.0 / 3.0), (20, 0.0), (21, person)] {
                assert!((alpha[pixel] - expected).abs() < 1e-5, "{layout:?} {pixel}: {}", alpha[pixel]);
            }
        }
    }

    #[test]
    fn hair_follows_alpha_in_both_layouts() {
        let Some(runtime) = runtime_or_skip() else { return };
        let expected = "[1, 2, 16, 18]";
        let bytes = model("Identity", 1, &[1, 3, 16, 18]);
        let spec = spec(Layout::Nchw, Output::AlphaHair);
        let message =
            OnnxModel::load(&runtime, &spec, &bytes, &Settings::default()).map(|_| ()).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
        for (layout, values) in [(Layout::Nchw, [0.1, 0.2, 1.7, 0.4]), (Layout::Nhwc, [0.1, 1.7, 0.2, 0.4])] {
            let spec = ModelSpec { layout, width: 2, height: 1, ..spec.clone() };
            let mut decoded = vec![7.0; spec.output_len()];
            Decoder::new(&spec, 2).alpha(&values, &mut decoded);
            assert_eq!(decoded, [0.1, 0.2, 1.0, 0.4], "{layout:?}");
        }
    }

    #[test]
    fn values_that_are_not_finite_are_an_error() {
        let Some(runtime) = runtime_or_skip() else { return };
        let spec = spec(Layout::Nchw, Output::Logits);
        // the logarithm of black is minus infinity
        match OnnxModel::load(&runtime, &spec, &model("Log", 1, &[1, 3, 16, 18]), &Settings::default()).map(|_| ()) {
            Err(MaskError::NotFinite { count, .. }) => assert_eq!(count, 3 * 16 * 18),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn models_with_other_shapes_are_rejected_with_the_expected_one() {
        let Some(runtime) = runtime_or_skip() else { return };
        let refused = |output, bytes: &[u8]| {
            OnnxModel::load(&runtime, &spec(Layout::Nchw, output), bytes, &Settings::default())
                .map(|_| ())
                .unwrap_err()
                .to_string()
        };
        let expected = "expected one input of float32 [1, 3, 16, 18]";
        for (element_type, dims) in
            [(1, &[1, 3, 18, 16][..]), (1, &[1, 16, 18, 3]), (1, &[3, 16]), (7, &[1, 3, 16, 18])]
        {
            let message = refused(Output::Alpha, &model("Identity", element_type, dims));
            assert!(message.contains(expected) && message.contains("the file has input \"x\" of"), "{message}");
        }
        let message = refused(Output::Alpha, &model("Identity", 1, &[1, 3, 16, 18]));
        assert!(message.contains("expected an output of float32 [1, 1, 16, 18]"), "{message}");
        assert!(refused(Output::Alpha, b"not a model at all").contains("not a usable ONNX file"));
        assert!(refused(Output::Alpha, b"").contains("not a usable ONNX file"));
    }

    #[test]
    fn a_file_that_is_not_a_library_is_rejected() {
        let dir = tempfile::tempdir().unwrap();
        let text = dir.path().join("libonnxruntime.so");
        std::fs::write(&text, "not a library").unwrap();
        for path in [text, dir.path().join("missing.so")] {
            // `Start` if another test of this process has loaded the real one
            match start(path.clone(), "mask.library").map(|_| ()) {
                Err(MaskError::BadLibrary { path: named, .. } | MaskError::Start { library: named, .. }) => {
                    assert_eq!(named, path);
                }
                other => panic!("{other:?}"),
            }
        }
    }
}
