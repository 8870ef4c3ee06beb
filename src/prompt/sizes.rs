//! The sizes that models can make, and the nearest one to what is wished.

use super::{PromptError, settings::wrong};

/// A width and a height in pixels.
pub(super) type Pixels = (u32, u32);

/// Aspect ratios as APIs name them, with the size that comes of it; 16:9 first, which wins a tie.
pub(super) type Ratios = [(&'static str, Pixels)];

/// The largest picture that anybody is asked for.
const MOST: u32 = 4096;
/// The shortest side of it.
const LEAST: u32 = 64;

/// Reads a setting `WIDTHxHEIGHT`; empty is `None`.
pub(super) fn parse(key: &'static str, text: &str) -> Result<Option<Pixels>, PromptError> {
    if text.is_empty() {
        return Ok(None);
    }
    let size = text.split_once('x').and_then(|(width, height)| Some((width.parse().ok()?, height.parse().ok()?)));
    match size {
        Some((width, height)) if (LEAST..=MOST).contains(&width) && (LEAST..=MOST).contains(&height) => {
            Ok(Some((width, height)))
        }
        _ => Err(wrong(key, text, "WIDTHxHEIGHT, each from 64 to 4096, such as 1536x864")),
    }
}

/// A size that a user asked for, within bounds and in steps of `step`, which divides both bounds.
pub(super) fn bounded((width, height): Pixels, step: u32) -> Pixels {
    let side = |side: u32| (side.clamp(LEAST, MOST) + step / 2) / step * step;
    (side(width), side(height))
}

/// The entry whose shape is nearest to `wish`.
pub(super) fn nearest_ratio(table: &Ratios, wish: Pixels) -> (&'static str, Pixels) {
    let mut best = table[0];
    for entry in &table[1..] {
        if distance(entry.1, wish) < distance(best.1, wish) {
            best = *entry;
        }
    }
    best
}

/// A size of the shape of `wish` with about `area` pixels, both sides multiples of `step`.
pub(super) fn of_area(wish: Pixels, area: f32, step: u32) -> Pixels {
    let shape = shape(wish).clamp(1.0 / 3.0, 3.0);
    let side = |length: f32| ((length / step as f32).round() as u32).max(1) * step;
    (side((area * shape).sqrt()), side((area / shape).sqrt()))
}

/// How far two shapes are apart.
fn distance(a: Pixels, b: Pixels) -> f32 {
    (shape(a) / shape(b)).ln().abs()
}

fn shape((width, height): Pixels) -> f32 {
    width.max(1) as f32 / height.max(1) as f32
}

/// The shapes of Stable Image and SD3; the sizes are those of SDXL, from whose kin they come.
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

    #[test]
    fn sizes_are_read_and_bounded() {
        assert_eq!(parse("k", "").unwrap(), None);
        assert_eq!(parse("k", "1536x864").unwrap(), Some((1536, 864)));
        for bad in ["1536", "x", "1536x", "0x0", "9999x9999", "-5x5", "1536X864"] {
            assert!(parse("k", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_a_user_asks_for_is_bounded() {
        assert_eq!(bounded((1000, 499), 8), (1000, 496));
        assert_eq!(bounded((0, u32::MAX), 8), (64, 4096));
        assert_eq!(bounded((641, 480), 1), (641, 480));
    }

    #[test]
    fn cameras_get_wide_pictures() {
        for wish in [(1280, 720), (1920, 1080), (640, 360)] {
            assert_eq!(nearest_ratio(STABLE_IMAGE, wish).0, "16:9");
            assert_eq!(of_area(wish, 1536.0 * 864.0, 16), (1536, 864));
        }
        assert_eq!(nearest_ratio(STABLE_IMAGE, (640, 480)).0, "5:4");
        assert_eq!(nearest_ratio(STABLE_IMAGE, (720, 1280)).0, "9:16");
        assert_eq!(of_area((10_000, 1), 1_000_000.0, 16), (1728, 576));
    }
}
