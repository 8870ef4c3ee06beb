//! Stability AI's own API.

use reqwest::header::ACCEPT;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::prompt::{
    EditSupport, GeneratedImage, Hints, ImageFuture, Name, PromptError, Provider, ProviderSettings, Recipe,
    SizeRequest, SourceImage, Task,
    api_key::KeySources,
    http::{Http, Pointer, check_url, form, form_with_image, path_segment},
    response::{first_image, non_blank, number},
    sizes::{Pixels, STABLE_IMAGE, nearest_ratio},
};

const NAME: Name = Name::Stability;

/// The API's largest seed.
const MAX_SEED: u64 = 4_294_967_294;

/// The model that makes edits: it keeps the structure of an image.
const EDIT_MODEL: &str = "control-structure";

/// How much of the structure an edit keeps, 0 to 1; the API's default.
const CONTROL_STRENGTH: f64 = 0.7;

/// The request fields that not every model accepts.
const OPTIONAL: [Pointer; 5] = ["/aspect_ratio", "/output_format", "/negative_prompt", "/seed", "/control_strength"];

/// `[prompt.stability]`
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
            base_url: "https://api.stability.ai".to_owned(),
            model: "core".to_owned(),
            key_env: "STABILITY_API_KEY".to_owned(),
            key_file: String::new(),
        }
    }
}

impl ProviderSettings for Settings {
    fn check(&self) -> Result<(), PromptError> {
        check_url("prompt.stability.base_url", &self.base_url)
    }

    fn key_variable(&self) -> Option<&str> {
        Some(&self.key_env)
    }

    fn hints(&self) -> Hints {
        Hints { models: Some("Stability AI offers core, ultra and sd3.5-large"), ..Hints::default() }
    }

    fn open(&self) -> Result<Box<dyn Provider>, PromptError> {
        let key = KeySources { provider: NAME, variable: &self.key_env, file: &self.key_file }.require()?;
        let http = Http::at(NAME, "prompt.stability.base_url", &self.base_url, Some(key))?;
        Ok(Box::new(Stability { http, model: self.model.clone() }))
    }
}

/// Stability AI's own API.
#[derive(Debug)]
struct Stability {
    http: Http,
    model: String,
}

impl Provider for Stability {
    fn name(&self) -> Name {
        NAME
    }

    fn summary(&self) -> String {
        format!("at {}", self.http.place())
    }

    fn model(&self) -> Option<&str> {
        Some(&self.model)
    }

    fn size_for(&self, _model: &str, size: SizeRequest) -> Pixels {
        nearest_ratio(STABLE_IMAGE, size.pixels).1
    }

    fn price(&self, model: &str, _size: Pixels) -> Option<f64> {
        price(model)
    }

    fn start<'a>(&'a self, task: Task<'a>) -> ImageFuture<'a> {
        Box::pin(self.generate(task))
    }

    fn edits(&self, _model: &str) -> EditSupport {
        EditSupport::Description
    }

    /// An edited image has the size of its source.
    fn takes_size(&self, is_edit: bool) -> bool {
        !is_edit
    }

    fn edit_model(&self, _model: &str) -> String {
        EDIT_MODEL.to_owned()
    }
}

impl Stability {
    async fn generate(&self, task: Task<'_>) -> Result<GeneratedImage, PromptError> {
        let Task { recipe, progress, .. } = task;
        if let Some(source) = task.source {
            return self.edit(task, source).await;
        }
        let path = if recipe.model.starts_with("sd3") { "sd3" } else { recipe.model.as_str() };
        let url = self.http.url(&format!("v2beta/stable-image/generate/{}", path_segment(path)));
        let make = |fields: &Value| {
            let request = self.http.post(url.clone()).header(ACCEPT, "application/json").multipart(form(fields));
            Ok(self.http.with_bearer_key(request))
        };
        let find = |response: &Value| self.find_image(response);
        self.http.request_image(&recipe.model, progress, fields(recipe), &OPTIONAL, make, find).await
    }

    /// Generates an image with the structure of `source`.
    async fn edit(&self, task: Task<'_>, source: &SourceImage) -> Result<GeneratedImage, PromptError> {
        let Task { recipe, progress, .. } = task;
        let url = self.http.url("v2beta/stable-image/control/structure");
        let make = |fields: &Value| {
            let form = form_with_image(fields, source)?;
            let request = self.http.post(url.clone()).header(ACCEPT, "application/json").multipart(form);
            Ok(self.http.with_bearer_key(request))
        };
        let mut fields = fields(recipe);
        fields["control_strength"] = CONTROL_STRENGTH.into();
        // The result has the size of the source.
        fields.as_object_mut().and_then(|fields| fields.remove("aspect_ratio"));
        let find = |response: &Value| self.find_image(response);
        self.http.request_image(&recipe.model, progress, fields, &OPTIONAL, make, find).await
    }

    fn find_image(&self, response: &Value) -> Result<Option<GeneratedImage>, PromptError> {
        match non_blank(&response["finish_reason"]) {
            None | Some("SUCCESS") => {}
            Some(reason) => return Err(PromptError::Moderated { provider: NAME, detail: self.http.clean(reason) }),
        }
        let bytes = first_image(NAME, non_blank(&response["image"]))?;
        let seed = number(&response["seed"]);
        Ok(bytes.map(|bytes| GeneratedImage { seed, ..GeneratedImage::new(bytes) }))
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
        fields["seed"] = (seed % (MAX_SEED + 1)).into();
    }
    if recipe.model.starts_with("sd3") {
        fields["model"] = recipe.model.as_str().into();
    }
    fields
}

/// The price of an image in US dollars, as of November 2026.
fn price(model: &str) -> Option<f64> {
    match model {
        "core" => Some(0.03),
        "ultra" => Some(0.08),
        "sd3.5-large" => Some(0.065),
        "sd3.5-large-turbo" => Some(0.04),
        "sd3.5-medium" => Some(0.035),
        _ => None,
    }
}
