//! The user's choice in memory and on disk: changed at once, written on a thread of its own.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use super::{
    choice::{Choice, remember, remembered},
    lock,
};
use crate::error::{Failure, Kind, io_text};

/// How long an answer waits for the disk.
const SAVED_WITHIN: Duration = Duration::from_secs(5);

/// The choice, and how it is kept; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Memory(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    choice: Mutex<Choice>,
    /// What the file has, as far as we know; held while it is written, so that writers take turns.
    saved: Mutex<Option<Choice>>,
    /// Why the file could not be read; until it is written again.
    unread: Mutex<Option<Failure>>,
    /// Why the choice could not be written, the last time.
    unsaved: Mutex<Option<Failure>>,
}

impl Memory {
    /// What the file at `path` has. Where it can't be read, the choice is paused and [`Memory::failure`] says why.
    pub(super) fn load(path: PathBuf) -> Self {
        let (choice, problems) = remembered(&path);
        let unread = problems.map(|problems| unread(&path, &problems));
        if let Some(failure) = &unread {
            tracing::warn!(hint = failure.hint, "{failure}");
        }
        let saved = unread.is_none().then(|| choice.clone());
        let (choice, saved, unread) = (Mutex::new(choice), Mutex::new(saved), Mutex::new(unread));
        Self(Arc::new(Inner { path, choice, saved, unread, unsaved: Mutex::default() }))
    }

    /// The choice, to read or to change; followed by [`Memory::save`] after a change. Held for moments only.
    pub(super) fn choice(&self) -> MutexGuard<'_, Choice> {
        lock(&self.0.choice)
    }

    /// Why the choice will not survive a restart, or did not survive the last one.
    pub(super) fn failure(&self) -> Option<Failure> {
        let cannot = |failure: Failure| {
            let text = format!("what you chose cannot be saved in {}: {failure}", self.0.path.display());
            Failure { message: text, ..failure }
        };
        self.unsaved().map(cannot).or_else(|| lock(&self.0.unread).clone())
    }

    /// Why the choice will not survive a restart: the cause alone.
    pub(super) fn unsaved(&self) -> Option<Failure> {
        lock(&self.0.unsaved).clone()
    }

    /// Writes the choice of now where it has changed, and says why it could not be written.
    pub(super) async fn save(&self) -> Option<Failure> {
        let inner = Arc::clone(&self.0);
        let written = tokio::task::spawn_blocking(move || inner.write());
        match tokio::time::timeout(SAVED_WITHIN, written).await {
            Ok(Ok(())) => self.unsaved(),
            Ok(Err(error)) => Some(Failure::new(Kind::Internal, error.to_string())),
            Err(_) => Some(Failure::new(Kind::Io, format!("no answer from the disk within {SAVED_WITHIN:?}"))),
        }
    }

    /// Tries again to write what could not be written: the disk may have room again.
    pub(super) async fn retry(&self) {
        if self.unsaved().is_some() {
            self.save().await;
        }
    }
}

impl Inner {
    fn write(&self) {
        let mut saved = lock(&self.saved);
        // that of now, not that of the request: whoever writes last writes the newest
        let choice = lock(&self.choice).clone();
        if saved.as_ref() == Some(&choice) {
            return;
        }
        let written = remember(&choice, &self.path);
        *saved = written.is_ok().then_some(choice);
        let failure = written.err().map(|error| unsaved(&error));
        let before = std::mem::replace(&mut *lock(&self.unsaved), failure.clone());
        let path = self.path.display();
        match failure {
            Some(failure) if before.as_ref() != Some(&failure) => {
                tracing::warn!(hint = failure.hint, "what you chose cannot be saved in {path}: {failure}");
            }
            Some(_) => {}
            None => {
                *lock(&self.unread) = None;
                if before.is_some() {
                    tracing::info!("what you chose is saved in {path} again");
                }
            }
        }
    }
}

fn unsaved(error: &io::Error) -> Failure {
    let text = match error.kind() {
        // the folder of the file is what is made or opened first
        io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => "its folder is a file".to_owned(),
        _ => io_text(error),
    };
    let hint = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "free some disk space; bgcam then saves it by itself"
        }
        _ => "until it can be saved, a restart of bgcam forgets it",
    };
    Failure::new(Kind::Io, text).hint(hint)
}

fn unread(path: &Path, problems: &str) -> Failure {
    let text = format!("what you chose before cannot be read from {}, starting paused: {problems}", path.display());
    Failure::new(Kind::BadInput, text).hint("check the background in `bgcam status`, then run `bgcam resume`")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[tokio::test]
    async fn a_choice_that_can_not_be_saved_is_told_and_saved_later() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state/scene.json");
        let memory = Memory::load(path.clone());
        fs::write(dir.path().join("state"), "in the way").unwrap();
        memory.choice().paused = true;
        let failure = memory.save().await.unwrap();
        assert_eq!(failure.message, "its folder is a file");
        assert!(memory.failure().unwrap().message.contains("scene.json: its folder is a file"));
        fs::remove_file(dir.path().join("state")).unwrap();
        memory.retry().await;
        assert_eq!(memory.failure(), None);
        assert!(remembered(&path).0.paused);
    }

    #[tokio::test]
    async fn a_file_that_can_not_be_read_is_told_until_it_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("scene.json");
        fs::write(&path, "").unwrap();
        let memory = Memory::load(path.clone());
        assert!(memory.choice().paused);
        assert!(memory.failure().unwrap().message.contains("starting paused: the file is empty"));
        memory.retry().await;
        assert_eq!(fs::read(&path).unwrap(), b"", "it is left alone until the user chooses something");
        memory.choice().paused = false;
        assert_eq!(memory.save().await, None);
        assert_eq!(memory.failure(), None);
        assert!(!remembered(&path).0.paused);
    }
}
