//! A plane of an image in memory.

/// A plane of an image.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Plane<'a> {
    pub bytes: &'a [u8],
    /// Bytes from one row to the next.
    pub stride: usize,
}
