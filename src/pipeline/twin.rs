//! What the pipeline's threads share, for tests of one of them alone, with a clock that tests set.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Clock, Edges, Settings, Shared};
use crate::{camera, compose::Scene, frame::Size, mask};

pub(super) const SIZE: &str = "320x180";

thread_local! {
    static NOW: Cell<Option<Instant>> = const { Cell::new(None) };
    static SUSPENDED: RefCell<VecDeque<Duration>> = const { RefCell::new(VecDeque::new()) };
}

/// A clock that stands still until it is set, and says what tests tell it of suspends.
pub(super) fn clock() -> Clock {
    let suspended = || {
        SUSPENDED.with_borrow_mut(|answers| match answers.len() {
            0 => Duration::ZERO,
            1 => answers[0],
            _ => answers.pop_front().unwrap_or_default(),
        })
    };
    Clock { now: || NOW.get().unwrap_or_else(Instant::now), suspended }
}

pub(super) fn set_now(now: Instant) {
    NOW.set(Some(now));
}

/// What the next questions for the time in suspends are answered; the last answer stays.
pub(super) fn set_suspended(answers: &[Duration]) {
    SUSPENDED.with_borrow_mut(|old| *old = answers.iter().copied().collect());
}

pub(super) fn size() -> Size {
    SIZE.parse().unwrap()
}

pub(super) fn shared(scene: Scene) -> Arc<Shared> {
    let timeout = Duration::from_secs(2);
    let camera = camera::Settings { device: "twin".into(), size: size(), fps: 30, fourcc: None, timeout };
    let settings = Settings { size: size(), fps: 30, camera, mask: mask::Settings::default(), scene, always_on: true };
    let edges = Edges { clock: clock(), ..Edges::default() };
    Arc::new(Shared::new(edges, settings).0)
}
