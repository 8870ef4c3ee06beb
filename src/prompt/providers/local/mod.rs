//! Your own generator: sd-server of stable-diffusion.cpp with your own weights, started when it is needed.
//!
//! `bgcam generator setup` writes these settings. The server has the API of [`sdwebui`](super::sdwebui).

mod listener;
mod server;

use std::{io, os::unix::fs::MetadataExt, path::Path, time::Duration};

use serde::{Deserialize, Serialize};

use self::server::{Input, Launch};
use super::sdwebui::{self, SdWebUi};
use crate::{
    paths::expand_home,
    prompt::{
        EditSupport, GeneratedImage, Hints, ImageFuture, Name, PromptError, Provider, ProviderSettings, SizeRequest,
        Task,
        http::{Http, parse_url},
        sizes::{self, Pixels},
    },
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
    pub env: Vec<String>,
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
            env: Vec::new(),
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
        let size = sizes::parse("prompt.local.size", &self.size)?;
        Ok(Box::new(Local { launch: self.launch()?, request: self.request(), variant: self.variant(), size }))
    }

    fn applied(&self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let settings = self.clone();
        runtime.spawn(async move {
            let launch = tokio::task::spawn_blocking(move || settings.launch()).await;
            server::stop_unless(launch.ok().and_then(Result::ok).as_ref()).await;
        });
    }
}

impl Settings {
    fn launch(&self) -> Result<Launch, PromptError> {
        Ok(Launch {
            program: file("prompt.local.server", &self.server, "the path of sd-server")?,
            weights: file("prompt.local.weights", &self.weights, "the path of the model's weights")?,
            args: self.args.clone(),
            env: self.env.clone(),
            idle: Duration::from_secs(60 * u64::from(self.idle_minutes)),
        })
    }

    /// What the images depend on besides their recipe.
    fn variant(&self) -> String {
        let weights = Path::new(&self.weights).file_name().unwrap_or_default().display();
        let Self { args, steps, cfg_scale, denoising_strength, sampler, .. } = self;
        format!("{weights} {} {steps} {cfg_scale} {denoising_strength} {sampler}", args.join(" "))
    }

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

/// The path in a setting, if it is a file, and which version of the file is there.
fn file(key: &'static str, value: &str, expected: &'static str) -> Result<Input, PromptError> {
    let path = expand_home(value);
    let failed = |source| PromptError::SettingFile { provider: NAME, key, path: path.clone(), source };
    match path.metadata() {
        _ if value.is_empty() => Err(PromptError::NotConfigured { provider: NAME, key, expected }),
        Ok(found) if found.is_file() => {
            let version = (found.dev(), found.ino(), found.len(), found.mtime_nsec() + 1_000_000_000 * found.mtime());
            Ok(Input { path, version })
        }
        Ok(_) => Err(failed(io::Error::other("it is not a file"))),
        Err(error) => Err(failed(error)),
    }
}

/// sd-server on this machine.
#[derive(Debug)]
struct Local {
    launch: Launch,
    request: sdwebui::Settings,
    variant: String,
    /// The configured size.
    size: Option<Pixels>,
}

impl Provider for Local {
    fn name(&self) -> Name {
        NAME
    }

    fn summary(&self) -> String {
        let weights = self.launch.weights.path.file_name().unwrap_or_default();
        format!("with {} on this machine", weights.display())
    }

    fn variant(&self) -> &str {
        &self.variant
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
        // the server's last words say more than a lost connection
        let ended = match image {
            Err(PromptError::ConnectionLost { .. } | PromptError::Connect { .. }) => server.check().await,
            _ => Ok(()),
        };
        server.finish();
        ended.and(image)
    }
}
