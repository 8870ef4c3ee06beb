//! The fade from one background to the next.
//!
//! During a fade, both scenes are composed from the same frame and mask and then blended, so no output frame shows
//! anything that neither of them shows. If another change interrupts a fade, the new one starts from the frozen output
//! frame: there is no jump, and never more than two scenes to compose. If that frame contains the room, the newest
//! scene fades in over the previous one instead, so that the room disappears no later than its own fade would end.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{background::Background, compose::Scene};

/// The layer that the new scene fades in over.
#[derive(Debug)]
pub(super) enum Outgoing {
    /// An earlier scene, still playing.
    Scene(Arc<Scene>),
    /// The output frame when a fade was interrupted.
    Frozen,
}

#[derive(Debug)]
struct Fade {
    outgoing: Outgoing,
    /// The version shown by the outputs before the fade.
    outgoing_version: u64,
    since: Instant,
}

/// The scene of the live frames, and the fade in progress.
#[derive(Debug, Default)]
pub(super) struct Fader {
    scene: Option<Arc<Scene>>,
    fade: Option<Fade>,
}

impl Fader {
    /// Switches to the scene of the next live frame, shown at `now`. Returns true if the caller must keep the last
    /// frame for [`Outgoing::Frozen`].
    pub(super) fn advance(&mut self, scene: &Arc<Scene>, now: Instant) -> bool {
        self.end_if_over(now); // it may have ended while no frame was rendered
        let old = self.scene.replace(Arc::clone(scene));
        let still = match old {
            Some(old) if old.version != scene.version => self.change(old, scene, now),
            Some(_) => false,
            None => {
                self.fade = None;
                false
            }
        };
        self.end_if_over(now);
        still
    }

    /// Ends the fade when its time is over.
    fn end_if_over(&mut self, now: Instant) {
        let duration = self.scene.as_ref().map_or(Duration::ZERO, |scene| scene.fade);
        self.fade.take_if(|fade| now.duration_since(fade.since) >= duration);
    }

    fn change(&mut self, old: Arc<Scene>, scene: &Scene, now: Instant) -> bool {
        let running = self.fade.take();
        if scene.fade.is_zero() {
            return false;
        }
        let outgoing_version = running.as_ref().map_or(old.version, |fade| fade.outgoing_version);
        let still = running.is_some_and(|fade| !fade.outgoing.shows_room()) && !shows_room(&old);
        let outgoing = if still { Outgoing::Frozen } else { Outgoing::Scene(old) };
        self.fade = Some(Fade { outgoing, outgoing_version, since: now });
        still
    }

    /// Clears the scene, so that the next one appears without a fade.
    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }

    /// The layer that the scene fades in over, and the scene's weight at `now`, 0 to 256.
    pub(super) fn outgoing(&self, now: Instant) -> Option<(&Outgoing, u16)> {
        let (fade, scene) = (self.fade.as_ref()?, self.scene.as_ref()?);
        let share = now.duration_since(fade.since).as_secs_f32() / scene.fade.as_secs_f32();
        Some((&fade.outgoing, (share.clamp(0.0, 1.0) * 256.0) as u16))
    }

    /// The version shown by the outputs before the fade.
    pub(super) fn outgoing_version(&self) -> Option<u64> {
        self.fade.as_ref().map(|fade| fade.outgoing_version)
    }

    /// Whether the outgoing scene needs a mask.
    pub(super) fn needs_mask(&self) -> bool {
        matches!(&self.fade, Some(Fade { outgoing: Outgoing::Scene(old), .. }) if old.needs_mask())
    }
}

impl Outgoing {
    fn shows_room(&self) -> bool {
        matches!(self, Self::Scene(scene) if shows_room(scene))
    }
}

/// Whether the room is visible, sharp or blurred.
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
        scene(version, Background::Colour(Yuv::BLACK), FADE)
    }

    /// The version of the outgoing scene, or `None` if it is frozen, and the weight of the new one.
    fn at(fader: &Fader, now: Instant) -> Option<(Option<u64>, u16)> {
        fader.outgoing(now).map(|(outgoing, share)| match outgoing {
            Outgoing::Scene(scene) => (Some(scene.version), share),
            Outgoing::Frozen => (None, share),
        })
    }

    #[test]
    fn a_scene_fades_in_gradually_and_the_fade_ends() {
        let (mut fader, start) = (Fader::default(), Instant::now());
        assert!(!fader.advance(&colour(1), start));
        assert_eq!(at(&fader, start), None, "the first scene has nothing to fade from");
        assert!(!fader.advance(&colour(2), start));
        assert_eq!((at(&fader, start), fader.outgoing_version()), (Some((Some(1), 0)), Some(1)));
        let later = |share: u32| start + FADE * share / 4;
        fader.advance(&colour(2), later(1));
        assert_eq!(at(&fader, later(1)), Some((Some(1), 64)));
        fader.advance(&colour(2), later(4));
        assert_eq!((at(&fader, later(4)), fader.outgoing_version()), (None, None));
    }

    #[test]
    fn an_interrupted_fade_continues_from_the_frame_that_was_shown() {
        let (mut fader, start) = (Fader::default(), Instant::now());
        fader.advance(&colour(1), start);
        fader.advance(&colour(2), start);
        assert!(fader.advance(&colour(3), start + FADE / 2), "the frame is kept");
        assert_eq!((at(&fader, start + FADE), fader.outgoing_version()), (Some((None, 128)), Some(1)));
        assert!(fader.advance(&colour(4), start + FADE), "again");
        fader.advance(&colour(4), start + FADE * 2);
        assert_eq!(fader.outgoing_version(), None);
    }

    #[test]
    fn the_room_disappears_no_later_than_its_own_fade_ends() {
        for room in [Background::Off, Background::Blur { strength: 9 }] {
            let (mut fader, start) = (Fader::default(), Instant::now());
            fader.advance(&scene(1, room.clone(), FADE), start);
            fader.advance(&colour(2), start);
            assert_eq!(at(&fader, start), Some((Some(1), 0)), "the user showed it");
            assert!(!fader.advance(&colour(3), start + FADE / 4));
            assert_eq!(at(&fader, start + FADE / 4), Some((Some(2), 0)), "neither shows it");
            // a fade to the room that is interrupted
            assert!(!fader.advance(&scene(4, room, FADE), start + FADE * 3));
            assert!(!fader.advance(&colour(5), start + FADE * 13 / 4));
            assert_eq!(at(&fader, start + FADE * 13 / 4), Some((Some(4), 0)));
        }
    }

    #[test]
    fn a_scene_without_a_fade_and_a_card_appear_immediately() {
        let (mut fader, start) = (Fader::default(), Instant::now());
        fader.advance(&colour(1), start);
        fader.advance(&colour(2), start);
        fader.advance(&scene(3, Background::Colour(Yuv::BLACK), Duration::ZERO), start + FADE / 2);
        assert_eq!((at(&fader, start + FADE / 2), fader.outgoing_version()), (None, None));
        fader.reset();
        fader.advance(&colour(4), start + FADE);
        assert_eq!(at(&fader, start + FADE), None);
    }

    #[test]
    fn masks_are_needed_until_the_outgoing_scene_is_gone() {
        let (mut fader, start) = (Fader::default(), Instant::now());
        fader.advance(&colour(1), start);
        fader.advance(&scene(2, Background::Off, FADE), start);
        assert!(fader.needs_mask());
        fader.advance(&scene(2, Background::Off, FADE), start + FADE);
        assert!(!fader.needs_mask());
    }
}
