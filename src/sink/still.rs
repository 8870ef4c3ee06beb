//! Writes frames and masks as PNG or JPEG images.

use std::{
    fs::Permissions,
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::Path,
};

use image::{
    ExtendedColorType, ImageEncoder, ImageError,
    codecs::{
        jpeg::JpegEncoder,
        png::{CompressionType, FilterType, PngEncoder},
    },
};
use yuv::{YuvPlanarImage, YuvRange, YuvStandardMatrix, yuv420_to_rgb};

use super::SinkError;
use crate::frame::{Frame, Mask, Size};

/// Visually lossless, at a tenth of the size of a PNG.
const JPEG_QUALITY: u8 = 92;

/// Supported image formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StillFormat {
    /// Lossless.
    Png,
    /// Lossy and small.
    Jpeg,
}

impl StillFormat {
    /// The format for a file extension.
    pub fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "png" => Some(Self::Png),
            "jpg" | "jpeg" => Some(Self::Jpeg),
            _ => None,
        }
    }
}

/// Encodes the top left part of a frame as an sRGB image.
fn encode_part(frame: &Frame, shown: (u32, u32), format: StillFormat) -> Result<Vec<u8>, ImageError> {
    let rgb = rgb(frame).map_err(ImageError::IoError)?;
    encode_as(&crop(rgb, frame.size(), shown, 3), shown, ExtendedColorType::Rgb8, format)
}

pub(super) fn whole(size: Size) -> (u32, u32) {
    (size.width() as u32, size.height() as u32)
}

/// The top left part of `pixels` with the size `shown`: frames are extended to even sides.
fn crop(pixels: Vec<u8>, size: Size, shown: (u32, u32), bytes_per_pixel: usize) -> Vec<u8> {
    if shown == whole(size) {
        return pixels;
    }
    let (stride, row) = (size.width() * bytes_per_pixel, (shown.0 as usize * bytes_per_pixel));
    pixels.chunks_exact(stride).take(shown.1 as usize).flat_map(|line| &line[..row]).copied().collect()
}

/// Writes the top left part of a frame, with the size `shown`, atomically to `path`: readers see either the old image
/// or the new one.
///
/// # Errors
/// If it can't be encoded or saved.
pub fn save(frame: &Frame, shown: (u32, u32), path: &Path, format: StillFormat) -> Result<(), SinkError> {
    replace(path, DEFAULT_MODE, encode_part(frame, shown, format))
}

/// Writes a whole frame atomically to `path`, readable only by this user: it is a live image of them.
pub(super) fn save_private(frame: &Frame, path: &Path, format: StillFormat) -> Result<(), SinkError> {
    replace(path, PRIVATE_MODE, encode_part(frame, whole(frame.size()), format))
}

/// Writes the same part of a mask atomically to `path` as a grey image.
///
/// # Errors
/// If it can't be encoded or saved.
pub fn save_mask(mask: &Mask, shown: (u32, u32), path: &Path, format: StillFormat) -> Result<(), SinkError> {
    let alpha = crop(mask.alpha().to_vec(), mask.size(), shown, 1);
    replace(path, DEFAULT_MODE, encode_as(&alpha, shown, ExtendedColorType::L8, format))
}

/// The directory that contains `path`.
pub(super) fn directory(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn rgb(frame: &Frame) -> io::Result<Vec<u8>> {
    let (width, height) = (frame.size().width() as u32, frame.size().height() as u32);
    let (y_plane, u_plane, v_plane) = frame.planes();
    let y_stride = width;
    let u_stride = width / 2;
    let v_stride = width / 2;
    let image = YuvPlanarImage { y_plane, y_stride, u_plane, u_stride, v_plane, v_stride, width, height };
    let mut rgb = vec![0; frame.size().luma_len() * 3];
    yuv420_to_rgb(&image, &mut rgb, 3 * width, YuvRange::Limited, YuvStandardMatrix::Bt601)
        .map_err(io::Error::other)?;
    Ok(rgb)
}

fn encode_as(
    pixels: &[u8],
    (width, height): (u32, u32),
    colour: ExtendedColorType,
    format: StillFormat,
) -> Result<Vec<u8>, ImageError> {
    let mut file = Vec::new();
    match format {
        StillFormat::Png => PngEncoder::new_with_quality(&mut file, CompressionType::Fast, FilterType::Adaptive)
            .write_image(pixels, width, height, colour)?,
        StillFormat::Jpeg => {
            JpegEncoder::new_with_quality(&mut file, JPEG_QUALITY).write_image(pixels, width, height, colour)?;
        }
    }
    Ok(file)
}

/// Default file mode, before the umask.
const DEFAULT_MODE: u32 = 0o666;
const PRIVATE_MODE: u32 = 0o600;

fn replace(path: &Path, mode: u32, file: Result<Vec<u8>, ImageError>) -> Result<(), SinkError> {
    let stored = file.and_then(|bytes| {
        let permissions = Permissions::from_mode(mode);
        let mut temporary = tempfile::Builder::new().permissions(permissions).tempfile_in(directory(path))?;
        temporary.write_all(&bytes)?;
        temporary.persist(path).map_err(|error| error.error)?;
        Ok(())
    });
    stored.map_err(|source| SinkError::Image { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Yuv;

    #[test]
    fn colours_survive_both_formats() {
        let mut frame = Frame::new(Size::new(32, 16).unwrap());
        for colour in [[0, 0, 0], [255, 255, 255], [0x20, 0xa0, 0x40], [255, 0, 0], [12, 34, 200]] {
            frame.fill(Yuv::from_rgb(colour[0], colour[1], colour[2]));
            for format in [StillFormat::Png, StillFormat::Jpeg] {
                let decoded = image::load_from_memory(&encode_part(&frame, whole(frame.size()), format).unwrap())
                    .unwrap()
                    .to_rgb8();
                assert_eq!(decoded.dimensions(), (32, 16));
                let pixel = decoded.get_pixel(31, 15).0;
                let near = pixel.iter().zip(colour).all(|(actual, expected)| actual.abs_diff(expected) <= 3);
                assert!(near, "{colour:?} became {pixel:?} in {format:?}");
            }
        }
    }

    #[test]
    fn a_mask_is_grey_and_lossless() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mask.png");
        let mut mask = Mask::new(Size::new(16, 16).unwrap());
        mask.alpha_mut().iter_mut().zip(0..=255).for_each(|(alpha, value)| *alpha = value);
        save_mask(&mask, whole(mask.size()), &path, StillFormat::Png).unwrap();
        let image::DynamicImage::ImageLuma8(grey) = image::open(&path).unwrap() else { panic!("not grey") };
        assert_eq!(grey.as_raw(), mask.alpha());
    }

    #[test]
    fn a_live_image_is_private_even_if_it_replaces_a_public_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("see.png");
        let frame = Frame::new(Size::new(16, 16).unwrap());
        let mode = || std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        save(&frame, whole(frame.size()), &path, StillFormat::Png).unwrap();
        assert_ne!(mode() & 0o444, 0);
        save_private(&frame, &path, StillFormat::Png).unwrap();
        assert_eq!(mode(), 0o600);
    }

    #[test]
    fn the_extension_determines_the_format() {
        assert_eq!(StillFormat::of(Path::new("a/b.JPG")), Some(StillFormat::Jpeg));
        assert_eq!(StillFormat::of(Path::new("b.png")), Some(StillFormat::Png));
        assert_eq!(StillFormat::of(Path::new("png")), None);
    }
}
