//! What others are to see.

use std::time::Duration;

use super::Overlay;
use crate::{
    background::{Background, BackgroundSpec},
    look::Look,
};

/// What others are to see; immutable once published, so that a frame is made of one scene or another, never of both.
#[derive(Debug, Clone)]
pub struct Scene {
    /// Counts up with every change.
    pub version: u64,
    /// What people call it, such as a picture's file name or "blur 40".
    pub label: String,
    /// What was asked for.
    pub spec: BackgroundSpec,
    /// The background that could not be loaded, where this one takes its place.
    pub instead_of: Option<String>,
    /// The same as `spec`, ready to blend.
    pub background: Background,
    /// How the person and their edge are shown.
    pub look: Look,
    /// What lies over everything.
    pub overlay: Option<Overlay>,
    /// Whether the camera's picture is mirrored; a background picture never is.
    pub mirror: bool,
    /// Whether a card is shown instead of the camera.
    pub paused: bool,
    /// How long it takes to come in over the scene before; zero cuts.
    pub fade: Duration,
}

impl Scene {
    /// Whether the room must not be seen as it is; [`Scene::room_visible`] says whether others can see it all the same.
    pub fn hides_room(&self) -> bool {
        !matches!(self.background, Background::Off)
    }

    /// Whether the person has to be found for it.
    pub fn needs_mask(&self) -> bool {
        !self.paused && (self.hides_room() || self.look.auto_frame || self.look.low_light > 0)
    }

    /// The plain camera, the scene before anything was asked for.
    pub fn off() -> Self {
        Self {
            version: 0,
            label: BackgroundSpec::Off.to_string(),
            spec: BackgroundSpec::Off,
            instead_of: None,
            background: Background::Off,
            look: Look::plain(),
            overlay: None,
            mirror: false,
            paused: false,
            fade: Duration::ZERO,
        }
    }
}
