//! API keys from the environment, a file or a systemd credential; never from the settings, never shown in messages.

use std::{
    env, fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use secrecy::SecretString;

use super::{Name, PromptError};
use crate::paths::expand_home;

/// The maximum length of a key in bytes. The longest known keys are AWS session tokens.
const MAX_LEN: u64 = 16 << 10;

/// The sources of a provider's API key, in order of precedence; a systemd credential comes last.
#[derive(Debug, Clone, Copy)]
pub(super) struct KeySources<'a> {
    pub(super) provider: Name,
    /// An environment variable; empty for none.
    pub(super) variable: &'a str,
    /// The path of a file; empty for none.
    pub(super) file: &'a str,
}

impl KeySources<'_> {
    /// The key, or `None` if no source has one.
    ///
    /// # Errors
    /// If a configured file can't be read, or its content is not a key.
    pub(super) fn find(&self) -> Result<Option<SecretString>, PromptError> {
        if let Some(text) = env::var_os(self.variable).filter(|text| !self.variable.is_empty() && !text.is_empty()) {
            let text = text.into_string().unwrap_or_default();
            return self.check(text, self.variable).map(Some);
        }
        if !self.file.is_empty() {
            let path = expand_home(self.file);
            let text = read(&path).map_err(|source| self.unreadable(&path, source))?;
            return self.check(text, self.file).map(Some);
        }
        let Some(path) = self.credential() else { return Ok(None) };
        match read(&path) {
            Ok(text) => self.check(text, &path.display().to_string()).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(self.unreadable(&path, source)),
        }
    }

    /// The key of a provider that needs one.
    ///
    /// # Errors
    /// As [`find`](Self::find), and if there is no key.
    pub(super) fn require(&self) -> Result<SecretString, PromptError> {
        self.find()?.ok_or_else(|| self.missing())
    }

    /// The error for a missing key.
    pub(super) fn missing(&self) -> PromptError {
        PromptError::MissingKey {
            provider: self.provider,
            variable: self.variable.to_owned(),
            setting: format!("prompt.{}.key_file", self.provider),
        }
    }

    fn credential(&self) -> Option<PathBuf> {
        let folder = env::var_os("CREDENTIALS_DIRECTORY").filter(|folder| !folder.is_empty())?;
        Some(PathBuf::from(folder).join(format!("bgcam.{}", self.provider)))
    }

    fn unreadable(&self, path: &Path, source: io::Error) -> PromptError {
        PromptError::KeyFile { provider: self.provider, path: path.to_owned(), source }
    }

    fn check(&self, text: String, place: &str) -> Result<SecretString, PromptError> {
        let invalid = |what| Err(PromptError::InvalidKey { provider: self.provider, place: place.to_owned(), what });
        let key = text.trim();
        match key {
            "" => invalid("empty"),
            _ if key.len() as u64 > MAX_LEN => invalid("too long"),
            // Only these fit into an HTTP header.
            _ if !key.bytes().all(|byte| byte.is_ascii_graphic()) => invalid("not plain ASCII text without spaces"),
            _ => Ok(SecretString::from(key)),
        }
    }
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    fs::File::open(path)?.take(MAX_LEN + 2).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn sources<'a>(variable: &'a str, file: &'a str) -> KeySources<'a> {
        KeySources { provider: Name::OpenAi, variable, file }
    }

    #[test]
    fn keys_are_read_from_the_environment_and_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        fs::write(&path, "sk-canary\n").unwrap();
        let file = path.to_str().unwrap();
        let found = |sources: KeySources<'_>| sources.require().map(|key| key.expose_secret().to_owned());
        assert_eq!(found(sources("BGCAM_NOT_THERE", file)).unwrap(), "sk-canary");
        // Cargo sets CARGO_PKG_NAME.
        assert_eq!(found(sources("CARGO_PKG_NAME", file)).unwrap(), "bgcam");
        assert!(matches!(found(sources("BGCAM_NOT_THERE", "")), Err(PromptError::MissingKey { .. })));
        assert!(matches!(found(sources("", "/nowhere/key")), Err(PromptError::KeyFile { .. })));
        for text in ["", "sk canary", "sk\ncanary", "schlüssel"] {
            fs::write(&path, text).unwrap();
            let error = found(sources("", file)).unwrap_err();
            assert!(matches!(error, PromptError::InvalidKey { .. }), "{text}");
            assert!(!format!("{error} {error:?}").contains("canary"));
        }
    }
}
