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

/// Older frames are no pictures of now, or the driver's clock is not ours. The longest exposures are a second.
const MAX_AGE: Duration = Duration::from_millis(1500);

/// A node that streams; stops when dropped.
#[derive(Debug)]
pub(super) struct Stream {
    // Dropped in this order: the driver frees its buffers when the node is closed, after the maps are gone.
    maps: Vec<Map>,
    node: Node,
    freshness: Freshness,
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
    /// Which lines the buffer holds, as `V4L2_FIELD_*`.
    pub field: u32,
    age: Option<Duration>,
}

/// Whether the driver's time stamps can be believed, and how many buffers were too old by them.
#[derive(Debug, Default)]
struct Freshness {
    /// One was plausible: the driver goes by our clock.
    is_known: bool,
    refused: u32,
}

impl Freshness {
    /// Whether a buffer of this age is a picture of now. One that was filled before the process or the machine was stopped
    /// is not. Where each one is old, the stamps are wrong.
    fn accepts(&mut self, age: Option<Duration>) -> bool {
        let is_old = age.is_some_and(|age| age >= MAX_AGE);
        self.is_known |= age.is_some_and(|age| age < MAX_AGE);
        if is_old && self.is_known && self.refused < 2 * BUFFERS {
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
    /// Maps the buffers, hands all of them to the driver and starts it. The error names the step that failed.
    pub(super) fn start(node: Node) -> Result<Self, (&'static str, io::Error)> {
        let mut request = v4l2_requestbuffers {
            count: BUFFERS,
            type_: CAPTURE,
            memory: v4l2_memory_V4L2_MEMORY_MMAP,
            ..Plain::zeroed()
        };
        node.ioctl(vidioc::VIDIOC_REQBUFS, &mut request).map_err(|error| ("get buffers", error))?;
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
    ///
    /// Buffers that lay about for longer than [`MAX_AGE`] are passed over.
    pub(super) fn next(&mut self, timeout: Duration) -> io::Result<Option<Filled>> {
        let deadline = Instant::now() + timeout;
        loop {
            if let Some(mut newest) = self.dequeue()? {
                while let Some(newer) = self.dequeue()? {
                    self.give_back(newest)?;
                    newest = newer;
                }
                if self.freshness.accepts(newest.age) {
                    return Ok(Some(newest));
                }
                self.give_back(newest)?;
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
        let age = age(&buffer);
        Ok(Some(Filled {
            index: buffer.index,
            len: buffer.bytesused as usize,
            sequence: buffer.sequence,
            damaged: buffer.flags & V4L2_BUF_FLAG_ERROR != 0,
            captured_at: captured_at(age),
            field: buffer.field,
            age,
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

/// How long ago the driver took the frame; `None` where it has another clock than we, or none.
fn age(buffer: &v4l2_buffer) -> Option<Duration> {
    if buffer.flags & V4L2_BUF_FLAG_TIMESTAMP_MASK != V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC {
        return None;
    }
    let mut clock = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes to a timespec of ours.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut clock) };
    let stamp = buffer.timestamp;
    let age = (clock.tv_sec - stamp.tv_sec) * 1_000_000 + clock.tv_nsec / 1000 - stamp.tv_usec;
    u64::try_from(age).ok().map(Duration::from_micros)
}

/// When a frame of this age was taken; now, where the age makes no sense.
fn captured_at(age: Option<Duration>) -> Instant {
    let now = Instant::now();
    age.filter(|age| *age < MAX_AGE).and_then(|age| now.checked_sub(age)).unwrap_or(now)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_buffers_are_passed_over_where_the_clock_is_ours() {
        let (old, fresh) = (Some(MAX_AGE), Some(Duration::from_millis(20)));
        let mut freshness = Freshness::default();
        assert!(freshness.accepts(old), "the driver may count from another moment");
        assert!(freshness.accepts(None));
        assert!(freshness.accepts(fresh));
        let found = [old, old, old, old, fresh, old].map(|age| freshness.accepts(age));
        assert_eq!(found, [false, false, false, false, true, false]);
        let accepted = (0..20).map(|_| freshness.accepts(old)).filter(|accepted| *accepted).count();
        assert!(accepted > 10, "a clock that has gone astray stops no camera");
    }

    #[test]
    fn an_age_that_makes_no_sense_is_now() {
        let before = Instant::now();
        assert!(captured_at(None) >= before && captured_at(Some(Duration::from_secs(3600))) >= before);
        assert!(captured_at(Some(Duration::from_millis(500))) < Instant::now() - Duration::from_millis(400));
    }
}
