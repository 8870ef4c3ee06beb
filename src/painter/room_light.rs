//! The light in a room, and the wall that it falls on.

use super::Stage;
use super::colour::{Rgb, hex};
use super::noise::{fbm, lerp, smooth};
use super::scene::Time;

/// The light in a room.
#[derive(Debug, Clone, Copy)]
pub(super) struct RoomLight {
    /// The side of the window: -1 left, 1 right.
    pub(super) side: f32,
    /// The light from the window.
    pub(super) day: Rgb,
    /// The light from lamps.
    pub(super) warm: Rgb,
    pub(super) time: Time,
}

impl RoomLight {
    pub(super) fn new(stage: &mut Stage<'_>, default: Time) -> Self {
        let time = stage.time(default);
        let (day, warm) = match time {
            Time::Day => (hex(0xf4f2ec) * 0.95, hex(0xffcf98) * 0.22),
            Time::Sunrise => (hex(0xffdcb4) * 0.85, hex(0xffc890) * 0.25),
            Time::Sunset => (hex(0xffb27a) * 0.75, hex(0xffc080) * 0.4),
            Time::Dusk => (hex(0x7a90c8) * 0.3, hex(0xffb872) * 0.7),
            Time::Night => (hex(0x4a5f98) * 0.12, hex(0xffb26a) * 0.75),
        };
        Self { side: stage.rng.sign(), day, warm, time }
    }

    /// The light on the wall at a point: daylight falls off across the room, lamplight around `lamp`.
    pub(super) fn at(&self, u: f32, v: f32, lamp: [f32; 2]) -> Rgb {
        let across = smooth(-1.1, 1.0, u * self.side);
        let (dx, dy) = (u - lamp[0], (v - lamp[1]) * 0.9);
        let pool = (-(dx * dx + dy * dy).sqrt() * 2.3).exp();
        self.day * lerp(0.38, 1.0, across) * lerp(1.0, 0.8, v) + self.warm * (0.24 + 1.2 * pool)
    }
}

/// A painted wall over the whole canvas.
pub(super) fn wall(stage: &mut Stage<'_>, light: RoomLight, paint: Rgb, at: [f32; 2]) {
    let seed = stage.seed;
    stage.canvas.each(|u, v, _| {
        let rough = 1.0 + 0.02 * fbm(u * 3.0, v * 3.0, 4, seed);
        paint * light.at(u, v, at) * rough
    });
}
