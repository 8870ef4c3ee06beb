//! The way of a frame at run time: three threads and one that watches the readers, joined by mailboxes, around one published [`Scene`].
//!
//! ```text
//!  capture ──frames──┬──────────────────▶ render ──▶ outputs
//!     ▲              └──▶ segment ──masks──┘  ▲         │
//!     └ wanted ──────────── watch ◀───readers─│─────────┘
//!                                             └ Scene, one look a frame
//! ```
//!
//! The camera is open only while somebody reads an output; `demand` has the rules.
//!
//! The capture thread never waits for the others; a mailbox holds one value, the newest wins. The render thread waits a
//! part of a frame time for the mask of its own frame, then takes the last one; when that is too old for the frame, it
//! shows the frame that the mask was made of, and no person at all when there is none. Nothing here allocates once the
//! buffers are made, but when quality `auto` lets another model take over. Whoever wants to watch gets small copies from the
//! [`Tap`].

mod capture;
mod clock;
mod demand;
mod fade;
mod limits;
mod pace;
mod quality;
mod render;
mod segment;
mod tap;
#[cfg(test)]
mod twin;
mod watch;

use std::{
    io,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;

pub use self::{
    clock::Clock,
    quality::machine::{Machine, Room},
    tap::{Tap, View, Watching},
};
use self::{limits::Limits, pace::Switch, quality::machine::ThisMachine};
use crate::{
    camera::{self, CameraError, FrameSource, SourceInfo},
    compose::Scene,
    error::Failure,
    frame::{Frame, Mask, Size, mailbox::Latest},
    mask::{self, MaskError, ModelInfo, Quality, Segmenter},
    sink::Outputs,
    stats::Stats,
};

/// How long a dropped pipeline waits for its threads: a model that is being loaded takes seconds.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// What the pipeline is started with.
#[derive(Debug)]
pub struct Settings {
    /// The size of every frame from the camera's decoder to the outputs; never changes while the pipeline lives.
    pub size: Size,
    /// The rate that frames are expected at, until it is known how fast the camera really is.
    pub fps: u32,
    /// The camera to open.
    pub camera: camera::Settings,
    /// The model to load.
    pub mask: mask::Settings,
    /// What is shown first.
    pub scene: Scene,
    /// Whether the camera is open also while nobody reads an output that can tell.
    pub always_on: bool,
}

/// A running pipeline; stops when dropped, which takes ten seconds at the most.
#[derive(Debug)]
pub struct Pipeline {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    /// Scenes that were replaced, kept until no thread looks at them, so that none is freed on the way of a frame.
    retired: Mutex<Vec<Arc<Scene>>>,
}

/// What the threads and the control side share.
#[derive(Debug)]
struct Shared {
    size: Size,
    /// Nanoseconds from frame to frame, as the camera really is.
    frame_time: AtomicU64,
    scene: ArcSwap<Scene>,
    /// The version of the scene that the outputs had last.
    shown: AtomicU64,
    /// The version of the scene that comes in over one that needs masks; 0 when none does.
    fading_to: AtomicU64,
    camera: ArcSwap<camera::Settings>,
    mask: ArcSwap<mask::Settings>,
    frames_to_segment: Latest<Shot>,
    frames_to_render: Latest<Shot>,
    masks: Latest<Cut>,
    /// What the machine has left, as it was seen last.
    room: Mutex<Option<Room>>,
    switch: Switch,
    tap: Arc<Tap>,
    wanted: watch::Wanted,
    stats: Stats,
    stations: Mutex<Stations>,
    open_camera: OpenCamera,
    open_model: OpenModel,
    second: Duration,
    clock: Clock,
}

/// Where the pipeline meets the world; tests put twins here.
#[derive(Debug)]
pub struct Edges {
    /// How a camera is opened.
    pub open_camera: OpenCamera,
    /// How a model is opened.
    pub open_model: OpenModel,
    /// Who tells how much room the machine has.
    pub machine: Box<dyn Machine>,
    /// How often the load is looked at: the second in which its rules count.
    pub second: Duration,
    /// The clocks by which pictures grow old.
    pub clock: Clock,
}

impl Default for Edges {
    fn default() -> Self {
        Self {
            open_camera: camera::open,
            open_model: mask::open,
            machine: Box::new(ThisMachine::new(Path::new("/"))),
            second: Duration::from_secs(1),
            clock: Clock::default(),
        }
    }
}

/// How a camera is opened: [`camera::open`], or a twin of it.
pub type OpenCamera = fn(&camera::Settings) -> Result<Box<dyn FrameSource>, CameraError>;

/// How a model is opened: [`mask::open`], or a twin of it.
pub type OpenModel = fn(&mask::Settings, Size) -> Result<Box<dyn Segmenter>, MaskError>;

/// A frame and the opening of the camera that it comes from.
#[derive(Debug, Clone)]
struct Shot {
    session: u64,
    /// When it came to us; [`Frame::captured_at`] is when the camera took it.
    arrived: Instant,
    /// How long the machine had been suspended then, by [`Clock::suspended`].
    suspended: Duration,
    frame: Arc<Frame>,
}

/// A frame, its mask, and the opening of the camera that they come from.
#[derive(Debug)]
struct Cut {
    session: u64,
    frame: Arc<Frame>,
    mask: Arc<Mask>,
    /// By how many frames masks follow their frames where this one was made: the picture waits for them.
    delay: u64,
}

/// How the camera and the model are; touched only when one is opened or fails.
#[derive(Debug, Default, Clone)]
pub struct Stations {
    /// The open camera.
    pub source: Option<SourceInfo>,
    /// Why there is no camera.
    pub camera_failure: Option<Failure>,
    /// The program that has the camera, where that is why.
    pub camera_holder: Option<String>,
    /// The loaded model's name.
    pub model: Option<String>,
    /// The quality that it runs in.
    pub quality: Option<Quality>,
    /// By how many steps, of [`mask::LOWEST`], the masks are cheaper than that because the machine is busy.
    pub eased: u8,
    /// What is worth knowing about the last masks.
    pub masks: mask::Report,
    /// Why that is less than the settings ask for.
    pub quality_failure: Option<Failure>,
    /// What runs the models.
    pub processor: Option<mask::Processor>,
    /// Why that is not what the settings ask for.
    pub processor_failure: Option<Failure>,
    /// Why there is no model.
    pub mask_failure: Option<Failure>,
}

impl Stations {
    fn found_camera(&mut self, source: SourceInfo) {
        self.source = Some(source);
        (self.camera_failure, self.camera_holder) = (None, None);
    }

    /// It was closed because nobody wants it.
    fn rest_camera(&mut self) {
        self.source = None;
        (self.camera_failure, self.camera_holder) = (None, None);
    }

    /// True when this is news.
    fn lose_camera(&mut self, holder: Option<String>, failure: &Failure) -> bool {
        self.source = None;
        self.camera_holder = holder;
        self.camera_failure.replace(failure.clone()).as_ref() != Some(failure)
    }

    fn found_model(&mut self, model: &str, info: &ModelInfo, instead_of: Option<&Failure>) {
        self.model = Some(model.to_owned());
        self.quality = Some(info.quality);
        self.processor = Some(info.processor);
        self.processor_failure.clone_from(&info.processor_error);
        self.quality_failure = instead_of.or(info.missing.as_ref()).cloned();
        self.mask_failure = None;
    }

    /// True when this is news.
    fn lose_model(&mut self, failure: &Failure) -> bool {
        (self.model, self.quality, self.quality_failure) = (None, None, None);
        (self.processor, self.processor_failure) = (None, None);
        self.masks = mask::Report::default();
        self.mask_failure.replace(failure.clone()).as_ref() != Some(failure)
    }
}

impl Pipeline {
    /// Starts the threads. A camera or model that can't be opened is no error here: it is looked for again and again,
    /// while the outputs show a card.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(settings: Settings, outputs: Outputs) -> io::Result<Self> {
        Self::start_with(Edges::default(), settings, outputs)
    }

    /// The same, with other edges: for tests.
    ///
    /// # Errors
    /// As [`Pipeline::start`].
    pub fn start_with(edges: Edges, settings: Settings, outputs: Outputs) -> io::Result<Self> {
        let (shared, machine) = Shared::new(edges, settings);
        let shared = Arc::new(shared);
        let mut pipeline = Self { shared, threads: Vec::with_capacity(4), retired: Mutex::default() };
        let monitor = outputs.monitor();
        pipeline.spawn("bgcam-render", move |shared| render::Render::new(shared, outputs).run())?;
        pipeline.spawn("bgcam-mask", |shared| segment::run(&shared))?;
        pipeline.spawn("bgcam-camera", |shared| capture::run(&shared))?;
        pipeline.spawn("bgcam-watch", move |shared| watch::run(&shared, &monitor, machine))?;
        Ok(pipeline)
    }

    fn spawn(&mut self, name: &str, body: impl FnOnce(Arc<Shared>) + Send + 'static) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        self.threads.push(thread::Builder::new().name(name.to_owned()).spawn(move || body(shared))?);
        Ok(())
    }

    /// Puts a new scene in place of the old one, from the next frame on, or within [`Scene::fade`].
    pub fn publish(&self, scene: Scene) {
        if !scene.fade.is_zero() && self.shared.scene.load().needs_mask() {
            self.shared.fading_to.store(scene.version, Ordering::Release);
        }
        let old = self.shared.scene.swap(Arc::new(scene));
        self.shared.switch.wake(); // whoever waits shows it at once, and a paused camera is closed
        let mut retired = self.retired.lock().unwrap_or_else(PoisonError::into_inner);
        retired.push(old);
        retired.retain(|scene| Arc::strong_count(scene) > 1);
    }

    /// The version of the scene that the outputs had last; one that fades in counts when it is there as a whole.
    pub fn shown(&self) -> u64 {
        self.shared.shown.load(Ordering::Acquire)
    }

    /// The scene that others still see, wholly or in part, while the newest fades in.
    pub fn outgoing(&self) -> Option<Arc<Scene>> {
        let shown = self.shown();
        let retired = self.retired.lock().unwrap_or_else(PoisonError::into_inner);
        retired.iter().find(|scene| scene.version == shown).filter(|_| shown < self.scene().version).cloned()
    }

    /// Frees the scenes that no thread looks at any more; to be called now and then.
    pub fn free_retired(&self) {
        self.retired.lock().unwrap_or_else(PoisonError::into_inner).retain(|scene| Arc::strong_count(scene) > 1);
    }

    /// The scene that is shown.
    pub fn scene(&self) -> Arc<Scene> {
        self.shared.scene.load_full()
    }

    /// Changes to another camera, or opens the same one anew when its settings changed or it could not be opened.
    pub fn set_camera(&self, settings: camera::Settings) {
        if **self.shared.camera.load() != settings || self.stations().camera_failure.is_some() {
            self.shared.camera.store(Arc::new(settings));
            self.shared.switch.wake();
        }
    }

    /// Changes to another model, or loads the same one anew when its settings changed or it could not be loaded.
    pub fn set_mask(&self, settings: mask::Settings) {
        if **self.shared.mask.load() != settings || self.stations().mask_failure.is_some() {
            self.shared.mask.store(Arc::new(settings));
            self.shared.switch.wake();
        }
    }

    /// Whether the camera is open also while nobody reads.
    pub fn set_always_on(&self, always: bool) {
        self.shared.wanted.set_always(always);
        self.shared.switch.wake();
    }

    /// Whether somebody wants the camera, and why or why not.
    pub fn wanted(&self) -> (bool, String) {
        (self.shared.wanted.is_on(), self.shared.wanted.why())
    }

    /// Where the pictures can be watched.
    pub fn tap(&self) -> Arc<Tap> {
        Arc::clone(&self.shared.tap)
    }

    /// The counters.
    pub fn stats(&self) -> &Stats {
        &self.shared.stats
    }

    /// Frames that were replaced in a mailbox before the model or the compositor took them.
    pub fn dropped(&self) -> (u64, u64) {
        (self.shared.frames_to_segment.dropped(), self.shared.frames_to_render.dropped())
    }

    /// How the camera and the model are.
    pub fn stations(&self) -> Stations {
        self.shared.stations().clone()
    }

    /// Whether one of the threads has ended although nobody asked for it: a bug of ours.
    pub fn is_broken(&self) -> bool {
        self.threads.iter().any(JoinHandle::is_finished)
    }

    /// Asks the threads to end; [`Pipeline::stop`] and [`Drop`] wait for them.
    pub fn request_stop(&self) {
        self.shared.switch.stop();
        self.shared.frames_to_segment.close();
        self.shared.frames_to_render.close();
        self.shared.masks.close();
    }

    /// Whether all threads have ended, after [`Pipeline::request_stop`].
    pub fn is_stopped(&self) -> bool {
        self.threads.iter().all(JoinHandle::is_finished)
    }

    /// Stops the threads and waits for them. One that does not end within `within` (a driver or a model that hangs) is left
    /// behind, and ends with the process.
    pub fn stop(&mut self, within: Duration) {
        self.request_stop();
        let deadline = Instant::now() + within;
        while !self.is_stopped() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(2));
        }
        for thread in self.threads.drain(..).rev() {
            let name = thread.thread().name().unwrap_or_default().to_owned();
            if !thread.is_finished() {
                tracing::warn!("thread {name} did not end in time");
            } else if thread.join().is_err() {
                tracing::error!("thread {name} panicked");
            }
        }
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        self.stop(STOP_TIMEOUT);
    }
}

impl Shared {
    fn new(edges: Edges, settings: Settings) -> (Self, Box<dyn Machine>) {
        let Edges { open_camera, open_model, machine, second, clock } = edges;
        let shared = Self {
            size: settings.size,
            frame_time: AtomicU64::default(),
            scene: ArcSwap::from_pointee(settings.scene),
            shown: AtomicU64::default(),
            fading_to: AtomicU64::default(),
            camera: ArcSwap::from_pointee(settings.camera),
            mask: ArcSwap::from_pointee(settings.mask),
            frames_to_segment: Latest::default(),
            frames_to_render: Latest::default(),
            masks: Latest::default(),
            room: Mutex::default(),
            switch: Switch::default(),
            tap: Arc::default(),
            wanted: watch::Wanted::new(settings.always_on),
            stats: Stats::default(),
            stations: Mutex::default(),
            open_camera,
            open_model,
            second,
            clock,
        };
        shared.set_frame_time(Duration::from_secs(1) / settings.fps.max(1));
        (shared, machine)
    }

    // Nothing in this lock can be left half-changed: fields are replaced one by one.
    fn stations(&self) -> std::sync::MutexGuard<'_, Stations> {
        self.stations.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_room(&self, room: Option<Room>) {
        *self.room.lock().unwrap_or_else(PoisonError::into_inner) = room;
    }

    fn room(&self) -> Option<Room> {
        *self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the camera is to be open: somebody reads, and the user has not paused it.
    fn camera_wanted(&self) -> bool {
        self.wanted.is_on() && !self.scene.load().paused
    }

    /// Whether masks are wanted: by the scene, or by the one that it takes the place of.
    fn masks_wanted(&self) -> bool {
        let scene = self.scene.load();
        let fading = self.fading_to.load(Ordering::Acquire) == scene.version;
        scene.needs_mask() || (fading && !scene.paused && scene.version > 0)
    }

    /// The time from frame to frame, as the camera really is.
    fn frame_time(&self) -> Duration {
        Duration::from_nanos(self.frame_time.load(Ordering::Relaxed))
    }

    fn set_frame_time(&self, time: Duration) {
        self.frame_time.store(time.as_nanos() as u64, Ordering::Relaxed);
    }

    fn limits(&self) -> Limits {
        Limits(self.frame_time())
    }

    fn now(&self) -> Instant {
        (self.clock.now)()
    }
}
