//! An in-memory sink for tests: keeps the last frames, and fails on request.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{FrameSink, SinkError, check_size};
use crate::frame::{Frame, Size};

/// The frames written to its [`MemorySink`]s.
#[derive(Debug, Clone)]
pub struct Memory {
    shared: Arc<(Mutex<Ring>, Condvar)>,
    size: Size,
}

#[derive(Debug)]
struct Ring {
    frames: VecDeque<Frame>,
    keep: usize,
    count: u64,
    errno: Option<i32>,
    finished: bool,
}

impl Memory {
    /// Keeps the newest `keep` frames of `size`, at least one.
    pub fn new(size: Size, keep: usize) -> Self {
        let keep = keep.max(1);
        let ring = Ring { frames: VecDeque::with_capacity(keep), keep, count: 0, errno: None, finished: false };
        Self { shared: Arc::new((Mutex::new(ring), Condvar::new())), size }
    }

    /// A sink that writes to this memory.
    pub fn sink(&self) -> MemorySink {
        MemorySink { memory: self.clone() }
    }

    /// The kept frames, oldest first.
    pub fn frames(&self) -> Vec<Frame> {
        self.lock().frames.iter().cloned().collect()
    }

    /// The newest frame.
    pub fn last(&self) -> Option<Frame> {
        self.lock().frames.back().cloned()
    }

    /// Total number of frames written.
    pub fn count(&self) -> u64 {
        self.lock().count
    }

    /// Whether a sink was finished.
    pub fn finished(&self) -> bool {
        self.lock().finished
    }

    /// Makes every write fail with this `errno`; `None` ends that.
    pub fn fail(&self, errno: Option<i32>) {
        self.lock().errno = errno;
    }

    /// Waits until `count` frames have been written; `false` on timeout.
    pub fn wait_for(&self, count: u64, timeout: Duration) -> bool {
        let (_, came) = &*self.shared;
        let result = came.wait_timeout_while(self.lock(), timeout, |ring| ring.count < count);
        !result.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    fn lock(&self) -> MutexGuard<'_, Ring> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes to a [`Memory`]; allocates only for the first frames.
#[derive(Debug)]
pub struct MemorySink {
    memory: Memory,
}

impl FrameSink for MemorySink {
    fn name(&self) -> &str {
        "memory"
    }

    fn size(&self) -> Size {
        self.memory.size
    }

    fn write(&mut self, frame: &Frame) -> Result<(), SinkError> {
        check_size(self, frame)?;
        let mut ring = self.memory.lock();
        if let Some(errno) = ring.errno {
            let source = io::Error::from_raw_os_error(errno);
            return Err(SinkError::Write { name: "memory".to_owned(), source });
        }
        let full = ring.frames.len() == ring.keep;
        match if full { ring.frames.pop_front() } else { None } {
            Some(mut oldest) => {
                oldest.copy_from(frame);
                ring.frames.push_back(oldest);
            }
            None => ring.frames.push_back(frame.clone()),
        }
        ring.count += 1;
        self.memory.shared.1.notify_all();
        Ok(())
    }

    fn finish(&mut self) -> Result<(), SinkError> {
        self.memory.lock().finished = true;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_frames_are_kept_and_all_are_counted() {
        let size = Size::new(16, 16).unwrap();
        let memory = Memory::new(size, 2);
        let mut sink = memory.sink();
        let mut frame = Frame::new(size);
        for seq in 1..=3 {
            frame.seq = seq;
            sink.write(&frame).unwrap();
        }
        assert_eq!(memory.frames().iter().map(|frame| frame.seq).collect::<Vec<_>>(), [2, 3]);
        assert_eq!(memory.count(), 3);
        assert!(memory.wait_for(3, Duration::ZERO) && !memory.wait_for(4, Duration::ZERO));
        memory.fail(Some(libc::EIO));
        assert!(sink.write(&frame).is_err());
    }
}
