//! A recorder: a sink on a thread of its own, so that a slow disk or encoder costs frames of its file and not of the
//! virtual camera, and with an even beat, so that what was recorded plays at the speed of life.

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

/// Frames that may wait; 12 MB at 1280x720.
const QUEUE: usize = 8;

/// How long the other sink may take to complete its file: less than systemd gives us to stop. What is written by then stays
/// playable.
const FINISH_TIMEOUT: Duration = Duration::from_secs(4);

/// Passes frames on to another sink, in another thread; drops those for which there is no room, and counts them.
///
/// Frames may come at any rate (a camera in the dark, a card); the other sink gets them at the rate of its header,
/// repeated or skipped.
#[derive(Debug)]
pub(super) struct Worker {
    name: String,
    size: Size,
    pool: Pool<Frame>,
    queue: Option<SyncSender<Turn>>,
    beat: Beat,
    failed: Arc<Latest<SinkError>>,
    dropped: u64,
    /// Whether the other sink has taken a frame.
    delivered: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    /// Nothing is sent; it disconnects when the thread is through.
    ended: Receiver<()>,
}

/// A frame on its way, and how often the one before it is to be repeated first.
type Turn = (u64, Arc<Frame>);

/// Which frames keep a recording at its rate.
#[derive(Debug)]
struct Beat {
    fps: f64,
    start: Option<Instant>,
    written: u64,
}

impl Beat {
    /// How many frames are to be written at `now`, the newest last; 0 to skip it.
    ///
    /// A frame may come a whole beat early or late, so that those which only tremble are neither skipped nor repeated.
    fn due(&mut self, now: Instant) -> u64 {
        let start = *self.start.get_or_insert(now);
        let late = now.saturating_duration_since(start).as_secs_f64() * self.fps - self.written as f64;
        if late < -1.0 { 0 } else { 1 + if late > 1.0 { late as u64 } else { 0 } }
    }
}

impl Worker {
    /// Moves `sink`, which plays at `fps`, to a thread.
    ///
    /// # Errors
    /// When the system gives us no thread.
    pub(super) fn start(sink: Box<dyn FrameSink>, fps: u32) -> Result<Self, SinkError> {
        let (name, size) = (sink.name().to_owned(), sink.size());
        let (queue, frames) = sync_channel(QUEUE);
        let failed = Arc::<Latest<_>>::default();
        let delivered = Arc::<AtomicBool>::default();
        let (report, told) = (Arc::clone(&failed), Arc::clone(&delivered));
        let (through, ended) = sync_channel::<()>(0);
        let thread = thread::Builder::new()
            .name("recorder".into())
            .spawn(move || {
                run(sink, &frames, &report, &told);
                drop(through);
            })
            .map_err(|source: io::Error| SinkError::Open { name: name.clone(), source })?;
        // Beside those in the queue, one is being written, one was the last and one is being filled.
        let pool = Pool::new(QUEUE + 3, || Frame::new(size));
        let beat = Beat { fps: f64::from(fps), start: None, written: 0 };
        let (queue, thread) = (Some(queue), Some(thread));
        Ok(Self { name, size, pool, queue, beat, failed, dropped: 0, delivered, thread, ended })
    }

    fn write_at(&mut self, frame: &Frame, now: Instant) -> Result<(), SinkError> {
        check_size(self, frame)?;
        if let Some(error) = self.failed.try_take() {
            return Err(error);
        }
        let due = self.beat.due(now);
        if due == 0 {
            return Ok(());
        }
        let copy = |buffer: &mut Frame| {
            buffer.copy_from(frame);
            Ok::<_, Infallible>(())
        };
        let queued = match (self.pool.fill(copy), &self.queue) {
            (Ok(Some(copy)), Some(queue)) => queue.try_send((due - 1, copy)).is_ok(),
            _ => false,
        };
        if queued {
            self.beat.written += due;
        } else {
            self.dropped += 1; // its time is filled up later
        }
        Ok(())
    }
}

fn run(mut sink: Box<dyn FrameSink>, turns: &Receiver<Turn>, failed: &Latest<SinkError>, delivered: &AtomicBool) {
    let mut last: Option<Arc<Frame>> = None;
    let written = turns.iter().try_for_each(|(repeats, frame)| {
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
                let waited = format!("it was not completed within {} seconds", FINISH_TIMEOUT.as_secs());
                let source = io::Error::new(io::ErrorKind::TimedOut, waited);
                return Err(SinkError::Write { name: self.name.clone(), source });
            }
            // A panic there has been reported by the panic hook.
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
        let memory = Memory::new(size(), QUEUE);
        let mut worker = Worker::start(Box::new(memory.sink()), 30).unwrap();
        let (mut frame, start) = (Frame::new(size()), Instant::now());
        for seq in 0..QUEUE as u64 {
            frame.seq = seq;
            worker.write_at(&frame, start + seq as u32 * Duration::from_secs(1) / 30).unwrap();
        }
        worker.finish().unwrap();
        let seqs: Vec<_> = memory.frames().iter().map(|frame| frame.seq).collect();
        assert_eq!(seqs, (0..QUEUE as u64).collect::<Vec<_>>());
        assert_eq!((worker.dropped(), memory.finished()), (0, true));
    }

    #[test]
    fn a_gap_is_filled_with_the_frame_before_it() {
        let memory = Memory::new(size(), 9);
        let mut worker = Worker::start(Box::new(memory.sink()), 10).unwrap();
        let (mut frame, start) = (Frame::new(size()), Instant::now());
        for (seq, millis) in [(1, 0), (2, 100), (3, 500), (4, 510), (5, 520), (6, 530), (7, 620)] {
            frame.seq = seq;
            worker.write_at(&frame, start + Duration::from_millis(millis)).unwrap();
        }
        worker.finish().unwrap();
        let seqs: Vec<_> = memory.frames().iter().map(|frame| frame.seq).collect();
        // 4 comes a beat early, which may be; 5 and 6 have no place.
        assert_eq!(seqs, [1, 2, 2, 2, 2, 3, 4, 7]);
    }

    #[test]
    fn a_recording_lasts_as_long_as_what_it_shows() {
        for camera in [5, 10, 15, 24, 25, 30, 50, 60] {
            let (mut beat, start) = (Beat { fps: 30.0, start: None, written: 0 }, Instant::now());
            for tick in 0..=10 * camera {
                let tremble = Duration::from_millis(u64::from(tick * 7 % 11));
                let due = beat.due(start + Duration::from_secs(1) * tick / camera + tremble);
                beat.written += due;
                assert!(camera != 30 || due == 1, "frame {tick} of an even stream was written {due} times");
            }
            assert!(beat.written.abs_diff(300) <= 2, "{camera} fps: {} frames", beat.written);
        }
    }

    #[test]
    fn an_error_comes_back() {
        let memory = Memory::new(size(), 1);
        memory.fail(Some(libc::ENOSPC));
        let mut worker = Worker::start(Box::new(memory.sink()), 30).unwrap();
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
        let mut worker = Worker::start(Box::new(Gated(Arc::clone(&gate))), 30).unwrap();
        let start = Instant::now();
        for tick in 0..QUEUE as u32 + 5 {
            worker.write_at(&Frame::new(size()), start + tick * Duration::from_secs(1) / 30).unwrap();
        }
        assert!((4..=5).contains(&worker.dropped()), "{}", worker.dropped());
        *gate.0.lock().unwrap() = true;
        gate.1.notify_all();
        worker.finish().unwrap();
    }
}
