//! What can go wrong with an output, and the way out of each.

use std::{io, path::PathBuf};

#[cfg(feature = "pipewire")]
use crate::pipewire::library::LoadError;
use crate::{
    error::{Failure, Kind, Recovery, chain},
    frame::Size,
};

/// What makes the virtual camera anew.
const REMAKE_CAMERA: &str = "sudo rmmod v4l2loopback && \
     sudo modprobe v4l2loopback exclusive_caps=1 card_label=\"Virtual Background Cam\"";

/// What can go wrong with an output.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// The kernel module is not loaded, so that there is no virtual camera at all.
    #[error("no virtual camera: the kernel module v4l2loopback is not loaded")]
    NoModule,
    /// There are virtual cameras, but not this one.
    #[error("no virtual camera {wanted:?}; there is {have}")]
    NotFound {
        /// The path or label that was asked for.
        wanted: String,
        /// Those that exist, in words.
        have: String,
    },
    /// The path names something else, such as the real webcam.
    #[error("{device} is no virtual camera but {found}; expected a v4l2loopback device")]
    NotLoopback {
        /// The path.
        device: String,
        /// What it is, in words.
        found: String,
    },
    /// Somebody else writes to it.
    #[error("virtual camera {device} is busy: another program writes to it")]
    Busy {
        /// The path.
        device: String,
    },
    /// The driver neither lets us write nor read, and could not be brought back.
    #[error("virtual camera {device} is stuck: it takes no frames since its last writer left")]
    Stuck {
        /// The path.
        device: String,
    },
    /// The driver holds on to another format.
    #[error("virtual camera {device} stays at {got}; expected {asked}")]
    Format {
        /// The path.
        device: String,
        /// What we need, such as `1280x720 YU12`.
        asked: String,
        /// What the driver gave.
        got: String,
    },
    /// The driver can't make or remove virtual cameras while it is loaded.
    #[error("this v4l2loopback is too old to make or remove virtual cameras: there is no /dev/v4l2loopback")]
    NoControl,
    /// The driver does not make or remove a virtual camera.
    #[error("cannot {doing}")]
    Control {
        /// What was tried.
        doing: &'static str,
        /// Why.
        source: io::Error,
    },
    /// A name that no virtual camera can have.
    #[error("label {label:?} is not 1 to 31 bytes of text")]
    BadLabel {
        /// The name.
        label: String,
    },
    /// The library of PipeWire can't be loaded, or was left out.
    #[error("no PipeWire camera: {reason}")]
    NoPipeWire {
        /// Why, in words.
        reason: String,
    },
    /// The PipeWire server is not there, or went away.
    #[error("no PipeWire camera {name:?}")]
    PipeWire {
        /// The output.
        name: String,
        /// Why; `WouldBlock` while the server makes the camera.
        source: io::Error,
    },
    /// A device or file can't be opened.
    #[error("cannot open output {name}")]
    Open {
        /// The path.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// A device or file failed while in use.
    #[error("cannot write to {name}")]
    Write {
        /// The path.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// A virtual camera failed while in use.
    #[error("virtual camera {device} took no frame")]
    Device {
        /// The path.
        device: String,
        /// Why.
        source: io::Error,
    },
    /// A virtual camera took only a part of a frame.
    #[error("virtual camera {device} took {written} of {expected} bytes of a frame")]
    Short {
        /// The path.
        device: String,
        /// Bytes that it took.
        written: usize,
        /// Bytes of a frame.
        expected: usize,
    },
    /// A frame of another size came: a bug of ours.
    #[error("output {name} takes frames of {expected}, not of {got}")]
    WrongSize {
        /// The output.
        name: String,
        /// The size it was opened with.
        expected: Size,
        /// The size of the frame.
        got: Size,
    },
    /// A picture can't be encoded or stored.
    #[error("cannot save picture {}", path.display())]
    Picture {
        /// The file.
        path: PathBuf,
        /// Why.
        source: image::ImageError,
    },
    /// MP4 needs `ffmpeg`.
    #[error("cannot record {}: ffmpeg is not installed", path.display())]
    NoFfmpeg {
        /// The file.
        path: PathBuf,
    },
    /// `ffmpeg` ended before we did, or badly.
    #[error("ffmpeg failed on {}: {reason}", path.display())]
    Ffmpeg {
        /// The file.
        path: PathBuf,
        /// Its exit status and its last words.
        reason: String,
    },
}

impl SinkError {
    /// What the render thread does about it.
    pub fn recovery(&self) -> Recovery {
        match self {
            Self::Device { source, .. } | Self::PipeWire { source, .. }
                if source.kind() == io::ErrorKind::WouldBlock =>
            {
                Recovery::SkipFrame
            }
            // Opening a file anew would cut off what is in it already, and the others need other settings.
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
            | Self::Picture { .. }
            | Self::Ffmpeg { .. } => Kind::Io,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoModule => "`bgcam setup` makes one; `bgcam doctor` says what is in the way".to_owned(),
            Self::NotFound { .. } => "`bgcam devices` lists the virtual cameras".to_owned(),
            Self::NotLoopback { .. } => {
                "`bgcam devices` lists the virtual cameras; `v4l2` picks one by itself".to_owned()
            }
            Self::Busy { device } => format!("`sudo fuser -v {device}` shows who; stop it, or choose another output"),
            Self::Stuck { .. } => REMAKE_CAMERA.to_owned(),
            Self::Format { device, .. } => format!(
                "close the apps that have the camera open (`sudo fuser -v {device}` shows them), or set the size to the one it has"
            ),
            Self::Open { name, source } if is_device(name) && io_kind(source) == Kind::Denied => {
                "sudo usermod -aG video \"$USER\", then log out and in again".to_owned()
            }
            Self::NoControl => {
                "load it with more devices: sudo rmmod v4l2loopback && sudo modprobe v4l2loopback devices=2 \
                 exclusive_caps=1,1 card_label=\"Virtual Background Cam,Second Cam\""
                    .to_owned()
            }
            Self::Control { source, .. } if io_kind(source) == Kind::Denied => {
                "root may: try the same with sudo".to_owned()
            }
            Self::Control { source, .. } if io_kind(source) == Kind::Busy => {
                "close the apps that have it open, and stop the daemon if it writes to it".to_owned()
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
    fn each_failure_has_its_way_out() {
        let failure = Failure::from(SinkError::NoModule);
        assert_eq!(failure.kind, Kind::Missing);
        assert!(failure.hint.unwrap().contains("`bgcam setup`"));
        let denied = Failure::from(open("/dev/video10", libc::EACCES));
        assert_eq!(denied.kind, Kind::Denied);
        assert!(denied.hint.unwrap().contains("usermod -aG video"));
        assert_eq!(Failure::from(open("/root/a.y4m", libc::EACCES)).hint, None);
    }

    #[test]
    fn a_vanished_device_is_opened_anew_and_a_full_disk_is_not() {
        let source = io::Error::from_raw_os_error(libc::ENODEV);
        assert_eq!(SinkError::Device { device: "/dev/video10".into(), source }.recovery(), Recovery::Reopen);
        let source = io::Error::from_raw_os_error(libc::EAGAIN);
        assert_eq!(SinkError::Device { device: "/dev/video10".into(), source }.recovery(), Recovery::SkipFrame);
        let source = io::Error::from_raw_os_error(libc::ENOSPC);
        assert_eq!(SinkError::Write { name: "a.y4m".into(), source }.recovery(), Recovery::GiveUp);
    }
}
