//! Small things in rooms: plants, lamps, pictures, vases.

use super::super::colour::hex;
use super::super::trace::{Shape, Solid, Surface, Texture, Vec3, vec3};
use super::{Builder, cloth, metal, plaster};

/// A plant in a pot on its foot, `tall` with its leaves.
pub(in crate::painter) fn plant(room: &mut Builder, foot: [f32; 3], tall: f32) {
    let clay = room.rng.pick(&[0xd8d2c8, 0xb06f4c, 0x4e5658, 0xe0d8c8, 0x8a8f86]);
    let pot = tall * 0.26;
    let radius = tall * 0.15;
    room.cone(foot, [radius * 0.78, radius], pot, plaster(clay).glossy(0.15, 0.3));
    room.cone([foot[0], foot[1] + pot - 0.004, foot[2]], [radius * 0.9; 2], 0.006, Surface::plain(hex(0x2a2019)));
    let top = vec3(foot[0], foot[1] + pot, foot[2]);
    if room.rng.chance(0.5) { blades(room, top, tall - pot) } else { bush(room, top, tall - pot) }
}

fn green(room: &mut Builder) -> Surface {
    let share = room.rng.unit();
    let colour = hex(0x2b4a2c).mix(hex(0x7f9a4e), share * share) * room.rng.range(0.8, 1.1);
    Surface::plain(colour).glossy(0.25, 0.35)
}

/// Long leaves that start at the pot and bend outwards.
fn blades(room: &mut Builder, top: Vec3, tall: f32) {
    for i in 0..26 {
        let turn = i as f32 * 2.4 + room.rng.range(-0.3, 0.3);
        let rise = room.rng.range(0.5, 1.45);
        let length = tall * room.rng.range(0.6, 1.0);
        let surface = green(room);
        let mut at = top;
        for part in 0..2 {
            let tilt = rise - 0.45 * part as f32;
            let leaf = Solid::new(Shape::Leaf(length * 0.62, tall * 0.045), at, surface);
            room.add(lean(leaf, turn, tilt));
            at = at + direction(turn, tilt) * (length * 0.42);
        }
    }
}

/// Stalks with round leaves.
fn bush(room: &mut Builder, top: Vec3, tall: f32) {
    for i in 0..16 {
        let turn = i as f32 * 2.4 + room.rng.range(-0.4, 0.4);
        let rise = room.rng.range(0.55, 1.5);
        let length = tall * room.rng.range(0.35, 0.8);
        let out = direction(turn, rise);
        for part in 0..5 {
            let at = top + out * (length * (0.3 + 0.17 * part as f32));
            let surface = green(room);
            let size = tall * room.rng.range(0.15, 0.24);
            let leaf = Solid::new(Shape::Leaf(size, size * 0.3), at, surface);
            let own = turn + room.rng.range(-1.6, 1.6);
            let tilt = room.rng.range(-0.5, 0.7);
            room.add(lean(leaf, own, tilt));
        }
    }
}

fn direction(turn: f32, rise: f32) -> Vec3 {
    vec3(turn.cos() * rise.cos(), rise.sin(), turn.sin() * rise.cos())
}

/// Points a leaf along a direction.
fn lean(mut leaf: Solid, turn: f32, rise: f32) -> Solid {
    let along = direction(turn, rise);
    let across = along.cross(Vec3::UP).unit();
    leaf.axes = [along, across.cross(along), across];
    leaf
}

/// A table lamp on its foot.
pub(in crate::painter) fn table_lamp(room: &mut Builder, foot: [f32; 3], tall: f32) {
    let base = room.rng.pick(&[0xc8b49a, 0x4a5658, 0x9a7248, 0xe0dcd2]);
    let radius = tall * 0.17;
    let [x, y, z] = foot;
    room.ball([x, y + tall * 0.26, z], [radius * 0.7, tall * 0.26, radius * 0.7], plaster(base).glossy(0.3, 0.2));
    room.cone([x, y + tall * 0.45, z], [0.008; 2], tall * 0.2, metal(0xb09060));
    shade(room, [x, y + tall * 0.56, z], [tall * 0.33, tall * 0.22], tall * 0.44);
}

/// A floor lamp.
pub(in crate::painter) fn floor_lamp(room: &mut Builder, foot: [f32; 3], tall: f32) {
    let [x, y, z] = foot;
    room.cone(foot, [0.14, 0.13], 0.02, metal(0x3a3632));
    room.cone(foot, [0.011; 2], tall - 0.2, metal(0x3a3632));
    shade(room, [x, y + tall - 0.3, z], [0.2, 0.15], 0.3);
}

/// A lampshade with its light.
fn shade(room: &mut Builder, foot: [f32; 3], radii: [f32; 2], height: f32) {
    let [x, y, z] = foot;
    let glow = room.lit(1.4);
    let surface = Surface::new(hex(0xf0e2c8), Texture::Shade).glowing(glow).seeded(room.rng.seed());
    let shape = Shape::Cone(radii[0], radii[1], height * 0.5, false);
    let mut solid = Solid::new(shape, vec3(x, y + height * 0.5, z), surface);
    solid.casts = false;
    room.add(solid);
    room.globe([x, y + height * 0.45, z], radii[1] * 0.8, 0.11);
}

/// A pendant lamp: its lower edge, and the ceiling that it hangs from.
pub(in crate::painter) fn pendant(room: &mut Builder, at: [f32; 3], radius: f32, ceiling: f32, colour: u32) {
    let [x, y, z] = at;
    room.cone([x, y + radius, z], [0.004; 2], ceiling - y - radius, Surface::plain(hex(0x202020)));
    let shell = Solid::new(
        Shape::Cone(radius, radius * 0.35, radius * 0.5, false),
        vec3(x, y + radius * 0.5, z),
        Surface::plain(hex(colour)).glossy(0.4, 0.2),
    );
    room.add(shell);
    let glow = room.lit(1.6);
    let mut bulb = Solid::new(
        Shape::Ball(vec3(radius * 0.4, radius * 0.4, radius * 0.4)),
        vec3(x, y + radius * 0.3, z),
        Surface::plain(hex(0xffffff)).glowing(glow),
    );
    bulb.casts = false;
    room.add(bulb);
    room.globe([x, y + radius * 0.1, z], radius * 0.4, 0.12);
}

/// A framed picture on a wall at `z`, towards the viewer.
pub(in crate::painter) fn picture(room: &mut Builder, [left, low, right, high]: [f32; 4], z: f32) {
    let frame = room.rng.pick(&[0x2e2a28, 0xa07a4e, 0xd8d4cc, 0x6a4a30]);
    let first = room.rng.pick(&[0x7a95a0, 0xc08a6a, 0x8a9a7a, 0xcfae78, 0x5a7280]);
    let second = room.rng.pick(&[0x3a5262, 0xe6d4c0, 0x6a5a5a, 0xa8b8b4, 0x40504a]);
    room.block([left, low, z - 0.03], [right, high, z], Surface::new(hex(frame), Texture::Wood(0)));
    room.block([left + 0.02, low + 0.02, z - 0.032], [right - 0.02, high - 0.02, z - 0.02], plaster(0xeeeae2));
    let inset = (right - left).min(high - low) * 0.2;
    let art = Surface::new(hex(first), Texture::Picture(second));
    room.block([left + inset, low + inset, z - 0.034], [right - inset, high - inset, z - 0.02], art);
}

/// A vase or jar on its foot.
pub(in crate::painter) fn vase(room: &mut Builder, foot: [f32; 3], tall: f32) {
    let clay = room.rng.pick(&[0xd9d2c4, 0x7f9aa0, 0xb88058, 0x3d5a56, 0xe8e2d6, 0x8a7a68]);
    let surface = plaster(clay).glossy(0.3, 0.15);
    let wide = tall * room.rng.range(0.24, 0.36);
    let [x, y, z] = foot;
    room.ball([x, y + tall * 0.42, z], [wide, tall * 0.42, wide], surface);
    room.cone([x, y + tall * 0.7, z], [wide * 0.4, wide * 0.5], tall * 0.3, surface);
}

/// A cushion that leans back: its middle, half its width, its turn and its tilt.
pub(in crate::painter) fn cushion(room: &mut Builder, at: [f32; 3], half: [f32; 2], [turn, tilt]: [f32; 2], code: u32) {
    let surface = cloth(code).seeded(room.rng.seed());
    let shape = Shape::Cushion(vec3(half[0], half[1], half[0].min(half[1]) * 0.36));
    room.add(Solid::new(shape, vec3(at[0], at[1], at[2]), surface).turned(turn, tilt));
}

/// A curtain of round folds that hangs along z on the wall at `x`.
pub(in crate::painter) fn curtain(room: &mut Builder, x: f32, [from, to]: [f32; 2], [low, high]: [f32; 2], code: u32) {
    let surface = cloth(code).seeded(room.rng.seed());
    let mut z = from;
    while z < to {
        let radius = room.rng.range(0.035, 0.055);
        let out = x + room.rng.range(-0.02, 0.02);
        room.cone([out, low, z], [radius, radius * 0.8], high - low, surface);
        z += radius * 1.35;
    }
    let rod = Solid::new(
        Shape::Cone(0.012, 0.012, (to - from) * 0.5 + 0.3, true),
        vec3(x, high + 0.02, (from + to) * 0.5),
        metal(0x2c2a28),
    );
    room.add(rod.turned(0.0, std::f32::consts::FRAC_PI_2));
}

/// A rug on the floor.
pub(in crate::painter) fn rug(room: &mut Builder, [left, right, front, back]: [f32; 4], code: u32) {
    room.block([left, 0.0, front], [right, 0.018, back], Surface::new(hex(code), Texture::Wool));
}
