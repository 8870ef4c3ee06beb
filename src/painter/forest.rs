//! The forest: trunks in haze, backlit leaves, and moss; and the palm leaves of the beach.

use super::Stage;
use super::colour::{Rgb, hex};
use super::noise::{fbm, lerp, noise, smooth};
use super::scene::{Season, Thing, Time, Weather};
use super::sky::Air;

/// The colours of a forest.
#[derive(Debug, Clone, Copy)]
struct Wood {
    /// The light between the trees.
    open: Rgb,
    leaf: Rgb,
    sunny_leaf: Rgb,
    bark: Rgb,
    moss: Rgb,
}

impl Wood {
    fn of(season: Option<Season>, time: Time, weather: Option<Weather>) -> Self {
        let mut wood = match season {
            Some(Season::Autumn) => Self {
                open: hex(0xf6dfa6),
                leaf: hex(0x9a4f1c),
                sunny_leaf: hex(0xe89a35),
                bark: hex(0x4a3a2e),
                moss: hex(0x8a5a2a),
            },
            Some(Season::Winter) => Self {
                open: hex(0xdfe8f0),
                leaf: hex(0x6d7f80),
                sunny_leaf: hex(0xdbe5ec),
                bark: hex(0x4a4644),
                moss: hex(0xd8e2ea),
            },
            _ => Self {
                open: hex(0xdcecac),
                leaf: hex(0x35602a),
                sunny_leaf: hex(0x93b545),
                bark: hex(0x463a2c),
                moss: hex(0x566b2e),
            },
        };
        let (tint, gain) = match time {
            Time::Day => (Rgb::WHITE, 1.0),
            Time::Sunrise => (hex(0xffe2b0), 1.0),
            Time::Sunset => (hex(0xffb878), 0.9),
            Time::Dusk => (hex(0x8f9fd0), 0.4),
            Time::Night => (hex(0x5f7fc0), 0.2),
        };
        let grey = match weather {
            Some(Weather::Fog) => 0.6,
            Some(Weather::Rain | Weather::Cloudy) => 0.4,
            _ => 0.0,
        };
        wood.open = wood.open.mix(hex(0xc9d4d0), grey);
        for part in [&mut wood.open, &mut wood.leaf, &mut wood.sunny_leaf, &mut wood.bark, &mut wood.moss] {
            *part = *part * tint * gain;
        }
        wood
    }
}

const LAYERS: u32 = 5;

/// The inside of a forest, lit from behind.
pub(super) fn forest(stage: &mut Stage<'_>) {
    let time = stage.time(Time::Day);
    let wood = Wood::of(stage.reading.season, time, stage.reading.weather);
    let veil = if stage.reading.weather == Some(Weather::Fog) { 1.0 } else { 0.0 };
    let sun = [stage.rng.sign() * stage.rng.range(0.3, 0.55), stage.rng.range(0.02, 0.16)];
    let ground = stage.rng.range(0.72, 0.78);
    stage.canvas.each(|u, v, _| air(wood, sun, [u, v]));
    for layer in 0..LAYERS {
        let near = layer as f32 / (LAYERS - 1) as f32;
        let near = near.max(0.02) * (1.0 - 0.25 * veil);
        foliage(stage, wood, near, sun);
        trunks(stage, wood, near, ground, sun);
        floor(stage, wood, near, ground, sun);
        stage.canvas.defocus(0.0022);
    }
    if stage.reading.recognized.iter().any(|word| matches!(word.as_str(), "jungle" | "rainforest" | "tropical")) {
        undergrowth(stage, wood);
    }
    if !stage.lacks(Thing::Sun) {
        rays(stage, wood, sun);
    }
    spots(stage, wood, sun, ground);
    stage.canvas.bloom(0.7, 0.06, 0.5);
    stage.canvas.defocus(0.0075);
}

/// The colour `own` seen through haze; `near` is 1 close to the viewer.
fn hazed(wood: Wood, own: Rgb, near: f32, sun: [f32; 2], [u, v]: [f32; 2]) -> Rgb {
    air(wood, sun, [u, v]).mix(own, near.powf(0.6))
}

/// The lit haze between the trees, brightest towards the sun.
fn air(wood: Wood, sun: [f32; 2], [u, v]: [f32; 2]) -> Rgb {
    let far = ((u - sun[0]).powi(2) + ((v - sun[1]) * 0.8).powi(2)).sqrt();
    wood.open * (0.17 + 0.75 * (-far * 2.4).exp())
}

/// Foliage from above, thinner close to the viewer and in the centre.
fn foliage(stage: &mut Stage<'_>, wood: Wood, near: f32, sun: [f32; 2]) {
    let seed = stage.seed ^ (near * 113.0) as u32;
    let size = lerp(7.0, 2.6, near);
    stage.canvas.each(|u, v, under| {
        let low = lerp(0.62, 0.3, near) + 0.16 * near * smooth(0.3, 0.85, u.abs()) * 2.0;
        if v > low * 1.5 {
            return under;
        }
        let shape = fbm(u * size, v * size * 1.15, 5, seed) + 0.55 * fbm(u * 1.3, v * 1.1, 2, seed ^ 2);
        let cover = smooth(0.0, 0.3, 0.75 * shape + 0.5 - v / low * 0.8 - 0.12 * near);
        if cover <= 0.0 {
            return under;
        }
        let far = ((u - sun[0]).powi(2) + (v - sun[1]).powi(2)).sqrt();
        let through =
            smooth(-0.25, 0.55, fbm(u * size * 3.1, v * size * 3.1, 3, seed ^ 4)) * (0.25 + 1.3 * (-far * 2.2).exp());
        let leaf =
            (wood.leaf * (0.55 + 0.35 * shape)).mix(wood.sunny_leaf * 1.1, (through * lerp(0.9, 0.55, near)).min(1.0));
        under.mix(hazed(wood, leaf, near, sun, [u, v]), cover * 0.94)
    });
}

/// Trunks at one distance: many thin ones far away, few thick ones at the sides when near.
fn trunks(stage: &mut Stage<'_>, wood: Wood, near: f32, ground: f32, sun: [f32; 2]) {
    let reach = stage.canvas.reach() + 0.1;
    let count = lerp(26.0, 3.0, near.sqrt()) as u32;
    let seed = stage.seed ^ 0x77;
    for _ in 0..count {
        let mut u = stage.rng.range(-reach, reach);
        let width = lerp(0.008, 0.062, near * near) * stage.rng.range(0.7, 1.25);
        if near > 0.55 {
            u = stage.rng.sign() * stage.rng.range(0.36, reach);
        }
        let lean = stage.rng.range(-0.05, 0.05);
        let foot = ground + lerp(-0.06, 0.2, near) + stage.rng.range(-0.01, 0.02);
        let soft = 0.0012 + 0.002 * near;
        let lit = if sun[0] > u { 1.0 } else { -1.0 };
        let margin = width + 0.07;
        stage.canvas.within([u - margin, 0.0, u + margin, foot], |x, v, under| {
            let bend = 0.02 * noise(v * 1.7, u * 40.0, seed) * near.max(0.3);
            let half = width * 0.5 * (1.0 + 0.5 * smooth(0.14, 0.0, foot - v) - 0.25 * (1.0 - v));
            let off = (x - u - lean * (v - foot) - bend) / half;
            let cover = smooth(half + soft, half - soft, off.abs() * half);
            if cover <= 0.0 {
                return under;
            }
            let rim = smooth(-0.2, 1.0, off * lit);
            let bark = 0.8 + 0.5 * fbm(x * 60.0, v * 9.0, 3, seed);
            let own = wood.bark * (bark * (0.4 + 0.35 * rim)) + wood.open * (0.14 * rim * rim);
            under.mix(hazed(wood, own, near, sun, [x, v]), cover)
        });
    }
}

/// Moss and undergrowth up to the trees at this distance.
fn floor(stage: &mut Stage<'_>, wood: Wood, near: f32, ground: f32, sun: [f32; 2]) {
    let seed = stage.seed ^ (near * 59.0) as u32 ^ 0x99;
    let top = ground + lerp(-0.08, 0.19, near);
    let size = lerp(14.0, 4.0, near);
    stage.canvas.within([-9.0, top - 0.12, 9.0, 1.0], |u, v, under| {
        let edge = top - 0.05 * fbm(u * size, near * 7.0, 4, seed) - 0.035 * near * smooth(0.2, 0.8, u.abs());
        let cover = smooth(-0.006, 0.012, v - edge);
        let patch = fbm(u * 2.4, v * 9.0, 4, seed ^ 2);
        let tuft = fbm(u * size * 2.0, v * size * 4.0, 3, seed ^ 3);
        let own = wood.moss * (0.6 + 0.5 * tuft)
            + wood.open * (0.3 * smooth(0.05, 0.5, patch) * smooth(1.3, 0.1, (u - sun[0]).abs()));
        under.mix(hazed(wood, own, near, sun, [u, v]), cover)
    });
}

/// Light rays that fan out from the sun.
fn rays(stage: &mut Stage<'_>, wood: Wood, sun: [f32; 2]) {
    let seed = stage.seed ^ 0x13;
    let from = [sun[0] * 1.2, sun[1] - 0.35];
    stage.canvas.each(|u, v, under| {
        let (dx, dy) = (u - from[0], v - from[1]);
        let angle = dx.atan2(dy);
        let shaft = smooth(-0.05, 0.55, noise(angle * 6.0, 0.5, seed) + 0.5 * noise(angle * 15.0, 4.5, seed));
        let far = (dx * dx + dy * dy).sqrt();
        under + wood.open * (shaft * 0.17 * (-(far - 0.3).max(0.0) * 1.9).exp())
    });
}

/// Broad leaves in the lower and upper corners.
fn undergrowth(stage: &mut Stage<'_>, wood: Wood) {
    let reach = stage.canvas.reach();
    for i in 0..90 {
        let depth = i as f32 / 90.0;
        let side = stage.rng.sign();
        let low = stage.rng.chance(0.7);
        let out = reach * stage.rng.range(0.55, 1.1);
        let at = if low {
            [side * out, 1.08 - 0.3 * (out / reach - 0.5)]
        } else {
            [side * reach * stage.rng.range(0.8, 1.1), -0.08]
        };
        let up = if low { -1.0 } else { 1.0 };
        let angle = up * (std::f32::consts::FRAC_PI_2 + side * stage.rng.range(-0.5, 1.0) * up);
        let length = stage.rng.range(0.18, 0.42);
        let green = wood.leaf.mix(wood.sunny_leaf, 0.55 * stage.rng.unit()) * lerp(0.35, 0.85, depth);
        stage.canvas.leaf(at, angle, length, stage.rng.range(0.02, 0.05), |along, across| {
            green * (0.55 + 0.6 * along - 0.18 * across - 0.25 * smooth(0.12, 0.0, across.abs()))
        });
    }
}

/// Out-of-focus spots of sky between the leaves.
fn spots(stage: &mut Stage<'_>, wood: Wood, sun: [f32; 2], ground: f32) {
    for _ in 0..46 {
        let at = [sun[0] + stage.rng.range(-0.6, 0.6), sun[1] + stage.rng.range(-0.1, 0.4)];
        let far = ((at[0] - sun[0]).powi(2) + (at[1] - sun[1]).powi(2)).sqrt();
        let size = stage.rng.range(0.006, 0.02);
        let light = wood.open * (stage.rng.range(0.03, 0.22) * (-far * 2.5).exp());
        if at[1] < ground {
            stage.canvas.bokeh(at, size, light);
        }
    }
}

/// Palm leaves in an upper corner, close and out of focus.
pub(super) fn palm(stage: &mut Stage<'_>, air: &Air) {
    let side = -air.sun[0].signum();
    let crown = [side * (stage.canvas.reach() + 0.02), -0.06];
    let lamp = air.ambient * 0.6 + air.sunlight * if air.backlit() { 0.06 } else { 0.25 };
    for frond in 0..7 {
        let angle = 0.12 + frond as f32 * 0.2 + stage.rng.range(-0.05, 0.05);
        let length = stage.rng.range(0.42, 0.62);
        let light = hex(0x4f7a35).mix(hex(0x86a34a), stage.rng.unit()) * lamp;
        for step in 3..60 {
            let t = step as f32 / 60.0;
            // The leaf droops towards its tip.
            let at = [crown[0] - side * length * t * angle.cos(), crown[1] + length * (t * angle.sin() + 0.45 * t * t)];
            let leaf = 0.2 * (1.0 - t * 0.7) * smooth(0.0, 0.15, t) * (0.85 + 0.3 * stage.rng.unit());
            for way in [-1.0, 1.0] {
                let turn =
                    if side > 0.0 { std::f32::consts::PI - angle } else { angle } + side * way * 0.55 - side * 0.75 * t;
                stage.canvas.leaf(at, turn, leaf, 0.0075, |along, _| light * (0.75 + 0.4 * along));
            }
        }
    }
}
