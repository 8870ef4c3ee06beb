//! Writes Y4M: uncompressed video with a text header, supported by all video tools.

use std::{
    io::{self, Write},
    path::Path,
    time::Duration,
};

use super::{
    FrameSink, SinkError, check_size,
    pipe::TimeoutWriter,
    recording::{self, OverwritePolicy},
};
use crate::frame::{Frame, Mask, Size};

/// How long the reader of a named pipe may stall.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// Meaning of the luma plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Frames in the native format, limited range.
    Frames,
    /// Masks: luma is alpha, 0 to 255; chroma is grey.
    Masks,
}

/// Writes a Y4M stream.
///
/// `C420jpeg` is the chroma siting between four pixels, which matches averaged chroma. It does not specify the range;
/// `XCOLORRANGE` does.
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
    grey: Box<[u8]>,
}

impl<W: Write> Writer<W> {
    /// Writes the header; `fps` is a fraction, for example `(30, 1)`.
    ///
    /// # Errors
    /// If `out` fails.
    pub fn new(mut out: W, size: Size, fps: (u32, u32), content: Content) -> io::Result<Self> {
        let (range, grey) = match content {
            Content::Frames => ("LIMITED", 0),
            Content::Masks => ("FULL", 2 * size.chroma_len()),
        };
        let (width, height, (num, den)) = (size.width(), size.height(), fps);
        writeln!(out, "YUV4MPEG2 W{width} H{height} F{num}:{den} Ip A1:1 C420jpeg XCOLORRANGE={range}")?;
        Ok(Self { out, grey: vec![128; grey].into_boxed_slice() })
    }

    /// Writes a frame, which must have the size of the header.
    ///
    /// # Errors
    /// If `out` fails.
    pub fn frame(&mut self, frame: &Frame) -> io::Result<()> {
        self.out.write_all(b"FRAME\n")?;
        self.out.write_all(frame.data())
    }

    /// Writes a mask, which must have the size of the header, to a stream of [`Content::Masks`].
    ///
    /// # Errors
    /// If `out` fails.
    pub fn mask(&mut self, mask: &Mask) -> io::Result<()> {
        self.out.write_all(b"FRAME\n")?;
        self.out.write_all(mask.alpha())?;
        self.out.write_all(&self.grey)
    }

    /// Flushes all buffers and returns `out`.
    ///
    /// # Errors
    /// If `out` fails.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.flush()?;
        Ok(self.out)
    }
}

/// The sink `y4m:PATH`; also writes to a named pipe with a reader.
#[derive(Debug)]
pub struct File {
    name: String,
    size: Size,
    writer: Writer<TimeoutWriter>,
}

impl File {
    /// Creates the file and writes the header.
    ///
    /// # Errors
    /// If it can't be created or written.
    pub fn create(path: &Path, size: Size, rate: (u32, u32), policy: OverwritePolicy) -> Result<Self, SinkError> {
        let open = |source| SinkError::Open { name: path.display().to_string(), source };
        let (file, path) = recording::create(path, policy).map_err(open)?;
        let writer = Writer::new(TimeoutWriter::new(file, WRITE_TIMEOUT), size, rate, Content::Frames).map_err(open)?;
        Ok(Self { name: path.display().to_string(), size, writer })
    }
}

impl FrameSink for File {
    fn name(&self) -> &str {
        &self.name
    }

    fn size(&self) -> Size {
        self.size
    }

    fn write(&mut self, frame: &Frame) -> Result<(), SinkError> {
        check_size(self, frame)?;
        self.writer.frame(frame).map_err(|source| SinkError::Write { name: self.name.clone(), source })
    }

    fn finish(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::frame::Yuv;

    #[test]
    fn frames_follow_the_header() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.y4m");
        let size = Size::new(16, 16).unwrap();
        let mut frame = Frame::new(size);
        frame.fill(Yuv { y: 1, u: 2, v: 3 });
        let mut sink = File::create(&path, size, (30, 1), OverwritePolicy::Keep).unwrap();
        sink.write(&frame).unwrap();
        sink.write(&frame).unwrap();
        sink.finish().unwrap();
        let mut expected = b"YUV4MPEG2 W16 H16 F30:1 Ip A1:1 C420jpeg XCOLORRANGE=LIMITED\n".to_vec();
        for _ in 0..2 {
            expected.extend_from_slice(b"FRAME\n");
            expected.extend_from_slice(frame.data());
        }
        assert!(fs::read(&path).unwrap() == expected);
    }

    #[test]
    fn a_mask_is_luma_with_grey_chroma() {
        let size = Size::new(16, 16).unwrap();
        let mut mask = Mask::new(size);
        mask.alpha_mut()[0] = 255;
        let mut writer = Writer::new(Vec::new(), size, (30000, 1001), Content::Masks).unwrap();
        writer.mask(&mask).unwrap();
        let bytes = writer.finish().unwrap();
        let body = bytes.split(|byte| *byte == b'\n').nth(1).unwrap();
        assert_eq!(body, b"FRAME");
        assert!(bytes.starts_with(b"YUV4MPEG2 W16 H16 F30000:1001 ") && bytes.ends_with(&[128; 128]));
        assert_eq!(&bytes[bytes.len() - 384..bytes.len() - 382], [255, 0]);
    }

    #[test]
    fn a_frame_of_the_wrong_size_is_rejected() {
        let dir = tempfile::tempdir().unwrap();
        let mut sink =
            File::create(&dir.path().join("a.y4m"), Size::new(16, 16).unwrap(), (30, 1), OverwritePolicy::Keep)
                .unwrap();
        let error = sink.write(&Frame::new(Size::HD)).expect_err("wrong size");
        assert!(matches!(error, SinkError::WrongSize { .. }));
    }

    #[test]
    fn a_creation_error_names_the_file() {
        let error = File::create(Path::new("/nonexistent/a.y4m"), Size::HD, (30, 1), OverwritePolicy::Keep)
            .expect_err("no directory");
        assert!(error.to_string().contains("/nonexistent/a.y4m"), "{error}");
    }
}
