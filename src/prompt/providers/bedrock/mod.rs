//! Amazon Bedrock: InvokeModel, with a Bedrock API key or a signed request.

#[cfg(feature = "aws-chain")]
mod chain;
mod codec;
mod credentials;
mod sign;

use std::{
    env,
    time::{Duration, SystemTime},
};

use codec::Family;
use credentials::Access;
use reqwest::{RequestBuilder, Url, header::ACCEPT};
use serde_json::Value;

use crate::prompt::{
    Picture, PromptError, Recipe,
    http::{Http, Report, check_secrecy},
    key::KeyPlaces,
    provider::Name,
    settings::{Bedrock as Settings, url},
    sizes::Pixels,
};

const ME: Name = Name::Bedrock;
const PATIENCE: Duration = Duration::from_secs(180);
/// Where the models live that are left.
const HOME: &str = "us-west-2";

/// Amazon Bedrock in one region.
#[derive(Debug)]
pub struct Bedrock {
    http: Http,
    settings: Settings,
    region: String,
    /// `None` with a Bedrock API key.
    access: Option<Access>,
}

impl Bedrock {
    pub(crate) fn open(settings: &Settings) -> Result<Self, PromptError> {
        let places = KeyPlaces { provider: ME, variable: &settings.key_env, file: &settings.key_file };
        let key = places.find()?;
        let variable = |name: &str| env::var(name).ok().filter(|text| !text.is_empty());
        let profile = credentials::Profile::find(&settings.profile, variable);
        let access = match &key {
            Some(_) => None,
            None => Some(Access::find(&profile, !settings.profile.is_empty(), variable, &places)?),
        };
        let region =
            [Some(settings.region.clone()), variable("AWS_REGION"), variable("AWS_DEFAULT_REGION"), profile.region()]
                .into_iter()
                .flatten()
                .find(|region| !region.is_empty())
                .unwrap_or_else(|| HOME.to_owned());
        let base = if settings.endpoint.is_empty() {
            url("prompt.bedrock.region", &format!("https://bedrock-runtime.{region}.amazonaws.com"))?
        } else {
            url("prompt.bedrock.endpoint", &settings.endpoint)?
        };
        if access.is_some() {
            // A session token in a request is as good as a key, and a signature can be used again.
            check_secrecy(ME, &base)?;
        }
        Ok(Self { http: Http::open(ME, base, PATIENCE, key)?, settings: settings.clone(), region, access })
    }

    pub(in crate::prompt) fn http(&self) -> &Http {
        &self.http
    }

    pub(crate) fn model(&self) -> &str {
        &self.settings.model
    }

    /// What opens the door, for people.
    pub(crate) fn access(&self) -> String {
        self.access.as_ref().map_or_else(|| "a Bedrock API key".to_owned(), ToString::to_string)
    }

    pub(crate) fn size_for(&self, model: &str, wish: Pixels) -> Pixels {
        Family::of(model, &self.settings.family).size_for(wish)
    }

    pub(crate) async fn generate(&self, recipe: &Recipe, progress: Report<'_>) -> Result<Picture, PromptError> {
        let family = Family::of(&recipe.model, &self.settings.family);
        let url = self.http.url(&format!("model/{}/invoke", encoded(&recipe.model)));
        let keys = match &self.access {
            Some(access) => Some(access.keys().await?),
            None => None,
        };
        self.http.hide(keys.as_ref().map(credentials::secrets).unwrap_or_default());
        let make = |body: &Value| self.request(url.clone(), body, keys.as_ref());
        let asked = self.http.ask_without(&recipe.model, progress, family.body(recipe), &codec::OPTIONAL, make).await;
        let (reply, left_out) = asked.map_err(|error| self.placed(error))?;
        let picture = codec::picture(&recipe.model, reply, &self.http).map_err(|error| self.placed(error))?;
        let notes = family.note(recipe).into_iter().chain(self.http.left_out_notes(&left_out)).collect();
        Ok(Picture { notes, ..picture })
    }

    fn request(
        &self,
        url: Url,
        body: &Value,
        keys: Option<&aws_credential_types::Credentials>,
    ) -> Result<RequestBuilder, PromptError> {
        let request = self.http.post_json(url, body).header(ACCEPT, "application/json");
        match keys {
            Some(keys) => sign::signed(request, keys, &self.region, SystemTime::now()),
            None => Ok(self.http.bearer(request)),
        }
    }

    /// The error with the region, which may be what is wrong.
    fn placed(&self, error: PromptError) -> PromptError {
        match error {
            PromptError::ModelGone { provider, model, said, .. } => {
                PromptError::ModelGone { provider, model, region: self.region.clone(), said }
            }
            other => other,
        }
    }
}

/// A model id as one part of a path; those of inference profiles have colons and slashes.
fn encoded(model: &str) -> String {
    let letter = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    model.bytes().map(letter).collect()
}
