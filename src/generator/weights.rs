//! Files with the weights of a model: their format, title and licence, without loading them.

use std::{fs::File, io::Read, path::Path};

use serde_json::Value;

use crate::{
    error::{Failure, Kind},
    media::regular,
};

/// The maximum length of the header of a safetensors file in bytes; Stable Diffusion XL's has 300 KB.
pub(super) const MAX_HEADER: usize = 16 << 20;

/// The maximum length of a title or licence in characters.
const MAX_TEXT_LEN: usize = 200;

/// What the beginning of a file tells about its weights.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Weights {
    /// The model's name, if the file has it.
    pub title: Option<String>,
    /// The name of its licence, if the file has it.
    pub licence: Option<String>,
}

/// What is known after reading a part of the beginning.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Head {
    /// The weights.
    Known(Weights),
    /// The header is longer: this many bytes in all.
    Needs(usize),
    /// Not the weights of a model: what it is instead.
    Invalid(&'static str),
}

/// Examines the first bytes of a file: safetensors, gguf or ckpt.
///
/// Sources of the formats: the README of the safetensors project (a little-endian u64 with the length of a JSON header,
/// in which `__metadata__` has texts), gguf.md of ggml, and PyTorch's serialization notes (a zip archive).
pub(super) fn head(bytes: &[u8]) -> Head {
    let Some((start, rest)) = bytes.split_first_chunk::<8>() else { return Head::Needs(8) };
    match start {
        [b'G', b'G', b'U', b'F', ..] | [b'P', b'K', 3, 4, ..] => return Head::Known(Weights::default()),
        [b'<', ..] | [b'\n', b'<', ..] => return Head::Invalid("a web page"),
        b"version " => return Head::Invalid("a Git LFS pointer instead of the file itself"),
        _ => {}
    }
    let Some(length) =
        usize::try_from(u64::from_le_bytes(*start)).ok().filter(|length| (2..=MAX_HEADER).contains(length))
    else {
        return Head::Invalid("not in a known format");
    };
    let Some(header) = rest.get(..length) else { return Head::Needs(length + 8) };
    match serde_json::from_slice::<Value>(header) {
        Ok(Value::Object(header)) => {
            let text = |key| header.get("__metadata__").and_then(|all| all.get(key)).and_then(Value::as_str).map(shown);
            Head::Known(Weights { title: text("modelspec.title"), licence: text("modelspec.license") })
        }
        _ => Head::Invalid("not in a known format"),
    }
}

/// A foreign text for the terminal.
fn shown(text: &str) -> String {
    crate::prompt::one_line(text).chars().take(MAX_TEXT_LEN).collect()
}

/// Examines a file.
///
/// # Errors
/// If it can't be read, or has no weights.
pub(super) fn read(path: &Path) -> Result<Weights, Failure> {
    let failed = |kind, why: String| {
        let text = format!("cannot use the weights {}: {why}", path.display());
        Failure::new(kind, text).hint(format!("check the path with `ls -l {}`", path.display()))
    };
    let mut file = regular::open(path).map_err(|error| failed(error.kind(), error.to_string()))?;
    let mut bytes = Vec::new();
    let mut length = 8;
    loop {
        read_up_to(&mut file, length, &mut bytes).map_err(|error| failed(Kind::Io, crate::error::io_text(&error)))?;
        match head(&bytes) {
            Head::Known(weights) => return Ok(weights),
            Head::Needs(more) if bytes.len() >= length => length = more,
            Head::Needs(_) => return Err(invalid(path.display(), "too short")),
            Head::Invalid(what) => return Err(invalid(path.display(), what)),
        }
    }
}

fn read_up_to(file: &mut File, length: usize, bytes: &mut Vec<u8>) -> std::io::Result<()> {
    let more = length.saturating_sub(bytes.len());
    file.take(more as u64).read_to_end(bytes).map(drop)
}

/// The error for something that has no weights.
pub(super) fn invalid(place: impl std::fmt::Display, what: &str) -> Failure {
    let text = format!("{place} is {what}, expected the weights of a model: .safetensors, .gguf or .ckpt");
    Failure::new(Kind::BadInput, text)
        .hint("download the file itself, with one of these extensions, and give its path or URL")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn safetensors(header: &str) -> Vec<u8> {
        [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), b"weights"].concat()
    }

    #[test]
    fn formats_titles_and_licences_are_recognized() {
        let bytes = safetensors(
            r#"{"__metadata__": {"modelspec.title": "Tiny\u001b[2J", "modelspec.license": "MIT"}, "a": {"dtype": "F16"}}"#,
        );
        let known = |title: Option<&str>, licence: Option<&str>| {
            Head::Known(Weights { title: title.map(str::to_owned), licence: licence.map(str::to_owned) })
        };
        assert_eq!(head(&bytes), known(Some("Tiny[2J"), Some("MIT")));
        assert_eq!(head(&bytes[..40]), Head::Needs(bytes.len() - 7));
        assert_eq!(head(&safetensors("{}")), known(None, None));
        assert_eq!(head(b"GGUF\x03\0\0\0\0"), known(None, None));
        assert_eq!(head(b"PK\x03\x04\0\0\0\0"), known(None, None));
        assert_eq!(head(b"PK"), Head::Needs(8));
        for (bytes, what) in [
            (&b"<!doctype html>"[..], "a web page"),
            (b"version https://git-lfs", "a Git LFS pointer instead of the file itself"),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff", "not in a known format"),
            (&safetensors("[1, 2]"), "not in a known format"),
        ] {
            assert_eq!(head(bytes), Head::Invalid(what));
        }
    }

    #[test]
    fn a_file_is_read_no_further_than_its_header() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        let bytes = safetensors(r#"{"__metadata__": {"modelspec.license": "CreativeML Open RAIL-M"}}"#);
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(read(&path).unwrap().licence.as_deref(), Some("CreativeML Open RAIL-M"));
        std::fs::write(&path, &bytes[..30]).unwrap();
        assert!(read(&path).unwrap_err().message.contains("is too short"));
        assert_eq!(read(folder.path()).unwrap_err().kind, Kind::BadInput);
        assert_eq!(read(Path::new("/nowhere/model")).unwrap_err().kind, Kind::NotFound);
    }

    proptest! {
        #[test]
        fn foreign_bytes_never_panic(bytes: Vec<u8>, length in 0_u64..64) {
            head(&bytes);
            head(&[&length.to_le_bytes()[..], &bytes].concat());
        }
    }
}
