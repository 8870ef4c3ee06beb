//! Who streams from a virtual camera, told by the driver itself: the client-usage event of v4l2loopback 0.13 and later.

use std::{
    fs::{File, OpenOptions},
    io, mem,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, RawFd},
        unix::fs::OpenOptionsExt,
    },
    path::Path,
};

use v4l::{
    v4l_sys::{V4L2_EVENT_PRIVATE_START, V4L2_EVENT_SUB_FL_SEND_INITIAL, v4l2_event, v4l2_event_subscription},
    v4l2::vidioc::_IOC_TYPE,
};

use crate::v4l2::{Plain, ioctl};

/// `V4L2_EVENT_PRI_CLIENT_USAGE` of `v4l2loopback.h`; its first 32 bits count the readers that stream: all of them in
/// 0.13, later 0 or 1.
const CLIENT_USAGE: u32 = V4L2_EVENT_PRIVATE_START + 0x08e0_0000 + 1;

/// `VIDIOC_DQEVENT` and `VIDIOC_SUBSCRIBE_EVENT` of `videodev2.h`, which the crate v4l leaves out.
const DQEVENT: _IOC_TYPE = 2 << 30 | (mem::size_of::<v4l2_event>() as _IOC_TYPE) << 16 | (b'V' as _IOC_TYPE) << 8 | 89;
const SUBSCRIBE_EVENT: _IOC_TYPE =
    1 << 30 | (mem::size_of::<v4l2_event_subscription>() as _IOC_TYPE) << 16 | (b'V' as _IOC_TYPE) << 8 | 90;

/// A subscription at one virtual camera, by a handle of its own that holds nothing.
#[derive(Debug)]
pub struct Usage {
    file: File,
    streaming: bool,
}

impl Usage {
    /// Subscribes at the node at `path`; `None` when its driver knows no such event.
    ///
    /// # Errors
    /// When the node can't be opened.
    pub fn subscribe(path: &Path) -> io::Result<Option<Self>> {
        let file = OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).open(path)?;
        let mut wish = v4l2_event_subscription::zeroed();
        (wish.type_, wish.flags) = (CLIENT_USAGE, V4L2_EVENT_SUB_FL_SEND_INITIAL);
        match ioctl(file.as_fd(), SUBSCRIBE_EVENT, &mut wish) {
            Ok(()) => Ok(Some(Self { file, streaming: false })),
            Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOTTY)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// To be waited on with `POLLPRI`.
    pub fn fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }

    /// Takes all news and says whether somebody streams.
    ///
    /// # Errors
    /// When the node is gone.
    pub fn streaming(&mut self) -> io::Result<bool> {
        while let Some(count) = next(self.file.as_fd())? {
            self.streaming = count > 0;
        }
        Ok(self.streaming)
    }
}

/// The count of the next event that waits.
fn next(fd: BorrowedFd<'_>) -> io::Result<Option<u32>> {
    let mut event = v4l2_event::zeroed();
    match ioctl(fd, DQEVENT, &mut event) {
        Ok(()) => {
            // SAFETY: the data of every event is 64 bytes, of which any bits are a value.
            let data = unsafe { event.u.data };
            Ok((event.type_ == CLIENT_USAGE).then(|| u32::from_ne_bytes([data[0], data[1], data[2], data[3]])))
        }
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
        Err(error) => Err(error),
    }
}
