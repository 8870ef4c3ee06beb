//! Furniture and other objects in rooms: windows, lamps, plants, sofas, picture frames.

use super::Stage;
use super::colour::{Rgb, hex};
use super::noise::{fbm, hash, lerp, noise, smooth, unit};
use super::room_light::RoomLight;
use super::scene::{Scene, Thing, Time};
use super::sky::Air;

/// A window with a view of trees or buildings; `grid` divides it into many panes.
pub(super) fn window(stage: &mut Stage<'_>, light: RoomLight, area: [f32; 4], grid: bool) {
    let [left, top, right, bottom] = area;
    let air = Air::new(stage.reading, light.time, 0.62, &mut stage.rng);
    let reading = stage.reading;
    let town = reading.has(Scene::City) || reading.scene == Scene::Cafe || (grid && stage.rng.chance(0.5));
    let trees = reading.wants(Thing::Trees) || reading.has(Scene::Forest) || stage.lacks(Thing::Buildings);
    let town = (town && !trees) || reading.wants(Thing::Buildings) || stage.lacks(Thing::Trees);
    let seed = stage.rng.seed();
    // The exposure suits the room, so daylight outside is overexposed.
    let burn = if light.time == Time::Day { 0.5 } else { 0.1 };
    stage.canvas.block(area, 0.0, |x, y| {
        let (u, v) = (left + x * (right - left), y * 0.85);
        let sky = air.clear(u * 0.4, v);
        let view = if town { houses(&air, u, v, sky, seed) } else { garden(&air, u, v, sky, seed) };
        view.mix(light.day * 1.25, burn * (0.75 + 0.25 * (1.0 - y)))
    });
    let frame = hex(if grid { 0x3a3d40 } else { 0xece8e0 }) * (light.day * 0.35 + light.warm * 0.5);
    let bars = if grid { 3 } else { 2 };
    for i in 0..=bars {
        let at = lerp(left, right, i as f32 / bars as f32);
        stage.canvas.block([at - 0.008, top, at + 0.008, bottom], 0.0, |x, _| frame * (0.7 + 0.5 * x));
    }
    let cross = lerp(top, bottom, if grid { 0.34 } else { 0.5 });
    for at in [top, cross, bottom] {
        stage.canvas.block([left - 0.008, at - 0.007, right + 0.008, at + 0.009], 0.0, |_, y| frame * (1.2 - 0.5 * y));
    }
    stage.canvas.block([left - 0.03, bottom + 0.004, right + 0.03, bottom + 0.028], 0.0, |_, y| {
        hex(0xe8e2d8) * (light.day * lerp(1.0, 0.4, y) + light.warm * 0.3)
    });
    let middle = [(left + right) * 0.5, (top + bottom) * 0.5];
    stage.canvas.halo(middle, 0.4, light.day * 0.12);
}

fn garden(air: &Air, u: f32, v: f32, sky: Rgb, seed: u32) -> Rgb {
    let leaf = hex(0x6d8f4a).mix(hex(0x46683a), 0.5 + fbm(u * 9.0, v * 9.0, 3, seed));
    let lit = leaf * (air.ambient + air.sunlight * 0.55);
    let cover = smooth(-0.06, 0.1, fbm(u * 3.6, v * 3.6, 4, seed) + (v - 0.42) * 1.3);
    sky.mix(air.through(lit, 0.35, u), cover)
}

fn houses(air: &Air, u: f32, v: f32, sky: Rgb, seed: u32) -> Rgb {
    let mut light = sky;
    for layer in 0..3 {
        let wide = 0.12 + 0.05 * layer as f32;
        let slot = (u / wide + layer as f32 * 0.37).floor();
        let dice = hash(slot as i32, layer, seed);
        let top = 0.3 + 0.11 * layer as f32 + 0.16 * unit(dice);
        if v < top {
            continue;
        }
        let stone =
            hex([0xb0aca6, 0x98a4b0, 0xc0b4a4, 0x8a96a4][(dice & 3) as usize]) * (air.ambient + air.sunlight * 0.35);
        light = air.through(stone, 0.9 - 0.25 * layer as f32, u);
        let pane = hash((u * 90.0).floor() as i32, (v * 60.0).floor() as i32, seed ^ dice);
        if matches!(air.time, Time::Night | Time::Dusk) && pane & 15 < 2 {
            light = light + hex(0xffc27a) * (0.2 + 0.5 * unit(pane.wrapping_mul(0x9e37_79b1)));
        }
    }
    light
}

/// A standing lamp at `foot` with height `tall`; lit in the evening.
pub(super) fn lamp(stage: &mut Stage<'_>, light: RoomLight, foot: [f32; 2], tall: f32) {
    let on = light.warm.luma() / 0.6;
    let head = [foot[0], foot[1] - tall];
    let size = (tall * 0.5).min(0.11);
    stage
        .canvas
        .block([foot[0] - 0.005, head[1], foot[0] + 0.005, foot[1]], 0.0, |x, _| hex(0x5a4a3c) * (0.25 + 0.4 * x));
    stage.canvas.block([foot[0] - 0.035, foot[1] - 0.01, foot[0] + 0.035, foot[1]], 0.003, |_, _| hex(0x5a4a3c) * 0.35);
    let cloth = hex(0xffe0b4) * (light.day * 0.55) + hex(0xffc98a) * (1.5 * on);
    stage.canvas.within(
        [head[0] - size * 1.3, head[1] - size, head[0] + size * 1.3, head[1] + size * 0.7],
        |u, v, under| {
            let down = (v - head[1] + size * 0.8) / (size * 1.4);
            let half = size * lerp(0.62, 1.0, down);
            let off = (u - head[0]).abs();
            let cover = smooth(half + 0.002, half - 0.002, off) * smooth(-0.01, 0.02, down) * smooth(1.01, 0.98, down);
            let round = 1.0 - 0.45 * (off / half).powi(2) - 0.25 * (down - 0.55).abs();
            under.mix(cloth * round, cover)
        },
    );
    stage.canvas.halo(head, 0.26, hex(0xffbe7a) * (0.34 * on));
}

/// A pendant lamp.
pub(super) fn pendant(stage: &mut Stage<'_>, light: RoomLight, at: [f32; 2], size: f32) {
    let on = light.warm.luma() / 0.6;
    stage.canvas.block([at[0] - 0.002, -0.1, at[0] + 0.002, at[1]], 0.0, |_, _| hex(0x3a3632) * 0.3);
    let metal = hex(0x3a3c3e) * (light.day * 0.5 + light.warm * 0.3);
    stage.canvas.ellipse(at, [size, size * 0.8], 0.05, |x, y, under| {
        if y > 0.25 { under } else { metal * (1.1 + 0.6 * x * light.side) }
    });
    let bulb = [at[0], at[1] + size * 0.28];
    stage.canvas.ellipse(bulb, [size * 0.72, size * 0.26], 0.2, |_, _, _| hex(0xffd9a6) * (0.45 + 2.6 * on));
    stage.canvas.halo(bulb, size * 4.2, hex(0xffc07a) * (0.2 * on));
}

/// A potted plant at `foot`.
pub(super) fn plant(stage: &mut Stage<'_>, light: RoomLight, foot: [f32; 2], tall: f32) {
    let lit = light.day * 0.85 + light.warm * 0.35;
    let pot = hex(stage.rng.pick(&[0xd8d2c8, 0xb87a58, 0x5a6468, 0xe6e0d4]));
    let rim = foot[1] - tall * 0.3;
    let half = tall * 0.16;
    stage.canvas.within([foot[0] - half * 1.2, rim, foot[0] + half * 1.2, foot[1]], |u, v, under| {
        let down = (v - rim) / (foot[1] - rim);
        let own = half * lerp(1.0, 0.72, down);
        let off = (u - foot[0]) / own;
        let shade = 0.62 + 0.38 * off * light.side - 0.2 * down;
        under.mix(pot * lit * shade, smooth(1.02, 0.97, off.abs()))
    });
    for i in 0..44 {
        let angle = -std::f32::consts::FRAC_PI_2 + stage.rng.range(-1.25, 1.25);
        let length = tall * stage.rng.range(0.3, 0.72);
        let from = [foot[0] + stage.rng.range(-0.3, 0.3) * half, rim + 0.01 - tall * stage.rng.range(0.0, 0.22)];
        let depth = i as f32 / 44.0;
        let green = hex(0x2f5232).mix(hex(0x7d9c52), depth * stage.rng.range(0.3, 1.0));
        let facing = 0.5 + 0.5 * angle.cos() * light.side;
        stage.canvas.leaf(from, angle, length, tall * 0.06, |along, across| {
            green * lit * ((0.3 + 0.6 * facing) * (0.5 + 0.7 * along) * (1.0 - 0.2 * across))
        });
    }
}

/// A sideboard along the wall, with its shadow.
pub(super) fn sideboard(stage: &mut Stage<'_>, light: RoomLight, area: [f32; 4]) {
    let [left, top, right, _] = area;
    let wood = hex(stage.rng.pick(&[0xb08a62, 0x8a6444, 0xd8d0c4, 0x6a5644]));
    let doors = ((right - left) / 0.34).max(1.0);
    stage.canvas.shadow([left, top - 0.05, right, top + 0.05], 0.06, 0.22);
    let seed = stage.seed ^ 0x31;
    stage.canvas.block(area, 0.0, |x, y| {
        let lit = light.at(lerp(left, right, x), 0.8, [(left + right) * 0.5, 0.6]);
        let board = smooth(0.1, 0.07, y);
        let gap = smooth(0.0, 0.02, (x * doors).fract()) * smooth(1.0, 0.98, (x * doors).fract());
        let grain = 1.0 + 0.1 * noise(x * 6.0, y * 40.0, seed);
        let front = lerp(0.35, 0.62, gap) * lerp(1.0, 0.75, y);
        wood * lit * (lerp(front, 1.05, board) * grain)
    });
    stage.canvas.shadow([left, top + 0.02, right, top + 0.045], 0.014, 0.35);
}

/// A framed picture: a muted abstract with a pale mat.
pub(super) fn frame(stage: &mut Stage<'_>, light: RoomLight, area: [f32; 4], at: [f32; 2]) {
    let [left, top, right, bottom] = area;
    let seed = stage.rng.seed();
    let wood = hex(stage.rng.pick(&[0x2e2a28, 0x9a7448, 0xe8e4dc]));
    let first = hex(stage.rng.pick(&[0x7a95a0, 0xc88a6a, 0x8a9a7a, 0xd8b070]));
    let second = hex(stage.rng.pick(&[0x3a5262, 0xe6d4c0, 0x5a4a52, 0xa8b8b4]));
    let lit = light.at((left + right) * 0.5, (top + bottom) * 0.5, at);
    stage.canvas.shadow([left, top + 0.012, right, bottom + 0.016], 0.02, 0.4);
    stage.canvas.block(area, 0.0, |_, y| wood * lit * (1.0 - 0.3 * y));
    stage.canvas.block([left + 0.007, top + 0.007, right - 0.007, bottom - 0.007], 0.0, |_, _| hex(0xeeeae2) * lit);
    let inset = (right - left) * 0.2;
    stage.canvas.block([left + inset, top + inset, right - inset, bottom - inset], 0.0, |x, y| {
        first.mix(second, smooth(-0.1, 0.1, fbm(x * 1.6, y * 1.6, 3, seed) + y - 0.55)) * lit
    });
}

/// The back of a sofa with cushions, along the bottom edge.
pub(super) fn sofa(stage: &mut Stage<'_>, light: RoomLight, at: [f32; 2]) {
    let cloth = hex(stage.rng.pick(&[0x8a8f94, 0x5f7278, 0xb8a894, 0x6a7a62, 0xc8c0b4, 0x4f5f74]));
    let throw = hex(stage.rng.pick(&[0xc88a5a, 0xd8c8a8, 0x7a9a98, 0xb86a58, 0xe4ddd0]));
    let top = 0.73;
    let (left, right) = if light.side > 0.0 { (-0.72, 0.42) } else { (-0.42, 0.72) };
    stage.canvas.shadow([left - 0.02, top - 0.02, right + 0.02, 1.05], 0.09, 0.35);
    let seed = stage.seed ^ 0x81;
    let seat = |u: f32, y: f32| {
        let weave = 1.0 + 0.05 * noise(u * 120.0, y * 70.0, seed);
        light.at(u, 0.8, at) * (weave * (0.95 - 0.35 * y))
    };
    for part in 0..3 {
        let a = lerp(left, right, part as f32 / 3.0);
        let b = lerp(left, right, (part + 1) as f32 / 3.0);
        let middle = [(a + b) * 0.5, top + 0.2];
        // The seat back is a squared ellipse.
        stage.canvas.within([a, top - 0.01, b, 1.0], |u, v, under| {
            let x = ((u - middle[0]) / (b - a) * 2.0).abs();
            let y = ((v - middle[1]) / 0.2).min(0.0).abs();
            let round = (x.powi(14) + y.powi(6)).powf(0.1);
            let edge = 1.0 - 0.3 * smooth(0.8, 1.0, x) + 0.12 * smooth(0.75, 0.95, y);
            under.mix(cloth * seat(u, (v - top) * 2.2) * edge, smooth(1.0, 0.985, round))
        });
    }
    for (k, tone) in [(0.14, throw), (0.84, cloth.mix(throw, 0.6))] {
        let middle = [lerp(left, right, k), top + 0.16];
        let half = 0.115;
        stage.canvas.within([middle[0] - half, middle[1] - half, middle[0] + half, middle[1] + half], |u, v, under| {
            let (x, y) = ((u - middle[0]) / half, (v - middle[1]) / half);
            let (x, y) = (x * 0.96 + y * 0.28, y * 0.96 - x * 0.28);
            let (x, y) = (x * 1.22, y * 1.22);
            // A cushion is a square with extended corners.
            let round = x.abs().max(y.abs()) * (1.0 + 0.12 * (1.0 - x.abs().min(y.abs())));
            let puff = 1.0 - 0.3 * round.powi(3) - 0.18 * y - 0.12 * x * light.side;
            under.mix(tone * light.at(u, v, at) * (puff * 0.92), smooth(1.0, 0.96, round))
        });
    }
}
