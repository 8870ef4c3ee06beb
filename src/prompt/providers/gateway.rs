//! A function behind an API Gateway: `{prompt, width, height}` goes in, `{base64_image}` comes out.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderName};
use serde_json::{Value, json};

use crate::prompt::{
    Picture, PromptError, Recipe, Wish,
    answer::{filled, first_picture},
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

impl Gateway {
    pub(crate) fn open(settings: &Settings) -> Result<Self, PromptError> {
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

    pub(in crate::prompt) fn http(&self) -> &Http {
        &self.http
    }

    pub(crate) fn size_for(&self, wish: &Wish) -> Pixels {
        let asked = wish.asked_size().map(|size| sizes::bounded(size, 1));
        asked.or(self.size).unwrap_or(wish.size)
    }

    pub(crate) async fn generate(&self, recipe: &Recipe, progress: Report<'_>) -> Result<Picture, PromptError> {
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
        self.http.picture("", reply, |answer| {
            // A function that is wired up without proxy integration has its whole answer passed on: the body in a text.
            let inner = answer["body"].as_str().and_then(|body| serde_json::from_str::<Value>(body).ok());
            let places = [&answer["base64_image"], inner.as_ref().map_or(&Value::Null, |inner| &inner["base64_image"])];
            let bytes = first_picture(ME, places.into_iter().filter_map(filled))?;
            Ok(bytes.map(|bytes| Picture { bytes, ..Picture::default() }))
        })
    }
}
