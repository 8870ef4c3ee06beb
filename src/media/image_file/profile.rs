//! Colour profiles of images, and their conversion to sRGB.
//!
//! PNG has the chunks cICP, iCCP, sRGB, gAMA and cHRM, in this order of precedence; JPEG, WebP and GIF embed an ICC
//! profile; some cameras mark Adobe RGB only in the EXIF data.

use std::{fmt, sync::Arc};

use image::{DynamicImage, ImageDecoder, ImageFormat};
use moxcms::{
    Chromaticity, CicpProfile, ColorPrimaries, ColorProfile, DataColorSpace, Layout, MatrixCoefficients, ToneReprCurve,
    TransferCharacteristics, Transform8BitExecutor, TransformOptions, curve_from_gamma,
};

use super::{exif, png};

/// Pixels converted per call.
const CHUNK: usize = 4096;

/// Channel levels of the colours used to test whether a profile changes anything.
const PROBES: [u8; 6] = [0, 51, 102, 153, 204, 255];

/// Luminance of sRGB white in high dynamic range images, in cd/m² (BT.2408), and as a linear HLG signal.
const PQ_WHITE: f64 = 203.0;
const HLG_WHITE: f64 = 0.265;

/// Tones up to this level (linear light, 1 is white) are kept; brighter ones roll off towards 1.
pub(crate) const KNEE: f64 = 0.75;

/// Conversion from an image's colours to sRGB.
#[derive(Clone)]
pub(crate) struct ToSrgb {
    rgb: Arc<Transform8BitExecutor>,
    rgba: Arc<Transform8BitExecutor>,
}

impl fmt::Debug for ToSrgb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ToSrgb")
    }
}

impl ToSrgb {
    /// The conversion for the images of a file; `None` if they are sRGB, or have no profile or an invalid one.
    pub(crate) fn of(decoder: &mut dyn ImageDecoder, bytes: &[u8], format: ImageFormat) -> Option<Self> {
        Self::from_profile(rgb_profile(profile(decoder, bytes, format)?)?)
    }

    fn from_profile(mut profile: ColorProfile) -> Option<Self> {
        roll_off(&mut profile);
        let srgb = ColorProfile::new_srgb();
        let transform = |layout| profile.create_transform_8bit(layout, &srgb, layout, TransformOptions::default()).ok();
        let conversion = Self { rgb: transform(Layout::Rgb)?, rgba: transform(Layout::Rgba)? };
        conversion.is_effective().then_some(conversion)
    }

    fn is_effective(&self) -> bool {
        let levels = || PROBES.into_iter();
        let before: Vec<u8> =
            levels().flat_map(|r| levels().flat_map(move |g| levels().flat_map(move |b| [r, g, b]))).collect();
        let mut after = vec![0; before.len()];
        self.rgb.transform(&before, &mut after).is_ok() && before.iter().zip(&after).any(|(a, b)| a.abs_diff(*b) > 1)
    }

    /// Converts an image to sRGB with 8 bits per channel.
    pub(crate) fn convert(&self, image: DynamicImage) -> DynamicImage {
        if image.color().has_alpha() {
            let mut image = image.into_rgba8();
            apply(&*self.rgba, &mut image, 4);
            return DynamicImage::ImageRgba8(image);
        }
        let mut image = image.into_rgb8();
        apply(&*self.rgb, &mut image, 3);
        DynamicImage::ImageRgb8(image)
    }
}

fn apply(transform: &Transform8BitExecutor, pixels: &mut [u8], channels: usize) {
    let mut before = vec![0; CHUNK * channels];
    for chunk in pixels.chunks_mut(CHUNK * channels) {
        let before = &mut before[..chunk.len()];
        before.copy_from_slice(chunk);
        if transform.transform(before, chunk).is_err() {
            chunk.copy_from_slice(before);
        }
    }
}

/// The colour profile of a file.
fn profile(decoder: &mut dyn ImageDecoder, bytes: &[u8], format: ImageFormat) -> Option<ColorProfile> {
    if format == ImageFormat::Png
        && let Some(profile) = png::chunk(bytes, b"cICP").and_then(from_cicp)
    {
        return Some(profile);
    }
    // A damaged profile is ignored.
    if let Some(icc) = decoder.icc_profile().ok().flatten() {
        return ColorProfile::new_from_slice(&icc).ok();
    }
    match format {
        ImageFormat::Png if png::chunk(bytes, b"sRGB").is_none() => from_gamma(bytes),
        ImageFormat::Jpeg => {
            let exif = decoder.exif_metadata().ok().flatten()?;
            exif::is_adobe_rgb(&exif).then(ColorProfile::new_adobe_rgb)
        }
        _ => None,
    }
}

/// Code points of ITU-T H.273: primaries, transfer, matrix (RGB), full range.
fn from_cicp(numbers: &[u8]) -> Option<ColorProfile> {
    let &[primaries, transfer, 0, range] = numbers else { return None };
    let cicp = CicpProfile {
        color_primaries: primaries.try_into().ok()?,
        transfer_characteristics: transfer.try_into().ok()?,
        matrix_coefficients: MatrixCoefficients::Identity,
        full_range: range == 1,
    };
    let profile = ColorProfile::new_from_cicp(cicp);
    profile.red_trc.is_some().then_some(profile)
}

/// Profile from a PNG's gamma and primaries.
fn from_gamma(bytes: &[u8]) -> Option<ColorProfile> {
    let numbers = |name| {
        let numbers = png::chunk(bytes, name)?.as_chunks::<4>().0.iter();
        Some(numbers.map(|number| f64::from(u32::from_be_bytes(*number)) / 100_000.0).collect::<Vec<_>>())
    };
    let gamma = *numbers(b"gAMA")?.first().filter(|gamma| (0.1..=10.0).contains(*gamma))?;
    let mut profile = ColorProfile::new_srgb();
    // A gamma of 1/2.2 means sRGB, whose curve differs slightly.
    if (gamma - 0.45455).abs() > 0.005 {
        set_curves(&mut profile, &curve_from_gamma((1.0 / gamma) as f32));
    }
    if let Some(&[wx, wy, rx, ry, gx, gy, bx, by]) = numbers(b"cHRM").as_deref()
        && [wy, ry, gy, by].iter().all(|y| *y > 0.0)
    {
        let at = |x: f64, y: f64| Chromaticity::new(x as f32, y as f32);
        let primaries = ColorPrimaries { red: at(rx, ry), green: at(gx, gy), blue: at(bx, by) };
        profile.update_rgb_colorimetry(at(wx, wy).to_xyyb(), primaries);
    }
    profile.cicp = None;
    Some(profile)
}

/// An RGB version of the profile: images are decoded to RGB even if they are grey.
fn rgb_profile(profile: ColorProfile) -> Option<ColorProfile> {
    match profile.color_space {
        DataColorSpace::Rgb => Some(profile),
        DataColorSpace::Gray => {
            let mut grey = ColorProfile::new_srgb();
            grey.cicp = None;
            set_curves(&mut grey, profile.gray_trc.as_ref()?);
            Some(grey)
        }
        _ => None,
    }
}

fn set_curves(profile: &mut ColorProfile, curve: &ToneReprCurve) {
    for channel in [&mut profile.red_trc, &mut profile.green_trc, &mut profile.blue_trc] {
        *channel = Some(curve.clone());
    }
}

/// Tone-maps high dynamic range to what an sRGB screen can show, as for videos.
fn roll_off(profile: &mut ColorProfile) {
    let linear: fn(f64) -> f64 = match profile.cicp.as_ref().map(|cicp| cicp.transfer_characteristics) {
        Some(TransferCharacteristics::Smpte2084) => |value| 10_000.0 / PQ_WHITE * pq(value),
        Some(TransferCharacteristics::Hlg) => |value| hlg(value) / HLG_WHITE,
        _ => return,
    };
    let level = |index: u32| (tone(linear(f64::from(index) / 4095.0)) * 65535.0).round() as u16;
    let curve = ToneReprCurve::Lut((0..4096).map(level).collect());
    set_curves(profile, &curve);
    profile.cicp = None;
}

/// SMPTE ST 2084: signal to light, where 1 is 10 000 cd/m².
pub(crate) fn pq(value: f64) -> f64 {
    let root = value.powf(1.0 / 78.84375);
    ((root - 0.8359375).max(0.0) / (18.8515625 - 18.6875 * root)).powf(1.0 / 0.159_301_757_812_5)
}

/// ARIB STD-B67: signal to scene light.
pub(crate) fn hlg(value: f64) -> f64 {
    if value < 0.5 {
        value * value / 3.0
    } else {
        (((value - 0.559_910_73) / 0.178_832_77).exp() + 0.284_668_92) / 12.0
    }
}

/// Linear light with highlights rolled off to at most 1.
pub(crate) fn tone(light: f64) -> f64 {
    if light < KNEE { light } else { KNEE + (1.0 - KNEE) * (1.0 - ((KNEE - light) / (1.0 - KNEE)).exp()) }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use image::{
        ImageEncoder, Rgb, RgbImage, Rgba, RgbaImage,
        codecs::{jpeg::JpegEncoder, png::PngEncoder, webp::WebPEncoder},
    };
    use moxcms::curve_from_gamma;

    use super::*;
    use crate::media::image_file::{self, Limits, crc32};

    /// The colours in sRGB.
    const CARD: [[u8; 3]; 4] = [[200, 40, 40], [40, 180, 60], [40, 60, 200], [230, 220, 200]];

    /// `colour` encoded in this profile.
    fn coded(colour: [u8; 3], profile: &ColorProfile) -> [u8; 3] {
        let srgb = ColorProfile::new_srgb();
        let options = TransformOptions::default();
        let mut out = [0; 3];
        srgb.create_transform_8bit(Layout::Rgb, profile, Layout::Rgb, options)
            .unwrap()
            .transform(&colour, &mut out)
            .unwrap();
        out
    }

    fn near(found: [u8; 3], expected: [u8; 3], by: u8) -> bool {
        found.iter().zip(expected).all(|(found, expected)| found.abs_diff(expected) <= by)
    }

    fn encoded(image: &RgbImage, icc: Vec<u8>, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Vec::new();
        let (width, height) = image.dimensions();
        let colour = image::ExtendedColorType::Rgb8;
        match format {
            ImageFormat::Png => {
                let mut encoder = PngEncoder::new(&mut bytes);
                encoder.set_icc_profile(icc).unwrap();
                encoder.write_image(image, width, height, colour).unwrap();
            }
            ImageFormat::Jpeg => {
                let mut encoder = JpegEncoder::new_with_quality(&mut bytes, 100);
                encoder.set_icc_profile(icc).unwrap();
                encoder.write_image(image, width, height, colour).unwrap();
            }
            _ => {
                let mut encoder = WebPEncoder::new_lossless(&mut bytes);
                encoder.set_icc_profile(icc).unwrap();
                encoder.write_image(image, width, height, colour).unwrap();
            }
        }
        bytes
    }

    fn decode(bytes: &[u8]) -> [u8; 3] {
        image_file::decode(bytes, "test", &Limits::default()).unwrap().get_pixel(9, 9).0
    }

    #[test]
    fn images_with_any_profile_are_converted() {
        let mut linear = ColorProfile::new_srgb();
        linear.cicp = None;
        set_curves(&mut linear, &curve_from_gamma(1.8));
        for (name, profile) in [
            ("Adobe RGB", ColorProfile::new_adobe_rgb()),
            ("Display P3", ColorProfile::new_display_p3()),
            ("ProPhoto", ColorProfile::new_pro_photo_rgb()),
            ("gamma 1.8", linear),
            ("sRGB", ColorProfile::new_srgb()),
        ] {
            let icc = profile.encode().unwrap();
            for colour in CARD {
                let image = RgbImage::from_pixel(32, 18, Rgb(coded(colour, &profile)));
                for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP] {
                    let found = decode(&encoded(&image, icc.clone(), format));
                    assert!(near(found, colour, 4), "{name} {format:?}: {found:?} for {colour:?}");
                }
            }
        }
    }

    #[test]
    fn transparency_is_kept_and_grey_profiles_are_applied() {
        let profile = ColorProfile::new_adobe_rgb();
        let [r, g, b] = coded(CARD[0], &profile);
        let image = RgbaImage::from_pixel(32, 18, Rgba([r, g, b, 77]));
        let mut bytes = Vec::new();
        let mut encoder = PngEncoder::new(&mut bytes);
        encoder.set_icc_profile(profile.encode().unwrap()).unwrap();
        encoder.write_image(&image, 32, 18, image::ExtendedColorType::Rgba8).unwrap();
        let found = image_file::decode_rgba(&bytes, "test", &Limits::default()).unwrap().get_pixel(3, 3).0;
        assert!(near([found[0], found[1], found[2]], CARD[0], 3) && found[3] == 77, "{found:?}");

        let mut bytes = Vec::new();
        let mut encoder = PngEncoder::new(&mut bytes);
        encoder.set_icc_profile(ColorProfile::new_gray_with_gamma(1.0).encode().unwrap()).unwrap();
        encoder.write_image(&[55; 1024], 32, 32, image::ExtendedColorType::L8).unwrap();
        assert!(near(decode(&bytes), [128; 3], 2), "{:?}", decode(&bytes)); // 55/255 of the light of white
    }

    #[test]
    fn a_damaged_or_unsupported_profile_is_ignored() {
        let image = RgbImage::from_pixel(32, 18, Rgb(CARD[1]));
        let mut cmyk = ColorProfile::new_adobe_rgb();
        cmyk.color_space = DataColorSpace::Cmyk;
        let good = ColorProfile::new_adobe_rgb().encode().unwrap();
        let mut ends = vec![Vec::new(), b"nonsense".to_vec(), good[..200].to_vec()];
        ends.extend(cmyk.encode());
        for icc in ends {
            assert_eq!(decode(&encoded(&image, icc, ImageFormat::Png)), CARD[1]);
        }
    }

    /// A single-colour PNG with additional chunks.
    fn png_with(colour: [u8; 3], chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        RgbImage::from_pixel(32, 18, Rgb(colour)).write_to(&mut bytes, ImageFormat::Png).unwrap();
        let mut bytes = bytes.into_inner();
        for (name, data) in chunks {
            let mut chunk = (data.len() as u32).to_be_bytes().to_vec();
            chunk.extend(*name);
            chunk.extend(*data);
            let check = crc32(&chunk[4..]);
            chunk.extend(check.to_be_bytes());
            bytes.splice(33..33, chunk);
        }
        bytes
    }

    #[test]
    fn png_colour_chunks_are_applied() {
        let numbers = |numbers: &[u32]| numbers.iter().flat_map(|number| number.to_be_bytes()).collect::<Vec<_>>();
        let linear = numbers(&[100_000]);
        let found = decode(&png_with([55; 3], &[(b"gAMA", &linear)]));
        assert!(near(found, [128; 3], 2), "{found:?}");
        // sRGB takes precedence over gAMA.
        assert_eq!(decode(&png_with([55; 3], &[(b"sRGB", &[0]), (b"gAMA", &linear)])), [55; 3]);
        assert_eq!(decode(&png_with([55; 3], &[(b"gAMA", &numbers(&[45_455]))])), [55; 3]);
        assert_eq!(decode(&png_with([55; 3], &[(b"gAMA", &[0; 4])])), [55; 3]);

        let adobe = numbers(&[31_270, 32_900, 64_000, 33_000, 21_000, 71_000, 15_000, 6_000]);
        for colour in CARD {
            let image = coded(colour, &ColorProfile::new_adobe_rgb());
            let found = decode(&png_with(image, &[(b"gAMA", &numbers(&[45_455])), (b"cHRM", &adobe)]));
            assert!(near(found, colour, 6), "{found:?} for {colour:?}");
            let p3 = coded(colour, &ColorProfile::new_display_p3());
            let found = decode(&png_with(p3, &[(b"cICP", &[12, 13, 0, 1])]));
            assert!(near(found, colour, 3), "{found:?} for {colour:?}");
        }
    }

    #[test]
    fn high_dynamic_range_is_tone_mapped() {
        assert!((pq(0.580_69) * 10_000.0 - 203.0).abs() < 0.5, "{}", pq(0.580_69) * 10_000.0);
        assert!((hlg(0.75) - HLG_WHITE).abs() < 1e-3);
        assert!(tone(0.5) == 0.5 && tone(1.0) < 1.0 && tone(50.0) <= 1.0);
        // 58 % of PQ and 75 % of HLG are white.
        for (transfer, code) in [(16, 148), (18, 191)] {
            let found = decode(&png_with([code; 3], &[(b"cICP", &[9, transfer, 0, 1])]));
            assert!(near(found, [244; 3], 5), "{transfer}: {found:?}");
        }
    }

    #[test]
    fn adobe_rgb_marked_in_exif_is_converted() {
        let profile = ColorProfile::new_adobe_rgb();
        let image = RgbImage::from_pixel(32, 18, Rgb(coded(CARD[0], &profile)));
        let mut bytes = Vec::new();
        let mut encoder = JpegEncoder::new_with_quality(&mut bytes, 100);
        encoder.set_exif_metadata(exif::tests::R03.to_vec()).unwrap();
        encoder.encode_image(&image).unwrap();
        assert!(near(decode(&bytes), CARD[0], 4), "{:?}", decode(&bytes));
    }
}
