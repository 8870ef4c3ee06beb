//! Image files (PNG, JPEG, WebP) as frames.

use std::path::Path;

use image::RgbImage;

use super::CameraError;
use crate::{
    frame::Frame,
    media::image_file::{self, Limits},
};

/// Limits: the maximum frame size.
const LIMITS: Limits = Limits { max_bytes: 64 << 20, max_pixels: 8192 * 8192 };

/// Reads the image at `path`; returns it with its width and height. Odd sides are extended by a copy of the last
/// column or row.
pub(super) fn read(path: &Path) -> Result<(Frame, (u32, u32)), CameraError> {
    let image = image_file::read(path, &LIMITS)?;
    let native = image.dimensions();
    let bad_size = |_| CameraError::NotVideo {
        path: path.to_owned(),
        why: format!("{}x{} pixels, expected 16 to 8192 per side", native.0, native.1),
    };
    Ok((image_file::to_frame(&pad(image)).map_err(bad_size)?, native))
}

/// Extends odd sides by repeating the last column and row.
fn pad(image: RgbImage) -> RgbImage {
    let (width, height) = image.dimensions();
    if width.is_multiple_of(2) && height.is_multiple_of(2) {
        return image;
    }
    RgbImage::from_fn(width.next_multiple_of(2), height.next_multiple_of(2), |x, y| {
        *image.get_pixel(x.min(width - 1), y.min(height - 1))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Yuv;

    #[test]
    fn an_image_with_odd_sides_keeps_its_colours() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("orange.png");
        RgbImage::from_pixel(33, 17, image::Rgb([230, 120, 20])).save(&path).unwrap();
        let (frame, native) = read(&path).unwrap();
        assert_eq!((native, frame.size().to_string().as_str()), ((33, 17), "34x18"));
        let wanted = Yuv::from_rgb(230, 120, 20);
        let (y, u, v) = frame.planes();
        assert!(y.iter().all(|value| *value == wanted.y));
        assert!(u.iter().all(|value| *value == wanted.u) && v.iter().all(|value| *value == wanted.v));
    }

    #[test]
    fn invalid_sizes_are_rejected() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("thin.png");
        RgbImage::new(9000, 2).save(&path).unwrap();
        let error = read(&path).unwrap_err();
        assert!(error.to_string().contains("9000x2"), "{error}");
    }
}
