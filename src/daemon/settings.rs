//! Settings that are read again while the daemon runs.

use std::path::Path;

use tokio::task::spawn_blocking;

use super::{
    Daemon,
    change::{Change, Replacement, loaded},
    files::settled_stamps,
    lock,
    look::look_of,
    station::{chosen, try_mask},
};
use crate::{
    config::Config,
    error::{Failure, Kind},
};

/// Who wants the settings to be read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Asked {
    /// Nobody; a file has changed.
    Never,
    /// The user, by a request or a signal.
    ByUser,
}

/// A reload that has come to its end.
#[derive(Debug, Clone)]
pub(super) struct Reloaded {
    /// When it began to read, as in [`Daemon::arrive`].
    began: u64,
    asked: Asked,
    result: Result<String, Failure>,
}

impl Daemon {
    /// The same as [`Daemon::reload`], where nobody waits for an answer.
    pub(super) async fn reload_and_log(&self, asked: Asked) {
        match self.reload(asked).await {
            Ok(text) => tracing::info!("{text}"),
            Err(failure) => tracing::warn!(hint = failure.hint, "the previous settings stay: {failure}"),
        }
    }

    /// Reads the settings again. Camera, model and limits change at once; the outputs can't while apps read them. Whoever
    /// waits for another reload that begins after this request gets the result of that.
    pub(super) async fn reload(&self, asked: Asked) -> Result<String, Failure> {
        let arrived = self.arrive();
        let change = self.begin().await;
        let last = lock(&self.reloaded).clone();
        if let Some(last) = last.filter(|last| last.began > arrived && last.asked >= asked) {
            return last.result;
        }
        let began = self.arrive();
        let result = self.reload_once(change, asked).await;
        *lock(&self.reloaded) = Some(Reloaded { began, asked, result: result.clone() });
        result
    }

    /// Loads all that the new settings need, then commits it as a whole; when any part fails, nothing changes.
    async fn reload_once(&self, change: Change<'_>, asked: Asked) -> Result<String, Failure> {
        let read = self.read_settings(&change.config, asked).await?;
        let new = with_fixed(chosen(read.clone(), &change.choice), &change.config);
        try_mask(&change.config, &new).await?;
        if names_camera(&new) != names_camera(&change.config) {
            let lit = self.pipeline.camera_wanted().0 && !self.pipeline.scene().paused;
            self.try_camera(&change.config, &new, lit).await?;
        }
        let look = look_of(&change.choice, &new);
        let follows = change.choice.background.is_none() && change.scene.spec != new.background;
        let replacement = change.with_look(look, follows.then_some(&new.background), &new).await?;
        let later = if is_fixed_same(&read, &change.config) {
            ""
        } else {
            "; those of [output] and [web] take effect when the daemon starts again"
        };
        let version = change.commit(Replacement { config: Some(new), ..replacement }, |_| {});
        lock(&self.files).set_loaded();
        self.until_shown(version).await;
        Ok(format!("settings reloaded{later}"))
    }

    /// The settings as the files are now. A file that the `old` ones came from must still be there: it may be on a disk
    /// that was unmounted, and the defaults show the room, blurred.
    async fn read_settings(&self, old: &Config, asked: Asked) -> Result<Config, Failure> {
        let flags = self.flags.clone();
        let read = spawn_blocking(move || {
            let stamps = settled_stamps();
            Ok((Config::load(&flags).map_err(Failure::from), stamps))
        });
        let (read, stamps) = loaded(read).await?;
        let emptied = {
            let mut files = lock(&self.files);
            files.set_tried(stamps);
            files.emptied()
        };
        let new = read?;
        if let Some(path) = old.files.iter().find(|path| !new.files.contains(path)) {
            return Err(gone(path));
        }
        match emptied {
            Some(path) if asked == Asked::Never => Err(empty(&path)),
            _ => Ok(new),
        }
    }

    /// Goes on with other settings. Part of a commit.
    pub(super) fn use_config(&self, new: Config) {
        self.pipeline.set_camera(new.camera.clone());
        self.pipeline.set_mask(new.mask.clone());
        self.pipeline.set_always_on(new.always_on);
        *lock(&self.config) = new;
    }
}

/// What decides whether the camera works.
fn names_camera(config: &Config) -> (&str, Option<&str>) {
    (&config.camera.device, config.camera.fourcc.as_deref())
}

/// Whether what can't change while the daemon runs is the same in both.
fn is_fixed_same(new: &Config, old: &Config) -> bool {
    (new.size, new.fps, &new.outputs, new.page) == (old.size, old.fps, &old.outputs, old.page)
}

/// The new settings with what can't change while the daemon runs as it was.
fn with_fixed(mut new: Config, old: &Config) -> Config {
    new.size = old.size;
    new.fps = old.fps;
    new.outputs.clone_from(&old.outputs);
    new.page = old.page;
    new.camera.size = old.size;
    new.camera.fps = old.fps;
    new
}

fn gone(path: &Path) -> Failure {
    let text = format!("settings file {} that was loaded before is gone", path.display());
    Failure::new(Kind::NotFound, text)
        .hint("nothing has changed; restore the file (is its disk mounted?), or restart bgcam to go on without it")
}

fn empty(path: &Path) -> Failure {
    let text = format!("settings file {} is empty now", path.display());
    Failure::new(Kind::BadInput, text).hint("restore it, or run `bgcam reload` to use the defaults")
}
