//! Fits a decoded image to a frame: resized, cropped or letterboxed, and converted to I420.

use fast_image_resize::{
    FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer,
    images::{Image, ImageRef},
};
use image::RgbImage;
use serde::{Deserialize, Serialize};

use crate::{
    frame::{Frame, Size},
    media::image_file::write_i420,
};

/// How an image of another aspect ratio fills the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Fit {
    /// Fill the frame, cropping the edges.
    #[default]
    Cover,
    /// Show the whole image over a dark, blurred copy of itself.
    Contain,
    /// Fill the frame with the whole image, distorted.
    Stretch,
}

/// Resizes `image` to `size` and converts it to I420.
pub(crate) fn to_frame(image: RgbImage, fit: Fit, size: Size) -> Frame {
    let (width, height) = (size.width() as u32, size.height() as u32);
    let image = Rgb8 { width: image.width(), height: image.height(), bytes: image.into_raw() };
    let fitted = match fit {
        Fit::Cover => resize(&image, width, height, true),
        Fit::Stretch => resize(&image, width, height, false),
        Fit::Contain => contain(&image, width, height),
    };
    let mut frame = Frame::new(size);
    write_i420(&fitted.bytes, &mut frame);
    frame
}

/// An RGB image without padding.
struct Rgb8 {
    width: u32,
    height: u32,
    bytes: Vec<u8>,
}

fn resize(from: &Rgb8, width: u32, height: u32, crop: bool) -> Rgb8 {
    let shrinks = width < from.width || height < from.height;
    // Lanczos keeps most detail when shrinking, but rings when enlarging
    let filter = if shrinks { FilterType::Lanczos3 } else { FilterType::CatmullRom };
    resize_by(filter, from, width, height, crop)
}

fn resize_by(filter: FilterType, from: &Rgb8, width: u32, height: u32, crop: bool) -> Rgb8 {
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter));
    let options = if crop { options.fit_into_destination(None) } else { options };
    let source = ImageRef::new(from.width, from.height, &from.bytes, PixelType::U8x3);
    let mut into = Image::new(width, height, PixelType::U8x3);
    #[allow(clippy::expect_used)] // decoded images have pixels, and both images are U8x3
    Resizer::new()
        .resize(&source.expect("three bytes a pixel"), &mut into, &options)
        .expect("two RGB images without an odd crop");
    Rgb8 { width, height, bytes: into.into_vec() }
}

/// Centres the whole image, and fills the bars with a blurred and darkened copy, as on television.
fn contain(image: &Rgb8, width: u32, height: u32) -> Rgb8 {
    let scale = f64::min(f64::from(width) / f64::from(image.width), f64::from(height) / f64::from(image.height));
    let side = |length: u32, limit: u32| ((f64::from(length) * scale).round() as u32).clamp(1, limit);
    let inner = resize(image, side(image.width, width), side(image.height, height), false);
    if (inner.width, inner.height) == (width, height) {
        return inner;
    }
    let small = resize(image, (width / 48).max(2), (height / 48).max(2), true);
    let mut whole = resize_by(FilterType::Gaussian, &small, width, height, false);
    whole.bytes.iter_mut().for_each(|byte| *byte = (u16::from(*byte) * 2 / 5) as u8);
    let (left, top) = ((width - inner.width) / 2, (height - inner.height) / 2);
    let stride = width as usize * 3;
    let row = inner.width as usize * 3;
    let rows = whole.bytes.chunks_exact_mut(stride).skip(top as usize);
    for (to, from) in rows.zip(inner.bytes.chunks_exact(row)) {
        to[left as usize * 3..][..row].copy_from_slice(from);
    }
    whole
}

#[cfg(test)]
mod tests {
    use image::Rgb;
    use proptest::prelude::*;

    use super::*;
    use crate::frame::Yuv;

    fn size() -> Size {
        Size::new(64, 32).unwrap()
    }

    /// White with a black left half.
    fn halves(width: u32, height: u32) -> RgbImage {
        RgbImage::from_fn(width, height, |x, _| Rgb(if x < width / 2 { [0; 3] } else { [255; 3] }))
    }

    fn luma(frame: &Frame, x: usize, y: usize) -> u8 {
        frame.planes().0[y * 64 + x]
    }

    #[test]
    fn cover_crops_and_stretch_does_not() {
        // a tall image whose top and bottom quarters are red, which cover crops
        let tall = RgbImage::from_fn(32, 64, |_, y| Rgb(if (16..48).contains(&y) { [255; 3] } else { [255, 0, 0] }));
        let cover = to_frame(tall.clone(), Fit::Cover, size());
        assert!(cover.planes().0.iter().all(|y| *y == 235));
        let stretch = to_frame(tall, Fit::Stretch, size());
        assert_eq!(luma(&stretch, 32, 1), Yuv::from_rgb(255, 0, 0).y);
        assert_eq!(luma(&stretch, 32, 16), 235);
    }

    #[test]
    fn contain_shows_the_whole_image_between_dark_bars() {
        let frame = to_frame(halves(32, 32), Fit::Contain, size());
        assert_eq!((luma(&frame, 17, 16), luma(&frame, 46, 16)), (16, 235));
        assert!(luma(&frame, 2, 16) < 110 && luma(&frame, 62, 16) < 110);
    }

    #[test]
    fn an_image_of_one_pixel_fits() {
        for fit in [Fit::Cover, Fit::Contain, Fit::Stretch] {
            let frame = to_frame(RgbImage::from_pixel(1, 1, Rgb([255; 3])), fit, size());
            assert_eq!(luma(&frame, 32, 16), 235, "{fit:?}");
        }
        to_frame(RgbImage::from_pixel(5000, 1, Rgb([9; 3])), Fit::Contain, size());
        to_frame(RgbImage::from_pixel(1, 5000, Rgb([9; 3])), Fit::Cover, size());
    }

    proptest! {
        #[test]
        fn flat_images_have_the_exact_colour(r: u8, g: u8, b: u8) {
            let frame = to_frame(RgbImage::from_pixel(64, 32, Rgb([r, g, b])), Fit::Cover, size());
            let (y, u, v) = frame.planes();
            prop_assert_eq!(Yuv { y: y[99], u: u[99], v: v[99] }, Yuv::from_rgb(r, g, b));
        }
    }
}
