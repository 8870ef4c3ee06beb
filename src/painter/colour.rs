//! Colours in linear light, and perceptually even ramps between them.

use std::ops::{Add, Mul};

/// Linear light with sRGB primaries; 1 is white, brighter values are allowed.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Rgb(pub(super) [f32; 3]);

impl Add for Rgb {
    type Output = Self;
    fn add(self, o: Self) -> Self {
        Self([self.0[0] + o.0[0], self.0[1] + o.0[1], self.0[2] + o.0[2]])
    }
}

impl Mul for Rgb {
    type Output = Self;
    fn mul(self, o: Self) -> Self {
        Self([self.0[0] * o.0[0], self.0[1] * o.0[1], self.0[2] * o.0[2]])
    }
}

impl Mul<f32> for Rgb {
    type Output = Self;
    fn mul(self, k: f32) -> Self {
        Self(self.0.map(|c| c * k))
    }
}

impl Rgb {
    pub(super) const WHITE: Self = Self([1.0; 3]);

    /// Rec. 709 luminance.
    pub(super) fn luma(self) -> f32 {
        self.0[0] * 0.2126 + self.0[1] * 0.7152 + self.0[2] * 0.0722
    }

    pub(super) fn mix(self, other: Self, share: f32) -> Self {
        self * (1.0 - share) + other * share
    }

    /// Scales the saturation: 0 gives grey, 1 no change.
    pub(super) fn saturate(self, amount: f32) -> Self {
        let grey = self.luma();
        Self(self.0.map(|c| (grey + (c - grey) * amount).max(0.0)))
    }
}

/// The colour written `0xRRGGBB` in sRGB.
pub(super) fn hex(code: u32) -> Rgb {
    srgb([(code >> 16) as u8, (code >> 8) as u8, code as u8])
}

pub(super) fn srgb(bytes: [u8; 3]) -> Rgb {
    Rgb(bytes.map(|byte| {
        let c = f32::from(byte) / 255.0;
        if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
    }))
}

/// The sRGB transfer function, 0..=1 to 0..=1.
pub(super) fn encode(c: f32) -> f32 {
    if c <= 0.003_130_8 { c * 12.92 } else { 1.055 * c.powf(1.0 / 2.4) - 0.055 }
}

/// Converts to Oklab (Ottosson 2020), a perceptually uniform colour space.
pub(super) fn to_oklab(c: Rgb) -> [f32; 3] {
    let [r, g, b] = c.0;
    let l = (0.412_221_46 * r + 0.536_332_55 * g + 0.051_445_995 * b).max(0.0).cbrt();
    let m = (0.211_903_5 * r + 0.680_699_5 * g + 0.107_396_96 * b).max(0.0).cbrt();
    let s = (0.088_302_46 * r + 0.281_718_85 * g + 0.629_978_7 * b).max(0.0).cbrt();
    [
        0.210_454_26 * l + 0.793_617_8 * m - 0.004_072_047 * s,
        1.977_998_5 * l - 2.428_592_2 * m + 0.450_593_7 * s,
        0.025_904_037 * l + 0.782_771_77 * m - 0.808_675_77 * s,
    ]
}

pub(super) fn from_oklab([l, a, b]: [f32; 3]) -> Rgb {
    let cube = |x: f32| x * x * x;
    let p = cube(l + 0.396_337_78 * a + 0.215_803_76 * b);
    let q = cube(l - 0.105_561_346 * a - 0.063_854_17 * b);
    let r = cube(l - 0.089_484_18 * a - 1.291_485_5 * b);
    Rgb([
        (4.076_741_7 * p - 3.307_711_6 * q + 0.230_969_94 * r).max(0.0),
        (-1.268_438 * p + 2.609_757_4 * q - 0.341_319_38 * r).max(0.0),
        (-0.004_196_086_3 * p - 0.703_418_6 * q + 1.707_614_7 * r).max(0.0),
    ])
}

/// A colour ramp from 0 to 1, interpolated in Oklab.
#[derive(Debug, Clone)]
pub(super) struct Ramp(Vec<Rgb>);

impl Ramp {
    const STEPS: usize = 256;

    /// A ramp with evenly spaced `stops`, at least two.
    pub(super) fn new(stops: &[Rgb]) -> Self {
        let lab: Vec<_> = stops.iter().map(|&c| to_oklab(c)).collect();
        let table = (0..=Self::STEPS).map(|i| {
            let at = i as f32 / Self::STEPS as f32 * (lab.len() - 1) as f32;
            let left = (at as usize).min(lab.len() - 2);
            let t = at - left as f32;
            from_oklab(std::array::from_fn(|k| lab[left][k] + (lab[left + 1][k] - lab[left][k]) * t))
        });
        Self(table.collect())
    }

    pub(super) fn of(codes: &[u32]) -> Self {
        Self::new(&codes.iter().map(|&code| hex(code)).collect::<Vec<_>>())
    }

    pub(super) fn at(&self, t: f32) -> Rgb {
        let at = t.clamp(0.0, 1.0) * Self::STEPS as f32;
        let left = (at as usize).min(Self::STEPS - 1);
        self.0[left].mix(self.0[left + 1], at - left as f32)
    }
}
