//! More virtual cameras: made and removed through `/dev/v4l2loopback`, which 0.13 and later have.
//!
//! From 0.14 on one app at a time reads a virtual camera, so a second app needs a second one.

use std::{
    fs::{File, OpenOptions},
    io,
    os::fd::AsRawFd,
    path::{Path, PathBuf},
};

use super::list;
use crate::sink::SinkError;

const NODE: &str = "/dev/v4l2loopback";

/// `V4L2LOOPBACK_CTL_ADD` and `_REMOVE` of `v4l2loopback.h`; 0.15 has other numbers and knows these.
const ADD: libc::Ioctl = 0x4c80;
const REMOVE: libc::Ioctl = 0x4c81;

/// `struct v4l2_loopback_config` of `v4l2loopback.h` 0.13 to 0.15; zeroes stand for the driver's own choice.
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
    /// 0 for exclusive capabilities, which browsers want.
    announce_all_caps: i32,
}

/// Makes a virtual camera that apps show as `label`, and returns its node.
///
/// # Errors
/// When the label is empty or longer than 31 bytes, the driver is not there or too old, or we may not.
pub fn add(label: &str) -> Result<PathBuf, SinkError> {
    let mut config = Config { output_nr: -1, max_buffers: 4, ..Config::default() };
    if !(1..config.label.len()).contains(&label.len()) || label.bytes().any(|byte| byte < b' ') {
        return Err(SinkError::BadLabel { label: label.to_owned() });
    }
    config.label[..label.len()].copy_from_slice(label.as_bytes());
    let file = open()?;
    // SAFETY: the driver reads a struct of this layout, alive during the call, and keeps no pointer to it.
    let number = unsafe { libc::ioctl(file.as_raw_fd(), ADD, &raw const config) };
    if number < 0 {
        return Err(failed("make a virtual camera", io::Error::last_os_error()));
    }
    Ok(format!("/dev/video{number}").into())
}

/// Removes the virtual camera at `path`.
///
/// # Errors
/// When it is none, somebody has it open, the driver is not there or too old, or we may not.
pub fn remove(path: &Path) -> Result<(), SinkError> {
    let have = list();
    if !have.iter().any(|device| device.path == path) {
        return Err(super::not_found(&super::LoopbackTarget::Path(path.to_owned()), &have));
    }
    let number = path.to_str().and_then(|path| path.strip_prefix("/dev/video")?.parse::<libc::c_long>().ok());
    let number = number.ok_or_else(|| super::not_found(&super::LoopbackTarget::Path(path.to_owned()), &have))?;
    let file = open()?;
    // SAFETY: the argument is a number, no pointer.
    if unsafe { libc::ioctl(file.as_raw_fd(), REMOVE, number) } < 0 {
        return Err(failed("remove the virtual camera", io::Error::last_os_error()));
    }
    Ok(())
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
    fn the_struct_is_as_the_driver_has_it() {
        assert_eq!(size_of::<Config>(), 72);
        assert_eq!(std::mem::offset_of!(Config, announce_all_caps), 68);
    }

    #[test]
    fn a_label_that_the_driver_would_cut_is_refused() {
        for label in ["", "a label of more than thirty-one bytes", "a\nb"] {
            assert!(matches!(add(label), Err(SinkError::BadLabel { .. })), "{label:?}");
        }
    }

    #[test]
    fn what_is_no_virtual_camera_is_not_removed() {
        assert!(matches!(remove(Path::new("/dev/null")), Err(SinkError::NotFound { .. })));
    }
}
