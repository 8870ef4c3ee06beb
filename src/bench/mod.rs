//! `bgcam bench`: measures the cost of a frame, stage by stage, at a camera's frame rate.

mod meter;
mod report;

use std::{
    path::PathBuf,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use clap::{Args, ValueHint};

use self::meter::{Meter, Times, load_average};
pub use self::report::{Report, Stage};
use crate::{
    background::{Background, BackgroundSpec},
    camera::{self, mjpeg::Mjpeg, sample},
    compose::{Compositor, Scene},
    config::{
        Config,
        arguments::{MaskArgs, parse_background, whole},
    },
    error::{Failure, Kind},
    frame::{Frame, Mask, Pool, Size},
    mask::{self, Quality, Segmenter},
    render, stats,
};

/// Frames before the measurement starts, which fill caches and allocate lazy buffers.
const WARM_UP: u32 = 10;

/// Decoded frames: the one being filled, and one that the segmenter holds.
const DECODED: usize = 2;

/// Inferences measured for the unit of the results.
const INFERENCES: usize = 50;

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
    /// Compare with results saved under a similar load
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub compare: Option<PathBuf>,
    /// Number of frames to measure, 10 to 100000
    #[arg(long, default_value_t = 300, allow_negative_numbers = true, value_parser = whole::<u32, 10, 100_000>)]
    pub frames: u32,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Runs `args.frames` frames through the stages.
///
/// # Errors
/// If the source, the background or the model cannot be opened or fails.
pub fn run(args: &BenchArgs, config: &Config) -> Result<Report, Failure> {
    let load = load_average();
    let source_settings = camera::Settings { device: args.camera.clone(), size: args.size, ..config.camera.clone() };
    let jpegs = jpegs_of(&source_settings)?;
    let scene = match &args.background {
        Some(spec) => render::scene(spec.clone().fitted(config.fit), args.size, config)?,
        None => Scene { look: config.look.clone(), ..image_scene(args.size) },
    };
    let mut stages = Stages::open(args, config)?;
    let mut before = Times::default();
    let mut clock = FrameClock::new(config.fps);
    for number in 0..args.frames + WARM_UP {
        if number == WARM_UP {
            stages.meters.iter_mut().for_each(Meter::clear);
            before = Times::now(&*stages.segmenter);
        }
        let jpeg = &jpegs[ping_pong(number as usize, jpegs.len())];
        let position = Duration::from_secs(1) * number / config.fps.max(1);
        stages.run(number, jpeg, &scene, position)?;
        if stages.segmenter.info().quality != Quality::Eco {
            // leaves time for keyframes, as the interval between a camera's frames does
            clock.wait();
        }
    }
    let spent = Times::now(&*stages.segmenter).since(&before);
    let quality = stages.segmenter.info().quality;
    let rss_mib = stats::rss_mib(); // while the buffers and models are in memory
    let (stages, without_models) =
        stages.results(args.frames, &spent, matches!(scene.background, Background::Moving(_)));
    let per_frame = |time: Duration| time.as_secs_f64() * 1e3 / f64::from(args.frames);
    let inference = mask::measure(&config.mask, INFERENCES)?.cpu;
    Ok(Report {
        size: args.size.to_string(),
        frames: args.frames,
        background: scene.label,
        model: config.mask.model.clone(),
        quality,
        inference_ms: inference.as_secs_f64() * 1e3,
        model_ms: per_frame(spent.model),
        without_models_ms: per_frame(without_models),
        stages,
        rss_mib,
        load,
    })
}

/// The measured stages and their buffers.
struct Stages {
    decoder: Mjpeg,
    segmenter: Box<dyn Segmenter>,
    compositor: Compositor,
    decoded: Pool<Frame>,
    mask: Mask,
    output: Frame,
    /// Of the stages `mjpeg`, `mask` and `compose`, and of the last two together.
    meters: [Meter; 4],
    keyframes: Meter,
}

impl Stages {
    fn open(args: &BenchArgs, config: &Config) -> Result<Self, Failure> {
        let decoder = Mjpeg::new(args.size);
        Ok(Self {
            decoder: decoder.ok_or_else(|| Failure::new(Kind::Internal, "cannot create a JPEG decoder"))?,
            segmenter: mask::open(&config.mask, args.size)?,
            compositor: Compositor::new(args.size),
            decoded: Pool::new(DECODED, || Frame::new(args.size)),
            mask: Mask::new(args.size),
            output: Frame::new(args.size),
            meters: ["mjpeg", "mask", "compose", "all but mjpeg"].map(|name| Meter::new(name, args.frames)),
            keyframes: Meter::new("keyframes", args.frames),
        })
    }

    /// Processes frame `number`, with a moving background at `position`.
    fn run(&mut self, number: u32, jpeg: &[u8], scene: &Scene, position: Duration) -> Result<(), Failure> {
        let Self { decoder, segmenter, compositor, decoded, mask, output, meters, keyframes } = self;
        let [mjpeg_meter, mask_meter, compose_meter, all] = meters;
        let frame = decoded.fill(|frame| {
            frame.seq = number.into();
            frame.captured_at = Instant::now();
            mjpeg_meter.measure(|| decoder.decode(jpeg, frame))
        })?;
        let frame = frame.ok_or_else(|| Failure::new(Kind::Internal, "all buffers are in use"))?;
        all.measure(|| {
            let ready = mask_meter.measure(|| segmenter.segment(&frame, mask))?;
            scene.background.seek(position);
            // the first frame may be held back, and its mask is not ready
            let (frame, mask) = ready.as_ref().map_or((&frame, None), |ready| (ready, Some(&*mask)));
            compose_meter.measure(|| compositor.compose(frame, mask, scene, output));
            Ok::<(), mask::MaskError>(())
        })?;
        keyframes.walls.extend(segmenter.keyframe_time().filter(|time| keyframes.walls.last() != Some(time)));
        Ok(())
    }

    /// The results of the stages, and the CPU time of all but the models and the JPEG decoder.
    fn results(self, frames: u32, spent: &Times, is_moving: bool) -> (Vec<Stage>, Duration) {
        let Self { mut meters, mut keyframes, .. } = self;
        let mut player = Meter::new("background", frames);
        player.cpu = spent.player_thread + spent.player_process;
        keyframes.cpu = spent.other_threads.saturating_sub(spent.player_thread);
        let all = &mut meters[3];
        let without_models = (all.cpu + player.cpu).saturating_sub(spent.model);
        all.cpu += keyframes.cpu + player.cpu;
        let mut stages: Vec<_> = meters.into_iter().map(|meter| meter.stage(frames)).collect();
        if !keyframes.walls.is_empty() {
            stages.insert(2, keyframes.stage(frames));
        }
        if is_moving {
            stages.insert(2, player.stage(frames));
        }
        (stages, without_models)
    }
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

/// Encodes a few frames in advance, so that the source is not measured, and takes little memory.
fn jpegs_of(settings: &camera::Settings) -> Result<Vec<Vec<u8>>, Failure> {
    const FRAMES: usize = 30;
    if !(settings.device == "demo" || settings.device.starts_with("file:")) {
        let text = format!("cannot measure with camera {:?}, expected demo or file:PATH", settings.device);
        return Err(Failure::new(Kind::BadInput, text));
    }
    let mut source = camera::open(settings)?;
    let mut frame = Frame::new(settings.size);
    let encode = |_| {
        source.next(&mut frame)?;
        sample::mjpeg(&frame).map_err(|error| Failure::new(Kind::Internal, format!("cannot encode a JPEG: {error}")))
    };
    (0..FRAMES).map(encode).collect()
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
