//! Chunks of a PNG that precede its pixel data.

use std::iter;

/// Names and data of the chunks before the first IDAT chunk; empty if `bytes` are not a PNG.
pub(crate) fn chunks(bytes: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    let mut rest = bytes.strip_prefix(b"\x89PNG\r\n\x1a\n").unwrap_or_default();
    iter::from_fn(move || {
        let (&[a, b, c, d, ref name @ ..], data) = rest.split_first_chunk::<8>()?;
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        rest = data.get(length.saturating_add(4)..).unwrap_or_default(); // a checksum follows
        (name != b"IDAT").then(|| (*name, &data[..length.min(data.len())]))
    })
}

/// Data of the first chunk with this name.
pub(super) fn chunk<'a>(bytes: &'a [u8], name: &[u8; 4]) -> Option<&'a [u8]> {
    chunks(bytes).find(|(found, _)| found == name).map(|(_, data)| data)
}
