//! What is seen through a window: a painted canvas around the room.

use super::super::canvas::Canvas;
use super::super::colour::Rgb;
use super::vector::Vec3;

/// A canvas far away, on the inside of a cylinder.
#[derive(Debug)]
pub(in crate::painter) struct Backdrop {
    pub(in crate::painter) canvas: Canvas,
    /// The `v` of the canvas at eye level.
    pub(in crate::painter) horizon: f32,
    /// The direction of its middle, in radians from z towards x.
    pub(in crate::painter) facing: f32,
    /// Canvas heights per radian.
    pub(in crate::painter) zoom: f32,
    /// A factor for how bright it looks.
    pub(in crate::painter) gain: f32,
}

impl Backdrop {
    pub(in crate::painter) fn at(&self, toward: Vec3) -> Rgb {
        let turn = toward.x.atan2(toward.z) - self.facing;
        let half = std::f32::consts::PI;
        let turn = (turn + half).rem_euclid(2.0 * half) - half;
        let rise = toward.y / toward.x.hypot(toward.z).max(1e-3);
        self.canvas.sample(turn * self.zoom, self.horizon - rise * self.zoom) * self.gain
    }

    /// The mean colour of the canvas.
    pub(in crate::painter) fn mean(&self) -> Rgb {
        let sum = self.canvas.pixels.iter().fold(Rgb::default(), |sum, &light| sum + light);
        sum * (1.0 / self.canvas.pixels.len() as f32)
    }
}
