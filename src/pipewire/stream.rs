//! A stream: a node of bgcam in the server's graph, which sends or receives frames.

use std::{
    cell::{Cell, RefCell, UnsafeCell},
    ffi::{CStr, c_char, c_int},
    io,
    ops::Deref,
    ptr::{self, NonNull},
    time::{Duration, Instant},
};

use super::{
    buffer::{Dequeued, Filled, Free, clear_busy},
    ffi::{callbacks, check, text},
    library::{self, Api, Core, Dict, DictItem, Hook, Loop, StreamBuffer, StreamEvents},
    parse,
    pod::{self, Pod},
};

/// A buffer still marked as busy this long after it was sent belonged to a reader that was killed. Nothing else
/// clears the mark, and once all buffers have it the stream stalls.
const STALE_BUFFER_TIMEOUT: Duration = Duration::from_secs(3);

/// Whether a stream receives or sends frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// The session manager connects the stream to its target, once.
    Input,
    /// bgcam triggers the frames.
    Output,
}

/// State with callbacks for events of a stream. The library invokes them with the lock held.
pub(crate) trait Events: Send + Sized {
    const DIRECTION: Direction;

    /// The state has changed, see [`library::state`].
    fn state_changed(this: &Locked<Self>, old: c_int, new: c_int, error: Option<&str>);

    /// A format was negotiated; it should be answered with [`Locked::update_params`].
    fn format_changed(this: &Locked<Self>, format: &[u8]);

    /// A frame has arrived; only for input streams.
    fn frame_arrived(_this: &Locked<Self>) {}
}

/// Properties of a stream.
pub(crate) struct StreamInfo<'a> {
    pub(crate) name: &'a CStr,
    pub(crate) properties: &'a [(&'a CStr, &'a CStr)],
    /// Supported formats, the best first.
    pub(crate) formats: &'a [Pod],
}

/// The connection that a stream uses.
pub(super) enum Connection {
    /// A new one, on this loop.
    New(*mut Loop),
    Existing(*mut Core),
}

/// The state of a loop, and its stream. A reference proves that the lock is held: there are none except in callbacks
/// and in [`EventLoop::locked`](super::event_loop::EventLoop::locked), and other threads can't use them.
pub(crate) struct Locked<T> {
    api: &'static Api,
    /// Null before `open` and after `close`.
    raw: Cell<*mut library::Stream>,
    hook: UnsafeCell<Hook>,
    /// The buffers of an output stream.
    sent: RefCell<Vec<SentBuffer>>,
    closing: Cell<bool>,
    state: T,
}

/// A buffer of the stream, and when it was last sent.
struct SentBuffer {
    /// Valid as long as it is in the list.
    buffer: NonNull<StreamBuffer>,
    at: Instant,
}

impl<T> Deref for Locked<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.state
    }
}

impl<T> Locked<T> {
    pub(super) fn new(api: &'static Api, state: T) -> Self {
        Self {
            api,
            raw: Cell::new(ptr::null_mut()),
            hook: UnsafeCell::default(),
            sent: RefCell::default(),
            closing: Cell::new(false),
            state,
        }
    }

    /// Destroys the stream, if there is one.
    ///
    /// # Safety
    /// No buffer may be in use.
    pub(super) unsafe fn close(&self) {
        self.closing.set(true);
        let stream = self.raw.replace(ptr::null_mut());
        if !stream.is_null() {
            // SAFETY: created by `open`, and destroyed once.
            unsafe { (self.api.pw_stream_destroy)(stream) };
        }
    }

    /// Whether the stream is being destroyed, so its disconnection is intentional.
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.get()
    }

    fn stream(&self) -> io::Result<*mut library::Stream> {
        let stream = self.raw.get();
        if stream.is_null() { Err(io::ErrorKind::NotConnected.into()) } else { Ok(stream) }
    }

    /// The id of the stream's node, once the server has created it.
    pub(crate) fn node_id(&self) -> Option<u32> {
        let stream = self.stream().ok()?;
        // SAFETY: the stream is valid, and the lock held.
        let id = unsafe { (self.api.pw_stream_get_node_id)(stream) };
        (id != library::ANY).then_some(id)
    }

    /// Replaces the parameters of the stream.
    ///
    /// # Errors
    /// If there is no stream, or a parameter is invalid.
    pub(crate) fn update_params(&self, params: &[Pod]) -> io::Result<()> {
        let (stream, mut params) = (self.stream()?, pointers(params));
        // SAFETY: the stream is valid, and the lock held; the parameters are copied.
        check(unsafe { (self.api.pw_stream_update_params)(stream, params.as_mut_ptr(), params.len() as u32) })
    }

    fn dequeue(&self) -> io::Result<Dequeued<'_>> {
        let stream = self.stream()?;
        // SAFETY: the stream is valid, and the lock held. The stream is not closed, nor are its buffers replaced, while
        // `self` is borrowed: that happens on the loop, which needs the lock.
        let buffer = unsafe { Dequeued::from_stream(self.api, stream) };
        buffer.ok_or_else(io::Error::last_os_error)
    }
}

impl<T: Events> Locked<T> {
    const EVENTS: &'static StreamEvents = &StreamEvents {
        version: 0,
        destroy: None,
        state_changed: Some(Self::state_changed),
        control_info: None,
        io_changed: None,
        param_changed: Some(Self::param_changed),
        add_buffer: if Self::IS_OUTPUT { Some(Self::add_buffer) } else { None },
        remove_buffer: if Self::IS_OUTPUT { Some(Self::remove_buffer) } else { None },
        process: if Self::IS_OUTPUT { None } else { Some(Self::process) },
        drained: None,
    };

    const IS_OUTPUT: bool = matches!(T::DIRECTION, Direction::Output);

    /// Creates and connects the stream.
    ///
    /// # Errors
    /// If there is no server, or there is a stream already.
    ///
    /// # Safety
    /// The loop must be valid and this its state, or the core must be connected on the loop of this state, and outlive
    /// the stream.
    pub(super) unsafe fn open(&self, connection: Connection, info: &StreamInfo<'_>) -> io::Result<()> {
        if self.stream().is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let items: Vec<_> =
            info.properties.iter().map(|(key, value)| DictItem { key: key.as_ptr(), value: value.as_ptr() }).collect();
        let dict = Dict { flags: 0, n_items: items.len() as u32, items: items.as_ptr() };
        let (api, name, data) = (self.api, info.name.as_ptr(), ptr::from_ref(self).cast_mut().cast());
        let (direction, flags) = match T::DIRECTION {
            Direction::Input => (library::INPUT, library::CONNECT_ONCE),
            Direction::Output => (library::OUTPUT, library::MAP_BUFFERS_AND_DRIVE),
        };
        let mut formats = pointers(info.formats);
        // SAFETY: loop or core are valid, and the lock is held; name, properties and parameters are copied; the events
        // are static; the owner of this state destroys the stream first.
        let result = unsafe {
            let properties = (api.pw_properties_new_dict)(&raw const dict);
            let stream = match connection {
                Connection::New(main_loop) => {
                    (api.pw_stream_new_simple)(main_loop, name, properties, Self::EVENTS, data)
                }
                Connection::Existing(core) => (api.pw_stream_new)(core, name, properties),
            };
            if stream.is_null() {
                return Err(io::Error::last_os_error());
            }
            self.raw.set(stream);
            if let Connection::Existing(_) = connection {
                (api.pw_stream_add_listener)(stream, self.hook.get(), Self::EVENTS, data);
            }
            let count = formats.len() as u32;
            (api.pw_stream_connect)(stream, direction, library::ANY, flags, formats.as_mut_ptr(), count)
        };
        check(result)
    }

    /// The newest frame of an input stream; older ones are dropped.
    pub(crate) fn newest_buffer(&self) -> Option<Filled<'_>> {
        const { assert!(!Self::IS_OUTPUT) };
        let mut newest = None;
        for _ in 0..=pod::MAX_BUFFERS {
            let Ok(next) = self.dequeue() else { break };
            newest = Some(next); // drops, and thus queues, the older one
        }
        newest.map(Filled)
    }

    /// A buffer of an output stream without readers. The library puts those marked as busy after the others.
    pub(crate) fn free_buffer(&self) -> Option<Free<'_>> {
        const { assert!(Self::IS_OUTPUT) }; // those of an input stream can't be written
        let (mut sent, now) = (self.sent.borrow_mut(), Instant::now());
        for _ in 0..sent.len() {
            match self.dequeue() {
                Ok(free) => {
                    if let Some(sent) = sent.iter_mut().find(|sent| sent.buffer == free.raw()) {
                        sent.at = now;
                    }
                    return Some(Free(free));
                }
                Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {}
                Err(_) => return None,
            }
            for sent in sent.iter_mut().filter(|sent| now.duration_since(sent.at) > STALE_BUFFER_TIMEOUT) {
                sent.at = now;
                // SAFETY: buffers are valid as long as they are in the list.
                unsafe { clear_busy(sent.buffer) };
            }
        }
        None
    }

    /// Sends the queued frame of an output stream, and returns the buffers that were read. A failure means there are no
    /// readers, which [`Events::state_changed`] reports.
    pub(crate) fn trigger(&self) {
        const { assert!(Self::IS_OUTPUT) };
        if let Ok(stream) = self.stream() {
            // SAFETY: the stream is valid, and the lock held.
            unsafe { (self.api.pw_stream_trigger_process)(stream) };
        }
    }

    callbacks! { Self;
        fn state_changed(locked, old: c_int, new: c_int, error: *const c_char) {
            // SAFETY: null, or a string that outlives this call.
            T::state_changed(locked, old, new, unsafe { text(error) });
        }

        fn param_changed(locked, id: u32, param: *const library::Pod) {
            // SAFETY: a parameter of the library, valid during this call.
            let bytes = unsafe { parse::bytes(param) };
            if let (pod::PARAM_FORMAT, Some(format)) = (id, bytes) {
                T::format_changed(locked, format);
            }
        }

        /// The buffer is valid until [`Self::remove_buffer`].
        ///
        fn add_buffer(locked, buffer: *mut StreamBuffer) {
            let buffer = NonNull::new(buffer).map(|buffer| SentBuffer { buffer, at: Instant::now() });
            locked.sent.borrow_mut().extend(buffer);
        }

        fn remove_buffer(locked, buffer: *mut StreamBuffer) {
            locked.sent.borrow_mut().retain(|sent| sent.buffer.as_ptr() != buffer);
        }

        fn process(locked) {
            T::frame_arrived(locked);
        }
    }
}

/// PODs as the library expects them.
fn pointers(params: &[Pod]) -> Vec<*const library::Pod> {
    params.iter().map(|pod| pod.as_ptr().cast()).collect()
}
