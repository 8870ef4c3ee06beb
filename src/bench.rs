//! `bgcam bench`: what a frame costs on this machine, station by station, at the pace of a camera.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use crate::{
    background::{Background, PLAYER},
    camera::{self, mjpeg::Mjpeg, sample},
    cli::args::BenchArgs,
    compose::{Compositor, Scene},
    config::Config,
    error::{Failure, Kind, chain},
    frame::{Frame, Mask, Size},
    mask::{self, Quality},
    render,
    stats::{self, allocations, other_threads_time, thread_time},
};

/// Frames that are not counted: caches, lazily made buffers.
const WARM_UP: u32 = 10;

/// What was measured.
#[derive(Debug, Serialize, Deserialize)]
pub struct Report {
    /// Width and height.
    pub size: String,
    /// Frames that were counted.
    pub frames: u32,
    /// The background.
    pub background: String,
    /// The model.
    pub model: String,
    /// The quality that it ran in.
    pub quality: Quality,
    /// CPU milliseconds a frame of the model that sees every frame; part of the mask.
    pub model_ms: f64,
    /// CPU milliseconds a frame of everything but the models and MJPEG.
    pub without_models_ms: f64,
    /// The stations in a frame's order, then their sum.
    pub stations: Vec<Station>,
    /// The process's memory at the end, in MiB.
    pub rss_mib: f64,
    /// The machine's load over the last minute, when it began: other work makes wall times worthless, CPU times less so.
    pub load: f64,
}

/// The cost of one station.
#[derive(Debug, Serialize, Deserialize)]
pub struct Station {
    /// Its name.
    pub name: String,
    /// CPU milliseconds a frame, mean.
    pub cpu_ms: f64,
    /// Wall milliseconds a frame that half, 95 % and 99 % of the frames stay within.
    pub p50_ms: f64,
    #[allow(missing_docs)]
    pub p95_ms: f64,
    #[allow(missing_docs)]
    pub p99_ms: f64,
    /// Allocations a frame, of all threads; those of C libraries are not counted.
    pub allocations: f64,
}

/// Runs `args.frames` frames through the stations.
///
/// # Errors
/// When the source, the background or the model can't be opened or fails.
pub fn run(args: &BenchArgs, config: &Config) -> Result<Report, Failure> {
    let load = load_average();
    let source_settings = camera::Settings { device: args.camera.clone(), size: args.size, ..config.camera.clone() };
    let frames = frames_of(&source_settings)?;
    let scene = match &args.background {
        Some(spec) => render::scene(spec.clone().fitted(config.fit), args.size, config)?,
        None => Scene { look: config.look.clone(), ..picture_scene(args.size) },
    };
    let jpegs = frames.iter().map(|frame| sample::mjpeg(frame)).collect::<Result<Vec<_>, _>>();
    let jpegs = jpegs.map_err(|error| Failure::new(Kind::Internal, format!("cannot make a JPEG: {error}")))?;
    let mut decoder = Mjpeg::new(args.size).ok_or_else(|| Failure::new(Kind::Internal, "no JPEG decoder"))?;
    let mut segmenter = mask::open(&config.mask, args.size)?;
    let mut compositor = Compositor::new(args.size);
    let (mut mask, mut picture, mut decoded) = (Mask::new(args.size), Frame::new(args.size), Frame::new(args.size));
    let mut meters = ["mjpeg", "mask", "compose", "all but mjpeg"].map(|name| Meter::new(name, args.frames));
    let mut model = Duration::ZERO;
    let mut keys = Meter::new("key frames", args.frames);
    let (mut others, mut played) = (Duration::ZERO, [Duration::ZERO; 2]);
    let mut pace = Pace::new(config.fps);
    for number in 0..args.frames + WARM_UP {
        if number == WARM_UP {
            meters.iter_mut().for_each(Meter::clear);
            (others, played) = (other_threads_time(), player_cpu_time());
            model = segmenter.model_time();
        }
        let index = to_and_fro(number as usize, frames.len());
        let frame = &frames[index];
        let [mjpeg_meter, mask_meter, compose_meter, all] = &mut meters;
        mjpeg_meter.measure(|| decoder.decode(&jpegs[index], &mut decoded))?;
        all.measure(|| {
            mask_meter.measure(|| segmenter.segment(frame, &mut mask))?;
            scene.background.seek(Duration::from_secs(1) * number / config.fps.max(1));
            compose_meter.measure(|| compositor.compose(frame, Some(&mask), &scene, &mut picture));
            Ok::<(), mask::MaskError>(())
        })?;
        keys.walls.extend(segmenter.keyframe_time().filter(|time| keys.walls.last() != Some(time)));
        if segmenter.info().quality != Quality::Eco {
            // key frames are made meanwhile, as they are between a camera's frames
            pace.wait();
        }
    }
    let [.., all] = &mut meters;
    let mut player = Meter::new("background", args.frames);
    let [thread, child] = player_cpu_time();
    let (thread, child) = (thread.saturating_sub(played[0]), child.saturating_sub(played[1]));
    player.cpu = thread + child;
    keys.cpu = other_threads_time().saturating_sub(others + thread);
    let model = segmenter.model_time().saturating_sub(model);
    let without = (all.cpu + player.cpu).saturating_sub(model);
    all.cpu += keys.cpu + player.cpu;
    let mut stations: Vec<_> = meters.into_iter().map(|meter| meter.station(args.frames)).collect();
    if !keys.walls.is_empty() {
        stations.insert(2, keys.station(args.frames));
    }
    if matches!(scene.background, Background::Moving(_)) {
        stations.insert(2, player.station(args.frames));
    }
    Ok(Report {
        size: args.size.to_string(),
        frames: args.frames,
        background: scene.label,
        model: config.mask.model.clone(),
        quality: segmenter.info().quality,
        model_ms: model.as_secs_f64() * 1e3 / f64::from(args.frames),
        without_models_ms: without.as_secs_f64() * 1e3 / f64::from(args.frames),
        stations,
        rss_mib: stats::rss_mib(),
        load,
    })
}

/// A picture of our own behind the person, so that no file is needed.
fn picture_scene(size: Size) -> Scene {
    let mut picture = Frame::new(size);
    let width = size.width();
    for (index, luma) in picture.planes_mut().0.iter_mut().enumerate() {
        *luma = 16 + ((index % width + index / width) % 220) as u8;
    }
    Scene { label: "a picture".to_owned(), background: Background::Picture(Arc::new(picture)), ..Scene::off() }
}

/// A few frames of the source, taken beforehand, so that its own cost stays out.
fn frames_of(settings: &camera::Settings) -> Result<Vec<Arc<Frame>>, Failure> {
    const FRAMES: usize = 30;
    if !(settings.device == "demo" || settings.device.starts_with("file:")) {
        let text = format!("cannot measure with {:?}, expected demo or file:PATH", settings.device);
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

/// Times of one station.
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
        let (wall, cpu, allocated) = (Instant::now(), thread_time(), allocations());
        let result = work();
        self.allocations += allocations() - allocated;
        self.cpu += thread_time().saturating_sub(cpu);
        self.walls.push(wall.elapsed());
        result
    }

    fn station(mut self, frames: u32) -> Station {
        self.walls.sort_unstable();
        let count = self.walls.len().max(1);
        let at = |percent: usize| {
            let index = (self.walls.len() * percent / 100).min(count - 1);
            self.walls.get(index).map_or(0.0, |wall| wall.as_secs_f64() * 1e3)
        };
        Station {
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
        writeln!(f, "{frames} frames of {size}, {background} behind, model {model}, quality {quality}")?;
        writeln!(
            f,
            "{:13} {:>8} {:>8} {:>8} {:>8} {:>8}",
            "station", "CPU ms", "p50 ms", "p95 ms", "p99 ms", "allocs"
        )?;
        for station in &self.stations {
            let Station { name, cpu_ms, p50_ms, p95_ms, p99_ms, allocations } = station;
            writeln!(f, "{name:13} {cpu_ms:8.2} {p50_ms:8.2} {p95_ms:8.2} {p99_ms:8.2} {allocations:8.1}")?;
        }
        writeln!(
            f,
            "CPU ms of the model for every frame {:.2}, of all but models and mjpeg {:.2}",
            self.model_ms, self.without_models_ms
        )?;
        writeln!(f, "memory {:.0} MiB; the machine's load was {:.1} before", self.rss_mib, self.load)
    }
}

impl Report {
    /// Writes it to `path`, for a later comparison.
    ///
    /// # Errors
    /// When that can't be written.
    pub fn save(&self, path: &Path) -> Result<(), Failure> {
        let failed = |error: &(dyn std::error::Error + 'static)| {
            Failure::new(Kind::Io, format!("cannot save the measurement to {}: {}", path.display(), chain(error)))
        };
        let text = serde_json::to_string_pretty(self).map_err(|error| failed(&error))?;
        fs::write(path, text + "\n").map_err(|error| failed(&error))
    }

    /// Reads one that was saved.
    ///
    /// # Errors
    /// When it can't be read or is none.
    pub fn load(path: &Path) -> Result<Self, Failure> {
        let failed = |text: String| Failure::new(Kind::BadInput, text).hint("`bgcam bench --save FILE` writes one");
        let text = fs::read_to_string(path)
            .map_err(|error| failed(format!("cannot read a measurement from {}: {}", path.display(), chain(&error))))?;
        serde_json::from_str(&text)
            .map_err(|_| failed(format!("{} is not a measurement that bgcam bench has saved", path.display())))
    }

    /// What has changed since `before`: CPU milliseconds then and now, and their ratio.
    pub fn compared_with(&self, before: &Self) -> String {
        use std::fmt::Write;

        let mut text = String::new();
        let of = |report: &Self| (report.size.clone(), report.background.clone(), report.quality);
        if of(self) != of(before) {
            let Self { size, background, quality, .. } = before;
            let _ = writeln!(text, "not the same work: before it was {size}, {background} behind, quality {quality}");
        }
        let _ = writeln!(text, "{:13} {:>8} {:>8} {:>8}", "CPU ms", "before", "now", "ratio");
        let mut line = |name: &str, before: f64, now: f64| {
            let _ = writeln!(text, "{name:13} {before:8.2} {now:8.2} {:7.2}x", now / before.max(1e-6));
        };
        for now in &self.stations {
            if let Some(before) = before.stations.iter().find(|before| before.name == now.name) {
                line(&now.name, before.cpu_ms, now.cpu_ms);
            }
        }
        line("all - models", before.without_models_ms, self.without_models_ms);
        text
    }
}

/// Frame `number` of a clip of `count` frames that is played forwards and backwards, without a jump.
fn to_and_fro(number: usize, count: usize) -> usize {
    let round = (2 * count).saturating_sub(2).max(1);
    let place = number % round;
    if place < count { place } else { round - place }
}

/// A camera's clock.
struct Pace {
    next: Instant,
    frame_time: Duration,
}

impl Pace {
    fn new(fps: u32) -> Self {
        Self { next: Instant::now(), frame_time: Duration::from_secs(1) / fps.max(1) }
    }

    fn wait(&mut self) {
        self.next = (self.next + self.frame_time).max(Instant::now());
        thread::sleep(self.next.saturating_duration_since(Instant::now()));
    }
}

/// The CPU time of what decodes a moving background: the thread of its player, and the threads of an `ffmpeg`.
fn player_cpu_time() -> [Duration; 2] {
    let threads = tasks(Path::new("/proc/self"));
    let children = threads.iter().map(|thread| read(&thread.join("children"))).collect::<String>();
    let children = children.split_whitespace().flat_map(|pid| tasks(&Path::new("/proc").join(pid)));
    let ours = threads.iter().filter(|thread| read(&thread.join("comm")).trim() == PLAYER);
    [ours.map(|thread| time_of(thread)).sum(), children.map(|thread| time_of(&thread)).sum()]
}

/// The threads of a process.
fn tasks(process: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(process.join("task")).into_iter().flatten();
    entries.flatten().map(|task| task.path()).collect()
}

/// How long a thread has run, by its first number in `schedstat`.
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
