//! Stage 1, input: frame sources (webcam, file, demo scene), decoded to I420.

mod colour;
mod convert;
mod decoder;
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
#[cfg(not(feature = "pipewire"))]
#[path = "no_pipewire.rs"]
mod pipewire;
#[cfg(feature = "pipewire")]
mod pipewire;
mod pipewire_error;
mod plane;
mod probe;
mod rgb;
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
    format::CaptureFormat,
    list::{list, scan},
    pipewire_error::PipeWireError,
    probe::{inspect, probe},
    select::select,
};
use crate::frame::{Frame, Size};

/// A source of frames: webcam, PipeWire camera, file or demo scene.
pub trait FrameSource: Send {
    /// What was actually opened.
    fn info(&self) -> &SourceInfo;

    /// Size of the delivered frames, which never changes.
    fn size(&self) -> Size;

    /// Frame rate as a fraction: exact for files, [`SourceInfo::fps`] in thousandths otherwise.
    fn rate(&self) -> (u32, u32) {
        ((self.info().fps * 1000.0).round() as u32, 1000)
    }

    /// Waits for the next frame and decodes it into `into`, which must have [`FrameSource::size`].
    ///
    /// Also sets `seq` and `captured_at`. Waits at most [`Settings::timeout`] for a webcam or `ffmpeg` (four frame
    /// times for a slow webcam), and at most a second to pace a file. Allocates nothing after the first second.
    ///
    /// # Errors
    /// If there is no frame; [`CameraError::recovery`] determines the reaction. The content of `into` is then
    /// undefined.
    fn next(&mut self, into: &mut Frame) -> Result<(), CameraError>;
}

/// Description of a source, as reported by the driver or file.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct SourceInfo {
    /// Display name: the card name, the file name or `demo`.
    pub name: String,
    /// Device node, file, or `pipewire:NODE`.
    pub path: Option<PathBuf>,
    /// Stable path, `/dev/v4l/by-id/...`, if available.
    pub id: Option<String>,
    /// Fourcc of the source's pixel format, for example `MJPG`.
    pub fourcc: String,
    /// Width and height delivered by the source, before scaling.
    pub native: (u32, u32),
    /// Frames per second, as reported by the driver or file.
    pub fps: f64,
}

/// Which source to open, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// `auto`, a device path, part of a name, a stable id, `pipewire`, `pipewire:NAME`, `file:PATH` or `demo`.
    pub device: String,
    /// Size of the delivered frames.
    pub size: Size,
    /// Frame rate requested from the driver.
    pub fps: u32,
    /// The only accepted fourcc of a webcam; `None` for the best.
    pub fourcc: Option<String>,
    /// Timeout of a frame. It is extended for webcams with less than four frames in this time.
    pub timeout: Duration,
}

/// Fourccs of the webcam formats that can be decoded.
pub const FOURCCS: [&str; 8] = ["MJPG", "JPEG", "YUYV", "UYVY", "NV12", "YU12", "YV12", "GREY"];

/// Opens the source selected by `settings`. It delivers frames of exactly `settings.size`: other sizes are scaled to
/// cover it and cropped to the centre.
///
/// [`select()`] chooses the camera. Files are looped at their own rate.
///
/// # Errors
/// If the source does not exist or can't be used; [`CameraError::recovery`] determines whether to retry.
pub fn open(settings: &Settings) -> Result<Box<dyn FrameSource>, CameraError> {
    match CameraSelector::parse(&settings.device) {
        CameraSelector::Demo => demo::open(settings.size, settings.fps),
        CameraSelector::File(path) => {
            let options =
                FileOptions { size: Some(settings.size), looped: true, paced: true, timeout: Some(settings.timeout) };
            file::open(&path, &options)
        }
        CameraSelector::PipeWire(wanted) => pipewire::open(wanted.as_deref(), settings),
        selector => {
            let path = path_of(&selector, settings)?;
            match select::node_name(&path) {
                Some(node) => pipewire::open(Some(node), settings),
                None => webcam::open(&path, settings),
            }
        }
    }
}

/// The device node that [`open`] would open, or `pipewire:NODE`; `None` if `settings` select no camera.
///
/// # Errors
/// If there is no such camera.
pub fn locate(settings: &Settings) -> Result<Option<PathBuf>, CameraError> {
    match CameraSelector::parse(&settings.device) {
        CameraSelector::Demo | CameraSelector::File(_) => Ok(None),
        selector => path_of(&selector, settings).map(Some),
    }
}

fn path_of(selector: &CameraSelector, settings: &Settings) -> Result<PathBuf, CameraError> {
    let selected = |cameras: &Cameras| select(settings, cameras).cloned();
    match selector {
        // A node that is not a camera is returned as well: opening it gives a precise error.
        CameraSelector::Node(path) if !links::is_by_id(path) => {
            path.canonicalize().map_err(|_| select::not_found(&settings.device, &scan()))
        }
        CameraSelector::PipeWire(_) => {
            let mut cameras = Cameras::default();
            list::add_pipewire(&mut cameras)?;
            Ok(selected(&cameras)?.path)
        }
        _ => {
            let mut cameras = list::scan_devices();
            match selected(&cameras) {
                Ok(device) if !device.is_infrared() || selector != &CameraSelector::Auto => Ok(device.path),
                _ => {
                    list::add_pipewire_or_log(&mut cameras);
                    Ok(selected(&cameras)?.path)
                }
            }
        }
    }
}
