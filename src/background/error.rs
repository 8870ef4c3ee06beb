//! What can go wrong with a background, and the way out of it.

use std::{io, path::PathBuf, time::Duration};

use image::ImageError;

use crate::{
    duration::HumanDuration,
    error::{Failure, Kind, chain},
    media::{image_file::ImageFileError, regular::FileError},
};

/// What can go wrong with a background.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum BackgroundError {
    /// Neither a word that we know nor a path.
    #[error(
        "background {text:?} is not none, blur, blur:1 to blur:100, a colour, the path of a picture or video, or slideshow:FOLDER"
    )]
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
    /// Not a time.
    #[error("a picture of a slideshow stands for 1 to 86400 seconds, not {text:?}")]
    BadSeconds { text: String },
    /// Something is wrong with the picture.
    #[error(transparent)]
    Picture(#[from] ImageFileError),
    /// There is no such file.
    #[error("no such file: {}", path.display())]
    NotFound { path: PathBuf, near: Option<String> },
    /// Something else than we can show.
    #[error("{} is {found}, neither a picture nor a video", path.display())]
    Neither { path: PathBuf, found: &'static str },
    /// An animated picture that is damaged, or has no picture at all.
    #[error("cannot decode the animation {}", path.display())]
    Animation { path: PathBuf, source: Option<ImageError> },
    /// An animated picture that would take too much memory.
    #[error("animation {} has {width}x{height} pixels, more than {:.1} megapixels", path.display(), *limit as f64 / 1e6)]
    Huge { path: PathBuf, width: u32, height: u32, limit: u64 },
    /// A video that can't be decoded.
    #[error("cannot play {}: {why}", path.display())]
    Video { path: PathBuf, why: String },
    /// Videos need `ffmpeg`.
    #[error("cannot play {}: ffmpeg is not installed", path.display())]
    NoFfmpeg { path: PathBuf },
    /// A folder that can't be read.
    #[error("cannot read the folder {}", path.display())]
    Folder { path: PathBuf, source: io::Error },
    /// No picture in it can be shown.
    #[error("the folder {} has no picture that can be shown", path.display())]
    NoPictures { path: PathBuf },
    /// The first frame did not come.
    #[error("no first picture came within {}", HumanDuration(*.waited))]
    Late { waited: Duration },
    /// The system gives no thread.
    #[error("cannot start a thread to play a background")]
    Thread(#[source] io::Error),
    /// A decoder panicked: a bug of ours or of a library.
    #[error("the decoder of this background has failed")]
    Broken,
}

impl BackgroundError {
    fn kind(&self) -> Kind {
        match self {
            Self::BadSpec { .. }
            | Self::BadColor { .. }
            | Self::ClearColor { .. }
            | Self::BadStrength { .. }
            | Self::BadSeconds { .. } => Kind::BadInput,
            Self::Picture(error) => error.kind(),
            Self::Neither { .. } | Self::Animation { .. } | Self::Video { .. } => Kind::BadInput,
            Self::NotFound { .. } | Self::NoPictures { .. } => Kind::NotFound,
            Self::Folder { source, .. } => FileError::kind_of(source),
            Self::Huge { .. } => Kind::Unsupported,
            Self::NoFfmpeg { .. } => Kind::Missing,
            Self::Late { .. } | Self::Thread(_) => Kind::Io,
            Self::Broken => Kind::Internal,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::BadSpec { near: Some(near), .. }
            | Self::BadColor { near: Some(near), .. }
            | Self::NotFound { near: Some(near), .. } => Some(format!("did you mean {near:?}?")),
            Self::BadSpec { text, near: None } if !text.is_empty() && !text.ends_with(':') => {
                Some(format!("a picture whose name is a plain word is written image:{text}"))
            }
            Self::Picture(ImageFileError::Read { name, source: FileError::NotRegular("a folder") }) => {
                Some(format!("`bgcam set-slideshow {name:?}` shows the pictures in it"))
            }
            Self::Picture(error) => error.hint(),
            Self::Huge { path, .. } => {
                Some(format!("make it a video: ffmpeg -i {path:?} -vf scale=1280:-2 smaller.mp4"))
            }
            Self::Video { path, .. } => Some(format!("try `ffmpeg -i {path:?}` to see what it is")),
            Self::NoPictures { .. } => Some("put PNG, JPEG or WebP files there".to_owned()),
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
