//! The image that is sent to a provider to be edited: always a background, never a frame of the camera.

use std::fmt;

use base64::{Engine, prelude::BASE64_STANDARD};
use image::{ImageFormat, RgbImage};

use crate::media::image_file::{self, ImageFileError, Limits, encode};

/// The longest side of an image that is sent, in pixels; providers work with less.
const MAX_SIDE: u32 = 2048;

/// The maximum size of an image that is sent unchanged, in bytes. Base64 adds a third, and servers accept 10 MB.
const MAX_BYTES: usize = 6_000_000;

/// The quality of an image that is encoded again.
const JPEG_QUALITY: u8 = 95;

/// An encoded background image of at most 2048 pixels a side.
#[derive(Clone, PartialEq)]
pub struct SourceImage {
    bytes: Vec<u8>,
    is_png: bool,
    size: (u32, u32),
}

impl fmt::Debug for SourceImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SourceImage({:?}, {} bytes)", self.size, self.bytes.len())
    }
}

impl SourceImage {
    /// An image of the gallery that was generated; sent unchanged unless it is too large.
    ///
    /// # Errors
    /// If it can't be decoded within `limits`; `name` is its name in errors.
    pub fn generated(bytes: Vec<u8>, name: &str, limits: &Limits) -> Result<Self, ImageFileError> {
        let image = image_file::decode(&bytes, name, limits)?;
        let is_png = match image_file::sniff(&bytes, name)? {
            ImageFormat::Png => true,
            ImageFormat::Jpeg => false,
            _ => return Self::reencoded(image, name),
        };
        let (width, height) = image.dimensions();
        if width.max(height) > MAX_SIDE || bytes.len() > MAX_BYTES {
            return Self::reencoded(image, name);
        }
        Ok(Self { bytes, is_png, size: (width, height) })
    }

    /// The user's own image. It is encoded again, so that nothing but its pixels is sent: a photo contains the place
    /// where it was taken.
    ///
    /// # Errors
    /// As [`generated`](Self::generated).
    pub fn own(bytes: &[u8], name: &str, limits: &Limits) -> Result<Self, ImageFileError> {
        Self::reencoded(image_file::decode(bytes, name, limits)?, name)
    }

    fn reencoded(image: RgbImage, name: &str) -> Result<Self, ImageFileError> {
        let image = encode::within(image, MAX_SIDE);
        let bytes = encode::jpeg(&image, JPEG_QUALITY, name)?;
        Ok(Self { bytes, is_png: false, size: image.dimensions() })
    }

    /// PNG or JPEG.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Width and height in pixels.
    pub fn size(&self) -> (u32, u32) {
        self.size
    }

    /// The media type.
    pub(super) fn mime(&self) -> &'static str {
        if self.is_png { "image/png" } else { "image/jpeg" }
    }

    /// A file name with the right extension, which says nothing about the user.
    pub(super) fn file_name(&self) -> &'static str {
        if self.is_png { "bgcam.png" } else { "bgcam.jpg" }
    }

    /// The bytes in base64.
    pub(super) fn base64(&self) -> String {
        BASE64_STANDARD.encode(&self.bytes)
    }

    /// The bytes in a `data:` URL.
    pub(super) fn data_url(&self) -> String {
        format!("data:{};base64,{}", self.mime(), self.base64())
    }
}

#[cfg(test)]
mod tests {
    use image::{ImageEncoder, Rgb, codecs::jpeg::JpegEncoder};

    use super::*;

    fn encoded(size: u32, format: ImageFormat) -> Vec<u8> {
        let mut bytes = std::io::Cursor::new(Vec::new());
        RgbImage::from_pixel(size, size / 2, Rgb([10, 200, 90])).write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    #[test]
    fn a_generated_image_is_sent_as_it_is_stored() {
        let limits = Limits::default();
        for (format, mime) in [(ImageFormat::Png, "image/png"), (ImageFormat::Jpeg, "image/jpeg")] {
            let source = SourceImage::generated(encoded(64, format), "test", &limits).unwrap();
            assert_eq!((source.bytes(), source.mime(), source.size()), (&*encoded(64, format), mime, (64, 32)));
        }
        let webp = SourceImage::generated(encoded(64, ImageFormat::WebP), "test", &limits).unwrap();
        assert_eq!((webp.mime(), &webp.bytes()[..2]), ("image/jpeg", &b"\xff\xd8"[..]));
        let large = SourceImage::generated(encoded(4000, ImageFormat::Png), "test", &limits).unwrap();
        assert_eq!(large.size(), (2048, 1024));
        assert!(SourceImage::generated(b"GIF89a".to_vec(), "test", &limits).is_err());
        assert!(!format!("{large:?}").contains("bytes: ["), "no pixels in a log");
    }

    #[test]
    fn nothing_but_the_pixels_of_the_users_own_image_is_sent() {
        let mut photo = Vec::new();
        let mut encoder = JpegEncoder::new(&mut photo);
        encoder.set_exif_metadata(b"II*\0\x08\0\0\0 51.5N 0.1W".to_vec()).unwrap();
        encoder.encode_image(&RgbImage::from_pixel(64, 32, Rgb([90; 3]))).unwrap();
        let source = SourceImage::own(&photo, "photo.jpg", &Limits::default()).unwrap();
        let has = |bytes: &[u8]| bytes.windows(5).any(|part| part == b"51.5N");
        assert!(has(&photo) && !has(source.bytes()));
    }
}
