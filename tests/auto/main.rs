//! Quality `auto` at run time, and delayed masks, verified with numbered frames.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod fakes;
mod real_models;

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bgcam::{
    background::{self, Background, BackgroundSpec},
    camera::{self, CameraError, FrameSource, SourceInfo},
    compose::Scene,
    frame::{Frame, Mask, Size, Yuv},
    mask::{self, Latency, MaskError, ModelInfo, ModelLocation, Processor, Quality, Segmenter},
    pipeline::{self, CpuHeadroom, Drivers, Machine, Pipeline},
    sink::{FrameSink, Outputs, SinkError, SinkSpec},
};
use fakes::*;

const SIZE: Size = Size::HD;
const TIMEOUT: Duration = Duration::from_secs(60);

/// Slow enough that no mask is late on a busy machine.
const FPS: u32 = 20;

/// A shorter tick for the quality rules.
const SECOND: Duration = Duration::from_millis(50);

/// A laptop on mains power, mostly idle.
const IDLE_LAPTOP: CpuHeadroom = CpuHeadroom { cores: 8, idle: Some(0.9), on_battery: false };

/// Runs one test at a time, because the fakes use statics.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn wait_for(what: &str, done: impl Fn() -> bool) {
    let deadline = Instant::now() + TIMEOUT;
    while !done() {
        assert!(Instant::now() < deadline, "not within {TIMEOUT:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The background: black, unlike any camera frame.
const BACKGROUND: &str = "#000";

struct Stage {
    pipeline: Pipeline,
    reader: Reader,
    machine: FakeMachine,
}

fn start(settings: mask::Settings, headroom: CpuHeadroom) -> Stage {
    SLOW.store(false, Ordering::Relaxed);
    [&DEGRADED, &DEGRADED_HIGH, &OPENED].iter().for_each(|count| count.store(0, Ordering::Relaxed));
    let (reader, machine) = (Reader::default(), FakeMachine(Arc::new(Mutex::new(headroom))));
    let drivers = Drivers {
        open_camera: numbered,
        open_model: open_fake,
        machine: Box::new(machine.clone()),
        load_interval: SECOND,
        ..Drivers::default()
    };
    Stage { pipeline: play(drivers, FPS, settings, reader.clone()), reader, machine }
}

fn play(drivers: Drivers, fps: u32, mask: mask::Settings, sink: impl FrameSink + Clone + 'static) -> Pipeline {
    let opener = Box::new(move |_: &_, _, _| Ok(Box::new(sink.clone()) as _));
    let outputs = Outputs::open_with(opener, &[SinkSpec::None], SIZE, fps, Instant::now());
    let spec: BackgroundSpec = BACKGROUND.parse().unwrap();
    let background = Background::load(&spec, &background::Options::new(SIZE)).unwrap();
    let scene = Scene { version: 1, label: spec.to_string(), spec, background, ..Scene::off() };
    let device = "demo".to_owned();
    let camera = camera::Settings { device, size: SIZE, fps, fourcc: None, timeout: Duration::from_secs(2) };
    Pipeline::start_with(
        drivers,
        pipeline::Settings { size: SIZE, fps, camera, mask, scene, always_on: false },
        outputs,
    )
    .unwrap()
}

fn model(name: &str) -> mask::Settings {
    mask::Settings { model: name.to_owned(), ..mask::Settings::default() }
}

impl Stage {
    fn quality(&self) -> Option<Quality> {
        self.pipeline.health().quality
    }

    fn wait_for_quality(&self, quality: Quality) {
        wait_for(&format!("it runs in {quality}"), || self.quality() == Some(quality));
    }

    /// Waits for more frames with masks.
    fn wait_for_frames(&self, frames: u64) {
        let masks = self.pipeline.stats().masks.get();
        wait_for("masks are computed", || self.pipeline.stats().masks.get() > masks + frames);
    }

    fn set_headroom(&self, headroom: CpuHeadroom) {
        *self.machine.0.lock().unwrap() = headroom;
    }

    fn shown(&self) -> Vec<Shown> {
        self.reader.0.lock().unwrap().clone()
    }

    /// Asserts that no frame was composed with the mask of another, except those counted as late.
    fn assert_masks_match(&self) {
        let shown = self.shown();
        let wrong: Vec<_> = shown.iter().filter(|shown| shown.frame != shown.mask).collect();
        let late = self.pipeline.stats().late_masks.get();
        assert!(wrong.len() as u64 <= late, "{late} late masks of {}, {wrong:?}", shown.len());
    }

    /// Asserts that almost no mask was late.
    fn assert_on_time(&self) {
        let (late, shown) = (self.pipeline.stats().late_masks.get(), self.shown().len());
        assert!(late * 10 < shown as u64, "{late} late masks of {shown}");
    }
}

#[test]
fn it_switches_up_and_back_and_every_mask_belongs_to_its_frame() {
    let _alone = alone();
    let stage = start(model("fake"), IDLE_LAPTOP);
    stage.wait_for_quality(Quality::Balanced);
    stage.wait_for_quality(Quality::High);
    stage.wait_for_frames(10);
    stage.assert_masks_match();
    stage.assert_on_time();
    wait_for("the other model is freed", || ALIVE.load(Ordering::Relaxed) == 1);
    stage.set_headroom(CpuHeadroom { on_battery: true, ..IDLE_LAPTOP });
    stage.wait_for_quality(Quality::Balanced);
    stage.wait_for_frames(10);
    stage.assert_masks_match();
    let shown = stage.shown();
    assert!(shown.len() > 40, "{} frames", shown.len());
    // a frame is repeated when switching up, and one is skipped when switching back; nothing else is visible
    let stats = stage.pipeline.stats();
    let step = |pair: &[Shown]| (pair[1].frame + NUMBERS - pair[0].frame) % NUMBERS;
    let skips = shown.windows(2).filter(|pair| step(pair) > 2).count() as u64;
    assert!(skips <= stats.late_masks.get() + stage.pipeline.dropped().1, "{shown:?}");
    stage.set_headroom(IDLE_LAPTOP);
    stage.wait_for_quality(Quality::High);
    assert_eq!(DEGRADED.load(Ordering::Relaxed), 0, "balanced was never too expensive");
}

#[test]
fn without_headroom_it_stays() {
    let _alone = alone();
    for headroom in [
        CpuHeadroom { on_battery: true, ..IDLE_LAPTOP },
        CpuHeadroom { cores: 2, ..IDLE_LAPTOP },
        CpuHeadroom { idle: Some(0.4), ..IDLE_LAPTOP },
    ] {
        let stage = start(model("fake"), headroom);
        stage.wait_for_quality(Quality::Balanced);
        stage.wait_for_frames(50);
        assert_eq!((stage.quality(), OPENED.load(Ordering::Relaxed)), (Some(Quality::Balanced), 1), "{headroom:?}");
    }
    let chosen = mask::Settings { quality: Quality::Balanced, ..model("fake") };
    let stage = start(chosen, IDLE_LAPTOP);
    stage.wait_for_quality(Quality::Balanced);
    stage.wait_for_frames(50);
    assert_eq!(OPENED.load(Ordering::Relaxed), 1, "the user's choice is not changed");
}

#[test]
fn late_masks_degrade_it_until_balanced_is_back() {
    let _alone = alone();
    let stage = start(model("fake"), IDLE_LAPTOP);
    stage.wait_for_quality(Quality::High);
    SLOW.store(true, Ordering::Relaxed);
    stage.wait_for_quality(Quality::Balanced);
    assert_eq!(DEGRADED_HIGH.load(Ordering::Relaxed), 2, "while the other model was prepared");
    assert_eq!(stage.pipeline.health().degraded, 0, "the active model is not degraded");
    stage.wait_for_frames(20);
    stage.assert_masks_match();
}

#[test]
fn a_model_that_cannot_be_opened_is_tried_once_without_a_visible_effect() {
    let _alone = alone();
    let stage = start(model("refused"), IDLE_LAPTOP);
    wait_for("it is tried", || OPENED.load(Ordering::Relaxed) == 2);
    stage.wait_for_frames(50);
    assert_eq!((stage.quality(), OPENED.load(Ordering::Relaxed)), (Some(Quality::Balanced), 2));
    assert_eq!(stage.pipeline.health().mask_failure, None);
    stage.assert_masks_match();
    stage.pipeline.set_mask(model("fake"));
    stage.wait_for_quality(Quality::High);
}

#[test]
fn new_settings_and_shutdown_do_not_wait_for_a_model_being_opened() {
    let _alone = alone();
    let stage = start(model("slow"), IDLE_LAPTOP);
    wait_for("it is being opened", || OPENING.load(Ordering::Relaxed));
    stage.pipeline.set_mask(mask::Settings { quality: Quality::Eco, ..model("other") });
    stage.wait_for_quality(Quality::Eco);
    wait_for("it was opened and dropped", || !OPENING.load(Ordering::Relaxed));
    stage.wait_for_frames(10);
    wait_for("only the new model is left", || ALIVE.load(Ordering::Relaxed) == 1);
    stage.assert_masks_match();
    stage.pipeline.set_mask(model("slow"));
    wait_for("it is being opened", || OPENING.load(Ordering::Relaxed));
    drop(stage);
    assert_eq!(ALIVE.load(Ordering::Relaxed), 0);
}

#[test]
fn battery_power_while_a_model_is_being_opened_cancels_it() {
    let _alone = alone();
    let stage = start(model("slow"), IDLE_LAPTOP);
    wait_for("it is being opened", || OPENING.load(Ordering::Relaxed));
    stage.set_headroom(CpuHeadroom { on_battery: true, ..IDLE_LAPTOP });
    wait_for("it was opened and dropped", || !OPENING.load(Ordering::Relaxed));
    stage.wait_for_frames(20);
    assert_eq!((stage.quality(), ALIVE.load(Ordering::Relaxed)), (Some(Quality::Balanced), 1));
    stage.assert_masks_match();
}

#[test]
fn with_latency_best_the_output_waits_a_frame_for_its_mask() {
    let _alone = alone();
    for (latency, expected) in [(Latency::Best, 1), (Latency::Low, 0)] {
        let stage = start(mask::Settings { latency, quality: Quality::Balanced, ..model("fake") }, IDLE_LAPTOP);
        stage.wait_for_quality(Quality::Balanced);
        stage.wait_for_frames(60);
        stage.assert_masks_match();
        stage.assert_on_time();
        let shown = stage.shown();
        let lag = |shown: &Shown| (shown.newest + NUMBERS - shown.frame) % NUMBERS;
        let right = shown.iter().filter(|shown| lag(shown) == expected).count();
        assert!(right * 10 > shown.len() * 9, "{latency:?}: {shown:?}");
    }
}
