//! A transparent image over everything, such as a logo or a name.

use std::{path::Path, sync::Arc};

use fast_image_resize::{
    FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer,
    images::{Image, ImageRef},
};

use crate::frame::blend;
use crate::{
    background::BackgroundError,
    frame::{Frame, Size, Yuv},
    look::{Look, Position},
    media::image_file::{self, Limits},
};

/// The margin between the overlay and the edge of the frame: the frame's height divided by this.
const MARGIN: usize = 30;

/// An overlay at its final size and position, ready to blend; cheap to clone.
#[derive(Debug, Clone)]
pub struct Overlay(Arc<Placed>);

#[derive(Debug)]
struct Placed {
    /// Its left and top edge, and its size; all even.
    at: (usize, usize),
    size: (usize, usize),
    /// Y, U, V.
    planes: [Box<[u8]>; 3],
    /// For luma and for chroma.
    alphas: [Box<[u8]>; 2],
}

impl Overlay {
    /// Loads the overlay selected by `look`, for frames of `size`; `None` if there is none, or its opacity is zero.
    ///
    /// # Errors
    /// If the file cannot be read, is not an image, or exceeds `limits`.
    pub fn load(look: &Look, size: Size, limits: &Limits) -> Result<Option<Self>, BackgroundError> {
        let Some(path) = look.overlay().filter(|_| look.overlay_opacity > 0) else { return Ok(None) };
        let bytes = image_file::read_bytes(&path, limits)?;
        Self::from_bytes(&bytes, &path, look, size, limits).map(Some)
    }

    fn from_bytes(
        bytes: &[u8],
        path: &Path,
        look: &Look,
        size: Size,
        limits: &Limits,
    ) -> Result<Self, BackgroundError> {
        let decoded = image_file::decode_rgba(bytes, &path.display().to_string(), limits)?;
        let margin = size.height() / MARGIN;
        let wanted = size.width() * look.overlay_size.clamp(1, 100) as usize / 100;
        let shape = fit((decoded.width() as usize, decoded.height() as usize), wanted, size);
        let pixels = resize(&decoded, shape);
        Ok(Self(Arc::new(convert(
            &pixels,
            shape,
            offset(look.overlay_position, shape, size, margin),
            look.overlay_opacity,
        ))))
    }

    /// Blends it over `frame`.
    pub(super) fn blend(&self, frame: &mut Frame) {
        let placed = &*self.0;
        let width = frame.size().width();
        let (y, u, v) = frame.planes_mut();
        for (index, plane) in [y, u, v].into_iter().enumerate() {
            let step = if index == 0 { 1 } else { 2 };
            let (at, size) = ((placed.at.0 / step, placed.at.1 / step), (placed.size.0 / step, placed.size.1 / step));
            let alpha = &placed.alphas[index.min(1)];
            let rows = placed.planes[index].chunks_exact(size.0).zip(alpha.chunks_exact(size.0));
            let lines = plane.chunks_exact_mut(width / step).skip(at.1);
            for ((front, alpha), line) in rows.zip(lines) {
                blend::onto(front, alpha, &mut line[at.0..at.0 + size.0]);
            }
        }
    }
}

/// The overlay's size: `wanted` wide, or less if it would be too tall; even.
fn fit((width, height): (usize, usize), wanted: usize, size: Size) -> (usize, usize) {
    let even = |side: usize, limit: usize| (side & !1).clamp(2, limit);
    let tall = wanted * height / width.max(1);
    if tall <= size.height() {
        (even(wanted, size.width()), even(tall, size.height()))
    } else {
        (even(size.height() * width / height.max(1), size.width()), size.height())
    }
}

fn offset(position: Position, shape: (usize, usize), size: Size, margin: usize) -> (usize, usize) {
    let (right, lower) = (size.width() - shape.0, size.height() - shape.1);
    let far = |end: usize| end - margin.min(end);
    let (left, upper) = (margin.min(right), margin.min(lower));
    let (x, y) = match position {
        Position::TopLeft => (left, upper),
        Position::TopRight => (far(right), upper),
        Position::BottomLeft => (left, far(lower)),
        Position::BottomRight => (far(right), far(lower)),
        Position::Center => (right / 2, lower / 2),
    };
    (x & !1, y & !1)
}

fn resize(source: &image::RgbaImage, (width, height): (usize, usize)) -> Vec<u8> {
    let (width, height) = (width as u32, height as u32);
    let mut into = Image::new(width, height, PixelType::U8x4);
    let source = ImageRef::new(source.width(), source.height(), source.as_raw(), PixelType::U8x4);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3));
    // both images have the same pixel type and valid sizes, so this cannot fail; an empty overlay would be the result
    let done = source.is_ok_and(|source| Resizer::new().resize(&source, &mut into, Some(&options)).is_ok());
    if done { into.into_vec() } else { vec![0; (width * height * 4) as usize] }
}

fn convert(pixels: &[u8], size: (usize, usize), at: (usize, usize), opacity: i32) -> Placed {
    let (width, height) = size;
    let pixel = |x: usize, y: usize| {
        let rgba = &pixels[(y * width + x) * 4..][..4];
        (Yuv::from_rgb(rgba[0], rgba[1], rgba[2]), (i32::from(rgba[3]) * opacity / 100) as u8)
    };
    let all = || (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    let halves = || (0..height / 2).flat_map(|y| (0..width / 2).map(move |x| (2 * x, 2 * y)));
    // the colours of four pixels, weighted by their alphas
    let four = |(x, y): (usize, usize), channel: fn(Yuv) -> u8| {
        let four = [pixel(x, y), pixel(x + 1, y), pixel(x, y + 1), pixel(x + 1, y + 1)];
        let weight: u32 = four.iter().map(|(_, alpha)| u32::from(*alpha)).sum();
        let sum: u32 = four.iter().map(|(colour, alpha)| u32::from(channel(*colour)) * u32::from(*alpha)).sum();
        ((sum + weight / 2).checked_div(weight).unwrap_or(128) as u8, ((weight + 2) / 4) as u8)
    };
    Placed {
        at,
        size,
        planes: [
            all().map(|(x, y)| pixel(x, y).0.y).collect(),
            halves().map(|at| four(at, |colour| colour.u).0).collect(),
            halves().map(|at| four(at, |colour| colour.v).0).collect(),
        ],
        alphas: [
            all().map(|(x, y)| pixel(x, y).1).collect(),
            halves().map(|at| four(at, |colour| colour.u).1).collect(),
        ],
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn png(width: u32, height: u32, pixel: [u8; 4]) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        image::RgbaImage::from_pixel(width, height, image::Rgba(pixel))
            .write_to(&mut bytes, image::ImageFormat::Png)
            .unwrap();
        bytes.into_inner()
    }

    fn placed(look: &Look, png: &[u8]) -> Frame {
        let overlay = Overlay::from_bytes(png, Path::new("logo.png"), look, Size::HD, &Limits::default()).unwrap();
        let mut frame = Frame::new(Size::HD);
        frame.fill(Yuv { y: 50, u: 100, v: 100 });
        overlay.blend(&mut frame);
        frame
    }

    #[test]
    fn it_has_the_configured_position_and_size() {
        let white = png(40, 20, [255; 4]);
        for (overlay_position, inside, outside) in [
            (Position::TopLeft, (30, 30), (10, 10)),
            (Position::TopRight, (1250, 30), (900, 30)),
            (Position::BottomLeft, (30, 690), (30, 300)),
            (Position::BottomRight, (1250, 690), (1278, 718)),
            (Position::Center, (640, 360), (400, 360)),
        ] {
            let frame = placed(&Look { overlay_position, ..Look::neutral() }, &white);
            let luma = |(x, y): (usize, usize)| frame.planes().0[y * 1280 + x];
            assert_eq!((luma(inside), luma(outside)), (235, 50), "{overlay_position:?}");
        }
    }

    #[test]
    fn transparent_pixels_show_the_frame_below() {
        let clear = placed(&Look::neutral(), &png(40, 20, [255, 255, 255, 0]));
        assert!(clear.planes().0.iter().all(|y| *y == 50));
        let half = placed(&Look { overlay_opacity: 50, ..Look::neutral() }, &png(40, 20, [255; 4]));
        assert!(half.planes().0[690 * 1280 + 1250].abs_diff(142) < 3);
    }

    #[test]
    fn extreme_shapes_are_accepted() {
        for (width, height) in [(1, 1), (1, 900), (900, 1), (37, 41)] {
            for overlay_size in [1, 100] {
                placed(&Look { overlay_size, ..Look::neutral() }, &png(width, height, [9, 9, 9, 200]));
            }
        }
    }
}
