//! One picture in the gallery: its record, its id, and what makes a record believable.

use std::{
    fs, io,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use image::ImageFormat;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::disk;
use crate::prompt::Recipe;

/// Bytes of a record; one holds the words, the prompt and what it should not have.
pub(super) const MAX_RECORD: u64 = 64 << 10;

/// The endings that a picture may have.
pub(super) const ENDINGS: [&str; 3] = ["png", "jpg", "webp"];

/// Bytes of the words in an id.
const MAX_SLUG: usize = 40;

/// Hexadecimal digits in an id.
const DIGITS: usize = 8;

/// What is known of a picture in the gallery: the content of `ID.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Its words and a fingerprint, such as `beach-at-sunset-1a2b3c4d`: letters, digits and hyphens.
    pub id: String,
    /// The picture beside the record: the id, then `.png`, `.jpg` or `.webp`.
    pub file: String,
    /// What it was asked for with. Of one that was imported: its name as words, no prompt, its own size.
    pub recipe: Recipe,
    /// The seed that it was made with, where that is known.
    #[serde(default)]
    pub seed: Option<u64>,
    /// What it cost in US dollars, where that is known.
    #[serde(default)]
    pub cost: Option<f64>,
    /// When it came here, in milliseconds since 1970.
    pub created: u64,
    /// When it was last put on or asked for, in milliseconds since 1970.
    pub used: u64,
    /// Bytes of the picture.
    pub bytes: u64,
    /// Never evicted.
    #[serde(default)]
    pub favourite: bool,
    /// Brought by the user, not made from words.
    #[serde(default)]
    pub imported: bool,
}

impl Entry {
    /// When it came here.
    pub fn created_at(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.created)
    }

    /// Reads `ID.json` in `dir`. `None` when there is none, or it vanishes meanwhile.
    ///
    /// # Errors
    /// Why it can't be believed, in words.
    pub(super) fn read(dir: &Path, id: &str) -> Result<Option<Self>, String> {
        if !is_id(id) {
            return Err("its name is not an id".to_owned());
        }
        let path = dir.join(record_name(id));
        let entry = match disk::read(&path, MAX_RECORD) {
            Ok(bytes) => Self::parse(&bytes, id)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.to_string()),
        };
        match entry.check_picture(dir) {
            // A removal takes the record first, so a record that is gone by now was not damaged.
            Err(_) if disk::is_gone(&path) => Ok(None),
            checked => checked.map(|()| Some(entry)),
        }
    }

    fn parse(bytes: &[u8], id: &str) -> Result<Self, String> {
        // serde quotes what it finds, and that may be long
        let brief = |error: serde_json::Error| error.to_string().chars().take(200).collect::<String>();
        let entry: Self = serde_json::from_slice(bytes).map_err(brief)?;
        if entry.id != id {
            return Err(format!("it is named {id}, but its record is of another picture"));
        }
        if !picture_names(id).any(|name| name == entry.file) {
            return Err(format!("its picture has to be {id}.png, .jpg or .webp in the same directory"));
        }
        Ok(entry)
    }

    fn check_picture(&self, dir: &Path) -> Result<(), String> {
        let file = &self.file;
        match fs::symlink_metadata(dir.join(file)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(format!("{file} is missing")),
            Err(error) => Err(format!("cannot read {file}: {error}")),
            Ok(found) if !found.is_file() => Err(format!("{file} is not a regular file")),
            Ok(found) if found.len() != self.bytes => {
                Err(format!("{file} has {} bytes, its record says {}", found.len(), self.bytes))
            }
            Ok(_) => Ok(()),
        }
    }
}

/// The name of the record of `id`.
pub(super) fn record_name(id: &str) -> String {
    format!("{id}.json")
}

/// Every name that the picture of `id` may have.
pub(super) fn picture_names(id: &str) -> impl Iterator<Item = String> {
    ENDINGS.iter().map(move |ending| format!("{id}.{ending}"))
}

/// The ending for a picture in a format that the gallery keeps.
pub(super) fn ending(format: ImageFormat) -> Option<&'static str> {
    match format {
        ImageFormat::Png => Some("png"),
        ImageFormat::Jpeg => Some("jpg"),
        ImageFormat::WebP => Some("webp"),
        _ => None,
    }
}

/// The id for a picture: the same for the same recipe, seed and bytes.
pub(super) fn make_id(recipe: &Recipe, seed: Option<u64>, picture: &[u8]) -> serde_json::Result<String> {
    let mut hash = Sha256::new();
    hash.update(serde_json::to_vec(&(recipe, seed))?);
    hash.update(picture);
    let digits = hash.finalize().iter().take(DIGITS / 2).map(|byte| format!("{byte:02x}")).collect::<String>();
    Ok(format!("{}-{digits}", slug(&recipe.words)))
}

/// Whether `text` has the form of an id. Nothing else becomes a part of a path.
pub(super) fn is_id(text: &str) -> bool {
    text.len() <= MAX_SLUG + 1 + DIGITS
        && text.chars().all(|c| c.is_alphanumeric() || c == '-')
        && text.rsplit_once('-').is_some_and(|(slug, digits)| {
            !slug.is_empty() && digits.len() == DIGITS && digits.bytes().all(|b| b.is_ascii_hexdigit())
        })
}

/// The words as a part of a file name: letters and digits of any script in lower case, joined by hyphens.
fn slug(words: &str) -> String {
    let mut slug = String::new();
    for letter in words.chars().flat_map(char::to_lowercase) {
        let letter = if letter.is_alphanumeric() { letter } else { '-' };
        if letter == '-' && (slug.is_empty() || slug.ends_with('-')) {
            continue;
        }
        if slug.len() + letter.len_utf8() > MAX_SLUG {
            break;
        }
        slug.push(letter);
    }
    match slug.trim_end_matches('-') {
        "" => "picture".to_owned(),
        slug => slug.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::tests::recipe, *};

    #[test]
    fn an_id_can_be_read_and_typed() {
        for (words, expected) in [
            ("Beach at sunset!", "beach-at-sunset"),
            ("  a, b & c  ", "a-b-c"),
            ("../../etc/passwd", "etc-passwd"),
            ("海辺の夕日", "海辺の夕日"),
            ("Übergröße", "übergröße"),
            ("🏖️", "picture"),
            ("", "picture"),
            ("a library with tall oak shelves and a fireplace", "a-library-with-tall-oak-shelves-and-a-fi"),
        ] {
            assert_eq!(slug(words), expected);
        }
    }

    #[test]
    fn an_id_is_stable_and_tells_pictures_apart() {
        let id = |words, seed, bytes: &[u8]| make_id(&recipe(words), seed, bytes).unwrap();
        assert_eq!(id("beach", None, b"1"), id("beach", None, b"1"));
        assert_ne!(id("beach", None, b"1"), id("beach", None, b"2"));
        assert_ne!(id("beach", None, b"1"), id("beach", Some(0), b"1"));
        assert_ne!(id("beach", None, b"1")[5..], id("forest", None, b"1")[6..]);
    }

    #[test]
    fn only_ids_are_ids() {
        for text in ["", "..", "beach", "-1a2b3c4d", "a/b-1a2b3c4d", ".a-1a2b3c4d", "beach-1a2b3c4", "beach-1a2b3c4g"] {
            assert!(!is_id(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_id_is_an_id(words in any::<String>(), bytes in any::<Vec<u8>>()) {
            let id = make_id(&recipe(&words), None, &bytes).unwrap();
            prop_assert!(is_id(&id), "{id}");
        }
    }
}
