//! Converts a model's output to alpha.

use ndarray::{Array2, ArrayView2, ArrayView3, Axis, Zip};

use super::catalogue::{Layout, ModelSpec, Output};

/// Counts infinite and NaN values, which have an exponent of all ones.
pub(super) fn count_not_finite(values: &[f32]) -> usize {
    const EXPONENT: u32 = 0x7f80_0000;
    values.iter().map(|value| u32::from(value.to_bits() & EXPONENT == EXPONENT)).sum::<u32>() as usize
}

/// Converts a model's output to alpha.
pub(super) struct Decoder {
    output: Output,
    layout: Layout,
    background: usize,
    channels: usize,
    height: usize,
    width: usize,
    peak: Array2<f32>,
    sum: Array2<f32>,
}

impl Decoder {
    /// A decoder for outputs with the number of channels found by `check_output`.
    pub(super) fn new(spec: &ModelSpec, channels: usize) -> Self {
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

    /// Writes the alpha of each pixel, 0 to 1, row by row; for [`Output::AlphaHair`] followed by the probabilities of
    /// hair.
    pub(super) fn alpha(&mut self, values: &[f32], alpha: &mut [f32]) {
        match self.output {
            Output::AlphaHair if self.layout == Layout::Nhwc => {
                let (alpha, hair) = alpha.split_at_mut(self.width * self.height);
                for ((alpha, hair), &[a, h]) in alpha.iter_mut().zip(hair).zip(values.as_chunks::<2>().0) {
                    *alpha = a.clamp(0.0, 1.0);
                    *hair = h.clamp(0.0, 1.0);
                }
            }
            Output::Alpha | Output::AlphaHair => {
                alpha.iter_mut().zip(values).for_each(|(a, &v)| *a = v.clamp(0.0, 1.0))
            }
            Output::SigmoidLogits => alpha.iter_mut().zip(values).for_each(|(a, &v)| *a = 1.0 / (1.0 + (-v).exp())),
            Output::Logits => self.softmax(values, alpha),
        }
    }

    /// One minus the softmax of the background; subtracting the largest logit avoids overflow.
    fn softmax(&mut self, values: &[f32], alpha: &mut [f32]) {
        let c = self.channels;
        let h = self.height;
        let w = self.width;
        let logits = match self.layout {
            Layout::Nchw => ArrayView3::from_shape((c, h, w), values),
            Layout::Nhwc => ArrayView3::from_shape((h, w, c), values).map(|view| view.permuted_axes([2, 0, 1])),
        };
        let (Ok(logits), Ok(mut alpha)) = (logits, ndarray::ArrayViewMut2::from_shape((h, w), alpha)) else {
            unreachable!("the tensors were created with these shapes")
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
