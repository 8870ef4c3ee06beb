//! The colour of a screen, and the alpha and the spill of a pixel in front of it.

use multiversion::multiversion;

/// How much of a newly measured colour is used: light changes slowly, hands come and go.
const ADAPTATION: f32 = 0.1;

/// The share of the screen up to which a pixel is the person: noise, and spill on skin.
pub(super) const PERSON: f32 = 0.08;

/// The screen's colour.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    pub(super) u: f32,
    pub(super) v: f32,
    /// The share of the screen from which a pixel is background, for a screen lit as unevenly as this one.
    pub(super) full: f32,
}

impl Key {
    /// The share of the screen in a colour, from its U and V without the offset: 1 for the screen itself, 0 or less for
    /// other hues.
    pub(super) fn share(self, u: f32, v: f32) -> f32 {
        ((u * self.u + v * self.v) - (v * self.u - u * self.v).abs()) / self.square()
    }

    /// The squared saturation.
    pub(super) fn square(self) -> f32 {
        self.u * self.u + self.v * self.v
    }

    /// With a part of a newly measured colour.
    pub(super) fn towards(self, measured: Self) -> Self {
        let mix = |old: f32, new: f32| old + ADAPTATION * (new - old);
        Self { u: mix(self.u, measured.u), v: mix(self.v, measured.v), full: mix(self.full, measured.full) }
    }

    /// With a tolerance of 0 to 100; 50 is as measured.
    pub(super) fn with_tolerance(self, tolerance: i32) -> Self {
        let full = self.full * (1.0 - (tolerance as f32 - 50.0) / 100.0);
        Self { full: full.clamp(PERSON + 0.05, 1.2), ..self }
    }
}

/// [`Key`] for whole numbers, which convert to bytes faster: colours have 4 fractional bits, factors [`Fixed::BITS`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Fixed {
    u: i32,
    v: i32,
    /// Alpha of a pixel without any of the screen, and by how much each unit of [`Fixed::share`] lowers it.
    offset: i32,
    scale: i32,
    /// By how much each unit lowers U and V.
    spill_u: i32,
    spill_v: i32,
}

impl Fixed {
    const BITS: u32 = 14;

    /// `spill` is 0 to 1. No product overflows: the saturation is at least [`ScreenColour::MIN_SATURATION`](crate::look::ScreenColour::MIN_SATURATION).
    pub(super) fn new(key: Key, spill: f32) -> Self {
        let fixed = |value: f32| (value * (1 << Self::BITS) as f32).round() as i32;
        let width = key.full - PERSON;
        let removed = spill / key.square();
        Self {
            u: (key.u * 16.0).round() as i32,
            v: (key.v * 16.0).round() as i32,
            offset: fixed(255.5 + 255.0 * PERSON / width),
            scale: fixed(255.0 / (key.square() * width)),
            spill_u: fixed(removed * key.u),
            spill_v: fixed(removed * key.v),
        }
    }

    /// The share of the screen, multiplied by [`Key::square`]; not negative.
    #[inline(always)]
    fn share(self, u: i32, v: i32) -> i32 {
        ((u * self.u + v * self.v) - (v * self.u - u * self.v).abs()).max(0) >> 4
    }

    /// A value with [`Fixed::BITS`] fractional bits, rounded down.
    #[inline(always)]
    fn byte(value: i32) -> u8 {
        (value >> Self::BITS).clamp(0, 255) as u8
    }
}

/// Keys a row of chroma samples and removes the spill from them. The slices are separate arguments, so that the compiler
/// knows that they do not overlap.
#[multiversion(targets = "simd")]
pub(super) fn key_row(u: &[u8], v: &[u8], key: Fixed, into_u: &mut [u8], into_v: &mut [u8], alpha: &mut [u8]) {
    let middle = (128 << Fixed::BITS) + (1 << (Fixed::BITS - 1));
    for ((((&u, &v), into_u), into_v), alpha) in u.iter().zip(v).zip(into_u).zip(into_v).zip(alpha) {
        let (u, v) = (i32::from(u) - 128, i32::from(v) - 128);
        let share = key.share(u, v);
        *alpha = Fixed::byte(key.offset - share * key.scale);
        *into_u = Fixed::byte(middle + (u << Fixed::BITS) - share * key.spill_u);
        *into_v = Fixed::byte(middle + (v << Fixed::BITS) - share * key.spill_v);
    }
}
