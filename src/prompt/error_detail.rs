//! Error details in a server's response: its message, its error codes and the fields it rejects.

use serde_json::Value;

use super::response::{content_kind, items};

/// The JSON keys of error messages, the most specific first.
const MESSAGES: [&str; 12] = [
    "message",
    "Message",
    "errorMessage",
    "detail",
    "details",
    "errors",
    "msg",
    "error_description",
    "description",
    "reason",
    "raw",
    "error",
];

/// The error details that a response body contains.
#[derive(Debug, Default, PartialEq)]
pub(super) struct ErrorDetail {
    /// The error's identifiers (code, type, status), joined by spaces.
    pub(super) code: String,
    /// The message.
    pub(super) text: String,
    /// The rejected fields of the request, if the body lists them separately.
    pub(super) fields: Vec<String>,
}

impl ErrorDetail {
    /// Reads the error formats of OpenAI, Amazon (JSON and XML), Google, Stability, sd-server, A1111 and ComfyUI; any
    /// other text is the message itself.
    pub(super) fn read(body: &[u8]) -> Self {
        if let Ok(value) = serde_json::from_slice::<Value>(body) {
            return Self::of_json(&value);
        }
        let text = String::from_utf8_lossy(body);
        if let Some(message) = element(&text, "Message") {
            return Self { code: element(&text, "Code").unwrap_or_default(), text: message, ..Self::default() };
        }
        let text = match (content_kind(body), quote(body)) {
            ("a text file", text) => text,
            ("nothing" | "empty", _) => String::new(),
            (found, title) if title.is_empty() => format!("the server sent {found}"),
            (found, title) => format!("the server sent {found}: {title}"),
        };
        Self { text, ..Self::default() }
    }

    /// Reads a JSON response; a successful one has no message.
    pub(super) fn of_json(value: &Value) -> Self {
        let error = &value["error"];
        let inner = if error.is_object() { error } else { value };
        let codes = ["code", "type", "status", "name", "__type"].map(|key| inner[key].as_str().unwrap_or_default());
        let error_name = error.as_str().filter(|name| !name.contains(' ')).unwrap_or_default();
        let listed = items(&value["detail"]).iter().filter_map(|detail| detail["type"].as_str());
        let codes = codes.into_iter().chain([error_name]).chain(listed);
        let code = codes.filter(|code| !code.is_empty()).collect::<Vec<_>>().join(" ");
        // A string in `data` may be an image, an object there may contain a message.
        let data = items(&value["data"]).iter().filter(|datum| datum.is_object());
        let texts = [inner, value].into_iter().chain(data).map(message);
        let mut text = texts.into_iter().find(|text| !text.trim().is_empty()).unwrap_or_default();
        if let Some(node) = node_error(value) {
            text = format!("{text}: {node}");
        }
        Self { code, text, fields: fields(value) }
    }

    /// Whether the identifiers or the message contain one of `phrases`, which are lower case.
    pub(super) fn contains(&self, phrases: &[&str]) -> bool {
        let whole = format!("{} {}", self.code, self.text).to_lowercase();
        phrases.iter().any(|phrase| whole.contains(phrase))
    }
}

/// The message in a JSON value: a string, the first message of an object, or the joined messages of an array.
fn message(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(list) => list.iter().map(message).filter(|text| !text.is_empty()).collect::<Vec<_>>().join("; "),
        Value::Object(map) => {
            let texts = MESSAGES.iter().filter_map(|key| map.get(*key)).map(message);
            texts.into_iter().find(|text| !text.trim().is_empty()).unwrap_or_default()
        }
        _ => String::new(),
    }
}

/// ComfyUI's message about the first invalid node.
fn node_error(value: &Value) -> Option<String> {
    let error = value["node_errors"].as_object()?.values().find_map(|node| node["errors"].get(0))?;
    let texts = [&error["message"], &error["details"]].map(message);
    Some(texts.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(": "))
}

/// The fields in `param` (OpenAI), `loc` (FastAPI) or `fieldViolations` (Google), without their path.
fn fields(value: &Value) -> Vec<String> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut named = vec![value["error"]["param"].clone(), value["param"].clone()];
    for detail in list(&value["detail"]) {
        named.extend(list(&detail["loc"]).pop());
    }
    for detail in list(&value["error"]["details"]) {
        named.extend(list(&detail["fieldViolations"]).into_iter().map(|violation| violation["field"].clone()));
    }
    let last = |path: &str| path.rsplit(['.', '/']).next().unwrap_or_default().to_owned();
    named.iter().filter_map(Value::as_str).map(last).filter(|name| !name.is_empty()).collect()
}

/// The text of the first element `<name>` in XML or HTML.
fn element(text: &str, name: &str) -> Option<String> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    Some(rest.split_once("</")?.0.trim().to_owned())
}

/// A quote from a body that is not JSON: a whole text, or the title of a web page; empty for anything else.
pub(super) fn quote(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    match content_kind(body) {
        "a text file" => text.into_owned(),
        "a web page" => element(&text, "title").unwrap_or_default(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_format_is_read() {
        for (body, code, text) in [
            (r#"{"error":{"message":"no","type":"t","param":null,"code":"c"}}"#, "c t", "no"),
            (r#"{"error":{"code":404,"message":"no","status":"NOT_FOUND"}}"#, "NOT_FOUND", "no"),
            (r#"{"error":"width and height must be positive"}"#, "", "width and height must be positive"),
            (r#"{"error":"server_error","message":"no"}"#, "server_error", "no"),
            (r#"{"message":"no","__type":"ValidationException"}"#, "ValidationException", "no"),
            (r#"{"id":"1","name":"content_moderation","errors":["a","b"]}"#, "content_moderation", "a; b"),
            (r#"{"error":"OutOfMemoryError","detail":"","body":"","errors":"no"}"#, "OutOfMemoryError", "no"),
            (r#"{"detail":[{"loc":["body"],"msg":"no","type":"missing"}]}"#, "missing", "no"),
            (r#"{"error":["a",{"message":"b"}]}"#, "", "a; b"),
            (r#"{"error":{"error":{"message":"no"}}}"#, "", "no"),
            (r#"{"error":{"message":null,"details":[{"reason":"no"}]}}"#, "", "no"),
            (r#"{"error":{"message":{"text":1,"description":"no"}}}"#, "", "no"),
            (r#"{"errors":[{"message":"no"}],"data":null}"#, "", "no"),
            (r#"{"data":[{"error":"no"}]}"#, "", "no"),
            (r#"{"errorMessage":"no","errorType":"KeyError","stackTrace":["x"]}"#, "", "no"),
            (r#"{"error":{"code":7},"message":"no"}"#, "", "no"),
            (r#"{"error":true,"detail":{"error":"no"}}"#, "", "no"),
            (
                r#"{"error":{"type":"t","message":"no"},"node_errors":{"4":{"errors":[{"message":"not in list","details":"ckpt"}]}}}"#,
                "t",
                "no: not in list: ckpt",
            ),
            ("<ErrorResponse><Error><Code>C</Code><Message>no</Message></Error></ErrorResponse>", "C", "no"),
            ("<html>502</html>", "", "the server sent a web page"),
            ("<html><head><title> 502 Bad\nGateway </title>", "", "the server sent a web page: 502 Bad\nGateway"),
            ("upstream timed out", "", "upstream timed out"),
            (r#""upstream timed out""#, "", "upstream timed out"),
            ("", "", ""),
            ("17", "", ""),
            ("null", "", ""),
            (r#"{"images":[],"data":[],"error":null}"#, "", ""),
        ] {
            let ErrorDetail { code: found_code, text: found_text, .. } = ErrorDetail::read(body.as_bytes());
            assert_eq!((&*found_code, &*found_text), (code, text), "{body}");
        }
    }

    #[test]
    fn rejected_fields_are_found() {
        for (body, expected) in [
            (r#"{"error":{"message":"no","param":"seed"}}"#, &["seed"][..]),
            (r#"{"error":{"message":"no","param":"body.seed"}}"#, &["seed"]),
            (r#"{"detail":[{"loc":["body","seed"],"msg":"no"},{"loc":["body","n"],"msg":"no"}]}"#, &["seed", "n"]),
            (
                r#"{"error":{"details":[{"fieldViolations":[{"field":"generation_config.seed","description":"no"}]}]}}"#,
                &["seed"],
            ),
            (r#"{"error":{"message":"no","param":null}}"#, &[]),
            (r#"{"detail":"no","error":"no"}"#, &[]),
        ] {
            assert_eq!(ErrorDetail::read(body.as_bytes()).fields, expected, "{body}");
        }
    }
}
