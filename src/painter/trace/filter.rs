//! Smooths noisy light within surfaces, and enlarges it along their edges.

use super::super::colour::Rgb;
use super::vector::Vec3;

/// The minimum likeness of a cell whose light is used for a point.
const MIN_LIKENESS: f32 = 0.03;

/// A visible point: where it is and which way it faces. `normal` is zero where nothing is hit.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::painter) struct Point {
    pub(in crate::painter) place: Vec3,
    pub(in crate::painter) normal: Vec3,
    pub(in crate::painter) distance: f32,
}

impl Point {
    fn is_hit(&self) -> bool {
        self.normal.dot(self.normal) > 0.5
    }

    /// How alike two points are lit: 1 on the same plane, 0 across edges.
    fn likeness(&self, other: &Self) -> f32 {
        let facing = self.normal.dot(other.normal).max(0.0);
        let off = self.normal.dot(other.place - self.place).abs() / (0.012 * self.distance);
        facing * facing * facing * facing / (1.0 + off * off)
    }
}

/// A grid of points and their light.
#[derive(Debug, Clone)]
pub(in crate::painter) struct Grid {
    pub(in crate::painter) width: usize,
    pub(in crate::painter) height: usize,
    pub(in crate::painter) points: Vec<Point>,
}

impl Grid {
    /// Averages light with its surroundings `passes` times, each time from twice as far (Dammertz et al. 2010).
    pub(in crate::painter) fn smooth(&self, light: &mut Vec<Rgb>, passes: u32) {
        for pass in 0..passes {
            let step = 1isize << pass;
            let source = std::mem::take(light);
            *light = (0..source.len()).map(|at| self.average(&source, at, step)).collect();
        }
    }

    fn average(&self, light: &[Rgb], at: usize, step: isize) -> Rgb {
        const TAPS: [f32; 3] = [0.375, 0.25, 0.0625];
        let here = &self.points[at];
        if !here.is_hit() {
            return light[at];
        }
        let (x, y) = ((at % self.width) as isize, (at / self.width) as isize);
        let mut sum = Rgb::default();
        let mut total = 0.0;
        for dy in -2..=2isize {
            let ny = y + dy * step;
            if ny < 0 || ny >= self.height as isize {
                continue;
            }
            for dx in -2..=2isize {
                let nx = x + dx * step;
                if nx < 0 || nx >= self.width as isize {
                    continue;
                }
                let other = ny as usize * self.width + nx as usize;
                let tap = TAPS[dx.unsigned_abs()] * TAPS[dy.unsigned_abs()];
                let weight = tap * here.likeness(&self.points[other]);
                sum = sum + light[other] * weight;
                total += weight;
            }
        }
        if total > 0.0 { sum * (1.0 / total) } else { light[at] }
    }

    /// The light at a point of a finer grid; `x` and `y` are in cells of this grid. `None` if no cell near it has a point
    /// that is lit alike, as on a strip that is narrower than a cell.
    pub(in crate::painter) fn enlarge<const N: usize>(
        &self,
        lights: [&[Rgb]; N],
        point: &Point,
        x: f32,
        y: f32,
    ) -> Option<[Rgb; N]> {
        let (x0, y0) = (x.max(0.0) as usize, y.max(0.0) as usize);
        let mut sums = [Rgb::default(); N];
        let (mut total, mut best) = (0.0, 0.0_f32);
        for (dx, dy) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
            let (nx, ny) = ((x0 + dx).min(self.width - 1), (y0 + dy).min(self.height - 1));
            let near = (1.0 - (x - nx as f32).abs()).max(0.02) * (1.0 - (y - ny as f32).abs()).max(0.02);
            let other = ny * self.width + nx;
            let likeness = point.likeness(&self.points[other]);
            best = best.max(likeness);
            let weight = near * (1e-4 + likeness);
            for (sum, light) in sums.iter_mut().zip(lights) {
                *sum = *sum + light[other] * weight;
            }
            total += weight;
        }
        (best > MIN_LIKENESS).then(|| sums.map(|sum| sum * (1.0 / total)))
    }
}
