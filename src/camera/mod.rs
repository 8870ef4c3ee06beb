//! Station 1: a frame comes in, from a webcam, a file or the demo scene, decoded to I420.

mod colour;
mod convert;
mod demo;
mod device;
mod error;
mod field;
pub mod file;
mod format;
mod infrared;
pub(crate) mod interval;
mod links;
mod list;
pub mod mjpeg;
mod negotiate;
mod pace;
mod probe;
pub mod sample;
mod scale;
mod select;
mod still;
mod stream;
mod v4l2;
mod webcam;

use std::{path::PathBuf, time::Duration};

use self::select::CameraSelector;
pub use self::{
    device::{Cameras, Device, Unreadable, UsbFunction},
    error::CameraError,
    file::FileOptions,
    format::Format,
    list::{list, scan},
    probe::{inspect, probe},
    select::select,
};
use crate::frame::{Frame, Size};

/// What gives frames: a webcam, a file, the demo scene.
pub trait FrameSource: Send {
    /// What was really opened.
    fn info(&self) -> &SourceInfo;

    /// The size of the frames that it fills; never changes.
    fn size(&self) -> Size;

    /// Frames a second as a fraction: exact for files, [`SourceInfo::fps`] in thousandths for others.
    fn rate(&self) -> (u32, u32) {
        ((self.info().fps * 1000.0).round() as u32, 1000)
    }

    /// Waits for the next frame and decodes it into `into`, which has [`FrameSource::size`].
    ///
    /// Sets `seq` and `captured_at` too. Never waits longer than the time-out in [`Settings`] for a webcam or `ffmpeg`, or
    /// four frame times of a slow webcam, nor longer than a second for the beat of a file. Allocates nothing once
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
    /// The only pixel format to take from a webcam, as V4L2 spells it; `None` for the best.
    pub fourcc: Option<String>,
    /// How long to wait for one frame before it is an error; longer for a webcam that gives less than a frame in a quarter
    /// of this.
    pub timeout: Duration,
}

/// The pixel formats of webcams that can be decoded, as V4L2 spells them.
pub const FOURCCS: [&str; 8] = ["MJPG", "JPEG", "YUYV", "UYVY", "NV12", "YU12", "YV12", "GREY"];

/// Opens the source that `settings` name, which delivers frames of exactly `settings.size`: what differs is scaled to
/// cover it and cropped in the middle.
///
/// [`select()`] says which camera that is. A file is looped at its own rate.
///
/// # Errors
/// When there is no such source, or it cannot be used; [`CameraError::recovery`] says whether to try again.
pub fn open(settings: &Settings) -> Result<Box<dyn FrameSource>, CameraError> {
    if let Some(path) = locate(settings)? {
        return webcam::open(&path, settings);
    }
    match CameraSelector::parse(&settings.device) {
        CameraSelector::File(path) => {
            let options =
                FileOptions { size: Some(settings.size), looped: true, paced: true, timeout: Some(settings.timeout) };
            file::open(&path, &options)
        }
        _ => demo::open(settings.size, settings.fps),
    }
}

/// The node that [`open`] would open now; `None` where `settings` name no webcam.
///
/// # Errors
/// When there is no such camera.
pub fn locate(settings: &Settings) -> Result<Option<PathBuf>, CameraError> {
    match CameraSelector::parse(&settings.device) {
        CameraSelector::Demo | CameraSelector::File(_) => Ok(None),
        // a node that is no camera is opened all the same: that says why it is none
        CameraSelector::Node(path) if !links::is_by_id(&path) => match path.canonicalize() {
            Ok(node) => Ok(Some(node)),
            Err(_) => Err(select::not_found(&settings.device, &scan())),
        },
        _ => select(settings, &scan()).map(|device| Some(device.path.clone())),
    }
}
