//! Chains of edits: the images before and after one. Images that were deleted since are skipped.

use super::{Entry, GalleryError, Listing};

/// The maximum number of ancestors in a record.
pub(super) const MAX_ANCESTORS: usize = 50;

/// The number of ancestors of a kept image that are kept too.
pub(super) const MAX_KEPT: usize = 20;

/// The image to which an undo or a redo leads.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The image.
    pub entry: Entry,
    /// The number of images in between that were deleted.
    pub skipped: usize,
}

/// The image that the one with this id was made from.
///
/// # Errors
/// If it is not an edit, or none of its ancestors exists.
pub(super) fn before(listing: &Listing, entry: &Entry) -> Result<Step, GalleryError> {
    match nearest_ancestor(listing, entry) {
        Some((skipped, ancestor)) => Ok(Step { entry: ancestor.clone(), skipped }),
        None if entry.ancestors.is_empty() => Err(GalleryError::NotEdited { name: entry.label() }),
        None => Err(GalleryError::OriginalsGone { name: entry.label() }),
    }
}

/// The edit of this image that was used last.
///
/// # Errors
/// If there is none.
pub(super) fn after(listing: &Listing, entry: &Entry) -> Result<Step, GalleryError> {
    let edits = listing.entries.iter().filter_map(|edit| {
        let (skipped, ancestor) = nearest_ancestor(listing, edit)?;
        (ancestor.id == entry.id).then_some((edit, skipped))
    });
    let last = edits.max_by_key(|(edit, _)| (edit.used, edit.created, &edit.id));
    let (edit, skipped) = last.ok_or_else(|| GalleryError::NoEdit { name: entry.label() })?;
    Ok(Step { entry: edit.clone(), skipped })
}

/// The nearest ancestor that exists, and the number of those in between.
fn nearest_ancestor<'a>(listing: &'a Listing, entry: &Entry) -> Option<(usize, &'a Entry)> {
    let find = |id: &String| listing.entries.iter().find(|other| other.id == *id && other.id != entry.id);
    entry.ancestors.iter().enumerate().find_map(|(skipped, id)| Some((skipped, find(id)?)))
}

#[cfg(test)]
mod tests {
    use super::{super::tests::entry, *};

    /// `a`, its edit `b` with the edits `c` and `d`, and an image without edits.
    fn listing() -> Listing {
        let edit = |id: &str, used, ancestors: &[&str]| Entry {
            used,
            ancestors: ancestors.iter().map(|id| (*id).to_owned()).collect(),
            ..entry(id)
        };
        Listing {
            entries: vec![
                edit("a", 1, &[]),
                edit("b", 2, &["a"]),
                edit("c", 9, &["b", "a"]),
                edit("d", 4, &["b", "a"]),
                edit("other", 5, &[]),
            ],
            damaged: Vec::new(),
        }
    }

    fn step(found: Result<Step, GalleryError>) -> Result<(String, usize), String> {
        found.map(|step| (step.entry.id, step.skipped)).map_err(|error| error.to_string())
    }

    fn ok(id: &str, skipped: usize) -> Result<(String, usize), String> {
        Ok((id.to_owned(), skipped))
    }

    #[test]
    fn undo_and_redo_walk_the_chain() {
        let listing = listing();
        let at = |id: &str| listing.entries.iter().find(|entry| entry.id == id).unwrap();
        assert_eq!(step(before(&listing, at("c"))), ok("b", 0));
        assert_eq!(step(before(&listing, at("b"))), ok("a", 0));
        assert!(step(before(&listing, at("a"))).unwrap_err().contains("was not edited"));
        assert_eq!(step(after(&listing, at("a"))), ok("b", 0), "its own edits only");
        assert_eq!(step(after(&listing, at("b"))), ok("c", 0), "the one that was used last");
        assert!(step(after(&listing, at("other"))).unwrap_err().contains("no edit"));
    }

    #[test]
    fn deleted_images_are_skipped() {
        let mut listing = listing();
        listing.entries.retain(|entry| entry.id != "b");
        let at = |listing: &Listing, id: &str| listing.entries.iter().find(|entry| entry.id == id).unwrap().clone();
        assert_eq!(step(before(&listing, &at(&listing, "d"))), ok("a", 1));
        assert_eq!(step(after(&listing, &at(&listing, "a"))), ok("c", 1));
        listing.entries.retain(|entry| entry.id != "a");
        assert!(step(before(&listing, &at(&listing, "d"))).unwrap_err().contains("deleted"));
        let mut loops = listing.clone();
        loops.entries[0].ancestors = vec![loops.entries[0].id.clone()];
        assert!(before(&loops, &loops.entries[0]).is_err(), "a record that names itself");
    }
}
