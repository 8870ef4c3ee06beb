//! Stability AI's own API.

use std::time::Duration;

use reqwest::{header::ACCEPT, multipart::Form};
use serde_json::{Value, json};

use crate::prompt::{
    Picture, PromptError, Recipe,
    answer::{filled, first_picture, number},
    http::{Http, Pointer, Report},
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
    pub(crate) settings: Settings,
}

/// The fields that not every model takes.
const OPTIONAL: [Pointer; 4] = ["/aspect_ratio", "/output_format", "/negative_prompt", "/seed"];

impl Stability {
    pub(crate) fn open(settings: &Settings) -> Result<Self, PromptError> {
        let base = url("prompt.stability.base_url", &settings.base_url)?;
        let key = KeyPlaces { provider: ME, variable: &settings.key_env, file: &settings.key_file }.need()?;
        Ok(Self { http: Http::open(ME, base, PATIENCE, Some(key))?, settings: settings.clone() })
    }

    pub(in crate::prompt) fn http(&self) -> &Http {
        &self.http
    }

    pub(crate) async fn generate(&self, recipe: &Recipe, progress: Report<'_>) -> Result<Picture, PromptError> {
        let path = if recipe.model.starts_with("sd3") { "sd3" } else { recipe.model.as_str() };
        let path = path.replace(|letter: char| !letter.is_ascii_alphanumeric() && !"-._".contains(letter), "");
        let url = self.http.url(&format!("v2beta/stable-image/generate/{path}"));
        let make = |fields: &Value| {
            let request = self.http.post(url.clone()).header(ACCEPT, "application/json").multipart(form(fields));
            Ok(self.http.bearer(request))
        };
        let (reply, left_out) = self.http.ask_without(&recipe.model, progress, fields(recipe), &OPTIONAL, make).await?;
        let picture = self.http.picture(&recipe.model, reply, |answer| {
            match filled(&answer["finish_reason"]) {
                None | Some("SUCCESS") => {}
                Some(reason) => return Err(PromptError::Moderated { provider: ME, said: self.http.clean(reason) }),
            }
            let bytes = first_picture(ME, filled(&answer["image"]))?;
            Ok(bytes.map(|bytes| Picture { bytes, seed: number(&answer["seed"]), ..Picture::default() }))
        })?;
        Ok(Picture { cost: cost(&recipe.model), notes: self.http.left_out_notes(&left_out), ..picture })
    }
}

fn fields(recipe: &Recipe) -> Value {
    let mut fields = json!({
        "prompt": recipe.prompt, "aspect_ratio": nearest_ratio(STABLE_IMAGE, recipe.size).0, "output_format": "png",
    });
    if !recipe.negative.is_empty() {
        fields["negative_prompt"] = recipe.negative.as_str().into();
    }
    if let Some(seed) = recipe.seed {
        fields["seed"] = (seed % (MOST_SEED + 1)).into();
    }
    if recipe.model.starts_with("sd3") {
        fields["model"] = recipe.model.as_str().into();
    }
    fields
}

fn form(fields: &Value) -> Form {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let fields = fields.as_object().into_iter().flatten();
    fields.fold(Form::new(), |form, (name, value)| form.text(name.clone(), text(value)))
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
