//! The daemon's access to the gallery: the images on disk, and which of them are in use.

use std::time::SystemTime;

use super::{Daemon, lock};
use crate::{background::BackgroundSpec, error::Failure, gallery::Gallery, paths};

impl Daemon {
    pub(super) fn gallery(&self) -> Result<Gallery, Failure> {
        open_gallery(lock(&self.config).gallery_bytes)
    }

    /// The gallery ids of the images that are shown or belong to a preset, which must not be evicted.
    pub(super) fn kept_ids(&self) -> Vec<String> {
        let presets = self.presets.known();
        let specs = presets.iter().map(|preset| &preset.background);
        specs.chain([&self.pipeline.scene().spec]).filter_map(gallery_id).collect()
    }
}

pub(super) fn open_gallery(max_bytes: u64) -> Result<Gallery, Failure> {
    Ok(Gallery::open(paths::gallery_dir(), max_bytes)?)
}

/// The display name of a background. An image of the gallery is named by its prompt, and marked as used.
pub(super) fn label(spec: &BackgroundSpec, gallery_bytes: u64) -> String {
    let used_entry = || {
        let gallery = Gallery::open(paths::gallery_dir(), gallery_bytes).ok()?;
        gallery.touch(&gallery_id(spec)?, SystemTime::now()).ok()
    };
    used_entry().map_or_else(|| spec.to_string(), |entry| entry.label())
}

/// The display name of a background, without marking it as used.
pub(super) fn name(spec: &BackgroundSpec, gallery_bytes: u64) -> String {
    let entry = || open_gallery(gallery_bytes).ok()?.entry(&gallery_id(spec)?).ok();
    entry().map_or_else(|| spec.to_string(), |entry| entry.label())
}

/// The id of a background in the gallery, if it is one of its images.
pub(super) fn gallery_id(spec: &BackgroundSpec) -> Option<String> {
    let BackgroundSpec::Image { path, .. } = spec else { return None };
    let in_gallery = path.parent() == Some(&paths::gallery_dir());
    path.file_stem().filter(|_| in_gallery).map(|stem| stem.to_string_lossy().into_owned())
}
