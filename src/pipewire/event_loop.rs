//! A thread of the library, and the state that its callbacks share with bgcam.

use std::{
    ffi::{CStr, c_int, c_void},
    io,
    ptr::{self, NonNull},
};

use super::library::{Api, Dict, DictItem, Loop, Properties, ThreadLoop};

/// A running loop of the library and the state of its callbacks. The library invokes them with the loop's lock held;
/// bgcam's side takes the lock as well, so the state has only one user at a time.
///
/// The library may invoke callbacks during a call, so the state uses cells and is never borrowed mutably.
pub(crate) struct EventLoop<T> {
    api: &'static Api,
    thread_loop: NonNull<ThreadLoop>,
    /// From `Box::leak`; accessed only with the lock held.
    state: NonNull<T>,
}

// SAFETY: the loop may be used by any thread that holds its lock, and so may the state, which can be sent.
unsafe impl<T: Send> Send for EventLoop<T> {}

impl<T> EventLoop<T> {
    /// Starts a loop.
    ///
    /// # Errors
    /// If there is no memory or no thread for it.
    pub(crate) fn start(api: &'static Api, name: &CStr, state: T) -> io::Result<Self> {
        // SAFETY: creates a loop without properties; the name is copied.
        let thread_loop = unsafe { (api.pw_thread_loop_new)(name.as_ptr(), ptr::null()) };
        let thread_loop = NonNull::new(thread_loop).ok_or_else(io::Error::last_os_error)?;
        let state = NonNull::from(Box::leak(Box::new(state)));
        let this = Self { api, thread_loop, state }; // from here on `drop` cleans up
        // SAFETY: the loop is valid.
        check(unsafe { (api.pw_thread_loop_start)(thread_loop.as_ptr()) })?;
        Ok(this)
    }

    /// The library.
    pub(crate) fn api(&self) -> &'static Api {
        self.api
    }

    /// The loop, for calls that create objects on it.
    pub(crate) fn raw(&self) -> *mut Loop {
        // SAFETY: the loop is valid.
        unsafe { (self.api.pw_thread_loop_get_loop)(self.thread_loop.as_ptr()) }
    }

    /// The state, for callbacks; valid until this is dropped.
    pub(crate) fn data(&self) -> *mut c_void {
        self.state.as_ptr().cast()
    }

    /// Runs `work` with the lock held. Must not be nested.
    pub(crate) fn locked<R>(&self, work: impl FnOnce(&T) -> R) -> R {
        let (api, thread_loop) = (self.api, self.thread_loop.as_ptr());
        // SAFETY: the loop is valid, and never locked twice by this side; callbacks access the state only with the lock
        // held, which this side holds meanwhile.
        unsafe {
            (api.pw_thread_loop_lock)(thread_loop);
            let result = work(self.state.as_ref());
            (api.pw_thread_loop_unlock)(thread_loop);
            result
        }
    }

    /// Ends the thread: there are no callbacks afterwards, except during calls of this side.
    pub(crate) fn stop(&self) {
        // SAFETY: this side does not hold the lock; repeated calls are allowed.
        unsafe { (self.api.pw_thread_loop_stop)(self.thread_loop.as_ptr()) };
    }
}

impl<T> Drop for EventLoop<T> {
    /// The owner must have destroyed all objects on the loop.
    fn drop(&mut self) {
        self.stop();
        // SAFETY: nothing uses the loop any more, and the state is from `Box::leak`.
        drop(unsafe {
            (self.api.pw_thread_loop_destroy)(self.thread_loop.as_ptr());
            Box::from_raw(self.state.as_ptr())
        });
    }
}

/// Defines callbacks of the library; the first argument is the state of type `$state`.
macro_rules! callbacks {
    ($state:ty; $($(#[$doc:meta])* fn $name:ident($this:ident $(, $argument:ident: $kind:ty)*) $body:block)*) => { $(
        $(#[$doc])*
        /// # Safety
        /// Called by the library with a pointer to the state, with the loop's lock held.
        unsafe extern "C" fn $name(data: *mut std::ffi::c_void $(, $argument: $kind)*) {
            // SAFETY: guaranteed by the contract of this function.
            let $this = unsafe { &*data.cast::<$state>() };
            $body
        }
    )* };
}
pub(crate) use callbacks;

/// A set of properties, which the receiver must take ownership of.
pub(crate) fn properties(api: &Api, items: &[(&CStr, &CStr)]) -> *mut Properties {
    let items: Vec<_> =
        items.iter().map(|(key, value)| DictItem { key: key.as_ptr(), value: value.as_ptr() }).collect();
    let dict = Dict { flags: 0, n_items: items.len() as u32, items: items.as_ptr() };
    // SAFETY: keys and values are copied.
    unsafe { (api.pw_properties_new_dict)(&raw const dict) }
}

/// The library returns negative error numbers.
pub(crate) fn check(result: c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::from_raw_os_error(-result)) } else { Ok(()) }
}
