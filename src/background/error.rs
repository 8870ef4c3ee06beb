//! Errors of backgrounds, with hints to fix them.

use std::{io, path::PathBuf, time::Duration};

use image::ImageError;

use crate::{
    duration::HumanDuration,
    error::{Failure, Kind, chain},
    media::{image_file::ImageFileError, regular::FileError},
};

/// An error of a background.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum BackgroundError {
    /// Neither a known word nor a path.
    #[error(
        "unknown background {text:?}, expected none, blur, blur:1 to blur:100, a colour, the path of an image or video, or slideshow:FOLDER"
    )]
    BadSpec { text: String, suggestion: Option<String> },
    /// Not a colour.
    #[error("invalid colour {text:?}, expected #rgb, #rrggbb or a CSS colour name")]
    BadColour { text: String, suggestion: Option<String> },
    /// A transparent colour.
    #[error("colour {text:?} is transparent, expected an opaque one")]
    ClearColour { text: String },
    /// Not a blur strength.
    #[error("invalid blur strength {text:?}, expected a whole number from 1 to 100")]
    BadStrength { text: String },
    /// Not a slide time.
    #[error("slide time must be between 1s and 24h (try 45s, 5m, 1h), got {text:?}")]
    BadSeconds { text: String },
    /// An error of the image file.
    #[error(transparent)]
    ImageFile(#[from] ImageFileError),
    /// There is no such file.
    #[error("no such file: {}", path.display())]
    NotFound { path: PathBuf, suggestion: Option<String> },
    /// The file is not of a supported type.
    #[error("{} is {found}, expected an image or a video", path.display())]
    Unsupported { path: PathBuf, found: &'static str },
    /// An animation that is damaged or empty.
    #[error("cannot decode the animation {}", path.display())]
    Animation { path: PathBuf, source: Option<ImageError> },
    /// An animation that would need too much memory.
    #[error("animation {} has {width}x{height} pixels, more than {:.1} megapixels", path.display(), *limit as f64 / 1e6)]
    TooLarge { path: PathBuf, width: u32, height: u32, limit: u64 },
    /// A video that cannot be decoded.
    #[error("cannot play {}: {why}", path.display())]
    Video { path: PathBuf, why: String },
    /// Videos require `ffmpeg`.
    #[error("cannot play {}: ffmpeg is not installed", path.display())]
    NoFfmpeg { path: PathBuf },
    /// A folder that cannot be read.
    #[error("cannot read the folder {}", path.display())]
    Folder { path: PathBuf, source: io::Error },
    /// A folder without usable images.
    #[error("no usable image in the folder {}", path.display())]
    NoImages { path: PathBuf },
    /// The first frame did not arrive in time.
    #[error("the background did not load within {}", HumanDuration(*.waited))]
    Timeout { waited: Duration },
    /// A thread cannot be started.
    #[error("cannot start a thread for the background")]
    Thread(#[source] io::Error),
    /// A decoder panicked, which is a bug in bgcam or a library.
    #[error("could not play this background")]
    Broken,
}

impl BackgroundError {
    fn kind(&self) -> Kind {
        match self {
            Self::BadSpec { .. }
            | Self::BadColour { .. }
            | Self::ClearColour { .. }
            | Self::BadStrength { .. }
            | Self::BadSeconds { .. } => Kind::BadInput,
            Self::ImageFile(error) => error.kind(),
            Self::Unsupported { .. } | Self::Animation { .. } | Self::Video { .. } => Kind::BadInput,
            Self::NotFound { .. } | Self::NoImages { .. } => Kind::NotFound,
            Self::Folder { source, .. } => FileError::kind_of(source),
            Self::TooLarge { .. } => Kind::Unsupported,
            Self::NoFfmpeg { .. } => Kind::Missing,
            Self::Timeout { .. } | Self::Thread(_) => Kind::Io,
            Self::Broken => Kind::Internal,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::BadSpec { suggestion: Some(suggestion), .. }
            | Self::BadColour { suggestion: Some(suggestion), .. }
            | Self::NotFound { suggestion: Some(suggestion), .. } => Some(format!("did you mean {suggestion:?}?")),
            Self::BadSpec { text, suggestion: None } if !text.is_empty() && !text.ends_with(':') => {
                Some(format!("for an image file with that name, write image:{text}"))
            }
            Self::ImageFile(ImageFileError::Read { name, source: FileError::NotRegular("a folder") }) => {
                Some(format!("`bgcam set-slideshow {name:?}` shows the images in this folder"))
            }
            Self::ImageFile(error) => error.hint(),
            Self::TooLarge { path, .. } => {
                Some(format!("convert it to a video: ffmpeg -i {path:?} -vf scale=1280:-2 smaller.mp4"))
            }
            Self::Video { path, .. } => Some(format!("`ffmpeg -i {path:?}` shows the file's details")),
            Self::NoImages { .. } => Some("add PNG, JPEG or WebP files to it".to_owned()),
            Self::NoFfmpeg { .. } => Some("sudo apt install ffmpeg".to_owned()),
            _ => None,
        }
    }
}

impl From<BackgroundError> for Failure {
    fn from(error: BackgroundError) -> Self {
        Self { kind: error.kind(), message: chain(&error), hint: error.hint() }
    }
}
