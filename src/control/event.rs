//! What happened in the daemon, for programs that react to it.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::{background::BackgroundSpec, error::Failure};

/// Something that happened, and when.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
    /// When it was noticed, in seconds since 1970 (Unix time).
    pub time: f64,
}

impl Event {
    /// An event of now.
    pub fn new(kind: EventKind) -> Self {
        let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { kind, time: time.as_millis() as f64 / 1000.0 }
    }
}

/// What happened; the field `event` has its name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum EventKind {
    /// The whole state: the first event, and one after events that a slow reader has missed.
    State(State),
    /// Another background.
    Background {
        /// The background.
        background: BackgroundSpec,
        /// Its display name.
        label: String,
    },
    /// Other people can see the user's room.
    RoomVisible {
        /// The reason, for users.
        reason: Option<String>,
    },
    /// Other people can no longer see the room.
    RoomHidden,
    /// Other people see a card instead of the video.
    Paused {
        /// The message on that card.
        message: Option<String>,
    },
    /// Other people see a still of the last frame.
    Frozen,
    /// Other people see the video again.
    Resumed,
    /// The camera delivers frames.
    CameraOpened {
        /// Its name.
        camera: String,
    },
    /// The camera delivers frames again, after [`EventKind::CameraLost`].
    CameraReturned {
        /// Its name.
        camera: String,
    },
    /// The camera was closed: no app is watching, or the video is paused.
    CameraClosed,
    /// The camera cannot be opened, or has failed.
    CameraLost {
        /// Why.
        error: Failure,
    },
    /// An app has opened the virtual camera.
    AppConnected(App),
    /// An app has closed the virtual camera.
    AppDisconnected(App),
    /// The generation of an image has started.
    GenerationStarted {
        /// The prompt.
        prompt: String,
        /// The image provider.
        provider: String,
    },
    /// The images were generated, or found in the gallery.
    GenerationFinished {
        /// The prompt.
        prompt: String,
    },
    /// The generation failed or was cancelled; the background is unchanged.
    GenerationFailed {
        /// The prompt.
        prompt: String,
        /// Why.
        error: Failure,
    },
    /// Something does not work.
    Error {
        /// What: `model`, `choice`, or the name of an output.
        what: String,
        /// Why.
        error: Failure,
    },
    /// Something works again, after [`EventKind::Error`].
    Recovered {
        /// What.
        what: String,
    },
    /// The daemon stops; the last event.
    Stopped,
}

/// An app that reads the virtual camera.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct App {
    /// Its name, such as `zoom`.
    pub app: String,
    /// Its process id; PipeWire does not report it.
    pub pid: Option<u32>,
}

/// The whole state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Version of the daemon.
    pub version: String,
    /// When the daemon started, in seconds since 1970 (Unix time).
    pub started: f64,
    /// The background.
    pub background: BackgroundSpec,
    /// Its display name.
    pub label: String,
    /// Whether other people can see the user's room.
    pub room_visible: bool,
    /// Why; while paused, why they will after resuming.
    pub room_reason: Option<String>,
    /// Whether a card or a still is shown instead of the video.
    pub paused: bool,
    /// Whether it is a still.
    pub frozen: bool,
    /// Name of the open camera.
    pub camera: Option<String>,
    /// Why no camera is open.
    pub camera_error: Option<Failure>,
    /// Apps that have the virtual camera open.
    pub apps: Vec<App>,
    /// The prompt of the image that is being generated.
    pub generating: Option<String>,
}
