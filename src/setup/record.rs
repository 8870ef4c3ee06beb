//! What was set up, kept until it is undone. Each step is recorded before it is done, so that an interrupted setup can be
//! undone or continued.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{Action, Mark, Step, Who};
use crate::{doctor::module::Module, system::System};

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
    /// The step that is being done.
    #[serde(skip_serializing_if = "Option::is_none")]
    begun: Option<Begun>,
    /// Whether an earlier setup was interrupted while packages were being installed.
    #[serde(skip)]
    pub(super) packages_unfinished: bool,
    /// Whether there is a record that cannot be read.
    #[serde(skip)]
    pub(super) is_damaged: bool,
}

/// A change that may have been made by a step that was begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Begun {
    Write { path: PathBuf, text: String },
    Load,
    Group,
    Packages,
    Enable,
}

impl Begun {
    fn of(step: &Step) -> Option<Self> {
        Some(match (&step.action, step.mark) {
            (Action::Write { path, text, .. }, _) => Self::Write { path: path.clone(), text: text.clone() },
            (_, Mark::Loaded(true)) => Self::Load,
            (_, Mark::Group(true)) => Self::Group,
            (_, Mark::Packages) => Self::Packages,
            (_, Mark::Enabled(true)) => Self::Enable,
            // what is undone stays recorded until it is
            _ => return None,
        })
    }
}

/// Where the record is kept.
pub(super) fn path(system: &System) -> PathBuf {
    system.user_dir("XDG_STATE_HOME", ".local/state").join("bgcam/setup.json")
}

impl Record {
    /// The record; empty where there is none. A step that was interrupted counts as done when its change is to be seen.
    pub(super) fn read(system: &System) -> Self {
        let text = fs::read_to_string(system.path(path(system))).unwrap_or_default();
        let read = serde_json::from_str::<Self>(&text);
        let damaged = Self { is_damaged: !text.is_empty(), ..Self::default() };
        read.map_or(damaged, |record| record.settled(system))
    }

    fn settled(mut self, system: &System) -> Self {
        match self.begun.take() {
            Some(Begun::Write { path, text })
                if fs::read_to_string(system.path(&path)).is_ok_and(|found| found == text) =>
            {
                self.files.insert(path, text);
            }
            Some(Begun::Load) => self.loaded = matches!(Module::of(system), Module::Loaded { .. }),
            Some(Begun::Group) => self.group = system.is_in_group("video").0,
            Some(Begun::Packages) => (self.packages, self.packages_unfinished) = (true, true),
            Some(Begun::Enable) => self.enabled = true,
            Some(Begun::Write { .. }) | None => {}
        }
        self
    }

    /// Notes a step that is about to be done.
    pub(super) fn begin(&mut self, step: &Step) {
        self.begun = Begun::of(step);
    }

    /// Notes how the step that was begun has ended.
    pub(super) fn end(&mut self, step: &Step, is_done: bool) {
        self.begun = None;
        match (&step.action, step.mark) {
            // it may have been enabled before it failed to start
            (_, Mark::Enabled(true)) => self.enabled = true,
            _ if !is_done => {}
            (Action::Write { path, text, .. }, _) => drop(self.files.insert(path.clone(), text.clone())),
            (Action::Delete { path }, _) => drop(self.files.remove(path)),
            (_, Mark::Loaded(loaded)) => self.loaded = loaded,
            (_, Mark::Group(group)) => self.group = group,
            (_, Mark::Packages) => self.packages = true,
            (_, Mark::Enabled(enabled)) => self.enabled = enabled,
            (_, Mark::Nothing | Mark::File) => {}
        }
    }

    /// Forgets what is gone already, so that nothing is left to undo.
    pub(super) fn forget_missing(&mut self, system: &System) {
        self.files.retain(|path, _| system.exists(path));
        self.loaded &= matches!(Module::of(system), Module::Loaded { .. });
        self.group &= system.is_in_group("video").0;
    }

    /// Saves the record, or deletes it when nothing is left to undo; it survives a crash of the machine.
    pub(super) fn write(&self, system: &System) -> io::Result<()> {
        let path = path(system);
        let there = fs::read_to_string(system.path(&path)).ok();
        let action = match self.is_empty() {
            true if there.is_some() => Action::Delete { path },
            true => return Ok(()),
            false => {
                let text = serde_json::to_string_pretty(self)? + "\n";
                if there.as_ref() == Some(&text) {
                    return Ok(());
                }
                Action::Write { path, text, old: None }
            }
        };
        Step { who: Who::User, action, why: "", mark: Mark::Nothing }.perform(system)
    }

    fn is_empty(&self) -> bool {
        self.files.is_empty() && !self.loaded && !self.group && !self.enabled && self.begun.is_none()
    }

    /// Whether we wrote the file at `path`.
    pub(super) fn has(&self, path: &Path) -> bool {
        self.files.contains_key(path)
    }
}
