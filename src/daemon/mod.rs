//! The service: owns the pipeline and lives until somebody stops it.
//!
//! `service` does the requests of the socket and of the control page (with `scene`, `look`, `prompt` and `station` for what they
//! change); each reads, loads and commits as one [`change`]. `settings` reads the settings again when `files` sees that they
//! have changed, `memory` keeps the user's `choice`, `page` serves the control page, `end` ends everything in time.

mod change;
mod choice;
mod end;
mod files;
mod job;
mod look;
mod memory;
mod page;
mod prompt;
mod scene;
mod service;
mod settings;
mod station;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicU64},
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
    choice::Choice,
    files::Files,
    job::Jobs,
    memory::Memory,
    scene::{blurred, first_scene},
    settings::{Asked, Reloaded},
    station::{chosen, give_way},
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
    web::{Access, Page},
};

/// How the daemon is started.
#[derive(Debug, Default)]
pub struct Options {
    /// Settings given as flags; a reload keeps them.
    pub flags: Flags,
    /// The background to start with, in place of the remembered one.
    pub background: Option<BackgroundSpec>,
    /// Where to keep a picture of what others see.
    pub snapshot: Option<PathBuf>,
    /// Whether to end after the first second of composed pictures.
    pub once: bool,
}

/// How long threads of blocking work are kept without work: shorter than from one look at the settings files to the next, so
/// that these looks do not keep more threads than they need.
const IDLE_THREADS: Duration = Duration::from_millis(500);

/// Runs until somebody stops it.
///
/// # Errors
/// When another daemon runs, the settings are bad, or with [`Options::once`] no picture could be composed.
pub fn run(options: Options) -> Result<(), Failure> {
    let Bound { listener, claim } = socket::bind(&paths::runtime_dir())?;
    let files = Files::new(files::stamps());
    let config = Config::load(&options.flags)?;
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().thread_keep_alive(IDLE_THREADS).build().map_err(|error| internal(&error))?;
    let result = runtime.block_on(async {
        let listener = UnixListener::from_std(listener).map_err(|error| internal(&error))?;
        let daemon = Arc::new(Daemon::start(config, files, &options).await?);
        let (page, server, result) = daemon.live(listener, options.once).await?;
        let _limit = end::Limit::start();
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
        end::close(&claim, server, page).await;
        end::stop_pipeline(&daemon.pipeline, &claim, &result).await;
        tracing::info!("bgcam ends");
        result
    });
    end::shut_down(runtime);
    result
}

#[derive(Debug)]
struct Daemon {
    pipeline: Pipeline,
    config: Mutex<Config>,
    memory: Memory,
    /// Held by a [`Change`](change::Change), so that changes are made in the order they were asked for. Nothing else waits
    /// for that: a pause is done at once.
    change: tokio::sync::Mutex<()>,
    /// Requests that have arrived.
    arrivals: AtomicU64,
    /// When the request arrived that chose the background.
    background_chosen: AtomicU64,
    reloaded: Mutex<Option<Reloaded>>,
    files: Mutex<Files>,
    outputs: Arc<OutputMonitor>,
    /// The picture that is being made of words.
    jobs: Jobs,
    flags: Flags,
    started: Instant,
    pulse: Mutex<Pulse>,
    /// What opens the control page, where it is served.
    page: Mutex<Option<Arc<Access>>>,
    /// Wakes those who follow the status.
    news: watch::Sender<()>,
    stop: Notify,
}

/// The last look at the counters.
#[derive(Debug)]
struct Pulse {
    at: Instant,
    counters: StatsSnapshot,
    rates: Rates,
    cpu: Duration,
    cpu_percent: f64,
}

impl Pulse {
    fn new() -> Self {
        let (counters, rates, cpu) = (StatsSnapshot::default(), Rates::default(), stats::process_time());
        Self { at: Instant::now(), counters, rates, cpu, cpu_percent: 0.0 }
    }

    /// Frames a second, and CPU time in per cent of a core.
    fn measured(&self) -> (Rates, f64) {
        (self.rates, self.cpu_percent)
    }

    /// Measures since the last look; true when pictures went out meanwhile.
    fn measure(&mut self, counters: &StatsSnapshot) -> bool {
        let (now, cpu) = (Instant::now(), stats::process_time());
        let apart = now - self.at;
        let alive = counters.written > self.counters.written;
        self.rates = Rates::between(&self.counters, counters, apart);
        self.cpu_percent = 100.0 * (cpu - self.cpu).as_secs_f64() / apart.as_secs_f64().max(1e-3);
        (self.at, self.cpu, self.counters) = (now, cpu, counters.clone());
        alive
    }
}

/// The page and the server while they are open, and how the daemon's life ended.
type Ended = (Option<Page>, JoinHandle<std::io::Result<()>>, Result<(), Failure>);

impl Daemon {
    async fn start(config: Config, files: Files, options: &Options) -> Result<Self, Failure> {
        let memory = Memory::load(paths::state_file());
        let (choice, config) = first_choice(&memory, config, options);
        let overlay = look::first_overlay(&choice, &config).await;
        let scene = match first_scene(&choice, &config, overlay.clone()).await {
            Err(failure) if options.background.is_none() => blurred(&choice, &config, overlay, &failure).await?,
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
        first_picture(&pipeline).await;
        Ok(Self {
            pipeline,
            config: Mutex::new(config),
            memory,
            change: tokio::sync::Mutex::default(),
            arrivals: AtomicU64::default(),
            background_chosen: AtomicU64::default(),
            reloaded: Mutex::default(),
            files: Mutex::new(files),
            outputs: monitor,
            jobs: Jobs::default(),
            flags: options.flags.clone(),
            started: Instant::now(),
            pulse: Mutex::new(Pulse::new()),
            page: Mutex::default(),
            news: watch::Sender::new(()),
            stop: Notify::new(),
        })
    }

    /// Serves until a signal, a `stop` or, with `once`, the first second of composed pictures. Nothing in this loop waits:
    /// the watchdog is fed from here.
    async fn live(self: &Arc<Self>, listener: UnixListener, once: bool) -> Result<Ended, Failure> {
        let mut terminate = signal(SignalKind::terminate()).map_err(|error| internal(&error))?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| internal(&error))?;
        let hangup = signal(SignalKind::hangup()).map_err(|error| internal(&error))?;
        let server = tokio::spawn(server::serve(listener, Arc::new(Arc::clone(self))));
        let page = if once { None } else { self.open_page() };
        let settings = tokio::spawn(Arc::clone(self).follow_settings(hangup));
        let mut ticks = interval(Duration::from_secs(1));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        tracing::info!("bgcam {} is up", env!("CARGO_PKG_VERSION"));
        self.log_room(None);
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
        let result = loop {
            tokio::select! {
                _ = ticks.tick() => {
                    if let Some(end) = self.tick(once) {
                        break end;
                    }
                }
                _ = terminate.recv() => break Ok(()),
                _ = interrupt.recv() => break Ok(()),
                () = self.stop.notified() => break Ok(()),
            }
        };
        settings.abort();
        Ok((page, server, result))
    }

    /// Once a second: rates, the watchdog, old scenes; `Some` ends the daemon.
    fn tick(&self, once: bool) -> Option<Result<(), Failure>> {
        self.pipeline.free_retired();
        let counters = self.pipeline.stats().snapshot();
        let alive = lock(&self.pulse).measure(&counters);
        if self.pipeline.is_broken() {
            // a new start mends more than waiting for the watchdog
            return Some(Err(Failure::new(Kind::Internal, "a thread of the pipeline has died")));
        }
        if alive {
            let _ = sd_notify::notify(&[sd_notify::NotifyState::Watchdog]);
        }
        if once { self.first_second(&counters) } else { None }
    }

    /// Reloads the settings when their files change and on SIGHUP, and saves what could not be saved before.
    async fn follow_settings(self: Arc<Self>, mut hangup: Signal) {
        let mut ticks = interval(Duration::from_secs(1));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = hangup.recv() => self.reload_and_log(Asked::ByUser).await,
                _ = ticks.tick() => {
                    let Ok(stamps) = spawn_blocking(files::stamps).await else { continue };
                    let changed = lock(&self.files).look(stamps);
                    if changed {
                        self.reload_and_log(Asked::Never).await;
                    }
                    self.memory.retry().await;
                }
            }
        }
    }

    fn first_second(&self, counters: &StatsSnapshot) -> Option<Result<(), Failure>> {
        let fps = u64::from(lock(&self.config).fps);
        if counters.composed.saturating_sub(counters.unmasked) >= fps {
            return Some(Ok(()));
        }
        if self.started.elapsed() < Duration::from_secs(30) {
            return None;
        }
        let health = self.pipeline.health();
        let nothing = || Failure::new(Kind::Io, "no picture was composed within 30 s");
        Some(Err(health.camera_failure.or(health.mask_failure).unwrap_or_else(nothing)))
    }
}

/// The remembered choice and the settings with it, after what the flags say otherwise.
fn first_choice(memory: &Memory, config: Config, options: &Options) -> (Choice, Config) {
    let mut choice = memory.choice();
    choice.paused &= !options.once;
    give_way(&mut choice, &options.flags);
    let config = chosen(config, &choice);
    if let Some(background) = &options.background {
        choice.background = Some(background.clone().fitted(config.fit));
    }
    (choice.clone(), config)
}

/// Waits until the outputs have had a picture, so that whoever is told that we are up finds a camera: from 0.14 on,
/// v4l2loopback's is none before.
async fn first_picture(pipeline: &Pipeline) {
    let written = async {
        while pipeline.stats().snapshot().written == 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    // an output that hangs is no reason to hide what goes on
    let _ = tokio::time::timeout(Duration::from_secs(2), written).await;
}

// Every value behind these locks is replaced whole, so a panic elsewhere leaves nothing half-done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn internal(error: &(dyn std::error::Error + 'static)) -> Failure {
    Failure::new(Kind::Internal, crate::error::chain(error))
}
