//! The city: a skyline over a river, by day or night.

use super::Stage;
use super::colour::{Rgb, hex};
use super::land::fill_sky;
use super::noise::{fbm, hash, lerp, noise, smooth, unit};
use super::scene::{Thing, Time};
use super::sky::Air;

const WATER: f32 = 0.77;

/// A skyline at four depths, mirrored in a river.
pub(super) fn city(stage: &mut Stage<'_>) {
    let time = stage.time(Time::Dusk);
    let mut air = Air::new(stage.reading, time, 0.72, &mut stage.rng);
    air.stars *= 0.25; // the city's lights outshine the others
    fill_sky(&mut stage.canvas, &air);
    let lights = match time {
        Time::Night => 1.0,
        Time::Dusk => 0.75,
        Time::Sunset | Time::Sunrise => 0.16,
        Time::Day => 0.0,
    };
    let lights = if stage.lacks(Thing::Lights) { 0.0 } else { lights };
    glow(stage, lights);
    for layer in 0..4 {
        let near = layer as f32 / 3.0;
        row(stage, &air, near, lights);
        stage.canvas.defocus(0.0018);
    }
    if !stage.lacks(Thing::Trees) {
        trees(stage, &air);
    }
    lamps(stage, lights);
    if stage.lacks(Thing::Water) {
        lawn(stage, &air);
    } else {
        river(stage, &air);
    }
    stage.canvas.bloom(0.6, 0.04, 0.5);
    stage.canvas.defocus(0.0065);
    discs(stage, lights);
    stage.canvas.defocus(0.0016);
}

/// The glow of the city's lights in the sky.
fn glow(stage: &mut Stage<'_>, lights: f32) {
    let light = hex(0xffa864) * (0.16 * lights);
    stage.canvas.each(|u, v, under| under + light * ((-(WATER - v).abs() * 4.5).exp() * (1.0 - 0.3 * u * u)));
}

/// One row of buildings.
fn row(stage: &mut Stage<'_>, air: &Air, near: f32, lights: f32) {
    let reach = stage.canvas.reach() + 0.1;
    let mut u = -reach;
    while u < reach {
        let width = stage.rng.range(0.05, 0.13) * lerp(0.75, 1.25, near);
        // Tall buildings are at the sides, so that there is sky behind the person in the centre.
        let distance = smooth(0.05, 0.6, (u + width * 0.5).abs());
        let mut tall = lerp(0.2, 0.13, near) + stage.rng.range(0.0, 0.17) * (0.5 + distance);
        if stage.rng.chance(0.24) {
            tall += stage.rng.range(0.05, 0.22) * (0.25 + 0.75 * distance);
        }
        if stage.rng.chance(0.5) {
            let inset = width * stage.rng.range(0.15, 0.32);
            let more = stage.rng.range(0.01, 0.045);
            building(stage, air, [u + inset, WATER - tall - more, u + width - inset, WATER], near, lights);
        }
        building(stage, air, [u, WATER - tall, u + width, WATER], near, lights);
        u += width + stage.rng.range(-0.012, 0.03);
    }
}

fn building(stage: &mut Stage<'_>, air: &Air, area: [f32; 4], near: f32, lights: f32) {
    let seed = stage.rng.seed();
    let stone = stage.rng.pick(&[0x9a9aa0, 0xbcae9c, 0x7c8a98, 0xb49c8a, 0x6f7c8c, 0xd2ccc2, 0x65778a, 0xc8c2b6]);
    let glass = stage.rng.chance(0.45);
    let scale = lerp(1.0, 1.7, near);
    let pitch = [stage.rng.range(0.008, 0.012) * scale, stage.rng.range(0.011, 0.016) * scale];
    let lit_share = stage.rng.range(0.2, 0.6);
    let warm = stage.rng.chance(0.7);
    let side = if air.sun[0] > area[0] { 1.0 } else { -1.0 };
    let facing = if air.backlit() { 0.12 } else { stage.rng.range(0.25, 0.6) };
    let wall = hex(stone) * (air.ambient * 0.7 + air.sunlight * facing);
    // The side face, away from the sun, starts at this share of the width.
    let corner = stage.rng.range(0.66, 0.8);
    let colours = stage.colours();
    stage.canvas.block(area, 0.0, |across, down| {
        let along = if side < 0.0 { across } else { 1.0 - across };
        let shade = lerp(1.0, if air.backlit() { 0.9 } else { 0.58 }, smooth(corner - 0.01, corner + 0.01, along));
        let shade = shade * lerp(1.06, 0.84, smooth(0.0, 1.0, down));
        let x = across * (area[2] - area[0]) / pitch[0];
        let y = down * (area[3] - area[1]) / pitch[1];
        let pane = smooth(0.12, 0.2, x.fract())
            * smooth(0.88, 0.8, x.fract())
            * smooth(0.2, 0.3, y.fract())
            * smooth(0.9, 0.8, y.fract());
        let mirror = air.clear(area[0] + across * 0.3, 0.1 + 0.5 * down) * (0.5 + 0.12 * noise(x * 0.2, y * 0.1, seed));
        let window = if glass { mirror * 0.75 } else { mirror.mix(wall * 0.2, 0.55) };
        let face = wall.mix(window, pane * 0.9) * shade;
        let face = air.through(face, lerp(0.95, 0.1, near) + 0.25 * smooth(0.4, 1.0, down) * (1.0 - near), area[0]);
        let dice = hash(x as i32, y as i32, seed);
        // Whole floors are often lit together.
        let floor = 0.5 + unit(hash(0, y as i32, seed));
        if unit(dice) > lit_share * floor * lights.sqrt() {
            return face;
        }
        let tone = window_light(&colours, warm, dice);
        face + tone
            * (pane * lights * (0.25 + 1.1 * unit(dice.wrapping_mul(0x9e37_79b1)).powi(2)) * lerp(0.55, 1.0, near))
    });
}

fn window_light(colours: &[Rgb], warm: bool, dice: u32) -> Rgb {
    if !colours.is_empty() && dice & 3 == 0 {
        return colours[(dice >> 4) as usize % colours.len()] * 1.6;
    }
    let (near, far) = if warm { (0xffb765, 0xffd9a0) } else { (0xcfe2ff, 0xffe2bd) };
    hex(near).mix(hex(far), unit(dice.wrapping_mul(0x85eb_ca77)))
}

/// Low trees along the bank.
fn trees(stage: &mut Stage<'_>, air: &Air) {
    let seed = stage.seed ^ 0x3f;
    let leaf = hex(0x4a5f40) * (air.ambient * 0.7 + air.sunlight * if air.backlit() { 0.08 } else { 0.45 });
    stage.canvas.within([-9.0, WATER - 0.1, 9.0, WATER], |u, v, under| {
        let top = WATER - 0.028 - 0.03 * fbm(u * 6.0, 0.5, 4, seed).abs() - 0.012 * noise(u * 40.0, v * 40.0, seed);
        let own = leaf * (0.7 + 0.6 * noise(u * 50.0, v * 60.0, seed ^ 1));
        under.mix(air.through(own, 0.12, u), smooth(-0.002, 0.004, v - top))
    });
}

/// Street lamps along the bank, small and bright, so that the river mirrors them.
fn lamps(stage: &mut Stage<'_>, lights: f32) {
    let reach = stage.canvas.reach();
    for _ in 0..(34.0 * lights) as u32 {
        let at = [stage.rng.range(-reach, reach), WATER - stage.rng.range(0.004, 0.03)];
        let tone = stage.rng.pick(&[0xffb060, 0xffc98a, 0xffe0b8, 0xff8a50]);
        let strength = stage.rng.range(1.0, 5.0);
        stage.canvas.bokeh(at, 0.0028, hex(tone) * strength);
        stage.canvas.halo(at, 0.02, hex(tone) * (0.05 * strength));
    }
}

/// A park instead of the river.
fn lawn(stage: &mut Stage<'_>, air: &Air) {
    let seed = stage.seed ^ 0x6b;
    let lit = air.ambient * 0.8 + air.sunlight * if air.backlit() { 0.15 } else { 0.5 };
    stage.canvas.within([-9.0, WATER, 9.0, 1.0], |u, v, _| {
        let z = 0.3 / (v - WATER + 0.05);
        let tuft = fbm(u * z * 5.0, z * 9.0, 4, seed);
        let path = smooth(0.14, 0.06, (u * z - 0.5 * noise(z * 0.7, 2.5, seed)).abs() / 3.0);
        let grass = hex(0x5f7d42).mix(hex(0x7f8f4c), 0.5 + tuft) * (0.8 + 0.3 * tuft);
        grass.mix(hex(0xb8ac98) * (0.9 + 0.1 * tuft), path) * lit
    });
}

fn river(stage: &mut Stage<'_>, air: &Air) {
    let seed = stage.seed ^ 0x5a;
    let mirror = stage.canvas.clone();
    let deep = hex(0x2c4458) * (air.ambient.luma() + 0.2 * air.sunlight.luma());
    stage.canvas.within([-9.0, WATER, 9.0, 1.0], |u, v, _| {
        let drop = v - WATER + 0.004;
        let z = 0.3 / (drop + 0.05);
        let mut light = Rgb::default();
        // Waves blur the reflection vertically: a few samples along the column.
        for tap in 0..5 {
            let wave = noise(u * z * 3.0 + tap as f32 * 7.0, z * 11.0, seed);
            let at = WATER - drop * (0.75 + 0.35 * tap as f32) - 0.09 * wave * (drop + 0.05);
            light = light + mirror.sample(u + 0.02 * wave * (drop + 0.08), at.min(WATER - 0.002)) * 0.2;
        }
        deep.mix(light, 0.72 - 0.5 * drop)
    });
}

/// Nearby lights as large discs at the sides and the bottom.
fn discs(stage: &mut Stage<'_>, lights: f32) {
    let reach = stage.canvas.reach();
    let colours = stage.colours();
    for _ in 0..(52.0 * lights) as u32 {
        let u = stage.rng.range(-reach, reach);
        let v = WATER - 0.01 - stage.rng.unit() * stage.rng.unit() * lerp(0.12, 0.4, smooth(0.25, 0.8, u.abs()));
        let mut tone = hex(stage.rng.pick(&[0xffb060, 0xffcf95, 0xff9a58, 0xdfe9ff, 0xff6a4a, 0xffe2b0]));
        if !colours.is_empty() && stage.rng.chance(0.5) {
            tone = stage.rng.pick(&colours);
        }
        let size = stage.rng.range(0.007, 0.021);
        stage.canvas.bokeh([u, v], size, tone * (stage.rng.range(0.05, 0.42) * lights));
    }
}
