//! The render thread: composes person and background and writes the result to the outputs.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    CapturedFrame, Clock, MaskedFrame, Preview,
    clock::SuspendDetector,
    fade::{Fader, Outgoing},
    health::Health,
    limits::FrameTime,
    preview::{PreviewFeed, UniformMatte, View},
    scenes::Scenes,
    still::{self, Shown},
    wake::WakeSignal,
    watch::CameraPower,
};
use crate::{
    compose::{Compositor, Scene, card},
    frame::{
        Frame, Mask, Size,
        blend::crossfade,
        mailbox::{Latest, Taken},
    },
    process::suspend,
    sink::Outputs,
    stats::Stats,
};

/// How often the outputs get a frame while the camera sends none. Chromium restarts a stream after a second without.
const IDLE_INTERVAL: Duration = Duration::from_millis(100);

/// How often the outputs get a frame while no app reads them, so that a new reader has one before the camera is open.
const SLEEP_INTERVAL: Duration = Duration::from_millis(500);

/// A frame that has waited this long is not shown.
const MAX_FRAME_AGE: Duration = Duration::from_secs(1);

/// The render thread's mailboxes and shared state.
pub(super) struct Inputs {
    pub(super) clock: Clock,
    pub(super) wake: Arc<WakeSignal>,
    pub(super) scenes: Arc<Scenes>,
    pub(super) power: Arc<CameraPower>,
    pub(super) frames: Arc<Latest<CapturedFrame>>,
    pub(super) masks: Arc<Latest<MaskedFrame>>,
    pub(super) frame_time: Arc<FrameTime>,
    pub(super) health: Arc<Health>,
    pub(super) stats: Arc<Stats>,
}

pub(super) struct Render {
    inputs: Inputs,
    outputs: Outputs,
    compositor: Compositor,
    output: Frame,
    preview: PreviewFeed,
    /// The outgoing frame while a scene fades in.
    outgoing: Frame,
    fader: Fader,
    masked: Option<MaskedFrame>,
    shown: Option<Shown>,
    /// Whether the room is visible in the live output frame.
    shows_room: bool,
    /// When the last frame arrived that was shown, or would have been with a mask.
    last_frame: Option<Instant>,
    /// The frame on screen, kept to be rendered again if the scene changes before a slow camera delivers the next one.
    last_captured: Option<CapturedFrame>,
    /// Since when live frames have had no mask.
    unmasked_since: Option<Instant>,
    suspends: SuspendDetector,
}

impl Render {
    pub(super) fn new(inputs: Inputs, size: Size, preview: Arc<Preview>, outputs: Outputs) -> Self {
        let suspends = SuspendDetector::new(&inputs.clock);
        Self {
            inputs,
            outputs,
            compositor: Compositor::new(size),
            output: Frame::new(size),
            preview: PreviewFeed::new(preview, size),
            outgoing: Frame::new(size),
            fader: Fader::default(),
            masked: None,
            shown: None,
            shows_room: false,
            last_frame: None,
            last_captured: None,
            unmasked_since: None,
            suspends,
        }
    }

    /// Shows frames until the pipeline stops, starting with a placeholder card.
    pub(super) fn run(mut self) {
        let scene = self.inputs.scenes.load_full();
        self.show_card(&scene, self.now());
        drop(scene);
        while self.run_once() {}
        // an output that could not be completed has logged the reason
        let _ = self.outputs.finish();
    }

    /// Waits for a frame and shows it, or a card if none arrives; false once the pipeline stops.
    fn run_once(&mut self) -> bool {
        if !self.inputs.power.is_on() {
            return self.sleep();
        }
        let taken = self.inputs.frames.take(Instant::now() + IDLE_INTERVAL);
        // loaded once per frame, so that no frame mixes two scenes
        let scene = self.inputs.scenes.load_full();
        let captured = match taken {
            Taken::Closed => return false,
            Taken::Value(captured) => Some(captured),
            Taken::TimedOut => None,
        };
        let has_frame = captured.is_some();
        let is_live = self.step(captured, &scene);
        if has_frame && !is_live && scene.paused {
            // the camera is running, but a static card does not need thirty writes a second
            drop(scene);
            self.inputs.wake.wait(Instant::now() + IDLE_INTERVAL);
        }
        true
    }

    /// Shows a frame, or the best substitute if there is none; true if the output is live.
    fn step(&mut self, captured: Option<CapturedFrame>, scene: &Arc<Scene>) -> bool {
        let now = self.now();
        if self.suspends.poll(&self.inputs.clock) {
            self.forget();
        }
        match captured.filter(|captured| !scene.paused && self.is_current(captured, now)) {
            Some(captured) => {
                self.last_frame = Some(now);
                self.last_captured = None;
                self.show_live(&captured, scene, false);
                self.last_captured = self.last_frame.map(|_| captured); // unless a suspend interrupted it
                return true;
            }
            None if scene.paused => self.reset(),
            None => {}
        }
        if !self.is_in_a_gap(now) {
            self.reset();
        }
        match self.last_captured.take() {
            Some(captured) if self.is_outdated(&captured, scene) => {
                self.show_live(&captured, scene, true);
                self.last_captured = self.last_frame.map(|_| captured);
                return true;
            }
            captured => self.last_captured = captured,
        }
        self.show_card(scene, now);
        false
    }

    /// Whether a frame is recent, and was captured after the last suspend.
    fn is_current(&self, captured: &CapturedFrame, now: Instant) -> bool {
        let suspended = (self.inputs.clock.suspended)();
        let age = now.saturating_duration_since(captured.arrived);
        age < MAX_FRAME_AGE && !suspend::is_between(captured.suspended, suspended)
    }

    /// Whether the next frame may still arrive: cameras are slow and occasionally drop a frame.
    fn is_in_a_gap(&self, now: Instant) -> bool {
        let hold = self.inputs.frame_time.limits().hold();
        self.last_frame.is_some_and(|last| now.saturating_duration_since(last) < hold)
    }

    /// Whether the last frame has to be rendered again, because the scene has changed or its mask was late.
    fn is_outdated(&mut self, captured: &CapturedFrame, scene: &Scene) -> bool {
        let Some(Shown::Live(version)) = self.shown else { return false };
        let is_old = |masked: &MaskedFrame| {
            masked.session != captured.session || masked.frame.seq + masked.delay < captured.frame.seq
        };
        let needs_newer = scene.needs_mask() && self.masked.as_ref().is_none_or(is_old);
        version != scene.version || needs_newer && self.inputs.masks.has(|masked| !is_old(masked))
    }

    /// Drops all earlier frames and masks.
    fn reset(&mut self) {
        self.last_frame = None;
        self.last_captured = None;
        self.masked = None;
        self.unmasked_since = None;
    }

    /// Drops everything from before a suspend, including a frozen frame.
    fn forget(&mut self) {
        self.reset();
        self.shown.take_if(|shown| shown.is_camera_frame());
    }

    /// Shows a card at a low rate while no app reads; false once the pipeline stops.
    fn sleep(&mut self) -> bool {
        let epoch = self.inputs.wake.epoch();
        if self.inputs.wake.is_stopped() {
            return false;
        }
        self.reset(); // the next reader must not see an old frame
        let scene = self.inputs.scenes.load_full();
        self.show_card(&scene, self.now());
        drop(scene);
        if !self.inputs.power.is_on() {
            self.inputs.wake.wait_since(epoch, Instant::now() + SLEEP_INTERVAL);
        }
        true
    }

    /// Shows a camera frame; `again` if it was shown before.
    fn show_live(&mut self, captured: &CapturedFrame, scene: &Arc<Scene>, again: bool) {
        if self.fader.advance(scene, self.now()) {
            self.outgoing.copy_from(&self.output);
        }
        let needs_mask = scene.needs_mask() || self.fader.needs_mask();
        let masked = if needs_mask { self.newest_masked(captured, again) } else { None };
        let now = self.now();
        // without a background, the camera image is shown even without a mask; only the person's lighting and framing
        // are missing
        if scene.hides_room() && masked.is_none() {
            self.unmasked_since.get_or_insert(now);
            if self.is_model_lost(now) {
                return self.show_card(scene, now);
            }
            if !again {
                self.inputs.stats.unmasked.add_one();
            }
        } else {
            self.unmasked_since = None;
        }
        let (frame, mask) = match &masked {
            Some((frame, mask)) => (frame, Some(&**mask)),
            None => (&captured.frame, None),
        };
        self.compose(frame, mask, scene, now);
        let composed = self.now();
        let version = self.fader.outgoing_version().unwrap_or(scene.version);
        self.shown = Some(Shown::Live(version));
        if !self.write(version, composed) {
            return self.show_card(scene, composed);
        }
        if !again {
            self.inputs.stats.compose_time.record(composed.saturating_duration_since(now));
            self.inputs.stats.composed.add_one();
            self.inputs.stats.latency.record(self.now().saturating_duration_since(frame.captured_at));
        }
        self.preview.frame(View::Camera, frame, now);
        self.preview.matte(mask.ok_or(UniformMatte(!scene.needs_mask())), now);
        if self.fader.outgoing_version().is_none() {
            self.inputs.scenes.end_fade(scene.version);
        }
    }

    /// Whether the person has been missing long enough for a card to report it.
    fn is_model_lost(&self, now: Instant) -> bool {
        let limit = self.inputs.frame_time.limits().model_lost();
        self.unmasked_since.is_some_and(|since| now.saturating_duration_since(since) > limit)
    }

    /// Composes the output frame, blended with the outgoing one during a fade.
    fn compose(&mut self, frame: &Frame, mask: Option<&Mask>, scene: &Scene, now: Instant) {
        scene.background.play(now);
        self.compositor.compose(frame, mask, scene, &mut self.output);
        let showed_room = std::mem::replace(&mut self.shows_room, scene.shows_room_when_live());
        let Some((outgoing, share)) = self.fader.outgoing(now) else { return };
        if let Outgoing::Scene(old) = outgoing {
            old.background.play(now);
            self.compositor.compose(frame, mask, old, &mut self.outgoing);
            self.shows_room |= old.shows_room_when_live();
        } else {
            self.shows_room |= showed_room;
        }
        crossfade(&self.outgoing, share, &mut self.output);
    }

    /// The newest frame that has a mask, with its mask.
    ///
    /// If the model is slow, that is an earlier frame: its mask on this frame would reveal the room where the person has
    /// moved since.
    fn newest_masked(&mut self, captured: &CapturedFrame, again: bool) -> Option<(Arc<Frame>, Arc<Mask>)> {
        self.fetch_mask(captured);
        let MaskedFrame { session, frame, mask, delay } = self.masked.as_ref()?;
        let age = captured.frame.captured_at.saturating_duration_since(frame.captured_at);
        if *session != captured.session || age > self.inputs.frame_time.limits().max_delay() {
            return None;
        }
        if frame.seq + delay < captured.frame.seq && !again {
            self.inputs.stats.late_masks.add_one();
        }
        Some((Arc::clone(frame), Arc::clone(mask)))
    }

    /// Waits for the mask of this frame, or of the previous one if masks are delayed, while that leaves time
    /// to compose at the camera's rate.
    ///
    /// The wait is measured from the frame's arrival: webcams timestamp the start of the exposure, which is much
    /// earlier.
    fn fetch_mask(&mut self, captured: &CapturedFrame) {
        let deadline = captured.arrived + self.inputs.frame_time.limits().mask_wait();
        let is_new_enough = |masked: &MaskedFrame| {
            masked.session == captured.session && masked.frame.seq + masked.delay >= captured.frame.seq
        };
        let masked = match self.inputs.masks.take_if(deadline, is_new_enough) {
            Taken::Value(masked) => Some(masked),
            Taken::TimedOut | Taken::Closed => self.inputs.masks.try_take(),
        };
        if masked.is_some() {
            self.masked = masked;
        }
    }

    /// Shows a card with the reason for the missing live frame. Repeats the last frame instead if it is frozen, or if it
    /// is of this scene, during a short gap.
    fn show_card(&mut self, scene: &Scene, now: Instant) {
        let is_live = self.shown == Some(Shown::Live(scene.version));
        let holds = is_live && self.is_in_a_gap(now) && !self.is_model_lost(now);
        if !holds {
            self.fader.reset();
            self.inputs.scenes.end_fade(scene.version);
            if still::can_freeze(scene, self.shown, self.shows_room) {
                self.shown = Some(Shown::Frozen);
            } else {
                self.draw_card(scene);
            }
        }
        self.output.captured_at = now;
        self.output.seq += 1;
        // without a camera frame, all views show the card
        self.preview.frame(View::Camera, &self.output, now);
        self.preview.frame(View::Matte, &self.output, now);
        if !self.write(scene.version, now) {
            self.show_card(scene, now);
        }
    }

    /// Draws the card for the current state, unless it is already in the output frame.
    fn draw_card(&mut self, scene: &Scene) {
        let (card, detail) = still::card(scene, &self.inputs.health.lock(), self.unmasked_since.is_some());
        let wanted = Shown::Card(card, scene.version);
        if self.shown != Some(wanted) {
            card::draw(card, &detail, Some(scene), &mut self.output);
            self.shown = Some(wanted);
        }
    }

    /// Writes the output frame; false, with everything reset, if it is a camera frame from before a suspend.
    ///
    /// The machine may be suspended at any time: while the mask is awaited, while the frame is composed, or between two
    /// outputs. This is checked right before each output's write.
    fn write(&mut self, version: u64, now: Instant) -> bool {
        let is_camera_frame = self.shown.is_some_and(Shown::is_camera_frame);
        let (suspends, clock) = (&mut self.suspends, &self.inputs.clock);
        if !self.outputs.write_while(|| !(is_camera_frame && suspends.poll(clock)), &self.output, now) {
            self.forget();
            return false;
        }
        self.preview.frame(View::Output, &self.output, now);
        self.inputs.scenes.set_shown(version, self.shown == Some(Shown::Frozen));
        self.inputs.stats.write_time.record(self.now().saturating_duration_since(now));
        self.inputs.stats.written.add_one();
        true
    }

    fn now(&self) -> Instant {
        (self.inputs.clock.now)()
    }
}

#[cfg(test)]
mod tests;
