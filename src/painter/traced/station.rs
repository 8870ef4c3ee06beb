//! The window of a space station.

use super::super::Stage;
use super::super::colour::{Rgb, hex};
use super::super::scene::Time;
use super::super::trace::{Light, Shape, Solid, Surface, vec3};
use super::orbit::orbit;
use super::{Builder, Hour, cloth, metal, plaster, viewer};

/// The wall with the window.
const BACK: f32 = 3.4;

/// Half the width, the height, and the bevel of the corners.
const HALF: f32 = 2.1;
const HEIGHT: f32 = 2.7;

/// A module with a large window on the Earth, padded walls, lamps and screens.
pub(in crate::painter) fn station(stage: &mut Stage<'_>) {
    let hour = Hour::new(stage.time(Time::Day));
    let canvas = orbit(stage, hour.time);
    let mut room = Builder::with_view(stage, hour, canvas);
    room.outside.facing = 0.0;
    room.outside.horizon = 0.43;
    room.outside.zoom = 0.9;
    room.exposure = match hour.time {
        Time::Day => 0.2,
        Time::Night => 0.1,
        _ => 0.15,
    };
    shell(&mut room);
    window(&mut room);
    for side in [-1.0, 1.0] {
        racks(&mut room, side);
        rails(&mut room, side);
    }
    lights(&mut room);
    let turn = stage.rng.range(-0.1, 0.1);
    let side = stage.rng.sign();
    let mut camera = viewer(turn, side);
    camera.view = 0.8;
    camera.blur = 0.005;
    room.paint(stage, camera);
}

fn panel() -> Surface {
    plaster(0xd4d6d8).glossy(0.12, 0.35)
}

fn shell(room: &mut Builder) {
    let dark = Surface::plain(hex(0x2e3236)).glossy(0.2, 0.3);
    room.block([-HALF - 0.4, -0.2, -3.0], [HALF + 0.4, 0.0, BACK], dark);
    room.block([-HALF - 0.4, HEIGHT, -3.0], [HALF + 0.4, HEIGHT + 0.2, BACK], panel());
    room.block([-HALF - 0.4, 0.0, -3.0], [HALF + 0.4, HEIGHT, -2.8], panel());
    for side in [-1.0, 1.0] {
        let (a, b) = (side * HALF, side * (HALF + 0.4));
        room.block([a.min(b), -0.2, -3.0], [a.max(b), HEIGHT + 0.2, BACK + 0.3], Surface::plain(hex(0x3a3e42)));
    }
}

/// The window: a wide opening with beveled corners and two struts.
fn window(room: &mut Builder) {
    let (half, low, high) = (1.62, 0.62, 2.3);
    let frame = plaster(0xb8bcc0).glossy(0.2, 0.3);
    room.block([-HALF, -0.2, BACK], [-half, HEIGHT, BACK + 0.25], frame);
    room.block([half, -0.2, BACK], [HALF, HEIGHT, BACK + 0.25], frame);
    room.block([-half, -0.2, BACK], [half, low, BACK + 0.25], frame);
    room.block([-half, high, BACK], [half, HEIGHT + 0.2, BACK + 0.25], frame);
    let rim = plaster(0x6c7276).glossy(0.4, 0.2);
    let quarter = std::f32::consts::FRAC_PI_4;
    for x in [-half, half] {
        for y in [low, high] {
            let mut corner = Solid::new(Shape::Block(vec3(0.3, 0.3, 0.125)), vec3(x, y, BACK + 0.125), frame);
            let (c, s) = (quarter.cos(), quarter.sin());
            corner.axes = [vec3(c, s, 0.0), vec3(-s, c, 0.0), vec3(0.0, 0.0, 1.0)];
            room.add(corner);
        }
    }
    for x in [-half / 3.0, half / 3.0] {
        room.round([x - 0.05, low, BACK - 0.02], [x + 0.05, high, BACK + 0.16], 0.03, rim);
    }
    for (y, tall) in [(low - 0.06, 0.08), (high - 0.02, 0.08)] {
        room.round([-half - 0.1, y, BACK - 0.06], [half + 0.1, y + tall, BACK + 0.02], 0.025, rim);
    }
    for i in 0..4 {
        let x = -HALF + 0.1 + i as f32 * (2.0 * HALF - 0.2) / 4.0;
        let pad = if i % 3 == 1 { cloth(0xb4b0a8) } else { panel() };
        room.round([x + 0.02, 0.06, BACK - 0.09], [x + (2.0 * HALF - 0.2) / 4.0 - 0.02, low - 0.14, BACK], 0.035, pad);
    }
    for i in 0..13 {
        let x = -half + 0.27 * i as f32;
        for y in [low - 0.02, high + 0.02] {
            room.ball([x, y, BACK - 0.06], [0.018, 0.018, 0.012], metal(0x8a8e92));
        }
    }
}

/// Padded lockers along a side wall, some with screens.
fn racks(room: &mut Builder, side: f32) {
    for column in 0..4 {
        let z = 0.3 + 0.76 * column as f32;
        for row in 0..3 {
            let y = 0.12 + 0.8 * row as f32;
            let (a, b) = (side * (HALF - 0.12 - 0.05 * row as f32 % 0.1), side * (HALF + 0.05));
            let pad = if room.rng.chance(0.3) { cloth(0xb4b0a8) } else { panel() };
            room.round([a.min(b), y, z], [a.max(b), y + 0.76, z + 0.72], 0.03, pad);
            let front = side * (HALF - 0.13 - 0.05 * row as f32 % 0.1);
            if room.rng.chance(0.45) {
                screen(room, [front, y + 0.38, z + 0.36]);
            } else {
                let handle = [front - 0.03, y + 0.62, z + 0.22];
                room.round(handle, [front + 0.03, y + 0.65, z + 0.5], 0.012, metal(0x7a8086));
            }
        }
    }
}

/// A small screen on a wall.
fn screen(room: &mut Builder, [x, y, z]: [f32; 3]) {
    room.round([x - 0.02, y - 0.16, z - 0.24], [x + 0.02, y + 0.16, z + 0.24], 0.012, Surface::plain(hex(0x15181b)));
    let tone = hex(room.rng.pick(&[0x4aa0c8, 0x58b8a8, 0x6a8ad0]));
    for line in 0..5 {
        let level = y + 0.11 - 0.05 * line as f32;
        let end = z - 0.2 + room.rng.range(0.1, 0.38);
        let glow = Surface::plain(Rgb::default()).glowing(tone * 0.5);
        room.block([x - 0.024, level - 0.01, z - 0.2], [x + 0.024, level + 0.01, end], glow);
    }
}

/// Handrails and a bundle of cables.
fn rails(room: &mut Builder, side: f32) {
    let rail = plaster(0x2f5f9a).glossy(0.4, 0.2);
    let x = side * (HALF - 0.2);
    let bar = Solid::new(Shape::Cone(0.018, 0.018, 1.2, true), vec3(x, 1.72, 1.9), rail);
    room.add(bar.turned(0.0, std::f32::consts::FRAC_PI_2));
    for (dy, code) in [(0.0, 0x8a8e90), (0.04, 0x3a3e42), (0.075, 0xb0a890)] {
        let cable = Solid::new(Shape::Cone(0.016, 0.016, 2.0, true), vec3(x, 2.5 + dy, 1.6), cloth(code));
        room.add(cable.turned(0.0, std::f32::consts::FRAC_PI_2));
    }
}

fn lights(room: &mut Builder) {
    let strip = Surface::plain(Rgb::WHITE).glowing(hex(0xf4f6ff) * 1.1);
    for x in [-0.9, 0.9] {
        room.block([x - 0.05, HEIGHT - 0.02, 0.2], [x + 0.05, HEIGHT, BACK - 0.3], strip);
        let edges = [vec3(0.0, 0.0, -1.3), vec3(-0.05, 0.0, 0.0)];
        room.lights.push(Light::Panel(vec3(x, HEIGHT - 0.03, 1.7), edges, hex(0xf2f4ff) * 5.0));
    }
    let earth = room.outside.mean() * 9.0;
    let edges = [vec3(1.6, 0.0, 0.0), vec3(0.0, -0.85, 0.0)];
    room.lights.push(Light::Panel(vec3(0.0, 1.45, BACK + 0.24), edges, earth));
}
