//! V4L2 capture nodes: enumerating formats, and setting format and rate.
//!
//! Uses the ioctl wrappers and structs of the `v4l` crate, but not its `Device` and `Format`: these panic on unknown
//! colour spaces, hide the YCbCr encoding, and leak the descriptor into child processes.

use std::{
    fs::OpenOptions,
    io,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
        unix::fs::OpenOptionsExt,
    },
    path::Path,
};

use v4l::{
    FourCC,
    v4l_sys::{
        V4L2_CAP_TIMEPERFRAME, v4l2_buf_type, v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_CAPTURE,
        v4l2_field_V4L2_FIELD_INTERLACED, v4l2_field_V4L2_FIELD_NONE, v4l2_fmtdesc, v4l2_fract, v4l2_frmivalenum,
        v4l2_frmivaltypes_V4L2_FRMIVAL_TYPE_DISCRETE, v4l2_frmsizeenum, v4l2_frmsizetypes_V4L2_FRMSIZE_TYPE_DISCRETE,
        v4l2_pix_format, v4l2_streamparm,
    },
    v4l2::vidioc,
};

use super::{
    field::Lines,
    format::{CaptureFormat, Pixel},
    negotiate::FormatRequest,
};
use crate::{
    frame::Size,
    v4l2::{Caps, Plain, fourcc_text, ioctl, pix_format},
};

/// Buffer type of a capture device.
pub(super) const CAPTURE: v4l2_buf_type = v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_CAPTURE;

/// Sizes to probe if a driver accepts a range.
const COMMON_SIZES: [(u32, u32); 9] =
    [(320, 240), (640, 360), (640, 480), (800, 600), (960, 540), (1280, 720), (1280, 960), (1920, 1080), (3840, 2160)];
/// Rates to probe if a driver accepts a range.
const COMMON_RATES: [f64; 7] = [60.0, 50.0, 30.0, 25.0, 15.0, 10.0, 5.0];
/// Maximum number of enumerated entries; protects against drivers that never end the list.
const MAX_ENTRIES: u32 = 256;

/// The format actually set by the driver.
#[derive(Debug, Clone, Copy)]
pub(super) struct ActualFormat {
    /// `None` if it cannot be decoded.
    pub pixel: Option<Pixel>,
    pub fourcc: FourCC,
    pub width: u32,
    pub height: u32,
    /// Bytes per row of the first plane.
    pub stride: usize,
    pub colorspace: u32,
    pub ycbcr_enc: u32,
    pub quantization: u32,
    /// Which lines the buffers contain.
    pub lines: Lines,
}

/// An open device node.
#[derive(Debug)]
pub(super) struct Node {
    fd: OwnedFd,
}

impl AsFd for Node {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Node {
    /// Opens it without blocking, with close-on-exec.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).open(path)?;
        Ok(Self { fd: file.into() })
    }

    pub(super) fn fd(&self) -> i32 {
        self.fd.as_raw_fd()
    }

    /// Calls the driver, and retries if interrupted by a signal.
    pub(super) fn ioctl<T: Plain>(&self, request: vidioc::_IOC_TYPE, argument: &mut T) -> io::Result<()> {
        ioctl(self.fd.as_fd(), request, argument)
    }

    pub(super) fn caps(&self) -> io::Result<Caps> {
        Caps::of(self.fd.as_fd())
    }

    /// All decodable formats with every size and rate; a range of sizes is probed with common sizes and `wanted`. All
    /// formats if none can be decoded.
    ///
    /// Enumerates no more than necessary: some drivers have sixty formats, and every query takes time.
    pub(super) fn usable_formats(&self, wanted: Option<Size>) -> io::Result<Vec<CaptureFormat>> {
        let usable = self.formats(wanted, |fourcc| Pixel::from_fourcc(fourcc).is_some())?;
        if usable.is_empty() { self.formats(wanted, |_| true) } else { Ok(usable) }
    }

    /// The formats whose fourcc passes `filter`, enumerated as in [`Node::usable_formats`].
    pub(super) fn formats(
        &self,
        wanted: Option<Size>,
        filter: impl Fn(&str) -> bool,
    ) -> io::Result<Vec<CaptureFormat>> {
        let entry = |index| v4l2_fmtdesc { index, type_: CAPTURE, ..Plain::zeroed() };
        let mut formats = Vec::new();
        for entry in entries(|index| self.filled(vidioc::VIDIOC_ENUM_FMT, entry(index)))? {
            let code = entry.pixelformat;
            if !filter(&fourcc_text(code)) {
                continue;
            }
            for size in self.sizes(code, wanted)? {
                formats.push(CaptureFormat { fourcc: fourcc_text(code), size, rates: self.rates(code, size)? });
            }
        }
        Ok(formats)
    }

    fn sizes(&self, code: u32, wanted: Option<Size>) -> io::Result<Vec<Size>> {
        let entry = |index| v4l2_frmsizeenum { index, pixel_format: code, ..Plain::zeroed() };
        let mut sizes = Vec::new();
        for entry in entries(|index| self.filled(vidioc::VIDIOC_ENUM_FRAMESIZES, entry(index)))? {
            // SAFETY: all fields of the union are integers; the type determines which one the driver has filled.
            let (size, range) = unsafe { (entry.__bindgen_anon_1.discrete, entry.__bindgen_anon_1.stepwise) };
            if entry.type_ == v4l2_frmsizetypes_V4L2_FRMSIZE_TYPE_DISCRETE {
                sizes.extend(Size::new(size.width, size.height).ok());
                continue;
            }
            // a continuous range is a stepwise range with steps of 1
            let fits = |side: u32, min: u32, max: u32, step: u32| {
                (min..=max).contains(&side) && (side - min).is_multiple_of(step.max(1))
            };
            let usual = COMMON_SIZES.iter().filter_map(|&(width, height)| Size::new(width, height).ok()).chain(wanted);
            sizes.extend(usual.filter(|size| {
                fits(size.width() as u32, range.min_width, range.max_width, range.step_width)
                    && fits(size.height() as u32, range.min_height, range.max_height, range.step_height)
            }));
            break;
        }
        sizes.sort_by_key(|size| (size.luma_len(), size.width()));
        sizes.dedup();
        Ok(sizes)
    }

    fn rates(&self, code: u32, size: Size) -> io::Result<Vec<f64>> {
        let (width, height) = (size.width() as u32, size.height() as u32);
        let entry = |index| v4l2_frmivalenum { index, pixel_format: code, width, height, ..Plain::zeroed() };
        let mut rates = Vec::new();
        for entry in entries(|index| self.filled(vidioc::VIDIOC_ENUM_FRAMEINTERVALS, entry(index)))? {
            // SAFETY: as in `sizes`.
            let (interval, range) = unsafe { (entry.__bindgen_anon_1.discrete, entry.__bindgen_anon_1.stepwise) };
            if entry.type_ == v4l2_frmivaltypes_V4L2_FRMIVAL_TYPE_DISCRETE {
                rates.extend(rate(interval));
                continue;
            }
            // the longest interval is the lowest rate
            let (low, high) = (rate(range.max).unwrap_or(0.0), rate(range.min).unwrap_or(f64::MAX));
            rates.extend(COMMON_RATES.iter().copied().filter(|rate| (low..=high).contains(rate)));
            break;
        }
        Ok(rates)
    }

    fn filled<T: Plain>(&self, request: vidioc::_IOC_TYPE, mut entry: T) -> io::Result<T> {
        self.ioctl(request, &mut entry).map(|()| entry)
    }

    /// Sets a format and returns the driver's actual one. Requests progressive frames, or else interlaced ones with
    /// both fields.
    pub(super) fn set_format(&self, request: &FormatRequest) -> io::Result<ActualFormat> {
        whole_frames(|field| self.set_field(request, field))
    }

    fn set_field(&self, request: &FormatRequest, field: u32) -> io::Result<ActualFormat> {
        let pix = v4l2_pix_format {
            width: request.size.width() as u32,
            height: request.size.height() as u32,
            pixelformat: code(&request.fourcc),
            field,
            ..Plain::zeroed()
        };
        let (pix, ycbcr_enc) = pix_format(self.fd.as_fd(), vidioc::VIDIOC_S_FMT, CAPTURE, pix)?;
        Ok(ActualFormat {
            pixel: Pixel::from_fourcc(&fourcc_text(pix.pixelformat)),
            fourcc: FourCC::from(pix.pixelformat),
            width: pix.width,
            height: pix.height,
            stride: pix.bytesperline as usize,
            colorspace: pix.colorspace,
            ycbcr_enc,
            quantization: pix.quantization,
            lines: Lines::of(pix.field),
        })
    }

    /// Requests a rate and returns the driver's actual one; `None` if the driver does not support it.
    pub(super) fn set_rate(&self, fps: f64) -> Option<f64> {
        let interval = if fps.fract() == 0.0 {
            v4l2_fract { numerator: 1, denominator: fps as u32 }
        } else {
            v4l2_fract { numerator: 1000, denominator: (fps * 1000.0).round() as u32 }
        };
        let mut parameters = v4l2_streamparm { type_: CAPTURE, ..Plain::zeroed() };
        parameters.parm.capture.timeperframe = interval;
        self.ioctl(vidioc::VIDIOC_S_PARM, &mut parameters).ok()?;
        // SAFETY: the driver has filled the field for this buffer type.
        let capture = unsafe { parameters.parm.capture };
        rate(capture.timeperframe).filter(|_| capture.capability & V4L2_CAP_TIMEPERFRAME != 0)
    }
}

/// Sets a format with progressive frames, or with interlaced ones if the driver answers with single fields.
fn whole_frames(mut set: impl FnMut(u32) -> io::Result<ActualFormat>) -> io::Result<ActualFormat> {
    let given = set(v4l2_field_V4L2_FIELD_NONE)?;
    match given.lines {
        Lines::SingleField => set(v4l2_field_V4L2_FIELD_INTERLACED),
        _ => Ok(given),
    }
}

/// Enumerates a driver's list. Some errors mark its end; others mean that the camera is disappearing.
fn entries<T>(mut entry: impl FnMut(u32) -> io::Result<T>) -> io::Result<Vec<T>> {
    let mut all = Vec::new();
    for index in 0..MAX_ENTRIES {
        match entry(index) {
            Ok(entry) => all.push(entry),
            // Past the last entry, no such list, or an empty one.
            Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOTTY | libc::ENODATA)) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(all)
}

fn rate(interval: v4l2_fract) -> Option<f64> {
    (interval.numerator > 0 && interval.denominator > 0)
        .then(|| f64::from(interval.denominator) / f64::from(interval.numerator))
}

fn code(fourcc: &str) -> u32 {
    fourcc.bytes().take(4).rev().fold(0, |code, byte| code << 8 | u32::from(byte))
}

#[cfg(test)]
mod tests {
    use v4l::v4l_sys::{v4l2_field_V4L2_FIELD_ALTERNATE, v4l2_field_V4L2_FIELD_BOTTOM};

    use super::*;

    #[test]
    fn a_list_ends_at_einval_but_not_when_the_camera_disappears() {
        let list = |errno: i32| {
            entries(move |index| if index < 3 { Ok(index) } else { Err(io::Error::from_raw_os_error(errno)) })
        };
        assert_eq!(list(libc::EINVAL).unwrap(), [0, 1, 2]);
        assert_eq!(list(libc::ENOTTY).unwrap(), [0, 1, 2]);
        assert_eq!(list(libc::ENODEV).unwrap_err().raw_os_error(), Some(libc::ENODEV));
        assert_eq!(entries(Ok).unwrap().len(), MAX_ENTRIES as usize);
    }

    #[test]
    fn interlaced_frames_are_requested_if_the_driver_would_send_single_fields() {
        // A TV card that never sends progressive frames: `answer` is its reply to such a request.
        let requested = |answer: u32| {
            let mut requests = Vec::new();
            let given = whole_frames(|field| {
                requests.push(field);
                let lines = Lines::of(if field == v4l2_field_V4L2_FIELD_NONE { answer } else { field });
                Ok(ActualFormat {
                    pixel: Some(Pixel::Yuyv),
                    fourcc: FourCC::new(b"YUYV"),
                    width: 720,
                    height: 576,
                    stride: 1440,
                    colorspace: 0,
                    ycbcr_enc: 0,
                    quantization: 0,
                    lines,
                })
            });
            (given.unwrap().lines, requests)
        };
        let (none, interlaced) = (v4l2_field_V4L2_FIELD_NONE, v4l2_field_V4L2_FIELD_INTERLACED);
        assert_eq!(requested(none), (Lines::Whole, vec![none]));
        assert_eq!(requested(interlaced), (Lines::Interlaced, vec![none]));
        for single in [v4l2_field_V4L2_FIELD_BOTTOM, v4l2_field_V4L2_FIELD_ALTERNATE] {
            assert_eq!(requested(single), (Lines::Interlaced, vec![none, interlaced]));
        }
    }
}
