//! Scales a frame to a model's input: planes are downscaled by area, then converted to RGB at the small size.

use std::ops::Range;

use multiversion::multiversion;

use super::catalogue::{self, Layout, ModelSpec};
use crate::frame::{Frame, Size};

/// Weights are in 1/256, so that a weighted row of bytes fits in 16 bits.
const ONE: u16 = 256;

/// A rectangle in a model's input or output, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region {
    /// The column of its left edge.
    pub x: usize,
    /// The row of its top edge.
    pub y: usize,
    /// Its width.
    pub width: usize,
    /// Its height.
    pub height: usize,
}

impl Region {
    /// The whole input of a model.
    pub fn whole(spec: &ModelSpec) -> Self {
        Self { x: 0, y: 0, width: spec.width, height: spec.height }
    }

    /// The largest centred region of a model's input with the aspect ratio of `size`.
    pub fn letterbox(spec: &ModelSpec, size: Size) -> Self {
        let (w, h) = (size.width(), size.height());
        let fitted = |side: usize, other: usize, of: usize| (side * of + other / 2) / other;
        let width = fitted(w, h, spec.height).clamp(1, spec.width);
        let height = fitted(h, w, spec.width).clamp(1, spec.height);
        Self { x: (spec.width - width) / 2, y: (spec.height - height) / 2, width, height }
    }
}

/// Scales frames of one size into the input tensor of one model.
#[derive(Debug)]
pub struct InputScaler {
    region: Region,
    width: usize,
    height: usize,
    layout: Layout,
    range: catalogue::Range,
    luma: Plane,
    u: Plane,
    v: Plane,
}

impl InputScaler {
    /// A scaler from frames of `size` to `region` of the input of `spec`.
    pub fn new(size: Size, spec: &ModelSpec, region: Region) -> Self {
        let (w, h) = (size.width(), size.height());
        let chroma = Plane::new((w / 2, h / 2), (region.width, region.height));
        Self {
            region,
            width: spec.width,
            height: spec.height,
            layout: spec.layout,
            range: spec.range,
            luma: Plane::new((w, h), (region.width, region.height)),
            u: chroma.clone(),
            v: chroma,
        }
    }

    /// Writes `frame` to its region of `tensor`; the rest is left unchanged.
    pub fn fill(&mut self, frame: &Frame, tensor: &mut [f32]) {
        self.fill_columns(frame, 0..self.region.width, self.region.x, self.width, tensor);
    }

    /// Writes these columns of a model's input to the narrower `tensor`, which has only them. The frame must fill the
    /// whole input.
    pub fn fill_narrow(&mut self, frame: &Frame, columns: Range<usize>, tensor: &mut [f32]) {
        let width = columns.len();
        self.fill_columns(frame, columns, 0, width, tensor);
    }

    /// Writes columns of the region to column `x` of a tensor of width `width`.
    fn fill_columns(&mut self, frame: &Frame, columns: Range<usize>, x: usize, width: usize, tensor: &mut [f32]) {
        let (y, u, v) = frame.planes();
        for row in 0..self.region.height {
            self.luma.row(y, row, columns.clone());
            self.u.row(u, row, columns.clone());
            self.v.row(v, row, columns.clone());
            let start = (self.region.y + row) * width + x;
            self.write_row(columns.clone(), start, width * self.height, tensor);
        }
    }

    /// Fills `tensor` with black, the colour of letterbox bars.
    pub fn clear(&self, tensor: &mut [f32]) {
        tensor.fill(scale(self.range).1);
    }

    /// Writes columns of the current row to pixel `start` of a tensor with planes of `area` pixels.
    fn write_row(&self, columns: Range<usize>, start: usize, area: usize, tensor: &mut [f32]) {
        let span = start..start + columns.len();
        let yuv = (&self.luma.out[columns.clone()], &self.u.out[columns.clone()], &self.v.out[columns]);
        match self.layout {
            Layout::Nchw => {
                let (red, rest) = tensor.split_at_mut(area);
                let (green, blue) = rest.split_at_mut(area);
                planar_rgb(yuv, (&mut red[span.clone()], &mut green[span.clone()], &mut blue[span]), scale(self.range));
            }
            Layout::Nhwc => {
                let pixels = &mut tensor[span.start * 3..span.end * 3];
                packed_rgb(yuv, pixels, scale(self.range));
            }
        }
    }
}

/// The factor and offset from RGB 0..1 to a model's value range.
fn scale(range: catalogue::Range) -> (f32, f32) {
    match range {
        catalogue::Range::Unit => (1.0, 0.0),
        catalogue::Range::Signed => (2.0, -1.0),
    }
}

/// The scaler of one plane.
#[derive(Debug, Clone)]
struct Plane {
    stride: usize,
    rows: Axis,
    columns: Axis,
    /// A row of the source's width, in 1/256.
    vertical: Box<[u16]>,
    /// A row of the target's width, in 1/65536.
    out: Box<[u32]>,
}

impl Plane {
    fn new(from: (usize, usize), to: (usize, usize)) -> Self {
        Self {
            stride: from.0,
            rows: Axis::new(from.1, to.1),
            columns: Axis::new(from.0, to.0),
            vertical: vec![0; from.0].into(),
            out: vec![0; to.0].into(),
        }
    }

    /// Computes these columns of row `row` of the scaled plane into `out`.
    fn row(&mut self, plane: &[u8], row: usize, columns: Range<usize>) {
        let (start, weights) = self.rows.taps(row);
        let rows = &plane[start * self.stride..(start + weights.len()) * self.stride];
        weigh_rows(rows, weights, &mut self.vertical);
        self.columns.apply(&self.vertical, columns, &mut self.out);
    }
}

/// The source pixels covered by each target pixel along one axis: by area when downscaling, else linear.
///
/// Pixel centres are at half-integer positions. Chroma samples are assumed to be centred between their four luma
/// pixels: the quarter pixel by which cameras differ is a twentieth of a pixel here.
#[derive(Debug, Clone)]
struct Axis {
    taps: usize,
    starts: Box<[u32]>,
    weights: Box<[u16]>,
}

impl Axis {
    fn new(from: usize, to: usize) -> Self {
        let scale = from as f64 / to as f64;
        let reach = scale.max(1.0);
        // where target pixels cover whole source pixels, neighbours share none
        let rest = usize::from(reach.fract() != 0.0 || scale < 1.0);
        let taps = (reach.ceil() as usize + rest).min(from);
        let mut axis = Self { taps, starts: vec![0; to].into(), weights: vec![0; to * taps].into() };
        for target in 0..to {
            let middle = (target as f64 + 0.5) * scale;
            let (low, high) = (middle - reach / 2.0, middle + reach / 2.0);
            let start = (low.floor().max(0.0) as usize).min(from - taps);
            axis.starts[target] = start as u32;
            // beyond the edges, the pixel at the edge is repeated
            let below = |edge: usize| match edge {
                0 => 0.0,
                edge if edge == taps => 1.0,
                edge => (((start + edge) as f64 - low) / (high - low)).clamp(0.0, 1.0),
            };
            let sum = |edge| (below(edge) * f64::from(ONE)).round() as u16;
            for tap in 0..taps {
                axis.weights[target * taps + tap] = sum(tap + 1) - sum(tap);
            }
        }
        axis
    }

    /// The first source pixel of a target pixel, and the weights of it and the following ones, which add up to [`ONE`].
    fn taps(&self, target: usize) -> (usize, &[u16]) {
        (self.starts[target] as usize, &self.weights[target * self.taps..][..self.taps])
    }

    /// Applies the weights to a row, for these columns of `out`; unrolled for the numbers of taps of common sizes.
    fn apply(&self, row: &[u16], columns: Range<usize>, out: &mut [u32]) {
        match self.taps {
            2 => self.apply_n::<2>(row, columns, out),
            3 => self.apply_n::<3>(row, columns, out),
            4 => self.apply_n::<4>(row, columns, out),
            5 => self.apply_n::<5>(row, columns, out),
            6 => self.apply_n::<6>(row, columns, out),
            taps => {
                let weights = self.weights.chunks_exact(taps).skip(columns.start);
                let starts = &self.starts[columns.clone()];
                for ((out, &start), weights) in out[columns].iter_mut().zip(starts).zip(weights) {
                    *out = weigh(&row[start as usize..][..taps], weights);
                }
            }
        }
    }

    fn apply_n<const N: usize>(&self, row: &[u16], columns: Range<usize>, out: &mut [u32]) {
        let weights = &self.weights.as_chunks::<N>().0[columns.clone()];
        let starts = &self.starts[columns.clone()];
        for ((out, &start), weights) in out[columns].iter_mut().zip(starts).zip(weights) {
            *out = weigh(&row[start as usize..][..N], weights);
        }
    }
}

#[inline(always)]
fn weigh(pixels: &[u16], weights: &[u16]) -> u32 {
    pixels.iter().zip(weights).map(|(&pixel, &weight)| u32::from(pixel) * u32::from(weight)).sum()
}

/// The weighted sum of rows of bytes, in 1/256.
#[multiversion(targets = "simd")]
fn weigh_rows(rows: &[u8], weights: &[u16], out: &mut [u16]) {
    weigh_rows_scalar(rows, weights, out);
}

#[inline(always)]
fn weigh_rows_scalar(rows: &[u8], weights: &[u16], out: &mut [u16]) {
    for (index, (row, &weight)) in rows.chunks_exact(out.len()).zip(weights).enumerate() {
        if index == 0 {
            out.iter_mut().zip(row).for_each(|(out, &byte)| *out = weight * u16::from(byte));
        } else {
            out.iter_mut().zip(row).for_each(|(out, &byte)| *out += weight * u16::from(byte));
        }
    }
}

#[multiversion(targets = "simd")]
fn planar_rgb(yuv: (&[u32], &[u32], &[u32]), rgb: (&mut [f32], &mut [f32], &mut [f32]), scale: (f32, f32)) {
    let sources = yuv.0.iter().zip(yuv.1).zip(yuv.2);
    let targets = rgb.0.iter_mut().zip(rgb.1).zip(rgb.2);
    for (((&y, &u), &v), ((red, green), blue)) in sources.zip(targets) {
        [*red, *green, *blue] = to_rgb([y, u, v], scale);
    }
}

#[multiversion(targets = "simd")]
fn packed_rgb(yuv: (&[u32], &[u32], &[u32]), rgb: &mut [f32], scale: (f32, f32)) {
    for (((&y, &u), &v), rgb) in yuv.0.iter().zip(yuv.1).zip(yuv.2).zip(rgb.as_chunks_mut::<3>().0) {
        *rgb = to_rgb([y, u, v], scale);
    }
}

/// ITU-R BT.601, limited range, from 1/65536 of a byte.
#[inline(always)]
fn to_rgb(yuv: [u32; 3], (factor, offset): (f32, f32)) -> [f32; 3] {
    const BYTE: f32 = 1.0 / 65536.0;
    // through i32: unsigned integers have no fast conversion to floats before AVX-512
    let [y, u, v] = yuv.map(|value| value as i32 as f32 * BYTE);
    let luma = (y - 16.0) * (1.0 / 219.0);
    let (u, v) = ((u - 128.0) * (1.0 / 224.0), (v - 128.0) * (1.0 / 224.0));
    let red = luma + 1.402 * v;
    let green = luma - 0.344_136 * u - 0.714_136 * v;
    let blue = luma + 1.772 * u;
    [red, green, blue].map(|value| value.clamp(0.0, 1.0) * factor + offset)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        frame::Yuv,
        mask::catalogue::{self, Range},
    };

    fn spec(layout: Layout, range: Range, width: usize, height: usize) -> ModelSpec {
        ModelSpec { layout, range, width, height, ..catalogue::bundled()[0].clone() }
    }

    fn shrink(frame: &Frame, spec: &ModelSpec, region: Region) -> Vec<f32> {
        let mut scaler = InputScaler::new(frame.size(), spec, region);
        let mut tensor = vec![f32::NAN; spec.width * spec.height * 3];
        scaler.clear(&mut tensor);
        scaler.fill(frame, &mut tensor);
        tensor
    }

    /// The mean of `plane` over the area of a target pixel, in floating point.
    fn area(plane: &[u8], (w, h): (usize, usize), (tw, th): (usize, usize), (tx, ty): (usize, usize)) -> f64 {
        let span = |at: usize, from: usize, to: usize| {
            let scale = from as f64 / to as f64;
            let (low, high) = (at as f64 * scale, (at + 1) as f64 * scale);
            (0..from).map(move |i| (i, ((i + 1) as f64).min(high) - (i as f64).max(low))).filter(|part| part.1 > 0.0)
        };
        let (mut sum, mut weight) = (0.0, 0.0);
        for (y, wy) in span(ty, h, th) {
            for (x, wx) in span(tx, w, tw) {
                sum += f64::from(plane[y * w + x]) * wx * wy;
                weight += wx * wy;
            }
        }
        sum / weight
    }

    #[test]
    fn weights_cover_the_axis_and_add_up() {
        for (from, to) in [(1280, 256), (720, 144), (640, 256), (360, 144), (16, 256), (8192, 17), (20, 20), (8, 16)] {
            let axis = Axis::new(from, to);
            for target in 0..to {
                let (start, weights) = axis.taps(target);
                assert!(start + weights.len() <= from);
                assert_eq!(weights.iter().sum::<u16>(), ONE, "{from} to {to} at {target}");
            }
        }
    }

    #[test]
    fn it_is_the_mean_over_the_area() {
        let mut frame = Frame::new(Size::new(100, 58).unwrap());
        frame.data_mut().iter_mut().enumerate().for_each(|(i, byte)| *byte = (i * 7919 % 251) as u8);
        let spec = spec(Layout::Nchw, Range::Unit, 32, 18);
        let tensor = shrink(&frame, &spec, Region::whole(&spec));
        let (y, u, v) = frame.planes();
        for at in [(0, 0), (31, 17), (5, 9), (16, 2)] {
            let mean = |plane, size| (area(plane, size, (32, 18), at) * 65536.0).round() as u32;
            let expected = to_rgb([mean(y, (100, 58)), mean(u, (50, 29)), mean(v, (50, 29))], (1.0, 0.0));
            let index = at.1 * 32 + at.0;
            for (channel, expected) in expected.into_iter().enumerate() {
                let found = tensor[channel * 32 * 18 + index];
                // weights of 1/256 on each axis
                assert!((found - expected).abs() < 0.012, "{at:?} {channel}: {found} for {expected}");
            }
        }
    }

    #[test]
    fn colours_have_the_models_order_and_range() {
        let mut frame = Frame::new(Size::new(64, 32).unwrap());
        frame.fill(Yuv::from_rgb(255, 128, 0));
        let nchw = spec(Layout::Nchw, Range::Unit, 16, 16);
        let tensor = shrink(&frame, &nchw, Region::whole(&nchw));
        for (channel, expected) in [1.0, 0.502, 0.0].into_iter().enumerate() {
            assert!((tensor[channel * 256 + 77] - expected).abs() < 0.01);
        }
        let nhwc = spec(Layout::Nhwc, Range::Signed, 16, 16);
        let tensor = shrink(&frame, &nhwc, Region::whole(&nhwc));
        for (channel, expected) in [1.0, 0.004, -1.0].into_iter().enumerate() {
            assert!((tensor[77 * 3 + channel] - expected).abs() < 0.02);
        }
    }

    #[test]
    fn a_letterbox_keeps_the_aspect_ratio_and_has_black_bars() {
        let mut frame = Frame::new(Size::new(32, 64).unwrap());
        frame.fill(Yuv::from_rgb(255, 255, 255));
        let spec = spec(Layout::Nchw, Range::Signed, 64, 32);
        let region = Region::letterbox(&spec, frame.size());
        assert_eq!(region, Region { x: 24, y: 0, width: 16, height: 32 });
        let tensor = shrink(&frame, &spec, region);
        let row: Vec<_> = tensor[..64].iter().map(|value| value.round()).collect();
        assert_eq!(row, [vec![-1.0; 24], vec![1.0; 16], vec![-1.0; 24]].concat());
        assert_eq!(Region::letterbox(&catalogue::bundled()[0], Size::HD), Region::whole(&catalogue::bundled()[0]));
    }

    #[test]
    fn a_narrow_tensor_has_the_same_columns() {
        let mut frame = Frame::new(Size::new(200, 58).unwrap());
        frame.data_mut().iter_mut().enumerate().for_each(|(i, byte)| *byte = (i * 7919 % 251) as u8);
        for (layout, width) in [(Layout::Nchw, 32), (Layout::Nchw, 25), (Layout::Nhwc, 32)] {
            let spec = spec(layout, Range::Signed, width, 18);
            let whole = shrink(&frame, &spec, Region::whole(&spec));
            let mut scaler = InputScaler::new(frame.size(), &spec, Region::whole(&spec));
            let columns = 7..19;
            let mut narrow = vec![f32::NAN; columns.len() * 18 * 3];
            scaler.fill_narrow(&frame, columns.clone(), &mut narrow);
            let values = if layout == Layout::Nhwc { 3 } else { 1 };
            let parts = whole.chunks_exact(width * values);
            let parts = parts.flat_map(|row| row[columns.start * values..columns.end * values].to_vec());
            assert_eq!(narrow, parts.collect::<Vec<_>>(), "{layout:?} {width}");
        }
    }

    #[test]
    fn frames_smaller_than_the_model_are_enlarged_smoothly() {
        let mut frame = Frame::new(Size::new(16, 16).unwrap());
        let (y, ..) = frame.planes_mut();
        y.iter_mut().enumerate().for_each(|(i, byte)| *byte = 16 + (i % 16 * 14) as u8);
        let spec = spec(Layout::Nchw, Range::Unit, 256, 16);
        let tensor = shrink(&frame, &spec, Region::whole(&spec));
        assert!(tensor[..256].is_sorted());
        assert!(tensor[..256].windows(2).all(|pair| pair[1] - pair[0] < 0.01));
    }

    proptest! {
        #[test]
        fn simd_matches_the_scalar_version(rows in prop::collection::vec(any::<u8>(), 3..700), cut in 0u16..=ONE) {
            let width = rows.len() / 3;
            let weights = [cut / 2, cut - cut / 2, ONE - cut];
            let (mut simd, mut scalar) = (vec![0; width], vec![0; width]);
            weigh_rows(&rows[..width * 3], &weights, &mut simd);
            weigh_rows_scalar(&rows[..width * 3], &weights, &mut scalar);
            prop_assert_eq!(simd, scalar);
        }
    }
}
