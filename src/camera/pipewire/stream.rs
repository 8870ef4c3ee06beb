//! A stream from a node of the PipeWire graph.

use std::{
    cell::{Cell, RefCell, UnsafeCell},
    ffi::{CStr, CString, c_char, c_int},
    io,
    ptr::{self, NonNull},
    sync::atomic::{AtomicPtr, Ordering},
    time::Instant,
};

use super::{
    super::{PipeWireError, format::Pixel},
    buffer::{Block, MAX_BLOCKS},
    format::{self, VideoFormat},
};
use crate::pipewire::{
    client::{Client, State, text},
    event_loop::{callbacks, check, properties},
    library::{self, Buffer, Chunk, Header, Hook, StreamBuffer, StreamEvents, state},
    objects::VideoSource,
    parse,
    pod::{self, Pod},
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
    stream: AtomicPtr<library::Stream>,
    hook: UnsafeCell<Hook>,
    /// The negotiated format, and how often it was negotiated.
    format: RefCell<Option<Result<VideoFormat, String>>>,
    negotiated: Cell<u32>,
    failed: RefCell<Option<String>>,
    /// When the newest frame arrived.
    arrived: Cell<Option<Instant>>,
    closing: Cell<bool>,
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

/// A frame in shared memory. Another process may write to it at any time, so its values are copied before they are
/// checked, and only pixels are read from it afterwards.
#[derive(Debug, Default)]
pub(super) struct Received<'a> {
    blocks: [Block<'a>; MAX_BLOCKS],
    count: usize,
    /// Flags, time of capture in nanoseconds of the monotonic clock, and sequence number.
    pub header: Option<(u32, i64, u64)>,
    pub arrived: Option<Instant>,
}

impl<'a> Received<'a> {
    pub(super) fn blocks(&self) -> &[Block<'a>] {
        &self.blocks[..self.count]
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

static EVENTS: StreamEvents = StreamEvents {
    version: 0,
    destroy: None,
    state_changed: Some(state_changed),
    control_info: None,
    io_changed: None,
    param_changed: Some(param_changed),
    add_buffer: None,
    remove_buffer: None,
    process: Some(process),
    drained: None,
};

impl Stream {
    /// Requests a stream from `node` in one of the formats in `offers`.
    pub(super) fn start(client: Client<Inner>, node: VideoSource, offers: &[Pod]) -> io::Result<Self> {
        let this = Self { client, node };
        let (api, core, data) = (this.client.api(), this.client.core(), this.client.data());
        let mut params: Vec<_> = offers.iter().map(pod::as_param).collect();
        let properties = this.properties();
        this.client.locked(|state| {
            // SAFETY: the core is connected and the loop locked; name, properties and parameters are copied; the events
            // are static; state and hook outlive the stream.
            let result = unsafe {
                let stream = (api.pw_stream_new)(core, c"bgcam".as_ptr(), properties);
                if stream.is_null() {
                    return Err(io::Error::last_os_error());
                }
                state.stream.stream.store(stream, Ordering::Relaxed);
                (api.pw_stream_add_listener)(stream, state.stream.hook.get(), &raw const EVENTS, data);
                let (flags, count) = (library::CONNECT_ONCE, params.len() as u32);
                (api.pw_stream_connect)(stream, library::INPUT, library::ANY, flags, params.as_mut_ptr(), count)
            };
            check(result)
        })?;
        Ok(this)
    }

    /// Properties for the session manager.
    fn properties(&self) -> *mut library::Properties {
        // the serial number identifies this very node, but the server of PipeWire before 0.3.44 has none
        let target = self.node.serial.as_ref().unwrap_or(&self.node.name);
        let target = CString::new(target.as_str()).unwrap_or_default();
        let items: [(&CStr, &CStr); 8] = [
            (c"media.type", c"Video"),
            (c"media.category", c"Capture"),
            (c"media.role", c"Camera"),
            (c"node.name", c"bgcam.capture"),
            (c"node.description", c"bgcam"),
            (c"target.object", &target),
            (c"node.dont-fallback", c"true"),
            (c"node.dont-reconnect", c"true"),
        ];
        properties(self.client.api(), &items)
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
        let api = self.client.api();
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
            // SAFETY: the stream is valid until drop, and the loop is locked.
            let own = unsafe { (api.pw_stream_get_node_id)(state.stream.stream.load(Ordering::Relaxed)) };
            match objects.sender_to(own) {
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
        let api = self.client.api();
        self.client.locked(|state| {
            let stream = state.stream.stream.load(Ordering::Relaxed);
            if stream.is_null() || state.stream.negotiated.get() != known {
                return None;
            }
            let mut newest: Option<NonNull<StreamBuffer>> = None;
            // SAFETY: the stream is valid until drop, and the loop is locked, so its buffers stay mapped meanwhile; those
            // that were dequeued belong to this side until they are queued.
            unsafe {
                for _ in 0..=pod::MAX_BUFFERS {
                    let Some(next) = NonNull::new((api.pw_stream_dequeue_buffer)(stream)) else { break };
                    if let Some(older) = newest.replace(next) {
                        (api.pw_stream_queue_buffer)(stream, older.as_ptr());
                    }
                }
                let buffer = newest?;
                let received = Received { arrived: state.stream.arrived.get(), ..received(&*buffer.as_ref().buffer) };
                let result = read(&received);
                (api.pw_stream_queue_buffer)(stream, buffer.as_ptr());
                Some(result)
            }
        })
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let api = self.client.api();
        self.client.locked(|state| {
            state.stream.closing.set(true);
            let stream = state.stream.stream.swap(ptr::null_mut(), Ordering::Relaxed);
            if !stream.is_null() {
                // SAFETY: created by `start`, and destroyed once, with the loop locked.
                unsafe { (api.pw_stream_destroy)(stream) };
            }
        });
    }
}

/// The frame in a buffer.
///
/// # Safety
/// The buffer must be dequeued: `metas` and `datas` have the given number of entries, each mapped data has `maxsize`
/// readable bytes, and a chunk.
unsafe fn received<'a>(buffer: &Buffer) -> Received<'a> {
    // SAFETY: guaranteed by the contract of this function. Chunk and header are in shared memory: they are read once.
    unsafe {
        let metas = library::slice(buffer.metas, buffer.n_metas);
        let datas = library::slice(buffer.datas, buffer.n_datas);
        let mut received = Received { count: datas.len().min(MAX_BLOCKS), ..Received::default() };
        for (block, data) in received.blocks.iter_mut().zip(datas) {
            if library::MEMORY_KINDS.contains(&data.kind) && !data.data.is_null() && !data.chunk.is_null() {
                block.memory = library::slice(data.data.cast(), data.maxsize);
                block.chunk = data.chunk.cast::<Chunk>().read_volatile();
            }
        }
        let header = metas.iter().find(|meta| meta.kind == library::META_HEADER);
        received.header = header.filter(|meta| meta.size as usize >= size_of::<Header>()).map(|meta| {
            let header = meta.data.cast::<Header>().read_volatile();
            (header.flags, header.pts, header.seq)
        });
        received
    }
}

callbacks! { State<Inner>;
    fn state_changed(shared, old: c_int, new: c_int, error: *const c_char) {
        let has_ended = new == state::ERROR || new == state::UNCONNECTED && old > state::UNCONNECTED;
        if has_ended && !shared.stream.closing.get() {
            // SAFETY: null, or a string that outlives this call.
            let text = unsafe { text(error) };
            let mut failed = shared.stream.failed.borrow_mut();
            failed.get_or_insert_with(|| text.unwrap_or(CLOSED).to_owned());
        }
        shared.wake();
    }

    fn param_changed(shared, id: u32, param: *const library::Pod) {
        // SAFETY: a parameter of the library, valid during this call.
        let bytes = unsafe { parse::bytes(param) };
        if let (pod::PARAM_FORMAT, Some(bytes)) = (id, bytes) {
            let format = format::parse(bytes);
            let usable = format.as_ref().ok().copied();
            shared.stream.format.replace(Some(format));
            shared.stream.negotiated.update(|number| number + 1);
            if let Some(format) = usable {
                shared.stream.request_buffers(&format);
            }
            shared.wake();
        }
    }

    fn process(shared) {
        shared.stream.arrived.set(Some(Instant::now()));
        shared.wake();
    }
}

impl Inner {
    /// Answers a new format; called by the loop.
    fn request_buffers(&self, format: &VideoFormat) {
        // two bytes per pixel, as webcams allocate for JPEG
        let len = (format.pixel == Pixel::Mjpg).then(|| 2 * format.size.luma_len());
        let (buffers, header) = (pod::mapped_buffers(len), pod::header());
        let mut params = [&buffers, &header].map(pod::as_param);
        let stream = self.stream.load(Ordering::Relaxed);
        let Ok(api) = library::get() else { return };
        // SAFETY: the stream is valid, since it invokes the callback; the parameters are copied.
        let result = unsafe { (api.pw_stream_update_params)(stream, params.as_mut_ptr(), params.len() as u32) };
        if let Err(error) = check(result) {
            self.failed.replace(Some(error.to_string()));
        }
    }
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
