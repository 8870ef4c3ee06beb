//! Requests whose optional fields are left out when a server does not know them.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use reqwest::RequestBuilder;
use serde_json::Value;

use super::{Http, Refused, Reply, Report};
use crate::prompt::{PromptError, complaint::Complaint};

/// An optional field of a request: its JSON pointer, such as `/size`.
pub(in crate::prompt) type Pointer = &'static str;

/// The most servers and models that are remembered.
const MAX_REMEMBERED: usize = 100;

/// The fields that a server refused, by its address and the model.
static REFUSED: Mutex<BTreeMap<(String, String), Vec<Pointer>>> = Mutex::new(BTreeMap::new());

/// Fields of no interest to the user, who gets the same picture without them.
const TECHNICAL: [&str; 11] = [
    "n",
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
    /// As [`ask`](Self::ask) with a `body` of which the fields in `optional` may be missing: one that the server names
    /// when it refuses the request is left out from then on, each at most once. Gives the fields that were left out too.
    ///
    /// # Errors
    /// As [`ask`](Self::ask), when the server refuses for another reason.
    pub(in crate::prompt) async fn ask_without(
        &self,
        model: &str,
        progress: Report<'_>,
        mut body: Value,
        optional: &[Pointer],
        make: impl Fn(&Value) -> Result<RequestBuilder, PromptError>,
    ) -> Result<(Reply, Vec<Pointer>), PromptError> {
        let place = (self.base.to_string(), model.to_owned());
        let mut left_out: Vec<Pointer> = remembered().get(&place).cloned().unwrap_or_default();
        left_out.retain(|pointer| remove(&mut body, pointer));
        let known = left_out.len();
        loop {
            let Refused { error, complaint } = match self.try_ask(model, progress, || make(&body)).await {
                Ok(reply) => {
                    if left_out.len() > known {
                        remember(place, &left_out);
                    }
                    return Ok((reply, left_out));
                }
                Err(refused) => refused,
            };
            let present = optional.iter().copied().filter(|pointer| body.pointer(pointer).is_some());
            match at_fault(&error, &complaint, present) {
                Some(pointer) => {
                    tracing::info!("{error}; trying again without {}", name(pointer));
                    remove(&mut body, pointer);
                    left_out.push(pointer);
                }
                None => return Err(error),
            }
        }
    }

    /// What the user should know about fields that were left out.
    pub(in crate::prompt) fn left_out_notes(&self, left_out: &[Pointer]) -> Vec<String> {
        let told = left_out.iter().map(|pointer| name(pointer)).filter(|name| !TECHNICAL.contains(name));
        told.map(|name| format!("{} does not accept {name:?}, so it was left out", self.place())).collect()
    }
}

fn remembered() -> MutexGuard<'static, BTreeMap<(String, String), Vec<Pointer>>> {
    REFUSED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Adds to what is remembered of a place; fields that this request did not have stay remembered.
fn remember(place: (String, String), left_out: &[Pointer]) {
    let mut remembered = remembered();
    if remembered.len() >= MAX_REMEMBERED && !remembered.contains_key(&place) {
        remembered.pop_first();
    }
    let known = remembered.entry(place).or_default();
    for pointer in left_out {
        if !known.contains(pointer) {
            known.push(pointer);
        }
    }
}

/// The last part of a pointer, by which servers name a field.
fn name(pointer: Pointer) -> &'static str {
    pointer.rsplit('/').next().unwrap_or(pointer)
}

/// Removes a field; false when there was none.
fn remove(body: &mut Value, pointer: Pointer) -> bool {
    let parent = pointer.rsplit_once('/').and_then(|(parent, _)| body.pointer_mut(parent));
    parent.and_then(Value::as_object_mut).is_some_and(|parent| parent.remove(name(pointer)).is_some())
}

/// The field of `present` that a refusal blames: the one that the server names in a field of its own, else the first
/// that its message names.
fn at_fault(
    error: &PromptError,
    complaint: &Complaint,
    present: impl Iterator<Item = Pointer> + Clone,
) -> Option<Pointer> {
    if !matches!(error, PromptError::BadRequest { status: 400 | 422, .. }) {
        return None;
    }
    let find = |named: &str| present.clone().find(|pointer| plain(name(pointer)) == plain(named));
    if complaint.fields.is_empty() {
        named_in(&complaint.text).find_map(find)
    } else {
        complaint.fields.iter().find_map(|named| find(named))
    }
}

/// A name without the differences between `imageConfig` and `image_config`.
fn plain(name: &str) -> String {
    name.chars().filter(|letter| *letter != '_').flat_map(char::to_lowercase).collect()
}

/// The words of a message that are names of fields: in quotes or brackets, after a slash or a colon, or with an
/// underscore. Everyday words such as "size" are names only then.
fn named_in(text: &str) -> impl Iterator<Item = &str> {
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
    use crate::prompt::provider::Name;

    const OPTIONAL: [Pointer; 5] = ["/n", "/size", "/seed", "/negative_prompt", "/config/imageConfig"];

    fn blamed(body: &Value) -> Option<&'static str> {
        let error = PromptError::BadRequest { provider: Name::OpenAi, status: 400, said: String::new() };
        at_fault(&error, &Complaint::of_json(body), OPTIONAL.iter().copied()).map(name)
    }

    #[test]
    fn the_field_that_is_blamed_is_found() {
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
            assert_eq!(blamed(&json!({"error": {"message": message}})), field, "{message}");
        }
    }

    #[test]
    fn a_field_of_its_own_wins_over_the_message() {
        let of = |param: &str| blamed(&json!({"error": {"message": "'size' or 'seed' is bad", "param": param}}));
        assert_eq!((of("seed"), of("body.size"), of("prompt")), (Some("seed"), Some("size"), None));
        let google = json!({"error": {"message": "bad", "details": [
            {"fieldViolations": [{"field": "generation_config.image_config"}]}]}});
        assert_eq!(blamed(&google), Some("imageConfig"));
        let body = Complaint::of_json(&json!({"error": {"param": "seed"}}));
        let other = PromptError::Moderated { provider: Name::OpenAi, said: String::new() };
        assert_eq!(at_fault(&other, &body, OPTIONAL.iter().copied()), None);
    }

    #[test]
    fn fields_are_removed_wherever_they_are() {
        let mut body = json!({"seed": 1, "config": {"imageConfig": {}, "x": 1}});
        assert!(remove(&mut body, "/seed") && remove(&mut body, "/config/imageConfig"));
        assert!(!remove(&mut body, "/seed") && !remove(&mut body, "/nothing/here"));
        assert_eq!(body, json!({"config": {"x": 1}}));
    }

    #[test]
    fn a_bounded_number_of_places_is_remembered() {
        for number in 0..2 * MAX_REMEMBERED {
            remember((format!("http://host-{number}.example/"), String::new()), &["/seed"]);
        }
        assert!(remembered().len() <= MAX_REMEMBERED);
    }
}
