//! The ioctls that a writer needs, with their types.

use std::{
    io, mem,
    os::fd::{AsRawFd, BorrowedFd},
    ptr,
};

use v4l::{
    v4l_sys::{self as sys, v4l2_capability, v4l2_format, v4l2_pix_format, v4l2_streamparm},
    v4l2::{self, vidioc},
};

use crate::frame::Size;

/// `YU12`, planar YUV 4:2:0, as `v4l2_pix_format::pixelformat` has it.
pub(super) const YU12: u32 = u32::from_le_bytes(*b"YU12");

const OUTPUT: u32 = sys::v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_OUTPUT;

/// What a node says of itself.
#[derive(Debug)]
pub(super) struct Capabilities {
    /// The driver's name.
    pub(super) driver: String,
    /// The name for people.
    pub(super) card: String,
    /// It can be read from now.
    pub(super) capture: bool,
    /// It can be written to now.
    pub(super) output: bool,
}

/// # Safety
/// `arg` must be the struct that `request` was defined with.
unsafe fn call<T>(fd: BorrowedFd<'_>, request: vidioc::_IOC_TYPE, arg: &mut T) -> io::Result<()> {
    loop {
        // SAFETY: the caller pairs `request` with its struct, which is ours alone for the length of the call.
        match unsafe { v4l2::ioctl(fd.as_raw_fd(), request, ptr::from_mut(arg).cast()) } {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

/// Asks a node what it is; a file that is no V4L2 node gives `ENOTTY`.
pub(super) fn capabilities(fd: BorrowedFd<'_>) -> io::Result<Capabilities> {
    // SAFETY: plain integers and byte arrays, for which zero is a value.
    let mut caps: v4l2_capability = unsafe { mem::zeroed() };
    // SAFETY: QUERYCAP is defined with v4l2_capability.
    unsafe { call(fd, vidioc::VIDIOC_QUERYCAP, &mut caps)? };
    let text =
        |bytes: &[u8]| String::from_utf8_lossy(bytes.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned();
    Ok(Capabilities {
        driver: text(&caps.driver),
        card: text(&caps.card),
        capture: caps.device_caps & sys::V4L2_CAP_VIDEO_CAPTURE != 0,
        output: caps.device_caps & sys::V4L2_CAP_VIDEO_OUTPUT != 0,
    })
}

/// Sets the format of what we will write and returns what the driver made of it.
pub(super) fn set_format(fd: BorrowedFd<'_>, size: Size) -> io::Result<v4l2_pix_format> {
    // SAFETY: integers, byte arrays and unions of them, for which zero is a value.
    let (mut format, mut pix): (v4l2_format, v4l2_pix_format) = unsafe { (mem::zeroed(), mem::zeroed()) };
    pix.width = size.width() as u32;
    pix.height = size.height() as u32;
    pix.pixelformat = YU12;
    pix.field = sys::v4l2_field_V4L2_FIELD_NONE;
    pix.bytesperline = size.width() as u32;
    pix.sizeimage = size.i420_len() as u32;
    // What webcams say too: the colours of sRGB, encoded by BT.601 with limited range.
    pix.colorspace = sys::v4l2_colorspace_V4L2_COLORSPACE_SRGB;
    pix.priv_ = sys::V4L2_PIX_FMT_PRIV_MAGIC; // the fields below count only with it
    pix.__bindgen_anon_1.ycbcr_enc = sys::v4l2_ycbcr_encoding_V4L2_YCBCR_ENC_601;
    pix.quantization = sys::v4l2_quantization_V4L2_QUANTIZATION_LIM_RANGE;
    pix.xfer_func = sys::v4l2_xfer_func_V4L2_XFER_FUNC_SRGB;
    format.type_ = OUTPUT;
    format.fmt.pix = pix;
    // SAFETY: S_FMT is defined with v4l2_format.
    unsafe { call(fd, vidioc::VIDIOC_S_FMT, &mut format)? };
    // SAFETY: for this buffer type the driver fills in `pix`, and any bits are a value of it.
    Ok(unsafe { format.fmt.pix })
}

/// The format that the driver holds for writers.
pub(super) fn format(fd: BorrowedFd<'_>) -> io::Result<v4l2_pix_format> {
    // SAFETY: integers, byte arrays and unions of them, for which zero is a value.
    let mut format: v4l2_format = unsafe { mem::zeroed() };
    format.type_ = OUTPUT;
    // SAFETY: G_FMT is defined with v4l2_format.
    unsafe { call(fd, vidioc::VIDIOC_G_FMT, &mut format)? };
    // SAFETY: for this buffer type the driver fills in `pix`, and any bits are a value of it.
    Ok(unsafe { format.fmt.pix })
}

/// Tells the driver the rate, for readers who ask.
pub(super) fn set_rate(fd: BorrowedFd<'_>, rate: (u32, u32)) -> io::Result<()> {
    // SAFETY: integers and unions of them, for which zero is a value.
    let mut parm: v4l2_streamparm = unsafe { mem::zeroed() };
    parm.type_ = OUTPUT;
    parm.parm.output.timeperframe = sys::v4l2_fract { numerator: rate.1, denominator: rate.0 };
    // SAFETY: S_PARM is defined with v4l2_streamparm.
    unsafe { call(fd, vidioc::VIDIOC_S_PARM, &mut parm) }
}

/// Starts the stream.
pub(super) fn stream_on(fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: STREAMON is defined with an int, the buffer type.
    unsafe { call(fd, vidioc::VIDIOC_STREAMON, &mut { OUTPUT }) }
}

/// Stops the stream.
pub(super) fn stream_off(fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: STREAMOFF is defined with an int, the buffer type.
    unsafe { call(fd, vidioc::VIDIOC_STREAMOFF, &mut { OUTPUT }) }
}
