//! Ids of gallery images, and the names of their files.

use image::ImageFormat;
use sha2::{Digest, Sha256};

use crate::prompt::Recipe;

/// The file name extensions of images in the gallery.
pub(super) const EXTENSIONS: [&str; 3] = ["png", "jpg", "webp"];

/// The maximum length of the readable part of an id in bytes.
const MAX_SLUG_LEN: usize = 40;

/// The number of hexadecimal digits at the end of an id.
const DIGITS: usize = 8;

/// The file name of the record of `id`.
pub(super) fn record_name(id: &str) -> String {
    format!("{id}.json")
}

/// The possible file names of the image of `id`.
pub(super) fn image_names(id: &str) -> impl Iterator<Item = String> {
    EXTENSIONS.iter().map(move |extension| format!("{id}.{extension}"))
}

/// The file name extension for a format; `None` if the gallery does not support it.
pub(super) fn extension(format: ImageFormat) -> Option<&'static str> {
    match format {
        ImageFormat::Png => Some("png"),
        ImageFormat::Jpeg => Some("jpg"),
        ImageFormat::WebP => Some("webp"),
        _ => None,
    }
}

/// The id for an image with this title: equal for equal recipe, seed and bytes.
///
/// # Errors
/// If the recipe can't be encoded as JSON.
pub(super) fn make_id(title: &str, recipe: &Recipe, seed: Option<u64>, image: &[u8]) -> serde_json::Result<String> {
    let mut hash = Sha256::new();
    hash.update(serde_json::to_vec(&(recipe, seed))?);
    hash.update(image);
    let digits = hash.finalize().iter().take(DIGITS / 2).map(|byte| format!("{byte:02x}")).collect::<String>();
    Ok(format!("{}-{digits}", slug(title)))
}

/// Whether `text` has the format of an id. Only ids become part of a path.
pub(super) fn is_id(text: &str) -> bool {
    text.len() <= MAX_SLUG_LEN + 1 + DIGITS
        && text.chars().all(|c| c.is_alphanumeric() || c == '-')
        && text.rsplit_once('-').is_some_and(|(slug, digits)| {
            !slug.is_empty() && digits.len() == DIGITS && digits.bytes().all(|b| b.is_ascii_hexdigit())
        })
}

/// A title as part of a file name: letters and digits of any script in lower case, joined by hyphens.
fn slug(title: &str) -> String {
    let mut slug = String::new();
    for letter in title.chars().flat_map(char::to_lowercase) {
        let letter = if letter.is_alphanumeric() { letter } else { '-' };
        if letter == '-' && (slug.is_empty() || slug.ends_with('-')) {
            continue;
        }
        if slug.len() + letter.len_utf8() > MAX_SLUG_LEN {
            break;
        }
        slug.push(letter);
    }
    match slug.trim_end_matches('-') {
        "" => "image".to_owned(),
        slug => slug.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::tests::recipe, *};

    #[test]
    fn the_slug_is_readable() {
        for (title, expected) in [
            ("Beach at sunset!", "beach-at-sunset"),
            ("  a, b & c  ", "a-b-c"),
            ("../../etc/passwd", "etc-passwd"),
            ("海辺の夕日", "海辺の夕日"),
            ("Übergröße", "übergröße"),
            ("🏖️", "image"),
            ("", "image"),
            ("a library with tall oak shelves and a fireplace", "a-library-with-tall-oak-shelves-and-a-fi"),
        ] {
            assert_eq!(slug(title), expected);
        }
    }

    #[test]
    fn an_id_is_stable_and_unique() {
        let id = |title, seed, bytes: &[u8]| make_id(title, &recipe(title), seed, bytes).unwrap();
        assert_eq!(id("beach", None, b"1"), id("beach", None, b"1"));
        assert_ne!(id("beach", None, b"1"), id("beach", None, b"2"));
        assert_ne!(id("beach", None, b"1"), id("beach", Some(0), b"1"));
        assert_ne!(id("beach", None, b"1")[5..], id("forest", None, b"1")[6..]);
    }

    #[test]
    fn only_valid_ids_are_accepted() {
        for text in ["", "..", "beach", "-1a2b3c4d", "a/b-1a2b3c4d", ".a-1a2b3c4d", "beach-1a2b3c4", "beach-1a2b3c4g"] {
            assert!(!is_id(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_generated_id_is_valid(title in any::<String>(), bytes in any::<Vec<u8>>()) {
            let id = make_id(&title, &recipe(&title), None, &bytes).unwrap();
            prop_assert!(is_id(&id), "{id}");
        }
    }
}
