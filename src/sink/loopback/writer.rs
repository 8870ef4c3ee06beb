//! Writer of a virtual camera: one `write()` per frame, for v4l2loopback 0.12.7 to 0.15.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::{
        fd::AsFd,
        unix::fs::{FileTypeExt, OpenOptionsExt},
    },
    path::Path,
};

use tracing::{debug, info};

use super::ioctl;
use crate::{
    frame::{Frame, Size},
    sink::{FrameSink, SinkError, check_size},
    v4l2::{Caps, fourcc_text},
};

const DRIVER: &str = "v4l2 loopback";

/// A v4l2loopback device opened for writing; its size and format never change.
///
/// A writer works with all versions as follows: set the format and read it back, STREAMON (without it 0.12.7 loses
/// track of the writer; 0.14 and later return EINVAL, which is harmless), then one `write()` per whole frame. The
/// driver's `sizeimage` is unreliable: 0.12.7 rounds it up to a page.
#[derive(Debug)]
pub(in crate::sink) struct Loopback {
    name: String,
    file: File,
    size: Size,
}

impl Loopback {
    /// Opens the device at `path` for writing.
    ///
    /// # Errors
    /// If it does not exist, is not writable, is not a v4l2loopback device, has another writer, or is kept at another
    /// size by a reader.
    pub(in crate::sink) fn open(path: &Path, size: Size, rate: (u32, u32)) -> Result<Self, SinkError> {
        let name = path.display().to_string();
        let file = open_writable(path, &name)?;
        set_format(&file, &name, size)?;
        // Readers may change the rate, so a failure is not an error.
        if let Err(error) = ioctl::set_rate(file.as_fd(), rate) {
            debug!(device = name, %error, "rate not set");
        }
        match ioctl::stream_on(file.as_fd()) {
            Err(error) if error.raw_os_error() != Some(libc::EINVAL) => return Err(busy_or_open(&name, error)),
            _ => {}
        }
        Ok(Self { name, file, size })
    }
}

impl FrameSink for Loopback {
    fn name(&self) -> &str {
        &self.name
    }

    fn size(&self) -> Size {
        self.size
    }

    fn write(&mut self, frame: &Frame) -> Result<(), SinkError> {
        check_size(self, frame)?;
        loop {
            match self.file.write(frame.data()) {
                Ok(written) if written == frame.data().len() => return Ok(()),
                Ok(written) => {
                    let expected = frame.data().len();
                    return Err(SinkError::Short { device: self.name.clone(), written, expected });
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {
                    return Err(SinkError::Busy { device: self.name.clone() });
                }
                Err(source) => return Err(SinkError::Device { device: self.name.clone(), source }),
            }
        }
    }

    fn finish(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}

/// Opens the node and checks that it is a writable v4l2loopback device.
fn open_writable(path: &Path, name: &str) -> Result<File, SinkError> {
    let (file, caps) = open_node(path, name)?;
    match (caps.outputs(), caps.captures()) {
        (true, _) => Ok(file),
        (false, true) => Err(SinkError::Busy { device: name.to_owned() }),
        (false, false) => {
            recover(&file, name);
            drop(file);
            let (file, caps) = open_node(path, name)?;
            if caps.outputs() { Ok(file) } else { Err(SinkError::Stuck { device: name.to_owned() }) }
        }
    }
}

fn open_node(path: &Path, name: &str) -> Result<(File, Caps), SinkError> {
    let open_error = |source| SinkError::Open { name: name.to_owned(), source };
    let not_loopback = |found: String| SinkError::NotLoopback { device: name.to_owned(), found };
    if !fs::metadata(path).map_err(open_error)?.file_type().is_char_device() {
        return Err(not_loopback("a file or directory".to_owned()));
    }
    // Not with `v4l::Device`, which opens without O_CLOEXEC: an ffmpeg child would keep the camera open.
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)
        .map_err(|source| busy_or_open(name, source))?;
    let caps = match Caps::of(file.as_fd()) {
        Ok(caps) => caps,
        Err(error) if error.raw_os_error() == Some(libc::ENOTTY) => {
            return Err(not_loopback("not a video device".to_owned()));
        }
        Err(error) => return Err(open_error(error)),
    };
    if caps.driver != DRIVER {
        return Err(not_loopback(format!("{:?} of driver {}", caps.card, caps.driver)));
    }
    Ok((file, caps))
}

fn busy_or_open(name: &str, source: io::Error) -> SinkError {
    match source.raw_os_error() {
        Some(libc::EBUSY) => SinkError::Busy { device: name.to_owned() },
        _ => SinkError::Open { name: name.to_owned(), source },
    }
}

/// Recovers a 0.12.7 device whose last writer did not call STREAMON: it reports no capabilities and rejects every
/// format.
///
/// STREAMON marks this descriptor as a writer even if it fails, and closing a writer makes the device writable.
fn recover(file: &File, name: &str) {
    info!(device = name, "virtual camera was left stuck by its last writer; recovering it");
    for step in [ioctl::stream_on(file.as_fd()), ioctl::stream_off(file.as_fd())] {
        if let Err(error) = step {
            debug!(device = name, %error, "recovery of the virtual camera failed");
        }
    }
}

fn set_format(file: &File, name: &str, size: Size) -> Result<(), SinkError> {
    let (got, refused) = match ioctl::set_format(file.as_fd(), size) {
        Ok(got) => (got, false),
        // For another writer 0.15 returns EINVAL and 0.13 EBUSY; 0.13 also returns EBUSY while a reader keeps another
        // format.
        Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::EBUSY)) => {
            let busy = |_| SinkError::Busy { device: name.to_owned() };
            (ioctl::format(file.as_fd()).map_err(busy)?, true)
        }
        Err(source) => return Err(SinkError::Open { name: name.to_owned(), source }),
    };
    // 0.12.7 and 0.15 silently keep the format used by a reader.
    let ours = (size.width() as u32, size.height() as u32, ioctl::YU12);
    match (got.width, got.height, got.pixelformat) == ours {
        true if refused => Err(SinkError::Busy { device: name.to_owned() }),
        true => Ok(()),
        false => Err(SinkError::Format {
            device: name.to_owned(),
            asked: format!("{size} YU12"),
            got: format!("{}x{} {}", got.width, got.height, fourcc_text(got.pixelformat)),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_devices_are_rejected_unchanged() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let open = |path: &Path| Loopback::open(path, Size::HD, (30, 1)).expect_err("no virtual camera");
        assert!(matches!(open(file.path()), SinkError::NotLoopback { .. }));
        assert!(matches!(open(Path::new("/dev/null")), SinkError::NotLoopback { .. }));
        assert!(matches!(open(Path::new("/dev/video-none")), SinkError::Open { .. }));
    }
}
