//! The image in a successful response, or the error if there is none.

use serde_json::Value;

use super::{Http, Reply, rejection};
use crate::prompt::{
    GeneratedImage, PromptError,
    error_detail::{ErrorDetail, quote},
    response::{bad_response, check_image, content_kind},
};

impl Http {
    /// The image in a response: the result of `find` on its JSON, or the body itself if that is an image.
    ///
    /// # Errors
    /// If there is none: the server's message; `model` is the requested model.
    pub(in crate::prompt) fn image(
        &self,
        model: &str,
        reply: Reply,
        find: impl FnOnce(&Value) -> Result<Option<GeneratedImage>, PromptError>,
    ) -> Result<GeneratedImage, PromptError> {
        if check_image(self.provider, &reply.body).is_ok() {
            return Ok(GeneratedImage::new(reply.body));
        }
        let response = self.json(&reply.body)?;
        find(&response)?.ok_or_else(|| self.no_image_error(model, &response))
    }

    /// Parses the body of a response as JSON.
    ///
    /// # Errors
    /// If it is not JSON: the kind of content, with a quote if it is text.
    pub(in crate::prompt) fn json(&self, body: &[u8]) -> Result<Value, PromptError> {
        serde_json::from_slice(body).map_err(|error| {
            if error.classify() == serde_json::error::Category::Eof && !body.is_empty() {
                return bad_response(self.provider, "the response is cut off");
            }
            let kind = content_kind(body);
            let detail = self.clean(&quote(body));
            let colon = if detail.is_empty() { "" } else { ": " };
            bad_response(self.provider, format!("the response is {kind}, not JSON{colon}{detail}"))
        })
    }

    /// The error for a successful response without an image, from the message that it contains.
    pub(in crate::prompt) fn no_image_error(&self, model: &str, response: &Value) -> PromptError {
        let mut error = ErrorDetail::of_json(response);
        let raw = &response["error"];
        if error.text.trim().is_empty() && (raw.is_object() || raw.is_number()) {
            error.text = raw.to_string(); // unknown format: show all of it
        }
        let provider = self.provider;
        let detail = self.clean(&error.text);
        if detail.is_empty() {
            return bad_response(provider, "the response contains no image");
        }
        rejection::from_wording(provider, model, &error, detail).unwrap_or_else(|detail| bad_response(provider, detail))
    }
}
