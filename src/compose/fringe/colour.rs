//! Colour operations on rows of cells and pixels: means, unmixing, light.
//!
//! Plain loops, compiled for several CPU generations as in [`blend`](crate::frame::blend).

use multiversion::multiversion;

use super::{CHUNK, OWN_WEIGHT, WIDE};

/// `pixels * alpha / 255`.
#[multiversion(targets = "simd")]
pub(super) fn weigh(pixels: &[u8], alpha: &[u8], into: &mut [u8]) {
    for ((into, &pixel), &alpha) in into.iter_mut().zip(pixels).zip(alpha) {
        let product = u16::from(pixel) * u16::from(alpha) + 128;
        *into = ((product + (product >> 8)) >> 8) as u8;
    }
}

const fn cells(radius: usize) -> f32 {
    ((2 * radius + 1) * (2 * radius + 1)) as f32
}

/// The mean colour of person and room around each cell.
#[multiversion(targets = "simd")]
pub(super) fn divide<const RADIUS: usize>(
    [alpha, person, all]: [&[u16]; 3],
    pixels: &[u8],
    front: &mut [u8],
    back: &mut [u8],
) {
    let length = pixels.len();
    let alpha = &alpha[..length];
    let person = &person[..length];
    let all = &all[..length];
    let front = &mut front[..length];
    let back = &mut back[..length];
    for x in 0..length {
        let own = OWN_WEIGHT * f32::from(pixels[x]);
        let inside = f32::from(alpha[x]) * (1.0 / 255.0);
        let person = f32::from(person[x]);
        let all = f32::from(all[x]);
        front[x] = ((person + own) / (inside + OWN_WEIGHT) + 0.5).min(255.0) as u8;
        back[x] = (((all - person).max(0.0) + own) / (cells(RADIUS) - inside + OWN_WEIGHT) + 0.5).min(255.0) as u8;
    }
}

/// The mean colour of the person around each cell; the cell's current value counts a little.
#[multiversion(targets = "simd")]
pub(super) fn mean(alpha: &[u16], person: &[u16], front: &mut [u8]) {
    for ((front, &alpha), &person) in front.iter_mut().zip(alpha).zip(person) {
        let own = OWN_WEIGHT * f32::from(*front);
        *front = ((f32::from(person) + own) / (f32::from(alpha) * (1.0 / 255.0) + OWN_WEIGHT) + 0.5).min(255.0) as u8;
    }
}

/// Divides a number from -65025 to 65025 by 255, rounded to nearest.
#[inline(always)]
pub(super) fn over_255(number: i32) -> i32 {
    (number * 257 + (1 << 15)) >> 16
}

/// The person's share of the colour of `pixel`, given the means of person and room. It lies between `pixel` and the
/// person's mean, so that the edge is never darker or lighter than both, and is `pixel` itself where alpha is 255.
#[inline(always)]
pub(super) fn own_colour(pixel: u8, alpha: u8, front: u8, back: u8) -> i32 {
    let pixel = i32::from(pixel);
    let alpha = i32::from(alpha);
    let front = i32::from(front);
    let back = i32::from(back);
    let mixture = over_255(front * alpha + back * (255 - alpha));
    let own = front + over_255((pixel - mixture) * alpha);
    own.clamp(pixel.min(front), pixel.max(front))
}

/// The light falling on each cell of a row: it grows with the background's brightness and towards the edge.
#[multiversion(targets = "simd")]
pub(super) fn light_wrap(alpha: &[u16], behind: &[u8], wrap: i32, light: &mut [u8]) {
    for ((light, &alpha), &behind) in light.iter_mut().zip(alpha).zip(behind) {
        let inside = f32::from(alpha) * (1.0 / (255.0 * cells(WIDE)));
        let near = (2.0 * (1.0 - inside)).clamp(0.0, 1.0);
        let bright = (f32::from(behind) - 16.0).clamp(0.0, 219.0) * (255.0 / 219.0);
        *light = (near * near * bright * (wrap as f32 * 0.006)).min(255.0) as u8;
    }
}

/// Screens luma with light: brighter pixels gain less.
#[multiversion(targets = "simd")]
pub(super) fn brighten(light: &[u8], pixels: &mut [u8]) {
    for (pixel, &light) in pixels.iter_mut().zip(light) {
        let value = i32::from(*pixel);
        *pixel = (value + over_255(i32::from(light) * (235 - value).max(0))) as u8;
    }
}

/// Pulls chroma towards that of the light.
#[multiversion(targets = "simd")]
pub(super) fn tint(light: &[u8], behind: &[u8], pixels: &mut [u8]) {
    for ((pixel, &light), &behind) in pixels.iter_mut().zip(light).zip(behind) {
        let value = i32::from(*pixel);
        *pixel = (value + over_255(i32::from(light) * (i32::from(behind) - value))) as u8;
    }
}

#[multiversion(targets = "simd")]
pub(super) fn unmix(pixels: &[u8], alpha: &[u8], front: &mut [u8], back: &[u8]) {
    for (((front, &back), &pixel), &alpha) in front.iter_mut().zip(back).zip(pixels).zip(alpha) {
        *front = own_colour(pixel, alpha, *front, back) as u8;
    }
}

/// For each chunk of a row, whether any pixel is mixed. One call per row, because a call per chunk costs more than the
/// work.
#[multiversion(targets = "simd")]
pub(super) fn find_mixed(alpha: &[u8], mixed: &mut [bool]) {
    for (mixed, alpha) in mixed.iter_mut().zip(alpha.chunks(CHUNK)) {
        *mixed = any_mixed(alpha);
    }
}

/// Like [`find_mixed`], for a few cells.
#[multiversion(targets = "simd")]
pub(super) fn is_mixed(alpha: &[u8]) -> bool {
    any_mixed(alpha)
}

/// Whether any alpha is neither 0 nor 255; branch-free.
#[inline(always)]
fn any_mixed(alpha: &[u8]) -> bool {
    alpha.iter().fold(0, |any, &alpha| any | u8::from(alpha.wrapping_sub(1) < 254)) != 0
}

/// Removes the room's colour from `pixels`.
#[multiversion(targets = "simd")]
pub(super) fn decontaminate([front, back, person]: [&[u8]; 3], alpha: &[u8], strength: i32, pixels: &mut [u8]) {
    for ((((pixel, &alpha), &front), &back), &person) in pixels.iter_mut().zip(alpha).zip(front).zip(back).zip(person) {
        // masks tend to be a little wide: within a cell of the edge, alpha is reduced
        let alpha = over_255(i32::from(alpha) * i32::from(person)) as u8;
        let own = own_colour(*pixel, alpha, front, back);
        let value = i32::from(*pixel);
        *pixel = (value + (((own - value) * strength + 128) >> 8)) as u8;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn own_colour_stays_between_the_pixel_and_the_person(pixel: u8, alpha: u8, front: u8, back: u8) {
            let own = own_colour(pixel, alpha, front, back);
            prop_assert!(own >= i32::from(pixel.min(front)) && own <= i32::from(pixel.max(front)));
            if alpha == 255 {
                prop_assert_eq!(own, i32::from(pixel));
            }
        }

        #[test]
        fn division_is_rounded(number in -65025i32..=65025) {
            prop_assert!((f64::from(over_255(number)) - f64::from(number) / 255.0).abs() < 0.51);
        }
    }
}
