//! Camera and quality requests: changes on top of the settings, saved with the choice.

use std::time::Duration;

use tokio::{task::spawn_blocking, time::timeout};

use super::{
    Choice, Daemon, internal,
    loaded::{Replacement, with_load_timeout},
};
use crate::{
    camera,
    config::{Config, Flags},
    control::protocol::Response,
    error::{Failure, Kind},
    mask::{self, Quality},
};

/// How long a camera may take to deliver its first frame; slow ones take three seconds.
const CAMERA_TIMEOUT: Duration = Duration::from_secs(15);

impl Daemon {
    /// Sets the edge quality; if it is not available, the old one stays.
    pub(super) async fn set_quality(&self, quality: Option<Quality>) -> Result<Response, Failure> {
        let change = self.begin().await;
        let new = change.config.clone().with(change.choice.camera.as_deref(), quality);
        test_model(&change.config, &new).await?;
        let text = format!("quality: {}", new.mask.quality);
        let new = Replacement { config: Some(new), ..Replacement::default() };
        let version = change.commit(new, |choice| choice.quality = quality);
        Ok(self.respond(version, &text).await)
    }

    /// Switches to another camera; if it delivers no frame, the old one stays.
    pub(super) async fn set_camera(&self, camera: Option<String>) -> Result<Response, Failure> {
        let change = self.begin().await;
        let new = change.config.clone().with(camera.as_deref(), change.choice.quality);
        self.test_camera(&change.config, &new, true).await?;
        let text = format!("camera: {}", new.camera.device);
        let new = Replacement { config: Some(new), ..Replacement::default() };
        let version = change.commit(new, |choice| choice.camera = camera);
        Ok(self.respond(version, &text).await)
    }

    /// Whether the camera's LED may be on now.
    pub(super) fn is_light_on(&self) -> bool {
        self.pipeline.camera_wanted().0 && !self.pipeline.scene().paused
    }

    /// Tests the camera of the `new` settings by capturing a frame. If its LED must stay off (`may_capture` is
    /// false), only its formats are queried. A camera that is already open is not opened twice.
    pub(super) async fn test_camera(&self, old: &Config, new: &Config, may_capture: bool) -> Result<(), Failure> {
        let old = old.camera.clone();
        let new = new.camera.clone();
        if let Some(path) = new.device.strip_prefix("file:").filter(|path| !path.starts_with('/')) {
            return Err(Failure::new(Kind::BadInput, format!("path {path} is not absolute")));
        }
        let works = self.pipeline.health().camera_failure.is_none();
        let device = new.device.clone();
        let test = spawn_blocking(move || {
            let is_open = works && camera::locate(&old).ok().flatten().is_some_and(|open| is_node(&new, &open));
            let captures = may_capture && !is_open || camera::locate(&new)?.is_none();
            if captures { camera::probe(&new) } else { camera::inspect(&new) }
        });
        let Ok(result) = timeout(CAMERA_TIMEOUT, test).await else {
            let text = format!("camera {device} did not respond within {} s", CAMERA_TIMEOUT.as_secs());
            return Err(Failure::new(Kind::Io, text).hint("unplug it and plug it in again, then retry"));
        };
        result.map_err(|error| internal(&error))?.map_err(Failure::from)
    }
}

/// Whether these settings select the webcam at `path`.
fn is_node(settings: &camera::Settings, path: &std::path::Path) -> bool {
    camera::locate(settings).ok().flatten().is_some_and(|node| node == path)
}

/// Tests the model of the `new` settings, unless it is the one in use.
pub(super) async fn test_model(old: &Config, new: &Config) -> Result<(), Failure> {
    if old.mask == new.mask {
        return Ok(());
    }
    let settings = new.mask.clone();
    let size = old.size;
    with_load_timeout(spawn_blocking(move || mask::open(&settings, size).map(drop).map_err(Failure::from))).await
}

/// The settings with the chosen camera and quality.
pub(super) fn with_choice(config: Config, choice: &Choice) -> Config {
    config.with(choice.camera.as_deref(), choice.quality)
}

/// Discards the chosen camera or quality if a flag sets it: a flag is the more recent decision.
pub(super) fn apply_flag_overrides(choice: &mut Choice, flags: &Flags) {
    let is_given = |key: &str| flags.iter().any(|(flag, _)| *flag == key);
    if is_given("camera.device") {
        choice.camera = None;
    }
    if is_given("mask.quality") {
        choice.quality = None;
    }
}
