//! What can go wrong with a source of frames, what the capture thread does about it, and the way out for the user.

use std::{io, path::PathBuf, time::Duration};

use super::Unreadable;
use crate::{
    duration::HumanDuration,
    error::{Failure, Kind, Recovery, chain},
    media::{image_file::ImageFileError, regular::FileError},
    v4l2::holders::Holder,
};

/// What can go wrong with a source.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)] // the messages say it
pub enum CameraError {
    #[error("no camera found: no /dev/video* node captures in a format that bgcam can read")]
    NoCamera,
    #[error("camera {device:?} not found")]
    NotFound { device: String, available: Vec<String> },
    #[error("cannot open camera {device}: permission denied")]
    Denied { device: String },
    #[error("cannot use camera {device}: busy{}", by(.holder))]
    Busy { device: String, holder: Option<Holder> },
    #[error("camera {} ({}) {}", .0.name, .0.path.display(), .0.why)]
    Unreadable(Unreadable),
    #[error("camera {device} sends interlaced video as separate fields, which bgcam cannot join")]
    Fields { device: String },
    #[error("{device} is not a camera: {why}")]
    NotCapture { device: String, why: String },
    #[error("camera {device} offers {offered}{}", expected(.wanted))]
    Unsupported { device: String, offered: String, wanted: Option<String> },
    #[error("cannot {doing} on camera {device}")]
    Io { device: String, doing: &'static str, source: io::Error },
    #[error("camera {device} gave no frame for {}", HumanDuration(*.waited))]
    Stalled { device: String, waited: Duration },
    #[error("camera {device} has gone away")]
    Gone { device: String, source: io::Error },
    /// One frame is lost. Says no device, so that a camera which sends many of these costs no allocation.
    #[error("corrupt frame: {0}")]
    Corrupt(&'static str),
    /// Frames come, and none can be decoded.
    #[error("camera {device} has sent only damaged frames for {}: {why}", HumanDuration(*.waited))]
    AllCorrupt { device: String, why: &'static str, waited: Duration },
    #[error("cannot read {}", .path.display())]
    File { path: PathBuf, source: FileError },
    #[error("{} is not a picture or video that bgcam can read: {why}", .path.display())]
    NotVideo { path: PathBuf, why: String },
    #[error(transparent)]
    Picture(#[from] ImageFileError),
    #[error("reading {} takes ffmpeg, which is not installed", .path.display())]
    NoFfmpeg { path: PathBuf },
    /// The last frame of a file that is not looped has been given.
    #[error("{} has no more frames", .path.display())]
    EndOfStream { path: PathBuf },
}

fn by(holder: &Option<Holder>) -> String {
    holder.as_ref().map(|who| format!(", in use by {who}")).unwrap_or_default()
}

fn expected(wanted: &Option<String>) -> String {
    match wanted {
        Some(wanted) => format!("; the settings ask for {wanted}"),
        None => ", expected one of MJPG, YUYV, UYVY, NV12, YU12, YV12, GREY".to_owned(),
    }
}

impl CameraError {
    /// What the capture thread does about it.
    ///
    /// A camera that is missing, busy or forbidden is tried again: it is plugged in, let go of, or its node gets its
    /// group from udev a moment after it appears. One that is unsupported may have been replaced by another.
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
            | Self::Gone { .. } => Recovery::Reopen,
            Self::File { .. }
            | Self::NotVideo { .. }
            | Self::Picture(_)
            | Self::NoFfmpeg { .. }
            | Self::EndOfStream { .. } => Recovery::GiveUp,
        }
    }

    /// What the user meets, by kind.
    fn kind(&self) -> Kind {
        match self {
            Self::NoCamera | Self::NotFound { .. } => Kind::NotFound,
            Self::File { source, .. } => source.kind(),
            Self::Picture(error) => error.kind(),
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
            Self::NoCamera => "plug one in, or choose the device `demo` to try without one",
            Self::NotFound { available, .. } if available.is_empty() => {
                "no camera is connected; use the device `demo` to try bgcam without one"
            }
            Self::NotFound { available, .. } => return Some(format!("available: {}", available.join(", "))),
            Self::Denied { .. } => "run `sudo usermod -aG video $USER` and log in again",
            Self::Busy { .. } => {
                "close the program that holds it; video apps must read \"Virtual Background Cam\" instead"
            }
            Self::Fields { .. } => "set the source or the capture device to a progressive mode, such as 720p",
            Self::Unreadable(_) => {
                "use a USB webcam, or copy this camera to a v4l2loopback, with GStreamer for example"
            }
            Self::Unsupported { wanted: Some(_), .. } => "remove camera.format from the settings",
            Self::AllCorrupt { .. } => "choose another format with camera.format, or plug the camera in again",
            Self::NotCapture { .. } | Self::Unsupported { .. } => "see `bgcam devices` for those that work",
            Self::Io { source, .. } if source.raw_os_error() == Some(libc::ENOSPC) => {
                "the USB bus has no bandwidth left: use another port than the other camera's, or a smaller size"
            }
            Self::Stalled { .. } | Self::Gone { .. } | Self::Io { .. } => {
                "plug the camera in again, or look for it in `bgcam devices`"
            }
            Self::NotVideo { .. } => "try `ffmpeg -i FILE` to see what it is",
            Self::NoFfmpeg { .. } => "install it, such as with `sudo apt install ffmpeg`, or use Y4M, PNG or JPEG",
            Self::Picture(error) => return error.hint(),
            Self::Corrupt(_) | Self::File { .. } | Self::EndOfStream { .. } => return None,
        };
        Some(hint.to_owned())
    }
}

impl CameraError {
    /// The program that has the camera open, for a busy camera whose holder is known.
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
    fn a_failure_names_the_thing_and_the_way_out() {
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
    fn a_format_that_the_settings_ask_for_in_vain_is_named() {
        let offered = || "YUYV, NV12".to_owned();
        let said = |wanted| Failure::from(CameraError::Unsupported { device: "v0".into(), offered: offered(), wanted });
        let failure = said(Some("MJPG".to_owned()));
        assert_eq!(failure.message, "camera v0 offers YUYV, NV12; the settings ask for MJPG");
        assert_eq!(failure.hint.as_deref(), Some("remove camera.format from the settings"));
        assert!(said(None).message.contains("expected one of"));
    }

    #[test]
    fn people_read_how_long_it_took() {
        let waited = Duration::from_nanos(2_000_534_784);
        let stalled = CameraError::Stalled { device: "/dev/video0".into(), waited };
        assert_eq!(stalled.to_string(), "camera /dev/video0 gave no frame for 2 s");
        let corrupt = CameraError::AllCorrupt { device: "auto".into(), why: "damaged or cut JPEG", waited };
        assert_eq!(corrupt.to_string(), "camera auto has sent only damaged frames for 2 s: damaged or cut JPEG");
    }

    #[test]
    fn only_a_lost_frame_is_skipped() {
        assert_eq!(CameraError::Corrupt("cut").recovery(), Recovery::SkipFrame);
        assert_eq!(CameraError::NoCamera.recovery(), Recovery::Reopen);
        assert_eq!(CameraError::EndOfStream { path: "a.y4m".into() }.recovery(), Recovery::GiveUp);
    }
}
