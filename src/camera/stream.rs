//! A running V4L2 stream: buffers mapped from the driver, waited for with `poll` so that nothing can hang.
//!
//! Our own because the `v4l` crate's stream panics when it is dropped after a device error other than ENODEV.

use std::{
    io, ptr, slice,
    time::{Duration, Instant},
};

use v4l::{
    v4l_sys::{
        V4L2_BUF_FLAG_ERROR, V4L2_BUF_FLAG_TIMESTAMP_MASK, V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC, v4l2_buffer,
        v4l2_memory_V4L2_MEMORY_MMAP, v4l2_requestbuffers,
    },
    v4l2::{self, vidioc},
};

use super::v4l2::{CAPTURE, Node};
use crate::v4l2::Plain;

/// Enough that the driver always has one to fill while we decode another.
const BUFFERS: u32 = 4;

/// A node that streams; stops when dropped.
#[derive(Debug)]
pub(super) struct Stream {
    // Dropped in this order: the driver frees its buffers when the node is closed, after the maps are gone.
    maps: Vec<Map>,
    node: Node,
}

/// A buffer that the driver has filled and that is ours until it is queued again.
#[derive(Debug)]
pub(super) struct Filled {
    index: u32,
    len: usize,
    /// Counts up from the driver and may wrap; a gap is a frame that it dropped.
    pub sequence: u32,
    /// The driver says that the content is damaged.
    pub damaged: bool,
    pub captured_at: Instant,
}

impl Stream {
    /// Maps the buffers, hands all of them to the driver and starts it. The error names the step that failed.
    pub(super) fn start(node: Node) -> Result<Self, (&'static str, io::Error)> {
        let mut request = v4l2_requestbuffers {
            count: BUFFERS,
            type_: CAPTURE,
            memory: v4l2_memory_V4L2_MEMORY_MMAP,
            ..Plain::zeroed()
        };
        node.ioctl(vidioc::VIDIOC_REQBUFS, &mut request).map_err(|error| ("get buffers", error))?;
        let mut stream = Self { maps: Vec::new(), node };
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
        // SAFETY: the driver has set the offset, which belongs to mapped memory.
        let offset = unsafe { buffer.m.offset };
        self.maps.push(Map::new(&self.node, buffer.length as usize, offset)?);
        Ok(())
    }

    fn queue(&self, index: u32) -> io::Result<()> {
        self.node.ioctl(vidioc::VIDIOC_QBUF, &mut blank(index))
    }

    /// The newest frame, waited for at most `timeout`; older ones that nobody fetched go back to the driver. `None` when
    /// the time is over.
    pub(super) fn next(&self, timeout: Duration) -> io::Result<Option<Filled>> {
        let deadline = Instant::now() + timeout;
        loop {
            if let Some(mut newest) = self.dequeue()? {
                while let Some(newer) = self.dequeue()? {
                    self.give_back(newest)?;
                    newest = newer;
                }
                return Ok(Some(newest));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            self.wait(left)?;
        }
    }

    /// Waits until there is something to dequeue, or the driver is in trouble.
    fn wait(&self, left: Duration) -> io::Result<()> {
        let mut handle = libc::pollfd { fd: self.node.fd(), events: libc::POLLIN, revents: 0 };
        let millis = i32::try_from(left.as_millis()).unwrap_or(i32::MAX).max(1);
        // SAFETY: one pollfd, alive during the call.
        let ready = unsafe { libc::poll(&raw mut handle, 1, millis) };
        if ready < 0 {
            let error = io::Error::last_os_error();
            return if error.kind() == io::ErrorKind::Interrupted { Ok(()) } else { Err(error) };
        }
        let trouble = handle.revents & (libc::POLLERR | libc::POLLHUP | libc::POLLNVAL) != 0;
        if trouble && handle.revents & libc::POLLIN == 0 {
            // The next dequeue usually says why; without a reason poll would return at once for ever.
            return match self.dequeue()? {
                Some(filled) => self.give_back(filled),
                None => Err(io::Error::from_raw_os_error(libc::ENODEV)),
            };
        }
        Ok(())
    }

    fn dequeue(&self) -> io::Result<Option<Filled>> {
        let mut buffer = blank(0);
        match self.node.ioctl(vidioc::VIDIOC_DQBUF, &mut buffer) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
        }
        Ok(Some(Filled {
            index: buffer.index,
            len: buffer.bytesused as usize,
            sequence: buffer.sequence,
            damaged: buffer.flags & V4L2_BUF_FLAG_ERROR != 0,
            captured_at: captured_at(&buffer),
        }))
    }

    /// The bytes of a frame; empty when the driver's numbers make no sense.
    pub(super) fn bytes(&self, filled: &Filled) -> &[u8] {
        self.maps.get(filled.index as usize).and_then(|map| map.bytes().get(..filled.len)).unwrap_or_default()
    }

    /// Gives the buffer back to the driver.
    pub(super) fn give_back(&self, filled: Filled) -> io::Result<()> {
        self.queue(filled.index)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // A device that has gone cannot be stopped, and does not need to be.
        let mut kind = CAPTURE;
        let _ = self.node.ioctl(vidioc::VIDIOC_STREAMOFF, &mut kind);
    }
}

fn blank(index: u32) -> v4l2_buffer {
    v4l2_buffer { index, type_: CAPTURE, memory: v4l2_memory_V4L2_MEMORY_MMAP, ..Plain::zeroed() }
}

/// When the driver took the frame, on the clock of [`Instant`]; now, where it has another clock or none.
fn captured_at(buffer: &v4l2_buffer) -> Instant {
    let now = Instant::now();
    if buffer.flags & V4L2_BUF_FLAG_TIMESTAMP_MASK != V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC {
        return now;
    }
    let mut clock = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes to a timespec of ours.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut clock) };
    let stamp = buffer.timestamp;
    let age = (clock.tv_sec - stamp.tv_sec) * 1_000_000 + clock.tv_nsec / 1000 - stamp.tv_usec;
    let age = u64::try_from(age).ok().filter(|micros| *micros < 1_000_000).map(Duration::from_micros);
    age.and_then(|age| now.checked_sub(age)).unwrap_or(now)
}

/// One buffer of the driver's in our memory.
#[derive(Debug)]
struct Map {
    start: ptr::NonNull<u8>,
    len: usize,
}

// SAFETY: the mapping belongs to the process, not to a thread, and nothing else refers to it.
unsafe impl Send for Map {}

impl Map {
    fn new(node: &Node, len: usize, offset: u32) -> io::Result<Self> {
        // SAFETY: a new mapping at a place that the kernel chooses.
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
        // SAFETY: mapped with this length until drop; the driver leaves a dequeued buffer alone.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        // SAFETY: mapped by `new`, with this length, and not used any more. Cannot fail with such arguments.
        let _ = unsafe { v4l2::munmap(self.start.as_ptr().cast(), self.len) };
    }
}
