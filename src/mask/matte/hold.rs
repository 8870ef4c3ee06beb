//! Holds the matte where the frame is still: an object next to the body stays in or out for seconds instead of
//! flickering.

use multiversion::multiversion;

use super::motion::Motion;
use crate::frame::grid::Plane;

/// The change of alpha above which it is held back.
const CHANGE: f32 = 0.2;

/// How long after the last motion a pixel counts as still, in ticks of 1/30 s.
const STILL_AFTER: u8 = 8;

/// How long a still pixel has to differ before the change is shown, in ticks of 1/30 s: a person cannot appear or
/// disappear without motion, but a mistake of the models must not last forever. Objects of the room, like the dark foot
/// of a table beside a suit, disappear sooner than they appear.
const IN_DELAY: u8 = 60;
const OUT_DELAY: u8 = 30;

/// The time at the start of a stream in which the models settle, in ticks of 1/30 s.
const SETTLE_TIME: u32 = 10;

/// Holds the alpha of one stream.
#[derive(Debug)]
pub(super) struct Hold {
    shown: Plane<f32>,
    /// How long each pixel has been held, in ticks of 1/30 s.
    held: Plane<u8>,
    /// The ages of a row's pixels.
    ages: Box<[u8]>,
}

impl Hold {
    /// For grids of `width` x `height`.
    pub(super) fn new(width: usize, height: usize) -> Self {
        let ages = vec![0; width.next_multiple_of(2)].into();
        Self { shown: Plane::new(width, height), held: Plane::new(width, height), ages }
    }

    /// Restores `alpha` as shown before where only the models have changed. `motion` has cells of two by two pixels;
    /// `ticks` of 1/30 s have passed.
    pub(super) fn run(&mut self, motion: &Motion, ticks: u8, alpha: &mut Plane<f32>) {
        if motion.stream_age() < SETTLE_TIME {
            self.shown.copy_from(alpha);
            self.held.raw_mut().fill(0);
            return;
        }
        for y in 0..alpha.height {
            for (pair, &age) in self.ages.as_chunks_mut::<2>().0.iter_mut().zip(motion.ages(y / 2)) {
                *pair = [age; 2];
            }
            hold_row(&self.ages, ticks, (self.shown.row_mut(y), self.held.row_mut(y)), alpha.row_mut(y));
        }
        alpha.replicate();
    }
}

#[multiversion(targets = "simd")]
fn hold_row(ages: &[u8], ticks: u8, (shown, held): (&mut [f32], &mut [u8]), alpha: &mut [f32]) {
    let width = alpha.len();
    let ages = &ages[..width];
    let shown = &mut shown[..width];
    let held = &mut held[..width];
    for x in 0..width {
        let change = alpha[x] - shown[x];
        let is_change = (ages[x] >= STILL_AFTER) & (change.abs() > CHANGE);
        let limit = if change > 0.0 { IN_DELAY } else { OUT_DELAY };
        let waits = if is_change { held[x].saturating_add(ticks) } else { 0 };
        let is_held = is_change & (waits <= limit);
        held[x] = if is_held { waits } else { 0 };
        alpha[x] = if is_held { shown[x] } else { alpha[x] };
        // small changes of still pixels do not move the reference, so they cannot add up to a slow fade
        let keeps = is_held | ((ages[x] >= STILL_AFTER) & !is_change);
        shown[x] = if keeps { shown[x] } else { alpha[x] };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: (usize, usize) = (32, 20);

    fn plane<T: Copy + Default>(value: T, (width, height): (usize, usize)) -> Plane<T> {
        let mut plane = Plane::new(width, height);
        plane.raw_mut().fill(value);
        plane
    }

    /// A stream that has settled with this alpha.
    fn settled(alpha: f32) -> (Hold, Motion) {
        let mut stream = (Hold::new(SIZE.0, SIZE.1), Motion::new(SIZE.0 / 2, SIZE.1 / 2));
        for _ in 0..=SETTLE_TIME {
            assert_eq!(step(&mut stream, 100, alpha), alpha);
        }
        stream
    }

    /// The alpha shown for the next frame.
    fn step((hold, motion): &mut (Hold, Motion), luma: u8, alpha: f32) -> f32 {
        motion.update(&plane(luma, (SIZE.0 / 2, SIZE.1 / 2)), 1);
        let mut alpha = plane(alpha, SIZE);
        hold.run(motion, 1, &mut alpha);
        alpha.row(7)[9]
    }

    #[test]
    fn an_object_beside_the_body_does_not_flicker_and_a_lasting_change_is_shown() {
        let mut stream = settled(0.0);
        for round in 0..20 {
            assert!((0..10).all(|_| step(&mut stream, 100, 1.0) == 0.0), "round {round}");
            assert!((0..5).all(|_| step(&mut stream, 100, 0.0) == 0.0), "round {round}");
        }
        let frames = (0..200).take_while(|_| step(&mut stream, 100, 1.0) == 0.0).count();
        assert_eq!(frames, usize::from(IN_DELAY), "in");
        let frames = (0..200).take_while(|_| step(&mut stream, 100, 0.0) == 1.0).count();
        assert_eq!(frames, usize::from(OUT_DELAY), "out");
    }

    #[test]
    fn a_moving_pixel_changes_immediately() {
        let mut stream = settled(0.0);
        assert_eq!(step(&mut stream, 160, 1.0), 1.0, "a hand appears");
        assert_eq!(step(&mut stream, 160, 0.0), 0.0, "the models may still correct themselves for some frames");
        assert_eq!(step(&mut stream, 100, 0.0), 0.0);
    }

    #[test]
    fn a_slow_fade_of_a_still_pixel_is_held_too() {
        let mut stream = settled(0.0);
        let shown = (0..40).map(|frame| step(&mut stream, 100, frame as f32 * 0.025)).fold(0.0, f32::max);
        assert!(shown <= CHANGE, "{shown}");
    }
}
