//! Adds and removes virtual cameras through `/dev/v4l2loopback` (0.13 and later).
//!
//! Since 0.14 a virtual camera has one reader at a time, so a second app needs a second camera.

use std::{
    ffi::c_int,
    fs::{File, OpenOptions},
    io,
    os::fd::AsRawFd,
    path::{Path, PathBuf},
    ptr,
};

use super::list;
use crate::sink::SinkError;

const NODE: &str = "/dev/v4l2loopback";

/// `V4L2LOOPBACK_CTL_ADD` and `_REMOVE` of `v4l2loopback.h`; 0.15 has new numbers but still accepts these.
const ADD: libc::Ioctl = 0x4c80;
const REMOVE: libc::Ioctl = 0x4c81;

/// `struct v4l2_loopback_config` of `v4l2loopback.h` 0.13 to 0.15; zero selects the driver's default.
#[repr(C)]
#[derive(Debug, Default)]
struct Config {
    /// Negative for the next free number.
    output_nr: i32,
    unused: i32,
    label: [u8; 32],
    min_width: u32,
    max_width: u32,
    min_height: u32,
    max_height: u32,
    max_buffers: i32,
    max_openers: i32,
    debug: i32,
    /// 0 for exclusive capabilities, which browsers require.
    announce_all_caps: i32,
}

/// Adds a virtual camera with `label` and returns its node.
///
/// # Errors
/// If the label is empty or longer than 31 bytes, the driver is missing or too old, or permission is denied.
pub fn add(label: &str) -> Result<PathBuf, SinkError> {
    let mut config = Config { output_nr: -1, max_buffers: 4, ..Config::default() };
    if !(1..config.label.len()).contains(&label.len()) || label.bytes().any(|byte| byte < b' ') {
        return Err(SinkError::BadLabel { label: label.to_owned() });
    }
    config.label[..label.len()].copy_from_slice(label.as_bytes());
    let number = Request::Add(&config).send("create a virtual camera")?;
    Ok(format!("/dev/video{number}").into())
}

/// Removes the virtual camera at `path`.
///
/// # Errors
/// If it is not a virtual camera, it is in use, the driver is missing or too old, or permission is denied.
pub fn remove(path: &Path) -> Result<(), SinkError> {
    let have = list();
    if !have.iter().any(|device| device.path == path) {
        return Err(super::not_found(&super::LoopbackTarget::Path(path.to_owned()), &have));
    }
    let number = path.to_str().and_then(|path| path.strip_prefix("/dev/video")?.parse::<libc::c_long>().ok());
    let number = number.ok_or_else(|| super::not_found(&super::LoopbackTarget::Path(path.to_owned()), &have))?;
    Request::Remove(number).send("remove the virtual camera").map(|_| ())
}

/// A request to the driver.
enum Request<'a> {
    Add(&'a Config),
    /// Removes the device with this number.
    Remove(libc::c_long),
}

impl Request<'_> {
    /// Sends the request and returns the driver's answer; `doing` is its name in an error.
    fn send(self, doing: &'static str) -> Result<c_int, SinkError> {
        let file = open()?;
        let fd = file.as_raw_fd();
        // SAFETY: to add, the driver reads a struct of this layout and keeps no pointer to it; to remove, it takes a
        // number.
        let answer = unsafe {
            match self {
                Self::Add(config) => libc::ioctl(fd, ADD, ptr::from_ref(config)),
                Self::Remove(number) => libc::ioctl(fd, REMOVE, number),
            }
        };
        if answer < 0 { Err(failed(doing, io::Error::last_os_error())) } else { Ok(answer) }
    }
}

fn open() -> Result<File, SinkError> {
    OpenOptions::new().read(true).write(true).open(NODE).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound if !super::module_loaded() => SinkError::NoModule,
        io::ErrorKind::NotFound => SinkError::NoControl,
        _ => failed("open /dev/v4l2loopback", error),
    })
}

fn failed(doing: &'static str, source: io::Error) -> SinkError {
    SinkError::Control { doing, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_struct_has_the_driver_layout() {
        assert_eq!(size_of::<Config>(), 72);
        assert_eq!(std::mem::offset_of!(Config, announce_all_caps), 68);
    }

    #[test]
    fn labels_that_the_driver_would_truncate_are_rejected() {
        for label in ["", "a label of more than thirty-one bytes", "a\nb"] {
            assert!(matches!(add(label), Err(SinkError::BadLabel { .. })), "{label:?}");
        }
    }

    #[test]
    fn only_virtual_cameras_are_removed() {
        assert!(matches!(remove(Path::new("/dev/null")), Err(SinkError::NotFound { .. })));
    }
}
