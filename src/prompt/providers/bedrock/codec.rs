//! Request bodies of the model families on Bedrock, and the response that they share.

use serde_json::{Value, json};

use crate::prompt::{
    GeneratedImage, Name, PromptError, Recipe,
    http::{Http, Pointer},
    response::{bad_response, first_image, items, non_blank, number},
    sizes::{Pixels, Ratios, STABLE_IMAGE, nearest_ratio, of_area},
};

const NAME: Name = Name::Bedrock;

/// How much of the structure an edit keeps, 0 to 1; the API's default.
const CONTROL_STRENGTH: f64 = 0.7;

/// Models with the same request format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    /// Stable Image Core and Ultra, SD3 and SD3.5: an aspect ratio, no size.
    StableImage,
    /// SDXL 1.0: one of nine sizes.
    Sdxl,
    /// Titan Image Generator: one of a table of sizes.
    Titan,
    /// Nova Canvas: as Titan, but any size in multiples of 16.
    Nova,
}

/// The sizes of SDXL.
const SDXL: &Ratios = &[
    ("", (1344, 768)),
    ("", (1024, 1024)),
    ("", (1152, 896)),
    ("", (1216, 832)),
    ("", (1536, 640)),
    ("", (640, 1536)),
    ("", (768, 1344)),
    ("", (832, 1216)),
    ("", (896, 1152)),
];
/// The larger sizes of Titan.
const TITAN: &Ratios = &[
    ("", (1408, 768)),
    ("", (1024, 1024)),
    ("", (1152, 768)),
    ("", (1152, 896)),
    ("", (768, 1152)),
    ("", (768, 1408)),
];

impl Family {
    /// The family from the setting, or else from the model id, which may start with a region.
    pub(super) fn of(model: &str, setting: &str) -> Self {
        match setting {
            "sdxl" => Self::Sdxl,
            "titan" if model.contains("nova-canvas") => Self::Nova,
            "titan" => Self::Titan,
            "" if model.contains("stability.stable-diffusion-xl") => Self::Sdxl,
            "" if model.contains("amazon.titan-image") => Self::Titan,
            "" if model.contains("amazon.nova-canvas") => Self::Nova,
            _ => Self::StableImage,
        }
    }

    pub(super) fn size_for(self, size: Pixels) -> Pixels {
        match self {
            Self::StableImage => nearest_ratio(STABLE_IMAGE, size).1,
            Self::Sdxl => nearest_ratio(SDXL, size).1,
            Self::Titan => nearest_ratio(TITAN, size).1,
            Self::Nova => of_area(size, 1280.0 * 720.0, 16),
        }
    }

    pub(super) fn body(self, recipe: &Recipe) -> Value {
        match self {
            Self::StableImage => stable_image(recipe),
            Self::Sdxl => sdxl(recipe),
            Self::Titan | Self::Nova => titan(recipe, self.max_prompt_len()),
        }
    }

    /// The maximum length of a prompt in characters; longer ones are cut off.
    fn max_prompt_len(self) -> usize {
        match self {
            Self::Titan => 512,
            Self::Nova => 1024,
            Self::StableImage | Self::Sdxl => usize::MAX,
        }
    }

    /// A note for the user if the prompt is cut off.
    pub(super) fn note(self, recipe: &Recipe) -> Option<String> {
        let max = self.max_prompt_len();
        let is_cut = recipe.prompt.chars().count() > max;
        is_cut.then(|| {
            format!("model {:?} accepts prompts of at most {max} characters, so the rest was cut off", recipe.model)
        })
    }
}

fn stable_image(recipe: &Recipe) -> Value {
    let mut body = json!({
        "prompt": recipe.prompt, "aspect_ratio": nearest_ratio(STABLE_IMAGE, recipe.size).0, "output_format": "png",
    });
    if !recipe.negative.is_empty() {
        body["negative_prompt"] = recipe.negative.as_str().into();
    }
    if let Some(seed) = recipe.seed {
        body["seed"] = (seed as u32).into();
    }
    body
}

/// The model that makes edits: it keeps the structure of an image. It is available only through the inference profile
/// of a group of regions.
pub(super) fn edit_model(region: &str) -> String {
    let group = region.split('-').next().unwrap_or(region);
    format!("{group}.stability.stable-image-control-structure-v1:0")
}

/// The request for an edit of an image in base64.
pub(super) fn edit_body(recipe: &Recipe, image: &str) -> Value {
    let mut body = stable_image(recipe);
    body["image"] = image.into();
    body["control_strength"] = CONTROL_STRENGTH.into();
    // The result has the size of the source.
    body.as_object_mut().and_then(|body| body.remove("aspect_ratio"));
    body
}

fn sdxl(recipe: &Recipe) -> Value {
    let mut prompts = vec![json!({"text": recipe.prompt, "weight": 1})];
    if !recipe.negative.is_empty() {
        prompts.push(json!({"text": recipe.negative, "weight": -1}));
    }
    json!({
        "text_prompts": prompts, "cfg_scale": 7, "steps": 30, "seed": recipe.seed.unwrap_or_default() as u32,
        "width": recipe.size.0, "height": recipe.size.1,
    })
}

fn titan(recipe: &Recipe, max_len: usize) -> Value {
    let cut = |text: &str| text.chars().take(max_len).collect::<String>();
    let mut prompts = json!({"text": cut(&recipe.prompt)});
    if !recipe.negative.is_empty() {
        prompts["negativeText"] = cut(&recipe.negative).into();
    }
    let mut config = json!({
        "numberOfImages": 1, "quality": "standard", "width": recipe.size.0, "height": recipe.size.1, "cfgScale": 8.0,
    });
    if let Some(seed) = recipe.seed {
        // Nova's limit; Titan's is 2^31 - 1.
        config["seed"] = (seed % 858_993_460).into();
    }
    json!({"taskType": "TEXT_IMAGE", "textToImageParams": prompts, "imageGenerationConfig": config})
}

/// The request fields of all families that not every model accepts.
pub(super) const OPTIONAL: [Pointer; 12] = [
    "/negative_prompt",
    "/seed",
    "/aspect_ratio",
    "/output_format",
    "/control_strength",
    "/cfg_scale",
    "/steps",
    "/textToImageParams/negativeText",
    "/imageGenerationConfig/seed",
    "/imageGenerationConfig/cfgScale",
    "/imageGenerationConfig/quality",
    "/imageGenerationConfig/numberOfImages",
];

/// The image in a response of any family. Bedrock reports a rejected prompt with status 200.
///
/// # Errors
/// If the response reports a failure, or its images are invalid.
pub(super) fn find_image(response: &Value, http: &Http) -> Result<Option<GeneratedImage>, PromptError> {
    let artifacts = items(&response["artifacts"]);
    let reasons = items(&response["finish_reasons"]).iter();
    let reasons = reasons.chain(artifacts.iter().map(|artifact| &artifact["finishReason"]));
    let mut reasons = reasons.chain([&response["error"]]).filter_map(non_blank).filter(|reason| *reason != "SUCCESS");
    match reasons.next() {
        None => {}
        Some(reason @ ("Inference error" | "ERROR")) => {
            return Err(bad_response(NAME, format!("it reported {reason:?}")));
        }
        Some(reason) => return Err(PromptError::Moderated { provider: NAME, detail: http.clean(reason) }),
    }
    let texts = items(&response["images"]).iter().chain(artifacts.iter().map(|artifact| &artifact["base64"]));
    let seeds = items(&response["seeds"]).iter().chain(artifacts.iter().map(|artifact| &artifact["seed"]));
    let bytes = first_image(NAME, texts.filter_map(non_blank))?;
    let seed = seeds.filter_map(number).next();
    Ok(bytes.map(|bytes| GeneratedImage { seed, ..GeneratedImage::new(bytes) }))
}

/// The price of an image in US dollars, as of November 2026.
pub(super) fn price(model: &str) -> Option<f64> {
    let prices =
        [("stable-image-core", 0.04), ("sd3-5-large", 0.08), ("stable-image-ultra", 0.14), ("control-structure", 0.07)];
    prices.into_iter().find(|(part, _)| model.contains(part)).map(|(_, price)| price)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe(model: &str) -> Recipe {
        let family = Family::of(model, "");
        Recipe {
            text: "beach".to_owned(),
            prompt: "a beach".to_owned(),
            negative: "people".to_owned(),
            style: String::new(),
            provider: "bedrock".to_owned(),
            model: model.to_owned(),
            variant: String::new(),
            seed: Some(7),
            size: family.size_for((1280, 720)),
            parent: None,
        }
    }

    #[test]
    fn the_family_is_derived_from_the_model_id() {
        for (model, setting, family) in [
            ("stability.stable-image-core-v1:1", "", Family::StableImage),
            ("us.stability.sd3-5-large-v1:0", "", Family::StableImage),
            ("stability.stable-diffusion-xl-v1", "", Family::Sdxl),
            ("amazon.titan-image-generator-v2:0", "", Family::Titan),
            ("amazon.nova-canvas-v1:0", "", Family::Nova),
            ("arn:aws:bedrock:us-west-2:1:application-inference-profile/x", "sdxl", Family::Sdxl),
        ] {
            assert_eq!(Family::of(model, setting), family, "{model}");
        }
    }

    #[test]
    fn each_family_has_its_own_request_format() {
        let body = |model: &str| {
            let recipe = recipe(model);
            Family::of(model, "").body(&recipe)
        };
        assert_eq!(
            body("stability.stable-image-core-v1:1"),
            json!({"prompt": "a beach", "negative_prompt": "people", "aspect_ratio": "16:9", "seed": 7, "output_format": "png"})
        );
        assert_eq!(
            body("stability.stable-diffusion-xl-v1"),
            json!({"text_prompts": [{"text": "a beach", "weight": 1}, {"text": "people", "weight": -1}],
                "cfg_scale": 7, "seed": 7, "steps": 30, "width": 1344, "height": 768})
        );
        assert_eq!(
            body("amazon.nova-canvas-v1:0"),
            json!({"taskType": "TEXT_IMAGE", "textToImageParams": {"text": "a beach", "negativeText": "people"},
                "imageGenerationConfig": {"numberOfImages": 1, "quality": "standard", "width": 1280, "height": 720,
                    "cfgScale": 8.0, "seed": 7}})
        );
    }
}
