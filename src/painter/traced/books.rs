//! Books on a shelf.

use super::super::colour::hex;
use super::super::trace::{Shape, Solid, Surface, Texture, vec3};
use super::Builder;

/// The colours of book covers, muted.
const COVERS: [u32; 14] = [
    0x6b3a2e, 0x35485c, 0x2f4a3f, 0x7a5a36, 0x8c4a3c, 0x3c3a38, 0xb89a6a, 0xc0b08c, 0x54606a, 0xb0b0a8, 0x6f7f5a,
    0xc4baa4, 0xa8643f, 0x27424a,
];

/// A row of books with their backs towards -z, between two ends on a board at `level`.
pub(in crate::painter) fn books(room: &mut Builder, [from, to]: [f32; 2], level: f32, front: f32, tallest: f32) {
    let mut x = from;
    let mut height = tallest * room.rng.range(0.75, 0.95);
    let mut cover = room.rng.pick(&COVERS);
    while x < to {
        if room.rng.chance(0.3) {
            height = tallest * room.rng.range(0.66, 1.0);
            cover = room.rng.pick(&COVERS);
        }
        let width = room.rng.range(0.016, 0.046);
        if room.rng.chance(0.035) {
            x += room.rng.range(0.03, 0.12);
            continue;
        }
        if x + width > to {
            return;
        }
        let tall = height * room.rng.range(0.96, 1.0);
        let deep = room.rng.range(0.14, 0.2);
        let tone = room.rng.range(0.6, 0.95);
        let surface =
            Surface::new(hex(cover).saturate(0.8) * tone, Texture::Spine).glossy(0.1, 0.3).seeded(room.rng.seed());
        let at = vec3(x + width * 0.5, level + tall * 0.5, front + deep * 0.5 + room.rng.range(0.0, 0.015));
        let half = vec3(width * 0.48, tall * 0.5, deep * 0.5);
        room.add(Solid::new(Shape::Block(half), at, surface));
        x += width + 0.001;
    }
}

/// A pile of books with its front corner at `at`.
pub(in crate::painter) fn pile(room: &mut Builder, at: [f32; 3], count: u32) {
    let mut y = at[1];
    for _ in 0..count {
        let thick = room.rng.range(0.022, 0.04);
        let width = room.rng.range(0.19, 0.26);
        let shift = room.rng.range(-0.015, 0.015);
        let cover = room.rng.pick(&COVERS);
        let low = [at[0] + shift, y, at[2] + shift];
        room.round(
            low,
            [low[0] + width, y + thick, low[2] + width * 0.7],
            0.006,
            Surface::new(hex(cover), Texture::Cloth),
        );
        y += thick + 0.001;
    }
}
