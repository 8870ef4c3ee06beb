//! Decodes untrusted image files of any size to 8-bit sRGB and to the native frame format.

pub(crate) mod aspect;
pub(crate) mod encode;
mod error;
mod exif;
mod jpeg;
pub(crate) mod png;
pub(crate) mod profile;
pub mod provenance;

use std::{
    ffi::OsStr,
    fs,
    io::{self, Cursor},
    path::Path,
};

use image::{
    DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, RgbImage, RgbaImage, metadata::Orientation,
};

use aspect::PixelAspect;
use profile::ToSrgb;

pub use error::{ImageFileError, Limits};

use crate::{
    error::nearest,
    frame::{BadSize, Frame, Size},
    media::{
        regular::{self, FileError},
        webp,
    },
};

/// Reads and decodes the image at `path`, as [`decode`].
///
/// # Errors
/// If it can't be read, is not a regular file, exceeds `limits`, or can't be decoded.
pub fn read(path: &Path, limits: &Limits) -> Result<RgbImage, ImageFileError> {
    decode(&read_bytes(path, limits)?, &path.display().to_string(), limits)
}

/// Reads the image at `path` without decoding it.
///
/// # Errors
/// If it can't be read, is not a regular file, or exceeds `limits.max_bytes`.
pub fn read_bytes(path: &Path, limits: &Limits) -> Result<Vec<u8>, ImageFileError> {
    regular::read(path, limits.max_bytes).map_err(|error| match error {
        FileError::Io(error) if error.kind() == io::ErrorKind::NotFound => not_found(path),
        source => ImageFileError::Read { name: path.display().to_string(), source },
    })
}

/// The error for a missing file, with a similarly named file as a suggestion.
fn not_found(path: &Path) -> ImageFileError {
    ImageFileError::NotFound { name: path.display().to_string(), near: near(path, is_image_name) }
}

/// Decodes a PNG, JPEG or WebP image, applies its pixel aspect and orientation, and blends transparency over black.
///
/// # Errors
/// If `bytes` are another format, damaged, truncated, or exceed `limits`.
pub fn decode(bytes: &[u8], name: &str, limits: &Limits) -> Result<RgbImage, ImageFileError> {
    decode_as_is(bytes, name, limits).map(on_black)
}

/// Decodes a PNG, JPEG or WebP image with its transparency, and applies its pixel aspect and orientation.
///
/// # Errors
/// As [`decode`].
pub fn decode_rgba(bytes: &[u8], name: &str, limits: &Limits) -> Result<RgbaImage, ImageFileError> {
    decode_as_is(bytes, name, limits).map(DynamicImage::into_rgba8)
}

fn decode_as_is(bytes: &[u8], name: &str, limits: &Limits) -> Result<DynamicImage, ImageFileError> {
    let (length, limit) = (bytes.len() as u64, limits.max_bytes);
    if length > limit {
        return Err(ImageFileError::Read {
            name: name.to_owned(),
            source: FileError::TooLarge { bytes: length, limit },
        });
    }
    let format = sniff(bytes, name)?;
    if is_truncated(bytes, format) {
        return Err(ImageFileError::Truncated { name: name.to_owned() });
    }
    let failed = |source| decode_error(source, name);
    if format == ImageFormat::WebP {
        webp::check(bytes).map_err(failed)?;
    }
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut bounds = image::Limits::default();
    // 16-bit RGBA is the largest pixel type; the decoders' own tables are small in comparison.
    bounds.max_alloc = Some(limits.max_pixels.saturating_mul(8).saturating_add(16 << 20));
    reader.limits(bounds);
    let mut decoder = reader.into_decoder().map_err(failed)?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > limits.max_pixels {
        return Err(ImageFileError::TooManyPixels { name: name.to_owned(), width, height, limit: limits.max_pixels });
    }
    // Invalid EXIF data are ignored.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let to_srgb = ToSrgb::of(&mut decoder, bytes, format);
    let mut image = DynamicImage::from_decoder(decoder).map_err(failed)?;
    if let Some(to_srgb) = to_srgb {
        image = to_srgb.convert(image);
    }
    if let Some(aspect) = PixelAspect::of(bytes, format) {
        image = aspect.square(image, limits.max_pixels);
    }
    image.apply_orientation(orientation);
    Ok(image)
}

/// Converts to 8-bit RGB, with transparency blended over black. Reuses the memory of 8-bit images.
pub(crate) fn on_black(image: DynamicImage) -> RgbImage {
    if !image.color().has_alpha() {
        return image.into_rgb8();
    }
    let over = |value: u8, alpha: u8| ((u32::from(value) * u32::from(alpha) + 127) / 255) as u8;
    let (width, height) = (image.width(), image.height());
    let mut bytes = image.into_rgba8().into_raw();
    let count = bytes.len() / 4;
    for at in 0..count {
        let alpha = bytes[4 * at + 3];
        for channel in 0..3 {
            bytes[3 * at + channel] = over(bytes[4 * at + channel], alpha);
        }
    }
    bytes.truncate(3 * count);
    #[allow(clippy::expect_used)] // three bytes remain for each pixel
    RgbImage::from_raw(width, height, bytes).expect("the buffer has three bytes per pixel")
}

/// Whether a file that begins with these bytes is an image supported by [`decode`].
pub fn is_image(start: &[u8]) -> bool {
    sniff(start, "").is_ok()
}

/// Converts an image to the native frame format.
///
/// # Errors
/// If its size is not a valid frame size.
pub fn to_frame(image: &RgbImage) -> Result<Frame, BadSize> {
    let (width, height) = image.dimensions();
    let mut frame = Frame::new(Size::new(width, height)?);
    write_i420(image, &mut frame);
    Ok(frame)
}

/// Converts RGB to ITU-R BT.601, limited range, with the arithmetic of
/// [`Yuv::from_rgb`](crate::frame::Yuv::from_rgb). A chroma sample is that of the mean colour of 2x2 pixels.
pub fn write_i420(rgb: &[u8], frame: &mut Frame) {
    let width = frame.size().width();
    let (y, u, v) = frame.planes_mut();
    for (luma, pixel) in y.iter_mut().zip(rgb.as_chunks::<3>().0) {
        let [r, g, b] = pixel.map(i32::from);
        *luma = ((16_829 * r + 33_039 * g + 6_416 * b + (16 << 16) + (1 << 15)) >> 16) as u8;
    }
    let chroma_rows = u.chunks_exact_mut(width / 2).zip(v.chunks_exact_mut(width / 2));
    for ((u, v), rows) in chroma_rows.zip(rgb.chunks_exact(width * 6)) {
        let (above, below) = rows.split_at(width * 3);
        let pairs = above.as_chunks::<6>().0.iter().zip(below.as_chunks::<6>().0);
        for ((u, v), (above, below)) in u.iter_mut().zip(v).zip(pairs) {
            let sum =
                |at: usize| [above[at], above[at + 3], below[at], below[at + 3]].map(i32::from).iter().sum::<i32>();
            let (r, g, b) = (sum(0), sum(1), sum(2));
            *u = ((-9_714 * r - 19_070 * g + 28_784 * b + (128 << 18) + (1 << 17)) >> 18) as u8;
            *v = ((28_784 * r - 24_103 * g - 4_681 * b + (128 << 18) + (1 << 17)) >> 18) as u8;
        }
    }
}

fn decode_error(source: ImageError, name: &str) -> ImageFileError {
    let name = name.to_owned();
    match source {
        ImageError::IoError(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            ImageFileError::Truncated { name }
        }
        _ => ImageFileError::Decode { name, source },
    }
}

/// A file in the same directory with a similar name, among those accepted by `wanted`.
pub(crate) fn near(path: &Path, wanted: impl Fn(&str) -> bool) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let others = fs::read_dir(folder).ok()?.take(2000).filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let near = nearest(name, others.filter(|other| wanted(other)))?;
    Some(path.with_file_name(near).display().to_string())
}

/// Whether a file name has the extension of an image supported by [`decode`].
pub(crate) fn is_image_name(name: &str) -> bool {
    let extension = Path::new(name).extension().and_then(OsStr::to_str).unwrap_or_default();
    ["png", "jpg", "jpeg", "webp"].iter().any(|known| known.eq_ignore_ascii_case(extension))
}

/// Whether the end is missing, for formats whose decoder does not report it.
fn is_truncated(bytes: &[u8], format: ImageFormat) -> bool {
    match (format, bytes) {
        (ImageFormat::Jpeg, _) => !has_jpeg_end(bytes),
        (ImageFormat::WebP, &[_, _, _, _, a, b, c, d, ..]) => {
            (bytes.len() as u64) < u64::from(u32::from_le_bytes([a, b, c, d])) + 8
        }
        _ => false,
    }
}

/// Whether a JPEG's end marker follows the start of its scan data. The decoder would fill missing data with grey.
///
/// In scan data every 0xff is escaped, so the marker can't occur there by chance. Phones append data after it.
fn has_jpeg_end(bytes: &[u8]) -> bool {
    const START_OF_SCAN: u8 = 0xda;
    let mut at = 2;
    // Skips header segments: a thumbnail in them has its own end marker.
    while let Some(&[0xff, marker, high, low]) = bytes.get(at..at + 4) {
        if marker == START_OF_SCAN {
            return bytes[at..].windows(2).any(|pair| pair == [0xff, 0xd9]);
        }
        // A marker may be preceded by any number of fill bytes.
        at += if marker == 0xff { 1 } else { 2 + usize::from(u16::from_be_bytes([high, low])) };
    }
    false
}

/// Valid UTF-8, except for a truncated last character.
fn is_text(head: &[u8]) -> bool {
    !head.contains(&0) && std::str::from_utf8(head).map_or_else(|error| error.error_len().is_none(), |_| true)
}

/// Detects the format from the first bytes, or describes what the file is instead.
pub(crate) fn sniff(bytes: &[u8], name: &str) -> Result<ImageFormat, ImageFileError> {
    let starts = |magic: &[u8]| bytes.starts_with(magic);
    let head = &bytes[..bytes.len().min(1024)];
    let contains = |text: &[u8]| head.windows(text.len()).any(|part| part.eq_ignore_ascii_case(text));
    let brand = if bytes.get(4..8) == Some(b"ftyp") { bytes.get(8..12).unwrap_or_default() } else { b"" };
    let unsupported = |format| ImageFileError::Unsupported { name: name.to_owned(), format };
    let not_an_image = |found| ImageFileError::NotAnImage { name: name.to_owned(), found };
    Err(match brand {
        b"avif" | b"avis" => unsupported("an AVIF image"),
        b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"mif1" | b"msf1" => unsupported("a HEIC image"),
        b"" if starts(b"\x89PNG\r\n\x1a\n") => return Ok(ImageFormat::Png),
        b"" if starts(b"\xff\xd8\xff") => return Ok(ImageFormat::Jpeg),
        b"" if starts(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") => return Ok(ImageFormat::WebP),
        b"" if starts(b"GIF8") => unsupported("a GIF"),
        b"" if starts(b"BM") && bytes.len() > 26 => unsupported("a BMP image"),
        b"" if starts(b"II*\0") || starts(b"MM\0*") => unsupported("a TIFF or raw image"),
        b"" if starts(b"\xff\x0a") || starts(b"\0\0\0\x0cJXL ") => unsupported("a JPEG XL image"),
        b"" if contains(b"<svg") => unsupported("an SVG drawing"),
        b"" if starts(b"%PDF") => not_an_image("a PDF document"),
        b"" if starts(b"\x1a\x45\xdf\xa3") || starts(b"RIFF") => not_an_image("a video or audio file"),
        b"" if contains(b"<html") => not_an_image("a web page"),
        b"" if bytes.is_empty() => not_an_image("empty"),
        b"" if is_text(head) => not_an_image("a text file"),
        b"" => not_an_image("an unknown file type"),
        _ => not_an_image("a video"),
    })
}

/// CRC of a PNG chunk, for tests that create files.
#[cfg(test)]
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    })
}

#[cfg(test)]
mod tests {
    use image::{ImageEncoder, Rgb, Rgba, RgbaImage, codecs::jpeg::JpegEncoder};

    use super::*;
    use crate::frame::Yuv;

    fn open(bytes: &[u8]) -> Result<RgbImage, ImageFileError> {
        decode(bytes, "test", &Limits::default())
    }

    fn encode(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        image.into().write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    fn flat(colour: [u8; 3]) -> RgbImage {
        RgbImage::from_pixel(32, 18, Rgb(colour))
    }

    /// A JPEG with a white left half and a black right half, and this EXIF data.
    fn halves(exif: &[u8]) -> Vec<u8> {
        let image = RgbImage::from_fn(64, 64, |x, _| Rgb(if x < 32 { [255; 3] } else { [0; 3] }));
        let mut bytes = Vec::new();
        let mut encoder = JpegEncoder::new(&mut bytes);
        encoder.set_exif_metadata(exif.to_vec()).unwrap();
        encoder.encode_image(&image).unwrap();
        bytes
    }

    #[test]
    fn every_format_is_read_in_its_colours() {
        for format in [ImageFormat::Png, ImageFormat::WebP] {
            assert_eq!(open(&encode(flat([200, 40, 90]), format)).unwrap(), flat([200, 40, 90]), "{format:?}");
        }
        assert_eq!(open(&encode(flat([90; 3]), ImageFormat::Jpeg)).unwrap(), flat([90; 3]));
    }

    #[test]
    fn transparency_is_blended_over_black() {
        let half = RgbaImage::from_fn(32, 18, |x, _| Rgba([200, 100, 50, if x < 16 { 128 } else { 0 }]));
        let expected = RgbImage::from_fn(32, 18, |x, _| Rgb(if x < 16 { [100, 50, 25] } else { [0; 3] }));
        assert_eq!(open(&encode(half, ImageFormat::Png)).unwrap(), expected);
        let grey = image::GrayAlphaImage::from_pixel(32, 18, image::LumaA([200, 128]));
        assert_eq!(open(&encode(grey, ImageFormat::Png)).unwrap(), flat([100; 3]));
    }

    #[test]
    fn the_exif_orientation_is_applied() {
        // The left half is white, and the orientation is a quarter turn to the right: the top becomes white.
        let image = open(&halves(b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0")).unwrap();
        assert!(image.get_pixel(3, 3)[0] > 250 && image.get_pixel(60, 3)[0] > 250);
        assert!(image.get_pixel(3, 60)[0] < 5 && image.get_pixel(60, 60)[0] < 5);
    }

    #[test]
    fn invalid_exif_data_is_ignored() {
        for exif in [&b"II*\0\xff\xff\xff\xff"[..], b"MM", b"", b"garbage"] {
            assert!(open(&halves(exif)).unwrap().get_pixel(3, 60)[0] > 250, "{exif:?}");
        }
    }

    #[test]
    fn a_truncated_image_is_reported_as_truncated() {
        let noise = RgbImage::from_fn(200, 200, |x, y| Rgb([(x * y) as u8, (x ^ y) as u8, (x * 7 + y) as u8]));
        for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP] {
            let bytes = encode(noise.clone(), format);
            assert!(open(&bytes).is_ok());
            let error = open(&bytes[..bytes.len() * 2 / 3]).unwrap_err();
            assert!(matches!(error, ImageFileError::Truncated { .. }), "{format:?}: {error:?}");
        }
    }

    #[test]
    fn other_file_types_are_named() {
        for (bytes, found) in [
            (&b"GIF89a......"[..], "a GIF"),
            (b"<?xml version=\"1.0\"?>\n<svg xmlns=\"...\">", "an SVG drawing"),
            (b"\0\0\0\x1cftypheic\0\0\0\0", "a HEIC image"),
            (b"\0\0\0\x1cftypavif\0\0\0\0", "an AVIF image"),
            (b"\0\0\0\x1cftypisom\0\0\0\0", "a video"),
            (b"dear diary", "a text file"),
            (b"\0\x01\x02", "an unknown file type"),
            (b"", "empty"),
        ] {
            let error = open(bytes).unwrap_err().to_string();
            assert!(error.contains(found), "{found}: {error}");
        }
    }

    #[test]
    fn a_decompression_bomb_is_rejected_by_its_header() {
        let mut png = encode(flat([0; 3]), ImageFormat::Png);
        png[16..24].copy_from_slice(&[0, 0, 0x80, 0, 0, 0, 0x80, 0]);
        let crc = crc32(&png[12..29]).to_be_bytes();
        png[29..33].copy_from_slice(&crc);
        let error = open(&png).unwrap_err();
        assert!(matches!(error, ImageFileError::TooManyPixels { width: 32768, height: 32768, .. }), "{error:?}");
    }

    #[test]
    fn missing_and_oversized_files_are_reported() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let read = |path: &Path| read(path, &Limits { max_bytes: 1000, ..Limits::default() });
        fs::write(at("beach.png"), encode(flat([1; 3]), ImageFormat::Png)).unwrap();
        assert!(read(&at("beach.png")).is_ok());

        let Err(ImageFileError::NotFound { near, .. }) = read(&at("baech.png")) else { panic!("found") };
        assert_eq!(near, Some(at("beach.png").display().to_string()));

        fs::write(at("large.png"), [0; 1001]).unwrap();
        let error = read(&at("large.png")).unwrap_err();
        assert!(matches!(error, ImageFileError::Read { source: FileError::TooLarge { bytes: 1001, .. }, .. }));
        assert!(error.hint().unwrap().contains("smaller"));
        regular::make_fifo(&at("fifo.png"));
        let error = read(&at("fifo.png")).unwrap_err();
        assert!(matches!(error, ImageFileError::Read { source: FileError::NotRegular("a named pipe"), .. }));
    }

    #[test]
    fn a_frame_has_the_colours_of_its_image() {
        let frame = to_frame(&flat([230, 120, 20])).unwrap();
        let (y, u, v) = frame.planes();
        let yuv = Yuv { y: y[99], u: u[99], v: v[99] };
        assert_eq!(yuv, Yuv::from_rgb(230, 120, 20));
        assert!(to_frame(&RgbImage::new(33, 18)).is_err());
    }
}
