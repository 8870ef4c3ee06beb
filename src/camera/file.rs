//! A file as a source of frames: Y4M and pictures read here, any other video by ffmpeg.

use std::{
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    time::Instant,
};

use super::{
    CameraError, FrameSource, SourceInfo,
    colour::{Colour, ToHouse},
    ffmpeg::Ffmpeg,
    pace::Pace,
    scale::Scaler,
    still,
    y4m::{Header, Reader, Y4mError},
};
use crate::{
    error::chain,
    frame::{Frame, Size},
};

/// The rate of a picture, which has none of its own.
const STILL_FPS: f64 = 30.0;

/// How a file is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FileOptions {
    /// The size that frames are delivered in; `None` for the file's own, filled up to even sides.
    pub size: Option<Size>,
    /// Starts again at the end instead of failing with [`CameraError::EndOfStream`]. A picture that is not looped is one
    /// frame.
    pub looped: bool,
    /// Holds each frame back until it is due at the file's own rate (30 for pictures), instead of giving all at once.
    pub paced: bool,
}

/// Opens the file at `path`: Y4M, PNG, JPEG, WebP, or with `ffmpeg` installed any video that it knows.
///
/// [`SourceInfo::native`] is the file's own size, which may be odd. Each frame is given once, in order, none dropped.
///
/// # Errors
/// When the file cannot be read, is none of these, or is too big, and when it takes an ffmpeg that is not there.
pub fn open(path: &Path, options: &FileOptions) -> Result<Box<dyn FrameSource>, CameraError> {
    let (input, info) = recognise(path, options.looped)?;
    let (native, colour) = match &input {
        Input::Still(frame) => (frame.size(), ToHouse::Same),
        Input::Y4m(reader) => (reader.header().size(), to_house(reader.header())),
        Input::Ffmpeg(child) => (child.header().size(), ToHouse::Same),
    };
    let size = options.size.unwrap_or(native);
    let mut source = FileSource {
        size,
        path: path.to_owned(),
        pace: options.paced.then(|| Pace::new(info.fps)),
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

/// What kind of file it is, by its first bytes, and what it says of itself.
fn recognise(path: &Path, looped: bool) -> Result<(Input, SourceInfo), CameraError> {
    let unreadable = |source| CameraError::File { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(unreadable)?;
    if file.metadata().map_err(unreadable)?.is_dir() {
        return Err(unreadable(io::ErrorKind::IsADirectory.into()));
    }
    let mut start = Vec::with_capacity(16);
    (&mut file).take(16).read_to_end(&mut start).map_err(unreadable)?;
    let info = |fourcc: &str, native, fps| SourceInfo {
        name: path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned(),
        path: Some(path.to_owned()),
        id: None,
        fourcc: fourcc.to_owned(),
        native,
        fps,
    };
    if image::guess_format(&start).is_ok() {
        let (frame, native) = still::read(path)?;
        return Ok((Input::Still(frame), info("RGB3", native, STILL_FPS)));
    }
    let video = |header: &Header, fourcc| info(fourcc, (header.width, header.height), header.fps);
    if start.starts_with(b"YUV4MPEG2") {
        file.rewind().map_err(unreadable)?;
        match Reader::new(BufReader::new(file)) {
            Ok(reader) => {
                let info = video(reader.header(), if reader.header().gray { "GREY" } else { "YU12" });
                return Ok((Input::Y4m(reader), info));
            }
            Err(Y4mError::Unsupported(_)) => {} // ffmpeg reads the other kinds
            Err(error) => return Err(bad(path, error)),
        }
    }
    let child = Ffmpeg::open(path, looped)?;
    let info = video(child.header(), "YU12");
    Ok((Input::Ffmpeg(child), info))
}

fn bad(path: &Path, error: Y4mError) -> CameraError {
    match error {
        Y4mError::Io(source) => CameraError::File { path: path.to_owned(), source },
        error => CameraError::NotVideo { path: path.to_owned(), why: chain(&error) },
    }
}

fn to_house(header: &Header) -> ToHouse {
    ToHouse::new(if header.full_range { Colour::JFIF } else { Colour::HOUSE })
}

#[derive(Debug)]
enum Input {
    Still(Frame),
    Y4m(Reader<BufReader<File>>),
    Ffmpeg(Ffmpeg),
}

/// A file that is being read.
#[derive(Debug)]
struct FileSource {
    info: SourceInfo,
    path: PathBuf,
    size: Size,
    input: Input,
    looped: bool,
    pace: Option<Pace>,
    colour: ToHouse,
    /// Where the file's size differs from the wished one: a frame of the former, and the way from it.
    fit: Option<(Frame, Scaler)>,
    seq: u64,
}

impl FileSource {
    /// A picture is scaled once.
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
            Input::Still(frame) => {
                into.copy_from(frame);
                Ok(looped || seq == 0)
            }
            Input::Ffmpeg(child) => child.read(into),
            Input::Y4m(reader) => {
                if reader.read(into).map_err(|error| bad(path, error))? {
                    return Ok(true);
                }
                // A stream without a single frame would turn round for ever.
                if !looped || seq == 0 {
                    return Ok(false);
                }
                rewind(reader).and_then(|()| reader.read(into)).map_err(|error| bad(path, error))
            }
        }
    }
}

/// Back to the first frame, without allocating: past the header again, which [`Reader::new`] has found to be good.
fn rewind(reader: &mut Reader<BufReader<File>>) -> Result<(), Y4mError> {
    let input = reader.input_mut();
    input.seek(SeekFrom::Start(0))?;
    std::io::BufRead::skip_until(input, b'\n')?;
    Ok(())
}

impl FrameSource for FileSource {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    fn size(&self) -> Size {
        self.size
    }

    fn next(&mut self, into: &mut Frame) -> Result<(), CameraError> {
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
        self.seq += 1;
        into.seq = self.seq;
        into.captured_at = Instant::now();
        Ok(())
    }
}
