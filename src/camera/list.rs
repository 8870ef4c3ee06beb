//! The cameras of this machine, with what each can do.

use std::{
    fs, io, panic,
    path::{Path, PathBuf},
};

use nokhwa::utils::ApiBackend;
use serde::Serialize;

use super::{infrared, links, negotiate::Pixel, v4l2::Node};
use crate::{frame::Size, sink::LABEL};

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
    pub function: Function,
}

/// A camera's place in its USB device, as udev and the device itself name it; all empty for others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Function {
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

/// One pixel format at one size.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Format {
    /// The four characters of the pixel format.
    pub fourcc: String,
    /// Its size.
    pub size: Size,
    /// Frames a second that it can have; empty when the driver does not say.
    pub rates: Vec<f64>,
}

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

/// Every camera, with all its formats; never nodes for output or metadata only.
pub fn list() -> Cameras {
    scan_with(|node| node.formats(None, |_| true))
}

/// Every camera, and of its formats those that can be decoded, if there are any.
pub fn look_around() -> Cameras {
    scan_with(|node| node.usable_formats(None))
}

fn scan_with(formats: impl Fn(&Node) -> io::Result<Vec<Format>>) -> Cameras {
    let mut cameras = Cameras::default();
    for number in nodes() {
        let path = PathBuf::from(format!("/dev/video{number}"));
        if let Err(error) = describe(&path, &formats, &mut cameras) {
            if error.kind() == io::ErrorKind::PermissionDenied {
                cameras.denied.get_or_insert(path);
            } else {
                tracing::debug!("passed over {}: {error}", path.display());
            }
        }
    }
    let ids: Vec<_> = cameras.devices.iter().map(|device| links::stable_id(device, &cameras.devices)).collect();
    cameras.devices.iter_mut().zip(ids).for_each(|(device, id)| device.id = id);
    cameras
}

/// Adds the node at `path` to `cameras`, unless it gives no frames.
fn describe(path: &Path, formats: impl Fn(&Node) -> io::Result<Vec<Format>>, cameras: &mut Cameras) -> io::Result<()> {
    let node = Node::open(path)?;
    let caps = node.caps()?;
    if caps.is_multi_planar() && caps.streams() {
        cameras.unreadable.push(Unreadable { name: caps.card, path: path.to_owned(), why: MULTI_PLANAR });
    } else if caps.captures() && caps.streams() {
        cameras.devices.push(Device {
            virtual_: caps.is_loopback(),
            name: caps.card,
            path: path.to_owned(),
            id: None,
            driver: caps.driver,
            bus: caps.bus,
            formats: formats(&node)?,
            function: links::function(path),
        });
    }
    Ok(())
}

/// The numbers of the video nodes, in order.
///
/// nokhwa lists them, and that is all it can do for us: it does not say which of them capture, has no UYVY or I420 among
/// its formats, converts to RGB, allocates for each frame and waits for one without a time limit. It also panics where
/// the name of something in `/dev` starts with `video` and has no number behind it, which links made by udev rules have.
fn nodes() -> Vec<u32> {
    let names: Vec<_> = fs::read_dir("/dev").into_iter().flatten().flatten().map(|entry| entry.file_name()).collect();
    let number = |name: &str| name.strip_prefix("video").map(|rest| rest.parse::<u32>().ok());
    let safe = names.iter().all(|name| name.to_str().is_some_and(|name| number(name) != Some(None)));
    // Such a link may also appear just now.
    let query = || panic::catch_unwind(|| nokhwa::query(ApiBackend::Video4Linux)).ok()?.ok();
    let mut numbers: Vec<u32> = match safe.then(query).flatten() {
        Some(cameras) => cameras.iter().filter_map(|camera| camera.index().as_index().ok()).collect(),
        None => names.iter().filter_map(|name| number(name.to_str()?)?).collect(),
    };
    numbers.sort_unstable();
    numbers
}
