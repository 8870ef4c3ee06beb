//! Retries a request without optional fields that the server rejects.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use reqwest::RequestBuilder;
use serde_json::Value;

use super::{Http, OnProgress, Rejected, Reply};
use crate::prompt::{GeneratedImage, PromptError, error_detail::ErrorDetail};

/// The JSON pointer of an optional request field, such as `/size`.
pub(in crate::prompt) type Pointer = &'static str;

/// The maximum number of remembered pairs of server and model.
const MAX_REMEMBERED: usize = 100;

/// The fields that servers rejected, by the server's URL and the model.
static REJECTED: Mutex<BTreeMap<(String, String), Vec<Pointer>>> = Mutex::new(BTreeMap::new());

/// Fields that do not change the image, so the user is not told when they are dropped.
const TECHNICAL: [&str; 13] = [
    "n",
    "num_images",
    "sync_mode",
    "response_format",
    "output_format",
    "output_compression",
    "batch_size",
    "n_iter",
    "send_images",
    "save_images",
    "numberOfImages",
    "cfgScale",
    "responseModalities",
];

impl Http {
    /// As [`send`](Self::send), with a JSON `body` whose `optional` fields may be dropped: each field that the server
    /// rejects is dropped, and the request is sent again. Remembers the fields for this server and model. Returns the
    /// reply and the dropped fields.
    ///
    /// # Errors
    /// As [`send`](Self::send), if the server rejects the request for another reason.
    pub(in crate::prompt) async fn send_adaptive(
        &self,
        model: &str,
        progress: OnProgress<'_>,
        mut body: Value,
        optional: &[Pointer],
        make: impl Fn(&Value) -> Result<RequestBuilder, PromptError>,
    ) -> Result<(Reply, Vec<Pointer>), PromptError> {
        let server = (self.base.to_string(), model.to_owned());
        let mut dropped: Vec<Pointer> = remembered().get(&server).cloned().unwrap_or_default();
        dropped.retain(|pointer| remove(&mut body, pointer));
        let known = dropped.len();
        loop {
            let may_repeat = |error: &PromptError| !error.may_be_billed();
            let Rejected { error, detail } = match self.try_send(model, progress, may_repeat, || make(&body)).await {
                Ok(reply) => {
                    if dropped.len() > known {
                        remember(server, &dropped);
                    }
                    return Ok((reply, dropped));
                }
                Err(rejected) => rejected,
            };
            let present = optional.iter().copied().filter(|pointer| body.pointer(pointer).is_some());
            match rejected_field(&error, &detail, present) {
                Some(pointer) => {
                    tracing::info!("{error}; trying again without {}", name(pointer));
                    remove(&mut body, pointer);
                    dropped.push(pointer);
                }
                None => return Err(error),
            }
        }
    }

    /// The image in the response to a request: sends it as [`send_adaptive`](Self::send_adaptive) does and finds the
    /// image as [`image`](Self::image) does. The image has a note for each dropped field.
    ///
    /// # Errors
    /// As both.
    pub(in crate::prompt) async fn request_image(
        &self,
        model: &str,
        progress: OnProgress<'_>,
        body: Value,
        optional: &[Pointer],
        make: impl Fn(&Value) -> Result<RequestBuilder, PromptError>,
        find: impl FnOnce(&Value) -> Result<Option<GeneratedImage>, PromptError>,
    ) -> Result<GeneratedImage, PromptError> {
        let (reply, dropped) = self.send_adaptive(model, progress, body, optional, make).await?;
        let image = self.image(model, reply, find)?;
        Ok(GeneratedImage { notes: self.dropped_field_notes(&dropped), ..image })
    }

    /// Notes for the user about dropped fields.
    pub(in crate::prompt) fn dropped_field_notes(&self, dropped: &[Pointer]) -> Vec<String> {
        let relevant = dropped.iter().map(|pointer| name(pointer)).filter(|name| !TECHNICAL.contains(name));
        relevant.map(|name| format!("{} does not support {name:?}, so it was ignored", self.place())).collect()
    }
}

fn remembered() -> MutexGuard<'static, BTreeMap<(String, String), Vec<Pointer>>> {
    REJECTED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Adds `dropped` to the remembered fields of a server and model.
fn remember(server: (String, String), dropped: &[Pointer]) {
    let mut remembered = remembered();
    if remembered.len() >= MAX_REMEMBERED && !remembered.contains_key(&server) {
        remembered.pop_first();
    }
    let known = remembered.entry(server).or_default();
    for pointer in dropped {
        if !known.contains(pointer) {
            known.push(pointer);
        }
    }
}

/// The last part of a pointer: the field's name in error messages.
fn name(pointer: Pointer) -> &'static str {
    pointer.rsplit('/').next().unwrap_or(pointer)
}

/// Removes a field; false if there is none.
fn remove(body: &mut Value, pointer: Pointer) -> bool {
    let parent = pointer.rsplit_once('/').and_then(|(parent, _)| body.pointer_mut(parent));
    parent.and_then(Value::as_object_mut).is_some_and(|parent| parent.remove(name(pointer)).is_some())
}

/// The field of `present` that the server rejected: one that the response lists, or else the first that its message
/// names.
fn rejected_field(
    error: &PromptError,
    detail: &ErrorDetail,
    present: impl Iterator<Item = Pointer> + Clone,
) -> Option<Pointer> {
    if !matches!(error, PromptError::BadRequest { status: 400 | 422, .. }) {
        return None;
    }
    let find = |named: &str| present.clone().find(|pointer| normalized(name(pointer)) == normalized(named));
    if detail.fields.is_empty() {
        named_fields(&detail.text).find_map(find)
    } else {
        detail.fields.iter().find_map(|named| find(named))
    }
}

/// A name in lower case without underscores, so that `imageConfig` equals `image_config`.
fn normalized(name: &str) -> String {
    name.chars().filter(|letter| *letter != '_').flat_map(char::to_lowercase).collect()
}

/// The field names in a message: words in quotes or brackets, after a slash or a colon, or with an underscore. Ordinary
/// words such as "size" count only in these positions.
fn named_fields(text: &str) -> impl Iterator<Item = &str> {
    let word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let mut rest = 0;
    std::iter::from_fn(move || {
        let start = rest + text[rest..].find(word)?;
        let end = text[start..].find(|letter: char| !word(letter)).map_or(text.len(), |length| start + length);
        rest = end;
        Some((&text[..start], &text[start..end], &text[end..]))
    })
    .filter(|(before, name, after)| {
        const QUOTES: [char; 10] = ['\'', '"', '`', '‘', '’', '“', '”', '[', ']', '/'];
        let quoted = before.ends_with(QUOTES) && (before.ends_with('/') || after.starts_with(QUOTES));
        quoted || name.contains('_') || before.ends_with(": ")
    })
    .map(|(_, name, _)| name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::prompt::Name;

    const OPTIONAL: [Pointer; 5] = ["/n", "/size", "/seed", "/negative_prompt", "/config/imageConfig"];

    fn rejected(body: &Value) -> Option<&'static str> {
        let error = PromptError::BadRequest { provider: Name::OpenAi, status: 400, detail: String::new() };
        rejected_field(&error, &ErrorDetail::of_json(body), OPTIONAL.iter().copied()).map(name)
    }

    #[test]
    fn the_rejected_field_is_found_in_the_message() {
        for (message, field) in [
            ("Unknown parameter: 'seed'.", Some("seed")),
            ("Unrecognized request argument supplied: seed", Some("seed")),
            ("negative_prompt is not supported by this model", Some("negative_prompt")),
            ("Additional properties are not allowed ('size' was unexpected)", Some("size")),
            ("unknown field `seed`, expected one of `model`, `prompt`, `size`", Some("seed")),
            ("json: unknown field \"n\"", Some("n")),
            ("Malformed input request: #: extraneous key [seed] is not permitted", Some("seed")),
            ("Malformed input request: #/size: no such size", Some("size")),
            ("Unknown name \"imageConfig\" at 'generation_config': Cannot find field.", Some("imageConfig")),
            ("the image size is too large and the seed too small, n/a", None),
            ("'prompt' is too long", None),
            ("don't", None),
            ("", None),
        ] {
            assert_eq!(rejected(&json!({"error": {"message": message}})), field, "{message}");
        }
    }

    #[test]
    fn a_listed_field_wins_over_the_message() {
        let of = |param: &str| rejected(&json!({"error": {"message": "'size' or 'seed' is bad", "param": param}}));
        assert_eq!((of("seed"), of("body.size"), of("prompt")), (Some("seed"), Some("size"), None));
        let google = json!({"error": {"message": "bad", "details": [
            {"fieldViolations": [{"field": "generation_config.image_config"}]}]}});
        assert_eq!(rejected(&google), Some("imageConfig"));
        let body = ErrorDetail::of_json(&json!({"error": {"param": "seed"}}));
        let other = PromptError::Moderated { provider: Name::OpenAi, detail: String::new() };
        assert_eq!(rejected_field(&other, &body, OPTIONAL.iter().copied()), None);
    }

    #[test]
    fn nested_fields_are_removed() {
        let mut body = json!({"seed": 1, "config": {"imageConfig": {}, "x": 1}});
        assert!(remove(&mut body, "/seed") && remove(&mut body, "/config/imageConfig"));
        assert!(!remove(&mut body, "/seed") && !remove(&mut body, "/nothing/here"));
        assert_eq!(body, json!({"config": {"x": 1}}));
    }

    #[test]
    fn the_number_of_remembered_servers_is_bounded() {
        for number in 0..2 * MAX_REMEMBERED {
            remember((format!("http://host-{number}.example/"), String::new()), &["/seed"]);
        }
        assert!(remembered().len() <= MAX_REMEMBERED);
    }
}
