//! Values of flags whose mistakes come with a way out.

use crate::{
    background::{BackgroundError, BackgroundSpec, parse_seconds},
    error::Failure,
};

pub(super) fn parse_colour(text: &str) -> Result<BackgroundSpec, String> {
    text.parse().map(BackgroundSpec::Color).map_err(|error| with_hint(&error))
}

pub(super) fn parse_every(text: &str) -> Result<u32, String> {
    parse_seconds(text).map_err(|error| with_hint(&error))
}

pub(super) fn parse_background(text: &str) -> Result<BackgroundSpec, String> {
    text.parse().map_err(|error| with_hint(&error))
}

fn with_hint(error: &BackgroundError) -> String {
    let Failure { message, hint, .. } = Failure::from(error);
    hint.map_or(message.clone(), |hint| format!("{message}\n  hint: {hint}"))
}
