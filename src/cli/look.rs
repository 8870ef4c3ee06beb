//! `bgcam look`: lists what can be turned, and turns it.

use std::{
    io::{self, Write},
    path::Path,
};

use serde_json::Value;

use super::{Trouble, ask, client, show};
use crate::{
    control::protocol::{Request, Response},
    error::{Failure, Kind, io_text},
    look::{self, Changes, KNOBS, Knob, Look, Takes},
};

/// Does `bgcam look`.
pub(super) fn run(knobs: &[String], reset: bool, as_json: bool) -> Result<(), Trouble> {
    if reset {
        return ask(&Request::ResetLook { names: knobs.to_vec() });
    }
    if !knobs.is_empty() {
        return ask(&Request::SetLook { change: changes(knobs)? });
    }
    let Response::Status(status) = client()?.call(&Request::Status)? else {
        return Err(Failure::new(Kind::Internal, "the daemon did not answer with its status").into());
    };
    if as_json { Ok(show::json(&status.scene.look)?) } else { Ok(list(&status.scene.look)?) }
}

fn changes(knobs: &[String]) -> Result<Changes, Failure> {
    let change = |text: &String| {
        let (name, value) = text.split_once('=').ok_or_else(|| {
            Failure::new(Kind::BadInput, format!("{text:?} is not NAME=VALUE"))
                .hint("for example `bgcam look zoom=150`")
        })?;
        let knob = look::knob(name)?;
        let value = match knob.takes {
            Takes::File if !value.is_empty() => whole_path(value)?,
            _ => value.to_owned(),
        };
        let value = knob.parse(&value)?;
        Ok((knob.name.to_owned(), value))
    };
    knobs.iter().map(change).collect()
}

/// The daemon has another working directory.
fn whole_path(path: &str) -> Result<String, Failure> {
    let whole = std::path::absolute(Path::new(path))
        .map_err(|error| Failure::new(Kind::BadInput, format!("path {path:?} can't be used: {}", io_text(&error))))?;
    Ok(whole.to_string_lossy().into_owned())
}

fn list(look: &Look) -> io::Result<()> {
    let values = look.to_map();
    let mut out = io::stdout().lock();
    for knob in &KNOBS {
        let value = values.get(knob.name).unwrap_or(&Value::Null);
        writeln!(out, "{:23}{:14}{} ({})", knob.name, said(value), knob.does, range(knob))?;
    }
    Ok(())
}

fn said(value: &Value) -> String {
    match value {
        Value::Bool(on) => if *on { "on" } else { "off" }.to_owned(),
        Value::String(text) if text.is_empty() => "-".to_owned(),
        Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}

fn range(knob: &Knob) -> String {
    match knob.takes {
        Takes::Number(low, high) => format!("{low} to {high}"),
        Takes::Switch => "on, off".to_owned(),
        Takes::File => "a file, or nothing".to_owned(),
        Takes::Word(words) => words.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_on_the_command_line_become_changes() {
        let found = changes(&["light-wrap=30".into(), "auto_frame=on".into(), "overlay=logo.png".into()]).unwrap();
        assert_eq!((&found["light_wrap"], &found["auto_frame"]), (&Value::from(30), &Value::from(true)));
        assert!(found["overlay"].as_str().unwrap().starts_with('/'));
        assert!(changes(&["zoom".into()]).unwrap_err().message.contains("is not NAME=VALUE"));
        assert!(changes(&["zoom=1000".into()]).unwrap_err().message.contains("from 100 to 400"));
        assert_eq!(changes(&["overlay=".into()]).unwrap()["overlay"], "");
    }
}
