//! Typed ioctls of a v4l2loopback writer.

use std::{io, os::fd::BorrowedFd};

use v4l::{
    v4l_sys::{self as sys, v4l2_pix_format, v4l2_streamparm},
    v4l2::vidioc,
};

use crate::{
    frame::Size,
    v4l2::{Plain, ioctl, pix_format},
};

/// `YU12`, planar YUV 4:2:0, as in `v4l2_pix_format::pixelformat`.
pub(super) const YU12: u32 = u32::from_le_bytes(*b"YU12");

const OUTPUT: u32 = sys::v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_OUTPUT;

/// Sets the output format and returns the driver's actual one.
pub(super) fn set_format(fd: BorrowedFd<'_>, size: Size) -> io::Result<v4l2_pix_format> {
    let mut pix = v4l2_pix_format::zeroed();
    pix.width = size.width() as u32;
    pix.height = size.height() as u32;
    pix.pixelformat = YU12;
    pix.field = sys::v4l2_field_V4L2_FIELD_NONE;
    pix.bytesperline = size.width() as u32;
    pix.sizeimage = size.i420_len() as u32;
    // As for webcams: sRGB colours, encoded as BT.601 limited range.
    pix.colorspace = sys::v4l2_colorspace_V4L2_COLORSPACE_SRGB;
    pix.priv_ = sys::V4L2_PIX_FMT_PRIV_MAGIC; // makes the driver read the fields below
    pix.__bindgen_anon_1.ycbcr_enc = sys::v4l2_ycbcr_encoding_V4L2_YCBCR_ENC_601;
    pix.quantization = sys::v4l2_quantization_V4L2_QUANTIZATION_LIM_RANGE;
    pix.xfer_func = sys::v4l2_xfer_func_V4L2_XFER_FUNC_SRGB;
    pix_format(fd, vidioc::VIDIOC_S_FMT, OUTPUT, pix).map(|(pix, _)| pix)
}

/// The driver's current output format.
pub(super) fn format(fd: BorrowedFd<'_>) -> io::Result<v4l2_pix_format> {
    pix_format(fd, vidioc::VIDIOC_G_FMT, OUTPUT, Plain::zeroed()).map(|(pix, _)| pix)
}

/// Sets the frame rate reported to readers.
pub(super) fn set_rate(fd: BorrowedFd<'_>, rate: (u32, u32)) -> io::Result<()> {
    let mut parm = v4l2_streamparm { type_: OUTPUT, ..Plain::zeroed() };
    parm.parm.output.timeperframe = sys::v4l2_fract { numerator: rate.1, denominator: rate.0 };
    ioctl(fd, vidioc::VIDIOC_S_PARM, &mut parm)
}

/// Starts streaming.
pub(super) fn stream_on(fd: BorrowedFd<'_>) -> io::Result<()> {
    ioctl(fd, vidioc::VIDIOC_STREAMON, &mut { OUTPUT })
}

/// Stops streaming.
pub(super) fn stream_off(fd: BorrowedFd<'_>) -> io::Result<()> {
    ioctl(fd, vidioc::VIDIOC_STREAMOFF, &mut { OUTPUT })
}
