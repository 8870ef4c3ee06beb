//! From the user's words to what a provider is sent: template, style, and what the picture should not have.

use super::{
    PromptError, Recipe,
    provider::{Negative, Provider},
    settings::{PromptSettings, wrong},
};

/// What stands for the user's words in a template.
pub const PLACEHOLDER: &str = "{prompt}";

/// The template that asks for an empty plate. It says what should be there only: to a diffusion model "no people" is
/// a wish for people.
pub const DEFAULT: &str = "{prompt}, wide establishing shot at eye level, empty background plate for a video call, \
                           uncluttered foreground, soft even light";

/// What a background should not have.
pub const NEGATIVE: &str = "people, person, face, hands, text, letters, watermark, logo, frame, collage";

/// The styles, with the words that they add.
pub const STYLES: [(&str, &str); 9] = [
    ("photo", "realistic photograph, natural colours, shallow depth of field"),
    ("cinematic", "cinematic still, dramatic light, film grain"),
    ("illustration", "clean digital illustration, flat colours"),
    ("watercolour", "soft watercolour painting on paper"),
    ("oil", "oil painting, visible brush strokes"),
    ("anime", "anime background art, painted sky"),
    ("minimal", "minimalist, few shapes, calm muted colours"),
    ("fantasy", "fantasy concept art, glowing light"),
    ("3d", "3d render, soft studio light"),
];

/// What the user asks for with one `set-prompt`; `None` is what the settings say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wish {
    /// The words.
    pub words: String,
    /// One of [`STYLES`].
    pub style: Option<String>,
    /// What the picture should not have.
    pub negative: Option<String>,
    /// The provider's model id.
    pub model: Option<String>,
    /// The seed.
    pub seed: Option<u64>,
    /// The size, which the provider comes as near to as it can.
    pub size: (u32, u32),
    /// Whether the user asked for this size, which then overrides that of the settings; otherwise it is the camera's.
    pub size_is_asked: bool,
    /// The words go out untouched: no template, no negative prompt but one that was asked for.
    pub raw: bool,
}

impl Wish {
    /// The size that the user asked for.
    pub(super) fn asked_size(&self) -> Option<(u32, u32)> {
        self.size_is_asked.then_some(self.size)
    }
}

/// What `provider` is to be asked for.
///
/// # Errors
/// When there are no words, too many, or no such style.
pub fn recipe(settings: &PromptSettings, provider: &Provider, wish: &Wish) -> Result<Recipe, PromptError> {
    let words = wish.words.trim();
    check_words(words)?;
    let model = provider.model_for(wish);
    let unwanted = match &wish.negative {
        Some(negative) => negative.trim(),
        None if wish.raw => "",
        None => settings.negative.trim(),
    };
    let takes = provider.negative(&model);
    // The painter reads the words one by one: those of a template or a style would only mislead it.
    let painted = takes == Negative::Painted;
    let template = if wish.raw || painted { PLACEHOLDER } else { &settings.template };
    let named = wish.style.as_deref().filter(|_| painted);
    named.map(style_words).transpose()?;
    let mut prompt = fill(template, words, wish.style.as_deref().filter(|_| !painted))?;
    if takes == Negative::InWords && !unwanted.is_empty() {
        prompt.push_str(". Do not show: ");
        prompt.push_str(unwanted);
    }
    let negative =
        if matches!(takes, Negative::Field | Negative::Painted) { unwanted.to_owned() } else { String::new() };
    let style = named.unwrap_or_default().to_owned();
    let (provider_name, size) = (provider.name().to_string(), provider.size_for(&model, wish));
    let words = words.to_owned();
    Ok(Recipe { words, prompt, negative, style, provider: provider_name, model, seed: wish.seed, size })
}

/// The words and the style in their places.
///
/// # Errors
/// When there is no such style.
pub fn fill(template: &str, words: &str, style: Option<&str>) -> Result<String, PromptError> {
    let prompt = template.replacen(PLACEHOLDER, words, 1);
    Ok(match style {
        Some(style) => format!("{prompt}, {}", style_words(style)?),
        None => prompt,
    })
}

fn style_words(name: &str) -> Result<&'static str, PromptError> {
    let found = STYLES.iter().find(|(style, _)| *style == name).map(|(_, words)| *words);
    found.ok_or_else(|| PromptError::UnknownStyle { name: name.to_owned() })
}

/// The most that any provider takes is 32000 characters, the least 512; nobody describes a background at such length.
const MOST_WORDS: usize = 2000;

fn check_words(words: &str) -> Result<(), PromptError> {
    match words.chars().count() {
        0 => Err(PromptError::NoWords),
        count if count > MOST_WORDS => Err(PromptError::TooManyWords { count, limit: MOST_WORDS }),
        _ => Ok(()),
    }
}

pub(super) fn check(template: &str) -> Result<(), PromptError> {
    if template.contains(PLACEHOLDER) {
        Ok(())
    } else {
        Err(wrong("prompt.template", template, format!("a text with {PLACEHOLDER} in it")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(provider: &str, wish: Wish) -> Result<Recipe, PromptError> {
        let mut settings = PromptSettings::default();
        settings.openai.base_url = "http://127.0.0.1:1/v1".to_owned();
        let provider = Provider::open(provider, &settings)?;
        recipe(&settings, &provider, &Wish { size: (1280, 720), ..wish })
    }

    fn beach() -> Wish {
        Wish { words: " a beach ".to_owned(), ..Wish::default() }
    }

    #[test]
    fn the_template_asks_for_an_empty_plate() {
        let recipe = ask("sdwebui", beach()).unwrap();
        assert!(recipe.prompt.starts_with("a beach, wide") && recipe.prompt.contains("empty background plate"));
        assert_eq!((&*recipe.words, &*recipe.negative), ("a beach", NEGATIVE));
        let recipe = ask("openai", beach()).unwrap();
        assert!(recipe.prompt.ends_with(&format!("Do not show: {NEGATIVE}")), "{recipe:?}");
        assert_eq!((&*recipe.negative, &*recipe.model), ("", "gpt-image-2"));
        let local = ask("openai", Wish { model: Some("flux".to_owned()), ..beach() }).unwrap();
        assert_eq!((local.prompt.contains("Do not"), &*local.negative), (false, NEGATIVE));
    }

    #[test]
    fn raw_words_stay_untouched() {
        for provider in ["builtin", "openai", "sdwebui"] {
            let recipe = ask(provider, Wish { raw: true, ..beach() }).unwrap();
            assert_eq!((&*recipe.prompt, &*recipe.negative), ("a beach", ""));
        }
        let wish = Wish { raw: true, negative: Some("palms".to_owned()), ..beach() };
        assert_eq!(ask("sdwebui", wish).unwrap().negative, "palms");
    }

    #[test]
    fn styles_are_added_and_braces_in_words_are_words() {
        let recipe = ask("sdwebui", Wish { style: Some("minimal".to_owned()), ..beach() }).unwrap();
        assert!(recipe.prompt.contains("soft even light, minimalist") && recipe.style.is_empty(), "{recipe:?}");
        let recipe = ask("builtin", Wish { style: Some("minimal".to_owned()), ..beach() }).unwrap();
        assert_eq!((&*recipe.prompt, &*recipe.style), ("a beach", "minimal"));
        let error = ask("builtin", Wish { style: Some("minimall".to_owned()), ..beach() }).unwrap_err();
        assert!(matches!(error, PromptError::UnknownStyle { .. }));
        assert_eq!(fill("<{prompt}>", "a {prompt}", None).unwrap(), "<a {prompt}>");
    }

    #[test]
    fn the_painter_knows_every_style_and_what_is_not_wanted() {
        use crate::painter::Style;
        assert_eq!(Style::ALL.map(Style::name), STYLES.map(|(name, _)| name));
        let recipe = ask("builtin", Wish { negative: Some("palms".to_owned()), ..beach() }).unwrap();
        assert_eq!((&*recipe.prompt, &*recipe.negative), ("a beach", "palms"));
    }

    #[test]
    fn no_words_and_too_many_are_refused() {
        assert!(matches!(ask("builtin", Wish::default()), Err(PromptError::NoWords)));
        let wish = Wish { words: "a".repeat(2001), ..Wish::default() };
        assert!(matches!(ask("builtin", wish), Err(PromptError::TooManyWords { count: 2001, .. })));
    }
}
