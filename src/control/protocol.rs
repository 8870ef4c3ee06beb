//! What is said on the socket: one JSON line each way.
//!
//! A client sends a [`Request`] and gets a [`Reply`]; after [`Request::Watch`] it gets a reply each second until it
//! hangs up. A connection may carry many requests, one after another. Lines are at most [`MAX_LINE`] bytes.
//!
//! ```json
//! {"set-background":{"spec":{"color":"#20a040"}}}
//! {"ok":{"done":"background: #20a040"}}
//! ```

use serde::{Deserialize, Serialize};

use crate::{
    background::{BackgroundSpec, Fit},
    camera::SourceInfo,
    error::Failure,
    gallery::Entry,
    look::{Changes, Look},
    mask::{Processor, Quality},
    prompt::job::JobStatus,
    sink::{OutputStatus, Reader},
    stats::{Rates, Snapshot},
};

/// The longest line, in bytes; a longer one ends the connection.
pub const MAX_LINE: usize = 64 << 10;

/// What a client may ask for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// How everything is: answered with [`Response::Status`].
    Status,
    /// The status now and then each second, until the client hangs up.
    Watch,
    /// Puts something else behind the person. Answered when it is shown; the old background stays when that fails.
    SetBackground {
        /// What; picture paths are absolute.
        spec: BackgroundSpec,
        /// How a picture is fitted; the settings say it when nobody does.
        #[serde(default)]
        fit: Option<Fit>,
    },
    /// Makes a picture of words and puts it behind the person. Answered with [`Response::Progress`] while it is made
    /// and [`Response::Pictures`] when it is shown; the old background stays until then, and when it fails. A background
    /// that is chosen later wins: a picture that comes after it is kept in the gallery, and [`Response::Done`] says so.
    SetPrompt {
        /// What for.
        wish: Box<PromptWish>,
    },
    /// Cancels the picture that is being made.
    CancelPrompt,
    /// Shows a still card in place of the camera.
    Pause,
    /// Shows the camera again.
    Resume,
    /// Flips the camera's picture left to right.
    Mirror {
        /// Whether it is flipped.
        on: bool,
    },
    /// Turns some of what [`KNOBS`](crate::look::KNOBS) lists. All of it is done or, when one is wrong, nothing.
    SetLook {
        /// Values by name.
        change: Changes,
    },
    /// Turns the look back to what the settings say.
    ResetLook {
        /// These names only; all without any.
        #[serde(default)]
        names: Vec<String>,
    },
    /// Sets what the matte may cost, until it is set anew.
    SetQuality {
        /// `null` for what the settings say.
        quality: Option<Quality>,
    },
    /// Changes to another camera, until it is changed anew; the old one stays when that gives no frame.
    SetCamera {
        /// As `camera.device` in the settings; `null` for what stands there.
        camera: Option<String>,
    },
    /// Gives an address of the control page that opens it once, within two minutes: answered with [`Response::Page`].
    OpenPage,
    /// Reads the settings again; when anything of the new ones is bad, nothing changes.
    Reload,
    /// Ends the daemon in good order.
    Stop,
}

/// What comes back: one line, `{"ok": ...}` or `{"error": ...}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// It was done.
    Ok(Response),
    /// It was not, and nothing has changed.
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

/// A good answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Response {
    /// What was done, for people; also when it was done and could not be saved.
    Done(String),
    /// How everything is.
    Status(Box<Status>),
    /// How far the picture is; another answer follows.
    Progress(JobStatus),
    /// The pictures that were made, or found again; the first is shown.
    Pictures(Vec<Entry>),
    /// Where the control page can be opened once.
    Page(String),
}

/// Which picture is wanted; what is left out is as the settings say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PromptWish {
    /// What the user typed.
    pub words: String,
    /// The provider's name.
    pub provider: Option<String>,
    /// The provider's model id.
    pub model: Option<String>,
    /// The seed.
    pub seed: Option<u64>,
    /// A new picture, even when the gallery has one for the same words.
    pub again: bool,
    /// Width and height to ask for; the camera's without.
    pub size: Option<(u32, u32)>,
    /// One of the known styles.
    pub style: Option<String>,
    /// What the picture should not have.
    pub negative: Option<String>,
    /// The words go out as they are, without the template.
    pub raw: bool,
    /// How many pictures, 1 to [`MAX_COUNT`].
    pub count: u32,
    /// Answer at once, do not wait for the picture.
    pub no_wait: bool,
}

/// The most pictures that one wish may be for.
pub const MAX_COUNT: u32 = 8;

/// How the daemon is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The daemon's version.
    pub version: String,
    /// The daemon's process id.
    pub pid: u32,
    /// Seconds since the daemon started.
    pub uptime_s: f64,
    /// The memory that the daemon holds, in MiB.
    pub rss_mib: f64,
    /// The CPU time that it took over about the last second, in per cent of one core.
    pub cpu_percent: f64,
    /// Where the control page is; only the address that `bgcam preview` asks for opens it.
    pub page: Option<String>,
    /// Why what was chosen will not survive a restart, or why the daemon started paused.
    #[serde(default)]
    pub choice_error: Option<Failure>,
    /// What is shown.
    pub scene: SceneStatus,
    /// The camera.
    pub camera: CameraStatus,
    /// The model.
    pub mask: MaskStatus,
    /// The picture that is being made.
    pub prompt: Option<JobStatus>,
    /// Who makes pictures of words, and what to know of it.
    pub provider: String,
    /// The environment variables with providers' keys that the daemon has: their names, not the keys. Nobody else can look
    /// into its environment.
    #[serde(default)]
    pub key_variables: Vec<String>,
    /// Frames a second over about the last second.
    pub rates: Rates,
    /// Frames that arrived faster than the model took them.
    pub dropped_for_mask: u64,
    /// Frames that arrived faster than they were shown.
    pub dropped_for_render: u64,
    /// All counters and times.
    pub counters: Snapshot,
    /// Where pictures go.
    pub outputs: Vec<OutputStatus>,
    /// Who has a virtual camera open.
    pub readers: Vec<Reader>,
}

/// What is shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SceneStatus {
    /// Counts up with every change.
    pub version: u64,
    /// The background's name for people; when `room_visible`, it says so too.
    pub label: String,
    /// Whether others see the user's real room: without a background, through one, hardly blurred, or blurred in place of a
    /// background that can't be shown.
    #[serde(default)]
    pub room_visible: bool,
    /// Why they do, for people; while paused, why they will when it is resumed.
    #[serde(default)]
    pub room_why: Option<String>,
    /// The background as it was asked for.
    pub background: BackgroundSpec,
    /// How the picture looks.
    pub look: Look,
    /// Whether the camera's picture is flipped left to right.
    pub mirror: bool,
    /// Whether a card stands in place of the camera.
    pub paused: bool,
}

/// The camera.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CameraStatus {
    /// What the settings ask for.
    pub wanted: String,
    /// Whether it is to be open.
    pub on: bool,
    /// Why, or why not: who reads, for people.
    pub why: String,
    /// The open camera.
    pub source: Option<SourceInfo>,
    /// Why there is none.
    pub error: Option<Failure>,
}

/// The model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MaskStatus {
    /// What the settings ask for.
    pub wanted: String,
    /// The loaded model.
    pub model: Option<String>,
    /// The quality that the settings ask for.
    pub wanted_quality: Quality,
    /// The quality that it runs in: with `auto` what that means at the moment.
    pub quality: Option<Quality>,
    /// What runs it.
    pub processor: Option<Processor>,
    /// Why that is not what the settings ask for.
    pub processor_error: Option<Failure>,
    /// By how many steps of three it is eased because the machine is busy.
    pub eased: u8,
    /// Whether the edges come from the fast model alone because the two models disagree about most of the picture.
    #[serde(default)]
    pub models_disagree: bool,
    /// Whether another person is shown beside the one in front.
    #[serde(default)]
    pub others_visible: bool,
    /// Why that is less than was asked for.
    pub quality_error: Option<Failure>,
    /// Why there is none.
    pub error: Option<Failure>,
}

impl MaskStatus {
    /// The quality that it runs in, and where `auto` has chosen it, that too.
    pub fn quality_now(&self) -> String {
        let quality = self.quality.unwrap_or(self.wanted_quality);
        match (self.wanted_quality, quality) {
            (Quality::Auto, Quality::Balanced | Quality::High) if self.eased > 0 => "auto (eased)".to_owned(),
            (Quality::Auto, Quality::Balanced | Quality::High) => format!("auto ({quality})"),
            _ => quality.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_read_as_documented() {
        let color = Request::SetBackground { spec: "#20a040".parse().unwrap(), fit: None };
        for (line, request) in [
            (r#"{"mirror":{"on":true}}"#, Request::Mirror { on: true }),
            (r#""stop""#, Request::Stop),
            (r##"{"set-background":{"spec":{"color":"#20a040"}}}"##, color),
        ] {
            assert_eq!(serde_json::from_str::<Request>(line).unwrap(), request);
        }
        for bad in [r#"{"mirror":{}}"#, r#""explode""#, r#"{"mirror":{"on":true,"off":1}}"#, r#"{"stop":1}"#, "[]", "7"]
        {
            assert!(serde_json::from_str::<Request>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn replies_keep_their_hint_on_the_way() {
        let reply = Reply::Error(Failure::new(crate::error::Kind::Busy, "camera busy").hint("close the other app"));
        let line = serde_json::to_string(&reply).unwrap();
        assert_eq!(line, r#"{"error":{"kind":"busy","message":"camera busy","hint":"close the other app"}}"#);
        assert_eq!(serde_json::from_str::<Reply>(&line).unwrap(), reply);
    }

    #[test]
    fn what_auto_means_at_the_moment_is_told() {
        use Quality::{Auto, Balanced, Eco, High};
        for (wanted, quality, eased, expected) in [
            (Auto, Some(Balanced), 0, "auto (balanced)"),
            (Auto, Some(High), 0, "auto (high)"),
            (Auto, Some(Balanced), 2, "auto (eased)"),
            (Auto, Some(Eco), 0, "eco"),
            (Auto, None, 0, "auto"),
            (High, Some(High), 1, "high"),
        ] {
            let status = crate::system::twin::status().mask;
            let status = MaskStatus { wanted_quality: wanted, quality, eased, ..status };
            assert_eq!(status.quality_now(), expected);
        }
    }
}
