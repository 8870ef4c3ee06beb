//! Single values out of their text, within their ranges, and what each setting takes in words.

use super::error::{Wrong, value};
use crate::{
    background::Fit,
    camera,
    look::{Takes, knob},
};

/// The whole numbers that settings take, by key.
const RANGES: [(&str, u64, u64); 7] = [
    ("camera.timeout_ms", 100, 5_000),
    ("output.fps", 1, 120),
    ("background.crossfade_ms", 0, 5_000),
    ("background.max_megabytes", 1, 200),
    ("background.max_megapixels", 1, 400),
    ("gallery.max_megabytes", 10, 1_000_000),
    ("web.port", 0, 65_535),
];

pub(super) fn parse<T: std::str::FromStr>(key: &str, text: &str) -> Result<T, Wrong>
where
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|error: T::Err| value(key, format!("{text:?}"), format!("valid: {error}")))
}

pub(super) fn fourcc(text: &str) -> Result<Option<String>, Wrong> {
    let known = camera::FOURCCS;
    match text {
        "auto" => Ok(None),
        _ if known.contains(&text) => Ok(Some(text.to_owned())),
        _ => Err(value("camera.format", format!("{text:?}"), format!("auto or one of {}", known.join(", ")))),
    }
}

pub(super) fn parse_fit(text: &str) -> Result<Fit, Wrong> {
    <Fit as clap::ValueEnum>::from_str(text, false)
        .map_err(|_| value("background.fit", format!("{text:?}"), "cover, contain or stretch"))
}

/// The number, where it is within the range of `key`.
pub(super) fn within<T: Into<u64> + Copy>(key: &str, number: T) -> Result<T, Wrong> {
    let range = RANGES.iter().find(|(known, ..)| *known == key);
    match range.is_none_or(|(_, low, high)| (*low..=*high).contains(&number.into())) {
        true => Ok(number),
        false => Err(value(key, number.into(), expected(key).unwrap_or_default())),
    }
}

/// What the setting `key` takes, where a number has bounds.
pub(super) fn expected(key: &str) -> Option<String> {
    let range = RANGES.iter().find(|(known, ..)| *known == key);
    match (key, range) {
        (_, Some((_, low, high))) => Some(format!("a number from {low} to {high}")),
        ("mask.edge", _) => Some("two rising numbers from 0 to 1".to_owned()),
        ("mask.memory", _) => Some("a number from 0 to 0.95".to_owned()),
        _ => {
            let knob = knob(key.strip_prefix("look.")?).ok()?;
            matches!(knob.takes, Takes::Number(..)).then(|| knob.expected())
        }
    }
}

/// What serde expected, in the words of somebody who writes settings; `message` is its error.
pub(super) fn expected_type(message: &str) -> String {
    let wanted = message.rsplit_once("expected ").map_or(message, |(_, wanted)| wanted);
    match wanted {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, 0 or more".to_owned(),
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a string" => "text in \"quotes\"".to_owned(),
        "a sequence" => "a list in [brackets]".to_owned(),
        other => other.replace('`', ""),
    }
}
