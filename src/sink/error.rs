//! Errors of outputs, with recovery and hints for the user.

use std::{io, path::PathBuf};

#[cfg(feature = "pipewire")]
use crate::pipewire::library::LoadError;
use crate::{
    error::{Failure, Kind, Recovery, chain},
    frame::Size,
};

/// Recreates the virtual camera.
const RELOAD_MODULE: &str = "sudo rmmod v4l2loopback && \
     sudo modprobe v4l2loopback exclusive_caps=1 card_label=\"Virtual Background Cam\"";

/// Errors of an output.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// The kernel module is not loaded, so there is no virtual camera.
    #[error("no virtual camera: the kernel module v4l2loopback is not loaded")]
    NoModule,
    /// There are virtual cameras, but not the requested one.
    #[error("no virtual camera {wanted:?}, available: {have}")]
    NotFound {
        /// The requested path or label.
        wanted: String,
        /// The existing ones, as text.
        have: String,
    },
    /// The path is another device, such as the real webcam.
    #[error("{device} is {found}, expected a v4l2loopback device")]
    NotLoopback {
        /// The path.
        device: String,
        /// What it is, as text.
        found: String,
    },
    /// Another program writes to it.
    #[error("virtual camera {device} is busy: another program writes to it")]
    Busy {
        /// The path.
        device: String,
    },
    /// The driver allows neither reading nor writing, and could not be recovered.
    #[error("virtual camera {device} is stuck: it has accepted no frames since its last writer closed it")]
    Stuck {
        /// The path.
        device: String,
    },
    /// The driver keeps another format.
    #[error("virtual camera {device} has the format {got}, expected {asked}")]
    Format {
        /// The path.
        device: String,
        /// The required format, for example `1280x720 YU12`.
        asked: String,
        /// The format returned by the driver.
        got: String,
    },
    /// The driver can't add or remove virtual cameras at run time.
    #[error("this version of v4l2loopback cannot add or remove virtual cameras: /dev/v4l2loopback does not exist")]
    NoControl,
    /// The driver failed to add or remove a virtual camera.
    #[error("cannot {doing}")]
    Control {
        /// The failed operation.
        doing: &'static str,
        /// Reason.
        source: io::Error,
    },
    /// An invalid label.
    #[error("label {label:?} is not 1 to 31 bytes of text")]
    BadLabel {
        /// The label.
        label: String,
    },
    /// The PipeWire library can't be loaded, or support is not built in.
    #[error("no PipeWire camera: {reason}")]
    NoPipeWire {
        /// Reason.
        reason: String,
    },
    /// The PipeWire server is not running, or the connection was lost.
    #[error("no PipeWire camera {name:?}")]
    PipeWire {
        /// The output.
        name: String,
        /// Reason; `WouldBlock` while the server creates the camera.
        source: io::Error,
    },
    /// A device or file can't be opened.
    #[error("cannot open output {name}")]
    Open {
        /// The path.
        name: String,
        /// Reason.
        source: io::Error,
    },
    /// Writing to a device or file failed.
    #[error("cannot write to {name}")]
    Write {
        /// The path.
        name: String,
        /// Reason.
        source: io::Error,
    },
    /// Writing to a virtual camera failed.
    #[error("cannot write to virtual camera {device}")]
    Device {
        /// The path.
        device: String,
        /// Reason.
        source: io::Error,
    },
    /// A virtual camera accepted only part of a frame.
    #[error("virtual camera {device} accepted {written} of {expected} bytes of a frame")]
    Short {
        /// The path.
        device: String,
        /// Bytes accepted.
        written: usize,
        /// Bytes per frame.
        expected: usize,
    },
    /// A frame has the wrong size: a programming error.
    #[error("output {name} expected a frame of {expected}, got {got}")]
    WrongSize {
        /// The output.
        name: String,
        /// Size of the output.
        expected: Size,
        /// Size of the frame.
        got: Size,
    },
    /// An image can't be encoded or saved.
    #[error("cannot save image {}", path.display())]
    Image {
        /// The file.
        path: PathBuf,
        /// Reason.
        source: image::ImageError,
    },
    /// MP4 needs `ffmpeg`.
    #[error("cannot record {}: ffmpeg is not installed", path.display())]
    NoFfmpeg {
        /// The file.
        path: PathBuf,
    },
    /// `ffmpeg` exited early or with an error.
    #[error("ffmpeg failed on {}: {reason}", path.display())]
    Ffmpeg {
        /// The file.
        path: PathBuf,
        /// Exit status and stderr tail.
        reason: String,
    },
}

impl SinkError {
    /// The render thread's reaction.
    pub fn recovery(&self) -> Recovery {
        match self {
            Self::Device { source, .. } | Self::PipeWire { source, .. }
                if source.kind() == io::ErrorKind::WouldBlock =>
            {
                Recovery::SkipFrame
            }
            // Reopening a file would truncate it, and the others need other settings.
            Self::Write { .. } | Self::Ffmpeg { .. } | Self::NoFfmpeg { .. } => Recovery::GiveUp,
            Self::NotLoopback { .. } | Self::WrongSize { .. } => Recovery::GiveUp,
            _ => Recovery::Reopen,
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::NoModule | Self::NoPipeWire { .. } | Self::NoFfmpeg { .. } => Kind::Missing,
            Self::NoControl => Kind::Unsupported,
            Self::NotFound { .. } => Kind::NotFound,
            Self::NotLoopback { .. } | Self::BadLabel { .. } => Kind::BadInput,
            Self::Control { source, .. } => io_kind(source),
            Self::Busy { .. } | Self::Format { .. } => Kind::Busy,
            Self::WrongSize { .. } => Kind::Internal,
            Self::Open { source, .. } | Self::Write { source, .. } | Self::Device { source, .. } => io_kind(source),
            Self::PipeWire { .. }
            | Self::Stuck { .. }
            | Self::Short { .. }
            | Self::Image { .. }
            | Self::Ffmpeg { .. } => Kind::Io,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoModule => "run `bgcam setup` to create one, or `bgcam doctor` to find the problem".to_owned(),
            Self::NotFound { .. } => "run `bgcam devices` to list the virtual cameras".to_owned(),
            Self::NotLoopback { .. } => {
                "run `bgcam devices` to list the virtual cameras; `v4l2` selects one automatically".to_owned()
            }
            Self::Busy { device } => {
                format!("run `sudo fuser -v {device}` to find that program and stop it, or use another output")
            }
            Self::Stuck { .. } => RELOAD_MODULE.to_owned(),
            Self::Format { device, .. } => format!(
                "close the apps that have the camera open (`sudo fuser -v {device}` lists them), or set output.size to its size"
            ),
            Self::Open { name, source } if is_device(name) && io_kind(source) == Kind::Denied => {
                "sudo usermod -aG video \"$USER\", then log out and back in".to_owned()
            }
            Self::NoControl => {
                "load it with two devices: sudo rmmod v4l2loopback && sudo modprobe v4l2loopback devices=2 \
                 exclusive_caps=1,1 card_label=\"Virtual Background Cam,Second Cam\""
                    .to_owned()
            }
            Self::Control { source, .. } if io_kind(source) == Kind::Denied => {
                "run the same command with sudo".to_owned()
            }
            Self::Control { source, .. } if io_kind(source) == Kind::Busy => {
                "close the apps that use it, and stop bgcam if it writes to it".to_owned()
            }
            Self::NoPipeWire { .. } => "sudo apt install pipewire wireplumber".to_owned(),
            Self::PipeWire { .. } => "systemctl --user start pipewire wireplumber".to_owned(),
            Self::NoFfmpeg { .. } => "sudo apt install ffmpeg".to_owned(),
            _ => return None,
        })
    }
}

fn is_device(name: &str) -> bool {
    name.starts_with("/dev/")
}

fn io_kind(error: &io::Error) -> Kind {
    match error.kind() {
        io::ErrorKind::NotFound => Kind::NotFound,
        io::ErrorKind::PermissionDenied => Kind::Denied,
        io::ErrorKind::ResourceBusy => Kind::Busy,
        _ => Kind::Io,
    }
}

impl From<SinkError> for Failure {
    fn from(error: SinkError) -> Self {
        Self { kind: error.kind(), message: chain(&error), hint: error.hint() }
    }
}

#[cfg(feature = "pipewire")]
impl From<LoadError> for SinkError {
    fn from(error: LoadError) -> Self {
        Self::NoPipeWire { reason: chain(&error) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(name: &str, errno: i32) -> SinkError {
        SinkError::Open { name: name.to_owned(), source: io::Error::from_raw_os_error(errno) }
    }

    #[test]
    fn every_failure_has_a_hint() {
        let failure = Failure::from(SinkError::NoModule);
        assert_eq!(failure.kind, Kind::Missing);
        assert!(failure.hint.unwrap().contains("`bgcam setup`"));
        let denied = Failure::from(open("/dev/video10", libc::EACCES));
        assert_eq!(denied.kind, Kind::Denied);
        assert!(denied.hint.unwrap().contains("usermod -aG video"));
        assert_eq!(Failure::from(open("/root/a.y4m", libc::EACCES)).hint, None);
    }

    #[test]
    fn a_missing_device_is_retried_but_not_a_full_disk() {
        let source = io::Error::from_raw_os_error(libc::ENODEV);
        assert_eq!(SinkError::Device { device: "/dev/video10".into(), source }.recovery(), Recovery::Reopen);
        let source = io::Error::from_raw_os_error(libc::EAGAIN);
        assert_eq!(SinkError::Device { device: "/dev/video10".into(), source }.recovery(), Recovery::SkipFrame);
        let source = io::Error::from_raw_os_error(libc::ENOSPC);
        assert_eq!(SinkError::Write { name: "a.y4m".into(), source }.recovery(), Recovery::GiveUp);
    }
}
