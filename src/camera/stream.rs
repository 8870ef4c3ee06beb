//! A running V4L2 stream with mapped buffers; every wait uses `poll` with a timeout.
//!
//! Replaces the `v4l` crate's stream, which panics on drop after a device error other than ENODEV.

use std::{
    io, ptr, slice,
    time::{Duration, Instant},
};

use rustix::{
    event::PollFlags,
    time::{ClockId, clock_gettime},
};
use v4l::{
    v4l_sys::{
        V4L2_BUF_FLAG_ERROR, V4L2_BUF_FLAG_TIMESTAMP_MASK, V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC, v4l2_buffer,
        v4l2_memory_V4L2_MEMORY_MMAP, v4l2_requestbuffers,
    },
    v4l2::{self, vidioc},
};

use super::v4l2::{CAPTURE, Node};
use crate::{process::poll::wait_for, v4l2::Plain};

/// Number of buffers: the driver always has one to fill while another is decoded.
const BUFFER_COUNT: u32 = 4;

/// Maximum age of a frame. Older ones are stale, or stamped by a different clock. The longest exposures take a
/// second.
pub(super) const MAX_AGE: Duration = Duration::from_millis(1500);

/// A streaming node; stops when dropped.
#[derive(Debug)]
pub(super) struct Stream {
    // Dropped in this order: the mappings must be gone before closing the node frees the driver's buffers.
    maps: Vec<MappedBuffer>,
    node: Node,
    freshness: Freshness,
}

/// A buffer filled by the driver, owned by bgcam until it is queued again.
#[derive(Debug)]
pub(super) struct FilledBuffer {
    index: u32,
    len: usize,
    /// Driver's frame counter, which may wrap; a gap means dropped frames.
    pub sequence: u32,
    /// Whether the driver marked the content as damaged.
    pub damaged: bool,
    pub captured_at: Instant,
    /// Field order as `V4L2_FIELD_*`.
    pub field: u32,
    age: Option<Duration>,
}

/// Decides whether the driver's timestamps are reliable; counts buffers that were too old.
#[derive(Debug, Default)]
struct Freshness {
    /// Whether any timestamp was plausible, so the driver uses the monotonic clock.
    is_known: bool,
    refused: u32,
}

impl Freshness {
    /// Whether a buffer of this age is current. A buffer filled before the process or the machine was suspended is
    /// not. If all buffers are old, the timestamps are wrong.
    fn accepts(&mut self, age: Option<Duration>) -> bool {
        let is_old = age.is_some_and(|age| age >= MAX_AGE);
        self.is_known |= age.is_some_and(|age| age < MAX_AGE);
        if is_old && self.is_known && self.refused < 2 * BUFFER_COUNT {
            self.refused += 1;
            return false;
        }
        if !is_old {
            self.refused = 0;
        }
        true
    }
}

impl Stream {
    /// Maps and queues all buffers and starts streaming. The error names the failed step.
    pub(super) fn start(node: Node) -> Result<Self, (&'static str, io::Error)> {
        let mut request = v4l2_requestbuffers {
            count: BUFFER_COUNT,
            type_: CAPTURE,
            memory: v4l2_memory_V4L2_MEMORY_MMAP,
            ..Plain::zeroed()
        };
        node.ioctl(vidioc::VIDIOC_REQBUFS, &mut request).map_err(|error| ("allocate buffers", error))?;
        let mut stream = Self { maps: Vec::new(), node, freshness: Freshness::default() };
        for index in 0..request.count {
            stream.map(index).map_err(|error| ("map buffers", error))?;
            stream.queue(index).map_err(|error| ("queue buffers", error))?;
        }
        let mut kind = CAPTURE;
        stream.node.ioctl(vidioc::VIDIOC_STREAMON, &mut kind).map_err(|error| ("start the stream", error))?;
        Ok(stream)
    }

    fn map(&mut self, index: u32) -> io::Result<()> {
        let mut buffer = blank(index);
        self.node.ioctl(vidioc::VIDIOC_QUERYBUF, &mut buffer)?;
        // SAFETY: the driver has set the offset field, which belongs to this memory type.
        let offset = unsafe { buffer.m.offset };
        self.maps.push(MappedBuffer::new(&self.node, buffer.length as usize, offset)?);
        Ok(())
    }

    fn queue(&self, index: u32) -> io::Result<()> {
        self.node.ioctl(vidioc::VIDIOC_QBUF, &mut blank(index))
    }

    /// Waits up to `timeout` for a frame and returns the newest one; older unread ones are requeued. `None` on
    /// timeout.
    ///
    /// Buffers older than [`MAX_AGE`] are skipped.
    pub(super) fn next(&mut self, timeout: Duration) -> io::Result<Option<FilledBuffer>> {
        let deadline = Instant::now() + timeout;
        loop {
            if let Some(mut newest) = self.dequeue()? {
                while let Some(newer) = self.dequeue()? {
                    self.requeue(newest)?;
                    newest = newer;
                }
                if self.freshness.accepts(newest.age) {
                    return Ok(Some(newest));
                }
                self.requeue(newest)?;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            self.wait(left)?;
        }
    }

    /// Waits until a buffer can be dequeued or the driver reports an error.
    fn wait(&self, left: Duration) -> io::Result<()> {
        let events = match wait_for(&self.node, PollFlags::IN, left.max(Duration::from_millis(1))) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            events => events?,
        };
        let has_failed = events.intersects(PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL);
        if has_failed && !events.contains(PollFlags::IN) {
            // The next dequeue usually reports the reason. Without one, poll would return immediately forever.
            return match self.dequeue()? {
                Some(filled) => self.requeue(filled),
                None => Err(io::Error::from_raw_os_error(libc::ENODEV)),
            };
        }
        Ok(())
    }

    fn dequeue(&self) -> io::Result<Option<FilledBuffer>> {
        let mut buffer = blank(0);
        match self.node.ioctl(vidioc::VIDIOC_DQBUF, &mut buffer) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
        }
        let age = age(&buffer);
        Ok(Some(FilledBuffer {
            index: buffer.index,
            len: buffer.bytesused as usize,
            sequence: buffer.sequence,
            damaged: buffer.flags & V4L2_BUF_FLAG_ERROR != 0,
            captured_at: captured_at(age),
            field: buffer.field,
            age,
        }))
    }

    /// The content of a buffer; empty if the driver's values are inconsistent.
    pub(super) fn bytes(&self, filled: &FilledBuffer) -> &[u8] {
        self.maps.get(filled.index as usize).and_then(|map| map.bytes().get(..filled.len)).unwrap_or_default()
    }

    /// Returns the buffer to the driver.
    pub(super) fn requeue(&self, filled: FilledBuffer) -> io::Result<()> {
        self.queue(filled.index)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // A disconnected device cannot be stopped, and does not have to be.
        let mut kind = CAPTURE;
        let _ = self.node.ioctl(vidioc::VIDIOC_STREAMOFF, &mut kind);
    }
}

fn blank(index: u32) -> v4l2_buffer {
    v4l2_buffer { index, type_: CAPTURE, memory: v4l2_memory_V4L2_MEMORY_MMAP, ..Plain::zeroed() }
}

/// Time since capture; `None` if the driver uses another clock.
fn age(buffer: &v4l2_buffer) -> Option<Duration> {
    if buffer.flags & V4L2_BUF_FLAG_TIMESTAMP_MASK != V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC {
        return None;
    }
    let clock = clock_gettime(ClockId::Monotonic);
    let stamp = buffer.timestamp;
    let age = (clock.tv_sec - stamp.tv_sec) * 1_000_000 + clock.tv_nsec / 1000 - stamp.tv_usec;
    u64::try_from(age).ok().map(Duration::from_micros)
}

/// Capture time of a frame of this age; the current time if the age is implausible.
fn captured_at(age: Option<Duration>) -> Instant {
    let now = Instant::now();
    age.filter(|age| *age < MAX_AGE).and_then(|age| now.checked_sub(age)).unwrap_or(now)
}

/// A mapped buffer of the driver.
#[derive(Debug)]
struct MappedBuffer {
    start: ptr::NonNull<u8>,
    len: usize,
}

// SAFETY: the mapping belongs to the process rather than a thread, and is referenced only here.
unsafe impl Send for MappedBuffer {}

impl MappedBuffer {
    fn new(node: &Node, len: usize, offset: u32) -> io::Result<Self> {
        // SAFETY: creates a new mapping at an address chosen by the kernel.
        let start = unsafe {
            v4l2::mmap(
                ptr::null_mut(),
                len,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                node.fd(),
                libc::off_t::from(offset),
            )
        }?;
        let start = ptr::NonNull::new(start.cast()).ok_or_else(|| io::Error::other("mapped to address 0"))?;
        Ok(Self { start, len })
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: mapped with this length until drop; the driver does not write to a dequeued buffer.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl Drop for MappedBuffer {
    fn drop(&mut self) {
        // SAFETY: mapped by `new` with this length, and no longer in use.
        let _ = unsafe { v4l2::munmap(self.start.as_ptr().cast(), self.len) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_buffers_are_skipped_with_the_monotonic_clock() {
        let (old, fresh) = (Some(MAX_AGE), Some(Duration::from_millis(20)));
        let mut freshness = Freshness::default();
        assert!(freshness.accepts(old), "the driver may use another clock");
        assert!(freshness.accepts(None));
        assert!(freshness.accepts(fresh));
        let found = [old, old, old, old, fresh, old].map(|age| freshness.accepts(age));
        assert_eq!(found, [false, false, false, false, true, false]);
        let accepted = (0..20).map(|_| freshness.accepts(old)).filter(|accepted| *accepted).count();
        assert!(accepted > 10, "a wrong clock must not stop the camera");
    }

    #[test]
    fn an_implausible_age_is_now() {
        let before = Instant::now();
        assert!(captured_at(None) >= before && captured_at(Some(Duration::from_secs(3600))) >= before);
        assert!(captured_at(Some(Duration::from_millis(500))) < Instant::now() - Duration::from_millis(400));
    }
}
