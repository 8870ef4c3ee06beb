//! Parsing and range checks of single values, and descriptions of the accepted values.

use super::error::{InvalidSetting, rejected, value};
use crate::{
    background::Fit,
    camera,
    look::{ValueType, setting},
};

/// Inclusive ranges of whole numbers, by key.
const RANGES: [(&str, u64, u64); 7] = [
    ("camera.timeout_ms", 100, 5_000),
    ("output.fps", 1, 120),
    ("background.crossfade_ms", 0, 5_000),
    ("background.max_megabytes", 1, 200),
    ("background.max_megapixels", 1, 400),
    ("gallery.max_megabytes", 10, 1_000_000),
    ("web.port", 0, 65_535),
];

pub(super) fn parse<T: std::str::FromStr>(key: &str, text: &str) -> Result<T, InvalidSetting>
where
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|error: T::Err| rejected(key, format!("{text:?}"), error))
}

pub(super) fn fourcc(text: &str) -> Result<Option<String>, InvalidSetting> {
    let known = camera::FOURCCS;
    match text {
        "auto" => Ok(None),
        _ if known.contains(&text) => Ok(Some(text.to_owned())),
        _ => Err(value("camera.format", format!("{text:?}"), format!("auto or one of {}", known.join(", ")))),
    }
}

pub(super) fn parse_fit(text: &str) -> Result<Fit, InvalidSetting> {
    <Fit as clap::ValueEnum>::from_str(text, false)
        .map_err(|_| value("background.fit", format!("{text:?}"), "cover, contain or stretch"))
}

/// Checks that the number is in the range of `key`.
pub(super) fn within<T: Into<u64> + Copy>(key: &str, number: T) -> Result<T, InvalidSetting> {
    let range = RANGES.iter().find(|(known, ..)| *known == key);
    match range.is_none_or(|(_, min, max)| (*min..=*max).contains(&number.into())) {
        true => Ok(number),
        false => Err(value(key, number.into(), expected(key).unwrap_or_default())),
    }
}

/// Describes the values of the setting `key`, if it is a number with bounds.
pub(super) fn expected(key: &str) -> Option<String> {
    let range = RANGES.iter().find(|(known, ..)| *known == key);
    match (key, range) {
        (_, Some((_, min, max))) => Some(format!("a number from {min} to {max}")),
        ("mask.edge", _) => Some("two increasing numbers from 0 to 1".to_owned()),
        ("mask.memory", _) => Some("a number from 0 to 0.95".to_owned()),
        _ => {
            let setting = setting(key.strip_prefix("look.")?).ok()?;
            matches!(setting.value_type, ValueType::Number(..)).then(|| setting.expected())
        }
    }
}

/// Translates the type that serde expected, taken from its error message, into the terms of TOML.
pub(super) fn expected_type(message: &str) -> String {
    let expected = message.rsplit_once("expected ").map_or(message, |(_, expected)| expected);
    match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, 0 or more".to_owned(),
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a string" => "text in \"quotes\"".to_owned(),
        "a sequence" => "a list in [brackets]".to_owned(),
        other => other.replace('`', ""),
    }
}
