//! Reloading the settings while the daemon runs.

use std::path::Path;

use tokio::task::spawn_blocking;

use super::{
    Daemon,
    camera_and_quality::{test_model, with_choice},
    change::Change,
    loaded::{Replacement, with_load_timeout},
    lock,
    scene::look_of,
    settings_files::settled_stamps,
};
use crate::{
    config::Config,
    error::{Failure, Kind},
    prompt::Name,
};

/// What triggered a reload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ReloadTrigger {
    /// A changed settings file.
    FileChange,
    /// A request or SIGHUP.
    User,
}

/// A finished reload.
#[derive(Debug, Clone)]
pub(super) struct Reloaded {
    /// Sequence number of its start, from [`Daemon::next_arrival`].
    started: u64,
    trigger: ReloadTrigger,
    result: Result<String, Failure>,
}

impl Daemon {
    /// Reloads and logs the result.
    pub(super) async fn reload_and_log(&self, trigger: ReloadTrigger) {
        match self.reload(trigger).await {
            Ok(text) => tracing::info!("{text}"),
            Err(failure) => tracing::warn!(hint = failure.hint, "keeping the previous settings: {failure}"),
        }
    }

    /// Reloads the settings. Camera, model and limits change immediately; the outputs cannot while apps use them. If
    /// another reload has started while this one was waiting, it covers both.
    pub(super) async fn reload(&self, trigger: ReloadTrigger) -> Result<String, Failure> {
        let arrival = self.next_arrival();
        let change = self.begin().await;
        let last = lock(&self.reloaded).clone();
        if let Some(last) = last.filter(|last| last.started > arrival && last.trigger >= trigger) {
            return last.result;
        }
        let started = self.next_arrival();
        let result = self.reload_once(change, trigger).await;
        *lock(&self.reloaded) = Some(Reloaded { started, trigger, result: result.clone() });
        result
    }

    /// Loads everything that the new settings need, then commits it; if any part fails, nothing changes.
    async fn reload_once(&self, change: Change<'_>, trigger: ReloadTrigger) -> Result<String, Failure> {
        let read = self.read_settings(&change.config, trigger).await?;
        let new = with_fixed_settings(with_choice(read.clone(), &change.choice), &change.config);
        test_model(&change.config, &new).await?;
        if camera_id(&new) != camera_id(&change.config) {
            self.test_camera(&change.config, &new, self.is_light_on()).await?;
        }
        let look = look_of(&change.choice, &new);
        let has_new_background = change.choice.background.is_none() && change.scene.spec != new.background;
        let replacement = change.with_look(look, has_new_background.then_some(&new.background), &new).await?;
        let note = if has_same_fixed_settings(&read, &change.config) {
            ""
        } else {
            "; changes to [output] and [web] take effect when bgcam restarts"
        };
        let version = change.commit(Replacement { config: Some(new), ..replacement }, |_| {});
        lock(&self.files).set_loaded();
        self.wait_until_shown(version).await;
        Ok(format!("settings reloaded{note}"))
    }

    /// Reads the settings files. Every file behind the `old` settings must still exist: it may be on an unmounted disk,
    /// and the default settings show the room, blurred.
    async fn read_settings(&self, old: &Config, trigger: ReloadTrigger) -> Result<Config, Failure> {
        let flags = self.flags.clone();
        let read = spawn_blocking(move || {
            let stamps = settled_stamps();
            Ok((Config::load(&flags).map_err(Failure::from), stamps))
        });
        let (read, stamps) = with_load_timeout(read).await?;
        let emptied = {
            let mut files = lock(&self.files);
            files.set_tried(stamps);
            files.emptied()
        };
        let new = read?;
        if let Some(path) = old.files.iter().find(|path| !new.files.contains(path)) {
            return Err(missing_file(path));
        }
        match emptied {
            Some(path) if trigger == ReloadTrigger::FileChange => Err(empty_file(&path)),
            _ => Ok(new),
        }
    }

    /// Applies settings; part of a commit.
    pub(super) fn apply_config(&self, new: Config) {
        self.pipeline.set_camera(new.camera.clone());
        self.pipeline.set_mask(new.mask.clone());
        self.pipeline.set_always_on(new.always_on);
        Name::ALL.iter().for_each(|name| new.prompt.of(*name).applied());
        *lock(&self.config) = new;
    }
}

/// The settings that decide whether a camera needs a test.
fn camera_id(config: &Config) -> (&str, Option<&str>) {
    (&config.camera.device, config.camera.fourcc.as_deref())
}

/// Whether the settings that cannot change at run time are equal.
fn has_same_fixed_settings(new: &Config, old: &Config) -> bool {
    (new.size, new.fps, &new.outputs, new.page) == (old.size, old.fps, &old.outputs, old.page)
}

/// The new settings, except for those that cannot change at run time.
fn with_fixed_settings(mut new: Config, old: &Config) -> Config {
    new.size = old.size;
    new.fps = old.fps;
    new.outputs.clone_from(&old.outputs);
    new.page = old.page;
    new.camera.size = old.size;
    new.camera.fps = old.fps;
    new
}

fn missing_file(path: &Path) -> Failure {
    Failure::new(Kind::NotFound, format!("settings file {} no longer exists", path.display()))
        .hint("nothing has changed; restore the file (is its disk mounted?), or restart bgcam to run without it")
}

fn empty_file(path: &Path) -> Failure {
    Failure::new(Kind::BadInput, format!("settings file {} is now empty", path.display()))
        .hint("restore it, or run `bgcam reload` to use the defaults")
}
