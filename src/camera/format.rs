//! The formats of a camera, and those of them that can be decoded.

use serde::Serialize;

use crate::frame::Size;

/// One pixel format at one size.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Format {
    /// The four characters of the pixel format.
    pub fourcc: String,
    /// Its size.
    pub size: Size,
    /// Frames a second that it can have; empty when the driver does not say.
    pub rates: Vec<f64>,
}

/// A pixel format that we can decode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pixel {
    Mjpg,
    Yuyv,
    Uyvy,
    Nv12,
    Yu12,
    Yv12,
    Grey,
}

impl Pixel {
    /// Every one, with the code that V4L2 has for it.
    const ALL: [(&'static [u8; 4], Self); 8] = [
        (b"MJPG", Self::Mjpg),
        (b"JPEG", Self::Mjpg), // the same bytes under another name
        (b"YUYV", Self::Yuyv),
        (b"UYVY", Self::Uyvy),
        (b"NV12", Self::Nv12),
        (b"YU12", Self::Yu12),
        (b"YV12", Self::Yv12),
        (b"GREY", Self::Grey),
    ];

    pub(super) fn from_fourcc(code: &str) -> Option<Self> {
        Self::ALL.iter().find(|(bytes, _)| bytes[..] == *code.as_bytes()).map(|(_, pixel)| *pixel)
    }

    /// What a format costs beside the picture that it gives, in octaves of pixels: JPEG costs a decoder and detail,
    /// packed formats a little more bus than planar ones, and gray is for faces without colour (infrared cameras).
    pub(super) fn cost(self) -> f64 {
        match self {
            Self::Nv12 | Self::Yu12 | Self::Yv12 => 0.0,
            Self::Yuyv | Self::Uyvy => 0.01,
            Self::Mjpg => 0.1,
            Self::Grey => 8.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_that_we_promise_is_decoded() {
        for code in crate::camera::FOURCCS {
            assert!(Pixel::from_fourcc(code).is_some(), "{code}");
        }
        assert_eq!(crate::camera::FOURCCS.len(), Pixel::ALL.len());
    }
}
