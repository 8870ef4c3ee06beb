//! Multipart forms: the fields of a JSON object, and an image.

use reqwest::multipart::{Form, Part};
use serde_json::Value;

use crate::prompt::{PromptError, SourceImage};

/// A form with the fields of a JSON object; values that are not strings are sent as JSON.
pub(in crate::prompt) fn form(fields: &Value) -> Form {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let fields = fields.as_object().into_iter().flatten();
    fields.fold(Form::new(), |form, (name, value)| form.text(name.clone(), text(value)))
}

/// The same with an image as the file `image`.
///
/// # Errors
/// Never: its media type is valid.
pub(in crate::prompt) fn form_with_image(fields: &Value, source: &SourceImage) -> Result<Form, PromptError> {
    let part = Part::bytes(source.bytes().to_vec()).file_name(source.file_name()).mime_str(source.mime());
    Ok(form(fields).part("image", part.map_err(|error| PromptError::Internal(error.to_string()))?))
}
