//! One connection to PipeWire: the camera's node in the server's graph, which bgcam drives frame by frame.

use std::{
    cell::{Cell, RefCell},
    ffi::{CStr, CString, c_char, c_int, c_void},
    io,
    ptr::{self, NonNull},
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use rustix::time::{ClockId, clock_gettime};

use super::Shared;
use crate::frame::{Frame, Size};
use crate::pipewire::{
    library::{self, Api, Buffer, Busy, Dict, DictItem, Header, StreamBuffer, StreamEvents, ThreadLoop, state},
    pod::{self, Pod},
};

/// A buffer still marked as busy this long after it was sent belonged to a reader that was killed. Nothing else
/// clears the mark, and once all buffers have it the camera freezes.
const STALE_BUFFER_TIMEOUT: Duration = Duration::from_secs(3);

/// A camera in PipeWire's graph, until it is dropped or the server exits.
///
/// The library runs a thread (the loop) that communicates with the server and invokes the callbacks with the loop's
/// lock held; all calls from this side take the lock as well. The shared state is in [`Inner`].
pub(super) struct Node {
    api: &'static Api,
    thread_loop: NonNull<ThreadLoop>,
    /// From `Box::leak`; accessed only with the lock held, or after the loop has stopped.
    inner: NonNull<Inner>,
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
        // SAFETY: creates a loop without properties.
        let thread_loop = unsafe { (api.pw_thread_loop_new)(c"bgcam-pw-loop".as_ptr(), ptr::null()) };
        let thread_loop = NonNull::new(thread_loop).ok_or_else(io::Error::last_os_error)?;
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
        let inner = NonNull::from(Box::leak(Box::new(inner)));
        let node = Self { api, thread_loop, inner }; // from here on `drop` cleans up
        // SAFETY: the loop is valid.
        check(unsafe { (api.pw_thread_loop_start)(thread_loop.as_ptr()) })?;
        node.locked(|inner| {
            // SAFETY: the loop is valid and locked; `inner` outlives the stream.
            let stream = unsafe { new_stream(api, thread_loop, info, node.inner) }?;
            inner.stream.set(stream);
            let format = pod::format(info.size, info.rate);
            let mut params = [as_param(&format)];
            // SAFETY: the stream was just created; the parameters are copied.
            check(unsafe {
                let flags = library::MAP_BUFFERS_AND_DRIVE;
                (api.pw_stream_connect)(stream, library::OUTPUT, library::ANY, flags, params.as_mut_ptr(), 1)
            })
        })?;
        Ok(node)
    }

    /// Sends `frame` to the readers, and keeps it for new ones.
    pub(super) fn send(&self, frame: Arc<Frame>) {
        self.locked(|inner| {
            if inner.streaming.get() {
                // SAFETY: the loop is locked and the stream valid, so its buffers are stable.
                unsafe { inner.send(&frame) };
            }
            inner.last.replace(Some(frame));
        });
    }

    fn locked<R>(&self, work: impl FnOnce(&Inner) -> R) -> R {
        let (api, thread_loop) = (self.api, self.thread_loop.as_ptr());
        // SAFETY: the loop is valid, and never locked twice by this side.
        unsafe { (api.pw_thread_loop_lock)(thread_loop) };
        // SAFETY: callbacks access it only with the lock held, which this side holds now.
        let result = work(unsafe { self.inner.as_ref() });
        // SAFETY: this side holds the lock.
        unsafe { (api.pw_thread_loop_unlock)(thread_loop) };
        result
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let (api, thread_loop) = (self.api, self.thread_loop.as_ptr());
        // SAFETY: this side does not hold the lock. Afterwards only this thread runs code of the loop.
        unsafe { (api.pw_thread_loop_stop)(thread_loop) };
        // SAFETY: there are no other users left.
        let inner = unsafe { self.inner.as_ref() };
        inner.closing.set(true);
        let stream = inner.stream.get();
        if !stream.is_null() {
            // SAFETY: created by `new_stream`, and destroyed once, together with its connection.
            unsafe { (api.pw_stream_destroy)(stream) };
        }
        // SAFETY: the stream that used it is destroyed.
        unsafe { (api.pw_thread_loop_destroy)(thread_loop) };
        // SAFETY: from `Box::leak`, and there are no more callbacks.
        drop(unsafe { Box::from_raw(self.inner.as_ptr()) });
    }
}

/// # Safety
/// The loop must be valid and locked, and `inner` must outlive the stream.
unsafe fn new_stream(
    api: &Api,
    thread_loop: NonNull<ThreadLoop>,
    info: &NodeInfo<'_>,
    inner: NonNull<Inner>,
) -> io::Result<*mut library::Stream> {
    // Browsers list video sources with the role of a camera and a description.
    let items = [
        (c"media.type", c"Video"),
        (c"media.class", c"Video/Source"),
        (c"media.role", c"Camera"),
        (c"node.name", info.node),
        (c"node.description", info.description),
        (c"node.nick", info.description),
        (c"node.virtual", c"true"),
    ]
    .map(|(key, value)| DictItem { key: key.as_ptr(), value: value.as_ptr() });
    let dict = Dict { flags: 0, n_items: items.len() as u32, items: items.as_ptr() };
    // SAFETY: keys and values are copied; the stream takes ownership of the properties; the events are static.
    let stream = unsafe {
        let properties = (api.pw_properties_new_dict)(&raw const dict);
        let main_loop = (api.pw_thread_loop_get_loop)(thread_loop.as_ptr());
        let (name, data) = (info.description.as_ptr(), inner.as_ptr().cast());
        (api.pw_stream_new_simple)(main_loop, name, properties, &raw const EVENTS, data)
    };
    if stream.is_null() { Err(io::Error::last_os_error()) } else { Ok(stream) }
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
    let metas = unsafe { slice(buffer.metas, buffer.n_metas) };
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
    let (metas, datas) = unsafe { (slice(buffer.metas, buffer.n_metas), slice(buffer.datas, buffer.n_datas)) };
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

/// # Safety
/// `start` must point to `len` entries, or `len` must be 0.
unsafe fn slice<'a, T>(start: *const T, len: u32) -> &'a [T] {
    // SAFETY: guaranteed by the contract of this function; an empty slice needs a non-null pointer.
    if len == 0 { &[] } else { unsafe { std::slice::from_raw_parts(start, len as usize) } }
}

/// Capture time in nanoseconds of the monotonic clock.
fn monotonic_ns(frame: &Frame) -> i64 {
    let now = clock_gettime(ClockId::Monotonic);
    let age = i64::try_from(frame.captured_at.elapsed().as_nanos()).unwrap_or(0);
    now.tv_sec * 1_000_000_000 + now.tv_nsec - age
}

/// # Safety
/// Called by the library with the [`Inner`] of a live node, with the loop's lock held.
unsafe extern "C" fn state_changed(data: *mut c_void, _old: c_int, new: c_int, error: *const c_char) {
    // SAFETY: guaranteed by the contract of this function.
    let inner = unsafe { &*data.cast::<Inner>() };
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
            let text = (!error.is_null()).then(|| unsafe { CStr::from_ptr(error) }.to_string_lossy().into_owned());
            inner.shared.lost(io::Error::other(text.unwrap_or_else(|| "the connection was closed".to_owned())));
        }
        _ => {}
    }
}

/// # Safety
/// As [`state_changed`].
unsafe extern "C" fn param_changed(data: *mut c_void, id: u32, param: *const library::Pod) {
    if id != pod::PARAM_FORMAT || param.is_null() {
        return;
    }
    // SAFETY: guaranteed by the contract of this function.
    let inner = unsafe { &*data.cast::<Inner>() };
    let (buffers, header) = (pod::buffers(inner.size), pod::header());
    let mut params = [as_param(&buffers), as_param(&header)];
    // SAFETY: the stream is valid, since it invokes this callback; the parameters are copied.
    let result =
        unsafe { (inner.api.pw_stream_update_params)(inner.stream.get(), params.as_mut_ptr(), params.len() as u32) };
    if let Err(error) = check(result) {
        inner.shared.lost(error);
    }
}

/// # Safety
/// As [`state_changed`]; the buffer is valid until [`remove_buffer`].
unsafe extern "C" fn add_buffer(data: *mut c_void, buffer: *mut StreamBuffer) {
    // SAFETY: guaranteed by the contract of this function.
    let inner = unsafe { &*data.cast::<Inner>() };
    let sent_buffer = NonNull::new(buffer).map(|buffer| SentBuffer { buffer, at: Instant::now() });
    inner.buffers.borrow_mut().extend(sent_buffer);
}

/// # Safety
/// As [`state_changed`].
unsafe extern "C" fn remove_buffer(data: *mut c_void, buffer: *mut StreamBuffer) {
    // SAFETY: guaranteed by the contract of this function.
    let inner = unsafe { &*data.cast::<Inner>() };
    inner.buffers.borrow_mut().retain(|sent_buffer| sent_buffer.buffer.as_ptr() != buffer);
}

fn as_param(pod: &Pod) -> *const library::Pod {
    pod.as_ptr().cast()
}

/// The library returns negative error numbers.
fn check(result: c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::from_raw_os_error(-result)) } else { Ok(()) }
}

/// A C string; ends at a NUL, which no name should contain.
pub(super) fn c_string(text: &str) -> CString {
    let text = text.split('\0').next().unwrap_or_default();
    CString::new(text).unwrap_or_default()
}
