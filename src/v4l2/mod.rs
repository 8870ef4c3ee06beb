//! The ioctls of V4L2 nodes, for cameras and for virtual cameras: calls that are checked, and what a node says of itself.

pub mod holders;

use std::{
    ffi::c_void,
    io, mem,
    os::fd::{AsRawFd, BorrowedFd},
};

use v4l::{
    v4l_sys::{
        V4L2_CAP_DEVICE_CAPS, V4L2_CAP_STREAMING, V4L2_CAP_VIDEO_CAPTURE, V4L2_CAP_VIDEO_CAPTURE_MPLANE,
        V4L2_CAP_VIDEO_OUTPUT, v4l2_buffer, v4l2_capability, v4l2_event, v4l2_event_subscription, v4l2_fmtdesc,
        v4l2_format, v4l2_frmivalenum, v4l2_frmsizeenum, v4l2_pix_format, v4l2_requestbuffers, v4l2_streamparm,
    },
    v4l2::{self, vidioc},
};

/// The card label of bgcam's virtual camera, shown by apps.
pub const LABEL: &str = "Virtual Background Cam";

/// Structs of the kernel's that are plain numbers.
///
/// # Safety
/// All zeroes must be a valid value, and no field may be a pointer that the kernel follows.
pub(crate) unsafe trait Plain: Copy {
    /// All zeroes.
    fn zeroed() -> Self {
        // SAFETY: the contract of this trait.
        unsafe { mem::zeroed() }
    }
}

macro_rules! plain {
    ($($kind:ty),*) => { $(
        // SAFETY: integers and unions of integers; a pointer in them counts only with memory types that we do not use.
        unsafe impl Plain for $kind {}
    )* };
}
plain!(
    v4l2_capability,
    v4l2_fmtdesc,
    v4l2_format,
    v4l2_pix_format,
    v4l2_frmsizeenum,
    v4l2_frmivalenum,
    v4l2_streamparm,
    v4l2_requestbuffers,
    v4l2_buffer,
    v4l2_event,
    v4l2_event_subscription,
    u32
);

/// Calls the driver; a signal in between is not an error.
///
/// # Panics
/// When `argument` is not of the size that `request` was defined with: a bug of ours.
pub(crate) fn ioctl<T: Plain>(fd: BorrowedFd<'_>, request: vidioc::_IOC_TYPE, argument: &mut T) -> io::Result<()> {
    // The size of the struct stands in 14 bits of the request.
    assert_eq!((request >> 16) as usize & 0x3fff, mem::size_of::<T>(), "ioctl {request:#x}");
    loop {
        // SAFETY: the argument is as large as the request says, writable, and holds no pointers (`Plain`).
        match unsafe { v4l2::ioctl(fd.as_raw_fd(), request, (&raw mut *argument).cast::<c_void>()) } {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// What a node says of itself.
#[derive(Debug)]
pub(crate) struct Caps {
    /// The driver's name.
    pub(crate) driver: String,
    /// The name for people.
    pub(crate) card: String,
    /// Where it is plugged in.
    pub(crate) bus: String,
    flags: u32,
}

impl Caps {
    /// Asks a node what it is; a file that is no V4L2 node gives `ENOTTY`.
    pub(crate) fn of(fd: BorrowedFd<'_>) -> io::Result<Self> {
        let mut caps = v4l2_capability::zeroed();
        ioctl(fd, vidioc::VIDIOC_QUERYCAP, &mut caps)?;
        // The capabilities of this node, where the driver knows the difference to those of the whole device.
        let own = caps.capabilities & V4L2_CAP_DEVICE_CAPS != 0;
        let flags = if own { caps.device_caps } else { caps.capabilities };
        Ok(Self { driver: text(&caps.driver), card: text(&caps.card), bus: text(&caps.bus_info), flags })
    }

    /// Whether it can be read from now, one plane after the other in one buffer.
    pub(crate) fn captures(&self) -> bool {
        self.flags & V4L2_CAP_VIDEO_CAPTURE != 0
    }

    /// Whether it is a camera that speaks only the multi-planar API, each plane in a buffer of its own.
    pub(crate) fn is_multi_planar(&self) -> bool {
        !self.captures() && self.flags & V4L2_CAP_VIDEO_CAPTURE_MPLANE != 0
    }

    /// Whether it can be written to now.
    pub(crate) fn outputs(&self) -> bool {
        self.flags & V4L2_CAP_VIDEO_OUTPUT != 0
    }

    /// Whether frames go through mapped buffers.
    pub(crate) fn streams(&self) -> bool {
        self.flags & V4L2_CAP_STREAMING != 0
    }

    /// Whether it is a v4l2loopback, ours or another.
    pub(crate) fn is_loopback(&self) -> bool {
        self.driver.starts_with("v4l2 loopback") || self.bus.contains("v4l2loopback")
    }
}

/// The four characters of a format; what is not printable shows as `?`.
pub(crate) fn spell(code: u32) -> String {
    let printable = |byte: u8| if byte.is_ascii_graphic() || byte == b' ' { byte as char } else { '?' };
    code.to_le_bytes().into_iter().map(printable).collect()
}

/// The text in a fixed field of the kernel's.
fn text(field: &[u8]) -> String {
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    String::from_utf8_lossy(&field[..end]).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn a_format_and_a_name_are_readable() {
        assert_eq!(spell(u32::from_le_bytes(*b"YU12")), "YU12");
        assert_eq!((spell(0).as_str(), spell(u32::from_le_bytes(*b"Y16 ")).as_str()), ("????", "Y16 "));
        assert_eq!(text(b"vivid\0garbage"), "vivid");
    }

    #[test]
    fn what_is_no_node_says_so() {
        let null = std::fs::File::open("/dev/null").unwrap();
        assert_eq!(Caps::of(null.as_fd()).unwrap_err().raw_os_error(), Some(libc::ENOTTY));
    }
}
