//! Makes an image from outside safe to keep: decoded within limits, bounded in size, and encoded again, so that nothing
//! but its pixels is stored.

use image::{ImageFormat, RgbImage};

use super::{GeneratedImage, Name};
use crate::media::image_file::{self, ImageFileError, Limits, encode, provenance};

/// The longest side of a stored image in pixels; the output has at most half as many.
const MAX_SIDE: u32 = 4096;

/// High enough that an image can be edited many times.
const JPEG_QUALITY: u8 = 95;

/// Decodes an image of `provider` and encodes it again: a PNG as PNG, others as JPEG. Only the first frame of an animation
/// is kept, and no metadata; [`GeneratedImage::marks`] records that the provider marked the image as generated. Returns the
/// pixels too.
///
/// # Errors
/// If it is not PNG, JPEG or WebP, damaged, or exceeds `limits`.
pub fn receive(
    image: GeneratedImage,
    provider: &str,
    limits: &Limits,
) -> Result<(GeneratedImage, RgbImage), ImageFileError> {
    let name = format!("from {provider}");
    let pixels = image_file::decode(&image.bytes, &name, limits)?;
    if provider == Name::Builtin.as_str() {
        return Ok((image, pixels)); // it does not come from outside
    }
    let marks = provenance::marks(&image.bytes);
    let pixels = encode::within(pixels, MAX_SIDE);
    let bytes = match image_file::sniff(&image.bytes, &name)? {
        ImageFormat::Png => encode::png(&pixels, &name)?,
        _ => encode::jpeg(&pixels, JPEG_QUALITY, &name)?,
    };
    Ok((GeneratedImage { bytes, marks, ..image }, pixels))
}

#[cfg(test)]
mod tests {
    use image::{ImageEncoder, Rgb, codecs::jpeg::JpegEncoder};
    use memchr::memmem;

    use super::*;
    use crate::media::image_file::provenance::{Mark, SourceType};

    fn encoded(size: u32, format: ImageFormat) -> Vec<u8> {
        let mut bytes = std::io::Cursor::new(Vec::new());
        RgbImage::from_pixel(size, 8, Rgb([10, 200, 90])).write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    fn received(bytes: Vec<u8>) -> GeneratedImage {
        receive(GeneratedImage::new(bytes), "openai", &Limits::default()).unwrap().0
    }

    #[test]
    fn metadata_and_trailing_data_are_not_stored() {
        let mut jpeg = Vec::new();
        let mut encoder = JpegEncoder::new(&mut jpeg);
        encoder.set_exif_metadata(b"II*\0\x08\0\0\0 secret".to_vec()).unwrap();
        encoder.encode_image(&RgbImage::from_pixel(64, 32, Rgb([90; 3]))).unwrap();
        jpeg.extend(b"secret behind the image");
        let png = provenance::with_source_type(&encoded(64, ImageFormat::Png), SourceType::Generated).unwrap();
        let png = [&png[..], b"secret behind the image"].concat();
        for (bytes, start) in
            [(jpeg, &b"\xff\xd8"[..]), (png, b"\x89PNG"), (encoded(64, ImageFormat::WebP), b"\xff\xd8")]
        {
            let image = received(bytes);
            assert!(image.bytes.starts_with(start));
            assert!(memmem::find(&image.bytes, b"secret").is_none() && memmem::find(&image.bytes, b"xmp").is_none());
        }
    }

    #[test]
    fn the_record_knows_that_the_provider_marked_the_image() {
        let marked = provenance::with_source_type(&encoded(64, ImageFormat::Png), SourceType::Generated).unwrap();
        assert_eq!(received(marked).marks, [Mark::DigitalSourceType]);
        assert_eq!(received(encoded(64, ImageFormat::Png)).marks, []);
    }

    #[test]
    fn images_are_bounded_and_those_of_the_painter_stay_as_they_are() {
        let wide = encoded(8000, ImageFormat::Png);
        let (image, pixels) = receive(GeneratedImage::new(wide.clone()), "openai", &Limits::default()).unwrap();
        assert_eq!((pixels.dimensions(), image::load_from_memory(&image.bytes).unwrap().width()), ((4096, 4), 4096));
        let (painted, _) = receive(GeneratedImage::new(wide.clone()), "builtin", &Limits::default()).unwrap();
        assert_eq!(painted.bytes, wide);
        let limits = Limits { max_pixels: 1000, ..Limits::default() };
        assert!(receive(GeneratedImage::new(wide), "openai", &limits).is_err());
    }
}
