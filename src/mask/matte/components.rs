//! Removes components of alpha that are not people: specks next to the person, which models find in skies, lamps and
//! patterned walls, and entire lamps and chairs, which the keyframe model mistakes for clothes and the fast model does
//! not find.
//!
//! Components are found at half the grid's size; those that are small next to the largest are removed. A component that
//! was kept in the previous frame is kept down to half that size, so that a hand at the edge of the frame does not
//! flicker.

use multiversion::multiversion;

use super::{
    component::{Component, Owner},
    labels::{Labels, Run},
    motion::Motion,
};
use crate::frame::grid::Plane;

/// The side of a cell, in grid cells.
const STEP: usize = 2;

/// The minimum alpha of a cell in a component.
const INSIDE: f32 = 0.25;

/// The minimum size of a component relative to the largest one.
const MIN_SHARE_OF_LARGEST: f32 = 0.03;

/// The minimum share of the frame.
const MIN_SHARE_OF_FRAME: f32 = 0.002;

/// The factor by which both are lowered for a component that was kept before.
const LINGER: f32 = 0.5;

/// The minimum mean alpha of the fast model for a component of the keyframe model. People have .9 or more, other
/// objects .1, at most .4 (a lamp, 206 keyframes); a hand alone may be between.
const MIN_FAST_ALPHA: f32 = 0.45;

/// The same for the largest component, and for one that was trusted before.
const MIN_FAST_ALPHA_KNOWN: f32 = 0.25;

/// How much the distrust of a cell grows with each frame in an untrusted component, and shrinks with each frame outside
/// all components. The fast model does not find an entering person immediately either, but it never finds a lamp.
const DISTRUST_STEP: u8 = 16;
const DISTRUST_DECAY: u8 = 2;

/// The initial distrust: objects visible from the start have to be confirmed by the fast model.
const INITIAL_DISTRUST: u8 = 160;

/// The minimum mean distrust at which an untrusted component is removed.
const MAX_DISTRUST: u32 = 128;

/// How long a cell counts as recently moved, and how long its motion is remembered, in ticks of 1/30 s.
const MOVED: u8 = 60;
const REMEMBERED: u8 = 240;

/// The minimum size of another person relative to the person in front.
const OTHER_SHARE: f32 = 0.1;

/// The time until another person is reported, or no longer reported, in ticks of 1/30 s.
const OTHERS_SETTLE: i16 = 30;

/// Whether a cell that does not move belongs to a photo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Photo {
    #[default]
    No,
    /// It did, until something moved there.
    Once,
    /// It belongs to a photo or a screen.
    Yes,
}

/// Removes non-person components from one stream.
#[derive(Debug)]
pub(super) struct Components {
    width: usize,
    height: usize,
    /// The maximum alpha of each cell in a row.
    max_alpha: Box<[f32]>,
    labels: Labels,
    /// The measurements of each component, at its root.
    components: Vec<Component>,
    /// The cells that were kept in the previous frame.
    kept: Box<[bool]>,
    /// The owner of each cell in the previous frame.
    owners: Box<[Owner]>,
    photo: Box<[Photo]>,
    /// How long another person has been present, up to [`OTHERS_SETTLE`], or absent if negative; in ticks of 1/30 s.
    others: i16,
    shows_others: bool,
    /// How long the fast model has not confirmed the keyframe model in each cell.
    distrust: Box<[u8]>,
}

impl Components {
    /// For grids of `width` x `height`.
    pub(super) fn new(width: usize, height: usize) -> Self {
        let (width, height) = (width.div_ceil(STEP), height.div_ceil(STEP));
        Self {
            width,
            height,
            max_alpha: vec![0.0; width].into(),
            labels: Labels::new(width, height),
            components: Vec::with_capacity(width.div_ceil(2) * height),
            kept: vec![false; width * height].into(),
            owners: vec![Owner::None; width * height].into(),
            photo: vec![Photo::No; width * height].into(),
            others: -OTHERS_SETTLE,
            shows_others: false,
            distrust: vec![INITIAL_DISTRUST; width * height].into(),
        }
    }

    /// Whether another person is visible besides the one in front.
    pub(super) fn shows_others(&self) -> bool {
        self.shows_others
    }

    /// Sets the alpha of small components to 0. Given the fast model's alpha, also of those it has not confirmed for
    /// some frames; with `nearest_only`, of all but the person in front. Given the motion of a stream and the ticks
    /// (1/30 s) since the previous frame, also of photos and screens behind the person.
    pub(super) fn remove_non_persons(
        &mut self,
        alpha: &mut Plane<f32>,
        fast: Option<&Plane<f32>>,
        motion: Option<(&Motion, u8)>,
        nearest_only: bool,
    ) {
        if let Some((motion, _)) = motion {
            self.clear_moving_photos(motion);
        }
        self.find(alpha, fast, motion.map(|(motion, _)| motion));
        let all = self.choose(fast.is_some(), motion, nearest_only);
        self.remember();
        if fast.is_some() {
            self.distrust();
        }
        if !all {
            self.clear(alpha);
        }
    }

    pub(super) fn reset(&mut self) {
        self.kept.fill(false);
        self.owners.fill(Owner::None);
        self.photo.fill(Photo::No);
        self.others = -OTHERS_SETTLE;
        self.shows_others = false;
        self.distrust.fill(INITIAL_DISTRUST);
    }

    /// Clears the photo mark of cells that move.
    fn clear_moving_photos(&mut self, motion: &Motion) {
        for (row, photos) in self.photo.chunks_exact_mut(self.width).enumerate() {
            for (photo, &age) in photos.iter_mut().zip(motion.ages(row)) {
                *photo = if *photo == Photo::Yes && age == 0 { Photo::Once } else { *photo };
            }
        }
    }

    /// Finds and measures the components.
    fn find(&mut self, alpha: &Plane<f32>, fast: Option<&Plane<f32>>, motion: Option<&Motion>) {
        let Self { labels, components, max_alpha, photo, width, .. } = self;
        labels.find(|row, inside| {
            maxima(lines(alpha, row), max_alpha);
            let photos = &photo[row * *width..][..*width];
            for ((inside, &alpha), &photo) in inside.iter_mut().zip(&**max_alpha).zip(photos) {
                *inside = (alpha > INSIDE) & (photo != Photo::Yes);
            }
        });
        components.clear();
        components.resize(labels.len(), Component::default());
        for (root, run) in self.labels.runs() {
            let part = self.measure(run, alpha, fast, motion);
            self.components[root].add(&part);
        }
    }

    /// Measures a run.
    fn measure(&self, run: Run, alpha: &Plane<f32>, fast: Option<&Plane<f32>>, motion: Option<&Motion>) -> Component {
        let cells = run.end - run.start;
        let lines = lines(alpha, run.row).map(|line| &line[run.start * STEP..run.end * STEP]);
        // one sample per cell is enough of the fast model's alpha, which is smooth
        let samples = fast.map(|fast| &fast.row(run.row * STEP)[run.start * STEP..]);
        let place = run.cells(self.width);
        let ages = motion.map_or(&[][..], |motion| &motion.ages(run.row)[run.start..run.end]);
        let owners = &self.owners[place.clone()];
        let count = |is_one: &dyn Fn(Owner) -> bool| owners.iter().filter(|&&owner| is_one(owner)).count() as u32;
        let count_younger = |limit: u8| ages.iter().map(|&age| u32::from(age < limit)).sum();
        Component {
            area: sum_of_maxima(lines),
            fast_alpha: samples.map_or(0.0, |samples| samples.iter().step_by(STEP).take(cells).sum()),
            distrust: self.distrust[place.clone()].iter().map(|&distrust| u32::from(distrust)).sum(),
            known: self.kept[place.clone()].iter().filter(|&&kept| kept).count(),
            cells,
            bottom: if run.row + 1 == self.height { cells as u32 } else { 0 },
            moved: count_younger(MOVED),
            remembered: count_younger(REMEMBERED),
            owned: count(&|owner| owner != Owner::None),
            in_front: count(&|owner| owner == Owner::Front),
            photo: self.photo[place].iter().map(|&photo| u32::from(photo != Photo::No)).sum(),
            ..Component::default()
        }
    }

    /// Decides which components are kept; returns whether all are.
    fn choose(&mut self, has_fast: bool, motion: Option<(&Motion, u8)>, nearest_only: bool) -> bool {
        let own = self.components.iter().filter(|component| component.cells > 0);
        let front = own.copied().max_by(|a, b| a.weight().total_cmp(&b.weight())).unwrap_or_default();
        let min_area = (self.width * self.height) as f32 * MIN_SHARE_OF_FRAME;
        let min_size = (front.area * MIN_SHARE_OF_LARGEST).max(min_area);
        let (mut all, mut others) = (!self.photo.contains(&Photo::Yes), false);
        for component in self.components.iter_mut().filter(|component| component.cells > 0) {
            let min_size = if component.was_kept() { min_size * LINGER } else { min_size };
            let is_nearest = component.weight() >= front.weight();
            let was_trusted = component.was_kept() && component.distrust == 0;
            let min_fast_alpha = if is_nearest || was_trusted { MIN_FAST_ALPHA_KNOWN } else { MIN_FAST_ALPHA };
            component.is_trusted = !has_fast || component.fast_alpha >= min_fast_alpha * component.cells as f32;
            let is_person = component.is_trusted || component.distrust < MAX_DISTRUST * component.cells as u32;
            component.is_photo = motion.is_some() && component.is_photo_beside(&front);
            component.is_front = is_nearest;
            let is_shown = is_nearest || !nearest_only || component.was_in_front();
            component.is_kept = is_person && component.area >= min_size && is_shown && !component.is_photo;
            all &= component.is_kept;
            let is_other = component.owner() == Owner::Other && component.area > front.area * OTHER_SHARE;
            others |= component.is_kept && is_other;
        }
        self.count_others(others, motion.map_or(1, |(_, ticks)| ticks));
        all
    }

    /// Reports other people only after they have been present, or absent, for a while.
    fn count_others(&mut self, others: bool, ticks: u8) {
        let step = if others { i16::from(ticks) } else { -i16::from(ticks) };
        self.others = (self.others + step).clamp(-OTHERS_SETTLE, OTHERS_SETTLE);
        if self.others.abs() == OTHERS_SETTLE {
            self.shows_others = self.others > 0;
        }
    }

    fn remember(&mut self) {
        self.kept.fill(false);
        self.owners.fill(Owner::None);
        for (root, run) in self.labels.runs() {
            let (component, cells) = (&self.components[root], run.cells(self.width));
            if component.is_kept {
                self.kept[cells.clone()].fill(true);
                self.owners[cells.clone()].fill(component.owner());
            }
            if component.is_photo {
                self.photo[cells].fill(Photo::Yes);
            }
        }
    }

    /// Updates the distrust of the keyframe model.
    fn distrust(&mut self) {
        self.distrust.iter_mut().for_each(|distrust| *distrust = distrust.saturating_sub(DISTRUST_DECAY));
        for (root, run) in self.labels.runs() {
            let cells = &mut self.distrust[run.cells(self.width)];
            if self.components[root].is_trusted {
                cells.fill(0);
            } else {
                cells
                    .iter_mut()
                    .for_each(|distrust| *distrust = distrust.saturating_add(DISTRUST_STEP + DISTRUST_DECAY));
            }
        }
    }

    /// Removes the components that are not kept, with the faint alpha around them.
    fn clear(&self, alpha: &mut Plane<f32>) {
        let around = |at: usize, end: usize| at.saturating_sub(1)..(at + 2).min(end);
        for (row, photos) in self.photo.chunks_exact(self.width).enumerate() {
            for (column, _) in photos.iter().enumerate().filter(|(_, photo)| **photo == Photo::Yes) {
                let columns = column * STEP..((column + 1) * STEP).min(alpha.width);
                for y in row * STEP..((row + 1) * STEP).min(alpha.height) {
                    alpha.row_mut(y)[columns.clone()].fill(0.0);
                }
            }
        }
        for (_, run) in self.labels.runs().filter(|(root, _)| !self.components[*root].is_kept) {
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

/// The two rows of `alpha` covered by a row of cells; where a cell extends over the edge, the border repeats the last
/// column and row.
fn lines(alpha: &Plane<f32>, row: usize) -> [&[f32]; 2] {
    [0, 1].map(|line| &alpha.wide_row((row * STEP + line) as isize, 1)[1..])
}

/// The sum of the cells' maximum alphas, from two rows.
fn sum_of_maxima([above, below]: [&[f32]; 2]) -> f32 {
    let cells = above.as_chunks::<STEP>().0.iter().zip(below.as_chunks::<STEP>().0);
    cells.map(|(&[a, b], &[c, d])| a.max(b).max(c.max(d))).sum()
}

/// The maximum alpha of each cell, from two rows.
#[multiversion(targets = "simd")]
fn maxima([above, below]: [&[f32]; 2], into: &mut [f32]) {
    let more = |a: f32, b: f32| if a > b { a } else { b };
    let cells = above.as_chunks::<STEP>().0.iter().zip(below.as_chunks::<STEP>().0);
    for (into, (&[a, b], &[c, d])) in into.iter_mut().zip(cells) {
        *into = more(more(a, b), more(c, d));
    }
}

#[cfg(test)]
mod tests;
