//! Vectors in metres: x to the right, y up, z away from the viewer.

use std::ops::{Add, Mul, Neg, Sub};

/// A point or a direction.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(in crate::painter) struct Vec3 {
    pub(in crate::painter) x: f32,
    pub(in crate::painter) y: f32,
    pub(in crate::painter) z: f32,
}

pub(in crate::painter) const fn vec3(x: f32, y: f32, z: f32) -> Vec3 {
    Vec3 { x, y, z }
}

impl Add for Vec3 {
    type Output = Self;
    fn add(self, o: Self) -> Self {
        vec3(self.x + o.x, self.y + o.y, self.z + o.z)
    }
}

impl Sub for Vec3 {
    type Output = Self;
    fn sub(self, o: Self) -> Self {
        vec3(self.x - o.x, self.y - o.y, self.z - o.z)
    }
}

impl Neg for Vec3 {
    type Output = Self;
    fn neg(self) -> Self {
        vec3(-self.x, -self.y, -self.z)
    }
}

impl Mul<f32> for Vec3 {
    type Output = Self;
    fn mul(self, k: f32) -> Self {
        vec3(self.x * k, self.y * k, self.z * k)
    }
}

impl Vec3 {
    pub(in crate::painter) const UP: Self = vec3(0.0, 1.0, 0.0);

    pub(in crate::painter) fn dot(self, o: Self) -> f32 {
        self.x * o.x + self.y * o.y + self.z * o.z
    }

    pub(in crate::painter) fn cross(self, o: Self) -> Self {
        vec3(self.y * o.z - self.z * o.y, self.z * o.x - self.x * o.z, self.x * o.y - self.y * o.x)
    }

    pub(in crate::painter) fn len(self) -> f32 {
        self.dot(self).sqrt()
    }

    pub(in crate::painter) fn unit(self) -> Self {
        self * (1.0 / self.len().max(1e-12))
    }

    /// Component by component.
    pub(in crate::painter) fn times(self, o: Self) -> Self {
        vec3(self.x * o.x, self.y * o.y, self.z * o.z)
    }

    pub(in crate::painter) fn abs(self) -> Self {
        vec3(self.x.abs(), self.y.abs(), self.z.abs())
    }

    pub(in crate::painter) fn min(self, o: Self) -> Self {
        vec3(self.x.min(o.x), self.y.min(o.y), self.z.min(o.z))
    }

    pub(in crate::painter) fn max(self, o: Self) -> Self {
        vec3(self.x.max(o.x), self.y.max(o.y), self.z.max(o.z))
    }

    pub(in crate::painter) fn inverse(self) -> Self {
        vec3(1.0 / self.x, 1.0 / self.y, 1.0 / self.z)
    }

    /// Two directions perpendicular to this unit vector and to each other (Duff et al. 2017).
    pub(in crate::painter) fn tangents(self) -> [Self; 2] {
        let sign = if self.z < 0.0 { -1.0 } else { 1.0 };
        let a = -1.0 / (sign + self.z);
        let b = self.x * self.y * a;
        [vec3(1.0 + sign * self.x * self.x * a, sign * b, -sign * self.x), vec3(b, sign + self.y * self.y * a, -self.y)]
    }
}
