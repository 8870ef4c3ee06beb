//! Segments of a JPEG that precede its pixel data.

use std::iter;

/// Start of scan: the pixel data follow.
const SOS: u8 = 0xda;

/// Markers and data of the segments before the first scan; empty if `bytes` are not a JPEG.
pub(super) fn segments(bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut rest = bytes.strip_prefix(b"\xff\xd8").unwrap_or_default();
    iter::from_fn(move || {
        // A marker may be preceded by any number of fill bytes.
        while let Some(more) = rest.strip_prefix(b"\xff\xff") {
            rest = &rest[rest.len() - more.len() - 1..];
        }
        let (&[0xff, marker, high, low], data) = rest.split_first_chunk::<4>()? else { return None };
        let length = usize::from(u16::from_be_bytes([high, low])).checked_sub(2)?;
        rest = data.get(length..).unwrap_or_default();
        (marker != SOS).then(|| (marker, &data[..length.min(data.len())]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_end_at_the_pixel_data() {
        let bytes = b"\xff\xd8\xff\xe0\0\x04ab\xff\xff\xff\xeb\0\x03c\xff\xda\0\x02\xff\xe1\0\x03d";
        assert_eq!(segments(bytes).collect::<Vec<_>>(), [(0xe0, &b"ab"[..]), (0xeb, b"c")]);
        assert_eq!(segments(b"\xff\xd8\xff\xe0\0\x09ab").collect::<Vec<_>>(), [(0xe0, &b"ab"[..])], "cut off");
        for bytes in
            [&b""[..], b"\xff\xd8", b"\xff\xd8\xff", b"\xff\xd8\xff\xff\xff", b"\xff\xd8\xff\xe0\0\x01", b"PNG"]
        {
            assert_eq!(segments(bytes).count(), 0, "{bytes:?}");
        }
    }
}
