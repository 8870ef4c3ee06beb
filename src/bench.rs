//! `bgcam bench`: measures the cost of a frame, stage by stage, at a camera's frame rate.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use clap::{Args, ValueHint};
use serde::{Deserialize, Serialize};

use crate::{
    background::{Background, BackgroundSpec, PLAYER_THREAD},
    camera::{self, mjpeg::Mjpeg, sample},
    compose::{Compositor, Scene},
    config::{
        Config,
        arguments::{MaskArgs, parse_background, whole},
    },
    error::{Failure, Kind, chain},
    frame::{Frame, Mask, Size},
    mask::{self, Quality},
    render,
    stats::{self, allocations, other_threads_time, thread_time},
};

/// Frames before the measurement starts, which fill caches and allocate lazy buffers.
const WARM_UP: u32 = 10;

/// The arguments of `bgcam bench`.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// Source of the frames: demo or file:PATH
    #[arg(long, default_value = "demo", value_name = "CAMERA")]
    pub camera: String,
    /// Frame size in pixels
    #[arg(long, default_value = "1280x720", value_name = "WIDTHxHEIGHT")]
    pub size: Size,
    /// Background: none, blur, blur:40, a colour, an image or video file, or slideshow:FOLDER [default: a test image]
    #[arg(long, value_name = "BACKGROUND", value_parser = parse_background)]
    pub background: Option<BackgroundSpec>,
    /// Model and quality.
    #[command(flatten)]
    pub mask_args: MaskArgs,
    /// Save the results to a file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub save: Option<PathBuf>,
    /// Compare with saved results, taken under a similar load
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub compare: Option<PathBuf>,
    /// Number of frames to measure, 10 to 100000
    #[arg(long, default_value_t = 300, allow_negative_numbers = true, value_parser = whole::<u32, 10, 100_000>)]
    pub frames: u32,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// The results.
#[derive(Debug, Serialize, Deserialize)]
pub struct Report {
    /// Frame size, such as `1280x720`.
    pub size: String,
    /// Number of measured frames.
    pub frames: u32,
    /// Description of the background.
    pub background: String,
    /// Name of the model.
    pub model: String,
    /// Quality of the mask.
    pub quality: Quality,
    /// CPU time per frame of the model that runs on every frame, in milliseconds; part of the stage `mask`.
    pub model_ms: f64,
    /// CPU time per frame without the models and MJPEG decoding, in milliseconds.
    pub without_models_ms: f64,
    /// The stages in pipeline order, then their sum.
    pub stages: Vec<Stage>,
    /// Resident memory at the end, in MiB.
    pub rss_mib: f64,
    /// Load average over one minute at the start. A high load distorts wall times, and CPU times a little.
    pub load: f64,
}

/// The cost of one stage.
#[derive(Debug, Serialize, Deserialize)]
pub struct Stage {
    /// The name.
    pub name: String,
    /// Mean CPU time per frame, in milliseconds.
    pub cpu_ms: f64,
    /// Median wall time per frame, in milliseconds.
    pub p50_ms: f64,
    /// 95th percentile of the wall time, in milliseconds.
    pub p95_ms: f64,
    /// 99th percentile of the wall time, in milliseconds.
    pub p99_ms: f64,
    /// Rust allocations per frame, on all threads.
    pub allocations: f64,
}

/// Runs `args.frames` frames through the stages.
///
/// # Errors
/// If the source, the background or the model cannot be opened or fails.
pub fn run(args: &BenchArgs, config: &Config) -> Result<Report, Failure> {
    let load = load_average();
    let source_settings = camera::Settings { device: args.camera.clone(), size: args.size, ..config.camera.clone() };
    let frames = frames_of(&source_settings)?;
    let scene = match &args.background {
        Some(spec) => render::scene(spec.clone().fitted(config.fit), args.size, config)?,
        None => Scene { look: config.look.clone(), ..image_scene(args.size) },
    };
    let jpegs = frames.iter().map(|frame| sample::mjpeg(frame)).collect::<Result<Vec<_>, _>>();
    let jpegs = jpegs.map_err(|error| Failure::new(Kind::Internal, format!("cannot encode a JPEG: {error}")))?;
    let mut decoder =
        Mjpeg::new(args.size).ok_or_else(|| Failure::new(Kind::Internal, "cannot create a JPEG decoder"))?;
    let mut segmenter = mask::open(&config.mask, args.size)?;
    let mut compositor = Compositor::new(args.size);
    let mut mask = Mask::new(args.size);
    let mut output = Frame::new(args.size);
    let mut decoded = Frame::new(args.size);
    let mut meters = ["mjpeg", "mask", "compose", "all but mjpeg"].map(|name| Meter::new(name, args.frames));
    let mut model = Duration::ZERO;
    let mut keyframes = Meter::new("keyframes", args.frames);
    let mut other_threads_before = Duration::ZERO;
    let mut player_before = [Duration::ZERO; 2];
    let mut clock = FrameClock::new(config.fps);
    for number in 0..args.frames + WARM_UP {
        if number == WARM_UP {
            meters.iter_mut().for_each(Meter::clear);
            other_threads_before = other_threads_time();
            player_before = player_cpu_time();
            model = segmenter.model_time();
        }
        let index = ping_pong(number as usize, frames.len());
        let frame = &frames[index];
        let [mjpeg_meter, mask_meter, compose_meter, all] = &mut meters;
        mjpeg_meter.measure(|| decoder.decode(&jpegs[index], &mut decoded))?;
        all.measure(|| {
            mask_meter.measure(|| segmenter.segment(frame, &mut mask))?;
            scene.background.seek(Duration::from_secs(1) * number / config.fps.max(1));
            compose_meter.measure(|| compositor.compose(frame, Some(&mask), &scene, &mut output));
            Ok::<(), mask::MaskError>(())
        })?;
        keyframes.walls.extend(segmenter.keyframe_time().filter(|time| keyframes.walls.last() != Some(time)));
        if segmenter.info().quality != Quality::Eco {
            // leaves time for keyframes, as the interval between a camera's frames does
            clock.wait();
        }
    }
    let [.., all] = &mut meters;
    let mut player = Meter::new("background", args.frames);
    let [thread, child] = player_cpu_time();
    let thread = thread.saturating_sub(player_before[0]);
    let child = child.saturating_sub(player_before[1]);
    player.cpu = thread + child;
    keyframes.cpu = other_threads_time().saturating_sub(other_threads_before + thread);
    let model = segmenter.model_time().saturating_sub(model);
    let without = (all.cpu + player.cpu).saturating_sub(model);
    all.cpu += keyframes.cpu + player.cpu;
    let mut stages: Vec<_> = meters.into_iter().map(|meter| meter.stage(args.frames)).collect();
    if !keyframes.walls.is_empty() {
        stages.insert(2, keyframes.stage(args.frames));
    }
    if matches!(scene.background, Background::Moving(_)) {
        stages.insert(2, player.stage(args.frames));
    }
    Ok(Report {
        size: args.size.to_string(),
        frames: args.frames,
        background: scene.label,
        model: config.mask.model.clone(),
        quality: segmenter.info().quality,
        model_ms: model.as_secs_f64() * 1e3 / f64::from(args.frames),
        without_models_ms: without.as_secs_f64() * 1e3 / f64::from(args.frames),
        stages,
        rss_mib: stats::rss_mib(),
        load,
    })
}

/// A scene with a generated test image, so that no file is needed.
fn image_scene(size: Size) -> Scene {
    let mut image = Frame::new(size);
    let width = size.width();
    for (index, luma) in image.planes_mut().0.iter_mut().enumerate() {
        *luma = 16 + ((index % width + index / width) % 220) as u8;
    }
    Scene { label: "a test image".to_owned(), background: Background::Image(Arc::new(image)), ..Scene::off() }
}

/// Reads a few frames in advance, so that the source is not measured.
fn frames_of(settings: &camera::Settings) -> Result<Vec<Arc<Frame>>, Failure> {
    const FRAMES: usize = 30;
    if !(settings.device == "demo" || settings.device.starts_with("file:")) {
        let text = format!("cannot measure with camera {:?}, expected demo or file:PATH", settings.device);
        return Err(Failure::new(Kind::BadInput, text));
    }
    let mut source = camera::open(settings)?;
    (0..FRAMES)
        .map(|_| {
            let mut frame = Frame::new(settings.size);
            source.next(&mut frame)?;
            Ok(Arc::new(frame))
        })
        .collect()
}

/// Measures one stage.
struct Meter {
    name: &'static str,
    cpu: Duration,
    walls: Vec<Duration>,
    allocations: u64,
}

impl Meter {
    fn new(name: &'static str, frames: u32) -> Self {
        Self { name, cpu: Duration::ZERO, walls: Vec::with_capacity((frames + WARM_UP) as usize), allocations: 0 }
    }

    fn clear(&mut self) {
        self.cpu = Duration::ZERO;
        self.walls.clear();
        self.allocations = 0;
    }

    fn measure<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let wall = Instant::now();
        let cpu = thread_time();
        let allocated = allocations();
        let result = work();
        self.allocations += allocations() - allocated;
        self.cpu += thread_time().saturating_sub(cpu);
        self.walls.push(wall.elapsed());
        result
    }

    fn stage(mut self, frames: u32) -> Stage {
        self.walls.sort_unstable();
        let count = self.walls.len().max(1);
        let at = |percent: usize| {
            let index = (self.walls.len() * percent / 100).min(count - 1);
            self.walls.get(index).map_or(0.0, |wall| wall.as_secs_f64() * 1e3)
        };
        Stage {
            name: self.name.to_owned(),
            allocations: self.allocations as f64 / f64::from(frames),
            cpu_ms: self.cpu.as_secs_f64() * 1e3 / f64::from(frames),
            p50_ms: at(50),
            p95_ms: at(95),
            p99_ms: at(99),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { frames, size, background, model, quality, .. } = self;
        writeln!(f, "{frames} frames of {size}, background: {background}, model {model}, quality {quality}")?;
        writeln!(f, "{:13} {:>8} {:>8} {:>8} {:>8} {:>8}", "stage", "CPU ms", "p50 ms", "p95 ms", "p99 ms", "allocs")?;
        for stage in &self.stages {
            let Stage { name, cpu_ms, p50_ms, p95_ms, p99_ms, allocations } = stage;
            writeln!(f, "{name:13} {cpu_ms:8.2} {p50_ms:8.2} {p95_ms:8.2} {p99_ms:8.2} {allocations:8.1}")?;
        }
        writeln!(
            f,
            "CPU ms per frame: per-frame model {:.2}, everything except models and mjpeg {:.2}",
            self.model_ms, self.without_models_ms
        )?;
        writeln!(f, "memory {:.0} MiB, load average at start {:.1}", self.rss_mib, self.load)
    }
}

impl Report {
    /// Writes the report to `path`, for a later comparison.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), Failure> {
        let failed = |error: &(dyn std::error::Error + 'static)| {
            Failure::new(Kind::Io, format!("cannot save the results to {}: {}", path.display(), chain(error)))
        };
        let text = serde_json::to_string_pretty(self).map_err(|error| failed(&error))?;
        fs::write(path, text + "\n").map_err(|error| failed(&error))
    }

    /// Reads a saved report.
    ///
    /// # Errors
    /// If the file cannot be read or is not a report.
    pub fn load(path: &Path) -> Result<Self, Failure> {
        let failed =
            |text: String| Failure::new(Kind::BadInput, text).hint("create one with `bgcam bench --save FILE`");
        let text = fs::read_to_string(path)
            .map_err(|error| failed(format!("cannot read results from {}: {}", path.display(), chain(&error))))?;
        serde_json::from_str(&text)
            .map_err(|_| failed(format!("{} is not a file saved by bgcam bench", path.display())))
    }

    /// A table of CPU times before and now, in milliseconds, with their ratio.
    pub fn compared_with(&self, before: &Self) -> String {
        use std::fmt::Write;

        let mut text = String::new();
        let workload = |report: &Self| (report.size.clone(), report.background.clone(), report.quality);
        if workload(self) != workload(before) {
            let Self { size, background, quality, .. } = before;
            let _ = writeln!(
                text,
                "different workload: the saved results are for {size}, background: {background}, quality {quality}"
            );
        }
        let _ = writeln!(text, "{:13} {:>8} {:>8} {:>8}", "CPU ms", "before", "now", "ratio");
        let mut line = |name: &str, before: f64, now: f64| {
            let _ = writeln!(text, "{name:13} {before:8.2} {now:8.2} {:7.2}x", now / before.max(1e-6));
        };
        for now in &self.stages {
            if let Some(before) = before.stages.iter().find(|before| before.name == now.name) {
                line(&now.name, before.cpu_ms, now.cpu_ms);
            }
        }
        line("except models", before.without_models_ms, self.without_models_ms);
        text
    }
}

/// The index of frame `number` in a clip of `count` frames that plays forwards and backwards.
fn ping_pong(number: usize, count: usize) -> usize {
    let period = (2 * count).saturating_sub(2).max(1);
    let position = number % period;
    if position < count { position } else { period - position }
}

/// Waits for the next frame at a camera's rate.
struct FrameClock {
    next: Instant,
    frame_time: Duration,
}

impl FrameClock {
    fn new(fps: u32) -> Self {
        Self { next: Instant::now(), frame_time: Duration::from_secs(1) / fps.max(1) }
    }

    fn wait(&mut self) {
        self.next = (self.next + self.frame_time).max(Instant::now());
        thread::sleep(self.next.saturating_duration_since(Instant::now()));
    }
}

/// The CPU time spent on decoding a moving background: by the player's thread, and by `ffmpeg` child processes.
fn player_cpu_time() -> [Duration; 2] {
    let threads = tasks(Path::new("/proc/self"));
    let children = threads.iter().map(|thread| read(&thread.join("children"))).collect::<String>();
    let children = children.split_whitespace().flat_map(|pid| tasks(&Path::new("/proc").join(pid)));
    let ours = threads.iter().filter(|thread| read(&thread.join("comm")).trim() == PLAYER_THREAD);
    [ours.map(|thread| time_of(thread)).sum(), children.map(|thread| time_of(&thread)).sum()]
}

/// The `/proc` directories of a process's threads.
fn tasks(process: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(process.join("task")).into_iter().flatten();
    entries.flatten().map(|task| task.path()).collect()
}

/// The CPU time of a thread: the first number of `schedstat`.
fn time_of(task: &Path) -> Duration {
    let spent = read(&task.join("schedstat"));
    Duration::from_nanos(spent.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn load_average() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(0.0)
}
