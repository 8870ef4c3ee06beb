//! Settings among environment variables.

use std::{collections::BTreeMap, ffi::OsString};

use super::{
    error::{ConfigError, parse_error},
    text::defaults,
};
use crate::error::nearest;

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

/// The settings among environment variables, as (variable, key, value); lists are split at commas.
pub(super) fn settings_in(
    variables: impl Iterator<Item = (OsString, OsString)>,
) -> Result<Vec<(String, String, config::Value)>, ConfigError> {
    let known = env_names();
    let mut found = Vec::new();
    for (name, text) in variables {
        let name = name.to_string_lossy().into_owned();
        if !name.starts_with("BGCAM_") || RESERVED.contains(&name.as_str()) {
            continue;
        }
        let text = text.into_string().map_err(|_| parse_error(&name, "the value is not UTF-8 text"))?;
        let Some((key, is_list)) = known.get(&name) else {
            let near = nearest(&name, known.keys().map(String::as_str));
            return Err(ConfigError::Parse { origin: name, text: "no setting has this name".to_owned(), near });
        };
        let value = if *is_list {
            config::Value::from(text.split(',').map(|part| part.trim().to_owned()).collect::<Vec<_>>())
        } else {
            config::Value::from(text)
        };
        found.push((name, key.clone(), value));
    }
    Ok(found)
}

/// Every setting's environment variable with its key and whether it is a list.
fn env_names() -> BTreeMap<String, (String, bool)> {
    fn walk(table: &toml::Table, above: &str, names: &mut BTreeMap<String, (String, bool)>) {
        for (key, value) in table {
            let path = if above.is_empty() { key.clone() } else { format!("{above}.{key}") };
            match value {
                toml::Value::Table(table) => walk(table, &path, names),
                _ => {
                    let name = format!("BGCAM_{}", path.replace('.', "_").to_uppercase());
                    names.insert(name, (path, value.is_array()));
                }
            }
        }
    }
    let mut names = BTreeMap::new();
    walk(&defaults(), "", &mut names);
    names
}
