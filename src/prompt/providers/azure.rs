//! Azure OpenAI: OpenAI's image models in a deployment of your own.

use reqwest::Url;
use serde::{Deserialize, Serialize};

use super::openai;
use crate::prompt::{
    EditSupport, GeneratedImage, Hints, ImageFuture, Name, Negative, PromptError, Provider, ProviderSettings,
    SizeRequest, SizeSource, Task,
    api_key::KeySources,
    http::{Http, ImageHosts, ImageRequest, KeyHeader, at_once, check_url, path_segment},
    sizes::{self, Pixels},
};

const NAME: Name = Name::Azure;

/// The API version without a date: the deployment is a field of the request.
const VERSION_1: &str = "v1";

/// `[prompt.azure]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs)] // config/bgcam.toml explains each of them
pub struct Settings {
    pub endpoint: String,
    pub deployment: String,
    pub api_version: String,
    pub size: String,
    pub quality: String,
    pub key_env: String,
    pub key_file: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            endpoint: String::new(),
            deployment: String::new(),
            api_version: "2025-04-01-preview".to_owned(),
            size: String::new(),
            quality: "low".to_owned(),
            key_env: "AZURE_OPENAI_API_KEY".to_owned(),
            key_file: String::new(),
        }
    }
}

impl ProviderSettings for Settings {
    fn check(&self) -> Result<(), PromptError> {
        check_url("prompt.azure.endpoint", &self.endpoint)?;
        sizes::parse("prompt.azure.size", &self.size)?;
        openai::check_quality("prompt.azure.quality", &self.quality)?;
        let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if self.api_version.is_empty() || !is_plain(&self.api_version) {
            let expected = "v1 or a version such as 2025-04-01-preview";
            return Err(PromptError::setting("prompt.azure.api_version", &self.api_version, expected));
        }
        Ok(())
    }

    fn key_variable(&self) -> Option<&str> {
        Some(&self.key_env)
    }

    fn hints(&self) -> Hints {
        Hints {
            model_setting: Some("prompt.azure.deployment"),
            models: Some("the Azure portal lists the deployments of your resource"),
            ..Hints::default()
        }
    }

    fn open(&self) -> Result<Box<dyn Provider>, PromptError> {
        let missing = |key, expected| Err(PromptError::NotConfigured { provider: NAME, key, expected });
        if self.endpoint.is_empty() {
            return missing("prompt.azure.endpoint", "an address such as https://NAME.openai.azure.com");
        }
        if self.deployment.is_empty() {
            return missing("prompt.azure.deployment", "the name of your deployment of an image model");
        }
        let key = KeySources { provider: NAME, variable: &self.key_env, file: &self.key_file }.require()?;
        let http = Http::at(NAME, "prompt.azure.endpoint", &self.endpoint, Some(key))?;
        let size = sizes::parse("prompt.azure.size", &self.size)?;
        Ok(Box::new(Azure { http: http.with_key_in(KeyHeader::Named("api-key")), settings: self.clone(), size }))
    }
}

/// An Azure OpenAI resource.
#[derive(Debug)]
struct Azure {
    http: Http,
    settings: Settings,
    /// The configured size.
    size: Option<Pixels>,
}

impl Provider for Azure {
    fn name(&self) -> Name {
        NAME
    }

    fn summary(&self) -> String {
        format!("at {}", self.http.place())
    }

    /// The deployment; people usually name it after its model.
    fn model(&self) -> Option<&str> {
        Some(&self.settings.deployment)
    }

    fn variant(&self) -> &str {
        openai::variant(&self.settings.quality)
    }

    fn negative(&self, _model: &str) -> Negative {
        Negative::InPrompt
    }

    fn takes_seed(&self, _model: &str) -> bool {
        false
    }

    fn size_for(&self, model: &str, size: SizeRequest) -> Pixels {
        match self.size {
            Some(configured) if size.source == SizeSource::Output => configured,
            _ => openai::gpt_size(model, size.pixels),
        }
    }

    fn price(&self, model: &str, size: Pixels) -> Option<f64> {
        openai::price(model, size, &self.settings.quality)
    }

    fn start<'a>(&'a self, task: Task<'a>) -> ImageFuture<'a> {
        Box::pin(self.generate(task))
    }

    fn edits(&self, _model: &str) -> EditSupport {
        EditSupport::Instruction
    }
}

impl Azure {
    async fn generate(&self, task: Task<'_>) -> Result<GeneratedImage, PromptError> {
        let Task { recipe, source, progress } = task;
        let mut body = openai::gpt_body(recipe, &self.settings.quality);
        if self.settings.api_version != VERSION_1 {
            // The path has the deployment; some models reject it in the body.
            body.as_object_mut().into_iter().for_each(|body| drop(body.remove("model")));
        }
        let hosts = ImageHosts { domains: &["blob.core.windows.net"], listed: &[] };
        let url = self.url(&recipe.model, if source.is_some() { "edits" } else { "generations" });
        let request = ImageRequest { url, model: &recipe.model, body, optional: &openai::OPTIONAL, hosts };
        match source {
            Some(source) => openai::edit(&self.http, request, source, task).await,
            None => self.http.generate_image(request, progress, at_once).await,
        }
    }

    /// The address of an operation, `generations` or `edits`.
    fn url(&self, deployment: &str, operation: &str) -> Url {
        let (path, version) = match self.settings.api_version.as_str() {
            VERSION_1 => (format!("openai/v1/images/{operation}"), "preview"),
            version => (format!("openai/deployments/{}/images/{operation}", path_segment(deployment)), version),
        };
        let mut url = self.http.url(&path);
        url.query_pairs_mut().append_pair("api-version", version);
        url
    }
}
