//! A stream from a node of the PipeWire graph.

use std::{
    cell::{Cell, RefCell},
    ffi::{CString, c_int},
    io,
    time::Instant,
};

use super::{
    super::{PipeWireError, format::Pixel},
    buffer::{self, Block, MAX_BLOCKS},
    format::{self, VideoFormat},
};
use crate::{
    frame::Size,
    pipewire::{
        buffer::Filled,
        client::{Client, State},
        library::{self, state},
        objects::VideoSource,
        pod::{self, Pod},
        stream::{Direction, Events, Locked, StreamInfo},
    },
};

/// The reason if PipeWire gives none.
const CLOSED: &str = "PipeWire closed the connection, as it does without a common format";

/// A stream from one node. If the node disappears the stream does not use another one.
pub(super) struct Stream {
    client: Client<Inner>,
    node: VideoSource,
}

/// State shared with the callbacks.
#[derive(Default)]
pub(super) struct Inner {
    /// The negotiated format, and how often it was negotiated.
    format: RefCell<Option<Result<VideoFormat, String>>>,
    negotiated: Cell<u32>,
    failed: RefCell<Option<String>>,
    /// When the newest frame arrived.
    arrived: Cell<Option<Instant>>,
}

/// The state of the connection to the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Connection {
    /// The session manager has not connected it yet.
    Pending,
    /// The node sends to this stream.
    Made,
}

/// Why there are no more frames.
#[derive(Debug)]
pub(super) enum Ended {
    /// The node or the server is gone.
    Gone(io::Error),
    Failed(PipeWireError),
}

/// A frame in shared memory, with copies of the values that describe it.
#[derive(Debug, Default)]
pub(super) struct Received<'a> {
    blocks: [Block<'a>; MAX_BLOCKS],
    count: usize,
    /// Flags, time of capture in nanoseconds of the monotonic clock, and sequence number.
    pub header: Option<(u32, i64, u64)>,
    pub arrived: Option<Instant>,
}

impl<'a> Received<'a> {
    fn new(frame: &'a Filled<'_>, arrived: Option<Instant>) -> Self {
        let blocks = frame.blocks();
        let header = frame.header().map(|header| (header.flags, header.pts, header.seq));
        let mut received = Self { count: blocks.len().min(MAX_BLOCKS), header, arrived, ..Self::default() };
        for (block, mapped) in received.blocks.iter_mut().zip(blocks) {
            if let Some((memory, chunk)) = mapped {
                *block = Block { memory, chunk };
            }
        }
        received
    }

    pub(super) fn blocks(&self) -> &[Block<'a>] {
        &self.blocks[..self.count]
    }

    /// The size of the frame; `None` for a JPEG, or without a frame.
    pub(super) fn size(&self, format: &VideoFormat) -> Option<Size> {
        let is_raw = format.pixel != Pixel::Mjpg && !self.is_empty() && !self.is_damaged();
        is_raw.then(|| buffer::delivered_size(format.pixel, format.size, self.blocks()))
    }

    /// Whether the sender marked the frame as damaged.
    pub(super) fn is_damaged(&self) -> bool {
        let header = self.header.is_some_and(|(flags, ..)| flags & library::HEADER_CORRUPTED != 0);
        header || self.blocks().iter().any(|block| block.chunk.flags & library::CHUNK_CORRUPTED != 0)
    }

    /// Whether the buffer has no frame.
    pub(super) fn is_empty(&self) -> bool {
        self.header.is_some_and(|(flags, ..)| flags & library::HEADER_GAP != 0)
            || self.blocks().iter().all(|block| block.chunk.size == 0)
    }
}

impl Stream {
    /// Requests a stream from `node` in one of the formats in `offers`.
    pub(super) fn start(client: Client<Inner>, node: VideoSource, offers: &[Pod]) -> io::Result<Self> {
        // the serial number identifies this very node, but the server of PipeWire before 0.3.44 has none
        let target = node.serial.as_ref().unwrap_or(&node.name);
        let target = CString::new(target.as_str()).unwrap_or_default();
        // for the session manager
        let properties = [
            (c"media.type", c"Video"),
            (c"media.category", c"Capture"),
            (c"media.role", c"Camera"),
            (c"node.name", c"bgcam.capture"),
            (c"node.description", c"bgcam"),
            (c"target.object", &*target),
            (c"node.dont-fallback", c"true"),
            (c"node.dont-reconnect", c"true"),
        ];
        client.open_stream(&StreamInfo { name: c"bgcam", properties: &properties, formats: offers })?;
        Ok(Self { client, node })
    }

    /// The node.
    pub(super) fn node(&self) -> &VideoSource {
        &self.node
    }

    /// Whether the session manager runs.
    pub(super) fn is_managed(&self) -> bool {
        self.client.locked(|state| state.objects().is_managed())
    }

    /// Waits for an event; false after `deadline`.
    pub(super) fn wait(&self, deadline: Instant) -> bool {
        self.client.wait(deadline)
    }

    /// The state of the connection, or why it has ended.
    pub(super) fn connection(&self) -> Result<Connection, Ended> {
        self.client.locked(|state| {
            if let Some(error) = state.lost() {
                return Err(Ended::Gone(error));
            }
            let objects = state.objects();
            if !objects.has_source(self.node.id) {
                return Err(Ended::Gone(io::Error::from_raw_os_error(libc::ENODEV)));
            }
            if let Some(reason) = &*state.stream.failed.borrow() {
                let node = self.node.name.clone();
                return Err(Ended::Failed(PipeWireError::Refused { node, reason: reason.clone() }));
            }
            match state.node_id().and_then(|own| objects.sender_to(own)) {
                // only the cameras that the user allowed are visible, and no links
                None if self.client.is_restricted() => Ok(Connection::Made),
                None => Ok(Connection::Pending),
                Some(sender) if sender == self.node.id => Ok(Connection::Made),
                Some(_) => Err(Ended::Failed(PipeWireError::OtherCamera { node: self.node.name.clone() })),
            }
        })
    }

    /// The negotiated format if it is not the one of negotiation number `known`, and its number.
    pub(super) fn new_format(&self, known: u32) -> Option<(u32, Result<VideoFormat, PipeWireError>)> {
        self.client.locked(|state| {
            let number = state.stream.negotiated.get();
            let format = if number == known { None } else { state.stream.format.borrow().clone() }?;
            let describe = |reason| PipeWireError::Format { node: self.node.name.clone(), reason };
            Some((number, format.map_err(describe)))
        })
    }

    /// Passes the newest frame to `read`, if there is one and its format is that of negotiation number `known`.
    pub(super) fn newest<R>(&self, known: u32, read: impl FnOnce(&Received<'_>) -> R) -> Option<R> {
        self.client.locked(|state| {
            if state.stream.negotiated.get() != known {
                return None;
            }
            let buffer = state.newest_buffer()?;
            Some(read(&Received::new(&buffer, state.stream.arrived.get())))
        })
    }
}

impl Events for State<Inner> {
    const DIRECTION: Direction = Direction::Input;

    fn state_changed(this: &Locked<Self>, old: c_int, new: c_int, error: Option<&str>) {
        let has_ended = new == state::ERROR || new == state::UNCONNECTED && old > state::UNCONNECTED;
        if has_ended && !this.is_closing() {
            let mut failed = this.stream.failed.borrow_mut();
            failed.get_or_insert_with(|| error.unwrap_or(CLOSED).to_owned());
        }
        this.wake();
    }

    fn format_changed(this: &Locked<Self>, format: &[u8]) {
        let format = format::parse(format);
        let usable = format.as_ref().ok().copied();
        this.stream.format.replace(Some(format));
        this.stream.negotiated.update(|number| number + 1);
        if let Some(format) = usable
            && let Err(error) = this.update_params(&params(&format))
        {
            this.stream.failed.replace(Some(error.to_string()));
        }
        this.wake();
    }

    fn frame_arrived(this: &Locked<Self>) {
        this.stream.arrived.set(Some(Instant::now()));
        this.wake();
    }
}

/// The answer to a new format: the requested buffers.
fn params(format: &VideoFormat) -> [Pod; 2] {
    // two bytes per pixel, as webcams allocate for JPEG
    let len = (format.pixel == Pixel::Mjpg).then(|| 2 * format.size.luma_len());
    [pod::mapped_buffers(len), pod::header()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_and_empty_frames_are_recognized() {
        let with = |header: u32, chunk: i32, size: u32| {
            let mut received = Received { count: 2, header: Some((header, 0, 0)), ..Received::default() };
            received.blocks[1].chunk.flags = chunk;
            received.blocks[0].chunk.size = size;
            (received.is_damaged(), received.is_empty())
        };
        assert_eq!(with(0, 0, 9), (false, false));
        assert_eq!(with(library::HEADER_CORRUPTED, 0, 9), (true, false));
        assert_eq!(with(0, library::CHUNK_CORRUPTED, 9), (true, false));
        assert_eq!(with(library::HEADER_GAP, 0, 9), (false, true));
        assert_eq!(with(0, 0, 0), (false, true));
    }
}
