//! Who makes pictures out of words: the names, the dispatch, and the list of what is set up.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    Picture, Progress, PromptError, Recipe, Wish,
    http::{Http, Report},
    providers::{
        bedrock::Bedrock,
        comfyui::ComfyUi,
        command::{self, Command},
        gateway::Gateway,
        gemini::{self, Gemini},
        openai::OpenAi,
        sdwebui::SdWebUi,
        stability::Stability,
    },
    settings::PromptSettings,
    sizes::{self, Pixels},
};
use crate::error::Failure;
use crate::painter;

/// The providers that there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)] // as the variants of [`Provider`]
pub enum Name {
    Builtin,
    OpenAi,
    Bedrock,
    Gateway,
    SdWebUi,
    ComfyUi,
    Stability,
    Gemini,
    Command,
}

impl Name {
    /// All of them, in the order in which they are listed.
    pub const ALL: [Self; 9] = [
        Self::Builtin,
        Self::OpenAi,
        Self::Bedrock,
        Self::Gateway,
        Self::SdWebUi,
        Self::ComfyUi,
        Self::Stability,
        Self::Gemini,
        Self::Command,
    ];

    /// The name as users write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Builtin => "builtin",
            Self::OpenAi => "openai",
            Self::Bedrock => "bedrock",
            Self::Gateway => "gateway",
            Self::SdWebUi => "sdwebui",
            Self::ComfyUi => "comfyui",
            Self::Stability => "stability",
            Self::Gemini => "gemini",
            Self::Command => "command",
        }
    }

    pub(super) fn expected() -> String {
        format!("one of {}", Self::ALL.map(Self::as_str).join(", "))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Name {
    type Err = PromptError;

    fn from_str(text: &str) -> Result<Self, PromptError> {
        let found = Self::ALL.into_iter().find(|name| name.as_str() == text);
        found.ok_or_else(|| PromptError::UnknownProvider { name: text.to_owned() })
    }
}

/// A provider, set up and ready to be asked.
#[derive(Debug)]
pub enum Provider {
    /// Painted on this machine from the words; no account, no network.
    Builtin,
    /// The Images API of OpenAI and of all who speak it.
    OpenAi(OpenAi),
    /// Amazon Bedrock.
    Bedrock(Bedrock),
    /// An API Gateway with a function behind it.
    Gateway(Gateway),
    /// AUTOMATIC1111, Forge, SD.Next, sd-server.
    SdWebUi(SdWebUi),
    /// ComfyUI with a workflow.
    ComfyUi(ComfyUi),
    /// Stability AI.
    Stability(Stability),
    /// Google Gemini.
    Gemini(Gemini),
    /// Any program.
    Command(Command),
}

/// How a provider is told what a picture should not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Negative {
    /// It has a field for that.
    Field,
    /// It reads and understands sentences.
    InWords,
    /// It can't be told.
    Never,
    /// It paints: words, style and what is not wanted are read one by one, without a template.
    Painted,
}

impl Provider {
    /// Sets up the provider `name`: reads its settings, key and files, and asks nobody.
    ///
    /// # Errors
    /// When there is no such provider, or something is missing or wrong.
    pub fn open(name: &str, settings: &PromptSettings) -> Result<Self, PromptError> {
        Ok(match name.parse()? {
            Name::Builtin => Self::Builtin,
            Name::OpenAi => Self::OpenAi(OpenAi::open(&settings.openai)?),
            Name::Bedrock => Self::Bedrock(Bedrock::open(&settings.bedrock)?),
            Name::Gateway => Self::Gateway(Gateway::open(&settings.gateway)?),
            Name::SdWebUi => Self::SdWebUi(SdWebUi::open(&settings.sdwebui)?),
            Name::ComfyUi => Self::ComfyUi(ComfyUi::open(&settings.comfyui)?),
            Name::Stability => Self::Stability(Stability::open(&settings.stability)?),
            Name::Gemini => Self::Gemini(Gemini::open(&settings.gemini)?),
            Name::Command => Self::Command(Command::open(&settings.command)?),
        })
    }

    /// Its name.
    pub fn name(&self) -> Name {
        match self {
            Self::Builtin => Name::Builtin,
            Self::OpenAi(_) => Name::OpenAi,
            Self::Bedrock(_) => Name::Bedrock,
            Self::Gateway(_) => Name::Gateway,
            Self::SdWebUi(_) => Name::SdWebUi,
            Self::ComfyUi(_) => Name::ComfyUi,
            Self::Stability(_) => Name::Stability,
            Self::Gemini(_) => Name::Gemini,
            Self::Command(_) => Name::Command,
        }
    }

    /// The model of the settings; empty where there is none to choose.
    pub fn model(&self) -> &str {
        match self {
            Self::OpenAi(openai) => &openai.settings.model,
            Self::Bedrock(bedrock) => bedrock.model(),
            Self::SdWebUi(sdwebui) => &sdwebui.settings.model,
            Self::Stability(stability) => &stability.settings.model,
            Self::Gemini(gemini) => &gemini.settings.model,
            Self::Builtin | Self::Gateway(_) | Self::ComfyUi(_) | Self::Command(_) => "",
        }
    }

    /// How it is told what a picture should not have.
    pub fn negative(&self, model: &str) -> Negative {
        match self {
            Self::Builtin => Negative::Painted,
            Self::OpenAi(_) => OpenAi::negative(model),
            Self::Gemini(_) => Negative::InWords,
            Self::Gateway(_) => Negative::Never,
            Self::ComfyUi(comfyui) if !comfyui.has_place("%negative%") => Negative::Never,
            Self::Bedrock(_) | Self::SdWebUi(_) | Self::ComfyUi(_) | Self::Stability(_) | Self::Command(_) => {
                Negative::Field
            }
        }
    }

    /// The model to ask for: that of `wish`, else that of the settings; empty where there is none to choose.
    pub(super) fn model_for(&self, wish: &Wish) -> String {
        let asked = wish.model.as_deref().filter(|_| self.has_models());
        asked.unwrap_or_else(|| self.model()).to_owned()
    }

    /// Whether there are models to choose from.
    pub(super) fn has_models(&self) -> bool {
        match self {
            Self::OpenAi(_) | Self::Bedrock(_) | Self::SdWebUi(_) | Self::Stability(_) | Self::Gemini(_) => true,
            Self::Builtin | Self::Gateway(_) | Self::ComfyUi(_) | Self::Command(_) => false,
        }
    }

    /// Whether a seed has an effect.
    pub(super) fn takes_seed(&self, model: &str) -> bool {
        match self {
            Self::OpenAi(_) => OpenAi::takes_seed(model),
            Self::ComfyUi(comfyui) => comfyui.has_place("%seed%"),
            Self::Gateway(_) => false,
            Self::Builtin
            | Self::Bedrock(_)
            | Self::SdWebUi(_)
            | Self::Stability(_)
            | Self::Gemini(_)
            | Self::Command(_) => true,
        }
    }

    /// Whether a size has an effect.
    pub(super) fn takes_size(&self) -> bool {
        match self {
            Self::ComfyUi(comfyui) => comfyui.has_place("%width%") && comfyui.has_place("%height%"),
            _ => true,
        }
    }

    /// The size to ask for: the nearest to that of `wish` that the model makes, or of the settings where the user did not
    /// ask for one.
    pub(super) fn size_for(&self, model: &str, wish: &Wish) -> Pixels {
        match self {
            Self::Builtin | Self::Command(_) => sizes::bounded(wish.size, 1),
            Self::OpenAi(openai) => openai.size_for(model, wish),
            Self::Bedrock(bedrock) => bedrock.size_for(model, wish.size),
            Self::Gateway(gateway) => gateway.size_for(wish),
            Self::SdWebUi(sdwebui) => sdwebui.size_for(wish),
            Self::ComfyUi(comfyui) => comfyui.size_for(wish),
            Self::Stability(_) => sizes::nearest_ratio(sizes::STABLE_IMAGE, wish.size).1,
            Self::Gemini(_) => sizes::nearest_ratio(gemini::SHAPES, wish.size).1,
        }
    }

    /// Makes the picture; `progress` hears how far it is. Dropping the future stops the work: connections are closed,
    /// servers that can be are told to stop, and a program is killed with all its children.
    ///
    /// # Errors
    /// When there is no picture to be had, and why.
    pub async fn generate(&self, recipe: &Recipe, progress: Report<'_>) -> Result<Picture, PromptError> {
        let limit = self.patience();
        let work = async {
            match self {
                Self::Builtin => paint(recipe, progress).await,
                Self::OpenAi(openai) => openai.generate(recipe, progress).await,
                Self::Bedrock(bedrock) => bedrock.generate(recipe, progress).await,
                Self::Gateway(gateway) => gateway.generate(recipe, progress).await,
                Self::SdWebUi(sdwebui) => sdwebui.generate(recipe, progress).await,
                Self::ComfyUi(comfyui) => comfyui.generate(recipe, progress).await,
                Self::Stability(stability) => stability.generate(recipe, progress).await,
                Self::Gemini(gemini) => gemini.generate(recipe, progress).await,
                Self::Command(command) => command.generate(recipe, progress).await,
            }
        };
        let late = PromptError::TimedOut { provider: self.name(), limit };
        tokio::time::timeout(limit, work).await.unwrap_or(Err(late))
    }

    /// How long one picture may take.
    fn patience(&self) -> Duration {
        self.http().map_or(command::PATIENCE, Http::total)
    }

    fn http(&self) -> Option<&Http> {
        match self {
            Self::Builtin | Self::Command(_) => None,
            Self::OpenAi(openai) => Some(openai.http()),
            Self::Bedrock(bedrock) => Some(bedrock.http()),
            Self::Gateway(gateway) => Some(gateway.http()),
            Self::SdWebUi(sdwebui) => Some(sdwebui.http()),
            Self::ComfyUi(comfyui) => Some(comfyui.http()),
            Self::Stability(stability) => Some(stability.http()),
            Self::Gemini(gemini) => Some(gemini.http()),
        }
    }

    fn note(&self) -> String {
        match self {
            Self::Builtin => "painted from your words, not generated; needs no account and no network".to_owned(),
            Self::Command(command) => command.settings.program.clone(),
            Self::Bedrock(bedrock) => format!("at {}, with {}", bedrock.http().place(), bedrock.access()),
            _ => self.http().map(|http| format!("at {}", http.place())).unwrap_or_default(),
        }
    }
}

async fn paint(recipe: &Recipe, progress: Report<'_>) -> Result<Picture, PromptError> {
    progress(Progress::Working);
    let reading = painter::read(&recipe.prompt, &recipe.negative, painter::Style::named(&recipe.style));
    let report = reading.report.clone();
    let (seed, (width, height)) = (recipe.seed.unwrap_or_default(), recipe.size);
    let painted = tokio::task::spawn_blocking(move || {
        let picture = painter::paint(&reading, seed, width, height);
        let mut bytes = std::io::Cursor::new(Vec::new());
        picture.write_to(&mut bytes, image::ImageFormat::Png).map(|()| bytes.into_inner())
    });
    let internal = |error: &dyn std::error::Error| PromptError::Internal(error.to_string());
    let bytes = painted.await.map_err(|error| internal(&error))?.map_err(|error| internal(&error))?;
    Ok(Picture { bytes, seed: Some(seed), cost: Some(0.0), title: Some(report.title), notes: report.notes })
}

/// What there is to know of a provider without asking it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProviderInfo {
    /// Its name.
    pub name: Name,
    /// Whether everything is there that it takes to ask it.
    pub configured: bool,
    /// What is missing or wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why_not: Option<Failure>,
    /// The model of the settings; empty where there is none to choose.
    pub model: String,
    /// Where it is, or what it does.
    pub note: String,
}

/// All providers, and what it takes to use them.
pub fn list(settings: &PromptSettings) -> Vec<ProviderInfo> {
    let info = |name: Name| match Provider::open(name.as_str(), settings) {
        Ok(provider) => ProviderInfo {
            name,
            configured: true,
            why_not: None,
            model: provider.model().to_owned(),
            note: provider.note(),
        },
        Err(error) => ProviderInfo {
            name,
            configured: false,
            why_not: Some(Failure::from(error)),
            model: String::new(),
            note: String::new(),
        },
    };
    Name::ALL.into_iter().map(info).collect()
}
