//! A request for generated images, as the command line and the control page send it.

use serde::{Deserialize, Serialize};

/// The maximum number of images in one request.
pub const MAX_COUNT: u32 = 8;

/// A request for generated images; options that are left out follow the settings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PromptRequest {
    /// The prompt text as the user typed it.
    pub text: String,
    /// The provider's name.
    pub provider: Option<String>,
    /// The provider's model id.
    pub model: Option<String>,
    /// The seed.
    pub seed: Option<u64>,
    /// Generate a new image even if the gallery has one for the same recipe.
    pub again: bool,
    /// Width and height in pixels; without it, the output size.
    pub size: Option<(u32, u32)>,
    /// The name of one of the [`STYLES`](super::template::STYLES).
    pub style: Option<String>,
    /// What the image should not contain.
    pub negative: Option<String>,
    /// Send the text as it is: without the template, and without a negative prompt unless this request has one.
    pub raw: bool,
    /// Edit the current background, or `of`, instead of generating a new image: the text says what to change.
    pub edit: bool,
    /// The gallery image to edit: its id, the start of its id, or its prompt.
    pub of: Option<String>,
    /// The number of images, 1 to [`MAX_COUNT`].
    #[serde(default = "one")]
    pub count: u32,
    /// Return immediately instead of waiting for the image.
    pub no_wait: bool,
}

fn one() -> u32 {
    1
}
