//! What can go wrong with a background, and the way out of it.

use crate::{
    error::{Failure, Kind, chain},
    picture::PictureError,
};

/// What can go wrong with a background.
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
    /// Something is wrong with the picture.
    #[error(transparent)]
    Picture(#[from] PictureError),
}

impl BackgroundError {
    fn kind(&self) -> Kind {
        match self {
            Self::BadSpec { .. } | Self::BadColor { .. } | Self::ClearColor { .. } | Self::BadStrength { .. } => {
                Kind::BadInput
            }
            Self::Picture(error) => error.kind(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::BadSpec { near: Some(near), .. } | Self::BadColor { near: Some(near), .. } => {
                Some(format!("did you mean {near:?}?"))
            }
            Self::BadSpec { text, near: None } if !text.is_empty() && text != "image:" => {
                Some(format!("a picture whose name is a plain word is written image:{text}"))
            }
            Self::Picture(error) => error.hint(),
            _ => None,
        }
    }
}

impl From<&BackgroundError> for Failure {
    fn from(error: &BackgroundError) -> Self {
        Self { kind: error.kind(), message: chain(error), hint: error.hint() }
    }
}
