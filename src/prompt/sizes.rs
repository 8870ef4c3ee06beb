//! Image sizes that models support, and the closest one to a requested size.

use super::PromptError;

/// A width and a height in pixels.
pub(super) type Pixels = (u32, u32);

/// Aspect ratios by their name in an API, with the resulting size. The first entry, 16:9, wins a tie.
pub(super) type Ratios = [(&'static str, Pixels)];

/// The longest side of an image in pixels.
const MAX_SIDE: u32 = 4096;
/// The shortest side of an image in pixels.
const MIN_SIDE: u32 = 64;

/// Parses the setting `WIDTHxHEIGHT`; empty is `None`.
///
/// # Errors
/// If it is anything else, or a side is out of range.
pub(super) fn parse(key: &'static str, text: &str) -> Result<Option<Pixels>, PromptError> {
    if text.is_empty() {
        return Ok(None);
    }
    let size = text.split_once('x').and_then(|(width, height)| Some((width.parse().ok()?, height.parse().ok()?)));
    match size {
        Some((width, height)) if (MIN_SIDE..=MAX_SIDE).contains(&width) && (MIN_SIDE..=MAX_SIDE).contains(&height) => {
            Ok(Some((width, height)))
        }
        _ => Err(PromptError::setting(key, text, "WIDTHxHEIGHT, each from 64 to 4096, such as 1536x864")),
    }
}

/// A size clamped to 64..=4096 pixels a side and rounded to multiples of `step`, which divides both bounds.
pub(super) fn bounded((width, height): Pixels, step: u32) -> Pixels {
    let side = |side: u32| (side.clamp(MIN_SIDE, MAX_SIDE) + step / 2) / step * step;
    (side(width), side(height))
}

/// The entry with the aspect ratio closest to that of `size`.
pub(super) fn nearest_ratio(table: &Ratios, size: Pixels) -> (&'static str, Pixels) {
    let mut best = table[0];
    for entry in &table[1..] {
        if distance(entry.1, size) < distance(best.1, size) {
            best = *entry;
        }
    }
    best
}

/// A size with the aspect ratio of `size` (at most 3:1) and about `area` pixels, both sides multiples of `step`.
pub(super) fn of_area(size: Pixels, area: f32, step: u32) -> Pixels {
    let ratio = ratio(size).clamp(1.0 / 3.0, 3.0);
    let side = |length: f32| ((length / step as f32).round() as u32).max(1) * step;
    (side((area * ratio).sqrt()), side((area / ratio).sqrt()))
}

/// The size in megapixels.
pub(super) fn megapixels((width, height): Pixels) -> f64 {
    f64::from(width) * f64::from(height) / 1e6
}

/// How far apart two aspect ratios are.
fn distance(a: Pixels, b: Pixels) -> f32 {
    (ratio(a) / ratio(b)).ln().abs()
}

fn ratio((width, height): Pixels) -> f32 {
    width.max(1) as f32 / height.max(1) as f32
}

/// The aspect ratios of Gemini and most other multimodal models, with about their sizes.
pub(super) const MEGAPIXEL: &Ratios = &[
    ("16:9", (1344, 768)),
    ("1:1", (1024, 1024)),
    ("21:9", (1536, 672)),
    ("3:2", (1248, 832)),
    ("2:3", (832, 1248)),
    ("4:3", (1184, 864)),
    ("3:4", (864, 1184)),
    ("9:16", (768, 1344)),
];

/// The aspect ratios of Stable Image and SD3, with the sizes of SDXL.
pub(super) const STABLE_IMAGE: &Ratios = &[
    ("16:9", (1344, 768)),
    ("1:1", (1024, 1024)),
    ("21:9", (1536, 640)),
    ("3:2", (1216, 832)),
    ("2:3", (832, 1216)),
    ("5:4", (1152, 896)),
    ("4:5", (896, 1152)),
    ("9:16", (768, 1344)),
    ("9:21", (640, 1536)),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prompt::SizeRequest;

    #[test]
    fn an_edit_keeps_the_ratio_of_its_image() {
        let configured = Some((768, 448));
        let size = |requested, is_edit| SizeRequest::new(requested, (800, 600), is_edit).requested_or(configured, 8);
        assert_eq!(size(None, false), configured);
        assert_eq!(size(None, true), Some((680, 504)));
        assert_eq!(size(Some((500, 299)), true), Some((504, 296)));
    }

    #[test]
    fn sizes_are_parsed() {
        assert_eq!(parse("k", "").unwrap(), None);
        assert_eq!(parse("k", "1536x864").unwrap(), Some((1536, 864)));
        for text in ["1536", "x", "1536x", "0x0", "9999x9999", "-5x5", "1536X864"] {
            assert!(parse("k", text).is_err(), "{text}");
        }
    }

    #[test]
    fn requested_sizes_are_clamped_and_rounded() {
        assert_eq!(bounded((1000, 499), 8), (1000, 496));
        assert_eq!(bounded((0, u32::MAX), 8), (64, 4096));
        assert_eq!(bounded((641, 480), 1), (641, 480));
    }

    #[test]
    fn cameras_get_wide_images() {
        for size in [(1280, 720), (1920, 1080), (640, 360)] {
            assert_eq!(nearest_ratio(STABLE_IMAGE, size).0, "16:9");
            assert_eq!(of_area(size, 1536.0 * 864.0, 16), (1536, 864));
        }
        assert_eq!(nearest_ratio(STABLE_IMAGE, (640, 480)).0, "5:4");
        assert_eq!(nearest_ratio(STABLE_IMAGE, (720, 1280)).0, "9:16");
        assert_eq!(of_area((10_000, 1), 1_000_000.0, 16), (1728, 576));
    }
}
