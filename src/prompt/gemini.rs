//! Google Gemini's models that answer with pictures.

use std::time::Duration;

use reqwest::header::HeaderName;
use serde::Deserialize;
use serde_json::json;

use super::{
    Picture, PromptError, Recipe,
    answer::{bad, json, picture_in},
    http::{Http, Report},
    key::KeyPlaces,
    provider::Name,
    settings::{Gemini as Settings, url},
    sizes::{Ratios, nearest_ratio},
};

const ME: Name = Name::Gemini;
const PATIENCE: Duration = Duration::from_secs(180);
/// The shapes that it makes, with the sizes that gemini-2.5-flash-image gives them.
pub(super) const SHAPES: &Ratios = &[
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
    pub(super) settings: Settings,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    #[serde(default)]
    candidates: Vec<Candidate>,
    #[serde(default)]
    prompt_feedback: Feedback,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Feedback {
    #[serde(default)]
    block_reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Candidate {
    #[serde(default)]
    content: Content,
    #[serde(default)]
    finish_reason: String,
}

#[derive(Deserialize, Default)]
struct Content {
    #[serde(default)]
    parts: Vec<Part>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Part {
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    inline_data: Option<Data>,
}

#[derive(Deserialize)]
struct Data {
    data: String,
}

impl Gemini {
    pub(super) fn open(settings: &Settings) -> Result<Self, PromptError> {
        let base = url("prompt.gemini.base_url", &settings.base_url)?;
        let key = KeyPlaces { provider: ME, variable: &settings.key_env, file: &settings.key_file }.need()?;
        Ok(Self { http: Http::open(ME, base, PATIENCE, Some(key))?, settings: settings.clone() })
    }

    pub(super) fn http(&self) -> &Http {
        &self.http
    }

    pub(super) async fn generate(&self, recipe: &Recipe, progress: Report<'_>) -> Result<Picture, PromptError> {
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
        let make = || Ok(self.http.keyed(self.http.post_json(url.clone(), &body), key_header.clone()));
        let reply = self.http.ask(&recipe.model, progress, make).await?;
        let text = self.find_picture(json(ME, &reply.body)?)?;
        Ok(Picture { bytes: picture_in(ME, &text)?, cost: cost(&recipe.model), ..Picture::default() })
    }

    fn find_picture(&self, answer: Answer) -> Result<String, PromptError> {
        let moderated = |reason: &str| PromptError::Moderated { provider: ME, said: self.http.clean(reason) };
        if let Some(reason) = answer.prompt_feedback.block_reason {
            return Err(moderated(&reason));
        }
        let Some(candidate) = answer.candidates.into_iter().next() else {
            return Err(bad(ME, "the answer has no picture in it"));
        };
        let mut words = String::new();
        for part in candidate.content.parts {
            match part {
                Part { inline_data: Some(data), .. } => return Ok(data.data),
                Part { text: Some(text), .. } => words.push_str(&text),
                _ => {}
            }
        }
        Err(match &*candidate.finish_reason {
            "" | "STOP" | "MAX_TOKENS" if words.is_empty() => bad(ME, "the answer has no picture in it"),
            "" | "STOP" | "MAX_TOKENS" => bad(ME, format!("it answered in words: {}", self.http.clean(&words))),
            "NO_IMAGE" => bad(ME, "it made no picture of this prompt"),
            reason => moderated(reason),
        })
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
