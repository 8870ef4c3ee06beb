//! What others are to see.

use std::time::Duration;

use crate::background::{Background, BackgroundSpec};

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
    /// Whether the camera's picture is mirrored; a background picture never is.
    pub mirror: bool,
    /// Whether a card is shown instead of the camera.
    pub paused: bool,
    /// How long it takes to come in over the scene before; zero cuts.
    pub fade: Duration,
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
            mirror: false,
            paused: false,
            fade: Duration::ZERO,
        }
    }
}
