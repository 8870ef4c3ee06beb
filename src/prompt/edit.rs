//! Edits of an image by words: how a provider makes them, what the recipe records, and the prompt that is sent.

use serde::{Deserialize, Serialize};

use super::{PromptError, Recipe, template};

/// The maximum length of the description of an edited image in characters. The first description matters most, so the
/// rest is cut off.
const MAX_SCENE_LEN: usize = 1000;

/// How a model makes an edit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EditSupport {
    /// Not at all, and the reason as a clause; empty if the provider has no edits.
    Unsupported(&'static str),
    /// It follows an instruction such as "make it night".
    Instruction,
    /// It keeps the structure of the image, and needs a description of the whole result.
    Description,
    /// It generates a new image from the descriptions of both, without the image.
    NewImage,
}

/// The image that an edit starts from, as a part of the recipe.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Parent {
    /// Its id in the gallery.
    pub id: String,
    /// What it shows: its prompt and those of the edits that led to it; empty if that is unknown.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub scene: String,
    /// Whether the first image was the user's own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub imported: bool,
}

impl Parent {
    /// The image with this id, which was generated from `recipe` unless it was `imported`.
    pub fn new(id: &str, recipe: &Recipe, imported: bool) -> Self {
        let (scene, imported) = match &recipe.parent {
            _ if imported => (String::new(), true),
            Some(parent) => (parent.with(&recipe.text), parent.imported),
            None => (recipe.text.clone(), false),
        };
        Self { id: id.to_owned(), scene: scene.chars().take(MAX_SCENE_LEN).collect(), imported }
    }

    /// The description of this image after the edit `text`.
    pub fn with(&self, text: &str) -> String {
        if self.scene.is_empty() { text.to_owned() } else { format!("{}, {text}", self.scene) }
    }
}

impl EditSupport {
    /// The prompt for the edit `text` of an image; `raw` sends only the text.
    pub(super) fn prompt(self, text: &str, style: Option<&str>, parent: &Parent, raw: bool) -> String {
        match self {
            Self::NewImage if !raw => parent.with(text),
            _ if raw => template::fill(template::PLACEHOLDER, text, style),
            Self::Description | Self::NewImage => template::fill(template::EDITED_SCENE, &parent.with(text), style),
            Self::Instruction | Self::Unsupported(_) => {
                let instruction = template::fill(template::PLACEHOLDER, text, style);
                template::fill(template::EDIT, instruction.trim_end_matches(['.', ' ']), None)
            }
        }
    }
}

impl PromptError {
    /// The error for an edit that the provider of `recipe` does not support; `why` is a clause, or empty.
    pub(super) fn cannot_edit(recipe: &Recipe, why: &str) -> Self {
        let scene = recipe.parent.as_ref().map_or_else(|| recipe.text.clone(), |parent| parent.with(&recipe.text));
        let quoted = shlex::try_quote(&scene).unwrap_or_default();
        let command = format!("bgcam set-prompt {quoted} --provider {}", recipe.provider);
        Self::CannotEdit { provider: recipe.provider.clone(), why: why.to_owned(), command }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe(text: &str, parent: Option<Parent>) -> Recipe {
        Recipe { text: text.to_owned(), provider: "gateway".to_owned(), parent, ..Recipe::default() }
    }

    #[test]
    fn the_description_grows_with_each_edit() {
        let beach = Parent::new("beach-1", &recipe("a beach", None), false);
        let night = Parent::new("night-1", &recipe("make it night", Some(beach)), false);
        assert_eq!((&*night.scene, night.imported), ("a beach, make it night", false));
        let photo = Parent::new("photo-1", &recipe("IMG_1", None), true);
        assert_eq!((&*photo.scene, photo.imported), ("", true), "a file name describes nothing");
        let edited = Parent::new("edited-1", &recipe("add snow", Some(photo)), false);
        assert_eq!((&*edited.scene, edited.imported), ("add snow", true));
        let long = Parent::new("long-1", &recipe(&"ü".repeat(5000), None), false);
        assert_eq!(long.scene.chars().count(), MAX_SCENE_LEN);
    }

    #[test]
    fn an_edit_is_not_wrapped_like_a_scene() {
        let beach = Parent { scene: "a beach".to_owned(), ..Parent::default() };
        let prompt = |support: EditSupport, raw| support.prompt("make it night.", None, &beach, raw);
        let instruction = prompt(EditSupport::Instruction, false);
        assert!(instruction.starts_with("make it night. Keep ") && instruction.contains("no people"), "{instruction}");
        assert!(!instruction.contains("establishing shot") && !instruction.contains("a beach"), "{instruction}");
        let description = prompt(EditSupport::Description, false);
        assert!(description.starts_with("a beach, make it night., "), "{description}");
        assert_eq!(prompt(EditSupport::NewImage, false), "a beach, make it night.");
        for support in [EditSupport::Instruction, EditSupport::Description, EditSupport::NewImage] {
            assert_eq!(prompt(support, true), "make it night.", "{support:?}");
        }
        let styled = EditSupport::Instruction.prompt("make it night", Some("oil painting"), &beach, false);
        assert!(styled.starts_with("make it night, oil painting. Keep "), "{styled}");
    }

    #[test]
    fn the_error_has_a_command_for_a_new_image() {
        let beach = Parent { scene: "a beach".to_owned(), ..Parent::default() };
        let failure = crate::error::Failure::from(PromptError::cannot_edit(&recipe("it's night", Some(beach)), ""));
        assert_eq!(failure.message, "provider gateway cannot edit images");
        let expected =
            "generate a new image from both prompts: `bgcam set-prompt \"a beach, it's night\" --provider gateway`";
        assert_eq!(failure.hint.as_deref(), Some(expected));
    }
}
