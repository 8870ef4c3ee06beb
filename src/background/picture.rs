//! From a picture file, however large, odd or hostile, to a frame.

use std::{
    ffi::OsStr,
    fs::{self, File, OpenOptions},
    io::{self, Cursor, Read},
    os::unix::fs::{FileTypeExt, OpenOptionsExt},
    path::Path,
};

use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader};

use super::{BackgroundError, Fit, Limits, fit, spec::nearest};
use crate::frame::{Frame, Size};

/// Decodes the picture at `path` and fits it to `size`.
///
/// # Errors
/// When it can't be read, is no regular file, is larger than `limits`, or for what [`from_bytes`] refuses.
pub fn load(path: &Path, fit: Fit, size: Size, limits: &Limits) -> Result<Frame, BackgroundError> {
    let bytes = read(path, limits)?;
    from_bytes(&bytes, &path.display().to_string(), fit, size, limits)
}

/// Decodes a PNG, JPEG or WebP picture, turns it upright, lays it on black where it is transparent, and fits it to `size`.
///
/// `name` is what errors call it.
///
/// # Errors
/// When `bytes` are something else, damaged, cut off, or larger than `limits`.
pub fn from_bytes(bytes: &[u8], name: &str, fit: Fit, size: Size, limits: &Limits) -> Result<Frame, BackgroundError> {
    let picture = decode(bytes, name, limits)?;
    Ok(fit::to_frame(&picture, fit, size))
}

/// The bytes of a regular file; anything that could block or never end is refused by its kind.
fn read(path: &Path, limits: &Limits) -> Result<Vec<u8>, BackgroundError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => BackgroundError::NotFound { path: path.into(), near: near(path) },
        _ => BackgroundError::Read { path: path.into(), source },
    };
    // Without O_NONBLOCK, opening a FIFO waits for a writer.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(BackgroundError::NotAFile { path: path.into(), what: kind_of(&metadata) });
    }
    let too_many = |bytes| {
        let name = path.display().to_string();
        BackgroundError::TooManyBytes { name, bytes, limit: limits.max_bytes }
    };
    if metadata.len() > limits.max_bytes {
        return Err(too_many(metadata.len()));
    }
    let bytes = read_up_to(file, limits.max_bytes + 1).map_err(failed)?;
    // It may have grown since, or be one of /proc that hides its length.
    if bytes.len() as u64 > limits.max_bytes { Err(too_many(bytes.len() as u64)) } else { Ok(bytes) }
}

fn read_up_to(file: File, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn kind_of(metadata: &fs::Metadata) -> &'static str {
    let kind = metadata.file_type();
    if kind.is_dir() {
        "a folder"
    } else if kind.is_fifo() {
        "a named pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}

/// A file beside the missing one with nearly its name.
fn near(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let others = fs::read_dir(folder).ok()?.take(2000).filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let near = nearest(name, others.filter(|other| is_picture_name(other)))?;
    Some(path.with_file_name(near).display().to_string())
}

fn is_picture_name(name: &str) -> bool {
    let extension = Path::new(name).extension().and_then(OsStr::to_str).unwrap_or_default();
    ["png", "jpg", "jpeg", "webp"].iter().any(|known| known.eq_ignore_ascii_case(extension))
}

fn decode(bytes: &[u8], name: &str, limits: &Limits) -> Result<DynamicImage, BackgroundError> {
    let (length, limit) = (bytes.len() as u64, limits.max_bytes);
    if length > limit {
        return Err(BackgroundError::TooManyBytes { name: name.to_owned(), bytes: length, limit });
    }
    let format = sniff(bytes, name)?;
    if is_cut(bytes, format) {
        return Err(BackgroundError::Truncated { name: name.to_owned() });
    }
    let failed = |source| decode_error(source, name);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut bounds = image::Limits::default();
    // 16-bit RGBA is the widest pixel; the decoders' own tables are small beside it.
    bounds.max_alloc = Some(limits.max_pixels.saturating_mul(8).saturating_add(16 << 20));
    reader.limits(bounds);
    let mut decoder = reader.into_decoder().map_err(failed)?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > limits.max_pixels {
        return Err(BackgroundError::TooManyPixels { name: name.to_owned(), width, height, limit: limits.max_pixels });
    }
    let orientation = decoder.orientation().map_err(failed)?;
    let mut picture = DynamicImage::from_decoder(decoder).map_err(failed)?;
    picture.apply_orientation(orientation);
    Ok(picture)
}

fn decode_error(source: ImageError, name: &str) -> BackgroundError {
    let name = name.to_owned();
    match source {
        ImageError::IoError(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            BackgroundError::Truncated { name }
        }
        _ => BackgroundError::Decode { name, source },
    }
}

/// Whether the end is missing, where decoders don't say so themselves.
fn is_cut(bytes: &[u8], format: ImageFormat) -> bool {
    match (format, bytes) {
        (ImageFormat::Jpeg, _) => !has_jpeg_end(bytes),
        (ImageFormat::WebP, &[_, _, _, _, a, b, c, d, ..]) => {
            (bytes.len() as u64) < u64::from(u32::from_le_bytes([a, b, c, d])) + 8
        }
        _ => false,
    }
}

/// Whether the mark of a JPEG's end comes after the start of its pixels. The decoder would paint what is missing gray.
///
/// Within the pixels every 0xff is escaped, so the mark can't stand there by chance; phones append data behind it.
fn has_jpeg_end(bytes: &[u8]) -> bool {
    const START_OF_SCAN: u8 = 0xda;
    let mut at = 2;
    // Headers are jumped over: a thumbnail in them has an end of its own.
    while let Some(&[0xff, marker, high, low]) = bytes.get(at..at + 4) {
        if marker == START_OF_SCAN {
            return bytes[at..].windows(2).any(|pair| pair == [0xff, 0xd9]);
        }
        // Before a marker there may be any number of fill bytes.
        at += if marker == 0xff { 1 } else { 2 + usize::from(u16::from_be_bytes([high, low])) };
    }
    false
}

/// UTF-8, whose last letter may be cut in two.
fn is_text(head: &[u8]) -> bool {
    !head.contains(&0) && std::str::from_utf8(head).map_or_else(|error| error.error_len().is_none(), |_| true)
}

/// Tells the format by the first bytes, and names what it is instead.
fn sniff(bytes: &[u8], name: &str) -> Result<ImageFormat, BackgroundError> {
    let starts = |magic: &[u8]| bytes.starts_with(magic);
    let head = &bytes[..bytes.len().min(1024)];
    let contains = |text: &[u8]| head.windows(text.len()).any(|part| part.eq_ignore_ascii_case(text));
    let brand = if bytes.get(4..8) == Some(b"ftyp") { bytes.get(8..12).unwrap_or_default() } else { b"" };
    let unsupported = |format| BackgroundError::Unsupported { name: name.to_owned(), format };
    let no_picture = |found| BackgroundError::NotAPicture { name: name.to_owned(), found };
    Err(match brand {
        b"avif" | b"avis" => unsupported("an AVIF picture"),
        b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"mif1" | b"msf1" => unsupported("a HEIC picture"),
        b"" if starts(b"\x89PNG\r\n\x1a\n") => return Ok(ImageFormat::Png),
        b"" if starts(b"\xff\xd8\xff") => return Ok(ImageFormat::Jpeg),
        b"" if starts(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") => return Ok(ImageFormat::WebP),
        b"" if starts(b"GIF8") => unsupported("a GIF"),
        b"" if starts(b"BM") && bytes.len() > 26 => unsupported("a BMP picture"),
        b"" if starts(b"II*\0") || starts(b"MM\0*") => unsupported("a TIFF or raw picture"),
        b"" if starts(b"\xff\x0a") || starts(b"\0\0\0\x0cJXL ") => unsupported("a JPEG XL picture"),
        b"" if contains(b"<svg") => unsupported("an SVG drawing"),
        b"" if starts(b"%PDF") => no_picture("a PDF document"),
        b"" if starts(b"\x1a\x45\xdf\xa3") || starts(b"RIFF") => no_picture("a video or sound file"),
        b"" if contains(b"<html") => no_picture("a web page"),
        b"" if bytes.is_empty() => no_picture("empty"),
        b"" if is_text(head) => no_picture("a text file"),
        b"" => no_picture("something unknown"),
        _ => no_picture("a video"),
    })
}

#[cfg(test)]
mod tests {
    use std::{ffi::CString, io::Write, os::unix::ffi::OsStrExt};

    use image::{ImageEncoder, Rgb, RgbImage, Rgba, RgbaImage, codecs::jpeg::JpegEncoder};
    use proptest::prelude::*;

    use super::*;
    use crate::{error::Failure, frame::Yuv};

    const SIZE: Size = Size::HD;

    fn open(bytes: &[u8]) -> Result<Frame, BackgroundError> {
        from_bytes(bytes, "test", Fit::Cover, SIZE, &Limits::default())
    }

    fn encode(picture: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        picture.into().write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    fn flat(colour: [u8; 3]) -> RgbImage {
        RgbImage::from_pixel(32, 18, Rgb(colour))
    }

    fn pixel(frame: &Frame, x: usize, y: usize) -> Yuv {
        let (luma, u, v) = frame.planes();
        let chroma = y / 2 * (SIZE.width() / 2) + x / 2;
        Yuv { y: luma[y * SIZE.width() + x], u: u[chroma], v: v[chroma] }
    }

    fn is(frame: &Frame, colour: Yuv) -> bool {
        let (y, u, v) = frame.planes();
        y.iter().all(|p| *p == colour.y) && u.iter().all(|p| *p == colour.u) && v.iter().all(|p| *p == colour.v)
    }

    #[test]
    fn every_format_keeps_a_flat_colour() {
        for format in [ImageFormat::Png, ImageFormat::WebP] {
            assert!(is(&open(&encode(flat([200, 40, 90]), format)).unwrap(), Yuv::from_rgb(200, 40, 90)), "{format:?}");
        }
        let jpeg = open(&encode(flat([90, 90, 90]), ImageFormat::Jpeg)).unwrap();
        assert!(is(&jpeg, Yuv::from_rgb(90, 90, 90)));
    }

    #[test]
    fn transparency_lies_on_black() {
        let clear = RgbaImage::from_pixel(32, 18, Rgba([255, 255, 255, 0]));
        assert!(is(&open(&encode(clear, ImageFormat::Png)).unwrap(), Yuv::BLACK));
        let half = RgbaImage::from_pixel(32, 18, Rgba([200, 100, 50, 128]));
        assert!(is(&open(&encode(half, ImageFormat::Png)).unwrap(), Yuv::from_rgb(100, 50, 25)));
    }

    #[test]
    fn a_photo_taken_sideways_is_turned_upright() {
        // Left half white; the camera says: turn me a quarter to the right. Then the top is white.
        let picture = RgbImage::from_fn(64, 64, |x, _| Rgb(if x < 32 { [255; 3] } else { [0; 3] }));
        let mut bytes = Vec::new();
        let mut encoder = JpegEncoder::new(&mut bytes);
        let exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
        encoder.set_exif_metadata(exif.to_vec()).unwrap();
        encoder.encode_image(&picture).unwrap();
        let frame = open(&bytes).unwrap();
        assert!(pixel(&frame, 20, 20).y > 220 && pixel(&frame, 1260, 20).y > 220);
        assert!(pixel(&frame, 20, 700).y < 30 && pixel(&frame, 1260, 700).y < 30);
    }

    #[test]
    fn a_cut_picture_is_called_cut() {
        let noise = RgbImage::from_fn(200, 200, |x, y| Rgb([(x * y) as u8, (x ^ y) as u8, (x * 7 + y) as u8]));
        for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP] {
            let bytes = encode(noise.clone(), format);
            assert!(open(&bytes).is_ok());
            let error = open(&bytes[..bytes.len() * 2 / 3]).unwrap_err();
            assert!(matches!(error, BackgroundError::Truncated { .. }), "{format:?}: {error:?}");
        }
    }

    #[test]
    fn what_is_not_a_picture_is_named() {
        for (bytes, found) in [
            (&b"GIF89a......"[..], "a GIF"),
            (b"<?xml version=\"1.0\"?>\n<svg xmlns=\"...\">", "an SVG drawing"),
            (b"\0\0\0\x1cftypheic\0\0\0\0", "a HEIC picture"),
            (b"\0\0\0\x1cftypavif\0\0\0\0", "an AVIF picture"),
            (b"\0\0\0\x1cftypisom\0\0\0\0", "a video"),
            (b"dear diary", "a text file"),
            (b"\0\x01\x02", "something unknown"),
            (b"", "empty"),
        ] {
            let failure = Failure::from(&open(bytes).unwrap_err());
            assert!(failure.message.contains(found), "{found}: {failure}");
        }
    }

    #[test]
    fn a_bomb_is_refused_by_its_header() {
        let mut png = encode(flat([0; 3]), ImageFormat::Png);
        png[16..24].copy_from_slice(&[0, 0, 0x80, 0, 0, 0, 0x80, 0]);
        let crc = crc32(&png[12..29]).to_be_bytes();
        png[29..33].copy_from_slice(&crc);
        let error = open(&png).unwrap_err();
        assert!(matches!(error, BackgroundError::TooManyPixels { width: 32768, height: 32768, .. }), "{error:?}");
    }

    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(u32::MAX, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
        })
    }

    #[test]
    fn only_small_regular_files_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let load = |path: &Path| load(path, Fit::Cover, SIZE, &Limits { max_bytes: 1000, ..Limits::default() });
        fs::write(at("beach.png"), encode(flat([1; 3]), ImageFormat::Png)).unwrap();
        assert!(load(&at("beach.png")).is_ok());

        let Err(BackgroundError::NotFound { near, .. }) = load(&at("baech.png")) else { panic!("found") };
        assert_eq!(near, Some(at("beach.png").display().to_string()));

        fs::write(at("large.png"), [0; 1001]).unwrap();
        assert!(matches!(load(&at("large.png")), Err(BackgroundError::TooManyBytes { bytes: 1001, limit: 1000, .. })));

        let fifo = at("fifo.png");
        let name = CString::new(fifo.as_os_str().as_bytes()).unwrap();
        // SAFETY: `name` is a string that ends in a zero byte and lives through the call.
        assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
        for (path, kind) in
            [(&*fifo, "a named pipe"), (folder.path(), "a folder"), (Path::new("/dev/zero"), "a device")]
        {
            let Err(BackgroundError::NotAFile { what, .. }) = load(path) else { panic!("{kind} was read") };
            assert_eq!(what, kind);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn no_bytes_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..300), format in 0..3usize) {
            let mut whole = encode(flat([9; 3]), [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP][format]);
            let at = bytes.len() % whole.len();
            whole.truncate(at.max(12));
            whole.write_all(&bytes).unwrap();
            let limits = Limits { max_pixels: 1_000_000, ..Limits::default() };
            let size = Size::new(16, 16).unwrap();
            let _ = from_bytes(&whole, "test", Fit::Contain, size, &limits);
            bytes.splice(0..0, *b"RIFF\x40\0\0\0WEBPVP8 ");
            let _ = from_bytes(&bytes, "test", Fit::Contain, size, &limits);
        }
    }
}
