//! Single values out of their text, within their ranges.

use super::error::{ConfigError, value};
use crate::{background::Fit, camera};

pub(super) fn parse<T: std::str::FromStr>(key: &'static str, text: &str) -> Result<T, ConfigError>
where
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|error: T::Err| value(key, format!("{text:?}"), format!("valid: {error}")))
}

pub(super) fn fourcc(text: &str) -> Result<Option<String>, ConfigError> {
    let known = camera::FOURCCS;
    match text {
        "auto" => Ok(None),
        _ if known.contains(&text) => Ok(Some(text.to_owned())),
        _ => Err(value("camera.format", format!("{text:?}"), format!("auto or one of {}", known.join(", ")))),
    }
}

pub(super) fn parse_fit(text: &str) -> Result<Fit, ConfigError> {
    <Fit as clap::ValueEnum>::from_str(text, false)
        .map_err(|_| value("background.fit", format!("{text:?}"), "cover, contain or stretch"))
}

pub(super) fn within<T: PartialOrd + Copy + std::fmt::Display>(
    key: &'static str,
    number: T,
    low: T,
    high: T,
) -> Result<T, ConfigError> {
    if number >= low && number <= high {
        Ok(number)
    } else {
        Err(value(key, number, format!("a number from {low} to {high}")))
    }
}
