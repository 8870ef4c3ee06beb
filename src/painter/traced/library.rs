//! The library.

use super::super::Stage;
use super::super::canvas::Canvas;
use super::super::colour::{Rgb, hex};
use super::super::scene::Time;
use super::super::trace::{Light, vec3};
use super::books::{books, pile};
use super::decor::{floor_lamp, rug, vase};
use super::seats::sofa;
use super::{Builder, Hour, boards, plaster, viewer, wood};

/// The wall with the shelves.
const BACK: f32 = 3.9;

const HEIGHT: f32 = 2.9;
const LEFT: f32 = -3.0;
const RIGHT: f32 = 3.0;

/// The width of a bay, and the distance of its boards.
const BAY: f32 = 0.92;
const PITCH: f32 = 0.375;

/// A wall of books, an armchair and a lamp.
pub(in crate::painter) fn library(stage: &mut Stage<'_>) {
    let hour = Hour::new(stage.time(Time::Day));
    let mut canvas = Canvas::new(16, 8);
    canvas.each(|_, _, _| Rgb::WHITE);
    let mut room = Builder::with_view(stage, hour, canvas);
    room.exposure *= 0.55;
    let timber = room.rng.pick(&[0x6a4426, 0x54331e, 0x7a5234, 0x4a3020]);
    shell(&mut room, timber);
    let mut x = RIGHT - 6.0 * BAY - 0.1;
    for _ in 0..6 {
        bay(&mut room, x, timber);
        x += BAY;
    }
    corner(&mut room);
    daylight(&mut room);
    let turn = stage.rng.range(0.16, 0.3);
    let side = stage.rng.sign();
    room.paint(stage, viewer(turn, side));
}

fn shell(room: &mut Builder, timber: u32) {
    room.floor_and_ceiling([LEFT, RIGHT, BACK, HEIGHT], boards(0x7a5836, 2, 0.13), plaster(0xe8e0d2));
    room.block([LEFT - 1.0, 0.0, BACK], [RIGHT + 1.0, HEIGHT, BACK + 0.2], wood(timber, 1));
    room.block([LEFT - 0.2, 0.0, -3.0], [LEFT, HEIGHT, BACK], plaster(0xd8ccb8));
    room.block([RIGHT, 0.0, -3.0], [RIGHT + 0.2, HEIGHT, BACK], plaster(0xd8ccb8));
    room.block([RIGHT - 0.12, 0.0, BACK - 0.345], [RIGHT, 2.64, BACK], wood(timber, 1));
    room.block([LEFT, 0.0, BACK - 0.36], [RIGHT, 0.12, BACK], wood(timber, 0));
    room.block([LEFT, 2.62, BACK - 0.38], [RIGHT, 2.76, BACK], wood(timber, 0));
    rug(room, [-1.8, 2.2, 1.3, 3.2], 0x7c4438);
}

/// One bay of shelves with its books.
fn bay(room: &mut Builder, left: f32, timber: u32) {
    let front = BACK - 0.33;
    room.block([left - 0.02, 0.1, front - 0.015], [left + 0.02, 2.64, BACK], wood(timber, 1));
    for level in 0..7 {
        let y = 0.12 + PITCH * level as f32;
        room.block([left, y - 0.026, front], [left + BAY, y, BACK], wood(timber, 0));
        if level == 6 {
            break;
        }
        let (from, to) = (left + 0.03, left + BAY - 0.03);
        let split = from + (to - from) * room.rng.range(0.5, 0.85);
        match room.rng.pick(&[0, 0, 0, 0, 1, 2]) {
            0 => books(room, [from, to], y, front + 0.03, 0.33),
            1 => {
                books(room, [from, split], y, front + 0.03, 0.32);
                pile(room, [split + 0.03, y, front + 0.05], 3);
            }
            _ => {
                books(room, [from, split], y, front + 0.03, 0.32);
                vase(room, [split + 0.13, y, front + 0.16], 0.22);
            }
        }
    }
}

/// An armchair with a lamp in the corner.
fn corner(room: &mut Builder) {
    let leather = room.rng.pick(&[0x6a3e28, 0x4a5244, 0x3e4a58]);
    sofa(room, [1.75, 0.0, BACK - 0.95], 1.05, 0.35, leather);
    floor_lamp(room, [2.55, 0.0, BACK - 0.6], 1.65);
}

/// Light from windows behind the viewer and at the side.
fn daylight(room: &mut Builder) {
    let evening = matches!(room.hour.time, Time::Dusk | Time::Night);
    let tone = match room.hour.time {
        Time::Day => hex(0xf4f2ee),
        Time::Sunrise => hex(0xffdcb8),
        Time::Sunset => hex(0xffc490),
        Time::Dusk | Time::Night => hex(0xa8b8e0),
    };
    let light = tone * (room.hour.sky * if evening { 0.4 } else { 0.5 });
    let edges = [vec3(0.0, 0.0, 1.0), vec3(0.0, -0.8, 0.0)];
    room.lights.push(Light::Panel(vec3(LEFT + 0.02, 1.6, 1.4), edges, light));
    let warm = hex(0xffd8a8) * (1.5 * room.hour.lamp);
    let edges = [vec3(0.0, 0.0, -0.25), vec3(-1.6, 0.0, 0.0)];
    room.lights.push(Light::Panel(vec3(0.0, HEIGHT - 0.02, 2.4), edges, warm));
}
