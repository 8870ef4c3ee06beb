//! One change at a time: what a change reads stays true until it is committed, and a commit is one step.
//!
//! Everything that takes time (reading settings, decoding a background, trying a camera) happens between
//! [`Daemon::begin`] and [`Change::commit`]. Only pausing and mirroring do not take turns: they are done at once, and a
//! commit takes them as they are then.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::{sync::MutexGuard, task::JoinHandle};

use super::{
    Choice, Daemon, internal,
    scene::{Looks, Ready},
};
use crate::{
    background::{Background, Grade},
    compose::Scene,
    config::Config,
    control::protocol::Response,
    error::{Failure, Kind},
};

/// How long anything may take to load; less than a client waits for its answer.
const LOAD_TIMEOUT: Duration = Duration::from_secs(50);

/// How long an answer waits for the outputs to have what was asked for, beside the time that it fades in; they have it
/// within a tenth of a second.
const SHOWN_WITHIN: Duration = Duration::from_secs(1);

/// The right to change what is shown, and the state that the change starts from.
pub(super) struct Change<'a> {
    daemon: &'a Daemon,
    pub(super) config: Config,
    /// Except for `paused` and `mirror`, which may be others by the time of the commit.
    pub(super) choice: Choice,
    /// Except for `paused` and `mirror`.
    pub(super) scene: Arc<Scene>,
    _turn: MutexGuard<'a, ()>,
}

/// What takes the place of the old; `None` leaves it.
#[derive(Default)]
pub(super) struct Replacement {
    pub(super) config: Option<Config>,
    pub(super) background: Option<Ready>,
    pub(super) looks: Option<Looks>,
}

impl Daemon {
    /// The number of a request that arrives now; later ones have greater numbers.
    pub(super) fn arrive(&self) -> u64 {
        self.arrivals.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Waits for the turn of a change.
    pub(super) async fn begin(&self) -> Change<'_> {
        let turn = self.change.lock().await;
        let (config, choice) = (super::lock(&self.config).clone(), self.memory.choice().clone());
        Change { daemon: self, config, choice, scene: self.pipeline.scene(), _turn: turn }
    }

    /// Pauses, resumes or mirrors: at once, whatever is being loaded or fades in. Returns the scene's version.
    pub(super) fn adjust(&self, change: impl FnOnce(&mut Choice)) -> u64 {
        let mut choice = self.memory.choice();
        change(&mut choice);
        let version = self.publish(&choice, None, None);
        self.news.send_replace(());
        version
    }

    /// Publishes the scene that follows from the choice, with another background or look where one is ready.
    fn publish(&self, choice: &Choice, background: Option<Ready>, looks: Option<Looks>) -> u64 {
        let old = self.pipeline.scene();
        let version = old.version + 1;
        let (look, overlay) = looks.unwrap_or_else(|| (old.look.clone(), old.overlay.clone()));
        if let (None, Background::Moving(player)) = (&background, &old.background) {
            player.set_grade(Grade::of(&look));
        }
        self.pipeline.publish(match background {
            Some(ready) => ready.scene(version, (look, overlay), choice),
            None => {
                let Choice { mirror, paused, .. } = *choice;
                Scene { version, look, overlay, mirror, paused, fade: Duration::ZERO, ..(*old).clone() }
            }
        });
        self.log_room(Some(&old));
        version
    }

    /// The answer to a change, once the outputs have the scene and the disk the choice; says when the latter can't be.
    pub(super) async fn done(&self, version: u64, text: &str) -> Response {
        let ((), unsaved) = tokio::join!(self.until_shown(version), self.memory.save());
        let mut text = text.to_owned();
        if let Some(failure) = unsaved {
            text += &format!(", but {}", not_saved(&failure));
        }
        Response::Done(self.with_room_note(text))
    }

    /// Waits until the outputs have a scene, as a whole.
    pub(super) async fn until_shown(&self, version: u64) {
        let shown = async {
            while self.pipeline.shown() < version {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let within = SHOWN_WITHIN + self.pipeline.scene().fade;
        if tokio::time::timeout(within, shown).await.is_err() {
            tracing::debug!("the outputs are late with scene {version}");
        }
    }
}

impl Change<'_> {
    /// Puts everything that was loaded in place of the old, and changes the choice. Returns the scene's version.
    pub(super) fn commit(self, new: Replacement, choose: impl FnOnce(&mut Choice)) -> u64 {
        let daemon = self.daemon;
        let mut choice = daemon.memory.choice();
        choose(&mut choice);
        if let Some(config) = new.config {
            daemon.use_config(config);
        }
        let version = match (new.background, new.looks) {
            (None, None) => daemon.pipeline.scene().version,
            (background, looks) => daemon.publish(&choice, background, looks),
        };
        daemon.news.send_replace(());
        version
    }
}

/// That a choice was not saved, for the answer to the client.
pub(super) fn not_saved(failure: &Failure) -> String {
    format!("this could not be saved: {failure}; it will not survive a restart")
}

/// The result of blocking work, which goes on without us when it takes too long.
pub(super) async fn loaded<T>(work: JoinHandle<Result<T, Failure>>) -> Result<T, Failure> {
    match tokio::time::timeout(LOAD_TIMEOUT, work).await {
        Ok(done) => done.map_err(|error| internal(&error))?,
        Err(_) => {
            let text = format!("nothing was loaded within {} s, nothing has changed", LOAD_TIMEOUT.as_secs());
            Err(Failure::new(Kind::Io, text).hint("check the disk or network drive that the file is on"))
        }
    }
}
