//! The service: owns the pipeline, does the requests of the socket and of the control page, remembers the scene, tells systemd how it is.

mod choice;
mod files;
mod look;
mod page;
mod prompt;
mod station;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::{
    net::UnixListener,
    signal::unix::{SignalKind, signal},
    sync::{Notify, mpsc, watch},
    time::{MissedTickBehavior, interval},
};

use self::{
    choice::{Choice, remember, remembered},
    files::Files,
    look::look_of,
    station::{chosen, give_way},
};
use crate::{
    background::{self, Background, BackgroundError, BackgroundSpec, DEFAULT_BLUR, Fit},
    compose::{Overlay, Scene},
    config::{Config, Flags},
    control::{
        protocol::{CameraStatus, MaskStatus, Request, Response, SceneStatus, Status},
        server::{self, Service},
        socket,
    },
    error::{Failure, Kind},
    look::Look,
    paths,
    pipeline::{self, Pipeline},
    prompt::job::Jobs,
    sink::{self, Board, OutputStatus, Outputs, SinkSpec},
    stats::{self, Rates, Snapshot},
};

/// How long an answer waits for the outputs to have what was asked for, beside the time that it fades in; they have it
/// within a tenth of a second.
const SHOWN_WITHIN: Duration = Duration::from_secs(1);

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

    async fn reload_and_log(&self) {
        match self.reload().await {
            Ok(text) => tracing::info!("{text}"),
            Err(failure) => tracing::warn!(hint = failure.hint, "the old settings stay: {failure}"),
        }
    }

    /// Reads the settings again. Camera, model and limits change at once; the outputs can't while apps read them.
    async fn reload(&self) -> Result<String, Failure> {
        let flags = self.flags.clone();
        let loaded =
            tokio::task::spawn_blocking(move || Config::load(&flags)).await.map_err(|error| internal(&error))?;
        let new = chosen(loaded.map_err(|error| Failure::from(&error))?, &lock(&self.choice));
        self.try_mask(&new).await?;
        let follows = lock(&self.choice).background.is_none();
        let default = new.background.clone();
        let text = self.take_over(new);
        self.follow_look().await?;
        if follows && self.pipeline.scene().spec != default {
            self.show_default().await?;
        }
        self.news.send_replace(());
        Ok(text)
    }

    /// The settings' own background, in place of an older one of theirs.
    async fn show_default(&self) -> Result<(), Failure> {
        let _in_order = self.change.lock().await;
        let config = lock(&self.config).clone();
        let ready = Ready::load(&config.background, &self.pipeline.scene().look, &config).await?;
        self.show(Some(ready), None, |_| {});
        Ok(())
    }

    fn take_over(&self, mut new: Config) -> String {
        let mut config = lock(&self.config);
        let fixed = new.size == config.size && new.fps == config.fps && new.outputs == config.outputs;
        let fixed = fixed && new.page == config.page;
        new.size = config.size;
        new.fps = config.fps;
        new.outputs.clone_from(&config.outputs);
        new.page = config.page;
        new.camera.size = config.size;
        new.camera.fps = config.fps;
        self.pipeline.set_camera(new.camera.clone());
        self.pipeline.set_mask(new.mask.clone());
        self.pipeline.set_always_on(new.always_on);
        *config = new;
        let later = if fixed { "" } else { "; those of [output] and [web] take effect when the daemon starts again" };
        format!("settings reloaded{later}")
    }

    /// Shows something else behind the person; when it can't be loaded, everything stays.
    async fn set_background(&self, spec: BackgroundSpec, fit: Option<Fit>) -> Result<(), Failure> {
        if let Some(path) = spec.path().filter(|path| !path.is_absolute()) {
            return Err(Failure::new(Kind::BadInput, format!("path {} is not absolute", path.display())));
        }
        let version = {
            let _in_order = self.change.lock().await;
            let config = lock(&self.config).clone();
            let spec = spec.fitted(fit.unwrap_or(config.fit));
            let ready = Ready::load(&spec, &self.pipeline.scene().look, &config).await?;
            self.show(Some(ready), None, |choice| choice.background = Some(spec))
        };
        self.until_shown(version).await;
        stats::give_memory_back();
        Ok(())
    }

    /// Changes how the scene is shown, with the same background: at once, whatever is being loaded or fades in.
    async fn adjust(&self, change: impl FnOnce(&mut Choice)) {
        let version = self.show(None, None, change);
        self.until_shown(version).await;
    }

    /// Publishes the scene that follows from a change of the choice, with another background or look where one is ready,
    /// and remembers the choice. Returns the scene's version.
    fn show(&self, ready: Option<Ready>, looks: Option<Looks>, change: impl FnOnce(&mut Choice)) -> u64 {
        let mut choice = lock(&self.choice);
        let before = choice.clone();
        change(&mut choice);
        let old = self.pipeline.scene();
        let version = old.version + 1;
        let looks = looks.unwrap_or_else(|| (old.look.clone(), old.overlay.clone()));
        self.pipeline.publish(match ready {
            Some(ready) => ready.scene(version, looks, &choice),
            None => {
                let (Choice { mirror, paused, .. }, (look, overlay)) = (&*choice, looks);
                let (mirror, paused) = (*mirror, *paused);
                Scene { version, look, overlay, mirror, paused, fade: Duration::ZERO, ..(*old).clone() }
            }
        });
        self.keep(&before, &choice);
        version
    }

    /// Remembers a new choice, and tells those who follow the status.
    fn keep(&self, before: &Choice, choice: &Choice) {
        if choice != before
            && let Err(error) = remember(choice, &paths::state_file())
        {
            tracing::warn!("the choice will be forgotten at the next start: {error}");
        }
        self.news.send_replace(());
    }

    /// Waits until the outputs have a scene, as a whole.
    async fn until_shown(&self, version: u64) {
        let shown = async {
            while self.pipeline.shown() < version {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let within = SHOWN_WITHIN + self.pipeline.scene().fade;
        if tokio::time::timeout(within, shown).await.is_err() {
            tracing::debug!("the outputs are late with scene {version}");
        }
    }
}

impl Service for Arc<Daemon> {
    async fn call(&self, request: Request, talk: mpsc::Sender<Response>) -> Result<Response, Failure> {
        match request {
            Request::Status | Request::Watch => Ok(Response::Status(Box::new(self.status().await))),
            Request::SetBackground { spec, fit } => {
                self.set_background(spec, fit).await?;
                // whoever chooses something else does not want it replaced by an older wish a minute later
                self.jobs.cancel();
                Ok(Response::Done(format!("background: {}", self.pipeline.scene().label)))
            }
            Request::SetPrompt { wish } => self.set_prompt(*wish, talk).await,
            Request::CancelPrompt => self.cancel_prompt(),
            Request::Pause => {
                self.adjust(|choice| choice.paused = true).await;
                Ok(Response::Done("paused: others see a still card".to_owned()))
            }
            Request::Resume => {
                self.adjust(|choice| choice.paused = false).await;
                Ok(Response::Done("resumed".to_owned()))
            }
            Request::Mirror { on } => {
                self.adjust(|choice| choice.mirror = on).await;
                Ok(Response::Done(format!("mirror: {}", if on { "on" } else { "off" })))
            }
            Request::SetLook { change } => self.set_look(change).await,
            Request::ResetLook { names } => self.reset_look(&names).await,
            Request::SetQuality { quality } => self.set_quality(quality).await,
            Request::SetCamera { camera } => self.set_camera(camera).await,
            Request::Reload => Ok(Response::Done(self.reload().await?)),
            Request::Stop => {
                self.stop.notify_one();
                Ok(Response::Done("stopping".to_owned()))
            }
        }
    }

    async fn status(&self) -> Status {
        let outputs = self.outputs.status(Instant::now());
        let nodes = nodes(&outputs);
        let readers = tokio::task::spawn_blocking(move || readers_of(&nodes)).await.unwrap_or_default();
        let scene = self.pipeline.scene();
        let stations = self.pipeline.stations();
        let (dropped_for_mask, dropped_for_render) = self.pipeline.dropped();
        let (on, why) = self.pipeline.wanted();
        let (rates, cpu_percent) = lock(&self.pulse).measured();
        let page = lock(&self.page).clone();
        let config = lock(&self.config);
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            uptime_s: self.started.elapsed().as_secs_f64(),
            rss_mib: stats::rss_mib(),
            cpu_percent,
            page,
            scene: SceneStatus {
                version: scene.version,
                label: scene.label.clone(),
                background: scene.spec.clone(),
                look: scene.look.clone(),
                mirror: scene.mirror,
                paused: scene.paused,
            },
            camera: CameraStatus {
                wanted: config.camera.device.clone(),
                on: on && !scene.paused,
                why: if scene.paused { "paused".to_owned() } else { why },
                source: stations.source,
                error: stations.camera_failure,
            },
            mask: MaskStatus {
                wanted: config.mask.model.clone(),
                model: stations.model,
                wanted_quality: config.mask.quality,
                quality: stations.quality,
                processor: stations.processor,
                processor_error: stations.processor_failure,
                eased: stations.eased,
                quality_error: stations.quality_failure,
                error: stations.mask_failure,
            },
            prompt: self.jobs.status(),
            provider: config.prompt.provider.clone(),
            rates,
            dropped_for_mask,
            dropped_for_render,
            counters: self.pipeline.stats().snapshot(),
            outputs,
            readers,
        }
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

/// The device nodes among the virtual cameras that are well.
fn nodes(outputs: &[OutputStatus]) -> Vec<PathBuf> {
    let well = outputs.iter().filter(|output| output.failure.is_none());
    well.filter(|output| matches!(output.output, SinkSpec::Loopback(_) | SinkSpec::Auto))
        .map(|output| PathBuf::from(&output.name))
        .filter(|path| path.is_absolute())
        .collect()
}

fn readers_of(nodes: &[PathBuf]) -> Vec<sink::Reader> {
    nodes.iter().flat_map(|node| sink::readers(node).unwrap_or_default()).collect()
}

/// A background that is ready to be shown.
struct Ready {
    spec: BackgroundSpec,
    label: String,
    background: Background,
    fade: Duration,
}

impl Ready {
    /// Treats it as `look` wants it.
    async fn load(spec: &BackgroundSpec, look: &Look, config: &Config) -> Result<Self, Failure> {
        let crossfade = config.crossfade;
        let options = background::Options::for_look(look, config.size, config.limits);
        let options = background::Options { crossfade, ..options };
        let (wanted, bound) = (spec.clone(), config.gallery_bytes);
        let loading = tokio::task::spawn_blocking(move || {
            let background = Background::load(&wanted, &options)?;
            let label = prompt::label(&wanted, bound);
            Ok(Self { spec: wanted, label, background, fade: crossfade })
        });
        let loaded = loading.await.map_err(|error| internal(&error))?;
        loaded.map_err(|error: BackgroundError| Failure::from(&error))
    }

    fn scene(self, version: u64, (look, overlay): Looks, &Choice { mirror, paused, .. }: &Choice) -> Scene {
        let Self { spec, label, background, fade } = self;
        Scene { version, label, spec, background, look, overlay, mirror, paused, fade }
    }
}

/// A look, with the overlay that it names.
type Looks = (Look, Option<Overlay>);

async fn first_scene(choice: &Choice, config: &Config, overlay: Option<Overlay>) -> Result<Scene, Failure> {
    let spec = choice.background.as_ref().unwrap_or(&config.background);
    let look = look_of(choice, config);
    Ok(Ready::load(spec, &look, config).await?.scene(1, (look, overlay), choice))
}

/// The scene in place of one that can't be loaded: never the plain room.
async fn blurred(
    choice: &Choice,
    config: &Config,
    overlay: Option<Overlay>,
    failure: &Failure,
) -> Result<Scene, Failure> {
    tracing::warn!(hint = failure.hint, "{failure}; showing a blurred room in its place");
    let background = Some(BackgroundSpec::Blur { strength: DEFAULT_BLUR });
    first_scene(&Choice { background, ..choice.clone() }, config, overlay).await
}

// Every value behind these locks is replaced whole, so a panic elsewhere leaves nothing half-done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn internal(error: &dyn std::error::Error) -> Failure {
    Failure::new(Kind::Internal, crate::error::chain(error))
}
