//! The pipeline's threads together, from the demo camera to a memory sink, with the real model if ONNX Runtime is
//! installed.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod fades;
mod fakes;
mod late_masks;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bgcam::{
    background::{self, Background, BackgroundSpec},
    camera::{self, CameraError, FrameSource, SourceInfo},
    compose::{Freeze, Scene},
    frame::{Frame, Mask, Size, Yuv},
    look::Look,
    mask::{self, MaskError, ModelInfo, ModelLocation, Processor, Quality, Segmenter, catalogue::BUILT_IN},
    pipeline::{self, Clock, Drivers, OpenCamera, OpenModel, Pipeline, View},
    sink::{Outputs, SinkSpec, memory::Memory},
    stats::{CountingAllocator, allocations},
};
use fakes::*;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// Runs one test at a time, because the allocations of all threads are counted.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

const SIZE: Size = Size::HD;
const TIMEOUT: Duration = Duration::from_secs(60);

fn scene(spec: &str) -> Scene {
    let spec: BackgroundSpec = spec.parse().unwrap();
    let background = Background::load(&spec, &background::Options::new(SIZE)).unwrap();
    Scene { version: 1, label: spec.to_string(), spec, background, ..Scene::off() }
}

fn camera(device: &str) -> camera::Settings {
    camera::Settings { device: device.to_owned(), size: SIZE, fps: 30, fourcc: None, timeout: Duration::from_secs(2) }
}

/// A pipeline with a memory sink that keeps the last `keep` frames.
fn start(device: &str, mask: mask::Settings, scene: Scene, keep: usize) -> (Pipeline, Memory) {
    let memory = Memory::new(SIZE, keep);
    let sink = memory.clone();
    let outputs = Outputs::open_with(
        Box::new(move |_, _, _| Ok(Box::new(sink.sink()))),
        &[SinkSpec::None],
        SIZE,
        30,
        Instant::now(),
    );
    let settings = pipeline::Settings { size: SIZE, fps: 30, camera: camera(device), mask, scene, always_on: false };
    (Pipeline::start(settings, outputs).unwrap(), memory)
}

fn wait_for(what: &str, done: impl Fn() -> bool) {
    let deadline = Instant::now() + TIMEOUT;
    while !done() {
        assert!(Instant::now() < deadline, "not within {TIMEOUT:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Settings with which no model can be opened, whether or not ONNX Runtime is loaded: the built-in model is hidden by
/// one whose file is missing.
fn no_model() -> mask::Settings {
    let hidden = mask::ModelSpec { file: "/no/such/model.onnx".into(), ..mask::catalogue::bundled()[0].clone() };
    mask::Settings { custom: vec![hidden], ..mask::Settings::default() }
}

fn has_runtime() -> bool {
    match mask::library(&mask::Settings::default()) {
        Ok(_) => true,
        Err(error) => {
            eprintln!("skipped: {error} (scripts/setup installs it)");
            false
        }
    }
}

/// A video of three seconds; `None` if ffmpeg is not installed.
fn clip(folder: &std::path::Path) -> Option<String> {
    let path = folder.join("clip.mp4").display().to_string();
    let source = "testsrc2=s=640x360:r=30:d=3,format=yuv420p";
    let made = std::process::Command::new("ffmpeg").args(["-v", "error", "-f", "lavfi", "-i", source, &path]).status();
    match made {
        Ok(status) => {
            assert!(status.success());
            Some(path)
        }
        Err(_) => {
            eprintln!("skipped: ffmpeg is not installed");
            None
        }
    }
}

#[test]
fn no_thread_allocates_while_frames_are_processed() {
    let _alone = alone();
    if !has_runtime() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let clip = clip(folder.path());
    for spec in ["#20a040", "blur:50", "off"].into_iter().chain(clip.as_deref()) {
        let (pipeline, _memory) = start("demo", mask::Settings::default(), scene(spec), 1);
        let _watched = View::ALL.map(|view| pipeline.preview().subscribe(view));
        let stats = pipeline.stats();
        let count = || stats.composed.get();
        wait_for("the first second is over", || count() > 40);
        let (before, frames) = (allocations(), count());
        wait_for("another second is over", || count() > frames + 30);
        let allocations = allocations() - before;
        assert_eq!(allocations, 0, "{spec}: {allocations} allocations in {} frames", count() - frames);
        assert!(spec == "off" || stats.masks.get() > 30, "{spec}: {} masks", stats.masks.get());
        if spec == "#20a040" {
            let frozen = Some(Freeze { room: None });
            pipeline.publish(Scene { version: 2, paused: true, frozen, ..scene(spec) });
            wait_for("the camera is closed", || pipeline.is_frozen() && pipeline.health().source.is_none());
            let (before, written) = (bgcam::stats::allocations(), stats.written.get());
            wait_for("another second is over", || stats.written.get() > written + 8);
            assert_eq!(bgcam::stats::allocations() - before, 0, "while frozen");
        }
    }
}

#[test]
fn the_person_is_shown_and_the_room_is_not() {
    let _alone = alone();
    if !has_runtime() {
        return;
    }
    let (pipeline, memory) = start("demo", mask::Settings::default(), scene("#20a040"), 4);
    wait_for("masks are computed", || pipeline.stats().masks.get() > 20);
    drop(pipeline);
    let frame = memory.last().unwrap();
    let green = Yuv::from_rgb(0x20, 0xa0, 0x40);
    let share = share_of(&frame, green);
    assert!((0.2..0.95).contains(&share), "{share} of the frame is background");
}

/// The camera shows a single colour that no card and no background has: not one pixel of it may be in the output
/// without a mask, for any reason.
#[test]
fn without_a_mask_no_pixel_of_the_room_is_shown() {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    let room = dir.path().join("room.png");
    image::RgbImage::from_pixel(1280, 720, image::Rgb([255, 0, 255])).save(&room).unwrap();
    let magenta = Yuv::from_rgb(255, 0, 255);
    let (pipeline, memory) = start(&format!("file:{}", room.display()), no_model(), scene("#20a040"), 400);
    let stats = pipeline.stats();
    wait_for("frames arrive and none has a mask", || stats.unmasked.get() > 20);
    pipeline.publish(Scene { paused: true, ..scene("#20a040") });
    let count = memory.count();
    wait_for("the pause is shown", || memory.count() > count + 5);
    pipeline.publish(Scene { version: 3, ..scene("#303030") });
    pipeline.set_camera(camera("file:/no/such/file.png"));
    wait_for("the card of the lost camera is shown", || pipeline.health().camera_failure.is_some());
    let count = memory.count();
    wait_for("it stays for a while", || memory.count() > count + 20);
    drop(pipeline);
    for frame in memory.frames() {
        assert_eq!(share_of(&frame, magenta), 0.0, "frame {} shows the room", frame.seq);
    }
    // the test can detect it: the plain camera shows nothing else
    let (pipeline, memory) = start(&format!("file:{}", room.display()), mask::Settings::default(), scene("off"), 1);
    wait_for("the plain camera is shown", || pipeline.stats().composed.get() > 3);
    drop(pipeline);
    assert_eq!(share_of(&memory.last().unwrap(), magenta), 1.0);
}

/// The share of a frame that has this colour, within rounding errors.
fn share_of(frame: &Frame, colour: Yuv) -> f64 {
    let (y, u, v) = frame.planes();
    let (width, half) = (frame.size().width(), frame.size().width() / 2);
    let near = |a: u8, b: u8| a.abs_diff(b) <= 3;
    let hits = (0..y.len())
        .filter(|index| {
            let chroma = index / width / 2 * half + index % width / 2;
            near(y[*index], colour.y) && near(u[chroma], colour.u) && near(v[chroma], colour.v)
        })
        .count();
    hits as f64 / y.len() as f64
}

#[test]
fn a_hanging_camera_does_not_block_the_shutdown() {
    static OPENS: Mutex<bool> = Mutex::new(false);
    fn hang(_: &camera::Settings) -> Result<Box<dyn FrameSource>, CameraError> {
        *OPENS.lock().unwrap() = true;
        loop {
            std::thread::park();
        }
    }
    let _alone = alone();
    let memory = Memory::new(SIZE, 1);
    let sink = memory.clone();
    let opener = Box::new(move |_: &_, _, _| Ok(Box::new(sink.sink()) as _));
    let outputs = Outputs::open_with(opener, &[SinkSpec::None], SIZE, 30, Instant::now());
    let mask = mask::Settings::default();
    let settings =
        pipeline::Settings { size: SIZE, fps: 30, camera: camera("fake"), mask, scene: scene("teal"), always_on: true };
    let drivers = Drivers { open_camera: hang, open_model: left_half, ..Drivers::default() };
    let mut pipeline = Pipeline::start_with(drivers, settings, outputs).unwrap();
    wait_for("the camera is being opened", || *OPENS.lock().unwrap());
    pipeline.request_stop();
    wait_for("the outputs are finished", || memory.finished());
    assert!(!pipeline.is_stopped(), "the camera hangs");
    pipeline.stop(Duration::from_millis(1));
}
