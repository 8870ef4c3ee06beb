//! Marks that an image was generated: finds those of a provider, and writes bgcam's own.
//!
//! A C2PA manifest is in the chunk caBX of PNG, in APP11 segments of JPEG, and in the chunk C2PA of WebP (C2PA 2.2, A.3).
//! Its signature covers the pixels, so it is lost when an image is encoded again. The IPTC digital source type is a
//! property in XMP, and needs no signature.

use image::ImageFormat;
use memchr::memmem;
use serde::{Deserialize, Serialize};

use super::{jpeg, png, sniff};
use crate::media::webp;

/// The name of an XMP packet in the chunk iTXt of PNG.
const PNG_XMP: &[u8] = b"XML:com.adobe.xmp\0";

/// The name of an XMP packet in a segment APP1 of JPEG.
const JPEG_XMP: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";

/// The size of the signature and the first chunk of a PNG, after which other chunks may follow.
const PNG_HEADER_LEN: usize = 8 + 8 + 13 + 4;

const APP0: u8 = 0xe0;
const APP1: u8 = 0xe1;
const APP11: u8 = 0xeb;

/// A mark of a generated image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mark {
    /// A C2PA manifest ("Content Credentials"). Its signature is not checked.
    C2pa,
    /// The IPTC digital source type of generated media.
    DigitalSourceType,
}

impl Mark {
    /// Its name for users.
    pub fn name(self) -> &'static str {
        match self {
            Self::C2pa => "Content Credentials (C2PA)",
            Self::DigitalSourceType => "IPTC digital source type",
        }
    }
}

/// How an image was made, as IPTC distinguishes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceType {
    /// By a model that was trained with other images.
    Generated,
    /// By such a model from an image of the user.
    Composite,
    /// By a program alone.
    Painted,
}

impl SourceType {
    /// The name of the type in the IPTC vocabulary.
    fn name(self) -> &'static str {
        match self {
            Self::Generated => "trainedAlgorithmicMedia",
            Self::Composite => "compositeWithTrainedAlgorithmicMedia",
            Self::Painted => "algorithmicMedia",
        }
    }

    fn xmp(self) -> String {
        format!(
            "<x:xmpmeta xmlns:x=\"adobe:ns:meta/\"><rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\">\
             <rdf:Description rdf:about=\"\" xmlns:Iptc4xmpExt=\"http://iptc.org/std/Iptc4xmpExt/2008-02-29/\" \
             Iptc4xmpExt:DigitalSourceType=\"http://cv.iptc.org/newscodes/digitalsourcetype/{}\"/>\
             </rdf:RDF></x:xmpmeta>",
            self.name()
        )
    }
}

/// The marks in an image file, as far as they precede the pixels; none if `bytes` are not PNG, JPEG or WebP.
pub fn marks(bytes: &[u8]) -> Vec<Mark> {
    let (c2pa, xmp) = match sniff(bytes, "") {
        Ok(ImageFormat::Png) => (png::chunk(bytes, b"caBX").is_some(), png_xmp(bytes)),
        Ok(ImageFormat::Jpeg) => (jpeg::segments(bytes).any(is_c2pa), jpeg_xmp(bytes)),
        Ok(ImageFormat::WebP) => (webp::chunk(bytes, b"C2PA").is_some(), webp::chunk(bytes, b"XMP ")),
        _ => (false, None),
    };
    let is_generated = |xmp| memmem::find(xmp, b"lgorithmicMedia").is_some();
    let found = [(Mark::C2pa, c2pa), (Mark::DigitalSourceType, xmp.is_some_and(is_generated))];
    found.into_iter().filter_map(|(mark, is_there)| is_there.then_some(mark)).collect()
}

fn png_xmp(bytes: &[u8]) -> Option<&[u8]> {
    png::chunks(bytes).find_map(|(name, data)| data.strip_prefix(PNG_XMP).filter(|_| name == *b"iTXt"))
}

fn jpeg_xmp(bytes: &[u8]) -> Option<&[u8]> {
    jpeg::segments(bytes).find_map(|(marker, data)| data.strip_prefix(JPEG_XMP).filter(|_| marker == APP1))
}

/// Whether a JPEG segment has JUMBF boxes of a C2PA manifest.
fn is_c2pa((marker, data): (u8, &[u8])) -> bool {
    marker == APP11 && data.starts_with(b"JP") && memmem::find(data, b"c2pa").is_some()
}

/// The image with its digital source type, unless it has one. `None` if `bytes` are not a PNG or a JPEG, or so damaged that
/// the mark could not be found.
pub fn with_source_type(bytes: &[u8], source: SourceType) -> Option<Vec<u8>> {
    if marks(bytes).contains(&Mark::DigitalSourceType) {
        return Some(bytes.to_vec());
    }
    let (at, added) = match sniff(bytes, "").ok()? {
        ImageFormat::Png if bytes.get(12..16)? == b"IHDR" => (PNG_HEADER_LEN, png_chunk(&source.xmp())),
        ImageFormat::Jpeg => (after_jfif(bytes), jpeg_segment(&source.xmp())?),
        _ => return None,
    };
    let (head, rest) = bytes.split_at_checked(at)?;
    let marked = [head, &added, rest].concat();
    marks(&marked).contains(&Mark::DigitalSourceType).then_some(marked)
}

fn png_chunk(xmp: &str) -> Vec<u8> {
    // Not compressed, no language, no translated name.
    let data = [&b"iTXt"[..], PNG_XMP, b"\0\0\0\0", xmp.as_bytes()].concat();
    let length = (data.len() - 4) as u32;
    [&length.to_be_bytes()[..], &data, &crc32fast::hash(&data).to_be_bytes()].concat()
}

/// `None` if it is too long, which it is not.
fn jpeg_segment(xmp: &str) -> Option<Vec<u8>> {
    let length = u16::try_from(2 + JPEG_XMP.len() + xmp.len()).ok()?;
    Some([&[0xff, APP1][..], &length.to_be_bytes(), JPEG_XMP, xmp.as_bytes()].concat())
}

/// The offset after the JFIF header, which must be the first segment.
fn after_jfif(bytes: &[u8]) -> usize {
    match jpeg::segments(bytes).next() {
        Some((APP0, data)) => 2 + 4 + data.len(),
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use image::RgbImage;
    use proptest::prelude::*;

    use super::*;
    use crate::media::image_file::{Limits, decode};

    fn encoded(format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        RgbImage::from_pixel(16, 8, image::Rgb([200, 40, 90])).write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    fn pixels(bytes: &[u8]) -> RgbImage {
        decode(bytes, "test", &Limits::default()).unwrap()
    }

    #[test]
    fn a_file_that_ends_within_its_first_segment_gets_no_mark() {
        let truncated = [0xff, 0xd8, 0xff, APP0, 0x56, 0x0a];
        assert_eq!(with_source_type(&truncated, SourceType::Generated), None);
    }

    #[test]
    fn a_mark_is_written_and_found_and_changes_no_pixel() {
        for format in [ImageFormat::Png, ImageFormat::Jpeg] {
            let bytes = encoded(format);
            assert_eq!(marks(&bytes), []);
            for (source, name) in [
                (SourceType::Generated, "digitalsourcetype/trainedAlgorithmicMedia\""),
                (SourceType::Composite, "digitalsourcetype/compositeWithTrainedAlgorithmicMedia\""),
                (SourceType::Painted, "digitalsourcetype/algorithmicMedia\""),
            ] {
                let marked = with_source_type(&bytes, source).unwrap();
                assert!(memmem::find(&marked, name.as_bytes()).is_some(), "{source:?}");
                assert_eq!((marks(&marked), pixels(&marked)), (vec![Mark::DigitalSourceType], pixels(&bytes)));
                assert_eq!(with_source_type(&marked, SourceType::Generated).unwrap(), marked, "only once");
            }
        }
        assert_eq!(with_source_type(&encoded(ImageFormat::WebP), SourceType::Generated), None);
        assert_eq!(with_source_type(b"GIF89a", SourceType::Generated), None);
    }

    #[test]
    fn the_manifest_of_each_format_is_found() {
        let png = encoded(ImageFormat::Png);
        let chunk = [&8u32.to_be_bytes()[..], b"caBX", b"manifest", b"crc!"].concat();
        let png = [&png[..PNG_HEADER_LEN], &chunk, &png[PNG_HEADER_LEN..]].concat();
        let jpeg = encoded(ImageFormat::Jpeg);
        let segment = b"\xff\xeb\0\x1eJP\0\x01\0\0\0\x01\0\0\0\x14jumb....c2pa";
        let jpeg = [&jpeg[..2], segment, &jpeg[2..]].concat();
        let webp = [&encoded(ImageFormat::WebP)[..], b"C2PA", &8u32.to_le_bytes(), b"manifest"].concat();
        for bytes in [png, jpeg, webp] {
            assert_eq!(marks(&bytes), [Mark::C2pa]);
        }
        assert_eq!(
            serde_json::to_string(&[Mark::C2pa, Mark::DigitalSourceType]).unwrap(),
            r#"["c2pa","digital-source-type"]"#
        );
    }

    proptest! {
        #[test]
        fn no_input_causes_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), format in 0..3usize, at in 0..80usize) {
            let mut whole = encoded([ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP][format]);
            whole.truncate(at.max(12));
            whole.extend(&bytes);
            for bytes in [&bytes, &whole] {
                marks(bytes);
                if let Some(marked) = with_source_type(bytes, SourceType::Generated) {
                    prop_assert!(marked.len() >= bytes.len());
                }
            }
        }
    }
}
