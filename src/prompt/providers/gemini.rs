//! Google Gemini's models that answer with pictures.

use std::time::Duration;

use reqwest::header::HeaderName;
use serde_json::{Value, json};

use crate::prompt::{
    Picture, PromptError, Recipe,
    answer::{bad, filled, first_picture, members},
    http::{Http, Pointer, Report},
    key::KeyPlaces,
    provider::Name,
    settings::{Gemini as Settings, url},
    sizes::{Ratios, nearest_ratio},
};

const ME: Name = Name::Gemini;
const PATIENCE: Duration = Duration::from_secs(180);
/// The shapes that it makes, with the sizes that gemini-2.5-flash-image gives them.
pub(crate) const SHAPES: &Ratios = &[
    ("16:9", (1344, 768)),
    ("1:1", (1024, 1024)),
    ("21:9", (1536, 672)),
    ("3:2", (1248, 832)),
    ("2:3", (832, 1248)),
    ("4:3", (1184, 864)),
    ("3:4", (864, 1184)),
    ("9:16", (768, 1344)),
];

/// Google Gemini.
#[derive(Debug)]
pub struct Gemini {
    http: Http,
    pub(crate) settings: Settings,
}

/// The fields that not every model takes.
const OPTIONAL: [Pointer; 4] = [
    "/generationConfig/seed",
    "/generationConfig/imageConfig/aspectRatio",
    "/generationConfig/imageConfig",
    "/generationConfig/responseModalities",
];

impl Gemini {
    pub(crate) fn open(settings: &Settings) -> Result<Self, PromptError> {
        let base = url("prompt.gemini.base_url", &settings.base_url)?;
        let key = KeyPlaces { provider: ME, variable: &settings.key_env, file: &settings.key_file }.need()?;
        Ok(Self { http: Http::open(ME, base, PATIENCE, Some(key))?, settings: settings.clone() })
    }

    pub(in crate::prompt) fn http(&self) -> &Http {
        &self.http
    }

    pub(crate) async fn generate(&self, recipe: &Recipe, progress: Report<'_>) -> Result<Picture, PromptError> {
        let mut body = json!({
            "contents": [{"parts": [{"text": recipe.prompt}]}],
            "generationConfig": {
                "responseModalities": ["IMAGE"],
                "imageConfig": {"aspectRatio": nearest_ratio(SHAPES, recipe.size).0},
            },
        });
        if let Some(seed) = recipe.seed {
            body["generationConfig"]["seed"] = (seed & 0x7fff_ffff).into(); // it takes an int32
        }
        let model = recipe.model.replace(['/', '?', '#', ':'], "");
        let url = self.http.url(&format!("v1beta/models/{model}:generateContent"));
        let key_header = HeaderName::from_static("x-goog-api-key");
        let make = |body: &Value| Ok(self.http.keyed(self.http.post_json(url.clone(), body), key_header.clone()));
        let (reply, left_out) = self.http.ask_without(&recipe.model, progress, body, &OPTIONAL, make).await?;
        let picture = self.http.picture(&recipe.model, reply, |answer| self.find_picture(answer))?;
        Ok(Picture { cost: cost(&recipe.model), notes: self.http.left_out_notes(&left_out), ..picture })
    }

    /// The picture among the parts of an answer, or of the answers of a stream.
    fn find_picture(&self, answer: &Value) -> Result<Option<Picture>, PromptError> {
        let candidates = || members(answer).iter().flat_map(|answer| members(&answer["candidates"]));
        let parts = || candidates().flat_map(|candidate| members(&candidate["content"]["parts"]));
        let data = parts().flat_map(|part| [&part["inlineData"]["data"], &part["inline_data"]["data"]]);
        if let Some(bytes) = first_picture(ME, data.filter_map(filled))? {
            return Ok(Some(Picture { bytes, ..Picture::default() }));
        }
        let moderated = |reason: &str| PromptError::Moderated { provider: ME, said: self.http.clean(reason) };
        let blocked = members(answer).iter().find_map(|answer| filled(&answer["promptFeedback"]["blockReason"]));
        if let Some(reason) = blocked {
            return Err(moderated(reason));
        }
        let words: String = parts().filter_map(|part| filled(&part["text"])).collect();
        match candidates().find_map(|candidate| filled(&candidate["finishReason"])) {
            None | Some("STOP" | "MAX_TOKENS") if words.is_empty() => Ok(None),
            None | Some("STOP" | "MAX_TOKENS") => {
                Err(bad(ME, format!("it answered in words: {}", self.http.clean(&words))))
            }
            Some("NO_IMAGE") => Err(bad(ME, "it made no picture of this prompt")),
            Some(reason) => Err(moderated(reason)),
        }
    }
}

/// US dollars a picture, as of November 2026.
fn cost(model: &str) -> Option<f64> {
    match model {
        "gemini-2.5-flash-image" => Some(0.039),
        "gemini-3.1-flash-lite-image" => Some(0.0336),
        _ => None,
    }
}
