//! Tests whether a source works before switching to it.

use std::{fs::File, io, time::Instant};

use super::{CameraError, FOURCCS, Settings, list, locate, open, select};
use crate::{error::Recovery, frame::Frame};

/// Opens a source, reads one frame and closes it. This turns on a webcam's LED.
///
/// # Errors
/// As [`open`], and if no valid frame arrives within the timeout.
pub fn probe(settings: &Settings) -> Result<(), CameraError> {
    let mut source = open(settings)?;
    let mut frame = Frame::new(source.size());
    let deadline = Instant::now() + settings.timeout;
    loop {
        match source.next(&mut frame) {
            Ok(()) => return Ok(()),
            // The first frames of some webcams are damaged.
            Err(error) if error.recovery() == Recovery::SkipFrame && Instant::now() < deadline => {}
            Err(CameraError::Corrupt(why)) => {
                let (device, waited) = (settings.device.clone(), settings.timeout);
                return Err(CameraError::AllCorrupt { device, why, waited });
            }
            Err(error) => return Err(error),
        }
    }
}

/// Queries the capabilities of a webcam without starting it, so its LED stays off and it may be in use. Does nothing
/// for other sources.
///
/// # Errors
/// If the camera is missing, is not a camera, or has no decodable format allowed by `settings`.
pub fn inspect(settings: &Settings) -> Result<(), CameraError> {
    let Some(path) = locate(settings)? else { return Ok(()) };
    if select::node_name(&path).is_some() {
        return Ok(()); // its formats are known only when it is connected
    }
    let name = path.display().to_string();
    let cameras = list();
    if let Some(camera) = cameras.unreadable.into_iter().find(|camera| camera.path == path) {
        return Err(CameraError::Unreadable(camera));
    }
    let Some(device) = cameras.devices.into_iter().find(|device| device.path == path) else {
        let denied = File::open(&path).is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied);
        let why = "it is not a capture device".to_owned();
        let not_camera = CameraError::NotCapture { device: name.clone(), why };
        return Err(if denied { CameraError::Denied { device: name } } else { not_camera });
    };
    if device.is_own_output() {
        return Err(CameraError::NotCapture { device: name, why: "it is bgcam's own output".to_owned() });
    }
    let mut offered: Vec<String> = device.formats.into_iter().map(|format| format.fourcc).collect();
    offered.dedup();
    let usable = |code: &String| match &settings.fourcc {
        Some(wanted) => code == wanted,
        None => FOURCCS.contains(&code.as_str()),
    };
    if offered.iter().any(usable) {
        return Ok(());
    }
    let offered = if offered.is_empty() { "no format".to_owned() } else { offered.join(", ") };
    Err(CameraError::Unsupported { device: name, offered, wanted: settings.fourcc.clone() })
}

#[cfg(test)]
mod tests {
    use std::{fs, time::Duration};

    use super::*;
    use crate::frame::Size;

    fn settings(device: String) -> Settings {
        let size = Size::new(64, 48).unwrap();
        Settings { device, size, fps: 30, fourcc: None, timeout: Duration::from_secs(2) }
    }

    #[test]
    fn sources_without_frames_are_rejected() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        image::RgbImage::new(64, 48).save(path("room.png")).unwrap();
        fs::write(path("text.mp4"), "hello").unwrap();
        fs::write(path("empty.y4m"), "YUV4MPEG2 W64 H48 F30:1\n").unwrap();
        fs::write(path("cut.y4m"), "YUV4MPEG2 W64 H48 F30:1\nFRAME\n").unwrap();
        for good in ["demo".to_owned(), format!("file:{}", path("room.png"))] {
            probe(&settings(good)).unwrap();
        }
        for bad in ["text.mp4", "empty.y4m", "cut.y4m", "none.mp4", ""] {
            let device = format!("file:{}", path(bad));
            assert!(probe(&settings(device)).is_err(), "{bad:?} delivered a frame");
        }
        for bad in ["/dev/null", "/dev/no-such-camera", "http://127.0.0.1/camera", "no such camera"] {
            assert!(probe(&settings(bad.to_owned())).is_err(), "{bad} delivered a frame");
            assert!(inspect(&settings(bad.to_owned())).is_err(), "{bad} is a camera");
        }
    }
}
