//! fal.ai: many models, each at its own path.

use serde_json::{Value, json};

use crate::prompt::{
    EditSupport, Hints, Name, Negative, OnProgress, PromptError, Recipe, SourceImage,
    hosted::{self, Defaults, Service, field_unless_flux, with_options},
    http::{Http, KeyHeader, Pointer, ResponseFuture, at_once, path_segments},
    response::items,
    sizes::{self, Pixels},
};

/// `[prompt.fal]`
pub type Settings = hosted::Settings<Fal>;

/// fal.ai.
#[derive(Debug, Clone, PartialEq)]
pub struct Fal;

impl Service for Fal {
    const NAME: Name = Name::Fal;
    const DEFAULTS: Defaults =
        Defaults { base_url: "https://fal.run", model: "fal-ai/flux/schnell", key_env: "FAL_KEY" };
    const URL_SETTING: &'static str = "prompt.fal.base_url";
    const KEY_HEADER: KeyHeader = KeyHeader::AuthorizationKey;
    const IMAGE_DOMAINS: &'static [&'static str] = &["fal.media"];
    const OPTIONAL: &'static [Pointer] =
        &["/image_size", "/num_images", "/sync_mode", "/seed", "/negative_prompt", "/output_format"];

    fn hints() -> Hints {
        Hints {
            models: Some("fal.ai/models lists all models"),
            image_hosts: Some("prompt.fal.image_hosts"),
            ..Hints::default()
        }
    }

    fn negative(model: &str) -> Negative {
        field_unless_flux(model)
    }

    fn price(model: &str, size: Pixels) -> Option<f64> {
        let per_megapixel = match model {
            "fal-ai/flux/schnell" => 0.003,
            "fal-ai/flux/dev" => 0.025,
            "fal-ai/flux-pro/v1.1" => 0.04,
            "fal-ai/flux-pro/v1.1-ultra" => return Some(0.06),
            _ => return None,
        };
        Some(per_megapixel * sizes::megapixels(size))
    }

    fn model_path(model: &str) -> Option<String> {
        Some(path_segments(model))
    }

    /// At fal.ai, the models that edit have paths of their own.
    fn edits(model: &str) -> EditSupport {
        match model {
            _ if model.ends_with("/edit") || model.contains("kontext") => EditSupport::Instruction,
            _ => EditSupport::Unsupported("it needs another model, such as fal-ai/flux-pro/kontext"),
        }
    }

    fn add_image(body: &mut Value, model: &str, image: &SourceImage) {
        let url = Value::from(image.data_url());
        if model.ends_with("/edit") { body["image_urls"] = json!([url]) } else { body["image_url"] = url }
    }

    fn body(recipe: &Recipe) -> Value {
        let (width, height) = recipe.size;
        let body = json!({
            "prompt": recipe.prompt, "image_size": {"width": width, "height": height}, "num_images": 1,
            // The image in the response, so that it is not kept on a public server.
            "sync_mode": true, "output_format": "jpeg",
        });
        with_options(body, recipe)
    }

    /// A rejected image is returned as a black one.
    fn receive<'a>(http: &'a Http, response: Value, _progress: OnProgress<'a>) -> ResponseFuture<'a> {
        let is_black = items(&response["has_nsfw_concepts"]).first() == Some(&Value::Bool(true));
        if is_black {
            let detail = http.clean("the safety checker withheld the image");
            return Box::pin(async { Err(PromptError::Moderated { provider: Self::NAME, detail }) });
        }
        at_once(response)
    }
}
