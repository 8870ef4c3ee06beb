//! What is accepted as an image file, and what can be wrong with one.

use image::ImageError;

use crate::{error::Kind, media::regular::FileError};

/// What a picture may cost before it is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the file.
    pub max_bytes: u64,
    /// Width x height of the decoded picture.
    pub max_pixels: u64,
}

impl Default for Limits {
    /// 25 MiB and 64 megapixels: any photo of a phone or camera.
    fn default() -> Self {
        Self { max_bytes: 25 << 20, max_pixels: 64_000_000 }
    }
}

/// What can be wrong with a picture. `name` is its path, or what its bytes were called.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum PictureError {
    /// There is no such file.
    #[error("picture {name} does not exist")]
    NotFound { name: String, near: Option<String> },
    /// The file is there and can't be read, or has more bytes than [`Limits`] allows.
    #[error("cannot read picture {name}")]
    Read { name: String, source: FileError },
    /// More pixels than [`Limits`] allows.
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
    Decode { name: String, source: ImageError },
}

impl PictureError {
    /// What the user meets, by kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::NotFound { .. } => Kind::NotFound,
            Self::Read { source, .. } => source.kind(),
            Self::NotAPicture { .. } | Self::Truncated { .. } | Self::Decode { .. } => Kind::BadInput,
            Self::TooManyPixels { .. } | Self::Unsupported { .. } => Kind::Unsupported,
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotFound { near: Some(near), .. } => Some(format!("did you mean {near:?}?")),
            Self::Read { name, source: FileError::TooLarge { .. } } | Self::TooManyPixels { name, .. } => {
                Some(format!("make it smaller: ffmpeg -i {name:?} -vf scale=1920:-2 smaller.jpg"))
            }
            Self::Unsupported { name, .. } => Some(format!("convert it: magick {name:?} picture.png")),
            Self::Truncated { .. } => Some("copy or download the file again".to_owned()),
            _ => None,
        }
    }
}
