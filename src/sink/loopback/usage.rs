//! Reader detection with the client-usage event of v4l2loopback 0.13 and later.

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

/// `V4L2_EVENT_PRI_CLIENT_USAGE` of `v4l2loopback.h`. Its first 32 bits are the number of streaming readers: all of
/// them in 0.13, 0 or 1 in later versions.
const CLIENT_USAGE: u32 = V4L2_EVENT_PRIVATE_START + 0x08e0_0000 + 1;

/// `VIDIOC_DQEVENT` and `VIDIOC_SUBSCRIBE_EVENT` of `videodev2.h`, which the v4l crate lacks.
const DQEVENT: _IOC_TYPE = 2 << 30 | (mem::size_of::<v4l2_event>() as _IOC_TYPE) << 16 | (b'V' as _IOC_TYPE) << 8 | 89;
const SUBSCRIBE_EVENT: _IOC_TYPE =
    1 << 30 | (mem::size_of::<v4l2_event_subscription>() as _IOC_TYPE) << 16 | (b'V' as _IOC_TYPE) << 8 | 90;

/// An event subscription of a virtual camera, on a separate descriptor that does not count as a reader or writer.
#[derive(Debug)]
pub struct Usage {
    file: File,
    streaming: bool,
}

impl Usage {
    /// Subscribes to the node at `path`; `None` if its driver lacks the event.
    ///
    /// # Errors
    /// If the node can't be opened.
    pub fn subscribe(path: &Path) -> io::Result<Option<Self>> {
        let file = OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).open(path)?;
        let mut subscription = v4l2_event_subscription::zeroed();
        subscription.type_ = CLIENT_USAGE;
        subscription.flags = V4L2_EVENT_SUB_FL_SEND_INITIAL;
        match ioctl(file.as_fd(), SUBSCRIBE_EVENT, &mut subscription) {
            Ok(()) => Ok(Some(Self { file, streaming: false })),
            Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOTTY)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Descriptor to poll for `POLLPRI`.
    pub fn fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }

    /// Processes all pending events and returns whether there is a streaming reader.
    ///
    /// # Errors
    /// If the node is gone.
    pub fn streaming(&mut self) -> io::Result<bool> {
        while let Some(count) = next(self.file.as_fd())? {
            self.streaming = count > 0;
        }
        Ok(self.streaming)
    }
}

/// The count of the next pending event.
fn next(fd: BorrowedFd<'_>) -> io::Result<Option<u32>> {
    let mut event = v4l2_event::zeroed();
    match ioctl(fd, DQEVENT, &mut event) {
        Ok(()) => {
            // SAFETY: the event data are 64 bytes, for which all bit patterns are valid.
            let data = unsafe { event.u.data };
            Ok((event.type_ == CLIENT_USAGE).then(|| u32::from_ne_bytes([data[0], data[1], data[2], data[3]])))
        }
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
        Err(error) => Err(error),
    }
}
