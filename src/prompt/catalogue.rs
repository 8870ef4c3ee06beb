//! Opens providers by name, and lists all of them.

use serde::{Deserialize, Serialize};

use super::{EditSupport, Hints, Name, PromptError, Provider, SizeRequest, settings::PromptSettings};
use crate::error::{Failure, Kind};

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
    /// Other credentials than an API key, as in "or ...".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<String>,
    /// The configured model; empty if there are no models to choose from.
    pub model: String,
    /// Its server, or what it does.
    pub note: String,
    /// The price of an image of 1280x720 pixels with the configured model in US dollars; `None` if it is unknown.
    pub price: Option<f64>,
    /// Whether it can edit an image, or generate a new one from the prompts of both.
    #[serde(default)]
    pub edits: bool,
    /// Why it cannot, as a clause, if there is more to say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why_no_edits: String,
}

/// All providers, and whether each is configured.
pub fn list(settings: &PromptSettings) -> Vec<ProviderInfo> {
    let info = |name: &Name| {
        let (provider, why_not) = match settings.of(*name).open() {
            Ok(provider) if !provider.is_listening() => (None, Some(not_listening(*name, &*provider))),
            Ok(provider) => (Some(provider), None),
            Err(error) => (None, Some(Failure::from(error))),
        };
        let provider = provider.as_deref();
        let edits = provider.map(edits);
        ProviderInfo {
            name: *name,
            title: name.title().to_owned(),
            configured: provider.is_some(),
            why_not,
            credentials: Hints::of(*name).credentials.map(str::to_owned),
            model: provider.and_then(Provider::model).unwrap_or_default().to_owned(),
            note: provider.map(Provider::summary).unwrap_or_default(),
            price: provider.and_then(usual_price),
            why_no_edits: if let Some(EditSupport::Unsupported(why)) = edits { why.to_owned() } else { String::new() },
            edits: edits.is_some_and(|edits| !matches!(edits, EditSupport::Unsupported(_))),
        }
    };
    Name::ALL.iter().map(info).collect()
}

fn not_listening(name: Name, provider: &dyn Provider) -> Failure {
    let failure =
        Failure::new(Kind::Missing, format!("provider {name} is not running: nothing listens {}", provider.summary()));
    match Hints::of(name).connect {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// The price of an image in the usual size with the configured model.
fn usual_price(provider: &dyn Provider) -> Option<f64> {
    let model = provider.model().unwrap_or_default();
    provider.price(model, provider.size_for(model, SizeRequest::new(None, (1280, 720), false)))
}

fn edits(provider: &dyn Provider) -> EditSupport {
    provider.edits(&provider.edit_model(&provider.model_for(None)))
}
