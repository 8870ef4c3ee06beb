//! The capture thread: keeps the camera open and publishes its frames.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Shared, Shot, pace::Backoff};
use crate::{
    camera::{self, CameraError},
    error::{Failure, Recovery},
    frame::{Frame, Pool},
};

/// One frame being filled, one in each of three mailboxes, two in the mask thread's hands (the newest, and one held back),
/// two in the render thread's (the newest, and the one of its mask), and one to spare.
const BUFFERS: usize = 9;

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
        let Err(error) = run_once(shared, &settings, session, &mut pool, &mut backoff) else { continue };
        let failure = Failure::from(&error);
        if shared.stations().lose_camera(&error, &failure) {
            tracing::warn!(hint = failure.hint, "{failure}");
        }
        let wait = backoff.next();
        let wait = if error.recovery() == Recovery::GiveUp { HOPELESS } else { wait };
        shared.switch.wait_since(ticket, Instant::now() + wait);
    }
}

/// Opens the camera and publishes its frames until it fails, its settings change or the pipeline stops.
fn run_once(
    shared: &Shared,
    settings: &Arc<camera::Settings>,
    session: u64,
    pool: &mut Pool<Frame>,
    backoff: &mut Backoff,
) -> Result<(), CameraError> {
    let mut source = (shared.open_camera)(settings)?;
    shared.stats.camera_opens.add_one();
    let info = source.info().clone();
    let (width, height) = info.native;
    tracing::info!("camera {} opened: {} {width}x{height} at {:.4} fps", info.name, info.fourcc, info.fps);
    let mut opened = Some(info);
    let mut last_good = Instant::now();
    let stays = || !shared.switch.is_stopped() && shared.camera_wanted();
    while stays() && Arc::ptr_eq(settings, &shared.camera.load()) {
        match pool.fill(|frame| source.next(frame)) {
            Ok(Some(frame)) => {
                last_good = Instant::now();
                shared.stats.captured.add_one();
                if let Some(info) = opened.take() {
                    // only a frame proves that the camera works: a stalled one opens well too
                    backoff.reset();
                    shared.stations().found_camera(info);
                }
                let shot = Shot { session, arrived: last_good, frame };
                shared.frames_to_segment.put(shot.clone());
                shared.frames_to_render.put(shot);
            }
            Ok(None) => shared.stats.overrun.add_one(),
            Err(error) if error.recovery() == Recovery::SkipFrame => {
                shared.stats.corrupt.add_one();
                let waited = last_good.elapsed();
                if let (CameraError::Corrupt(why), true) = (&error, waited > settings.timeout) {
                    return Err(CameraError::AllCorrupt { device: settings.device.clone(), why, waited });
                }
            }
            Err(error) => return Err(error),
        }
    }
    shared.stations().source = None;
    Ok(())
}
