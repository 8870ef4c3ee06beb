//! The capture thread: keeps the camera open and publishes its frames.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;

use super::{
    CapturedFrame, OpenCamera,
    clock::{Clock, SuspendDetector},
    health::Health,
    limits::FrameTime,
    scenes::Scenes,
    wake::WakeSignal,
    watch::CameraPower,
};
use crate::{
    camera::{self, CameraError, interval::Interval},
    error::{Failure, Recovery},
    frame::{Frame, Pool, Size, mailbox::Latest},
    process::backoff::Backoff,
    stats::Stats,
};

/// One frame being filled, one in each of three mailboxes, two held by the mask thread (the newest and a delayed one),
/// three held by the render thread (the newest, the previous one and that of its mask), and one spare.
const BUFFERS: usize = 10;

/// The delays between attempts to open the camera.
const RETRY: Backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(3));

/// The delay when only new settings can help; those also wake the thread.
const PERMANENT_RETRY: Duration = Duration::from_secs(30);

/// The capture thread's settings, state and mailboxes.
pub(super) struct Capture {
    pub(super) size: Size,
    pub(super) open_camera: OpenCamera,
    pub(super) clock: Clock,
    pub(super) wake: Arc<WakeSignal>,
    pub(super) scenes: Arc<Scenes>,
    pub(super) settings: Arc<ArcSwap<camera::Settings>>,
    pub(super) power: Arc<CameraPower>,
    pub(super) frames_to_segment: Arc<Latest<CapturedFrame>>,
    pub(super) frames_to_render: Arc<Latest<CapturedFrame>>,
    pub(super) frame_time: Arc<FrameTime>,
    pub(super) health: Arc<Health>,
    pub(super) stats: Arc<Stats>,
}

impl Capture {
    /// Opens the camera, and reopens it after a failure, until the pipeline stops.
    pub(super) fn run(&self) {
        let mut pool = Pool::new(BUFFERS, || Frame::new(self.size));
        let mut backoff = RETRY;
        let mut session = 0;
        while !self.wake.is_stopped() {
            session += 1;
            let epoch = self.wake.epoch();
            if !self.is_wanted() {
                self.health.lock().camera_closed();
                backoff.reset();
                self.wake.wait_since(epoch, Instant::now() + PERMANENT_RETRY);
                continue;
            }
            let settings = self.settings.load_full();
            let Err(error) = self.run_once(&settings, &mut session, &mut pool, &mut backoff) else { continue };
            let is_permanent = error.recovery() == Recovery::GiveUp;
            let holder = error.holder();
            let failure = Failure::from(error);
            if self.health.lock().camera_failed(holder, &failure) {
                tracing::warn!(hint = failure.hint, "{failure}");
            }
            let delay = backoff.next_delay();
            let delay = if is_permanent { PERMANENT_RETRY } else { delay };
            self.wake.wait_since(epoch, Instant::now() + delay);
        }
    }

    /// Opens the camera and publishes its frames until it fails, its settings change or the pipeline stops.
    fn run_once(
        &self,
        settings: &Arc<camera::Settings>,
        session: &mut u64,
        pool: &mut Pool<Frame>,
        backoff: &mut Backoff,
    ) -> Result<(), CameraError> {
        // created before the camera is opened: a suspend may follow immediately, while the driver holds a frame
        let suspends = SuspendDetector::new(&self.clock);
        let mut source = (self.open_camera)(settings)?;
        self.stats.camera_opens.add_one();
        let info = source.info().clone();
        let (width, height) = info.native;
        tracing::info!("camera {} opened: {} {width}x{height} at {:.4} fps", info.name, info.fourcc, info.fps);
        let mut arrivals = Arrivals::new(self, info.fps, suspends);
        let mut opened = Some(info);
        let mut last_good = self.now();
        let is_running = || !self.wake.is_stopped() && self.is_wanted();
        while is_running() && Arc::ptr_eq(settings, &self.settings.load()) {
            let filled = pool.fill(|frame| source.next(frame));
            let arrival = arrivals.record(self);
            if arrival.after_suspend {
                *session += 1; // keeps masks from before the suspend away from new frames
            }
            match filled {
                Ok(Some(frame)) => {
                    last_good = arrival.at;
                    self.stats.captured.add_one();
                    if let Some(info) = opened.take() {
                        // only a frame proves that the camera works: a stalled one can be opened too
                        backoff.reset();
                        self.health.lock().camera_opened(info);
                    }
                    if arrivals.is_fresh(&frame) {
                        self.publish(*session, &arrival, frame);
                    }
                }
                Ok(None) => self.stats.overrun.add_one(),
                // while devices are suspended and resumed, monotonic time passes, although processes are frozen
                Err(CameraError::Stalled { .. }) if arrival.after_suspend => last_good = arrival.at,
                Err(error) if error.recovery() == Recovery::SkipFrame => {
                    self.stats.corrupt.add_one();
                    let waited = arrival.at.saturating_duration_since(last_good);
                    let limit = arrivals.interval.stall(settings.timeout);
                    if let (CameraError::Corrupt(why), true) = (&error, waited > limit) {
                        return Err(CameraError::AllCorrupt { device: settings.device.clone(), why, waited });
                    }
                }
                Err(error) => return Err(error),
            }
        }
        self.health.lock().source = None;
        Ok(())
    }

    fn publish(&self, session: u64, arrival: &Arrival, frame: Arc<Frame>) {
        let captured = CapturedFrame { session, arrived: arrival.at, suspended: arrival.suspended, frame };
        self.frames_to_segment.put(captured.clone());
        self.frames_to_render.put(captured);
    }

    /// Whether the camera should be open: there is a reader, and the user has not paused it.
    fn is_wanted(&self) -> bool {
        self.power.is_on() && !self.scenes.load().paused
    }

    fn now(&self) -> Instant {
        (self.clock.now)()
    }
}

/// Measures when frames of the open camera arrive, and whether the machine was suspended in between.
struct Arrivals {
    interval: Interval,
    suspends: SuspendDetector,
    /// When the end of the last suspend was noticed; a frame captured earlier may be from before the suspend.
    resumed: Option<Instant>,
}

/// The arrival of one frame.
struct Arrival {
    at: Instant,
    suspended: Duration,
    /// The machine was suspended since the previous frame.
    after_suspend: bool,
}

impl Arrivals {
    fn new(capture: &Capture, fps: f64, suspends: SuspendDetector) -> Self {
        let interval = Interval::new(fps);
        capture.frame_time.set(interval.get());
        Self { interval, suspends, resumed: None }
    }

    /// Records the arrival of a frame, whole or damaged.
    fn record(&mut self, capture: &Capture) -> Arrival {
        let after_suspend = self.suspends.poll(&capture.clock);
        let at = capture.now();
        if after_suspend {
            self.resumed = Some(at);
            self.interval.skip();
        }
        self.interval.frame(at);
        capture.frame_time.set(self.interval.get());
        Arrival { at, suspended: self.suspends.total(), after_suspend }
    }

    /// Whether a frame was captured after the last suspend.
    fn is_fresh(&self, frame: &Frame) -> bool {
        self.resumed.is_none_or(|resumed| frame.captured_at > resumed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{compose::Scene, pipeline::fakes};

    const FRAME: Duration = Duration::from_millis(33);

    fn capture() -> Capture {
        fakes::links(Scene::off()).capture(camera::open, fakes::clock())
    }

    #[test]
    fn frames_from_before_a_suspend_are_discarded() {
        let start = Instant::now();
        let hour = Duration::from_secs(3600);
        let capture = capture();
        fakes::set_suspended(&[Duration::ZERO]);
        let mut arrivals = Arrivals::new(&capture, 30.0, SuspendDetector::new(&capture.clock));
        let mut at = |tick: u32, suspended| {
            fakes::set_now(start + FRAME * tick);
            fakes::set_suspended(&[suspended]);
            let arrival = arrivals.record(&capture);
            let mut frame = Frame::new(fakes::size());
            // webcams timestamp the start of the exposure
            frame.captured_at = start + FRAME * tick - FRAME / 2;
            (arrival.after_suspend, arrival.suspended, arrivals.is_fresh(&frame))
        };
        assert_eq!(at(1, Duration::ZERO), (false, Duration::ZERO, true));
        assert_eq!(at(2, hour), (true, hour, false), "the driver may have held it during the suspend");
        assert_eq!(at(3, hour), (false, hour, true));
        assert_eq!(at(4, hour * 2), (true, hour * 2, false));
    }

    #[test]
    fn time_limits_follow_the_measured_rate_and_not_the_advertised_one() {
        let start = Instant::now();
        let capture = capture();
        let mut arrivals = Arrivals::new(&capture, 30.0, SuspendDetector::new(&capture.clock));
        assert_eq!(capture.frame_time.get().as_millis(), 33);
        for tick in 0..4 {
            fakes::set_now(start + Duration::from_secs(1) * tick);
            arrivals.record(&capture);
        }
        assert_eq!(capture.frame_time.get().as_millis(), 1000);
        assert_eq!(arrivals.interval.stall(Duration::from_millis(500)).as_millis(), 4000);
    }
}
