//! Camera formats, and the pixel formats that can be decoded.

use serde::Serialize;

use super::rgb::RgbOrder;
use crate::frame::Size;

/// A pixel format at one size.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CaptureFormat {
    /// Fourcc of the pixel format.
    pub fourcc: String,
    /// Frame size.
    pub size: Size,
    /// Supported frame rates; empty if the driver reports none.
    pub rates: Vec<f64>,
}

/// A pixel format that can be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pixel {
    Mjpg,
    Yuyv,
    Uyvy,
    Nv12,
    Yu12,
    Yv12,
    Grey,
    /// Full-range RGB; only from PipeWire.
    #[cfg_attr(not(feature = "pipewire"), allow(dead_code))]
    Rgb(RgbOrder),
}

impl Pixel {
    /// All pixel formats of webcams with their V4L2 fourccs.
    const ALL: [(&'static [u8; 4], Self); 8] = [
        (b"MJPG", Self::Mjpg),
        (b"JPEG", Self::Mjpg), // an alias of MJPG
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

    /// Cost of a format in octaves of pixels, besides its size and rate: JPEG costs CPU and detail, packed formats
    /// slightly more bandwidth than planar ones; grey is a last resort (infrared cameras).
    pub(super) fn cost(self) -> f64 {
        match self {
            Self::Nv12 | Self::Yu12 | Self::Yv12 => 0.0,
            Self::Yuyv | Self::Uyvy => 0.01,
            Self::Mjpg | Self::Rgb(_) => 0.1,
            Self::Grey => 8.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_fourcc_is_decoded() {
        for code in crate::camera::FOURCCS {
            assert!(Pixel::from_fourcc(code).is_some(), "{code}");
        }
        assert_eq!(crate::camera::FOURCCS.len(), Pixel::ALL.len());
    }
}
