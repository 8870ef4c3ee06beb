//! xAI: the Grok Imagine models. They take an aspect ratio, no size.

use serde_json::{Value, json};

use crate::prompt::{
    EditSupport, Hints, Name, Negative, OnProgress, PromptError, Recipe, SizeRequest, SourceImage,
    hosted::{self, Defaults, Service},
    http::{Http, Pointer, ResponseFuture, at_once},
    response::{items, non_blank},
    sizes::{Pixels, Ratios, nearest_ratio},
};

/// `[prompt.xai]`
pub type Settings = hosted::Settings<Xai>;

/// xAI.
#[derive(Debug, Clone, PartialEq)]
pub struct Xai;

/// The aspect ratios, with about their sizes.
const RATIOS: &Ratios = &[
    ("16:9", (1280, 720)),
    ("1:1", (1024, 1024)),
    ("2:1", (1408, 704)),
    ("3:2", (1248, 832)),
    ("2:3", (832, 1248)),
    ("4:3", (1184, 864)),
    ("3:4", (864, 1184)),
    ("1:2", (704, 1408)),
    ("9:16", (720, 1280)),
];

impl Service for Xai {
    const NAME: Name = Name::Xai;
    const DEFAULTS: Defaults =
        Defaults { base_url: "https://api.x.ai/v1", model: "grok-imagine-image", key_env: "XAI_API_KEY" };
    const URL_SETTING: &'static str = "prompt.xai.base_url";
    const EDITS_PATH: &'static str = "images/edits";
    const IMAGE_DOMAINS: &'static [&'static str] = &["x.ai"];
    const OPTIONAL: &'static [Pointer] = &["/n", "/aspect_ratio", "/resolution", "/quality", "/response_format"];

    fn hints() -> Hints {
        Hints {
            models: Some("xAI offers grok-imagine-image and grok-imagine-image-2.0"),
            image_hosts: Some("prompt.xai.image_hosts"),
            ..Hints::default()
        }
    }

    fn negative(_model: &str) -> Negative {
        Negative::InPrompt
    }

    fn takes_seed() -> bool {
        false
    }

    fn size_for(size: SizeRequest) -> Pixels {
        nearest_ratio(RATIOS, size.pixels).1
    }

    fn price(model: &str, _size: Pixels) -> Option<f64> {
        match model {
            "grok-imagine-image" => Some(0.02),
            "grok-imagine-image-2.0" => Some(0.04),
            _ => None,
        }
    }

    /// The image that is sent is billed too.
    fn edit_price(model: &str, _size: Pixels) -> Option<f64> {
        (model == "grok-imagine-image").then_some(0.022)
    }

    fn body(recipe: &Recipe) -> Value {
        let mut body = json!({
            "model": recipe.model, "prompt": recipe.prompt, "n": 1, "response_format": "b64_json",
            "aspect_ratio": nearest_ratio(RATIOS, recipe.size).0, "resolution": "1k",
        });
        if recipe.model.ends_with("-2.0") {
            body["quality"] = "low".into(); // what the price is known for
        }
        body
    }

    fn edits(_model: &str) -> EditSupport {
        EditSupport::Instruction
    }

    fn add_image(body: &mut Value, _model: &str, image: &SourceImage) {
        body["image"] = json!({"type": "image_url", "url": image.data_url()});
    }

    /// A rejected prompt is a response without an image, with a reason.
    fn receive<'a>(http: &'a Http, response: Value, _progress: OnProgress<'a>) -> ResponseFuture<'a> {
        let flagged = items(&response["data"]).iter().any(|datum| datum["respect_moderation"] == false);
        let reason = non_blank(&response["block_reason"]).or(flagged.then_some("the image was withheld"));
        match reason.map(|reason| http.clean(reason)) {
            Some(detail) => Box::pin(async { Err(PromptError::Moderated { provider: Self::NAME, detail }) }),
            None => at_once(response),
        }
    }
}
