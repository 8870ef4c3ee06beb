//! Which source a device setting means.

use std::path::{Path, PathBuf};

use super::{
    CameraError,
    list::{Device, Scan},
};

/// What the setting says, before looking at the machine.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Wish {
    Auto,
    Demo,
    File(PathBuf),
    Node(PathBuf),
    /// A name or a part of it, or the last part of a `/dev/v4l/by-id` or `by-path` link.
    Name(String),
}

impl Wish {
    pub(super) fn parse(device: &str) -> Self {
        let device = device.trim();
        match device {
            "" | "auto" => Self::Auto,
            "demo" => Self::Demo,
            _ if device.starts_with("file:") => Self::File(device["file:".len()..].into()),
            _ if device.starts_with('/') => Self::Node(device.into()),
            _ => Self::Name(device.to_owned()),
        }
    }
}

/// Where a wished node may be, before names are compared.
pub(super) fn link(name: &str) -> Option<PathBuf> {
    if name.contains('/') {
        return None;
    }
    let folders = ["/dev/v4l/by-id", "/dev/v4l/by-path", "/dev"].map(Path::new);
    let is_node = |path: &PathBuf| path.exists() && (path.starts_with("/dev/v4l") || name.starts_with("video"));
    folders.iter().map(|folder| folder.join(name)).find(is_node)
}

/// The first camera that is none of v4l2loopback's, one with colour before one without: the infrared camera beside a
/// laptop's webcam is gray, and on some models comes first.
pub(super) fn first(scan: &Scan) -> Result<&Device, CameraError> {
    let real = || scan.devices.iter().filter(|device| !device.virtual_ && device.usable().0);
    let denied = || scan.denied.as_ref().map(|path| CameraError::Denied { device: path.display().to_string() });
    real()
        .find(|device| device.usable().1)
        .or_else(|| real().next())
        .ok_or_else(|| denied().unwrap_or(CameraError::NoCamera))
}

/// The camera whose name is `name`, or else the first whose name contains it, whatever the case; a real one before a
/// v4l2loopback, one that can be decoded before one that can't, and one with colour before one without.
///
/// A v4l2loopback has to be named in full, and our own output is never taken: the daemon would film itself.
pub(super) fn by_name<'a>(name: &str, scan: &'a Scan) -> Result<&'a Device, CameraError> {
    let wanted = name.to_lowercase();
    let rank = |device: &Device| {
        let found = device.name.to_lowercase();
        let meant = found == wanted || !device.virtual_ && found.contains(&wanted);
        let (decodable, colour) = device.usable();
        (meant && !device.is_own_output()).then_some((found != wanted, device.virtual_, !decodable, !colour))
    };
    let matching = scan.devices.iter().filter_map(|device| Some((rank(device)?, device)));
    matching.min_by_key(|(rank, _)| *rank).map(|(_, device)| device).ok_or_else(|| not_found(name, scan))
}

/// That there is no `device`, and what there is.
pub(super) fn not_found(device: &str, scan: &Scan) -> CameraError {
    let cameras = scan.devices.iter().filter(|device| !device.is_own_output());
    let there = cameras.map(|device| format!("{} ({})", device.name, device.path.display())).collect();
    CameraError::NotFound { device: device.to_owned(), there }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{camera::list::Format, sink::LABEL};

    fn device(number: u32, name: &str, fourcc: &str, virtual_: bool) -> Device {
        let format = Format { fourcc: fourcc.into(), size: "640x480".parse().unwrap(), rates: vec![30.0] };
        Device {
            name: name.into(),
            path: format!("/dev/video{number}").into(),
            id: None,
            driver: String::new(),
            bus: String::new(),
            virtual_,
            formats: vec![format],
        }
    }

    fn scan() -> Scan {
        let devices = vec![
            device(0, LABEL, "YUYV", true),
            device(1, "Capture card", "H264", false),
            device(2, "Integrated IR Camera", "GREY", false),
            device(4, "Integrated Camera: HD", "MJPG", false),
            device(5, "Logitech BRIO", "GREY", false),
            device(6, "Logitech BRIO", "YUYV", false),
            device(8, "OBS Virtual Camera", "YUYV", true),
        ];
        Scan { devices, denied: None }
    }

    #[test]
    fn settings_mean_what_they_say() {
        assert_eq!(Wish::parse("auto"), Wish::Auto);
        assert_eq!(Wish::parse(" "), Wish::Auto);
        assert_eq!(Wish::parse("demo"), Wish::Demo);
        assert_eq!(Wish::parse("file:a b.mp4"), Wish::File("a b.mp4".into()));
        assert_eq!(Wish::parse("/dev/video3"), Wish::Node("/dev/video3".into()));
        assert_eq!(Wish::parse("brio"), Wish::Name("brio".into()));
    }

    #[test]
    fn auto_takes_the_first_real_camera_with_colour() {
        assert_eq!(first(&scan()).unwrap().path, Path::new("/dev/video4"));
        let mut infrared = scan();
        infrared.devices.truncate(3);
        assert_eq!(first(&infrared).unwrap().path, Path::new("/dev/video2"));
        infrared.devices.truncate(2);
        assert!(matches!(first(&infrared), Err(CameraError::NoCamera)));
        infrared.denied = Some("/dev/video9".into());
        assert!(matches!(first(&infrared), Err(CameraError::Denied { device }) if device == "/dev/video9"));
    }

    #[test]
    fn a_part_of_a_name_is_enough() {
        let scan = scan();
        let path = |name| by_name(name, &scan).map(|device| device.path.clone());
        assert_eq!(path("brio").unwrap(), Path::new("/dev/video6"));
        assert_eq!(path("integrated camera: hd").unwrap(), Path::new("/dev/video4"));
        assert_eq!(path("ca").unwrap(), Path::new("/dev/video4")); // the first that gives what we can decode, in colour
        assert!(matches!(path("nikon"), Err(CameraError::NotFound { there, .. }) if there.len() == 6));
    }

    #[test]
    fn a_loopback_is_named_in_full_and_never_ours() {
        let mut scan = scan();
        let path = |name, scan: &Scan| by_name(name, scan).map(|device| device.path.clone()).ok();
        assert_eq!(path("obs virtual camera", &scan).unwrap(), Path::new("/dev/video8"));
        assert_eq!(path("obs", &scan), None);
        assert_eq!((path("background", &scan), path(LABEL, &scan)), (None, None));
        scan.devices.truncate(1);
        assert!(matches!(by_name("cam", &scan), Err(CameraError::NotFound { there, .. }) if there.is_empty()));
    }
}
