//! Camera and quality: changed by requests, laid over what the settings say, remembered.

use std::time::Duration;

use tokio::{task::spawn_blocking, time::timeout};

use super::{
    Choice, Daemon,
    change::{Replacement, loaded},
    internal,
};
use crate::{
    camera,
    config::{Config, Flags},
    control::protocol::Response,
    error::{Failure, Kind},
    mask::{self, Quality},
};

/// How long a camera may take for its first frame; slow ones take three seconds.
const CAMERA_TIMEOUT: Duration = Duration::from_secs(15);

impl Daemon {
    /// Sets what the matte may cost; one that can't be had here leaves the old.
    pub(super) async fn set_quality(&self, quality: Option<Quality>) -> Result<Response, Failure> {
        let change = self.begin().await;
        let new = change.config.clone().with(change.choice.camera.as_deref(), quality);
        try_mask(&change.config, &new).await?;
        let text = format!("quality: {}", new.mask.quality);
        let new = Replacement { config: Some(new), ..Replacement::default() };
        let version = change.commit(new, |choice| choice.quality = quality);
        Ok(self.done(version, &text).await)
    }

    /// Changes to another camera; one that gives no frame leaves the old.
    pub(super) async fn set_camera(&self, camera: Option<String>) -> Result<Response, Failure> {
        let change = self.begin().await;
        let new = change.config.clone().with(camera.as_deref(), change.choice.quality);
        self.try_camera(&change.config, &new, true).await?;
        let text = format!("camera: {}", new.camera.device);
        let new = Replacement { config: Some(new), ..Replacement::default() };
        let version = change.commit(new, |choice| choice.camera = camera);
        Ok(self.done(version, &text).await)
    }

    /// Whether the camera of the `new` settings works: a frame is taken with it, or where that may not be seen
    /// (`film` is false, and the light would come on), it is only asked what it can do. The camera that is open is not
    /// opened twice.
    pub(super) async fn try_camera(&self, old: &Config, new: &Config, film: bool) -> Result<(), Failure> {
        let (old, new) = (old.camera.clone(), new.camera.clone());
        if let Some(path) = new.device.strip_prefix("file:").filter(|path| !path.starts_with('/')) {
            return Err(Failure::new(Kind::BadInput, format!("path {path} is not absolute")));
        }
        let works = self.pipeline.health().camera_failure.is_none();
        let device = new.device.clone();
        let tried = spawn_blocking(move || {
            let is_open = works && camera::locate(&old).ok().flatten().is_some_and(|open| is_node(&new, &open));
            let may_film = film && !is_open || camera::locate(&new)?.is_none();
            if may_film { camera::probe(&new) } else { camera::inspect(&new) }
        });
        let Ok(tried) = timeout(CAMERA_TIMEOUT, tried).await else {
            let text = format!("camera {device} gave no answer within {} s", CAMERA_TIMEOUT.as_secs());
            return Err(Failure::new(Kind::Io, text).hint("unplug it and plug it in again, then try again"));
        };
        tried.map_err(|error| internal(&error))?.map_err(Failure::from)
    }
}

/// Whether these settings name the webcam at `path`.
fn is_node(settings: &camera::Settings, path: &std::path::Path) -> bool {
    camera::locate(settings).ok().flatten().is_some_and(|node| node == path)
}

/// Whether the model of the `new` settings runs, where it is not the one that does: it must not take that one's place.
pub(super) async fn try_mask(old: &Config, new: &Config) -> Result<(), Failure> {
    if old.mask == new.mask {
        return Ok(());
    }
    let (settings, size) = (new.mask.clone(), old.size);
    loaded(spawn_blocking(move || mask::open(&settings, size).map(|_| ()).map_err(Failure::from))).await
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
