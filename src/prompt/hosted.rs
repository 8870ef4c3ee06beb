//! Hosted services that take one JSON request for one image, with an API key: what their providers have in common.

use std::{fmt, marker::PhantomData};

use reqwest::Url;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    EditSupport, GeneratedImage, Hints, ImageFuture, Name, Negative, OnProgress, PromptError, Provider,
    ProviderSettings, Recipe, SizeRequest, SourceImage, Task,
    api_key::KeySources,
    http::{Http, ImageHosts, ImageRequest, KeyHeader, Pointer, ResponseFuture, at_once, check_hosts, parse_url},
    sizes::{self, Pixels},
};

/// What distinguishes one hosted service from another.
pub trait Service: fmt::Debug + Clone + PartialEq + Send + Sync + 'static {
    /// The provider's name.
    const NAME: Name;
    /// The defaults of its settings.
    const DEFAULTS: Defaults;
    /// The setting with the server's address.
    const URL_SETTING: &'static str;
    /// The path of requests, unless it [depends on the model](Self::model_path).
    const PATH: &'static str = "images/generations";
    /// The path of edits, if it is another.
    const EDITS_PATH: &'static str = Self::PATH;
    /// How requests carry the API key.
    const KEY_HEADER: KeyHeader = KeyHeader::Bearer;
    /// The service's domains that images may be downloaded from, besides the server itself.
    const IMAGE_DOMAINS: &'static [&'static str] = &[];
    /// The request fields that not every model accepts.
    const OPTIONAL: &'static [Pointer];

    /// What the service adds to the hints of errors.
    fn hints() -> Hints;

    /// How the model takes a negative prompt.
    fn negative(model: &str) -> Negative;

    /// Whether the models take a seed.
    fn takes_seed() -> bool {
        true
    }

    /// The size to request: the supported size closest to `size`.
    fn size_for(size: SizeRequest) -> Pixels {
        size.requested_or(None, 16).unwrap_or_else(|| sizes::of_area(size.pixels, 1280.0 * 720.0, 16))
    }

    /// The price of an image in US dollars, as of November 2026; `None` if it is unknown.
    fn price(_model: &str, _size: Pixels) -> Option<f64> {
        None
    }

    /// The price of an edit with a result of this size, as [`price`](Self::price).
    fn edit_price(model: &str, size: Pixels) -> Option<f64> {
        Self::price(model, size)
    }

    /// The path of requests for a model; `None` if all models have the same, [`PATH`](Self::PATH).
    fn model_path(_model: &str) -> Option<String> {
        None
    }

    /// The body of the request.
    fn body(recipe: &Recipe) -> Value;

    /// Whether and how the model edits an image.
    fn edits(_model: &str) -> EditSupport {
        EditSupport::Unsupported("")
    }

    /// Adds the image to edit to the body of a request; only called if the model [edits images](Self::edits).
    fn add_image(_body: &mut Value, _model: &str, _image: &SourceImage) {}

    /// Completes the response: waits for the result, and checks whether the service has withheld it.
    fn receive<'a>(_http: &'a Http, response: Value, _progress: OnProgress<'a>) -> ResponseFuture<'a> {
        at_once(response)
    }
}

/// The defaults of a service's settings.
#[derive(Debug, Clone, Copy)]
pub struct Defaults {
    /// The address of the server.
    pub base_url: &'static str,
    /// The model id.
    pub model: &'static str,
    /// The environment variable with the API key.
    pub key_env: &'static str,
}

/// The table `[prompt.NAME]` of a hosted service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, bound = "")]
#[allow(missing_docs)] // config/bgcam.toml explains each of them
pub struct Settings<S: Service> {
    pub base_url: String,
    pub model: String,
    pub key_env: String,
    pub key_file: String,
    pub image_hosts: Vec<String>,
    #[serde(skip)]
    service: PhantomData<S>,
}

impl<S: Service> Default for Settings<S> {
    fn default() -> Self {
        Self {
            base_url: S::DEFAULTS.base_url.to_owned(),
            model: S::DEFAULTS.model.to_owned(),
            key_env: S::DEFAULTS.key_env.to_owned(),
            key_file: String::new(),
            image_hosts: Vec::new(),
            service: PhantomData,
        }
    }
}

impl<S: Service> ProviderSettings for Settings<S> {
    fn check(&self) -> Result<(), PromptError> {
        parse_url(S::URL_SETTING, &self.base_url)?;
        check_hosts(S::hints().image_hosts.unwrap_or(S::URL_SETTING), &self.image_hosts)
    }

    fn key_variable(&self) -> Option<&str> {
        Some(&self.key_env)
    }

    fn hints(&self) -> Hints {
        S::hints()
    }

    fn open(&self) -> Result<Box<dyn Provider>, PromptError> {
        let key = KeySources { provider: S::NAME, variable: &self.key_env, file: &self.key_file }.require()?;
        let http = Http::at(S::NAME, S::URL_SETTING, &self.base_url, Some(key))?.with_key_in(S::KEY_HEADER);
        Ok(Box::new(Hosted { http, settings: self.clone() }))
    }
}

/// A hosted service.
#[derive(Debug)]
struct Hosted<S: Service> {
    http: Http,
    settings: Settings<S>,
}

impl<S: Service> Provider for Hosted<S> {
    fn name(&self) -> Name {
        S::NAME
    }

    fn summary(&self) -> String {
        format!("at {}", self.http.place())
    }

    fn model(&self) -> Option<&str> {
        Some(&self.settings.model)
    }

    fn negative(&self, model: &str) -> Negative {
        S::negative(model)
    }

    fn takes_seed(&self, _model: &str) -> bool {
        S::takes_seed()
    }

    fn size_for(&self, _model: &str, size: SizeRequest) -> Pixels {
        S::size_for(size)
    }

    fn is_original(&self) -> bool {
        Url::parse(S::DEFAULTS.base_url).is_ok_and(|default| default.host_str() == self.http.base().host_str())
    }

    fn price(&self, model: &str, size: Pixels) -> Option<f64> {
        if self.is_original() { S::price(model, size) } else { self.http.is_local().then_some(0.0) }
    }

    fn edit_price(&self, model: &str, size: Pixels) -> Option<f64> {
        if self.is_original() { S::edit_price(model, size) } else { self.http.is_local().then_some(0.0) }
    }

    fn start<'a>(&'a self, task: Task<'a>) -> ImageFuture<'a> {
        Box::pin(self.generate(task))
    }

    fn edits(&self, model: &str) -> EditSupport {
        S::edits(model)
    }
}

impl<S: Service> Hosted<S> {
    async fn generate(&self, task: Task<'_>) -> Result<GeneratedImage, PromptError> {
        let Task { recipe, source, progress } = task;
        let mut body = S::body(recipe);
        source.into_iter().for_each(|image| S::add_image(&mut body, &recipe.model, image));
        let model_path = S::model_path(&recipe.model);
        let path = if source.is_some() { S::EDITS_PATH } else { S::PATH };
        let url = self.http.url(model_path.as_deref().unwrap_or(path));
        let model_path = model_path.map(|_| url.path().to_owned());
        let request = ImageRequest {
            url,
            model: &recipe.model,
            body,
            optional: S::OPTIONAL,
            hosts: ImageHosts { domains: S::IMAGE_DOMAINS, listed: &self.settings.image_hosts },
        };
        let receive = |response| S::receive(&self.http, response, progress);
        let generated = self.http.generate_image(request, progress, receive).await;
        generated.map_err(|error| match error {
            // A path that the server does not know is a model that it does not have.
            PromptError::NoSuchPath { provider, detail, path, .. } if model_path == Some(path.clone()) => {
                PromptError::ModelNotFound { provider, model: recipe.model.clone(), region: String::new(), detail }
            }
            other => other,
        })
    }
}

/// How a diffusion model takes a negative prompt: FLUX has no field for it, and tends to draw what a prompt mentions.
pub(super) fn field_unless_flux(model: &str) -> Negative {
    if model.to_ascii_lowercase().contains("flux") { Negative::Unsupported } else { Negative::Field }
}

/// Adds the options that the recipe has to a body with the usual names.
pub(super) fn with_options(mut body: Value, recipe: &Recipe) -> Value {
    if !recipe.negative.is_empty() {
        body["negative_prompt"] = recipe.negative.as_str().into();
    }
    if let Some(seed) = recipe.seed {
        body["seed"] = (seed & 0x7fff_ffff).into(); // some servers take no more
    }
    body
}
