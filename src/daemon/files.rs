//! The settings files: whether they have changed.

use std::{fs, path::PathBuf, time::SystemTime};

use crate::paths;

/// A settings file, when it was changed last, and its length.
type Stamp = (PathBuf, Option<(SystemTime, u64)>);

/// The settings files, as they were at the last look.
#[derive(Debug)]
pub(super) struct Files {
    seen: Vec<Stamp>,
    /// They have changed since they were last taken on.
    stale: bool,
}

impl Files {
    /// Whether they have changed and are to be taken on now: once they are the same in two looks, because an editor may be
    /// half-way through, and half a file may say that the room is shown.
    /// The first look: as they are now, they have been taken on.
    pub(super) fn look_first() -> Self {
        Self { seen: stamps(), stale: false }
    }

    /// Another look, see [`Files::look`].
    pub(super) fn look_again(&mut self) -> bool {
        self.look(stamps())
    }

    fn look(&mut self, now: Vec<Stamp>) -> bool {
        let settled = now == self.seen;
        let changed = self.stale && settled;
        (self.seen, self.stale) = (now, !settled);
        changed
    }
}

/// How each settings file is now.
fn stamps() -> Vec<Stamp> {
    let stamp = |path: &PathBuf| fs::metadata(path).and_then(|meta| Ok((meta.modified()?, meta.len()))).ok();
    paths::config_files().into_iter().map(|path| (path.clone(), stamp(&path))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_being_written_is_not_taken_on() {
        let stamp = |length| vec![(PathBuf::from("bgcam.toml"), Some((SystemTime::UNIX_EPOCH, length)))];
        let mut files = Files { seen: stamp(90), stale: false };
        let taken: Vec<bool> = [90, 0, 40, 95, 95, 95].map(|length| files.look(stamp(length))).into();
        assert_eq!(taken, [false, false, false, false, true, false]);
    }
}
