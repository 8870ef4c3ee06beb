//! Station 3: what stands behind the person, fitted once, ready to blend.
//!
//! A [`BackgroundSpec`] is what the user asked for; [`Background::load`] makes it a [`Background`], away from the threads
//! that carry frames.

mod animation;
mod error;
mod fit;
mod gif;
mod grade;
mod moving;
pub mod picture;
mod player;
mod slideshow;
mod spec;
mod video;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

pub use error::BackgroundError;
pub use fit::Fit;
pub use grade::Grade;
use image::RgbImage;
pub use player::Player;
pub(crate) use player::THREAD_NAME as PLAYER_THREAD;
pub use spec::{BackgroundSpec, DEFAULT_BLUR, Rgb, Slides, parse_seconds};

pub use crate::media::image_file::Limits;
use crate::{
    frame::{Frame, Size, Yuv},
    look::Look,
};

/// What stands behind the person, ready to blend; cheap to clone.
#[derive(Debug, Clone)]
pub enum Background {
    /// The plain camera.
    Off,
    /// One colour.
    Color(Yuv),
    /// A picture of the size of the frames.
    Picture(Arc<Frame>),
    /// Pictures of the size of the frames, one after another: a video, an animated picture, a folder of pictures.
    Moving(Arc<Player>),
    /// The room itself, blurred.
    Blur {
        /// 1 (barely) to 100 (nothing to be made out).
        strength: u8,
    },
}

/// How a background is made ready.
#[derive(Debug, Clone)]
pub struct Options {
    /// The size of the frames that it is for.
    pub size: Size,
    /// What a picture may cost.
    pub limits: Limits,
    /// What is done to pictures and videos.
    pub grade: Grade,
    /// How long the pictures of a slideshow take to come in.
    pub crossfade: Duration,
}

impl Options {
    /// For frames of `size`, with the usual limits, untreated and without fades.
    pub fn new(size: Size) -> Self {
        Self { size, limits: Limits::default(), grade: Grade::default(), crossfade: Duration::ZERO }
    }

    /// For frames of `size`, treated as `look` wants it.
    pub fn for_look(look: &Look, size: Size, limits: Limits) -> Self {
        Self { limits, grade: Grade::of(look), ..Self::new(size) }
    }
}

/// Whether `bytes` start an animated image.
pub fn is_animated(bytes: &[u8]) -> bool {
    animation::recognise(bytes).is_some()
}

impl Background {
    /// Makes `spec` ready. Reads and decodes files, so it may take a second; of what moves the first frame is there then.
    ///
    /// # Errors
    /// When a file can't be read, is too large or can't be shown; colours and blur can't fail.
    pub fn load(spec: &BackgroundSpec, options: &Options) -> Result<Self, BackgroundError> {
        Ok(match spec {
            BackgroundSpec::Off => Self::Off,
            BackgroundSpec::Color(colour) => Self::Color(Yuv::from_rgb(colour.r, colour.g, colour.b)),
            BackgroundSpec::Picture { path, fit } | BackgroundSpec::Video { path, fit } => {
                moving::load(path, *fit, options)?
            }
            BackgroundSpec::Slideshow(slides) => moving::slideshow(slides, options)?,
            BackgroundSpec::Blur { strength } => Self::Blur { strength: (*strength).clamp(1, 100) },
        })
    }

    /// A still image that is decoded already, fitted and adjusted.
    pub fn still(image: RgbImage, fit: Fit, options: &Options) -> Self {
        Self::Picture(Arc::new(moving::still(image, fit, options)))
    }

    /// Goes on to the picture of `now`, where it moves: to be called before each frame that is shown, and only then, since
    /// nothing is decoded ahead for frames that nobody takes. Never waits.
    pub fn play(&self, now: Instant) {
        if let Self::Moving(player) = self {
            player.play(now);
        }
    }

    /// Goes on to the picture of this time from the start, where it moves, and waits for it: for files.
    pub fn seek(&self, position: Duration) {
        if let Self::Moving(player) = self {
            player.seek(position);
        }
    }
}
