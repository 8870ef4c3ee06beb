//! A function behind an API Gateway: `{prompt, width, height}` goes in, `{base64_image}` comes out.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderName};
use serde::Deserialize;
use serde_json::json;

use super::{
    Picture, PromptError, Recipe,
    answer::{json, picture_in},
    http::{Http, Report},
    key::KeyPlaces,
    provider::Name,
    settings::{Gateway as Settings, url, wrong},
    sizes::{self, Pixels},
};

const ME: Name = Name::Gateway;
/// Above the 30 s that an API Gateway gives its function.
const PATIENCE: Duration = Duration::from_secs(40);

/// A function behind an API Gateway.
#[derive(Debug)]
pub struct Gateway {
    http: Http,
    header: HeaderName,
    size: Option<Pixels>,
}

#[derive(Deserialize)]
struct Answer {
    base64_image: String,
}

impl Gateway {
    pub(super) fn open(settings: &Settings) -> Result<Self, PromptError> {
        if settings.url.is_empty() {
            let expected = "the invoke address of the API Gateway";
            return Err(PromptError::NotSetUp { provider: ME, key: "prompt.gateway.url", expected });
        }
        let base = url("prompt.gateway.url", &settings.url)?;
        let header = HeaderName::try_from(&*settings.key_header)
            .map_err(|_| wrong("prompt.gateway.key_header", &settings.key_header, "the name of a header"))?;
        let key = KeyPlaces { provider: ME, variable: &settings.key_env, file: &settings.key_file }.find()?;
        let size = sizes::parse("prompt.gateway.size", &settings.size)?;
        Ok(Self { http: Http::open(ME, base, PATIENCE, key)?, header, size })
    }

    pub(super) fn http(&self) -> &Http {
        &self.http
    }

    pub(super) fn size_for(&self, wish: Pixels) -> Pixels {
        self.size.unwrap_or(wish)
    }

    pub(super) async fn generate(&self, recipe: &Recipe, progress: Report<'_>) -> Result<Picture, PromptError> {
        let (width, height) = recipe.size;
        let body = json!({"prompt": recipe.prompt, "width": width, "height": height});
        let make = || {
            let request = self.http.post_json(self.http.base().clone(), &body);
            Ok(if self.header == AUTHORIZATION {
                self.http.bearer(request)
            } else {
                self.http.keyed(request, self.header.clone())
            })
        };
        // The function sets no content type, so that of the answer tells nothing.
        let reply = self.http.ask("", progress, make).await?;
        let answer: Answer = json(ME, &reply.body)?;
        Ok(Picture { bytes: picture_in(ME, &answer.base64_image)?, ..Picture::default() })
    }
}
