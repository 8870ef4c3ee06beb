//! What is shown: a background is loaded, and a scene is made of it.

use std::{sync::atomic::Ordering, time::Duration};

use image::RgbImage;
use tokio::task::spawn_blocking;

use super::{
    Daemon,
    change::{Replacement, loaded},
    choice::Choice,
    look::look_of,
    prompt,
};
use crate::{
    background::{self, Background, BackgroundSpec, DEFAULT_BLUR, Fit},
    compose::{Overlay, Scene},
    config::Config,
    error::{Failure, Kind},
    look::Look,
};

/// What became of a background that was asked for.
pub(super) enum Shown {
    /// It is shown, from this version of the scene on, under this label.
    Yes(u64, String),
    /// The user has chosen another one since.
    Superseded,
}

impl Daemon {
    /// Changes the background; if it can't be loaded, everything stays. `decoded` has the pixels of a still image that is
    /// decoded already. `arrived` is the number of the request: a background of a later request stays, and prompts of
    /// earlier requests are cancelled.
    pub(super) async fn set_background(
        &self,
        spec: BackgroundSpec,
        fit: Option<Fit>,
        decoded: Option<RgbImage>,
        arrived: u64,
    ) -> Result<Shown, Failure> {
        if let Some(path) = spec.path().filter(|path| !path.is_absolute()) {
            return Err(Failure::new(Kind::BadInput, format!("path {} is not absolute", path.display())));
        }
        let change = self.begin().await;
        if self.is_superseded(arrived) {
            return Ok(Shown::Superseded);
        }
        let spec = spec.fitted(fit.unwrap_or(change.config.fit));
        let ready = Ready::load_decoded(&spec, decoded, &change.scene.look, &change.config).await?;
        let label = ready.label.clone();
        let new = Replacement { background: Some(ready), ..Replacement::default() };
        let version = change.commit(new, |choice| choice.background = Some(spec));
        self.background_chosen.store(arrived, Ordering::Relaxed);
        self.jobs.cancel_older(arrived);
        Ok(Shown::Yes(version, label))
    }

    /// Whether a background was chosen by a later request than that which arrived then.
    pub(super) fn is_superseded(&self, arrived: u64) -> bool {
        self.background_chosen.load(Ordering::Relaxed) > arrived
    }
}

/// A background that is ready to be shown.
pub(super) struct Ready {
    spec: BackgroundSpec,
    label: String,
    background: Background,
    fade: Duration,
}

impl Ready {
    /// Loads `spec`, with the adjustments of `look`.
    pub(super) async fn load(spec: &BackgroundSpec, look: &Look, config: &Config) -> Result<Self, Failure> {
        Self::load_decoded(spec, None, look, config).await
    }

    /// As [`load`](Self::load), with the pixels of the still image that `spec` names, if they are decoded already.
    async fn load_decoded(
        spec: &BackgroundSpec,
        decoded: Option<RgbImage>,
        look: &Look,
        config: &Config,
    ) -> Result<Self, Failure> {
        let crossfade = config.crossfade;
        let options = background::Options::for_look(look, config.size, config.limits);
        let options = background::Options { crossfade, ..options };
        let (spec, bound) = (spec.clone(), config.gallery_bytes);
        let load = spawn_blocking(move || {
            let background = match (decoded, &spec) {
                (Some(image), BackgroundSpec::Picture { fit, .. }) => Background::still(image, *fit, &options),
                _ => Background::load(&spec, &options)?,
            };
            let label = prompt::label(&spec, bound);
            Ok(Self { spec, label, background, fade: crossfade })
        });
        loaded(load).await
    }

    /// It comes at once, without fading in.
    pub(super) fn at_once(self) -> Self {
        Self { fade: Duration::ZERO, ..self }
    }

    /// The scene with it behind.
    pub(super) fn scene(self, version: u64, (look, overlay): Looks, &Choice { mirror, paused, .. }: &Choice) -> Scene {
        let Self { spec, label, background, fade } = self;
        Scene { version, label, spec, instead_of: None, background, look, overlay, mirror, paused, fade }
    }
}

/// A look, with the overlay that it names.
pub(super) type Looks = (Look, Option<Overlay>);

pub(super) async fn first_scene(choice: &Choice, config: &Config, overlay: Option<Overlay>) -> Result<Scene, Failure> {
    let spec = choice.background.as_ref().unwrap_or(&config.background);
    let look = look_of(choice, config);
    Ok(Ready::load(spec, &look, config).await?.scene(1, (look, overlay), choice))
}

/// The scene in place of one that can't be loaded: never the plain room.
pub(super) async fn blurred(
    choice: &Choice,
    config: &Config,
    overlay: Option<Overlay>,
    failure: &Failure,
) -> Result<Scene, Failure> {
    tracing::warn!(hint = failure.hint, "{failure}; showing a blurred room in its place");
    let instead_of = choice.background.as_ref().unwrap_or(&config.background).to_string();
    let background = Some(BackgroundSpec::Blur { strength: DEFAULT_BLUR });
    let scene = first_scene(&Choice { background, ..choice.clone() }, config, overlay).await?;
    Ok(Scene { instead_of: Some(instead_of), ..scene })
}
