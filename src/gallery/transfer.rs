//! Images into and out of the gallery: imports of the user's files, and exports that mark generated images.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use super::{Entry, Gallery, GalleryError, disk, new_entry};
use crate::{
    media::image_file::{self, Limits, provenance},
    prompt::{GeneratedImage, Recipe},
};

/// The provider in the recipe of an imported image.
pub const IMPORTED: &str = "import";

/// An image file of the user, checked but not stored.
#[derive(Debug, Clone)]
pub struct Import {
    entry: Entry,
    bytes: Vec<u8>,
}

impl Import {
    /// The record that it will have.
    pub fn entry(&self) -> &Entry {
        &self.entry
    }
}

impl Gallery {
    /// Imports the image file at `path` unchanged. `name` defaults to the file name. Evicts as [`add`](Self::add).
    ///
    /// # Errors
    /// If it is not a regular file, not an image, or over `limits`, and as for [`add`](Self::add).
    pub fn import(
        &self,
        path: &Path,
        name: Option<&str>,
        limits: &Limits,
        now: SystemTime,
        keep: &[String],
    ) -> Result<Entry, GalleryError> {
        let bytes = image_file::read_bytes(path, limits)?;
        let name = name.map_or_else(|| path.file_stem().unwrap_or_default().to_string_lossy(), Into::into);
        self.import_bytes(bytes, &path.display().to_string(), &name, limits, now, keep)
    }

    /// As [`import`](Self::import), for the bytes of an image file; `source` is its name in errors.
    ///
    /// # Errors
    /// As for [`import`](Self::import).
    pub fn import_bytes(
        &self,
        bytes: Vec<u8>,
        source: &str,
        name: &str,
        limits: &Limits,
        now: SystemTime,
        keep: &[String],
    ) -> Result<Entry, GalleryError> {
        let import = Self::prepare(bytes, source, name, limits, now)?;
        self.store(import.entry, &import.bytes, now, keep)
    }

    /// Checks the bytes of an image file and gives them an id, without storing them: see [`keep`](Self::keep).
    ///
    /// # Errors
    /// If it is not an image or over `limits`.
    pub fn prepare(
        bytes: Vec<u8>,
        source: &str,
        name: &str,
        limits: &Limits,
        now: SystemTime,
    ) -> Result<Import, GalleryError> {
        let size = image_file::decode(&bytes, source, limits)?.dimensions();
        let recipe = Recipe { text: name.to_owned(), provider: IMPORTED.to_owned(), size, ..Recipe::default() };
        let image = GeneratedImage::new(bytes);
        let entry = Entry { imported: true, ..new_entry(recipe, &image, now)? };
        Ok(Import { entry, bytes: image.bytes })
    }

    /// Stores a prepared image. Evicts as [`add`](Self::add).
    ///
    /// # Errors
    /// If it can't be written.
    pub fn keep(&self, import: &Import, now: SystemTime, keep: &[String]) -> Result<Entry, GalleryError> {
        self.store(import.entry.clone(), &import.bytes, now, keep)
    }

    /// Copies the image to `to`, a file or a directory, and returns the path of the file. With `force`, an existing
    /// file is replaced. A generated PNG or JPEG is marked as such; an imported image is copied unchanged.
    ///
    /// # Errors
    /// If there is no such id, it is damaged, `to` already exists, or it can't be written.
    pub fn export(&self, id: &str, to: &Path, force: bool) -> Result<PathBuf, GalleryError> {
        let entry = self.entry(id)?;
        let to = if to.is_dir() { to.join(&entry.file) } else { to.to_owned() };
        if let Ok(there) = fs::symlink_metadata(&to) {
            // Devices and pipes are never replaced.
            let replaceable = there.is_file() || there.is_symlink();
            if !(force && replaceable) {
                return Err(GalleryError::Exists { path: to, replaceable });
            }
        }
        let bytes = disk::read(&self.path(&entry), entry.bytes);
        let bytes = bytes.map_err(|source| GalleryError::Io { what: "read", path: self.path(&entry), source })?;
        let marked = entry.source_type().and_then(|source| provenance::with_source_type(&bytes, source));
        match disk::place(marked.as_ref().unwrap_or(&bytes), &to, force) {
            Ok(()) => Ok(to),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(GalleryError::Exists { path: to, replaceable: true })
            }
            Err(source) => Err(GalleryError::Io { what: "write", path: to, source }),
        }
    }
}
