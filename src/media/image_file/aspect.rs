//! Pixel aspect ratio of image files, and conversion to square pixels.
//!
//! Scans, fax pages and captures of old video have pixels that are not square. PNG states it in its pHYs chunk (PNG
//! specification, 11.3.4.3), JPEG in its JFIF header (ITU-T T.871, 10.1), and GIF in its header (GIF89a, 18). WebP cannot.

use fast_image_resize::{
    PixelType, ResizeOptions, Resizer,
    images::{Image, ImageRef},
};
use image::{DynamicImage, ImageBuffer, ImageFormat};

use super::png;

/// Maximum stretch. Beyond it the fields are taken for garbage, as some programs write only one of the two densities.
const MAX_STRETCH: f64 = 4.0;

/// Resolutions are rounded to integers, so nearly square pixels are square.
const TOLERANCE: f64 = 0.02;

/// Width of a pixel divided by its height, if it is plausible and not 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct PixelAspect(f64);

impl PixelAspect {
    /// The aspect stated in a file; `None` for square pixels.
    pub(crate) fn of(bytes: &[u8], format: ImageFormat) -> Option<Self> {
        match format {
            ImageFormat::Png => {
                let (across, rest) = png::chunk(bytes, b"pHYs")?.split_first_chunk()?;
                Self::from_densities(u32::from_be_bytes(*across), u32::from_be_bytes(*rest.first_chunk()?))
            }
            ImageFormat::Jpeg => {
                let [a, b, c, d] = *jfif_densities(bytes)?;
                Self::from_densities(u16::from_be_bytes([a, b]).into(), u16::from_be_bytes([c, d]).into())
            }
            ImageFormat::Gif => {
                let value = *bytes.get(12).filter(|value| **value > 0)?;
                Self::checked((f64::from(value) + 15.0) / 64.0)
            }
            _ => None,
        }
    }

    /// From the numbers of pixels per unit of length across and down.
    fn from_densities(across: u32, down: u32) -> Option<Self> {
        Self::checked(f64::from(down) / f64::from(across))
    }

    fn checked(aspect: f64) -> Option<Self> {
        let stretch = aspect.max(1.0 / aspect);
        (1.0 + TOLERANCE..=MAX_STRETCH).contains(&stretch).then_some(Self(aspect))
    }

    /// Stretches an image to square pixels, with 8 bits per channel. The result has no more than `max_pixels`: the other
    /// side shrinks instead if it would.
    pub(crate) fn square(self, image: DynamicImage, max_pixels: u64) -> DynamicImage {
        let (width, height) = self.square_size(image.width(), image.height(), max_pixels);
        if image.color().has_alpha() {
            let image = image.into_rgba8();
            let from = ImageRef::new(image.width(), image.height(), &image, PixelType::U8x4);
            resize(from, width, height)
                .and_then(|pixels| ImageBuffer::from_raw(width, height, pixels))
                .map_or(DynamicImage::ImageRgba8(image), DynamicImage::ImageRgba8)
        } else {
            let image = image.into_rgb8();
            let from = ImageRef::new(image.width(), image.height(), &image, PixelType::U8x3);
            resize(from, width, height)
                .and_then(|pixels| ImageBuffer::from_raw(width, height, pixels))
                .map_or(DynamicImage::ImageRgb8(image), DynamicImage::ImageRgb8)
        }
    }

    fn square_size(self, width: u32, height: u32, max_pixels: u64) -> (u32, u32) {
        let scaled = |side: u32, scale: f64| ((f64::from(side) * scale).round() as u32).max(1);
        let Self(aspect) = self;
        let larger = if aspect > 1.0 { (scaled(width, aspect), height) } else { (width, scaled(height, 1.0 / aspect)) };
        if u64::from(larger.0) * u64::from(larger.1) <= max_pixels {
            return larger;
        }
        if aspect > 1.0 { (width, scaled(height, 1.0 / aspect)) } else { (scaled(width, aspect), height) }
    }
}

/// `None` if the image has no pixels.
fn resize<E>(from: Result<ImageRef<'_>, E>, width: u32, height: u32) -> Option<Vec<u8>> {
    let from = from.ok()?;
    let mut into = Image::new(width, height, from.pixel_type());
    Resizer::new().resize(&from, &mut into, &ResizeOptions::new()).ok()?;
    Some(into.into_vec())
}

/// The horizontal and vertical density in the JFIF header, which must be the first segment.
fn jfif_densities(bytes: &[u8]) -> Option<&[u8; 4]> {
    // Marker and length precede the name; version and unit follow it.
    let name = bytes.get(6..11)?;
    (bytes.get(2..4)? == [0xff, 0xe0] && name == b"JFIF\0").then(|| bytes.get(14..18)?.first_chunk()).flatten()
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use image::{
        GenericImageView, ImageEncoder, Rgba, RgbaImage, codecs::jpeg::JpegEncoder, codecs::jpeg::PixelDensity,
    };

    use super::*;
    use crate::media::image_file::{Limits, crc32, decode, decode_rgba};

    /// A white disc on black whose pixels are `aspect` times as wide as high, so that it looks round.
    fn disc(aspect: f64) -> DynamicImage {
        let radius = 40.0;
        RgbaImage::from_fn((100.0 / aspect) as u32, 100, |x, y| {
            let (x, y) = ((f64::from(x) + 0.5) * aspect - 50.0, f64::from(y) + 0.5 - 50.0);
            Rgba([if x.hypot(y) < radius { 255 } else { 0 }; 4])
        })
        .into()
    }

    /// Width and height of the bright part.
    fn extent(image: &impl GenericImageView<Pixel = image::Rgb<u8>>) -> (u32, u32) {
        let bright: Vec<_> = image.pixels().filter(|(.., pixel)| pixel.0[1] > 127).collect();
        let span = |side: fn(&(u32, u32, image::Rgb<u8>)) -> u32| {
            bright.iter().map(side).max().unwrap() + 1 - bright.iter().map(side).min().unwrap()
        };
        (span(|pixel| pixel.0), span(|pixel| pixel.1))
    }

    fn png(image: &DynamicImage, densities: Option<[u32; 2]>) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        image.write_to(&mut bytes, ImageFormat::Png).unwrap();
        let mut bytes = bytes.into_inner();
        if let Some([across, down]) = densities {
            let mut chunk = vec![0, 0, 0, 9];
            chunk.extend(b"pHYs");
            chunk.extend([across.to_be_bytes(), down.to_be_bytes()].concat());
            chunk.push(0);
            chunk.extend(crc32(&chunk[4..]).to_be_bytes());
            bytes.splice(33..33, chunk);
        }
        bytes
    }

    fn jpeg(image: &DynamicImage, density: (u16, u16)) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = JpegEncoder::new_with_quality(&mut bytes, 95);
        encoder
            .set_pixel_density(PixelDensity { density, unit: image::codecs::jpeg::PixelDensityUnit::PixelAspectRatio });
        encoder
            .write_image(image.to_rgb8().as_raw(), image.width(), image.height(), image::ExtendedColorType::Rgb8)
            .unwrap();
        bytes
    }

    fn size_in(bytes: &[u8]) -> (u32, u32) {
        extent(&decode(bytes, "test", &Limits::default()).unwrap())
    }

    fn assert_round((width, height): (u32, u32)) {
        assert!(width.abs_diff(height) <= 1 && height > 70, "{width}x{height}");
    }

    #[test]
    fn a_disc_is_round_in_every_format() {
        for (across, down) in [(1, 2), (2, 1), (45, 64), (3, 2)] {
            let image = disc(f64::from(down) / f64::from(across));
            assert_round(size_in(&png(&image, Some([across, down]))));
            assert_round(size_in(&jpeg(&image, (across as u16, down as u16))));
        }
        // Overlays keep their transparency.
        let overlay = decode_rgba(&png(&disc(2.0), Some([1, 2])), "test", &Limits::default()).unwrap();
        assert_eq!(overlay.dimensions(), (100, 100));
        assert_eq!((overlay.get_pixel(50, 50)[3], overlay.get_pixel(2, 2)[3]), (255, 0));
    }

    #[test]
    fn square_pixels_and_implausible_ratios_change_nothing() {
        let image = disc(1.0);
        let expected = (80, 80);
        assert_eq!(size_in(&png(&image, None)), expected);
        for densities in [[1, 1], [2834, 2835], [0, 2834], [2834, 0], [1, 2834], [0, 0], [u32::MAX, 1]] {
            assert_eq!(size_in(&png(&image, Some(densities))), expected, "{densities:?}");
        }
        for density in [(72, 72), (0, 0), (0, 72), (1, 300)] {
            assert_eq!(size_in(&jpeg(&image, density)), expected, "{density:?}");
        }
    }

    #[test]
    fn a_gif_states_its_aspect_in_64ths() {
        let gif = |value| [&b"GIF89a\x0a\0\x0a\0\x80\0"[..], &[value]].concat();
        assert_eq!(PixelAspect::of(&gif(0), ImageFormat::Gif), None);
        assert_eq!(PixelAspect::of(&gif(49), ImageFormat::Gif), None);
        assert_eq!(PixelAspect::of(&gif(113), ImageFormat::Gif), Some(PixelAspect(2.0)));
        assert_eq!(PixelAspect::of(&gif(17), ImageFormat::Gif), Some(PixelAspect(0.5)));
    }

    #[test]
    fn truncated_headers_are_square() {
        for (bytes, format) in
            [(png(&disc(2.0), Some([1, 2])), ImageFormat::Png), (jpeg(&disc(2.0), (1, 2)), ImageFormat::Jpeg)]
        {
            for length in 0..46 {
                PixelAspect::of(&bytes[..length], format); // must not panic
            }
            assert_eq!(PixelAspect::of(&bytes[..12], format), None);
        }
    }

    #[test]
    fn the_result_stays_within_the_limit() {
        let aspect = PixelAspect(2.0);
        assert_eq!(aspect.square_size(100, 100, 20_000), (200, 100));
        assert_eq!(aspect.square_size(100, 100, 19_999), (100, 50));
        assert_eq!(PixelAspect(0.5).square_size(100, 1, 1000), (100, 2));
        assert_eq!(PixelAspect(4.0).square_size(9, 1, 9), (9, 1));
    }
}
