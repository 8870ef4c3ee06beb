//! Opens providers by name, and lists all of them.

use serde::{Deserialize, Serialize};

use super::{Name, PromptError, Provider, settings::PromptSettings};
use crate::error::Failure;

/// Prepares the provider called `name`: reads its settings, API key and files, and connects to nothing.
///
/// # Errors
/// If there is no such provider, or something is missing or invalid.
pub fn open(name: &str, settings: &PromptSettings) -> Result<Box<dyn Provider>, PromptError> {
    let name: Name = name.parse().map_err(|_| PromptError::UnknownProvider { name: name.to_owned() })?;
    settings.of(name).open()
}

/// What is known about a provider without connecting to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProviderInfo {
    /// Its name.
    pub name: Name,
    /// Whether it is ready for use.
    pub configured: bool,
    /// What is missing or invalid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why_not: Option<Failure>,
    /// The configured model; empty if there are no models to choose from.
    pub model: String,
    /// Its server, or what it does.
    pub note: String,
}

/// All providers, and whether each is configured.
pub fn list(settings: &PromptSettings) -> Vec<ProviderInfo> {
    let info = |name: Name| match settings.of(name).open() {
        Ok(provider) => ProviderInfo {
            name,
            configured: true,
            why_not: None,
            model: provider.model().unwrap_or_default().to_owned(),
            note: provider.summary(),
        },
        Err(error) => ProviderInfo {
            name,
            configured: false,
            why_not: Some(Failure::from(error)),
            model: String::new(),
            note: String::new(),
        },
    };
    Name::ALL.iter().copied().map(info).collect()
}
