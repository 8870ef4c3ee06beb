//! `set-prompt` in the daemon: finds the picture in the gallery or has it made, and puts it behind the person.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use tokio::sync::mpsc;

use super::{
    Daemon,
    change::{loaded, not_saved},
    internal, lock,
    scene::Shown,
};
use crate::{
    background::{BackgroundSpec, Fit, Limits, picture},
    config::Config,
    control::protocol::{MAX_COUNT, PromptWish, Response},
    error::{Failure, Kind},
    frame::Size,
    gallery::{Entry, Gallery},
    paths,
    prompt::{
        Progress, Provider, Recipe, Wish,
        job::{JobState, Reporter},
        notes, template,
    },
    stats,
};

impl Daemon {
    /// Starts the job and, unless told not to, waits for its end and talks of its progress meanwhile.
    pub(super) async fn set_prompt(
        self: &Arc<Self>,
        wish: PromptWish,
        arrived: u64,
        talk: mpsc::Sender<Response>,
    ) -> Result<Response, Failure> {
        if !(1..=MAX_COUNT).contains(&wish.count) {
            return Err(Failure::new(Kind::BadInput, format!("count {} is not from 1 to {MAX_COUNT}", wish.count)));
        }
        let no_wait = wish.no_wait;
        let config = lock(&self.config).clone();
        let job = loaded(tokio::task::spawn_blocking(move || Job::plan(&config, wish, arrived))).await?;
        if self.is_superseded(arrived) {
            let failure = Failure::new(Kind::Busy, "the prompt was cancelled because another background was chosen");
            return Err(failure);
        }
        let (words, provider) = (job.recipes[0].words.clone(), job.recipes[0].provider.clone());
        let notes = job.notes.clone();
        let daemon = Arc::clone(self);
        let started = self.jobs.start(arrived, &words, &provider, |reporter| async move {
            let end = job.run(&daemon, &reporter).await;
            stats::trim_heap();
            daemon.news.send_replace(());
            end.unwrap_or_else(JobState::Failed)
        });
        let superseded = || Failure::new(Kind::Busy, "a newer prompt took the place of this one");
        let mut state = started.ok_or_else(superseded)?;
        self.news.send_replace(());
        if no_wait {
            let notes: String = notes.iter().map(|note| format!("\nnote: {note}")).collect();
            let done = format!("{provider} is making {words:?}; `bgcam status` tells how far it is{notes}");
            return Ok(Response::Done(done));
        }
        loop {
            let now = state.borrow_and_update().clone();
            match now {
                JobState::Done(entries) => return Ok(Response::Pictures(self.with_saving_note(entries))),
                JobState::Kept(entries) => return Ok(Response::Done(kept(&entries))),
                JobState::Failed(failure) => return Err(failure),
                JobState::Running(_) => {
                    if let Some(status) = self.jobs.status() {
                        let _ = talk.try_send(Response::Progress(status)); // a slow client misses a step
                    }
                }
            }
            // without news the client still sees the time go by
            let _ = tokio::time::timeout(std::time::Duration::from_millis(500), state.changed()).await;
        }
    }

    /// Tells the client that the choice could not be saved, where it could not.
    fn with_saving_note(&self, mut entries: Vec<Entry>) -> Vec<Entry> {
        if let (Some(first), Some(failure)) = (entries.first_mut(), self.memory.unsaved()) {
            first.notes.push(not_saved(&failure));
        }
        entries
    }

    pub(super) fn cancel_prompt(&self) -> Result<Response, Failure> {
        if self.jobs.cancel() {
            return Ok(Response::Done("cancelled; the background stays as it is".to_owned()));
        }
        Err(Failure::new(Kind::NotFound, "no picture is being made"))
    }

    pub(super) fn gallery(&self) -> Result<Gallery, Failure> {
        open_gallery(lock(&self.config).gallery_bytes)
    }

    /// The gallery's name for the picture on screen, which must not be evicted.
    pub(super) fn on_screen(&self) -> Vec<String> {
        gallery_id(&self.pipeline.scene().spec).into_iter().collect()
    }
}

fn open_gallery(bytes: u64) -> Result<Gallery, Failure> {
    Gallery::open(paths::gallery_dir(), bytes).map_err(Failure::from)
}

/// The id that a background has in the gallery, if it is of there.
fn gallery_id(spec: &BackgroundSpec) -> Option<String> {
    let BackgroundSpec::Picture { path, .. } = spec else { return None };
    let ours = path.parent() == Some(&paths::gallery_dir());
    path.file_stem().filter(|_| ours).map(|stem| stem.to_string_lossy().into_owned())
}

/// What people know a background by. One of the gallery goes by its words, and is noted as used.
pub(super) fn label(spec: &BackgroundSpec, gallery_bytes: u64) -> String {
    let used = || {
        let gallery = Gallery::open(paths::gallery_dir(), gallery_bytes).ok()?;
        gallery.touch(&gallery_id(spec)?, SystemTime::now()).ok()
    };
    used().map_or_else(|| spec.to_string(), |entry| entry.label())
}

/// That the pictures are not shown, because the user has chosen something else since.
fn kept(entries: &[Entry]) -> String {
    let ids: Vec<&str> = entries.iter().map(|entry| &*entry.id).collect();
    let ids = ids.join(", ");
    format!("kept in the gallery as {ids}, but not shown: another background was chosen meanwhile")
}

/// What is to be made.
struct Job {
    /// When its request arrived.
    arrived: u64,
    provider: Arc<Provider>,
    gallery: Gallery,
    recipes: Vec<Recipe>,
    /// Which options of the request have no effect.
    notes: Vec<String>,
    /// Make it even when the gallery has it.
    again: bool,
    size: Size,
    limits: Limits,
}

impl Job {
    fn plan(config: &Config, wish: PromptWish, arrived: u64) -> Result<Self, Failure> {
        let name = wish.provider.as_deref().unwrap_or(&config.prompt.provider);
        let provider = Provider::open(name, &config.prompt)?;
        let camera = (config.size.width() as u32, config.size.height() as u32);
        let first = wish.seed.or_else(|| (wish.again || wish.count > 1).then(fresh_seed));
        let asked = Wish {
            words: wish.words,
            style: wish.style,
            negative: wish.negative,
            model: wish.model,
            seed: wish.seed,
            size: wish.size.unwrap_or(camera),
            size_is_asked: wish.size.is_some(),
            raw: wish.raw,
        };
        let notes = notes::ignored_options(&provider, &asked);
        let recipe = |index: u32| {
            let seed = first.map(|seed| seed.wrapping_add(u64::from(index)) & SEED_MASK);
            let wish = Wish { seed, ..asked.clone() };
            template::recipe(&config.prompt, &provider, &wish).map_err(Failure::from)
        };
        let recipes = (0..wish.count).map(recipe).collect::<Result<_, _>>()?;
        let (size, limits, gallery) = (config.size, config.limits, open_gallery(config.gallery_bytes)?);
        let (provider, again) = (Arc::new(provider), wish.again);
        Ok(Self { arrived, provider, gallery, recipes, notes, again, size, limits })
    }

    /// Makes all pictures; the first is shown as soon as it is ready, unless the user has chosen something else since.
    async fn run(self, daemon: &Daemon, reporter: &Reporter) -> Result<JobState, Failure> {
        let mut entries = Vec::with_capacity(self.recipes.len());
        for (index, recipe) in self.recipes.iter().enumerate() {
            let share = |done: f32| (index as f32 + done) / self.recipes.len() as f32;
            let progress = |progress| {
                reporter.report(match progress {
                    Progress::Done(done) => Progress::Done(share(done)),
                    Progress::Working if self.recipes.len() > 1 => Progress::Done(share(0.0)),
                    other => other,
                });
            };
            let entry = self.picture(recipe, daemon, reporter, &progress).await?;
            let path = self.gallery.path(&entry);
            entries.push(entry);
            if index == 0 && !self.show(daemon, path).await? {
                return Ok(JobState::Kept(entries));
            }
            reporter.set_keeping(false);
        }
        // they are about this request, not about the picture, which another request may find in the gallery
        entries.iter_mut().take(1).for_each(|entry| drop(entry.notes.splice(0..0, self.notes.iter().cloned())));
        Ok(JobState::Done(entries))
    }

    /// Shows the picture at `path`; false when the user has chosen another background, or given another prompt, since.
    async fn show(&self, daemon: &Daemon, path: PathBuf) -> Result<bool, Failure> {
        if daemon.jobs.newest() > self.arrived {
            return Ok(false);
        }
        let spec = BackgroundSpec::Picture { path, fit: Fit::Cover };
        let Shown::Yes(version, _) = daemon.set_background(spec, Some(Fit::Cover), self.arrived).await? else {
            return Ok(false);
        };
        tokio::join!(daemon.until_shown(version), daemon.memory.save());
        Ok(true)
    }

    /// The picture of one recipe, out of the gallery or new.
    async fn picture(
        &self,
        recipe: &Recipe,
        daemon: &Daemon,
        reporter: &Reporter,
        progress: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<Entry, Failure> {
        if !self.again {
            let (gallery, recipe) = (self.gallery.clone(), recipe.clone());
            let found = tokio::task::spawn_blocking(move || gallery.find(&recipe));
            if let Some(entry) = found.await.map_err(|error| internal(&error))? {
                reporter.set_keeping(true);
                return Ok(entry);
            }
        }
        let made = self.provider.generate(recipe, progress).await?;
        reporter.set_keeping(true);
        let keep = daemon.on_screen();
        let (gallery, recipe, size, limits) = (self.gallery.clone(), recipe.clone(), self.size, self.limits);
        let kept = tokio::task::spawn_blocking(move || {
            // what can't be shown is not kept
            let name = format!("from {}", recipe.provider);
            picture::from_bytes(&made.bytes, &name, Fit::Cover, size, &limits)?;
            gallery.add(&recipe, &made, SystemTime::now(), &keep).map_err(Failure::from)
        });
        kept.await.map_err(|error| internal(&error))?
    }
}

/// Every server takes seeds of 32 bits; not every one takes more.
const SEED_MASK: u64 = u32::MAX as u64;

/// A seed that was not used before, for all that matters here.
fn fresh_seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    (now.as_micros() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32
}
