//! The interface of a provider: what every file in `providers/` implements.

use std::{
    fmt,
    pin::Pin,
    time::{Duration, SystemTime},
};

use super::{
    EditSupport, GeneratedImage, Name, OnProgress, PromptError, Recipe, SourceImage, retired,
    sizes::{self, Pixels},
};

/// The time limit for one image, unless a provider has another.
pub(super) const TIME_LIMIT: Duration = Duration::from_secs(180);

/// The image that a provider is generating.
pub type ImageFuture<'a> = Pin<Box<dyn Future<Output = Result<GeneratedImage, PromptError>> + Send + 'a>>;

/// What a provider is asked for.
#[derive(Clone, Copy)]
pub struct Task<'a> {
    /// What to generate.
    pub recipe: &'a Recipe,
    /// The image to edit, if it is an edit.
    pub source: Option<&'a SourceImage>,
    /// Receives the progress.
    pub progress: OnProgress<'a>,
}

impl fmt::Debug for Task<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task").field("recipe", self.recipe).field("source", &self.source).finish_non_exhaustive()
    }
}

/// The settings of a provider: its table `[prompt.NAME]`.
pub trait ProviderSettings {
    /// Checks every value that can be checked without connecting to a server.
    ///
    /// # Errors
    /// If a value is invalid: the first one, with its key and what was expected.
    fn check(&self) -> Result<(), PromptError> {
        Ok(())
    }

    /// The environment variable with the API key; `None` if the provider takes no key.
    fn key_variable(&self) -> Option<&str> {
        None
    }

    /// Releases what was opened with other settings; called when these are in effect.
    fn applied(&self) {}

    /// What this provider adds to the hints of errors; the same for all settings.
    fn hints(&self) -> Hints {
        Hints::default()
    }

    /// Prepares the provider: reads its settings, API key and files, and connects to nothing.
    ///
    /// # Errors
    /// If something is missing or invalid.
    fn open(&self) -> Result<Box<dyn Provider>, PromptError>;
}

/// What a provider adds to the hints of errors; `None` leaves the general hint.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Hints {
    /// Other credentials than an API key, as in "or ...".
    pub credentials: Option<&'static str>,
    /// The hint if a required setting is empty.
    pub configure: Option<&'static str>,
    /// The hint if the server can't be reached.
    pub connect: Option<&'static str>,
    /// The hint if the server rejects the API key.
    pub rejected_key: Option<&'static str>,
    /// Where the model is set, if not in `prompt.NAME.model`.
    pub model_setting: Option<&'static str>,
    /// Models that are available now, as a clause.
    pub models: Option<&'static str>,
    /// The setting that lists other hosts of images.
    pub image_hosts: Option<&'static str>,
}

/// A configured image provider.
pub trait Provider: fmt::Debug + Send + Sync {
    /// The provider's name.
    fn name(&self) -> Name;

    /// One line for the list of providers: its server, or what it does.
    fn summary(&self) -> String;

    /// The configured model; `None` if there are no models to choose from.
    fn model(&self) -> Option<&str> {
        None
    }

    /// What the image depends on besides the recipe's other fields, such as the quality; empty for the default.
    fn variant(&self) -> &str {
        ""
    }

    /// How the model takes a negative prompt.
    fn negative(&self, _model: &str) -> Negative {
        Negative::Field
    }

    /// Whether the model takes a seed.
    fn takes_seed(&self, _model: &str) -> bool {
        true
    }

    /// Whether the provider takes a size, for a new image or for an edit.
    fn takes_size(&self, _is_edit: bool) -> bool {
        true
    }

    /// The size to request: the supported size closest to `size`. A configured size takes precedence unless the user
    /// requested one.
    fn size_for(&self, model: &str, size: SizeRequest) -> Pixels;

    /// The provider as the subject of a sentence.
    fn title(&self) -> String {
        format!("provider {}", self.name())
    }

    /// Why an option has no effect: the first half of a note.
    fn lacks(&self, _model: &str, option: UnsupportedOption) -> String {
        format!("{} does not support {}", self.title(), option.name())
    }

    /// Whether a server on this machine listens; true for others. Blocks for a moment.
    fn is_listening(&self) -> bool {
        true
    }

    /// Whether the server is the provider's own, so that the known end dates of its models apply; a compatible service
    /// may still offer them.
    fn is_original(&self) -> bool {
        false
    }

    /// The price of an image in US dollars, as of November 2026; `None` if it is unknown.
    fn price(&self, _model: &str, _size: Pixels) -> Option<f64> {
        None
    }

    /// The price of an edit with a result of this size, as [`price`](Self::price).
    fn edit_price(&self, model: &str, size: Pixels) -> Option<f64> {
        self.price(model, size)
    }

    /// The time limit for one image.
    fn time_limit(&self) -> Duration {
        TIME_LIMIT
    }

    /// Whether and how the model edits an image.
    fn edits(&self, _model: &str) -> EditSupport {
        EditSupport::Unsupported("")
    }

    /// The model that makes the edits, if it is not `model` itself.
    fn edit_model(&self, model: &str) -> String {
        model.to_owned()
    }

    /// Generates an image, or edits one, without a time limit; callers use [`generate`](#method.generate). The source is
    /// `None` unless the model [edits images](Self::edits).
    fn start<'a>(&'a self, task: Task<'a>) -> ImageFuture<'a>;
}

impl dyn Provider + '_ {
    /// Generates the image within the provider's time limit. Dropping the future stops the work: connections are
    /// closed, servers are asked to cancel where they can, and programs are killed with all their children.
    ///
    /// The image has a price if the provider reports it or [`price`](Provider::price) knows it.
    ///
    /// # Errors
    /// If there is no image: the reason.
    pub async fn generate(&self, recipe: &Recipe, progress: OnProgress<'_>) -> Result<GeneratedImage, PromptError> {
        self.run(Task { recipe, source: None, progress }).await
    }

    /// Waits for an image within the provider's time limit, unless the model is retired, and adds the known price.
    async fn run(&self, task: Task<'_>) -> Result<GeneratedImage, PromptError> {
        let recipe = task.recipe;
        self.check_model(&recipe.model, SystemTime::now())?;
        let limit = self.time_limit();
        let timed_out = PromptError::TimedOut { provider: self.name(), limit };
        let image = tokio::time::timeout(limit, self.start(task)).await.unwrap_or(Err(timed_out))?;
        let cost = image.cost.or_else(|| self.price_of(recipe));
        Ok(GeneratedImage { cost, ..image })
    }

    /// The price of the image of a recipe in US dollars, as of November 2026; `None` if it is unknown.
    pub(crate) fn price_of(&self, recipe: &Recipe) -> Option<f64> {
        match recipe.parent {
            Some(_) => self.edit_price(&recipe.model, recipe.size),
            None => self.price(&recipe.model, recipe.size),
        }
    }

    /// Checks that the provider has not retired `model` before `now`, as far as that is known.
    ///
    /// # Errors
    /// If it has.
    pub(crate) fn check_model(&self, model: &str, now: SystemTime) -> Result<(), PromptError> {
        let retirement = retired::find(self.name(), model).filter(|_| self.is_original());
        match retirement.and_then(|retirement| Some((retirement.passed(now)?, retirement.successor))) {
            Some((end, successor)) => {
                Err(PromptError::ModelRetired { provider: self.name(), model: model.to_owned(), end, successor })
            }
            None => Ok(()),
        }
    }

    /// Edits `source` within the provider's time limit, as [`generate`](#method.generate). `recipe` is that of an edit.
    ///
    /// # Errors
    /// As for [`generate`](#method.generate), and if the provider can't edit images.
    pub async fn edit(
        &self,
        recipe: &Recipe,
        source: &SourceImage,
        progress: OnProgress<'_>,
    ) -> Result<GeneratedImage, PromptError> {
        match self.edits(&recipe.model) {
            EditSupport::Unsupported(why) => Err(PromptError::cannot_edit(recipe, why)),
            _ => self.run(Task { recipe, source: Some(source), progress }).await,
        }
    }

    /// The model to use: the requested one, else the configured one; empty if there are no models to choose from.
    pub(crate) fn model_for(&self, requested: Option<&str>) -> String {
        self.model().map(|configured| requested.unwrap_or(configured)).unwrap_or_default().to_owned()
    }
}

/// How a provider takes a negative prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Negative {
    /// In a separate field.
    Field,
    /// As a sentence in the prompt.
    InPrompt,
    /// Not at all.
    Unsupported,
    /// In a separate field, with the bare text and the name of the style as the prompt: no template.
    Painter,
}

/// The size of an image to request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SizeRequest {
    /// Width and height in pixels.
    pub pixels: Pixels,
    /// Where they come from.
    pub source: SizeSource,
}

/// Where a requested size comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SizeSource {
    /// The user.
    User,
    /// The output.
    Output,
    /// The image that is edited.
    Edited,
}

impl SizeRequest {
    /// The size that the user requested, or else that of `other`, the output or the edited image.
    pub fn new(requested: Option<Pixels>, other: Pixels, is_edit: bool) -> Self {
        let source = match requested {
            Some(_) => SizeSource::User,
            None if is_edit => SizeSource::Edited,
            None => SizeSource::Output,
        };
        Self { pixels: requested.unwrap_or(other), source }
    }

    /// The size that the user requested.
    pub fn requested(self) -> Option<Pixels> {
        (self.source == SizeSource::User).then_some(self.pixels)
    }

    /// The size that the user requested, in multiples of `step`, or else the configured one. An edit keeps the ratio of
    /// its image, at about the configured number of pixels.
    pub(super) fn requested_or(self, configured: Option<Pixels>, step: u32) -> Option<Pixels> {
        match self.source {
            SizeSource::User => Some(sizes::bounded(self.pixels, step)),
            SizeSource::Output => configured,
            SizeSource::Edited => configured.map(|(width, height)| {
                let area = width as f32 * height as f32;
                sizes::of_area(self.pixels, area, step.max(8))
            }),
        }
    }
}

/// An option of a request that a provider may not support.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnsupportedOption {
    /// The negative prompt.
    Negative,
    /// The seed.
    Seed,
    /// The size.
    Size,
}

impl UnsupportedOption {
    /// The option's name in messages, in the plural.
    pub fn name(self) -> &'static str {
        match self {
            Self::Negative => "negative prompts",
            Self::Seed => "seeds",
            Self::Size => "custom sizes",
        }
    }
}
