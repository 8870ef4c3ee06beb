//! The pipeline's threads together, from the demo camera to a memory sink, with the real model if ONNX Runtime is
//! installed.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bgcam::{
    background::{Background, BackgroundSpec, Options},
    camera::{self, CameraError, FrameSource, SourceInfo},
    compose::Scene,
    frame::{Frame, Mask, Size, Yuv},
    look::Look,
    mask::{self, MaskError, ModelInfo, ModelLocation, Processor, Quality, Segmenter, catalogue::BUILT_IN},
    pipeline::{Clock, Drivers, Pipeline, Settings, View},
    sink::{Outputs, SinkSpec, memory::Memory},
    stats::{CountingAllocator, allocations},
};

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
    let background = Background::load(&spec, &Options::new(SIZE)).unwrap();
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
    let settings = Settings { size: SIZE, fps: 30, camera: camera(device), mask, scene, always_on: false };
    (Pipeline::start(settings, outputs).unwrap(), memory)
}

fn wait_for(what: &str, done: impl Fn() -> bool) {
    let deadline = Instant::now() + TIMEOUT;
    while !done() {
        assert!(Instant::now() < deadline, "not within {TIMEOUT:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
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
    let no_model =
        mask::Settings { library: Some(PathBuf::from("/no/such/libonnxruntime.so")), ..mask::Settings::default() };
    let (pipeline, memory) = start(&format!("file:{}", room.display()), no_model, scene("#20a040"), 400);
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

/// A camera with a single colour whose timestamps are as old as those of a webcam, which timestamps the start of the
/// exposure.
struct EarlyTimestamps(SourceInfo, u64);

impl FrameSource for EarlyTimestamps {
    fn info(&self) -> &SourceInfo {
        &self.0
    }

    fn size(&self) -> Size {
        SIZE
    }

    fn next(&mut self, into: &mut Frame) -> Result<(), CameraError> {
        std::thread::sleep(Duration::from_millis(33));
        self.1 += 1;
        into.fill(ROOM);
        into.seq = self.1;
        into.captured_at = Instant::now() - Duration::from_millis(30);
        Ok(())
    }
}

const ROOM: Yuv = Yuv { y: 120, u: 200, v: 90 };

fn early_timestamps(settings: &camera::Settings) -> Result<Box<dyn FrameSource>, CameraError> {
    let name = settings.device.clone();
    let info = SourceInfo { name, path: None, id: None, fourcc: "YU12".to_owned(), native: (1280, 720), fps: 30.0 };
    Ok(Box::new(EarlyTimestamps(info, 0)))
}

/// A model that finds a person in the left half of every frame, after the milliseconds given by its name.
struct LeftHalf(ModelInfo, Duration);

impl Segmenter for LeftHalf {
    fn info(&self) -> &ModelInfo {
        &self.0
    }

    fn segment(&mut self, frame: &Arc<Frame>, into: &mut Mask) -> Result<Option<Arc<Frame>>, MaskError> {
        std::thread::sleep(self.1);
        into.seq = frame.seq;
        into.captured_at = frame.captured_at;
        let width = SIZE.width();
        into.alpha_mut().iter_mut().enumerate().for_each(|(at, alpha)| *alpha = 255 * u8::from(at % width < width / 2));
        Ok(Some(Arc::clone(frame)))
    }

    fn reset(&mut self) {}
}

fn left_half(settings: &mask::Settings, _: Size) -> Result<Box<dyn Segmenter>, MaskError> {
    let spec = mask::catalogue::bundled()[0].clone();
    let info = ModelInfo {
        spec,
        location: ModelLocation::BuiltIn,
        library: PathBuf::new(),
        quality: Quality::Eco,
        processor: Processor::Cpu,
        processor_error: None,
        missing: None,
    };
    match settings.model.as_str() {
        "broken" => Err(MaskError::NotFinite { model: "broken".to_owned(), count: 1 }),
        BUILT_IN => Ok(Box::new(LeftHalf(info, Duration::from_millis(2)))),
        milliseconds => Ok(Box::new(LeftHalf(info, Duration::from_millis(milliseconds.parse().unwrap())))),
    }
}

fn start_fakes(milliseconds: &str, scene: Scene, keep: usize) -> (Pipeline, Memory) {
    let memory = Memory::new(SIZE, keep);
    let sink = memory.clone();
    let opener = Box::new(move |_: &_, _, _| Ok(Box::new(sink.sink()) as _));
    let outputs = Outputs::open_with(opener, &[SinkSpec::None], SIZE, 30, Instant::now());
    let mask = mask::Settings { model: milliseconds.to_owned(), ..mask::Settings::default() };
    let settings = Settings { size: SIZE, fps: 30, camera: camera("fake"), mask, scene, always_on: false };
    let drivers = Drivers { open_camera: early_timestamps, open_model: left_half, ..Drivers::default() };
    (Pipeline::start_with(drivers, settings, outputs).unwrap(), memory)
}

#[test]
fn a_webcams_early_timestamps_do_not_make_masks_late() {
    let _alone = alone();
    let (pipeline, _memory) = start_fakes("2", scene("#20a040"), 1);
    let stats = pipeline.stats();
    wait_for("masks are computed", || stats.masks.get() > 60);
    let (late, composed) = (stats.late_masks.get(), stats.composed.get());
    assert!(late * 4 < composed, "{late} of {composed} frames had an older mask");
}

#[test]
fn a_slow_model_slows_the_output_and_never_masks_a_frame_that_is_not_its_own() {
    let _alone = alone();
    let (pipeline, memory) = start_fakes("150", scene("#20a040"), 200);
    wait_for("masks are computed", || pipeline.stats().masks.get() > 8);
    let unmasked = pipeline.stats().unmasked.get();
    wait_for("more masks are computed", || pipeline.stats().masks.get() > 16);
    assert_eq!(pipeline.stats().unmasked.get(), unmasked, "the person was hidden although there were masks");
    drop(pipeline);
    let shares: Vec<f64> = memory.frames().iter().rev().take(20).map(|frame| share_of(frame, ROOM)).collect();
    assert!(shares.iter().all(|share| (share - 0.5).abs() < 0.01), "{shares:?}");
}

#[test]
fn a_far_too_slow_model_ends_in_a_card_and_not_in_the_room() {
    let _alone = alone();
    let (pipeline, memory) = start_fakes("60000", scene("#20a040"), 300);
    let green = Yuv::from_rgb(0x20, 0xa0, 0x40);
    wait_for("the background is shown alone", || memory.last().is_some_and(|frame| share_of(&frame, green) == 1.0));
    wait_for("a card replaces it", || memory.last().is_some_and(|frame| share_of(&frame, green) < 0.5));
    assert!(memory.frames().iter().all(|frame| share_of(frame, ROOM) == 0.0));
    std::mem::forget(pipeline); // its model sleeps for a minute
}

#[test]
fn the_plain_camera_continues_without_a_mask_for_lighting() {
    let _alone = alone();
    let look = Look { low_light: 50, ..Look::neutral() };
    let (pipeline, memory) = start_fakes("4000", Scene { look, ..scene("off") }, 300);
    // longer than a background may lack its person before a card reports it
    wait_for("frames are shown for a while", || pipeline.stats().composed.get() > 110);
    assert!(memory.frames().iter().skip(30).all(|frame| share_of(frame, ROOM) > 0.9), "no card instead of them");
}

#[test]
fn after_the_change_from_the_plain_camera_to_a_colour_no_frame_shows_the_room() {
    let _alone = alone();
    let (pipeline, memory) = start_fakes("2", scene("off"), 40);
    wait_for("the room is shown", || memory.last().is_some_and(|frame| share_of(&frame, ROOM) == 1.0));
    for round in 2..8 {
        pipeline.publish(Scene { version: 2 * round, ..scene("#20a040") });
        let count = memory.count();
        // one frame may have been in progress
        wait_for("the colour is shown", || memory.count() > count + 6);
        let frames = memory.frames();
        let after: Vec<f64> = frames.iter().rev().take(5).map(|frame| share_of(frame, ROOM)).collect();
        assert!(after.iter().all(|share| *share <= 0.5), "round {round}: {after:?}");
        pipeline.publish(Scene { version: 2 * round + 1, ..scene("off") });
        wait_for("the room is shown again", || memory.last().is_some_and(|frame| share_of(&frame, ROOM) == 1.0));
    }
}

#[test]
fn a_missing_library_is_reported() {
    let _alone = alone();
    let nowhere =
        mask::Settings { library: Some(PathBuf::from("/no/such/libonnxruntime.so")), ..mask::Settings::default() };
    let (pipeline, memory) = start("demo", nowhere, scene("#20a040"), 1);
    wait_for("the reason is reported", || pipeline.health().mask_failure.is_some());
    assert!(memory.wait_for(5, TIMEOUT), "frames are shown anyway");
}

#[test]
fn the_built_in_model_replaces_one_that_fails() {
    let _alone = alone();
    let (pipeline, memory) = start_fakes("broken", scene("#20a040"), 300);
    wait_for("masks are computed", || pipeline.stats().masks.get() > 5);
    let health = pipeline.health();
    assert_eq!((health.model.as_deref(), health.mask_failure), (Some(BUILT_IN), None));
    assert!(health.quality_failure.unwrap().message.contains("broken"), "the reason is reported");
    let chosen = mask::Settings { model: "3".to_owned(), ..mask::Settings::default() };
    pipeline.set_mask(chosen);
    wait_for("another model is loaded", || pipeline.health().model.as_deref() == Some("3"));
    assert_eq!(pipeline.health().quality_failure, None);
    assert!(memory.frames().iter().all(|frame| share_of(frame, ROOM) <= 0.51));
}

/// The suspend time in seconds, set by the next test.
static SUSPENDED: AtomicU64 = AtomicU64::new(0);

/// A camera that disappears during a suspend.
struct GoneAfterSuspend(EarlyTimestamps);

impl FrameSource for GoneAfterSuspend {
    fn info(&self) -> &SourceInfo {
        self.0.info()
    }

    fn size(&self) -> Size {
        SIZE
    }

    fn next(&mut self, into: &mut Frame) -> Result<(), CameraError> {
        if SUSPENDED.load(Ordering::Relaxed) > 0 {
            let source = std::io::Error::from_raw_os_error(19);
            return Err(CameraError::Gone { device: "fake".to_owned(), source });
        }
        self.0.next(into)
    }
}

fn gone_after_suspend(settings: &camera::Settings) -> Result<Box<dyn FrameSource>, CameraError> {
    if SUSPENDED.load(Ordering::Relaxed) > 0 {
        return Err(CameraError::NoCamera);
    }
    let name = settings.device.clone();
    let info = SourceInfo { name, path: None, id: None, fourcc: "YU12".to_owned(), native: (1280, 720), fps: 30.0 };
    Ok(Box::new(GoneAfterSuspend(EarlyTimestamps(info, 0))))
}

#[test]
fn after_a_suspend_no_older_frame_is_shown() {
    let _alone = alone();
    let memory = Memory::new(SIZE, 200);
    let sink = memory.clone();
    let opener = Box::new(move |_: &_, _, _| Ok(Box::new(sink.sink()) as _));
    let outputs = Outputs::open_with(opener, &[SinkSpec::None], SIZE, 30, Instant::now());
    let mask = mask::Settings { model: "2".to_owned(), ..mask::Settings::default() };
    let settings =
        Settings { size: SIZE, fps: 30, camera: camera("fake"), mask, scene: scene("off"), always_on: false };
    let clock = Clock { suspended: || Duration::from_secs(SUSPENDED.load(Ordering::Relaxed)), ..Clock::default() };
    let drivers = Drivers { open_camera: gone_after_suspend, open_model: left_half, clock, ..Drivers::default() };
    let pipeline = Pipeline::start_with(drivers, settings, outputs).unwrap();
    wait_for("the room is shown", || memory.last().is_some_and(|frame| share_of(&frame, ROOM) == 1.0));
    SUSPENDED.store(3600, Ordering::Relaxed);
    let count = memory.count();
    wait_for("frames are shown", || memory.count() > count + 5);
    // one may have been in progress
    let after = (memory.count() - count - 1) as usize;
    let frames = memory.frames();
    let shares: Vec<f64> = frames.iter().rev().take(after).map(|frame| share_of(frame, ROOM)).collect();
    assert!(shares.iter().all(|share| *share == 0.0), "{shares:?}");
    drop(pipeline);
}

/// The luma of the background in each frame, oldest first.
fn luma_of(memory: &Memory) -> Vec<u8> {
    // on the right, where there is no person
    memory.frames().iter().map(|frame| frame.planes().0[SIZE.width() * 400 + 1200]).collect()
}

#[test]
fn a_background_fades_into_the_next_and_is_shown_once_complete() {
    let _alone = alone();
    let fade = Duration::from_millis(400);
    let (pipeline, memory) = start_fakes("2", Scene { fade, ..scene("#000") }, 200);
    wait_for("masks are computed", || pipeline.stats().masks.get() > 5);
    pipeline.publish(Scene { version: 2, fade, ..scene("#fff") });
    wait_for("the fade is over", || pipeline.shown() == 2);
    let lumas = luma_of(&memory);
    assert!(lumas.last().is_some_and(|luma| *luma == 235), "{lumas:?}");
    let fading: Vec<u8> = lumas.iter().copied().filter(|luma| (20..230).contains(luma)).collect();
    assert!(fading.len() >= 3 && fading.is_sorted(), "{fading:?}");
    // the person stays throughout
    let frames = memory.frames();
    assert!(frames.iter().rev().take(10).all(|frame| frame.planes().0[SIZE.width() * 400 + 80] == ROOM.y));
}

#[test]
fn an_interrupted_fade_continues_without_a_jump() {
    let _alone = alone();
    let fade = Duration::from_millis(800);
    let (pipeline, memory) = start_fakes("2", Scene { fade, ..scene("#000") }, 300);
    wait_for("masks are computed", || pipeline.stats().masks.get() > 5);
    let middle = |low, high| move |lumas: Vec<u8>| lumas.last().is_some_and(|luma| (low..high).contains(luma));
    pipeline.publish(Scene { version: 2, fade, ..scene("#fff") });
    wait_for("the fade is half done", || middle(100, 230)(luma_of(&memory)));
    pipeline.publish(Scene { version: 3, fade, ..scene("#000") });
    wait_for("the last scene is shown", || pipeline.shown() == 3);
    let lumas = luma_of(&memory);
    let jump = lumas.windows(2).map(|pair| pair[0].abs_diff(pair[1])).max();
    assert!(jump.is_some_and(|jump| jump < 100), "{lumas:?}");
    assert_eq!(lumas.last(), Some(&16));
}

#[test]
fn a_pause_and_the_scene_after_it_appear_without_a_fade() {
    let _alone = alone();
    let fade = Duration::from_secs(5);
    let (pipeline, memory) = start_fakes("2", Scene { fade, ..scene("off") }, 300);
    wait_for("the room is shown", || memory.last().is_some_and(|frame| share_of(&frame, ROOM) == 1.0));
    pipeline.publish(Scene { version: 2, fade, ..scene("#fff") });
    let count = memory.count();
    wait_for("the fade has started", || memory.count() > count + 5);
    pipeline.publish(Scene { version: 3, paused: true, ..scene("#fff") });
    wait_for("the card is shown", || pipeline.shown() == 3);
    assert_eq!(share_of(&memory.last().unwrap(), ROOM), 0.0);
    let count = memory.count();
    pipeline.publish(Scene { version: 4, ..scene("#fff") });
    wait_for("the scene is shown", || pipeline.shown() == 4 && memory.count() > count + 10);
    let after: Vec<f64> = memory.frames().iter().rev().take(8).map(|frame| share_of(frame, ROOM)).collect();
    assert!(after.iter().all(|share| *share <= 0.51), "{after:?}");
}

#[test]
fn the_person_stays_while_a_background_fades_into_the_plain_camera() {
    let _alone = alone();
    let fade = Duration::from_millis(600);
    let (pipeline, memory) = start_fakes("2", scene("#fff"), 100);
    wait_for("masks are computed", || pipeline.stats().masks.get() > 5);
    pipeline.publish(Scene { version: 2, fade, ..scene("off") });
    wait_for("the room is shown", || pipeline.shown() == 2);
    let frames = memory.frames();
    let left = |frame: &Frame| frame.planes().0[SIZE.width() * 400 + 80];
    let since = frames.iter().position(|frame| left(frame) == ROOM.y).unwrap();
    assert!(frames[since..].iter().all(|frame| left(frame).abs_diff(ROOM.y) <= 1), "the person disappeared");
    let masks = pipeline.stats().masks.get();
    let count = memory.count();
    wait_for("the room stays", || memory.count() > count + 10);
    assert!(pipeline.stats().masks.get() <= masks + 1, "masks are no longer needed");
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
        Settings { size: SIZE, fps: 30, camera: camera("fake"), mask, scene: scene("teal"), always_on: true };
    let drivers = Drivers { open_camera: hang, open_model: left_half, ..Drivers::default() };
    let mut pipeline = Pipeline::start_with(drivers, settings, outputs).unwrap();
    wait_for("the camera is being opened", || *OPENS.lock().unwrap());
    pipeline.request_stop();
    wait_for("the outputs are finished", || memory.finished());
    assert!(!pipeline.is_stopped(), "the camera hangs");
    pipeline.stop(Duration::from_millis(1));
}
