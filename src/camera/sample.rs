//! Creates MJPEG frames like those of webcams, to benchmark the decoder.

use turbojpeg::{Compressor, Subsamp, YuvImage};

use crate::frame::Frame;

/// Typical quality of webcams: 70 to 150 kB at 720p.
const QUALITY: i32 = 85;

/// Encodes `frame` as a 4:2:2 JPEG. Levels are not converted, which does not affect the decoding cost.
///
/// # Errors
/// If libjpeg-turbo fails.
pub fn mjpeg(frame: &Frame) -> turbojpeg::Result<Vec<u8>> {
    let (y, u, v) = frame.planes();
    let (width, height) = (frame.size().width(), frame.size().height());
    let twice = |plane: &[u8]| plane.chunks_exact(width / 2).flat_map(|row| [row, row].concat()).collect::<Vec<u8>>();
    let pixels = [y, &twice(u), &twice(v)].concat();
    let mut compressor = Compressor::new()?;
    compressor.set_quality(QUALITY)?;
    compressor.compress_yuv_to_vec(YuvImage { pixels: &pixels[..], width, align: 1, height, subsamp: Subsamp::Sub2x1 })
}
