//! Command-line arguments that several commands share, and value parsers. They are here because flags are a layer of
//! the settings, and because `render` and `bench` define their own arguments.

use clap::Args;

use super::Flags;
use crate::{
    background::{BackgroundError, BackgroundSpec, parse_seconds},
    error::Failure,
    mask::Quality,
};

/// The flags of `daemon`, `render` and `bench` for the segmentation.
#[derive(Debug, Args)]
pub struct MaskArgs {
    /// Segmentation model; see `bgcam models` [default: as configured]
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,
    /// Edge quality: eco, balanced, high or auto [default: as configured]
    #[arg(long, value_name = "QUALITY")]
    pub quality: Option<Quality>,
}

impl MaskArgs {
    /// The settings that these flags override.
    pub(crate) fn flags(&self) -> Flags {
        let model = self.model.iter().map(|model| ("mask.model", model.clone().into()));
        let quality = self.quality.map(|quality| ("mask.quality", quality.to_string().into()));
        model.chain(quality).collect()
    }
}

pub(crate) fn parse_colour(text: &str) -> Result<BackgroundSpec, String> {
    text.parse().map(BackgroundSpec::Colour).map_err(with_hint)
}

pub(crate) fn parse_every(text: &str) -> Result<u32, String> {
    parse_seconds(text).map_err(|_| "expected a time from 1s to 24h, such as 45s, 5m or 1h".to_owned())
}

/// Accepts any camera name that is not empty; whether the camera exists is checked when it is opened.
pub(crate) fn parse_camera(text: &str) -> Result<String, String> {
    match text.trim() {
        "" | "file:" => {
            Err("expected auto, a device path, part of a camera's name, pipewire:NAME, file:PATH or demo".to_owned())
        }
        _ => Ok(text.to_owned()),
    }
}

/// Parses a whole number from `MIN` to `MAX`, inclusive.
pub(crate) fn whole<T: TryFrom<u64>, const MIN: u64, const MAX: u64>(text: &str) -> Result<T, String> {
    let number = text.trim().parse().ok().filter(|number| (MIN..=MAX).contains(number));
    number.and_then(|number| T::try_from(number).ok()).ok_or_else(|| match MAX {
        u64::MAX => format!("expected a whole number, {MIN} or more, such as 42"),
        _ => format!("expected a whole number from {MIN} to {MAX}"),
    })
}

pub(crate) fn parse_background(text: &str) -> Result<BackgroundSpec, String> {
    text.parse().map_err(with_hint)
}

fn with_hint(error: BackgroundError) -> String {
    let Failure { message, hint, .. } = Failure::from(error);
    hint.map_or(message.clone(), |hint| format!("{message}\n  hint: {hint}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_numbers_and_times_name_what_is_expected() {
        assert_eq!(whole::<u32, 1, 120>(" 30 "), Ok(30));
        for text in ["", "abc", "0", "121", "-5", "1.5", "NaN", "99999999999999999999999", "٣"] {
            assert_eq!(whole::<u32, 1, 120>(text).unwrap_err(), "expected a whole number from 1 to 120", "{text}");
        }
        assert_eq!(whole::<u64, 0, { u64::MAX }>("-1").unwrap_err(), "expected a whole number, 0 or more, such as 42");
        for text in ["5x", "", "0", "25h", "-5m", "1e3"] {
            assert!(parse_every(text).unwrap_err().contains("such as 45s, 5m or 1h"), "{text}");
        }
    }
}
