//! Adjusts the person's brightness: matches it to the background, and raises it in low light.

use multiversion::multiversion;

use super::cell_means::CellMeans;
use crate::look::Look;

/// The share of the remaining change applied per frame: half of it in about half a second.
const STEP_SHARE: f32 = 0.05;

/// The range of exposure factors derived from a background, comparable to studio lighting.
const EXPOSURE_RANGE: (f32, f32) = (0.7, 1.4);

/// The mean luma, from 0 (black) to 1 (white), above which a person does not need more light.
const BRIGHT: f32 = 0.45;

/// A tone curve: `y + gain (y - 16) + lift (y - 16) (235 - y)`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Tone {
    /// In 1/256.
    gain: i32,
    /// In 1/65536.
    lift: i32,
    /// The gain of chroma, in 1/256.
    chroma: i32,
}

/// Follows the brightness of person and background.
#[derive(Debug, Default)]
pub(super) struct Meter {
    /// The exposure and lift of the last frame.
    last: Option<(f32, f32)>,
}

impl Meter {
    /// The tone for the measured frame, and its background if there is one; `None` if both settings are 0.
    pub(super) fn tone(&mut self, means: &CellMeans, has_background: bool, look: &Look) -> Option<Tone> {
        if look.exposure_match == 0 && look.low_light == 0 {
            self.last = None;
            return None;
        }
        let (person, room) = mean_lumas(means);
        let back = if has_background { mean(&means.behind.y) } else { room };
        let wanted = (back.max(0.02) / person.max(0.02)).powf(0.6).clamp(EXPOSURE_RANGE.0, EXPOSURE_RANGE.1);
        let exposure = 1.0 + (wanted - 1.0) * look.exposure_match as f32 / 100.0;
        let dark = ((BRIGHT - person * exposure) / BRIGHT).clamp(0.0, 1.0);
        let lift = (1.6 * dark).min(1.0) * look.low_light as f32 / 100.0;
        let (exposure, lift) = match self.last {
            None => (exposure, lift),
            Some((was, lifted)) => (was + (exposure - was) * STEP_SHARE, lifted + (lift - lifted) * STEP_SHARE),
        };
        self.last = Some((exposure, lift));
        // chroma is scaled with the slope of luma at the person's brightness
        let slope = exposure * (1.0 + lift * (1.0 - 2.0 * person).max(0.0));
        Some(Tone {
            gain: ((exposure - 1.0) * 256.0) as i32,
            lift: (lift * 65_536.0 / 219.0) as i32,
            chroma: ((slope - 1.0) * 0.7 * 256.0) as i32,
        })
    }
}

impl Tone {
    /// Applies the tone to a row of plane 0 (Y), 1 (U) or 2 (V).
    pub(super) fn apply(self, plane: usize, row: &mut [u8]) {
        if plane == 0 { luma(row, self.gain, self.lift) } else { chroma(row, self.chroma) }
    }
}

#[multiversion(targets = "simd")]
fn luma(row: &mut [u8], gain: i32, lift: i32) {
    for pixel in row {
        let y = i32::from(*pixel).clamp(16, 235);
        let lifted = y + (((y - 16) * (235 - y) * lift + (1 << 15)) >> 16);
        *pixel = (lifted + (((lifted - 16) * gain + 128) >> 8)).clamp(16, 235) as u8;
    }
}

#[multiversion(targets = "simd")]
fn chroma(row: &mut [u8], gain: i32) {
    for pixel in row {
        let c = i32::from(*pixel) - 128;
        *pixel = (128 + c + ((c * gain + 128) >> 8)).clamp(16, 240) as u8;
    }
}

/// The mean luma of person and room, from 0 (black) to 1 (white); a middle value if the area is empty.
fn mean_lumas(means: &CellMeans) -> (f32, f32) {
    let mut person = 0_u64;
    let mut weight = 0_u64;
    let mut all = 0_u64;
    for y in 0..means.grid.height {
        let rows = means.frame.y.row(y).iter().zip(means.person.row(y));
        let (p, w, a) = rows.fold((0_u32, 0_u32, 0_u32), |(p, w, a), (&luma, &alpha)| {
            let (luma, alpha) = (u32::from(luma), u32::from(alpha));
            (p + luma * alpha, w + alpha, a + luma)
        });
        person += u64::from(p);
        weight += u64::from(w);
        all += u64::from(a);
    }
    let cells = (means.grid.width * means.grid.height) as f32;
    let share =
        |sum: f32, count: f32| if count < 1.0 { BRIGHT } else { ((sum / count - 16.0) / 219.0).clamp(0.0, 1.0) };
    let (person, inside) = (person as f32 / 255.0, weight as f32 / 255.0);
    (share(person, inside), share(all as f32 - person, cells - inside))
}

fn mean(plane: &crate::frame::grid::Plane<u8>) -> f32 {
    let sum: u64 = (0..plane.height).map(|y| plane.row(y).iter().map(|&luma| u64::from(luma)).sum::<u64>()).sum();
    ((sum as f32 / (plane.width * plane.height) as f32 - 16.0) / 219.0).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        background::Background,
        frame::{Frame, Mask, Size, Yuv},
    };

    /// The tone for a person of luma `person` in front of a background of luma `behind`, after many frames.
    fn tone(person: u8, behind: u8, look: &Look) -> Option<Tone> {
        let size = Size::new(64, 48).unwrap();
        let (mut frame, mut mask) = (Frame::new(size), Mask::new(size));
        frame.fill(Yuv { y: person, u: 120, v: 140 });
        mask.alpha_mut()[..64 * 24].fill(255);
        let (mut means, mut meter) = (CellMeans::new(size), Meter::default());
        means.measure(&frame, &mask);
        means.measure_background(&Background::Colour(Yuv { y: behind, u: 128, v: 128 }), false);
        meter.tone(&means, true, look)
    }

    fn toned(tone: Tone, y: u8) -> u8 {
        let mut row = [y];
        tone.apply(0, &mut row);
        row[0]
    }

    #[test]
    fn zero_settings_change_nothing() {
        assert_eq!(tone(40, 200, &Look::neutral()), None);
    }

    #[test]
    fn a_dark_person_is_lit_and_a_bright_one_is_not() {
        let look = Look { low_light: 100, ..Look::neutral() };
        let dark = tone(40, 40, &look).unwrap();
        assert!(toned(dark, 40) > 55, "{}", toned(dark, 40));
        assert_eq!((toned(dark, 16), toned(dark, 235)), (16, 235), "black and white stay");
        assert!((16..235).all(|y| toned(dark, y) <= toned(dark, y + 1)), "the curve is monotonic");
        let bright = tone(180, 40, &look).unwrap();
        assert_eq!(toned(bright, 180), 180);
    }

    #[test]
    fn exposure_follows_the_background_within_limits() {
        let look = Look { exposure_match: 100, ..Look::neutral() };
        assert!(toned(tone(100, 220, &look).unwrap(), 100) > 115);
        assert!(toned(tone(180, 30, &look).unwrap(), 180) < 150);
        let (same, extreme) = (tone(120, 120, &look).unwrap(), tone(30, 235, &look).unwrap());
        assert!(toned(same, 120).abs_diff(120) <= 1);
        assert!(toned(extreme, 100) <= 16 + (84.0 * 1.41) as u8);
    }
}
