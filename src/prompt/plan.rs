//! Turns a request into a recipe for one provider.

use super::{
    Negative, PromptError, PromptRequest, Provider, Recipe, SizeRequest,
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
    let text = request.text.trim();
    check_length(text)?;
    let style_text = request.style.as_deref().map(style_text).transpose()?;
    let model = provider.model_for(request.model.as_deref());
    let unwanted = match &request.negative {
        Some(negative) => negative.trim(),
        None if request.raw => "",
        None => settings.negative.trim(),
    };
    let support = provider.negative(&model);
    // The painter interprets individual words, so the text of a template or a style would mislead it.
    let is_painter = support == Negative::Painter;
    let template = if request.raw || is_painter { PLACEHOLDER } else { &settings.template };
    let mut prompt = template::fill(template, text, style_text.filter(|_| !is_painter));
    if support == Negative::InPrompt && !unwanted.is_empty() {
        prompt.push_str(". Do not show: ");
        prompt.push_str(unwanted);
    }
    let has_field = matches!(support, Negative::Field | Negative::Painter);
    let size = provider.size_for(&model, SizeRequest::new(request.size, frame_size));
    Ok(Recipe {
        text: text.to_owned(),
        prompt,
        negative: if has_field { unwanted.to_owned() } else { String::new() },
        style: request.style.clone().filter(|_| is_painter).unwrap_or_default(),
        provider: provider.name().to_string(),
        model,
        seed: request.seed,
        size,
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
    fn an_empty_or_overlong_text_is_refused() {
        assert!(matches!(plan("builtin", &PromptRequest::default()), Err(PromptError::EmptyPrompt)));
        let request = PromptRequest { text: "a".repeat(2001), ..PromptRequest::default() };
        assert!(matches!(plan("builtin", &request), Err(PromptError::PromptTooLong { count: 2001, .. })));
    }
}
