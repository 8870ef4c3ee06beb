//! Station 5: the frame goes out, to v4l2loopback, to PipeWire and to files.
//!
//! [`Outputs`] is what the render thread owns: several sinks, none of which can stop another.

mod error;
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
mod snapshot;
mod spec;
pub mod still;
mod worker;
pub mod y4m;

pub use error::SinkError;
pub use monitor::{OutputMonitor, OutputStatus};
use mp4::Mp4;
pub use outputs::Outputs;
pub use readers::{ReaderReport, Readers};
pub use recording::Existing;
use snapshot::Snapshot;
pub use spec::{BadSpec, LoopbackTarget, SinkSpec};
use worker::Worker;

use crate::frame::{Frame, Size};
pub use crate::v4l2::{
    LABEL,
    holders::{Holder as Reader, all as readers, maps},
};

/// Where composed frames go.
pub trait FrameSink: Send {
    /// Its path, for people.
    fn name(&self) -> &str;

    /// The size of the frames that it takes; never changes.
    fn size(&self) -> Size;

    /// Writes one whole frame of [`FrameSink::size`].
    ///
    /// # Errors
    /// [`SinkError::recovery`] says what to do about each.
    fn write(&mut self, frame: &Frame) -> Result<(), SinkError>;

    /// Ends the output in good order; called once, after the last frame.
    ///
    /// # Errors
    /// When what was written can't be completed, such as a video file's index.
    fn finish(&mut self) -> Result<(), SinkError>;

    /// Whether a frame has reached its destination since this was opened. An output that hands frames to a thread of its own
    /// says so only once that has written one.
    fn has_delivered(&self) -> bool {
        true
    }

    /// How many frames found no room and are missing in the output.
    fn dropped(&self) -> u64 {
        0
    }

    /// Takes the place where an output that knows whether somebody reads it tells so.
    fn report_readers(&mut self, _audience: ReaderReport) {}
}

/// Opens an output for frames of `size`; `rate` is their number a second as a fraction, such as `(30000, 1001)`.
///
/// Files are written in the calling thread, which waits for the disk or for `ffmpeg`; [`Outputs`] takes that off it.
/// `existing` says what happens to a video that is there already; pictures are replaced.
///
/// # Errors
/// Each names the output and what was expected.
pub fn open(
    spec: &SinkSpec,
    size: Size,
    rate: (u32, u32),
    existing: Existing,
) -> Result<Box<dyn FrameSink>, SinkError> {
    Ok(match spec {
        SinkSpec::Auto => return open(&choose(), size, rate, existing),
        SinkSpec::Loopback(wanted) => Box::new(loopback::Writer::open(&loopback::find(wanted)?, size, rate)?),
        #[cfg(feature = "pipewire")]
        SinkSpec::PipeWire(label) => Box::new(pipewire::PipeWire::open(label.as_deref(), size, rate)?),
        #[cfg(not(feature = "pipewire"))]
        SinkSpec::PipeWire(_) => return Err(SinkError::NoPipeWire { reason: "bgcam was built without it".to_owned() }),
        SinkSpec::Y4m(path) => Box::new(y4m::File::create(path, size, rate, existing)?),
        SinkSpec::Png(path) => Box::new(Snapshot::start(path, still::Format::Png, size)?),
        SinkSpec::Jpeg(path) => Box::new(Snapshot::start(path, still::Format::Jpeg, size)?),
        SinkSpec::Mp4(path) => Box::new(Mp4::start(path, size, rate, existing)?),
        SinkSpec::None => Box::new(NullSink { size }),
    })
}

/// What `auto` stands for: v4l2loopback where there is a device of it, because every app can read that; else PipeWire.
fn choose() -> SinkSpec {
    #[cfg(feature = "pipewire")]
    if loopback::list().is_empty() && pipewire::is_available() {
        return SinkSpec::PipeWire(None);
    }
    SinkSpec::Loopback(LoopbackTarget::Auto)
}

/// Loads the library of PipeWire, where that has not been done.
///
/// # Errors
/// When it is not installed, is another library, or was left out of this program.
pub fn pipewire_library() -> Result<(), SinkError> {
    #[cfg(feature = "pipewire")]
    return pipewire::load();
    #[cfg(not(feature = "pipewire"))]
    Err(SinkError::NoPipeWire { reason: "bgcam was built without it".to_owned() })
}

/// The output `none`.
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
