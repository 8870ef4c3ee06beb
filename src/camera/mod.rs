//! Station 1: a frame comes in, from a webcam, a file or the demo scene, decoded to I420.

use std::{path::PathBuf, time::Duration};

use crate::{
    error::Recovery,
    frame::{Frame, Size},
};

/// What gives frames: a webcam, a file, the demo scene.
pub trait FrameSource: Send {
    /// What was really opened.
    fn info(&self) -> &SourceInfo;

    /// The size of the frames that it fills; never changes.
    fn size(&self) -> Size;

    /// Waits for the next frame and decodes it into `into`, which has [`FrameSource::size`].
    ///
    /// Sets `seq` and `captured_at` too. Never waits longer than the time-out in [`Settings`]. Allocates nothing once
    /// the first second has gone by.
    ///
    /// # Errors
    /// [`CameraError::recovery`] says what to do about each. The content of `into` is undefined after an error.
    fn next(&mut self, into: &mut Frame) -> Result<(), CameraError>;
}

/// What a source is, as the driver or file itself says.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct SourceInfo {
    /// The name for people: the card's name, the file's name, `demo`.
    pub name: String,
    /// The device node or file.
    pub path: Option<PathBuf>,
    /// The stable id, `/dev/v4l/by-id/...`, where the system has one.
    pub id: Option<String>,
    /// The four characters of the pixel format on the wire, such as `MJPG`.
    pub fourcc: String,
    /// Width and height on the wire, before scaling to the size that was asked for.
    pub native: (u32, u32),
    /// Frames a second, as the driver or file says.
    pub fps: f64,
}

/// Which source to open, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// `auto`, a device path, a part of a name, a stable id, `file:PATH` or `demo`.
    pub device: String,
    /// The size that frames are delivered in.
    pub size: Size,
    /// The rate to ask the driver for.
    pub fps: u32,
    /// How long to wait for one frame before it is an error.
    pub timeout: Duration,
}

/// What can go wrong with a source.
#[derive(Debug, thiserror::Error)]
pub enum CameraError {
    /// No frame came in time.
    #[error("camera {device} gave no frame for {waited:?}")]
    Stalled {
        /// The device's path.
        device: String,
        /// How long we waited.
        waited: Duration,
    },
}

impl CameraError {
    /// What the capture thread does about it.
    pub fn recovery(&self) -> Recovery {
        match self {
            Self::Stalled { .. } => Recovery::Reopen,
        }
    }
}
