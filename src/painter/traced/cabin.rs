//! The log cabin.

use super::super::Stage;
use super::super::colour::hex;
use super::super::scene::{Scene, Thing, Time};
use super::super::trace::{Light, Shape, Solid, Surface, Texture, vec3};
use super::books::{books, pile};
use super::decor::{cushion, floor_lamp, plant, rug};
use super::seats::sofa;
use super::{Builder, Side, Window, boards, outlook, viewer, wood};

const BACK: f32 = 4.0;
const HEIGHT: f32 = 2.7;
const LEFT: f32 = -2.7;
const RIGHT: f32 = 2.7;

/// The thickness of a log.
const LOG: f32 = 0.22;

/// The middle of the fireplace, and half its width.
const HEARTH: [f32; 2] = [-1.0, 0.72];

/// A log cabin: a fireplace of stone, an armchair, beams, and a window on the forest.
pub(in crate::painter) fn cabin(stage: &mut Stage<'_>) {
    let view = outlook(stage, Scene::Mountains);
    let mut room = Builder::new(stage, Time::Dusk, view);
    room.outside.horizon = 0.47;
    let timber = room.rng.pick(&[0x8a5c36, 0x7a4e2e, 0x9a6a40]);
    shell(stage, &mut room, timber);
    fireplace(&mut room, !stage.lacks(Thing::Fire));
    mantel(stage, &mut room);
    furniture(stage, &mut room);
    let turn = stage.rng.range(0.02, 0.14);
    let side = stage.rng.sign();
    room.paint(stage, viewer(turn, side));
}

fn shell(stage: &Stage<'_>, room: &mut Builder, timber: u32) {
    room.floor_and_ceiling([LEFT, RIGHT, BACK, HEIGHT], boards(0x7c5634, 2, 0.18), boards(timber, 2, 0.16));
    let window = Window { from: 0.75, to: 2.15, sill: 0.95, top: 2.05, panes: [3, 2], frame: hex(0x5a3c24) };
    let windows: &[Window] = if stage.lacks(Thing::Windows) { &[] } else { &[window] };
    let dark = Surface::plain(hex(timber) * 0.25);
    room.wall(Side::Back(BACK + 0.1), [LEFT, RIGHT, HEIGHT], windows, dark);
    room.wall(Side::Left(LEFT - 0.1), [-3.0, BACK, HEIGHT], &[], dark);
    let glazed = Window { from: 0.6, to: 2.2, sill: 0.9, top: 2.1, ..window };
    let side: &[Window] = if windows.is_empty() { &[] } else { &[glazed] };
    room.wall(Side::Right(RIGHT + 0.1), [-3.0, BACK, HEIGHT], side, dark);
    let mut y = LOG * 0.5;
    while y < HEIGHT {
        let open = !windows.is_empty() && (0.9..2.1).contains(&y);
        log(room, [LEFT, if open { 0.7 } else { RIGHT + 0.2 }], y, timber);
        if open {
            log(room, [2.2, RIGHT + 0.2], y, timber);
        }
        // The logs stop at the window in the side wall.
        let start = if open && !side.is_empty() { 2.25 } else { -3.0 };
        long_log(room, RIGHT + 0.1, [start, BACK], y, timber);
        y += LOG * 0.98;
    }
    for z in [1.2, 2.3, 3.4] {
        room.block([LEFT, HEIGHT - 0.22, z], [RIGHT, HEIGHT, z + 0.18], wood(timber, 0));
    }
}

/// A log along the back wall.
fn log(room: &mut Builder, [from, to]: [f32; 2], y: f32, timber: u32) {
    let tone = room.rng.range(0.85, 1.1);
    let surface = Surface::new(hex(timber) * tone, Texture::Wood(1)).glossy(0.08, 0.4).seeded(room.rng.seed());
    let shape = Shape::Cone(LOG * 0.5, LOG * 0.5, (to - from) * 0.5, true);
    let quarter = std::f32::consts::FRAC_PI_2;
    room.add(Solid::new(shape, vec3((from + to) * 0.5, y, BACK + 0.06), surface).turned(quarter, quarter));
}

/// A log along a side wall.
fn long_log(room: &mut Builder, x: f32, [from, to]: [f32; 2], y: f32, timber: u32) {
    let tone = room.rng.range(0.85, 1.1);
    let surface = Surface::new(hex(timber) * tone, Texture::Wood(1)).glossy(0.08, 0.4).seeded(room.rng.seed());
    let shape = Shape::Cone(LOG * 0.5, LOG * 0.5, (to - from) * 0.5, true);
    let at = vec3(x, y, (from + to) * 0.5);
    room.add(Solid::new(shape, at, surface).turned(0.0, std::f32::consts::FRAC_PI_2));
}

/// Rows of stones around a fire.
fn fireplace(room: &mut Builder, lit: bool) {
    let [middle, half] = HEARTH;
    let front = BACK - 0.5;
    let (left, right) = (middle - half, middle + half);
    room.block([left + 0.3, 0.0, BACK - 0.12], [right - 0.3, 0.9, BACK], Surface::plain(hex(0x1a1512)));
    let mortar = Surface::new(hex(0x6a625a), Texture::Rock);
    room.block([left + 0.02, 0.0, front + 0.03], [left + 0.3, HEIGHT, BACK], mortar);
    room.block([right - 0.3, 0.0, front + 0.03], [right - 0.02, HEIGHT, BACK], mortar);
    room.block([left + 0.02, 0.82, front + 0.03], [right - 0.02, HEIGHT, BACK], mortar);
    let mut y = 0.0;
    while y < HEIGHT {
        let tall = room.rng.range(0.13, 0.2);
        let mut x = left;
        while x < right {
            let wide = room.rng.range(0.16, 0.34).min(right - x);
            let open = y < 0.8 && x + wide > left + 0.3 && x < right - 0.3;
            if !open && wide > 0.05 {
                stone(room, [x, y, front], [x + wide - 0.014, y + tall - 0.014]);
            }
            x += wide;
        }
        y += tall;
    }
    room.block(
        [left - 0.15, 0.0, front - 0.5],
        [right + 0.15, 0.06, front],
        Surface::new(hex(0x77706a), Texture::Rock),
    );
    if lit {
        fire(room, [middle, 0.08, BACK - 0.28]);
    }
}

fn stone(room: &mut Builder, [x, y, z]: [f32; 3], [right, top]: [f32; 2]) {
    let code = room.rng.pick(&[0x8a8278, 0x76706a, 0x9a9084, 0x6c6662, 0xa0958a]);
    let out = room.rng.range(0.0, 0.035);
    room.round([x, y, z - out], [right, top, z + 0.1], 0.03, Surface::new(hex(code), Texture::Rock));
}

fn fire(room: &mut Builder, [x, y, z]: [f32; 3]) {
    let bark = Surface::new(hex(0x3a2618), Texture::Rock);
    for (dx, turn) in [(-0.1, 1.2), (0.12, 1.9), (0.0, 1.57)] {
        let shape = Shape::Cone(0.055, 0.05, 0.22, true);
        let log = Solid::new(shape, vec3(x + dx, y + 0.06 + dx.abs() * 0.3, z), bark);
        room.add(log.turned(turn, std::f32::consts::FRAC_PI_2));
    }
    for _ in 0..16 {
        let dx = room.rng.range(-0.2, 0.2);
        let tall = room.rng.range(0.12, 0.3) * (1.0 - 2.2 * dx.abs());
        let hot = hex(room.rng.pick(&[0xff8a30, 0xffb050, 0xff6a20])) * room.rng.range(1.0, 2.2);
        let at = vec3(x + dx, y + 0.1, z + room.rng.range(-0.08, 0.05));
        let surface = Surface::plain(hex(0x000000)).glowing(hot);
        let mut flame = Solid::new(Shape::Leaf(tall * 2.2, tall * 0.28), at, surface);
        // A leaf that points up and faces the viewer.
        let lean = room.rng.range(-0.12, 0.12);
        flame.axes = [vec3(lean, 1.0, 0.0).unit(), vec3(0.0, 0.0, -1.0), vec3(1.0, -lean, 0.0).unit()];
        flame.casts = false;
        room.add(flame);
    }
    room.lights.push(Light::Globe(vec3(x, y + 0.3, z - 0.25), 0.12, hex(0xff9a50) * 15.0));
}

fn mantel(stage: &Stage<'_>, room: &mut Builder) {
    let [middle, half] = HEARTH;
    let top = 1.22;
    room.round(
        [middle - half - 0.1, top - 0.1, BACK - 0.68],
        [middle + half + 0.1, top, BACK - 0.4],
        0.015,
        wood(0x5c3c22, 0),
    );
    if !stage.lacks(Thing::Books) {
        books(room, [middle - half, middle - 0.2], top, BACK - 0.62, 0.24);
    }
    if !stage.lacks(Thing::Plants) {
        plant(room, [middle + half - 0.1, top, BACK - 0.55], 0.36);
    }
    for dx in [0.15, 0.27] {
        let tall = room.rng.range(0.1, 0.2);
        room.cone([middle + dx, top, BACK - 0.56], [0.03; 2], tall, Surface::plain(hex(0xf0e6d0)));
        let glow = Surface::plain(hex(0x000000)).glowing(hex(0xffc070) * 2.0);
        room.ball([middle + dx, top + tall + 0.025, BACK - 0.56], [0.007, 0.02, 0.007], glow);
    }
}

fn furniture(stage: &Stage<'_>, room: &mut Builder) {
    rug(room, [-2.2, 1.6, 1.4, 3.4], 0x8a4a38);
    if !stage.lacks(Thing::Sofa) {
        let code = room.rng.pick(&[0x6a4a34, 0x5a6450, 0x7c5c44, 0x8a4c38]);
        sofa(room, [1.35, 0.0, BACK - 0.75], 1.15, 0.25, code);
        let tone = room.rng.pick(&[0xc8a878, 0xb05a40, 0xd8ccb4]);
        cushion(room, [1.35, 0.68, BACK - 0.85], [0.2, 0.19], [0.25, -0.25], tone);
    }
    if !stage.lacks(Thing::Lamps) {
        floor_lamp(room, [2.3, 0.0, BACK - 0.4], 1.55);
    }
    pile(room, [0.2, 0.0, BACK - 0.5], 6);
}
