//! Which picture a user means.

use std::{ffi::OsStr, path::Path};

use super::{Entry, GalleryError, Listing};
use crate::error;

/// So many candidates are named.
const NAMED: usize = 5;

/// Longer names and words are not compared for likeness: it takes time by the product of their lengths.
const MAX_COMPARED: usize = 200;

/// Finds `name`: an id (or its file), else the words in any case, else the start of an id, where only one has it.
pub(super) fn get(listing: &Listing, name: &str) -> Result<Entry, GalleryError> {
    let entries = &listing.entries;
    if let Some(entry) = entries.iter().find(|entry| entry.id == name || entry.file == name) {
        return Ok(entry.clone());
    }
    if let Some((path, why)) = listing.damaged.iter().find(|(path, _)| is_record(path, name)) {
        return Err(GalleryError::Damaged { id: name.to_owned(), path: path.clone(), why: why.clone() });
    }
    let lower = name.trim().to_lowercase();
    let by_words: Vec<_> = entries.iter().filter(|entry| entry.recipe.words.trim().to_lowercase() == lower).collect();
    let by_start = || entries.iter().filter(|entry| !lower.is_empty() && entry.id.starts_with(&lower)).collect();
    let found: Vec<_> = if by_words.is_empty() { by_start() } else { by_words };
    match found[..] {
        [] => Err(GalleryError::Unknown { name: name.to_owned(), near: nearest(&lower, entries) }),
        [entry] => Ok(entry.clone()),
        _ => {
            let candidates = found.iter().take(NAMED).map(|entry| entry.id.clone()).collect();
            Err(GalleryError::Ambiguous { name: name.to_owned(), candidates, count: found.len() })
        }
    }
}

fn is_record(path: &Path, id: &str) -> bool {
    path.extension() == Some(OsStr::new("json")) && path.file_stem() == Some(OsStr::new(id))
}

fn nearest(lower: &str, entries: &[Entry]) -> Option<String> {
    if lower.len() > MAX_COMPARED {
        return None;
    }
    let words = |entry: &Entry| entry.recipe.words.trim().to_lowercase();
    let known: Vec<_> = entries.iter().flat_map(|entry| [words(entry), entry.id.clone()]).collect();
    error::nearest(lower, known.iter().map(String::as_str).filter(|known| known.len() <= MAX_COMPARED))
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{entry, recipe},
        *,
    };
    use crate::error::{Failure, Kind};

    fn listing() -> Listing {
        let named = |id, words| Entry { recipe: recipe(words), ..entry(id) };
        Listing {
            entries: vec![
                named("beach-11111111", "Beach"),
                named("beach-at-sunset-22222222", "beach at sunset"),
                named("forest-33333333", "forest"),
                named("forest-44444444", "Forest "),
            ],
            damaged: vec![("there/city-55555555.json".into(), "it is empty".to_owned())],
        }
    }

    #[test]
    fn a_picture_is_found_by_id_file_words_and_the_start_of_its_id() {
        for (name, id) in [
            ("beach-11111111", "beach-11111111"),
            ("beach-11111111.png", "beach-11111111"),
            ("BEACH", "beach-11111111"),
            ("Beach At Sunset", "beach-at-sunset-22222222"),
            ("beach-a", "beach-at-sunset-22222222"),
            ("Beach-1", "beach-11111111"),
            ("forest-3", "forest-33333333"),
        ] {
            assert_eq!(get(&listing(), name).unwrap().id, id, "{name}");
        }
    }

    #[test]
    fn the_candidates_are_named_when_it_may_be_any() {
        let failure = Failure::from(&get(&listing(), "forest").unwrap_err());
        let expected = "\"forest\" may be any of 2 pictures in the gallery: forest-33333333, forest-44444444";
        assert_eq!(failure.message, expected);
        assert!(matches!(get(&listing(), "bea"), Err(GalleryError::Ambiguous { count: 2, .. })));
    }

    #[test]
    fn a_typing_error_is_told() {
        let failure = Failure::from(&get(&listing(), "baech").unwrap_err());
        assert_eq!((failure.kind, failure.hint.as_deref()), (Kind::NotFound, Some("did you mean \"beach\"?")));
        assert!(matches!(get(&listing(), ""), Err(GalleryError::Unknown { near: None, .. })));
        assert!(matches!(get(&listing(), &"a".repeat(1 << 20)), Err(GalleryError::Unknown { near: None, .. })));
    }

    #[test]
    fn a_damaged_one_says_why() {
        let failure = Failure::from(&get(&listing(), "city-55555555").unwrap_err());
        assert!(failure.message.contains("city-55555555.json in the gallery is damaged: it is empty"), "{failure}");
        assert_eq!(failure.hint.unwrap(), "`bgcam gallery remove city-55555555` removes what is left of it");
    }
}
