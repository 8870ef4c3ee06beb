//! Finds the images that a name refers to.

use std::{ffi::OsStr, path::Path};

use super::{Entry, GalleryError, Listing};
use crate::error;

/// The maximum number of candidates in an error.
const MAX_CANDIDATES: usize = 5;

/// The maximum length in bytes of texts that are compared for similarity, which takes quadratic time.
const MAX_COMPARED_LEN: usize = 200;

/// The images that `name` refers to, newest first: the one with this id or file name, or else the ones with this
/// prompt text, with this id without its fingerprint, or with an id that starts with it.
///
/// # Errors
/// If there are none, they have different prompt texts, or the record is damaged.
pub(super) fn all(listing: &Listing, name: &str) -> Result<Vec<Entry>, GalleryError> {
    let entries = &listing.entries;
    if let Some(entry) = entries.iter().find(|entry| entry.id == name || entry.file == name) {
        return Ok(vec![entry.clone()]);
    }
    if let Some((path, why)) = listing.damaged.iter().find(|(path, _)| is_record(path, name)) {
        return Err(GalleryError::Damaged { id: name.to_owned(), path: path.clone(), why: why.clone() });
    }
    let lower = name.trim().to_lowercase();
    let found = if lower.is_empty() { Vec::new() } else { best_matches(entries, name.trim(), &lower) };
    let Some(first) = found.first() else {
        return Err(GalleryError::Unknown { name: name.to_owned(), nearest: nearest(&lower, entries) });
    };
    if found.iter().any(|entry| text(entry) != text(first)) {
        return Err(ambiguous(name, &found));
    }
    Ok(found.into_iter().cloned().collect())
}

/// The one image that `name` refers to.
///
/// # Errors
/// As [`all`], and if there are several.
pub(super) fn one(listing: &Listing, name: &str) -> Result<Entry, GalleryError> {
    let mut found = all(listing, name)?;
    match (found.pop(), &*found) {
        (Some(entry), []) => Ok(entry),
        (last, newer) => Err(ambiguous(name, &newer.iter().chain(&last).collect::<Vec<_>>())),
    }
}

/// The matches of the first kind that has any.
fn best_matches<'a>(entries: &'a [Entry], name: &str, lower: &str) -> Vec<&'a Entry> {
    let kinds: [&dyn Fn(&Entry) -> bool; 4] = [
        &|entry| entry.recipe.text.trim() == name,
        &|entry| text(entry) == lower,
        &|entry| entry.id.rsplit_once('-').is_some_and(|(slug, _)| slug == lower),
        &|entry| entry.id.starts_with(lower),
    ];
    let matches = kinds.iter().map(|is_match| entries.iter().filter(|entry| is_match(entry)).collect::<Vec<_>>());
    matches.into_iter().find(|found| !found.is_empty()).unwrap_or_default()
}

fn ambiguous(name: &str, found: &[&Entry]) -> GalleryError {
    let candidates = found.iter().take(MAX_CANDIDATES).map(|entry| entry.id.clone()).collect();
    GalleryError::Ambiguous { name: name.to_owned(), candidates, count: found.len() }
}

fn text(entry: &Entry) -> String {
    entry.recipe.text.trim().to_lowercase()
}

fn is_record(path: &Path, id: &str) -> bool {
    path.extension() == Some(OsStr::new("json")) && path.file_stem() == Some(OsStr::new(id))
}

fn nearest(lower: &str, entries: &[Entry]) -> Option<String> {
    if lower.len() > MAX_COMPARED_LEN {
        return None;
    }
    let known: Vec<_> = entries.iter().flat_map(|entry| [text(entry), entry.id.clone()]).collect();
    error::nearest(lower, known.iter().map(String::as_str).filter(|known| known.len() <= MAX_COMPARED_LEN))
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{entry, recipe},
        *,
    };
    use crate::error::{Failure, Kind};

    fn listing() -> Listing {
        let named = |id, text| Entry { recipe: recipe(text), ..entry(id) };
        Listing {
            entries: vec![
                named("beach-11111111", "Beach"),
                named("beach-at-sunset-22222222", "beach at sunset"),
                named("forest-33333333", "forest"),
                named("forest-44444444", "Forest "),
                named("city-lights-66666666", "City lights!"),
                named("city-lights-at-night-77777777", "city lights, at night"),
            ],
            damaged: vec![("there/city-55555555.json".into(), "it is empty".to_owned())],
        }
    }

    #[test]
    fn an_image_is_found_by_id_file_name_text_or_id_prefix() {
        for (name, id) in [
            ("beach-11111111", "beach-11111111"),
            ("beach-11111111.png", "beach-11111111"),
            ("BEACH", "beach-11111111"),
            ("Beach At Sunset", "beach-at-sunset-22222222"),
            ("beach-a", "beach-at-sunset-22222222"),
            ("Beach-1", "beach-11111111"),
            ("forest-4", "forest-44444444"),
            ("city-lights", "city-lights-66666666"),
        ] {
            assert_eq!(one(&listing(), name).unwrap().id, id, "{name}");
        }
    }

    #[test]
    fn the_newest_of_several_images_with_one_text_comes_first() {
        let ids = |name| all(&listing(), name).unwrap().into_iter().map(|entry| entry.id).collect::<Vec<_>>();
        assert_eq!(ids("FOREST"), ["forest-33333333", "forest-44444444"]);
        assert_eq!(ids("fore"), ["forest-33333333", "forest-44444444"]);
        assert_eq!(ids("forest "), ["forest-33333333"], "the exact text comes first");
        assert_eq!(ids("beach"), ["beach-11111111"], "not longer texts with this prefix");
    }

    #[test]
    fn an_ambiguous_name_lists_candidates() {
        let failure = Failure::from(one(&listing(), "FOREST").unwrap_err());
        let expected = "\"FOREST\" matches 2 images in the gallery: forest-33333333, forest-44444444";
        assert_eq!(failure.message, expected);
        let GalleryError::Ambiguous { count, candidates, .. } = all(&listing(), "bea").unwrap_err() else { panic!() };
        assert_eq!(count, 2);
        for id in candidates {
            assert_eq!(one(&listing(), &id).unwrap().id, id, "every candidate is found");
        }
    }

    #[test]
    fn a_typo_gets_a_suggestion() {
        let failure = Failure::from(all(&listing(), "baech").unwrap_err());
        assert_eq!((failure.kind, failure.hint.as_deref()), (Kind::NotFound, Some("did you mean \"beach\"?")));
        assert!(matches!(all(&listing(), ""), Err(GalleryError::Unknown { nearest: None, .. })));
        assert!(matches!(all(&listing(), &"a".repeat(1 << 20)), Err(GalleryError::Unknown { nearest: None, .. })));
    }

    #[test]
    fn a_damaged_record_reports_the_reason() {
        let failure = Failure::from(all(&listing(), "city-55555555").unwrap_err());
        assert!(failure.message.contains("city-55555555.json in the gallery is damaged: it is empty"), "{failure}");
        assert_eq!(failure.hint.unwrap(), "`bgcam gallery remove city-55555555` removes it");
    }
}
