//! Errors as users see them: a kind, a message, and a hint with the fix.

use std::{fmt, io};

use image::ImageError;
use serde::{Deserialize, Serialize};

/// How a pipeline thread recovers from an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recovery {
    /// Drop this frame and continue with the next.
    SkipFrame,
    /// Reopen the device, model or file, with back-off.
    Reopen,
    /// Wait for other settings; retrying cannot help.
    GiveUp,
}

/// The kinds of failure, each calling for a different reaction of the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A command, argument or setting is invalid.
    BadInput,
    /// A named device, file or model does not exist.
    NotFound,
    /// The resource is in use by another program.
    Busy,
    /// Access to the resource is denied.
    Denied,
    /// The resource works but lacks the requested feature.
    Unsupported,
    /// A dependency of bgcam is not installed or too old.
    Missing,
    /// A device or file failed during use.
    Io,
    /// A bug in bgcam.
    Internal,
}

/// A failure as users and clients see it: on the terminal, in `status`, on the page and in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The kind of failure.
    pub kind: Kind,
    /// What failed: lower case, no full stop, naming the thing, its value and what was expected.
    pub message: String,
    /// How to fix it, if possible with a command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Failure {
    /// A failure without a hint.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None }
    }

    /// Adds a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// The candidate most similar to `word`, ignoring case, if any is similar enough for a "did you mean".
pub fn nearest<S: AsRef<str>>(word: &str, candidates: impl IntoIterator<Item = S>) -> Option<String> {
    let word = word.to_lowercase();
    let similarity = |candidate: &S| strsim::jaro_winkler(&word, &candidate.as_ref().to_lowercase());
    let best = candidates.into_iter().map(|c| (similarity(&c), c)).max_by(|a, b| a.0.total_cmp(&b.0));
    best.filter(|(similarity, _)| *similarity > 0.8).map(|(_, candidate)| candidate.as_ref().to_owned())
}

/// The text of an I/O error for users, such as `no such file or directory`, without the OS error number.
pub fn io_text(error: &io::Error) -> String {
    let text = match (error.kind(), error.raw_os_error(), error.get_ref()) {
        // errors created by the standard library say "entity not found"
        (io::ErrorKind::NotFound, None, None) => "no such file or directory".to_owned(),
        (io::ErrorKind::AlreadyExists, None, None) => "file exists".to_owned(),
        (_, Some(code), _) => {
            let text = error.to_string();
            text.strip_suffix(&format!(" (os error {code})")).map_or_else(|| text.clone(), str::to_owned)
        }
        _ => error.to_string(),
    };
    let mut letters = text.chars();
    match (letters.next(), letters.clone().next()) {
        // lower the first letter, unless it starts an abbreviation
        (Some(first), Some(second)) if second.is_lowercase() => first.to_lowercase().chain(letters).collect(),
        _ => text,
    }
}

/// The text of one error; I/O errors are formatted with [`io_text`].
fn text_of(error: &(dyn std::error::Error + 'static)) -> String {
    match (error.downcast_ref::<io::Error>(), error.downcast_ref::<ImageError>()) {
        (Some(error), _) | (_, Some(ImageError::IoError(error))) => io_text(error),
        _ => error.to_string(),
    }
}

/// The text of an error and its sources, joined by colons, without repetitions.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = text_of(error);
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = text_of(cause);
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::regular::FileError;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot read {name}")]
    struct Wrapped<E: std::error::Error + 'static> {
        name: &'static str,
        source: E,
    }

    #[test]
    fn io_errors_have_uniform_text() {
        let missing = || io::Error::from_raw_os_error(libc::ENOENT);
        let full = || io::Error::from_raw_os_error(libc::ENOSPC);
        assert_eq!(io_text(&missing()), "no such file or directory");
        assert_eq!(io_text(&io::ErrorKind::NotFound.into()), "no such file or directory");
        assert_eq!(io_text(&full()), "no space left on device");
        assert_eq!(io_text(&io::Error::other("JPEG is damaged")), "JPEG is damaged");
        assert_eq!(chain(&Wrapped { name: "a", source: missing() }), "cannot read a: no such file or directory");
        let file = FileError::from(missing());
        assert_eq!(chain(&Wrapped { name: "a", source: file }), "cannot read a: no such file or directory");
        let image = ImageError::IoError(full());
        assert_eq!(chain(&Wrapped { name: "a", source: image }), "cannot read a: no space left on device");
    }
}
