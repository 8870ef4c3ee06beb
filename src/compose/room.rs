//! Determines whether other people can see the user's room, and why. All other code asks this module.

use std::fmt;

use super::Scene;
use crate::{background::BackgroundSpec, look::Look};

/// The minimum blur strength that hides the room. Below it, at 720 rows, the blur is narrower than the strokes of a
/// headline, and text, screens and faces behind the user stay recognizable.
pub const MIN_HIDING_BLUR: u8 = 20;

/// Why other people can see the user's room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoomVisible {
    /// The user chose no background.
    NoBackground,
    /// The room shows through the background.
    Opacity {
        /// The opacity of the background, 0 to 99 per cent.
        percent: i32,
    },
    /// The blur is weaker than [`MIN_HIDING_BLUR`].
    WeakBlur {
        /// 1 to 19.
        strength: u8,
    },
    /// The chosen background could not be loaded, and the blurred room replaces it: hidden, but not as chosen.
    Missing {
        /// The chosen background.
        wanted: String,
    },
}

impl RoomVisible {
    /// Whether the room is visible with this background and look, while the camera is not paused.
    ///
    /// A blur of [`MIN_HIDING_BLUR`] or more hides the room regardless of the other settings. A strip of the room
    /// around the person (`edge_shift`) does not count: it is a few pixels wide.
    pub fn with(background: &BackgroundSpec, look: &Look) -> Option<Self> {
        match background {
            BackgroundSpec::Off => Some(Self::NoBackground),
            _ if look.background_opacity < 100 => Some(Self::Opacity { percent: look.background_opacity }),
            BackgroundSpec::Blur { strength } if *strength < MIN_HIDING_BLUR => {
                Some(Self::WeakBlur { strength: *strength })
            }
            _ => None,
        }
    }
}

impl fmt::Display for RoomVisible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoBackground => f.write_str("there is no background"),
            Self::Opacity { percent } => write!(f, "the background's opacity is {percent} %"),
            Self::WeakBlur { strength } => {
                write!(f, "blur {strength} is too weak to hide it; use {MIN_HIDING_BLUR} or more")
            }
            Self::Missing { wanted } => write!(f, "{wanted} can't be shown, so your room is blurred instead"),
        }
    }
}

impl Scene {
    /// Why the room is visible while this scene is live; [`Scene::paused`] hides it until the camera is resumed.
    pub fn room_when_live(&self) -> Option<RoomVisible> {
        let missing = || self.replaces.clone().map(|wanted| RoomVisible::Missing { wanted });
        RoomVisible::with(&self.spec, &self.look).or_else(missing)
    }

    /// Why the room is visible now.
    pub fn room_visible(&self) -> Option<RoomVisible> {
        match &self.frozen {
            Some(freeze) if self.paused => freeze.room.clone(),
            _ => self.room_when_live().filter(|_| !self.paused),
        }
    }

    /// Whether [`Scene::room_when_live`] has a reason; does not allocate.
    pub fn shows_room_when_live(&self) -> bool {
        RoomVisible::with(&self.spec, &self.look).is_some() || self.replaces.is_some()
    }

    /// The background's name, with a warning if the room is visible.
    pub fn label_with_warning(&self) -> String {
        match self.room_visible() {
            Some(_) => format!("{} (your room is visible)", self.label),
            None => self.label.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::Freeze;

    fn scene(background: &str, opacity: i32) -> Scene {
        let spec: BackgroundSpec = background.parse().unwrap();
        let look = Look { background_opacity: opacity, ..Look::neutral() };
        Scene { label: spec.to_string(), spec, look, ..Scene::off() }
    }

    #[test]
    fn the_room_is_visible_without_a_background_through_it_and_under_a_weak_blur() {
        let visible = |background: &str, opacity| scene(background, opacity).room_visible();
        assert_eq!(visible("none", 100), Some(RoomVisible::NoBackground));
        assert_eq!(visible("none", 0), Some(RoomVisible::NoBackground));
        for background in ["#20a040", "beach.jpg", "waves.mp4", "slideshow:/a", "blur:60", "blur:5"] {
            assert_eq!(visible(background, 99), Some(RoomVisible::Opacity { percent: 99 }), "{background}");
        }
        for background in ["#20a040", "beach.jpg", "waves.mp4", "slideshow:/a", "blur:60", "blur:20", "blur"] {
            assert_eq!(visible(background, 100), None, "{background}");
        }
        assert_eq!(visible("blur:19", 100), Some(RoomVisible::WeakBlur { strength: 19 }));
    }

    #[test]
    fn a_blur_replacing_a_missing_background_is_reported() {
        let stand_in = Scene { replaces: Some("beach.jpg".into()), ..scene("blur", 100) };
        assert_eq!(stand_in.room_visible(), Some(RoomVisible::Missing { wanted: "beach.jpg".into() }));
        let thin = Scene { replaces: Some("beach.jpg".into()), ..scene("blur", 50) };
        assert_eq!(thin.room_visible(), Some(RoomVisible::Opacity { percent: 50 }), "the most visible cause is shown");
    }

    #[test]
    fn a_paused_scene_hides_the_room_but_reports_what_resuming_shows() {
        let frozen = |room| Scene { paused: true, frozen: Some(Freeze { room }), ..scene("none", 100) };
        assert_eq!(frozen(None).room_visible(), None, "the still may be of another background");
        assert_eq!(frozen(Some(RoomVisible::NoBackground)).room_visible(), Some(RoomVisible::NoBackground));
        let live = Scene { paused: false, ..frozen(None) };
        assert_eq!((live.room_visible(), live.shows_room_when_live()), (Some(RoomVisible::NoBackground), true));
        let paused = Scene { paused: true, ..scene("#20a040", 50) };
        assert_eq!(paused.room_visible(), None);
        assert_eq!(paused.room_when_live(), Some(RoomVisible::Opacity { percent: 50 }));
        assert_eq!(paused.label_with_warning(), "#20a040");
        assert_eq!(scene("#20a040", 50).label_with_warning(), "#20a040 (your room is visible)");
        assert_eq!(scene("none", 100).label_with_warning(), "none (your room is visible)");
        assert_eq!(scene("blur", 100).label_with_warning(), "blur 50");
    }
}
