//! What the user chose, kept over a restart.

use std::{
    fs,
    io::{self, Write},
    path::Path,
};

use serde::{Deserialize, Serialize};

use crate::{
    background::{BackgroundSpec, DEFAULT_BLUR},
    look::Changes,
    mask::Quality,
};

/// What the user chose; survives a restart. It is kept when it can't be shown: the disk may be mounted later.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Choice {
    /// `None` for what the settings say.
    #[serde(default)]
    pub(super) background: Option<BackgroundSpec>,
    /// What was turned of the look.
    #[serde(default)]
    pub(super) look: Changes,
    /// The camera in place of the settings' one.
    #[serde(default)]
    pub(super) camera: Option<String>,
    /// What the matte may cost, in place of what the settings say.
    #[serde(default)]
    pub(super) quality: Option<Quality>,
    #[serde(default)]
    pub(super) mirror: bool,
    #[serde(default)]
    pub(super) paused: bool,
}

/// What was chosen before; a blurred room when that can't be read, because it may not have been the plain one.
pub(super) fn remembered(path: &Path) -> Choice {
    let read = match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Choice::default(),
        Err(error) => Err(error.to_string()),
        Ok(text) => serde_json::from_str(&text).map_err(|error| error.to_string()),
    };
    read.unwrap_or_else(|error| {
        tracing::warn!("the remembered scene in {} can't be used, starting with blur: {error}", path.display());
        Choice { background: Some(BackgroundSpec::Blur { strength: DEFAULT_BLUR }), ..Choice::default() }
    })
}

/// Writes the choice so that a crash leaves the old or the new one, never a half.
pub(super) fn remember(choice: &Choice, path: &Path) -> io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(dir)?;
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    serde_json::to_writer_pretty(&mut file, choice)?;
    file.flush()?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_survives_and_a_damaged_one_shows_no_room() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state/scene.json");
        assert_eq!(remembered(&path), Choice::default());
        let choice = Choice { background: "#20a040".parse().ok(), mirror: true, paused: true, ..Choice::default() };
        remember(&choice, &path).unwrap();
        assert_eq!(remembered(&path), choice);
        fs::write(&path, "{\"background\":").unwrap();
        assert_eq!(remembered(&path).background, Some(BackgroundSpec::Blur { strength: DEFAULT_BLUR }));
    }
}
