//! What the icon shows: the daemon's state, or that it is not running.

use crate::{
    control::overview::{Overview, State},
    error::Failure,
};

/// What is known about the daemon.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum View {
    /// It is not running.
    Stopped,
    /// It does not respond as expected.
    Failed(Failure),
    /// It is running.
    Running(Box<Overview>),
}

/// The pictures of the icon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Face {
    Live,
    Idle,
    Paused,
    Room,
    Error,
    Stopped,
}

impl View {
    pub(super) fn face(&self) -> Face {
        match self {
            Self::Stopped => Face::Stopped,
            Self::Failed(_) => Face::Error,
            Self::Running(overview) => match overview.state {
                State::Live => Face::Live,
                State::Idle => Face::Idle,
                State::Paused => Face::Paused,
                State::Room => Face::Room,
                State::Error => Face::Error,
            },
        }
    }

    /// The state in one line.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Stopped => "bgcam is not running".to_owned(),
            Self::Failed(failure) => format!("Error: {failure}"),
            Self::Running(overview) => running(overview),
        }
    }
}

fn running(overview: &Overview) -> String {
    let label = &overview.label;
    match overview.state {
        State::Live => format!("Live: {label}"),
        State::Idle => format!("No app is watching: {label}"),
        State::Paused => "Paused: other people see a card".to_owned(),
        State::Room => match &overview.room_reason {
            Some(reason) => format!("Your room is visible: {reason}"),
            None => "Your room is visible".to_owned(),
        },
        State::Error => {
            let failure = overview.camera_error.as_ref().or(overview.other_error.as_ref());
            failure.map_or_else(|| "Error".to_owned(), |failure| format!("Error: {failure}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[test]
    fn every_state_has_its_own_picture_and_text() {
        let with = |state, change: fn(&mut Overview)| {
            let mut overview = Overview { state, ..Overview::fake() };
            change(&mut overview);
            View::Running(Box::new(overview))
        };
        let busy = |overview: &mut Overview| {
            overview.camera_error = Some(Failure::new(Kind::Busy, "the webcam is busy"));
        };
        let reason = |overview: &mut Overview| overview.room_reason = Some("no background".to_owned());
        for (view, face, text) in [
            (View::Stopped, Face::Stopped, "bgcam is not running"),
            (with(State::Live, |_| {}), Face::Live, "Live: beach.jpg"),
            (with(State::Idle, |_| {}), Face::Idle, "No app is watching: beach.jpg"),
            (with(State::Paused, |_| {}), Face::Paused, "Paused: other people see a card"),
            (with(State::Room, reason), Face::Room, "Your room is visible: no background"),
            (with(State::Error, busy), Face::Error, "Error: the webcam is busy"),
            (View::Failed(Failure::new(Kind::Io, "it hangs")), Face::Error, "Error: it hangs"),
        ] {
            assert_eq!((view.face(), &*view.text()), (face, text));
        }
    }
}
