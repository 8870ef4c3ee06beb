//! Mistakes in the settings, each with the place where it was made.

use std::fmt;

use crate::error::{Failure, Kind};

/// Where a setting was made: a line of a file, an environment variable or a flag. Ordered as settings are applied.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// How many layers of settings are weaker than this one.
    pub(super) layer: usize,
    /// The line of a file, from 1.
    pub(super) line: Option<usize>,
    /// The file, variable or flag.
    pub(super) source: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)?;
        self.line.map_or(Ok(()), |line| write!(f, ":{line}"))
    }
}

/// One mistake in the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    pub(super) place: Option<Place>,
    pub(super) text: String,
    pub(super) hint: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(place) => write!(f, "{place}: {}", self.text),
            None => f.write_str(&self.text),
        }
    }
}

impl From<Mistake> for Failure {
    fn from(mistake: Mistake) -> Self {
        Self::new(Kind::BadInput, mistake.to_string()).hint(&mistake.hint)
    }
}

/// All mistakes in the settings, at least one, sorted by place.
#[derive(Debug)]
pub struct ConfigError {
    first: Mistake,
    more: Vec<Mistake>,
}

impl ConfigError {
    /// An error of these mistakes; `None` when there are none.
    pub(super) fn of(mut mistakes: Vec<Mistake>) -> Option<Self> {
        mistakes.sort_by(|a, b| (a.place.is_none(), &a.place).cmp(&(b.place.is_none(), &b.place)));
        let mut mistakes = mistakes.into_iter();
        Some(Self { first: mistakes.next()?, more: mistakes.collect() })
    }

    /// Every mistake, by file, line, variable and flag.
    pub fn into_mistakes(self) -> impl Iterator<Item = Mistake> {
        std::iter::once(self.first).chain(self.more)
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.more.len() {
            0 => write!(f, "{}", self.first),
            1 => write!(f, "{} (and 1 more mistake)", self.first),
            more => write!(f, "{} (and {more} more mistakes)", self.first),
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

/// A setting that cannot be used, before it is known where it was made.
#[derive(Debug)]
pub(super) struct Wrong {
    /// Such as `output.fps`.
    pub(super) key: String,
    pub(super) text: String,
}

/// A value other than what its setting takes.
pub(super) fn value(key: &str, value: impl fmt::Display, expected: impl fmt::Display) -> Wrong {
    Wrong { key: key.to_owned(), text: format!("setting {key} = {value} is not {expected}") }
}

impl From<Mistake> for ConfigError {
    fn from(mistake: Mistake) -> Self {
        Self { first: mistake, more: Vec::new() }
    }
}
