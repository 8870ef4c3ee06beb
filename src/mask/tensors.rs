//! Checks a model file's tensors against the catalogue entry.

use ort::value::{Outlet, TensorElementType, ValueType};

use super::{
    MaskError,
    catalogue::{Layout, ModelSpec, Output},
};

/// The shape of an image of `channels` in the model's axis order.
pub(super) fn shape(spec: &ModelSpec, channels: usize) -> [usize; 4] {
    match spec.layout {
        Layout::Nchw => [1, channels, spec.height, spec.width],
        Layout::Nhwc => [1, spec.height, spec.width, channels],
    }
}

/// Whether an input fits the image of the specification.
pub(super) fn fits_image(spec: &ModelSpec, input: &Outlet) -> bool {
    dims(input).is_some_and(|dims| fits(dims, &shape(spec, 3)))
}

/// The shape of the output with the alpha, and its number of channels; an error lists all `outputs`.
///
/// # Errors
/// If it differs from the specification.
pub(super) fn alpha_shape(
    spec: &ModelSpec,
    output: &Outlet,
    outputs: &[Outlet],
) -> Result<(Vec<usize>, usize), MaskError> {
    let dims = dims(output).unwrap_or_default();
    let channels = match (spec.output, dims) {
        (Output::Alpha | Output::SigmoidLogits, _) => 1,
        (Output::AlphaHair, _) => 2,
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
    // dynamic dimensions are known now; an omitted axis of length 1 stays omitted
    let known = if dims.len() == 4 { expected.to_vec() } else { dims.iter().map(|&side| side as usize).collect() };
    Ok((known, channels))
}

fn shape_of_classes(spec: &ModelSpec) -> String {
    match spec.layout {
        Layout::Nchw => format!("[1, classes, {}, {}]", spec.height, spec.width),
        Layout::Nhwc => format!("[1, {}, {}, classes]", spec.height, spec.width),
    }
}

/// The sides of a float tensor, -1 where the model leaves them open.
pub(super) fn dims(outlet: &Outlet) -> Option<&[i64]> {
    match outlet.dtype() {
        ValueType::Tensor { ty: TensorElementType::Float32, shape, .. } => Some(shape),
        _ => None,
    }
}

/// Whether a tensor of shape `dims` has the expected shape: a dynamic dimension fits, and axes of length 1 may be omitted.
fn fits(dims: &[i64], expected: &[usize; 4]) -> bool {
    if dims.len() == 4 {
        return dims.iter().zip(expected).all(|(&side, &wanted)| side == -1 || side == wanted as i64);
    }
    let wanted = expected.iter().map(|&side| side as i64).filter(|&side| side != 1);
    dims.iter().copied().filter(|&side| side != 1).eq(wanted)
}

/// An error that lists the tensors of the file.
pub(super) fn mismatch(spec: &ModelSpec, expected: String, what: &str, outlets: &[Outlet]) -> MaskError {
    let found = outlets.iter().map(|outlet| format!("{what} {:?} of {}", outlet.name(), outlet.dtype()));
    let found = found.collect::<Vec<_>>().join(", ");
    let found = if found.is_empty() { format!("no {what}") } else { found };
    MaskError::Shape { model: spec.name.clone(), file: spec.file.clone(), expected, found }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_side_fits_and_an_axis_of_one_may_be_omitted() {
        assert!(fits(&[-1, 3, -1, -1], &[1, 3, 16, 18]));
        assert!(fits(&[16, 18], &[1, 1, 16, 18]));
        assert!(!fits(&[1, 3, 18, 16], &[1, 3, 16, 18]));
        assert!(!fits(&[-1, -1], &[1, 1, 16, 18]));
    }
}
