//! PipeWire cameras: any video source in the graph, for example a camera that only libcamera supports.
//!
//! [`stream`] is the connection to a node, [`format`] the negotiation, and [`buffer`] checks the memory of frames.

mod buffer;
mod format;
mod stream;

use std::{
    io,
    path::PathBuf,
    time::{Duration, Instant},
};

use rustix::time::{ClockId, clock_gettime};

use self::{
    buffer::Delivered,
    format::VideoFormat,
    stream::{Connection, Ended, Inner, Received, Stream},
};
use super::{
    CameraError, FrameSource, PipeWireError, Settings, SourceInfo,
    decoder::{Decoder, Image},
    device::{Device, PIPEWIRE, PipeWireCameras, UsbFunction},
    format::Pixel,
    infrared,
    interval::Interval,
    select::pipewire_rank,
    stream::MAX_AGE,
};
use crate::{
    error::chain,
    frame::{Frame, Size},
    pipewire::{
        client::Client,
        library,
        objects::{Objects, VideoSource},
        portal::{self, PortalError},
    },
};

/// How long a camera may take to start; libcamera needs a second for some.
const START_TIMEOUT: Duration = Duration::from_secs(4);

/// Maximum step of a sequence number that counts as lost frames.
const MAX_STEP: u64 = 1000;

/// The cameras in PipeWire.
pub(super) fn cameras() -> Result<PipeWireCameras, PipeWireError> {
    let client = connect::<()>()?;
    Ok(client.locked(|state| {
        let objects = state.objects();
        let (webcams, own) = objects.cameras().into_iter().partition(|node| objects.is_v4l2(node));
        let devices = |nodes: Vec<VideoSource>| nodes.into_iter().map(describe).collect();
        PipeWireCameras { devices: devices(own), webcams: devices(webcams) }
    }))
}

fn describe(node: VideoSource) -> Device {
    Device {
        path: path_of(&node),
        name: node.description,
        id: None,
        driver: PIPEWIRE.to_owned(),
        bus: String::new(),
        virtual_: false,
        formats: Vec::new(),
        function: UsbFunction::default(),
    }
}

/// The setting that selects a node.
fn path_of(node: &VideoSource) -> PathBuf {
    format!("{PIPEWIRE}:{}", node.name).into()
}

/// Connects directly, or through the portal if bgcam is in a sandbox or PipeWire refuses it.
fn connect<S: Default + Send>() -> Result<Client<S>, PipeWireError> {
    let api = library::get().map_err(|error| PipeWireError::NoLibrary { reason: chain(&error) })?;
    let failed = |source| PipeWireError::NotRunning { source };
    match Client::connect(api, None, S::default()) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied || ashpd::is_sandboxed() => {
            let socket = portal::open().map_err(refused)?;
            Client::connect(api, Some(socket), S::default()).map_err(failed)
        }
        result => result.map_err(failed),
    }
}

fn refused(error: PortalError) -> PipeWireError {
    match error {
        PortalError::Refused => PipeWireError::Forbidden,
        PortalError::Unanswered => PipeWireError::Unanswered,
        PortalError::NoCamera => PipeWireError::NoCamera,
        PortalError::Failed(error) => PipeWireError::Portal { reason: chain(&error) },
    }
}

/// The node with this name or description, or one whose description contains it; the preferred one without a name.
fn find(wanted: Option<&str>, objects: &Objects) -> Result<VideoSource, PipeWireError> {
    let cameras = objects.cameras();
    let Some(wanted) = wanted else {
        let order = |node: &&VideoSource| (infrared::is_named(&node.description, ""), objects.is_v4l2(node));
        let first = cameras.iter().min_by_key(order).cloned();
        return first.ok_or(PipeWireError::NoCamera);
    };
    let rank = |node: &&VideoSource| pipewire_rank(wanted, &node.name, &node.description);
    let found = cameras.iter().filter(|node| rank(node).is_some()).min_by_key(rank);
    found.cloned().ok_or_else(|| match objects.is_own_output(wanted) {
        true => PipeWireError::OwnOutput { node: wanted.to_owned() },
        false => {
            let names = cameras.iter().map(|node| format!("{} ({})", node.description, path_of(node).display()));
            PipeWireError::NotFound { wanted: wanted.to_owned(), available: names.collect() }
        }
    })
}

/// Opens the node that `wanted` selects, and waits for its format.
pub(super) fn open(wanted: Option<&str>, settings: &Settings) -> Result<Box<dyn FrameSource>, CameraError> {
    let client = connect::<Inner>()?;
    let node = client.locked(|state| find(wanted, &state.objects()))?;
    let name = node.name.clone();
    let offers = format::offers(settings);
    if offers.is_empty() {
        let reason = format!("camera.format = {:?} is not available in PipeWire", settings.fourcc);
        return Err(PipeWireError::Format { node: name, reason }.into());
    }
    let stream = Stream::start(client, node, &offers);
    let stream = stream.map_err(|error| PipeWireError::Refused { node: name, reason: error.to_string() })?;
    let (negotiated, format) = wait_for_format(&stream, settings.timeout.max(START_TIMEOUT))?;
    let fps = format.fps.unwrap_or_else(|| f64::from(settings.fps));
    Ok(Box::new(PipeWireCamera {
        info: info(stream.node(), &format, fps),
        size: settings.size,
        timeout: settings.timeout,
        interval: Interval::new(fps),
        decoder: decoder(&stream, &format, settings.size)?,
        jpeg: Vec::new(),
        stream,
        negotiated,
        delivered: Delivered::new(format.size),
        format,
        seq: 0,
        last_seq: None,
    }))
}

fn wait_for_format(stream: &Stream, timeout: Duration) -> Result<(u32, VideoFormat), CameraError> {
    let deadline = Instant::now() + timeout;
    loop {
        let connection = stream.connection().map_err(|ended| ended.into_error(stream))?;
        if let Some((number, format)) = stream.new_format(0) {
            return Ok((number, format?));
        }
        if !stream.wait(deadline) {
            let node = stream.node().name.clone();
            return Err(match connection {
                _ if !stream.is_managed() => PipeWireError::NoSessionManager { node },
                Connection::Pending => PipeWireError::NotConnected { node, waited: timeout },
                Connection::Made => PipeWireError::NoFormat { node, waited: timeout },
            }
            .into());
        }
    }
}

fn info(node: &VideoSource, format: &VideoFormat, fps: f64) -> SourceInfo {
    SourceInfo {
        name: node.description.clone(),
        path: Some(path_of(node)),
        id: None,
        fourcc: format.name.to_owned(),
        native: (format.size.width() as u32, format.size.height() as u32),
        fps,
    }
}

fn decoder(stream: &Stream, format: &VideoFormat, size: Size) -> Result<Decoder, CameraError> {
    Decoder::new(format.pixel, format.size, format.colour, size).ok_or_else(|| {
        let device = path_of(stream.node()).display().to_string();
        CameraError::Io { device, doing: "create a JPEG decoder", source: io::ErrorKind::OutOfMemory.into() }
    })
}

impl Ended {
    fn into_error(self, stream: &Stream) -> CameraError {
        match self {
            Self::Gone(source) => CameraError::Gone { device: path_of(stream.node()).display().to_string(), source },
            Self::Failed(error) => error.into(),
        }
    }
}

/// A camera in PipeWire's graph.
struct PipeWireCamera {
    info: SourceInfo,
    size: Size,
    timeout: Duration,
    interval: Interval,
    stream: Stream,
    /// The number of the negotiation of `format`.
    negotiated: u32,
    format: VideoFormat,
    /// The size of the frames, which the decoder is for.
    delivered: Delivered,
    decoder: Decoder,
    /// A copy of a JPEG, which another process must not change while it is decoded.
    jpeg: Vec<u8>,
    seq: u64,
    last_seq: Option<u64>,
}

impl FrameSource for PipeWireCamera {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    fn size(&self) -> Size {
        self.size
    }

    fn next(&mut self, into: &mut Frame) -> Result<(), CameraError> {
        let timeout = self.interval.stall(self.timeout);
        let deadline = Instant::now() + timeout;
        loop {
            let connection = self.stream.connection().map_err(|ended| ended.into_error(&self.stream))?;
            self.follow_format()?;
            // frames of another node are never shown
            if connection == Connection::Made
                && let Some(taken) = self.take(into)
            {
                self.interval.frame(Instant::now());
                return taken;
            }
            if !self.stream.wait(deadline) {
                let device = path_of(self.stream.node()).display().to_string();
                return Err(CameraError::Stalled { device, waited: timeout });
            }
        }
    }
}

impl PipeWireCamera {
    /// Continues with another format if the camera has changed it.
    fn follow_format(&mut self) -> Result<(), CameraError> {
        let Some((number, format)) = self.stream.new_format(self.negotiated) else { return Ok(()) };
        let format = format?;
        if format != self.format {
            let (old, new) = (self.format.size, format.size);
            tracing::info!(
                "camera {} changed from {} {old} to {} {new}",
                self.info.name,
                self.format.name,
                format.name
            );
            self.decoder = decoder(&self.stream, &format, self.size)?;
            self.info = info(self.stream.node(), &format, format.fps.unwrap_or(self.info.fps));
            self.delivered = Delivered::new(format.size);
        }
        self.negotiated = number;
        self.format = format;
        Ok(())
    }

    /// Continues with frames of another size than negotiated.
    fn follow_size(&mut self, size: Size) -> Result<(), CameraError> {
        let fail = |reason| PipeWireError::Format { node: self.stream.node().name.clone(), reason };
        self.delivered.change(size).map_err(fail)?;
        tracing::info!("camera {} sends {size} instead of {}", self.info.name, self.format.size);
        self.decoder = decoder(&self.stream, &VideoFormat { size, ..self.format }, self.size)?;
        Ok(())
    }

    /// Decodes the newest frame; `None` if there is none.
    fn take(&mut self, into: &mut Frame) -> Option<Result<(), CameraError>> {
        let Self { stream, negotiated, format, delivered, decoder, jpeg, .. } = self;
        let mut other_size = None;
        let (result, header, arrived) = stream.newest(*negotiated, |received| {
            other_size = received.size(format).filter(|size| *size != delivered.size);
            let result = match received.is_empty() || other_size.is_some() {
                true => None,
                false => Some(decode(received, (format, delivered.size), decoder, jpeg, into)),
            };
            (result, received.header, received.arrived)
        })?;
        if let Some(size) = other_size {
            return self.follow_size(size).err().map(Err);
        }
        let result = result?;
        let seq = header.map(|(.., seq)| seq);
        let step = seq.zip(self.last_seq).map_or(1, |(new, last)| new.wrapping_sub(last));
        self.last_seq = seq;
        self.seq += if (1..MAX_STEP).contains(&step) { step } else { 1 };
        into.seq = self.seq;
        into.captured_at = captured_at(header.map(|(_, pts, _)| pts), arrived);
        Some(result)
    }
}

fn decode(
    received: &Received<'_>,
    (format, size): (&VideoFormat, Size),
    decoder: &mut Decoder,
    jpeg: &mut Vec<u8>,
    into: &mut Frame,
) -> Result<(), CameraError> {
    if received.is_damaged() {
        return Err(CameraError::Corrupt("marked as damaged by the sender"));
    }
    let image = if format.pixel == Pixel::Mjpg {
        let block = received.blocks().first().ok_or(CameraError::Corrupt("a frame without memory"))?;
        let bytes = block.bytes()?;
        jpeg.clear();
        jpeg.reserve(block.memory.len()); // allocates once, for the largest possible image
        jpeg.extend_from_slice(bytes);
        Image::Block(jpeg, 0)
    } else {
        Image::Planes(buffer::planes(format.pixel, size, received.blocks())?)
    };
    decoder.decode(image, format.lines, into)
}

/// The time of capture according to the sender, or of arrival if the sender's clock is another one.
fn captured_at(pts: Option<i64>, arrived: Option<Instant>) -> Instant {
    let now = Instant::now();
    let clock = clock_gettime(ClockId::Monotonic);
    let clock = clock.tv_sec.saturating_mul(1_000_000_000).saturating_add(clock.tv_nsec);
    let age = pts.and_then(|pts| u64::try_from(clock.checked_sub(pts)?).ok()).map(Duration::from_nanos);
    age.filter(|age| *age < MAX_AGE).and_then(|age| now.checked_sub(age)).or(arrived).unwrap_or(now)
}
