//! Motion JPEG straight to I420 planes.
//!
//! Webcams send JPEGs that image viewers open and strict decoders refuse; `tidy` knows what they do to the bytes, `codec` calls
//! libjpeg-turbo, and here pictures of another size than the camera has agreed to are fitted into a frame.

mod codec;
mod tidy;

use self::codec::{Codec, Shape};
use super::{CameraError, scale::Scaler};
use crate::frame::{Frame, Size};

/// Frames in a row of another size than was agreed, before that size is believed: a damaged header has any.
const FRAMES_TO_BELIEVE: u32 = 3;

/// Rows or columns that encoders add to fill blocks are fewer than this; a picture that has more is of another size.
const MAX_PADDING: usize = 32;

/// Decodes frames of one size.
#[derive(Debug)]
pub struct Mjpeg {
    codec: Codec,
    size: Size,
    /// The size of the last picture, where it is another, and how many in a row have had it.
    seen: ((usize, usize), u32),
    other: Option<Other>,
}

/// A size that the camera sends instead of that to which it agreed.
#[derive(Debug)]
struct Other {
    size: (usize, usize),
    /// A frame of that size and the way from it; `None` where the picture is only padded, and cropped.
    fit: Option<(Frame, Scaler)>,
}

impl Mjpeg {
    /// For frames of `size`; `None` when there is no memory for a decoder.
    pub fn new(size: Size) -> Option<Self> {
        Some(Self { codec: Codec::new(size)?, size, seen: ((0, 0), 0), other: None })
    }

    /// Writes the picture in `jpeg` to `into`, which has the size that this was made for. Levels stay those of the JPEG.
    ///
    /// Pictures of another size are refused at first. Once several in a row have had the same size they are cropped where
    /// they are padded to whole blocks, and else scaled to cover the frame. Allocates only then.
    ///
    /// # Errors
    /// [`CameraError::Corrupt`] when it is damaged, cut, of a size that is not believed yet or of a kind that no camera sends.
    pub fn decode(&mut self, jpeg: &[u8], into: &mut Frame) -> Result<(), CameraError> {
        debug_assert_eq!(into.size(), self.size);
        let shape = self.codec.read(jpeg)?;
        if even(shape) == (self.size.width(), self.size.height()) {
            self.seen.1 = 0;
            return self.codec.decode(&shape, into);
        }
        let size = (shape.width, shape.height);
        if self.other.as_ref().is_none_or(|other| other.size != size) {
            self.consider(shape)?;
        }
        match self.other.as_mut().and_then(|other| other.fit.as_mut()) {
            None => self.codec.decode(&shape, into),
            Some((native, scaler)) => {
                self.codec.decode(&shape, native)?;
                scaler.scale(native, into);
                Ok(())
            }
        }
    }

    /// Counts pictures of another size, and makes ready for them when there have been enough.
    fn consider(&mut self, shape: Shape) -> Result<(), CameraError> {
        const DIFFERS: CameraError = CameraError::Corrupt("JPEG of another size");
        let size = (shape.width, shape.height);
        self.seen = (size, if self.seen.0 == size { self.seen.1 + 1 } else { 1 });
        if self.seen.1 < FRAMES_TO_BELIEVE {
            return Err(DIFFERS);
        }
        let fit = if self.is_padded(shape) {
            None
        } else {
            let (width, height) = even(shape);
            let native = Size::new(width as u32, height as u32).map_err(|_| DIFFERS)?;
            Scaler::new(native, self.size).map(|scaler| (Frame::new(native), scaler))
        };
        let how = if fit.is_some() { "scaled" } else { "cropped" };
        tracing::info!("the camera sends {}x{} instead of {}: its frames are {how}", size.0, size.1, self.size);
        self.seen.1 = 0;
        self.other = Some(Other { size, fit });
        Ok(())
    }

    /// Whether a picture is a frame of ours with a few rows or columns more.
    fn is_padded(&self, shape: Shape) -> bool {
        let padding = |theirs: usize, ours: usize| theirs.checked_sub(ours).is_some_and(|more| more < MAX_PADDING);
        padding(shape.width, self.size.width()) && padding(shape.height, self.size.height())
    }
}

/// The even sides that a frame of this picture has.
fn even(shape: Shape) -> (usize, usize) {
    (shape.width & !1, shape.height & !1)
}

#[cfg(test)]
mod tests;
