//! What an icon or a button shows of the daemon: its state in one word, and what can be switched.

use serde::{Deserialize, Serialize};

use crate::{background::BackgroundSpec, error::Failure, prompt::FinishedPrompt};

/// The state in one word, the most urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Other people see the room.
    Room,
    /// Other people see the card, or a still.
    Paused,
    /// Something does not work.
    Error,
    /// An app is watching.
    Live,
    /// No app is watching.
    Idle,
}

impl State {
    /// The most urgent of these states; `on` is whether an app is watching.
    pub fn new(paused: bool, room_visible: bool, failed: bool, on: bool) -> Self {
        match () {
            () if room_visible => Self::Room,
            () if paused => Self::Paused,
            () if failed => Self::Error,
            () if on => Self::Live,
            () => Self::Idle,
        }
    }

    /// Its name, as in the protocol.
    pub fn name(self) -> &'static str {
        match self {
            Self::Paused => "paused",
            Self::Room => "room",
            Self::Error => "error",
            Self::Live => "live",
            Self::Idle => "idle",
        }
    }
}

/// The part of the status that changes only when something happens: no rates, no times.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Overview {
    /// The most urgent state.
    pub state: State,
    /// Display name of the background, with a warning if the room is visible.
    pub label: String,
    /// The requested background.
    pub background: BackgroundSpec,
    /// Whether a card is shown instead of the camera.
    pub paused: bool,
    /// Whether the camera image is mirrored.
    pub mirror: bool,
    /// Why other people can see the room or, while paused, will after resuming; for users.
    pub room_reason: Option<String>,
    /// Why no camera is open.
    pub camera_error: Option<Failure>,
    /// Why something else does not work.
    pub other_error: Option<Failure>,
    /// The prompt whose image is being generated.
    pub generating: Option<String>,
    /// The prompt that ended last, unless it was cancelled.
    pub last_prompt: Option<FinishedPrompt>,
    /// The last backgrounds, newest first, at most eight; those that show the room are left out.
    pub recent: Vec<BackgroundSpec>,
    /// The user's presets, in the order in which they were first saved.
    pub presets: Vec<PresetEntry>,
}

/// A preset in a menu.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PresetEntry {
    /// Its name.
    pub name: String,
    /// Whether other people can see the room with it.
    pub shows_room: bool,
}

/// One of the last backgrounds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecentBackground {
    /// The background.
    pub spec: BackgroundSpec,
    /// Display name.
    pub label: String,
    /// A PNG of 32x32 pixels as Base64: the centre of an image, or a symbol.
    pub thumbnail: Option<String>,
}

#[cfg(test)]
impl Overview {
    /// Of an idle daemon.
    pub(crate) fn fake() -> Self {
        Self {
            state: State::Idle,
            label: "beach.jpg".to_owned(),
            background: BackgroundSpec::Image { path: "/pictures/beach.jpg".into(), fit: Default::default() },
            paused: false,
            mirror: false,
            room_reason: None,
            camera_error: None,
            other_error: None,
            generating: None,
            last_prompt: None,
            recent: Vec::new(),
            presets: Vec::new(),
        }
    }
}
