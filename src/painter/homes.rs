//! More rooms: kitchen, bedroom and classroom.

use super::Stage;
use super::colour::hex;
use super::furniture::{frame, lamp, pendant, plant, window};
use super::noise::{fbm, hash, lerp, noise, smooth, unit};
use super::room_light::{RoomLight, wall};
use super::rooms::curtain;
use super::scene::{Thing, Time};

/// A kitchen: cupboards above and below a tiled wall, jars, and lamps over the worktop.
pub(super) fn kitchen(stage: &mut Stage<'_>) {
    let light = RoomLight::new(stage, Time::Day);
    let side = light.side;
    let reach = stage.canvas.reach();
    let paint = hex(stage.rng.pick(&[0xe9e5dc, 0xdfe2de, 0xe6ddd0]));
    let at = [-side * stage.rng.range(0.4, 0.55), 0.4];
    wall(stage, light, paint, at);
    tiles(stage, light, at);
    if !stage.lacks(Thing::Windows) {
        let near = side * stage.rng.range(0.36, 0.42);
        let far = side * (reach - 0.14);
        window(stage, light, [near.min(far), 0.1, near.max(far), 0.56], false);
    }
    if !stage.lacks(Thing::Cupboard) {
        let front = hex(stage.rng.pick(&[0xdcd8ce, 0x8fa098, 0x4a5a62, 0xc8b496, 0x6a7a70]));
        let edge = side * stage.rng.range(0.02, 0.1);
        let end = -side * (reach + 0.1);
        doors(stage, light, front, [edge.min(end), -0.1, edge.max(end), 0.25], at);
        doors(stage, light, front, [-reach - 0.1, 0.755, reach + 0.1, 1.1], at);
    }
    worktop(stage, light, at);
    if !stage.lacks(Thing::Bottles) {
        jars(stage, light, at);
    }
    if !stage.lacks(Thing::Plants) {
        let foot = [side * stage.rng.range(0.28, 0.33), 0.725];
        plant(stage, light, foot, 0.2);
    }
    stage.canvas.bloom(0.8, 0.07, 0.4);
    stage.canvas.defocus(0.0085);
    if !stage.lacks(Thing::Lamps) {
        for i in 0..2 {
            let hang = stage.rng.range(0.06, 0.09);
            pendant(stage, light, [side * (0.52 - 0.3 * i as f32), hang], 0.05);
        }
    }
    stage.canvas.defocus(0.0045);
}

/// Small tiles between the cupboards.
fn tiles(stage: &mut Stage<'_>, light: RoomLight, at: [f32; 2]) {
    let glaze = hex(stage.rng.pick(&[0xf0eee8, 0xdde6e2, 0xd8dde4]));
    let seed = stage.seed ^ 0x71;
    stage.canvas.within([-9.0, 0.25, 9.0, 0.73], |u, v, _| {
        let row = (v / 0.045).floor();
        let x = u / 0.11 + 0.5 * row.rem_euclid(2.0);
        let (fx, fy) = (x - x.floor(), v / 0.045 - row);
        let joint = smooth(0.0, 0.04, fx.min(1.0 - fx)) * smooth(0.0, 0.1, fy.min(1.0 - fy));
        let tone = 0.94 + 0.08 * unit(hash(x.floor() as i32, row as i32, seed));
        glaze * light.at(u, v, at) * (lerp(0.8, 1.0, joint) * tone)
    });
    // The cupboards above cast a shadow on the wall.
    stage.canvas.shadow([-9.0, 0.2, 9.0, 0.3], 0.06, 0.25);
}

/// A row of cupboard doors with handles.
fn doors(stage: &mut Stage<'_>, light: RoomLight, front: super::colour::Rgb, area: [f32; 4], at: [f32; 2]) {
    let [left, top, right, bottom] = area;
    let count = ((right - left) / 0.3).round().max(1.0);
    let upper = top < 0.0;
    stage.canvas.block(area, 0.0, |x, y| {
        let (u, v) = (lerp(left, right, x), lerp(top, bottom, y));
        let door = (x * count).floor();
        let across = (x * count).fract();
        let gap = smooth(0.0, 0.012, across) * smooth(1.0, 0.988, across);
        let panel = 1.0 - 0.09 * (smooth(0.07, 0.085, across) * smooth(0.93, 0.915, across));
        let handle_at = if door as i32 % 2 == 0 { 0.9 } else { 0.1 };
        let level = if upper { bottom - 0.06 } else { top + 0.07 };
        let handle = smooth(0.012, 0.006, (across - handle_at).abs()) * smooth(0.04, 0.03, (v - level).abs());
        let own = front * light.at(u, v, at) * (lerp(0.35, 0.92, gap) * panel);
        own.mix(hex(0x8a8478) * light.at(u, v, at), handle)
    });
}

fn worktop(stage: &mut Stage<'_>, light: RoomLight, at: [f32; 2]) {
    let wood = hex(stage.rng.pick(&[0xb88a58, 0xd8d4cc, 0x6a5a4c, 0xc8a878]));
    let seed = stage.seed ^ 0x91;
    stage.canvas.shadow([-9.0, 0.76, 9.0, 0.79], 0.02, 0.4);
    stage.canvas.block([-9.0, 0.722, 9.0, 0.762], 0.0, |x, y| {
        let u = lerp(-9.0, 9.0, x);
        let grain = 1.0 + 0.1 * noise(u * 3.0, y * 6.0 + u * 0.3, seed);
        wood * light.at(u, 0.74, at) * (grain * lerp(1.15, 0.7, y))
    });
}

/// Jars and boards on the worktop, away from the window.
fn jars(stage: &mut Stage<'_>, light: RoomLight, at: [f32; 2]) {
    let mut out = stage.rng.range(0.2, 0.3);
    while out < 0.8 {
        let wide = stage.rng.range(0.035, 0.06);
        let tall = stage.rng.range(0.07, 0.15);
        let u = -light.side * out - wide * 0.5;
        let clay = hex(stage.rng.pick(&[0xd8d2c4, 0x9a6a48, 0xc8b088, 0x5a6a62, 0xe8e4da, 0xa88458]));
        let lit = light.at(u, 0.7, at);
        stage.canvas.shadow([u, 0.715, u + wide, 0.727], 0.012, 0.4);
        stage.canvas.block([u, 0.724 - tall, u + wide, 0.724], 0.003, |x, y| {
            let lid = if y < 0.16 { 0.55 } else { 1.0 };
            clay * lit * (lid * (1.05 - 0.55 * (x - 0.5 + 0.2 * light.side).abs()))
        });
        out += wide + stage.rng.range(0.02, 0.14);
    }
}

/// A bedroom: a headboard with pillows, a bedside lamp, a picture, and a window.
pub(super) fn bedroom(stage: &mut Stage<'_>) {
    let light = RoomLight::new(stage, Time::Day);
    let side = light.side;
    let reach = stage.canvas.reach();
    let paint = hex(stage.rng.pick(&[0xd9d2c6, 0xb8c0bc, 0xc8b8ac, 0xaab4bc, 0xe0d8cc]));
    let at = [-side * stage.rng.range(0.6, 0.68), 0.5];
    wall(stage, light, paint, at);
    if !stage.lacks(Thing::Windows) {
        let near = side * stage.rng.range(0.52, 0.58);
        let far = side * (reach + 0.05);
        window(stage, light, [near.min(far), 0.04, near.max(far), 0.68], false);
        if !stage.lacks(Thing::Curtains) {
            curtain(stage, light, near);
        }
    }
    if !stage.lacks(Thing::Pictures) {
        let middle = -side * 0.12;
        frame(stage, light, [middle - 0.17, 0.14, middle + 0.17, 0.36], at);
    }
    if !stage.lacks(Thing::Lamps) {
        lamp(stage, light, [at[0], 0.78], 0.2);
    }
    table(stage, light, at);
    bed(stage, light, -side * 0.1, at);
    stage.canvas.bloom(0.75, 0.07, 0.5);
    stage.canvas.defocus(0.0095);
}

fn table(stage: &mut Stage<'_>, light: RoomLight, at: [f32; 2]) {
    let wood = hex(stage.rng.pick(&[0xa07a54, 0x7d5f45, 0xc8b090]));
    stage.canvas.shadow([at[0] - 0.13, 0.76, at[0] + 0.13, 1.0], 0.05, 0.3);
    stage.canvas.block([at[0] - 0.12, 0.775, at[0] + 0.12, 1.1], 0.0, |_, y| {
        let edge = smooth(0.08, 0.05, y) + smooth(0.46, 0.47, y) * smooth(0.5, 0.49, y) * -0.4;
        wood * light.at(at[0], 0.85, at) * (0.62 + 0.4 * edge)
    });
}

/// Headboard, pillows and the edge of a blanket.
fn bed(stage: &mut Stage<'_>, light: RoomLight, middle: f32, at: [f32; 2]) {
    let cloth = hex(stage.rng.pick(&[0x7f8a86, 0xa8907a, 0x5f6c7c, 0x9a8f88, 0xb8a48c]));
    let linen = hex(stage.rng.pick(&[0xf0ece4, 0xe4e2dc, 0xeae0d4]));
    let blanket = hex(stage.rng.pick(&[0xc8b8a4, 0x8fa09a, 0xb88a74, 0x6f7f90, 0xd8cdbc]));
    let half = 0.48;
    let seed = stage.seed ^ 0x33;
    stage.canvas.shadow([middle - half, 0.5, middle + half, 1.0], 0.08, 0.3);
    stage.canvas.block([middle - half, 0.52, middle + half, 1.05], 0.008, |x, y| {
        let seam = smooth(0.0, 0.05, (x * 6.0).fract()) * smooth(1.0, 0.95, (x * 6.0).fract());
        cloth * light.at(lerp(middle - half, middle + half, x), 0.6, at) * (lerp(0.72, 0.95, seam) * (1.02 - 0.25 * y))
    });
    for (k, wide, top) in [(-0.24, 0.21, 0.66), (0.24, 0.21, 0.66), (-0.15, 0.15, 0.72), (0.15, 0.15, 0.72)] {
        let own = if top > 0.7 { blanket.mix(linen, 0.35) } else { linen };
        let centre = [middle + k, top + 0.12];
        stage.canvas.shadow([centre[0] - wide * 0.8, top + 0.02, centre[0] + wide * 0.8, top + 0.2], 0.05, 0.22);
        stage.canvas.within([centre[0] - wide, top - 0.02, centre[0] + wide, top + 0.26], |u, v, under| {
            let (x, y) = (((u - centre[0]) / wide).abs(), ((v - centre[1]) / 0.13).abs());
            let round = (x.powi(6) + y.powi(4)).powf(0.2);
            let puff =
                1.0 - 0.2 * round.powi(3) - 0.1 * (v - centre[1]) / 0.13 + 0.05 * noise(u * 14.0, v * 10.0, seed);
            under.mix(own * light.at(u, v, at) * puff, smooth(1.0, 0.97, round))
        });
    }
    stage.canvas.within([middle - half - 0.06, 0.84, middle + half + 0.06, 1.0], |u, v, under| {
        let top = 0.875 - 0.02 * (1.0 - ((u - middle) / half).powi(2)) + 0.006 * noise(u * 9.0, 0.5, seed ^ 1);
        let fold = 1.0 + 0.1 * fbm(u * 5.0, v * 9.0, 3, seed ^ 2);
        let own = if v < top + 0.04 { linen } else { blanket };
        let side = smooth(half + 0.05, half + 0.04, (u - middle).abs());
        under.mix(own * light.at(u, v, at) * (0.95 * fold), smooth(top - 0.002, top + 0.003, v) * side)
    });
}

/// A classroom: a blackboard with traces of chalk, books, and a window.
pub(super) fn classroom(stage: &mut Stage<'_>) {
    let light = RoomLight::new(stage, Time::Day);
    let side = light.side;
    let reach = stage.canvas.reach();
    let paint = hex(stage.rng.pick(&[0xe4ddcc, 0xd8dcd4, 0xe8e2d6]));
    let at = [-side * 0.6, 0.3];
    wall(stage, light, paint, at);
    if !stage.lacks(Thing::Windows) {
        let near = side * stage.rng.range(0.68, 0.72);
        let far = side * (reach + 0.2);
        window(stage, light, [near.min(far), 0.02, near.max(far), 0.66], true);
    }
    board(stage, light, at);
    if !stage.lacks(Thing::Cupboard) {
        super::furniture::sideboard(stage, light, [-reach - 0.1, 0.8, reach + 0.1, 1.1]);
    }
    if !stage.lacks(Thing::Books) {
        books(stage, light, at);
    }
    if !stage.lacks(Thing::Plants) {
        plant(stage, light, [side * 0.66, 0.81], 0.22);
    }
    stage.canvas.bloom(0.85, 0.06, 0.4);
    stage.canvas.defocus(0.0088);
}

fn board(stage: &mut Stage<'_>, light: RoomLight, at: [f32; 2]) {
    let slate = hex(stage.rng.pick(&[0x2f4a3e, 0x2c3834, 0x34463f]));
    let wood = hex(0xa87e52);
    let seed = stage.seed ^ 0x44;
    let middle = -light.side * 0.12;
    let left = middle - 0.66;
    let right = middle + 0.66;
    let top = 0.1;
    let bottom = 0.68;
    stage.canvas.shadow([left, top + 0.01, right, bottom + 0.03], 0.03, 0.35);
    stage.canvas.block([left, top, right, bottom], 0.0, |_, y| wood * light.at(middle, 0.4, at) * (1.0 - 0.2 * y));
    stage.canvas.block([left + 0.018, top + 0.018, right - 0.018, bottom - 0.018], 0.0, |x, y| {
        let (u, v) = (lerp(left, right, x), lerp(top, bottom, y));
        // Wiped chalk in wide arcs.
        let wipe = fbm(u * 2.2 + 0.4 * noise(u, v * 3.0, seed), v * 5.0, 4, seed ^ 1);
        let arcs = noise((u * u + (v - 1.2).powi(2)).sqrt() * 16.0, u * 0.8, seed ^ 2);
        let chalk = (0.07 + 0.09 * wipe + 0.03 * arcs).max(0.0);
        slate.mix(hex(0xdfe6e0), chalk) * light.at(u, v, at) * 1.05
    });
    stage.canvas.block([left + 0.05, bottom - 0.004, right - 0.05, bottom + 0.02], 0.0, |_, y| {
        wood * light.at(middle, 0.7, at) * lerp(1.15, 0.6, y)
    });
    for _ in 0..5 {
        let u = stage.rng.range(left + 0.1, right - 0.15);
        let tone = hex(stage.rng.pick(&[0xf4f2ec, 0xf0d890, 0xe8a8a0]));
        let lit = light.at(u, 0.68, at);
        stage.canvas.block([u, bottom - 0.012, u + 0.035, bottom - 0.003], 0.0, |_, _| tone * lit);
    }
}

/// Books on the cupboard.
fn books(stage: &mut Stage<'_>, light: RoomLight, at: [f32; 2]) {
    let mut u = -light.side * 0.72 - 0.12;
    for _ in 0..9 {
        let cloth = hex(stage.rng.pick(&[0x8c3a34, 0x35586c, 0xd8b058, 0x4f7a5a, 0xe4dcc8, 0x6a4a6c, 0xc87a4a]));
        let wide = stage.rng.range(0.016, 0.032);
        let tall = stage.rng.range(0.1, 0.15);
        let lit = light.at(u, 0.75, at);
        stage.canvas.block([u, 0.802 - tall, u + wide, 0.802], 0.0, |x, _| cloth * lit * (1.0 - 0.4 * x));
        u += wide + 0.001;
    }
}
