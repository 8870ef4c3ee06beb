//! A function behind an Amazon API Gateway: it takes `{prompt, width, height}` and returns `{base64_image}`.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderName};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::prompt::{
    GeneratedImage, Hints, ImageFuture, Name, Negative, PromptError, Provider, ProviderSettings, SizeRequest, Task,
    api_key::KeySources,
    http::{Http, check_url, parse_url},
    response::{first_image, non_blank},
    sizes::{self, Pixels},
};

const NAME: Name = Name::Gateway;

/// More than the 30 s after which an API Gateway gives up on its function.
const TIME_LIMIT: Duration = Duration::from_secs(40);

/// `[prompt.gateway]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs)] // config/bgcam.toml explains each of them
pub struct Settings {
    pub url: String,
    pub size: String,
    pub key_header: String,
    pub key_env: String,
    pub key_file: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            url: String::new(),
            size: "1344x768".to_owned(),
            key_header: "x-api-key".to_owned(),
            key_env: "GATEWAY_API_KEY".to_owned(),
            key_file: String::new(),
        }
    }
}

impl ProviderSettings for Settings {
    fn check(&self) -> Result<(), PromptError> {
        check_url("prompt.gateway.url", &self.url)?;
        sizes::parse("prompt.gateway.size", &self.size)?;
        self.header().map(drop)
    }

    fn key_variable(&self) -> Option<&str> {
        Some(&self.key_env)
    }

    fn hints(&self) -> Hints {
        Hints { model_setting: Some("the model in the function"), ..Hints::default() }
    }

    fn open(&self) -> Result<Box<dyn Provider>, PromptError> {
        if self.url.is_empty() {
            let expected = "the invoke URL of the API Gateway";
            return Err(PromptError::NotConfigured { provider: NAME, key: "prompt.gateway.url", expected });
        }
        let base = parse_url("prompt.gateway.url", &self.url)?;
        let header = self.header()?;
        let key = KeySources { provider: NAME, variable: &self.key_env, file: &self.key_file }.find()?;
        let size = sizes::parse("prompt.gateway.size", &self.size)?;
        Ok(Box::new(Gateway { http: Http::open(NAME, base, TIME_LIMIT, key)?, header, size }))
    }
}

impl Settings {
    fn header(&self) -> Result<HeaderName, PromptError> {
        HeaderName::try_from(&*self.key_header).map_err(|_| {
            PromptError::setting("prompt.gateway.key_header", &self.key_header, "a header name such as x-api-key")
        })
    }
}

/// A function behind an API Gateway.
#[derive(Debug)]
struct Gateway {
    http: Http,
    header: HeaderName,
    /// The configured size.
    size: Option<Pixels>,
}

impl Provider for Gateway {
    fn name(&self) -> Name {
        NAME
    }

    fn summary(&self) -> String {
        format!("at {}", self.http.place())
    }

    fn negative(&self, _model: &str) -> Negative {
        Negative::Unsupported
    }

    fn takes_seed(&self, _model: &str) -> bool {
        false
    }

    fn size_for(&self, _model: &str, size: SizeRequest) -> Pixels {
        size.requested_or(self.size, 1).unwrap_or(size.pixels)
    }

    fn time_limit(&self) -> Duration {
        TIME_LIMIT
    }

    fn start<'a>(&'a self, task: Task<'a>) -> ImageFuture<'a> {
        Box::pin(self.generate(task))
    }
}

impl Gateway {
    async fn generate(&self, task: Task<'_>) -> Result<GeneratedImage, PromptError> {
        let Task { recipe, progress, .. } = task;
        let (width, height) = recipe.size;
        let body = json!({"prompt": recipe.prompt, "width": width, "height": height});
        let make = || {
            let request = self.http.post_json(self.http.base().clone(), &body);
            Ok(if self.header == AUTHORIZATION {
                self.http.with_bearer_key(request)
            } else {
                self.http.with_key_header(request, self.header.clone())
            })
        };
        // The response's content type means nothing, since the function sets none.
        let reply = self.http.send("", progress, make).await?;
        self.http.image("", reply, find_image)
    }
}

fn find_image(response: &Value) -> Result<Option<GeneratedImage>, PromptError> {
    // Without proxy integration, the gateway passes on the function's whole result, with the body as a string.
    let inner = response["body"].as_str().and_then(|body| serde_json::from_str::<Value>(body).ok());
    let places = [&response["base64_image"], inner.as_ref().map_or(&Value::Null, |inner| &inner["base64_image"])];
    let bytes = first_image(NAME, places.into_iter().filter_map(non_blank))?;
    Ok(bytes.map(GeneratedImage::new))
}
