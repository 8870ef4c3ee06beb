//! The sky and its light: colours by time of day, sun, clouds and stars.

use super::colour::{Ramp, Rgb, hex};
use super::noise::{Rng, fbm, hash, lerp, smooth, unit};
use super::reading::Reading;
use super::scene::{Thing, Time, Weather};

/// The sky and light of a scene.
#[derive(Debug)]
pub(super) struct Air {
    /// The `v` of the horizon.
    pub(super) horizon: f32,
    /// The colours from the horizon (0) up (1).
    ramp: Ramp,
    /// The position of the sun or moon; may be outside the image.
    pub(super) sun: [f32; 2],
    /// The direction of the light source: right, up, away from the viewer.
    pub(super) toward: [f32; 3],
    /// The sunlight on a surface that faces the sun.
    pub(super) sunlight: Rgb,
    /// The ambient light of the sky.
    pub(super) ambient: Rgb,
    /// The colour of distant haze.
    pub(super) haze: Rgb,
    /// The density of the haze; 1 is a clear day.
    pub(super) thickness: f32,
    glow: Rgb,
    disc: f32,
    pub(super) stars: f32,
    /// The cloud cover, 0 to 1.
    cover: f32,
    lit: Rgb,
    shaded: Rgb,
    seed: u32,
    pub(super) time: Time,
}

struct Hour {
    ramp: &'static [u32],
    sunlight: Rgb,
    ambient: Rgb,
    haze: Rgb,
    glow: Rgb,
    lit: Rgb,
    shaded: Rgb,
    disc: f32,
}

impl Hour {
    fn of(time: Time) -> Self {
        match time {
            Time::Day => Self {
                ramp: &[0xdbe8ee, 0xc3dbec, 0x9cc5e8, 0x7db0df, 0x659bd2, 0x5285c0],
                sunlight: hex(0xfff0d8) * 1.45,
                ambient: hex(0xa8c4e4) * 0.6,
                haze: hex(0xc2d7e6),
                glow: hex(0xfff2da) * 0.5,
                lit: hex(0xfffaf2) * 1.05,
                shaded: hex(0xb4c2d4),
                disc: 0.0,
            },
            Time::Sunrise => Self {
                ramp: &[0xffe0ab, 0xffcba0, 0xf4b8a8, 0xc9b2c2, 0x98a9cc, 0x7795c4],
                sunlight: hex(0xffc48a) * 1.2,
                ambient: hex(0xb9aac4) * 0.55,
                haze: hex(0xf6cdb0),
                glow: hex(0xffc37a) * 1.3,
                lit: hex(0xffd9c0) * 1.1,
                shaded: hex(0xb79fb5),
                disc: 9.0,
            },
            Time::Sunset => Self {
                ramp: &[0xffbe62, 0xff9a5c, 0xee7a66, 0xb76a86, 0x78659b, 0x4d5590],
                sunlight: hex(0xff9a50) * 1.25,
                ambient: hex(0x9a7f9f) * 0.45,
                haze: hex(0xee9a72),
                glow: hex(0xffa24a) * 1.5,
                lit: hex(0xffa878) * 1.0,
                shaded: hex(0x7c5f86),
                disc: 11.0,
            },
            Time::Dusk => Self {
                ramp: &[0xf0a884, 0xc695a0, 0x8b85ae, 0x5a70a6, 0x3a5590, 0x26407a],
                sunlight: hex(0xd0a0a8) * 0.25,
                ambient: hex(0x6d80b4) * 0.4,
                haze: hex(0x9a8fae),
                glow: hex(0xff9a66) * 0.5,
                lit: hex(0xd99aa2) * 0.8,
                shaded: hex(0x57608f),
                disc: 0.0,
            },
            Time::Night => Self {
                ramp: &[0x41587f, 0x2f476f, 0x22385f, 0x192b4e, 0x12213f, 0x0c1730],
                sunlight: hex(0x9fb6de) * 0.3,
                ambient: hex(0x3d5380) * 0.32,
                haze: hex(0x324a70),
                glow: hex(0x9db4dc) * 0.16,
                lit: hex(0x5a6f96),
                shaded: hex(0x22345a),
                disc: 4.5,
            },
        }
    }
}

impl Air {
    /// The sky for a reading; `horizon` is the `v` where sky and land meet.
    pub(super) fn new(reading: &Reading, time: Time, horizon: f32, rng: &mut Rng) -> Self {
        let hour = Hour::of(time);
        let low = matches!(time, Time::Sunrise | Time::Sunset | Time::Dusk);
        let side = rng.sign();
        let sun = match time {
            Time::Day => [side * rng.range(0.55, 0.8), -0.25],
            Time::Night => [side * rng.range(0.5, 0.68), rng.range(0.13, 0.22)],
            _ => [side * rng.range(0.36, 0.56), horizon - rng.range(0.07, 0.12)],
        };
        let toward = if low { [sun[0], horizon - sun[1] + 0.1, 0.62] } else { [side * 0.72, 0.62, -0.3] };
        let mut air = Self {
            horizon,
            ramp: Ramp::of(hour.ramp),
            sun,
            toward: normal(toward),
            sunlight: hour.sunlight,
            ambient: hour.ambient,
            haze: hour.haze,
            thickness: 1.0,
            glow: hour.glow,
            disc: hour.disc,
            stars: if time == Time::Night { 0.5 } else { 0.0 },
            cover: rng.range(0.25, 0.5),
            lit: hour.lit,
            shaded: hour.shaded,
            seed: rng.seed(),
            time,
        };
        air.weather(reading.weather, hour.ramp);
        air.leave_out(reading);
        air
    }

    fn leave_out(&mut self, reading: &Reading) {
        if reading.lacks(Thing::Clouds) {
            self.cover = 0.0;
        }
        if reading.lacks(Thing::Stars) {
            self.stars = 0.0;
        }
        if reading.lacks(if self.time == Time::Night { Thing::Moon } else { Thing::Sun }) {
            self.disc = 0.0;
            self.glow = self.glow * 0.3;
            self.sun[0] *= 3.0;
        }
    }

    /// Whether the sun or moon is above the horizon and not excluded.
    pub(super) fn disc_shows(&self) -> bool {
        self.sun[0].abs() < 1.0
    }

    fn weather(&mut self, weather: Option<Weather>, ramp: &[u32]) {
        let (grey, cover, thickness, dim) = match weather {
            None => return,
            Some(Weather::Clear) => (0.0, 0.05, 0.8, 1.0),
            Some(Weather::Cloudy) => (0.45, 0.85, 1.3, 0.45),
            Some(Weather::Rain) => (0.75, 0.97, 2.6, 0.2),
            Some(Weather::Fog) => (0.65, 0.0, 5.0, 0.3),
        };
        self.cover = cover;
        self.thickness = thickness;
        let mean = ramp.iter().fold(Rgb::default(), |sum, &code| sum + hex(code)) * (1.0 / ramp.len() as f32);
        let flat = mean.saturate(0.45);
        let stops: Vec<Rgb> = ramp.iter().map(|&code| hex(code).mix(flat, grey)).collect();
        self.ramp = Ramp::new(&stops);
        self.haze = self.haze.mix(flat, grey);
        self.sunlight = self.sunlight * dim;
        self.glow = self.glow * lerp(1.0, dim, 0.6);
        self.disc *= (1.0 - grey).powi(3);
        self.stars *= 1.0 - cover.max(grey);
        self.lit = self.lit.mix(flat * 1.15, grey);
        self.shaded = self.shaded.mix(flat * 0.6, grey);
        self.ambient = self.ambient.mix(Rgb::WHITE * self.ambient.luma(), grey);
    }

    /// The clear sky at a point; below the horizon, the colour of the horizon.
    pub(super) fn clear(&self, u: f32, v: f32) -> Rgb {
        let up = ((self.horizon - v) / 0.62).clamp(0.0, 1.0);
        let (dx, dy) = (u - self.sun[0], v.min(self.horizon) - self.sun[1]);
        let near = (dx * dx + dy * dy * 1.5).sqrt();
        let halo = 0.55 * (-near * 3.2).exp() + 0.9 * (-near * 11.0).exp();
        self.ramp.at(up.powf(0.8)) + self.glow * halo
    }

    /// The sky at a point, with clouds, stars and the sun or moon.
    pub(super) fn at(&self, u: f32, v: f32) -> Rgb {
        let (dx, dy) = (u - self.sun[0], v - self.sun[1]);
        let near = (dx * dx + dy * dy).sqrt();
        let mut light = self.clear(u, v);
        if self.disc > 0.0 {
            let size = if self.time == Time::Night { 0.03 } else { 0.034 };
            light = light + self.glow * (self.disc * smooth(size * 1.15, size * 0.85, near));
        }
        if self.stars > 0.0 {
            let behind = if self.disc > 0.0 { smooth(0.035, 0.06, near) } else { 1.0 };
            let seen = self.stars * behind * smooth(0.02, 0.3, self.horizon - v);
            light = light + Rgb([0.85, 0.92, 1.0]) * (seen * star(u, v, self.seed));
        }
        if self.cover > 0.0 && v < self.horizon { self.clouded(u, v, near, light) } else { light }
    }

    fn clouded(&self, u: f32, v: f32, near: f32, light: Rgb) -> Rgb {
        // Clouds are on a plane overhead, so they flatten towards the horizon.
        let height = self.horizon - v + 0.07;
        let (x, y) = (u / height * 0.55, 0.62 / height);
        let warp = 0.35 * fbm(x * 0.7, y * 0.7, 2, self.seed ^ 7);
        let density = |x: f32, y: f32| fbm(x * 0.8 + warp, y * 1.15 - warp, 5, self.seed) * 0.9 + 0.5;
        let floor = 1.0 - self.cover;
        let here = density(x, y);
        let body = smooth(floor - 0.08, floor + 0.3, here);
        if body <= 0.002 {
            return light;
        }
        let to_sun = ((self.sun[0] - u) * 0.5).clamp(-0.16, 0.16);
        let shade = smooth(-0.22, 0.2, here - density(x + to_sun, y - 0.12));
        let silver = self.glow * (1.3 * (-near * 4.5).exp() * (1.0 - 0.75 * body));
        let cloud = self.shaded.mix(self.lit, shade * 0.85 + 0.15 * (1.0 - body)) + silver;
        let fade = smooth(0.0, 0.16, self.horizon - v);
        light.mix(cloud, body * 0.88 * fade)
    }

    /// A colour seen through `far` units of haze; 1 unit of clear air keeps about a third.
    pub(super) fn through(&self, light: Rgb, far: f32, u: f32) -> Rgb {
        let lost = 1.0 - (-far * self.thickness).exp();
        let toward_sun = (-(u - self.sun[0]).abs() * 2.2).exp();
        light.mix(self.haze + self.glow * (0.3 * toward_sun), lost)
    }

    /// Whether the scene is lit from behind.
    pub(super) fn backlit(&self) -> bool {
        self.toward[2] > 0.0
    }
}

/// The brightness of a star at a point, mostly 0; bright stars are rare.
pub(super) fn star(u: f32, v: f32, seed: u32) -> f32 {
    let (x, y) = (u * 60.0, v * 60.0);
    let (cx, cy) = (x.floor(), y.floor());
    let dice = hash(cx as i32, cy as i32, seed);
    if dice & 7 > 1 {
        return 0.0;
    }
    let place = |bits: u32| 0.25 + 0.5 * unit(bits);
    let dx = x - cx - place(dice.wrapping_mul(0x9e37_79b1));
    let dy = y - cy - place(dice.wrapping_mul(0x85eb_ca77));
    let bright = unit(dice.wrapping_mul(0xc2b2_ae3d)).powi(9) * 2.6 + 0.03;
    bright * (-(dx * dx + dy * dy) * 75.0).exp()
}

pub(super) fn normal([x, y, z]: [f32; 3]) -> [f32; 3] {
    let k = 1.0 / (x * x + y * y + z * z).sqrt().max(1e-6);
    [x * k, y * k, z * k]
}
