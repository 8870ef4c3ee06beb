//! Islands of alpha that are nobody: specks beside the person, which models see in skies, lamps and patterned walls.
//!
//! Parts of the alpha that hang together are found (two passes and a union-find, Rosenfeld and Pfaltz 1966) at half the
//! grid's size; those that are small beside the largest go. What was kept a frame before is kept down to half that size,
//! so that a hand at the rim of the picture does not flicker.

use crate::grid::Plane;

/// Grid cells on a side of a cell here.
const STEP: usize = 2;

/// The alpha from which on a cell belongs to an island.
const INSIDE: f32 = 0.25;

/// The least share of the largest island that another needs to be kept.
const LEAST_OF_LARGEST: f32 = 0.03;

/// The least share of the picture that any island needs.
const LEAST_OF_ALL: f32 = 0.002;

/// What was kept before may shrink to this share of both.
const LINGER: f32 = 0.5;

/// By how much another person has to be larger than the nearest of before to take their place.
const LEAD: f32 = 1.3;

/// Removes islands, for one stream.
#[derive(Debug)]
pub(super) struct Islands {
    width: usize,
    height: usize,
    /// One row of labels above and one column before the cells are always 0, nobody's.
    labels: Box<[u16]>,
    /// Where labels point that were found to be one; itself for others. Index 0 is nobody.
    parents: Vec<u16>,
    found: Vec<Island>,
    /// Which cells were kept in the frame before.
    kept: Box<[bool]>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Island {
    /// The sum of its alphas.
    area: f32,
    /// How many of its cells were kept in the frame before.
    known: u32,
    cells: u32,
    is_kept: bool,
}

impl Islands {
    /// For grids of `width` x `height`.
    pub(super) fn new(width: usize, height: usize) -> Self {
        let (width, height) = (width.div_ceil(STEP), height.div_ceil(STEP));
        let most = width * height / 2 + 2;
        Self {
            width,
            height,
            labels: vec![0; (width + 2) * (height + 1)].into(),
            parents: Vec::with_capacity(most),
            found: Vec::with_capacity(most),
            kept: vec![false; width * height].into(),
        }
    }

    /// Sets the alpha of small islands to 0; with `nearest_only` that of all but the largest.
    pub(super) fn drop_small(&mut self, alpha: &mut Plane<f32>, nearest_only: bool) {
        self.label(alpha);
        self.measure(alpha);
        let all = self.choose(nearest_only);
        self.remember();
        if !all {
            self.clear(alpha);
        }
    }

    pub(super) fn forget(&mut self) {
        self.kept.fill(false);
    }

    /// Gives every cell inside the number of an island; islands may have several numbers yet.
    fn label(&mut self, alpha: &Plane<f32>) {
        self.parents.clear();
        self.parents.push(0);
        let stride = self.width + 2;
        for y in 0..self.height {
            for x in 0..self.width {
                let at = (y + 1) * stride + x + 1;
                if most(alpha, x, y) <= INSIDE {
                    self.labels[at] = 0;
                    continue;
                }
                // west, north-west, north, north-east
                let around = [at - 1, at - stride - 1, at - stride, at - stride + 1].map(|at| self.labels[at]);
                let known = around.into_iter().filter(|label| *label != 0).map(|label| self.root(label)).min();
                let label = known.unwrap_or_else(|| {
                    let fresh = self.parents.len() as u16;
                    self.parents.push(fresh);
                    fresh
                });
                for other in around.into_iter().filter(|label| *label != 0) {
                    let root = self.root(other);
                    self.parents[usize::from(root)] = label;
                }
                self.labels[at] = label;
            }
        }
    }

    fn root(&self, mut label: u16) -> u16 {
        while self.parents[usize::from(label)] != label {
            label = self.parents[usize::from(label)];
        }
        label
    }

    fn measure(&mut self, alpha: &Plane<f32>) {
        self.found.clear();
        self.found.resize(self.parents.len(), Island::default());
        for y in 0..self.height {
            for x in 0..self.width {
                let at = (y + 1) * (self.width + 2) + x + 1;
                let label = self.labels[at];
                if label == 0 {
                    continue;
                }
                let root = self.root(label);
                self.labels[at] = root;
                let island = &mut self.found[usize::from(root)];
                island.area += most(alpha, x, y);
                island.cells += 1;
                island.known += u32::from(self.kept[y * self.width + x]);
            }
        }
    }

    /// Decides which islands are kept; true when all are.
    fn choose(&mut self, nearest_only: bool) -> bool {
        let weight = |island: &Island| island.area * if island.known * 2 > island.cells { LEAD } else { 1.0 };
        let Some(largest) = self.found.iter().copied().max_by(|a, b| weight(a).total_cmp(&weight(b))) else {
            return true;
        };
        let all = (self.width * self.height) as f32 * LEAST_OF_ALL;
        let least = (largest.area * LEAST_OF_LARGEST).max(all);
        for island in &mut self.found {
            let least = if island.known * 2 > island.cells { least * LINGER } else { least };
            let is_nearest = weight(island) >= weight(&largest);
            island.is_kept = island.area >= least && (is_nearest || !nearest_only);
        }
        self.found.iter().all(|island| island.is_kept || island.cells == 0)
    }

    fn remember(&mut self) {
        let rows = self.labels[self.width + 2..].chunks_exact(self.width + 2);
        for (kept, labels) in self.kept.chunks_exact_mut(self.width).zip(rows) {
            for (kept, &label) in kept.iter_mut().zip(&labels[1..]) {
                *kept = label != 0 && self.found[usize::from(label)].is_kept;
            }
        }
    }

    /// Takes away what is not kept, with the haze around it.
    fn clear(&self, alpha: &mut Plane<f32>) {
        let is_kept = |x: usize, y: usize| self.kept[y * self.width + x];
        let is_dropped = |x: usize, y: usize| {
            let label = self.labels[(y + 1) * (self.width + 2) + x + 1];
            label != 0 && !self.found[usize::from(label)].is_kept
        };
        for y in 0..self.height {
            for x in 0..self.width {
                let (mut dropped, mut kept) = (false, false);
                for y in y.saturating_sub(1)..(y + 2).min(self.height) {
                    for x in x.saturating_sub(1)..(x + 2).min(self.width) {
                        dropped |= is_dropped(x, y);
                        kept |= is_kept(x, y);
                    }
                }
                if dropped && !kept {
                    let columns = x * STEP..((x + 1) * STEP).min(alpha.width);
                    for row in y * STEP..((y + 1) * STEP).min(alpha.height) {
                        alpha.row_mut(row)[columns.clone()].fill(0.0);
                    }
                }
            }
        }
        alpha.replicate();
    }
}

/// The greatest alpha in a cell.
fn most(alpha: &Plane<f32>, x: usize, y: usize) -> f32 {
    let rows = y * STEP..((y + 1) * STEP).min(alpha.height);
    let columns = x * STEP..((x + 1) * STEP).min(alpha.width);
    rows.flat_map(|y| &alpha.row(y)[columns.clone()]).copied().fold(0.0, f32::max)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WIDTH: usize = 64;
    const HEIGHT: usize = 37;

    fn blocks(blocks: &[(usize, usize, usize, usize)]) -> Plane<f32> {
        let mut alpha = Plane::new(WIDTH, HEIGHT);
        for &(x, y, width, height) in blocks {
            (y..y + height).for_each(|y| alpha.row_mut(y)[x..x + width].fill(1.0));
        }
        alpha
    }

    fn area(alpha: &Plane<f32>) -> f32 {
        (0..HEIGHT).flat_map(|y| alpha.row(y)).sum()
    }

    const PERSON: (usize, usize, usize, usize) = (20, 7, 24, 30);

    #[test]
    fn specks_go_and_people_and_hands_stay() {
        let mut islands = Islands::new(WIDTH, HEIGHT);
        let mut alpha = blocks(&[PERSON, (2, 2, 2, 2), (54, 10, 9, 27), (50, 2, 8, 6)]);
        islands.drop_small(&mut alpha, false);
        assert_eq!(area(&alpha), 720.0 + 243.0 + 48.0, "the speck of 4 cells alone is gone");
        let mut alone = blocks(&[(4, 4, 1, 1)]);
        islands.drop_small(&mut alone, false);
        assert_eq!(area(&alone), 0.0, "a speck is nobody also where nobody else is");
    }

    #[test]
    fn the_nearest_stays_alone_until_another_is_clearly_nearer() {
        let mut islands = Islands::new(WIDTH, HEIGHT);
        let other = |width| (52 - width, 2, width, 30);
        let left = (2, 2, 18, 30);
        for (width, expected) in [(16, 18), (20, 18), (22, 18), (26, 26)] {
            let mut alpha = blocks(&[left, other(width)]);
            islands.drop_small(&mut alpha, true);
            assert_eq!(area(&alpha), (expected * 30) as f32, "the other is {width} wide");
        }
    }

    #[test]
    fn what_was_kept_may_shrink_before_it_goes() {
        let mut islands = Islands::new(WIDTH, HEIGHT);
        let kept = |islands: &mut Islands, width: usize| {
            let mut alpha = blocks(&[PERSON, (2, 2, width, 4)]);
            islands.drop_small(&mut alpha, false);
            area(&alpha) > 720.0
        };
        assert!(!kept(&mut islands, 4), "too small to come");
        assert!(kept(&mut islands, 8));
        assert!(kept(&mut islands, 4), "large enough to stay");
        assert!(!kept(&mut islands, 2));
        islands.forget();
        assert!(!kept(&mut islands, 4));
    }

    #[test]
    fn parts_that_meet_further_down_are_one_island() {
        // a fork: two prongs that only their handle joins
        let mut alpha = blocks(&[(10, 2, 2, 20), (30, 2, 2, 20), (10, 22, 22, 2), (2, 30, 2, 2)]);
        Islands::new(WIDTH, HEIGHT).drop_small(&mut alpha, true);
        assert_eq!(area(&alpha), 40.0 + 40.0 + 44.0);
    }

    proptest! {
        #[test]
        fn alpha_only_ever_goes_to_nothing(cells in prop::collection::vec(0.0f32..1.0, WIDTH * HEIGHT), one in any::<bool>()) {
            let mut alpha = Plane::new(WIDTH, HEIGHT);
            (0..HEIGHT).for_each(|y| alpha.row_mut(y).copy_from_slice(&cells[y * WIDTH..][..WIDTH]));
            let before = alpha.clone();
            Islands::new(WIDTH, HEIGHT).drop_small(&mut alpha, one);
            for y in 0..HEIGHT {
                for (after, before) in alpha.row(y).iter().zip(before.row(y)) {
                    prop_assert!(*after == 0.0 || after == before);
                }
            }
        }
    }
}
