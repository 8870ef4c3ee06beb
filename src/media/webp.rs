//! Validates the frame sizes in a WebP file before it is decoded.

use std::iter;

use image::{
    ImageError, ImageFormat, ImageResult,
    error::{DecodingError, ImageFormatHint},
};

/// Width and height in pixels.
type Pixels = (u32, u32);

/// Checks the headers of all frames.
///
/// Workaround for image-webp 0.2.4 (issue 182): it allocates the up to 16383 x 16383 pixels that a lossy frame claims
/// before comparing them with the file's size, and panics on a transparent animation frame whose data differ from its
/// declared size. Delete this module once that is fixed.
///
/// # Errors
/// If a frame's data differ from its declared size, or the frame exceeds the canvas.
pub(crate) fn check(bytes: &[u8]) -> ImageResult<()> {
    if frames_fit(bytes) {
        return Ok(());
    }
    let hint = ImageFormatHint::Exact(ImageFormat::WebP);
    Err(ImageError::Decoding(DecodingError::new(hint, "a frame's size differs from the size in its header")))
}

fn frames_fit(bytes: &[u8]) -> bool {
    // Without this header, the single frame defines the size of the image.
    if bytes.get(12..16) != Some(b"VP8X") {
        return true;
    }
    let canvas = size_at(bytes, 24);
    chunks(&bytes[12..]).all(|chunk| match &chunk.name {
        b"VP8 " => has_size(chunk.data, canvas),
        // After a chunk of odd length the decoder would look for the next one at the wrong offset.
        b"ANMF" => chunk.length.is_multiple_of(2) && frame_fits(chunk.data, canvas),
        _ => true,
    })
}

/// Whether the data of an animation frame have its declared size, and the frame fits the canvas.
fn frame_fits(frame: &[u8], canvas: Option<Pixels>) -> bool {
    let (Some(place), Some(canvas)) = (size_at(frame, 6), canvas) else { return true };
    let mut parts = chunks(frame.get(16..).unwrap_or_default());
    let lossy = match parts.next() {
        // The decoder treats the following chunk as lossy data, regardless of its name.
        Some(first) if first.name == *b"ALPH" => parts.next(),
        first => first.filter(|first| first.name == *b"VP8 "),
    };
    place.0 <= canvas.0 && place.1 <= canvas.1 && lossy.is_none_or(|part| has_size(part.data, Some(place)))
}

/// Whether lossy data have this size; other data are left to the decoder.
fn has_size(data: &[u8], size: Option<Pixels>) -> bool {
    let side = |low: u8, high: u8| u32::from(u16::from_le_bytes([low, high]) & 0x3fff); // the two bits above are a scale
    match data.first_chunk() {
        Some(&[_, _, _, 0x9d, 0x01, 0x2a, a, b, c, d]) => size == Some((side(a, b), side(c, d))),
        _ => true,
    }
}

/// A width and a height of 24 bits each, stored minus one.
fn size_at(bytes: &[u8], at: usize) -> Option<Pixels> {
    let side = |low, middle, high| u32::from_le_bytes([low, middle, high, 0]) + 1;
    let &[a, b, c, d, e, f] = bytes.get(at..)?.first_chunk()?;
    Some((side(a, b, c), side(d, e, f)))
}

/// Data of the first chunk with this name.
pub(crate) fn chunk<'a>(bytes: &'a [u8], name: &[u8; 4]) -> Option<&'a [u8]> {
    chunks(bytes.get(12..)?).find(|chunk| chunk.name == *name).map(|chunk| chunk.data)
}

struct Chunk<'a> {
    name: [u8; 4],
    /// As declared; the file may have less.
    length: usize,
    data: &'a [u8],
}

/// Consecutive chunks, padded to even lengths.
fn chunks(mut bytes: &[u8]) -> impl Iterator<Item = Chunk<'_>> {
    iter::from_fn(move || {
        let (&[a, b, c, d, length @ ..], rest) = bytes.split_first_chunk::<8>()?;
        let length = u32::from_le_bytes(length) as usize;
        bytes = rest.get(length.saturating_add(length % 2)..).unwrap_or_default();
        Some(Chunk { name: [a, b, c, d], length, data: &rest[..length.min(rest.len())] })
    })
}

/// WebP files for tests.
#[cfg(test)]
pub(crate) mod samples {
    use super::Pixels;

    /// Alpha and colour data of a solid image of 24x16, as produced by libwebp.
    const ALPH: &[u8] = b"\x11\x07\x50\xc0\x88\x08\x44\x44\xff\x03";
    const VP8: &[u8] =
        b"\xb0\x02\0\x9d\x01\x2a\x18\0\x10\0\x3f\xfd\xfe\xff\x7f\xbf\xbb\x36\xb2\x30\x08\x03\xf0\x3f\x89\x40\
        \0\x0f\x64\0\0\xfe\xcb\xb7\xca\x93\x8d\xfe\x76\xda\x2d\x2e\xd0\0\0\0";

    fn chunk(name: &[u8; 4], data: &[u8]) -> Vec<u8> {
        [name, &(data.len() as u32).to_le_bytes()[..], data].concat()
    }

    fn minus_one((width, height): Pixels) -> [u8; 6] {
        let ([a, b, c, _], [d, e, f, _]) = ((width - 1).to_le_bytes(), (height - 1).to_le_bytes());
        [a, b, c, d, e, f]
    }

    /// Lossy data that claim this size.
    fn lossy((width, height): Pixels) -> Vec<u8> {
        let mut data = VP8.to_vec();
        data[6..8].copy_from_slice(&(width as u16).to_le_bytes());
        data[8..10].copy_from_slice(&(height as u16).to_le_bytes());
        chunk(b"VP8 ", &data)
    }

    fn file(flags: u8, canvas: Pixels, chunks: &[u8]) -> Vec<u8> {
        let header = chunk(b"VP8X", &[&[flags, 0, 0, 0][..], &minus_one(canvas)].concat());
        chunk(b"RIFF", &[b"WEBP", &header[..], chunks].concat())
    }

    pub(super) fn still(canvas: Pixels, size: Pixels) -> Vec<u8> {
        file(0, canvas, &lossy(size))
    }

    /// Two transparent frames whose data have `size`.
    pub(crate) fn moving(canvas: Pixels, place: Pixels, size: Pixels) -> Vec<u8> {
        let head = [&[0; 6][..], &minus_one(place), &[50, 0, 0, 0]].concat();
        let frame = chunk(b"ANMF", &[head, chunk(b"ALPH", ALPH), lossy(size)].concat());
        file(0x12, canvas, &[chunk(b"ANIM", &[0; 6]), frame.clone(), frame].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::{
        samples::{moving, still},
        *,
    };
    use crate::media::image_file::{self, ImageFileError, Limits};

    const REAL: Pixels = (24, 16);
    const HUGE: Pixels = (16383, 16383);

    #[test]
    fn consistent_files_are_decoded() {
        for bytes in [still(REAL, REAL), moving(REAL, REAL, REAL), moving((30, 20), REAL, REAL)] {
            check(&bytes).unwrap();
            let image = image_file::decode(&bytes, "test", &Limits::default()).unwrap();
            assert!(image.width() >= 24 && image.height() >= 16);
        }
        assert!(check(b"RIFF\0\0\0\0WEBPVP8 ").is_ok() && check(b"").is_ok());
    }

    #[test]
    fn inconsistent_sizes_are_rejected_before_decoding() {
        for bytes in [
            still(REAL, HUGE),
            still(REAL, (24, 15)),
            moving(REAL, REAL, (32, 16)), // the decoder would panic
            moving(REAL, REAL, (0, 16)),
            moving(REAL, REAL, HUGE),
            moving(REAL, HUGE, HUGE),
        ] {
            assert!(check(&bytes).is_err());
            let error = image_file::decode(&bytes, "test", &Limits::default()).unwrap_err();
            assert!(matches!(error, ImageFileError::Decode { .. }), "{error:?}");
        }
    }

    #[test]
    fn a_frame_is_not_hidden_by_an_odd_length_or_a_false_name() {
        let at = |bytes: &[u8], name| bytes.windows(4).position(|part| part == name).unwrap();
        let mut bytes = moving(REAL, REAL, REAL);
        let frame = at(&bytes, b"ANMF");
        bytes[frame + 4] += 1;
        assert!(check(&bytes).is_err());
        let mut bytes = moving(REAL, REAL, (32, 16));
        let name = at(&bytes, b"VP8 ");
        bytes[name + 2] = b'6';
        assert!(check(&bytes).is_err());
    }
}
