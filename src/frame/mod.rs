//! Frames and masks: [`Size`], [`Frame`] (I420) and [`Mask`] (alpha), in preallocated shared buffers.

pub(crate) mod blend;
pub(crate) mod blur;
pub(crate) mod colour;
pub(crate) mod grid;
pub mod mailbox;
pub(crate) mod pyramid;
pub(crate) mod spread;
pub(crate) mod sync;

// not in the mailbox's own file, which tests/loom.rs compiles too
#[cfg(test)]
#[path = "mailbox/tests.rs"]
mod mailbox_tests;

pub use blend::crossfade;
use std::{fmt, str::FromStr, sync::Arc, time::Instant};

use serde::{Deserialize, Serialize};

/// Width and height in pixels; both even and 16 to 8192, so that 4:2:0 planes have whole samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Size {
    width: u32,
    height: u32,
}

/// An invalid frame size; the message is shown after the size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected WIDTHxHEIGHT with even numbers from 16 to 8192, for example 1280x720")]
pub struct BadSize;

impl Size {
    /// 1280x720, the default size.
    pub const HD: Self = Self { width: 1280, height: 720 };

    /// A size of `width` x `height` pixels.
    ///
    /// # Errors
    /// If a side is odd, below 16 or above 8192.
    pub fn new(width: u32, height: u32) -> Result<Self, BadSize> {
        let ok = |side: u32| (16..=8192).contains(&side) && side.is_multiple_of(2);
        if ok(width) && ok(height) { Ok(Self { width, height }) } else { Err(BadSize) }
    }

    /// Width in pixels.
    pub fn width(self) -> usize {
        self.width as usize
    }

    /// Height in pixels.
    pub fn height(self) -> usize {
        self.height as usize
    }

    /// Bytes of the luma plane, which is also the number of pixels.
    pub fn luma_len(self) -> usize {
        self.width() * self.height()
    }

    /// Bytes of one chroma plane.
    pub fn chroma_len(self) -> usize {
        self.luma_len() / 4
    }

    /// Bytes of a whole I420 frame.
    pub fn i420_len(self) -> usize {
        self.luma_len() + 2 * self.chroma_len()
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

impl FromStr for Size {
    type Err = BadSize;

    fn from_str(text: &str) -> Result<Self, BadSize> {
        let (width, height) = text.split_once(['x', 'X', '×']).ok_or(BadSize)?;
        let side = |s: &str| s.trim().parse::<u32>().map_err(|_| BadSize);
        Self::new(side(width)?, side(height)?)
    }
}

impl TryFrom<String> for Size {
    type Error = BadSize;

    fn try_from(text: String) -> Result<Self, BadSize> {
        text.parse()
    }
}

impl From<Size> for String {
    fn from(size: Size) -> Self {
        size.to_string()
    }
}

/// A colour in the native pixel format: BT.601, limited range (Y 16..=235, U and V 16..=240 around 128).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Yuv {
    pub y: u8,
    pub u: u8,
    pub v: u8,
}

impl Yuv {
    /// Limited-range black.
    pub const BLACK: Self = Self { y: 16, u: 128, v: 128 };

    /// Converts 8-bit sRGB to BT.601 limited range, in 16-bit fixed point, rounded to nearest.
    pub const fn from_rgb(red: u8, green: u8, blue: u8) -> Self {
        let (r, g, b) = (red as i32, green as i32, blue as i32);
        let y = (16_829 * r + 33_039 * g + 6_416 * b + (16 << 16) + (1 << 15)) >> 16;
        let u = (-9_714 * r - 19_070 * g + 28_784 * b + (128 << 16) + (1 << 15)) >> 16;
        let v = (28_784 * r - 24_103 * g - 4_681 * b + (128 << 16) + (1 << 15)) >> 16;
        Self { y: y as u8, u: u as u8, v: v as u8 }
    }
}

/// A video frame: planar YUV 4:2:0 (I420), BT.601 limited range, no row padding.
///
/// The three planes are contiguous, so a sink can write a frame in one call.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Sequence number from the camera; a gap means dropped frames.
    pub seq: u64,
    /// Capture time (monotonic clock).
    pub captured_at: Instant,
    size: Size,
    data: Box<[u8]>,
}

impl Frame {
    /// A black frame of `size`.
    pub fn new(size: Size) -> Self {
        let mut frame =
            Self { seq: 0, captured_at: Instant::now(), size, data: vec![0; size.i420_len()].into_boxed_slice() };
        frame.fill(Yuv::BLACK);
        frame
    }

    /// The size, which never changes.
    pub fn size(&self) -> Size {
        self.size
    }

    /// All planes as one slice of `size().i420_len()` bytes: Y, U, V.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// All planes as one mutable slice.
    pub fn data_mut(&mut self) -> &mut [u8] {
        &mut self.data
    }

    /// The planes (Y, U, V) with strides of width, width / 2 and width / 2.
    pub fn planes(&self) -> (&[u8], &[u8], &[u8]) {
        let (y, chroma) = self.data.split_at(self.size.luma_len());
        let (u, v) = chroma.split_at(self.size.chroma_len());
        (y, u, v)
    }

    /// The mutable planes (Y, U, V).
    pub fn planes_mut(&mut self) -> (&mut [u8], &mut [u8], &mut [u8]) {
        let (y, chroma) = self.data.split_at_mut(self.size.luma_len());
        let (u, v) = chroma.split_at_mut(self.size.chroma_len());
        (y, u, v)
    }

    /// Fills the whole frame with one colour.
    pub fn fill(&mut self, colour: Yuv) {
        let (y, u, v) = self.planes_mut();
        y.fill(colour.y);
        u.fill(colour.u);
        v.fill(colour.v);
    }

    /// Copies pixels, sequence number and capture time from a frame of the same size.
    ///
    /// # Panics
    /// If the sizes differ.
    pub fn copy_from(&mut self, other: &Self) {
        self.seq = other.seq;
        self.captured_at = other.captured_at;
        self.data.copy_from_slice(&other.data);
    }
}

/// Alpha matte of a frame: one byte per pixel, 0 = background, 255 = person, at the frame's size.
#[derive(Debug, Clone)]
pub struct Mask {
    /// [`Frame::seq`] of the segmented frame.
    pub seq: u64,
    /// [`Frame::captured_at`] of the segmented frame.
    pub captured_at: Instant,
    size: Size,
    alpha: Box<[u8]>,
}

impl Mask {
    /// An empty mask: all background.
    pub fn new(size: Size) -> Self {
        Self { seq: 0, captured_at: Instant::now(), size, alpha: vec![0; size.luma_len()].into_boxed_slice() }
    }

    /// The size, which never changes.
    pub fn size(&self) -> Size {
        self.size
    }

    /// `size().luma_len()` bytes, no row padding.
    pub fn alpha(&self) -> &[u8] {
        &self.alpha
    }

    /// The same bytes, mutable.
    pub fn alpha_mut(&mut self) -> &mut [u8] {
        &mut self.alpha
    }
}

/// A fixed set of shared buffers, which pass frames between threads without copies or allocations.
///
/// A buffer becomes free when its last reader drops it.
#[derive(Debug)]
pub struct Pool<T> {
    slots: Box<[Arc<T>]>,
    next: usize,
}

impl<T> Pool<T> {
    /// Creates `count` buffers with `make`.
    pub fn new(count: usize, mut make: impl FnMut() -> T) -> Self {
        Self { slots: (0..count).map(|_| Arc::new(make())).collect(), next: 0 }
    }

    /// Fills a free buffer and shares it; `None` if all buffers are in use.
    ///
    /// # Errors
    /// If `fill` fails; the buffer then stays free.
    pub fn fill<E>(&mut self, fill: impl FnOnce(&mut T) -> Result<(), E>) -> Result<Option<Arc<T>>, E> {
        let count = self.slots.len();
        for offset in 0..count {
            let index = (self.next + offset) % count;
            if let Some(buffer) = Arc::get_mut(&mut self.slots[index]) {
                fill(buffer)?;
                self.next = (index + 1) % count;
                return Ok(Some(Arc::clone(&self.slots[index])));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_even_and_bounded() {
        assert_eq!("1280x720".parse(), Ok(Size::HD));
        for bad in ["1281x720", "0x0", "1280", "1280x", "x720", "8194x16", "-2x16", "1e3x720", ""] {
            assert!(bad.parse::<Size>().is_err(), "{bad}");
        }
    }

    #[test]
    fn colours_match_bt601() {
        assert_eq!(Yuv::from_rgb(0, 0, 0), Yuv { y: 16, u: 128, v: 128 });
        assert_eq!(Yuv::from_rgb(255, 255, 255), Yuv { y: 235, u: 128, v: 128 });
        assert_eq!(Yuv::from_rgb(255, 0, 0), Yuv { y: 81, u: 90, v: 240 });
        assert_eq!(Yuv::from_rgb(0, 255, 0), Yuv { y: 145, u: 54, v: 34 });
        assert_eq!(Yuv::from_rgb(0, 0, 255), Yuv { y: 41, u: 240, v: 110 });
    }

    #[test]
    fn a_pool_hands_out_only_free_buffers() {
        let mut pool = Pool::new(2, || 0);
        let fill = |value| {
            move |slot: &mut i32| -> Result<(), ()> {
                *slot = value;
                Ok(())
            }
        };
        let first = pool.fill(fill(1)).unwrap().unwrap();
        let second = pool.fill(fill(2)).unwrap().unwrap();
        assert_eq!((*first, *second), (1, 2));
        assert_eq!(pool.fill(fill(3)), Ok(None));
        drop(first);
        assert_eq!(pool.fill(fill(3)).unwrap().as_deref(), Some(&3));
        assert_eq!(*second, 2);
    }
}
