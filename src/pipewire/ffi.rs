//! Conversions between the library's types and Rust's: results, strings, arrays and callbacks.

use std::{
    ffi::{CStr, c_char, c_int},
    io, slice,
};

use super::library::{Dict, DictItem};

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
pub(super) use callbacks;

/// The library returns negative error numbers.
pub(super) fn check(result: c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::from_raw_os_error(-result)) } else { Ok(()) }
}

/// The array of `len` entries at `start`.
///
/// # Safety
/// `start` must point to `len` entries that are valid for `'a`, or `len` must be 0.
pub(super) unsafe fn array<'a, T>(start: *const T, len: u32) -> &'a [T] {
    // SAFETY: guaranteed by the contract of this function; an empty slice needs a non-null pointer.
    if len == 0 { &[] } else { unsafe { slice::from_raw_parts(start, len as usize) } }
}

/// The string at `start`; `None` if it is null or not UTF-8.
///
/// # Safety
/// `start` must be null, or a string that is valid for `'a`.
pub(super) unsafe fn text<'a>(start: *const c_char) -> Option<&'a str> {
    // SAFETY: guaranteed by the contract of this function.
    (!start.is_null()).then(|| unsafe { CStr::from_ptr(start) })?.to_str().ok()
}

/// The entries of a dictionary that are UTF-8.
///
/// # Safety
/// `dict` must be null, or a dictionary that is valid for `'a`.
pub(super) unsafe fn dictionary<'a>(dict: *const Dict) -> impl Iterator<Item = (&'a str, &'a str)> {
    let strings = |item: &DictItem| [item.key, item.value];
    // SAFETY: guaranteed by the contract of this function.
    unsafe {
        let items = dict.as_ref().map_or(&[][..], |dict| array(dict.items, dict.n_items));
        items.iter().map(strings).filter_map(|[key, value]| Some((text(key)?, text(value)?)))
    }
}
