//! A coral reef under water.

use super::super::Stage;
use super::super::canvas::Canvas;
use super::super::colour::{Rgb, hex};
use super::super::noise::{fbm, lerp, noise, smooth};
use super::super::scene::{Thing, Time};
use super::super::trace::{Light, Shape, Solid, Surface, Texture, Vec3, vec3};
use super::{Builder, Hour, viewer};

/// The colours of corals, muted.
const CORALS: [u32; 8] = [0xc8705c, 0xd8986a, 0xa86a8c, 0xc8a860, 0x7a6a9c, 0xd88a84, 0x8a9a5c, 0xb85a64];

/// Rocks with corals and fish on both sides, sand between them, and light from the surface.
pub(in crate::painter) fn reef(stage: &mut Stage<'_>) {
    let hour = Hour::new(stage.time(Time::Day));
    let canvas = water(stage, hour.time);
    let mut scene = Builder::with_view(stage, hour, canvas);
    scene.outside.horizon = 0.5;
    scene.outside.facing = 0.0;
    scene.haze = 0.13;
    scene.exposure = hour.exposure * 0.95;
    let sand = Surface::new(hex(0xd0c4a4), Texture::Caustics).seeded(stage.seed);
    scene.block([-30.0, -0.3, -3.0], [30.0, 0.0, 40.0], sand);
    bank(&mut scene, -1.0, stage.rng.range(1.4, 1.9));
    bank(&mut scene, 1.0, stage.rng.range(1.7, 2.3));
    if !stage.lacks(Thing::Fish) {
        for side in [-1.0, 1.0] {
            shoal(&mut scene, side);
        }
    }
    let sun = hex(0xd8fff4) * (0.6 * hour.sky);
    scene.lights.push(Light::Sun(vec3(0.25, 1.0, -0.35).unit(), 0.08, sun));
    let edges = [vec3(0.0, 0.0, -9.0), vec3(-9.0, 0.0, 0.0)];
    scene.lights.push(Light::Panel(vec3(0.0, 7.0, 5.0), edges, hex(0x8ad8e8) * hour.sky));
    // The light that the water scatters onto what faces the viewer.
    let edges = [vec3(6.0, 0.0, 0.0), vec3(0.0, 3.0, 0.0)];
    scene.lights.push(Light::Panel(vec3(0.0, 3.0, -2.6), edges, hex(0xa8dce4) * (0.5 * hour.sky)));
    let side = stage.rng.sign();
    let mut camera = viewer(0.0, side);
    camera.blur = 0.0045;
    scene.paint(stage, camera);
    rays(stage, hour.time);
    specks(stage);
}

/// The water behind everything: bright at the surface, dark in the deep.
fn water(stage: &mut Stage<'_>, time: Time) -> Canvas {
    let (top, middle, deep) = match time {
        Time::Day => (0xa8ecf0, 0x3a9cc0, 0x0f4a78),
        Time::Sunrise => (0xf8dcb8, 0x5aa0b4, 0x184a70),
        Time::Sunset => (0xf0b890, 0x4a84a0, 0x1a3c62),
        Time::Dusk => (0x6a8ab0, 0x2a5a88, 0x0e2c50),
        Time::Night => (0x2c527c, 0x123458, 0x071a34),
    };
    let height = (stage.canvas.height / 2).max(8);
    let mut canvas = Canvas::new(height * 5 / 2, height);
    let seed = stage.rng.seed();
    canvas.each(|u, v, _| {
        let swell = 0.05 * fbm(u * 2.0, v * 2.0, 3, seed);
        let base = hex(middle).mix(hex(deep), smooth(0.3, 0.85, v + swell));
        let bright = smooth(0.42, -0.05, v + swell + 0.12 * u * u);
        let ripple = smooth(0.12, 0.0, v) * noise(u * 9.0, v * 60.0, seed ^ 1).max(0.0);
        base.mix(hex(top), bright * 0.9) + hex(top) * (0.5 * ripple)
    });
    canvas
}

/// A heap of rocks on one side, covered with corals.
fn bank(scene: &mut Builder, side: f32, height: f32) {
    for i in 0..34 {
        let near = i as f32 / 34.0;
        let z = lerp(7.5, 2.4, near) + scene.rng.range(-0.3, 0.3);
        let out = scene.rng.range(0.0, 1.0);
        let x = side * (0.62 * z * (0.62 + 0.55 * out) + 0.35);
        let top = height * lerp(0.35, 1.0, out) * lerp(1.0, 0.55, near) * scene.rng.range(0.6, 1.0);
        let wide = scene.rng.range(0.3, 0.62);
        rock(scene, [x, z], wide, top);
        for _ in 0..3 {
            let [dx, dz] = [scene.rng.range(-0.6, 0.6) * wide, -scene.rng.range(0.0, 0.5) * wide];
            let rise = top * scene.rng.range(0.75, 0.95);
            coral(scene, vec3(x + dx, rise, z + dz));
        }
    }
}

fn rock(scene: &mut Builder, [x, z]: [f32; 2], wide: f32, top: f32) {
    let tone = scene.rng.pick(&[0x8a7a6a, 0x7c7674, 0x94806a, 0x847684]);
    for _ in 0..3 {
        let surface = Surface::new(hex(tone), Texture::Rock).seeded(scene.rng.seed());
        let at = [x + scene.rng.range(-0.3, 0.3) * wide, top * 0.4, z + scene.rng.range(-0.3, 0.3) * wide];
        let tall = top * scene.rng.range(0.45, 0.6);
        let radii = [wide * scene.rng.range(0.6, 1.0), tall, wide * scene.rng.range(0.6, 1.0)];
        scene.ball(at, radii, surface);
    }
}

fn coral(scene: &mut Builder, at: Vec3) {
    let tone = hex(scene.rng.pick(&CORALS)) * scene.rng.range(0.8, 1.25);
    match scene.rng.pick(&[0, 0, 1, 2, 3]) {
        0 => {
            let size = scene.rng.range(0.14, 0.26);
            branch(scene, at, Vec3::UP, size, tone, 3);
        }
        1 => fan(scene, at, tone),
        2 => {
            let size = scene.rng.range(0.1, 0.22);
            let surface = Surface::new(tone, Texture::Wool).seeded(scene.rng.seed());
            scene.ball([at.x, at.y, at.z], [size, size * 0.8, size], surface);
        }
        _ => tubes(scene, at, tone),
    }
}

/// Directs the y axis of a solid.
fn directed(mut solid: Solid, up: Vec3) -> Solid {
    let [across, other] = up.tangents();
    solid.axes = [across, up, other];
    solid
}

/// A coral that divides into thinner branches.
fn branch(scene: &mut Builder, at: Vec3, up: Vec3, size: f32, tone: Rgb, depth: u32) {
    let surface = Surface::plain(tone.mix(Rgb::WHITE, 0.08 * (3 - depth) as f32));
    let thick = size * 0.13;
    let shape = Shape::Cone(thick, thick * 0.7, size * 0.5, true);
    scene.add(directed(Solid::new(shape, at + up * (size * 0.5), surface), up));
    let end = at + up * size;
    if depth == 0 {
        scene.ball([end.x, end.y, end.z], [thick * 0.8; 3], surface);
        return;
    }
    for _ in 0..3 {
        let stray = vec3(scene.rng.range(-0.7, 0.7), scene.rng.range(-0.1, 0.5), scene.rng.range(-0.7, 0.7));
        branch(scene, end, (up + stray).unit(), size * 0.72, tone, depth - 1);
    }
}

/// A flat coral of leaves in one plane.
fn fan(scene: &mut Builder, at: Vec3, tone: Rgb) {
    let turn = scene.rng.range(-0.6, 0.6);
    let across = vec3(turn.cos(), 0.0, turn.sin());
    for i in 0..13 {
        let angle = lerp(-1.15, 1.15, i as f32 / 12.0);
        let along = (Vec3::UP * angle.cos() + across * angle.sin()).unit();
        let length = scene.rng.range(0.3, 0.46);
        let mut leaf = Solid::new(Shape::Leaf(length, 0.026), at, Surface::new(tone, Texture::Wool));
        leaf.axes = [along, across.cross(Vec3::UP), along.cross(across.cross(Vec3::UP))];
        scene.add(leaf);
    }
}

fn tubes(scene: &mut Builder, at: Vec3, tone: Rgb) {
    for _ in 0..5 {
        let foot = [at.x + scene.rng.range(-0.12, 0.12), at.y - 0.05, at.z + scene.rng.range(-0.1, 0.1)];
        let tall = scene.rng.range(0.15, 0.36);
        let surface = Surface::new(tone, Texture::Wool).seeded(scene.rng.seed());
        let shape = Shape::Cone(0.035, 0.055, tall * 0.5, false);
        scene.add(Solid::new(shape, vec3(foot[0], foot[1] + tall * 0.5, foot[2]), surface));
    }
}

/// Fish that swim the same way.
fn shoal(scene: &mut Builder, side: f32) {
    let tone = hex(scene.rng.pick(&[0xe0b840, 0xd8e0e4, 0x6a98d0, 0xe08a4c]));
    let middle = [side * scene.rng.range(1.3, 2.2), scene.rng.range(1.7, 2.2), scene.rng.range(4.2, 6.0)];
    let toward = scene.rng.sign();
    for _ in 0..14 {
        let place = vec3(
            middle[0] + scene.rng.range(-0.7, 0.7),
            middle[1] + scene.rng.range(-0.28, 0.28),
            middle[2] + scene.rng.range(-0.7, 0.7),
        );
        let size = scene.rng.range(0.035, 0.062);
        let surface = Surface::plain(tone * scene.rng.range(0.8, 1.1)).glossy(0.3, 0.3);
        scene.ball([place.x, place.y, place.z], [size, size * 0.45, size * 0.2], surface);
        let tail = vec3(place.x - toward * size * 1.55, place.y, place.z);
        let mut leaf = Solid::new(Shape::Leaf(size * 0.9, size * 0.32), tail, surface);
        leaf.axes = [vec3(toward, 0.0, 0.0), vec3(0.0, 0.0, -1.0), Vec3::UP];
        scene.add(leaf);
    }
}

/// Beams of light from the surface.
fn rays(stage: &mut Stage<'_>, time: Time) {
    let light = match time {
        Time::Day => hex(0xc8fff4) * 0.2,
        Time::Sunrise | Time::Sunset => hex(0xffe0b8) * 0.14,
        Time::Dusk | Time::Night => hex(0x8ab0e0) * 0.03,
    };
    let from = [stage.rng.range(-0.4, 0.4), -0.55];
    let seed = stage.seed ^ 0x17;
    stage.canvas.each(|u, v, under| {
        let angle = (u - from[0]) / (v - from[1]);
        let beams = smooth(-0.05, 0.75, noise(angle * 7.0, 0.4, seed) + 0.5 * noise(angle * 17.0, 0.7, seed ^ 1));
        under + light * (beams * (1.0 - smooth(0.0, 0.95, v)) * smooth(1.1, 0.0, angle.abs()))
    });
}

/// Particles and bubbles in the water.
fn specks(stage: &mut Stage<'_>) {
    let reach = stage.canvas.reach();
    for _ in 0..70 {
        let at = [stage.rng.range(-reach, reach), stage.rng.range(0.0, 0.85)];
        let size = stage.rng.range(0.0012, 0.004);
        let strength = stage.rng.range(0.02, 0.1);
        stage.canvas.bokeh(at, size, hex(0xc8f0f4) * strength);
    }
}
