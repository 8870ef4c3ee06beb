//! Hugging Face: open models on its own inference servers. The response is the image itself.

use serde_json::{Value, json};

use crate::prompt::{
    Hints, Name, Negative, Recipe,
    hosted::{self, Defaults, Service, field_unless_flux, with_options},
    http::{Pointer, path_segments},
};

/// `[prompt.huggingface]`
pub type Settings = hosted::Settings<HuggingFace>;

/// The provider `hf-inference` of Hugging Face.
#[derive(Debug, Clone, PartialEq)]
pub struct HuggingFace;

impl Service for HuggingFace {
    const NAME: Name = Name::HuggingFace;
    const DEFAULTS: Defaults = Defaults {
        base_url: "https://router.huggingface.co/hf-inference",
        model: "black-forest-labs/FLUX.1-schnell",
        key_env: "HF_TOKEN",
    };
    const URL_SETTING: &'static str = "prompt.huggingface.base_url";
    const OPTIONAL: &'static [Pointer] =
        &["/parameters/width", "/parameters/height", "/parameters/seed", "/parameters/negative_prompt"];

    fn hints() -> Hints {
        Hints {
            models: Some("huggingface.co/models?inference_provider=hf-inference&pipeline_tag=text-to-image lists all"),
            image_hosts: Some("prompt.huggingface.image_hosts"),
            ..Hints::default()
        }
    }

    fn negative(model: &str) -> Negative {
        field_unless_flux(model)
    }

    fn model_path(model: &str) -> Option<String> {
        Some(format!("models/{}", path_segments(model)))
    }

    fn body(recipe: &Recipe) -> Value {
        let (width, height) = recipe.size;
        let parameters = json!({"width": width, "height": height});
        json!({"inputs": recipe.prompt, "parameters": with_options(parameters, recipe)})
    }
}
