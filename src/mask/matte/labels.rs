//! Labels connected components: runs of cells in a row, joined to those of the row above with union-find (Rosenfeld and
//! Pfaltz 1966, applied to runs).

use std::ops::Range;

/// Adjacent inside cells in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) row: usize,
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Run {
    /// Whether cells of both runs touch, including diagonally.
    fn touches(&self, other: &Self) -> bool {
        self.start <= other.end && other.start <= self.end
    }

    /// Its cells in a plane of `width` columns without a border.
    pub(super) fn cells(&self, width: usize) -> Range<usize> {
        self.row * width + self.start..self.row * width + self.end
    }
}

/// Labels the components of planes of one size.
#[derive(Debug)]
pub(super) struct Labels {
    height: usize,
    inside: Box<[bool]>,
    runs: Vec<Run>,
    /// For each run, the first run of its component.
    roots: Vec<u32>,
}

impl Labels {
    pub(super) fn new(width: usize, height: usize) -> Self {
        let max_runs = width.div_ceil(2) * height;
        Self {
            height,
            inside: vec![false; width].into(),
            runs: Vec::with_capacity(max_runs),
            roots: Vec::with_capacity(max_runs),
        }
    }

    /// Labels the components of the cells that `mark` sets to true, one row at a time from the top.
    pub(super) fn find(&mut self, mut mark: impl FnMut(usize, &mut [bool])) {
        self.runs.clear();
        self.roots.clear();
        let mut above = 0..0;
        for row in 0..self.height {
            mark(row, &mut self.inside);
            let first = self.runs.len();
            let mut from = 0;
            while let Some(start) = self.inside[from..].iter().position(|&inside| inside).map(|at| from + at) {
                let length = self.inside[start..].iter().position(|&inside| !inside);
                let end = length.map_or(self.inside.len(), |length| start + length);
                self.add(Run { row, start, end }, &above);
                from = end;
            }
            above = first..self.runs.len();
        }
        // each run points to an earlier one, so a single pass resolves all roots
        for at in 0..self.roots.len() {
            self.roots[at] = self.roots[self.roots[at] as usize];
        }
    }

    /// Adds a run, joined to the runs `above` that it touches.
    fn add(&mut self, run: Run, above: &Range<usize>) {
        let own = self.runs.len();
        self.runs.push(run);
        self.roots.push(own as u32);
        for other in above.clone().filter(|&other| self.runs[other].touches(&run)) {
            let (a, b) = (self.root_of(other), self.root_of(own));
            self.roots[a.max(b)] = a.min(b) as u32;
        }
    }

    fn root_of(&self, mut run: usize) -> usize {
        while self.roots[run] as usize != run {
            run = self.roots[run] as usize;
        }
        run
    }

    /// The number of runs.
    pub(super) fn len(&self) -> usize {
        self.runs.len()
    }

    /// All runs with the numbers of their components' roots.
    pub(super) fn runs(&self) -> impl Iterator<Item = (usize, Run)> + '_ {
        self.roots.iter().zip(&self.runs).map(|(&root, &run)| (root as usize, run))
    }
}
