//! The render thread: puts person and background together and hands the picture to the outputs.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use super::{
    Cut, Shared, Shot,
    clock::{Suspends, was_suspended},
    fade::{Before, Fader},
    tap::{Everywhere, Feed, View},
};
use crate::{
    compose::{
        Compositor, Scene,
        card::{self, Card},
    },
    error::Kind,
    frame::{Frame, Mask, blend::crossfade, mailbox::Taken},
    sink::Outputs,
};

/// How often the outputs get a picture while the camera gives none. Chromium restarts a stream after a second without.
const IDLE: Duration = Duration::from_millis(100);

/// How often the outputs get a picture while nobody reads them: a new reader sees it before the camera is open.
const ASLEEP: Duration = Duration::from_millis(500);

/// A frame that has lain about for so long is no picture of now.
const OLD_FRAME: Duration = Duration::from_secs(1);

/// What the outputs show, and of which version of the scene.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    Live(u64),
    Card(Card, u64),
}

/// What a frame of the camera is shown as.
enum Way {
    /// It needs no mask, or nobody knows where the person is: then the background stands alone.
    Alone,
    /// Cut out with a mask of its own or of a frame or two before.
    CutOut(Arc<Mask>),
    /// The model is slow: an earlier frame takes its place, the newest that has a mask.
    Earlier(Arc<Frame>, Arc<Mask>),
}

pub(super) struct Render {
    shared: Arc<Shared>,
    outputs: Outputs,
    compositor: Compositor,
    picture: Frame,
    feed: Feed,
    /// What the picture comes in over while a scene fades in.
    before: Frame,
    fader: Fader,
    cut: Option<Cut>,
    shown: Option<Shown>,
    /// When the last frame came that was shown, or would have been with a mask.
    last_frame: Option<Instant>,
    /// The frame that is shown, to be shown in another way while a slow camera gives none.
    last_shot: Option<Shot>,
    /// Since when live frames have had no mask.
    unmasked_since: Option<Instant>,
    suspends: Suspends,
}

impl Render {
    pub(super) fn new(shared: Arc<Shared>, outputs: Outputs) -> Self {
        let size = shared.size;
        let feed = Feed::new(Arc::clone(&shared.tap), size);
        let suspends = Suspends::new(&shared.clock);
        Self {
            shared,
            outputs,
            compositor: Compositor::new(size),
            picture: Frame::new(size),
            feed,
            before: Frame::new(size),
            fader: Fader::default(),
            cut: None,
            shown: None,
            last_frame: None,
            last_shot: None,
            unmasked_since: None,
            suspends,
        }
    }

    /// Shows a picture at a time until the pipeline stops; a card stands from the first moment on.
    pub(super) fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        self.show_card(&shared.scene.load(), shared.now());
        while self.run_once(&shared) {}
        // what could not be completed is in the log already
        let _ = self.outputs.finish();
    }

    /// Waits for a frame and shows it, or a card when none comes; false when the pipeline stops.
    fn run_once(&mut self, shared: &Shared) -> bool {
        if !shared.wanted.is_on() {
            return self.sleep(shared);
        }
        let taken = shared.frames_to_render.take(Instant::now() + IDLE);
        // one look a frame: a picture is made of one scene, never of two
        let scene = shared.scene.load_full();
        let shot = match taken {
            Taken::Closed => return false,
            Taken::Value(shot) => Some(shot),
            Taken::TimedOut => None,
        };
        let has_frame = shot.is_some();
        let is_live = self.step(shot, &scene);
        if has_frame && !is_live {
            // the camera runs on, but a still picture needs no thirty writes a second
            drop(scene);
            shared.switch.wait(Instant::now() + IDLE);
        }
        true
    }

    /// Shows a frame, or what there is to be shown while none comes; true when it is a live picture.
    fn step(&mut self, shot: Option<Shot>, scene: &Arc<Scene>) -> bool {
        let now = self.shared.now();
        if self.suspends.look(&self.shared.clock) {
            self.forget();
        }
        match shot.filter(|shot| !scene.paused && self.is_of_now(shot, now)) {
            Some(shot) => {
                (self.last_frame, self.last_shot) = (Some(now), None);
                self.show_live(&shot, scene, false);
                self.last_shot = self.last_frame.map(|_| shot); // unless a suspend has come in between
                return true;
            }
            None if scene.paused => self.forget(),
            None => {}
        }
        if !self.is_in_a_gap(now) {
            self.forget();
        }
        match self.last_shot.take() {
            Some(shot) if self.is_to_change(&shot, scene) => {
                self.show_live(&shot, scene, true);
                self.last_shot = self.last_frame.map(|_| shot);
                return true;
            }
            shot => self.last_shot = shot,
        }
        self.show_card(scene, now);
        false
    }

    /// Whether a frame is one of before the camera was closed or the machine suspended.
    fn is_of_now(&self, shot: &Shot, now: Instant) -> bool {
        let suspended = (self.shared.clock.suspended)();
        now.saturating_duration_since(shot.arrived) < OLD_FRAME && !was_suspended(shot.suspended, suspended)
    }

    /// Whether the next frame may still come: cameras are slow, and lose one now and then.
    fn is_in_a_gap(&self, now: Instant) -> bool {
        let hold = self.shared.limits().hold();
        self.last_frame.is_some_and(|last| now.saturating_duration_since(last) < hold)
    }

    /// Whether the last frame is to be shown once more, because the picture that it gives is another now: of another scene,
    /// or with a mask that came late.
    fn is_to_change(&mut self, shot: &Shot, scene: &Scene) -> bool {
        let Some(Shown::Live(version)) = self.shown else { return false };
        let is_old = |cut: &Cut| cut.session != shot.session || cut.frame.seq + cut.delay < shot.frame.seq;
        let waits = scene.needs_mask() && self.cut.as_ref().is_none_or(is_old);
        version != scene.version || waits && self.shared.masks.has(|cut| !is_old(cut))
    }

    /// Nothing that was seen before is shown any more.
    fn forget(&mut self) {
        (self.last_frame, self.last_shot, self.cut, self.unmasked_since) = (None, None, None, None);
    }

    /// Shows a card now and then while nobody reads, until somebody does; false when the pipeline stops.
    fn sleep(&mut self, shared: &Shared) -> bool {
        let ticket = shared.switch.ticket();
        if shared.switch.is_stopped() {
            return false;
        }
        self.forget(); // whoever comes next is not shown who was there before
        self.show_card(&shared.scene.load(), shared.now());
        if !shared.wanted.is_on() {
            shared.switch.wait_since(ticket, Instant::now() + ASLEEP);
        }
        true
    }

    /// Shows a frame of the camera, `again` when it was shown before.
    fn show_live(&mut self, shot: &Shot, scene: &Arc<Scene>, again: bool) {
        if self.fader.look(scene, self.shared.now()) {
            self.before.copy_from(&self.picture);
        }
        let way = if scene.needs_mask() || self.fader.needs_mask() { self.way_of(shot, again) } else { Way::Alone };
        let now = self.shared.now();
        // the plain camera is shown as it is where nobody could be found to be lit or followed
        if scene.hides_room() && matches!(way, Way::Alone) {
            self.unmasked_since.get_or_insert(now);
            if self.is_model_lost(now) {
                return self.show_card(scene, now);
            }
            if !again {
                self.shared.stats.unmasked.add_one();
            }
        } else {
            self.unmasked_since = None;
        }
        let (frame, mask) = match &way {
            Way::Alone => (&shot.frame, None),
            Way::CutOut(mask) => (&shot.frame, Some(mask)),
            Way::Earlier(frame, mask) => (frame, Some(mask)),
        };
        self.compose(frame, mask.map(|mask| &**mask), scene, now);
        if self.suspends.look(&self.shared.clock) {
            self.forget(); // while the mask was waited for
            return self.show_card(scene, now);
        }
        self.feed.frame(View::Camera, frame, now);
        self.feed.matte(mask.map(|mask| &**mask).ok_or(Everywhere(!scene.needs_mask())), now);
        let captured_at = frame.captured_at;
        if !again {
            self.shared.stats.compose_time.record(self.shared.now().saturating_duration_since(now));
            self.shared.stats.composed.add_one();
        }
        let version = self.fader.over().unwrap_or(scene.version);
        self.shown = Some(Shown::Live(version));
        self.write(version, self.shared.now());
        if !again {
            self.shared.stats.latency.record(self.shared.now().saturating_duration_since(captured_at));
        }
        if self.fader.over().is_none() {
            self.end_fade(scene.version);
        }
    }

    /// Whether the person has been missing for so long that a card is to say so.
    fn is_model_lost(&self, now: Instant) -> bool {
        let limit = self.shared.limits().model_lost();
        self.unmasked_since.is_some_and(|since| now.saturating_duration_since(since) > limit)
    }

    /// Composes the picture, over what goes while the scene comes in.
    fn compose(&mut self, frame: &Frame, mask: Option<&Mask>, scene: &Scene, now: Instant) {
        scene.background.play(now);
        self.compositor.compose(frame, mask, scene, &mut self.picture);
        let Some((before, share)) = self.fader.at(now) else { return };
        if let Before::Scene(old) = before {
            old.background.play(now);
            self.compositor.compose(frame, mask, old, &mut self.before);
        }
        crossfade(&self.before, share, &mut self.picture);
    }

    /// Masks for what has gone are wanted no longer.
    fn end_fade(&self, version: u64) {
        let _ = self.shared.fading_to.compare_exchange(version, 0, Ordering::AcqRel, Ordering::Relaxed);
    }

    /// How a frame can be shown without showing the room where the person has moved since.
    fn way_of(&mut self, shot: &Shot, again: bool) -> Way {
        self.fetch_cut(shot);
        let Some(Cut { session, frame, mask, delay }) = &self.cut else { return Way::Alone };
        let age = shot.frame.captured_at.saturating_duration_since(frame.captured_at);
        let limits = self.shared.limits();
        if *session != shot.session || age > limits.stale() {
            return Way::Alone;
        }
        if frame.seq + delay < shot.frame.seq && !again {
            self.shared.stats.late_masks.add_one();
        }
        // where masks follow by a frame the picture does too, so that each mask meets its own frame; so does one that
        // overtakes its frame
        if *delay == 0 && frame.seq <= shot.frame.seq && age <= limits.late() {
            Way::CutOut(Arc::clone(mask))
        } else {
            Way::Earlier(Arc::clone(frame), Arc::clone(mask))
        }
    }

    /// Waits for the mask of this very frame, or of that before where masks follow, but no longer than leaves time to
    /// compose at the camera's rate.
    ///
    /// The time runs from the frame's arrival: webcams stamp it at the start of exposure, long before.
    fn fetch_cut(&mut self, shot: &Shot) {
        let deadline = shot.arrived + self.shared.limits().mask_wait();
        let wanted = |cut: &Cut| cut.session == shot.session && cut.frame.seq + cut.delay >= shot.frame.seq;
        let cut = match self.shared.masks.take_if(deadline, wanted) {
            Taken::Value(cut) => Some(cut),
            Taken::TimedOut | Taken::Closed => self.shared.masks.try_take(),
        };
        if cut.is_some() {
            self.cut = cut;
        }
    }

    /// Shows the card that says why there is no live picture, or the last picture of this scene during a short gap.
    fn show_card(&mut self, scene: &Scene, now: Instant) {
        let is_live = self.shown == Some(Shown::Live(scene.version));
        let holds = is_live && self.is_in_a_gap(now) && !self.is_model_lost(now);
        if !holds {
            self.fader.cut();
            self.end_fade(scene.version);
            let (card, detail) = self.card(scene);
            let wanted = Shown::Card(card, scene.version);
            if self.shown != Some(wanted) {
                card::draw(card, &detail, Some(scene), &mut self.picture);
                self.shown = Some(wanted);
            }
        }
        self.picture.captured_at = now;
        self.picture.seq += 1;
        // there is no camera to be seen, and the card says why
        self.feed.frame(View::Camera, &self.picture, now);
        self.feed.frame(View::Matte, &self.picture, now);
        self.write(scene.version, now);
    }

    /// The card of the moment, and what there is to say beyond its own words.
    fn card(&self, scene: &Scene) -> (Card, String) {
        let stations = self.shared.stations();
        let card = match &stations.camera_failure {
            _ if scene.paused => Card::Paused,
            Some(failure) if failure.kind == Kind::Busy => Card::CameraBusy,
            Some(_) => Card::CameraLost,
            None if stations.mask_failure.is_some() || self.unmasked_since.is_some() => Card::ModelFailed,
            None => Card::Starting,
        };
        let holder = stations.camera_holder.as_ref().filter(|_| card == Card::CameraBusy);
        (card, holder.map(|name| format!("{name} is using it")).unwrap_or_default())
    }

    fn write(&mut self, version: u64, now: Instant) {
        self.outputs.write(&self.picture, now);
        self.feed.frame(View::Output, &self.picture, now);
        self.shared.shown.store(version, Ordering::Release);
        self.shared.stats.write_time.record(self.shared.now().saturating_duration_since(now));
        self.shared.stats.written.add_one();
    }
}

#[cfg(test)]
mod tests;
