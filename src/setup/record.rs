//! What was set up, kept until it is undone.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{Action, Mark, Step, Who};
use crate::system::System;

/// What was set up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Record {
    /// The files that were written, with their text.
    pub(super) files: BTreeMap<PathBuf, String>,
    /// Whether the kernel module was loaded.
    pub(super) loaded: bool,
    /// Whether the user was put into the group video.
    pub(super) group: bool,
    /// Whether packages were installed.
    pub(super) packages: bool,
    /// Whether the service was enabled.
    pub(super) enabled: bool,
}

fn path(system: &System) -> PathBuf {
    system.user_dir("XDG_STATE_HOME", ".local/state").join("bgcam/setup.json")
}

impl Record {
    /// What stands in the record; nothing where there is none.
    pub(super) fn read(system: &System) -> Self {
        let text = fs::read_to_string(system.path(path(system))).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Notes a step that was done.
    pub(super) fn take(&mut self, step: &Step) {
        match (&step.action, step.mark) {
            (Action::Write { path, text, .. }, _) => drop(self.files.insert(path.clone(), text.clone())),
            (Action::Delete { path }, _) => drop(self.files.remove(path)),
            (_, Mark::Loaded(loaded)) => self.loaded = loaded,
            (_, Mark::Group(group)) => self.group = group,
            (_, Mark::Packages) => self.packages = true,
            (_, Mark::Enabled(enabled)) => self.enabled = enabled,
            (_, Mark::Nothing | Mark::File) => {}
        }
    }

    /// Writes the record, or deletes it when nothing is left to undo.
    pub(super) fn write(&self, system: &System) -> io::Result<()> {
        let path = path(system);
        let there = system.exists(&path);
        let kept = Self { packages: false, ..self.clone() };
        let action = match kept == Self::default() {
            true if there => Action::Delete { path },
            true => return Ok(()),
            false => Action::Write { path, text: serde_json::to_string_pretty(self)? + "\n", old: None },
        };
        Step { who: Who::User, action, why: "", mark: Mark::Nothing }.perform(system)
    }

    /// Whether we wrote the file at `path`.
    pub(super) fn has(&self, path: &Path) -> bool {
        self.files.contains_key(path)
    }
}
