//! What a change loads before it is committed: a background, a look with its overlay, settings.

use std::time::Duration;

use image::RgbImage;
use tokio::task::{JoinHandle, spawn_blocking};

use super::{choice::Choice, images, internal};
use crate::{
    background::{self, Background, BackgroundSpec},
    compose::{Overlay, Scene},
    config::Config,
    error::{Failure, Kind},
    look::Look,
};

/// How long anything may take to load; shorter than the timeout of a client.
const LOAD_TIMEOUT: Duration = Duration::from_secs(50);

/// A loaded background, ready to be shown.
pub(super) struct LoadedBackground {
    spec: BackgroundSpec,
    pub(super) label: String,
    background: Background,
    fade: Duration,
}

impl LoadedBackground {
    /// Loads a background, graded as `look` requires.
    pub(super) async fn load(spec: &BackgroundSpec, look: &Look, config: &Config) -> Result<Self, Failure> {
        Self::load_decoded(spec, None, look, config).await
    }

    /// The same; `decoded` has the pixels of a still image, if it is already decoded.
    pub(super) async fn load_decoded(
        spec: &BackgroundSpec,
        decoded: Option<RgbImage>,
        look: &Look,
        config: &Config,
    ) -> Result<Self, Failure> {
        let crossfade = config.crossfade;
        let options = background::Options::for_look(look, config.size, config.limits);
        let options = background::Options { crossfade, ..options };
        let spec = spec.clone();
        let gallery_bytes = config.gallery_bytes;
        let load = spawn_blocking(move || {
            let background = match (decoded, &spec) {
                (Some(image), BackgroundSpec::Image { fit, .. }) => Background::still(image, *fit, &options),
                _ => Background::load(&spec, &options)?,
            };
            let label = images::label(&spec, gallery_bytes);
            Ok(Self { spec, label, background, fade: crossfade })
        });
        with_load_timeout(load).await
    }

    /// The same background, shown without a fade.
    pub(super) fn without_fade(self) -> Self {
        Self { fade: Duration::ZERO, ..self }
    }

    /// The scene with this background.
    pub(super) fn into_scene(self, version: u64, look: LoadedLook, choice: &Choice) -> Scene {
        let Self { spec, label, background, fade } = self;
        let LoadedLook { look, overlay } = look;
        let &Choice { mirror, paused, .. } = choice;
        Scene {
            version,
            label,
            spec,
            replaces: None,
            background,
            look,
            overlay,
            mirror,
            paused,
            pause_message: choice.pause_message.clone(),
            frozen: choice.frozen.clone(),
            fade,
        }
    }
}

/// A look, with its overlay image loaded.
pub(super) struct LoadedLook {
    pub(super) look: Look,
    pub(super) overlay: Option<Overlay>,
}

/// What a commit replaces; `None` keeps the current value.
#[derive(Default)]
pub(super) struct Replacement {
    pub(super) config: Option<Config>,
    pub(super) background: Option<LoadedBackground>,
    pub(super) look: Option<LoadedLook>,
}

/// The result of blocking work. Work that exceeds the timeout continues, but its result is dropped.
pub(super) async fn with_load_timeout<T>(work: JoinHandle<Result<T, Failure>>) -> Result<T, Failure> {
    match tokio::time::timeout(LOAD_TIMEOUT, work).await {
        Ok(done) => done.map_err(|error| internal(&error))?,
        Err(_) => {
            let text = format!("loading took longer than {} s, nothing has changed", LOAD_TIMEOUT.as_secs());
            Err(Failure::new(Kind::Io, text).hint("check the disk or network drive that the file is on"))
        }
    }
}
