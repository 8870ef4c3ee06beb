//! Row operations on pixels: blend, mix, flip and halve.
//!
//! The loops are branch-free so that the compiler vectorizes them; `multiversion` compiles each for several CPU
//! generations and selects one at run time.

use multiversion::multiversion;

use super::Frame;

/// Blends `front` over `back`: `(front * alpha + back * (255 - alpha)) / 255`, rounded to nearest and exact at alpha
/// 0 and 255.
#[multiversion(targets = "simd")]
pub(crate) fn over(front: &[u8], back: &[u8], alpha: &[u8], into: &mut [u8]) {
    for (((into, &front), &back), &alpha) in into.iter_mut().zip(front).zip(back).zip(alpha) {
        let (front, back, alpha) = (u16::from(front), u16::from(back), u16::from(alpha));
        let sum = front * alpha + back * (255 - alpha) + 128;
        // Division by 255 without a division instruction (J. Blinn, "Three Wrongs Make a Right", 1995).
        *into = ((sum + (sum >> 8)) >> 8) as u8;
    }
}

/// Blends `front` over the content of `into` by `alpha`, rounded as in [`over`].
#[multiversion(targets = "simd")]
pub(crate) fn onto(front: &[u8], alpha: &[u8], into: &mut [u8]) {
    for ((into, &front), &alpha) in into.iter_mut().zip(front).zip(alpha) {
        let (front, back, alpha) = (u16::from(front), u16::from(*into), u16::from(alpha));
        let sum = front * alpha + back * (255 - alpha) + 128;
        *into = ((sum + (sum >> 8)) >> 8) as u8;
    }
}

/// Mixes `into` over `before` by `share` / 256, rounded to nearest.
#[multiversion(targets = "simd")]
pub(crate) fn mix(before: &[u8], share: u16, into: &mut [u8]) {
    for (into, &before) in into.iter_mut().zip(before) {
        // The maximum, 255 * 256 + 128, fits 16 bits.
        *into = ((u16::from(*into) * share + u16::from(before) * (256 - share) + 128) >> 8) as u8;
    }
}

/// Copies `from` in reverse order.
#[multiversion(targets = "simd")]
pub(crate) fn flip(from: &[u8], into: &mut [u8]) {
    for (into, from) in into.iter_mut().zip(from.iter().rev()) {
        *into = *from;
    }
}

/// Rounded mean of each 2x2 block of two rows: the alpha of a chroma sample.
#[multiversion(targets = "simd")]
pub(crate) fn halve(above: &[u8], below: &[u8], into: &mut [u8]) {
    let pairs = above.as_chunks::<2>().0.iter().zip(below.as_chunks::<2>().0);
    for (into, (&[a, b], &[c, d])) in into.iter_mut().zip(pairs) {
        let sum = u16::from(a) + u16::from(b) + u16::from(c) + u16::from(d);
        *into = ((sum + 2) >> 2) as u8;
    }
}

/// Crossfades from `before` to `into`, in place: a `share` of 0 is all `before`, 256 all `into`.
///
/// # Panics
/// If the sizes differ.
pub fn crossfade(before: &Frame, share: u16, into: &mut Frame) {
    assert_eq!(before.size(), into.size(), "frames of different sizes");
    mix(before.data(), share.min(256), into.data_mut());
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    #[test]
    fn blending_is_rounded_to_nearest_for_every_value() {
        let bytes: Vec<u8> = (0..=255).collect();
        let mut into = vec![0; 256];
        for front in 0..=255u8 {
            for alpha in [0, 1, 2, 64, 127, 128, 200, 254, 255] {
                over(&[front; 256], &bytes, &[alpha; 256], &mut into);
                for (back, &got) in bytes.iter().zip(&into) {
                    let alpha = f64::from(alpha) / 255.0;
                    let exact = f64::from(front) * alpha + f64::from(*back) * (1.0 - alpha);
                    assert!((f64::from(got) - exact).abs() <= 0.5 + 1e-9, "{front} over {back} by {alpha}: {got}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn vector_code_matches_the_scalar_formula(pixels in vec(any::<(u8, u8, u8)>(), 0..200)) {
            let (front, (back, alpha)): (Vec<_>, (Vec<_>, Vec<_>)) = pixels.iter().map(|p| (p.0, (p.1, p.2))).unzip();
            let mut into = vec![0; pixels.len()];
            over(&front, &back, &alpha, &mut into);
            for (got, &(front, back, alpha)) in into.iter().zip(&pixels) {
                let sum = u32::from(front) * u32::from(alpha) + u32::from(back) * (255 - u32::from(alpha));
                prop_assert_eq!(u32::from(*got), (2 * sum + 255) / 510);
            }
            for share in [0, 1, 77, 128, 255, 256] {
                let mut into = back.clone();
                mix(&front, share, &mut into);
                for ((got, &front), &back) in into.iter().zip(&front).zip(&back) {
                    let share = u32::from(share);
                    let sum = u32::from(back) * share + u32::from(front) * (256 - share);
                    prop_assert_eq!(u32::from(*got), (sum + 128) / 256);
                }
            }
            flip(&front, &mut into);
            into.reverse();
            prop_assert_eq!(&into, &front);
            let mut half = vec![0; pixels.len() / 2];
            halve(&front, &back, &mut half);
            for (x, got) in half.iter().enumerate() {
                let sum: u32 = [front[2 * x], front[2 * x + 1], back[2 * x], back[2 * x + 1]].map(u32::from).iter().sum();
                prop_assert_eq!(u32::from(*got), (sum + 2) / 4);
            }
        }
    }
}
