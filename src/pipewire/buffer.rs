//! Buffers of a stream: frames in memory that is shared with another process.

use std::{
    marker::PhantomData,
    os::fd::BorrowedFd,
    ptr::{self, NonNull},
    sync::atomic::Ordering,
};

use rustix::fs::fstat;

use super::{
    ffi::array,
    library::{self, Api, Busy, Chunk, Data, Header, Meta, Stream, StreamBuffer},
};

/// A buffer that belongs to this side until it is dropped, which queues it again.
pub(super) struct Dequeued<'a> {
    api: &'static Api,
    stream: *mut Stream,
    buffer: NonNull<StreamBuffer>,
    valid: PhantomData<&'a StreamBuffer>,
}

impl Dequeued<'_> {
    /// Dequeues a buffer; `None` if there is none, and the reason is in `errno`.
    ///
    /// # Safety
    /// The stream must be valid, its lock held, and its buffers must not be replaced while the result exists.
    pub(super) unsafe fn from_stream(api: &'static Api, stream: *mut Stream) -> Option<Self> {
        // SAFETY: guaranteed by the contract of this function.
        let buffer = NonNull::new(unsafe { (api.pw_stream_dequeue_buffer)(stream) })?;
        Some(Self { api, stream, buffer, valid: PhantomData })
    }

    pub(super) fn raw(&self) -> NonNull<StreamBuffer> {
        self.buffer
    }

    fn parts(&self) -> (&[Meta], &[Data]) {
        // SAFETY: a dequeued buffer is complete.
        unsafe { parts(self.buffer) }
    }
}

impl Drop for Dequeued<'_> {
    fn drop(&mut self) {
        // SAFETY: dequeued from this stream, which is still valid, with the lock held.
        unsafe { (self.api.pw_stream_queue_buffer)(self.stream, self.buffer.as_ptr()) };
    }
}

/// A buffer with a frame from another process, which may write to it at any time: values are copied before they are
/// checked, and only pixels are read from it afterwards.
pub(crate) struct Filled<'a>(pub(super) Dequeued<'a>);

impl Filled<'_> {
    /// The header, if the sender provides it.
    pub(crate) fn header(&self) -> Option<Header> {
        let header = find::<Header>(self.0.parts().0, library::META_HEADER)?;
        // SAFETY: metadata of this kind are this struct, in mapped memory.
        Some(unsafe { header.read_volatile() })
    }

    /// The blocks of the frame: memory, and which part of it is valid according to the sender; `None` for memory that
    /// is not mapped, or no longer as long as it was.
    pub(crate) fn blocks(&self) -> impl ExactSizeIterator<Item = Option<(&[u8], Chunk)>> {
        self.0.parts().1.iter().map(|data| {
            let is_mapped = !data.data.is_null() && !data.chunk.is_null() && is_readable(data);
            // SAFETY: mapped data have `maxsize` readable bytes and a chunk as long as the buffer is not queued.
            is_mapped.then(|| unsafe { (array(data.data.cast(), data.maxsize), data.chunk.read_volatile()) })
        })
    }
}

/// A buffer of an output stream, which has no reader until it is queued.
pub(crate) struct Free<'a>(pub(super) Dequeued<'a>);

impl Free<'_> {
    /// Writes a frame with rows of `stride` bytes; a buffer that is too small is marked as empty. `pts` is the time of
    /// capture in nanoseconds of the monotonic clock.
    pub(crate) fn write(&mut self, bytes: &[u8], stride: usize, pts: i64, seq: u64) {
        let (metas, datas) = self.0.parts();
        let Some(data) = datas.first().filter(|data| !data.chunk.is_null()) else { return };
        let fits = !data.data.is_null() && data.maxsize as usize >= bytes.len();
        let size = if fits { bytes.len() } else { 0 };
        let chunk = Chunk { offset: 0, size: size as u32, stride: stride as i32, flags: 0 };
        // SAFETY: the memory of an output stream is writable, has no reader and `maxsize` bytes; each data has a chunk.
        unsafe {
            ptr::copy_nonoverlapping(bytes.as_ptr(), data.data.cast(), size);
            data.chunk.write(chunk);
        }
        if let Some(header) = find::<Header>(metas, library::META_HEADER) {
            // SAFETY: metadata of this kind are this struct, 8-byte aligned.
            unsafe { header.write(Header { flags: 0, offset: 0, pts, dts_offset: 0, seq }) };
        }
    }
}

/// Clears the busy mark that readers have set on a buffer.
///
/// # Safety
/// The buffer must be a complete one of an output stream.
pub(super) unsafe fn clear_busy(buffer: NonNull<StreamBuffer>) {
    // SAFETY: guaranteed by the contract of this function. Metadata of this kind are this struct; other processes write
    // to it too, so it is atomic.
    unsafe {
        if let Some(busy) = find::<Busy>(parts(buffer).0, library::META_BUSY) {
            busy.as_ref().count.store(0, Ordering::Relaxed);
        }
    }
}

/// The metadata and the memory of a buffer.
///
/// # Safety
/// The buffer must be a complete one that is valid for `'a`: `metas` and `datas` have the given number of entries.
unsafe fn parts<'a>(buffer: NonNull<StreamBuffer>) -> (&'a [Meta], &'a [Data]) {
    // SAFETY: guaranteed by the contract of this function.
    unsafe {
        let buffer = &*buffer.as_ref().buffer;
        (array(buffer.metas, buffer.n_metas), array(buffer.datas, buffer.n_datas))
    }
}

/// Whether the mapped memory still exists: reading beyond the end of a file that its owner has truncated would end this
/// process.
fn is_readable(data: &Data) -> bool {
    match data.kind {
        library::MEMORY_POINTER => true,
        library::MEMORY_FILE => {
            let Some(fd) = i32::try_from(data.fd).ok().filter(|fd| *fd >= 0) else { return false };
            // SAFETY: the library keeps the file of a buffer open as long as the buffer exists.
            let file = unsafe { BorrowedFd::borrow_raw(fd) };
            let end = u64::from(data.mapoffset) + u64::from(data.maxsize);
            fstat(file).is_ok_and(|file| u64::try_from(file.st_size).is_ok_and(|len| len >= end))
        }
        _ => false,
    }
}

/// The metadata of a kind, if they are large enough for `T`.
fn find<T>(metas: &[Meta], kind: u32) -> Option<NonNull<T>> {
    let meta = metas.iter().find(|meta| meta.kind == kind && meta.size as usize >= size_of::<T>())?;
    NonNull::new(meta.data.cast())
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use rustix::fs::{MemfdFlags, ftruncate, memfd_create};

    use super::*;

    #[test]
    fn memory_that_its_owner_has_truncated_is_not_read() {
        let file = memfd_create("frames", MemfdFlags::CLOEXEC).unwrap();
        ftruncate(&file, 12_288).unwrap();
        let data = |kind, fd, mapoffset| Data {
            kind,
            flags: 0,
            fd,
            mapoffset,
            maxsize: 8192,
            data: ptr::null_mut(),
            chunk: ptr::null_mut(),
        };
        let fd = i64::from(file.as_raw_fd());
        let readable = |mapoffset| is_readable(&data(library::MEMORY_FILE, fd, mapoffset));
        assert!(readable(0) && readable(4096) && !readable(4097));
        ftruncate(&file, 8192).unwrap();
        assert!(readable(0) && !readable(4096));
        assert!(is_readable(&data(library::MEMORY_POINTER, -1, 0)));
        assert!(!is_readable(&data(library::MEMORY_FILE, -1, 0)) && !is_readable(&data(3, fd, 0)));
    }
}
