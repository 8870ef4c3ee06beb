//! Repacks uncompressed camera formats (packed, semi-planar, planar, grey) to I420.

use multiversion::multiversion;

use super::{CameraError, format::Pixel, plane::Plane, rgb};
use crate::frame::{Frame, Size};

/// The planes of a format: bytes per row without padding, and rows. Absent planes have none. Not for [`Pixel::Mjpg`].
pub(super) fn shapes(pixel: Pixel, size: Size) -> [(usize, usize); 3] {
    let (width, height) = (size.width(), size.height());
    match pixel {
        Pixel::Yuyv | Pixel::Uyvy => [(2 * width, height), (0, 0), (0, 0)],
        Pixel::Rgb(order) => [(order.step() * width, height), (0, 0), (0, 0)],
        Pixel::Nv12 => [(width, height), (width, height / 2), (0, 0)],
        Pixel::Yu12 | Pixel::Yv12 => [(width, height), (width / 2, height / 2), (width / 2, height / 2)],
        Pixel::Grey | Pixel::Mjpg => [(width, height), (0, 0), (0, 0)],
    }
}

/// The planes of a frame in one block of memory, with `stride` bytes per row of the first plane. A stride shorter than
/// a row means no padding; some drivers report 0.
pub(super) fn split(pixel: Pixel, size: Size, bytes: &[u8], stride: usize) -> Result<[Plane<'_>; 3], CameraError> {
    let shapes = shapes(pixel, size);
    let stride = if stride < shapes[0].0 { shapes[0].0 } else { stride };
    let chroma = if shapes[2].1 > 0 { stride / 2 } else { stride };
    with_strides(shapes, bytes, [stride, chroma, chroma])
}

/// Consecutive planes with these strides.
pub(super) fn with_strides(
    shapes: [(usize, usize); 3],
    bytes: &[u8],
    strides: [usize; 3],
) -> Result<[Plane<'_>; 3], CameraError> {
    let mut planes = [Plane::default(); 3];
    let mut rest = bytes;
    for ((plane, (_, rows)), stride) in planes.iter_mut().zip(shapes).zip(strides) {
        *plane = Plane { bytes: rest, stride };
        let len = stride.checked_mul(rows).ok_or(TOO_SHORT)?;
        // the last plane may end after its last pixel
        rest = rest.get(len..).unwrap_or_default();
    }
    Ok(planes)
}

const TOO_SHORT: CameraError = CameraError::Corrupt("fewer bytes than the format requires");

/// Converts a frame to `into`, which must have the size that the planes are for.
pub(super) fn unpack(pixel: Pixel, planes: [Plane<'_>; 3], into: &mut Frame) -> Result<(), CameraError> {
    let size = into.size();
    for (plane, (row, rows)) in planes.iter().zip(shapes(pixel, size)) {
        let needed = rows.checked_sub(1).and_then(|gaps| plane.stride.checked_mul(gaps)?.checked_add(row));
        if rows > 0 && (plane.stride < row || needed.is_none_or(|needed| plane.bytes.len() < needed)) {
            return Err(TOO_SHORT);
        }
    }
    let width = size.width();
    let [luma, first, second] = planes;
    let (y, u, v) = into.planes_mut();
    match pixel {
        Pixel::Yuyv | Pixel::Uyvy => {
            packed(pixel, luma, width, [y, u, v]);
            return Ok(());
        }
        Pixel::Rgb(order) => {
            rgb::unpack(order, luma, width, [y, u, v]);
            return Ok(());
        }
        Pixel::Nv12 => {
            let planes = u.chunks_exact_mut(width / 2).zip(v.chunks_exact_mut(width / 2));
            for (row, (u, v)) in first.bytes.chunks(first.stride).zip(planes) {
                split_pairs(&row[..width], u, v);
            }
        }
        Pixel::Yu12 | Pixel::Yv12 => {
            let (cb, cr) = if pixel == Pixel::Yu12 { (first, second) } else { (second, first) };
            copy_rows(cb, u, width / 2);
            copy_rows(cr, v, width / 2);
        }
        Pixel::Grey | Pixel::Mjpg => {
            u.fill(128);
            v.fill(128);
        }
    }
    copy_rows(luma, y, width);
    Ok(())
}

fn packed(pixel: Pixel, plane: Plane<'_>, width: usize, [y, u, v]: [&mut [u8]; 3]) {
    let pairs = y.chunks_exact_mut(2 * width).zip(plane.bytes.chunks(2 * plane.stride));
    let chroma = u.chunks_exact_mut(width / 2).zip(v.chunks_exact_mut(width / 2));
    for ((y, rows), (u, v)) in pairs.zip(chroma) {
        let (y_top, y_bottom) = y.split_at_mut(width);
        let (top, bottom) = rows.split_at(plane.stride);
        let (top, bottom) = (&top[..2 * width], &bottom[..2 * width]);
        if pixel == Pixel::Yuyv {
            packed_luma::<0>(top, y_top);
            packed_luma::<0>(bottom, y_bottom);
            packed_chroma::<1, 3>(top, bottom, u, v);
        } else {
            packed_luma::<1>(top, y_top);
            packed_luma::<1>(bottom, y_bottom);
            packed_chroma::<0, 2>(top, bottom, u, v);
        }
    }
}

fn copy_rows(from: Plane<'_>, to: &mut [u8], width: usize) {
    if from.stride == width {
        return to.copy_from_slice(&from.bytes[..to.len()]);
    }
    for (from, to) in from.bytes.chunks(from.stride).zip(to.chunks_exact_mut(width)) {
        to.copy_from_slice(&from[..width]);
    }
}

/// Every second byte of a packed 4:2:2 row, starting at byte `Y`.
#[multiversion(targets = "simd")]
fn packed_luma<const Y: usize>(row: &[u8], y: &mut [u8]) {
    for (y, pair) in y.iter_mut().zip(row.as_chunks::<2>().0) {
        *y = pair[Y];
    }
}

/// Mean chroma of two packed 4:2:2 rows: bytes `U` and `V` of every four.
#[multiversion(targets = "simd")]
fn packed_chroma<const U: usize, const V: usize>(top: &[u8], bottom: &[u8], u: &mut [u8], v: &mut [u8]) {
    let rows = top.as_chunks::<4>().0.iter().zip(bottom.as_chunks::<4>().0);
    for ((top, bottom), (u, v)) in rows.zip(u.iter_mut().zip(v)) {
        *u = mean(top[U], bottom[U]);
        *v = mean(top[V], bottom[V]);
    }
}

#[multiversion(targets = "simd")]
fn split_pairs(pairs: &[u8], u: &mut [u8], v: &mut [u8]) {
    for (pair, (u, v)) in pairs.as_chunks::<2>().0.iter().zip(u.iter_mut().zip(v)) {
        [*u, *v] = *pair;
    }
}

/// Mean of two rows, rounded up: halves the vertical chroma resolution.
#[multiversion(targets = "simd")]
pub(super) fn halve_rows(top: &[u8], bottom: &[u8], into: &mut [u8]) {
    for (into, (top, bottom)) in into.iter_mut().zip(top.iter().zip(bottom)) {
        *into = mean(*top, *bottom);
    }
}

#[inline(always)]
fn mean(a: u8, b: u8) -> u8 {
    (u16::from(a) + u16::from(b)).div_ceil(2) as u8
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    /// Offsets of Y, U and V of pixel (x, y) in a frame of `pixel`, from the V4L2 format descriptions.
    fn sample_offsets(pixel: Pixel, stride: usize, rows: usize, x: usize, y: usize) -> [usize; 3] {
        let packed = y * stride + x / 2 * 4;
        let (after, half) = (stride * rows, stride / 2);
        let chroma = y / 2 * half + x / 2;
        match pixel {
            Pixel::Yuyv => [y * stride + 2 * x, packed + 1, packed + 3],
            Pixel::Uyvy => [y * stride + 2 * x + 1, packed, packed + 2],
            Pixel::Nv12 => [y * stride + x, after + y / 2 * stride + x / 2 * 2, after + y / 2 * stride + x / 2 * 2 + 1],
            Pixel::Yu12 => [y * stride + x, after + chroma, after + half * rows / 2 + chroma],
            Pixel::Yv12 => [y * stride + x, after + half * rows / 2 + chroma, after + chroma],
            Pixel::Grey | Pixel::Mjpg | Pixel::Rgb(_) => [y * stride + x, usize::MAX, usize::MAX],
        }
    }

    const PIXELS: [Pixel; 6] = [Pixel::Yuyv, Pixel::Uyvy, Pixel::Nv12, Pixel::Yu12, Pixel::Yv12, Pixel::Grey];

    proptest! {
        #[test]
        fn every_format_matches_its_description(
            which in 0..6_usize, half_width in 8..40_usize, half_height in 8..12_usize, pad in 0..9_usize,
            noise in vec(any::<u8>(), 24 * 180),
        ) {
            let pixel = PIXELS[which];
            let size = Size::new(2 * half_width as u32, 2 * half_height as u32).unwrap();
            let packed = if which < 2 { 2 } else { 1 };
            let stride = packed * size.width() + 2 * pad;
            let bytes: Vec<u8> = noise.iter().copied().cycle().take(stride * size.height() * 3 / 2).collect();
            let mut frame = Frame::new(size);
            unpack(pixel, split(pixel, size, &bytes, stride).unwrap(), &mut frame).unwrap();

            let (ys, us, vs) = frame.planes();
            let at = |x, y| sample_offsets(pixel, stride, size.height(), x, y).map(|at| bytes.get(at).copied().unwrap_or(128));
            for y in 0..size.height() {
                for x in 0..size.width() {
                    prop_assert_eq!(ys[y * size.width() + x], at(x, y)[0]);
                    let (top, bottom) = (at(x, y & !1), at(x, y | 1));
                    let chroma = y / 2 * size.width() / 2 + x / 2;
                    for (ours, plane) in [(us[chroma], 1), (vs[chroma], 2)] {
                        prop_assert_eq!(u16::from(ours), (u16::from(top[plane]) + u16::from(bottom[plane])).div_ceil(2));
                    }
                }
            }
        }
    }

    #[test]
    fn a_short_frame_is_corrupt() {
        let size = Size::new(32, 16).unwrap();
        for pixel in PIXELS {
            let mut frame = Frame::new(size);
            for len in [0, 1, 511] {
                let bytes = vec![0; len];
                let unpacked = unpack(pixel, split(pixel, size, &bytes, 0).unwrap(), &mut frame);
                assert!(matches!(unpacked, Err(CameraError::Corrupt(_))), "{pixel:?}");
            }
        }
    }
}
