//! Islands of alpha that are nobody: specks beside the person, which models see in skies, lamps and patterned walls, and
//! whole lamps and chairs, which the key model takes for something that is worn and the fast model does not see.
//!
//! Parts of the alpha that hang together are found at half the grid's size, as runs of cells that are joined to those of the
//! row above by a union-find (Rosenfeld and Pfaltz 1966, for runs); those that are small beside the largest go. What was
//! kept a frame before is kept down to half that size, so that a hand at the rim of the picture does not flicker.

use std::ops::Range;

use multiversion::multiversion;

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

/// The mean alpha of the fast model that a key model's island needs. Of people it has .9 and more, of what is none .1, and
/// .4 at the most (a lamp, 206 key frames); a hand alone may lie between.
const BELIEVED: f32 = 0.45;

/// The same for the largest island, and for what was believed before.
const BARELY_BELIEVED: f32 = 0.25;

/// By how much the doubt in a cell grows with each frame in which it lies in an island that is not believed, and shrinks
/// with each in which it lies in none. Somebody who comes in is not seen by the fast model at once either; a lamp is
/// never.
const DOUBT_GROWS: u8 = 16;
const DOUBT_SHRINKS: u8 = 2;

/// The doubt of a new stream: what is there from the beginning has to be believed.
const FIRST_DOUBT: u8 = 160;

/// The mean doubt from which on an island that is not believed goes.
const TOO_DOUBTFUL: u32 = 128;

/// By how much another person has to be larger than the nearest of before to take their place.
const LEAD: f32 = 1.3;

/// Removes islands, for one stream.
#[derive(Debug)]
pub(super) struct Islands {
    width: usize,
    height: usize,
    /// The greatest alpha in each cell of a row.
    most: Box<[f32]>,
    /// All runs of cells inside, row by row.
    runs: Vec<Run>,
    /// Of each run: where it points when it is joined to another, else itself.
    parents: Vec<u32>,
    /// Of each run that points to itself: the island.
    islands: Vec<Island>,
    /// Which cells were kept in the frame before.
    kept: Box<[bool]>,
    /// How long the fast model has not seen what the key model sees in each cell.
    doubt: Box<[u8]>,
}

/// Neighbours in a row that are inside.
#[derive(Debug, Clone, Copy)]
struct Run {
    row: usize,
    start: usize,
    end: usize,
}

impl Run {
    /// Whether cells of the two touch, if only at a corner.
    fn touches(&self, other: &Self) -> bool {
        self.start <= other.end && other.start <= self.end
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Island {
    /// The sum of its alphas.
    area: f32,
    /// The same of the fast model's.
    believed: f32,
    /// The sum of the doubt in its cells.
    doubt: u32,
    is_believed: bool,
    /// How many of its cells were kept in the frame before.
    known: usize,
    cells: usize,
    is_kept: bool,
}

impl Island {
    /// Whether most of it was kept in the frame before.
    fn was_kept(&self) -> bool {
        self.known * 2 > self.cells
    }
}

impl Islands {
    /// For grids of `width` x `height`.
    pub(super) fn new(width: usize, height: usize) -> Self {
        let (width, height) = (width.div_ceil(STEP), height.div_ceil(STEP));
        let most_runs = width.div_ceil(2) * height;
        Self {
            width,
            height,
            most: vec![0.0; width].into(),
            runs: Vec::with_capacity(most_runs),
            parents: Vec::with_capacity(most_runs),
            islands: Vec::with_capacity(most_runs),
            kept: vec![false; width * height].into(),
            doubt: vec![FIRST_DOUBT; width * height].into(),
        }
    }

    /// Sets the alpha of small islands to 0, and where the fast model's alpha is given of those in which it has seen nobody
    /// for some frames; with `nearest_only` of all but the largest.
    pub(super) fn drop_nobody(&mut self, alpha: &mut Plane<f32>, fast: Option<&Plane<f32>>, nearest_only: bool) {
        self.find(alpha, fast);
        let all = self.choose(fast.is_some(), nearest_only);
        self.remember();
        if fast.is_some() {
            self.doubt();
        }
        if !all {
            self.clear(alpha);
        }
    }

    pub(super) fn forget(&mut self) {
        self.kept.fill(false);
        self.doubt.fill(FIRST_DOUBT);
    }

    /// Finds the runs, and joins those that hang together to islands.
    fn find(&mut self, alpha: &Plane<f32>, fast: Option<&Plane<f32>>) {
        self.runs.clear();
        self.parents.clear();
        self.islands.clear();
        let mut above = 0..0;
        for row in 0..self.height {
            // the border repeats the last column and row where a cell reaches over the edge
            let lines = [0, 1].map(|line| &alpha.wide_row((row * STEP + line) as isize, 1)[1..]);
            greatest(lines, &mut self.most);
            let first = self.runs.len();
            let mut from = 0;
            while let Some(start) = self.most[from..].iter().position(|&most| most > INSIDE).map(|at| from + at) {
                let length = self.most[start..].iter().position(|&most| most <= INSIDE);
                let end = length.map_or(self.width, |length| start + length);
                self.add(Run { row, start, end }, &above, fast);
                from = end;
            }
            above = first..self.runs.len();
        }
        for run in 0..self.runs.len() {
            let (root, island) = (self.root(run), self.islands[run]);
            if root != run {
                let whole = &mut self.islands[root];
                whole.area += island.area;
                whole.believed += island.believed;
                whole.doubt += island.doubt;
                whole.known += island.known;
                whole.cells += island.cells;
            }
        }
    }

    /// Adds a run, joined to those `above` that it touches.
    fn add(&mut self, run: Run, above: &Range<usize>, fast: Option<&Plane<f32>>) {
        let own = self.runs.len();
        self.runs.push(run);
        self.parents.push(own as u32);
        let place = run.row * self.width + run.start..run.row * self.width + run.end;
        let known = self.kept[place.clone()].iter().filter(|&&kept| kept).count();
        let doubt = self.doubt[place].iter().map(|&doubt| u32::from(doubt)).sum();
        let area = self.most[run.start..run.end].iter().sum();
        // one pixel a cell is enough: this model's alpha is smooth
        let samples = fast.map(|fast| &fast.row(run.row * STEP)[run.start * STEP..]);
        let cells = run.end - run.start;
        let believed = samples.map_or(0.0, |samples| samples.iter().step_by(STEP).take(cells).sum());
        self.islands.push(Island { area, believed, doubt, is_believed: true, known, cells, is_kept: false });
        for other in above.clone().filter(|&other| self.runs[other].touches(&run)) {
            let (a, b) = (self.root(other), self.root(own));
            self.parents[a.max(b)] = a.min(b) as u32;
        }
    }

    /// The run that stands for all that a run hangs together with.
    fn root(&self, mut run: usize) -> usize {
        while self.parents[run] as usize != run {
            run = self.parents[run] as usize;
        }
        run
    }

    /// Decides which islands are kept; true when all are.
    fn choose(&mut self, has_fast: bool, nearest_only: bool) -> bool {
        let weight = |island: &Island| island.area * if island.was_kept() { LEAD } else { 1.0 };
        let Self { parents, islands, .. } = self;
        // a run that points to another is no island
        let own = |(at, island)| (parents[at] as usize == at).then_some(island);
        let Some(largest) =
            islands.iter().enumerate().filter_map(own).copied().max_by(|a, b| weight(a).total_cmp(&weight(b)))
        else {
            return true;
        };
        let least_of_all = (self.width * self.height) as f32 * LEAST_OF_ALL;
        let least = (largest.area * LEAST_OF_LARGEST).max(least_of_all);
        let mut all = true;
        for (at, island) in islands.iter_mut().enumerate() {
            if parents[at] as usize != at {
                continue;
            }
            let least = if island.was_kept() { least * LINGER } else { least };
            let is_nearest = weight(island) >= weight(&largest);
            let was_believed = island.was_kept() && island.doubt == 0;
            let doubtful = if is_nearest || was_believed { BARELY_BELIEVED } else { BELIEVED };
            island.is_believed = !has_fast || island.believed >= doubtful * island.cells as f32;
            let is_anybody = island.is_believed || island.doubt < TOO_DOUBTFUL * island.cells as u32;
            island.is_kept = is_anybody && island.area >= least && (is_nearest || !nearest_only);
            all &= island.is_kept;
        }
        all
    }

    fn is_kept(&self, run: usize) -> bool {
        self.islands[self.root(run)].is_kept
    }

    fn remember(&mut self) {
        self.kept.fill(false);
        for (at, run) in self.runs.iter().enumerate() {
            if self.is_kept(at) {
                self.kept[run.row * self.width..][run.start..run.end].fill(true);
            }
        }
    }

    /// Doubts more, or less, what the key model sees.
    fn doubt(&mut self) {
        self.doubt.iter_mut().for_each(|doubt| *doubt = doubt.saturating_sub(DOUBT_SHRINKS));
        for (at, run) in self.runs.iter().enumerate() {
            let is_believed = self.islands[self.root(at)].is_believed;
            let cells = &mut self.doubt[run.row * self.width..][run.start..run.end];
            if is_believed {
                cells.fill(0);
            } else {
                cells.iter_mut().for_each(|doubt| *doubt = doubt.saturating_add(DOUBT_GROWS + DOUBT_SHRINKS));
            }
        }
    }

    /// Takes away what is not kept, with the haze around it.
    fn clear(&self, alpha: &mut Plane<f32>) {
        let around = |at: usize, end: usize| at.saturating_sub(1)..(at + 2).min(end);
        for (_, run) in self.runs.iter().enumerate().filter(|(at, _)| !self.is_kept(*at)) {
            for y in around(run.row, self.height) {
                for x in run.start.saturating_sub(1)..(run.end + 1).min(self.width) {
                    let columns = around(x, self.width);
                    if around(y, self.height).any(|y| self.kept[y * self.width..][columns.clone()].contains(&true)) {
                        continue;
                    }
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

/// The greatest alpha in each cell, of two rows.
#[multiversion(targets = "simd")]
fn greatest([above, below]: [&[f32]; 2], into: &mut [f32]) {
    let more = |a: f32, b: f32| if a > b { a } else { b };
    let cells = above.as_chunks::<STEP>().0.iter().zip(below.as_chunks::<STEP>().0);
    for (into, (&[a, b], &[c, d])) in into.iter_mut().zip(cells) {
        *into = more(more(a, b), more(c, d));
    }
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
        islands.drop_nobody(&mut alpha, None, false);
        assert_eq!(area(&alpha), 720.0 + 243.0 + 48.0, "the speck of 4 cells alone is gone");
        let mut alone = blocks(&[(4, 4, 1, 1)]);
        islands.drop_nobody(&mut alone, None, false);
        assert_eq!(area(&alone), 0.0, "a speck is nobody also where nobody else is");
    }

    #[test]
    fn the_nearest_stays_alone_until_another_is_clearly_nearer() {
        let mut islands = Islands::new(WIDTH, HEIGHT);
        let other = |width| (52 - width, 2, width, 30);
        let left = (2, 2, 18, 30);
        for (width, expected) in [(16, 18), (20, 18), (22, 18), (26, 26)] {
            let mut alpha = blocks(&[left, other(width)]);
            islands.drop_nobody(&mut alpha, None, true);
            assert_eq!(area(&alpha), (expected * 30) as f32, "the other is {width} wide");
        }
    }

    #[test]
    fn what_was_kept_may_shrink_before_it_goes() {
        let mut islands = Islands::new(WIDTH, HEIGHT);
        let kept = |islands: &mut Islands, width: usize| {
            let mut alpha = blocks(&[PERSON, (2, 2, width, 4)]);
            islands.drop_nobody(&mut alpha, None, false);
            area(&alpha) > 720.0
        };
        assert!(!kept(&mut islands, 4), "too small to come");
        assert!(kept(&mut islands, 8));
        assert!(kept(&mut islands, 4), "large enough to stay");
        assert!(!kept(&mut islands, 2));
        islands.forget();
        assert!(!kept(&mut islands, 4));
    }

    const LAMP: (usize, usize, usize, usize) = (0, 20, 12, 17);

    /// Whether the lamp beside a person is kept where the fast model has this alpha for it.
    fn keeps_lamp(islands: &mut Islands, fast: f32) -> bool {
        let mut believed = blocks(&[PERSON]);
        (20..37).for_each(|y| believed.row_mut(y)[..12].fill(fast));
        let mut alpha = blocks(&[PERSON, LAMP]);
        islands.drop_nobody(&mut alpha, Some(&believed), false);
        assert!(area(&alpha) >= 720.0, "the person");
        area(&alpha) > 720.0
    }

    #[test]
    fn a_lamp_that_only_the_key_model_sees_goes() {
        let mut islands = Islands::new(WIDTH, HEIGHT);
        assert!((0..100).all(|_| !keeps_lamp(&mut islands, 0.4)), "from the first frame on");
        assert!(keeps_lamp(&mut islands, 0.5));
        assert!((0..100).all(|_| keeps_lamp(&mut islands, 0.4)), "doubtful, but it was there");
        let shown = (0..100).filter(|_| keeps_lamp(&mut islands, 0.1)).count();
        assert_eq!(shown, 8, "and goes in a quarter of a second");
        let mut alone = blocks(&[LAMP]);
        Islands::new(WIDTH, HEIGHT).drop_nobody(&mut alone, Some(&blocks(&[])), false);
        assert_eq!(area(&alone), 0.0, "nobody is in the room");
    }

    #[test]
    fn somebody_who_comes_in_is_shown_before_the_fast_model_sees_them() {
        let mut islands = Islands::new(WIDTH, HEIGHT);
        for _ in 0..80 {
            islands.drop_nobody(&mut blocks(&[PERSON]), Some(&blocks(&[PERSON])), false);
        }
        assert!((0..6).all(|_| keeps_lamp(&mut islands, 0.2)));
        assert!((0..100).all(|_| keeps_lamp(&mut islands, 0.9)));
        let mut islands = Islands::new(WIDTH, HEIGHT);
        for _ in 0..80 {
            islands.drop_nobody(&mut blocks(&[PERSON]), Some(&blocks(&[PERSON])), false);
        }
        let shown = (0..100).filter(|_| keeps_lamp(&mut islands, 0.4)).count();
        assert_eq!(shown, 8, "to be shown on trial is no reason to be believed");
    }

    #[test]
    fn parts_that_meet_further_down_are_one_island() {
        // a fork: two prongs that only their handle joins
        let mut alpha = blocks(&[(10, 2, 2, 20), (30, 2, 2, 20), (10, 22, 22, 2), (2, 30, 2, 2)]);
        Islands::new(WIDTH, HEIGHT).drop_nobody(&mut alpha, None, true);
        assert_eq!(area(&alpha), 40.0 + 40.0 + 44.0);
    }

    /// The cells of the largest part that hangs together, found the slow way.
    fn largest(inside: &[bool], width: usize) -> Vec<usize> {
        let (mut left, mut best): (Vec<bool>, Vec<usize>) = (inside.to_vec(), Vec::new());
        for start in 0..inside.len() {
            let (mut part, mut open) = (Vec::new(), vec![start]);
            while let Some(at) = open.pop() {
                if !std::mem::take(&mut left[at]) {
                    continue;
                }
                part.push(at);
                let (x, y) = ((at % width) as isize, (at / width) as isize);
                let around = (-1..=1).flat_map(|dy| (-1..=1).map(move |dx| (x + dx, y + dy)));
                let rows = (inside.len() / width) as isize;
                let near = around.filter(|&(x, y)| (0..width as isize).contains(&x) && (0..rows).contains(&y));
                open.extend(near.map(|(x, y)| y as usize * width + x as usize));
            }
            if part.len() > best.len() {
                best = part;
            }
        }
        best.sort_unstable();
        best
    }

    proptest! {
        #[test]
        fn the_largest_is_all_that_hangs_together(
            inside in (32usize..64, 16usize..24).prop_flat_map(|(w, h)| prop::collection::vec(prop::bool::weighted(0.4), w * h).prop_map(move |v| (w, v)))
        ) {
            let (width, inside) = inside;
            let height = inside.len() / width;
            let mut alpha = Plane::new(width * STEP, height * STEP);
            for (at, _) in inside.iter().enumerate().filter(|(_, inside)| **inside) {
                alpha.row_mut(at / width * STEP)[at % width * STEP] = 1.0;
            }
            let mut islands = Islands::new(width * STEP, height * STEP);
            islands.find(&alpha, None);
            let wanted = largest(&inside, width);
            let at_root = |run: usize| islands.islands[islands.root(run)].cells;
            let most = (0..islands.runs.len()).map(at_root).max().unwrap_or(0);
            prop_assert_eq!(most, wanted.len());
        }

        #[test]
        fn alpha_only_ever_goes_to_nothing(cells in prop::collection::vec(0.0f32..1.0, WIDTH * HEIGHT), one in any::<bool>()) {
            let mut alpha = Plane::new(WIDTH, HEIGHT);
            (0..HEIGHT).for_each(|y| alpha.row_mut(y).copy_from_slice(&cells[y * WIDTH..][..WIDTH]));
            let before = alpha.clone();
            Islands::new(WIDTH, HEIGHT).drop_nobody(&mut alpha, None, one);
            for y in 0..HEIGHT {
                for (after, before) in alpha.row(y).iter().zip(before.row(y)) {
                    prop_assert!(*after == 0.0 || after == before);
                }
            }
        }
    }
}
