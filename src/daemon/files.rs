//! The settings files: whether they have changed, are gone, or are being written.

use std::{fs, os::unix::fs::MetadataExt, path::PathBuf, thread, time::Duration};

use crate::paths;

/// How long files that changed a moment ago must stay the same before they are read.
const SETTLED: Duration = Duration::from_millis(100);

/// How often to wait for that at the most.
const MAX_WAITS: usize = 20;

/// Files that changed before this long are not waited for.
const RECENT: i64 = 2;

/// A settings file, and what changes when it is written or replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stamp {
    path: PathBuf,
    /// `None` where there is no file.
    state: Option<State>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    inode: (u64, u64),
    modified: (i64, i64),
    /// Also a change of the permissions counts.
    changed: (i64, i64),
    length: u64,
}

/// The settings files as they were last seen, tried and taken on.
#[derive(Debug)]
pub(super) struct Files {
    /// At the last look.
    seen: Vec<Stamp>,
    /// When they were read last, with or without success.
    tried: Vec<Stamp>,
    /// When the settings in effect were read.
    loaded: Vec<Stamp>,
}

impl Files {
    /// Just loaded.
    pub(super) fn new(loaded: Vec<Stamp>) -> Self {
        Self { seen: loaded.clone(), tried: loaded.clone(), loaded }
    }

    /// Another look. True when they have changed since they were read, and not since the last look: an editor may be half-way
    /// through, and half a file may say that the room is shown.
    pub(super) fn look(&mut self, now: Vec<Stamp>) -> bool {
        let settled = now == self.seen;
        self.seen = now;
        settled && self.seen != self.tried
    }

    /// They are read now.
    pub(super) fn set_tried(&mut self, stamps: Vec<Stamp>) {
        self.tried = stamps;
    }

    /// What was read last is in effect.
    pub(super) fn set_loaded(&mut self) {
        self.loaded.clone_from(&self.tried);
    }

    /// A file that had settings when it was loaded and is empty now.
    pub(super) fn emptied(&self) -> Option<PathBuf> {
        let length = |stamp: &Stamp| stamp.state.map_or(0, |state| state.length);
        let now = |before: &Stamp| self.tried.iter().find(|stamp| stamp.path == before.path);
        let emptied = |before: &&Stamp| {
            length(before) > 0 && now(before).is_some_and(|now| now.state.is_some() && length(now) == 0)
        };
        self.loaded.iter().find(emptied).map(|stamp| stamp.path.clone())
    }
}

/// How each settings file is now. May wait for a disk.
pub(super) fn stamps() -> Vec<Stamp> {
    paths::config_files().into_iter().map(stamp).collect()
}

/// The same, once files that were changed a moment ago stay as they are: a script may write one and reload at once.
pub(super) fn settled_stamps() -> Vec<Stamp> {
    let mut stamps = stamps();
    for _ in 0..MAX_WAITS {
        if !stamps.iter().any(is_recent) {
            break;
        }
        thread::sleep(SETTLED);
        let before = std::mem::replace(&mut stamps, self::stamps());
        if before == stamps {
            break;
        }
    }
    stamps
}

fn is_recent(stamp: &Stamp) -> bool {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    stamp.state.is_some_and(|state| state.changed.0.abs_diff(now.as_secs() as i64) <= RECENT.unsigned_abs())
}

fn stamp(path: PathBuf) -> Stamp {
    let state = fs::metadata(&path).ok().map(|meta| State {
        inode: (meta.dev(), meta.ino()),
        modified: (meta.mtime(), meta.mtime_nsec()),
        changed: (meta.ctime(), meta.ctime_nsec()),
        length: meta.len(),
    });
    Stamp { path, state }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_length(length: impl Into<Option<u64>>) -> Vec<Stamp> {
        let state = |length| State { inode: (1, 1), modified: (0, 0), changed: (0, 0), length };
        vec![Stamp { path: "bgcam.toml".into(), state: length.into().map(state) }]
    }

    #[test]
    fn a_file_that_is_being_written_is_not_taken_on() {
        let mut files = Files::new(of_length(90));
        let mut taken = Vec::new();
        for length in [90, 0, 40, 95, 95, 95, 95] {
            let changed = files.look(of_length(length));
            if changed {
                files.set_tried(of_length(length));
            }
            taken.push(changed);
        }
        assert_eq!(
            taken,
            [false, false, false, false, true, false, false],
            "and a bad one is not read again and again"
        );
    }

    #[test]
    fn what_was_read_meanwhile_is_not_read_again() {
        let mut files = Files::new(of_length(90));
        files.set_tried(of_length(95));
        assert!(!files.look(of_length(95)) && !files.look(of_length(95)));
        assert!(!files.look(of_length(None)) && files.look(of_length(None)), "a file that is gone is news");
    }

    #[test]
    fn only_a_file_that_had_something_is_emptied() {
        let emptied = |before: Option<u64>, now: Option<u64>| {
            let mut files = Files::new(of_length(before));
            files.set_tried(of_length(now));
            files.emptied().is_some()
        };
        assert!(emptied(Some(90), Some(0)));
        assert!(!emptied(Some(0), Some(0)) && !emptied(None, Some(0)) && !emptied(Some(90), None));
    }

    #[test]
    fn a_replaced_file_of_the_same_length_is_another() {
        let dir = tempfile::tempdir().unwrap();
        let (path, other) = (dir.path().join("bgcam.toml"), dir.path().join("new"));
        fs::write(&path, "fps = 15").unwrap();
        let before = stamp(path.clone());
        fs::write(&other, "fps = 24").unwrap();
        fs::rename(&other, &path).unwrap();
        assert_ne!(before, stamp(path));
    }
}
