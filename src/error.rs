//! What went wrong, said once: the kind, the message, and the way out.

use std::{fmt, io};

use image::ImageError;
use serde::{Deserialize, Serialize};

/// What a thread of the pipeline does about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recovery {
    /// This one frame is lost; go on with the next.
    SkipFrame,
    /// The device, model or file has to be opened anew, with back-off.
    Reopen,
    /// Trying again cannot help until somebody changes the settings.
    GiveUp,
}

/// The kinds of failure a user can meet, each with its own way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The command, its arguments or a setting make no sense.
    BadInput,
    /// A device, file or model that was named is not there.
    NotFound,
    /// The thing is there, but somebody else holds it.
    Busy,
    /// The thing is there, but we may not touch it.
    Denied,
    /// The thing is there and works, but cannot do what was asked.
    Unsupported,
    /// Something that bgcam stands on is not installed or too old.
    Missing,
    /// A device or file failed while in use.
    Io,
    /// A bug of ours.
    Internal,
}

/// A failure as users and clients see it.
///
/// `message` is lower case without a full stop and names the thing, the value and what was expected; `hint` is the
/// way out, a command where there is one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What kind of failure this is.
    pub kind: Kind,
    /// What went wrong, with the name of the thing.
    pub message: String,
    /// What the user can do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Failure {
    /// A failure without a hint.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None }
    }

    /// The same failure with the way out.
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

/// The candidate that is most like `word`, whatever the case, where one is like it at all: for "did you mean".
pub fn nearest<S: AsRef<str>>(word: &str, candidates: impl IntoIterator<Item = S>) -> Option<String> {
    let word = word.to_lowercase();
    let likeness = |candidate: &S| strsim::jaro_winkler(&word, &candidate.as_ref().to_lowercase());
    let best = candidates.into_iter().map(|c| (likeness(&c), c)).max_by(|a, b| a.0.total_cmp(&b.0));
    best.filter(|(likeness, _)| *likeness > 0.8).map(|(_, candidate)| candidate.as_ref().to_owned())
}

/// What an I/O error says to people: `no such file or directory`, without the system's number.
pub fn io_text(error: &io::Error) -> String {
    let text = match (error.kind(), error.raw_os_error(), error.get_ref()) {
        // those that the standard library makes by itself speak of entities
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
        // not an abbreviation
        (Some(first), Some(second)) if second.is_lowercase() => first.to_lowercase().chain(letters).collect(),
        _ => text,
    }
}

/// The text of an error, in the words of [`io_text`] where it is one of I/O.
fn text_of(error: &(dyn std::error::Error + 'static)) -> String {
    match (error.downcast_ref::<io::Error>(), error.downcast_ref::<ImageError>()) {
        (Some(error), _) | (_, Some(ImageError::IoError(error))) => io_text(error),
        _ => error.to_string(),
    }
}

/// The text of an error and of everything beneath it, joined by colons.
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
    fn io_errors_are_said_in_one_way() {
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
