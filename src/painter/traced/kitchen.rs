//! The kitchen.

use super::super::Stage;
use super::super::colour::{Rgb, hex};
use super::super::scene::{Scene, Thing, Time};
use super::super::trace::{Surface, Texture};
use super::decor::{pendant, plant, vase};
use super::{Builder, Side, Window, boards, metal, outlook, paint, plaster, viewer, wood};

/// The wall behind the worktop.
const BACK: f32 = 3.9;

/// The front of the worktop.
const FRONT: f32 = BACK - 0.62;

const HEIGHT: f32 = 2.6;
const LEFT: f32 = -2.7;
const RIGHT: f32 = 2.9;

/// The height of the worktop.
const TOP: f32 = 0.92;

/// A kitchen: cupboards, shelves with dishes, a window over the sink, and pendant lamps.
pub(in crate::painter) fn kitchen(stage: &mut Stage<'_>) {
    let view = outlook(stage, Scene::Meadow);
    let mut room = Builder::new(stage, Time::Day, view);
    let front = paint(stage, &mut room, &[0xd9d6cc, 0x7f9088, 0x44545e, 0xb8a078, 0x8c9a98, 0xc9c3b4]).colour;
    shell(stage, &mut room);
    room.sun(stage, [0.75, 0.42, -0.4]);
    units(stage, &mut room, front);
    worktop(&mut room);
    shelves(stage, &mut room);
    if !stage.lacks(Thing::Plants) {
        plant(&mut room, [2.2, TOP, BACK - 0.2], 0.42);
    }
    if !stage.lacks(Thing::Bottles) {
        jars(&mut room);
    }
    if !stage.lacks(Thing::Lamps) {
        let shade = room.rng.pick(&[0x2c2e30, 0xe8e4da, 0x8a6a40]);
        for x in [-0.9, 0.1, 1.1] {
            pendant(&mut room, [x, 1.86, 2.5], 0.13, HEIGHT, shade);
        }
    }
    let turn = stage.rng.range(0.2, 0.32);
    let side = stage.rng.sign();
    room.paint(stage, viewer(turn, side));
}

fn shell(stage: &Stage<'_>, room: &mut Builder) {
    let paint = plaster(room.rng.pick(&[0xe9e5dc, 0xe2e2dc, 0xe8dfd0]));
    let floor = room.rng.pick(&[0x9a7450, 0xb08c62, 0x8a6a4c]);
    room.floor_and_ceiling([LEFT, RIGHT, BACK, HEIGHT], boards(floor, 2, 0.14), plaster(0xf0ede6));
    let frame = hex(0xe6e2da);
    let window = Window { from: 0.95, to: 2.5, sill: 1.08, top: 2.2, panes: [2, 2], frame };
    let windows: &[Window] = if stage.lacks(Thing::Windows) { &[] } else { &[window] };
    room.wall(Side::Back(BACK), [LEFT, RIGHT, HEIGHT], windows, paint);
    room.wall(Side::Left(LEFT), [-3.0, BACK, HEIGHT], &[], paint);
    let glazed = Window { from: 0.2, to: 2.0, sill: 0.1, top: 2.3, panes: [2, 1], frame };
    let windows: &[Window] = if stage.lacks(Thing::Windows) { &[] } else { &[glazed] };
    room.wall(Side::Right(RIGHT), [-3.0, BACK, HEIGHT], windows, paint);
    let glaze = room.rng.pick(&[0xe9e7e0, 0xd5dfda, 0xdcdcd8, 0xe4dccc]);
    let tiles = Surface::new(hex(glaze), Texture::Tiles(0.2, 0.075)).glossy(0.4, 0.1);
    let end = if windows.is_empty() { RIGHT } else { 0.9 };
    room.panel(Side::Back(BACK), [-1.9, end, TOP, 1.52], [-0.012, 0.0], tiles);
}

/// A door with a handle.
fn door(room: &mut Builder, [left, low, right, high]: [f32; 4], z: f32, front: Rgb, handle: f32) {
    let surface = Surface::new(front, Texture::Plaster).glossy(0.12, 0.3);
    room.round([left + 0.005, low + 0.005, z - 0.022], [right - 0.005, high - 0.005, z], 0.004, surface);
    let brass = metal(0xb09468);
    let x = (left + right) * 0.5;
    room.round([x - 0.07, handle - 0.008, z - 0.05], [x + 0.07, handle + 0.008, z - 0.036], 0.007, brass);
}

fn units(stage: &Stage<'_>, room: &mut Builder, front: Rgb) {
    let dark = Surface::plain(front * 0.3);
    room.block([LEFT, 0.0, FRONT + 0.08], [RIGHT, 0.1, BACK], Surface::plain(hex(0x2a2826)));
    room.block([-1.9, 0.1, FRONT + 0.03], [RIGHT, TOP - 0.04, BACK], dark);
    let mut x = -1.9;
    while x < RIGHT - 0.3 {
        door(room, [x, 0.1, x + 0.6, 0.66], FRONT + 0.03, front, 0.6);
        door(room, [x, 0.66, x + 0.6, TOP - 0.04], FRONT + 0.03, front, 0.78);
        x += 0.6;
    }
    if stage.lacks(Thing::Cupboard) {
        return;
    }
    // The tall unit with the oven.
    room.block([LEFT, 0.1, FRONT + 0.03], [-1.9, 2.3, BACK], dark);
    door(room, [LEFT, 0.1, -1.9, 0.7], FRONT + 0.03, front, 0.64);
    door(room, [LEFT, 1.45, -1.9, 2.3], FRONT + 0.03, front, 1.5);
    let oven = Surface::plain(hex(0x16181a)).glossy(0.6, 0.05);
    room.round([LEFT + 0.01, 0.71, FRONT], [-1.91, 1.44, FRONT + 0.05], 0.01, oven);
    room.round([LEFT + 0.1, 1.26, FRONT - 0.04], [-2.0, 1.275, FRONT - 0.02], 0.007, metal(0x9a9c9e));
    // Cupboards on the wall.
    room.block([-1.9, 1.52, BACK - 0.34], [-0.7, 2.3, BACK], dark);
    for x in [-1.9, -1.3] {
        door(room, [x, 1.52, x + 0.6, 2.3], BACK - 0.34, front, 1.58);
    }
}

fn worktop(room: &mut Builder) {
    let top = match room.rng.pick(&[0, 1, 2]) {
        0 => wood(0xa87c4c, 0).glossy(0.2, 0.2),
        1 => Surface::new(hex(0xd8d5ce), Texture::Stone).glossy(0.5, 0.08),
        _ => Surface::new(hex(0x4a4a4c), Texture::Stone).glossy(0.5, 0.08),
    };
    room.round([-1.9, TOP - 0.04, FRONT - 0.02], [RIGHT, TOP, BACK], 0.006, top);
    let steel = metal(0xa8aaac);
    room.cone([1.65, TOP, BACK - 0.12], [0.016; 2], 0.3, steel);
    room.round([1.635, TOP + 0.29, BACK - 0.3], [1.665, TOP + 0.315, BACK - 0.11], 0.01, steel);
    room.cone([1.65, TOP + 0.25, BACK - 0.29], [0.012; 2], 0.05, steel);
}

/// Open shelves with dishes.
fn shelves(stage: &Stage<'_>, room: &mut Builder) {
    let surface = wood(room.rng.pick(&[0x9a7044, 0x7c5836, 0xb48c5c]), 0);
    for level in [1.52, 1.9] {
        room.block([-0.6, level, BACK - 0.24], [0.72, level + 0.035, BACK], surface);
        let mut x = -0.5 + room.rng.range(0.0, 0.08);
        while x < 0.6 {
            let foot = [x, level + 0.035, BACK - 0.12];
            match room.rng.pick(&[0, 1, 2, 3]) {
                0 => bowls(room, foot),
                1 => plates(room, foot),
                2 if !stage.lacks(Thing::Bottles) => vase(room, foot, 0.2),
                _ => mugs(room, foot),
            }
            x += room.rng.range(0.2, 0.27);
        }
    }
}

fn glazed(room: &mut Builder) -> Surface {
    plaster(room.rng.pick(&[0xf0ece2, 0xe8e4da, 0xcdd5d0, 0xd8c4a8, 0xa8b4b4])).glossy(0.4, 0.1)
}

fn bowls(room: &mut Builder, [x, y, z]: [f32; 3]) {
    let surface = glazed(room);
    for i in 0..3 {
        room.cone([x, y + 0.028 * i as f32, z], [0.045, 0.085], 0.055, surface);
    }
}

fn plates(room: &mut Builder, [x, y, z]: [f32; 3]) {
    let surface = glazed(room);
    for i in 0..6 {
        room.cone([x, y + 0.013 * i as f32, z], [0.07, 0.1], 0.012, surface);
    }
}

fn mugs(room: &mut Builder, [x, y, z]: [f32; 3]) {
    for offset in [-0.05, 0.05] {
        let surface = glazed(room);
        room.cone([x + offset, y, z], [0.036, 0.04], 0.09, surface);
    }
}

/// Jars, a board and fruit on the worktop.
fn jars(room: &mut Builder) {
    let board = wood(0xa87848, 1);
    room.round([-1.6, TOP, BACK - 0.06], [-1.3, TOP + 0.4, BACK - 0.03], 0.012, board);
    let mut x = -1.2;
    while x < -0.5 {
        let tall = room.rng.range(0.13, 0.24);
        let clay = room.rng.pick(&[0xd8d2c4, 0x9a6a48, 0xc8b088, 0x5a6a62, 0xe8e4da]);
        room.cone([x, TOP, BACK - 0.16], [0.05, 0.048], tall, plaster(clay).glossy(0.35, 0.15));
        room.cone([x, TOP + tall, BACK - 0.16], [0.044; 2], 0.02, wood(0x8a6238, 0));
        x += room.rng.range(0.13, 0.2);
    }
    let [x, y, z] = [0.25, TOP, BACK - 0.3];
    room.cone([x, y, z], [0.07, 0.16], 0.08, wood(0x7a5432, 0));
    for i in 0..6 {
        let turn = i as f32 * 1.1;
        let fruit = hex(room.rng.pick(&[0xc8502c, 0xd8942c, 0xa8b048, 0xb83c2c])) * 0.9;
        let at = [x + 0.075 * turn.cos(), y + 0.095 + 0.02 * (i % 2) as f32, z + 0.075 * turn.sin()];
        room.ball(at, [0.038; 3], Surface::plain(fruit).glossy(0.3, 0.2));
    }
}
