//! One file's text, checked by itself, so that an error can name its line.

use super::{
    DEFAULTS,
    error::{ConfigError, parse_error},
    raw::Raw,
};
use crate::error::nearest;

/// Lays `text` over the defaults, so that a file may name any part of the settings, and keeps the line of an error.
pub fn check_text(text: &str, origin: &str) -> Result<(), ConfigError> {
    let parsed: toml::Table = toml::from_str(text).map_err(|error| located(origin, text, &error))?;
    let known = defaults();
    check_keys(origin, text, &parsed, &known)?;
    let mut whole = known;
    merge(&mut whole, parsed);
    whole.try_into::<Raw>().map(|_| ()).map_err(|error: toml::de::Error| mistyped(origin, text, &error))
}

fn check_keys(origin: &str, text: &str, parsed: &toml::Table, known: &toml::Table) -> Result<(), ConfigError> {
    for (key, value) in parsed {
        match (known.get(key), value) {
            // a list of tables has no default
            (None, _) if key == "custom" && known.contains_key("model") => {}
            (None, _) => return Err(unknown(origin, text, key, known.keys())),
            (Some(toml::Value::Table(known)), toml::Value::Table(value)) => check_keys(origin, text, value, known)?,
            (Some(toml::Value::Table(_)), _) => {
                let line = line_with(text, key);
                return Err(parse_error(&format!("{origin}:{line}"), &format!("{key} is not a table of settings")));
            }
            (Some(_), _) => {}
        }
    }
    Ok(())
}

fn merge(into: &mut toml::Table, from: toml::Table) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(toml::Value::Table(old)), toml::Value::Table(new)) => merge(old, new),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}

pub(super) fn defaults() -> toml::Table {
    toml::from_str(DEFAULTS).unwrap_or_default()
}

fn located(origin: &str, text: &str, error: &toml::de::Error) -> ConfigError {
    let origin = match error.span() {
        Some(span) => format!("{origin}:{}", line_of(text, span.start)),
        None => origin.to_owned(),
    };
    parse_error(&origin, error.message())
}

/// An error in the whole, which has no place in the text: its last line names the key, in `backticks`.
fn mistyped(origin: &str, text: &str, error: &toml::de::Error) -> ConfigError {
    let said = error.to_string();
    let path = said.split('`').rev().nth(1).unwrap_or_default();
    let key = path.rsplit('.').next().unwrap_or_default();
    parse_error(&format!("{origin}:{}", line_with(text, key)), &format!("{path}: {}", error.message()))
}

fn unknown<'a>(origin: &str, text: &str, key: &str, known: impl Iterator<Item = &'a String>) -> ConfigError {
    let line = line_with(text, key);
    let known: Vec<&str> = known.map(String::as_str).collect();
    ConfigError::Parse {
        origin: format!("{origin}:{line}"),
        text: format!("unknown setting {key:?}, expected one of {}", known.join(", ")),
        near: nearest(key, known),
    }
}

fn line_with(text: &str, key: &str) -> usize {
    text.lines().position(|line| names_key(line, key)).map_or(1, |index| index + 1)
}

fn names_key(line: &str, key: &str) -> bool {
    line.trim_start()
        .trim_start_matches('[')
        .trim_start()
        .strip_prefix(key)
        .is_some_and(|rest| rest.trim_start().starts_with(['=', ']', '.']))
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}
