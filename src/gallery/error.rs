//! What can go wrong with the gallery, and the way out of it.

use std::{io, path::PathBuf};

use crate::{
    error::{Failure, Kind, chain},
    media::image_file::ImageFileError,
};

/// What can go wrong with the gallery.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum GalleryError {
    /// Nothing there has this id, start of an id, or words.
    #[error("no picture in the gallery is called {name:?}")]
    Unknown { name: String, near: Option<String> },
    /// Several have; `candidates` are the ids of the newest of the `count`.
    #[error("{name:?} may be any of {count} pictures in the gallery: {}", list(candidates, *count))]
    Ambiguous { name: String, candidates: Vec<String>, count: usize },
    /// It is there, but can't be used.
    #[error("{} in the gallery is damaged: {why}", path.display())]
    Damaged { id: String, path: PathBuf, why: String },
    /// What comes in is no picture that we read.
    #[error(transparent)]
    Picture(#[from] ImageFileError),
    /// The words are longer than a record may be.
    #[error("the words of this picture make a record of {bytes} bytes, more than {limit}")]
    TooLong { bytes: usize, limit: u64 },
    /// An export would overwrite something.
    #[error("{} already exists", path.display())]
    Exists { path: PathBuf, replaceable: bool },
    /// Another process has been changing the gallery for seconds.
    #[error("another bgcam has been changing the gallery {} for {seconds} seconds", dir.display())]
    Locked { dir: PathBuf, seconds: u64 },
    /// The system refused.
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
            Self::Unknown { .. } => Kind::NotFound,
            Self::Ambiguous { .. } | Self::TooLong { .. } | Self::Exists { .. } => Kind::BadInput,
            Self::Locked { .. } => Kind::Busy,
            Self::Picture(error) => error.kind(),
            Self::Io { source, .. } if is_refusal(source) => Kind::Denied,
            Self::Io { .. } | Self::Damaged { .. } => Kind::Io,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Unknown { near: Some(near), .. } => format!("did you mean {near:?}?"),
            Self::Unknown { near: None, .. } => "`bgcam gallery list` shows what is there".to_owned(),
            Self::Ambiguous { .. } => "give the whole id of one; `bgcam gallery list` shows them".to_owned(),
            Self::Damaged { id, .. } => format!("`bgcam gallery remove {id}` removes what is left of it"),
            Self::Picture(error) => return error.hint(),
            Self::TooLong { .. } => "say it in fewer words".to_owned(),
            Self::Exists { replaceable: true, .. } => "name another file, or replace it with --force".to_owned(),
            Self::Exists { replaceable: false, .. } => "name another file".to_owned(),
            Self::Locked { .. } => "try again when it is done; a stopped one goes on with `fg`".to_owned(),
            Self::Io { source, path, .. } if is_refusal(source) => {
                let dir = path.parent().unwrap_or(path);
                format!("`ls -ld {dir:?}` shows who may write there")
            }
            Self::Io { source, .. }
                if matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) =>
            {
                "make room on the disk; `bgcam gallery list` shows what the pictures take".to_owned()
            }
            Self::Io { .. } => return None,
        })
    }
}

fn is_refusal(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
}

impl From<GalleryError> for Failure {
    fn from(error: GalleryError) -> Self {
        Self { kind: error.kind(), message: chain(&error), hint: error.hint() }
    }
}
