//! One connection to PipeWire: the camera's node in the server's graph, which bgcam drives frame by frame.

use std::{
    cell::{Cell, RefCell},
    ffi::{CStr, CString, c_char, c_int},
    io,
    ptr::{self, NonNull},
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use rustix::time::{ClockId, clock_gettime};

use super::Shared;
use crate::frame::{Frame, Size};
use crate::pipewire::{
    client::text,
    event_loop::{EventLoop, callbacks, check, properties},
    library::{self, Api, Buffer, Busy, Header, StreamBuffer, StreamEvents, state},
    pod,
};

/// A buffer still marked as busy this long after it was sent belonged to a reader that was killed. Nothing else
/// clears the mark, and once all buffers have it the camera freezes.
const STALE_BUFFER_TIMEOUT: Duration = Duration::from_secs(3);

/// A camera in PipeWire's graph, until it is dropped or the server exits.
///
/// The library runs a thread (the loop) that communicates with the server and invokes the callbacks.
pub(super) struct Node {
    event_loop: EventLoop<Inner>,
}

/// State shared by the loop's thread and the feeding thread. The library may invoke callbacks during a call, so this
/// uses cells and is never borrowed mutably.
struct Inner {
    api: &'static Api,
    stream: Cell<*mut library::Stream>,
    size: Size,
    shared: Arc<Shared>,
    streaming: Cell<bool>,
    /// The newest frame, sent to new readers first.
    last: RefCell<Option<Arc<Frame>>>,
    sent: Cell<u64>,
    buffers: RefCell<Vec<SentBuffer>>,
    /// Whether the disconnection is intentional.
    closing: Cell<bool>,
}

/// A buffer of the stream, and when it was last sent.
struct SentBuffer {
    buffer: NonNull<StreamBuffer>,
    at: Instant,
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

static EVENTS: StreamEvents = StreamEvents {
    version: 0,
    destroy: None,
    state_changed: Some(state_changed),
    control_info: None,
    io_changed: None,
    param_changed: Some(param_changed),
    add_buffer: Some(add_buffer),
    remove_buffer: Some(remove_buffer),
    process: None,
    drained: None,
};

impl Node {
    /// Connects to the server; `shared` receives the result.
    ///
    /// # Errors
    /// If there is no server.
    pub(super) fn connect(api: &'static Api, info: &NodeInfo<'_>, shared: &Arc<Shared>) -> io::Result<Self> {
        let inner = Inner {
            api,
            stream: Cell::new(ptr::null_mut()),
            size: info.size,
            shared: Arc::clone(shared),
            streaming: Cell::new(false),
            last: RefCell::new(None),
            sent: Cell::new(0),
            buffers: RefCell::new(Vec::with_capacity(pod::MAX_BUFFERS as usize)),
            closing: Cell::new(false),
        };
        let node = Self { event_loop: EventLoop::start(api, c"bgcam-pw-loop", inner)? };
        let (main_loop, data) = (node.event_loop.raw(), node.event_loop.data());
        node.event_loop.locked(|inner| {
            let format = pod::format(info.size, info.rate);
            let mut params = [pod::as_param(&format)];
            // SAFETY: the loop is valid and locked; the name, properties and parameters are copied; the events are
            // static; `inner` outlives the stream.
            let result = unsafe {
                let name = info.description.as_ptr();
                let stream =
                    (api.pw_stream_new_simple)(main_loop, name, properties_of(api, info), &raw const EVENTS, data);
                if stream.is_null() {
                    return Err(io::Error::last_os_error());
                }
                inner.stream.set(stream);
                let flags = library::MAP_BUFFERS_AND_DRIVE;
                (api.pw_stream_connect)(stream, library::OUTPUT, library::ANY, flags, params.as_mut_ptr(), 1)
            };
            check(result)
        })?;
        Ok(node)
    }

    /// Sends `frame` to the readers, and keeps it for new ones.
    pub(super) fn send(&self, frame: Arc<Frame>) {
        self.event_loop.locked(|inner| {
            if inner.streaming.get() {
                // SAFETY: the loop is locked and the stream valid, so its buffers are stable.
                unsafe { inner.send(&frame) };
            }
            inner.last.replace(Some(frame));
        });
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.event_loop.stop();
        let api = self.event_loop.api();
        self.event_loop.locked(|inner| {
            inner.closing.set(true);
            let stream = inner.stream.get();
            if !stream.is_null() {
                // SAFETY: created by `connect`, and destroyed once, together with its connection.
                unsafe { (api.pw_stream_destroy)(stream) };
            }
        });
    }
}

/// The properties of the node. Browsers list video sources with the role of a camera and a description.
fn properties_of(api: &Api, info: &NodeInfo<'_>) -> *mut library::Properties {
    let items = [
        (c"media.type", c"Video"),
        (c"media.class", c"Video/Source"),
        (c"media.role", c"Camera"),
        (c"node.name", info.node),
        (c"node.description", info.description),
        (c"node.nick", info.description),
        (c"node.virtual", c"true"),
    ];
    properties(api, &items)
}

impl Inner {
    /// # Safety
    /// The loop must be locked and the stream valid.
    unsafe fn send(&self, frame: &Frame) {
        let stream = self.stream.get();
        // SAFETY: guaranteed by the contract of this function.
        match unsafe { self.free_buffer() } {
            None => self.shared.count_overrun(),
            Some(buffer) => {
                self.sent.update(|sent| sent + 1);
                // SAFETY: a dequeued buffer is complete, and owned by this side until it is queued.
                unsafe {
                    fill(&mut *buffer.as_ref().buffer, frame, self.sent.get());
                    (self.api.pw_stream_queue_buffer)(stream, buffer.as_ptr());
                }
            }
        }
        // Also needed without a new frame: it returns the buffers that were read.
        // SAFETY: guaranteed by the contract of this function. A failure means there are no readers, which
        // `state_changed` reports.
        unsafe { (self.api.pw_stream_trigger_process)(stream) };
    }

    fn request_buffers(&self) {
        let (buffers, header) = (pod::buffers(self.size), pod::header());
        let mut params = [pod::as_param(&buffers), pod::as_param(&header)];
        let (stream, count) = (self.stream.get(), params.len() as u32);
        // SAFETY: the stream is valid, since it invokes the callback; the parameters are copied.
        let result = unsafe { (self.api.pw_stream_update_params)(stream, params.as_mut_ptr(), count) };
        if let Err(error) = check(result) {
            self.shared.lost(error);
        }
    }

    /// A buffer without readers. The library puts those marked as busy after the others.
    ///
    /// # Safety
    /// As [`Inner::send`].
    unsafe fn free_buffer(&self) -> Option<NonNull<StreamBuffer>> {
        let (mut buffers, now) = (self.buffers.borrow_mut(), Instant::now());
        for _ in 0..buffers.len() {
            // SAFETY: guaranteed by the contract of this function.
            let free = NonNull::new(unsafe { (self.api.pw_stream_dequeue_buffer)(self.stream.get()) });
            if let Some(sent_buffer) = buffers.iter_mut().find(|sent_buffer| Some(sent_buffer.buffer) == free) {
                sent_buffer.at = now;
                return free;
            }
            if io::Error::last_os_error().raw_os_error() != Some(libc::EBUSY) {
                return free;
            }
            for sent_buffer in
                buffers.iter_mut().filter(|sent_buffer| now.duration_since(sent_buffer.at) > STALE_BUFFER_TIMEOUT)
            {
                sent_buffer.at = now;
                // SAFETY: buffers are valid until `remove_buffer`.
                unsafe { clear_busy(&*sent_buffer.buffer.as_ref().buffer) };
            }
        }
        None
    }
}

/// Clears the busy mark that readers have set on a buffer.
///
/// # Safety
/// The buffer must be as for [`fill`].
unsafe fn clear_busy(buffer: &Buffer) {
    // SAFETY: guaranteed by the contract of this function.
    let metas = unsafe { library::slice(buffer.metas, buffer.n_metas) };
    let busy = metas.iter().find(|meta| meta.kind == library::META_BUSY && meta.size as usize >= size_of::<Busy>());
    if let Some(meta) = busy {
        // SAFETY: metadata of this kind are this struct; other processes write to it too, so it is atomic.
        unsafe { &*meta.data.cast::<Busy>() }.count.store(0, Ordering::Relaxed);
    }
}

/// Writes a frame to a buffer; a buffer that is too small is marked as empty.
///
/// # Safety
/// The buffer's pointers must be as provided by the library: `metas` and `datas` with the given number of entries,
/// each data with a chunk, and `data` either null or `maxsize` bytes that have no reader until the buffer is queued.
unsafe fn fill(buffer: &mut Buffer, frame: &Frame, seq: u64) {
    // SAFETY: guaranteed by the contract of this function.
    let (metas, datas) =
        unsafe { (library::slice(buffer.metas, buffer.n_metas), library::slice(buffer.datas, buffer.n_datas)) };
    let Some(data) = datas.first() else { return };
    let bytes = frame.data();
    let room = !data.data.is_null() && data.maxsize as usize >= bytes.len();
    if room {
        // SAFETY: the memory is large enough and belongs to the buffer.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), data.data.cast(), bytes.len()) };
    }
    // SAFETY: each data has a chunk.
    let chunk = unsafe { &mut *data.chunk };
    chunk.offset = 0;
    chunk.size = if room { bytes.len() as u32 } else { 0 };
    chunk.stride = frame.size().width() as i32;
    chunk.flags = 0;
    let header =
        metas.iter().find(|meta| meta.kind == library::META_HEADER && meta.size as usize >= size_of::<Header>());
    if let Some(meta) = header {
        let header = Header { flags: 0, offset: 0, pts: monotonic_ns(frame), dts_offset: 0, seq };
        // SAFETY: metadata of this kind are this struct, large enough and 8-byte aligned.
        unsafe { meta.data.cast::<Header>().write(header) };
    }
}

/// Capture time in nanoseconds of the monotonic clock.
fn monotonic_ns(frame: &Frame) -> i64 {
    let now = clock_gettime(ClockId::Monotonic);
    let age = i64::try_from(frame.captured_at.elapsed().as_nanos()).unwrap_or(0);
    now.tv_sec * 1_000_000_000 + now.tv_nsec - age
}

callbacks! { Inner;
    fn state_changed(inner, _old: c_int, new: c_int, error: *const c_char) {
        inner.streaming.set(new == state::STREAMING);
        match new {
            state::STREAMING => {
                inner.shared.readers(Some(true));
                // A new reader does not wait for the next camera frame: the feeding thread resends the last one.
                if let Some(last) = &*inner.last.borrow() {
                    inner.shared.frames.put(Arc::clone(last));
                }
            }
            state::PAUSED => inner.shared.readers(Some(false)),
            state::ERROR | state::UNCONNECTED if !inner.closing.get() => {
                // SAFETY: null, or a string that outlives this call.
                let text = unsafe { text(error) };
                inner.shared.lost(io::Error::other(text.unwrap_or("the connection was closed").to_owned()));
            }
            _ => {}
        }
    }

    fn param_changed(inner, id: u32, param: *const library::Pod) {
        if id == pod::PARAM_FORMAT && !param.is_null() {
            inner.request_buffers();
        }
    }

    /// The buffer is valid until [`remove_buffer`].
    ///
    fn add_buffer(inner, buffer: *mut StreamBuffer) {
        let sent_buffer = NonNull::new(buffer).map(|buffer| SentBuffer { buffer, at: Instant::now() });
        inner.buffers.borrow_mut().extend(sent_buffer);
    }

    fn remove_buffer(inner, buffer: *mut StreamBuffer) {
        inner.buffers.borrow_mut().retain(|sent_buffer| sent_buffer.buffer.as_ptr() != buffer);
    }
}

/// A C string; ends at a NUL, which no name should contain.
pub(super) fn c_string(text: &str) -> CString {
    let text = text.split('\0').next().unwrap_or_default();
    CString::new(text).unwrap_or_default()
}
