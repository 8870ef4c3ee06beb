//! `set-prompt` in the daemon: takes the image from the gallery or generates it, and makes it the background.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use image::RgbImage;
use tokio::sync::{mpsc, watch};

use super::{
    Daemon,
    change::not_saved,
    costs::Costs,
    edit::Original,
    images::open_gallery,
    internal,
    job::{JobState, Reporter},
    loaded::with_load_timeout,
    lock,
    scene::BackgroundOutcome,
};
use crate::{
    background::{BackgroundError, BackgroundSpec, Fit, Limits},
    config::Config,
    control::protocol::Response,
    error::{Failure, Kind},
    gallery::{Entry, Gallery},
    prompt::{
        self, Cost, EditSupport, GeneratedImage, MAX_COUNT, Progress, PromptRequest, Provider, Recipe, catalogue,
        notes, one_line,
    },
    stats,
};

/// The interval of progress reports to a waiting client, which keep its elapsed time up to date.
const REPORT_INTERVAL: Duration = Duration::from_millis(500);

/// All servers accept seeds of 32 bits, and some accept no larger ones.
const SEED_MASK: u64 = u32::MAX as u64;

impl Daemon {
    /// Starts the job and, unless the request specifies otherwise, waits for its end and reports progress to `client`.
    pub(super) async fn set_prompt(
        self: &Arc<Self>,
        request: PromptRequest,
        arrival: u64,
        client: mpsc::Sender<Response>,
    ) -> Result<Response, Failure> {
        check_count(&request)?;
        let no_wait = request.no_wait;
        let config = lock(&self.config).clone();
        let current = self.pipeline.scene().spec.clone();
        let plan = tokio::task::spawn_blocking(move || Job::plan(&config, &request, &current, arrival));
        let job = with_load_timeout(plan).await?;
        if self.is_superseded(arrival) {
            let failure = Failure::new(Kind::Busy, "the prompt was cancelled because you chose another background");
            return Err(failure);
        }
        let text = job.recipes[0].text.clone();
        let provider = job.recipes[0].provider.clone();
        let notes = job.notes.clone();
        let daemon = Arc::clone(self);
        let started = self.jobs.start(arrival, &text, &provider, |reporter| async move {
            let end = Arc::new(job).run(&daemon, &reporter).await;
            stats::trim_heap();
            daemon.status_changes.send_replace(());
            end.unwrap_or_else(JobState::Failed)
        });
        let superseded = || Failure::new(Kind::Busy, "a newer prompt replaced this one");
        let state = started.ok_or_else(superseded)?;
        self.status_changes.send_replace(());
        if no_wait {
            let notes: String = notes.iter().map(|note| format!("\nnote: {note}")).collect();
            let done = format!("{provider} is generating {text:?}; `bgcam status` shows the progress{notes}");
            return Ok(Response::Done(done));
        }
        self.wait_for_job(state, &client).await
    }

    /// The price of a request, without generating anything.
    pub(super) async fn prompt_cost(&self, request: PromptRequest) -> Result<Response, Failure> {
        check_count(&request)?;
        let config = lock(&self.config).clone();
        let limit = config.prompt.monthly_limit;
        let current = self.pipeline.scene().spec.clone();
        let price = move || {
            let job = Job::plan(&config, &request, &current, 0)?;
            let recipe = &job.recipes[0];
            job.provider.check_model(&recipe.model, SystemTime::now())?;
            let (images, price) = job.price(0);
            Ok::<_, Failure>((recipe.provider.clone(), recipe.model.clone(), images, price))
        };
        let (provider, model, images, price) = with_load_timeout(tokio::task::spawn_blocking(price)).await?;
        let month = self.costs.of_month(SystemTime::now(), limit);
        Ok(Response::Cost(Box::new(Cost { provider, model, images, price, month })))
    }

    /// Waits for the end of the job with this `state`, and reports progress to `client`.
    async fn wait_for_job(
        &self,
        mut state: watch::Receiver<JobState>,
        client: &mpsc::Sender<Response>,
    ) -> Result<Response, Failure> {
        loop {
            let now = state.borrow_and_update().clone();
            match now {
                JobState::Done(entries) => return Ok(Response::Images(self.with_saving_note(entries))),
                JobState::Kept(entries) => return Ok(Response::Warning(kept_text(&entries))),
                JobState::Failed(failure) | JobState::Cancelled(failure) => return Err(failure),
                JobState::Running(_) => {
                    if let Some(status) = self.jobs.status() {
                        let _ = client.try_send(Response::Progress(status)); // a slow client misses some
                    }
                }
            }
            let _ = tokio::time::timeout(REPORT_INTERVAL, state.changed()).await;
        }
    }

    /// Adds a note for the client if the choice could not be saved.
    fn with_saving_note(&self, mut entries: Vec<Entry>) -> Vec<Entry> {
        if let (Some(first), Some(failure)) = (entries.first_mut(), self.saved_choice.save_failure()) {
            first.notes.push(not_saved(&failure));
        }
        entries
    }

    pub(super) fn cancel_prompt(&self) -> Result<Response, Failure> {
        if self.jobs.cancel() {
            self.status_changes.send_replace(());
            return Ok(Response::Done("cancelled; the background is unchanged".to_owned()));
        }
        Err(Failure::new(Kind::NotFound, "no image is being generated"))
    }
}

fn check_count(request: &PromptRequest) -> Result<(), Failure> {
    if (1..=MAX_COUNT).contains(&request.count) {
        return Ok(());
    }
    let text = format!("count {} is out of range, expected 1 to {MAX_COUNT}", request.count);
    Err(Failure::new(Kind::BadInput, text))
}

/// The reply for images that are not shown because the user has chosen another background since.
fn kept_text(entries: &[Entry]) -> String {
    let ids: Vec<&str> = entries.iter().map(|entry| &*entry.id).collect();
    let ids = ids.join(", ");
    let notes = entries.iter().flat_map(|entry| &entry.notes);
    let notes: String = notes.map(|note| format!("\nnote: {}", one_line(note))).collect();
    format!("saved in the gallery as {ids}, but not shown: you chose another background in the meantime{notes}")
}

/// The images to generate for one request.
struct Job {
    /// The number of the request.
    arrival: u64,
    provider: Arc<dyn Provider>,
    gallery: Gallery,
    recipes: Vec<Recipe>,
    /// The image to edit, if the request is an edit.
    original: Option<Original>,
    /// Which options of the request have no effect.
    notes: Vec<String>,
    /// Generate new images even if the gallery has them.
    again: bool,
    limits: Limits,
    /// The limit of what images may cost in a month, in US dollars; 0 for none.
    monthly_limit: f64,
}

/// An image in the gallery, with its pixels if it was just decoded.
struct Stored {
    entry: Entry,
    decoded: Option<RgbImage>,
}

impl Job {
    /// `current` is the background in the output.
    fn plan(config: &Config, request: &PromptRequest, current: &BackgroundSpec, arrival: u64) -> Result<Self, Failure> {
        let name = request.provider.as_deref().unwrap_or(&config.prompt.provider);
        let provider = catalogue::open(name, &config.prompt)?;
        let frame_size = (config.size.width() as u32, config.size.height() as u32);
        let gallery = open_gallery(config.gallery_bytes)?;
        let original = original(request, &gallery, current, &config.limits)?;
        let notes = notes::ignored_options(request, &*provider, frame_size);
        let needs_seed = request.again || request.count > 1;
        // A new image for an edit is more like the old one with the same seed.
        let model = provider.edit_model(&provider.model_for(request.model.as_deref()));
        let repaints = provider.edits(&model) == EditSupport::NewImage;
        let old_seed = original.as_ref().filter(|_| repaints).and_then(|original| original.seed);
        let first_seed = request.seed.or_else(|| if needs_seed { Some(fresh_seed()) } else { old_seed });
        let recipe = |index: u32| {
            let seed = first_seed.map(|seed| seed.wrapping_add(u64::from(index)) & SEED_MASK);
            let request = PromptRequest { seed, ..request.clone() };
            match &original {
                Some(original) => {
                    let Original { parent, source, .. } = original;
                    prompt::edit_recipe(&request, &*provider, &config.prompt, source.size(), parent.clone())
                }
                None => prompt::recipe(&request, &*provider, &config.prompt, frame_size),
            }
        };
        let recipes = (0..request.count).map(recipe).collect::<Result<_, _>>()?;
        Ok(Self {
            arrival,
            provider: provider.into(),
            gallery,
            recipes,
            original,
            notes,
            again: request.again,
            limits: config.limits,
            monthly_limit: config.prompt.monthly_limit,
        })
    }

    /// The number of images to generate from number `from` on, and their price in US dollars, if it is known. The
    /// gallery's are free.
    fn price(&self, from: usize) -> (u32, Option<f64>) {
        let is_new = |recipe: &&Recipe| self.again || self.gallery.find(recipe).is_none();
        let new: Vec<_> = self.recipes.iter().skip(from).filter(is_new).collect();
        let mut prices = new.iter().map(|recipe| self.provider.price_of(recipe));
        (new.len() as u32, prices.try_fold(0.0, |sum, price| Some(sum + price?)))
    }

    /// Checks that the images from number `from` on stay within the monthly limit.
    ///
    /// # Errors
    /// If they do not, or what has been spent cannot be read.
    async fn check_limit(self: Arc<Self>, costs: Costs, from: usize) -> Result<(), Failure> {
        blocking(move || costs.check(self.price(from).1, self.monthly_limit, SystemTime::now())).await?
    }

    /// Generates all images. The first is shown as soon as it is ready, unless the user has chosen another background
    /// since.
    async fn run(self: Arc<Self>, daemon: &Daemon, reporter: &Reporter) -> Result<JobState, Failure> {
        let mut entries: Vec<Entry> = Vec::with_capacity(self.recipes.len());
        for (index, recipe) in self.recipes.iter().enumerate() {
            if index > 0 && self.is_superseded(daemon) {
                entries[0].notes.push("you chose another background, so the others were not generated".to_owned());
                break;
            }
            // before each image, because what the others cost may be known only now
            if let Err(failure) = Arc::clone(&self).check_limit(daemon.costs.clone(), index).await {
                let Some(first) = entries.first_mut() else { return Err(failure) };
                first.notes.push(format!("the others were not generated: {failure}"));
                break;
            }
            let share = |done: f32| (index as f32 + done) / self.recipes.len() as f32;
            let progress = |progress| {
                reporter.report(match progress {
                    Progress::Done(done) => Progress::Done(share(done)),
                    Progress::Working if self.recipes.len() > 1 => Progress::Done(share(0.0)),
                    other => other,
                });
            };
            let Stored { entry, decoded } = self.image(recipe, daemon, reporter, &progress).await?;
            let path = self.gallery.path(&entry);
            entries.push(entry);
            if index == 0 && !self.show(daemon, path, decoded).await? {
                return Ok(JobState::Kept(self.with_notes(entries)));
            }
            reporter.set_keeping(false);
        }
        Ok(JobState::Done(self.with_notes(entries)))
    }

    /// Whether the user has chosen another background or sent another prompt since.
    fn is_superseded(&self, daemon: &Daemon) -> bool {
        daemon.jobs.newest() > self.arrival || daemon.is_superseded(self.arrival)
    }

    /// Adds the notes about the request, which the gallery does not store, because other requests find the image there.
    fn with_notes(&self, mut entries: Vec<Entry>) -> Vec<Entry> {
        if let Some(first) = entries.first_mut() {
            first.notes.splice(0..0, self.notes.iter().cloned());
        }
        entries
    }

    /// Shows the image at `path`; false if the user has chosen another background or sent another prompt since.
    async fn show(&self, daemon: &Daemon, path: PathBuf, decoded: Option<RgbImage>) -> Result<bool, Failure> {
        if daemon.jobs.newest() > self.arrival {
            return Ok(false);
        }
        let fit = self.original.as_ref().map_or(Fit::Cover, |original| original.fit);
        let spec = BackgroundSpec::Image { path, fit };
        let shown = daemon.set_background(spec, Some(fit), decoded, self.arrival).await?;
        let BackgroundOutcome::Shown { version, .. } = shown else { return Ok(false) };
        tokio::join!(daemon.wait_until_shown(version), daemon.saved_choice.save());
        Ok(true)
    }

    /// The image of a recipe, from the gallery or newly generated.
    async fn image(
        &self,
        recipe: &Recipe,
        daemon: &Daemon,
        reporter: &Reporter,
        progress: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<Stored, Failure> {
        if !self.again {
            let gallery = self.gallery.clone();
            let recipe = recipe.clone();
            let found = tokio::task::spawn_blocking(move || gallery.find(&recipe));
            if let Some(entry) = found.await.map_err(|error| internal(&error))? {
                reporter.set_keeping(true);
                return Ok(Stored { entry, decoded: None });
            }
        }
        let (mut generated, not_counted) = self.generate(recipe, &daemon.costs, progress).await?;
        if let Some(original) = &self.original {
            generated.title.get_or_insert_with(|| original.title_with(&recipe.text));
        }
        reporter.set_keeping(true);
        let keep = daemon.kept_ids();
        let gallery = self.gallery.clone();
        let recipe = recipe.clone();
        let limits = self.limits;
        let import = self.original.as_ref().and_then(|original| original.import.clone());
        let stored = tokio::task::spawn_blocking(move || {
            // An image that can't be decoded is not stored.
            let (generated, decoded) =
                prompt::receive(generated, &recipe.provider, &limits).map_err(BackgroundError::from)?;
            if let Some(import) = import {
                gallery.keep(&import, SystemTime::now(), &keep)?;
            }
            let mut entry = gallery.add(&recipe, &generated, SystemTime::now(), &keep)?;
            entry.notes.extend(not_counted.map(|failure| failure.to_string()));
            Ok(Stored { entry, decoded: Some(decoded) })
        });
        stored.await.map_err(|error| internal(&error))?
    }

    /// Generates an image, and counts what it costs from when it is requested. Also returns why that failed.
    async fn generate(
        &self,
        recipe: &Recipe,
        costs: &Costs,
        progress: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<(GeneratedImage, Option<Failure>), Failure> {
        let (costs, price) = (costs.clone(), self.provider.price_of(recipe));
        let charge = blocking(move || costs.charge(price, SystemTime::now())).await?;
        let generated = match &self.original {
            Some(original) => self.provider.edit(recipe, &original.source, progress).await,
            None => self.provider.generate(recipe, progress).await,
        };
        let (charge, mut not_counted) = match charge {
            Ok(charge) => (Some(charge), None),
            Err(failure) => (None, Some(failure)),
        };
        let cost = match &generated {
            Ok(image) => Some(image.cost),
            Err(error) => (!error.may_be_billed()).then_some(Some(0.0)),
        };
        if let (Some(charge), Some(cost)) = (charge, cost) {
            not_counted = blocking(move || charge.settle(cost)).await?.err();
        }
        Ok((generated?, not_counted))
    }
}

/// Runs `work`, which may wait for the disk, on a thread of its own.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work).await.map_err(|error| internal(&error))
}

/// The image to edit, if the request is an edit.
fn original(
    request: &PromptRequest,
    gallery: &Gallery,
    current: &BackgroundSpec,
    limits: &Limits,
) -> Result<Option<Original>, Failure> {
    if request.edit {
        return Original::find(gallery, request.of.as_deref(), current, limits).map(Some);
    }
    match &request.of {
        Some(_) => Err(Failure::new(Kind::BadInput, "`of` names an image to edit, but `edit` is not true")),
        None => Ok(None),
    }
}

/// A seed that is unlikely to have been used before.
fn fresh_seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    (now.as_micros() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32
}
