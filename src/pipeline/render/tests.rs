//! The render thread's rules at every rate of a camera, with time passed in.

use super::*;
use crate::{
    background::Background,
    frame::Yuv,
    pipeline::twin,
    sink::{SinkSpec, memory::Memory},
};

const RATES: [f64; 9] = [1.0, 2.0, 5.0, 7.5, 10.0, 15.0, 25.0, 30.0, 60.0];
const GREEN: Yuv = Yuv { y: 110, u: 90, v: 80 };
const WHITE: Yuv = Yuv { y: 235, u: 128, v: 128 };
const ROOM: Yuv = Yuv { y: 60, u: 200, v: 90 };

fn scene(version: u64, colour: Yuv) -> Scene {
    Scene { version, background: Background::Color(colour), ..Scene::off() }
}

/// What a mask of the left half does in these tests.
#[derive(Clone, Copy)]
enum Model {
    /// Masks come with their frame, or with the next one.
    Follows {
        delay: u64,
    },
    None,
}

/// A camera at a rate, a model and the render thread, without threads.
struct Stage {
    render: Render,
    shared: Arc<Shared>,
    memory: Memory,
    model: Model,
    frame_time: Duration,
    start: Instant,
    now: Instant,
    session: u64,
    seq: u64,
    before: Option<Arc<Frame>>,
}

impl Stage {
    fn new(fps: f64, model: Model) -> Self {
        let start = Instant::now();
        twin::set_now(start);
        twin::set_suspended(&[Duration::ZERO]);
        let shared = twin::shared(scene(1, GREEN));
        let memory = Memory::new(twin::size(), 1);
        let sink = memory.clone();
        let opener = Box::new(move |_: &_, _, _| Ok(Box::new(sink.sink()) as _));
        let outputs = Outputs::open_with(opener, &[SinkSpec::None], twin::size(), 30, start);
        let frame_time = Duration::from_secs_f64(1.0 / fps);
        shared.set_frame_time(frame_time);
        if matches!(model, Model::None) {
            shared.masks.close(); // nothing comes, and nothing is waited for
        }
        let render = Render::new(Arc::clone(&shared), outputs);
        Self { render, shared, memory, model, frame_time, start, now: start, session: 1, seq: 0, before: None }
    }

    fn at(&mut self, now: Instant) {
        self.now = now;
        twin::set_now(now);
    }

    fn step(&mut self, shot: Option<Shot>) {
        let scene = self.shared.scene.load_full();
        self.render.step(shot, &scene);
    }

    fn shot(&mut self) -> Shot {
        let mut frame = Frame::new(twin::size());
        frame.fill(ROOM);
        self.seq += 1;
        (frame.seq, frame.captured_at) = (self.seq, self.now);
        let suspended = (self.shared.clock.suspended)();
        Shot { session: self.session, arrived: self.now, suspended, frame: Arc::new(frame) }
    }

    fn put_mask(&self, frame: Arc<Frame>, delay: u64) {
        let mut mask = Mask::new(twin::size());
        let width = twin::size().width();
        mask.alpha_mut().iter_mut().enumerate().for_each(|(at, alpha)| *alpha = 255 * u8::from(at % width < width / 2));
        self.shared.masks.put(Cut { session: self.session, frame, mask: Arc::new(mask), delay });
    }

    /// The next frame of the camera, with the mask that is there then.
    fn frame(&mut self) {
        let shot = self.shot();
        let before = self.before.replace(Arc::clone(&shot.frame));
        match self.model {
            Model::Follows { delay: 0 } => self.put_mask(Arc::clone(&shot.frame), 0),
            Model::Follows { delay } => {
                if let Some(before) = before {
                    self.put_mask(before, delay);
                }
            }
            Model::None => {}
        }
        self.step(Some(shot));
    }

    /// Lets `span` go by, with frames at the camera's rate and pictures of the outputs in between; `look` sees each picture.
    fn run(&mut self, span: Duration, mut look: impl FnMut(&Self)) {
        let end = self.now + span;
        let mut due = self.now;
        while due < end {
            self.at(due);
            self.frame();
            look(self);
            due += self.frame_time;
            while self.now + IDLE < due {
                self.at(self.now + IDLE);
                self.step(None);
                look(self);
            }
        }
        self.at(end);
    }

    fn is_live(&self) -> bool {
        matches!(self.render.shown, Some(Shown::Live(_)))
    }

    /// Whether the picture has the colour of `left` and of `right` in the middle of its halves.
    fn shows(&self, left: Yuv, right: Yuv) -> bool {
        let frame = self.memory.last().unwrap();
        let luma = frame.planes().0;
        let row = &luma[twin::size().width() * 90..][..twin::size().width()];
        row[40].abs_diff(left.y) <= 2 && row[280].abs_diff(right.y) <= 2
    }

    fn has_room(&self) -> bool {
        let frame = self.memory.last().unwrap();
        let (_, u, v) = frame.planes();
        u.iter().zip(v).any(|(u, v)| u.abs_diff(ROOM.u) <= 4 && v.abs_diff(ROOM.v) <= 4)
    }
}

#[test]
fn at_every_rate_the_person_is_in_every_picture() {
    for fps in RATES {
        for delay in [0, 1] {
            let mut stage = Stage::new(fps, Model::Follows { delay });
            // the first frame has no mask where masks follow
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
fn at_every_rate_a_card_says_that_there_is_no_model() {
    for fps in RATES {
        let mut stage = Stage::new(fps, Model::None);
        let lost = stage.shared.limits().model_lost();
        let frame_time = stage.frame_time;
        stage.run(Duration::from_secs(12), |stage| {
            let at = stage.now - stage.start;
            let shown = stage.render.shown;
            assert!(!stage.has_room(), "{fps} fps at {at:?}");
            if at <= lost {
                assert!(stage.is_live(), "{fps} fps at {at:?}: {shown:?}");
            } else if at > lost + frame_time * 2 + IDLE {
                assert!(matches!(shown, Some(Shown::Card(Card::ModelFailed, _))), "{fps} fps at {at:?}: {shown:?}");
            }
        });
        assert!(!stage.is_live(), "{fps} fps");
    }
}

#[test]
fn at_every_rate_a_camera_that_stops_ends_in_a_card() {
    for fps in RATES {
        let mut stage = Stage::new(fps, Model::Follows { delay: 0 });
        stage.run(stage.frame_time * 4, |_| {});
        let hold = stage.shared.limits().hold();
        let last = stage.now - stage.frame_time;
        while stage.now < last + hold + IDLE * 2 {
            stage.step(None);
            let at = stage.now - last;
            assert_eq!(stage.is_live(), at < hold, "{fps} fps, {at:?} after the last frame");
            stage.at(stage.now + IDLE);
        }
        assert!(!stage.has_room());
    }
}

#[test]
fn a_new_background_is_seen_at_once_however_slow_the_camera_is() {
    for fade in [Duration::ZERO, Duration::from_millis(400)] {
        let mut stage = Stage::new(1.0, Model::Follows { delay: 0 });
        stage.run(Duration::from_secs(3), |_| {});
        stage.at(stage.now - Duration::from_millis(900));
        stage.shared.scene.store(Arc::new(Scene { fade, ..scene(2, WHITE) }));
        for _ in 0..6 {
            stage.step(None);
            assert!(stage.is_live(), "no card between two backgrounds");
            stage.at(stage.now + IDLE);
        }
        assert!(stage.shows(ROOM, WHITE), "after {fade:?}");
        assert_eq!(stage.shared.shown.load(Ordering::Acquire), 2);
    }
}

/// At a frame a second the mask may be there long before the next frame.
#[test]
fn a_mask_that_comes_late_is_not_kept_for_the_next_frame() {
    let mut stage = Stage::new(1.0, Model::Follows { delay: 1 });
    stage.frame();
    assert!(stage.shows(GREEN, GREEN));
    let frame = stage.before.clone().unwrap();
    stage.put_mask(frame, 0);
    stage.at(stage.now + IDLE);
    stage.step(None);
    assert!(stage.shows(ROOM, GREEN));
}

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn after_a_suspend_nothing_of_before_is_shown() {
    for fps in RATES {
        let mut stage = Stage::new(fps, Model::Follows { delay: 0 });
        stage.run(Duration::from_secs(3), |_| {});
        let old = stage.shot();
        stage.put_mask(Arc::clone(&old.frame), 0);
        assert!(stage.has_room() && stage.is_live());
        twin::set_suspended(&[HOUR]);
        stage.step(None);
        assert!(!stage.has_room() && !stage.is_live(), "{fps} fps: the held picture");
        stage.step(Some(old.clone()));
        assert!(!stage.has_room() && !stage.is_live(), "{fps} fps: a frame that waited in the mailbox");
        // the camera goes on, and the mask of before is still there
        stage.shared.masks.close();
        stage.put_mask(old.frame, 0);
        stage.session += 1;
        let new = stage.shot();
        stage.step(Some(new));
        assert!(!stage.has_room(), "{fps} fps: a mask of before");
    }
}

#[test]
fn a_suspend_between_a_frame_and_the_outputs_is_noticed() {
    let mut stage = Stage::new(30.0, Model::Follows { delay: 0 });
    stage.run(Duration::from_secs(1), |_| {});
    let shot = stage.shot();
    stage.put_mask(Arc::clone(&shot.frame), 0);
    // asked before the frame is taken, as to the frame, and before the picture goes out
    twin::set_suspended(&[Duration::ZERO, Duration::ZERO, HOUR]);
    stage.step(Some(shot));
    assert!(!stage.has_room() && !stage.is_live());
}
