//! Files as frame sources: Y4M and images are decoded in-process, other videos by ffmpeg.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use super::{CameraError, FrameSource, SourceInfo, pace::Pacer, scale::Scaler, still};
use crate::{
    error::chain,
    frame::{Frame, Size},
    media::{
        ffmpeg::{self, DecodeOptions, Ffmpeg, FfmpegError, colour::Conversion, shape},
        image_file,
        regular::{self, FileError},
    },
};
use crate::{
    frame::colour::{Colour, ToNative},
    media::y4m::{Header, Reader, Y4mError},
};

/// Frame rate of a still image.
const STILL_FPS: u32 = 30;

/// Maximum wait for a frame of a paced file; a longer wait would delay stopping the pipeline.
const MAX_WAIT: Duration = Duration::from_secs(1);

/// How to read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FileOptions {
    /// Size of the delivered frames; `None` for the file's own size, extended to even sides.
    pub size: Option<Size>,
    /// Restarts at the end instead of failing with [`CameraError::EndOfStream`]. A still image that is not looped is
    /// a single frame.
    pub looped: bool,
    /// Delivers frames at the file's rate (30 for images) instead of as fast as possible.
    pub paced: bool,
    /// Timeout of `ffmpeg` for one frame; `None` for 10 seconds.
    pub timeout: Option<Duration>,
}

/// Opens the file at `path`: Y4M, PNG, JPEG or WebP, or any video supported by `ffmpeg` if it is installed.
///
/// [`SourceInfo::native`] is the file's own size, which may be odd. Every frame is delivered once, in order.
///
/// # Errors
/// If the file can't be read, is not a supported format or too large, or needs ffmpeg and it is not installed.
pub fn open(path: &Path, options: &FileOptions) -> Result<Box<dyn FrameSource>, CameraError> {
    let (input, info) = detect(path, options)?;
    let (native, rate, colour) = match &input {
        Input::Still(frame) => (frame.size(), (STILL_FPS, 1), ToNative::Same),
        Input::Y4m(reader) => (reader.header().size(), reader.header().rate, to_native(reader.header())),
        Input::Ffmpeg(child, colour) => (child.header().size(), child.header().rate, colour.clone()),
    };
    let size = options.size.unwrap_or(native);
    let mut source = FileSource {
        size,
        rate,
        path: path.to_owned(),
        shown: (options.paced && info.fps < 1.0 / MAX_WAIT.as_secs_f64()).then(|| Frame::new(size)),
        pace: options.paced.then(|| Pacer::new(info.fps)),
        looped: options.looped,
        colour,
        fit: Scaler::new(native, size).map(|scaler| (Frame::new(native), scaler)),
        input,
        info,
        seq: 0,
    };
    source.fit_still();
    Ok(Box::new(source))
}

/// Detects the kind of file from its first bytes, and reads its properties.
fn detect(path: &Path, options: &FileOptions) -> Result<(Input, SourceInfo), CameraError> {
    let unreadable = |source: FileError| CameraError::File { path: path.to_owned(), source };
    let mut file = regular::open(path).map_err(unreadable)?;
    let mut start = Vec::with_capacity(16);
    (&mut file).take(16).read_to_end(&mut start).map_err(|error| unreadable(error.into()))?;
    let info = |fourcc: &str, native, fps| SourceInfo {
        name: path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned(),
        path: Some(path.to_owned()),
        id: None,
        fourcc: fourcc.to_owned(),
        native,
        fps,
    };
    if image_file::is_image(&start) {
        let (frame, native) = still::read(path)?;
        return Ok((Input::Still(frame), info("RGB3", native, STILL_FPS.into())));
    }
    let video = |header: &Header, fourcc| info(fourcc, (header.width, header.height), header.fps());
    if start.starts_with(b"YUV4MPEG2") {
        file.rewind().map_err(|error| unreadable(error.into()))?;
        match Reader::new(BufReader::new(file)) {
            Ok(reader) if reader.header().square => {
                let info = video(reader.header(), if reader.header().grey { "GREY" } else { "YU12" });
                return Ok((Input::Y4m(reader), info));
            }
            Ok(_) | Err(Y4mError::Unsupported(_)) => {} // ffmpeg supports the other pixel formats
            Err(error) => return Err(bad(path, error)),
        }
    }
    let (child, colour) = open_ffmpeg(path, options)?;
    let info = video(child.header(), "YU12");
    Ok((Input::Ffmpeg(child, colour), info))
}

/// Starts ffmpeg, and returns it with the conversion of its colours.
fn open_ffmpeg(path: &Path, options: &FileOptions) -> Result<(Ffmpeg, ToNative), CameraError> {
    let conversion = Conversion::of(&ffmpeg::probe(path).map_err(|error| not_decoded(path, error))?);
    let mut filters = shape::square();
    if !conversion.filters.is_empty() {
        filters = format!("{filters},{}", conversion.filters);
    }
    let decode = DecodeOptions {
        path,
        looped: options.looped,
        filters: &filters,
        low_cpu: false,
        timeout: options.timeout.unwrap_or(ffmpeg::TIMEOUT),
        stop: Arc::default(),
    };
    let child = Ffmpeg::open(&decode).map_err(|error| not_decoded(path, error))?;
    Ok((child, ToNative::new(conversion.colour)))
}

fn not_decoded(path: &Path, error: FfmpegError) -> CameraError {
    let path = path.to_owned();
    match error {
        FfmpegError::NotInstalled => CameraError::NoFfmpeg { path },
        FfmpegError::Stalled(waited) => CameraError::Stalled { device: path.display().to_string(), waited },
        error => CameraError::NotVideo { path, why: error.to_string() },
    }
}

fn bad(path: &Path, error: Y4mError) -> CameraError {
    match error {
        Y4mError::Io(source) => CameraError::File { path: path.to_owned(), source: source.into() },
        error => CameraError::NotVideo { path: path.to_owned(), why: chain(&error) },
    }
}

fn to_native(header: &Header) -> ToNative {
    ToNative::new(if header.full_range { Colour::JFIF } else { Colour::NATIVE })
}

#[derive(Debug)]
enum Input {
    Still(Frame),
    Y4m(Reader<BufReader<File>>),
    /// The reader, and the conversion of its colours to native.
    Ffmpeg(Ffmpeg, ToNative),
}

/// An open file.
#[derive(Debug)]
struct FileSource {
    info: SourceInfo,
    rate: (u32, u32),
    path: PathBuf,
    size: Size,
    input: Input,
    looped: bool,
    pace: Option<Pacer>,
    colour: ToNative,
    /// If the file's size differs from the requested size: a frame of the file's size, and a scaler from it.
    fit: Option<(Frame, Scaler)>,
    /// The last frame, kept if the rate is so low that it is shown repeatedly.
    shown: Option<Frame>,
    seq: u64,
}

impl FileSource {
    /// Repeats the last frame if the next one is due only after [`MAX_WAIT`]; returns whether it did.
    fn repeat_last(&mut self, into: &mut Frame) -> bool {
        let (Some(pace), Some(shown)) = (&self.pace, &self.shown) else { return false };
        if self.seq == 0 || pace.left(Instant::now()) <= MAX_WAIT {
            return false;
        }
        thread::sleep(MAX_WAIT);
        into.copy_from(shown);
        true
    }

    fn stamp(&mut self, frame: &mut Frame) {
        self.seq += 1;
        frame.seq = self.seq;
        frame.captured_at = Instant::now();
    }

    /// Scales a still image once, when it is opened.
    fn fit_still(&mut self) {
        if let Input::Still(frame) = &mut self.input
            && let Some((_, mut scaler)) = self.fit.take()
        {
            let mut fitted = Frame::new(self.size);
            scaler.scale(frame, &mut fitted);
            *frame = fitted;
        }
    }

    /// Reads the next frame at the file's size; `false` at the end.
    fn read(input: &mut Input, path: &Path, seq: u64, looped: bool, into: &mut Frame) -> Result<bool, CameraError> {
        match input {
            Input::Still(_) if seq > 0 && !looped => Ok(false),
            Input::Still(frame) => {
                into.copy_from(frame);
                Ok(true)
            }
            Input::Ffmpeg(child, _) => child.read(into).map_err(|error| not_decoded(path, error)),
            Input::Y4m(reader) => {
                if reader.read(into).map_err(|error| bad(path, error))? {
                    return Ok(true);
                }
                // Looping a stream without frames would never end.
                if !looped || seq == 0 {
                    return Ok(false);
                }
                rewind(reader).and_then(|()| reader.read(into)).map_err(|error| bad(path, error))
            }
        }
    }
}

/// Seeks to the first frame without allocating, skipping the header that [`Reader::new`] has validated.
fn rewind(reader: &mut Reader<BufReader<File>>) -> Result<(), Y4mError> {
    let input = reader.input_mut();
    input.seek(SeekFrom::Start(0))?;
    input.skip_until(b'\n')?;
    Ok(())
}

impl FrameSource for FileSource {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    fn size(&self) -> Size {
        self.size
    }

    fn rate(&self) -> (u32, u32) {
        self.rate
    }

    fn next(&mut self, into: &mut Frame) -> Result<(), CameraError> {
        if self.repeat_last(into) {
            self.stamp(into);
            return Ok(());
        }
        let native = self.fit.as_mut().map_or(&mut *into, |(native, _)| native);
        if !Self::read(&mut self.input, &self.path, self.seq, self.looped, native)? {
            return Err(CameraError::EndOfStream { path: self.path.clone() });
        }
        self.colour.apply(native);
        if let Some((native, scaler)) = &mut self.fit {
            scaler.scale(native, into);
        }
        if let Some(pace) = &mut self.pace {
            pace.wait();
        }
        self.stamp(into);
        if let Some(shown) = &mut self.shown {
            shown.copy_from(into);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{error::Recovery, media::image_file::ImageFileError};

    /// A clip of 32x16 with the given luma levels.
    fn clip(tags: &str, chroma_len: usize, levels: &[u8]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut bytes = format!("YUV4MPEG2 W32 H16 F50:1 {tags}\n").into_bytes();
        for level in levels {
            bytes.extend(b"FRAME\n");
            bytes.extend(vec![*level; 512]);
            bytes.extend(vec![128; chroma_len]);
        }
        std::fs::write(file.path(), bytes).unwrap();
        file
    }

    fn levels(source: &mut dyn FrameSource, count: usize) -> Vec<u8> {
        let mut frame = Frame::new(source.size());
        let mut next = || source.next(&mut frame).map(|()| frame.planes().0[100]);
        (0..count).map_while(|_| next().ok()).collect()
    }

    #[test]
    fn every_frame_is_delivered_once() {
        let file = clip("C420", 256, &[30, 90, 200]);
        let mut source = open(file.path(), &FileOptions::default()).unwrap();
        assert_eq!((source.info().native, source.info().fps, source.rate()), ((32, 16), 50.0, (50, 1)));
        assert_eq!(levels(&mut *source, 9), [30, 90, 200]);
        let end = source.next(&mut Frame::new(source.size())).unwrap_err();
        assert!(matches!(end, CameraError::EndOfStream { .. }));
        assert_eq!(end.recovery(), Recovery::GiveUp);
    }

    #[test]
    fn looped_files_are_scaled_and_converted() {
        let file = clip("Cmono XCOLORRANGE=FULL", 0, &[0, 255]);
        let options = FileOptions { size: Some("64x64".parse().unwrap()), looped: true, ..FileOptions::default() };
        let mut source = open(file.path(), &options).unwrap();
        assert_eq!(levels(&mut *source, 5), [16, 235, 16, 235, 16]);
        let empty = clip("C420", 256, &[]);
        assert_eq!(levels(&mut *open(empty.path(), &options).unwrap(), 5), Vec::<u8>::new());
    }

    #[test]
    fn an_image_is_one_frame_unless_looped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("white.png");
        image::RgbImage::from_pixel(33, 17, image::Rgb([255; 3])).save(&path).unwrap();
        let mut once = open(&path, &FileOptions::default()).unwrap();
        assert_eq!((once.info().native, once.size().to_string().as_str()), ((33, 17), "34x18"));
        assert_eq!(levels(&mut *once, 5), [235]);
        let options = FileOptions { size: Some(Size::HD), looped: true, ..FileOptions::default() };
        assert_eq!(levels(&mut *open(&path, &options).unwrap(), 3), [235; 3]);
    }

    /// A looped recording with a frame every ten seconds; no read may block for that long.
    #[test]
    fn a_slow_file_repeats_its_frame() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut bytes = b"YUV4MPEG2 W16 H16 F1:10 Cmono\n".to_vec();
        for level in [50, 180] {
            bytes.extend(b"FRAME\n");
            bytes.extend(vec![level; 256]);
        }
        std::fs::write(file.path(), bytes).unwrap();
        let options = FileOptions { paced: true, looped: true, ..FileOptions::default() };
        assert_eq!(levels(&mut *open(file.path(), &options).unwrap(), 2), [50, 50]);
    }

    /// 4:4:4 is a Y4M format supported only by ffmpeg.
    #[test]
    fn other_formats_are_read_by_ffmpeg() {
        let file = clip("C444", 1024, &[50, 180]);
        match open(file.path(), &FileOptions::default()) {
            Ok(mut source) => assert_eq!(levels(&mut *source, 9), [50, 180]),
            Err(error) => assert!(matches!(error, CameraError::NoFfmpeg { .. }), "{error:?}"),
        }
    }

    #[test]
    fn other_files_are_reported() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "neither image nor video").unwrap();
        let error = open(file.path(), &FileOptions::default()).map(|_| ()).unwrap_err();
        assert!(matches!(error, CameraError::NotVideo { .. } | CameraError::NoFfmpeg { .. }), "{error:?}");
        let missing = open(Path::new("/no/such/file.mp4"), &FileOptions::default()).map(|_| ()).unwrap_err();
        assert!(matches!(missing, CameraError::File { .. }));
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo.y4m");
        regular::make_fifo(&fifo);
        let error = open(&fifo, &FileOptions::default()).map(|_| ()).unwrap_err();
        assert!(matches!(error, CameraError::File { source: FileError::NotRegular("a named pipe"), .. }), "{error:?}");
    }

    #[test]
    fn truncated_and_transparent_images_are_handled_as_for_backgrounds() {
        let folder = tempfile::tempdir().unwrap();
        let (photo, clear) = (folder.path().join("cut.jpg"), folder.path().join("clear.png"));
        image::RgbImage::from_fn(64, 64, |x, y| image::Rgb([x as u8, y as u8, 9])).save(&photo).unwrap();
        let bytes = std::fs::read(&photo).unwrap();
        std::fs::write(&photo, &bytes[..bytes.len() - 9]).unwrap();
        let error = open(&photo, &FileOptions::default()).map(|_| ()).unwrap_err();
        assert!(matches!(error, CameraError::Image(ImageFileError::Truncated { .. })), "{error:?}");
        image::RgbaImage::from_pixel(16, 16, image::Rgba([255, 255, 255, 0])).save(&clear).unwrap();
        assert_eq!(levels(&mut *open(&clear, &FileOptions::default()).unwrap(), 1), [16]);
    }
}
