//! Stage 5, output: writes composed frames to v4l2loopback, PipeWire and files.
//!
//! [`Outputs`] belongs to the render thread: several sinks that fail independently.

mod error;
mod live_image;
pub mod loopback;
pub mod memory;
mod monitor;
mod mp4;
mod outputs;
mod pipe;
#[cfg(feature = "pipewire")]
mod pipewire;
mod readers;
mod recording;
mod spec;
pub mod still;
mod worker;
pub mod y4m;

pub use error::SinkError;
use live_image::LiveImage;
pub use monitor::{OutputMonitor, OutputStatus};
use mp4::Mp4;
pub use outputs::Outputs;
pub use readers::{ReaderReport, Readers};
pub use recording::OverwritePolicy;
pub use spec::{BadSpec, LoopbackTarget, SinkSpec};
use worker::Worker;

use crate::frame::{Frame, Size};
pub use crate::v4l2::{
    LABEL,
    holders::{Holder as Reader, all as readers},
};

/// A destination of composed frames.
pub trait FrameSink: Send {
    /// Display name: a path or a name.
    fn name(&self) -> &str;

    /// Frame size, which never changes.
    fn size(&self) -> Size;

    /// Writes one frame of [`FrameSink::size`].
    ///
    /// # Errors
    /// If the frame cannot be written; [`SinkError::recovery`] determines the reaction.
    fn write(&mut self, frame: &Frame) -> Result<(), SinkError>;

    /// Finishes the output; called once, after the last frame.
    ///
    /// # Errors
    /// If the output can't be completed, for example the index of a video file.
    fn finish(&mut self) -> Result<(), SinkError>;

    /// Whether a frame has reached its destination since opening. Outputs with their own thread return true only once
    /// it has written a frame.
    fn has_delivered(&self) -> bool {
        true
    }

    /// Number of frames dropped because the output was too slow.
    fn dropped(&self) -> u64 {
        0
    }

    /// Sets the report for outputs that know whether they have readers.
    fn report_readers(&mut self, _report: ReaderReport) {}
}

/// Opens an output for frames of `size`; `rate` is the frame rate as a fraction, for example `(30000, 1001)`.
///
/// Files are written on the calling thread, which blocks on the disk or `ffmpeg`; [`Outputs`] moves this to another
/// thread. `policy` applies to video files; images are always replaced.
///
/// # Errors
/// If the output can't be opened; the error names the output and what was expected.
pub fn open(
    spec: &SinkSpec,
    size: Size,
    rate: (u32, u32),
    policy: OverwritePolicy,
) -> Result<Box<dyn FrameSink>, SinkError> {
    Ok(match spec {
        SinkSpec::Auto => return open(&resolve_auto(), size, rate, policy),
        SinkSpec::Loopback(wanted) => Box::new(loopback::Writer::open(&loopback::find(wanted)?, size, rate)?),
        #[cfg(feature = "pipewire")]
        SinkSpec::PipeWire(label) => Box::new(pipewire::PipeWire::open(label.as_deref(), size, rate)?),
        #[cfg(not(feature = "pipewire"))]
        SinkSpec::PipeWire(_) => {
            return Err(SinkError::NoPipeWire { reason: "bgcam was built without PipeWire support".to_owned() });
        }
        SinkSpec::Y4m(path) => Box::new(y4m::File::create(path, size, rate, policy)?),
        SinkSpec::Png(path) => Box::new(LiveImage::start(path, still::StillFormat::Png, size)?),
        SinkSpec::Jpeg(path) => Box::new(LiveImage::start(path, still::StillFormat::Jpeg, size)?),
        SinkSpec::Mp4(path) => Box::new(Mp4::start(path, size, rate, policy)?),
        SinkSpec::None => Box::new(NullSink { size }),
    })
}

/// Resolves `auto`: v4l2loopback if there is a device, because every app can read it, otherwise PipeWire.
fn resolve_auto() -> SinkSpec {
    #[cfg(feature = "pipewire")]
    if loopback::list().is_empty() && pipewire::is_available() {
        return SinkSpec::PipeWire(None);
    }
    SinkSpec::Loopback(LoopbackTarget::Auto)
}

/// Loads the PipeWire library if it is not loaded yet.
///
/// # Errors
/// If it is not installed, the file is another library, or bgcam was built without PipeWire.
pub fn pipewire_library() -> Result<(), SinkError> {
    #[cfg(feature = "pipewire")]
    return pipewire::load();
    #[cfg(not(feature = "pipewire"))]
    Err(SinkError::NoPipeWire { reason: "bgcam was built without PipeWire support".to_owned() })
}

/// The output `none`, which discards frames.
#[derive(Debug)]
struct NullSink {
    size: Size,
}

impl FrameSink for NullSink {
    fn name(&self) -> &str {
        "none"
    }

    fn size(&self) -> Size {
        self.size
    }

    fn write(&mut self, frame: &Frame) -> Result<(), SinkError> {
        check_size(self, frame)
    }

    fn finish(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}

fn check_size(sink: &dyn FrameSink, frame: &Frame) -> Result<(), SinkError> {
    if frame.size() == sink.size() {
        return Ok(());
    }
    Err(SinkError::WrongSize { name: sink.name().to_owned(), expected: sink.size(), got: frame.size() })
}
