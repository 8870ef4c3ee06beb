//! What the outputs show while there is no live frame: a card, or a still of the last frame.

use super::health::StageHealth;
use crate::{
    compose::{Scene, card::Card},
    error::Kind,
};

/// The content of the outputs, with the version of the scene.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    Live(u64),
    /// A live frame of an earlier scene, kept while the user has frozen the video.
    Frozen,
    Card(Card, u64),
}

impl Shown {
    /// Whether it is a composed camera frame.
    pub(super) fn is_camera_frame(self) -> bool {
        matches!(self, Self::Live(_) | Self::Frozen)
    }
}

/// Whether the output frame may stay as a still: it is from the camera, and the room is visible in it only if the user
/// knows.
pub(super) fn can_freeze(scene: &Scene, shown: Option<Shown>, shows_room: bool) -> bool {
    let Some(freeze) = scene.frozen.as_ref().filter(|_| scene.paused) else { return false };
    match shown {
        Some(Shown::Frozen) => true,
        Some(Shown::Live(_)) => !shows_room || freeze.room.is_some(),
        Some(Shown::Card(..)) | None => false,
    }
}

/// The card for the current state, and an optional detail below its text; `unmasked` if live frames have no mask.
pub(super) fn card(scene: &Scene, health: &StageHealth, unmasked: bool) -> (Card, String) {
    let card = match &health.camera_failure {
        _ if scene.paused => Card::Paused,
        Some(failure) if failure.kind == Kind::Busy => Card::CameraBusy,
        Some(_) if health.had_camera => Card::CameraLost,
        Some(failure) if failure.kind == Kind::NotFound => Card::NoCamera,
        Some(_) => Card::CameraFailed,
        None if scene.hides_room() && (health.mask_failure.is_some() || unmasked) => Card::ModelFailed,
        None => Card::Starting,
    };
    let detail = match card {
        Card::Paused => scene.pause_message.clone(),
        Card::CameraBusy => health.camera_holder.as_ref().map(|name| format!("{name} is using it")),
        _ => None,
    };
    (card, detail.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Failure;

    #[test]
    fn a_camera_that_was_never_there_is_not_disconnected() {
        let shown = |kind, had_camera| {
            let camera_failure = Some(Failure::new(kind, "no camera"));
            card(&Scene::off(), &StageHealth { camera_failure, had_camera, ..StageHealth::default() }, false).0
        };
        for (kind, had_camera, expected) in [
            (Kind::NotFound, false, Card::NoCamera),
            (Kind::NotFound, true, Card::CameraLost),
            (Kind::Io, true, Card::CameraLost),
            (Kind::Denied, false, Card::CameraFailed),
            (Kind::Busy, false, Card::CameraBusy),
        ] {
            assert_eq!(shown(kind, had_camera), expected, "{kind:?}, {had_camera}");
        }
    }
}
