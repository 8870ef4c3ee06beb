//! Cameras and models with known timing.

use std::path::PathBuf;

use super::*;

/// A camera with a single colour whose timestamps are as old as those of a webcam, which timestamps the start of the
/// exposure.
pub(super) struct EarlyTimestamps(SourceInfo, u64);

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

pub(super) const ROOM: Yuv = Yuv { y: 120, u: 200, v: 90 };

pub(super) fn early_timestamps(settings: &camera::Settings) -> Result<Box<dyn FrameSource>, CameraError> {
    let name = settings.device.clone();
    let info = SourceInfo { name, path: None, id: None, fourcc: "YU12".to_owned(), native: (1280, 720), fps: 30.0 };
    Ok(Box::new(EarlyTimestamps(info, 0)))
}

/// Like [`left_half`], but quality `high` takes seconds to open.
pub(super) fn slow_to_open(settings: &mask::Settings, size: Size) -> Result<Box<dyn Segmenter>, MaskError> {
    if settings.quality == Quality::High {
        std::thread::sleep(Duration::from_secs(2));
    }
    left_half(settings, size)
}

/// A model that finds a person in the left half of every frame, after the milliseconds given by its name.
pub(super) struct LeftHalf(ModelInfo, Duration);

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

pub(super) fn left_half(settings: &mask::Settings, _: Size) -> Result<Box<dyn Segmenter>, MaskError> {
    let spec = mask::catalogue::bundled()[0].clone();
    let info = ModelInfo {
        spec,
        location: ModelLocation::BuiltIn,
        library: PathBuf::new(),
        quality: settings.quality,
        processor: Processor::Cpu,
        processor_error: None,
        missing: None,
    };
    match settings.model.as_str() {
        "broken" => Err(MaskError::NotFinite { model: "broken".to_owned(), output: "alpha".to_owned(), count: 1 }),
        BUILT_IN => Ok(Box::new(LeftHalf(info, Duration::from_millis(2)))),
        milliseconds => Ok(Box::new(LeftHalf(info, Duration::from_millis(milliseconds.parse().unwrap())))),
    }
}

pub(super) fn start_fakes(milliseconds: &str, scene: Scene, keep: usize) -> (Pipeline, Memory) {
    start_with_model(left_half, milliseconds, scene, keep)
}

pub(super) fn start_with_model(
    open_model: OpenModel,
    milliseconds: &str,
    scene: Scene,
    keep: usize,
) -> (Pipeline, Memory) {
    let memory = Memory::new(SIZE, keep);
    let sink = memory.clone();
    let opener = Box::new(move |_: &_, _, _| Ok(Box::new(sink.sink()) as _));
    let outputs = Outputs::open_with(opener, &[SinkSpec::None], SIZE, 30, Instant::now());
    let mask = mask::Settings { model: milliseconds.to_owned(), ..mask::Settings::default() };
    let settings = pipeline::Settings { size: SIZE, fps: 30, camera: camera("fake"), mask, scene, always_on: false };
    let drivers = Drivers { open_camera: early_timestamps, open_model, ..Drivers::default() };
    (Pipeline::start_with(drivers, settings, outputs).unwrap(), memory)
}

/// The suspend time in seconds, set by the tests of suspends.
pub(super) static SUSPENDED: AtomicU64 = AtomicU64::new(0);

/// A camera that disappears during a suspend.
pub(super) struct GoneAfterSuspend(EarlyTimestamps);

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

pub(super) fn gone_after_suspend(settings: &camera::Settings) -> Result<Box<dyn FrameSource>, CameraError> {
    if SUSPENDED.load(Ordering::Relaxed) > 0 {
        return Err(CameraError::NoCamera);
    }
    let name = settings.device.clone();
    let info = SourceInfo { name, path: None, id: None, fourcc: "YU12".to_owned(), native: (1280, 720), fps: 30.0 };
    Ok(Box::new(GoneAfterSuspend(EarlyTimestamps(info, 0))))
}

/// A camera that is slow to resume: its tenth frame is interrupted by a suspend, and the wait for it times out.
pub(super) struct SlowResume(EarlyTimestamps);

impl FrameSource for SlowResume {
    fn info(&self) -> &SourceInfo {
        self.0.info()
    }

    fn size(&self) -> Size {
        SIZE
    }

    fn next(&mut self, into: &mut Frame) -> Result<(), CameraError> {
        self.0.next(into)?;
        if self.0.1 == 10 {
            SUSPENDED.store(3600, Ordering::Relaxed);
            return Err(CameraError::Stalled { device: "fake".to_owned(), waited: Duration::from_secs(2) });
        }
        Ok(())
    }
}

pub(super) fn slow_resume(settings: &camera::Settings) -> Result<Box<dyn FrameSource>, CameraError> {
    let name = settings.device.clone();
    let info = SourceInfo { name, path: None, id: None, fourcc: "YU12".to_owned(), native: (1280, 720), fps: 30.0 };
    Ok(Box::new(SlowResume(EarlyTimestamps(info, 0))))
}

/// A pipeline with this camera and a clock that counts [`SUSPENDED`].
pub(super) fn start_before_suspend(open_camera: OpenCamera) -> (Pipeline, Memory) {
    SUSPENDED.store(0, Ordering::Relaxed);
    let memory = Memory::new(SIZE, 200);
    let sink = memory.clone();
    let opener = Box::new(move |_: &_, _, _| Ok(Box::new(sink.sink()) as _));
    let outputs = Outputs::open_with(opener, &[SinkSpec::None], SIZE, 30, Instant::now());
    let mask = mask::Settings { model: "2".to_owned(), ..mask::Settings::default() };
    let settings =
        pipeline::Settings { size: SIZE, fps: 30, camera: camera("fake"), mask, scene: scene("off"), always_on: false };
    let clock = Clock { suspended: || Duration::from_secs(SUSPENDED.load(Ordering::Relaxed)), ..Clock::default() };
    let drivers = Drivers { open_camera, open_model: left_half, clock, ..Drivers::default() };
    (Pipeline::start_with(drivers, settings, outputs).unwrap(), memory)
}
