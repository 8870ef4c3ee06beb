//! Lists the cameras of this machine and their formats.

use std::{
    fs, io, panic,
    path::{Path, PathBuf},
};

use super::{
    PipeWireError,
    device::{Cameras, Device, MULTI_PLANAR, Unreadable, is_relay},
    format::CaptureFormat,
    links, pipewire,
    v4l2::Node,
};
use crate::error::chain;
use nokhwa::utils::ApiBackend;

/// All cameras with all their formats, including those in PipeWire; excludes output and metadata nodes.
pub fn list() -> Cameras {
    let mut cameras = scan_with(|node| node.formats(None, |_| true));
    add_pipewire_or_log(&mut cameras);
    cameras
}

/// All cameras, each with only its decodable formats if it has any, including those in PipeWire.
pub fn scan() -> Cameras {
    let mut cameras = scan_devices();
    add_pipewire_or_log(&mut cameras);
    cameras
}

/// As [`scan`], without PipeWire.
pub(super) fn scan_devices() -> Cameras {
    scan_with(|node| node.usable_formats(None))
}

/// Adds the cameras in PipeWire.
pub(super) fn add_pipewire(cameras: &mut Cameras) -> Result<(), PipeWireError> {
    let found = pipewire::cameras()?;
    cameras.devices.extend(found.devices);
    cameras.shared.extend(found.webcams);
    Ok(())
}

/// Adds the cameras in PipeWire, if it runs.
pub(super) fn add_pipewire_or_log(cameras: &mut Cameras) {
    if let Err(error) = add_pipewire(cameras) {
        tracing::debug!("{}", chain(&error));
    }
}

fn scan_with(formats: impl Fn(&Node) -> io::Result<Vec<CaptureFormat>>) -> Cameras {
    let mut cameras = Cameras::default();
    for number in nodes() {
        let path = PathBuf::from(format!("/dev/video{number}"));
        if let Err(error) = describe(&path, &formats, &mut cameras) {
            if error.kind() == io::ErrorKind::PermissionDenied {
                cameras.denied.get_or_insert(path);
            } else {
                tracing::debug!("skipped {}: {error}", path.display());
            }
        }
    }
    let ids: Vec<_> = cameras.devices.iter().map(|device| links::stable_id(device, &cameras.devices)).collect();
    cameras.devices.iter_mut().zip(ids).for_each(|(device, id)| device.id = id);
    cameras
}

/// Adds the node at `path` to `cameras` if it is a capture device.
fn describe(
    path: &Path,
    formats: impl Fn(&Node) -> io::Result<Vec<CaptureFormat>>,
    cameras: &mut Cameras,
) -> io::Result<()> {
    let node = Node::open(path)?;
    let caps = node.caps()?;
    if caps.is_camera_part() {
        return Ok(());
    }
    if caps.is_multi_planar() && caps.streams() {
        cameras.unreadable.push(Unreadable { name: caps.card, path: path.to_owned(), why: MULTI_PLANAR });
    } else if caps.captures() && caps.streams() {
        cameras.devices.push(Device {
            virtual_: caps.is_loopback() && !is_relay(&caps.card),
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

/// Numbers of the video nodes, in order.
///
/// nokhwa is used only to list them: it does not report which ones capture, lacks UYVY and I420, converts to RGB,
/// allocates for every frame and waits for frames without a timeout. It also panics if a name in `/dev` starts with
/// `video` without a number after it, as links of udev rules may.
fn nodes() -> Vec<u32> {
    let names: Vec<_> = fs::read_dir("/dev").into_iter().flatten().flatten().map(|entry| entry.file_name()).collect();
    let number = |name: &str| name.strip_prefix("video").map(|rest| rest.parse::<u32>().ok());
    let safe = names.iter().all(|name| name.to_str().is_some_and(|name| number(name) != Some(None)));
    // Such a link may still appear between the check and the query.
    let query = || panic::catch_unwind(|| nokhwa::query(ApiBackend::Video4Linux)).ok()?.ok();
    let mut numbers: Vec<u32> = match safe.then(query).flatten() {
        Some(cameras) => cameras.iter().filter_map(|camera| camera.index().as_index().ok()).collect(),
        None => names.iter().filter_map(|name| number(name.to_str()?)?).collect(),
    };
    numbers.sort_unstable();
    numbers
}
