//! The three threads at work, from the demo camera to a sink in memory, with the real model where its library is.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    path::PathBuf,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bgcam::{
    background::{Background, BackgroundSpec, Limits},
    camera,
    compose::Scene,
    frame::{Frame, Size, Yuv},
    mask,
    pipeline::{Pipeline, Settings},
    sink::{Outputs, SinkSpec, memory::Memory},
};

/// Counts what the whole process allocates.
struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call is handed on to the system's allocator unchanged; counting touches no memory of the caller.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`, which is the same here.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: `pointer` came from `System.alloc` with this layout, as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as for `dealloc`, and the caller promises that `size` is valid.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// One test at a time: the allocations of all threads are counted.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

const SIZE: Size = Size::HD;
const PATIENCE: Duration = Duration::from_secs(60);

fn scene(spec: &str) -> Scene {
    let spec: BackgroundSpec = spec.parse().unwrap();
    let background = Background::load(&spec, SIZE, &Limits::default()).unwrap();
    Scene { version: 1, label: spec.to_string(), spec, background, mirror: false, paused: false }
}

fn camera(device: &str) -> camera::Settings {
    camera::Settings { device: device.to_owned(), size: SIZE, fps: 30, fourcc: None, timeout: Duration::from_secs(2) }
}

/// A pipeline into memory, which keeps the last `keep` frames.
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
    let settings = Settings { size: SIZE, fps: 30, camera: camera(device), mask, scene };
    (Pipeline::start(settings, outputs).unwrap(), memory)
}

fn wait_for(what: &str, done: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn runtime_is_there() -> bool {
    match mask::library(&mask::Settings::default()) {
        Ok(_) => true,
        Err(error) => {
            eprintln!("skipped: {error} (scripts/setup fetches it)");
            false
        }
    }
}

#[test]
fn no_thread_allocates_while_frames_go_by() {
    let _alone = alone();
    if !runtime_is_there() {
        return;
    }
    for spec in ["#20a040", "blur:50", "off"] {
        let (pipeline, _memory) = start("demo", mask::Settings::default(), scene(spec), 1);
        let stats = pipeline.stats();
        let count = || stats.composed.get();
        wait_for("the first second has gone by", || count() > 40);
        let (before, frames) = (ALLOCATIONS.load(Ordering::Relaxed), count());
        wait_for("another second has gone by", || count() > frames + 30);
        let allocations = ALLOCATIONS.load(Ordering::Relaxed) - before;
        assert_eq!(allocations, 0, "{spec}: {allocations} allocations in {} frames", count() - frames);
        assert!(spec == "off" || stats.masks.get() > 30, "{spec}: {} masks", stats.masks.get());
    }
}

#[test]
fn the_person_is_seen_and_the_room_is_not() {
    let _alone = alone();
    if !runtime_is_there() {
        return;
    }
    let (pipeline, memory) = start("demo", mask::Settings::default(), scene("#20a040"), 4);
    wait_for("the person was cut out", || pipeline.stats().masks.get() > 20);
    drop(pipeline);
    let frame = memory.last().unwrap();
    let green = Yuv::from_rgb(0x20, 0xa0, 0x40);
    let share = share_of(&frame, green);
    assert!((0.2..0.95).contains(&share), "{share} of the picture is background");
}

/// The camera shows nothing but a colour that no card and no background has: not one pixel of it may come out while
/// there is no mask, whatever the reason.
#[test]
fn without_a_mask_no_pixel_of_the_room_goes_out() {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    let room = dir.path().join("room.png");
    image::RgbImage::from_pixel(1280, 720, image::Rgb([255, 0, 255])).save(&room).unwrap();
    let magenta = Yuv::from_rgb(255, 0, 255);
    let no_model = mask::Settings { model: "none such".to_owned(), ..mask::Settings::default() };
    let (pipeline, memory) = start(&format!("file:{}", room.display()), no_model, scene("#20a040"), 400);
    let stats = pipeline.stats();
    wait_for("frames came and none had a mask", || stats.unmasked.get() > 20);
    pipeline.publish(Scene { paused: true, ..scene("#20a040") });
    wait_for("the pause is shown", || memory.count() > 60);
    pipeline.publish(Scene { version: 3, ..scene("#303030") });
    pipeline.set_camera(camera("file:/no/such/file.png"));
    wait_for("the card of the lost camera is shown", || pipeline.stations().camera_failure.is_some());
    let count = memory.count();
    wait_for("it stands for a while", || memory.count() > count + 20);
    drop(pipeline);
    for frame in memory.frames() {
        assert_eq!(share_of(&frame, magenta), 0.0, "frame {} shows the room", frame.seq);
    }
    // and the test would see it: the plain camera shows nothing else
    let (pipeline, memory) = start(&format!("file:{}", room.display()), mask::Settings::default(), scene("off"), 1);
    wait_for("the plain camera is shown", || pipeline.stats().composed.get() > 3);
    drop(pipeline);
    assert_eq!(share_of(&memory.last().unwrap(), magenta), 1.0);
}

/// How much of a picture has this colour, within what rounding may do.
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
fn a_missing_library_is_said_and_not_a_panic() {
    let _alone = alone();
    let nowhere =
        mask::Settings { library: Some(PathBuf::from("/no/such/libonnxruntime.so")), ..mask::Settings::default() };
    let (pipeline, memory) = start("demo", nowhere, scene("#20a040"), 1);
    wait_for("the reason is said", || pipeline.stations().mask_failure.is_some());
    assert!(memory.wait_for(5, PATIENCE), "pictures go out all the same");
}
