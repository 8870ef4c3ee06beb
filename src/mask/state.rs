//! The input tensors of a model: the image, the constants, and the recurrent state, which is passed on from frame to
//! frame.

use std::mem;

use ort::{
    memory::Allocator,
    session::SessionInputValue,
    value::{DynValue, Outlet, Tensor, TensorElementType, ValueType},
};

use super::{
    catalogue::ModelSpec,
    signature::{Signature, StateTensor},
    tensors::shape,
};

/// The inputs of a session, in its order.
pub(super) struct Inputs {
    values: Vec<SessionInputValue<'static>>,
    image: usize,
    states: Vec<State>,
}

/// A tensor of the recurrent state.
struct State {
    /// The index of its input.
    input: usize,
    /// Its initial value; `None` while that is the input.
    zeros: Option<SessionInputValue<'static>>,
}

impl Inputs {
    /// Inputs with a black image and a state of zeros.
    ///
    /// # Errors
    /// If ONNX Runtime cannot create the tensors.
    pub(super) fn new(
        allocator: &Allocator,
        spec: &ModelSpec,
        signature: &Signature,
        inputs: &[Outlet],
    ) -> ort::Result<Self> {
        let mut values = Vec::with_capacity(inputs.len());
        for (index, input) in inputs.iter().enumerate() {
            let constant = signature.constants.iter().find(|(at, _)| *at == index);
            let state = signature.states.iter().find(|state| state.input == index);
            values.push(match (constant, state) {
                (Some(&(_, value)), _) => number(allocator, input, value)?.into(),
                (None, Some(state)) => zeros(allocator, &state.dims)?,
                (None, None) => zeros(allocator, &shape(spec, 3))?,
            });
        }
        let states = signature.states.iter().map(|state| State { input: state.input, zeros: None });
        Ok(Self { values, image: signature.image, states: states.collect() })
    }

    /// Replaces the state with zeros of the shapes in `states`.
    ///
    /// # Errors
    /// If ONNX Runtime cannot create the tensors.
    pub(super) fn resize_state(&mut self, allocator: &Allocator, states: &[StateTensor]) -> ort::Result<()> {
        for (state, wanted) in self.states.iter_mut().zip(states) {
            self.values[state.input] = zeros(allocator, &wanted.dims)?;
            state.zeros = None;
        }
        Ok(())
    }

    /// The values of all inputs.
    pub(super) fn values(&self) -> &[SessionInputValue<'static>] {
        &self.values
    }

    /// The image.
    pub(super) fn image(&mut self) -> &mut [f32] {
        match &mut self.values[self.image] {
            SessionInputValue::Owned(value) => value.try_extract_tensor_mut::<f32>().map(|(_, pixels)| pixels),
            _ => unreachable!("all inputs are owned"),
        }
        .unwrap_or_else(|_| unreachable!("the image was created as float32"))
    }

    /// Sets the state to the outputs of a frame, which are in the order of the states. Tensors are moved, not copied.
    pub(super) fn set_state(&mut self, outputs: impl Iterator<Item = DynValue>) {
        for (state, output) in self.states.iter_mut().zip(outputs) {
            let last = mem::replace(&mut self.values[state.input], SessionInputValue::Owned(output));
            state.zeros.get_or_insert(last);
        }
    }

    /// Sets the state to zeros.
    pub(super) fn reset(&mut self) {
        for state in &mut self.states {
            if let Some(zeros) = state.zeros.take() {
                self.values[state.input] = zeros;
            }
        }
    }
}

fn zeros(allocator: &Allocator, dims: &[usize]) -> ort::Result<SessionInputValue<'static>> {
    let mut tensor = Tensor::<f32>::new(allocator, dims.to_vec())?;
    tensor.extract_tensor_mut().1.fill(0.0);
    Ok(tensor.into())
}

/// A tensor of one number, in the type and the rank of the input.
fn number(allocator: &Allocator, input: &Outlet, value: f64) -> ort::Result<DynValue> {
    let ValueType::Tensor { ty, shape, .. } = input.dtype() else { return Err(ort::Error::new("not a tensor")) };
    let dims = vec![1usize; shape.len()];
    Ok(match ty {
        TensorElementType::Int64 => {
            let mut tensor = Tensor::<i64>::new(allocator, dims)?;
            tensor.extract_tensor_mut().1.fill(value as i64);
            tensor.into_dyn()
        }
        TensorElementType::Int32 => {
            let mut tensor = Tensor::<i32>::new(allocator, dims)?;
            tensor.extract_tensor_mut().1.fill(value as i32);
            tensor.into_dyn()
        }
        _ => {
            let mut tensor = Tensor::<f32>::new(allocator, dims)?;
            tensor.extract_tensor_mut().1.fill(value as f32);
            tensor.into_dyn()
        }
    })
}
