//! Resolves a device setting to a camera, for the daemon, `doctor` and `devices`.

use std::path::{Path, PathBuf};

use super::{
    CameraError, Settings,
    device::{Cameras, Device, PIPEWIRE},
    infrared, links, negotiate,
    pipewire_error::PipeWireError,
};

/// How much better, in octaves of pixels or frame rate, a camera must fit the settings to precede one with a lower
/// number: half as many pixels is far worse.
const FAR_BETTER: f64 = 1.0;

/// A parsed device setting.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum CameraSelector {
    Auto,
    Demo,
    File(PathBuf),
    Node(PathBuf),
    /// A camera in PipeWire: the preferred one, or the one with this name.
    PipeWire(Option<String>),
    /// A name or part of one, or the last component of a `/dev/v4l/by-id` or `by-path` link.
    Name(String),
}

impl CameraSelector {
    pub(super) fn parse(device: &str) -> Self {
        let device = device.trim();
        match device {
            "" | "auto" => Self::Auto,
            "demo" => Self::Demo,
            _ if device.starts_with("file:") => Self::File(device["file:".len()..].into()),
            PIPEWIRE => Self::PipeWire(None),
            _ if device.starts_with("pipewire:") => {
                let name = device["pipewire:".len()..].trim();
                Self::PipeWire((!name.is_empty()).then(|| name.to_owned()))
            }
            _ if device.starts_with('/') => Self::Node(device.into()),
            _ => Self::Name(device.to_owned()),
        }
    }
}

/// Selects a camera.
///
/// - `auto` is a real camera that bgcam can read. Colour precedes infrared, then a webcam a PipeWire camera, then a far
///   better fit for size and rate, then the lower number.
/// - A name or part of one selects in the same way among cameras with matching names; exact matches come first.
///   Infrared cameras are included if the setting mentions infrared. A v4l2loopback device must be named in full, and
///   bgcam's own output is never selected.
/// - A link in `/dev/v4l/by-id` selects the colour camera of that device, wherever udev points the link.
/// - `pipewire` selects a camera that only PipeWire offers, or else a webcam that PipeWire shares; `pipewire:NAME` the
///   one with this node name, or whose description is or contains it.
/// - A node, or a link in `/dev/v4l/by-path`, selects exactly that camera.
///
/// # Errors
/// If there is no such camera, or the setting selects no camera, as `demo` does.
pub fn select<'a>(settings: &Settings, cameras: &'a Cameras) -> Result<&'a Device, CameraError> {
    match CameraSelector::parse(&settings.device) {
        CameraSelector::Auto => automatic(settings, cameras),
        CameraSelector::Node(path) => by_path(&path, cameras).ok_or_else(|| {
            let unreadable = cameras.unreadable.iter().find(|camera| camera.path == path).cloned();
            unreadable.map_or_else(|| not_found(&settings.device, cameras), CameraError::Unreadable)
        }),
        CameraSelector::PipeWire(wanted) => Ok(in_pipewire(wanted.as_deref(), cameras)?),
        CameraSelector::Name(name) => match by_link_name(&name, cameras) {
            Some(device) => Ok(device),
            None => by_name(&name, settings, cameras),
        },
        CameraSelector::Demo | CameraSelector::File(_) => Err(not_found(&settings.device, cameras)),
    }
}

/// The best real camera.
fn automatic<'a>(settings: &Settings, cameras: &'a Cameras) -> Result<&'a Device, CameraError> {
    let mut real: Vec<_> = cameras.devices.iter().filter(|device| !device.virtual_ && device.is_readable()).collect();
    let rank = |device: &Device| (device.is_infrared(), device.is_pipewire());
    if let Some(first) = real.iter().map(|device| rank(device)).min() {
        real.retain(|device| rank(device) == first);
    }
    best(real, true, settings, cameras).ok_or_else(|| match (&cameras.denied, cameras.unreadable.first()) {
        (Some(path), _) => CameraError::Denied { device: path.display().to_string() },
        (None, Some(camera)) => CameraError::Unreadable(camera.clone()),
        (None, None) => CameraError::NoCamera,
    })
}

/// The camera in PipeWire named `wanted`, or the preferred one.
fn in_pipewire<'a>(wanted: Option<&str>, cameras: &'a Cameras) -> Result<&'a Device, PipeWireError> {
    let all = || cameras.devices.iter().filter(|device| device.is_pipewire()).chain(&cameras.shared);
    let Some(wanted) = wanted else {
        return all().min_by_key(|device| device.is_infrared()).ok_or(PipeWireError::NoCamera);
    };
    let rank = |device: &&Device| pipewire_rank(wanted, node_name(&device.path)?, &device.name);
    let found = all().filter(|device| rank(device).is_some()).min_by_key(rank);
    found.ok_or_else(|| PipeWireError::NotFound { wanted: wanted.to_owned(), available: all().map(label).collect() })
}

/// The node name in the path of a PipeWire camera.
pub(super) fn node_name(path: &Path) -> Option<&str> {
    path.to_str()?.strip_prefix("pipewire:")
}

/// How well a PipeWire node matches a name; lower is better.
pub(super) fn pipewire_rank(wanted: &str, node: &str, description: &str) -> Option<u8> {
    let (wanted, node, description) = (wanted.to_lowercase(), node.to_lowercase(), description.to_lowercase());
    match () {
        () if node == wanted => Some(0),
        () if description == wanted => Some(1),
        () if description.contains(&wanted) || node.contains(&wanted) => Some(2),
        () => None,
    }
}

/// A camera in a list of available ones.
fn label(device: &Device) -> String {
    format!("{} ({})", device.name, device.path.display())
}

/// The camera named `name`, or else one whose name contains it, ignoring case.
fn by_name<'a>(name: &str, settings: &Settings, cameras: &'a Cameras) -> Result<&'a Device, CameraError> {
    let wanted = name.to_lowercase();
    let rank = |device: &Device| {
        let found = device.name.to_lowercase();
        let is_match = found == wanted || !device.virtual_ && found.contains(&wanted);
        (is_match && !device.is_own_output()).then_some((
            found != wanted,
            device.virtual_,
            !device.is_readable(),
            device.is_pipewire(),
        ))
    };
    let first = cameras.devices.iter().filter_map(rank).min();
    let named = cameras.devices.iter().filter(|device| first.is_some() && rank(device) == first);
    let unreadable = || cameras.unreadable.iter().find(|camera| camera.name.to_lowercase().contains(&wanted));
    best(named.collect(), !infrared::is_named(name, ""), settings, cameras).ok_or_else(|| match unreadable() {
        Some(camera) => CameraError::Unreadable(camera.clone()),
        None => not_found(name, cameras),
    })
}

/// The best of some cameras: colour if `colour_first`, then a far better fit for the settings, then the first in its
/// device, then the device with the lowest node number.
fn best<'a>(
    mut devices: Vec<&'a Device>,
    colour_first: bool,
    settings: &Settings,
    cameras: &Cameras,
) -> Option<&'a Device> {
    if colour_first && devices.iter().any(|device| !device.is_infrared()) {
        devices.retain(|device| !device.is_infrared());
    }
    let cost = |device: &Device| cost(settings, device);
    let least = devices.iter().map(|device| cost(device)).min_by(f64::total_cmp)?;
    devices.retain(|device| cost(device) <= least + FAR_BETTER);
    devices.into_iter().min_by_key(|device| order(device, cameras))
}

/// Cost of a camera for these settings, in octaves; infinite if none of its formats can be used.
fn cost(settings: &Settings, device: &Device) -> f64 {
    let is_wanted = |fourcc: &str| settings.fourcc.as_deref().is_none_or(|wanted| wanted == fourcc);
    let formats: Vec<_> = device.formats.iter().filter(|format| is_wanted(&format.fourcc)).cloned().collect();
    negotiate::cost(&formats, settings.size, settings.fps).unwrap_or(f64::INFINITY)
}

/// Order of equally good cameras: by the lowest node number in their device, then by USB interface, which is stable
/// when a reconnect changes node numbers.
fn order(device: &Device, cameras: &Cameras) -> (u32, Option<u8>, u32) {
    let same_device = cameras.devices.iter().filter(|other| other.bus == device.bus);
    let first = same_device.map(number).min().unwrap_or_default();
    (first, device.function.interface, number(device))
}

fn number(device: &Device) -> u32 {
    let name = device.path.file_name().unwrap_or_default().to_string_lossy();
    name.trim_start_matches(|c: char| !c.is_ascii_digit()).parse().unwrap_or(u32::MAX)
}

/// The camera at a node or link.
fn by_path<'a>(path: &Path, cameras: &'a Cameras) -> Option<&'a Device> {
    let leads_to = |device: &&Device| device.path == path || device.function.links.iter().any(|link| link == path);
    if links::is_by_id(path) {
        return links::owner(path, &cameras.devices);
    }
    cameras.devices.iter().find(leads_to).or_else(|| {
        let node = path.canonicalize().ok()?;
        cameras.devices.iter().find(|device| device.path == node)
    })
}

/// The camera with `name` as the last component of its node or of a udev link.
fn by_link_name<'a>(name: &str, cameras: &'a Cameras) -> Option<&'a Device> {
    if name.contains('/') {
        return None;
    }
    let links = ["/dev/v4l/by-id", "/dev/v4l/by-path"].map(|folder| Path::new(folder).join(name));
    let node = name.starts_with("video").then(|| Path::new("/dev").join(name));
    links.iter().chain(&node).find_map(|path| by_path(path, cameras))
}

/// The error for a missing `device`, with the available cameras.
pub(super) fn not_found(device: &str, cameras: &Cameras) -> CameraError {
    let available = cameras.devices.iter().filter(|device| !device.is_own_output());
    let available = available.map(label).collect();
    CameraError::NotFound { device: device.to_owned(), available }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        camera::{
            device::{MULTI_PLANAR, Unreadable, UsbFunction},
            format::CaptureFormat,
        },
        frame::Size,
        sink::LABEL,
    };

    fn device(number: u32, name: &str, fourcc: &str, virtual_: bool) -> Device {
        let format = CaptureFormat { fourcc: fourcc.into(), size: "640x480".parse().unwrap(), rates: vec![30.0] };
        Device {
            name: name.into(),
            path: format!("/dev/video{number}").into(),
            id: None,
            driver: String::new(),
            bus: format!("usb-{number}"),
            virtual_,
            formats: vec![format],
            function: UsbFunction::default(),
        }
    }

    fn sized(number: u32, name: &str, fourcc: &str, size: &str) -> Device {
        let mut device = device(number, name, fourcc, false);
        device.formats[0].size = size.parse().unwrap();
        device
    }

    fn machine() -> Cameras {
        let devices = vec![
            device(0, LABEL, "YUYV", true),
            device(1, "Capture card", "H264", false),
            device(2, "Integrated IR Camera", "GREY", false),
            device(4, "Integrated Camera: HD", "MJPG", false),
            device(5, "Logitech BRIO", "GREY", false),
            device(6, "Logitech BRIO", "YUYV", false),
            device(8, "OBS Virtual Camera", "YUYV", true),
        ];
        Cameras { devices, ..Cameras::default() }
    }

    fn settings(device: &str) -> Settings {
        let timeout = std::time::Duration::from_secs(2);
        Settings { device: device.into(), size: Size::HD, fps: 30, fourcc: None, timeout }
    }

    /// The node number of the selected camera, or an error.
    fn selected(device: &str, cameras: &Cameras) -> Result<u32, CameraError> {
        select(&settings(device), cameras).map(number)
    }

    #[test]
    fn device_settings_are_parsed() {
        assert_eq!(CameraSelector::parse("auto"), CameraSelector::Auto);
        assert_eq!(CameraSelector::parse(" "), CameraSelector::Auto);
        assert_eq!(CameraSelector::parse("demo"), CameraSelector::Demo);
        assert_eq!(CameraSelector::parse("file:a b.mp4"), CameraSelector::File("a b.mp4".into()));
        assert_eq!(CameraSelector::parse("/dev/video3"), CameraSelector::Node("/dev/video3".into()));
        assert_eq!(CameraSelector::parse("brio"), CameraSelector::Name("brio".into()));
        assert_eq!(CameraSelector::parse("pipewire"), CameraSelector::PipeWire(None));
        assert_eq!(CameraSelector::parse("pipewire:"), CameraSelector::PipeWire(None));
        assert_eq!(CameraSelector::parse("pipewire: a b"), CameraSelector::PipeWire(Some("a b".into())));
    }

    #[test]
    fn auto_selects_the_first_real_colour_camera() {
        assert_eq!(selected("auto", &machine()).unwrap(), 4);
        let mut few = machine();
        few.devices.truncate(3);
        assert_eq!(selected("auto", &few).unwrap(), 2, "an infrared camera is better than none");
        few.devices.truncate(2);
        assert!(matches!(selected("auto", &few), Err(CameraError::NoCamera)));
        few.unreadable = vec![Unreadable { name: "ISP".into(), path: "/dev/video3".into(), why: MULTI_PLANAR }];
        let failure = crate::error::Failure::from(selected("auto", &few).unwrap_err());
        assert!(failure.message.contains("multi-planar") && failure.message.contains("/dev/video3"), "{failure}");
        for device in ["isp", "/dev/video3"] {
            assert!(matches!(selected(device, &few), Err(CameraError::Unreadable(_))), "{device}");
        }
        few.denied = Some("/dev/video9".into());
        assert!(matches!(selected("auto", &few), Err(CameraError::Denied { device }) if device == "/dev/video9"));
    }

    /// A laptop whose infrared camera comes first and has the same formats as its webcam.
    #[test]
    fn auto_skips_an_infrared_camera_with_any_format() {
        for fourcc in ["YUYV", "MJPG", "GREY"] {
            let infrared = sized(0, "Integrated IR Camera: Integrate", fourcc, "1280x720");
            let colour = sized(1, "Integrated Camera: Integrated C", "MJPG", "640x480");
            let both = Cameras { devices: vec![infrared, colour], ..Cameras::default() };
            assert_eq!(selected("auto", &both).unwrap(), 1, "{fourcc}");
            assert_eq!(selected("integrated", &both).unwrap(), 1, "{fourcc}");
            for named in ["/dev/video0", "Integrated IR Camera", "IR", "integrated ir camera: integrate"] {
                assert_eq!(selected(named, &both).unwrap(), 0, "{fourcc} {named}: explicitly selected");
            }
        }
        let sensor = sized(0, "FHD RGB-IR Camera", "MJPG", "1280x720");
        let both = Cameras { devices: vec![sensor, sized(1, "Other", "MJPG", "1280x720")], ..Cameras::default() };
        assert_eq!(selected("auto", &both).unwrap(), 0, "an RGB-IR sensor delivers colour");
    }

    fn pipewire_camera(node: &str, name: &str) -> Device {
        let path = format!("pipewire:{node}").into();
        Device { path, driver: PIPEWIRE.into(), formats: Vec::new(), ..device(0, name, "", false) }
    }

    #[test]
    fn pipewire_cameras_follow_webcams() {
        let path = |wanted: &str, cameras: &Cameras| {
            select(&settings(wanted), cameras).map(|device| device.path.display().to_string())
        };
        let mut cameras = machine();
        cameras.devices.push(pipewire_camera("libcamera.front", "Built-in Camera"));
        cameras.shared.push(pipewire_camera("v4l2.brio", "Logitech BRIO (V4L2)"));
        assert_eq!(path("auto", &cameras).unwrap(), "/dev/video4");
        assert_eq!(path("brio", &cameras).unwrap(), "/dev/video6");
        for wanted in ["built", "pipewire", "pipewire:libcamera.front", "pipewire:BUILT-IN camera", "pipewire:front"] {
            assert_eq!(path(wanted, &cameras).unwrap(), "pipewire:libcamera.front", "{wanted}");
        }
        assert_eq!(path("pipewire:brio", &cameras).unwrap(), "pipewire:v4l2.brio");
        let missing = path("pipewire:nikon", &cameras).unwrap_err();
        assert_eq!(missing.to_string(), "PipeWire camera \"nikon\" not found");
        cameras.devices.retain(|device| device.is_pipewire() || device.is_infrared());
        assert_eq!(path("auto", &cameras).unwrap(), "pipewire:libcamera.front", "colour precedes infrared");
        cameras.devices.clear();
        assert_eq!(path("pipewire", &cameras).unwrap(), "pipewire:v4l2.brio");
        assert!(matches!(path("auto", &cameras), Err(CameraError::NoCamera)));
        assert!(matches!(path("pipewire", &machine()), Err(CameraError::PipeWire(PipeWireError::NoCamera))));
    }

    #[test]
    fn a_far_better_fit_precedes_a_lower_number() {
        let cameras = |first: (&str, &str), second: (&str, &str)| Cameras {
            devices: vec![sized(0, "A", first.0, first.1), sized(1, "B", second.0, second.1)],
            ..Cameras::default()
        };
        assert_eq!(selected("auto", &cameras(("YUYV", "340x340"), ("MJPG", "1280x720"))).unwrap(), 1);
        assert_eq!(selected("auto", &cameras(("YUYV", "640x480"), ("MJPG", "1920x1080"))).unwrap(), 1);
        assert_eq!(selected("auto", &cameras(("MJPG", "1280x720"), ("YUYV", "1280x720"))).unwrap(), 0);
        assert_eq!(selected("auto", &cameras(("MJPG", "1280x960"), ("NV12", "1280x720"))).unwrap(), 0);
        assert_eq!(selected("auto", &cameras(("YUYV", "640x480"), ("YUYV", "640x480"))).unwrap(), 0);
        let wanted = Settings { fourcc: Some("YUYV".into()), ..settings("auto") };
        let some = cameras(("MJPG", "1280x720"), ("YUYV", "1280x720"));
        assert_eq!(number(select(&wanted, &some).unwrap()), 1, "the one with the configured format");
    }

    #[test]
    fn swapped_node_numbers_do_not_change_the_selection() {
        let mut cameras = Cameras {
            devices: vec![sized(3, "Cam", "MJPG", "1280x720"), sized(1, "Cam", "MJPG", "1280x720")],
            ..Cameras::default()
        };
        for (device, interface) in cameras.devices.iter_mut().zip([0, 2]) {
            device.bus = "usb-1".into();
            device.function.interface = Some(interface);
        }
        assert_eq!(selected("auto", &cameras).unwrap(), 3);
    }

    #[test]
    fn the_last_component_of_a_link_selects_the_webcam() {
        let mut cameras = machine();
        let id = "/dev/v4l/by-id/usb-Integrated-video-index0";
        for (device, interface) in cameras.devices[2..4].iter_mut().zip([2, 0]) {
            device.bus = "usb-7".into();
            device.function.interface = Some(interface);
        }
        cameras.devices[2].function.links = vec![id.into(), "/dev/v4l/by-path/pci-usb-0:1:1.2-video-index0".into()];
        for link in [id, "usb-Integrated-video-index0"] {
            assert_eq!(selected(link, &cameras).unwrap(), 4, "{link}");
        }
        for link in ["/dev/v4l/by-path/pci-usb-0:1:1.2-video-index0", "pci-usb-0:1:1.2-video-index0"] {
            assert_eq!(selected(link, &cameras).unwrap(), 2, "{link}");
        }
        assert!(matches!(selected("/dev/v4l/by-id/gone", &cameras), Err(CameraError::NotFound { .. })));
    }

    #[test]
    fn part_of_a_name_is_enough() {
        let cameras = machine();
        assert_eq!(selected("brio", &cameras).unwrap(), 6);
        assert_eq!(selected("integrated camera: hd", &cameras).unwrap(), 4);
        assert_eq!(selected("ca", &cameras).unwrap(), 4, "the first readable colour camera");
        assert!(
            matches!(selected("nikon", &cameras), Err(CameraError::NotFound { available, .. }) if available.len() == 6)
        );
    }

    #[test]
    fn a_loopback_must_be_named_in_full_and_own_output_is_excluded() {
        let mut cameras = machine();
        assert_eq!(selected("obs virtual camera", &cameras).unwrap(), 8);
        for name in ["obs", "background", LABEL] {
            assert!(selected(name, &cameras).is_err(), "{name}");
        }
        cameras.devices.truncate(1);
        assert!(
            matches!(selected("cam", &cameras), Err(CameraError::NotFound { available, .. }) if available.is_empty())
        );
    }
}
