//! Station 3: what stands behind the person, fitted once, ready to blend.
//!
//! A [`BackgroundSpec`] is what the user asked for; [`Background::load`] makes it a [`Background`], away from the threads
//! that carry frames.

mod error;
mod fit;
pub mod picture;
mod spec;

use std::sync::Arc;

pub use error::BackgroundError;
pub use fit::Fit;
pub use spec::{BackgroundSpec, DEFAULT_BLUR, Rgb};

use crate::frame::{Frame, Size, Yuv};
pub use crate::picture::Limits;

/// What stands behind the person, ready to blend; cheap to clone.
#[derive(Debug, Clone)]
pub enum Background {
    /// The plain camera.
    Off,
    /// One colour.
    Color(Yuv),
    /// A picture of the size of the frames.
    Picture(Arc<Frame>),
    /// The room itself, blurred.
    Blur {
        /// 1 (barely) to 100 (nothing to be made out).
        strength: u8,
    },
}

impl Background {
    /// Makes `spec` ready for frames of `size`. Reads and decodes files, so it may take a second.
    ///
    /// # Errors
    /// When a picture can't be read, is too large or is no picture; colours and blur can't fail.
    pub fn load(spec: &BackgroundSpec, size: Size, limits: &Limits) -> Result<Self, BackgroundError> {
        Ok(match spec {
            BackgroundSpec::Off => Self::Off,
            BackgroundSpec::Color(colour) => Self::Color(Yuv::from_rgb(colour.r, colour.g, colour.b)),
            BackgroundSpec::Picture { path, fit } => Self::Picture(Arc::new(picture::load(path, *fit, size, limits)?)),
            BackgroundSpec::Blur { strength } => Self::Blur { strength: (*strength).clamp(1, 100) },
        })
    }
}
