//! The render thread: puts person and background together and hands the picture to the outputs.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Shared, Shot};
use crate::{
    compose::{
        Compositor, Scene,
        card::{self, Card},
    },
    frame::{Frame, Mask},
    latest::Taken,
    sink::Outputs,
};

/// How often the outputs get a picture while the camera gives none. Chromium restarts a stream after a second without.
const IDLE: Duration = Duration::from_millis(100);

/// How long the last picture stands when the camera stops, before a card takes its place.
const HOLD: Duration = Duration::from_secs(1);

/// The oldest mask that a frame may be cut out with, and how long the picture may lack a person before a card says so.
const STALE: Duration = Duration::from_millis(500);
const MODEL_LOST: Duration = Duration::from_secs(3);

/// What the outputs show, to draw a card only once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    Live,
    Card(Card, u64),
}

pub(super) struct Render {
    shared: Arc<Shared>,
    outputs: Outputs,
    compositor: Compositor,
    picture: Frame,
    mask: Option<(u64, Arc<Mask>)>,
    shown: Option<Shown>,
    last_live: Option<Instant>,
    /// Since when live frames have had no mask.
    unmasked_since: Option<Instant>,
}

impl Render {
    pub(super) fn new(shared: Arc<Shared>, outputs: Outputs) -> Self {
        let size = shared.size;
        Self {
            shared,
            outputs,
            compositor: Compositor::new(size),
            picture: Frame::new(size),
            mask: None,
            shown: None,
            last_live: None,
            unmasked_since: None,
        }
    }

    /// Shows a picture at a time until the pipeline stops; a card stands from the first moment on.
    pub(super) fn run(mut self) {
        self.show_card(Instant::now());
        while self.run_once() {}
        // what could not be completed is in the log already
        let _ = self.outputs.finish();
    }

    /// Waits for a frame and shows it, or a card when none comes; false when the pipeline stops.
    fn run_once(&mut self) -> bool {
        let taken = self.shared.frames_to_render.take(Instant::now() + IDLE);
        match taken {
            Taken::Closed => return false,
            Taken::Value(shot) if !self.shared.scene.load().paused => self.show_live(&shot),
            Taken::Value(_) => self.show_card_at_leisure(),
            Taken::TimedOut => {
                self.unmasked_since = None;
                self.show_card(Instant::now());
            }
        }
        true
    }

    fn show_live(&mut self, shot: &Shot) {
        let shared = Arc::clone(&self.shared);
        let scene = shared.scene.load();
        if scene.needs_mask() {
            self.fetch_mask(shot);
        }
        let now = Instant::now();
        let mask = if scene.needs_mask() { self.mask_for(shot) } else { None };
        if scene.needs_mask() && mask.is_none() {
            shared.stats.unmasked.add_one();
            let since = *self.unmasked_since.get_or_insert(now);
            if now.duration_since(since) > MODEL_LOST {
                return self.show_card(now);
            }
        } else {
            self.unmasked_since = None;
        }
        self.compositor.compose(&shot.frame, mask.as_deref(), &scene, &mut self.picture);
        shared.stats.compose_time.record(now.elapsed());
        shared.stats.composed.add_one();
        self.shown = Some(Shown::Live);
        self.last_live = Some(now);
        self.write(Instant::now());
        shared.stats.latency.record(shot.frame.captured_at.elapsed());
    }

    /// Waits for the mask of this very frame, but no longer than leaves time to compose at the camera's rate.
    fn fetch_mask(&mut self, shot: &Shot) {
        let deadline = shot.frame.captured_at + self.shared.frame_time() * 3 / 4;
        let wanted = |cut: &super::Cut| cut.session == shot.session && cut.mask.seq >= shot.frame.seq;
        let cut = match self.shared.masks.take_if(deadline, wanted) {
            Taken::Value(cut) => Some(cut),
            Taken::TimedOut | Taken::Closed => self.shared.masks.try_take(),
        };
        if let Some(cut) = cut {
            self.mask = Some((cut.session, cut.mask));
        }
    }

    /// The newest mask, if it may cut this frame out.
    fn mask_for(&self, shot: &Shot) -> Option<Arc<Mask>> {
        let (session, mask) = self.mask.as_ref()?;
        let age = shot.frame.captured_at.saturating_duration_since(mask.captured_at);
        if *session != shot.session || age > STALE {
            return None;
        }
        if mask.seq < shot.frame.seq {
            self.shared.stats.late_masks.add_one();
        }
        Some(Arc::clone(mask))
    }

    fn show_card_at_leisure(&mut self) {
        self.unmasked_since = None;
        // the camera runs on while the scene is paused, but a still picture needs no thirty writes a second
        self.shared.switch.wait(Instant::now() + IDLE);
        self.show_card(Instant::now());
    }

    /// Shows the card that says why there is no live picture, or the last picture again during a short gap.
    fn show_card(&mut self, now: Instant) {
        let shared = Arc::clone(&self.shared);
        let scene = shared.scene.load();
        let in_a_gap = self.last_live.is_some_and(|live| now.duration_since(live) < HOLD);
        if !(in_a_gap && self.shown == Some(Shown::Live) && !scene.paused) {
            let card = self.card(&scene);
            let wanted = Shown::Card(card, scene.version);
            if self.shown != Some(wanted) {
                card::draw(card, Some(&scene), &mut self.picture);
                self.shown = Some(wanted);
            }
        }
        self.picture.captured_at = now;
        self.picture.seq += 1;
        self.write(now);
    }

    fn card(&self, scene: &Scene) -> Card {
        let stations = self.shared.stations();
        if scene.paused {
            Card::Paused
        } else if stations.camera_failure.is_some() {
            Card::CameraLost
        } else if stations.mask_failure.is_some() {
            Card::ModelFailed
        } else {
            Card::Starting
        }
    }

    fn write(&mut self, now: Instant) {
        self.outputs.write(&self.picture, now);
        self.shared.stats.write_time.record(now.elapsed());
        self.shared.stats.written.add_one();
    }
}
