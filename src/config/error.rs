//! Errors in the settings, each with its location.

use std::fmt;

use crate::error::{Failure, Kind};

/// Where a setting was set: a line of a file, an environment variable or a flag. Ordered by precedence.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// Index of the layer; higher layers override lower ones.
    pub(super) layer: usize,
    /// Line number in a file, from 1.
    pub(super) line: Option<usize>,
    /// Name of the file, variable or flag.
    pub(super) source: String,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)?;
        self.line.map_or(Ok(()), |line| write!(f, ":{line}"))
    }
}

/// One error in the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingError {
    pub(super) location: Option<Location>,
    pub(super) text: String,
    pub(super) hint: String,
}

impl fmt::Display for SettingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.location {
            Some(location) => write!(f, "{location}: {}", self.text),
            None => f.write_str(&self.text),
        }
    }
}

impl From<SettingError> for Failure {
    fn from(error: SettingError) -> Self {
        Self::new(Kind::BadInput, error.to_string()).hint(error.hint)
    }
}

/// All errors in the settings, at least one, sorted by location.
#[derive(Debug)]
pub struct ConfigError {
    first: SettingError,
    more: Vec<SettingError>,
}

impl ConfigError {
    /// Combines the errors; `None` if there are none.
    pub(super) fn of(mut errors: Vec<SettingError>) -> Option<Self> {
        errors.sort_by(|a, b| (a.location.is_none(), &a.location).cmp(&(b.location.is_none(), &b.location)));
        let mut errors = errors.into_iter();
        Some(Self { first: errors.next()?, more: errors.collect() })
    }

    /// All errors, ordered by file, line, variable and flag.
    pub fn into_errors(self) -> impl Iterator<Item = SettingError> {
        std::iter::once(self.first).chain(self.more)
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.more.len() {
            0 => write!(f, "{}", self.first),
            1 => write!(f, "{} (and 1 more error)", self.first),
            more => write!(f, "{} (and {more} more errors)", self.first),
        }
    }
}

impl std::error::Error for ConfigError {}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        match error.more.is_empty() {
            true => Self::from(error.first),
            false => Self::new(Kind::BadInput, error.to_string()).hint("`bgcam config check` lists all of them"),
        }
    }
}

/// An invalid setting, before its location is looked up.
#[derive(Debug)]
pub(super) struct InvalidSetting {
    /// The dotted key, such as `output.fps`.
    pub(super) key: String,
    pub(super) text: String,
}

/// The error for a value that its setting does not accept.
pub(super) fn value(key: &str, value: impl fmt::Display, expected: impl fmt::Display) -> InvalidSetting {
    InvalidSetting { key: key.to_owned(), text: format!("{key} = {value}: expected {expected}") }
}

/// The error for a value that `reason` explains.
pub(super) fn rejected(key: &str, value: impl fmt::Display, reason: impl fmt::Display) -> InvalidSetting {
    InvalidSetting { key: key.to_owned(), text: format!("{key} = {value}: {reason}") }
}

impl From<SettingError> for ConfigError {
    fn from(error: SettingError) -> Self {
        Self { first: error, more: Vec::new() }
    }
}
