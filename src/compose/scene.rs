//! A scene: everything that determines how a frame is composed.

use std::time::Duration;

use super::{Overlay, RoomVisible};
use crate::{
    background::{Background, BackgroundSpec},
    look::Look,
};

/// The specification of the output; immutable once published, so that no frame mixes two scenes.
#[derive(Debug, Clone)]
pub struct Scene {
    /// Increases with every change.
    pub version: u64,
    /// The display name, such as a file name or "blur 40".
    pub label: String,
    /// The requested background.
    pub spec: BackgroundSpec,
    /// The background that could not be loaded and is replaced by this one.
    pub replaces: Option<String>,
    /// `spec`, ready to blend.
    pub background: Background,
    /// How the person and their edge are shown.
    pub look: Look,
    /// The image over everything.
    pub overlay: Option<Overlay>,
    /// Whether the camera image is mirrored; a background image never is.
    pub mirror: bool,
    /// Whether a card is shown instead of the camera.
    pub paused: bool,
    /// The line on that card.
    pub pause_message: Option<String>,
    /// While paused, a still of the last output frame instead of that card.
    pub frozen: Option<Freeze>,
    /// The duration of the fade from the previous scene; zero switches immediately.
    pub fade: Duration,
}

/// A still of the output, shown while paused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Freeze {
    /// Why the room may be visible in it. `None` allows only a frame without the room.
    pub room: Option<RoomVisible>,
}

impl Scene {
    /// Whether the room must not be shown unprocessed; [`Scene::room_visible`] reports whether it is visible anyway.
    pub fn hides_room(&self) -> bool {
        !matches!(self.background, Background::Off)
    }

    /// Whether it requires a mask.
    pub fn needs_mask(&self) -> bool {
        !self.paused && (self.hides_room() || self.look.auto_frame || self.look.low_light > 0)
    }

    /// The unmodified camera image: the scene before any request.
    pub fn off() -> Self {
        Self {
            version: 0,
            label: BackgroundSpec::Off.to_string(),
            spec: BackgroundSpec::Off,
            replaces: None,
            background: Background::Off,
            look: Look::neutral(),
            overlay: None,
            mirror: false,
            paused: false,
            pause_message: None,
            frozen: None,
            fade: Duration::ZERO,
        }
    }
}
