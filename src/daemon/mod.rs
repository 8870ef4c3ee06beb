//! The service: owns the pipeline and lives until somebody stops it.
//!
//! `service` does the requests of the socket and of the control page (with `scene`, `look`, `prompt` and `station` for what they
//! change), `settings` reads the settings again, `choice` remembers what was chosen, `page` serves the control page.

mod choice;
mod files;
mod look;
mod page;
mod prompt;
mod scene;
mod service;
mod settings;
mod station;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::{
    net::UnixListener,
    signal::unix::{SignalKind, signal},
    sync::{Notify, watch},
    time::{MissedTickBehavior, interval},
};

use self::{
    choice::{Choice, remembered},
    files::Files,
    scene::{blurred, first_scene},
    station::{chosen, give_way},
};
use crate::{
    background::BackgroundSpec,
    config::{Config, Flags},
    control::{server, socket},
    error::{Failure, Kind},
    paths,
    pipeline::{self, Pipeline},
    prompt::job::Jobs,
    sink::{Board, Outputs, SinkSpec},
    stats::{self, Rates, Snapshot},
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

/// Runs until somebody stops it.
///
/// # Errors
/// When another daemon runs, the settings are bad, or with [`Options::once`] no picture could be composed.
pub fn run(options: Options) -> Result<(), Failure> {
    let bound = socket::bind(&paths::runtime_dir()).map_err(|error| Failure::from(&error))?;
    let config = Config::load(&options.flags).map_err(|error| Failure::from(&error))?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| internal(&error))?;
    runtime.block_on(async {
        let listener = bound.listener.try_clone().and_then(UnixListener::from_std).map_err(|error| internal(&error))?;
        let daemon = Arc::new(Daemon::start(config, &options).await?);
        let result = daemon.live(listener, options.once).await;
        daemon.pipeline.request_stop();
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
        result
    })
    // the last share of the daemon goes with the runtime's tasks; its pipeline joins its threads in `drop`
}

#[derive(Debug)]
struct Daemon {
    pipeline: Pipeline,
    config: Mutex<Config>,
    choice: Mutex<Choice>,
    /// Held while a background is being loaded, so that they are shown in the order they were asked for. Nothing else waits
    /// for that: a pause is done at once.
    change: tokio::sync::Mutex<()>,
    outputs: Arc<Board>,
    /// The picture that is being made of words.
    jobs: Jobs,
    flags: Flags,
    started: Instant,
    pulse: Mutex<Pulse>,
    /// Where the control page is.
    page: Mutex<Option<String>>,
    /// Wakes those who follow the status.
    news: watch::Sender<()>,
    stop: Notify,
}

/// The last look at the counters.
#[derive(Debug)]
struct Pulse {
    at: Instant,
    counters: Snapshot,
    rates: Rates,
    cpu: Duration,
    cpu_percent: f64,
    files: Files,
}

impl Pulse {
    /// Frames a second, and CPU time in per cent of a core.
    fn measured(&self) -> (Rates, f64) {
        (self.rates, self.cpu_percent)
    }
}

impl Daemon {
    async fn start(config: Config, options: &Options) -> Result<Self, Failure> {
        let mut choice = remembered(&paths::state_file());
        choice.paused &= !options.once;
        give_way(&mut choice, &options.flags);
        let config = chosen(config, &choice);
        if let Some(background) = &options.background {
            choice.background = Some(background.clone().fitted(config.fit));
        }
        let overlay = look::first_overlay(&choice, &config).await;
        let scene = match first_scene(&choice, &config, overlay.clone()).await {
            Err(failure) if options.background.is_none() => blurred(&choice, &config, overlay, &failure).await?,
            scene => scene?,
        };
        let mut specs = config.outputs.clone();
        specs.extend(options.snapshot.clone().map(SinkSpec::Png));
        let outputs = Outputs::open(&specs, config.size, config.fps, Instant::now());
        let board = outputs.board();
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
        let pulse = Pulse {
            at: Instant::now(),
            counters: Snapshot::default(),
            rates: Rates::default(),
            cpu: stats::process_time(),
            cpu_percent: 0.0,
            files: Files::look_first(),
        };
        Ok(Self {
            pipeline,
            config: Mutex::new(config),
            choice: Mutex::new(choice),
            change: tokio::sync::Mutex::default(),
            outputs: board,
            jobs: Jobs::default(),
            flags: options.flags.clone(),
            started: Instant::now(),
            pulse: Mutex::new(pulse),
            page: Mutex::default(),
            news: watch::Sender::new(()),
            stop: Notify::new(),
        })
    }

    /// Serves until a signal, a `stop` or, with `once`, the first second of composed pictures.
    async fn live(self: &Arc<Self>, listener: UnixListener, once: bool) -> Result<(), Failure> {
        let mut terminate = signal(SignalKind::terminate()).map_err(|error| internal(&error))?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| internal(&error))?;
        let mut hangup = signal(SignalKind::hangup()).map_err(|error| internal(&error))?;
        let server = tokio::spawn(server::serve(listener, Arc::new(Arc::clone(self))));
        let page = if once { None } else { self.open_page() };
        let mut ticks = interval(Duration::from_secs(1));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        tracing::info!("bgcam {} is up", env!("CARGO_PKG_VERSION"));
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
        let result = loop {
            tokio::select! {
                _ = ticks.tick() => {
                    if let Some(end) = self.tick(once).await {
                        break end;
                    }
                }
                _ = hangup.recv() => self.reload_and_log().await,
                _ = terminate.recv() => break Ok(()),
                _ = interrupt.recv() => break Ok(()),
                () = self.stop.notified() => break Ok(()),
            }
        };
        drop(page);
        server.abort();
        let _ = server.await;
        tracing::info!("bgcam ends");
        result
    }

    /// Once a second: rates, the watchdog, changed settings, old scenes; `Some` ends the daemon.
    async fn tick(&self, once: bool) -> Option<Result<(), Failure>> {
        self.pipeline.free_retired();
        let counters = self.pipeline.stats().snapshot();
        let (alive, changed) = {
            let mut pulse = lock(&self.pulse);
            let (now, cpu) = (Instant::now(), stats::process_time());
            let apart = now - pulse.at;
            let alive = counters.written > pulse.counters.written;
            pulse.rates = Rates::between(&pulse.counters, &counters, apart);
            pulse.cpu_percent = 100.0 * (cpu - pulse.cpu).as_secs_f64() / apart.as_secs_f64().max(1e-3);
            pulse.cpu = cpu;
            (pulse.at, pulse.counters) = (now, counters.clone());
            (alive, pulse.files.look_again())
        };
        if self.pipeline.is_broken() {
            // a new start mends more than waiting for the watchdog
            return Some(Err(Failure::new(Kind::Internal, "a thread of the pipeline has died")));
        }
        if alive {
            let _ = sd_notify::notify(&[sd_notify::NotifyState::Watchdog]);
        }
        if changed {
            self.reload_and_log().await;
        }
        if once { self.first_second(&counters) } else { None }
    }

    fn first_second(&self, counters: &Snapshot) -> Option<Result<(), Failure>> {
        let fps = u64::from(lock(&self.config).fps);
        if counters.composed.saturating_sub(counters.unmasked) >= fps {
            return Some(Ok(()));
        }
        if self.started.elapsed() < Duration::from_secs(30) {
            return None;
        }
        let stations = self.pipeline.stations();
        let nothing = || Failure::new(Kind::Io, "no picture was composed within 30 s");
        Some(Err(stations.camera_failure.or(stations.mask_failure).unwrap_or_else(nothing)))
    }
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
