//! Encodes images that bgcam keeps or sends: pixels only, without metadata.

use std::io::Cursor;

use image::{ImageEncoder, ImageError, RgbImage, codecs::jpeg::JpegEncoder, codecs::png::PngEncoder, imageops};

use super::ImageFileError;

/// A JPEG of this quality, 1 to 100.
///
/// # Errors
/// If the image has no pixels or more than 65535 a side; `name` is its name in the error.
pub(crate) fn jpeg(image: &RgbImage, quality: u8, name: &str) -> Result<Vec<u8>, ImageFileError> {
    let mut bytes = Cursor::new(Vec::new());
    encode(image, JpegEncoder::new_with_quality(&mut bytes, quality), name)?;
    Ok(bytes.into_inner())
}

/// A PNG.
///
/// # Errors
/// If the image has no pixels; `name` is its name in the error.
pub(crate) fn png(image: &RgbImage, name: &str) -> Result<Vec<u8>, ImageFileError> {
    let mut bytes = Cursor::new(Vec::new());
    encode(image, PngEncoder::new(&mut bytes), name)?;
    Ok(bytes.into_inner())
}

fn encode(image: &RgbImage, encoder: impl ImageEncoder, name: &str) -> Result<(), ImageFileError> {
    let (width, height) = image.dimensions();
    let written = encoder.write_image(image, width, height, image::ExtendedColorType::Rgb8);
    written.map_err(|source: ImageError| ImageFileError::Decode { name: name.to_owned(), source })
}

/// The image, scaled down to at most `max_side` pixels a side.
pub(crate) fn within(image: RgbImage, max_side: u32) -> RgbImage {
    let (width, height) = image.dimensions();
    let longest = width.max(height);
    if longest <= max_side {
        return image;
    }
    let side = |side: u32| ((u64::from(side) * u64::from(max_side) / u64::from(longest)) as u32).max(1);
    imageops::thumbnail(&image, side(width), side(height))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_scaled_down_and_never_up() {
        let size = |width, height| within(RgbImage::new(width, height), 100).dimensions();
        assert_eq!(
            (size(100, 50), size(200, 100), size(50, 400), size(5000, 3)),
            ((100, 50), (100, 50), (12, 100), (100, 1))
        );
    }
}
