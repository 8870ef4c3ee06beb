//! Opens providers by name, and lists all of them.

use serde::{Deserialize, Serialize};

use super::{EditSupport, Name, PromptError, Provider, SizeRequest, settings::PromptSettings};
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
    /// Its name for people.
    pub title: String,
    /// Whether it is ready for use.
    pub configured: bool,
    /// What is missing or invalid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why_not: Option<Failure>,
    /// The configured model; empty if there are no models to choose from.
    pub model: String,
    /// Its server, or what it does.
    pub note: String,
    /// The price of an image of 1280x720 pixels with the configured model in US dollars; `None` if it is unknown.
    pub price: Option<f64>,
    /// Whether it can edit an image, or generate a new one from the prompts of both.
    #[serde(default)]
    pub edits: bool,
}

/// All providers, and whether each is configured.
pub fn list(settings: &PromptSettings) -> Vec<ProviderInfo> {
    let info = |name: &Name| {
        let (provider, why_not) = match settings.of(*name).open() {
            Ok(provider) => (Some(provider), None),
            Err(error) => (None, Some(Failure::from(error))),
        };
        let provider = provider.as_deref();
        ProviderInfo {
            name: *name,
            title: name.title().to_owned(),
            configured: provider.is_some(),
            why_not,
            model: provider.and_then(Provider::model).unwrap_or_default().to_owned(),
            note: provider.map(Provider::summary).unwrap_or_default(),
            price: provider.and_then(usual_price),
            edits: provider.is_some_and(edits),
        }
    };
    Name::ALL.iter().map(info).collect()
}

/// The price of an image in the usual size with the configured model.
fn usual_price(provider: &dyn Provider) -> Option<f64> {
    let model = provider.model().unwrap_or_default();
    provider.price(model, provider.size_for(model, SizeRequest::new(None, (1280, 720))))
}

fn edits(provider: &dyn Provider) -> bool {
    let model = provider.edit_model(&provider.model_for(None));
    !matches!(provider.edits(&model), EditSupport::Unsupported(_))
}
