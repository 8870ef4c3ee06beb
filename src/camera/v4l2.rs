//! A camera's V4L2 node: what it can do, and setting its format and rate.
//!
//! Built on the ioctl wrappers and structs of the `v4l` crate; its `Device` and `Format` above them panic on colour
//! spaces that they do not know, hide the YCbCr encoding, and leave the descriptor open in child processes.

use std::{
    fs::OpenOptions,
    io,
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::fs::OpenOptionsExt,
    },
    path::Path,
};

use v4l::{
    FourCC,
    v4l_sys::{
        V4L2_CAP_TIMEPERFRAME, v4l2_buf_type, v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_CAPTURE,
        v4l2_field_V4L2_FIELD_INTERLACED, v4l2_field_V4L2_FIELD_NONE, v4l2_fmtdesc, v4l2_format, v4l2_fract,
        v4l2_frmivalenum, v4l2_frmivaltypes_V4L2_FRMIVAL_TYPE_DISCRETE, v4l2_frmsizeenum,
        v4l2_frmsizetypes_V4L2_FRMSIZE_TYPE_DISCRETE, v4l2_pix_format, v4l2_streamparm,
    },
    v4l2::vidioc,
};

use super::{
    field::Lines,
    format::{Format, Pixel},
    negotiate::Choice,
};
use crate::{
    frame::Size,
    v4l2::{Caps, Plain, fourcc_text, ioctl},
};

/// The buffer type of a camera.
pub(super) const CAPTURE: v4l2_buf_type = v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_CAPTURE;

/// Sizes to look for where a driver takes any within bounds.
const USUAL_SIZES: [(u32, u32); 9] =
    [(320, 240), (640, 360), (640, 480), (800, 600), (960, 540), (1280, 720), (1280, 960), (1920, 1080), (3840, 2160)];
/// Rates to look for where a driver takes any within bounds.
const USUAL_RATES: [f64; 7] = [60.0, 50.0, 30.0, 25.0, 15.0, 10.0, 5.0];
/// More entries than any driver lists; ends the list of one that never says stop.
const MOST_ENTRIES: u32 = 256;

/// What the driver really set.
#[derive(Debug, Clone, Copy)]
pub(super) struct Given {
    /// `None` when it is one that we cannot decode.
    pub pixel: Option<Pixel>,
    pub fourcc: FourCC,
    pub width: u32,
    pub height: u32,
    /// Bytes from one row of the first plane to the next.
    pub stride: usize,
    pub colorspace: u32,
    pub ycbcr_enc: u32,
    pub quantization: u32,
    /// Which lines its buffers hold.
    pub lines: Lines,
}

/// An open device node.
#[derive(Debug)]
pub(super) struct Node {
    fd: OwnedFd,
}

impl Node {
    /// Opens it without waiting for anything, closed on exec.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).open(path)?;
        Ok(Self { fd: file.into() })
    }

    pub(super) fn fd(&self) -> i32 {
        self.fd.as_raw_fd()
    }

    /// Calls the driver; a signal in between is not an error.
    pub(super) fn ioctl<T: Plain>(&self, request: vidioc::_IOC_TYPE, argument: &mut T) -> io::Result<()> {
        ioctl(self.fd.as_fd(), request, argument)
    }

    pub(super) fn caps(&self) -> io::Result<Caps> {
        Caps::of(self.fd.as_fd())
    }

    /// The formats that can be decoded, with every size and rate, sizes within bounds as the usual ones and `wish`; all
    /// formats where none can be.
    ///
    /// Asks for no more than that: some drivers have sixty formats, and each answer takes its time.
    pub(super) fn usable_formats(&self, wish: Option<Size>) -> io::Result<Vec<Format>> {
        let usable = self.formats(wish, |fourcc| Pixel::from_fourcc(fourcc).is_some())?;
        if usable.is_empty() { self.formats(wish, |_| true) } else { Ok(usable) }
    }

    /// The formats that `of_use` picks by their four characters, as [`Node::usable_formats`] has them.
    pub(super) fn formats(&self, wish: Option<Size>, of_use: impl Fn(&str) -> bool) -> io::Result<Vec<Format>> {
        let entry = |index| v4l2_fmtdesc { index, type_: CAPTURE, ..Plain::zeroed() };
        let mut formats = Vec::new();
        for entry in entries(|index| self.filled(vidioc::VIDIOC_ENUM_FMT, entry(index)))? {
            let code = entry.pixelformat;
            if !of_use(&fourcc_text(code)) {
                continue;
            }
            for size in self.sizes(code, wish)? {
                formats.push(Format { fourcc: fourcc_text(code), size, rates: self.rates(code, size)? });
            }
        }
        Ok(formats)
    }

    fn sizes(&self, code: u32, wish: Option<Size>) -> io::Result<Vec<Size>> {
        let entry = |index| v4l2_frmsizeenum { index, pixel_format: code, ..Plain::zeroed() };
        let mut sizes = Vec::new();
        for entry in entries(|index| self.filled(vidioc::VIDIOC_ENUM_FRAMESIZES, entry(index)))? {
            if entry.type_ == v4l2_frmsizetypes_V4L2_FRMSIZE_TYPE_DISCRETE {
                // SAFETY: the type says which field of the union is set.
                let size = unsafe { entry.__bindgen_anon_1.discrete };
                sizes.extend(Size::new(size.width, size.height).ok());
                continue;
            }
            // SAFETY: as above; a continuous range is a stepwise one with steps of 1.
            let range = unsafe { entry.__bindgen_anon_1.stepwise };
            let fits = |side: u32, min: u32, max: u32, step: u32| {
                (min..=max).contains(&side) && (side - min).is_multiple_of(step.max(1))
            };
            let usual = USUAL_SIZES.iter().filter_map(|&(width, height)| Size::new(width, height).ok()).chain(wish);
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
            if entry.type_ == v4l2_frmivaltypes_V4L2_FRMIVAL_TYPE_DISCRETE {
                // SAFETY: the type says which field of the union is set.
                rates.extend(rate(unsafe { entry.__bindgen_anon_1.discrete }));
                continue;
            }
            // SAFETY: as above. The longest interval is the lowest rate.
            let range = unsafe { entry.__bindgen_anon_1.stepwise };
            let (low, high) = (rate(range.max).unwrap_or(0.0), rate(range.min).unwrap_or(f64::MAX));
            rates.extend(USUAL_RATES.iter().copied().filter(|rate| (low..=high).contains(rate)));
            break;
        }
        Ok(rates)
    }

    fn filled<T: Plain>(&self, request: vidioc::_IOC_TYPE, mut entry: T) -> io::Result<T> {
        self.ioctl(request, &mut entry).map(|()| entry)
    }

    /// Asks for a format and reads back what the driver made of it: whole pictures, or those of interlaced video, where the
    /// driver has either.
    pub(super) fn set_format(&self, choice: &Choice) -> io::Result<Given> {
        let given = self.set_field(choice, v4l2_field_V4L2_FIELD_NONE)?;
        match given.lines {
            Lines::Halves => self.set_field(choice, v4l2_field_V4L2_FIELD_INTERLACED),
            _ => Ok(given),
        }
    }

    fn set_field(&self, choice: &Choice, field: u32) -> io::Result<Given> {
        let mut format = v4l2_format { type_: CAPTURE, ..Plain::zeroed() };
        format.fmt.pix = v4l2_pix_format {
            width: choice.size.width() as u32,
            height: choice.size.height() as u32,
            pixelformat: code(&choice.fourcc),
            field,
            ..Plain::zeroed()
        };
        self.ioctl(vidioc::VIDIOC_S_FMT, &mut format)?;
        // SAFETY: the driver has filled in the field that belongs to the buffer type; all fields are integers.
        let (pix, ycbcr_enc) = unsafe { (format.fmt.pix, format.fmt.pix.__bindgen_anon_1.ycbcr_enc) };
        Ok(Given {
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

    /// Asks for a rate; returns the one that the driver set, `None` where it has no say in it.
    pub(super) fn set_rate(&self, fps: f64) -> Option<f64> {
        let interval = if fps.fract() == 0.0 {
            v4l2_fract { numerator: 1, denominator: fps as u32 }
        } else {
            v4l2_fract { numerator: 1000, denominator: (fps * 1000.0).round() as u32 }
        };
        let mut parameters = v4l2_streamparm { type_: CAPTURE, ..Plain::zeroed() };
        parameters.parm.capture.timeperframe = interval;
        self.ioctl(vidioc::VIDIOC_S_PARM, &mut parameters).ok()?;
        // SAFETY: the driver has filled in the field that belongs to the buffer type.
        let capture = unsafe { parameters.parm.capture };
        rate(capture.timeperframe).filter(|_| capture.capability & V4L2_CAP_TIMEPERFRAME != 0)
    }
}

/// All entries of a list of the driver's. Only some errors are the list's end; others are a camera that is going away.
fn entries<T>(mut entry: impl FnMut(u32) -> io::Result<T>) -> io::Result<Vec<T>> {
    let mut all = Vec::new();
    for index in 0..MOST_ENTRIES {
        match entry(index) {
            Ok(entry) => all.push(entry),
            // Behind the last one; there is no such list; it is empty.
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
    use super::*;

    #[test]
    fn a_list_ends_where_the_driver_says_so_and_not_where_the_camera_vanishes() {
        let list = |errno: i32| {
            entries(move |index| if index < 3 { Ok(index) } else { Err(io::Error::from_raw_os_error(errno)) })
        };
        assert_eq!(list(libc::EINVAL).unwrap(), [0, 1, 2]);
        assert_eq!(list(libc::ENOTTY).unwrap(), [0, 1, 2]);
        assert_eq!(list(libc::ENODEV).unwrap_err().raw_os_error(), Some(libc::ENODEV));
        assert_eq!(entries(Ok).unwrap().len(), MOST_ENTRIES as usize);
    }
}
