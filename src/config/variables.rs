//! Settings in environment variables.

use std::{collections::BTreeMap, ffi::OsString};

use super::{
    error::{Location, SettingError},
    text::defaults,
};
use crate::error::nearest;

const PREFIX: &str = "BGCAM_";

/// Environment variables with the prefix that are not settings.
const RESERVED: [&str; 9] = [
    "BGCAM_LOG",
    "BGCAM_ONNXRUNTIME",
    "BGCAM_TESTBED",
    // set by the provider `command` for its program, which may run bgcam
    "BGCAM_PROMPT",
    "BGCAM_NEGATIVE",
    "BGCAM_WIDTH",
    "BGCAM_HEIGHT",
    "BGCAM_SEED",
    "BGCAM_OUTPUT",
];

/// A setting from an environment variable.
#[derive(Debug)]
pub(super) struct Variable {
    pub(super) name: String,
    pub(super) key: String,
    pub(super) value: config::Value,
}

/// The settings in environment variables, for the layer of this index, and errors for unknown or invalid ones.
pub(super) fn settings_in(
    variables: impl Iterator<Item = (OsString, OsString)>,
    layer: usize,
) -> (Vec<Variable>, Vec<SettingError>) {
    let known = env_names();
    let mut found = Vec::new();
    let mut errors = Vec::new();
    for (name, text) in variables {
        let name = name.to_string_lossy().into_owned();
        if !name.starts_with(PREFIX) || RESERVED.contains(&name.as_str()) {
            continue;
        }
        match (text.into_string(), known.get(&name)) {
            (Ok(text), Some((key, default))) => {
                found.push(Variable { value: value_of(&text, default), key: key.clone(), name });
            }
            (Err(_), _) => errors.push(error(name, layer, "the value is not UTF-8 text", None)),
            (_, None) => {
                // without the common prefix, which would make any two names similar
                let near = nearest(&name[PREFIX.len()..], known.keys().map(|name| &name[PREFIX.len()..]));
                let near = near.map(|near| format!("{PREFIX}{near}"));
                errors.push(error(name, layer, "no setting has this name", near));
            }
        }
    }
    (found, errors)
}

fn error(name: String, layer: usize, text: &str, near: Option<String>) -> SettingError {
    let hint = match near {
        Some(near) => format!("did you mean {near:?}?"),
        None => "for example, output.fps is BGCAM_OUTPUT_FPS; `bgcam config show` prints all settings".to_owned(),
    };
    SettingError { location: Some(Location { layer, line: None, source: name }), text: text.to_owned(), hint }
}

/// Parses `text` as the type of `default`; lists are separated by commas. Text that does not parse stays text, which
/// the type check rejects.
fn value_of(text: &str, default: &toml::Value) -> config::Value {
    let trimmed = text.trim();
    match default {
        toml::Value::Integer(_) => trimmed.parse::<i64>().map_or_else(|_| text.into(), Into::into),
        toml::Value::Float(_) => trimmed.parse::<f64>().map_or_else(|_| text.into(), Into::into),
        toml::Value::Boolean(_) => match trimmed.to_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => true.into(),
            "false" | "no" | "off" | "0" => false.into(),
            _ => text.into(),
        },
        toml::Value::Array(items) => {
            let item = items.first().cloned().unwrap_or_else(|| "".into());
            text.split(',').map(|part| value_of(part.trim(), &item)).collect::<Vec<_>>().into()
        }
        _ => text.into(),
    }
}

/// The environment variable of every setting, with its key and default.
fn env_names() -> BTreeMap<String, (String, toml::Value)> {
    fn walk(table: toml::Table, parent: &str, names: &mut BTreeMap<String, (String, toml::Value)>) {
        for (key, value) in table {
            let path = if parent.is_empty() { key } else { format!("{parent}.{key}") };
            match value {
                toml::Value::Table(table) => walk(table, &path, names),
                value => {
                    names.insert(format!("{PREFIX}{}", path.replace('.', "_").to_uppercase()), (path, value));
                }
            }
        }
    }
    let mut names = BTreeMap::new();
    walk(defaults(), "", &mut names);
    names
}
