//! Y4M (YUV4MPEG2) video: uncompressed frames after a text header, read as a stream.
//!
//! The format is specified in yuv4mpeg(5) of mjpegtools; of its pixel formats, 8-bit 4:2:0 and grey are supported.
//! `XCOLORRANGE` is an FFmpeg extension. Kept in this crate because frames are read straight into [`Frame`] buffers on
//! the hot path.

use std::io::{self, BufRead, Read};

use crate::frame::{Frame, Size};

/// Maximum length of the stream header. The known tags take about 60 bytes; comments may follow.
const MAX_HEADER_LEN: usize = 1024;
/// Maximum length of a frame header.
const MAX_FRAME_HEADER_LEN: usize = 256;
const MAGIC: &[u8] = b"YUV4MPEG2";

/// Contents of a Y4M stream header.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Header {
    /// Width in pixels; may be odd.
    pub width: u32,
    /// Height in pixels; may be odd.
    pub height: u32,
    /// Frame rate as a fraction, 1/10 to 240; 30 if the stream does not specify it.
    pub rate: (u32, u32),
    /// Whether the stream has no chroma planes.
    pub grey: bool,
    /// Full range (0 to 255) instead of limited range.
    pub full_range: bool,
    /// Whether pixels are square or of unknown aspect.
    pub square: bool,
}

/// Errors of a Y4M stream.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)] // see the messages
pub enum Y4mError {
    #[error("missing YUV4MPEG2 header")]
    NoHeader,
    #[error("invalid Y4M tag {0:?}")]
    BadTag(String),
    #[error("unsupported Y4M pixel format {0}, expected 8-bit 4:2:0 (C420...) or grey (Cmono)")]
    Unsupported(String),
    #[error("Y4M size {width}x{height}, expected 16 to 8192 pixels per side")]
    BadSize { width: u32, height: u32 },
    #[error("Y4M frame {0} is damaged or truncated")]
    BadFrame(u64),
    #[error("cannot read Y4M")]
    Io(#[from] io::Error),
}

/// Parses the stream header; returns it with its length in bytes, including the line feed.
///
/// # Errors
/// If `bytes` are not Y4M, or of an unsupported format or size.
pub fn parse_header(bytes: &[u8]) -> Result<(Header, usize), Y4mError> {
    let window = &bytes[..bytes.len().min(MAX_HEADER_LEN)];
    let end = window.iter().position(|byte| *byte == b'\n').ok_or(Y4mError::NoHeader)?;
    let tags = window[..end].strip_prefix(MAGIC).ok_or(Y4mError::NoHeader)?;
    let mut header = Header { width: 0, height: 0, rate: (30, 1), grey: false, full_range: false, square: true };
    for tag in tags.split(|byte| *byte == b' ').filter(|tag| !tag.is_empty()) {
        let bad = || Y4mError::BadTag(String::from_utf8_lossy(tag).into_owned());
        let value = std::str::from_utf8(&tag[1..]).map_err(|_| bad())?;
        match tag[0] {
            b'W' => header.width = value.parse().map_err(|_| bad())?,
            b'H' => header.height = value.parse().map_err(|_| bad())?,
            b'F' => header.rate = parse_rate(value).ok_or_else(bad)?,
            b'C' => header.grey = parse_chroma(value)?,
            b'X' if value == "COLORRANGE=FULL" => header.full_range = true,
            b'A' => header.square = is_square(value),
            _ => {} // interlacing, comments
        }
    }
    let ok = |side: u32| (16..=8192).contains(&side);
    if !ok(header.width) || !ok(header.height) {
        return Err(Y4mError::BadSize { width: header.width, height: header.height });
    }
    Ok((header, end + 1))
}

/// Parses a rate such as `30000:1001`; `0:0` means unknown.
fn parse_rate(value: &str) -> Option<(u32, u32)> {
    let (numerator, denominator) = value.split_once(':')?;
    let (numerator, denominator) = (numerator.parse::<u32>().ok()?, denominator.parse::<u32>().ok()?);
    if numerator == 0 || denominator == 0 {
        return Some((30, 1));
    }
    let fps = f64::from(numerator) / f64::from(denominator);
    Some(if fps < 0.1 {
        (1, 10)
    } else if fps > 240.0 {
        (240, 1)
    } else {
        (numerator, denominator)
    })
}

/// Whether an aspect ratio such as `64:45` is square; `0:0` means unknown and counts as square.
fn is_square(value: &str) -> bool {
    value.split_once(':').is_none_or(|(width, height)| width == height)
}

/// Whether the format is grey. The variants of 4:2:0 differ in chroma siting by less than a pixel, which is ignored.
fn parse_chroma(value: &str) -> Result<bool, Y4mError> {
    match value {
        "420" | "420jpeg" | "420mpeg2" | "420paldv" => Ok(false),
        "mono" => Ok(true),
        other => Err(Y4mError::Unsupported(format!("C{other}"))),
    }
}

impl Header {
    /// Frames per second.
    pub fn fps(&self) -> f64 {
        f64::from(self.rate.0) / f64::from(self.rate.1)
    }

    /// The size of decoded frames: odd sides are extended by a copy of the last column or row.
    pub fn size(&self) -> Size {
        let even = |side: u32| side.next_multiple_of(2);
        // `parse_header` has checked the bounds, which are even.
        Size::new(even(self.width), even(self.height)).unwrap_or(Size::HD)
    }
}

/// Reads a stream frame by frame.
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    header: Header,
    frames: u64,
}

impl<R: BufRead> Reader<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// As [`parse_header`], or if reading fails.
    pub fn new(mut input: R) -> Result<Self, Y4mError> {
        let mut line = Vec::with_capacity(128);
        (&mut input).take(MAX_HEADER_LEN as u64).read_until(b'\n', &mut line)?;
        let (header, _) = parse_header(&line)?;
        Ok(Self { input, header, frames: 0 })
    }

    /// The stream header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The underlying input, positioned after the header or the last frame.
    pub fn input_mut(&mut self) -> &mut R {
        &mut self.input
    }

    /// Reads the next frame into `into`, which must have [`Header::size`]; returns `false` at the end of the stream.
    ///
    /// Sample values are not converted. Allocates nothing.
    ///
    /// # Errors
    /// If the frame is truncated, its header is invalid, or reading fails.
    pub fn read(&mut self, into: &mut Frame) -> Result<bool, Y4mError> {
        if !self.frame_header()? {
            return Ok(false);
        }
        let (width, height) = (self.header.width as usize, self.header.height as usize);
        let stride = into.size().width();
        let (y, u, v) = into.planes_mut();
        self.plane(y, width, height, stride)?;
        if self.header.grey {
            u.fill(128);
            v.fill(128);
        } else {
            self.plane(u, width.div_ceil(2), height.div_ceil(2), stride / 2)?;
            self.plane(v, width.div_ceil(2), height.div_ceil(2), stride / 2)?;
        }
        self.frames += 1;
        Ok(true)
    }

    fn frame_header(&mut self) -> Result<bool, Y4mError> {
        let mut line = [0; MAX_FRAME_HEADER_LEN];
        let mut len = 0;
        while len == 0 || line[len - 1] != b'\n' {
            let room = line.get_mut(len..=len).ok_or(Y4mError::BadFrame(self.frames))?;
            match self.input.read(room) {
                Ok(0) if len == 0 => return Ok(false),
                Ok(0) => return Err(Y4mError::BadFrame(self.frames)),
                Ok(_) => len += 1,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        match &line[..len] {
            [b'F', b'R', b'A', b'M', b'E', b'\n' | b' ', ..] => Ok(true),
            _ => Err(Y4mError::BadFrame(self.frames)),
        }
    }

    /// Reads a plane of `width` x `height` bytes and extends it to the size of `into`.
    fn plane(&mut self, into: &mut [u8], width: usize, height: usize, stride: usize) -> Result<(), Y4mError> {
        let cut = |error: io::Error| match error.kind() {
            io::ErrorKind::UnexpectedEof => Y4mError::BadFrame(self.frames),
            _ => Y4mError::Io(error),
        };
        if stride == width {
            self.input.read_exact(&mut into[..width * height]).map_err(cut)?;
        } else {
            for row in into.chunks_exact_mut(stride).take(height) {
                self.input.read_exact(&mut row[..width]).map_err(cut)?;
                row[width] = row[width - 1];
            }
        }
        if into.len() > stride * height {
            into.copy_within(stride * (height - 1)..stride * height, stride * height);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    #[test]
    fn a_header_with_everything() {
        let line = b"YUV4MPEG2 W1279 H720 F30000:1001 Ip A1:1 C420mpeg2 XYSCSS=420MPEG2 XCOLORRANGE=FULL\nFRAME";
        let (header, len) = parse_header(line).unwrap();
        assert_eq!((header.width, header.height, header.grey, header.full_range), (1279, 720, false, true));
        assert_eq!(header.rate, (30000, 1001));
        let rate = |tag: &str| parse_header(format!("YUV4MPEG2 W16 H16 {tag}\n").as_bytes()).unwrap().0.rate;
        assert_eq!(
            (rate("F0:0"), rate("F1:1000"), rate("F9999:1"), rate("F25:2")),
            ((30, 1), (1, 10), (240, 1), (25, 2))
        );
        assert_eq!(header.size().to_string(), "1280x720");
        assert_eq!(&line[len..], b"FRAME");
    }

    #[test]
    fn unsupported_streams_are_described() {
        let error = |line: &[u8]| parse_header(line).unwrap_err().to_string();
        assert_eq!(error(b"RIFF\n"), "missing YUV4MPEG2 header");
        assert_eq!(error(b"YUV4MPEG2 W64 H64"), "missing YUV4MPEG2 header");
        assert_eq!(
            error(b"YUV4MPEG2 W64 H64 C444\n"),
            "unsupported Y4M pixel format C444, expected 8-bit 4:2:0 (C420...) or grey (Cmono)"
        );
        assert!(error(b"YUV4MPEG2 W64 H64 C420p10\n").contains("C420p10"));
        assert!(error(b"YUV4MPEG2 W64 H99999\n").contains("64x99999"));
        assert!(error(b"YUV4MPEG2 W-1 H64\n").contains("\"W-1\""));
        assert!(error(b"YUV4MPEG2 H64\n").contains("0x64"));
    }

    #[test]
    fn odd_sides_are_extended() {
        let mut stream = b"YUV4MPEG2 W17 H17\nFRAME Ixyz\n".to_vec();
        stream.extend((0..17 * 17).map(|at| (at % 17) as u8));
        stream.extend([50; 81]);
        stream.extend([60; 81]);
        let mut reader = Reader::new(&stream[..]).unwrap();
        let mut frame = Frame::new(reader.header().size());
        assert!(reader.read(&mut frame).unwrap());
        let (y, u, v) = frame.planes();
        assert_eq!(&y[15..20], [15, 16, 16, 0, 1]);
        assert_eq!(y[17 * 18..], y[16 * 18..17 * 18]);
        assert!(u.iter().all(|value| *value == 50) && v.iter().all(|value| *value == 60));
        assert!(!reader.read(&mut frame).unwrap());
    }

    #[test]
    fn a_truncated_frame_is_an_error() {
        let mut stream = b"YUV4MPEG2 W16 H16 Cmono\nFRAME\n".to_vec();
        stream.extend([7; 256]);
        stream.extend(b"FRAME\n1234");
        let mut reader = Reader::new(&stream[..]).unwrap();
        let mut frame = Frame::new(reader.header().size());
        assert!(reader.read(&mut frame).unwrap());
        assert!(matches!(reader.read(&mut frame), Err(Y4mError::BadFrame(1))));
    }

    proptest! {
        #[test]
        fn garbage_never_panics(
            tags in "[WHFICAX]{0,1}[0-9:a-zA-Z= ]{0,12}( [WHFC][0-9a-z:]{0,8}){0,5}", body in vec(any::<u8>(), 0..2000),
        ) {
            let mut stream = format!("YUV4MPEG2 W16 H18 {tags}\nFRAME\n").into_bytes();
            stream.extend(&body);
            if let Ok(mut reader) = Reader::new(&stream[..]) {
                let mut frame = Frame::new(reader.header().size());
                while let Ok(true) = reader.read(&mut frame) {}
            }
            let _ = parse_header(&body);
        }
    }
}
