//! Colour matrix and range reported by a V4L2 driver, with the defaults of the specification.

use v4l::v4l_sys::{
    v4l2_colorspace_V4L2_COLORSPACE_BT2020 as BT2020, v4l2_colorspace_V4L2_COLORSPACE_DCI_P3 as DCI_P3,
    v4l2_colorspace_V4L2_COLORSPACE_JPEG as JPEG, v4l2_colorspace_V4L2_COLORSPACE_REC709 as REC709,
    v4l2_colorspace_V4L2_COLORSPACE_SMPTE240M as SMPTE240M,
    v4l2_quantization_V4L2_QUANTIZATION_FULL_RANGE as FULL_RANGE,
    v4l2_quantization_V4L2_QUANTIZATION_LIM_RANGE as LIM_RANGE, v4l2_ycbcr_encoding_V4L2_YCBCR_ENC_709 as ENC_709,
    v4l2_ycbcr_encoding_V4L2_YCBCR_ENC_BT2020 as ENC_2020,
    v4l2_ycbcr_encoding_V4L2_YCBCR_ENC_BT2020_CONST_LUM as ENC_2020C,
    v4l2_ycbcr_encoding_V4L2_YCBCR_ENC_DEFAULT as ENC_DEFAULT,
    v4l2_ycbcr_encoding_V4L2_YCBCR_ENC_SMPTE240M as ENC_240M, v4l2_ycbcr_encoding_V4L2_YCBCR_ENC_XV709 as ENC_XV709,
};

use super::{format::Pixel, v4l2::ActualFormat};
use crate::frame::colour::{Colour, Matrix};

/// Colour encoding of a driver's format. Unspecified values get the defaults of the V4L2 specification
/// (`V4L2_MAP_YCBCR_ENC_DEFAULT`, `V4L2_MAP_QUANTIZATION_DEFAULT`).
///
/// Motion JPEG is JFIF unless the driver explicitly specifies otherwise: uvcvideo reports the camera's colour space,
/// whose default would be limited range. Grey is full range, as in the kernel's test pattern generator.
pub(super) fn colour_of(given: &ActualFormat) -> Colour {
    let jpeg = given.pixel == Some(Pixel::Mjpg);
    let full = match given.quantization {
        FULL_RANGE => true,
        LIM_RANGE => false,
        _ => jpeg || given.pixel == Some(Pixel::Grey) || given.colorspace == JPEG,
    };
    let matrix = match (given.ycbcr_enc, given.colorspace) {
        _ if jpeg => Matrix::Bt601,
        (ENC_709 | ENC_XV709, _) | (ENC_DEFAULT, REC709 | DCI_P3) => Matrix::Bt709,
        (ENC_2020 | ENC_2020C, _) | (ENC_DEFAULT, BT2020) => Matrix::Bt2020,
        (ENC_240M, _) | (ENC_DEFAULT, SMPTE240M) => Matrix::Smpte240m,
        _ => Matrix::Bt601,
    };
    Colour { matrix, full }
}

#[cfg(test)]
mod tests {
    use v4l::FourCC;

    use super::*;

    #[test]
    fn defaults_are_those_of_the_specification() {
        let of = |pixel, colorspace, ycbcr_enc, quantization| {
            let fourcc = FourCC::new(b"YUYV");
            let (width, height, stride) = (16, 16, 32);
            let pixel = Some(pixel);
            let lines = crate::camera::field::Lines::Whole;
            colour_of(&ActualFormat {
                pixel,
                fourcc,
                width,
                height,
                stride,
                colorspace,
                ycbcr_enc,
                quantization,
                lines,
            })
        };
        assert_eq!(of(Pixel::Yuyv, 0, 0, 0), Colour::NATIVE);
        assert_eq!(of(Pixel::Yuyv, JPEG, 0, 0), Colour::JFIF);
        assert_eq!(of(Pixel::Yuyv, 0, 0, FULL_RANGE), Colour::JFIF);
        assert_eq!(of(Pixel::Nv12, REC709, 0, 0), Colour { matrix: Matrix::Bt709, full: false });
        assert_eq!(of(Pixel::Nv12, REC709, 1, 0), Colour::NATIVE);
        assert_eq!(of(Pixel::Grey, 8, 0, 0), Colour::JFIF);
        assert_eq!(of(Pixel::Mjpg, 8, 0, 0), Colour::JFIF);
        assert_eq!(of(Pixel::Mjpg, REC709, ENC_709, LIM_RANGE), Colour::NATIVE);
    }
}
