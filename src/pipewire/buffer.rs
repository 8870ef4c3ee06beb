//! Buffers of a stream: frames in memory that is shared with another process.

use std::{
    marker::PhantomData,
    ptr::{self, NonNull},
    sync::atomic::Ordering,
};

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
    /// is not mapped.
    pub(crate) fn blocks(&self) -> impl ExactSizeIterator<Item = Option<(&[u8], Chunk)>> {
        self.0.parts().1.iter().map(|data| {
            let is_mapped = library::MEMORY_KINDS.contains(&data.kind) && !data.data.is_null() && !data.chunk.is_null();
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

/// The metadata of a kind, if they are large enough for `T`.
fn find<T>(metas: &[Meta], kind: u32) -> Option<NonNull<T>> {
    let meta = metas.iter().find(|meta| meta.kind == kind && meta.size as usize >= size_of::<T>())?;
    NonNull::new(meta.data.cast())
}
