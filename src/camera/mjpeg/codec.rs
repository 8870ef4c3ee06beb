//! Bindings to libjpeg-turbo, below the safe layer of the `turbojpeg` crate.
//!
//! That layer can't decode into existing planes, distinguish damage from harmless warnings, or decode without
//! allocation.

use std::ffi::{CStr, c_int};

use turbojpeg::raw;

use super::{CameraError, sanitize::sanitize};
use crate::{
    camera::convert::halve_rows,
    frame::{Frame, Size},
};

/// Maximum number of scans; more than any real progressive JPEG has. A malicious one has thousands, each costing a
/// pass over the image.
const MAX_SCANS: c_int = 100;

/// Maximum side in pixels.
const MAX_SIDE: c_int = 8192;

/// Maximum number of pixels; more than any webcam delivers.
const MAX_PIXELS: c_int = 1 << 25;

/// Decodes images of any size. Allocates only if an image is larger than all previous ones.
#[derive(Debug)]
pub(super) struct Codec {
    handle: Handle,
    /// The sanitized JPEG.
    jpeg: Vec<u8>,
    /// Planes whose layout differs from that of a frame.
    scratch: Vec<u8>,
}

#[derive(Debug)]
struct Handle(raw::tjhandle);

// SAFETY: a libjpeg-turbo handle is not tied to the thread that created it.
unsafe impl Send for Handle {}

impl Handle {
    /// Creates a decoder; `None` if it can't be allocated.
    fn new() -> Option<Self> {
        // SAFETY: no pointers; null means failure.
        let handle = unsafe { raw::tj3Init(raw::TJINIT_TJINIT_DECOMPRESS as c_int) };
        if handle.is_null() {
            return None;
        }
        // SAFETY: sets a numeric parameter of the handle; every limit is valid.
        unsafe { raw::tj3Set(handle, raw::TJPARAM_TJPARAM_SCANLIMIT as c_int, MAX_SCANS) };
        Some(Self(handle))
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: created by tj3Init, and destroyed once.
        unsafe { raw::tj3Destroy(self.0) }
    }
}

/// Size of an image, and of its decoded planes, which are rounded up to whole chroma samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) width: usize,
    pub(super) height: usize,
    luma: (usize, usize),
    chroma: (usize, usize),
    /// Horizontal and vertical chroma subsampling: 1, 2 or 4. `None` for grey.
    sampling: Option<(usize, usize)>,
}

impl Codec {
    /// Initially for images of `size`; `None` if the decoder can't be allocated.
    pub(super) fn new(size: Size) -> Option<Self> {
        let jpeg = Vec::with_capacity(size.luma_len());
        Some(Self { handle: Handle::new()?, jpeg, scratch: vec![0; 2 * size.luma_len()] })
    }

    /// Loads the image in `bytes` and returns its layout.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<Shape, CameraError> {
        sanitize(bytes, &mut self.jpeg)?;
        let handle = self.handle.0;
        // SAFETY: the buffer has the given length and is only read.
        let status = unsafe { raw::tj3DecompressHeader(handle, self.jpeg.as_ptr(), self.jpeg.len() as raw::size_t) };
        if status != 0 && self.is_damage() {
            // After a rejected header libjpeg-turbo keeps its state, and would reject all valid ones that follow.
            if let Some(fresh) = Handle::new() {
                self.handle = fresh;
            }
            return Err(CameraError::Corrupt("no JPEG header"));
        }
        self.shape()
    }

    /// The layout read from a header, if it is supported.
    fn shape(&self) -> Result<Shape, CameraError> {
        // SAFETY: reads a numeric parameter of the handle.
        let get = |parameter: raw::TJPARAM| unsafe { raw::tj3Get(self.handle.0, parameter as c_int) };
        let (width, height) = (get(raw::TJPARAM_TJPARAM_JPEGWIDTH), get(raw::TJPARAM_TJPARAM_JPEGHEIGHT));
        let is_side = |side| (1..=MAX_SIDE).contains(&side);
        if !is_side(width) || !is_side(height) || width * height > MAX_PIXELS {
            return Err(CameraError::Corrupt("JPEG of an unsupported size"));
        }
        let colours = get(raw::TJPARAM_TJPARAM_COLORSPACE) as raw::TJCS;
        let plain = [raw::TJCS_TJCS_YCbCr, raw::TJCS_TJCS_GRAY].contains(&colours);
        if !plain || get(raw::TJPARAM_TJPARAM_LOSSLESS) != 0 || get(raw::TJPARAM_TJPARAM_PRECISION) != 8 {
            return Err(CameraError::Corrupt("JPEG is not 8-bit YCbCr"));
        }
        let code = get(raw::TJPARAM_TJPARAM_SUBSAMP);
        let sampling = match code {
            raw::TJSAMP_TJSAMP_GRAY => None,
            raw::TJSAMP_TJSAMP_444 => Some((1, 1)),
            raw::TJSAMP_TJSAMP_422 => Some((2, 1)),
            raw::TJSAMP_TJSAMP_420 => Some((2, 2)),
            raw::TJSAMP_TJSAMP_440 => Some((1, 2)),
            raw::TJSAMP_TJSAMP_411 => Some((4, 1)),
            raw::TJSAMP_TJSAMP_441 => Some((1, 4)),
            _ => return Err(CameraError::Corrupt("JPEG with unknown chroma subsampling")),
        };
        let plane = |plane| {
            // SAFETY: arithmetic only; returns 0 for invalid sizes and codes.
            let (width, height) =
                unsafe { (raw::tj3YUVPlaneWidth(plane, width, code), raw::tj3YUVPlaneHeight(plane, height, code)) };
            (width as usize, height as usize)
        };
        let chroma = if sampling.is_some() { plane(1) } else { (0, 0) };
        Ok(Shape { width: width as usize, height: height as usize, luma: plane(0), chroma, sampling })
    }

    /// Decodes the loaded image of `shape` into `into`, which must not be wider or higher. Excess columns and rows on
    /// the right and bottom are dropped.
    pub(super) fn decode(&mut self, shape: &Shape, into: &mut Frame) -> Result<(), CameraError> {
        let size = into.size();
        debug_assert!(size.width() <= shape.width && size.height() <= shape.height);
        let (y, u, v) = into.planes_mut();
        let is_luma_direct = shape.luma == (size.width(), size.height());
        let is_chroma_direct = shape.sampling == Some((2, 2)) && shape.chroma == (size.width() / 2, size.height() / 2);
        let luma_len = if is_luma_direct { 0 } else { shape.luma.0 * shape.luma.1 };
        let chroma_len = if is_chroma_direct { 0 } else { shape.chroma.0 * shape.chroma.1 };
        let mut scratch = std::mem::take(&mut self.scratch);
        if scratch.len() < luma_len + 2 * chroma_len {
            scratch.resize(luma_len + 2 * chroma_len, 0);
        }
        let (luma, chroma) = scratch.split_at_mut(luma_len);
        let (cb, cr) = chroma.split_at_mut(chroma_len);
        let result = self.planes(
            [
                if is_luma_direct { &mut *y } else { &mut *luma },
                if is_chroma_direct { &mut *u } else { &mut *cb },
                if is_chroma_direct { &mut *v } else { &mut *cr },
            ],
            shape,
        );
        if result.is_ok() {
            if !is_luma_direct {
                crop(luma, shape.luma.0, y, size.width());
            }
            match shape.sampling {
                None => [u, v].into_iter().for_each(|plane| plane.fill(128)),
                Some(_) if is_chroma_direct => {}
                Some(sampling) => {
                    resample(cb, shape.chroma.0, sampling, u, size);
                    resample(cr, shape.chroma.0, sampling, v, size);
                }
            }
        }
        self.scratch = scratch;
        result
    }

    /// Decodes into planes of `shape`. Any data loss is an error.
    fn planes(&mut self, planes: [&mut [u8]; 3], shape: &Shape) -> Result<(), CameraError> {
        let sizes = [shape.luma, shape.chroma, shape.chroma];
        assert!(planes.iter().zip(sizes).all(|(plane, (width, rows))| plane.len() >= width * rows));
        let mut starts = planes.map(<[u8]>::as_mut_ptr);
        let mut strides = sizes.map(|(width, _)| width as c_int);
        // SAFETY: each plane has the length computed by libjpeg for `shape`, which was read from the same header;
        // grey writes only the first plane.
        let status = unsafe {
            raw::tj3DecompressToYUVPlanes8(
                self.handle.0,
                self.jpeg.as_ptr(),
                self.jpeg.len() as raw::size_t,
                starts.as_mut_ptr(),
                strides.as_mut_ptr(),
            )
        };
        if status != 0 && self.is_damage() { Err(CameraError::Corrupt("damaged or truncated JPEG")) } else { Ok(()) }
    }

    /// Whether libjpeg's warning means lost pixels.
    ///
    /// Stray bytes before a marker within the scan do no harm. libjpeg keeps only its first warning; that is one for
    /// missing data if the stray bytes are before the last marker. Stray bytes before restart markers are removed
    /// while sanitizing.
    fn is_damage(&self) -> bool {
        const HARMLESS: &[u8] = b"extraneous bytes before marker";
        // SAFETY: the handle is valid; the text is valid until the next call with it.
        let (code, text) = unsafe {
            let handle = self.handle.0;
            (raw::tj3GetErrorCode(handle) as raw::TJERR, CStr::from_ptr(raw::tj3GetErrorStr(handle)).to_bytes())
        };
        tracing::trace!("libjpeg: {}", String::from_utf8_lossy(text));
        code != raw::TJERR_TJERR_WARNING || !text.windows(HARMLESS.len()).any(|part| part == HARMLESS)
    }
}

/// Copies the left part of the first rows.
fn crop(from: &[u8], stride: usize, into: &mut [u8], width: usize) {
    for (from, into) in from.chunks_exact(stride).zip(into.chunks_exact_mut(width)) {
        into.copy_from_slice(&from[..width]);
    }
}

/// Converts chroma of any subsampling to 4:2:0, for a frame of `size` at the top left.
fn resample(from: &[u8], stride: usize, (across, down): (usize, usize), into: &mut [u8], size: Size) {
    let width = size.width() / 2;
    // Source rows and columns covered by one target sample: two if the source is finer.
    let covered = |index: usize, sampling: usize| match sampling {
        1 => (2 * index, 2 * index + 1),
        2 => (index, index),
        _ => (index / 2, index / 2),
    };
    for (y, into) in into.chunks_exact_mut(width).enumerate() {
        let (first, second) = covered(y, down);
        let (top, bottom) = (&from[first * stride..][..stride], &from[second * stride..][..stride]);
        if across == 2 {
            // 4:2:2, as sent by nearly all webcams.
            halve_rows(&top[..width], &bottom[..width], into);
            continue;
        }
        for (x, into) in into.iter_mut().enumerate() {
            let (left, right) = covered(x, across);
            let sum = [top[left], top[right], bottom[left], bottom[right]].map(u32::from).iter().sum::<u32>();
            *into = ((sum + 2) / 4) as u8;
        }
    }
}

#[cfg(test)]
impl Codec {
    /// Addresses of the buffers, so that tests can check that they are not reallocated.
    pub(super) fn buffers(&self) -> [*const u8; 2] {
        [self.jpeg.as_ptr(), self.scratch.as_ptr()]
    }
}
