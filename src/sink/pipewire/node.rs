//! One connection to PipeWire: the camera's node in the server's graph, which we drive frame by frame.

use std::{
    cell::{Cell, RefCell},
    ffi::{CStr, CString, c_char, c_int, c_void},
    io,
    ptr::{self, NonNull},
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use super::Shared;
use crate::frame::{Frame, Size};
use crate::pipewire::{
    library::{self, Api, Buffer, Busy, Dict, DictItem, Header, StreamBuffer, StreamEvents, ThreadLoop, state},
    pod::{self, Pod},
};

/// A buffer that is still marked as busy so long after it was sent was held by a reader that was killed: nobody else
/// takes that mark away, and when all have it the camera stands still.
const LOST: Duration = Duration::from_secs(3);

/// A camera in PipeWire's graph, until it is dropped or the server goes.
///
/// The library runs a thread (the loop) that speaks to the server and calls us back; it holds the loop's lock then, and we
/// hold it when we call. What both use stands in [`Inner`].
pub(super) struct Node {
    api: &'static Api,
    thread_loop: NonNull<ThreadLoop>,
    /// From `Box::leak`; looked at only under the lock, or when the loop has stopped.
    inner: NonNull<Inner>,
}

/// What the loop's thread and the feeding thread share. The library may call back while we call it, so there are cells in
/// it and no `&mut` to it.
struct Inner {
    api: &'static Api,
    stream: Cell<*mut library::Stream>,
    size: Size,
    shared: Arc<Shared>,
    streaming: Cell<bool>,
    /// The newest frame: what the next reader sees first.
    last: RefCell<Option<Arc<Frame>>>,
    sent: Cell<u64>,
    buffers: RefCell<Vec<Lent>>,
    /// Whether we end it ourselves, which is no failure.
    closing: Cell<bool>,
}

/// One of the stream's buffers, and when it was sent last.
struct Lent {
    buffer: NonNull<StreamBuffer>,
    at: Instant,
}

/// How the camera is shown.
pub(super) struct Traits<'a> {
    /// The name that people see.
    pub(super) description: &'a CStr,
    /// The name that programs use.
    pub(super) node: &'a CStr,
    pub(super) size: Size,
    /// Frames a second, as a fraction.
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
    /// Connects to the server; whether it answers is told to `shared`.
    ///
    /// # Errors
    /// When there is no server.
    pub(super) fn connect(api: &'static Api, traits: &Traits<'_>, shared: &Arc<Shared>) -> io::Result<Self> {
        // SAFETY: a new loop without properties.
        let thread_loop = unsafe { (api.pw_thread_loop_new)(c"bgcam-pw-loop".as_ptr(), ptr::null()) };
        let thread_loop = NonNull::new(thread_loop).ok_or_else(io::Error::last_os_error)?;
        let inner = Inner {
            api,
            stream: Cell::new(ptr::null_mut()),
            size: traits.size,
            shared: Arc::clone(shared),
            streaming: Cell::new(false),
            last: RefCell::new(None),
            sent: Cell::new(0),
            buffers: RefCell::new(Vec::with_capacity(pod::MAX_BUFFERS as usize)),
            closing: Cell::new(false),
        };
        let inner = NonNull::from(Box::leak(Box::new(inner)));
        let node = Self { api, thread_loop, inner }; // from here on `drop` tidies up
        // SAFETY: the loop is alive.
        check(unsafe { (api.pw_thread_loop_start)(thread_loop.as_ptr()) })?;
        node.locked(|inner| {
            // SAFETY: the loop is alive and locked; `inner` lives until the stream is destroyed.
            let stream = unsafe { new_stream(api, thread_loop, traits, node.inner) }?;
            inner.stream.set(stream);
            let format = pod::format(traits.size, traits.rate);
            let mut params = [as_param(&format)];
            // SAFETY: the stream was just made; the parameters are copied.
            check(unsafe {
                let flags = library::MAP_BUFFERS_AND_DRIVE;
                (api.pw_stream_connect)(stream, library::OUTPUT, library::ANY, flags, params.as_mut_ptr(), 1)
            })
        })?;
        Ok(node)
    }

    /// Gives `frame` to whoever reads, and keeps it for who comes next.
    pub(super) fn send(&self, frame: Arc<Frame>) {
        self.locked(|inner| {
            if inner.streaming.get() {
                // SAFETY: the loop is locked and the stream alive, so its buffers stay where they are.
                unsafe { inner.send(&frame) };
            }
            inner.last.replace(Some(frame));
        });
    }

    fn locked<R>(&self, work: impl FnOnce(&Inner) -> R) -> R {
        let (api, thread_loop) = (self.api, self.thread_loop.as_ptr());
        // SAFETY: the loop is alive; we never lock it twice.
        unsafe { (api.pw_thread_loop_lock)(thread_loop) };
        // SAFETY: callbacks look at it only under the lock, which we hold.
        let result = work(unsafe { self.inner.as_ref() });
        // SAFETY: we hold the lock.
        unsafe { (api.pw_thread_loop_unlock)(thread_loop) };
        result
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let (api, thread_loop) = (self.api, self.thread_loop.as_ptr());
        // SAFETY: we don't hold the lock. After it, no thread but this one runs anything of the loop's.
        unsafe { (api.pw_thread_loop_stop)(thread_loop) };
        // SAFETY: nobody else looks at it now.
        let inner = unsafe { self.inner.as_ref() };
        inner.closing.set(true);
        let stream = inner.stream.get();
        if !stream.is_null() {
            // SAFETY: made by `new_stream`, destroyed once, together with its connection.
            unsafe { (api.pw_stream_destroy)(stream) };
        }
        // SAFETY: the stream that used it is gone.
        unsafe { (api.pw_thread_loop_destroy)(thread_loop) };
        // SAFETY: from `Box::leak`, and nothing calls back any more.
        drop(unsafe { Box::from_raw(self.inner.as_ptr()) });
    }
}

/// # Safety
/// The loop must be alive and locked, and `inner` outlive the stream.
unsafe fn new_stream(
    api: &Api,
    thread_loop: NonNull<ThreadLoop>,
    traits: &Traits<'_>,
    inner: NonNull<Inner>,
) -> io::Result<*mut library::Stream> {
    // Browsers list what is a source of video with the role of a camera and a description.
    let items = [
        (c"media.type", c"Video"),
        (c"media.class", c"Video/Source"),
        (c"media.role", c"Camera"),
        (c"node.name", traits.node),
        (c"node.description", traits.description),
        (c"node.nick", traits.description),
        (c"node.virtual", c"true"),
    ]
    .map(|(key, value)| DictItem { key: key.as_ptr(), value: value.as_ptr() });
    let dict = Dict { flags: 0, n_items: items.len() as u32, items: items.as_ptr() };
    // SAFETY: keys and values are copied; the stream takes the properties over; the events are static.
    let stream = unsafe {
        let properties = (api.pw_properties_new_dict)(&raw const dict);
        let main_loop = (api.pw_thread_loop_get_loop)(thread_loop.as_ptr());
        let (name, data) = (traits.description.as_ptr(), inner.as_ptr().cast());
        (api.pw_stream_new_simple)(main_loop, name, properties, &raw const EVENTS, data)
    };
    if stream.is_null() { Err(io::Error::last_os_error()) } else { Ok(stream) }
}

impl Inner {
    /// # Safety
    /// The loop must be locked and the stream alive.
    unsafe fn send(&self, frame: &Frame) {
        let stream = self.stream.get();
        // SAFETY: the contract of this function.
        match unsafe { self.free_buffer() } {
            None => self.shared.count_starved(),
            Some(buffer) => {
                self.sent.update(|sent| sent + 1);
                // SAFETY: a buffer that the library gave us is whole, and ours until it is queued.
                unsafe {
                    fill(&mut *buffer.as_ref().buffer, frame, self.sent.get());
                    (self.api.pw_stream_queue_buffer)(stream, buffer.as_ptr());
                }
            }
        }
        // Also without a new frame: it is what brings back the buffers that were read.
        // SAFETY: the contract of this function. A failure says that nobody reads any more, which `state_changed` tells too.
        unsafe { (self.api.pw_stream_trigger_process)(stream) };
    }

    /// A buffer that nobody reads. The library puts those that are marked as busy behind the others.
    ///
    /// # Safety
    /// As [`Inner::send`].
    unsafe fn free_buffer(&self) -> Option<NonNull<StreamBuffer>> {
        let (mut buffers, now) = (self.buffers.borrow_mut(), Instant::now());
        for _ in 0..buffers.len() {
            // SAFETY: the contract of this function.
            let free = NonNull::new(unsafe { (self.api.pw_stream_dequeue_buffer)(self.stream.get()) });
            if let Some(lent) = buffers.iter_mut().find(|lent| Some(lent.buffer) == free) {
                lent.at = now;
                return free;
            }
            if io::Error::last_os_error().raw_os_error() != Some(libc::EBUSY) {
                return free;
            }
            for lent in buffers.iter_mut().filter(|lent| now.duration_since(lent.at) > LOST) {
                lent.at = now;
                // SAFETY: buffers live until `remove_buffer`.
                unsafe { take_back(&*lent.buffer.as_ref().buffer) };
            }
        }
        None
    }
}

/// Takes away the mark of the readers that hold a buffer.
///
/// # Safety
/// The buffer must be as for [`fill`].
unsafe fn take_back(buffer: &Buffer) {
    // SAFETY: the contract of this function.
    let metas = unsafe { slice(buffer.metas, buffer.n_metas) };
    let busy = metas.iter().find(|meta| meta.kind == library::META_BUSY && meta.size as usize >= size_of::<Busy>());
    if let Some(meta) = busy {
        // SAFETY: that kind of metadata is this struct; other processes change it too, so it is atomic.
        unsafe { &*meta.data.cast::<Busy>() }.count.store(0, Ordering::Relaxed);
    }
}

/// Writes a frame to a buffer; one that has no room for it is marked empty.
///
/// # Safety
/// The buffer's pointers must be as the library gives them: `metas` and `datas` with their numbers of entries, each data with
/// a chunk, and `data` null or `maxsize` bytes that nobody reads before the buffer is queued.
unsafe fn fill(buffer: &mut Buffer, frame: &Frame, seq: u64) {
    // SAFETY: the contract of this function.
    let (metas, datas) = unsafe { (slice(buffer.metas, buffer.n_metas), slice(buffer.datas, buffer.n_datas)) };
    let Some(data) = datas.first() else { return };
    let bytes = frame.data();
    let room = !data.data.is_null() && data.maxsize as usize >= bytes.len();
    if room {
        // SAFETY: there is room for all bytes, and the memory is the buffer's own.
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
        // SAFETY: that kind of metadata is this struct, with room for it, 8-byte aligned.
        unsafe { meta.data.cast::<Header>().write(header) };
    }
}

/// # Safety
/// `start` must point to `len` entries, or `len` be 0.
unsafe fn slice<'a, T>(start: *const T, len: u32) -> &'a [T] {
    // SAFETY: the contract of this function; an empty slice needs a pointer all the same.
    if len == 0 { &[] } else { unsafe { std::slice::from_raw_parts(start, len as usize) } }
}

/// When the frame was captured, in nanoseconds of the monotonic clock.
fn monotonic_ns(frame: &Frame) -> i64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the clock exists on every Linux, and the struct is ours.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    let age = i64::try_from(frame.captured_at.elapsed().as_nanos()).unwrap_or(0);
    now.tv_sec * 1_000_000_000 + now.tv_nsec - age
}

/// # Safety
/// The library calls it with the [`Inner`] of a live node, under the loop's lock.
unsafe extern "C" fn state_changed(data: *mut c_void, _old: c_int, new: c_int, error: *const c_char) {
    // SAFETY: the contract of this function.
    let inner = unsafe { &*data.cast::<Inner>() };
    inner.streaming.set(new == state::STREAMING);
    match new {
        state::STREAMING => {
            inner.shared.readers(Some(true));
            // a reader waits for no frame of the camera's: the feeding thread sends the last one again
            if let Some(last) = &*inner.last.borrow() {
                inner.shared.frames.put(Arc::clone(last));
            }
        }
        state::PAUSED => inner.shared.readers(Some(false)),
        state::ERROR | state::UNCONNECTED if !inner.closing.get() => {
            // SAFETY: null or a text that outlives this call.
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
    // SAFETY: the contract of this function.
    let inner = unsafe { &*data.cast::<Inner>() };
    let (buffers, header) = (pod::buffers(inner.size), pod::header());
    let mut params = [as_param(&buffers), as_param(&header)];
    // SAFETY: the stream is alive, as it is calling us; the parameters are copied.
    let result =
        unsafe { (inner.api.pw_stream_update_params)(inner.stream.get(), params.as_mut_ptr(), params.len() as u32) };
    if let Err(error) = check(result) {
        inner.shared.lost(error);
    }
}

/// # Safety
/// As [`state_changed`]; the buffer lives until [`remove_buffer`].
unsafe extern "C" fn add_buffer(data: *mut c_void, buffer: *mut StreamBuffer) {
    // SAFETY: the contract of this function.
    let inner = unsafe { &*data.cast::<Inner>() };
    let lent = NonNull::new(buffer).map(|buffer| Lent { buffer, at: Instant::now() });
    inner.buffers.borrow_mut().extend(lent);
}

/// # Safety
/// As [`state_changed`].
unsafe extern "C" fn remove_buffer(data: *mut c_void, buffer: *mut StreamBuffer) {
    // SAFETY: the contract of this function.
    let inner = unsafe { &*data.cast::<Inner>() };
    inner.buffers.borrow_mut().retain(|lent| lent.buffer.as_ptr() != buffer);
}

fn as_param(pod: &Pod) -> *const library::Pod {
    pod.as_ptr().cast()
}

/// The library's results are negative error numbers.
fn check(result: c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::from_raw_os_error(-result)) } else { Ok(()) }
}

/// A text for C; a NUL in it, which no name should have, ends it.
pub(super) fn c_string(text: &str) -> CString {
    let text = text.split('\0').next().unwrap_or_default();
    CString::new(text).unwrap_or_default()
}
