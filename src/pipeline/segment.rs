//! The mask thread: keeps the model loaded and makes a mask of the newest frame.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    Cut, Shared, Shot,
    pace::Backoff,
    quality::{
        headroom::{Change, Headroom, Seen},
        load::{Counted, Load},
        relay::{News, Relay},
    },
};
use crate::{
    error::{Failure, Recovery},
    frame::{Mask, Pool, mailbox::Taken},
    mask::{self, MaskError, Quality, Report, Segmenter, catalogue::BUILT_IN},
};

/// One mask being filled, one in the mailbox, one in the render thread's hands, one to spare.
const BUFFERS: usize = 4;

/// Frames in a row that the model may fail on before it is loaded anew.
const PATIENCE: u32 = 10;

/// How often to look at the stop switch and the settings while no frame comes.
const LOOK: Duration = Duration::from_millis(500);

/// How far what leaves is eased until the cheaper one is there.
const HURRY: u8 = 2;

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
        let permanent = error.recovery() == Recovery::GiveUp;
        let mut failure = Failure::from(error);
        if settings.model != BUILT_IN {
            if shared.stations().mask_failure.is_none() {
                tracing::warn!(hint = failure.hint, "{failure}; the model {BUILT_IN} takes its place");
            }
            let Err(second) = run_once(shared, &settings, Some(&failure), &mut pool, &mut backoff) else { continue };
            failure = Failure::from(second);
        }
        if shared.stations().lose_model(&failure) {
            tracing::warn!(hint = failure.hint, "{failure}; the room stays hidden, the person too");
        }
        let wait = backoff.next();
        let wait = if permanent { HOPELESS } else { wait };
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
    let mut work = Work::open(shared, other.as_ref().unwrap_or(settings), failed)?;
    let (mut last_session, mut failures) = (0, 0);
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
        if shot.session != last_session {
            work.begin_stream();
            last_session = shot.session;
        }
        work.relay.show_nearest_only(shared.scene.load().look.nearest_only);
        work.look(Instant::now());
        match work.segment(pool, &shot) {
            Ok(()) => {
                backoff.reset();
                failures = 0;
            }
            // without its mask the frame is shown without the person
            Err(error) if error.recovery() == Recovery::SkipFrame && failures < PATIENCE => failures += 1,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The loaded model, and what decides how much it may cost.
struct Work<'a> {
    shared: &'a Shared,
    settings: &'a mask::Settings,
    /// Why it is not the model that the settings name.
    failed: Option<&'a Failure>,
    relay: Relay,
    /// What `status` says that it runs in.
    quality: Quality,
    load: Load,
    /// In quality `auto`.
    headroom: Option<Headroom>,
    /// Why another quality is on its way.
    why: &'static str,
    next_look: Instant,
    /// What `status` shows of the masks.
    report: Report,
}

impl<'a> Work<'a> {
    fn open(shared: &'a Shared, settings: &'a mask::Settings, failed: Option<&'a Failure>) -> Result<Self, MaskError> {
        let is_auto = settings.quality == Quality::Auto;
        let first = if is_auto { Quality::Balanced } else { settings.quality };
        let segmenter = (shared.open_model)(&mask::Settings { quality: first, ..settings.clone() }, shared.size)?;
        let quality = segmenter.info().quality;
        let mut work = Self {
            shared,
            settings,
            failed,
            relay: Relay::new(segmenter),
            quality,
            load: Load::new(mask::LOWEST, counted(shared)),
            headroom: is_auto.then(Headroom::new),
            why: "",
            next_look: Instant::now() + shared.second,
            report: Report::default(),
        };
        work.begin();
        Ok(work)
    }

    /// Another segmenter is at work.
    fn begin(&mut self) {
        self.load = Load::new(mask::LOWEST, counted(self.shared));
        self.shared.stations().eased = 0;
        self.tell();
    }

    /// Another stream begins.
    fn begin_stream(&mut self) {
        self.relay.reset();
        if let Some(headroom) = &mut self.headroom {
            headroom.begin_anew();
        }
    }

    /// Tells `status` what is at work now.
    fn tell(&mut self) {
        let info = self.relay.at_work().info();
        self.quality = info.quality;
        let mut stations = self.shared.stations();
        stations.found_model(&self.settings.model, info, self.failed);
    }

    /// Looks at the load once a second.
    fn look(&mut self, now: Instant) {
        if now < self.next_look {
            return;
        }
        self.next_look = now + self.shared.second;
        let step = self.load.second(counted(self.shared));
        let seen = Seen {
            room: self.shared.room(),
            key_time: self.relay.at_work().key_time(),
            frame_time: self.shared.frame_time(),
            is_calm: self.load.is_calm(),
            is_late: step.is_some_and(|step| step > 0),
        };
        if let Some(change) = self.headroom.as_mut().and_then(|headroom| headroom.second(&seen)) {
            self.change(change);
        } else if let Some(step) = step
            && !self.relay.is_changing()
        {
            self.ease(step);
        }
    }

    /// Takes less of the CPU, or more again.
    fn ease(&mut self, step: u8) {
        self.relay.at_work().ease(step);
        let worse = std::mem::replace(&mut self.shared.stations().eased, step) < step;
        let why = if worse { "the machine is busy, masks come too late" } else { "there is room again" };
        tracing::info!("{why}: masks are eased by {step} of {} steps", mask::LOWEST);
    }

    /// Begins to change to another quality, or stays with the one at work when that is meant.
    fn change(&mut self, Change { to, why }: Change) {
        self.load = Load::new(mask::LOWEST, counted(self.shared));
        self.why = why;
        if self.quality == to {
            return self.relay.cancel();
        }
        if to == Quality::Balanced {
            // relief at once: opening the other one takes its time, and more of the CPU
            self.relay.at_work().ease(HURRY);
        }
        let settings = mask::Settings { quality: to, ..self.settings.clone() };
        if let Err(failure) = self.relay.open(self.shared.open_model, settings, self.shared.size) {
            self.stay(&failure);
        }
    }

    /// Passes on what is worth knowing about the masks when it changes.
    fn show_report(&mut self) {
        let report = self.relay.at_work().report();
        if std::mem::replace(&mut self.report, report) != report {
            self.shared.stations().masks = report;
            if report.models_disagree {
                tracing::debug!("edges come from the fast model: {}", mask::DISAGREE);
            }
        }
    }

    /// What came of it.
    fn hear(&mut self, news: News) {
        match news {
            News::TookOver => {
                self.begin();
                tracing::info!("{}: quality auto is {} now", self.why, self.quality);
            }
            News::Failed(failure) => self.stay(&failure),
        }
    }

    /// There is no other quality.
    fn stay(&mut self, failure: &Failure) {
        tracing::info!(hint = failure.hint, "quality auto stays {}: {failure}", self.quality);
        self.relay.at_work().ease(0);
        if let Some(headroom) = &mut self.headroom {
            headroom.fail();
        }
    }

    /// Makes the mask of a frame, and then shows the frame to a segmenter that is to take over.
    fn segment(&mut self, pool: &mut Pool<Mask>, shot: &Shot) -> Result<(), MaskError> {
        segment(self.shared, self.relay.at_work(), pool, shot)?;
        self.show_report();
        if self.relay.at_work().info().quality != self.quality {
            self.tell();
        }
        if let Some(news) = self.relay.follow(&shot.frame) {
            self.hear(news);
        }
        Ok(())
    }
}

/// What tells of the load: frames that the model did not come to, or came to too late.
fn counted(shared: &Shared) -> Counted {
    let late = shared.frames_to_segment.dropped() + shared.stats.late_masks.get();
    Counted { frames: shared.stats.captured.get(), late }
}

fn segment(
    shared: &Shared,
    segmenter: &mut dyn Segmenter,
    pool: &mut Pool<Mask>,
    shot: &Shot,
) -> Result<(), MaskError> {
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
    shared.masks.put(Cut { session: shot.session, frame, mask, delay: segmenter.delay() as u64 });
    Ok(())
}
