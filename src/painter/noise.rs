//! Deterministic randomness: a generator, hashes, and smooth noise.

/// SplitMix64 (Steele, Lea, Flood 2014): small, accepts any seed, and random enough for placement.
#[derive(Debug, Clone)]
pub(super) struct Rng(u64);

impl Rng {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number in 0..1.
    pub(super) fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u32 << 24) as f32
    }

    pub(super) fn range(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    pub(super) fn chance(&mut self, share: f32) -> bool {
        self.unit() < share
    }

    /// -1 or 1.
    pub(super) fn sign(&mut self) -> f32 {
        if self.chance(0.5) { 1.0 } else { -1.0 }
    }

    pub(super) fn seed(&mut self) -> u32 {
        self.next() as u32
    }

    /// One of `items`, which must not be empty.
    pub(super) fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[(self.next() % items.len() as u64) as usize]
    }
}

/// FNV-1a: unlike the standard library's hash, it is stable across releases.
pub(super) fn stable_hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// A 32-bit hash of a lattice point.
#[inline]
pub(super) fn hash(x: i32, y: i32, seed: u32) -> u32 {
    let mut h =
        (x as u32).wrapping_mul(0x9e37_79b1) ^ (y as u32).wrapping_mul(0x85eb_ca77) ^ seed.wrapping_mul(0xc2b2_ae3d);
    h = (h ^ (h >> 15)).wrapping_mul(0x2c1b_3c6d);
    h = (h ^ (h >> 12)).wrapping_mul(0x297a_2d39);
    h ^ (h >> 15)
}

/// A hash as a number in 0..1.
#[inline]
pub(super) fn unit(hash: u32) -> f32 {
    (hash >> 8) as f32 / (1u32 << 24) as f32
}

#[inline]
fn slope(h: u32, dx: f32, dy: f32) -> f32 {
    // Eight gradient directions; the signs come from bits, which avoids a table.
    let (a, b) = if h & 4 == 0 { (dx, dy * 0.5) } else { (dy, dx * 0.5) };
    (if h & 1 == 0 { a } else { -a }) + (if h & 2 == 0 { b } else { -b })
}

/// Gradient noise, about -1 to 1, with features of size 1.
#[inline]
pub(super) fn noise(x: f32, y: f32, seed: u32) -> f32 {
    let (fx, fy) = (x.floor(), y.floor());
    let (ix, iy) = (fx as i32, fy as i32);
    let (dx, dy) = (x - fx, y - fy);
    let fade = |t: f32| t * t * t * (t * (t * 6.0 - 15.0) + 10.0);
    let (sx, sy) = (fade(dx), fade(dy));
    let corner =
        |cx: i32, cy: i32| slope(hash(ix.wrapping_add(cx), iy.wrapping_add(cy), seed), dx - cx as f32, dy - cy as f32);
    let top = lerp(corner(0, 0), corner(1, 0), sx);
    let bottom = lerp(corner(0, 1), corner(1, 1), sx);
    lerp(top, bottom, sy) * 1.3
}

/// Fractal noise: a sum of `octaves`, each with half the size and half the amplitude; about -1 to 1.
pub(super) fn fbm(mut x: f32, mut y: f32, octaves: u32, seed: u32) -> f32 {
    let mut sum = 0.0;
    let mut weight = 0.55;
    for octave in 0..octaves {
        sum += weight * noise(x, y, seed.wrapping_add(octave));
        weight *= 0.5;
        // Each octave is rotated, to hide the lattice.
        (x, y) = (1.6 * x + 1.2 * y + 3.1, 1.6 * y - 1.2 * x + 7.7);
    }
    sum
}

/// Ridged multifractal (Musgrave): sharp crests and soft valleys, about 0 to 1.
pub(super) fn ridged(mut x: f32, mut y: f32, octaves: u32, seed: u32) -> f32 {
    let mut sum = 0.0;
    let mut weight = 0.5;
    let mut gain = 1.0f32;
    for octave in 0..octaves {
        let crest = 1.0 - noise(x, y, seed.wrapping_add(octave)).abs();
        let crest = crest * crest * gain;
        sum += weight * crest;
        gain = (crest * 1.6).clamp(0.0, 1.0);
        weight *= 0.47;
        (x, y) = (1.6 * x + 1.2 * y + 1.3, 1.6 * y - 1.2 * x + 5.9);
    }
    sum
}

pub(super) fn lerp(a: f32, b: f32, t: f32) -> f32 {
    a + (b - a) * t
}

/// Smoothstep: 0 below `low`, 1 above `high`; reversed if `low` is greater than `high`.
pub(super) fn smooth(low: f32, high: f32, x: f32) -> f32 {
    let t = ((x - low) / (high - low)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// Displaces a point by noise, for edges that look hand-drawn; `size` is the size of the features.
pub(super) fn wobble(u: f32, v: f32, size: f32, amount: f32, seed: u32) -> [f32; 2] {
    let (x, y) = (u / size, v / size);
    [
        u + amount * (noise(x, y, seed) + 0.5 * noise(x * 2.7, y * 2.7, seed ^ 5)),
        v + amount * noise(x + 9.1, y + 3.7, seed ^ 3),
    ]
}
