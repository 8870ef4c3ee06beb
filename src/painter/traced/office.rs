//! The office.

use super::super::Stage;
use super::super::colour::hex;
use super::super::scene::{Scene, Thing, Time};
use super::super::trace::Surface;
use super::books::{books, pile};
use super::decor::{pendant, picture, plant, table_lamp, vase};
use super::seats::office_chair;
use super::{Builder, Side, Window, boards, cloth, metal, outlook, paint, plaster, viewer, wood};

/// The wall with the shelves.
const BACK: f32 = 4.1;

const HEIGHT: f32 = 2.75;
const LEFT: f32 = -2.6;
const RIGHT: f32 = 2.9;

/// A bright office: shelves with books, a sideboard, pictures, a desk at the window, and plants.
pub(in crate::painter) fn office(stage: &mut Stage<'_>) {
    let view = outlook(stage, Scene::City);
    let mut room = Builder::new(stage, Time::Day, view);
    room.sun(stage, [0.8, 0.42, -0.4]);
    shell(stage, &mut room);
    shelf(stage, &mut room);
    if !stage.lacks(Thing::Cupboard) {
        sideboard(stage, &mut room);
    }
    if !stage.lacks(Thing::Pictures) {
        for x in [-0.12, 0.62] {
            picture(&mut room, [x, 1.42, x + 0.56, 2.12], BACK);
        }
    }
    if !stage.lacks(Thing::Desk) {
        desk(&mut room);
    }
    if !stage.lacks(Thing::Plants) {
        plant(&mut room, [RIGHT - 0.5, 0.0, BACK - 0.45], 1.5);
    }
    if !stage.lacks(Thing::Lamps) {
        let shade = room.rng.pick(&[0x2c2e30, 0xe4e0d8, 0x7a8a84]);
        pendant(&mut room, [0.5, 1.98, 2.9], 0.2, HEIGHT, shade);
    }
    let turn = stage.rng.range(0.08, 0.2);
    let side = stage.rng.sign();
    room.paint(stage, viewer(turn, side));
}

fn shell(stage: &Stage<'_>, room: &mut Builder) {
    let paint = paint(stage, room, &[0xe4e0d8, 0xd2d6d4, 0xbcc6c2, 0xe2d8cc, 0xb4c0c6]);
    let pale = plaster(0xe8e5de);
    let floor = room.rng.pick(&[0xa8845c, 0x8a6848, 0xb8946a]);
    room.floor_and_ceiling([LEFT, RIGHT, BACK, HEIGHT], boards(floor, 2, 0.14), plaster(0xf0eee8));
    room.wall(Side::Back(BACK), [LEFT, RIGHT, HEIGHT], &[], paint);
    room.wall(Side::Left(LEFT), [-3.0, BACK, HEIGHT], &[], pale);
    let frame = hex(0x35383a);
    let pane = |from: f32| Window { from, to: from + 1.75, sill: 0.55, top: 2.5, panes: [2, 2], frame };
    let windows = [pane(-0.1), pane(1.8)];
    let windows: &[Window] = if stage.lacks(Thing::Windows) { &[] } else { &windows };
    room.wall(Side::Right(RIGHT), [-3.0, BACK, HEIGHT], windows, pale);
    room.block([LEFT, 0.0, BACK - 0.015], [RIGHT, 0.09, BACK], plaster(0xe8e5de));
}

/// A tall shelf with books, boxes and vases.
fn shelf(stage: &Stage<'_>, room: &mut Builder) {
    let code = room.rng.pick(&[0xb08a5c, 0x8a6444, 0xd8d4cc, 0x3a3836]);
    let (left, right, front) = (-2.5, -0.55, BACK - 0.34);
    for x in [left, -1.55, right] {
        room.block([x - 0.015, 0.0, front], [x + 0.015, 2.4, BACK], wood(code, 1));
    }
    for level in 0..6 {
        let y = 0.42 * level as f32 + 0.06;
        room.block([left, y, front], [right, y + 0.028, BACK], wood(code, 0));
        if level == 5 {
            break;
        }
        for (from, to) in [(left + 0.03, -1.58), (-1.52, right - 0.03)] {
            contents(stage, room, [from, to], y + 0.028, front);
        }
    }
}

/// What stands in one compartment of a shelf.
fn contents(stage: &Stage<'_>, room: &mut Builder, [from, to]: [f32; 2], level: f32, front: f32) {
    let kind = room.rng.pick(&[0, 0, 0, 1, 2, 3]);
    let has_books = !stage.lacks(Thing::Books);
    match kind {
        0 if has_books => books(room, [from, to - 0.06], level, front + 0.04, 0.31),
        1 if has_books => {
            let middle = from + (to - from) * room.rng.range(0.4, 0.6);
            books(room, [from, middle], level, front + 0.04, 0.3);
            vase(room, [middle + 0.2, level, front + 0.16], 0.24);
        }
        2 => {
            let linen = room.rng.pick(&[0xc8bca8, 0x8a8a84, 0xd8d0c0]);
            for x in [from + 0.04, from + 0.44] {
                room.round([x, level, front + 0.03], [x + 0.36, level + 0.24, front + 0.3], 0.02, cloth(linen));
            }
        }
        _ => {
            if has_books {
                pile(room, [from + 0.08, level, front + 0.05], 4);
            }
            if !stage.lacks(Thing::Plants) {
                plant(room, [to - 0.25, level, front + 0.16], 0.3);
            }
        }
    }
}

fn sideboard(stage: &Stage<'_>, room: &mut Builder) {
    let oak = room.rng.pick(&[0xa87e52, 0x7a5a3e, 0xb8946a]);
    let (left, right, front) = (-0.3, 1.5, BACK - 0.42);
    room.round([left, 0.16, front], [right, 0.72, BACK - 0.02], 0.012, wood(oak, 0));
    let mut x = left + 0.02;
    while x < right - 0.3 {
        room.block([x, 0.19, front - 0.018], [x + 0.57, 0.69, front], wood(oak, 0));
        x += 0.587;
    }
    for x in [left + 0.15, right - 0.15] {
        room.cone([x, 0.0, front + 0.1], [0.014, 0.02], 0.16, metal(0x2c2a28));
    }
    if !stage.lacks(Thing::Lamps) {
        table_lamp(room, [1.2, 0.72, BACK - 0.22], 0.5);
    }
    if !stage.lacks(Thing::Books) {
        pile(room, [-0.15, 0.72, BACK - 0.34], 3);
    }
    vase(room, [0.35, 0.72, BACK - 0.2], 0.26);
}

/// A desk at the window, with a monitor and a chair.
fn desk(room: &mut Builder) {
    let top = wood(0xb89468, 2).glossy(0.25, 0.2);
    let steel = metal(0x2e3032);
    room.round([1.95, 0.71, 1.9], [RIGHT - 0.04, 0.74, 3.3], 0.012, top);
    for z in [1.98, 3.22] {
        for x in [2.0, RIGHT - 0.1] {
            room.cone([x, 0.0, z], [0.018; 2], 0.71, steel);
        }
    }
    let screen = Surface::plain(hex(0x17191c)).glossy(0.6, 0.05);
    room.round([2.58, 0.86, 2.25], [2.62, 1.24, 2.95], 0.012, screen);
    room.cone([2.62, 0.74, 2.6], [0.09, 0.02], 0.14, steel);
    let seat = room.rng.pick(&[0x4a5258, 0x7a8480, 0x8a6a4c]);
    office_chair(room, [1.75, 0.0, 2.65], 1.9, cloth(seat), steel);
}
