//! Reads values and images from JSON responses, tolerant of null, numbers as text and every base64 variant.

use std::slice;

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use serde_json::Value;

use super::{Name, PromptError};
use crate::media::image_file::{self, ImageFileError};

/// Base64 with or without its padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A string that is not blank.
pub(super) fn non_blank(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| !text.trim().is_empty())
}

/// The items of an array; a single value counts as an array of one, null as an empty one.
pub(super) fn items(value: &Value) -> &[Value] {
    match value {
        Value::Null => &[],
        Value::Array(list) => list,
        one => slice::from_ref(one),
    }
}

/// A whole number, or a string with one.
pub(super) fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())
}

/// The first valid image among `texts`, which are base64; `None` if there are no texts.
///
/// # Errors
/// If none is a valid image: the error of the first.
pub(super) fn first_image<'a>(
    provider: Name,
    texts: impl IntoIterator<Item = &'a str>,
) -> Result<Option<Vec<u8>>, PromptError> {
    let mut first_error = None;
    for text in texts {
        match decode_image(provider, text) {
            Ok(bytes) => return Ok(Some(bytes)),
            Err(error) => first_error = first_error.or(Some(error)),
        }
    }
    first_error.map_or(Ok(None), Err)
}

/// The image in `text`: base64 in the standard or URL-safe alphabet, with or without padding, line breaks and a `data:`
/// URL prefix.
pub(super) fn decode_image(provider: Name, text: &str) -> Result<Vec<u8>, PromptError> {
    let text = text.trim_start();
    let text = match text.get(..5) {
        Some(scheme) if scheme.eq_ignore_ascii_case("data:") => {
            let (kind, data) = text.split_once(',').unwrap_or((text, ""));
            if !kind.to_ascii_lowercase().ends_with(";base64") {
                return Err(bad_response(provider, "the image is in a data: URL that is not base64"));
            }
            data
        }
        _ => text,
    };
    if text.trim().is_empty() {
        return Err(bad_response(provider, "the response contains an empty image"));
    }
    let is_standard = |byte: u8| !byte.is_ascii_whitespace() && byte != b'-' && byte != b'_';
    let bytes =
        if text.bytes().all(is_standard) { BASE64.decode(text) } else { BASE64.decode(standard_alphabet(text)) };
    let bytes = bytes.map_err(|error| bad_response(provider, format!("its base64 is damaged or cut off: {error}")))?;
    check_image(provider, &bytes)?;
    Ok(bytes)
}

/// Converts URL-safe base64 to the standard alphabet and removes line breaks.
fn standard_alphabet(text: &str) -> Vec<u8> {
    let standard = |byte| match byte {
        b'-' => b'+',
        b'_' => b'/',
        other => other,
    };
    text.bytes().filter(|byte| !byte.is_ascii_whitespace()).map(standard).collect()
}

/// Checks that `bytes` start like a PNG, JPEG or WebP image.
///
/// # Errors
/// If they do not: the detected kind of content.
pub(super) fn check_image(provider: Name, bytes: &[u8]) -> Result<(), PromptError> {
    image_file::sniff(bytes, "").map(drop).map_err(|error| match error {
        ImageFileError::Unsupported { format: found, .. } | ImageFileError::NotAnImage { found, .. } => {
            let found = if found == "empty" { "nothing" } else { found };
            PromptError::NotAnImage { provider, found }
        }
        other => bad_response(provider, other.to_string()),
    })
}

/// The error for a response without a usable image.
pub(super) fn bad_response(provider: Name, what: impl Into<String>) -> PromptError {
    PromptError::BadResponse { provider, what: what.into() }
}

/// The kind of a body that is not JSON, such as `a web page`.
pub(super) fn content_kind(body: &[u8]) -> &'static str {
    match image_file::sniff(body, "") {
        Ok(_) => "an image",
        Err(ImageFileError::Unsupported { format: found, .. } | ImageFileError::NotAnImage { found, .. }) => found,
        Err(_) => "an unknown file type",
    }
}

#[cfg(test)]
mod tests {
    use base64::prelude::BASE64_URL_SAFE_NO_PAD;

    use super::*;

    const PNG: &str = "iVBORw0KGgoAAAANSUhEUg==";

    #[test]
    fn every_base64_variant_is_decoded() {
        for text in [
            PNG.to_owned(),
            PNG.replace('=', ""),
            format!("data:image/png;base64,{PNG}"),
            format!("{}\r\n{}", &PNG[..8], &PNG[8..]),
            format!("\n data:image/png;charset=utf-8;base64,\n{PNG}\n"),
            format!("DATA:;BASE64,{PNG}"),
        ] {
            assert!(decode_image(Name::Gateway, &text).unwrap().starts_with(b"\x89PNG"), "{text}");
        }
    }

    #[test]
    fn url_safe_base64_is_decoded() {
        let bytes = [&BASE64.decode(PNG).unwrap()[..], &[0xfb, 0xff, 0xfe, 0xff]].concat();
        let text = BASE64_URL_SAFE_NO_PAD.encode(&bytes);
        assert!(text.contains(['-', '_']));
        assert_eq!(decode_image(Name::Gateway, &text).unwrap(), bytes);
    }

    #[test]
    fn the_first_valid_image_is_taken() {
        let first = |texts: &[&str]| first_image(Name::Gateway, texts.iter().copied());
        assert!(first(&["", "x", PNG]).unwrap().is_some());
        assert_eq!(first(&[]).unwrap(), None);
        assert!(first(&[" ", "x"]).unwrap_err().to_string().contains("empty image"));
    }

    #[test]
    fn values_are_read_from_every_json_type() {
        let value = serde_json::json!({"list": [1, 2], "one": {}, "null": null, "seed": "7", "blank": " \n"});
        let count = |key: &str| items(&value[key]).len();
        assert_eq!((count("list"), count("one"), count("null"), count("missing")), (2, 1, 0, 0));
        assert_eq!(
            (number(&value["seed"]), number(&value["list"][0]), number(&value["one"])),
            (Some(7), Some(1), None)
        );
        assert_eq!((non_blank(&value["blank"]), non_blank(&value["seed"])), (None, Some("7")));
    }

    #[test]
    fn the_error_names_the_kind_of_content() {
        let message = |text: &str| decode_image(Name::Gateway, text).unwrap_err().to_string();
        assert!(message(&PNG[..21]).contains("damaged or cut off"));
        assert!(message("").contains("empty image"));
        assert!(message("data:image/svg+xml,<svg/>").contains("not base64"));
        assert!(message(&BASE64.encode("<svg xmlns=''/>")).contains("an SVG drawing"));
        assert!(message(&BASE64.encode("GIF89a")).contains("a GIF"));
        assert!(message(&BASE64.encode("<!doctype html><html>")).contains("a web page"));
    }
}
