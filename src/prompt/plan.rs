//! Turns a request into a recipe for one provider.

use super::{
    EditSupport, Negative, Parent, PromptError, PromptRequest, Provider, Recipe, SizeRequest,
    settings::PromptSettings,
    template::{self, PLACEHOLDER},
};

/// The maximum length of a prompt text in characters. Providers accept 512 to 32000.
const MAX_TEXT_LEN: usize = 2000;

/// The recipe for `request` with `provider`; `frame_size` is the output size, for requests without a size.
///
/// # Errors
/// If the text is empty or too long, or there is no such style.
pub fn recipe(
    request: &PromptRequest,
    provider: &dyn Provider,
    settings: &PromptSettings,
    frame_size: (u32, u32),
) -> Result<Recipe, PromptError> {
    let model = provider.model_for(request.model.as_deref());
    let style_text = request.style.as_deref().map(style_text).transpose()?;
    // The painter interprets individual words, so the text of a template or a style would mislead it.
    let is_painter = provider.negative(&model) == Negative::Painter;
    let template = if request.raw || is_painter { PLACEHOLDER } else { &settings.template };
    let prompt = template::fill(template, request.text.trim(), style_text.filter(|_| !is_painter));
    let unwanted = match &request.negative {
        Some(negative) => negative.trim(),
        None if request.raw => "",
        None => settings.negative.trim(),
    };
    finish(request, provider, model, prompt, unwanted, SizeRequest::new(request.size, frame_size, false))
}

/// The recipe for `request`, an edit of an image with `size`, of which the recipe records `parent`.
///
/// # Errors
/// As for [`recipe`], and if the provider can't edit images.
pub fn edit_recipe(
    request: &PromptRequest,
    provider: &dyn Provider,
    settings: &PromptSettings,
    size: (u32, u32),
    parent: Parent,
) -> Result<Recipe, PromptError> {
    let model = provider.edit_model(&provider.model_for(request.model.as_deref()));
    let style_text = request.style.as_deref().map(style_text).transpose()?;
    let negative = provider.negative(&model);
    let style_text = style_text.filter(|_| negative != Negative::Painter);
    let support = provider.edits(&model);
    let prompt = support.prompt(request.text.trim(), style_text, &parent, request.raw);
    let unwanted = match &request.negative {
        Some(negative) => negative.trim(),
        // The instruction says so already.
        None if request.raw || negative == Negative::InPrompt => "",
        None => settings.negative.trim(),
    };
    let size = SizeRequest::new(request.size, size, true);
    let recipe = Recipe { parent: Some(parent), ..finish(request, provider, model, prompt, unwanted, size)? };
    match support {
        EditSupport::Unsupported(why) => Err(PromptError::cannot_edit(&recipe, why)),
        _ => Ok(recipe),
    }
}

/// The recipe with this prompt; `unwanted` is added to the prompt if the model has no field for it.
fn finish(
    request: &PromptRequest,
    provider: &dyn Provider,
    model: String,
    mut prompt: String,
    unwanted: &str,
    size: SizeRequest,
) -> Result<Recipe, PromptError> {
    let text = request.text.trim();
    check_length(text)?;
    let support = provider.negative(&model);
    if support == Negative::InPrompt && !unwanted.is_empty() {
        prompt.push_str(". Do not show: ");
        prompt.push_str(unwanted);
    }
    let has_field = matches!(support, Negative::Field | Negative::Painter);
    let size = provider.size_for(&model, size);
    Ok(Recipe {
        text: text.to_owned(),
        prompt,
        negative: if has_field { unwanted.to_owned() } else { String::new() },
        style: request.style.clone().filter(|_| support == Negative::Painter).unwrap_or_default(),
        provider: provider.name().to_string(),
        model,
        variant: provider.variant().to_owned(),
        seed: request.seed,
        size,
        parent: None,
    })
}

fn style_text(name: &str) -> Result<&'static str, PromptError> {
    template::style_text(name).ok_or_else(|| PromptError::UnknownStyle { name: name.to_owned() })
}

fn check_length(text: &str) -> Result<(), PromptError> {
    match text.chars().count() {
        0 => Err(PromptError::EmptyPrompt),
        count if count > MAX_TEXT_LEN => Err(PromptError::PromptTooLong { count, limit: MAX_TEXT_LEN }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prompt::{catalogue, template::NEGATIVE};

    fn plan(provider: &str, request: &PromptRequest) -> Result<Recipe, PromptError> {
        let mut settings = PromptSettings::default();
        settings.openai.base_url = "http://127.0.0.1:1/v1".to_owned();
        let provider = catalogue::open(provider, &settings)?;
        recipe(request, &*provider, &settings, (1280, 720))
    }

    fn beach() -> PromptRequest {
        PromptRequest { text: " a beach ".to_owned(), ..PromptRequest::default() }
    }

    #[test]
    fn the_template_asks_for_an_empty_scene() {
        let recipe = plan("sdwebui", &beach()).unwrap();
        assert!(recipe.prompt.starts_with("a beach, wide") && recipe.prompt.contains("empty background plate"));
        assert_eq!((&*recipe.text, &*recipe.negative), ("a beach", NEGATIVE));
        let recipe = plan("openai", &beach()).unwrap();
        assert!(recipe.prompt.ends_with(&format!("Do not show: {NEGATIVE}")), "{recipe:?}");
        assert_eq!((&*recipe.negative, &*recipe.model), ("", "gpt-image-2.5-flare"));
        let local = plan("openai", &PromptRequest { model: Some("flux".to_owned()), ..beach() }).unwrap();
        assert_eq!((local.prompt.contains("Do not"), &*local.negative), (false, NEGATIVE));
    }

    #[test]
    fn a_raw_text_is_sent_unchanged() {
        for provider in ["builtin", "openai", "sdwebui"] {
            let recipe = plan(provider, &PromptRequest { raw: true, ..beach() }).unwrap();
            assert_eq!((&*recipe.prompt, &*recipe.negative), ("a beach", ""));
        }
        let request = PromptRequest { raw: true, negative: Some("palms".to_owned()), ..beach() };
        assert_eq!(plan("sdwebui", &request).unwrap().negative, "palms");
    }

    #[test]
    fn a_style_is_added_to_the_prompt_or_passed_by_name() {
        let minimal = PromptRequest { style: Some("minimal".to_owned()), ..beach() };
        let recipe = plan("sdwebui", &minimal).unwrap();
        assert!(recipe.prompt.contains("soft even light, minimalist") && recipe.style.is_empty(), "{recipe:?}");
        let recipe = plan("builtin", &minimal).unwrap();
        assert_eq!((&*recipe.prompt, &*recipe.style), ("a beach", "minimal"));
        for provider in ["builtin", "sdwebui"] {
            let error = plan(provider, &PromptRequest { style: Some("minimall".to_owned()), ..beach() }).unwrap_err();
            assert!(matches!(error, PromptError::UnknownStyle { .. }));
        }
    }

    #[test]
    fn the_painter_takes_a_negative_prompt() {
        let recipe = plan("builtin", &PromptRequest { negative: Some("palms".to_owned()), ..beach() }).unwrap();
        assert_eq!((&*recipe.prompt, &*recipe.negative), ("a beach", "palms"));
    }

    #[test]
    fn an_edit_records_its_parent_and_keeps_the_size_of_the_image() {
        let mut settings = PromptSettings::default();
        settings.openai.base_url = "http://127.0.0.1:1/v1".to_owned();
        settings.gateway.url = "http://127.0.0.1:1/".to_owned();
        let parent = Parent { id: "beach-1a2b3c4d".to_owned(), scene: "a beach".to_owned(), imported: false };
        let night = PromptRequest { text: " make it night ".to_owned(), ..PromptRequest::default() };
        let edit = |name: &str, request: &PromptRequest| {
            let provider = catalogue::open(name, &settings).unwrap();
            edit_recipe(request, &*provider, &settings, (1024, 1024), parent.clone())
        };
        let recipe = edit("openai", &night).unwrap();
        assert_eq!((&*recipe.text, recipe.parent.as_ref()), ("make it night", Some(&parent)));
        assert!(recipe.prompt.starts_with("make it night. Keep the composition"), "{recipe:?}");
        assert!(!recipe.prompt.contains("Do not show") && recipe.size.0 == recipe.size.1, "{recipe:?}");
        let recipe = edit("sdwebui", &night).unwrap();
        assert!(recipe.prompt.starts_with("a beach, make it night, ") && recipe.negative == NEGATIVE, "{recipe:?}");
        let recipe = edit("builtin", &night).unwrap();
        assert_eq!(&*recipe.prompt, "a beach, make it night");
        assert!(matches!(edit("gateway", &night), Err(PromptError::CannotEdit { .. })));
        let empty = PromptRequest { text: " ".to_owned(), ..night };
        assert!(matches!(edit("openai", &empty), Err(PromptError::EmptyPrompt)));
    }

    #[test]
    fn an_empty_or_overlong_text_is_refused() {
        assert!(matches!(plan("builtin", &PromptRequest::default()), Err(PromptError::EmptyPrompt)));
        let request = PromptRequest { text: "a".repeat(2001), ..PromptRequest::default() };
        assert!(matches!(plan("builtin", &request), Err(PromptError::PromptTooLong { count: 2001, .. })));
    }
}
