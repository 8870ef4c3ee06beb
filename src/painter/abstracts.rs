//! Abstract scenes: gradients, out-of-focus lights, and walls.

use super::Stage;
use super::colour::{Ramp, Rgb, from_oklab, hex, srgb, to_oklab};
use super::noise::{Rng, fbm, hash, lerp, noise, smooth, unit};
use super::reading::{Mood, Reading};
use super::scene::{Time, Weather};

/// Matching colours, dark to light.
const PALETTES: [[u32; 4]; 10] = [
    [0x1d2b4f, 0x3f5f9a, 0x7fa6c8, 0xe8d5c4],
    [0x2a1e3f, 0x6b3f7a, 0xc46a86, 0xf4c29a],
    [0x10312f, 0x2c6a62, 0x7fb39a, 0xe6e3c4],
    [0x28303c, 0x566273, 0x95a3b0, 0xe0dcd4],
    [0x3a2230, 0x8a4552, 0xd68a72, 0xf6d9b2],
    [0x14284a, 0x25648a, 0x5cb0b5, 0xd8ecd8],
    [0x2b2440, 0x5a55a0, 0x9a9ad8, 0xecd8e8],
    [0x2e3a2c, 0x66794f, 0xb0ae7c, 0xeee2c6],
    [0x1b2233, 0x39506e, 0xa0785f, 0xeebf8f],
    [0x22313a, 0x3f6f7c, 0xc9876a, 0xf2d6b8],
];

/// The palette of an abstract image; paler for a muted, bright mood.
fn palette(reading: &Reading, rng: &mut Rng) -> Vec<Rgb> {
    let colours = plain_palette(reading, rng);
    let Mood { vividness, brightness, .. } = reading.mood;
    let pale = if vividness < 0.0 && brightness > 0.0 { 0.42 } else { 0.0 };
    colours.into_iter().map(|c| c.saturate(1.0 + 2.2 * pale).mix(Rgb::WHITE * 0.8, pale)).collect()
}

/// The colours of the prompt, or those of the time of day, or a random set.
fn plain_palette(reading: &Reading, rng: &mut Rng) -> Vec<Rgb> {
    let own: Vec<Rgb> = reading.colours.iter().map(|&bytes| srgb(bytes)).collect();
    if own.len() > 1 {
        return own;
    }
    if let [only] = own[..] {
        return family(only, rng);
    }
    let codes = match (reading.time, reading.weather) {
        (Some(Time::Sunset), _) => [0x3b3566, 0xa04f78, 0xf0805a, 0xffc878],
        (Some(Time::Sunrise), _) => [0x6a80b8, 0xc8a4bc, 0xf6b898, 0xffe2b0],
        (Some(Time::Dusk), _) => [0x16264f, 0x3a4f8c, 0x8a78a8, 0xe8a890],
        (Some(Time::Night), _) => [0x070c1c, 0x122348, 0x254479, 0x5a78a8],
        (_, Some(Weather::Fog | Weather::Rain | Weather::Cloudy)) => [0x3c454e, 0x6a7680, 0x9ea8ae, 0xd4d8d8],
        (Some(Time::Day), _) => [0x2f6aa8, 0x6aa8d8, 0xa8d0e8, 0xf4ecd8],
        _ => rng.pick(&PALETTES),
    };
    codes.map(hex).to_vec()
}

/// Variations of one colour, dark to light, with slightly shifted hue.
fn family(colour: Rgb, rng: &mut Rng) -> Vec<Rgb> {
    let [l, a, b] = to_oklab(colour);
    let turn = rng.sign() * rng.range(0.25, 0.5);
    let made = |lift: f32, hue: f32, chroma: f32| {
        let (sin, cos) = hue.sin_cos();
        let l = (l + lift).clamp(0.12, 0.94);
        from_oklab([l, (a * cos - b * sin) * chroma, (a * sin + b * cos) * chroma])
    };
    vec![made(-0.26, turn, 0.8), made(-0.1, turn * 0.5, 1.0), made(0.02, 0.0, 1.0), made(0.2, -turn * 0.6, 0.7)]
}

/// Large areas of colour that blend into each other.
pub(super) fn gradient(stage: &mut Stage<'_>) {
    let colours = palette(stage.reading, &mut stage.rng);
    mesh(stage, &colours);
    // For an unspecific prompt, a few soft lights add depth.
    if stage.reading.unknown && stage.rng.chance(0.5) {
        lights(stage, &colours, 26, 0.05);
    }
}

fn mesh(stage: &mut Stage<'_>, colours: &[Rgb]) {
    let seed = stage.seed;
    let reach = stage.canvas.reach();
    let lab: Vec<_> = colours.iter().map(|&c| to_oklab(c)).collect();
    let spots: Vec<([f32; 2], [f32; 3], f32)> = (0..colours.len().max(3) * 2)
        .map(|i| {
            let at = [stage.rng.range(-reach, reach), stage.rng.range(-0.05, 1.05)];
            (at, lab[i % lab.len()], stage.rng.range(0.7, 1.3))
        })
        .collect();
    let base = stage.rng.pick(&lab);
    stage.canvas.each(|u, v, _| {
        let wx = 0.16 * fbm(u * 1.1, v * 1.1, 3, seed);
        let wy = 0.16 * fbm(u * 1.1 + 7.0, v * 1.1, 3, seed ^ 1);
        let mut sum = base.map(|c| c * 0.12);
        let mut total = 0.12;
        for &(at, colour, weight) in &spots {
            let (dx, dy) = (u + wx - at[0], (v + wy - at[1]) * 1.2);
            let share = weight * (-(dx * dx + dy * dy) * 5.5).exp();
            for k in 0..3 {
                sum[k] += colour[k] * share;
            }
            total += share;
        }
        from_oklab(sum.map(|c| c / total))
    });
}

/// Out-of-focus lights on a dark background.
pub(super) fn bokeh(stage: &mut Stage<'_>) {
    let named = !stage.reading.colours.is_empty() || stage.reading.time.is_some();
    let colours = if named {
        palette(stage.reading, &mut stage.rng)
    } else {
        let sets = [
            [0x2a1c14, 0xff9a4a, 0xffc880, 0xffe6c0],
            [0x0e1830, 0x4a90e0, 0x9ac8ff, 0xffd0a0],
            [0x1c1230, 0xc060d0, 0xff8aa0, 0xffd0a0],
        ];
        stage.rng.pick(&sets).map(hex).to_vec()
    };
    let ground = colours.iter().fold(Rgb::default(), |sum, &c| sum + c) * (0.05 / colours.len() as f32);
    let ground = ground.saturate(1.5);
    let ramp = Ramp::new(&[ground * 1.5, ground, ground * 0.35]);
    let seed = stage.seed;
    stage.canvas.each(|u, v, _| ramp.at(v * 0.9 + 0.2 * fbm(u * 1.2, v * 1.2, 3, seed)));
    let bright: Vec<Rgb> = if named { colours } else { colours[1..].to_vec() };
    lights(stage, &bright, 110, 0.46);
}

/// Discs at three depths: large and faint behind, small and clear in front.
fn lights(stage: &mut Stage<'_>, colours: &[Rgb], count: usize, strength: f32) {
    let reach = stage.canvas.reach();
    for i in 0..count {
        let depth = i as f32 / count as f32;
        let u = stage.rng.range(-reach, reach);
        let v = 0.5 + stage.rng.range(-0.55, 0.55) * stage.rng.range(0.5, 1.0);
        // Few lights in the centre.
        let calm = 1.0 - 0.55 * smooth(0.45, 0.1, (u * u + (v - 0.55) * (v - 0.55)).sqrt());
        let size = lerp(0.085, 0.018, depth.sqrt()) * stage.rng.range(0.6, 1.3);
        let own = stage.rng.pick(colours);
        let own = own * (0.5 / own.luma().max(0.12));
        let light = own * (strength * calm * stage.rng.range(0.12, 1.0) * lerp(0.35, 1.0, depth));
        stage.canvas.bokeh([u, v], size, light);
        if i == count / 2 {
            stage.canvas.defocus(0.008);
        }
    }
    stage.canvas.bloom(0.3, 0.05, 0.35);
    stage.canvas.defocus(0.0022);
}

/// The light on a wall: a soft lamp from one side, with fall-off towards the corners.
fn wash(u: f32, v: f32, lamp: [f32; 2]) -> f32 {
    let (dx, dy) = (u - lamp[0], v - lamp[1]);
    0.42 + 0.62 * (-(dx * dx * 0.9 + dy * dy * 1.3) * 1.25).exp()
}

/// A painted wall in studio light.
pub(super) fn studio(stage: &mut Stage<'_>) {
    let Mood { brightness, .. } = stage.reading.mood;
    let own = stage.colours();
    let neutral = [0xcfc8bf, 0xb9bec4, 0xc4c2b4, 0x9aa4ac, 0xd0c0b4, 0x8f9a94];
    let base = own.first().copied().unwrap_or_else(|| hex(stage.rng.pick(&neutral)));
    let second = own.get(1).copied().unwrap_or(base);
    let seed = stage.seed;
    let lamp = [stage.rng.sign() * stage.rng.range(0.15, 0.5), stage.rng.range(0.15, 0.4)];
    let rough = if brightness < 0.0 { 0.04 } else { 0.028 };
    stage.canvas.each(|u, v, _| {
        let trowel = fbm(u * 2.2 + 0.6 * fbm(u, v * 2.0, 2, seed), v * 3.0, 5, seed ^ 1);
        let fine = noise(u * 70.0, v * 70.0, seed ^ 2) * 0.4;
        let wall = base.mix(second, smooth(0.2, 0.9, v));
        wall * (wash(u, v, lamp) * (1.0 + rough * (trowel * 2.0 + fine)))
    });
    stage.canvas.defocus(0.004);
}

/// A brick wall under a soft lamp.
pub(super) fn brick(stage: &mut Stage<'_>) {
    let own = stage.colours();
    let bases = [0x8f4a35, 0x9a5640, 0x7d4234, 0x86503c];
    let base = own.first().copied().unwrap_or_else(|| hex(stage.rng.pick(&bases)));
    let mortar = base.mix(hex(0xa89c90), 0.5) * 0.7;
    let lamp = [stage.rng.sign() * stage.rng.range(0.35, 0.6), stage.rng.range(0.1, 0.3)];
    let seed = stage.seed;
    let wide = 0.118;
    let tall = 0.04;
    stage.canvas.each(|u, v, _| {
        let row = (v / tall).floor();
        let shifted = u / wide + 0.5 * (row.rem_euclid(2.0)) + 0.02 * noise(row * 3.0, u * 9.0, seed);
        let dice = hash(shifted.floor() as i32, row as i32, seed);
        let x = shifted - shifted.floor();
        let y = v / tall - row + 0.05 * noise(u * 14.0, v * 14.0, seed ^ 1);
        let edge = (x.min(1.0 - x) * wide / tall).min(y.min(1.0 - y));
        let face = smooth(0.07, 0.15, edge);
        let tone = 0.72 + 0.5 * unit(dice) + 0.22 * fbm(u * 40.0, v * 40.0, 3, seed ^ 2);
        let warm = base.mix(base * Rgb([1.2, 0.92, 0.8]), unit(dice.wrapping_mul(0x9e37_79b1)));
        // Light from above: bright upper edges, dark lower edges.
        let relief = 1.0 + 0.22 * smooth(0.3, 0.1, y) * face - 0.35 * smooth(0.8, 0.95, y);
        mortar.mix(warm * tone, face) * (relief * wash(u, v, lamp).powf(1.5))
    });
    stage.canvas.halo([lamp[0], -0.05], 0.3, hex(0xffc890) * 0.14);
    stage.canvas.defocus(0.0055);
}
