//! Limits for image files, and the errors of reading one.

use image::ImageError;

use crate::{error::Kind, media::regular::FileError};

/// Maximum size of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Size of the file in bytes.
    pub max_bytes: u64,
    /// Width x height of the decoded image in pixels.
    pub max_pixels: u64,
}

impl Default for Limits {
    /// 100 MiB and 64 megapixels: enough for lossless photos from any phone or camera.
    fn default() -> Self {
        Self { max_bytes: 100 << 20, max_pixels: 64_000_000 }
    }
}

/// Errors of reading an image file. `name` is its path, or a label for in-memory data.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum ImageFileError {
    /// The file does not exist.
    #[error("image {name} does not exist")]
    NotFound { name: String, near: Option<String> },
    /// The file can't be read, or exceeds [`Limits::max_bytes`].
    #[error("cannot read image {name}")]
    Read { name: String, source: FileError },
    /// The image exceeds [`Limits::max_pixels`].
    #[error("image {name} has {width}x{height} pixels, expected at most {} megapixels", limit / 1_000_000)]
    TooManyPixels { name: String, width: u32, height: u32, limit: u64 },
    /// An image in an unsupported format.
    #[error("image {name} is {format}, expected PNG, JPEG or WebP")]
    Unsupported { name: String, format: &'static str },
    /// Not an image.
    #[error("{name} is {found}, expected a PNG, JPEG or WebP image")]
    NotAnImage { name: String, found: &'static str },
    /// The end of the file is missing.
    #[error("image {name} is truncated")]
    Truncated { name: String },
    /// Damaged in another way.
    #[error("cannot decode image {name}")]
    Decode { name: String, source: ImageError },
}

impl ImageFileError {
    /// The kind of failure shown to the user.
    pub fn kind(&self) -> Kind {
        match self {
            Self::NotFound { .. } => Kind::NotFound,
            Self::Read { source, .. } => source.kind(),
            Self::NotAnImage { .. } | Self::Truncated { .. } | Self::Decode { .. } => Kind::BadInput,
            Self::TooManyPixels { .. } | Self::Unsupported { .. } => Kind::Unsupported,
        }
    }

    /// How the user can fix it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotFound { near: Some(near), .. } => Some(format!("did you mean {near:?}?")),
            Self::Read { name, source: FileError::TooLarge { .. } } | Self::TooManyPixels { name, .. } => {
                Some(format!("scale it down: ffmpeg -i {name:?} -vf scale=1920:-2 smaller.jpg"))
            }
            Self::Unsupported { name, .. } => Some(format!("convert it: magick {name:?} image.png")),
            Self::Truncated { .. } => Some("copy or download the file again".to_owned()),
            _ => None,
        }
    }
}
