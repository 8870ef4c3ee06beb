//! Encodes preview frames as JPEG for the browser.

use axum::body::Bytes;
use turbojpeg::{Compressor, Subsamp, YuvImage};

use crate::frame::Frame;

/// JPEG quality, 1 to 100; artefacts are not visible at the size of the preview.
const QUALITY: i32 = 82;

/// Length of the length prefix, in bytes.
const PREFIX_LEN: usize = 4;

/// Encodes frames of any size, reusing its buffers.
#[derive(Debug)]
pub(super) struct Encoder {
    compressor: Compressor,
    /// The planes in full range, as JPEG requires.
    full_range: Vec<u8>,
    encoded: Vec<u8>,
}

impl Encoder {
    /// # Errors
    /// If out of memory.
    pub(super) fn new() -> turbojpeg::Result<Self> {
        let mut compressor = Compressor::new()?;
        compressor.set_quality(QUALITY)?;
        Ok(Self { compressor, full_range: Vec::new(), encoded: Vec::new() })
    }

    /// The length of the JPEG as a big-endian `u32`, followed by the JPEG.
    ///
    /// # Errors
    /// If out of memory.
    pub(super) fn encode(&mut self, frame: &Frame) -> turbojpeg::Result<Bytes> {
        let size = frame.size();
        self.full_range.resize(size.i420_len(), 0);
        expand_range(frame, &mut self.full_range);
        let width = size.width();
        let height = size.height();
        let subsamp = Subsamp::Sub2x2;
        self.encoded.resize(PREFIX_LEN + turbojpeg::compressed_buf_len(width, height, subsamp)?, 0);
        let image = YuvImage { pixels: self.full_range.as_slice(), width, align: 1, height, subsamp };
        let length = self.compressor.compress_yuv_to_slice(image, &mut self.encoded[PREFIX_LEN..])?;
        self.encoded[..PREFIX_LEN].copy_from_slice(&(length as u32).to_be_bytes());
        Ok(Bytes::copy_from_slice(&self.encoded[..PREFIX_LEN + length]))
    }
}

/// Converts limited range (luma 16..=235, chroma 16..=240) to full range, in fixed point with 7 fractional bits.
fn expand_range(frame: &Frame, full: &mut [u8]) {
    let (luma, chroma) = full.split_at_mut(frame.size().luma_len());
    for (full, y) in luma.iter_mut().zip(frame.planes().0) {
        *full = ((u16::from(y.saturating_sub(16)) * 149 + 64) >> 7).min(255) as u8; // 255 / 219
    }
    for (full, c) in chroma.iter_mut().zip(&frame.data()[frame.size().luma_len()..]) {
        *full = (((i16::from(*c) - 128) * 146 + 64) >> 7).saturating_add(128).clamp(0, 255) as u8; // 255 / 224
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Size, Yuv};

    #[test]
    fn colours_survive_encoding() {
        let mut encoder = Encoder::new().unwrap();
        for size in [Size::new(64, 32).unwrap(), Size::new(34, 18).unwrap()] {
            let mut frame = Frame::new(size);
            for colour in [[0, 0, 0], [255, 255, 255], [0x20, 0xa0, 0x40], [200, 30, 30], [12, 34, 200]] {
                frame.fill(Yuv::from_rgb(colour[0], colour[1], colour[2]));
                let bytes = encoder.encode(&frame).unwrap();
                let length = u32::from_be_bytes(bytes[..4].try_into().unwrap()) as usize;
                assert_eq!(length, bytes.len() - 4);
                let decoded = image::load_from_memory(&bytes[4..]).unwrap().to_rgb8();
                assert_eq!(decoded.dimensions(), (size.width() as u32, size.height() as u32));
                let pixel = decoded.get_pixel(5, 5).0;
                assert!(
                    pixel.iter().zip(colour).all(|(actual, expected)| actual.abs_diff(expected) < 6),
                    "{colour:?}: {pixel:?}"
                );
            }
        }
    }
}
