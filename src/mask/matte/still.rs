//! Detects frames that look like the one the fast model saw last, for which its last result is still valid.

use multiversion::multiversion;

use crate::frame::grid::Plane;

/// The side of a block, in cells: small enough that a moving finger changes a block's mean.
const BLOCK: usize = 10;

/// The mean luma difference above which a block has moved. Webcam noise in a dim room stays below it: 4
/// levels per pixel are less than 1 per cell.
const MOVED: u32 = 2;

/// The maximum time for which a result is reused, in ticks of 1/30 s.
const MAX_AGE: u32 = 15;

/// Remembers the luma of the last frame that the model saw.
#[derive(Debug)]
pub(super) struct StillDetector {
    reference: Plane<u8>,
    /// Ticks of 1/30 s since then.
    age: Option<u32>,
    sums: Box<[u32]>,
}

impl StillDetector {
    pub(super) fn new(width: usize, height: usize) -> Self {
        Self { reference: Plane::new(width, height), age: None, sums: vec![0; width].into() }
    }

    /// Whether `luma`, `ticks` (1/30 s) after the last frame, looks like that frame.
    pub(super) fn holds(&mut self, luma: &Plane<u8>, ticks: u8) -> bool {
        let Some(age) = &mut self.age else { return false };
        *age += u32::from(ticks);
        *age <= MAX_AGE && self.looks_same(luma)
    }

    /// Records that the model ran on `luma`.
    pub(super) fn record(&mut self, luma: &Plane<u8>) {
        self.reference.copy_from(luma);
        self.age = Some(0);
    }

    pub(super) fn reset(&mut self) {
        self.age = None;
    }

    fn looks_same(&mut self, luma: &Plane<u8>) -> bool {
        let height = luma.height;
        (0..height).step_by(BLOCK).all(|top| {
            let rows = top..(top + BLOCK).min(height);
            self.sums.fill(0);
            for y in rows.clone() {
                add_differences(luma.row(y), self.reference.row(y), &mut self.sums);
            }
            let blocks = self.sums.chunks(BLOCK);
            blocks.into_iter().all(|block| block.iter().sum::<u32>() < MOVED * (block.len() * rows.len()) as u32)
        })
    }
}

#[multiversion(targets = "simd")]
fn add_differences(a: &[u8], b: &[u8], sums: &mut [u32]) {
    for ((sum, &a), &b) in sums.iter_mut().zip(a).zip(b) {
        *sum += u32::from(a.abs_diff(b));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame with some texture and noise of up to `noise` levels.
    fn textured(seed: usize, noise: usize, shift: usize) -> Plane<u8> {
        let mut plane = Plane::new(64, 36);
        for y in 0..36 {
            for (x, cell) in plane.row_mut(y).iter_mut().enumerate() {
                let hash = (x * 7919 + y * 104_729 + seed * 1_299_709) % 9973;
                *cell = (100 + (x + shift) / 8 % 2 * 60 + hash % (2 * noise + 1)) as u8;
            }
        }
        plane
    }

    #[test]
    fn noise_is_still_and_motion_is_not() {
        let mut stillness = StillDetector::new(64, 36);
        assert!(!stillness.holds(&textured(0, 1, 0), 1), "the model has not run yet");
        stillness.record(&textured(0, 1, 0));
        assert!((1..10).all(|seed| stillness.holds(&textured(seed, 1, 0), 1)));
        assert!(!stillness.holds(&textured(1, 1, 1), 1), "motion by one cell");
        let mut hand = textured(3, 1, 0);
        (20..25).for_each(|y| hand.row_mut(y)[40..45].fill(220));
        assert!(!stillness.holds(&hand, 1), "a small new object");
    }

    #[test]
    fn a_result_expires() {
        let mut stillness = StillDetector::new(64, 36);
        stillness.record(&textured(0, 0, 0));
        let good = (0..100).take_while(|_| stillness.holds(&textured(0, 0, 0), 1)).count();
        assert_eq!(good, MAX_AGE as usize);
        stillness.record(&textured(0, 0, 0));
        stillness.reset();
        assert!(!stillness.holds(&textured(0, 0, 0), 1));
    }

    #[test]
    fn slow_changes_add_up() {
        let mut stillness = StillDetector::new(64, 36);
        let grey = |level: u8| {
            let mut plane = Plane::new(64, 36);
            (0..36).for_each(|y| plane.row_mut(y).fill(level));
            plane
        };
        stillness.record(&grey(100));
        assert!(stillness.holds(&grey(101), 1));
        assert!(!stillness.holds(&grey(102), 1));
    }
}
