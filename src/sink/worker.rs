//! A sink on a thread of its own, so that a slow disk or encoder costs frames of its file and not of the virtual camera.

use std::{
    convert::Infallible,
    io,
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
};

use super::{FrameSink, SinkError, check_size};
use crate::{
    frame::{Frame, Pool, Size},
    latest::Latest,
};

/// Frames that may wait; 12 MB at 1280x720.
const QUEUE: usize = 8;

/// Passes frames on to another sink, in another thread; drops those for which there is no room, and counts them.
#[derive(Debug)]
pub struct Worker {
    name: String,
    size: Size,
    pool: Pool<Frame>,
    queue: Option<SyncSender<Arc<Frame>>>,
    failed: Arc<Latest<SinkError>>,
    dropped: u64,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Moves `sink` to a thread.
    ///
    /// # Errors
    /// When the system gives us no thread.
    pub fn start(sink: Box<dyn FrameSink>) -> Result<Self, SinkError> {
        let (name, size) = (sink.name().to_owned(), sink.size());
        let (queue, frames) = sync_channel(QUEUE);
        let failed = Arc::<Latest<_>>::default();
        let report = Arc::clone(&failed);
        let thread = thread::Builder::new()
            .name("recorder".into())
            .spawn(move || run(sink, &frames, &report))
            .map_err(|source: io::Error| SinkError::Open { name: name.clone(), source })?;
        // Beside those in the queue, one is being written and one is being filled.
        let pool = Pool::new(QUEUE + 2, || Frame::new(size));
        Ok(Self { name, size, pool, queue: Some(queue), failed, dropped: 0, thread: Some(thread) })
    }
}

fn run(mut sink: Box<dyn FrameSink>, frames: &Receiver<Arc<Frame>>, failed: &Latest<SinkError>) {
    let written = frames.iter().try_for_each(|frame| sink.write(&frame));
    if let Err(error) = written.and_then(|()| sink.finish()) {
        failed.put(error);
    }
}

impl FrameSink for Worker {
    fn name(&self) -> &str {
        &self.name
    }

    fn size(&self) -> Size {
        self.size
    }

    fn write(&mut self, frame: &Frame) -> Result<(), SinkError> {
        check_size(self, frame)?;
        if let Some(error) = self.failed.try_take() {
            return Err(error);
        }
        let copy = |buffer: &mut Frame| {
            buffer.copy_from(frame);
            Ok::<_, Infallible>(())
        };
        let queued = match (self.pool.fill(copy), &self.queue) {
            (Ok(Some(copy)), Some(queue)) => queue.try_send(copy).is_ok(),
            _ => false,
        };
        self.dropped += u64::from(!queued);
        Ok(())
    }

    fn finish(&mut self) -> Result<(), SinkError> {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported by the panic hook.
            let _ = thread.join();
        }
        self.failed.try_take().map_or(Ok(()), Err)
    }

    fn dropped(&self) -> u64 {
        self.dropped
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Condvar, Mutex};

    use super::*;
    use crate::sink::memory::Memory;

    fn size() -> Size {
        Size::new(16, 16).unwrap()
    }

    #[test]
    fn all_frames_arrive_in_order() {
        let memory = Memory::new(size(), QUEUE);
        let mut worker = Worker::start(Box::new(memory.sink())).unwrap();
        let mut frame = Frame::new(size());
        for seq in 0..QUEUE as u64 {
            frame.seq = seq;
            worker.write(&frame).unwrap();
        }
        worker.finish().unwrap();
        let seqs: Vec<_> = memory.frames().iter().map(|frame| frame.seq).collect();
        assert_eq!(seqs, (0..QUEUE as u64).collect::<Vec<_>>());
        assert_eq!((worker.dropped(), memory.finished()), (0, true));
    }

    #[test]
    fn an_error_comes_back() {
        let memory = Memory::new(size(), 1);
        memory.fail(Some(libc::ENOSPC));
        let mut worker = Worker::start(Box::new(memory.sink())).unwrap();
        worker.write(&Frame::new(size())).unwrap();
        assert!(matches!(worker.finish(), Err(SinkError::Write { .. })));
    }

    /// Writes only while its gate is open.
    struct Gated(Arc<(Mutex<bool>, Condvar)>);

    impl FrameSink for Gated {
        fn name(&self) -> &str {
            "gated"
        }

        fn size(&self) -> Size {
            size()
        }

        fn write(&mut self, _: &Frame) -> Result<(), SinkError> {
            let open = self.0.0.lock().unwrap();
            drop(self.0.1.wait_while(open, |open| !*open).unwrap());
            Ok(())
        }

        fn finish(&mut self) -> Result<(), SinkError> {
            Ok(())
        }
    }

    #[test]
    fn a_stalled_sink_costs_only_its_own_frames() {
        let gate = Arc::new((Mutex::new(false), Condvar::new()));
        let mut worker = Worker::start(Box::new(Gated(Arc::clone(&gate)))).unwrap();
        for _ in 0..QUEUE + 5 {
            worker.write(&Frame::new(size())).unwrap();
        }
        assert!((4..=5).contains(&worker.dropped()), "{}", worker.dropped());
        *gate.0.lock().unwrap() = true;
        gate.1.notify_all();
        worker.finish().unwrap();
    }
}
