//! Camera and quality: changed by requests, laid over what the settings say, remembered.

use super::{Choice, Daemon, internal, lock};
use crate::{
    camera,
    config::{Config, Flags},
    control::protocol::Response,
    error::{Failure, Kind},
    mask::{self, Quality},
};

impl Daemon {
    /// Sets what the matte may cost; one that can't be had here leaves the old.
    pub(super) async fn set_quality(&self, quality: Option<Quality>) -> Result<Response, Failure> {
        let _in_order = self.change.lock().await;
        let choice = Choice { quality, ..lock(&self.choice).clone() };
        let new = chosen(lock(&self.config).clone(), &choice);
        self.try_mask(&new).await?;
        let text = format!("quality: {}", new.mask.quality);
        self.take_over(new);
        self.choose(|choice| choice.quality = quality);
        Ok(Response::Done(text))
    }

    /// Changes to another camera; one that is not there leaves the old.
    pub(super) async fn set_camera(&self, camera: Option<String>) -> Result<Response, Failure> {
        let _in_order = self.change.lock().await;
        let wanted = camera.is_some();
        let choice = Choice { camera: camera.clone(), ..lock(&self.choice).clone() };
        let new = chosen(lock(&self.config).clone(), &choice);
        let device = new.camera.device.clone();
        if let Some(path) = device.strip_prefix("file:").filter(|path| !path.starts_with('/')) {
            return Err(Failure::new(Kind::BadInput, format!("path {path} is not absolute")));
        }
        if wanted {
            let settings = new.camera.clone();
            let found = tokio::task::spawn_blocking(move || camera::locate(&settings));
            found.await.map_err(|error| internal(&error))?.map_err(|error| Failure::from(&error))?;
        }
        self.take_over(new);
        self.choose(|choice| choice.camera = camera);
        Ok(Response::Done(format!("camera: {device}")))
    }

    fn choose(&self, change: impl FnOnce(&mut Choice)) {
        let mut choice = lock(&self.choice);
        let before = choice.clone();
        change(&mut choice);
        self.keep(&before, &choice);
    }

    /// Whether the model of these settings runs, where it is not the one that does: it must not take that one's place.
    pub(super) async fn try_mask(&self, new: &Config) -> Result<(), Failure> {
        let (settings, size) = (new.mask.clone(), lock(&self.config).size);
        if settings == lock(&self.config).mask {
            return Ok(());
        }
        let tried = tokio::task::spawn_blocking(move || mask::open(&settings, size).map(|_| ()));
        tried.await.map_err(|error| internal(&error))?.map_err(|error| Failure::from(&error))
    }
}

/// The settings with what was chosen since.
pub(super) fn chosen(config: Config, choice: &Choice) -> Config {
    config.with(choice.camera.as_deref(), choice.quality)
}

/// Forgets what a flag says otherwise: whoever starts the daemon means it.
pub(super) fn give_way(choice: &mut Choice, flags: &Flags) {
    let given = |key: &str| flags.iter().any(|(flag, _)| *flag == key);
    if given("camera.device") {
        choice.camera = None;
    }
    if given("mask.quality") {
        choice.quality = None;
    }
}
