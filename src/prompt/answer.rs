//! Values and pictures in what servers answer, whatever their blanks, nulls and alphabets.

use std::slice;

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use serde_json::Value;

use super::{PromptError, provider::Name};
use crate::media::image_file::{self, ImageFileError};

/// Base64 with or without its padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A text that is more than blanks.
pub(super) fn filled(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| !text.trim().is_empty())
}

/// The members of a list; one value where a server sends it without a list; nothing for null.
pub(super) fn members(value: &Value) -> &[Value] {
    match value {
        Value::Null => &[],
        Value::Array(list) => list,
        one => slice::from_ref(one),
    }
}

/// A whole number, also one in a text.
pub(super) fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())
}

/// The first picture among `texts`, which are base64; `None` when there are no texts.
///
/// # Errors
/// When none is a picture: what is wrong with the first.
pub(super) fn first_picture<'a>(
    provider: Name,
    texts: impl IntoIterator<Item = &'a str>,
) -> Result<Option<Vec<u8>>, PromptError> {
    let mut first_error = None;
    for text in texts {
        match picture_in(provider, text) {
            Ok(bytes) => return Ok(Some(bytes)),
            Err(error) => first_error = first_error.or(Some(error)),
        }
    }
    first_error.map_or(Ok(None), Err)
}

/// The picture in `text`, which is base64 of either alphabet, with or without padding, line breaks and a `data:` in front.
pub(super) fn picture_in(provider: Name, text: &str) -> Result<Vec<u8>, PromptError> {
    let text = text.trim_start();
    let text = match text.get(..5) {
        Some(scheme) if scheme.eq_ignore_ascii_case("data:") => {
            let (kind, data) = text.split_once(',').unwrap_or((text, ""));
            if !kind.to_ascii_lowercase().ends_with(";base64") {
                return Err(bad(provider, "the picture is in a data: address that is not base64"));
            }
            data
        }
        _ => text,
    };
    if text.trim().is_empty() {
        return Err(bad(provider, "the answer has an empty picture"));
    }
    let plain = |byte: u8| !byte.is_ascii_whitespace() && byte != b'-' && byte != b'_';
    let bytes = if text.bytes().all(plain) { BASE64.decode(text) } else { BASE64.decode(standard_alphabet(text)) };
    let bytes = bytes.map_err(|error| bad(provider, format!("its base64 is damaged or cut off: {error}")))?;
    check_picture(provider, &bytes)?;
    Ok(bytes)
}

/// Base64 without line breaks, in the standard alphabet instead of that for addresses.
fn standard_alphabet(text: &str) -> Vec<u8> {
    let standard = |byte| match byte {
        b'-' => b'+',
        b'_' => b'/',
        other => other,
    };
    text.bytes().filter(|byte| !byte.is_ascii_whitespace()).map(standard).collect()
}

/// Looks whether `bytes` begin as a PNG, JPEG or WebP picture does.
pub(super) fn check_picture(provider: Name, bytes: &[u8]) -> Result<(), PromptError> {
    image_file::sniff(bytes, "").map(drop).map_err(|error| match error {
        ImageFileError::Unsupported { format: found, .. } | ImageFileError::NotAPicture { found, .. } => {
            let found = if found == "empty" { "nothing" } else { found };
            PromptError::NotAPicture { provider, found }
        }
        other => bad(provider, other.to_string()),
    })
}

pub(super) fn bad(provider: Name, what: impl Into<String>) -> PromptError {
    PromptError::BadAnswer { provider, what: what.into() }
}

/// What a body is that is not JSON, such as `a web page`.
pub(super) fn kind_of(body: &[u8]) -> &'static str {
    match image_file::sniff(body, "") {
        Ok(_) => "a picture",
        Err(ImageFileError::Unsupported { format: found, .. } | ImageFileError::NotAPicture { found, .. }) => found,
        Err(_) => "something unknown",
    }
}

#[cfg(test)]
mod tests {
    use base64::prelude::BASE64_URL_SAFE_NO_PAD;

    use super::*;

    const PNG: &str = "iVBORw0KGgoAAAANSUhEUg==";

    #[test]
    fn base64_in_every_dress() {
        for text in [
            PNG.to_owned(),
            PNG.replace('=', ""),
            format!("data:image/png;base64,{PNG}"),
            format!("{}\r\n{}", &PNG[..8], &PNG[8..]),
            format!("\n data:image/png;charset=utf-8;base64,\n{PNG}\n"),
            format!("DATA:;BASE64,{PNG}"),
        ] {
            assert!(picture_in(Name::Gateway, &text).unwrap().starts_with(b"\x89PNG"), "{text}");
        }
    }

    #[test]
    fn base64_for_addresses_is_read() {
        let bytes = [&BASE64.decode(PNG).unwrap()[..], &[0xfb, 0xff, 0xfe, 0xff]].concat();
        let text = BASE64_URL_SAFE_NO_PAD.encode(&bytes);
        assert!(text.contains(['-', '_']));
        assert_eq!(picture_in(Name::Gateway, &text).unwrap(), bytes);
    }

    #[test]
    fn the_first_picture_of_several_counts() {
        let first = |texts: &[&str]| first_picture(Name::Gateway, texts.iter().copied());
        assert!(first(&["", "x", PNG]).unwrap().is_some());
        assert_eq!(first(&[]).unwrap(), None);
        assert!(first(&[" ", "x"]).unwrap_err().to_string().contains("empty picture"));
    }

    #[test]
    fn values_are_read_whatever_their_type() {
        let value = serde_json::json!({"list": [1, 2], "one": {}, "null": null, "seed": "7", "blank": " \n"});
        let count = |key: &str| members(&value[key]).len();
        assert_eq!((count("list"), count("one"), count("null"), count("missing")), (2, 1, 0, 0));
        assert_eq!(
            (number(&value["seed"]), number(&value["list"][0]), number(&value["one"])),
            (Some(7), Some(1), None)
        );
        assert_eq!((filled(&value["blank"]), filled(&value["seed"])), (None, Some("7")));
    }

    #[test]
    fn what_is_no_picture_is_named() {
        let told = |text: &str| picture_in(Name::Gateway, text).unwrap_err().to_string();
        assert!(told(&PNG[..21]).contains("damaged or cut off"));
        assert!(told("").contains("empty picture"));
        assert!(told("data:image/svg+xml,<svg/>").contains("not base64"));
        assert!(told(&BASE64.encode("<svg xmlns=''/>")).contains("an SVG drawing"));
        assert!(told(&BASE64.encode("GIF89a")).contains("a GIF"));
        assert!(told(&BASE64.encode("<!doctype html><html>")).contains("a web page"));
    }
}
