//! A camera with numbered frames, models that write the number into their masks, and a reader that checks both.

use super::*;

/// A camera whose frames carry their number as their brightness.
pub(super) struct Numbered(SourceInfo, Instant, u64);

/// The number of the newest frame.
pub(super) static CAPTURED: AtomicU64 = AtomicU64::new(0);

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
pub(super) const NUMBERS: u64 = 64;
pub(super) const DARKEST: u8 = 80;
pub(super) const STEP: u8 = 2;

pub(super) fn numbered(settings: &camera::Settings) -> Result<Box<dyn FrameSource>, CameraError> {
    let name = settings.device.clone();
    let fps = f64::from(FPS);
    let info = SourceInfo { name, path: None, id: None, fourcc: "YU12".to_owned(), native: (1280, 720), fps };
    Ok(Box::new(Numbered(info, Instant::now(), 0)))
}

/// Blocks of a mask that encode a bit each; apart from them, the left half of the frame is the person.
pub(super) const BITS: u32 = 6;
pub(super) const BLOCK: usize = 80;

pub(super) fn block(bit: u32) -> (std::ops::Range<usize>, std::ops::Range<usize>) {
    let left = 40 + bit as usize * BLOCK;
    (left..left + BLOCK, 320..400)
}

/// Reads the number of each frame, and writes it into its mask.
pub(super) struct FakeSegmenter {
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
pub(super) static SLOW: AtomicBool = AtomicBool::new(false);

/// Whether a slow `high` model is being opened, or is open.
pub(super) static OPENING: AtomicBool = AtomicBool::new(false);
pub(super) static ALIVE: AtomicUsize = AtomicUsize::new(0);
pub(super) static OPENED: AtomicUsize = AtomicUsize::new(0);
pub(super) static DEGRADED: AtomicUsize = AtomicUsize::new(0);
pub(super) static DEGRADED_HIGH: AtomicUsize = AtomicUsize::new(0);

/// The model "refused" fails to open in `high`; "slow" opens slowly there.
pub(super) fn open_fake(settings: &mask::Settings, _: Size) -> Result<Box<dyn Segmenter>, MaskError> {
    let is_high = settings.quality == Quality::High;
    OPENED.fetch_add(1, Ordering::Relaxed);
    match &*settings.model {
        "refused" if is_high => {
            return Err(MaskError::NotFinite { model: "fake".to_owned(), output: "alpha".to_owned(), count: 1 });
        }
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
pub(super) struct FakeMachine(pub(super) Arc<Mutex<CpuHeadroom>>);

impl Machine for FakeMachine {
    fn measure(&mut self) -> CpuHeadroom {
        *self.0.lock().unwrap()
    }
}

/// The numbers in an output frame: that of the frame, that of the frame its mask belongs to, and that of the newest
/// camera frame.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shown {
    pub(super) frame: u64,
    pub(super) mask: u64,
    pub(super) newest: u64,
}

/// A sink that reads the numbers.
#[derive(Debug, Clone, Default)]
pub(super) struct Reader(pub(super) Arc<Mutex<Vec<Shown>>>);

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

/// The numbers of frame and mask; `None` for a card or the background alone.
pub(super) fn numbers(output: &Frame) -> Option<(u64, u64)> {
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
