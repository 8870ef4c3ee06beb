//! AUTOMATIC1111, Forge, SD.Next and sd-server: diffusion on a machine of one's own.

use std::{convert::Infallible, time::Duration};

use serde::Deserialize;
use serde_json::json;

use super::{
    Picture, Progress, PromptError, Recipe,
    answer::{bad, json, picture_in},
    http::{Http, Report, StopServer},
    key::KeyPlaces,
    provider::Name,
    settings::{SdWebUi as Settings, url},
    sizes::{self, Pixels},
};

const ME: Name = Name::SdWebUi;
const PATIENCE: Duration = Duration::from_secs(180);
/// How often the server is asked how far it is.
const LOOK: Duration = Duration::from_millis(500);

/// A server that speaks the API of AUTOMATIC1111.
#[derive(Debug)]
pub struct SdWebUi {
    http: Http,
    pub(super) settings: Settings,
    size: Option<Pixels>,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    images: Vec<String>,
    /// JSON in a string; empty on sd-server.
    #[serde(default)]
    info: String,
}

#[derive(Deserialize)]
struct Info {
    seed: u64,
}

#[derive(Deserialize)]
struct Share {
    progress: f32,
}

impl SdWebUi {
    pub(super) fn open(settings: &Settings) -> Result<Self, PromptError> {
        let base = url("prompt.sdwebui.url", &settings.url)?;
        let key = KeyPlaces { provider: ME, variable: &settings.key_env, file: &settings.key_file }.find()?;
        let size = sizes::parse("prompt.sdwebui.size", &settings.size)?;
        Ok(Self { http: Http::open(ME, base, PATIENCE, key)?, settings: settings.clone(), size })
    }

    pub(super) fn http(&self) -> &Http {
        &self.http
    }

    pub(super) fn size_for(&self, wish: Pixels) -> Pixels {
        self.size.unwrap_or_else(|| sizes::of_area(wish, 768.0 * 448.0, 64))
    }

    pub(super) async fn generate(&self, recipe: &Recipe, progress: Report<'_>) -> Result<Picture, PromptError> {
        let body = self.body(recipe);
        let url = self.http.url("sdapi/v1/txt2img");
        let make = || Ok(self.http.basic(self.http.post_json(url.clone(), &body)));
        let stop = StopServer(vec![self.http.basic(self.http.post(self.http.url("sdapi/v1/interrupt")))]);
        let reply = tokio::select! {
            reply = self.http.ask(&recipe.model, progress, make) => reply,
            never = self.watch(progress) => match never {},
        };
        stop.disarm();
        let answer: Answer = json(ME, &reply?.body)?;
        let text = answer.images.first().ok_or_else(|| bad(ME, "the answer has no picture in it"))?;
        let seed = serde_json::from_str(&answer.info).ok().map(|info: Info| info.seed);
        Ok(Picture { bytes: picture_in(ME, text)?, seed, ..Picture::default() })
    }

    fn body(&self, recipe: &Recipe) -> serde_json::Value {
        let (width, height) = recipe.size;
        let seed = recipe.seed.map_or(-1, |seed| i64::from(seed as u32));
        let mut body = json!({
            "prompt": recipe.prompt, "negative_prompt": recipe.negative, "width": width, "height": height,
            "steps": self.settings.steps, "cfg_scale": self.settings.cfg_scale, "seed": seed,
            "batch_size": 1, "n_iter": 1, "send_images": true, "save_images": false,
        });
        if !self.settings.sampler.is_empty() {
            body["sampler_name"] = self.settings.sampler.as_str().into();
        }
        if !recipe.model.is_empty() {
            body["override_settings"] = json!({"sd_model_checkpoint": recipe.model});
        }
        body
    }

    /// Tells how far the server is, for as long as it tells.
    async fn watch(&self, progress: Report<'_>) -> Infallible {
        let mut url = self.http.url("sdapi/v1/progress");
        url.set_query(Some("skip_current_image=true"));
        loop {
            tokio::time::sleep(LOOK).await;
            let request = self.http.basic(self.http.get(url.clone())).timeout(Duration::from_secs(5));
            let share = match self.http.once(request).await {
                Ok(reply) if reply.status.is_success() => json::<Share>(ME, &reply.body).ok(),
                // sd-server has no such path.
                Ok(reply) if reply.status.is_client_error() => return std::future::pending().await,
                _ => None,
            };
            // 0 is said too while the job waits for another.
            if let Some(Share { progress: share }) = share.filter(|share| share.progress > 0.0) {
                progress(Progress::Done(share.min(1.0)));
            }
        }
    }
}
