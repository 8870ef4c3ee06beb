//! The cameras of this machine, with what each can do.

use std::{
    fs, io, panic,
    path::{Path, PathBuf},
};

use nokhwa::utils::ApiBackend;
use serde::Serialize;

use super::{negotiate::Pixel, v4l2::Node};
use crate::{frame::Size, sink::LABEL};

/// A node that gives frames.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Device {
    /// The name that the driver gives it, for people.
    pub name: String,
    /// The node, such as `/dev/video0`; may change from boot to boot.
    pub path: PathBuf,
    /// The link that stays, `/dev/v4l/by-id/...`, where udev has made one.
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
}

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

    /// Whether any format is one that we can decode, and whether one of these has colour.
    pub(super) fn usable(&self) -> (bool, bool) {
        let pixels = || self.formats.iter().filter_map(|format| Pixel::from_fourcc(&format.fourcc));
        (pixels().next().is_some(), pixels().any(|pixel| pixel != Pixel::Grey))
    }
}

/// Every camera that this process may open, in the order of the node numbers; never nodes for output or metadata only.
pub fn list() -> Vec<Device> {
    scan_with(|node| node.formats(None, |_| true)).devices
}

/// What a look around found.
#[derive(Debug, Default)]
pub(super) struct Scan {
    pub devices: Vec<Device>,
    /// A node that we were not allowed to open.
    pub denied: Option<PathBuf>,
}

/// Looks around for cameras, and only at those of their formats that can be decoded.
pub(super) fn scan() -> Scan {
    scan_with(|node| node.usable_formats(None))
}

fn scan_with(formats: impl Fn(&Node) -> io::Result<Vec<Format>>) -> Scan {
    let mut scan = Scan::default();
    for number in nodes() {
        let path = PathBuf::from(format!("/dev/video{number}"));
        match describe(&path, &formats) {
            Ok(device) => scan.devices.extend(device),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                scan.denied.get_or_insert(path);
            }
            Err(error) => tracing::debug!("passed over {}: {error}", path.display()),
        }
    }
    scan
}

/// What the node at `path` can do; `None` when it gives no frames.
fn describe(path: &Path, formats: impl Fn(&Node) -> io::Result<Vec<Format>>) -> io::Result<Option<Device>> {
    let node = Node::open(path)?;
    let caps = node.caps()?;
    if !(caps.captures() && caps.streams()) {
        return Ok(None);
    }
    Ok(Some(Device {
        virtual_: caps.is_loopback(),
        name: caps.card,
        path: path.to_owned(),
        id: stable_id(path),
        driver: caps.driver,
        bus: caps.bus,
        formats: formats(&node)?,
    }))
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

/// The link in `/dev/v4l/by-id` that leads to `path`.
pub(super) fn stable_id(path: &Path) -> Option<PathBuf> {
    let links = fs::read_dir("/dev/v4l/by-id").ok()?.flatten().map(|entry| entry.path());
    links.filter(|link| fs::canonicalize(link).is_ok_and(|target| target == path)).min()
}
