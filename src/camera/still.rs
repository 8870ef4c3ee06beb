//! A picture file (PNG, JPEG, WebP) as a frame.

use std::{
    fs::File,
    io::{self, BufReader},
    path::Path,
};

use image::{DynamicImage, ImageDecoder, ImageError, ImageReader, Limits, RgbImage, metadata::Orientation};
use yuv::{BufferStoreMut, YuvConversionMode, YuvPlanarImageMut, YuvRange, YuvStandardMatrix, rgb_to_yuv420};

use super::CameraError;
use crate::frame::{Frame, Size};

/// The largest file that is opened.
const MOST_BYTES: u64 = 64 << 20;
/// The largest side; also bounds what decoding may allocate.
const MOST_SIDE: u32 = 8192;

/// Reads the picture at `path`, turned as its EXIF data says, and its width and height; the frame has a column or row
/// more where these are odd, a copy of the last.
pub(super) fn read(path: &Path) -> Result<(Frame, (u32, u32)), CameraError> {
    let file = |source| CameraError::File { path: path.to_owned(), source };
    let too_big = |what: String, limit: String| CameraError::TooBig { path: path.to_owned(), what, limit };
    let input = File::open(path).map_err(file)?;
    let bytes = input.metadata().map_err(file)?.len();
    if bytes > MOST_BYTES {
        return Err(too_big(format!("{bytes} bytes"), format!("{MOST_BYTES}")));
    }
    let mut reader = ImageReader::new(BufReader::new(input)).with_guessed_format().map_err(file)?;
    reader.limits(limits());
    let refused = |error| refused(path, error);
    let mut decoder = reader.into_decoder().map_err(refused)?;
    let (width, height) = decoder.dimensions();
    if width.max(height) > MOST_SIDE {
        return Err(too_big(format!("{width}x{height}"), format!("{MOST_SIDE}x{MOST_SIDE}")));
    }
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut picture = DynamicImage::from_decoder(decoder).map_err(refused)?;
    picture.apply_orientation(orientation);
    let picture = picture.into_rgb8();
    let native = picture.dimensions();
    let frame = to_frame(&pad(picture)).map_err(|why| CameraError::NotVideo { path: path.to_owned(), why })?;
    Ok((frame, native))
}

fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.max_image_width = Some(MOST_SIDE);
    limits.max_image_height = Some(MOST_SIDE);
    limits.max_alloc = Some(512 << 20);
    limits
}

fn refused(path: &Path, error: ImageError) -> CameraError {
    let path = path.to_owned();
    match error {
        ImageError::IoError(source) if source.kind() != io::ErrorKind::UnexpectedEof => {
            CameraError::File { path, source }
        }
        ImageError::Limits(limit) => {
            let limit = limit.to_string();
            CameraError::TooBig { path, what: limit, limit: format!("{MOST_SIDE}x{MOST_SIDE}") }
        }
        error => CameraError::NotVideo { path, why: error.to_string() },
    }
}

/// Even sides, by repeating the last column and row.
fn pad(picture: RgbImage) -> RgbImage {
    let (width, height) = picture.dimensions();
    if width.is_multiple_of(2) && height.is_multiple_of(2) {
        return picture;
    }
    RgbImage::from_fn(width.next_multiple_of(2), height.next_multiple_of(2), |x, y| {
        *picture.get_pixel(x.min(width - 1), y.min(height - 1))
    })
}

/// The same picture in the house's format.
pub(super) fn to_frame(picture: &RgbImage) -> Result<Frame, String> {
    let (width, height) = picture.dimensions();
    let mut frame = Frame::new(Size::new(width, height).map_err(|error| error.to_string())?);
    let (y, u, v) = frame.planes_mut();
    let mut planes = YuvPlanarImageMut {
        y_plane: BufferStoreMut::Borrowed(y),
        y_stride: width,
        u_plane: BufferStoreMut::Borrowed(u),
        u_stride: width / 2,
        v_plane: BufferStoreMut::Borrowed(v),
        v_stride: width / 2,
        width,
        height,
    };
    let (range, matrix) = (YuvRange::Limited, YuvStandardMatrix::Bt601);
    rgb_to_yuv420(&mut planes, picture, 3 * width, range, matrix, YuvConversionMode::Balanced)
        .map_err(|error| error.to_string())?;
    Ok(frame)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Yuv;

    #[test]
    fn an_odd_picture_in_the_right_colours() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("orange.png");
        RgbImage::from_pixel(33, 17, image::Rgb([230, 120, 20])).save(&path).unwrap();
        let (frame, native) = read(&path).unwrap();
        assert_eq!((native, frame.size().to_string().as_str()), ((33, 17), "34x18"));
        let wanted = Yuv::from_rgb(230, 120, 20);
        let (y, u, v) = frame.planes();
        assert!(y.iter().all(|value| value.abs_diff(wanted.y) <= 1));
        assert!(u.iter().all(|value| value.abs_diff(wanted.u) <= 1));
        assert!(v.iter().all(|value| value.abs_diff(wanted.v) <= 1));
    }

    #[test]
    fn a_bomb_and_a_text_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let bomb = folder.path().join("bomb.png");
        // A PNG header that promises 100000 x 100000 pixels, with a right checksum.
        let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\x01\x86\xa0\0\x01\x86\xa0\x08\x02\0\0\0".to_vec();
        bytes.extend(crc32(&bytes[12..29]).to_be_bytes());
        std::fs::write(&bomb, bytes).unwrap();
        assert!(matches!(read(&bomb), Err(CameraError::TooBig { .. })), "{:?}", read(&bomb));
        let text = folder.path().join("text.png");
        std::fs::write(&text, "not a picture").unwrap();
        assert!(matches!(read(&text), Err(CameraError::NotVideo { .. })));
        assert!(matches!(read(&folder.path().join("none.png")), Err(CameraError::File { .. })));
    }

    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
        })
    }
}
