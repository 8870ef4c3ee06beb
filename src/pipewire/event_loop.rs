//! A thread of the library, and the state that its callbacks share with bgcam.

use std::{
    ffi::CStr,
    io,
    ptr::{self, NonNull},
};

use super::{
    ffi::check,
    library::{Api, Loop, ThreadLoop},
    stream::{Connection, Events, Locked, StreamInfo},
};

/// A running loop of the library, the state of its callbacks and at most one stream. The library invokes callbacks with
/// the loop's lock held; bgcam's side takes the lock as well, so the state has only one user at a time.
///
/// The library may invoke callbacks during a call, so the state uses cells and is never borrowed mutably.
pub(crate) struct EventLoop<T> {
    api: &'static Api,
    thread_loop: NonNull<ThreadLoop>,
    /// From `Box::leak`; accessed only with the lock held.
    state: NonNull<Locked<T>>,
}

// SAFETY: the loop may be used by any thread that holds its lock, and so may the stream and the state, which can be
// sent.
unsafe impl<T: Send> Send for EventLoop<T> {}

impl<T: Send> EventLoop<T> {
    /// Starts a loop.
    ///
    /// # Errors
    /// If there is no memory or no thread for it.
    pub(crate) fn start(api: &'static Api, name: &CStr, state: T) -> io::Result<Self> {
        // SAFETY: creates a loop without properties; the name is copied.
        let thread_loop = unsafe { (api.pw_thread_loop_new)(name.as_ptr(), ptr::null()) };
        let thread_loop = NonNull::new(thread_loop).ok_or_else(io::Error::last_os_error)?;
        let state = NonNull::from(Box::leak(Box::new(Locked::new(api, state))));
        let this = Self { api, thread_loop, state }; // from here on `drop` cleans up
        // SAFETY: the loop is valid.
        check(unsafe { (api.pw_thread_loop_start)(thread_loop.as_ptr()) })?;
        Ok(this)
    }
}

impl<T> EventLoop<T> {
    /// The library.
    pub(super) fn api(&self) -> &'static Api {
        self.api
    }

    /// The loop, for calls that create objects on it.
    pub(super) fn raw(&self) -> *mut Loop {
        // SAFETY: the loop is valid.
        unsafe { (self.api.pw_thread_loop_get_loop)(self.thread_loop.as_ptr()) }
    }

    /// Runs `work` with the lock held.
    pub(crate) fn locked<R>(&self, work: impl FnOnce(&Locked<T>) -> R) -> R {
        let (api, thread_loop) = (self.api, self.thread_loop.as_ptr());
        // SAFETY: the loop is valid, and its lock is recursive; callbacks access the state only with the lock held,
        // which this side holds meanwhile.
        unsafe {
            (api.pw_thread_loop_lock)(thread_loop);
            let result = work(self.state.as_ref());
            (api.pw_thread_loop_unlock)(thread_loop);
            result
        }
    }

    /// Ends the thread and destroys the stream: there are no callbacks afterwards, except during calls of this side.
    pub(super) fn stop(&mut self) {
        // SAFETY: this side does not hold the lock, as `locked` borrows this; repeated calls are allowed.
        unsafe { (self.api.pw_thread_loop_stop)(self.thread_loop.as_ptr()) };
        // SAFETY: no buffer is in use, as those that were dequeued borrow the state, and `locked` borrows this.
        self.locked(|locked| unsafe { locked.close() });
    }
}

impl<T: Events> EventLoop<T> {
    /// Opens the stream, with its own connection to the server.
    ///
    /// # Errors
    /// If there is no server.
    pub(crate) fn open_stream(&self, info: &StreamInfo<'_>) -> io::Result<()> {
        // SAFETY: the loop is the one of this state.
        self.locked(|locked| unsafe { locked.open(Connection::New(self.raw()), info) })
    }
}

impl<T> Drop for EventLoop<T> {
    /// The owner must have destroyed all other objects on the loop.
    fn drop(&mut self) {
        self.stop();
        // SAFETY: nothing uses the loop any more, and the state is from `Box::leak`.
        drop(unsafe {
            (self.api.pw_thread_loop_destroy)(self.thread_loop.as_ptr());
            Box::from_raw(self.state.as_ptr())
        });
    }
}
