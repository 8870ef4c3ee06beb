//! Stability AI's own API.

use std::time::Duration;

use reqwest::{header::ACCEPT, multipart::Form};
use serde::Deserialize;

use super::{
    Picture, PromptError, Recipe,
    answer::{bad, json, picture_in},
    http::{Http, Report},
    key::KeyPlaces,
    provider::Name,
    settings::{Stability as Settings, url},
    sizes::{STABLE_IMAGE, nearest_ratio},
};

const ME: Name = Name::Stability;
const PATIENCE: Duration = Duration::from_secs(180);
/// The API's own bound.
const MOST_SEED: u64 = 4_294_967_294;

/// Stability AI's own API.
#[derive(Debug)]
pub struct Stability {
    http: Http,
    pub(super) settings: Settings,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    image: Option<String>,
    #[serde(default)]
    finish_reason: Option<String>,
    #[serde(default)]
    seed: Option<u64>,
}

impl Stability {
    pub(super) fn open(settings: &Settings) -> Result<Self, PromptError> {
        let base = url("prompt.stability.base_url", &settings.base_url)?;
        let key = KeyPlaces { provider: ME, variable: &settings.key_env, file: &settings.key_file }.need()?;
        Ok(Self { http: Http::open(ME, base, PATIENCE, Some(key))?, settings: settings.clone() })
    }

    pub(super) fn http(&self) -> &Http {
        &self.http
    }

    pub(super) async fn generate(&self, recipe: &Recipe, progress: Report<'_>) -> Result<Picture, PromptError> {
        let path = if recipe.model.starts_with("sd3") { "sd3" } else { recipe.model.as_str() };
        let path = path.replace(|letter: char| !letter.is_ascii_alphanumeric() && !"-._".contains(letter), "");
        let url = self.http.url(&format!("v2beta/stable-image/generate/{path}"));
        let make = || {
            let request = self.http.post(url.clone()).header(ACCEPT, "application/json").multipart(form(recipe));
            Ok(self.http.bearer(request))
        };
        let reply = self.http.ask(&recipe.model, progress, make).await?;
        let answer: Answer = json(ME, &reply.body)?;
        match answer.finish_reason.as_deref() {
            None | Some("SUCCESS") => {}
            Some(reason) => return Err(PromptError::Moderated { provider: ME, said: self.http.clean(reason) }),
        }
        let text = answer.image.ok_or_else(|| bad(ME, "the answer has no picture in it"))?;
        let cost = cost(&recipe.model);
        Ok(Picture { bytes: picture_in(ME, &text)?, seed: answer.seed, cost, ..Picture::default() })
    }
}

fn form(recipe: &Recipe) -> Form {
    let mut form = Form::new()
        .text("prompt", recipe.prompt.clone())
        .text("aspect_ratio", nearest_ratio(STABLE_IMAGE, recipe.size).0)
        .text("output_format", "png");
    if !recipe.negative.is_empty() {
        form = form.text("negative_prompt", recipe.negative.clone());
    }
    if let Some(seed) = recipe.seed {
        form = form.text("seed", (seed % (MOST_SEED + 1)).to_string());
    }
    if recipe.model.starts_with("sd3") {
        form = form.text("model", recipe.model.clone());
    }
    form
}

/// US dollars a picture, as of November 2026.
fn cost(model: &str) -> Option<f64> {
    match model {
        "core" => Some(0.03),
        "ultra" => Some(0.08),
        "sd3.5-large" => Some(0.065),
        "sd3.5-large-turbo" => Some(0.04),
        _ => None,
    }
}
