//! Temporal smoothing against flicker: small changes where the frame is still are noise of the model.

use multiversion::multiversion;

use crate::frame::grid::Plane;

/// The change of alpha above which nothing is smoothed.
const REAL_CHANGE: f32 = 0.35;

/// The change of luma above which the frame is not still.
const MOVED: i32 = 12;

#[derive(Debug)]
pub(crate) struct Memory {
    weight: f32,
    fresh: bool,
    alpha: Plane<f32>,
    luma: Plane<u8>,
}

impl Memory {
    /// `weight` is that of the previous alpha, 0 to below 1.
    pub(crate) fn new(width: usize, height: usize, weight: f32) -> Self {
        Self { weight, fresh: true, alpha: Plane::new(width, height), luma: Plane::new(width, height) }
    }

    pub(crate) fn reset(&mut self) {
        self.fresh = true;
    }

    /// Smooths `alpha` towards the previous one.
    pub(crate) fn steady(&mut self, luma: &Plane<u8>, alpha: &mut Plane<f32>) {
        if !std::mem::take(&mut self.fresh) {
            blend(alpha.raw_mut(), self.alpha.raw().0, (luma.raw().0, self.luma.raw().0), self.weight);
        }
        self.alpha.copy_from(alpha);
        self.luma.copy_from(luma);
    }
}

#[multiversion(targets = "simd")]
fn blend(alpha: &mut [f32], held: &[f32], luma: (&[u8], &[u8]), weight: f32) {
    for (((alpha, &held), &now), &then) in alpha.iter_mut().zip(held).zip(luma.0).zip(luma.1) {
        let change = held - *alpha;
        let noise = 1.0 - (change.abs() * (1.0 / REAL_CHANGE)).min(1.0);
        let moved = (i32::from(now) - i32::from(then)).abs().min(MOVED);
        let still = (MOVED - moved) as f32 * (1.0 / MOVED as f32);
        *alpha += change * weight * noise * still;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plane<T: Copy + Default>(value: T) -> Plane<T> {
        let mut plane = Plane::new(4, 4);
        plane.raw_mut().fill(value);
        plane
    }

    fn after(then: (f32, u8), now: (f32, u8)) -> f32 {
        let mut memory = Memory::new(4, 4, 0.7);
        memory.steady(&plane(then.1), &mut plane(then.0));
        let mut alpha = plane(now.0);
        memory.steady(&plane(now.1), &mut alpha);
        alpha.row(2)[2]
    }

    #[test]
    fn noise_is_smoothed_and_real_changes_pass() {
        let smoothed = after((0.5, 100), (0.54, 101));
        assert!((0.5..0.525).contains(&smoothed), "{smoothed}");
        assert_eq!(after((0.0, 100), (1.0, 100)), 1.0);
        assert_eq!(after((0.5, 100), (0.54, 130)), 0.54, "the frame has changed");
    }

    #[test]
    fn a_new_stream_has_no_past() {
        let mut memory = Memory::new(4, 4, 0.7);
        memory.steady(&plane(100), &mut plane(0.5));
        memory.reset();
        let mut alpha = plane(0.6);
        memory.steady(&plane(100), &mut alpha);
        assert_eq!(alpha.row(0)[0], 0.6);
    }
}
