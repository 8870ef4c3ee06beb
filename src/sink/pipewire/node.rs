//! One connection to PipeWire: the camera's node in the server's graph, which bgcam drives frame by frame.

use std::{
    cell::{Cell, RefCell},
    ffi::{CStr, CString, c_int},
    io,
    sync::Arc,
};

use rustix::time::{ClockId, clock_gettime};

use super::{QueuedFrame, Shared};
use crate::frame::{Frame, Size};
use crate::pipewire::{
    event_loop::EventLoop,
    library::{Api, state},
    pod,
    stream::{Direction, Events, Locked, StreamInfo},
};
use crate::process::suspend;

/// A camera in PipeWire's graph, until it is dropped or the server exits.
///
/// The library runs a thread (the loop) that communicates with the server and invokes the callbacks.
pub(super) struct Node {
    event_loop: EventLoop<Inner>,
}

/// State shared by the loop's thread and the feeding thread. The library may invoke callbacks during a call, so this
/// uses cells and is never borrowed mutably.
struct Inner {
    size: Size,
    shared: Arc<Shared>,
    streaming: Cell<bool>,
    /// The newest frame, sent to new readers first.
    last: RefCell<Option<QueuedFrame>>,
    sent: Cell<u64>,
}

/// Properties of the camera.
pub(super) struct NodeInfo<'a> {
    /// Display name.
    pub(super) description: &'a CStr,
    /// Node name used by programs.
    pub(super) node: &'a CStr,
    pub(super) size: Size,
    /// Frame rate as a fraction.
    pub(super) rate: (u32, u32),
}

impl Node {
    /// Connects to the server; `shared` receives the result.
    ///
    /// # Errors
    /// If there is no server.
    pub(super) fn connect(api: &'static Api, info: &NodeInfo<'_>, shared: &Arc<Shared>) -> io::Result<Self> {
        let inner = Inner {
            size: info.size,
            shared: Arc::clone(shared),
            streaming: Cell::new(false),
            last: RefCell::new(None),
            sent: Cell::new(0),
        };
        let node = Self { event_loop: EventLoop::start(api, c"bgcam-pw-loop", inner)? };
        node.event_loop.open_stream(&StreamInfo {
            name: info.description,
            properties: &properties(info),
            formats: &[pod::format(info.size, info.rate)],
        })?;
        Ok(node)
    }

    /// Sends `frame` to the readers, and keeps it for new ones.
    pub(super) fn send(&self, queued: QueuedFrame) {
        self.event_loop.locked(|inner| {
            if inner.streaming.get() {
                send(inner, &queued);
            }
            inner.last.replace(Some(queued));
        });
    }
}

/// The properties of the node. Browsers list video sources with the role of a camera and a description.
fn properties<'a>(info: &NodeInfo<'a>) -> [(&'a CStr, &'a CStr); 7] {
    [
        (c"media.type", c"Video"),
        (c"media.class", c"Video/Source"),
        (c"media.role", c"Camera"),
        (c"node.name", info.node),
        (c"node.description", info.description),
        (c"node.nick", info.description),
        (c"node.virtual", c"true"),
    ]
}

fn send(inner: &Locked<Inner>, queued: &QueuedFrame) {
    let frame = &queued.frame;
    match inner.free_buffer() {
        None => inner.shared.count_overrun(),
        Some(mut buffer) => {
            inner.sent.update(|sent| sent + 1);
            let (stride, pts, sent) = (frame.size().width(), monotonic_ns(frame), inner.sent.get());
            buffer.write(frame.data(), stride, pts, sent);
            if !queued.is_current(suspend::total()) {
                buffer.write(Frame::new(inner.size).data(), stride, pts, sent); // black, until a card follows
            }
        }
    }
    // Also needed without a new frame: it returns the buffers that were read.
    inner.trigger();
}

/// Capture time in nanoseconds of the monotonic clock.
fn monotonic_ns(frame: &Frame) -> i64 {
    let now = clock_gettime(ClockId::Monotonic);
    let age = i64::try_from(frame.captured_at.elapsed().as_nanos()).unwrap_or(0);
    now.tv_sec * 1_000_000_000 + now.tv_nsec - age
}

impl Events for Inner {
    const DIRECTION: Direction = Direction::Output;

    fn state_changed(inner: &Locked<Self>, _old: c_int, new: c_int, error: Option<&str>) {
        inner.streaming.set(new == state::STREAMING);
        match new {
            state::STREAMING => {
                inner.shared.readers(Some(true));
                // A new reader does not wait for the next camera frame: the feeding thread resends the last one.
                if let Some(last) = &*inner.last.borrow() {
                    inner.shared.frames.put(last.clone());
                }
            }
            state::PAUSED => inner.shared.readers(Some(false)),
            state::ERROR | state::UNCONNECTED if !inner.is_closing() => {
                inner.shared.lost(io::Error::other(error.unwrap_or("the connection was closed").to_owned()));
            }
            _ => {}
        }
    }

    fn format_changed(inner: &Locked<Self>, _format: &[u8]) {
        if let Err(error) = inner.update_params(&[pod::buffers(inner.size), pod::header()]) {
            inner.shared.lost(error);
        }
    }
}

/// A C string; ends at a NUL, which no name should contain.
pub(super) fn c_string(text: &str) -> CString {
    let text = text.split('\0').next().unwrap_or_default();
    CString::new(text).unwrap_or_default()
}
