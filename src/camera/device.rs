//! Descriptions of cameras: names, locations and formats.

use std::path::PathBuf;

use serde::Serialize;

use super::{
    format::{CaptureFormat, Pixel},
    infrared,
};
use crate::v4l2::LABEL;

/// A capture device.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Device {
    /// Name reported by the driver, for display.
    pub name: String,
    /// Device node, for example `/dev/video0`, which may change at every boot; or `pipewire:NODE`, which is stable.
    pub path: PathBuf,
    /// Stable udev link: in `/dev/v4l/by-id`, or in `/dev/v4l/by-path` if another camera of the same USB device owns
    /// the former. [`super::select()`] also finds the camera by it after it is reconnected.
    pub id: Option<PathBuf>,
    /// Kernel driver, for example `uvcvideo`, or `pipewire`.
    pub driver: String,
    /// Bus location, for example `usb-0000:00:14.0-1`.
    pub bus: String,
    /// Whether it is a v4l2loopback device of bgcam or another program, except for relays of built-in cameras.
    #[serde(rename = "virtual")]
    pub virtual_: bool,
    /// All formats, including those that can't be decoded; empty for PipeWire cameras, which negotiate them.
    pub formats: Vec<CaptureFormat>,
    /// Distinguishes it from other cameras of the same USB device.
    #[serde(skip)]
    pub function: UsbFunction,
}

/// A camera's function within its USB device, as reported by udev and the device; empty for other devices.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UsbFunction {
    /// Name of this function, while [`Device::name`] may be truncated or that of the whole device.
    pub name: String,
    /// USB interface number.
    pub interface: Option<u8>,
    /// Index of the node within its interface; metadata nodes have a different one.
    pub index: u32,
    /// All udev links to it in `/dev/v4l/by-id` and `/dev/v4l/by-path`.
    pub links: Vec<PathBuf>,
}

/// Prefix of the settings that select a PipeWire camera, and [`Device::driver`] of these.
pub(super) const PIPEWIRE: &str = "pipewire";

/// The card label of the virtual camera that distributions feed from the built-in camera of Intel laptops.
const RELAY_LABEL: &str = "Intel MIPI Camera";

/// Whether a v4l2loopback device with this name is a relay of a real camera.
pub(super) fn is_relay(name: &str) -> bool {
    name == RELAY_LABEL
}

/// The cameras in PipeWire's graph.
#[derive(Debug, Default)]
pub(super) struct PipeWireCameras {
    /// Those that only PipeWire offers.
    pub devices: Vec<Device>,
    /// Webcams, which bgcam can also open directly.
    pub webcams: Vec<Device>,
}

/// A camera that bgcam cannot read with any settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unreadable {
    /// Name reported by the driver, for display.
    pub name: String,
    /// Device node.
    pub path: PathBuf,
    /// The reason, as a phrase that follows the name.
    pub why: &'static str,
}

/// Why a camera with the multi-planar API cannot be read.
pub(super) const MULTI_PLANAR: &str = "supports only the multi-planar API, which bgcam cannot read";

impl Device {
    /// Whether it is bgcam's own virtual camera.
    pub(super) fn is_own_output(&self) -> bool {
        self.virtual_ && self.name == LABEL
    }

    /// Whether it is a camera in PipeWire's graph.
    pub fn is_pipewire(&self) -> bool {
        self.driver == PIPEWIRE
    }

    /// Whether bgcam can decode any of its formats.
    pub fn is_readable(&self) -> bool {
        self.is_pipewire() || self.formats.iter().any(|format| Pixel::from_fourcc(&format.fourcc).is_some())
    }

    /// Whether it is an infrared camera for face login, judged by its name or by having only grey formats.
    pub fn is_infrared(&self) -> bool {
        infrared::is_named(&self.name, &self.function.name) || infrared::is_grey(&self.formats)
    }
}

/// The cameras of this machine.
#[derive(Debug, Clone, Default)]
pub struct Cameras {
    /// Cameras that can be opened, including virtual ones: devices in the order of their node numbers, then those that
    /// only PipeWire offers.
    pub devices: Vec<Device>,
    /// The webcams among `devices` as PipeWire shares them.
    pub shared: Vec<Device>,
    /// A node that could not be opened for lack of permission.
    pub denied: Option<PathBuf>,
    /// Cameras that can't be read.
    pub unreadable: Vec<Unreadable>,
}
