//! Sanitizes untrusted text for printing: one line, no control characters, no API keys.

use secrecy::{ExposeSecret, SecretString};

/// How much of a text is examined, in bytes: enough for a key and its surroundings.
const MAX_SCANNED_LEN: usize = 64 << 10;

/// The maximum length of a server's text in a message, in characters.
const MAX_SHOWN_LEN: usize = 300;

/// `text` as one line without control characters, safe for a terminal; at most 64 KiB of it.
pub fn one_line(text: &str) -> String {
    let start = &text[..text.floor_char_boundary(MAX_SCANNED_LEN)];
    let mut line = start.split_whitespace().collect::<Vec<_>>().join(" ");
    line.retain(|letter| !letter.is_control() && !is_invisible(letter));
    line
}

/// `text` for messages: one line without control characters, at most 300 characters, and `***` in place of secrets.
pub(super) fn clean<'a>(text: &str, secrets: impl IntoIterator<Item = &'a SecretString>) -> String {
    let mut line = one_line(text);
    // Before the cut, which could split a secret.
    for secret in secrets {
        line = line.replace(secret.expose_secret(), "***");
    }
    match line.char_indices().nth(MAX_SHOWN_LEN) {
        Some((at, _)) => {
            line.truncate(at);
            line + "..."
        }
        None => line,
    }
}

/// Zero-width characters and those that change the direction of text.
fn is_invisible(letter: char) -> bool {
    matches!(letter, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn untrusted_text_is_sanitized() {
        let key = SecretString::from("sk-canary");
        let shown = clean("bad key\r\n\x1b[31msk-canary\u{202e} here", [&key]);
        assert_eq!(shown, "bad key [31m*** here");
        assert_eq!(clean(&"ü".repeat(100_000), []).chars().count(), 303);
        assert!(!clean(&format!("{}sk-canary", "x".repeat(295)), [&key]).contains("sk-"), "a key at the cut is hidden");
    }
}
