//! The classroom.

use super::super::Stage;
use super::super::colour::{Rgb, hex};
use super::super::scene::{Scene, Thing, Time};
use super::super::trace::{Light, Surface, Texture, vec3};
use super::books::{books, pile};
use super::decor::{picture, plant};
use super::seats::chair;
use super::{Builder, Side, Window, boards, metal, outlook, paint, plaster, viewer, wood};

/// The wall with the blackboard.
const BACK: f32 = 5.0;

const HEIGHT: f32 = 3.0;
const LEFT: f32 = -3.2;
const RIGHT: f32 = 3.2;

/// A classroom: a blackboard, desks, a shelf with books, and a wall of windows.
pub(in crate::painter) fn classroom(stage: &mut Stage<'_>) {
    let view = outlook(stage, Scene::Meadow);
    let mut room = Builder::new(stage, Time::Day, view);
    room.sun(stage, [0.8, 0.5, -0.3]);
    shell(stage, &mut room);
    blackboard(&mut room);
    for z in if stage.lacks(Thing::Desk) { &[][..] } else { &[2.3, 3.5] } {
        for x in [-2.2, -0.75, 0.75, 2.2] {
            desk(&mut room, [x, *z]);
        }
    }
    if !stage.lacks(Thing::Cupboard) {
        cupboard(&mut room);
    }
    if !stage.lacks(Thing::Books) {
        books(&mut room, [-3.0, -2.45], 0.94, BACK - 0.34, 0.28);
        pile(&mut room, [1.95, 0.94, BACK - 0.36], 4);
    }
    if !stage.lacks(Thing::Plants) {
        plant(&mut room, [2.75, 0.94, BACK - 0.25], 0.5);
    }
    let turn = stage.rng.range(0.12, 0.24);
    let side = stage.rng.sign();
    let mut camera = viewer(turn, side);
    camera.at.x = -0.3;
    room.paint(stage, camera);
}

fn shell(stage: &Stage<'_>, room: &mut Builder) {
    let paint = paint(stage, room, &[0xe6dfce, 0xdadfd6, 0xe8e2d6]);
    room.floor_and_ceiling([LEFT, RIGHT, BACK, HEIGHT], boards(0xa07c54, 2, 0.1), plaster(0xf0eee8));
    room.wall(Side::Back(BACK), [LEFT, RIGHT, HEIGHT], &[], paint);
    room.wall(Side::Left(LEFT), [-3.0, BACK, HEIGHT], &[], paint);
    let frame = hex(0xd8d5cc);
    let pane = |from: f32| Window { from, to: from + 1.45, sill: 0.95, top: 2.65, panes: [2, 2], frame };
    let windows = [pane(0.1), pane(1.75), pane(3.4)];
    let windows: &[Window] = if stage.lacks(Thing::Windows) { &[] } else { &windows };
    room.wall(Side::Right(RIGHT), [-3.0, BACK, HEIGHT], windows, paint);
    room.block([LEFT, 0.0, BACK - 0.02], [RIGHT, 0.1, BACK], wood(0x7c5c3c, 0));
    if stage.lacks(Thing::Windows) || room.hour.lamp > 0.6 {
        for z in [1.6, 3.4] {
            panel_lamp(room, z);
        }
    }
}

/// A lamp in the ceiling.
fn panel_lamp(room: &mut Builder, z: f32) {
    let light = hex(0xfff0dc) * 2.2;
    let edges = [vec3(0.9, 0.0, 0.0), vec3(0.0, 0.0, 0.15)];
    room.lights.push(Light::Panel(vec3(0.0, HEIGHT - 0.03, z), [edges[1], edges[0]].map(|edge| -edge), light));
    let glow = Surface::plain(hex(0xffffff)).glowing(Rgb::WHITE * 0.9);
    room.block([-0.9, HEIGHT - 0.02, z - 0.15], [0.9, HEIGHT, z + 0.15], glow);
}

fn blackboard(room: &mut Builder) {
    let slate = hex(room.rng.pick(&[0x2f4a3e, 0x2a3834, 0x34463f]));
    let (left, right, low, high) = (-1.75, 1.65, 0.98, 2.28);
    let oak = wood(0xa07848, 0);
    room.block([left, low, BACK - 0.03], [right, high, BACK], Surface::new(slate, Texture::Slate).glossy(0.08, 0.4));
    room.block([left - 0.05, high, BACK - 0.045], [right + 0.05, high + 0.06, BACK], oak);
    room.block([left - 0.05, low - 0.04, BACK - 0.11], [right + 0.05, low, BACK], oak);
    for x in [left - 0.05, right] {
        room.block([x, low, BACK - 0.045], [x + 0.05, high, BACK], wood(0xa07848, 1));
    }
    for _ in 0..6 {
        let x = room.rng.range(left + 0.2, right - 0.3);
        let chalk = room.rng.pick(&[0xf4f2ec, 0xf0d890, 0xe0a8a0]);
        room.block([x, low, BACK - 0.08], [x + 0.08, low + 0.014, BACK - 0.066], Surface::plain(hex(chalk)));
    }
    picture(room, [2.0, 1.3, 2.6, 2.1], BACK);
    room.ball([-2.35, 2.35, BACK - 0.02], [0.16, 0.16, 0.03], Surface::plain(hex(0xeeece6)));
}

/// A desk with a chair behind it.
fn desk(room: &mut Builder, [x, z]: [f32; 2]) {
    let top = wood(0xc09a68, 0).glossy(0.25, 0.2);
    let steel = metal(0x5a5e60);
    room.round([x - 0.5, 0.72, z - 0.28], [x + 0.5, 0.75, z + 0.28], 0.012, top);
    for dx in [-0.46, 0.46] {
        for dz in [-0.24, 0.24] {
            room.cone([x + dx, 0.0, z + dz], [0.014; 2], 0.72, steel);
        }
    }
    let turn = room.rng.range(-0.15, 0.15);
    chair(room, [x, 0.0, z - 0.42], turn, wood(0xb08a5c, 0), steel);
}

/// A low cupboard along the wall.
fn cupboard(room: &mut Builder) {
    let oak = wood(0xb08c60, 0);
    for (from, to) in [(-3.15, -1.85), (1.8, 3.15)] {
        room.block([from, 0.06, BACK - 0.42], [to, 0.94, BACK], oak);
        let half = (from + to) * 0.5;
        for (a, b) in [(from, half), (half, to)] {
            room.block([a + 0.015, 0.1, BACK - 0.44], [b - 0.015, 0.9, BACK - 0.42], wood(0xb8946a, 1));
        }
    }
}
