//! The capture thread: keeps the camera open and publishes its frames.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Shared, Shot, clock::Suspends, pace::Backoff};
use crate::{
    camera::{self, CameraError, interval::Interval},
    error::{Failure, Recovery},
    frame::{Frame, Pool},
};

/// One frame being filled, one in each of three mailboxes, two in the mask thread's hands (the newest, and one held back),
/// three in the render thread's (the newest, the one before, and the one of its mask), and one to spare.
const BUFFERS: usize = 10;

/// How long to leave a camera alone that only other settings can mend; those wake us before.
const HOPELESS: Duration = Duration::from_secs(30);

/// Opens the camera again and again until the pipeline stops.
pub(super) fn run(shared: &Shared) {
    let mut pool = Pool::new(BUFFERS, || Frame::new(shared.size));
    let mut backoff = Backoff::default();
    let mut session = 0;
    while !shared.switch.is_stopped() {
        session += 1;
        let ticket = shared.switch.ticket();
        if !shared.camera_wanted() {
            shared.stations().rest_camera();
            backoff.reset();
            shared.switch.wait_since(ticket, Instant::now() + HOPELESS);
            continue;
        }
        let settings = shared.camera.load_full();
        let Err(error) = run_once(shared, &settings, &mut session, &mut pool, &mut backoff) else { continue };
        let permanent = error.recovery() == Recovery::GiveUp;
        let holder = error.holder();
        let failure = Failure::from(error);
        if shared.stations().lose_camera(holder, &failure) {
            tracing::warn!(hint = failure.hint, "{failure}");
        }
        let wait = backoff.next();
        let wait = if permanent { HOPELESS } else { wait };
        shared.switch.wait_since(ticket, Instant::now() + wait);
    }
}

/// Opens the camera and publishes its frames until it fails, its settings change or the pipeline stops.
fn run_once(
    shared: &Shared,
    settings: &Arc<camera::Settings>,
    session: &mut u64,
    pool: &mut Pool<Frame>,
    backoff: &mut Backoff,
) -> Result<(), CameraError> {
    let mut source = (shared.open_camera)(settings)?;
    shared.stats.camera_opens.add_one();
    let info = source.info().clone();
    let (width, height) = info.native;
    tracing::info!("camera {} opened: {} {width}x{height} at {:.4} fps", info.name, info.fourcc, info.fps);
    let mut beat = Beat::new(shared, info.fps);
    let mut opened = Some(info);
    let mut last_good = shared.now();
    let stays = || !shared.switch.is_stopped() && shared.camera_wanted();
    while stays() && Arc::ptr_eq(settings, &shared.camera.load()) {
        let filled = pool.fill(|frame| source.next(frame));
        let came = beat.look(shared);
        if came.after_suspend {
            *session += 1; // no mask of before meets a frame of now
        }
        match filled {
            Ok(Some(frame)) => {
                last_good = came.at;
                shared.stats.captured.add_one();
                if let Some(info) = opened.take() {
                    // only a frame proves that the camera works: a stalled one opens well too
                    backoff.reset();
                    shared.stations().found_camera(info);
                }
                if beat.is_fresh(&frame) {
                    let shot = Shot { session: *session, arrived: came.at, suspended: came.suspended, frame };
                    shared.frames_to_segment.put(shot.clone());
                    shared.frames_to_render.put(shot);
                }
            }
            Ok(None) => shared.stats.overrun.add_one(),
            Err(error) if error.recovery() == Recovery::SkipFrame => {
                shared.stats.corrupt.add_one();
                let waited = came.at.saturating_duration_since(last_good);
                if let (CameraError::Corrupt(why), true) = (&error, waited > beat.interval.stall(settings.timeout)) {
                    return Err(CameraError::AllCorrupt { device: settings.device.clone(), why, waited });
                }
            }
            Err(error) => return Err(error),
        }
    }
    shared.stations().source = None;
    Ok(())
}

/// When the frames of an open camera come, and whether the machine was suspended in between.
struct Beat {
    interval: Interval,
    suspends: Suspends,
    /// When the end of the last suspend was noticed: frames that were taken before are of before it, or may be.
    resumed: Option<Instant>,
}

/// The moment at which a frame came.
struct Came {
    at: Instant,
    suspended: Duration,
    /// The machine was suspended since the frame before.
    after_suspend: bool,
}

impl Beat {
    fn new(shared: &Shared, fps: f64) -> Self {
        let interval = Interval::new(fps);
        shared.set_frame_time(interval.get());
        Self { interval, suspends: Suspends::new(&shared.clock), resumed: None }
    }

    /// Takes in that a frame has come, whole or damaged.
    fn look(&mut self, shared: &Shared) -> Came {
        let after_suspend = self.suspends.look(&shared.clock);
        let at = shared.now();
        if after_suspend {
            self.resumed = Some(at);
            self.interval.skip();
        }
        self.interval.frame(at);
        shared.set_frame_time(self.interval.get());
        Came { at, suspended: self.suspends.seen(), after_suspend }
    }

    /// Whether a frame was taken after the last suspend.
    fn is_fresh(&self, frame: &Frame) -> bool {
        self.resumed.is_none_or(|resumed| frame.captured_at > resumed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{compose::Scene, pipeline::twin};

    const FRAME: Duration = Duration::from_millis(33);

    #[test]
    fn frames_of_before_a_suspend_are_not_passed_on() {
        let (start, hour) = (Instant::now(), Duration::from_secs(3600));
        let shared = twin::shared(Scene::off());
        twin::set_suspended(&[Duration::ZERO]);
        let mut beat = Beat::new(&shared, 30.0);
        let mut at = |tick: u32, suspended| {
            twin::set_now(start + FRAME * tick);
            twin::set_suspended(&[suspended]);
            let came = beat.look(&shared);
            let mut frame = Frame::new(twin::size());
            // webcams stamp the start of the exposure
            frame.captured_at = start + FRAME * tick - FRAME / 2;
            (came.after_suspend, came.suspended, beat.is_fresh(&frame))
        };
        assert_eq!(at(1, Duration::ZERO), (false, Duration::ZERO, true));
        assert_eq!(at(2, hour), (true, hour, false), "it may have been in the driver's hands");
        assert_eq!(at(3, hour), (false, hour, true));
        assert_eq!(at(4, hour * 2), (true, hour * 2, false));
    }

    #[test]
    fn the_time_limits_follow_the_camera_and_not_what_it_says() {
        let start = Instant::now();
        let shared = twin::shared(Scene::off());
        let mut beat = Beat::new(&shared, 30.0);
        assert_eq!(shared.frame_time().as_millis(), 33);
        for tick in 0..4 {
            twin::set_now(start + Duration::from_secs(1) * tick);
            beat.look(&shared);
        }
        assert_eq!(shared.frame_time().as_millis(), 1000);
        assert_eq!(beat.interval.stall(Duration::from_millis(500)).as_millis(), 4000);
    }
}
