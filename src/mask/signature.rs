//! Assigns the inputs and outputs of a model file to their roles: image, alpha, recurrent state, constants.
//!
//! Roles come from the settings. If those name none, the state is found by its names (`r1i` and `r1o`, `h_in` and
//! `h_out`), and the image and the alpha by their shape.

use ort::value::{Outlet, TensorElementType, ValueType};

use super::{
    MaskError,
    catalogue::ModelSpec,
    error::TensorMismatch,
    tensors::{alpha_shape, dims, fits_image, mismatch, shape},
};

/// The maximum size of a model's recurrent state.
pub(super) const MAX_STATE_BYTES: usize = 256 << 20;

/// The endings of the names of a state's input and output.
const STATE_ENDINGS: [(&str, &str); 3] = [("i", "o"), ("_in", "_out"), ("_input", "_output")];

/// The roles of a model's inputs and outputs, as indices.
#[derive(Debug, PartialEq)]
pub(super) struct Signature {
    /// The input for the image.
    pub(super) image: usize,
    /// The output with the alpha.
    pub(super) alpha: usize,
    /// The shape of that output.
    pub(super) alpha_dims: Vec<usize>,
    /// Its number of channels.
    pub(super) channels: usize,
    /// The recurrent state: outputs of one frame that are inputs of the next one.
    pub(super) states: Vec<StateTensor>,
    /// The inputs with a constant value.
    pub(super) constants: Vec<(usize, f64)>,
}

/// A tensor of the recurrent state.
#[derive(Debug, PartialEq)]
pub(super) struct StateTensor {
    /// The name of the input.
    pub(super) name: String,
    /// The input.
    pub(super) input: usize,
    /// The output.
    pub(super) output: usize,
    /// The shape of the input; 1 where the file leaves a dimension open.
    pub(super) dims: Vec<usize>,
}

impl Signature {
    /// The roles of the tensors of a file.
    ///
    /// # Errors
    /// If a tensor has no role or several, or another type or shape than its role requires.
    pub(super) fn find(spec: &ModelSpec, inputs: &[Outlet], outputs: &[Outlet]) -> Result<Self, MaskError> {
        let mut file = Roles { spec, inputs, outputs, used: vec![None; inputs.len()] };
        let named_image = file.named_image()?;
        let named_alpha = match &spec.alpha_output {
            Some(name) => Some(file.position(OUTPUT, name, "alpha_output")?),
            None => None,
        };
        let constants = file.constants()?;
        let states = file.states(named_alpha)?;
        let image = file.image(named_image)?;
        file.reject_unused()?;
        let alpha = file.alpha(named_alpha, &states, constants.is_empty())?;
        let (alpha_dims, channels) = alpha_shape(spec, &outputs[alpha], outputs)?;
        check_size(spec, &states)?;
        Ok(Self { image, alpha, alpha_dims, channels, states, constants })
    }
}

/// Checks the size of a state.
///
/// # Errors
/// If it is larger than [`MAX_STATE_BYTES`].
pub(super) fn check_size(spec: &ModelSpec, states: &[StateTensor]) -> Result<(), MaskError> {
    let mut total = 0usize;
    for StateTensor { name, dims, .. } in states {
        let bytes = dims.iter().try_fold(size_of::<f32>(), |bytes, &side| bytes.checked_mul(side));
        total = total.saturating_add(bytes.unwrap_or(usize::MAX));
        if total > MAX_STATE_BYTES {
            let found = format!("float32 {dims:?}, {} MiB of state in total", total >> 20);
            let expected = format!("at most {} MiB of state", MAX_STATE_BYTES >> 20);
            let fix = "reduce width, height or the scale constant of the model (such as downsample_ratio)";
            return Err(problem(spec, &format!("state {name:?}"), found, expected, fix));
        }
    }
    Ok(())
}

/// An error about a tensor, with the setting that fixes it.
pub(super) fn problem(
    spec: &ModelSpec,
    tensor: &str,
    found: impl Into<String>,
    expected: impl Into<String>,
    fix: impl Into<String>,
) -> MaskError {
    MaskError::Tensor(Box::new(TensorMismatch {
        model: spec.name.clone(),
        file: spec.file.clone(),
        tensor: tensor.to_owned(),
        found: found.into(),
        expected: expected.into(),
        fix: fix.into(),
    }))
}

const INPUT: &str = "input";
const OUTPUT: &str = "output";

/// The tensors of a file while roles are assigned.
struct Roles<'a> {
    spec: &'a ModelSpec,
    inputs: &'a [Outlet],
    outputs: &'a [Outlet],
    /// The setting that uses each input.
    used: Vec<Option<&'static str>>,
}

impl Roles<'_> {
    fn outlets(&self, side: &str) -> &[Outlet] {
        if side == INPUT { self.inputs } else { self.outputs }
    }

    fn error(&self, tensor: &str, found: impl Into<String>, expected: &str, fix: impl Into<String>) -> MaskError {
        problem(self.spec, tensor, found, expected, fix)
    }

    /// The index of the input or output that a setting names.
    fn position(&self, side: &str, name: &str, setting: &str) -> Result<usize, MaskError> {
        let outlets = self.outlets(side);
        outlets.iter().position(|outlet| outlet.name() == name).ok_or_else(|| {
            let names = outlets.iter().map(|outlet| format!("{:?}", outlet.name())).collect::<Vec<_>>().join(", ");
            let fix = format!("correct {setting} in the model's settings");
            self.error(&format!("{side} {name:?}"), "no such tensor", &format!("one of {names}"), fix)
        })
    }

    /// Records that `setting` uses an input.
    fn claim(&mut self, input: usize, setting: &'static str) -> Result<(), MaskError> {
        match self.used[input].replace(setting) {
            None => Ok(()),
            Some(first) => {
                let fix = format!("remove it from {first} or from {setting}");
                let tensor = format!("input {:?}", self.inputs[input].name());
                Err(self.error(&tensor, format!("it in {first} and in {setting}"), "one role for each input", fix))
            }
        }
    }

    fn named_image(&mut self) -> Result<Option<usize>, MaskError> {
        let Some(name) = &self.spec.image_input else { return Ok(None) };
        let input = self.position(INPUT, name, "image_input")?;
        self.claim(input, "image_input")?;
        Ok(Some(input))
    }

    fn constants(&mut self) -> Result<Vec<(usize, f64)>, MaskError> {
        let mut constants = Vec::with_capacity(self.spec.constants.len());
        for (name, &value) in &self.spec.constants {
            let input = self.position(INPUT, name, "constants")?;
            self.claim(input, "constants")?;
            let tensor = format!("input {name:?}");
            let outlet = &self.inputs[input];
            let is_integer = match outlet.dtype() {
                ValueType::Tensor { ty, shape, .. } if shape.iter().all(|&side| side == 1 || side == -1) => match ty {
                    TensorElementType::Float32 => false,
                    TensorElementType::Int32 | TensorElementType::Int64 => true,
                    _ => return Err(self.not_a_number(&tensor, outlet)),
                },
                _ => return Err(self.not_a_number(&tensor, outlet)),
            };
            if is_integer && value.fract() != 0.0 {
                let fix = format!("set {name} in constants to an integer");
                return Err(self.error(&tensor, format!("the constant {value}"), "an integer", fix));
            }
            constants.push((input, value));
        }
        Ok(constants)
    }

    fn not_a_number(&self, tensor: &str, outlet: &Outlet) -> MaskError {
        let expected = "one number of type float32, int32 or int64";
        let fix = "remove it from constants, and use it as the image_input or in a state pair";
        self.error(tensor, outlet.dtype().to_string(), expected, fix)
    }

    fn states(&mut self, alpha: Option<usize>) -> Result<Vec<StateTensor>, MaskError> {
        let mut states: Vec<StateTensor> = Vec::new();
        for (input, output) in self.state_pairs(alpha)? {
            self.claim(input, "state")?;
            let is_taken = alpha == Some(output) || states.iter().any(|state| state.output == output);
            if is_taken {
                let tensor = format!("output {:?}", self.outputs[output].name());
                let fix = "give each output one role: in one pair of state, or as alpha_output";
                return Err(self.error(&tensor, "several roles", "one role", fix));
            }
            states.push(self.state(input, output)?);
        }
        Ok(states)
    }

    /// The pairs in the settings; without any, those with matching names.
    fn state_pairs(&self, alpha: Option<usize>) -> Result<Vec<(usize, usize)>, MaskError> {
        if self.spec.state.is_empty() {
            let free = (0..self.inputs.len()).filter(|&input| self.inputs.len() > 1 && self.used[input].is_none());
            return Ok(free.filter_map(|input| Some((input, self.counterpart(input, alpha)?))).collect());
        }
        let pair = |(input, output): &(String, String)| {
            Ok((self.position(INPUT, input, "state")?, self.position(OUTPUT, output, "state")?))
        };
        self.spec.state.iter().map(pair).collect()
    }

    /// The output that belongs to a state's input by its name, if their shapes agree.
    fn counterpart(&self, input: usize, alpha: Option<usize>) -> Option<usize> {
        let name = self.inputs[input].name();
        STATE_ENDINGS.iter().find_map(|(ending, counterpart)| {
            let stem = name.strip_suffix(ending).filter(|stem| !stem.is_empty())?;
            let wanted = format!("{stem}{counterpart}");
            let output = self.outputs.iter().position(|outlet| outlet.name() == wanted)?;
            let agrees = agree(self.inputs[input].dtype(), self.outputs[output].dtype());
            (agrees && alpha != Some(output)).then_some(output)
        })
    }

    fn state(&self, input: usize, output: usize) -> Result<StateTensor, MaskError> {
        let (from, to) = (&self.outputs[output], &self.inputs[input]);
        for (side, outlet) in [(INPUT, to), (OUTPUT, from)] {
            if dims(outlet).is_none() {
                let tensor = format!("{side} {:?}", outlet.name());
                let fix = "use the float32 version of the file, or correct state in the model's settings";
                return Err(self.error(&tensor, outlet.dtype().to_string(), "a float32 tensor for the state", fix));
            }
        }
        if !agree(to.dtype(), from.dtype()) {
            let tensor = format!("state {:?} and {:?}", to.name(), from.name());
            let found = format!("{} and {}", to.dtype(), from.dtype());
            let fix = "pair each input with its own output in state";
            return Err(self.error(&tensor, found, "the same shape", fix));
        }
        let known = |&side: &i64| usize::try_from(side).unwrap_or(1).max(1);
        let dims = dims(to).unwrap_or_default().iter().map(known).collect();
        Ok(StateTensor { name: to.name().to_owned(), input, output, dims })
    }

    fn image(&mut self, named: Option<usize>) -> Result<usize, MaskError> {
        let free: Vec<usize> = (0..self.inputs.len()).filter(|&input| self.used[input].is_none()).collect();
        let fitting = free.iter().copied().filter(|&input| fits_image(self.spec, &self.inputs[input]));
        let image = match (named, fitting.collect::<Vec<_>>().as_slice()) {
            (Some(image), _) => image,
            (None, &[image]) => image,
            (None, &[first, second, ..]) => {
                let names = format!("{:?} and {:?}", self.inputs[first].name(), self.inputs[second].name());
                let fix = "name the image in image_input, and the others in state or constants";
                return Err(self.error("image", format!("inputs {names} that fit"), "one input that fits", fix));
            }
            (None, []) => return Err(self.no_image()),
        };
        if !fits_image(self.spec, &self.inputs[image]) {
            return Err(self.no_image());
        }
        self.used[image] = Some("image_input");
        Ok(image)
    }

    fn no_image(&self) -> MaskError {
        mismatch(self.spec, format!("one input of float32 {:?}", shape(self.spec, 3)), INPUT, self.inputs)
    }

    /// Rejects inputs without a role.
    fn reject_unused(&self) -> Result<(), MaskError> {
        let Some(input) = self.used.iter().position(Option::is_none) else { return Ok(()) };
        let outlet = &self.inputs[input];
        let name = outlet.name();
        let is_one = matches!(outlet.dtype(), ValueType::Tensor { shape, .. } if shape.iter().all(|&side| side == 1));
        let fix = match is_one {
            true => format!("add constants = {{ {name:?} = NUMBER }} to the model's settings"),
            false => format!("add state = [[{name:?}, \"OUTPUT\"]] to the model's settings"),
        };
        Err(self.error(&format!("input {name:?}"), format!("{} without a role", outlet.dtype()), "a value for it", fix))
    }

    fn alpha(&self, named: Option<usize>, states: &[StateTensor], is_plain: bool) -> Result<usize, MaskError> {
        if let Some(alpha) = named {
            return Ok(alpha);
        }
        let is_state = |output: &usize| states.iter().any(|state| state.output == *output);
        let free = (0..self.outputs.len()).filter(|output| !is_state(output));
        let fits = |&output: &usize| alpha_shape(self.spec, &self.outputs[output], self.outputs).is_ok();
        match free.clone().filter(fits).collect::<Vec<_>>().as_slice() {
            &[alpha] => Ok(alpha),
            // the first output of a model of one image is its mask
            &[alpha, ..] if is_plain && states.is_empty() => Ok(alpha),
            &[first, second, ..] => {
                let names = format!("{:?} and {:?}", self.outputs[first].name(), self.outputs[second].name());
                let fix = "name the output with the mask in alpha_output";
                Err(self.error("alpha", format!("outputs {names} that fit"), "one output that fits", fix))
            }
            // none fits: the check of its shape reports the first one
            [] => free.clone().next().ok_or_else(|| {
                let fix = "remove the output with the mask from state, and name it in alpha_output";
                self.error("alpha", "no output besides the state", "an output with the mask", fix)
            }),
        }
    }
}

/// Whether an output can be the next value of an input.
fn agree(input: &ValueType, output: &ValueType) -> bool {
    match (input, output) {
        (ValueType::Tensor { shape: input, .. }, ValueType::Tensor { shape: output, .. }) => {
            let fits = |(&a, &b): (&i64, &i64)| a == b || a == -1 || b == -1;
            input.len() == output.len() && input.iter().zip(output.iter()).all(fits)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests;
