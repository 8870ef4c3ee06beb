//! Time limits derived from the camera's measured frame interval.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// The last frame is held at least this long after the camera stops, before a card replaces it.
const MIN_HOLD: Duration = Duration::from_secs(1);

/// A frame with a mask is shown up to at least this age: an overloaded machine freezes the person for a moment
/// rather than hiding them.
const MIN_STALE_AGE: Duration = Duration::from_secs(3);

/// A frame may lack the person at least this long before a card reports it.
const MIN_MODEL_LOST: Duration = Duration::from_secs(3);

/// The longest wait for a mask: apps treat a camera as dead after a second without frames, and the user's changes
/// should be visible immediately.
const MAX_MASK_WAIT: Duration = Duration::from_millis(500);

/// The frame interval, measured by the capture thread.
#[derive(Debug)]
pub(super) struct FrameTime(AtomicU64);

impl FrameTime {
    pub(super) fn new(time: Duration) -> Self {
        let frame_time = Self(AtomicU64::default());
        frame_time.set(time);
        frame_time
    }

    pub(super) fn get(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }

    pub(super) fn set(&self, time: Duration) {
        self.0.store(time.as_nanos() as u64, Ordering::Relaxed);
    }

    pub(super) fn limits(&self) -> Limits {
        Limits(self.get())
    }
}

/// The limits for a camera with this frame interval.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits(pub(super) Duration);

impl Limits {
    /// How long to wait for the mask of a frame after its arrival; the rest of the frame interval is for compositing.
    pub(super) fn mask_wait(self) -> Duration {
        (self.0 * 3 / 4).min(MAX_MASK_WAIT)
    }

    /// How old a frame with a mask may be and still be shown.
    pub(super) fn max_delay(self) -> Duration {
        MIN_STALE_AGE.max(self.0 * 4)
    }

    /// How long the last frame stays when no new one arrives.
    pub(super) fn hold(self) -> Duration {
        MIN_HOLD.max(self.0 * 3)
    }

    /// How long frames may lack a mask before a card reports it.
    pub(super) fn model_lost(self) -> Duration {
        MIN_MODEL_LOST.max(self.0 * 3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATES: [f64; 9] = [1.0, 2.0, 5.0, 7.5, 10.0, 15.0, 25.0, 30.0, 60.0];

    fn at(fps: f64) -> (Limits, Duration) {
        let frame_time = Duration::from_secs_f64(1.0 / fps);
        (Limits(frame_time), frame_time)
    }

    #[test]
    fn at_every_rate_the_limits_exceed_the_frame_time() {
        for fps in RATES {
            let (limits, frame_time) = at(fps);
            assert!(limits.mask_wait() < frame_time, "{fps}");
            assert!(limits.hold() >= frame_time * 3 && limits.max_delay() > frame_time * 3, "{fps}");
            assert!(limits.model_lost() >= frame_time * 3, "{fps}");
        }
    }

    #[test]
    fn at_the_usual_rate_the_minimum_limits_apply() {
        let (limits, frame_time) = at(30.0);
        assert_eq!(limits.mask_wait(), frame_time * 3 / 4);
        assert_eq!((limits.hold(), limits.max_delay(), limits.model_lost()), (MIN_HOLD, MIN_STALE_AGE, MIN_MODEL_LOST));
    }
}
