//! The colour and texture of solids.

use super::super::colour::{Rgb, hex};
use super::super::noise::{fbm, hash, lerp, noise, smooth, unit};
use super::vector::Vec3;

/// What a surface looks like.
#[derive(Debug, Clone, Copy)]
pub(in crate::painter) struct Surface {
    pub(in crate::painter) colour: Rgb,
    pub(in crate::painter) texture: Texture,
    /// How much it mirrors when seen at a flat angle, 0 to 1.
    pub(in crate::painter) gloss: f32,
    /// How rough the mirror image is, 0 to 1.
    pub(in crate::painter) rough: f32,
    /// Its own light.
    pub(in crate::painter) glow: Rgb,
    pub(in crate::painter) seed: u32,
}

/// A pattern over the colour; sizes are in metres.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::painter) enum Texture {
    Plain,
    /// Slightly uneven paint.
    Plaster,
    /// Grain along one axis: 0 is x, 1 is y, 2 is z.
    Wood(u8),
    /// Boards of this width along one axis.
    Boards(u8, f32),
    /// Tiles of this width and height, in a running bond.
    Tiles(f32, f32),
    /// Bricks of this width and height.
    Bricks(f32, f32),
    /// Woven threads.
    Cloth,
    /// The cloth of a book with gold lines on its back.
    Spine,
    /// A coarse, deep weave or pile.
    Wool,
    /// A blackboard with traces of chalk.
    Slate,
    /// Marble or granite.
    Stone,
    /// Rough rock or bark.
    Rock,
    /// A blurred abstract picture between the colour and a second one.
    Picture(u32),
    /// Raked gravel.
    Raked,
    /// Sand under water, with a net of light.
    Caustics,
    /// Clipped leaves.
    Foliage,
    /// A lampshade: brighter in the middle.
    Shade,
}

impl Surface {
    pub(in crate::painter) fn new(colour: Rgb, texture: Texture) -> Self {
        Self { colour, texture, gloss: 0.0, rough: 0.3, glow: Rgb::default(), seed: 0 }
    }

    pub(in crate::painter) fn plain(colour: Rgb) -> Self {
        Self::new(colour, Texture::Plain)
    }

    pub(in crate::painter) fn glossy(mut self, gloss: f32, rough: f32) -> Self {
        self.gloss = gloss;
        self.rough = rough;
        self
    }

    pub(in crate::painter) fn glowing(mut self, glow: Rgb) -> Self {
        self.glow = glow;
        self
    }

    pub(in crate::painter) fn seeded(mut self, seed: u32) -> Self {
        self.seed = seed;
        self
    }

    /// The share of light that it reflects at a point, relative to its solid.
    pub(in crate::painter) fn albedo(&self, p: Vec3, normal: Vec3) -> Rgb {
        let flat = flattened(p, normal);
        let [s, t] = flat;
        let seed = self.seed;
        match self.texture {
            Texture::Plain => self.colour,
            Texture::Shade => self.colour * (1.0 + 0.05 * noise(s * 60.0, t * 260.0, seed)),
            Texture::Plaster => self.colour * (1.0 + 0.035 * fbm(s * 2.2, t * 2.2, 4, seed)),
            Texture::Wood(axis) => self.wood(p, axis),
            Texture::Boards(axis, width) => self.boards(p, normal, axis, width),
            Texture::Tiles(width, height) => self.tiles(flat, width, height, 0.08),
            Texture::Bricks(width, height) => {
                let rough = 1.0 + 0.18 * fbm(s * 30.0, t * 30.0, 3, seed);
                self.tiles(flat, width, height, 0.5) * rough
            }
            Texture::Cloth => {
                let weave = noise(s * 260.0, t * 60.0, seed) + noise(s * 60.0, t * 260.0, seed ^ 1);
                self.colour * (1.0 + 0.05 * weave + 0.05 * fbm(s * 9.0, t * 9.0, 2, seed ^ 2))
            }
            Texture::Spine => self.spine([s, t]),
            Texture::Wool => {
                let pile = fbm(s * 45.0, t * 45.0, 3, seed);
                self.colour * (1.0 + 0.16 * pile + 0.08 * fbm(s * 4.0, t * 4.0, 2, seed ^ 2))
            }
            Texture::Slate => {
                let wipe = fbm(s * 1.3 + 0.5 * noise(s, t * 2.0, seed), t * 3.0, 4, seed ^ 1);
                self.colour.mix(hex(0xdfe6e0), (0.05 + 0.06 * wipe).max(0.0))
            }
            Texture::Stone => {
                let vein = smooth(0.06, 0.0, fbm(s * 1.7, t * 1.7, 4, seed).abs());
                self.colour * (1.0 - 0.12 * vein + 0.04 * fbm(s * 14.0, t * 14.0, 3, seed ^ 1))
            }
            Texture::Rock => {
                let q = p.x * 0.7 + p.z * 0.7;
                self.colour * (1.0 + 0.35 * fbm(q * 7.0, p.y * 7.0, 5, seed) + 0.2 * fbm(s * 25.0, t * 25.0, 2, seed))
            }
            Texture::Picture(other) => {
                let shape = fbm(s * 2.4, t * 2.4 + 3.0, 3, seed);
                let second = self.colour.mix(hex(other), smooth(-0.12, 0.1, shape + t * 0.9));
                second.mix(hex(0xf2ede2), smooth(0.15, 0.3, fbm(s * 1.7 + 9.0, t * 1.7, 2, seed ^ 4)) * 0.7)
            }
            Texture::Raked => {
                let wave = (s * 52.0 + 1.2 * noise(t * 0.5, 0.3, seed)).sin();
                let grit = noise(s * 150.0, t * 150.0, seed ^ 1) + noise(s * 70.0, t * 70.0, seed ^ 3);
                self.colour * (1.0 + 0.13 * wave + 0.1 * grit)
            }
            Texture::Caustics => {
                let [x, z] = [s + 0.2 * noise(s * 2.0, t * 2.0, seed), t + 0.2 * noise(s * 2.0, t * 2.0, seed ^ 1)];
                let net = 1.0 - noise(x * 2.2, z * 2.2, seed).abs() - 0.5 * noise(x * 4.1, z * 4.1, seed ^ 2).abs();
                let ripple = 0.06 * (t * 40.0 + 4.0 * noise(s * 1.5, t * 1.5, seed ^ 4)).sin();
                self.colour * (0.8 + 0.7 * smooth(0.55, 1.0, net) + ripple)
            }
            Texture::Foliage => {
                let leaves = noise(s * 38.0, t * 38.0, seed) + 0.6 * noise(s * 80.0, t * 80.0, seed ^ 1);
                self.colour * (1.0 + 0.45 * leaves + 0.15 * fbm(s * 5.0, t * 5.0, 2, seed ^ 2)).max(0.2)
            }
        }
    }

    fn wood(&self, p: Vec3, axis: u8) -> Rgb {
        let [along, a, b] = along(p, axis);
        let seed = self.seed;
        let bend = 0.012 * noise(along * 1.6, a * 3.0 + b, seed ^ 1);
        let rings = noise((a + bend) * 34.0, (b + bend) * 34.0 + along * 0.35, seed);
        let fibre = noise((a + b) * 190.0, along * 4.0, seed ^ 2);
        let tone = 1.0 + 0.17 * rings + 0.07 * fibre + 0.06 * noise(along * 0.9, a * 2.0, seed ^ 3);
        let deep = Rgb([1.0, 0.97, 0.93]);
        self.colour.mix(self.colour * deep, smooth(0.0, 0.6, rings)) * tone
    }

    fn spine(&self, [s, t]: [f32; 2]) -> Rgb {
        let dice = unit(hash(1, 2, self.seed));
        let high = 0.05 + 0.05 * dice;
        let lines = smooth(0.004, 0.002, (t - high).abs()).max(smooth(0.004, 0.002, (t + high).abs()));
        let title = smooth(0.028, 0.02, (t - 0.6 * high).abs()) * smooth(0.007, 0.005, s.abs());
        let letters = title * (0.4 + 0.6 * noise(s * 300.0, t * 160.0, self.seed)).clamp(0.0, 1.0);
        let ink = if dice > 0.3 { hex(0xc0a060) } else { self.colour * 0.4 };
        let worn = 1.0 + 0.12 * fbm(s * 30.0, t * 14.0, 3, self.seed);
        self.colour.mix(ink, (0.45 * lines).max(0.5 * letters)) * worn
    }

    fn boards(&self, p: Vec3, normal: Vec3, axis: u8, width: f32) -> Rgb {
        let [length, a, b] = along(p, axis);
        let across = if axis == 0 && normal.y.abs() > 0.7 || axis == 1 && normal.x.abs() > 0.7 { b } else { a };
        let across = if axis == 2 && normal.x.abs() > 0.7 { b } else { across };
        let row = (across / width).floor();
        let shift = unit(hash(row as i32, 7, self.seed)) * 3.0;
        let piece = ((length + shift) / (width * 11.0)).floor();
        let dice = hash(row as i32, piece as i32, self.seed);
        let within = across / width - row;
        let end = ((length + shift) / (width * 11.0) - piece).min(1.0) * width * 11.0;
        let gap = smooth(0.0, 0.003, (within.min(1.0 - within)) * width) * smooth(0.0, 0.003, end);
        let own = Self { seed: dice, ..*self };
        own.wood(p, axis) * ((0.86 + 0.28 * unit(dice)) * lerp(0.45, 1.0, gap))
    }

    fn tiles(&self, [s, t]: [f32; 2], width: f32, height: f32, variety: f32) -> Rgb {
        let row = (t / height).floor();
        let x = s / width + 0.5 * row.rem_euclid(2.0);
        let (fx, fy) = (x - x.floor(), t / height - row);
        let edge = (fx.min(1.0 - fx) * width).min(fy.min(1.0 - fy) * height);
        let tone = 1.0 - variety * (unit(hash(x.floor() as i32, row as i32, self.seed)) - 0.4);
        self.colour * (lerp(0.72, 1.0, smooth(0.001, 0.004 + 0.01 * variety, edge)) * tone)
    }
}

/// The two coordinates on the face of a solid.
fn flattened(p: Vec3, normal: Vec3) -> [f32; 2] {
    let n = normal.abs();
    if n.y > n.x && n.y > n.z {
        [p.x, p.z]
    } else if n.x > n.z {
        [p.z, p.y]
    } else {
        [p.x, p.y]
    }
}

/// The coordinate along an axis, then the two others.
fn along(p: Vec3, axis: u8) -> [f32; 3] {
    match axis {
        0 => [p.x, p.y, p.z],
        1 => [p.y, p.x, p.z],
        _ => [p.z, p.x, p.y],
    }
}
