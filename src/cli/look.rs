//! `bgcam look`: lists and changes the settings of the look.

use std::{
    io::{self, Write},
    path::Path,
};

use serde_json::Value;

use super::{CliError, args::OverlayArgs, ask, client, show};
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

/// Runs `bgcam set-overlay`.
pub(super) fn set_overlay(args: &OverlayArgs) -> Result<(), CliError> {
    ask(&Request::SetLook { change: overlay_changes(args)? })
}

fn overlay_changes(args: &OverlayArgs) -> Result<Changes, Failure> {
    let path = if args.file.as_os_str() == "none" { String::new() } else { absolute_path(&args.file)? };
    let mut changes = Changes::from_iter([("overlay".to_owned(), Value::from(path))]);
    let mut add = |name: &str, value: Option<Value>| changes.extend(value.map(|value| (name.to_owned(), value)));
    add("overlay_position", args.position.as_deref().map(Value::from));
    add("overlay_size", args.size.map(Value::from));
    add("overlay_opacity", args.opacity.map(Value::from));
    Ok(changes)
}

fn changes(settings: &[String]) -> Result<Changes, Failure> {
    let change = |text: &String| {
        let (name, value) = text.split_once('=').ok_or_else(|| {
            Failure::new(Kind::BadInput, format!("{text:?} is not NAME=VALUE"))
                .hint("for example: `bgcam look zoom=150`")
        })?;
        let setting = look::setting(name)?;
        let value = match setting.value_type {
            ValueType::File if !value.is_empty() => absolute_path(Path::new(value))?,
            _ => value.to_owned(),
        };
        let value = setting.parse(&value)?;
        Ok((setting.name.to_owned(), value))
    };
    settings.iter().map(change).collect()
}

/// Resolves a path here, because the daemon has another working directory.
fn absolute_path(path: &Path) -> Result<String, Failure> {
    let absolute = std::path::absolute(path).map_err(|error| {
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
        ValueType::ScreenColour => "auto, or as #00b140".to_owned(),
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

    #[test]
    fn an_overlay_is_a_change_of_the_look() {
        let args = |file: &str| OverlayArgs { file: file.into(), position: None, size: None, opacity: None };
        let all =
            OverlayArgs { position: Some("top-left".into()), size: Some(15), opacity: Some(0), ..args("logo.png") };
        let change = overlay_changes(&all).unwrap();
        let look = Look::neutral().with(&change).unwrap();
        assert!(look.overlay.starts_with('/') && look.overlay.ends_with("/logo.png"));
        assert_eq!((look.overlay_position, look.overlay_size, look.overlay_opacity), (look::Position::TopLeft, 15, 0));
        let removed = look.with(&overlay_changes(&args("none")).unwrap()).unwrap();
        assert_eq!((removed.overlay.as_str(), removed.overlay_size), ("", 15));
        assert!(overlay_changes(&args("./none")).unwrap()["overlay"].as_str().unwrap().ends_with("/none"));
        assert!(overlay_changes(&args("")).is_err());
    }
}
