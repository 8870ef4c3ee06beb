//! Amazon Bedrock: InvokeModel, with a Bedrock API key or a signed request.

#[cfg(feature = "aws-chain")]
mod chain;
mod codec;
mod credentials;
mod sign;

use std::{env, time::SystemTime};

use codec::Family;
use credentials::Source;
use reqwest::{RequestBuilder, Url, header::ACCEPT};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::prompt::{
    EditSupport, GeneratedImage, Hints, ImageFuture, Name, OnProgress, PromptError, Provider, ProviderSettings, Recipe,
    SizeRequest, SourceImage, Task,
    api_key::KeySources,
    http::{Http, check_encrypted, check_url, parse_url, path_segment},
    provider::TIME_LIMIT,
    sizes::Pixels,
};

const NAME: Name = Name::Bedrock;

/// The region that offers the remaining image models.
const DEFAULT_REGION: &str = "us-west-2";

/// `[prompt.bedrock]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs)] // config/bgcam.toml explains each of them
pub struct Settings {
    pub region: String,
    pub model: String,
    pub family: String,
    pub profile: String,
    pub endpoint: String,
    pub key_env: String,
    pub key_file: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            region: "us-west-2".to_owned(),
            model: "stability.stable-image-core-v1:1".to_owned(),
            family: String::new(),
            profile: String::new(),
            endpoint: String::new(),
            key_env: "AWS_BEARER_TOKEN_BEDROCK".to_owned(),
            key_file: String::new(),
        }
    }
}

impl ProviderSettings for Settings {
    fn check(&self) -> Result<(), PromptError> {
        check_url("prompt.bedrock.endpoint", &self.endpoint)?;
        let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if !is_plain(&self.region) {
            return Err(PromptError::setting("prompt.bedrock.region", &self.region, "a region such as us-west-2"));
        }
        match &*self.family {
            "" | "stable-image" | "sdxl" | "titan" => Ok(()),
            other => Err(PromptError::setting("prompt.bedrock.family", other, "stable-image, sdxl, titan or empty")),
        }
    }

    fn key_variable(&self) -> Option<&str> {
        Some(&self.key_env)
    }

    fn hints(&self) -> Hints {
        Hints {
            credentials: Some("set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or add a profile in ~/.aws"),
            rejected_key: Some(
                "check that the key has not expired, that it allows bedrock:InvokeModel, that your account has access \
                 to the model in this region, and the system clock",
            ),
            models: Some("stability.stable-image-core-v1:1 is available in us-west-2"),
            ..Hints::default()
        }
    }

    fn open(&self) -> Result<Box<dyn Provider>, PromptError> {
        let sources = KeySources { provider: NAME, variable: &self.key_env, file: &self.key_file };
        let key = sources.find()?;
        let variable = |name: &str| env::var(name).ok().filter(|text| !text.is_empty());
        let profile = credentials::Profile::find(&self.profile, variable);
        let credentials = match &key {
            Some(_) => None,
            None => Some(Source::find(&profile, !self.profile.is_empty(), variable, &sources)?),
        };
        let region =
            [Some(self.region.clone()), variable("AWS_REGION"), variable("AWS_DEFAULT_REGION"), profile.region()]
                .into_iter()
                .flatten()
                .find(|region| !region.is_empty())
                .unwrap_or_else(|| DEFAULT_REGION.to_owned());
        let base = if self.endpoint.is_empty() {
            parse_url("prompt.bedrock.region", &format!("https://bedrock-runtime.{region}.amazonaws.com"))?
        } else {
            parse_url("prompt.bedrock.endpoint", &self.endpoint)?
        };
        if credentials.is_some() {
            // A signed request contains the session token, and could be replayed.
            check_encrypted(NAME, &base)?;
        }
        let http = Http::open(NAME, base, TIME_LIMIT, key)?;
        Ok(Box::new(Bedrock { http, settings: self.clone(), region, credentials }))
    }
}

/// Amazon Bedrock in one region.
#[derive(Debug)]
struct Bedrock {
    http: Http,
    settings: Settings,
    region: String,
    /// `None` with a Bedrock API key.
    credentials: Option<Source>,
}

impl Provider for Bedrock {
    fn name(&self) -> Name {
        NAME
    }

    fn summary(&self) -> String {
        let credentials = self.credentials.as_ref().map_or_else(|| "a Bedrock API key".to_owned(), ToString::to_string);
        format!("at {}, with {credentials}", self.http.place())
    }

    fn model(&self) -> Option<&str> {
        Some(&self.settings.model)
    }

    fn size_for(&self, model: &str, size: SizeRequest) -> Pixels {
        Family::of(model, &self.settings.family).size_for(size.pixels)
    }

    fn is_original(&self) -> bool {
        self.settings.endpoint.is_empty()
    }

    fn price(&self, model: &str, _size: Pixels) -> Option<f64> {
        codec::price(model)
    }

    fn start<'a>(&'a self, task: Task<'a>) -> ImageFuture<'a> {
        Box::pin(self.generate(task))
    }

    fn edits(&self, model: &str) -> EditSupport {
        match Family::of(model, &self.settings.family) {
            Family::StableImage => EditSupport::Description,
            _ => EditSupport::Unsupported("only Stability's current models can"),
        }
    }

    /// An edited image has the size of its source.
    fn takes_size(&self, is_edit: bool) -> bool {
        !is_edit
    }

    fn edit_model(&self, model: &str) -> String {
        match Family::of(model, &self.settings.family) {
            Family::StableImage => codec::edit_model(&self.region),
            _ => model.to_owned(),
        }
    }
}

impl Bedrock {
    async fn generate(&self, task: Task<'_>) -> Result<GeneratedImage, PromptError> {
        let Task { recipe, progress, .. } = task;
        if let Some(source) = task.source {
            return self.edit(task, source).await;
        }
        let family = Family::of(&recipe.model, &self.settings.family);
        let image = self.send(recipe, family.body(recipe), progress).await?;
        let notes = family.note(recipe).into_iter().chain(image.notes).collect();
        Ok(GeneratedImage { notes, ..image })
    }

    async fn edit(&self, task: Task<'_>, source: &SourceImage) -> Result<GeneratedImage, PromptError> {
        let Task { recipe, progress, .. } = task;
        self.send(recipe, codec::edit_body(recipe, &source.base64()), progress).await
    }

    async fn send(
        &self,
        recipe: &Recipe,
        body: Value,
        progress: OnProgress<'_>,
    ) -> Result<GeneratedImage, PromptError> {
        let url = self.http.url(&format!("model/{}/invoke", path_segment(&recipe.model)));
        let credentials = match &self.credentials {
            Some(source) => Some(source.load().await?),
            None => None,
        };
        self.http.hide(credentials.as_ref().map(credentials::secrets).unwrap_or_default());
        let make = |body: &Value| self.request(url.clone(), body, credentials.as_ref());
        let find = |response: &Value| codec::find_image(response, &self.http);
        let image = self.http.request_image(&recipe.model, progress, body, &codec::OPTIONAL, make, find).await;
        image.map_err(|error| self.with_region(error))
    }

    fn request(
        &self,
        url: Url,
        body: &Value,
        credentials: Option<&aws_credential_types::Credentials>,
    ) -> Result<RequestBuilder, PromptError> {
        let request = self.http.post_json(url, body).header(ACCEPT, "application/json");
        match credentials {
            Some(credentials) => sign::signed(request, credentials, &self.region, SystemTime::now()),
            None => Ok(self.http.with_bearer_key(request)),
        }
    }

    /// Adds the region to an error about a missing model, since models differ by region.
    fn with_region(&self, error: PromptError) -> PromptError {
        match error {
            PromptError::ModelNotFound { provider, model, detail, .. } => {
                PromptError::ModelNotFound { provider, model, region: self.region.clone(), detail }
            }
            other => other,
        }
    }
}
