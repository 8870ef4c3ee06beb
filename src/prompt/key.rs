//! Where keys come from: the environment, a file, a systemd credential; never the settings, and never into a message.

use std::{
    env, fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use secrecy::{ExposeSecret, SecretString};

use super::{PromptError, provider::Name};

/// Longer than the session tokens of Amazon, the longest keys that there are.
const MOST_BYTES: u64 = 16 << 10;

/// The places in which the key of a provider may be, in the order in which they are looked through.
#[derive(Debug, Clone, Copy)]
pub(super) struct KeyPlaces<'a> {
    pub(super) provider: Name,
    /// The environment variable; empty for none.
    pub(super) variable: &'a str,
    /// The file; empty for none.
    pub(super) file: &'a str,
}

impl KeyPlaces<'_> {
    /// The key, where there is one.
    ///
    /// # Errors
    /// When a file that is named can't be read, or there is something that is no key.
    pub(super) fn find(&self) -> Result<Option<SecretString>, PromptError> {
        if let Some(text) = env::var_os(self.variable).filter(|text| !self.variable.is_empty() && !text.is_empty()) {
            let text = text.into_string().unwrap_or_default();
            return self.check(text, self.variable).map(Some);
        }
        if !self.file.is_empty() {
            let path = Path::new(self.file);
            let text = read(path).map_err(|source| self.unreadable(path, source))?;
            return self.check(text, self.file).map(Some);
        }
        let Some(path) = self.credential() else { return Ok(None) };
        match read(&path) {
            Ok(text) => self.check(text, &path.display().to_string()).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(self.unreadable(&path, source)),
        }
    }

    /// The key.
    ///
    /// # Errors
    /// As [`find`](Self::find), and when there is none.
    pub(super) fn need(&self) -> Result<SecretString, PromptError> {
        self.find()?.ok_or_else(|| self.missing())
    }

    /// The error that there is no key.
    pub(super) fn missing(&self) -> PromptError {
        PromptError::NoKey {
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
        let bad = |what| Err(PromptError::BadKey { provider: self.provider, place: place.to_owned(), what });
        let key = text.trim();
        match key {
            "" => bad("empty"),
            _ if key.len() as u64 > MOST_BYTES => bad("longer than any key"),
            // Anything else could not be put into a header.
            _ if !key.bytes().all(|byte| byte.is_ascii_graphic()) => bad("not one word of plain letters and signs"),
            _ => Ok(SecretString::from(key)),
        }
    }
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    fs::File::open(path)?.take(MOST_BYTES + 2).read_to_string(&mut text)?;
    Ok(text)
}

/// `text` as a terminal may be given it: one line without control characters, at most 64 kB of it.
pub(super) fn one_line(text: &str) -> String {
    /// More than enough to hold a key and what surrounds it.
    const LOOKED_AT: usize = 64 << 10;
    let mut line = text[..text.floor_char_boundary(LOOKED_AT)].split_whitespace().collect::<Vec<_>>().join(" ");
    line.retain(|letter| !letter.is_control() && !is_steering(letter));
    line
}

/// `text` as it may be shown: one line without control characters and keys, at most 300 characters.
pub(super) fn clean<'a>(text: &str, secrets: impl IntoIterator<Item = &'a SecretString>) -> String {
    const SHOWN: usize = 300;
    let mut line = one_line(text);
    for secret in secrets {
        line = line.replace(secret.expose_secret(), "***");
    }
    match line.char_indices().nth(SHOWN) {
        Some((at, _)) => {
            line.truncate(at);
            line + "..."
        }
        None => line,
    }
}

/// Invisible characters that turn text around or glue it.
fn is_steering(letter: char) -> bool {
    matches!(letter, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places<'a>(variable: &'a str, file: &'a str) -> KeyPlaces<'a> {
        KeyPlaces { provider: Name::OpenAi, variable, file }
    }

    #[test]
    fn keys_come_from_the_environment_and_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        fs::write(&path, "sk-canary\n").unwrap();
        let file = path.to_str().unwrap();
        let found = |places: KeyPlaces<'_>| places.need().map(|key| key.expose_secret().to_owned());
        assert_eq!(found(places("BGCAM_NOT_THERE", file)).unwrap(), "sk-canary");
        // Cargo sets this one.
        assert_eq!(found(places("CARGO_PKG_NAME", file)).unwrap(), "bgcam");
        assert!(matches!(found(places("BGCAM_NOT_THERE", "")), Err(PromptError::NoKey { .. })));
        assert!(matches!(found(places("", "/nowhere/key")), Err(PromptError::KeyFile { .. })));
        for bad in ["", "sk canary", "sk\ncanary", "schlüssel"] {
            fs::write(&path, bad).unwrap();
            let error = found(places("", file)).unwrap_err();
            assert!(matches!(error, PromptError::BadKey { .. }), "{bad}");
            assert!(!format!("{error} {error:?}").contains("canary"));
        }
    }

    #[test]
    fn what_servers_say_is_made_harmless() {
        let key = SecretString::from("sk-canary");
        let said = clean("bad key\r\n\x1b[31msk-canary\u{202e} here", [&key]);
        assert_eq!(said, "bad key [31m*** here");
        assert_eq!(clean(&"ü".repeat(100_000), []).chars().count(), 303);
        // A key that the cut would halve is hidden first.
        assert!(!clean(&format!("{}sk-canary", "x".repeat(295)), [&key]).contains("sk-"));
    }
}
