//! The render thread at many camera rates, with time passed in.

use super::*;
use crate::{
    background::{Background, BackgroundSpec},
    compose::{Freeze, RoomVisible, card::Card},
    frame::Yuv,
    pipeline::{fakes, links::Links},
    sink::{SinkSpec, memory::Memory},
};

const RATES: [f64; 9] = [1.0, 2.0, 5.0, 7.5, 10.0, 15.0, 25.0, 30.0, 60.0];
const GREEN: Yuv = Yuv { y: 110, u: 90, v: 80 };
const WHITE: Yuv = Yuv { y: 235, u: 128, v: 128 };
const ROOM: Yuv = Yuv { y: 60, u: 200, v: 90 };

fn scene(version: u64, colour: Yuv) -> Scene {
    let spec = BackgroundSpec::Blur { strength: 50 }; // hides the room, like the colour
    Scene { version, background: Background::Colour(colour), spec, ..Scene::off() }
}

/// How the fake model masks the left half of the frame.
#[derive(Clone, Copy)]
enum Model {
    /// With a mask for each frame, `delay` frames later.
    Follows {
        delay: u64,
    },
    None,
}

/// A camera, a model and the render thread, all driven by the test.
struct Stage {
    render: Render,
    links: Links,
    memory: Memory,
    model: Model,
    frame_time: Duration,
    start: Instant,
    now: Instant,
    session: u64,
    seq: u64,
    previous: Option<Arc<Frame>>,
}

impl Stage {
    fn new(fps: f64, model: Model) -> Self {
        let start = Instant::now();
        fakes::set_now(start);
        fakes::set_suspended(&[Duration::ZERO]);
        let links = fakes::links(scene(1, GREEN));
        let memory = Memory::new(fakes::size(), 1);
        let sink = memory.clone();
        let opener = Box::new(move |_: &_, _, _| Ok(Box::new(sink.sink()) as _));
        let outputs = Outputs::open_with(opener, &[SinkSpec::None], fakes::size(), 30, start);
        let frame_time = Duration::from_secs_f64(1.0 / fps);
        links.frame_time.set(frame_time);
        if matches!(model, Model::None) {
            links.masks.close(); // so that there is no wait for a mask
        }
        let render = links.render(fakes::clock(), outputs);
        Self { render, links, memory, model, frame_time, start, now: start, session: 1, seq: 0, previous: None }
    }

    fn at(&mut self, now: Instant) {
        self.now = now;
        fakes::set_now(now);
    }

    fn step(&mut self, captured: Option<CapturedFrame>) {
        let scene = self.links.scenes.load_full();
        self.render.step(captured, &scene);
    }

    fn capture(&mut self) -> CapturedFrame {
        let mut frame = Frame::new(fakes::size());
        frame.fill(ROOM);
        self.seq += 1;
        frame.seq = self.seq;
        frame.captured_at = self.now;
        let suspended = (fakes::clock().suspended)();
        CapturedFrame { session: self.session, arrived: self.now, suspended, frame: Arc::new(frame) }
    }

    fn put_mask(&self, frame: Arc<Frame>, delay: u64) {
        let mut mask = Mask::new(fakes::size());
        let width = fakes::size().width();
        mask.alpha_mut().iter_mut().enumerate().for_each(|(at, alpha)| *alpha = 255 * u8::from(at % width < width / 2));
        self.links.masks.put(MaskedFrame { session: self.session, frame, mask: Arc::new(mask), delay });
    }

    /// Feeds the next camera frame, with the mask available at that time.
    fn frame(&mut self) {
        let captured = self.capture();
        let previous = self.previous.replace(Arc::clone(&captured.frame));
        match self.model {
            Model::Follows { delay: 0 } => self.put_mask(Arc::clone(&captured.frame), 0),
            Model::Follows { delay } => {
                if let Some(previous) = previous {
                    self.put_mask(previous, delay);
                }
            }
            Model::None => {}
        }
        self.step(Some(captured));
    }

    /// Runs for `span`, with frames at the camera's rate and idle frames in between; `check` receives each output
    /// frame.
    fn run(&mut self, span: Duration, mut check: impl FnMut(&Self)) {
        let end = self.now + span;
        let mut due = self.now;
        while due < end {
            self.at(due);
            self.frame();
            check(self);
            due += self.frame_time;
            while self.now + IDLE_INTERVAL < due {
                self.at(self.now + IDLE_INTERVAL);
                self.step(None);
                check(self);
            }
        }
        self.at(end);
    }

    fn is_live(&self) -> bool {
        matches!(self.render.shown, Some(Shown::Live(_)))
    }

    /// Whether the output frame has these colours in the middle of its halves.
    fn shows(&self, left: Yuv, right: Yuv) -> bool {
        let frame = self.memory.last().unwrap();
        let luma = frame.planes().0;
        let row = &luma[fakes::size().width() * 90..][..fakes::size().width()];
        row[40].abs_diff(left.y) <= 2 && row[280].abs_diff(right.y) <= 2
    }

    fn has_room(&self) -> bool {
        let frame = self.memory.last().unwrap();
        let (_, u, v) = frame.planes();
        u.iter().zip(v).any(|(u, v)| u.abs_diff(ROOM.u) <= 4 && v.abs_diff(ROOM.v) <= 4)
    }
}

#[test]
fn at_every_rate_the_person_is_in_every_frame() {
    for fps in RATES {
        for delay in [0, 1] {
            let mut stage = Stage::new(fps, Model::Follows { delay });
            // with a delay, the first frame has no mask
            stage.frame();
            stage.at(stage.now + stage.frame_time);
            stage.run(Duration::from_secs(12), |stage| {
                let at = stage.now - stage.start;
                assert!(stage.is_live() && stage.shows(ROOM, GREEN), "{fps} fps, delay {delay}, at {at:?}");
            });
        }
    }
}

#[test]
fn with_a_very_slow_model_the_person_freezes_instead_of_disappearing() {
    let mut stage = Stage::new(30.0, Model::None);
    let time = Duration::from_millis(1200);
    let mut busy_with = None::<Arc<Frame>>;
    let mut first_mask = None;
    stage.run(Duration::from_secs(12), |stage| {
        let newest = stage.previous.as_ref().expect("there is a frame");
        let is_done = |frame: &Arc<Frame>| stage.now - frame.captured_at >= time;
        if let Some(done) = busy_with.take_if(|frame| is_done(frame)) {
            first_mask.get_or_insert(stage.now);
            stage.put_mask(done, 0);
        }
        busy_with.get_or_insert_with(|| Arc::clone(newest));
        if first_mask.is_some_and(|since| stage.now > since) {
            assert!(stage.is_live() && stage.shows(ROOM, GREEN), "at {:?}", stage.now - stage.start);
        } else {
            assert!(!stage.has_room());
        }
    });
    assert!(first_mask.is_some());
}

#[test]
fn at_every_rate_a_card_reports_a_missing_model() {
    for fps in RATES {
        let mut stage = Stage::new(fps, Model::None);
        let lost = stage.links.frame_time.limits().model_lost();
        let frame_time = stage.frame_time;
        stage.run(Duration::from_secs(12), |stage| {
            let at = stage.now - stage.start;
            let shown = stage.render.shown;
            assert!(!stage.has_room(), "{fps} fps at {at:?}");
            if at <= lost {
                assert!(stage.is_live(), "{fps} fps at {at:?}: {shown:?}");
            } else if at > lost + frame_time * 2 + IDLE_INTERVAL {
                assert!(matches!(shown, Some(Shown::Card(Card::ModelFailed, _))), "{fps} fps at {at:?}: {shown:?}");
            }
        });
        assert!(!stage.is_live(), "{fps} fps");
    }
}

#[test]
fn at_every_rate_a_stopped_camera_ends_in_a_card() {
    for fps in RATES {
        let mut stage = Stage::new(fps, Model::Follows { delay: 0 });
        stage.run(stage.frame_time * 4, |_| {});
        let hold = stage.links.frame_time.limits().hold();
        let last = stage.now - stage.frame_time;
        while stage.now < last + hold + IDLE_INTERVAL * 2 {
            stage.step(None);
            let at = stage.now - last;
            assert_eq!(stage.is_live(), at < hold, "{fps} fps, {at:?} after the last frame");
            stage.at(stage.now + IDLE_INTERVAL);
        }
        assert!(!stage.has_room());
    }
}

#[test]
fn a_new_background_appears_immediately_even_with_a_slow_camera() {
    for fade in [Duration::ZERO, Duration::from_millis(400)] {
        let mut stage = Stage::new(1.0, Model::Follows { delay: 0 });
        stage.run(Duration::from_secs(3), |_| {});
        stage.at(stage.now - Duration::from_millis(900));
        stage.links.scenes.publish(Scene { fade, ..scene(2, WHITE) });
        for _ in 0..6 {
            stage.step(None);
            assert!(stage.is_live(), "no card between two backgrounds");
            stage.at(stage.now + IDLE_INTERVAL);
        }
        assert!(stage.shows(ROOM, WHITE), "after {fade:?}");
        assert_eq!(stage.links.scenes.shown(), 2);
    }
}

/// At one frame per second, the mask may arrive long before the next frame.
#[test]
fn a_late_mask_is_shown_without_waiting_for_the_next_frame() {
    let mut stage = Stage::new(1.0, Model::Follows { delay: 1 });
    stage.frame();
    assert!(stage.shows(GREEN, GREEN));
    let frame = stage.previous.clone().unwrap();
    stage.put_mask(frame, 0);
    stage.at(stage.now + IDLE_INTERVAL);
    stage.step(None);
    assert!(stage.shows(ROOM, GREEN));
}

/// The person moves to the right; a mask that is one frame late would show the room on its left edge.
#[test]
fn at_every_rate_a_late_mask_is_shown_only_with_its_own_frame() {
    for fps in RATES {
        let mut stage = Stage::new(fps, Model::None);
        for _ in 0..3 {
            let mut captured = stage.capture();
            let seq = captured.frame.seq as usize;
            let frame = Arc::get_mut(&mut captured.frame).expect("not shared yet");
            let width = fakes::size().width();
            let edge = 40 * seq;
            let is_person = |at: usize| (edge..edge + width / 2).contains(&(at % width));
            frame.planes_mut().0.iter_mut().enumerate().for_each(|(at, y)| *y = if is_person(at) { 200 } else { 30 });
            if let Some(previous) = stage.previous.replace(Arc::clone(&captured.frame)) {
                let mut mask = Mask::new(fakes::size());
                let at_previous = |at: usize| is_person(at + 40) && at % width + 40 < width;
                mask.alpha_mut()
                    .iter_mut()
                    .enumerate()
                    .for_each(|(at, alpha)| *alpha = 255 * u8::from(at_previous(at)));
                let session = stage.session;
                stage.links.masks.put(MaskedFrame { session, frame: previous, mask: Arc::new(mask), delay: 0 });
            }
            stage.step(Some(captured));
            let frame = stage.memory.last().expect("a frame was written");
            assert!(frame.planes().0.iter().all(|y| *y > 60), "{fps} fps, frame {seq}: the room is visible");
            stage.at(stage.now + stage.frame_time);
        }
        assert_eq!(stage.links.stats.late_masks.get(), 2, "{fps} fps");
    }
}

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn after_a_suspend_nothing_older_is_shown() {
    for fps in RATES {
        let mut stage = Stage::new(fps, Model::Follows { delay: 0 });
        stage.run(Duration::from_secs(3), |_| {});
        let old = stage.capture();
        stage.put_mask(Arc::clone(&old.frame), 0);
        assert!(stage.has_room() && stage.is_live());
        fakes::set_suspended(&[HOUR]);
        stage.step(None);
        assert!(!stage.has_room() && !stage.is_live(), "{fps} fps: the held frame");
        stage.step(Some(old.clone()));
        assert!(!stage.has_room() && !stage.is_live(), "{fps} fps: a frame that waited in the mailbox");
        // the camera continues while the old mask is still in the mailbox
        stage.links.masks.close();
        stage.put_mask(old.frame, 0);
        stage.session += 1;
        let new = stage.capture();
        stage.step(Some(new));
        assert!(!stage.has_room(), "{fps} fps: an old mask");
    }
}

#[test]
fn a_suspend_during_rendering_is_noticed() {
    let mut stage = Stage::new(30.0, Model::Follows { delay: 0 });
    stage.run(Duration::from_secs(1), |_| {});
    let captured = stage.capture();
    stage.put_mask(Arc::clone(&captured.frame), 0);
    // queried before the frame is taken, for its age, and before the output is written
    fakes::set_suspended(&[Duration::ZERO, Duration::ZERO, HOUR]);
    let written = stage.memory.count();
    stage.step(Some(captured));
    assert!(!stage.has_room() && !stage.is_live());
    assert_eq!(stage.memory.count(), written + 1, "only the card");
}

#[test]
fn a_suspend_before_a_held_frame_is_written_again_is_noticed() {
    let mut stage = Stage::new(30.0, Model::Follows { delay: 0 });
    stage.run(Duration::from_secs(1), |_| {});
    assert!(stage.is_live());
    // queried before a frame is taken, and before the held one is written
    fakes::set_suspended(&[Duration::ZERO, HOUR]);
    let written = stage.memory.count();
    stage.step(None);
    assert!(!stage.has_room() && !stage.is_live());
    assert_eq!(stage.memory.count(), written + 1, "only the card");
}

/// `scene`, frozen as the daemon does it.
fn frozen(scene: Scene, room: Option<RoomVisible>) -> Scene {
    Scene { paused: true, frozen: Some(Freeze { room }), ..scene }
}

#[test]
fn a_frozen_frame_stays_without_a_camera_or_a_reader_until_the_video_is_resumed() {
    let mut stage = Stage::new(30.0, Model::Follows { delay: 0 });
    stage.run(Duration::from_secs(1), |_| {});
    let last = stage.memory.last().unwrap();
    stage.links.scenes.publish(frozen(scene(2, GREEN), None));
    let check = |stage: &mut Stage, round: u64| {
        let shown = stage.memory.last().unwrap();
        assert_eq!(shown.data(), last.data(), "round {round}");
        assert!(shown.seq > last.seq && stage.links.scenes.is_frozen(), "it is written again");
        stage.at(stage.now + Duration::from_secs(60));
    };
    for round in 0..5 {
        stage.step(None);
        check(&mut stage, round);
        // neither another background nor a frame that was on its way changes it
        stage.links.scenes.publish(frozen(scene(3 + round, WHITE), None));
        let late = stage.capture();
        stage.step(Some(late));
        check(&mut stage, round);
        stage.render.sleep();
        check(&mut stage, round);
    }
    stage.links.scenes.publish(scene(20, WHITE));
    stage.frame();
    assert!(stage.is_live() && stage.shows(ROOM, WHITE) && !stage.links.scenes.is_frozen());
}

#[test]
fn without_a_frame_to_freeze_the_card_is_shown() {
    let card = |stage: &Stage| matches!(stage.render.shown, Some(Shown::Card(Card::Paused, _)));
    let mut stage = Stage::new(30.0, Model::Follows { delay: 0 });
    stage.links.scenes.publish(frozen(scene(2, GREEN), None));
    stage.step(None);
    assert!(card(&stage) && !stage.links.scenes.is_frozen(), "at the start");

    let mut stage = Stage::new(30.0, Model::Follows { delay: 0 });
    stage.run(Duration::from_secs(1), |_| {});
    stage.links.scenes.publish(Scene { paused: true, ..scene(2, GREEN) });
    stage.step(None);
    stage.links.scenes.publish(frozen(scene(3, GREEN), None));
    stage.step(None);
    assert!(card(&stage) && !stage.has_room(), "the card has replaced the last frame");
}

#[test]
fn a_frame_with_the_room_is_frozen_only_if_the_user_knows() {
    let off = |version| Scene { version, ..Scene::off() };
    let fade = Duration::from_millis(400);
    for (room, is_kept) in [(None, false), (Some(RoomVisible::NoBackground), true)] {
        let mut stage = Stage::new(30.0, Model::Follows { delay: 0 });
        stage.links.scenes.publish(off(2));
        stage.run(Duration::from_secs(1), |_| {});
        assert!(stage.has_room());
        // a background that was never shown
        stage.links.scenes.publish(scene(3, GREEN));
        stage.links.scenes.publish(frozen(scene(4, GREEN), room.clone()));
        stage.step(None);
        assert_eq!((stage.has_room(), stage.links.scenes.is_frozen()), (is_kept, is_kept), "{room:?}");

        // a background that has begun to fade in
        stage.links.scenes.publish(off(5));
        stage.run(Duration::from_secs(1), |_| {});
        stage.links.scenes.publish(Scene { fade, ..scene(6, GREEN) });
        stage.run(fade / 4, |_| {});
        stage.links.scenes.publish(frozen(scene(7, GREEN), room.clone()));
        stage.step(None);
        assert_eq!(stage.links.scenes.is_frozen(), is_kept, "{room:?}");
        // one that has faded in
        stage.links.scenes.publish(Scene { fade, ..scene(8, GREEN) });
        stage.run(fade * 2, |_| {});
        stage.links.scenes.publish(frozen(scene(9, GREEN), room.clone()));
        stage.step(None);
        assert!(stage.links.scenes.is_frozen(), "{room:?}");
    }
}

#[test]
fn a_suspend_ends_a_freeze_with_the_card() {
    for before_freeze in [true, false] {
        let mut stage = Stage::new(30.0, Model::Follows { delay: 0 });
        stage.run(Duration::from_secs(1), |_| {});
        if before_freeze {
            fakes::set_suspended(&[HOUR]);
        }
        stage.links.scenes.publish(frozen(scene(2, GREEN), None));
        stage.step(None);
        if !before_freeze {
            // queried before a frame is taken, and before the still is written
            fakes::set_suspended(&[Duration::ZERO, HOUR]);
            stage.step(None);
        }
        assert!(!stage.has_room() && !stage.links.scenes.is_frozen(), "{before_freeze}");
    }
}
