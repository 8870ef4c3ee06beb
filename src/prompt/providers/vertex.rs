//! Gemini's image models in Google Cloud: Vertex AI.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::gemini;
use crate::prompt::{
    EditSupport, GeneratedImage, Hints, ImageFuture, Name, Negative, PromptError, Provider, ProviderSettings,
    SizeRequest, Task,
    api_key::KeySources,
    http::{Http, check_url, path_segment},
    sizes::Pixels,
};

const NAME: Name = Name::Vertex;

/// `[prompt.vertex]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs)] // config/bgcam.toml explains each of them
pub struct Settings {
    pub project: String,
    pub location: String,
    pub model: String,
    pub endpoint: String,
    pub key_env: String,
    pub key_file: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            project: String::new(),
            location: "global".to_owned(),
            model: "gemini-3.1-flash-lite-image".to_owned(),
            endpoint: String::new(),
            key_env: "GOOGLE_OAUTH_ACCESS_TOKEN".to_owned(),
            key_file: String::new(),
        }
    }
}

impl ProviderSettings for Settings {
    fn check(&self) -> Result<(), PromptError> {
        check_url("prompt.vertex.endpoint", &self.endpoint)?;
        if self.location.is_empty() || !is_plain(&self.location, "-") {
            let expected = "global or a location such as europe-west1";
            return Err(PromptError::setting("prompt.vertex.location", &self.location, expected));
        }
        if !is_plain(&self.project, "-.:") {
            let expected = "the id of a Google Cloud project";
            return Err(PromptError::setting("prompt.vertex.project", &self.project, expected));
        }
        Ok(())
    }

    fn key_variable(&self) -> Option<&str> {
        Some(&self.key_env)
    }

    fn hints(&self) -> Hints {
        Hints {
            credentials: Some("write the output of `gcloud auth print-access-token` to that file"),
            rejected_key: Some(
                "access tokens expire after an hour: get a new one with `gcloud auth print-access-token`; the account \
                 needs the role roles/aiplatform.user",
            ),
            models: Some("Google offers gemini-3.1-flash-lite-image in the location global"),
            ..Hints::default()
        }
    }

    fn open(&self) -> Result<Box<dyn Provider>, PromptError> {
        if self.project.is_empty() {
            let expected = "the id of your Google Cloud project";
            return Err(PromptError::NotConfigured { provider: NAME, key: "prompt.vertex.project", expected });
        }
        let key = KeySources { provider: NAME, variable: &self.key_env, file: &self.key_file }.require()?;
        let endpoint = if self.endpoint.is_empty() { self.own_endpoint() } else { self.endpoint.clone() };
        let http = Http::at(NAME, "prompt.vertex.endpoint", &endpoint, Some(key))?;
        Ok(Box::new(Vertex { http, settings: self.clone() }))
    }
}

impl Settings {
    /// Google's server for the location: global, a continent, or a region.
    fn own_endpoint(&self) -> String {
        match &*self.location {
            "global" => "https://aiplatform.googleapis.com".to_owned(),
            region if region.contains('-') => format!("https://{region}-aiplatform.googleapis.com"),
            continent => format!("https://aiplatform.{continent}.rep.googleapis.com"),
        }
    }
}

/// Whether a text consists of letters, digits and `others`.
fn is_plain(text: &str, others: &str) -> bool {
    text.chars().all(|letter| letter.is_ascii_alphanumeric() || others.contains(letter))
}

/// Vertex AI in one project and location.
#[derive(Debug)]
struct Vertex {
    http: Http,
    settings: Settings,
}

impl Provider for Vertex {
    fn name(&self) -> Name {
        NAME
    }

    fn summary(&self) -> String {
        format!("at {}, project {}", self.http.place(), self.settings.project)
    }

    fn model(&self) -> Option<&str> {
        Some(&self.settings.model)
    }

    fn is_original(&self) -> bool {
        self.settings.endpoint.is_empty()
    }

    fn negative(&self, _model: &str) -> Negative {
        Negative::InPrompt
    }

    fn price(&self, model: &str, _size: Pixels) -> Option<f64> {
        gemini::price(model)
    }

    fn size_for(&self, _model: &str, size: SizeRequest) -> Pixels {
        gemini::size_for(size)
    }

    fn start<'a>(&'a self, task: Task<'a>) -> ImageFuture<'a> {
        Box::pin(self.generate(task))
    }

    fn edits(&self, _model: &str) -> EditSupport {
        EditSupport::Instruction
    }
}

impl Vertex {
    /// Generates an image, or edits `source`.
    async fn generate(&self, Task { recipe, source, progress }: Task<'_>) -> Result<GeneratedImage, PromptError> {
        let Settings { project, location, .. } = &self.settings;
        let model = path_segment(&recipe.model);
        let path = format!("v1/projects/{project}/locations/{location}/publishers/google/models/{model}");
        let url = self.http.url(&format!("{path}:generateContent"));
        let make = |body: &Value| Ok(self.http.with_key(self.http.post_json(url.clone(), body)));
        let find = |response: &Value| gemini::find_image(NAME, &self.http, response);
        let body = gemini::body(recipe, source);
        self.http.request_image(&recipe.model, progress, body, &gemini::OPTIONAL, make, find).await
    }
}
