//! Tracks how long ago each part of the frame changed.

use multiversion::multiversion;

use crate::frame::grid::Plane;

/// The minimum change of luma that is not noise, for means over 8x8 pixels of a 720p frame, where the noise of a dim
/// room is about half a level.
const CHANGE: u8 = 5;

/// The ages of the cells of half the grid for one stream, in ticks of 1/30 s.
#[derive(Debug)]
pub(super) struct Motion {
    /// Each cell's value at its last change, so that slow changes add up.
    reference: Plane<u8>,
    /// Ticks of 1/30 s since each cell changed.
    changed: Plane<u8>,
    /// The minimum over each cell and its neighbours.
    ages: Plane<u8>,
    vertical: Box<[u8]>,
    /// Ticks of 1/30 s since the stream began.
    age: u32,
    is_empty: bool,
}

impl Motion {
    /// For planes of half the grid's size.
    pub(super) fn new(width: usize, height: usize) -> Self {
        let plane = || Plane::new(width, height);
        let vertical = vec![u8::MAX; width + 2].into();
        Self { reference: plane(), changed: plane(), ages: plane(), vertical, age: 0, is_empty: true }
    }

    pub(super) fn reset(&mut self) {
        self.is_empty = true;
    }

    /// Processes the next frame's luma, `ticks` (1/30 s) after the last.
    pub(super) fn update(&mut self, luma: &Plane<u8>, ticks: u8) {
        if std::mem::take(&mut self.is_empty) {
            self.reference.copy_from(luma);
            self.changed.raw_mut().fill(u8::MAX);
            self.ages.raw_mut().fill(u8::MAX);
            self.age = 0;
            return;
        }
        self.age = self.age.saturating_add(u32::from(ticks));
        for y in 0..luma.height {
            update(luma.row(y), ticks, self.reference.row_mut(y), self.changed.row_mut(y));
        }
        for y in 0..luma.height {
            let rows = [y.saturating_sub(1), y, (y + 1).min(luma.height - 1)].map(|y| self.changed.row(y));
            spread(rows, &mut self.vertical, self.ages.row_mut(y));
        }
    }

    /// Ticks of 1/30 s since the first frame.
    pub(super) fn stream_age(&self) -> u32 {
        self.age
    }

    /// For each cell of a row, the ticks (1/30 s) since it or a neighbour changed, up to 255.
    pub(super) fn ages(&self, row: usize) -> &[u8] {
        self.ages.row(row)
    }
}

#[multiversion(targets = "simd")]
fn update(luma: &[u8], ticks: u8, reference: &mut [u8], changed: &mut [u8]) {
    for ((&luma, reference), changed) in luma.iter().zip(reference).zip(changed) {
        let is_other = luma.abs_diff(*reference) > CHANGE;
        *changed = if is_other { 0 } else { changed.saturating_add(ticks) };
        *reference = if is_other { luma } else { *reference };
    }
}

#[multiversion(targets = "simd")]
fn spread([above, middle, below]: [&[u8]; 3], vertical: &mut [u8], into: &mut [u8]) {
    let width = into.len();
    let above = &above[..width];
    let middle = &middle[..width];
    let below = &below[..width];
    for x in 0..width {
        vertical[x + 1] = above[x].min(middle[x]).min(below[x]);
    }
    for (x, into) in into.iter_mut().enumerate() {
        *into = vertical[x].min(vertical[x + 1]).min(vertical[x + 2]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flat(level: u8) -> Plane<u8> {
        let mut plane = Plane::new(20, 12);
        (0..12).for_each(|y| plane.row_mut(y).fill(level));
        plane
    }

    #[test]
    fn a_change_resets_the_age_around_it_and_slow_changes_add_up() {
        let mut motion = Motion::new(20, 12);
        motion.update(&flat(100), 1);
        assert_eq!(motion.ages(5)[5], u8::MAX, "nothing has moved yet");
        let mut hand = flat(100);
        hand.row_mut(5)[5] = 150;
        motion.update(&hand, 1);
        assert_eq!((motion.ages(5)[5], motion.ages(4)[4], motion.ages(5)[8]), (0, 0, u8::MAX));
        (0..3).for_each(|_| motion.update(&hand, 2));
        assert_eq!((motion.ages(6)[6], motion.stream_age()), (6, 7));
        for level in [102, 104] {
            motion.update(&flat(level), 1);
            assert!(motion.ages(0)[0] > 0, "{level} is not a change yet");
        }
        motion.update(&flat(106), 1);
        assert_eq!(motion.ages(0)[0], 0);
        motion.reset();
        motion.update(&flat(0), 1);
        assert_eq!((motion.ages(0)[0], motion.stream_age()), (u8::MAX, 0));
    }
}
