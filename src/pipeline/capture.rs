//! The capture thread: keeps the camera open and publishes its frames.

use std::{sync::Arc, time::Instant};

use super::{Shared, Shot, pace::Backoff};
use crate::{
    camera::{self, CameraError, FrameSource},
    error::{Failure, Recovery},
    frame::{Frame, Pool},
};

/// One frame being filled, and one in each mailbox, and one in each reader's hands, and one to spare.
const BUFFERS: usize = 6;

/// Opens the camera again and again until the pipeline stops.
pub(super) fn run(shared: Arc<Shared>) {
    let mut pool = Pool::new(BUFFERS, || Frame::new(shared.size));
    let mut backoff = Backoff::default();
    let mut session = 0;
    while !shared.switch.is_stopped() {
        session += 1;
        let settings = shared.camera.load_full();
        let Err(error) = run_once(&shared, &settings, session, &mut pool, &mut backoff) else { continue };
        let failure = Failure::from(&error);
        if backoff.is_first() {
            tracing::warn!(hint = failure.hint, "{failure}");
        }
        {
            let mut stations = shared.stations();
            stations.source = None;
            stations.camera_failure = Some(failure);
        }
        let wait = backoff.next();
        if error.recovery() == Recovery::GiveUp {
            tracing::info!("the camera stays closed until the settings change");
            wait_for_other_settings(&shared, &settings);
        } else {
            shared.switch.wait(Instant::now() + wait);
        }
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
    let mut source = camera::open(settings)?;
    shared.stats.camera_opens.add_one();
    let info = source.info().clone();
    tracing::info!(
        "camera {} opened: {} {}x{} at {:.4} fps",
        info.name,
        info.fourcc,
        info.native.0,
        info.native.1,
        info.fps
    );
    let mut opened = Some(info);
    while !shared.switch.is_stopped() && Arc::ptr_eq(settings, &shared.camera.load()) {
        match next_frame(source.as_mut(), pool) {
            Ok(Some(frame)) => {
                shared.stats.captured.add_one();
                if let Some(info) = opened.take() {
                    // only a frame proves that the camera works: a stalled one opens well too
                    backoff.reset();
                    let mut stations = shared.stations();
                    stations.source = Some(info);
                    stations.camera_failure = None;
                }
                let shot = Shot { session, frame };
                shared.frames_to_segment.put(shot.clone());
                shared.frames_to_render.put(shot);
            }
            Ok(None) => shared.stats.overrun.add_one(),
            Err(error) if error.recovery() == Recovery::SkipFrame => shared.stats.corrupt.add_one(),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn next_frame(source: &mut dyn FrameSource, pool: &mut Pool<Frame>) -> Result<Option<Arc<Frame>>, CameraError> {
    pool.fill(|frame| source.next(frame))
}

fn wait_for_other_settings(shared: &Shared, settings: &Arc<camera::Settings>) {
    while !shared.switch.is_stopped() && Arc::ptr_eq(settings, &shared.camera.load()) {
        shared.switch.wait(Instant::now() + std::time::Duration::from_secs(3600));
    }
}
