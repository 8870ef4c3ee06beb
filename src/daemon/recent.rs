//! The last backgrounds, for `bgcam previous`, `bgcam next` and `bgcam toggle blur`.

use serde::{Deserialize, Serialize};

use crate::{
    background::{BackgroundSpec, DEFAULT_BLUR},
    compose::RoomVisible,
    control::protocol::Direction,
    look::Look,
};

/// How many backgrounds are remembered.
const MAX: usize = 8;

/// The last backgrounds, newest first, without duplicates. Those that show the room are left out: it is shown only if the user
/// asks for it by name.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Recent(Vec<BackgroundSpec>);

impl Recent {
    /// Remembers that `new` replaces `old`.
    pub(super) fn replaced(&mut self, old: &BackgroundSpec, new: &BackgroundSpec) {
        self.keep(old);
        self.push(new);
    }

    fn push(&mut self, spec: &BackgroundSpec) {
        if hides_room(spec) {
            self.0.retain(|known| known != spec);
            self.0.insert(0, spec.clone());
            self.0.truncate(MAX);
        }
    }

    /// Adds `current` if it is missing, without changing the order of the others.
    pub(super) fn keep(&mut self, current: &BackgroundSpec) {
        if !self.0.contains(current) {
            self.push(current);
        }
    }

    /// The last backgrounds for a menu, newest first, with `current` among them if it hides the room.
    pub(super) fn with_current(&self, current: &BackgroundSpec) -> Vec<BackgroundSpec> {
        let mut all = Self(self.usable());
        all.keep(current);
        all.0
    }

    /// The backgrounds to try in this direction from `current`, which is left out. After the oldest one follows the newest.
    pub(super) fn in_direction(&self, current: &BackgroundSpec, direction: Direction) -> Vec<BackgroundSpec> {
        let mut older = self.usable();
        if let Some(at) = older.iter().position(|spec| spec == current) {
            older.rotate_left(at);
            older.remove(0);
        }
        if direction == Direction::Next {
            older.reverse();
        }
        older
    }

    /// The background after `toggle blur`: the last blur or, if `current` is one, the last other background or the
    /// `configured` one. `None` if there is no other that hides the room.
    pub(super) fn toggle_blur(&self, current: &BackgroundSpec, configured: &BackgroundSpec) -> Option<BackgroundSpec> {
        let was_blurred = is_blur(current);
        let found = self.usable().into_iter().find(|spec| is_blur(spec) != was_blurred);
        let default = match was_blurred {
            true => Some(configured.clone()).filter(|spec| !is_blur(spec) && hides_room(spec)),
            false => Some(BackgroundSpec::Blur { strength: DEFAULT_BLUR }),
        };
        found.or(default)
    }

    /// Those that hide the room, whatever the file says.
    fn usable(&self) -> Vec<BackgroundSpec> {
        self.0.iter().filter(|spec| hides_room(spec)).take(MAX).cloned().collect()
    }
}

fn is_blur(spec: &BackgroundSpec) -> bool {
    matches!(spec, BackgroundSpec::Blur { .. })
}

fn hides_room(spec: &BackgroundSpec) -> bool {
    RoomVisible::with(spec, &Look::neutral()).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(text: &str) -> BackgroundSpec {
        text.parse().unwrap()
    }

    fn blur(strength: u8) -> BackgroundSpec {
        BackgroundSpec::Blur { strength }
    }

    /// Red, then green, then blue.
    fn colours() -> Recent {
        let mut recent = Recent::default();
        recent.replaced(&spec("red"), &spec("green"));
        recent.replaced(&spec("green"), &spec("blue"));
        recent
    }

    #[test]
    fn previous_goes_back_and_next_returns() {
        let recent = colours();
        let order = |current: &str, direction| recent.in_direction(&spec(current), direction);
        assert_eq!(order("blue", Direction::Previous), [spec("green"), spec("red")]);
        assert_eq!(order("green", Direction::Next), [spec("blue"), spec("red")]);
        assert_eq!(order("red", Direction::Previous), [spec("blue"), spec("green")]);
        assert_eq!(order("none", Direction::Previous), [spec("blue"), spec("green"), spec("red")]);
        assert!(Recent::default().in_direction(&spec("red"), Direction::Next).is_empty());
    }

    #[test]
    fn each_background_is_remembered_once_and_the_oldest_are_forgotten() {
        let mut recent = colours();
        recent.replaced(&spec("blue"), &spec("red"));
        assert_eq!(recent.0, [spec("red"), spec("blue"), spec("green")]);
        recent.keep(&spec("green"));
        assert_eq!(recent.0.len(), 3);
        (0..20).for_each(|shade| recent.replaced(&spec("red"), &spec(&format!("#0000{shade:02}"))));
        assert_eq!((recent.0.len(), &recent.0[0]), (MAX, &spec("#000019")));
    }

    #[test]
    fn a_menu_has_the_current_background_unless_it_shows_the_room() {
        assert_eq!(colours().with_current(&spec("green")), [spec("blue"), spec("green"), spec("red")]);
        assert_eq!(Recent::default().with_current(&spec("green")), [spec("green")]);
        assert!(Recent::default().with_current(&BackgroundSpec::Off).is_empty());
    }

    #[test]
    fn the_room_is_never_among_them() {
        let mut recent = Recent::default();
        recent.replaced(&BackgroundSpec::Off, &blur(10));
        recent.keep(&BackgroundSpec::Off);
        assert_eq!(recent, Recent::default());
        let edited = Recent(vec![BackgroundSpec::Off, blur(1), spec("red")]);
        assert_eq!(edited.in_direction(&spec("blue"), Direction::Previous), [spec("red")]);
        assert_eq!(edited.toggle_blur(&blur(60), &BackgroundSpec::Off), Some(spec("red")));
        assert_eq!(Recent::default().toggle_blur(&blur(60), &BackgroundSpec::Off), None);
    }

    #[test]
    fn blur_is_switched_on_and_off() {
        let mut recent = colours();
        assert_eq!(recent.toggle_blur(&spec("blue"), &blur(50)), Some(blur(DEFAULT_BLUR)));
        recent.replaced(&spec("blue"), &blur(80));
        assert_eq!(recent.toggle_blur(&blur(80), &blur(50)), Some(spec("blue")));
        recent.replaced(&blur(80), &spec("blue"));
        assert_eq!(recent.toggle_blur(&spec("blue"), &blur(50)), Some(blur(80)));
        assert_eq!(Recent::default().toggle_blur(&blur(50), &spec("red")), Some(spec("red")));
        assert_eq!(Recent::default().toggle_blur(&blur(50), &blur(50)), None);
    }
}
