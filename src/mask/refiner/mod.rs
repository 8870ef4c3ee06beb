//! The refiner: a tiny network that draws the strands of hair in the matte's edge.
//!
//! `band` finds the `cells` where it is used and `network` runs it. The model card, models/refiner/README.md, has its inputs,
//! its training and the rule for its use.

use std::{array, ops::Range};

use multiversion::multiversion;

use self::{
    band::Band,
    cells::CELL,
    network::{Input, Network, PICTURE},
};
use super::matte::Hair;
use crate::frame::{Frame, Size, grid::Grid};

mod band;
mod cells;
mod network;

/// The shorter sides of frames, in pixels, for which the network is used. It was trained at 720; at 360, faces get worse.
const HEIGHTS: std::ops::RangeInclusive<usize> = 480..=960;

/// Refines the hair in frames of one size.
#[derive(Debug)]
pub(super) struct Refiner {
    grid: Grid,
    size: Size,
    band: Band,
    network: Network,
    /// The alpha with hard edges, which the network was trained with.
    coarse: Box<[u8]>,
    /// The probability of hair in a row of the grid.
    hair: Box<[f32]>,
}

impl Refiner {
    /// For frames of `size`; `None` if the network does not suit them.
    pub(super) fn new(size: Size) -> Option<Self> {
        let (width, height) = (size.width(), size.height());
        if !HEIGHTS.contains(&height.min(width)) || !width.is_multiple_of(CELL) || !height.is_multiple_of(CELL) {
            return None;
        }
        let grid = Grid::new(size);
        Some(Self {
            grid,
            size,
            band: Band::new(grid, size),
            network: Network::new(size),
            coarse: vec![0; size.luma_len()].into(),
            hair: vec![0.0; grid.width].into(),
        })
    }

    /// The buffer for the matte of the next frame with hard edges, and the rows in which it is read; `None` if the frame has
    /// no hair.
    pub(super) fn coarse(&mut self, hair: &Hair) -> Option<(&mut [u8], Range<usize>)> {
        let (_, rows) = self.band.bounds(hair)?;
        let start = rows.start.saturating_sub(network::REACH);
        Some((&mut self.coarse, start..(rows.end + network::REACH).min(self.size.height())))
    }

    /// Refines `alpha`, the matte of `frame`, in hair; [`Refiner::coarse`] has it with hard edges.
    pub(super) fn run(&mut self, frame: &Frame, hair: &Hair, alpha: &mut [u8]) {
        self.band.find(hair, &self.coarse);
        let mut input =
            FrameInput { frame, coarse: &self.coarse, hair, grid: self.grid, row: None, probability: &mut self.hair };
        let band = &self.band;
        self.network.run(band.cells(), &mut input, |place, refined| band.blend(place, refined, alpha));
    }
}

/// A frame with its matte and hair.
struct FrameInput<'a> {
    frame: &'a Frame,
    coarse: &'a [u8],
    hair: &'a Hair,
    grid: Grid,
    /// The row of the grid in `probability`.
    row: Option<usize>,
    probability: &'a mut [f32],
}

impl Input for FrameInput<'_> {
    fn picture(&mut self, (x, y): (usize, usize), [red, green, blue, alpha]: [&mut [f32]; PICTURE]) {
        let (width, pixels) = (self.frame.size().width(), alpha.len());
        let (luma, u, v) = self.frame.planes();
        let chroma = y / 2 * (width / 2) + x / 2..;
        let yuv = (&luma[y * width + x..][..pixels], &u[chroma.clone()][..pixels / 2], &v[chroma][..pixels / 2]);
        convert(yuv, (red, green, blue));
        to_unit(&self.coarse[y * width + x..][..pixels], alpha);
    }

    fn hair(&mut self, (x, y): (usize, usize), probability: &mut [f32]) {
        let (row, factor) = (y / self.grid.factor, self.grid.factor);
        if self.row.replace(row) != Some(row) {
            self.hair.probability_row(row, self.probability);
        }
        // a division per pixel would cost as much as a tenth of the network
        let (first, skip) = (x / factor, x % factor);
        let (start, rest) = probability.split_at_mut((factor - skip).min(probability.len()));
        start.fill(self.probability[first]);
        for (value, pixels) in self.probability[first + 1..].iter().zip(rest.chunks_mut(factor)) {
            pixels.fill(*value);
        }
    }
}

/// BT.601, limited range, to RGB 0..1.
#[multiversion(targets = "simd")]
fn convert((luma, u, v): (&[u8], &[u8], &[u8]), (red, green, blue): (&mut [f32], &mut [f32], &mut [f32])) {
    let rgb = red.as_chunks_mut::<2>().0.iter_mut().zip(green.as_chunks_mut::<2>().0).zip(blue.as_chunks_mut::<2>().0);
    for ((((red, green), blue), luma), (&u, &v)) in rgb.zip(luma.as_chunks::<2>().0).zip(u.iter().zip(v)) {
        let [u, v] = [u, v].map(|chroma| (f32::from(chroma) - 128.0) * (1.0 / 224.0));
        let y: [f32; 2] = array::from_fn(|x| (f32::from(luma[x]) - 16.0) * (1.0 / 219.0));
        *red = y.map(|y| (y + 1.402 * v).clamp(0.0, 1.0));
        *green = y.map(|y| (y - 0.344_136 * u - 0.714_136 * v).clamp(0.0, 1.0));
        *blue = y.map(|y| (y + 1.772 * u).clamp(0.0, 1.0));
    }
}

#[multiversion(targets = "simd")]
fn to_unit(bytes: &[u8], out: &mut [f32]) {
    out.iter_mut().zip(bytes).for_each(|(out, &byte)| *out = f32::from(byte) * (1.0 / 255.0));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        frame::{Yuv, grid::Plane},
        mask::{
            Processor,
            onnx::{commit, runtime},
        },
    };

    fn hair(probability: f32) -> Hair {
        let grid = Grid::new(Size::HD);
        let mut plane = Plane::new(grid.width, grid.height);
        (0..grid.height).for_each(|y| plane.row_mut(y).fill(probability));
        let mut hair = Hair::new(grid.width, grid.height);
        hair.set(&plane);
        hair
    }

    /// A disc around the middle with this radius, as alpha.
    fn disc(radius: f32) -> Vec<u8> {
        let (width, height) = (Size::HD.width(), Size::HD.height());
        let distance = |at: usize| {
            let (x, y) = ((at % width) as f32 - width as f32 / 2.0, (at / width) as f32 - height as f32 / 2.0);
            x.hypot(y)
        };
        (0..width * height).map(|at| ((radius - distance(at)) * 40.0 + 128.0).clamp(0.0, 255.0) as u8).collect()
    }

    /// A dark disc in front of a bright wall, with dark strands up to 6 pixels from it.
    fn picture(radius: f32) -> Frame {
        let mut frame = Frame::new(Size::HD);
        frame.fill(Yuv { y: 200, u: 128, v: 128 });
        let alpha = disc(radius);
        let strands = disc(radius + 6.0);
        let luma = frame.planes_mut().0;
        for (at, luma) in luma.iter_mut().enumerate() {
            if alpha[at] > 128 || (strands[at] > 128 && at % 7 < 2) {
                *luma = 40;
            }
        }
        frame
    }

    #[test]
    fn only_the_edge_in_hair_is_refined() {
        let mut refiner = Refiner::new(Size::HD).unwrap();
        let (frame, coarse) = (picture(150.0), disc(150.0));
        let mut alpha = coarse.clone();
        refiner.coarse.copy_from_slice(&coarse);
        refiner.run(&frame, &hair(0.0), &mut alpha);
        assert!(alpha == coarse, "no hair");
        refiner.run(&frame, &hair(0.95), &mut alpha);
        let (far, away) = (disc(150.0 - 14.0), disc(150.0 + 14.0));
        let changed = |at: &usize| alpha[*at] != coarse[*at];
        let at_edge = |at: &usize| far[*at] < 128 && away[*at] > 128;
        assert!((0..alpha.len()).filter(changed).all(|at| at_edge(&at)));
        let mean = |is_strand: bool| {
            let ring = |at: &usize| coarse[*at] == 0 && disc_holds(*at, 154.0) && (at % 7 < 2) == is_strand;
            let (sum, count) = (0..alpha.len())
                .filter(ring)
                .fold((0.0, 0.0), |(sum, count), at| (sum + f32::from(alpha[at]), count + 1.0));
            sum / count
        };
        assert!(mean(true) > mean(false) + 10.0, "strands {}, between them {}", mean(true), mean(false));
    }

    fn disc_holds(at: usize, radius: f32) -> bool {
        let (x, y) = ((at % Size::HD.width()) as f32 - 640.0, (at / Size::HD.width()) as f32 - 360.0);
        x.hypot(y) < radius
    }

    /// The network's alpha of a whole frame by ONNX Runtime; `None` and a message if that is not installed.
    fn reference(refiner: &mut Refiner, frame: &Frame, probability: f32) -> Option<Vec<f32>> {
        let runtime = match runtime(None) {
            Ok(runtime) => runtime,
            #[expect(clippy::print_stderr, reason = "reports a skipped test")]
            Err(error) => {
                eprintln!("skipped: {error}");
                return None;
            }
        };
        let model = include_bytes!("../../../models/refiner/selfie_refiner.onnx");
        let mut session = commit(&runtime, model, Processor::Cpu, 1).unwrap();
        let (width, height) = (frame.size().width(), frame.size().height());
        let mut input = vec![0.0; (PICTURE + 1) * width * height];
        let [red, green, blue, alpha, hair] =
            input.chunks_exact_mut(width * height).collect::<Vec<_>>().try_into().unwrap();
        let (luma, u, v) = frame.planes();
        for y in 0..height {
            let (row, chroma) = (y * width..(y + 1) * width, y / 2 * width / 2..(y / 2 + 1) * width / 2);
            let yuv = (&luma[row.clone()], &u[chroma.clone()], &v[chroma]);
            convert(yuv, (&mut red[row.clone()], &mut green[row.clone()], &mut blue[row]));
        }
        to_unit(&refiner.coarse, alpha);
        hair.fill(probability);
        let input = ort::value::Tensor::from_array(([1, PICTURE + 1, height, width], input)).unwrap();
        let outputs = session.run(ort::inputs![input]).unwrap();
        Some(outputs[0].try_extract_tensor::<f32>().unwrap().1.to_vec())
    }

    #[test]
    fn cells_get_the_alpha_that_onnx_runtime_computes_for_the_whole_frame() {
        let mut refiner = Refiner::new(Size::HD).unwrap();
        // the last one reaches beyond the frame
        for radius in [60.0, 150.0, 358.0, 500.0] {
            let (frame, coarse) = (picture(radius), disc(radius));
            refiner.coarse.copy_from_slice(&coarse);
            let Some(reference) = reference(&mut refiner, &frame, 0.95) else { return };
            let mut alpha = coarse.clone();
            refiner.run(&frame, &hair(0.95), &mut alpha);
            let mut expected = coarse.clone();
            refiner.band.blend((0, 0), &reference, &mut expected);
            let mut changed = 0;
            for cell in (0..720 / CELL).flat_map(|y| refiner.band.cells().runs(y).flatten().map(move |x| (x, y))) {
                for at in (0..CELL * CELL).map(|at| (cell.1 * CELL + at / CELL) * 1280 + cell.0 * CELL + at % CELL) {
                    let (found, expected) = (alpha[at], expected[at]);
                    assert!(found.abs_diff(expected) <= 1, "{radius}, cell {cell:?}: {found}, not {expected}");
                    changed += usize::from(coarse[at] != expected);
                }
            }
            assert!(changed > 500, "{radius}: {changed}");
        }
    }
}
