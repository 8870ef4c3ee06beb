//! Rooms: office, living room and café, out of focus.

use super::Stage;
use super::colour::{Rgb, hex};
use super::furniture::{frame, lamp, pendant, plant, sideboard, sofa, window};
use super::noise::{lerp, noise, smooth};
use super::room_light::{RoomLight, wall};
use super::scene::{Thing, Time};

/// A bright office: windows, a sideboard, a bookshelf, plants, and pendant lamps.
pub(super) fn office(stage: &mut Stage<'_>) {
    let light = RoomLight::new(stage, Time::Day);
    let side = light.side;
    let reach = stage.canvas.reach();
    let paint = hex(stage.rng.pick(&[0xe6e2da, 0xd8dcdc, 0xc9cfcc, 0xe9dfd2, 0xaebbc0]));
    let at = [-side * stage.rng.range(0.5, 0.66), stage.rng.range(0.5, 0.6)];
    wall(stage, light, paint, at);
    slats(stage, light, paint);
    let inner = side * stage.rng.range(0.3, 0.4);
    let near = inner;
    let far = side * (reach + 0.1);
    if !stage.lacks(Thing::Windows) {
        window(stage, light, [near.min(far), -0.05, near.max(far), 0.73], true);
    }
    let end = -side * (reach + 0.1);
    let cupboard = !stage.lacks(Thing::Cupboard);
    let lamps = !stage.lacks(Thing::Lamps);
    if cupboard {
        sideboard(stage, light, [end.min(inner * 0.55), 0.75, end.max(inner * 0.55), 1.05]);
    }
    if !stage.lacks(Thing::Books) {
        shelf(stage, light, at);
    }
    if lamps && cupboard {
        lamp(stage, light, [at[0], 0.75], 0.17);
    }
    let pot = [side * stage.rng.range(0.26, 0.3), 1.0];
    if !stage.lacks(Thing::Plants) {
        plant(stage, light, pot, 0.4);
    }
    for i in 0..if lamps { 3 } else { 0 } {
        let hang = stage.rng.range(0.08, 0.1);
        pendant(stage, light, [-side * 0.05 - side * 0.3 * i as f32, hang], 0.042);
    }
    stage.canvas.bloom(0.8, 0.07, 0.5);
    stage.canvas.defocus(0.0092);
}

/// Wooden slats on the wall away from the window.
fn slats(stage: &mut Stage<'_>, light: RoomLight, paint: Rgb) {
    if stage.rng.chance(0.45) {
        return;
    }
    let wood = hex(stage.rng.pick(&[0xa07a54, 0x7d5f45, 0xb89068])).mix(paint, 0.15);
    let edge = -light.side * stage.rng.range(0.2, 0.34);
    let end = -light.side * 2.0;
    let at = [-light.side * 0.6, 0.4];
    let seed = stage.seed ^ 0x21;
    stage.canvas.within([edge.min(end), 0.0, edge.max(end), 1.0], |u, v, _| {
        let across = (u / 0.026).rem_euclid(1.0);
        let groove = smooth(0.0, 0.18, across) * smooth(1.0, 0.72, across);
        let grain = 1.0 + 0.14 * noise((u / 0.026).floor() * 3.7, v * 2.0, seed);
        wood * light.at(u, v, at) * (lerp(0.3, 1.0, groove) * grain)
    });
}

/// A wall shelf with a few books and a small plant.
fn shelf(stage: &mut Stage<'_>, light: RoomLight, at: [f32; 2]) {
    let left = at[0] - 0.24;
    let right = at[0] + 0.24;
    let level = stage.rng.range(0.3, 0.36);
    let wood = hex(0x9a744e);
    stage.canvas.shadow([left, level + 0.01, right, level + 0.07], 0.05, 0.35);
    let mut u = left + stage.rng.range(0.02, 0.1);
    for _ in 0..4 + stage.rng.next() % 6 {
        let cloth = hex(stage.rng.pick(&[0x35485c, 0xd8c9a8, 0x8c4a3c, 0x6f7f6a, 0xcfd2cc, 0x2f4a4f, 0xc8a060]));
        let width = stage.rng.range(0.012, 0.026);
        let tall = stage.rng.range(0.09, 0.135);
        let lit = light.at(u, level, at);
        stage.canvas.block([u, level - tall, u + width, level], 0.0, |across, _| cloth * lit * (1.0 - 0.5 * across));
        u += width + 0.001;
    }
    if !stage.lacks(Thing::Plants) {
        plant(stage, light, [right - 0.07, level], 0.12);
    }
    stage.canvas.block([left, level, right, level + 0.016], 0.0, |x, _| wood * light.at(left + x * 0.48, level, at));
}

/// A living room: a sofa, a lamp, pictures, and a plant.
pub(super) fn living_room(stage: &mut Stage<'_>) {
    let warm = stage.reading.mood.warmth > 0.2;
    let light = RoomLight::new(stage, if warm { Time::Dusk } else { Time::Day });
    let side = light.side;
    let reach = stage.canvas.reach();
    let paint = hex(stage.rng.pick(&[0xe4dccf, 0xd5d3c8, 0xb9c2b6, 0xd9c8b8, 0x9fb0b4, 0xc8b8a8]));
    let at = [-side * stage.rng.range(0.58, 0.68), 0.42];
    wall(stage, light, paint, at);
    let near = side * stage.rng.range(0.42, 0.5);
    let far = side * (reach - 0.1);
    let windows = !stage.lacks(Thing::Windows);
    if windows {
        window(stage, light, [near.min(far), 0.06, near.max(far), 0.7], false);
    }
    if windows && !stage.lacks(Thing::Curtains) {
        curtain(stage, light, near);
    }
    if !stage.lacks(Thing::Pictures) {
        pictures(stage, light, at);
    }
    if !stage.lacks(Thing::Sofa) {
        sofa(stage, light, at);
    }
    if !stage.lacks(Thing::Lamps) {
        lamp(stage, light, [at[0], 1.02], 0.5);
    }
    if !stage.lacks(Thing::Plants) {
        plant(stage, light, [side * (reach - 0.16), 1.04], 0.5);
    }
    stage.canvas.bloom(0.75, 0.07, 0.5);
    stage.canvas.defocus(0.0092);
}

pub(super) fn curtain(stage: &mut Stage<'_>, light: RoomLight, near: f32) {
    let cloth = hex(stage.rng.pick(&[0xe9e2d4, 0xcfc6b8, 0xb8bfc0]));
    let seed = stage.seed ^ 0x61;
    let end = near + light.side * 0.13;
    stage.canvas.block([near.min(end) - 0.03, -0.1, near.max(end), 0.97], 0.004, |x, v| {
        let fold = 0.75 + 0.25 * (x * 26.0 + 1.5 * noise(v * 1.2, x * 3.0, seed)).sin();
        cloth * (light.day * 1.15 + light.warm * 0.3) * (fold * 0.8)
    });
}

fn pictures(stage: &mut Stage<'_>, light: RoomLight, at: [f32; 2]) {
    let mut u = at[0] + light.side * 0.2;
    for _ in 0..2 {
        let wide = stage.rng.range(0.13, 0.19);
        let tall = stage.rng.range(0.19, 0.27);
        let top = 0.3 - tall * 0.5;
        let left = if light.side > 0.0 { u } else { u - wide };
        frame(stage, light, [left, top, left + wide, top + tall], at);
        u += light.side * (wide + 0.045);
    }
}

/// A café in the evening: a dark wall, pendant lamps, bottles, and points of light.
pub(super) fn cafe(stage: &mut Stage<'_>) {
    let light = RoomLight::new(stage, Time::Dusk);
    let reach = stage.canvas.reach();
    let paint = hex(stage.rng.pick(&[0x4f6a62, 0x6a5444, 0x4a5866, 0x7a5a48]));
    let at = [-light.side * 0.5, 0.36];
    wall(stage, light, paint, at);
    let near = light.side * 0.46;
    let far = light.side * (reach + 0.1);
    if !stage.lacks(Thing::Windows) {
        window(stage, light, [near.min(far), -0.05, near.max(far), 0.72], true);
    }
    for row in 0..if stage.lacks(Thing::Bottles) { 0 } else { 2 } {
        bar(stage, light, 0.34 + 0.2 * row as f32, at);
    }
    let end = -light.side * (reach + 0.1);
    if !stage.lacks(Thing::Cupboard) {
        sideboard(stage, light, [end.min(near * 0.8), 0.74, end.max(near * 0.8), 1.05]);
    }
    stage.canvas.defocus(0.008);
    for i in 0..if stage.lacks(Thing::Lamps) { 0 } else { 5 } {
        let u = -0.78 + 0.39 * i as f32 + stage.rng.range(-0.04, 0.04);
        let v = stage.rng.range(0.1, 0.17);
        pendant(stage, light, [u, v], 0.05);
    }
    stage.canvas.bloom(0.6, 0.06, 0.6);
    stage.canvas.defocus(0.0075);
    for _ in 0..if stage.lacks(Thing::Lights) { 0 } else { 40 } {
        let place = [light.side * stage.rng.range(0.5, reach), stage.rng.range(0.25, 0.7)];
        let tone = hex(stage.rng.pick(&[0xffb568, 0xffd29a, 0xff9a50]));
        let size = stage.rng.range(0.008, 0.024);
        stage.canvas.bokeh(place, size * 1.4, tone * stage.rng.range(0.03, 0.16));
    }
}

/// A shelf of bottles along the wall away from the window.
fn bar(stage: &mut Stage<'_>, light: RoomLight, level: f32, at: [f32; 2]) {
    let reach = stage.canvas.reach();
    let (from, to) = if light.side > 0.0 { (-reach - 0.05, 0.1) } else { (-0.1, reach + 0.05) };
    let mut u = from;
    while u < to {
        let glass = hex(stage.rng.pick(&[0x4a6a44, 0x8a5a2a, 0xd8d0c0, 0x9a3a2a, 0x3a5a70, 0xc89a50]));
        let wide = stage.rng.range(0.018, 0.034);
        let tall = stage.rng.range(0.05, 0.12);
        let lit = light.at(u, level, at);
        stage.canvas.block([u, level - tall, u + wide, level], 0.002, |x, _| {
            glass * lit * (0.6 + 0.9 * smooth(0.25, 0.1, (x - 0.3).abs()))
        });
        u += wide + stage.rng.range(0.004, 0.05);
    }
    stage.canvas.shadow([from, level, to, level + 0.05], 0.03, 0.4);
    stage
        .canvas
        .block([from, level, to, level + 0.014], 0.0, |x, _| hex(0x8a6440) * light.at(lerp(from, to, x), level, at));
}
