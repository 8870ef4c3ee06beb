//! Landscapes: mountains, meadow, desert, snowfield, and sky over low hills.

use super::Stage;
use super::canvas::Canvas;
use super::colour::{Rgb, hex};
use super::noise::{fbm, hash, noise, ridged, smooth, unit};
use super::scene::{Scene, Season, Thing, Time, Weather};
use super::sky::Air;
use super::terrain::{self, Spot, View};

/// Fills the canvas with the sky.
pub(super) fn fill_sky(canvas: &mut Canvas, air: &Air) {
    canvas.each(|u, v, _| air.at(u, v));
}

/// The last steps of every outdoor scene: bloom, rain, lens blur.
pub(super) fn finish(stage: &mut Stage<'_>, radius: f32) {
    stage.canvas.bloom(0.85, 0.05, 0.35);
    stage.canvas.defocus(radius);
    if stage.reading.weather == Some(Weather::Fog) {
        stage.canvas.bloom(0.2, 0.06, 0.18);
    }
}

/// The height of spruces of `size`: cones on a jittered grid.
fn spruces(x: f32, z: f32, size: f32, seed: u32) -> f32 {
    trees(x, z, size, seed, |far| 1.0 - far)
}

/// The height of deciduous trees of `size`: round crowns.
fn crowns(x: f32, z: f32, size: f32, seed: u32) -> f32 {
    trees(x, z, size, seed, |far| 0.75 * (1.0 - far * far).max(0.0).sqrt())
}

/// The height of trees above the ground; `shape` maps the distance from the trunk to a height.
fn trees(x: f32, z: f32, size: f32, seed: u32, shape: impl Fn(f32) -> f32) -> f32 {
    let (gx, gz) = (x / size, z / size);
    let (cx, cz) = (gx.floor() as i32, gz.floor() as i32);
    let mut highest = 0.0f32;
    for dz in -1..=1 {
        for dx in -1..=1 {
            let dice = hash(cx + dx, cz + dz, seed);
            let px = (cx + dx) as f32 + 0.15 + 0.7 * unit(dice);
            let pz = (cz + dz) as f32 + 0.15 + 0.7 * unit(dice.wrapping_mul(0x9e37_79b1));
            let far = ((gx - px) * (gx - px) + (gz - pz) * (gz - pz)).sqrt();
            let tall = 1.3 + 1.5 * unit(dice.wrapping_mul(0x85eb_ca77));
            highest = highest.max(tall * shape(far / 0.62));
        }
    }
    highest * size
}

/// Mountains on both sides with a lower middle, behind wooded hills.
pub(super) fn mountains(stage: &mut Stage<'_>) {
    let time = stage.time(Time::Day);
    let air = Air::new(stage.reading, time, stage.rng.range(0.56, 0.62), &mut stage.rng);
    fill_sky(&mut stage.canvas, &air);
    range(stage, &air, -1.0);
    finish(stage, 0.0048);
}

/// Paints the mountains; `water` is the level of a lake. Returns which pixels are land.
pub(super) fn range(stage: &mut Stage<'_>, air: &Air, water: f32) -> Vec<bool> {
    let seed = stage.seed;
    let winter = stage.reading.season == Some(Season::Winter);
    let bare = stage.lacks(Thing::Trees);
    let flat = stage.lacks(Thing::Mountains);
    let thawed = stage.lacks(Thing::Snow) && !winter;
    let autumn = stage.reading.season == Some(Season::Autumn);
    let left = stage.rng.range(0.75, 1.15);
    let right = stage.rng.range(0.75, 1.15);
    let start = if water > -1.0 { 5.0 } else { 4.0 };
    let base = move |x: f32, z: f32| {
        let side = x / z;
        let tall = 0.55 + 0.5 * smooth(0.0, 0.55, side.abs()) * if side < 0.0 { left } else { right };
        let rise = smooth(start, 19.0, z);
        let hills = 0.16 * fbm(x * 0.55, z * 0.55, 3, seed ^ 9)
            + 0.03
            + if water > -1.0 { 0.35 * smooth(4.2, 7.5, z) - 0.3 } else { 0.0 };
        if rise <= 0.0 {
            return hills;
        }
        let bend = 0.3 * fbm(x * 0.13, z * 0.13, 2, seed ^ 3);
        if flat {
            return hills + rise * (0.9 + 0.7 * bend);
        }
        let crest = ridged(x * 0.1 + bend, z * 0.1 - bend, 7, seed);
        hills + rise * tall * (crest.powf(1.4) * 8.6 - 0.5)
    };
    let wooded = move |x: f32, z: f32| {
        let ground = base(x, z);
        if bare || !(2.7..11.0).contains(&z) || ground > 1.0 || ground < water + 0.02 {
            return ground;
        }
        let grove = smooth(-0.02, 0.22, fbm(x * 0.5, z * 0.5, 2, seed ^ 21) + 0.1 * (x / z).abs());
        if grove > 0.0 { ground + spruces(x, z, 0.085, seed ^ 5) * grove } else { ground }
    };
    let snowline = match (winter, thawed) {
        (true, _) => -1.0,
        (_, true) => 99.0,
        _ => 2.0,
    };
    let albedo = move |s: Spot| {
        let grain = fbm(s.x * 3.0, s.z * 3.0, 4, seed ^ 11);
        let rock = hex(0x82807f).mix(hex(0x575a62), 0.5 + grain);
        let wood = hex(0x33482f).mix(hex(0x4d5f38), 0.5 + 0.8 * grain);
        let grass = if autumn {
            hex(0xa89a56).mix(hex(0x8a7a40), 0.5 + grain)
        } else {
            hex(0x77864a).mix(hex(0x5d7040), 0.5 + grain)
        };
        let wood = if autumn {
            wood.mix(hex(0xb8682a), smooth(-0.3, 0.3, noise(s.x * 9.0, s.z * 9.0, seed ^ 15)))
        } else {
            wood
        };
        let snow = hex(0xf1f4f8);
        let wood = if bare { grass * 0.8 } else { wood };
        let low = if s.z < 11.0 { grass.mix(wood, smooth(0.9, 0.6, s.flat)) } else { wood };
        let steep = if s.z < 11.0 { 1.0 } else { smooth(0.25, 0.5, s.flat) };
        let ground = rock.mix(low, smooth(1.9, 1.0, s.height + 0.35 * grain) * steep);
        let cover =
            smooth(snowline - 0.3, snowline + 0.5, s.height + grain) * smooth(0.38, 0.62, s.flat + 0.12 * grain);
        ground.mix(snow, cover)
    };
    let view = View { eye: 0.62, near: 1.15, far: 34.0, sight: 46.0, steps: 620, water };
    terrain::paint(&mut stage.canvas, air, view, wooded, albedo)
}

/// Rolling green hills with a few woods.
pub(super) fn meadow(stage: &mut Stage<'_>) {
    let time = stage.time(Time::Day);
    let air = Air::new(stage.reading, time, stage.rng.range(0.53, 0.6), &mut stage.rng);
    fill_sky(&mut stage.canvas, &air);
    hills(stage, &air);
    finish(stage, 0.0062);
}

fn hills(stage: &mut Stage<'_>, air: &Air) {
    let seed = stage.seed;
    let season = stage.reading.season;
    let far_peaks = stage.reading.has(Scene::Mountains) && !stage.lacks(Thing::Mountains);
    let bare = stage.lacks(Thing::Trees);
    let plain = stage.lacks(Thing::Flowers);
    let base = move |x: f32, z: f32| {
        let swell = fbm(x * 0.16, z * 0.14, 3, seed) * 1.5;
        let peaks = if far_peaks { smooth(18.0, 30.0, z) * ridged(x * 0.09, z * 0.09, 6, seed ^ 2) * 7.0 } else { 0.0 };
        swell * smooth(1.0, 7.0, z) + smooth(6.0, 40.0, z) * 1.4 + peaks
    };
    let height = move |x: f32, z: f32| {
        let ground = base(x, z);
        let grove = smooth(0.16, 0.24, fbm(x * 0.33, z * 0.42, 3, seed ^ 31));
        if bare || !(6.0..26.0).contains(&z) || grove <= 0.0 {
            return ground;
        }
        ground + grove * (crowns(x, z, 0.17, seed ^ 6) + 0.03 * noise(x * 19.0, z * 19.0, seed ^ 8))
    };
    let (grass, dry, wood) = match season {
        Some(Season::Autumn) => (hex(0x9c9a50), hex(0xb99a58), hex(0xa8622c)),
        Some(Season::Winter) => (hex(0xe8edf3), hex(0xdbe3ec), hex(0x6f7478)),
        Some(Season::Spring) => (hex(0x86b04e), hex(0xb9c46a), hex(0x58853c)),
        None => (hex(0x7d9c48), hex(0xb3b062), hex(0x48682f)),
    };
    let lavender = stage.reading.recognized.iter().any(|word| word == "lavender");
    let kind = if lavender { 0 } else { seed as usize % 3 };
    let flowers = [hex(0x9a78c8), hex(0xe0708a), hex(0xf2d25a)][kind];
    let albedo = move |s: Spot| {
        let patch = fbm(s.x * 0.5, s.z * 0.5, 3, seed ^ 12);
        let blades = fbm(s.x * 8.0, s.z * 15.0, 3, seed ^ 13) * smooth(30.0, 3.0, s.z);
        let mut ground = grass.mix(dry, smooth(-0.25, 0.45, patch)) * (0.85 + 0.5 * blades);
        if season == Some(Season::Spring) && !plain {
            let dots = noise(s.x * 34.0, s.z * 26.0, seed ^ 14) * smooth(9.0, 1.0, s.z);
            let drift = if lavender {
                0.35 + 0.4 * (s.x * 8.0 + 0.8 * fbm(s.x, s.z * 0.4, 2, seed)).sin()
            } else {
                patch * 0.9
            };
            ground = ground.mix(flowers, smooth(0.0, 0.5, dots * 0.6 + drift) * 0.75);
        }
        let trees = smooth(0.16, 0.22, fbm(s.x * 0.33, s.z * 0.42, 3, seed ^ 31))
            * smooth(5.9, 6.1, s.z)
            * smooth(26.1, 25.9, s.z);
        if bare { ground } else { ground.mix(wood * (0.75 + 0.8 * blades.abs()), trees) }
    };
    let view = View { eye: 0.62, near: 0.9, far: 46.0, sight: 36.0, steps: 460, water: -9.0 };
    terrain::paint(&mut stage.canvas, air, view, height, albedo);
}

/// Dunes with sharp crests and ripples.
pub(super) fn desert(stage: &mut Stage<'_>) {
    let time = stage.time(Time::Day);
    let mut air = Air::new(stage.reading, time, stage.rng.range(0.5, 0.56), &mut stage.rng);
    if time == Time::Day {
        // A lower sun, so that the dunes cast shadows.
        air.toward = super::sky::normal([air.toward[0], 0.36, 0.12]);
    }
    fill_sky(&mut stage.canvas, &air);
    let seed = stage.seed;
    let height = move |x: f32, z: f32| {
        let bend = 0.6 * fbm(x * 0.2, z * 0.2, 2, seed ^ 4);
        let dune = 1.0 - noise(x * 0.21 + bend, z * 0.3 + bend * 0.6, seed).abs();
        let small = 1.0 - noise(x * 0.6 - bend, z * 0.8, seed ^ 2).abs();
        dune * dune * 1.25 * smooth(1.0, 9.0, z)
            + small * small * 0.16 * smooth(0.6, 4.0, z)
            + 0.25 * smooth(5.0, 30.0, z) * dune
    };
    let albedo = move |s: Spot| {
        let ripple = noise(s.x * 16.0 + 3.0 * noise(s.x, s.z, seed ^ 6), s.z * 30.0, seed ^ 5) * smooth(9.0, 1.0, s.z);
        hex(0xdcae74).mix(hex(0xc98f57), 0.5 + 0.5 * fbm(s.x, s.z, 3, seed ^ 7)) * (1.0 + 0.09 * ripple)
    };
    let view = View { eye: 0.95, near: 1.0, far: 40.0, sight: 40.0, steps: 480, water: -9.0 };
    terrain::paint(&mut stage.canvas, &air, view, height, albedo);
    finish(stage, 0.0055);
}

/// A snowfield with spruces, and out-of-focus falling snow.
pub(super) fn snow(stage: &mut Stage<'_>) {
    let time = stage.time(Time::Day);
    let mut air = Air::new(stage.reading, time, stage.rng.range(0.52, 0.58), &mut stage.rng);
    air.thickness *= 1.5;
    fill_sky(&mut stage.canvas, &air);
    snowfield(stage, &air);
    finish(stage, 0.0058);
    flakes(stage);
}

/// Snow-covered ground with forest on both sides.
pub(super) fn snowfield(stage: &mut Stage<'_>, air: &Air) {
    let seed = stage.seed;
    let flat = stage.lacks(Thing::Mountains);
    let woods = if stage.lacks(Thing::Trees) { 0.0 } else { 1.0 };
    let base = move |x: f32, z: f32| {
        let swell = fbm(x * 0.25, z * 0.2, 4, seed) * 0.5;
        let near = swell * smooth(0.8, 5.0, z);
        if flat || z < 7.0 {
            return near;
        }
        near + smooth(7.0, 34.0, z) * (0.6 + 3.6 * ridged(x * 0.1, z * 0.1, 5, seed ^ 2))
    };
    let forest = move |x: f32, z: f32| {
        let distance = smooth(0.12, 0.5, (x / z).abs());
        woods * smooth(0.0, 0.2, fbm(x * 0.4, z * 0.3, 2, seed ^ 31) + distance * 0.35 - 0.14)
    };
    let height = move |x: f32, z: f32| {
        let ground = base(x, z);
        if !(4.0..16.0).contains(&z) {
            return ground;
        }
        let grove = forest(x, z);
        if grove > 0.0 { ground + spruces(x, z, 0.15, seed ^ 5) * grove } else { ground }
    };
    let albedo = move |s: Spot| {
        let grain = fbm(s.x * 6.0, s.z * 6.0, 3, seed ^ 11);
        let snow = hex(0xeef3f9) * (0.96 + 0.06 * grain);
        let dark = hex(0x3b4a48).mix(snow, smooth(0.05, 0.4, grain + 0.12));
        let trunk = if (4.0..16.0).contains(&s.z) {
            smooth(0.8, 0.5, s.flat) * smooth(0.0, 0.2, forest(s.x, s.z))
        } else {
            0.0
        };
        let rock = smooth(0.6, 0.35, s.flat) * smooth(12.0, 16.0, s.z) * 0.7;
        snow.mix(dark, trunk).mix(hex(0x6d7686), rock)
    };
    let view = View { eye: 0.6, near: 0.9, far: 40.0, sight: 22.0, steps: 420, water: -9.0 };
    terrain::paint(&mut stage.canvas, air, view, height, albedo);
}

fn flakes(stage: &mut Stage<'_>) {
    let reach = stage.canvas.reach();
    let light = if stage.time(Time::Day) == Time::Night { 0.1 } else { 0.3 };
    for _ in 0..70 {
        let at = [stage.rng.range(-reach, reach), stage.rng.range(0.0, 1.0)];
        let size = stage.rng.range(0.003, 0.011);
        stage.canvas.bokeh(at, size, Rgb::WHITE * (light * stage.rng.range(0.3, 1.0)));
    }
}

/// Mostly sky, above several ridges.
pub(super) fn sky(stage: &mut Stage<'_>) {
    let reading = stage.reading;
    let time = stage.time(Time::Day);
    let mut air = Air::new(reading, time, stage.rng.range(0.74, 0.8), &mut stage.rng);
    air.thickness = air.thickness.max(1.0);
    fill_sky(&mut stage.canvas, &air);
    let layers = if stage.lacks(Thing::Hills) { 0 } else { 5 };
    for layer in 0..layers {
        let near = layer as f32 / (layers - 1) as f32;
        ridge(stage, &air, near);
    }
    finish(stage, 0.006);
}

/// One layer of hills, `near` from 0 to 1.
fn ridge(stage: &mut Stage<'_>, air: &Air, near: f32) {
    let seed = stage.seed ^ (near * 97.0) as u32;
    let fine = 1.0 / stage.canvas.height as f32;
    let dark = (air.ambient * hex(0x5c6e58)).mix(air.sunlight * hex(0x4a5038), 0.16);
    let crest =
        |u: f32| air.horizon - 0.08 + 0.2 * near - 0.075 * (1.0 - 0.3 * near) * fbm(u * 1.7, near * 9.0, 5, seed);
    let tops: Vec<f32> = (0..stage.canvas.width).map(|x| crest(stage.canvas.u(x))).collect();
    let half = stage.canvas.reach();
    let scale = stage.canvas.height as f32;
    stage.canvas.within([-9.0, air.horizon - 0.2, 9.0, 1.0], |u, v, under| {
        let top = tops[((u + half) * scale) as usize];

        let cover = smooth(-fine, fine, v - top);
        let veil = 0.55 * (1.0 - near) + 0.5 * smooth(0.0, 0.16, v - top) * (1.0 - near * 0.6);
        under.mix(air.through(dark, veil * 1.9 + 0.12, u), cover)
    });
}
