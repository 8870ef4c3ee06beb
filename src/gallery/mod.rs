//! The gallery: generated and imported images on disk, so that no image is paid for twice.
//!
//! An image has two files in one directory: `ID.png`, `.jpg` or `.webp`, and its record `ID.json`. The image is written
//! first and removed last, each with one rename or unlink. A crash therefore leaves at most an image without a record,
//! which is not listed and later removed by [`add`](Gallery::add). The daemon and the command line may use the gallery
//! at the same time: a lock file serializes changes, and readers never wait.

mod disk;
mod edits;
mod entry;
mod error;
mod evict;
mod id;
mod lookup;
mod transfer;

use std::{
    ffi::OsStr,
    fs::{self, DirBuilder},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

pub use edits::Step;
pub use entry::Entry;
pub use error::GalleryError;
pub use transfer::{IMPORTED, Import};

use crate::media::image_file::ImageFileError;
use crate::prompt::{GeneratedImage, Recipe};

/// The maximum number of records that are read; the gallery keeps at most half as many.
const MAX_ENTRIES: usize = 10_000;

/// The gallery in a directory. Cheap to clone; may be used from several threads and processes.
#[derive(Debug, Clone)]
pub struct Gallery {
    dir: PathBuf,
    max_bytes: u64,
}

/// The content of the gallery.
#[derive(Debug, Clone, Default)]
pub struct Listing {
    /// Newest first.
    pub entries: Vec<Entry>,
    /// The paths of damaged records and of records without image, with the reason.
    pub damaged: Vec<(PathBuf, String)>,
}

impl Listing {
    /// The total size of the user's images in bytes.
    pub fn bytes(&self) -> u64 {
        self.entries.iter().filter(|entry| !entry.starter).map(|entry| entry.bytes).fold(0, u64::saturating_add)
    }
}

impl Gallery {
    /// Opens the gallery in `dir`, and creates the directory, accessible to the user only, if it is missing. The images
    /// are limited to about `max_bytes` bytes in total.
    ///
    /// # Errors
    /// If `dir` can't be created.
    pub fn open(dir: PathBuf, max_bytes: u64) -> Result<Self, GalleryError> {
        let result = DirBuilder::new().recursive(true).mode(0o700).create(&dir);
        result.map_err(|source| GalleryError::Io { what: "create directory", path: dir.clone(), source })?;
        Ok(Self { dir, max_bytes })
    }

    /// The directory of the gallery.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The path of the image of `entry`.
    pub fn path(&self, entry: &Entry) -> PathBuf {
        self.dir.join(&entry.file)
    }

    /// Lists the gallery; damaged records are listed separately.
    pub fn list(&self) -> Listing {
        let mut listing = Listing::default();
        let found = match fs::read_dir(&self.dir) {
            Ok(found) => found.flatten().map(|found| found.path()),
            Err(error) => {
                listing.damaged.push((self.dir.clone(), error.to_string()));
                return listing;
            }
        };
        let mut records = found.filter(|path| path.extension() == Some(OsStr::new("json")));
        for path in records.by_ref().take(MAX_ENTRIES) {
            // A file name that is not UTF-8 is not an id either.
            let id = path.file_stem().and_then(OsStr::to_str).unwrap_or_default();
            match Entry::read(&self.dir, id) {
                Ok(entry) => listing.entries.extend(entry),
                Err(why) => listing.damaged.push((path, why)),
            }
        }
        if records.next().is_some() {
            let why = format!("it has more than {MAX_ENTRIES} records; the rest were ignored");
            listing.damaged.push((self.dir.clone(), why));
        }
        listing.entries.sort_by(|a, b| (b.created, &b.id).cmp(&(a.created, &a.id)));
        listing
    }

    /// The newest image that was generated from `recipe` and has a title if it was painted.
    pub fn find(&self, recipe: &Recipe) -> Option<Entry> {
        let fits = |entry: &Entry| !entry.imported && !entry.is_untitled() && entry.recipe == *recipe;
        self.list().entries.into_iter().find(fits)
    }

    /// The images that `name` refers to, newest first: by id, id prefix or prompt text. Several images are only
    /// returned if they have the same prompt text.
    ///
    /// # Errors
    /// If no image matches ([`Unknown`](GalleryError::Unknown)), images with different texts match
    /// ([`Ambiguous`](GalleryError::Ambiguous)), or the record is damaged ([`Damaged`](GalleryError::Damaged)).
    pub fn named(&self, name: &str) -> Result<Vec<Entry>, GalleryError> {
        lookup::all(&self.list(), name)
    }

    /// The one image that `name` refers to.
    ///
    /// # Errors
    /// As for [`named`](Self::named), and [`Ambiguous`](GalleryError::Ambiguous) if there are several.
    pub fn get(&self, name: &str) -> Result<Entry, GalleryError> {
        lookup::one(&self.list(), name)
    }

    /// Stores `image`, which the caller has decoded successfully. An identical image is not stored again.
    ///
    /// If the gallery is then over its limit, the least recently used images are evicted, except for favourites, the
    /// ids in `keep` (the current background), this one, and the last images that each of these was edited from.
    ///
    /// # Errors
    /// If it is not PNG, JPEG or WebP, its record is too long, or it can't be written.
    pub fn add(
        &self,
        recipe: &Recipe,
        image: &GeneratedImage,
        now: SystemTime,
        keep: &[String],
    ) -> Result<Entry, GalleryError> {
        let ancestors = self.ancestors(recipe);
        let entry = Entry { ancestors, ..new_entry(recipe.clone(), image, now)? };
        self.store(entry, &image.bytes, now, keep)
    }

    /// The ids of the images that led to an edit, the nearest first.
    fn ancestors(&self, recipe: &Recipe) -> Vec<String> {
        let Some(parent) = &recipe.parent else { return Vec::new() };
        let earlier = self.entry(&parent.id).map(|entry| entry.ancestors).unwrap_or_default();
        [parent.id.clone()].into_iter().chain(earlier).take(edits::MAX_ANCESTORS).collect()
    }

    /// Stores an image that bgcam painted for new users, as [`add`](Self::add). It is never evicted.
    ///
    /// # Errors
    /// As for [`add`](Self::add).
    pub fn add_starter(
        &self,
        recipe: &Recipe,
        image: &GeneratedImage,
        now: SystemTime,
        keep: &[String],
    ) -> Result<Entry, GalleryError> {
        let entry = Entry { starter: true, ..new_entry(recipe.clone(), image, now)? };
        self.store(entry, &image.bytes, now, keep)
    }

    /// The image that the one with this id was edited from; deleted ones are skipped.
    ///
    /// # Errors
    /// If there is no such id, it is not an edit, or all images before it were deleted.
    pub fn before(&self, id: &str) -> Result<Step, GalleryError> {
        edits::before(&self.list(), &self.entry(id)?)
    }

    /// The edit of the image with this id that was used last; deleted ones are skipped.
    ///
    /// # Errors
    /// If there is no such id, or there is no edit of it.
    pub fn after(&self, id: &str) -> Result<Step, GalleryError> {
        edits::after(&self.list(), &self.entry(id)?)
    }

    /// Marks the image as used now, so that it is evicted later.
    ///
    /// # Errors
    /// As for [`set_favourite`](Self::set_favourite).
    pub fn touch(&self, id: &str, now: SystemTime) -> Result<Entry, GalleryError> {
        self.edit(id, |entry| entry.used = milliseconds(now))
    }

    /// Sets whether the image is a favourite, which is never evicted.
    ///
    /// # Errors
    /// If there is no such id, it is damaged, or its record can't be written.
    pub fn set_favourite(&self, id: &str, favourite: bool) -> Result<Entry, GalleryError> {
        self.edit(id, |entry| entry.favourite = favourite)
    }

    /// Removes the image and its record, even if they are damaged.
    ///
    /// # Errors
    /// If there is no such id, or it can't be removed.
    pub fn remove(&self, id: &str) -> Result<(), GalleryError> {
        let _lock = disk::lock(&self.dir)?;
        if id::is_id(id) && self.discard(id)? { Ok(()) } else { Err(unknown(id)) }
    }

    fn store(&self, entry: Entry, bytes: &[u8], now: SystemTime, keep: &[String]) -> Result<Entry, GalleryError> {
        let _lock = disk::lock(&self.dir)?;
        disk::sweep(&self.dir, now);
        if let Ok(Some(there)) = Entry::read(&self.dir, &entry.id) {
            let there = Entry { used: entry.used, title: entry.title, notes: entry.notes, ..there };
            return self.write_record(&there).map(|()| there);
        }
        let record = record(&entry)?;
        disk::write(&self.dir, &entry.file, bytes)?;
        if let Err(error) = disk::write(&self.dir, &id::record_name(&entry.id), &record) {
            let _ = disk::remove(&self.dir, &entry.file);
            return Err(error);
        }
        self.evict(&entry.id, keep);
        Ok(entry)
    }

    fn evict(&self, new: &str, keep: &[String]) {
        let entries = self.list().entries;
        let kept = keep.iter().map(String::as_str).chain([new]);
        let keep: Vec<_> = kept.flat_map(|id| with_ancestors(&entries, id)).collect();
        for id in evict::victims(&entries, self.max_bytes, MAX_ENTRIES / 2, &keep) {
            match self.discard(&id) {
                Ok(_) => tracing::debug!("the gallery is full: evicted {id}"),
                Err(error) => tracing::warn!("the gallery is still over its limit: {}", crate::error::chain(&error)),
            }
        }
    }

    /// Removes the record first, so that the image is no longer found; false if there was nothing to remove.
    fn discard(&self, id: &str) -> Result<bool, GalleryError> {
        let mut found = disk::remove(&self.dir, &id::record_name(id))?;
        for name in id::image_names(id) {
            found |= disk::remove(&self.dir, &name)?;
        }
        Ok(found)
    }

    fn edit(&self, id: &str, change: impl FnOnce(&mut Entry)) -> Result<Entry, GalleryError> {
        let _lock = disk::lock(&self.dir)?;
        let mut entry = self.entry(id)?;
        change(&mut entry);
        self.write_record(&entry)?;
        Ok(entry)
    }

    /// The image with exactly this id.
    ///
    /// # Errors
    /// If there is no such id, or it is damaged.
    pub fn entry(&self, id: &str) -> Result<Entry, GalleryError> {
        if !id::is_id(id) {
            return Err(unknown(id));
        }
        let path = || self.dir.join(id::record_name(id));
        let entry = Entry::read(&self.dir, id);
        let entry = entry.map_err(|why| GalleryError::Damaged { id: id.to_owned(), path: path(), why })?;
        entry.ok_or_else(|| unknown(id))
    }

    fn write_record(&self, entry: &Entry) -> Result<(), GalleryError> {
        disk::write(&self.dir, &id::record_name(&entry.id), &record(entry)?)
    }
}

/// An id and those of the last images that it was edited from.
fn with_ancestors<'a>(entries: &'a [Entry], id: &'a str) -> impl Iterator<Item = &'a str> {
    let found = entries.iter().find(|entry| entry.id == id);
    let ancestors = found.map_or(&[][..], |entry| &entry.ancestors);
    [id].into_iter().chain(ancestors.iter().take(edits::MAX_KEPT).map(String::as_str))
}

fn record(entry: &Entry) -> Result<Vec<u8>, GalleryError> {
    let limit = entry::MAX_RECORD;
    match serde_json::to_vec_pretty(entry) {
        Ok(record) if record.len() as u64 > limit => Err(GalleryError::TooLong { bytes: record.len(), limit }),
        Ok(record) => Ok(record),
        Err(error) => Err(cannot_encode(error)),
    }
}

fn new_entry(recipe: Recipe, image: &GeneratedImage, now: SystemTime) -> Result<Entry, GalleryError> {
    let format = image::guess_format(&image.bytes).ok().and_then(id::extension);
    let extension = format.ok_or_else(|| ImageFileError::NotAnImage {
        name: format!("the image for {:?}", recipe.text),
        found: "an unknown file type",
    })?;
    let id = id::make_id(image.title.as_deref().unwrap_or(&recipe.text), &recipe, image.seed, &image.bytes)
        .map_err(cannot_encode)?;
    Ok(Entry {
        file: format!("{id}.{extension}"),
        id,
        recipe,
        seed: image.seed,
        cost: image.cost,
        created: milliseconds(now),
        used: milliseconds(now),
        bytes: image.bytes.len() as u64,
        favourite: false,
        imported: false,
        starter: false,
        ancestors: Vec::new(),
        title: image.title.clone(),
        notes: image.notes.clone(),
        marks: image.marks.clone(),
    })
}

fn unknown(id: &str) -> GalleryError {
    GalleryError::Unknown { name: id.to_owned(), nearest: None }
}

fn cannot_encode(error: serde_json::Error) -> GalleryError {
    GalleryError::Io { what: "encode the record of", path: "the image".into(), source: error.into() }
}

/// Milliseconds since 1970; 0 for earlier times.
fn milliseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    u64::try_from(since).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
