//! The API of AUTOMATIC1111, Forge, SD.Next and sd-server: diffusion models on the user's own hardware.

use std::{convert::Infallible, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::prompt::{
    EditSupport, GeneratedImage, Hints, ImageFuture, Name, OnProgress, Progress, PromptError, Provider,
    ProviderSettings, Recipe, SizeRequest, Task,
    api_key::KeySources,
    http::{CancelOnDrop, Http, Pointer, check_url},
    response::{first_image, items, non_blank, number},
    sizes::{self, Pixels},
};

const NAME: Name = Name::SdWebUi;

/// The interval of progress requests.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// The value of `resize_mode` that keeps the aspect ratio of the image.
const CROP_AND_RESIZE: u8 = 1;

/// The request fields that not every server accepts.
const OPTIONAL: [Pointer; 11] = [
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
    "/resize_mode",
];

/// `[prompt.sdwebui]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs)] // config/bgcam.toml explains each of them
pub struct Settings {
    pub url: String,
    pub model: String,
    pub size: String,
    pub steps: u32,
    pub cfg_scale: f32,
    pub denoising_strength: f32,
    pub sampler: String,
    pub key_env: String,
    pub key_file: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            url: "http://127.0.0.1:7860".to_owned(),
            model: String::new(),
            size: "768x448".to_owned(),
            steps: 20,
            cfg_scale: 7.0,
            denoising_strength: 0.6,
            sampler: String::new(),
            key_env: "SDWEBUI_AUTH".to_owned(),
            key_file: String::new(),
        }
    }
}

impl ProviderSettings for Settings {
    fn check(&self) -> Result<(), PromptError> {
        const KEYS: Keys = Keys {
            size: "prompt.sdwebui.size",
            steps: "prompt.sdwebui.steps",
            cfg_scale: "prompt.sdwebui.cfg_scale",
            denoising_strength: "prompt.sdwebui.denoising_strength",
        };
        check_url("prompt.sdwebui.url", &self.url)?;
        self.check_request(&KEYS)
    }

    fn key_variable(&self) -> Option<&str> {
        Some(&self.key_env)
    }

    fn hints(&self) -> Hints {
        Hints { connect: Some("start it with --api, and check prompt.sdwebui.url"), ..Hints::default() }
    }

    fn open(&self) -> Result<Box<dyn Provider>, PromptError> {
        let key = KeySources { provider: NAME, variable: &self.key_env, file: &self.key_file }.find()?;
        let size = sizes::parse("prompt.sdwebui.size", &self.size)?;
        let http = Http::at(NAME, "prompt.sdwebui.url", &self.url, key)?;
        Ok(Box::new(SdWebUi::new(http, self.clone(), size)))
    }
}

/// The keys of the settings of a request, for errors.
#[derive(Debug)]
pub(super) struct Keys {
    pub(super) size: &'static str,
    pub(super) steps: &'static str,
    pub(super) cfg_scale: &'static str,
    pub(super) denoising_strength: &'static str,
}

impl Settings {
    /// Checks the settings of a request.
    ///
    /// # Errors
    /// If a value is invalid: the first one, with its key and what was expected.
    pub(super) fn check_request(&self, keys: &Keys) -> Result<(), PromptError> {
        sizes::parse(keys.size, &self.size)?;
        if !(1..=150).contains(&self.steps) {
            return Err(PromptError::setting(keys.steps, self.steps, "a number from 1 to 150"));
        }
        if !(0.0..=35.0).contains(&self.cfg_scale) {
            return Err(PromptError::setting(keys.cfg_scale, self.cfg_scale, "a number from 0 to 35"));
        }
        if !(0.0..=1.0).contains(&self.denoising_strength) {
            return Err(PromptError::setting(keys.denoising_strength, self.denoising_strength, "a number from 0 to 1"));
        }
        Ok(())
    }
}

/// A server with the API of AUTOMATIC1111.
#[derive(Debug)]
pub(super) struct SdWebUi {
    http: Http,
    settings: Settings,
    /// The configured size.
    size: Option<Pixels>,
}

impl Provider for SdWebUi {
    fn name(&self) -> Name {
        NAME
    }

    fn summary(&self) -> String {
        format!("at {}", self.http.place())
    }

    fn is_listening(&self) -> bool {
        self.http.is_listening()
    }

    fn model(&self) -> Option<&str> {
        Some(&self.settings.model)
    }

    fn size_for(&self, _model: &str, size: SizeRequest) -> Pixels {
        size_for(self.size, size)
    }

    /// Free on the user's own machines.
    fn price(&self, _model: &str, _size: Pixels) -> Option<f64> {
        self.http.is_local().then_some(0.0)
    }

    fn start<'a>(&'a self, task: Task<'a>) -> ImageFuture<'a> {
        Box::pin(self.generate(task))
    }

    fn edits(&self, _model: &str) -> EditSupport {
        EditSupport::Description
    }
}

/// The size to request: a requested one, the configured one, or one that diffusion models of 512x512 pixels can paint.
pub(super) fn size_for(configured: Option<Pixels>, size: SizeRequest) -> Pixels {
    size.requested_or(configured, 8).unwrap_or_else(|| sizes::of_area(size.pixels, 768.0 * 448.0, 64))
}

impl SdWebUi {
    /// A server behind `http`; `size` is the configured size.
    pub(super) fn new(http: Http, settings: Settings, size: Option<Pixels>) -> Self {
        Self { http, settings, size }
    }

    /// Generates an image, or edits one.
    ///
    /// # Errors
    /// If there is no image.
    pub(super) async fn generate(&self, task: Task<'_>) -> Result<GeneratedImage, PromptError> {
        let mut body = self.body(task.recipe);
        let Some(source) = task.source else { return self.send("sdapi/v1/txt2img", body, task).await };
        body["init_images"] = json!([source.base64()]);
        body["denoising_strength"] = self.settings.denoising_strength.into();
        body["resize_mode"] = CROP_AND_RESIZE.into();
        self.send("sdapi/v1/img2img", body, task).await
    }

    /// Sends a request, and reports the server's progress until the image arrives.
    async fn send(&self, path: &str, body: Value, task: Task<'_>) -> Result<GeneratedImage, PromptError> {
        let Task { recipe, progress, .. } = task;
        let url = self.http.url(path);
        let make = |body: &Value| Ok(self.http.with_basic_auth(self.http.post_json(url.clone(), body)));
        let cancel = CancelOnDrop(vec![self.http.with_basic_auth(self.http.post(self.http.url("sdapi/v1/interrupt")))]);
        let find = |response: &Value| self.find_image(response);
        let image = tokio::select! {
            image = self.http.request_image(&recipe.model, progress, body, &OPTIONAL, make, find) => image,
            never = self.poll_progress(progress) => match never {},
        };
        cancel.disarm();
        image
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

    /// Reports the server's progress until dropped.
    async fn poll_progress(&self, progress: OnProgress<'_>) -> Infallible {
        let mut url = self.http.url("sdapi/v1/progress");
        url.set_query(Some("skip_current_image=true"));
        loop {
            tokio::time::sleep(POLL_INTERVAL).await;
            let request = self.http.with_basic_auth(self.http.get(url.clone())).timeout(Duration::from_secs(5));
            let share = match self.http.send_once(request).await {
                Ok(reply) if reply.status.is_success() => self.http.json(&reply.body).ok(),
                // sd-server does not report progress.
                Ok(reply) if reply.status.is_client_error() => return std::future::pending().await,
                _ => None,
            };
            // The server also reports 0 while the job is queued.
            let share = share.and_then(|share| share["progress"].as_f64()).filter(|share| *share > 0.0);
            share.into_iter().for_each(|share| progress(Progress::Done(share.min(1.0) as f32)));
        }
    }

    fn find_image(&self, response: &Value) -> Result<Option<GeneratedImage>, PromptError> {
        let bytes = first_image(self.http.provider(), items(&response["images"]).iter().filter_map(non_blank))?;
        Ok(bytes.map(|bytes| GeneratedImage { seed: seed(&response["info"]), ..GeneratedImage::new(bytes) }))
    }
}

/// The seed in the image's `info`: JSON, or a string with JSON. sd-server does not report it.
fn seed(info: &Value) -> Option<u64> {
    match info {
        Value::String(text) => number(&serde_json::from_str::<Value>(text).ok()?["seed"]),
        info => number(&info["seed"]),
    }
}
