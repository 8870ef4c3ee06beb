//! The Images API: OpenAI, and LocalAI, Ollama, sd-server, LiteLLM and others who speak it.

use std::time::Duration;

use reqwest::Url;
use serde::Deserialize;
use serde_json::json;

use super::{
    Picture, PromptError, Recipe,
    answer::{bad, check_picture, json, picture_in},
    http::{Http, Report, host, same_origin},
    key::KeyPlaces,
    provider::{Name, Negative},
    settings::{OpenAi as Settings, url},
    sizes::{self, Pixels},
};

const ME: Name = Name::OpenAi;
const PATIENCE: Duration = Duration::from_secs(180);

/// The Images API at one server.
#[derive(Debug)]
pub struct OpenAi {
    http: Http,
    pub(super) settings: Settings,
    size: Option<Pixels>,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    data: Vec<Datum>,
}

#[derive(Deserialize)]
struct Datum {
    #[serde(default)]
    b64_json: Option<String>,
    #[serde(default)]
    url: Option<String>,
}

impl OpenAi {
    pub(super) fn open(settings: &Settings) -> Result<Self, PromptError> {
        let mut base = url("prompt.openai.base_url", &settings.base_url)?;
        if base.path() == "/" {
            base.set_path("/v1");
        }
        let places = KeyPlaces { provider: ME, variable: &settings.key_env, file: &settings.key_file };
        // Servers at home want no key.
        let hosted = base.host_str() == Some("api.openai.com");
        let key = if hosted { Some(places.need()?) } else { places.find()? };
        let size = sizes::parse("prompt.openai.size", &settings.size)?;
        Ok(Self { http: Http::open(ME, base, PATIENCE, key)?, settings: settings.clone(), size })
    }

    pub(super) fn http(&self) -> &Http {
        &self.http
    }

    /// OpenAI's models read what they should not show; the others are diffusion models with a field for it.
    pub(super) fn negative(model: &str) -> Negative {
        if is_gpt(model) { Negative::InWords } else { Negative::Field }
    }

    pub(super) fn size_for(&self, model: &str, wish: Pixels) -> Pixels {
        const OLD: &sizes::Ratios = &[("3:2", (1536, 1024)), ("1:1", (1024, 1024)), ("2:3", (1024, 1536))];
        match self.size {
            Some(size) => size,
            None if is_gpt(model) && model.contains("gpt-image-1") => sizes::nearest_ratio(OLD, wish).1,
            // Any size in steps of 16 from about 0.7 megapixels; above 2560x1440 it is called experimental.
            None if is_gpt(model) => {
                let area = wish.0 as f32 * wish.1 as f32;
                sizes::of_area(wish, area.clamp(1536.0 * 864.0, 2560.0 * 1440.0), 16)
            }
            None => sizes::of_area(wish, 768.0 * 448.0, 64),
        }
    }

    pub(super) async fn generate(&self, recipe: &Recipe, progress: Report<'_>) -> Result<Picture, PromptError> {
        let body = self.body(recipe);
        let url = self.http.url("images/generations");
        let make = || Ok(self.http.bearer(self.http.post_json(url.clone(), &body)));
        let reply = self.http.ask(&recipe.model, progress, make).await?;
        let answer: Answer = json(ME, &reply.body)?;
        let Some(datum) = answer.data.into_iter().next() else {
            return Err(bad(ME, "the answer has no picture in it"));
        };
        let bytes = match (datum.b64_json, datum.url) {
            (Some(text), _) => picture_in(ME, &text)?,
            (None, Some(text)) if text.starts_with("data:") => picture_in(ME, &text)?,
            (None, Some(text)) => self.fetch(&text, progress).await?,
            (None, None) => return Err(bad(ME, "the answer has no picture in it")),
        };
        Ok(Picture { bytes, ..Picture::default() })
    }

    fn body(&self, recipe: &Recipe) -> serde_json::Value {
        let (width, height) = recipe.size;
        let mut body = json!({
            "model": recipe.model, "prompt": recipe.prompt, "n": 1, "size": format!("{width}x{height}"),
        });
        if is_gpt(&recipe.model) {
            body["output_format"] = "jpeg".into();
            body["output_compression"] = 90.into();
            if !self.settings.quality.is_empty() {
                body["quality"] = self.settings.quality.as_str().into();
            }
        } else {
            body["response_format"] = "b64_json".into();
            if !recipe.negative.is_empty() {
                body["negative_prompt"] = recipe.negative.as_str().into();
            }
            if let Some(seed) = recipe.seed {
                body["seed"] = seed.into();
            }
        }
        body
    }

    /// Fetches a picture from an address in the answer: only from the same server, or one that the config names.
    async fn fetch(&self, text: &str, progress: Report<'_>) -> Result<Vec<u8>, PromptError> {
        // A path alone is one of the same server.
        let url = self.http.base().join(text).map_err(|_| bad(ME, "the picture's address is no address"))?;
        let named = self.settings.picture_hosts.iter().any(|named| *named == host(&url));
        let own = same_origin(self.http.base(), &url);
        if !(own || named && url.scheme() == "https") {
            return Err(PromptError::ForeignPicture { provider: ME, host: self.http.clean(&host_or_scheme(&url)) });
        }
        let make = || {
            let request = self.http.get(url.clone());
            Ok(if own { self.http.bearer(request) } else { request })
        };
        let reply = self.http.ask("", progress, make).await?;
        check_picture(ME, &reply.body)?;
        Ok(reply.body)
    }
}

fn host_or_scheme(url: &Url) -> String {
    if url.has_host() { host(url) } else { format!("{}:", url.scheme()) }
}

/// Whether a model is of OpenAI's own, at OpenAI or behind a proxy that calls it `openai/...`.
fn is_gpt(model: &str) -> bool {
    let name = model.rsplit('/').next().unwrap_or(model);
    name.starts_with("gpt-") || name.starts_with("chatgpt-")
}
