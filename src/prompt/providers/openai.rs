//! The Images API of OpenAI, and of compatible services such as LocalAI, Ollama, sd-server and LiteLLM.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::prompt::{
    EditSupport, GeneratedImage, Hints, ImageFuture, Name, Negative, PromptError, Provider, ProviderSettings, Recipe,
    SizeRequest, SizeSource, SourceImage, Task, UnsupportedOption,
    api_key::KeySources,
    http::{Http, ImageHosts, ImageRequest, Pointer, at_once, check_hosts, check_url, form_with_image, parse_url},
    provider::TIME_LIMIT,
    sizes::{self, Pixels},
};

const NAME: Name = Name::OpenAi;

/// The host of OpenAI's own server.
const OFFICIAL_HOST: &str = "api.openai.com";

/// The quality, unless another is set.
const DEFAULT_QUALITY: &str = "low";

/// The path of edits.
const EDITS_PATH: &str = "images/edits";

/// The request fields that not every server accepts.
pub(super) const OPTIONAL: [Pointer; 8] = [
    "/n",
    "/size",
    "/quality",
    "/seed",
    "/negative_prompt",
    "/response_format",
    "/output_format",
    "/output_compression",
];

/// `[prompt.openai]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs)] // config/bgcam.toml explains each of them
pub struct Settings {
    pub base_url: String,
    pub path: String,
    pub model: String,
    pub key_env: String,
    pub key_file: String,
    pub size: String,
    pub quality: String,
    pub image_hosts: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            base_url: "https://api.openai.com/v1".to_owned(),
            path: "images/generations".to_owned(),
            model: "gpt-image-2.5-flare".to_owned(),
            key_env: "OPENAI_API_KEY".to_owned(),
            key_file: String::new(),
            size: String::new(),
            quality: DEFAULT_QUALITY.to_owned(),
            image_hosts: Vec::new(),
        }
    }
}

impl ProviderSettings for Settings {
    fn check(&self) -> Result<(), PromptError> {
        check_url("prompt.openai.base_url", &self.base_url)?;
        sizes::parse("prompt.openai.size", &self.size)?;
        check_path("prompt.openai.path", &self.path)?;
        check_hosts("prompt.openai.image_hosts", &self.image_hosts)?;
        check_quality("prompt.openai.quality", &self.quality)
    }

    fn key_variable(&self) -> Option<&str> {
        Some(&self.key_env)
    }

    fn hints(&self) -> Hints {
        Hints {
            models: Some("OpenAI offers gpt-image-2.5-flare and gpt-image-2.6-flare"),
            image_hosts: Some("prompt.openai.image_hosts"),
            ..Hints::default()
        }
    }

    fn open(&self) -> Result<Box<dyn Provider>, PromptError> {
        let mut base = parse_url("prompt.openai.base_url", &self.base_url)?;
        if base.path() == "/" {
            base.set_path("/v1");
        }
        let sources = KeySources { provider: NAME, variable: &self.key_env, file: &self.key_file };
        // Self-hosted servers usually need no key.
        let needs_key = base.host_str() == Some(OFFICIAL_HOST);
        let key = if needs_key { Some(sources.require()?) } else { sources.find()? };
        let size = sizes::parse("prompt.openai.size", &self.size)?;
        Ok(Box::new(OpenAi { http: Http::open(NAME, base, TIME_LIMIT, key)?, settings: self.clone(), size }))
    }
}

/// The Images API of one server.
#[derive(Debug)]
struct OpenAi {
    http: Http,
    settings: Settings,
    /// The configured size.
    size: Option<Pixels>,
}

impl Provider for OpenAi {
    fn name(&self) -> Name {
        NAME
    }

    fn summary(&self) -> String {
        format!("at {}", self.http.place())
    }

    fn model(&self) -> Option<&str> {
        Some(&self.settings.model)
    }

    fn variant(&self) -> &str {
        variant(&self.settings.quality)
    }

    /// OpenAI's models understand "do not show"; the others are diffusion models with a field for it.
    fn negative(&self, model: &str) -> Negative {
        if is_gpt(model) { Negative::InPrompt } else { Negative::Field }
    }

    /// OpenAI's models do not support seeds.
    fn takes_seed(&self, model: &str) -> bool {
        !is_gpt(model)
    }

    fn size_for(&self, model: &str, size: SizeRequest) -> Pixels {
        match self.size {
            Some(configured) if size.source == SizeSource::Output => configured,
            _ if is_gpt(model) => gpt_size(model, size.pixels),
            configured => {
                size.requested_or(configured, 8).unwrap_or_else(|| sizes::of_area(size.pixels, 768.0 * 448.0, 64))
            }
        }
    }

    fn lacks(&self, model: &str, option: UnsupportedOption) -> String {
        format!("model {model:?} does not support {}", option.name())
    }

    fn is_original(&self) -> bool {
        self.http.base().host_str() == Some(OFFICIAL_HOST)
    }

    fn price(&self, model: &str, size: Pixels) -> Option<f64> {
        if self.is_original() {
            price(model, size, &self.settings.quality)
        } else {
            self.http.is_local().then_some(0.0)
        }
    }

    fn start<'a>(&'a self, task: Task<'a>) -> ImageFuture<'a> {
        Box::pin(self.generate(task))
    }

    fn edits(&self, _model: &str) -> EditSupport {
        EditSupport::Instruction
    }
}

impl OpenAi {
    async fn generate(&self, task: Task<'_>) -> Result<GeneratedImage, PromptError> {
        let Task { recipe, source, progress } = task;
        let path = if source.is_some() { EDITS_PATH } else { &self.settings.path };
        let request = ImageRequest {
            url: self.http.url(path),
            model: &recipe.model,
            body: self.body(recipe),
            optional: &OPTIONAL,
            hosts: self.hosts(),
        };
        match source {
            Some(source) => edit(&self.http, request, source, task).await,
            None => self.http.generate_image(request, progress, at_once).await,
        }
    }

    fn hosts(&self) -> ImageHosts<'_> {
        ImageHosts { domains: &[], listed: &self.settings.image_hosts }
    }

    fn body(&self, recipe: &Recipe) -> Value {
        if is_gpt(&recipe.model) {
            return gpt_body(recipe, &self.settings.quality);
        }
        let mut body = body(recipe);
        body["response_format"] = "b64_json".into();
        if !recipe.negative.is_empty() {
            body["negative_prompt"] = recipe.negative.as_str().into();
        }
        if let Some(seed) = recipe.seed {
            body["seed"] = seed.into();
        }
        body
    }
}

/// Edits an image with a request of the Images API: a form, unlike those for new images.
pub(super) async fn edit(
    http: &Http,
    request: ImageRequest<'_>,
    source: &SourceImage,
    Task { recipe, progress, .. }: Task<'_>,
) -> Result<GeneratedImage, PromptError> {
    let ImageRequest { url, model, body, optional, hosts } = request;
    let make = |fields: &Value| Ok(http.with_key(http.post(url.clone()).multipart(form_with_image(fields, source)?)));
    let (reply, dropped) =
        http.send_adaptive(model, progress, body, optional, make).await.map_err(|error| match error {
            // Not every compatible server has edits.
            PromptError::NoSuchPath { host, path, .. } => {
                PromptError::cannot_edit(recipe, &format!("{host} has no path {path}"))
            }
            other => other,
        })?;
    let image = http.read_image(model, reply, hosts, progress, at_once).await?;
    Ok(GeneratedImage { notes: http.dropped_field_notes(&dropped), ..image })
}

/// The fields that all models take.
fn body(recipe: &Recipe) -> Value {
    let (width, height) = recipe.size;
    json!({"model": recipe.model, "prompt": recipe.prompt, "n": 1, "size": format!("{width}x{height}")})
}

/// The request for one of OpenAI's models.
pub(super) fn gpt_body(recipe: &Recipe, quality: &str) -> Value {
    let mut body = body(recipe);
    body["output_format"] = "jpeg".into();
    body["output_compression"] = 90.into();
    if !quality.is_empty() {
        body["quality"] = quality.into();
    }
    body
}

/// The size closest to `size` that one of OpenAI's models takes.
pub(super) fn gpt_size(model: &str, size: Pixels) -> Pixels {
    const GPT_IMAGE_1: &sizes::Ratios = &[("3:2", (1536, 1024)), ("1:1", (1024, 1024)), ("2:3", (1024, 1536))];
    if model.contains("gpt-image-1") {
        return sizes::nearest_ratio(GPT_IMAGE_1, size).1;
    }
    // Multiples of 16 from about 0.7 megapixels; OpenAI calls sizes above 2560x1440 experimental.
    let area = size.0 as f32 * size.1 as f32;
    sizes::of_area(size, area.clamp(1536.0 * 864.0, 2560.0 * 1440.0), 16)
}

/// A quality as a part of the recipe.
pub(super) fn variant(quality: &str) -> &str {
    if quality == DEFAULT_QUALITY { "" } else { quality }
}

/// Checks a setting with the quality of one of OpenAI's models.
///
/// # Errors
/// If no model has it.
pub(super) fn check_quality(key: &'static str, quality: &str) -> Result<(), PromptError> {
    match quality {
        "" | "low" | "medium" | "high" | "auto" | "xhigh" | "max" | "standard" | "hd" => Ok(()),
        other => Err(PromptError::setting(key, other, "low, medium, high, xhigh, max, auto or empty")),
    }
}

/// Checks a setting with a path below the base URL.
fn check_path(key: &'static str, path: &str) -> Result<(), PromptError> {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-._~/".contains(letter);
    if path.is_empty() || !path.chars().all(is_plain) {
        return Err(PromptError::setting(key, path, "a path such as images/generations"));
    }
    Ok(())
}

/// Whether a model is one of OpenAI's, also under a proxy's name such as `openai/...`.
fn is_gpt(model: &str) -> bool {
    let name = model.rsplit('/').next().unwrap_or(model);
    name.starts_with("gpt-") || name.starts_with("chatgpt-")
}

/// The price of an image of one of OpenAI's models in US dollars, as of November 2026; it grows slowly with the size.
/// The price of the 2.6 models per image is not published.
pub(super) fn price(model: &str, size: Pixels, quality: &str) -> Option<f64> {
    let prices = match model {
        "gpt-image-2.5-flare" | "gpt-image-2.5-sunburst" => [0.0044, 0.0103, 0.0396, 0.0704, 0.158],
        "gpt-image-2" => [0.005, 0.04, 0.158, f64::NAN, f64::NAN],
        "gpt-image-1.5" => [0.013, 0.05, 0.20, f64::NAN, f64::NAN],
        "gpt-image-1-mini" => [0.006, 0.015, f64::NAN, f64::NAN, f64::NAN],
        _ => return None,
    };
    let index = ["low", "medium", "high", "xhigh", "max"].iter().position(|known| *known == quality)?;
    let is_full_hd = u64::from(size.0) * u64::from(size.1) <= 1920 * 1088;
    Some(if is_full_hd { prices[index] } else { prices[index] * 1.4 }).filter(|price| price.is_finite())
}
