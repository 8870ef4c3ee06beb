//! The refiner's network: one tile of picture, coarse alpha and hair in, alpha out.

use std::fmt;

use ort::{
    session::{HasSelectedOutputs, OutputSelector, RunOptions, Session},
    value::Tensor,
};

use crate::mask::{
    MaskError, Processor,
    decode::count_not_finite,
    onnx::{Runtime, commit},
};

/// The network, compiled into the program.
static BYTES: &[u8] = include_bytes!("../../../models/refiner/selfie_refiner.onnx");

/// The side of a tile, in pixels; a multiple of 4.
pub(super) const TILE: usize = 128;

/// The planes of a tile's input: red, green, blue, coarse alpha, probability of hair, all 0 to 1.
pub(super) const CHANNELS: usize = 5;

/// The name in error messages.
const NAME: &str = "refiner";

/// The network with its input and output.
pub(super) struct Network {
    input: Tensor<f32>,
    options: RunOptions<HasSelectedOutputs>,
    session: Session,
    alpha: Box<[f32]>,
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network").finish_non_exhaustive()
    }
}

impl Network {
    /// # Errors
    /// If ONNX Runtime cannot run it.
    pub(super) fn load(runtime: &Runtime) -> Result<Self, MaskError> {
        let not_onnx = |error: ort::Error| MaskError::NotOnnx { model: NAME.to_owned(), reason: error.to_string() };
        let session = commit(runtime, BYTES, Processor::Cpu, 1).map_err(not_onnx)?;
        let prepare = || -> ort::Result<_> {
            let output = Tensor::<f32>::new(session.allocator(), [1, 1, TILE, TILE])?;
            let name = session.outputs()[0].name().to_owned();
            let selected = OutputSelector::no_default().with(&name).preallocate(&name, output);
            let input = Tensor::<f32>::new(session.allocator(), [1, CHANNELS, TILE, TILE])?;
            Ok((input, RunOptions::new()?.with_outputs(selected)))
        };
        let (input, options) = prepare().map_err(not_onnx)?;
        let mut network = Self { input, options, session, alpha: vec![0.0; TILE * TILE].into() };
        network.input().fill(0.0);
        network.run()?;
        Ok(network)
    }

    /// The input: [`CHANNELS`] planes of a tile.
    pub(super) fn input(&mut self) -> &mut [f32] {
        self.input.extract_tensor_mut().1
    }

    /// Runs the network on its input and returns the tile's alpha, 0 to 1.
    ///
    /// # Errors
    /// If ONNX Runtime fails, or the output is not finite.
    pub(super) fn run(&mut self) -> Result<&[f32], MaskError> {
        let failed = |error: ort::Error| MaskError::Run { model: NAME.to_owned(), reason: error.to_string() };
        let outputs = self.session.run_with_options(ort::inputs![&self.input], &self.options).map_err(failed)?;
        let (_, values) = outputs[0].try_extract_tensor::<f32>().map_err(failed)?;
        let count = count_not_finite(values);
        if count > 0 {
            return Err(MaskError::NotFinite { model: NAME.to_owned(), output: "alpha".to_owned(), count });
        }
        self.alpha.copy_from_slice(values);
        Ok(&self.alpha)
    }
}
