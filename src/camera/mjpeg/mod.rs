//! Decodes Motion JPEG directly to I420 planes.
//!
//! Webcams send JPEGs that image viewers open but strict decoders reject. `sanitize` repairs their known defects,
//! `codec` calls libjpeg-turbo, and this module fits frames of an unexpected size.

mod codec;
mod sanitize;

use self::codec::{Codec, Shape};
use super::{CameraError, scale::Scaler};
use crate::frame::{Frame, Size};

/// Consecutive frames of an unexpected size before it is accepted; a damaged header can contain any size.
const MIN_EQUAL_FRAMES: u32 = 3;

/// Upper limit of the rows or columns that encoders add to fill blocks; an image with more has a different size.
const MAX_PADDING: usize = 32;

/// Decodes frames of one size.
#[derive(Debug)]
pub struct Mjpeg {
    codec: Codec,
    size: Size,
    /// Size of the last frame if unexpected, and the number of consecutive frames with it.
    unexpected: ((usize, usize), u32),
    other: Option<UnexpectedSize>,
}

/// An accepted size other than the negotiated one.
#[derive(Debug)]
struct UnexpectedSize {
    size: (usize, usize),
    /// A frame of that size and a scaler from it; `None` if the image is only padded, which is cropped.
    fit: Option<(Frame, Scaler)>,
}

impl Mjpeg {
    /// For frames of `size`; `None` if the decoder can't be allocated.
    pub fn new(size: Size) -> Option<Self> {
        Some(Self { codec: Codec::new(size)?, size, unexpected: ((0, 0), 0), other: None })
    }

    /// Decodes the image in `jpeg` to `into`, which must have this decoder's size. Levels are not converted.
    ///
    /// Images of other sizes are rejected at first. After several consecutive ones of the same size they are
    /// accepted: cropped if they are padded to whole blocks, otherwise scaled to cover the frame. Allocates only
    /// then.
    ///
    /// # Errors
    /// If the JPEG is damaged, truncated, of an unsupported kind or of a size not accepted yet:
    /// [`CameraError::Corrupt`].
    pub fn decode(&mut self, jpeg: &[u8], into: &mut Frame) -> Result<(), CameraError> {
        debug_assert_eq!(into.size(), self.size);
        let shape = self.codec.read(jpeg)?;
        if even(shape) == (self.size.width(), self.size.height()) {
            self.unexpected.1 = 0;
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

    /// Counts images of an unexpected size, and prepares for that size after enough of them.
    fn consider(&mut self, shape: Shape) -> Result<(), CameraError> {
        const UNEXPECTED_SIZE: CameraError = CameraError::Corrupt("JPEG of an unexpected size");
        let size = (shape.width, shape.height);
        self.unexpected = (size, if self.unexpected.0 == size { self.unexpected.1 + 1 } else { 1 });
        if self.unexpected.1 < MIN_EQUAL_FRAMES {
            return Err(UNEXPECTED_SIZE);
        }
        let fit = if self.is_padded(shape) {
            None
        } else {
            let (width, height) = even(shape);
            let native = Size::new(width as u32, height as u32).map_err(|_| UNEXPECTED_SIZE)?;
            Scaler::new(native, self.size).map(|scaler| (Frame::new(native), scaler))
        };
        let how = if fit.is_some() { "scaled" } else { "cropped" };
        tracing::info!("the camera sends {}x{} instead of {}: its frames are {how}", size.0, size.1, self.size);
        self.unexpected.1 = 0;
        self.other = Some(UnexpectedSize { size, fit });
        Ok(())
    }

    /// Whether an image is a frame with a few rows or columns of padding.
    fn is_padded(&self, shape: Shape) -> bool {
        let padding = |theirs: usize, ours: usize| theirs.checked_sub(ours).is_some_and(|more| more < MAX_PADDING);
        padding(shape.width, self.size.width()) && padding(shape.height, self.size.height())
    }
}

/// Even sides of a frame of this image.
fn even(shape: Shape) -> (usize, usize) {
    (shape.width & !1, shape.height & !1)
}

#[cfg(test)]
mod tests;
