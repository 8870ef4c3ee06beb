//! V4L2 webcams as frame sources: open, negotiate, decode and scale.

use std::{
    io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use super::{
    CameraError, FrameSource, Settings, SourceInfo,
    colour::colour_of,
    decoder::{Decoder, Image},
    device::{MULTI_PLANAR, Unreadable},
    field::Lines,
    format::{CaptureFormat, Pixel},
    infrared,
    interval::Interval,
    links, negotiate,
    stream::{FilledBuffer, Stream},
    v4l2::{ActualFormat, Node},
};
use crate::{
    frame::{Frame, Size},
    sink::LABEL,
    v4l2::{Caps, holders},
};

/// A streaming webcam.
#[derive(Debug)]
struct Webcam {
    info: SourceInfo,
    path: PathBuf,
    size: Size,
    timeout: Duration,
    interval: Interval,
    stream: Stream,
    decoder: Decoder,
    stride: usize,
    seq: u64,
    last_sequence: Option<u32>,
}

/// Opens the camera at `path` and starts it with the format that fits `settings` best.
pub(super) fn open(path: &Path, settings: &Settings) -> Result<Box<dyn FrameSource>, CameraError> {
    let fault = |doing| move |error| fault(path, doing, error);
    let node = Node::open(path).map_err(fault("open the node"))?;
    let caps = node.caps().map_err(|error| match error.raw_os_error() {
        Some(libc::ENOTTY | libc::EINVAL) => not_capture(path, "not a V4L2 device"),
        _ => self::fault(path, "query the capabilities", error),
    })?;
    check_caps(path, &caps)?;

    let mut formats = node.usable_formats(Some(settings.size)).map_err(fault("list the formats"))?;
    let unsupported =
        |offered, wanted| CameraError::Unsupported { device: path.display().to_string(), offered, wanted };
    let offered = format_list(&formats);
    if let Some(wanted) = &settings.fourcc {
        formats.retain(|format| format.fourcc == *wanted);
    }
    let choice = negotiate::choose(&formats, settings.size, settings.fps)
        .ok_or_else(|| unsupported(offered, settings.fourcc.clone()))?;
    let given = node.set_format(&choice).map_err(fault("set the format"))?;
    let (pixel, native) = given
        .pixel
        .and_then(|pixel| Some((pixel, native_size(pixel, &given)?)))
        .ok_or_else(|| unsupported(format!("only {} {}x{}", given.fourcc, given.width, given.height), None))?;
    if given.lines == Lines::SingleField {
        return Err(CameraError::Fields { device: path.display().to_string() });
    }
    let fps = node.set_rate(choice.fps).unwrap_or(choice.fps);

    let decoder = Decoder::new(pixel, native, colour_of(&given), settings.size)
        .ok_or_else(|| self::fault(path, "create a JPEG decoder", io::ErrorKind::OutOfMemory.into()))?;
    let stream = Stream::start(node).map_err(|(doing, error)| self::fault(path, doing, error))?;
    let id = links::link_of(path, infrared::is_named(&caps.card, "") || infrared::is_grey(&formats));
    let info = describe(path, caps.card, id, &given, fps);
    Ok(Box::new(Webcam {
        info,
        path: path.to_owned(),
        size: settings.size,
        timeout: settings.timeout,
        interval: Interval::new(fps),
        stream,
        decoder,
        stride: given.stride,
        seq: 0,
        last_sequence: None,
    }))
}

/// Checks that the node is a capture device that can be read.
fn check_caps(path: &Path, caps: &Caps) -> Result<(), CameraError> {
    if caps.is_loopback() && caps.card == LABEL {
        return Err(not_capture(path, "it is bgcam's own output"));
    }
    if caps.is_camera_part() {
        return Err(not_capture(path, "it is a part of a camera that needs libcamera and PipeWire"));
    }
    if caps.is_multi_planar() {
        let name = caps.card.clone();
        return Err(CameraError::Unreadable(Unreadable { name, path: path.to_owned(), why: MULTI_PLANAR }));
    }
    if caps.captures() && caps.streams() {
        return Ok(());
    }
    let why = if caps.is_loopback() { "no program writes to this v4l2loopback" } else { "it is not a capture device" };
    Err(not_capture(path, why))
}

/// Size of decoded frames. JPEGs with an odd side lose a row or column.
fn native_size(pixel: Pixel, given: &ActualFormat) -> Option<Size> {
    let side = |side: u32| if pixel == Pixel::Mjpg { side & !1 } else { side };
    Size::new(side(given.width), side(given.height)).ok()
}

/// A short list of the formats: the decodable ones, if there are any.
fn format_list(formats: &[CaptureFormat]) -> String {
    const MAX_LISTED: usize = 8;
    let mut codes: Vec<_> = formats.iter().map(|format| format.fourcc.as_str()).collect();
    codes.dedup();
    if codes.iter().any(|code| Pixel::from_fourcc(code).is_some()) {
        codes.retain(|code| Pixel::from_fourcc(code).is_some());
    }
    match codes.len() {
        0 => "no format".to_owned(),
        count if count > MAX_LISTED => format!("{} and {} more", codes[..MAX_LISTED].join(", "), count - MAX_LISTED),
        _ => codes.join(", "),
    }
}

fn describe(path: &Path, name: String, id: Option<PathBuf>, given: &ActualFormat, fps: f64) -> SourceInfo {
    SourceInfo {
        name,
        path: Some(path.to_owned()),
        id: id.map(|id| id.display().to_string()),
        fourcc: given.fourcc.to_string(),
        native: (given.width, given.height),
        fps,
    }
}

fn not_capture(path: &Path, why: &str) -> CameraError {
    CameraError::NotCapture { device: path.display().to_string(), why: why.to_owned() }
}

/// Maps a system error while opening a camera.
fn fault(path: &Path, doing: &'static str, source: io::Error) -> CameraError {
    let device = path.display().to_string();
    match source.raw_os_error() {
        Some(libc::ENOENT | libc::ENXIO | libc::ENODEV) => CameraError::Gone { device, source },
        Some(libc::EACCES | libc::EPERM) => CameraError::Denied { device },
        Some(libc::EBUSY) => CameraError::Busy { device, holder: holders::capturing(path) },
        _ => CameraError::Io { device, doing, source },
    }
}

impl Webcam {
    /// Maps a system error while streaming: the camera was disconnected, or its driver has failed. Regardless of the
    /// errno (EIO, ENODEV, EINVAL after an unbind), only reopening can help.
    fn gone(&self, source: io::Error) -> CameraError {
        CameraError::Gone { device: self.path.display().to_string(), source }
    }

    fn decode(&mut self, filled: &FilledBuffer, into: &mut Frame) -> Result<(), CameraError> {
        if filled.damaged {
            return Err(CameraError::Corrupt("marked as damaged by the driver"));
        }
        let image = Image::Block(self.stream.bytes(filled), self.stride);
        self.decoder.decode(image, Lines::of(filled.field), into)
    }
}

impl FrameSource for Webcam {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    fn size(&self) -> Size {
        self.size
    }

    fn next(&mut self, into: &mut Frame) -> Result<(), CameraError> {
        let timeout = self.interval.stall(self.timeout);
        let filled = self
            .stream
            .next(timeout)
            .map_err(|error| self.gone(error))?
            .ok_or_else(|| CameraError::Stalled { device: self.path.display().to_string(), waited: timeout })?;
        self.interval.frame(Instant::now());
        // The driver's counter wraps, and a driver that restarts its count must not cause a jump of 2^32.
        let step = self.last_sequence.map_or(0, |last| filled.sequence.wrapping_sub(last));
        self.last_sequence = Some(filled.sequence);
        self.seq += if (1..1 << 31).contains(&step) { u64::from(step) } else { 1 };
        into.seq = self.seq;
        into.captured_at = filled.captured_at;
        let decoded = self.decode(&filled, into);
        self.stream.requeue(filled).map_err(|error| self.gone(error))?;
        decoded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_list_is_short() {
        let formats = |codes: &[&str]| -> Vec<CaptureFormat> {
            let format = |code: &&str| CaptureFormat { fourcc: (*code).into(), size: Size::HD, rates: Vec::new() };
            codes.iter().map(format).collect()
        };
        assert_eq!(format_list(&formats(&["H264", "YUYV", "YUYV", "NV12"])), "YUYV, NV12");
        assert_eq!(
            format_list(&formats(&["A", "B", "C", "D", "E", "F", "G", "H", "I", "J"])),
            "A, B, C, D, E, F, G, H and 2 more"
        );
        assert_eq!(format_list(&[]), "no format");
    }
}
