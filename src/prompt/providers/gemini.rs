//! Google Gemini's image models.

use reqwest::header::HeaderName;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::prompt::{
    EditSupport, GeneratedImage, Hints, ImageFuture, Name, Negative, PromptError, Provider, ProviderSettings, Recipe,
    SizeRequest, SourceImage, Task,
    api_key::KeySources,
    http::{Http, Pointer, check_url, path_segment},
    response::{bad_response, first_image, items, non_blank},
    sizes::{MEGAPIXEL, Pixels, nearest_ratio},
};

const NAME: Name = Name::Gemini;

/// The request fields that not every model accepts.
pub(super) const OPTIONAL: [Pointer; 4] = [
    "/generationConfig/seed",
    "/generationConfig/imageConfig/aspectRatio",
    "/generationConfig/imageConfig",
    "/generationConfig/responseModalities",
];

/// `[prompt.gemini]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs)] // config/bgcam.toml explains each of them
pub struct Settings {
    pub base_url: String,
    pub model: String,
    pub key_env: String,
    pub key_file: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            base_url: "https://generativelanguage.googleapis.com".to_owned(),
            model: "gemini-3.1-flash-lite-image".to_owned(),
            key_env: "GEMINI_API_KEY".to_owned(),
            key_file: String::new(),
        }
    }
}

impl ProviderSettings for Settings {
    fn check(&self) -> Result<(), PromptError> {
        check_url("prompt.gemini.base_url", &self.base_url)
    }

    fn key_variable(&self) -> Option<&str> {
        Some(&self.key_env)
    }

    fn hints(&self) -> Hints {
        Hints { models: Some("Google offers gemini-3.1-flash-lite-image"), ..Hints::default() }
    }

    fn open(&self) -> Result<Box<dyn Provider>, PromptError> {
        let key = KeySources { provider: NAME, variable: &self.key_env, file: &self.key_file }.require()?;
        let http = Http::at(NAME, "prompt.gemini.base_url", &self.base_url, Some(key))?;
        Ok(Box::new(Gemini { http, model: self.model.clone() }))
    }
}

/// Google Gemini.
#[derive(Debug)]
struct Gemini {
    http: Http,
    model: String,
}

impl Provider for Gemini {
    fn name(&self) -> Name {
        NAME
    }

    fn summary(&self) -> String {
        format!("at {}", self.http.place())
    }

    fn model(&self) -> Option<&str> {
        Some(&self.model)
    }

    fn negative(&self, _model: &str) -> Negative {
        Negative::InPrompt
    }

    fn size_for(&self, _model: &str, size: SizeRequest) -> Pixels {
        self::size_for(size)
    }

    fn is_original(&self) -> bool {
        self.http.base().host_str() == Some("generativelanguage.googleapis.com")
    }

    fn price(&self, model: &str, _size: Pixels) -> Option<f64> {
        price(model)
    }

    fn start<'a>(&'a self, task: Task<'a>) -> ImageFuture<'a> {
        Box::pin(self.generate(task))
    }

    fn edits(&self, _model: &str) -> EditSupport {
        EditSupport::Instruction
    }
}

impl Gemini {
    async fn generate(&self, Task { recipe, source, progress }: Task<'_>) -> Result<GeneratedImage, PromptError> {
        let model = path_segment(&recipe.model);
        let url = self.http.url(&format!("v1beta/models/{model}:generateContent"));
        let key_header = HeaderName::from_static("x-goog-api-key");
        let make =
            |body: &Value| Ok(self.http.with_key_header(self.http.post_json(url.clone(), body), key_header.clone()));
        let find = |response: &Value| find_image(NAME, &self.http, response);
        self.http.request_image(&recipe.model, progress, body(recipe, source), &OPTIONAL, make, find).await
    }
}

/// The request for an image, or for an edit of `source`.
pub(super) fn body(recipe: &Recipe, source: Option<&SourceImage>) -> Value {
    let image = source.map(|source| json!({"inlineData": {"mimeType": source.mime(), "data": source.base64()}}));
    let parts: Vec<Value> = image.into_iter().chain([json!({"text": recipe.prompt})]).collect();
    let mut body = json!({
        "contents": [{"role": "user", "parts": parts}],
        "generationConfig": {
            "responseModalities": ["IMAGE"],
            "imageConfig": {"aspectRatio": nearest_ratio(MEGAPIXEL, recipe.size).0},
        },
    });
    if let Some(seed) = recipe.seed {
        body["generationConfig"]["seed"] = (seed & 0x7fff_ffff).into(); // the API takes an int32
    }
    body
}

/// The size of the aspect ratio closest to that of `size`.
pub(super) fn size_for(size: SizeRequest) -> Pixels {
    nearest_ratio(MEGAPIXEL, size.pixels).1
}

/// The image among the parts of a response, or of an array of streamed responses.
///
/// # Errors
/// If the response has a reason why there is none, or only text.
pub(super) fn find_image(provider: Name, http: &Http, response: &Value) -> Result<Option<GeneratedImage>, PromptError> {
    let candidates = || items(response).iter().flat_map(|response| items(&response["candidates"]));
    let parts = || candidates().flat_map(|candidate| items(&candidate["content"]["parts"]));
    let data = parts().flat_map(|part| [&part["inlineData"]["data"], &part["inline_data"]["data"]]);
    if let Some(bytes) = first_image(provider, data.filter_map(non_blank))? {
        return Ok(Some(GeneratedImage::new(bytes)));
    }
    let moderated = |reason: &str| PromptError::Moderated { provider, detail: http.clean(reason) };
    let blocked = items(response).iter().find_map(|response| non_blank(&response["promptFeedback"]["blockReason"]));
    if let Some(reason) = blocked {
        return Err(moderated(reason));
    }
    let text: String = parts().filter_map(|part| non_blank(&part["text"])).collect();
    match candidates().find_map(|candidate| non_blank(&candidate["finishReason"])) {
        None | Some("STOP" | "MAX_TOKENS") if text.is_empty() => Ok(None),
        None | Some("STOP" | "MAX_TOKENS") => {
            Err(bad_response(provider, format!("it returned only text: {}", http.clean(&text))))
        }
        Some("NO_IMAGE") => Err(bad_response(provider, "it generated no image for this prompt")),
        Some(reason) => Err(moderated(reason)),
    }
}

/// The price of an image of about one megapixel in US dollars, as of November 2026.
pub(super) fn price(model: &str) -> Option<f64> {
    match model {
        "gemini-2.5-flash-image" => Some(0.039),
        "gemini-3.1-flash-lite-image" => Some(0.0336),
        "gemini-3.1-flash-image" => Some(0.0672),
        "gemini-3-pro-image" => Some(0.134),
        _ => None,
    }
}
