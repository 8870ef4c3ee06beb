//! Decodes images of one format and size to frames of another size.

use super::{
    CameraError, convert,
    field::{self, Lines},
    format::Pixel,
    mjpeg::Mjpeg,
    plane::Plane,
    scale::Scaler,
};
use crate::frame::{
    Frame, Size,
    colour::{Colour, ToNative},
};

/// The memory of an image.
#[derive(Debug, Clone, Copy)]
pub(super) enum Image<'a> {
    /// All planes in one block of memory, with this stride of the first plane; or a JPEG.
    Block(&'a [u8], usize),
    #[cfg_attr(not(feature = "pipewire"), allow(dead_code))]
    Planes([Plane<'a>; 3]),
}

/// Decodes images.
#[derive(Debug)]
pub(super) struct Decoder {
    pixel: Pixel,
    native: Size,
    jpeg: Option<Box<Mjpeg>>,
    colour: ToNative,
    /// If the native size differs from the requested size: a frame of the native size, and a scaler from it.
    fit: Option<(Frame, Scaler)>,
}

impl Decoder {
    /// From images of size `native` to frames of size `wanted`; `None` if there is no memory for a JPEG decoder.
    pub(super) fn new(pixel: Pixel, native: Size, colour: Colour, wanted: Size) -> Option<Self> {
        let jpeg = if pixel == Pixel::Mjpg { Some(Box::new(Mjpeg::new(native)?)) } else { None };
        let fit = Scaler::new(native, wanted).map(|scaler| (Frame::new(native), scaler));
        Some(Self { pixel, native, jpeg, colour: ToNative::new(colour), fit })
    }

    /// Decodes an image to `into`, which must have the size passed to [`Decoder::new`].
    pub(super) fn decode(&mut self, image: Image<'_>, lines: Lines, into: &mut Frame) -> Result<(), CameraError> {
        if lines == Lines::SingleField {
            return Err(CameraError::Corrupt("a single field of an interlaced frame"));
        }
        let native = self.fit.as_mut().map_or(&mut *into, |(native, _)| native);
        match (&mut self.jpeg, image) {
            (Some(decoder), Image::Block(bytes, _)) => decoder.decode(bytes, native)?,
            (Some(decoder), Image::Planes([plane, ..])) => decoder.decode(plane.bytes, native)?,
            (None, Image::Block(bytes, stride)) => {
                let planes = convert::split(self.pixel, self.native, bytes, stride)?;
                convert::unpack(self.pixel, planes, native)?;
            }
            (None, Image::Planes(planes)) => convert::unpack(self.pixel, planes, native)?,
        }
        self.colour.apply(native);
        if lines == Lines::Interlaced {
            field::blend(native);
        }
        if let Some((native, scaler)) = &mut self.fit {
            scaler.scale(native, into);
        }
        Ok(())
    }
}
