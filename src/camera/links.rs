//! Stable udev links of cameras, and their owner if two cameras claim the same link.
//!
//! The colour and infrared cameras of a laptop are one USB device, and both claim its link in `/dev/v4l/by-id`. udev
//! assigns it to whichever it processes last, which may change at every reconnect. bgcam therefore treats the link as
//! a name of the device and selects its colour camera. The other camera can be selected by its link in
//! `/dev/v4l/by-path`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::device::{Device, UsbFunction};

const BY_ID: &str = "/dev/v4l/by-id";
const BY_PATH: &str = "/dev/v4l/by-path";

/// Whether `path` is a link that several cameras of a device may claim.
pub(super) fn is_by_id(path: &Path) -> bool {
    path.starts_with(BY_ID)
}

/// Reads the USB function of the node at `path` from the system.
pub(super) fn function(path: &Path) -> UsbFunction {
    let node = Path::new("/sys/class/video4linux").join(path.file_name().unwrap_or_default());
    let read = |file: &str| fs::read_to_string(node.join(file)).unwrap_or_default().trim().to_owned();
    let links = [BY_ID, BY_PATH].into_iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten();
    let points_here = |link: &PathBuf| fs::canonicalize(link).is_ok_and(|target| target == path);
    let mut links: Vec<_> = links.map(|entry| entry.path()).filter(points_here).collect();
    links.sort();
    UsbFunction {
        name: read("device/interface"),
        interface: u8::from_str_radix(&read("device/bInterfaceNumber"), 16).ok(),
        index: read("index").parse().unwrap_or_default(),
        links,
    }
}

/// The camera among `devices` selected by a link in `/dev/v4l/by-id`.
pub(super) fn owner<'a>(link: &Path, devices: &'a [Device]) -> Option<&'a Device> {
    let target = devices.iter().find(|device| device.function.links.iter().any(|own| own == link))?;
    let claimants = devices.iter().filter(|device| claims_same_link(device, target));
    claimants.min_by_key(|device| (!device.is_readable(), device.is_infrared(), device.function.interface))
}

/// Whether both are cameras of one USB device that claim the same link.
fn claims_same_link(device: &Device, other: &Device) -> bool {
    let same_device = device.bus == other.bus && device.driver == other.driver && device.function.interface.is_some();
    device.path == other.path || same_device && device.function.index == other.function.index
}

/// The link that identifies only `device`, regardless of which camera udev assigned the links to.
pub(super) fn stable_id(device: &Device, devices: &[Device]) -> Option<PathBuf> {
    let siblings = devices.iter().filter(|other| claims_same_link(device, other));
    let by_id: Vec<_> = siblings.flat_map(|sibling| &sibling.function.links).filter(|link| is_by_id(link)).collect();
    let is_own = |link: &&&PathBuf| owner(link, devices).is_some_and(|owner| owner.path == device.path);
    match by_id.iter().filter(is_own).min() {
        Some(link) => Some((*link).clone()),
        None if by_id.is_empty() => None,
        None => device.function.links.iter().filter(|link| link.starts_with(BY_PATH)).min().cloned(),
    }
}

/// A link of the node at `path` without knowledge of its siblings. The by-id link is used only if the node is not an
/// infrared camera, which may have taken it from its sibling.
pub(super) fn link_of(path: &Path, is_infrared: bool) -> Option<PathBuf> {
    let links = function(path).links;
    let is_its_own = |link: &&PathBuf| is_by_id(link) != is_infrared;
    links.iter().find(is_its_own).or(links.first()).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{camera::CaptureFormat, frame::Size};

    const ID: &str = "/dev/v4l/by-id/usb-Chicony_Integrated_Camera_0001-video-index0";

    /// A camera of a USB device with these links.
    fn camera(number: u32, name: &str, fourcc: &str, interface: u8, links: &[&str]) -> Device {
        Device {
            name: name.into(),
            path: format!("/dev/video{number}").into(),
            id: None,
            driver: "uvcvideo".into(),
            bus: "usb-0000:00:14.0-8".into(),
            virtual_: false,
            formats: vec![CaptureFormat { fourcc: fourcc.into(), size: Size::HD, rates: vec![30.0] }],
            function: UsbFunction {
                name: name.into(),
                interface: Some(interface),
                index: 0,
                links: links.iter().map(PathBuf::from).collect(),
            },
        }
    }

    /// The two cameras of a laptop; `infrared_has_link` is whether udev assigned the link to the infrared one.
    fn laptop(infrared_has_link: bool) -> [Device; 2] {
        let links = |path: &'static str, has: bool| if has { vec![ID, path] } else { vec![path] };
        let colour = links("/dev/v4l/by-path/pci-usb-0:8:1.0-video-index0", !infrared_has_link);
        let infrared = links("/dev/v4l/by-path/pci-usb-0:8:1.2-video-index0", infrared_has_link);
        [camera(0, "Integrated Camera", "MJPG", 0, &colour), camera(2, "Integrated IR Camera", "YUYV", 2, &infrared)]
    }

    #[test]
    fn a_shared_link_selects_the_colour_camera() {
        for infrared_has_link in [false, true] {
            let mut cameras = laptop(infrared_has_link);
            let ids = |cameras: &[Device]| cameras.iter().map(|camera| stable_id(camera, cameras)).collect::<Vec<_>>();
            let expected = [ID, "/dev/v4l/by-path/pci-usb-0:8:1.2-video-index0"].map(|id| Some(PathBuf::from(id)));
            assert_eq!(ids(&cameras), expected, "{infrared_has_link}");
            assert_eq!(owner(Path::new(ID), &cameras).unwrap().name, "Integrated Camera");
            cameras.reverse();
            assert_eq!(owner(Path::new(ID), &cameras).unwrap().name, "Integrated Camera");
        }
    }

    #[test]
    fn formats_and_interfaces_distinguish_equal_names() {
        let mut cameras = laptop(true);
        cameras.iter_mut().for_each(|camera| (camera.name, camera.function.name) = ("Cam".into(), "Cam".into()));
        assert_eq!(owner(Path::new(ID), &cameras).unwrap().function.interface, Some(0));
        cameras[0].function.interface = Some(4);
        assert_eq!(owner(Path::new(ID), &cameras).unwrap().function.interface, Some(2), "the lower interface");
        cameras[1].formats[0].fourcc = "GREY".into();
        assert_eq!(owner(Path::new(ID), &cameras).unwrap().function.interface, Some(4), "the one with colour");
    }

    #[test]
    fn separate_devices_keep_their_own_links() {
        let mut cameras = laptop(true);
        cameras[0].bus = "usb-0000:00:14.0-3".into();
        assert_eq!(owner(Path::new(ID), &cameras).unwrap().name, "Integrated IR Camera", "an infrared camera alone");
        assert_eq!(stable_id(&cameras[0], &cameras), None);
        assert_eq!(stable_id(&cameras[1], &cameras), Some(ID.into()));
        cameras[0].bus = cameras[1].bus.clone();
        cameras[0].function.index = 1;
        assert_eq!(owner(Path::new(ID), &cameras).unwrap().name, "Integrated IR Camera", "another index, another link");
        assert!(owner(Path::new("/dev/v4l/by-id/gone"), &cameras).is_none());
    }
}
