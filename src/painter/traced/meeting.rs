//! The conference room.

use super::super::Stage;
use super::super::colour::{Rgb, hex};
use super::super::scene::{Scene, Thing, Time};
use super::super::trace::{Light, Surface, Texture, vec3};
use super::decor::plant;
use super::seats::office_chair;
use super::{Builder, Side, Window, cloth, metal, outlook, paint, plaster, viewer, wood};

const BACK: f32 = 5.4;
const HEIGHT: f32 = 2.8;
const LEFT: f32 = -2.6;
const RIGHT: f32 = 2.7;

/// The height of the table.
const TABLE: f32 = 0.74;

/// A conference room: a long table with chairs, a screen, a wooden wall, and windows over the city.
pub(in crate::painter) fn meeting_room(stage: &mut Stage<'_>) {
    let view = outlook(stage, Scene::City);
    let mut room = Builder::new(stage, Time::Day, view);
    room.sun(stage, [0.85, 0.4, -0.25]);
    shell(stage, &mut room);
    back_wall(&mut room);
    table(&mut room);
    if !stage.lacks(Thing::Plants) {
        plant(&mut room, [LEFT + 0.45, 0.0, BACK - 0.5], 1.5);
    }
    if !stage.lacks(Thing::Lamps) {
        lamp(&mut room);
    }
    let turn = stage.rng.range(0.12, 0.22);
    let side = stage.rng.sign();
    let mut camera = viewer(turn, side);
    camera.at.x = -0.35;
    room.paint(stage, camera);
}

fn shell(stage: &Stage<'_>, room: &mut Builder) {
    let paint = paint(stage, room, &[0xe2e0da, 0xd5d8d8, 0xe4ded4]);
    let carpet = Surface::new(hex(room.rng.pick(&[0x6a6e72, 0x7a7670, 0x5c666c])), Texture::Wool);
    room.floor_and_ceiling([LEFT, RIGHT, BACK, HEIGHT], carpet, plaster(0xf0efeb));
    room.wall(Side::Left(LEFT), [-3.0, BACK, HEIGHT], &[], paint);
    let frame = hex(0x3a3d40);
    let pane = |from: f32| Window { from, to: from + 2.45, sill: 0.3, top: 2.55, panes: [2, 1], frame };
    let windows = [pane(0.2), pane(2.75)];
    let windows: &[Window] = if stage.lacks(Thing::Windows) { &[] } else { &windows };
    room.wall(Side::Right(RIGHT), [-3.0, BACK, HEIGHT], windows, paint);
    room.wall(Side::Back(BACK), [LEFT, RIGHT, HEIGHT], &[], paint);
}

/// Wooden slats with a dark screen.
fn back_wall(room: &mut Builder) {
    let oak = room.rng.pick(&[0xa07a50, 0x7a5a3c, 0xb48e62]);
    let mut x = -1.9;
    while x < 2.2 {
        room.block([x, 0.0, BACK - 0.05], [x + 0.055, HEIGHT, BACK - 0.01], wood(oak, 1));
        x += 0.085;
    }
    room.block([-1.95, 0.0, BACK - 0.012], [2.25, HEIGHT, BACK], Surface::plain(hex(0x241c16)));
    let screen = Surface::plain(hex(0x14171a)).glossy(0.7, 0.03);
    room.round([-0.85, 1.05, BACK - 0.13], [1.15, 2.18, BACK - 0.07], 0.012, screen);
    room.round([-0.9, 0.3, BACK - 0.45], [1.2, 0.72, BACK - 0.06], 0.012, plaster(0xe4e2dc));
}

fn table(room: &mut Builder) {
    let top = wood(room.rng.pick(&[0x8a6644, 0xb08c62, 0x6a4c34]), 2).glossy(0.45, 0.1);
    room.round([-0.62, TABLE - 0.04, 1.5], [0.82, TABLE, 4.5], 0.015, top);
    for z in [2.1, 3.9] {
        room.block([-0.2, 0.0, z - 0.25], [0.4, TABLE - 0.04, z + 0.25], Surface::plain(hex(0x2a2a2a)));
    }
    let seat = cloth(room.rng.pick(&[0x4a5258, 0x3c4a54, 0x6a6660, 0x7a5a40]));
    let legs = metal(0x8a8c8e);
    for z in [1.75, 2.65, 3.55] {
        for (x, turn) in [(-0.95, 1.57), (1.15, -1.57)] {
            let turn = turn + room.rng.range(-0.2, 0.2);
            office_chair(room, [x, 0.0, z], turn, seat, legs);
        }
    }
    let paper = Surface::plain(hex(0xf2f0ea));
    for (x, z) in [(-0.35, 2.6), (0.5, 3.4)] {
        room.block([x, TABLE, z], [x + 0.2, TABLE + 0.006, z + 0.28], paper);
    }
    room.cone([0.1, TABLE, 3.1], [0.05, 0.06], 0.1, plaster(0xd8d4cc).glossy(0.3, 0.2));
    plant(room, [0.12, TABLE, 3.9], 0.3);
}

/// A long lamp over the table.
fn lamp(room: &mut Builder) {
    let (low, high) = (2.1, 2.14);
    room.block([0.06, low, 2.3], [0.14, high, 4.3], metal(0x2c2e30));
    let glow = Surface::plain(Rgb::WHITE).glowing(room.lit(1.3));
    room.block([0.065, low - 0.004, 2.31], [0.135, low, 4.29], glow);
    for z in [2.5, 4.1] {
        room.cone([0.1, high, z], [0.003; 2], HEIGHT - high, metal(0x2c2e30));
    }
    let light = hex(0xffe4c0) * (14.0 * room.hour.lamp);
    let edges = [vec3(0.0, 0.0, -1.0), vec3(-0.035, 0.0, 0.0)];
    room.lights.push(Light::Panel(vec3(0.1, low - 0.01, 3.3), edges, light));
}
