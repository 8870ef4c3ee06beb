//! Water scenes: the open sea, a beach, and a lake below mountains.

use super::Stage;
use super::canvas::Canvas;
use super::colour::{Rgb, hex};
use super::land::{fill_sky, finish, range};
use super::noise::{fbm, lerp, noise, smooth};
use super::scene::{Scene, Thing, Time};
use super::sky::Air;

/// A water surface.
#[derive(Debug, Clone, Copy)]
struct Water {
    eye: f32,
    /// The roughness: 0 is a mirror, 1 the open sea.
    rough: f32,
    /// The colour without reflections.
    deep: Rgb,
    seed: u32,
}

impl Water {
    /// The slope of the waves at a point, across and along, without invisibly fine waves.
    fn slope(&self, canvas: &Canvas, x: f32, z: f32) -> [f32; 2] {
        let pixel = z * z / self.eye / canvas.height as f32;
        let mut sum = [0.0; 2];
        let mut size = 1.1;
        let mut weight = 0.6;
        for octave in 0..5 {
            let visibility = 1.0 / (1.0 + (pixel / size * 1.6).powi(2));
            let (px, pz) = (x / size / 1.7, z / size + 0.3 * (x / size));
            sum[0] += weight * visibility * noise(px, pz, self.seed ^ octave);
            sum[1] += weight * visibility * noise(px + 9.3, pz + 4.1, self.seed ^ (octave + 16));
            size *= 0.47;
            weight *= 0.72;
        }
        sum
    }

    /// The colour of the water at a point; reflections are mirrored at the row `line`.
    fn light(&self, canvas: &Canvas, mirror: &Canvas, air: &Air, [u, v]: [f32; 2], line: f32) -> Rgb {
        let drop = (v - air.horizon).max(0.002);
        let z = self.eye / drop;
        let [across, along] = self.slope(canvas, u * z, z);
        let grazing = drop / (drop * drop + 1.0).sqrt();
        let tilt = (grazing * 1.1 + (0.12 + 0.5 * drop) * self.rough * along).clamp(0.0, 1.0);
        let fresnel = 0.03 + 0.97 * (1.0 - tilt).powi(5);
        let lift = (v - line).max(0.0) + self.rough * (0.05 + 0.3 * along) + 0.03 * along * drop;
        let side = u + (0.06 * self.rough + 0.025) * across * (0.3 + drop);
        let mirrored = mirror.sample(side, (line - lift.abs()).max(0.0));
        let body =
            self.deep * (air.ambient.luma() * 1.5 + air.sunlight.luma() * 0.25) * (1.0 + 0.9 * self.rough * along);
        body.mix(mirrored, fresnel.max(0.25 * (1.0 - self.rough))) + self.glitter(air, [u, v], [across, along])
    }

    /// The glitter path below a low sun or the moon.
    fn glitter(&self, air: &Air, [u, v]: [f32; 2], [across, along]: [f32; 2]) -> Rgb {
        if air.sun[1] < 0.0 || !air.disc_shows() {
            return Rgb::default();
        }
        let drop = v - air.horizon;
        let width = 0.03 + 0.24 * drop * self.rough.max(0.3);
        let off = (u - air.sun[0] + 0.04 * across) / width;
        let spark = smooth(-0.1, 0.7, along + 0.4 * across) * (1.0 - smooth(0.1, 0.6, drop) * 0.7);
        air.sunlight * ((-off * off).exp() * spark * self.rough * 2.6)
    }
}

/// The colour of deep water by time of day.
fn deep(air: &Air) -> Rgb {
    match air.time {
        Time::Day => hex(0x1d6c8c),
        Time::Sunrise => hex(0x4a6c88),
        Time::Sunset => hex(0x4a4f74),
        Time::Dusk => hex(0x34507c),
        Time::Night => hex(0x2c4a72),
    }
}

/// A distant headland on one side.
fn headland(stage: &mut Stage<'_>, air: &Air) {
    let seed = stage.seed ^ 77;
    let side = stage.rng.sign();
    let mut tall = stage.rng.range(0.03, 0.075);
    if [Thing::Coast, Thing::Hills, Thing::Mountains].iter().any(|&thing| stage.lacks(thing)) {
        return;
    }
    if stage.reading.has(Scene::Mountains) {
        tall *= 3.0;
    }
    let green = hex(0x5a7358) * (air.ambient.luma() + air.sunlight.luma() * if air.backlit() { 0.1 } else { 0.5 });
    let fine = 1.0 / stage.canvas.height as f32;
    for (layer, reach) in [(1.0, 0.12), (0.7, 0.4)] {
        stage.canvas.within([-9.0, air.horizon - 0.2, 9.0, air.horizon], |u, v, under| {
            let rise = smooth(reach, reach + 0.6, u * side);
            let shape = 0.65 + 0.5 * fbm(u * 3.0 + layer * 9.0, layer, 5, seed);
            let cover = smooth(-fine, fine, v - (air.horizon - tall * layer * 1.25 * rise * shape));
            under.mix(air.through(green, 1.7 * layer, u), if rise > 0.0 { cover } else { 0.0 })
        });
    }
}

/// Water, sky, and a distant coast.
pub(super) fn sea(stage: &mut Stage<'_>) {
    let time = stage.time(Time::Day);
    let air = Air::new(stage.reading, time, stage.rng.range(0.5, 0.58), &mut stage.rng);
    fill_sky(&mut stage.canvas, &air);
    if stage.rng.chance(0.6) || stage.reading.has(Scene::Mountains) {
        headland(stage, &air);
    }
    let water = Water { eye: 0.55, rough: roughness(stage, 1.0), deep: deep(&air), seed: stage.seed };
    flood(stage, &air, water, air.horizon);
    finish(stage, 0.0048);
}

fn flood(stage: &mut Stage<'_>, air: &Air, water: Water, line: f32) {
    let mirror = stage.canvas.clone();
    let plane = Canvas { pixels: Vec::new(), ..stage.canvas };
    stage.canvas.within([-9.0, line, 9.0, 1.0], |u, v, _| {
        let light = water.light(&plane, &mirror, air, [u, v], line);
        // Distant water fades into haze like the coast.
        air.through(light, 0.07 / (v - air.horizon + 0.06), u)
    });
}

/// Sand, surf, and the sea.
pub(super) fn beach(stage: &mut Stage<'_>) {
    let time = stage.time(Time::Day);
    let air = Air::new(stage.reading, time, stage.rng.range(0.44, 0.5), &mut stage.rng);
    fill_sky(&mut stage.canvas, &air);
    headland(stage, &air);
    let body = if time == Time::Day { hex(0x17809a) } else { deep(&air) };
    let water = Water { eye: 0.5, rough: roughness(stage, 0.8), deep: body, seed: stage.seed };
    if !stage.lacks(Thing::Water) {
        flood(stage, &air, water, air.horizon);
    }
    shore(stage, &air, water);
    if stage.reading.wants(Thing::Palms) {
        super::forest::palm(stage, &air);
    }
    finish(stage, 0.0052);
}

/// The roughness of the water: `default`, or nearly still if waves are excluded.
fn roughness(stage: &Stage<'_>, default: f32) -> f32 {
    if stage.lacks(Thing::Waves) { 0.18 } else { default }
}

/// The waterline, visibility from the dry sand.
fn shore(stage: &mut Stage<'_>, air: &Air, water: Water) {
    let seed = stage.seed ^ 0x51;
    let slant = stage.rng.range(0.12, 0.4) * stage.rng.sign();
    let start = stage.rng.range(1.35, 1.6);
    let dry = stage.lacks(Thing::Water);
    let still = stage.lacks(Thing::Waves);
    let lamp = air.ambient * 0.9 + air.sunlight * if air.backlit() { 0.32 } else { 0.62 };
    let sand = hex(0xe6cfa8) * lamp;
    let damp = hex(0xa08a6c) * lamp;
    let shallow = hex(0x6fd0c8) * lamp;
    let foam = hex(0xfbfaf6) * (air.ambient * 0.95 + air.sunlight * if air.backlit() { 0.3 } else { 0.5 });
    let mirror = stage.canvas.clone();
    let top = air.horizon + if dry { 0.001 } else { 0.02 };
    stage.canvas.within([-9.0, top, 9.0, 1.0], |u, v, under| {
        let z = water.eye / (v - air.horizon);
        let x = u * z;
        // The distance from the waterline; negative on land.
        let out = z - start - slant * x - 0.13 * fbm(x * 1.1, z * 0.3, 3, seed) - 0.05 * (x * 2.1 + slant * 9.0).sin();
        let lace = fbm(x * 7.0, z * 12.0, 4, seed ^ 2);
        let grain = fbm(x * 5.0, z * 9.0, 4, seed ^ 3);
        let tone = fbm(x * 1.4, z * 2.2, 3, seed ^ 4);
        // Land: dry sand, then wet sand that reflects the sky.
        let wet = smooth(-0.34 - 0.08 * tone, -0.05, out);
        let bare = sand * (1.0 + 0.1 * grain + 0.1 * tone);
        if dry {
            // Sand up to the horizon, in low drifts.
            let drift = fbm(x * 0.5, z * 0.9, 3, seed ^ 5) * smooth(1.0, 3.0, z);
            return air.through(bare * (1.0 + 0.22 * drift), 0.05 * z, u);
        }
        let sheen = mirror.sample(u, (2.0 * air.horizon - v - 0.02).max(0.0));
        let land = bare.mix(damp.mix(sheen, 0.42), wet);
        // Water: clear over the sand, then with its own colour.
        let clear = smooth(1.5, 0.05, out) * if air.time == Time::Day { 0.62 } else { 0.22 };
        let sea = under.mix(shallow, clear);
        let ground = land.mix(sea, smooth(-0.012, 0.03, out));
        let edge = smooth(-0.03, 0.0, out) * smooth(0.16, 0.015, out) * smooth(-0.55, 0.12, lace);
        let surf = breakers(x, out, lace, seed);
        if still { ground } else { ground.mix(foam, (edge * 0.85).max(surf)) }
    });
}

/// Broken lines of foam farther out.
fn breakers(x: f32, out: f32, lace: f32, seed: u32) -> f32 {
    let mut strongest = 0.0f32;
    for (line, at) in [0.42f32, 0.95, 1.8].into_iter().enumerate() {
        let at = at + 0.1 * fbm(x * 0.9, at * 5.0, 3, seed ^ 8);
        let width = 0.05 + 0.05 * line as f32;
        let here = smooth(at - 0.01, at + 0.01, out) * smooth(at + width * 2.2, at, out);
        let broken = smooth(-0.1, 0.3, noise(x * 0.8 / (1.0 + line as f32), at * 3.0, seed ^ 9) + 0.15)
            * smooth(-0.5, 0.15, lace);
        strongest = strongest.max(here * broken * lerp(0.85, 0.6, line as f32 * 0.5));
    }
    strongest
}

/// A lake that mirrors the mountains behind it.
pub(super) fn lake(stage: &mut Stage<'_>) {
    let time = stage.time(Time::Day);
    let air = Air::new(stage.reading, time, stage.rng.range(0.52, 0.57), &mut stage.rng);
    fill_sky(&mut stage.canvas, &air);
    let land = range(stage, &air, 0.0);
    let shoreline = shoreline(&stage.canvas, &land, air.horizon);
    let water = Water { eye: 0.62, rough: 0.14, deep: deep(&air).mix(hex(0x2a6a6a), 0.5), seed: stage.seed };
    let mut mirror = stage.canvas.clone();
    let (w, h) = (mirror.width, mirror.height);
    // The lowest pixels of the land are half sky, so the water covers them.
    let open = |x: usize, y: usize| (y..(y + 3).min(h)).any(|y| !land[y * w + x]);
    // Extend the land below the horizon, so that the water does not mirror unpainted pixels.
    for y in ((air.horizon * h as f32) as usize + 1).min(h)..h {
        for x in (0..w).filter(|&x| open(x, y)) {
            mirror.pixels[y * w + x] = mirror.pixels[(y - 1) * w + x];
        }
    }
    for (x, &shore) in shoreline.iter().enumerate() {
        for y in 0..h {
            let v = mirror.v(y);
            let line = shore.min(v);
            if v > air.horizon && open(x, y) {
                let light = water.light(&mirror, &mirror, &air, [mirror.u(x), v], line);
                // Still water is brighter along the far shore.
                stage.canvas.pixels[y * w + x] = light * lerp(0.86, 1.0, smooth(0.3, 0.0, v - line));
            }
        }
    }
    finish(stage, 0.0048);
}

/// The lowest row of land in each column, smoothed along the shore.
fn shoreline(canvas: &Canvas, land: &[bool], horizon: f32) -> Vec<f32> {
    let w = canvas.width;
    let middle = ((horizon + 0.2) * canvas.height as f32) as usize;
    let rows: Vec<f32> = (0..w)
        .map(|x| {
            let lowest = (0..middle.min(canvas.height)).rev().find(|&y| land[y * w + x]);
            lowest.map_or(horizon + 0.02, |y| canvas.v(y) + 0.5 / canvas.height as f32)
        })
        .collect();
    let around = (w / 40).max(1);
    (0..w)
        .map(|x| {
            let span = &rows[x.saturating_sub(around)..(x + around + 1).min(w)];
            span.iter().sum::<f32>() / span.len() as f32
        })
        .collect()
}
