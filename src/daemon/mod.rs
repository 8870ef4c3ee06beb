//! The daemon: owns the pipeline and handles requests until it is stopped.
//!
//! - `service` dispatches the requests of the control socket and the control page.
//! - `scene`, `look`, `camera_and_quality`, `pause`, `preset` and `prompt` implement them; each is one [`change`], which
//!   commits what it `loaded`.
//! - `settings` reloads the settings when `settings_files` detects a change.
//! - `saved_choice` keeps the user's `choice`, with the `recent` backgrounds, in memory and on disk; `presets` keeps the
//!   user's presets; both write a `state_file`. `images` accesses the gallery; `edit` finds the image to edit, and walks
//!   through edits.
//! - `job` is the image generation in progress; `costs` is what images have cost.
//! - `overview` is what icons show, `starter` paints the starter gallery.
//! - `page` connects the control page, `shutdown` stops everything in time.

mod camera_and_quality;
mod change;
mod choice;
mod costs;
mod edit;
mod images;
mod job;
mod loaded;
mod look;
mod overview;
mod page;
mod pause;
mod preset;
mod presets;
mod prompt;
mod recent;
mod saved_choice;
mod scene;
mod service;
mod settings;
mod settings_files;
mod shutdown;
mod starter;
mod state_file;

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    net::UnixListener,
    signal::unix::{Signal, SignalKind, signal},
    sync::{Notify, watch},
    task::{JoinHandle, spawn_blocking},
    time::{MissedTickBehavior, interval},
};

use self::{
    camera_and_quality::{apply_flag_overrides, with_choice},
    choice::Choice,
    costs::Costs,
    job::Jobs,
    overview::Thumbnails,
    presets::Presets,
    saved_choice::SavedChoice,
    scene::{fallback_scene, initial_scene},
    settings::{ReloadTrigger, Reloaded},
    settings_files::SettingsFiles,
};
use crate::{
    background::BackgroundSpec,
    config::{Config, Flags},
    control::{
        server,
        socket::{self, Bound},
    },
    error::{Failure, Kind},
    paths,
    pipeline::{self, Pipeline},
    sink::{OutputMonitor, Outputs, SinkSpec},
    stats::{self, Rates, StatsSnapshot},
    web::{Access, Doctor, Page},
};

/// Command-line options of the daemon.
#[derive(Debug, Default)]
pub struct Options {
    /// Settings given as flags; a reload keeps them.
    pub flags: Flags,
    /// The background to start with, instead of the saved one.
    pub background: Option<BackgroundSpec>,
    /// File that is overwritten with the current output image.
    pub snapshot: Option<PathBuf>,
    /// Whether to exit after the first second of composed frames.
    pub once: bool,
    /// The checks of this machine, for the control page.
    pub doctor: Option<Doctor>,
}

/// How long idle blocking threads are kept. Shorter than the poll interval of the settings files, so that polling keeps
/// no threads alive.
const IDLE_THREAD_LIFETIME: Duration = Duration::from_millis(500);

/// Timeout for the first output image at startup; a hanging output must not delay the others.
const FIRST_OUTPUT_TIMEOUT: Duration = Duration::from_secs(2);

/// Timeout for the first composed frames with [`Options::once`].
const ONCE_TIMEOUT: Duration = Duration::from_secs(30);

/// Runs the daemon until it is stopped by a signal or a request.
///
/// # Errors
/// If another daemon is running, the settings are invalid, or with [`Options::once`] no frame could be composed.
pub fn run(options: Options) -> Result<(), Failure> {
    let Bound { listener, claim } = socket::bind(&paths::runtime_dir())?;
    let files = SettingsFiles::new(settings_files::stamps());
    let config = Config::load(&options.flags)?;
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime =
        builder.enable_all().thread_keep_alive(IDLE_THREAD_LIFETIME).build().map_err(|error| internal(&error))?;
    let result = runtime.block_on(async {
        let listener = UnixListener::from_std(listener).map_err(|error| internal(&error))?;
        let daemon = Arc::new(Daemon::start(config, files, &options).await?);
        let (page, server, result) = daemon.serve(listener, options.once).await?;
        let _deadline = shutdown::Deadline::start();
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
        shutdown::close_interfaces(&claim, server, page).await;
        shutdown::stop_pipeline(&daemon.pipeline, &claim, &result).await;
        tracing::info!("bgcam stopped");
        result
    });
    shutdown::stop_runtime(runtime);
    result
}

#[derive(Debug)]
struct Daemon {
    pipeline: Pipeline,
    config: Mutex<Config>,
    saved_choice: SavedChoice,
    presets: Presets,
    costs: Costs,
    /// Locked by a [`Change`](change::Change), which serializes changes in order of arrival. Pausing does not need it.
    change: tokio::sync::Mutex<()>,
    /// Number of requests so far.
    arrivals: AtomicU64,
    /// Arrival number of the request that chose the background.
    background_arrival: AtomicU64,
    reloaded: Mutex<Option<Reloaded>>,
    files: Mutex<SettingsFiles>,
    outputs: Arc<OutputMonitor>,
    /// The image generation in progress.
    jobs: Jobs,
    thumbnails: Thumbnails,
    flags: Flags,
    doctor: Option<Doctor>,
    started: Instant,
    meter: Mutex<RateMeter>,
    /// Issues addresses of the control page, while it is open.
    page: Mutex<Option<Arc<Access>>>,
    /// Wakes the subscribers of the status.
    status_changes: watch::Sender<()>,
    stop: Notify,
    stopping: AtomicBool,
}

/// Frame rates and CPU time since the last measurement.
#[derive(Debug)]
struct RateMeter {
    at: Instant,
    counters: StatsSnapshot,
    rates: Rates,
    cpu: Duration,
    cpu_percent: f64,
}

impl RateMeter {
    fn new() -> Self {
        Self {
            at: Instant::now(),
            counters: StatsSnapshot::default(),
            rates: Rates::default(),
            cpu: stats::process_time(),
            cpu_percent: 0.0,
        }
    }

    /// The last measurement: frame rates, and CPU time in percent of one core.
    fn last(&self) -> (Rates, f64) {
        (self.rates, self.cpu_percent)
    }

    /// Measures since the last call. Returns whether frames were written in between.
    fn measure(&mut self, counters: &StatsSnapshot) -> bool {
        let now = Instant::now();
        let cpu = stats::process_time();
        let elapsed = now - self.at;
        let is_alive = counters.written > self.counters.written;
        self.rates = Rates::between(&self.counters, counters, elapsed);
        self.cpu_percent = 100.0 * (cpu - self.cpu).as_secs_f64() / elapsed.as_secs_f64().max(1e-3);
        self.at = now;
        self.cpu = cpu;
        self.counters = counters.clone();
        is_alive
    }
}

/// The open page, the running server, and the daemon's result.
type Served = (Option<Page>, JoinHandle<std::io::Result<()>>, Result<(), Failure>);

impl Daemon {
    async fn start(config: Config, files: SettingsFiles, options: &Options) -> Result<Self, Failure> {
        let saved_choice = SavedChoice::load(paths::state_file());
        let (choice, config) = initial_choice(&saved_choice, config, options);
        let overlay = look::initial_overlay(&choice, &config).await;
        let scene = match initial_scene(&choice, &config, overlay.clone()).await {
            Err(failure) if options.background.is_none() => fallback_scene(&choice, &config, overlay, &failure).await?,
            scene => scene?,
        };
        let mut specs = config.outputs.clone();
        specs.extend(options.snapshot.clone().map(SinkSpec::Png));
        let outputs = Outputs::open(&specs, config.size, config.fps, Instant::now());
        let monitor = outputs.monitor();
        let settings = pipeline::Settings {
            size: config.size,
            fps: config.fps,
            camera: config.camera.clone(),
            mask: config.mask.clone(),
            scene,
            always_on: config.always_on || options.once,
        };
        let pipeline = Pipeline::start(settings, outputs).map_err(|error| internal(&error))?;
        wait_for_first_output(&pipeline).await;
        Ok(Self {
            pipeline,
            config: Mutex::new(config),
            saved_choice,
            presets: Presets::load(paths::presets_file()),
            costs: Costs::load(paths::costs_file()),
            change: tokio::sync::Mutex::default(),
            arrivals: AtomicU64::default(),
            background_arrival: AtomicU64::default(),
            reloaded: Mutex::default(),
            files: Mutex::new(files),
            outputs: monitor,
            jobs: Jobs::default(),
            thumbnails: Thumbnails::default(),
            flags: options.flags.clone(),
            doctor: options.doctor,
            started: Instant::now(),
            meter: Mutex::new(RateMeter::new()),
            page: Mutex::default(),
            status_changes: watch::Sender::new(()),
            stop: Notify::new(),
            stopping: AtomicBool::default(),
        })
    }

    /// Serves until a signal, a `stop` request or, with `once`, the first second of composed frames. Nothing in this
    /// loop may block, because it notifies the watchdog.
    async fn serve(self: &Arc<Self>, listener: UnixListener, once: bool) -> Result<Served, Failure> {
        let mut terminate = signal(SignalKind::terminate()).map_err(|error| internal(&error))?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| internal(&error))?;
        let hangup = signal(SignalKind::hangup()).map_err(|error| internal(&error))?;
        let server = tokio::spawn(server::serve(listener, Arc::new(Arc::clone(self))));
        let page = if once { None } else { self.open_page() };
        let settings = tokio::spawn(Arc::clone(self).follow_settings(hangup));
        let has_starters = lock(&self.config).starter_gallery && !once;
        let starters = has_starters.then(|| tokio::spawn(starter::paint(Arc::clone(self))));
        let mut ticks = interval(Duration::from_secs(1));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        tracing::info!("bgcam {} started", env!("CARGO_PKG_VERSION"));
        self.log_if_room_became_visible(None);
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
        let result = loop {
            tokio::select! {
                _ = ticks.tick() => {
                    if let Some(result) = self.tick(once) {
                        break result;
                    }
                }
                _ = terminate.recv() => break Ok(()),
                _ = interrupt.recv() => break Ok(()),
                () = self.stop.notified() => break Ok(()),
            }
        };
        settings.abort();
        starters.inspect(JoinHandle::abort);
        self.stopping.store(true, Ordering::Relaxed);
        self.status_changes.send_replace(());
        Ok((page, server, result))
    }

    /// Runs every second: measures rates, notifies the watchdog, frees old scenes. `Some` stops the daemon.
    fn tick(&self, once: bool) -> Option<Result<(), Failure>> {
        self.pipeline.free_retired();
        self.end_lost_freeze();
        let counters = self.pipeline.stats().snapshot();
        let is_alive = lock(&self.meter).measure(&counters);
        if self.pipeline.is_broken() {
            // exit now, so that systemd restarts the daemon before the watchdog would
            return Some(Err(Failure::new(Kind::Internal, "a pipeline thread has panicked")));
        }
        if is_alive {
            let _ = sd_notify::notify(&[sd_notify::NotifyState::Watchdog]);
        }
        if once { self.once_result(&counters) } else { None }
    }

    /// Reloads the settings when their files change and on SIGHUP, and retries a failed save of the choice.
    async fn follow_settings(self: Arc<Self>, mut hangup: Signal) {
        let mut ticks = interval(Duration::from_secs(1));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = hangup.recv() => self.reload_and_log(ReloadTrigger::User).await,
                _ = ticks.tick() => {
                    let Ok(stamps) = spawn_blocking(settings_files::stamps).await else { continue };
                    let changed = lock(&self.files).poll(stamps);
                    if changed {
                        tracing::info!("a settings file has changed");
                        self.reload_and_log(ReloadTrigger::FileChange).await;
                    }
                    self.saved_choice.retry().await;
                }
            }
        }
    }

    /// With [`Options::once`]: success after a second of composed frames, failure after the timeout.
    fn once_result(&self, counters: &StatsSnapshot) -> Option<Result<(), Failure>> {
        let fps = u64::from(lock(&self.config).fps);
        if counters.composed.saturating_sub(counters.unmasked) >= fps {
            return Some(Ok(()));
        }
        if self.started.elapsed() < ONCE_TIMEOUT {
            return None;
        }
        let health = self.pipeline.health();
        let timed_out = || Failure::new(Kind::Io, format!("no frame was composed within {} s", ONCE_TIMEOUT.as_secs()));
        Some(Err(health.camera_failure.or(health.mask_failure).unwrap_or_else(timed_out)))
    }
}

/// The choice and the settings at startup: the saved choice, overridden by flags.
fn initial_choice(saved_choice: &SavedChoice, config: Config, options: &Options) -> (Choice, Config) {
    let mut choice = saved_choice.lock();
    choice.paused &= !options.once;
    apply_flag_overrides(&mut choice, &options.flags);
    let config = with_choice(config, &choice);
    if let Some(background) = &options.background {
        choice.background = Some(background.clone().fitted(config.fit));
    }
    (choice.clone(), config)
}

/// Waits until the outputs have an image, so that the camera exists once the daemon reports that it is ready:
/// v4l2loopback 0.14 and later announce it as a camera only then.
async fn wait_for_first_output(pipeline: &Pipeline) {
    let _ = tokio::time::timeout(FIRST_OUTPUT_TIMEOUT, pipeline.wait_until_shown(1)).await;
}

// Poisoning is ignored: every value behind these locks is replaced as a whole, so a panic leaves no partial update.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn internal(error: &(dyn std::error::Error + 'static)) -> Failure {
    Failure::new(Kind::Internal, crate::error::chain(error))
}
