//! Lamps, windows and the sun, and how much of their light reaches a point.

use super::super::colour::Rgb;
use super::tree::Tree;
use super::vector::Vec3;

/// The distance to surfaces within which shadows are not computed.
const MARGIN: f32 = 2e-3;

/// Something that gives light.
#[derive(Debug, Clone, Copy)]
pub(in crate::painter) enum Light {
    /// A window or a panel: its middle, the two directions from there to its edges, and its radiance. It shines in the
    /// direction of their cross product.
    Panel(Vec3, [Vec3; 2], Rgb),
    /// A round lamp: its middle, its radius, and its radiance.
    Globe(Vec3, f32, Rgb),
    /// The sun: the direction towards it, the tangent of its blur, and its light on a surface that faces it.
    Sun(Vec3, f32, Rgb),
}

impl Light {
    /// The light on a white surface at `point` from a random point of the light; `dice` are two numbers in 0..1.
    pub(in crate::painter) fn reach(&self, tree: &Tree, point: Vec3, normal: Vec3, dice: [f32; 2]) -> Rgb {
        let [a, b] = dice;
        let start = point + normal * MARGIN;
        match *self {
            Self::Panel(middle, [across, down], radiance) => {
                let facing = across.cross(down);
                let target = middle + across * (2.0 * a - 1.0) + down * (2.0 * b - 1.0);
                let way = target - start;
                let distance = way.len();
                let toward = way * (1.0 / distance);
                let size = facing.len() * 4.0;
                let faces = toward.dot(normal) * -toward.dot(facing.unit());
                if toward.dot(normal) <= 0.0 || toward.dot(facing) >= 0.0 {
                    return Rgb::default();
                }
                let blocked = tree.is_blocked(start, toward, distance - MARGIN);
                let share = (faces * size / (distance * distance * std::f32::consts::PI)).min(4.0);
                if blocked { Rgb::default() } else { radiance * share }
            }
            Self::Globe(middle, radius, radiance) => {
                let [x, y] = (start - middle).unit().tangents();
                let r = radius * a.sqrt();
                let (sin, cos) = (b * std::f32::consts::TAU).sin_cos();
                let way = middle + x * (r * cos) + y * (r * sin) - start;
                let distance = way.len();
                let toward = way * (1.0 / distance);
                let face = toward.dot(normal);
                if face <= 0.0 || tree.is_blocked(start, toward, distance - radius - MARGIN) {
                    return Rgb::default();
                }
                radiance * (face * (radius * radius / (distance * distance)).min(1.0))
            }
            Self::Sun(toward, blur, light) => {
                let [x, y] = toward.tangents();
                let toward = (toward + x * (blur * (2.0 * a - 1.0)) + y * (blur * (2.0 * b - 1.0))).unit();
                let face = toward.dot(normal);
                if face <= 0.0 || tree.is_blocked(start, toward, 1e3) {
                    return Rgb::default();
                }
                light * face
            }
        }
    }
}
