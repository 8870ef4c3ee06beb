//! A Japanese garden.

use super::super::Stage;
use super::super::colour::{Rgb, hex};
use super::super::noise::lerp;
use super::super::scene::{Scene, Season, Thing, Time};
use super::super::trace::{Light, Shape, Solid, Surface, Texture, Vec3, vec3};
use super::{Builder, cloth, viewer, wood};

/// The colours of leaves, shrubs and ground in a season.
#[derive(Clone, Copy)]
struct Planting {
    maple: [u32; 3],
    other: [u32; 3],
    shrub: u32,
    gravel: u32,
    moss: u32,
}

impl Planting {
    fn of(season: Option<Season>) -> Self {
        match season {
            None => Self {
                maple: [0x9c3a24, 0xb4502c, 0x7c2c20],
                other: [0x4c7434, 0x6a8c40, 0x3c602e],
                shrub: 0x4c6240,
                gravel: 0xcac5b8,
                moss: 0x66704a,
            },
            Some(Season::Spring) => Self {
                maple: [0xf0c0c8, 0xf6d8dc, 0xe4a4b4],
                other: [0x7c9c48, 0x96b058, 0x648838],
                shrub: 0x607848,
                gravel: 0xd0cbc0,
                moss: 0x707c4e,
            },
            Some(Season::Autumn) => Self {
                maple: [0xc0441c, 0xd8742c, 0x9c2c1c],
                other: [0xd8a034, 0xc07c2c, 0x9c7434],
                shrub: 0x5c6438,
                gravel: 0xc8c0b0,
                moss: 0x747040,
            },
            Some(Season::Winter) => Self {
                maple: [0xe8ecf0, 0xd4dce4, 0xf4f6f8],
                other: [0x586c58, 0xdce4ea, 0x44584a],
                shrub: 0xdde4ea,
                gravel: 0xe6eaf0,
                moss: 0xdce2ea,
            },
        }
    }
}

/// A garden of raked gravel with stones, clipped shrubs, maples, a stone lantern and a bamboo fence.
pub(in crate::painter) fn japanese_garden(stage: &mut Stage<'_>) {
    let mut scene = Builder::new(stage, Time::Day, Scene::Meadow);
    let planting = Planting::of(stage.reading.season);
    scene.outside.facing = 0.0;
    scene.outside.horizon = 0.58;
    scene.outside.gain = 1.0;
    scene.exposure *= 0.85;
    scene.haze = super::haze(stage, 0.0);
    sky(stage, &mut scene);
    ground(&mut scene, planting);
    fence(&mut scene);
    stones(&mut scene, planting);
    lantern(&mut scene, [-1.75, 4.4]);
    shrubs(&mut scene, planting);
    if !stage.lacks(Thing::Trees) {
        hedge(&mut scene, planting);
        tree(&mut scene, [2.5, 5.2], 2.1, planting.maple);
        tree(&mut scene, [-3.1, 5.9], 2.5, planting.other);
        tree(&mut scene, [0.6, 8.0], 2.6, planting.other);
    }
    let side = stage.rng.sign();
    let mut camera = viewer(0.0, side);
    camera.blur = 0.0075;
    scene.paint(stage, camera);
}

fn sky(stage: &Stage<'_>, scene: &mut Builder) {
    scene.sun(stage, [0.7, 0.75, -0.5]);
    let tint = if matches!(scene.hour.time, Time::Dusk | Time::Night) { hex(0xa8b8e8) } else { hex(0xdce8f4) };
    let edges = [vec3(0.0, 0.0, -14.0), vec3(-14.0, 0.0, 0.0)];
    scene.lights.push(Light::Panel(vec3(0.0, 11.0, 3.0), edges, tint * (0.5 * scene.hour.sky)));
}

fn ground(scene: &mut Builder, planting: Planting) {
    let gravel = Surface::new(hex(planting.gravel) * 0.62, Texture::Raked);
    scene.block([-12.0, -0.3, -3.0], [12.0, 0.0, 14.0], gravel);
    let moss = Surface::new(hex(planting.moss), Texture::Foliage);
    for (x, z, rx, rz) in [(-3.2, 5.6, 2.1, 1.6), (3.2, 5.4, 1.9, 1.5), (0.2, 8.2, 4.0, 1.8), (-1.0, 5.9, 0.9, 0.6)] {
        scene.ball([x, -0.06, z], [rx, 0.2, rz], moss);
    }
}

/// A fence of bamboo.
fn fence(scene: &mut Builder) {
    let mut x = -6.5;
    while x < 6.5 {
        let radius = scene.rng.range(0.028, 0.04);
        let cane = hex(scene.rng.pick(&[0xb09a60, 0xa08a54, 0xbca870])) * scene.rng.range(0.75, 1.0);
        scene.cone([x, 0.0, 9.6], [radius; 2], 1.55, Surface::new(cane, Texture::Wood(1)));
        x += radius * 2.05;
    }
    for y in [0.35, 0.9, 1.45] {
        scene.block([-6.5, y, 9.53], [6.5, y + 0.06, 9.58], wood(0x7a6438, 0));
    }
}

fn stone(scene: &mut Builder, [x, z]: [f32; 2], [wide, tall]: [f32; 2]) {
    let tone = scene.rng.pick(&[0x7c7a76, 0x6c6c6c, 0x8a847a]);
    for _ in 0..3 {
        let surface = Surface::new(hex(tone), Texture::Rock).seeded(scene.rng.seed());
        let shift = [scene.rng.range(-0.25, 0.25) * wide, scene.rng.range(-0.2, 0.2) * wide];
        let radii = [wide * scene.rng.range(0.5, 0.8), tall * scene.rng.range(0.7, 1.0), wide * 0.6];
        scene.ball([x + shift[0], tall * 0.1, z + shift[1]], radii, surface);
    }
}

fn stones(scene: &mut Builder, planting: Planting) {
    for (x, z, wide, tall) in [
        (-2.2, 5.2, 0.5, 0.5),
        (-1.35, 5.3, 0.3, 0.26),
        (2.3, 4.6, 0.55, 0.42),
        (1.65, 4.9, 0.3, 0.6),
        (2.9, 4.2, 0.35, 0.24),
        (0.9, 6.6, 0.45, 0.4),
        (-0.6, 6.2, 0.4, 0.3),
    ] {
        let jitter = [scene.rng.range(-0.15, 0.15), scene.rng.range(-0.2, 0.2)];
        stone(scene, [x + jitter[0], z + jitter[1]], [wide, tall]);
        let moss = Surface::new(hex(planting.moss), Texture::Foliage);
        scene.ball([x, -0.03, z], [wide * 1.35, 0.09, wide * 1.1], moss);
    }
}

/// Trees behind the fence.
fn hedge(scene: &mut Builder, planting: Planting) {
    for i in 0..13 {
        let x = -7.8 + 1.3 * i as f32 + scene.rng.range(-0.4, 0.4);
        let tall = scene.rng.range(1.3, 2.3);
        let tone = hex(planting.other[i % 3]).mix(hex(planting.shrub), 0.5) * scene.rng.range(0.55, 0.85);
        for _ in 0..9 {
            let surface = Surface::new(tone * scene.rng.range(0.8, 1.2), Texture::Foliage).seeded(scene.rng.seed());
            let at =
                [x + scene.rng.range(-0.9, 0.9), tall * scene.rng.range(0.75, 1.25), 11.2 + scene.rng.range(-0.4, 0.6)];
            let size = scene.rng.range(0.3, 0.65);
            scene.ball(at, [size, size * 0.85, size], surface);
        }
        let surface = Surface::new(tone * 0.8, Texture::Foliage);
        scene.ball([x, 0.6, 11.4], [1.1, tall, 0.8], surface);
    }
}

/// A stone lantern, lit in the evening.
fn lantern(scene: &mut Builder, [x, z]: [f32; 2]) {
    let rock = || Surface::new(hex(0x8c8880), Texture::Rock);
    scene.cone([x, 0.0, z], [0.27, 0.22], 0.14, rock());
    scene.cone([x, 0.14, z], [0.11, 0.095], 0.55, rock());
    scene.cone([x, 0.69, z], [0.13, 0.25], 0.12, rock());
    for [dx, dz] in [[-0.13, -0.13], [0.13, -0.13], [-0.13, 0.13], [0.13, 0.13]] {
        scene.block([x + dx - 0.03, 0.8, z + dz - 0.03], [x + dx + 0.03, 1.04, z + dz + 0.03], rock());
    }
    scene.cone([x, 1.04, z], [0.4, 0.09], 0.2, rock());
    scene.ball([x, 1.28, z], [0.07, 0.09, 0.07], rock());
    if scene.hour.lamp > 0.6 {
        let glow = Surface::plain(hex(0xffe0b0)).glowing(hex(0xffc070) * 1.6);
        let mut flame = Solid::new(Shape::Ball(vec3(0.08, 0.1, 0.08)), vec3(x, 0.92, z), glow);
        flame.casts = false;
        scene.add(flame);
        scene.globe([x, 0.92, z], 0.07, 0.1);
    } else {
        scene.block([x - 0.1, 0.8, z - 0.1], [x + 0.1, 1.04, z + 0.1], cloth(0x6a665e));
    }
}

/// Clipped shrubs along the sides and the fence.
fn shrubs(scene: &mut Builder, planting: Planting) {
    for (x, z, wide, tall) in [
        (-3.4, 5.0, 0.75, 0.62),
        (-2.75, 6.3, 0.8, 0.75),
        (-4.3, 6.4, 1.0, 0.95),
        (3.5, 4.7, 0.8, 0.7),
        (3.1, 6.2, 0.7, 0.6),
        (4.4, 6.0, 1.0, 0.95),
        (-1.5, 7.7, 0.85, 0.62),
        (1.9, 7.6, 0.9, 0.7),
        (0.2, 8.9, 1.1, 0.72),
    ] {
        let tone = hex(planting.shrub) * scene.rng.range(0.75, 1.15);
        for _ in 0..4 {
            let surface = Surface::new(tone, Texture::Foliage).seeded(scene.rng.seed());
            let shift = [scene.rng.range(-0.3, 0.3) * wide, scene.rng.range(-0.3, 0.3) * wide];
            let size = wide * scene.rng.range(0.6, 0.85);
            let rise = tall * scene.rng.range(0.6, 0.75);
            scene.ball([x + shift[0], tall * 0.3, z + shift[1]], [size, rise, size], surface);
        }
    }
}

/// A tree with clouds of leaves.
fn tree(scene: &mut Builder, [x, z]: [f32; 2], height: f32, colours: [u32; 3]) {
    let bark = Surface::new(hex(0x4a3a2e), Texture::Rock);
    let crowns = 7;
    limb(scene, vec3(x, 0.0, z), vec3(x + 0.15, height * 0.55, z), [0.075, 0.05], bark);
    for i in 0..crowns {
        let turn = i as f32 * 2.4 + scene.rng.range(-0.3, 0.3);
        let out = scene.rng.range(0.45, 1.0) * height * 0.42;
        let rise = lerp(0.62, 1.0, i as f32 / crowns as f32) * height;
        let at = vec3(x + out * turn.cos(), rise, z + 0.6 * out * turn.sin());
        limb(scene, vec3(x + 0.12, height * 0.5, z), at, [0.03, 0.012], bark);
        let size = height * scene.rng.range(0.2, 0.3);
        crown(scene, at, size, colours);
    }
}

/// A branch between two points.
fn limb(scene: &mut Builder, from: Vec3, to: Vec3, radii: [f32; 2], bark: Surface) {
    let way = to - from;
    let up = way.unit();
    let [across, other] = up.tangents();
    let shape = Shape::Cone(radii[0], radii[1], way.len() * 0.5, false);
    let mut solid = Solid::new(shape, (from + to) * 0.5, bark);
    solid.axes = [across, up, other];
    scene.add(solid);
}

/// A dense core with leaves around it.
fn crown(scene: &mut Builder, middle: Vec3, size: f32, colours: [u32; 3]) {
    let core = Surface::new(hex(colours[2]) * 0.9, Texture::Foliage).seeded(scene.rng.seed());
    scene.ball([middle.x, middle.y, middle.z], [size * 0.62, size * 0.3, size * 0.62], core);
    for _ in 0..240 {
        let out = vec3(scene.rng.range(-1.0, 1.0), scene.rng.range(-1.0, 1.0), scene.rng.range(-1.0, 1.0));
        // On a flat cloud around the core.
        let reach = out.len().max(0.4) * scene.rng.range(0.9, 1.5);
        let at = middle + vec3(out.x, 0.5 * out.y, out.z) * (size / reach);
        let tone: Rgb = hex(scene.rng.pick(&colours)) * scene.rng.range(0.8, 1.2);
        let along = vec3(scene.rng.range(-1.0, 1.0), scene.rng.range(-0.7, 0.3), scene.rng.range(-1.0, 1.0)).unit();
        let across = along.cross(vec3(0.2, 1.0, 0.1)).unit();
        let length = size * scene.rng.range(0.17, 0.28);
        let mut leaf = Solid::new(Shape::Leaf(length, length * 0.36), at, Surface::plain(tone));
        leaf.axes = [along, across.cross(along), across];
        scene.add(leaf);
    }
}
