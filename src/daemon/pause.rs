//! Pause requests: a card, a card with a message, or a still of the last frame instead of the video.

use super::Daemon;
use crate::{
    compose::{Freeze, RoomVisible},
    control::protocol::{MAX_MESSAGE, Response},
    error::{Failure, Kind},
};

impl Daemon {
    /// Pauses with a card or resumes, depending on whether the video is paused now.
    pub(super) async fn pause(&self, change: impl FnOnce(bool) -> bool, message: Option<String>) -> Response {
        let mut paused = false;
        let version = self.change_immediately(|choice| {
            paused = change(choice.paused);
            choice.paused = paused;
            choice.pause_message = message.clone();
            choice.frozen = None;
        });
        let text = match message {
            Some(message) => format!("paused: other people see a \"Camera paused\" card with {message:?}"),
            None if paused => CARD.to_owned(),
            None => "resumed".to_owned(),
        };
        self.respond(version, &text).await
    }

    /// Pauses with a still of the last output frame, or the card if there is none.
    pub(super) async fn freeze(&self) -> Response {
        let room = self.room_in_output();
        let version = self.change_immediately(|choice| {
            choice.paused = true;
            choice.pause_message = None;
            choice.frozen.get_or_insert(Freeze { room });
        });
        self.wait_until_shown(version).await;
        self.end_lost_freeze();
        let is_frozen = self.pipeline.scene().frozen.is_some();
        let text = if is_frozen { "frozen: other people see your last frame as a still" } else { NO_FRAME };
        self.respond(version, text).await
    }

    /// Why the room may be visible in the current output frame. A scene that was just replaced may still be visible.
    fn room_in_output(&self) -> Option<RoomVisible> {
        let outgoing = || self.pipeline.outgoing()?.room_visible();
        self.pipeline.scene().room_visible().or_else(outgoing)
    }

    /// Makes the scene a usual pause if the outputs cannot show the still that it asks for.
    pub(super) fn end_lost_freeze(&self) {
        let scene = self.pipeline.scene();
        if scene.frozen.is_some() && self.pipeline.shown() >= scene.version && !self.pipeline.is_frozen() {
            self.change_immediately(|choice| choice.frozen = None);
        }
    }
}

/// The reply to a pause.
const CARD: &str = "paused: other people see a \"Camera paused\" card";

/// The reply to a freeze without a frame.
const NO_FRAME: &str = "paused: other people see a \"Camera paused\" card, because there is no frame to freeze";

/// A message for the card, without surrounding spaces.
pub(super) fn checked_message(message: &str) -> Result<String, Failure> {
    let message = message.trim();
    let fits = (1..=MAX_MESSAGE).contains(&message.chars().count()) && !message.contains(char::is_control);
    let expected = format!("expected one line of 1 to {MAX_MESSAGE} characters, such as \"Back at 3\"");
    fits.then(|| message.to_owned())
        .ok_or_else(|| Failure::new(Kind::BadInput, format!("invalid message {message:?}, {expected}")))
}
