//! OpenRouter: one key for the image models of many companies.

use serde_json::{Value, json};

use crate::prompt::{
    EditSupport, Hints, Name, Negative, Recipe, SizeRequest, SourceImage,
    hosted::{self, Defaults, Service, with_options},
    http::Pointer,
    sizes::{MEGAPIXEL, Pixels, nearest_ratio},
};

/// `[prompt.openrouter]`
pub type Settings = hosted::Settings<OpenRouter>;

/// OpenRouter's Image API.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenRouter;

impl Service for OpenRouter {
    const NAME: Name = Name::OpenRouter;
    const DEFAULTS: Defaults = Defaults {
        base_url: "https://openrouter.ai/api/v1",
        model: "bytedance-seed/seedream-4.5",
        key_env: "OPENROUTER_API_KEY",
    };
    const URL_SETTING: &'static str = "prompt.openrouter.base_url";
    const PATH: &'static str = "images";
    const OPTIONAL: &'static [Pointer] = &["/n", "/seed", "/aspect_ratio"];

    fn hints() -> Hints {
        Hints {
            models: Some("openrouter.ai/models lists all models with image output"),
            image_hosts: Some("prompt.openrouter.image_hosts"),
            ..Hints::default()
        }
    }

    fn negative(_model: &str) -> Negative {
        Negative::InPrompt
    }

    fn size_for(size: SizeRequest) -> Pixels {
        nearest_ratio(MEGAPIXEL, size.pixels).1
    }

    /// The response has the exact price; this is only known before for the default model.
    fn price(model: &str, _size: Pixels) -> Option<f64> {
        (model == Self::DEFAULTS.model).then_some(0.04)
    }

    /// The models that take no images say so.
    fn edits(_model: &str) -> EditSupport {
        EditSupport::Instruction
    }

    fn add_image(body: &mut Value, _model: &str, image: &SourceImage) {
        body["input_references"] = json!([{"type": "image_url", "image_url": {"url": image.data_url()}}]);
    }

    fn body(recipe: &Recipe) -> Value {
        let ratio = nearest_ratio(MEGAPIXEL, recipe.size).0;
        let body = json!({"model": recipe.model, "prompt": recipe.prompt, "n": 1, "aspect_ratio": ratio});
        with_options(body, recipe)
    }
}
