//! Your own generator: sd-server of stable-diffusion.cpp with your own weights, started when it is needed.
//!
//! `bgcam generator setup` writes these settings. The server has the API of [`sdwebui`](super::sdwebui).

mod listener;
mod server;

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use self::server::Launch;
use super::sdwebui::{self, SdWebUi};
use crate::prompt::{
    EditSupport, GeneratedImage, Hints, ImageFuture, Name, PromptError, Provider, ProviderSettings, SizeRequest, Task,
    http::{Http, parse_url},
    sizes::{self, Pixels},
};

const NAME: Name = Name::Local;

/// The time limit for one image, with loading the weights. A CPU needs up to 40 s for each step.
const TIME_LIMIT: Duration = Duration::from_secs(900);

/// `[prompt.local]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs)] // config/bgcam.toml explains each of them
pub struct Settings {
    pub server: String,
    pub weights: String,
    pub args: Vec<String>,
    pub size: String,
    pub steps: u32,
    pub cfg_scale: f32,
    pub denoising_strength: f32,
    pub sampler: String,
    pub idle_minutes: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            server: String::new(),
            weights: String::new(),
            args: Vec::new(),
            size: "768x448".to_owned(),
            steps: 20,
            cfg_scale: 7.0,
            denoising_strength: 0.6,
            sampler: String::new(),
            idle_minutes: 10,
        }
    }
}

impl ProviderSettings for Settings {
    fn check(&self) -> Result<(), PromptError> {
        const KEYS: sdwebui::Keys = sdwebui::Keys {
            size: "prompt.local.size",
            steps: "prompt.local.steps",
            cfg_scale: "prompt.local.cfg_scale",
            denoising_strength: "prompt.local.denoising_strength",
        };
        self.request().check_request(&KEYS)?;
        if !(1..=1440).contains(&self.idle_minutes) {
            let expected = "a number of minutes from 1 to 1440";
            return Err(PromptError::setting("prompt.local.idle_minutes", self.idle_minutes, expected));
        }
        Ok(())
    }

    fn hints(&self) -> Hints {
        Hints { configure: Some("`bgcam generator setup` sets it up"), ..Hints::default() }
    }

    fn open(&self) -> Result<Box<dyn Provider>, PromptError> {
        let launch = Launch {
            program: file("prompt.local.server", &self.server, "the path of sd-server")?,
            weights: file("prompt.local.weights", &self.weights, "the path of the model's weights")?,
            args: self.args.clone(),
            idle: Duration::from_secs(60 * u64::from(self.idle_minutes)),
        };
        Ok(Box::new(Local { launch, request: self.request(), size: sizes::parse("prompt.local.size", &self.size)? }))
    }
}

impl Settings {
    /// The settings of a request to the server.
    fn request(&self) -> sdwebui::Settings {
        sdwebui::Settings {
            size: self.size.clone(),
            steps: self.steps,
            cfg_scale: self.cfg_scale,
            denoising_strength: self.denoising_strength,
            sampler: self.sampler.clone(),
            ..sdwebui::Settings::default()
        }
    }
}

/// The path in a setting, if it is a file.
fn file(key: &'static str, value: &str, expected: &'static str) -> Result<PathBuf, PromptError> {
    let path = Path::new(value);
    let failed = |source| PromptError::SettingFile { provider: NAME, key, path: path.to_owned(), source };
    match path.metadata() {
        _ if value.is_empty() => Err(PromptError::NotConfigured { provider: NAME, key, expected }),
        Ok(found) if found.is_file() => Ok(path.to_owned()),
        Ok(_) => Err(failed(io::Error::other("it is not a file"))),
        Err(error) => Err(failed(error)),
    }
}

/// sd-server on this machine.
#[derive(Debug)]
struct Local {
    launch: Launch,
    request: sdwebui::Settings,
    /// The configured size.
    size: Option<Pixels>,
}

impl Provider for Local {
    fn name(&self) -> Name {
        NAME
    }

    fn summary(&self) -> String {
        let weights = self.launch.weights.file_name().unwrap_or_default();
        format!("with {} on this machine", weights.display())
    }

    fn size_for(&self, _model: &str, size: SizeRequest) -> Pixels {
        sdwebui::size_for(self.size, size)
    }

    fn price(&self, _model: &str, _size: Pixels) -> Option<f64> {
        Some(0.0)
    }

    fn time_limit(&self) -> Duration {
        TIME_LIMIT
    }

    fn start<'a>(&'a self, task: Task<'a>) -> ImageFuture<'a> {
        Box::pin(self.generate(task))
    }

    fn edits(&self, _model: &str) -> EditSupport {
        EditSupport::Description
    }
}

impl Local {
    /// Generates an image, or edits `source`.
    async fn generate(&self, task: Task<'_>) -> Result<GeneratedImage, PromptError> {
        let server = server::get(&self.launch, task.progress).await?;
        let base = parse_url("prompt.local.server", &format!("http://127.0.0.1:{}", server.port()))?;
        let http = Http::open(NAME, base, TIME_LIMIT, None)?;
        let image = SdWebUi::new(http, self.request.clone(), self.size).generate(task).await;
        match image {
            // the server's last words say more than a lost connection
            Err(PromptError::ConnectionLost { .. } | PromptError::Connect { .. }) => server.check().await.and(image),
            image => image,
        }
    }
}
