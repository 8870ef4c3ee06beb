//! The Images API: OpenAI, and LocalAI, Ollama, sd-server, LiteLLM and others who speak it.

use std::time::Duration;

use reqwest::Url;
use serde_json::{Value, json};

use crate::prompt::{
    Picture, PromptError, Recipe, Wish,
    answer::{bad, check_picture, filled, members, picture_in},
    http::{Http, Pointer, Report, host, same_origin},
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
    pub(crate) settings: Settings,
    size: Option<Pixels>,
}

/// The fields that not every server knows.
const OPTIONAL: [Pointer; 8] = [
    "/n",
    "/size",
    "/quality",
    "/seed",
    "/negative_prompt",
    "/response_format",
    "/output_format",
    "/output_compression",
];

impl OpenAi {
    pub(crate) fn open(settings: &Settings) -> Result<Self, PromptError> {
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

    pub(in crate::prompt) fn http(&self) -> &Http {
        &self.http
    }

    /// OpenAI's models read what they should not show; the others are diffusion models with a field for it.
    pub(crate) fn negative(model: &str) -> Negative {
        if is_gpt(model) { Negative::InWords } else { Negative::Field }
    }

    /// OpenAI's models take no seed.
    pub(crate) fn takes_seed(model: &str) -> bool {
        !is_gpt(model)
    }

    pub(crate) fn size_for(&self, model: &str, wish: &Wish) -> Pixels {
        const OLD: &sizes::Ratios = &[("3:2", (1536, 1024)), ("1:1", (1024, 1024)), ("2:3", (1024, 1536))];
        let (asked, wish) = (wish.asked_size(), wish.size);
        match self.size {
            Some(size) if asked.is_none() => size,
            _ if is_gpt(model) && model.contains("gpt-image-1") => sizes::nearest_ratio(OLD, wish).1,
            // Any size in steps of 16 from about 0.7 megapixels; above 2560x1440 it is called experimental.
            _ if is_gpt(model) => {
                let area = wish.0 as f32 * wish.1 as f32;
                sizes::of_area(wish, area.clamp(1536.0 * 864.0, 2560.0 * 1440.0), 16)
            }
            _ => asked.map_or_else(|| sizes::of_area(wish, 768.0 * 448.0, 64), |size| sizes::bounded(size, 8)),
        }
    }

    pub(crate) async fn generate(&self, recipe: &Recipe, progress: Report<'_>) -> Result<Picture, PromptError> {
        let url = self.http.url("images/generations");
        let make = |body: &Value| Ok(self.http.bearer(self.http.post_json(url.clone(), body)));
        let (reply, left_out) =
            self.http.ask_without(&recipe.model, progress, self.body(recipe), &OPTIONAL, make).await?;
        let notes = self.http.left_out_notes(&left_out);
        if check_picture(ME, &reply.body).is_ok() {
            return Ok(Picture { bytes: reply.body, notes, ..Picture::default() });
        }
        let answer = self.http.json(&reply.body)?;
        match self.find(&answer, progress).await? {
            Some(bytes) => Ok(Picture { bytes, notes, ..Picture::default() }),
            None => Err(self.http.no_picture(&recipe.model, &answer)),
        }
    }

    /// The first picture in an answer: in base64, or at an address.
    async fn find(&self, answer: &Value, progress: Report<'_>) -> Result<Option<Vec<u8>>, PromptError> {
        let data = members(&answer["data"]).iter().chain(members(&answer["images"]));
        let places =
            data.flat_map(|datum| [(&datum["b64_json"], false), (&datum["url"], true), (datum, is_address(datum))]);
        let mut first_error = None;
        for (place, is_address) in places {
            let Some(text) = filled(place) else { continue };
            let is_address = is_address && !text.trim_start().starts_with("data:");
            let found = if is_address { self.fetch(text, progress).await } else { picture_in(ME, text) };
            match found {
                Ok(bytes) => return Ok(Some(bytes)),
                Err(error) => first_error = first_error.or(Some(error)),
            }
        }
        first_error.map_or(Ok(None), Err)
    }

    fn body(&self, recipe: &Recipe) -> Value {
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

/// Whether a text that could be either is the address of a picture, not the picture in base64.
fn is_address(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.contains("://"))
}

fn host_or_scheme(url: &Url) -> String {
    if url.has_host() { host(url) } else { format!("{}:", url.scheme()) }
}

/// Whether a model is of OpenAI's own, at OpenAI or behind a proxy that calls it `openai/...`.
fn is_gpt(model: &str) -> bool {
    let name = model.rsplit('/').next().unwrap_or(model);
    name.starts_with("gpt-") || name.starts_with("chatgpt-")
}
