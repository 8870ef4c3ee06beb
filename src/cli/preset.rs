//! `bgcam preset`: saves, uses, lists and removes presets.

use std::io::{self, Write};

use super::{CliError, args::PresetCommand, ask, client, note, show};
use crate::{
    control::protocol::{PresetInfo, Request, Response},
    error::{Failure, Kind},
    style::{DIM, WARNING},
};

/// Runs `bgcam preset`.
pub(super) fn run(command: PresetCommand, json: bool) -> Result<(), CliError> {
    match command {
        PresetCommand::Save { name } => ask(&Request::SavePreset { name }),
        PresetCommand::Use { name } => ask(&Request::UsePreset { name }),
        PresetCommand::Remove { name } => ask(&Request::RemovePreset { name }),
        PresetCommand::List => {
            let Response::Presets(presets) = client()?.call(&Request::ListPresets)? else {
                return Err(Failure::new(Kind::Internal, "the daemon did not reply with the presets").into());
            };
            if json { Ok(show::json(&presets)?) } else { Ok(list(&mut anstream::stdout().lock(), &presets)?) }
        }
    }
}

/// Writes a table in which `*` marks the preset in effect.
fn list(out: &mut impl Write, presets: &[PresetInfo]) -> io::Result<()> {
    if presets.is_empty() {
        note("there are no presets; `bgcam preset save NAME` saves background, look, camera and quality");
    }
    let width = presets.iter().map(|preset| preset.name.chars().count()).max().unwrap_or_default();
    for PresetInfo { name, background, current, room_reason } in presets {
        let marker = if *current { "*" } else { " " };
        write!(out, "{marker} {name:width$}  {DIM}{background}{DIM:#}")?;
        match room_reason {
            Some(reason) => writeln!(out, "  {WARNING}shows your room: {reason}{WARNING:#}")?,
            None => writeln!(out)?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_marks_the_current_preset_and_those_that_show_the_room() {
        let preset = |name: &str, current, room: Option<&str>| PresetInfo {
            name: name.to_owned(),
            background: "beach.jpg".to_owned(),
            current,
            room_reason: room.map(str::to_owned),
        };
        let mut out = anstream::StripStream::new(Vec::new());
        list(&mut out, &[preset("Work", true, None), preset("Évening", false, Some("there is no background"))])
            .unwrap();
        let text = String::from_utf8(out.into_inner()).unwrap();
        assert_eq!(text, "* Work     beach.jpg\n  Évening  beach.jpg  shows your room: there is no background\n");
    }
}
