//! `set-prompt` in the daemon: finds the picture in the gallery or has it made, and puts it behind the person.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use tokio::sync::mpsc;

use super::{Daemon, internal, lock};
use crate::{
    background::{BackgroundSpec, Fit, Limits, picture},
    control::protocol::{MAX_COUNT, PromptWish, Response},
    error::{Failure, Kind},
    frame::Size,
    paths,
    prompt::{
        Progress, Provider, Recipe, Wish,
        gallery::{Entry, Gallery},
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
        talk: mpsc::Sender<Response>,
    ) -> Result<Response, Failure> {
        if !(1..=MAX_COUNT).contains(&wish.count) {
            return Err(Failure::new(Kind::BadInput, format!("count {} is not from 1 to {MAX_COUNT}", wish.count)));
        }
        let no_wait = wish.no_wait;
        let job = Job::plan(self, wish)?;
        let (words, provider) = (job.recipes[0].words.clone(), job.recipes[0].provider.clone());
        let notes = job.notes.clone();
        let daemon = Arc::clone(self);
        let mut state = self.jobs.start(&words, &provider, |reporter| async move {
            let end = job.run(&daemon, &reporter).await;
            stats::give_memory_back();
            daemon.news.send_replace(());
            end
        });
        self.news.send_replace(());
        if no_wait {
            let notes: String = notes.iter().map(|note| format!("\nnote: {note}")).collect();
            let done = format!("{provider} is making {words:?}; `bgcam status` tells how far it is{notes}");
            return Ok(Response::Done(done));
        }
        loop {
            let now = state.borrow_and_update().clone();
            match now {
                JobState::Done(entries) => return Ok(Response::Pictures(entries)),
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

    pub(super) fn cancel_prompt(&self) -> Result<Response, Failure> {
        if self.jobs.cancel() {
            return Ok(Response::Done("cancelled; the old background stays".to_owned()));
        }
        Err(Failure::new(Kind::NotFound, "no picture is being made"))
    }

    pub(super) fn gallery(&self) -> Result<Gallery, Failure> {
        let bound = lock(&self.config).gallery_bytes;
        Gallery::open(paths::gallery_dir(), bound).map_err(|error| Failure::from(&error))
    }

    /// The gallery's name for the picture on screen, which must not be evicted.
    pub(super) fn on_screen(&self) -> Vec<String> {
        gallery_id(&self.pipeline.scene().spec).into_iter().collect()
    }
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

/// What is to be made.
struct Job {
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
    fn plan(daemon: &Daemon, wish: PromptWish) -> Result<Self, Failure> {
        let config = lock(&daemon.config).clone();
        let name = wish.provider.as_deref().unwrap_or(&config.prompt.provider);
        let provider = Provider::open(name, &config.prompt).map_err(|error| Failure::from(&error))?;
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
            template::recipe(&config.prompt, &provider, &wish).map_err(|error| Failure::from(&error))
        };
        let recipes = (0..wish.count).map(recipe).collect::<Result<_, _>>()?;
        let (size, limits, gallery) = (config.size, config.limits, daemon.gallery()?);
        Ok(Self { provider: Arc::new(provider), gallery, recipes, notes, again: wish.again, size, limits })
    }

    /// Makes all pictures; the first is shown as soon as it is ready.
    async fn run(self, daemon: &Daemon, reporter: &Reporter) -> Result<Vec<Entry>, Failure> {
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
            let entry = self.picture(recipe, daemon.on_screen(), &progress).await?;
            if index == 0 {
                let path = self.gallery.path(&entry);
                daemon.set_background(BackgroundSpec::Picture { path, fit: Fit::Cover }, Some(Fit::Cover)).await?;
            }
            entries.push(entry);
        }
        // they are about this request, not about the picture, which another request may find in the gallery
        entries.iter_mut().take(1).for_each(|entry| drop(entry.notes.splice(0..0, self.notes.iter().cloned())));
        Ok(entries)
    }

    /// The picture of one recipe, out of the gallery or new.
    async fn picture(
        &self,
        recipe: &Recipe,
        keep: Vec<String>,
        progress: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<Entry, Failure> {
        if !self.again {
            let (gallery, recipe) = (self.gallery.clone(), recipe.clone());
            let found = tokio::task::spawn_blocking(move || gallery.find(&recipe));
            if let Some(entry) = found.await.map_err(|error| internal(&error))? {
                return Ok(entry);
            }
        }
        let made = self.provider.generate(recipe, progress).await.map_err(|error| Failure::from(&error))?;
        let (gallery, recipe, size, limits) = (self.gallery.clone(), recipe.clone(), self.size, self.limits);
        let kept = tokio::task::spawn_blocking(move || {
            // what can't be shown is not kept
            let name = format!("from {}", recipe.provider);
            picture::from_bytes(&made.bytes, &name, Fit::Cover, size, &limits)
                .map_err(|error| Failure::from(&error))?;
            gallery.add(&recipe, &made, SystemTime::now(), &keep).map_err(|error| Failure::from(&error))
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
