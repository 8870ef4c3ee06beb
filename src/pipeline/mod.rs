//! Live operation: four threads, joined by mailboxes, around one published [`Scene`].
//!
//! ```text
//!  capture ──frames──┬──────────────────▶ render ──▶ outputs
//!     ▲              └──▶ segment ──masks──┘  ▲         │
//!     └ demand ──────────── watch ◀──readers──│─────────┘
//!                                             └ Scene, loaded once per frame
//! ```
//!
//! The camera is open only while an app reads an output; `demand` has the rules.
//!
//! The capture thread never waits for the others: a mailbox holds one value and the newest wins. The render thread
//! waits part of a frame time for the mask of its own frame, then falls back to the latest mask. If that mask is too
//! old for the frame, it shows the frame the mask belongs to; without a mask it shows only the background. Nothing here
//! allocates once the buffers exist, except when quality `auto` swaps models. Viewers of the control page get small
//! copies from the [`Preview`].

mod camera_search;
mod capture;
mod clock;
mod demand;
mod fade;
#[cfg(test)]
mod fakes;
mod health;
mod limits;
mod links;
mod preview;
mod quality;
mod render;
mod running;
mod scenes;
mod segment;
mod still;
mod wake;
mod watch;

// not in the signal's own file, which tests/loom.rs compiles too
#[cfg(test)]
#[path = "wake/tests.rs"]
mod wake_tests;

use std::{
    io,
    path::Path,
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

pub(crate) use self::quality::machine::LocalMachine;
pub use self::{
    clock::Clock,
    health::StageHealth,
    preview::{Preview, Subscription, View},
    quality::machine::{CpuHeadroom, Machine},
};
use self::{links::Links, running::Running};
use crate::{
    camera::{self, CameraError, FrameSource},
    compose::Scene,
    frame::{Frame, Mask, Size},
    mask::{self, MaskError, Segmenter},
    sink::Outputs,
    stats::Stats,
};

/// How long a dropped pipeline waits for its threads. Loading a model takes seconds.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// The initial settings of a pipeline.
#[derive(Debug)]
pub struct Settings {
    /// The size of every frame from the camera's decoder to the outputs; fixed for the life of the pipeline.
    pub size: Size,
    /// The expected frame rate, used until the camera's real rate has been measured.
    pub fps: u32,
    /// The camera to open.
    pub camera: camera::Settings,
    /// The model to load.
    pub mask: mask::Settings,
    /// The first scene.
    pub scene: Scene,
    /// Keep the camera open even when no app reads an output.
    pub always_on: bool,
}

/// A running pipeline. Dropping it stops the threads, which takes up to ten seconds.
#[derive(Debug)]
pub struct Pipeline {
    links: Links,
    threads: Vec<JoinHandle<()>>,
    running: Arc<Running>,
}

/// The pipeline's connections to hardware, models and clocks; tests replace them with fakes.
#[derive(Debug)]
pub struct Drivers {
    /// Opens a camera.
    pub open_camera: OpenCamera,
    /// Opens a model.
    pub open_model: OpenModel,
    /// Measures how much CPU time is left.
    pub machine: Box<dyn Machine>,
    /// The time between two checks of the load: one tick of the quality rules.
    pub load_interval: Duration,
    /// The clocks used to determine the age of a frame.
    pub clock: Clock,
}

impl Default for Drivers {
    fn default() -> Self {
        Self {
            open_camera: camera::open,
            open_model: mask::open,
            machine: Box::new(LocalMachine::new(Path::new("/"))),
            load_interval: Duration::from_secs(1),
            clock: Clock::default(),
        }
    }
}

/// Opens a camera: [`camera::open`] or a fake.
pub type OpenCamera = fn(&camera::Settings) -> Result<Box<dyn FrameSource>, CameraError>;

/// Opens a model: [`mask::open`] or a fake.
pub type OpenModel = fn(&mask::Settings, Size) -> Result<Box<dyn Segmenter>, MaskError>;

/// A frame and the camera session it comes from.
#[derive(Debug, Clone)]
struct CapturedFrame {
    session: u64,
    /// When the frame arrived; [`Frame::captured_at`] is when the camera took it.
    arrived: Instant,
    /// The total suspend time at that moment, as returned by [`Clock::suspended`].
    suspended: Duration,
    frame: Arc<Frame>,
}

/// A frame, its mask and the camera session they come from.
#[derive(Debug)]
struct MaskedFrame {
    session: u64,
    frame: Arc<Frame>,
    mask: Arc<Mask>,
    /// The number of frames by which masks lag behind in this mode; the output waits for them.
    delay: u64,
}

impl Pipeline {
    /// Starts the threads. A camera or model that cannot be opened is not an error: the pipeline keeps trying and shows
    /// a placeholder card meanwhile.
    ///
    /// # Errors
    /// If a thread cannot be started.
    pub fn start(settings: Settings, outputs: Outputs) -> io::Result<Self> {
        Self::start_with(Drivers::default(), settings, outputs)
    }

    /// Like [`Pipeline::start`], with the given drivers; for tests.
    ///
    /// # Errors
    /// If a thread cannot be started.
    pub fn start_with(drivers: Drivers, settings: Settings, outputs: Outputs) -> io::Result<Self> {
        let Drivers { open_camera, open_model, machine, load_interval, clock } = drivers;
        let links = Links::new(settings);
        let monitor = outputs.monitor();
        let render = links.render(clock, outputs);
        let segment = links.segment(open_model, load_interval);
        let capture = links.capture(open_camera, clock);
        let watch = links.watch(load_interval);
        let mut pipeline = Self { links, threads: Vec::with_capacity(4), running: Arc::default() };
        pipeline.spawn("bgcam-render", move || render.run())?;
        pipeline.spawn("bgcam-mask", move || segment.run())?;
        pipeline.spawn("bgcam-camera", move || capture.run())?;
        pipeline.spawn("bgcam-watch", move || watch.run(&monitor, machine))?;
        Ok(pipeline)
    }

    fn spawn(&mut self, name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let running = self.running.add_thread();
        let counted = move || {
            let _running = running;
            body();
        };
        self.threads.push(thread::Builder::new().name(name.to_owned()).spawn(counted)?);
        Ok(())
    }

    /// Replaces the scene, starting with the next frame and fading over [`Scene::fade`].
    pub fn publish(&self, scene: Scene) {
        self.links.scenes.publish(scene);
        self.links.wake.wake(); // a waiting thread shows it immediately, and a paused camera is closed
    }

    /// The version of the scene last shown by the outputs. A scene that fades in counts once the fade is complete.
    pub fn shown(&self) -> u64 {
        self.links.scenes.shown()
    }

    /// Waits until the outputs have shown this scene or a newer one, as counted by [`Pipeline::shown`].
    pub async fn wait_until_shown(&self, version: u64) {
        self.links.scenes.wait_until_shown(version).await;
    }

    /// The scene that is still visible, wholly or in part, while the newest one fades in.
    pub fn outgoing(&self) -> Option<Arc<Scene>> {
        self.links.scenes.outgoing()
    }

    /// Whether the outputs show a still of an earlier frame, as requested by [`Scene::frozen`]. There may have been no
    /// frame, or the machine may have been suspended since.
    pub fn is_frozen(&self) -> bool {
        self.links.scenes.is_frozen()
    }

    /// Frees replaced scenes that are no longer in use; call this regularly.
    pub fn free_retired(&self) {
        self.links.scenes.free_retired();
    }

    /// The current scene.
    pub fn scene(&self) -> Arc<Scene> {
        self.links.scenes.load_full()
    }

    /// Changes the camera. The same camera is reopened if its settings changed or it could not be opened.
    pub fn set_camera(&self, settings: camera::Settings) {
        if self.links.camera.load().device != settings.device {
            self.links.health.lock().had_camera = false;
        }
        if **self.links.camera.load() != settings || self.health().camera_failure.is_some() {
            self.links.camera.store(Arc::new(settings));
            self.links.wake.wake();
        }
    }

    /// Changes the model. The same model is reloaded if its settings changed or it could not be loaded.
    pub fn set_mask(&self, settings: mask::Settings) {
        if **self.links.mask.load() != settings || self.health().mask_failure.is_some() {
            self.links.mask.store(Arc::new(settings));
            self.links.wake.wake();
        }
    }

    /// Sets whether the camera stays open when no app reads.
    pub fn set_always_on(&self, always: bool) {
        self.links.power.set_always(always);
        self.links.wake.wake();
    }

    /// Whether the camera should be open, and the reason.
    pub fn camera_wanted(&self) -> (bool, String) {
        (self.links.power.is_on(), self.links.power.reason())
    }

    /// The source of live previews for the control page.
    pub fn preview(&self) -> Arc<Preview> {
        Arc::clone(&self.links.preview)
    }

    /// The counters.
    pub fn stats(&self) -> &Stats {
        &self.links.stats
    }

    /// Frames replaced in a mailbox before the segmenter or the compositor took them.
    pub fn dropped(&self) -> (u64, u64) {
        (self.links.frames_to_segment.dropped(), self.links.frames_to_render.dropped())
    }

    /// The state of the camera and the model.
    pub fn health(&self) -> StageHealth {
        self.links.health.lock().clone()
    }

    /// Whether a thread has ended without being asked to, which is a bug.
    pub fn is_broken(&self) -> bool {
        self.threads.iter().any(JoinHandle::is_finished)
    }

    /// Asks the threads to end; [`Pipeline::stop`] and [`Drop`] wait for them.
    pub fn request_stop(&self) {
        self.links.wake.stop();
        self.links.frames_to_segment.close();
        self.links.frames_to_render.close();
        self.links.masks.close();
    }

    /// Whether all threads have ended, after [`Pipeline::request_stop`].
    pub fn is_stopped(&self) -> bool {
        self.running.wait_for_end(Duration::ZERO)
    }

    /// Waits until all threads have ended, after [`Pipeline::request_stop`].
    pub async fn stopped(&self) {
        self.running.ended().await;
    }

    /// Stops the threads and waits for them. A thread that does not end within `timeout`, because a driver or a model
    /// hangs, is left behind and ends with the process.
    pub fn stop(&mut self, timeout: Duration) {
        self.request_stop();
        let all_ended = self.running.wait_for_end(timeout);
        for thread in self.threads.drain(..).rev() {
            let name = thread.thread().name().unwrap_or_default().to_owned();
            if !all_ended && !thread.is_finished() {
                tracing::warn!("thread {name} did not stop in time");
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
