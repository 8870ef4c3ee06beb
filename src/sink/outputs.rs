//! Several outputs that fail independently; failed ones are reopened with back-off.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::watch;
use tracing::{info, warn};

use super::{
    FrameSink, OutputMonitor, OverwritePolicy, ReaderReport, SinkError, SinkSpec, Worker,
    monitor::{Entry, OutputState},
    open,
};
use crate::{
    error::{Failure, Recovery, chain},
    frame::{Frame, Size},
    process::backoff::Backoff,
};

/// Delays before a failed output is reopened.
const RETRY: Backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(2));

type Opener = Box<dyn FnMut(&SinkSpec, Size, u32) -> Result<Box<dyn FrameSink>, SinkError> + Send>;

/// The outputs of the render thread. Allocates nothing in normal operation.
pub struct Outputs {
    size: Size,
    fps: u32,
    slots: Vec<Slot>,
    monitor: Arc<OutputMonitor>,
    opener: Opener,
}

struct Slot {
    sink: Option<Box<dyn FrameSink>>,
    /// When to reopen it; `None` for never.
    retry_at: Option<Instant>,
    backoff: Backoff,
}

impl Outputs {
    /// Opens all `specs`; failed ones are retried later, and [`Outputs::monitor`] has the reason.
    pub fn open(specs: &[SinkSpec], size: Size, fps: u32, now: Instant) -> Self {
        Self::open_with(Box::new(open_nonblocking), specs, size, fps, now)
    }

    /// The same with another open function, for tests.
    pub fn open_with(opener: Opener, specs: &[SinkSpec], size: Size, fps: u32, now: Instant) -> Self {
        let slot = |_| Slot { sink: None, retry_at: Some(now), backoff: RETRY };
        let readers = Arc::new(watch::Sender::new(vec![None; specs.len()]));
        let entry = |(index, spec)| Entry::new(spec, ReaderReport::new(&readers, index));
        let entries = specs.iter().enumerate().map(entry).collect();
        let monitor = Arc::new(OutputMonitor { entries, readers, retry: AtomicBool::new(false) });
        let mut outputs = Self { size, fps, slots: specs.iter().map(slot).collect(), monitor, opener };
        (0..specs.len()).for_each(|index| outputs.reopen(index, now));
        outputs
    }

    /// The shared state of the outputs.
    pub fn monitor(&self) -> Arc<OutputMonitor> {
        Arc::clone(&self.monitor)
    }

    /// Writes `frame` to all working outputs, and reopens failed ones that are due.
    pub fn write(&mut self, frame: &Frame, now: Instant) {
        self.write_while(|| true, frame, now);
    }

    /// Writes `frame` like [`Outputs::write`] while `is_current` is true, which is called right before each output's
    /// write; false if it was not, and the remaining outputs did not get the frame.
    pub fn write_while(&mut self, mut is_current: impl FnMut() -> bool, frame: &Frame, now: Instant) -> bool {
        let retry = self.monitor.retry.swap(false, Ordering::Relaxed);
        for index in 0..self.slots.len() {
            if retry {
                self.slots[index].retry_at = self.slots[index].retry_at.map(|_| now);
            }
            if self.slots[index].retry_at.is_some_and(|at| now >= at) {
                self.reopen(index, now);
            }
            if !is_current() {
                return false;
            }
            self.write_one(index, frame, now);
        }
        true
    }

    /// Finishes all outputs.
    ///
    /// # Errors
    /// If an output fails: the first failure; the other outputs are still finished.
    pub fn finish(mut self) -> Result<(), SinkError> {
        let mut result = Ok(());
        for sink in self.slots.iter_mut().filter_map(|slot| slot.sink.as_mut()) {
            let ended = sink.finish();
            if let Err(error) = &ended {
                warn!(output = sink.name(), error = chain(error), "could not finish output");
            }
            result = result.and(ended);
        }
        result
    }

    fn write_one(&mut self, index: usize, frame: &Frame, now: Instant) {
        let (slot, entry) = (&mut self.slots[index], &self.monitor.entries[index]);
        let Some(sink) = &mut slot.sink else { return };
        match sink.write(frame) {
            Ok(()) => {
                entry.written.fetch_add(1, Ordering::Relaxed);
                entry.dropped.store(sink.dropped(), Ordering::Relaxed);
                // Only a delivered frame proves that it works: the output's thread may still fail to write this one.
                let failed = matches!(**entry.state.load(), OutputState::Failed { .. });
                if failed && sink.has_delivered() {
                    slot.backoff.reset();
                    entry.state.store(Arc::new(OutputState::Ok));
                    info!(output = sink.name(), "output works again");
                }
            }
            Err(error) if error.recovery() == Recovery::SkipFrame => {}
            Err(error) => self.failed(index, error, now),
        }
    }

    fn reopen(&mut self, index: usize, now: Instant) {
        let entry = &self.monitor.entries[index];
        let slot = &mut self.slots[index];
        slot.retry_at = None;
        match (self.opener)(&entry.spec, self.size, self.fps) {
            Ok(mut sink) => {
                sink.report_readers(entry.report.clone());
                // Not logged again: an output that opens and then fails would flood the log.
                if matches!(**entry.state.load(), OutputState::Ok) {
                    info!(output = sink.name(), size = %self.size, "output opened");
                }
                entry.name.store(Arc::new(sink.name().to_owned()));
                slot.sink = Some(sink);
            }
            Err(error) => self.failed(index, error, now),
        }
    }

    fn failed(&mut self, index: usize, error: SinkError, now: Instant) {
        let (slot, entry) = (&mut self.slots[index], &self.monitor.entries[index]);
        let permanent = error.recovery() == Recovery::GiveUp;
        let failure = Failure::from(error);
        let (since, retries) = match &**entry.state.load() {
            OutputState::Failed { since, retries, .. } => (*since, retries + 1),
            OutputState::Ok => (now, 0),
        };
        if retries == 0 {
            warn!(output = %entry.spec, error = %failure, hint = failure.hint, "output failed");
        }
        slot.sink = None;
        slot.retry_at = (!permanent).then(|| now + slot.backoff.next_delay());
        entry.state.store(Arc::new(OutputState::Failed { failure, since, retries, permanent }));
    }
}

impl std::fmt::Debug for Outputs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outputs").field("size", &self.size).field("monitor", &self.monitor).finish_non_exhaustive()
    }
}

/// Opens an output whose writes never block on a disk or child process.
fn open_nonblocking(spec: &SinkSpec, size: Size, fps: u32) -> Result<Box<dyn FrameSink>, SinkError> {
    let sink = open(spec, size, (fps, 1), OverwritePolicy::Keep)?;
    Ok(match spec {
        SinkSpec::Y4m(_) | SinkSpec::Mp4(_) => Box::new(Worker::start(sink, fps)?),
        _ => sink,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::memory::Memory;

    fn size() -> Size {
        Size::new(16, 16).unwrap()
    }

    fn specs() -> [SinkSpec; 2] {
        [SinkSpec::Y4m("first".into()), SinkSpec::Png("second".into())]
    }

    /// Two outputs; the first one fails to open the first `failures` times.
    fn two(failures: u32, now: Instant) -> (Outputs, Memory, Memory) {
        let (first, second) = (Memory::new(size(), 1), Memory::new(size(), 1));
        let (one, two) = (first.clone(), second.clone());
        let mut left = failures;
        let opener: Opener = Box::new(move |spec, _, _| {
            if *spec != specs()[0] {
                return Ok(Box::new(two.sink()));
            }
            left = left.saturating_sub(1);
            if left > 0 { Err(SinkError::NoModule) } else { Ok(Box::new(one.sink())) }
        });
        (Outputs::open_with(opener, &specs(), size(), 30, now), first, second)
    }

    #[test]
    fn a_missing_output_is_opened_later() {
        let start = Instant::now();
        let (mut outputs, first, second) = two(4, start);
        let (monitor, frame) = (outputs.monitor(), Frame::new(size()));
        for tick in 0..40 {
            outputs.write(&frame, start + tick * Duration::from_millis(100));
        }
        let status = monitor.status(start + Duration::from_secs(4));
        // Opened at 0, 0.5, 1.5 and 3.5 seconds.
        assert_eq!((first.count(), second.count()), (5, 40));
        assert_eq!((status[0].written, status[0].failure.as_ref()), (5, None));
        assert_eq!((status[1].written, status[1].name.as_str()), (40, "memory"));
    }

    #[test]
    fn a_frame_that_is_no_longer_current_does_not_reach_the_remaining_outputs() {
        let start = Instant::now();
        let (mut outputs, first, second) = two(0, start);
        let mut answers = [true, false, true, true].into_iter();
        assert!(!outputs.write_while(|| answers.next().unwrap(), &Frame::new(size()), start));
        assert_eq!((first.count(), second.count()), (1, 0));
        assert!(outputs.write_while(|| answers.next().unwrap(), &Frame::new(size()), start));
        assert_eq!((first.count(), second.count()), (2, 1));
    }

    #[test]
    fn a_failure_has_a_reason_duration_and_retry_count() {
        let start = Instant::now();
        let (mut outputs, first, second) = two(100, start);
        outputs.write(&Frame::new(size()), start + Duration::from_secs(2));
        let status = outputs.monitor().status(start + Duration::from_secs(3));
        assert_eq!((first.count(), second.count()), (0, 1));
        assert_eq!((status[0].failed_for, status[0].retries), (Some(3.0), 1));
        assert!(status[0].failure.as_ref().unwrap().message.contains("v4l2loopback"));
        assert_eq!(status[1].failure, None);
    }

    #[test]
    fn subscribers_are_notified_of_readers_immediately() {
        let (outputs, ..) = two(0, Instant::now());
        let monitor = outputs.monitor();
        let mut readers = monitor.readers();
        monitor.entries[1].report.send(Some(true));
        assert!(readers.has_changed().unwrap());
        assert_eq!(*readers.borrow_and_update(), [None, Some(true)]);
        monitor.entries[1].report.send(Some(true));
        assert!(!readers.has_changed().unwrap(), "unchanged");
        assert_eq!(monitor.status(Instant::now())[1].read, Some(true));
    }

    /// Accepts every frame but saves none, like an image file on a full disk.
    struct Full {
        frames: u32,
        room: Arc<AtomicBool>,
    }

    impl FrameSink for Full {
        fn name(&self) -> &str {
            "full"
        }

        fn size(&self) -> Size {
            size()
        }

        fn write(&mut self, _: &Frame) -> Result<(), SinkError> {
            self.frames += 1;
            let fails = self.frames > 3 && !self.room.load(Ordering::Relaxed);
            if fails { Err(SinkError::NoModule) } else { Ok(()) }
        }

        fn has_delivered(&self) -> bool {
            self.room.load(Ordering::Relaxed)
        }

        fn finish(&mut self) -> Result<(), SinkError> {
            Ok(())
        }
    }

    #[test]
    fn an_output_works_again_only_after_a_delivered_frame() {
        let (start, room) = (Instant::now(), Arc::<AtomicBool>::default());
        let given = Arc::clone(&room);
        let opener: Opener = Box::new(move |_, _, _| Ok(Box::new(Full { frames: 0, room: Arc::clone(&given) })));
        let mut outputs = Outputs::open_with(opener, &specs()[..1], size(), 30, start);
        let (monitor, frame) = (outputs.monitor(), Frame::new(size()));
        let mut retries = 0;
        for tick in 0..400 {
            let now = start + tick * Duration::from_millis(100);
            outputs.write(&frame, now);
            let status = &monitor.status(now)[0];
            assert!(tick < 3 || status.failure.is_some(), "reported as working at {tick} although it never was");
            // A warning is logged for the first failure of a series, so the series must not end.
            assert!(status.retries >= retries);
            retries = status.retries;
        }
        assert!(retries > 10);
        room.store(true, Ordering::Relaxed);
        outputs.write(&frame, start + Duration::from_secs(100));
        assert_eq!(monitor.status(start)[0].failure, None);
    }

    #[test]
    fn permanent_errors_are_not_retried() {
        let start = Instant::now();
        let (mut outputs, first, second) = two(0, start);
        let frame = Frame::new(size());
        outputs.write(&frame, start);
        first.fail(Some(libc::ENOSPC)); // a Write error: GiveUp
        outputs.write(&frame, start);
        first.fail(None);
        outputs.write(&frame, start + Duration::from_secs(3600));
        assert_eq!((first.count(), second.count()), (1, 3));
        assert!(outputs.monitor().status(start)[0].failure.is_some());
        outputs.finish().unwrap();
        assert!(second.finished());
    }
}
