//! Bindings to libpipewire-0.3, loaded at run time: bgcam builds without its headers and starts without it.
//!
//! Written by hand because the pipewire crate links the library at build time. Only the functions needed for a
//! camera, as declared in `<pipewire/stream.h>`, `<pipewire/thread-loop.h>` and `<spa/buffer/buffer.h>` of 0.3.65;
//! the ABI is stable for this soname.

use std::{
    ffi::{c_char, c_int, c_void},
    ptr,
    sync::{OnceLock, atomic::AtomicU32},
};

use libloading::Library;

/// PipeWire is not installed, or the file found is another library.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(crate) struct LoadError(#[from] libloading::Error);

/// Soname of the library, which identifies its ABI.
const FILE: &str = "libpipewire-0.3.so.0";

/// A thread of the library. All calls on its streams require its lock.
#[repr(C)]
pub(crate) struct ThreadLoop([u8; 0]);
#[repr(C)]
pub(crate) struct Loop([u8; 0]);
/// A node in the server's graph, as seen by its owner.
#[repr(C)]
pub(crate) struct Stream([u8; 0]);
#[repr(C)]
pub(crate) struct Properties([u8; 0]);
/// Settings and modules of a client.
#[repr(C)]
pub(crate) struct Context([u8; 0]);
/// A connection to the server; begins with an [`Interface`].
#[repr(C)]
pub(crate) struct Core([u8; 0]);
/// The objects of the server's graph; begins with an [`Interface`].
#[repr(C)]
pub(crate) struct Registry([u8; 0]);
/// A typed value, as built by [`super::pod`]; 8-byte aligned.
#[repr(C)]
pub(crate) struct Pod([u8; 0]);

/// `struct spa_dict`.
#[repr(C)]
pub(crate) struct Dict {
    pub(crate) flags: u32,
    pub(crate) n_items: u32,
    pub(crate) items: *const DictItem,
}

/// `struct spa_dict_item`.
#[repr(C)]
pub(crate) struct DictItem {
    pub(crate) key: *const c_char,
    pub(crate) value: *const c_char,
}

/// `struct pw_buffer` with the fields that exist in all versions; created only by the library.
#[repr(C)]
pub(crate) struct StreamBuffer {
    pub(crate) buffer: *mut Buffer,
    user_data: *mut c_void,
    size: u64,
}

/// `struct spa_buffer`.
#[repr(C)]
pub(crate) struct Buffer {
    pub(crate) n_metas: u32,
    pub(crate) n_datas: u32,
    pub(crate) metas: *mut Meta,
    pub(crate) datas: *mut Data,
}

/// `struct spa_meta`.
#[repr(C)]
pub(crate) struct Meta {
    pub(crate) kind: u32,
    pub(crate) size: u32,
    pub(crate) data: *mut c_void,
}

/// `struct spa_meta_header`.
#[repr(C)]
pub(crate) struct Header {
    pub(crate) flags: u32,
    pub(crate) offset: u32,
    /// Nanoseconds of the monotonic clock.
    pub(crate) pts: i64,
    pub(crate) dts_offset: i64,
    pub(crate) seq: u64,
}

/// `struct spa_meta_busy`.
#[repr(C)]
pub(crate) struct Busy {
    flags: u32,
    /// Number of readers using the buffer.
    pub(crate) count: AtomicU32,
}

/// `struct spa_hook`: memory of the library in which it remembers a listener.
#[repr(C)]
#[derive(Default)]
pub(crate) struct Hook([usize; 6]);

/// `struct spa_interface`: the methods of an object.
#[repr(C)]
pub(crate) struct Interface<Methods> {
    kind: *const c_char,
    version: u32,
    pub(crate) methods: *const Methods,
    pub(crate) object: *mut c_void,
}

/// `struct pw_core_methods`, up to the last one needed.
#[repr(C)]
pub(crate) struct CoreMethods {
    version: u32,
    pub(crate) add_listener: unsafe extern "C" fn(*mut c_void, *mut Hook, *const CoreEvents, *mut c_void) -> c_int,
    hello: *const c_void,
    pub(crate) sync: unsafe extern "C" fn(*mut c_void, u32, c_int) -> c_int,
    pong: *const c_void,
    error: *const c_void,
    pub(crate) get_registry: unsafe extern "C" fn(*mut c_void, u32, usize) -> *mut Registry,
}

/// `struct pw_core_events`, version 0; unused callbacks are null.
#[repr(C)]
pub(crate) struct CoreEvents {
    pub(crate) version: u32,
    pub(crate) info: Option<unsafe extern "C" fn(*mut c_void, *const c_void)>,
    pub(crate) done: Option<unsafe extern "C" fn(*mut c_void, u32, c_int)>,
    pub(crate) ping: Option<unsafe extern "C" fn(*mut c_void, u32, c_int)>,
    pub(crate) error: Option<unsafe extern "C" fn(*mut c_void, u32, c_int, c_int, *const c_char)>,
    pub(crate) remove_id: Option<unsafe extern "C" fn(*mut c_void, u32)>,
    pub(crate) bound_id: Option<unsafe extern "C" fn(*mut c_void, u32, u32)>,
    pub(crate) add_mem: Option<unsafe extern "C" fn(*mut c_void, u32, u32, c_int, u32)>,
    pub(crate) remove_mem: Option<unsafe extern "C" fn(*mut c_void, u32)>,
}

/// `struct pw_registry_methods`, up to the last one needed.
#[repr(C)]
pub(crate) struct RegistryMethods {
    version: u32,
    pub(crate) add_listener: unsafe extern "C" fn(*mut c_void, *mut Hook, *const RegistryEvents, *mut c_void) -> c_int,
}

/// `struct pw_registry_events`, version 0.
#[repr(C)]
pub(crate) struct RegistryEvents {
    pub(crate) version: u32,
    pub(crate) global: Option<unsafe extern "C" fn(*mut c_void, u32, u32, *const c_char, u32, *const Dict)>,
    pub(crate) global_remove: Option<unsafe extern "C" fn(*mut c_void, u32)>,
}

/// `PW_VERSION_REGISTRY`.
pub(crate) const REGISTRY_VERSION: u32 = 3;

/// `SPA_META_Header`.
pub(crate) const META_HEADER: u32 = 1;

/// `SPA_META_HEADER_FLAG_CORRUPTED`.
pub(crate) const HEADER_CORRUPTED: u32 = 1 << 1;

/// `SPA_META_HEADER_FLAG_GAP`: the buffer has no data.
pub(crate) const HEADER_GAP: u32 = 1 << 4;

/// `SPA_META_Busy`.
pub(crate) const META_BUSY: u32 = 7;

/// `struct spa_data`.
#[repr(C)]
pub(crate) struct Data {
    pub(crate) kind: u32,
    pub(crate) flags: u32,
    pub(crate) fd: i64,
    pub(crate) mapoffset: u32,
    pub(crate) maxsize: u32,
    /// Address of the mapped memory, or null.
    pub(crate) data: *mut c_void,
    pub(crate) chunk: *mut Chunk,
}

/// `SPA_DATA_MemPtr`: memory of this process.
pub(crate) const MEMORY_POINTER: u32 = 1;

/// `SPA_DATA_MemFd`: shared memory.
pub(crate) const MEMORY_FILE: u32 = 2;

/// The kinds of memory that can be mapped.
pub(crate) const MEMORY_KINDS: [u32; 2] = [MEMORY_POINTER, MEMORY_FILE];

/// `SPA_CHUNK_FLAG_CORRUPTED`.
pub(crate) const CHUNK_CORRUPTED: i32 = 1;

/// `struct spa_chunk`.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(crate) struct Chunk {
    pub(crate) offset: u32,
    pub(crate) size: u32,
    pub(crate) stride: i32,
    pub(crate) flags: i32,
}

/// `enum pw_stream_state`.
pub(crate) mod state {
    pub(crate) const ERROR: i32 = -1;
    pub(crate) const UNCONNECTED: i32 = 0;
    pub(crate) const PAUSED: i32 = 2;
    pub(crate) const STREAMING: i32 = 3;
}

/// `PW_STREAM_FLAG_MAP_BUFFERS` and `PW_STREAM_FLAG_DRIVER`: map the shared memory, and let bgcam trigger the frames.
pub(crate) const MAP_BUFFERS_AND_DRIVE: u32 = 1 << 2 | 1 << 3;

/// `PW_STREAM_FLAG_AUTOCONNECT`, `PW_STREAM_FLAG_MAP_BUFFERS` and `PW_STREAM_FLAG_DONT_RECONNECT`: the session manager
/// connects the stream to its target, once.
pub(crate) const CONNECT_ONCE: u32 = 1 | 1 << 2 | 1 << 7;

/// `SPA_DIRECTION_INPUT`.
pub(crate) const INPUT: u32 = 0;

/// `SPA_DIRECTION_OUTPUT`.
pub(crate) const OUTPUT: u32 = 1;

/// `PW_ID_ANY`.
pub(crate) const ANY: u32 = u32::MAX;

/// `struct pw_stream_events`, version 0; unused callbacks are null.
#[repr(C)]
pub(crate) struct StreamEvents {
    pub(crate) version: u32,
    pub(crate) destroy: Option<unsafe extern "C" fn(*mut c_void)>,
    pub(crate) state_changed: Option<unsafe extern "C" fn(*mut c_void, c_int, c_int, *const c_char)>,
    pub(crate) control_info: Option<unsafe extern "C" fn(*mut c_void, u32, *const c_void)>,
    pub(crate) io_changed: Option<unsafe extern "C" fn(*mut c_void, u32, *mut c_void, u32)>,
    pub(crate) param_changed: Option<unsafe extern "C" fn(*mut c_void, u32, *const Pod)>,
    pub(crate) add_buffer: Option<unsafe extern "C" fn(*mut c_void, *mut StreamBuffer)>,
    pub(crate) remove_buffer: Option<unsafe extern "C" fn(*mut c_void, *mut StreamBuffer)>,
    pub(crate) process: Option<unsafe extern "C" fn(*mut c_void)>,
    pub(crate) drained: Option<unsafe extern "C" fn(*mut c_void)>,
}

macro_rules! api {
    ($($name:ident($($argument:ty),*) $(-> $result:ty)?;)*) => {
        /// The library's functions.
        pub(crate) struct Api { $(pub(crate) $name: unsafe extern "C" fn($($argument),*) $(-> $result)?,)* }

        impl Api {
            /// # Safety
            /// `library` must be libpipewire-0.3, whose functions have these types, and must never be unloaded.
            unsafe fn of(library: &Library) -> Result<Self, libloading::Error> {
                // SAFETY: guaranteed by the contract of this function.
                Ok(unsafe { Self { $($name: *library.get(concat!(stringify!($name), "\0"))?,)* } })
            }
        }
    };
}

api! {
    pw_init(*mut c_int, *mut *mut *mut c_char);
    pw_thread_loop_new(*const c_char, *const Dict) -> *mut ThreadLoop;
    pw_thread_loop_get_loop(*mut ThreadLoop) -> *mut Loop;
    pw_thread_loop_start(*mut ThreadLoop) -> c_int;
    pw_thread_loop_stop(*mut ThreadLoop);
    pw_thread_loop_destroy(*mut ThreadLoop);
    pw_thread_loop_lock(*mut ThreadLoop);
    pw_thread_loop_unlock(*mut ThreadLoop);
    pw_properties_new_dict(*const Dict) -> *mut Properties;
    pw_context_new(*mut Loop, *mut Properties, usize) -> *mut Context;
    pw_context_connect(*mut Context, *mut Properties, usize) -> *mut Core;
    pw_context_connect_fd(*mut Context, c_int, *mut Properties, usize) -> *mut Core;
    pw_context_destroy(*mut Context);
    pw_stream_new(*mut Core, *const c_char, *mut Properties) -> *mut Stream;
    pw_stream_add_listener(*mut Stream, *mut Hook, *const StreamEvents, *mut c_void);
    pw_stream_get_node_id(*mut Stream) -> u32;
    pw_stream_new_simple(*mut Loop, *const c_char, *mut Properties, *const StreamEvents, *mut c_void) -> *mut Stream;
    pw_stream_connect(*mut Stream, u32, u32, u32, *mut *const Pod, u32) -> c_int;
    pw_stream_update_params(*mut Stream, *mut *const Pod, u32) -> c_int;
    pw_stream_dequeue_buffer(*mut Stream) -> *mut StreamBuffer;
    pw_stream_queue_buffer(*mut Stream, *mut StreamBuffer) -> c_int;
    pw_stream_trigger_process(*mut Stream) -> c_int;
    pw_stream_destroy(*mut Stream);
}

/// The library, loaded and initialized by the first successful call.
///
/// # Errors
/// If it is not installed, or the file is another library.
pub(crate) fn get() -> Result<&'static Api, LoadError> {
    static API: OnceLock<Api> = OnceLock::new();
    if let Some(api) = API.get() {
        return Ok(api);
    }
    let loaded = load(FILE)?;
    Ok(API.get_or_init(|| loaded))
}

fn load(file: &str) -> Result<Api, libloading::Error> {
    // SAFETY: the library's initializers only register its own data.
    let library = unsafe { Library::new(file) }?;
    // SAFETY: the soname guarantees this ABI, and the library is leaked below.
    let api = unsafe { Api::of(&library) }?;
    std::mem::forget(library);
    // SAFETY: both arguments may be null; repeated calls are allowed.
    unsafe { (api.pw_init)(ptr::null_mut(), ptr::null_mut()) };
    Ok(api)
}

#[cfg(all(test, target_pointer_width = "64"))]
mod tests {
    use std::mem::{offset_of, size_of};

    use super::*;
    use crate::error::chain;

    #[test]
    fn a_missing_or_wrong_library_is_an_error() {
        for (file, expected) in [("libpipewire-none.so.0", "libpipewire-none.so.0"), ("libc.so.6", "pw_init")] {
            let error = load(file).err().map(|error| chain(&error)).unwrap();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn layouts_match_those_of_a_c_compiler() {
        assert_eq!((size_of::<Buffer>(), size_of::<Meta>(), size_of::<Header>()), (24, 16, 32));
        assert_eq!((size_of::<Data>(), offset_of!(Data, maxsize), offset_of!(Data, chunk)), (40, 20, 32));
        assert_eq!((size_of::<Chunk>(), size_of::<Dict>(), offset_of!(Dict, items)), (16, 16, 8));
        assert_eq!(offset_of!(StreamEvents, param_changed), 40);
        assert_eq!((size_of::<Hook>(), offset_of!(Interface<CoreMethods>, methods)), (48, 16));
        assert_eq!((offset_of!(CoreMethods, sync), offset_of!(CoreMethods, get_registry)), (24, 48));
        assert_eq!((offset_of!(CoreEvents, done), offset_of!(CoreEvents, error)), (16, 32));
    }
}
