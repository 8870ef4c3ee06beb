//! Settings among environment variables.

use std::{collections::BTreeMap, ffi::OsString};

use super::{
    error::{Mistake, Place},
    text::defaults,
};
use crate::error::nearest;

const PREFIX: &str = "BGCAM_";

/// Environment variables with our prefix that are no settings.
const RESERVED: [&str; 9] = [
    "BGCAM_LOG",
    "BGCAM_ONNXRUNTIME",
    "BGCAM_TESTBED",
    // what the provider `command` tells its program, which may call us
    "BGCAM_PROMPT",
    "BGCAM_NEGATIVE",
    "BGCAM_WIDTH",
    "BGCAM_HEIGHT",
    "BGCAM_SEED",
    "BGCAM_OUTPUT",
];

/// A setting in an environment variable.
#[derive(Debug)]
pub(super) struct Variable {
    pub(super) name: String,
    pub(super) key: String,
    pub(super) value: config::Value,
}

/// The settings among environment variables, applied after `layer` others, and what is wrong with the rest of ours.
pub(super) fn settings_in(
    variables: impl Iterator<Item = (OsString, OsString)>,
    layer: usize,
) -> (Vec<Variable>, Vec<Mistake>) {
    let known = env_names();
    let (mut found, mut mistakes) = (Vec::new(), Vec::new());
    for (name, text) in variables {
        let name = name.to_string_lossy().into_owned();
        if !name.starts_with(PREFIX) || RESERVED.contains(&name.as_str()) {
            continue;
        }
        match (text.into_string(), known.get(&name)) {
            (Ok(text), Some((key, default))) => {
                found.push(Variable { value: value_of(&text, default), key: key.clone(), name });
            }
            (Err(_), _) => mistakes.push(mistake(name, layer, "the value is not UTF-8 text", None)),
            (_, None) => {
                // without the prefix that all have, which would make any two alike
                let near = nearest(&name[PREFIX.len()..], known.keys().map(|name| &name[PREFIX.len()..]));
                let near = near.map(|near| format!("{PREFIX}{near}"));
                mistakes.push(mistake(name, layer, "no setting has this name", near));
            }
        }
    }
    (found, mistakes)
}

fn mistake(name: String, layer: usize, text: &str, near: Option<String>) -> Mistake {
    let hint = match near {
        Some(near) => format!("did you mean {near:?}?"),
        None => "output.fps is BGCAM_OUTPUT_FPS, and so on; `bgcam config show` prints every setting".to_owned(),
    };
    Mistake { place: Some(Place { layer, line: None, source: name }), text: text.to_owned(), hint }
}

/// The value that `text` stands for where the default is `default`; lists are split at commas. What stands for none is
/// kept as text, which the check of types refuses.
fn value_of(text: &str, default: &toml::Value) -> config::Value {
    let word = text.trim();
    match default {
        toml::Value::Integer(_) => word.parse::<i64>().map_or_else(|_| text.into(), Into::into),
        toml::Value::Float(_) => word.parse::<f64>().map_or_else(|_| text.into(), Into::into),
        toml::Value::Boolean(_) => match word.to_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => true.into(),
            "false" | "no" | "off" | "0" => false.into(),
            _ => text.into(),
        },
        toml::Value::Array(items) => {
            let like = items.first().cloned().unwrap_or_else(|| "".into());
            text.split(',').map(|part| value_of(part.trim(), &like)).collect::<Vec<_>>().into()
        }
        _ => text.into(),
    }
}

/// Every setting's environment variable with its key and its default.
fn env_names() -> BTreeMap<String, (String, toml::Value)> {
    fn walk(table: toml::Table, above: &str, names: &mut BTreeMap<String, (String, toml::Value)>) {
        for (key, value) in table {
            let path = if above.is_empty() { key } else { format!("{above}.{key}") };
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
