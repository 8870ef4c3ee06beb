//! Loads backgrounds and builds scenes from the choice and the settings.

use std::sync::atomic::Ordering;

use image::RgbImage;

use super::{
    Daemon,
    change::Change,
    choice::Choice,
    loaded::{LoadedBackground, LoadedLook, Replacement},
};
use crate::{
    background::{BackgroundSpec, DEFAULT_BLUR, Fit},
    compose::{Overlay, Scene},
    config::Config,
    control::protocol::Direction,
    error::{Failure, Kind},
    look::{Changes, Look},
};

/// The outcome of a request for a background.
pub(super) enum BackgroundOutcome {
    /// It is shown from scene `version` on.
    Shown { version: u64, label: String },
    /// A later request has chosen another background.
    Superseded,
}

impl Daemon {
    /// Shows another background; if it cannot be loaded, nothing changes. `arrival` is the sequence number of the
    /// request: a background chosen by a later request stays, and generations for earlier requests are cancelled.
    /// `decoded` has the pixels of a still image, if it is already decoded.
    pub(super) async fn set_background(
        &self,
        spec: BackgroundSpec,
        fit: Option<Fit>,
        decoded: Option<RgbImage>,
        arrival: u64,
    ) -> Result<BackgroundOutcome, Failure> {
        if let Some(path) = spec.path().filter(|path| !path.is_absolute()) {
            return Err(Failure::new(Kind::BadInput, format!("path {} is not absolute", path.display())));
        }
        let change = self.begin().await;
        if self.is_superseded(arrival) {
            return Ok(BackgroundOutcome::Superseded);
        }
        let spec = spec.fitted(fit.unwrap_or(change.config.fit));
        let background = LoadedBackground::load_decoded(&spec, decoded, &change.scene.look, &change.config).await?;
        let old = change.background().clone();
        Ok(self.commit_background(change, background, arrival, |choice| choice.choose(spec, &old)))
    }

    /// Shows the recent background before or after the current one; the order stays. Those that cannot be loaded are
    /// skipped: a disk may be missing for a while.
    pub(super) async fn show_recent(&self, direction: Direction, arrival: u64) -> Result<BackgroundOutcome, Failure> {
        let change = self.begin().await;
        if self.is_superseded(arrival) {
            return Ok(BackgroundOutcome::Superseded);
        }
        let old = change.background().clone();
        let mut failure = None;
        for spec in change.choice.recent.in_direction(&old, direction) {
            match LoadedBackground::load(&spec, &change.scene.look, &change.config).await {
                Ok(background) => {
                    return Ok(self.commit_background(change, background, arrival, |choice| {
                        choice.recent.keep(&old);
                        choice.background = Some(spec);
                    }));
                }
                Err(error) => {
                    tracing::info!("skipped a recent background: {error}");
                    failure.get_or_insert(error);
                }
            }
        }
        Err(failure.unwrap_or_else(no_other_background))
    }

    /// Blurs the room, or shows the last background that is not a blur.
    pub(super) async fn toggle_blur(&self, arrival: u64) -> Result<BackgroundOutcome, Failure> {
        let change = self.begin().await;
        if self.is_superseded(arrival) {
            return Ok(BackgroundOutcome::Superseded);
        }
        let old = change.background().clone();
        let new = change.choice.recent.toggle_blur(&old, &change.config.background);
        let new = new.ok_or_else(no_other_background)?;
        let background = LoadedBackground::load(&new, &change.scene.look, &change.config).await?;
        Ok(self.commit_background(change, background, arrival, |choice| choice.choose(new, &old)))
    }

    pub(super) fn commit_background(
        &self,
        change: Change<'_>,
        background: LoadedBackground,
        arrival: u64,
        update_choice: impl FnOnce(&mut Choice),
    ) -> BackgroundOutcome {
        let label = background.label.clone();
        let new = Replacement { background: Some(background), ..Replacement::default() };
        let version = change.commit(new, update_choice);
        self.background_arrival.store(arrival, Ordering::Relaxed);
        self.jobs.cancel_older(arrival);
        BackgroundOutcome::Shown { version, label }
    }

    /// Whether a request after this one has chosen a background.
    pub(super) fn is_superseded(&self, arrival: u64) -> bool {
        self.background_arrival.load(Ordering::Relaxed) > arrival
    }
}

fn no_other_background() -> Failure {
    Failure::new(Kind::NotFound, "there is no other recent background")
        .hint("choose one, such as `bgcam set-prompt \"a quiet library\"`; `bgcam set-none` shows your real room")
}

/// The scene at startup.
pub(super) async fn initial_scene(
    choice: &Choice,
    config: &Config,
    overlay: Option<Overlay>,
) -> Result<Scene, Failure> {
    let spec = choice.background.as_ref().unwrap_or(&config.background);
    let look = look_of(choice, config);
    let background = LoadedBackground::load(spec, &look, config).await?;
    Ok(background.into_scene(1, LoadedLook { look, overlay }, choice))
}

/// The scene at startup if the background cannot be loaded: the blurred room, never the unblurred one.
pub(super) async fn fallback_scene(
    choice: &Choice,
    config: &Config,
    overlay: Option<Overlay>,
    failure: &Failure,
) -> Result<Scene, Failure> {
    tracing::warn!(hint = failure.hint, "{failure}; blurring the room instead");
    let replaces = choice.background.as_ref().unwrap_or(&config.background).to_string();
    let background = Some(BackgroundSpec::Blur { strength: DEFAULT_BLUR });
    let scene = initial_scene(&Choice { background, ..choice.clone() }, config, overlay).await?;
    Ok(Scene { replaces: Some(replaces), ..scene })
}

/// The configured look with the user's changes. Changes that are no longer valid are skipped.
pub(super) fn look_of(choice: &Choice, config: &Config) -> Look {
    choice.look.iter().fold(config.look.clone(), |look, (name, value)| {
        let change = Changes::from_iter([(name.clone(), value.clone())]);
        look.with(&change).unwrap_or_else(|error| {
            tracing::warn!("skipped a saved look setting: {error}");
            look
        })
    })
}
