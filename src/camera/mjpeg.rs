//! Motion JPEG straight to I420 planes, through libjpeg-turbo.
//!
//! Calls libjpeg-turbo below the safe layer of the `turbojpeg` crate for three things that it does not have: planes
//! written in place, the difference between a damaged picture and a harmless warning, and no allocation on our side.

use std::ffi::{CStr, c_int};

use turbojpeg::raw;

use super::{CameraError, convert::halve_rows};
use crate::frame::{Frame, Size};

/// More scans than any progressive JPEG has; a hostile one has thousands, each of which costs a pass over the picture.
const MOST_SCANS: c_int = 100;

/// Decodes frames of one size.
#[derive(Debug)]
pub struct Mjpeg {
    handle: Handle,
    size: Size,
    /// Chroma of pictures that are not 4:2:0: two planes, each of at most the size of the luma.
    scratch: Box<[u8]>,
}

#[derive(Debug)]
struct Handle(raw::tjhandle);

// SAFETY: a libjpeg-turbo handle has no ties to the thread that made it.
unsafe impl Send for Handle {}

impl Handle {
    /// A new decoder; `None` when there is no memory for it.
    fn new() -> Option<Self> {
        // SAFETY: no arguments to get wrong; null means that it failed.
        let handle = unsafe { raw::tj3Init(raw::TJINIT_TJINIT_DECOMPRESS as c_int) };
        if handle.is_null() {
            return None;
        }
        // SAFETY: sets a number of the handle. It can't fail, as any limit is valid.
        unsafe { raw::tj3Set(handle, raw::TJPARAM_TJPARAM_SCANLIMIT as c_int, MOST_SCANS) };
        Some(Self(handle))
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: made by tj3Init and destroyed once.
        unsafe { raw::tj3Destroy(self.0) }
    }
}

/// How the chroma planes of a JPEG relate to its luma.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Subsampling {
    code: c_int,
    width: usize,
    height: usize,
}

impl Mjpeg {
    /// For frames of `size`; `None` when there is no memory for a decoder.
    pub fn new(size: Size) -> Option<Self> {
        Some(Self { handle: Handle::new()?, size, scratch: vec![0; 2 * size.luma_len()].into_boxed_slice() })
    }

    /// Writes the picture in `jpeg` to `into`, which has the size that this was made for. Levels stay those of the JPEG.
    ///
    /// # Errors
    /// [`CameraError::Corrupt`] when it is damaged, cut, of another size or of a kind that no camera sends.
    pub fn decode(&mut self, jpeg: &[u8], into: &mut Frame) -> Result<(), CameraError> {
        debug_assert_eq!(into.size(), self.size);
        let chroma = self.read_header(jpeg)?;
        let width = self.size.width();
        let (y, u, v) = into.planes_mut();
        if chroma.code == raw::TJSAMP_TJSAMP_GRAY {
            u.fill(128);
            v.fill(128);
            return self.planes(jpeg, [y, &mut [], &mut []], [width, 0, 0]);
        }
        if (chroma.width, chroma.height) == (width / 2, self.size.height() / 2) {
            return self.planes(jpeg, [y, u, v], [width, width / 2, width / 2]);
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        let (cb, cr) = scratch.split_at_mut(self.size.luma_len());
        let result = self.planes(jpeg, [y, cb, cr], [width, chroma.width, chroma.width]);
        if result.is_ok() {
            resample(cb, chroma, u, self.size);
            resample(cr, chroma, v, self.size);
        }
        self.scratch = scratch;
        result
    }

    /// Checks size and kind before a byte is decoded.
    fn read_header(&mut self, jpeg: &[u8]) -> Result<Subsampling, CameraError> {
        let handle = self.handle.0;
        // SAFETY: the buffer is as long as said, and only read.
        let status = unsafe { raw::tj3DecompressHeader(handle, jpeg.as_ptr(), jpeg.len() as raw::size_t) };
        if status != 0 && self.is_damage(jpeg) {
            // libjpeg-turbo stays in the midst of a header that it gave up, and would refuse each good one that follows.
            if let Some(fresh) = Handle::new() {
                self.handle = fresh;
            }
            return Err(CameraError::Corrupt("no JPEG header"));
        }
        // SAFETY: reads a number of the handle.
        let get = |parameter: raw::TJPARAM| unsafe { raw::tj3Get(handle, parameter as c_int) };
        let size = (get(raw::TJPARAM_TJPARAM_JPEGWIDTH), get(raw::TJPARAM_TJPARAM_JPEGHEIGHT));
        let (width, height) = (self.size.width() as c_int, self.size.height() as c_int);
        if size != (width, height) {
            return Err(CameraError::Corrupt("JPEG of another size"));
        }
        let colours = get(raw::TJPARAM_TJPARAM_COLORSPACE) as raw::TJCS;
        let plain = [raw::TJCS_TJCS_YCbCr, raw::TJCS_TJCS_GRAY].contains(&colours);
        if !plain || get(raw::TJPARAM_TJPARAM_LOSSLESS) != 0 || get(raw::TJPARAM_TJPARAM_PRECISION) != 8 {
            return Err(CameraError::Corrupt("JPEG is not 8 bit YCbCr"));
        }
        let code = get(raw::TJPARAM_TJPARAM_SUBSAMP);
        if code == raw::TJSAMP_TJSAMP_UNKNOWN {
            return Err(CameraError::Corrupt("JPEG with unknown chroma subsampling"));
        }
        // SAFETY: arithmetic only.
        let side =
            |plane| unsafe { (raw::tj3YUVPlaneWidth(plane, width, code), raw::tj3YUVPlaneHeight(plane, height, code)) };
        let chroma = if code == raw::TJSAMP_TJSAMP_GRAY { (0, 0) } else { side(1) };
        // Luma is rounded up to whole chroma samples: 66 columns of 4:1:1 are 68.
        if side(0) != size || chroma.0 * chroma.1 > width * height {
            return Err(CameraError::Corrupt("JPEG whose size does not suit its chroma subsampling"));
        }
        Ok(Subsampling { code, width: chroma.0 as usize, height: chroma.1 as usize })
    }

    /// Decodes into planes of the given strides. A picture that lost anything is an error.
    fn planes(&mut self, jpeg: &[u8], planes: [&mut [u8]; 3], strides: [usize; 3]) -> Result<(), CameraError> {
        let mut starts = planes.map(<[u8]>::as_mut_ptr);
        let mut strides = strides.map(|stride| stride as c_int);
        // SAFETY: `read_header` has seen that luma has our size and that chroma fits a frame's planes (4:2:0) or half of
        // the scratch (anything else); gray touches only the first plane.
        let status = unsafe {
            raw::tj3DecompressToYUVPlanes8(
                self.handle.0,
                jpeg.as_ptr(),
                jpeg.len() as raw::size_t,
                starts.as_mut_ptr(),
                strides.as_mut_ptr(),
            )
        };
        if status != 0 && self.is_damage(jpeg) { Err(CameraError::Corrupt("damaged or cut JPEG")) } else { Ok(()) }
    }

    /// Whether what libjpeg complains of costs pixels.
    ///
    /// Plenty of webcams put stray bytes before markers or odd numbers in the scan header, on every frame, and nothing is
    /// wrong with the picture. libjpeg keeps the first complaint only, so such a frame must also be whole.
    fn is_damage(&self, jpeg: &[u8]) -> bool {
        const HARMLESS: [&[u8]; 4] =
            [b"extraneous bytes before marker", b"Invalid SOS parameters", b"JFIF revision", b"Adobe color"];
        // SAFETY: the handle is alive; the text is valid until the next call with it.
        let (code, text) = unsafe {
            let handle = self.handle.0;
            (raw::tj3GetErrorCode(handle) as raw::TJERR, CStr::from_ptr(raw::tj3GetErrorStr(handle)).to_bytes())
        };
        let harmless = code == raw::TJERR_TJERR_WARNING
            && HARMLESS.iter().any(|known| text.windows(known.len()).any(|part| part == *known));
        let padding = jpeg.iter().rev().take_while(|byte| **byte == 0).count();
        !(harmless && jpeg[..jpeg.len() - padding].ends_with(&[0xff, 0xd9]))
    }
}

/// Chroma of any subsampling to that of 4:2:0.
fn resample(from: &[u8], shape: Subsampling, into: &mut [u8], size: Size) {
    let (width, height) = (size.width() / 2, size.height() / 2);
    if shape.width == width {
        // 4:2:2, as nearly all webcams send.
        for (rows, into) in from.chunks_exact(2 * width).zip(into.chunks_exact_mut(width)) {
            let (top, bottom) = rows.split_at(width);
            halve_rows(top, bottom, into);
        }
        return;
    }
    // The mean of the samples that a pixel of ours covers; one of them where ours are finer.
    let span = |index: usize, ours: usize, theirs: usize| {
        let start = index * theirs / ours;
        start..((index + 1) * theirs / ours).clamp(start + 1, theirs.max(start + 1))
    };
    for (y, into) in into.chunks_exact_mut(width).enumerate() {
        let rows = span(y, height, shape.height);
        for (x, into) in into.iter_mut().enumerate() {
            let columns = span(x, width, shape.width);
            let count = (rows.len() * columns.len()) as u32;
            let sum: u32 = rows
                .clone()
                .flat_map(|row| &from[row * shape.width..][columns.clone()])
                .map(|value| u32::from(*value))
                .sum();
            *into = ((sum + count / 2) / count) as u8;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use turbojpeg::{Compressor, Image, PixelFormat, Subsamp};

    use super::*;

    const KINDS: [Subsamp; 7] = [
        Subsamp::None,
        Subsamp::Sub2x1,
        Subsamp::Sub2x2,
        Subsamp::Gray,
        Subsamp::Sub1x2,
        Subsamp::Sub4x1,
        Subsamp::Sub1x4,
    ];

    /// A picture whose left half is orange and whose right half is blue, and the Y, U, V of both in full range.
    fn jpeg(size: Size, kind: Subsamp) -> Vec<u8> {
        let pixels: Vec<u8> = (0..size.luma_len())
            .flat_map(|at| if at % size.width() < size.width() / 2 { [230, 120, 20] } else { [30, 60, 200] })
            .collect();
        let (width, height) = (size.width(), size.height());
        let image = Image { pixels: &pixels[..], width, pitch: 3 * width, height, format: PixelFormat::RGB };
        let mut compressor = Compressor::new().unwrap();
        compressor.set_quality(95).unwrap();
        compressor.set_subsamp(kind).unwrap();
        compressor.compress_to_vec(image).unwrap()
    }
    const ORANGE: [u8; 3] = [141, 59, 191];
    const BLUE: [u8; 3] = [67, 203, 102];

    fn size(text: &str) -> Size {
        text.parse().unwrap()
    }

    fn decode(size: Size, bytes: &[u8]) -> Result<Frame, CameraError> {
        let mut frame = Frame::new(size);
        Mjpeg::new(size).unwrap().decode(bytes, &mut frame).map(|()| frame)
    }

    fn close(ours: [u8; 3], wanted: [u8; 3]) -> bool {
        ours.iter().zip(wanted).all(|(ours, wanted)| ours.abs_diff(wanted) <= 3)
    }

    #[test]
    fn every_subsampling_gives_the_same_picture() {
        for text in ["64x48", "66x50", "1280x720"] {
            let size = size(text);
            // Four columns or rows to a chroma sample do not go into 66x50.
            for kind in KINDS.into_iter().take(if text == "66x50" { 5 } else { 7 }) {
                let frame = decode(size, &jpeg(size, kind)).unwrap();
                let (y, u, v) = frame.planes();
                let pixel = |x: usize, row: usize| {
                    let chroma = row / 2 * size.width() / 2 + x / 2;
                    [y[row * size.width() + x], u[chroma], v[chroma]]
                };
                let gray = |[y, ..]: [u8; 3]| if kind == Subsamp::Gray { [y, 128, 128] } else { [0; 3] };
                for row in [0, size.height() / 2, size.height() - 1] {
                    let (left, right) = (pixel(2, row), pixel(size.width() - 3, row));
                    let wanted = if kind == Subsamp::Gray { (gray(ORANGE), gray(BLUE)) } else { (ORANGE, BLUE) };
                    assert!(close(left, wanted.0), "{text} {kind:?} {left:?}");
                    assert!(close(right, wanted.1), "{text} {kind:?} {right:?}");
                }
            }
        }
        for kind in &KINDS[5..] {
            assert!(matches!(decode(size("66x50"), &jpeg(size("66x50"), *kind)), Err(CameraError::Corrupt(_))));
        }
    }

    /// The same JPEG less the segments with `marker`.
    fn without_segments(jpeg: &[u8], marker: u8) -> Vec<u8> {
        let mut kept = jpeg[..2].to_vec();
        let mut at = 2;
        while jpeg[at + 1] != 0xda {
            let end = at + 2 + usize::from(u16::from_be_bytes([jpeg[at + 2], jpeg[at + 3]]));
            if jpeg[at + 1] != marker {
                kept.extend(&jpeg[at..end]);
            }
            at = end;
        }
        kept.extend(&jpeg[at..]);
        kept
    }

    #[test]
    fn huffman_tables_may_be_missing_as_uvc_allows() {
        let whole = jpeg(size("64x48"), Subsamp::Sub2x1);
        let bare = without_segments(&whole, 0xc4);
        assert!(bare.len() < whole.len() - 300);
        assert_eq!(decode(size("64x48"), &bare).unwrap().data(), decode(size("64x48"), &whole).unwrap().data());
    }

    #[test]
    fn stray_bytes_are_harmless_and_a_cut_is_not() {
        let whole = jpeg(size("640x480"), Subsamp::Sub2x1);
        let mut stray = whole[..whole.len() - 2].to_vec();
        stray.extend([0x12, 0x34, 0xff, 0xd9, 0, 0, 0]);
        assert_eq!(decode(size("640x480"), &stray).unwrap().data(), decode(size("640x480"), &whole).unwrap().data());
        for keep in [whole.len() - 20, whole.len() / 2, 700, 100, 3, 0] {
            assert!(matches!(decode(size("640x480"), &whole[..keep]), Err(CameraError::Corrupt(_))), "{keep}");
        }
    }

    #[test]
    fn a_damaged_header_does_not_spoil_the_frames_that_follow() {
        let whole = jpeg(size("64x48"), Subsamp::Sub2x1);
        let (mut decoder, mut frame) = (Mjpeg::new(size("64x48")).unwrap(), Frame::new(size("64x48")));
        let header = whole.windows(2).position(|marker| marker == [0xff, 0xda]).unwrap();
        for at in 0..header {
            let mut bad = whole.clone();
            bad[at] ^= 0x1f;
            let _ = decoder.decode(&bad, &mut frame);
            decoder.decode(&whole, &mut frame).unwrap_or_else(|error| panic!("after damage at {at}: {error}"));
        }
    }

    #[test]
    fn another_size_than_negotiated_is_refused() {
        assert!(matches!(
            decode(size("64x48"), &jpeg(size("128x96"), Subsamp::Sub2x2)),
            Err(CameraError::Corrupt("JPEG of another size"))
        ));
    }

    proptest! {
        #[test]
        fn damage_never_panics(at in 0..2000_usize, byte: u8, cut in 0..2000_usize, kind in 0..7_usize) {
            let mut bytes = jpeg(size("66x50"), KINDS[kind]);
            let len = bytes.len();
            bytes[at % len] = byte;
            bytes.truncate(len - cut % len);
            let _ = decode(size("66x50"), &bytes);
        }
    }
}
