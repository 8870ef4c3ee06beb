//! Errors of the gallery, with a hint for each.

use std::{io, path::PathBuf};

use crate::{
    error::{Failure, Kind, chain},
    media::image_file::ImageFileError,
};

/// An error of the gallery.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum GalleryError {
    /// No image has this id, id prefix or prompt text.
    #[error("no image in the gallery is named {name:?}")]
    Unknown { name: String, nearest: Option<String> },
    /// Several images match; `candidates` are the ids of the newest of the `count`.
    #[error("{name:?} matches {count} images in the gallery: {}", list(candidates, *count))]
    Ambiguous { name: String, candidates: Vec<String>, count: usize },
    /// The record is invalid, or the image is missing.
    #[error("{} in the gallery is damaged: {why}", path.display())]
    Damaged { id: String, path: PathBuf, why: String },
    /// The new image can't be read.
    #[error(transparent)]
    ImageFile(#[from] ImageFileError),
    /// The prompt is too long for a record.
    #[error("the prompt of this image is too long: its record has {bytes} bytes, expected at most {limit}")]
    TooLong { bytes: usize, limit: u64 },
    /// An export would overwrite a file.
    #[error("{} already exists", path.display())]
    Exists { path: PathBuf, replaceable: bool },
    /// The image is not an edit.
    #[error("{name} was not edited, so there is nothing to undo")]
    NotEdited { name: String },
    /// The images that led to an edit were all deleted.
    #[error("the images from which {name} was made have been deleted")]
    OriginalsGone { name: String },
    /// There is no edit of this image.
    #[error("there is no edit of {name} to redo")]
    NoEdit { name: String },
    /// Another process holds the lock of the gallery.
    #[error("another bgcam process has locked the gallery {} for {seconds} seconds", dir.display())]
    Locked { dir: PathBuf, seconds: u64 },
    /// A file operation failed.
    #[error("cannot {what} {}", path.display())]
    Io { what: &'static str, path: PathBuf, source: io::Error },
}

fn list(candidates: &[String], count: usize) -> String {
    let more = if count > candidates.len() { ", ..." } else { "" };
    candidates.join(", ") + more
}

impl GalleryError {
    fn kind(&self) -> Kind {
        match self {
            Self::Unknown { .. } | Self::NotEdited { .. } | Self::OriginalsGone { .. } | Self::NoEdit { .. } => {
                Kind::NotFound
            }
            Self::Ambiguous { .. } | Self::TooLong { .. } | Self::Exists { .. } => Kind::BadInput,
            Self::Locked { .. } => Kind::Busy,
            Self::ImageFile(error) => error.kind(),
            Self::Io { source, .. } if is_permission_error(source) => Kind::Denied,
            Self::Io { .. } | Self::Damaged { .. } => Kind::Io,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Unknown { nearest: Some(nearest), .. } => format!("did you mean {nearest:?}?"),
            Self::Unknown { nearest: None, .. } => "`bgcam gallery list` shows all images".to_owned(),
            Self::Ambiguous { .. } => "use a full id; `bgcam gallery list` shows them".to_owned(),
            Self::Damaged { id, .. } => format!("`bgcam gallery remove {id}` removes it"),
            Self::ImageFile(error) => return error.hint(),
            Self::NotEdited { .. } | Self::OriginalsGone { .. } => {
                "`bgcam previous` returns to the background before this one".to_owned()
            }
            Self::NoEdit { .. } => "`bgcam set-prompt --edit \"make it night\"` edits it".to_owned(),
            Self::TooLong { .. } => "shorten the prompt".to_owned(),
            Self::Exists { replaceable: true, .. } => "choose another file, or replace it with --force".to_owned(),
            Self::Exists { replaceable: false, .. } => "choose another file".to_owned(),
            Self::Locked { .. } => "try again when it has finished; `fg` resumes a stopped process".to_owned(),
            Self::Io { source, path, .. } if is_permission_error(source) => {
                let dir = path.parent().unwrap_or(path);
                format!("check the permissions with `ls -ld {dir:?}`")
            }
            Self::Io { source, .. }
                if matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) =>
            {
                "free some disk space, for example with `bgcam gallery remove`".to_owned()
            }
            Self::Io { .. } => return None,
        })
    }
}

fn is_permission_error(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
}

impl From<GalleryError> for Failure {
    fn from(error: GalleryError) -> Self {
        Self { kind: error.kind(), message: chain(&error), hint: error.hint() }
    }
}
