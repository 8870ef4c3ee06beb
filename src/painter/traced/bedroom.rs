//! The bedroom.

use super::super::Stage;
use super::super::colour::hex;
use super::super::scene::{Scene, Thing, Time};
use super::super::trace::{Surface, Texture};
use super::decor::{curtain, cushion, picture, plant, rug, table_lamp, vase};
use super::{Builder, Side, Window, boards, cloth, metal, outlook, paint, plaster, viewer, wood};

/// The wall behind the bed.
const BACK: f32 = 3.9;

const HEIGHT: f32 = 2.6;
const LEFT: f32 = -2.4;
const RIGHT: f32 = 2.6;

/// The middle of the bed, and half its width.
const BED: [f32; 2] = [0.3, 0.86];

/// A bedroom: a bed with cushions, lamps on bedside tables, pictures, and a window with a curtain.
pub(in crate::painter) fn bedroom(stage: &mut Stage<'_>) {
    let view = outlook(stage, Scene::Meadow);
    let mut room = Builder::new(stage, Time::Day, view);
    room.sun(stage, [0.8, 0.36, -0.45]);
    shell(stage, &mut room);
    bed(&mut room);
    for x in [BED[0] - BED[1] - 0.32, BED[0] + BED[1] + 0.32] {
        bedside(stage, &mut room, x);
    }
    if !stage.lacks(Thing::Pictures) {
        let wide = room.rng.range(0.36, 0.44);
        picture(&mut room, [BED[0] - wide - 0.05, 1.5, BED[0] - 0.05, 2.05], BACK);
        picture(&mut room, [BED[0] + 0.05, 1.5, BED[0] + wide + 0.05, 2.05], BACK);
    }
    if !stage.lacks(Thing::Plants) {
        plant(&mut room, [LEFT + 0.45, 0.0, BACK - 0.5], 1.35);
    }
    let turn = stage.rng.range(0.14, 0.26);
    let side = stage.rng.sign();
    room.paint(stage, viewer(turn, side));
}

fn shell(stage: &Stage<'_>, room: &mut Builder) {
    let paint = paint(stage, room, &[0xded6c8, 0xb6bfb8, 0xcfc0b0, 0xaab4ba, 0xe2d9cc]);
    let pale = plaster(0xe9e4da);
    room.floor_and_ceiling([LEFT, RIGHT, BACK, HEIGHT], boards(0xa8845c, 2, 0.15), plaster(0xf2efe8));
    room.wall(Side::Back(BACK), [LEFT, RIGHT, HEIGHT], &[], paint);
    room.wall(Side::Left(LEFT), [-3.0, BACK, HEIGHT], &[], pale);
    let window = Window { from: 1.2, to: 3.1, sill: 0.35, top: 2.3, panes: [2, 1], frame: hex(0xe8e4dc) };
    let windows: &[Window] = if stage.lacks(Thing::Windows) { &[] } else { &[window] };
    room.wall(Side::Right(RIGHT), [-3.0, BACK, HEIGHT], windows, pale);
    if !stage.lacks(Thing::Curtains) {
        let linen = room.rng.pick(&[0xe9e2d4, 0xd2c8b8, 0xc2c8c6]);
        curtain(room, RIGHT - 0.09, [3.0, 3.5], [0.02, 2.42], linen);
        curtain(room, RIGHT - 0.09, [0.75, 1.25], [0.02, 2.42], linen);
    }
    let wool = room.rng.pick(&[0xd8cfc0, 0xb8b0a4, 0xc4b49c]);
    rug(room, [-1.5, 2.1, 0.9, 3.2], wool);
}

fn bed(room: &mut Builder) {
    let [middle, half] = BED;
    let cover = room.rng.pick(&[0x7a8680, 0xa48c74, 0x5f6c7c, 0x968c84, 0xb09c84]);
    let panels = 6;
    for i in 0..panels {
        let wide = (2.0 * half + 0.1) / panels as f32;
        let x = middle - half - 0.05 + wide * i as f32;
        room.round([x + 0.002, 0.25, BACK - 0.1], [x + wide - 0.002, 1.22, BACK - 0.01], 0.035, cloth(cover));
    }
    let front = BACK - 2.1;
    room.block([middle - half, 0.12, front], [middle + half, 0.34, BACK - 0.1], wood(0x8a6848, 0));
    room.round([middle - half, 0.3, front + 0.02], [middle + half, 0.55, BACK - 0.1], 0.06, cloth(0xdcd8d0));
    let linen = room.rng.pick(&[0xdedad2, 0xd6d4ce, 0xdcd2c6]);
    let blanket = room.rng.pick(&[0xc8b8a4, 0x8fa09a, 0xb08a74, 0x74828e, 0xd4c9b8]);
    room.round(
        [middle - half - 0.05, 0.3, front - 0.03],
        [middle + half + 0.05, 0.64, BACK - 0.75],
        0.09,
        cloth(linen),
    );
    let throw = Surface::new(hex(blanket), Texture::Wool);
    room.round([middle - half - 0.065, 0.3, front - 0.045], [middle + half + 0.065, 0.655, front + 0.7], 0.09, throw);
    for (x, z, size, code) in [
        (-0.42, 0.26, [0.38, 0.25], linen),
        (0.42, 0.26, [0.38, 0.25], linen),
        (-0.3, 0.44, [0.27, 0.25], blanket),
        (0.3, 0.44, [0.27, 0.25], cover),
        (0.0, 0.58, [0.24, 0.17], linen),
    ] {
        let turn = room.rng.range(-0.08, 0.08);
        cushion(room, [middle + x, 0.6 + size[1] * 0.85, BACK - z], size, [turn, -0.32], code);
    }
}

/// A bedside table with a lamp and a vase.
fn bedside(stage: &Stage<'_>, room: &mut Builder, x: f32) {
    let surface = wood(0x96704a, 0);
    room.round([x - 0.24, 0.14, BACK - 0.44], [x + 0.24, 0.56, BACK - 0.02], 0.012, surface);
    room.block([x - 0.22, 0.36, BACK - 0.447], [x + 0.22, 0.54, BACK - 0.44], surface);
    room.ball([x, 0.45, BACK - 0.455], [0.013; 3], metal(0xb09060));
    if !stage.lacks(Thing::Lamps) {
        table_lamp(room, [x, 0.56, BACK - 0.22], 0.5);
    }
    vase(room, [x + 0.15, 0.56, BACK - 0.34], 0.12);
}
