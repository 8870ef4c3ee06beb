//! Converts RGB in any byte order to I420, BT.601, limited range.

use multiversion::multiversion;

use super::plane::Plane;

/// The order of the bytes of a pixel; `x` is alpha or padding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(feature = "pipewire"), allow(dead_code))]
pub(super) enum RgbOrder {
    Rgbx,
    Bgrx,
    Xrgb,
    Xbgr,
    Rgb,
    Bgr,
}

impl RgbOrder {
    /// Bytes per pixel.
    pub(super) fn step(self) -> usize {
        match self {
            Self::Rgb | Self::Bgr => 3,
            _ => 4,
        }
    }
}

/// Converts the rows of `plane`, which must have all rows, to planes of frames with this width.
pub(super) fn unpack(order: RgbOrder, plane: Plane<'_>, width: usize, into: [&mut [u8]; 3]) {
    match order {
        RgbOrder::Rgbx => rows::<4, 0, 1, 2>(plane, width, into),
        RgbOrder::Bgrx => rows::<4, 2, 1, 0>(plane, width, into),
        RgbOrder::Xrgb => rows::<4, 1, 2, 3>(plane, width, into),
        RgbOrder::Xbgr => rows::<4, 3, 2, 1>(plane, width, into),
        RgbOrder::Rgb => rows::<3, 0, 1, 2>(plane, width, into),
        RgbOrder::Bgr => rows::<3, 2, 1, 0>(plane, width, into),
    }
}

fn rows<const STEP: usize, const R: usize, const G: usize, const B: usize>(
    plane: Plane<'_>,
    width: usize,
    [y, u, v]: [&mut [u8]; 3],
) {
    let luma = y.chunks_exact_mut(2 * width);
    let chroma = u.chunks_exact_mut(width / 2).zip(v.chunks_exact_mut(width / 2));
    for ((rows, y), (u, v)) in plane.bytes.chunks(2 * plane.stride).zip(luma).zip(chroma) {
        let (top, bottom) = rows.split_at(plane.stride);
        let (top, bottom) = (&top[..STEP * width], &bottom[..STEP * width]);
        let (y_top, y_bottom) = y.split_at_mut(width);
        luma_row::<STEP, R, G, B>(top, y_top);
        luma_row::<STEP, R, G, B>(bottom, y_bottom);
        chroma_row::<STEP, R, G, B>(top, bottom, u, v);
    }
}

/// The same coefficients as [`crate::frame::Yuv::from_rgb`].
#[multiversion(targets = "simd")]
fn luma_row<const STEP: usize, const R: usize, const G: usize, const B: usize>(row: &[u8], y: &mut [u8]) {
    for (y, pixel) in y.iter_mut().zip(row.as_chunks::<STEP>().0) {
        let [r, g, b] = [pixel[R], pixel[G], pixel[B]].map(u32::from);
        *y = ((16_829 * r + 33_039 * g + 6_416 * b + (16 << 16) + (1 << 15)) >> 16) as u8;
    }
}

/// Chroma of blocks of 2x2 pixels.
#[multiversion(targets = "simd")]
fn chroma_row<const STEP: usize, const R: usize, const G: usize, const B: usize>(
    top: &[u8],
    bottom: &[u8],
    u: &mut [u8],
    v: &mut [u8],
) {
    let rows = top.chunks_exact(2 * STEP).zip(bottom.chunks_exact(2 * STEP));
    for ((top, bottom), (u, v)) in rows.zip(u.iter_mut().zip(v)) {
        let sum = |at: usize| [top[at], top[STEP + at], bottom[at], bottom[STEP + at]].map(i32::from).iter().sum();
        let (r, g, b): (i32, i32, i32) = (sum(R), sum(G), sum(B));
        *u = ((-9_714 * r - 19_070 * g + 28_784 * b + (128 << 18) + (1 << 17)) >> 18) as u8;
        *v = ((28_784 * r - 24_103 * g - 4_681 * b + (128 << 18) + (1 << 17)) >> 18) as u8;
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::frame::Yuv;

    const ORDERS: [(RgbOrder, [usize; 3]); 6] = [
        (RgbOrder::Rgbx, [0, 1, 2]),
        (RgbOrder::Bgrx, [2, 1, 0]),
        (RgbOrder::Xrgb, [1, 2, 3]),
        (RgbOrder::Xbgr, [3, 2, 1]),
        (RgbOrder::Rgb, [0, 1, 2]),
        (RgbOrder::Bgr, [2, 1, 0]),
    ];

    proptest! {
        #[test]
        fn every_order_matches_the_reference(
            which in 0..6_usize, half_width in 1..40_usize, pad in 0..9_usize, noise in vec(any::<u8>(), 1301),
        ) {
            let (order, [r, g, b]) = ORDERS[which];
            let (width, height) = (2 * half_width, 4);
            let stride = order.step() * width + pad;
            // the last row has no padding
            let len = stride * (height - 1) + order.step() * width;
            let bytes: Vec<u8> = noise.iter().copied().cycle().take(len).collect();
            let (mut y, mut u, mut v) = (vec![0; width * height], vec![0; width], vec![0; width]);
            let plane = Plane { bytes: &bytes, stride };
            unpack(order, plane, width, [&mut y, &mut u, &mut v]);
            let pixel = |x: usize, row: usize| {
                let at = row * stride + x * order.step();
                [bytes[at + r], bytes[at + g], bytes[at + b]]
            };
            for row in 0..height {
                for x in 0..width {
                    let [r, g, b] = pixel(x, row);
                    prop_assert_eq!(y[row * width + x], Yuv::from_rgb(r, g, b).y);
                }
            }
            for row in 0..height / 2 {
                for x in 0..half_width {
                    let block = [(0, 0), (1, 0), (0, 1), (1, 1)].map(|(dx, dy)| pixel(2 * x + dx, 2 * row + dy));
                    let mean = |at: usize| block.iter().map(|pixel| f64::from(pixel[at])).sum::<f64>() / 4.0;
                    let (r, g, b) = (mean(0), mean(1), mean(2));
                    let exact = [
                        128.0 - 0.14822 * r - 0.29099 * g + 0.43922 * b,
                        128.0 + 0.43922 * r - 0.36779 * g - 0.07143 * b,
                    ];
                    let at = row * half_width + x;
                    for (ours, exact) in [u[at], v[at]].into_iter().zip(exact) {
                        prop_assert!((f64::from(ours) - exact).abs() <= 0.52, "{ours} {exact}");
                    }
                }
            }
        }
    }
}
