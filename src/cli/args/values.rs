//! Values of flags whose mistakes come with a way out.

use crate::{
    background::{BackgroundError, BackgroundSpec, parse_seconds},
    error::Failure,
};

pub(super) fn parse_colour(text: &str) -> Result<BackgroundSpec, String> {
    text.parse().map(BackgroundSpec::Color).map_err(|error| with_hint(error))
}

pub(super) fn parse_every(text: &str) -> Result<u32, String> {
    parse_seconds(text).map_err(|_| "expected a time from 1s to 24h, such as 45s, 5m or 1h".to_owned())
}

/// The name of a camera, whatever cameras there are.
pub(super) fn parse_camera(text: &str) -> Result<String, String> {
    match text.trim() {
        "" | "file:" => Err("expected auto, a path, a part of its name, file:PATH or demo".to_owned()),
        _ => Ok(text.to_owned()),
    }
}

/// A whole number from `LOW` to `HIGH`.
pub(super) fn whole<T: TryFrom<u64>, const LOW: u64, const HIGH: u64>(text: &str) -> Result<T, String> {
    let number = text.trim().parse().ok().filter(|number| (LOW..=HIGH).contains(number));
    number.and_then(|number| T::try_from(number).ok()).ok_or_else(|| match HIGH {
        u64::MAX => format!("expected a whole number, {LOW} or more, such as 42"),
        _ => format!("expected a whole number from {LOW} to {HIGH}"),
    })
}

pub(super) fn parse_background(text: &str) -> Result<BackgroundSpec, String> {
    text.parse().map_err(|error| with_hint(error))
}

fn with_hint(error: BackgroundError) -> String {
    let Failure { message, hint, .. } = Failure::from(error);
    hint.map_or(message.clone(), |hint| format!("{message}\n  hint: {hint}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_that_are_none_are_told_what_is_expected() {
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
