//! Runs a sink on its own thread, at a constant frame rate.
//!
//! If a disk or encoder is slow, only its own file loses frames.

use std::{
    convert::Infallible,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::{FrameSink, SinkError, check_size};
use crate::frame::{Frame, Pool, Size, mailbox::Latest};

/// Queued frames; 12 MB at 1280x720.
const QUEUE_LEN: usize = 8;

/// How long the sink may take to finish its file: less than systemd's stop timeout. Everything written so far stays
/// playable.
const FINISH_TIMEOUT: Duration = Duration::from_secs(4);

/// Forwards frames to a sink on another thread; frames that do not fit the queue are dropped and counted.
///
/// Frames may arrive at any rate (a camera in low light, a card); they are repeated or skipped to match the sink's
/// rate.
#[derive(Debug)]
pub(super) struct Worker {
    name: String,
    size: Size,
    pool: Pool<Frame>,
    queue: Option<SyncSender<QueuedFrame>>,
    pacer: FramePacer,
    failed: Arc<Latest<SinkError>>,
    dropped: u64,
    /// Whether the sink has written a frame.
    delivered: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    /// Carries no messages; it disconnects when the thread ends.
    ended: Receiver<()>,
}

/// A queued frame, and how often to repeat the previous one before it.
#[derive(Debug)]
struct QueuedFrame {
    repeats: u64,
    frame: Arc<Frame>,
}

/// Selects the frames that keep a recording at its rate.
#[derive(Debug)]
struct FramePacer {
    fps: f64,
    start: Option<Instant>,
    written: u64,
}

impl FramePacer {
    /// Number of frames to write at `now`: repeats of the previous frame, then the new one; 0 to skip it.
    ///
    /// A frame may be early or late by a whole interval, so jitter causes no skips or repeats.
    fn due(&mut self, now: Instant) -> u64 {
        let start = *self.start.get_or_insert(now);
        let late = now.saturating_duration_since(start).as_secs_f64() * self.fps - self.written as f64;
        if late < -1.0 { 0 } else { 1 + if late > 1.0 { late as u64 } else { 0 } }
    }
}

impl Worker {
    /// Moves `sink`, which has the rate `fps`, to a new thread.
    ///
    /// # Errors
    /// If the thread can't be created.
    pub(super) fn start(sink: Box<dyn FrameSink>, fps: u32) -> Result<Self, SinkError> {
        let (name, size) = (sink.name().to_owned(), sink.size());
        let (queue, frames) = sync_channel(QUEUE_LEN);
        let failed = Arc::<Latest<_>>::default();
        let delivered = Arc::<AtomicBool>::default();
        let thread_failed = Arc::clone(&failed);
        let thread_delivered = Arc::clone(&delivered);
        let (running, ended) = sync_channel::<()>(0);
        let thread = thread::Builder::new()
            .name("recorder".into())
            .spawn(move || {
                run(sink, &frames, &thread_failed, &thread_delivered);
                drop(running);
            })
            .map_err(|source: io::Error| SinkError::Open { name: name.clone(), source })?;
        // Besides the queued frames: one being written, the previous one, and one being filled.
        let pool = Pool::new(QUEUE_LEN + 3, || Frame::new(size));
        let pacer = FramePacer { fps: f64::from(fps), start: None, written: 0 };
        Ok(Self {
            name,
            size,
            pool,
            queue: Some(queue),
            pacer,
            failed,
            dropped: 0,
            delivered,
            thread: Some(thread),
            ended,
        })
    }

    fn write_at(&mut self, frame: &Frame, now: Instant) -> Result<(), SinkError> {
        check_size(self, frame)?;
        if let Some(error) = self.failed.try_take() {
            return Err(error);
        }
        let due = self.pacer.due(now);
        if due == 0 {
            return Ok(());
        }
        let copy = |buffer: &mut Frame| {
            buffer.copy_from(frame);
            Ok::<_, Infallible>(())
        };
        let queued = match (self.pool.fill(copy), &self.queue) {
            (Ok(Some(copy)), Some(queue)) => queue.try_send(QueuedFrame { repeats: due - 1, frame: copy }).is_ok(),
            _ => false,
        };
        if queued {
            self.pacer.written += due;
        } else {
            self.dropped += 1; // its time is filled by repeats later
        }
        Ok(())
    }
}

fn run(
    mut sink: Box<dyn FrameSink>,
    frames: &Receiver<QueuedFrame>,
    failed: &Latest<SinkError>,
    delivered: &AtomicBool,
) {
    let mut last: Option<Arc<Frame>> = None;
    let written = frames.iter().try_for_each(|QueuedFrame { repeats, frame }| {
        let before = last.replace(Arc::clone(&frame)).unwrap_or_else(|| Arc::clone(&frame));
        (0..repeats).try_for_each(|_| sink.write(&before))?;
        sink.write(&frame)?;
        delivered.store(true, Ordering::Relaxed);
        Ok(())
    });
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
        self.write_at(frame, Instant::now())
    }

    fn finish(&mut self) -> Result<(), SinkError> {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            if self.ended.recv_timeout(FINISH_TIMEOUT) == Err(RecvTimeoutError::Timeout) {
                let message = format!("not finished within {} seconds", FINISH_TIMEOUT.as_secs());
                let source = io::Error::new(io::ErrorKind::TimedOut, message);
                return Err(SinkError::Write { name: self.name.clone(), source });
            }
            // A panic of the thread has been reported by the panic hook.
            let _ = thread.join();
        }
        self.failed.try_take().map_or(Ok(()), Err)
    }

    fn has_delivered(&self) -> bool {
        self.delivered.load(Ordering::Relaxed)
    }

    fn dropped(&self) -> u64 {
        self.dropped
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{Condvar, Mutex},
        time::Duration,
    };

    use super::*;
    use crate::sink::memory::Memory;

    fn size() -> Size {
        Size::new(16, 16).unwrap()
    }

    #[test]
    fn all_frames_arrive_in_order() {
        let memory = Memory::new(size(), QUEUE_LEN);
        let mut worker = Worker::start(Box::new(memory.sink()), 30).unwrap();
        let (mut frame, start) = (Frame::new(size()), Instant::now());
        for seq in 0..QUEUE_LEN as u64 {
            frame.seq = seq;
            worker.write_at(&frame, start + seq as u32 * Duration::from_secs(1) / 30).unwrap();
        }
        worker.finish().unwrap();
        let seqs: Vec<_> = memory.frames().iter().map(|frame| frame.seq).collect();
        assert_eq!(seqs, (0..QUEUE_LEN as u64).collect::<Vec<_>>());
        assert_eq!((worker.dropped(), memory.finished()), (0, true));
    }

    #[test]
    fn gaps_are_filled_with_the_previous_frame() {
        let memory = Memory::new(size(), 9);
        let mut worker = Worker::start(Box::new(memory.sink()), 10).unwrap();
        let (mut frame, start) = (Frame::new(size()), Instant::now());
        for (seq, millis) in [(1, 0), (2, 100), (3, 500), (4, 510), (5, 520), (6, 530), (7, 620)] {
            frame.seq = seq;
            worker.write_at(&frame, start + Duration::from_millis(millis)).unwrap();
        }
        worker.finish().unwrap();
        let seqs: Vec<_> = memory.frames().iter().map(|frame| frame.seq).collect();
        // 4 is a whole interval early, which is allowed; 5 and 6 are skipped.
        assert_eq!(seqs, [1, 2, 2, 2, 2, 3, 4, 7]);
    }

    #[test]
    fn a_recording_has_the_duration_of_its_input() {
        for camera in [5, 10, 15, 24, 25, 30, 50, 60] {
            let (mut pacer, start) = (FramePacer { fps: 30.0, start: None, written: 0 }, Instant::now());
            for tick in 0..=10 * camera {
                let jitter = Duration::from_millis(u64::from(tick * 7 % 11));
                let due = pacer.due(start + Duration::from_secs(1) * tick / camera + jitter);
                pacer.written += due;
                assert!(camera != 30 || due == 1, "frame {tick} of a constant-rate stream was written {due} times");
            }
            assert!(pacer.written.abs_diff(300) <= 2, "{camera} fps: {} frames", pacer.written);
        }
    }

    #[test]
    fn errors_are_returned() {
        let memory = Memory::new(size(), 1);
        memory.fail(Some(libc::ENOSPC));
        let mut worker = Worker::start(Box::new(memory.sink()), 30).unwrap();
        worker.write(&Frame::new(size())).unwrap();
        assert!(matches!(worker.finish(), Err(SinkError::Write { .. })));
    }

    /// Blocks while its gate is closed.
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
    fn a_stalled_sink_drops_only_its_own_frames() {
        let gate = Arc::new((Mutex::new(false), Condvar::new()));
        let mut worker = Worker::start(Box::new(Gated(Arc::clone(&gate))), 30).unwrap();
        let start = Instant::now();
        for tick in 0..QUEUE_LEN as u32 + 5 {
            worker.write_at(&Frame::new(size()), start + tick * Duration::from_secs(1) / 30).unwrap();
        }
        assert!((4..=5).contains(&worker.dropped()), "{}", worker.dropped());
        *gate.0.lock().unwrap() = true;
        gate.1.notify_all();
        worker.finish().unwrap();
    }
}
