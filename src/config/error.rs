//! What can be wrong with the settings.

use std::{io, path::PathBuf};

use crate::error::{Failure, Kind, chain};

/// What can be wrong with the settings.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file is there but can't be read.
    #[error("cannot read settings {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is no TOML, or has a key or a type that we don't know; the text has the line.
    #[error("{origin}: {text}")]
    Parse {
        /// The file, or the environment variable.
        origin: String,
        /// What is wrong, with the line where there is one.
        text: String,
        /// What may have been meant.
        near: Option<String>,
    },
    /// A value is out of its range.
    #[error("setting {key} = {value} is not {expected}")]
    Value {
        /// The key, such as `output.fps`.
        key: &'static str,
        /// What stands there.
        value: String,
        /// What was expected.
        expected: String,
    },
}

impl From<&ConfigError> for Failure {
    fn from(error: &ConfigError) -> Self {
        let failure = Self::new(Kind::BadInput, chain(error));
        match error {
            ConfigError::Parse { near: Some(near), .. } => failure.hint(format!("did you mean {near:?}?")),
            ConfigError::Read { path, .. } => failure.hint(format!("ls -l {}", path.display())),
            _ => failure.hint("`bgcam config show` prints every setting, config/bgcam.toml explains them"),
        }
    }
}

pub(super) fn parse_error(origin: &str, text: &str) -> ConfigError {
    ConfigError::Parse { origin: origin.to_owned(), text: text.trim_end().to_owned(), near: None }
}

pub(super) fn value(key: &'static str, value: impl ToString, expected: impl Into<String>) -> ConfigError {
    ConfigError::Value { key, value: value.to_string(), expected: expected.into() }
}
