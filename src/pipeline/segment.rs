//! The mask thread: keeps the model loaded and computes a mask for the newest frame.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;

use super::{
    CapturedFrame, MaskedFrame, OpenModel,
    health::Health,
    limits::FrameTime,
    quality::{
        auto::{AutoQuality, Change, Observed},
        load::{FrameCounts, Load},
        machine::LatestHeadroom,
        model_swap::{ModelSwap, Outcome},
    },
    scenes::Scenes,
    wake::WakeSignal,
};
use crate::{
    error::{Failure, Recovery},
    frame::{
        Mask, Pool, Size,
        mailbox::{Latest, Taken},
    },
    mask::{self, MAX_DEGRADE, MaskError, Quality, Report, Segmenter, catalogue::BUILT_IN},
    process::backoff::Backoff,
    stats::Stats,
};

/// One mask being filled, one in the mailbox, one held by the render thread, one spare.
const BUFFERS: usize = 4;

/// The number of consecutive frames the model may fail on before it is reloaded.
const MAX_FAILURES: u32 = 10;

/// How often the thread checks for a stop or new settings while no frame arrives.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// How far the active model is degraded while a cheaper one is being loaded.
const SWAP_DEGRADE: u8 = 2;

/// The delays between attempts to load the model.
const RETRY: Backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(3));

/// The delay when only new settings or another file can help.
const PERMANENT_RETRY: Duration = Duration::from_secs(30);

/// The mask thread's settings, state and mailboxes.
pub(super) struct Segment {
    pub(super) size: Size,
    pub(super) open_model: OpenModel,
    pub(super) load_interval: Duration,
    pub(super) wake: Arc<WakeSignal>,
    pub(super) scenes: Arc<Scenes>,
    pub(super) settings: Arc<ArcSwap<mask::Settings>>,
    pub(super) frames: Arc<Latest<CapturedFrame>>,
    pub(super) masks: Arc<Latest<MaskedFrame>>,
    pub(super) frame_time: Arc<FrameTime>,
    pub(super) cpu: Arc<LatestHeadroom>,
    pub(super) health: Arc<Health>,
    pub(super) stats: Arc<Stats>,
}

impl Segment {
    /// Loads the model, and reloads it after a failure, until the pipeline stops.
    ///
    /// If the configured model fails, the built-in one replaces it until the settings change or it fails as well.
    pub(super) fn run(&self) {
        let mut pool = Pool::new(BUFFERS, || Mask::new(self.size));
        let mut backoff = RETRY;
        while !self.wake.is_stopped() {
            let epoch = self.wake.epoch();
            let settings = self.settings.load_full();
            let Err(error) = self.run_once(&settings, None, &mut pool, &mut backoff) else { continue };
            let is_permanent = error.recovery() == Recovery::GiveUp;
            let mut failure = Failure::from(error);
            if settings.model != BUILT_IN {
                if self.health.lock().mask_failure.is_none() {
                    tracing::warn!(hint = failure.hint, "{failure}; falling back to the model {BUILT_IN}");
                }
                let fallback = self.run_once(&settings, Some(&failure), &mut pool, &mut backoff);
                let Err(second) = fallback else { continue };
                failure = Failure::from(second);
            }
            if self.health.lock().model_failed(&failure) {
                tracing::warn!(hint = failure.hint, "{failure}; only the background is shown");
            }
            let delay = backoff.next_delay();
            let delay = if is_permanent { PERMANENT_RETRY } else { delay };
            self.wake.wait_since(epoch, Instant::now() + delay);
        }
    }

    /// Loads the configured model, or the built-in one after it `failed`, and computes masks until the model fails, it has
    /// to be reloaded or the pipeline stops.
    ///
    /// If the settings change while masks are needed, their model is prepared beside the active one.
    fn run_once(
        &self,
        settings: &Arc<mask::Settings>,
        failed: Option<&Failure>,
        pool: &mut Pool<Mask>,
        backoff: &mut Backoff,
    ) -> Result<(), MaskError> {
        let mut worker = Worker::open(self, settings, failed)?;
        let mut last_session = 0;
        let mut failures = 0;
        while !self.wake.is_stopped() {
            let wanted = self.settings.load();
            if !Arc::ptr_eq(&wanted, &worker.wanted) && (last_session == 0 || !worker.change_settings(&wanted)) {
                return Ok(());
            }
            let captured = match self.frames.take(Instant::now() + POLL_INTERVAL) {
                Taken::Value(captured) if self.scenes.need_masks() => captured,
                Taken::Closed => break,
                _ if worker.is_changing_settings => return Ok(()), // the swap needs frames
                Taken::Value(_) => {
                    last_session = 0; // earlier frames are useless once masks are needed again
                    continue;
                }
                Taken::TimedOut => continue,
            };
            if captured.session != last_session {
                worker.begin_session();
                last_session = captured.session;
            }
            worker.swap.set_nearest_only(self.scenes.load().look.nearest_only);
            worker.check_load(Instant::now());
            match worker.segment(pool, &captured) {
                Ok(()) => {
                    backoff.reset();
                    failures = 0;
                    if worker.needs_reload {
                        return Ok(());
                    }
                }
                // without a mask the frame is shown without the person
                Err(error) if error.recovery() == Recovery::SkipFrame && failures < MAX_FAILURES => failures += 1,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The frame counts that indicate load: frames the model skipped, and masks that were too late.
    fn counts(&self) -> FrameCounts {
        let late = self.frames.dropped() + self.stats.late_masks.get();
        FrameCounts { frames: self.stats.captured.get(), late }
    }

    /// Computes the mask of a frame and sends it to the render thread.
    fn send_mask(
        &self,
        segmenter: &mut dyn Segmenter,
        pool: &mut Pool<Mask>,
        captured: &CapturedFrame,
    ) -> Result<(), MaskError> {
        let start = Instant::now();
        let mut ready = None;
        let filled = pool.fill(|mask| {
            ready = segmenter.segment(&captured.frame, mask)?;
            Ok(())
        })?;
        let Some(mask) = filled else {
            self.stats.overrun.add_one();
            return Ok(());
        };
        self.stats.mask_time.record(start.elapsed());
        // the first frame of a session may be held back
        let Some(frame) = ready else { return Ok(()) };
        self.stats.masks.add_one();
        self.masks.put(MaskedFrame { session: captured.session, frame, mask, delay: segmenter.delay() as u64 });
        Ok(())
    }
}

/// The loaded model, and the rules that decide its quality.
struct Worker<'a> {
    thread: &'a Segment,
    /// The configured settings.
    wanted: Arc<mask::Settings>,
    /// The settings in effect.
    settings: Arc<mask::Settings>,
    /// Why these are not the configured ones.
    failed: Option<Failure>,
    swap: ModelSwap,
    /// Whether the swap in progress is to the configured settings.
    is_changing_settings: bool,
    /// Whether that swap has failed.
    needs_reload: bool,
    /// The quality last reported to `status`.
    quality: Quality,
    load: Load,
    /// Only in quality `auto`.
    auto: Option<AutoQuality>,
    /// The reason for the swap in progress.
    why: &'static str,
    next_check: Instant,
    /// The report last passed to `status`.
    report: Report,
}

impl<'a> Worker<'a> {
    fn open(thread: &'a Segment, wanted: &Arc<mask::Settings>, failed: Option<&Failure>) -> Result<Self, MaskError> {
        let built_in = || mask::Settings { model: BUILT_IN.to_owned(), ..(**wanted).clone() };
        let settings = failed.map_or_else(|| Arc::clone(wanted), |_| Arc::new(built_in()));
        let segmenter = (thread.open_model)(&first_settings(&settings), thread.size)?;
        let quality = segmenter.info().quality;
        let mut worker = Self {
            thread,
            wanted: Arc::clone(wanted),
            auto: (settings.quality == Quality::Auto).then(AutoQuality::new),
            settings,
            failed: failed.cloned(),
            swap: ModelSwap::new(segmenter),
            is_changing_settings: false,
            needs_reload: false,
            quality,
            load: Load::new(MAX_DEGRADE, thread.counts()),
            why: "",
            next_check: Instant::now() + thread.load_interval,
            report: Report::default(),
        };
        worker.begin_model();
        Ok(worker)
    }

    /// Starts over with a new active segmenter.
    fn begin_model(&mut self) {
        self.load = Load::new(MAX_DEGRADE, self.thread.counts());
        self.thread.health.lock().degraded = 0;
        self.publish_model();
    }

    /// Starts over with frames of a new camera session.
    fn begin_session(&mut self) {
        self.swap.reset();
        if let Some(auto) = &mut self.auto {
            auto.restart();
        }
    }

    /// Publishes the active model for `status`.
    fn publish_model(&mut self) {
        let info = self.swap.active().info();
        self.quality = info.quality;
        self.thread.health.lock().model_loaded(&self.settings.model, info, self.failed.as_ref());
    }

    /// Checks the load once per interval and adapts the quality.
    fn check_load(&mut self, now: Instant) {
        if now < self.next_check {
            return;
        }
        self.next_check = now + self.thread.load_interval;
        let step = self.load.tick(self.thread.counts());
        let observed = Observed {
            cpu: self.thread.cpu.get(),
            keyframe_time: self.swap.active().keyframe_time(),
            frame_time: self.thread.frame_time.get(),
            is_on_time: self.load.is_on_time(),
            is_overloaded: step.is_some_and(|step| step > 0),
        };
        let auto = self.auto.as_mut().filter(|_| !self.is_changing_settings);
        if let Some(change) = auto.and_then(|auto| auto.tick(&observed)) {
            self.change_quality(change);
        } else if let Some(step) = step
            && !self.swap.is_pending()
        {
            self.degrade(step);
        }
    }

    /// Lowers the CPU use of the active model to `step`, or raises it again.
    fn degrade(&mut self, step: u8) {
        self.swap.active().degrade(step);
        let is_worse = std::mem::replace(&mut self.thread.health.lock().degraded, step) < step;
        let why = if is_worse { "CPU overloaded, masks arrive late" } else { "CPU load has dropped" };
        tracing::info!("{why}: edge quality now reduced by {step} of {MAX_DEGRADE} steps");
    }

    /// Starts the swap to another quality, or cancels one if the active quality is the target.
    fn change_quality(&mut self, Change { to, why }: Change) {
        self.load = Load::new(MAX_DEGRADE, self.thread.counts());
        self.why = why;
        if self.quality == to {
            return self.swap.cancel();
        }
        if to == Quality::Balanced {
            // takes effect immediately: loading the other model takes time, and costs even more CPU
            self.swap.active().degrade(SWAP_DEGRADE);
        }
        let settings = mask::Settings { quality: to, ..(*self.settings).clone() };
        if let Err(failure) = self.swap.open(self.thread.open_model, settings, self.thread.size) {
            self.keep_quality(&failure);
        }
    }

    /// Starts the swap to other settings; false if that is not possible.
    fn change_settings(&mut self, wanted: &Arc<mask::Settings>) -> bool {
        self.wanted = Arc::clone(wanted);
        let opened = self.swap.open(self.thread.open_model, first_settings(wanted), self.thread.size);
        self.is_changing_settings = opened.is_ok();
        self.is_changing_settings
    }

    /// Publishes the segmenter's report when it changes.
    fn publish_report(&mut self) {
        let report = self.swap.active().report();
        if std::mem::replace(&mut self.report, report) != report {
            self.thread.health.lock().masks = report;
            if report.models_disagree {
                tracing::debug!("edges come from the fast model: {}", mask::MODELS_DISAGREE);
            }
        }
    }

    /// Handles the outcome of a swap.
    fn finish_swap(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Swapped if self.is_changing_settings => {
                self.is_changing_settings = false;
                self.settings = Arc::clone(&self.wanted);
                self.failed = None;
                self.auto = (self.settings.quality == Quality::Auto).then(AutoQuality::new);
                self.begin_model();
                tracing::info!("model {} loaded, quality {}", self.settings.model, self.quality);
            }
            // a reload reports the failure and falls back to another model
            Outcome::Failed(_) if self.is_changing_settings => self.needs_reload = true,
            Outcome::Swapped => {
                self.begin_model();
                tracing::info!("{}: quality auto is now {}", self.why, self.quality);
            }
            Outcome::Failed(failure) => self.keep_quality(&failure),
        }
    }

    /// Stays with the active quality because the other one is not available.
    fn keep_quality(&mut self, failure: &Failure) {
        tracing::info!(hint = failure.hint, "quality auto remains {}: {failure}", self.quality);
        self.swap.active().degrade(0);
        if let Some(auto) = &mut self.auto {
            auto.fail();
        }
    }

    /// Computes the mask of a frame, then passes the frame to a segmenter that is warming up.
    fn segment(&mut self, pool: &mut Pool<Mask>, captured: &CapturedFrame) -> Result<(), MaskError> {
        self.thread.send_mask(self.swap.active(), pool, captured)?;
        self.publish_report();
        if self.swap.active().info().quality != self.quality {
            self.publish_model();
        }
        if let Some(outcome) = self.swap.warm_up(&captured.frame) {
            self.finish_swap(outcome);
        }
        Ok(())
    }
}

/// The settings to start with: quality `auto` begins as `balanced`.
fn first_settings(settings: &mask::Settings) -> mask::Settings {
    let quality = if settings.quality == Quality::Auto { Quality::Balanced } else { settings.quality };
    mask::Settings { quality, ..settings.clone() }
}
