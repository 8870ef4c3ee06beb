//! The prompt template, the styles and the default negative prompt.

/// The placeholder for the user's text in a template.
pub const PLACEHOLDER: &str = "{prompt}";

/// The default template, which asks for a scene that fits behind a person in front of a webcam:
///
/// - A webcam is at eye level, so the horizon is too; with any other, the person seems to float or to be a giant.
/// - A webcam is wide, but an image as wide makes a room look like a hall; 35 mm is between it and the eye.
/// - The person covers the middle, so what matters belongs to its sides.
///
/// It only describes what should be there: diffusion models tend to add what a prompt mentions, even in "no people". One
/// template serves all providers, because all models know the terms of photography; only the way of a negative prompt
/// differs, which `plan.rs` decides.
pub const DEFAULT: &str = "{prompt}, wide establishing shot at eye level, level horizon at half height, 35 mm lens, \
                           open uncluttered middle, empty background plate for a video call, soft even light";

/// The prompt for an edit by a model that follows instructions.
pub(super) const EDIT: &str =
    "{prompt}. Keep the composition, the perspective and everything else as it is: no people, no text.";

/// The prompt for an edit by a model that needs a description of the whole result.
pub(super) const EDITED_SCENE: &str = "{prompt}, same composition, empty background plate";

/// The default negative prompt.
pub const NEGATIVE: &str = "people, person, face, hands, text, letters, watermark, logo, frame, collage";

/// The styles and the text that each adds to a prompt.
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

/// The text that a style adds; `None` if there is no such style.
pub fn style_text(name: &str) -> Option<&'static str> {
    STYLES.iter().find(|(style, _)| *style == name).map(|(_, text)| *text)
}

/// `template` with `text` in place of the first placeholder, followed by the text of a style.
pub fn fill(template: &str, text: &str, style_text: Option<&str>) -> String {
    let prompt = template.replacen(PLACEHOLDER, text, 1);
    match style_text {
        Some(style) => format!("{prompt}, {style}"),
        None => prompt,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_placeholder_in_the_text_is_not_replaced() {
        assert_eq!(fill("<{prompt}>", "a {prompt}", None), "<a {prompt}>");
    }

    #[test]
    fn the_painter_knows_every_style() {
        use crate::painter::Style;
        assert_eq!(Style::ALL.map(Style::name), STYLES.map(|(name, _)| name));
    }
}
