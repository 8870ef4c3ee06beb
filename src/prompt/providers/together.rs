//! Together AI: FLUX and other open models.

use serde_json::{Value, json};

use crate::prompt::{
    EditSupport, Hints, Name, Negative, Recipe,
    hosted::{self, Defaults, Service, field_unless_flux, with_options},
    http::Pointer,
};

/// `[prompt.together]`
pub type Settings = hosted::Settings<Together>;

/// Together AI.
#[derive(Debug, Clone, PartialEq)]
pub struct Together;

impl Service for Together {
    const NAME: Name = Name::Together;
    const DEFAULTS: Defaults = Defaults {
        base_url: "https://api.together.ai/v1",
        model: "black-forest-labs/FLUX.1-schnell",
        key_env: "TOGETHER_API_KEY",
    };
    const URL_SETTING: &'static str = "prompt.together.base_url";
    const IMAGE_DOMAINS: &'static [&'static str] = &["together.ai", "together.xyz"];
    const OPTIONAL: &'static [Pointer] =
        &["/n", "/width", "/height", "/seed", "/negative_prompt", "/response_format", "/output_format"];

    fn hints() -> Hints {
        Hints {
            models: Some("Together AI offers black-forest-labs/FLUX.1-schnell and black-forest-labs/FLUX.2-pro"),
            image_hosts: Some("prompt.together.image_hosts"),
            ..Hints::default()
        }
    }

    fn negative(model: &str) -> Negative {
        field_unless_flux(model)
    }

    /// Its models edit images on public servers only.
    fn edits(_model: &str) -> EditSupport {
        EditSupport::Unsupported("it takes only images that are on a public server")
    }

    fn body(recipe: &Recipe) -> Value {
        let (width, height) = recipe.size;
        let body = json!({
            "model": recipe.model, "prompt": recipe.prompt, "n": 1, "width": width, "height": height,
            "response_format": "base64", "output_format": "jpeg",
        });
        with_options(body, recipe)
    }
}
