//! Decides whether the keyframe model's result is plausible given the fast model's, and which parts of it are.
//!
//! The keyframe model has better edges, but may mistake an entire patterned wall for clothes, or a shirt for a wall.
//! The fast model is rarely wrong about where a person is. So the keyframe model may add to the fast model's person
//! only nearby, and may remove from it only where it is certain. If the two contradict each other over a large area,
//! the whole result is discarded.

use multiversion::multiversion;

use super::{
    labels::Labels,
    motion::Motion,
    stretch_one,
    trust::{Trust, Verdict},
};
use crate::frame::grid::Plane;

/// The side of a cell, in grid cells.
const STEP: usize = 2;

/// The fast model's alphas above which it is certain of a person, and below which it finds none.
const CERTAIN_PERSON: f32 = 0.7;
const POSSIBLE_PERSON: f32 = 0.5;

/// The fast model's alpha below which it is certain of the room.
const FAINT: f32 = 0.2;

/// The keyframe model's raw alphas above which it finds a person, and below which it finds the room.
const PERSON: f32 = 0.4;
const ROOM: f32 = 0.35;

/// Distances are in 1/3 of a cell.
const CELL: u8 = 3;
const DIAGONAL: u8 = 4;

/// The maximum distance from the fast model's certain area at which the keyframe model is trusted: enough for hair and
/// fingers. In 147 keyframes of people with known alpha, less than a thousandth of a person was farther away.
const REACH: u8 = 5 * CELL;

/// The same where nothing moves and the fast model is certain of the room.
const SHORT_REACH: u8 = 2 * CELL;
const CERTAIN_ROOM: f32 = 0.02;

/// The same for a part that is mostly out of reach: a wall or a chair touched by the person.
const TOUCH: u8 = CELL;

/// A part counts as a wall or chair if at least this share and this number of its cells are out of reach.
const FAR_SHARE: f32 = 0.25;
const FAR_CELLS: u32 = 30;

/// The keyframe model finds hands and people who enter first. Moving parts are accepted up to these shares of the
/// frame, the larger one at its sides.
const MOVING_SHARE: f32 = 0.3;
const MAX_HAND: f32 = 0.04;
const MAX_ENTRANT: f32 = 0.12;

/// The share of the rim around the person filled by the keyframe model above which motion is not trusted, because it
/// may be a wall that moves or is uncovered.
const MAX_RIM_FOR_MOTION: f32 = 0.08;

/// The time after a change during which a cell counts as moving, in ticks of 1/30 s.
const RECENT: u8 = 8;

/// A part that is person for the fast model and room for the keyframe model is a hole if the fast model is certain and
/// the keyframe model is not, judged by their mean alphas. Where the keyframe model was right, it had .084 to .095 and
/// the fast model .90 to .98; where it was wrong, .10 to .25 and .985 or more. (The keyframe model's minimum is .08.)
const SURE_PERSON: f32 = 0.985;
const UNSURE_ROOM: f32 = 0.097;

/// Holes smaller than this share of the person are filled only after this number of results contained them, and stay
/// filled for as many results without them, so that an object on the desk does not flicker.
const LARGE_HOLE: f32 = 0.08;
const CONFIRMED: u8 = 4;
const UNSURE_SMALL: f32 = 0.125;

/// The minimum size of such a hole, as a share of the person and in cells: small ones are often real.
const HOLE_SHARE: f32 = 0.012;
const HOLE_CELLS: u32 = 25;

/// The number of keyframes for which a rejected part stays rejected where nothing moves.
const REJECTION_MEMORY: u8 = 24;

/// The contradictions that make a result unusable: the share of the rim around the person filled by the keyframe model,
/// the shares of the person it misses while uncertain and overall, and the rejected area relative to the person.
const MAX_RIM: f32 = 0.3;
const MAX_UNSURE_HOLES: f32 = 0.25;
const MAX_HOLES: f32 = 0.3;
const MAX_REJECTED: f32 = 1.0;

/// The minimum share of the frame covered by the fast model's person for a contradiction to be about a person.
const MIN_PERSON_SHARE: f32 = 0.02;

/// The decision about a cell of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cell {
    /// Keep the keyframe model's alpha.
    Key,
    /// Set it to zero.
    Rejected,
    /// Raise it to at least the fast model's alpha.
    Filled,
}

/// A connected component of cells of one kind.
#[derive(Debug, Clone, Copy, Default)]
struct Part {
    cells: u32,
    /// The numbers of cells out of reach, and of moving cells.
    far: u32,
    moving: u32,
    at_side: bool,
    /// The sums of the models' alphas.
    fast: f32,
    key: f32,
}

/// How strongly a result contradicts the fast model; 1 is too much.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Contradiction {
    rim: f32,
    holes: f32,
    rejected: f32,
}

impl Contradiction {
    fn worst(self) -> f32 {
        self.rim.max(self.holes).max(self.rejected)
    }
}

/// Judges the keyframe results of one stream.
#[derive(Debug)]
pub(super) struct Gate {
    width: usize,
    height: usize,
    fast: Box<[f32]>,
    key: Box<[f32]>,
    /// The distance of each cell to the nearest certain one.
    distance: Box<[u8]>,
    cells: Box<[Cell]>,
    /// The number of results for which each cell stays rejected.
    rejected: Box<[u8]>,
    /// The number of results with a hole in each cell, raised once the hole is certain.
    votes: Box<[u8]>,
    labels: Labels,
    parts: Vec<Part>,
    trust: Trust,
}

impl Gate {
    /// For grids of `width` x `height`.
    pub(super) fn new(width: usize, height: usize) -> Self {
        let (width, height) = (width.div_ceil(STEP), height.div_ceil(STEP));
        let cells = width * height;
        Self {
            width,
            height,
            fast: vec![0.0; cells].into(),
            key: vec![0.0; cells].into(),
            distance: vec![0; cells].into(),
            cells: vec![Cell::Key; cells].into(),
            rejected: vec![0; cells].into(),
            votes: vec![0; cells].into(),
            labels: Labels::new(width, height),
            parts: Vec::with_capacity(width.div_ceil(2) * height),
            trust: Trust::default(),
        }
    }

    pub(super) fn reset(&mut self) {
        self.rejected.fill(0);
        self.votes.fill(0);
        self.trust = Trust::default();
    }

    /// Whether the fast model is used alone because the two contradict each other about a person.
    pub(super) fn rejects(&self) -> bool {
        self.trust.rejects && self.trust.is_about_person
    }

    /// Judges `key`, the keyframe model's raw alpha, by the fast model's alpha of the same frame; `has_keyframe` is
    /// whether an earlier result is still in use.
    pub(super) fn judge(
        &mut self,
        fast: &Plane<f32>,
        key: &Plane<f32>,
        motion: &Motion,
        has_keyframe: bool,
    ) -> Verdict {
        downscale(fast, self.width, &mut self.fast);
        downscale(key, self.width, &mut self.key);
        let person = self.fast.iter().filter(|&&alpha| alpha > POSSIBLE_PERSON).count() as f32;
        let all = self.fast.len() as f32;
        self.measure_distance();
        let rim = self.rim();
        let rejected = self.reject_distant(rim < MAX_RIM_FOR_MOTION, motion) as f32;
        let (unsure, holes) = self.fill(person);
        let base = person.max(all * MIN_PERSON_SHARE);
        let contradiction = Contradiction {
            rim: rim / MAX_RIM,
            holes: (unsure / base / MAX_UNSURE_HOLES).max(holes / base / MAX_HOLES),
            rejected: rejected / base / MAX_REJECTED,
        };
        self.trust.judge(contradiction.worst(), has_keyframe, person >= all * MIN_PERSON_SHARE)
    }

    /// Applies the decisions to the keyframe model's alpha; `fast` is the fast model's alpha of the same frame, with
    /// its `levels`.
    pub(super) fn apply(&self, fast: &Plane<f32>, levels: (f32, f32), alpha: &mut Plane<f32>) {
        let factor = 1.0 / (levels.1 - levels.0);
        for y in 0..alpha.height {
            let cells = &self.cells[y / STEP * self.width..][..self.width];
            let rows = alpha.row_mut(y).chunks_mut(STEP).zip(fast.row(y).chunks(STEP));
            for (cell, (alpha, fast)) in cells.iter().zip(rows) {
                match cell {
                    Cell::Key => {}
                    Cell::Rejected => alpha.fill(0.0),
                    Cell::Filled => {
                        let fast = fast.iter().map(|&fast| stretch_one(fast, levels.0, factor));
                        alpha.iter_mut().zip(fast).for_each(|(alpha, fast)| *alpha = alpha.max(fast));
                    }
                }
            }
        }
        alpha.replicate();
    }

    /// Computes the distance of each cell to the nearest one the fast model is certain of, in two passes.
    fn measure_distance(&mut self) {
        let (width, height) = (self.width, self.height);
        for (distance, &fast) in self.distance.iter_mut().zip(&self.fast) {
            *distance = if fast > CERTAIN_PERSON { 0 } else { u8::MAX };
        }
        for y in 0..height {
            let (above, row) = self.distance.split_at_mut(y * width);
            let above = y.checked_sub(1).map(|y| &above[y * width..]);
            for x in 0..width {
                let left = if x > 0 { row[x - 1].saturating_add(CELL) } else { u8::MAX };
                row[x] = row[x].min(left).min(near(above, x));
            }
        }
        for y in (0..height).rev() {
            let (rows, below) = self.distance.split_at_mut((y + 1) * width);
            let below = (y + 1 < height).then(|| &below[..width]);
            let row = &mut rows[y * width..];
            for x in (0..width).rev() {
                let right = if x + 1 < width { row[x + 1].saturating_add(CELL) } else { u8::MAX };
                row[x] = row[x].min(right).min(near(below, x));
            }
        }
    }

    /// The share of the cells at some distance from the fast model's person in which the keyframe model finds one.
    fn rim(&self) -> f32 {
        let (mut rim, mut filled) = (0, 0);
        for ((&distance, &key), &fast) in self.distance.iter().zip(&self.key).zip(&self.fast) {
            let is_rim = (distance > 2 * TOUCH) & (distance <= REACH) & (fast < FAINT);
            rim += u32::from(is_rim);
            filled += u32::from(is_rim & (key > PERSON));
        }
        filled as f32 / rim.max(1) as f32
    }

    /// Rejects what the keyframe model finds too far from the fast model's person. Returns the number of rejected wall
    /// cells.
    fn reject_distant(&mut self, believes_motion: bool, motion: &Motion) -> u32 {
        let Self { width, labels, parts, fast, key, distance, cells, rejected, .. } = self;
        let width = *width;
        labels.find(|row, inside| {
            let start = row * width;
            for (x, inside) in inside.iter_mut().enumerate() {
                *inside = (key[start + x] > PERSON) & (fast[start + x] < CERTAIN_PERSON);
            }
        });
        parts.clear();
        parts.resize(labels.len(), Part::default());
        for (root, run) in labels.runs() {
            let (part, ages) = (&mut parts[root], &motion.ages(run.row)[run.start..run.end]);
            part.cells += (run.end - run.start) as u32;
            let cells = run.cells(width);
            part.far += cells.map(|at| u32::from((distance[at] > REACH) & (fast[at] < POSSIBLE_PERSON))).sum::<u32>();
            part.at_side |= run.start == 0 || run.end == width;
            part.moving += ages.iter().map(|&age| u32::from(age < RECENT)).sum::<u32>();
        }
        for ((cell, &distance), &fast) in cells.iter_mut().zip(&*distance).zip(&*fast) {
            *cell = if (distance > REACH) & (fast < POSSIBLE_PERSON) { Cell::Rejected } else { Cell::Key };
        }
        rejected.iter_mut().for_each(|rejected| *rejected = rejected.saturating_sub(1));
        let all = cells.len() as f32;
        let mut count = 0;
        for (root, run) in labels.runs() {
            let part = parts[root];
            let share = |cells: u32| cells as f32 / part.cells as f32;
            let max_moving = all * if part.at_side { MAX_ENTRANT } else { MAX_HAND };
            let is_entering = believes_motion && share(part.moving) > MOVING_SHARE && (part.cells as f32) < max_moving;
            let is_wall = part.far > FAR_CELLS && share(part.far) > FAR_SHARE;
            for (at, &age) in run.cells(width).zip(&motion.ages(run.row)[run.start..run.end]) {
                let stays_rejected = rejected[at] > 0 && age >= RECENT && distance[at] > TOUCH;
                let reach = match () {
                    () if is_wall => TOUCH,
                    // hands move
                    () if fast[at] < CERTAIN_ROOM && age >= RECENT => SHORT_REACH,
                    () => REACH,
                };
                let is_far = distance[at] > reach && fast[at] < if is_wall { CERTAIN_PERSON } else { POSSIBLE_PERSON };
                let is_rejected = (is_far || stays_rejected) && !is_entering;
                cells[at] = if is_rejected { Cell::Rejected } else { Cell::Key };
                if is_rejected && is_wall {
                    rejected[at] = REJECTION_MEMORY;
                    count += 1;
                }
            }
        }
        count
    }

    /// Fills uncertain holes of the keyframe model in a person of this many cells. Returns the number of their cells,
    /// and that of all parts the fast model is very certain of.
    fn fill(&mut self, person: f32) -> (f32, f32) {
        let Self { width, labels, parts, fast, key, cells, votes, .. } = self;
        let width = *width;
        labels.find(|row, inside| {
            let start = row * width;
            for (x, inside) in inside.iter_mut().enumerate() {
                *inside = (key[start + x] < ROOM) & (fast[start + x] > CERTAIN_PERSON);
            }
        });
        parts.clear();
        parts.resize(labels.len(), Part::default());
        for (root, run) in labels.runs() {
            let part = &mut parts[root];
            part.cells += (run.end - run.start) as u32;
            part.fast += fast[run.cells(width)].iter().sum::<f32>();
            part.key += key[run.cells(width)].iter().sum::<f32>();
        }
        let is_large = |part: &Part| part.cells as f32 > LARGE_HOLE * person;
        let is_hole = |part: &Part| {
            let count = part.cells as f32;
            let unsure = if is_large(part) { UNSURE_ROOM } else { UNSURE_SMALL };
            let is_unsure = part.fast > SURE_PERSON * count && part.key > unsure * count;
            is_unsure && part.cells >= HOLE_CELLS && count > HOLE_SHARE * person
        };
        votes.iter_mut().for_each(|votes| *votes = votes.saturating_sub(1));
        for (root, run) in labels.runs() {
            let part = &parts[root];
            for at in run.cells(width) {
                if is_hole(part) {
                    votes[at] = if is_large(part) { 2 * CONFIRMED } else { votes[at] + 2 };
                    votes[at] = if votes[at] > CONFIRMED { 2 * CONFIRMED } else { votes[at] };
                }
                if votes[at] > CONFIRMED {
                    cells[at] = Cell::Filled;
                }
            }
        }
        let cells_of = |is_one: &dyn Fn(&Part) -> bool| {
            let parts = parts.iter().filter(|part| is_one(part));
            parts.map(|part| part.cells).sum::<u32>() as f32
        };
        let is_denied = |part: &Part| part.fast > SURE_PERSON * part.cells as f32;
        (cells_of(&is_hole), cells_of(&is_denied))
    }
}

/// The minimum distance through the row above or below.
fn near(row: Option<&[u8]>, x: usize) -> u8 {
    let Some(row) = row else { return u8::MAX };
    let side = |x: Option<&u8>| x.map_or(u8::MAX, |distance| distance.saturating_add(DIAGONAL));
    let left = x.checked_sub(1).map_or(u8::MAX, |x| side(row.get(x)));
    row[x].saturating_add(CELL).min(left).min(side(row.get(x + 1)))
}

/// The means of two by two grid cells.
fn downscale(from: &Plane<f32>, width: usize, into: &mut [f32]) {
    for (row, into) in into.chunks_exact_mut(width).enumerate() {
        // where a cell extends over the edge, the border repeats the last column and row
        let [above, below] = [0, 1].map(|line| &from.wide_row((row * STEP + line) as isize, 1)[1..]);
        mean_row(above, below, into);
    }
}

#[multiversion(targets = "simd")]
fn mean_row(above: &[f32], below: &[f32], into: &mut [f32]) {
    let cells = above.as_chunks::<STEP>().0.iter().zip(below.as_chunks::<STEP>().0);
    for (into, (&[a, b], &[c, d])) in into.iter_mut().zip(cells) {
        *into = (a + b + c + d) * 0.25;
    }
}

#[cfg(test)]
mod tests;
