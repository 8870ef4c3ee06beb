//! The user's choice in memory and on disk: changed immediately, written on a blocking thread.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use super::{
    choice::{self, Choice},
    lock, state_file,
};
use crate::{
    duration::HumanDuration,
    error::{Failure, Kind, io_text},
};

/// How long a response waits for the disk.
const SAVE_TIMEOUT: Duration = Duration::from_secs(5);

/// The user's choice and its file; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct SavedChoice(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    choice: Mutex<Choice>,
    /// The known content of the file; locked while the file is written, which serializes writers.
    on_disk: Mutex<Option<Choice>>,
    /// Why the file could not be loaded; cleared when it is written.
    load_failure: Mutex<Option<Failure>>,
    /// Why the last write failed.
    save_failure: Mutex<Option<Failure>>,
}

impl SavedChoice {
    /// Loads the choice from `path`. If that fails, the choice is paused and [`SavedChoice::failure`] has the reason.
    pub(super) fn load(path: PathBuf) -> Self {
        let (choice, problems) = choice::load(&path);
        let load_failure = problems.map(|problems| load_failure(&path, &problems));
        if let Some(failure) = &load_failure {
            tracing::warn!(hint = failure.hint, "{failure}");
        }
        let on_disk = load_failure.is_none().then(|| choice.clone());
        Self(Arc::new(Inner {
            path,
            choice: Mutex::new(choice),
            on_disk: Mutex::new(on_disk),
            load_failure: Mutex::new(load_failure),
            save_failure: Mutex::default(),
        }))
    }

    /// The choice, for reading or changing; call [`SavedChoice::save`] after a change. Hold the lock only briefly.
    pub(super) fn lock(&self) -> MutexGuard<'_, Choice> {
        lock(&self.0.choice)
    }

    /// Whether the user has not chosen anything yet.
    pub(super) fn is_first_run(&self) -> bool {
        *self.lock() == Choice::default() && lock(&self.0.load_failure).is_none()
    }

    /// Why the choice cannot be saved, or could not be loaded.
    pub(super) fn failure(&self) -> Option<Failure> {
        let with_path = |failure: Failure| {
            let message = format!("cannot save your choices in {}: {failure}", self.0.path.display());
            Failure { message, ..failure }
        };
        self.save_failure().map(with_path).or_else(|| lock(&self.0.load_failure).clone())
    }

    /// Why the last write failed, without the path.
    pub(super) fn save_failure(&self) -> Option<Failure> {
        lock(&self.0.save_failure).clone()
    }

    /// Writes the current choice if it differs from the file. Returns the failure, if any.
    pub(super) async fn save(&self) -> Option<Failure> {
        let inner = Arc::clone(&self.0);
        let written = tokio::task::spawn_blocking(move || inner.write());
        match tokio::time::timeout(SAVE_TIMEOUT, written).await {
            Ok(Ok(())) => self.save_failure(),
            Ok(Err(error)) => Some(Failure::new(Kind::Internal, error.to_string())),
            Err(_) => {
                Some(Failure::new(Kind::Io, format!("the disk did not respond within {}", HumanDuration(SAVE_TIMEOUT))))
            }
        }
    }

    /// Retries a failed write: the disk may have free space again.
    pub(super) async fn retry(&self) {
        if self.save_failure().is_some() {
            self.save().await;
        }
    }
}

impl Inner {
    fn write(&self) {
        let mut on_disk = lock(&self.on_disk);
        // read after locking, so that the last writer writes the newest choice
        let choice = lock(&self.choice).clone();
        if on_disk.as_ref() == Some(&choice) {
            return;
        }
        let result = state_file::save(&choice, &self.path);
        *on_disk = result.is_ok().then_some(choice);
        let failure = result.err().map(|error| save_failure(&error));
        let before = std::mem::replace(&mut *lock(&self.save_failure), failure.clone());
        let path = self.path.display();
        match failure {
            Some(failure) if before.as_ref() != Some(&failure) => {
                tracing::warn!(hint = failure.hint, "cannot save your choices in {path}: {failure}");
            }
            Some(_) => {}
            None => {
                *lock(&self.load_failure) = None;
                if before.is_some() {
                    tracing::info!("your choices are saved in {path} again");
                }
            }
        }
    }
}

fn save_failure(error: &io::Error) -> Failure {
    let text = match error.kind() {
        // the first step creates and opens the folder
        io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => "its folder is a file".to_owned(),
        _ => io_text(error),
    };
    let hint = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "free some disk space; bgcam then saves them automatically"
        }
        _ => "fix this before you restart bgcam, or your choices will be lost",
    };
    Failure::new(Kind::Io, text).hint(hint)
}

fn load_failure(path: &Path, problems: &str) -> Failure {
    let text = format!("cannot read your choices from {}, starting paused: {problems}", path.display());
    Failure::new(Kind::BadInput, text).hint("check the background in `bgcam status`, then run `bgcam resume`")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[tokio::test]
    async fn failed_save_is_reported_and_retried() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state/scene.json");
        let saved_choice = SavedChoice::load(path.clone());
        fs::write(dir.path().join("state"), "a file, not a folder").unwrap();
        saved_choice.lock().paused = true;
        let failure = saved_choice.save().await.unwrap();
        assert_eq!(failure.message, "its folder is a file");
        assert!(saved_choice.failure().unwrap().message.contains("scene.json: its folder is a file"));
        fs::remove_file(dir.path().join("state")).unwrap();
        saved_choice.retry().await;
        assert_eq!(saved_choice.failure(), None);
        assert!(choice::load(&path).0.paused);
    }

    #[tokio::test]
    async fn failed_load_is_reported_until_the_file_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("scene.json");
        fs::write(&path, "").unwrap();
        let saved_choice = SavedChoice::load(path.clone());
        assert!(saved_choice.lock().paused);
        assert!(saved_choice.failure().unwrap().message.contains("starting paused: the file is empty"));
        saved_choice.retry().await;
        assert_eq!(fs::read(&path).unwrap(), b"", "the file is not touched until the user chooses something");
        saved_choice.lock().paused = false;
        assert_eq!(saved_choice.save().await, None);
        assert_eq!(saved_choice.failure(), None);
        assert!(!choice::load(&path).0.paused);
    }
}
