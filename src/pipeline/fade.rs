//! From one background to the next: what the new one comes in over, and how far it is.
//!
//! While a fade lasts the old scene is composed beside the new one, of the same frame and mask, and the two are blended: so
//! nothing is seen that neither shows. A fade that another change interrupts goes on from the picture as it was, which
//! stands still meanwhile: no jump, and never more than two pictures to compose. Only where the camera's own room is in it
//! the newest change comes in over the one before as a whole: the room is not shown a moment longer.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{background::Background, compose::Scene};

/// What the new scene comes in over.
#[derive(Debug)]
pub(super) enum Before {
    /// An earlier scene, which moves on.
    Scene(Arc<Scene>),
    /// The picture that was shown when a fade was interrupted.
    Still,
}

#[derive(Debug)]
struct Fade {
    before: Before,
    /// The version that the outputs had before.
    over: u64,
    since: Instant,
}

/// The scene of the live pictures, and the fade that it may be in.
#[derive(Debug, Default)]
pub(super) struct Fader {
    scene: Option<Arc<Scene>>,
    fade: Option<Fade>,
}

impl Fader {
    /// Takes in the scene of the next live picture, shown at `now`; true when the picture shown before is to be kept, for
    /// [`Before::Still`].
    pub(super) fn look(&mut self, scene: &Arc<Scene>, now: Instant) -> bool {
        self.end(now); // while no picture came it may have been time
        let old = self.scene.replace(Arc::clone(scene));
        let still = match old {
            Some(old) if old.version != scene.version => self.change(old, scene, now),
            Some(_) => false,
            None => {
                self.fade = None;
                false
            }
        };
        self.end(now);
        still
    }

    /// Ends the fade when its time is over.
    fn end(&mut self, now: Instant) {
        let lasts = self.scene.as_ref().map_or(Duration::ZERO, |scene| scene.fade);
        self.fade.take_if(|fade| now.duration_since(fade.since) >= lasts);
    }

    fn change(&mut self, old: Arc<Scene>, scene: &Scene, now: Instant) -> bool {
        let running = self.fade.take();
        if scene.fade.is_zero() {
            return false;
        }
        let over = running.as_ref().map_or(old.version, |fade| fade.over);
        let still = running.is_some_and(|fade| !fade.before.shows_room()) && !shows_room(&old);
        let before = if still { Before::Still } else { Before::Scene(old) };
        self.fade = Some(Fade { before, over, since: now });
        still
    }

    /// No live picture: whatever comes next comes at once.
    pub(super) fn cut(&mut self) {
        *self = Self::default();
    }

    /// What the scene comes in over, and its share at `now`, in 1/256.
    pub(super) fn at(&self, now: Instant) -> Option<(&Before, u16)> {
        let (fade, scene) = (self.fade.as_ref()?, self.scene.as_ref()?);
        let share = now.duration_since(fade.since).as_secs_f32() / scene.fade.as_secs_f32();
        Some((&fade.before, (share.clamp(0.0, 1.0) * 256.0) as u16))
    }

    /// The version that the outputs had before the fade.
    pub(super) fn over(&self) -> Option<u64> {
        self.fade.as_ref().map(|fade| fade.over)
    }

    /// Whether the person has to be found for what goes.
    pub(super) fn needs_mask(&self) -> bool {
        matches!(&self.fade, Some(Fade { before: Before::Scene(old), .. }) if old.needs_mask())
    }
}

impl Before {
    fn shows_room(&self) -> bool {
        matches!(self, Self::Scene(scene) if shows_room(scene))
    }
}

/// Whether the room is seen, be it blurred.
fn shows_room(scene: &Scene) -> bool {
    matches!(scene.background, Background::Off | Background::Blur { .. })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Yuv;

    const FADE: Duration = Duration::from_millis(400);

    fn scene(version: u64, background: Background, fade: Duration) -> Arc<Scene> {
        Arc::new(Scene { version, background, fade, ..Scene::off() })
    }

    fn colour(version: u64) -> Arc<Scene> {
        scene(version, Background::Color(Yuv::BLACK), FADE)
    }

    /// The version that the newest comes in over, or `None` for a still, and its share.
    fn at(fader: &Fader, now: Instant) -> Option<(Option<u64>, u16)> {
        fader.at(now).map(|(before, share)| match before {
            Before::Scene(scene) => (Some(scene.version), share),
            Before::Still => (None, share),
        })
    }

    #[test]
    fn a_change_comes_in_step_by_step_and_ends() {
        let (mut fader, start) = (Fader::default(), Instant::now());
        assert!(!fader.look(&colour(1), start));
        assert_eq!(at(&fader, start), None, "the first picture has nothing to come in over");
        assert!(!fader.look(&colour(2), start));
        assert_eq!((at(&fader, start), fader.over()), (Some((Some(1), 0)), Some(1)));
        let later = |share: u32| start + FADE * share / 4;
        fader.look(&colour(2), later(1));
        assert_eq!(at(&fader, later(1)), Some((Some(1), 64)));
        fader.look(&colour(2), later(4));
        assert_eq!((at(&fader, later(4)), fader.over()), (None, None));
    }

    #[test]
    fn an_interrupted_fade_goes_on_from_the_picture_that_was_shown() {
        let (mut fader, start) = (Fader::default(), Instant::now());
        fader.look(&colour(1), start);
        fader.look(&colour(2), start);
        assert!(fader.look(&colour(3), start + FADE / 2), "the picture is kept");
        assert_eq!((at(&fader, start + FADE), fader.over()), (Some((None, 128)), Some(1)));
        assert!(fader.look(&colour(4), start + FADE), "again");
        fader.look(&colour(4), start + FADE * 2);
        assert_eq!(fader.over(), None);
    }

    #[test]
    fn the_room_is_not_kept_beyond_its_own_fade() {
        for room in [Background::Off, Background::Blur { strength: 9 }] {
            let (mut fader, start) = (Fader::default(), Instant::now());
            fader.look(&scene(1, room.clone(), FADE), start);
            fader.look(&colour(2), start);
            assert_eq!(at(&fader, start), Some((Some(1), 0)), "the user showed it");
            assert!(!fader.look(&colour(3), start + FADE / 4));
            assert_eq!(at(&fader, start + FADE / 4), Some((Some(2), 0)), "neither shows it");
            // on the way to the room and away again
            assert!(!fader.look(&scene(4, room, FADE), start + FADE * 3));
            assert!(!fader.look(&colour(5), start + FADE * 13 / 4));
            assert_eq!(at(&fader, start + FADE * 13 / 4), Some((Some(4), 0)));
        }
    }

    #[test]
    fn a_scene_without_a_fade_cuts_and_so_does_a_card() {
        let (mut fader, start) = (Fader::default(), Instant::now());
        fader.look(&colour(1), start);
        fader.look(&colour(2), start);
        fader.look(&scene(3, Background::Color(Yuv::BLACK), Duration::ZERO), start + FADE / 2);
        assert_eq!((at(&fader, start + FADE / 2), fader.over()), (None, None));
        fader.cut();
        fader.look(&colour(4), start + FADE);
        assert_eq!(at(&fader, start + FADE), None);
    }

    #[test]
    fn masks_are_made_until_what_needs_them_is_gone() {
        let (mut fader, start) = (Fader::default(), Instant::now());
        fader.look(&colour(1), start);
        fader.look(&scene(2, Background::Off, FADE), start);
        assert!(fader.needs_mask());
        fader.look(&scene(2, Background::Off, FADE), start + FADE);
        assert!(!fader.needs_mask());
    }
}
