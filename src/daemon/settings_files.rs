//! Watches the settings files: detects changes, deletions and writes in progress.

use std::{fs, os::unix::fs::MetadataExt, path::PathBuf, thread, time::Duration};

use crate::paths;

/// How long recently changed files must stay unchanged before they are read (debounce).
const SETTLE_TIME: Duration = Duration::from_millis(100);

/// Maximum number of such waits.
const MAX_WAITS: usize = 20;

/// Maximum age of a recent change, in seconds.
const MAX_RECENT_S: i64 = 2;

/// A settings file and the metadata that changes when it is written or replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stamp {
    path: PathBuf,
    /// `None` if the file does not exist.
    state: Option<State>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    inode: (u64, u64),
    modified: (i64, i64),
    /// Includes changes of the permissions.
    changed: (i64, i64),
    length: u64,
}

/// The state of the settings files when they were last polled, read, and successfully loaded.
#[derive(Debug)]
pub(super) struct SettingsFiles {
    /// At the last poll.
    polled: Vec<Stamp>,
    /// At the last read, successful or not.
    tried: Vec<Stamp>,
    /// When the settings in effect were loaded.
    loaded: Vec<Stamp>,
}

impl SettingsFiles {
    /// Files that have just been loaded.
    pub(super) fn new(loaded: Vec<Stamp>) -> Self {
        Self { polled: loaded.clone(), tried: loaded.clone(), loaded }
    }

    /// Records a poll. Returns true if the files differ from the last read but not from the last poll: a file that an
    /// editor is still writing must not be loaded, since half of it might show the room.
    pub(super) fn poll(&mut self, now: Vec<Stamp>) -> bool {
        let settled = now == self.polled;
        self.polled = now;
        settled && self.polled != self.tried
    }

    /// Records a read.
    pub(super) fn set_tried(&mut self, stamps: Vec<Stamp>) {
        self.tried = stamps;
    }

    /// Records that the files read last are in effect.
    pub(super) fn set_loaded(&mut self) {
        self.loaded.clone_from(&self.tried);
    }

    /// A file that was not empty when it was loaded and is empty now.
    pub(super) fn emptied(&self) -> Option<PathBuf> {
        let length = |stamp: &Stamp| stamp.state.map_or(0, |state| state.length);
        let now = |before: &Stamp| self.tried.iter().find(|stamp| stamp.path == before.path);
        let emptied = |before: &&Stamp| {
            length(before) > 0 && now(before).is_some_and(|now| now.state.is_some() && length(now) == 0)
        };
        self.loaded.iter().find(emptied).map(|stamp| stamp.path.clone())
    }
}

/// The current state of each settings file. Blocks on the disk.
pub(super) fn stamps() -> Vec<Stamp> {
    paths::config_files().into_iter().map(stamp).collect()
}

/// The same, after recent changes have settled: a script may write a file and reload immediately.
pub(super) fn settled_stamps() -> Vec<Stamp> {
    let mut stamps = stamps();
    for _ in 0..MAX_WAITS {
        if !stamps.iter().any(is_recent) {
            break;
        }
        thread::sleep(SETTLE_TIME);
        let before = std::mem::replace(&mut stamps, self::stamps());
        if before == stamps {
            break;
        }
    }
    stamps
}

fn is_recent(stamp: &Stamp) -> bool {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    stamp.state.is_some_and(|state| state.changed.0.abs_diff(now.as_secs() as i64) <= MAX_RECENT_S.unsigned_abs())
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

    fn with_length(length: impl Into<Option<u64>>) -> Vec<Stamp> {
        let state = |length| State { inode: (1, 1), modified: (0, 0), changed: (0, 0), length };
        vec![Stamp { path: "bgcam.toml".into(), state: length.into().map(state) }]
    }

    #[test]
    fn file_being_written_is_not_loaded() {
        let mut files = SettingsFiles::new(with_length(90));
        let mut loaded = Vec::new();
        for length in [90, 0, 40, 95, 95, 95, 95] {
            let changed = files.poll(with_length(length));
            if changed {
                files.set_tried(with_length(length));
            }
            loaded.push(changed);
        }
        assert_eq!(loaded, [false, false, false, false, true, false, false], "an invalid file is read only once");
    }

    #[test]
    fn file_read_by_another_reload_is_not_read_again() {
        let mut files = SettingsFiles::new(with_length(90));
        files.set_tried(with_length(95));
        assert!(!files.poll(with_length(95)) && !files.poll(with_length(95)));
        assert!(!files.poll(with_length(None)) && files.poll(with_length(None)), "deleting a file is a change");
    }

    #[test]
    fn only_a_file_with_content_can_be_emptied() {
        let emptied = |before: Option<u64>, now: Option<u64>| {
            let mut files = SettingsFiles::new(with_length(before));
            files.set_tried(with_length(now));
            files.emptied().is_some()
        };
        assert!(emptied(Some(90), Some(0)));
        assert!(!emptied(Some(0), Some(0)) && !emptied(None, Some(0)) && !emptied(Some(90), None));
    }

    #[test]
    fn replaced_file_of_equal_length_is_a_change() {
        let dir = tempfile::tempdir().unwrap();
        let (path, other) = (dir.path().join("bgcam.toml"), dir.path().join("new"));
        fs::write(&path, "fps = 15").unwrap();
        let before = stamp(path.clone());
        fs::write(&other, "fps = 24").unwrap();
        fs::rename(&other, &path).unwrap();
        assert_ne!(before, stamp(path));
    }
}
