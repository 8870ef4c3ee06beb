//! The settings of the providers, the `[prompt]` part of the config, and their check.
//!
//! Model ids are settings because they expire about once a year; keys are never settings, only where to find them.

use std::env;

use serde::{Deserialize, Serialize};

use super::{PromptError, provider::Name, sizes, template};

/// The `[prompt]` part of the config with the tables of the providers; whatever a file leaves out is the default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PromptSettings {
    /// The provider that is asked when none is named.
    pub provider: String,
    /// What a provider is sent; `{prompt}` stands for the user's words.
    pub template: String,
    /// What a picture should not have.
    pub negative: String,
    /// The Images API of OpenAI and of all who speak it.
    pub openai: OpenAi,
    /// Amazon Bedrock.
    pub bedrock: Bedrock,
    /// An API Gateway with a function behind it.
    pub gateway: Gateway,
    /// AUTOMATIC1111, Forge, SD.Next, sd-server.
    pub sdwebui: SdWebUi,
    /// ComfyUI.
    pub comfyui: ComfyUi,
    /// Stability AI.
    pub stability: Stability,
    /// Google Gemini.
    pub gemini: Gemini,
    /// Any program.
    pub command: Command,
}

/// `[prompt.openai]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs)] // the default file explains each of them
pub struct OpenAi {
    pub base_url: String,
    pub model: String,
    pub key_env: String,
    pub key_file: String,
    pub size: String,
    pub quality: String,
    pub picture_hosts: Vec<String>,
}

/// `[prompt.bedrock]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs)]
pub struct Bedrock {
    pub region: String,
    pub model: String,
    pub family: String,
    pub profile: String,
    pub endpoint: String,
    pub key_env: String,
    pub key_file: String,
}

/// `[prompt.gateway]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs)]
pub struct Gateway {
    pub url: String,
    pub size: String,
    pub key_header: String,
    pub key_env: String,
    pub key_file: String,
}

/// `[prompt.sdwebui]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs)]
pub struct SdWebUi {
    pub url: String,
    pub model: String,
    pub size: String,
    pub steps: u32,
    pub cfg_scale: f32,
    pub sampler: String,
    pub key_env: String,
    pub key_file: String,
}

/// `[prompt.comfyui]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs)]
pub struct ComfyUi {
    pub url: String,
    pub workflow: String,
    pub size: String,
}

/// `[prompt.stability]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs)]
pub struct Stability {
    pub base_url: String,
    pub model: String,
    pub key_env: String,
    pub key_file: String,
}

/// `[prompt.gemini]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs)]
pub struct Gemini {
    pub base_url: String,
    pub model: String,
    pub key_env: String,
    pub key_file: String,
}

/// `[prompt.command]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs)]
pub struct Command {
    pub program: String,
    pub args: Vec<String>,
    pub env: Vec<String>,
}

impl PromptSettings {
    /// The variable of the environment that holds a provider's key, where it has one.
    pub fn key_variable(&self, provider: &str) -> Option<&str> {
        Some(match provider {
            "openai" => &self.openai.key_env,
            "bedrock" => &self.bedrock.key_env,
            "gateway" => &self.gateway.key_env,
            "sdwebui" => &self.sdwebui.key_env,
            "stability" => &self.stability.key_env,
            "gemini" => &self.gemini.key_env,
            _ => return None,
        })
    }

    /// Those of all providers that this process has, by name.
    pub fn key_variables(&self) -> Vec<String> {
        let all = ["openai", "bedrock", "gateway", "sdwebui", "stability", "gemini"];
        let names = all.iter().filter_map(|provider| self.key_variable(provider));
        names.filter(|name| !name.is_empty() && env::var_os(name).is_some()).map(str::to_owned).collect()
    }
}

impl Default for PromptSettings {
    fn default() -> Self {
        Self {
            provider: Name::Builtin.to_string(),
            template: template::DEFAULT.to_owned(),
            negative: template::NEGATIVE.to_owned(),
            openai: OpenAi::default(),
            bedrock: Bedrock::default(),
            gateway: Gateway::default(),
            sdwebui: SdWebUi::default(),
            comfyui: ComfyUi::default(),
            stability: Stability::default(),
            gemini: Gemini::default(),
            command: Command::default(),
        }
    }
}

impl Default for OpenAi {
    fn default() -> Self {
        Self {
            base_url: "https://api.openai.com/v1".to_owned(),
            model: "gpt-image-2".to_owned(),
            key_env: "OPENAI_API_KEY".to_owned(),
            key_file: String::new(),
            size: String::new(),
            quality: "low".to_owned(),
            picture_hosts: Vec::new(),
        }
    }
}

impl Default for Bedrock {
    fn default() -> Self {
        Self {
            region: "us-west-2".to_owned(),
            model: "stability.stable-image-core-v1:1".to_owned(),
            family: String::new(),
            profile: String::new(),
            endpoint: String::new(),
            key_env: "AWS_BEARER_TOKEN_BEDROCK".to_owned(),
            key_file: String::new(),
        }
    }
}

impl Default for Gateway {
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

impl Default for SdWebUi {
    fn default() -> Self {
        Self {
            url: "http://127.0.0.1:7860".to_owned(),
            model: String::new(),
            size: "768x448".to_owned(),
            steps: 20,
            cfg_scale: 7.0,
            sampler: String::new(),
            key_env: "SDWEBUI_AUTH".to_owned(),
            key_file: String::new(),
        }
    }
}

impl Default for ComfyUi {
    fn default() -> Self {
        Self { url: "http://127.0.0.1:8188".to_owned(), workflow: String::new(), size: "1344x768".to_owned() }
    }
}

impl Default for Stability {
    fn default() -> Self {
        Self {
            base_url: "https://api.stability.ai".to_owned(),
            model: "core".to_owned(),
            key_env: "STABILITY_API_KEY".to_owned(),
            key_file: String::new(),
        }
    }
}

impl Default for Gemini {
    fn default() -> Self {
        Self {
            base_url: "https://generativelanguage.googleapis.com".to_owned(),
            model: "gemini-2.5-flash-image".to_owned(),
            key_env: "GEMINI_API_KEY".to_owned(),
            key_file: String::new(),
        }
    }
}

impl PromptSettings {
    /// Checks every value that can be checked without asking anybody.
    ///
    /// # Errors
    /// The first value that makes no sense, with its key and what was expected.
    pub fn check(&self) -> Result<(), PromptError> {
        self.provider.parse::<Name>().map_err(|_| wrong("prompt.provider", &self.provider, Name::expected()))?;
        template::check(&self.template)?;
        for (key, text) in self.urls() {
            if !text.is_empty() {
                url(key, text)?;
            }
        }
        for (key, text) in [
            ("prompt.openai.size", &self.openai.size),
            ("prompt.gateway.size", &self.gateway.size),
            ("prompt.sdwebui.size", &self.sdwebui.size),
            ("prompt.comfyui.size", &self.comfyui.size),
        ] {
            sizes::parse(key, text)?;
        }
        self.openai.check()?;
        self.bedrock.check()?;
        self.gateway.check()?;
        self.sdwebui.check()
    }

    fn urls(&self) -> [(&'static str, &str); 7] {
        [
            ("prompt.openai.base_url", &self.openai.base_url),
            ("prompt.bedrock.endpoint", &self.bedrock.endpoint),
            ("prompt.gateway.url", &self.gateway.url),
            ("prompt.sdwebui.url", &self.sdwebui.url),
            ("prompt.comfyui.url", &self.comfyui.url),
            ("prompt.stability.base_url", &self.stability.base_url),
            ("prompt.gemini.base_url", &self.gemini.base_url),
        ]
    }
}

impl OpenAi {
    fn check(&self) -> Result<(), PromptError> {
        match &*self.quality {
            "" | "low" | "medium" | "high" | "auto" | "xhigh" | "max" | "standard" | "hd" => Ok(()),
            other => Err(wrong("prompt.openai.quality", other, "low, medium, high, auto or empty")),
        }
    }
}

impl Bedrock {
    fn check(&self) -> Result<(), PromptError> {
        let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if !plain(&self.region) {
            return Err(wrong("prompt.bedrock.region", &self.region, "a region such as us-west-2"));
        }
        match &*self.family {
            "" | "stable-image" | "sdxl" | "titan" => Ok(()),
            other => Err(wrong("prompt.bedrock.family", other, "stable-image, sdxl, titan or empty")),
        }
    }
}

impl Gateway {
    fn check(&self) -> Result<(), PromptError> {
        reqwest::header::HeaderName::try_from(&*self.key_header)
            .map(drop)
            .map_err(|_| wrong("prompt.gateway.key_header", &self.key_header, "the name of a header such as x-api-key"))
    }
}

impl SdWebUi {
    fn check(&self) -> Result<(), PromptError> {
        if !(1..=150).contains(&self.steps) {
            return Err(wrong("prompt.sdwebui.steps", self.steps, "a number from 1 to 150"));
        }
        if !(0.0..=35.0).contains(&self.cfg_scale) {
            return Err(wrong("prompt.sdwebui.cfg_scale", self.cfg_scale, "a number from 0 to 35"));
        }
        Ok(())
    }
}

/// Reads a setting that is an address.
pub(super) fn url(key: &'static str, text: &str) -> Result<reqwest::Url, PromptError> {
    let expected = "an address such as https://host/path";
    let url = reqwest::Url::parse(text).map_err(|_| wrong(key, text, expected))?;
    if !url.username().is_empty() || url.password().is_some() {
        // The value holds a password, so it is not said.
        return Err(wrong(key, "https://user:...@...", "an address without a user and password in it"));
    }
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(wrong(key, text, expected));
    }
    Ok(url)
}

pub(super) fn wrong(key: &'static str, value: impl ToString, expected: impl Into<String>) -> PromptError {
    PromptError::Setting { key, value: value.to_string(), expected: expected.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<PromptSettings, toml::de::Error> {
        toml::from_str(text)
    }

    /// The defaults as config/bgcam.toml explains them.
    #[test]
    fn the_explained_defaults_are_the_defaults() {
        #[derive(Deserialize)]
        struct File {
            prompt: PromptSettings,
        }
        let file: File = toml::from_str(crate::config::DEFAULTS).unwrap();
        assert_eq!(file.prompt, PromptSettings::default());
        file.prompt.check().unwrap();
    }

    #[test]
    fn a_part_is_enough_and_unknown_keys_are_errors() {
        let settings = read("provider = \"openai\"\n[openai]\nmodel = \"x\"").unwrap();
        assert_eq!((&*settings.provider, &*settings.openai.model), ("openai", "x"));
        assert_eq!(settings.openai.base_url, OpenAi::default().base_url);
        let error = read("[openai]\nkey = \"sk-canary\"").unwrap_err();
        assert!(error.message().contains("unknown field `key`"), "{error}");
        assert!(!error.message().contains("canary"));
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        for (text, key) in [
            ("provider = \"opnai\"", "prompt.provider"),
            ("template = \"a beach\"", "prompt.template"),
            ("[openai]\nbase_url = \"api.openai.com\"", "prompt.openai.base_url"),
            ("[openai]\nsize = \"big\"", "prompt.openai.size"),
            ("[openai]\nquality = \"best\"", "prompt.openai.quality"),
            ("[bedrock]\nregion = \"us west\"", "prompt.bedrock.region"),
            ("[bedrock]\nfamily = \"dall-e\"", "prompt.bedrock.family"),
            ("[gateway]\nurl = \"ftp://host/\"", "prompt.gateway.url"),
            ("[gateway]\nkey_header = \"x y\"", "prompt.gateway.key_header"),
            ("[sdwebui]\nsteps = 0", "prompt.sdwebui.steps"),
            ("[sdwebui]\nurl = \"http://me:canary@host/\"", "prompt.sdwebui.url"),
        ] {
            let error = read(text).unwrap().check().unwrap_err();
            assert!(matches!(error, PromptError::Setting { key: named, .. } if named == key), "{text}: {error}");
            assert!(!format!("{error} {error:?}").contains("canary"));
        }
    }
}
