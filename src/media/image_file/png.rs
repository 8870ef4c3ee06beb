//! The chunks of a PNG that come before its pixels.

use std::iter;

/// Names and data of the chunks before the first one of pixels; none where it is no PNG.
pub(crate) fn chunks(bytes: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    let mut rest = bytes.strip_prefix(b"\x89PNG\r\n\x1a\n").unwrap_or_default();
    iter::from_fn(move || {
        let (&[a, b, c, d, ref name @ ..], data) = rest.split_first_chunk::<8>()?;
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        rest = data.get(length.saturating_add(4)..).unwrap_or_default(); // a checksum follows
        (name != b"IDAT").then(|| (*name, &data[..length.min(data.len())]))
    })
}

/// The data of the first chunk of this name.
pub(super) fn chunk<'a>(bytes: &'a [u8], name: &[u8; 4]) -> Option<&'a [u8]> {
    chunks(bytes).find(|(found, _)| found == name).map(|(_, data)| data)
}
