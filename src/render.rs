//! `bgcam render`: the same way of a frame over a picture or a video file, every frame, none dropped.

use std::{
    fs::{self, File},
    io::{self, BufWriter},
    os::unix::fs::MetadataExt,
    path::{self, Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use crate::{
    background::{Background, BackgroundSpec, Options},
    camera::{
        CameraError, FrameSource,
        file::{self, FileOptions},
    },
    cli::args::RenderArgs,
    compose::{Compositor, Overlay, Scene},
    config::Config,
    error::{Failure, Kind, io_text},
    frame::{Frame, Mask, Pool, Size},
    mask::{self, Effort, Segmenter},
    sink::{
        self, Existing, SinkSpec,
        still::{self, Format},
        y4m::{Content, Writer},
    },
};

/// One frame being read and one held back by the segmenter.
const BUFFERS: usize = 2;

/// Renders `args.input` to `args.output`: one frame when that is a picture, else all.
///
/// # Errors
/// When a file can't be read or written, or the model can't be run; what was written of a video until then stays.
pub fn run(args: &RenderArgs, config: &Config) -> Result<(), Failure> {
    refuse_same_file(&args.output, &args.input)?;
    if let Some(mask) = &args.mask {
        refuse_same_file(mask, &args.input)?;
        refuse_same_file(mask, &args.output)?;
    }
    let options = FileOptions::default();
    if let Some(format) = Format::of(&args.output) {
        let mask = args.mask.as_deref().map(picture_format).transpose()?;
        let source = file::open(&args.input, &options)?;
        return picture(args, config, source, format, mask);
    }
    let output = match ending(&args.output).as_str() {
        "y4m" => SinkSpec::Y4m(args.output.clone()),
        "mp4" => SinkSpec::Mp4(args.output.clone()),
        _ => return Err(bad_ending(&args.output, ".png, .jpg, .y4m or .mp4")),
    };
    if let Some(mask) = args.mask.as_ref().filter(|mask| ending(mask) != "y4m") {
        return Err(bad_ending(mask, ".y4m, as the output is a video"));
    }
    let source = file::open(&args.input, &options)?;
    video(args, config, source, &output)
}

/// The stations that a frame goes through here.
struct Stations {
    segmenter: Box<dyn Segmenter>,
    compositor: Compositor,
    scene: Scene,
    mask: Mask,
    picture: Frame,
    /// Frames a second, as a fraction, and how many were composed: what moves goes by the time of the frame.
    rate: (u32, u32),
    composed: u64,
}

impl Stations {
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
            picture: Frame::new(size),
            rate,
            composed: 0,
        })
    }

    /// Takes in a frame; true when the picture of one is ready, this or the one before.
    fn run(&mut self, frame: &Arc<Frame>) -> Result<bool, Failure> {
        let ready = self.segmenter.segment(frame, &mut self.mask)?;
        Ok(self.compose(ready))
    }

    /// True when a frame was held back; its picture is ready now.
    fn flush(&mut self) -> bool {
        let ready = self.segmenter.flush(&mut self.mask);
        self.compose(ready)
    }

    fn compose(&mut self, ready: Option<Arc<Frame>>) -> bool {
        let Some(frame) = ready else { return false };
        self.scene.background.seek(time_of(self.composed, self.rate));
        self.composed += 1;
        self.compositor.compose(&frame, Some(&self.mask), &self.scene, &mut self.picture);
        true
    }
}

/// When frame `number` is shown, counted from the first.
fn time_of(number: u64, (frames, seconds): (u32, u32)) -> Duration {
    Duration::from_nanos(number * u64::from(seconds) * 1_000_000_000 / u64::from(frames.max(1)))
}

/// A scene with `spec` behind the person, for files: neither mirrored nor paused.
///
/// # Errors
/// When the background can't be loaded.
pub fn scene(spec: BackgroundSpec, size: Size, config: &Config) -> Result<Scene, Failure> {
    let look = config.look.clone();
    let options = Options { crossfade: config.crossfade, ..Options::for_look(&look, size, config.limits) };
    let background = Background::load(&spec, &options)?;
    let overlay = Overlay::load(&look, size, &config.limits)?;
    Ok(Scene { version: 1, label: spec.to_string(), spec, background, look, overlay, ..Scene::off() })
}

fn picture(
    args: &RenderArgs,
    config: &Config,
    mut source: Box<dyn FrameSource>,
    format: Format,
    mask_format: Option<Format>,
) -> Result<(), Failure> {
    let mut frame = Frame::new(source.size());
    source.next(&mut frame)?;
    let settings = mask::Settings { effort: Effort::Still, ..config.mask.clone() };
    let mut stations = Stations::open(args, config, &settings, frame.size(), source.rate())?;
    stations.run(&Arc::new(frame))?;
    // the frame may have a column and a row more than the picture: 4:2:0 needs even sides
    let shown = source.info().native;
    still::save(&stations.picture, shown, &args.output, format)?;
    if let (Some(path), Some(format)) = (&args.mask, mask_format) {
        still::save_mask(&stations.mask, shown, path, format)?;
    }
    Ok(())
}

fn video(
    args: &RenderArgs,
    config: &Config,
    mut source: Box<dyn FrameSource>,
    output: &SinkSpec,
) -> Result<(), Failure> {
    let size = source.size();
    let settings = mask::Settings { effort: Effort::File, ..config.mask.clone() };
    let rate = source.rate();
    let mut stations = Stations::open(args, config, &settings, size, rate)?;
    let mut pictures = sink::open(output, size, rate, Existing::Replace)?;
    let mut masks = args.mask.as_ref().map(|path| MaskFile::create(path, size, rate)).transpose()?;
    let mut write = |stations: &Stations| {
        pictures.write(&stations.picture)?;
        masks.as_mut().map_or(Ok(()), |masks| masks.write(&stations.mask))
    };
    let mut frames = Pool::new(BUFFERS, || Frame::new(size));
    loop {
        let frame = match frames.fill(|frame| source.next(frame)) {
            Ok(Some(frame)) => frame,
            Err(CameraError::EndOfStream { .. }) => break,
            Err(error) => return Err(Failure::from(error)),
            Ok(None) => return Err(Failure::new(Kind::Internal, "a frame was not given back")),
        };
        if stations.run(&frame)? {
            write(&stations)?;
        }
    }
    if stations.flush() {
        write(&stations)?;
    }
    pictures.finish()?;
    masks.map_or(Ok(()), MaskFile::finish)
}

/// The Y4M of `--mask`.
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

/// Writing begins before reading ends, so a file that is both would be lost.
fn refuse_same_file(output: &Path, input: &Path) -> Result<(), Failure> {
    let identity = |path: &Path| fs::metadata(path).map(|meta| (meta.dev(), meta.ino())).ok();
    let known = identity(output);
    if (known.is_some() && known == identity(input)) || path::absolute(output).ok() == path::absolute(input).ok() {
        let text = format!("{} and {} are the same file", output.display(), input.display());
        return Err(Failure::new(Kind::BadInput, text).hint("write to another file"));
    }
    Ok(())
}

fn picture_format(path: &Path) -> Result<Format, Failure> {
    Format::of(path).ok_or_else(|| bad_ending(path, ".png or .jpg, as the output is a picture"))
}

fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    Failure::new(Kind::Io, format!("cannot write {}: {}", path.display(), io_text(error)))
}

fn ending(path: &Path) -> String {
    path.extension().unwrap_or_default().to_string_lossy().to_lowercase()
}

fn bad_ending(path: &Path, expected: &str) -> Failure {
    Failure::new(
        Kind::BadInput,
        format!("cannot tell what to write to {}, expected a name in {expected}", path.display()),
    )
}
