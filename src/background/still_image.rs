//! Decodes an image file into a frame.

use super::{BackgroundError, Fit, Limits, fit};
use crate::{
    frame::{Frame, Size},
    media::image_file,
};

/// Decodes an image and fits it to `size`; errors refer to it as `name`.
///
/// # Errors
/// As [`image_file::decode`].
pub fn from_bytes(bytes: &[u8], name: &str, fit: Fit, size: Size, limits: &Limits) -> Result<Frame, BackgroundError> {
    Ok(fit::to_frame(image_file::decode(bytes, name, limits)?, fit, size))
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use image::{ImageFormat, RgbImage};
    use proptest::prelude::*;

    use super::*;

    fn encode(format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        RgbImage::from_pixel(32, 18, image::Rgb([9; 3])).write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn no_input_causes_a_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..300), format in 0..3usize) {
            let mut whole = encode([ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP][format]);
            let at = bytes.len() % whole.len();
            whole.truncate(at.max(12));
            whole.write_all(&bytes).unwrap();
            let limits = Limits { max_pixels: 1_000_000, ..Limits::default() };
            let size = Size::new(16, 16).unwrap();
            let _ = from_bytes(&whole, "test", Fit::Contain, size, &limits);
            bytes.splice(0..0, *b"RIFF\x40\0\0\0WEBPVP8 ");
            let _ = from_bytes(&bytes, "test", Fit::Contain, size, &limits);
        }
    }
}
