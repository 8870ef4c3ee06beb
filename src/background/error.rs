//! What can go wrong with a background, and the way out of it.

use std::{io, path::PathBuf};

use crate::error::{Failure, Kind, chain};

/// What can go wrong with a background. `name` is the picture's path, or what its bytes were called.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum BackgroundError {
    /// Neither a word that we know nor a path.
    #[error("background {text:?} is not off, blur, blur:1 to blur:100, a colour or the path of a picture")]
    BadSpec { text: String, near: Option<String> },
    /// Not a colour.
    #[error("colour {text:?} is not #rgb, #rrggbb or a CSS colour name")]
    BadColor { text: String, near: Option<String> },
    /// A colour that one can see through.
    #[error("colour {text:?} is not opaque, and nothing stands behind it")]
    ClearColor { text: String },
    /// Not a strength.
    #[error("blur strength {text:?} is not a whole number from 1 to 100")]
    BadStrength { text: String },
    /// There is no such file.
    #[error("picture {} does not exist", path.display())]
    NotFound { path: PathBuf, near: Option<String> },
    /// The file is there and can't be read.
    #[error("cannot read picture {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    /// A folder, a pipe, a device.
    #[error("picture {} is {what}, not a regular file", path.display())]
    NotAFile { path: PathBuf, what: &'static str },
    /// More bytes than [`Limits`](super::Limits) allows.
    #[error("picture {name} has {bytes} bytes, more than {limit}")]
    TooManyBytes { name: String, bytes: u64, limit: u64 },
    /// More pixels than [`Limits`](super::Limits) allows.
    #[error("picture {name} has {width}x{height} pixels, more than {} megapixels", limit / 1_000_000)]
    TooManyPixels { name: String, width: u32, height: u32, limit: u64 },
    /// A picture in a format that we don't read.
    #[error("picture {name} is {format}, not PNG, JPEG or WebP")]
    Unsupported { name: String, format: &'static str },
    /// Something else.
    #[error("{name} is {found}, not a PNG, JPEG or WebP picture")]
    NotAPicture { name: String, found: &'static str },
    /// The end is missing.
    #[error("picture {name} is cut off: its end is missing")]
    Truncated { name: String },
    /// Damaged in another way.
    #[error("cannot decode picture {name}")]
    Decode { name: String, source: image::ImageError },
}

impl BackgroundError {
    fn kind(&self) -> Kind {
        match self {
            Self::BadSpec { .. } | Self::BadColor { .. } | Self::ClearColor { .. } | Self::BadStrength { .. } => {
                Kind::BadInput
            }
            Self::NotFound { .. } => Kind::NotFound,
            Self::Read { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => Kind::Denied,
            Self::Read { .. } => Kind::Io,
            Self::NotAFile { .. } | Self::NotAPicture { .. } | Self::Truncated { .. } | Self::Decode { .. } => {
                Kind::BadInput
            }
            Self::TooManyBytes { .. } | Self::TooManyPixels { .. } | Self::Unsupported { .. } => Kind::Unsupported,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::BadSpec { near: Some(near), .. }
            | Self::BadColor { near: Some(near), .. }
            | Self::NotFound { near: Some(near), .. } => Some(format!("did you mean {near:?}?")),
            Self::BadSpec { text, near: None } if !text.is_empty() && text != "image:" => {
                Some(format!("a picture whose name is a plain word is written image:{text}"))
            }
            Self::TooManyBytes { name, .. } | Self::TooManyPixels { name, .. } => {
                Some(format!("make it smaller: ffmpeg -i {name:?} -vf scale=1920:-2 smaller.jpg"))
            }
            Self::Unsupported { name, .. } => Some(format!("convert it: magick {name:?} picture.png")),
            Self::Truncated { .. } => Some("copy or download the file again".to_owned()),
            _ => None,
        }
    }
}

impl From<&BackgroundError> for Failure {
    fn from(error: &BackgroundError) -> Self {
        Self { kind: error.kind(), message: chain(error), hint: error.hint() }
    }
}
