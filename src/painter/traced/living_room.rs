//! The living room and the loft.

use super::super::Stage;
use super::super::colour::hex;
use super::super::scene::{Scene, Thing, Time};
use super::super::trace::{Surface, Texture};
use super::books::pile;
use super::decor::{curtain, cushion, floor_lamp, pendant, picture, plant, rug, table_lamp, vase};
use super::seats::sofa;
use super::{Builder, Side, Window, boards, metal, outlook, paint, plaster, viewer, wood};

/// The wall behind the sofa.
const BACK: f32 = 4.0;

const HEIGHT: f32 = 2.65;

/// The height of the loft.
const LOFT: f32 = 3.3;

const LEFT: f32 = -2.7;
const RIGHT: f32 = 2.7;

/// A living room: a sofa with cushions, pictures, lamps, plants, and a window with curtains.
pub(in crate::painter) fn living_room(stage: &mut Stage<'_>) {
    let warm = stage.reading.mood.warmth > 0.2;
    let view = outlook(stage, Scene::Meadow);
    let mut room = Builder::new(stage, if warm { Time::Dusk } else { Time::Day }, view);
    room.sun(stage, [0.8, 0.4, -0.42]);
    shell(stage, &mut room);
    if !stage.lacks(Thing::Sofa) {
        seat(&mut room);
    }
    if !stage.lacks(Thing::Pictures) {
        pictures(&mut room);
    }
    sideboard(stage, &mut room);
    if !stage.lacks(Thing::Lamps) {
        floor_lamp(&mut room, [1.62, 0.0, BACK - 0.4], 1.6);
    }
    if !stage.lacks(Thing::Plants) {
        plant(&mut room, [RIGHT - 0.42, 0.0, BACK - 0.42], 1.45);
    }
    let turn = stage.rng.range(0.06, 0.18);
    let side = stage.rng.sign();
    room.paint(stage, viewer(turn, side));
}

/// A loft: a sofa before a brick wall, tall windows with steel frames, beams, and pendant lamps.
pub(in crate::painter) fn loft(stage: &mut Stage<'_>) {
    let view = outlook(stage, Scene::City);
    let mut room = Builder::new(stage, Time::Day, view);
    room.sun(stage, [0.8, 0.5, -0.4]);
    bricks(stage, &mut room);
    if !stage.lacks(Thing::Sofa) {
        seat(&mut room);
    }
    if !stage.lacks(Thing::Pictures) {
        pictures(&mut room);
    }
    if !stage.lacks(Thing::Lamps) {
        floor_lamp(&mut room, [-1.75, 0.0, BACK - 0.45], 1.65);
        let shade = room.rng.pick(&[0x24282a, 0x5a4030]);
        pendant(&mut room, [1.35, 1.95, 2.6], 0.19, LOFT, shade);
    }
    if !stage.lacks(Thing::Plants) {
        plant(&mut room, [RIGHT - 0.5, 0.0, BACK - 0.5], 1.7);
        plant(&mut room, [-2.35, 0.0, BACK - 0.5], 0.9);
    }
    let turn = stage.rng.range(0.14, 0.26);
    let side = stage.rng.sign();
    room.paint(stage, viewer(turn, side));
}

/// The walls, windows and beams of the loft.
fn bricks(stage: &Stage<'_>, room: &mut Builder) {
    let clay = room.rng.pick(&[0x6c4c40, 0x785648, 0xb0a8a0]);
    let wall = Surface::new(hex(clay), Texture::Bricks(0.24, 0.075));
    room.floor_and_ceiling([LEFT, RIGHT, BACK, LOFT], boards(0x8a6848, 2, 0.18), plaster(0xd8d4cc));
    room.wall(Side::Back(BACK), [LEFT, RIGHT, LOFT], &[], wall);
    room.wall(Side::Left(LEFT), [-3.0, BACK, LOFT], &[], plaster(0xdcd8d0));
    let frame = hex(0x26282a);
    let pane = |from: f32| Window { from, to: from + 1.5, sill: 0.45, top: 2.95, panes: [3, 4], frame };
    let windows = [pane(0.2), pane(2.05)];
    let windows: &[Window] = if stage.lacks(Thing::Windows) { &[] } else { &windows };
    room.wall(Side::Right(RIGHT), [-3.0, BACK, LOFT], windows, plaster(0xdcd8d0));
    for z in [1.4, 2.7, 3.85] {
        room.block([LEFT, LOFT - 0.28, z], [RIGHT, LOFT, z + 0.14], metal(0x2c2e30));
    }
    let wool = room.rng.pick(&[0xb4aca0, 0x8a8680, 0xa8907a]);
    rug(room, [-1.9, 1.5, 1.2, 3.3], wool);
}

fn shell(stage: &Stage<'_>, room: &mut Builder) {
    let paint = paint(stage, room, &[0xe2d9ca, 0xd2d1c6, 0xb4beb2, 0xd6c6b6, 0xa4b2b6, 0xcabcac]);
    let pale = plaster(0xe8e3d8);
    let floor = room.rng.pick(&[0xa8845c, 0x8a6848, 0xb8946a]);
    room.floor_and_ceiling([LEFT, RIGHT, BACK, HEIGHT], boards(floor, 2, 0.15), plaster(0xf1eee7));
    room.wall(Side::Back(BACK), [LEFT, RIGHT, HEIGHT], &[], paint);
    room.wall(Side::Left(LEFT), [-3.0, BACK, HEIGHT], &[], pale);
    let window = Window { from: 1.0, to: 3.0, sill: 0.3, top: 2.35, panes: [2, 2], frame: hex(0xe8e4dc) };
    let windows: &[Window] = if stage.lacks(Thing::Windows) { &[] } else { &[window] };
    room.wall(Side::Right(RIGHT), [-3.0, BACK, HEIGHT], windows, pale);
    room.block([LEFT, 0.0, BACK - 0.015], [RIGHT, 0.1, BACK], plaster(0xe8e5de));
    if !stage.lacks(Thing::Curtains) {
        let linen = room.rng.pick(&[0xe6dfd0, 0xc8beae, 0xaebab8, 0xb89a84]);
        curtain(room, RIGHT - 0.09, [2.95, 3.4], [0.02, 2.48], linen);
        curtain(room, RIGHT - 0.09, [0.6, 1.05], [0.02, 2.48], linen);
    }
    let wool = room.rng.pick(&[0xd6ccbc, 0xb4aca0, 0xa8907a, 0x8a9694]);
    rug(room, [-1.9, 1.5, 1.2, 3.3], wool);
}

fn seat(room: &mut Builder) {
    let code = room.rng.pick(&[0x8a8f92, 0x5f7276, 0xb4a48e, 0x6a7862, 0x4c5c6c, 0xa4785c]);
    let tones =
        room.rng.pick(&[[0xc8885c, 0xd8c8a8], [0x6a8a88, 0xe0d8c8], [0xb06858, 0xd4c4b0], [0xc8a85c, 0x8a9a94]]);
    let z = BACK - 0.62;
    sofa(room, [-0.15, 0.0, z], 2.35, 0.0, code);
    for (x, tone, turn) in [(-0.95, tones[0], 0.2), (-0.68, tones[1], 0.05), (0.66, tones[0], -0.16)] {
        cushion(room, [x, 0.7, z + 0.02 + x.abs() * 0.02], [0.24, 0.22], [turn, -0.3], tone);
    }
    let oak = wood(0x9a744c, 0).glossy(0.3, 0.2);
    room.cone([-0.1, 0.36, BACK - 1.75], [0.48; 2], 0.035, oak);
    for (dx, dz) in [(-0.28, -0.2), (0.28, -0.2), (0.0, 0.3)] {
        room.cone([-0.1 + dx, 0.0, BACK - 1.75 + dz], [0.015, 0.025], 0.36, oak);
    }
    pile(room, [-0.3, 0.395, BACK - 1.85], 3);
}

fn pictures(room: &mut Builder) {
    let mut x = -0.95;
    for _ in 0..2 {
        let wide = room.rng.range(0.5, 0.62);
        let tall = room.rng.range(0.66, 0.8);
        picture(room, [x, 1.78 - tall * 0.5, x + wide, 1.78 + tall * 0.5], BACK);
        x += wide + 0.14;
    }
}

/// A low cupboard in the corner, with a lamp and a vase.
fn sideboard(stage: &Stage<'_>, room: &mut Builder) {
    let oak = room.rng.pick(&[0xa87e52, 0x7a5a3e, 0xd2ccc0]);
    let (left, right, front) = (LEFT + 0.05, -1.5, BACK - 0.42);
    room.round([left, 0.14, front], [right, 0.78, BACK - 0.02], 0.012, wood(oak, 0));
    for x in [left + 0.02, left + 0.59] {
        room.block([x, 0.18, front - 0.018], [x + 0.55, 0.75, front], wood(oak, 1));
    }
    if !stage.lacks(Thing::Lamps) {
        table_lamp(room, [-2.25, 0.78, BACK - 0.22], 0.52);
    }
    vase(room, [-1.72, 0.78, BACK - 0.2], 0.3);
}
