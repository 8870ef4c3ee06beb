//! Reading what servers answer: JSON, pictures in base64, complaints in all their shapes.

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{PromptError, provider::Name};
use crate::picture::{self, PictureError};

/// Base64 with or without its padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Reads an answer's JSON; what kind of thing it is instead is said in the error.
pub(super) fn json<T: DeserializeOwned>(provider: Name, body: &[u8]) -> Result<T, PromptError> {
    serde_json::from_slice(body).map_err(|error| {
        let what = match error.classify() {
            serde_json::error::Category::Data => format!("the answer has another shape: {}", without_value(&error)),
            serde_json::error::Category::Eof if !body.is_empty() => "the answer is cut off".to_owned(),
            _ => format!("the answer is {}, not JSON", kind_of(body)),
        };
        bad(provider, what)
    })
}

/// What serde expected, and where. What it found instead is quoted whole, which may be a picture or a key: that is left out.
fn without_value(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(", expected ").map_or_else(|| text.clone(), |(_, expected)| format!("expected {expected}"))
}

/// The picture in `text`, which is base64, with or without a `data:` in front.
pub(super) fn picture_in(provider: Name, text: &str) -> Result<Vec<u8>, PromptError> {
    let text = match text.strip_prefix("data:") {
        Some(data) => data.split_once(";base64,").map_or("", |(_, text)| text),
        None => text,
    };
    if text.trim().is_empty() {
        return Err(bad(provider, "the answer has an empty picture"));
    }
    let bytes = if text.bytes().any(|byte| byte.is_ascii_whitespace()) {
        BASE64.decode(text.split_ascii_whitespace().collect::<String>())
    } else {
        BASE64.decode(text)
    };
    let bytes = bytes.map_err(|error| bad(provider, format!("its base64 is damaged or cut off: {error}")))?;
    check_picture(provider, &bytes)?;
    Ok(bytes)
}

/// Looks whether `bytes` begin as a PNG, JPEG or WebP picture does.
pub(super) fn check_picture(provider: Name, bytes: &[u8]) -> Result<(), PromptError> {
    picture::sniff(bytes, "").map(drop).map_err(|error| match error {
        PictureError::Unsupported { format: found, .. } | PictureError::NotAPicture { found, .. } => {
            let found = if found == "empty" { "nothing" } else { found };
            PromptError::NotAPicture { provider, found }
        }
        other => bad(provider, other.to_string()),
    })
}

pub(super) fn bad(provider: Name, what: impl Into<String>) -> PromptError {
    PromptError::BadAnswer { provider, what: what.into() }
}

fn kind_of(body: &[u8]) -> &'static str {
    match picture::sniff(body, "") {
        Ok(_) => "a picture",
        Err(PictureError::Unsupported { format: found, .. } | PictureError::NotAPicture { found, .. }) => found,
        Err(_) => "something unknown",
    }
}

/// What a server says when it refuses, as far as it can be found in the body.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Complaint {
    /// The names of the error: code, type, status; joined by spaces.
    pub(super) code: String,
    /// The text for people.
    pub(super) text: String,
}

impl Complaint {
    /// Reads the shapes of OpenAI, Amazon, Google, Stability, sd-server, A1111 and ComfyUI, the XML of Amazon, and
    /// otherwise takes plain text as it is.
    pub(super) fn read(body: &[u8]) -> Self {
        if let Ok(value) = serde_json::from_slice::<Value>(body) {
            return Self::of_json(&value);
        }
        let text = String::from_utf8_lossy(body);
        if let Some(message) = element(&text, "Message") {
            return Self { code: element(&text, "Code").unwrap_or_default(), text: message };
        }
        match kind_of(body) {
            "a text file" => Self { code: String::new(), text: text.into_owned() },
            "nothing" | "empty" => Self::default(),
            found => Self { code: String::new(), text: format!("the server sent {found}") },
        }
    }

    fn of_json(value: &Value) -> Self {
        let error = &value["error"];
        let inner = if error.is_object() { error } else { value };
        let codes = ["code", "type", "status", "name", "__type"].map(|key| inner[key].as_str().unwrap_or_default());
        let texts = ["message", "Message", "detail", "details", "errors", "msg"].map(|key| words(&inner[key]));
        let mut text = texts.into_iter().find(|text| !text.is_empty()).unwrap_or_default();
        if text.is_empty() {
            text = words(error);
        }
        if text.is_empty() {
            text = words(value);
        }
        let error_name = error.as_str().filter(|name| !name.contains(' ')).unwrap_or_default();
        let code = codes.into_iter().chain([error_name]).filter(|code| !code.is_empty()).collect::<Vec<_>>().join(" ");
        Self { code, text }
    }

    /// Whether code or text has one of `phrases`, which are lower case.
    pub(super) fn has(&self, phrases: &[&str]) -> bool {
        let whole = format!("{} {}", self.code, self.text).to_lowercase();
        phrases.iter().any(|phrase| whole.contains(phrase))
    }
}

/// The text in a JSON value: a string, or the strings of a list, joined.
fn words(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(list) => list.iter().map(words).filter(|text| !text.is_empty()).collect::<Vec<_>>().join("; "),
        Value::Object(map) => map.get("msg").or_else(|| map.get("message")).map(words).unwrap_or_default(),
        _ => String::new(),
    }
}

/// The text of the first `<name>` in XML.
fn element(text: &str, name: &str) -> Option<String> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    Some(rest.split_once("</")?.0.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PNG: &str = "iVBORw0KGgoAAAANSUhEUg==";

    #[test]
    fn base64_in_every_dress() {
        for text in [
            PNG.to_owned(),
            PNG.replace('=', ""),
            format!("data:image/png;base64,{PNG}"),
            format!("{}\r\n{}", &PNG[..8], &PNG[8..]),
        ] {
            assert!(picture_in(Name::Gateway, &text).unwrap().starts_with(b"\x89PNG"), "{text}");
        }
    }

    #[test]
    fn what_is_no_picture_is_named() {
        let told = |text: &str| picture_in(Name::Gateway, text).unwrap_err().to_string();
        assert!(told(&PNG[..21]).contains("damaged or cut off"));
        assert!(told("").contains("empty picture"));
        assert!(told("data:image/png,x").contains("empty picture"));
        assert!(told(&BASE64.encode("<svg xmlns=''/>")).contains("an SVG drawing"));
        assert!(told(&BASE64.encode("GIF89a")).contains("a GIF"));
        assert!(told(&BASE64.encode("<!doctype html><html>")).contains("a web page"));
        assert!(json::<Value>(Name::Gateway, b"<html>").unwrap_err().to_string().contains("a web page, not JSON"));
        assert!(json::<Value>(Name::Gateway, b"{\"a\":").unwrap_err().to_string().contains("cut off"));
        assert!(json::<Value>(Name::Gateway, b"").unwrap_err().to_string().contains("empty, not JSON"));
    }

    #[test]
    fn an_answer_of_another_shape_is_not_quoted() {
        let answer = format!("[{:?}]", "sk-canary, expected ".repeat(100_000));
        let error = json::<Vec<u8>>(Name::Gateway, answer.as_bytes()).unwrap_err();
        let what = "the answer has another shape: expected u8 at line 1 column 2000003";
        assert!(matches!(&error, PromptError::BadAnswer { what: found, .. } if found == what), "{error}");
    }

    #[test]
    fn complaints_in_every_shape() {
        for (body, code, text) in [
            (r#"{"error":{"message":"no","type":"t","param":null,"code":"c"}}"#, "c t", "no"),
            (r#"{"error":{"code":404,"message":"no","status":"NOT_FOUND"}}"#, "NOT_FOUND", "no"),
            (r#"{"error":"width and height must be positive"}"#, "", "width and height must be positive"),
            (r#"{"error":"server_error","message":"no"}"#, "server_error", "no"),
            (r#"{"message":"no","__type":"ValidationException"}"#, "ValidationException", "no"),
            (r#"{"id":"1","name":"content_moderation","errors":["a","b"]}"#, "content_moderation", "a; b"),
            (r#"{"error":"OutOfMemoryError","detail":"","body":"","errors":"no"}"#, "OutOfMemoryError", "no"),
            (r#"{"detail":[{"loc":["body"],"msg":"no","type":"missing"}]}"#, "", "no"),
            ("<ErrorResponse><Error><Code>C</Code><Message>no</Message></Error></ErrorResponse>", "C", "no"),
            ("<html>502</html>", "", "the server sent a web page"),
            ("upstream timed out", "", "upstream timed out"),
            ("", "", ""),
            ("17", "", ""),
        ] {
            let expected = Complaint { code: code.to_owned(), text: text.to_owned() };
            assert_eq!(Complaint::read(body.as_bytes()), expected, "{body}");
        }
    }
}
