//! Words become a picture: providers, the one running job, and the gallery on disk.

mod answer;
mod complaint;
mod error;
mod http;
pub mod job;
mod key;
pub mod notes;
pub mod provider;
pub mod providers;
pub mod settings;
mod sizes;
pub mod template;

pub use error::PromptError;
pub use http::Report;
pub use provider::Provider;
use serde::{Deserialize, Serialize};
pub use template::Wish;

/// `text` as a terminal may be given it: one line without control characters.
pub fn one_line(text: &str) -> String {
    key::one_line(text)
}

/// Which picture is wanted: everything that has a say in it, so that equal recipes give the same picture.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Recipe {
    /// What the user typed.
    pub words: String,
    /// What the provider is sent: the words in the template.
    pub prompt: String,
    /// What the picture should not have; empty for nothing.
    #[serde(default)]
    pub negative: String,
    /// A style that the provider takes by name; empty where there is none, or its words are in the prompt.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub style: String,
    /// The provider's name, such as `builtin` or `openai`.
    pub provider: String,
    /// The provider's model id; empty where it has none.
    #[serde(default)]
    pub model: String,
    /// The seed that was asked for; `None` lets the provider choose.
    #[serde(default)]
    pub seed: Option<u64>,
    /// The width and height that were asked for, in pixels.
    pub size: (u32, u32),
}

/// A picture that a provider made: still encoded, not yet looked at.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Picture {
    /// PNG, JPEG or WebP, at most 25 MB.
    pub bytes: Vec<u8>,
    /// The seed that it was made with, where the provider tells.
    pub seed: Option<u64>,
    /// What it cost in US dollars, where that is known.
    pub cost: Option<f64>,
    /// What it shows, in a few words, where the provider knows that; otherwise it goes by the words of the user.
    pub title: Option<String>,
    /// What the user should know about it, such as a part of the prompt that it does not show: one plain line each,
    /// lower case without a full stop.
    pub notes: Vec<String>,
}

/// How far a provider is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Progress {
    /// It is at work, and does not tell more.
    Working,
    /// It has done this share, 0 to 1.
    Done(f32),
    /// It asked us to wait this many seconds before the next try.
    Waiting(f32),
}
