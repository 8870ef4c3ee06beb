//! The time limits that follow from how fast the camera really is.

use std::time::Duration;

/// The last picture is held at least so long when the camera stops, before a card takes its place.
const HOLD: Duration = Duration::from_secs(1);

/// The age up to which a mask is shown at least, with the frame that it was made of.
const STALE: Duration = Duration::from_secs(1);

/// The picture may lack a person at least so long before a card says so.
const MODEL_LOST: Duration = Duration::from_secs(3);

/// The mask of a frame is waited for no longer: apps take a camera that gives nothing for a second for dead, and what the
/// user has changed is to be seen.
const LONGEST_WAIT: Duration = Duration::from_millis(500);

/// The oldest mask that may cut out a frame other than its own, however slow the camera is: what moved meanwhile shows the
/// room.
const OLDEST: Duration = Duration::from_millis(100);

/// Limits for a camera with this time from frame to frame.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits(pub(super) Duration);

impl Limits {
    /// How long to wait for the mask of a frame after it has come: the rest of its time is for composing.
    pub(super) fn mask_wait(self) -> Duration {
        (self.0 * 3 / 4).min(LONGEST_WAIT)
    }

    /// How much older than a frame a mask may be that cuts it out.
    pub(super) fn late(self) -> Duration {
        (self.0 * 2).min(OLDEST)
    }

    /// How old a mask may be that is shown with the frame that it was made of.
    pub(super) fn stale(self) -> Duration {
        STALE.max(self.0 * 4)
    }

    /// How long the last picture stays when no frame comes.
    pub(super) fn hold(self) -> Duration {
        HOLD.max(self.0 * 3)
    }

    /// How long frames may have no mask before a card says so.
    pub(super) fn model_lost(self) -> Duration {
        MODEL_LOST.max(self.0 * 3)
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
    fn at_every_rate_a_frame_outlives_the_wait_for_the_next() {
        for fps in RATES {
            let (limits, frame_time) = at(fps);
            assert!(limits.mask_wait() < frame_time, "{fps}");
            assert!(limits.hold() >= frame_time * 3 && limits.stale() > frame_time * 3, "{fps}");
            assert!(limits.model_lost() >= frame_time * 3, "{fps}");
            assert!(limits.late() <= frame_time * 2 && limits.late() <= OLDEST, "{fps}");
        }
    }

    #[test]
    fn at_the_usual_rate_they_are_what_they_were() {
        let (limits, frame_time) = at(30.0);
        assert_eq!((limits.mask_wait(), limits.late()), (frame_time * 3 / 4, frame_time * 2));
        assert_eq!((limits.hold(), limits.stale(), limits.model_lost()), (HOLD, STALE, MODEL_LOST));
    }
}
