//! What others are to see.

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
    /// The same, ready to blend.
    pub background: Background,
    /// How the person and their edge are shown.
    pub look: Look,
    /// Whether the camera's picture is mirrored; a background picture never is.
    pub mirror: bool,
    /// Whether a card is shown instead of the camera.
    pub paused: bool,
}

impl Scene {
    /// Whether the person has to be found for it.
    pub fn needs_mask(&self) -> bool {
        !self.paused && !matches!(self.background, Background::Off)
    }

    /// The plain camera, the scene before anything was asked for.
    pub fn off() -> Self {
        Self {
            version: 0,
            label: BackgroundSpec::Off.to_string(),
            spec: BackgroundSpec::Off,
            background: Background::Off,
            look: Look::plain(),
            mirror: false,
            paused: false,
        }
    }
}
