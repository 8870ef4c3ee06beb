//! Stage 3, background: the layer behind the person, fitted once and ready to blend.
//!
//! A [`BackgroundSpec`] is the request; [`Background::load`] turns it into a [`Background`], off the frame path.

mod animation;
mod error;
mod fit;
mod gif;
mod grade;
mod moving;
mod player;
mod slideshow;
mod spec;
pub mod still_image;
mod video;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

pub use error::BackgroundError;
pub use fit::Fit;
pub(crate) use fit::to_frame as fit_image;
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

/// The layer behind the person, ready to blend; cheap to clone.
#[derive(Debug, Clone)]
pub enum Background {
    /// None: the unmodified camera image.
    Off,
    /// A single colour.
    Colour(Yuv),
    /// An image of the frames' size.
    Image(Arc<Frame>),
    /// Successive images of the frames' size: a video, an animation or a slideshow.
    Moving(Arc<Player>),
    /// The blurred room.
    Blur {
        /// 1 (barely visible) to 100 (nothing recognizable).
        strength: u8,
    },
}

/// How a background is prepared.
#[derive(Debug, Clone)]
pub struct Options {
    /// The size of the frames.
    pub size: Size,
    /// The limits for image files.
    pub limits: Limits,
    /// The adjustments of images and videos.
    pub grade: Grade,
    /// The duration of a slideshow's crossfades.
    pub crossfade: Duration,
}

impl Options {
    /// For frames of `size`, with default limits, and without adjustments or crossfades.
    pub fn new(size: Size) -> Self {
        Self { size, limits: Limits::default(), grade: Grade::default(), crossfade: Duration::ZERO }
    }

    /// For frames of `size`, adjusted as set in `look`.
    pub fn for_look(look: &Look, size: Size, limits: Limits) -> Self {
        Self { limits, grade: Grade::of(look), ..Self::new(size) }
    }
}

/// Whether `bytes` start an animated image.
pub fn is_animated(bytes: &[u8]) -> bool {
    animation::recognize(bytes).is_some()
}

impl Background {
    /// Loads `spec`: reads and decodes files, which may take a second. When it returns, the first frame of a moving
    /// background is decoded.
    ///
    /// # Errors
    /// If a file cannot be read, is too large or cannot be shown; colours and blur cannot fail.
    pub fn load(spec: &BackgroundSpec, options: &Options) -> Result<Self, BackgroundError> {
        Ok(match spec {
            BackgroundSpec::Off => Self::Off,
            BackgroundSpec::Colour(colour) => Self::Colour(Yuv::from_rgb(colour.r, colour.g, colour.b)),
            BackgroundSpec::Image { path, fit } | BackgroundSpec::Video { path, fit } => {
                moving::load(path, *fit, options)?
            }
            BackgroundSpec::Slideshow(slides) => moving::slideshow(slides, options)?,
            BackgroundSpec::Blur { strength } => Self::Blur { strength: (*strength).clamp(1, 100) },
        })
    }

    /// A still image that is decoded already, fitted and adjusted.
    pub fn still(image: RgbImage, fit: Fit, options: &Options) -> Self {
        Self::Image(Arc::new(moving::still(image, fit, options)))
    }

    /// Advances a moving background to its frame at `now`. Call it once before each frame that is shown, and only then:
    /// nothing is decoded ahead for frames that are not shown. Never waits.
    pub fn play(&self, now: Instant) {
        if let Self::Moving(player) = self {
            player.play(now);
        }
    }

    /// Advances a moving background to `position` from its start, and waits for that frame; for files.
    pub fn seek(&self, position: Duration) {
        if let Self::Moving(player) = self {
            player.seek(position);
        }
    }
}
