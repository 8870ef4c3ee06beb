//! V4L2 ioctls for cameras and virtual cameras: checked calls and device capabilities.

pub mod holders;

use std::{
    ffi::c_void,
    io, mem,
    os::fd::{AsRawFd, BorrowedFd},
};

use v4l::{
    v4l_sys::{
        V4L2_CAP_DEVICE_CAPS, V4L2_CAP_STREAMING, V4L2_CAP_VIDEO_CAPTURE, V4L2_CAP_VIDEO_CAPTURE_MPLANE,
        V4L2_CAP_VIDEO_OUTPUT, v4l2_buf_type, v4l2_buffer, v4l2_capability, v4l2_event, v4l2_event_subscription,
        v4l2_fmtdesc, v4l2_format, v4l2_frmivalenum, v4l2_frmsizeenum, v4l2_pix_format, v4l2_requestbuffers,
        v4l2_streamparm,
    },
    v4l2::{self, vidioc},
};

/// The card label of bgcam's virtual camera, shown by apps.
pub const LABEL: &str = "Virtual Background Cam";

/// `V4L2_CAP_IO_MC`: the node is a part of a camera that only a media controller, such as libcamera, can set up.
const IO_MC: u32 = 0x2000_0000;

/// Kernel structs without pointers.
///
/// # Safety
/// All zeroes must be a valid value, and the kernel must not follow any pointer in it.
pub(crate) unsafe trait Plain: Copy {
    /// A value of all zeroes.
    fn zeroed() -> Self {
        // SAFETY: guaranteed by the contract of this trait.
        unsafe { mem::zeroed() }
    }
}

macro_rules! plain {
    ($($kind:ty),*) => { $(
        // SAFETY: integers and unions of integers; their pointer fields are used only with memory types that bgcam
        // never requests.
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

/// Calls the driver, and retries if interrupted by a signal.
///
/// # Panics
/// If the size of `argument` does not match `request`: a programming error.
pub(crate) fn ioctl<T: Plain>(fd: BorrowedFd<'_>, request: vidioc::_IOC_TYPE, argument: &mut T) -> io::Result<()> {
    // 14 bits of the request encode the size of the struct.
    assert_eq!((request >> 16) as usize & 0x3fff, mem::size_of::<T>(), "ioctl {request:#x}");
    loop {
        // SAFETY: the argument has the size encoded in the request, is writable, and holds no pointers (`Plain`).
        match unsafe { v4l2::ioctl(fd.as_raw_fd(), request, (&raw mut *argument).cast::<c_void>()) } {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Sets (`VIDIOC_S_FMT`) or gets (`VIDIOC_G_FMT`) the format of single-planar buffers of type `kind`. Returns the
/// driver's actual one, and its YCbCr encoding.
pub(crate) fn pix_format(
    fd: BorrowedFd<'_>,
    request: vidioc::_IOC_TYPE,
    kind: v4l2_buf_type,
    pix: v4l2_pix_format,
) -> io::Result<(v4l2_pix_format, u32)> {
    let mut format = v4l2_format { type_: kind, ..Plain::zeroed() };
    format.fmt.pix = pix;
    ioctl(fd, request, &mut format)?;
    // SAFETY: for these buffer types the driver fills `pix`; all its fields are integers.
    Ok(unsafe { (format.fmt.pix, format.fmt.pix.__bindgen_anon_1.ycbcr_enc) })
}

/// Capabilities of a device node.
#[derive(Debug)]
pub(crate) struct Caps {
    /// Driver name.
    pub(crate) driver: String,
    /// Display name of the device.
    pub(crate) card: String,
    /// Bus location.
    pub(crate) bus: String,
    flags: u32,
}

impl Caps {
    /// Queries a node; fails with `ENOTTY` for files that are not V4L2 nodes.
    pub(crate) fn of(fd: BorrowedFd<'_>) -> io::Result<Self> {
        let mut caps = v4l2_capability::zeroed();
        ioctl(fd, vidioc::VIDIOC_QUERYCAP, &mut caps)?;
        // The capabilities of this node, if the driver distinguishes them from those of the whole device.
        let own = caps.capabilities & V4L2_CAP_DEVICE_CAPS != 0;
        let flags = if own { caps.device_caps } else { caps.capabilities };
        Ok(Self { driver: text(&caps.driver), card: text(&caps.card), bus: text(&caps.bus_info), flags })
    }

    /// Whether it is a capture device with the single-planar API.
    pub(crate) fn captures(&self) -> bool {
        self.flags & V4L2_CAP_VIDEO_CAPTURE != 0
    }

    /// Whether it is a capture device with only the multi-planar API.
    pub(crate) fn is_multi_planar(&self) -> bool {
        !self.captures() && self.flags & V4L2_CAP_VIDEO_CAPTURE_MPLANE != 0
    }

    /// Whether it is a part of a camera that cannot capture by itself.
    pub(crate) fn is_camera_part(&self) -> bool {
        self.flags & IO_MC != 0
    }

    /// Whether it is an output device.
    pub(crate) fn outputs(&self) -> bool {
        self.flags & V4L2_CAP_VIDEO_OUTPUT != 0
    }

    /// Whether it supports streaming I/O with mapped buffers.
    pub(crate) fn streams(&self) -> bool {
        self.flags & V4L2_CAP_STREAMING != 0
    }

    /// Whether it is a v4l2loopback device.
    pub(crate) fn is_loopback(&self) -> bool {
        self.driver.starts_with("v4l2 loopback") || self.bus.contains("v4l2loopback")
    }
}

/// The four characters of a fourcc; unprintable ones become `?`.
pub(crate) fn fourcc_text(code: u32) -> String {
    let printable = |byte: u8| if byte.is_ascii_graphic() || byte == b' ' { byte as char } else { '?' };
    code.to_le_bytes().into_iter().map(printable).collect()
}

/// The text in a fixed-size C string.
fn text(field: &[u8]) -> String {
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    String::from_utf8_lossy(&field[..end]).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn fourccs_and_names_are_readable() {
        assert_eq!(fourcc_text(u32::from_le_bytes(*b"YU12")), "YU12");
        assert_eq!((fourcc_text(0).as_str(), fourcc_text(u32::from_le_bytes(*b"Y16 ")).as_str()), ("????", "Y16 "));
        assert_eq!(text(b"vivid\0garbage"), "vivid");
    }

    #[test]
    fn other_files_are_not_nodes() {
        let null = std::fs::File::open("/dev/null").unwrap();
        assert_eq!(Caps::of(null.as_fd()).unwrap_err().raw_os_error(), Some(libc::ENOTTY));
    }
}
