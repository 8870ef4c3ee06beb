//! Chairs and sofas.

use super::super::trace::{Shape, Solid, Surface, Vec3, vec3};
use super::{Builder, cloth};

/// Places parts around a foot, all turned by the same angle.
struct Turned {
    foot: Vec3,
    turn: f32,
}

impl Turned {
    fn place(&self, room: &mut Builder, [x, y, z]: [f32; 3], shape: Shape, tilt: f32, surface: Surface) {
        let (sin, cos) = self.turn.sin_cos();
        let at = self.foot + vec3(x * cos + z * sin, y, z * cos - x * sin);
        let surface = surface.seeded(room.rng.seed());
        room.add(Solid::new(shape, at, surface).turned(self.turn, tilt));
    }
}

/// A chair on four legs, seen from behind at a turn of 0.
pub(in crate::painter) fn chair(room: &mut Builder, foot: [f32; 3], turn: f32, seat: Surface, legs: Surface) {
    let own = Turned { foot: vec3(foot[0], foot[1], foot[2]), turn };
    own.place(room, [0.0, 0.455, 0.0], Shape::Round(vec3(0.21, 0.022, 0.21), 0.02), 0.0, seat);
    own.place(room, [0.0, 0.72, -0.2], Shape::Round(vec3(0.2, 0.13, 0.016), 0.015), 0.12, seat);
    for [x, z] in [[-0.18, -0.18], [0.18, -0.18], [-0.18, 0.18], [0.18, 0.18]] {
        own.place(room, [x, 0.22, z], Shape::Cone(0.012, 0.014, 0.22, true), 0.0, legs);
    }
    for x in [-0.17, 0.17] {
        own.place(room, [x, 0.6, -0.195], Shape::Cone(0.012, 0.012, 0.16, true), 0.12, legs);
    }
}

/// An upholstered office chair, seen from behind at a turn of 0.
pub(in crate::painter) fn office_chair(room: &mut Builder, foot: [f32; 3], turn: f32, seat: Surface, legs: Surface) {
    let own = Turned { foot: vec3(foot[0], foot[1], foot[2]), turn };
    own.place(room, [0.0, 0.47, 0.0], Shape::Round(vec3(0.25, 0.045, 0.24), 0.04), 0.0, seat);
    own.place(room, [0.0, 0.82, -0.23], Shape::Round(vec3(0.24, 0.29, 0.035), 0.034), 0.1, seat);
    own.place(room, [0.0, 0.25, 0.0], Shape::Cone(0.03, 0.03, 0.2, true), 0.0, legs);
    own.place(room, [0.0, 0.04, 0.0], Shape::Cone(0.3, 0.04, 0.03, true), 0.0, legs);
    for x in [-0.27, 0.27] {
        own.place(room, [x, 0.66, -0.02], Shape::Round(vec3(0.02, 0.016, 0.16), 0.014), 0.0, legs);
        own.place(room, [x, 0.56, 0.06], Shape::Block(vec3(0.012, 0.1, 0.02)), 0.0, legs);
    }
}

/// A sofa or an armchair `width` wide that faces the viewer at a turn of 0.
pub(in crate::painter) fn sofa(room: &mut Builder, foot: [f32; 3], width: f32, turn: f32, code: u32) {
    let own = Turned { foot: vec3(foot[0], foot[1], foot[2]), turn };
    let surface = cloth(code);
    let half = width * 0.5;
    own.place(room, [0.0, 0.22, 0.02], Shape::Round(vec3(half, 0.12, 0.44), 0.04), 0.0, surface);
    own.place(room, [0.0, 0.5, 0.36], Shape::Round(vec3(half - 0.02, 0.34, 0.11), 0.08), -0.12, surface);
    for x in [-half + 0.09, half - 0.09] {
        own.place(room, [x, 0.38, 0.0], Shape::Round(vec3(0.1, 0.24, 0.44), 0.08), 0.0, surface);
    }
    let count = (width / 0.75).floor().max(1.0);
    let step = (width - 0.36) / count;
    for i in 0..count as u32 {
        let x = -half + 0.18 + step * (i as f32 + 0.5);
        own.place(room, [x, 0.4, -0.04], Shape::Round(vec3(step * 0.49, 0.085, 0.38), 0.06), 0.0, surface);
        own.place(room, [x, 0.66, 0.2], Shape::Round(vec3(step * 0.48, 0.22, 0.09), 0.08), -0.2, surface);
    }
}
