//! Quality `auto` at run time, and delayed masks, verified with numbered frames.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bgcam::{
    background::{Background, BackgroundSpec, Options},
    camera::{self, CameraError, FrameSource, SourceInfo},
    compose::Scene,
    frame::{Frame, Mask, Size, Yuv},
    mask::{self, Latency, MaskError, ModelInfo, ModelLocation, Processor, Quality, Segmenter},
    pipeline::{CpuHeadroom, Drivers, Machine, Pipeline, Settings},
    sink::{FrameSink, Outputs, SinkError, SinkSpec},
};

const SIZE: Size = Size::HD;
const TIMEOUT: Duration = Duration::from_secs(60);

/// Slow enough that no mask is late on a busy machine.
const FPS: u32 = 20;

/// A shorter tick for the quality rules.
const SECOND: Duration = Duration::from_millis(50);

/// A laptop on mains power, mostly idle.
const ROOM: CpuHeadroom = CpuHeadroom { cores: 8, idle: Some(0.9), on_battery: false };

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

/// A camera whose frames carry their number as their brightness.
struct Numbered(SourceInfo, Instant, u64);

/// The number of the newest frame.
static CAPTURED: AtomicU64 = AtomicU64::new(0);

impl FrameSource for Numbered {
    fn info(&self) -> &SourceInfo {
        &self.0
    }

    fn size(&self) -> Size {
        SIZE
    }

    fn next(&mut self, into: &mut Frame) -> Result<(), CameraError> {
        self.1 += Duration::from_secs(1) / FPS;
        std::thread::sleep(self.1.saturating_duration_since(Instant::now()));
        self.2 += 1;
        into.fill(Yuv { y: DARKEST + STEP * (self.2 % NUMBERS) as u8, u: 200, v: 90 });
        into.seq = self.2;
        into.captured_at = Instant::now();
        CAPTURED.store(self.2, Ordering::Relaxed);
        Ok(())
    }
}

/// The number of distinguishable frame numbers.
const NUMBERS: u64 = 64;
const DARKEST: u8 = 80;
const STEP: u8 = 2;

fn numbered(settings: &camera::Settings) -> Result<Box<dyn FrameSource>, CameraError> {
    let name = settings.device.clone();
    let fps = f64::from(FPS);
    let info = SourceInfo { name, path: None, id: None, fourcc: "YU12".to_owned(), native: (1280, 720), fps };
    Ok(Box::new(Numbered(info, Instant::now(), 0)))
}

/// The background: black, unlike any camera frame.
const BACKGROUND: &str = "#000";

/// Blocks of a mask that encode a bit each; apart from them, the left half of the frame is the person.
const BITS: u32 = 6;
const BLOCK: usize = 80;

fn block(bit: u32) -> (std::ops::Range<usize>, std::ops::Range<usize>) {
    let left = 40 + bit as usize * BLOCK;
    (left..left + BLOCK, 320..400)
}

/// Reads the number of each frame, and writes it into its mask.
struct FakeSegmenter {
    info: ModelInfo,
    model: String,
    delay: usize,
    held: Option<Arc<Frame>>,
    frame_count: u32,
}

impl FakeSegmenter {
    fn write(frame: &Frame, into: &mut Mask) {
        let number = u64::from((frame.planes().0[0] - DARKEST) / STEP);
        let width = SIZE.width();
        for row in into.alpha_mut().chunks_exact_mut(width) {
            row[..width / 2].fill(255);
            row[width / 2..].fill(0);
        }
        for bit in (0..BITS).filter(|bit| number >> bit & 1 == 0) {
            let (columns, rows) = block(bit);
            rows.for_each(|row| into.alpha_mut()[row * width..][columns.clone()].fill(0));
        }
        into.seq = frame.seq;
        into.captured_at = frame.captured_at;
    }
}

impl Segmenter for FakeSegmenter {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn delay(&self) -> usize {
        self.delay
    }

    fn segment(&mut self, frame: &Arc<Frame>, into: &mut Mask) -> Result<Option<Arc<Frame>>, MaskError> {
        self.frame_count += 1;
        if SLOW.load(Ordering::Relaxed) && self.info.quality == Quality::High {
            std::thread::sleep(Duration::from_millis(120));
        }
        let ready = if self.delay == 1 { self.held.replace(Arc::clone(frame)) } else { Some(Arc::clone(frame)) };
        ready.iter().for_each(|ready| Self::write(ready, into));
        Ok(ready)
    }

    fn reset(&mut self) {
        self.held = None;
    }

    fn degrade(&mut self, step: u8) {
        let of = if self.info.quality == Quality::High { &DEGRADED_HIGH } else { &DEGRADED };
        of.fetch_max(usize::from(step), Ordering::Relaxed);
    }

    fn keyframe_time(&self) -> Option<Duration> {
        (self.frame_count > 1).then_some(Duration::from_millis(8))
    }
}

impl Drop for FakeSegmenter {
    fn drop(&mut self) {
        ALIVE.fetch_sub(1, Ordering::Relaxed);
        if self.model == "slow" && self.info.quality == Quality::High {
            OPENING.store(false, Ordering::Relaxed);
        }
    }
}

/// Whether `high` takes longer than a frame time.
static SLOW: AtomicBool = AtomicBool::new(false);
/// Whether a slow `high` model is being opened, or is open.
static OPENING: AtomicBool = AtomicBool::new(false);
static ALIVE: AtomicUsize = AtomicUsize::new(0);
static OPENED: AtomicUsize = AtomicUsize::new(0);
static DEGRADED: AtomicUsize = AtomicUsize::new(0);
static DEGRADED_HIGH: AtomicUsize = AtomicUsize::new(0);

/// The model "refused" fails to open in `high`; "slow" opens slowly there.
fn open_fake(settings: &mask::Settings, _: Size) -> Result<Box<dyn Segmenter>, MaskError> {
    let is_high = settings.quality == Quality::High;
    OPENED.fetch_add(1, Ordering::Relaxed);
    match &*settings.model {
        "refused" if is_high => return Err(MaskError::NotFinite { model: "fake".to_owned(), count: 1 }),
        "slow" if is_high => {
            OPENING.store(true, Ordering::Relaxed);
            std::thread::sleep(Duration::from_millis(700));
        }
        _ => {}
    }
    ALIVE.fetch_add(1, Ordering::Relaxed);
    let info = ModelInfo {
        spec: mask::catalogue::bundled()[0].clone(),
        location: ModelLocation::BuiltIn,
        library: PathBuf::new(),
        quality: settings.quality,
        processor: Processor::Cpu,
        processor_error: None,
        missing: None,
    };
    let best = settings.latency == Latency::Best || (settings.latency == Latency::Auto && is_high);
    Ok(Box::new(FakeSegmenter {
        info,
        model: settings.model.clone(),
        delay: usize::from(best),
        held: None,
        frame_count: 0,
    }))
}

/// A machine with a headroom set by the test.
#[derive(Debug, Clone)]
struct FakeMachine(Arc<Mutex<CpuHeadroom>>);

impl Machine for FakeMachine {
    fn measure(&mut self) -> CpuHeadroom {
        *self.0.lock().unwrap()
    }
}

/// The numbers in an output frame: that of the frame, that of the frame its mask belongs to, and that of the newest
/// camera frame.
#[derive(Debug, Clone, Copy)]
struct Shown {
    frame: u64,
    mask: u64,
    newest: u64,
}

/// A sink that reads the numbers.
#[derive(Debug, Clone, Default)]
struct Reader(Arc<Mutex<Vec<Shown>>>);

impl FrameSink for Reader {
    fn name(&self) -> &str {
        "reader"
    }

    fn size(&self) -> Size {
        SIZE
    }

    fn write(&mut self, output: &Frame) -> Result<(), SinkError> {
        let newest = CAPTURED.load(Ordering::Relaxed) % NUMBERS;
        self.0.lock().unwrap().extend(numbers(output).map(|(frame, mask)| Shown { frame, mask, newest }));
        Ok(())
    }

    fn finish(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}

struct Stage {
    pipeline: Pipeline,
    reader: Reader,
    machine: FakeMachine,
}

fn start(settings: mask::Settings, room: CpuHeadroom) -> Stage {
    SLOW.store(false, Ordering::Relaxed);
    [&DEGRADED, &DEGRADED_HIGH, &OPENED].iter().for_each(|count| count.store(0, Ordering::Relaxed));
    let (reader, machine) = (Reader::default(), FakeMachine(Arc::new(Mutex::new(room))));
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
    let background = Background::load(&spec, &Options::new(SIZE)).unwrap();
    let scene = Scene { version: 1, label: spec.to_string(), spec, background, ..Scene::off() };
    let device = "demo".to_owned();
    let camera = camera::Settings { device, size: SIZE, fps, fourcc: None, timeout: Duration::from_secs(2) };
    Pipeline::start_with(drivers, Settings { size: SIZE, fps, camera, mask, scene, always_on: false }, outputs).unwrap()
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

    fn set_headroom(&self, room: CpuHeadroom) {
        *self.machine.0.lock().unwrap() = room;
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

/// The numbers of frame and mask; `None` for a card or the background alone.
fn numbers(output: &Frame) -> Option<(u64, u64)> {
    let luma = output.planes().0;
    let at = |x: usize, y: usize| luma[y * SIZE.width() + x];
    let (person, right) = (at(300, 100), at(1200, 400));
    if right > 20 || person < DARKEST - STEP || at(300, 600).abs_diff(person) > 1 {
        return None;
    }
    let frame = u64::from((person + STEP / 2 - DARKEST) / STEP);
    let bit = |bit: u32| {
        let (columns, rows) = block(bit);
        u64::from(at(columns.start + BLOCK / 2, rows.start + BLOCK / 2) > DARKEST / 2) << bit
    };
    Some((frame, (0..BITS).map(bit).sum()))
}

#[test]
fn it_switches_up_and_back_and_every_mask_belongs_to_its_frame() {
    let _alone = alone();
    let stage = start(model("fake"), ROOM);
    stage.wait_for_quality(Quality::Balanced);
    stage.wait_for_quality(Quality::High);
    stage.wait_for_frames(10);
    stage.assert_masks_match();
    stage.assert_on_time();
    wait_for("the other model is freed", || ALIVE.load(Ordering::Relaxed) == 1);
    stage.set_headroom(CpuHeadroom { on_battery: true, ..ROOM });
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
    stage.set_headroom(ROOM);
    stage.wait_for_quality(Quality::High);
    assert_eq!(DEGRADED.load(Ordering::Relaxed), 0, "balanced was never too expensive");
}

#[test]
fn without_headroom_it_stays() {
    let _alone = alone();
    for room in [
        CpuHeadroom { on_battery: true, ..ROOM },
        CpuHeadroom { cores: 2, ..ROOM },
        CpuHeadroom { idle: Some(0.4), ..ROOM },
    ] {
        let stage = start(model("fake"), room);
        stage.wait_for_quality(Quality::Balanced);
        stage.wait_for_frames(50);
        assert_eq!((stage.quality(), OPENED.load(Ordering::Relaxed)), (Some(Quality::Balanced), 1), "{room:?}");
    }
    let chosen = mask::Settings { quality: Quality::Balanced, ..model("fake") };
    let stage = start(chosen, ROOM);
    stage.wait_for_quality(Quality::Balanced);
    stage.wait_for_frames(50);
    assert_eq!(OPENED.load(Ordering::Relaxed), 1, "the user's choice is not changed");
}

#[test]
fn late_masks_degrade_it_until_balanced_is_back() {
    let _alone = alone();
    let stage = start(model("fake"), ROOM);
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
    let stage = start(model("refused"), ROOM);
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
    let stage = start(model("slow"), ROOM);
    wait_for("it is being opened", || OPENING.load(Ordering::Relaxed));
    stage.pipeline.set_mask(mask::Settings { quality: Quality::Eco, ..model("other") });
    stage.wait_for_quality(Quality::Eco);
    assert!(!OPENING.load(Ordering::Relaxed), "it was opened and dropped");
    stage.wait_for_frames(10);
    assert_eq!(ALIVE.load(Ordering::Relaxed), 1);
    stage.assert_masks_match();
    stage.pipeline.set_mask(model("slow"));
    wait_for("it is being opened", || OPENING.load(Ordering::Relaxed));
    drop(stage);
    assert_eq!(ALIVE.load(Ordering::Relaxed), 0);
}

#[test]
fn battery_power_while_a_model_is_being_opened_cancels_it() {
    let _alone = alone();
    let stage = start(model("slow"), ROOM);
    wait_for("it is being opened", || OPENING.load(Ordering::Relaxed));
    stage.set_headroom(CpuHeadroom { on_battery: true, ..ROOM });
    wait_for("it was opened and dropped", || !OPENING.load(Ordering::Relaxed));
    stage.wait_for_frames(20);
    assert_eq!((stage.quality(), ALIVE.load(Ordering::Relaxed)), (Some(Quality::Balanced), 1));
    stage.assert_masks_match();
}

#[test]
fn with_latency_best_the_output_waits_a_frame_for_its_mask() {
    let _alone = alone();
    for (latency, expected) in [(Latency::Best, 1), (Latency::Low, 0)] {
        let stage = start(mask::Settings { latency, quality: Quality::Balanced, ..model("fake") }, ROOM);
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

/// A sink that records the share of background in each output.
#[derive(Debug, Clone, Default)]
struct Shares(Arc<Mutex<Vec<f64>>>);

impl FrameSink for Shares {
    fn name(&self) -> &str {
        "shares"
    }

    fn size(&self) -> Size {
        SIZE
    }

    fn write(&mut self, output: &Frame) -> Result<(), SinkError> {
        let luma = output.planes().0;
        let black = luma.iter().filter(|luma| **luma <= 17).count();
        self.0.lock().unwrap().push(black as f64 / luma.len() as f64);
        Ok(())
    }

    fn finish(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}

#[test]
fn the_real_models_replace_each_other_without_a_flash() {
    let _alone = alone();
    let settings = mask::Settings::default();
    if let Err(error) = mask::library(&settings) {
        eprintln!("skipped: {error} (scripts/setup installs it)");
        return;
    }
    let (shares, machine) = (Shares::default(), FakeMachine(Arc::new(Mutex::new(ROOM))));
    let drivers = Drivers { machine: Box::new(machine.clone()), load_interval: SECOND, ..Drivers::default() };
    // slow enough for any machine to compute a keyframe of `high` in time
    let pipeline = play(drivers, 6, settings, shares.clone());
    let more = |frames: u64| {
        let masks = pipeline.stats().masks.get();
        wait_for("masks are computed", || pipeline.stats().masks.get() > masks + frames);
    };
    let wait_for_quality = |quality| wait_for(&format!("{quality}"), || pipeline.health().quality == Some(quality));
    wait_for("a model is loaded", || pipeline.health().quality.is_some());
    if pipeline.health().quality_failure.is_some() {
        eprintln!("skipped: no keyframe model (scripts/models installs it)");
        return;
    }
    wait_for_quality(Quality::Balanced);
    more(5);
    let (first, unmasked) = (shares.0.lock().unwrap().len(), pipeline.stats().unmasked.get());
    wait_for_quality(Quality::High);
    more(10);
    *machine.0.lock().unwrap() = CpuHeadroom { on_battery: true, ..ROOM };
    wait_for_quality(Quality::Balanced);
    more(10);
    assert_eq!(pipeline.stats().unmasked.get(), unmasked, "the person was hidden");
    let shares = shares.0.lock().unwrap();
    let steps: Vec<f64> = shares[first..].windows(2).map(|pair| (pair[1] - pair[0]).abs()).collect();
    assert!(steps.iter().all(|step| *step < 0.02), "{steps:?}");
}
