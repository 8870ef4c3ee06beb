//! The starter gallery: backgrounds that the built-in painter draws once, so that new users have something to choose.
//!
//! They are painted one at a time on a thread of the lowest priority, while no app is watching and the CPU is idle. A
//! file records which ones are done: a removed image is never painted again, and a gallery that already has images gets
//! none.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{Duration, Instant, SystemTime},
};

use tokio::{sync::oneshot, task::spawn_blocking, time::sleep};

use super::{Daemon, images::open_gallery, internal, lock, state_file};
use crate::{
    error::{Failure, Kind},
    gallery::Gallery,
    media::regular,
    paths,
    pipeline::{LocalMachine, Machine},
    prompt::{self, GeneratedImage, Name, PromptError, PromptRequest, Recipe, catalogue},
};

/// What is painted, in this order. Each was judged as a background for a job interview, as the painter draws it without a
/// seed; the same prompt from the user finds it in the gallery.
const STARTERS: [&str; 12] = [
    "A quiet library",
    "Bright office",
    "Bright kitchen",
    "Bright living room in the morning",
    "Home office in the evening",
    "Cosy living room",
    "Bright conference room",
    "Log cabin in the evening",
    "Japanese garden",
    "White brick wall",
    "Soft blue gradient",
    "Misty mountains at dawn",
];

/// Delay of the first image after the start.
const START_DELAY: Duration = Duration::from_secs(10);

/// Interval between checks whether the machine is idle.
const CHECK_INTERVAL: Duration = Duration::from_secs(3);

/// The idle share of the CPU that painting requires, 0 to 1: for the first few images, which new users wait for, and for
/// the others, which also require mains power.
const MIN_IDLE: (f32, f32) = (0.1, 0.4);

/// The images that new users wait for.
const FIRST: usize = 4;

/// The lowest priority.
const NICE: i32 = 19;

/// Maximum size of the file, in bytes.
const MAX_FILE_SIZE: u64 = 64 << 10;

/// Paints the images that are missing.
pub(super) async fn paint(daemon: Arc<Daemon>) {
    if let Err(failure) = paint_missing(&daemon).await {
        tracing::info!("the starter gallery is incomplete: {failure}");
    }
}

async fn paint_missing(daemon: &Daemon) -> Result<(), Failure> {
    sleep(START_DELAY).await;
    let gallery = daemon.gallery()?;
    let load = spawn_blocking(move || Done::load(file(), &gallery));
    let Some(mut done) = load.await.map_err(|error| internal(&error))?.map_err(|error| cannot_record(&error))? else {
        return Ok(());
    };
    let mut machine: Box<dyn Machine> = Box::new(LocalMachine::new(Path::new("/")));
    for (number, text) in STARTERS.into_iter().enumerate() {
        if done.has(text) {
            continue;
        }
        machine = wait_until_idle(daemon, machine, number < FIRST).await?;
        let request = PromptRequest {
            text: text.to_owned(),
            provider: Some(Name::Builtin.to_string()),
            ..PromptRequest::default()
        };
        paint_one(daemon, &request).await?;
        let recorded = spawn_blocking(move || done.add(text).map(|()| done));
        done = recorded.await.map_err(|error| internal(&error))?.map_err(|error| cannot_record(&error))?;
    }
    Ok(())
}

fn file() -> PathBuf {
    paths::data_dir().join("starter.json")
}

fn cannot_record(error: &io::Error) -> Failure {
    Failure::new(Kind::Io, format!("cannot write {}: {}", file().display(), crate::error::io_text(error)))
}

/// Waits until no app is watching and the CPU is idle. Checking may block on firmware, so it has its own thread.
async fn wait_until_idle(
    daemon: &Daemon,
    mut machine: Box<dyn Machine>,
    is_first: bool,
) -> Result<Box<dyn Machine>, Failure> {
    let min_idle = if is_first { MIN_IDLE.0 } else { MIN_IDLE.1 };
    loop {
        sleep(CHECK_INTERVAL).await;
        let measured = spawn_blocking(move || (machine.measure(), machine)).await;
        let (headroom, same) = measured.map_err(|error| internal(&error))?;
        machine = same;
        let is_watched = daemon.outputs.status(Instant::now()).iter().any(|output| output.read == Some(true));
        let has_power = is_first || !headroom.on_battery;
        if !is_watched && has_power && headroom.idle.is_some_and(|idle| idle >= min_idle) {
            return Ok(machine);
        }
    }
}

async fn paint_one(daemon: &Daemon, request: &PromptRequest) -> Result<(), Failure> {
    let config = lock(&daemon.config).clone();
    let provider = catalogue::open(Name::Builtin.as_str(), &config.prompt)?;
    let frame_size = (config.size.width() as u32, config.size.height() as u32);
    let recipe = prompt::recipe(request, &*provider, &config.prompt, frame_size)?;
    let image = generate_slowly(recipe.clone(), provider).await?;
    let keep = daemon.kept_ids();
    let stored = spawn_blocking(move || {
        open_gallery(config.gallery_bytes)?
            .add_starter(&recipe, &image, SystemTime::now(), &keep)
            .map_err(Failure::from)
    });
    stored.await.map_err(|error| internal(&error))??;
    crate::stats::trim_heap();
    Ok(())
}

/// Generates an image on a thread of the lowest priority, which cannot be raised again. Its own threads inherit it.
async fn generate_slowly(recipe: Recipe, provider: Box<dyn prompt::Provider>) -> Result<GeneratedImage, Failure> {
    let (sender, receiver) = oneshot::channel();
    let work = move || {
        let _ = rustix::process::setpriority_process(None, NICE); // of this thread, on Linux
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let generated = match runtime {
            Ok(runtime) => runtime.block_on(provider.generate(&recipe, &|_| {})),
            Err(error) => Err(PromptError::Internal(error.to_string())),
        };
        let _ = sender.send(generated); // the daemon may be stopping
    };
    let thread = thread::Builder::new().name("bgcam-starter".to_owned());
    thread.spawn(work).map_err(|error| internal(&error))?;
    Ok(receiver.await.map_err(|error| internal(&error))??)
}

/// The images that have been painted, and their file.
#[derive(Debug)]
struct Done {
    file: PathBuf,
    prompts: Vec<String>,
}

impl Done {
    /// Loads the record; `None` if nothing is to be painted, because the user already has a gallery, or the record
    /// cannot be read.
    fn load(file: PathBuf, gallery: &Gallery) -> io::Result<Option<Self>> {
        match regular::read(&file, MAX_FILE_SIZE) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok().map(|prompts| Self { file, prompts })),
            Err(error) if error.kind() != Kind::NotFound => Ok(None),
            Err(_) => {
                let is_new = gallery.list().entries.is_empty();
                let prompts = if is_new { Vec::new() } else { STARTERS.map(str::to_owned).into() };
                let done = Self { file, prompts };
                done.save()?;
                Ok(Some(done))
            }
        }
    }

    fn has(&self, text: &str) -> bool {
        self.prompts.iter().any(|done| done == text)
    }

    fn add(&mut self, text: &str) -> io::Result<()> {
        self.prompts.push(text.to_owned());
        self.save()
    }

    fn save(&self) -> io::Result<()> {
        state_file::save(&self.prompts, &self.file)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::painter;

    fn gallery(dir: &Path) -> Gallery {
        Gallery::open(dir.join("gallery"), 1 << 30).unwrap()
    }

    #[test]
    fn each_image_is_painted_once() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("data/starter.json");
        let mut done = Done::load(file.clone(), &gallery(dir.path())).unwrap().unwrap();
        assert!(!done.has("A quiet library"));
        done.add("A quiet library").unwrap();
        // the image itself may have been removed
        let again = Done::load(file, &gallery(dir.path())).unwrap().unwrap();
        assert!(again.has("A quiet library") && !again.has("Bright office"));
    }

    #[test]
    fn an_existing_gallery_gets_none() {
        let dir = tempfile::tempdir().unwrap();
        let gallery = gallery(dir.path());
        let mut png = io::Cursor::new(Vec::new());
        image::RgbImage::new(8, 8).write_to(&mut png, image::ImageFormat::Png).unwrap();
        let limits = crate::background::Limits::default();
        gallery.import_bytes(png.into_inner(), "a.png", "a", &limits, SystemTime::now(), &[]).unwrap();
        let done = Done::load(dir.path().join("starter.json"), &gallery).unwrap().unwrap();
        assert!(STARTERS.iter().all(|text| done.has(text)));
    }

    #[test]
    fn a_damaged_record_stops_painting() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("starter.json"), "{").unwrap();
        assert!(Done::load(dir.path().join("starter.json"), &gallery(dir.path())).unwrap().is_none());
    }

    /// The painter notes what it did not understand.
    #[test]
    fn the_painter_understands_every_prompt() {
        for text in STARTERS {
            let report = painter::read(text, "", painter::Style::named("")).report;
            assert!(report.notes.is_empty(), "{text}: {:?}", report.notes);
        }
    }
}
