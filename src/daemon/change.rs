//! Serialized changes: a change sees consistent state until it is committed, and a commit is a single step.
//!
//! Everything slow (reading settings, decoding a background, testing a camera) happens between [`Daemon::begin`] and
//! [`Change::commit`]. Only pausing and mirroring bypass this queue: they apply immediately, and a later commit keeps
//! them.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::sync::MutexGuard;

use super::{
    Choice, Daemon,
    loaded::{LoadedBackground, LoadedLook, Replacement},
};
use crate::{
    background::{Background, BackgroundSpec, Grade},
    compose::Scene,
    config::Config,
    control::protocol::Response,
    error::Failure,
};

/// How long a response waits for the outputs to show the change, in addition to its fade. They usually take 0.1 s.
const SHOWN_TIMEOUT: Duration = Duration::from_secs(1);

/// The exclusive right to change what is shown, and the state before the change.
pub(super) struct Change<'a> {
    daemon: &'a Daemon,
    pub(super) config: Config,
    /// `paused` and `mirror` may differ by the time of the commit.
    pub(super) choice: Choice,
    /// `paused` and `mirror` may differ by the time of the commit.
    pub(super) scene: Arc<Scene>,
    _permit: MutexGuard<'a, ()>,
}

impl Daemon {
    /// The sequence number of a request that arrives now.
    pub(super) fn next_arrival(&self) -> u64 {
        self.arrivals.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Waits until all earlier changes are committed.
    pub(super) async fn begin(&self) -> Change<'_> {
        let permit = self.change.lock().await;
        let config = super::lock(&self.config).clone();
        let choice = self.saved_choice.lock().clone();
        Change { daemon: self, config, choice, scene: self.pipeline.scene(), _permit: permit }
    }

    /// Pauses, resumes or mirrors immediately, even while another change is loading or fading in. Returns the scene's
    /// version.
    pub(super) fn change_immediately(&self, change: impl FnOnce(&mut Choice)) -> u64 {
        let mut choice = self.saved_choice.lock();
        change(&mut choice);
        let version = self.publish(&choice, None, None);
        self.status_changes.send_replace(());
        version
    }

    /// Publishes the next scene, with another background or look if one is given.
    fn publish(&self, choice: &Choice, background: Option<LoadedBackground>, look: Option<LoadedLook>) -> u64 {
        let old = self.pipeline.scene();
        let version = old.version + 1;
        let look = look.unwrap_or_else(|| LoadedLook { look: old.look.clone(), overlay: old.overlay.clone() });
        if let (None, Background::Moving(player)) = (&background, &old.background) {
            player.set_grade(Grade::of(&look.look));
        }
        self.pipeline.publish(match background {
            Some(background) => background.into_scene(version, look, choice),
            None => {
                let Choice { mirror, paused, pause_message, frozen, .. } = choice.clone();
                let LoadedLook { look, overlay } = look;
                let fade = Duration::ZERO;
                Scene { version, look, overlay, mirror, paused, pause_message, frozen, fade, ..(*old).clone() }
            }
        });
        self.log_if_room_became_visible(Some(&old));
        version
    }

    /// The response to a change: waits until the outputs show it and it is saved; notes a failure to save.
    pub(super) async fn respond(&self, version: u64, text: &str) -> Response {
        let ((), save_failure) = tokio::join!(self.wait_until_shown(version), self.saved_choice.save());
        match save_failure {
            None => Response::Done(self.with_room_warning(text.to_owned())),
            Some(failure) => Response::Warning(self.with_room_warning(format!("{text}, but {}", not_saved(&failure)))),
        }
    }

    /// Waits until the outputs show this scene, completely faded in.
    pub(super) async fn wait_until_shown(&self, version: u64) {
        let limit = SHOWN_TIMEOUT + self.pipeline.scene().fade;
        if tokio::time::timeout(limit, self.pipeline.wait_until_shown(version)).await.is_err() {
            tracing::debug!("scene {version} was not shown within {limit:?}");
        }
    }
}

impl Change<'_> {
    /// The background in effect: the chosen one, or the configured one.
    pub(super) fn background(&self) -> &BackgroundSpec {
        self.choice.background.as_ref().unwrap_or(&self.config.background)
    }

    /// Applies what was loaded and updates the choice. Returns the scene's version.
    pub(super) fn commit(self, new: Replacement, update_choice: impl FnOnce(&mut Choice)) -> u64 {
        let daemon = self.daemon;
        let mut choice = daemon.saved_choice.lock();
        update_choice(&mut choice);
        if let Some(config) = new.config {
            daemon.apply_config(config);
        }
        let version = match (new.background, new.look) {
            (None, None) => daemon.pipeline.scene().version,
            (background, look) => daemon.publish(&choice, background, look),
        };
        daemon.status_changes.send_replace(());
        version
    }
}

/// The note that a choice could not be saved.
pub(super) fn not_saved(failure: &Failure) -> String {
    format!("this could not be saved: {failure}; it will not survive a restart")
}
