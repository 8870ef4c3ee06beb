//! Errors of frame sources, with the recovery of the capture thread and hints for the user.

use std::{io, path::PathBuf, time::Duration};

use super::{Unreadable, pipewire_error::PipeWireError};
use crate::{
    duration::HumanDuration,
    error::{Failure, Kind, Recovery, chain},
    media::{image_file::ImageFileError, regular::FileError},
    v4l2::holders::Holder,
};

/// Errors of a frame source.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)] // see the messages
pub enum CameraError {
    #[error("no camera found: no /dev/video* device has a format supported by bgcam, and PipeWire has no camera")]
    NoCamera,
    #[error("camera {device:?} not found")]
    NotFound { device: String, available: Vec<String> },
    #[error("cannot open camera {device}: permission denied")]
    Denied { device: String },
    #[error("cannot use camera {device}: busy{}", by(.holder))]
    Busy { device: String, holder: Option<Holder> },
    #[error("camera {} ({}) {}", .0.name, .0.path.display(), .0.why)]
    Unreadable(Unreadable),
    #[error("camera {device} sends interlaced video as separate fields, which bgcam does not support")]
    Fields { device: String },
    #[error("{device} is not a camera: {why}")]
    NotCapture { device: String, why: String },
    #[error("camera {device} has the formats {offered}{}", expected(.wanted))]
    Unsupported { device: String, offered: String, wanted: Option<String> },
    #[error("cannot {doing} on camera {device}")]
    Io { device: String, doing: &'static str, source: io::Error },
    #[error("camera {device} sent no frames for {}", HumanDuration(*.waited))]
    Stalled { device: String, waited: Duration },
    #[error("camera {device} was disconnected")]
    Gone { device: String, source: io::Error },
    /// A single lost frame. Without a device name, so that frequent errors do not allocate.
    #[error("corrupt frame: {0}")]
    Corrupt(&'static str),
    /// Frames arrive, but none can be decoded.
    #[error("camera {device} sent only damaged frames for {}: {why}", HumanDuration(*.waited))]
    AllCorrupt { device: String, why: &'static str, waited: Duration },
    #[error(transparent)]
    PipeWire(#[from] PipeWireError),
    #[error("cannot read {}", .path.display())]
    File { path: PathBuf, source: FileError },
    #[error("{} is not a supported image or video: {why}", .path.display())]
    NotVideo { path: PathBuf, why: String },
    #[error(transparent)]
    Image(#[from] ImageFileError),
    #[error("cannot read {}: ffmpeg is not installed", .path.display())]
    NoFfmpeg { path: PathBuf },
    /// The end of a file that is not looped.
    #[error("{} has no more frames", .path.display())]
    EndOfStream { path: PathBuf },
}

fn by(holder: &Option<Holder>) -> String {
    holder.as_ref().map(|program| format!(", in use by {program}")).unwrap_or_default()
}

fn expected(wanted: &Option<String>) -> String {
    match wanted {
        Some(wanted) => format!(", but the settings require {wanted}"),
        None => ", expected one of MJPG, YUYV, UYVY, NV12, YU12, YV12, GREY".to_owned(),
    }
}

impl CameraError {
    /// The capture thread's reaction.
    ///
    /// A missing, busy or forbidden camera is retried: it may be connected or released, or udev may set the group of
    /// its node a moment later. An unsupported camera may be replaced.
    pub fn recovery(&self) -> Recovery {
        match self {
            Self::Corrupt(_) => Recovery::SkipFrame,
            Self::NoCamera
            | Self::NotFound { .. }
            | Self::Denied { .. }
            | Self::Busy { .. }
            | Self::NotCapture { .. }
            | Self::Unreadable(_)
            | Self::Fields { .. }
            | Self::Io { .. }
            | Self::Unsupported { .. }
            | Self::Stalled { .. }
            | Self::AllCorrupt { .. }
            | Self::PipeWire(_)
            | Self::Gone { .. } => Recovery::Reopen,
            Self::File { .. }
            | Self::NotVideo { .. }
            | Self::Image(_)
            | Self::NoFfmpeg { .. }
            | Self::EndOfStream { .. } => Recovery::GiveUp,
        }
    }

    /// The kind of failure shown to the user.
    fn kind(&self) -> Kind {
        match self {
            Self::NoCamera | Self::NotFound { .. } => Kind::NotFound,
            Self::File { source, .. } => source.kind(),
            Self::Image(error) => error.kind(),
            Self::PipeWire(error) => error.kind(),
            Self::Denied { .. } => Kind::Denied,
            Self::Busy { .. } => Kind::Busy,
            Self::NotCapture { .. } | Self::Unreadable(_) | Self::Fields { .. } | Self::Unsupported { .. } => {
                Kind::Unsupported
            }
            Self::NotVideo { .. } => Kind::BadInput,
            Self::NoFfmpeg { .. } => Kind::Missing,
            Self::Io { .. }
            | Self::Stalled { .. }
            | Self::AllCorrupt { .. }
            | Self::Gone { .. }
            | Self::Corrupt(_)
            | Self::EndOfStream { .. } => Kind::Io,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NoCamera => "connect one; to try bgcam without one, use `bgcam set-camera demo`",
            Self::NotFound { available, .. } if available.is_empty() => {
                "no camera is connected; to try bgcam without one, use `bgcam set-camera demo`"
            }
            Self::NotFound { available, .. } => return Some(format!("available: {}", available.join(", "))),
            Self::Denied { .. } => "run `sudo usermod -aG video $USER`, then log out and back in",
            Self::Busy { holder: Some(holder), .. } if holder.name == "pipewire" => {
                "an app uses it through PipeWire: close that app, or share the camera with camera.device = \"pipewire\""
            }
            Self::Busy { .. } => "close the app that uses it, or select \"Virtual Background Cam\" in that app",
            Self::Fields { .. } => "set the source or the capture device to a progressive mode, such as 720p",
            Self::Unreadable(_) => {
                "use a USB webcam, or forward this camera to a v4l2loopback device, for example with GStreamer"
            }
            Self::Unsupported { wanted: Some(_), .. } => "remove camera.format from the settings",
            Self::AllCorrupt { .. } => "set another camera.format, or reconnect the camera",
            Self::NotCapture { .. } | Self::Unsupported { .. } => "run `bgcam devices` to list usable cameras",
            Self::Io { source, .. } if source.raw_os_error() == Some(libc::ENOSPC) => {
                "the USB bus is out of bandwidth: use another port, or a smaller camera size"
            }
            Self::Stalled { .. } | Self::Gone { .. } | Self::Io { .. } => {
                "reconnect the camera, and check that `bgcam devices` lists it"
            }
            Self::NotVideo { .. } => "run `ffmpeg -i FILE` to see its format",
            Self::NoFfmpeg { .. } => "install it, for example with `sudo apt install ffmpeg`, or use Y4M, PNG or JPEG",
            Self::Image(error) => return error.hint(),
            Self::PipeWire(error) => return Some(error.hint()),
            Self::Corrupt(_) | Self::File { .. } | Self::EndOfStream { .. } => return None,
        };
        Some(hint.to_owned())
    }
}

impl CameraError {
    /// The program that has a busy camera open, if known.
    pub(crate) fn holder(&self) -> Option<String> {
        match self {
            Self::Busy { holder: Some(holder), .. } => Some(holder.name.clone()),
            _ => None,
        }
    }
}

impl From<CameraError> for Failure {
    fn from(error: CameraError) -> Self {
        Self { kind: error.kind(), message: chain(&error), hint: error.hint() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_has_a_message_and_a_hint() {
        let busy =
            CameraError::Busy { device: "/dev/video0".into(), holder: Some(Holder { pid: 42, name: "zoom".into() }) };
        let failure = Failure::from(busy);
        assert_eq!(failure.kind, Kind::Busy);
        assert_eq!(failure.message, "cannot use camera /dev/video0: busy, in use by zoom (pid 42)");
        let denied = Failure::from(CameraError::Denied { device: "/dev/video0".into() });
        assert!(denied.hint.is_some_and(|hint| hint.contains("usermod -aG video")));
        let available = vec!["Integrated Camera (/dev/video0)".to_owned()];
        let missing = Failure::from(CameraError::NotFound { device: "logi".into(), available });
        assert_eq!(missing.hint.as_deref(), Some("available: Integrated Camera (/dev/video0)"));
    }

    #[test]
    fn a_missing_configured_format_is_named() {
        let offered = || "YUYV, NV12".to_owned();
        let failure_for =
            |wanted| Failure::from(CameraError::Unsupported { device: "v0".into(), offered: offered(), wanted });
        let failure = failure_for(Some("MJPG".to_owned()));
        assert_eq!(failure.message, "camera v0 has the formats YUYV, NV12, but the settings require MJPG");
        assert_eq!(failure.hint.as_deref(), Some("remove camera.format from the settings"));
        assert!(failure_for(None).message.contains("expected one of"));
    }

    #[test]
    fn timeouts_are_formatted_for_people() {
        let waited = Duration::from_nanos(2_000_534_784);
        let stalled = CameraError::Stalled { device: "/dev/video0".into(), waited };
        assert_eq!(stalled.to_string(), "camera /dev/video0 sent no frames for 2 s");
        let corrupt = CameraError::AllCorrupt { device: "auto".into(), why: "damaged or truncated JPEG", waited };
        assert_eq!(corrupt.to_string(), "camera auto sent only damaged frames for 2 s: damaged or truncated JPEG");
    }

    #[test]
    fn only_corrupt_frames_are_skipped() {
        assert_eq!(CameraError::Corrupt("cut").recovery(), Recovery::SkipFrame);
        assert_eq!(CameraError::NoCamera.recovery(), Recovery::Reopen);
        assert_eq!(CameraError::EndOfStream { path: "a.y4m".into() }.recovery(), Recovery::GiveUp);
    }
}
