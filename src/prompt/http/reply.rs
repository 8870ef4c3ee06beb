//! The picture in a good answer, and what it means when there is none.

use serde_json::Value;

use super::{Http, Reply, refusal};
use crate::prompt::{
    Picture, PromptError,
    answer::{bad, check_picture, kind_of},
    complaint::{Complaint, quote},
};

impl Http {
    /// The picture in an answer: what `find` finds in its JSON, or the whole answer where that is a picture.
    ///
    /// # Errors
    /// When there is none: what the server says instead; `model` is the one that was asked.
    pub(in crate::prompt) fn picture(
        &self,
        model: &str,
        reply: Reply,
        find: impl FnOnce(&Value) -> Result<Option<Picture>, PromptError>,
    ) -> Result<Picture, PromptError> {
        if check_picture(self.provider, &reply.body).is_ok() {
            return Ok(Picture { bytes: reply.body, ..Picture::default() });
        }
        let answer = self.json(&reply.body)?;
        find(&answer)?.ok_or_else(|| self.no_picture(model, &answer))
    }

    /// The JSON of an answer.
    ///
    /// # Errors
    /// When it is something else: what kind of thing, in the server's words where it has some.
    pub(in crate::prompt) fn json(&self, body: &[u8]) -> Result<Value, PromptError> {
        serde_json::from_slice(body).map_err(|error| {
            if error.classify() == serde_json::error::Category::Eof && !body.is_empty() {
                return bad(self.provider, "the answer is cut off");
            }
            let (kind, said) = (kind_of(body), self.clean(&quote(body)));
            let colon = if said.is_empty() { "" } else { ": " };
            bad(self.provider, format!("the answer is {kind}, not JSON{colon}{said}"))
        })
    }

    /// Why there is no picture in an answer that claims success, as far as the answer says it.
    pub(in crate::prompt) fn no_picture(&self, model: &str, answer: &Value) -> PromptError {
        let mut complaint = Complaint::of_json(answer);
        let error = &answer["error"];
        if complaint.text.trim().is_empty() && (error.is_object() || error.is_number()) {
            complaint.text = error.to_string(); // no message that we know of, so all of it
        }
        let (provider, said) = (self.provider, self.clean(&complaint.text));
        if said.is_empty() {
            return bad(provider, "the answer has no picture in it");
        }
        refusal::by_wording(provider, model, &complaint, said).unwrap_or_else(|said| bad(provider, said))
    }
}
