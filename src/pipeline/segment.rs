//! The mask thread: keeps the model loaded and makes a mask of the newest frame.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use super::{
    Cut, Shared, Shot,
    load::{Counted, Load},
    pace::Backoff,
};
use crate::{
    error::{Failure, Recovery},
    frame::{Mask, Pool},
    latest::Taken,
    mask::{self, MaskError, Segmenter, catalogue::BUILT_IN},
};

/// One mask being filled, one in the mailbox, one in the render thread's hands, one to spare.
const BUFFERS: usize = 4;

/// Frames in a row that the model may fail on before it is loaded anew.
const PATIENCE: u32 = 10;

/// How often to look at the stop switch and the settings while no frame comes.
const LOOK: Duration = Duration::from_millis(500);

/// How often to look at the load.
const SECOND: Duration = Duration::from_secs(1);

/// How often to try again what only other settings or another file can mend.
const HOPELESS: Duration = Duration::from_secs(30);

/// Loads the model again and again until the pipeline stops.
///
/// The built-in model takes the place of another that fails, until the settings change or it fails itself.
pub(super) fn run(shared: &Shared) {
    let mut pool = Pool::new(BUFFERS, || Mask::new(shared.size));
    let mut backoff = Backoff::default();
    while !shared.switch.is_stopped() {
        let ticket = shared.switch.ticket();
        let settings = shared.mask.load_full();
        let Err(error) = run_once(shared, &settings, None, &mut pool, &mut backoff) else { continue };
        let mut failure = Failure::from(&error);
        if settings.model != BUILT_IN {
            if shared.stations().mask_failure.is_none() {
                tracing::warn!(hint = failure.hint, "{failure}; the model {BUILT_IN} takes its place");
            }
            let Err(second) = run_once(shared, &settings, Some(&failure), &mut pool, &mut backoff) else { continue };
            failure = Failure::from(&second);
        }
        if shared.stations().lose_model(&failure) {
            tracing::warn!(hint = failure.hint, "{failure}; the room stays hidden, the person too");
        }
        let wait = backoff.next();
        let wait = if error.recovery() == Recovery::GiveUp { HOPELESS } else { wait };
        shared.switch.wait_since(ticket, Instant::now() + wait);
    }
}

/// Loads the model, or the built-in one when that has failed, and makes masks until it fails, the settings change or the
/// pipeline stops.
fn run_once(
    shared: &Shared,
    settings: &Arc<mask::Settings>,
    failed: Option<&Failure>,
    pool: &mut Pool<Mask>,
    backoff: &mut Backoff,
) -> Result<(), MaskError> {
    let other = failed.map(|_| mask::Settings { model: BUILT_IN.to_owned(), ..(**settings).clone() });
    let model = &other.as_ref().unwrap_or(settings).model;
    let mut segmenter = (shared.open_model)(other.as_ref().unwrap_or(settings), shared.size)?;
    shared.delay.store(segmenter.delay(), Ordering::Relaxed);
    let mut quality = segmenter.info().quality;
    shared.stations().found_model(model, segmenter.info(), failed);
    let (mut last_session, mut failures) = (0, 0);
    shared.stations().eased = 0;
    let mut load = Load::new(mask::LOWEST, counted(shared));
    let mut second = Instant::now() + SECOND;
    while !shared.switch.is_stopped() && Arc::ptr_eq(settings, &shared.mask.load()) {
        let shot = match shared.frames_to_segment.take(Instant::now() + LOOK) {
            Taken::Value(shot) => shot,
            Taken::TimedOut => continue,
            Taken::Closed => break,
        };
        if !shared.masks_wanted() {
            last_session = 0; // what was seen before is of no use when masks are wanted again
            continue;
        }
        segmenter.show_nearest_only(shared.scene.load().look.nearest_only);
        if shot.session != last_session {
            segmenter.reset();
            last_session = shot.session;
        }
        if Instant::now() >= second {
            second = Instant::now() + SECOND;
            if let Some(step) = load.second(counted(shared)) {
                ease(shared, segmenter.as_mut(), step);
            }
        }
        match segment(shared, segmenter.as_mut(), pool, shot) {
            Ok(()) => {
                backoff.reset();
                failures = 0;
                if segmenter.info().quality != quality {
                    quality = segmenter.info().quality;
                    shared.stations().found_model(model, segmenter.info(), failed);
                }
            }
            // without its mask the frame is shown without the person
            Err(error) if error.recovery() == Recovery::SkipFrame && failures < PATIENCE => failures += 1,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// What tells of the load: frames that the model did not come to, or came to too late.
fn counted(shared: &Shared) -> Counted {
    let late = shared.frames_to_segment.dropped() + shared.stats.late_masks.get();
    Counted { frames: shared.stats.captured.get(), late }
}

fn ease(shared: &Shared, segmenter: &mut dyn Segmenter, step: u8) {
    segmenter.ease(step);
    let worse = std::mem::replace(&mut shared.stations().eased, step) < step;
    let why = if worse { "the machine is busy, masks come too late" } else { "there is room again" };
    tracing::info!("{why}: masks are eased by {step} of {} steps", mask::LOWEST);
}

fn segment(shared: &Shared, segmenter: &mut dyn Segmenter, pool: &mut Pool<Mask>, shot: Shot) -> Result<(), MaskError> {
    let start = Instant::now();
    let mut ready = None;
    let filled = pool.fill(|mask| {
        ready = segmenter.segment(&shot.frame, mask)?;
        Ok(())
    })?;
    let Some(mask) = filled else {
        shared.stats.overrun.add_one();
        return Ok(());
    };
    shared.stats.mask_time.record(start.elapsed());
    // the first frame of a session may be held back
    let Some(frame) = ready else { return Ok(()) };
    shared.stats.masks.add_one();
    shared.masks.put(Cut { session: shot.session, frame, mask });
    Ok(())
}
