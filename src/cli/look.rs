//! `bgcam look`: lists and changes the settings of the look.

use std::{
    io::{self, Write},
    path::Path,
};

use serde_json::Value;

use super::{CliError, ask, client, show};
use crate::{
    control::protocol::{Request, Response},
    error::{Failure, Kind, io_text},
    look::{self, Changes, Look, SETTINGS, Setting, ValueType},
};

/// Runs `bgcam look`: resets, changes or lists the settings.
pub(super) fn run(settings: &[String], reset: bool, as_json: bool) -> Result<(), CliError> {
    if reset {
        return ask(&Request::ResetLook { names: settings.to_vec() });
    }
    if !settings.is_empty() {
        return ask(&Request::SetLook { change: changes(settings)? });
    }
    let Response::Status(status) = client()?.call(&Request::Status)? else {
        return Err(Failure::new(Kind::Internal, "the daemon did not reply with its status").into());
    };
    if as_json { Ok(show::json(&status.scene.look)?) } else { Ok(list(&status.scene.look)?) }
}

fn changes(settings: &[String]) -> Result<Changes, Failure> {
    let change = |text: &String| {
        let (name, value) = text.split_once('=').ok_or_else(|| {
            Failure::new(Kind::BadInput, format!("{text:?} is not NAME=VALUE"))
                .hint("for example: `bgcam look zoom=150`")
        })?;
        let setting = look::setting(name)?;
        let value = match setting.value_type {
            ValueType::File if !value.is_empty() => absolute_path(value)?,
            _ => value.to_owned(),
        };
        let value = setting.parse(&value)?;
        Ok((setting.name.to_owned(), value))
    };
    settings.iter().map(change).collect()
}

/// Resolves a path here, because the daemon has another working directory.
fn absolute_path(path: &str) -> Result<String, Failure> {
    let absolute = std::path::absolute(Path::new(path)).map_err(|error| {
        Failure::new(Kind::BadInput, format!("cannot resolve the path {path:?}: {}", io_text(&error)))
    })?;
    Ok(absolute.to_string_lossy().into_owned())
}

fn list(look: &Look) -> io::Result<()> {
    let values = look.to_map();
    let mut out = io::stdout().lock();
    for setting in &SETTINGS {
        let value = display(values.get(setting.name).unwrap_or(&Value::Null));
        writeln!(out, "{:23}{value:14}{} ({})", setting.name, setting.description, range(setting))?;
    }
    Ok(())
}

fn display(value: &Value) -> String {
    match value {
        Value::Bool(on) => if *on { "on" } else { "off" }.to_owned(),
        Value::String(text) if text.is_empty() => "-".to_owned(),
        Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}

fn range(setting: &Setting) -> String {
    match setting.value_type {
        ValueType::Number(min, max) => format!("{min} to {max}"),
        ValueType::Switch => "on, off".to_owned(),
        ValueType::File => "file path, or empty".to_owned(),
        ValueType::Choice(names) => names.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_parsed_into_changes() {
        let found = changes(&["light-wrap=30".into(), "auto_frame=on".into(), "overlay=logo.png".into()]).unwrap();
        assert_eq!((&found["light_wrap"], &found["auto_frame"]), (&Value::from(30), &Value::from(true)));
        assert!(found["overlay"].as_str().unwrap().starts_with('/'));
        assert!(changes(&["zoom".into()]).unwrap_err().message.contains("is not NAME=VALUE"));
        assert!(changes(&["zoom=1000".into()]).unwrap_err().message.contains("from 100 to 400"));
        assert_eq!(changes(&["overlay=".into()]).unwrap()["overlay"], "");
    }
}
