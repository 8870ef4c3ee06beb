//! The `[prompt]` table of the configuration.
//!
//! Model ids are settings because providers retire models about once a year. API keys are never settings; the settings
//! only say where to find them.

use std::env;

use serde::{Deserialize, Serialize};

use super::{Hints, Name, PromptError, ProviderSettings, providers, template};

/// The largest monthly limit in US dollars.
const MAX_LIMIT: f64 = 100_000.0;

macro_rules! define_settings {
    (
        { $($(#[$free_doc:meta])* $free_module:ident $Free:ident $free_title:literal,)* }
        { $($(#[$doc:meta])* $module:ident $Variant:ident $title:literal,)* }
    ) => {
        /// The `[prompt]` table of the configuration with the tables of the providers; missing keys have their
        /// defaults.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct PromptSettings {
            /// The provider to use if a request names none.
            pub provider: String,
            /// The prompt that is sent; `{prompt}` is replaced by the user's text.
            pub template: String,
            /// What an image should not contain.
            pub negative: String,
            /// The limit of what images may cost in a month, in US dollars; 0 for none.
            pub monthly_limit: f64,
            $($(#[$doc])* pub $module: providers::$module::Settings,)*
        }

        impl Default for PromptSettings {
            fn default() -> Self {
                Self {
                    provider: Name::Builtin.to_string(),
                    template: template::DEFAULT.to_owned(),
                    negative: template::NEGATIVE.to_owned(),
                    monthly_limit: 0.0,
                    $($module: providers::$module::Settings::default(),)*
                }
            }
        }

        impl PromptSettings {
            /// The settings of one provider.
            pub fn of(&self, name: Name) -> &dyn ProviderSettings {
                match name {
                    $(Name::$Free => &providers::$free_module::Settings,)*
                    $(Name::$Variant => &self.$module,)*
                }
            }
        }
    };
}

registry!(define_settings);

impl PromptSettings {
    /// The environment variable with the API key of `provider`, if it takes one.
    pub fn key_variable(&self, provider: &str) -> Option<&str> {
        self.of(provider.parse().ok()?).key_variable()
    }

    /// The names of all API key variables that are set in this process.
    pub fn key_variables(&self) -> Vec<String> {
        let names = Name::ALL.iter().filter_map(|name| self.of(*name).key_variable());
        names.filter(|name| !name.is_empty() && env::var_os(name).is_some()).map(str::to_owned).collect()
    }

    /// Checks every value that can be checked without connecting to a server.
    ///
    /// # Errors
    /// If a value is invalid: the first one, with its key and what was expected.
    pub fn check(&self) -> Result<(), PromptError> {
        if self.provider.parse::<Name>().is_err() {
            return Err(PromptError::setting("prompt.provider", &self.provider, Name::expected()));
        }
        if !self.template.contains(template::PLACEHOLDER) {
            let expected = format!("a text that contains {}", template::PLACEHOLDER);
            return Err(PromptError::setting("prompt.template", &self.template, expected));
        }
        if !(0.0..=MAX_LIMIT).contains(&self.monthly_limit) {
            let expected = format!("US dollars, 0 to {MAX_LIMIT}; 0 for no limit");
            return Err(PromptError::setting("prompt.monthly_limit", self.monthly_limit, expected));
        }
        Name::ALL.iter().try_for_each(|name| self.of(*name).check())
    }
}

impl Hints {
    /// The hints of a provider.
    pub(super) fn of(provider: Name) -> Self {
        PromptSettings::default().of(provider).hints()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<PromptSettings, toml::de::Error> {
        toml::from_str(text)
    }

    #[test]
    fn defaults_match_the_commented_default_file() {
        #[derive(Deserialize)]
        struct File {
            prompt: PromptSettings,
        }
        let file: File = toml::from_str(crate::config::DEFAULTS).unwrap();
        assert_eq!(file.prompt, PromptSettings::default());
        file.prompt.check().unwrap();
    }

    #[test]
    fn missing_keys_have_defaults_and_unknown_keys_are_errors() {
        let settings = read("provider = \"openai\"\n[openai]\nmodel = \"x\"").unwrap();
        assert_eq!((&*settings.provider, &*settings.openai.model), ("openai", "x"));
        assert_eq!(settings.openai.base_url, providers::openai::Settings::default().base_url);
        let error = read("[openai]\nkey = \"sk-canary\"").unwrap_err();
        assert!(error.message().contains("unknown field `key`"), "{error}");
        assert!(!error.message().contains("canary"));
    }

    #[test]
    fn an_invalid_value_is_reported_with_its_key() {
        for (text, key) in [
            ("provider = \"opnai\"", "prompt.provider"),
            ("template = \"a beach\"", "prompt.template"),
            ("monthly_limit = -1", "prompt.monthly_limit"),
            ("monthly_limit = nan", "prompt.monthly_limit"),
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
