//! Cameras as data: their names, places and formats.

use std::path::PathBuf;

use serde::Serialize;

use super::{
    format::{Format, Pixel},
    infrared,
};
use crate::v4l2::LABEL;

/// A node that gives frames.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Device {
    /// The name that the driver gives it, for people.
    pub name: String,
    /// The node, such as `/dev/video0`; may change from boot to boot.
    pub path: PathBuf,
    /// The link that stays, where udev has made one: in `/dev/v4l/by-id`, or in `/dev/v4l/by-path` where another camera
    /// in the same device has the former. [`super::select()`] finds the camera by it after a replug too.
    pub id: Option<PathBuf>,
    /// The kernel driver, such as `uvcvideo`.
    pub driver: String,
    /// Where it is plugged in, such as `usb-0000:00:14.0-1`.
    pub bus: String,
    /// Whether it is a v4l2loopback, ours or another program's.
    #[serde(rename = "virtual")]
    pub virtual_: bool,
    /// Every format that it offers, also those that bgcam cannot read.
    pub formats: Vec<Format>,
    /// What tells it from other cameras in the same USB device.
    #[serde(skip)]
    pub function: UsbFunction,
}

/// A camera's place in its USB device, as udev and the device itself name it; all empty for others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UsbFunction {
    /// The name of this camera alone, where [`Device::name`] may be cut off or that of the whole device.
    pub name: String,
    /// The number of its USB interface.
    pub interface: Option<u8>,
    /// The number of the node among those of its interface; metadata is another one.
    pub index: u32,
    /// All links of udev's that lead to it now, in `/dev/v4l/by-id` and `/dev/v4l/by-path`.
    pub links: Vec<PathBuf>,
}

/// A camera that bgcam cannot read, whatever the settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unreadable {
    /// The name that the driver gives it, for people.
    pub name: String,
    /// The node.
    pub path: PathBuf,
    /// Why, in a few words that follow its name.
    pub why: &'static str,
}

/// Why a camera with the multi-planar API cannot be read.
pub(super) const MULTI_PLANAR: &str = "speaks only the multi-planar API, which bgcam cannot read";

impl Device {
    /// Whether it is the virtual camera that we write to.
    pub(super) fn is_own_output(&self) -> bool {
        self.virtual_ && self.name == LABEL
    }

    /// Whether any format is one that bgcam can decode.
    pub fn is_readable(&self) -> bool {
        self.formats.iter().any(|format| Pixel::from_fourcc(&format.fourcc).is_some())
    }

    /// Whether it is an infrared camera, as laptops have for logging in: by its name, or because it sends gray only.
    pub fn is_infrared(&self) -> bool {
        infrared::is_named(&self.name, &self.function.name) || infrared::is_gray(&self.formats)
    }
}

/// The cameras of this machine.
#[derive(Debug, Clone, Default)]
pub struct Cameras {
    /// Those that can be opened, virtual ones too, in the order of the node numbers.
    pub devices: Vec<Device>,
    /// A node that we were not allowed to open.
    pub denied: Option<PathBuf>,
    /// Cameras that can't be read.
    pub unreadable: Vec<Unreadable>,
}
