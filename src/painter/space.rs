//! Space with stars, nebulae and planets; and the aurora.

use super::Stage;
use super::colour::{Rgb, hex};
use super::land::{fill_sky, snowfield};
use super::noise::{fbm, lerp, noise, smooth};
use super::scene::{Thing, Time, Weather};
use super::sky::{Air, normal, star};

/// A nebula, stars, and a planet on one side.
pub(super) fn space(stage: &mut Stage<'_>) {
    let own = stage.colours();
    let sets = [
        [0x2b4a9a, 0x8a3f9e, 0xe0758a],
        [0x1c6a8a, 0x3a4fb0, 0x9a5fd0],
        [0x7a2f5a, 0xc85a4a, 0xf0a860],
        [0x1f7a78, 0x2a4f9a, 0xa8c8f0],
    ];
    let mut gas = stage.rng.pick(&sets).map(hex);
    for (slot, &colour) in gas.iter_mut().zip(&own) {
        *slot = colour;
    }
    if !stage.lacks(Thing::Nebula) {
        nebula(stage, gas);
    }
    stage.canvas.defocus(0.003);
    if !stage.lacks(Thing::Stars) {
        stars(stage);
    }
    if (stage.rng.chance(0.85) || stage.reading.wants(Thing::Planet)) && !stage.lacks(Thing::Planet) {
        planet(stage, gas);
    }
    stage.canvas.bloom(0.5, 0.02, 0.5);
    stage.canvas.defocus(0.0022);
}

fn nebula(stage: &mut Stage<'_>, gas: [Rgb; 3]) {
    let seed = stage.seed;
    let (sin, cos) = stage.rng.range(-0.7, 0.7).sin_cos();
    let shift = stage.rng.range(-0.14, 0.14);
    let night = hex(0x05070f);
    stage.canvas.each(|u, v, _| {
        let y = v - 0.5 + shift;
        let along = u * cos + y * sin;
        let across = y * cos - u * sin;
        let wx = fbm(along * 1.6, across * 1.6, 4, seed ^ 1);
        let wy = fbm(along * 1.6 + 5.2, across * 1.6 + 1.3, 4, seed ^ 2);
        let density = fbm(along * 1.5 + wx * 1.1, across * 2.2 + wy * 1.1, 6, seed);
        let band = (-(across + 0.22 * wx).powi(2) * 9.0).exp();
        let body = smooth(-0.25, 0.75, density + 0.35 * band) * (0.25 + 0.9 * band);
        let dust = smooth(0.02, 0.4, fbm(along * 2.6 + wy, across * 5.0 + wx, 5, seed ^ 3)) * band;
        let colour = gas[0].mix(gas[1], smooth(-0.35, 0.4, wx)).mix(gas[2], smooth(0.15, 0.75, density) * 0.8);
        let light = colour * (body * body * 0.85 + 0.07 * body)
            + hex(0xffe6c8) * (0.12 * band * band * smooth(0.0, 0.6, density));
        (night + light) * (1.0 - 0.7 * dust)
    });
}

fn stars(stage: &mut Stage<'_>) {
    let seed = stage.seed ^ 0x5f;
    stage.canvas.each(|u, v, under| {
        let small = star(u * 1.7, v * 1.7, seed) * 0.4 + star(u, v, seed ^ 1);
        let tone = if noise(u * 30.0, v * 30.0, seed) > 0.0 { hex(0xffe2c4) } else { hex(0xd4e2ff) };
        under + tone * (small * 1.1)
    });
    let reach = stage.canvas.reach();
    for _ in 0..16 {
        let at = [stage.rng.range(-reach, reach), stage.rng.unit()];
        let tone = hex(stage.rng.pick(&[0xffe4c8, 0xdce8ff, 0xffffff]));
        let strength = stage.rng.range(0.3, 1.0);
        stage.canvas.bokeh(at, 0.0026, tone * (1.6 * strength));
        stage.canvas.halo(at, 0.009, tone * (0.25 * strength));
    }
}

/// A planet with clouds, a thin atmosphere, and a night side.
fn planet(stage: &mut Stage<'_>, gas: [Rgb; 3]) {
    let side = stage.rng.sign();
    let radius = stage.rng.range(0.2, 0.42);
    let at = [side * stage.rng.range(0.6, 0.82), stage.rng.range(0.22, 0.8)];
    let sun = normal([-side * stage.rng.range(0.5, 0.9), -0.55, 0.35]);
    let seed = stage.rng.seed();
    let banded = stage.rng.chance(0.5);
    let land = gas[2].mix(hex(0xd8c0a0), 0.6);
    let sea = gas[0].mix(hex(0x345a8a), 0.5);
    let rim = gas[0].mix(hex(0x9fc8ff), 0.6);
    let tilt = stage.rng.range(-0.4, 0.4f32).sin_cos();
    stage.canvas.within(
        [at[0] - radius * 1.4, at[1] - radius * 1.4, at[0] + radius * 1.4, at[1] + radius * 1.4],
        |u, v, under| {
            let (x, y) = ((u - at[0]) / radius, (v - at[1]) / radius);
            let far = (x * x + y * y).sqrt();
            let edge = smooth(1.004, 0.992, far);
            let z = (1.0 - far * far).max(0.0).sqrt();
            let day = x * sun[0] + y * sun[1] + z * sun[2];
            let (px, py) = (x * tilt.1 + y * tilt.0, y * tilt.1 - x * tilt.0);
            let surface = if banded {
                let swirl = fbm(px * 2.0, py * 9.0, 4, seed);
                sea.mix(land, 0.5 + 0.5 * noise(0.5, py * 5.0 + 0.5 * swirl, seed ^ 1) + 0.25 * swirl)
            } else {
                let k = 1.2 / (0.35 + z);
                let ground = sea.mix(land, smooth(-0.05, 0.2, fbm(px * k * 1.6, py * k * 1.6, 6, seed)));
                ground.mix(Rgb::WHITE * 0.9, smooth(0.0, 0.5, fbm(px * k * 2.2 + 3.0, py * k * 3.4, 6, seed ^ 4)) * 0.8)
            };
            let lit = smooth(-0.12, 0.9, day) * 1.25;
            let air = rim * ((1.0 - z).powi(3) * smooth(-0.25, 0.6, day) * 1.1);
            let globe = surface * (lit + 0.004) + air;
            let outside = x * sun[0] + y * sun[1];
            let glow = rim * ((-(far - 1.0).max(0.0) * 22.0).exp() * smooth(-0.3, 0.9, outside) * 0.55);
            (under + glow * (1.0 - edge)).mix(globe, edge)
        },
    );
}

/// An aurora over snow.
pub(super) fn aurora(stage: &mut Stage<'_>) {
    let night = super::reading::Reading { weather: Some(Weather::Clear), ..stage.reading.clone() };
    let mut air = Air::new(&night, Time::Night, stage.rng.range(0.7, 0.76), &mut stage.rng);
    air.sun = [9.0, 0.2];
    air.stars = if stage.lacks(Thing::Stars) { 0.0 } else { 0.4 };
    fill_sky(&mut stage.canvas, &air);
    let mut tones = [hex(0x38f0a0), hex(0x2fc8c0), hex(0x8a5ae0)];
    for (slot, colour) in tones.iter_mut().zip(stage.colours()) {
        *slot = colour;
    }
    curtains(stage, tones, air.horizon);
    // The aurora lights the snow.
    air.ambient = tones[0].mix(hex(0x6f86b8), 0.78) * 0.15;
    air.haze = tones[0].mix(hex(0x24406a), 0.88) * 0.6;
    air.sunlight = tones[0].mix(hex(0x9fb6de), 0.6) * 0.14;
    snowfield(stage, &air);
    stage.canvas.bloom(0.25, 0.06, 0.35);
    stage.canvas.defocus(0.0038);
}

fn curtains(stage: &mut Stage<'_>, tones: [Rgb; 3], horizon: f32) {
    let seed = stage.seed ^ 0xa0;
    let lean = stage.rng.range(-0.25, 0.25);
    let rows: Vec<[f32; 3]> = (0..4)
        .map(|i| {
            [
                horizon - 0.1 - 0.11 * i as f32 + stage.rng.range(-0.02, 0.02),
                stage.rng.range(0.22, 0.42),
                stage.rng.range(0.5, 1.0),
            ]
        })
        .collect();
    stage.canvas.within([-9.0, 0.0, 9.0, horizon + 0.05], |u, v, under| {
        let mut light = under;
        for (i, &[base, tall, strength]) in rows.iter().enumerate() {
            let own = seed ^ (i as u32 * 31);
            let slid = u + lean * (v - base);
            // The lower edge is folded; the folds appear as rays.
            let fold = fbm(slid * 1.1, i as f32 * 3.7, 3, own);
            let hem = base + 0.2 * fold + lean * 0.3 * u;
            let up = (hem - v) / tall;
            if up < -0.3 {
                continue;
            }
            let ray = 0.55
                + 0.6 * noise(slid * 9.0 + fold * 6.0, 0.5, own ^ 1)
                + 0.35 * noise(slid * 34.0 + fold * 15.0, 1.5, own ^ 2);
            let patch = smooth(-0.3, 0.35, fbm(slid * 0.9 + 4.0, i as f32, 2, own ^ 3));
            let rise = smooth(-0.16, 0.05, up);
            let fall = (-up.max(0.0) * lerp(4.2, 2.2, ray.clamp(0.0, 1.0))).exp();
            let colour = tones[0].mix(tones[1], smooth(0.1, 0.5, up)).mix(tones[2], smooth(0.35, 1.0, up) * 0.85);
            light = light + colour * (rise * fall * ray.max(0.0) * patch * strength * 0.62);
        }
        light
    });
}
