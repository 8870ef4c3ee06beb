//! The EXIF field that `image` does not read: the Adobe RGB marker that cameras write.

/// Whether the interoperability index is `R03`, which means Adobe RGB (DCF 2.0); false if the data are damaged.
pub(super) fn is_adobe_rgb(exif: &[u8]) -> bool {
    const EXIF_DIRECTORY: u16 = 0x8769;
    const INTEROPERABILITY: u16 = 0xa005;
    const INDEX: u16 = 1;
    let Some(tiff) = Tiff::open(exif) else { return false };
    let index = tiff
        .value(tiff.word(4), EXIF_DIRECTORY)
        .and_then(|directory| tiff.value(Some(tiff.word(directory)?), INTEROPERABILITY))
        .and_then(|directory| tiff.value(Some(tiff.word(directory)?), INDEX));
    index.is_some_and(|at| exif.get(at..).is_some_and(|value| value.starts_with(b"R03")))
}

struct Tiff<'a> {
    bytes: &'a [u8],
    little: bool,
}

impl<'a> Tiff<'a> {
    fn open(bytes: &'a [u8]) -> Option<Self> {
        match bytes.get(..4)? {
            b"II*\0" => Some(Self { bytes, little: true }),
            b"MM\0*" => Some(Self { bytes, little: false }),
            _ => None,
        }
    }

    fn word(&self, at: usize) -> Option<u32> {
        let bytes = *self.bytes.get(at..)?.first_chunk()?;
        Some(if self.little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
    }

    fn half(&self, at: usize) -> Option<u16> {
        let bytes = *self.bytes.get(at..)?.first_chunk()?;
        Some(if self.little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    }

    /// Offset of the value of `tag` (or of the pointer to it) in the directory at `directory`.
    fn value(&self, directory: Option<u32>, tag: u16) -> Option<usize> {
        let directory = directory? as usize;
        let count = usize::from(self.half(directory)?);
        let entry = (0..count).map(|index| directory + 2 + 12 * index).find(|at| self.half(*at) == Some(tag))?;
        Some(entry + 8)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// EXIF data of a camera set to Adobe RGB: the EXIF directory is at 26, the interoperability directory at 44.
    pub(in crate::media::image_file) const R03: &[u8] = b"MM\0*\0\0\0\x08\
        \0\x01\x87\x69\0\x04\0\0\0\x01\0\0\0\x1a\0\0\0\0\
        \0\x01\xa0\x05\0\x04\0\0\0\x01\0\0\0\x2c\0\0\0\0\
        \0\x01\0\x01\0\x02\0\0\0\x04R03\0\0\0\0\0";

    #[test]
    fn only_the_index_r03_is_adobe_rgb() {
        assert!(is_adobe_rgb(R03));
        let mut other = R03.to_vec();
        let at = other.windows(3).position(|part| part == b"R03").unwrap();
        other[at..at + 3].copy_from_slice(b"R98");
        assert!(!is_adobe_rgb(&other));
        for length in 0..R03.len() - 8 {
            is_adobe_rgb(&R03[..length]); // must not panic
        }
        assert!(!is_adobe_rgb(b"II*\0\xff\xff\xff\xff"));
    }
}
