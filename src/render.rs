//! `bgcam render`: replaces the background of an image or video file, with the daemon's stages and no dropped frames.

use std::{
    fs::{self, File},
    io::{self, BufWriter},
    os::unix::fs::MetadataExt,
    path::{self, Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use clap::{Args, ValueHint};

use crate::{
    background::{self, Background, BackgroundSpec},
    camera::{
        CameraError, FrameSource,
        file::{self, FileOptions},
    },
    compose::{Compositor, Overlay, Scene},
    config::{
        Config,
        arguments::{MaskArgs, parse_background},
    },
    error::{Failure, Kind, io_text},
    frame::{Frame, Mask, Pool, Size},
    mask::{self, InputKind, Segmenter},
    sink::{
        self, OverwritePolicy, SinkSpec,
        still::{self, StillFormat},
        y4m::{Content, Writer},
    },
};

/// One frame being read and one delayed by the segmenter.
const BUFFERS: usize = 2;

/// The arguments of `bgcam render`.
#[derive(Debug, Args)]
pub struct RenderArgs {
    /// Input image (PNG, JPEG, WebP) or video (Y4M, or any format ffmpeg supports)
    #[arg(value_name = "INPUT", value_hint = ValueHint::FilePath)]
    pub input: PathBuf,
    /// Output file: .png or .jpg for an image, .y4m or .mp4 for a video
    #[arg(value_name = "OUTPUT", value_hint = ValueHint::FilePath)]
    pub output: PathBuf,
    /// Background: none, blur, blur:40, a colour, an image or video file, or slideshow:FOLDER [default: as configured]
    #[arg(long, value_name = "BACKGROUND", value_parser = parse_background)]
    pub background: Option<BackgroundSpec>,
    /// Also write the alpha matte as it was blended: .png for an image, .y4m for a video
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub mask: Option<PathBuf>,
    /// Model and quality.
    #[command(flatten)]
    pub mask_args: MaskArgs,
}

/// Renders `args.input` to `args.output`: the first frame if the output is an image, otherwise all frames.
///
/// # Errors
/// If a file cannot be read or written, or the model cannot run. A video keeps the frames written before the error.
pub fn run(args: &RenderArgs, config: &Config) -> Result<(), Failure> {
    refuse_same_file(&args.output, &args.input)?;
    if let Some(mask) = &args.mask {
        refuse_same_file(mask, &args.input)?;
        refuse_same_file(mask, &args.output)?;
    }
    let options = FileOptions::default();
    if let Some(format) = StillFormat::of(&args.output) {
        let mask = args.mask.as_deref().map(image_format).transpose()?;
        let source = file::open(&args.input, &options)?;
        return render_image(args, config, source, format, mask);
    }
    let output = video_output(&args.output)?;
    if let Some(mask) = args.mask.as_ref().filter(|mask| extension(mask) != "y4m") {
        return Err(unsupported_extension(mask, ".y4m, because the output is a video"));
    }
    let source = file::open(&args.input, &options)?;
    render_video(args, config, source, &output)
}

fn video_output(path: &Path) -> Result<SinkSpec, Failure> {
    match extension(path).as_str() {
        "y4m" => Ok(SinkSpec::Y4m(path.to_owned())),
        "mp4" => Ok(SinkSpec::Mp4(path.to_owned())),
        _ => Err(unsupported_extension(path, ".png, .jpg, .y4m or .mp4")),
    }
}

/// The stages of one rendering.
struct Stages {
    segmenter: Box<dyn Segmenter>,
    compositor: Compositor,
    scene: Scene,
    mask: Mask,
    /// The mask as it was blended, for `--mask`.
    blended: Option<Mask>,
    output: Frame,
    /// Frames per second, as a fraction. With the number of composed frames, it sets the time of a moving background.
    rate: (u32, u32),
    composed: u64,
}

impl Stages {
    fn open(
        args: &RenderArgs,
        config: &Config,
        settings: &mask::Settings,
        size: Size,
        rate: (u32, u32),
    ) -> Result<Self, Failure> {
        let spec = args.background.clone().map(|spec| spec.fitted(config.fit));
        let spec = spec.unwrap_or_else(|| config.background.clone());
        let mut segmenter = mask::open(settings, size)?;
        segmenter.set_nearest_only(config.look.nearest_only);
        Ok(Self {
            segmenter,
            compositor: Compositor::new(size),
            scene: scene(spec, size, config)?,
            mask: Mask::new(size),
            blended: args.mask.is_some().then(|| Mask::new(size)),
            output: Frame::new(size),
            rate,
            composed: 0,
        })
    }

    /// Processes a frame. True if an output frame is ready, for this frame or the previous one.
    fn run(&mut self, frame: &Arc<Frame>) -> Result<bool, Failure> {
        let ready = self.segmenter.segment(frame, &mut self.mask)?;
        Ok(self.compose(ready))
    }

    /// Composes the frame that the segmenter delayed, if any; true if there was one.
    fn flush(&mut self) -> bool {
        let ready = self.segmenter.flush(&mut self.mask);
        self.compose(ready)
    }

    fn compose(&mut self, ready: Option<Arc<Frame>>) -> bool {
        let Some(frame) = ready else { return false };
        self.scene.background.seek(time_of(self.composed, self.rate));
        self.composed += 1;
        let blended = self.compositor.compose(&frame, Some(&self.mask), &self.scene, &mut self.output);
        if let (Some(copy), Some(blended)) = (&mut self.blended, blended) {
            copy.alpha_mut().copy_from_slice(blended.alpha());
        }
        true
    }
}

/// The presentation time of frame `number`, relative to the first.
fn time_of(number: u64, (frames, seconds): (u32, u32)) -> Duration {
    Duration::from_nanos(number * u64::from(seconds) * 1_000_000_000 / u64::from(frames.max(1)))
}

/// A scene with this background for offline rendering: neither mirrored nor paused.
///
/// # Errors
/// If the background or the overlay cannot be loaded.
pub fn scene(spec: BackgroundSpec, size: Size, config: &Config) -> Result<Scene, Failure> {
    let look = config.look.clone();
    let options = background::Options {
        crossfade: config.crossfade,
        ..background::Options::for_look(&look, size, config.limits)
    };
    let background = Background::load(&spec, &options)?;
    let overlay = Overlay::load(&look, size, &config.limits)?;
    Ok(Scene { version: 1, label: spec.to_string(), spec, background, look, overlay, ..Scene::off() })
}

fn render_image(
    args: &RenderArgs,
    config: &Config,
    mut source: Box<dyn FrameSource>,
    format: StillFormat,
    mask_format: Option<StillFormat>,
) -> Result<(), Failure> {
    let mut frame = Frame::new(source.size());
    source.next(&mut frame)?;
    let settings = mask::Settings { input: InputKind::Still, ..config.mask.clone() };
    let mut stages = Stages::open(args, config, &settings, frame.size(), source.rate())?;
    stages.run(&Arc::new(frame))?;
    // 4:2:0 needs even sides, so the frame may have one column and one row more than the image
    let shown = source.info().native;
    still::save(&stages.output, shown, &args.output, format)?;
    if let (Some(path), Some(format), Some(mask)) = (&args.mask, mask_format, &stages.blended) {
        still::save_mask(mask, shown, path, format)?;
    }
    Ok(())
}

fn render_video(
    args: &RenderArgs,
    config: &Config,
    mut source: Box<dyn FrameSource>,
    output: &SinkSpec,
) -> Result<(), Failure> {
    let size = source.size();
    let settings = mask::Settings { input: InputKind::File, ..config.mask.clone() };
    let rate = source.rate();
    let mut stages = Stages::open(args, config, &settings, size, rate)?;
    let mut sink = sink::open(output, size, rate, OverwritePolicy::Replace)?;
    let mut masks = args.mask.as_ref().map(|path| MaskFile::create(path, size, rate)).transpose()?;
    let mut write = |stages: &Stages| {
        sink.write(&stages.output)?;
        masks.as_mut().zip(stages.blended.as_ref()).map_or(Ok(()), |(masks, blended)| masks.write(blended))
    };
    let mut frames = Pool::new(BUFFERS, || Frame::new(size));
    loop {
        let frame = match frames.fill(|frame| source.next(frame)) {
            Ok(Some(frame)) => frame,
            Err(CameraError::EndOfStream { .. }) => break,
            Err(error) => return Err(Failure::from(error)),
            Ok(None) => return Err(Failure::new(Kind::Internal, "a frame was not returned to the pool")),
        };
        if stages.run(&frame)? {
            write(&stages)?;
        }
    }
    if stages.flush() {
        write(&stages)?;
    }
    sink.finish()?;
    masks.map_or(Ok(()), MaskFile::finish)
}

/// The Y4M file of `--mask`.
struct MaskFile {
    path: PathBuf,
    writer: Writer<BufWriter<File>>,
}

impl MaskFile {
    fn create(path: &Path, size: Size, rate: (u32, u32)) -> Result<Self, Failure> {
        let writer = File::create(path).and_then(|file| Writer::new(BufWriter::new(file), size, rate, Content::Masks));
        Ok(Self { path: path.to_owned(), writer: writer.map_err(|error| cannot_write(path, &error))? })
    }

    fn write(&mut self, mask: &Mask) -> Result<(), Failure> {
        self.writer.mask(mask).map_err(|error| cannot_write(&self.path, &error))
    }

    fn finish(self) -> Result<(), Failure> {
        self.writer.finish().map(|_| ()).map_err(|error| cannot_write(&self.path, &error))
    }
}

/// Refuses to overwrite an input, because writing starts before reading ends.
fn refuse_same_file(output: &Path, input: &Path) -> Result<(), Failure> {
    let identity = |path: &Path| fs::metadata(path).map(|meta| (meta.dev(), meta.ino())).ok();
    let known = identity(output);
    if (known.is_some() && known == identity(input)) || path::absolute(output).ok() == path::absolute(input).ok() {
        let text = format!("{} and {} are the same file", output.display(), input.display());
        return Err(Failure::new(Kind::BadInput, text).hint("choose another output file"));
    }
    Ok(())
}

fn image_format(path: &Path) -> Result<StillFormat, Failure> {
    StillFormat::of(path).ok_or_else(|| unsupported_extension(path, ".png or .jpg, because the output is an image"))
}

fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    Failure::new(Kind::Io, format!("cannot write {}: {}", path.display(), io_text(error)))
}

fn extension(path: &Path) -> String {
    path.extension().unwrap_or_default().to_string_lossy().to_lowercase()
}

fn unsupported_extension(path: &Path, expected: &str) -> Failure {
    Failure::new(Kind::BadInput, format!("unsupported extension of {}, expected {expected}", path.display()))
}
