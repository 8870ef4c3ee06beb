//! AUTOMATIC1111, Forge, SD.Next and sd-server: diffusion on a machine of one's own.

use std::{convert::Infallible, time::Duration};

use serde_json::{Value, json};

use crate::prompt::{
    Picture, Progress, PromptError, Recipe, Wish,
    answer::{filled, first_picture, members, number},
    http::{Http, Pointer, Report, StopServer},
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
    pub(crate) settings: Settings,
    size: Option<Pixels>,
}

/// The fields that not every server knows.
const OPTIONAL: [Pointer; 10] = [
    "/negative_prompt",
    "/steps",
    "/cfg_scale",
    "/seed",
    "/sampler_name",
    "/override_settings",
    "/batch_size",
    "/n_iter",
    "/send_images",
    "/save_images",
];

impl SdWebUi {
    pub(crate) fn open(settings: &Settings) -> Result<Self, PromptError> {
        let base = url("prompt.sdwebui.url", &settings.url)?;
        let key = KeyPlaces { provider: ME, variable: &settings.key_env, file: &settings.key_file }.find()?;
        let size = sizes::parse("prompt.sdwebui.size", &settings.size)?;
        Ok(Self { http: Http::open(ME, base, PATIENCE, key)?, settings: settings.clone(), size })
    }

    pub(in crate::prompt) fn http(&self) -> &Http {
        &self.http
    }

    pub(crate) fn size_for(&self, wish: &Wish) -> Pixels {
        let asked = wish.asked_size().map(|size| sizes::bounded(size, 8));
        asked.or(self.size).unwrap_or_else(|| sizes::of_area(wish.size, 768.0 * 448.0, 64))
    }

    pub(crate) async fn generate(&self, recipe: &Recipe, progress: Report<'_>) -> Result<Picture, PromptError> {
        let url = self.http.url("sdapi/v1/txt2img");
        let make = |body: &Value| Ok(self.http.basic(self.http.post_json(url.clone(), body)));
        let stop = StopServer(vec![self.http.basic(self.http.post(self.http.url("sdapi/v1/interrupt")))]);
        let reply = tokio::select! {
            reply = self.http.ask_without(&recipe.model, progress, self.body(recipe), &OPTIONAL, make) => reply,
            never = self.watch(progress) => match never {},
        };
        stop.disarm();
        let (reply, left_out) = reply?;
        let picture = self.http.picture(&recipe.model, reply, |answer| {
            let bytes = first_picture(ME, members(&answer["images"]).iter().filter_map(filled))?;
            Ok(bytes.map(|bytes| Picture { bytes, seed: seed(&answer["info"]), ..Picture::default() }))
        })?;
        Ok(Picture { notes: self.http.left_out_notes(&left_out), ..picture })
    }

    fn body(&self, recipe: &Recipe) -> Value {
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
                Ok(reply) if reply.status.is_success() => self.http.json(&reply.body).ok(),
                // sd-server has no such path.
                Ok(reply) if reply.status.is_client_error() => return std::future::pending().await,
                _ => None,
            };
            // 0 is said too while the job waits for another.
            let share = share.and_then(|share| share["progress"].as_f64()).filter(|share| *share > 0.0);
            share.into_iter().for_each(|share| progress(Progress::Done(share.min(1.0) as f32)));
        }
    }
}

/// The seed in what the server tells of a picture: JSON in a text, or as it is; nothing of it on sd-server.
fn seed(info: &Value) -> Option<u64> {
    match info {
        Value::String(text) => number(&serde_json::from_str::<Value>(text).ok()?["seed"]),
        info => number(&info["seed"]),
    }
}
