//! Resamples a model's alpha to the working grid: bilinearly, or as the mean of two pixels if the model is larger.

use crate::frame::grid::Plane;
use crate::mask::input::Region;

/// A position between two pixels.
#[derive(Debug, Clone, Copy)]
struct Tap {
    first: u32,
    second: u32,
    part: f32,
}

/// Resamples a region of one model's output to the grid.
#[derive(Debug)]
pub(crate) struct Resample {
    stride: usize,
    columns: Box<[Tap]>,
    rows: Box<[Tap]>,
    vertical: Box<[f32]>,
}

impl Resample {
    /// `span` is the number of the region's pixels per pixel of the grid, as (horizontal, vertical).
    pub(crate) fn new(stride: usize, region: Region, into: (usize, usize), span: (f64, f64)) -> Self {
        Self {
            stride,
            columns: taps(region.x, region.width, into.0, span.0),
            rows: taps(region.y, region.height, into.1, span.1),
            vertical: vec![0.0; stride].into(),
        }
    }

    pub(crate) fn run(&mut self, alpha: &[f32], into: &mut Plane<f32>) {
        for (y, row) in self.rows.iter().enumerate() {
            let line = |at: u32| &alpha[at as usize * self.stride..][..self.stride];
            mix(line(row.first), line(row.second), row.part, &mut self.vertical);
            for (out, tap) in into.row_mut(y).iter_mut().zip(&self.columns) {
                let (a, b) = (self.vertical[tap.first as usize], self.vertical[tap.second as usize]);
                *out = a + (b - a) * tap.part;
            }
        }
        into.replicate();
    }
}

fn taps(start: usize, from: usize, into: usize, span: f64) -> Box<[Tap]> {
    let tap = |x: usize| {
        let at = ((x as f64 + 0.5) * span - 0.5).clamp(0.0, (from - 1) as f64);
        let first = at as usize;
        Tap {
            first: (start + first) as u32,
            second: (start + (first + 1).min(from - 1)) as u32,
            part: at.fract() as f32,
        }
    };
    (0..into).map(tap).collect()
}

#[multiversion::multiversion(targets = "simd")]
fn mix(first: &[f32], second: &[f32], part: f32, out: &mut [f32]) {
    for ((out, &first), &second) in out.iter_mut().zip(first).zip(second) {
        *out = first + (second - first) * part;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ramp_stays_a_ramp() {
        let (width, height) = (16, 9);
        let alpha: Vec<f32> = (0..width * height).map(|i| (i % width) as f32 / 15.0).collect();
        let region = Region { x: 0, y: 0, width, height };
        let mut plane = Plane::new(40, 20);
        Resample::new(width, region, (40, 20), (0.4, 0.45)).run(&alpha, &mut plane);
        for x in 0..40 {
            let place = ((x as f32 + 0.5) * 0.4 - 0.5).clamp(0.0, 15.0) / 15.0;
            assert!((plane.row(11)[x] - place).abs() < 1e-5);
        }
    }

    #[test]
    fn only_the_region_counts() {
        let framed: Vec<f32> = (0..20 * 12)
            .map(|i| if (2..18).contains(&(i % 20)) && (3..9).contains(&(i / 20)) { 0.25 } else { 1.0 })
            .collect();
        let mut plane = Plane::new(33, 17);
        Resample::new(20, Region { x: 2, y: 3, width: 16, height: 6 }, (33, 17), (16.0 / 33.0, 6.0 / 17.0))
            .run(&framed, &mut plane);
        assert!((0..17).all(|y| plane.row(y).iter().all(|&alpha| alpha == 0.25)));
    }
}
