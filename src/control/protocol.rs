//! The messages on the control socket: one JSON object per line.
//!
//! A client sends a [`Request`] and receives a [`Reply`]; after [`Request::Watch`] it receives one every second until
//! it disconnects, after [`Request::WatchEvents`] one for every event, and after [`Request::Follow`] one for every change of
//! the overview. A connection carries any number of requests, one after another. Lines have at most [`MAX_LINE`]
//! bytes.
//!
//! ```json
//! {"set-background":{"spec":{"color":"#20a040"}}}
//! {"ok":{"done":"background: #20a040"}}
//! ```

use serde::{Deserialize, Serialize};

use super::{
    event::Event,
    overview::{Overview, RecentBackground, State},
};
use crate::{
    background::{BackgroundSpec, Fit},
    camera::SourceInfo,
    error::Failure,
    gallery::Entry,
    look::{Changes, Look},
    mask::{Processor, Quality},
    prompt::{Cost, FinishedPrompt, JobStatus, MonthlyCost, PromptRequest},
    sink::{OutputStatus, Reader},
    stats::{Rates, StatsSnapshot},
};

/// Maximum length of a line, in bytes; a longer line closes the connection.
pub const MAX_LINE: usize = 64 << 10;

/// Maximum length of a message on the card, in characters; more do not fit.
pub const MAX_MESSAGE: usize = 60;

/// A request of a client.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// Returns [`Response::Status`].
    Status,
    /// Returns [`Response::Status`] now and every second until the client disconnects.
    Watch,
    /// Returns [`Response::Event`] with the whole state, then for everything that happens, until the client disconnects
    /// or the daemon stops.
    WatchEvents,
    /// Returns [`Response::Overview`] now and after every change until the client disconnects or sends anything.
    Follow,
    /// Returns [`Response::Recent`].
    Recent,
    /// Changes the background. Returns once it is shown; if it cannot be loaded, the old one stays.
    SetBackground {
        /// The background; paths are absolute.
        spec: BackgroundSpec,
        /// How an image is fitted; by default as configured.
        #[serde(default)]
        fit: Option<Fit>,
    },
    /// Generates a background from a prompt. Returns [`Response::Progress`] while it is generated and
    /// [`Response::Images`] once it is shown; until then, and if it fails, the old background stays. A background
    /// chosen in the meantime wins: the image is then only saved in the gallery, which [`Response::Warning`] reports.
    SetPrompt(Box<PromptRequest>),
    /// Returns [`Response::Cost`]: the price of a request, without generating anything.
    PromptCost(Box<PromptRequest>),
    /// Cancels the generation in progress.
    CancelPrompt,
    /// Shows the image that the current background was edited from.
    UndoEdit,
    /// Shows the edit of the current background that was shown last.
    RedoEdit,
    /// Shows a placeholder card instead of the camera.
    Pause,
    /// Pauses with a message on the card.
    PauseWithMessage {
        /// One line of at most [`MAX_MESSAGE`] characters.
        message: String,
    },
    /// Pauses with a still of the last output frame instead of the card; with the card if there is no frame.
    Freeze,
    /// Ends a pause.
    Resume,
    /// Turns pause, mirror or blur on if it is off, and off if it is on.
    Toggle {
        /// What to turn on or off.
        switch: Switch,
    },
    /// Changes to one of the last backgrounds that hide the room.
    ShowRecent {
        /// Which one.
        direction: Direction,
    },
    /// Mirrors the camera image.
    Mirror {
        /// Whether it is mirrored.
        on: bool,
    },
    /// Changes settings of [`SETTINGS`](crate::look::SETTINGS): all of them or, if one is invalid, none.
    SetLook {
        /// Values by name.
        change: Changes,
    },
    /// Resets the look to the configured values.
    ResetLook {
        /// Names of the settings to reset; empty for all.
        #[serde(default)]
        names: Vec<String>,
    },
    /// Sets the edge quality.
    SetQuality {
        /// `null` for the configured quality.
        quality: Option<Quality>,
    },
    /// Switches to another camera; if it delivers no frame, the old one stays.
    SetCamera {
        /// Same syntax as `camera.device` in the settings; `null` for the configured camera.
        camera: Option<String>,
    },
    /// Saves background, look, camera and quality under a name; replaces a preset with this name.
    SavePreset {
        /// One line of at most 40 characters; case is ignored when names are compared.
        name: String,
    },
    /// Restores a preset; if anything in it cannot be loaded, nothing changes.
    UsePreset {
        /// Its name, or the start of its name if no other starts like that.
        name: String,
    },
    /// Removes a preset.
    RemovePreset {
        /// As for [`Request::UsePreset`].
        name: String,
    },
    /// Returns [`Response::Presets`].
    ListPresets,
    /// Returns [`Response::Page`]: an address that opens the control page once, within two minutes.
    OpenPage,
    /// Reloads the settings files; if any setting is invalid, nothing changes.
    Reload,
    /// Stops the daemon.
    Stop,
}

/// What [`Request::Toggle`] turns on or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Switch {
    /// The "Camera paused" card instead of your video
    Pause,
    /// Your video mirrored
    Mirror,
    /// The blurred room instead of your background
    Blur,
}

/// A direction in the list of recent backgrounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// The background before the current one; before the oldest, the newest.
    Previous,
    /// The background after the current one; after the newest, the oldest.
    Next,
}

/// The reply to a request: `{"ok": ...}` or `{"error": ...}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// The request succeeded.
    Ok(Response),
    /// The request failed and changed nothing.
    Error(Failure),
}

impl From<Result<Response, Failure>> for Reply {
    fn from(result: Result<Response, Failure>) -> Self {
        match result {
            Ok(response) => Self::Ok(response),
            Err(failure) => Self::Error(failure),
        }
    }
}

/// The result of a successful request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Response {
    /// A message for the user.
    Done(String),
    /// The request succeeded only partly: the change could not be saved, or another background was chosen in the
    /// meantime.
    Warning(String),
    /// The status of the daemon.
    Status(Box<Status>),
    /// What an icon shows.
    Overview(Box<Overview>),
    /// The last backgrounds, newest first, at most eight; those that show the room are left out.
    Recent(Vec<RecentBackground>),
    /// The progress of a generation; another response follows.
    Progress(JobStatus),
    /// The images that were generated or found in the gallery; the first one is shown.
    Images(Vec<Entry>),
    /// The price of a request for images.
    Cost(Box<Cost>),
    /// An address that opens the control page once.
    Page(String),
    /// Something that happened.
    Event(Box<Event>),
    /// All presets, in the order in which they were first saved.
    Presets(Vec<PresetInfo>),
}

/// A preset in the list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PresetInfo {
    /// Its name.
    pub name: String,
    /// Display name of its background.
    pub background: String,
    /// Whether background, look, camera and quality are those of the preset now.
    pub current: bool,
    /// Why other people can see the user's room with this preset, if they can.
    #[serde(default)]
    pub room_reason: Option<String>,
}

/// The status of the daemon.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Version of the daemon.
    pub version: String,
    /// Process id of the daemon.
    pub pid: u32,
    /// Seconds since the daemon started.
    pub uptime_s: f64,
    /// Resident memory in MiB.
    pub rss_mib: f64,
    /// CPU time over the last second, in percent of one core.
    pub cpu_percent: f64,
    /// Address of the control page; opening it takes the one-time address of `bgcam preview`.
    pub page: Option<String>,
    /// Why the user's choice cannot be saved, or could not be loaded at startup.
    #[serde(default)]
    pub choice_error: Option<Failure>,
    /// What is shown.
    pub scene: SceneStatus,
    /// The camera.
    pub camera: CameraStatus,
    /// The segmentation model.
    pub mask: MaskStatus,
    /// The image generation in progress.
    pub prompt: Option<JobStatus>,
    /// The latest image generation, once it has ended.
    #[serde(default)]
    pub last_prompt: Option<FinishedPrompt>,
    /// Name of the configured image provider.
    pub provider: String,
    /// What generated images have cost this month.
    #[serde(default)]
    pub costs: MonthlyCost,
    /// Names (not values) of the API key variables in the daemon's environment.
    #[serde(default)]
    pub key_variables: Vec<String>,
    /// Frame rates over the last second.
    pub rates: Rates,
    /// Frames not segmented because the model was busy.
    pub dropped_for_mask: u64,
    /// Frames not rendered because a newer one arrived.
    pub dropped_for_render: u64,
    /// Counters and timings since the start.
    pub counters: StatsSnapshot,
    /// The outputs.
    pub outputs: Vec<OutputStatus>,
    /// Apps that have a virtual camera open.
    pub readers: Vec<Reader>,
}

impl Status {
    /// The most urgent state.
    pub fn state(&self) -> State {
        let scene = &self.scene;
        State::new(scene.paused, scene.room_visible, self.failure().is_some(), self.camera.on)
    }

    /// What does not work, if anything.
    pub fn failure(&self) -> Option<&Failure> {
        let outputs = self.outputs.iter().find_map(|output| output.failure.as_ref());
        self.camera.error.as_ref().or(self.mask.error.as_ref()).or(outputs).or(self.choice_error.as_ref())
    }
}

/// The published scene.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SceneStatus {
    /// Incremented by every change.
    pub version: u64,
    /// Display name of the background, with a warning if `room_visible`.
    pub label: String,
    /// Whether other people can see the user's room: no background, a translucent or barely blurred one, or a blur that
    /// replaces a background that failed to load.
    #[serde(default)]
    pub room_visible: bool,
    /// The reason, for users; while paused, the reason why the room will be visible after resuming.
    #[serde(default)]
    pub room_reason: Option<String>,
    /// The requested background.
    pub background: BackgroundSpec,
    /// The look.
    pub look: Look,
    /// Whether the camera image is mirrored.
    pub mirror: bool,
    /// Whether a placeholder card is shown instead of the camera.
    pub paused: bool,
    /// The message on that card.
    #[serde(default)]
    pub pause_message: Option<String>,
    /// Whether a still of the last output frame is shown instead of that card.
    #[serde(default)]
    pub frozen: bool,
}

/// The state of the camera.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CameraStatus {
    /// The configured or chosen camera.
    pub wanted: String,
    /// Whether the camera should be open.
    pub on: bool,
    /// The reason, for users: the apps using it, or why there is none.
    pub reason: String,
    /// The open camera.
    pub source: Option<SourceInfo>,
    /// Why no camera is open.
    pub error: Option<Failure>,
}

/// The state of the segmentation model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MaskStatus {
    /// The configured model.
    pub wanted: String,
    /// The loaded model.
    pub model: Option<String>,
    /// The configured or chosen quality.
    pub wanted_quality: Quality,
    /// The current quality; with `auto`, the level in use.
    pub quality: Option<Quality>,
    /// The device that runs the model.
    pub processor: Option<Processor>,
    /// Why it is not the configured device.
    pub processor_error: Option<Failure>,
    /// Number of steps, 0 to 3, by which the masks are degraded because the CPU is busy.
    pub degraded: u8,
    /// Whether only the fast model is used, because the two models disagree about most of the frame.
    #[serde(default)]
    pub models_disagree: bool,
    /// Whether another person is visible besides the one in front.
    #[serde(default)]
    pub others_visible: bool,
    /// Why the quality is lower than requested.
    pub quality_error: Option<Failure>,
    /// Why no model is loaded.
    pub error: Option<Failure>,
}

impl MaskStatus {
    /// The current quality for users, such as `auto (high)`.
    pub fn quality_now(&self) -> String {
        let quality = self.quality.unwrap_or(self.wanted_quality);
        match (self.wanted_quality, quality) {
            (Quality::Auto, Quality::Balanced | Quality::High) if self.degraded > 0 => "auto (reduced)".to_owned(),
            (Quality::Auto, Quality::Balanced | Quality::High) => format!("auto ({quality})"),
            _ => quality.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_parse_as_documented() {
        let beach = PromptRequest { text: "beach".to_owned(), count: 1, ..PromptRequest::default() };
        let colour = Request::SetBackground { spec: "#20a040".parse().unwrap(), fit: None };
        for (line, request) in [
            (r#"{"mirror":{"on":true}}"#, Request::Mirror { on: true }),
            (r#""stop""#, Request::Stop),
            (r#""follow""#, Request::Follow),
            (r#""recent""#, Request::Recent),
            (r#"{"toggle":{"switch":"blur"}}"#, Request::Toggle { switch: Switch::Blur }),
            (r#"{"show-recent":{"direction":"previous"}}"#, Request::ShowRecent { direction: Direction::Previous }),
            (r#"{"use-preset":{"name":"Work"}}"#, Request::UsePreset { name: "Work".to_owned() }),
            (r#""list-presets""#, Request::ListPresets),
            (r#"{"set-prompt":{"text":"beach"}}"#, Request::SetPrompt(Box::new(beach))),
            (r##"{"set-background":{"spec":{"color":"#20a040"}}}"##, colour),
        ] {
            assert_eq!(serde_json::from_str::<Request>(line).unwrap(), request);
        }
        for bad in [r#"{"mirror":{}}"#, r#""explode""#, r#"{"mirror":{"on":true,"off":1}}"#, r#"{"stop":1}"#, "[]", "7"]
        {
            assert!(serde_json::from_str::<Request>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn reply_keeps_its_hint() {
        let reply = Reply::Error(Failure::new(crate::error::Kind::Busy, "camera busy").hint("close the other app"));
        let line = serde_json::to_string(&reply).unwrap();
        assert_eq!(line, r#"{"error":{"kind":"busy","message":"camera busy","hint":"close the other app"}}"#);
        assert_eq!(serde_json::from_str::<Reply>(&line).unwrap(), reply);
    }

    #[test]
    fn current_level_of_auto_is_shown() {
        use Quality::{Auto, Balanced, Eco, High};
        for (wanted, quality, degraded, expected) in [
            (Auto, Some(Balanced), 0, "auto (balanced)"),
            (Auto, Some(High), 0, "auto (high)"),
            (Auto, Some(Balanced), 2, "auto (reduced)"),
            (Auto, Some(Eco), 0, "eco"),
            (Auto, None, 0, "auto"),
            (High, Some(High), 1, "high"),
        ] {
            let status = crate::system::fake::status().mask;
            let status = MaskStatus { wanted_quality: wanted, quality, degraded, ..status };
            assert_eq!(status.quality_now(), expected);
        }
    }
}
