//! The record of changes, kept until they are undone. Each step is recorded before it runs, so that an interrupted
//! setup can be undone or continued.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{Action, Effect, RunAs, Step};
use crate::{doctor::module::Module, system::System};

/// The changes made by setup.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Record {
    /// Written files, with their content.
    pub(super) files: BTreeMap<PathBuf, String>,
    /// Whether the kernel module was loaded.
    pub(super) loaded: bool,
    /// Whether the user was added to the group video.
    pub(super) group: bool,
    /// Whether packages were installed.
    pub(super) packages: bool,
    /// Whether the service was enabled.
    pub(super) enabled: bool,
    /// Whether the icon in the panel was enabled.
    pub(super) tray_enabled: bool,
    /// The step that is running.
    #[serde(skip_serializing_if = "Option::is_none")]
    pending: Option<Pending>,
    /// Whether an earlier setup was interrupted while it installed packages.
    #[serde(skip)]
    pub(super) packages_unfinished: bool,
    /// Whether the record exists but cannot be parsed.
    #[serde(skip)]
    pub(super) is_damaged: bool,
}

/// The change of a step that has started and may have finished.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Pending {
    Write { path: PathBuf, text: String },
    Load,
    Group,
    Packages,
    Enable,
    EnableTray,
}

impl Pending {
    fn of(step: &Step) -> Option<Self> {
        Some(match (&step.action, step.effect) {
            (Action::Write { path, text, .. }, _) => Self::Write { path: path.clone(), text: text.clone() },
            (_, Effect::Loaded(true)) => Self::Load,
            (_, Effect::Group(true)) => Self::Group,
            (_, Effect::Packages) => Self::Packages,
            (_, Effect::Enabled(true)) => Self::Enable,
            (_, Effect::TrayEnabled(true)) => Self::EnableTray,
            // a change stays recorded until it is undone
            _ => return None,
        })
    }
}

/// The path of the record.
pub(super) fn path(system: &System) -> PathBuf {
    system.user_dir("XDG_STATE_HOME", ".local/state").join("bgcam/setup.json")
}

impl Record {
    /// Reads the record; empty if there is none. An interrupted step counts as finished if its change is visible.
    pub(super) fn read(system: &System) -> Self {
        let text = fs::read_to_string(system.path(path(system))).unwrap_or_default();
        let read = serde_json::from_str::<Self>(&text);
        let damaged = Self { is_damaged: !text.is_empty(), ..Self::default() };
        read.map_or(damaged, |record| record.resolve_pending(system))
    }

    fn resolve_pending(mut self, system: &System) -> Self {
        match self.pending.take() {
            Some(Pending::Write { path, text })
                if fs::read_to_string(system.path(&path)).is_ok_and(|found| found == text) =>
            {
                self.files.insert(path, text);
            }
            Some(Pending::Load) => self.loaded = matches!(Module::of(system), Module::Loaded { .. }),
            Some(Pending::Group) => self.group = system.is_in_group("video").0,
            Some(Pending::Packages) => {
                self.packages = true;
                self.packages_unfinished = true;
            }
            Some(Pending::Enable) => self.enabled = true,
            Some(Pending::EnableTray) => self.tray_enabled = true,
            Some(Pending::Write { .. }) | None => {}
        }
        self
    }

    /// Notes a step that is about to run.
    pub(super) fn begin(&mut self, step: &Step) {
        self.pending = Pending::of(step);
    }

    /// Notes the result of a step.
    pub(super) fn end(&mut self, step: &Step, succeeded: bool) {
        self.pending = None;
        match (&step.action, step.effect) {
            // the service may be enabled even if it failed to start
            (_, Effect::Enabled(true)) => self.enabled = true,
            (_, Effect::TrayEnabled(true)) => self.tray_enabled = true,
            _ if !succeeded => {}
            (Action::Write { path, text, .. }, _) => drop(self.files.insert(path.clone(), text.clone())),
            (Action::Delete { path }, _) => drop(self.files.remove(path)),
            (_, Effect::Loaded(loaded)) => self.loaded = loaded,
            (_, Effect::Group(group)) => self.group = group,
            (_, Effect::Packages) => self.packages = true,
            (_, Effect::Enabled(enabled)) => self.enabled = enabled,
            (_, Effect::TrayEnabled(enabled)) => self.tray_enabled = enabled,
            (_, Effect::Nothing | Effect::File) => {}
        }
    }

    /// Drops changes that no longer exist and so need not be undone.
    pub(super) fn forget_missing(&mut self, system: &System) {
        self.files.retain(|path, _| system.exists(path));
        self.loaded &= matches!(Module::of(system), Module::Loaded { .. });
        self.group &= system.is_in_group("video").0;
    }

    /// Saves the record durably, or deletes it if there is nothing to undo.
    pub(super) fn write(&self, system: &System) -> io::Result<()> {
        let path = path(system);
        let existing = fs::read_to_string(system.path(&path)).ok();
        let action = match self.is_empty() {
            true if existing.is_some() => Action::Delete { path },
            true => return Ok(()),
            false => {
                let text = serde_json::to_string_pretty(self)? + "\n";
                if existing.as_ref() == Some(&text) {
                    return Ok(());
                }
                Action::Write { path, text, old: None }
            }
        };
        Step { run_as: RunAs::User, action, why: "", effect: Effect::Nothing }.perform(system)
    }

    fn is_empty(&self) -> bool {
        let is_enabled = self.enabled || self.tray_enabled;
        self.files.is_empty() && !self.loaded && !self.group && !is_enabled && self.pending.is_none()
    }

    /// Whether setup wrote the file at `path`.
    pub(super) fn has(&self, path: &Path) -> bool {
        self.files.contains_key(path)
    }
}
