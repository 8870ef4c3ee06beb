//! Decides what is worth a notification: what happens to the user, not what they just did in a menu.

use std::time::{Duration, Instant};

use super::view::View;
use crate::{
    control::overview::{Overview, State},
    error::Failure,
};

/// A user waits for an image that takes less time, and sees it.
const LONG_GENERATION: Duration = Duration::from_secs(5);

/// A notification.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Notice {
    /// The webcam has failed.
    CameraLost(Failure),
    /// Other people can see the room, for this reason.
    RoomVisible(String),
    /// The image for this prompt is in the gallery.
    ImageReady(String),
    /// The image for this prompt could not be generated.
    PromptFailed(String, Failure),
    /// What the user chose could not be done.
    ActionFailed(Failure),
}

/// Compares each view with the one before.
#[derive(Debug, Default)]
pub(super) struct Notices {
    /// The last known state, also of a daemon that has stopped since.
    last: Option<Overview>,
    /// When the current generation started.
    generating: Option<Instant>,
}

impl Notices {
    /// The notifications for this view.
    pub(super) fn of(&mut self, view: &View, at: Instant) -> Vec<Notice> {
        let View::Running(now) = view else {
            // a restarted daemon numbers its prompts from 1
            if let Some(last) = &mut self.last {
                last.last_prompt = None;
            }
            self.generating = None;
            return Vec::new();
        };
        let started = if now.generating.is_some() { self.generating.or(Some(at)) } else { None };
        let before = std::mem::replace(&mut self.generating, started);
        let Some(last) = self.last.replace((**now).clone()) else { return Vec::new() };
        let took = before.map_or(Duration::ZERO, |start| at - start);
        [camera_lost(&last, now), room_visible(&last, now), prompt_ended(&last, now, took)]
            .into_iter()
            .flatten()
            .collect()
    }
}

fn camera_lost(last: &Overview, now: &Overview) -> Option<Notice> {
    let failure = now.camera_error.clone().filter(|_| last.camera_error.is_none())?;
    Some(Notice::CameraLost(failure))
}

fn room_visible(last: &Overview, now: &Overview) -> Option<Notice> {
    let became_visible = now.state == State::Room && last.state != State::Room;
    became_visible.then(|| Notice::RoomVisible(now.room_reason.clone().unwrap_or_default()))
}

fn prompt_ended(last: &Overview, now: &Overview, took: Duration) -> Option<Notice> {
    let ended = now.last_prompt.as_ref().filter(|_| now.last_prompt != last.last_prompt)?;
    match &ended.failure {
        Some(failure) => Some(Notice::PromptFailed(ended.text.clone(), failure.clone())),
        None => (took >= LONG_GENERATION).then(|| Notice::ImageReady(ended.text.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{error::Kind, prompt::FinishedPrompt};

    struct Test {
        notices: Notices,
        at: Instant,
    }

    impl Test {
        fn new() -> Self {
            let mut test = Self { notices: Notices::default(), at: Instant::now() };
            assert_eq!(test.see(0, |_| {}), [], "what was so before is no news");
            test
        }

        fn see(&mut self, seconds: u64, change: impl FnOnce(&mut Overview)) -> Vec<Notice> {
            let mut overview = Overview::fake();
            change(&mut overview);
            self.at += Duration::from_secs(seconds);
            self.notices.of(&View::Running(Box::new(overview)), self.at)
        }

        fn restart(&mut self) {
            assert_eq!(self.notices.of(&View::Stopped, self.at), []);
        }
    }

    fn failure() -> Failure {
        Failure::new(Kind::Io, "the camera was unplugged")
    }

    fn show_room(overview: &mut Overview) {
        overview.state = State::Room;
        overview.room_reason = Some("no background".to_owned());
    }

    fn ended(number: u64, failure: Option<Failure>) -> impl Fn(&mut Overview) {
        move |overview| {
            let failure = failure.clone();
            overview.last_prompt = Some(FinishedPrompt { number, text: "beach".to_owned(), failure });
        }
    }

    #[test]
    fn a_visible_room_is_reported_once_and_again_after_it_was_hidden() {
        let mut test = Test::new();
        let visible = [Notice::RoomVisible("no background".to_owned())];
        assert_eq!(test.see(1, show_room), visible);
        assert_eq!(test.see(1, show_room), []);
        assert_eq!(test.see(1, |overview| overview.state = State::Paused), []);
        assert_eq!(test.see(1, show_room), visible);
        test.restart();
        assert_eq!(test.see(1, show_room), [], "it was visible before");
    }

    #[test]
    fn a_lost_camera_is_reported_also_after_a_restart() {
        let mut test = Test::new();
        let lose = |overview: &mut Overview| overview.camera_error = Some(failure());
        test.restart();
        assert_eq!(test.see(1, lose), [Notice::CameraLost(failure())]);
        assert_eq!(test.see(1, lose), []);
    }

    #[test]
    fn only_long_generations_and_failures_are_reported() {
        let mut test = Test::new();
        let generate = |overview: &mut Overview| overview.generating = Some("beach".to_owned());
        test.see(1, generate);
        assert_eq!(test.see(2, ended(1, None)), [], "the user was waiting");
        test.see(1, generate);
        test.see(4, generate);
        assert_eq!(test.see(4, ended(2, None)), [Notice::ImageReady("beach".to_owned())]);
        assert_eq!(test.see(1, ended(2, None)), []);
        let failed = [Notice::PromptFailed("beach".to_owned(), failure())];
        assert_eq!(test.see(1, ended(3, Some(failure()))), failed);
        test.restart();
        assert_eq!(test.see(1, ended(3, Some(failure()))), failed, "another daemon counts from 1");
    }
}
