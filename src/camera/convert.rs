//! Repacks uncompressed camera formats (packed, semi-planar, planar, grey) to I420.

use multiversion::multiversion;

use super::{CameraError, format::Pixel};
use crate::frame::{Frame, Size};

/// Converts frames of one format.
#[derive(Debug)]
pub(super) struct Unpacker {
    pixel: Pixel,
    size: Size,
    stride: usize,
}

impl Unpacker {
    /// For frames of `size` with `stride` bytes per row of the first plane. A stride shorter than a row means no
    /// padding; some drivers report 0. Not for [`Pixel::Mjpg`].
    pub(super) fn new(pixel: Pixel, size: Size, stride: usize) -> Self {
        let row = match pixel {
            Pixel::Yuyv | Pixel::Uyvy => 2 * size.width(),
            _ => size.width(),
        };
        Self { pixel, size, stride: if stride < row { row } else { stride } }
    }

    /// Converts the frame in `bytes` to `into`, which must have the same size.
    pub(super) fn unpack(&self, bytes: &[u8], into: &mut Frame) -> Result<(), CameraError> {
        debug_assert_eq!(into.size(), self.size);
        let (y, u, v) = into.planes_mut();
        let (stride, rows) = (self.stride, self.size.height());
        let luma = plane(bytes, 0, stride, rows)?;
        if matches!(self.pixel, Pixel::Yuyv | Pixel::Uyvy) {
            self.packed(luma, [y, u, v]);
            return Ok(());
        }
        let after = stride * rows;
        match self.pixel {
            Pixel::Nv12 => {
                let chroma = plane(bytes, after, stride, rows / 2)?;
                let width = self.size.width();
                let planes = u.chunks_exact_mut(width / 2).zip(v.chunks_exact_mut(width / 2));
                for (row, (u, v)) in chroma.chunks(stride).zip(planes) {
                    split_pairs(&row[..width], u, v);
                }
            }
            Pixel::Yu12 | Pixel::Yv12 => {
                let half = stride / 2;
                let first = plane(bytes, after, half, rows / 2)?;
                let second = plane(bytes, after + half * (rows / 2), half, rows / 2)?;
                let (cb, cr) = if self.pixel == Pixel::Yu12 { (first, second) } else { (second, first) };
                copy_rows(cb, half, u, self.size.width() / 2);
                copy_rows(cr, half, v, self.size.width() / 2);
            }
            _ => {
                u.fill(128);
                v.fill(128);
            }
        }
        copy_rows(luma, stride, y, self.size.width());
        Ok(())
    }

    fn packed(&self, bytes: &[u8], [y, u, v]: [&mut [u8]; 3]) {
        let width = self.size.width();
        let pairs = y.chunks_exact_mut(2 * width).zip(bytes.chunks(2 * self.stride));
        let chroma = u.chunks_exact_mut(width / 2).zip(v.chunks_exact_mut(width / 2));
        for ((y, rows), (u, v)) in pairs.zip(chroma) {
            let (y_top, y_bottom) = y.split_at_mut(width);
            let (top, bottom) = rows.split_at(self.stride);
            let (top, bottom) = (&top[..2 * width], &bottom[..2 * width]);
            if self.pixel == Pixel::Yuyv {
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
}

/// `rows` rows of a plane that begins at `start`.
fn plane(bytes: &[u8], start: usize, stride: usize, rows: usize) -> Result<&[u8], CameraError> {
    bytes.get(start..start + stride * rows).ok_or(CameraError::Corrupt("fewer bytes than the format requires"))
}

fn copy_rows(from: &[u8], stride: usize, to: &mut [u8], width: usize) {
    if stride == width {
        return to.copy_from_slice(&from[..to.len()]);
    }
    for (from, to) in from.chunks(stride).zip(to.chunks_exact_mut(width)) {
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
            Pixel::Grey | Pixel::Mjpg => [y * stride + x, usize::MAX, usize::MAX],
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
            Unpacker::new(pixel, size, stride).unpack(&bytes, &mut frame).unwrap();

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
            let unpacker = Unpacker::new(pixel, size, 0);
            for len in [0, 1, 511] {
                assert!(
                    matches!(unpacker.unpack(&vec![0; len], &mut frame), Err(CameraError::Corrupt(_))),
                    "{pixel:?}"
                );
            }
        }
    }
}
