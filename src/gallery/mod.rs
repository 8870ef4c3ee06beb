//! The gallery: every picture that was made or imported, kept on disk so that no request is paid for twice.
//!
//! A picture is two files in one directory: `ID.png`, `.jpg` or `.webp`, and its record `ID.json`. The picture comes
//! first and goes last, each by one rename or unlink, so whoever is killed leaves at worst a picture without a record,
//! which nobody lists and a later [`add`](Gallery::add) sweeps. The daemon and the command line may work here at once:
//! changes wait for each other on a lock file, readers wait for nobody.

mod disk;
mod entry;
mod error;
mod evict;
mod lookup;

use std::{
    ffi::OsStr,
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

pub use entry::Entry;
pub use error::GalleryError;

use crate::media::image_file::{self, ImageFileError, Limits};
use crate::prompt::{Picture, Recipe};

/// The provider in the recipe of a picture that was imported.
pub const IMPORTED: &str = "import";

/// Records that are looked at; the gallery itself keeps half as many.
const MAX_ENTRIES: usize = 10_000;

/// The pictures on disk; cheap to clone, and to use from several threads and processes.
#[derive(Debug, Clone)]
pub struct Gallery {
    dir: PathBuf,
    bound: u64,
}

/// What is in the gallery.
#[derive(Debug, Clone, Default)]
pub struct Listing {
    /// The newest first.
    pub entries: Vec<Entry>,
    /// Records that can't be believed, or whose picture is gone: where they are, and why.
    pub damaged: Vec<(PathBuf, String)>,
}

impl Listing {
    /// Bytes of all pictures together.
    pub fn bytes(&self) -> u64 {
        self.entries.iter().map(|entry| entry.bytes).fold(0, u64::saturating_add)
    }
}

impl Gallery {
    /// Opens the gallery in `dir`, which is made for the user alone when it is not there, and kept to about
    /// `bound_bytes` bytes of pictures.
    ///
    /// # Errors
    /// When `dir` can't be made.
    pub fn open(dir: PathBuf, bound_bytes: u64) -> Result<Self, GalleryError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&dir);
        made.map_err(|source| GalleryError::Io { what: "make directory", path: dir.clone(), source })?;
        Ok(Self { dir, bound: bound_bytes })
    }

    /// Where the pictures are.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where the picture of `entry` is.
    pub fn path(&self, entry: &Entry) -> PathBuf {
        self.dir.join(&entry.file)
    }

    /// What is in the gallery. Damaged records are skipped and named.
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
            // A name that is not even text is no id either.
            let id = path.file_stem().and_then(OsStr::to_str).unwrap_or_default();
            match Entry::read(&self.dir, id) {
                Ok(entry) => listing.entries.extend(entry),
                Err(why) => listing.damaged.push((path, why)),
            }
        }
        if records.next().is_some() {
            let why = format!("it has more than {MAX_ENTRIES} records, the others were not looked at");
            listing.damaged.push((self.dir.clone(), why));
        }
        listing.entries.sort_by(|a, b| (b.created, &b.id).cmp(&(a.created, &a.id)));
        listing
    }

    /// The newest picture that was asked for with `recipe`, and of which is known what it shows.
    pub fn find(&self, recipe: &Recipe) -> Option<Entry> {
        let fits = |entry: &Entry| !entry.imported && !entry.is_untold() && entry.recipe == *recipe;
        self.list().entries.into_iter().find(fits)
    }

    /// The pictures that a user calls `name`, the newest first: by id, by words, or by the start of an id. There are several
    /// only where they have the same words.
    ///
    /// # Errors
    /// [`Unknown`](GalleryError::Unknown), [`Ambiguous`](GalleryError::Ambiguous) or
    /// [`Damaged`](GalleryError::Damaged).
    pub fn named(&self, name: &str) -> Result<Vec<Entry>, GalleryError> {
        lookup::all(&self.list(), name)
    }

    /// The only picture that a user calls `name`.
    ///
    /// # Errors
    /// As for [`named`](Self::named), and [`Ambiguous`](GalleryError::Ambiguous) when there are several.
    pub fn get(&self, name: &str) -> Result<Entry, GalleryError> {
        lookup::one(&self.list(), name)
    }

    /// Keeps `picture`, which the caller has decoded before. What is already there is not stored again.
    ///
    /// When the gallery is then over its bound, the least recently used pictures go, but no favourites, none of the ids
    /// in `keep` (the one on screen), and not this one.
    ///
    /// # Errors
    /// When it is not PNG, JPEG or WebP, its record would be too long, or it can't be written.
    pub fn add(
        &self,
        recipe: &Recipe,
        picture: &Picture,
        now: SystemTime,
        keep: &[String],
    ) -> Result<Entry, GalleryError> {
        let entry = new_entry(recipe.clone(), picture, now)?;
        self.store(entry, &picture.bytes, now, keep)
    }

    /// Copies the picture at `path` as it is, called `words` or else as its file. Then evicts as [`add`](Self::add).
    ///
    /// # Errors
    /// When it is no regular file, no picture or beyond `limits`, and as for [`add`](Self::add).
    pub fn import(
        &self,
        path: &Path,
        words: Option<&str>,
        limits: &Limits,
        now: SystemTime,
        keep: &[String],
    ) -> Result<Entry, GalleryError> {
        let bytes = image_file::read_bytes(path, limits)?;
        let words = words.map_or_else(|| path.file_stem().unwrap_or_default().to_string_lossy(), Into::into);
        self.import_bytes(bytes, &path.display().to_string(), &words, limits, now, keep)
    }

    /// The same for a picture that is here already; `name` is what errors call it.
    ///
    /// # Errors
    /// As for [`import`](Self::import).
    pub fn import_bytes(
        &self,
        bytes: Vec<u8>,
        name: &str,
        words: &str,
        limits: &Limits,
        now: SystemTime,
        keep: &[String],
    ) -> Result<Entry, GalleryError> {
        let size = image_file::decode(&bytes, name, limits)?.dimensions();
        let recipe = Recipe {
            words: words.to_owned(),
            prompt: String::new(),
            negative: String::new(),
            style: String::new(),
            provider: IMPORTED.to_owned(),
            model: String::new(),
            seed: None,
            size,
        };
        let picture = Picture { bytes, ..Picture::default() };
        let entry = Entry { imported: true, ..new_entry(recipe, &picture, now)? };
        self.store(entry, &picture.bytes, now, keep)
    }

    /// Notes that the picture was put on, so that it is not the next to be evicted.
    ///
    /// # Errors
    /// As for [`set_favourite`](Self::set_favourite).
    pub fn touch(&self, id: &str, now: SystemTime) -> Result<Entry, GalleryError> {
        self.edit(id, |entry| entry.used = milliseconds(now))
    }

    /// Makes the picture one that is never evicted, or one as the others.
    ///
    /// # Errors
    /// When there is no such id, it is damaged, or its record can't be written.
    pub fn set_favourite(&self, id: &str, favourite: bool) -> Result<Entry, GalleryError> {
        self.edit(id, |entry| entry.favourite = favourite)
    }

    /// Removes the picture, or what is left of a damaged one.
    ///
    /// # Errors
    /// When there is no such id, or it can't be removed.
    pub fn remove(&self, id: &str) -> Result<(), GalleryError> {
        let _lock = disk::lock(&self.dir)?;
        if entry::is_id(id) && self.discard(id)? { Ok(()) } else { Err(unknown(id)) }
    }

    /// Copies the picture to `to`, a file or a directory, and returns the file's path. With `force` a file that is there
    /// is replaced.
    ///
    /// # Errors
    /// When there is no such id, it is damaged, something is at `to`, or it can't be written.
    pub fn export(&self, id: &str, to: &Path, force: bool) -> Result<PathBuf, GalleryError> {
        let entry = self.entry(id)?;
        let to = if to.is_dir() { to.join(&entry.file) } else { to.to_owned() };
        if let Ok(there) = fs::symlink_metadata(&to) {
            // Not even with force is a device or a pipe replaced.
            let replaceable = there.is_file() || there.is_symlink();
            if !(force && replaceable) {
                return Err(GalleryError::Exists { path: to, replaceable });
            }
        }
        match disk::copy(&self.path(&entry), &to, force) {
            Ok(()) => Ok(to),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(GalleryError::Exists { path: to, replaceable: true })
            }
            Err(source) => Err(GalleryError::Io { what: "write", path: to, source }),
        }
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
        if let Err(error) = disk::write(&self.dir, &entry::record_name(&entry.id), &record) {
            let _ = disk::remove(&self.dir, &entry.file);
            return Err(error);
        }
        self.evict(&entry.id, keep);
        Ok(entry)
    }

    fn evict(&self, new: &str, keep: &[String]) {
        let keep: Vec<_> = keep.iter().map(String::as_str).chain([new]).collect();
        for id in evict::victims(&self.list().entries, self.bound, MAX_ENTRIES / 2, &keep) {
            match self.discard(&id) {
                Ok(_) => tracing::debug!("the gallery is full: removed {id}"),
                Err(error) => tracing::warn!("the gallery stays over its bound: {}", crate::error::chain(&error)),
            }
        }
    }

    /// The record goes first: from then on nobody finds the picture.
    fn discard(&self, id: &str) -> Result<bool, GalleryError> {
        let mut found = disk::remove(&self.dir, &entry::record_name(id))?;
        for name in entry::picture_names(id) {
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

    /// The picture with just this id.
    ///
    /// # Errors
    /// When there is no such id, or it is damaged.
    pub fn entry(&self, id: &str) -> Result<Entry, GalleryError> {
        if !entry::is_id(id) {
            return Err(unknown(id));
        }
        let path = || self.dir.join(entry::record_name(id));
        let entry = Entry::read(&self.dir, id);
        let entry = entry.map_err(|why| GalleryError::Damaged { id: id.to_owned(), path: path(), why })?;
        entry.ok_or_else(|| unknown(id))
    }

    fn write_record(&self, entry: &Entry) -> Result<(), GalleryError> {
        disk::write(&self.dir, &entry::record_name(&entry.id), &record(entry)?)
    }
}

fn record(entry: &Entry) -> Result<Vec<u8>, GalleryError> {
    let limit = entry::MAX_RECORD;
    match serde_json::to_vec_pretty(entry) {
        Ok(record) if record.len() as u64 > limit => Err(GalleryError::TooLong { bytes: record.len(), limit }),
        Ok(record) => Ok(record),
        Err(error) => Err(cannot_encode(error)),
    }
}

fn new_entry(recipe: Recipe, picture: &Picture, now: SystemTime) -> Result<Entry, GalleryError> {
    let format = image::guess_format(&picture.bytes).ok().and_then(entry::ending);
    let ending = format.ok_or_else(|| ImageFileError::NotAPicture {
        name: format!("the answer to {:?}", recipe.words),
        found: "an unknown file type",
    })?;
    let id = entry::make_id(picture.title.as_deref().unwrap_or(&recipe.words), &recipe, picture.seed, &picture.bytes)
        .map_err(cannot_encode)?;
    Ok(Entry {
        file: format!("{id}.{ending}"),
        id,
        recipe,
        seed: picture.seed,
        cost: picture.cost,
        created: milliseconds(now),
        used: milliseconds(now),
        bytes: picture.bytes.len() as u64,
        favourite: false,
        imported: false,
        title: picture.title.clone(),
        notes: picture.notes.clone(),
    })
}

fn unknown(id: &str) -> GalleryError {
    GalleryError::Unknown { name: id.to_owned(), near: None }
}

fn cannot_encode(error: serde_json::Error) -> GalleryError {
    GalleryError::Io { what: "make the record of", path: "the picture".into(), source: error.into() }
}

/// Since 1970; a clock before that reads 1970.
fn milliseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    u64::try_from(since).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
