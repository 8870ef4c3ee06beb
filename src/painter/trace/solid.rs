//! Solids that a ray can hit: blocks, balls, cones, cushions, leaves.

use super::super::noise::smooth;
use super::surface::Surface;
use super::vector::{Vec3, vec3};

/// The shortest distance at which a ray hits, so that it does not hit where it starts.
const NEAR: f32 = 1e-3;

/// A shape around the origin.
#[derive(Debug, Clone, Copy)]
pub(in crate::painter) enum Shape {
    /// A box with half its size.
    Block(Vec3),
    /// A box with half its size, and the radius of its edges.
    Round(Vec3, f32),
    /// A cushion with half its size, thin along z.
    Cushion(Vec3),
    /// An ellipsoid with its radii.
    Ball(Vec3),
    /// A vertical cone with its radius at the bottom and at the top, half its height, and whether it has end caps.
    Cone(f32, f32, f32, bool),
    /// A leaf along x, from the origin, with its length and half its width.
    Leaf(f32, f32),
}

/// A shape at a place.
#[derive(Debug, Clone, Copy)]
pub(in crate::painter) struct Solid {
    pub(in crate::painter) shape: Shape,
    pub(in crate::painter) at: Vec3,
    /// The directions of its own x, y and z.
    pub(in crate::painter) axes: [Vec3; 3],
    pub(in crate::painter) surface: Surface,
    /// Whether it casts shadows.
    pub(in crate::painter) casts: bool,
}

/// Where a ray hits a solid.
#[derive(Debug, Clone, Copy)]
pub(in crate::painter) struct Hit {
    pub(in crate::painter) distance: f32,
    /// In the solid's own directions, towards the viewer.
    pub(in crate::painter) normal: Vec3,
    /// Relative to the solid, in its own directions.
    pub(in crate::painter) local: Vec3,
}

impl Solid {
    pub(in crate::painter) fn new(shape: Shape, at: Vec3, surface: Surface) -> Self {
        let axes = [vec3(1.0, 0.0, 0.0), Vec3::UP, vec3(0.0, 0.0, 1.0)];
        Self { shape, at, axes, surface, casts: true }
    }

    /// Turned around the vertical axis, then tilted back; in radians.
    pub(in crate::painter) fn turned(mut self, turn: f32, tilt: f32) -> Self {
        let (s, c) = turn.sin_cos();
        let (ts, tc) = tilt.sin_cos();
        self.axes = [vec3(c, 0.0, -s), vec3(s * ts, tc, c * ts), vec3(s * tc, -ts, c * tc)];
        self
    }

    fn inward(&self, v: Vec3) -> Vec3 {
        vec3(v.dot(self.axes[0]), v.dot(self.axes[1]), v.dot(self.axes[2]))
    }

    pub(in crate::painter) fn outward(&self, v: Vec3) -> Vec3 {
        self.axes[0] * v.x + self.axes[1] * v.y + self.axes[2] * v.z
    }

    /// The corners of a box around it.
    pub(in crate::painter) fn bounds(&self) -> [Vec3; 2] {
        let (middle, half) = match self.shape {
            Shape::Block(half) | Shape::Round(half, _) | Shape::Cushion(half) | Shape::Ball(half) => (self.at, half),
            Shape::Cone(bottom, top, half, _) => (self.at, vec3(bottom.max(top), half, bottom.max(top))),
            Shape::Leaf(length, width) => (self.at + self.axes[0] * (length * 0.5), vec3(length * 0.5, 0.002, width)),
        };
        let around = self.axes[0].abs() * half.x + self.axes[1].abs() * half.y + self.axes[2].abs() * half.z;
        [middle - around, middle + around]
    }

    /// The first hit of a ray before `far`.
    pub(in crate::painter) fn hit(&self, from: Vec3, toward: Vec3, far: f32) -> Option<Hit> {
        let o = self.inward(from - self.at);
        let d = self.inward(toward);
        let (distance, normal) = match self.shape {
            Shape::Block(half) => block(half, o, d),
            Shape::Round(half, radius) => march(half, o, d, |p| rounded(p, half, radius)),
            Shape::Cushion(half) => march(half, o, d, |p| puffed(p, half)),
            Shape::Ball(radii) => ball(radii, o, d),
            Shape::Cone(bottom, top, half, caps) => cone([bottom, top, half], caps, o, d),
            Shape::Leaf(length, width) => leaf(length, width, o, d),
        }?;
        let normal = if normal.dot(d) > 0.0 { -normal } else { normal };
        (distance < far).then_some(Hit { distance, normal, local: o + d * distance })
    }
}

/// The distances at which a ray enters and leaves a box of half size `half`, and the normal where it enters.
fn slabs(half: Vec3, o: Vec3, d: Vec3) -> Option<(f32, f32, Vec3)> {
    let inverse = d.inverse();
    let a = (-half - o).times(inverse);
    let b = (half - o).times(inverse);
    let near = a.min(b);
    let far = a.max(b);
    let enter = near.x.max(near.y).max(near.z);
    let leave = far.x.min(far.y).min(far.z);
    if !(enter <= leave && leave > NEAR) {
        return None;
    }
    let normal = if enter == near.x {
        vec3(-d.x.signum(), 0.0, 0.0)
    } else if enter == near.y {
        vec3(0.0, -d.y.signum(), 0.0)
    } else {
        vec3(0.0, 0.0, -d.z.signum())
    };
    Some((enter, leave, normal))
}

fn block(half: Vec3, o: Vec3, d: Vec3) -> Option<(f32, Vec3)> {
    let (enter, _, normal) = slabs(half, o, d)?;
    (enter > NEAR).then_some((enter, normal))
}

/// The distance to a box with rounded edges.
fn rounded(p: Vec3, half: Vec3, radius: f32) -> f32 {
    let q = p.abs() - half + vec3(radius, radius, radius);
    q.max(Vec3::default()).len() + q.x.max(q.y).max(q.z).min(0.0) - radius
}

/// About the distance to a cushion: nearly square, thick in the middle, thin at its edge.
fn puffed(p: Vec3, half: Vec3) -> f32 {
    let (x, y, z) = (p.x / half.x, p.y / half.y, p.z / half.z);
    let square = (x * x * x * x * x * x + y * y * y * y * y * y).cbrt();
    ((square + z * z).sqrt() - 1.0) * half.z * 0.8
}

/// Finds the surface of a shape within a box by sphere tracing.
fn march(half: Vec3, o: Vec3, d: Vec3, shape: impl Fn(Vec3) -> f32) -> Option<(f32, Vec3)> {
    let (enter, leave, _) = slabs(half, o, d)?;
    let mut t = enter.max(NEAR);
    for _ in 0..40 {
        let gap = shape(o + d * t);
        if gap < 4e-4 {
            if t <= NEAR * 2.0 {
                return None;
            }
            let p = o + d * t;
            let slope = |axis: Vec3| shape(p + axis * 1e-3) - shape(p - axis * 1e-3);
            let normal = vec3(slope(vec3(1.0, 0.0, 0.0)), slope(Vec3::UP), slope(vec3(0.0, 0.0, 1.0)));
            return Some((t, normal.unit()));
        }
        t += gap;
        if t > leave {
            return None;
        }
    }
    None
}

fn ball(radii: Vec3, o: Vec3, d: Vec3) -> Option<(f32, Vec3)> {
    let scale = radii.inverse();
    let (p, e) = (o.times(scale), d.times(scale));
    let a = e.dot(e);
    let b = p.dot(e);
    let root = b * b - a * (p.dot(p) - 1.0);
    if root < 0.0 {
        return None;
    }
    let root = root.sqrt();
    let t = [(-b - root) / a, (-b + root) / a].into_iter().find(|&t| t > NEAR)?;
    Some((t, (p + e * t).times(scale).unit()))
}

fn cone([bottom, top, half]: [f32; 3], caps: bool, o: Vec3, d: Vec3) -> Option<(f32, Vec3)> {
    let middle = (bottom + top) * 0.5;
    let slope = (top - bottom) / (2.0 * half);
    let radius = middle + slope * o.y;
    let a = d.x * d.x + d.z * d.z - slope * slope * d.y * d.y;
    let b = o.x * d.x + o.z * d.z - slope * d.y * radius;
    let root = b * b - a * (o.x * o.x + o.z * o.z - radius * radius);
    let mut best: Option<(f32, Vec3)> = None;
    let mut offer = |t: f32, normal: Vec3| {
        if t > NEAR && best.is_none_or(|(nearest, _)| t < nearest) {
            best = Some((t, normal));
        }
    };
    if root >= 0.0 && a.abs() > 1e-9 {
        for t in [(-b - root.sqrt()) / a, (-b + root.sqrt()) / a] {
            let p = o + d * t;
            if p.y.abs() <= half {
                offer(t, vec3(p.x, -slope * (middle + slope * p.y), p.z).unit());
            }
        }
    }
    if caps {
        for (y, r) in [(half, top), (-half, bottom)] {
            let t = (y - o.y) / d.y;
            let p = o + d * t;
            if p.x * p.x + p.z * p.z <= r * r {
                offer(t, vec3(0.0, y.signum(), 0.0));
            }
        }
    }
    best
}

fn leaf(length: f32, width: f32, o: Vec3, d: Vec3) -> Option<(f32, Vec3)> {
    let t = -o.y / d.y;
    let p = o + d * t;
    let along = p.x / length;
    if !(t > NEAR && (0.0..1.0).contains(&along)) {
        return None;
    }
    let half = width * 2.6 * along * (1.0 - along) * (1.35 - 0.7 * along);
    let across = p.z / half.max(1e-5);
    // The two sides of the middle rib face slightly apart.
    let fold = 0.4 * smooth(0.0, 0.3, across.abs()) * across.signum();
    (across.abs() < 1.0).then(|| (t, vec3(0.25 * (along - 0.4), 1.0, fold).unit()))
}
