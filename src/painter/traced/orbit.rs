//! The Earth as seen from orbit.

use super::super::Stage;
use super::super::canvas::Canvas;
use super::super::colour::{Rgb, hex};
use super::super::noise::{fbm, hash, lerp, smooth, unit};
use super::super::scene::{Thing, Time};

/// The middle of the Earth and its radius, in canvas heights.
const MIDDLE: [f32; 2] = [0.12, 2.05];
const RADIUS: f32 = 1.58;

/// The number of cells per canvas height that may contain a star.
const CELLS: f32 = 240.0;

/// Paints the Earth below a starry sky.
pub(in crate::painter) fn orbit(stage: &mut Stage<'_>, time: Time) -> Canvas {
    let height = stage.canvas.height.max(8);
    let mut canvas = Canvas::new(height * 2, height);
    let seed = stage.rng.seed();
    let sun = match time {
        Time::Day => [0.35, -0.5, 0.79],
        Time::Sunrise | Time::Sunset => [-0.8, -0.3, -0.5],
        Time::Dusk => [-0.75, -0.1, -0.65],
        Time::Night => [-0.55, 0.35, -0.75],
    };
    let (stars, planet) = (!stage.lacks(Thing::Stars), !stage.lacks(Thing::Planet));
    canvas.each(|u, v, _| {
        let (x, y) = ((u - MIDDLE[0]) / RADIUS, (v - MIDDLE[1]) / RADIUS);
        let far = x.hypot(y);
        let sky = if stars { star(u, v, seed) } else { Rgb::default() };
        if !planet {
            return sky;
        }
        let light = if far < 1.0 { ground([x, y], sun, seed) } else { sky };
        light + air(far, [x, y], sun)
    });
    canvas
}

fn star(u: f32, v: f32, seed: u32) -> Rgb {
    let (x, y) = (u * CELLS, v * CELLS);
    let dice = hash(x.floor() as i32, y.floor() as i32, seed ^ 9);
    if !dice.is_multiple_of(170) {
        return Rgb::default();
    }
    let off = (x - x.floor() - 0.5).hypot(y - y.floor() - 0.5);
    hex(0xdfe6ff) * (smooth(0.5, 0.15, off) * unit(dice.wrapping_mul(0x9e37_79b1)).powi(2) * 1.3)
}

/// The glow of the air at the edge; `far` is the distance from the middle, 1 at the edge.
fn air(far: f32, [x, y]: [f32; 2], sun: [f32; 3]) -> Rgb {
    let lit = smooth(-0.25, 0.6, (x * sun[0] + y * sun[1]) / far + 0.35 * sun[2]);
    let low = sun[2] < 0.5;
    let warm = if low { hex(0xffa868) } else { hex(0xbfe2ff) };
    let out = (far - 1.0).max(0.0);
    let inside = (1.0 - far).max(0.0);
    let blue = hex(0x4a9cff) * ((-out * 95.0).exp() * (-inside * 22.0).exp() * 0.6 * (0.06 + lit));
    let rim = warm * ((-out * 190.0).exp() * (-inside * 90.0).exp() * 0.9 * lit);
    blue + rim
}

/// Sea, land and clouds in the light of the sun.
fn ground([x, y]: [f32; 2], sun: [f32; 3], seed: u32) -> Rgb {
    let z = (1.0 - x * x - y * y).max(0.0).sqrt();
    let facing = x * sun[0] + y * sun[1] + z * sun[2];
    let day = smooth(-0.08, 0.35, facing);
    let (s, t) = (x / (0.3 + z) * 3.0, y / (0.3 + z) * 3.0);
    let height = fbm(s * 0.8, t * 0.8, 5, seed) - 0.02;
    let land = smooth(0.0, 0.05, height);
    let dry = smooth(-0.2, 0.3, fbm(s * 0.6 + 5.0, t * 0.6, 3, seed ^ 1));
    let soil = hex(0x4a6a3c).mix(hex(0xa8885c), dry) * (0.9 + 0.6 * fbm(s * 6.0, t * 6.0, 3, seed ^ 2));
    let shallow = smooth(-0.14, 0.0, height);
    let sea = hex(0x0c3468).mix(hex(0x1d6a92), shallow * 0.7);
    let warp = fbm(s * 1.2, t * 1.2, 3, seed ^ 3);
    let cloud = smooth(0.02, 0.42, fbm(s * 1.5 + warp, t * 2.2 + warp, 6, seed ^ 4) + 0.08);
    let bare = sea.mix(soil, land);
    let lit = bare.mix(hex(0xf4f6fa), cloud * 0.92) * lerp(0.02, 0.9, day * (0.45 + 0.55 * facing.max(0.0)));
    let lamps = land * (1.0 - day) * (1.0 - cloud) * smooth(0.1, 0.5, fbm(s * 9.0, t * 9.0, 4, seed ^ 5));
    // Air in front of the ground, thicker towards the edge.
    let veil = (1.0 - z).powi(3) * 0.7;
    (lit + hex(0xffb860) * (0.6 * lamps)).mix(hex(0x6aa6e8) * (0.85 * day), veil)
}
