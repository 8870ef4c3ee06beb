//! Fakes for tests of a single thread: its links without the other threads, and a clock set by the test.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::{Clock, Settings, links::Links};
use crate::{camera, compose::Scene, frame::Size, mask};

pub(super) const SIZE: &str = "320x180";

thread_local! {
    static NOW: Cell<Option<Instant>> = const { Cell::new(None) };
    static SUSPENDED: RefCell<VecDeque<Duration>> = const { RefCell::new(VecDeque::new()) };
}

/// A clock that shows the time and the suspend time set by the test.
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

/// Sets the results of the next queries for the suspend time; the last one is repeated.
pub(super) fn set_suspended(answers: &[Duration]) {
    SUSPENDED.with_borrow_mut(|old| *old = answers.iter().copied().collect());
}

pub(super) fn size() -> Size {
    SIZE.parse().unwrap()
}

pub(super) fn links(scene: Scene) -> Links {
    let timeout = Duration::from_secs(2);
    let camera = camera::Settings { device: "fake".into(), size: size(), fps: 30, fourcc: None, timeout };
    Links::new(Settings { size: size(), fps: 30, camera, mask: mask::Settings::default(), scene, always_on: true })
}
