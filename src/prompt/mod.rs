//! Generates an image from a text prompt: the request, the recipe, the settings and the providers.
//!
//! A [`PromptRequest`] from the command line or the control page becomes a [`Recipe`], which a [`Provider`] turns into
//! a [`GeneratedImage`]. A provider is one file in [`providers`] and one line in the registry there.

#[macro_use]
pub mod providers;

mod api_key;
pub mod catalogue;
mod cost;
mod edit;
mod error;
mod error_detail;
mod hosted;
mod http;
mod name;
pub mod notes;
mod plan;
mod program;
mod progress;
mod provider;
mod received;
mod request;
mod response;
mod retired;
pub mod settings;
mod sizes;
mod source_image;
pub mod template;
mod text;

pub use cost::{Cost, MonthlyCost, dollars};
pub use edit::{EditSupport, Parent};
pub use error::PromptError;
pub use name::Name;
pub use plan::{edit_recipe, recipe};
pub use progress::{FinishedPrompt, JobStatus, OnProgress, Progress};
pub use provider::{
    Hints, ImageFuture, Negative, Provider, ProviderSettings, SizeRequest, SizeSource, Task, UnsupportedOption,
};
pub use received::receive;
pub use request::{MAX_COUNT, PromptRequest};
use serde::{Deserialize, Serialize};
pub use source_image::SourceImage;
pub use text::one_line;

use crate::media::image_file::provenance::Mark;

/// Everything that determines an image: equal recipes give the same image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Recipe {
    /// The prompt text as the user typed it.
    pub text: String,
    /// The prompt that is sent to the provider: the text in the template.
    pub prompt: String,
    /// What the image should not contain; empty for nothing.
    #[serde(default)]
    pub negative: String,
    /// A style that the provider takes by name; empty for no style, or when the prompt already describes it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub style: String,
    /// The provider's name, such as `builtin` or `openai`.
    pub provider: String,
    /// The provider's model id; empty if the provider has no models.
    #[serde(default)]
    pub model: String,
    /// What else the image depends on, such as the quality or your own weights; empty for the default.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub variant: String,
    /// The requested seed; `None` lets the provider choose.
    #[serde(default)]
    pub seed: Option<u64>,
    /// The requested width and height in pixels.
    pub size: (u32, u32),
    /// For an edit: the image that it starts from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Parent>,
}

/// An image as a provider returned it: encoded, not yet decoded.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GeneratedImage {
    /// PNG, JPEG or WebP, at most 25 MB.
    pub bytes: Vec<u8>,
    /// The seed that was used, if the provider reports it.
    pub seed: Option<u64>,
    /// The price in US dollars, if known.
    pub cost: Option<f64>,
    /// A short title, if the provider knows what the image shows; otherwise the prompt text serves as the title.
    pub title: Option<String>,
    /// Notes for the user, such as a part of the prompt that the image does not show: one plain line each, lower case
    /// without a full stop.
    pub notes: Vec<String>,
    /// How the provider marked it as generated; found by [`receive`].
    pub marks: Vec<Mark>,
}

impl GeneratedImage {
    /// An image of which only the bytes are known.
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, ..Self::default() }
    }
}
