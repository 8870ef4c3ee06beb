//! Settings that are read again while the daemon runs.

use super::{Daemon, internal, lock, station::chosen};
use crate::{config::Config, error::Failure};

impl Daemon {
    /// The same as [`Daemon::reload`], where nobody waits for an answer.
    pub(super) async fn reload_and_log(&self) {
        match self.reload().await {
            Ok(text) => tracing::info!("{text}"),
            Err(failure) => tracing::warn!(hint = failure.hint, "the old settings stay: {failure}"),
        }
    }

    /// Reads the settings again. Camera, model and limits change at once; the outputs can't while apps read them.
    pub(super) async fn reload(&self) -> Result<String, Failure> {
        let flags = self.flags.clone();
        let loaded =
            tokio::task::spawn_blocking(move || Config::load(&flags)).await.map_err(|error| internal(&error))?;
        let new = chosen(loaded.map_err(|error| Failure::from(&error))?, &lock(&self.choice));
        self.try_mask(&new).await?;
        let follows = lock(&self.choice).background.is_none();
        let default = new.background.clone();
        let text = self.take_over(new);
        self.follow_look().await?;
        if follows && self.pipeline.scene().spec != default {
            self.show_default().await?;
        }
        self.news.send_replace(());
        Ok(text)
    }

    /// Goes on with other settings, but for those that can't change; says so when they would have.
    pub(super) fn take_over(&self, mut new: Config) -> String {
        let mut config = lock(&self.config);
        let fixed = new.size == config.size && new.fps == config.fps && new.outputs == config.outputs;
        let fixed = fixed && new.page == config.page;
        new.size = config.size;
        new.fps = config.fps;
        new.outputs.clone_from(&config.outputs);
        new.page = config.page;
        new.camera.size = config.size;
        new.camera.fps = config.fps;
        self.pipeline.set_camera(new.camera.clone());
        self.pipeline.set_mask(new.mask.clone());
        self.pipeline.set_always_on(new.always_on);
        *config = new;
        let later = if fixed { "" } else { "; those of [output] and [web] take effect when the daemon starts again" };
        format!("settings reloaded{later}")
    }
}
